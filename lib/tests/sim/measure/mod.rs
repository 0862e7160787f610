//! The engine of `measure` in virtual time: what it says is what happened.

mod combinations;
mod foreign;
mod load;
mod run;
mod tap;

use std::time::Duration;

use fastrand::Rng;
use udpkit::impairment::{Blackout, Matching};
use udpkit::sim::HostClock;
use udpkit::verbs::{OneWayCounts, Pace, ReflectorKind};
use udpkit::{Bounds, Reason};

use self::foreign::Kind;
use self::run::{Reflector, Scenario};
use crate::world::ms;

#[test]
fn over_a_perfect_path_nothing_is_lost_and_every_time_is_right() {
    let mut scenario = Scenario::new(1);
    scenario.flows = 3;
    scenario.clocks[1] = scenario.clocks[1].clone().ahead(Duration::from_secs(1000));
    let ran = scenario.run();
    let own = &ran.report.own;
    assert_eq!((own.sent, own.answered, own.lost, own.late, own.duplicates), (100, 100, 0, 0, 0));
    assert_eq!((own.reflector, own.replies, own.restarts), (ReflectorKind::Counting, 103, 0));
    for way in [&own.forward, &own.reverse] {
        let OneWayCounts { lost, duplicates, reordered, sent, .. } = way.counts.unwrap();
        let none = Bounds::exact(0);
        assert_eq!((sent, lost, duplicates, reordered), (Bounds::exact(100), none, none, none));
        assert_eq!(way.delay.count(), 100);
    }
    let near = |time: Duration, expected: Duration| time.abs_diff(expected) <= expected / 1000;
    for part in [0.0, 0.5, 1.0] {
        assert!(near(own.rtt.at(part), ms(15)) && near(own.response.at(part), ms(15)), "{:?}", own.rtt.at(part));
        assert_eq!((own.residence.at(part), own.lateness.at(part)), (Duration::ZERO, Duration::ZERO));
        let [forward, reverse] = [&own.forward, &own.reverse].map(|way| way.delay.at(part).unwrap().0);
        assert!((forward - 1_000_010_000_000).abs() <= 10_000, "{forward}");
        assert!((reverse + 999_995_000_000).abs() <= 5_000, "{reverse}");
    }
    let offset = own.clock.offset().unwrap();
    assert!((offset.offset.0 - 1_000_002_500_000).abs() <= 2, "{offset:?}");
    assert!(offset.bound.abs_diff(Duration::from_micros(7500)) < Duration::from_micros(1), "{offset:?}");
}

/// Within a thousandth.
fn is_near(time: Duration, expected: Duration) -> bool {
    time.abs_diff(expected) <= expected / 1000
}

#[test]
fn a_reflector_that_is_stopped_shows_in_residence_and_response_and_not_in_the_round_trip() {
    let mut scenario = Scenario::new(2);
    scenario.stopped = Some([ms(200), ms(500)]);
    let own = scenario.run().report.own;
    assert_eq!((own.answered, own.lost), (100, 0));
    // A probe every 10 ms, of which one takes 10 ms: that of 190 ms waits for 300 ms.
    assert!(is_near(own.residence.at(1.0), ms(300)) && is_near(own.response.at(1.0), ms(315)), "{own:?}");
    assert!(is_near(own.rtt.at(0.0), ms(15)) && is_near(own.rtt.at(1.0), ms(15)), "{own:?}");
    assert_eq!(own.residence.at(0.5), Duration::ZERO);
}

#[test]
fn a_sender_that_is_stopped_shows_in_lateness_and_response_and_not_in_the_round_trip() {
    let mut scenario = Scenario::new(2);
    scenario.we_are_stopped = Some([ms(501), ms(561)]);
    // What comes meanwhile waits with us, so nothing is to come.
    scenario.options = scenario.options.pace(Pace::Interval(ms(30)));
    let own = scenario.run().report.own;
    assert_eq!((own.answered, own.lost), (100, 0));
    // Those of 510 and 540 ms leave at 561.
    assert!(is_near(own.lateness.at(1.0), ms(51)) && is_near(own.response.at(1.0), ms(66)), "{own:?}");
    assert!(is_near(own.rtt.at(0.0), ms(15)) && is_near(own.rtt.at(1.0), ms(15)), "{own:?}");
}

