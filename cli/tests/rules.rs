//! `udp serve --rules`: the worked files of docs/rules.md as they stand there, mistakes, and new rules while it runs.
#![cfg(target_os = "linux")]

mod common;

use std::fmt::Write;

use common::netns::{require, skip};
use common::{Outcome, Place, Process, Scratch, number, without_rtt};

const DOCS: &str = include_str!("../../docs/rules.md");

/// Asks for the address of a name in any case, twice, and for something else. Arguments: host, port. Says the address, or
/// how many answers there were, when every byte of the answer is what RFC 1035 wants.
const RESOLVE: &str = "
import struct
host, port = sys.argv[1], int(sys.argv[2])
def resolve(number, name, kind):
    labels = b''.join(bytes([len(label)]) + label for label in name.encode().split(b'.'))
    question = labels + b'\\0' + struct.pack('!HH', kind, 1)
    answer, source = ask((host, port), struct.pack('!6H', number, 0x0100, 1, 0, 0, 0) + question)
    assert source == (host, port), source
    header, rest = struct.unpack('!6H', answer[:12]), answer[12:]
    assert header[:3] == (number, 0x8180, 1) and header[4:] == (0, 0), header
    assert rest.startswith(question), rest
    rest = rest[len(question):]
    if header[3] == 0:
        assert rest == b'', rest
        return 'none'
    assert header[3] == 1, header
    pointer, kind, family, ttl, length = struct.unpack('!HHHLH', rest[:12])
    assert (pointer, kind, family, ttl, length) == (0xc00c, 1, 1, 60, 4), rest
    assert len(rest) == 16, rest
    return inet_ntoa(rest[12:])
say(resolve(0x1234, 'a.test', 1), resolve(0x0a0d, 'Printer.Upstairs.TEST', 1), resolve(0, 'x' * 63 + '.test', 1))
say(resolve(1, 'a.test', 28), resolve(2, 'a.example', 1), resolve(3, 'test', 1), resolve(4, 'a.test.example', 1))
";

/// Sends a hundred labelled datagrams, and takes answers until its standard input ends. Says which labels had none, and
/// the shortest and the longest time to the others, in milliseconds. Arguments: host, port.
const HUNDRED: &str = "
from select import select
from time import monotonic
s = socket(AF_INET, SOCK_DGRAM)
sent, took = {}, {}
for label in range(1, 101):
    sent[label] = monotonic()
    s.sendto(b'%d' % label, (sys.argv[1], int(sys.argv[2])))
while s in select([s, sys.stdin], [], [])[0]:
    label = int(s.recvfrom(100)[0])
    assert label not in took, label
    took[label] = 1000 * (monotonic() - sent[label])
say(*sorted(sent.keys() - took.keys()))
say(min(took.values()), max(took.values()))
";

/// Sends two thousand labelled datagrams, twenty at a time, and takes an answer to each, while two sets of rules replace
/// one another. Arguments: host, port, the server's process, its rules file. Says how many answers there were, and whether
/// both had their share.
const RELOADS: &str = "
import os, signal
host, port, process, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
s = socket(AF_INET, SOCK_DGRAM)
answers = {b'even': 0, b'odd': 0}
for turn in range(100):
    waiting = {b'%d' % (20 * turn + number) for number in range(20)}
    for number, label in enumerate(list(waiting)):
        s.sendto(label, (host, port))
        if number == 10:
            with open(path + '.new', 'w') as file:
                file.write('rule = [{ reply = \"%s {payload}\" }]' % ('even', 'odd')[turn % 2])
            os.rename(path + '.new', path)
            os.kill(process, signal.SIGHUP)
    while waiting:
        rules, label = s.recvfrom(100)[0].split()
        waiting.remove(label)
        answers[rules] += 1
say(sum(answers.values()), min(answers.values()) > 0)
";

