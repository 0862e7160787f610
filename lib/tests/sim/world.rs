//! The virtual network itself: directions, clocks, failures, refusals, sockets that come and go, and its log.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant, SystemTime};

use udpkit::impairment::{Blackout, CoDel, ImpairmentOptions, LostBy, Matching, Queue, Rate};
use udpkit::sim::{Crossing, Host, HostClock, HostId, Network, Outcome, Path};
use udpkit::verbs::{Listen, ListenOptions, RelayEngine, RelayOptions, Requests, Send, SendOptions};
use udpkit::{
    Cause, Datagram, Delivery, Engine, Event, Meta, Next, Options, Outbox, Report, SendFailure, SocketId, Transmit,
    Unreachable,
};

use crate::{CLIENT, ONE, OTHER, SERVER, address};

/// Something that a probe does at a time.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Send(SocketId, Transmit, Vec<u8>),
    Open(SocketAddr),
    Close(SocketId),
}

/// An engine that does what it is told, and writes down what comes.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// When it does what, in order.
    pub(crate) plan: Vec<(Instant, Act)>,
    pub(crate) received: Vec<(Instant, SocketId, Meta, Vec<u8>)>,
    pub(crate) failed: Vec<(SocketId, u64, io::ErrorKind)>,
    pub(crate) refused: Vec<(Instant, SocketId, Unreachable)>,
    pub(crate) opened: Vec<Result<(SocketId, SocketAddr), io::ErrorKind>>,
    /// What its host's clock showed whenever it was called to act.
    pub(crate) shown: Vec<SystemTime>,
    /// Whether it sends back what comes, as ECN-capable.
    pub(crate) echoes: bool,
    pub(crate) is_finished: bool,
}

impl Engine for Probe {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.received.push((now, via, *datagram.meta, datagram.payload.to_vec()));
        if self.echoes {
            out.send(via, &datagram.meta.reply().traffic_class(0b10), datagram.payload);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        self.shown.push(out.clock().utc);
        assert_eq!(out.clock().monotonic, now);
        while let Some((_, act)) = self.plan.first().filter(|(at, _)| *at <= now).cloned() {
            self.plan.remove(0);
            match act {
                Act::Send(via, transmit, payload) => out.send(via, &transmit, &payload),
                Act::Close(via) => {
                    out.close(via);
                    assert_eq!(out.local_address(via), None);
                }
                Act::Open(local) => {
                    let opened = out.open(local, &Options::default());
                    let opened = opened.map(|id| (id, out.local_address(id).unwrap()));
                    self.opened.push(opened.map_err(|error| error.cause().kind()));
                }
            }
        }
    }

    fn next(&self) -> Next {
        self.plan.first().map_or(Next::Datagram, |(at, _)| Next::At(*at))
    }

    fn unreachable(&mut self, now: Instant, via: SocketId, unreachable: &Unreachable, _out: &mut impl Outbox) {
        self.refused.push((now, via, unreachable.clone()));
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, _out: &mut impl Outbox) {
        self.failed.push((via, failure.place, failure.error.kind()));
    }

    fn finish(&mut self, _now: Instant, _out: &mut impl Outbox) {
        self.is_finished = true;
    }

    fn report(&self) -> Report {
        Report::default()
    }
}

pub(crate) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn silent(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn send(payload: &[u8]) -> Act {
    Act::Send(ONE, Transmit::to(address(SERVER)), payload.to_vec())
}

/// A probe at the client's address that acts so long after the start, and one at the server's that only listens.
fn pair<'a>(net: &mut Network<'a>, host: Host<'a>, plan: Vec<(u64, Act)>) -> (HostId<Probe>, HostId<Probe>) {
    let plan = plan.into_iter().map(|(after, act)| (net.now() + ms(after), act)).collect();
    let client = net.add(host, Probe { plan, ..Probe::default() }, silent).unwrap();
    (client, net.add(Host::at(address(SERVER)), Probe::default(), silent).unwrap())
}

fn client() -> Host<'static> {
    Host::at(address(CLIENT))
}

