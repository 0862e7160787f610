//! `udp serve` as a program: whom it answers, from where, whom it does not, and what it says of that in the end.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::netns::{Lan, require, skip};
use common::{FORGE, Outcome, Place, Process, has, hosts, ignored, number, serve_at};
use serde_json::Value;
use udpkit::Capability;

/// Fifty peers with four labelled datagrams each, sent in a burst. Arguments: host, port. Says how many answers came,
/// each to the peer whose label it bears.
const FIFTY_PEERS: &str = "
host, port = sys.argv[1], int(sys.argv[2])
family = AF_INET6 if ':' in host else AF_INET
peers = [socket(family, SOCK_DGRAM) for _ in range(50)]
for label in range(4):
    for number, peer in enumerate(peers):
        peer.sendto(b'%d/%d' % (number, label), (host, port))
answers = 0
for number, peer in enumerate(peers):
    received = sorted(peer.recvfrom(100) for _ in range(4))
    assert [payload for payload, _ in received] == [b'%d/%d' % (number, label) for label in range(4)], received
    assert all(source[:2] == (host, port) for _, source in received), received
    answers += 4
    peer.setblocking(False)
for peer in peers:
    try:
        assert False, peer.recvfrom(100)
    except BlockingIOError:
        pass
say(answers)
";

/// Payloads of these lengths are echoed as they are. Arguments: host, port, lengths.
const LENGTHS: &str = "
host, port = sys.argv[1], int(sys.argv[2])
for length in map(int, sys.argv[3:]):
    payload = bytes(number * number % 251 for number in range(length))
    answer, source = ask((host, port), payload, AF_INET6 if ':' in host else AF_INET)
    assert answer == payload and source[:2] == (host, port), (length, len(answer), source)
say('same')
";

/// Asks each of these addresses at port 10000 by eth0, and then once more, which marks the end of its answers. Says
/// what was answered, and from where.
const ASK_EACH: &str = "
v6 = ':' in sys.argv[1]
s = socket(AF_INET6 if v6 else AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b'eth0')
for address in sys.argv[1:]:
    for payload in (address.encode(), b'end'):
        s.sendto(payload, (address, 10000))
    payload = b''
    while payload != b'end':
        payload, source = s.recvfrom(100)
        say(payload.decode(), 'from', source[0])
";

/// Gives hosts of a LAN second addresses, and IPv6 ones that are no link-local ones.
fn more_addresses(lan: &Lan, hosts: u8) {
    for number in 1..=hosts {
        Place::On(lan, &format!("h{number}")).shell(&format!(
            "ip address add 10.1.0.{number}1/24 dev eth0
            ip address add fd01::{number}/64 dev eth0 nodad
            ip address add fd01::{number}1/64 dev eth0 nodad"
        ));
    }
}

/// The loopback addresses of the families that this system has.
fn loopbacks() -> Vec<&'static str> {
    match udpkit::Socket::bind(common::parse("[::1]:0"), &udpkit::Options::default()) {
        Ok(_) => vec!["127.0.0.1", "::1"],
        Err(error) => {
            skip(&format!("no IPv6: {error:#}"));
            vec!["127.0.0.1"]
        }
    }
}

#[test]
fn fifty_peers_at_once_get_each_its_own_answers() {
    if !require("python3") {
        return;
    }
    for ip in loopbacks() {
        let (server, port) = serve_at(ip, &["--echo", "--json"]);
        assert_eq!(Place::Here.python_says(FIFTY_PEERS, &[ip, &port]), "200\n");
        let outcome = server.stop();
        outcome.assert_status(0);
        let summary = outcome.summary();
        assert_eq!([&summary["received"], &summary["answered"], &summary["sent"]], [200; 3]);
    }
}

#[test]
fn datagrams_of_every_length_are_answered() {
    if !require("python3") {
        return;
    }
    for ip in loopbacks() {
        let (server, port) = serve_at(ip, &["--echo", "--json"]);
        let most = if ip.contains(':') { "65527" } else { "65507" };
        let said = Place::Here.python_says(LENGTHS, &[ip, &port, "0", "1", "1472", "1473", "9000", most, "0"]);
        assert_eq!(said, "same\n");
        let summary = server.stop().summary();
        assert_eq!((number(&summary["answered"]), number(&summary["truncated"])), (7, 0));
    }
}

