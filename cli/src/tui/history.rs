//! How many datagrams came in each of the last seconds.

use std::time::Duration;

/// Seconds that are kept, the one that is not over among them.
const SECONDS: usize = 16;
/// Seconds of a series: those that are over.
pub(crate) const SERIES: usize = SECONDS - 1;

/// Counts of the last seconds, in a ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The number of the newest second that anything was counted in.
    second: u64,
    datagrams: [u32; SECONDS],
    /// Bytes of the newest second, and of the one before it.
    bytes: u64,
    bytes_before: u64,
}

impl History {
    /// Counts datagrams of this second, which have so many bytes in all; those that are late count for the newest.
    pub(crate) fn add(&mut self, second: u64, count: u32, bytes: u64) {
        if second > self.second {
            self.advance(second);
        }
        let datagrams = &mut self.datagrams[place(self.second)];
        *datagrams = datagrams.saturating_add(count);
        self.bytes += bytes;
    }

    fn advance(&mut self, second: u64) {
        self.bytes_before = if second == self.second + 1 { self.bytes } else { 0 };
        self.bytes = 0;
        for passed in (self.second + 1..=second).take(SECONDS) {
            self.datagrams[place(passed)] = 0;
        }
        self.second = second;
    }

    /// Datagrams and bytes in the last 1 s, by the seconds that it is part of: as if those of each had come evenly.
    pub(crate) fn rate(&self, elapsed: Duration) -> (f64, f64) {
        // What arrived after the clock was read counts as if it had come before.
        let now = elapsed.as_secs().max(self.second);
        let passed = if now > elapsed.as_secs() { 0.0 } else { f64::from(elapsed.subsec_nanos()) / 1e9 };
        #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
        let bytes = |second: u64| match self.second.checked_sub(second) {
            Some(0) => self.bytes as f64,
            Some(1) => self.bytes_before as f64,
            _ => 0.0,
        };
        let datagrams = |second: u64| f64::from(self.of(second));
        match now.checked_sub(1) {
            Some(before) => {
                let left = 1.0 - passed;
                (datagrams(now) + left * datagrams(before), bytes(now) + left * bytes(before))
            }
            None => (datagrams(now), bytes(now)),
        }
    }

    /// Datagrams in each of the last seconds that are over, the oldest first.
    pub(crate) fn series(&self, elapsed: Duration) -> Vec<u32> {
        let now = elapsed.as_secs();
        (1..=SERIES as u64).rev().map(|ago| now.checked_sub(ago).map_or(0, |second| self.of(second))).collect()
    }

    /// Datagrams of a second, if it is kept.
    fn of(&self, second: u64) -> u32 {
        if second > self.second || self.second - second >= SECONDS as u64 { 0 } else { self.datagrams[place(second)] }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below SECONDS")]
fn place(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many milliseconds.
    fn after(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_series_holds_the_seconds_that_are_over() {
        let mut history = History::default();
        for second in 0..20 {
            for _ in 0..=second {
                history.add(second, 1, 10);
            }
        }
        let expected: Vec<u32> = (5..20).collect();
        assert_eq!(history.series(after(19_500)), expected);
        // As time goes by, it empties.
        assert_eq!(history.series(after(33_000))[..2], [19, 20]);
        assert_eq!(history.series(after(34_000))[..2], [20, 0]);
        assert_eq!(history.series(after(35_000)), [0; SERIES]);
        assert_eq!(History::default().series(after(0)), [0; SERIES]);
    }

    #[test]
    fn silence_empties_the_ring() {
        for silence in [1, 2, 15, 16, 17, 1000] {
            let mut history = History::default();
            (0..16).for_each(|second| history.add(second, 1, 1));
            history.add(15 + silence, 1, 1);
            let series = history.series(after((16 + silence) * 1000));
            let kept = u64::from(series.iter().sum::<u32>());
            assert_eq!(kept, 1 + 15_u64.saturating_sub(silence), "{silence}: {series:?}");
        }
    }

    #[test]
    fn a_steady_rate_is_what_it_is_at_any_time() {
        let mut history = History::default();
        for tenth in 0..100 {
            history.add(tenth / 10, 1, 50);
            if tenth >= 10 {
                let (datagrams, bytes) = history.rate(after(tenth * 100 + 99));
                assert!((9.0..=11.0).contains(&datagrams) && (450.0..=550.0).contains(&bytes), "{datagrams} {bytes}");
            }
        }
        assert_eq!(history.rate(after(12_000)), (0.0, 0.0));
    }

    #[test]
    fn what_is_late_or_early_is_counted_all_the_same() {
        let mut history = History::default();
        history.add(5, 1, 7);
        history.add(3, 1, 7);
        assert_eq!(history.rate(after(5_000)), (2.0, 14.0));
        assert_eq!(history.rate(after(4_900)), (2.0, 14.0));
        history.add(u64::MAX, 1, 1);
        assert_eq!(history.rate(Duration::MAX).0.round(), 1.0);
    }
}
