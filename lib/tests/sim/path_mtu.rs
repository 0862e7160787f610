//! The search for a path's MTU in virtual time: loss of all kinds, routers that are silent and such that lie, each direction apart.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use proptest::prelude::*;
use udpkit::impairment::{GilbertElliott, ImpairmentOptions, Jitter, Loss, Matching, Reorder};
use udpkit::sim::{Host, Network, Path};
use udpkit::stamp::Key;
use udpkit::verbs::{
    MtuLimit, PathMtu, PathMtuFigures, PathMtuOptions, Reflect, ReflectKeys, ReflectOptions, ReflectorKind,
};
use udpkit::{Answer, Bounds, Cause, Conduct, Event, Report};

use crate::world::ms;
use crate::{CLIENT, SERVER, address};

const CLIENT_V6: &str = "[fd00::1]:40000";
const SERVER_V6: &str = "[fd00::2]:862";

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Far {
    Reflector,
    Authenticated,
    Echo,
}

/// A search between two hosts.
#[derive(Clone, Debug)]
struct World {
    ends: [SocketAddr; 2],
    paths: [Path; 2],
    far: Far,
    options: PathMtuOptions,
    /// The longest size that the client's own host sends.
    link: Option<usize>,
    seed: u64,
}

fn key() -> Key {
    Key::new(b"0123456789abcdef")
}

fn way(mtu: impl Into<Option<usize>>) -> ImpairmentOptions {
    ImpairmentOptions::default().delay(ms(10)).mtu(mtu)
}

impl World {
    fn new(forward: impl Into<Path>, reverse: impl Into<Path>) -> Self {
        let ends = [address(CLIENT), address(SERVER)];
        let options = PathMtuOptions::new(ends[1]).largest(9000);
        Self { ends, paths: [forward.into(), reverse.into()], far: Far::Reflector, options, link: None, seed: 1 }
    }

    fn v6(mut self) -> Self {
        self.ends = [address(CLIENT_V6), address(SERVER_V6)];
        self.options = self.options.target(self.ends[1]);
        self
    }

    fn run(&self) -> Report<PathMtuFigures> {
        let Self { ends: [client, server], paths: [forward, reverse], far, link, .. } = self.clone();
        let key = (far == Far::Authenticated).then(key);
        let mut options = self.options.clone().seed(self.seed).key(key.clone());
        options.hints = vec![1500];
        let mut network = Network::new(self.seed);
        network.set_link(client.ip(), server.ip(), forward).unwrap();
        network.set_link(server.ip(), client.ip(), reverse).unwrap();
        let headers = options.header_len();
        let host = Host::at(client).failing(move |_, payload| {
            let is_too_long = link.is_some_and(|link| payload.len() + headers > link);
            // `EMSGSIZE` of Linux.
            is_too_long.then(|| io::Error::from_raw_os_error(90))
        });
        let silent = |_: Event<'_>| ControlFlow::Continue(());
        let engine = network.add(host, PathMtu::new(options).unwrap(), silent).unwrap();
        match far {
            Far::Echo => {
                let options = udpkit::verbs::ServeOptions::new(Answer::Echo, vec![server]).conduct(Conduct::off());
                network.add(Host::at(server), udpkit::verbs::Serve::new(options), silent).unwrap();
            }
            _ => {
                let mut options = ReflectOptions::new(vec![server]).conduct(Conduct::off());
                if let Some(key) = key {
                    options = options.keys(ReflectKeys::default().with_any(key));
                }
                network.add(Host::at(server), Reflect::new(options), silent).unwrap();
            }
        }
        let _ = network.run_for(Duration::from_secs(600), 1_000_000);
        let report = network.engine(engine).report_now();
        assert!(report.is_balanced(), "{report:?}");
        report
    }
}

/// The report of an engine.
trait ReportNow {
    fn report_now(&self) -> Report<PathMtuFigures>;
}

impl ReportNow for PathMtu {
    fn report_now(&self) -> Report<PathMtuFigures> {
        udpkit::Engine::report(self)
    }
}

fn exact(size: u64) -> Option<Bounds> {
    Some(Bounds::exact(size))
}

fn at_least(size: u64) -> Option<Bounds> {
    Some(Bounds::at_least(size))
}

#[test]
fn the_mtu_of_a_path_is_found_to_the_byte() {
    for far in [Far::Reflector, Far::Authenticated, Far::Echo] {
        for mtu in [600, 1228, 1280, 1400, 1492, 1500, 8999] {
            for is_v6 in [false, true] {
                let world = World { far, ..World::new(way(mtu), way(mtu)) };
                let world = if is_v6 { world.v6() } else { world };
                let report = world.run();
                assert_eq!(report.own.mtu, exact(mtu as u64), "{far:?} {mtu} {report:?}");
                assert_eq!(report.own.limit, MtuLimit::Path);
                assert!(report.own.by_chance.unwrap() < 1e-6);
                // What does not arrive tells nothing of the way back.
                let forward = if far == Far::Echo { at_least(mtu as u64) } else { exact(mtu as u64) };
                assert_eq!((report.own.forward, report.own.reverse), (forward, at_least(mtu as u64)), "{far:?}");
            }
        }
    }
}

