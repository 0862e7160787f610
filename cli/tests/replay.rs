//! `udp replay` as a program: what of a capture it sends, when, from where, and its account of all the rest.
#![cfg(target_os = "linux")]

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use common::netns::{Lan, require};
use common::{Outcome, Place, Process, Scratch, number, parse, timeless};
use serde_json::{Value, json};
use udpkit::{Options, ReceiveBatch, Socket, Wait};

/// A source that may have any port here.
const SOURCE: &str = "192.0.2.1:0";
const OTHER_SOURCE: &str = "192.0.2.3:0";
const DESTINATION: &str = "192.0.2.2:9000";

/// A pcap file (microseconds, little endian, Ethernet) by hand.
struct Pcap(Vec<u8>);

impl Pcap {
    fn new() -> Self {
        let header: [u32; 6] = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 1 << 18, 1];
        Self(header.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    /// Datagrams of one source, whose payloads are their numbers, this far apart.
    fn numbered(count: u32, milliseconds: u64) -> Self {
        (0..count).fold(Self::new(), |pcap, number| {
            pcap.datagram(milliseconds * 1000 * u64::from(number), SOURCE, DESTINATION, &number.to_be_bytes())
        })
    }

    /// Adds a datagram that was captured so many microseconds after some day.
    fn datagram(self, at: u64, source: &str, destination: &str, payload: &[u8]) -> Self {
        self.frame(at, &frame(parse(source), parse(destination), payload))
    }

    fn frame(self, at: u64, frame: &[u8]) -> Self {
        self.cut(at, frame, frame.len())
    }

    /// Adds the first bytes of a frame.
    fn cut(mut self, at: u64, frame: &[u8], kept: usize) -> Self {
        let at = 1_700_000_000_000_000 + at;
        let header = [at / 1_000_000, at % 1_000_000, kept as u64, frame.len() as u64];
        self.0.extend(header.iter().flat_map(|number| u32::try_from(*number).expect("it fits").to_le_bytes()));
        self.0.extend(&frame[..kept]);
        self
    }
}

/// An Ethernet frame; its datagram has no checksum.
fn frame(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).expect("a datagram is short");
    let mut frame = vec![2; 12];
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            frame.extend([8, 0, 0x45, 0]);
            frame.extend((20 + len).to_be_bytes());
            frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
            frame.extend(source.octets().into_iter().chain(destination.octets()));
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(len.to_be_bytes());
            frame.extend([17, 64]);
            frame.extend(source.octets().into_iter().chain(destination.octets()));
        }
        _ => panic!("of two families"),
    }
    for number in [source.port(), destination.port(), len, 0] {
        frame.extend(number.to_be_bytes());
    }
    frame.extend(payload);
    frame
}

/// Takes what is replayed, in this process.
struct Target(Socket, RefCell<VecDeque<Vec<u8>>>);

impl Target {
    fn new(ip: &str) -> Self {
        let address = SocketAddr::new(ip.parse().expect("an address"), 0);
        let options = Options::default().receive_buffer(4 << 20);
        Self(Socket::bind(address, &options).expect("loopback is ours"), RefCell::default())
    }

    fn address(&self) -> String {
        self.0.local_address().to_string()
    }

    /// The payloads of the next so many datagrams.
    fn take(&self, count: usize) -> Vec<Vec<u8>> {
        let (mut batch, mut taken) = (ReceiveBatch::default(), self.1.borrow_mut());
        while taken.len() < count {
            let received = self.0.receive(&mut batch, Wait::For(Duration::from_secs(30))).expect("it is ours");
            assert!(received > 0, "{} of {count} came", taken.len());
            taken.extend(batch.datagrams().map(|datagram| datagram.payload.to_vec()));
        }
        taken.drain(..count).collect()
    }

    /// Asserts that nothing is left.
    fn assert_empty(&self) {
        assert!(self.1.borrow().is_empty());
        assert_eq!(self.0.receive(&mut ReceiveBatch::default(), Wait::No).expect("it is ours"), 0);
    }
}

/// Payloads that are the numbers from 0 on.
fn numbers(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| number.to_be_bytes().to_vec()).collect()
}

/// Runs `udp replay` with a file.
fn replay(file: &str, more: &[&str]) -> Outcome {
    Place::Here.run(&[&["replay", file][..], more].concat())
}

/// The account at the end: packets and datagrams each stand in it once.
fn balanced(outcome: &Outcome) -> Value {
    let summary = outcome.summary();
    let capture = &summary["capture"];
    let sum = |key: &str| capture[key].as_object().expect("by reason").values().map(number).sum::<u64>();
    let [packets, datagrams, joined, unsent, planned] =
        ["packets", "datagrams", "fragments_joined", "unsent", "planned"].map(|key| number(&capture[key]));
    assert_eq!(packets, datagrams + joined + sum("unusable"), "{summary}");
    let made = number(&summary["sent"]) + number(&summary["send_failed"]) + planned;
    let segments_added = number(&capture["segments_added"]);
    assert_eq!(datagrams + segments_added, made + unsent + sum("left_out"), "{summary}");
    summary
}

/// A capture with something of everything.
fn mixed() -> Pcap {
    let mut tcp = frame(parse(SOURCE), parse(DESTINATION), b"tcp");
    tcp[23] = 6;
    let whole = frame(parse(SOURCE), parse(DESTINATION), b"cut short");
    let mut arp = tcp.clone();
    arp[12..14].copy_from_slice(&[8, 6]);
    Pcap::new()
        .datagram(0, SOURCE, DESTINATION, b"one")
        .frame(1, &tcp)
        .datagram(1000, OTHER_SOURCE, "192.0.2.2:53", b"two")
        .cut(1001, &whole, 50)
        .frame(1002, &arp)
        .datagram(2000, SOURCE, "192.0.2.2:0", b"to port zero")
        .datagram(3000, "[2001:db8::1]:0", "[2001:db8::2]:9000", &[b'x'; 65_527])
        .datagram(3500, SOURCE, DESTINATION, b"")
}

#[test]
fn a_capture_is_sent_whole_and_in_order_whatever_the_pace() {
    let scratch = Scratch::new();
    let file = scratch.file("numbered.pcap", Pcap::numbered(40, 1).0);
    for ip in ["127.0.0.1", "::1"] {
        if ip == "::1" && Socket::bind(parse("[::1]:0"), &Options::default()).is_err() {
            common::netns::skip("no IPv6");
            continue;
        }
        let target = Target::new(ip);
        let paces: [&[&str]; 6] = [
            &[],
            &["--speed", "2", "--busy-wait", "0"],
            &["--rate", "5000/s"],
            &["--rate", "1Mbit/s", "--local", ":0"],
            &["--max"],
            &["--max-gap", "100us", "--ttl", "3", "--dscp", "EF"],
        ];
        for pace in paces {
            let outcome = replay(&file, &[&[&target.address(), "--json"], pace].concat());
            outcome.assert_status(0);
            assert_eq!(target.take(40), numbers(40), "{pace:?}");
            let summary = balanced(&outcome);
            assert_eq!((&summary["sent"], &summary["sent_bytes"]), (&json!(40), &json!(160)));
            let late = summary["lateness"]["count"].as_u64().unwrap_or(0);
            assert_eq!(late, if pace == ["--max"] { 0 } else { 40 }, "{pace:?}");
            assert_eq!(number(&summary["gaps_shortened"]), if pace.contains(&"--max-gap") { 39 } else { 0 });
        }
        target.assert_empty();
    }
}

