//! `reflect`: the far end of `measure`, a Session-Reflector (STAMP, RFC 8762 and RFC 8972) that keeps sessions.

mod figures;
mod options;
mod sent;
mod sessions;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

pub use figures::ReflectFigures;
pub use options::{ReflectInput, ReflectKeys, ReflectOptions};

use self::sent::{SentReplies, SentReply};
use self::sessions::{Key, Name, Sessions};
use super::common::{Ending, Gate, is_other_destination};
use crate::conduct::Guard;
use crate::datagram::{Datagram, Meta, SendFailure, Transmit};
use crate::engine::{Closed, Engine, Next, Outbox};
use crate::error::Error;
use crate::event::{Answered, Event, IgnoredDatagrams, Reason, Refusal, SendFailed};
use crate::feedback::SendTime;
use crate::interface::Interfaces;
use crate::rate_limit::RateLimiter;
use crate::report::Report;
use crate::socket_id::SocketId;
use crate::stamp::{self, Counters, Facts, Previous, Purpose, Request, TimestampMethod, Tlvs, WrongPacket};
use crate::unreachable::Unreachable;

/// Stands for all sources together, where one limit is for all.
const ALL: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The engine of `reflect`.
///
/// Every request is answered with a reply of its length, and a session's replies have numbers of their own, so that a sender can tell in
/// which direction something was lost. What is counted in a session is in the reply to those who ask
/// ([`Counters`]).
///
/// ```
/// use udpkit::Socket;
/// use udpkit::stamp::Key;
/// use udpkit::verbs::{Reflect, ReflectKeys, ReflectOptions};
///
/// # fn main() -> udpkit::Result<()> {
/// let options = ReflectOptions::new(Vec::new()).keys(ReflectKeys::default().with_any(Key::new(b"correct horse battery staple")));
/// let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &options.socket_options())?;
/// let engine = Reflect::new(options.own([socket.local_address()]));
/// # let _ = engine;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reflect {
    options: ReflectOptions,
    /// Those of now, which a request that is looked at holds on to.
    keys: Arc<ReflectKeys>,
    guard: Guard,
    /// On the replies to all together.
    limiter: Option<RateLimiter>,
    gate: Gate,
    ending: Ending,
    sessions: Sessions,
    sent: SentReplies,
    /// Key of the hashes by which peers are counted.
    random: RandomState,
    /// Where replies are made.
    scratch: Vec<u8>,
    report: Report<ReflectFigures>,
}

/// A request, read.
struct Question<'a> {
    request: Request,
    tlvs: Tlvs<'a>,
    purpose: Purpose,
}

impl<'a> Question<'a> {
    /// Reads a request, which must be authentic where there are keys.
    fn read(payload: &'a [u8], keys: &'a ReflectKeys, twamp_light: bool) -> Result<Self, Reason> {
        let read = if keys.is_empty() && twamp_light {
            Request::read_twamp_light(payload)
        } else if keys.is_empty() {
            Request::read(payload, None)
        } else {
            let ssid = Request::authenticated_ssid(payload).ok_or(Reason::Undersized)?;
            Request::read(payload, Some(keys.of(ssid).ok_or(Reason::UnknownKey)?))
        };
        let (request, tlvs) = read.map_err(|wrong| match wrong {
            WrongPacket::TooShort { .. } => Reason::Undersized,
            WrongPacket::NotAuthentic => Reason::WrongDigest,
        })?;
        let counters = tlvs.requested(stamp::COUNTERS).and_then(Counters::read);
        let purpose = counters.map_or(Purpose::Probe, |counters| counters.purpose);
        Ok(Self { request, tlvs, purpose })
    }
}

impl Reflect {
    /// An engine with these options.
    #[must_use]
    pub fn new(options: ReflectOptions) -> Self {
        Self {
            keys: Arc::new(options.keys.clone()),
            guard: Guard::new(options.conduct, &options.own),
            limiter: options.max_rate.map(RateLimiter::new),
            gate: Gate::new(options.interfaces.clone()),
            ending: Ending::new(options.limits),
            sessions: Sessions::new(options.most_sessions, options.idle),
            sent: SentReplies::default(),
            random: RandomState::new(),
            scratch: Vec::new(),
            report: Report::default(),
            options,
        }
    }

