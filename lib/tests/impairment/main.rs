//! The impairment model against its description: formulas, orders, bounds, and what depends on what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod codel;
mod draws;
mod properties;
mod selection;
mod statistics;
mod traces;

use std::time::{Duration, Instant};

use udpkit::impairment::{
    Blackout, Chosen, CoDel, Fate, Fates, GilbertElliott, Impairment, ImpairmentOptions, Jitter, Left, Link, Loss,
    LostBy, Queue, Rate, Reorder, Stage,
};

/// An origin for virtual time.
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn start() -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now)
}

fn nothing() -> ImpairmentOptions {
    ImpairmentOptions::default()
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The fates of so many datagrams of 100 bytes, one each interval.
fn fates(options: ImpairmentOptions, seed: u64, count: u32, interval: Duration) -> Vec<Fates> {
    let mut impairment = Impairment::new(options, seed, start()).unwrap();
    (0..count).map(|place| impairment.datagram(start() + interval * place, 100)).collect()
}

fn is_lost(fates: &Fates) -> bool {
    fates.original.departure().is_none()
}

/// All that leaves a link, in order.
fn drain<T>(link: &mut Link<T>) -> Vec<Left<T>> {
    std::iter::from_fn(|| link.next().and_then(|next| link.pop(next))).collect()
}

/// The numbers of what leaves, where so many datagrams come, one each interval.
fn order(options: ImpairmentOptions, seed: u64, count: u32, interval: Duration) -> Vec<u64> {
    let mut link = Link::new(options, seed, start()).unwrap();
    for place in 0..count {
        link.push(start() + interval * place, 100, ());
    }
    drain(&mut link).iter().map(|left| left.number).collect()
}

#[test]
fn nothing_is_what_happens_until_something_is_set() {
    for (place, fates) in (0u32..).zip(fates(nothing(), 1, 1000, ms(1))) {
        let departure = fates.original.departure().unwrap();
        assert_eq!((fates.number, fates.copy), (u64::from(place) + 1, None));
        assert_eq!((departure.at, departure.flipped_bit, departure.overtaken), (start() + ms(1) * place, None, None));
    }
}

/// An error with its reason.
fn in_full(error: &udpkit::Error) -> String {
    format!("{error:#}")
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let rate = |bits| Rate::new(bits, Queue::Bytes(1000));
    let cases = [
        (nothing().loss(1.5), "cannot set the loss to 1.5: a probability is from 0 to 1"),
        (nothing().loss(f64::NAN), "cannot set the loss to NaN: a probability is from 0 to 1"),
        (nothing().duplicate(-0.1), "cannot set the probability of duplicates to -0.1: a probability is from 0 to 1"),
        (nothing().corrupt(2.0), "cannot set the probability of corruption to 2: a probability is from 0 to 1"),
        (
            nothing().loss(GilbertElliott::new(0.1, 7.0)),
            "cannot set the probability of a change to the good state to 7: a probability is from 0 to 1",
        ),
        (
            nothing().delay(Duration::MAX),
            "cannot set the delay to 18446744073709551615.999999999s: a year is the longest",
        ),
        (nothing().mtu(27), "cannot set the MTU to 27: a datagram has at least 28 bytes"),
        (nothing().drop(Chosen::numbers([3, 0])), "cannot set the datagrams to drop to 0: the first is number 1"),
        (nothing().drop(Chosen::Every(0)), "cannot set the datagrams to drop to every 0th: every first is the most"),
        (
            nothing().drop(Chosen::numbers(1..70_000)),
            "cannot set the datagrams to drop to 69999 of them: 65536 are the most",
        ),
        (
            nothing().drop(Chosen::Numbers([3, 2].into())),
            "cannot set the datagrams to drop to 2 behind 3: their numbers ascend",
        ),
        (
            nothing().rate(rate(1).codel(CoDel::new(ms(0), ms(0)))),
            "cannot set the interval of CoDel to 0s: every datagram would be lost",
        ),
        (
            nothing().rate(rate(1).codel(CoDel::new(ms(6), ms(5)))),
            "cannot set the interval of CoDel to 5ms: the interval is not shorter than the target, 6ms",
        ),
        (
            nothing().rate(rate(1).codel(CoDel::default().interval(Duration::MAX))),
            "cannot set the interval of CoDel to 18446744073709551615.999999999s: a year is the longest",
        ),
        (nothing().rate(rate(0)), "cannot set the rate to 0 bit/s: nothing would ever leave"),
        (
            nothing().rate(rate(1).overhead(usize::MAX)),
            "cannot set the overhead of a datagram to 18446744073709551615: 65535 bytes is the longest",
        ),
        (
            nothing().reorder(Reorder::new(0.1, 0)),
            "cannot set the followers of a reordered datagram to 0: at least one overtakes it",
        ),
        (
            nothing().blackout(Blackout::each(ms(5), ms(5))),
            "cannot set the interval of blackouts to 5ms: the interval is longer than a blackout, 5ms",
        ),
    ];
    for (options, expected) in cases {
        let mut link = Link::<()>::new(nothing(), 1, start()).unwrap();
        assert_eq!(in_full(&link.change(options.clone()).unwrap_err()), expected);
        assert_eq!(*link.impairment().options(), nothing(), "a refused change is none");
        assert_eq!(in_full(&Impairment::new(options, 1, start()).unwrap_err()), expected);
    }
    let bursts = |loss, length| in_full(&GilbertElliott::bursts(loss, length).unwrap_err());
    assert_eq!(bursts(0.9, 4.0), "cannot set the loss to 0.9: bursts of 4 datagrams lose at most 80.0 %");
    let short = "cannot set the mean length of bursts to 0.5: a burst is of one datagram at least";
    assert_eq!(bursts(0.1, 0.5), short);
    for length in [f64::NAN, f64::INFINITY] {
        assert!(GilbertElliott::bursts(0.1, length).is_err());
    }
    assert!(GilbertElliott::bursts(1.0, 4.0).is_err() && GilbertElliott::bursts(f64::NAN, 4.0).is_err());
}

#[test]
fn payloads_longer_than_any_overflow_nothing() {
    let slow = Rate::new(1, Queue::Datagrams(usize::MAX));
    let options = nothing().corrupt(1.0).duplicate(1.0).rate(slow).held_bytes(usize::MAX);
    let mut link = Link::new(options, 3, start()).unwrap();
    for _ in 0..3 {
        link.push(start(), usize::MAX, ());
    }
    let counts = link.counts();
    assert_eq!((counts.entered + counts.duplicated, counts.under_way, counts.lost(LostBy::Room)), (6, 1, 5));
}

#[test]
fn a_datagram_waits_for_none_that_was_lost_since_there_was_no_room() {
    let slow = Rate::new(8_000, Queue::Datagrams(9)).overhead(0);
    let mut link = Link::new(nothing().rate(slow).held_bytes(10_000), 3, start()).unwrap();
    assert_eq!(link.push(start(), 60_000, ()).original, Fate::Lost(LostBy::Room));
    link.change(nothing()).unwrap();
    assert_eq!(link.push(start(), 1, ()).original.departure().map(|departure| departure.at), Some(start()));
}

#[test]
fn the_longest_times_and_the_slowest_link_overflow_nothing() {
    let year = Duration::from_secs(366 * 24 * 60 * 60);
    let options = nothing()
        .loss(GilbertElliott::new(1.0, 0.0).loss_in_bad(0.0).delay_in_bad(year))
        .delay(year)
        .jitter(Jitter::Pareto(year))
        .rate(Rate::new(1, Queue::Bytes(usize::MAX)).overhead(65_535))
        .reorder(Reorder::new(0.5, u32::MAX).at_most(year))
        .duplicate(1.0);
    let mut link = Link::new(options, 3, start()).unwrap();
    for _ in 0..70_000 {
        link.push(start(), 65_507, ());
    }
    // One is sent, and as many wait as can for a link: more than it may hold.
    assert_eq!(link.counts().lost(LostBy::Queue), 140_000 - 65_537);
    assert!(link.counts().lost(LostBy::Room) > 0);
    assert!(drain(&mut link).is_sorted_by_key(|left| left.at));
}

#[test]
fn the_fates_of_a_seed_are_the_same_in_every_version() {
    let options = nothing()
        .loss(GilbertElliott::bursts(0.2, 3.0).unwrap())
        .duplicate(0.1)
        .corrupt(0.1)
        .jitter(Jitter::Uniform(ms(1)))
        .delay(ms(1))
        .keep_order(false)
        .reorder(Reorder::new(0.1, 2));
    let written: String = fates(options.clone(), 7, 64, ms(1))
        .iter()
        .map(|fates| match fates.original {
            Fate::Lost(_) => '-',
            Fate::Leaves(departure) if departure.overtaken.is_some() => 'o',
            Fate::Leaves(departure) if departure.flipped_bit.is_some() => 'c',
            Fate::Leaves(_) if fates.copy.is_some() => 'd',
            Fate::Leaves(_) => '.',
        })
        .collect();
    assert_eq!(written, "c...--..o.o..d....ood-.....d.d-o...o.o..c....c----.d-.oo....dd..");
    let bits: Vec<_> = fates(options.clone(), 7, 64, ms(1))
        .iter()
        .filter_map(|fates| fates.original.departure()?.flipped_bit)
        .collect();
    assert_eq!(bits, [4, 567, 566]);
    let delays: Vec<_> = (0u32..4)
        .zip(fates(options, 7, 64, ms(1)))
        .filter_map(|(place, fates)| Some(fates.original.departure()?.at - (start() + ms(1) * place)))
        .collect();
    assert_eq!(delays, [549_891, 1_944_186, 1_813_467, 1_273_379].map(Duration::from_nanos));
}

#[test]
fn the_order_of_the_stages_is_the_one_that_is_described() {
    // Loss comes before everything: where the link is dark, too, it was chance that lost them, and no copy is made.
    let dark = nothing().blackout(Blackout::once(ms(0), ms(1000))).duplicate(1.0);
    for (options, by) in [(dark.clone().loss(1.0), LostBy::Chance), (dark, LostBy::Blackout)] {
        let fates = &fates(options, 1, 1, ms(1))[0];
        assert_eq!((fates.original, fates.copy), (Fate::Lost(by), None));
    }
    // A copy takes its place in the queue behind the datagram, and has its time on the link: 100 bytes in 1 ms.
    let slow = nothing().duplicate(1.0).delay(ms(5));
    let at = |fate: Fate| fate.departure().unwrap().at - start();
    let rate = |queue| Rate::new(800_000, queue);
    let copied = &fates(slow.clone().rate(rate(Queue::Datagrams(1))), 1, 1, ms(1))[0];
    assert_eq!((at(copied.original), copied.copy.map(at)), (ms(1 + 5), Some(ms(2 + 5))));
    let copied = &fates(slow.rate(rate(Queue::Datagrams(0))), 1, 1, ms(1))[0];
    assert_eq!((at(copied.original), copied.copy), (ms(6), Some(Fate::Lost(LostBy::Queue))));
    // A copy may be corrupted where the datagram is not.
    let both = fates(nothing().duplicate(1.0).corrupt(0.5), 1, 100, ms(1));
    let bits = |fates: &Fates| fates.iter().map(|fate| fate.departure().unwrap().flipped_bit).collect::<Vec<_>>();
    assert!(both.iter().any(|fates| bits(fates)[0].is_none() && bits(fates)[1].is_some()));
    // It is overtaken with the datagram; the time for that begins when the delay is over.
    let overtaken = nothing().duplicate(1.0).delay(ms(5)).reorder(Reorder::new(1.0, 2).at_most(ms(20)));
    for fate in fates(overtaken, 1, 1, ms(1))[0].iter() {
        let departure = fate.departure().unwrap();
        assert_eq!(departure.at - start(), ms(5));
        assert_eq!(departure.overtaken.unwrap().at_latest - start(), ms(25));
    }
}

#[test]
fn the_nth_fate_depends_on_the_seed_and_on_n_alone() {
    let loss = nothing().loss(GilbertElliott::bursts(0.2, 3.0).unwrap());
    let all = loss
        .clone()
        .duplicate(0.3)
        .corrupt(0.3)
        .delay(ms(100))
        .jitter(Jitter::Normal(ms(10)))
        .keep_order(false)
        .reorder(Reorder::new(0.3, 2));
    let lost = |fates: &[Fates]| fates.iter().map(is_lost).collect::<Vec<_>>();
    let whole = fates(all.clone(), 5, 5000, ms(1));

    // On times: not.
    let others = fates(all.clone(), 5, 5000, Duration::from_micros(1));
    for (place, (one, other)) in (0u32..).zip(whole.iter().zip(&others)) {
        assert_eq!(one.copy.is_some(), other.copy.is_some());
        for (one, other) in one.iter().zip(other.iter()) {
            let (one, other) = (one.departure(), other.departure());
            assert_eq!(one.is_some(), other.is_some());
            let Some((one, other)) = one.zip(other) else { continue };
            assert_eq!(one.flipped_bit, other.flipped_bit);
            assert_eq!(one.overtaken.is_some(), other.overtaken.is_some());
            let delay = one.at - (start() + ms(1) * place);
            assert_eq!(delay, other.at - (start() + Duration::from_micros(1) * place));
        }
    }
    // On what else is set: not.
    assert_eq!(lost(&whole), lost(&fates(loss.clone(), 5, 5000, ms(1))));
    let copied = fates(nothing().duplicate(0.3), 5, 5000, ms(1));
    let corrupted = fates(nothing().corrupt(0.3), 5, 5000, ms(1));
    for (whole, (copied, corrupted)) in whole.iter().zip(copied.iter().zip(&corrupted)) {
        let Some(departure) = whole.original.departure() else { continue };
        assert_eq!(whole.copy.is_some(), copied.copy.is_some());
        assert_eq!(departure.flipped_bit, corrupted.original.departure().unwrap().flipped_bit);
    }
    // On lengths: not, but for which bit it is.
    let mut short = Impairment::new(all.clone(), 5, start()).unwrap();
    for (place, whole) in (0u32..).zip(&whole) {
        let fates = short.datagram(start() + ms(1) * place, 1);
        assert_eq!((is_lost(&fates), fates.copy.is_some()), (is_lost(whole), whole.copy.is_some()));
    }
    // On the seed: yes.
    assert_ne!(lost(&whole), lost(&fates(loss, 6, 5000, ms(1))));
    // The number that decided can be asked for.
    let independent = Impairment::new(nothing().loss(0.2), 5, start()).unwrap();
    for fates in fates(nothing().loss(0.2), 5, 1000, ms(1)) {
        assert_eq!(is_lost(&fates), independent.drawn(Stage::Loss, fates.number) < 0.2);
    }
}

#[test]
fn a_change_counts_on_and_lets_nothing_overtake_what_is_under_way() {
    let mut changed = Link::new(nothing().duplicate(0.5).delay(ms(100)), 5, start()).unwrap();
    let mut copies = Vec::new();
    for place in 0..1000u32 {
        if place == 300 {
            changed.change(nothing().duplicate(0.5)).unwrap();
        }
        copies.push(changed.push(start() + ms(1) * place, 10, ()).copy.is_some());
    }
    let unchanged = fates(nothing().duplicate(0.5), 5, 1000, ms(1));
    assert_eq!(copies, unchanged.iter().map(|fates| fates.copy.is_some()).collect::<Vec<_>>());
    let left = drain(&mut changed);
    assert!(left.is_sorted_by_key(|left| (left.at, left.number)));
    // What came when the delay had gone left with the last of those that had it, and then at once.
    assert_eq!(left.last().unwrap().at, start() + ms(999));
    // Nothing set: the order is kept still.
    let mut link = Link::new(nothing().delay(ms(100)), 5, start()).unwrap();
    link.push(start(), 1, ());
    link.change(nothing()).unwrap();
    let at = |fates: Fates| fates.original.departure().unwrap().at;
    assert_eq!(at(link.push(start() + ms(1), 1, ())), start() + ms(100));
    link.change(nothing().keep_order(false)).unwrap();
    assert_eq!(at(link.push(start() + ms(2), 1, ())), start() + ms(2));
}

#[test]
fn blackouts_lose_what_comes_in_them_and_nothing_else() {
    let dark = |blackout| -> Vec<usize> {
        let fates = fates(nothing().blackout(blackout), 1, 100, ms(1));
        (0..).zip(&fates).filter(|(_, fates)| is_lost(fates)).map(|(place, _)| place).collect()
    };
    assert_eq!(dark(Blackout::once(ms(10), ms(3))), [10, 11, 12]);
    assert_eq!(dark(Blackout::each(ms(30), ms(2))), [30, 31, 60, 61, 90, 91]);
    assert_eq!(dark(Blackout::each(ms(40), ms(1)).first(ms(5))), [5, 45, 85]);
    assert_eq!(dark(Blackout::once(ms(10), ms(0))), [0; 0]);
}

#[test]
fn jitter_reorders_only_where_it_may() {
    for jitter in [Jitter::Uniform(ms(50)), Jitter::Normal(ms(20)), Jitter::Exponential(ms(20)), Jitter::Pareto(ms(20))]
    {
        let options = nothing().delay(ms(50)).jitter(jitter).duplicate(0.1).loss(0.1);
        assert!(order(options.clone(), 3, 5000, ms(1)).is_sorted(), "{jitter:?}");
        assert!(!order(options.keep_order(false), 3, 5000, ms(1)).is_sorted(), "{jitter:?}");
    }
}

#[test]
fn exactly_so_many_followers_overtake_a_datagram() {
    for followers in [1, 2, 3, 10] {
        let options = nothing()
            .reorder(Reorder::new(0.05, followers).at_most(Duration::from_secs(60)))
            .loss(0.1)
            .delay(ms(20))
            .jitter(Jitter::Normal(ms(5)));
        let expected = fates(options.clone(), 11, 5000, ms(1));
        let order = order(options, 11, 5000, ms(1));
        let fate = |number: u64| expected[usize::try_from(number - 1).unwrap()].original.departure();
        let follows = |number: u64| fate(number).is_some_and(|departure| departure.overtaken.is_none());
        let mut overtaken = 0;
        for (place, number) in order.iter().enumerate() {
            let overtakers = order[..place].iter().filter(|other| *other > number).count();
            if fate(*number).unwrap().overtaken.is_some() {
                // Of the last ones there are fewer.
                let most = usize::try_from(followers).unwrap();
                assert_eq!(overtakers, (number + 1..=5000).filter(|n| follows(*n)).take(most).count(), "{number}");
                overtaken += 1;
            } else {
                assert_eq!(overtakers, 0, "{number}");
            }
        }
        assert!((150..300).contains(&overtaken), "{overtaken}");
    }
}

#[test]
fn the_last_ones_leave_when_their_time_is_over() {
    let mut link = Link::new(nothing().reorder(Reorder::new(1.0, 3).at_most(ms(50))), 1, start()).unwrap();
    for number in 0..10u32 {
        link.push(start() + ms(1) * number, 1, number);
    }
    let left = drain(&mut link);
    let times: Vec<_> = left.iter().map(|left| left.at - start()).collect();
    assert_eq!(times, (50..60).map(ms).collect::<Vec<_>>());

    // Those that overtake a datagram are late; it does not wait for them.
    let mut link = Link::new(nothing().reorder(Reorder::new(1.0, 1).at_most(ms(50))), 1, start()).unwrap();
    link.push(start(), 1, 1);
    link.change(nothing().delay(ms(200))).unwrap();
    link.push(start() + ms(1), 1, 2);
    let left = drain(&mut link);
    assert_eq!(
        left.iter().map(|left| (left.datagram, left.at - start())).collect::<Vec<_>>(),
        [(1, ms(50)), (2, ms(201))]
    );
}

#[test]
fn a_copy_of_a_follower_overtakes_nobody_once_more() {
    let mut link = Link::new(nothing().reorder(Reorder::new(1.0, 2)), 1, start()).unwrap();
    link.push(start(), 1, "overtaken");
    link.change(nothing().duplicate(1.0)).unwrap();
    for name in ["first", "second"] {
        link.push(start(), 1, name);
    }
    let order: Vec<_> = drain(&mut link).into_iter().map(|left| left.datagram).collect();
    assert_eq!(order, ["first", "first", "second", "second", "overtaken"]);
}

#[test]
fn a_queue_of_datagrams_takes_so_many_besides_the_one_that_is_sent() {
    // 1,000 bytes take 1 ms.
    let rate = |queue| nothing().rate(Rate::new(8_000_000, queue));
    let leave = |options: ImpairmentOptions, lengths: &[usize]| {
        let mut impairment = Impairment::new(options, 1, start()).unwrap();
        let mut at = |&len: &usize| impairment.datagram(start(), len).original.departure().map(|it| it.at - start());
        lengths.iter().map(&mut at).collect::<Vec<_>>()
    };
    let (one, full) = (|count: u64| Some(ms(count)), None);
    assert_eq!(leave(rate(Queue::Datagrams(2)), &[1000; 5]), [one(1), one(2), one(3), full, full]);
    assert_eq!(
        leave(rate(Queue::Bytes(2500)), &[1000, 2000, 1000, 500]),
        [one(1), one(3), full, Some(Duration::from_micros(3500))]
    );
    // An idle link takes any; an empty one costs no time.
    assert_eq!(leave(rate(Queue::Bytes(0)), &[65_000, 0, 1]), [one(65), one(65), full]);
    let headers = Rate::new(8_000_000, Queue::Datagrams(9)).overhead(28);
    assert_eq!(leave(nothing().rate(headers), &[972, 0]), [one(1), Some(Duration::from_micros(1028))]);
}

#[test]
fn what_a_link_holds_is_bounded_and_more_is_counted() {
    let held = |options: ImpairmentOptions, payload_len| {
        let mut link = Link::new(options.delay(ms(1000)), 1, start()).unwrap();
        for _ in 0..100_000 {
            link.push(start(), payload_len, ());
        }
        let counts = link.counts();
        assert_eq!(counts.under_way + counts.lost(LostBy::Room), 100_000);
        assert_eq!(drain(&mut link).len() as u64, counts.under_way);
        // There is room again.
        assert!(!is_lost(&link.push(start(), payload_len, ())));
        counts.under_way
    };
    assert_eq!(held(nothing(), 10), 65_536);
    assert_eq!(held(nothing(), 1 << 16), 1024);
    assert_eq!(held(nothing().held_datagrams(7), 10), 7);
    assert_eq!(held(nothing().held_bytes(1000), 100), 10);
}

#[test]
fn the_bad_state_loses_and_delays() {
    let chain = GilbertElliott::new(0.01, 0.1).loss_in_bad(0.5).delay_in_bad(ms(30));
    let fates = fates(nothing().loss(chain).keep_order(false), 4, 100_000, ms(1));
    let delay = |place: usize| {
        let departure = fates[place].original.departure()?;
        Some(departure.at - (start() + ms(1) * u32::try_from(place).unwrap()))
    };
    let delays: Vec<_> = (0..fates.len()).map(delay).collect();
    let count = |wanted: Option<Duration>| delays.iter().filter(|delay| **delay == wanted).count();
    let (good, bad, lost) = (count(Some(ms(0))), count(Some(ms(30))), count(None));
    assert_eq!(good + bad + lost, 100_000);
    // An eleventh is bad, half of that lost; a run of the bad state lasts ten, which makes the numbers vary.
    assert!((4000..5100).contains(&bad) && (4000..5100).contains(&lost), "{good} {bad} {lost}");
    // A datagram between two in the bad state is most often in it too.
    let both = delays.windows(2).filter(|two| *two == [Some(ms(30)), Some(ms(30))]).count();
    assert!(both > bad / 3, "{both} of {bad}");
    assert_eq!(Loss::from(chain), Loss::Bursts(chain));
}
