//! One-way delays by clocks that may be years apart.

use std::time::Duration;

use super::percentile::{Percentile, ranked};
use crate::stats::{Quantiles, SignedNanoseconds, SignedQuantiles};

/// Delays that are looked at before it is decided from where the others are counted.
const FIRST: usize = 256;
/// Decimal digits that are kept of what a delay has more than the smallest.
const DIGITS: u8 = 3;

/// How one-way delays are distributed (RFC 7679), by the clocks of both ends, which may be years apart: what a delay has more than
/// about the smallest is kept with three digits, so that none is spent on those years. Memory is bounded: 900 KiB at most.
///
/// ```
/// use udpkit::{SignedNanoseconds, path::Delays};
///
/// let mut delays = Delays::default();
/// // 20 to 29 ms, by a clock that is a year ahead.
/// let year = 31_536_000_000_000_000;
/// for milliseconds in 20..30 {
///     delays.add(SignedNanoseconds(year + milliseconds * 1_000_000));
/// }
/// let median = delays.at(0.5).expect("there are delays").0;
/// assert!((median - year - 24_000_000).abs() <= 9_000);
/// assert_eq!(delays.smallest(), Some(SignedNanoseconds(year + 20_000_000)));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Delays {
    /// The first ones, until `base` is known.
    first: Vec<SignedNanoseconds>,
    /// The smallest of the first ones.
    base: Option<SignedNanoseconds>,
    /// The delays less the base.
    above_base: SignedQuantiles,
    /// Smallest and largest.
    range: Option<[SignedNanoseconds; 2]>,
    sum: i128,
}

impl Default for Delays {
    fn default() -> Self {
        Self { first: Vec::new(), base: None, above_base: SignedQuantiles::with_digits(DIGITS), range: None, sum: 0 }
    }
}

impl Delays {
    /// Adds a delay.
    pub fn add(&mut self, delay: SignedNanoseconds) {
        let [smallest, largest] = self.range.unwrap_or([delay; 2]);
        self.range = Some([smallest.min(delay), largest.max(delay)]);
        self.sum += i128::from(delay.0);
        self.put(delay, 1);
        if self.first.len() == FIRST {
            self.settle();
        }
    }

    /// Adds all that another holds.
    pub fn merge(&mut self, other: &Self) {
        if let (Some(ours), Some(theirs)) = (self.range, other.range) {
            self.range = Some([ours[0].min(theirs[0]), ours[1].max(theirs[1])]);
        }
        self.range = self.range.or(other.range);
        self.sum += other.sum;
        if other.base.is_some() {
            self.settle();
        }
        for (delay, count) in other.cells() {
            self.put(delay, count);
        }
        if self.first.len() >= FIRST {
            self.settle();
        }
    }

    /// How many delays were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.first.len() as u64 + self.above_base.count()
    }

    /// The delay that this part of them, over 0 and up to 1, does not exceed: 0.5 is the median; nothing without any. It is off by at most
    /// a thousandth of how far it is from the smallest of the first 256.
    #[must_use]
    pub fn at(&self, part: f64) -> Option<SignedNanoseconds> {
        match self.percentile(0, part) {
            Percentile::Time(delay) => Some(delay),
            Percentile::Lost | Percentile::Unknown => None,
        }
    }

    /// The same with so many lost ones as infinite ([`Percentile`]).
    #[must_use]
    pub fn percentile(&self, lost: u64, part: f64) -> Percentile<SignedNanoseconds> {
        ranked(self.count(), lost, part, |rank| self.ranked(rank))
    }

    /// The smallest, exactly; nothing without any.
    #[must_use]
    pub fn smallest(&self) -> Option<SignedNanoseconds> {
        self.range.map(|[smallest, _]| smallest)
    }

    /// The largest, exactly; nothing without any.
    #[must_use]
    pub fn largest(&self) -> Option<SignedNanoseconds> {
        self.range.map(|[_, largest]| largest)
    }

    /// The arithmetic mean, exactly; nothing without any.
    #[must_use]
    pub fn mean(&self) -> Option<SignedNanoseconds> {
        let mean = self.sum.checked_div(i128::from(self.count()))?;
        i64::try_from(mean).ok().map(SignedNanoseconds)
    }

    /// What each has more than the smallest (RFC 5481 section 4.2: PDV).
    #[must_use]
    pub fn above_smallest(&self) -> Quantiles {
        let mut quantiles = Quantiles::with_digits(DIGITS);
        if let Some([smallest, _]) = self.range {
            for (delay, count) in self.cells() {
                quantiles.add_many(Duration::from_nanos(delay.0.abs_diff(smallest.0)), count);
            }
        }
        quantiles
    }

    /// The delays that it holds, and how often each was added.
    pub(super) fn cells(&self) -> impl Iterator<Item = (SignedNanoseconds, u64)> + '_ {
        let base = self.base.unwrap_or_default();
        let above = self.above_base.cells().map(move |(above, count)| (self.bounded(plus(base, above)), count));
        self.first.iter().map(|delay| (*delay, 1)).chain(above)
    }

    fn put(&mut self, delay: SignedNanoseconds, count: u64) {
        match self.base {
            Some(base) => self.above_base.add_many(less(delay, base), count),
            None => self.first.extend((0..count).map(|_| delay)),
        }
    }

    /// Counts from the smallest until now on.
    fn settle(&mut self) {
        if self.base.is_none() {
            self.base = Some(self.first.iter().copied().min().or_else(|| self.smallest()).unwrap_or_default());
            for delay in std::mem::take(&mut self.first) {
                self.put(delay, 1);
            }
        }
    }

    fn ranked(&self, rank: u64) -> SignedNanoseconds {
        let Some(base) = self.base else {
            let mut sorted = self.first.clone();
            sorted.sort_unstable();
            let place = usize::try_from(rank.saturating_sub(1)).unwrap_or(usize::MAX);
            return sorted.get(place).or_else(|| sorted.last()).copied().unwrap_or_default();
        };
        self.bounded(plus(base, self.above_base.ranked(rank)))
    }

    /// No delay is past the smallest or the largest, however it was rounded.
    fn bounded(&self, delay: SignedNanoseconds) -> SignedNanoseconds {
        self.range.map_or(delay, |[smallest, largest]| delay.clamp(smallest, largest))
    }
}

