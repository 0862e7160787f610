//! The clocks of a capture: which one a recorded time is of, and how far into the capture that is.
//!
//! Captures of several hosts that were merged, or of a host whose clock was set, hold the times of several clocks. Each is kept by its
//! distance to the others. A datagram is of the clock that it continues with the shortest pause. Where it continues none, the clock was
//! set: the capture goes on from there, without a pause. A long pause may as well be the beginning of another clock that is ahead; that
//! is known once the first one returns, and then the pause is taken back.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A time that is this much before the one recorded last is of another clock, or of one that was set, in nanoseconds. Less is
/// disorder among receive queues, and does not move what follows; more forward is a pause, until another clock is known.
const CLOCK_WAS_SET: i128 = 1_000_000_000;
/// Clocks that are kept; of more, the one that was not used for longest is forgotten.
const MAX_CLOCKS: usize = 16;
/// Pauses that are remembered since another clock may have begun there: the longest.
const MAX_JUMPS: usize = 16;
/// Beginnings that are remembered of a capture that was read through; what more there are, are pauses.
const MAX_STARTS: usize = 4096;
/// A clock that returns after so many datagrams may have been silent for half as long as the other is ahead, and several that are
/// ahead of one another may stand between; one that returns later must be nearer: most captures have some pause of about any length.
const SOON: u64 = 64;

/// A clock: one of its times, and where in the capture that was, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Clock {
    at: i128,
    position: i128,
    /// The latest of its times so far.
    latest: i128,
    /// The datagram since which it is as it is.
    since: u64,
    /// The last datagram that had its time of it.
    used: u64,
}

impl Clock {
    fn position(&self, at: i128) -> i128 {
        self.position + (at - self.at)
    }

    /// How long after `now` a time of this clock is, if it may be one.
    fn step(&self, at: i128, now: i128) -> Option<i128> {
        let step = self.position(at) - now;
        (at > self.latest - CLOCK_WAS_SET && step > -CLOCK_WAS_SET).then_some(step)
    }
}

/// A long pause, before which another clock may have been left.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// The datagram after the pause.
    number: u64,
    /// The clock as it was before.
    left: Clock,
    /// How long the pause was in the capture.
    gap: i128,
    pause: Pause,
}

impl Jump {
    /// Whether a time continues the clock that was left where it stood, as where captures follow one another in a file.
    fn resumes(&self, at: i128) -> bool {
        (at - self.left.latest).abs() <= self.gap / 16
    }

    fn is_recent(&self, number: u64) -> bool {
        number - self.number <= SOON
    }
}

/// What a pause in the capture became in the schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pause {
    /// When what follows it is due.
    pub(super) due: Duration,
    pub(super) length: Duration,
    /// Whether it was made shorter.
    pub(super) shortened: bool,
}

/// A pause that turned out to be the beginning of another clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undone {
    /// The datagram after it.
    pub(super) number: u64,
    pub(super) pause: Pause,
    /// Where the capture was when that turned out, without the pause, in nanoseconds.
    pub(super) position: i128,
}

/// Where a datagram is in the capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    /// In nanoseconds after the first. Never decreases but for what is [undone](Clocks::next_undone).
    pub(super) position: i128,
    /// Whether a pause stands before it that may be undone.
    pub(super) jumped: bool,
}

/// Tells the clocks of a capture apart.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// No more than [`MAX_CLOCKS`].
    clocks: Vec<Clock>,
    current: usize,
    /// No more than [`MAX_JUMPS`].
    jumps: Vec<Jump>,
    /// Datagrams of a round with which another clock begins although its time is later; in order, no more than [`MAX_STARTS`].
    starts: Vec<u64>,
    /// Pauses that turned out to be none and were not taken yet. No more than [`MAX_JUMPS`].
    undone: VecDeque<Undone>,
    /// Datagrams so far, and those of earlier rounds.
    number: u64,
    earlier: u64,
    position: i128,
    last_at: i128,
    /// Times that are before the one that stands before them, and were placed with it.
    pub(super) times_decreasing: u64,
    /// How many times the recorded time went back by [`CLOCK_WAS_SET`] or more.
    pub(super) steps_back: u64,
    /// Clocks of this round, and the most of one round.
    begun: u64,
    pub(super) most_begun: u64,
}

