//! Which request an answer is to: claimed where only one can be meant, a range of requests where several can.
//!
//! Payloads are the user's, so nothing can be put into them to tell answers apart. Three things are taken for granted:
//! an answer, and every copy of it, arrives within the wait of its request; a request that wants one answer gets one, if one
//! peer alone answers, so that a different one is to another request; and a peer that has just sent back two different payloads
//! is an echo server.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::window::{Line, MAX_COMPARED, Open, Pool, State, Window};
use crate::event::{OneOf, ReplyTo, Request};

/// The most requests that are remembered; the oldest is forgotten for one more.
pub(super) const MAX_OPEN: usize = 65_536;

/// Whether the peer sends back what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Echo {
    Unknown,
    /// A payload of this hash came back.
    Once(u64),
    /// Two different ones came back, and nothing else since.
    Yes,
}

/// What an answer is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The echo of a request whose payload has this hash.
    Echo(u64),
    /// The same as a request, which may be chance.
    LikeEcho(u64),
    /// Something else.
    Other,
}

impl Kind {
    /// The payload that it is the echo of for certain.
    fn certain(self) -> Option<u64> {
        match self {
            Self::Echo(hash) => Some(hash),
            Self::LikeEcho(_) | Self::Other => None,
        }
    }

    /// Where to look for the request, in this order: among those of a payload, or among all.
    fn pools(self) -> impl Iterator<Item = Option<u64>> {
        let (one, other) = match self {
            Self::Echo(hash) => (Some(Some(hash)), None),
            Self::LikeEcho(hash) => (Some(Some(hash)), Some(None)),
            Self::Other => (None, Some(None)),
        };
        one.into_iter().chain(other)
    }
}

/// Requests that were forgotten although answers may still come.
#[derive(Debug, Default)]
struct Forgotten {
    first: u64,
    /// Those without an answer.
    unmatched: u64,
    until: Option<Instant>,
}

/// What is known of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is about this request.
    Of(u64),
    /// It came before.
    Copy,
    /// It may be about several.
    Unclear,
}

/// The requests that a request without an answer is one of.
pub(super) type Missing = (u64, u64);

/// Requests that answers are matched with.
#[derive(Debug)]
pub(super) struct Matching {
    /// Answers that each request wants; zero: all that come.
    wanted: u64,
    /// Whether a request that has an answer gets no other.
    is_exclusive: bool,
    window: Window,
    /// All requests.
    pool: Pool,
    /// Requests of one payload, by its hash.
    alike: HashMap<u64, Pool>,
    /// Requests that were answered for certain, by the hash of the answer: another such answer may be a copy.
    answered_by: HashMap<u64, Line>,
    hash: RandomState,
    /// The payload that was hashed last: requests are often the same.
    hashed: Option<(Arc<[u8]>, u64)>,
    echo: Echo,
    /// When each request that wants an answer has waited long enough; kept only where requests are sent again, since
    /// they are then not given up in the order of their numbers.
    deadlines: Option<BTreeSet<(Instant, u64)>>,
    /// The newest request that an answer of unclear meaning may be to.
    blurred: u64,
    /// The last round-trip time that was certain or likely: what other answers are likely to take.
    usual: Option<Duration>,
    forgotten: Forgotten,
    /// How many want answers.
    waiting: usize,
    /// Requests that were given up for certain; their answers are late.
    missed: u64,
    /// The moment up to which all that arrived was taken.
    heard: Option<Instant>,
    /// The most requests that can have been answered by what came.
    answered: u64,
}

impl Matching {
    /// For requests that want so many answers each, from one peer or several, and of which some are sent again or none.
    pub(super) fn new(wanted: u64, several_peers: bool, retries: bool) -> Self {
        Self {
            wanted,
            is_exclusive: wanted == 1 && !several_peers,
            window: Window::default(),
            pool: Pool::default(),
            alike: HashMap::new(),
            answered_by: HashMap::new(),
            hash: RandomState::new(),
            hashed: None,
            echo: Echo::Unknown,
            deadlines: retries.then(BTreeSet::new),
            blurred: 0,
            usual: None,
            forgotten: Forgotten::default(),
            waiting: 0,
            missed: 0,
            heard: None,
            answered: 0,
        }
    }

