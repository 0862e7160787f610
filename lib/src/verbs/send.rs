//! `send`: sends requests to one address and tells who answers, how fast, or why nobody does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::{is_from, later};
use super::requests::{Pace, Requests, Schedule};
use crate::datagram::{Datagram, Meta, SendFailure, Transmit};
use crate::engine::{Engine, Input, Next, Outbox};
use crate::event::{Event, Reason, Report};
use crate::unreachable::{Cause, Unreachable};

/// What `send` is asked for.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// Where the requests go.
    pub transmit: Transmit,
    /// Take answers from any address and port: needed where a broadcast or multicast is answered, and by TFTP.
    pub any_source: bool,
    /// The addresses of the sockets it is driven with.
    pub own: Vec<SocketAddr>,
    /// How long to wait for the answers to each request; zero: not at all.
    pub wait: Duration,
    /// Answers after which a request is done; zero: whatever comes until the wait ends.
    pub replies: u64,
    /// How often a request without an answer is sent again, the wait doubling each time (RFC 8085 section 3.1.3).
    pub retries: u32,
    /// How fast requests follow one another; `None`: as fast as they come.
    pub pace: Option<Pace>,
    /// How long to go on making requests.
    pub duration: Option<Duration>,
    /// Answers, to any request, after which to end.
    pub count: Option<u64>,
    /// Whether to tell of each datagram sent ([`Event::Sent`]).
    pub verbose: bool,
}

impl SendOptions {
    /// One answer within a second from this address.
    #[must_use]
    pub fn new(destination: SocketAddr) -> Self {
        Self {
            transmit: Transmit::to(destination),
            any_source: false,
            own: Vec::new(),
            wait: Duration::from_secs(1),
            replies: 1,
            retries: 0,
            pace: None,
            duration: None,
            count: None,
            verbose: false,
        }
    }
}

/// A request that may still be answered.
#[derive(Debug)]
struct Open {
    number: u64,
    payload: Arc<[u8]>,
    sent_at: Instant,
    deadline: Instant,
    retry: u32,
    replies: u64,
}

/// The most requests that are kept open; the oldest is given up for one more.
const MAX_OPEN: usize = 65_536;
/// The most open requests, and answered ones, that an answer's payload is compared with.
const MAX_COMPARED: usize = 1024;
/// The most requests sent by one call of `tick`, so that answers are taken between them.
const BURST: usize = 64;

/// The engine of `send`.
#[derive(Debug)]
pub struct Sender {
    options: SendOptions,
    schedule: Schedule,
    /// Requests in the time that answers are waited for, but those whose answers are certain.
    open: VecDeque<Open>,
    /// How many of them want answers still.
    // Invariant: the number of those in `open` for which `wants` holds.
    waiting: usize,
    /// Payloads of requests that were echoed, the latest last: another such echo is a copy.
    echoed: VecDeque<Arc<[u8]>>,
    report: Report,
}

/// What a reply answers.
enum Match {
    /// This open request; its round-trip time is known unless it was sent more than once.
    Certain(usize),
    /// One of several, of which this is the oldest that wants an answer.
    Likely(usize),
    /// None that is open.
    Nothing,
}

impl Sender {
    /// An engine with these options that makes these requests.
    #[must_use]
    pub fn new(options: SendOptions, requests: Requests) -> Self {
        let schedule = Schedule::new(requests, options.pace, options.duration);
        let (open, echoed) = (VecDeque::new(), VecDeque::new());
        Self { options, schedule, open, waiting: 0, echoed, report: Report::default() }
    }

    fn send_due(&mut self, now: Instant, out: &mut impl Outbox) {
        for _ in 0..BURST {
            let Some(payload) = self.schedule.take(now) else { return };
            self.report.requests += 1;
            let number = self.report.requests;
            self.transmit(&payload, number, 0, out);
            if self.options.wait.is_zero() {
                continue;
            }
            if self.open.len() == MAX_OPEN
                && let Some(oldest) = self.close(0)
                && oldest.replies == 0
            {
                out.emit(Event::Unanswered { request: oldest.number });
            }
            let deadline = later(now, self.options.wait);
            self.open.push_back(Open { number, payload, sent_at: now, deadline, retry: 0, replies: 0 });
            self.waiting += 1;
        }
    }

    fn transmit(&mut self, payload: &[u8], request: u64, retry: u32, out: &mut impl Outbox) {
        out.send(0, &self.options.transmit, payload);
        self.report.sent.add(1, payload.len());
        if self.options.verbose {
            out.emit(Event::Sent { transmit: self.options.transmit, payload, request, retry });
        }
    }

    /// Sends again what waited too long, or gives it up.
    fn expire(&mut self, now: Instant, out: &mut impl Outbox) {
        if self.first_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        for index in 0..self.open.len() {
            let open = &mut self.open[index];
            if open.deadline > now || open.replies > 0 || open.retry >= self.options.retries {
                continue;
            }
            open.retry += 1;
            open.sent_at = now;
            open.deadline = later(now, self.options.wait.saturating_mul(2u32.saturating_pow(open.retry)));
            let (payload, number, retry) = (Arc::clone(&open.payload), open.number, open.retry);
            self.report.retries += 1;
            self.transmit(&payload, number, retry, out);
        }
        let wanted = self.options.replies;
        self.open.retain(|open| {
            if open.deadline > now {
                return true;
            }
            self.waiting -= usize::from(wants(open, wanted));
            if open.replies == 0 {
                out.emit(Event::Unanswered { request: open.number });
            }
            false
        });
    }

