//! `udp check` where the user starts the program, and where it can be started, interrupted or found in no way.
#![cfg(target_os = "linux")]

mod common;

use common::netns::{Lan, require};
use common::{Outcome, Place, Process};

/// Programs with each fault by its name.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/programs.py");

/// The points of a check with this verdict, in their order.
fn with_verdict(outcome: &Outcome, verdict: &str) -> Vec<String> {
    let objects = outcome.objects();
    let points = objects.iter().filter(|object| object["type"] == "point" && object["verdict"] == verdict);
    points.map(|point| point["point"].as_str().expect("a name").to_owned()).collect()
}

/// A program of the corpus, with its arguments.
fn corpus(place: Place<'_>, arguments: &[&str]) -> Process {
    let mut command = place.command("python3");
    command.arg(PROGRAMS).args(arguments);
    Process::start(command)
}

#[test]
fn a_client_that_is_started_by_hand_is_judged_by_what_it_sends() {
    if !require("python3") {
        return;
    }
    let arguments = ["check", "client", "127.0.0.1:0", "--expect", "Hello World", "--wait", "1s", "--json"];
    let mut check = Place::Here.udp(&arguments);
    let invitation = check.until(|line| line.contains("start the client now"));
    let port = invitation.split("127.0.0.1:").nth(1).expect("where").split('"').next().expect("a port").to_owned();
    let client = corpus(Place::Here, &["client", "none", "127.0.0.1", &port]).finish();
    assert!(client.text().starts_with("answer "), "{client:?}");
    let outcome = check.finish();
    assert_eq!(with_verdict(&outcome, "passed"), ["sends", "payload", "whole", "terminator", "encoding"]);
    assert_eq!(with_verdict(&outcome, "failed"), [""; 0]);
    outcome.assert_status(0);
}

#[test]
fn of_a_receiver_that_runs_it_is_seen_what_ends_it() {
    let Some(lan) = Lan::hosts(1).filter(|_| require("python3")) else { return };
    let host = Place::On(&lan, "h1");
    let check = |fault: &str| {
        let mut receiver = corpus(host, &["receiver", fault]);
        host.shell("until [ \"$(ss -4Hlun sport = :10000; ss -6Hlun sport = :10000)\" ]; do :; done");
        let outcome = host.run(&["check", "receiver", "--json"]);
        receiver.tell(b"");
        outcome
    };
    let sound = check("none");
    assert_eq!(with_verdict(&sound, "failed"), [""; 0], "{sound:?}");
    assert_eq!(with_verdict(&sound, "passed"), ["empty", "text", "large", "burst"]);
    sound.assert_status(0);
    let weak = check("text");
    assert_eq!(with_verdict(&weak, "failed"), ["text"], "{weak:?}");
    // It is gone then.
    assert_eq!(with_verdict(&weak, "passed"), ["empty"]);
    weak.assert_status(1);
    let nobody = host.run(&["check", "receiver", "--json"]);
    assert_eq!(with_verdict(&nobody, "not_seen").len(), 14, "{nobody:?}");
    nobody.assert_status(2);
}

#[test]
fn a_sender_that_is_started_by_hand_is_heard() {
    let Some(lan) = Lan::hosts(1).filter(|_| require("python3")) else { return };
    let host = Place::On(&lan, "h1");
    // Python's way to a broadcast address needs one that was set.
    host.shell("ip address flush dev eth0 scope global; ip address add 10.1.0.1/24 brd + dev eth0");
    let mut check = host.udp(&["check", "sender", "--expect", "Halo Dunia!", "--wait", "1s", "--json"]);
    check.until(|line| line.contains("start the sender now"));
    let sender = corpus(host, &["sender", "none"]).finish();
    sender.assert_status(0);
    let outcome = check.finish();
    assert_eq!(with_verdict(&outcome, "failed"), [""; 0], "{outcome:?}");
    assert_eq!(with_verdict(&outcome, "not_seen"), ["networks", "answers"]);
}

#[test]
fn a_program_that_there_is_not_is_no_failure_of_a_point() {
    for role in ["client", "receiver", "sender"] {
        let outcome = Place::Here.run(&["check", role, "-p", "0", "--", "/no/such/program"]);
        outcome.assert_status(2);
        assert_eq!(outcome.text(), "", "{role}");
    }
}

#[test]
fn a_client_that_sends_nothing_fails_by_that_alone() {
    let outcome = Place::Here.run(&["check", "client", "--json", "--", "sh", "-c", "echo no {port}; exit 3"]);
    assert_eq!(with_verdict(&outcome, "failed"), ["sends"], "{outcome:?}");
    assert_eq!(with_verdict(&outcome, "passed"), [""; 0], "{outcome:?}");
    let sends = &outcome.objects()[0]["seen"];
    assert!(sends.as_str().expect("words").contains("it exited with status 3: no "), "{sends}");
    outcome.assert_status(1);
}

#[test]
fn an_interrupt_ends_the_check_and_the_program() {
    let script = "echo $$ > \"$0\"; true {port}; exec sleep 60";
    let scratch = common::Scratch::new();
    let file = scratch.path().join("process");
    let path = file.to_str().expect("text");
    let check = Place::Here.udp(&["check", "client", "--json", "--", "sh", "-c", script, path]);
    while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
        std::thread::yield_now();
    }
    let outcome = check.stop();
    assert_eq!(with_verdict(&outcome, "not_seen").len(), 16, "{outcome:?}");
    outcome.assert_status(130);
    let process = std::fs::read_to_string(&file).expect("it is there");
    assert!(!std::path::Path::new(&format!("/proc/{}", process.trim())).exists(), "{process} is still there");
}
