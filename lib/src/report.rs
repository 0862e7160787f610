//! What a run came to, counted.

use std::fmt;
use std::time::Duration;

use crate::event::Reason;
use crate::stats::{Peers, Quantiles, Spread};

/// A number of datagrams and of the payload bytes in them.
///
/// Exhaustive: it is of these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of datagrams.
    pub datagrams: u64,
    /// Bytes of payload on the wire.
    pub bytes: u64,
}

impl Count {
    /// Adds datagrams that hold this many bytes of payload together.
    pub fn add(&mut self, datagrams: usize, bytes: usize) {
        self.datagrams += datagrams as u64;
        self.bytes += bytes as u64;
    }
}

/// Datagrams ignored, by reason.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ignored {
    counts: [u64; Reason::ALL.len()],
}

impl fmt::Debug for Ignored {
    /// The reasons that occurred: `{OwnReply: 2}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Ignored {
    /// Counts datagrams.
    pub fn add(&mut self, reason: Reason, datagrams: usize) {
        self.counts[reason as usize] += datagrams as u64;
    }

    /// Datagrams ignored for this reason.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// Datagrams ignored for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds all that another holds.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.counts.iter_mut().zip(other.counts) {
            *ours += theirs;
        }
    }

    /// The reasons that occurred, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| *count > 0)
    }
}