    /// How many requests want answers.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many requests were answered; where answers cannot be told from copies, at most.
    pub(super) fn answered(&self) -> u64 {
        self.answered.min(self.window.end() - 1)
    }

    /// Adds the next request, sent after `place` other datagrams.
    pub(super) fn sent(&mut self, payload: Arc<[u8]>, place: u64, now: Instant, deadline: Instant) {
        if self.window.open.len() == MAX_OPEN {
            self.forget_first();
        }
        let (hash, number) = (self.hash_of(&payload), self.window.end());
        let state = State::Unknown { perhaps_refused: false };
        self.window.open.push_back(Open {
            payload,
            hash,
            place,
            sent_at: now,
            last_sent: now,
            deadline,
            retry: 0,
            replies: 0,
            matched: None,
            state,
        });
        self.pool.push(number);
        self.alike.entry(hash).or_default().push(number);
        self.waiting += 1;
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.insert((deadline, number));
        }
    }

    /// Takes an answer.
    pub(super) fn answer(&mut self, arrival: Instant, payload: &[u8]) -> ReplyTo {
        let hash = self.hash.hash_one(payload);
        let kind = self.kind(arrival, hash, payload);
        let is_doubted = self.forgotten.until.is_some_and(|until| arrival < until);
        match self.candidates(arrival, hash, kind) {
            Some((first, last)) if first == last && !is_doubted => self.certain(first, arrival, hash),
            Some(candidates) => self.unclear(candidates, arrival, kind, is_doubted),
            None if is_doubted && self.forgotten.unmatched > 0 => {
                self.forgotten.unmatched -= 1;
                self.answered += 1;
                ReplyTo::OneOf(OneOf { first: self.forgotten.first, last: self.window.first - 1, likely: None })
            }
            None if self.missed > 0 => {
                self.missed -= 1;
                ReplyTo::Late
            }
            None => {
                self.learn_of_several(arrival);
                ReplyTo::Unmatched
            }
        }
    }

    /// Notes that a request gets several answers, if that is seen: one comes that differs from those of all requests that it
    /// may be to. From now on an answer excludes no other, and nothing is certain of those that are open.
    fn learn_of_several(&mut self, arrival: Instant) {
        let is_answered = |open: &Open| matches!(open.state, State::Answered(_)) && open.covers(arrival);
        let Some(last) = self.window.open.back().filter(|_| self.is_exclusive) else { return };
        if self.window.open.iter().rev().take(MAX_COMPARED).any(is_answered) {
            self.is_exclusive = false;
            self.forgotten.until = self.forgotten.until.max(Some(last.deadline));
            if self.forgotten.first == 0 {
                self.forgotten.first = self.window.first;
            }
        }
    }

    /// Takes a refusal that quotes the beginning of a payload, and that arrived after this moment: exactly when is not known.
    pub(super) fn refused(&mut self, since: Instant, quote: &[u8]) -> Refused {
        let passed_over = self.window.open.len().saturating_sub(MAX_COMPARED);
        let (mut fits, mut unrefused, mut is_copy) = (Vec::new(), None, false);
        for (place, open) in self.window.open.iter().enumerate().skip(passed_over) {
            match open.state {
                _ if open.deadline <= since || !open.payload.starts_with(quote) => {}
                State::Unknown { perhaps_refused } => {
                    unrefused = Some(place).filter(|_| !perhaps_refused).or(unrefused);
                    fits.push(place);
                }
                State::Refused => is_copy = true,
                State::Answered(_) | State::Closed => {}
            }
        }
        match fits[..] {
            [place] if passed_over == 0 && !is_copy => {
                self.waiting -= usize::from(self.window.open[place].wants(self.wanted));
                self.window.open[place].state = State::Refused;
                Refused::Of(self.window.first + place as u64)
            }
            [] if is_copy && passed_over == 0 => Refused::Copy,
            _ => {
                // The newest is the likely one, as with answers.
                if let Some(place) = unrefused {
                    self.window.open[place].state = State::Unknown { perhaps_refused: true };
                }
                Refused::Unclear
            }
        }
    }

    /// Takes the news that datagrams were not sent, of which the first was sent after `place` others.
    pub(super) fn not_sent(&mut self, place: u64, count: u64) {
        for open in self.window.open.iter_mut().rev() {
            // What was sent before may be answered.
            if open.retry == 0 && (place..place + count).contains(&open.place) {
                self.waiting -= usize::from(open.wants(self.wanted));
                open.state = State::Closed;
            } else if open.place < place {
                return;
            }
        }
    }

    /// A request that has waited for answers until this moment, up to which all that arrived was taken, and how often it
    /// was sent again if none came.
    pub(super) fn expired(&mut self, until: Instant) -> Option<(u64, Option<u32>)> {
        let wanted = self.wanted;
        // Or each look for the first would pass by all that were answered.
        self.pool.wanting.drop_first_unless(&self.window, |open| open.wants(wanted));
        loop {
            let number = match &self.deadlines {
                Some(deadlines) => deadlines.first()?.1,
                None => self.first_wanting()?,
            };
            let open = self.window.get(number).filter(|open| open.wants(wanted));
            match open {
                Some(open) if open.deadline <= until => {
                    return Some((number, (open.replies == 0).then_some(open.retry)));
                }
                Some(_) => return None,
                None => {
                    self.deadlines.as_mut()?.pop_first();
                }
            }
        }
    }

    /// When the first request has waited long enough.
    pub(super) fn first_due(&self) -> Option<Instant> {
        match &self.deadlines {
            Some(deadlines) => deadlines.first().map(|(deadline, _)| *deadline),
            None => self.first_wanting().and_then(|number| self.window.get(number)).map(|open| open.deadline),
        }
    }

    fn first_wanting(&self) -> Option<u64> {
        let wants = |number: &u64| self.window.get(*number).is_some_and(|open| open.wants(self.wanted));
        self.pool.wanting.0.iter().copied().find(wants)
    }

    /// Takes the news that a request is sent again, and waits longer; returns its payload.
    pub(super) fn again(&mut self, number: u64, now: Instant, deadline: Instant) -> Option<Arc<[u8]>> {
        let open = self.window.get_mut(number)?;
        let deadlines = self.deadlines.as_mut()?;
        deadlines.remove(&(open.deadline, number));
        deadlines.insert((deadline, number));
        open.retry += 1;
        open.last_sent = now;
        open.deadline = deadline;
        Some(Arc::clone(&open.payload))
    }

    /// Gives a request up; returns what has no answer, if anything has none.
    pub(super) fn give_up(&mut self, number: u64) -> Option<Missing> {
        let open = self.window.get_mut(number)?;
        let (State::Unknown { perhaps_refused }, replies) = (open.state, open.replies) else { return None };
        self.waiting -= usize::from(open.wants(self.wanted));
        open.state = State::Closed;
        let (hash, sent_at, deadline) = (open.hash, open.sent_at, open.deadline);
        // Where a request may get several answers, one credited with them all leaves none for those that have theirs too.
        let is_answered = if self.is_exclusive { replies > 0 } else { open.matched.is_some() };
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.remove(&(deadline, number));
        }
        let pools = [Some(&self.pool), self.alike.get(&hash)].into_iter().flatten();
        let blurred = pools.filter_map(|pool| pool.blurred_since(sent_at)).find(|(_, newest)| *newest >= number);
        if is_answered || perhaps_refused {
            return None;
        }
        self.missed += u64::from(blurred.is_none());
        let (oldest, newest) = blurred.unwrap_or((number, number));
        Some((oldest.min(number), newest))
    }

    /// Whether there is a request to which no answer comes after this moment.
    pub(super) fn ends_by(&self, moment: Instant) -> bool {
        self.window.open.front().is_some_and(|open| open.deadline <= moment)
    }

    /// Forgets requests to which no answer comes any more: the moment is one up to which all that arrived was taken.
    pub(super) fn forget(&mut self, until: Instant) {
        self.heard = Some(until);
        while let Some(open) = self.window.open.front()
            && open.deadline <= until
            && !open.wants(self.wanted)
        {
            self.pop();
        }
        if self.forgotten.until.is_some_and(|moment| moment <= until) {
            self.forgotten = Forgotten::default();
        }
    }

    /// Makes room for one more request.
    fn forget_first(&mut self) {
        let (number, wanted) = (self.window.first, self.wanted);
        let Some(open) = self.pop() else { return };
        self.waiting -= usize::from(open.wants(wanted));
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.remove(&(open.deadline, number));
        }
        let forgotten = &mut self.forgotten;
        if forgotten.until.is_none() {
            forgotten.first = number;
        }
        forgotten.until = forgotten.until.max(Some(open.deadline));
        forgotten.unmatched += u64::from(open.is_unknown() && open.matched.is_none());
    }

    /// Takes the oldest request off, wherever it is listed.
    fn pop(&mut self) -> Option<Open> {
        let open = self.window.open.pop_front()?;
        self.window.first += 1;
        self.pool.forget(&self.window);
        if let Some(pool) = self.alike.get_mut(&open.hash) {
            pool.forget(&self.window);
            if pool.all.0.is_empty() {
                self.alike.remove(&open.hash);
            }
        }
        if let State::Answered(hash) = open.state
            && let Some(line) = self.answered_by.get_mut(&hash)
        {
            line.forget(&self.window);
            if line.0.is_empty() {
                self.answered_by.remove(&hash);
            }
        }
        Some(open)
    }

    fn hash_of(&mut self, payload: &Arc<[u8]>) -> u64 {
        if let Some((last, hash)) = &self.hashed
            && Arc::ptr_eq(last, payload)
        {
            return *hash;
        }
        let hash = self.hash.hash_one(&**payload);
        self.hashed = Some((Arc::clone(payload), hash));
        hash
    }

    /// What an answer is, as far as that can be known.
    fn kind(&mut self, arrival: Instant, hash: u64, payload: &[u8]) -> Kind {
        let (window, heard) = (&self.window, self.heard);
        let sent = self.alike.get_mut(&hash).and_then(|pool| pool.all.ends(window, arrival, |open| open.lasts(heard)));
        let is_same = sent.and_then(|(first, _)| window.get(first)).is_some_and(|open| *open.payload == *payload);
        self.echo = match self.echo {
            _ if !is_same => Echo::Unknown,
            Echo::Unknown => Echo::Once(hash),
            Echo::Once(before) if before != hash => Echo::Yes,
            echo => echo,
        };
        match self.echo {
            Echo::Unknown => Kind::Other,
            Echo::Once(_) => Kind::LikeEcho(hash),
            Echo::Yes => Kind::Echo(hash),
        }
    }

    /// The oldest and the newest request that an answer may be to.
    fn candidates(&mut self, arrival: Instant, hash: u64, kind: Kind) -> Option<(u64, u64)> {
        let (window, heard) = (&self.window, self.heard);
        if let Kind::Echo(hash) = kind {
            let may_be = |open: &Open| open.lasts(heard) && !matches!(open.state, State::Refused | State::Closed);
            return self.alike.get_mut(&hash)?.all.ends(window, arrival, may_be);
        }
        let unknown = self.pool.all.ends(window, arrival, Open::is_unknown);
        // Of those that were answered: this may be a copy of the answer. Where a request may get several, all are unknown.
        let same =
            self.answered_by.get_mut(&hash).and_then(|line| line.ends(window, arrival, |open| open.lasts(heard)));
        match (unknown, same) {
            (Some((first, last)), Some((oldest, newest))) => Some((first.min(oldest), last.max(newest))),
            (one, other) => one.or(other),
        }
    }

    /// Credits the one request that an answer can be to.
    fn certain(&mut self, number: u64, arrival: Instant, hash: u64) -> ReplyTo {
        let wanted = self.wanted;
        let Some(open) = self.window.get_mut(number) else { return ReplyTo::Unmatched };
        if let State::Answered(_) = open.state {
            return ReplyTo::Copy;
        }
        let had_wanted = open.wants(wanted);
        open.replies += 1;
        self.waiting -= usize::from(had_wanted && !open.wants(wanted));
        if self.is_exclusive {
            open.state = State::Answered(hash);
            let line = self.answered_by.entry(hash).or_default();
            let place = line.0.partition_point(|other| *other < number);
            line.0.insert(place, number);
        }
        // The answer to a request that was sent again may be to either sending (Karn's rule).
        let rtt = (open.retry == 0).then(|| arrival.saturating_duration_since(open.sent_at));
        self.usual = rtt.or(self.usual);
        // An unclear answer that this one was thought to have is then another's.
        match open.matched.replace(arrival) {
            None => self.answered += 1,
            Some(earlier) if self.is_exclusive => {
                self.answered += u64::from(self.match_oldest(earlier, None) || self.deadlines.is_some());
            }
            Some(_) => {}
        }
        ReplyTo::Request(Request { number, rtt })
    }

    /// Credits one of several requests: the oldest for the number of those that were answered, which makes it as large as
    /// it can be; and the likeliest for what is waited for. Where it looks like an echo, those that it looks like come first.
    fn unclear(&mut self, candidates: (u64, u64), arrival: Instant, kind: Kind, is_doubted: bool) -> ReplyTo {
        let was_forgotten = is_doubted && self.forgotten.unmatched > 0;
        let is_matched = was_forgotten || kind.pools().any(|echo| self.match_oldest(arrival, echo));
        self.forgotten.unmatched -= u64::from(was_forgotten);
        // Where requests are sent again, another may count as answered in the place of one of them.
        self.answered += u64::from(is_matched || self.deadlines.is_some());
        let (first, last) = (if is_doubted { self.forgotten.first } else { candidates.0 }, candidates.1);
        if let Some(pool) = pool(&mut self.pool, &mut self.alike, kind.certain()) {
            pool.blur(arrival, first, last);
        }
        let likely = kind.pools().find_map(|echo| self.likely(arrival, last, echo));
        let is_surplus = !is_matched && likely.is_none() && self.deadlines.is_none();
        if is_surplus && self.is_exclusive {
            return ReplyTo::Copy;
        }
        ReplyTo::OneOf(OneOf { first, last, likely: likely.flatten().filter(|_| !is_doubted) })
    }

    /// Credits the likeliest request that wants an answer; `None` if none does. Returns it if there is no other.
    fn likely(&mut self, arrival: Instant, last: u64, echo: Option<u64>) -> Option<Option<(u64, Duration)>> {
        let wanted = self.wanted;
        let pool = pool(&mut self.pool, &mut self.alike, echo)?;
        let (oldest, newest) = pool.wanting.ends(&self.window, arrival, |open| open.wants(wanted))?;
        // While answers were unclear before, one that is left over by them is no likelier than another.
        let is_likely = oldest == newest && (echo.is_some() || newest > self.blurred);
        if !is_likely {
            self.blurred = self.blurred.max(last);
        }
        let wants = |open: &Open| open.wants(wanted) && open.covers(arrival);
        // Where none is sent again, they are in the order of the times at which they were sent.
        let most = if self.deadlines.is_some() { MAX_COMPARED } else { 1 };
        let moment = self.usual.and_then(|usual| arrival.checked_sub(usual));
        let number = moment.and_then(|moment| pool.wanting.nearest(&self.window, moment, most, wants));
        let open = self.window.get_mut(number.unwrap_or(oldest))?;
        open.replies += 1;
        self.waiting -= usize::from(!open.wants(wanted));
        let rtt = (is_likely && open.retry == 0).then(|| arrival.saturating_duration_since(open.sent_at));
        self.usual = rtt.or(self.usual);
        Some(rtt.map(|rtt| (newest, rtt)))
    }

    /// Counts the oldest request that an answer can be to as answered; false if there is none.
    fn match_oldest(&mut self, arrival: Instant, echo: Option<u64>) -> bool {
        let pool = pool(&mut self.pool, &mut self.alike, echo);
        let is_unmatched = |open: &Open| open.is_unknown() && open.matched.is_none();
        let Some((oldest, _)) = pool.and_then(|pool| pool.unmatched.ends(&self.window, arrival, is_unmatched)) else {
            return false;
        };
        if let Some(open) = self.window.get_mut(oldest) {
            open.matched = Some(arrival);
        }
        true
    }
}