#[test]
fn where_all_that_is_tried_passes_the_mtu_is_at_least_that() {
    let world = World::new(way(None), way(None));
    let report = world.run();
    assert_eq!((report.own.mtu, report.own.limit), (at_least(9000), MtuLimit::Asked));
    assert!(report.own.sent < 20, "{report:?}");
}

#[test]
fn what_our_own_host_refuses_to_send_is_the_mtu_of_the_first_link() {
    for link in [1500, 1400, 1280] {
        let report = World { link: Some(link), ..World::new(way(None), way(None)) }.run();
        assert_eq!((report.own.mtu, report.own.limit), (exact(link as u64), MtuLimit::FirstLink), "{report:?}");
        assert_eq!((report.own.first_link, report.send_failed), (Some(link as u64), 0));
        // A narrower path behind it.
        let report = World { link: Some(link), ..World::new(way(1270), way(1270)) }.run();
        assert_eq!((report.own.mtu, report.own.limit), (exact(1270), MtuLimit::Path), "{report:?}");
    }
}

#[test]
fn each_direction_is_found_where_the_reflector_says_what_arrived() {
    for (there, back) in [(1500, 1400), (1300, 600), (9000, 1280), (1400, 1500), (1499, 1500)] {
        let report = World::new(way(there), way(back)).run();
        let (there, back) = (there as u64, back as u64);
        assert_eq!(report.own.mtu, exact(there.min(back)), "{there} {back}: {report:?}");
        let forward = if there == 9000 { at_least(9000) } else { exact(there) };
        assert_eq!(report.own.forward, forward, "{there} {back}: {report:?}");
        let reverse = if back < there { exact(back) } else { at_least(there) };
        assert_eq!(report.own.reverse, reverse, "{there} {back}: {report:?}");
    }
}

#[test]
fn an_echo_server_says_nothing_of_single_directions() {
    let report = World { far: Far::Echo, ..World::new(way(None), way(1400)) }.run();
    let own = &report.own;
    assert_eq!(own.reflector, ReflectorKind::Echo);
    assert_eq!([own.mtu, own.forward, own.reverse], [exact(1400), at_least(1400), at_least(1400)]);
}

#[test]
fn a_router_that_says_what_it_takes_saves_probes_and_one_that_lies_changes_nothing() {
    let silent = World::new(way(1400), way(None)).run();
    assert!(silent.own.too_big.is_empty());
    let honest = World::new(Path::from(way(1400)).too_big(1400), way(None)).run();
    assert!(honest.own.sent < silent.own.sent * 2 / 3, "{} {}", honest.own.sent, silent.own.sent);
    for said in [0, 1, 67, 68, 576, 1200, 1399, 1400, 1401, 1450, 8999, 9000, u32::MAX] {
        let report = World::new(Path::from(way(1400)).too_big(said), way(None)).run();
        assert_eq!([report.own.mtu, report.own.forward], [exact(1400), exact(1400)], "{said}: {report:?}");
        let used = report.own.too_big.iter().map(|reports| reports.count).sum::<u64>();
        assert_eq!(used > 0, said < 1500, "{said}: {report:?}");
        assert_eq!(report.unreachable, 0);
    }
}

#[test]
fn reports_of_what_we_never_sent_are_not_used() {
    let world = World::new(way(None), way(None));
    let mut engine = PathMtu::new(world.options).unwrap();
    let mut out = Nowhere(Network::new(1).now());
    udpkit::Engine::tick(&mut engine, out.0, &mut out);
    let (target, router) = (address(SERVER), Some("192.0.2.9".parse().unwrap()));
    for payload in [vec![], vec![0; 3], vec![0xff; 8]] {
        let unreachable = udpkit::Unreachable::new(target, router, Cause::TooBig { mtu: 100 }).payload(payload);
        udpkit::Engine::unreachable(&mut engine, out.0, crate::ONE, &unreachable, &mut out);
    }
    let own = engine.report_now().own;
    assert_eq!((own.too_big.len(), own.too_big_ignored), (0, 3));
}

/// An outbox whose datagrams go nowhere.
struct Nowhere(std::time::Instant);

impl udpkit::Outbox for Nowhere {
    fn send(&mut self, _via: udpkit::SocketId, _transmit: &udpkit::Transmit, _payload: &[u8]) {}