    /// Where the reply to a request goes, whatever it holds.
    fn admit(&self, via: SocketId, datagram: &Datagram<'_>) -> Result<Transmit, Reason> {
        let meta = datagram.meta;
        if !self.gate.admits(meta) {
            return Err(Reason::OtherInterface);
        }
        if is_other_destination(&self.options.destinations, via, meta) {
            return Err(Reason::OtherDestination);
        }
        if datagram.is_truncated() {
            return Err(Reason::Truncated);
        }
        self.guard.source(meta)?;
        Ok(self.guard.reply(meta))
    }

    /// The hop limit of the reply; `None` is the socket's. What may be a reply itself gets fewer hops than it had left, so that two
    /// reflectors, or a reflector and an echo server, do not answer each other for ever.
    fn hop_limit(&self, datagram: &Datagram<'_>, is_authenticated: bool) -> Result<Option<u8>, Reason> {
        let conduct = self.options.conduct;
        if !conduct.break_loops || !Request::may_be_reply(datagram.payload, is_authenticated) {
            return Ok(None);
        }
        let hop_limit = self.guard.hop_limit(datagram.meta)?.unwrap_or(conduct.hop_limit);
        Ok(Some(hop_limit.min(self.options.hop_limit)))
    }

    /// Counts a request in its session, and answers it.
    fn reflect(
        &mut self,
        now: Instant,
        via: SocketId,
        datagram: &Datagram<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), Reason> {
        let transmit = self.admit(via, datagram)?;
        let keys = Arc::clone(&self.keys);
        let question = Question::read(datagram.payload, &keys, self.options.twamp_light)?;
        let meta = datagram.meta;
        let hop_limit = self.hop_limit(datagram, !keys.is_empty())?;
        let transmit = Transmit { hop_limit, ..transmit };
        let (source, local, ssid) = (meta.source, meta.local, question.request.ssid);
        self.sessions.expire(now);
        let session = Key { via, source, local, ssid, is_authenticated: !keys.is_empty() };
        let name = self.sessions.hear(session, now).ok_or(Reason::TooManyPeers)?;
        self.with(name, |session| session.longest = session.longest.max(datagram.wire_len as u64));
        match question.purpose {
            Purpose::Load => {
                self.with(name, |session| session.load += 1);
                self.report.own.load += 1;
                return Ok(());
            }
            Purpose::Probe => self.sessions.count(name, question.request.sequence),
            Purpose::Closing => {}
        }
        if let Err(reason) = self.charge(now, meta) {
            if question.purpose == Purpose::Probe {
                self.with(name, |session| session.unanswered += 1);
            }
            return Err(reason);
        }
        let received = arrival(now, meta, out);
        self.reply(received, via, datagram, (&question, name), transmit, out);
        Ok(())
    }

