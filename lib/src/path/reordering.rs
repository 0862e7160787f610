//! Probes that arrive after those that were sent later (RFC 4737).

use std::collections::VecDeque;
use std::time::Duration;

use super::lengths::Lengths;
use crate::stats::Quantiles;

/// Arrivals that are kept to find how far a reordered one was overtaken: 400 KiB at most.
const WINDOW: usize = 16_384;
/// The largest n for which n-reordering is counted.
const MOST_N: usize = 64;
/// Decimal digits that are kept of times.
const DIGITS: u8 = 3;

/// Probes that arrive after those that were sent later (RFC 4737). It is handed the numbers of those that arrive, in the order in
/// which they arrive, each once: duplicates are left out ([`Arrivals`](crate::Arrivals) knows them).
///
/// Extents and late times are exact up to 16,384 arrivals back. Its memory grows with the arrivals, up to 1.5 MiB.
///
/// ```
/// use std::time::Duration;
/// use udpkit::path::Reordering;
///
/// let mut order = Reordering::default();
/// for (place, number) in [1, 2, 3, 7, 8, 9, 4, 5, 6].into_iter().enumerate() {
///     order.add(number, Duration::from_millis(place as u64));
/// }
/// assert_eq!(order.ratio(), Some(3.0 / 9.0));
/// assert_eq!(order.extents().largest(), 5);
/// // One arrived after three that were sent later, in a row: what a TCP would take for lost.
/// assert_eq!(order.n_reordered(3), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reordering {
    arrivals: u64,
    reordered: u64,
    extents: Lengths,
    beyond_window: u64,
    late: Quantiles,
    /// How many arrivals right before each reordered one were sent later, up to `MOST_N`.
    overtaken_in_a_row: Lengths,
    /// Arrivals with a number above all before them, the earliest first: numbers and places rise.
    highest: VecDeque<Highest>,
    /// Whether one was dropped from them.
    has_forgotten: bool,
    /// The numbers of the last arrivals, the last one first.
    last: VecDeque<u64>,
}

/// An arrival with a number above all before it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Highest {
    number: u64,
    /// How many arrived before it.
    place: u64,
    at: Duration,
}

impl Default for Reordering {
    fn default() -> Self {
        Self {
            arrivals: 0,
            reordered: 0,
            extents: Lengths::default(),
            beyond_window: 0,
            late: Quantiles::with_digits(DIGITS),
            overtaken_in_a_row: Lengths::default(),
            highest: VecDeque::new(),
            has_forgotten: false,
            last: VecDeque::with_capacity(MOST_N),
        }
    }
}

impl Reordering {
    /// Adds the arrival of this number, so long after the start: the first of each number.
    pub fn add(&mut self, number: u64, at: Duration) {
        let arrival = Highest { number, place: self.arrivals, at };
        if self.highest.back().is_none_or(|highest| highest.number <= number) {
            if self.highest.len() == WINDOW {
                self.highest.pop_front();
                self.has_forgotten = true;
            }
            self.highest.push_back(arrival);
        } else {
            self.add_reordered(arrival);
        }
        self.arrivals += 1;
        self.last.truncate(MOST_N - 1);
        self.last.push_front(number);
    }

    fn add_reordered(&mut self, arrival: Highest) {
        self.reordered += 1;
        // The earliest arrival of a higher number is one that was above all before it.
        let place = self.highest.partition_point(|highest| highest.number <= arrival.number);
        let overtook = self.highest[place];
        self.beyond_window += u64::from(place == 0 && self.has_forgotten);
        self.extents.add(arrival.place - overtook.place);
        self.late.add(arrival.at.saturating_sub(overtook.at));
        let in_a_row = self.last.iter().take_while(|number| **number > arrival.number).count();
        self.overtaken_in_a_row.add(in_a_row as u64);
    }

    /// Adds what another one counted, of another flow: none of them overtakes one of the other.
    pub fn merge(&mut self, other: &Self) {
        self.arrivals += other.arrivals;
        self.reordered += other.reordered;
        self.extents.merge(&other.extents);
        self.beyond_window += other.beyond_window;
        self.late.merge(&other.late);
        self.overtaken_in_a_row.merge(&other.overtaken_in_a_row);
    }

