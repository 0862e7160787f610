//! `replay`: sends the datagrams of a capture again, each at its time, with a socket for each source.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::common::{Ending, Limits, is_from, later};
use super::timetable::{ReplayPace, Timetable};
use crate::datagram::{Datagram, Meta, SendFailure, Transmit};
use crate::engine::{Engine, Next, Outbox};
use crate::error::Result;
use crate::event::{Event, Reason, Report};
use crate::unreachable::Unreachable;

/// A datagram that was captured, and is to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayDatagram {
    /// Its number, which comes back when it is sent ([`Event::Sent`]): whoever reads the capture knows by it which one was.
    pub number: u64,
    /// When it was captured, after any moment that is the same for the whole capture.
    pub at: Duration,
    /// Who sent it then.
    pub source: SocketAddr,
    /// Where it went then.
    pub destination: SocketAddr,
    /// Its payload, whole.
    pub payload: Vec<u8>,
}

/// What reading a capture yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The next datagram.
    Ready(T),
    /// Nothing at this moment; there may be more later.
    NotYet,
    /// Nothing more, ever.
    End,
}

impl<T> From<Option<T>> for Reading<T> {
    fn from(next: Option<T>) -> Self {
        next.map_or(Self::End, Self::Ready)
    }
}

/// A capture that is read from its beginning to its end, once.
pub trait Recording {
    /// The next datagram that is to be sent.
    ///
    /// # Errors
    ///
    /// What keeps the rest from being read; it is not asked again after that.
    fn read(&mut self) -> Result<Reading<ReplayDatagram>>;
}

/// An iterator has every datagram ready.
impl<I: Iterator<Item = Result<ReplayDatagram>>> Recording for I {
    fn read(&mut self) -> Result<Reading<ReplayDatagram>> {
        Ok(self.next().transpose()?.into())
    }
}

/// What `replay` is asked for.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// Where everything goes.
    pub transmit: Transmit,
    /// Whether the port is that of each datagram's destination in the capture, instead of that of `transmit`.
    pub keeps_ports: bool,
    /// The speed, a fixed rate, or as fast as it goes.
    pub pace: ReplayPace,
    /// The longest pause between two datagrams, as it would be at this pace; a longer one is made so long. Only where
    /// the pace is as recorded.
    pub longest_gap: Option<Duration>,
    /// How many times the whole capture is sent, each time beginning when the last datagram was due; `None`: without end.
    pub rounds: Option<u64>,
    /// When to end before that: after so many datagrams sent, or that long.
    pub limits: Limits,
    /// How long answers are awaited after the last datagram; zero: not at all.
    pub wait: Duration,
    /// Take answers from any address and port: needed where a broadcast or multicast is answered.
    pub any_source: bool,
    /// The addresses of the sockets it is driven with.
    pub own: Vec<SocketAddr>,
    /// How long before each datagram to watch the clock instead of sleeping ([`Engine::precision`]). Nothing else is heard of
    /// meanwhile.
    pub busy_wait: Duration,
    /// Whether to tell of each datagram sent ([`Event::Sent`]).
    pub verbose: bool,
}

impl ReplayOptions {
    /// A busy wait that is long enough for the system to wake up in.
    pub const BUSY_WAIT: Duration = Duration::from_micros(100);

    /// Once, as recorded, to this address.
    #[must_use]
    pub fn new(destination: SocketAddr) -> Self {
        Self {
            transmit: Transmit::to(destination),
            keeps_ports: false,
            pace: ReplayPace::Recorded { speed: 1.0 },
            longest_gap: None,
            rounds: Some(1),
            limits: Limits::default(),
            wait: Duration::ZERO,
            any_source: false,
            own: Vec::new(),
            busy_wait: Self::BUSY_WAIT,
            verbose: false,
        }
    }
}

