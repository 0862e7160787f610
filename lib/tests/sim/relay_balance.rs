//! Properties of `relay`: whatever comes and whatever is asked of it, each datagram ends in one counter, its table of peers
//! stays in bounds, and the same seed and input give the same fates.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use udpkit::event::{Decided, Departed, Impaired, Leaving, PeerChange, PeerChanged};
use udpkit::impairment::{
    Blackout, Chosen, CoDel, Departure, Fate, GilbertElliott, ImpairmentOptions, Jitter, Loss, Matching, Queue, Rate,
    Reorder,
};
use udpkit::sim::{Host, HostId, Network};
use udpkit::verbs::{
    Direction, Injection, Limits, LinkChange, Network as AddressNetwork, PeerImpairments, RelayEngine, RelayFigures,
    RelayInput, RelayOptions, RelayScenario, ScenarioStep,
};
use udpkit::{Engine, Event, Next, Reason, Report, Transmit};

use crate::relay::relay_host;
use crate::world::{Probe, ms, silent};
use crate::{OTHER, SERVER, address};

const RELAY: &str = OTHER;
const SECOND: &str = "10.0.0.77:10000";
/// The network whose peers may have links of their own: half of those that there are.
const NETWORK: &str = "10.0.1.0/24";
/// Payloads that begin so cannot be sent.
const FAILS: u8 = 13;

/// Something that happens to a relay.
#[derive(Clone, Debug)]
enum Deed {
    Say {
        peer: u8,
        first: u8,
        len: usize,
    },
    /// Of a peer's upstream socket, if there ever was one: from the target, or from anybody.
    Answer {
        to: usize,
        from_target: bool,
        first: u8,
    },
    Forge {
        from: [u8; 4],
        port: u16,
        hops: u8,
    },
    Wait(u64),
    Input(RelayInput),
}

fn impairments() -> impl Strategy<Value = ImpairmentOptions> {
    let chance = || prop_oneof![2 => Just(0.0), 1 => 0.0f64..1.0, 1 => Just(1.0)];
    let time = || prop_oneof![2 => Just(0u64), 1 => 0u64..60].prop_map(ms);
    let loss = prop_oneof![
        3 => Just(Loss::None),
        1 => (0.0f64..1.0).prop_map(Loss::Independent),
        1 => (0.0f64..0.5, 0.1f64..1.0, time()).prop_map(|(to_bad, to_good, delay)| {
            Loss::Bursts(GilbertElliott::new(to_bad, to_good).delay_in_bad(delay))
        }),
    ];
    let drop = prop_oneof![3 => Just(Chosen::None), 1 => (1u64..5).prop_map(Chosen::Every)];
    let rate = (1_000u64..1_000_000, 1usize..10, any::<bool>()).prop_map(|(rate, queue, codel)| {
        let rate = Rate::new(rate, Queue::Datagrams(queue));
        if codel { rate.codel(CoDel::new(ms(5), ms(20))) } else { rate }
    });
    let first = (loss, drop, chance(), chance(), prop::option::of(rate), time(), time(), any::<bool>());
    let second = (
        prop::option::of((chance(), 1u32..5, time()).prop_map(|(p, n, time)| Reorder::new(p, n).at_most(time))),
        prop::option::of((0u64..50, 1u64..20).prop_map(|(first, lasting)| Blackout::once(ms(first), ms(lasting)))),
        prop::option::of(28usize..100),
        prop_oneof![3 => Just(None), 1 => Just(Some(()))],
        prop_oneof![3 => Just(65_536usize), 1 => 0usize..4],
    );
    (first, second).prop_map(|((loss, drop, duplicate, corrupt, rate, delay, jitter, keep_order), second)| {
        let (reorder, blackout, mtu, matches, held) = second;
        let odd = Matching::new(|payload| payload.len() % 2 == 1).named("odd");
        let options = ImpairmentOptions::default().loss(loss).drop(drop).duplicate(duplicate).corrupt(corrupt);
        let options = options.rate(rate).delay(delay).jitter(Jitter::Uniform(jitter)).keep_order(keep_order);
        let options = options.reorder(reorder).blackout(blackout).mtu(mtu).held_datagrams(held);
        options.matching(matches.map(|()| odd))
    })
}

