//! `udp reflect` on real sockets: replies, keys that are read again, limits and metrics.
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Outcome, Place, Process, Scratch, ignored, number};
use serde_json::{Value, json};

/// Sends requests from one port, and prints what is in the reply to each, as JSON. Arguments: port; then for each request its number,
/// SSID, length and the key that it is made with: '-' is none, and '!' before it says that there will be no reply.
const ASK: &str = "
import hashlib, hmac, json, struct
s = socket(AF_INET, SOCK_DGRAM)
s.settimeout(20)
to = ('127.0.0.1', int(sys.argv[1]))
def digest(key, data):
    return hmac.new(key.encode(), data, hashlib.sha256).digest()[:16]
def request(number, ssid, length, key):
    if key == '-':
        return struct.pack('!IQHH28x', number, 0xeeada76c12176000, 1, ssid)[:length] + bytes(max(0, length - 44))
    base = struct.pack('!I12xQHH68x', number, 0xeeada76c12176000, 1, ssid)
    return base + digest(key, base) + bytes(length - 112)
def fields(reply, key):
    if key == '-':
        number, sent, error, ssid, received, of, of_sent, of_error, hops = struct.unpack('!IQHHQIQH2xB', reply[:41])
    else:
        number, sent, error, ssid, received, of, of_sent, of_error, hops = struct.unpack('!I12xQHH4xQ8xI12xQH6xB', reply[:81])
        assert reply[96:112] == digest(key, reply[:96])
    assert (of_sent, of_error) == (0xeeada76c12176000, 1)
    assert 0 <= sent - received < 20 << 32, (sent, received)
    return dict(number=number, of=of, ssid=ssid, length=len(reply), synchronised=error >> 15, ptp=error >> 14 & 1, hops=hops)
for number, ssid, length, key in zip(*[iter(sys.argv[2:])] * 4):
    # What begins with '!' is not to be answered: the reply to the next one would be taken for its.
    s.sendto(request(int(number), int(ssid), int(length), key.lstrip('!')), to)
    if key[0] != '!':
        print(json.dumps(fields(s.recv(65535), key)))
";

