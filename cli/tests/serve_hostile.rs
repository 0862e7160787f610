//! `udp serve` under attack: floods, reflection, sources that cannot be, and loops, with the default workers.
#![cfg(target_os = "linux")]

mod common;

use common::netns::Lan;
use common::{FORGE, Place, Process, Scratch, hosts, ignored, number};
use serde_json::Value;

/// Datagrams of one byte to port 10000 of h1, from sources that follow one another. Arguments: the first one, the distance
/// to the next one, how many there are, how many datagrams each sends, from which port.
const FLOOD: &str = "
import struct
first, step, count, rounds, port = int.from_bytes(inet_aton(sys.argv[1]), 'big'), *map(int, sys.argv[2:])
head = struct.pack('!BBHHHBBH', 0x45, 0, 29, 0, 0, 64, 17, 0)
# Checksum 0: there is none.
rest = inet_aton('10.1.0.1') + struct.pack('!HHHHB', port, 10000, 9, 0, 63)
s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW)
s.connect(('10.1.0.1', 0))
for source in rounds * list(range(first, first + count * step, step)):
    s.send(head + source.to_bytes(4, 'big') + rest)
";

/// How much memory a process may take on in a flood.
const MOST_GROWTH_KIB: u64 = 8 * 1024;
/// Refusals that are told, each of another network.
const MOST_TOLD: usize = 256;

/// A server on h1 whose replies all leave, to h2, which throws them away.
fn serve_for_everybody(lan: &Lan, arguments: &[&str]) -> Process {
    let h1 = Place::On(lan, "h1");
    h1.shell("ip route add default via 10.1.0.2");
    h1.waiting(&[&["serve", "--json", "--status", "20ms"], arguments].concat()).0
}

/// Waits until the server has an account of every datagram that its kernel has got for it; returns how many.
fn until_received(lan: &Lan, server: &mut Process) -> u64 {
    let got = Place::On(lan, "h1").shell("awk '/^Ip: [0-9]/ { print $10 }' /proc/net/snmp");
    let got = got.trim_end().parse().expect("InDelivers of proc_net_snmp");
    server.until(|line| {
        let object: Value = serde_json::from_str(line).expect("JSON Lines");
        object["type"] == "status" && number(&object["received"]) + number(&object["dropped_by_kernel"]) >= got
    });
    got
}

/// Memory that a process has in use, in KiB.
fn resident_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc_pid_status(5)");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_flood_from_a_hundred_thousand_networks_leaves_memory_as_it_was() {
    let Some(lan) = hosts(2) else { return };
    let mut server = serve_for_everybody(&lan, &[]);
    // The last ones are refused, each by a line if lines had no bound.
    let floods = [
        ("11.0.0.1", 20_000, "40000"),
        ("11.78.32.1", 80_000, "40000"),
        ("11.0.0.1", 100_000, "40001"),
        ("11.0.0.1", 20_000, "53"),
    ];
    let (mut sent, mut got, mut resident) = (0, 0, Vec::new());
    for (first, count, port) in floods {
        Place::On(&lan, "h2").python_says(FLOOD, &[first, "256", &count.to_string(), "1", port]);
        sent += count;
        got = until_received(&lan, &mut server);
        resident.push(resident_kib(&server));
    }
    let outcome = server.stop();
    outcome.assert_status(0);
    let summary = outcome.summary();
    println!("resident after 20,000, 100,000, 200,000 and 220,000 datagrams, in KiB: {resident:?}; {summary}");
    assert!(resident[3] <= resident[0] + MOST_GROWTH_KIB, "{resident:?}");
    // A cable may lose some where the machine is busy.
    assert!(got > sent / 10 * 9, "{got} of {sent}");
    assert_eq!(number(&summary["received"]) + number(&summary["dropped_by_kernel"]), got, "{summary}");
    assert_eq!(number(&summary["reply_failed"]), 0, "{summary}");
    assert!(number(&summary["answered"]) > 20_000 && ignored(&summary, "responder_port") > 10_000, "{summary}");
    let told = outcome.objects().iter().filter(|object| object["type"] == "ignored").count();
    assert!((1..=MOST_TOLD).contains(&told), "{told} objects");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_flood_from_one_network_is_answered_up_to_the_limit_whichever_worker_it_reaches() {
    for (arguments, limited) in [(&[][..], true), (&["--rate-limit", "off"], false)] {
        let Some(lan) = hosts(2) else { return };
        let mut server = serve_for_everybody(&lan, arguments);
        Place::On(&lan, "h2").python_says(FLOOD, &["11.0.0.0", "1", "256", "20", "40000"]);
        until_received(&lan, &mut server);
        let summary = server.stop().summary();
        let (answered, refused) = (number(&summary["answered"]), ignored(&summary, "rate_limit"));
        assert_eq!(answered + refused, number(&summary["received"]), "{summary}");
        let most = 1001 + number(&summary["elapsed_ns"]) / 1_000_000;
        assert!(if limited { (1000..=most).contains(&answered) } else { refused == 0 && answered > most }, "{summary}");
    }
}