fn change() -> impl Strategy<Value = LinkChange> {
    let network: AddressNetwork = NETWORK.parse().unwrap();
    (any::<bool>(), any::<bool>(), impairments()).prop_map(move |(is_own, is_up, options)| {
        let direction = if is_up { Direction::Up } else { Direction::Down };
        LinkChange::new(direction, options).network(is_own.then_some(network))
    })
}

fn steps() -> impl Strategy<Value = Vec<ScenarioStep>> {
    prop::collection::vec((0u64..300, change()).prop_map(|(at, change)| ScenarioStep::new(ms(at), change)), 0..4)
}

fn scenario() -> BoxedStrategy<RelayScenario> {
    let scenario = (steps(), impairments(), any::<bool>()).prop_map(|(steps, options, has_own)| {
        let own = has_own.then(|| PeerImpairments::new(NETWORK.parse().unwrap()).down(options.clone()));
        RelayScenario::default().up(options).steps(steps).peers(Vec::from_iter(own))
    });
    scenario.boxed()
}

fn peer_address(peer: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 1 + peer % 2, peer], 40_000))
}

fn input() -> impl Strategy<Value = RelayInput> {
    let direction = || prop::sample::select(Direction::ALL.to_vec());
    prop_oneof![
        3 => change().prop_map(|change| RelayInput::Impair(Box::new(change))),
        1 => Just(RelayInput::Forget(NETWORK.parse().unwrap())),
        1 => scenario().prop_map(|scenario| RelayInput::Scenario(Box::new(scenario))),
        1 => prop::sample::select(vec![SERVER, SECOND, "10.0.0.2:9", RELAY, "[2001:db8::1]:9", "239.1.1.1:10000"])
            .prop_map(|target| RelayInput::Target(address(target))),
        1 => direction().prop_map(RelayInput::Pause),
        2 => direction().prop_map(RelayInput::Resume),
        2 => direction().prop_map(RelayInput::Step),
        2 => (direction(), 0u8..10, any::<u8>()).prop_map(|(direction, peer, first)| {
            RelayInput::Inject(Injection::new(direction, peer_address(peer), [first]))
        }),
        1 => Just(RelayInput::Reset),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0u8..10, any::<u8>(), prop_oneof![4 => 0usize..100, 1 => Just(65_507)])
            .prop_map(|(peer, first, len)| Deed::Say { peer, first, len }),
        3 => (any::<usize>(), any::<bool>(), any::<u8>())
            .prop_map(|(to, from_target, first)| Deed::Answer { to, from_target, first }),
        1 => (any::<[u8; 4]>(), any::<u16>(), 0u8..5).prop_map(|(from, port, hops)| Deed::Forge { from, port, hops }),
        4 => prop_oneof![0u64..5, 0u64..200].prop_map(Deed::Wait),
        3 => input().prop_map(Deed::Input),
    ]
}

/// What a relay is like.
fn options() -> impl Strategy<Value = RelayOptions> {
    let links = (impairments(), impairments(), impairments(), any::<bool>(), steps());
    let bounds = (1usize..6, 20u64..500, any::<u64>(), prop::option::of(1u64..40));
    let switches = (any::<bool>(), any::<bool>(), 0u8..20);
    (links, bounds, switches).prop_map(|((up, down, own, has_own, scenario), bounds, switches)| {
        let (most_peers, idle, seed, count) = bounds;
        let (copies, proxy_protocol, opens) = switches;
        let peers = has_own.then(|| PeerImpairments::new(NETWORK.parse().unwrap()).down(own));
        let options = RelayOptions::new(address(SERVER)).own([address(RELAY)]).up(up).down(down).scenario(scenario);
        let options = options.peers(peers.into_iter().collect::<Vec<_>>()).most_peers(most_peers).idle(ms(idle));
        let options = options.seed(seed).limits(Limits::default().count(count)).proxy_protocol(proxy_protocol);
        let options = if copies { options.copies_to([address(SECOND), address(SERVER)]) } else { options };
        // Of some, no socket can be opened.
        options.local((opens == 0).then(|| address(SECOND).ip()))
    })
}

