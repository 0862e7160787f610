//! `send` in virtual time: what closes a request, and what does not.

use std::io;
use std::time::{Duration, Instant};

use udpkit::event::{OneOf, Request};
use udpkit::verbs::{self, Pace, Requests, SendFigures, SendOptions};
use udpkit::{Cause, Datagram, Engine, Meta, Next, Reason, ReplyTo, Report, SendFailure, Transmit, Unreachable};

use crate::network::{Link, Mail, Network, Said};
use crate::{ONE, OTHER, SERVER, address, repeated};

const MS: Duration = Duration::from_millis(1);

/// A client whose network is played by hand, with the time.
struct Client {
    sender: verbs::Send,
    mail: Mail,
    now: Instant,
}

impl Client {
    /// Makes these requests, as many of them as are due at once.
    fn new(options: SendOptions, requests: Requests) -> Self {
        let mut client = Self {
            sender: verbs::Send::new(options, requests),
            mail: Mail::default(),
            now: Network::new(Link::PERFECT, 0).now(),
        };
        client.wait(Duration::ZERO);
        client
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.sender.tick(self.now, &mut self.mail);
    }

    fn refuse(&mut self, destination: &str, cause: Cause, payload: &str) {
        let mut unreachable = Unreachable::new(address(destination), None, cause);
        unreachable.payload = payload.as_bytes().to_vec();
        self.sender.unreachable(self.now, ONE, &unreachable, &mut self.mail);
    }

    fn fail(&mut self, count: usize, bytes: usize) {
        let error = io::ErrorKind::NetworkUnreachable.into();
        let place = self.mail.sent.len() as u64 - count as u64;
        let failure = SendFailure::new(Transmit::to(address(SERVER)), error).place(place).count(count).bytes(bytes);
        self.sender.failed(self.now, ONE, &failure, &mut self.mail);
    }

    /// The server answers; returns the number of the request that it is credited to, if that is certain.
    fn answer(&mut self, payload: &str) -> Option<u64> {
        match self.hear(&Meta::new(address(SERVER)), payload) {
            Said::Reply { to, .. } => to.request(),
            said => panic!("no reply: {said:?}"),
        }
    }

    /// A datagram comes; returns what is said of it.
    fn hear(&mut self, meta: &Meta, payload: &str) -> Said {
        let datagram = Datagram::new(payload.as_bytes(), meta).wire_len(payload.len());
        self.sender.receive(self.now, ONE, &datagram, &mut self.mail);
        self.mail.said.pop().expect("each is told")
    }

    /// Lets time pass until it has finished; returns how long that took.
    fn finish(&mut self) -> Duration {
        let started = self.now;
        while let Next::At(moment) = self.sender.next() {
            self.wait(moment.saturating_duration_since(self.now));
        }
        assert_eq!(self.sender.next(), Next::Done);
        self.now - started
    }

    fn report(&self) -> Report<SendFigures> {
        let report = self.sender.report();
        assert!(report.is_balanced(), "{report:?}");
        report
    }
}

fn at_once() -> SendOptions {
    SendOptions::new(address(SERVER))
}

#[test]
fn what_was_too_big_stays_open_and_is_sent_again() {
    for mtu in [0, 1400] {
        let options = at_once().retries(1);
        let mut client = Client::new(options, Requests::one("large"));
        client.refuse(SERVER, Cause::TooBig { mtu }, "large");
        assert_eq!(client.mail.said, [Said::Unreachable(Cause::TooBig { mtu }, None, false)]);
        assert_eq!(client.sender.next(), Next::At(client.now + 1000 * MS));
        client.wait(1000 * MS);
        assert_eq!(client.mail.sent.len(), 2, "it may get through in fragments");
        assert_eq!(client.answer("small"), Some(1));
        assert_eq!(client.sender.next(), Next::Done);
        let report = client.report();
        assert_eq!((report.unreachable, report.own.requests_answered), (1, 1));
        let mut client = Client::new(at_once(), Requests::one("large"));
        client.refuse(SERVER, Cause::TooBig { mtu }, "large");
        assert_eq!(client.sender.next(), Next::Done, "it is sent once, and that was in vain");
    }
}

