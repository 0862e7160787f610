//! In which order probes arrived at the reflector, as its replies' numbers tell.

use std::collections::VecDeque;
use std::time::Duration;

use crate::arrivals::{Arrival, Arrivals};
use crate::path::Reordering;

/// Replies that are held until those before them came: behind this many, one is missing for good.
const HELD: u64 = 8192;

/// The order in which probes arrived at the reflector: the replies' numbers, sorted.
#[derive(Debug)]
pub(super) struct ForwardOrder {
    /// Replies from this number on, which are not counted yet.
    from: u64,
    held: VecDeque<Option<Reply>>,
    /// Probes in the order in which the reflector saw them, as far as its replies arrived.
    seen: Arrivals,
    reordering: Reordering,
    /// Replies that came after their place was given up.
    unplaced: u64,
}

/// A reply: the number of the probe that it answers, and when that came to the reflector, from the first one on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) probe: u64,
    pub(super) at: Duration,
}

impl ForwardOrder {
    pub(super) fn with_window(numbers: u64) -> Self {
        Self {
            from: 0,
            held: VecDeque::new(),
            seen: Arrivals::with_window(numbers),
            reordering: Reordering::default(),
            unplaced: 0,
        }
    }

    /// Takes the reply of this number, which did not come before.
    pub(super) fn add(&mut self, number: u64, reply: Reply) {
        if number < self.from {
            self.unplaced += 1;
            return;
        }
        while number - self.from >= HELD {
            if self.held.is_empty() {
                self.from = number + 1 - HELD;
            } else {
                self.pass();
            }
        }
        let place = usize::try_from(number - self.from).expect("it is below the most that are held");
        if self.held.len() <= place {
            self.held.resize(place + 1, None);
        }
        self.held[place] = Some(reply);
        while let Some(Some(_)) = self.held.front() {
            self.pass();
        }
    }

    /// The order with what is held, without waiting for those that are missing.
    pub(super) fn settled(&self) -> Reordering {
        let (mut seen, mut reordering) = (self.seen.clone(), self.reordering.clone());
        self.held.iter().flatten().for_each(|reply| reply.count(&mut seen, &mut reordering));
        reordering
    }

    /// Counts what is held, without waiting for those that are missing.
    fn settle(&mut self) {
        while !self.held.is_empty() {
            self.pass();
        }
    }

    /// Starts anew, since the reflector numbers its replies from 0 again.
    pub(super) fn restart(&mut self) {
        self.settle();
        self.from = 0;
    }

    /// Counts the first one that is held, if it came.
    fn pass(&mut self) {
        let first = self.held.pop_front().flatten();
        self.from += 1;
        if let Some(reply) = first {
            reply.count(&mut self.seen, &mut self.reordering);
        }
    }
}

impl Reply {
    fn count(self, seen: &mut Arrivals, reordering: &mut Reordering) {
        if matches!(seen.add(self.probe), Arrival::InOrder | Arrival::Reordered) {
            reordering.add(self.probe, self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(replies: &[(u64, u64)]) -> ForwardOrder {
        let mut order = ForwardOrder::with_window(65_536);
        replies.iter().for_each(|(number, probe)| order.add(*number, Reply { probe: *probe, at: Duration::ZERO }));
        order
    }

    #[test]
    fn replies_that_were_overtaken_on_their_way_back_reorder_nothing_forward() {
        let mut same = order(&[(2, 2), (0, 0), (3, 3), (1, 1)]);
        assert_eq!((same.seen.distinct(), same.seen.reordered()), (4, 0));
        // Probe 1 came after probe 2, and twice.
        same = order(&[(0, 0), (3, 1), (2, 1), (1, 2), (4, 3)]);
        assert_eq!((same.seen.distinct(), same.seen.reordered(), same.seen.duplicates()), (4, 1, 1));
        assert_eq!(same.reordering.extents().largest(), 1);
    }

    #[test]
    fn a_reply_that_is_missing_holds_up_no_more_than_the_window() {
        let mut late = order(&[(1, 1)]);
        assert_eq!(late.seen.arrivals(), 0);
        late.add(HELD, Reply { probe: 9000, at: Duration::ZERO });
        assert_eq!(late.seen.arrivals(), 1);
        late.add(0, Reply { probe: 0, at: Duration::ZERO });
        late.settle();
        assert_eq!((late.seen.arrivals(), late.unplaced), (2, 1));
        late.add(u64::MAX - 1, Reply { probe: 9001, at: Duration::ZERO });
        late.settle();
        assert_eq!(late.seen.arrivals(), 3);
    }
}
