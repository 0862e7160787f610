//! What the system reports of datagrams after they were sent.

use std::time::SystemTime;

use crate::unreachable::Unreachable;

/// A report on something that was sent through a socket earlier ([`Socket::feedback`](crate::Socket::feedback)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feedback {
    /// A datagram was refused. Only where [`Options::errors`](crate::Options::errors) was set.
    Refused(Unreachable),
    /// Datagrams left. Only where [`Options::send_timestamps`](crate::Options::send_timestamps) was set.
    Sent(SendTime),
}

/// When datagrams were handed to their network device, by the kernel's clock.
///
/// A datagram in fragments has the time of the first. A train (`UDP_SEGMENT`) has one time, that of the train: a device that
/// cuts it up sends the first datagram then and the others after it, as fast as its link is; where the kernel cuts it up, it is
/// the time of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendTime {
    /// How many datagrams had been handed to the socket before the first of these, sent or not.
    pub place: u64,
    /// How many datagrams the time is for: one, or those of a train.
    pub count: usize,
    /// The time, in UTC.
    pub at: SystemTime,
}

impl SendTime {
    /// So many datagrams from this place on left at this time.
    #[must_use]
    pub fn new(place: u64, count: usize, at: SystemTime) -> Self {
        Self { place, count, at }
    }
}