#[test]
fn three_thousand_at_a_millisecond_and_how_late_they_were() {
    let scratch = Scratch::new();
    let file = scratch.file("numbered.pcap", Pcap::numbered(3000, 1).0);
    let target = Target::new("127.0.0.1");
    let outcome = replay(&file, &[&target.address(), "--json"]);
    outcome.assert_status(0);
    assert_eq!(target.take(3000), numbers(3000));
    let summary = balanced(&outcome);
    assert!(number(&summary["elapsed_ns"]) >= 2_999_000_000, "{summary}");
    let [median, most, largest] = ["p50_ns", "p99_ns", "max_ns"].map(|key| number(&summary["lateness"][key]));
    assert!(summary["lateness"]["count"] == 3000 && median <= most && most <= largest, "{summary}");
}

#[test]
fn a_dry_run_lists_when_each_would_be_sent_and_what_cannot_be() {
    let scratch = Scratch::new();
    let file = scratch.file("mixed.pcap", mixed().0);
    let outcome = replay(&file, &["127.0.0.1", "--dry-run"]);
    outcome.assert_status(0);
    assert_eq!(
        outcome.lines(),
        [
            "not sent  #6  192.0.2.1:0 -> 192.0.2.2:0  12 B  to port 0, where nothing can be sent",
            "not sent  #7  [2001:db8::1]:0 -> [2001:db8::2]:9000  65527 B  longer than a datagram to that address can be",
            "+0.000000000  #1  192.0.2.1:0 -> 192.0.2.2:9000  to 127.0.0.1:9000  3 B",
            "+0.001000000  #3  192.0.2.3:0 -> 192.0.2.2:53  to 127.0.0.1:53  3 B",
            "+0.003500000  #8  192.0.2.1:0 -> 192.0.2.2:9000  to 127.0.0.1:9000  0 B",
        ]
    );
    assert_eq!(
        outcome.stderr,
        "3 datagrams would be sent (6 B)\n\
         capture: 8 packets, 5 datagrams\n  \
         1 not sent: not IP\n  1 not sent: TCP\n  1 not sent: cut short by the capture\n  \
         1 not sent: to port 0, where nothing can be sent\n  \
         1 not sent: longer than a datagram to that address can be\n"
    );
    let outcome = replay(&file, &["[::1]:7", "--dry-run", "--json", "--filter-port", "9000"]);
    let expected = [
        json!({"v": 1, "type": "planned", "at_ns": 0, "packet": 1, "source": SOURCE, "source_address": "192.0.2.1",
            "source_port": 0, "captured_destination": DESTINATION, "captured_destination_address": "192.0.2.2",
            "captured_destination_port": 9000, "destination": "[::1]:7", "destination_address": "::1",
            "destination_port": 7, "length": 3}),
        json!({"v": 1, "type": "planned", "at_ns": 3_000_000, "packet": 7, "source": "[2001:db8::1]:0",
            "source_address": "2001:db8::1", "source_port": 0, "captured_destination": "[2001:db8::2]:9000",
            "captured_destination_address": "2001:db8::2", "captured_destination_port": 9000,
            "destination": "[::1]:7", "destination_address": "::1", "destination_port": 7, "length": 65_527}),
    ];
    assert_eq!(outcome.objects()[..2].iter().map(timeless).collect::<Vec<_>>(), expected);
    let summary = balanced(&outcome);
    assert_eq!(summary["capture"]["left_out"], json!({"other_port": 2}));
    assert_eq!((&summary["sent"], &summary["capture"]["planned"]), (&json!(0), &json!(3)));
}

#[test]
fn a_dry_run_tells_of_the_sharing_that_there_would_be() {
    let scratch = Scratch::new();
    let target = Target::new("127.0.0.1");
    let to = target.address();
    // Of how many sources, and how many share a socket: of a file, of a pipe, and where one socket is asked for.
    for (count, of_file, of_pipe, of_one) in [(3, 0, 0, 2), (20, 0, 4, 19)] {
        let add = |pcap: Pcap, number| pcap.datagram(0, &format!("192.0.2.{number}:0"), DESTINATION, b"");
        let bytes = (0..count).fold(Pcap::new(), add).0;
        let file = scratch.file("sources.pcap", &bytes);
        let cases: [(&str, &[&str], u64); 4] = [
            (&file, &[], of_file),
            ("-", &[], of_pipe),
            (&file, &["--local", ":0"], of_one),
            ("-", &["--local", ":0"], of_one),
        ];
        for (from, local, expected) in cases {
            for dry_run in [&[][..], &["--dry-run"]] {
                let arguments = [&["replay", from, &to, "--json"], local, dry_run].concat();
                let mut process = Place::Here.udp(&arguments);
                process.tell_all(&bytes);
                let summary = balanced(&process.finish());
                assert_eq!(number(&summary["sources_shared"]), expected, "{arguments:?}: {summary}");
            }
            target.take(count);
            let arguments = [&["replay", from, &to, "--dry-run"], local].concat();
            let mut process = Place::Here.udp(&arguments);
            process.tell_all(&bytes);
            let told = process.finish().stderr.contains("by the socket of another source");
            assert_eq!(told, expected > 0 && local.is_empty(), "{arguments:?}");
        }
    }
    target.assert_empty();
}

/// A frame of a packet with this protocol in IPv4, between two ends of a tunnel.
fn tunnel(protocol: u8, header: &[u8], content: &[u8]) -> Vec<u8> {
    let mut frame = frame(parse("198.51.100.1:4789"), parse("198.51.100.2:4789"), &[header, content].concat());
    if protocol != 17 {
        // The header of UDP is not there.
        frame.drain(34..42);
        let len = u16::try_from(frame.len() - 14).expect("it is short").to_be_bytes();
        frame[16..18].copy_from_slice(&len);
    }
    frame[23] = protocol;
    frame
}

#[test]
fn what_is_inside_tunnels_is_sent_where_asked_for_and_else_told_with_the_way_to_it() {
    let scratch = Scratch::new();
    let inner = |payload: &[u8]| frame(parse(SOURCE), parse(DESTINATION), payload);
    let gre = tunnel(47, &[0, 0, 8, 0], &inner(b"in GRE")[14..]);
    let ipip = tunnel(4, &[], &inner(b"in IP")[14..]);
    let vxlan = tunnel(17, &[8, 0, 0, 0, 0, 0, 7, 0], &inner(b"in VXLAN"));
    let capture = Pcap::new().frame(0, &gre).frame(1, &ipip).frame(2, &vxlan).datagram(3, SOURCE, DESTINATION, b"bare");
    let file = scratch.file("tunnels.pcap", &capture.0);
    let target = Target::new("127.0.0.1");
    let to = target.address();

    let outcome = replay(&file, &[&to, "--decapsulate", "--json"]);
    outcome.assert_status(0);
    assert_eq!(target.take(4), [&b"in GRE"[..], b"in IP", b"in VXLAN", b"bare"]);
    let summary = balanced(&outcome);
    assert_eq!((&summary["capture"]["unusable"], &summary["capture"]["vxlan"]), (&json!({}), &json!(0)));

    let outcome = replay(&file, &[&to]);
    outcome.assert_status(0);
    assert_eq!(target.take(2), [vxlan[42..].to_vec(), b"bare".to_vec()]);
    outcome.assert_told(&[
        "  1 not sent: inside GRE\n  1 not sent: IPv4 inside IP (IPIP)\n  1 of them VXLAN, with a frame in each\n",
        "hint: --decapsulate sends what is inside tunnels\n",
    ]);
    let summary = balanced(&replay(&file, &[&to, "--json", "--dry-run"]));
    assert_eq!(summary["capture"]["unusable"], json!({"inside_gre": 1, "inside_ipip": 1}));
    assert_eq!(summary["capture"]["vxlan"], 1);
    target.assert_empty();

    // From a pipe, too; and where nothing else is there.
    let alone = Pcap::new().frame(0, &gre).0;
    let file = scratch.file("gre.pcap", &alone);
    let outcome = replay(&file, &[&to]);
    outcome.assert_status(2);
    let hint = "1 packet: 1 inside GRE\nhint: --decapsulate sends what is inside tunnels\n";
    outcome.assert_told(&[hint]);
    for (more, status) in [(&[][..], 2), (&["--decapsulate"], 0)] {
        let mut process = Place::Here.udp(&[&["replay", "-", &to], more].concat());
        process.tell_all(&alone);
        let outcome = process.finish();
        outcome.assert_status(status);
        assert_eq!(outcome.stderr.contains("hint: --decapsulate sends"), status == 2, "{outcome:?}");
    }
    assert_eq!(target.take(1), [b"in GRE"]);
}

