//! When each datagram of a capture is due, counted from the first: as recorded, at a pace of its own, or at once.

use std::time::Duration;

use super::requests::Pace;

/// How fast datagrams of a capture follow one another; always on an absolute schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReplayPace {
    /// As they were recorded, so many times as fast: 2 halves every pause. Finite, and more than zero.
    Recorded {
        /// The factor.
        speed: f64,
    },
    /// Whatever their times are, so fast.
    Fixed(Pace),
    /// As fast as it goes.
    Unpaced,
}

/// A time that is this much before the one recorded last is that of a clock that was set, or of another capture: the
/// schedule goes on from there. Less is disorder among receive queues, and does not move what follows.
const CLOCK_WAS_SET: Duration = Duration::from_secs(1);

/// Hands out the time at which each is due.
#[derive(Debug)]
pub(super) struct Timetable {
    pace: ReplayPace,
    longest_gap: Option<Duration>,
    /// A recorded time, and when it is due: those that follow are reckoned from it, so that nothing adds up.
    anchor: Option<(Duration, Duration)>,
    /// The latest recorded time since the anchor.
    latest: Duration,
    /// When the last was due. Never decreases.
    due: Duration,
    made: u64,
    made_bytes: u64,
    pub(super) gaps_shortened: u64,
    pub(super) times_decreasing: u64,
}

impl Timetable {
    pub(super) fn new(pace: ReplayPace, longest_gap: Option<Duration>) -> Self {
        Self {
            pace,
            longest_gap,
            anchor: None,
            latest: Duration::ZERO,
            due: Duration::ZERO,
            made: 0,
            made_bytes: 0,
            gaps_shortened: 0,
            times_decreasing: 0,
        }
    }

    /// When the next datagram is due: of this recorded time, and with a payload of this length.
    pub(super) fn due(&mut self, at: Duration, len: usize) -> Duration {
        self.due = match self.pace {
            ReplayPace::Recorded { speed } => self.recorded(at, speed),
            ReplayPace::Fixed(pace) => pace.after(self.made, self.made_bytes),
            ReplayPace::Unpaced => Duration::ZERO,
        };
        self.made += 1;
        self.made_bytes += Pace::bytes(len);
        self.due
    }

    /// The next one is the first of the capture again: it is due with the last one.
    pub(super) fn begin_again(&mut self) {
        self.anchor = None;
    }

    fn recorded(&mut self, at: Duration, speed: f64) -> Duration {
        let Some((anchor, anchor_due)) = self.anchor else { return self.anchor_at(at, self.due) };
        if at < self.latest {
            self.times_decreasing += 1;
            if self.latest - at >= CLOCK_WAS_SET {
                self.anchor_at(at, self.due);
            }
            return self.due;
        }
        self.latest = at;
        let due = anchor_due.saturating_add(divided(at - anchor, speed));
        let Some(longest) = self.longest_gap.filter(|longest| due.saturating_sub(self.due) > *longest) else {
            return due.max(self.due);
        };
        self.gaps_shortened += 1;
        self.anchor_at(at, self.due.saturating_add(longest))
    }

    fn anchor_at(&mut self, at: Duration, due: Duration) -> Duration {
        self.anchor = Some((at, due));
        self.latest = at;
        due
    }
}

/// A recorded time at another speed; for ever where that is longer than can be told.
#[expect(clippy::float_cmp, reason = "the one speed at which nothing is to be rounded")]
fn divided(time: Duration, speed: f64) -> Duration {
    if speed == 1.0 {
        return time;
    }
    Duration::try_from_secs_f64(time.as_secs_f64() / speed).unwrap_or(Duration::MAX)
}
