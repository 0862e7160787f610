//! `send`: sends requests to one address and tells who answers, how fast, or why nobody does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::common::{is_from, later};
use super::matching::{Matching, Refused};
use super::requests::{Pace, Requests, Schedule};
use crate::datagram::{Datagram, Meta, SendFailure, Transmit};
use crate::engine::{Engine, Next, Outbox};
use crate::event::{
    Event, IgnoredDatagrams, OneOf, Reason, Refusal, Reply, ReplyTo, Request, SendFailed, Sent, Unanswered,
};
use crate::report::{Figures, Report, add, debug_counters};
use crate::setters::setters;
use crate::socket_id::SocketId;
use crate::stats::Spread;
use crate::unreachable::{Cause, Unreachable};

/// What `send` is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// Requests to make at the most; a retry is none of its own.
    pub most_requests: Option<u64>,
    /// Bytes of every request's payload: longer ones are cut, shorter ones filled up with zeros.
    pub size: Option<usize>,
    /// How long to go on making requests.
    pub duration: Option<Duration>,
    /// Answers, to any request, after which to end.
    pub count: Option<u64>,
    /// Whether each request waits until the one before it has its answers, or is given up.
    pub dialogue: bool,
    /// Whether to tell of each datagram sent ([`Event::Sent`]).
    pub verbose: bool,
}

setters! { SendOptions {
    transmit: Transmit,
    any_source: bool,
    into own: Vec<SocketAddr>,
    wait: Duration,
    replies: u64,
    retries: u32,
    into pace: Option<Pace>,
    into most_requests: Option<u64>,
    into size: Option<usize>,
    into duration: Option<Duration>,
    into count: Option<u64>,
    dialogue: bool,
    verbose: bool,
}}

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
            most_requests: None,
            size: None,
            duration: None,
            count: None,
            dialogue: false,
            verbose: false,
        }
    }
}

/// What [`Send`] counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SendFigures {
    /// Requests made; their retries are not counted again.
    pub requests: u64,
    /// Of them: answered at least once. Where an answer cannot be distinguished from a copy of another, the largest number possible.
    pub requests_answered: u64,
    /// Answers that are copies: those to the request that they are about had come.
    pub replies_copied: u64,
    /// Answers that came when their request was no longer waited for.
    pub replies_late: u64,
    /// Datagrams sent again for want of an answer.
    pub retries: u64,
    /// Round-trip times of answers whose request is certain.
    pub rtt: Spread,
    /// Round-trip times of answers whose request is likely ([`ReplyTo::OneOf`]), if it is that one.
    pub rtt_likely: Spread,
}

debug_counters! { SendFigures {
    requests,
    requests_answered,
    replies_copied,
    replies_late,
    retries,
    rtt,
    rtt_likely,
}}

impl Figures for SendFigures {
    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.requests, other.requests),
            (&mut self.requests_answered, other.requests_answered),
            (&mut self.replies_copied, other.replies_copied),
            (&mut self.replies_late, other.replies_late),
            (&mut self.retries, other.retries),
        ]);
        self.rtt.merge(&other.rtt);
        self.rtt_likely.merge(&other.rtt_likely);
    }
}

/// The most requests sent by one call of `tick`, so that answers are taken between them.
const BURST: usize = 64;
/// The part of the wait by which a request may leave late without being waited for past the next one's time.
const LATE_PART: u32 = 10;

/// The engine of `send`.
///
/// Write it `verbs::Send`, so that nobody takes it for [`std::marker::Send`].
///
/// ```
/// use std::time::Duration;
/// use udpkit::verbs::{self, Pace, Requests, SendOptions};
///
/// // Five requests, one a second; each is sent again twice if there is no answer.
/// let options = SendOptions::new(([127, 0, 0, 1], 10000).into()).pace(Pace::Interval(Duration::from_secs(1))).retries(2);
/// let engine = verbs::Send::new(options, Requests::one("Hello World").repeat(5));
/// # let _ = engine;
/// ```
#[derive(Debug)]
pub struct Send {
    options: SendOptions,
    schedule: Schedule,
    matching: Matching,
    /// Datagrams handed out to be sent.
    handed_out: u64,
    /// The moment up to which everything that arrived was taken; `None` where nobody says so.
    heard: Option<Instant>,
    /// Since when sending waits to hear what has arrived.
    held: Option<Instant>,
    report: Report<SendFigures>,
}

