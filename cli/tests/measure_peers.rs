//! `udp measure` and `udp reflect` with another implementation of STAMP, through `udp relay`: what each side says is what happened, or
//! an interval that holds it.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/truth.rs"]
mod truth;

use std::fs::{self, Permissions};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;

use common::netns::{enter, require};
use common::{Outcome, Place, Process, Scratch, number};
use serde_json::{Value, json};
use truth::{Relayed, Truth, address};

/// The other one. `.ci/run` installs it; where it is not, these tests are skipped.
const PEER: &str = "stamp-suite";
/// Where it waits: it takes no port that is free, so each test has a network of its own.
const PORT: &str = "862";
const PROBES: u64 = 1000;
/// In hexadecimal digits.
const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A file with the key, as the other one reads it, and one as we do.
fn key_files(scratch: &Scratch) -> [String; 2] {
    let files = [scratch.file("theirs", KEY), scratch.file("ours", format!("hex:{KEY}"))];
    for file in &files {
        fs::set_permissions(file, Permissions::from_mode(0o600)).expect("it is ours");
    }
    files
}

/// Bad in both directions, and in each differently.
fn impairments() -> Vec<String> {
    let up = ["--up-loss=5%", "--up-duplicate=2%", "--up-reorder=3%,3,50ms", "--up-delay=5ms"];
    let down = ["--down-loss=burst:3%,3", "--down-duplicate=4%", "--down-reorder=2%,2,50ms", "--seed=7"];
    [up, down].concat().into_iter().map(str::to_owned).collect()
}

/// The other one as a reflector, once it answers.
fn their_reflector(arguments: &[&str]) -> Process {
    let mut command = Place::Here.command(PEER);
    command.args(["--is-reflector", "--local-addr", "127.0.0.1", "--local-port", PORT, "--output-format", "json"]);
    command.args(arguments);
    let mut reflector = Process::start(command);
    reflector.until_told("listening on");
    reflector
}

/// What the other one says as a sender of so many probes to an address.
fn their_figures(to: &str, arguments: &[&str]) -> Value {
    let (host, port) = to.rsplit_once(':').expect("a port");
    let mut command = Place::Here.command(PEER);
    command.args(["--remote-addr", host, "--remote-port", port, "--count", &PROBES.to_string()]);
    command.args(["--send-delay", "500us", "--timeout", "1", "--output-format", "json"]).args(arguments);
    let outcome = Process::start(command).finish();
    outcome.assert_status(0);
    outcome.objects().pop().unwrap_or_else(|| panic!("nothing said: {outcome:?}"))
}

/// What `udp measure` says of a path to an address.
fn our_figures(to: &str, arguments: &[&str]) -> Value {
    let usual = ["measure", to, "--json", "--count", &PROBES.to_string(), "--rate", "2000/s", "--wait", "1s"];
    let outcome = Place::Here.run(&[&usual[..], arguments].concat());
    outcome.assert_status(0);
    summary(&outcome)
}

fn summary(outcome: &Outcome) -> Value {
    let summary = outcome.objects().pop().unwrap_or_else(|| panic!("no summary: {outcome:?}"));
    assert_eq!(summary["type"], "summary", "{outcome:?}");
    summary
}

/// A count that was said, or the interval that it is in; without an end where it may be any higher one.
fn interval(said: &Value) -> RangeInclusive<u64> {
    match said.as_array().map(Vec::as_slice) {
        Some([low, Value::Null]) => number(low)..=u64::MAX,
        Some([low, high]) => number(low)..=number(high),
        _ => number(said)..=number(said),
    }
}

/// Asserts that what was said of each direction holds what happened.
fn assert_holds(summary: &Value, truth: &Truth) {
    for (said, way) in [(&summary["forward"], &truth.forward), (&summary["reverse"], &truth.reverse)] {
        for (key, count) in [("lost", way.lost), ("duplicates", way.duplicates), ("reordered", way.reordered)] {
            assert!(interval(&said[key]).contains(&count), "{key} is {count}: {said}\n{truth:?}");
        }
    }
    let round_trip = &summary["round_trip"];
    let exact = json!([truth.lost, PROBES - truth.lost]);
    assert_eq!(json!([round_trip["lost"], round_trip["answered"]]), exact, "{summary}");
}

/// Asserts that this holds, and is as narrow as a stateful reflector that knows nothing of ours allows.
fn assert_known(summary: &Value, truth: &Truth) {
    assert_eq!(summary["reflector"], "stateful", "{summary}");
    assert_holds(summary, truth);
    let (forward, reverse) = (&summary["forward"], &summary["reverse"]);
    // Its own numbers say which replies it sent; all but those to the first closing questions, if some were lost.
    assert_eq!(
        json!([reverse["duplicates"], reverse["reordered"]]),
        json!([truth.reverse.duplicates, truth.reverse.reordered]),
        "{summary}"
    );
    let lost = [forward, reverse].map(|way| interval(&way["lost"]));
    assert!(lost[0].end() - lost[0].start() <= *lost[1].end() && lost[1].end() - truth.reverse.lost < 5, "{summary}");
}

#[test]
fn they_measure_what_the_truth_says_with_their_own_reflector() {
    if !enter("they_measure_what_the_truth_says_with_their_own_reflector", "") || !require(PEER) {
        return;
    }
    let theirs = their_reflector(&["--stateful-reflector"]);
    let relayed = Relayed::to(&format!("127.0.0.1:{PORT}"), &impairments());
    let figures = their_figures(&relayed.address, &[]);
    assert_they_saw(&figures, &relayed.truth(PROBES));
    drop(theirs);
}

