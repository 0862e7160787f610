//! `broadcast` in virtual time: its rounds, its answers, its ends.

use std::time::{Duration, Instant};

use udpkit::event::{OneOf, Request};
use udpkit::verbs::{Broadcast, BroadcastFigures, BroadcastOptions, BroadcastTarget, Pace, Requests};
use udpkit::{Datagram, Engine, Meta, Next, Reason, ReplyTo, Report, Transmit};

use crate::network::{Link, Mail, Network, Said};
use crate::{CLIENT, ONE, OTHER, SERVER, address, repeated};

const MS: Duration = Duration::from_millis(1);

fn target(network: &str, own: &str) -> BroadcastTarget {
    BroadcastTarget::new(Transmit::to(address(network)), address(own))
}

/// One network, asked as fast as it goes; answers are awaited for a second.
fn options() -> BroadcastOptions {
    BroadcastOptions::new([target("10.0.0.255:10000", CLIENT)]).wait(1000 * MS)
}

/// Somebody who asks every network, and is answered by hand.
struct Asker {
    broadcast: Broadcast,
    mail: Mail,
    now: Instant,
}

impl Asker {
    fn new(options: BroadcastOptions, requests: Requests) -> Self {
        let mut asker = Self {
            broadcast: Broadcast::new(options, requests),
            mail: Mail::default(),
            now: Network::new(Link::PERFECT, 0).now(),
        };
        asker.wait(Duration::ZERO);
        asker
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.broadcast.tick(self.now, &mut self.mail);
    }

    /// Lets time pass until it has finished; returns how long that took.
    fn finish(&mut self) -> Duration {
        let started = self.now;
        while let Next::At(moment) = self.broadcast.next() {
            self.wait(moment.saturating_duration_since(self.now));
        }
        assert_eq!(self.broadcast.next(), Next::Done);
        self.now - started
    }

    /// An answer comes; returns what is said of it.
    fn answer(&mut self, source: &str, payload: &str) -> Said {
        let meta = Meta::new(address(source));
        let datagram = Datagram::new(payload.as_bytes(), &meta).wire_len(payload.len());
        self.broadcast.receive(self.now, ONE, &datagram, &mut self.mail);
        self.mail.said.pop().expect("each is told")
    }

    fn report(&self) -> Report<BroadcastFigures> {
        let report = self.broadcast.report();
        assert!(report.is_balanced(), "{report:?}");
        report
    }
}

fn reply(source: &str, payload: &str, of_first: Option<Duration>) -> Said {
    let to = match of_first {
        Some(rtt) => ReplyTo::Request(Request::new(1, Some(rtt))),
        None => ReplyTo::OneOf(OneOf::new(1, 2, None)),
    };
    Said::Reply { source: address(source), payload: payload.as_bytes().to_vec(), to }
}

#[test]
fn each_round_goes_to_every_network() {
    let targets = vec![target("10.0.0.255:10000", CLIENT), target("10.1.255.255:10000", "10.1.0.1:40000")];
    let options = options().targets(targets).verbose(true).pace(Pace::Interval(10 * MS));
    let mut asker = Asker::new(options, repeated(&["one", "two"], 1));
    assert_eq!(asker.finish(), 1010 * MS);
    let to = |network: &str, payload: &str| (Transmit::to(address(network)), payload.as_bytes().to_vec());
    let expected = ["one", "two"].map(|payload| ["10.0.0.255:10000", "10.1.255.255:10000"].map(|to_| to(to_, payload)));
    assert_eq!(asker.mail.sent, expected.concat());
    assert_eq!(asker.mail.said, [1, 1, 2, 2].map(|round| Said::Sent(round, 0)));
    let report = asker.report();
    assert_eq!((report.sent.datagrams, report.sent.bytes), (4, 12));
}