#[test]
fn a_flood_whose_replies_cannot_be_sent_fills_no_log() {
    for (arguments, a_second) in [(&["-v"][..], 1000), (&[], MOST_TOLD as u64)] {
        let Some(lan) = hosts(2) else { return };
        let h1 = Place::On(&lan, "h1");
        h1.shell("for name in all eth0; do echo 0 > /proc/sys/net/ipv4/conf/$name/rp_filter; done");
        let (mut server, _) = h1.waiting(&[&["serve", "--json", "--status", "20ms"], arguments].concat());
        Place::On(&lan, "h2").python_says(FLOOD, &["11.0.0.1", "256", "20000", "1", "40000"]);
        until_received(&lan, &mut server);
        let outcome = server.stop();
        let summary = outcome.summary();
        assert!(number(&summary["reply_failed"]) > 10_000, "{summary}");
        assert_eq!((number(&summary["answered"]), number(&summary["sent"])), (0, 0), "{summary}");
        let of_datagrams =
            |object: &&Value| ["answered", "ignored", "send_failed"].iter().any(|kind| object["type"] == *kind);
        let told = outcome.objects().iter().filter(of_datagrams).count() as u64;
        let seconds = number(&summary["elapsed_ns"]) / 1_000_000_000;
        assert!((1..=a_second * (seconds + 1)).contains(&told), "{told} in {seconds} s");
        assert_eq!(outcome.stderr, "");
    }
}

/// Refusals (ICMP) of replies that h1 never sent, each to another network. Argument: how many.
const REFUSE: &str = "
import struct
def refusal(number):
    victim = ((11 << 24) + (number << 8)).to_bytes(4, 'big')
    quoted = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 44, 0, 0, 63, 17, 0, inet_aton('10.1.0.1'), victim)
    message = struct.pack('!BBHL', 3, 3, 0, 0) + quoted + struct.pack('!HHHH', 10000, 40000, 24, 0)
    total = sum(struct.unpack('!18H', message))
    total = (total & 0xffff) + (total >> 16)
    return message[:2] + struct.pack('!H', ~total & 0xffff) + message[4:]
s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)
s.connect(('10.1.0.1', 0))
for number in range(int(sys.argv[1])):
    s.send(refusal(number))
";

#[test]
fn forged_refusals_fill_no_log() {
    for (arguments, a_second) in [(&["-v"][..], 1000), (&[], 0)] {
        let Some(lan) = hosts(2) else { return };
        let (mut server, _) =
            Place::On(&lan, "h1").waiting(&[&["serve", "--json", "--status", "20ms"], arguments].concat());
        Place::On(&lan, "h2").python_says(REFUSE, &["10000"]);
        server.until(|line| {
            let object: Value = serde_json::from_str(line).expect("JSON Lines");
            object["type"] == "status" && number(&object["unreachable"]) > 5000
        });
        let outcome = server.stop();
        let summary = outcome.summary();
        let told = outcome.objects().iter().filter(|object| object["type"] == "unreachable").count() as u64;
        let seconds = number(&summary["elapsed_ns"]) / 1_000_000_000;
        assert!(told <= a_second * (seconds + 1), "{told} in {seconds} s");
        assert_eq!(outcome.stderr, "");
    }
}