#[test]
fn each_is_answered_from_the_address_that_was_asked() {
    let Some(lan) = hosts(2) else { return };
    more_addresses(&lan, 2);
    let (_server, _) = Place::On(&lan, "h1").waiting(&["serve", "--echo"]);
    for [second, first] in [["10.1.0.11", "10.1.0.1"], ["fd01::11", "fd01::1"]] {
        let said = Place::On(&lan, "h2").python_says(ASK_EACH, &[second, first]);
        let expected = [second, first].map(|asked| format!("{asked} from {asked}\nend from {asked}\n"));
        assert_eq!(said, expected.concat());
    }
}

#[test]
fn a_broadcast_or_multicast_is_answered_once_and_from_our_own_address() {
    let Some(lan) = hosts(2) else { return };
    more_addresses(&lan, 1);
    let cases: [(&[&str], &[&str]); 3] = [
        (&[], &["10.1.0.1", "10.1.0.255", "255.255.255.255"]),
        (&["10.1.0.11", "10.1.0.255", "10.1.0.1"], &["10.1.0.1", "10.1.0.255"]),
        (&["239.1.2.3", "10.1.0.1"], &["10.1.0.1", "239.1.2.3"]),
    ];
    for (served, asked) in cases {
        let arguments = [&["serve", "--echo", "--json"], served].concat();
        let (server, _) = Place::On(&lan, "h1").waiting(&arguments);
        let said = Place::On(&lan, "h2").python_says(ASK_EACH, asked);
        let expected: Vec<_> =
            asked.iter().map(|address| format!("{address} from 10.1.0.1\nend from 10.1.0.1\n")).collect();
        assert_eq!(said, expected.concat(), "{served:?}");
        let summary = server.stop().summary();
        assert_eq!([&summary["received"], &summary["answered"]], [2 * asked.len(); 2], "{served:?}");
    }
}

#[test]
fn a_second_server_on_the_port_is_told_who_has_it() {
    let (server, port) = serve_at("127.0.0.1", &[]);
    let address = format!("127.0.0.1:{port}");
    for verb in ["serve", "listen"] {
        let outcome = Place::Here.run(&[verb, &address]);
        outcome.assert_status(2);
        outcome.assert_told(&[
            &format!("udp: cannot bind {address}: address already in use\n"),
            &format!("hint: udp (process {}) has the port", server.id()),
        ]);
        assert_eq!(outcome.stdout, b"");
    }
}

/// Has sockets at each of these addresses of this port. Arguments: port, addresses.
const HOLD: &str = "
held = []
for address in sys.argv[2:]:
    s = socket(AF_INET6 if ':' in address else AF_INET, SOCK_DGRAM)
    if ':' in address:
        s.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 1)
    s.bind((address, int(sys.argv[1])))
    held.append(s)
say('ready')
sys.stdin.read()
";

#[test]
fn the_owner_that_is_named_has_the_very_address() {
    let Some(lan) = hosts(1) else { return };
    let h1 = Place::On(&lan, "h1");
    h1.shell("ip address add fd01::1/64 dev eth0 nodad");
    // Each has the port, and one of them the address.
    let held: &[&[&str]] = &[&["127.0.0.1"], &["127.0.0.2"], &["10.1.0.1"], &["::1"], &["fd01::1"]];
    let owners: Vec<_> = held.iter().map(|own| h1.python_ready(HOLD, &[&["7000"], *own].concat())).collect();
    let everywhere = ["0.0.0.0", "::"].map(|all| h1.python_ready(HOLD, &["7001", all]));
    let alone = h1.python_ready(HOLD, &["7003", "127.0.0.3"]);
    let cases = [
        ("127.0.0.1:7000", owners[0].id(), "the port;"),
        ("127.0.0.2:7000", owners[1].id(), "the port;"),
        ("10.1.0.1:7000", owners[2].id(), "the port;"),
        ("[::1]:7000", owners[3].id(), "the port;"),
        ("[fd01::1]:7000", owners[4].id(), "the port;"),
        // Whoever has one address of a port keeps others from having all.
        ("7003", alone.id(), "127.0.0.3:7003;"),
        ("127.0.0.1:7001", everywhere[0].id(), "0.0.0.0:7001;"),
        ("[::1]:7001", everywhere[1].id(), "[::]:7001;"),
    ];
    for (address, owner, what) in cases {
        let outcome = h1.run(&["serve", address]);
        outcome.assert_status(2);
        outcome.assert_told(&[&format!("hint: python3 (process {owner}) has {what}")]);
    }
    let outcome = h1.run(&["serve", "127.0.0.9:7002", "7002"]);
    outcome.assert_status(2);
    outcome.assert_told(&["hint: this command has 127.0.0.9:7002 itself: the addresses overlap"]);
}

