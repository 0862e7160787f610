//! What a person writes for `udp measure`: conditions, explanations, older runs, files of targets; each against a reflector.
#![cfg(target_os = "linux")]

mod common;

use common::{Outcome, Place, Process, Scratch, number};

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

/// The summary of a run without an end, of which every probe that gets an answer got it, once this was done with it.
fn ended(target: &str, end: impl FnOnce(&mut Process)) -> (Outcome, serde_json::Value) {
    let arguments = ["measure", target, "--forever", "--wait", "10m", "--rate", "500/s", "--json", "--status", "20ms"];
    let mut measuring = Place::Here.udp(&arguments);
    measuring.until(|line| line.contains(r#""type":"status""#) && !line.contains(r#""answered":0,"#));
    measuring.signal("INT");
    end(&mut measuring);
    let outcome = measuring.finish();
    let summary = outcome.objects().pop().expect("it has a summary");
    (outcome, summary)
}

#[test]
fn a_signal_ends_a_run_as_soon_as_everything_is_answered() {
    let (_running, target) = reflector(&[]);
    let (outcome, summary) = ended(&target, |_| ());
    outcome.assert_status(0);
    assert_eq!(summary["round_trip"]["answered"], summary["sent"], "{summary}");
    assert!(number(&summary["elapsed_ns"]) < 300_000_000_000, "it does not wait for ten minutes: {summary}");
}

#[test]
fn a_second_signal_ends_a_run_with_what_is_known_and_counts_what_is_outstanding_apart() {
    let (_running, target) = reflector(&["--down-drop", "every:2"]);
    let (outcome, summary) = ended(&target, |measuring| {
        // The first signal is heard once no more are sent.
        let before = std::cell::RefCell::new(String::new());
        measuring.until(|line| {
            let now = line.split(r#""sent":"#).nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
            before.replace(now.to_owned()) == now
        });
        measuring.signal("INT");
    });
    outcome.assert_status(0);
    let round_trip = &summary["round_trip"];
    let [answered, lost, waiting] = ["answered", "lost", "waiting"].map(|key| number(&round_trip[key]));
    assert_eq!((lost, answered + waiting), (0, number(&summary["sent"])), "{summary}");
    assert!(answered > 0 && waiting > 0, "{summary}");
    assert!(summary["verdict"].to_string().contains("outstanding when it was ended"), "{summary}");
}

#[test]
fn datagrams_that_are_ignored_have_a_line_and_what_is_one_is_called_one() {
    let (_running, target) = reflector(&[]);
    let scratch = Scratch::new();
    let key = scratch.secret("probe.key", "known to nobody else, that is");
    let outcome = Place::Here.run(&["measure", &target, "--count", "1", "--wait", "300ms", "--key-file", &key]);
    outcome.assert_status(1);
    outcome.assert_told(&["1 probe\n"]);
    let text = outcome.text();
    assert!(text.contains(": 1 probe in ") && text.contains(" ignored: "), "{text}");
    assert!(text.contains("see the datagrams ignored"), "{text}");
}

#[test]
fn what_happens_to_one_of_several_targets_has_its_name() {
    let (_running, target) = reflector(&[]);
    let scratch = Scratch::new();
    let key = scratch.secret("probe.key", "known to nobody else, that is");
    let file = scratch.file(
        "targets.toml",
        format!("[[target]]\nname = 'open'\naddress = '{target}'\n[[target]]\nname = 'locked'\naddress = '{target}'\nkey-file = '{key}'\n"),
    );
    let objects = measure(&["--targets", &file, "--json"]).objects();
    let ignored: Vec<_> = objects.iter().filter(|object| object["type"] == "ignored").collect();
    assert!(!ignored.is_empty() && ignored[0]["name"] == "locked", "{ignored:?}");
    measure(&["--targets", &file]).assert_told(&["locked: ignored "]);
}

#[test]
fn flags_about_payloads_are_refused_where_none_are_printed() {
    for verb in [&["measure", "127.0.0.1"][..], &["relay", "0", "127.0.0.1"]] {
        for flag in ["--raw", "--hex-dump", "--force"] {
            let outcome = Place::Here.run(&[verb, &[flag]].concat());
            outcome.assert_status(2);
            outcome.assert_told(&[flag, "is about payloads, and none are printed here"]);
        }
        Place::Here.run(&[verb, &["--format", "raw"]].concat()).assert_status(2);
        let help = Place::Here.run(&[verb[0], "--help"]).text();
        assert!(!help.contains("--raw") && !help.contains("raw,"), "{help}");
    }
}

#[test]
fn sizes_that_are_too_short_for_a_figure_are_named_and_those_too_short_for_a_key_refused() {
    let (_running, target) = reflector(&[]);
    let text = measure(&[&target, "--size", "44"]).text();
    assert!(text.contains("  DSCP and ECN forward: not measured at 44 B, needs --size 52\n"), "{text}");
    assert!(!measure(&[&target]).text().contains("not measured"));
    let scratch = Scratch::new();
    let key = scratch.secret("probe.key", "known to nobody else, that is");
    let outcome = measure(&[&target, "--size", "64", "--key-file", &key]);
    outcome.assert_status(2);
    outcome.assert_told(&["a probe of 64 bytes has no room for what --key-file adds", "hint: --size 112"]);
}