#[test]
fn what_was_refused_is_not_waited_for() {
    let causes = [
        Cause::Port,
        Cause::Host,
        Cause::Network,
        Cause::Prohibited,
        Cause::HopLimit,
        Cause::Other { kind: 3, code: 5 },
    ];
    for cause in causes {
        let mut client = Client::new(at_once(), Requests::one("x"));
        client.refuse(OTHER, cause, "x");
        assert_ne!(client.sender.next(), Next::Done, "somebody else was refused");
        client.refuse(SERVER, cause, "x");
        assert_eq!(client.sender.next(), Next::Done, "{cause}");
        assert_eq!(client.mail.said, [None, Some(1)].map(|request| Said::Unreachable(cause, request, false)));
        assert_eq!((client.report().unreachable, client.report().own.requests_answered), (2, 0));
    }
}

#[test]
fn a_refusal_closes_the_request_that_it_quotes_and_none_where_it_may_be_about_several() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.refuse(SERVER, Cause::Port, "tw");
    client.refuse(SERVER, Cause::Port, "tw");
    let refused = [(Some(2), false), (None, true)].map(|(request, copy)| Said::Unreachable(Cause::Port, request, copy));
    assert_eq!(client.mail.said, refused);
    assert_eq!(client.report().unreachable, 2);

    // Three copies of one refusal of one of three: which one it is about is not known, and two were answered.
    for quote in ["", "x", "xx"] {
        let mut client = Client::new(at_once(), repeated(&["xx"], 3));
        for _ in 0..3 {
            client.refuse(SERVER, Cause::Port, quote);
        }
        assert_eq!(client.mail.said, [(); 3].map(|()| Said::Unreachable(Cause::Port, None, false)));
        assert_ne!(client.sender.next(), Next::Done);
        assert_eq!((client.answer("y"), client.answer("y")), (None, None));
        assert_eq!((client.report().own.requests_answered, client.report().delivered), (2, 2));
        assert_eq!(client.finish(), 1000 * MS);
    }

    // It quotes nothing that was sent.
    let mut client = Client::new(at_once(), Requests::one("one"));
    client.refuse(SERVER, Cause::Port, "other");
    assert_eq!(client.mail.said, [Said::Unreachable(Cause::Port, None, false)]);
    assert_eq!(client.answer("!"), Some(1));
}

#[test]
fn what_could_not_be_sent_is_not_waited_for_and_not_counted_as_sent() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.fail(2, 8);
    assert_eq!(client.mail.said, [Said::SendFailed(2)]);
    let report = client.report();
    assert_eq!((report.send_failed, report.sent.datagrams, report.sent.bytes), (2, 1, 3));
    assert_eq!(client.answer("one"), Some(1));
    assert_eq!(client.sender.next(), Next::Done);
    // More than are open is no reason to panic.
    client.fail(1, 3);
    assert_eq!(client.report().sent.datagrams, 0);
}

#[test]
fn a_request_is_done_after_as_many_answers_as_it_wants_or_when_its_time_is_over() {
    for (replies, done_after) in [(1, Some(1)), (2, Some(2)), (0, None)] {
        let mut client = Client::new(at_once().replies(replies), Requests::one("x"));
        for number in 1..=3u64 {
            client.wait(MS);
            if done_after.is_none_or(|done_after| number <= done_after) {
                let rtt = Some(u32::try_from(number).unwrap() * MS);
                let to = ReplyTo::Request(Request::new(1, rtt));
                let (source, payload) = (address(SERVER), number.to_string().into_bytes());
                let reply = Said::Reply { source, payload, to };
                assert_eq!(client.hear(&Meta::new(address(SERVER)), &number.to_string()), reply);
            } else {
                let late = client.hear(&Meta::new(address(SERVER)), &number.to_string());
                assert_eq!(late, Said::Ignored(Reason::AfterEnd, 1));
            }
            let done = done_after.is_some_and(|done_after| number >= done_after);
            assert_eq!(client.sender.next() == Next::Done, done, "{number} of {replies}");
        }
        let rest = if replies == 0 { 997 * MS } else { Duration::ZERO };
        assert_eq!(client.finish(), rest);
        assert_eq!(client.report().own.requests_answered, 1);
        assert!(client.mail.said.is_empty(), "{:?}", client.mail.said);
    }
}