/// The part of the documentation below a heading.
fn section(heading: &str) -> &'static str {
    let rest = DOCS.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no '{heading}' in the docs")).1;
    rest.split("\n## ").next().expect("there is always a first")
}

/// What stands in fences of this kind in a text.
fn fenced<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let parts = text.split("\n```").skip(1).step_by(2);
    parts.filter_map(|part| part.split_once('\n').filter(|(start, _)| *start == kind)).map(|(_, inner)| inner).collect()
}

/// A server with the rules of a section, and its port.
fn serve(scratch: &Scratch, heading: &str, arguments: &[&str]) -> (Process, String) {
    serve_rules(&scratch.file("rules.toml", fenced(section(heading), "toml")[0]), arguments)
}

fn serve_rules(file: &str, arguments: &[&str]) -> (Process, String) {
    let (server, addresses) = Place::Here.waiting(&[&["serve", "127.0.0.1:0", "--rules", file], arguments].concat());
    (server, addresses[0].port().to_string())
}

/// What is answered to a payload at this port.
fn answer(port: &str, payload: &str) -> String {
    let outcome = Place::Here.run(&["send", &format!("127.0.0.1:{port}"), payload, "--raw"]);
    outcome.assert_status(0);
    outcome.text()
}

fn ignored(outcome: &Outcome, reason: &str) -> u64 {
    outcome.summary()["ignored"][reason].as_u64().unwrap_or(0)
}

/// The words of a line of shell, of which some are in single quotes.
fn words(line: &str) -> Vec<&str> {
    let plain_and_quoted = line.split('\'').enumerate();
    plain_and_quoted
        .flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        })
        .collect()
}

/// Runs what the session of a section sends, and compares what is printed; times and the port may differ.
fn replay(heading: &str, port: &str) {
    let mut expected = String::new();
    let mut printed = String::new();
    for line in fenced(section(heading), "")[0].lines() {
        let Some(command) = line.strip_prefix("$ udp ") else {
            writeln!(expected, "{}", timeless(line)).expect("memory takes it");
            continue;
        };
        let local = command.replace(":9000", &format!(":{port}")).replace(":9053", &format!(":{port}"));
        let outcome = Place::Here.run(&words(&local));
        outcome.assert_status(0);
        for line in outcome.lines() {
            let line = line.replace(&format!(":{port}"), command.split(' ').nth(1).expect("an address").split_at(9).1);
            writeln!(printed, "{}", timeless(&line)).expect("memory takes it");
        }
    }
    assert_eq!(printed, expected, "{heading}");
}

fn timeless(line: &str) -> String {
    if line.contains(" ms  ") { without_rtt(line) } else { line.to_owned() }
}

#[test]
fn every_file_in_the_documentation_is_accepted() {
    let scratch = Scratch::new();
    let files = fenced(DOCS, "toml");
    assert_eq!(files.len(), 4);
    for text in files {
        let file = scratch.file("rules.toml", text);
        Place::Here.run(&["serve", "127.0.0.1:0", "--rules", &file, "--for", "0"]).assert_status(0);
    }
}

#[test]
fn the_thermostat_answers_as_the_documentation_shows() {
    let scratch = Scratch::new();
    let heading = "Worked: a thermostat";
    let (server, port) = serve(&scratch, heading, &["--json"]);
    replay(heading, &port);
    for (request, reply) in [
        ("SET 5", "OK 5"),
        ("SET 30", "OK 30"),
        ("SET 31", "ERROR 5 to 30, not 31"),
        ("SET 19\n", "ERROR 5 to 30, not 19\n"),
        ("get temperature", "ERROR what is 'get temperature'?"),
        (" ", "ERROR what is ' '?"),
    ] {
        assert_eq!(answer(&port, request), reply, "{request}");
    }
    let summary = server.stop().summary();
    assert_eq!([&summary["received"], &summary["answered"]], [10; 2]);
}

