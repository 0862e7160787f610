//! `udp measure` through `udp relay` to `udp reflect`, on real sockets: what it says is what happened.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/truth.rs"]
mod truth;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use common::netns::require;
use common::{Outcome, Place, Process, Scratch, hosts, number};
use fastrand::Rng;
use serde_json::{Value, json};
use truth::{Relayed, Truth, Way, address};

/// Combinations of impairments, unless this variable says how many.
const COMBINATIONS: u64 = 10;
const COMBINATIONS_VARIABLE: &str = "UDP_MEASURE_TRUTH";
/// Combinations at a time.
const AT_ONCE: usize = 5;
/// Probes of each, so few that with their copies they fit any receive buffer.
const PROBES: u64 = 300;

/// A reflector at any port of this host, and its address. It is older than an answer takes, so that it has no life before that could matter.
fn reflector() -> (Process, String) {
    let mut reflector = Place::Here.udp(&["reflect", "127.0.0.1:0", "--json", "--status", "50ms"]);
    let address = address(&reflector.stdout_line());
    reflector.until(|line| line.contains(r#""type":"status""#));
    (reflector, address)
}

/// The last line of a measurement.
fn summary(outcome: &Outcome) -> Value {
    let summary = outcome.objects().pop().unwrap_or_else(|| panic!("no summary: {outcome:?}"));
    assert_eq!(summary["type"], "summary", "{outcome:?}");
    summary
}

/// Impairments of a direction, `up` or `down`, each there or not.
fn impairments(chance: &mut Rng, way: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |name: &str, value: String| words.push(format!("--{way}-{name}={value}"));
    match chance.u8(..5) {
        0 => add("loss", format!("{}%", chance.u8(1..25))),
        1 => add("loss", format!("burst:{}%,{}", chance.u8(1..20), chance.u8(2..9))),
        2 => add("loss", "pattern:.....x...xx.........x".to_owned()),
        3 => add("blackout", format!("every:60ms,for:{}ms", chance.u8(1..12))),
        _ => {}
    }
    if chance.bool() {
        add("duplicate", format!("{}%", chance.u8(1..30)));
    }
    if chance.bool() {
        add("reorder", format!("{}%,{},50ms", chance.u8(1..30), chance.u8(1..6)));
    }
    if chance.bool() {
        add("delay", format!("{}us", chance.u16(100..30_000)));
    }
    if chance.bool() {
        let kind = ["", ":normal", ":exponential", ":pareto"][chance.usize(..4)];
        add("jitter", format!("{}us{kind}", chance.u16(100..4000)));
        add("allow-reorder", chance.bool().to_string());
    }
    if chance.u8(..6) == 0 {
        add("rate", format!("{}Mbit/s", chance.u8(2..20)));
        add("queue", chance.u8(5..100).to_string());
    }
    words
}

/// Measures once through impairments by chance; what it said, and what happened.
fn measured(seed: u64) -> (Value, Truth, String) {
    let mut chance = Rng::with_seed(seed);
    let mut words = ["up", "down"].map(|way| impairments(&mut chance, way)).concat();
    words.extend(["--seed".to_owned(), seed.to_string()]);
    let (reflector, target) = reflector();
    let relayed = Relayed::to(&target, &words);
    let count = PROBES.to_string();
    let arguments = ["measure", &relayed.address, "--json", "--count", &count, "--rate", "2000/s", "--wait", "1s"];
    let outcome = Place::Here.run(&arguments);
    outcome.assert_status(0);
    let truth = relayed.truth(PROBES);
    reflector.stop().assert_status(0);
    (summary(&outcome), truth, words.join(" "))
}

/// What was measured of a direction.
fn way(summary: &Value, way: &str) -> Value {
    let way = &summary[way];
    json!([way["lost"], way["duplicates"], way["reordered"]])
}

fn counts(way: &Way) -> Value {
    json!([way.lost, way.duplicates, way.reordered])
}

#[test]
fn what_is_said_of_each_direction_is_what_the_relay_did() {
    let combinations =
        std::env::var(COMBINATIONS_VARIABLE).map_or(COMBINATIONS, |text| text.parse().expect("a number"));
    let next = AtomicU64::new(0);
    let work = || {
        let mut faults = Vec::new();
        let mut seen = [0; 7];
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= combinations {
                return (faults, seen);
            }
            let (summary, truth, words) = measured(seed);
            let round_trip = &summary["round_trip"];
            let said = json!([
                way(&summary, "forward"),
                way(&summary, "reverse"),
                [round_trip["lost"], round_trip["duplicates"]]
            ]);
            let done = json!([counts(&truth.forward), counts(&truth.reverse), [truth.lost, truth.duplicates]]);
            if said != done || summary["sent"] != PROBES {
                faults.push(format!("seed {seed}: {said} said, {done} done: {words}\n{summary}"));
            }
            let Truth { forward, reverse, lost, .. } = truth;
            let counts = [&forward, &reverse].map(|way| [way.lost, way.duplicates, way.reordered]).concat();
            seen.iter_mut().zip(counts.into_iter().chain([lost])).for_each(|(seen, count)| *seen += count);
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("it does not panic")).collect()
    });
    let faults: Vec<_> = results.iter().flat_map(|(faults, _)| faults).collect();
    assert!(faults.is_empty(), "{} of {combinations}: {faults:#?}", faults.len());
    // All of it happened, or nothing was shown.
    let seen = results.iter().fold([0; 7], |all, (_, seen)| std::array::from_fn(|place| all[place] + seen[place]));
    assert!(seen.iter().all(|count| *count > combinations), "{seen:?}");
}

