//! What is known of each direction of a flow.

use super::figures::{OneWayCounts, ReflectorKind};
use super::flow::Flow;
use super::probe::State;
use crate::bounds::Bounds;
use crate::path::DirectionBounds;
use crate::stamp::Counters;

impl Flow {
    /// What answers this flow.
    pub(super) fn reflector(&self) -> ReflectorKind {
        match self.evidence {
            _ if self.counters.is_some() => ReflectorKind::Counting,
            evidence if evidence.is_echo => ReflectorKind::Echo,
            evidence if evidence.has_other_numbers => ReflectorKind::Stateful,
            _ if self.closing.has_reply => ReflectorKind::Stateless,
            evidence if evidence.has_answered => ReflectorKind::Unknown,
            _ => ReflectorKind::Silent,
        }
    }

    /// Forward and reverse; nothing where replies say nothing of directions. The reflector may have lost its memory where this flow or
    /// another one shows that.
    pub(super) fn directions(&self, has_restarted: bool) -> Option<[OneWayCounts; 2]> {
        match self.reflector() {
            ReflectorKind::Echo => None,
            ReflectorKind::Counting => self.counters.map(|counters| self.counted(&counters, has_restarted)),
            ReflectorKind::Stateful | ReflectorKind::Stateless | ReflectorKind::Unknown | ReflectorKind::Silent => {
                Some(self.attributed())
            }
        }
    }

    /// By the counters of a reflector that has them.
    fn counted(&self, counters: &Counters, has_restarted: bool) -> [OneWayCounts; 2] {
        if self.are_lives_mixed(counters, has_restarted) || self.is_contradicted(counters, has_restarted) {
            return self.vague(counters);
        }
        if self.closing.asked.is_empty() && !self.closing.has_counters {
            return self.counted_meanwhile(counters, has_restarted);
        }
        if !self.closing.has_counters || has_restarted {
            return self.counted_in_part(counters, has_restarted);
        }
        let distinct = Bounds::new(counters.distinct, counters.distinct + counters.too_old);
        let too_old = counters.too_old;
        let forward = OneWayCounts {
            lost: Bounds::new(self.sent.saturating_sub(distinct.high), self.sent.saturating_sub(distinct.low)),
            duplicates: Bounds::new(
                counters.arrivals.saturating_sub(distinct.high),
                counters.arrivals.saturating_sub(distinct.low),
            ),
            reordered: Bounds::new(counters.reordered, counters.reordered + too_old),
            sent: Bounds::exact(self.sent),
        };
        let arrived = self.arrived_distinct();
        let reverse = OneWayCounts {
            lost: Bounds::new(
                counters.replies.saturating_sub(arrived.high),
                counters.replies.saturating_sub(arrived.low),
            ),
            sent: Bounds::exact(counters.replies),
            ..self.reverse_seen()
        };
        [forward, reverse]
    }

    /// By the counters in replies, while probes are sent or waited for. A probe is counted as lost once its wait is over.
    fn counted_meanwhile(&self, counters: &Counters, has_restarted: bool) -> [OneWayCounts; 2] {
        let [mut forward, mut reverse] = self.counted_in_part(counters, has_restarted);
        let [least_forward, least_reverse] = self.meanwhile.least();
        let waiting = self.waiting.iter().filter(|probe| matches!(probe.state, State::Waiting)).count() as u64;
        let unanswered = self.sent.saturating_sub(waiting + self.answered.distinct());
        let most = forward.lost.high.min(unanswered);
        forward.lost = Bounds::new(least_forward.min(most), most);
        reverse.lost = Bounds::at_least(least_reverse);
        [forward, reverse]
    }

