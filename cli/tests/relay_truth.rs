//! `udp relay --truth` and `--explain`: what is written is what others saw, whatever becomes of the disk; and the summary.
#![cfg(target_os = "linux")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use common::netns::require;
use common::{Outcome, Place, Process, Scratch, number};
use serde_json::{Value, json};

/// A target that answers everything, and three peers. It says `ready` and the target's port; then it is told the relay's port,
/// and sends as many datagrams as it is told, a millisecond apart; then, once it is told that all is over, it says what came: at
/// the target in order, and at each peer, in hex.
const WORLD: &str = "
import json, threading
target = socket(AF_INET, SOCK_DGRAM)
target.bind(('127.0.0.1', 0))
target.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 20)
seen = []
def answer():
    while True:
        payload, source = target.recvfrom(65536)
        if payload == b'enough':
            return
        seen.append(payload)
        target.sendto(b're:' + payload, source)
thread = threading.Thread(target=answer)
thread.start()
peers = [socket(AF_INET, SOCK_DGRAM) for _ in range(3)]
for peer in peers:
    peer.bind(('127.0.0.1', 0))
    peer.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 20)
say('ready', target.getsockname()[1])
port, count = map(int, sys.stdin.readline().split())
for number in range(count):
    peers[number % 3].sendto(b'datagram %05d' % number, ('127.0.0.1', port))
    time.sleep(0.001)
sys.stdin.readline()
peers[0].sendto(b'enough', target.getsockname())
thread.join()
came = {}
for peer in peers:
    peer.setblocking(False)
    came['127.0.0.1:%d' % peer.getsockname()[1]] = got = []
    try:
        while True:
            got.append(peer.recv(65536).hex())
    except BlockingIOError:
        pass
say(json.dumps({'target': [payload.hex() for payload in seen], 'peers': came}))
";

fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// The objects of a truth file, each line whole.
fn lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("it can be read");
    assert!(text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Whether nothing is under way any more, after so many from peers, as a status says.
fn is_quiet(line: &str, count: u64) -> bool {
    let Ok(object) = serde_json::from_str::<Value>(line) else { return false };
    let [up, down] = ["up", "down"].map(|way| &object[way]);
    object["type"] == "relay_status"
        && up["received"] == count
        && (&up["under_way"], &down["under_way"]) == (&json!(0), &json!(0))
        && up["forwarded"] == down["received"]
}

/// A relay with these arguments for a world in which so many datagrams are sent: what the relay came to, and what came.
fn relayed(count: u64, command: impl FnOnce(&str) -> std::process::Command) -> (Outcome, Value) {
    let mut world = Place::Here.python(WORLD, &[]);
    let ready = world.until(|line| line.starts_with("ready"));
    let port = ready.rsplit(' ').next().expect("a port").to_owned();
    let mut relay = Process::start(command(&format!("127.0.0.1:{port}")));
    let relaying: Value = serde_json::from_str(&relay.stdout_line()).expect("JSON");
    assert_eq!(relaying["type"], "relaying", "{relaying}");
    let address = relaying["addresses"][0].as_str().expect("one");
    let port = address.rsplit(':').next().expect("a port");
    world.tell(format!("{port} {count}\n").as_bytes());
    relay.until(|line| is_quiet(line, count));
    let outcome = relay.stop();
    world.tell_all(b"over\n");
    let seen = serde_json::from_str(world.finish().text().lines().last().expect("what came")).expect("JSON");
    (outcome, seen)
}

/// The command with these arguments besides what all here have.
fn command(target: &str, arguments: &[&str]) -> std::process::Command {
    let usual = ["relay", "127.0.0.1:0", target, "--json", "--status", "20ms", "--seed", "7"];
    Place::Here.udp_command(&[&usual[..], arguments].concat())
}

/// The lines of a direction, of what was forwarded, in order.
fn forwarded<'a>(lines: &'a [Value], direction: &str) -> Vec<&'a Value> {
    let is_it = |line: &&Value| line["direction"] == direction && line["fate"] == "forwarded";
    lines.iter().filter(is_it).collect()
}

