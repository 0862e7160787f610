//! `udp relay --truth`: what became of each datagram, in a file of JSON Lines that another thread writes.

mod file;
mod queue;
mod record;
mod sink;
mod writer;

pub(super) use file::{Truth, Written};
pub(super) use sink::TruthSink;