    /// By counters that do not say all: the closing question had no answer, or the reflector started again. Of the replies that it
    /// made at once with the last one that came, some may have failed afterwards: these are taken for lost.
    fn counted_in_part(&self, counters: &Counters, has_restarted: bool) -> [OneWayCounts; 2] {
        let past = &self.past;
        let doubled = counters.arrivals.saturating_sub(counters.distinct + counters.too_old);
        // Those that it did not count may have been reordered, each.
        let uncounted = self.sent.saturating_sub(counters.distinct);
        let reordered = Bounds::new(counters.reordered, counters.reordered + counters.too_old + uncounted);
        let forward = OneWayCounts {
            lost: self.forward_lost_at_most(counters),
            duplicates: Bounds::at_least(past.duplicates.saturating_add(doubled)),
            // A duplicate of what came before the restart counts as a first arrival, which may be out of order.
            reordered: if has_restarted { self.any_reordered() } else { reordered },
            sent: Bounds::exact(self.sent),
        };
        let replies = past.replies.saturating_add(counters.replies.max(self.replies.distinct()));
        let reverse = OneWayCounts {
            lost: Bounds::at_least(replies.saturating_sub(self.arrived_distinct().high)),
            sent: Bounds::at_least(replies),
            ..self.reverse_seen()
        };
        [forward, reverse]
    }

    /// Whether replies without counters came, and the numbers of some are of another life of the reflector than the last: nobody knows
    /// which.
    fn are_lives_mixed(&self, counters: &Counters, has_restarted: bool) -> bool {
        self.evidence.has_uncounted
            && (has_restarted
                || self.replies.next_expected() > self.counted_to
                || self.answered.distinct() > counters.distinct + counters.too_old)
    }

    /// Whether the reflector counted at the end that less arrived than it answered, or that it sent less than came.
    fn is_contradicted(&self, counters: &Counters, has_restarted: bool) -> bool {
        let is_final = self.closing.has_counters && !has_restarted;
        let is_too_little = counters.distinct + counters.too_old < self.answered.distinct()
            || counters.replies < self.replies.distinct();
        is_final && is_too_little
    }

    /// Whether the reflector counted what cannot be.
    pub(super) fn has_wrong_counters(&self) -> bool {
        let has_restarted = self.may_be_forgotten();
        let is_contradicted = self.counters.is_some_and(|counters| self.is_contradicted(&counters, has_restarted));
        self.evidence.has_impossible_counters || is_contradicted
    }

    /// Where neither counters nor numbers of replies say more than that they arrived.
    fn vague(&self, counters: &Counters) -> [OneWayCounts; 2] {
        let arrivals = self.answered.arrivals();
        let forward = OneWayCounts {
            lost: self.forward_lost_at_most(counters),
            duplicates: Bounds::at_least(0),
            reordered: self.any_reordered(),
            sent: Bounds::exact(self.sent),
        };
        let reverse = OneWayCounts {
            lost: Bounds::at_least(0),
            duplicates: Bounds::new(0, arrivals.saturating_sub(self.answered.distinct())),
            reordered: Bounds::new(0, arrivals.saturating_sub(1)),
            sent: Bounds::at_least(self.answered.distinct()),
        };
        [forward, reverse]
    }

    /// What is answered or counted was not lost.
    fn forward_lost_at_most(&self, counters: &Counters) -> Bounds {
        let arrived = self.answered.distinct().max(counters.distinct).max(self.past.most_distinct);
        Bounds::new(0, self.sent.saturating_sub(arrived))
    }

    /// The first that arrives is in order, whichever it is.
    fn any_reordered(&self) -> Bounds {
        Bounds::new(0, self.sent.saturating_sub(1))
    }

    /// Whether the reflector lost its memory of this flow, or may have before anything was heard of it.
    pub(super) fn may_be_forgotten(&self) -> bool {
        self.restarts() > 0 || self.began_late()
    }

    /// Whether what came before the reflector began to count this flow may be counted nowhere.
    pub(super) fn began_late(&self) -> bool {
        self.counters.is_some() && !self.knows_all
    }

    /// How often the reflector began anew.
    pub(super) fn restarts(&self) -> u64 {
        let by_numbers = self.uncounted.restarts();
        if self.counters.is_none() || self.evidence.has_uncounted {
            self.restarts.max(by_numbers)
        } else {
            self.restarts
        }
    }

    /// Different replies that arrived.
    fn arrived_distinct(&self) -> Bounds {
        let distinct = self.past.arrived + self.replies.distinct();
        Bounds::new(distinct, distinct + self.past.arrived_too_old + self.replies.too_old())
    }

    /// Duplicates and reordering in reverse, which are seen here.
    fn reverse_seen(&self) -> OneWayCounts {
        let too_old = self.past.arrived_too_old + self.replies.too_old();
        let (duplicates, reordered) =
            (self.past.doubled + self.replies.duplicates(), self.past.overtaken + self.replies.reordered());
        OneWayCounts {
            lost: Bounds::default(),
            duplicates: Bounds::new(duplicates, duplicates + too_old),
            reordered: Bounds::new(reordered, reordered + too_old),
            sent: Bounds::default(),
        }
    }

