//! What each event carries.

use std::net::SocketAddr;

use super::reason::Reason;
use super::reply_to::ReplyTo;
use crate::datagram::{Datagram, Meta, SendFailure, Train, Transmit};
use crate::error::Error;
use crate::interface::Interfaces;
use crate::socket_id::SocketId;
use crate::stats::SignedNanoseconds;
use crate::unreachable::Unreachable;

/// Datagrams of one source that were listened for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Received<'a> {
    /// The socket they came through.
    pub via: SocketId,
    /// The datagrams, with their metadata.
    pub train: Train<'a>,
}

impl<'a> Received<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(via: SocketId, train: Train<'a>) -> Self {
        Self { via, train }
    }
}

/// A datagram that was answered.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answered<'a> {
    /// The socket it came through.
    pub via: SocketId,
    /// The datagram that was answered.
    pub datagram: Datagram<'a>,
    /// The answer's payload.
    pub reply: &'a [u8],
}

impl<'a> Answered<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(via: SocketId, datagram: Datagram<'a>, reply: &'a [u8]) -> Self {
        Self { via, datagram, reply }
    }
}

/// A datagram that the program around the engine is to answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Question<'a> {
    /// What the reply must name.
    pub ticket: u64,
    /// The socket it came through.
    pub via: SocketId,
    /// The datagram that needs a reply.
    pub datagram: Datagram<'a>,
}

impl<'a> Question<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(ticket: u64, via: SocketId, datagram: Datagram<'a>) -> Self {
        Self { ticket, via, datagram }
    }
}

/// A datagram that was sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Sent<'a> {
    /// Destination, interface and header fields of the datagram.
    pub transmit: Transmit,
    /// Payload of the datagram.
    pub payload: &'a [u8],
    /// Number of the request, from 1; repeated for a retry. Of a replayed datagram, the number that it was read with.
    pub request: u64,
    /// How many times it had been sent before.
    pub retry: u32,
}

impl<'a> Sent<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(transmit: Transmit, payload: &'a [u8], request: u64, retry: u32) -> Self {
        Self { transmit, payload, request, retry }
    }
}

/// An answer to something that we sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Reply<'a> {
    /// The socket it came through.
    pub via: SocketId,
    /// The datagram that answers.
    pub datagram: Datagram<'a>,
    /// The request that it is an answer to, as far as that is known.
    pub to: ReplyTo,
}

impl<'a> Reply<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(via: SocketId, datagram: Datagram<'a>, to: ReplyTo) -> Self {
        Self { via, datagram, to }
    }
}

/// A request that got no answer in its time.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Unanswered {
    /// Where the request went.
    pub destination: SocketAddr,
    /// Number of the request, from 1.
    pub first: u64,
    /// The same number, if it is certain that this request has no answer. Otherwise one of the requests from `first` to
    /// this number has none, by all appearances; which one, the answers do not tell.
    pub last: u64,
}

impl Unanswered {
    /// The details of such an event.
    #[must_use]
    pub fn new(destination: SocketAddr, first: u64, last: u64) -> Self {
        Self { destination, first, last }
    }
}

/// Datagrams of one source that were received and not used.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IgnoredDatagrams<'a> {
    /// What is known of them.
    pub meta: &'a Meta,
    /// The reason for which they were not used.
    pub reason: Reason,
    /// Number of datagrams.
    pub count: usize,
}

impl<'a> IgnoredDatagrams<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(meta: &'a Meta, reason: Reason, count: usize) -> Self {
        Self { meta, reason, count }
    }
}

/// A datagram of ours that was refused.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Refusal<'a> {
    /// The destination, who says that it cannot be reached, and the cause.
    pub unreachable: &'a Unreachable,
    /// Number of the request that was refused, from 1, where that is certain.
    pub request: Option<u64>,
    /// Whether this is a copy of a refusal that came before.
    pub copy: bool,
}

impl<'a> Refusal<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(unreachable: &'a Unreachable, request: Option<u64>, copy: bool) -> Self {
        Self { unreachable, request, copy }
    }
}

/// Datagrams that could not be sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SendFailed<'a> {
    /// The socket that they were to leave by.
    pub via: SocketId,
    /// The datagrams that were not sent, and the reason of the system.
    pub failure: &'a SendFailure,
}

impl<'a> SendFailed<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(via: SocketId, failure: &'a SendFailure) -> Self {
        Self { via, failure }
    }

    /// Whether the datagram in this [place](SendFailure::place) among all that were sent through this socket is one of them.
    #[must_use]
    pub fn includes(&self, via: SocketId, place: u64) -> bool {
        let count = self.failure.count as u64;
        via == self.via && place.checked_sub(self.failure.place).is_some_and(|after| after < count)
    }
}

/// Datagrams that the kernel dropped at our socket.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Dropped {
    /// Number of datagrams since the event before this one.
    pub new: u64,
    /// Number of datagrams since the start.
    pub total: u64,
}

impl Dropped {
    /// The details of such an event.
    #[must_use]
    pub fn new(new: u64, total: u64) -> Self {
        Self { new, total }
    }
}

/// Interfaces or addresses of this host that changed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct InterfacesChanged<'a> {
    /// All interfaces, as they are now.
    pub interfaces: &'a Interfaces,
}

impl<'a> InterfacesChanged<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(interfaces: &'a Interfaces) -> Self {
        Self { interfaces }
    }
}

/// A socket that was opened again.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Reopened {
    /// The address that it is bound to.
    pub local: SocketAddr,
}

impl Reopened {
    /// The details of such an event.
    #[must_use]
    pub fn new(local: SocketAddr) -> Self {
        Self { local }
    }
}

/// The system's clock, which was set.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClockStepped {
    /// How far: negative where it was set back. Over a millisecond; as exact as the two clocks can be read together.
    pub by: SignedNanoseconds,
}

impl ClockStepped {
    /// The details of such an event.
    #[must_use]
    pub fn new(by: SignedNanoseconds) -> Self {
        Self { by }
    }
}

/// Something that went wrong.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Trouble<'a> {
    /// The error, which says what was attempted on what.
    pub error: &'a Error,
}

impl<'a> Trouble<'a> {
    /// The details of such an event.
    #[must_use]
    pub fn new(error: &'a Error) -> Self {
        Self { error }
    }
}
