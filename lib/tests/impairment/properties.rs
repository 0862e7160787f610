//! Whatever is set, whatever comes: each datagram has its fate, once, and time goes one way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use udpkit::Network;
use udpkit::impairment::{
    Arrival, Blackout, Capacity, Chosen, CoDel, Fate, GilbertElliott, ImpairmentOptions, Jitter, Link, Loss, LostBy,
    Matching, Pattern, Queue, Rate, Reorder, TextError, Trace,
};

use crate::{ms, nothing, start};

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::None),
        (0.0..=1.0f64).prop_map(Loss::Independent),
        (0.0..=1.0f64, 0.0..=1.0f64, 0.0..=1.0f64, 0.0..=1.0f64, 0u64..50).prop_map(
            |(bad, good, in_good, in_bad, delay)| {
                GilbertElliott::new(bad, good).loss_in_good(in_good).loss_in_bad(in_bad).delay_in_bad(ms(delay)).into()
            }
        ),
        "[.x]{1,20}".prop_map(|text| Pattern::parse(&text).unwrap().into()),
    ]
}

fn drop() -> impl Strategy<Value = Chosen> {
    prop_oneof![
        Just(Chosen::None),
        prop::collection::vec(1u64..100, 0..20).prop_map(Chosen::numbers),
        (1u64..20).prop_map(Chosen::Every),
    ]
}

/// Payloads that begin with an even byte, those that are from one of two networks.
fn whom() -> impl Strategy<Value = (Option<Matching>, Vec<Network>)> {
    let matching = Matching::new(|payload| payload.first().is_some_and(|byte| byte.is_multiple_of(2))).named("even");
    let network = prop_oneof![Just("10.0.0.0/8"), Just("2001:db8::/32")].prop_map(|text| text.parse().unwrap());
    (prop::option::weighted(0.3, Just(matching)), prop::option::weighted(0.3, network))
        .prop_map(|(matching, network)| (matching, network.into_iter().collect()))
}

fn jitter() -> impl Strategy<Value = Jitter> {
    (0..5, 0u64..100).prop_map(|(kind, spread)| match kind {
        0 => Jitter::None,
        1 => Jitter::Uniform(ms(spread)),
        2 => Jitter::Normal(ms(spread)),
        3 => Jitter::Exponential(ms(spread)),
        _ => Jitter::Pareto(ms(spread)),
    })
}

fn trace() -> impl Strategy<Value = Trace> {
    prop::collection::vec(0u32..10, 1..20).prop_map(|pauses| {
        let times = pauses.iter().scan(1, |time, pause| {
            *time += pause;
            Some(format!("{time}\n"))
        });
        Trace::parse(&times.collect::<String>()).unwrap()
    })
}

fn rate() -> impl Strategy<Value = Rate> {
    let capacity = prop_oneof![(1u64..10_000_000).prop_map(Capacity::from), trace().prop_map(Capacity::from)];
    let codel = (0u64..10, 1u64..50, any::<bool>())
        .prop_map(|(target, more, marks)| CoDel::new(ms(target), ms(target + more)).marks(marks));
    (capacity, any::<bool>(), 0usize..50, 0usize..100, prop::option::of(codel)).prop_map(
        |(capacity, bytes, most, overhead, codel)| {
            let queue = if bytes { Queue::Bytes(most * 100) } else { Queue::Datagrams(most) };
            Rate::new(capacity, queue).overhead(overhead).codel(codel)
        },
    )
}