#[test]
fn a_network_that_drops_every_20th_in_one_direction_loses_5_percent_there_and_none_in_the_other() {
    const COUNT: &str = "2000";
    let Some(lan) = hosts(2) else { return };
    if !require("nft") {
        return;
    }
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let mut reflector = h2.udp(&["reflect", "10.1.0.2:862", "--json", "--rate-limit", "off"]);
    reflector.stdout_line();
    for (place, lossy, lossless) in [(h2, "forward", "reverse"), (h1, "reverse", "forward")] {
        place.shell(
            "nft add table inet lossy
            nft 'add chain inet lossy in { type filter hook input priority 0; }'
            nft 'add rule inet lossy in meta l4proto udp numgen inc mod 20 0 drop'",
        );
        let measured =
            h1.run(&["measure", "10.1.0.2:862", "--json", "--count", COUNT, "--rate", "4000/s", "--wait", "500ms"]);
        measured.assert_status(0);
        let summary = summary(&measured);
        assert_eq!(
            (way(&summary, lossy), way(&summary, lossless)),
            (json!([100, 0, 0]), json!([0, 0, 0])),
            "{summary}"
        );
        assert_eq!(summary["round_trip"]["lost"], 100, "{summary}");
        place.shell("nft delete table inet lossy");
    }
    reflector.stop().assert_status(0);
}