/// The requests that an answer may be to: of one payload, or all.
fn pool<'a>(all: &'a mut Pool, alike: &'a mut HashMap<u64, Pool>, echo: Option<u64>) -> Option<&'a mut Pool> {
    match echo {
        Some(hash) => alike.get_mut(&hash),
        None => Some(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1);
    const INTERVAL: Duration = Duration::from_micros(50);

    /// Sends requests, the payload of each made of its number, and answers each at once unless it is left out; returns how
    /// many requests were looked at for each.
    fn looks(retries: bool, payload: fn(u64) -> Vec<u8>, answer: fn(u64) -> Option<Vec<u8>>) -> u64 {
        const REQUESTS: u64 = 20_000;
        let mut matching = Matching::new(1, false, retries);
        let mut now = crate::clock::now();
        for number in 1..=REQUESTS {
            now += INTERVAL;
            while let Some((late, _)) = matching.expired(now) {
                if retries {
                    matching.again(late, now, now + 100 * WAIT);
                } else {
                    matching.give_up(late);
                }
            }
            matching.forget(now);
            let first = if retries { now + WAIT / 10 } else { now + WAIT };
            matching.sent(payload(number).into(), number, now, first);
            if let Some(answer) = answer(number) {
                matching.answer(now + INTERVAL / 2, &answer);
            }
            matching.first_due();
        }
        matching.window.looks.get() / REQUESTS
    }

    #[test]
    fn a_request_that_an_answer_may_be_to_is_not_named_though_a_later_answer_cannot_be_to_it() {
        let mut matching = Matching::new(1, false, true);
        let now = crate::clock::now();
        for number in 1..=3 {
            matching.sent(b"x".as_slice().into(), number, now, now + WAIT);
        }
        for number in 1..=2 {
            matching.again(number, now, now + 4 * WAIT);
        }
        for after in [WAIT / 2, 2 * WAIT] {
            assert!(matches!(matching.answer(now + after, b"y"), ReplyTo::OneOf(_)));
        }
        assert_eq!(matching.give_up(3), Some((1, 3)), "the first answer may be to it");
    }

    #[test]
    fn an_answer_costs_the_same_however_many_requests_are_open() {
        let same = |_: u64| b"x".to_vec();
        let two = |number: u64| vec![u8::try_from(number % 2).unwrap()];
        let each = |number: u64| number.to_be_bytes().to_vec();
        let always = |_: u64| Some(b"y".to_vec());
        let but_one = |number: u64| (number != 100).then(|| b"y".to_vec());
        let echo_but_one = |number: u64| (number != 100).then(|| number.to_be_bytes().to_vec());
        let two_but_one = |number: u64| (number != 100).then(|| vec![u8::try_from(number % 2).unwrap()]);
        for (name, looks) in [
            ("certain", looks(false, each, |number| Some(number.to_be_bytes().to_vec()))),
            ("alike", looks(false, same, always)),
            ("one lost", looks(false, same, but_one)),
            ("an echo, one lost", looks(false, each, echo_but_one)),
            ("sent again", looks(true, same, but_one)),
            ("an echo, sent again", looks(true, each, echo_but_one)),
            ("two echoes, sent again", looks(true, two, two_but_one)),
        ] {
            assert!(looks <= 2 * MAX_COMPARED as u64, "{name}: {looks} requests for an answer");
        }
    }
}
