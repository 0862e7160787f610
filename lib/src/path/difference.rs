//! Which of two results differ by more than chance.
//!
//! Each comparison is made for an `alpha`: the probability with which it calls equal networks different. Who makes several divides it
//! by their number (Bonferroni), so that it is that of all together.

use std::time::Duration;

use super::delays::Delays;
use super::proportion::Proportion;
use crate::bounds::Bounds;
use crate::setters::setters;
use crate::stats::{Quantiles, SignedNanoseconds, SignedQuantiles};

/// A ratio that was counted, to be compared: lost of sent, reordered of received.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RatioSample {
    /// What was counted, exactly or within an interval.
    pub count: Bounds,
    /// Of how many.
    pub whole: u64,
    /// How many of them say as much as one that is independent of all others: 1, or more where they come in bursts
    /// ([`LossRuns::clumping`](super::LossRuns::clumping)).
    pub inflation: f64,
}

setters! { RatioSample {
    count: Bounds,
    whole: u64,
    inflation: f64,
} }

impl RatioSample {
    /// This many of that many, independent of each other.
    #[must_use]
    pub fn new(count: Bounds, whole: u64) -> Self {
        Self { count, whole, inflation: 1.0 }
    }
}

/// How two ratios differ.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RatioDifference {
    /// The other's ratio less the one's; of intervals, that of the two counts that are the nearest.
    pub difference: f64,
    /// The true difference is not below it.
    pub low: f64,
    /// The true difference is not above it.
    pub high: f64,
    /// Whether the true difference is not zero.
    pub is_more_than_chance: bool,
}

/// How two ratios differ: by the interval of their difference that is made of the Wilson intervals of both (Newcombe 1998, method 10),
/// which is right for small counts, too. Nothing where one is of none, or `alpha` is not between 0 and 1.
///
/// ```
/// use udpkit::{Bounds, path::{RatioSample, ratios_differ}};
///
/// let [before, after, much_later] = [10, 20, 60].map(|lost| RatioSample::new(Bounds::exact(lost), 1000));
/// let difference = ratios_differ(&before, &after, 0.01).expect("something was sent");
/// assert!(!difference.is_more_than_chance && difference.low < 0.0);
/// let difference = ratios_differ(&before, &much_later, 0.01).expect("something was sent");
/// assert!(difference.is_more_than_chance && difference.low > 0.02);
/// ```
#[must_use]
pub fn ratios_differ(one: &RatioSample, other: &RatioSample, alpha: f64) -> Option<RatioDifference> {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    let ratio = |count: u64, sample: &RatioSample| count as f64 / sample.whole as f64;
    // The nearest two counts: the difference is not less than theirs.
    let (ours, theirs) = if ratio(one.count.high, one) < ratio(other.count.low, other) {
        (one.count.high, other.count.low)
    } else if ratio(other.count.high, other) < ratio(one.count.low, one) {
        (one.count.low, other.count.high)
    } else {
        // Intervals that overlap may be of equal ratios; exact counts that are equal are.
        let shared = ratio(one.count.low, one).max(ratio(other.count.low, other));
        (nearest(shared, one), nearest(shared, other))
    };
    let ours = Proportion::of_effective(ours, one.whole, one.inflation, alpha)?;
    let theirs = Proportion::of_effective(theirs, other.whole, other.inflation, alpha)?;
    let difference = theirs.ratio - ours.ratio;
    let low = difference - (theirs.ratio - theirs.low).hypot(ours.high - ours.ratio);
    let high = difference + (theirs.high - theirs.ratio).hypot(ours.ratio - ours.low);
    Some(RatioDifference { difference, low, high, is_more_than_chance: low > 0.0 || high < 0.0 })
}

/// The count of a sample whose ratio is the nearest to this one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts below 2^53"
)]
fn nearest(ratio: f64, sample: &RatioSample) -> u64 {
    ((ratio * sample.whole as f64).round() as u64).clamp(sample.count.low, sample.count.high)
}

/// What is known of a distribution of times, to be compared: all of it, or a few quantiles, as a summary has them.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeSample {
    count: u64,
    /// Parts, ascending, and the times that these parts do not exceed.
    points: Vec<(f64, SignedNanoseconds)>,
}