#[test]
fn delays_and_how_they_vary_are_those_of_the_links() {
    let mut scenario = Scenario::new(3);
    scenario.options = scenario.options.count(3000);
    scenario.flows = 2;
    // Every third probe of a flow takes 17 ms, the others no time at all.
    scenario.forward = scenario.forward.matching(Matching::new(|probe| probe[3] % 3 == 0)).delay(ms(17));
    scenario.clocks[0] = scenario.clocks[0].clone().behind(Duration::from_secs(5000));
    let own = scenario.run().report.own;
    let [shorter, longer] = [0.1, 0.9].map(|part| own.forward.delay.at(part).unwrap().0 - 5_000_000_000_000);
    assert!(shorter.abs() <= 10_000 && (longer - 17_000_000).abs() <= 17_000, "{shorter} {longer}");
    let [least, most] = own.forward.variation.ipdv_range().unwrap();
    assert!((least.0 + 17_000_000).abs() < 10 && (most.0 - 17_000_000).abs() < 10, "{least:?} {most:?}");
    // Neighbours of a flow are compared with each other, and none is missing.
    assert_eq!(own.forward.variation.ipdv().count(), 2 * 1499);
    assert!(is_near(own.forward.variation.pdv().at(0.9), ms(17)), "{:?}", own.forward.variation.pdv());
    assert!(own.reverse.variation.pdv().at(1.0) < Duration::from_nanos(10), "{:?}", own.reverse.variation.pdv());
    assert!(is_near(own.rtt.at(0.1), ms(5)) && is_near(own.rtt.at(0.9), ms(22)), "{:?}", own.rtt);
}

#[test]
fn a_clock_that_is_set_is_noticed_and_nothing_is_compared_across_that_moment() {
    let second = Duration::from_secs(1);
    let clocks = [
        [HostClock::default().set_back(ms(501), second), HostClock::default()],
        // By less than a round trip, which our own clock alone tells.
        [HostClock::default().set_forward(ms(501), ms(4)), HostClock::default()],
        [HostClock::default(), HostClock::default().set_forward(ms(501), second)],
    ];
    for clocks in clocks {
        let mut scenario = Scenario::new(4);
        scenario.clocks = clocks;
        let own = scenario.run().report.own;
        assert_eq!((own.answered, own.clock.step_count()), (100, 1), "{:?}", own.clock);
        for way in [&own.forward, &own.reverse] {
            let [least, most] = way.variation.ipdv_range().unwrap();
            assert!(least.0.abs() < 10 && most.0.abs() < 10, "{least:?} {most:?}");
            assert!(way.variation.pdv().at(1.0) < Duration::from_nanos(10));
        }
        assert!(is_near(own.rtt.at(0.0), ms(15)) && is_near(own.rtt.at(1.0), ms(15)));
        assert_eq!(own.impossible_times, 0);
    }
}

#[test]
fn what_could_not_be_sent_has_failed_and_is_not_lost() {
    let mut scenario = Scenario::new(5);
    scenario.failing[0] = 0.5;
    let ran = scenario.run();
    let own = &ran.report.own;
    assert!(own.sent < 80 && own.sent > 20, "{}", own.sent);
    assert_eq!((own.answered, own.lost, own.forward.counts.unwrap().lost), (own.sent, 0, Bounds::exact(0)));
    assert_eq!(own.forward.counts.unwrap().sent, Bounds::exact(own.sent));
    assert!(ran.report.send_failed >= 100 - own.sent, "{}", ran.report.send_failed);
    assert_eq!(own.lateness.count(), own.sent);
}

/// A reply as somebody makes it who does not know what we sent, or knows too little.
fn forged(random: &mut Rng) -> Vec<u8> {
    let mut payload: Vec<u8> = (0..random.usize(..200)).map(|_| random.u8(..)).collect();
    if random.bool() {
        // The number of a probe, or of none, and times of the future.
        payload.resize(random.usize(44..200), 0);
        payload[..4].copy_from_slice(&random.u32(..200).to_be_bytes());
        payload[24..28].copy_from_slice(&random.u32(..200).to_be_bytes());
        payload[4..12].copy_from_slice(&u64::MAX.to_be_bytes());
        payload[16..24].copy_from_slice(&random.u64(..).to_be_bytes());
        if random.bool() {
            payload[16..40].fill(0);
        }
    }
    payload
}

#[test]
fn a_reflector_that_forgot_before_anything_was_heard_of_it_makes_no_count_exact() {
    let mut scenario = Scenario::new(7);
    scenario.reverse = scenario.reverse.blackout(Blackout::once(Duration::ZERO, ms(500)));
    scenario.restarts = vec![ms(300)];
    let ran = scenario.run();
    let (own, truth) = (&ran.report.own, ran.truth(&scenario.options));
    let [forward, reverse] = [&own.forward, &own.reverse].map(|way| way.counts.unwrap());
    assert!(truth.has_hidden_restart && truth.forward.lost == 0 && truth.reverse.lost > 30, "{truth:?}");
    assert!(truth.forward.is_within(&forward) && truth.reverse.is_within(&reverse), "{forward:?} {reverse:?}");
    assert_eq!((own.restarts, own.began_late), (0, 1));
}

#[test]
fn a_reflector_that_began_when_we_did_may_have_had_a_life_before_and_an_older_one_had_none() {
    for (older, expected) in [(ms(0), 1), (ms(5), 1), (ms(6), 0)] {
        let mut scenario = Scenario::new(8);
        scenario.far_is_older = older;
        let own = scenario.run().report.own;
        assert_eq!(
            (own.began_late, own.forward.counts.unwrap().duplicates.is_exact()),
            (expected, expected == 0),
            "{older:?}"
        );
    }
}

