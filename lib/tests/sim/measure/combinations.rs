//! Random networks, clocks and reflectors: each count is what happened, or an interval that holds it.

use std::time::Duration;

use fastrand::Rng;
use udpkit::impairment::{Blackout, GilbertElliott, ImpairmentOptions, Jitter, Loss, Reorder};
use udpkit::sim::HostClock;
use udpkit::stamp::{Key, TimestampFormat};
use udpkit::verbs::{MeasureOptions, Pace, ReflectorKind};

use super::foreign::Kind;
use super::run::{REFLECTOR, Ran, Reflector, Scenario, Truth};
use crate::address;
use crate::world::ms;

/// Combinations in each run of the tests, unless the environment says another number.
const COMBINATIONS: u64 = 300;
/// Those that are always among them: counts that lives of a reflector had mixed, and a restart of which numbers say nothing.
const ALWAYS: [u64; 2] = [322, 1448];
const NUMBER: &str = "UDP_MEASURE_COMBINATIONS";

fn maybe<T>(random: &mut Rng, one_in: u8, some: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    (random.u8(..one_in) == 0).then(|| some(random))
}

/// What a network does to the datagrams of a direction, for a run of so many milliseconds. No datagram takes more than 130 ms.
fn way(random: &mut Rng, run: u64) -> ImpairmentOptions {
    let mut way = ImpairmentOptions::default().delay(ms(random.u64(..40))).keep_order(random.bool());
    way.loss = match random.u8(..4) {
        0 => Loss::Independent(random.f64().powi(3)),
        1 => Loss::Bursts(
            GilbertElliott::new(random.f64() * 0.2, 0.05 + random.f64() * 0.9).delay_in_bad(ms(random.u64(..20))),
        ),
        _ => Loss::None,
    };
    if random.bool() {
        way.duplicate = random.f64().powi(3);
    }
    if random.bool() {
        way.jitter = Jitter::Uniform(ms(random.u64(..30)));
    }
    way.reorder =
        maybe(random, 3, |random| Reorder::new(random.f64() * 0.5, random.u32(1..6)).at_most(ms(random.u64(1..40))));
    way.blackout = match random.u8(..16) {
        // The second half is dead, or a part of it, or all.
        0 => Some(Blackout::once(ms(run / 2), Duration::from_secs(100))),
        1 => Some(Blackout::once(ms(random.u64(..=run)), ms(random.u64(..=run)))),
        2 => Some(Blackout::each(ms(random.u64(20..100)), ms(random.u64(1..20)))),
        3 => Some(Blackout::once(Duration::ZERO, Duration::from_secs(100))),
        _ => None,
    };
    way
}

/// Up to an hour, and mostly much less.
fn far(random: &mut Rng) -> Duration {
    let most = 1 << random.u8(1..32);
    Duration::from_micros(random.u64(..most))
}

/// A clock that is off, runs fast or slow, and may be set; whether it is.
fn clock(random: &mut Rng, run: u64) -> (HostClock, bool) {
    let mut clock = HostClock::default();
    let by = far(random);
    clock = if random.bool() { clock.ahead(by) } else { clock.behind(by) };
    clock = clock.skew_ppm((random.f64() - 0.5) * 400.0);
    let times = random.u8(..6).saturating_sub(3);
    for _ in 0..times {
        let (after, by) = (ms(random.u64(..=run)), far(random));
        clock = if random.bool() { clock.set_forward(after, by) } else { clock.set_back(after, by) };
    }
    (clock, times > 0)
}

fn reflector(random: &mut Rng) -> Reflector {
    match random.u8(..16) {
        0 => Reflector::Ours(Some(random.u32(1..2000))),
        1..10 => Reflector::Ours(None),
        10..12 => Reflector::Foreign(Kind::Stateful),
        12 => Reflector::Foreign(Kind::TwampLight),
        13..15 => Reflector::Foreign(Kind::Stateless),
        _ => Reflector::Echo,
    }
}

