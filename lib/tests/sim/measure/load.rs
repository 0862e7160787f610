//! Latency under load in virtual time: what is added is what the queue before a slow link adds, and nobody is loaded who would send the
//! load back.

use std::time::Duration;

use udpkit::Bounds;
use udpkit::impairment::{ImpairmentOptions, Jitter, Loss, Queue, Rate};
use udpkit::sim::{HostClock, Outcome};
use udpkit::stamp::Key;
use udpkit::verbs::{AddedDelay, LoadFigures, LoadGrade, LoadOptions, LoadOutcome, Pace, ReflectorKind};

use super::foreign::Kind;
use super::run::{Ran, Reflector, Scenario, delayed};
use crate::world::ms;

const MBIT: f64 = 1_000_000.0;
/// The socket of the load, where there is one flow.
const LOAD: usize = 1;

/// A run of 4 seconds, with this load in the last 2, over a perfect path of 10 ms there and 5 ms back.
fn loaded(bitrate: f64) -> Scenario {
    let mut scenario = Scenario::new(1);
    let load = LoadOptions::new(Pace::Bitrate(bitrate));
    scenario.options = scenario.options.count(None).duration(ms(4000)).load(load);
    scenario
}

/// A link of 10 Mbit/s before which this many bytes wait.
fn narrow(queue: usize) -> ImpairmentOptions {
    delayed(10).rate(Rate::new(10_000_000, Queue::Bytes(queue)))
}

fn figures(ran: &Ran) -> &LoadFigures {
    ran.report.own.load.as_deref().expect("a load was asked for")
}

/// Datagrams that came to the reflector from the socket of the load, but for questions.
fn arrived(ran: &Ran) -> u64 {
    ran.far_heard.iter().filter(|heard| heard.source == ran.own[LOAD] && heard.payload.len() == 1200).count() as u64
}

/// Those that were sent.
fn sent(ran: &Ran) -> u64 {
    ran.said.iter().filter(|said| said.via.index() == LOAD && said.payload.len() == 1200).count() as u64
}

/// The time that this part of all probes took at most on the way there, of those sent before the load and beside it; by the log.
fn forward_of_log(ran: &Ran, part: f64) -> [Duration; 2] {
    let mut halves = [Vec::new(), Vec::new()];
    let probes = ran.log.iter().filter(|it| it.source == ran.own[0] && it.sent < ms(4000));
    for probe in probes {
        if let Outcome::Arrived(at) = probe.outcome {
            halves[usize::from(probe.sent >= ms(2000))].push(at - probe.sent);
        }
    }
    halves.map(|mut half| {
        half.sort();
        let below = half.iter().zip(1..).filter(|(_, rank)| f64::from(*rank) < half.len() as f64 * part).count();
        half[below]
    })
}

fn is_near(added: AddedDelay, expected: Duration, by: Duration) -> bool {
    let expected = i64::try_from(expected.as_nanos()).unwrap();
    added.delay.0.abs_diff(expected) <= u64::try_from(by.as_nanos()).unwrap()
}

#[test]
fn the_added_delay_is_that_of_the_queue_and_what_arrives_is_the_capacity() {
    for (queue, grade) in [(25_000, LoadGrade::A), (125_000, LoadGrade::C), (625_000, LoadGrade::F)] {
        let mut scenario = loaded(20.0 * MBIT);
        scenario.forward = narrow(queue);
        // Clocks that are years apart are no obstacle.
        scenario.clocks[1] = HostClock::default().ahead(Duration::from_secs(100_000_000));
        let ran = scenario.run();
        let load = figures(&ran);
        assert_eq!((load.outcome, load.grade()), (LoadOutcome::Ended, Some(grade)));
        for part in [0.5, 0.99] {
            let [idle, beside] = forward_of_log(&ran, part);
            let (truth, digits) = (beside - idle, beside / 500);
            let (forward, reverse) = (load.added_forward(part).unwrap(), load.added_reverse(part).unwrap());
            assert!(is_near(forward, truth, digits), "{queue} {part}: {truth:?} {forward:?}");
            assert!(is_near(load.added_rtt(part).unwrap(), truth, digits), "{queue} {part}: {truth:?}");
            assert!(is_near(reverse, Duration::ZERO, Duration::from_micros(50)), "{queue} {part}: {reverse:?}");
        }
        // The queue holds so much for so long, less room for a datagram at most.
        let full = Duration::from_secs_f64(queue as f64 * 8.0 / (10.0 * MBIT));
        let p99 = load.added_forward(0.99).unwrap();
        assert!(is_near(p99, full, ms(2)), "{queue}: {full:?} {p99:?}");
        assert_eq!((load.sent, load.arrived), (sent(&ran), Some(arrived(&ran))));
        // Of a queue that is still filling up, nobody knows how long it was at the end.
        if queue < 200_000 {
            // The probes have 96 kbit/s of it.
            let bitrate = load.arrived_bitrate().unwrap() / MBIT;
            assert!((9.8..10.0).contains(&bitrate), "{queue}: {bitrate}");
        }
        assert_eq!(load.idle.answered + load.idle.lost, 200);
        assert_eq!(load.loaded.answered + load.loaded.lost, 200);
    }
}