fn less(one: SignedNanoseconds, other: SignedNanoseconds) -> SignedNanoseconds {
    SignedNanoseconds(one.0.saturating_sub(other.0))
}

fn plus(one: SignedNanoseconds, other: SignedNanoseconds) -> SignedNanoseconds {
    SignedNanoseconds(one.0.saturating_add(other.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(delays: &[i64]) -> Delays {
        let mut all = Delays::default();
        delays.iter().for_each(|delay| all.add(SignedNanoseconds(*delay)));
        all
    }

    #[test]
    fn of_nothing_nothing_is_known_and_of_anything_no_panic() {
        let none = Delays::default();
        assert_eq!((none.count(), none.at(0.5), none.mean(), none.smallest()), (0, None, None, None));
        assert_eq!((none.percentile(1, 0.5), none.percentile(0, 0.5)), (Percentile::Lost, Percentile::Unknown));
        let mut all = of(&[i64::MIN, i64::MAX, 0].repeat(200));
        all.merge(&none);
        let mut merged = none;
        merged.merge(&all);
        assert_eq!(
            (merged.smallest(), merged.largest()),
            (Some(SignedNanoseconds(i64::MIN)), Some(SignedNanoseconds(i64::MAX)))
        );
        assert_eq!(
            (merged.count(), merged.mean(), merged.above_smallest().count()),
            (600, Some(SignedNanoseconds(0)), 600)
        );
    }

    proptest! {
        #[test]
        fn they_are_those_of_the_list_whatever_the_clock_and_however_they_were_split(
            delays in prop::collection::vec(-1_000_000i64..1_000_000, 1..900),
            offset in any::<i32>(),
            cut in 0usize..900,
            quarter in 1usize..=4,
        ) {
            let mut delays: Vec<_> = delays.into_iter().map(|delay| delay + (i64::from(offset) << 30)).collect();
            let (one, other) = delays.split_at(cut.min(delays.len()));
            let mut all = of(one);
            all.merge(&of(other));
            let mean = delays.iter().map(|delay| i128::from(*delay)).sum::<i128>() / delays.len() as i128;
            delays.sort_unstable();
            let rank = (quarter * delays.len()).div_ceil(4);
            let found = all.at([0.25, 0.5, 0.75, 1.0][quarter - 1]).unwrap();
            // Twice a thousandth: of what is counted from the base of the other, and then from its own.
            prop_assert!(found.0.abs_diff(delays[rank - 1]) <= 2 * 2_000_000 / 1000, "{} for {}", found.0, delays[rank - 1]);
            let exact = (all.count(), all.mean().map(|mean| i128::from(mean.0)), all.smallest(), all.largest());
            let ends = [delays[0], delays[delays.len() - 1]].map(|end| Some(SignedNanoseconds(end)));
            prop_assert_eq!(exact, (delays.len() as u64, Some(mean), ends[0], ends[1]));
            let above = all.above_smallest();
            prop_assert_eq!(above.largest().as_nanos(), u128::from(delays[delays.len() - 1].abs_diff(delays[0])));
        }
    }
}