#[test]
fn the_name_server_answers_in_bytes_that_parse() {
    let scratch = Scratch::new();
    let heading = "Worked: a name server for `.test`";
    let (server, port) = serve(&scratch, heading, &["--json"]);
    replay(heading, &port);
    // An answer is no question, nor is half a header: nobody asks for a reply.
    let udp = |hex| Place::Here.run(&["send", &format!("127.0.0.1:{port}"), "--hex", hex, "--wait", "0"]);
    udp("1234 8180 0001 0000 0000 0000 0161 0474657374 00 0001 0001").assert_status(0);
    udp("1234 0100 0001").assert_status(0);
    if require("python3") {
        let said = Place::Here.python_says(RESOLVE, &["127.0.0.1", &port]);
        assert_eq!(said, "192.0.2.1 192.0.2.1 192.0.2.1\nnone none none none\n");
    }
    // What was sent before one that is answered is counted.
    replay(heading, &port);
    let outcome = server.stop();
    assert_eq!(ignored(&outcome, "no_rule"), 2, "{outcome:?}");
}

#[test]
fn the_flaky_device_loses_the_same_replies_each_time_and_delays_the_others() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let heading = "Worked: a device over a bad link";
    let runs = [(); 2].map(|()| {
        let (mut server, port) = serve(&scratch, heading, &["--threads", "1", "--json", "--status", "20ms"]);
        let client = Place::Here.python(HUNDRED, &["127.0.0.1", &port]);
        // On loopback, what was sent has arrived.
        server.until(|line| line.contains(r#""received":100,"#) && line.contains(r#""waiting":0,"#));
        let said = client.finish();
        said.assert_status(0);
        let said = said.lines();
        let [lost, times] = said.as_slice() else { panic!("{said:?}") };
        let outcome = server.stop();
        let summary = outcome.summary();
        let losses = lost.split(' ').count() as u64;
        assert_eq!(ignored(&outcome, "rule_loss"), losses, "{summary}");
        assert_eq!([number(&summary["received"]), number(&summary["answered"])], [100, 100 - losses], "{summary}");
        let times: Vec<f64> = times.split(' ').map(|time| time.parse().expect("milliseconds")).collect();
        // The client's machine may be busy, and its clock runs from before the request until after the reply.
        assert!(times[0] >= 20.0 && times[1] >= 60.0 && times[1] < 5000.0, "{times:?}");
        lost.to_owned()
    });
    assert_eq!(runs[0], runs[1]);
    let in_docs: Vec<_> = section(heading).lines().filter_map(|line| line.strip_prefix("no answer to #")).collect();
    let first_six: Vec<_> = runs[0].split(' ').filter(|label| label.len() == 1 && *label <= "6").collect();
    assert_eq!(first_six, in_docs);
}

#[test]
fn a_reply_that_is_too_long_or_too_large_is_counted_and_not_sent() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "rules.toml",
        format!(
            "[[rule]]\nmatch = {{ prefix = 'long' }}\nreply = '{}'\n[[rule]]\nmatch = {{ text = 'large' }}\nreply = '{}'\n\
             [[rule]]\nmatch = {{ text = 'silent' }}\nnothing = true\n[[rule]]\nmatch = {{ text = 'end' }}\nreply = 'end'",
            "{payload}".repeat(2),
            "x".repeat(3 * 5 + 56 + 1)
        ),
    );
    let (server, port) = serve_rules(&file, &["--threads", "1", "--json"]);
    let long = scratch.file("long", format!("long{}", "x".repeat(40_000)));
    let address = format!("127.0.0.1:{port}");
    for payload in [&["--file", &long][..], &["large"], &["silent"], &["unknown"]] {
        Place::Here.run(&[&["send", &address, "--wait", "0"], payload].concat()).assert_status(0);
    }
    assert_eq!(answer(&port, "end"), "end");
    let outcome = server.stop();
    for reason in ["reply_too_long", "amplification", "rule_silent", "no_rule"] {
        assert_eq!(ignored(&outcome, reason), 1, "{reason}: {outcome:?}");
    }
}

