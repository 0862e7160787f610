//! When each datagram of a capture is due, counted from the first: as recorded, at a pace of its own, or at once.

use std::time::Duration;

use super::clocks::{Clocks, Pause, Undone};
use super::requests::Pace;

/// How fast datagrams of a capture follow one another; always on an absolute schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReplayPace {
    /// As they were recorded, so many times as fast: 2 halves every pause. Finite, and more than zero. Exhaustive: a factor is
    /// all that there is to it.
    Recorded {
        /// The factor.
        speed: f64,
    },
    /// Whatever their times are, so fast.
    Fixed(Pace),
    /// As fast as it goes.
    Unpaced,
}

/// Hands out the time at which each is due.
#[derive(Debug)]
pub(super) struct Timetable {
    pace: ReplayPace,
    longest_gap: Option<Duration>,
    pub(super) clocks: Clocks,
    /// A place in the capture in nanoseconds, and when it is due: those that follow are reckoned from it, so that nothing adds up.
    anchor: (i128, Duration),
    /// When the last was due. Never decreases but where a pause is undone.
    due: Duration,
    /// The pauses between rounds.
    delays: Duration,
    made: u64,
    made_bytes: u64,
    pub(super) gaps_shortened: u64,
}

/// Datagrams are due sooner than was said: those from this one on, by so much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sooner {
    pub(super) number: u64,
    pub(super) by: Duration,
}

impl Timetable {
    /// A timetable at this pace, of a capture in which other clocks are known to [begin](super::Preview) with these datagrams.
    pub(super) fn new(pace: ReplayPace, longest_gap: Option<Duration>, clock_starts: Vec<u64>) -> Self {
        Self {
            pace,
            longest_gap,
            clocks: Clocks::new(clock_starts),
            anchor: (0, Duration::ZERO),
            due: Duration::ZERO,
            delays: Duration::ZERO,
            made: 0,
            made_bytes: 0,
            gaps_shortened: 0,
        }
    }

    /// When the next datagram is due: of this recorded time, if it has one, and with a payload of this length. Tells first which of those before
    /// it, that did not leave by now, are due sooner.
    pub(super) fn due(
        &mut self,
        at: Option<Duration>,
        len: usize,
        now: Duration,
        mut sooner: impl FnMut(Sooner),
    ) -> Duration {
        self.due = match self.pace {
            ReplayPace::Recorded { speed } => self.recorded(at, speed, now, &mut sooner),
            ReplayPace::Fixed(pace) => self.delays.saturating_add(pace.after(self.made, self.made_bytes)),
            ReplayPace::Unpaced => self.due,
        };
        self.made += 1;
        self.made_bytes += Pace::bytes(len);
        self.due
    }

    /// How many there were.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// The next one is the first of the capture again: it is due so long after the last one, which is not before `now`.
    pub(super) fn begin_again(&mut self, delay: Duration, now: Duration) {
        self.delays = self.delays.saturating_add(delay);
        if self.pace == ReplayPace::Unpaced && !delay.is_zero() {
            self.due = self.due.max(now);
        }
        self.due = self.due.saturating_add(delay);
        self.anchor = (0, self.due);
        self.clocks.begin_again();
    }

    fn recorded(
        &mut self,
        at: Option<Duration>,
        speed: f64,
        now: Duration,
        sooner: &mut impl FnMut(Sooner),
    ) -> Duration {
        let placed = self.clocks.place(at);
        while let Some(undone) = self.clocks.next_undone() {
            sooner(self.undo(&undone, now));
        }
        let (anchor, anchor_due) = self.anchor;
        let due = anchor_due.saturating_add(divided(placed.position - anchor, speed)).max(self.due);
        let length = due - self.due;
        let Some(longest) = self.longest_gap.filter(|longest| length > *longest) else {
            if placed.jumped {
                self.clocks.paused(Pause { due, length, shortened: false });
            }
            return due;
        };
        self.gaps_shortened += 1;
        let due = self.due.saturating_add(longest);
        self.anchor = (placed.position, due);
        self.clocks.paused(Pause { due, length: longest, shortened: true });
        due
    }

    /// Takes a pause back, as far as it has not passed by now.
    fn undo(&mut self, undone: &Undone, now: Duration) -> Sooner {
        let Undone { number, pause, position } = *undone;
        let by = pause.length.min(pause.due.saturating_sub(now));
        self.clocks.moved(number, by);
        self.due = self.due.saturating_sub(by);
        self.anchor = (position, self.due);
        self.gaps_shortened -= u64::from(pause.shortened);
        Sooner { number, by }
    }
}

/// A time in nanoseconds at another speed; for ever where that is longer than can be told.
#[expect(clippy::float_cmp, reason = "the one speed at which nothing is to be rounded")]
fn divided(time: i128, speed: f64) -> Duration {
    let time = time.max(0).unsigned_abs();
    if speed == 1.0 {
        return u64::try_from(time / 1_000_000_000).map_or(Duration::MAX, |seconds| {
            Duration::from_secs(seconds) + Duration::from_nanos((time % 1_000_000_000) as u64)
        });
    }
    #[expect(clippy::cast_precision_loss, reason = "as exact as the speed")]
    Duration::try_from_secs_f64(time as f64 / 1e9 / speed).unwrap_or(Duration::MAX)
}
