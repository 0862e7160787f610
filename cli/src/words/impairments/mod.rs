//! Impairments as words, such as `loss` = `5%`: the same in flags, in scenario files and in JSON.
#![cfg_attr(not(feature = "http"), allow(dead_code, reason = "what steers a running relay needs all of it"))]

pub(crate) mod command_line;
mod name;
mod options;
pub(crate) mod presets;
#[cfg(test)]
mod tests;
mod value;
mod words;
mod write;

pub(crate) use name::Name;
pub(crate) use value::Files;
pub(crate) use words::{Changes, Mistake, Words};
