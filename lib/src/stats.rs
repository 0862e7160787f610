//! Summaries of measured times, and an estimate of how many peers there were, each with its definition.

use std::fmt;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

/// Smallest, mean, largest and spread of a series of times, as ping gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    count: u64,
    smallest: Duration,
    largest: Duration,
    mean_ns: f64,
    squares: f64,
}

impl Spread {
    /// Adds a time.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of up to 104 days and counts below 2^53 are exact")]
    pub fn add(&mut self, time: Duration) {
        self.count += 1;
        self.smallest = if self.count == 1 { time } else { self.smallest.min(time) };
        self.largest = self.largest.max(time);
        // Welford's method: no catastrophic cancellation.
        let nanoseconds = time.as_nanos() as f64;
        let distance = nanoseconds - self.mean_ns;
        self.mean_ns += distance / self.count as f64;
        self.squares += distance * (nanoseconds - self.mean_ns);
    }

    /// Adds all that another holds (Chan et al.).
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 || self.count == 0 {
            if self.count == 0 {
                *self = *other;
            }
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let distance = other.mean_ns - self.mean_ns;
        self.squares += other.squares + distance * distance * ours * theirs / (ours + theirs);
        self.mean_ns += distance * theirs / (ours + theirs);
        self.count += other.count;
        self.smallest = self.smallest.min(other.smallest);
        self.largest = self.largest.max(other.largest);
    }

    /// How many times were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest; zero without any.
    #[must_use]
    pub fn smallest(&self) -> Duration {
        self.smallest
    }

    /// The largest; zero without any.
    #[must_use]
    pub fn largest(&self) -> Duration {
        self.largest
    }

    /// The arithmetic mean; zero without any.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.mean_ns.max(0.0) / 1e9)
    }

    /// The standard deviation of the whole series (`mdev` in ping); zero below two.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub fn deviation(&self) -> Duration {
        if self.count < 2 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((self.squares.max(0.0) / self.count as f64).sqrt() / 1e9)
    }
}

/// How a series of times is distributed, in bounded memory, however long it is: 60 KiB at most with two digits, the default.
///
/// What it gives is at most 1 % more than was measured, and never less; with other [digits](Self::with_digits), 10 % to 0.01 %.
///
/// ```
/// use std::time::Duration;
/// use udpkit::Quantiles;
///
/// let mut rtts = Quantiles::default();
/// (1..=100).for_each(|number| rtts.add(Duration::from_millis(number)));
/// let median = rtts.at(0.5);
/// assert!(median >= Duration::from_millis(50) && median < Duration::from_millis(51));
/// ```
#[derive(Clone, PartialEq)]
pub struct Quantiles {
    /// Nanoseconds; nothing before the first time.
    histogram: Option<Histogram<u64>>,
    largest: Duration,
    digits: u8,
}

/// Decimal digits that are kept of each time, unless they are chosen.
const DIGITS: u8 = 2;
/// The most that can be chosen.
const MOST_DIGITS: u8 = 4;

impl Default for Quantiles {
    fn default() -> Self {
        Self::with_digits(DIGITS)
    }
}

impl Quantiles {
    /// Keeps so many decimal digits of each time: 1 to 4, which take 8, 60, 450 or 6,800 KiB at most, once there is a time.
    ///
    /// # Panics
    ///
    /// With other numbers.
    #[must_use]
    pub fn with_digits(digits: u8) -> Self {
        assert!((1..=MOST_DIGITS).contains(&digits), "{digits} digits");
        Self { histogram: None, largest: Duration::ZERO, digits }
    }

    /// The digits that are kept of each time.
    #[must_use]
    pub fn digits(&self) -> u8 {
        self.digits
    }

    /// Adds a time.
    pub fn add(&mut self, time: Duration) {
        self.add_many(time, 1);
    }

    /// Adds a time so many times.
    pub(crate) fn add_many(&mut self, time: Duration, count: u64) {
        self.largest = self.largest.max(time);
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let recorded = self.histogram.get_or_insert_with(|| empty(self.digits)).record_n(nanoseconds, count);
        recorded.expect("it grows, to a size that every address space has");
    }