#[test]
fn figures_of_both_halves_are_kept_apart_and_those_of_all_probes_hold_both() {
    let mut scenario = loaded(40.0 * MBIT);
    scenario.forward = delayed(10).rate(Rate::new(10_000_000, Queue::Datagrams(10)));
    let ran = scenario.run();
    let (own, load) = (&ran.report.own, figures(&ran));
    assert_eq!((own.sent, load.idle.lost, load.idle.answered), (400, 0, 200));
    // Three of four find no room.
    assert!((100..200).contains(&load.loaded.lost));
    assert_eq!((own.lost, own.answered), (load.loaded.lost, 200 + load.loaded.answered));
    assert_eq!(own.forward.counts.unwrap().lost, Bounds::exact(own.lost));
    assert!(load.idle.rtt.largest() < ms(16) && load.loaded.rtt.at(0.5) > ms(24));
}

#[test]
fn a_load_that_the_path_carries_adds_nothing_and_arrives() {
    for key in [None, Some(Key::new(b"known to both of them"))] {
        let mut scenario = loaded(5.0 * MBIT);
        scenario.options = scenario.options.key(key);
        scenario.flows = 3;
        scenario.forward = narrow(125_000);
        let ran = scenario.run();
        let load = figures(&ran);
        assert_eq!((load.outcome, load.grade()), (LoadOutcome::Ended, Some(LoadGrade::APlus)));
        // From 2 s on to the last probe, after 3.99 s: 5 Mbit/s, in 1,200 bytes each.
        assert!((1036..=1038).contains(&load.sent) && load.arrived == Some(load.sent));
        assert!((load.sent_bitrate().unwrap() - 5.0 * MBIT).abs() < 10_000.0);
        assert!((load.arrived_bitrate().unwrap() - 5.0 * MBIT).abs() < 20_000.0, "{:?}", load.arrived_bitrate());
        assert!(is_near(load.added_rtt(0.5).unwrap(), Duration::ZERO, ms(1)));
        assert_eq!((ran.report.own.lost, ran.report.own.reflector), (0, ReflectorKind::Counting));
    }
}

#[test]
fn who_would_send_the_load_back_gets_none_and_the_run_ends_with_its_first_half() {
    let foreign = [Kind::Stateful, Kind::TwampLight, Kind::Stateless].map(Reflector::Foreign);
    for reflector in foreign.into_iter().chain([Reflector::Echo]) {
        let mut scenario = loaded(20.0 * MBIT);
        scenario.reflector = reflector;
        let ran = scenario.run();
        let load = figures(&ran);
        assert_eq!((load.outcome, load.sent, load.arrived), (LoadOutcome::Refused, 0, None), "{reflector:?}");
        assert_eq!((sent(&ran), arrived(&ran)), (0, 0));
        assert_eq!((ran.report.own.sent, load.idle.answered), (200, 200));
        assert_eq!((load.loaded.answered, load.added_rtt(0.5)), (0, None));
        // What was asked before it is little.
        let questions = ran.said.iter().filter(|said| said.via.index() == LOAD).count();
        assert!((1..=32).contains(&questions), "{questions}");
    }
}

