//! The clocks of a run: engines are handed the time, which is read here.

use std::time::{Duration, Instant, SystemTime};

use crate::moment::Moment;
use crate::stats::SignedNanoseconds;

/// The time of the monotonic clock, read now.
#[expect(clippy::disallowed_methods, reason = "the drive is where the time comes from")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Moment {
    /// Reads both clocks.
    #[must_use]
    pub fn now() -> Self {
        let (monotonic, utc) = both();
        Self::new(monotonic, utc)
    }
}

/// How often the two clocks are read, at most, until nothing came between the readings; and until little did.
const READINGS: usize = 4;
const MOST_READINGS: usize = 64;
/// The longest time between two readings of the monotonic clock that nothing came between.
const UNDISTURBED: Duration = Duration::from_micros(1);
/// What is still far less than a step that is reported.
const LITTLE: Duration = Duration::from_micros(300);
/// A difference of the two clocks that changes by more than this was changed: the system's clock was set, or the machine slept.
const STEP: Duration = Duration::from_millis(1);

/// The monotonic clock and the system's, read together: a thread that is put off between the two would see every arrival
/// earlier than it was.
#[expect(clippy::disallowed_methods, reason = "as above")]
pub(crate) fn both() -> (Instant, SystemTime) {
    let mut best = (Duration::MAX, Instant::now(), SystemTime::UNIX_EPOCH);
    for reading in 1..=MOST_READINGS {
        let (before, system, after) = (Instant::now(), SystemTime::now(), Instant::now());
        let apart = after.saturating_duration_since(before);
        if apart < best.0 {
            best = (apart, before, system);
        }
        if apart < UNDISTURBED || (reading >= READINGS && best.0 < LITTLE) {
            break;
        }
    }
    (best.1, best.2)
}

/// What is known of the difference between the monotonic clock and the system's, by which kernel times become moments.
///
/// The difference changes only where the system's clock is set (or the machine slept). Between a datagram's arrival and its
/// receipt that would make it seem older than it is, so the difference of before is kept until a datagram shows that
/// it does not hold any more.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    last: Option<(Instant, SystemTime)>,
    /// The reading by which the system's clock was least ahead.
    steady: Option<(Instant, SystemTime)>,
    /// How far the system's clock was set between the last reading and the one before.
    step: Option<SignedNanoseconds>,
    /// The reading at which that was noticed last: what arrived before it may have a time of either clock.
    since: Option<Instant>,
    /// Whether a datagram came later than the steady reading allows: the system's clock was set forward.
    set_forward: bool,
}

impl Clocks {
    /// From a reading on.
    pub(crate) fn starting(reading: (Instant, SystemTime)) -> Self {
        Self { steady: Some(reading), ..Self::default() }
    }

    /// Takes a reading, and the time of the latest datagram that was received just before it.
    pub(crate) fn read(&mut self, reading: (Instant, SystemTime), latest: Option<SystemTime>) {
        if std::mem::take(&mut self.set_forward) {
            self.steady = self.last;
        }
        self.step = self.last.or(self.steady).and_then(|before| step(before, reading));
        self.last = Some(reading);
        if self.step.is_some() {
            (self.steady, self.since) = (Some(reading), Some(reading.0));
            return;
        }
        // Set back, or read more exactly: the two clocks are not read at the same time.
        if self.expected().is_none_or(|expected| reading.1 < expected) {
            self.steady = Some(reading);
        }
        self.set_forward = latest.is_some_and(|latest| self.expected().is_none_or(|expected| latest > expected));
    }

    /// How far the system's clock was set between the last reading and the one before, if by over a millisecond.
    pub(crate) fn step(&self) -> Option<SignedNanoseconds> {
        self.step
    }

    /// The last reading.
    pub(crate) fn last(&self) -> (Instant, SystemTime) {
        self.last.expect("a batch was received, so the clocks were read")
    }

    /// The system's time at the last reading, if its clock was not set since the steady one.
    fn expected(&self) -> Option<SystemTime> {
        let ((now, _), (instant, system)) = self.last.zip(self.steady)?;
        system.checked_add(now.saturating_duration_since(instant))
    }

    /// How long before the last reading it was this time; `None` where it was not yet, or the clock may have been set since.
    pub(crate) fn age(&self, time: SystemTime) -> Option<Duration> {
        let expected = self.expected().and_then(|expected| expected.duration_since(time).ok());
        let age = expected.or_else(|| self.last().1.duration_since(time).ok())?;
        let is_certain = |since: Instant| self.last().0.checked_sub(age).is_some_and(|arrival| arrival >= since);
        self.since.is_none_or(is_certain).then_some(age)
    }
}

/// How far the system's clock was set between two readings, if it was.
fn step(before: (Instant, SystemTime), after: (Instant, SystemTime)) -> Option<SignedNanoseconds> {
    let expected = before.1.checked_add(after.0.saturating_duration_since(before.0))?;
    let by = SignedNanoseconds::between(expected, after.1);
    (by.size() > STEP).then_some(by)
}