impl Clocks {
    /// The clocks of a capture that was read through, and is known to have others begin with these datagrams of a round.
    pub(super) fn new(starts: Vec<u64>) -> Self {
        Self { starts, ..Self::default() }
    }

    /// The datagrams of a round with which another clock begins although its time is later.
    pub(super) fn into_starts(self) -> Vec<u64> {
        self.starts
    }

    /// The next datagram is the first of a round.
    pub(super) fn begin_again(&mut self) {
        self.clocks.clear();
        self.jumps.clear();
        self.earlier = self.number;
        self.begun = 0;
        self.position = 0;
    }

    /// Where the next datagram is, of this recorded time, or where the last one is if it has none.
    pub(super) fn place(&mut self, at: Option<Duration>) -> Placed {
        let Some(at) = at else {
            self.number += 1;
            return Placed { position: self.position, jumped: false };
        };
        let at = at.as_nanos().cast_signed();
        let went_back = !self.clocks.is_empty() && at <= self.last_at - CLOCK_WAS_SET;
        self.steps_back += u64::from(went_back);
        self.last_at = at;
        let is_start = self.starts.binary_search(&(self.number - self.earlier)).is_ok();
        let jumped = if self.clocks.is_empty() || is_start {
            self.begin(at);
            false
        } else {
            self.go_on(at)
        };
        self.number += 1;
        Placed { position: self.position, jumped }
    }

    /// What became of the pause before the datagram that was placed last.
    pub(super) fn paused(&mut self, pause: Pause) {
        if let Some(jump) = self.jumps.iter_mut().find(|jump| jump.number + 1 == self.number) {
            jump.pause = pause;
        }
    }

    /// This datagram and those before it have left: what stands before them is no longer undone.
    pub(super) fn sent(&mut self, number: u64) {
        if !self.jumps.is_empty() {
            self.jumps.retain(|jump| jump.number > number);
        }
    }

    /// The next of the pauses that turned out to be none.
    pub(super) fn next_undone(&mut self) -> Option<Undone> {
        self.undone.pop_front()
    }

    /// What stands behind the pause before this datagram is due sooner by so much: later pauses are, too.
    pub(super) fn moved(&mut self, number: u64, by: Duration) {
        let jumps = self.jumps.iter_mut().map(|jump| (jump.number, &mut jump.pause));
        let undone = self.undone.iter_mut().map(|undone| (undone.number, &mut undone.pause));
        for (_, pause) in jumps.chain(undone).filter(|(later, _)| *later > number) {
            pause.due = pause.due.saturating_sub(by);
        }
    }

    /// Goes on with a clock that there is, or with another; returns whether there is a long pause before that.
    fn go_on(&mut self, at: i128) -> bool {
        loop {
            let continued = self.continued(at);
            // What is no pause is not doubted. Each time there are fewer that can be undone.
            if continued.is_none_or(|(_, step)| step >= CLOCK_WAS_SET)
                && self.starts.len() + MAX_JUMPS <= MAX_STARTS
                && let Some(numbers) = self.returned(at, continued.map(|(_, step)| step))
            {
                self.undo(&numbers);
                continue;
            }
            if let Some((place, step)) = continued {
                return self.use_clock(place, at, step);
            }
            self.times_decreasing += u64::from(at < self.clocks[self.current].latest);
            self.begin(at);
            return false;
        }
    }

    /// The clock that a time continues with the shortest pause, and how much later than the last datagram that is.
    fn continued(&self, at: i128) -> Option<(usize, i128)> {
        let clocks = self.clocks.iter().enumerate();
        let steps = clocks.filter_map(|(place, clock)| Some((place, clock.step(at, self.position)?)));
        steps.min_by_key(|(place, step)| (step.abs(), *place != self.current))
    }

