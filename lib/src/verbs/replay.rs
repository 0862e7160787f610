//! `replay`: sends the datagrams of a capture again, each at its time, with a socket for each source.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::common::{Ending, is_from, later};
use super::plan::{AHEAD, Keeps, Plan, PlannedDatagram, ReplayFigures, ReplayOptions};
use super::recording::{Reading, Recording};
use super::sources::Sources;
use super::timetable::ReplayPace;
use crate::datagram::{Datagram, Meta, SendFailure};
use crate::engine::{Engine, Next, Outbox};
use crate::error::Result;
use crate::event::{Event, IgnoredDatagrams, Reason, Refusal, Reply, ReplyTo, SendFailed, Sent};
use crate::report::{Figures, Report};
use crate::socket_id::SocketId;
use crate::unreachable::Unreachable;

/// How long after there was nothing to read yet it is tried again; twice as long each time that there is still nothing, up to
/// the second.
const ASK_AGAIN: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(5)];
/// Datagrams read by one call of `tick` while others wait for their time, so that none of them is late for it.
const READ_AT_ONCE: usize = 8;

/// The engine of `replay`.
///
/// The capture is read while it is sent, so it may be of any length, by whoever drives this engine, shortly after each
/// sending: a capture that makes it wait delays what is due.
///
/// ```
/// use std::net::SocketAddr;
/// use std::time::Duration;
/// use udpkit::verbs::{Replay, ReplayDatagram, ReplayOptions, ReplayPace, Sources};
///
/// let source = SocketAddr::from(([192, 0, 2, 7], 5000));
/// let target = SocketAddr::from(([127, 0, 0, 1], 10000));
/// // What a capture has: two datagrams, a second apart. Here they are made by hand.
/// let capture = [0, 1].map(|at| ReplayDatagram::new(source, target, "x").number(at).at(Duration::from_secs(at)));
/// // Twice as fast, by one socket.
/// let options = ReplayOptions::new(target).pace(ReplayPace::Recorded { speed: 2.0 });
/// let engine = Replay::new(options, Sources::new(1), || Ok(capture.clone().into_iter().map(Ok)));
/// # let _ = engine;
/// ```
pub struct Replay<F, R> {
    options: ReplayOptions,
    plan: Plan<F, R>,
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
    report: Report<ReplayFigures>,
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
            plan: Plan::new(&options, sources, open),
            ending: Ending::new(options.limits),
            options,
            origin: None,
            ticked: None,
            asks_again: None,
            patience: ASK_AGAIN[0],
            made: 0,
            ends: None,
            done: false,
            report: Report::default(),
        }
    }

    /// Why the capture could not be sent to its end, if it could not be read.
    #[must_use]
    pub fn failure(&self) -> Option<&crate::Error> {
        self.plan.failure()
    }

    /// Sends what is due by now, in order among sockets. Where it is to be told how late each was, as far as it leaves by one
    /// socket: what another sends after it has a time of its own. False if nothing is due.
    fn send_due(&mut self, now: Instant, out: &mut impl Outbox) -> bool {
        let is_paced = self.options.pace != ReplayPace::Unpaced;
        let mut last = None;
        while !self.ending.over
            && let Some(due) = self.first_due(now).filter(|due| *due <= now)
            && let Some(PlannedDatagram { via, .. }) = self.plan.ahead().front()
            && (!is_paced || *last.get_or_insert(*via) == *via)
            && let Some(planned) = self.plan.pop()
        {
            if is_paced {
                self.report.own.lateness.add(now - due);
            }
            if let Some(before) = last.replace(planned.via).filter(|before| *before != planned.via) {
                out.settle(before);
            }
            self.send(&planned, out);
        }
        last.is_some()
    }

    fn send(&mut self, planned: &PlannedDatagram, out: &mut impl Outbox) {
        let PlannedDatagram { number, via, is_shared, transmit, payload, .. } = planned;
        out.send(*via, transmit, payload);
        self.made += 1;
        self.ending.count(self.made);
        self.report.sent.add(1, payload.len());
        self.report.own.sources_shared += u64::from(*is_shared);
        if self.options.verbose {
            out.emit(Event::Sent(Sent { transmit: *transmit, payload, request: *number, retry: 0 }));
        }
    }

    /// When the first of those that wait is due; the first of all is due when it was read.
    fn first_due(&mut self, now: Instant) -> Option<Instant> {
        let first = self.plan.ahead().front()?;
        Some(later(*self.origin.get_or_insert(now), first.due))
    }

    /// Reads on, so that what is due next is known before it is due.
    fn read(&mut self, now: Instant) {
        if self.asks_again.is_some_and(|moment| moment > now) {
            return;
        }
        self.asks_again = None;
        let elapsed = self.origin.map_or(Duration::ZERO, |origin| now.saturating_duration_since(origin));
        for count in 0.. {
            let enough = self.plan.ahead().back().is_some_and(|last| {
                let waits = self.origin.is_none_or(|origin| later(origin, last.due) > now);
                self.plan.ahead().len() >= AHEAD || waits && count >= READ_AT_ONCE
            });
            if enough || self.is_read() {
                return;
            }
            match self.plan.read(elapsed) {
                Reading::Ready(()) => self.patience = ASK_AGAIN[0],
                Reading::End => {}
                Reading::NotYet => {
                    self.asks_again = Some(later(now, self.patience));
                    self.patience = (self.patience * 2).min(ASK_AGAIN[1]);
                    return;
                }
            }
        }
    }

    /// Whether all that is to be sent was read.
    fn is_read(&self) -> bool {
        self.ending.over || self.plan.is_read()
    }

    /// Whether all was sent that is to be.
    fn is_sent(&self) -> bool {
        self.ending.over || self.is_read() && self.plan.ahead().is_empty()
    }

    /// Why a datagram is not taken as an answer.
    fn unwanted(&self, meta: &Meta) -> Option<Reason> {
        if self.options.own.iter().any(|own| is_from(own, meta)) {
            return Some(Reason::OwnCopy);
        }
        let wanted = self.options.transmit.destination;
        let is_wanted = match self.options.keeps {
            Keeps::Nothing => meta.source.ip() == wanted.ip() && meta.source.port() == wanted.port(),
            Keeps::Port => meta.source.ip() == wanted.ip(),
            Keeps::Destination => true,
        };
        if !self.options.any_source && !is_wanted {
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
    type Input = Infallible;
    type Figures = ReplayFigures;

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        if let Some(reason) = self.unwanted(datagram.meta) {
            self.report.ignored.add(reason, 1);
            out.emit(Event::Ignored(IgnoredDatagrams { meta: datagram.meta, reason, count: 1 }));
            return;
        }
        self.report.delivered += 1;
        out.emit(Event::Reply(Reply { via, datagram: *datagram, to: ReplyTo::Unmatched }));
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
        let reads = self.asks_again.or(self.ticked).filter(|_| self.plan.ahead().len() < AHEAD && !self.is_read());
        let due =
            self.origin.or(self.ticked).zip(self.plan.ahead().front()).map(|(origin, first)| later(origin, first.due));
        match ([reads, due].into_iter().flatten().min(), self.ending.next()) {
            (Some(moment), Next::At(deadline)) => Next::At(moment.min(deadline)),
            (Some(moment), Next::Datagram | Next::Done) => Next::At(moment),
            (None, next) => next,
        }
    }

    fn precision(&self) -> Option<Duration> {
        (self.options.pace != ReplayPace::Unpaced).then_some(self.options.busy_wait)
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

    fn report(&self) -> Report<ReplayFigures> {
        let mut report = self.report.clone();
        // The plan knows of the times in the capture, and of nothing else.
        report.own.merge(&self.plan.figures());
        report
    }
}
