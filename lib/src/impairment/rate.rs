//! A link that sends one datagram after another, and the queue before it.

use std::collections::VecDeque;
use std::time::Duration;

use super::options::{MOST_QUEUED, Queue, Rate, nanoseconds};

/// Picoseconds in a second: at 10 Gbit/s, a byte takes 800.
const SECOND: u128 = 1_000_000_000_000;
/// Picoseconds in a nanosecond.
const NANOSECOND: u128 = 1000;

/// When the link is free again, and what waits for it. Times are picoseconds since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Bottleneck {
    free: u128,
    /// When each begins to be sent, and its bytes; at most [`MOST_QUEUED`].
    waiting: VecDeque<(u128, usize)>,
    /// Bytes that wait.
    bytes: usize,
}

impl Bottleneck {
    /// When a datagram that comes at this time has been sent, both since the start; `None` where it finds no room.
    pub(super) fn send(&mut self, rate: Rate, now: Duration, payload: usize) -> Option<Duration> {
        let (now, len) = (now.as_nanos() * NANOSECOND, payload.saturating_add(rate.overhead));
        while let Some((start, len)) = self.waiting.front().copied()
            && start <= now
        {
            self.waiting.pop_front();
            self.bytes -= len;
        }
        let start = self.free.max(now);
        if start > now {
            if !self.has_room(rate.queue, len) {
                return None;
            }
            self.waiting.push_back((start, len));
            self.bytes += len;
        }
        self.free = start + len as u128 * 8 * SECOND / u128::from(rate.bits_per_second);
        Some(nanoseconds(self.free.div_ceil(NANOSECOND)))
    }

    fn has_room(&self, queue: Queue, len: usize) -> bool {
        self.waiting.len() < MOST_QUEUED
            && match queue {
                Queue::Bytes(most) => self.bytes.saturating_add(len) <= most,
                Queue::Datagrams(most) => self.waiting.len() < most,
            }
    }
}