#[test]
fn each_direction_has_a_link_of_its_own() {
    let mut net = Network::new(1);
    let (one, other) = (address(CLIENT).ip(), address(SERVER).ip());
    net.set_link(one, other, ImpairmentOptions::default().delay(ms(30))).unwrap();
    net.set_link(other, one, ImpairmentOptions::default().loss(1.0)).unwrap();
    let (client, server) = pair(&mut net, client(), vec![(0, send(b"x"))]);
    let start = net.now();
    net.inject(address(SERVER), address(CLIENT), 64, b"back");
    assert!(net.run(100));
    assert_eq!(net.engine(server).received[0].0 - start, ms(30));
    assert!(net.engine(client).received.is_empty());
    let (there, back) = (net.link_counts(one, other).unwrap(), net.link_counts(other, one).unwrap());
    assert_eq!((there.entered, there.left, back.entered, back.lost(LostBy::Chance)), (1, 1, 1, 1));
    assert!(net.set_link(one, other, ImpairmentOptions::default().loss(7.0)).is_err());
    assert!(net.set_links(ImpairmentOptions::default().loss(7.0)).is_err());
}

#[test]
fn links_change_while_a_network_runs() {
    let mut net = Network::new(1);
    net.set_links(ImpairmentOptions::default().delay(ms(5))).unwrap();
    let (_, server) = pair(&mut net, client(), vec![(0, send(b"1")), (100, send(b"2")), (200, send(b"3"))]);
    let start = net.now();
    assert!(net.run_for(ms(50), 100));
    assert_eq!(net.elapsed(), ms(50));
    net.set_links(Path::from(ImpairmentOptions::default().delay(ms(40))).hops(3)).unwrap();
    assert!(net.run_for(ms(100), 100));
    net.set_links(ImpairmentOptions::default().loss(1.0)).unwrap();
    assert!(net.run(100));
    let arrived: Vec<_> =
        net.engine(server).received.iter().map(|(at, _, meta, _)| (*at - start, meta.hop_limit)).collect();
    assert_eq!(arrived, [(ms(5), Some(64)), (ms(140), Some(61))]);
    // Nothing follows: a time without an end is over, and the clock stays.
    let elapsed = net.elapsed();
    assert!(net.run_for(Duration::MAX, 100));
    assert_eq!(net.elapsed(), elapsed);
}

#[test]
fn a_host_has_the_time_that_its_clock_shows() {
    let hour = Duration::from_secs(3600);
    let clock = HostClock::default().ahead(hour).skew_ppm(100.0).set_back(ms(5000), hour);
    let mut net = Network::new(1);
    let plan = (0..=10).map(|second| (second * 1000, send(b"x"))).collect();
    let (client, server) = pair(&mut net, client().clock(clock), plan);
    net.inject(address(SERVER), address(CLIENT), 64, b"back");
    assert!(net.run(1000));
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    let shown = &net.engine(client).shown;
    // It was called for what it received, too.
    assert_eq!((shown[0], shown[1]), (begin + hour, begin + hour + ms(1) + Duration::from_nanos(100)));
    assert_eq!(*shown.last().unwrap(), begin + ms(10_001));
    let stamps: Vec<_> = net.engine(server).received.iter().map(|(_, _, meta, _)| meta.received.unwrap()).collect();
    assert_eq!(stamps, (0..=10).map(|second| begin + ms(1000 * second + 1)).collect::<Vec<_>>());
    let back = net.engine(client).received[0].2.received;
    assert_eq!(back, Some(begin + hour + ms(1) + Duration::from_nanos(100)));
}

#[test]
fn what_is_to_fail_fails_with_its_socket_and_its_place() {
    let failing =
        |_: &Transmit, payload: &[u8]| (payload == b"bad").then(|| io::Error::from(io::ErrorKind::NetworkUnreachable));
    let mut net = Network::new(1);
    let second = SocketId::first(1);
    let acts = [
        send(b"good"),
        send(b"bad"),
        Act::Send(second, Transmit::to(address(SERVER)), b"bad".to_vec()),
        send(&vec![0; 65_508]),
        Act::Send(SocketId::first(7), Transmit::to(address(SERVER)), b"x".to_vec()),
        send(b"good"),
    ];
    let host = client().socket(address("10.0.0.1:50000")).failing(failing);
    let (client, server) = pair(&mut net, host, acts.into_iter().map(|act| (0, act)).collect());
    assert!(net.run(100));
    let failed = &net.engine(client).failed;
    assert_eq!(
        failed[..2],
        [(ONE, 1, io::ErrorKind::NetworkUnreachable), (second, 0, io::ErrorKind::NetworkUnreachable)]
    );
    assert_eq!((failed[2].0, failed[2].1), (ONE, 2));
    assert_eq!(failed[3], (SocketId::first(7), 0, io::ErrorKind::NotConnected));
    assert_eq!(net.engine(server).received.len(), 2);
    assert_eq!(net.traffic().sent, 2);
}

