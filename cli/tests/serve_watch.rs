//! Watching `udp serve` at work: its state, what -v shows of many, and its end while clients go on.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;

use common::netns::require;
use common::{Outcome, Place, TWO_AND_THREE, ignored, number, reply_of_a_hundred, serve_at};
use serde_json::Value;

/// Four clients that send and receive until nobody listens any more; `ready` once each has an answer. Argument: port. Says
/// how many answers came.
const LOAD: &str = "
import threading
answers, begun = [0] * 4, threading.Barrier(5)
def drain(s, number):
    try:
        while s.recv(100):
            answers[number] += 1
    except BlockingIOError:
        return True
def client(number):
    s = socket(AF_INET, SOCK_DGRAM)
    s.connect(('127.0.0.1', int(sys.argv[1])))
    s.send(b'question')
    s.recv(100)
    answers[number] += 1
    begun.wait()
    s.setblocking(False)
    try:
        while True:
            for _ in range(10):
                s.send(b'question')
            drain(s, number)
    except ConnectionRefusedError:
        while True:
            try:
                if drain(s, number):
                    return
            except ConnectionRefusedError:
                pass
clients = [threading.Thread(target=client, args=[number]) for number in range(4)]
for one in clients:
    one.start()
begun.wait()
say('ready')
for one in clients:
    one.join()
say(sum(answers))
";

/// Twenty thousand datagrams from eight peers, a few at a time so that none is lost, and an answer to each. Argument: port.
const TWENTY_THOUSAND: &str = "
peers = [socket(AF_INET, SOCK_DGRAM) for _ in range(8)]
for _ in range(100):
    for peer in peers:
        for _ in range(25):
            peer.sendto(b'question', ('127.0.0.1', int(sys.argv[1])))
    for peer in peers:
        for _ in range(25):
            peer.recv(100)
";

/// Runs a program on a terminal of its own. Arguments: columns, or 0 where the terminal does not know; what it must write
/// before a datagram is sent to the port it says, as a regular expression; the datagram in hex; what it must write before
/// it is told to end; the program. Says all that it wrote, as JSON.
const TERMINAL: &str = "
import fcntl, json, os, pty, re, signal, struct, termios
columns, before, payload, after, *program = sys.argv[1:]
process, terminal = pty.fork()
if process == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24 if int(columns) else 0, int(columns), 0, 0))
    os.execv(program[0], program)
written = b''
def until(wanted):
    global written
    while not re.search(wanted.encode(), written, re.DOTALL):
        written += os.read(terminal, 65536)
until(before)
port = int(re.search(rb'serving on 127.0.0.1:(\\d+)', written)[1])
socket(AF_INET, SOCK_DGRAM).sendto(bytes.fromhex(payload), ('127.0.0.1', port))
until(after)
os.kill(process, signal.SIGTERM)
try:
    while True:
        written += os.read(terminal, 65536)
except OSError:
    # That is how a terminal ends.
    pass
assert os.waitpid(process, 0)[1] == 0
say(json.dumps(written.decode()))
";

/// What is written over the state on a terminal: back to the start of the line, which is cleared.
const CLEAR: &str = "\r\x1b[2K";

/// A server on a terminal with this many columns, up to its end: what it wrote.
fn on_a_terminal(columns: &str, before: &str, payload: &[u8], after: &str, arguments: &[&str]) -> String {
    let payload: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
    let program = [env!("CARGO_BIN_EXE_udp"), "serve", "127.0.0.1:0"];
    let said =
        Place::Here.python_says(TERMINAL, &[&[columns, before, &payload, after], &program[..], arguments].concat());
    serde_json::from_str(&said).expect("JSON")
}

/// What a terminal shows in the end, line by line.
fn shown(written: &str) -> Vec<&str> {
    written.split("\r\n").map(|line| line.rsplit(CLEAR).next().unwrap_or(line)).collect()
}

fn of_type<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["type"] == kind).collect()
}

#[test]
fn under_load_every_answer_is_counted_when_the_end_comes() {
    if !require("python3") {
        return;
    }
    for (signal, answer) in [("TERM", "{payload}!"), ("INT", "always the same"), ("TERM", "{count}")] {
        let (server, port) = serve_at("127.0.0.1", &["--json", "--reply", answer]);
        let clients = Place::Here.python_ready(LOAD, &[&port]);
        server.signal(signal);
        let outcome = server.finish();
        outcome.assert_status(0);
        let summary = outcome.summary();
        let answered = number(&summary["answered"]);
        assert_eq!((number(&summary["sent"]), number(&summary["waiting"])), (answered, 0), "{summary}");
        let clients = clients.finish();
        clients.assert_status(0);
        let seen: u64 = clients.lines()[1].parse().expect("a number");
        assert!((4..=answered).contains(&seen), "{seen} were seen, {summary}");
    }
}

