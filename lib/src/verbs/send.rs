//! `send`: sends requests to one address and tells who answers, how fast, or why nobody does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// Requests to make at the most; a retry is none of its own.
    pub most_requests: Option<u64>,
    /// Bytes of every request's payload: longer ones are cut, shorter ones filled up with zeros.
    pub size: Option<usize>,
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
            most_requests: None,
            size: None,
            duration: None,
            count: None,
            verbose: false,
        }
    }
}

/// A request that may still be answered.
#[derive(Debug)]
struct Open {
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
    /// Requests in the time that answers are waited for, but those whose answers are certain, by their number.
    open: BTreeMap<u64, Open>,
    /// When each of them is given up or sent again, and its number; empty where none is sent again, since they are then given
    /// up in the order in which they were made.
    deadlines: BTreeSet<(Instant, u64)>,
    /// How many of them still want answers.
    waiting: usize,
    /// No open request with a number below this one wants an answer.
    first_waiting: u64,
    /// Payloads of requests that were echoed, the latest last: another such echo is a copy.
    echoed: VecDeque<Arc<[u8]>>,
    report: Report,
}

/// What a reply answers.
enum Match {
    /// This open request; its round-trip time is known unless it was sent more than once.
    Certain(u64),
    /// One of several, of which this is the oldest that wants an answer.
    Likely(u64),
    /// None that is open.
    Nothing,
}

impl Sender {
    /// An engine with these options that makes these requests.
    #[must_use]
    pub fn new(options: SendOptions, requests: Requests) -> Self {
        let schedule = Schedule::new(requests, options.pace, options.duration)
            .at_most(options.most_requests)
            .of_size(options.size);
        Self {
            options,
            schedule,
            open: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waiting: 0,
            first_waiting: 1,
            echoed: VecDeque::new(),
            report: Report::default(),
        }
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
            if self.open.len() == MAX_OPEN {
                self.give_up(self.oldest(), out);
            }
            let deadline = later(now, self.options.wait);
            self.open.insert(number, Open { payload, sent_at: now, deadline, retry: 0, replies: 0 });
            if self.options.retries > 0 {
                self.deadlines.insert((deadline, number));
            }
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
        while let Some((deadline, number)) = self.first_due()
            && deadline <= now
        {
            if !self.retry(number, now, out) {
                self.give_up(Some(number), out);
            }
        }
    }

    /// Sends a request again, if it has no answer yet and was not sent often enough.
    fn retry(&mut self, number: u64, now: Instant, out: &mut impl Outbox) -> bool {
        let Some(open) = self.open.get_mut(&number) else { return false };
        if open.replies > 0 || open.retry >= self.options.retries {
            return false;
        }
        open.retry += 1;
        open.sent_at = now;
        let deadline = later(now, self.options.wait.saturating_mul(2u32.saturating_pow(open.retry)));
        let passed = std::mem::replace(&mut open.deadline, deadline);
        let (payload, retry) = (Arc::clone(&open.payload), open.retry);
        self.deadlines.remove(&(passed, number));
        self.deadlines.insert((deadline, number));
        self.report.retries += 1;
        self.transmit(&payload, number, retry, out);
        true
    }

    /// Closes a request, and tells if it had no answer.
    fn give_up(&mut self, number: Option<u64>, out: &mut impl Outbox) {
        if let Some((request, closed)) = self.close(number)
            && closed.replies == 0
        {
            out.emit(Event::Unanswered { request });
        }
    }

    /// The open request that was made first.
    fn oldest(&self) -> Option<u64> {
        self.open.first_key_value().map(|(number, _)| *number)
    }

    /// When the first of the open requests has waited long enough, and its number. With tens of thousands open, none is
    /// searched for.
    fn first_due(&self) -> Option<(Instant, u64)> {
        match self.options.retries {
            0 => self.open.first_key_value().map(|(number, open)| (open.deadline, *number)),
            _ => self.deadlines.first().copied(),
        }
    }

    /// Takes a request off the list.
    fn close(&mut self, number: Option<u64>) -> Option<(u64, Open)> {
        let (number, closed) = self.open.remove_entry(&number?)?;
        self.deadlines.remove(&(closed.deadline, number));
        self.waiting -= usize::from(wants(&closed, self.options.replies));
        Some((number, closed))
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
        let equal = || self.open.iter().take(MAX_COMPARED).filter(|(_, open)| *open.payload == *payload);
        let mut numbers = equal().map(|(number, _)| *number);
        let compared_all = self.open.len() <= MAX_COMPARED;
        match (numbers.next(), numbers.next()) {
            (Some(number), None) if compared_all => return Match::Certain(number),
            (None, _) if self.echoed.iter().any(|echoed| **echoed == *payload) => return Match::Nothing,
            (None, _) if self.open.len() == 1 => return self.oldest().map_or(Match::Nothing, Match::Certain),
            _ => {}
        }
        let echo = equal().find(|(_, open)| wants(open, self.options.replies)).map(|(number, _)| *number);
        echo.or_else(|| self.oldest_waiting()).map_or(Match::Nothing, Match::Likely)
    }

    /// The open request that was made first of those that still want an answer.
    fn oldest_waiting(&self) -> Option<u64> {
        let mut since = self.open.range(self.first_waiting..);
        since.find(|(_, open)| wants(open, self.options.replies)).map(|(number, _)| *number)
    }