fn options() -> impl Strategy<Value = ImpairmentOptions> {
    let blackout = (0u64..100, 0u64..50, prop::option::of(1u64..50)).prop_map(|(first, lasting, more)| {
        Blackout::once(ms(first), ms(lasting)).every(more.map(|more| ms(lasting + more)))
    });
    let reorder = (0.0..=1.0f64, 1u32..10, 0u64..100)
        .prop_map(|(p, followers, most)| Reorder::new(p, followers).at_most(ms(most)));
    (
        (loss(), prop::option::of(blackout), 0.0..=1.0f64, 0.0..=1.0f64, prop::option::of(rate())),
        (0u64..50, jitter(), any::<bool>(), prop::option::of(reorder), 1usize..200, 100usize..20_000),
        (whom(), drop(), prop::option::of(28usize..2100)),
    )
        .prop_map(
            |(
                (loss, blackout, duplicate, corrupt, rate),
                (delay, jitter, keep_order, reorder, datagrams, bytes),
                ((matching, from), drop, mtu),
            )| {
                nothing()
                    .matching(matching)
                    .from(from)
                    .drop(drop)
                    .mtu(mtu)
                    .loss(loss)
                    .blackout(blackout)
                    .duplicate(duplicate)
                    .corrupt(corrupt)
                    .rate(rate)
                    .delay(ms(delay))
                    .jitter(jitter)
                    .keep_order(keep_order)
                    .reorder(reorder)
                    .held_datagrams(datagrams)
                    .held_bytes(bytes)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_datagram_has_one_fate_and_leaves_as_it_was_decided(
        mut changes in prop::collection::vec(options(), 1..4),
        seed: u64,
        arrivals in prop::collection::vec((0u64..3_000_000, 0usize..2000, any::<[u8; 3]>()), 1..400),
    ) {
        let mut link = Link::new(changes.pop().unwrap(), seed, start()).unwrap();
        // By number and whether it is a copy: when it was decided to leave, and what it was.
        let mut expected = BTreeMap::new();
        let (mut now, mut popped, mut last, mut lost) = (start(), Vec::new(), start(), 0);
        let is_kept = |it: &ImpairmentOptions| it.keep_order && it.reorder.is_none();
        let is_for_all = |it: &ImpairmentOptions| it.matching.is_none() && it.from.is_empty();
        let keeps_all = |it: &ImpairmentOptions| is_kept(it) && is_for_all(it);
        let always_kept = keeps_all(link.impairment().options()) && changes.iter().all(keeps_all);
        let (mut exempt, mut marked) = (0, 0);
        for (place, (pause, len, [first, source, class])) in arrivals.iter().enumerate() {
            now += Duration::from_nanos(*pause);
            if place % 100 == 99 && let Some(options) = changes.pop() {
                link.change(options).unwrap();
            }
            while let Some(left) = link.pop(now) {
                popped.push(left);
            }
            prop_assert!(link.next().is_none_or(|next| next > now));
            let payload = vec![*first; *len];
            let source: IpAddr = if *source < 99 { [10, 0, 0, 1].into() } else { [192, 0, 2, *source].into() };
            let arrival = Arrival::new(&payload).source(source).traffic_class(*class);
            let fates = link.push(now, arrival, place);
            prop_assert_eq!(fates.number, place as u64 + 1);
            if fates.is_exempt {
                prop_assert!(!is_for_all(link.impairment().options()) && fates.copy.is_none());
                exempt += 1;
            }
            let backlog = link.impairment().backlog(now);
            prop_assert!(backlog.bytes <= 400 * 2100 && backlog.datagrams <= 2 * place + 2);
            for (is_copy, fate) in [false, true].into_iter().zip(fates.iter()) {
                match fate {
                    Fate::Leaves(departure) => {
                        prop_assert!(departure.at >= now);
                        prop_assert!(departure.flipped_bit.is_none_or(|bit| bit < len * 8));
                        prop_assert!(!departure.ce_marked || arrival.is_ecn_capable());
                        prop_assert!(!fates.is_exempt || departure.at == now);
                        marked += u64::from(departure.ce_marked);
                        prop_assert!(expected.insert((fates.number, is_copy), departure).is_none());
                    }
                    Fate::Lost(_) => lost += 1,
                }
            }
            let (options, counts) = (link.impairment().options(), link.counts());
            prop_assert!(counts.under_way <= 200 && options.held_datagrams <= 200);
            prop_assert_eq!(counts.entered + counts.duplicated, counts.left + counts.lost_in_all() + counts.under_way);
        }
        while let Some(next) = link.next() {
            popped.push(link.pop(next).unwrap());
        }
        prop_assert!(link.counts().under_way == 0 && link.counts().lost_in_all() == lost);
        prop_assert_eq!(link.counts().left, popped.len() as u64);
        prop_assert_eq!(LostBy::ALL.iter().map(|by| link.counts().lost(*by)).sum::<u64>(), lost);
        prop_assert_eq!((link.counts().exempt, link.counts().marked), (exempt, marked));
        if always_kept {
            prop_assert!(popped.is_sorted_by_key(|left| left.number));
        }
        for left in popped {
            prop_assert!(left.at >= last, "time went back");
            last = left.at;
            let departure = expected.remove(&(left.number, left.is_copy));
            prop_assert_eq!(departure, Some(left.departure));
            prop_assert_eq!(left.datagram as u64 + 1, left.number);
            match left.departure.overtaken {
                None => prop_assert_eq!(left.at, left.departure.at),
                Some(it) => prop_assert!(left.at >= left.departure.at && left.at <= it.at_latest),
            }
            let mut payload = [0xa5; 2000];
            left.departure.corrupt(&mut payload);
            let changed = payload.iter().enumerate().filter(|(_, byte)| **byte != 0xa5);
            let bits = changed.map(|(place, byte)| (place, byte ^ 0xa5)).collect::<Vec<_>>();
            prop_assert_eq!(bits, Vec::from_iter(left.departure.flipped_bit.map(|bit| (bit / 8, 1 << (bit % 8)))));
        }
        prop_assert!(expected.is_empty(), "some never left: {expected:?}");
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_inside_it(text in "[.x01 #\\n\\r\u{1b}5é]{0,60}|\\PC{0,40}|([0-9]{1,11}\\n?){0,8}") {
        let place = |error: TextError| {
            let line = text.lines().nth(error.line() - 1).unwrap_or_default();
            error.column() >= 1 && error.column() <= line.chars().count().max(1)
                && !error.to_string().contains(char::is_control)
        };
        match Pattern::parse(&text) {
            Ok(pattern) => prop_assert!(!pattern.lost().is_empty() && pattern.lost().len() <= text.len()),
            Err(error) => prop_assert!(place(error)),
        }
        match Trace::parse(&text) {
            Ok(trace) => {
                prop_assert!(trace.mean_bitrate() > 0.0);
                let rate = Rate::new(trace, Queue::Datagrams(9));
                let mut link = Link::new(nothing().rate(rate), 1, start()).unwrap();
                prop_assert!((0..20).all(|_| link.push(start(), 65_507, ()).number > 0));
            }
            Err(error) => prop_assert!(place(error)),
        }
    }
}
