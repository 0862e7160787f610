//! How well a ratio is known that was counted.

/// A ratio that was counted, such as a loss ratio, with the interval in which the true one is (Wilson 1927): of the network, not of
/// this run.
///
/// It takes what is counted as independent of each other. Losses that come in bursts are not: then it is wider in truth.
///
/// ```
/// use udpkit::path::Proportion;
///
/// let loss = Proportion::of(0, 1000, 0.05).expect("something was sent");
/// assert_eq!((loss.ratio, loss.low), (0.0, 0.0));
/// // Nothing lost of a thousand says that less than 0.4 % are, and no more.
/// assert!((loss.high - 0.0038).abs() < 0.0001);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Proportion {
    /// What was counted, from 0 to 1.
    pub ratio: f64,
    /// The true one is not below it.
    pub low: f64,
    /// The true one is not above it.
    pub high: f64,
}

impl Proportion {
    /// This many of that many, with the interval that misses the truth with the probability `alpha`: 0.05 for one of 95 %. Nothing where
    /// there are none, or `alpha` is not between 0 and 1.
    #[must_use]
    pub fn of(count: u64, whole: u64, alpha: f64) -> Option<Self> {
        Self::of_effective(count, whole, 1.0, alpha)
    }

    /// The same of what comes in clumps: as many as `inflation` independent ones are worth one.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub(super) fn of_effective(count: u64, whole: u64, inflation: f64, alpha: f64) -> Option<Self> {
        if whole == 0 || !(alpha > 0.0 && alpha < 1.0) {
            return None;
        }
        let ratio = (count as f64 / whole as f64).min(1.0);
        let independent = whole as f64 / inflation.max(1.0);
        let z = normal_quantile(1.0 - alpha / 2.0);
        let squared = z * z / independent;
        let centre = (ratio + squared / 2.0) / (1.0 + squared);
        let half = z * (ratio * (1.0 - ratio) / independent + squared / independent / 4.0).sqrt() / (1.0 + squared);
        // At the ends the arithmetic misses them by a hair.
        let low = if count == 0 { 0.0 } else { (centre - half).clamp(0.0, ratio) };
        let high = if count >= whole { 1.0 } else { (centre + half).clamp(ratio, 1.0) };
        Some(Self { ratio, low, high })
    }
}

/// The value that a standard normal variable does not exceed with this probability (Acklam's approximation: within 1.2e-9 of itself).
pub(super) fn normal_quantile(probability: f64) -> f64 {
    const NEAR: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const NEAR_BELOW: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const FAR: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const FAR_BELOW: [f64; 5] =
        [7.784_695_709_041_462e-3, 3.224_671_290_700_398e-1, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    /// Up to here it is far from the middle.
    const EDGE: f64 = 0.024_25;
    let polynomial = |coefficients: &[f64], at: f64| coefficients.iter().fold(0.0, |sum, one| sum * at + one);
    if probability > 0.5 {
        return -normal_quantile(1.0 - probability);
    }
    if probability < EDGE {
        let far = (-2.0 * probability.max(f64::MIN_POSITIVE).ln()).sqrt();
        return polynomial(&FAR, far) / polynomial(&FAR_BELOW, far);
    }
    let off = probability - 0.5;
    off * polynomial(&NEAR, off * off) / polynomial(&NEAR_BELOW, off * off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_distribution_are_those_of_the_tables() {
        for (probability, value) in [
            (0.5, 0.0),
            (0.975, 1.959_963_985),
            (0.995, 2.575_829_304),
            (0.9995, 3.290_526_731),
            (1.0 - 5e-7, 4.891_638_475),
        ] {
            assert!((normal_quantile(probability) - value).abs() < 1e-7, "{probability}");
            assert!((normal_quantile(1.0 - probability) + value).abs() < 1e-7, "{probability}");
        }
        assert!(normal_quantile(0.0).is_finite() && normal_quantile(1.0).is_finite());
    }

    #[test]
    fn intervals_are_those_of_wilsons_formula() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (count, whole, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let proportion = Proportion::of(count, whole, 0.05).unwrap();
            assert!((proportion.low - low).abs() < 5e-5 && (proportion.high - high).abs() < 5e-5, "{proportion:?}");
        }
        let all = Proportion::of(20, 20, 0.05).unwrap();
        assert!(all.high == 1.0 && (all.low - (1.0 - 0.1611)).abs() < 5e-5, "{all:?}");
    }

    #[test]
    fn of_nothing_there_is_no_ratio() {
        assert_eq!(Proportion::of(0, 0, 0.05), None);
        assert!([0.0, 1.0, f64::NAN].into_iter().all(|alpha| Proportion::of(1, 2, alpha).is_none()));
        assert_eq!(Proportion::of(3, 2, 0.05).unwrap().ratio, 1.0);
    }
}