#[test]
fn where_it_cannot_listen_it_says_why() {
    let Some(lan) = Lan::new("host alone") else { return };
    let alone = Place::On(&lan, "alone");
    // Root of the namespace without the rights of root.
    let mut command = alone.command("setpriv");
    command.args(["--bounding-set=-all", env!("CARGO_BIN_EXE_udp"), "serve", ":80"]);
    let cases: [(Outcome, &[&str]); 5] = [
        (
            Process::start(command).finish(),
            &["cannot bind 0.0.0.0:80: permission denied", "hint: ports below 1024 need"],
        ),
        (
            alone.run(&["serve", "192.0.2.1"]),
            &["cannot bind 192.0.2.1:10000: cannot assign", "addresses: 127.0.0.1, ::1"],
        ),
        (alone.run(&["serve", "-i", "eth7"]), &["no interface 'eth7'", "hint: interfaces here: lo"]),
        (alone.run(&["serve", "nowhere.invalid"]), &["cannot resolve 'nowhere.invalid': ", "hint: check the spelling"]),
        (alone.run(&["serve", "239.1.2.3", "-i", "lo", "--reply", "a", "--echo"]), &["cannot be used with"]),
    ];
    for (outcome, words) in cases {
        outcome.assert_status(2);
        outcome.assert_told(words);
    }
}

#[test]
fn replies_much_larger_than_the_request_are_withheld() {
    if !require("python3") {
        return;
    }
    // An empty datagram, then one that is long enough; how many answers come up to that of the second.
    const PROGRAM: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for length in (0, 400):
    s.sendto(bytes(length), ('127.0.0.1', int(sys.argv[1])))
s.recvfrom(2000)
say('one')
";
    let reply = "x".repeat(1000);
    for (most, withheld) in [("3", 1), ("off", 0), ("36", 1), ("37", 0)] {
        let (server, port) = serve_at("127.0.0.1", &["--reply", &reply, "--max-amplification", most, "--count", "2"]);
        Place::Here.python_says(PROGRAM, &[&port]);
        // With both answered it ends by itself.
        let server = if withheld > 0 { server.stop() } else { server.finish() };
        server.assert_status(0);
        let answered = format!(": {} answered, {withheld} ignored", 2 - withheld);
        server.assert_told(&["2 received (400 B) in ", &answered]);
        assert_eq!(server.stderr.contains("1 ignored: reply too large for the request"), withheld == 1);
    }
}

#[test]
fn sources_that_no_client_has_are_not_answered() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let (mut server, _) = h1.waiting(&["serve", "--json", "-v"]);
    let cases = [
        (h2, "10.1.0.2", "0", "10.1.0.1", "source_port_zero"),
        (h2, "10.1.0.2", "7", "10.1.0.1", "responder_port"),
        (h2, "10.1.0.2", "53", "10.1.0.1", "responder_port"),
        (h2, "10.1.0.2", "5353", "10.1.0.1", "responder_port"),
        (h1, "127.0.0.1", "10000", "127.0.0.1", "own_socket"),
        (h1, "10.1.0.1", "10000", "10.1.0.1", "own_socket"),
        (h1, "10.1.0.1", "10000", "127.0.0.1", "own_socket"),
    ];
    for (from, source, port, destination, reason) in cases {
        from.python_says(FORGE, &[source, port, destination, "10000", "64", "hi"]);
        let ignored: Value = serde_json::from_str(&server.stdout_line()).expect("JSON Lines");
        assert_eq!((&ignored["type"], &ignored["reason"]), (&"ignored".into(), &reason.into()), "{ignored}");
        assert_eq!(ignored["source"], format!("{source}:{port}"));
    }
    let summary = server.stop().summary();
    assert_eq!((number(&summary["received"]), number(&summary["answered"])), (7, 0));
    let by_reason = ["source_port_zero", "responder_port", "own_socket"].map(|reason| ignored(&summary, reason));
    assert_eq!(by_reason, [1, 3, 3]);
}