impl TimeSample {
    /// So many times, of which no quantile is known yet.
    #[must_use]
    pub fn new(count: u64) -> Self {
        Self { count, points: Vec::new() }
    }

    /// With a quantile of them: 0.5 and the median, 1 and the largest.
    #[must_use]
    pub fn quantile(mut self, part: f64, time: SignedNanoseconds) -> Self {
        let place = self.points.partition_point(|(before, _)| *before < part);
        self.points.insert(place, (part, time));
        self
    }

    /// All times.
    #[must_use]
    pub fn of(times: &Quantiles) -> Self {
        let whole = |time| SignedNanoseconds(i64::try_from(time).unwrap_or(i64::MAX));
        Self::of_cells(times.count(), times.cells().map(|(time, count)| (whole(time), count)))
    }

    /// All times, which may be negative.
    #[must_use]
    pub fn of_signed(times: &SignedQuantiles) -> Self {
        Self::of_cells(times.count(), times.cells())
    }

    /// All one-way delays.
    #[must_use]
    pub fn of_delays(delays: &Delays) -> Self {
        let mut cells: Vec<_> = delays.cells().collect();
        cells.sort_unstable_by_key(|(time, _)| *time);
        Self::of_cells(delays.count(), cells.into_iter())
    }

    /// Says that they tell as much as so many that are independent of each other.
    #[must_use]
    pub fn independent(self, count: u64) -> Self {
        Self { count, ..self }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    fn of_cells(count: u64, cells: impl Iterator<Item = (SignedNanoseconds, u64)>) -> Self {
        let mut below = 0;
        let points = cells.flat_map(|(time, times)| {
            // The first of a cell, and its last, in the order of all.
            let ranks = [below + 1, below + times];
            below += times;
            ranks.map(|rank| (rank as f64 / count as f64, time))
        });
        Self { count, points: points.collect() }
    }

    /// The interval in which this quantile of all times that there could have been is, but for a probability of `alpha`: nothing where it has
    /// no end. Of order statistics: at most that part of the times is below it, by Hoeffding's bound (1963, theorem 1), which holds
    /// for any distribution.
    #[must_use]
    pub fn interval(&self, part: f64, alpha: f64) -> [Option<SignedNanoseconds>; 2] {
        let [lowest, highest] = parts(part, self.count, alpha);
        let is_known = |known: &(f64, SignedNanoseconds)| known.1;
        let low = lowest.and_then(|lowest| {
            // What is at least this part of the times may be a little more; the next that is known to be less is safe.
            let below = self.points.partition_point(|(known, _)| *known <= lowest);
            self.points[..below].last().map(is_known)
        });
        let high = highest.and_then(|highest| {
            let below = self.points.partition_point(|(known, _)| *known < highest);
            self.points.get(below).map(is_known)
        });
        [low, high]
    }
}

/// The parts of so many independent times between which the quantile of this part is, but for a probability of `alpha`.
fn parts(part: f64, count: u64, alpha: f64) -> [Option<f64>; 2] {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    let most = (2.0 / alpha).ln() / count.max(1) as f64;
    let is_interval = alpha > 0.0 && alpha < 1.0 && count > 0;
    let end = |end: f64| (is_interval && divergence(end, part) >= most).then(|| bisect(part, end, most));
    [end(0.0), end(1.0)]
}

/// Between the part itself, and an end that is improbable enough, the first that is.
fn bisect(part: f64, end: f64, most: f64) -> f64 {
    /// Halvings until two neighbours are the same number.
    const HALVINGS: u32 = 64;
    let (mut near, mut far) = (part, end);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(near, far);
        if divergence(middle, part) >= most { far = middle } else { near = middle }
    }
    far
}

/// The Kullback-Leibler divergence of two coins: how improbable it is to see one part where the other is expected.
fn divergence(seen: f64, expected: f64) -> f64 {
    let term = |seen: f64, expected: f64| if seen <= 0.0 { 0.0 } else { seen * (seen / expected).ln() };
    term(seen, expected) + term(1.0 - seen, 1.0 - expected)
}

