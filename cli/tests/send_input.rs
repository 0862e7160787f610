//! What `udp send` reads and what it claims of answers: streams of payloads, conversations, a server that leaves out one.
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Place, Process, Scratch, number, without_rtt};
use serde_json::Value;

/// Answers each datagram with the same words, but the second one. Says its port.
const FORGETFUL: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('127.0.0.1', 0))
say(s.getsockname()[1])
seen = 0
while True:
    payload, source = s.recvfrom(70000)
    seen += 1
    if seen != 2:
        s.sendto(b'Get off my lawn!', source)
";

/// Prints the length of each datagram. Says its port.
const MEASURER: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_RCVBUF, 1 << 22)
s.bind(('127.0.0.1', 0))
say(s.getsockname()[1])
while True:
    say(len(s.recv(70000)))
";

/// Runs a program on a terminal, types a line once it says that it waits for one, then ends the input.
const TYPIST: &str = r"
import os, pty
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = b''
while b'Ctrl-D' not in seen:
    seen += os.read(terminal, 4096)
os.write(terminal, b'hello\n')
while b'lawn' not in seen:
    seen += os.read(terminal, 4096)
os.write(terminal, b'\x04')
try:
    while (more := os.read(terminal, 4096)):
        seen += more
except OSError:
    pass
print(seen.decode().replace('\r', ''), end='')
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

fn started(program: &str) -> (Process, String) {
    let mut process = Place::Here.python(program, &[]);
    let port = process.stdout_line();
    (process, format!("127.0.0.1:{port}"))
}

fn of_type<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["type"] == kind).collect()
}

#[test]
fn in_a_run_like_pings_the_unanswered_request_is_named_and_all_else_is_certain() {
    if !require("python3") {
        return;
    }
    let (_server, to) = started(FORGETFUL);
    let outcome = Place::Here.run(&["send", &to, "hi", "--repeat", "6", "--json"]);
    outcome.assert_status(0);
    let objects = outcome.objects();
    let requests: Vec<_> = of_type(&objects, "reply").iter().map(|reply| number(&reply["request"])).collect();
    assert_eq!(requests, [1, 3, 4, 5, 6]);
    assert!(of_type(&objects, "reply").iter().all(|reply| reply["rtt_ns"].is_number()), "{outcome:?}");
    let unanswered: Vec<_> = of_type(&objects, "unanswered").iter().map(|object| number(&object["request"])).collect();
    assert_eq!(unanswered, [2]);
    assert!(of_type(&objects, "possibly_unanswered").is_empty(), "{outcome:?}");
    let summary = outcome.summary();
    assert_eq!((number(&summary["requests"]), number(&summary["requests_answered"])), (6, 5));
}

#[test]
fn where_several_may_be_meant_none_is_named() {
    if !require("python3") {
        return;
    }
    let (_server, to) = started(FORGETFUL);
    let outcome = Place::Here.run(&["send", &to, "hi", "--repeat", "6", "--every", "100ms", "--json"]);
    outcome.assert_status(0);
    let objects = outcome.objects();
    assert!(of_type(&objects, "unanswered").is_empty(), "{outcome:?}");
    // The answers come in the order of the requests: to 1, 3, 4, 5 and 6.
    let replies = of_type(&objects, "reply");
    assert_eq!(replies.len(), 5, "{outcome:?}");
    for (reply, truth) in replies.iter().zip([1, 3, 4, 5, 6]) {
        let [first, last] = [0, 1].map(|place| reply["requests"][place].as_u64());
        let is_in = first.is_some_and(|first| first <= truth) && last.is_some_and(|last| last >= truth);
        assert!(reply["request"] == truth || reply["request"].is_null() && is_in, "{reply}");
    }
    let missing = of_type(&objects, "possibly_unanswered");
    assert_eq!(missing.len(), 1, "{outcome:?}");
    let [first, last] = [0, 1].map(|place| number(&missing[0]["requests"][place]));
    assert!(first <= 2 && last >= 2, "{missing:?}");
    assert_eq!(number(&outcome.summary()["requests_answered"]), 5);
}

