//! `broadcast`: asks every host on every attached network, and collects the answers, each once.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::common::{is_from, later};
use super::requests::{Pace, Requests, Schedule};
use crate::datagram::{Datagram, Meta, SendFailure, Transmit};
use crate::engine::{Engine, Next, Outbox};
use crate::event::{Event, IgnoredDatagrams, OneOf, Reason, Refusal, Reply, ReplyTo, Request, SendFailed, Sent};
use crate::report::{Figures, Report, debug_counters};
use crate::setters::setters;
use crate::socket_id::SocketId;
use crate::stats::Spread;
use crate::unreachable::Unreachable;

/// One network that is asked, through the socket of the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastTarget {
    /// Where the datagram goes, and by which interface.
    pub transmit: Transmit,
    /// The address of the socket.
    pub own: SocketAddr,
}

setters! { BroadcastTarget {
    transmit: Transmit,
    own: SocketAddr,
}}

impl BroadcastTarget {
    /// The network that this reaches, through a socket of this address.
    #[must_use]
    pub fn new(transmit: Transmit, own: SocketAddr) -> Self {
        Self { transmit, own }
    }
}

/// What `broadcast` is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BroadcastOptions {
    /// The networks, in the order of the sockets.
    pub targets: Vec<BroadcastTarget>,
    /// How long answers are collected after the last round; zero: not at all.
    pub wait: Duration,
    /// How fast rounds follow one another; `None`: as fast as they come.
    pub pace: Option<Pace>,
    /// Rounds to make at the most.
    pub most_rounds: Option<u64>,
    /// Bytes of every payload: longer ones are cut, shorter ones filled up with zeros.
    pub size: Option<usize>,
    /// How long to go on making rounds.
    pub duration: Option<Duration>,
    /// Answers after which to end.
    pub count: Option<u64>,
    /// Whether to tell of each datagram sent ([`Event::Sent`]).
    pub verbose: bool,
}

setters! { BroadcastOptions {
    into targets: Vec<BroadcastTarget>,
    wait: Duration,
    into pace: Option<Pace>,
    into most_rounds: Option<u64>,
    into size: Option<usize>,
    into duration: Option<Duration>,
    into count: Option<u64>,
    verbose: bool,
}}

impl BroadcastOptions {
    /// These networks, and all answers that come within a second of the last round.
    #[must_use]
    pub fn new(targets: impl Into<Vec<BroadcastTarget>>) -> Self {
        Self {
            targets: targets.into(),
            wait: Duration::from_secs(1),
            pace: None,
            most_rounds: None,
            size: None,
            duration: None,
            count: None,
            verbose: false,
        }
    }
}

/// The most different answers that are told apart; one more may be told twice.
const MAX_SEEN: usize = 65_536;

/// What [`Broadcast`] counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct BroadcastFigures {
    /// Round-trip times of answers that came while there was one round.
    pub rtt: Spread,
}

debug_counters! { BroadcastFigures {
    rtt,
}}

impl Figures for BroadcastFigures {
    fn merge(&mut self, other: &Self) {
        self.rtt.merge(&other.rtt);
    }
}

/// The engine of `broadcast`.
///
/// ```
/// use udpkit::verbs::{Broadcast, BroadcastOptions, BroadcastTarget, Requests};
/// use udpkit::{Interfaces, Options, Socket, Transmit};
///
/// # fn main() -> udpkit::Result<()> {
/// let (mut sockets, mut targets) = (Vec::new(), Vec::new());
/// for address in Interfaces::list()?.iter().flat_map(|interface| &interface.addresses) {
///     let Some(broadcast) = address.broadcast else { continue };
///     let socket = Socket::bind((address.ip, 0).into(), &Options::default().broadcast(true))?;
///     targets.push(BroadcastTarget::new(Transmit::to((broadcast, 10000).into()), socket.local_address()));
///     sockets.push(socket);
/// }
/// let engine = Broadcast::new(BroadcastOptions::new(targets), Requests::one("Halo Dunia!"));
/// # let _ = (sockets, engine);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Broadcast {
    options: BroadcastOptions,
    schedule: Schedule,
    last_round: Option<Instant>,
    rounds: u64,
    /// When the last round's answers are no longer waited for.
    ends: Option<Instant>,
    /// Hashes, with a secret key, of the answers that came: source and payload.
    seen: HashSet<u64>,
    hash: RandomState,
    done: bool,
    report: Report<BroadcastFigures>,
}

