//! `udp measure --report`: one page in HTML that shows what a measurement came to, without a script and without loading anything.

mod definitions;
mod directions;
mod distribution;
mod document;
mod file;
mod histogram;
mod history;
mod load;
mod over_time;
mod page;
mod plot;
mod scale;
mod series;
mod tables;

pub(super) use file::ReportFile;
pub(super) use history::History;