#[test]
fn a_responders_port_is_answered_on_request() {
    const FROM_53: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('', 53))
s.sendto(b'hi', ('10.1.0.1', 10000))
say(s.recvfrom(100)[0].decode())
";
    let Some(lan) = hosts(2) else { return };
    let (server, _) = Place::On(&lan, "h1").waiting(&["serve", "--answer-any-port", "--json"]);
    assert_eq!(Place::On(&lan, "h2").python_says(FROM_53, &[]), "Get off my lawn!\n");
    assert_eq!(number(&server.stop().summary()["answered"]), 1);
}

#[test]
fn a_rate_limit_that_is_given_holds_on_loopback_too() {
    // A hundred at once, then one from another network, whose answer marks the end.
    const BURST: &str = "
to = ('127.0.0.1', int(sys.argv[1]))
peer, mark = socket(AF_INET, SOCK_DGRAM), socket(AF_INET, SOCK_DGRAM)
peer.bind(('127.0.0.1', 0))
mark.bind(('127.9.9.9', 0))
for _ in range(100):
    peer.sendto(b'question', to)
mark.sendto(b'mark', to)
mark.recvfrom(100)
peer.setblocking(False)
answers = 0
try:
    while peer.recvfrom(100):
        answers += 1
except BlockingIOError:
    say(answers)
";
    if !require("python3") {
        return;
    }
    for (arguments, limited) in [(&["--rate-limit", "10"][..], true), (&["--rate-limit", "off"], false), (&[], false)] {
        // The mark is the last that a worker answers only where there is one.
        let arguments = [&["--json", "--threads", "1"], arguments].concat();
        let (server, port) = serve_at("127.0.0.1", &arguments);
        let answers: u64 = Place::Here.python_says(BURST, &[&port]).trim_end().parse().expect("a number");
        let outcome = server.stop();
        let summary = outcome.summary();
        let refused = ignored(&summary, "rate_limit");
        assert_eq!((answers + refused, number(&summary["answered"])), (100, answers + 1));
        let seconds = number(&summary["elapsed_ns"]) / 1_000_000_000;
        assert!(if limited { answers >= 10 && answers <= 20 + 10 * seconds } else { refused == 0 }, "{summary}");
        // The first refusal is reported, and then how many more there were.
        let objects = outcome.objects();
        let reported = objects.iter().filter(|object| object["type"] == "ignored");
        let counts: Vec<_> = reported.map(|object| number(&object["count"])).collect();
        assert_eq!(counts, if limited { vec![1, refused - 1] } else { vec![] }, "{outcome:?}");
    }
}

