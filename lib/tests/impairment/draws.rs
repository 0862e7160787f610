//! The numbers drawn decide what happens, and what links count is added up whole.

use std::collections::HashSet;

use udpkit::impairment::{
    CoDel, Fate, GilbertElliott, Impairment, ImpairmentOptions, Jitter, Link, LinkCounts, LostBy, Matching, Queue,
    Rate, Stage,
};

use super::{ms, nothing, start};

#[test]
fn a_copy_is_corrupted_and_delayed_by_numbers_of_its_own() {
    let options = nothing().duplicate(1.0).corrupt(0.3).delay(ms(10)).jitter(Jitter::Uniform(ms(10))).keep_order(false);
    let mut impairment = Impairment::new(options, 7, start()).unwrap();
    for number in 1..=1000 {
        let fates = impairment.datagram(start(), 100);
        let drawn: [fn(&Impairment, Stage, u64) -> f64; 2] = [Impairment::drawn, Impairment::drawn_for_copy];
        for (fate, drawn) in fates.iter().zip(drawn) {
            let Fate::Leaves(departure) = fate else { panic!("nothing is lost") };
            assert_eq!(departure.flipped_bit.is_some(), drawn(&impairment, Stage::Corrupt, number) < 0.3);
            let after = departure.at.duration_since(start()).as_secs_f64();
            assert!((after - 0.02 * drawn(&impairment, Stage::Jitter, number)).abs() < 2e-9, "{number} {after}");
        }
        for stage in [Stage::State, Stage::Loss, Stage::Duplicate, Stage::Reorder] {
            let [own, copys] = drawn.map(|drawn| drawn(&impairment, stage, number).to_bits());
            assert_eq!(own, copys, "{stage:?}");
        }
    }
}

#[test]
fn every_stage_and_every_loss_has_a_key_of_its_own() {
    let stages: HashSet<_> = Stage::ALL.iter().map(|stage| stage.key()).collect();
    let losses: HashSet<_> = LostBy::ALL.iter().map(|by| by.key()).collect();
    assert_eq!((stages.len(), losses.len()), (6, 7));
}

#[test]
fn counts_of_links_are_added_up_whole() {
    let rate = Rate::new(100_000, Queue::Datagrams(1000)).codel(CoDel::new(ms(1), ms(1)));
    let matching = Matching::new(|payload: &[u8]| payload[0].is_multiple_of(2));
    let options = ImpairmentOptions::default().duplicate(0.5).corrupt(0.5).rate(rate).matching(matching);
    let mut link = Link::new(options, 7, start()).unwrap();
    for number in 0..200_u32 {
        let payload = [number.to_le_bytes()[0]; 100];
        let arrival = udpkit::impairment::Arrival::new(&payload).traffic_class(2);
        let _ = link.push(start() + ms(number.into()), arrival, ());
    }
    let counts = link.counts();
    assert!(counts.exempt > 0 && counts.marked > 0 && counts.corrupted > 0, "{counts:?}");
    let (carried, bitrate) = (counts.carried, counts.carried.bitrate().unwrap());
    assert!(carried == link.impairment().carried() && (bitrate / 1e5 - 1.0).abs() < 1e-6, "{carried:?}");
    let mut merged = LinkCounts::default();
    merged.merge(&counts);
    assert_eq!(merged, counts);
}

#[test]
fn a_fate_says_whether_the_network_was_bad_and_whether_it_was_meant() {
    let chain = GilbertElliott::new(0.2, 0.2).loss_in_bad(0.5).delay_in_bad(ms(5));
    let odd = Matching::new(|payload: &[u8]| !payload[0].is_multiple_of(2));
    let mut link = Link::new(nothing().loss(chain).matching(odd), 7, start()).unwrap();
    let (mut bad, mut good, mut lost) = (0, 0, 0);
    for number in 1..=1000_u64 {
        let fates = link.push(start(), &[number.to_le_bytes()[0]][..], ());
        let is_exempt = number.is_multiple_of(2);
        assert_eq!((fates.is_exempt, fates.is_bad.is_none()), (is_exempt, is_exempt));
        bad += u64::from(fates.is_bad == Some(true));
        good += u64::from(fates.is_bad == Some(false));
        match fates.original {
            Fate::Lost(by) => {
                assert_eq!((by, fates.is_bad), (LostBy::Chance, Some(true)));
                lost += 1;
            }
            Fate::Leaves(departure) => {
                assert_eq!((departure.is_exempt, departure.is_bad), (is_exempt, fates.is_bad));
            }
        }
    }
    assert!(bad > 100 && good > 100 && lost > 50, "{bad} {good} {lost}");
    while let Some(left) = link.next().and_then(|next| link.pop(next)) {
        assert_eq!(left.departure.is_exempt, left.number.is_multiple_of(2));
    }
}
