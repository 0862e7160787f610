//! `udp serve --reply` with places: each is filled in, mistakes are told before anything is bound, and lengths hold.
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Place, hosts, ignored, number, serve_at};

/// Asks from many peers at once, and says all answers. Arguments: port, peers, datagrams of each.
const MANY_PEERS: &str = "
peers = [socket(AF_INET, SOCK_DGRAM) for _ in range(int(sys.argv[2]))]
for _ in range(int(sys.argv[3])):
    for peer in peers:
        peer.sendto(b'question', ('127.0.0.1', int(sys.argv[1])))
    for peer in peers:
        say(peer.recv(100).decode())
";

/// Sends a datagram of each of these lengths, and says the length of the answer to the last one. Arguments: host, port,
/// lengths.
const LENGTHS: &str = "
host, port = sys.argv[1], int(sys.argv[2])
s = socket(AF_INET6 if ':' in host else AF_INET, SOCK_DGRAM)
for length in map(int, sys.argv[3:]):
    s.sendto(bytes(length), (host, port))
say(len(s.recv(70000)))
";

#[test]
fn each_place_is_filled_in() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let cases = [
        ("{source}", "10.1.0.2:4000"),
        ("<{payload}>", "<Hello>"),
        ("{payload_hex}", "48656c6c6f"),
        ("{payload[1..3]}-{payload[..1]}-{payload[3..]}-{payload_hex[4..]}-{payload[9..12]}", "el-H-lo-6f-"),
        ("{length}", "5"),
        ("{count}", "1"),
        ("{interface}", "eth0"),
        (
            r#"{"count": {count}, "of": {"payload": "{payload}"}, "none": {}}"#,
            r#"{"count": 1, "of": {"payload": "Hello"}, "none": {}}"#,
        ),
        ("{{count} { {{} }", "{count} { {} }"),
        ("", ""),
    ];
    for (template, reply) in cases {
        let (server, _) = h1.waiting(&["serve", "--reply", template, "--count", "1"]);
        let outcome = h2.run(&["send", "10.1.0.1", "Hello", "--local", ":4000", "--raw", "--wait", "5s"]);
        assert_eq!(outcome.text(), reply, "{template}");
        server.finish().assert_status(0);
    }
}

#[test]
fn the_time_is_that_of_the_arrival() {
    let (server, port) = serve_at("127.0.0.1", &["--reply", "{time}", "--json", "-v"]);
    let reply = Place::Here.run(&["send", &format!("127.0.0.1:{port}"), "what time is it?", "--raw"]).text();
    let objects = server.stop().objects();
    let answered = objects.iter().find(|object| object["type"] == "answered").expect("it was answered");
    assert_eq!(answered["time"], reply);
    let shape: String = reply.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000000Z");
}

#[test]
fn a_mistake_in_a_template_is_told_with_what_would_be_right() {
    let cases = [
        (
            "{sorce}",
            "'{sorce}' is not known; there are {source} {payload} {payload_hex} {length} {count} {time} {interface}",
        ),
        ("pong {count", "'{count' has no closing brace"),
        ("{count[0..1]}", "'count' has no parts; 'payload' has"),
        ("{payload[2]}", "'2' is no part; write 0..2, ..2 or 12.."),
        ("{payload[3..1]}", "'3..1' is no part"),
        ("{payload[0..2}", "has no closing ]"),
    ];
    for (template, words) in cases {
        let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--reply", template]);
        outcome.assert_status(2);
        outcome.assert_told(&[words, "--reply <TEXT>"]);
        assert_eq!(outcome.stdout, b"");
    }
}

#[test]
fn replies_are_numbered_without_gaps_and_repeats_whichever_worker_makes_them() {
    if !require("python3") {
        return;
    }
    for threads in ["1", "2", "4"] {
        let (server, port) = serve_at("127.0.0.1", &["--reply", "{count}", "--threads", threads]);
        let said = Place::Here.python_says(MANY_PEERS, &[&port, "100", "10"]);
        let mut numbers: Vec<u64> = said.lines().map(|line| line.parse().expect("a number")).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=1000).collect::<Vec<_>>(), "{threads}");
        server.stop().assert_status(0);
    }
}

#[test]
fn a_reply_that_grows_past_what_a_datagram_carries_is_counted() {
    if !require("python3") {
        return;
    }
    let cases = [("127.0.0.1", "65507"), ("::1", "65527")];
    for (ip, most) in cases {
        if ip == "::1" && std::net::TcpListener::bind((ip, 0)).is_err() {
            continue;
        }
        let off = ["--max-amplification", "off", "--json"];
        let (server, port) = serve_at(ip, &[&["--reply", "{payload}{payload}."][..], &off].concat());
        // The first two would have a byte more than fits, and twice as many as are received at once; the third one fits.
        let half = most.parse::<usize>().expect("a number") / 2;
        let lengths = [half + 1, 65_000, half].map(|length| length.to_string());
        let said = Place::Here.python_says(LENGTHS, &[ip, &port, &lengths[0], &lengths[1], &lengths[2]]);
        assert_eq!(said.trim_end(), most);
        let summary = server.stop().summary();
        assert_eq!((number(&summary["answered"]), ignored(&summary, "reply_too_long")), (1, 2), "{summary}");
    }
}
