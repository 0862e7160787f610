//! What a person reads of the command itself: help, usage errors, interfaces.
//!
//! `SNAPSHOTS=overwrite cargo test` writes the snapshots anew; look at what changed.
#![cfg(target_os = "linux")]

mod common;

use std::path::Path;

use common::netns::Lan;
use common::{Outcome, Place, Process, Scratch, asking_for_help, examples, verbs_and_parts};
use serde_json::json;
use snapbox::{Data, assert_data_eq};

/// Interfaces of every kind: two networks of which one has a peer address, /31, one switched off.
const ONE_OF_EACH: &str = "
host h
on h ip link add off0 type bridge
for number in 0 1; do
    ip link add eth$number netns h type veth peer name h$number
    on h ip link set eth$number address 02:00:00:00:00:0$number
    ip link set h$number up
    on h ip link set eth$number mtu 1400 up
    usable h eth$number
done
on h ip address add 10.1.0.1/24 dev eth0
on h ip address add 10.1.7.1/24 broadcast 10.1.7.127 dev eth0
on h ip address add fd01::1/64 dev eth0 nodad
on h ip address add 10.2.0.0/31 dev eth1
on h ip address add 10.3.0.1 peer 10.3.0.2/32 dev eth1
";

/// A host with a network on an interface whose name would steer a terminal.
const HOSTILE_NAME: &str = r#"
host h
steering=$(printf '\033[31mX\007')
on h ip link add "$steering" type veth peer name peer
on h ip address add 10.1.0.1/24 dev "$steering"
on h ip link set "$steering" up
on h ip link set peer up
usable h peer
"#;

/// What the help says only where the features `http` and `tui` are in: from the first text to before the second.
const ABOUT_FEATURES: [(&str, &str); 11] = [
    ("Control:\n", "Common options:\n"),
    ("\n\n      --metrics <ADDRESS>\n", "\n\n"),
    ("\n\n      --tui\n", "\n\n"),
    ("  udp serve --metrics ", "  udp serve --sink "),
    ("  udp reflect --metrics ", "  udp reflect --for "),
    ("  udp measure host --forever --metrics ", "  udp measure host --json "),
    ("  udp relay :10000 host:9000 --control ", "  curl "),
    ("  curl ", "\nExit status:\n"),
    ("  udp listen 9000 --tui ", "  udp listen --count 1 "),
    ("  udp listen --metrics ", "  udp listen --raw "),
    ("  udp relay :10000 host:9000 --tui\n", "  udp relay :10000 host:9000  "),
];