    /// Probes that arrived.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// Those of them that arrived after one with a higher number (RFC 4737 section 3.3).
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// The part of the arrivals that were reordered (RFC 4737 section 4.1); nothing where none arrived.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub fn ratio(&self) -> Option<f64> {
        (self.arrivals > 0).then(|| self.reordered as f64 / self.arrivals as f64)
    }

    /// How many arrivals back the earliest one with a higher number was, of each reordered one: what a receiver must hold to restore
    /// the order (RFC 4737 section 4.2: extent).
    #[must_use]
    pub fn extents(&self) -> &Lengths {
        &self.extents
    }

    /// Reordered arrivals that came so late that their extent and late time may be larger than counted.
    #[must_use]
    pub fn beyond_window(&self) -> u64 {
        self.beyond_window
    }

    /// How long after the earliest arrival with a higher number each reordered one arrived (RFC 4737 section 4.3: late time).
    #[must_use]
    pub fn late(&self) -> &Quantiles {
        &self.late
    }

    /// Arrivals right before which so many others in a row arrived that all were sent later (RFC 4737 section 5.3: n-reordering). With
    /// n = 3, these are what a TCP would send again without need. Beyond 64 the count of 64.
    #[must_use]
    pub fn n_reordered(&self, n: u64) -> u64 {
        let fewer = n.min(MOST_N as u64).saturating_sub(1);
        self.reordered - self.overtaken_in_a_row.at_most(fewer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: &[u64]) -> Reordering {
        let mut order = Reordering::default();
        for (place, number) in numbers.iter().enumerate() {
            order.add(*number, Duration::from_millis(10 * place as u64));
        }
        order
    }

    #[test]
    fn the_vector_of_rfc_4737_has_its_extents_and_n_reordering() {
        let order = of(&[1, 2, 3, 7, 8, 9, 4, 5, 6]);
        assert_eq!((order.reordered(), order.arrivals(), order.ratio()), (3, 9, Some(3.0 / 9.0)));
        let extents = [1, 2, 3].map(|rank: u32| order.extents().at(f64::from(rank) / 3.0));
        assert_eq!(extents, [3, 4, 5]);
        // 4 alone arrived after three higher ones in a row; 5 and 6 each after a lower one.
        assert_eq!([1, 2, 3, 4].map(|n| order.n_reordered(n)), [1, 1, 1, 0]);
        let late = [1, 2, 3].map(|rank: u32| order.late().at(f64::from(rank) / 3.0).as_millis());
        assert_eq!(late, [30, 40, 50]);
        // One that the first overtook is as well known.
        let order = of(&[5, 1]);
        assert_eq!((order.extents().largest(), order.beyond_window()), (1, 0));
    }

    #[test]
    fn in_order_nothing_is_reordered_whatever_is_missing() {
        let order = of(&[0, 1, 5, 6, 90]);
        assert_eq!(
            (order.reordered(), order.extents().count(), order.late().count(), order.n_reordered(1)),
            (0, 0, 0, 0)
        );
        assert_eq!(Reordering::default().ratio(), None);
    }

    #[test]
    fn an_extent_past_the_window_is_a_lower_bound_and_counted_so() {
        let numbers: Vec<u64> = (1..=WINDOW as u64 + 10).chain([0]).collect();
        let order = of(&numbers);
        assert_eq!((order.reordered(), order.beyond_window(), order.extents().count()), (1, 1, 1));
        let extent = order.extents().largest();
        assert!(extent == WINDOW as u64, "{extent}");
        // One that was overtaken by what is still known is exact, however long the run.
        let mut order = of(&(2..=WINDOW as u64 + 10).collect::<Vec<_>>());
        order.add(WINDOW as u64 + 20, Duration::from_secs(1));
        order.add(WINDOW as u64 + 15, Duration::from_secs(2));
        assert_eq!((order.beyond_window(), order.extents().largest()), (0, 1));
        assert!(order.highest.len() <= WINDOW && order.last.len() <= MOST_N);
    }

    proptest! {
        #[test]
        fn figures_are_those_of_the_definitions(keys in prop::collection::vec(0u64..60, 0..80)) {
            // Each number once, displaced by up to 60 places.
            let mut numbers: Vec<_> = (0..keys.len() as u64).collect();
            numbers.sort_by_key(|number| number + keys[usize::try_from(*number).unwrap()]);
            let order = of(&numbers);
            let mut extents = Vec::new();
            let mut n_reordered = [0; 6];
            for (i, number) in numbers.iter().enumerate() {
                let earliest = numbers[..i].iter().position(|earlier| earlier > number);
                extents.extend(earliest.map(|j| (i - j) as u64));
                for (n, count) in n_reordered.iter_mut().enumerate().skip(1).filter(|(n, _)| *n <= i) {
                    *count += u64::from(numbers[i - n..i].iter().all(|earlier| earlier > number));
                }
            }
            extents.sort_unstable();
            let found: Vec<_> = (1..=extents.len()).map(|rank| order.extents().at((rank as f64 - 0.5) / extents.len() as f64)).collect();
            prop_assert_eq!(order.reordered(), extents.len() as u64);
            prop_assert_eq!(found, extents);
            for (n, count) in n_reordered.into_iter().enumerate().skip(1) {
                prop_assert_eq!(order.n_reordered(n as u64), count, "n = {}", n);
            }
            let mut twice = order.clone();
            twice.merge(&order);
            prop_assert_eq!((twice.reordered(), twice.ratio()), (2 * order.reordered(), order.ratio()));
        }
    }
}
