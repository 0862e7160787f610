//! When which probe is due, and how long it is.

use std::time::Duration;

use fastrand::Rng;

use super::super::requests::Pace;
use super::options::MeasureOptions;

/// How late a probe may leave after the time in which all were to be sent.
const GRACE: Duration = Duration::from_millis(100);
/// Probes that are left out in one call at most.
const MOST_OMITTED: u64 = 1 << 20;

/// Hands out the times of the probes, on an absolute schedule from the start on.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    /// What random times are drawn from.
    random: Option<Rng>,
    burst: u64,
    sizes: Vec<usize>,
    count: Option<u64>,
    duration: Option<Duration>,
    /// Probes that were handed out, or left out.
    made: u64,
    /// Payload bytes of those before this burst, and of this one up to now.
    bytes: [u64; 2],
    /// When the next one is due.
    due: Duration,
    /// Nanoseconds at which it is due, of random times.
    random_due: f64,
    /// Due, and left out because they could not be sent in time.
    pub(super) omitted: u64,
    is_over: bool,
}

impl Schedule {
    pub(super) fn new(options: &MeasureOptions) -> Self {
        Self {
            pace: options.pace,
            random: options.poisson.then(|| Rng::with_seed(options.seed)),
            burst: u64::from(options.burst.max(1)),
            sizes: options.sizes_sent(),
            count: options.count,
            duration: options.duration,
            made: 0,
            bytes: [0, 0],
            due: Duration::ZERO,
            random_due: 0.0,
            omitted: 0,
            is_over: false,
        }
    }

    /// When the next probe is due, from the start; `None`: there is none.
    pub(super) fn due(&self) -> Option<Duration> {
        let is_left = self.count.is_none_or(|count| self.made < count);
        let is_in_time = self.duration.is_none_or(|duration| self.due < duration);
        (is_left && is_in_time && !self.is_over).then_some(self.due)
    }

    /// Takes the next probe, if it is due: when it was, and its bytes of payload.
    pub(super) fn take(&mut self, elapsed: Duration) -> Option<(Duration, usize)> {
        self.omit(elapsed);
        let due = self.due().filter(|due| *due <= elapsed)?;
        Some((due, self.advance()))
    }

    /// No further probe is sent.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }

    /// Leaves out what should have been sent by the end, and was not.
    fn omit(&mut self, elapsed: Duration) {
        let is_too_late = self.duration.is_some_and(|duration| elapsed > duration.saturating_add(GRACE));
        if !is_too_late {
            return;
        }
        for _ in 0..MOST_OMITTED {
            if self.due().is_none() {
                break;
            }
            self.advance();
            self.omitted += 1;
        }
    }

    /// Goes on to the next one; gives the bytes of this one.
    fn advance(&mut self) -> usize {
        let size = self.sizes[usize::try_from(self.made % self.sizes.len() as u64).unwrap_or(0)];
        self.made += 1;
        self.bytes[1] += Pace::bytes(size);
        if self.made.is_multiple_of(self.burst) {
            let (before, after) =
                (self.planned(self.made - self.burst, self.bytes[0]), self.planned(self.made, self.bytes[1]));
            self.bytes[0] = self.bytes[1];
            self.due = match &mut self.random {
                None => after,
                Some(random) => {
                    // Inverse of the exponential distribution; 1 - u is never zero.
                    let wait = -(1.0 - random.f64()).ln() * after.saturating_sub(before).as_secs_f64() * 1e9;
                    self.random_due += wait;
                    Duration::try_from_secs_f64(self.random_due / 1e9).unwrap_or(Duration::MAX)
                }
            };
        }
        size
    }

    /// When a burst is due without chance, of which so many probes come before it.
    fn planned(&self, made: u64, bytes: u64) -> Duration {
        match self.pace {
            Pace::Interval(_) => self.pace.after(made / self.burst, bytes),
            Pace::Rate(_) | Pace::Bitrate(_) => self.pace.after(made, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> MeasureOptions {
        MeasureOptions::new(([127, 0, 0, 1], 862).into())
    }

    fn times(options: &MeasureOptions, most: usize) -> Vec<u128> {
        let mut schedule = Schedule::new(options);
        let far = Duration::from_millis(10_050);
        std::iter::from_fn(|| schedule.take(far)).take(most).map(|(due, _)| due.as_micros()).collect()
    }

    #[test]
    fn probes_are_due_on_an_absolute_schedule() {
        assert_eq!(times(&options().pace(Pace::Interval(Duration::from_millis(20))), 3), [0, 20_000, 40_000]);
        assert_eq!(times(&options().pace(Pace::Rate(3.0)), 4), [0, 333_333, 666_666, 1_000_000]);
        let burst = options().pace(Pace::Interval(Duration::from_millis(5))).burst(2);
        assert_eq!(times(&burst, 5), [0, 0, 5_000, 5_000, 10_000]);
        assert_eq!(times(&options().pace(Pace::Rate(200.0)).burst(2), 5), [0, 0, 10_000, 10_000, 20_000]);
        let sizes = options().pace(Pace::Bitrate(8_000.0)).sizes([100, 400]);
        assert_eq!(times(&sizes, 4), [0, 100_000, 500_000, 600_000]);
    }

    #[test]
    fn as_many_are_due_as_the_time_allows_and_no_more_than_asked_for() {
        assert_eq!(times(&options(), usize::MAX).len(), 1000);
        assert_eq!(times(&options().count(7), usize::MAX).len(), 7);
        assert_eq!(times(&options().duration(None).count(2000), usize::MAX).len(), 1006);
    }

    #[test]
    fn random_times_have_the_mean_that_was_asked_for_and_the_spread_of_chance() {
        let due = times(&options().poisson(true).pace(Pace::Rate(1000.0)), usize::MAX);
        // Poisson with a mean of 10,000: five standard deviations.
        assert!((9_500..10_500).contains(&due.len()), "{}", due.len());
        let gaps: Vec<u128> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let longer = gaps.iter().filter(|gap| **gap > 1000).count();
        // e^-1 of them.
        assert!((3_400..3_960).contains(&(longer * 10_000 / gaps.len())), "{longer} of {}", gaps.len());
    }

    #[test]
    fn what_could_not_be_sent_in_time_is_left_out_and_counted() {
        let mut schedule = Schedule::new(&options());
        let late = Duration::from_secs(5);
        assert_eq!(std::iter::from_fn(|| schedule.take(late)).count(), 501);
        assert_eq!(schedule.take(Duration::from_millis(10_101)), None);
        assert_eq!((schedule.omitted, schedule.due()), (499, None));
    }
}
