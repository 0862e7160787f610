//! `replay` of captures with the times of several clocks, in virtual time: each is kept, and no way between them is waited for.

use std::cell::Cell;
use std::time::Duration;

use proptest::prelude::*;
use udpkit::verbs::{Preview, Reading, Recording, Replay, ReplayDatagram, ReplayFigures, ReplayOptions, Sources};
use udpkit::{Engine, Report, Result};

use crate::replay::{at, captured, opens, options, recorded, run, times};

/// Some decades, in milliseconds.
const DECADES: u64 = 921_159_902_000;

/// Times of clocks that are so far ahead of the capture's, taken in turn, each so often, so long apart.
fn interleaved(ahead: &[u64], count: u64, interval: u64) -> Vec<u64> {
    (0..count).flat_map(|number| ahead.iter().map(move |ahead| ahead + number * interval)).collect()
}

/// When each is due, in milliseconds, and the report, where the capture was read through before.
fn previewed(options: ReplayOptions, capture: Vec<ReplayDatagram>) -> (Vec<u64>, Report<ReplayFigures>) {
    let mut preview = Preview::new(&options);
    capture.iter().for_each(|datagram| preview.add(datagram.at, datagram.payload.len()));
    let takes = preview.takes();
    let clock_starts = preview.into_clock_starts();
    let (times, report) = times(options.clock_starts(clock_starts), capture);
    assert_eq!(u128::from(*times.last().unwrap()), takes.as_millis());
    (times, report)
}

#[test]
fn each_of_two_clocks_goes_on_where_it_was() {
    let expected: Vec<_> = (0..20).map(|number| number / 2 * 100).collect();
    for ahead in [2000, 5000, 86_400_000, DECADES] {
        for first in [[ahead, 0], [0, ahead]] {
            for times in [times, previewed] {
                let (times, report) = times(options(), at(&interleaved(&first, 10, 100)));
                assert_eq!(times, expected, "{first:?}");
                let back = if first[0] == 0 { 9 } else { 10 };
                assert_eq!((report.own.clock_steps_back, report.own.clocks), (back, 2), "{first:?}");
                assert_eq!(report.own.times_decreasing, u64::from(first[0] != 0), "{first:?}");
            }
        }
    }
}

#[test]
fn three_clocks_are_told_apart_whichever_is_ahead() {
    for ahead in [[0, 2000, 5000], [5000, 0, 2000], [2000, 5000, 0], [0, 7000, DECADES], [DECADES, 0, 7000]] {
        let (times, report) = times(options(), at(&interleaved(&ahead, 10, 100)));
        let expected: Vec<_> = (0..30).map(|number| number / 3 * 100).collect();
        assert_eq!((times, report.own.clocks), (expected, 3), "{ahead:?}");
    }
}

#[test]
fn a_clock_that_was_left_for_long_is_found_again() {
    // The second is heard for a minute before the first returns, and again.
    let second = (0..60).map(|number| 3000 + number * 900);
    let capture: Vec<_> = [0].into_iter().chain(second).chain([54_000, 57_001, 54_002]).collect();
    let (times, report) = times(options(), at(&capture));
    assert_eq!((&times[..3], &times[61..]), (&[0, 0, 900][..], &[54_000, 54_001, 54_002][..]));
    assert_eq!(report.own.clocks, 2);
}

#[test]
fn a_jump_forward_is_a_pause_unless_the_clock_returns() {
    for times in [times, previewed] {
        let (paused, report) = times(options(), at(&[0, 1, 500_000_000, 500_000_001]));
        assert_eq!(paused, [0, 1, 500_000_000, 500_000_001]);
        assert_eq!((report.own.clock_steps_back, report.own.clocks), (0, 1));
        let (paused, report) = times(options(), at(&[0, 1, 500_000_000, 500_000_001, 2]));
        assert_eq!(paused, [0, 1, 1, 2, 2]);
        assert_eq!((report.own.clock_steps_back, report.own.clocks), (1, 2));
    }
}

#[test]
fn a_pause_that_was_there_is_kept_where_the_clock_is_set_back_by_another_length() {
    // Pauses of any length stand before it; none is as long as the clock is set back by.
    let (times, report) = times(options(), at(&[0, 5000, 30_000, 30_100, 18_000, 18_500]));
    assert_eq!(times, [0, 5000, 30_000, 30_100, 30_100, 30_600]);
    assert_eq!((report.own.clock_steps_back, report.own.clocks), (1, 2));
}

#[test]
fn a_clock_that_returns_after_many_is_known_where_the_capture_was_read_through() {
    let second = (0..1000).map(|number| DECADES + number * 10);
    let capture: Vec<_> = [0, 10].into_iter().chain(second).chain([10_000, 10_010]).collect();
    let (known, report) = previewed(options(), at(&capture));
    assert_eq!((known[2], known[1001], known[1002]), (10, 10_000, 10_000));
    assert_eq!(report.own.clocks, 2);
    let (unknown, _) = times(options(), at(&capture));
    assert!(unknown[2] >= DECADES - 1000);
    // One capture behind the other, and the first again: the clock stood still.
    let capture: Vec<_> = [0, 10].into_iter().chain((0..1000).map(|n| DECADES + n * 10)).chain([20, 30]).collect();
    let (known, _) = previewed(options(), at(&capture));
    assert_eq!(known[1001..], [10_000, 10_000, 10_010]);
}

