//! `udp relay`: impairments as flags and as a scenario, on sockets.
#![cfg(target_os = "linux")]

mod common;

use std::fs::OpenOptions;
use std::io::Write;

use common::{Place, Process, Scratch};
use serde_json::{Value, json};

/// A relay to this target, with these arguments, and where it listens.
fn relaying(target: &str, arguments: &[&str]) -> (Process, String) {
    let mut all = vec!["relay", "127.0.0.1:0", target];
    all.extend_from_slice(arguments);
    let mut relay = Place::Here.udp(&all);
    let told = relay.until_told("relaying from ");
    let address = told.split("relaying from ").nth(1).and_then(|rest| rest.split(" to ").next()).expect("an address");
    let address = address.to_owned();
    (relay, address)
}

#[test]
fn a_flag_is_for_both_directions_and_that_of_one_wins() {
    let mut server = Place::Here.udp(&["serve", "127.0.0.1:0", "--echo", "--count", "10"]);
    let told = server.until_told("serving on ");
    let target = told.split("serving on ").nth(1).expect("an address").trim();
    let (relay, to) = relaying(target, &["--drop", "every:2", "--down-drop", "none"]);
    let sent = Place::Here.run(&[
        "send",
        &to,
        "hello",
        "--repeat",
        "20",
        "--every",
        "0",
        "--replies",
        "0",
        "--wait",
        "10s",
        "--until-replies",
        "10",
    ]);
    sent.assert_status(0);
    sent.assert_told(&["20 sent, 10 answered"]);
    // Every second one never came: the server ends with the tenth that did, and all answers came back.
    server.finish().assert_status(0);
    relay.stop().assert_status(0);
}

#[test]
fn the_start_names_the_impairments_as_their_flags_do() {
    let flags = ["--loss", "0.05", "--up-mtu", "1280", "--seed", "7", "--allow-reorder"];
    let mut all = vec!["relay", "127.0.0.1:0", "127.0.0.1:9", "--json"];
    all.extend_from_slice(&flags);
    let mut relay = Place::Here.udp(&all);
    let start: Value = serde_json::from_str(&relay.stdout_line()).expect("JSON Lines");
    assert_eq!((&start["type"], &start["seed"]), (&json!("relaying"), &json!(7)));
    assert_eq!(start["up"], json!({"loss": "5%", "mtu": "1280", "allow-reorder": true}));
    assert_eq!(start["down"], json!({"loss": "5%", "allow-reorder": true}));
}

#[test]
fn a_preset_is_printed_as_the_flags_that_it_stands_for_with_its_source() {
    let mut relay = Place::Here.udp(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--like", "dsl", "--up-delay", "9ms"]);
    relay.until_told("relaying from ");
    let flags = relay.until_told("--");
    assert_eq!(flags.trim(), "--up-rate 1Mbit/s --down-rate 2Mbit/s --queue 64KiB --up-delay 9ms --down-delay 2500us");
    relay.until_told("dsl: Firefox, throttling");
    relay.stop().assert_status(0);

    let refused = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--like", "satelite"]);
    refused.assert_status(2);
    refused.assert_told(&["there is no preset 'satelite'; did you mean satellite?"]);
}

#[test]
fn a_scenario_is_read_again_at_sighup_and_a_broken_one_is_not_followed() {
    let files = Scratch::new();
    files.file("s.toml", "seed = 3\n[up]\nmtu = 1280\n");
    let path = files.path().join("s.toml");
    let path = path.to_str().expect("it is text");
    let mut relay = Place::Here.udp(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--scenario", path, "--loss", "1%"]);
    assert!(relay.until_told("relaying from ").ends_with(", seed 3"));
    assert_eq!(relay.until_told("--").trim(), "--loss 1% --up-mtu 1280");

    files.file("s.toml", "[up]\nmtu = 5\n");
    relay.signal("HUP");
    let told = relay.until_told("keeping the old scenario: ");
    assert!(told.contains("line 2, column 7: a datagram has"), "{told}");
    files.file("s.toml", "[[at]]\ntime = '1h'\nup.loss = '100%'\n");
    relay.signal("HUP");
    relay.until_told("scenario read again: it begins anew, 1 change to come");
    relay.stop().assert_status(0);
}

#[test]
fn a_signal_that_comes_before_the_relay_runs_ends_it_with_its_summary() {
    let files = Scratch::new();
    let path = files.path().join("s.toml");
    Place::Here.shell(&format!("mkfifo {}", path.display()));
    let scenario = path.to_str().expect("it is text");
    for signal in ["INT", "TERM"] {
        let relay = Place::Here.udp(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--scenario", scenario]);
        // It waits for the rest of its scenario.
        let mut rest = OpenOptions::new().write(true).open(&path).expect("the relay reads it");
        relay.signal(signal);
        rest.write_all(b"seed = 3\n").expect("the relay reads it");
        drop(rest);
        let outcome = relay.finish();
        outcome.assert_status(0);
        outcome.assert_told(&["relayed for 0 peers in "]);
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let files = Scratch::new();
    files.file("s.toml", "[[at]]\ntime = '10s'\nboth.loss = '5'\n");
    let path = files.path().join("s.toml");
    let path = path.to_str().expect("it is text");
    for (arguments, told) in [
        (&["--scenario", path][..], "s.toml': line 3, column 13: '5' is not a loss; write 5%"),
        (&["--scenario", "/no/such"], "cannot read scenario '/no/such': no such file or directory"),
        (&["--loss", "5"], "invalid value '5' for '--loss <LOSS>': '5' is not a loss; write 5%, burst:5%,4"),
        (&["--up-queue", "7"], "cannot impair what goes up: queue: nothing waits where the link has no rate"),
        (&["--trace", "/no/such"], "cannot read trace '/no/such'"),
        (&["--up-los", "5%"], "did you mean --up-loss?"),
    ] {
        let mut all = vec!["relay", "127.0.0.1:0", "127.0.0.1:9"];
        all.extend_from_slice(arguments);
        let outcome = Place::Here.run(&all);
        outcome.assert_status(2);
        outcome.assert_told(&[told]);
    }
}