#[test]
fn the_default_rate_limit_holds_for_other_hosts() {
    const FLOOD: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for _ in range(30):
    for _ in range(100):
        s.sendto(b'question', ('10.1.0.1', 10000))
    mark = socket(AF_INET, SOCK_DGRAM)
    mark.bind(('10.99.0.1', 0))
    mark.sendto(b'mark', ('10.1.0.1', 10000))
    mark.recvfrom(100)
";
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    h1.shell("ip route add 10.99.0.0/24 dev eth0");
    h2.shell("ip address add 10.99.0.1/32 dev lo");
    let (server, _) = h1.waiting(&["serve", "--json"]);
    h2.python_says(FLOOD, &[]);
    let summary = server.stop().summary();
    let (answered, refused) = (number(&summary["answered"]), ignored(&summary, "rate_limit"));
    let seconds = number(&summary["elapsed_ns"]) / 1_000_000_000;
    assert_eq!(answered + refused, 3030);
    assert!((1030..=2031 + 1000 * seconds).contains(&answered), "{summary}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "silence has to come within a second")]
fn servers_that_face_each_other_fall_silent() {
    let Some(lan) = hosts(3) else { return };
    more_addresses(&lan, 3);
    let cases: [(&[&str], &[&str], &str, u64); 5] = [
        (&["--echo"], &["--echo"], "hops_spent", 64),
        (&["--reply", "ping"], &["--reply", "pong"], "hops_spent", 64),
        (&["--reply", "same"], &["--reply", "same"], "own_reply", 2),
        (&[], &[], "own_reply", 2),
        (&["--echo"], &[], "own_reply", 4),
    ];
    let addresses = [["10.1.0.2", "10.1.0.1"], ["fd01::2", "fd01::1"], ["10.1.0.2", "10.1.0.255"]];
    for (first, second, reason, exchanged) in cases {
        for [forged, asked] in addresses {
            let [(one, _), (mut other, _)] = [("h1", first), ("h2", second)].map(|(host, arguments)| {
                Place::On(&lan, host).waiting(&[&["serve", "--json", "--rate-limit", "off"], arguments].concat())
            });
            Place::On(&lan, "h3").python_says(FORGE, &[forged, "10000", asked, "10000", "64", "hello"]);
            let begun = Instant::now();
            other.until(|line| line.contains(&format!(r#""reason":"{reason}""#)));
            assert!(begun.elapsed() < Duration::from_secs(1), "{first:?} {second:?}");
            let [one, other] = [one, other].map(|server| server.stop().summary());
            assert_eq!((ignored(&one, reason), ignored(&other, reason)), (0, 1), "{one} {other}");
            let received = number(&one["received"]) + number(&other["received"]);
            let answered = number(&one["answered"]) + number(&other["answered"]);
            assert_eq!((received, answered), (exchanged, exchanged - 1), "{first:?} {second:?}");
        }
    }
}

#[test]
fn without_the_guard_they_would_not() {
    let Some(lan) = hosts(3) else { return };
    let unguarded = ["serve", "--echo", "--no-loop-guard", "--rate-limit", "off", "--json"];
    let (other, _) = Place::On(&lan, "h2").waiting(&unguarded);
    let (one, _) = Place::On(&lan, "h1").waiting(&[&unguarded[..], &["--count", "5000"]].concat());
    Place::On(&lan, "h3").python_says(FORGE, &["10.1.0.2", "10000", "10.1.0.1", "10000", "64", "hello"]);
    let one = one.finish().summary();
    let late = ignored(&one, "after_end");
    assert_eq!((number(&one["answered"]), number(&one["received"])), (5000, 5000 + late));
    assert!(number(&other.stop().summary()["answered"]) >= 4999);
}

#[test]
fn whatever_ends_it_the_summary_is_balanced() {
    if !require("python3") {
        return;
    }
    const ASK: &str = "
for _ in range(3):
    ask(('127.0.0.1', int(sys.argv[1])), b'question')
";
    for signal in ["TERM", "INT"] {
        let (server, port) = serve_at("127.0.0.1", &["--json"]);
        Place::Here.python_says(ASK, &[&port]);
        server.signal(signal);
        let outcome = server.finish();
        outcome.assert_status(0);
        assert_eq!(number(&outcome.summary()["answered"]), 3);
    }
    let (server, port) = serve_at("127.0.0.1", &["--count", "3", "--json"]);
    Place::Here.python_says(ASK, &[&port]);
    assert_eq!(number(&server.finish().summary()["answered"]), 3);
    let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--for", "1ms", "--json"]);
    outcome.assert_status(0);
    assert_eq!(number(&outcome.summary()["received"]), 0);
}

#[test]
fn once_it_says_that_it_serves_a_signal_ends_it_with_its_summary() {
    for verb in ["serve", "listen"].into_iter().cycle().take(50) {
        let outcome = Place::Here.waiting(&[verb, "127.0.0.1:0"]).0.stop();
        outcome.assert_status(0);
        outcome.assert_told(&["0 received (0 B) in "]);
    }
}

#[test]
fn sink_answers_nothing_and_counts() {
    if !require("python3") {
        return;
    }
    const SEND: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for _ in range(5):
    s.sendto(b'12345', ('127.0.0.1', int(sys.argv[1])))
";
    let (server, port) = serve_at("127.0.0.1", &["--sink", "--count", "5"]);
    Place::Here.python_says(SEND, &[&port]);
    let outcome = server.finish();
    outcome.assert_status(0);
    outcome.assert_told(&["5 received (25 B) in ", ": 5 taken, 0 ignored"]);
}

#[test]
fn flags_hold_replies_back_and_leave_them_out_as_a_rule_does() {
    if !has(Capability::Errors) {
        return;
    }
    for kind in [&["--echo"][..], &["--reply", "{payload}"]] {
        let (server, port) = serve_at("127.0.0.1", &[kind, &["--delay", "30ms..40ms", "--json"]].concat());
        let outcome = Place::Here.run(&["send", &format!("127.0.0.1:{port}"), "late", "--json", "--wait", "30s"]);
        let reply = &outcome.objects()[0];
        assert_eq!(reply["text"], "late", "{outcome:?}");
        assert!(number(&reply["rtt_ns"]) >= 30_000_000, "{outcome:?}");
        assert_eq!(number(&server.stop().summary()["answered"]), 1);
        let (server, port) = serve_at("127.0.0.1", &[kind, &["--drop", "100%", "--count", "3", "--json"]].concat());
        Place::Here.run(&["send", &format!("127.0.0.1:{port}"), "--repeat", "3", "--every", "0", "--wait", "0", "x"]);
        let summary = server.stop().summary();
        assert_eq!([number(&summary["answered"]), ignored(&summary, "rule_loss")], [0, 3], "{summary}");
    }
    let cases: [(&[&str], &str); 4] = [
        (&["--drop", "5"], "a chance is written as 5% or 0.05"),
        (&["--delay", "80ms..20ms"], "this range ends before it begins"),
        (&["--delay", "1s", "--sink"], "cannot be used with"),
        (&["--drop", "5%", "--rules", "file"], "cannot be used with"),
    ];
    for (flags, words) in cases {
        let outcome = Place::Here.run(&[&["serve", "127.0.0.1:0"], flags].concat());
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

#[test]
fn it_serves_on_after_its_interface_was_down() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let (server, _) = h1.waiting(&["serve", "--json"]);
    h2.run(&["send", "10.1.0.1", "before"]).assert_status(0);
    h1.shell("ip link set eth0 down");
    h1.run(&["send", "10.1.0.1", "meanwhile"]).assert_status(0);
    h1.shell("ip link set eth0 up; until ip -o link show eth0 | grep -q 'state UP'; do :; done");
    Place::Bridge(&lan).shell("until bridge link show dev h1 | grep -q 'state forwarding'; do :; done");
    h2.run(&["send", "10.1.0.1", "after"]).assert_status(0);
    assert_eq!(number(&server.stop().summary()["answered"]), 3);
}

#[test]
fn a_reply_that_no_route_takes_is_told_and_counted() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    h1.shell("for name in all eth0; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done");
    let (mut server, _) = h1.waiting(&["serve"]);
    h2.python_says(FORGE, &["192.0.2.1", "40000", "10.1.0.1", "10000", "64", "hello"]);
    server.until_told("udp: cannot send to 192.0.2.1:40000: network is unreachable");
    h2.run(&["send", "10.1.0.1", "hello"]).assert_status(0);
    let outcome = server.stop();
    outcome.assert_status(0);
    outcome.assert_told(&["1 answered, 1 not answered (the reply could not be sent), 0 ignored", "hint: no route"]);
}

#[test]
fn only_the_named_interface_is_answered() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let (server, _) = h1.waiting(&["serve", "-i", "eth0", "--json"]);
    h1.run(&["send", "127.0.0.1", "by lo", "--wait", "0"]).assert_status(0);
    h2.run(&["send", "10.1.0.1", "by eth0"]).assert_status(0);
    let summary = server.stop().summary();
    assert_eq!((number(&summary["answered"]), ignored(&summary, "other_interface")), (1, 1));
}

#[test]
fn an_address_that_is_given_twice_is_one() {
    for arguments in [["127.0.0.1:0", "127.0.0.1:0"], ["127.0.0.1:0", "[::ffff:127.0.0.1]:0"]] {
        let (server, addresses) = Place::Here.waiting(&[&["serve"], arguments.as_slice()].concat());
        assert_eq!(addresses.len(), 1, "{addresses:?}");
        server.stop().assert_status(0);
    }
}

#[test]
fn a_reply_that_no_datagram_can_carry_is_refused() {
    let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--reply", &"x".repeat(65_508)]);
    outcome.assert_status(2);
    outcome.assert_told(&["udp: the reply has 65508 bytes; a UDP datagram over IPv4 carries at most 65507\n"]);
}
