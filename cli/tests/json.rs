//! `--json`: the schema says what is printed, and nothing in it is never printed. What every other test prints as JSON is held
//! against it, too (`common/schema.rs`).
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;

use common::netns::{require, skip};
use common::schema::{checked, types};
use common::{Outcome, Place, Process, Scratch, hosts, refusal, serve_at};
use serde_json::{Value, json};

/// Sends datagrams from one socket. Arguments: port, how many, length.
const SEND: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    s.sendto(bytes(int(sys.argv[3])), ('127.0.0.1', int(sys.argv[1])))
";

/// Changes what a relay does. Argument: where it is steered.
const STEER: &str = r#"
import urllib.request
url = 'http://' + sys.argv[1] + '/api/impairments/up'
headers = {'Content-Type': 'application/json'}
urllib.request.urlopen(urllib.request.Request(url, b'{"loss": "10%"}', headers, method='PUT')).read()
"#;

/// A capture (pcap, raw IPv4) of datagrams without payload from 127.0.0.1:5000 to these ports; the last is cut off.
fn cut_capture(ports: &[u16]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut bytes = words(&[0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 1 << 18, 101]);
    for port in ports {
        bytes.extend(words(&[0, 0, 28, 28]));
        bytes.extend([0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1, 5000_u16.to_be_bytes()[0]]);
        bytes.extend([5000_u16.to_be_bytes()[1]].into_iter().chain(port.to_be_bytes()).chain([0, 8, 0, 0]));
    }
    bytes.truncate(bytes.len() - 1);
    bytes
}

fn types_of(outcome: &Outcome) -> impl Iterator<Item = String> {
    outcome.objects().into_iter().map(|object| object["type"].as_str().expect("a type").to_owned())
}