#[test]
fn answers_are_credited_while_there_was_one_round() {
    let mut asker = Asker::new(options().pace(Pace::Interval(10 * MS)), repeated(&["?"], 2));
    asker.wait(3 * MS);
    assert_eq!(asker.answer(SERVER, "here"), reply(SERVER, "here", Some(3 * MS)));
    assert_eq!(asker.answer(SERVER, "here"), Said::Ignored(Reason::Duplicate, 1));
    assert_eq!(asker.answer(SERVER, "here, too"), reply(SERVER, "here, too", Some(3 * MS)));
    assert_eq!(asker.answer(CLIENT, "?"), Said::Ignored(Reason::OwnCopy, 1));
    asker.wait(7 * MS);
    assert_eq!(asker.answer(OTHER, "here"), reply(OTHER, "here", None));
    let report = asker.report();
    assert_eq!((report.delivered, report.own.rtt.count(), report.own.rtt.largest()), (3, 2, 3 * MS));
    assert_eq!((report.ignored.of(Reason::Duplicate), report.ignored.of(Reason::OwnCopy)), (1, 1));
}

#[test]
fn enough_answers_end_it_and_what_follows_is_after_the_end() {
    let mut asker = Asker::new(options().count(2), Requests::one("?"));
    assert_eq!(asker.answer(SERVER, "here"), reply(SERVER, "here", Some(Duration::ZERO)));
    assert_ne!(asker.broadcast.next(), Next::Done);
    assert_eq!(asker.answer(OTHER, "here"), reply(OTHER, "here", Some(Duration::ZERO)));
    assert_eq!(asker.broadcast.next(), Next::Done);
    assert_eq!(asker.answer(OTHER, "again"), Said::Ignored(Reason::AfterEnd, 1));
    assert_eq!((asker.report().delivered, asker.report().ignored.total()), (2, 1));
}

#[test]
fn answers_are_awaited_after_the_last_round_and_rounds_end_with_their_time() {
    for (wait, duration, times, rounds, took) in [
        (1000, None, 3, 3, 1020),
        (0, None, 1, 1, 0),
        (0, None, 3, 3, 20),
        (500, Some(25), 100, 3, 525),
        (500, Some(20), 100, 2, 520),
    ] {
        let duration = duration.map(|milliseconds| milliseconds * MS);
        let pace = Some(Pace::Interval(10 * MS));
        let mut asker = Asker::new(options().wait(wait * MS).duration(duration).pace(pace), repeated(&["?"], times));
        assert_eq!(asker.finish(), took * MS, "{wait} {duration:?} {times}");
        assert_eq!(asker.report().sent.datagrams, rounds, "{wait} {duration:?} {times}");
        assert_eq!(asker.answer(SERVER, "late"), Said::Ignored(Reason::AfterEnd, 1));
    }
}

#[test]
fn rounds_of_a_stream_go_out_as_they_come() {
    let mut asker = Asker::new(options(), Requests::Stream);
    assert_eq!((asker.broadcast.next(), asker.broadcast.wants_input()), (Next::Datagram, true));
    for payload in ["one", "two"] {
        asker.broadcast.input(asker.now, payload.into(), &mut asker.mail);
        asker.wait(Duration::ZERO);
    }
    asker.broadcast.input_ended(asker.now, &mut asker.mail);
    assert!(!asker.broadcast.wants_input());
    asker.wait(Duration::ZERO);
    assert_eq!(asker.finish(), 1000 * MS);
    assert_eq!(asker.report().sent.datagrams, 2);
}

#[test]
fn many_answers_are_told_apart_and_past_them_one_may_be_told_twice() {
    const MOST: u32 = 65_536;
    let mut asker = Asker::new(options(), Requests::one("?"));
    for number in 0..MOST {
        assert!(matches!(asker.answer(SERVER, &number.to_string()), Said::Reply { .. }), "{number}");
    }
    for _ in 0..2 {
        assert!(matches!(asker.answer(SERVER, "one more"), Said::Reply { .. }));
        assert_eq!(asker.answer(SERVER, "0"), Said::Ignored(Reason::Duplicate, 1));
    }
}