impl Broadcast {
    /// An engine with these options that makes these requests, each a round to every network.
    #[must_use]
    pub fn new(options: BroadcastOptions, requests: Requests) -> Self {
        Self {
            schedule: Schedule::new(requests, options.pace, options.duration)
                .at_most(options.most_rounds)
                .of_size(options.size),
            options,
            last_round: None,
            rounds: 0,
            ends: None,
            seen: HashSet::new(),
            hash: RandomState::new(),
            done: false,
            report: Report::default(),
        }
    }

    fn round(&mut self, now: Instant, payload: &[u8], out: &mut impl Outbox) {
        self.rounds += 1;
        self.last_round = Some(now);
        for (place, target) in self.options.targets.iter().enumerate() {
            out.send(SocketId::first(place), &target.transmit, payload);
            self.report.sent.add(1, payload.len());
            if self.options.verbose {
                let transmit = target.transmit;
                out.emit(Event::Sent(Sent { transmit, payload, request: self.rounds, retry: 0 }));
            }
        }
    }

    /// Why a datagram is not told as an answer.
    fn unwanted(&mut self, meta: &Meta, payload: &[u8]) -> Option<Reason> {
        if self.options.targets.iter().any(|target| is_from(&target.own, meta)) {
            return Some(Reason::OwnCopy);
        }
        if self.done {
            return Some(Reason::AfterEnd);
        }
        let hash = self.hash.hash_one((meta.source, payload));
        if self.seen.contains(&hash) {
            return Some(Reason::Duplicate);
        }
        if self.seen.len() < MAX_SEEN {
            self.seen.insert(hash);
        }
        None
    }
}

impl Engine for Broadcast {
    type Input = Vec<u8>;
    type Figures = BroadcastFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        if let Some(reason) = self.unwanted(datagram.meta, datagram.payload) {
            self.report.ignored.add(reason, 1);
            out.emit(Event::Ignored(IgnoredDatagrams { meta: datagram.meta, reason, count: 1 }));
            return;
        }
        self.report.delivered += 1;
        // With several rounds under way an answer may be to any of them.
        let rtt = self.last_round.filter(|_| self.rounds == 1).map(|sent| now.saturating_duration_since(sent));
        if let Some(rtt) = rtt {
            self.report.own.rtt.add(rtt);
        }
        self.done |= self.options.count.is_some_and(|most| self.report.delivered >= most);
        let to = match self.rounds {
            1 => ReplyTo::Request(Request { number: 1, rtt }),
            last => ReplyTo::OneOf(OneOf { first: 1, last, likely: None }),
        };
        out.emit(Event::Reply(Reply { via, datagram: *datagram, to }));
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        // One round a call, so that answers are taken between them.
        if let Some(payload) = self.schedule.take(now) {
            self.round(now, &payload, out);
        }
        if self.ends.is_none() && !self.schedule.more() {
            self.ends = Some(later(now, self.options.wait));
        }
        self.done |= self.ends.is_some_and(|ends| now >= ends);
    }

    fn next(&self) -> Next {
        match [self.schedule.next(), self.ends].into_iter().flatten().min() {
            _ if self.done => Next::Done,
            Some(moment) => Next::At(moment),
            None => Next::Datagram,
        }
    }

    fn wants_input(&self) -> bool {
        self.schedule.wants_input()
    }

    fn input(&mut self, now: Instant, payload: Vec<u8>, _out: &mut impl Outbox) {
        self.schedule.input(now, payload);
    }

    fn input_ended(&mut self, _now: Instant, _out: &mut impl Outbox) {
        self.schedule.end_input();
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        out.emit(Event::Unreachable(Refusal { unreachable, request: None, copy: false }));
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        out.emit(Event::SendFailed(SendFailed { via, failure }));
    }

    fn report(&self) -> Report<BroadcastFigures> {
        self.report.clone()
    }
}