#[test]
fn enough_answers_to_any_request_end_it() {
    let mut client = Client::new(at_once().count(2), repeated(&["one", "two", "three"], 1));
    // The first echo might be chance.
    assert_eq!(client.answer("two"), None);
    assert_ne!(client.sender.next(), Next::Done);
    assert_eq!(client.answer("one"), Some(1));
    assert_eq!(client.sender.next(), Next::Done);
    assert_eq!(client.hear(&Meta::new(address(SERVER)), "three"), Said::Ignored(Reason::AfterEnd, 1));
}

#[test]
fn our_own_datagrams_are_no_answers() {
    // Of a socket at any address, by the address that was asked.
    for (own, local, port, taken) in [
        ("10.0.0.2:40000", None, 40000, false),
        ("10.0.0.2:40000", None, 40001, true),
        ("10.0.0.9:40000", Some("10.0.0.2:0"), 40000, true),
        ("0.0.0.0:40000", Some("10.0.0.2:0"), 40000, false),
        ("0.0.0.0:40000", Some("10.0.0.2:0"), 40001, true),
        ("0.0.0.0:40000", Some("10.0.0.9:0"), 40000, true),
        ("0.0.0.0:40000", None, 40000, true),
    ] {
        let options = at_once().own([address(own)]).any_source(true);
        let mut client = Client::new(options, Requests::one("x"));
        let mut meta = Meta::new(([10, 0, 0, 2], port).into());
        meta.local = local.map(|local| address(local).ip());
        let said = client.hear(&meta, "x");
        assert_eq!(said != Said::Ignored(Reason::OwnCopy, 1), taken, "{own} {local:?} {port}");
    }
}

#[test]
fn an_answer_of_another_port_or_address_is_another_source() {
    for (source, reason) in
        [(SERVER, None), ("10.0.0.2:10001", Some(Reason::OtherSource)), ("10.0.0.3:10000", Some(Reason::OtherSource))]
    {
        let mut client = Client::new(at_once(), Requests::one("x"));
        let said = client.hear(&Meta::new(address(source)), "y");
        assert_eq!(reason.map(|reason| Said::Ignored(reason, 1)), Some(said).filter(|_| reason.is_some()), "{source}");
    }
}

#[test]
fn each_sending_is_told_if_asked_for() {
    let options = at_once().verbose(true).retries(1).wait(10 * MS);
    let mut client = Client::new(options, repeated(&["one", "two"], 1));
    assert_eq!(client.finish(), 30 * MS);
    let told = [(1, 0), (2, 0), (1, 1), (2, 1)].map(|(request, retry)| Said::Sent(request, retry));
    assert_eq!(client.mail.said[..4], told);
    assert_eq!(client.mail.said[4..], [Said::Unanswered(1, 1), Said::Unanswered(2, 2)]);
    let report = client.report();
    assert_eq!((report.own.requests, report.own.retries, report.sent.datagrams, report.sent.bytes), (2, 2, 4, 12));
}

