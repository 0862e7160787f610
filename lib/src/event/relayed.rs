//! What the events of a relay carry.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::direction::Direction;
use crate::impairment::{Departure, Fates, Impairment, ImpairmentOptions};
use crate::network::Network;
use crate::setters::setters;
use crate::socket_id::SocketId;

/// A datagram that came to a relay, and what was decided of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decided<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// The network whose own link it takes; `None`: that of all others.
    pub network: Option<Network>,
    /// The peer that it came from or goes to.
    pub peer: SocketAddr,
    /// Its payload, as it came.
    pub payload: &'a [u8],
    /// When it came.
    pub entered: Instant,
    /// What becomes of it, and of its copy.
    pub fates: Fates,
    /// What decided: it knows the numbers drawn.
    pub impairment: &'a Impairment,
}

setters! { Decided<'a> {
    into network: Option<Network>,
}}

impl<'a> Decided<'a> {
    /// The details of such an event, on the link of all.
    #[must_use]
    pub fn new(
        direction: Direction,
        peer: SocketAddr,
        payload: &'a [u8],
        entered: Instant,
        fates: Fates,
        impairment: &'a Impairment,
    ) -> Self {
        Self { direction, network: None, peer, payload, entered, fates, impairment }
    }
}

/// A datagram, or its copy, that left a link of a relay.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Departed<'a> {
    /// Which way it goes.
    pub direction: Direction,
    /// The network whose own link it took; `None`: that of all others.
    pub network: Option<Network>,
    /// The peer that it came from or goes to.
    pub peer: SocketAddr,
    /// Its payload, as it left.
    pub payload: &'a [u8],
    /// Which datagram of its link it is, from 1.
    pub number: u64,
    /// Whether it is the copy.
    pub is_copy: bool,
    /// When it came.
    pub entered: Instant,
    /// What was decided when it came.
    pub departure: Departure,
    /// When it was to leave. Of one that was overtaken, when it was known that it was.
    pub decided: Instant,
    /// When it left.
    pub left: Instant,
    /// Where it left to.
    pub leaving: Leaving,
    /// The socket that it left by, and how many datagrams had been sent through that before it
    /// ([`SendFailure::place`](crate::SendFailure::place)); `None` of one that was not to be sent.
    pub sent: Option<(SocketId, u64)>,
    /// What decided: it knows the numbers drawn.
    pub impairment: &'a Impairment,
}

/// Where a datagram went when it left a link of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leaving {
    /// To be sent. What could not be is reported after that ([`Event::SendFailed`](super::Event::SendFailed)), and
    /// [`Sink::settled`](crate::Sink::settled) ends the wait for it.
    Forwarded,
    /// Nowhere: it was to be sent, and could not be. Never in an event, since that is known only later; in a record.
    SendFailed,
    /// Nowhere: its peer had been forgotten meanwhile.
    Forgotten,
    /// Nowhere: the run ended before it was to leave, or the relay was reset.
    Unfinished,
}

impl Leaving {
    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::SendFailed => "send_failed",
            Self::Forgotten => "forgotten",
            Self::Unfinished => "unfinished",
        }
    }
}

setters! { Departed<'a> {
    into network: Option<Network>,
    is_copy: bool,
    decided: Instant,
    left: Instant,
    leaving: Leaving,
    into sent: Option<(SocketId, u64)>,
}}

impl<'a> Departed<'a> {
    /// The details of such an event: of a datagram, no copy, that entered the link of all at this moment and left it when it was to.
    #[must_use]
    pub fn new(
        direction: Direction,
        peer: SocketAddr,
        payload: &'a [u8],
        number: u64,
        entered: Instant,
        departure: Departure,
        impairment: &'a Impairment,
    ) -> Self {
        let (decided, left) = (departure.at, departure.at);
        let (network, is_copy, leaving) = (None, false, Leaving::Forwarded);
        Self {
            direction,
            network,
            peer,
            payload,
            number,
            is_copy,
            entered,
            departure,
            decided,
            left,
            leaving,
            sent: None,
            impairment,
        }
    }

    /// How much later it left than was decided.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        self.left.saturating_duration_since(self.decided)
    }
}

/// A peer of a relay that came or went.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PeerChanged {
    /// Its address.
    pub peer: SocketAddr,
    /// The address of the socket that speaks to the target for it, where it is known.
    pub upstream: Option<SocketAddr>,
    /// What happened.
    pub change: PeerChange,
}

/// What happened to a peer of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerChange {
    /// Its first datagram came.
    Appeared,
    /// It was forgotten: nothing was relayed for it for a while.
    Expired,
    /// It was forgotten to make room: of all peers, nothing was relayed for it for the longest time.
    Evicted,
    /// Its socket was lost.
    Lost,
}

impl PeerChange {
    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Appeared => "appeared",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Lost => "lost",
        }
    }
}

impl PeerChanged {
    /// The details of such an event.
    #[must_use]
    pub fn new(peer: SocketAddr, upstream: Option<SocketAddr>, change: PeerChange) -> Self {
        Self { peer, upstream, change }
    }
}

/// A link of a relay that does something else from now on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Impaired<'a> {
    /// Which way.
    pub direction: Direction,
    /// The network whose own link it is; `None`: that of all others.
    pub network: Option<Network>,
    /// What it does; `None`: this network has no links of its own any more.
    pub options: Option<&'a ImpairmentOptions>,
    /// Whether the relay was reset: numbers and draws begin again.
    pub is_reset: bool,
    /// When.
    pub at: Instant,
}

setters! { Impaired<'a> {
    into network: Option<Network>,
    into options: Option<&'a ImpairmentOptions>,
    is_reset: bool,
}}

impl<'a> Impaired<'a> {
    /// The details of such an event, on the link of all.
    #[must_use]
    pub fn new(direction: Direction, options: &'a ImpairmentOptions, at: Instant) -> Self {
        Self { direction, network: None, options: Some(options), is_reset: false, at }
    }
}