/// What a reflector answers to such requests.
fn ask(port: u16, requests: &[(u32, u16, usize, &str)]) -> Vec<Value> {
    let mut arguments = vec![port.to_string()];
    for (number, ssid, length, key) in requests {
        arguments.extend([number.to_string(), ssid.to_string(), length.to_string(), (*key).to_owned()]);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let said = Place::Here.python_says(ASK, &arguments);
    said.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A reflector at any port of this host, and the port.
fn reflect(arguments: &[&str]) -> (Process, u16) {
    let (reflector, addresses) = Place::Here.waiting(&[&["reflect", "127.0.0.1:0"], arguments].concat());
    (reflector, addresses[0].port())
}

#[test]
fn a_sender_gets_replies_with_numbers_of_the_session_and_no_longer_than_its_requests() {
    if !require("python3") {
        return;
    }
    let (reflector, port) = reflect(&["--json", "--clock-error", "1ms", "--ptp"]);
    let replies = ask(port, &[(7, 5, 44, "-"), (1, 9, 1200, "-"), (8, 5, 44, "-"), (9, 5, 43, "!-"), (9, 5, 44, "-")]);
    let reply = |number: u32, of: u32, ssid: u16, length: usize| json!({"number": number, "of": of, "ssid": ssid, "length": length, "synchronised": 1, "ptp": 1, "hops": 64});
    assert_eq!(replies, [reply(0, 7, 5, 44), reply(0, 1, 9, 1200), reply(1, 8, 5, 44), reply(2, 9, 5, 44)]);
    let summary = reflector.stop().summary();
    let counts = ["received", "answered", "sessions_ever", "sent_bytes"].map(|key| number(&summary[key]));
    assert_eq!((counts, ignored(&summary, "undersized")), ([5, 4, 2, 3 * 44 + 1200], 1), "{summary}");
}

#[test]
fn short_requests_are_answered_where_that_was_asked_for() {
    if !require("python3") {
        return;
    }
    let (reflector, port) = reflect(&["--twamp-light"]);
    let lengths: Vec<_> = ask(port, &[(0, 0, 13, "!-"), (0, 0, 14, "-"), (1, 0, 41, "-"), (2, 0, 100, "-")])
        .iter()
        .map(|reply| number(&reply["length"]))
        .collect();
    assert_eq!(lengths, [44, 44, 100]);
    reflector.stop().assert_told(&[
        "4 received (168 B) in ",
        ": 3 answered, 1 ignored",
        "1 ignored: too short",
        "1 session",
    ]);
}

const OLD: &str = "correct horse battery staple";
const NEW: &str = "another horse, another staple";

#[test]
fn keys_are_read_again_at_a_signal_and_one_that_is_wrong_changes_nothing() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path().join("keys")).expect("the directory is ours");
    scratch.secret("keys/7.key", format!("{OLD}\n"));
    scratch.secret("keys/8.key", OLD);
    let (file, directory) = (scratch.secret("any.key", NEW), scratch.path().join("keys"));
    let arguments = ["--keys", directory.to_str().expect("it is text"), "--key-file", &file];
    let (mut reflector, port) = reflect(&arguments);
    reflector.until_told("answering only requests made with a key: 3 keys");
    let numbers = |requests: &[_]| ask(port, requests).iter().map(|reply| number(&reply["number"])).collect::<Vec<_>>();
    let before = [
        (0, 7, 112, OLD),
        (0, 7, 112, "!another"),
        (0, 8, 200, OLD),
        (0, 9, 112, NEW),
        (1, 7, 112, OLD),
        (0, 1, 44, "!-"),
    ];
    assert_eq!(numbers(&before), [0, 0, 0, 1]);
    for (wrong, why) in [("", "it is empty"), ("short", "it has 5 bytes, and needs 16 at least")] {
        scratch.secret("keys/7.key", wrong);
        reflector.signal("HUP");
        reflector
            .until_told(&format!("keeping the old keys: cannot use the key in '{}/7.key': {why}", directory.display()));
        assert_eq!(numbers(&[(2, 7, 112, OLD)]), [0]);
    }
    scratch.secret("keys/7.key", NEW);
    reflector.signal("HUP");
    reflector.until_told("answering only requests made with a key: 3 keys");
    assert_eq!(numbers(&[(0, 7, 112, "!correct horse battery staple"), (0, 7, 112, NEW), (0, 8, 112, OLD)]), [0, 0]);
    reflector.stop().assert_told(&[
        "8 answered, 3 ignored",
        "1 ignored: too short for a request",
        "2 ignored: wrong digest",
    ]);
}

/// Asks when the reply before left, until that is known. Argument: port. Says how that was found out, and whether it is of a reply that
/// came before, and after its T3.
const FOLLOW_UP: &str = "
import struct
s = socket(AF_INET, SOCK_DGRAM)
s.settimeout(20)
left, sent = {}, {}
for number in range(100):
    request = struct.pack('!IQHH28x', number, 1 << 63, 1, 0) + bytes([0x80, 7, 0, 16]) + bytes(16)
    s.sendto(request, ('127.0.0.1', int(sys.argv[1])))
    reply = s.recv(100)
    assert reply[44:48] == bytes([0, 7, 0, 16]), reply
    sent[number], = struct.unpack('!Q', reply[4:12])
    of, at, method = struct.unpack('!IQB3x', reply[48:])
    if at:
        say(method, of < number, 0 <= at - sent[of] < 10 << 32)
        break
";

#[test]
fn a_sender_that_asks_learns_when_the_reply_before_left() {
    if !require("python3") {
        return;
    }
    let (_reflector, port) = reflect(&["--send-times"]);
    assert_eq!(Place::Here.python_says(FOLLOW_UP, &[&port.to_string()]).trim(), "2 True True");
    // Nobody asks the kernel unless that is wanted.
    let (_reflector, port) = reflect(&[]);
    assert_eq!(Place::Here.python_says(FOLLOW_UP, &[&port.to_string()]).trim(), "");
}