#[test]
fn who_does_not_answer_before_the_load_gets_none() {
    let mut scenario = loaded(20.0 * MBIT);
    scenario.reverse = delayed(2500);
    scenario.options = scenario.options.wait(ms(3000));
    let ran = scenario.run();
    assert_eq!((figures(&ran).outcome, sent(&ran)), (LoadOutcome::Refused, 0));
    assert_eq!((ran.report.own.reflector, ran.report.own.answered), (ReflectorKind::Counting, 200));
}

#[test]
fn what_arrived_is_known_through_losses_copies_and_disorder() {
    for seed in 0..10 {
        let mut scenario = loaded(2.0 * MBIT);
        scenario.seed = seed;
        let jitter = Jitter::Uniform(ms(100));
        scenario.forward = delayed(10).loss(Loss::Independent(0.3)).duplicate(0.1).jitter(jitter).keep_order(false);
        scenario.reverse = delayed(5).loss(Loss::Independent(0.3)).jitter(jitter).keep_order(false);
        let ran = scenario.run();
        let load = figures(&ran);
        assert_eq!((load.sent, load.arrived), (sent(&ran), Some(arrived(&ran))), "{seed}");
        assert!(load.arrived < Some(load.sent * 9 / 10));
    }
}

#[test]
fn a_reflector_that_forgot_the_load_does_not_say_how_much_arrived() {
    let mut scenario = loaded(2.0 * MBIT);
    scenario.restarts = vec![ms(3000)];
    let ran = scenario.run();
    let load = figures(&ran);
    assert_eq!((load.outcome, load.arrived, load.arrived_bitrate()), (LoadOutcome::Ended, None, None));
    assert!(load.sent > 400 && load.added_rtt(0.5).is_some());
}

#[test]
fn delays_of_one_direction_are_not_compared_where_a_clock_was_set() {
    let mut scenario = loaded(2.0 * MBIT);
    scenario.clocks[1] = HostClock::default().set_forward(ms(2500), ms(700));
    let ran = scenario.run();
    let load = figures(&ran);
    assert_eq!((load.added_forward(0.5), load.added_reverse(0.5)), (None, None));
    assert!(is_near(load.added_rtt(0.5).unwrap(), Duration::ZERO, ms(1)));
}

#[test]
fn what_could_not_be_sent_of_it_is_no_part_of_the_load_and_no_probe() {
    for seed in 0..8 {
        let mut scenario = loaded(2.0 * MBIT);
        (scenario.seed, scenario.failing[0]) = (seed, 0.5);
        let ran = scenario.run();
        let load = figures(&ran);
        assert_eq!((load.sent, load.arrived), (sent(&ran), Some(sent(&ran))), "{seed}");
        // Of both, 1.99 seconds of 2 Mbit/s; neither a probe nor a question is among them.
        assert!((414..=416).contains(&(load.sent + load.failed)), "{seed}: {} {}", load.sent, load.failed);
        let probes = ran.said.iter().filter(|said| said.via.index() == 0 && said.at < ran.start + ms(4000)).count();
        assert_eq!((ran.report.own.sent, ran.report.own.lost), (probes as u64, 0), "{seed}");
    }
}

#[test]
fn a_load_is_best_effort_whatever_the_probes_are() {
    let mut scenario = loaded(2.0 * MBIT);
    scenario.options = scenario.options.traffic_class(46 << 2);
    let ran = scenario.run();
    let (load, others): (Vec<_>, Vec<_>) = ran.said.iter().partition(|said| said.payload.len() == 1200);
    assert!(load.len() > 400 && load.iter().all(|said| said.traffic_class == Some(0)));
    assert!(others.len() > 400 && others.iter().all(|said| said.traffic_class == Some(46 << 2)));
}

#[test]
fn a_host_that_stood_still_leaves_out_what_is_long_due_and_sends_no_burst() {
    let mut scenario = loaded(20.0 * MBIT);
    scenario.we_are_stopped = Some([ms(2500), ms(3000)]);
    let ran = scenario.run();
    let load = figures(&ran);
    // Half a second, of which the last 100 ms are sent: 2,083 datagrams a second.
    assert!((830..=836).contains(&load.omitted));
    let at_once = ran.said.iter().filter(|said| said.via.index() == LOAD && said.at == ran.start + ms(3000)).count();
    assert!(at_once <= 210, "{at_once}");
    assert!((load.sent_bitrate().unwrap() - 16.0 * MBIT).abs() < 0.1 * MBIT);
}