    /// By the numbers of replies alone.
    fn attributed(&self) -> [OneWayCounts; 2] {
        let (known, seen) = (self.uncounted.attribution(self.sent), self.uncounted.seen(self.sent));
        // What was sent in reverse arrived or was lost.
        let arrived = Bounds::new(seen.replies, seen.replies + seen.undecided);
        let counts = |bounds: DirectionBounds, sent: Bounds| OneWayCounts {
            lost: bounds.lost,
            duplicates: bounds.duplicates,
            reordered: bounds.reordered,
            sent,
        };
        [counts(known.forward, Bounds::exact(self.sent)), counts(known.reverse, known.reverse.lost + arrived)]
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::super::flow::Incoming;
    use super::super::probe::{Probe, State};
    use super::*;
    use crate::socket_id::SocketId;
    use crate::stamp::{Timestamp, TimestampFormat};

    /// Ten probes, all of them answered, with these counters.
    fn answered(counters: impl Fn(u32) -> Counters) -> Flow {
        let mut flow = Flow::new(SocketId::first(0), 65_536, Duration::from_secs(1));
        #[expect(clippy::disallowed_methods, reason = "a moment to begin with")]
        let now = Instant::now();
        for number in 0..10 {
            let time = Timestamp::from_bits(1000 + u64::from(number), TimestampFormat::Ntp);
            let (due, utc) = (Duration::ZERO, SystemTime::UNIX_EPOCH);
            let place = u64::from(number);
            flow.push(Probe { place, due, sent: now, utc, clock_sets: 0, kernel: None, state: State::Waiting }, time);
            let incoming = Incoming {
                probe: number,
                time,
                number: Some(number),
                counters: Some(counters(number)),
                received: time,
                sent: time,
                at: Duration::ZERO,
            };
            let _ = flow.hear(&incoming, |_| true);
        }
        flow.closing.has_counters = flow.counters.is_some();
        flow
    }

    fn honest(number: u32) -> Counters {
        let count = u64::from(number) + 1;
        let age = Duration::from_secs(1);
        Counters { epoch: 7, arrivals: count, distinct: count, replies: count, age, ..Counters::default() }
    }

    #[test]
    fn counters_that_cannot_be_are_not_believed() {
        let exact = answered(honest);
        let [forward, reverse] = exact.directions(false).unwrap();
        assert_eq!((forward.lost, reverse.lost), (Bounds::exact(0), Bounds::exact(0)));
        assert!(!exact.has_wrong_counters());

        let most = u64::MAX;
        let lies: [fn(Counters) -> Counters; 6] = [
            |it| Counters { arrivals: u64::MAX, distinct: u64::MAX, too_old: u64::MAX, ..it },
            |it| Counters { arrivals: u64::MAX, distinct: u64::MAX, ..it },
            |it| Counters { reordered: u64::MAX, ..it },
            |it| Counters { replies: u64::MAX, ..it },
            // It answered ten different ones.
            |it| Counters { arrivals: 1, distinct: 0, replies: 0, epoch: it.epoch, age: it.age, ..Counters::default() },
            |it| Counters { replies: 0, ..it },
        ];
        for (place, lie) in lies.into_iter().enumerate() {
            let flow = answered(|number| lie(honest(number)));
            assert!(flow.has_wrong_counters(), "{place}");
            let [forward, reverse] = flow.directions(flow.may_be_forgotten()).unwrap();
            assert!(forward.lost.contains(0) && forward.duplicates.contains(0), "{place}: {forward:?}");
            assert!(reverse.lost.contains(0) && reverse.sent.contains(10), "{place}: {reverse:?}");
        }
        // Each in another life.
        let restless = answered(|number| Counters {
            epoch: u64::from(number) + 1,
            arrivals: most,
            distinct: 1,
            too_old: 0,
            reordered: 0,
            replies: most,
            ..Counters::default()
        });
        let [forward, _] = restless.directions(restless.may_be_forgotten()).unwrap();
        assert!(forward.lost.contains(0), "{forward:?}");
    }
}