#[test]
fn a_port_that_nobody_has_refuses_and_the_report_takes_its_time() {
    let to = |to: &str| Act::Send(ONE, Transmit::to(address(to)), vec![7; 1000]);
    let run = |server: Host<'static>| {
        let mut net = Network::new(1);
        net.set_links(ImpairmentOptions::default().delay(ms(10))).unwrap();
        let start = net.now();
        let plan = [to("10.0.0.2:9"), to("10.0.0.200:9"), to("10.0.0.255:9")].map(|act| (start, act)).into();
        let client = net.add(client(), Probe { plan, ..Probe::default() }, silent).unwrap();
        net.add(server, Probe::default(), silent).unwrap();
        assert!(net.run(100));
        let refused = net.engine(client).refused.clone();
        (refused.into_iter().map(|(at, via, it)| (at - start, via, it)).collect::<Vec<_>>(), net.traffic())
    };
    let (refused, traffic) = run(Host::at(address(SERVER)));
    let expected = Unreachable::new(address("10.0.0.2:9"), Some(address(SERVER).ip()), Cause::Port);
    // What nobody has, and broadcasts, are refused by nobody.
    assert_eq!(refused, [(ms(20), ONE, expected.payload(vec![7; 548]))]);
    assert_eq!((traffic.sent, traffic.copied, traffic.undeliverable, traffic.refused), (3, 1, 4, 1));
    let (refused, traffic) = run(Host::at(address(SERVER)).silent());
    assert_eq!((refused.len(), traffic.refused), (0, 0));
}

#[test]
fn a_report_of_a_refusal_can_be_lost_too() {
    let mut net = Network::new(1);
    net.set_link(address(SERVER).ip(), address(CLIENT).ip(), ImpairmentOptions::default().loss(1.0)).unwrap();
    let (client, _) = pair(&mut net, client(), vec![(0, Act::Send(ONE, Transmit::to(address("10.0.0.2:9")), vec![]))]);
    assert!(net.run(100));
    assert!(net.engine(client).refused.is_empty());
    let [datagram, report] = net.log() else { panic!("{:?}", net.log()) };
    assert_eq!((datagram.is_refusal, datagram.outcome), (false, Outcome::Nobody(ms(1))));
    assert_eq!((report.is_refusal, report.outcome), (true, Outcome::Lost(LostBy::Chance)));
}