#[test]
fn each_round_begins_with_no_clock_and_knows_the_same_beginnings() {
    let capture = at(&interleaved(&[0, DECADES], 100, 10));
    let looped = options().rounds(3).loop_delay(Duration::from_secs(1));
    let mut preview = Preview::new(&looped);
    capture.iter().for_each(|datagram| preview.add(datagram.at, 1));
    let clock_starts = preview.into_clock_starts();
    let (times, report) = times(looped.clock_starts(clock_starts), capture);
    assert_eq!((times[0], times[199], times[200], times[599]), (0, 990, 1990, 990 * 3 + 2000));
    assert_eq!(report.own.clocks, 2);
}

#[test]
fn what_is_made_shorter_is_so_for_all_clocks_and_what_was_none_is_not_counted() {
    let longest_gap = Some(Duration::from_secs(1));
    let options = options().longest_gap(longest_gap);
    // Both are silent for a minute.
    let capture = [0, DECADES, 100, DECADES + 100, 60_100, DECADES + 60_100, 60_200];
    for times in [times, previewed] {
        let (times, report) = times(options.clone(), at(&capture));
        assert_eq!((times, report.own.gaps_shortened), (vec![0, 0, 100, 100, 1100, 1100, 1200], 1));
    }
    assert_eq!(times(recorded(2.0), at(&capture)).0, [0, 0, 50, 50, 30_050, 30_050, 30_100]);
}

#[test]
fn what_a_preview_tells_is_when_the_last_is_due_and_the_longest_pause() {
    let preview = |times: &[u64]| {
        let mut preview = Preview::new(&options());
        at(times).iter().for_each(|datagram| preview.add(datagram.at, 1));
        (preview.takes().as_millis(), preview.longest_pause().map(|(pause, number)| (pause.as_millis(), number)))
    };
    assert_eq!(preview(&[]), (0, None));
    assert_eq!(preview(&[7, 10, 5000, 5001]), (4994, Some((4990, 2))));
    // What was no pause is none.
    assert_eq!(preview(&[0, DECADES, 100, DECADES + 110]), (110, Some((100, 2))));
}

#[test]
fn a_datagram_without_a_time_is_due_with_the_one_before_it_or_with_the_first_that_has_one() {
    let capture: Vec<_> = [None, None, Some(DECADES), None, Some(DECADES + 100), None, None]
        .into_iter()
        .map(|at| captured(Duration::ZERO, "x").at(at.map(Duration::from_millis)))
        .collect();
    let mut preview = Preview::new(&options());
    capture.iter().for_each(|datagram| preview.add(datagram.at, 1));
    assert_eq!((preview.takes(), preview.longest_pause()), (Duration::from_millis(100), Some((preview.takes(), 4))));
    let mut replay = Replay::new(options(), Sources::new(1), opens(capture));
    let (records, _) = run(&mut replay, Duration::ZERO, 10_000);
    let after: Vec<_> = records.sent.iter().map(|sent| sent.after.as_millis()).collect();
    assert_eq!(after, [0, 0, 0, 0, 100, 100, 100]);
    assert_eq!((replay.report().own.clocks, replay.report().own.times_decreasing), (1, 0));
}

/// Has a datagram each time that it was asked so often: of this recorded time in milliseconds. Ends with the last.
struct Live<'a> {
    asked: &'a Cell<u32>,
    datagrams: &'a [(u32, u64)],
}

impl Recording for Live<'_> {
    fn read(&mut self) -> Result<Reading<ReplayDatagram>> {
        let asked = self.asked.replace(self.asked.get() + 1) + 1;
        let Some(&(number, at)) = self.datagrams.iter().find(|(number, _)| *number >= asked) else {
            return Ok(Reading::End);
        };
        let datagram = || captured(Duration::from_millis(at), "x");
        Ok(if number == asked { Reading::Ready(datagram()) } else { Reading::NotYet })
    }
}

/// When the datagrams of a live capture leave, and the report.
fn live(datagrams: &[(u32, u64)]) -> (Vec<Duration>, Report<ReplayFigures>) {
    let asked = Cell::new(0);
    let mut replay = Replay::new(options(), Sources::new(1), || Ok(Live { asked: &asked, datagrams }));
    let (records, _) = run(&mut replay, Duration::ZERO, 10_000);
    assert_eq!(records.sent.len(), datagrams.len());
    (records.sent.iter().map(|sent| sent.after).collect(), replay.report())
}

