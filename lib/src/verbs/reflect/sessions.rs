//! The sessions that are remembered: a bounded number, in bounded memory, the ones that are silent for longest forgotten first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::arrivals::Arrivals;
use crate::socket_id::SocketId;
use crate::stamp::{Counters, Previous, Purpose};

/// Entries of sessions that are gone which are kept at most, besides as many as there are sessions.
const SPARE: usize = 64;
/// Bytes that the windows of sessions may take for each session that may be remembered: all sessions of a kind share them.
const WINDOW_BYTES: usize = 1024;
/// The fewest bytes that the windows of all sessions of a kind may take: more than a single one ever does.
const LEAST_WINDOW_BYTES: usize = 64 << 10;

/// What a session is (RFC 8972, section 3): an address and port, which of ours it asked, and its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) via: SocketId,
    pub(super) source: SocketAddr,
    pub(super) local: Option<IpAddr>,
    pub(super) ssid: u16,
    pub(super) is_authenticated: bool,
}

/// How well a session is protected from those that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One request came, whose source may be forged.
    Once,
    /// Several requests came.
    More,
    /// Its requests hold a digest that verifies.
    Authenticated,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Once, Self::More, Self::Authenticated];
}

/// Which requests of a session arrived. Most sources of a flood send one, so the first needs no window.
#[derive(Clone, Debug)]
enum Window {
    Empty,
    One(u32),
    Many(Box<Arrivals>),
}

/// Where a session is in the table. Another one may have its row later; a name is of one session alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    row: u32,
    number: u64,
}

/// A session, and what was counted of it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    key: Key,
    /// How many sessions there were before it.
    number: u64,
    /// When something came of it last.
    heard: Instant,
    window: Window,
    /// At random: a sender sees by it that its counters began anew.
    epoch: u64,
    /// Since when nothing was forgotten that may have been of it.
    known_since: Instant,
    /// The number of the next reply.
    pub(super) next_sequence: u32,
    /// Replies sent; those that failed are not among them.
    pub(super) replies: u64,
    /// Requests that got no reply.
    pub(super) unanswered: u64,
    /// Requests that want none, and are counted in nothing else.
    pub(super) load: u64,
    /// Bytes of payload of the longest request.
    pub(super) longest: u64,
    /// The last reply of which it is known when it left.
    pub(super) last_sent: Option<Previous>,
}

impl Session {
    fn kind(&self) -> Kind {
        match &self.window {
            _ if self.key.is_authenticated => Kind::Authenticated,
            Window::Many(_) => Kind::More,
            Window::Empty | Window::One(_) => Kind::Once,
        }
    }

    /// Counts a request of this number.
    fn add(&mut self, sequence: u32) {
        match &mut self.window {
            Window::Empty => self.window = Window::One(sequence),
            Window::One(first) => {
                let mut arrivals = Box::<Arrivals>::default();
                for sequence in [*first, sequence] {
                    let _ = arrivals.add(arrivals.extend(sequence));
                }
                self.window = Window::Many(arrivals);
            }
            Window::Many(arrivals) => {
                let _ = arrivals.add(arrivals.extend(sequence));
            }
        }
    }

    fn window_bytes(&self) -> usize {
        match &self.window {
            Window::Many(arrivals) => arrivals.memory(),
            Window::Empty | Window::One(_) => 0,
        }
    }

    /// What was counted up to now.
    pub(super) fn counters(&self, now: Instant) -> Counters {
        let [arrivals, distinct, reordered, too_old] = match &self.window {
            Window::Empty => [0; 4],
            Window::One(_) => [1, 1, 0, 0],
            Window::Many(all) => [all.arrivals(), all.distinct(), all.reordered(), all.too_old()],
        };
        let Self { epoch, replies, unanswered, load, longest, .. } = *self;
        let (purpose, age) = (Purpose::default(), now.saturating_duration_since(self.known_since));
        let (load, longest) = (Some(load), Some(longest));
        Counters { purpose, epoch, arrivals, distinct, reordered, too_old, replies, unanswered, age, load, longest }
    }
}

/// How many sessions there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turnover {
    pub(super) ever: u64,
    pub(super) expired: u64,
    pub(super) evicted: u64,
}