#[test]
fn engines_open_and_close_sockets() {
    let mut net = Network::new(1);
    let second = SocketId::first(1);
    let from_second = Act::Send(second, Transmit::to(address(SERVER)), b"from the second".to_vec());
    let plan = vec![
        (0, Act::Open(address("10.0.0.1:0"))),
        (1, from_second.clone()),
        (10, Act::Close(second)),
        // What is sent through it fails; the next one has its place, and is another.
        (11, from_second.clone()),
        (12, Act::Open(address("0.0.0.0:6000"))),
        (13, Act::Open(address("10.0.0.1:6000"))),
        (14, Act::Open(address("192.0.2.1:6000"))),
        (14, Act::Open(address("[::1]:6000"))),
        (15, from_second),
    ];
    let (client, server) = pair(&mut net, client(), plan);
    assert!(net.run_for(ms(5), 100));
    let (id, local) = net.engine(client).opened[0].unwrap();
    assert!(id == second && local.port() >= 49_152, "{local}");
    assert_eq!(net.engine(server).received[0].2.source, local);
    net.inject(address(SERVER), local, 64, b"to the second");
    assert!(net.run_for(ms(2), 100));
    assert_eq!(net.engine(client).received[0].1, second);
    // It is closed while this is under way.
    net.set_links(ImpairmentOptions::default().delay(ms(10))).unwrap();
    net.inject(address(SERVER), local, 64, b"too late");
    assert!(net.run(100));
    net.inject(address(SERVER), address("10.0.0.1:6000"), 64, b"to the third");
    assert!(net.run(100));
    let probe = net.engine(client);
    assert_eq!(probe.failed, [(second, 0, io::ErrorKind::NotConnected); 2]);
    let third = probe.opened[1].unwrap().0;
    assert!(third != second && third.index() == 1);
    let (busy, foreign) = (io::ErrorKind::AddrInUse, io::ErrorKind::AddrNotAvailable);
    assert_eq!(probe.opened[2..], [Err(busy), Err(foreign), Err(foreign)]);
    let received: Vec<_> = probe.received.iter().map(|(_, via, _, payload)| (*via, payload.as_slice())).collect();
    assert_eq!(received, [(second, b"to the second".as_slice()), (third, b"to the third")]);
    // Whoever sent to the closed one is told.
    assert_eq!(net.engine(server).refused.len(), 1);
}

#[test]
fn a_socket_of_every_address_answers_from_the_one_that_was_asked() {
    let mut net = Network::new(1);
    let host = Host::at(address("0.0.0.0:10000")).address(address(SERVER).ip()).address(address(OTHER).ip());
    let server = net.add(host, Probe::default(), silent).unwrap();
    for to in [SERVER, OTHER] {
        net.inject(address(CLIENT), address(to), 64, b"x");
    }
    assert!(net.run(100));
    let locals: Vec<_> = net.engine(server).received.iter().map(|(_, _, meta, _)| meta.local.unwrap()).collect();
    assert_eq!(locals, [address(SERVER).ip(), address(OTHER).ip()]);
}

/// What became of the datagrams of a stream over a bad network.
fn bad_run(seed: u64) -> (Vec<Crossing>, udpkit::sim::Traffic) {
    let bad = ImpairmentOptions::default()
        .loss(0.2)
        .duplicate(0.1)
        .corrupt(0.1)
        .delay(ms(20))
        .blackout(Blackout::once(ms(150), ms(50)));
    let mut net = Network::new(seed);
    net.set_links(bad).unwrap();
    let options = SendOptions::new(address(SERVER)).pace(udpkit::verbs::Pace::Interval(ms(1)));
    net.add(client(), Send::new(options, Requests::one("x")), silent).unwrap();
    let server = net.add(Host::at(address(SERVER)), Listen::new(ListenOptions::default()), silent).unwrap();
    for number in 0..=255u8 {
        net.inject(address(CLIENT), address(SERVER), 64, &[number; 10]);
        assert!(net.run_for(ms(1), 100));
    }
    net.inject(address(CLIENT), address("10.0.0.2:9"), 64, b"nobody");
    net.inject(address(CLIENT), address(SERVER), 0, b"no hop");
    assert!(net.run(10_000));
    assert_eq!(net.engine(server).report().received.datagrams, net.traffic().delivered);
    (net.log().to_vec(), net.traffic())
}

#[test]
fn the_log_says_what_became_of_each_and_is_the_same_for_the_same_seed() {
    let (log, traffic) = bad_run(3);
    assert_eq!((log.clone(), traffic), bad_run(3));
    assert_ne!(log, bad_run(4).0);
    let count =
        |wanted: &dyn Fn(&Crossing) -> bool| log.iter().filter(|it| !it.is_refusal && wanted(it)).count() as u64;
    assert_eq!(count(&|it| matches!(it.outcome, Outcome::Arrived(_))), traffic.delivered);
    assert_eq!(count(&|it| matches!(it.outcome, Outcome::Nobody(_))), traffic.undeliverable);
    assert_eq!(count(&|it| matches!(it.outcome, Outcome::Lost(_) | Outcome::HopLimit)), traffic.lost);
    assert_eq!(count(&|it| it.is_copy), traffic.duplicated);
    assert_eq!(count(&|it| it.outcome == Outcome::UnderWay), 0);
    assert_eq!(
        log.len() as u64 - log.iter().filter(|it| it.is_refusal).count() as u64,
        traffic.sent + traffic.duplicated
    );
    for lost_by in [LostBy::Chance, LostBy::Blackout] {
        assert!(count(&|it| it.outcome == Outcome::Lost(lost_by)) > 10, "{lost_by:?}");
    }
    assert!(count(&|it| it.is_corrupted) > 10);
    for it in &log {
        if let Outcome::Arrived(at) = it.outcome {
            assert_eq!(at - it.sent, ms(20));
        }
    }
}

