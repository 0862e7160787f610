//! What `replay` is given: datagrams of a capture, one after another.

use std::net::SocketAddr;
use std::time::Duration;

use crate::error::Result;
use crate::setters::setters;

/// A datagram that was captured, and is to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayDatagram {
    /// Its number, which comes back when it is sent ([`Event::Sent`](crate::Event::Sent)): whoever reads the
    /// capture knows by it which one was.
    pub number: u64,
    /// When it was captured, after any moment that is the same for the whole capture; `None` if that is not known: it is due with
    /// the one before it, and with the first whose time is known if none was before.
    pub at: Option<Duration>,
    /// Who sent it then.
    pub source: SocketAddr,
    /// Where it went then.
    pub destination: SocketAddr,
    /// Its payload, whole.
    pub payload: Vec<u8>,
}

setters! { ReplayDatagram {
    number: u64,
    into at: Option<Duration>,
    source: SocketAddr,
    destination: SocketAddr,
    into payload: Vec<u8>,
}}

impl ReplayDatagram {
    /// Datagram number 0, whose time is not known.
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        Self { number: 0, at: None, source, destination, payload: payload.into() }
    }
}

/// What reading a capture yields.
///
/// Exhaustive: who reads must know what to do next, as with [`Poll`](std::task::Poll).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The next datagram.
    Ready(T),
    /// Nothing at this moment; there may be more later.
    NotYet,
    /// Nothing more, ever.
    End,
}

impl<T> From<Option<T>> for Reading<T> {
    fn from(next: Option<T>) -> Self {
        next.map_or(Self::End, Self::Ready)
    }
}

/// A capture that is read from its beginning to its end, once. Programs implement it: later versions add nothing that has no
/// default.
pub trait Recording {
    /// The next datagram that is to be sent.
    ///
    /// # Errors
    ///
    /// What keeps the rest from being read; it is not asked again after that.
    fn read(&mut self) -> Result<Reading<ReplayDatagram>>;
}

/// An iterator has every datagram ready.
impl<I: Iterator<Item = Result<ReplayDatagram>>> Recording for I {
    fn read(&mut self) -> Result<Reading<ReplayDatagram>> {
        Ok(self.next().transpose()?.into())
    }
}
