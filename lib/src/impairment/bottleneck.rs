//! A link that sends one datagram after another, and the queue before it.

use std::collections::VecDeque;
use std::time::Duration;

use super::check::nanoseconds;
use super::codel::{Controller, Head, Verdict};
use super::fate::LostBy;
use super::rate::{Capacity, Queue, Rate};
use super::trace::Cursor;

/// Picoseconds in a second: at 10 Gbit/s, a byte takes 800.
const SECOND: u128 = 1_000_000_000_000;
/// Picoseconds in a nanosecond.
const NANOSECOND: u128 = 1000;
/// Datagrams that can wait for a slow link, whatever its queue.
const MOST_QUEUED: usize = 65_536;

/// When the link is free again, and what waits for it. Times are picoseconds since the start.
///
/// What comes later changes nothing for what came before: what is sent, when, and what is lost can be said when it comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Bottleneck {
    free: u128,
    /// When it is the turn of each, and its bytes; at most [`MOST_QUEUED`]. Those too that will be lost then.
    waiting: VecDeque<(u128, usize)>,
    /// Bytes that wait.
    bytes: usize,
    /// Bytes of the datagram that is being sent, unless the link is free.
    sending: usize,
    /// How far its trace is used.
    cursor: Option<Cursor>,
    controller: Controller,
    /// Without its time, which is counted beside it.
    carried: Carried,
    busy: u128,
}

/// A datagram that comes to the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comer {
    /// Since the start.
    pub(super) now: Duration,
    pub(super) payload_len: usize,
    pub(super) is_ecn_capable: bool,
}

/// A datagram that is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When all of it has been, since the start.
    pub(super) at: Duration,
    pub(super) ce_marked: bool,
}

/// What waits for a slow link at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Datagrams, without the one that is being sent.
    pub datagrams: usize,
    /// Their bytes, with the [overhead](field@Rate::overhead) of each.
    pub bytes: usize,
}

/// What a slow link has sent, with what it is to send of that which waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carried {
    /// Datagrams.
    pub datagrams: u64,
    /// Their bytes, with the [overhead](field@Rate::overhead) of each.
    pub bytes: u64,
    /// How long there was something to send.
    pub busy: Duration,
}

impl Carried {
    /// Adds what another link carried; then [`bitrate`](Self::bitrate) is that of a link on average.
    pub(super) fn merge(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.busy = self.busy.saturating_add(other.busy);
    }

    /// What it carried besides what another did that is a part of it.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            datagrams: self.datagrams.saturating_sub(other.datagrams),
            bytes: self.bytes.saturating_sub(other.bytes),
            busy: self.busy.saturating_sub(other.busy),
        }
    }

    /// Bits a second that it sent while there was something to send: what a link has achieved. `None` before that.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate, in 53 bits")]
    pub fn bitrate(&self) -> Option<f64> {
        (!self.busy.is_zero()).then(|| self.bytes as f64 * 8.0 / self.busy.as_secs_f64())
    }
}

/// The time that a datagram has on the link.
struct Turn {
    begin: u128,
    end: u128,
    cursor: Option<Cursor>,
}

impl Bottleneck {
    /// Goes on with this rate, or none, after that one.
    pub(super) fn change(&mut self, before: Option<&Rate>, after: Option<&Rate>) {
        if before.map(|rate| &rate.capacity) != after.map(|rate| &rate.capacity) {
            self.cursor = None;
        }
        if before.map(|rate| rate.codel) != after.map(|rate| rate.codel) {
            self.controller = Controller::default();
        }
    }

    /// When a datagram has been sent, or what it is lost by.
    pub(super) fn send(&mut self, rate: &Rate, comer: Comer) -> Result<Sent, LostBy> {
        let (now, len) = (comer.now.as_nanos() * NANOSECOND, comer.payload_len.saturating_add(rate.overhead));
        self.begin_until(now);
        let is_busy = self.free > now;
        if is_busy && !self.has_room(rate.queue, len) {
            return Err(LostBy::Queue);
        }
        let Turn { begin, end, cursor } = self.turn(&rate.capacity, now, len);
        let verdict = rate.codel.map_or(Verdict::Passes, |codel| {
            let before = if is_busy { self.bytes + self.sending } else { 0 };
            let can_be_marked = comer.is_ecn_capable && codel.marks;
            self.controller.decide(codel, Head { at: begin, waited: begin - now, before, len, can_be_marked })
        });
        // One that is lost when its turn comes has waited until then, and takes no time on the link.
        if is_busy {
            self.waiting.push_back((self.free, len));
            self.bytes += len;
        } else {
            self.sending = len;
        }
        if verdict == Verdict::IsLost {
            return Err(LostBy::CoDel);
        }
        self.carried.datagrams += 1;
        self.carried.bytes += len as u64;
        self.busy += end - self.free.max(now);
        (self.free, self.cursor) = (end, cursor);
        Ok(Sent { at: nanoseconds(end.div_ceil(NANOSECOND)), ce_marked: verdict == Verdict::IsMarked })
    }

    /// What waits at a moment that is not before the last datagram came.
    pub(super) fn backlog(&self, now: Duration) -> Backlog {
        let now = now.as_nanos() * NANOSECOND;
        let begun = self.waiting.partition_point(|(start, _)| *start <= now);
        let bytes: usize = self.waiting.range(..begun).map(|(_, len)| len).sum();
        Backlog { datagrams: self.waiting.len() - begun, bytes: self.bytes - bytes }
    }

    pub(super) fn carried(&self) -> Carried {
        Carried { busy: nanoseconds(self.busy / NANOSECOND), ..self.carried }
    }

    /// Lets those go from the queue whose turn has come.
    fn begin_until(&mut self, now: u128) {
        while let Some((start, len)) = self.waiting.front().copied()
            && start <= now
        {
            self.waiting.pop_front();
            self.bytes -= len;
            self.sending = len;
        }
    }

    fn has_room(&self, queue: Queue, len: usize) -> bool {
        self.waiting.len() < MOST_QUEUED
            && match queue {
                Queue::Bytes(most) => self.bytes.saturating_add(len) <= most,
                Queue::Datagrams(most) => self.waiting.len() < most,
            }
    }

    /// When the next datagram is sent, if it has so many bytes.
    fn turn(&self, capacity: &Capacity, now: u128, len: usize) -> Turn {
        let start = self.free.max(now);
        match capacity {
            Capacity::Constant(bits) => {
                let end = start + len as u128 * 8 * SECOND / u128::from(*bits);
                Turn { begin: start, end, cursor: None }
            }
            Capacity::Trace(trace) => {
                // What is left of an opportunity is for those that wait.
                let rest = self.cursor.filter(|_| start > now);
                let first = rest.map_or_else(|| trace.after(start), |rest| trace.usable(rest));
                let last = trace.send(first, len);
                Turn { begin: trace.at(first), end: trace.at(last), cursor: Some(last) }
            }
        }
    }
}