#[test]
fn what_is_written_is_what_the_target_and_the_peers_saw() {
    if !require("python3") {
        return;
    }
    const COUNT: u64 = 300;
    let scratch = Scratch::new();
    let file = scratch.path().join("truth.jsonl");
    let bad = ["--loss", "burst:20%,3", "--duplicate", "20%", "--corrupt", "20%", "--reorder", "20%,2,50ms"];
    let slow = ["--delay", "3ms", "--jitter", "2ms", "--truth", text(&file), "-v"];
    let (outcome, seen) = relayed(COUNT, |target| command(target, &[&bad[..], &slow].concat()));
    outcome.assert_status(0);
    let lines = lines(&file);
    assert_eq!(
        (&lines[0]["type"], &lines[0]["seed"], &lines[0]["up"]["loss"]),
        (&json!("relay"), &json!(7), &json!("burst:20%,3"))
    );
    let sent = |line: &Value| format!("datagram {:05}", number(&line["number"]) - 1).into_bytes();
    let changed = |mut payload: Vec<u8>, line: &Value| {
        if let Some(bit) = line["corrupted_bit"].as_u64() {
            payload[usize::try_from(bit / 8).expect("it is short")] ^= 1 << (bit % 8);
        }
        payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // Numbers count as datagrams come, and these come one after the other.
    let up: Vec<_> = forwarded(&lines, "up").into_iter().map(|line| changed(sent(line), line)).collect();
    assert_eq!(json!(up), seen["target"]);
    let of_peer = |direction: &str, peer: &str| {
        let is_it =
            |line: &&Value| line["direction"] == direction && line["peer"] == peer && line["type"] == "datagram";
        lines.iter().filter(is_it).collect::<Vec<_>>()
    };
    for (peer, came) in seen["peers"].as_object().expect("by peer") {
        // Each peer has a socket to the target: the nth datagram that comes down there answers the nth that left there.
        let questions = of_peer("up", peer).into_iter().filter(|line| line["fate"] == "forwarded");
        let answers = questions.map(|line| [b"re:", &unhex(&changed(sent(line), line))[..]].concat());
        let numbers: BTreeSet<_> = of_peer("down", peer).iter().map(|line| number(&line["number"])).collect();
        let answers: BTreeMap<_, _> = numbers.into_iter().zip(answers).collect();
        let down = forwarded(&lines, "down").into_iter().filter(|line| line["peer"] == *peer);
        let down: Vec<_> = down.map(|line| changed(answers[&number(&line["number"])].clone(), line)).collect();
        assert_eq!(json!(down), *came);
    }
    let of = |direction: &str, fate: &str| {
        lines
            .iter()
            .filter(|line| line["direction"] == direction && line["fate"] == fate && line["type"] == "datagram")
            .count() as u64
    };
    let summary = outcome.summary();
    for way in ["up", "down"] {
        let lost: u64 = summary[way]["lost"].as_object().expect("by reason").values().map(number).sum();
        assert_eq!((of(way, "forwarded"), of(way, "lost")), (number(&summary[way]["forwarded"]), lost), "{summary}");
        assert!(lost > 10 && number(&summary[way]["overtaken"]) > 10, "{summary}");
    }
    let end = lines.last().expect("an end");
    assert_eq!((&end["type"], &end["not_written"]), (&json!("end"), &json!(0)));
    assert_eq!(end["datagrams"], json!(lines.len() - 2));
    assert_eq!(summary["truth_lines"], end["datagrams"]);
    // Who repeats the command keeps the file.
    assert_eq!(summary["command"], lines[0]["command"]);
    assert!(summary["command"].as_str().is_some_and(|words| !words.contains("--truth")), "{summary}");
    let peers = outcome.objects().iter().filter(|object| object["type"] == "peer").count();
    assert_eq!(peers, 3, "-v names each");
    explained(&file, &lines);
}

/// What `--explain` says of some of these lines is what they say.
fn explained(file: &Path, lines: &[Value]) {
    for fate in ["lost", "forwarded"] {
        let line = lines.iter().find(|line| line["fate"] == fate).expect("there are some");
        let outcome = Place::Here.run(&["relay", "--explain", text(file), &line["number"].to_string(), "--json"]);
        outcome.assert_status(0);
        let same = |object: &Value| {
            line.as_object().expect("it is").iter().all(|(key, value)| key == "type" || object[key] == *value)
        };
        assert!(outcome.objects().iter().any(same), "{line} {outcome:?}");
        let words = Place::Here.run(&["relay", "--explain", text(file), &line["number"].to_string()]);
        let drawn = format!("{:.6} was drawn", line["draws"]["loss"].as_f64().expect("a number"));
        assert!(words.text().contains(&drawn) && words.text().contains(fate), "{words:?}");
    }
    let none = Place::Here.run(&["relay", "--explain", text(file), "99999"]);
    none.assert_status(1);
    none.assert_told(&["there is no datagram 99999: up, the last is 300; down, the last is "]);
}

#[test]
fn the_same_seed_writes_the_same_fates() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let fates = |name: &str| {
        let file = scratch.path().join(name);
        let arguments = ["--loss", "30%", "--corrupt", "30%", "--delay", "1ms", "--truth", text(&file)];
        relayed(100, |target| command(target, &arguments)).0.assert_status(0);
        let of_up = |line: &&Value| line["direction"] == "up" && line["type"] == "datagram";
        let fate = |line: &Value| {
            (number(&line["number"]), ["fate", "by", "corrupted_bit", "draws"].map(|key| line[key].clone()))
        };
        let lines = lines(&file);
        lines.iter().filter(of_up).map(fate).collect::<BTreeMap<_, _>>()
    };
    let first = fates("first");
    assert_eq!(first.len(), 100);
    assert_eq!(first, fates("second"));
}

