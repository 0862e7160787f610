//! `listen` in virtual time: which datagrams of a train are handed on, and why the others are not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use udpkit::event::Received;
use udpkit::verbs::{Limits, Listen, ListenOptions, PayloadMatch};
use udpkit::{Engine, Event, InterfaceIndex, Meta, Moment, Next, Outbox, Reason, Report, SocketId, Train, Transmit};

use crate::network::{Link, Mail, Network, Said};
use crate::{CLIENT, ONE, SERVER, address, interfaces};

fn counted(count: u64) -> Limits {
    Limits::default().count(count)
}

/// Payloads without an `x`.
fn without_x() -> PayloadMatch {
    Arc::new(|payload| !payload.contains(&b'x'))
}

/// Hands a listener a train as one, or datagram by datagram; returns its report and what it said.
fn hear(options: ListenOptions, train: Train<'_>, as_one: bool) -> (Report, Vec<Said>) {
    let (mut listen, mut mail) = (Listen::new(options), Mail::default());
    let now = Network::new(Link::PERFECT, 0).now();
    listen.tick(now, &mut mail);
    if as_one {
        listen.receive_train(now, ONE, train, &mut mail);
    } else {
        train.datagrams().for_each(|datagram| Engine::receive(&mut listen, now, ONE, &datagram, &mut mail));
    }
    let report = listen.report();
    assert!(report.is_balanced(), "{report:?}");
    (report, mail.said)
}

#[test]
fn a_train_that_passes_the_count_is_handed_on_up_to_it() {
    let meta = Meta::new(address(CLIENT));
    let train = Train::new(&meta, b"one two 3", 4);
    for (count, handed_on) in [(1, 1), (2, 2), (3, 3), (4, 3)] {
        let (report, said) = hear(ListenOptions::default().limits(counted(count)), train, true);
        assert_eq!((report.delivered, report.ignored.of(Reason::AfterEnd)), (handed_on, 3 - handed_on), "{count}");
        let received = said.iter().filter(|said| matches!(said, Said::Received(..))).count();
        assert_eq!(received as u64, handed_on, "{count}");
    }
}

/// How many datagrams each train held that was handed on.
#[derive(Default)]
struct Trains(Vec<usize>);

impl Outbox for Trains {
    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn send(&mut self, _via: SocketId, _transmit: &Transmit, _payload: &[u8]) {
        panic!("a listener sends nothing");
    }

    fn emit(&mut self, event: Event<'_>) {
        let Event::Received(Received { train, .. }) = event else { return };
        self.0.push(train.count());
    }
}

#[test]
fn a_train_is_handed_on_as_one_unless_each_datagram_is_decided_on() {
    let meta = Meta::new(address(CLIENT));
    let from = vec!["10.0.0.0/24".parse().unwrap()];
    let cases = [
        (ListenOptions::default().from(from), vec![3]),
        (ListenOptions::default().limits(counted(9)), vec![1, 1, 1]),
        (ListenOptions::default().matching(without_x()), vec![1, 1, 1]),
    ];
    for (options, handed_on) in cases {
        let (mut listen, mut trains) = (Listen::new(options), Trains::default());
        let now = Network::new(Link::PERFECT, 0).now();
        listen.receive_train(now, ONE, Train::new(&meta, b"one two 3", 4), &mut trains);
        assert_eq!(trains.0, handed_on);
    }
}

#[test]
fn each_datagram_of_a_train_is_matched_by_itself() {
    let meta = Meta::new(address(CLIENT));
    let options = ListenOptions::default().matching(without_x());
    let (report, said) = hear(options, Train::new(&meta, b"abcxdefgx", 3), true);
    assert_eq!((report.delivered, report.ignored.of(Reason::NoMatch)), (1, 2));
    let received = Said::Received(address(CLIENT), b"abc".to_vec());
    assert_eq!(said, [received, Said::Ignored(Reason::NoMatch, 1), Said::Ignored(Reason::NoMatch, 1)]);
}