#[test]
fn what_was_answered_is_not_sent_again() {
    let options = at_once().retries(3).replies(2).wait(10 * MS);
    let mut client = Client::new(options, repeated(&["one", "two"], 1));
    assert_eq!(client.answer("one"), None, "it looks like an echo, but it may be chance");
    client.wait(10 * MS);
    // The second one alone; its answer may be to either sending.
    assert_eq!(client.report().own.retries, 1);
    client.wait(MS);
    let said = client.hear(&Meta::new(address(SERVER)), "two");
    let expected = ReplyTo::Request(Request::new(2, None));
    assert!(matches!(said, Said::Reply { to, .. } if to == expected), "{said:?}");
    assert_eq!(client.finish(), 19 * MS);
    assert!(client.mail.said.is_empty(), "both were answered: {:?}", client.mail.said);
}

#[test]
fn requests_without_answers_are_not_waited_for_if_asked() {
    let options = at_once().wait(Duration::ZERO);
    let client = Client::new(options, repeated(&["one", "two"], 1));
    assert_eq!((client.sender.next(), client.mail.sent.len()), (Next::Done, 2));
    assert!(client.mail.said.is_empty(), "nobody was asked for an answer");
}

#[test]
fn some_are_sent_at_once_and_the_rest_with_the_next_call() {
    let mut client = Client::new(at_once(), repeated(&["x"], 100));
    assert_eq!(client.mail.sent.len(), 64);
    assert_eq!(client.sender.next(), Next::At(client.now));
    client.wait(Duration::ZERO);
    assert_eq!(client.mail.sent.len(), 100);
    assert_eq!(client.sender.next(), Next::At(client.now + 1000 * MS));
}

#[test]
fn the_oldest_request_is_forgotten_for_one_more_than_may_be_open() {
    const MOST: u64 = 65_536;
    let mut client = Client::new(at_once(), repeated(&["x"], MOST + 3));
    while client.sender.next() == Next::At(client.now) {
        client.wait(Duration::ZERO);
    }
    // Answers to them may still come: nothing is known of them.
    assert!(client.mail.said.is_empty());
    let to = ReplyTo::OneOf(OneOf::new(1, MOST + 3, None));
    let source = address(SERVER);
    let said = client.hear(&Meta::new(source), "y");
    assert_eq!(said, Said::Reply { source, payload: b"y".to_vec(), to });
    assert_eq!(client.report().own.requests_answered, 1);
    // The rest, but the last, after which it has finished.
    for _ in 0..MOST - 1 {
        client.hear(&Meta::new(source), "y");
    }
    assert_eq!((client.report().own.requests_answered, client.report().own.replies_copied), (MOST, 0));
}

#[test]
fn copies_of_answers_are_reported_as_copies() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    // What comes back may be chance at first; two different payloads are none.
    let source = address(SERVER);
    let likely = ReplyTo::OneOf(OneOf::new(1, 3, Some((1, Duration::ZERO))));
    let first = client.hear(&Meta::new(source), "one");
    assert_eq!(first, Said::Reply { source, payload: b"one".to_vec(), to: likely });
    assert_eq!(client.answer("two"), Some(2));
    assert_eq!(
        client.hear(&Meta::new(source), "two"),
        Said::Reply { source, payload: b"two".to_vec(), to: ReplyTo::Copy }
    );
    assert_eq!((client.report().own.requests_answered, client.report().own.replies_copied), (2, 1));
    assert_eq!((client.report().own.rtt.count(), client.report().own.rtt_likely.count()), (1, 1));
}

#[test]
fn an_answer_that_is_always_the_same_is_no_echo_though_it_equals_a_request() {
    let mut client = Client::new(at_once(), repeated(&["ping", "pong"], 1));
    assert_eq!((client.answer("pong"), client.answer("pong")), (None, None));
    assert_eq!((client.sender.next(), client.report().own.requests_answered), (Next::Done, 2));
}