/// Which socket each source of a capture sends by: one for each, in order of appearance, while there are any left.
///
/// A program that reads a capture twice fills one first, opens a socket for each source, perhaps at its port, and hands it
/// to [`Replay::new`]; one that cannot opens some sockets and begins with an empty one.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Sources that have a socket, and its place.
    places: HashMap<SocketAddr, usize>,
    /// The same, by place. Never more than `sockets`.
    order: Vec<SocketAddr>,
    sockets: usize,
    hash: RandomState,
}

impl Sources {
    /// For so many sockets; at least one.
    #[must_use]
    pub fn new(sockets: usize) -> Self {
        Self { places: HashMap::new(), order: Vec::new(), sockets: sockets.max(1), hash: RandomState::new() }
    }

    /// The place of the socket that this source sends by. Where all have their source, it shares that of another, always
    /// the same one.
    pub fn via(&mut self, source: SocketAddr) -> usize {
        self.place(source).0
    }

    /// The sources that have a socket of their own, in the order of the sockets.
    #[must_use]
    pub fn owners(&self) -> &[SocketAddr] {
        &self.order
    }

    /// The place of a source's socket, and whether it is shared.
    #[expect(clippy::cast_possible_truncation, reason = "any place is as good")]
    fn place(&mut self, source: SocketAddr) -> (usize, bool) {
        if let Some(place) = self.places.get(&source) {
            return (*place, false);
        }
        let place = self.order.len();
        if place == self.sockets {
            return (self.hash.hash_one(source) as usize % self.sockets, true);
        }
        self.places.insert(source, place);
        self.order.push(source);
        (place, false)
    }
}

/// The most datagrams that are read before they are due: what they hold is less than 4 MiB.
const AHEAD: usize = 64;
/// How long after there was nothing to read yet it is tried again; twice as long each time that there is still nothing, up to
/// the second.
const ASK_AGAIN: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(5)];
/// Datagrams read by one call of `tick` while others wait for their time, so that none of them is late for it.
const READ_AT_ONCE: usize = 8;

/// A datagram that waits for its time.
#[derive(Debug)]
struct Planned {
    number: u64,
    /// After the first of all.
    due: Duration,
    via: usize,
    /// Whether the socket is that of another source.
    shared: bool,
    transmit: Transmit,
    payload: Vec<u8>,
}

/// The engine of `replay`.
///
/// The capture is read while it is sent, so it may be of any length, by whoever drives this engine, shortly after each
/// sending: a capture that makes it wait delays what is due.
pub struct Replay<F, R> {
    options: ReplayOptions,
    sources: Sources,
    open: F,
    /// The rest of the round under way.
    capture: Option<R>,
    /// Whether the round under way had a datagram yet.
    round_has_any: bool,
    /// Rounds that were not begun; `None` is without end.
    rounds_left: Option<u64>,
    /// What is read and not sent, in order.
    ahead: VecDeque<Planned>,
    timetable: Timetable,
    /// When the first of all was due.
    origin: Option<Instant>,
    ticked: Option<Instant>,
    /// When to read on, where there was nothing yet.
    asks_again: Option<Instant>,
    /// How long after that, if there is nothing then.
    patience: Duration,
    /// Datagrams sent, or tried to be.
    made: u64,
    ending: Ending,
    /// When answers are no longer awaited.
    ends: Option<Instant>,
    done: bool,
    failure: Option<crate::Error>,
    report: Report,
}