/// How a quantile of two distributions differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeDifference {
    /// The interval of the one's true quantile; nothing where it has no end.
    pub one: [Option<SignedNanoseconds>; 2],
    /// That of the other's.
    pub other: [Option<SignedNanoseconds>; 2],
    /// Whether the true quantiles are not equal: the intervals are apart.
    pub is_more_than_chance: bool,
}

/// How the quantile of this part differs between two distributions: whether the intervals in which each is, but for a probability of half
/// of `alpha`, are apart.
///
/// It takes times as independent. Delays of probes that are sent within a queue's life are not: let `alpha` be small, such as 0.001.
///
/// ```
/// use udpkit::{SignedNanoseconds, path::{TimeSample, times_differ}};
///
/// // As summaries have them: milliseconds of the median, of 90 % and of 99 %.
/// let summary = |count, milliseconds: [i64; 3]| {
///     let quantile = |sample: TimeSample, (part, time)| sample.quantile(part, SignedNanoseconds(time * 1_000_000));
///     [0.5, 0.9, 0.99].into_iter().zip(milliseconds).fold(TimeSample::new(count), quantile)
/// };
/// let before = summary(5000, [20, 25, 40]);
/// // A few quantiles say little: these 90th percentiles are within 20 to 40 ms, and within 30 to 90 ms.
/// assert!(!times_differ(&before, &summary(5000, [30, 50, 90]), 0.9, 0.001).is_more_than_chance);
/// assert!(times_differ(&before, &summary(5000, [50, 60, 90]), 0.9, 0.001).is_more_than_chance);
/// ```
#[must_use]
pub fn times_differ(one: &TimeSample, other: &TimeSample, part: f64, alpha: f64) -> TimeDifference {
    let [one, other] = [one, other].map(|sample| sample.interval(part, alpha / 2.0));
    let is_below = |high: Option<SignedNanoseconds>, low: Option<SignedNanoseconds>| matches!((high, low), (Some(high), Some(low)) if high < low);
    TimeDifference { one, other, is_more_than_chance: is_below(one[1], other[0]) || is_below(other[1], one[0]) }
}

/// How two whole distributions differ.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DistributionDifference {
    /// The largest difference of the parts of both that do not exceed a time (Kolmogorov and Smirnov), 0 to 1.
    pub distance: f64,
    /// Equal distributions come this far apart with a probability of at most `alpha`.
    pub by_chance: f64,
    /// The time at which they are that far apart.
    pub at: Duration,
    /// Whether the distributions are not equal.
    pub is_more_than_chance: bool,
}

