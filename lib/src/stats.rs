//! Summaries of measured times, each with its definition.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

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
