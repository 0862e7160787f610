//! The engine of `measure` in virtual time: what it says is what happened.

mod combinations;
mod foreign;
mod run;
mod tap;

use std::time::Duration;

use udpkit::Bounds;
use udpkit::verbs::{OneWayCounts, ReflectorKind};

use self::run::Scenario;
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