#[test]
fn where_the_file_may_not_grow_relaying_goes_on_and_the_end_says_what_is_missing() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("truth.jsonl");
    let limited = |target: &str| {
        let mut limited = Place::Here.command("sh");
        // Blocks of 512 bytes.
        limited.args([
            "-c",
            "ulimit -f 32; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_udp"),
            "relay",
            "127.0.0.1:0",
            target,
        ]);
        limited.args(["--json", "--status", "20ms", "--truth", text(&file)]);
        limited
    };
    let (outcome, seen) = relayed(300, limited);
    outcome.assert_status(2);
    assert_eq!(seen["target"].as_array().map(Vec::len), Some(300), "relaying goes on");
    let trouble = outcome.objects().into_iter().find(|object| object["type"] == "trouble").expect("it says so");
    assert!(
        trouble["error"].as_str().is_some_and(|words| words.ends_with("file too large; relaying goes on")),
        "{trouble}"
    );
    let summary = outcome.summary();
    let [written, missing] = ["truth_lines", "truth_not_written"].map(|key| number(&summary[key]));
    assert_eq!(written + missing, 600, "{summary}");
    assert!(written > 0 && missing > 0, "{summary}");
    // The part of a line that was written is taken back, which makes room for the end.
    let lines = lines(&file);
    let end = lines.last().expect("an end");
    assert_eq!((number(&end["datagrams"]), number(&end["not_written"])), (written, missing), "{end}");
    let explained = Place::Here.run(&["relay", "--explain", text(&file), "1"]);
    explained.assert_status(0);
    explained.assert_told(&[&format!("lacks {missing} line")]);
}

