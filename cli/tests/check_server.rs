//! `udp check server` against programs whose faults are known: the verdict of each point.
//!
//! Each program is started by the check, on a host of its own.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;

use common::netns::{Lan, require};
use common::{Outcome, Place, Process, Scratch, serve_at};
use serde_json::Value;

/// The corpus: a server without faults, and with each fault by name.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/programs.py");

/// Where programs are checked.
const TARGET: &str = "127.0.0.1:10000";

/// A host of its own, where port 10000 is free.
fn alone() -> Option<Lan> {
    if require("python3") { Lan::hosts(1) } else { None }
}

/// What a check of a command on that host says, in JSON.
fn check(lan: &Lan, options: &[&str], command: &[&str]) -> Outcome {
    let arguments = [&["check", "server", TARGET, "--json"], options, &["--"], command].concat();
    Place::On(lan, "h1").run(&arguments)
}

/// The verdicts of a check, by their points.
fn verdicts(outcome: &Outcome) -> BTreeMap<String, String> {
    let objects = outcome.objects();
    let points = objects.iter().filter(|object| object["type"] == "point");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    points.map(|point| (text(&point["point"]), text(&point["verdict"]))).collect()
}

/// The points with this verdict, in the order of their names.
fn with_verdict(outcome: &Outcome, wanted: &str) -> Vec<String> {
    verdicts(outcome).into_iter().filter(|(_, verdict)| verdict == wanted).map(|(point, _)| point).collect()
}

/// Asserts which points failed and which were not seen; all others passed.
fn assert_verdicts(outcome: &Outcome, failed: &[&str], not_seen: &[&str]) {
    let found = [with_verdict(outcome, "failed"), with_verdict(outcome, "not_seen")];
    assert_eq!(found, [failed, not_seen], "{outcome:?}");
    outcome.assert_status(i32::from(!failed.is_empty()));
    let summary = outcome.objects().pop().expect("a summary");
    let counts = ["passed", "failed", "not_seen"].map(|key| common::number(&summary[key]));
    let expected = [18 - failed.len() - not_seen.len(), failed.len(), not_seen.len()];
    assert_eq!(counts.map(|count| usize::try_from(count).expect("few")), expected, "{outcome:?}");
}

/// The corpus's server with a fault, at every address of IPv4.
fn corpus(lan: &Lan, fault: &str) -> Outcome {
    check(lan, &[], &["python3", PROGRAMS, "server", fault])
}

#[test]
fn our_own_server_has_no_fault_that_can_be_seen() {
    let Some(lan) = alone() else { return };
    for arguments in [&["--echo"][..], &["--reply", "pong {count}"], &[]] {
        let command = [&[env!("CARGO_BIN_EXE_udp"), "serve"], arguments].concat();
        let outcome = check(&lan, &[], &command);
        assert_eq!(with_verdict(&outcome, "failed"), [""; 0], "{outcome:?}");
        outcome.assert_status(0);
    }
}

#[test]
fn the_lessons_server_has_three_faults() {
    let Some(lan) = alone() else { return };
    assert_verdicts(&corpus(&lan, "lesson"), &["families", "loop", "own-address"], &["escapes", "whole"]);
}

#[test]
fn each_fault_is_found_by_its_point_and_by_no_other() {
    let Some(lan) = alone() else { return };
    // All of them listen by IPv4 alone.
    let cases: [(&str, &[&str], &[&str]); 9] = [
        ("none", &["families"], &[]),
        ("fixed", &["families"], &["whole"]),
        ("empty", &["empty", "families"], &[]),
        ("text", &["binary", "families"], &[]),
        ("escapes", &["escapes", "families"], &[]),
        ("cuts", &["families", "whole"], &[]),
        ("merges", &["apart", "families"], &[]),
        ("amplifies", &["amplification", "families"], &[]),
        ("loops", &["families", "loop"], &["whole"]),
    ];
    for (fault, failed, not_seen) in cases {
        assert_verdicts(&corpus(&lan, fault), failed, not_seen);
    }
}

