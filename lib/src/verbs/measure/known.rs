//! What is known of each direction of a flow.

use super::figures::{OneWayCounts, ReflectorKind};
use super::flow::Flow;
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

    /// Forward and reverse; nothing where replies say nothing of directions.
    pub(super) fn directions(&self) -> Option<[OneWayCounts; 2]> {
        match self.reflector() {
            ReflectorKind::Echo => None,
            ReflectorKind::Counting => self.counters.map(|counters| self.counted(&counters)),
            ReflectorKind::Stateful | ReflectorKind::Stateless | ReflectorKind::Unknown | ReflectorKind::Silent => {
                Some(self.attributed())
            }
        }
    }

    /// By the counters of a reflector that has them.
    fn counted(&self, counters: &Counters) -> [OneWayCounts; 2] {
        let distinct = Bounds::new(counters.distinct, counters.distinct + counters.too_old);
        let is_exact = self.closing.has_counters && self.restarts == 0;
        if !is_exact {
            return self.counted_in_part(counters);
        }
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

    /// By counters that do not say all: the closing question had no answer, or the reflector started again.
    fn counted_in_part(&self, counters: &Counters) -> [OneWayCounts; 2] {
        let past = self.past;
        let arrived = self.answered.distinct().max(counters.distinct).max(past.most_distinct);
        let doubled = counters.arrivals.saturating_sub(counters.distinct + counters.too_old);
        let forward = OneWayCounts {
            lost: Bounds::new(0, self.sent.saturating_sub(arrived)),
            duplicates: Bounds::at_least(past.duplicates + doubled),
            reordered: Bounds::at_least(past.reordered + counters.reordered),
            sent: Bounds::exact(self.sent),
        };
        let replies = past.replies + counters.replies.max(self.replies.next_expected());
        let reverse = OneWayCounts {
            lost: Bounds::at_least(replies.saturating_sub(self.arrived_distinct().high)),
            sent: Bounds::at_least(replies),
            ..self.reverse_seen()
        };
        [forward, reverse]
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
        let known = self.uncounted.attribution(self.sent);
        let counts = |bounds: DirectionBounds, sent: Bounds| OneWayCounts {
            lost: bounds.lost,
            duplicates: bounds.duplicates,
            reordered: bounds.reordered,
            sent,
        };
        [
            counts(known.forward, Bounds::exact(self.sent)),
            counts(known.reverse, Bounds::at_least(self.uncounted.seen(self.sent).replies)),
        ]
    }
}
