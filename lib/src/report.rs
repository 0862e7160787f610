//! What a run came to, counted: what every engine counts, and a part of each engine's own.

use std::fmt;
use std::time::Duration;

use crate::event::Reason;
use crate::stats::Peers;

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
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ignored {
    counts: [u64; Reason::ALL.len()],
}

impl Default for Ignored {
    fn default() -> Self {
        Self { counts: [0; Reason::ALL.len()] }
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
        Reason::ALL.iter().map(|reason| (*reason, self.of(*reason))).filter(|(_, count)| *count > 0)
    }
}

impl fmt::Debug for Ignored {
    /// The reasons that occurred: `Ignored { own_reply: 2 }`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ignored = f.debug_struct("Ignored");
        self.iter().for_each(|(reason, count)| {
            ignored.field(reason.key(), &count);
        });
        ignored.finish()
    }
}

/// What an engine counts of its own, besides what all do: the part [`own`](Report::own) of its [`Report`].
///
/// It has no part of its own where this is `()`. Programs implement it: later versions add nothing that has no default.
pub trait Figures: Clone + Default + PartialEq + fmt::Debug + Send + 'static {
    /// Of the datagrams received: those that ended in a counter of these.
    fn used(&self) -> u64 {
        0
    }

    /// Adds what another worker of the same run came to.
    fn merge(&mut self, other: &Self);
}

impl Figures for () {
    fn merge(&mut self, (): &Self) {}
}

/// What a run came to: what every engine counts, and what this one counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Report<F = ()> {
    /// All that was received.
    pub received: Count,
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
    /// Datagrams of ours that were refused (ICMP).
    pub unreachable: u64,
    /// Datagrams that the kernel dropped at our sockets; `None` where it cannot tell.
    pub kernel_drops: Option<u64>,
    /// Whether a dropped train counts as one in `kernel_drops`, which is then a lower bound.
    pub kernel_drops_at_least: bool,
    /// How long the run took.
    pub elapsed: Duration,
    /// What this engine counts of its own.
    pub own: F,
}

impl<F: Figures> Report<F> {
    /// Whether every datagram received ended in exactly one counter.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let used = self.own.used() + self.delivered + self.waiting;
        self.received.datagrams == used + self.ignored.total()
    }

    /// Adds what another worker of the same run came to.
    pub fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.received.datagrams, other.received.datagrams),
            (&mut self.received.bytes, other.received.bytes),
            (&mut self.delivered, other.delivered),
            (&mut self.waiting, other.waiting),
            (&mut self.copies, other.copies),
            (&mut self.truncated, other.truncated),
            (&mut self.sent.datagrams, other.sent.datagrams),
            (&mut self.sent.bytes, other.sent.bytes),
            (&mut self.send_failed, other.send_failed),
            (&mut self.unreachable, other.unreachable),
        ]);
        self.ignored.merge(&other.ignored);
        self.peers.merge(&other.peers);
        self.kernel_drops = self.kernel_drops.zip(other.kernel_drops).map(|(ours, theirs)| ours + theirs);
        self.kernel_drops_at_least |= other.kernel_drops_at_least;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.own.merge(&other.own);
    }
}

/// Adds to each counter what another worker counted.
pub(crate) fn add(counters: &mut [(&mut u64, u64)]) {
    for (ours, theirs) in counters {
        **ours += *theirs;
    }
}

/// Prints counters by their names, without those that are as at the start: a test that compares two shows what counts.
macro_rules! debug_counters {
    ($type:ident $(<$own:ident>)? { $($field:ident,)* }) => {
        impl $(<$own: Figures>)? std::fmt::Debug for $type $(<$own>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let (Self { $($field),* }, start) = (self, Self::default());
                let mut counters = f.debug_struct(stringify!($type));
                $(if *$field != start.$field {
                    counters.field(stringify!($field), $field);
                })*
                counters.finish()
            }
        }
    };
}
pub(crate) use debug_counters;

debug_counters! { Report<F> {
    received,
    delivered,
    ignored,
    waiting,
    copies,
    peers,
    truncated,
    sent,
    send_failed,
    unreachable,
    kernel_drops,
    kernel_drops_at_least,
    elapsed,
    own,
}}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report in which every counter is another multiple of `unit`.
    fn report(unit: u64) -> Report<Used> {
        let ignored = Ignored { counts: std::array::from_fn(|place| (100 + place as u64) * unit) };
        let mut peers = Peers::default();
        peers.add(unit << 60);
        Report {
            received: Count { datagrams: unit, bytes: 2 * unit },
            delivered: 6 * unit,
            ignored,
            waiting: 7 * unit,
            copies: 8 * unit,
            peers,
            truncated: 9 * unit,
            sent: Count { datagrams: 10 * unit, bytes: 11 * unit },
            send_failed: 12 * unit,
            unreachable: 19 * unit,
            kernel_drops: Some(20 * unit),
            kernel_drops_at_least: false,
            elapsed: Duration::from_secs(unit),
            own: Used(3 * unit),
        }
    }

    /// An engine's own part, all of which ends in its one counter.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Used(u64);

    impl Figures for Used {
        fn used(&self) -> u64 {
            self.0
        }

        fn merge(&mut self, other: &Self) {
            self.0 += other.0;
        }
    }

    /// Holds that each of these counters, alone, balances as many datagrams received.
    pub(crate) fn assert_used<F: Figures>(counters: &[fn(&mut Report<F>)]) {
        for counter in counters {
            let mut report = Report::<F>::default();
            assert!(report.is_balanced());
            counter(&mut report);
            assert!(!report.is_balanced(), "{report:?}");
            report.received.add(1, 0);
            assert!(report.is_balanced(), "{report:?}");
        }
    }

    #[test]
    fn what_workers_came_to_is_added_up_field_by_field() {
        let (one, other) = (report(1), report(2));
        let mut both = one.clone();
        both.merge(&other);
        assert_eq!((one.peers.estimate(), both.peers.estimate()), (1, 2));
        // They ran side by side.
        assert_eq!(both.elapsed, other.elapsed);
        let Report { peers, elapsed, .. } = both.clone();
        assert_eq!(both, Report { peers, elapsed, ..report(3) });
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
        assert_used::<Used>(&[
            |report| report.own = Used(1),
            |report| report.delivered = 1,
            |report| report.waiting = 1,
            |report| report.ignored.add(Reason::Busy, 1),
        ]);
        let copied = Report::<()> { copies: 1, ..Report::default() };
        assert!(copied.is_balanced());
    }

    #[test]
    fn a_report_prints_what_was_counted_by_name_and_nothing_else() {
        assert_eq!(format!("{:?}", Report::<()>::default()), "Report");
        let mut report = Report::<Used>::default();
        report.ignored.add(Reason::RateLimit, 3);
        assert_eq!(format!("{:?}", report.ignored), "Ignored { rate_limit: 3 }");
        (report.delivered, report.own, report.kernel_drops) = (2, Used(1), Some(0));
        let expected =
            "Report { delivered: 2, ignored: Ignored { rate_limit: 3 }, kernel_drops: Some(0), own: Used(1) }";
        assert_eq!(format!("{report:?}"), expected);
    }
}
