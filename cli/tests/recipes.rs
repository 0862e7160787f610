//! The recipes of docs/relay.md, the runs in docs/measure.md, and the pages of other verbs: their blocks are run in a throw-away network, and
//! print what stands below them.
//!
//! `SNAPSHOTS=overwrite cargo test -p udpkit-cli --test recipes` writes what they print today into the pages.
#![cfg(target_os = "linux")]

mod common;

use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;

use common::netns::{Lan, require};
use common::pages::{self, blocks, path, read, runs, with_outputs};
use common::{Place, Scratch};
use regex::Regex;

/// A page, and what the part of it begins with that is run.
const RELAY: (&str, &str) = ("relay.md", "\n## Recipes\n");
const MEASURE: (&str, &str) = ("measure.md", "\n## On one screen\n");
/// Pages of verbs, all of which are run, on a host with a neighbour on each of its two networks.
const VERBS: [(&str, usize); 5] =
    [("serve.md", 4), ("send.md", 3), ("broadcast.md", 2), ("replay.md", 2), ("interfaces.md", 2)];
/// The network of those pages: this host, and on each of its cables one more.
const NEIGHBOURS: &str = "
for number in 1 7; do
    host neighbour$number
    ip link add eth$number address 02:00:00:00:00:0$number type veth peer name eth0 netns neighbour$number
    ip address add 192.168.$number.20/24 brd + dev eth$number
    on neighbour$number ip address add 192.168.$number.30/24 brd + dev eth0
    ip link set eth$number up
    on neighbour$number ip link set eth0 up
done
for number in 1 7; do usable - eth$number; usable neighbour$number eth0; done
";
/// What ends the output of a block.
const MARK: &str = "--- end of a block";
/// Waits until something listens at a port, for a minute at most.
const READY: &str =
    "ready() { tries=0; until ss -Hlun sport = :$1 | grep -q .; do sleep 0.05; [ $((tries += 1)) -lt 1200 ]; done; }";

/// A block as a shell runs it that waits for each program in the background: whoever pastes it line by line is slow enough.
fn waiting(code: &str) -> String {
    static STARTED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^(udp (?:serve|listen|reflect|relay) \S*?:(\d+) .*&)$").expect("it is one"));
    STARTED.replace_all(code, "$1\nready $2").into_owned()
}

/// Runs all blocks in one shell where the cables of this network end; returns what each prints.
fn run(lan: &Lan, code: &[&str]) -> Vec<String> {
    let scratch = Scratch::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_udp")).parent().expect("it is in a directory").display();
    let mut script = format!(
        "exec 2>&1; trap 'kill $(jobs -p) 2> /dev/null' EXIT; cd '{}'; PATH='{programs}':$PATH\n{READY}\n",
        scratch.path().display()
    );
    code.iter().for_each(|code| script.push_str(&format!("{}echo '{MARK}'\n", waiting(code))));
    let script = scratch.file("recipes.sh", script);
    // Whatever hangs does not do so for ever.
    let mut command = Place::Bridge(lan).command("timeout");
    let output = command.args(["300", "bash", &script]).stdin(Stdio::null()).output().expect("bash can be run");
    let said = String::from_utf8(output.stdout).expect("what the blocks print is text");
    let mut said: Vec<_> = said.split(&format!("{MARK}\n")).map(str::to_owned).collect();
    let rest = said.pop();
    assert!(output.status.success() && rest.as_deref() == Some(""), "{:?} {rest:?} {said:#?}", output.status);
    said
}

/// The lines of an output, in which programs that end at once have no order, without what differs from run to run: times, and
/// how many where the network itself depends on time.
fn stable(code: &str, output: &str) -> Vec<String> {
    static TIME: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\d+(\.\d+)? (ns|us|µs|ms|s)\b|\d+\.\d+(/\d+\.\d+)+").expect("it is one"));
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d+(\.\d+)?").expect("it is one"));
    let depends_on_time = ["blackout", "rate 1Mbit/s"].iter().any(|word| code.contains(word));
    let without = |line: &str| {
        let line = TIME.replace_all(line.trim_end(), "<time>");
        if depends_on_time { NUMBER.replace_all(&line, "<number>").into() } else { line.into() }
    };
    let mut lines: Vec<String> = output.lines().map(without).collect();
    lines.sort();
    lines
}

/// The same of a measurement: its columns are as wide as its times, and which of its hosts was slow is no property of the path.
fn stable_measurement(code: &str, output: &str) -> Vec<String> {
    static SPACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\s+-?").expect("it is one"));
    let of_the_hosts = ["this host sent late", "the reflector is slow", "delay varies", "nothing is wrong"];
    let is_stable = |line: &String| !of_the_hosts.iter().any(|words| line.starts_with(words));
    let lines = stable(code, output).into_iter().filter(is_stable);
    // Which of two clocks of one host seems to be ahead is chance.
    lines.map(|line| SPACES.replace_all(&line, " ").replace("ahead of ours", "behind ours")).collect()
}

/// Runs the blocks of a page, at least so many; what each prints is below it, as far as that is the same each time.
fn check(lan: &Lan, (page, start): (&str, &str), at_least: usize, stable: impl Fn(&str, &str) -> Vec<String>) {
    let text = read(page);
    let (before, recipes) = text.split_at(text.find(start).expect("the page has this part"));
    let blocks = blocks(recipes);
    let runs = runs(&blocks);
    assert!(runs.len() >= at_least, "{}", runs.len());
    let code: Vec<_> = runs.iter().map(|(code, _)| *code).collect();
    let outputs = run(lan, &code);
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        let text = format!("{before}{}", with_outputs(recipes, &outputs, |_| false));
        return std::fs::write(path(page), text).expect("the page can be written");
    }
    for ((code, text), output) in runs.into_iter().zip(&outputs) {
        assert_eq!(
            stable(code, output),
            stable(code, text),
            "this block:\n{code}\nprinted:\n{output}\nand not:\n{text}"
        );
    }
}

/// A network made by this script, if there are all programs that the pages need.
fn lan(script: &str) -> Option<Lan> {
    ["bash", "ss"].into_iter().all(require).then(|| Lan::new(script)).flatten()
}

#[test]
fn each_recipe_for_a_relay_prints_what_stands_below_it() {
    let Some(lan) = lan("") else { return };
    check(&lan, RELAY, 11, stable);
}

#[test]
fn each_measurement_prints_what_stands_below_it() {
    let Some(lan) = lan("") else { return };
    check(&lan, MEASURE, 6, stable_measurement);
}

#[test]
fn each_page_of_a_verb_prints_what_stands_below_its_blocks() {
    static VARYING: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"\(process \d+\)|\+\d+\.\d{9}|"time":"[^"]+""#).expect("it is one"));
    let Some(lan) = lan(NEIGHBOURS) else { return };
    let neighbours = ["neighbour1", "neighbour7"].map(|host| Place::On(&lan, host).waiting(&["serve"]).0);
    for (page, at_least) in VERBS {
        check(&lan, (page, "\n"), at_least, |_, output| {
            let output = VARYING.replace_all(output, "");
            let mut lines: Vec<_> = output.lines().map(|line| pages::stable(line, false)).collect();
            lines.sort();
            lines
        });
    }
    for server in neighbours {
        server.stop().assert_status(0);
    }
}