#[test]
fn the_end_is_there_wherever_the_file_may_not_grow() {
    if !["python3", "prlimit"].into_iter().all(require) {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("truth.jsonl");
    // Over more than the length of a line, so that little or much is left when one does not fit.
    for most in (4000..4400).step_by(50) {
        let limited = |target: &str| {
            let mut limited = Place::Here.command("prlimit");
            limited.args([&format!("--fsize={most}"), env!("CARGO_BIN_EXE_udp"), "relay", "127.0.0.1:0", target]);
            limited.args(["--json", "--status", "20ms", "--truth", text(&file)]);
            limited
        };
        let (outcome, _) = relayed(30, limited);
        outcome.assert_status(2);
        let summary = outcome.summary();
        let lines = lines(&file);
        let end = lines.last().expect("an end");
        let counts = [&end["datagrams"], &end["not_written"], &summary["truth_lines"], &summary["truth_not_written"]];
        let [datagrams, not_written, truth_lines, truth_not_written] = counts.map(number);
        assert_eq!((datagrams, not_written), (truth_lines, truth_not_written), "{most}: {end}");
        assert_eq!((datagrams, datagrams + not_written), (lines.len() as u64 - 2, 60), "{most}: {end}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_before_the_start() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("none/truth.jsonl");
    for (file, why) in [
        ("/dev/full", "cannot write to '/dev/full': no space left on device"),
        (text(scratch.path()), "is a directory"),
        (text(&missing), "no such file or directory"),
    ] {
        let outcome = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--truth", file]);
        outcome.assert_status(2);
        outcome.assert_told(&[why]);
        assert!(!outcome.stderr.contains("relaying"), "{outcome:?}");
    }
    let mixed = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--json", "--truth", "-"]);
    mixed.assert_status(2);
    mixed.assert_told(&["is standard output, where other lines go", "hint: leave out --json"]);
}

#[test]
fn a_truth_file_that_is_none_is_an_error_with_its_line() {
    let scratch = Scratch::new();
    for (name, bytes, why) in [
        ("empty", &b""[..], "it is empty"),
        ("other", b"\x1b[31mred\n", "line 1, column 1: expected value"),
        ("cut", b"{\"type\":\"relay\",\"v\":1,\"se", "line 1 is not whole"),
    ] {
        let file = scratch.file(name, bytes);
        let outcome = Place::Here.run(&["relay", "--explain", &file, "1"]);
        outcome.assert_status(2);
        outcome.assert_told(&[&format!("cannot read '{file}': {why}")]);
        assert!(!outcome.stderr.contains('\x1b'), "{outcome:?}");
    }
    let usage = Place::Here.run(&["relay", "--explain", "x", "none"]);
    usage.assert_status(2);
    usage.assert_told(&["'none' is not the number of a datagram: the first is 1"]);
}

#[test]
fn the_summary_has_what_was_asked_beside_what_was_done() {
    if !require("python3") {
        return;
    }
    let (outcome, _) = relayed(200, |target| {
        let arguments = ["--up-drop", "every:10", "--up-mtu", "100", "--down-duplicate", "100%", "--up-delay", "1ms"];
        let mut words =
            Place::Here.udp_command(&["relay", "127.0.0.1:0", target, "--seed", "7", "--json", "--status", "20ms"]);
        words.args(arguments);
        words
    });
    let summary = outcome.summary();
    let (up, down) = (&summary["up"], &summary["down"]);
    assert_eq!(up["impairments"], json!({"drop": "every:10", "mtu": "100", "delay": "1ms"}));
    assert_eq!((&up["lost"], &up["forwarded"]), (&json!({"chosen": 20}), &json!(180)), "{summary}");
    assert_eq!((&down["received"], &down["duplicated"], &down["forwarded"]), (&json!(180), &json!(180), &json!(360)));
    let decided = number(&up["decided_delay"]["p50_ns"]);
    assert!((1_000_000..1_020_000).contains(&decided) && number(&up["lateness"]["count"]) == 180, "{summary}");
    assert_eq!((&summary["seed"], &summary["peers"]), (&json!(7), &json!(3)));
    assert!(summary["command"].as_str().is_some_and(|words| words.contains("--up-drop every:10")), "{summary}");
}

#[test]
fn a_datagram_that_could_not_be_sent_is_not_said_to_be_forwarded() {
    let scratch = Scratch::new();
    let file = scratch.path().join("truth.jsonl");
    // The header leaves too little room for the longest.
    let arguments = ["--proxy-protocol", "--json", "--count", "2", "--truth", text(&file)];
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", "127.0.0.1:9"][..], &arguments].concat());
    let relaying: Value = serde_json::from_str(&relay.stdout_line()).expect("JSON");
    let address = relaying["addresses"][0].as_str().expect("one");
    for size in ["5", "65507"] {
        Place::Here.run(&["send", address, "--template", "x", "--size", size, "--wait", "0"]).assert_status(0);
    }
    let outcome = relay.finish();
    let up = &outcome.summary()["up"];
    assert_eq!((number(&up["forwarded"]), number(&up["send_failed"])), (1, 1), "{up}");
    let lines = lines(&file);
    let fates: Vec<_> = lines.iter().filter(|line| line["type"] == "datagram").map(|line| &line["fate"]).collect();
    assert_eq!(fates, ["forwarded", "send_failed"]);
    let failed = lines.iter().find(|line| line["type"] == "send_failed").expect("why is there, too");
    assert_eq!(failed["error"], "message too long");
    let words = Place::Here.run(&["relay", "--explain", text(&file), "2"]);
    assert!(words.text().starts_with("up 2: could not be sent\n"), "{words:?}");
}

#[test]
fn people_read_what_was_asked_beside_what_was_done() {
    let narrow = ["--up-rate", "1Mbit/s", "--up-queue", "20"];
    let arguments = ["relay", "127.0.0.1:0", "127.0.0.1:9", "--loss", "100%", "--count", "10"];
    let mut relay = Place::Here.udp(&[&arguments[..], &narrow].concat());
    let first = relay.until_told("relaying from ");
    let address = first.split("from ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address").to_owned();
    Place::Here.run(&["send", &address, "x", "-c", "10", "--every", "1ms", "--wait", "0"]);
    let outcome = relay.finish();
    outcome.assert_status(0);
    let told = outcome.stderr.lines().skip(1).collect::<Vec<_>>();
    let seed = first.rsplit(' ').next().expect("a seed");
    assert!(
        told[0].starts_with("relayed for 1 peer in ") && told[0].ends_with(&format!(", seed {seed}")),
        "{outcome:?}"
    );
    let same = format!("  the same again: udp {} {} --seed {seed}", arguments.join(" "), narrow.join(" "));
    let expected = [
        "  up: 10 received, 0 forwarded, 10 lost",
        "    loss: 100% asked, 100.0 % (10 of 10) done",
        "    queue: 20 datagrams asked, 0 lost done",
        "  down: 0 received, 0 forwarded",
        &same,
    ];
    assert_eq!(told[1..], expected, "{outcome:?}");
}