    /// Answers a request, and counts the reply.
    fn reply(
        &mut self,
        received: SystemTime,
        via: SocketId,
        datagram: &Datagram<'_>,
        (question, name): (&Question<'_>, Name),
        transmit: Transmit,
        out: &mut impl Outbox,
    ) {
        let is_closing = question.purpose == Purpose::Closing;
        let Some(session) = self.sessions.get_mut(name) else { return };
        let sequence = session.next_sequence;
        if !is_closing {
            session.next_sequence = sequence.wrapping_add(1);
            session.replies += 1;
        }
        // T3 is read last: whatever holds a reply up before it is residence, and is seen as such.
        let clock = out.clock();
        let (counters, previous) = (session.counters(clock.monotonic), session.last_sent);
        let facts = self.facts(via, datagram.meta, received).sequence(sequence).counters(counters).previous(previous);
        let facts = facts.sent(clock.utc);
        let traffic_class = stamp::answer(&question.request, &question.tlvs, &facts, &mut self.scratch);
        out.send(via, &Transmit { traffic_class, ..transmit }, &self.scratch);
        self.sent.push(via, SentReply { session: name, sequence, is_closing });
        self.report.own.answered += 1;
        self.report.own.closing += u64::from(is_closing);
        self.report.sent.add(1, self.scratch.len());
        self.ending.count(self.report.own.answered);
        if self.options.verbose {
            out.emit(Event::Answered(Answered { via, datagram: *datagram, reply: &self.scratch }));
        }
    }

    /// What a reply says of the request's way here, and of our clock.
    fn facts(&self, via: SocketId, meta: &Meta, received: SystemTime) -> Facts {
        let own = self.options.own.get(via.index()).copied().unwrap_or(SocketAddr::new(ALL, 0));
        let destination = SocketAddr::new(meta.destination.unwrap_or_else(|| own.ip()), own.port());
        Facts::new(received, received, meta.source, destination)
            .error(self.options.clock_error)
            .hop_limit(meta.hop_limit)
            .traffic_class(meta.traffic_class)
    }

    /// Whether one more reply may go out now.
    fn charge(&self, now: Instant, meta: &Meta) -> Result<(), Reason> {
        self.guard.rate(now, meta.source.ip(), 1)?;
        match &self.limiter {
            Some(limiter) if limiter.allow(now, ALL, 1) == 0 => Err(Reason::MaxRate),
            _ => Ok(()),
        }
    }

    fn with(&mut self, name: Name, count: impl FnOnce(&mut sessions::Session)) {
        if let Some(session) = self.sessions.get_mut(name) {
            count(session);
        }
    }

    fn ignore(&mut self, meta: &Meta, reason: Reason, out: &mut impl Outbox) {
        self.report.ignored.add(reason, 1);
        out.emit(Event::Ignored(IgnoredDatagrams { meta, reason, count: 1 }));
    }

    /// Takes back what was counted of a reply that could not be sent.
    fn take_back(&mut self, reply: SentReply) {
        if reply.is_closing {
            self.report.own.closing -= 1;
            return;
        }
        self.with(reply.session, |session| {
            session.replies -= 1;
            session.unanswered += 1;
        });
    }
}

/// When a datagram arrived, on the system's clock: as the kernel says, else as the clock shows.
fn arrival(now: Instant, meta: &Meta, out: &impl Outbox) -> SystemTime {
    let by_clock = || {
        let clock = out.clock();
        let since = clock.monotonic.saturating_duration_since(now);
        clock.utc.checked_sub(since).unwrap_or(clock.utc)
    };
    meta.received.unwrap_or_else(by_clock)
}

impl Engine for Reflect {
    type Input = ReflectInput;
    type Figures = ReflectFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        let meta = datagram.meta;
        self.report.received.add(1, datagram.wire_len);
        self.report.peers.add(self.random.hash_one(meta.source));
        self.report.truncated += u64::from(datagram.is_truncated());
        let outcome = if self.ending.over { Err(Reason::AfterEnd) } else { self.reflect(now, via, datagram, out) };
        if let Err(reason) = outcome {
            self.ignore(meta, reason, out);
        }
    }

    fn tick(&mut self, now: Instant, _out: &mut impl Outbox) {
        self.ending.tick(now);
        self.sessions.begin(now);
        self.sessions.expire(now);
    }

    fn next(&self) -> Next {
        match (self.ending.next(), self.sessions.next_expiry()) {
            (Next::At(end), Some(expiry)) => Next::At(end.min(expiry)),
            (Next::Datagram, Some(expiry)) => Next::At(expiry),
            (next, _) => next,
        }
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        out.emit(Event::Unreachable(Refusal { unreachable, request: None, copy: false }));
    }

    fn closed(&mut self, _now: Instant, _via: SocketId, _error: &Error, _out: &mut impl Outbox) -> Closed {
        Closed::Reopen
    }

    fn sent(&mut self, _now: Instant, via: SocketId, time: &SendTime, _out: &mut impl Outbox) {
        for place in (time.place..).take(time.count) {
            if let Some(reply) = self.sent.get(via, place).filter(|reply| !reply.is_closing) {
                let previous = Previous { sequence: reply.sequence, sent: time.at, method: TimestampMethod::Software };
                self.with(reply.session, |session| session.last_sent = Some(previous));
            }
        }
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.own.answered -= failure.count as u64;
        self.report.own.reply_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        for place in (failure.place..).take(failure.count) {
            if let Some(reply) = self.sent.get(via, place) {
                self.take_back(reply);
            }
        }
        out.emit(Event::SendFailed(SendFailed { via, failure }));
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, _now: Instant, input: ReflectInput, _out: &mut impl Outbox) {
        match input {
            ReflectInput::Keys(keys) => self.keys = Arc::new(keys),
        }
    }

    fn interfaces(&mut self, interfaces: &Interfaces) {
        self.guard.set_interfaces(interfaces);
        self.gate.set_interfaces(interfaces);
    }

    fn report(&self) -> Report<ReflectFigures> {
        let mut report = self.report.clone();
        let turnover = self.sessions.turnover;
        report.own.sessions_now = self.sessions.len() as u64;
        report.own.sessions_authenticated = self.sessions.authenticated() as u64;
        report.own.sessions_ever = turnover.ever;
        report.own.sessions_expired = turnover.expired;
        report.own.sessions_evicted = turnover.evicted;
        report
    }
}