impl<F, R> Replay<F, R>
where
    F: FnMut() -> Result<R>,
    R: Recording,
{
    /// An engine with these options that sends what `open` gives: once for each round, the whole capture. It is to be
    /// driven with as many sockets as `sources` is for.
    ///
    /// A recording that has nothing [yet](Reading::NotYet) is asked again some milliseconds later. One that cannot be opened or
    /// read ends it, after all that stands before; [`failure`](Self::failure) says why.
    #[must_use]
    pub fn new(options: ReplayOptions, sources: Sources, open: F) -> Self {
        Self {
            timetable: Timetable::new(options.pace, options.longest_gap),
            ending: Ending::new(options.limits),
            rounds_left: options.rounds,
            options,
            sources,
            open,
            capture: None,
            round_has_any: true,
            ahead: VecDeque::with_capacity(AHEAD),
            origin: None,
            ticked: None,
            asks_again: None,
            patience: ASK_AGAIN[0],
            made: 0,
            ends: None,
            done: false,
            failure: None,
            report: Report::default(),
        }
    }

    /// Why the capture could not be sent to its end, if it could not be read.
    #[must_use]
    pub fn failure(&self) -> Option<&crate::Error> {
        self.failure.as_ref()
    }

    /// Sends what is due by now, in order among sockets. Where it is to be told how late each was, as far as it leaves by one
    /// socket: what another sends after it has a time of its own. False if nothing is due.
    fn send_due(&mut self, now: Instant, out: &mut impl Outbox) -> bool {
        let is_paced = self.options.pace != ReplayPace::Unpaced;
        let mut last = None;
        while !self.ending.over
            && let Some(due) = self.first_due(now).filter(|due| *due <= now)
            && let Some(Planned { via, .. }) = self.ahead.front()
            && (!is_paced || *last.get_or_insert(*via) == *via)
            && let Some(planned) = self.ahead.pop_front()
        {
            if is_paced {
                self.report.lateness.add(now - due);
            }
            if let Some(before) = last.replace(planned.via).filter(|before| *before != planned.via) {
                out.settle(before);
            }
            self.send(&planned, out);
        }
        last.is_some()
    }

    fn send(&mut self, planned: &Planned, out: &mut impl Outbox) {
        let Planned { number, via, shared, transmit, payload, .. } = planned;
        out.send(*via, transmit, payload);
        self.made += 1;
        self.ending.count(self.made);
        self.report.sent.add(1, payload.len());
        self.report.sources_shared += u64::from(*shared);
        if self.options.verbose {
            out.emit(Event::Sent { transmit: *transmit, payload, request: *number, retry: 0 });
        }
    }

    fn plan(&mut self, datagram: ReplayDatagram) -> Planned {
        let due = self.timetable.due(datagram.at, datagram.payload.len());
        let (via, shared) = self.sources.place(datagram.source);
        let mut transmit = self.options.transmit;
        if self.options.keeps_ports {
            transmit.destination.set_port(datagram.destination.port());
        }
        Planned { number: datagram.number, due, via, shared, transmit, payload: datagram.payload }
    }

    /// When the first of those that wait is due; the first of all is due when it was read.
    fn first_due(&mut self, now: Instant) -> Option<Instant> {
        let first = self.ahead.front()?;
        Some(later(*self.origin.get_or_insert(now), first.due))
    }

    /// Reads on, so that what is due next is known before it is due.
    fn read(&mut self, now: Instant) {
        if self.asks_again.is_some_and(|moment| moment > now) {
            return;
        }
        self.asks_again = None;
        for count in 0.. {
            let enough = self.ahead.back().is_some_and(|last| {
                let waits = self.origin.is_none_or(|origin| later(origin, last.due) > now);
                self.ahead.len() >= AHEAD || waits && count >= READ_AT_ONCE
            });
            if enough || self.is_read() {
                return;
            }
            match self.read_one() {
                Ok(Reading::Ready(datagram)) => {
                    self.patience = ASK_AGAIN[0];
                    let planned = self.plan(datagram);
                    self.ahead.push_back(planned);
                }
                // The next round may have more.
                Ok(Reading::End) => {}
                Ok(Reading::NotYet) => {
                    self.asks_again = Some(later(now, self.patience));
                    self.patience = (self.patience * 2).min(ASK_AGAIN[1]);
                    return;
                }
                Err(error) => {
                    self.failure = Some(error);
                    (self.capture, self.rounds_left) = (None, Some(0));
                }
            }
        }
    }

    /// The next datagram of the round under way, or its end; begins the next one where none is.
    fn read_one(&mut self) -> Result<Reading<ReplayDatagram>> {
        let Some(capture) = &mut self.capture else {
            // Without this a capture of nothing would be read for ever.
            if !self.round_has_any {
                self.rounds_left = Some(0);
                return Ok(Reading::End);
            }
            self.capture = Some((self.open)()?);
            self.round_has_any = false;
            self.rounds_left = self.rounds_left.map(|rounds| rounds - 1);
            self.timetable.begin_again();
            return Ok(Reading::End);
        };
        let next = capture.read()?;
        match next {
            Reading::Ready(_) => self.round_has_any = true,
            Reading::NotYet => {}
            Reading::End => self.capture = None,
        }
        Ok(next)
    }

    /// Whether all that is to be sent was read.
    fn is_read(&self) -> bool {
        self.ending.over || self.capture.is_none() && self.rounds_left == Some(0)
    }

    /// Whether all was sent that is to be.
    fn is_sent(&self) -> bool {
        self.ending.over || self.is_read() && self.ahead.is_empty()
    }

    /// Why a datagram is not taken as an answer.
    fn unwanted(&self, meta: &Meta) -> Option<Reason> {
        if self.options.own.iter().any(|own| is_from(own, meta)) {
            return Some(Reason::OwnCopy);
        }
        let wanted = self.options.transmit.destination;
        let port = self.options.keeps_ports || meta.source.port() == wanted.port();
        if !self.options.any_source && (meta.source.ip() != wanted.ip() || !port) {
            return Some(Reason::OtherSource);
        }
        self.done.then_some(Reason::AfterEnd)
    }
}