#[test]
fn the_state_is_told_as_often_as_asked() {
    if !require("python3") {
        return;
    }
    let reply = reply_of_a_hundred();
    let (mut server, port) = serve_at("127.0.0.1", &["--json", "--status", "20ms", "--reply", &reply]);
    server.until(|line| line.contains(r#""type":"status""#));
    for turn in 1..=3 {
        Place::Here.python_says(TWO_AND_THREE, &[&port]);
        server.until(|line| line.contains(&format!(r#""received":{},"#, 5 * turn)));
    }
    let outcome = server.stop();
    outcome.assert_status(0);
    let summary = outcome.summary();
    let objects = outcome.objects();
    let states = of_type(&objects, "status");
    let keys = |object: &Value| object.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>();
    let rates = ["received_per_second", "sent_per_second"].map(str::to_owned);
    for state in &states {
        assert_eq!(keys(state), &keys(&summary) | &BTreeSet::from(rates.clone()), "{state}");
        let decided = number(&state["answered"]) + ignored(state, "amplification");
        assert_eq!(number(&state["received"]), decided + number(&state["waiting"]), "{state}");
        assert!(rates.iter().all(|rate| state[rate].as_f64().is_some_and(|rate| rate >= 0.0)), "{state}");
    }
    for pair in [&states[..], &[&summary]].concat().windows(2) {
        for key in ["elapsed_ns", "received", "received_bytes", "answered", "sent", "sent_bytes", "peers_estimate"] {
            assert!(number(&pair[0][key]) <= number(&pair[1][key]), "{key}: {} {}", pair[0], pair[1]);
        }
    }
    assert!(states.iter().any(|state| state["received_per_second"].as_f64() > Some(0.0)));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn the_state_is_a_line_on_standard_error() {
    if !require("python3") {
        return;
    }
    let reply = reply_of_a_hundred();
    let (mut server, port) = serve_at("127.0.0.1", &["--status", "20ms", "--reply", &reply]);
    server.until_told("0/s in, 0/s out, 0 peers, 0 ignored, 0 dropped by the kernel");
    Place::Here.python_says(TWO_AND_THREE, &[&port]);
    let words = "0/s in, 0/s out, 1 peer, 2 ignored (2 reply too large for the request), 0 dropped by the kernel";
    server.until_told(words);
    let outcome = server.stop();
    outcome.assert_told(&["5 received (300 B) in "]);
    assert!(!outcome.stderr.contains('\x1b') && !outcome.stderr.contains('\r'), "{outcome:?}");
    assert_eq!(outcome.stdout, b"");
}

#[test]
fn without_a_terminal_no_state_is_told_unless_asked_for() {
    for arguments in
        [&[][..], &["--status", "0s"], &["-q", "--status", "10ms"], &["--json"], &["--json", "--status", "0s"]]
    {
        let outcome = Place::Here.run(&[&["serve", "127.0.0.1:0", "--for", "1200ms"], arguments].concat());
        outcome.assert_status(0);
        assert!(!outcome.stderr.contains("/s in") && !outcome.text().contains("status"), "{arguments:?}: {outcome:?}");
    }
}

#[test]
fn a_state_that_nobody_could_read_is_an_error() {
    for wrong in ["1ms", "9ms", "1us", "soon"] {
        let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--status", wrong]);
        outcome.assert_status(2);
        outcome.assert_told(&[&format!("invalid value '{wrong}' for '--status <DURATION>'")]);
    }
}

#[test]
fn on_a_terminal_the_state_is_one_line_that_makes_room_for_others() {
    if !require("python3") {
        return;
    }
    let reply = reply_of_a_hundred();
    let states = "0/s in.*0/s in.*0/s in";
    for columns in ["200", "40"] {
        let arguments = ["--status", "20ms", "--reply", &reply];
        let written = on_a_terminal(columns, states, b"?", "ignored 1 from.*/s in.*/s in", &arguments);
        let lines = shown(&written);
        assert!(lines[0].starts_with("serving on 127.0.0.1:"), "{written:?}");
        assert!(lines[1].starts_with("ignored 1 from 127.0.0.1:"), "{written:?}");
        assert!(lines[2].starts_with("1 received (1 B) in "), "{written:?}");
        assert_eq!(&lines[3..], ["  1 ignored: reply too large for the request", ""], "{written:?}");
        // Each state fits one line, and begins by taking off what stood there.
        let parts: Vec<_> = written.split("\r\n").flat_map(|line| line.split(CLEAR)).collect();
        let states: Vec<_> = parts.iter().filter(|part| part.contains("/s in")).collect();
        let columns: usize = columns.parse().expect("a number");
        assert!(states.len() >= 5 && states.iter().all(|state| state.len() < columns), "{written:?}");
        assert_eq!(written.matches("/s in").count(), states.len());
    }
}

#[test]
fn on_a_terminal_the_state_is_told_once_a_second_but_not_among_datagrams() {
    if !require("python3") {
        return;
    }
    let written = on_a_terminal("80", "/s in.*/s in", b"?", "", &[]);
    assert!(written.contains(&format!("{CLEAR}0/s in, 0/s out, 0 peers, 0 ignored")), "{written:?}");
    for arguments in [&["-v", "--color", "never"][..], &["--status", "0s"]] {
        let after = if arguments[0] == "-v" { "answered with" } else { "" };
        let written = on_a_terminal("80", "serving on [^\\n]*\\n", b"a question", after, arguments);
        assert!(!written.contains("/s in") && !written.contains('\x1b'), "{written:?}");
    }
}

#[test]
fn a_terminal_that_does_not_know_its_width_has_one_line_of_state_too() {
    if !require("python3") {
        return;
    }
    let written = on_a_terminal("0", "/s in.*/s in.*/s in", b"?", "", &["--status", "20ms"]);
    assert!(shown(&written)[1].contains(" received ("), "{written:?}");
}

#[test]
fn no_payload_steers_the_terminal() {
    if !require("python3") {
        return;
    }
    let payload = b"\x1b]0;owned\x07\x1b[2J\x9b31m\xc2\x9b31m\r\n\x08\x7f fake line \xe2\x80\xae \x1bP+q\x1b\\";
    let arguments = ["-v", "--status", "20ms", "--echo", "--color", "never"];
    for format in [&[][..], &["--format", "hex"]] {
        let arguments = [&arguments[..], format].concat();
        let written = on_a_terminal("200", "/s in", payload, "answered with.*/s in", &arguments);
        let text = written.replace(CLEAR, "").replace("\r\n", "\n");
        let harmless = |letter: char| letter == '\n' || !letter.is_control() && letter != '\u{202e}';
        assert!(text.chars().all(harmless), "{written:?}");
        assert!(text.contains("owned") && !text.contains("\n fake line"), "{written:?}");
    }
}

#[test]
fn what_is_not_shown_of_many_is_counted() {
    if !require("python3") {
        return;
    }
    let (server, port) = serve_at("127.0.0.1", &["-v", "--json"]);
    Place::Here.python_says(TWENTY_THOUSAND, &[&port]);
    let outcome = server.stop();
    let (summary, objects) = (outcome.summary(), outcome.objects());
    let shown = of_type(&objects, "answered").len() as u64;
    let not_shown: u64 = of_type(&objects, "not_shown").iter().map(|object| number(&object["count"])).sum();
    assert_eq!((number(&summary["answered"]), shown + not_shown), (20_000, 20_000));
    let seconds = number(&summary["elapsed_ns"]) / 1_000_000_000;
    assert!((1000..=1000 * (seconds + 1)).contains(&shown), "{shown} in {seconds} s");

    let (server, port) = serve_at("127.0.0.1", &["-v"]);
    Place::Here.python_says(TWENTY_THOUSAND, &[&port]);
    let outcome = server.stop();
    assert_eq!((outcome.lines().len() as u64 + told_of_more(&outcome)), 20_000, "{outcome:?}");
    outcome.assert_told(&["20000 received (160000 B) in ", ": 20000 answered, 0 ignored"]);
}

/// How many datagrams were not shown, as standard error says.
fn told_of_more(outcome: &Outcome) -> u64 {
    let counts = outcome.stderr.lines().filter_map(|line| line.strip_suffix(" more datagrams, not shown one by one"));
    counts.map(|count| count.parse::<u64>().expect("a number")).sum()
}