/// Counts what reaches port 40000 of h3 until `end` does. Says how many datagrams, and how many bytes.
const VICTIM: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('10.1.0.3', 40000))
say('ready')
got = []
while not got or got[-1] != b'end':
    got.append(s.recv(65536))
say(len(got) - 1, sum(map(len, got[:-1])))
";

#[test]
fn a_small_request_with_a_forged_source_sends_its_victim_nothing() {
    let Some(lan) = hosts(3) else { return };
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(|host| Place::On(&lan, host));
    let scratch = Scratch::new();
    let (large, small) = ("x".repeat(1000), "x".repeat(100));
    let rules = scratch.file("rules.toml", format!("[[rule]]\nreply = '{large}'"));
    let cases: [(&[&str], &str, u64); 4] = [
        (&["--reply", &large], "x", 1000),
        (&["--reply", "{payload}{payload}{payload}{payload}{payload}"], &small, 500),
        (&["--rules", &rules], "x", 1000),
        (&["--exec", "head -c 1000 /dev/zero"], "x", 1000),
    ];
    for (arguments, request, reply_len) in cases {
        for guarded in [true, false] {
            let switch: &[&str] = if guarded { &[] } else { &["--max-amplification", "off"] };
            let (mut server, _) = h1.waiting(&[&["serve", "--json", "-v"], arguments, switch].concat());
            let victim = h3.python_ready(VICTIM, &[]);
            let wanted = if guarded { r#""reason":"amplification""# } else { r#""type":"answered""# };
            h2.python_says(FORGE, &["10.1.0.3", "40000", "10.1.0.1", "10000", "64", request].repeat(3));
            for _ in 0..3 {
                server.until(|line| line.contains(wanted));
            }
            let summary = server.stop().summary();
            let counts = (number(&summary["answered"]), ignored(&summary, "amplification"));
            assert_eq!(counts, if guarded { (0, 3) } else { (3, 0) }, "{arguments:?}");
            h2.run(&["send", "10.1.0.3:40000", "end", "--wait", "0"]).assert_status(0);
            let reached = if guarded { "0 0\n".to_owned() } else { format!("3 {}\n", 3 * reply_len) };
            assert_eq!(victim.finish().text().trim_start_matches("ready\n"), reached, "{arguments:?}");
        }
    }
}

/// A datagram without a source address to everybody's port 10000, by eth0.
const FROM_NOBODY: &str = "
import struct
def checksum(data):
    total = sum(struct.unpack('!10H', data))
    return ~((total & 0xffff) + (total >> 16)) & 0xffff
udp = struct.pack('!HHHH', 40000, 10000, 10, 0) + b'hi'
ip = struct.pack('!BBHHHBBH8s', 0x45, 0, 30, 1, 0, 64, 17, 0, b'\\0' * 4 + b'\\xff' * 4)
ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
s = socket(AF_PACKET, SOCK_DGRAM)
s.sendto(ip + udp, ('eth0', 0x0800, 0, 0, b'\\xff' * 6))
";

#[test]
fn sources_that_no_client_has_get_no_reply_however_it_is_made() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    h1.shell("ip address add 10.1.0.11/24 dev eth0; ip address add fd01::1/64 dev eth0 nodad");
    h2.shell("ip address add fd01::2/64 dev eth0 nodad");
    let scratch = Scratch::new();
    let ran = scratch.path().join("ran");
    let exec = format!("echo it ran >> '{}'; cat", ran.display());
    let rules = scratch.file("rules.toml", "[[rule]]\necho = true");
    let from_h2 = [
        ("10.1.0.2", "0", "10.1.0.1", "source_port_zero"),
        ("10.1.0.2", "53", "10.1.0.1", "responder_port"),
        ("10.1.0.2", "123", "10.1.0.1", "responder_port"),
        ("10.1.0.2", "1900", "10.1.0.255", "responder_port"),
        ("fd01::2", "11211", "fd01::1", "responder_port"),
    ];
    // A host's own datagrams reach it with any source.
    let from_h1 = [
        ("10.1.0.255", "40000", "10.1.0.1", "source_address"),
        ("255.255.255.255", "40000", "10.1.0.1", "source_address"),
        ("239.1.1.1", "40000", "10.1.0.1", "source_address"),
        ("::", "40000", "fd01::1", "source_address"),
        ("10.1.0.1", "10000", "10.1.0.1", "own_socket"),
        ("10.1.0.11", "10000", "10.1.0.1", "own_socket"),
        ("fd01::1", "10000", "fd01::1", "own_socket"),
    ];
    let named = |(source, port, _, reason): &(&str, &str, &str, &str)| {
        let source = if source.contains(':') { format!("[{source}]") } else { (*source).to_owned() };
        format!("{source}:{port} {reason}")
    };
    let mut expected: Vec<_> = from_h1.iter().chain(&from_h2).map(named).collect();
    expected.push("0.0.0.0:40000 source_address".to_owned());
    expected.sort_unstable();
    for arguments in [&["--reply", "{payload}"][..], &["--rules", &rules], &["--exec", &exec]] {
        let (mut server, _) = h1.waiting(&[&["serve", "--json", "-v", "--threads", "4"], arguments].concat());
        for (from, forged) in [(h1, &from_h1[..]), (h2, &from_h2)] {
            let each = |(source, port, to, _): &(&'static str, _, _, _)| [*source, *port, *to, "10000", "64", "hi"];
            from.python_says(FORGE, &forged.iter().flat_map(each).collect::<Vec<_>>());
        }
        h2.python_says(FROM_NOBODY, &[]);
        let told = expected.iter().map(|_| serde_json::from_str::<Value>(&server.stdout_line()).expect("JSON Lines"));
        let words =
            |told: Value| [&told["source"], &told["reason"]].map(|it| it.as_str().unwrap_or("-").to_owned()).join(" ");
        let mut told: Vec<_> = told.map(words).collect();
        told.sort_unstable();
        assert_eq!(told, expected, "{arguments:?}");
        let summary = server.stop().summary();
        assert_eq!((number(&summary["received"]), number(&summary["answered"])), (13, 0), "{summary}");
        let by_reason = ["source_port_zero", "responder_port", "source_address", "own_socket"];
        assert_eq!(by_reason.map(|reason| ignored(&summary, reason)), [1, 4, 5, 3]);
    }
    assert!(!ran.exists());
}

/// Replies that are made anew for each datagram, so that none is equal to another.
const MADE: [&[&str]; 4] =
    [&["--reply", "{payload}!"], &["--reply", "{count}"], &["--reply", "{time}"], &["--exec", "cat"]];

#[test]
fn servers_that_make_their_replies_fall_silent_before_each_other() {
    let Some(lan) = hosts(3) else { return };
    for made in MADE {
        let arguments = [&["serve", "--json", "--rate-limit", "off"], made].concat();
        let [(one, _), (mut other, _)] = ["h1", "h2"].map(|host| Place::On(&lan, host).waiting(&arguments));
        Place::On(&lan, "h3").python_says(FORGE, &["10.1.0.2", "10000", "10.1.0.1", "10000", "64", "a question"]);
        other.until(|line| line.contains(r#""reason":"hops_spent""#));
        let [one, other] = [one, other].map(|server| server.stop().summary());
        assert_eq!(ignored(&one, "hops_spent") + ignored(&other, "hops_spent"), 1, "{one} {other}");
        assert_eq!(number(&one["answered"]) + number(&other["answered"]), 63, "{made:?}: {one} {other}");
    }
}

#[test]
fn without_the_guard_they_would_not() {
    let Some(lan) = hosts(3) else { return };
    for made in MADE {
        // To run a command takes its time.
        let count = if made[0] == "--exec" { "200" } else { "500" };
        let unguarded = [&["serve", "--json", "--rate-limit", "off", "--no-loop-guard"], made].concat();
        let (other, _) = Place::On(&lan, "h2").waiting(&unguarded);
        let (one, _) = Place::On(&lan, "h1").waiting(&[&unguarded[..], &["--count", count]].concat());
        Place::On(&lan, "h3").python_says(FORGE, &["10.1.0.2", "10000", "10.1.0.1", "10000", "64", "a question"]);
        let [one, other] = [one.finish(), other.stop()].map(|outcome| number(&outcome.summary()["answered"]));
        assert_eq!(one.to_string(), count, "{made:?}");
        assert!(other >= one - 1, "{made:?}: {other}");
    }
}