/// Without an end, and asked to finish after half a second: 51 probes are sent by then.
fn finished() -> Scenario {
    let mut scenario = Scenario::new(9);
    scenario.options = scenario.options.count(None).wait(ms(2000));
    scenario.finish = Some(ms(503));
    scenario
}

#[test]
fn who_is_asked_to_finish_waits_for_no_more_than_what_is_outstanding() {
    let ran = finished().run();
    let own = &ran.report.own;
    assert_eq!((own.sent, own.answered, own.lost, own.waiting), (51, 51, 0, 0));
    // The last reply comes at 515 ms, and the answer to the closing question a round trip later.
    assert!(is_near(ran.ended(), ms(530)), "{:?}", ran.ended());
    assert_eq!(own.forward.counts.unwrap().sent, Bounds::exact(51));
    assert!(own.forward.counts.unwrap().duplicates.is_exact());
}

#[test]
fn who_is_asked_to_finish_waits_for_the_lost_ones_until_they_are_lost_and_not_for_who_never_answered() {
    let dead = |from| Blackout::once(ms(from), Duration::from_secs(100));
    let mut scenario = finished();
    scenario.reverse = scenario.reverse.blackout(dead(400));
    let ran = scenario.run();
    let own = &ran.report.own;
    assert_eq!((own.answered, own.lost, own.waiting), (39, 12, 0));
    assert!(ran.ended() > ms(2500) && ran.ended() < ms(3500), "{:?}", ran.ended());
    let mut scenario = finished();
    scenario.forward = scenario.forward.blackout(dead(0));
    let ran = scenario.run();
    assert_eq!((ran.report.own.lost, ran.report.own.waiting), (51, 0));
    assert!(is_near(ran.ended(), ms(500)), "it asks nobody: {:?}", ran.ended());
}

#[test]
fn who_is_stopped_says_what_is_known_and_counts_what_is_outstanding_apart() {
    let mut scenario = Scenario::new(10);
    scenario.options = scenario.options.count(None).wait(ms(2000)).report_probes(true);
    // The probe of 450 ms takes its time, and those after it do not wait for it.
    scenario.forward =
        scenario.forward.keep_order(false).matching(Matching::new(|probe| probe[3] == 45)).delay(ms(400));
    scenario.stop = Some(ms(503));
    let ran = scenario.run();
    let (own, truth) = (&ran.report.own, ran.truth(&scenario.options));
    assert_eq!((own.sent, own.answered, own.lost, own.waiting), (51, 49, 0, 2), "{own:?}");
    assert_eq!(own.loss_runs.probes(), 49);
    let [forward, reverse] = [&own.forward, &own.reverse].map(|way| way.counts.unwrap());
    assert!(
        truth.forward.duplicates == 0 && forward.lost.contains(0) && reverse.lost.contains(0),
        "{forward:?} {reverse:?}"
    );
}

#[test]
fn forged_replies_change_nothing_and_are_counted() {
    for seed in 0..20 {
        let mut scenario = Scenario::new(seed);
        let quiet = scenario.run().report;
        let mut random = Rng::with_seed(seed);
        let mut times: Vec<_> = (0..200).map(|_| ms(random.u64(..2000))).collect();
        times.sort();
        scenario.forged = times.into_iter().map(|at| (at, forged(&mut random))).collect();
        let flooded = scenario.run().report;
        assert_eq!(flooded.own, quiet.own);
        assert_eq!(flooded.received.datagrams, quiet.received.datagrams + 200);
        let ignored = [Reason::Undersized, Reason::Unsolicited, Reason::AfterEnd].map(|why| flooded.ignored.of(why));
        assert!(ignored[0] > 0 && ignored[1] > 50 && ignored.iter().sum::<u64>() == 200, "{ignored:?}");
    }
}

#[test]
fn a_foreign_reflector_is_recognised_by_what_it_replies() {
    for (reflector, kind) in [
        (Reflector::Ours(None), ReflectorKind::Counting),
        (Reflector::Foreign(Kind::Stateful), ReflectorKind::Stateful),
        (Reflector::Foreign(Kind::TwampLight), ReflectorKind::Stateful),
        (Reflector::Foreign(Kind::Stateless), ReflectorKind::Stateless),
        (Reflector::Echo, ReflectorKind::Echo),
    ] {
        let mut scenario = Scenario::new(6);
        scenario.reflector = reflector;
        let own = scenario.run().report.own;
        assert_eq!((own.reflector, own.answered), (kind, 100));
        assert!(is_near(own.rtt.at(0.5), ms(15)));
        let is_echo = kind == ReflectorKind::Echo;
        assert_eq!(own.forward.counts.is_none() && own.forward.delay.count() == 0, is_echo);
        assert_eq!(own.residence.count() == 0, is_echo);
        if kind == ReflectorKind::Stateful {
            let lost = own.forward.counts.unwrap().lost;
            let reverse = own.reverse.counts.unwrap();
            assert_eq!((lost, reverse.lost, reverse.sent), (Bounds::exact(0), Bounds::exact(0), Bounds::exact(100)));
        }
    }
}
