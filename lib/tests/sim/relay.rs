//! `relay` on a virtual network: whose datagrams go where, who is forgotten, what changes when, and how loops end.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use udpkit::event::{Impaired, PeerChange, PeerChanged};
use udpkit::impairment::{ImpairmentOptions, Queue, Rate};
use udpkit::sim::{Host, HostId, Network};
use udpkit::verbs::{
    Direction, Injection, Limits, LinkChange, Network as AddressNetwork, PeerImpairments, RelayEngine, RelayInput,
    RelayOptions, RelayScenario, ScenarioStep,
};
use udpkit::{
    Engine, Event, Interface, InterfaceAddress, Interfaces, Meta, Moment, Next, Options, Outbox, Reason, Report,
    SocketId, Train, Transmit,
};

use crate::world::{Act, Probe, ms, silent};
use crate::{CLIENT, ONE, OTHER, SERVER, address};

/// Where the relay is.
const RELAY: &str = OTHER;

/// The interfaces of a host at this address.
pub(crate) fn interfaces(ip: IpAddr) -> Interfaces {
    [Interface::new("eth0").up(true).addresses([InterfaceAddress::new(ip, 24)])].into_iter().collect()
}

/// A host of a relay at this address, which knows what it has.
pub(crate) fn relay_host(at: SocketAddr) -> Host<'static> {
    Host::at(at).interfaces(interfaces(at.ip())).hop_limit(63)
}

/// Datagrams that a host sends to an address, one each so many milliseconds.
fn plan(net: &Network<'_>, to: &str, payloads: impl IntoIterator<Item = Vec<u8>>, every: u64) -> Vec<(Instant, Act)> {
    let act = |payload| Act::Send(ONE, Transmit::to(address(to)), payload);
    let times = (0u32..).map(|turn| net.now() + ms(every) * turn);
    times.zip(payloads.into_iter().map(act)).collect()
}

/// What a link does from now on: whose, which way, what.
type Said = (Option<AddressNetwork>, Direction, Option<ImpairmentOptions>);

/// A relay, a target that sends everything back, and what the relay says of its peers.
struct Setting {
    net: Network<'static>,
    relay: HostId<RelayEngine>,
    target: HostId<Probe>,
    changes: Rc<RefCell<Vec<(SocketAddr, PeerChange)>>>,
    /// What it says of its links.
    impaired: Rc<RefCell<Vec<Said>>>,
}