impl Scenario {
    fn random(seed: u64) -> Self {
        let random = &mut Rng::with_seed(seed);
        let (probes, between) = (random.u64(1..100), random.u64(1..6));
        let reflector = reflector(random);
        let is_ours = matches!(reflector, Reflector::Ours(_));
        let run = probes * between;
        let mut options = MeasureOptions::new(address(REFLECTOR)).count(probes).duration(None);
        options = options.pace(Pace::Interval(ms(between))).poisson(random.bool()).seed(seed);
        options = options.burst(if random.bool() { 1 } else { random.u32(1..8) });
        if random.u8(..4) == 0 {
            let sizes: Vec<usize> = (0..random.u8(1..4)).map(|_| random.usize(0..400)).collect();
            options = options.sizes(sizes);
        }
        // A probe takes no longer than this, so that none comes after the closing question: unless each reply says what was
        // counted.
        let is_impatient = is_ours && options.sizes.is_empty() && random.u8(..6) == 0;
        options = options.wait(ms(if is_impatient { random.u64(10..100) } else { 200 }));
        let key = is_ours.then(|| maybe(random, 4, |_| Key::new(b"known to both of them"))).flatten();
        options = options.key(key).ssid(random.u16(..3));
        if random.u8(..4) == 0 {
            options = options.format(TimestampFormat::Ptp);
        }
        let share = |random: &mut Rng| maybe(random, 6, |random| random.f64() * 0.3).unwrap_or(0.0);
        let restarts = maybe(random, 6, |random| {
            let mut restarts: Vec<_> = (0..random.u8(1..3)).map(|_| ms(random.u64(..run + 200))).collect();
            restarts.sort();
            restarts
        });
        let restarts = restarts.unwrap_or_default();
        // A reflector that is started again has other sockets, of whose failures nothing is heard any more. Nobody hears of a foreign
        // one's, which are losses to all others.
        let failing = [share(random), if is_ours && restarts.is_empty() { share(random) } else { 0.0 }];
        // Of replies that are made at once, each counts those before it, of which some may fail: what is not closed may be wrong by these.
        let may_be_stopped = failing[1] == 0.0 && random.u8(..8) == 0;
        let stopped = may_be_stopped.then(|| {
            let from = random.u64(..=run);
            [ms(from), ms(from + random.u64(..60))]
        });
        let (our_clock, _) = clock(random, run);
        let (their_clock, is_far_clock_set) = clock(random, run);
        Self {
            seed,
            options,
            flows: if random.bool() { 1 } else { random.u16(1..5) },
            reflector,
            forward: way(random, run),
            reverse: way(random, run),
            clocks: [our_clock, their_clock],
            is_far_clock_set,
            far_is_older: Duration::from_secs(1),
            restarts,
            stopped,
            we_are_stopped: None,
            failing,
            finish: None,
            stop: None,
            forged: Vec::new(),
        }
    }
}

/// How often what was the case.
#[derive(Debug, Default)]
struct Tally {
    exact: u64,
    in_part: u64,
    bounded: u64,
    late: u64,
    restarts: u64,
    unnoticed: u64,
    unnoticed_by_numbers: u64,
}

/// Holds what was measured against the truth; true where each direction was known.
fn assert_true(scenario: &Scenario, ran: &Ran, tally: &mut Tally) {
    let truth = ran.truth(&scenario.options);
    let own = &ran.report.own;
    let context = || format!("{scenario:?}\n{truth:?}\n{own:?}");
    let said = [own.sent, own.answered, own.lost, own.late, own.duplicates, own.replies, own.waiting];
    let expected =
        [truth.sent, truth.answered, truth.sent - truth.answered, truth.late, truth.duplicates, truth.replies, 0];
    assert_eq!(said, expected, "{}", context());
    assert_eq!((own.loss_runs.probes(), own.loss_runs.lost()), (truth.sent, truth.sent - truth.answered));
    if scenario.failing[0] == 0.0 {
        assert_eq!((own.loss_runs.periods(), own.loss_runs.longest()), (truth.periods, truth.longest), "{}", context());
    }
    tally.late += u64::from(truth.late > 0);
    assert_directions(scenario, ran, &truth, tally);
}

