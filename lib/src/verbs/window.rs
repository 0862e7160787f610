//! Requests that answers may still be to, and lists of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// By how much an arrival may seem earlier than it was: the kernel's clock and ours are read one after the other.
const CLOCK_ERROR: Duration = Duration::from_millis(1);
/// The most requests, newest first, that a refusal's quote is compared with, and that are looked at for the likeliest.
pub(super) const MAX_COMPARED: usize = 1024;

/// A request that an answer may still be to.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) payload: Arc<[u8]>,
    /// The hash of its payload.
    pub(super) hash: u64,
    /// How many datagrams had been sent when it was sent first.
    pub(super) place: u64,
    pub(super) sent_at: Instant,
    pub(super) last_sent: Instant,
    /// From here on no answer to it comes.
    pub(super) deadline: Instant,
    pub(super) retry: u32,
    /// Answers that it was credited with, certain or not.
    pub(super) replies: u64,
    /// When the answer came because of which it counts as answered.
    pub(super) matched: Option<Instant>,
    pub(super) state: State,
}

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not whether it was answered; perhaps it was refused.
    Unknown { perhaps_refused: bool },
    /// It has all the answers that it wants, the last with a payload of this hash.
    Answered(u64),
    /// It was refused.
    Refused,
    /// It is given up, or was never sent.
    Closed,
}

impl Open {
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.state, State::Unknown { .. })
    }

    /// Whether it wants an answer still, if each wants this many; zero: all that come.
    pub(super) fn wants(&self, wanted: u64) -> bool {
        self.is_unknown() && (wanted == 0 || self.replies < wanted)
    }

    /// Whether an answer to it may still come, where all that arrived up to this moment was taken.
    pub(super) fn lasts(&self, heard: Option<Instant>) -> bool {
        heard.is_none_or(|heard| heard < self.deadline)
    }

    /// Whether an answer that arrives at this moment may be to it.
    pub(super) fn covers(&self, arrival: Instant) -> bool {
        self.sent_at <= arrival + CLOCK_ERROR && arrival < self.deadline
    }
}

/// Requests by their number, each following the one before.
#[derive(Debug)]
pub(super) struct Window {
    /// The number of the first.
    pub(super) first: u64,
    pub(super) open: VecDeque<Open>,
    /// How many requests were looked at, one by one.
    #[cfg(test)]
    pub(super) looks: std::cell::Cell<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            first: 1,
            open: VecDeque::new(),
            #[cfg(test)]
            looks: std::cell::Cell::default(),
        }
    }
}

impl Window {
    pub(super) fn get(&self, number: u64) -> Option<&Open> {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        self.open.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Open> {
        self.open.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.open.len() as u64
    }
}

/// Numbers of requests in order, of which those that are of no more interest are taken off at either end.
#[derive(Debug, Default)]
pub(super) struct Line(pub(super) VecDeque<u64>);

impl Line {
    /// The first and the last request that an answer may be to, of those of interest.
    pub(super) fn ends(
        &mut self,
        window: &Window,
        arrival: Instant,
        of_interest: impl Fn(&Open) -> bool,
    ) -> Option<(u64, u64)> {
        self.drop_first_unless(window, &of_interest);
        let is_kept = |number: &u64| window.get(*number).is_some_and(&of_interest);
        while self.0.back().is_some_and(|number| !is_kept(number)) {
            self.0.pop_back();
        }
        let fits = |number: &&u64| window.get(**number).is_some_and(|open| of_interest(open) && open.covers(arrival));
        Some((*self.0.iter().find(fits)?, *self.0.iter().rev().find(fits)?))
    }

    /// Takes off the first ones, up to one that is of interest.
    pub(super) fn drop_first_unless(&mut self, window: &Window, of_interest: impl Fn(&Open) -> bool) {
        while self.0.front().is_some_and(|number| !window.get(*number).is_some_and(&of_interest)) {
            self.0.pop_front();
        }
    }

    /// Of those of interest, the one that was sent nearest to a moment, last; at most so many of them are compared on either
    /// side, and at most `MAX_COMPARED` of all are looked at.
    pub(super) fn nearest(
        &self,
        window: &Window,
        moment: Instant,
        most: usize,
        of_interest: impl Fn(&Open) -> bool,
    ) -> Option<u64> {
        let open =
            |number: &u64| window.get(*number).filter(|open| of_interest(open)).map(|open| (*number, open.last_sent));
        let middle = self.0.partition_point(|number| window.get(*number).is_none_or(|open| open.sent_at < moment));
        let before = self.0.iter().take(middle).rev().take(MAX_COMPARED).filter_map(open).take(most);
        let after = self.0.iter().skip(middle).take(MAX_COMPARED).filter_map(open).take(most);
        let distance = |(_, sent): &(u64, Instant)| moment.max(*sent).duration_since(moment.min(*sent));
        before.chain(after).min_by_key(distance).map(|(number, _)| number)
    }

    /// Drops what is no longer in the window.
    pub(super) fn forget(&mut self, window: &Window) {
        while self.0.front().is_some_and(|number| *number < window.first) {
            self.0.pop_front();
        }
    }
}

/// Requests that an answer of one kind may be to.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub(super) all: Line,
    pub(super) wanting: Line,
    pub(super) unmatched: Line,
    /// When the last answer came that may be to several of them, and the oldest and the newest of these.
    pub(super) blurred: Option<(Instant, u64, u64)>,
}

impl Pool {
    pub(super) fn push(&mut self, number: u64) {
        for line in [&mut self.all, &mut self.wanting, &mut self.unmatched] {
            line.0.push_back(number);
        }
    }

    pub(super) fn forget(&mut self, window: &Window) {
        for line in [&mut self.all, &mut self.wanting, &mut self.unmatched] {
            line.forget(window);
        }
    }

    /// Takes note of an answer that may be to several of them, from the oldest to the newest.
    pub(super) fn blur(&mut self, arrival: Instant, oldest: u64, newest: u64) {
        // An answer before this one may be to a newer request, where some are waited for longer than others.
        let newest = self.blurred.map_or(newest, |(.., before)| before.max(newest));
        self.blurred = Some((arrival, oldest, newest));
    }

    /// Of the last answer that may be to several of them, if it came since then: the oldest and the newest.
    pub(super) fn blurred_since(&self, moment: Instant) -> Option<(u64, u64)> {
        self.blurred
            .filter(|(arrival, ..)| *arrival + CLOCK_ERROR >= moment)
            .map(|(_, oldest, newest)| (oldest, newest))
    }
}
