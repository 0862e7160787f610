//! Scales of plots: where on an axis a value is, and which values are written at it.

use std::time::Duration;

use crate::words::units;

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;
/// Times that are so many times the typical one need a logarithmic scale: on a linear one, the others would be a line at its foot.
const MOST_LINEAR: f64 = 20.0;
/// Steps of a linear scale, at most.
const STEPS: f64 = 5.0;
/// Steps between times of a run that people count in: from 20 seconds on not in powers of ten.
const LONG_STEPS: [f64; 16] = [
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    1800.0,
    3600.0,
    7200.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    432_000.0,
    864_000.0,
    2_592_000.0,
    8_640_000.0,
];

/// From values to places on an axis, 0 to 1. Its low end is below its high one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    Linear {
        low: f64,
        high: f64,
    },
    /// Both ends are above 0; what is below the low one is at its place.
    Logarithmic {
        low: f64,
        high: f64,
    },
}

impl Scale {
    /// For times from `least` to `most`, in nanoseconds, most of which are near `typical`.
    pub(super) fn times(least: f64, typical: f64, most: f64) -> Self {
        // Less than a nanosecond is no time.
        let most = most.max(1.0);
        let typical = if typical > 0.0 { typical } else { most };
        if most <= typical * MOST_LINEAR {
            // A whole number of steps, so that little of the plot stays empty.
            let step = round_up(most / STEPS);
            return Self::Linear { low: 0.0, high: (most / step * 0.9999).ceil() * step };
        }
        // A few that are far below the others are not worth half of the plot.
        let low = round_down(least.max(typical / MOST_LINEAR).max(1.0));
        Self::Logarithmic { low, high: round_up(most) }
    }

    /// From 0 to a value of which the end need not be round.
    pub(super) fn up_to(high: f64) -> Self {
        Self::Linear { low: 0.0, high: if high > 0.0 { high } else { 1.0 } }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        matches!(self, Self::Logarithmic { .. })
    }

    /// Where a value is; values beyond an end are there.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Logarithmic { low, high } => (value.max(*low) / low).ln() / (high / low).ln(),
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        match self {
            Self::Linear { low, high } => low + place * (high - low),
            Self::Logarithmic { low, high } => low * (high / low).powf(place),
        }
    }

    /// Round values in ascending order, as many as can be written at it: at least one.
    pub(super) fn ticks(&self, most: usize) -> Vec<f64> {
        match *self {
            Self::Linear { low, high } => {
                let step = rounds((high - low) / 1000.0).find(|step| ((high - low) / step).floor() < most as f64);
                multiples(low, high, step.unwrap_or(high - low))
            }
            Self::Logarithmic { low, high } => {
                let all: Vec<_> = rounds(low).take_while(|value| *value <= high * 1.001).collect();
                let decades: Vec<_> = all.iter().copied().filter(|value| is_power_of_ten(*value)).collect();
                let ticks = if all.len() <= most { all } else { decades };
                let stride = ticks.len().div_ceil(most.max(1)).max(1);
                ticks.into_iter().step_by(stride).collect()
            }
        }
    }

    /// Times of the run, in nanoseconds, that people count in.
    pub(super) fn clock_ticks(&self, most: usize) -> Vec<f64> {
        let Self::Linear { low, high } = *self else { return self.ticks(most) };
        let short = rounds(1000.0).take_while(|step| *step <= 20.0 * SECOND);
        let mut steps = short.chain(LONG_STEPS.map(|step| step * SECOND));
        let step = steps.find(|step| ((high - low) / step).floor() < most as f64);
        multiples(low, high, step.unwrap_or(high - low))
    }
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    // A share of an ulp may be missing at the end.
    (0..).map(|number| low + f64::from(number) * step).take_while(|value| *value <= high + step * 1e-6).collect()
}

/// 1, 2 and 5 times powers of ten, from the one at or above a value that is over 0.
fn rounds(from: f64) -> impl Iterator<Item = f64> {
    let power = from.log10().floor();
    let all =
        (0..60).flat_map(move |decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powf(power + f64::from(decade))));
    all.skip_while(move |value| *value < from * 0.9999)
}

/// The smallest round value that is not below this one.
pub(super) fn round_up(value: f64) -> f64 {
    rounds(value).next().unwrap_or(value)
}

fn round_down(value: f64) -> f64 {
    rounds(value / 10.0).take_while(|round| *round <= value * 1.0001).last().unwrap_or(value)
}