#[test]
fn what_a_network_card_was_to_cut_is_told_with_a_guess_and_cut_where_asked_for() {
    let scratch = Scratch::new();
    let bytes: Vec<u8> = (0..19_200_u32).map(|place| u8::try_from(place / 300).expect("64 of them")).collect();
    // As many as the system cuts at once, twice; the rest; one that is a datagram of its own.
    let pcap = Pcap::new()
        .datagram(0, SOURCE, DESTINATION, &bytes)
        .datagram(1000, SOURCE, DESTINATION, &bytes)
        .datagram(2000, SOURCE, DESTINATION, &bytes[..6000])
        .datagram(3000, SOURCE, DESTINATION, &bytes[..700])
        .datagram(4000, SOURCE, DESTINATION, b"");
    let file = scratch.file("offload.pcap", &pcap.0);
    let told = "  3 of them longer than most links carry: several in one, as they were before the sender's network card cut them \
                (segmentation offload), or jumbo frames\n";
    let hint = "hint: --segment 300 cuts them back (a guess, from how long they are)\n";
    let outcome = replay(&file, &["127.0.0.1:9", "--dry-run"]);
    outcome.assert_status(0);
    outcome.assert_told(&["5 datagrams would be sent (45100 B)\n", told, hint]);
    let mut process = Place::Here.udp(&["replay", "-", "127.0.0.1:9", "--dry-run"]);
    process.tell_all(&pcap.0);
    process.finish().assert_told(&[told, hint]);
    let summary = balanced(&replay(&file, &["127.0.0.1:9", "--dry-run", "--json"]));
    assert_eq!((&summary["capture"]["oversized"], &summary["capture"]["segment_guess"]), (&json!(3), &json!(300)));

    let target = Target::new("127.0.0.1");
    let to = target.address();
    let lengths: Vec<_> = [300; 64 + 64 + 20 + 2].into_iter().chain([100, 0]).collect();
    for from in [&file, "-"] {
        let mut process = Place::Here.udp(&["replay", from, &to, "--segment", "300", "--json"]);
        process.tell_all(&pcap.0);
        let outcome = process.finish();
        outcome.assert_status(0);
        let taken = target.take(lengths.len());
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        assert!(taken[..128].concat() == [&bytes[..], &bytes].concat(), "in order");
        let summary = balanced(&outcome);
        assert_eq!((&summary["sent"], &summary["capture"]["segments_added"]), (&json!(152), &json!(147)));
    }
    target.assert_empty();
    let outcome = replay(&file, &["127.0.0.1:9", "--dry-run", "--segment", "300"]);
    outcome.assert_told(&["152 datagrams would be sent (45100 B)\n", "  4 of them cut into 151 (--segment)\n"]);
    assert!(!outcome.stderr.contains("hint"), "{outcome:?}");
    // An end in the middle of one, and its other pieces.
    let summary =
        balanced(&replay(&file, &["127.0.0.1:9", "--dry-run", "--json", "--segment", "300", "--count", "10"]));
    assert_eq!(summary["capture"]["planned"], 10);
}

#[test]
fn what_came_in_fragments_was_one_datagram_and_is_neither_told_nor_cut() {
    let scratch = Scratch::new();
    let whole = frame(parse(SOURCE), parse(DESTINATION), &[7; 4000]);
    let (header, body) = whole.split_at(34);
    let parts = body.chunks(1480).enumerate().map(|(number, part)| {
        let mut part = [header, part].concat();
        let place = u16::try_from(number * 185).expect("it is short") | if number < 2 { 0x2000 } else { 0 };
        let len = u16::try_from(part.len() - 14).expect("it is short");
        part[16..18].copy_from_slice(&len.to_be_bytes());
        part[20..22].copy_from_slice(&place.to_be_bytes());
        part
    });
    let file = scratch.file("fragments.pcap", parts.fold(Pcap::new(), |pcap, part| pcap.frame(0, &part)).0);
    let target = Target::new("127.0.0.1");
    let outcome = replay(&file, &[&target.address(), "--segment", "300", "--json"]);
    let summary = balanced(&outcome);
    assert_eq!((&summary["capture"]["oversized"], &summary["capture"]["segments_added"]), (&json!(0), &json!(0)));
    assert_eq!(target.take(1), [vec![7; 4000]]);
}

/// When a dry run would send each of these, in microseconds.
fn times(pcap: Pcap, more: &[&str]) -> Vec<u64> {
    let scratch = Scratch::new();
    let file = scratch.file("capture.pcap", pcap.0);
    let outcome = replay(&file, &[&["127.0.0.1:9", "--dry-run", "--json"], more].concat());
    outcome.assert_status(0);
    let objects = outcome.objects();
    objects.iter().filter_map(|object| object["at_ns"].as_u64()).map(|nanoseconds| nanoseconds / 1000).collect()
}

#[test]
fn flags_make_the_times() {
    let at =
        |times: &[u64]| times.iter().fold(Pcap::new(), |pcap, at| pcap.datagram(*at, SOURCE, DESTINATION, b"four"));
    let recorded = || at(&[0, 1000, 5000, 3_600_000_000]);
    assert_eq!(times(recorded(), &[]), [0, 1000, 5000, 3_600_000_000]);
    assert_eq!(times(recorded(), &["--speed", "2"]), [0, 500, 2500, 1_800_000_000]);
    assert_eq!(times(recorded(), &["--speed", "0.5"]), [0, 2000, 10_000, 7_200_000_000]);
    assert_eq!(times(recorded(), &["--max-gap", "3ms"]), [0, 1000, 4000, 7000]);
    assert_eq!(times(recorded(), &["--rate", "100/s"]), [0, 10_000, 20_000, 30_000]);
    assert_eq!(times(recorded(), &["--rate", "32kbit/s"]), [0, 1000, 2000, 3000]);
    assert_eq!(times(recorded(), &["--max"]), [0, 0, 0, 0]);
    assert_eq!(times(recorded(), &["--count", "2"]), [0, 1000]);
    assert_eq!(times(recorded(), &["--for", "1s"]), [0, 1000, 5000]);
    let again = times(recorded(), &["--loop", "2", "--max-gap", "1ms"]);
    assert_eq!(again, [0, 1000, 2000, 3000, 3000, 4000, 5000, 6000]);
    assert_eq!(times(recorded(), &["--loop", "0", "--max", "--count", "1000"]).len(), 1000);
    // A clock that was a little out of order, and one that was set back.
    assert_eq!(times(at(&[0, 3000, 2000, 4000]), &[]), [0, 3000, 3000, 4000]);
    assert_eq!(times(at(&[9_000_000, 9_001_000, 0, 2000]), &[]), [0, 1000, 1000, 3000]);
    let delayed = times(at(&[0, 1000]), &["--loop", "3", "--loop-delay", "500ms"]);
    assert_eq!(delayed, [0, 1000, 501_000, 502_000, 1_002_000, 1_003_000]);
}

/// Ten datagrams each of two hosts whose clocks are 2 s apart, taken in turn.
fn two_clocks(first_is_ahead: bool) -> Pcap {
    (0..20).fold(Pcap::new(), |pcap, number| {
        let ahead = if (number % 2 == 0) == first_is_ahead { 2_000_000 } else { 0 };
        let source = if number % 2 == 0 { SOURCE } else { OTHER_SOURCE };
        pcap.datagram(number / 2 * 100_000 + ahead, source, DESTINATION, &[7])
    })
}