#[test]
fn a_reflector_that_stands_still_is_named_and_is_no_delay_of_the_network() {
    let (reflector, address) = reflector();
    let arguments = ["--json", "--count", "5000", "--rate", "1000/s", "--wait", "2s", "--status", "500ms"];
    let mut measure = Place::Here.udp(&[&["measure", &address], &arguments[..]].concat());
    let mut next = || measure.until(|line| line.contains(r#""type":"status""#));
    for _ in 0..2 {
        next();
    }
    reflector.signal("STOP");
    for _ in 0..2 {
        next();
    }
    reflector.signal("CONT");
    let measured = measure.finish();
    measured.assert_status(0);
    let summary = summary(&measured);
    let p99 = |key: &str| number(&summary["round_trip"][key]["p99_ns"]);
    assert!(p99("response") >= 900_000_000 && number(&summary["residence"]["p99_ns"]) >= 900_000_000, "{summary}");
    assert!(p99("rtt") < 200_000_000, "{summary}");
    assert_eq!(summary["round_trip"]["lost"], 0, "{summary}");
    assert!(summary["verdict"].to_string().contains("reflector"), "{summary}");
    reflector.stop().assert_status(0);
}

#[test]
fn what_a_reflector_does_not_answer_is_no_loss_of_the_path() {
    let mut reflector = Place::Here.udp(&["reflect", "127.0.0.1:0", "--json", "--max-rate", "100"]);
    let address = address(&reflector.stdout_line());
    let measured =
        Place::Here.run(&["measure", &address, "--json", "--count", "300", "--rate", "1000/s", "--wait", "1s"]);
    measured.assert_status(0);
    let summary = summary(&measured);
    assert_eq!((way(&summary, "forward"), way(&summary, "reverse")), (json!([0, 0, 0]), json!([0, 0, 0])), "{summary}");
    let unanswered = number(&summary["unanswered"]);
    assert!(unanswered > 0 && summary["round_trip"]["lost"] == unanswered, "{summary}");
    assert!(summary["verdict"].to_string().contains("--rate-limit"), "{summary}");
    reflector.stop().assert_status(0);
}

#[test]
fn another_program_dissects_what_is_sent() {
    let Some(lan) = hosts(2) else { return };
    if !require("dumpcap") || !require("tshark") {
        return;
    }
    const PROBES: usize = 20;
    let scratch = Scratch::new();
    let file = scratch.path().join("x.pcap");
    let file = file.to_str().expect("it is text");
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let mut reflector = h2.udp(&["reflect", "10.1.0.2:862", "--json"]);
    reflector.stdout_line();
    let mut capture = h1.command("sh");
    // It ends once it has the probes and the replies to them.
    capture.args(["-c", "exec dumpcap -q -i eth0 -f 'udp port 862' -c 40 -w - > \"$0\"", file]);
    let mut capture = Process::start(capture);
    capture.until_told("File: ");
    let count = PROBES.to_string();
    h1.run(&["measure", "10.1.0.2:862", "--json", "--count", &count, "--rate", "100/s"]).assert_status(0);
    capture.finish().assert_status(0);
    let fields =
        ["seq_number", "timestamp", "sender_seq_number", "sender_timestamp", "sender_ttl", "receive_timestamp"];
    let mut tshark = Place::Here.command("tshark");
    tshark.args(["-r", file, "-d", "udp.port==862,twamp.test", "-T", "fields", "-e", "udp.dstport", "-e", "ip.ttl"]);
    tshark.args(fields.iter().flat_map(|field| ["-e".to_owned(), format!("twamp.test.{field}")]));
    let dissected = Process::start(tshark).finish();
    dissected.assert_status(0);
    let lines = dissected.lines();
    let rows: Vec<Vec<_>> = lines.iter().map(|line| line.split('\t').collect()).collect();
    let (probes, replies): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row[0] == "862");
    assert_eq!((probes.len(), replies.len()), (PROBES, PROBES), "{dissected:?}");
    for (number, (probe, reply)) in probes.iter().zip(&replies).enumerate() {
        let number = number.to_string();
        let [_, hops, sequence, sent, ..] = probe[..] else { panic!("{probe:?}") };
        let [_, _, reply_sequence, left, request_sequence, request_sent, request_hops, arrived] = reply[..] else {
            panic!("{reply:?}")
        };
        assert_eq!((sequence, reply_sequence, request_sequence), (&*number, &*number, &*number), "{probe:?} {reply:?}");
        assert_eq!((request_sent, request_hops), (sent, hops), "{probe:?} {reply:?}");
        // As texts of one length, they are in order as the times are.
        assert!(sent < arrived && arrived <= left, "{probe:?} {reply:?}");
    }
    reflector.stop().assert_status(0);
}

#[test]
fn probes_replies_and_answers_are_told_apart() {
    let line = |direction: &str, number: u64, fate: &str, at: u64| json!({"type": "datagram", "direction": direction, "number": number, "fate": fate, "entered_ns": at, "left_ns": at});
    // Up: 1, 3, 2, 2, and 4 is lost; 5 is no probe. The replies to them: 1 is lost, the third overtakes the second.
    let mut lines = vec![json!({"type": "relay"}), line("up", 1, "forwarded", 1), line("up", 3, "forwarded", 2)];
    lines.extend([line("up", 4, "lost", 2), line("up", 2, "forwarded", 3), line("up", 2, "forwarded", 3)]);
    lines.extend([line("down", 1, "lost", 4), line("down", 3, "forwarded", 5), line("down", 2, "forwarded", 5)]);
    lines.extend([line("down", 4, "forwarded", 6), line("up", 5, "forwarded", 7), line("down", 5, "forwarded", 8)]);
    let forward = Way { sent: 4, lost: 1, duplicates: 1, reordered: 1 };
    let reverse = Way { sent: 4, lost: 1, duplicates: 0, reordered: 1 };
    assert_eq!(Truth::of(&lines, 4), Truth { forward, reverse, lost: 2, duplicates: 1 });
}
