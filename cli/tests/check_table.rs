//! `udp check` against programs whose faults are known: the verdict on each point of each program, held against a table.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;

use common::Place;
use common::netns::{Lan, require};
use serde_json::Value;

/// What is expected: a line for each program, with the points that do not pass.
const TABLE: &str = include_str!("check/table.txt");
/// Servers, clients, receivers and senders, each fault by its name.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/programs.py");
/// How often each program is checked. Once is what CI does.
const ROUNDS: &str = "UDP_CHECK_ROUNDS";
/// Programs that are checked at the same time.
const AT_ONCE: usize = 3;

/// A host on two networks, with nobody else on them.
const TWO_NETWORKS: &str = "
host h
for lan in 1 2; do
    ip link add eth$lan netns h type veth peer name far$lan
    ip link set far$lan up
    on h ip address add 10.$lan.0.1/24 brd + dev eth$lan
    on h ip link set eth$lan up
done
for lan in 1 2; do usable h eth$lan; done
on h ip route add default via 10.1.0.2 dev eth1
";

/// A line of the table.
#[derive(Clone, Debug)]
struct Row {
    role: &'static str,
    program: &'static str,
    /// Points that are not passed, each with its verdict.
    others: BTreeMap<&'static str, &'static str>,
}

fn rows(role: &str) -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let row = |line: &'static str| {
        let mut words = line.split_ascii_whitespace();
        let (role, program) = (words.next().expect("a role"), words.next().expect("a program"));
        let other = |word: &'static str| match word.split_at(1) {
            ("-", point) => (point, "failed"),
            ("?", point) => (point, "not_seen"),
            _ => panic!("'{word}' in '{line}'"),
        };
        Row { role, program, others: words.map(other).collect() }
    };
    lines.map(row).filter(|row| row.role == role).collect()
}

/// What `udp check` is told to check the program of a row, at a port of its own; `None` where the program is not there.
fn arguments(row: &Row, port: u16) -> Option<Vec<String>> {
    let command = command(row, &port.to_string())?;
    // Longer than any client here waits by itself; and no more than a busy machine needs where nothing will come.
    let wait = if row.role == "client" { "8s" } else { "4s" };
    let mut all = words(&["check", row.role, "--json", "--wait", wait, "--for", "5m"]);
    match row.role {
        "client" => all.extend(words(&["--expect", "Hello World"])),
        "sender" => all.extend(words(&["--expect", "Halo Dunia!", "-p", &port.to_string()])),
        _ => all.extend(words(&["-p", &port.to_string()])),
    }
    all.push("--".to_owned());
    Some(all.into_iter().chain(command).collect())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// How the program of a row is started.
fn command(row: &Row, port: &str) -> Option<Vec<String>> {
    let Row { role, program, .. } = *row;
    if let "nc" | "nc-ul" | "nc-ulk" | "ncat" | "socat" = program {
        let name = program.split('-').next().unwrap_or(program);
        return require(name).then(|| tool(role, program, port));
    }
    let python = |rest: &[&str]| words(&[&["python3", PROGRAMS, role, program], rest].concat());
    let udp = env!("CARGO_BIN_EXE_udp");
    Some(match (role, program) {
        ("client", "udp-send") => words(&[udp, "send", "{host}:{port}", "Hello World"]),
        ("receiver", "udp-listen") => words(&[udp, "listen", port]),
        ("sender", "udp-broadcast") => words(&[udp, "broadcast", "-p", port, "Halo Dunia!"]),
        ("client", _) => python(&["{host}", "{port}"]),
        ("receiver", _) => python(&[port]),
        ("sender", _) => python(&["Halo Dunia!", port, "10.1.0.255"]),
        _ => panic!("{row:?}"),
    })
}

/// The same for what others made.
fn tool(role: &str, program: &str, port: &str) -> Vec<String> {
    let shell = |script: String| words(&["sh", "-c", &script]);
    match (role, program) {
        ("client", "nc") => shell("printf 'Hello World' | nc -u -w1 {host} {port}".to_owned()),
        ("client", "ncat") => shell("(printf 'Hello World'; sleep 1) | ncat -u {host} {port}".to_owned()),
        ("client", "socat") => shell("printf 'Hello World' | socat -t1 - UDP:{host}:{port}".to_owned()),
        ("receiver", "nc-ul") => words(&["nc", "-ul", port]),
        ("receiver", "nc-ulk") => words(&["nc", "-ulk", port]),
        ("receiver", "ncat") => words(&["ncat", "-ul", port]),
        ("receiver", "socat") => words(&["socat", "-u", &format!("UDP-RECV:{port}"), "-"]),
        ("sender", "nc") => shell(format!("printf 'Halo Dunia!' | nc -ub -w3 10.1.0.255 {port}")),
        ("sender", "socat") => {
            shell(format!("printf 'Halo Dunia!' | socat -t1 - UDP-DATAGRAM:10.1.0.255:{port},broadcast"))
        }
        _ => panic!("no row of {role} {program}"),
    }
}

/// Checks a program, and adds what differs from the table.
fn check(lan: &Lan, row: &Row, port: u16, differences: &Mutex<String>) {
    let Some(arguments) = arguments(row, port) else { return };
    let mut command = Place::On(lan, "h").command(env!("CARGO_BIN_EXE_udp"));
    let output = command.args(arguments).output().expect("udp can be run");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    let points: Vec<Value> =
        text.lines().map(common::schema::checked).filter(|object: &Value| object["type"] == "point").collect();
    let mut wrong = String::new();
    let mut any_failed = false;
    let mut unknown: Vec<_> = row.others.keys().copied().collect();
    for point in &points {
        let name = point["point"].as_str().expect("a name");
        unknown.retain(|other| *other != name);
        let (expected, got) = (row.others.get(name).copied().unwrap_or("passed"), &point["verdict"]);
        any_failed |= got == "failed";
        if got != expected {
            let _ = writeln!(wrong, "  {name}: {expected} in the table, but {got}: {}", point["seen"]);
        }
    }
    let status = if any_failed { 1 } else { 0 };
    if points.is_empty() || output.status.code() != Some(status) || !unknown.is_empty() {
        let complaints = String::from_utf8_lossy(&output.stderr);
        let _ = writeln!(wrong, "  {}, {} points; not there: {unknown:?}; {complaints}", output.status, points.len());
    }
    if !wrong.is_empty() {
        let _ = writeln!(differences.lock().expect("nobody panics with it"), "{} {}:\n{wrong}", row.role, row.program);
    }
}

/// Checks each program of a role, as often as is asked for.
fn hold(role: &str) {
    if !require("python3") {
        return;
    }
    let Some(lan) = Lan::new(TWO_NETWORKS) else { return };
    let rounds = std::env::var(ROUNDS).map_or(1, |rounds| rounds.parse().expect("a number"));
    for round in 1..=rounds {
        let (differences, rows) = (Mutex::new(String::new()), Mutex::new(rows(role).into_iter().enumerate()));
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let next = rows.lock().expect("nobody panics with it").next();
                        let Some((number, row)) = next else { return };
                        check(&lan, &row, 20_000 + u16::try_from(number).expect("a few"), &differences);
                    }
                });
            }
        });
        let differences = differences.into_inner().expect("nobody panics with it");
        assert!(differences.is_empty(), "round {round}:\n{differences}");
    }
}

#[test]
fn clients_are_judged_as_the_table_says() {
    hold("client");
}

#[test]
fn receivers_are_judged_as_the_table_says() {
    hold("receiver");
}

#[test]
fn senders_are_judged_as_the_table_says() {
    hold("sender");
}
