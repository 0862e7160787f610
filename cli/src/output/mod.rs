//! What is printed: data on standard output in the chosen format, everything else on standard error.

mod aside;
mod backlog;
mod columns;
pub(crate) mod escape;
mod head;
pub(crate) mod hex;
pub(crate) mod json;
mod mistake;
mod named;
mod news;
mod news_sink;
mod notice;
mod notices;
mod palette;
mod printer;
mod role;
#[cfg(test)]
pub(crate) mod samples;
mod settings;
mod shared;
#[cfg(unix)]
mod standard;
#[cfg(not(unix))]
#[path = "standard_plain.rs"]
mod standard;
pub(crate) mod summary;
mod text;
mod wording;

pub(crate) use aside::{error, words_of};
pub(crate) use columns::Columns;
pub(crate) use mistake::mistake;
pub(crate) use named::Named;
pub(crate) use news::{News, Refusals, Repeated};
pub(crate) use news_sink::NewsSink;
pub(crate) use notice::{Notice, Remark, Tone};
#[cfg(feature = "tui")]
pub(crate) use notices::{ClockStepped, Reopened};
pub(crate) use notices::{ListeningOn, MetricsServed, NotShown, endpoints};
#[cfg(any(test, fuzzing))]
pub(crate) use printer::Printer;
pub(crate) use printer::StdPrinter;
pub(crate) use settings::{Printing, Settings};
pub(crate) use shared::SharedPrinter;
pub(crate) use standard::{Standard, end_waiting};
pub(crate) use wording::Times;
