//! Whether two runs differ by more than chance: pure functions of what their summaries say.

use crate::words::figures::Known;

/// How many standard deviations are more than chance: one comparison of 370 of equal paths goes that far.
const DEVIATIONS: f64 = 3.0;

/// How what was measured compares with what was measured before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    More,
    Less,
    /// Chance alone makes such a difference.
    Chance,
    /// There are too few values, or it depends on what is not known.
    Unknown,
}

/// A part of a number of things, both as far as they are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) count: Known,
    pub(super) of: f64,
    /// How many things fare alike at a time, on average: 1 where each fares by itself.
    pub(super) burst: f64,
}

/// Compares parts, such as what was lost of what was sent.
pub(super) fn parts(before: Part, now: Part) -> Change {
    // The interval of each holds whichever count is true, so where they are apart, the truth is.
    let (before, now) = (before.range(), now.range());
    match (before, now) {
        (Some(before), Some(now)) => apart(before, now, Change::Chance),
        _ => Change::Unknown,
    }
}

impl Part {
    /// Between which long-run shares the true one is, whichever count is the true one.
    fn range(self) -> Option<Known> {
        let Self { count, of, burst } = self;
        // With bursts of random lengths, each counts as 2 burst - 1 things: their second moment by their mean.
        let weight = (2.0 * burst - 1.0).max(1.0);
        (of > 0.0).then(|| Known {
            low: wilson(count.low / weight, of / weight).low,
            high: wilson(count.high / weight, of / weight).high,
        })
    }
}

/// The score interval of a share (Wilson 1927): between which long-run shares this one is no surprise.
fn wilson(count: f64, of: f64) -> Known {
    let (z2, share) = (DEVIATIONS * DEVIATIONS, count / of);
    let scale = 1.0 + z2 / of;
    let centre = (share + z2 / (2.0 * of)) / scale;
    let half = DEVIATIONS / scale * (share * (1.0 - share) / of + z2 / (4.0 * of * of)).sqrt();
    Known { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

/// Some quantiles of values: rising pairs of the part of the values (0: the smallest, 1: the largest) and the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    pub(super) points: Vec<(f64, f64)>,
    /// How many values that do not depend on one another there are.
    pub(super) values: f64,
}

/// Compares a quantile of two distributions: 0.5 is the median.
pub(super) fn quantiles(quantile: f64, before: &Distribution, now: &Distribution) -> Change {
    match (before.range(quantile), now.range(quantile)) {
        (Some(before), Some(now)) => apart(before, now, Change::Chance),
        _ => Change::Unknown,
    }
}

impl Distribution {
    /// Between which values the true quantile is: those of the ranks that chance makes of it. `None`: past the largest value.
    fn range(&self, quantile: f64) -> Option<Known> {
        if self.values < 1.0 {
            return None;
        }
        let half = DEVIATIONS * (quantile * (1.0 - quantile) / self.values).sqrt();
        let ends = (quantile - half, quantile + half);
        let is_inside = ends.0 >= 0.0 && ends.1 <= 1.0;
        is_inside.then(|| Some(Known { low: self.at(ends.0)?, high: self.at(ends.1)? })).flatten()
    }

    /// The value at a rank, on a line between the quantiles that are known.
    fn at(&self, rank: f64) -> Option<f64> {
        let pairs = self.points.windows(2);
        let mut around = pairs.filter_map(|pair| match pair {
            [(from, low), (to, high)] if (*from..=*to).contains(&rank) => {
                let part = if to > from { (rank - from) / (to - from) } else { 0.0 };
                Some(low + (high - low) * part)
            }
            _ => None,
        });
        around.next()
    }
}

/// Which of two intervals is above the other, if they have nothing in common.
fn apart(before: Known, now: Known, otherwise: Change) -> Change {
    match () {
        () if now.low > before.high => Change::More,
        () if now.high < before.low => Change::Less,
        () => otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(count: f64, of: f64) -> Part {
        Part { count: Known::exact(count), of, burst: 1.0 }
    }

    #[test]
    fn the_score_interval_is_that_of_the_formula() {
        // p = 0.1, n = 100, z = 3: (0.145 +- 3 sqrt(0.0009 + 0.000225)) / 1.09.
        let interval = wilson(10.0, 100.0);
        let half = 3.0 * 0.001_125_f64.sqrt();
        assert!((interval.low - (0.145 - half) / 1.09).abs() < 1e-12, "{interval:?}");
        assert!((interval.high - (0.145 + half) / 1.09).abs() < 1e-12, "{interval:?}");
        assert_eq!((wilson(0.0, 50.0).low, wilson(50.0, 50.0).high), (0.0, 1.0));
    }

    #[test]
    fn parts_that_chance_explains_are_no_change() {
        assert_eq!(parts(part(50.0, 1000.0), part(60.0, 1000.0)), Change::Chance);
        assert_eq!(parts(part(0.0, 100.0), part(3.0, 100.0)), Change::Chance);
        assert_eq!(parts(part(50.0, 1000.0), part(150.0, 1000.0)), Change::More);
        assert_eq!(parts(part(150.0, 1000.0), part(50.0, 1000.0)), Change::Less);
        assert_eq!(parts(part(0.0, 0.0), part(50.0, 1000.0)), Change::Unknown);
    }

    #[test]
    fn losses_that_come_in_bursts_weigh_less_than_losses_one_by_one() {
        let (before, now) = (part(50.0, 1000.0), part(120.0, 1000.0));
        assert_eq!(parts(before, now), Change::More);
        assert_eq!(parts(Part { burst: 10.0, ..before }, Part { burst: 10.0, ..now }), Change::Chance);
    }

    #[test]
    fn an_interval_is_a_change_only_if_every_count_in_it_is() {
        let before = part(50.0, 1000.0);
        let now = |low, high| Part { count: Known { low, high }, of: 1000.0, burst: 1.0 };
        assert_eq!(parts(before, now(150.0, 160.0)), Change::More);
        assert_eq!(parts(before, now(60.0, 160.0)), Change::Chance);
    }

    fn distribution(values: f64, scale: f64) -> Distribution {
        let points = [(0.0, 1.0), (0.5, 2.0), (0.9, 3.0), (0.99, 5.0), (0.999, 9.0), (1.0, 10.0)];
        Distribution { points: points.map(|(rank, value)| (rank, value * scale)).to_vec(), values }
    }

    #[test]
    fn quantiles_that_chance_explains_are_no_change() {
        let change =
            |quantile, values, scale| quantiles(quantile, &distribution(values, 1.0), &distribution(values, scale));
        assert_eq!(change(0.5, 1000.0, 1.02), Change::Chance);
        assert_eq!(change(0.5, 1000.0, 1.2), Change::More);
        assert_eq!(change(0.5, 1000.0, 0.8), Change::Less);
        assert_eq!(change(0.5, 36.0, 1.2), Change::Chance);
        assert_eq!(change(0.99, 100.0, 10.0), Change::Unknown);
        assert_eq!(change(0.99, 10_000.0, 10.0), Change::More);
        assert_eq!(change(0.5, 0.0, 2.0), Change::Unknown);
    }

    #[test]
    fn equal_runs_are_seldom_said_to_differ() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut lost = || f64::from(u32::try_from((0..1000).filter(|_| random.f64() < 0.05).count()).unwrap());
        let differ = (0..1000).filter(|_| parts(part(lost(), 1000.0), part(lost(), 1000.0)) != Change::Chance).count();
        assert!(differ <= 5, "{differ} of 1000");
    }
}
