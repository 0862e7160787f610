//! How fast a link is, and what becomes of what waits for it.

use std::time::Duration;

use super::check::{ensure, time};
use super::trace::Trace;
use crate::error::Result;
use crate::setters::setters;

/// The most bytes that a datagram can have besides its payload.
const LONGEST_OVERHEAD: usize = 65_535;

/// How fast a link is. It sends one datagram after another; those that come meanwhile wait, and are lost where the
/// queue has no room for them (drop-tail). A link that is idle takes a datagram of any length.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rate {
    /// What it sends.
    pub capacity: Capacity,
    /// How much waits, without the datagram that is being sent.
    pub queue: Queue,
    /// Bytes that each datagram has besides its payload ([`header_len`](crate::header_len)), in its time and in the queue.
    /// 0 by default.
    pub overhead: usize,
    /// What keeps the queue short, besides its length. Nothing by default.
    pub codel: Option<CoDel>,
}

/// What a link sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capacity {
    /// So many bits a second.
    Constant(u64),
    /// More or less of them with time.
    Trace(Trace),
}

/// The most that waits for a link, and never more than 65,536 datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Queue {
    /// Bytes.
    Bytes(usize),
    /// Datagrams.
    Datagrams(usize),
}

/// Keeps a queue short by losing one datagram, and then ever more often another, while each waits longer than a target: CoDel
/// (RFC 8289).
///
/// A queue is longer than its target once each datagram for an interval waited for longer than that. Where RFC 8289 looks at
/// what is behind a datagram when its turn comes, this looks at what was before it when it came, so that its fate is known
/// then; in a queue that stands, that is as much. No datagram with one of the longest length before it, or less, is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoDel {
    /// How long a datagram may wait. 5 ms by default.
    pub target: Duration,
    /// For how long all may wait longer: a usual round-trip time of those who send. 100 ms by default.
    pub interval: Duration,
    /// Whether a datagram whose sender understands that ([`Arrival::is_ecn_capable`](super::Arrival::is_ecn_capable)) is marked
    /// instead of lost ([`Departure::ce_marked`](super::Departure::ce_marked)). On by default.
    pub marks: bool,
}

setters! { Rate {
    into capacity: Capacity,
    queue: Queue,
    overhead: usize,
    into codel: Option<CoDel>,
}}

impl Rate {
    /// So many bits a second, or those of a [`Trace`], and a queue before it.
    #[must_use]
    pub fn new(capacity: impl Into<Capacity>, queue: Queue) -> Self {
        Self { capacity: capacity.into(), queue, overhead: 0, codel: None }
    }

    pub(super) fn check(&self) -> Result<()> {
        let is_fast = !matches!(self.capacity, Capacity::Constant(0));
        ensure(is_fast, "the rate", "0 bit/s", "nothing would ever leave")?;
        let why = format!("{LONGEST_OVERHEAD} bytes is the longest");
        ensure(self.overhead <= LONGEST_OVERHEAD, "the overhead of a datagram", self.overhead, why)?;
        self.codel.map_or(Ok(()), CoDel::check)
    }
}

impl From<u64> for Capacity {
    fn from(bits_per_second: u64) -> Self {
        Self::Constant(bits_per_second)
    }
}

impl From<Trace> for Capacity {
    fn from(trace: Trace) -> Self {
        Self::Trace(trace)
    }
}

setters! { CoDel {
    target: Duration,
    interval: Duration,
    marks: bool,
}}

impl Default for CoDel {
    fn default() -> Self {
        Self::new(Duration::from_millis(5), Duration::from_millis(100))
    }
}

impl CoDel {
    /// With this target and this interval, which is not shorter.
    #[must_use]
    pub fn new(target: Duration, interval: Duration) -> Self {
        Self { target, interval, marks: true }
    }

    fn check(self) -> Result<()> {
        const NAME: &str = "the interval of CoDel";
        time(NAME, self.interval)?;
        ensure(!self.interval.is_zero(), NAME, "0s", "every datagram would be lost")?;
        let why = format!("the interval is not shorter than the target, {:?}", self.target);
        ensure(self.interval >= self.target, NAME, format!("{:?}", self.interval), why)
    }
}