/// What a relay said, of what there is to compare and to count.
#[derive(Default)]
struct Said {
    /// One after the other, with times since the start.
    lines: Vec<String>,
    /// Since the last reset, by direction.
    decided: [u64; 2],
    forwarded: [u64; 2],
    forgotten: [u64; 2],
    unfinished: [u64; 2],
    /// By address, of those that were not forgotten.
    peers: i64,
}

impl Said {
    fn take(&mut self, event: &Event<'_>, start: Instant) {
        let departure = |it: Departure| {
            let Departure { at, flipped_bit, ce_marked, overtaken, .. } = it;
            format!("{:?} {flipped_bit:?} {ce_marked} {:?}", at - start, overtaken.map(|it| it.followers))
        };
        let fate = |fate: Fate| match fate {
            Fate::Lost(by) => by.key().to_owned(),
            Fate::Leaves(it) => departure(it),
        };
        self.lines.push(match event {
            Event::Fate(Decided { direction, peer, network, entered, fates, .. }) => {
                self.decided[*direction as usize] += 1;
                let all: Vec<_> = fates.iter().map(fate).collect();
                format!("{direction} {peer} {network:?} {} {:?}: {all:?}", fates.number, *entered - start)
            }
            Event::Left(Departed {
                direction, peer, number, is_copy, departure: it, left, leaving, payload, ..
            }) => {
                let counter = match leaving {
                    Leaving::Forwarded => &mut self.forwarded,
                    Leaving::Forgotten => &mut self.forgotten,
                    _ => &mut self.unfinished,
                };
                counter[*direction as usize] += 1;
                let (key, len) = (leaving.key(), payload.len());
                format!("{direction} {peer} {number} {is_copy} {key} {len} {:?} {}", *left - start, departure(*it))
            }
            Event::Impaired(Impaired { is_reset: true, direction: Direction::Up, .. }) => {
                (self.decided, self.forwarded, self.forgotten, self.unfinished) = Default::default();
                "reset".to_owned()
            }
            Event::Peer(PeerChanged { peer, change, .. }) => {
                self.peers += if *change == PeerChange::Appeared { 1 } else { -1 };
                format!("{peer} {change:?}")
            }
            _ => return,
        });
    }
}

/// A relay, and what comes to it.
struct Stage {
    net: Network<'static>,
    relay: HostId<RelayEngine>,
    targets: [HostId<Probe>; 2],
    most_peers: usize,
    report_fates: bool,
    said: Rc<RefCell<Said>>,
}

impl Stage {
    fn new(options: RelayOptions) -> Self {
        let mut net = Network::new(options.seed);
        let (start, most_peers, report_fates) = (net.now(), options.most_peers, options.report_fates);
        let said = Rc::<RefCell<Said>>::default();
        let noted = Rc::clone(&said);
        let sink = move |event: Event<'_>| {
            noted.borrow_mut().take(&event, start);
            ControlFlow::Continue(())
        };
        let failing = |_: &Transmit, payload: &[u8]| {
            (payload.first() == Some(&FAILS)).then(|| io::Error::from(io::ErrorKind::NetworkUnreachable))
        };
        let host = relay_host(address(RELAY)).failing(failing);
        let relay = net.add(host, RelayEngine::new(options).unwrap(), sink).unwrap();
        let target = |echoes| Probe { echoes, ..Probe::default() };
        let targets = [(SERVER, true), (SECOND, false)]
            .map(|(at, echoes)| net.add(Host::at(address(at)), target(echoes), silent).unwrap());
        // Half of the peers are there; at the others nobody is any more when an answer comes.
        for peer in 0..5 {
            net.add(Host::at(peer_address(peer)), Probe::default(), silent).unwrap();
        }
        for peer in 5..10 {
            net.add(Host::at(SocketAddr::new(peer_address(peer).ip(), 1)), Probe::default(), silent).unwrap();
        }
        Self { net, relay, targets, most_peers, report_fates, said }
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Say { peer, first, len } => {
                self.net.inject(peer_address(peer), address(RELAY), 64, &vec![first; len]);
            }
            Deed::Answer { to, from_target, first } => {
                let [target, second] = self.targets.map(|host| &self.net.engine(host).received);
                let upstreams: Vec<_> = target.iter().chain(second).map(|it| it.2.source).collect();
                let from = if from_target { SERVER } else { "10.0.9.9:9" };
                if !upstreams.is_empty() {
                    self.net.inject(address(from), upstreams[to % upstreams.len()], 64, &[first]);
                }
            }
            Deed::Forge { from, port, hops } => {
                self.net.inject(SocketAddr::from((from, port)), address(RELAY), hops, b"forged");
            }
            Deed::Wait(time) => assert!(self.net.run_for(ms(time), 100_000), "it never rests"),
            Deed::Input(input) => {
                let _ = self.net.input(self.relay, input);
            }
        }
    }

    /// What it did, once every property holds that holds at any time.
    fn report(&self) -> Result<Report<RelayFigures>, TestCaseError> {
        let report = self.net.engine(self.relay).report();
        let own = &report.own;
        prop_assert!(report.is_balanced() && own.up.is_balanced() && own.down.is_balanced(), "{report:#?}");
        prop_assert!(own.peers_now <= self.most_peers as u64, "{report:#?}");
        prop_assert_eq!(own.peers_ever, own.peers_now + own.peers_expired + own.peers_evicted + own.peers_lost);
        let sent = own.up.forwarded.datagrams + own.down.forwarded.datagrams + own.copied.datagrams;
        prop_assert_eq!(report.sent.datagrams, sent);
        let said = self.said.borrow();
        prop_assert_eq!(said.peers, i64::try_from(own.peers_now).unwrap());
        for &direction in Direction::ALL {
            let (figures, place) = (own.of(direction), direction as usize);
            prop_assert!(self.report_fates || said.decided[place] == 0);
            if !self.report_fates {
                continue;
            }
            prop_assert_eq!(said.decided[place], figures.received.datagrams);
            let forwarded = figures.forwarded.datagrams + figures.send_failed - figures.injected;
            prop_assert_eq!(said.forwarded[place], forwarded);
            prop_assert_eq!(said.forgotten[place], figures.forgotten);
            prop_assert_eq!(said.unfinished[place], figures.unfinished);
        }
        Ok(report)
    }
}

