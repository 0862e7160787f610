//! Being called at a moment: sleeping up to it as exactly as the system can, and watching the clock for the rest.

use std::time::Duration;

use crate::clock::now;
use crate::engine::Next;
use crate::sys::timer_slack::TimerSlack;

/// How exactly an engine is called at the moment that it wants.
#[derive(Default)]
pub(crate) struct Alarm {
    precision: Option<Duration>,
    /// Held while there is a precision.
    slack: Option<TimerSlack>,
}

/// The part of a longer wait by which Linux ends it late, however small the slack: up to a thousandth, and
/// for a process that is nice a two-hundredth (`select_estimate_accuracy` in the kernel); twice that is taken off.
const POLL_INACCURACY: u32 = 100;
/// From this on a wait is made in parts: less, and its inaccuracy would not be seen.
const LONG_WAIT: Duration = Duration::from_millis(2);

impl Alarm {
    /// Wakes with this precision (`Engine::precision`) from now on.
    pub(crate) fn set_precision(&mut self, precision: Option<Duration>) {
        if self.slack.is_some() != precision.is_some() {
            self.slack = precision.map(|_| TimerSlack::minimise());
        }
        self.precision = precision;
    }

    /// Whether the engine is to be called as exactly as can be.
    pub(crate) fn is_exact(&self) -> bool {
        self.precision.is_some()
    }

    /// Of a wait, the part to be slept at once.
    pub(crate) fn asleep(&self, wait: Duration) -> Duration {
        let Some(precision) = self.precision else { return wait };
        let rest = wait.saturating_sub(precision);
        if rest < LONG_WAIT { rest } else { rest - rest / POLL_INACCURACY }
    }

    /// Lets the last of a wait pass without sleeping, if it is that short.
    pub(crate) fn watch(&self, next: Next) {
        let (Some(precision), Next::At(deadline)) = (self.precision, next) else { return };
        let mut moment = now();
        if deadline.saturating_duration_since(moment) <= precision {
            while moment < deadline {
                std::hint::spin_loop();
                moment = now();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(precision: Option<Duration>) -> Alarm {
        let mut alarm = Alarm::default();
        alarm.set_precision(precision);
        alarm
    }

    #[test]
    fn a_wait_is_slept_in_few_parts_that_leave_what_is_to_be_watched() {
        for precision in [0, 100, 5000].map(Duration::from_micros) {
            let alarm = exact(Some(precision));
            for wait in [0, 1, 100, 1999, 2000, 1_000_000, 86_400_000_000].map(Duration::from_micros) {
                let (mut left, mut parts) = (wait, 0);
                while !alarm.asleep(left).is_zero() {
                    left -= alarm.asleep(left);
                    parts += 1;
                }
                assert_eq!(left, wait.min(precision), "of {wait:?}");
                assert!(parts <= 6, "{wait:?} in {parts} parts");
            }
        }
        let alarm = exact(Some(Duration::from_micros(100)));
        let asleep = |rest| alarm.asleep(rest + Duration::from_micros(100));
        // The first part of a long wait ends before the system can be late for what is left; a short wait has one part.
        assert_eq!(asleep(Duration::from_secs(1)), Duration::from_millis(990));
        assert_eq!(asleep(LONG_WAIT), LONG_WAIT - LONG_WAIT / 100);
        assert_eq!(asleep(LONG_WAIT / 2), LONG_WAIT / 2);
        let imprecise = exact(None);
        assert_eq!(imprecise.asleep(Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[test]
    fn only_the_end_of_a_wait_is_watched() {
        let alarm = exact(Some(Duration::from_millis(1)));
        let soon = now() + Duration::from_micros(500);
        alarm.watch(Next::At(soon));
        assert!(now() >= soon);
        let later = now() + Duration::from_secs(3600);
        alarm.watch(Next::At(later));
        assert!(now() < later);
    }
}
