//! `udp measure --load` on real sockets: the queue before a slow link shows in the direction in which it is, what arrived is what the
//! reflector counted, and nobody is loaded who would send it back.
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Outcome, Place, Process, Scratch, hosts, number};
use serde_json::Value;

/// Milliseconds of what a load added at least: half of what the queues of these tests hold, which a busy host only makes longer.
const ADDED_NS: f64 = 50e6;

/// A relay to this target, with these impairments, and where it listens.
fn relay(target: &str, impairments: &[&str]) -> (Process, String) {
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", target], impairments].concat());
    let line = relay.until_told("relaying from ");
    let address = line.split(' ').nth(2).expect("it names its address").to_owned();
    (relay, address)
}

fn measure(place: Place<'_>, arguments: &[&str]) -> Outcome {
    place.run(&[&["measure", "--wait", "1s", "--json"], arguments].concat())
}

/// What a measurement says of its load.
fn load(outcome: &Outcome) -> Value {
    let summary = outcome.objects().pop().unwrap_or_else(|| panic!("no summary: {outcome:?}"));
    assert_eq!(summary["type"], "summary", "{outcome:?}");
    summary["load"].clone()
}

fn verdict(outcome: &Outcome) -> String {
    let summary = outcome.objects().pop().expect("a summary");
    let lines = summary["verdict"].as_array().expect("a list").iter();
    lines.map(|line| line.as_str().expect("words")).collect::<Vec<_>>().join("\n")
}

/// The number at a place.
fn at(load: &Value, place: &str) -> f64 {
    load.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("{place}: {load}"))
}

#[test]
fn a_queue_before_a_slow_link_is_what_a_load_adds_and_what_arrived_is_what_the_reflector_counted() {
    let mut reflector = Place::Here.udp(&["reflect", "127.0.0.1:0", "--json"]);
    let started: Value = serde_json::from_str(&reflector.stdout_line()).expect("JSON");
    let target = started["addresses"][0].as_str().expect("an address").to_owned();
    // 5 Mbit/s, and 61 KiB before it: 100 ms.
    let (relay, narrow) = relay(&target, &["--up-rate", "5Mbit/s", "--up-queue", "61KiB"]);
    let conditions = ["--fail-if", "forward.added-delay.p50>1ms", "--fail-if", "load-arrived>=99%"];
    let outcome = measure(Place::Here, &[&[&narrow, "--load", "15Mbit/s", "--for", "2s"], &conditions[..]].concat());
    // The first condition holds.
    outcome.assert_status(1);
    let judged = outcome.objects().into_iter().filter(|object| object["type"] == "condition");
    assert_eq!(judged.map(|object| object["holds"].clone()).collect::<Vec<_>>(), [true, false], "{outcome:?}");
    let load = load(&outcome);
    assert!(at(&load, "/added/forward/p50_ns") >= ADDED_NS, "{load}");
    assert!(at(&load, "/added/rtt/p50_ns") >= ADDED_NS, "{load}");
    assert!(at(&load, "/added/forward/p50_ns") > 2.0 * at(&load, "/added/reverse/p50_ns"), "{load}");
    assert!(["C", "D", "F"].contains(&load["grade"].as_str().expect("a grade")), "{load}");
    assert!(at(&load, "/arrived") < at(&load, "/sent"), "{load}");
    let verdict = verdict(&outcome);
    assert!(verdict.contains("under load the round trip grows by ") && verdict.contains("of the load did not arrive"));
    relay.stop().assert_status(0);
    let reflected = reflector.stop().summary();
    assert_eq!(number(&reflected["load"]), number(&load["arrived"]), "{reflected}");
}