    /// Adds all that another holds. Of different digits, the fewer are what is known of the sum.
    pub fn merge(&mut self, other: &Self) {
        self.largest = self.largest.max(other.largest);
        if let Some(theirs) = &other.histogram {
            let ours = self.histogram.get_or_insert_with(|| empty(self.digits));
            ours.add(theirs).expect("one that grows takes every other");
        }
    }

    /// How many times were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The time that this part of them, over 0 and up to 1, does not exceed: 0.5 is the median; zero without any.
    #[must_use]
    pub fn at(&self, part: f64) -> Duration {
        let nanoseconds = self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(part));
        Duration::from_nanos(nanoseconds).min(self.largest)
    }

    /// How many of them did not exceed this time, as exact as any of them: one that is longer by less than its last digit may be among
    /// them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use udpkit::Quantiles;
    ///
    /// let mut rtts = Quantiles::default();
    /// (1..=100).for_each(|number| rtts.add(Duration::from_millis(number)));
    /// assert_eq!(rtts.count_at_most(Duration::from_millis(25)), 25);
    /// ```
    #[must_use]
    pub fn count_at_most(&self, time: Duration) -> u64 {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.as_ref().map_or(0, |histogram| histogram.count_between(0, nanoseconds))
    }

    /// The times that it holds, in nanoseconds, as much more than was measured as its digits allow, and how often each was added; in
    /// ascending order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let recorded = self.histogram.iter().flat_map(Histogram::iter_recorded);
        recorded.map(|cell| (cell.value_iterated_to(), cell.count_since_last_iteration()))
    }

    /// The smallest, as exact as any of them; zero without any.
    #[must_use]
    pub fn smallest(&self) -> Duration {
        self.at(0.0)
    }

    /// The arithmetic mean, as exact as any of them; zero without any.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let nanoseconds = self.histogram.as_ref().map_or(0.0, Histogram::mean);
        Duration::from_secs_f64(nanoseconds / 1e9)
    }

    /// The time of this rank, from 1, in ascending order.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
    pub(crate) fn ranked(&self, rank: u64) -> Duration {
        // Half a rank less, so that no rounding leads to the next.
        self.at((rank as f64 - 0.5) / self.count().max(1) as f64)
    }

    /// The largest, exactly; zero without any.
    #[must_use]
    pub fn largest(&self) -> Duration {
        self.largest
    }
}

fn empty(digits: u8) -> Histogram<u64> {
    Histogram::new(digits).expect("they are within 0 to 5")
}

impl fmt::Debug for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [0.5, 0.99].map(|part| self.at(part));
        write!(f, "Quantiles({} times, p50 {p50:?}, p99 {p99:?}, max {:?})", self.count(), self.largest)
    }
}

/// A difference of two times, in nanoseconds: negative where the later one seems to come first, as between two clocks.
/// Exhaustive: it is a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedNanoseconds(pub i64);

impl SignedNanoseconds {
    /// How much later one moment of the system's clock is than another; the largest or smallest value past 292 years.
    #[must_use]
    pub fn between(earlier: SystemTime, later: SystemTime) -> Self {
        let bounded = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        Self(later.duration_since(earlier).map_or_else(|before| -bounded(before.duration()), bounded))
    }

    /// Its size, without the sign.
    #[must_use]
    pub fn size(self) -> Duration {
        Duration::from_nanos(self.0.unsigned_abs())
    }
}

/// How a series of times with a sign is distributed (one-way delays between two clocks, differences of delays), in twice the memory
/// of [`Quantiles`].
#[derive(Clone, Debug, PartialEq)]
pub struct SignedQuantiles {
    negative: Quantiles,
    /// Zero is one of them.
    positive: Quantiles,
}

impl SignedQuantiles {
    /// Keeps so many decimal digits of each time, as [`Quantiles::with_digits`] does.
    ///
    /// # Panics
    ///
    /// Unless they are 1 to 4.
    #[must_use]
    pub fn with_digits(digits: u8) -> Self {
        Self { negative: Quantiles::with_digits(digits), positive: Quantiles::with_digits(digits) }
    }