#[test]
fn only_what_was_asked_for_is_handed_on() {
    let options = ListenOptions::default()
        .from(["10.0.0.0/24".parse().unwrap(), "192.0.2.7".parse().unwrap()])
        .interfaces(["eth0".to_owned(), "eth9".to_owned()])
        .destinations([Some(address(SERVER).ip()), None]);
    let mut listen = Listen::new(options);
    listen.interfaces(&interfaces(&[("lo", 1), ("eth0", 2), ("eth1", 3)]));
    let (ours, group) = (Some(SERVER), Some("239.1.1.1:1"));
    let cases = [
        (0, CLIENT, ours, Some(2), None),
        (0, "192.0.2.7:1", ours, Some(2), None),
        (0, "192.0.2.8:1", ours, Some(2), Some(Reason::OtherSource)),
        (0, CLIENT, group, Some(2), Some(Reason::OtherDestination)),
        // Another socket hears all, and so does one where the system does not tell.
        (1, CLIENT, group, Some(2), None),
        (2, CLIENT, group, Some(2), None),
        (0, CLIENT, None, Some(2), None),
        (0, CLIENT, ours, Some(1), Some(Reason::OtherInterface)),
        (0, CLIENT, ours, Some(3), Some(Reason::OtherInterface)),
        (0, CLIENT, ours, None, Some(Reason::OtherInterface)),
    ];
    let (mut mail, now) = (Mail::default(), Network::new(Link::PERFECT, 0).now());
    let mut hear = |listen: &mut Listen, via, source, destination: Option<&str>, interface: Option<u32>| {
        let mut meta = Meta::new(address(source));
        meta.destination = destination.map(|destination| address(destination).ip());
        meta.interface = interface.and_then(InterfaceIndex::new);
        listen.receive_train(now, via, Train::new(&meta, b"x", 1), &mut mail);
        match mail.said.pop() {
            Some(Said::Ignored(reason, 1)) => Some(reason),
            said => {
                assert_eq!(said, Some(Said::Received(address(source), b"x".to_vec())));
                None
            }
        }
    };
    for (via, source, destination, interface, reason) in cases {
        let heard = hear(&mut listen, SocketId::first(via), source, destination, interface);
        assert_eq!(heard, reason, "{source} to {destination:?} on {interface:?} by socket {via}");
    }
    // An interface that comes again has another number.
    listen.interfaces(&interfaces(&[("lo", 1), ("eth1", 3), ("eth0", 4)]));
    assert_eq!(hear(&mut listen, ONE, CLIENT, ours, Some(2)), Some(Reason::OtherInterface));
    assert_eq!(hear(&mut listen, ONE, CLIENT, ours, Some(4)), None);
    let report = listen.report();
    assert_eq!((report.received.datagrams, report.delivered, report.ignored.total()), (12, 6, 6));
}

#[test]
fn a_listener_lets_datagrams_gather() {
    assert!(!Listen::new(ListenOptions::default()).rest().is_zero());
}

#[test]
fn a_century_is_waited_for_and_for_ever_is_no_longer() {
    const DAY: Duration = Duration::from_secs(86_400);
    for (duration, ends) in [(99 * 365 * DAY, 99 * 365 * DAY), (Duration::MAX, 100 * 365 * DAY)] {
        let limits = Limits::default().duration(duration);
        let mut listen = Listen::new(ListenOptions::default().limits(limits));
        let now = Network::new(Link::PERFECT, 0).now();
        listen.tick(now, &mut Mail::default());
        assert_eq!(Engine::next(&listen), Next::At(now + ends));
    }
}

#[test]
fn a_listener_ends_after_its_time() {
    let limits = Limits::default().duration(Duration::from_secs(3));
    let listen = Listen::new(ListenOptions::default().limits(limits));
    let mut net = Network::new(Link::PERFECT, 1);
    let ends = net.now() + Duration::from_secs(3);
    let listen = net.add(SERVER, 64, listen);
    assert!(net.run(100));
    assert_eq!(net.now(), ends);
    assert_eq!(net.next(listen), Next::Done);
}

proptest! {
    #[test]
    fn a_train_is_listened_to_as_its_datagrams_would_be(
        payload in prop::collection::vec(prop::sample::select(b"abcx".to_vec()), 0..60),
        segment_len in 1usize..10,
        count in prop::option::of(0u64..8),
        matching: bool,
        from in prop::option::of(prop::sample::select(vec!["10.0.0.0/24", "10.0.1.0/24"])),
        destination in prop::option::of(prop::sample::select(vec![SERVER, CLIENT])),
    ) {
        let mut meta = Meta::new(address(CLIENT));
        meta.destination = Some(address(SERVER).ip());
        let only = |at: &str| -> Option<IpAddr> { Some(address(at).ip()) };
        let from: Vec<_> = from.iter().map(|from| from.parse().unwrap()).collect();
        let options = || {
            let options = ListenOptions::default().limits(Limits::default().count(count)).matching(matching.then(without_x));
            options.from(from.clone()).destinations([destination.and_then(only)])
        };
        let train = Train::new(&meta, &payload, segment_len);
        let (whole, _) = hear(options(), train, true);
        let (single, _) = hear(options(), train, false);
        prop_assert_eq!(&whole, &single);
        prop_assert_eq!(whole.received.datagrams, train.count() as u64);
        prop_assert!(count.is_none_or(|count| whole.delivered <= count));
    }
}