/// What is said of a reflector that does not start.
fn refused(arguments: &[&str]) -> Outcome {
    let outcome = Place::Here.run(&[&["reflect", "127.0.0.1:0"], arguments].concat());
    outcome.assert_status(2);
    outcome
}

#[test]
fn a_key_that_is_no_secret_or_no_key_is_refused_with_advice() {
    let scratch = Scratch::new();
    let open = scratch.file("open.key", OLD);
    refused(&["--key-file", &open]).assert_told(&[
        &format!("udp: cannot use the key in '{open}': others may read the file"),
        &format!("hint: forbid it, and make another key if others may have read it: chmod o= '{open}'"),
    ]);
    let empty = scratch.secret("empty.key", "");
    refused(&["--key-file", &empty]).assert_told(&[
        &format!("udp: cannot use the key in '{empty}': it is empty"),
        "hint: make one with: (umask 077; ",
    ]);
    let none = scratch.path().join("none.key").display().to_string();
    refused(&["--key-file", &none]).assert_told(&[&format!("udp: cannot read the key in '{none}': ")]);
    for (name, told) in
        [("x.key", "its name is not a session identifier"), ("07.key", "are both for session identifier 7")]
    {
        let keys = Scratch::new();
        keys.secret("7.key", OLD);
        keys.secret(name, OLD);
        refused(&["--keys", keys.path().to_str().expect("it is text")]).assert_told(&[told]);
    }
    let keys = Scratch::new();
    keys.secret("7.key~", OLD);
    refused(&["--keys", keys.path().to_str().expect("it is text")]).assert_told(&["there is no key in '", "hint: "]);
}

#[test]
fn a_run_ends_after_so_many_replies_and_says_what_was_over_the_limits() {
    if !require("python3") {
        return;
    }
    let (reflector, port) = reflect(&["--max-rate", "2", "--json"]);
    ask(port, &[(0, 1, 44, "-"), (1, 1, 44, "-"), (2, 1, 44, "!-")]);
    let summary = reflector.stop().summary();
    assert_eq!((number(&summary["answered"]), ignored(&summary, "max_rate")), (2, 1), "{summary}");
    let (reflector, port) = reflect(&["--count", "2"]);
    ask(port, &[(0, 1, 44, "-"), (1, 1, 44, "-")]);
    reflector.finish().assert_status(0);
    Place::Here.run(&["reflect", "127.0.0.1:0", "--count", "1", "--for", "1ms"]).assert_status(1);
}

/// Asks for a page. Argument: its address.
#[cfg(feature = "http")]
const FETCH: &str = "
from urllib.request import urlopen
with urlopen(sys.argv[1]) as page:
    print(page.read().decode(), end='')
";

#[cfg(feature = "http")]
#[test]
fn metrics_are_those_of_the_summary() {
    if !require("python3") {
        return;
    }
    let (mut reflector, port) = reflect(&["--metrics", "127.0.0.1:0"]);
    let line = reflector.until_told("metrics at ");
    let address = line.trim().strip_prefix("metrics at ").expect("an address").to_owned();
    ask(port, &[(0, 1, 44, "-"), (0, 2, 44, "-"), (0, 2, 9, "!-"), (1, 2, 44, "-")]);
    let page = Place::Here.python_says(FETCH, &[&address]);
    for line in [
        "udp_reflect_received_datagrams_total 4",
        "udp_reflect_answered_datagrams_total 3",
        "udp_reflect_ignored_datagrams_total{reason=\"undersized\"} 1",
        "udp_reflect_sessions 2",
        "udp_reflect_sent_bytes_total 132",
    ] {
        assert!(page.lines().any(|other| other == line), "{line}: {page}");
    }
    reflector.stop().assert_told(&["4 received"]);
}