#[test]
fn an_answer_after_the_wait_is_late() {
    let pace = Some(Pace::Interval(2000 * MS));
    let mut client = Client::new(at_once().pace(pace), repeated(&["x"], 2));
    client.wait(1000 * MS);
    assert_eq!(client.mail.said, [Said::Unanswered(1, 1)]);
    let late = client.hear(&Meta::new(address(SERVER)), "y");
    assert!(matches!(late, Said::Reply { to: ReplyTo::Late, .. }), "{late:?}");
    let another = client.hear(&Meta::new(address(SERVER)), "y");
    assert!(matches!(another, Said::Reply { to: ReplyTo::Unmatched, .. }), "{another:?}");
    assert_eq!((client.report().own.replies_late, client.report().own.replies_copied), (1, 0));
}

#[test]
fn a_server_that_answers_twice_makes_nothing_certain_from_then_on() {
    let pace = Some(Pace::Interval(100 * MS));
    let mut client = Client::new(at_once().pace(pace), repeated(&["x"], 4));
    let hear = |client: &mut Client, payload: &str| match client.hear(&Meta::new(address(SERVER)), payload) {
        Said::Reply { to, .. } => to,
        said => panic!("no reply: {said:?}"),
    };
    let mut replies = Vec::new();
    for _ in 0..3 {
        client.wait(MS);
        replies.extend(["A", "B"].map(|payload| hear(&mut client, payload)));
        client.wait(99 * MS);
    }
    assert_eq!(replies[..2], [ReplyTo::Request(Request::new(1, Some(MS))), ReplyTo::Unmatched]);
    let is_certain = |to: &ReplyTo| matches!(to, ReplyTo::Request(_) | ReplyTo::Copy | ReplyTo::Late);
    assert!(!replies[2..].iter().any(is_certain), "{replies:?}");
}

#[test]
fn a_client_that_was_held_up_takes_what_arrived_before_it_gives_up() {
    let mut client = Client::new(at_once(), Requests::one("x"));
    let (sent_at, source) = (client.now, address(SERVER));
    client.sender.heard(sent_at);
    // Five seconds pass; the answer came after a millisecond, and lies in the socket.
    client.wait(5000 * MS);
    assert_eq!((client.sender.next(), client.mail.said.len()), (Next::At(sent_at + 1000 * MS), 0));
    let meta = Meta::new(source);
    let datagram = Datagram::new(b"y", &meta);
    client.sender.receive(sent_at + MS, ONE, &datagram, &mut client.mail);
    client.sender.heard(client.now);
    let to = ReplyTo::Request(Request::new(1, Some(MS)));
    assert_eq!(client.mail.said, [Said::Reply { source, payload: b"y".to_vec(), to }]);
    assert_eq!(client.sender.next(), Next::Done);
}

#[test]
fn in_a_dialogue_each_request_waits_for_the_answer_to_the_one_before() {
    let options = at_once().dialogue(true);
    let mut client = Client::new(options, repeated(&["GET", "SET", "END"], 1));
    assert_eq!(client.mail.sent.len(), 1);
    assert_eq!(client.answer("21.5"), Some(1));
    client.wait(MS);
    assert_eq!(client.mail.sent.len(), 2);
    // An answer that differs is to the request that has none; one that does not may be a copy.
    assert_eq!(client.answer("OK"), Some(2));
    client.wait(Duration::ZERO);
    assert_eq!((client.mail.sent.len(), client.answer("OK")), (3, None));
    let report = client.report();
    assert_eq!((client.sender.next(), report.own.rtt.count(), report.own.rtt_likely.count()), (Next::Done, 2, 1));

    // Or until that is given up, or the time is over.
    for (duration, sent) in [(None, 3), (Some(1500 * MS), 2)] {
        let options = at_once().dialogue(true).duration(duration);
        let mut client = Client::new(options, repeated(&["GET"], 3));
        assert_eq!(client.finish(), u32::try_from(sent).unwrap() * 1000 * MS);
        assert_eq!(client.mail.sent.len(), sent);
    }
}