/// What a run came to. Fields that a verb does not use stay zero.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// All that was received.
    pub received: Count,
    /// Of it: answered, the answer handed to the kernel.
    pub answered: u64,
    /// Of it: to be answered, but the answer could not be sent.
    pub reply_failed: u64,
    /// Of it: taken without answering, as asked (`--sink`).
    pub sunk: u64,
    /// Of it: handed on as events (printed).
    pub delivered: u64,
    /// Of it: received and not used.
    pub ignored: Ignored,
    /// Of it: not decided yet, since its reply is not due or not made.
    pub waiting: u64,
    /// Copies of broadcasts and multicasts that the kernel made for a further worker, where the first one decides; they
    /// are not in `received`.
    pub copies: u64,
    /// Different sources of what was received.
    pub peers: Peers,
    /// Of all received: longer than the slot they were received into.
    pub truncated: u64,
    /// What was sent: handed to the kernel without an error.
    pub sent: Count,
    /// Datagrams that could not be sent, replies not counted.
    pub send_failed: u64,
    /// How long after the time in the schedule the turn of each datagram came, whether it could be sent or not: the clock is
    /// read before the system call that sends it.
    pub lateness: Quantiles,
    /// Pauses of a capture that were longer than allowed, and made shorter.
    pub gaps_shortened: u64,
    /// Datagrams whose time in the capture is before that of one that stands before them.
    pub times_decreasing: u64,
    /// How many times the recorded time went back by a second or more, from one datagram to the next.
    pub clock_steps_back: u64,
    /// Clocks that the times of a capture were found to be of, counted anew for each reading: the most of one.
    pub clocks: u64,
    /// Datagrams that left by the socket of another source, since each of them had its own already.
    pub sources_shared: u64,
    /// Requests made; their retries are not counted again.
    pub requests: u64,
    /// Of them: answered at least once. Where an answer cannot be told from a copy of another, the most that it can be.
    pub requests_answered: u64,
    /// Answers that are copies: those to the request that they are about had come.
    pub replies_copied: u64,
    /// Answers that came when their request was no longer waited for.
    pub replies_late: u64,
    /// Datagrams sent again for want of an answer.
    pub retries: u64,
    /// Datagrams of ours that were refused (ICMP).
    pub unreachable: u64,
    /// Round-trip times of answers whose request is certain.
    pub rtt: Spread,
    /// Round-trip times of answers whose request is likely ([`ReplyTo::OneOf`](crate::ReplyTo::OneOf)), if it is that one.
    pub rtt_likely: Spread,
    /// Datagrams that the kernel dropped at our sockets; `None` where it cannot tell.
    pub kernel_drops: Option<u64>,
    /// Whether a dropped train counts as one in `kernel_drops`, which is then a lower bound.
    pub kernel_drops_at_least: bool,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Report {
    /// Whether every datagram received ended in exactly one counter.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let used = self.answered + self.reply_failed + self.sunk + self.delivered + self.waiting;
        self.received.datagrams == used + self.ignored.total()
    }

    /// Adds what another worker of the same run came to.
    pub fn merge(&mut self, other: &Self) {
        let sums = [
            (&mut self.received.datagrams, other.received.datagrams),
            (&mut self.received.bytes, other.received.bytes),
            (&mut self.answered, other.answered),
            (&mut self.reply_failed, other.reply_failed),
            (&mut self.sunk, other.sunk),
            (&mut self.delivered, other.delivered),
            (&mut self.waiting, other.waiting),
            (&mut self.copies, other.copies),
            (&mut self.truncated, other.truncated),
            (&mut self.sent.datagrams, other.sent.datagrams),
            (&mut self.sent.bytes, other.sent.bytes),
            (&mut self.send_failed, other.send_failed),
            (&mut self.gaps_shortened, other.gaps_shortened),
            (&mut self.times_decreasing, other.times_decreasing),
            (&mut self.clock_steps_back, other.clock_steps_back),
            (&mut self.sources_shared, other.sources_shared),
            (&mut self.requests, other.requests),
            (&mut self.requests_answered, other.requests_answered),
            (&mut self.replies_copied, other.replies_copied),
            (&mut self.replies_late, other.replies_late),
            (&mut self.retries, other.retries),
            (&mut self.unreachable, other.unreachable),
        ];
        for (ours, theirs) in sums {
            *ours += theirs;
        }
        self.ignored.merge(&other.ignored);
        self.peers.merge(&other.peers);
        self.lateness.merge(&other.lateness);
        self.rtt.merge(&other.rtt);
        self.rtt_likely.merge(&other.rtt_likely);
        self.kernel_drops = self.kernel_drops.zip(other.kernel_drops).map(|(ours, theirs)| ours + theirs);
        self.kernel_drops_at_least |= other.kernel_drops_at_least;
        self.clocks = self.clocks.max(other.clocks);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report in which every field is told apart: all count multiples of `unit`, each of another.
    fn report(unit: u64) -> Report {
        let (mut ignored, mut lateness, mut rtt) = (Ignored::default(), Quantiles::default(), Spread::default());
        ignored.counts = std::array::from_fn(|place| (100 + place as u64) * unit);
        for number in 1..=unit {
            lateness.add(Duration::from_secs(number));
            rtt.add(Duration::from_secs(number));
        }
        let mut peers = Peers::default();
        peers.add(unit << 60);
        Report {
            received: Count { datagrams: unit, bytes: 2 * unit },
            answered: 3 * unit,
            reply_failed: 4 * unit,
            sunk: 5 * unit,
            delivered: 6 * unit,
            ignored,
            waiting: 7 * unit,
            copies: 8 * unit,
            peers,
            truncated: 9 * unit,
            sent: Count { datagrams: 10 * unit, bytes: 11 * unit },
            send_failed: 12 * unit,
            lateness,
            gaps_shortened: 13 * unit,
            times_decreasing: 14 * unit,
            clock_steps_back: 21 * unit,
            clocks: unit,
            sources_shared: 15 * unit,
            requests: 16 * unit,
            requests_answered: 17 * unit,
            replies_copied: 21 * unit,
            replies_late: 22 * unit,
            retries: 18 * unit,
            unreachable: 19 * unit,
            rtt,
            rtt_likely: rtt,
            kernel_drops: Some(20 * unit),
            kernel_drops_at_least: false,
            elapsed: Duration::from_secs(unit),
        }
    }

    #[test]
    fn what_workers_came_to_is_added_up_field_by_field() {
        let (one, other) = (report(1), report(2));
        let mut both = one.clone();
        both.merge(&other);
        assert_eq!((both.lateness.count(), both.lateness.largest()), (3, Duration::from_secs(2)));
        assert_eq!((both.rtt.count(), both.rtt.largest()), (3, Duration::from_secs(2)));
        assert_eq!((both.rtt_likely.count(), both.rtt_likely.largest()), (3, Duration::from_secs(2)));
        assert_eq!((one.peers.estimate(), both.peers.estimate()), (1, 2));
        // They ran side by side.
        assert_eq!((both.elapsed, both.clocks), (other.elapsed, other.clocks));
        let Report { peers, lateness, rtt, rtt_likely, elapsed, clocks, .. } = both.clone();
        assert_eq!(both, Report { peers, lateness, rtt, rtt_likely, elapsed, clocks, ..report(3) });
    }

    #[test]
    fn drops_are_at_least_a_number_where_any_worker_counted_trains_and_unknown_where_one_cannot_tell() {
        for (one, other) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut both = Report { kernel_drops_at_least: one, ..report(1) };
            both.merge(&Report { kernel_drops_at_least: other, ..report(2) });
            assert_eq!(both.kernel_drops_at_least, one || other);
        }
        for (one, other) in [(Some(1), None), (None, Some(1)), (None, None)] {
            let mut both = Report { kernel_drops: one, ..report(1) };
            both.merge(&Report { kernel_drops: other, ..report(2) });
            assert_eq!(both.kernel_drops, None);
        }
    }

    #[test]
    fn every_datagram_has_one_counter_in_a_balanced_report() {
        let of = |change: &dyn Fn(&mut Report)| {
            let mut report = Report::default();
            change(&mut report);
            report
        };
        let counters: [&dyn Fn(&mut Report); 6] = [
            &|report| report.answered = 1,
            &|report| report.reply_failed = 1,
            &|report| report.sunk = 1,
            &|report| report.delivered = 1,
            &|report| report.waiting = 1,
            &|report| report.ignored.add(Reason::Busy, 1),
        ];
        for counter in counters {
            let mut report = of(counter);
            assert!(!report.is_balanced(), "{report:?}");
            report.received.add(1, 0);
            assert!(report.is_balanced(), "{report:?}");
        }
        assert!(of(&|_| ()).is_balanced() && of(&|report| report.copies = 1).is_balanced());
    }
}