    /// Adds a time.
    pub fn add(&mut self, time: SignedNanoseconds) {
        self.add_many(time, 1);
    }

    /// Adds a time so many times.
    pub(crate) fn add_many(&mut self, time: SignedNanoseconds, count: u64) {
        let side = if time.0 < 0 { &mut self.negative } else { &mut self.positive };
        side.add_many(time.size(), count);
    }

    /// Adds all that another holds.
    pub fn merge(&mut self, other: &Self) {
        self.negative.merge(&other.negative);
        self.positive.merge(&other.positive);
    }

    /// How many times were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.negative.count() + self.positive.count()
    }

    /// The same times without their sign.
    #[must_use]
    pub fn sizes(&self) -> Quantiles {
        let mut sizes = self.negative.clone();
        sizes.merge(&self.positive);
        sizes
    }

    /// The times that it holds, and how often each was added, as [`Quantiles::cells`] has them; in ascending order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (SignedNanoseconds, u64)> + '_ {
        let whole = |(nanoseconds, count)| (i64::try_from(nanoseconds).unwrap_or(i64::MAX), count);
        let mut negative: Vec<_> = self.negative.cells().map(whole).collect();
        negative.reverse();
        let negative = negative.into_iter().map(|(size, count)| (SignedNanoseconds(-size), count));
        negative.chain(self.positive.cells().map(whole).map(|(time, count)| (SignedNanoseconds(time), count)))
    }

    /// The time that this part of them, over 0 and up to 1, does not exceed: 0.5 is the median; zero without any. Its size is at
    /// most one unit of the last digit kept more than was measured, and never less.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks, of counts below 2^53"
    )]
    pub fn at(&self, part: f64) -> SignedNanoseconds {
        let count = self.count();
        self.ranked(((part * count as f64).ceil().max(1.0) as u64).min(count.max(1)))
    }

    /// The time of this rank, from 1, in ascending order.
    pub(crate) fn ranked(&self, rank: u64) -> SignedNanoseconds {
        let below = self.negative.count();
        let whole = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        if rank <= below {
            // The smallest is the farthest from zero: it is counted from the other end.
            let from_zero = below - rank + 1;
            return SignedNanoseconds(-whole(self.negative.ranked(from_zero)));
        }
        SignedNanoseconds(whole(self.positive.ranked(rank - below)))
    }
}

impl Default for SignedQuantiles {
    fn default() -> Self {
        Self::with_digits(DIGITS)
    }
}

/// An estimate of how many different peers there were, in a kibibyte, however many (HyperLogLog, Flajolet et al. 2007).
///
/// Nearly exact up to some hundred, then within 3.3 % (one standard error).
#[derive(Clone, Default, PartialEq)]
pub struct Peers {
    /// For each part of the hashes, the longest run of leading zeros seen, and one; nothing before the first peer.
    registers: Option<Box<[u8; REGISTERS]>>,
}

/// Parts into which the hashes fall; a power of two.
const REGISTERS: usize = 1024;
const REGISTER_BITS: u32 = REGISTERS.trailing_zeros();