/// Lets all that happen, and returns what the relay said and did.
fn play(options: &RelayOptions, deeds: &[Deed]) -> Result<(Vec<String>, Report<RelayFigures>), TestCaseError> {
    let mut stage = Stage::new(options.clone());
    for deed in deeds {
        stage.act(deed.clone());
        stage.report()?;
    }
    prop_assert!(stage.net.run_for(Duration::from_secs(3600), 100_000), "it never rests");
    let report = stage.report()?;
    // An hour later nobody is remembered, unless the run is over.
    let is_over = stage.net.engine(stage.relay).next() == Next::Done;
    prop_assert!(is_over || report.own.peers_now == 0, "{report:#?}");
    stage.net.finish();
    let mut report = stage.report()?;
    prop_assert_eq!((report.own.up.links.under_way, report.own.down.links.under_way), (0, 0));
    // What a run has of its own.
    report.peers = Default::default();
    let lines = std::mem::take(&mut stage.said.borrow_mut().lines);
    Ok((lines, report))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_datagram_ends_in_one_counter_and_the_same_seed_gives_the_same_fates(
        options in options(),
        deeds in prop::collection::vec(deed(), 0..120),
    ) {
        let telling = options.clone().report_fates(true);
        let (lines, report) = play(&telling, &deeds)?;
        prop_assert_eq!(&(lines, report.clone()), &play(&telling, &deeds)?);
        // Whether fates are told makes no difference to them.
        let (_, mut silent) = play(&options, &deeds)?;
        let mut told = report;
        for report in [&mut silent, &mut told] {
            for figures in [&mut report.own.up, &mut report.own.down] {
                (figures.decided_delay, figures.achieved_delay, figures.lateness) = Default::default();
            }
        }
        prop_assert_eq!(silent, told);
    }
}

#[test]
fn a_relay_that_can_open_no_socket_says_so_and_goes_on() {
    let options = RelayOptions::new(address(SERVER)).own([address(RELAY)]).local(address(SECOND).ip());
    let mut stage = Stage::new(options);
    (0..100).for_each(|_| stage.act(Deed::Say { peer: 1, first: 0, len: 1 }));
    stage.act(Deed::Wait(10));
    let report = stage.report().unwrap();
    assert_eq!((report.ignored.of(Reason::TooManyPeers), report.own.peers_ever), (100, 0));
}
