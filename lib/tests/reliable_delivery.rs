//! The protocol of the example against a relay: on a virtual network with many seeds, and on sockets.

use std::time::Duration;

use udpkit::impairment::{Blackout, ImpairmentOptions};
use udpkit::verbs::DirectionFigures;

#[path = "../examples/reliable_delivery.rs"]
#[expect(dead_code, reason = "what the example prints is not looked at")]
mod reliable_delivery;

use reliable_delivery::{bad, in_virtual_time, on_sockets};

/// Numbered blocks of many lengths.
fn file(blocks: usize) -> Vec<Vec<u8>> {
    (0..blocks).map(|number| format!("{number} ").repeat(1 + number % 100).into_bytes()).collect()
}

/// The part that was lost of what came and of its copies.
fn loss(figures: &DirectionFigures) -> f64 {
    figures.links.lost_in_all() as f64 / figures.received.datagrams as f64
}

#[test]
fn a_thousand_blocks_arrive_whole_and_in_order_whatever_the_seed() {
    let file = file(1000);
    let (mut overtaken, mut copied) = (0, 0);
    for seed in 1..=50 {
        let transfer = in_virtual_time(&file, &bad(), seed).unwrap();
        assert_eq!(transfer.arrived, file, "seed {seed}");
        assert!(transfer.took.is_some(), "seed {seed}: the sender learns of it");
        // The network was as bad as it was to be; more than six standard deviations on each side.
        for way in [&transfer.relay.up, &transfer.relay.down] {
            assert!((0.13..0.27).contains(&loss(way)), "seed {seed}: {way:?}");
            assert!(way.is_balanced());
            overtaken += way.links.overtaken;
            copied += way.links.duplicated;
        }
        // Each block needs 1.25 datagrams to arrive; some are repeated since their acknowledgement was lost.
        assert!((1200..2200).contains(&transfer.sent), "seed {seed}: {}", transfer.sent);
        let came = transfer.relay.up.forwarded.datagrams;
        assert_eq!(transfer.repeated, came - 1001, "seed {seed}: what is no news is left out, and nothing else is");
        assert!(transfer.waited > 0, "seed {seed}");
    }
    assert!(overtaken > 1000 && copied > 1000, "{overtaken}, {copied}");
}

#[test]
fn the_same_seed_gives_the_same_transfer() {
    let file = file(200);
    let [one, again, other] = [7, 7, 8].map(|seed| in_virtual_time(&file, &bad(), seed).unwrap());
    assert_eq!(one, again);
    assert_ne!(one.sent, other.sent);
}

#[test]
fn a_perfect_network_needs_no_repetition() {
    let file = file(1000);
    let transfer = in_virtual_time(&file, &ImpairmentOptions::default(), 1).unwrap();
    assert_eq!((transfer.arrived.len(), transfer.sent, transfer.repeated, transfer.waited), (1000, 1001, 0, 0));
}

#[test]
fn a_link_that_comes_back_is_waited_for_and_one_that_does_not_is_given_up() {
    let file = file(100);
    let dark = |lasting| bad().blackout(Blackout::once(Duration::from_millis(100), lasting));
    let came_back = in_virtual_time(&file, &dark(Duration::from_secs(10)), 3).unwrap();
    assert_eq!(came_back.arrived, file);
    assert!(came_back.took.unwrap() > Duration::from_secs(10));

    let gone = in_virtual_time(&file, &dark(Duration::from_secs(10_000)), 3).unwrap();
    assert_eq!(gone.took, None);
    assert!(gone.arrived.len() < 100 && file.starts_with(&gone.arrived), "what arrived is its beginning");
}

#[test]
fn a_short_file_arrives_on_sockets_too() {
    let file = file(100);
    let transfer = on_sockets(&file, &bad(), 7).unwrap();
    assert_eq!(transfer.arrived, file);
    let lost = transfer.relay.up.links.lost_in_all() + transfer.relay.down.links.lost_in_all();
    assert!(transfer.took.is_some() && transfer.sent > 101 && lost > 10, "{transfer:?}");
}
