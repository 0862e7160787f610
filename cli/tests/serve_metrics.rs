//! The metrics of `udp serve` over HTTP: what they say, and what becomes of those who cannot be served.

#![cfg(feature = "http")]
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Place, Process, Scratch, TWO_AND_THREE, hosts, ignored, number, reply_of_a_hundred, serve_at};
use serde_json::Value;

/// Asks for a page. Argument: its address.
const FETCH: &str = "
from urllib.request import urlopen
with urlopen(sys.argv[1]) as page:
    assert page.status == 200, page.status
    print(page.read().decode(), end='')
";

/// Sends to port 10000 of this host without end.
const TRAFFIC: &str = "
s = socket(AF_INET, SOCK_DGRAM)
say('ready')
while True:
    s.sendto(b'question', ('127.0.0.1', 10000))
";

fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("udp_serve_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
}

#[test]
fn metrics_are_those_of_the_summary() {
    if !require("python3") {
        return;
    }
    let reply = reply_of_a_hundred();
    for json in [false, true] {
        let arguments = ["--metrics", "127.0.0.1:0", "--reply", &reply, "--json"];
        let (mut server, port) = serve_at("127.0.0.1", if json { &arguments } else { &arguments[..4] });
        let address = metrics_address(&mut server, json);
        Place::Here.python_says(TWO_AND_THREE, &[&port]);
        let page = Place::Here.python_says(FETCH, &[&address]);
        if require("curl") {
            let counts =
                |page: &str| page.lines().filter(|line| !line.contains("uptime")).collect::<Vec<_>>().join("\n");
            assert_eq!(counts(&Place::Here.shell(&format!("curl --silent --fail {address}"))), counts(&page));
        }
        let outcome = server.stop();
        let expected = [
            ("received_datagrams_total", 5),
            ("received_bytes_total", 300),
            ("answered_datagrams_total", 3),
            ("ignored_datagrams_total{reason=\"amplification\"}", 2),
            ("ignored_datagrams_total{reason=\"rate_limit\"}", 0),
            ("sent_datagrams_total", 3),
            ("sent_bytes_total", 300),
            ("dropped_datagrams_total", 0),
            ("waiting_datagrams", 0),
            ("peers", 1),
        ];
        for (name, value) in expected {
            assert_eq!(metric(&page, name), value, "{name}");
        }
        if json {
            let summary = outcome.summary();
            let counts = ["received", "answered"].map(|key| number(&summary[key]));
            assert_eq!((counts, ignored(&summary, "amplification")), ([5, 3], 2), "{summary}");
        } else {
            outcome.assert_told(&["5 received (300 B) in ", ": 3 answered, 2 ignored"]);
        }
    }
}

/// Where a server says that it serves metrics.
fn metrics_address(server: &mut Process, json: bool) -> String {
    if !json {
        let line = server.stderr_line();
        return line.strip_prefix("metrics at ").unwrap_or_else(|| panic!("no metrics: {line}")).to_owned();
    }
    let object: Value = serde_json::from_str(&server.stdout_line()).expect("JSON Lines");
    assert_eq!(object["type"], "metrics");
    format!("http://{}/metrics", object["addresses"][0].as_str().expect("a string"))
}

#[test]
fn metrics_where_somebody_else_serves_are_an_error() {
    if !require("python3") {
        return;
    }
    let (mut first, port) = serve_at("127.0.0.1", &["--metrics", "127.0.0.1:0"]);
    let url = metrics_address(&mut first, false);
    let address = url.trim_start_matches("http://").trim_end_matches("/metrics");
    let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--metrics", address]);
    outcome.assert_status(2);
    outcome.assert_told(&[&format!("udp: cannot serve metrics on {address}: address already in use"), "hint: "]);
    // The first one goes on.
    assert!(Place::Here.python_says(FETCH, &[&url]).contains("udp_serve_received_datagrams_total 0\n"));
    Place::Here.python_says(TWO_AND_THREE, &[&port]);
    first.stop().assert_told(&["5 received"]);
}

#[test]
fn a_start_that_fails_under_load_ends_with_its_error() {
    let Some(lan) = hosts(1) else { return };
    let h1 = Place::On(&lan, "h1");
    let (_first, _) = h1.waiting(&["serve", ":9999", "--metrics", "127.0.0.1:9100"]);
    let _traffic = h1.python_ready(TRAFFIC, &[]);
    for _ in 0..10 {
        let outcome = h1.run(&["serve", "-v", "--threads", "4", "--metrics", "127.0.0.1:9100"]);
        outcome.assert_status(2);
        outcome.assert_told(&["udp: cannot serve metrics on 127.0.0.1:9100: address already in use"]);
        assert!(!outcome.stderr.contains("serving on"), "{outcome:?}");
    }
}

/// Where a program of one of these verbs serves metrics; it ends with what is returned.
fn metrics_of(arguments: &[&str]) -> (Process, String) {
    let mut process = Place::Here.udp(&[arguments, &["--metrics", "127.0.0.1:0"]].concat());
    let line = process.until_told("metrics at ");
    let address = line.split_once("metrics at ").expect("it was told").1.trim().to_owned();
    (process, Place::Here.python_says(FETCH, &[&address]))
}

#[test]
fn alerts_are_of_metrics_that_there_are_and_fire_when_they_should() {
    if !require("python3") || !require("promtool") {
        return;
    }
    let (_reflector, addresses) = Place::Here.waiting(&["reflect", "127.0.0.1:0"]);
    let (scratch, target) = (Scratch::new(), addresses[0].to_string());
    let file = scratch.path().join("x.pcapng");
    let all: [&[&str]; 5] = [
        &["serve", "127.0.0.1:0"],
        &["listen", "127.0.0.1:0", "--write", file.to_str().expect("it is text")],
        &["reflect", "127.0.0.1:0"],
        &["relay", "127.0.0.1:0", &target],
        &["measure", &target, "--forever"],
    ];
    let pages: String = all.into_iter().map(|arguments| metrics_of(arguments).1).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/prometheus");
    let rules = std::fs::read_to_string(folder.join("udp.rules.yml")).expect("there are rules");
    let is_of_a_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let names = rules.split("udp_").skip(1).map(|rest| rest.split(|it| !is_of_a_name(it)).next().unwrap_or_default());
    for name in names {
        let series = format!("\nudp_{name}");
        let has_it = pages.match_indices(&series).any(|(at, _)| pages[at + series.len()..].starts_with([' ', '{']));
        assert!(has_it, "no udp_{name} in {pages}");
    }
    let mut promtool = std::process::Command::new("promtool");
    promtool.current_dir(folder).args(["test", "rules", "udp.test.yml"]);
    Process::start(promtool).finish().assert_status(0);
}
