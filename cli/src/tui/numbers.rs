//! Numbers in few letters.

use std::time::Duration;

/// Three digits and a prefix: `7`, `0.4`, `1.23k`, `45.6M`.
pub(crate) fn short(value: f64) -> String {
    let mut value = value.max(0.0);
    // What would be rounded up to 1000 has the next prefix.
    if value < 999.5 {
        return if value < 9.95 && value.fract() > 0.05 { format!("{value:.1}") } else { format!("{value:.0}") };
    }
    for prefix in ["k", "M", "G", "T", "P", "E"] {
        value /= 1e3;
        match value {
            ..9.995 => return format!("{value:.2}{prefix}"),
            ..99.95 => return format!("{value:.1}{prefix}"),
            ..999.5 => return format!("{value:.0}{prefix}"),
            _ => {}
        }
    }
    format!("{value:.0}E")
}

/// A count, in digits as long as they fit.
pub(crate) fn count(count: u64, width: usize) -> String {
    let digits = count.to_string();
    #[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
    if digits.len() <= width { digits } else { short(count as f64) }
}

/// A time that grows while one looks: `0.3s`, `12s`, `4m05s`, `3h20m`, `2d`.
pub(crate) fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The unit in which a column tells all its times, so that they can be compared at a glance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit {
    name: &'static str,
    nanoseconds: f64,
    decimals: usize,
}

impl Unit {
    /// Units, and the longest time that each tells in six letters, itself left out.
    const ALL: [(&'static str, f64, f64); 4] =
        [("us", 1e3, 1e6), ("ms", 1e6, 1e9), ("s", 1e9, 1e14), ("h", 3.6e12, f64::INFINITY)];

    /// The unit of a column in which this is the longest time.
    pub(crate) fn of(longest: Duration) -> Self {
        let longest = longest.as_secs_f64() * 1e9;
        let fits = |&&(_, _, most): &&(&str, f64, f64)| longest < most;
        let (name, nanoseconds, _) = *Self::ALL.iter().find(fits).unwrap_or(&Self::ALL[3]);
        Self { name, nanoseconds, decimals: usize::from(longest / nanoseconds < 999.95) }
    }

    /// As of ages that grow while one looks: seconds at least.
    pub(crate) fn of_ages(oldest: Duration) -> Self {
        Self::of(oldest.max(Duration::from_secs(1)))
    }

    /// The same with thousandths, where there is room for them.
    pub(crate) fn finely(self) -> Self {
        Self { decimals: 3, ..self }
    }

    /// A time in it: `12.0s`.
    pub(crate) fn tell(self, time: Duration) -> String {
        let Self { name, nanoseconds, decimals } = self;
        format!("{:.decimals$}{name}", time.as_secs_f64() * 1e9 / nanoseconds)
    }
}

/// A bar for each number, as high as it is beside the largest; none for nothing.
pub(crate) fn bars(series: &[u32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = u64::from(series.iter().copied().max().unwrap_or(0)).max(1);
    let bar = |count: &u32| match u64::from(*count) {
        0 => ' ',
        count => BARS[((count * 8 - 1) / most).min(7) as usize],
    };
    series.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (0.04, "0"),
            (0.4, "0.4"),
            (7.0, "7"),
            (999.4, "999"),
            (999.6, "1.00k"),
            (1234.0, "1.23k"),
            (9999.0, "10.0k"),
            (99_999.0, "100k"),
            (999_999.0, "1.00M"),
            (45_600_000.0, "45.6M"),
            (1.8e19, "18.0E"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text, "{value}");
        }
        assert_eq!(count(1_234_567, 7), "1234567");
        assert_eq!(count(12_345_678, 7), "12.3M");
        assert_eq!(count(u64::MAX, 5), "18.4E");
    }

    #[test]
    fn ages() {
        let cases = [
            (0, "0.0s"),
            (320, "0.3s"),
            (12_999, "12s"),
            (245_000, "4m05s"),
            (12_000_000, "3h20m"),
            (180_000_000, "2d"),
        ];
        for (milliseconds, text) in cases {
            assert_eq!(age(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn times_of_a_column_have_one_unit() {
        let column = |times: &[u64]| {
            let times = || times.iter().map(|nanoseconds| Duration::from_nanos(*nanoseconds));
            let unit = Unit::of(times().max().unwrap());
            times().map(|time| unit.tell(time)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(column(&[0]), "0.0us");
        assert_eq!(column(&[0, 81_234, 999_949]), "0.0us 81.2us 999.9us");
        assert_eq!(column(&[0, 81_234, 100_000_000]), "0.0ms 0.1ms 100.0ms");
        assert_eq!(column(&[600_000_000, 12_000_000_000]), "0.6s 12.0s");
        assert_eq!(column(&[600_000_000, 999_960_000_000]), "1s 1000s");
        assert_eq!(column(&[245_000_000_000, 99_999_000_000_000]), "245s 99999s");
        assert_eq!(column(&[1_000_000_000, 172_800_000_000_000]), "0.0h 48.0h");
        assert_eq!(Unit::of_ages(Duration::from_millis(3)).tell(Duration::from_millis(3)), "0.0s");
        for power in 0..60 {
            let time = Duration::from_nanos(1 << power);
            assert!(Unit::of(time).tell(time).len() <= 7, "{time:?}");
        }
    }

    #[test]
    fn bars_are_as_high_as_their_share() {
        assert_eq!(bars(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), " ▁▂▃▄▅▆▇█");
        assert_eq!(bars(&[1, 0, u32::MAX]), "▁ █");
        assert_eq!(bars(&[0, 0]), "  ");
    }
}