#[test]
fn what_a_refusal_ends_fails_by_that_alone() {
    let Some(lan) = alone() else { return };
    let outcome = corpus(&lan, "refusal");
    assert_eq!(verdicts(&outcome)["refusal"], "failed", "{outcome:?}");
    for survived in ["burst", "large", "binary", "empty", "alive"] {
        assert_eq!(verdicts(&outcome)[survived], "passed", "{survived}: {outcome:?}");
    }
}

#[test]
fn a_server_that_is_deaf_to_all_but_one_is_told_from_one_that_mixes_peers_up() {
    let Some(lan) = alone() else { return };
    let deaf = corpus(&lan, "first-peer");
    assert_eq!(with_verdict(&deaf, "failed"), ["every-peer"], "{deaf:?}");
    let mixing = corpus(&lan, "mixes-peers");
    assert_eq!(with_verdict(&mixing, "failed"), ["own-answer"], "{mixing:?}");
    let elsewhere = corpus(&lan, "wrong-address");
    for point in ["own-port", "own-address"] {
        assert_eq!(verdicts(&elsewhere)[point], "failed", "{elsewhere:?}");
    }
}

#[test]
fn products_have_the_faults_that_are_known_of_them() {
    let Some(lan) = alone() else { return };
    let cases: [(&str, &[&str], &[&str]); 3] = [
        // A process for each peer, connected to it after others had sent.
        (
            "socat",
            &["socat", "UDP-LISTEN:10000,fork", "PIPE"],
            &["apart", "own-answer", "own-address", "whole", "loop"],
        ),
        ("ncat", &["ncat", "-ulk", "-e", "/bin/cat", "10000"], &["own-answer", "own-address", "loop"]),
        // Connected to the first peer; an empty datagram is its end.
        ("socat", &["socat", "UDP-LISTEN:10000", "PIPE"], &["every-peer", "whole", "loop", "empty"]),
    ];
    for (program, command, failed) in cases {
        if require(program) {
            let outcome = check(&lan, &[], command);
            let found = verdicts(&outcome);
            for point in failed {
                assert_eq!(found[*point], "failed", "{command:?}, {point}: {outcome:?}");
            }
            assert_eq!(found["answers"], "passed", "{outcome:?}");
        }
    }
}

#[test]
fn a_protocol_is_checked_with_a_request_of_its_own() {
    let Some(lan) = alone().filter(|_| require("dnsmasq")) else { return };
    // Asks for the address of `host.test`, which it knows.
    let question = "?? ?? 01 00 00 01 00 00 00 00 00 00 04 68 6f 73 74 04 74 65 73 74 00 00 01 00 01";
    let options =
        ["--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=10000", "--address=/host.test/192.0.2.1"];
    let command = [&["dnsmasq", "--no-daemon"], &options[..]].concat();
    let outcome = check(&lan, &["--request-hex", question], &command);
    assert_eq!(with_verdict(&outcome, "failed"), [""; 0], "{outcome:?}");
    assert_eq!(with_verdict(&outcome, "not_seen"), ["escapes", "whole"], "{outcome:?}");
}

#[test]
fn silence_and_refusal_are_two_ends() {
    let (server, port) = serve_at("127.0.0.1", &["--sink"]);
    let target = format!("127.0.0.1:{port}");
    let outcome = Place::Here.run(&["check", "server", &target, "--wait", "100ms", "--json"]);
    assert_eq!(with_verdict(&outcome, "failed"), ["answers"], "{outcome:?}");
    outcome.assert_status(1);
    server.stop();
    let outcome = Place::Here.run(&["check", "server", &target]);
    outcome.assert_status(2);
    outcome.assert_told(&[&format!("udp: cannot check {target}: port unreachable\n")]);
}