#[test]
fn a_corrupted_datagram_arrives_with_one_bit_inverted() {
    let mut net = Network::new(1);
    net.set_links(ImpairmentOptions::default().corrupt(1.0)).unwrap();
    let (_, server) = pair(&mut net, client(), vec![(0, send(&[0; 100]))]);
    assert!(net.run(100));
    let bits: u32 = net.engine(server).received[0].3.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(bits, 1);
}

#[test]
fn a_link_looks_at_payloads_sources_and_traffic_classes() {
    let mut net = Network::new(1);
    // 100 bytes take 100 ms; after 5 ms of waiting and the first one, each is marked or lost.
    let narrow = Rate::new(8_000, Queue::Datagrams(100)).codel(CoDel::new(ms(5), ms(5)));
    let narrow = ImpairmentOptions::default().rate(narrow).from(["10.0.0.0/8".parse().unwrap()]);
    net.set_links(narrow.matching(Matching::new(|payload| payload.first() == Some(&b'm')))).unwrap();
    let of = |class: u8, first: u8| {
        Act::Send(ONE, Transmit::to(address(SERVER)).traffic_class(class), [first; 100].to_vec())
    };
    let plan = (0..20).map(|_| (0, of(0b10, b'm'))).chain([(0, of(0b10, b'x'))]).collect();
    let (_, server) = pair(&mut net, client(), plan);
    assert!(net.run(1000));
    net.inject(address("192.0.2.1:9"), address(SERVER), 64, &[b'm'; 100]);
    assert!(net.run(1000));
    let received = &net.engine(server).received;
    let at_once: Vec<_> = received.iter().filter(|it| it.3[0] == b'x').map(|it| it.0).collect();
    assert_eq!(at_once, [net.now() - net.elapsed()]);
    let marked = received.iter().filter(|it| it.2.traffic_class == Some(0b11)).count();
    assert!(marked > 5 && received.len() == 22, "{marked}");
    assert_eq!(net.log().iter().filter(|it| it.is_marked).count(), marked);
    let strangers = net.log().iter().rfind(|it| it.source == address("192.0.2.1:9")).unwrap();
    assert_eq!(strangers.outcome, Outcome::Arrived(strangers.sent));
}

#[test]
fn a_relay_passes_marks_on_and_impairs_the_peers_that_it_is_to_in_both_directions() {
    let mut net = Network::new(1);
    net.set_links(ImpairmentOptions::default()).unwrap();
    // 100 bytes take 100 ms; after a millisecond of waiting and the first one, each is marked.
    let narrow = Rate::new(8_000, Queue::Datagrams(100)).codel(CoDel::new(ms(1), ms(1)));
    let narrow = ImpairmentOptions::default().rate(narrow).from(["10.0.0.1".parse().unwrap()]);
    let options = RelayOptions::new(address(SERVER)).own([address(OTHER)]).up(narrow.clone()).down(narrow);
    let relay = net.add(Host::at(address(OTHER)), RelayEngine::new(options).unwrap(), silent).unwrap();
    let echo = Probe { echoes: true, ..Probe::default() };
    let server = net.add(Host::at(address(SERVER)), echo, silent).unwrap();
    let send = Act::Send(ONE, Transmit::to(address(OTHER)).traffic_class(0b10), vec![0; 100]);
    let plan: Vec<_> = (0..10).map(|_| (net.now(), send.clone())).collect();
    let [one, another] = [CLIENT, "10.0.0.4:40000"]
        .map(|at| net.add(Host::at(address(at)), Probe { plan: plan.clone(), ..Probe::default() }, silent).unwrap());
    assert!(net.run(1000));
    let marks = |host, source: Option<SocketAddr>| {
        let theirs =
            net.engine::<Probe>(host).received.iter().filter(|it| source.is_none_or(|source| it.2.source == source));
        theirs.map(|it| it.2.traffic_class.unwrap()).collect::<Vec<_>>()
    };
    let counts = |classes: &[u8]| (classes.len(), classes.iter().filter(|class| **class == 0b11).count());
    // Those of the other peer leave at once, before all but the first.
    let upstreams: Vec<_> = net.engine(server).received.iter().map(|it| it.2.source).collect();
    assert_eq!(counts(&marks(server, upstreams.last().copied())), (10, 7));
    assert_eq!(marks(server, Some(upstreams[5])), [0b10; 10]);
    // Back from the server, which is not of that network: all at once, they wait as long.
    assert_eq!((marks(one, None).len(), marks(another, None)), (10, vec![0b10; 10]));
    let figures = net.engine(relay).report().own;
    assert_eq!((figures.up.links.exempt, figures.down.links.exempt), (10, 10));
    assert_eq!((figures.up.links.marked, figures.up.is_balanced()), (7, true));
}

