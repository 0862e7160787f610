//! The system's clock of a host, which may be wrong.

use std::time::{Duration, SystemTime};

/// When every run begins, in UTC: 2020-01-01T00:00:00Z.
const BEGIN: Duration = Duration::from_secs(1_577_836_800);
const NANOSECONDS: i128 = 1_000_000_000;

/// The system's clock (UTC) of a host: right until it is set otherwise. Runs begin at 2020-01-01T00:00:00Z.
///
/// It is what engines see of [`Outbox::clock`](crate::Outbox::clock) and of [`Meta::received`](crate::Meta::received). The
/// monotonic clock, which engines are handed and go by, is right everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostClock {
    /// Nanoseconds that it is ahead at the start.
    offset: i128,
    /// Nanoseconds that it gains in a millisecond: parts per million.
    skew: f64,
    /// Nanoseconds that it is set forward, each from a time on.
    steps: Vec<(Duration, i128)>,
}

impl HostClock {
    /// Ahead of the right time by this much from the start on.
    #[must_use]
    pub fn ahead(self, by: Duration) -> Self {
        Self { offset: self.offset + nanoseconds(by), ..self }
    }

    /// Behind the right time by this much from the start on.
    #[must_use]
    pub fn behind(self, by: Duration) -> Self {
        Self { offset: self.offset - nanoseconds(by), ..self }
    }

    /// Fast by so many parts of a million; slow, where negative. 50 are common, and 4.3 seconds a day.
    #[must_use]
    pub fn skew_ppm(self, skew: f64) -> Self {
        Self { skew, ..self }
    }

    /// Set forward by this much, so long after the start.
    #[must_use]
    pub fn set_forward(mut self, after: Duration, by: Duration) -> Self {
        self.steps.push((after, nanoseconds(by)));
        self
    }

    /// Set back by this much, so long after the start.
    #[must_use]
    pub fn set_back(mut self, after: Duration, by: Duration) -> Self {
        self.steps.push((after, -nanoseconds(by)));
        self
    }

    /// What it shows so long after the start; never a time before 1970.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "saturates; no clock is so exact")]
    pub fn utc(&self, elapsed: Duration) -> SystemTime {
        let gained = (nanoseconds(elapsed) as f64 * self.skew / 1e6) as i128;
        let set: i128 = self.steps.iter().filter(|(after, _)| *after <= elapsed).map(|(_, by)| by).sum();
        let shown = nanoseconds(BEGIN.saturating_add(elapsed))
            .saturating_add(self.offset)
            .saturating_add(gained)
            .saturating_add(set);
        let seconds = u64::try_from(shown.max(0) / NANOSECONDS).unwrap_or(u64::MAX);
        let rest = u32::try_from(shown.max(0) % NANOSECONDS).unwrap_or(0);
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, rest)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

fn nanoseconds(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_its_offset_its_skew_and_its_steps() {
        let second = Duration::from_secs(1);
        let shown = |clock: &HostClock, elapsed: Duration| {
            let utc = clock.utc(elapsed).duration_since(SystemTime::UNIX_EPOCH + BEGIN);
            utc.map_or_else(|error| -nanoseconds(error.duration()), nanoseconds)
        };
        let right = HostClock::default();
        assert_eq!(shown(&right, 7 * second), 7 * NANOSECONDS);
        assert_eq!(shown(&right.clone().ahead(second), second), 2 * NANOSECONDS);
        assert_eq!(shown(&right.clone().behind(3 * second), second), -2 * NANOSECONDS);
        assert_eq!(shown(&right.clone().skew_ppm(50.0), 10 * second), 10 * NANOSECONDS + 500_000);
        assert_eq!(shown(&right.clone().skew_ppm(-50.0), 10 * second), 10 * NANOSECONDS - 500_000);
        let set = right.set_forward(2 * second, 60 * second).set_back(3 * second, 61 * second);
        let times = [1, 2, 3].map(|elapsed| shown(&set, elapsed * second) / NANOSECONDS);
        assert_eq!(times, [1, 62, 2]);
        // No clock shows what no system can.
        assert!(HostClock::default().utc(Duration::MAX) >= SystemTime::UNIX_EPOCH);
        let far = HostClock::default().behind(Duration::MAX).ahead(Duration::MAX).behind(Duration::MAX);
        assert_eq!(far.utc(second), SystemTime::UNIX_EPOCH);
    }
}