#[test]
fn a_reply_may_be_as_large_as_the_documentation_says() {
    let scratch = Scratch::new();
    for (ip, most) in [("127.0.0.1", 3 * 5 + 56), ("[::1]", 3 * 5 + 96)] {
        if ip == "[::1]" && udpkit::Socket::bind(common::parse("[::1]:0"), &udpkit::Options::default()).is_err() {
            skip("no IPv6");
            continue;
        }
        for (len, wait, status) in [(most, "10s", 0), (most + 1, "200ms", 1)] {
            let file = scratch.file("rules.toml", format!("[[rule]]\nreply = '{}'", "x".repeat(len)));
            let (_server, addresses) = Place::Here.waiting(&["serve", &format!("{ip}:0"), "--rules", &file]);
            let outcome = Place::Here.run(&["send", &addresses[0].to_string(), "hello", "--wait", wait]);
            outcome.assert_status(status);
        }
    }
}

#[test]
fn a_file_with_a_mistake_serves_nothing_and_says_where_it_is() {
    let scratch = Scratch::new();
    let directory = scratch.path().to_str().expect("it is text");
    let missing = format!("{directory}/missing.toml");
    let cases = [
        (scratch.file("place.toml", "[[rule]]\nmatch = { text = 'a' }\nreply = 'pong {sorce}'"), {
            "line 3, column 15: '{sorce}' is not known; there are {source} {payload} {payload_hex} {length} {count} {time} \
             {interface}, and {{ is a plain brace"
        }),
        (
            scratch.file("syntax.toml", "[[rule]]\nreply = \"pong\n"),
            "line 2, column 14: invalid basic string, expected `\"`",
        ),
        (scratch.file("latin.toml", b"[[rule]]\nreply = '\xc3\xa4\xe4'"), "line 2, column 11: this is not UTF-8"),
        (
            scratch.file("key.toml", "\"\\u001b[2J\" = 1"),
            "line 1, column 1: a rules file has no '\\x1b[2J'; there are rule, seed",
        ),
        (
            scratch.file("empty.toml", ""),
            "line 1, column 1: there is no [[rule]], so nothing would be answered (that is --sink)",
        ),
        (scratch.file("big.toml", " ".repeat((1 << 20) + 1)), "it has more than 1048576 bytes, the most that are read"),
        (directory.to_owned(), "is a directory"),
        (missing, "no such file or directory"),
        ("/dev/zero".to_owned(), "it has more than 1048576 bytes, the most that are read"),
    ];
    for (file, message) in cases {
        let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--rules", &file]);
        outcome.assert_status(2);
        let expected = format!("udp: cannot read rules '{file}': {message}");
        assert!(outcome.stderr.starts_with(&expected), "{expected}\n{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert_eq!(outcome.stdout, b"");
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let scratch = Scratch::new();
    let file = scratch.file("rules.toml", "seed = 'x'\n[[rule]]\nmatch = { text = 'a' }\n[[rule]]\nreply = 7");
    let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--rules", &file]);
    outcome.assert_status(2);
    let expected = format!(
        "udp: cannot read rules '{file}': line 1, column 8: a seed is a whole number from 0 on, such as 7\n\
         hint: it has 3 mistakes; the next: line 2, column 1: this rule does not say what to do: it needs one of reply, \
         reply_hex, echo, nothing; line 5, column 9: 'reply' is a text in quotes\n"
    );
    assert_eq!(outcome.stderr, expected);
}

#[test]
fn rules_are_the_only_answer() {
    for other in [&["--reply", "x"][..], &["--echo"], &["--sink"]] {
        let outcome = Place::Here.run(&[&["serve", "127.0.0.1:0", "--rules", "any.toml"], other].concat());
        outcome.assert_status(2);
        outcome.assert_told(&["cannot be used with"]);
    }
}

#[test]
fn new_rules_are_followed_after_a_hangup() {
    let scratch = Scratch::new();
    let file = scratch.file("rules.toml", "[[rule]]\nreply = 'old'");
    let (mut server, port) = serve_rules(&file, &[]);
    assert_eq!(answer(&port, "x"), "old");
    scratch.file("rules.toml", "[[rule]]\nmatch = { text = 'x' }\nreply = 'new'\n[[rule]]\necho = true");
    assert_eq!(answer(&port, "x"), "old");
    server.signal("HUP");
    assert_eq!(server.stderr_line(), "rules read again: 2");
    assert_eq!([answer(&port, "x"), answer(&port, "y")], ["new", "y"]);
    server.stop().assert_status(0);
}

#[test]
fn a_mistake_in_new_rules_leaves_the_old_ones_and_is_told() {
    let scratch = Scratch::new();
    let file = scratch.file("rules.toml", "[[rule]]\nreply = 'old'");
    let (mut server, port) = serve_rules(&file, &[]);
    let mistakes: [(&dyn Fn(), &str); 2] = [
        (
            &|| drop(scratch.file("rules.toml", "[[rule]]\nreply = 'new {'\ndelay = 'soon'")),
            ": line 3, column 9: 'soon' is",
        ),
        (&|| std::fs::remove_file(&file).expect("it is there"), ": no such file or directory"),
    ];
    for (make, words) in mistakes {
        make();
        server.signal("HUP");
        let line = server.stderr_line();
        let expected = format!("udp: keeping the old rules: cannot read rules '{file}'{words}");
        assert!(line.starts_with(&expected), "{expected}\n{line}");
        assert_eq!(answer(&port, "x"), "old");
    }
    scratch.file("rules.toml", "[[rule]]\nreply = 'new'");
    server.signal("HUP");
    assert_eq!(server.stderr_line(), "rules read again: 1");
    assert_eq!(answer(&port, "x"), "new");
    server.stop().assert_status(0);
}

#[test]
fn no_datagram_is_lost_while_rules_are_read_again() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("rules.toml", "[[rule]]\nreply = 'even {payload}'");
    let (server, port) = serve_rules(&file, &["--json"]);
    let process = server.id().to_string();
    assert_eq!(Place::Here.python_says(RELOADS, &["127.0.0.1", &port, &process, &file]), "2000 True\n");
    let outcome = server.stop();
    let summary = outcome.summary();
    assert_eq!([&summary["received"], &summary["answered"]], [2000; 2]);
    assert!(outcome.objects().iter().any(|object| object["type"] == "rules"), "{outcome:?}");
}

#[test]
fn a_reply_that_is_held_back_outlives_the_rule_that_made_it() {
    let scratch = Scratch::new();
    let file = scratch.file("rules.toml", "[[rule]]\nreply = 'old'\ndelay = '2s'");
    let (mut server, port) = serve_rules(&file, &["--json", "--status", "20ms"]);
    let client = Place::Here.udp(&["send", &format!("127.0.0.1:{port}"), "x", "--raw", "--wait", "10s"]);
    server.until(|line| line.contains(r#""waiting":1,"#));
    scratch.file("rules.toml", "[[rule]]\nreply = 'new'");
    server.signal("HUP");
    server.until(|line| line.contains(r#""type":"rules""#));
    assert_eq!(answer(&port, "y"), "new");
    assert_eq!(client.finish().text(), "old");
    assert_eq!(number(&server.stop().summary()["answered"]), 2);
}

#[test]
fn a_file_that_has_become_a_pipe_keeps_no_server_from_ending() {
    let scratch = Scratch::new();
    let file = scratch.file("rules.toml", "[[rule]]\nreply = \"old\"");
    let (server, port) = serve_rules(&file, &[]);
    Place::Here.shell(&format!("rm {file}; mkfifo {file}"));
    server.signal("HUP");
    assert_eq!(answer(&port, "question"), "old");
    server.stop().assert_status(0);
}