/// What a server prints.
fn served() -> Vec<Outcome> {
    let scratch = Scratch::new();
    let rules = scratch.file("rules.toml", "[[rule]]\nreply = 'hello'");
    let arguments = ["--rules", &rules, "--metrics", "127.0.0.1:0", "--status", "20ms", "-v", "--json"];
    let (mut server, port) = serve_at("127.0.0.1", &arguments);
    server.signal("HUP");
    server.until(|line| line.contains(r#""type":"rules""#));
    // More than it prints in a second.
    Place::Here.python_says(SEND, &[&port, "3000", "20"]);
    server.until(|line| line.contains(r#""received":3000,"#));
    let ruled = server.stop();
    let (mut server, port) = serve_at("127.0.0.1", &["--exec", "exit 3", "--json"]);
    Place::Here.python_says(SEND, &[&port, "1", "1"]);
    server.until(|line| line.contains(r#""type":"command_failed""#));
    vec![ruled, server.stop()]
}

/// What a listener prints: of datagrams, of drops, and of what finds no room.
fn listened() -> Vec<Outcome> {
    let arguments = ["listen", "127.0.0.1:0", "--json", "-v", "--recv-buffer", "4KiB"];
    let (mut listener, addresses) = Place::Here.waiting(&arguments);
    let port = addresses[0].port().to_string();
    listener.signal("STOP");
    Place::Here.python_says(SEND, &[&port, "1000", "100"]);
    listener.signal("CONT");
    listener.until(|line| line.contains(r#""type":"dropped""#));
    let dropping = listener.stop();
    let (mut listener, addresses) = Place::Here.waiting(&["listen", "127.0.0.1:0", "--json", "--queue", "1KiB"]);
    Place::Here.python_says(SEND, &[&addresses[0].port().to_string(), "1", "5000"]);
    listener.until(|line| line.contains(r#""type":"queue_full""#));
    vec![dropping, listener.stop()]
}

/// What senders print on a network of their own, where some destinations have no route and some no server.
fn sent() -> Option<Vec<Outcome>> {
    let lan = hosts(2)?;
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    // Replies with a hundred bytes to an empty datagram are not sent.
    let (server, _) = h1.waiting(&["serve", "--reply", &common::reply_of_a_hundred(), "--json"]);
    let silent = h2.run(&["send", "10.1.0.1", "--empty", "--wait", "20ms", "-v", "--json"]);
    let asked = h2.run(&["send", "10.1.0.1", &common::reply_of_a_hundred()[..50], "--json"]);
    // One of three has an answer, which comes while all are waited for.
    let (_slow, _) = h1.waiting(&["serve", "10.1.0.1:9000", "--delay", "50ms", "--rate-limit", "1"]);
    let unclear = h2.run(&["send", "10.1.0.1:9000", "x", "-c", "3", "--every", "5ms", "--wait", "300ms", "--json"]);
    let refused = h2.run(&["send", "10.1.0.1:9", "x", "--json"]);
    let unroutable = h2.run(&["send", "192.0.2.1", "x", "--json"]);
    let broadcast = h2.run(&["broadcast", "x", "--wait", "0", "--json"]);
    let interfaces = h2.run(&["interfaces", "--json"]);
    Some(vec![silent, asked, unclear, refused, unroutable, broadcast, interfaces, server.stop()])
}

/// What a server prints whose socket is destroyed.
fn reopened() -> Option<Outcome> {
    let lan = hosts(1).filter(|_| require("ss"))?;
    let h1 = Place::On(&lan, "h1");
    let (mut server, _) = h1.waiting(&["serve", "--threads", "1", "-4", "--json"]);
    if h1.shell("ss -K -H -n -u -a 'sport = :10000'").trim().is_empty() {
        skip("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)");
        return None;
    }
    server.until(|line| line.contains(r#""type":"reopened""#));
    Some(server.stop())
}

/// What a listener prints where the system gives no times.
fn refused() -> Option<Outcome> {
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0", "--for", "1ms", "--json"]);
    refusal::is_possible().then(|| {
        refusal::refuse(&mut command, "SO_TIMESTAMPNS", refusal::ENOPROTOOPT);
        Process::start(command).finish()
    })
}

/// What a listener prints whose clock is set.
fn stepped() -> Option<Outcome> {
    if !refusal::is_possible() {
        return None;
    }
    let scratch = Scratch::new();
    let file = scratch.path().join("stepped");
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0", "--json"]);
    refusal::step_clock(&mut command, &file);
    let mut listener = Process::start(command);
    let line = listener.until(|line| line.contains(r#""type":"listening""#));
    let listening: Value = serde_json::from_str(&line).expect("an object");
    let port = listening["addresses"][0]
        .as_str()
        .and_then(|address| address.rsplit(':').next())
        .expect("an address")
        .to_owned();
    Place::Here.python_says(SEND, &[&port, "1", "1"]);
    listener.until(|line| line.contains(r#""type":"received""#));
    std::fs::write(&file, "").expect("the directory is ours");
    Place::Here.python_says(SEND, &[&port, "2", "1"]);
    let line = listener.until(|line| line.contains(r#""type":"clock_stepped""#));
    let by_ns = serde_json::from_str::<Value>(&line).expect("an object")["by_ns"].as_i64().expect("a number");
    assert!((by_ns - 3_600_000_000_000).abs() < 1_000_000_000, "{line}");
    let outcome = listener.stop();
    assert_eq!(types_of(&outcome).filter(|kind| kind == "clock_stepped").count(), 1, "once for each step");
    Some(outcome)
}

/// What is printed of a capture: what was, and what would be sent.
fn replayed() -> Vec<Outcome> {
    let scratch = Scratch::new();
    let file = scratch.file("cut.pcap", cut_capture(&[9, 0, 9]));
    let listed = Place::Here.run(&["replay", &file, "127.0.0.1", "--dry-run", "--json"]);
    vec![listed, Place::Here.run(&["replay", &file, "127.0.0.1", "--json"])]
}

/// What a relay prints, and what is printed of its truth file.
fn relayed() -> Vec<Outcome> {
    let scratch = Scratch::new();
    let file = scratch.path().join("truth.jsonl");
    let file = file.to_str().expect("it is text");
    let arguments = [
        "relay",
        "127.0.0.1:0",
        "127.0.0.1:9",
        "--control",
        "127.0.0.1:0",
        "--loss",
        "5%",
        "--truth",
        file,
        "--status",
        "20ms",
        "-v",
        "--json",
    ];
    let mut relay = Place::Here.udp(&arguments);
    let relaying: Value = serde_json::from_str(&relay.stdout_line()).expect("JSON");
    let port =
        relaying["addresses"][0].as_str().and_then(|address| address.rsplit(':').next()).expect("a port").to_owned();
    let control = relay.until(|line| line.contains(r#""type":"control""#));
    let control: Value = serde_json::from_str(&control).expect("JSON");
    Place::Here.python_says(STEER, &[control["addresses"][0].as_str().expect("an address")]);
    relay.until(|line| line.contains(r#""type":"impaired""#));
    Place::Here.python_says(SEND, &[&port, "1", "1"]);
    relay.until(|line| line.contains(r#""type":"relay_status""#) && line.contains(r#""received":1,"#));
    vec![relay.stop(), Place::Here.run(&["relay", "--explain", file, "1", "--json"])]
}

/// What a check prints of a point.
fn judged() -> Outcome {
    let (_server, addresses) = Place::Here.waiting(&["serve", "127.0.0.1:0"]);
    Place::Here.run(&["check", "server", &addresses[0].to_string(), "--only", "answers", "--json"])
}

/// What a reflector prints whose keys are read again.
fn reflected() -> Outcome {
    let scratch = Scratch::new();
    let file = scratch.secret("probe.key", "0123456789abcdef");
    let arguments = ["reflect", "127.0.0.1:0", "--key-file", &file, "--status", "20ms", "--json"];
    let (mut reflector, addresses) = Place::Here.waiting(&arguments);
    reflector.until(|line| line.contains(r#""type":"keys""#));
    reflector.signal("HUP");
    reflector.until(|line| line.contains(r#""type":"keys""#));
    Place::Here.python_says(SEND, &[&addresses[0].port().to_string(), "1", "44"]);
    reflector.until(|line| line.contains(r#""type":"status""#) && line.contains(r#""undersized":1"#));
    reflector.stop()
}

/// What is printed of ten probes to this port.
fn measured(port: u16, more: &[&str]) -> Outcome {
    let target = format!("127.0.0.1:{port}");
    let arguments = ["measure", &target, "--count", "10", "--rate", "1000/s", "--wait", "500ms", "-v", "--json"];
    Place::Here.run(&[&arguments, more].concat())
}

/// What measurements print: of a reflector, of an echo server, where nobody is, and of what they are.
fn measurements() -> Vec<Outcome> {
    let (_reflector, reflector) = Place::Here.waiting(&["reflect", "127.0.0.1:0", "--json"]);
    let (_server, server) = Place::Here.waiting(&["serve", "127.0.0.1:0", "--echo", "--json"]);
    let scratch = Scratch::new();
    let before = measured(reflector[0].port(), &[]).objects().pop().expect("a summary").to_string();
    let before = scratch.file("before.json", before);
    let conditions =
        ["--compare", &before, "--status", "50ms", "--fail-if", "loss>100%", "--fail-if", "reverse.delay.p99>1h"];
    vec![
        measured(reflector[0].port(), &conditions),
        measured(server[0].port(), &["--fail-if", "forward.lost>0"]),
        measured(9, &["--fail-if", "forward.lost>5", "--fail-if", "rtt.p99>1s"]),
        Place::Here.run(&["measure", "--explain", "--json"]),
        Place::Here.run(&["measure", "--explain", "rtt", "--json"]),
    ]
}

#[test]
fn a_measurement_claims_of_directions_what_can_be_known() {
    let [counting, echo, nobody, ..] = &measurements()[..] else { panic!("there are five") };
    let [forward, reverse] = ["forward", "reverse"];
    // What is received is in no balance: replies are counted for the probes that they answer.
    let last = |outcome: &Outcome| outcome.objects().pop().expect("a summary");
    let summary = last(counting);
    assert_eq!((&summary["reflector"], &summary["sent"]), (&json!("counting"), &json!(10)));
    for way in [forward, reverse] {
        let known = ["sent", "lost", "duplicates", "reordered"].map(|key| summary[way][key].clone());
        assert_eq!(known, [10, 0, 0, 0].map(Value::from), "{way}");
    }
    let summary = last(echo);
    assert_eq!(summary["reflector"], "echo");
    assert!([forward, reverse].iter().all(|way| summary[way]["lost"].is_null() && summary[way]["delay"].is_null()));
    assert_eq!(summary["residence"], Value::Null);
    nobody.assert_status(2);
    let summary = last(nobody);
    assert_eq!((&summary["reflector"], &summary["round_trip"]["lost"]), (&json!("silent"), &json!(10)));
    assert_eq!((&summary[forward]["lost"], &summary[reverse]["lost"]), (&json!([0, 10]), &json!([0, null])));
    let fates: Vec<_> = nobody.objects().into_iter().filter(|object| object["type"] == "probe").collect();
    assert!(fates.len() == 10 && fates.iter().all(|probe| probe["fate"] == "lost"), "{fates:?}");
}

#[test]
fn every_type_of_the_schema_is_printed() {
    if !require("python3") {
        return;
    }
    let (Some(sent), Some(reopened), Some(refused), Some(stepped)) = (sent(), reopened(), refused(), stepped()) else {
        return;
    };
    let others = vec![reopened, refused, stepped, reflected(), judged()];
    let outcomes = [served(), listened(), sent, others, replayed(), relayed(), measurements()];
    let printed: BTreeSet<_> = outcomes.iter().flatten().flat_map(types_of).collect();
    assert_eq!(printed, types().into_iter().collect());
}

#[test]
fn every_object_on_the_page_is_as_the_schema_says() {
    let page = include_str!("../../docs/json.md");
    let blocks = page.split("```json\n").skip(1).map(|block| block.split("```").next().expect("it ends"));
    let objects: Vec<_> = blocks.flat_map(str::lines).map(checked).collect();
    assert!(objects.len() > 15, "{}", objects.len());
    for kind in types() {
        assert!(page.contains(&format!("`{kind}`")), "docs/json.md says nothing of '{kind}'");
    }
}

#[test]
fn the_schema_refuses_what_it_does_not_describe() {
    let object = json!({
        "v": 1, "type": "unanswered", "time": "2026-11-22T20:09:15.319017281Z", "request": 1,
        "destination": "192.0.2.1:7", "destination_address": "192.0.2.1", "destination_port": 7,
    });
    let is_refused = |change: fn(&mut Value)| {
        let mut changed = object.clone();
        change(&mut changed);
        std::panic::catch_unwind(|| checked(&changed.to_string())).is_err()
    };
    assert!(!is_refused(|_| {}));
    let changes: [fn(&mut Value); 6] = [
        |object| object["news"] = 1.into(),
        |object| object["type"] = "news".into(),
        |object| object["v"] = 2.into(),
        |object| object["request"] = 0.into(),
        |object| object["time"] = "2026-11-22T20:09:15Z".into(),
        |object| _ = object.as_object_mut().expect("it is one").remove("time"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert!(is_refused(change), "{number}");
    }
}