#[test]
fn what_was_waited_for_in_vain_leaves_at_once_and_is_not_late() {
    // One of a clock that is ahead, and after some while one of the first clock again.
    let (after, report) = live(&[(1, 0), (2, 60_000), (200, 100)]);
    assert!(after[1] > Duration::from_millis(500) && after[1] < Duration::from_secs(2), "{after:?}");
    assert_eq!(after[2].saturating_sub(after[1]), Duration::from_millis(100));
    assert!(report.own.lateness.largest() <= Duration::from_millis(5), "{:?}", report.own.lateness);
}

#[test]
fn what_leaves_sooner_since_an_earlier_pause_was_none_is_not_late_when_its_own_is_none_either() {
    // The clock before the first pause returns without it, after the second one; then the clock between them does.
    let (after, report) = live(&[(1, 0), (2, 60_000), (3, 200_000), (200, 141_500), (400, 62_000)]);
    let since_second: Vec<_> = after[2..].iter().map(|left| left.saturating_sub(after[2]).as_millis()).collect();
    assert_eq!(since_second, [0, 1500, 2000], "{after:?}");
    assert!(after[1] + Duration::from_millis(500) < after[2] && after[2] < Duration::from_secs(4), "{after:?}");
    assert!(report.own.lateness.largest() <= Duration::from_millis(5), "{:?}", report.own.lateness);
}

proptest! {
    #[test]
    fn a_clock_that_never_goes_back_is_kept_to_the_nanosecond(gaps in prop::collection::vec((0u32..64, any::<u64>()), 1..100)) {
        let mut at = Duration::ZERO;
        let capture: Vec<_> = gaps.into_iter().map(|(shift, gap)| {
            // A century at the most, in all.
            at += Duration::from_nanos((gap >> shift) % 10_000_000_000_000_000);
            captured(at, "x")
        }).collect();
        let begun = capture[0].at.unwrap();
        let expected: Vec<_> = capture.iter().map(|datagram| datagram.at.unwrap() - begun).collect();
        let mut preview = Preview::new(&options());
        capture.iter().for_each(|datagram| preview.add(datagram.at, 1));
        prop_assert_eq!(preview.takes(), *expected.last().unwrap());
        prop_assert!(preview.into_clock_starts().is_empty());
        let mut replay = Replay::new(options(), Sources::new(1), opens(capture));
        let (records, _) = run(&mut replay, Duration::ZERO, 10_000);
        prop_assert!(records.sent.iter().map(|sent| sent.after).eq(expected));
        prop_assert_eq!(replay.report().own.clocks, 1);
    }

    #[test]
    fn clocks_whose_hosts_all_speak_in_turn_take_no_longer_than_one_of_them(
        // No two are as far apart as two others, nor as two such distances are: those could be one clock and a pause. (With 34 for
        // 51, hosts that are 9, 1, 34, 32, 15 ahead are taken for three clocks and a pause of 6. All orders of these were tried.)
        ahead in prop::sample::subsequence(vec![0u64, 1, 4, 9, 15, 22, 32, 51], 2..6),
        unit in prop_oneof![Just(2000u64), Just(60_000), Just(86_400_000), Just(31_536_000_000)],
        order in any::<u64>(),
        pauses in prop::collection::vec(1u64..100, 2..50),
    ) {
        let mut ahead: Vec<_> = ahead.into_iter().map(|ahead| ahead * unit).collect();
        let places = ahead.len() as u64;
        ahead.rotate_left(usize::try_from(order % places).unwrap());
        if order & 1 << 40 != 0 {
            ahead.reverse();
        }
        let (mut now, mut expected, mut recorded) = (0, Vec::new(), Vec::new());
        for pause in pauses {
            for ahead in &ahead {
                expected.push(now);
                recorded.push(now + ahead);
            }
            now += pause;
        }
        for times in [times, previewed] {
            let (times, report) = times(options(), at(&recorded));
            prop_assert_eq!(&times, &expected);
            prop_assert_eq!(report.own.clocks, places);
        }
    }

    #[test]
    fn two_clocks_whose_hosts_speak_as_they_like_take_no_longer_than_they_did(
        ahead in 5000u64..1 << 40,
        first_is_ahead in any::<bool>(),
        steps in prop::collection::vec((1u64..1000, any::<bool>()), 0..150),
    ) {
        let (mut now, mut expected, mut recorded) = (0, Vec::new(), Vec::new());
        // Both are heard at the beginning and at the end.
        let both = [(1, true), (1, false), (1, true), (1, false)];
        for (step, is_second) in both.into_iter().chain(steps).chain(both) {
            expected.push(now);
            recorded.push(now + if is_second == first_is_ahead { ahead } else { 0 });
            now += step;
        }
        for times in [times, previewed] {
            let (times, report) = times(options(), at(&recorded));
            // How long after the first clock the second one began is not known: here it is 1 ms.
            let near = times.iter().zip(&expected).all(|(at, expected)| at.abs_diff(*expected) <= 1);
            prop_assert!(near, "{:?} are not {:?}", times, expected);
            prop_assert_eq!(report.own.clocks, 2);
        }
    }
}