#[test]
fn losses_fail_nothing() {
    // A third of all datagrams is lost in each direction.
    let (server, port) = serve_at("127.0.0.1", &["--echo"]);
    let target = format!("127.0.0.1:{port}");
    let (relay, addresses) = relaying(&["127.0.0.1:0", &target, "--loss", "30%", "--duplicate", "5%", "--seed", "3"]);
    let outcome = Place::Here.run(&["check", "server", &addresses, "--json"]);
    assert_eq!(with_verdict(&outcome, "failed"), [""; 0], "{outcome:?}");
    outcome.assert_status(0);
    relay.stop();
    server.stop();
}

/// A relay, and where it is.
fn relaying(arguments: &[&str]) -> (Process, String) {
    let mut relay = Place::Here.udp(&[&["relay"], arguments].concat());
    let line = relay.until_told("relaying from ");
    let address = line.split("relaying from ").nth(1).and_then(|rest| rest.split(" to ").next()).expect("an address");
    (relay, address.to_owned())
}

#[test]
fn a_failure_says_what_was_sent_what_came_and_what_to_change() {
    let Some(lan) = alone() else { return };
    let command = ["python3", PROGRAMS, "server", "empty"];
    let arguments = [&["check", "server", TARGET, "--only", "empty", "--"], &command[..]].concat();
    let outcome = Place::On(&lan, "h1").run(&arguments);
    outcome.assert_status(1);
    let text = outcome.text();
    let wanted = [
        "failed    empty          survives an empty datagram: after an empty datagram, it exited with status 0",
        "twice of two times\n",
        &format!(" -> {TARGET}  0 B\n"),
        "\n          why     A datagram without a payload is a datagram",
        "\n          change  Do not end the loop where a receiving call returns 0 bytes",
        "\n          lesson  docs/course/",
    ];
    for words in wanted {
        assert!(text.contains(words), "no '{words}': {outcome:?}");
    }
    outcome.assert_told(&["0 passed, 1 failed, 0 not seen ("]);
}

#[test]
fn what_is_not_ours_is_not_checked_unasked() {
    let outcome = Place::Here.run(&["check", "server", "192.0.2.1:9"]);
    outcome.assert_status(2);
    outcome.assert_told(&[
        "udp: cannot check 192.0.2.1:9: the address is neither loopback nor private\n",
        "hint: --i-may",
    ]);
    for many in ["239.1.2.3:9", "255.255.255.255:9"] {
        let outcome = Place::Here.run(&["check", "server", many, "--i-may"]);
        outcome.assert_status(2);
        outcome.assert_told(&["it is not the address of one host"]);
    }
    let outcome = Place::Here.run(&["check", "server", ":9", "--only", "emptyy"]);
    outcome.assert_status(2);
    outcome.assert_told(&["there is no point 'emptyy' (is it 'empty'?); the points are answers, again, "]);
}

#[test]
fn a_file_with_what_the_server_prints_is_read() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    for (fault, verdict) in [("none", "passed"), ("escapes", "failed")] {
        let printed = scratch.file(fault, "");
        let mut command = Place::Here.command("sh");
        command.args(["-c", "exec python3 \"$0\" server \"$1\" 127.0.0.1 0 > \"$2\"", PROGRAMS, fault, &printed]);
        let server = Process::start(command);
        let port = loop {
            let text = std::fs::read_to_string(&printed).expect("the file is ours");
            if let Some(port) = text.strip_prefix("ready ").and_then(|rest| rest.strip_suffix('\n')) {
                break port.to_owned();
            }
            std::thread::yield_now();
        };
        let target = format!("127.0.0.1:{port}");
        let arguments = ["check", "server", &target, "--json", "--only", "escapes", "--output", &printed];
        let outcome = Place::Here.run(&arguments);
        assert_eq!(verdicts(&outcome)["escapes"], verdict, "{fault}: {outcome:?}");
        drop(server);
    }
}