impl Setting {
    fn new(options: impl FnOnce(RelayOptions) -> RelayOptions) -> Self {
        let mut net = Network::new(1);
        let options = options(RelayOptions::new(address(SERVER)).own([address(RELAY)]));
        let changes = Rc::<RefCell<Vec<_>>>::default();
        let impaired = Rc::<RefCell<Vec<_>>>::default();
        let (noted, said) = (Rc::clone(&changes), Rc::clone(&impaired));
        let note = move |event: Event<'_>| {
            match event {
                Event::Peer(PeerChanged { peer, change, .. }) => noted.borrow_mut().push((peer, change)),
                Event::Impaired(Impaired { network, direction, options, .. }) => {
                    said.borrow_mut().push((network, direction, options.cloned()));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let relay = net.add(relay_host(address(RELAY)), RelayEngine::new(options).unwrap(), note).unwrap();
        let echo = Probe { echoes: true, ..Probe::default() };
        let target = net.add(Host::at(address(SERVER)), echo, silent).unwrap();
        Self { net, relay, target, changes, impaired }
    }

    fn peer(&mut self, at: SocketAddr, plan: Vec<(Instant, Act)>) -> HostId<Probe> {
        self.net.add(Host::at(at), Probe { plan, ..Probe::default() }, silent).unwrap()
    }

    /// Someone at this address sends this to the relay, now.
    fn say(&mut self, from: &str, payload: &[u8]) {
        self.net.inject(address(from), address(RELAY), 64, payload);
        assert!(self.net.run_for(ms(4), 1000));
    }

    fn input(&mut self, input: RelayInput) {
        assert!(self.net.input(self.relay, input));
    }

    /// What it did, which is balanced.
    fn report(&self) -> Report<udpkit::verbs::RelayFigures> {
        let report = self.net.engine(self.relay).report();
        assert!(report.is_balanced() && report.own.up.is_balanced() && report.own.down.is_balanced(), "{report:?}");
        report
    }

    fn at_target(&self) -> Vec<(Duration, Vec<u8>)> {
        let start = self.net.now() - self.net.elapsed();
        let received = &self.net.engine(self.target).received;
        received.iter().map(|(at, _, _, payload)| (*at - start, payload.clone())).collect()
    }
}

fn payloads(net: &Network<'_>, host: HostId<Probe>) -> Vec<Vec<u8>> {
    net.engine(host).received.iter().map(|it| it.3.clone()).collect()
}

#[test]
fn each_peer_gets_its_own_answers_from_the_address_that_it_asked() {
    let mut net = Network::new(1);
    let second = "10.0.0.200:10000";
    let host = Host::at(address("0.0.0.0:10000")).address(address(RELAY).ip()).address(address(second).ip());
    let options = RelayOptions::new(address(SERVER)).own([address("0.0.0.0:10000")]);
    let relay = net.add(host, RelayEngine::new(options).unwrap(), silent).unwrap();
    let target = net.add(Host::at(address(SERVER)), Probe { echoes: true, ..Probe::default() }, silent).unwrap();
    let peers: Vec<_> = (0..50u8)
        .map(|peer| {
            // Two on each host.
            let at = SocketAddr::from(([10, 0, 1, peer / 2], 40_000 + u16::from(peer % 2)));
            let label = |number: u8| vec![peer, number];
            let mut plan = plan(&net, RELAY, [label(0), label(1)], 3);
            plan.extend(self::plan(&net, second, [label(2), label(3)], 3));
            plan.sort_by_key(|(at, _)| *at);
            net.add(Host::at(at), Probe { plan, ..Probe::default() }, silent).unwrap()
        })
        .collect();
    assert!(net.run(100_000));
    for (peer, host) in (0u8..).zip(peers) {
        let mut received: Vec<_> =
            net.engine(host).received.iter().map(|(_, _, meta, payload)| (payload.clone(), meta.source)).collect();
        received.sort();
        let expected = [(0, RELAY), (1, RELAY), (2, second), (3, second)];
        assert_eq!(received, expected.map(|(number, from)| (vec![peer, number], address(from))));
    }
    let own = net.engine(relay).report().own;
    assert_eq!((own.peers_ever, own.up.forwarded.datagrams, own.down.forwarded.datagrams), (100, 200, 200));
    assert_eq!(net.engine(target).received.len(), 200);
}

#[test]
fn what_comes_from_others_than_the_target_is_ignored_and_counted() {
    let mut setting = Setting::new(|options| options);
    let peer = setting.peer(address(CLIENT), Vec::new());
    setting.say(CLIENT, b"hello");
    let upstream = setting.net.engine(setting.target).received[0].2.source;
    // Another port of the target's host, another host, and one that has the target's port.
    for from in ["10.0.0.2:9", "10.0.0.9:10000", "10.0.0.9:9"] {
        setting.net.inject(address(from), upstream, 64, b"forged");
    }
    assert!(setting.net.run_for(ms(10), 100));
    let report = setting.report();
    assert_eq!(report.ignored.of(Reason::OtherSource), 3);
    assert_eq!(payloads(&setting.net, peer), [b"hello"]);
}

#[test]
fn the_peer_is_forgotten_for_another_for_which_nothing_was_relayed_for_longest() {
    let mut setting = Setting::new(|options| options.most_peers(3));
    let [a, b, c, d, e] = ["10.0.1.1:1", "10.0.1.1:2", "10.0.1.2:1", "10.0.1.3:1", "10.0.1.4:1"];
    for from in [a, b, c, a, d, a, e] {
        setting.say(from, b"x");
    }
    let evicted = [(address(b), PeerChange::Evicted), (address(c), PeerChange::Evicted)];
    let appeared = |peer| (address(peer), PeerChange::Appeared);
    let expected = [appeared(a), appeared(b), appeared(c), evicted[0], appeared(d), evicted[1], appeared(e)];
    assert_eq!(*setting.changes.borrow(), expected);
    // An answer counts as well: what the target sends keeps `d`, and `a` goes.
    let upstreams: Vec<_> = setting.net.engine(setting.target).received.iter().map(|it| it.2.source).collect();
    setting.net.inject(address(SERVER), upstreams[4], 64, b"for d");
    assert!(setting.net.run_for(ms(4), 100));
    setting.net.inject(address(SERVER), upstreams[6], 64, b"for e");
    assert!(setting.net.run_for(ms(4), 100));
    setting.say(b, b"x");
    assert_eq!(setting.changes.borrow()[7..], [(address(a), PeerChange::Evicted), appeared(b)]);
    let own = setting.report().own;
    assert_eq!((own.peers_now, own.peers_ever, own.peers_evicted, own.peers_expired), (3, 6, 3, 0));
}

#[test]
fn an_idle_peer_is_forgotten_at_its_time_and_no_busy_one() {
    let idle = Duration::from_secs(10);
    let mut setting = Setting::new(|options| options.idle(idle));
    let busy = (0..30).map(|_| b"busy".to_vec());
    let busy = plan(&setting.net, RELAY, busy, 1000);
    setting.peer(address("10.0.1.1:1"), busy);
    setting.say("10.0.1.2:1", b"idle");
    // Its answer came back from the target 3 ms after the start: a millisecond of delay on each way.
    assert!(setting.net.run_for(idle - ms(2), 10_000));
    assert_eq!(setting.net.elapsed(), idle + ms(2));
    assert_eq!(setting.report().own.peers_now, 2);
    assert!(setting.net.run_for(ms(1), 10_000));
    assert_eq!(setting.changes.borrow()[2..], [(address("10.0.1.2:1"), PeerChange::Expired)]);
    assert!(setting.net.run(10_000));
    let own = setting.report().own;
    assert_eq!((own.peers_now, own.peers_ever, own.peers_expired), (0, 2, 2));
    // The last one spoke at 29 s, and had an answer.
    assert_eq!(setting.net.elapsed(), Duration::from_secs(29) + ms(3) + idle);
    // What comes for one that is forgotten arrives at a port that nobody has.
    assert_eq!(setting.net.engine(setting.target).refused.len(), 0);
    let upstream = setting.net.engine(setting.target).received[0].2.source;
    setting.net.inject(address(SERVER), upstream, 64, b"too late");
    assert!(setting.net.run(100));
    assert_eq!(setting.net.engine(setting.target).refused.len(), 1);
}

#[test]
fn steps_of_a_scenario_hold_from_their_time_on() {
    let step = |at, direction, options| ScenarioStep::new(ms(at), LinkChange::new(direction, options));
    let lossy = || ImpairmentOptions::default().loss(1.0);
    let late = ImpairmentOptions::default().delay(ms(7));
    let scenario =
        [step(20, Direction::Up, late), step(10, Direction::Up, lossy()), step(15, Direction::Down, lossy())];
    let mut setting = Setting::new(|options| options.scenario(scenario.to_vec()));
    // They arrive at the relay a millisecond after they were sent: the first of each pair right before a step, the second at it.
    let ats = [8, 9, 18, 19].map(|at| setting.net.now() + ms(at));
    let act = |number: u8| Act::Send(ONE, Transmit::to(address(RELAY)), vec![number]);
    let plan = ats.into_iter().zip((1..).map(act)).collect();
    let peer = setting.peer(address(CLIENT), plan);
    assert!(setting.net.run_for(Duration::from_secs(1), 1000));
    let at_target = setting.at_target();
    assert_eq!(at_target, [(ms(10), vec![1]), (ms(28), vec![4])]);
    assert_eq!(payloads(&setting.net, peer), [[1]]);
    // Another scenario begins when it is handed over.
    let steps = [step(5, Direction::Up, ImpairmentOptions::default())];
    let next = RelayScenario::default().up(ImpairmentOptions::default().delay(ms(7))).down(lossy());
    setting.input(RelayInput::Scenario(Box::new(next.steps(steps))));
    for (number, wait) in [(5, 5), (6, 10)] {
        setting.net.inject(address(CLIENT), address(RELAY), 64, &[number]);
        assert!(setting.net.run_for(ms(wait), 1000));
    }
    assert!(setting.net.run_for(ms(100), 1000));
    // The first one was 4 ms before the step, and came 7 ms late; the second after it, and kept behind that.
    assert_eq!(setting.at_target()[2..], [(ms(1009), vec![5]), (ms(1009), vec![6])]);
}

#[test]
fn peers_of_a_network_have_links_of_their_own() {
    let network: AddressNetwork = "10.0.1.0/24".parse().unwrap();
    let lossy = ImpairmentOptions::default().loss(1.0);
    let own = PeerImpairments::new(network).down(lossy.clone());
    let mut setting = Setting::new(|options| options.peers([own]));
    let (ours, other) = ("10.0.1.1:1", "10.0.2.1:1");
    let hosts = [ours, other].map(|at| setting.peer(address(at), Vec::new()));
    let talk = |setting: &mut Setting| {
        let before = hosts.map(|host| setting.net.engine(host).received.len());
        [ours, other].iter().for_each(|from| setting.say(from, b"x"));
        let after = hosts.map(|host| setting.net.engine(host).received.len());
        [after[0] - before[0], after[1] - before[1]]
    };
    assert_eq!(talk(&mut setting), [0, 1]);
    // What all others have is not for them, nor the other way round.
    setting.input(RelayInput::Impair(Box::new(LinkChange::new(Direction::Up, lossy.clone()))));
    setting.input(RelayInput::Impair(Box::new(LinkChange::new(Direction::Down, Default::default()).network(network))));
    assert_eq!(talk(&mut setting), [1, 0]);
    setting.input(RelayInput::Forget(network));
    assert_eq!(talk(&mut setting), [0, 0]);
    setting.input(RelayInput::Reset);
    assert_eq!(talk(&mut setting), [0, 1]);
    let report = setting.report();
    assert_eq!((report.received.datagrams, report.own.down.own_links[0].counts.entered), (4, 1));
}

#[test]
fn after_a_reset_the_scenario_begins_again_that_was_handed_over_last() {
    let [old, new]: [AddressNetwork; 2] = ["10.0.1.0/24", "10.0.2.0/24"].map(|network| network.parse().unwrap());
    let lossy = || ImpairmentOptions::default().loss(1.0);
    let own = |network| [PeerImpairments::new(network).up(lossy())];
    let mut setting =
        Setting::new(|options| options.up(lossy()).peers(own(old)).limits(Limits::default().count(Some(12))));
    let peers = ["10.0.1.1:1", "10.0.2.1:1", "10.0.3.1:1"];
    let hosts = peers.map(|at| setting.peer(address(at), Vec::new()));
    let step = ScenarioStep::new(ms(100), LinkChange::new(Direction::Up, lossy()));
    let scenario = RelayScenario::default().peers(own(new)).steps([step]);
    setting.input(RelayInput::Scenario(Box::new(scenario)));
    for _ in 0..2 {
        let before = setting.at_target().len();
        peers.iter().for_each(|from| setting.say(from, b"x"));
        assert_eq!(setting.at_target().len() - before, 2);
        assert!(setting.net.run_for(ms(100), 100));
        setting.input(RelayInput::Reset);
    }
    // Ten were relayed before, both directions together: two more are wanted.
    setting.say(peers[0], b"x");
    assert_eq!(setting.net.engine(setting.relay).next(), Next::Done);
    assert_eq!(hosts.map(|host| payloads(&setting.net, host).len()), [3, 0, 2]);
}

#[test]
fn a_peer_takes_the_first_of_its_networks_in_the_scenario_that_was_handed_over_last() {
    let [wide, narrow]: [AddressNetwork; 2] = ["10.0.0.0/16", "10.0.1.0/24"].map(|network| network.parse().unwrap());
    let lossy = PeerImpairments::new(narrow).up(ImpairmentOptions::default().loss(1.0));
    let mut setting = Setting::new(|options| options.peers([lossy.clone()]));
    let peers = [PeerImpairments::new(wide), lossy.clone()];
    setting.input(RelayInput::Scenario(Box::new(RelayScenario::default().peers(peers))));
    // Each link is said to do what it does, once.
    let nothing = ImpairmentOptions::default;
    let said = [(None, nothing()), (Some(wide), nothing()), (Some(narrow), lossy.up)].into_iter();
    let said = said.flat_map(|(whose, up)| [(whose, Direction::Up, up), (whose, Direction::Down, nothing())]);
    let said: Vec<_> = said.map(|(network, direction, options)| (network, direction, Some(options))).collect();
    assert_eq!(*setting.impaired.borrow(), said);
    setting.say("10.0.1.1:1", b"x");
    assert_eq!(setting.at_target().len(), 1);
}

#[test]
fn what_is_under_way_when_the_target_changes_goes_to_the_new_one() {
    let second = "10.0.0.77:10000";
    let mut setting = Setting::new(|options| options.up(ImpairmentOptions::default().delay(ms(50))));
    let peer = setting.peer(address(CLIENT), Vec::new());
    let echo = Probe { echoes: true, ..Probe::default() };
    let other = setting.net.add(Host::at(address(second)), echo, silent).unwrap();
    setting.say(CLIENT, b"x");
    setting.input(RelayInput::Target(address(second)));
    assert!(setting.net.run_for(ms(100), 100));
    assert_eq!((setting.at_target().len(), payloads(&setting.net, other)), (0, vec![b"x".to_vec()]));
    assert_eq!(payloads(&setting.net, peer), [b"x"]);
}

#[test]
fn a_network_that_gets_a_link_of_its_own_keeps_what_all_have_in_the_other_direction() {
    let mut setting = Setting::new(|options| options.down(ImpairmentOptions::default().loss(1.0)));
    let peer = setting.peer(address("10.0.1.1:1"), Vec::new());
    let own = LinkChange::new(Direction::Up, ImpairmentOptions::default().delay(ms(1)));
    setting.input(RelayInput::Impair(Box::new(own.network(Some("10.0.1.0/24".parse().unwrap())))));
    setting.say("10.0.1.1:1", b"x");
    assert!(setting.net.run_for(ms(100), 100));
    assert_eq!((setting.at_target().len(), payloads(&setting.net, peer).len()), (1, 0));
}

#[test]
fn a_step_lets_one_datagram_leave_whichever_link_it_is_on() {
    let own = PeerImpairments::new("10.0.1.0/24".parse().unwrap());
    let mut setting = Setting::new(|options| options.peers([own]));
    setting.input(RelayInput::Pause(Direction::Up));
    let peers = ["10.0.2.1:1", "10.0.1.1:1", "10.0.1.1:1", "10.0.2.1:1"];
    (0..4u8).zip(peers).for_each(|(number, from)| setting.say(from, &[number]));
    let step = |setting: &mut Setting, steps: usize| {
        (0..steps).for_each(|_| setting.input(RelayInput::Step(Direction::Up)));
        assert!(setting.net.run_for(ms(5), 100));
        setting.at_target().iter().map(|(_, payload)| payload[0]).collect::<Vec<_>>()
    };
    assert_eq!(step(&mut setting, 1), [0]);
    assert_eq!(step(&mut setting, 2), [0, 1, 2]);
    assert_eq!(step(&mut setting, 5), [0, 1, 2, 3]);
}

#[test]
fn the_time_ends_it_at_once_and_the_number_of_datagrams_when_what_is_under_way_has_left() {
    for (limits, arrived) in [
        (Limits::default().duration(ms(300)), 0),
        (Limits::default().count(1), 1),
        (Limits::default().count(1).duration(ms(300)), 0),
    ] {
        let late = ImpairmentOptions::default().delay(ms(4000));
        let mut setting = Setting::new(|options| options.limits(limits).up(late));
        setting.say(CLIENT, b"x");
        assert!(setting.net.run_for(ms(10_000), 1000));
        let report = setting.report();
        assert_eq!(setting.at_target().len(), arrived, "{limits:?}");
        assert_eq!(report.own.up.unfinished + report.own.up.links.under_way, 1 - arrived as u64, "{limits:?}");
    }
}

#[test]
fn peers_that_were_forgotten_at_once_would_get_no_answer() {
    let options = RelayOptions::new(address(SERVER)).idle(Duration::ZERO);
    let error = RelayEngine::new(options).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "cannot set the idle time of peers to 0s: every peer would be forgotten before it is answered"
    );
}

#[test]
fn a_direction_is_paused_stepped_and_resumed_and_the_other_is_not() {
    let mut setting = Setting::new(|options| options);
    let peer = setting.peer(address(CLIENT), Vec::new());
    setting.input(RelayInput::Pause(Direction::Down));
    (0..5).for_each(|number| setting.say(CLIENT, &[number]));
    assert_eq!((setting.at_target().len(), payloads(&setting.net, peer).len()), (5, 0));
    for steps in 1..=2usize {
        setting.input(RelayInput::Step(Direction::Down));
        assert!(setting.net.run_for(ms(5), 100));
        assert_eq!(payloads(&setting.net, peer).len(), steps);
    }
    assert_eq!(setting.report().own.down.links.under_way, 3);
    setting.input(RelayInput::Resume(Direction::Down));
    assert!(setting.net.run_for(ms(5), 100));
    assert_eq!(payloads(&setting.net, peer), [[0], [1], [2], [3], [4]]);
    // What it sends itself goes past all that.
    setting.input(RelayInput::Pause(Direction::Down));
    setting.input(RelayInput::Inject(Injection::new(Direction::Down, address(CLIENT), b"now")));
    setting.input(RelayInput::Inject(Injection::new(Direction::Down, address("10.9.9.9:9"), b"nobody")));
    assert!(setting.net.run_for(ms(5), 100));
    assert_eq!(payloads(&setting.net, peer).len(), 6);
    assert_eq!(setting.report().own.down.injected, 1);
}

#[test]
fn another_target_gets_what_comes_from_then_on_and_answers() {
    let mut setting = Setting::new(|options| options);
    let peer = setting.peer(address(CLIENT), Vec::new());
    let second = "10.0.0.77:10000";
    let echo = Probe { echoes: true, ..Probe::default() };
    let other = setting.net.add(Host::at(address(second)), echo, silent).unwrap();
    setting.say(CLIENT, b"1");
    setting.input(RelayInput::Target(address(second)));
    setting.say(CLIENT, b"2");
    let upstream = setting.net.engine(setting.target).received[0].2.source;
    setting.net.inject(address(SERVER), upstream, 64, b"late");
    assert!(setting.net.run_for(ms(10), 100));
    assert_eq!((setting.at_target().len(), payloads(&setting.net, other)), (1, vec![b"2".to_vec()]));
    assert_eq!(payloads(&setting.net, peer), [b"1", b"2"]);
    let report = setting.report();
    assert_eq!((report.ignored.of(Reason::OtherSource), report.own.peers_ever), (1, 1));
}

#[test]
fn empty_and_longest_datagrams_pass_a_narrow_link_whole() {
    let narrow = ImpairmentOptions::default().rate(Rate::new(8_000_000, Queue::Bytes(1 << 20)));
    let mut setting = Setting::new(|options| options.up(narrow.clone()).down(narrow));
    let peer = setting.peer(address(CLIENT), Vec::new());
    let sent = [vec![], vec![1; 65_507], vec![], vec![2; 1], vec![3; 65_507]];
    sent.iter().for_each(|payload| setting.say(CLIENT, payload));
    assert!(setting.net.run_for(Duration::from_secs(1), 1000));
    assert_eq!(payloads(&setting.net, peer), sent);
    let own = setting.report().own;
    assert_eq!((own.up.send_failed, own.down.forwarded.bytes), (0, 2 * 65_507 + 1));
}

#[test]
fn each_datagram_to_the_target_begins_with_a_header_that_says_who_sent_it() {
    let mut setting = Setting::new(|options| options.proxy_protocol(true));
    let peer = setting.peer(address(CLIENT), Vec::new());
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\x00\x0c\x0a\x00\x00\x01\x0a\x00\x00\x03\x9c\x40\x27\x10";
    let longest = 65_507 - header.len();
    for len in [0, 5, longest, longest + 1] {
        setting.say(CLIENT, &vec![7; len]);
    }
    let with_header = |len| [&header[..], &vec![7; len]].concat();
    let expected = [0, 5, longest].map(with_header);
    assert!(payloads(&setting.net, setting.target) == expected);
    // Answers have none, and are echoes here.
    assert!(payloads(&setting.net, peer) == expected);
    let own = setting.report().own;
    assert_eq!((own.up.received.datagrams, own.up.forwarded.datagrams, own.up.send_failed), (4, 3, 1));
}

#[test]
fn further_targets_get_copies_and_what_they_answer_is_ignored() {
    let [second, refusing] = ["10.0.0.77:10000", "10.0.0.2:9"];
    let mut setting = Setting::new(|options| options.copies_to([address(second), address(refusing)]));
    let peer = setting.peer(address(CLIENT), Vec::new());
    let echo = Probe { echoes: true, ..Probe::default() };
    let other = setting.net.add(Host::at(address(second)), echo, silent).unwrap();
    let sent: Vec<_> = (0..20).map(|number| vec![number]).collect();
    sent.iter().for_each(|payload| setting.say(CLIENT, payload));
    assert_eq!((payloads(&setting.net, setting.target), payloads(&setting.net, other)), (sent.clone(), sent.clone()));
    assert_eq!(payloads(&setting.net, peer), sent);
    let report = setting.report();
    let own = &report.own;
    assert_eq!((own.copied.datagrams, own.copy_refused, own.up.refused, own.copy_failed), (40, 20, 0, 0));
    assert_eq!((report.ignored.of(Reason::OtherSource), report.sent.datagrams), (20, 80));
}

#[test]
fn a_target_that_is_the_relay_itself_is_no_loop() {
    let mut setting = Setting::new(|options| options.target(address(RELAY)));
    (0..10).for_each(|_| setting.say(CLIENT, b"x"));
    assert!(setting.net.run_for(Duration::from_secs(10), 1000));
    let report = setting.report();
    assert_eq!((report.ignored.of(Reason::OwnSocket), report.own.peers_ever), (10, 1));
    assert_eq!(setting.net.traffic().sent, 20);
}

#[test]
fn two_relays_whose_targets_are_one_another_end_by_hop_limits() {
    let mut net = Network::new(1);
    let relays = [(RELAY, SERVER), (SERVER, RELAY)].map(|(at, target)| {
        let options = RelayOptions::new(address(target)).own([address(at)]);
        net.add(relay_host(address(at)), RelayEngine::new(options).unwrap(), silent).unwrap()
    });
    for hops in [64, 255] {
        let before = net.traffic().sent;
        net.inject(address(CLIENT), address(RELAY), hops, b"x");
        assert!(net.run_for(Duration::from_secs(10), 10_000));
        assert_eq!(net.traffic().sent - before, u64::from(hops));
    }
    let spent: u64 = relays.iter().map(|it| net.engine(*it).report().ignored.of(Reason::HopsSpent)).sum();
    assert_eq!(spent, 2);
}

/// Relays that listen to a group, or send to one, so that each hears what another sends.
#[test]
fn relays_at_groups_are_no_endless_loop() {
    let (one, two) = ("239.1.1.1:10000", "239.2.2.2:10000");
    // Where each listens on the virtual network is one port: groups are heard there too.
    for targets in [&[one][..], &[one, one], &[SERVER, one], &[one, two]] {
        for hops in [1, 2, 64] {
            let mut net = Network::new(1);
            let places = [RELAY, SERVER];
            let relays: Vec<_> = places
                .iter()
                .zip(targets)
                .map(|(at, target)| {
                    let options = RelayOptions::new(address(target)).own([address(at)]).most_peers(8);
                    net.add(relay_host(address(at)), RelayEngine::new(options).unwrap(), silent).unwrap()
                })
                .collect();
            net.inject(address(CLIENT), address(one), hops, b"x");
            assert!(net.run_for(Duration::from_secs(60), 100_000));
            let sent = net.traffic().sent;
            assert!(sent < 1000, "{targets:?}, {hops} hops: {sent}");
            // A single hop is not used up, since that is how many start.
            assert!(sent > 1 || hops == 2, "{targets:?}, {hops} hops: {sent}");
            relays.iter().for_each(|it| assert!(net.engine(*it).report().is_balanced()));
        }
    }
}

#[test]
fn relays_that_hear_one_anothers_group_multiply_a_datagram_a_few_times_only() {
    let group = "239.1.1.1:10000";
    let places = [RELAY, SERVER, "10.0.0.77:10000"];
    for hops in [1, 64, 255] {
        // Of the second kind each sends to a host, with copies to the group.
        for targets in [[group, group, group], ["10.0.9.9:9", group, group]] {
            let mut net = Network::new(1);
            for (at, target) in places.iter().zip(targets) {
                let options = RelayOptions::new(address(target)).own([address(at)]).most_peers(64);
                let options = if target == group { options } else { options.copies_to([address(group)]) };
                net.add(relay_host(address(at)), RelayEngine::new(options).unwrap(), silent).unwrap();
            }
            net.inject(address(CLIENT), address(group), hops, b"x");
            assert!(net.run_for(Duration::from_secs(60), 100_000), "{hops} hops");
            assert!(net.traffic().sent < 50, "{hops} hops: {}", net.traffic().sent);
        }
    }
}

#[test]
fn a_flood_of_sources_leaves_a_table_of_peers_and_their_sockets_that_is_full_and_no_more() {
    let mut setting = Setting::new(|options| options.most_peers(16).idle(Duration::from_secs(3600)));
    let peer = setting.peer(address(CLIENT), Vec::new());
    for turn in 0..500u16 {
        for host in 0..4u8 {
            let from = SocketAddr::from(([10, 7, host, 1], 1 + turn));
            setting.net.inject(from, address(RELAY), 64, b"flood");
        }
        if turn % 50 == 0 {
            setting.say(CLIENT, b"still here?");
        }
        assert!(setting.net.run_for(ms(1), 1000));
    }
    assert!(setting.net.run_for(ms(100), 10_000));
    assert_eq!(payloads(&setting.net, peer).len(), 10);
    let own = setting.report().own;
    assert_eq!((own.peers_now, own.peers_ever - own.peers_evicted), (16, 16));
    // Those of peers that are gone are closed: what comes for them is refused.
    let upstreams: std::collections::BTreeSet<_> =
        setting.net.engine(setting.target).received.iter().map(|it| it.2.source).collect();
    let before = setting.net.traffic();
    for upstream in &upstreams {
        setting.net.inject(address(SERVER), *upstream, 64, b"x");
    }
    assert!(setting.net.run_for(ms(10), 10_000));
    let taken = setting.net.traffic().delivered - before.delivered;
    assert!((16..=32).contains(&taken), "{taken}");
}

/// An outbox that keeps what is sent, and opens as many sockets as are asked for.
#[derive(Default)]
struct Desk {
    sent: Vec<(SocketId, Transmit, Vec<u8>)>,
    trains: usize,
    opened: Vec<SocketId>,
    left: Vec<(Direction, u64)>,
}

impl Outbox for Desk {
    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.sent.push((via, *transmit, payload.to_vec()));
    }