#[test]
fn requests_are_made_as_long_as_said_and_a_stream_waits_when_it_is_full() {
    let pace = Some(Pace::Interval(10 * MS));
    for (duration, made, took) in [(25, 3, 25 + 995), (20, 2, 20 + 990), (0, 0, 0)] {
        let options = at_once().duration(duration * MS).pace(pace);
        let mut client = Client::new(options, repeated(&["x"], 100));
        let finished = client.finish();
        assert_eq!((client.report().own.requests, finished), (made, took * MS), "{duration} ms");
    }

    let mut client = Client::new(at_once().pace(pace), Requests::Stream);
    assert_eq!(client.sender.next(), Next::Datagram);
    for number in 0..64 {
        assert!(client.sender.wants_input(), "{number}");
        client.sender.input(client.now, b"x".to_vec(), &mut client.mail);
    }
    assert!(!client.sender.wants_input());
    client.wait(Duration::ZERO);
    assert!(client.sender.wants_input());
    client.sender.input_ended(client.now, &mut client.mail);
    assert!(!client.sender.wants_input());
    assert_eq!(client.finish(), 630 * MS + 1000 * MS);
    assert_eq!(client.report().own.requests, 64);
}

#[test]
fn an_empty_payload_takes_the_time_of_a_byte() {
    let options = at_once().pace(Pace::Bitrate(8.0)).wait(Duration::ZERO);
    let mut client = Client::new(options, repeated(&[""], 5));
    assert_eq!(client.finish(), 4000 * MS);
    let none = Client::new(at_once(), Requests::all([b""; 0]).repeat(None));
    assert_eq!(none.sender.next(), Next::Done);
}

#[test]
fn what_is_sent_again_waits_longer_and_nothing_else_waits_for_it() {
    let pace = Some(Pace::Interval(15 * MS));
    let options = at_once().retries(1).wait(10 * MS).pace(pace);
    let mut client = Client::new(options, repeated(&["one", "two"], 1));
    client.wait(10 * MS);
    client.wait(5 * MS);
    assert_eq!(client.mail.sent.len(), 3);
    assert_eq!(client.sender.next(), Next::At(client.now + 10 * MS), "the second, before the first");
    assert_eq!(client.finish(), 30 * MS);
    assert_eq!(client.mail.said, [1, 2].map(|number| Said::Unanswered(number, number)));
}

#[test]
fn a_missing_answer_is_one_of_several_where_answers_are_alike() {
    // The server does not answer the second; every 300 ms, so that four are waited for at a time.
    let pace = Some(Pace::Interval(300 * MS));
    let mut client = Client::new(at_once().pace(pace), repeated(&["hi"], 6));
    let mut replies = Vec::new();
    for number in 1..=6 {
        client.wait(MS);
        if number != 2 {
            let Said::Reply { to, .. } = client.hear(&Meta::new(address(SERVER)), "same") else { panic!("no reply") };
            replies.push(to);
        }
        if number < 6 {
            client.wait(299 * MS);
        }
    }
    client.finish();
    let one_of = |first, last| ReplyTo::OneOf(OneOf::new(first, last, None));
    let certain = ReplyTo::Request(Request::new(1, Some(MS)));
    let likely = ReplyTo::OneOf(OneOf::new(3, 6, Some((6, MS))));
    // Once the second is given up, the answers are as regular as before.
    assert_eq!(replies, [certain, one_of(1, 3), one_of(1, 4), one_of(2, 5), likely]);
    assert_eq!(client.mail.said, [Said::Unanswered(2, 5)]);
    assert_eq!((client.report().own.requests_answered, client.report().delivered), (5, 5));
}

#[test]
fn what_waited_too_long_is_given_up_however_late_that_is_seen() {
    for late in [0, 1, 10_000] {
        let mut client = Client::new(at_once(), Requests::one("x"));
        client.wait(1000 * MS - Duration::from_nanos(1));
        assert!(client.mail.said.is_empty(), "not yet");
        client.wait(Duration::from_nanos(1) + late * MS);
        assert_eq!(
            (client.sender.next(), &client.mail.said[..]),
            (Next::Done, &[Said::Unanswered(1, 1)][..]),
            "{late}"
        );
    }
}
