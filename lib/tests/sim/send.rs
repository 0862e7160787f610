//! `send` in virtual time: what closes a request, and what does not.

use std::io;
use std::time::{Duration, Instant};

use udpkit::verbs::{Pace, Requests, SendOptions, Sender};
use udpkit::{Cause, Datagram, Engine, Input, Meta, Next, Reason, Report, SendFailure, Transmit, Unreachable};

use crate::network::{Link, Mail, Network, Said};
use crate::{OTHER, SERVER, address, repeated};

const MS: Duration = Duration::from_millis(1);

/// A client whose network is played by hand, with the time.
struct Client {
    sender: Sender,
    mail: Mail,
    now: Instant,
}

impl Client {
    /// Makes these requests, as many of them as are due at once.
    fn new(options: SendOptions, requests: Requests) -> Self {
        let mut client = Self {
            sender: Sender::new(options, requests),
            mail: Mail::default(),
            now: Network::new(Link::PERFECT, 0).now,
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
        self.sender.unreachable(self.now, &unreachable, &mut self.mail);
    }

    fn fail(&mut self, count: usize, bytes: usize) {
        let error = io::ErrorKind::NetworkUnreachable.into();
        let failure = SendFailure { transmit: Transmit::to(address(SERVER)), count, bytes, error };
        self.sender.failed(self.now, &failure, &mut self.mail);
    }

    /// The server answers; returns the number of the request that it is credited to, if that is certain.
    fn answer(&mut self, payload: &str) -> Option<u64> {
        match self.hear(&Meta::new(address(SERVER)), payload) {
            Said::Reply { request, .. } => request,
            said => panic!("no reply: {said:?}"),
        }
    }

    /// A datagram comes; returns what is said of it.
    fn hear(&mut self, meta: &Meta, payload: &str) -> Said {
        let datagram = Datagram { payload: payload.as_bytes(), wire_len: payload.len(), meta };
        self.sender.receive(self.now, 0, &datagram, &mut self.mail);
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

    fn report(&self) -> Report {
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
        let options = SendOptions { retries: 1, ..at_once() };
        let mut client = Client::new(options, Requests::one("large"));
        client.refuse(SERVER, Cause::TooBig { mtu }, "large");
        assert_eq!(client.mail.said, [Said::Unreachable(Cause::TooBig { mtu })]);
        assert_eq!(client.sender.next(), Next::At(client.now + 1000 * MS));
        client.wait(1000 * MS);
        assert_eq!(client.mail.sent.len(), 2, "it may get through in fragments");
        assert_eq!(client.answer("small"), Some(1));
        assert_eq!(client.sender.next(), Next::Done);
        let report = client.report();
        assert_eq!((report.unreachable, report.requests_answered), (1, 1));
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
        assert_eq!(client.mail.said, [(); 2].map(|()| Said::Unreachable(cause)));
        assert_eq!((client.report().unreachable, client.report().requests_answered), (2, 0));
    }
}

#[test]
fn the_request_that_a_report_quotes_is_closed_and_the_oldest_without_a_quote() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.refuse(SERVER, Cause::Port, "tw");
    assert_eq!((client.answer("three"), client.answer("one")), (Some(3), Some(1)));
    assert_eq!(client.sender.next(), Next::Done);

    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.refuse(SERVER, Cause::Port, "other");
    assert_eq!((client.answer("three"), client.answer("two")), (Some(3), Some(2)));
    assert_eq!(client.sender.next(), Next::Done);
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
        let mut client = Client::new(SendOptions { replies, ..at_once() }, Requests::one("x"));
        for number in 1..=3u64 {
            client.wait(MS);
            if done_after.is_none_or(|done_after| number <= done_after) {
                let rtt = Some(u32::try_from(number).unwrap() * MS);
                let (source, payload) = (address(SERVER), number.to_string().into_bytes());
                let reply = Said::Reply { source, payload, request: Some(1), rtt };
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
        assert_eq!(client.report().requests_answered, 1);
        assert!(client.mail.said.is_empty(), "{:?}", client.mail.said);
    }
}

#[test]
fn enough_answers_to_any_request_end_it() {
    let mut client = Client::new(SendOptions { count: Some(2), ..at_once() }, repeated(&["one", "two", "three"], 1));
    assert_eq!(client.answer("two"), Some(2));
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
        let options = SendOptions { own: vec![address(own)], any_source: true, ..at_once() };
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
    let options = SendOptions { verbose: true, retries: 1, wait: 10 * MS, ..at_once() };
    let mut client = Client::new(options, repeated(&["one", "two"], 1));
    assert_eq!(client.finish(), 30 * MS);
    let told = [(1, 0), (2, 0), (1, 1), (2, 1)].map(|(request, retry)| Said::Sent(request, retry));
    assert_eq!(client.mail.said[..4], told);
    assert_eq!(client.mail.said[4..], [Said::Unanswered(1), Said::Unanswered(2)]);
    let report = client.report();
    assert_eq!((report.requests, report.retries, report.sent.datagrams, report.sent.bytes), (2, 2, 4, 12));
}

#[test]
fn what_was_answered_is_not_sent_again() {
    let options = SendOptions { retries: 3, replies: 2, wait: 10 * MS, ..at_once() };
    let mut client = Client::new(options, repeated(&["one", "two"], 1));
    assert_eq!(client.answer("one"), Some(1));
    client.wait(10 * MS);
    // The second one alone; its answer may be to either sending.
    assert_eq!(client.report().retries, 1);
    client.wait(MS);
    let said = client.hear(&Meta::new(address(SERVER)), "two");
    assert!(matches!(said, Said::Reply { request: Some(2), rtt: None, .. }), "{said:?}");
    assert_eq!(client.finish(), 19 * MS);
    assert!(client.mail.said.is_empty(), "both were answered: {:?}", client.mail.said);
}

#[test]
fn requests_without_answers_are_not_waited_for_if_asked() {
    let options = SendOptions { wait: Duration::ZERO, ..at_once() };
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
fn the_oldest_request_is_given_up_for_one_more_than_may_be_open() {
    const MOST: u64 = 65_536;
    let mut client = Client::new(at_once(), repeated(&["x"], MOST + 3));
    while client.sender.report().requests < MOST {
        client.wait(Duration::ZERO);
    }
    assert!(client.mail.said.is_empty());
    // Not the first, since it has an answer.
    assert_eq!(client.answer("y"), None);
    client.wait(Duration::ZERO);
    assert_eq!(client.mail.said, [Said::Unanswered(2), Said::Unanswered(3)]);
    assert_eq!(client.report().requests_answered, 1);
}

#[test]
fn an_answer_is_certain_only_where_all_open_requests_were_compared_with_it() {
    for (open, certain) in [(1024, Some(1)), (1025, None)] {
        let payloads = (1..=open).map(|number: u32| number.to_string().into_bytes()).collect();
        let mut client = Client::new(at_once(), Requests::Fixed { payloads, repeat: Some(1) });
        while client.sender.report().requests < u64::from(open) {
            client.wait(Duration::ZERO);
        }
        assert_eq!(client.answer("1"), certain);
        // Credited all the same, and each to one of its own.
        assert_eq!(client.report().requests_answered, 1);
    }
}

#[test]
fn a_copy_of_an_echo_answers_nothing() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    assert_eq!((client.answer("one"), client.answer("one")), (Some(1), None));
    assert_eq!((client.report().requests_answered, client.report().delivered), (1, 2));
    // What is no echo is the answer to one of those that are left.
    assert_eq!(client.answer("four"), None);
    assert_eq!(client.report().requests_answered, 2);
    assert_eq!(client.report().rtt.count(), 1);
}

#[test]
fn requests_are_made_as_long_as_said_and_a_stream_waits_when_it_is_full() {
    let pace = Some(Pace::Interval(10 * MS));
    for (duration, made, took) in [(25, 3, 25 + 995), (20, 2, 20 + 990), (0, 0, 0)] {
        let options = SendOptions { duration: Some(duration * MS), pace, ..at_once() };
        let mut client = Client::new(options, repeated(&["x"], 100));
        let finished = client.finish();
        assert_eq!((client.report().requests, finished), (made, took * MS), "{duration} ms");
    }

    let mut client = Client::new(SendOptions { pace, ..at_once() }, Requests::Stream);
    assert_eq!(client.sender.next(), Next::Datagram);
    for number in 0..64 {
        assert!(client.sender.wants_input(), "{number}");
        client.sender.input(client.now, Input::Payload(b"x".to_vec()), &mut client.mail);
    }
    assert!(!client.sender.wants_input());
    client.wait(Duration::ZERO);
    assert!(client.sender.wants_input());
    client.sender.input(client.now, Input::End, &mut client.mail);
    assert!(!client.sender.wants_input());
    assert_eq!(client.finish(), 630 * MS + 1000 * MS);
    assert_eq!(client.report().requests, 64);
}

#[test]
fn an_empty_payload_takes_the_time_of_a_byte() {
    let options = SendOptions { pace: Some(Pace::Bitrate(8.0)), wait: Duration::ZERO, ..at_once() };
    let mut client = Client::new(options, repeated(&[""], 5));
    assert_eq!(client.finish(), 4000 * MS);
    let none = Client::new(at_once(), Requests::Fixed { payloads: vec![], repeat: None });
    assert_eq!(none.sender.next(), Next::Done);
}

#[test]
fn what_is_sent_again_waits_longer_and_nothing_else_waits_for_it() {
    let pace = Some(Pace::Interval(15 * MS));
    let options = SendOptions { retries: 1, wait: 10 * MS, pace, ..at_once() };
    let mut client = Client::new(options, repeated(&["one", "two"], 1));
    client.wait(10 * MS);
    client.wait(5 * MS);
    assert_eq!(client.mail.sent.len(), 3);
    assert_eq!(client.sender.next(), Next::At(client.now + 10 * MS), "the second, before the first");
    assert_eq!(client.finish(), 30 * MS);
    assert_eq!(client.mail.said, [1, 2].map(Said::Unanswered));
}

#[test]
fn an_echo_of_several_requests_answers_one_of_them() {
    let mut client = Client::new(at_once(), repeated(&["y", "x", "x"], 1));
    assert_eq!((client.answer("x"), client.answer("x")), (None, None));
    client.finish();
    assert_eq!(client.mail.said, [Said::Unanswered(1)]);
    assert_eq!(client.report().requests_answered, 2);
}

#[test]
fn as_many_echoes_are_remembered_as_requests_are_compared() {
    const MOST: u64 = 1024;
    for (echoes, copy_is_known) in [(MOST, true), (MOST + 1, false)] {
        let payloads = (0..=echoes).map(|number| number.to_string().into_bytes()).collect();
        let options = SendOptions { pace: Some(Pace::Interval(MS)), wait: 3_600_000 * MS, ..at_once() };
        let mut client = Client::new(options, Requests::Fixed { payloads, repeat: Some(1) });
        for number in 0..echoes {
            assert_eq!(client.answer(&number.to_string()), Some(number + 1));
            client.wait(MS);
        }
        // One is open, which this may answer if it is no copy.
        let expected = if copy_is_known { None } else { Some(echoes + 1) };
        assert_eq!(client.answer("0"), expected, "after {echoes}");
    }
}

#[test]
fn what_waited_too_long_is_given_up_however_late_that_is_seen() {
    for late in [0, 1, 10_000] {
        let mut client = Client::new(at_once(), Requests::one("x"));
        client.wait(1000 * MS - Duration::from_nanos(1));
        assert!(client.mail.said.is_empty(), "not yet");
        client.wait(Duration::from_nanos(1) + late * MS);
        assert_eq!((client.sender.next(), &client.mail.said[..]), (Next::Done, &[Said::Unanswered(1)][..]), "{late}");
    }
}