impl Send {
    /// An engine with these options that makes these requests.
    #[must_use]
    pub fn new(options: SendOptions, requests: Requests) -> Self {
        let schedule = Schedule::new(requests, options.pace, options.duration)
            .at_most(options.most_requests)
            .of_size(options.size);
        let matching = Matching::new(options.replies, options.any_source, options.retries > 0);
        let report = Report::default();
        Self { options, schedule, matching, handed_out: 0, heard: None, held: None, report }
    }

    pub(super) fn destination(&self) -> SocketAddr {
        self.options.transmit.destination
    }

    /// How many answers were taken.
    pub(super) fn delivered(&self) -> u64 {
        self.report.delivered
    }

    /// Ends, whatever is still waited for.
    pub(super) fn end(&mut self) {
        self.options.count = Some(0);
    }

    fn send_due(&mut self, now: Instant, out: &mut impl Outbox) {
        for _ in 0..BURST {
            if self.waits_for_answer() {
                return self.schedule.end_in_time(now);
            }
            let due = self.schedule.due();
            let Some(payload) = self.schedule.take(now) else { return };
            self.report.own.requests += 1;
            let place = self.handed_out;
            self.transmit(&payload, self.report.own.requests, 0, out);
            if !self.options.wait.is_zero() {
                self.matching.sent(payload, place, now, self.deadline(due, now));
            }
        }
    }

    /// Until when a request that was due at one moment and sent at another is waited for.
    ///
    /// Where requests follow one another no faster than they are waited for, a request that left late by a little is not
    /// waited for past the time of the next one: its answer could not be told from the next one's.
    fn deadline(&self, due: Option<Instant>, now: Instant) -> Instant {
        let wait = self.options.wait;
        let is_slow = matches!(self.options.pace, Some(Pace::Interval(interval)) if interval >= wait);
        let is_punctual = |due: &Instant| now.saturating_duration_since(*due) < wait / LATE_PART;
        later(due.filter(|due| is_slow && is_punctual(due)).unwrap_or(now), wait)
    }

    fn transmit(&mut self, payload: &[u8], request: u64, retry: u32, out: &mut impl Outbox) {
        out.send(SocketId::first(0), &self.options.transmit, payload);
        self.handed_out += 1;
        self.report.sent.add(1, payload.len());
        if self.options.verbose {
            out.emit(Event::Sent(Sent { transmit: self.options.transmit, payload, request, retry }));
        }
    }

    /// Sends again what has waited until this moment, or gives it up.
    fn expire(&mut self, until: Instant, now: Instant, out: &mut impl Outbox) {
        while let Some((number, retries)) = self.matching.expired(until) {
            match retries.filter(|retries| *retries < self.options.retries) {
                Some(retries) => self.retry(number, retries + 1, now, out),
                None => {
                    if let Some((first, last)) = self.matching.give_up(number) {
                        out.emit(Event::Unanswered(Unanswered { destination: self.destination(), first, last }));
                    }
                }
            }
        }
        self.matching.forget(until);
    }

    fn retry(&mut self, number: u64, retry: u32, now: Instant, out: &mut impl Outbox) {
        let wait = self.options.wait.saturating_mul(2u32.saturating_pow(retry));
        if let Some(payload) = self.matching.again(number, now, later(now, wait)) {
            self.report.own.retries += 1;
            self.transmit(&payload, number, retry, out);
        }
    }

    /// Whether the next request waits for the answer to the last one.
    fn waits_for_answer(&self) -> bool {
        self.options.dialogue && self.matching.waiting() > 0
    }

    /// Whether all is sent and answered or given up, or as many answers came as were wanted.
    fn is_done(&self) -> bool {
        let enough = self.options.count.is_some_and(|most| self.report.delivered >= most);
        enough || !self.schedule.more() && self.matching.waiting() == 0
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

    /// Matches an answer with the requests.
    fn credit(&mut self, arrival: Instant, payload: &[u8]) -> ReplyTo {
        if self.options.wait.is_zero() {
            return ReplyTo::Unmatched;
        }
        let to = self.matching.answer(arrival, payload);
        match to {
            ReplyTo::Request(Request { rtt: Some(rtt), .. }) => self.report.own.rtt.add(rtt),
            ReplyTo::OneOf(OneOf { likely: Some((_, rtt)), .. }) => self.report.own.rtt_likely.add(rtt),
            ReplyTo::Copy => self.report.own.replies_copied += 1,
            ReplyTo::Late => self.report.own.replies_late += 1,
            ReplyTo::Request(_) | ReplyTo::OneOf(_) | ReplyTo::Unmatched => {}
        }
        to
    }
}

impl Engine for Send {
    type Input = Vec<u8>;
    type Figures = SendFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        if let Some(reason) = self.unwanted(datagram.meta) {
            self.report.ignored.add(reason, 1);
            out.emit(Event::Ignored(IgnoredDatagrams { meta: datagram.meta, reason, count: 1 }));
            return;
        }
        self.report.delivered += 1;
        let to = self.credit(now, datagram.payload);
        out.emit(Event::Reply(Reply { via, datagram: *datagram, to }));
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        let until = self.heard.map_or(now, |heard| heard.min(now));
        self.expire(until, now, out);
        // What arrived in time for an earlier request must not be taken for an answer to the next one.
        let is_unheard = self.matching.ends_by(now) && until < now;
        // One look at what has arrived is enough, however many waits end during it.
        self.held = match self.held {
            Some(since) if until >= since => None,
            Some(since) if is_unheard => Some(since),
            _ => is_unheard.then_some(now),
        };
        if self.held.is_none() {
            self.send_due(now, out);
        }
    }