#[test]
fn a_dialogue_waits_for_each_answer() {
    let scratch = Scratch::new();
    let rules = scratch.file(
        "house.toml",
        "[[rule]]\nmatch = { text = \"GET temperature\" }\nreply = \"21.5\"\ndelay = \"20ms\"\n\n\
         [[rule]]\nmatch = { prefix = \"SET \" }\nreply = \"OK {payload[4..]}\"\n",
    );
    let (_server, addresses) = Place::Here.waiting(&["serve", "127.0.0.1:0", "--rules", &rules]);
    let to = addresses[0].to_string();
    let mut dialogue = Place::Here.udp(&["send", &to, "--lines", "--dialogue"]);
    dialogue.tell_all(b"GET temperature\nSET 19\nGET temperature\n");
    let outcome = dialogue.finish();
    outcome.assert_status(0);
    // Without --dialogue the second answer would come first.
    let lines: Vec<_> = outcome.lines().iter().map(|line| without_rtt(&line.replace("#3?  ~", "#3  "))).collect();
    let expected = [
        format!("{to}  #1  RTT  4 B  21.5"),
        format!("{to}  #2  RTT  5 B  OK 19"),
        format!("{to}  #3  RTT  4 B  21.5"),
    ];
    assert_eq!(lines, expected);
    // The third is the same as the first, of which it may be a copy.
    assert!(outcome.text().contains("#3?  ~"), "{outcome:?}");
}

#[test]
fn on_a_terminal_each_line_is_a_datagram_and_it_says_so_once() {
    if !require("python3") {
        return;
    }
    let (_server, to) = started(FORGETFUL);
    let outcome = Place::Here.python(TYPIST, &[env!("CARGO_BIN_EXE_udp"), "send", &to, "--color", "never"]).finish();
    outcome.assert_status(0);
    let text = outcome.text();
    assert_eq!(text.matches("type a line to send it; Ctrl-D ends").count(), 1, "{text}");
    assert!(text.contains(&format!("{to}  #1  ")) && text.contains("1 sent, 1 answered"), "{text}");
    // Nothing is said of it where nobody types.
    let piped = Place::Here.run(&["send", &to, "--lines", "--file", "/dev/null"]);
    assert!(!piped.stderr.contains("Ctrl-D"), "{piped:?}");
}

#[test]
fn lines_of_a_file_are_streamed() {
    if !require("python3") {
        return;
    }
    let (mut server, to) = started(MEASURER);
    let scratch = Scratch::new();
    let over = "x".repeat(65_508);
    let lines = scratch.file("lines", format!("short\n{over}\nlonger\n"));
    let outcome = Place::Here.run(&["send", &to, "--file", &lines, "--lines", "--wait", "0"]);
    outcome.assert_status(2);
    outcome.assert_told(&[
        "line 2 of the input has 65508 bytes; one datagram carries at most 65507\nhint: it was not sent\n",
    ]);
    assert_eq!([server.stdout_line(), server.stdout_line()], ["5", "6"]);

    // No round of such a file sends anything: to read it again would never end.
    let unsendable = scratch.file("unsendable", over);
    let outcome = Place::Here.run(&["send", &to, "--file", &unsendable, "--lines", "-c", "2", "--wait", "0"]);
    outcome.assert_status(2);
    assert_eq!(outcome.stderr.matches("line 1 of the input").count(), 1, "{outcome:?}");

    // Memory for all of it would be more than it may have.
    let large = scratch.file("large", "0123456789\n".repeat(8_000_000));
    let limited = "ulimit -v 60000; exec \"$@\"";
    let mut command = Place::Here.command("sh");
    let arguments = ["send", &to, "--file", &large, "--lines", "--wait", "0", "-c", "200000", "--rate", "1000000/s"];
    command.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_udp")]).args(arguments);
    let outcome = Process::start(command).finish();
    outcome.assert_status(0);
    outcome.assert_told(&["200000 sent"]);

    let endless = Place::Here.run(&["send", &to, "--file", "/dev/zero", "--lines", "--wait", "0"]);
    endless.assert_status(2);
    endless.assert_told(&["line 1 of the input has no end within 64 MiB: the rest is not read\n"]);
    let twice = Place::Here.run(&["send", &to, "--file", "-", "--lines", "--repeat", "2"]);
    twice.assert_status(2);
    twice.assert_told(&["--repeat cannot read standard input twice"]);
}