impl<F, R> Engine for Replay<F, R>
where
    F: FnMut() -> Result<R>,
    R: Recording,
{
    fn receive(&mut self, _now: Instant, via: usize, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        if let Some(reason) = self.unwanted(datagram.meta) {
            self.report.ignored.add(reason, 1);
            out.emit(Event::Ignored { meta: datagram.meta, reason, count: 1 });
            return;
        }
        self.report.delivered += 1;
        out.emit(Event::Reply { via, datagram: *datagram, request: None, rtt: None });
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        self.ticked = Some(now);
        self.ending.tick(now);
        // What was sent leaves before more is read.
        if !self.send_due(now, out) {
            self.read(now);
        }
        if self.ends.is_none() && self.is_sent() {
            self.ends = Some(later(now, self.options.wait));
        }
        self.done |= self.ends.is_some_and(|ends| now >= ends);
    }

    fn next(&self) -> Next {
        if self.done {
            return Next::Done;
        }
        if let Some(ends) = self.ends {
            return Next::At(ends);
        }
        let reads = self.asks_again.or(self.ticked).filter(|_| self.ahead.len() < AHEAD && !self.is_read());
        let due = self.origin.or(self.ticked).zip(self.ahead.front()).map(|(origin, first)| later(origin, first.due));
        match ([reads, due].into_iter().flatten().min(), self.ending.next()) {
            (Some(moment), Next::At(deadline)) => Next::At(moment.min(deadline)),
            (Some(moment), Next::Datagram | Next::Done) => Next::At(moment),
            (None, next) => next,
        }
    }

    fn precision(&self) -> Option<Duration> {
        (self.options.pace != ReplayPace::Unpaced).then_some(self.options.busy_wait)
    }

    fn unreachable(&mut self, _now: Instant, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        out.emit(Event::Unreachable { unreachable });
    }

    fn failed(&mut self, _now: Instant, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        out.emit(Event::SendFailed { failure });
    }

    fn report(&self) -> Report {
        let Timetable { gaps_shortened, times_decreasing, .. } = self.timetable;
        Report { gaps_shortened, times_decreasing, ..self.report.clone() }
    }
}