    /// When the first of the open requests has waited long enough.
    fn first_deadline(&self) -> Option<Instant> {
        if self.options.retries == 0 {
            // Without retries the deadlines are in the order of the requests.
            return self.open.front().map(|open| open.deadline);
        }
        self.open.iter().map(|open| open.deadline).min()
    }

    /// Takes a request off the list.
    fn close(&mut self, index: usize) -> Option<Open> {
        let closed = self.open.remove(index)?;
        self.waiting -= usize::from(wants(&closed, self.options.replies));
        Some(closed)
    }

    /// Whether all is sent and answered or given up, or as many answers came as were wanted.
    fn is_done(&self) -> bool {
        let enough = self.options.count.is_some_and(|most| self.report.delivered >= most);
        enough || !self.schedule.more() && self.waiting == 0
    }

    /// Why a datagram is not taken as an answer.
    fn unwanted(&self, meta: &Meta) -> Option<Reason> {
        if self.options.own.iter().any(|own| is_from(own, meta)) {
            return Some(Reason::OwnCopy);
        }
        let wanted = self.options.transmit.destination;
        let same = meta.source.ip() == wanted.ip() && meta.source.port() == wanted.port();
        if !same && !self.options.any_source {
            return Some(Reason::OtherSource);
        }
        self.is_done().then_some(Reason::AfterEnd)
    }

    /// Which request a payload answers.
    ///
    /// Certain is the one open request with this very payload (an echo), and the only one that is open at all: provided
    /// that no answer takes longer than it is waited for. What was answered without certainty stays open for that time.
    fn matching(&self, payload: &[u8]) -> Match {
        let mut equal = self.open.iter().take(MAX_COMPARED).enumerate().filter(|(_, open)| *open.payload == *payload);
        let compared_all = self.open.len() <= MAX_COMPARED;
        let wants = |open: &Open| wants(open, self.options.replies);
        match (equal.next(), equal.next()) {
            (Some((index, _)), None) if compared_all => return Match::Certain(index),
            (None, _) if self.echoed.iter().any(|echoed| **echoed == *payload) => return Match::Nothing,
            (None, _) if self.open.len() == 1 => return Match::Certain(0),
            _ => {}
        }
        let echo = self.open.iter().take(MAX_COMPARED).position(|open| wants(open) && *open.payload == *payload);
        echo.or_else(|| self.open.iter().position(wants)).map_or(Match::Nothing, Match::Likely)
    }

    /// Credits a request with an answer; returns its number and the round-trip time, where they are certain.
    fn credit(&mut self, now: Instant, payload: &[u8]) -> Option<(u64, Option<Duration>)> {
        let (index, certain) = match self.matching(payload) {
            Match::Certain(index) => (index, true),
            Match::Likely(index) => (index, false),
            Match::Nothing => return None,
        };
        let wanted = self.options.replies;
        let open = &mut self.open[index];
        let wanted_one = wants(open, wanted);
        open.replies += 1;
        self.waiting -= usize::from(wanted_one && !wants(open, wanted));
        self.report.requests_answered += u64::from(open.replies == 1);
        if !certain {
            return None;
        }
        // The answer to a request that was sent again may be to either sending (Karn's rule).
        let rtt = (open.retry == 0).then(|| now.saturating_duration_since(open.sent_at));
        let number = open.number;
        if *open.payload == *payload {
            self.echoed.push_back(Arc::clone(&open.payload));
            if self.echoed.len() > MAX_COMPARED {
                self.echoed.pop_front();
            }
        }
        if !wants(&self.open[index], wanted) {
            self.close(index);
        }
        Some((number, rtt))
    }
}

/// Whether a request wants an answer still, if each wants this many; zero: all that come.
fn wants(open: &Open, replies: u64) -> bool {
    replies == 0 || open.replies < replies
}

impl Engine for Sender {
    fn receive(&mut self, now: Instant, via: usize, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        if let Some(reason) = self.unwanted(datagram.meta) {
            self.report.ignored.add(reason, 1);
            out.emit(Event::Ignored { meta: datagram.meta, reason, count: 1 });
            return;
        }
        self.report.delivered += 1;
        let credited = self.credit(now, datagram.payload);
        let (request, rtt) = credited.map_or((None, None), |(request, rtt)| (Some(request), rtt));
        if let Some(rtt) = rtt {
            self.report.rtt.add(rtt);
        }
        out.emit(Event::Reply { via, datagram: *datagram, request, rtt });
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        self.expire(now, out);
        self.send_due(now, out);
    }

    fn next(&self) -> Next {
        if self.is_done() {
            return Next::Done;
        }
        match [self.schedule.next(), self.first_deadline()].into_iter().flatten().min() {
            Some(moment) => Next::At(moment),
            None => Next::Datagram,
        }
    }

    fn unreachable(&mut self, _now: Instant, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        // One that was too big may get through in fragments when it is sent again.
        let hopeless = !matches!(unreachable.cause, Cause::TooBig { .. });
        if hopeless && unreachable.destination == self.options.transmit.destination {
            let quoted = |open: &Open| open.payload.starts_with(&unreachable.payload);
            self.close(self.open.iter().position(quoted).unwrap_or(0));
        }
        out.emit(Event::Unreachable { unreachable });
    }

    fn failed(&mut self, _now: Instant, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        // What never left cannot be answered. Which ones of a batch did not leave is not told: the newest are closed.
        for _ in 0..failure.count {
            self.close(self.open.len().wrapping_sub(1));
        }
        out.emit(Event::SendFailed { failure });
    }

    fn wants_input(&self) -> bool {
        self.schedule.wants_input()
    }

    fn input(&mut self, now: Instant, input: Input, _out: &mut impl Outbox) {
        self.schedule.input(now, input);
    }

    fn report(&self) -> Report {
        self.report.clone()
    }
}
