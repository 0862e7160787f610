//! The verbs: a file each, named as on the command line; all are pure state machines.

mod broadcast;
mod later;
mod listen;
mod replay;
mod requests;
mod send;
mod serve;
mod timetable;

pub use broadcast::{Broadcast, BroadcastOptions, BroadcastTarget};
pub use listen::{Listen, ListenOptions, Network, PayloadMatch};
pub use replay::{Reading, Recording, Replay, ReplayDatagram, ReplayOptions, Sources};
pub use requests::{Pace, Requests};
pub use send::{SendOptions, Sender};
pub use serve::{Serve, ServeOptions};
pub use timetable::ReplayPace;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::batch::{InterfaceIndex, Meta};
use crate::engine::Next;
use crate::interface::Interfaces;

/// The longest that anything is waited for: for ever to people, and no overflow to a moment.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The moment after a wait.
fn later(moment: Instant, wait: Duration) -> Instant {
    moment + wait.min(LONGEST)
}

/// When a verb that would run for ever ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// After this many datagrams; of several workers, each counts its own.
    pub count: Option<u64>,
    /// After this time.
    pub duration: Option<Duration>,
}

/// Keeps to [`Limits`].
#[derive(Debug)]
struct Ending {
    limits: Limits,
    /// Known from the first call with a time on.
    deadline: Option<Instant>,
    over: bool,
}

impl Ending {
    fn new(limits: Limits) -> Self {
        Self { limits, deadline: None, over: limits.count == Some(0) }
    }

    /// Looks at the time; ends at the deadline.
    fn tick(&mut self, now: Instant) {
        if let Some(duration) = self.limits.duration {
            let deadline = *self.deadline.get_or_insert_with(|| later(now, duration));
            self.over |= now >= deadline;
        }
    }

    /// Ends once as many were counted as were wanted.
    fn count(&mut self, counted: u64) {
        self.over |= self.limits.count.is_some_and(|most| counted >= most);
    }

    fn next(&self) -> Next {
        match self.deadline {
            _ if self.over => Next::Done,
            Some(deadline) => Next::At(deadline),
            None => Next::Datagram,
        }
    }
}

/// Whether a datagram was addressed to something else than the only destination wanted at its socket.
fn is_other_destination(only: &[Option<IpAddr>], via: usize, meta: &Meta) -> bool {
    match (only.get(via).copied().flatten(), meta.destination) {
        (Some(only), Some(destination)) => only != destination,
        _ => false,
    }
}

/// Lets in only what came by interfaces of these names; everything where there are none.
#[derive(Debug)]
struct Gate {
    names: Vec<String>,
    indexes: Vec<InterfaceIndex>,
}

impl Gate {
    fn new(names: Vec<String>) -> Self {
        Self { names, indexes: Vec::new() }
    }

    /// Looks the names up again: an interface that was removed and added has another number.
    fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.indexes = self.names.iter().filter_map(|name| interfaces.named(name)?.index).collect();
    }

    fn admits(&self, meta: &Meta) -> bool {
        self.names.is_empty() || meta.interface.is_some_and(|index| self.indexes.contains(&index))
    }
}