#[test]
fn a_log_has_an_end_and_counts_go_on() {
    let mut net = Network::new(1);
    net.set_most_logged(3);
    net.set_links(ImpairmentOptions::default().duplicate(1.0)).unwrap();
    let (_, server) = pair(&mut net, client(), (0..10).map(|at| (at, send(b"x"))).collect());
    assert!(net.run(100));
    assert_eq!(net.log().len(), 3);
    assert!(net.log().iter().all(|it| matches!(it.outcome, Outcome::Arrived(_))));
    assert_eq!((net.traffic().delivered, net.engine(server).received.len()), (20, 20));
}

#[test]
fn a_broadcast_has_a_fate_on_the_way_to_each_host() {
    let mut net = Network::new(5);
    net.set_links(ImpairmentOptions::default().loss(0.5)).unwrap();
    let hosts: Vec<_> = (1..=100)
        .map(|host| net.add(Host::at(SocketAddr::from(([10, 0, 0, host], 10_000))), Probe::default(), silent).unwrap())
        .collect();
    net.inject(address("10.0.0.1:10000"), address("10.0.0.255:10000"), 64, b"who?");
    assert!(net.run(10));
    let heard = hosts.iter().filter(|host| net.engine(**host).received.len() == 1).count();
    assert!((25..75).contains(&heard), "{heard}");
    let metas = hosts.iter().filter_map(|host| net.engine(*host).received.first()).map(|received| received.2);
    assert!(metas.into_iter().all(|meta| meta.delivery == Delivery::Broadcast));
    let traffic = net.traffic();
    assert_eq!((traffic.sent + traffic.copied, traffic.lost + traffic.delivered), (100, 100));
}

#[test]
fn a_sink_that_breaks_off_ends_a_run() {
    let mut net = Network::new(1);
    let once = |_: Event<'_>| ControlFlow::Break(());
    let listen = net.add(Host::at(address(SERVER)), Listen::new(ListenOptions::default()), once).unwrap();
    for _ in 0..2 {
        net.inject(address(CLIENT), address(SERVER), 64, b"x");
        assert!(net.run(100));
    }
    assert_eq!(net.engine(listen).report().received.datagrams, 1);
    assert_eq!(net.traffic().undeliverable, 1);
}

#[test]
fn an_engine_is_handed_input_and_told_of_the_end() {
    let mut net = Network::new(1);
    let send = Send::new(SendOptions::new(address(SERVER)).wait(Duration::ZERO), Requests::Stream);
    let send = net.add(client(), send, silent).unwrap();
    let server = net.add(Host::at(address(SERVER)), Probe::default(), silent).unwrap();
    assert!(net.run(100));
    assert!(net.input(send, b"by hand".to_vec()));
    assert!(net.run(100));
    assert_eq!(net.engine(server).received[0].3, b"by hand");
    assert!(!net.end_input(server), "it wants nothing");
    assert!(!net.engine(server).is_finished);
    net.finish();
    assert!(net.engine(server).is_finished);
}
