//! The examples of a game's state, of telemetry and of discovery: they do what they say.

use std::collections::BTreeSet;
use std::time::Duration;

use udpkit::impairment::ImpairmentOptions;
use udpkit::{Options, Socket, Wait};

#[path = "../examples/discovery.rs"]
#[expect(dead_code, reason = "its command line is not looked at")]
mod discovery;
#[path = "../examples/game_state.rs"]
#[expect(dead_code, reason = "what the example prints is not looked at")]
mod game_state;
#[path = "../examples/telemetry.rs"]
#[expect(dead_code, reason = "it receives for ever")]
mod telemetry;

use game_state::{INTERVAL, bad, play};
use telemetry::{Ledger, receive};

const LONG: Duration = Duration::from_secs(60);

fn socket(options: &Options) -> Socket {
    Socket::bind(([127, 0, 0, 1], 0).into(), options).expect("loopback has a free port")
}

#[test]
fn a_player_never_sees_an_older_state_and_waits_for_none_that_was_lost() {
    for seed in 1..=20 {
        let player = play(900, bad(), seed).unwrap();
        assert!(player.shown.windows(2).all(|pair| pair[0].0 < pair[1].0), "seed {seed}");
        // A fifth is lost, and some are overtaken; more than six standard deviations on each side.
        assert!((450..800).contains(&player.shown.len()) && player.old > 10, "seed {seed}: {player:?}");
        // Ten lost in a row would be one chance in ten million, for each place.
        assert!(player.oldest_picture() < 12 * INTERVAL, "seed {seed}: {:?}", player.oldest_picture());
    }
}

#[test]
fn a_perfect_network_shows_every_state() {
    let player = play(100, ImpairmentOptions::default(), 1).unwrap();
    assert_eq!((player.shown.len(), player.old), (100, 0));
}

#[test]
fn each_reading_is_in_one_count() {
    let (receiver, sensor) = (socket(&Options::default().drops(true)), socket(&Options::default()));
    let reading = |sensor: u32, number: u64| [&sensor.to_be_bytes()[..], &number.to_be_bytes(), b"21.5"].concat();
    let numbers = [0, 1, 1, 4, 3, 1 << 40];
    for payload in numbers.map(|number| reading(7, number)).iter().chain([&reading(8, 2), &b"short".to_vec()]) {
        sensor.send_to(payload, receiver.local_address()).unwrap();
    }
    let mut ledger = Ledger::default();
    let mut count = 0;
    while count < 8 {
        count += receive(&receiver, &mut ledger, Duration::from_millis(1)).unwrap();
    }
    assert_eq!((ledger.missing(7), ledger.missing(8), ledger.malformed, ledger.implausible), (1, 2, 1, 1));
    let words = ledger.to_string();
    assert!(words.contains("sensor 7: 4 readings, 1 missing, 1 came again, 1 late"), "{words}");
    assert_eq!(ledger.add(&reading(7, 4)), None, "it came already");
    assert_eq!(ledger.add(&reading(7, 5)), Some((7, &b"21.5"[..])));
}

#[test]
fn invented_sensors_take_no_more_memory() {
    let mut ledger = Ledger::default();
    for sensor in 0..20_000_u32 {
        ledger.add(&[&sensor.to_be_bytes()[..], &[0; 8]].concat());
    }
    assert_eq!(ledger.implausible, 10_000);
}

#[test]
fn services_are_found_once_each_and_strangers_are_not() {
    let services = [socket(&Options::default().destination(true)), socket(&Options::default().destination(true))];
    let (asking, stranger) = (socket(&Options::default()), socket(&Options::default()));
    let target = services[0].local_address();
    std::thread::scope(|scope| {
        for (service, name) in services.iter().zip(["printer", "lamp\x1b[0m"]) {
            scope.spawn(move || while discovery::serve(service, name, Wait::For(LONG)).unwrap() == 0 {});
        }
        // As if both were on one network.
        asking.send_to(b"who is there?", services[1].local_address()).unwrap();
        stranger.send_to(b"not here", asking.local_address()).unwrap();
        let network = [("lo".to_owned(), asking, target)];
        let mut found = BTreeSet::new();
        while found.len() < 2 {
            let new = discovery::find(&network, Duration::from_millis(10)).unwrap();
            found.extend(new.into_values().map(|(name, _)| name));
        }
        assert_eq!(found, BTreeSet::from(["lamp\\x1b[0m".to_owned(), "printer".to_owned()]));
    });
}