    /// The pauses that were none, since without them this is a time of a clock that was left before: with a shorter pause than
    /// `pause`, if there is one with them; or else where it was left.
    fn returned(&self, at: i128, pause: Option<i128>) -> Option<RangeInclusive<u64>> {
        let latest = self.jumps.last()?.number;
        let (mut gaps, mut best) = (0, None);
        for jump in self.jumps.iter().rev() {
            gaps += jump.gap;
            // Of several clocks, each may be ahead of the one before it.
            let all = Some((gaps, latest)).filter(|_| jump.is_recent(self.number));
            for (gap, last) in [Some((jump.gap, jump.number)), all].into_iter().flatten() {
                let Some(silence) = self.silence(at, jump, gap) else { continue };
                // One alone is likelier.
                let cost = (last > jump.number, silence);
                if pause.is_none_or(|pause| silence < pause) && best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, jump.number..=last));
                }
            }
        }
        let resumed = || self.jumps.iter().rfind(|jump| jump.resumes(at)).map(|jump| jump.number..=jump.number);
        best.map(|(_, numbers)| numbers).or_else(|| if pause.is_none() { resumed() } else { None })
    }

    /// How long a clock that there was before this pause was silent, if this is its time, and the capture shorter by this gap.
    fn silence(&self, at: i128, jump: &Jump, gap: i128) -> Option<i128> {
        let longest = if jump.is_recent(self.number) { gap / 2 } else { gap / 16 };
        let before = self.clocks.iter().filter(|clock| clock.since < jump.number);
        let steps = before.chain([&jump.left]).filter_map(|clock| clock.step(at, self.position - gap));
        steps.filter(|step| (-gap / 2..=longest).contains(step)).map(i128::abs).min()
    }

    /// Takes a time of this clock; returns whether there is a long pause before it.
    fn use_clock(&mut self, place: usize, at: i128, step: i128) -> bool {
        let (number, left) = (self.number, self.clocks[place]);
        let jumped = step >= CLOCK_WAS_SET;
        let clock = &mut self.clocks[place];
        self.times_decreasing += u64::from(at < clock.latest);
        clock.latest = clock.latest.max(at);
        clock.used = number;
        self.current = place;
        self.position += step.max(0);
        if jumped {
            // Perhaps another one.
            clock.since = number;
            self.remember(Jump { number, left, gap: step, pause: Pause::default() });
        } else {
            // A clock that was there before a pause, and has passed it, too, says that it was one.
            self.jumps.retain(|jump| left.since >= jump.number);
        }
        jumped
    }

    fn remember(&mut self, jump: Jump) {
        if self.jumps.len() == MAX_JUMPS
            && let Some(shortest) = (0..MAX_JUMPS).min_by_key(|place| self.jumps[*place].gap)
        {
            self.jumps.remove(shortest);
        }
        self.jumps.push(jump);
    }

    /// Begins another clock, without a pause.
    fn begin(&mut self, at: i128) {
        let (number, position) = (self.number, self.position);
        self.current = self.add(Clock { at, position, latest: at, since: number, used: number });
        self.begun += 1;
        self.most_begun = self.most_begun.max(self.begun);
    }

    /// Adds a clock; returns its place.
    fn add(&mut self, clock: Clock) -> usize {
        if self.clocks.len() < MAX_CLOCKS {
            self.clocks.push(clock);
            return self.clocks.len() - 1;
        }
        let others = (0..MAX_CLOCKS).filter(|place| *place != self.current);
        let place = others.min_by_key(|place| self.clocks[*place].used).unwrap_or_default();
        self.clocks[place] = clock;
        place
    }

    /// Takes the pauses before these datagrams back: what follows each is of another clock, and the one that was left has returned.
    fn undo(&mut self, numbers: &RangeInclusive<u64>) {
        while let Some(place) = self.jumps.iter().rposition(|jump| numbers.contains(&jump.number)) {
            let jump = self.jumps.remove(place);
            self.position -= jump.gap;
            // All that was counted from what follows it.
            let left = self.jumps.iter_mut().map(|jump| &mut jump.left);
            for clock in self.clocks.iter_mut().chain(left).filter(|clock| clock.since >= jump.number) {
                clock.position -= jump.gap;
            }
            let start = jump.number - self.earlier;
            if let Err(place) = self.starts.binary_search(&start) {
                self.starts.insert(place, start);
            }
            self.begun += 1;
            self.most_begun = self.most_begun.max(self.begun);
            self.add(Clock { used: self.number, ..jump.left });
            self.undone.push_back(Undone { number: jump.number, pause: jump.pause, position: self.position });
        }
    }
}