    fn send_train(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8], segment: usize) {
        self.trains += 1;
        payload.chunks(segment).for_each(|piece| self.send(via, transmit, piece));
    }

    fn open(&mut self, _local: SocketAddr, _options: &Options) -> udpkit::Result<SocketId> {
        let id = SocketId::first(self.opened.len() + 1);
        self.opened.push(id);
        Ok(id)
    }

    fn local_address(&self, via: SocketId) -> Option<SocketAddr> {
        self.opened.contains(&via).then(|| SocketAddr::new(address(RELAY).ip(), 50_000))
    }

    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn emit(&mut self, event: Event<'_>) {
        if let Event::Left(left) = event {
            self.left.push((left.direction, left.number));
        }
    }
}

/// Options chosen.
type Choice = Box<dyn Fn(RelayOptions) -> RelayOptions>;

#[test]
fn a_train_passes_as_its_datagrams_would_one_by_one() {
    let header = |on: bool| move |options: RelayOptions| options.proxy_protocol(on);
    let bad = ImpairmentOptions::default().loss(0.3).duplicate(0.3).corrupt(0.3);
    let kinds: [(usize, Choice); 5] = [
        // How many trains leave whole: of two that come, and copies.
        (2, Box::new(|options| options)),
        (3, Box::new(|options| options.copies_to([address("10.0.0.9:9")]).dscp(8))),
        (1, Box::new(header(true))),
        (0, Box::new(|options| options.report_fates(true))),
        (0, Box::new(move |options| options.up(bad.clone()).down(bad.clone()))),
    ];
    for (place, (trains, options)) in kinds.into_iter().enumerate() {
        for (len, segment) in [(10_000, 1000), (10_001, 1000), (2, 1), (1500, 1400), (700, 1000), (0, 1)] {
            let payload: Vec<_> = (0..=255).cycle().take(len).collect();
            let now = Network::new(0).now();
            let run = |in_trains: bool| {
                let options = options(RelayOptions::new(address(SERVER)).own([address(RELAY)]));
                let (mut engine, mut desk) = (RelayEngine::new(options).unwrap(), Desk::default());
                engine.tick(now, &mut desk);
                let upstream = SocketId::first(1);
                for (via, from) in [(ONE, CLIENT), (upstream, SERVER)] {
                    let meta = Meta::new(address(from)).local(address(RELAY).ip()).hop_limit(64).traffic_class(0b10);
                    let train = Train::new(&meta, &payload, segment);
                    if in_trains {
                        engine.receive_train(now, via, train, &mut desk);
                    } else {
                        train.datagrams().for_each(|datagram| engine.receive(now, via, &datagram, &mut desk));
                    }
                    engine.tick(now, &mut desk);
                }
                let report = engine.report();
                assert!(report.is_balanced() && report.own.up.is_balanced() && report.own.down.is_balanced());
                (desk, report)
            };
            let ((whole, mut one), (single, mut other)) = (run(true), run(false));
            // Copies follow each train where it is whole, and each datagram where it is not.
            let sorted = |desk: &Desk| {
                let mut sent = desk.sent.clone();
                sent.sort_by_key(|(via, transmit, _)| (*via, transmit.destination));
                sent
            };
            assert!(sorted(&whole) == sorted(&single), "kind {place}, {len} bytes in {segment}s");
            assert_eq!((&whole.left, single.trains), (&single.left, 0));
            for report in [&mut one, &mut other] {
                // Of keys and times of their own.
                report.peers = Default::default();
                for figures in [&mut report.own.up, &mut report.own.down] {
                    (figures.achieved_delay, figures.lateness) = Default::default();
                }
            }
            assert_eq!(one, other);
            let expected = if len > segment { trains } else { 0 };
            assert_eq!(whole.trains, expected, "kind {place}, {len} bytes in {segment}s");
        }
    }
}
