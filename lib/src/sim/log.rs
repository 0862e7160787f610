//! What became of what was sent over a network.

use std::net::SocketAddr;
use std::time::Duration;

use crate::impairment::LostBy;

/// A datagram that crossed a network, or a copy of one, or a report that one was refused. A broadcast crosses it to each
/// host. All times are since the start, so that the same seed gives the same log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Crossing {
    /// The source that its header names.
    pub source: SocketAddr,
    /// Where it was sent.
    pub destination: SocketAddr,
    /// Bytes of payload.
    pub payload_len: usize,
    /// Whether it is not a datagram but a report that one was refused.
    pub is_refusal: bool,
    /// Which one on its link it is, in this direction, from 1.
    pub number: u64,
    /// Whether it is a copy that the network made.
    pub is_copy: bool,
    /// Whether a bit of it was inverted.
    pub is_corrupted: bool,
    /// Whether it was marked instead of lost: congestion experienced.
    pub is_marked: bool,
    /// When it was sent.
    pub sent: Duration,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a datagram in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is under way still.
    UnderWay,
    /// It arrived at this time, at one socket or more.
    Arrived(Duration),
    /// The link lost it.
    Lost(LostBy),
    /// A router dropped it: its hop limit was used up.
    HopLimit,
    /// It arrived at this time, and nobody was there.
    Nobody(Duration),
}

/// Counts of what crossed a network. `sent + duplicated + copied` is what was lost, is under way, found nobody or was
/// delivered; reports of refusals stand in `refused` alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Datagrams that engines sent or that were injected.
    pub sent: u64,
    /// Datagrams that a link lost, or a router for their hop limit; copies too.
    pub lost: u64,
    /// Copies that links made.
    pub duplicated: u64,
    /// Copies of broadcasts and multicasts for a second and any further receiver.
    pub copied: u64,
    /// Datagrams that arrived where nobody was.
    pub undeliverable: u64,
    /// Datagrams that an engine was handed.
    pub delivered: u64,
    /// Reports of refusals that were sent.
    pub refused: u64,
}