/// The help of a verb, or of a part of one.
fn help_of(verb: &str) -> Outcome {
    let arguments = asking_for_help(verb, "--help");
    Place::Here.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn snapshot(name: &str) -> Data {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    Data::read_from(&path, None).raw()
}

/// A help as it is without features.
fn without_features(mut help: String) -> String {
    for (from, to) in ABOUT_FEATURES {
        if let Some(start) = help.find(from) {
            let end = start + from.len();
            let length = help[end..].find(to).expect("it is followed by that");
            help.replace_range(start..end + length, "");
        }
    }
    assert!(!["metrics", "--control", "curl", "--tui"].iter().any(|word| help.contains(word)), "{help}");
    help
}

#[test]
fn help_is_what_it_was() {
    let help = Place::Here.run(&["--help"]);
    help.assert_status(0);
    assert_data_eq!(help.text(), snapshot("help.txt"));
    for verb in verbs_and_parts() {
        let help = help_of(verb);
        help.assert_status(0);
        let mut expected = snapshot(&format!("help-{}.txt", verb.replace(' ', "-")));
        if !cfg!(any(feature = "http", feature = "tui")) {
            expected = Data::text(without_features(expected.to_string())).raw();
        }
        assert_data_eq!(help.text(), expected);
    }
}

#[test]
fn the_short_help_fits_a_small_terminal_and_has_three_examples() {
    for verb in [""].into_iter().chain(verbs_and_parts()) {
        let mut command = Place::Here.udp_command(&[]);
        command.args(asking_for_help(verb, "-h")).env("COLUMNS", "80");
        let help = Process::start(command).finish();
        help.assert_status(0);
        let lines = help.lines();
        assert!(lines.len() <= 24, "{verb}: {} lines\n{}", lines.len(), help.text());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", help.text());
        let few = examples(&help.text());
        let all = examples(&help_of(verb).text());
        assert_eq!(few, all[..all.len().min(3)], "{verb}");
    }
}

#[test]
fn every_example_is_understood() {
    let mut seen = 0;
    for verb in [""].into_iter().chain(verbs_and_parts()) {
        for example in examples(&help_of(verb).text()) {
            seen += 1;
            // All flags are looked at before --help is done. What follows `--` is a command of somebody else.
            let ours = example.split(" -- ").next().unwrap_or_default();
            let mut shell = Place::Here.command("sh");
            shell.args(["-c", &format!("exec \"$0\" {ours} --help"), env!("CARGO_BIN_EXE_udp")]);
            let outcome = Process::start(shell).finish();
            assert_eq!(outcome.status, 0, "udp {example}: {outcome:?}");
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn a_mistake_is_told_with_what_would_be_right() {
    let mut told = String::new();
    let cases: [&[&str]; 6] = [
        &["lisen"],
        &["send"],
        &["send", "127.0.0.1", "--hexdmp", "x"],
        &["listen", "--json", "--raw"],
        &["broadcast", "--limited", "-6", "x"],
        &["listen", "--from", "10.1/16"],
    ];
    for arguments in cases {
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        assert_eq!(outcome.stdout, b"");
        told.push_str(&format!("$ udp {}\n{}\n", arguments.join(" "), outcome.stderr));
    }
    assert_data_eq!(told, snapshot("mistakes.txt"));
    let outcome = Place::Here.run(&[]);
    outcome.assert_status(2);
    assert_eq!(outcome.stderr, Place::Here.run(&["-h"]).text());
}

#[test]
fn what_a_user_wrote_cannot_steer_a_terminal_and_is_not_repeated_whole() {
    let scratch = Scratch::new();
    let rules = scratch.path().join("rules.toml");
    let rules = rules.to_str().expect("it is text");
    let long = "x".repeat(100_000);
    let hostile = "\x1b]0;title\x07\u{9b}31m\u{202e}\n";
    let refused = |arguments: &[&str], file: &str| {
        std::fs::write(rules, file).expect("there is a place for it");
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        let harmless = |letter: char| letter == '\n' || !letter.is_control() && letter != '\u{202e}';
        assert!(outcome.stderr.chars().all(harmless), "{:?}", outcome.stderr);
        assert!(outcome.stderr.len() < 5000, "{} bytes: {:?}", outcome.stderr.len(), &outcome.stderr[..5000]);
    };
    for value in [hostile, &long] {
        let unknown = format!("--{value}");
        let attached = format!("--count={value}");
        let pattern = format!("({value}");
        refused(&[value], "");
        refused(&["send", "::1", &unknown], "");
        refused(&["send", "::1", "--timeout", value, "x"], "");
        for arguments in [&[&*attached][..], &["--match", &pattern], &["--from", value], &[value]] {
            refused(&[&["listen"], arguments].concat(), "");
        }
        refused(&["send", "::1", "--hex", value], "");
        refused(&["send", "::1", "--escapes", &format!("\\x{value}")], "");
        refused(&["serve", "127.0.0.1:0", "--reply", &format!("{{payload{value}")], "");
    }
    let long = long.repeat(8);
    for rule in [
        "reply = '{LONG'",
        "reply_hex = 'LONG'",
        "reply = '!'\nmatch = { hex = 'LONG' }",
        "LONG = 1",
        "reply = '!'\nmatch = { regex = '(LONG' }",
        "reply = '!'\nmatch = { from = ['LONG'] }",
    ] {
        let rule = format!("[[rule]]\n{}\n", rule.replace("LONG", &long));
        refused(&["serve", "127.0.0.1:0", "--rules", rules], &rule);
    }
}

#[test]
fn interfaces_are_listed_with_their_addresses() {
    let Some(lan) = Lan::new(ONE_OF_EACH) else { return };
    let listed = Place::On(&lan, "h").run(&["interfaces"]);
    listed.assert_status(0);
    assert_data_eq!(listed.text(), snapshot("interfaces.txt"));

    let listed = Place::On(&lan, "h").run(&["interfaces", "--json"]);
    listed.assert_status(0);
    let objects = listed.objects();
    assert_eq!(objects.len(), 4);
    let eth1 = objects.iter().find(|object| object["name"] == "eth1").expect("it was made");
    assert_eq!((&eth1["v"], &eth1["type"], &eth1["mtu_bytes"]), (&json!(1), &json!("interface"), &json!(1400)));
    let addresses = json!([
        {"address": "10.2.0.0", "prefix_length": 31},
        {"address": "10.3.0.1", "prefix_length": 32, "peer": "10.3.0.2"},
        {"address": "fe80::ff:fe00:1", "prefix_length": 64},
    ]);
    assert_eq!(eth1["addresses"], addresses);
}

#[test]
fn the_name_of_an_interface_cannot_steer_a_terminal() {
    let Some(lan) = Lan::new(HOSTILE_NAME) else { return };
    let h = Place::On(&lan, "h");
    let (listener, _) = h.waiting(&["listen", "--count", "1"]);
    let cases: [&[&str]; 6] = [
        &["interfaces"],
        &["broadcast", "hi", "--wait", "0", "-v"],
        &["broadcast", "hi", "--dry-run"],
        &["broadcast", "-6", "hi", "--dry-run"],
        &["broadcast", "--to", "239.1.2.3", "hi", "--dry-run"],
        &["broadcast", "-i", "eth7", "hi"],
    ];
    let mut outcomes: Vec<_> = cases.iter().map(|arguments| h.run(arguments)).collect();
    outcomes.push(listener.finish());
    for outcome in outcomes {
        let all = outcome.text() + &outcome.stderr;
        assert!(all.contains(r"\x1b[31mX\x07"), "{outcome:?}");
        assert!(!all.contains(['\x1b', '\x07']), "{outcome:?}");
    }
}
