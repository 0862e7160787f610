//! `udp listen --tui`: what is received goes to a table of senders, and to a capture if there is one.

mod details;
mod feed;
mod live;
mod picture;
mod senders;
mod sink;
mod state;
mod view;

pub(super) use sink::ListenSink;