#[test]
fn a_load_that_fits_arrives_and_each_probe_is_of_one_half() {
    let folder = Scratch::new();
    let key = folder.secret("key", "known to both of them");
    let (_reflector, addresses) = Place::Here.waiting(&["reflect", "127.0.0.1:0", "--key-file", &key]);
    let target = addresses[0].to_string();
    let outcome = measure(
        Place::Here,
        &[&target, "--key-file", &key, "--load", "200/s", "--load-size", "300", "--for", "1s", "--flows", "2"],
    );
    outcome.assert_status(0);
    let load = load(&outcome);
    assert_eq!((&load["outcome"], &load["arrived"], &load["failed"]), (&"ended".into(), &load["sent"], &0.into()));
    assert_eq!(at(&load, "/bitrate"), 200.0 * 300.0 * 8.0);
    // What a host that stood still left out was not sent.
    let (sent, omitted) = (at(&load, "/sent"), at(&load, "/omitted"));
    assert!((90.0..=101.0).contains(&(sent + omitted)), "{load}");
    let probes = outcome.objects().pop().expect("a summary")["sent"].clone();
    let of_halves =
        ["idle", "loaded"].map(|half| at(&load, &format!("/{half}/answered")) + at(&load, &format!("/{half}/lost")));
    assert_eq!(of_halves.iter().sum::<f64>(), probes.as_f64().expect("a count"), "{load}");
}

#[test]
fn an_echo_server_is_not_loaded_and_the_run_says_why() {
    let (server, addresses) = Place::Here.waiting(&["serve", "127.0.0.1:0", "--echo", "--json", "--rate-limit", "off"]);
    let target = addresses[0].to_string();
    let outcome = measure(Place::Here, &[&target, "--load", "50Mbit/s", "--for", "1s"]);
    outcome.assert_status(2);
    let load = load(&outcome);
    assert_eq!((&load["outcome"], &load["sent"]), (&"refused".into(), &0.into()));
    assert_eq!((&load["grade"], &load["added"]["rtt"]), (&Value::Null, &Value::Null));
    assert!(verdict(&outcome).contains("no load was sent: this reflector would send all of it back"), "{outcome:?}");
    // Probes of half a second, questions of both sockets.
    let received = number(&server.stop().summary()["received"]);
    assert!((1..=51 + 32 + 1).contains(&received), "{received}");
}

#[test]
fn a_load_that_cannot_be_is_refused_with_what_to_do() {
    for (arguments, told) in [
        (
            &["127.0.0.1", "--load", "1/s", "--for", "1s"][..],
            "in 500 ms, half of the run, a load of that rate sends no datagram",
        ),
        (&["127.0.0.1", "--load", "1Gbit/s", "--local", ":5000"], "--local names one port, and --load has its own"),
        (&["127.0.0.1", "--load", "20Mbit/s", "--forever"], "cannot be used with"),
        (&["127.0.0.1", "--load", "900Gbit/s", "--load-size", "128"], "10,000,000 datagrams a second"),
    ] {
        let outcome = Place::Here.run(&[&["measure"], arguments].concat());
        outcome.assert_status(2);
        outcome.assert_told(&[told]);
    }
    let folder = Scratch::new();
    let key = folder.secret("key", "known to both of them");
    let arguments = ["measure", "127.0.0.1", "--load", "1Mbit/s", "--load-size", "150", "--key-file", &key];
    let outcome = Place::Here.run(&arguments);
    outcome.assert_status(2);
    outcome.assert_told(&["a load of 150 bytes is too short", "with a key", "--load-size 216"]);
}

#[test]
fn behind_a_token_bucket_of_the_kernel_the_queue_shows_in_its_direction() {
    let Some(lan) = hosts(2) else { return };
    if !require("tc") {
        return;
    }
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let mut reflector = h2.udp(&["reflect", "10.1.0.2:862", "--json", "--rate-limit", "off"]);
    reflector.stdout_line();
    // 100 ms at 5 Mbit/s; in the other direction there is none.
    h1.shell("tc qdisc add dev eth0 root tbf rate 5mbit burst 5kb limit 62500");
    let outcome = measure(h1, &["10.1.0.2", "--load", "15Mbit/s", "--for", "2s"]);
    outcome.assert_status(0);
    let load = load(&outcome);
    assert!(at(&load, "/added/forward/p50_ns") >= ADDED_NS, "{load}");
    assert!(at(&load, "/added/forward/p50_ns") > 2.0 * at(&load, "/added/reverse/p50_ns"), "{load}");
    // It is a queue of this host, which says so: nothing is lost on the way.
    assert!(at(&load, "/failed") > 0.0, "{load}");
    assert_eq!(load["arrived"], load["sent"], "{load}");
    assert!(verdict(&outcome).contains("found no room in a queue of this host"), "{outcome:?}");
    reflector.stop().assert_status(0);
}