fn assert_directions(scenario: &Scenario, ran: &Ran, truth: &Truth, tally: &mut Tally) {
    let own = &ran.report.own;
    let context = || format!("{scenario:?}\n{truth:?}\n{own:?}");
    let (Some(forward), Some(reverse)) = (&own.forward.counts, &own.reverse.counts) else {
        assert_eq!(own.reflector, ReflectorKind::Echo, "{}", context());
        return assert_eq!(scenario.reflector, Reflector::Echo);
    };
    assert!(scenario.reflector != Reflector::Echo || truth.replies == 0, "{}", context());
    tally.restarts += u64::from(own.restarts > 0);
    // By the numbers and times of replies alone, a clock that is set back looks like a restart.
    let is_known = scenario.options.sizes.is_empty() && matches!(scenario.reflector, Reflector::Ours(_));
    if is_known || !scenario.is_far_clock_set {
        let most = scenario.restarts.len() as u64 * u64::from(scenario.flows);
        assert!(own.restarts <= most, "{}", context());
    }
    let is_ours = matches!(scenario.reflector, Reflector::Ours(_));
    assert!(own.began_late == 0 || !scenario.restarts.is_empty(), "{}", context());
    if !is_ours && !scenario.restarts.is_empty() && own.restarts == 0 && truth.has_hidden_restart {
        // Nothing came to us of one of its lives, and numbers do not tell that it had another.
        tally.unnoticed += 1;
        return;
    }
    if scenario.restarts.is_empty() && own.restarts == 0 {
        let unanswered: u64 = truth.bounds.iter().map(|(unanswered, _)| *unanswered).sum();
        assert_eq!(own.forward.reordering.arrivals(), truth.sent - unanswered, "{}", context());
    }
    let is_taken_for_restart = own.restarts > 0 && scenario.is_far_clock_set && !is_known;
    let is_forgotten = own.began_late > 0 || is_taken_for_restart;
    if is_ours && truth.is_closed && !truth.has_heard_restart && !is_forgotten {
        tally.exact += 1;
        assert_eq!(own.reflector, ReflectorKind::Counting);
        assert!(truth.told_forward.is(forward) && truth.told_reverse.is(reverse), "{}", context());
        if scenario.options.wait == ms(200) {
            assert_eq!((truth.told_forward, truth.told_reverse), (truth.forward, truth.reverse), "{}", context());
        }
        return;
    }
    // Replies that the reflector could not send have numbers, and are losses to who hears of no counters.
    let is_lost_there = scenario.failing[1] > 0.0 && !scenario.options.sizes.is_empty();
    let holds = truth.forward.is_within(forward) && (truth.reverse.is_within(reverse) || is_lost_there);
    if !holds && !scenario.restarts.is_empty() && own.restarts == 0 && !is_known {
        // By numbers alone: what was heard of one life agrees with what was heard of the other.
        tally.unnoticed_by_numbers += 1;
        return;
    }
    assert!(holds, "{}", context());
    let unanswered: u64 = truth.bounds.iter().map(|(unanswered, _)| *unanswered).sum();
    assert!(forward.lost.high <= unanswered, "{}", context());
    if is_ours || scenario.reflector == Reflector::Foreign(Kind::Stateless) || !truth.is_closed {
        tally.in_part += 1;
    } else if scenario.restarts.is_empty() && own.restarts == 0 {
        tally.bounded += 1;
        let least: u64 = truth.bounds.iter().map(|(m, b)| m.saturating_sub(b.unwrap())).sum();
        assert_eq!((forward.lost.low, forward.lost.high), (least, unanswered), "{}", context());
    }
}

#[test]
fn every_count_is_the_truth_or_an_interval_that_holds_it() {
    let combinations = std::env::var(NUMBER).map_or(COMBINATIONS, |number| number.parse().unwrap());
    let mut tally = Tally::default();
    for seed in (0..combinations).chain(ALWAYS.into_iter().filter(|seed| *seed >= combinations)) {
        let scenario = Scenario::random(seed);
        let ran = scenario.run();
        assert_true(&scenario, &ran, &mut tally);
    }
    println!("{tally:?} of {combinations}");
    assert!(tally.exact * 4 > combinations && tally.bounded * 20 > combinations, "{tally:?}");
    assert!(tally.unnoticed * 10 < combinations && tally.unnoticed_by_numbers * 100 < combinations, "{tally:?}");
}
