//! What a person writes for `udp measure`: conditions, explanations, older runs, files of targets; each against a reflector.
#![cfg(target_os = "linux")]

mod common;

use common::{Outcome, Place, Process, Scratch};

/// A reflector on this host, a relay before it with these impairments, and the address of the relay.
fn reflector(impairments: &[&str]) -> ([Process; 2], String) {
    let (reflector, addresses) = Place::Here.waiting(&["reflect", "127.0.0.1:0"]);
    let target = addresses[0].to_string();
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", &target], impairments].concat());
    let line = relay.until_told("relaying from ");
    let address = line.split(' ').nth(2).expect("it names its address").to_owned();
    ([reflector, relay], address)
}

/// A short measurement.
fn measure(arguments: &[&str]) -> Outcome {
    Place::Here.run(&[&["measure", "--count", "100", "--rate", "1000/s", "--wait", "300ms"], arguments].concat())
}

#[test]
fn a_condition_that_holds_is_status_1_and_one_that_does_not_is_0() {
    let (_running, target) = reflector(&["--up-drop", "every:10"]);
    let outcome = measure(&[&target, "--fail-if", "forward.loss>5%", "--fail-if", "reverse.loss>0%"]);
    outcome.assert_status(1);
    outcome
        .assert_told(&["failed: forward.loss>5%: forward.loss is 10%", "passed: reverse.loss>0%: reverse.loss is 0%"]);
    let outcome = measure(&[&target, "--fail-if", "loss>15%", "--fail-if", "rtt.p99>10s"]);
    outcome.assert_status(0);
    outcome.assert_told(&["passed: loss>15%: loss is 10%", "passed: rtt.p99>10s: "]);
}

#[test]
fn a_figure_is_explained_and_all_are_listed_without_a_reflector() {
    let outcome = Place::Here.run(&["measure", "--explain", "forward.delay.p99"]);
    outcome.assert_status(0);
    let text = outcome.text();
    assert!(text.starts_with("delay: one-way delay, as far as both clocks allow\n  forward: T2 - T1"), "{text}");
    assert!(text.contains("\n  Defined in: RFC 7679\n"), "{text}");
    let listed = Place::Here.run(&["measure", "--explain"]).lines();
    assert!(listed.len() > 20 && listed.iter().any(|line| line.starts_with("rtt  ")), "{listed:?}");
    let outcome = Place::Here.run(&["measure", "--explain", "throughput"]);
    outcome.assert_status(2);
    outcome.assert_told(&["there is no figure 'throughput'"]);
}

#[test]
fn what_differs_from_an_older_run_by_more_than_chance_is_named() {
    let scratch = Scratch::new();
    let (_good, target) = reflector(&[]);
    let file = scratch.path().join("before.json").display().to_string();
    let udp = env!("CARGO_BIN_EXE_udp");
    Place::Here.shell(&format!("'{udp}' measure {target} --count 100 --rate 1000/s --wait 300ms --json > '{file}'"));
    let compared = |target: &str| {
        let lines = measure(&[target, "--compare", &file]).lines();
        ["forward.loss ", "reverse.loss "].map(|figure| {
            let line = lines.iter().find(|line| line.trim_start().starts_with(figure));
            line.unwrap_or_else(|| panic!("{lines:?}")).rsplit(": ").next().unwrap().to_owned()
        })
    };
    assert_eq!(compared(&target), ["no difference", "no difference"]);
    let (_bad, target) = reflector(&["--up-drop", "every:3"]);
    assert_eq!(compared(&target), ["more than before", "no difference"]);
    let wrong = scratch.file("wrong.json", "{}\n");
    let outcome = measure(&[&target, "--compare", &wrong]);
    outcome.assert_status(2);
    outcome.assert_told(&["it has no summary of udp measure", "--json > "]);
}

#[test]
fn each_target_of_a_file_has_its_own_summary_and_conditions() {
    let scratch = Scratch::new();
    let ((_good, good), (_bad, bad)) = (reflector(&[]), reflector(&["--down-drop", "every:4"]));
    let file = scratch.file(
        "targets.toml",
        format!(
            "[[target]]\nname = 'good'\naddress = '{good}'\nfail-if = 'loss>50%'\n\
             [[target]]\nname = 'bad'\naddress = '{bad}'\nfail-if = ['reverse.loss>20%']\n"
        ),
    );
    let outcome = measure(&["--targets", &file]);
    outcome.assert_status(1);
    outcome.assert_told(&["good: passed: loss>50%: loss is 0%", "bad: failed: reverse.loss>20%: reverse.loss is 25%"]);
    let lines = outcome.lines();
    assert!(["good", "bad"].iter().all(|name| lines.iter().any(|line| line == name)), "{lines:?}");
}

#[test]
fn a_file_of_targets_is_checked_as_a_whole_before_anything_is_sent() {
    let scratch = Scratch::new();
    let file = scratch.file("targets.toml", "[[target]]\naddres = 'h'\n[[target]]\naddress = 'h'\nrate = '5'\n");
    let outcome = measure(&["--targets", &file]);
    outcome.assert_status(2);
    outcome.assert_told(&[
        "line 2, column 1: a target has no 'addres'; did you mean address?",
        "it has 2 mistakes; the next: line 5, column 8: '5' is not a rate",
    ]);
}

#[test]
fn a_run_that_is_interrupted_before_an_answer_came_says_so_with_its_status() {
    #[expect(clippy::disallowed_methods, reason = "any program's socket will do")]
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    let target = silent.local_addr().expect("it is bound").to_string();
    let measuring = Place::Here.udp(&["measure", &target, "--for", "1h", "--wait", "100ms"]);
    silent.recv(&mut [0; 200]).expect("a probe comes");
    measuring.signal("INT");
    let outcome = measuring.finish();
    outcome.assert_status(130);
    assert!(outcome.text().contains("nothing answered"), "{}", outcome.text());
}

#[test]
fn what_can_have_no_reflector_is_refused_before_anything_is_sent() {
    for (target, words) in [
        ("127.0.0.1:0", "nothing can be sent to port 0"),
        ("255.255.255.255", "the address of all its hosts"),
        ("239.1.2.3", "has no single reflector"),
    ] {
        let outcome = Place::Here.run(&["measure", target, "--for", "1h"]);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}
