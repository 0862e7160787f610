//! The controller of a queue that is kept short (RFC 8289).

use super::rate::CoDel;

/// Picoseconds in a nanosecond.
const NANOSECOND: u128 = 1000;
/// A queue that was too long this many intervals ago is as it was then.
const REMEMBERED: u128 = 16;

/// When which datagrams are lost, or marked. Times are picoseconds since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Controller {
    /// When all will have waited for too long for an interval, since when that began.
    too_long_at: Option<u128>,
    is_dropping: bool,
    /// When the next one is lost.
    due: u128,
    /// How many were lost since it began; and how many counted then.
    count: u32,
    first_count: u32,
    /// Whether the last one was lost when it was due: the turn of the next comes in the same moment.
    was_due: bool,
    /// Bytes of the longest datagram.
    longest: usize,
}

/// A datagram whose turn comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// When it is its turn.
    pub(super) at: u128,
    /// How long it will have waited.
    pub(super) waited: u128,
    /// Bytes that are before it when it comes, with the datagram that is being sent.
    pub(super) before: usize,
    pub(super) len: usize,
    pub(super) can_be_marked: bool,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passes,
    IsMarked,
    IsLost,
}

impl Controller {
    /// Decides on datagrams one after another, in the order of their turns.
    pub(super) fn decide(&mut self, codel: CoDel, head: Head) -> Verdict {
        self.longest = self.longest.max(head.len);
        let is_too_long = self.is_too_long(codel, head);
        let was_due = std::mem::take(&mut self.was_due);
        if !is_too_long {
            self.is_dropping = false;
            return Verdict::Passes;
        }
        let is_first = !self.is_dropping;
        if is_first {
            self.begin(codel, head.at);
        } else {
            if was_due {
                self.due += self.pause(codel);
            }
            if head.at < self.due {
                return Verdict::Passes;
            }
            self.count = self.count.saturating_add(1);
        }
        if head.can_be_marked {
            self.due += if is_first { 0 } else { self.pause(codel) };
            return Verdict::IsMarked;
        }
        self.was_due = !is_first;
        Verdict::IsLost
    }

    /// Whether all have waited for too long for an interval.
    fn is_too_long(&mut self, codel: CoDel, head: Head) -> bool {
        if head.waited < codel.target.as_nanos() * NANOSECOND || head.before <= self.longest {
            self.too_long_at = None;
        } else if let Some(at) = self.too_long_at {
            return head.at >= at;
        } else {
            self.too_long_at = Some(head.at + codel.interval.as_nanos() * NANOSECOND);
        }
        false
    }

    /// Loses the first, and goes on as often as was right not long ago.
    fn begin(&mut self, codel: CoDel, now: u128) {
        let lost_before = self.count - self.first_count;
        let is_recent = now.saturating_sub(self.due) < REMEMBERED * codel.interval.as_nanos() * NANOSECOND;
        self.is_dropping = true;
        self.count = if lost_before > 1 && is_recent { lost_before } else { 1 };
        self.first_count = self.count;
        self.due = now + self.pause(codel);
    }

    /// The time until the next is lost: an interval by the root of how many were.
    fn pause(&self, codel: CoDel) -> u128 {
        (codel.interval.as_nanos().pow(2) / u128::from(self.count)).isqrt() * NANOSECOND
    }
}