#[test]
fn we_measure_with_their_reflector() {
    if !enter("we_measure_with_their_reflector", "") || !require(PEER) {
        return;
    }
    let theirs = their_reflector(&["--stateful-reflector"]);
    let relayed = Relayed::to(&format!("127.0.0.1:{PORT}"), &impairments());
    let summary = our_figures(&relayed.address, &[]);
    assert_known(&summary, &relayed.truth(PROBES));
    drop(theirs);
}

#[test]
fn we_measure_with_their_authenticated_reflector() {
    if !enter("we_measure_with_their_authenticated_reflector", "") || !require(PEER) {
        return;
    }
    let scratch = Scratch::new();
    let [their_key, our_key] = key_files(&scratch);
    let theirs = their_reflector(&["--stateful-reflector", "--auth-mode", "A", "--hmac-key-file", &their_key]);
    let relayed = Relayed::to(&format!("127.0.0.1:{PORT}"), &impairments());
    let summary = our_figures(&relayed.address, &["--key-file", &our_key]);
    assert_known(&summary, &relayed.truth(PROBES));
    drop(theirs);
}

#[test]
fn a_reflector_of_theirs_without_state_leaves_the_directions_unknown() {
    if !enter("a_reflector_of_theirs_without_state_leaves_the_directions_unknown", "") || !require(PEER) {
        return;
    }
    let theirs = their_reflector(&[]);
    let relayed = Relayed::to(&format!("127.0.0.1:{PORT}"), &impairments());
    let summary = our_figures(&relayed.address, &[]);
    let truth = relayed.truth(PROBES);
    assert_eq!(summary["reflector"], "stateless", "{summary}");
    assert_holds(&summary, &truth);
    let known = ["forward", "reverse"].map(|way| summary[way]["lost"].is_array());
    assert_eq!(known, [true; 2], "no count of a direction is claimed: {summary}");
    drop(theirs);
}

#[test]
fn they_measure_with_our_reflector() {
    if !enter("they_measure_with_our_reflector", "") || !require(PEER) {
        return;
    }
    let mut reflector = Place::Here.udp(&["reflect", "127.0.0.1:0", "--json", "--send-times"]);
    let relayed = Relayed::to(&address(&reflector.stdout_line()), &impairments());
    let all = ["--cos", "--direct-measurement", "--follow-up-telemetry", "--location", "--timestamp-info"];
    let theirs = their_figures(&relayed.address, &[&all[..], &["--ber", "--ssid", "48879"]].concat());
    let truth = relayed.truth(PROBES);
    assert_they_saw(&theirs, &truth);
    // They see no fault in what we make of it; and their experiments we do not know.
    let extensions = theirs["measurements"]["tlv_validation"]["by_type"].as_object().expect("by type");
    assert_eq!(extensions.len(), 9, "{theirs}");
    for (kind, seen) in extensions {
        let [unrecognized, malformed, failed] =
            ["unrecognized", "malformed", "integrity_failed"].map(|flag| number(&seen["flags"][flag]));
        let is_of_theirs = ["240", "241", "242"].contains(&kind.as_str());
        let expected = if is_of_theirs { number(&seen["observed"]) } else { 0 };
        assert_eq!((unrecognized, malformed, failed), (expected, 0, 0), "{kind}: {theirs}");
    }
    assert!(number(&theirs["measurements"]["follow_up"]["matched"]) > 0, "{theirs}");
    assert_ours(&reflector.stop(), &truth);
}

#[test]
fn they_measure_with_our_authenticated_reflector() {
    if !enter("they_measure_with_our_authenticated_reflector", "") || !require(PEER) {
        return;
    }
    let scratch = Scratch::new();
    let [their_key, our_key] = key_files(&scratch);
    let mut reflector = Place::Here.udp(&["reflect", "127.0.0.1:0", "--json", "--key-file", &our_key]);
    let relayed = Relayed::to(&address(&reflector.stdout_line()), &impairments());
    let theirs =
        their_figures(&relayed.address, &["--auth-mode", "A", "--hmac-key-file", &their_key, "--direct-measurement"]);
    let truth = relayed.truth(PROBES);
    assert_they_saw(&theirs, &truth);
    let hmac = &theirs["measurements"]["tlv_validation"]["hmac"];
    assert_eq!(hmac["verified"], theirs["measurements"]["tlv_validation"]["evaluated_replies"], "{theirs}");
    assert_ours(&reflector.stop(), &truth);
}

/// Asserts that they say what happened, as far as they count it.
fn assert_they_saw(theirs: &Value, truth: &Truth) {
    assert_eq!((&theirs["packets_sent"], &theirs["packets_lost"]), (&json!(PROBES), &json!(truth.lost)), "{theirs}");
    let measured = &theirs["measurements"];
    // Two replies to one request, and one reply that came twice, are two things for them; for the relay it is all one.
    let more = number(&measured["additional_replies"]) + number(&measured["duplicate_replies"]);
    assert_eq!((more, &measured["reordered_replies"]), (truth.duplicates, &json!(truth.reverse.reordered)), "{theirs}");
}

/// Asserts that our reflector says what arrived.
fn assert_ours(outcome: &Outcome, truth: &Truth) {
    outcome.assert_status(0);
    let summary = outcome.summary();
    let forward = &truth.forward;
    assert_eq!(number(&summary["received"]), forward.sent - forward.lost + forward.duplicates, "{summary}");
}