/// All sessions. What they take is bounded: some 300 bytes for each, and 1 KiB on average for the window of those that
/// several requests came of.
#[derive(Debug)]
pub(super) struct Sessions {
    most: usize,
    idle: Duration,
    /// When the table began: nobody knows what came before.
    began: Option<Instant>,
    /// When something came last of a session that was forgotten since: of one that is not authenticated, and of one that is.
    forgotten: [Option<Instant>; 2],
    /// Makes epochs that nobody can guess.
    random: RandomState,
    index: HashMap<Key, u32>,
    rows: Vec<Option<Session>>,
    free: Vec<u32>,
    /// Of each kind: each session by when something came of it when it was put in, which is not later than it really was. Some
    /// entries are of sessions that are gone, or of another kind now.
    by_age: [BinaryHeap<Reverse<(Instant, u32)>>; Kind::ALL.len()],
    /// How many there are of each kind.
    counts: [usize; Kind::ALL.len()],
    /// What the windows of each kind take.
    window_bytes: [usize; Kind::ALL.len()],
    pub(super) turnover: Turnover,
}

impl Sessions {
    /// At most so many, each forgotten once nothing came of it for so long.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Self {
            most: most.max(1),
            idle,
            began: None,
            forgotten: [None; 2],
            random: RandomState::new(),
            index: HashMap::new(),
            rows: Vec::new(),
            free: Vec::new(),
            by_age: Default::default(),
            counts: [0; Kind::ALL.len()],
            window_bytes: [0; Kind::ALL.len()],
            turnover: Turnover::default(),
        }
    }

    /// Nothing that came before the first call is known.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Of them: those whose requests hold a digest that verifies.
    pub(super) fn authenticated(&self) -> usize {
        self.counts[Kind::Authenticated as usize]
    }

    /// The session that something came of now, which is a new one where there was none. `None`: there is no room for it, since
    /// all others are protected from it.
    pub(super) fn hear(&mut self, key: Key, now: Instant) -> Option<Name> {
        if let Some(row) = self.index.get(&key) {
            let row = *row;
            let session = self.rows[row as usize].as_mut()?;
            session.heard = session.heard.max(now);
            return Some(Name { row, number: session.number });
        }
        while self.len() >= self.most {
            let victim = self.victim(key.is_authenticated)?;
            self.remove(victim);
            self.turnover.evicted += 1;
        }
        Some(self.insert(key, now))
    }

    /// Counts a request of this number.
    pub(super) fn count(&mut self, name: Name, sequence: u32) {
        let Some(session) = self.get_mut(name) else { return };
        let (before, bytes_before) = (session.kind(), session.window_bytes());
        session.add(sequence);
        let (kind, bytes, heard) = (session.kind(), session.window_bytes(), session.heard);
        if kind != before {
            self.counts[before as usize] -= 1;
            self.counts[kind as usize] += 1;
            self.put(kind, heard, name.row);
        }
        self.window_bytes[before as usize] -= bytes_before;
        self.window_bytes[kind as usize] += bytes;
        let most = self.most.saturating_mul(WINDOW_BYTES).max(LEAST_WINDOW_BYTES);
        while self.window_bytes[kind as usize] > most {
            match self.oldest(kind) {
                Some((_, row)) if row != name.row => self.remove(row),
                _ => break,
            }
            self.turnover.evicted += 1;
        }
    }

    /// A session, as long as it is remembered.
    pub(super) fn get_mut(&mut self, name: Name) -> Option<&mut Session> {
        let session = self.rows.get_mut(name.row as usize)?.as_mut()?;
        (session.number == name.number).then_some(session)
    }

    /// Forgets those of which nothing came for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.next_expiry().is_none_or(|due| due > now) {
            return;
        }
        for kind in Kind::ALL {
            while let Some((heard, row)) = self.oldest(kind)
                && now.saturating_duration_since(heard) >= self.idle
            {
                self.remove(row);
                self.turnover.expired += 1;
            }
        }
    }

    /// When the next one may be forgotten of which nothing comes; that may be too early.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let first = self.by_age.iter().filter_map(BinaryHeap::peek).map(|Reverse((since, _))| *since).min();
        first.and_then(|since| since.checked_add(self.idle))
    }

    /// Which one goes where another comes and all places are taken. A flood of forged sources, which send one request each, costs
    /// no session of which more came; and those have no more than half of all places, where others come.
    fn victim(&mut self, is_authenticated: bool) -> Option<u32> {
        let mut order = [Kind::Once, Kind::More];
        if self.counts[Kind::More as usize] > self.most / 2 {
            order.reverse();
        }
        let unprotected = order.into_iter().find_map(|kind| self.oldest(kind));
        let authenticated = |it: &mut Self| is_authenticated.then(|| it.oldest(Kind::Authenticated)).flatten();
        unprotected.or_else(|| authenticated(self)).map(|(_, row)| row)
    }

    /// The one of a kind of which nothing came for the longest time, and since when.
    fn oldest(&mut self, kind: Kind) -> Option<(Instant, u32)> {
        let by_age = &mut self.by_age[kind as usize];
        loop {
            let mut first = by_age.peek_mut()?;
            let Reverse((since, row)) = *first;
            match self.rows[row as usize].as_ref().filter(|session| session.kind() == kind) {
                Some(session) if session.heard == since => return Some((since, row)),
                Some(session) => *first = Reverse((session.heard, row)),
                None => {
                    std::collections::binary_heap::PeekMut::pop(first);
                }
            }
        }
    }

    fn insert(&mut self, key: Key, now: Instant) -> Name {
        let number = self.turnover.ever;
        self.turnover.ever += 1;
        let began = *self.began.get_or_insert(now);
        let forgotten = self.forgotten[usize::from(key.is_authenticated)];
        let session = Session {
            key,
            number,
            heard: now,
            window: Window::Empty,
            // Zero is what a sender sends.
            epoch: self.random.hash_one(number).max(1),
            known_since: forgotten.map_or(began, |forgotten| forgotten.max(began)),
            next_sequence: 0,
            replies: 0,
            unanswered: 0,
            load: 0,
            longest: 0,
            last_sent: None,
        };
        let kind = session.kind();
        let row = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            u32::try_from(self.rows.len() - 1).expect("no more rows than sessions, of which there are fewer")
        });
        self.rows[row as usize] = Some(session);
        self.index.insert(key, row);
        self.counts[kind as usize] += 1;
        self.put(kind, now, row);
        Name { row, number }
    }

    /// Puts a session among those of its kind.
    fn put(&mut self, kind: Kind, heard: Instant, row: u32) {
        let by_age = &mut self.by_age[kind as usize];
        by_age.push(Reverse((heard, row)));
        if by_age.len() > 2 * self.counts[kind as usize] + SPARE {
            let rows = self.rows.iter().zip(0..);
            let of_kind = rows.filter_map(|(row, number)| Some((row.as_ref()?, number)));
            let of_kind = of_kind.filter(|(session, _)| session.kind() == kind);
            *by_age = of_kind.map(|(session, number)| Reverse((session.heard, number))).collect();
        }
    }

    fn remove(&mut self, row: u32) {
        let Some(session) = self.rows[row as usize].take() else { return };
        let forgotten = &mut self.forgotten[usize::from(session.key.is_authenticated)];
        *forgotten = (*forgotten).max(Some(session.heard));
        let kind = session.kind() as usize;
        self.counts[kind] -= 1;
        self.window_bytes[kind] -= session.window_bytes();
        self.index.remove(&session.key);
        self.free.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(900);

    fn key(number: u32, is_authenticated: bool) -> Key {
        let source = SocketAddr::from(((0x0a00_0000 + number).to_be_bytes(), 50_000));
        Key { via: SocketId::first(0), source, local: None, ssid: 1, is_authenticated }
    }

    /// Takes so many requests of a session.
    fn hear(sessions: &mut Sessions, key: Key, now: Instant, requests: u32) -> Option<Name> {
        let mut name = None;
        for sequence in 0..requests {
            name = sessions.hear(key, now);
            sessions.count(name?, sequence);
        }
        name
    }

    #[test]
    fn a_flood_of_single_requests_takes_no_more_than_a_row_each_and_none_of_who_sends_more() {
        let (start, most) = (crate::clock::now(), 100);
        let mut sessions = Sessions::new(most, IDLE);
        let busy = hear(&mut sessions, key(0, false), start, 2).unwrap();
        for number in 1..5000 {
            hear(&mut sessions, key(number, false), start + Duration::from_millis(number.into()), 1).unwrap();
        }
        assert_eq!((sessions.len(), sessions.rows.len()), (most, most));
        assert!(sessions.get_mut(busy).is_some());
        let [once, more, authenticated] = sessions.window_bytes;
        assert_eq!((once, authenticated), (0, 0));
        assert!((1..1024).contains(&more), "{more}");
        assert_eq!(sessions.turnover, Turnover { ever: 5000, expired: 0, evicted: 4900 });
        assert!(size_of::<Option<Session>>() <= 256, "{}", size_of::<Session>());
    }

    #[test]
    fn those_of_whom_more_came_keep_half_of_the_places_from_others_and_no_more() {
        let start = crate::clock::now();
        let mut sessions = Sessions::new(100, IDLE);
        for number in 0..100 {
            hear(&mut sessions, key(number, false), start + Duration::from_millis(number.into()), 2);
        }
        for number in 100..150 {
            hear(&mut sessions, key(number, false), start + Duration::from_secs(1), 1);
        }
        assert_eq!(sessions.counts, [50, 50, 0]);
        for number in 150..1000 {
            hear(&mut sessions, key(number, false), start + Duration::from_secs(2), 1);
        }
        assert_eq!(sessions.counts, [50, 50, 0]);
        // It was the oldest who went.
        assert!((0..50).all(|number| !sessions.index.contains_key(&key(number, false))));
        assert!((50..100).all(|number| sessions.index.contains_key(&key(number, false))));
    }

    #[test]
    fn authenticated_sessions_make_room_for_each_other_alone() {
        let start = crate::clock::now();
        let mut sessions = Sessions::new(10, IDLE);
        hear(&mut sessions, key(99, false), start, 2);
        for number in 0..10 {
            hear(&mut sessions, key(number, true), start + Duration::from_millis(number.into()), 1).unwrap();
        }
        assert_eq!((sessions.authenticated(), sessions.counts[Kind::More as usize]), (10, 0));
        assert_eq!(sessions.hear(key(100, false), start + Duration::from_secs(1)), None);
        // What comes of the oldest saves it.
        let first = sessions.hear(key(0, true), start + Duration::from_secs(1)).unwrap();
        hear(&mut sessions, key(10, true), start + Duration::from_secs(2), 1).unwrap();
        assert!(sessions.get_mut(first).is_some() && !sessions.index.contains_key(&key(1, true)));
    }

    #[test]
    fn a_session_is_forgotten_once_nothing_came_of_it_for_so_long_and_begins_anew() {
        let start = crate::clock::now();
        let mut sessions = Sessions::new(10, IDLE);
        let first = hear(&mut sessions, key(0, false), start, 3).unwrap();
        let epoch = sessions.get_mut(first).unwrap().epoch;
        hear(&mut sessions, key(1, false), start + IDLE / 2, 1).unwrap();
        assert_eq!(sessions.next_expiry(), Some(start + IDLE));
        sessions.expire(start + IDLE - Duration::from_nanos(1));
        assert_eq!(sessions.len(), 2);
        sessions.expire(start + IDLE);
        assert_eq!((sessions.len(), sessions.turnover.expired), (1, 1));
        let again = hear(&mut sessions, key(0, false), start + IDLE, 1).unwrap();
        assert!(sessions.get_mut(first).is_none());
        let counters = sessions.get_mut(again).unwrap().counters(start + IDLE * 2);
        assert!(counters.epoch != epoch && (counters.arrivals, counters.distinct) == (1, 1));
        // What was forgotten came at the start, and what came after it is known.
        assert_eq!(counters.age, IDLE * 2);
    }

    #[test]
    fn a_session_is_as_old_as_the_table_unless_one_that_may_have_been_it_was_forgotten_since() {
        let start = crate::clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let age = |sessions: &mut Sessions, key, now| {
            let name = hear(sessions, key, now, 1).unwrap();
            sessions.get_mut(name).unwrap().counters(now).age.as_secs()
        };
        let mut sessions = Sessions::new(2, IDLE);
        sessions.begin(start);
        sessions.begin(at(1));
        assert_eq!(age(&mut sessions, key(0, false), at(7)), 7);
        assert_eq!(age(&mut sessions, key(1, true), at(8)), 8);
        // That of 7 s goes, and is no authenticated one.
        assert_eq!(age(&mut sessions, key(2, true), at(9)), 9);
        assert_eq!(age(&mut sessions, key(3, true), at(10)), 10 - 8);
        assert_eq!(age(&mut sessions, key(2, true), at(11)), 11);
        let mut sessions = Sessions::new(1, IDLE);
        sessions.begin(start);
        hear(&mut sessions, key(0, false), at(7), 1).unwrap();
        assert_eq!(age(&mut sessions, key(1, false), at(9)), 9 - 7);
    }

    #[test]
    fn windows_take_no_more_than_their_share_together() {
        let (start, most) = (crate::clock::now(), 100);
        let mut sessions = Sessions::new(most, IDLE);
        for number in 0..100 {
            // Enough for the longest window.
            hear(&mut sessions, key(number, false), start + Duration::from_secs(number.into()), 5000).unwrap();
            assert!(sessions.window_bytes.iter().sum::<usize>() <= most * WINDOW_BYTES);
        }
        assert!(sessions.turnover.evicted > 0 && sessions.len() >= most / 10, "{:?}", sessions.turnover);
        assert!(sessions.index.contains_key(&key(99, false)));
    }

    #[test]
    fn entries_of_sessions_that_are_gone_do_not_pile_up() {
        let start = crate::clock::now();
        let mut sessions = Sessions::new(8, IDLE);
        for number in 0..20_000u32 {
            let now = start + IDLE / 10 * number;
            sessions.expire(now);
            hear(&mut sessions, key(number % 30, number % 3 == 0), now, 1 + number % 3);
            for kind in Kind::ALL {
                assert!(sessions.by_age[kind as usize].len() <= 2 * sessions.counts[kind as usize] + SPARE + 8);
            }
        }
    }
}
