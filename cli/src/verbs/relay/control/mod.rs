//! `--control`: the relay is watched and steered over HTTP, by programs and by the page.
//!
//! The relay's thread hands what happens to a [`Tap`], which samples it and never waits. The server's thread keeps the last
//! of it on a board, tells it to those who listen, and hands what they ask for to the relay.

mod board;
mod desk;
mod feed;
mod record;
mod serving;
mod state;
mod steering;
#[cfg(test)]
mod tests;

pub(crate) use feed::Tap;
pub(crate) use serving::{Line, line, serve};
pub(crate) use state::Facts;