/// How two distributions differ anywhere: the two-sample test of Kolmogorov and Smirnov on both histograms, whose cells are the same.
/// Times within a cell are not told apart, which only makes it see less. It takes times as independent, as [`times_differ`] does.
/// Nothing where one has no times, both keep other digits, or `alpha` is not between 0 and 1.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
pub fn distributions_differ(one: &Quantiles, other: &Quantiles, alpha: f64) -> Option<DistributionDifference> {
    let (ours, theirs) = (one.count() as f64, other.count() as f64);
    if ours == 0.0 || theirs == 0.0 || one.digits() != other.digits() || !(alpha > 0.0 && alpha < 1.0) {
        return None;
    }
    let of_one = one.cells().map(|(time, count)| (time, count as f64 / ours));
    let of_other = other.cells().map(|(time, count)| (time, -(count as f64) / theirs));
    let mut cells: Vec<_> = of_one.chain(of_other).collect();
    cells.sort_unstable_by_key(|(time, _)| *time);
    let (mut difference, mut distance, mut at) = (0.0, 0.0, 0);
    for (place, (time, part)) in cells.iter().enumerate() {
        difference += part;
        let is_last_of_cell = cells.get(place + 1).is_none_or(|(next, _)| next != time);
        if is_last_of_cell && difference.abs() > distance {
            (distance, at) = (difference.abs(), *time);
        }
    }
    // Smirnov 1948: the first term of the limit, which is a bound.
    let by_chance = (-(alpha / 2.0).ln() / 2.0 * (ours + theirs) / (ours * theirs)).sqrt();
    Some(DistributionDifference {
        distance,
        by_chance,
        at: Duration::from_nanos(at),
        is_more_than_chance: distance > by_chance,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.01;

    fn sample(random: &mut fastrand::Rng, count: usize, scale: f64) -> Quantiles {
        let mut times = Quantiles::with_digits(3);
        for _ in 0..count {
            times.add(Duration::from_secs_f64(-random.f64().max(1e-12).ln() * scale));
        }
        times
    }

    /// How many of a thousand comparisons of two loss ratios say that they differ.
    fn differing(ratios: [f64; 2], sent: u64) -> usize {
        let counted = |seed, ratio| {
            let mut random = fastrand::Rng::with_seed(seed);
            let lost = (0..sent).filter(|_| random.f64() < ratio).count();
            RatioSample::new(Bounds::exact(lost as u64), sent)
        };
        let differ = |seed: &u64| {
            let [one, other] = [counted(2 * seed, ratios[0]), counted(2 * seed + 1, ratios[1])];
            ratios_differ(&one, &other, ALPHA).unwrap().is_more_than_chance
        };
        (0..1000).filter(differ).count()
    }

    #[test]
    fn equal_ratios_differ_by_chance_as_often_as_alpha_says() {
        for ratio in [0.001, 0.02, 0.5] {
            let found = differing([ratio, ratio], 500);
            // 10 are expected; six standard deviations more are not.
            assert!(found <= 29, "{ratio}: {found}");
        }
        let found = differing([0.02, 0.1], 500);
        assert!(found > 900, "{found}");
    }

    #[test]
    fn the_interval_of_a_difference_is_newcombes() {
        // Newcombe 1998, table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 10/10 - 0/20.
        for (theirs, ours, low, high) in
            [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 20), 0.6791, 1.0)]
        {
            let of = |(count, whole)| RatioSample::new(Bounds::exact(count), whole);
            let found = ratios_differ(&of(ours), &of(theirs), 0.05).unwrap();
            assert!((found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4, "{found:?}");
            assert!(found.is_more_than_chance);
        }
    }

    #[test]
    fn intervals_of_counts_differ_by_their_nearest() {
        let of = |low, high| RatioSample::new(Bounds::new(low, high), 1000);
        let differ = |one: RatioSample, other: RatioSample| {
            let [forth, back] =
                [ratios_differ(&one, &other, ALPHA).unwrap(), ratios_differ(&other, &one, ALPHA).unwrap()];
            assert_eq!(forth.is_more_than_chance, back.is_more_than_chance);
            assert!((forth.difference + back.difference).abs() < 1e-12);
            forth.is_more_than_chance
        };
        assert!(differ(of(10, 10), of(100, 100)));
        assert!(
            !differ(of(10, 99), of(100, 100)) && !differ(of(10, 10), of(0, 500)) && !differ(of(0, 300), of(200, 1000))
        );
        // Losses in bursts of ten say as much as a tenth of them.
        assert!(differ(of(10, 10), of(40, 40)) && !differ(of(10, 10).inflation(10.0), of(40, 40).inflation(10.0)));
        assert_eq!(ratios_differ(&of(0, 0).whole(0), &of(1, 1), ALPHA), None);
        assert_eq!(ratios_differ(&of(0, 0), &of(0, 0), 0.0), None);
    }

    #[test]
    fn intervals_of_quantiles_hold_them_and_get_narrow() {
        for part in [0.5, 0.9, 0.99] {
            let exact = Duration::from_secs_f64(-(1.0f64 - part).ln() * 0.01).as_nanos();
            let exact = SignedNanoseconds(i64::try_from(exact).unwrap());
            let missed = (0..100).filter(|seed| {
                let times = sample(&mut fastrand::Rng::with_seed(*seed), 2000, 0.01);
                let [low, high] = TimeSample::of(&times).interval(part, ALPHA);
                low.is_some_and(|low| low > exact) || high.is_some_and(|high| high < exact)
            });
            // One is expected at most.
            assert!(missed.count() <= 7, "{part}");
            let times = TimeSample::of(&sample(&mut fastrand::Rng::with_seed(1), 100_000, 0.01));
            let [low, high] = times.interval(part, ALPHA).map(|end| end.unwrap().0 as f64 / exact.0 as f64);
            assert!((0.9..1.0).contains(&low) && (1.0..1.1).contains(&high), "{part}: {low} to {high}");
        }
        // What so few times say of the 99th percentile has no upper end; and none says nothing.
        let few = TimeSample::of(&sample(&mut fastrand::Rng::with_seed(1), 100, 0.01));
        assert!(matches!(few.interval(0.99, ALPHA), [Some(_), None]));
        assert_eq!(TimeSample::new(0).interval(0.5, ALPHA), [None, None]);
        assert_eq!(few.interval(0.5, f64::NAN), [None, None]);
    }

    #[test]
    fn quantiles_that_differ_are_told_from_chance() {
        let mut random = fastrand::Rng::with_seed(7);
        let samples = [1.0, 1.0, 1.3].map(|scale| sample(&mut random, 5000, scale));
        let [one, same, other] = samples.each_ref().map(TimeSample::of);
        for part in [0.5, 0.9, 0.99] {
            assert!(!times_differ(&one, &same, part, ALPHA).is_more_than_chance, "{part}");
            assert!(times_differ(&one, &other, part, ALPHA).is_more_than_chance == (part < 0.99), "{part}");
            assert!(times_differ(&other, &one, part, ALPHA).is_more_than_chance == (part < 0.99), "{part}");
        }
        let of = |one: usize, other: usize| distributions_differ(&samples[one], &samples[other], ALPHA).unwrap();
        assert!(!of(0, 1).is_more_than_chance && of(0, 2).is_more_than_chance);
        assert!(of(0, 0).distance == 0.0 && (of(0, 2).distance - of(2, 0).distance).abs() < 1e-9);
    }

    #[test]
    fn a_few_quantiles_of_a_summary_are_safe_and_signed_ones_are_in_order() {
        let of = |count, times: [i64; 3]| {
            let points = [0.9, 0.5, 0.99].into_iter().zip(times);
            points.fold(TimeSample::new(count), |sample, (part, time)| sample.quantile(part, SignedNanoseconds(time)))
        };
        // The interval of the 90th percentile goes to the next that is known, on both sides.
        assert_eq!(
            of(5000, [25, -20, 40]).interval(0.9, ALPHA),
            [Some(SignedNanoseconds(-20)), Some(SignedNanoseconds(40))]
        );
        assert_eq!(of(5000, [25, -20, 40]).interval(0.5, ALPHA), [None, Some(SignedNanoseconds(25))]);
        assert!(times_differ(&of(5000, [25, -20, 40]), &of(5000, [900, 50, 990]), 0.9, ALPHA).is_more_than_chance);
        let mut signed = SignedQuantiles::with_digits(3);
        (-50..50).for_each(|time| signed.add(SignedNanoseconds(time)));
        let [low, high] = TimeSample::of_signed(&signed).interval(0.5, 0.1).map(|end| end.unwrap().0);
        assert!((-15..0).contains(&low) && (0..15).contains(&high), "{low} to {high}");
    }

    #[test]
    fn distributions_of_nothing_or_of_other_digits_are_not_compared() {
        let mut times = Quantiles::with_digits(3);
        times.add(Duration::from_millis(1));
        assert_eq!(distributions_differ(&times, &Quantiles::with_digits(3), ALPHA), None);
        let mut coarse = Quantiles::with_digits(2);
        coarse.add(Duration::from_millis(1));
        assert_eq!(distributions_differ(&times, &coarse, ALPHA), None);
        assert!(distributions_differ(&times, &times, 1.0).is_none());
        // One against one says nothing, however far apart.
        let mut other = Quantiles::with_digits(3);
        other.add(Duration::from_secs(1));
        let found = distributions_differ(&times, &other, ALPHA).unwrap();
        assert!(found.distance == 1.0 && !found.is_more_than_chance && found.at >= Duration::from_millis(1));
    }
}