#[test]
fn captures_of_two_clocks_take_as_long_as_one_and_what_the_clock_does_is_told() {
    let scratch = Scratch::new();
    let expected: Vec<_> = (0..20).map(|number| number / 2 * 100_000).collect();
    for (first_is_ahead, back) in [(true, 10), (false, 9)] {
        let bytes = two_clocks(first_is_ahead).0;
        assert_eq!(times(two_clocks(first_is_ahead), &[]), expected);
        // From a pipe, too.
        let mut process = Place::Here.udp(&["replay", "-", "127.0.0.1:9", "--dry-run", "--json"]);
        process.tell_all(&bytes);
        let outcome = process.finish();
        let objects = outcome.objects();
        let planned = objects.iter().filter_map(|object| object["at_ns"].as_u64());
        assert!(planned.eq(expected.iter().map(|at| at * 1000)), "{outcome:?}");

        let file = scratch.file("clocks.pcap", &bytes);
        let words = format!("\n  the clock went back {back} times: the capture has 2 clocks");
        replay(&file, &["127.0.0.1:9", "--dry-run"]).assert_told(&[&words]);
        let target = Target::new("127.0.0.1");
        let outcome = replay(&file, &[&target.address(), "--speed", "10"]);
        outcome.assert_told(&["20 sent", &words]);
        target.take(20);
        let outcome = replay(&file, &[&target.address(), "--speed", "10", "--json"]);
        target.take(20);
        let summary = balanced(&outcome);
        assert_eq!((&summary["clock_steps_back"], &summary["clocks"]), (&json!(back), &json!(2)));
        assert!(number(&summary["lateness"]["count"]) == 20);
    }
}

#[test]
fn a_pause_that_nobody_waits_for_is_told_before_it_is_waited_for() {
    let scratch = Scratch::new();
    let pcap = || Pcap::numbered(2, 1).datagram(900_000_000_000, SOURCE, DESTINATION, b"later");
    let file = scratch.file("long.pcap", pcap().0);
    let note = "the longest pause takes 10days 9h, after 2 datagrams; --max-gap DURATION makes pauses shorter";
    replay(&file, &["127.0.0.1:9", "--dry-run"]).assert_told(&[note]);
    for without in [["--max-gap", "1s"], ["--rate", "1/s"], ["--count", "2"]] {
        let outcome = replay(&file, &[&["127.0.0.1:9", "--dry-run"][..], &without].concat());
        assert!(!outcome.stderr.contains("longest pause"), "{without:?}: {}", outcome.stderr);
    }
}

#[test]
fn a_dry_run_of_a_pipe_lists_each_as_it_comes() {
    let mut process = Place::Here.udp(&["replay", "-", "127.0.0.1:9", "--dry-run"]);
    let capture = Pcap::numbered(6, 1).0;
    let (header, packets) = capture.split_at(24);
    process.tell(header);
    for (number, packet) in packets.chunks(16 + 46).enumerate() {
        process.tell(packet);
        let line = process.stdout_line();
        assert!(line.starts_with(&format!("+0.00{number}000000  #{}  ", number + 1)), "{line}");
    }
    process.finish().assert_status(0);
}