    fn heard(&mut self, until: Instant) {
        self.heard = self.heard.max(Some(until));
    }

    fn next(&self) -> Next {
        if self.is_done() {
            return Next::Done;
        }
        let schedule = if self.waits_for_answer() { self.schedule.ends() } else { self.schedule.next() };
        match [self.held, schedule, self.matching.first_due()].into_iter().flatten().min() {
            Some(moment) => Next::At(moment),
            None => Next::Datagram,
        }
    }

    fn unreachable(&mut self, now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        // One that was too big may get through in fragments when it is sent again.
        let hopeless = !matches!(unreachable.cause, Cause::TooBig { .. }) || self.options.retries == 0;
        let is_ours = hopeless && unreachable.destination == self.options.transmit.destination;
        let refusal = if is_ours {
            self.matching.refused(self.heard.unwrap_or(now), &unreachable.payload)
        } else {
            Refused::Unclear
        };
        let (request, copy) = match refusal {
            Refused::Of(request) => (Some(request), false),
            Refused::Copy => (None, true),
            Refused::Unclear => (None, false),
        };
        out.emit(Event::Unreachable(Refusal { unreachable, request, copy }));
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        // What never left cannot be answered.
        self.matching.not_sent(failure.place, failure.count as u64);
        out.emit(Event::SendFailed(SendFailed { via, failure }));
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

    fn report(&self) -> Report<SendFigures> {
        let mut report = self.report.clone();
        report.own.requests_answered = self.matching.answered();
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_of_several_is_added_up_field_by_field() {
        let figures = |unit: u64| {
            let mut rtt = Spread::default();
            (1..=unit).for_each(|number| rtt.add(Duration::from_secs(number)));
            SendFigures {
                requests: unit,
                requests_answered: 2 * unit,
                replies_copied: 3 * unit,
                replies_late: 4 * unit,
                retries: 5 * unit,
                rtt,
                rtt_likely: rtt,
            }
        };
        let mut both = figures(1);
        both.merge(&figures(2));
        for rtt in [both.rtt, both.rtt_likely] {
            assert_eq!((rtt.count(), rtt.largest()), (3, Duration::from_secs(2)));
        }
        assert_eq!(both, SendFigures { rtt: both.rtt, rtt_likely: both.rtt_likely, ..figures(3) });
    }

    /// Counts what is sent, and forgets all else.
    #[derive(Default)]
    struct Counted(u64);

    impl Outbox for Counted {
        fn clock(&self) -> crate::Moment {
            crate::Moment::now()
        }

        fn send(&mut self, _via: SocketId, _transmit: &Transmit, _payload: &[u8]) {
            self.0 += 1;
        }

        fn emit(&mut self, _event: Event<'_>) {}
    }

    #[test]
    fn every_request_is_sent_as_often_as_was_asked_for() {
        let pace = Some(Pace::Interval(Duration::from_millis(1)));
        let wait = Duration::from_millis(20);
        let options = SendOptions { retries: 2, pace, wait, ..SendOptions::new("192.0.2.1:7".parse().unwrap()) };
        let requests = Requests::Fixed { payloads: (0..8).map(|byte| vec![byte]).collect(), repeat: Some(5) };
        let (mut sender, mut out) = (Send::new(options, requests), Counted::default());
        let (mut now, mut turns) = (crate::clock::now(), 1);
        sender.tick(now, &mut out);
        while let Next::At(moment) = sender.next() {
            now = now.max(moment);
            sender.tick(now, &mut out);
            turns += 1;
        }
        assert_eq!((out.0, sender.report.own.requests, sender.report.own.retries), (3 * 40, 40, 2 * 40));
        // A turn for each request and for each of its three deadlines, at most.
        assert!(turns <= 40 * 4 + 1, "{turns} turns");
    }
}