impl Peers {
    /// Adds a peer by its hash, which must be keyed: else strangers could choose what is counted.
    pub(crate) fn add(&mut self, hash: u64) {
        let registers = self.registers.get_or_insert_with(|| Box::new([0; REGISTERS]));
        // The bit set at the end bounds the run.
        let run = (hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1)).leading_zeros() + 1;
        let run = u8::try_from(run).unwrap_or(u8::MAX);
        let register = &mut registers[(hash >> (u64::BITS - REGISTER_BITS)) as usize];
        *register = run.max(*register);
    }

    /// Adds all that another holds, whose hashes have the same key.
    pub(crate) fn merge(&mut self, other: &Self) {
        let Some(theirs) = &other.registers else { return };
        let ours = self.registers.get_or_insert_with(|| Box::new([0; REGISTERS]));
        for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
            *ours = (*ours).max(*theirs);
        }
    }

    /// How many there were, about.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    pub fn estimate(&self) -> u64 {
        let Some(registers) = &self.registers else { return 0 };
        let most = REGISTERS as f64;
        let empty = registers.iter().filter(|register| **register == 0).count();
        let sum: f64 = registers.iter().map(|register| (-f64::from(*register)).exp2()).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / most) * most * most / sum;
        let estimate = if estimate <= 2.5 * most && empty > 0 { most * (most / empty as f64).ln() } else { estimate };
        estimate.round() as u64
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peers(about {})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::hash::{BuildHasher, RandomState};

    proptest! {
        #[test]
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank below 200")]
        fn quantiles_are_the_times_themselves_or_up_to_a_hundredth_more(
            times in prop::collection::vec((any::<u64>(), 0u32..64), 1..200),
            part in 0.001f64..=1.0,
            cut in 0usize..200,
        ) {
            let mut times: Vec<_> = times.into_iter().map(|(bits, shift)| Duration::from_nanos(bits >> shift)).collect();
            let (mut one, mut other) = (Quantiles::default(), Quantiles::default());
            for (place, time) in times.iter().enumerate() {
                if place < cut { one.add(*time) } else { other.add(*time) }
            }
            one.merge(&other);
            times.sort_unstable();
            let rank = (part * times.len() as f64).ceil().max(1.0) as usize;
            // A product in floating point may be a hair over a whole number.
            let exact = [rank - 1, rank].map(|rank| times[rank.clamp(1, times.len()) - 1]);
            let near = |exact: Duration| one.at(part) >= exact && one.at(part) <= exact + exact / 100;
            prop_assert!(exact.into_iter().any(near), "{:?} is none of {exact:?}", one.at(part));
            prop_assert_eq!((one.count(), one.largest()), (times.len() as u64, *times.last().unwrap()));
        }
    }

    proptest! {
        #[test]
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank below 200")]
        fn signed_quantiles_are_in_order_and_within_their_digits(
            times in prop::collection::vec((any::<i64>(), 0u32..63), 1..200),
            digits in 1u8..=4,
            part in 0.001f64..=1.0,
            cut in 0usize..200,
        ) {
            // Not the smallest, whose size no positive number has.
            let mut times: Vec<_> = times.into_iter().map(|(bits, shift)| (bits >> shift).max(-i64::MAX)).collect();
            let (mut one, mut other) = (SignedQuantiles::with_digits(digits), SignedQuantiles::with_digits(digits));
            for (place, time) in times.iter().enumerate() {
                if place < cut { one.add(SignedNanoseconds(*time)) } else { other.add(SignedNanoseconds(*time)) }
            }
            one.merge(&other);
            prop_assert_eq!(one.count(), times.len() as u64);
            times.sort_unstable();
            let rank = (part * times.len() as f64).ceil().max(1.0) as usize;
            // A product in floating point may be a hair over a whole number.
            let exact = [rank - 1, rank].map(|rank| times[rank.clamp(1, times.len()) - 1]);
            let found = one.at(part).0;
            let unit = 10u64.pow(u32::from(digits));
            let near = |exact: i64| {
                let (size, found_size) = (exact.unsigned_abs(), found.unsigned_abs());
                found.signum() == exact.signum() && found_size >= size && found_size - size <= size / unit
            };
            prop_assert!(exact.into_iter().any(near), "{found} is none of {exact:?}");
        }
    }

    #[test]
    fn memory_is_bounded_by_the_digits_and_other_numbers_of_digits_are_refused() {
        for (digits, kibibytes) in [(1, 8), (2, 60), (3, 450), (4, 6800)] {
            let mut quantiles = Quantiles::with_digits(digits);
            assert!(quantiles.histogram.is_none() && quantiles.digits() == digits);
            quantiles.add(Duration::MAX);
            quantiles.add(Duration::ZERO);
            let cells = quantiles.histogram.unwrap().distinct_values();
            assert!(cells * size_of::<u64>() <= kibibytes * 1024, "{digits}: {cells}");
        }
        for digits in [0, 5] {
            std::panic::catch_unwind(|| Quantiles::with_digits(digits)).unwrap_err();
        }
    }

    #[test]
    fn a_difference_has_the_sign_of_its_order() {
        let (zero, later) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + Duration::from_nanos(7));
        assert_eq!(SignedNanoseconds::between(zero, later), SignedNanoseconds(7));
        assert_eq!(SignedNanoseconds::between(later, zero), SignedNanoseconds(-7));
        assert_eq!(SignedNanoseconds::between(later, zero).size(), Duration::from_nanos(7));
        assert_eq!(SignedQuantiles::default().at(0.5), SignedNanoseconds(0));
    }

    #[test]
    fn quantiles_of_anything_are_bounded_and_of_nothing_are_zero() {
        let mut quantiles = Quantiles::default();
        assert_eq!((quantiles.count(), quantiles.at(0.5)), (0, Duration::ZERO));
        quantiles.merge(&Quantiles::default());
        assert_eq!(quantiles, Quantiles::default());
        quantiles.add(Duration::MAX);
        quantiles.add(Duration::ZERO);
        assert_eq!((quantiles.count(), quantiles.at(0.5), quantiles.largest()), (2, Duration::ZERO, Duration::MAX));
        let cells = quantiles.histogram.unwrap().distinct_values();
        assert!(cells * size_of::<u64>() <= 60 * 1024, "{cells}");
    }

    #[test]
    fn those_up_to_a_time_are_counted_whatever_it_is() {
        let mut times = Quantiles::with_digits(3);
        assert_eq!(times.count_at_most(Duration::MAX), 0);
        [0, 1, 1_000, 5_000_000].into_iter().for_each(|nanoseconds| times.add(Duration::from_nanos(nanoseconds)));
        let counts = [0, 1, 999, 1_000, 4_900_000, 5_000_000, u64::MAX]
            .map(|nanoseconds| times.count_at_most(Duration::from_nanos(nanoseconds)));
        assert_eq!(counts, [1, 2, 2, 3, 3, 4, 4]);
    }

    #[test]
    fn peers_are_estimated_within_what_is_claimed() {
        for count in [0u32, 1, 2, 10, 100, 1000, 10_000, 100_000] {
            let key = RandomState::new();
            let (mut one, mut other) = (Peers::default(), Peers::default());
            for peer in 0..count {
                // Every peer twice, some of them seen by both.
                one.add(key.hash_one(peer));
                let side = if peer % 2 == 0 { &mut one } else { &mut other };
                side.add(key.hash_one(peer));
            }
            one.merge(&other);
            let off = (one.estimate() as f64 - f64::from(count)).abs();
            // Six standard errors.
            assert!(off <= f64::from(count) * 0.2, "{count}: {one:?}");
        }
    }

    #[test]
    fn merged_spreads_are_as_one() {
        let (mut all, mut one, mut other) = (Spread::default(), Spread::default(), Spread::default());
        for milliseconds in [2, 4, 4, 4, 5, 5, 7, 9] {
            let time = Duration::from_millis(milliseconds);
            all.add(time);
            if milliseconds < 5 { one.add(time) } else { other.add(time) }
        }
        one.merge(&other);
        assert_eq!((one.count(), one.mean(), one.deviation()), (8, all.mean(), all.deviation()));
        assert_eq!((one.smallest(), one.largest()), (all.smallest(), all.largest()));
        one.merge(&Spread::default());
        assert_eq!(one.count(), 8);
    }

    #[test]
    fn of_a_known_series() {
        let mut spread = Spread::default();
        for milliseconds in [2, 4, 4, 4, 5, 5, 7, 9] {
            spread.add(Duration::from_millis(milliseconds));
        }
        assert_eq!(spread.count(), 8);
        assert_eq!(spread.smallest(), Duration::from_millis(2));
        assert_eq!(spread.largest(), Duration::from_millis(9));
        assert_eq!(spread.mean(), Duration::from_millis(5));
        assert_eq!(spread.deviation(), Duration::from_millis(2));
    }

    #[test]
    fn of_nothing_is_zero() {
        assert_eq!(Spread::default().mean() + Spread::default().deviation(), Duration::ZERO);
    }
}