#[test]
fn the_account_has_everything_in_the_capture_once() {
    let scratch = Scratch::new();
    let file = scratch.file("mixed.pcap", mixed().0);
    let target = Target::new("127.0.0.1");
    let to = target.address();
    let outcome = replay(&file, &[&to, "--json"]);
    outcome.assert_status(0);
    let summary = balanced(&outcome);
    assert_eq!(target.take(4), [&b"one"[..], b"two", b"to port zero", b""]);
    let capture = json!({"readings": 1, "packets": 8, "fragments_joined": 0, "datagrams": 5,
        "unusable": {"cut_short": 1, "not_ip": 1, "tcp": 1}, "left_out": {"too_long": 1},
        "unsent": 0, "planned": 0, "without_time": 0, "vxlan": 0, "oversized": 0,
        "segment_guess": null, "segments_added": 0, "dropped": 0});
    assert_eq!(summary["capture"], capture);

    let outcome =
        replay(&file, &[&to, "--json", "--filter-port", "9000", "--filter-port", "53", "--loop", "3", "--max"]);
    outcome.assert_status(0);
    let summary = balanced(&outcome);
    assert_eq!((&summary["sent"], &summary["capture"]["readings"]), (&json!(9), &json!(3)));
    assert_eq!(target.take(9), [&b"one"[..], b"two", b""].repeat(3));

    let outcome = replay(&file, &[&to, "--json", "--count", "1"]);
    outcome.assert_status(0);
    let summary = balanced(&outcome);
    assert_eq!((&summary["sent"], &summary["capture"]["unsent"]), (&json!(1), &json!(3)));

    let outcome = replay(&file, &[&to, "-v"]);
    outcome.assert_told(&["sent #1 to 127.0.0.1:", "4 sent (18 B), in ", "capture: 8 packets, 5 datagrams\n"]);
    assert_eq!(outcome.stdout, b"");
    let outcome = replay(&file, &[&to, "-q"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn what_stands_before_a_cut_is_sent_and_the_cut_is_told() {
    let scratch = Scratch::new();
    let target = Target::new("127.0.0.1");
    let whole = Pcap::numbered(5, 1).0;
    let mut corrupt = whole.clone();
    // The length of the last packet.
    let place = corrupt.len() - 46 - 8;
    corrupt[place..place + 4].copy_from_slice(&[0xff; 4]);
    for (bytes, word) in [(&whole[..whole.len() - 1], "cut off"), (&corrupt[..], "corrupt")] {
        let file = scratch.file("damaged.pcap", bytes);
        let outcome = replay(&file, &[&target.address(), "--loop", "2"]);
        outcome.assert_status(2);
        outcome.assert_told(&["4 sent (16 B)", &format!("udp: cannot read '{file}': it is {word}")]);
        assert_eq!(target.take(4), numbers(4));
        let outcome = replay(&file, &[&target.address(), "--json"]);
        outcome.assert_status(2);
        assert_eq!(target.take(4), numbers(4));
        balanced(&outcome);
        let trouble = outcome.objects().into_iter().find(|object| object["type"] == "trouble");
        assert!(trouble.is_some_and(|trouble| trouble["error"].to_string().contains(word)), "{outcome:?}");
    }
    target.assert_empty();
}

#[test]
fn what_cannot_be_replayed_is_an_error_that_says_why() {
    let scratch = Scratch::new();
    let mut tcp = frame(parse(SOURCE), parse(DESTINATION), b"tcp");
    tcp[23] = 6;
    let files = [
        ("text", b"#!/bin/sh\n".to_vec(), "cannot read FILE: it is neither pcap nor pcapng"),
        ("nothing", Vec::new(), "cannot read FILE: it is empty"),
        ("xz", b"\xfd7zXZ\0\0".to_vec(), "cannot read FILE: it is compressed with xz"),
        ("empty", Pcap::new().0, "nothing to send: FILE has 0 packets"),
        ("tcp", Pcap::new().frame(0, &tcp).frame(1, &tcp).0, "nothing to send: FILE has 2 packets: 2 TCP"),
    ];
    for (name, bytes, words) in files {
        let file = scratch.file(name, bytes);
        for dry_run in [&[][..], &["--dry-run"]] {
            let outcome = replay(&file, &[&["127.0.0.1:9"], dry_run].concat());
            outcome.assert_status(2);
            assert_eq!(outcome.stderr, format!("udp: {}\n", words.replace("FILE", &format!("'{file}'"))));
            assert_eq!(outcome.stdout, b"");
        }
    }
    let file = scratch.file("numbered", Pcap::numbered(2, 1).0);
    let cases: [(&[&str], &str); 13] = [
        (
            &["127.0.0.1", "--filter-port", "7"],
            "has 2 packets: 2 to other ports (--filter-port)\nhint: its datagrams went to these ports, or more: 9000\n",
        ),
        (&["127.0.0.1:0"], "nothing can be sent to port 0"),
        (&["127.0.0.1", "--speed", "0"], "'0' is not a speed; write a number over 0"),
        (&["127.0.0.1", "--max", "--rate", "1/s"], "cannot be used with"),
        (&["127.0.0.1", "--max", "--max-gap", "1s"], "cannot be used with"),
        (&["127.0.0.1", "--busy-wait", "11ms"], "'11ms' is too long to watch the clock"),
        (&["127.0.0.1", "--loop-delay", "1s"], "--loop-delay has no effect on a single round"),
        (&["127.0.0.1", "--count", "0"], "--count 0 would end before anything is sent"),
        (&["127.0.0.1", "--dry-run", "--raw"], "--dry-run lists when each would be sent, and no payloads"),
        (&["127.0.0.1", "--dry-run", "--hex-dump"], "--dry-run lists when each would be sent, and no payloads"),
        (&["127.0.0.1", "--dry-run", "--format", "hex"], "--dry-run lists when each would be sent, and no payloads"),
        (&["127.0.0.1", "-i", "nope0"], "no interface 'nope0'"),
        (&["-6", "127.0.0.1"], "'127.0.0.1' has no IPv6 address"),
    ];
    for (more, words) in cases {
        let outcome = replay(&file, more);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
    replay("/nowhere/at/all", &["127.0.0.1"])
        .assert_told(&["cannot read '/nowhere/at/all': no such file or directory\n"]);
    replay("/", &["127.0.0.1"]).assert_told(&["cannot read '/': is a directory\n"]);
    replay("-", &["127.0.0.1", "--loop", "2"])
        .assert_told(&["standard input is not a regular file and can only be read once"]);
}

#[test]
fn a_pipe_is_replayed_as_it_comes() {
    let target = Target::new("127.0.0.1");
    let mut process = Place::Here.udp(&["replay", "-", &target.address(), "--json"]);
    let capture = Pcap::numbered(6, 1).0;
    let (first, rest) = capture.split_at(24 + 3 * (16 + 46) + 10);
    process.tell(first);
    assert_eq!(target.take(3), numbers(3));
    process.tell(rest);
    let outcome = process.finish();
    outcome.assert_status(0);
    assert_eq!(target.take(3), numbers(6)[3..]);
    assert_eq!(balanced(&outcome)["sent"], 6);

    for (bytes, words) in [
        (&b""[..], "cannot read standard input: it is empty"),
        (&Pcap::new().0, "nothing to send: standard input has 0 packets"),
        (b"what?", "cannot read standard input: it is neither pcap nor pcapng"),
    ] {
        let mut process = Place::Here.udp(&["replay", "-", &target.address()]);
        process.tell_all(bytes);
        let outcome = process.finish();
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

/// Runs a program whose standard input does not wait. Arguments: the program, and its own.
const NONBLOCKING: &str = "
import os
os.set_blocking(0, False)
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn a_pipe_that_does_not_wait_is_waited_for() {
    if !require("python3") {
        return;
    }
    let target = Target::new("127.0.0.1");
    let to = target.address();
    let arguments = [env!("CARGO_BIN_EXE_udp"), "replay", "-", &to, "--json"];
    let mut process = Place::Here.python(NONBLOCKING, &arguments);
    let capture = Pcap::numbered(6, 1).0;
    let (first, rest) = capture.split_at(24 + 10);
    process.tell(first);
    // What is sent was read, and then there is no more until it is told here.
    for (number, piece) in numbers(6).into_iter().zip(rest.chunks(16 + 46)) {
        process.tell(piece);
        assert_eq!(target.take(1), [number]);
    }
    let outcome = process.finish();
    outcome.assert_status(0);
    assert_eq!(balanced(&outcome)["sent"], 6);
}

#[test]
fn a_signal_ends_it_with_its_account() {
    let scratch = Scratch::new();
    let target = Target::new("127.0.0.1");
    let file = scratch.file("slow.pcap", Pcap::numbered(3, 3_600_000).0);
    let ended = |process: Process| {
        process.signal("INT");
        process.finish()
    };
    let process = Place::Here.udp(&["replay", &file, &target.address(), "--json"]);
    assert_eq!(target.take(1), numbers(1));
    let outcome = ended(process);
    outcome.assert_status(130);
    let summary = balanced(&outcome);
    assert_eq!((&summary["sent"], &summary["capture"]["unsent"]), (&json!(1), &json!(2)));

    // Where there is no end, this is it; and so it is while answers are awaited.
    let fast = scratch.file("fast.pcap", Pcap::numbered(3, 1).0);
    for (more, status) in [(["--loop", "0"], 0), (["--wait", "1h"], 0), (["--loop", "1000000"], 130)] {
        let process = Place::Here.udp(&[&["replay", &fast, &target.address(), "--json"], &more[..]].concat());
        assert_eq!(target.take(3), numbers(3));
        let outcome = ended(process);
        outcome.assert_status(status);
        let more = usize::try_from(number(&balanced(&outcome)["sent"])).expect("it is small") - 3;
        target.take(more);
    }

    // Whoever writes to a pipe may never go on.
    let mut process = Place::Here.udp(&["replay", "-", &target.address(), "--json"]);
    process.tell(&Pcap::numbered(1, 1).0);
    assert_eq!(target.take(1), numbers(1));
    process.signal("TERM");
    process.until(|line| line.contains("summary"));
    process.finish().assert_status(0);
}

#[test]
fn a_refusal_is_told_once_and_a_failure() {
    let scratch = Scratch::new();
    let file = scratch.file("numbered.pcap", Pcap::numbered(20, 1).0);
    let address = Target::new("127.0.0.1").address();
    let outcome = replay(&file, &[&address]);
    outcome.assert_status(2);
    outcome.assert_told(&[
        &format!("udp: cannot reach {address}: port unreachable"),
        "20 sent (80 B), ",
        " refused, in ",
    ]);
    // However many are refused: the first has a line, and so have all others together.
    assert_eq!(outcome.stderr.matches("cannot reach").count(), 2, "{outcome:?}");
    assert!(
        outcome.stderr.lines().any(|line| line.starts_with("udp: cannot reach") && line.contains(" more ")),
        "{outcome:?}"
    );
}

#[test]
fn answers_are_counted_and_shown_with_verbose() {
    let scratch = Scratch::new();
    let file = scratch.file("numbered.pcap", Pcap::numbered(5, 1).0);
    let (_server, port) = common::serve_at("127.0.0.1", &["--echo", "--no-loop-guard"]);
    let to = format!("127.0.0.1:{port}");
    let mut process = Place::Here.udp(&["replay", &file, &to, "--wait", "1h", "-v", "--json"]);
    for _ in 0..5 {
        process.until(|line| line.contains(r#""type":"reply""#));
    }
    process.signal("INT");
    let outcome = process.finish();
    outcome.assert_status(0);
    assert_eq!(balanced(&outcome)["delivered"], 5);
    // Each came to the socket that had asked.
    let objects = outcome.objects();
    let local = &objects.iter().find(|object| object["type"] == "sender").expect("there is one")["local_port"];
    let mut replies = objects.iter().filter(|object| object["type"] == "reply");
    assert!(replies.all(|reply| reply["destination_port"] == *local && *local != 0), "{outcome:?}");
}

/// More than a process of these tests may have as memory.
const LONG: u32 = 1 << 28;

/// A capture with a block of pcapng that nobody knows, so long, between two datagrams: what stands before its bytes, and
/// behind them.
fn long() -> [Vec<u8>; 2] {
    let block = |kind: u32, body: &[u8]| {
        let len = u32::try_from(12 + body.len()).expect("it is short").to_le_bytes();
        [&kind.to_le_bytes()[..], &len, body, &len].concat()
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let packet = |payload: &[u8]| {
        let mut frame = frame(parse(SOURCE), parse(DESTINATION), payload);
        let len = u32::try_from(frame.len()).expect("it is short");
        frame.resize(frame.len().next_multiple_of(4), 0);
        block(6, &[words(&[0, 0, 0, len, len]), frame].concat())
    };
    let mut before = block(0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]));
    before.extend(block(1, &words(&[1, 0])));
    before.extend(packet(b"before"));
    before.extend(words(&[0x0bad, LONG + 12]));
    [before, [words(&[LONG + 12]), packet(b"after")].concat()]
}

/// The same, compressed by zstd to a few kilobytes.
fn bomb() -> Vec<u8> {
    let [before, after] = long();
    let block = |kind: u32, len: usize, last: bool| {
        let header = u32::from(last) | kind << 1 | u32::try_from(len).expect("it is short") << 3;
        header.to_le_bytes()[..3].to_vec()
    };
    let repeated = [&block(1, 1 << 17, false)[..], &[0]].concat().repeat(LONG as usize >> 17);
    let first = [&block(0, before.len(), false)[..], &before].concat();
    let last = [&block(0, after.len(), true)[..], &after].concat();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3], &first[..], &repeated, &last].concat()
}

/// `udp replay`, with little memory.
fn replay_in_little_memory(from: &str, to: &str) -> Process {
    let mut command = Place::Here.command("sh");
    // Address space, in KiB.
    let script = "ulimit -v 200000; exec \"$@\"";
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_udp"), "replay", from, to, "--json"]);
    Process::start(command)
}

#[test]
fn a_long_capture_takes_no_more_memory() {
    let scratch = Scratch::new();
    let [before, after] = long();
    let file = scratch.file("long.pcapng", &before);
    // A hole in the file.
    use std::io::{Seek, SeekFrom, Write};
    let mut opened = std::fs::OpenOptions::new().write(true).open(&file).expect("it was made");
    let end = before.len() as u64 + u64::from(LONG);
    opened.seek(SeekFrom::Start(end)).and_then(|_| opened.write_all(&after)).expect("a file may have a hole");

    let target = Target::new("127.0.0.1");
    let outcome = replay_in_little_memory(&file, &target.address()).finish();
    outcome.assert_status(0);
    assert_eq!(balanced(&outcome)["sent"], 2);
    assert_eq!(target.take(2), [&b"before"[..], b"after"]);
}

#[test]
fn a_compressed_capture_is_replayed_from_a_file_and_a_pipe_and_a_bomb_costs_no_memory() {
    let scratch = Scratch::new();
    let target = Target::new("127.0.0.1");
    let to = target.address();
    let mut packed = vec![("bomb", bomb(), vec![b"before".to_vec(), b"after".to_vec()])];
    let plain = scratch.file("plain.pcap", Pcap::numbered(6, 1).0);
    for (program, command) in [("gzip", "gzip -c"), ("zstd", "zstd -qc")] {
        if require(program) {
            let output = Place::Here.command("sh").args(["-c", &format!("{command} \"$0\""), &plain]).output();
            packed.push((program, output.expect("it is installed").stdout, numbers(6)));
        }
    }
    for (name, bytes, expected) in packed {
        let file = scratch.file(name, &bytes);
        for from in [&file, "-"] {
            let mut process = replay_in_little_memory(from, &to);
            process.tell_all(&bytes);
            let outcome = process.finish();
            outcome.assert_status(0);
            assert_eq!(number(&balanced(&outcome)["sent"]), expected.len() as u64, "{name} {from}");
            assert_eq!(target.take(expected.len()), expected, "{name} {from}");
        }
    }
    // Half of a compressed one is a half, and the cut is told.
    let Some(half) = require("gzip").then(|| scratch.file("half", "")) else { return };
    Place::Here.shell(&format!("gzip -c '{plain}' | head -c 60 > '{half}'"));
    let outcome = replay(&half, &[&to]);
    outcome.assert_status(2);
    outcome.assert_told(&["it is cut off in the block or packet that begins at byte "]);
}

/// Sends from two ports, and what comes in fragments. Arguments: destination, its port.
const SENDER: &str = "
to = (sys.argv[1], int(sys.argv[2]))
one, other = socket(AF_INET, SOCK_DGRAM), socket(AF_INET, SOCK_DGRAM)
one.bind(('127.0.0.1', 5001))
other.bind(('127.0.0.1', 5002))
for number, length in enumerate([0, 1, 32, 1472, 5000]):
    (one, other)[number % 2].sendto(bytes([number]) * length, to)
";

/// Says source port, length and first byte of each datagram. Arguments: port, how many.
const RECORDER: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('127.0.0.1', int(sys.argv[1])))
say('ready')
for _ in range(int(sys.argv[2])):
    payload, source = s.recvfrom(70000)
    same = len(set(payload)) < 2
    say(source[1], len(payload), payload[0] if payload else '-', same)
";
/// What it says of what the other sends.
const RECORDED: [&str; 5] =
    ["5001 0 - True", "5002 1 1 True", "5001 32 2 True", "5002 1472 3 True", "5001 5000 4 True"];

#[test]
fn what_tcpdump_and_dumpcap_captured_is_sent_again_from_the_same_ports() {
    if !["python3", "tcpdump", "dumpcap", "editcap"].into_iter().all(require) {
        return;
    }
    let Some(lan) = Lan::hosts(1) else { return };
    let host = Place::On(&lan, "h1");
    host.shell("ip link set lo mtu 1500");
    let scratch = Scratch::new();
    // The last comes in four fragments.
    let programs = [
        ("dumpcap", "dumpcap -q -i lo -f ip -c 8 -w -"),
        ("dumpcap any", "dumpcap -q -P -i any -f ip -c 8 -w -"),
        ("tcpdump", "tcpdump -n -U -Z root --immediate-mode -i lo -c 8 -w - ip"),
        ("tcpdump nano", "tcpdump -n -U -Z root --immediate-mode --time-stamp-precision nano -i lo -c 8 -w - ip"),
    ];
    // tcpdump gives rights up at its start, which is forbidden where an ordinary user is root of nothing but a namespace.
    let may_give_up = host.shell("cat /proc/self/setgroups").trim_end() == "allow";
    for (name, program) in programs {
        if name.starts_with("tcpdump") && !may_give_up {
            println!("skipped: {name}: needs to be started by root");
            continue;
        }
        let file = scratch.file(name, "");
        let mut command = host.command("sh");
        command.args(["-c", &format!("exec {program} > \"$0\""), &file]);
        let mut recorder = host.python_ready(RECORDER, &["9000", "5"]);
        let mut capturing = Process::start(command);
        capturing.until_told(if program.starts_with("tcpdump") { "listening on" } else { "File: " });
        host.python_says(SENDER, &["127.0.0.1", "9000"]);
        RECORDED.iter().for_each(|line| assert_eq!(recorder.stdout_line(), *line, "{name}"));
        capturing.finish().assert_status(0);
        for format in ["pcapng", "pcap", "nsecpcap"] {
            let converted = scratch.file(&format!("{name} as {format}"), "");
            host.shell(&format!("editcap -F {format} '{file}' '{converted}'"));
            let mut recorder = host.python_ready(RECORDER, &["9000", "5"]);
            let outcome = host.run(&["replay", &converted, "127.0.0.1", "--json"]);
            outcome.assert_status(0);
            RECORDED.iter().for_each(|line| assert_eq!(recorder.stdout_line(), *line, "{name} {format}"));
            let summary = balanced(&outcome);
            assert_eq!((&summary["sent"], &summary["capture"]["fragments_joined"]), (&json!(5), &json!(3)));
            let senders: Vec<_> = outcome.objects().into_iter().filter(|it| it["type"] == "sender").collect();
            let expected = [5001, 5002].map(|port| {
                json!({"v": 1, "type": "sender", "source": format!("127.0.0.1:{port}"), "source_address": "127.0.0.1",
                    "source_port": port, "local": format!("0.0.0.0:{port}"), "local_address": "0.0.0.0",
                    "local_port": port})
            });
            assert_eq!(senders.iter().map(timeless).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn what_is_being_captured_is_sent_again_meanwhile() {
    if !["python3", "dumpcap"].into_iter().all(require) {
        return;
    }
    let Some(lan) = Lan::hosts(1) else { return };
    let host = Place::On(&lan, "h1");
    let mut target = host.python_ready(RECORDER, &["9001", "5"]);
    let _taken = host.python_ready(RECORDER, &["9000", "5"]);
    let mut command = host.command("sh");
    let script = "dumpcap -q -i lo -f 'udp dst port 9000' -c 5 -w - | \"$0\" replay - 127.0.0.1:9001 --json";
    command.args(["-c", script, env!("CARGO_BIN_EXE_udp")]);
    let mut replaying = Process::start(command);
    replaying.until_told("File: ");
    host.python_says(SENDER, &["127.0.0.1", "9000"]);
    for line in RECORDED {
        let (_, payload) = line.split_once(' ').expect("a port");
        assert!(target.stdout_line().ends_with(payload), "{line}");
    }
    let outcome = replaying.finish();
    assert_eq!(balanced(&outcome)["sent"], 5);
}

#[test]
fn a_source_whose_port_cannot_be_had_sends_from_another_and_that_is_told() {
    if !require("python3") {
        return;
    }
    let Some(lan) = Lan::hosts(1) else { return };
    let host = Place::On(&lan, "h1");
    let scratch = Scratch::new();
    let (one, other) = ("192.0.2.1:5001", "192.0.2.9:53");
    let pcap = Pcap::new().datagram(0, one, DESTINATION, b"1").datagram(1, other, DESTINATION, b"2");
    let file = scratch.file("sources.pcap", pcap.0);
    let _holds = host.python_ready(RECORDER, &["5001", "1"]);
    let (mut listener, _) = host.waiting(&["listen", "127.0.0.1:9000", "--json", "--count", "2"]);
    // In a user namespace that was not there when the network was made, nobody may have port 53.
    let mut command = host.command("unshare");
    command.args(["--user", env!("CARGO_BIN_EXE_udp"), "replay", &file, "127.0.0.1"]);
    let outcome = Process::start(command).finish();
    outcome.assert_status(0);
    let ports = [(); 2].map(|()| {
        let line = listener.stdout_line();
        let received: Value = serde_json::from_str(&line).expect("JSON Lines");
        parse(received["source"].as_str().expect("a string")).port()
    });
    outcome.assert_told(&[
        &format!("{one} sends from port {}, not 5001: address already in use\n", ports[0]),
        &format!("{other} sends from port {}, not 53: permission denied\n", ports[1]),
    ]);

    // A port that is asked for is one for all, or an error.
    let taken = host.run(&["replay", &file, "127.0.0.1", "--local", "127.0.0.1:5001"]);
    taken.assert_status(2);
    taken.assert_told(&["cannot bind 127.0.0.1:5001: address already in use"]);
}

#[test]
fn as_recorded_each_goes_to_the_host_broadcast_address_or_group_that_it_went_to() {
    if !require("python3") {
        return;
    }
    let Some(lan) = Lan::hosts(2) else { return };
    let (host, other) = (Place::On(&lan, "h1"), Place::On(&lan, "h2"));
    let scratch = Scratch::new();
    let group6 = "[ff02::4242]:5003";
    let pcap = Pcap::new()
        .datagram(0, SOURCE, "10.1.0.2:5000", b"host")
        .datagram(1, OTHER_SOURCE, "239.1.2.3:5001", b"group")
        .datagram(2, SOURCE, "10.1.0.255:5002", b"broadcast")
        .datagram(3, "[fe80::1]:0", group6, b"link-local")
        .datagram(4, SOURCE, "0.0.0.0:5000", b"nowhere")
        .datagram(5, SOURCE, "10.1.0.2:0", b"port zero");
    let file = scratch.file("site.pcap", pcap.0);
    let heard = [":5000", "239.1.2.3:5001", ":5002", "[ff02::4242%eth0]:5003"]
        .map(|place| other.waiting(&["listen", place, "-i", "eth0", "--json", "--count", "1"]).0);
    let outcome = host.run(&["replay", &file, "--as-recorded", "-i", "eth0", "--json"]);
    outcome.assert_status(0);
    for (mut listener, payload) in heard.into_iter().zip(["host", "group", "broadcast", "link-local"]) {
        let line = listener.stdout_line();
        let received: Value = serde_json::from_str(&line).expect("JSON Lines");
        assert_eq!(received["text"], payload);
        listener.finish().assert_status(0);
    }
    let summary = balanced(&outcome);
    assert_eq!(
        (&summary["sent"], &summary["capture"]["left_out"]),
        (&json!(4), &json!({"no_destination": 1, "port_zero": 1}))
    );

    // Without an interface, and of one family alone.
    let outcome = host.run(&["replay", &file, "--as-recorded", "--dry-run", "--json"]);
    let left_out = &balanced(&outcome)["capture"]["left_out"];
    assert_eq!(left_out, &json!({"no_destination": 1, "no_interface": 1, "port_zero": 1}));
    for family in ["-4", "-6"] {
        let outcome = host.run(&["replay", &file, "--as-recorded", "-i", "eth0", "--dry-run", "--json", family]);
        let planned = outcome.objects().into_iter().filter(|object| object["type"] == "planned").count();
        assert_eq!(planned, if family == "-4" { 3 } else { 1 });
        balanced(&outcome);
    }
    // A pipe, whose sources are not known, sends both families, too.
    let mut process = host.udp(&["replay", "-", "--as-recorded", "-i", "eth0", "--json"]);
    process.tell_all(&std::fs::read(&file).expect("it was written"));
    assert_eq!(balanced(&process.finish())["sent"], 4);
}

#[test]
fn the_source_is_preserved_where_that_is_permitted_and_said_to_be_impossible_where_not() {
    if !require("python3") {
        return;
    }
    let Some(lan) = Lan::new(common::netns::TWO_HOSTS) else { return };
    let (here, other) = (Place::Bridge(&lan), Place::On(&lan, "h2"));
    other.shell("for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $file; done");
    let scratch = Scratch::new();
    let sources = ["192.0.2.77:4000", "[2001:db8::77]:4000"];
    let [to, to6] = ["10.1.0.2:5000", "[fd01::2]:5000"];
    let pcap = Pcap::new()
        .datagram(0, sources[0], to, b"4")
        .datagram(1, "192.0.2.78:53", to, b"4")
        .datagram(2, "0.0.0.0:68", to, b"nobody")
        .datagram(3, sources[1], to6, b"6");
    let file = scratch.file("sources.pcap", pcap.0);
    for interface in [&[][..], &["-i", "eth0"]] {
        let (mut listener, _) = other.waiting(&["listen", "5000", "--json", "--count", "3"]);
        let arguments = [&["replay", &file, "--as-recorded", "--preserve-source", "--json"], interface].concat();
        let outcome = here.run(&arguments);
        outcome.assert_status(0);
        for source in [sources[0], "192.0.2.78:53", sources[1]] {
            let received: Value = serde_json::from_str(&listener.stdout_line()).expect("JSON Lines");
            assert_eq!(received["source"], source, "{interface:?}");
        }
        let summary = balanced(&outcome);
        assert_eq!(summary["capture"]["left_out"], json!({"no_source": 1}));
    }
    let outcome = here.run(&["replay", &file, to, "--preserve-source"]);
    outcome.assert_told(&[
        "answers go to the sources of the capture, not to here",
        "rp_filter",
        "1 not sent: of an address family that is not sent",
    ]);

    // In a user namespace that was not there when the network was made, nobody may.
    let mut command = here.command("unshare");
    command.args(["--user", env!("CARGO_BIN_EXE_udp"), "replay", &file, to, "--preserve-source"]);
    let outcome = Process::start(command).finish();
    outcome.assert_status(2);
    outcome.assert_told(&[
        "cannot send from addresses that are not this host's: permission denied",
        "--preserve-source needs CAP_NET_ADMIN",
    ]);
    let mut process = here.udp(&["replay", "-", to, "--preserve-source"]);
    process.tell_all(b"");
    process.finish().assert_told(&["its sources are not known before it is sent"]);
}

#[test]
fn a_target_where_nobody_listens_or_that_is_not_there_is_reported() {
    let Some(lan) = Lan::hosts(2) else { return };
    let host = Place::On(&lan, "h1");
    let scratch = Scratch::new();
    let file = scratch.file("numbered.pcap", Pcap::numbered(3, 1).0);
    for (target, cause) in [("10.1.0.2:9", "port unreachable"), ("10.1.0.77:9", "host unreachable")] {
        let outcome = host.run(&["replay", &file, target]);
        outcome.assert_status(2);
        outcome.assert_told(&[cause, "refused"]);
        let outcome = host.run(&["replay", &file, target, "--json"]);
        assert!(number(&outcome.summary()["unreachable"]) > 0, "{outcome:?}");
    }
}

#[test]
fn what_stands_where_the_address_belongs_has_a_hint() {
    let scratch = Scratch::new();
    let file = scratch.file("a.pcap", Pcap::numbered(2, 1).0);
    let host = "127.0.0.1";
    let cases: [(&[&str], &str); 5] = [
        (&[host, &file], &format!("hint: udp replay {file} {host}\n")),
        (&[&file], &format!("hint: udp replay {file} HOST; or --as-recorded")),
        (&[&file, host, "5000"], &format!("hint: udp replay {file} {host}:5000\n")),
        (&[host], "there is no capture"),
        (&["--as-recorded", host], "cannot read '127.0.0.1': no such file"),
    ];
    for (arguments, words) in cases {
        let outcome = Place::Here.run(&[&["replay"], arguments].concat());
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}

#[test]
fn what_has_no_time_at_the_beginning_is_sent_with_the_first_that_has_one() {
    let scratch = Scratch::new();
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut frame = frame(parse(SOURCE), parse(DESTINATION), b"no time");
    let length = u32::try_from(frame.len()).expect("it is short");
    frame.resize(frame.len().next_multiple_of(4), 0);
    let total = u32::try_from(frame.len() + 16).expect("it is short");
    let section = words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, 0, 20]);
    // Simple packet blocks have none.
    let simple = [words(&[3, total, length]), frame, words(&[total])].concat();
    let timeless = scratch.file("timeless.pcapng", [section, simple.repeat(2)].concat());
    let timed = scratch.file("timed.pcap", Pcap::numbered(2, 7).0);
    let outcome = Place::Here.run(&["replay", &timed, &timeless, "127.0.0.1:9", "--dry-run", "--json"]);
    let planned: Vec<_> = outcome.objects().into_iter().filter(|object| object["type"] == "planned").collect();
    let times: Vec<_> = planned.iter().map(|planned| number(&planned["at_ns"])).collect();
    assert_eq!(times, [0, 0, 0, 7_000_000]);
    assert_eq!(balanced(&outcome)["capture"]["without_time"], 2);
}

#[test]
fn several_captures_are_sent_in_the_order_of_their_times() {
    let scratch = Scratch::new();
    let at = |times: &[u64], name: &str| {
        let add = |pcap: Pcap, at: &u64| pcap.datagram(*at, SOURCE, DESTINATION, format!("{name}{at}").as_bytes());
        scratch.file(&format!("{name}.pcap"), times.iter().fold(Pcap::new(), add).0)
    };
    // The second is out of order in itself; the third begins before the others.
    let [a, b, c] = [at(&[1000, 2000, 5000], "a"), at(&[2000, 1500, 4000], "b"), at(&[0, 5000, 6000], "c")];
    let files = [a.as_str(), &b, &c];
    let target = Target::new("127.0.0.1");
    let outcome = Place::Here.run(&[&["replay"][..], &files, &[&target.address(), "--json"]].concat());
    outcome.assert_status(0);
    let expected = ["c0", "a1000", "a2000", "b2000", "b1500", "b4000", "a5000", "c5000", "c6000"];
    assert_eq!(target.take(9), expected.map(|payload| payload.as_bytes().to_vec()));
    let summary = balanced(&outcome);
    assert_eq!((&summary["capture"]["packets"], &summary["clocks"]), (&json!(9), &json!(1)));

    let outcome =
        Place::Here.run(&[&["replay"][..], &files, &["127.0.0.1:9", "--dry-run", "--loop", "2", "--json"]].concat());
    let planned: Vec<_> = outcome.objects().into_iter().filter(|object| object["type"] == "planned").collect();
    assert_eq!(planned.len(), 18);
    let fourth = (&planned[3]["file"], &planned[3]["packet"], &planned[3]["at_ns"]);
    assert_eq!(fourth, (&json!(b), &json!(1), &json!(2_000_000)));
    balanced(&outcome);
    let outcome = Place::Here.run(&[&["replay"][..], &files, &["127.0.0.1:9", "--dry-run"]].concat());
    let line = format!("+0.001000000  #1 of {a}  192.0.2.1:0 -> {DESTINATION}  to 127.0.0.1:9  5 B");
    assert_eq!(outcome.lines()[1], line);

    // What cannot be read of one keeps nothing of the others back, and names it.
    let whole = std::fs::read(&b).expect("it was written");
    let cut = scratch.file("cut.pcap", &whole[..whole.len() - 1]);
    let outcome = Place::Here.run(&["replay", &a, &cut, &target.address()]);
    outcome.assert_status(2);
    outcome.assert_told(&["5 sent", &format!("cannot read '{cut}': it is cut off")]);
    let expected = ["a1000", "a2000", "b2000", "b1500", "a5000"];
    assert_eq!(target.take(5), expected.map(|payload| payload.as_bytes().to_vec()));
    target.assert_empty();

    let text = scratch.file("text", "#!/bin/sh\n");
    for (other, words) in [
        (text.as_str(), format!("cannot read '{text}': it is neither pcap nor pcapng")),
        ("-", "standard input is no file: several captures are read side by side".to_owned()),
        ("/nowhere/at/all", "cannot read '/nowhere/at/all': no such file or directory\n".to_owned()),
    ] {
        let outcome = Place::Here.run(&["replay", &a, other, "127.0.0.1:9"]);
        outcome.assert_status(2);
        outcome.assert_told(&[&words]);
    }
    let nothing = scratch.file("nothing.pcap", Pcap::new().0);
    Place::Here
        .run(&["replay", &nothing, &nothing, "127.0.0.1:9"])
        .assert_told(&[&format!("nothing to send: '{nothing}' and 1 more has 0 packets")]);
}

#[test]
fn as_many_descriptors_are_had_as_there_are_sources() {
    let scratch = Scratch::new();
    let source = |number: u64| format!("192.0.2.{}:0", number + 1);
    let pcap = (0..100).fold(Pcap::new(), |pcap, number| pcap.datagram(number, &source(number), DESTINATION, b"x"));
    let file = scratch.file("sources.pcap", pcap.0);
    let target = Target::new("127.0.0.1");
    let mut command = Place::Here.command("sh");
    command.args([
        "-c",
        "ulimit -Sn 64; exec \"$0\" replay \"$@\"",
        env!("CARGO_BIN_EXE_udp"),
        &file,
        &target.address(),
    ]);
    Process::start(command).finish().assert_status(0);
    assert_eq!(target.take(100).len(), 100);
}
