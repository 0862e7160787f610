//! `--df`, `--size` and `--template`: what is sent has the length that was asked for, and what is too long says so.
#![cfg(target_os = "linux")]

mod common;

use common::netns::Lan;
use common::{Outcome, Place, Process, Scratch, number, serve_at, without_time};
use serde_json::Value;

/// Hosts `a` and `b`, and between them a router whose second link takes 1,300 bytes.
const NARROW: &str = "
host a; host r; host b
ip link add eth0 netns a type veth peer name eth0 netns r
ip link add eth1 netns r type veth peer name eth0 netns b
on r ip link set eth1 mtu 1300
on b ip link set eth0 mtu 1300
on a ip address add 10.1.0.1/24 broadcast 10.1.0.255 dev eth0
on a ip address add fd01::1/64 dev eth0 nodad
on r ip address add 10.1.0.2/24 dev eth0
on r ip address add fd01::2/64 dev eth0 nodad
on r ip address add 10.2.0.2/24 dev eth1
on r ip address add fd02::2/64 dev eth1 nodad
on b ip address add 10.2.0.1/24 dev eth0
on b ip address add fd02::1/64 dev eth0 nodad
on r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
for end in 'a eth0' 'r eth0' 'r eth1' 'b eth0'; do on ${end% *} ip link set ${end#* } up; done
for end in 'a eth0' 'r eth0' 'r eth1' 'b eth0'; do usable $end; done
on a ip route add default via 10.1.0.2
on a ip -6 route add default via fd01::2
on b ip route add default via 10.2.0.2
on b ip -6 route add default via fd02::2
";

/// Asserts that it could not send, for the MTU and with the longest payload that fits as advice; in which words.
fn assert_too_big(outcome: &Outcome, words: &str, most: usize) {
    outcome.assert_status(2);
    outcome.assert_told(&[words, &format!("hint: payloads of up to {most} B get there in one piece\n")]);
    assert_eq!(outcome.stderr.matches("too big").count(), 1, "{outcome:?}");
}

#[test]
fn with_df_what_is_too_long_for_the_path_is_an_error_that_names_its_mtu() {
    let Some(lan) = Lan::new(NARROW) else { return };
    let [a, b] = ["a", "b"].map(|host| Place::On(&lan, host));
    let server = b.waiting(&["serve", "--echo"]).0;
    for (address, headers, router) in [("10.2.0.1:10000", 28, "10.1.0.2"), ("[fd02::1]:10000", 48, "fd01::2")] {
        let most = 1300 - headers;
        let send = |size: usize, flags: &[&str]| {
            a.run(&[&["send", address, "x", "--size", &size.to_string(), "--wait", "30s"], flags].concat())
        };
        // Over the first link: known before anything is sent.
        let outcome = send(1501 - headers, &["--df"]);
        assert_too_big(
            &outcome,
            &format!("cannot send to {address}: too big for the path (MTU 1500)\n"),
            1500 - headers,
        );
        // Over the second link: its router says so, and from then on it is known.
        let outcome = send(most + 1, &["--df"]);
        let refused = format!("cannot reach {address}: too big for the path (MTU 1300) (says {router})\n");
        assert_too_big(&outcome, &refused, most);
        let known = format!("cannot send to {address}: too big for the path (MTU 1300)\n");
        assert_too_big(&send(most + 1, &["--df"]), &known, most);
        let objects = send(most + 1, &["--df", "--json"]).objects();
        let failed = objects.iter().find(|object| object["type"] == "send_failed").expect("it is told");
        assert_eq!(number(&failed["mtu_bytes"]), 1300, "{failed}");
        // What fits gets there, and without the flag everything does.
        for (size, flags) in [(most, &["--df"][..]), (most + 1, &[]), (5000, &[])] {
            let outcome = send(size, &[flags, &["--json"]].concat());
            outcome.assert_status(0);
            assert_eq!(number(&outcome.objects()[0]["length"]), size as u64, "{outcome:?}");
        }
    }
    server.stop().assert_status(0);
}

#[test]
fn broadcast_and_replay_have_df_too() {
    let Some(lan) = Lan::new(NARROW) else { return };
    let [a, r] = ["a", "r"].map(|host| Place::On(&lan, host));
    let outcome = a.run(&["broadcast", "x", "--size", "1473", "--df"]);
    assert_too_big(&outcome, "cannot send to 10.1.0.255:10000: too big for the path (MTU 1500)\n", 1472);
    a.run(&["broadcast", "x", "--size", "1472", "--df", "--wait", "0"]).assert_status(0);
    let scratch = Scratch::new();
    let capture = scratch.path().join("capture.pcapng");
    let capture = capture.to_str().expect("it is text");
    let listener = r.waiting(&["listen", "10.1.0.2", "--write", capture, "--count", "2"]).0;
    for size in ["1472", "1473"] {
        a.run(&["send", "10.1.0.2", "x", "--size", size, "--wait", "0"]).assert_status(0);
    }
    listener.finish().assert_status(0);
    let outcome = a.run(&["replay", capture, "10.1.0.2", "--df", "--wait", "0", "--quiet"]);
    assert_too_big(&outcome, "cannot send to 10.1.0.2:10000: too big for the path (MTU 1500)\n", 1472);
}

/// What a listener at any port hears of what this sends there.
fn heard(count: &str, send: impl Fn(&str) -> Outcome) -> Vec<Value> {
    let (listener, addresses) = Place::Here.waiting(&["listen", "127.0.0.1:0", "--count", count, "--json"]);
    send(&addresses[0].to_string()).assert_status(0);
    let objects = listener.finish().objects();
    objects.into_iter().filter(|object| object["type"] == "received").collect()
}

#[test]
fn payloads_are_cut_or_filled_up_to_the_size_that_was_asked_for() {
    let scratch = Scratch::new();
    let lines = scratch.file("lines", "one\nseventeen letters\n");
    let cases: [(&[&str], &str, &[&str]); 4] = [
        (&["hello"], "8", &["hello\0\0\0"]),
        (&["hello"], "2", &["he"]),
        (&["--empty"], "3", &["\0\0\0"]),
        (&["--file", &lines, "--lines"], "5", &["one\0\0", "seven"]),
    ];
    for (payload, size, expected) in cases {
        let flags = [payload, &["--size", size, "--wait", "0"]].concat();
        let heard = heard(&expected.len().to_string(), |to| Place::Here.run(&[&["send", to], &flags[..]].concat()));
        let texts: Vec<_> = heard.iter().map(|datagram| datagram["text"].as_str().expect("it is text")).collect();
        assert_eq!(texts, expected);
    }
    // Lines of standard input as they come.
    let heard = heard("2", |to| {
        let mut sender = Place::Here.udp(&["send", to, "--lines", "--size", "4", "--wait", "0"]);
        sender.tell_all(b"one\nseventeen letters\n");
        sender.finish()
    });
    assert_eq!([&heard[0]["text"], &heard[1]["text"]], ["one\0", "seve"]);
    let outcome = Place::Here.run(&["send", "127.0.0.1", "x", "--size", "65508"]);
    outcome.assert_status(2);
    outcome.assert_told(&["the payload has 65508 bytes; a UDP datagram over IPv4 carries at most 65507"]);
}

#[test]
fn templates_number_what_is_sent_and_tell_the_time() {
    let text = "#{count} at {time}, {{count}";
    let heard = heard("3", |to| {
        Place::Here.run(&["send", to, "--template", text, "--repeat", "3", "--every", "1ms", "--wait", "0"])
    });
    let mut before = String::new();
    for (number, datagram) in (1..).zip(&heard) {
        let payload = datagram["text"].as_str().expect("it is text");
        let time = payload.strip_prefix(&format!("#{number} at ")).and_then(|rest| rest.strip_suffix(", {count}"));
        let time = time.unwrap_or_else(|| panic!("{payload}"));
        assert!(time.ends_with('Z') && time >= before.as_str(), "{before} {time}");
        before = time.to_owned();
        // Both clocks are the same, and it was received after it was made.
        assert!(time <= datagram["time"].as_str().expect("it is text"), "{datagram}");
    }
    // Without the flag, braces are nothing but braces.
    let (server, port) = serve_at("127.0.0.1", &["--echo"]);
    let outcome = Place::Here.run(&["send", &format!("127.0.0.1:{port}"), "{count}"]);
    assert!(outcome.text().ends_with("  {count}\n"), "{outcome:?}");
    server.stop().assert_status(0);
    for (text, words) in [
        ("{source}", "'{source}' is of a datagram that is answered; a request has {count} {time}"),
        ("{cuont}", "'{cuont}' is not known; there are {count} {time}"),
        ("{count", "'{count' has no closing brace"),
    ] {
        let outcome = Place::Here.run(&["send", "127.0.0.1", "--template", text]);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

#[test]
fn a_broadcast_has_templates_and_a_size() {
    let Some(lan) = Lan::hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let mut listener: Process = h2.waiting(&["listen", "--fields", "time,length,payload"]).0;
    h1.run(&[
        "broadcast",
        "--template",
        "who? {count}",
        "--size",
        "10",
        "--repeat",
        "2",
        "--every",
        "0",
        "--wait",
        "0",
    ])
    .assert_status(0);
    for number in 1..=2 {
        assert_eq!(without_time(&listener.stdout_line()), format!("10 B  who? {number}\\x00\\x00\\x00\\x00").as_str());
    }
}