    fn clock(&self) -> udpkit::Moment {
        udpkit::Moment::new(self.0, std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
    }

    fn emit(&mut self, _event: Event<'_>) {}
}

#[test]
fn loss_that_grows_with_the_size_is_no_mtu() {
    // Long ones are lost far more often than those of the base; the size that no link takes is another.
    for seed in 0..20 {
        let matching = Matching::new(|payload: &[u8]| payload.len() > 1300);
        let lossy = way(1450).loss(0.0);
        let steep = ImpairmentOptions::default().delay(ms(10)).loss(0.6).matching(matching);
        let world = World { seed, ..World::new(lossy, steep) };
        let report = world.run();
        assert_eq!(report.own.mtu, exact(1450), "{seed}: {report:?}");
        assert_eq!(report.own.forward, exact(1450), "{seed}: {report:?}");
    }
}

#[test]
fn a_silent_host_is_given_up_and_a_closed_port_at_once() {
    let nobody = World::new(way(None).loss(1.0), way(None)).run();
    assert_eq!((nobody.own.mtu, nobody.own.reflector), (None, ReflectorKind::Silent));
    assert_eq!(nobody.own.sent, 40);
    let mut world = World::new(way(None), way(None));
    world.options = world.options.target(SocketAddr::new(world.ends[1].ip(), 9));
    let closed = world.run();
    assert_eq!((closed.own.mtu, closed.unreachable, closed.own.sent), (None, 3, 3));
}

#[test]
fn where_nearly_everything_is_lost_the_answer_is_an_interval_or_right() {
    for seed in 0..5 {
        let world = World { seed, ..World::new(way(1400).loss(0.9), way(None).loss(0.9)) };
        let report = world.run();
        let Some(mtu) = report.own.mtu else { continue };
        assert!(mtu.contains(1400) && !mtu.is_exact() && report.own.is_cut_short, "{report:?}");
    }
}

#[test]
fn a_search_that_is_ended_says_what_is_known() {
    let mut world = World::new(way(1400), way(None));
    world.options = world.options.duration(ms(300));
    let report = world.run();
    assert!(report.own.is_cut_short);
    assert!(report.own.mtu.unwrap().contains(1400) && report.own.forward.unwrap().contains(1400), "{report:?}");
}

/// How many networks by chance are tried.
fn cases() -> u32 {
    std::env::var("UDP_PATH_MTU_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

fn impairment() -> impl Strategy<Value = ImpairmentOptions> {
    let loss = prop_oneof![
        Just(Loss::from(0.0)),
        (0.0..0.3_f64).prop_map(Loss::from),
        (0.01..0.2_f64, 2.0..5.0_f64).prop_map(|(mean, burst)| GilbertElliott::bursts(mean, burst).unwrap().into()),
    ];
    let mtu = prop_oneof![1 => Just(None), 4 => (200..2000_usize).prop_map(Some)];
    (loss, mtu, 0..50_u64, 0..10_u64, prop::bool::ANY, 0.0..0.05_f64).prop_map(
        |(loss, mtu, delay, jitter, reorders, duplicate)| {
            let options = ImpairmentOptions::default().loss(loss).mtu(mtu).delay(ms(delay)).duplicate(duplicate);
            let options = options.jitter(Jitter::Uniform(ms(jitter)));
            if reorders { options.reorder(Reorder::new(0.03, 3).at_most(ms(50))) } else { options }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_else_is_lost_the_mtu_is_the_right_one(
        forward in impairment(), reverse in impairment(), echo in prop::bool::ANY, is_v6 in prop::bool::ANY,
        told in prop::option::of(100..9000_u32), seed: u64,
    ) {
        let far = if echo { Far::Echo } else { Far::Reflector };
        let mtus = [forward.mtu, reverse.mtu].map(|mtu| mtu.map_or(u64::MAX, |mtu| mtu as u64));
        let world = World::new(Path::from(forward).too_big(told), reverse);
        let world = World { far, seed, ..if is_v6 { world.v6() } else { world } };
        let report = world.run();
        let own = &report.own;
        let truth = mtus[0].min(mtus[1]);
        prop_assume!(truth >= world.options.smallest() as u64);
        prop_assert!(own.mtu.is_some(), "{report:?}");
        for (found, truth) in [(own.mtu, truth), (own.forward, mtus[0]), (own.reverse, mtus[1])] {
            prop_assert!(found.is_some_and(|found| found.contains(truth)), "{truth}: {report:?}");
        }
        let mtu = own.mtu.unwrap();
        prop_assert!(mtu.is_exact() || truth > 9000 && mtu == Bounds::at_least(9000), "{report:?}");
        if !echo {
            prop_assert!(own.forward.unwrap().is_exact() || mtus[0] > 9000, "{report:?}");
            prop_assert!(own.reverse.unwrap().is_exact() || mtus[1] >= mtus[0].min(9000), "{report:?}");
        }
    }
}
