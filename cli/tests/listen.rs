//! `udp listen` as a program: what it prints of each datagram, what it leaves out, and that it accounts for all.
#![cfg(target_os = "linux")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader};

use common::netns::{self, Lan, require};
use common::{Place, Process, has, hosts, ignored, number, parse, without_time};
use serde_json::Value;
use udpkit::Capability;

/// Sends payloads, which are hex, one after the other from one port, and says which. Arguments: address to send from,
/// address and port to send to, payloads.
const SENDER: &str = "
source, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket(AF_INET6 if ':' in host else AF_INET, SOCK_DGRAM)
s.bind((source, 0))
for payload in sys.argv[4:]:
    s.sendto(bytes.fromhex(payload), (host, port))
say(s.getsockname()[1])
";

/// Runs a program on a terminal of its own; what it says there is on standard output.
const ON_TERMINAL: &str = "
import os, pty
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
";

/// A listener at any port of loopback, and the port.
fn listen_at(ip: &str, arguments: &[&str]) -> (Process, String) {
    let address = if ip.contains(':') { format!("[{ip}]:0") } else { format!("{ip}:0") };
    let (listener, addresses) = Place::Here.waiting(&[&["listen", &address], arguments].concat());
    (listener, addresses[0].port().to_string())
}

/// Sends these payloads to a port of 127.0.0.1; returns the source.
fn send_to(port: &str, payloads: &[&[u8]]) -> String {
    let payloads: Vec<String> = payloads.iter().map(|payload| hex(payload)).collect();
    let mut arguments = vec!["127.0.0.1", "127.0.0.1", port];
    arguments.extend(payloads.iter().map(String::as_str));
    format!("127.0.0.1:{}", Place::Here.python_says(SENDER, &arguments).trim_end())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[test]
fn a_datagram_is_printed_in_the_format_asked_for() {
    if !require("python3") {
        return;
    }
    let payload = b"Hello World\x1b[0m\xff more";
    let head = "SOURCE -> 127.0.0.1:PORT  unicast@lo  21 B";
    let cases: [(&[&str], String); 5] = [
        (&[], format!("TIME  {head}  Hello World\\x1b[0m\\xff more\n")),
        (&["--format", "text"], format!("TIME  {head}  Hello World\\x1b[0m\\xff more\n")),
        (
            &["--hex-dump"],
            format!(
                "TIME  {head}\n\
                00000000  48 65 6c 6c 6f 20 57 6f  72 6c 64 1b 5b 30 6d ff  |Hello World.[0m.|\n\
                00000010  20 6d 6f 72 65                                    | more|\n"
            ),
        ),
        (
            &["--color", "always"],
            "\x1b[2mTIME\x1b[0m  \x1b[36mSOURCE\x1b[0m -> 127.0.0.1:PORT  unicast@lo  21 B  \
             Hello World\\x1b[0m\\xff more\n"
                .to_owned(),
        ),
        (&["--format", "raw"], String::from_utf8_lossy(payload).into_owned()),
    ];
    for (arguments, expected) in cases {
        let (listener, port) = listen_at("127.0.0.1", &[&["--count", "1"], arguments].concat());
        let source = send_to(&port, &[payload]);
        let outcome = listener.finish();
        outcome.assert_status(0);
        outcome.assert_told(&["1 received (21 B) in ", ": 1 printed, 0 ignored\n"]);
        let mut text = String::from_utf8_lossy(&outcome.stdout).into_owned();
        if let Some(start) = expected.find("TIME") {
            let time = text[start..start + "00:00:00.000000000".len()].to_owned();
            without_time(&format!("{time}  "));
            text = text.replacen(&time, "TIME", 1);
        }
        assert_eq!(text, expected.replace("SOURCE", &source).replace("PORT", &port), "{arguments:?}");
    }
}

#[test]
fn json_tells_everything_that_is_known() {
    if !require("python3") || !has(Capability::HopLimits) {
        return;
    }
    let (listener, port) = listen_at("127.0.0.1", &["--count", "3", "--json"]);
    let source = send_to(&port, &["Grüße".as_bytes(), b"\xff", b""]);
    let outcome = listener.finish();
    outcome.assert_status(0);
    assert_eq!(outcome.stderr, "");
    let payloads = ["7,\"text\":\"Grüße\"", "1,\"base64\":\"/w==\"", "0,\"text\":\"\""];
    for (line, payload) in outcome.lines()[1..].iter().zip(payloads) {
        let time = object(line)["time"].as_str().expect("a time").to_owned();
        assert!(time.len() == "2000-01-01T00:00:00.000000000Z".len() && time.ends_with('Z'), "{time}");
        let expected = format!(
            "{{\"v\":1,\"type\":\"received\",\"time\":\"{time}\",\"source\":\"{source}\",\
             \"source_address\":\"127.0.0.1\",\"source_port\":{},\"destination\":\"127.0.0.1:{port}\",\
             \"destination_address\":\"127.0.0.1\",\"destination_port\":{port},\"delivery\":\"unicast\",\"interface\":\"lo\",\"hop_limit\":64,\
             \"traffic_class\":0,\"length\":{payload}}}",
            source.rsplit(':').next().expect("a port")
        );
        assert_eq!(*line, expected);
    }
    let summary = outcome.summary();
    assert_eq!([&summary["received"], &summary["delivered"], &summary["received_bytes"]], [3, 3, 8]);
    assert_eq!(summary["dropped_by_kernel"], 0);
}

#[test]
fn nothing_in_a_payload_reaches_the_terminal_as_it_is() {
    if !require("python3") || !has(Capability::KernelDrops) {
        return;
    }
    let cases: [(&[u8], &str); 7] = [
        (b"\x1b]0;title\x07\x1b[2J", r"\x1b]0;title\x07\x1b[2J"),
        (b"a\r\nb\tc\0\x7f", r"a\r\nb\tc\x00\x7f"),
        ("\u{9b}31m".as_bytes(), r"\u{9b}31m"),
        ("abc\u{202e}txt.exe\u{2066}".as_bytes(), r"abc\u{202e}txt.exe\u{2066}"),
        (b"\xff\xfe\xc3(", r"\xff\xfe\xc3("),
        (br"C:\dir", r"C:\\dir"),
        ("Grüße, мир, 你好".as_bytes(), "Grüße, мир, 你好"),
    ];
    for format in ["--format=text", "--json"] {
        let (listener, port) = listen_at("127.0.0.1", &[format, "--count", "7"]);
        send_to(&port, &cases.map(|(payload, _)| payload));
        let outcome = listener.finish();
        let lines = outcome.lines();
        assert!(!outcome.text().chars().any(|letter| letter.is_control() && letter != '\n'), "{outcome:?}");
        assert!(!outcome.text().contains(['\u{202e}', '\u{2066}']), "{outcome:?}");
        if format == "--format=text" {
            for (line, (payload, shown)) in lines.iter().zip(cases) {
                assert!(line.ends_with(&format!("  {} B  {shown}", payload.len())), "{line}");
            }
        }
        assert_eq!(lines.len(), if format == "--format=text" { 7 } else { 9 });
    }
}

#[test]
fn the_longest_and_the_empty_datagram_are_printed_whole() {
    if !require("python3") {
        return;
    }
    const LONGEST: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for length in (65507, 0, 1):
    s.sendto(bytes(number % 251 for number in range(length)), ('127.0.0.1', int(sys.argv[1])))
";
    let (listener, port) = listen_at("127.0.0.1", &["--raw", "--count", "3"]);
    Place::Here.python_says(LONGEST, &[&port]);
    let outcome = listener.finish();
    outcome.assert_status(0);
    let expected: Vec<u8> = (0..=250).cycle().take(65_507).chain([0]).collect();
    assert!(outcome.stdout == expected, "{} bytes", outcome.stdout.len());
    outcome.assert_told(&["3 received (65508 B) in ", ": 3 printed, 0 ignored\n"]);

    let (mut listener, port) = listen_at("127.0.0.1", &[]);
    send_to(&port, &[b""]);
    let line = listener.stdout_line();
    assert!(line.ends_with("  unicast@lo  0 B"), "{line}");
}

#[test]
fn only_what_was_asked_for_is_printed_and_the_rest_is_counted() {
    if !require("python3") || !has(Capability::HopLimits) {
        return;
    }
    const THREE_SOURCES: &str = "
for source, payload in (('127.0.0.1', b'alpha'), ('127.1.0.1', b'beta\\xff'), ('127.1.2.1', b'gamma')):
    s = socket(AF_INET, SOCK_DGRAM)
    s.bind((source, 0))
    s.sendto(payload, ('127.0.0.1', int(sys.argv[1])))
";
    let cases: [(&[&str], &[&str], &str, u64); 7] = [
        (&["--from", "127.1.0.0/16"], &["beta", "gamma"], "other_source", 1),
        (&["--from", "127.1.0.0/24"], &["beta"], "other_source", 2),
        (&["--from", "127.0.0.1", "--from", "127.1.2.1"], &["alpha", "gamma"], "other_source", 1),
        (&["--match", "^(al|ga)"], &["alpha", "gamma"], "no_match", 1),
        (&["--match", r"\xff$"], &["beta"], "no_match", 2),
        (&["--match", "z"], &[], "no_match", 3),
        (&["-i", "lo"], &["alpha", "beta", "gamma"], "other_interface", 0),
    ];
    for (arguments, printed, reason, left_out) in cases {
        let (mut listener, port) = listen_at("127.0.0.1", &[&["--json", "-v"], arguments].concat());
        Place::Here.python_says(THREE_SOURCES, &[&port]);
        // With -v everything that arrives is told.
        let objects = [(); 3].map(|()| object(&listener.until(|line| !line.contains(r#""type":"note""#))));
        let received: Vec<_> = objects.iter().filter(|object| object["type"] == "received").collect();
        let lengths: Vec<_> = received.iter().map(|object| number(&object["length"])).collect();
        assert_eq!(lengths, printed.iter().map(|text| 5.max(text.len() as u64)).collect::<Vec<_>>(), "{arguments:?}");
        let summary = listener.stop().summary();
        assert_eq!(summary["ignored"][reason].as_u64().unwrap_or(0), left_out, "{arguments:?}: {summary}");
    }
}

#[test]
fn count_and_time_end_it() {
    if !require("python3") {
        return;
    }
    let (listener, port) = listen_at("127.0.0.1", &["--count", "2", "--json"]);
    send_to(&port, &[b"one", b"two", b"three"]);
    let outcome = listener.finish();
    outcome.assert_status(0);
    assert_eq!(outcome.summary()["delivered"], 2);
    let cases: [(&[&str], i32); 4] =
        [(&["--for", "1ms"], 0), (&["--for", "1ms", "--count", "1"], 1), (&["--count", "0"], 0), (&["--for", "0"], 0)];
    for (arguments, status) in cases {
        let outcome = Place::Here.run(&[&["listen", "127.0.0.1:0"], arguments].concat());
        outcome.assert_status(status);
        outcome.assert_told(&["0 received (0 B) in "]);
    }
    // Interrupted before what was asked for came, and after a part of it.
    let (listener, _) = listen_at("127.0.0.1", &["--count", "1"]);
    listener.stop().assert_status(130);
    let (mut listener, port) = listen_at("127.0.0.1", &["--count", "2"]);
    send_to(&port, &[b"one"]);
    listener.stdout_line();
    listener.stop().assert_status(0);
}

#[test]
fn what_waits_in_the_socket_when_it_ends_is_received_and_counted_once() {
    if !require("python3") {
        return;
    }
    let many: Vec<&[u8]> = vec![b"x"; 150];
    for (arguments, delivered) in [(&[][..], 150), (&["--count", "2"], 2)] {
        let (listener, port) = listen_at("127.0.0.1", &[&["--json"], arguments].concat());
        listener.signal("STOP");
        send_to(&port, &many);
        // It finds the signal and the datagrams at the same time.
        listener.signal("TERM");
        listener.signal("CONT");
        let summary = listener.finish().summary();
        let counts = ["received", "printed", "not_printed"].map(|key| number(&summary[key]));
        assert_eq!((counts, ignored(&summary, "after_end")), ([150, delivered, 0], 150 - delivered), "{summary}");
    }
}

#[test]
fn multicast_groups_are_joined_and_no_others_heard() {
    let Some(lan) = hosts(3) else { return };
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(|host| Place::On(&lan, host));
    for (number, host) in [h1, h2, h3].into_iter().enumerate() {
        host.shell(&format!("ip address add fd01::{}/64 dev eth0 nodad", number + 1));
    }
    let cases: [(&[&str], &str, &str); 6] = [
        (&["239.1.2.3:5000"], "239.1.2.3:5000", "239.9.9.9:5000"),
        (&["239.1.2.3:5000", "-i", "eth0"], "239.1.2.3:5000", "239.9.9.9:5000"),
        (&["[ff02::99]:5000"], "[ff02::99%eth0]:5000", "[ff02::77]:5000"),
        (&["[ff05::99]:5000", "-i", "eth0"], "[ff05::99]:5000", "[ff05::77]:5000"),
        (&["232.1.2.3:5000", "--source", "10.1.0.1"], "232.1.2.3:5000", "239.9.9.9:5000"),
        (&["[ff3e::99]:5000", "--source", "fd01::1", "-i", "eth0"], "[ff3e::99]:5000", "[ff05::77]:5000"),
    ];
    for (arguments, group, other_group) in cases {
        // Two on one host share the group.
        let mut listeners = [h2, h3, h3].map(|host| {
            let (listener, places) = host.waiting(&[&["listen"], arguments].concat());
            assert_eq!(places, [parse(group)]);
            listener
        });
        let send = |host: Place<'_>, to, local: &str, payload| {
            let arguments = ["send", to, payload, "-i", "eth0", "--ttl", "4", "--wait", "0", "--local", local];
            host.run(&arguments).assert_status(0);
        };
        let [ours, theirs] = if group.starts_with('[') { ["[fd01::1]", "[fd01::2]"] } else { ["10.1.0.1", "10.1.0.2"] };
        send(h1, other_group, ours, "another group");
        if arguments.contains(&"--source") {
            send(h2, group, theirs, "another source");
        }
        send(h1, group, &format!("{ours}:6000"), "hello");
        for listener in &mut listeners {
            let line = listener.stdout_line();
            assert_eq!(without_time(&line), format!("{ours}:6000 -> {group}  multicast@eth0  5 B  hello"));
        }
    }
}

#[test]
fn every_port_of_a_range_is_listened_to_and_answered() {
    if !has(Capability::HopLimits) {
        return;
    }
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    h2.shell("ip address add fd01::2/64 dev eth0 nodad");
    h1.shell("ip address add fd01::1/64 dev eth0 nodad");
    let mut listener = h2.udp(&["listen", "5000-5002", ":5002-5004", "5003", "--json"]);
    let listening: Value = serde_json::from_str(&listener.stdout_line()).expect("JSON Lines");
    let places = (5000..=5004).flat_map(|port| [format!("0.0.0.0:{port}"), format!("[::]:{port}")]);
    assert_eq!(listening["addresses"], places.collect::<Value>());
    for ip in ["10.1.0.2", "[fd01::2]"] {
        for port in 5000..=5004 {
            let to = format!("{ip}:{port}");
            h1.run(&["send", &to, "hello", "--wait", "0"]).assert_status(0);
            let received: Value = serde_json::from_str(&listener.stdout_line()).expect("JSON Lines");
            assert_eq!((&received["type"], &received["destination"]), (&"received".into(), &to.into()), "{received}");
        }
    }
    listener.stop().assert_status(0);
    let mut server = h2.udp(&["serve", "10.1.0.2:6000-6002", "[fd01::2]:6000-6001", "--reply", "{payload}!"]);
    assert_eq!(server.stderr_line(), "serving on 10.1.0.2:6000-6002 and [fd01::2]:6000-6001");
    for to in ["10.1.0.2:6000", "10.1.0.2:6001", "10.1.0.2:6002", "[fd01::2]:6000", "[fd01::2]:6001"] {
        let outcome = h1.run(&["send", to, to, "--raw"]);
        assert_eq!(outcome.text(), format!("{to}!"), "{outcome:?}");
    }
    server.stop().assert_status(0);
}

#[test]
fn a_range_of_ports_has_a_limit_and_its_place() {
    for (arguments, words) in [
        (&["listen", "1-257"][..], "257 ports are too many for one command, which takes 256 at most"),
        (
            &["listen", "-p", "5000-5010"],
            "'5000-5010' is a range of ports; it is part of an address, as in HOST:5000-5010",
        ),
        (&["serve", "127.0.0.1:20-10"], "the range of ports 20-10 ends before it begins"),
        (
            &["send", "127.0.0.1", "x", "--local", "5000-5010"],
            "'5000-5010' is a range of ports; there is one port here",
        ),
    ] {
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

/// Receives by a socket that only shares its port by SO_REUSEPORT, once it has said so. Arguments: port, and the group to
/// join, if any. Says what came.
const REUSEPORT_ALONE: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
s.bind(('', int(sys.argv[1])))
for group in sys.argv[2:]:
    s.setsockopt(IPPROTO_IP, IP_ADD_MEMBERSHIP, inet_aton(group) + inet_aton('10.1.0.2'))
say('ready')
say(s.recv(100).decode())
";

#[test]
fn a_group_is_shared_with_receivers_that_set_so_reuseport_alone() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let group = "239.1.2.3:5000";
    let listen = || h2.waiting(&["listen", group, "-i", "eth0"]).0;
    let other = || h2.python_ready(REUSEPORT_ALONE, &["5000", "239.1.2.3"]);
    for ours_first in [true, false] {
        let (mut ours, mut other) = if ours_first {
            let ours = listen();
            (ours, other())
        } else {
            let other = other();
            (listen(), other)
        };
        h1.run(&["send", group, "hello", "-i", "eth0", "--wait", "0"]).assert_status(0);
        assert!(ours.stdout_line().ends_with("multicast@eth0  5 B  hello"), "{ours:?}");
        assert_eq!(other.stdout_line(), "hello");
        ours.stop().assert_status(0);
    }
}

#[test]
fn unicasts_are_not_split_between_receivers() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let mut other = h2.python_ready(REUSEPORT_ALONE, &["5000"]);
    let outcome = h2.run(&["listen", "10.1.0.2:5000"]);
    outcome.assert_status(2);
    let hint = format!("hint: python3 (process {}) has 0.0.0.0:5000; choose another with -p", other.id());
    outcome.assert_told(&[&hint, "SO_REUSEPORT would split its datagrams"]);
    // Beside a listener to a group, too, the whole of them is the other's.
    let listener = h2.waiting(&["listen", "239.1.2.3:5000", "-i", "eth0"]).0;
    h1.run(&["send", "10.1.0.2:5000", "unicast", "--wait", "0"]).assert_status(0);
    assert_eq!(other.stdout_line(), "unicast");
    let outcome = listener.stop();
    outcome.assert_told(&["0 received (0 B) in "]);
}

#[test]
fn a_group_is_joined_again_when_its_interface_comes_back() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    for (group, family) in [("239.1.2.3:5000", "inet"), ("[ff05::99]:5000", "inet6")] {
        let (mut listener, _) = h2.waiting(&["listen", group, "-i", "eth0", "-v"]);
        let joined = || {
            let address = group.trim_start_matches('[').split([']', ':']).next().expect("there is one");
            let address = if address == "ff05" { "ff05::99" } else { address };
            let show = format!("until ip -f {family} maddress show dev eth0 | grep -q {address}; do :; done");
            h2.shell(&show);
        };
        joined();
        let send = |payload| h1.run(&["send", group, payload, "-i", "eth0", "--wait", "0"]).assert_status(0);
        send("before");
        assert!(listener.stdout_line().ends_with("multicast@eth0  6 B  before"));
        h2.shell("ip link delete eth0");
        let ip = parse(group).ip();
        listener.until_told(&format!("cannot join {ip} on eth0: no such interface"));
        listener.until_told("hint: interfaces here: lo");
        Place::Bridge(&lan).shell(
            "ip link add eth0 netns h2 type veth peer name h2
            ip link set h2 master lan up",
        );
        h2.shell("ip address add 10.1.0.2/24 dev eth0; ip link set eth0 up");
        Place::Bridge(&lan).shell("until bridge link show dev h2 | grep -q 'state forwarding'; do :; done");
        joined();
        send("after");
        assert!(listener.stdout_line().ends_with("multicast@eth0  5 B  after"));
        let outcome = listener.stop();
        outcome.assert_status(0);
        outcome.assert_told(&["2 received (11 B) in ", ": 2 printed, 0 ignored"]);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    if !require("python3") || !has(Capability::KernelDrops) {
        return;
    }
    let (reader, writer) = std::io::pipe().expect("a pipe can be had");
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0"]);
    command.stdout(writer);
    let mut listener = Process::start_with_output(command);
    let line = listener.stderr_line();
    let port = line.rsplit_once(':').expect("a port").1;
    send_to(port, &[b"first"]);
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).expect("it is printed");
    assert!(line.ends_with("  first\n"));
    drop(reader);
    send_to(port, &[b"second"]);
    let outcome = listener.finish();
    outcome.assert_status(0);
    outcome.assert_told(&["2 received (11 B) in "]);
    assert_eq!(outcome.stderr.lines().count(), 2, "{outcome:?}");
}

#[test]
fn a_full_disk_is_a_failure_and_the_account_is_given() {
    if !require("python3") {
        return;
    }
    let full = || File::options().write(true).open("/dev/full").expect("Linux has one");
    let mut command = Place::Here.udp_command(&["listen", "127.0.0.1:0"]);
    command.stdout(full());
    let mut listener = Process::start_with_output(command);
    let line = listener.stderr_line();
    send_to(line.rsplit_once(':').expect("a port").1, &[b"first"]);
    let outcome = listener.finish();
    outcome.assert_status(2);
    outcome.assert_told(&[
        "1 received (5 B) in ",
        ": 0 printed, 1 not printed, 0 ignored",
        "udp: cannot write to standard output: no space left on device\n",
    ]);

    for arguments in [
        &["interfaces"][..],
        &["interfaces", "--json"],
        &["completions", "bash"],
        &["--version"],
        &["-V"],
        &["--help"],
        &["send", "-h"],
    ] {
        let mut command = Place::Here.udp_command(arguments);
        command.stdout(full());
        let outcome = Process::start_with_output(command).finish();
        outcome.assert_status(2);
        outcome.assert_told(&["udp: cannot write to standard output: no space left on device\n"]);
    }
}

#[test]
fn what_the_kernel_dropped_is_counted_to_the_last_one() {
    if !require("python3") || !has(Capability::KernelDrops) {
        return;
    }
    const FLOOD: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for number in range(1000):
    s.sendto(b'%0100d' % number, ('127.0.0.1', int(sys.argv[1])))
";
    for round in 0..20 {
        let arguments = [&["--json"][..], &["--json", "-v"]][round % 2];
        let (mut listener, port) = listen_at("127.0.0.1", &[&["--recv-buffer", "4KiB"], arguments].concat());
        listener.signal("STOP");
        Place::Here.python_says(FLOOD, &[&port]);
        listener.signal("CONT");
        let dropped = object(&listener.until(|line| line.contains(r#""type":"dropped""#)));
        send_to(&port, &[b"the end"]);
        listener.until(|line| line.contains("the end"));
        let summary = listener.stop().summary();
        let drops = number(&summary["dropped_by_kernel"]);
        assert_eq!(number(&summary["received"]) + drops, 1001, "{summary}");
        assert_eq!((&dropped["total"], &summary["dropped_by_kernel_at_least"]), (&drops.into(), &false.into()));
        assert!(drops > 0 && number(&summary["received"]) > 1, "{summary}");
    }
    let (mut listener, port) = listen_at("127.0.0.1", &["--recv-buffer", "4KiB"]);
    listener.signal("STOP");
    Place::Here.python_says(FLOOD, &[&port]);
    listener.signal("CONT");
    listener.until_told("dropped by the kernel: ");
    listener.stop().assert_told(&["  dropped by the kernel: ", "hint: --recv-buffer SIZE for a larger one"]);
}

#[test]
fn two_listeners_share_the_port_and_both_hear_every_broadcast() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let mut listeners = [(); 2].map(|()| h2.waiting(&["listen"]).0);
    h1.run(&["broadcast", "hello", "--wait", "0"]).assert_status(0);
    for listener in &mut listeners {
        assert!(listener.stdout_line().ends_with(" -> 10.1.0.255:10000  broadcast@eth0  5 B  hello"));
    }
}

#[test]
fn raw_bytes_go_to_a_terminal_only_by_force() {
    if !require("python3") {
        return;
    }
    let udp = env!("CARGO_BIN_EXE_udp");
    let on_terminal = |arguments: &[&str]| {
        Place::Here.python(ON_TERMINAL, &[&[udp, "listen", "127.0.0.1:0", "--for", "1ms"], arguments].concat()).finish()
    };
    let outcome = on_terminal(&["--raw"]);
    outcome.assert_status(2);
    assert_eq!(
        outcome.text(),
        "udp: raw bytes from the network could take over the terminal\r\n\
         hint: send them to a file or a pipe, or insist with --force\r\n"
    );
    for allowed in [&["--raw", "--force"][..], &["--format", "text"], &["--json"]] {
        on_terminal(allowed).assert_status(0);
    }
}

#[test]
fn on_a_terminal_each_line_is_coloured_unless_that_is_not_wanted() {
    if !require("python3") || !has(Capability::KernelDrops) {
        return;
    }
    let udp = env!("CARGO_BIN_EXE_udp");
    let cases: [(&[&str], bool); 4] =
        [(&[], true), (&["env", "NO_COLOR=1"], false), (&["env", "NO_COLOR="], true), (&["--color", "never"], false)];
    for (arguments, coloured) in cases {
        let (before, after) =
            if arguments.first() == Some(&"env") { (arguments, &[][..]) } else { (&[][..], arguments) };
        let all = [before, &[udp, "listen", "127.0.0.1:0", "--count", "1"], after].concat();
        let mut terminal = Place::Here.python(ON_TERMINAL, &all);
        let line = terminal.until(|line| line.contains("listening on "));
        send_to(line.trim_end().rsplit_once(':').expect("a port").1, &[b"\x1b[1m"]);
        let line = terminal.stdout_line();
        assert_eq!(line.contains("\x1b[36m127.0.0.1:"), coloured, "{arguments:?}: {line:?}");
        assert!(line.trim_end().ends_with("  4 B  \\x1b[1m"), "{line:?}");
        terminal.finish().assert_status(0);
    }
}

#[test]
fn a_listener_whose_socket_is_destroyed_listens_again_and_keeps_its_counts() {
    if !require("ss") {
        return;
    }
    let Some(lan) = Lan::new("host alone") else { return };
    let alone = Place::On(&lan, "alone");
    let (mut listener, _) = alone.waiting(&["listen", "127.0.0.1"]);
    for _ in 0..2 {
        alone.run(&["send", "127.0.0.1", "hi", "--wait", "0"]).assert_status(0);
        assert!(listener.stdout_line().ends_with("  2 B  hi"));
        if alone.shell("ss -K -H -n -u -a 'sport = :10000'").is_empty() {
            return netns::skip("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)");
        }
        listener.until_told("cannot receive on 127.0.0.1:10000");
        listener.until_told("waiting for datagrams on 127.0.0.1:10000 again");
    }
    let outcome = listener.stop();
    outcome.assert_status(0);
    outcome.assert_told(&["2 received (4 B) in ", ": 2 printed, 0 ignored"]);
}