    /// Credits a request with an answer; returns its number and the round-trip time, where they are certain.
    fn credit(&mut self, now: Instant, payload: &[u8]) -> Option<(u64, Option<Duration>)> {
        let (number, certain) = match self.matching(payload) {
            Match::Certain(number) => (number, true),
            Match::Likely(number) => (number, false),
            Match::Nothing => return None,
        };
        let open = self.open.get_mut(&number)?;
        let wanted = wants(open, self.options.replies);
        open.replies += 1;
        let is_done = !wants(open, self.options.replies);
        self.report.requests_answered += u64::from(open.replies == 1);
        if wanted && is_done {
            self.waiting -= 1;
            // None that has enough will ever want more, so this goes forwards alone.
            self.first_waiting = self.oldest_waiting().unwrap_or(self.report.requests);
        }
        let open = self.open.get(&number)?;
        if !certain {
            return None;
        }
        // The answer to a request that was sent again may be to either sending (Karn's rule).
        let rtt = (open.retry == 0).then(|| now.saturating_duration_since(open.sent_at));
        if *open.payload == *payload {
            self.echoed.push_back(Arc::clone(&open.payload));
            if self.echoed.len() > MAX_COMPARED {
                self.echoed.pop_front();
            }
        }
        if is_done {
            self.close(Some(number));
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
        match [self.schedule.next(), self.first_due().map(|(deadline, _)| deadline)].into_iter().flatten().min() {
            Some(moment) => Next::At(moment),
            None => Next::Datagram,
        }
    }

    fn unreachable(&mut self, _now: Instant, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        // One that was too big may get through in fragments when it is sent again.
        let hopeless = !matches!(unreachable.cause, Cause::TooBig { .. }) || self.options.retries == 0;
        if hopeless && unreachable.destination == self.options.transmit.destination {
            let quoted = self.open.iter().find(|(_, open)| open.payload.starts_with(&unreachable.payload));
            self.close(quoted.map(|(number, _)| *number).or_else(|| self.oldest()));
        }
        out.emit(Event::Unreachable { unreachable });
    }

    fn failed(&mut self, _now: Instant, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        // What never left cannot be answered. Which ones of a batch did not leave is not told: the newest are closed.
        for _ in 0..failure.count {
            self.close(self.open.last_key_value().map(|(number, _)| *number));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts what is sent, and forgets all else.
    #[derive(Default)]
    struct Counted(u64);

    impl Outbox for Counted {
        fn send(&mut self, _via: usize, _transmit: &Transmit, _payload: &[u8]) {
            self.0 += 1;
        }

        fn emit(&mut self, _event: Event<'_>) {}
    }

    /// A sender of 40 requests, one each millisecond, which waits 20 ms for the answers.
    fn sender(retries: u32, replies: u64) -> Sender {
        let server = "192.0.2.1:7".parse().unwrap();
        let pace = Some(Pace::Interval(Duration::from_millis(1)));
        let wait = Duration::from_millis(20);
        let options = SendOptions { retries, replies, pace, wait, ..SendOptions::new(server) };
        Sender::new(options, Requests::Fixed { payloads: (0..8).map(|byte| vec![byte]).collect(), repeat: Some(5) })
    }

    /// What is looked up instead of searched for is what a search would find.
    fn assert_is_in_order(sender: &Sender) {
        let deadlines: BTreeSet<_> = sender.open.iter().map(|(number, open)| (open.deadline, *number)).collect();
        assert_eq!(sender.first_due(), deadlines.first().copied());
        if sender.options.retries > 0 {
            assert_eq!(sender.deadlines, deadlines);
        }
        let waiting = || sender.open.iter().filter(|(_, open)| wants(open, sender.options.replies));
        assert_eq!(sender.waiting, waiting().count());
        assert_eq!(sender.oldest_waiting(), waiting().next().map(|(number, _)| *number));
    }

    proptest! {
        #[test]
        fn deadlines_are_known_in_order_whatever_happens(
            retries in 0u32..4,
            replies in 0u64..3,
            steps in prop::collection::vec((0u8..6, 0u8..9, 0u64..30), 1..120),
        ) {
            let mut sender = sender(retries, replies);
            let server = sender.options.transmit;
            let (mut now, mut out) = (crate::clock::now(), Counted::default());
            for (step, byte, wait) in steps {
                match step {
                    0..3 => {
                        now += Duration::from_millis(wait);
                        sender.tick(now, &mut out);
                        prop_assert!(sender.first_due().is_none_or(|(deadline, _)| deadline > now));
                    }
                    3 => {
                        let meta = Meta::new(server.destination);
                        sender.receive(now, 0, &Datagram { payload: &[byte], wire_len: 1, meta: &meta }, &mut out);
                    }
                    4 => {
                        let mut refused = Unreachable::new(server.destination, None, Cause::Port);
                        refused.payload = vec![byte];
                        sender.unreachable(now, &refused, &mut out);
                    }
                    _ if sender.report.sent.datagrams > 0 => {
                        let error = std::io::ErrorKind::HostUnreachable.into();
                        sender.failed(now, &SendFailure { transmit: server, count: 1, bytes: 1, error }, &mut out);
                    }
                    _ => {}
                }
                assert_is_in_order(&sender);
            }
        }
    }

    #[test]
    fn every_request_is_sent_as_often_as_was_asked_for() {
        let (mut sender, mut out) = (sender(2, 1), Counted::default());
        let (mut now, mut turns) = (crate::clock::now(), 1);
        sender.tick(now, &mut out);
        while let Next::At(moment) = sender.next() {
            now = now.max(moment);
            sender.tick(now, &mut out);
            turns += 1;
        }
        assert_eq!((out.0, sender.report.requests, sender.report.retries), (3 * 40, 40, 2 * 40));
        // A turn for each request and for each of its three deadlines, at most.
        assert!(turns <= 40 * 4 + 1, "{turns} turns");
        assert!(sender.open.is_empty());
    }
}
