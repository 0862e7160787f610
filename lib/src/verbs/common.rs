//! What several verbs do: end in time, and let in only what was asked for.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::datagram::{InterfaceIndex, Meta};
use crate::engine::Next;
use crate::interface::Interfaces;
use crate::setters::setters;
use crate::socket_id::SocketId;

/// The longest that anything is waited for: for ever to people, and no overflow to a moment.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The moment after a wait.
pub(super) fn later(moment: Instant, wait: Duration) -> Instant {
    moment + wait.min(LONGEST)
}

/// When a verb that would run for ever ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// After this many datagrams; of several workers of one server, all together.
    pub count: Option<u64>,
    /// After this time.
    pub duration: Option<Duration>,
}

setters! { Limits {
    into count: Option<u64>,
    into duration: Option<Duration>,
}}

/// Keeps to [`Limits`].
#[derive(Debug)]
pub(super) struct Ending {
    limits: Limits,
    /// Known from the first call with a time on.
    deadline: Option<Instant>,
    pub(super) over: bool,
    /// Whether the deadline has passed.
    pub(super) expired: bool,
}

impl Ending {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, deadline: None, over: limits.count == Some(0), expired: false }
    }

    /// Looks at the time; ends at the deadline.
    pub(super) fn tick(&mut self, now: Instant) {
        if let Some(duration) = self.limits.duration {
            let deadline = *self.deadline.get_or_insert_with(|| later(now, duration));
            self.expired = now >= deadline;
            self.over |= self.expired;
        }
    }

    /// Ends once as many were counted as were wanted.
    pub(super) fn count(&mut self, counted: u64) {
        self.over |= self.limits.count.is_some_and(|most| counted >= most);
    }

    /// When the time is over, if there is such a time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn next(&self) -> Next {
        match self.deadline {
            _ if self.over => Next::Done,
            Some(deadline) => Next::At(deadline),
            None => Next::Datagram,
        }
    }
}

/// Whether a datagram was addressed to something else than the only destination wanted at its socket.
pub(super) fn is_other_destination(only: &[Option<IpAddr>], via: SocketId, meta: &Meta) -> bool {
    match (only.get(via.index()).copied().flatten(), meta.destination) {
        (Some(only), Some(destination)) => only != destination,
        _ => false,
    }
}

/// Lets in only what came by interfaces of these names; everything where there are none.
#[derive(Debug)]
pub(super) struct Gate {
    names: Vec<String>,
    indexes: Vec<InterfaceIndex>,
}

impl Gate {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, indexes: Vec::new() }
    }

    /// Looks the names up again: an interface that was removed and added has another number.
    pub(super) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.indexes = self.names.iter().filter_map(|name| interfaces.named(name)?.index).collect();
    }

    pub(super) fn admits(&self, meta: &Meta) -> bool {
        self.names.is_empty() || meta.interface.is_some_and(|index| self.indexes.contains(&index))
    }
}

/// Whether a datagram came from this socket of ours, whichever of its addresses it used.
pub(super) fn is_from(own: &SocketAddr, meta: &Meta) -> bool {
    let source = meta.source;
    let address = match own.ip() {
        ip if ip.is_unspecified() => meta.local == Some(source.ip()),
        ip => ip == source.ip(),
    };
    own.port() == source.port() && address
}
