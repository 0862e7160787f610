//! `udp relay --control` and `--metrics`: what the help and docs/relay.md say is so.

#![cfg(feature = "http")]
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Place, Process, Scratch, serve_at};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/relay.md");
/// Where the examples find the relay.
const SHOWN: &str = "http://127.0.0.1:8080";

/// A relay before a server that echoes, its own address, and the line in which it says where it is steered or measured.
fn relay(arguments: &[&str]) -> (Process, Process, String, String) {
    let (server, target) = serve_at("127.0.0.1", &["--echo"]);
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", &target, "--seed", "7"], arguments].concat());
    let line = relay.stderr_line();
    let address = line.strip_prefix("relaying from ").and_then(|rest| rest.split_once(" to "));
    let address = address.unwrap_or_else(|| panic!("not relaying: {line}{relay:?}")).0.to_owned();
    let served = relay.stderr_line();
    (server, relay, address, served)
}

fn control_of(line: &str) -> &str {
    line.strip_prefix("control at ")
        .and_then(|url| url.strip_suffix('/'))
        .unwrap_or_else(|| panic!("no control: {line}"))
}

#[test]
fn every_curl_of_the_page_and_of_the_help_does_what_it_says() {
    if !require("curl") {
        return;
    }
    let (_server, relay, address, line) = relay(&["--control", "127.0.0.1:0"]);
    Place::Here.run(&["send", &address, "hello"]).assert_status(0);
    let help = Place::Here.run(&["relay", "--help"]).text();
    let of_help = help.lines().map(str::trim).filter(|line| line.starts_with("curl "));
    let commands: Vec<_> = PAGE.lines().filter(|line| line.starts_with("curl ")).chain(of_help).collect();
    assert!(commands.len() > 12 && commands.iter().all(|command| command.contains(SHOWN)), "{commands:?}");
    for command in commands {
        let command = command.split("  ").next().expect("it has a beginning");
        let command = command.replace(SHOWN, control_of(&line)).replace("curl ", "curl --silent --show-error --fail ");
        if command.contains("/api/events") {
            let events = Place::Here.shell(&format!("{command} | head --lines 2"));
            assert!(events.starts_with("event: state\ndata: {\"v\":1,"), "{events}");
            continue;
        }
        if let Some(command) = command.strip_suffix(" > now.toml") {
            let scenario = Place::Here.shell(command);
            assert!(scenario.contains("\nseed = "), "{scenario}");
            continue;
        }
        let answer = Place::Here.shell(&command);
        let _: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {error}: {answer}"));
    }
    let outcome = relay.stop();
    outcome.assert_status(0);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let outcome = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--control", "0.0.0.0:0"]);
    outcome.assert_status(2);
    outcome.assert_told(&[
        "udp: cannot serve control on 0.0.0.0:0 without a token",
        "hint: ",
        "--control-token-file FILE",
    ]);
    let outcome = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--control-token-file", "/no/such/file"]);
    outcome.assert_status(2);
    let files = Scratch::new();
    files.file("short", "secret\n");
    let short = files.path().join("short");
    let arguments = ["relay", "127.0.0.1:0", "127.0.0.1:9", "--control", "0.0.0.0:0", "--control-token-file"];
    let outcome = Place::Here.run(&[&arguments[..], &[short.to_str().expect("it is text")]].concat());
    outcome.assert_status(2);
    outcome.assert_told(&["it has 6 bytes, not 16 to 512", "/dev/urandom"]);
}

#[test]
fn who_has_the_token_may_steer_it_from_elsewhere() {
    if !require("curl") {
        return;
    }
    let files = Scratch::new();
    files.file("token", "0123456789abcdef\n");
    let token = files.path().join("token");
    let arguments = ["--control", "0.0.0.0:0", "--control-token-file", token.to_str().expect("it is text")];
    let (_server, relay, _, line) = relay(&arguments);
    let url = control_of(&line).replace("0.0.0.0", "127.0.0.1");
    let status = |header: &str| {
        let command = format!("curl --silent --output /dev/null --write-out '%{{http_code}}' {header} {url}/api/state");
        Place::Here.shell(&command)
    };
    assert_eq!(status(""), "401");
    assert_eq!(status("-H 'Authorization: Bearer 0123456789abcdeX'"), "401");
    assert_eq!(status("-H 'Authorization: Bearer 0123456789abcdef'"), "200");
    assert!(!relay.stop().stderr.contains("0123456789abcdef"));
}

#[test]
fn metrics_are_those_of_the_summary() {
    if !require("curl") {
        return;
    }
    let (_server, relay, address, line) = relay(&["--metrics", "127.0.0.1:0", "--down-duplicate", "100%"]);
    let url = line.strip_prefix("metrics at ").unwrap_or_else(|| panic!("no metrics: {line}")).to_owned();
    Place::Here.run(&["send", &address, "hello", "--replies", "2"]).assert_status(0);
    let page = Place::Here.shell(&format!("curl --silent --fail {url}"));
    for sample in [
        "received_datagrams_total{direction=\"up\"} 1",
        "received_bytes_total{direction=\"down\"} 5",
        "forwarded_datagrams_total{direction=\"down\"} 2",
        "duplicated_datagrams_total{direction=\"down\"} 1",
        "lost_datagrams_total{direction=\"up\",by=\"chance\"} 0",
        "peers 1",
    ] {
        assert!(page.contains(&format!("\nudp_relay_{sample}\n")), "{sample} in {page}");
    }
    relay.stop().assert_told(&["  up: 1 received, 1 forwarded", "  down: 1 received, 2 forwarded"]);
}