fn is_power_of_ten(value: f64) -> bool {
    let exponent = value.log10();
    (exponent - exponent.round()).abs() < 1e-6
}

/// A time on a scale of round ones, in nanoseconds: without digits that say nothing.
pub(super) fn time(nanoseconds: f64) -> String {
    if nanoseconds <= 0.0 {
        return "0".to_owned();
    }
    // What is 99.99 of a unit is 100.
    let text = units::human(Duration::from_secs_f64(nanoseconds.min(1e18) * (1.0 + 1e-9) / SECOND));
    match text.split_once(' ') {
        Some((value, unit)) if value.contains('.') => {
            format!("{} {unit}", value.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// A time of the run, in nanoseconds; from two minutes on not in seconds.
pub(super) fn clock(nanoseconds: f64) -> String {
    let seconds = nanoseconds / SECOND;
    let of = |unit: f64, name: &str| {
        let value = format!("{:.2}", seconds / unit);
        format!("{} {name}", value.trim_end_matches('0').trim_end_matches('.'))
    };
    match seconds {
        seconds if seconds < 120.0 => time(nanoseconds),
        seconds if seconds < 7200.0 => of(60.0, "min"),
        seconds if seconds < 172_800.0 => of(3600.0, "h"),
        _ => of(86_400.0, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(scale: &Scale, most: usize) -> Vec<String> {
        scale.ticks(most).into_iter().map(time).collect()
    }

    #[test]
    fn times_of_one_size_have_a_linear_scale_and_others_a_logarithmic_one() {
        let scale = Scale::times(1e6, 1.2e6, 4.1e6);
        assert_eq!(scale, Scale::Linear { low: 0.0, high: 5e6 });
        assert_eq!(written(&scale, 7), ["0", "1 ms", "2 ms", "3 ms", "4 ms", "5 ms"]);
        assert_eq!(Scale::times(2e6, 7e6, 23e6), Scale::Linear { low: 0.0, high: 25e6 });
        let scale = Scale::times(2e5, 3e5, 1.1e9);
        assert!(scale.is_logarithmic());
        assert_eq!(written(&scale, 5), ["1 ms", "10 ms", "100 ms", "1 s"]);
        assert_eq!(scale.place(1.0), 0.0, "what is below the low end is there");
        assert!((scale.place(2e5) - 0.0).abs() < 1e-9 && (scale.place(2e9) - 1.0).abs() < 1e-9);
        let middle = scale.place(2e7);
        assert!((middle - 0.5).abs() < 1e-9, "{middle}");
    }

    #[test]
    fn no_scale_is_without_extent_whatever_the_times_are() {
        for [least, typical, most] in [[0.0; 3], [0.0, 0.0, 1e18], [1.0; 3], [0.0, 1.0, 9.2e18], [-5.0, -5.0, -5.0]] {
            let scale = Scale::times(least, typical, most);
            for value in [f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1.0, 1e9, 1e300, f64::INFINITY, f64::NAN] {
                assert!((0.0..=1.0).contains(&scale.place(value)), "{scale:?} {value}");
            }
            let middle = scale.place(scale.value(0.5));
            assert!((middle - 0.5).abs() < 1e-6, "{scale:?} {middle}");
            let ticks = scale.ticks(7);
            assert!(
                (1..=7).contains(&ticks.len()) && ticks.windows(2).all(|pair| pair[0] < pair[1]),
                "{scale:?} {ticks:?}"
            );
        }
    }

    #[test]
    fn the_time_of_a_run_is_written_as_people_count_it() {
        let hour = 3600.0 * SECOND;
        for (run, expected) in [
            (1.5 * SECOND, vec!["0", "500 ms", "1 s", "1.5 s"]),
            (10.0 * SECOND, vec!["0", "2 s", "4 s", "6 s", "8 s", "10 s"]),
            (90.0 * SECOND, vec!["0", "20 s", "40 s", "60 s", "80 s"]),
            (600.0 * SECOND, vec!["0", "2 min", "4 min", "6 min", "8 min", "10 min"]),
            (5.0 * hour, vec!["0", "60 min", "2 h", "3 h", "4 h", "5 h"]),
            (24.0 * 30.0 * hour, vec!["0", "10 d", "20 d", "30 d"]),
        ] {
            let ticks = Scale::up_to(run).clock_ticks(6);
            assert_eq!(ticks.into_iter().map(clock).collect::<Vec<_>>(), expected);
        }
    }
}
