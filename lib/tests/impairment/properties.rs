//! Whatever is set, whatever comes: each datagram has its fate, once, and time goes one way.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use udpkit::impairment::{
    Blackout, Fate, GilbertElliott, ImpairmentOptions, Jitter, Link, Loss, LostBy, Queue, Rate, Reorder,
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
    ]
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

fn rate() -> impl Strategy<Value = Rate> {
    (1u64..10_000_000, any::<bool>(), 0usize..50, 0usize..100).prop_map(|(bits, bytes, most, overhead)| {
        let queue = if bytes { Queue::Bytes(most * 100) } else { Queue::Datagrams(most) };
        Rate::new(bits, queue).overhead(overhead)
    })
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
    )
        .prop_map(
            |((loss, blackout, duplicate, corrupt, rate), (delay, jitter, keep_order, reorder, datagrams, bytes))| {
                nothing()
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
        arrivals in prop::collection::vec((0u64..3_000_000, 0usize..2000), 1..400),
    ) {
        let mut link = Link::new(changes.pop().unwrap(), seed, start()).unwrap();
        // By number and whether it is a copy: when it was decided to leave, and what it was.
        let mut expected = BTreeMap::new();
        let (mut now, mut popped, mut last, mut lost) = (start(), Vec::new(), start(), 0);
        let always_kept = changes.iter().chain([link.impairment().options()]).all(|it| it.keep_order && it.reorder.is_none());
        for (place, (pause, len)) in arrivals.iter().enumerate() {
            now += Duration::from_nanos(*pause);
            if place % 100 == 99 && let Some(options) = changes.pop() {
                link.change(options).unwrap();
            }
            while let Some(left) = link.pop(now) {
                popped.push(left);
            }
            prop_assert!(link.next().is_none_or(|next| next > now));
            let fates = link.push(now, *len, place);
            prop_assert_eq!(fates.number, place as u64 + 1);
            for (is_copy, fate) in [false, true].into_iter().zip(fates.iter()) {
                match fate {
                    Fate::Leaves(departure) => {
                        prop_assert!(departure.at >= now);
                        prop_assert!(departure.flipped_bit.is_none_or(|bit| bit < len * 8));
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
}
