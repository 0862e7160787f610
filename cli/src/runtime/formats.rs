//! Tests of what every format makes of datagrams; `SNAPSHOTS=overwrite cargo test` writes the snapshot anew.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::Value;
use snapbox::{Data, assert_data_eq};
use udpkit::event::{InterfacesChanged, Received};
use udpkit::{Datagram, Delivery, Event, Interface, InterfaceIndex, Interfaces, Meta, Sink, SocketId, Train};

use super::*;
use crate::output::{Printer, words_of};
use crate::words::format::Delimiter;

/// A datagram that was received.
#[derive(Clone, Debug)]
struct Sample {
    meta: Meta,
    payload: Vec<u8>,
    wire_len: usize,
}

/// One with everything that can be known, at so many nanoseconds after a fixed time.
fn sample(nanoseconds: u64, payload: &[u8]) -> Sample {
    let mut meta = Meta::new("192.0.2.1:40000".parse().unwrap());
    meta.destination = Some("192.0.2.9".parse().unwrap());
    meta.interface = InterfaceIndex::new(2);
    meta.delivery = Delivery::Unicast;
    meta.received = Some(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5) + Duration::from_nanos(nanoseconds));
    meta.hop_limit = Some(64);
    meta.traffic_class = Some(186);
    Sample { meta, payload: payload.to_vec(), wire_len: payload.len() }
}

/// Datagrams of every kind. Their times go back once.
fn samples() -> Vec<Sample> {
    // Without line ends, so that raw output has few lines.
    let longest: Vec<u8> = (11..=255).cycle().take(65_507).collect();
    let payloads: [&[u8]; 8] = [
        b"Hello World",
        b"",
        b"\x00\x01\x02\xfd\xfe\xff",
        b"\x1b]0;title\x07\x1b[2J\r\n\t\x7f",
        "\u{9b}31m C1, \u{202e}bidi\u{2066}, zero\u{200b}width".as_bytes(),
        b"half a letter \xc3, C:\\dir",
        "Grüße, мир, 你好 👋".as_bytes(),
        &longest,
    ];
    let mut samples: Vec<_> = payloads.into_iter().map(|payload| sample(0, payload)).collect();
    for (number, sample) in (0..).zip(&mut samples) {
        sample.meta.received = sample.meta.received.map(|time| time + Duration::from_millis(400 * number));
    }
    let mut truncated = sample(2_799_999_999, b"only the fir");
    truncated.wire_len = 70_000;
    let mut broadcast = sample(3_000_000_000, b"to all");
    broadcast.meta.delivery = Delivery::Broadcast;
    broadcast.meta.destination = Some("192.0.2.255".parse().unwrap());
    let mut multicast = sample(60_000_000_000, b"to a group");
    multicast.meta.delivery = Delivery::Multicast;
    multicast.meta.source = "[fe80::1%2]:40000".parse().unwrap();
    multicast.meta.destination = Some("ff02::fb".parse().unwrap());
    let mut unknown = sample(0, b"nothing known");
    unknown.meta = Meta::new("[2001:db8::1]:9".parse().unwrap());
    samples.extend([truncated, broadcast, multicast, unknown]);
    samples
}

fn interfaces(name: &str) -> Interfaces {
    let interface =
        Interface::new(name).index(InterfaceIndex::new(2)).up(true).running(true).broadcast(true).multicast(true);
    Interfaces::from_iter([interface])
}

fn printer(args: &PrintArgs, format: Format, color: bool) -> Printer<Vec<u8>, Vec<u8>> {
    let printing = printing(args, format).unwrap();
    let now = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let settings = Settings { printing, color, ports: vec![10_000, 10_001], now, ..Settings::plain(format) };
    let mut printer = Printer::new(settings, Vec::new(), Vec::new(), TimeZone::fixed(jiff::tz::offset(7)));
    printer.set_interfaces(&interfaces("eth0"));
    printer
}

fn print(printer: &mut Printer<Vec<u8>, Vec<u8>>, via: SocketId, sample: &Sample) {
    let Sample { meta, payload, wire_len } = sample;
    let train = Train::one(&Datagram::new(payload, meta).wire_len(*wire_len));
    let event = Event::Received(Received::new(via, train));
    assert!(printer.event(event).is_continue());
}

fn printed(args: &PrintArgs, format: Format, color: bool, samples: &[Sample]) -> Vec<u8> {
    let mut printer = printer(args, format, color);
    samples.iter().for_each(|sample| print(&mut printer, SocketId::first(0), sample));
    printer.into_out()
}

/// Lines and their number that a snapshot shows whole, and what it shows of more.
const WHOLE_LINE: usize = 400;
const WHOLE_LINES: usize = 40;
const ENDS: usize = 4;

/// Printable, long lines and what is in many lines cut short: that they are whole is another test's.
fn shortened(output: &[u8], format: Format) -> String {
    let mut text = String::new();
    let lines: Vec<_> = output.split_inclusive(|byte| *byte == b'\n').collect();
    for (number, line) in lines.iter().enumerate() {
        let from_end = lines.len() - number;
        if lines.len() > WHOLE_LINES && number == WHOLE_LINES - ENDS {
            let _ = writeln!(text, "... {} lines ...", from_end - ENDS);
        }
        if number >= WHOLE_LINES - ENDS && from_end > ENDS && lines.len() > WHOLE_LINES {
            continue;
        }
        let line = match format {
            Format::Raw => line.escape_ascii().to_string(),
            Format::Text | Format::Hex | Format::Json => {
                std::str::from_utf8(line).unwrap().trim_end_matches('\n').replace('\x1b', "ESC")
            }
        };
        if line.len() <= WHOLE_LINE {
            let _ = writeln!(text, "{line}");
        } else {
            let _ = writeln!(text, "{} ... {} in all ... {}", &line[..100], line.len(), &line[line.len() - 20..]);
        }
    }
    text
}

#[test]
fn every_format_is_what_it_was() {
    use Field::{Delivery, Destination, Dscp, Interface, Length, Payload, Source, Time, Tos, Ttl};
    let fields = |fields: &[Field]| PrintArgs { fields: fields.to_vec(), ..PrintArgs::default() };
    let cases = [
        ("text", Format::Text, PrintArgs::default(), false),
        ("text --color always", Format::Text, PrintArgs::default(), true),
        ("text --utc", Format::Text, PrintArgs { utc: true, ..PrintArgs::default() }, false),
        ("text --relative", Format::Text, PrintArgs { relative: true, ..PrintArgs::default() }, false),
        ("text --delta", Format::Text, PrintArgs { delta: true, ..PrintArgs::default() }, false),
        (
            "text --fields all",
            Format::Text,
            fields(&[Payload, Dscp, Tos, Ttl, Length, Interface, Delivery, Destination, Source, Time]),
            false,
        ),
        ("text --fields source,destination", Format::Text, fields(&[Source, Destination]), false),
        ("text --fields payload", Format::Text, fields(&[Payload]), false),
        ("hex", Format::Hex, PrintArgs::default(), false),
        ("hex --fields ttl,payload", Format::Hex, fields(&[Ttl, Payload]), false),
        ("hex --fields time", Format::Hex, fields(&[Time]), false),
        ("hex --fields payload", Format::Hex, fields(&[Payload]), false),
        ("json", Format::Json, PrintArgs::default(), false),
        ("json --fields time,dscp,length", Format::Json, fields(&[Time, Dscp, Length]), false),
        ("json --fields payload", Format::Json, fields(&[Payload]), false),
        ("json --fields delivery", Format::Json, fields(&[Delivery]), false),
        ("raw", Format::Raw, PrintArgs::default(), false),
        (
            "raw --delimiter '\\x1e\\n'",
            Format::Raw,
            PrintArgs { delimiter: Some(Delimiter(b"\x1e\n".to_vec())), ..PrintArgs::default() },
            false,
        ),
    ];
    let mut all = String::new();
    for (name, format, args, color) in cases {
        let _ = writeln!(all, "== {name}\n{}", shortened(&printed(&args, format, color, &samples()), format));
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/formats.txt");
    assert_data_eq!(all, Data::read_from(&path, None).raw());
}

#[test]
fn each_delivery_has_its_colour() {
    let deliveries = [
        (Delivery::Unicast, "unicast"),
        (Delivery::Broadcast, "\x1b[33mbroadcast\x1b[0m"),
        (Delivery::Multicast, "\x1b[35mmulticast\x1b[0m"),
    ];
    for (delivery, shown) in deliveries {
        let mut sample = sample(0, b"hi");
        sample.meta.delivery = delivery;
        let expected = format!(
            "\x1b[2m05:13:20.000000005\x1b[0m  \x1b[36m192.0.2.1:40000\x1b[0m -> 192.0.2.9:10000  {shown}@eth0  2 B  hi\n"
        );
        let args = PrintArgs::default();
        assert_eq!(String::from_utf8(printed(&args, Format::Text, true, &[sample.clone()])).unwrap(), expected);
        let plain = String::from_utf8(printed(&args, Format::Text, false, &[sample])).unwrap();
        assert!(!plain.contains('\x1b'), "{plain}");
    }
}

#[test]
fn a_renamed_interface_has_its_new_name_at_once() {
    let mut printer = printer(&PrintArgs::default(), Format::Text, false);
    print(&mut printer, SocketId::first(0), &sample(0, b"hi"));
    let renamed = interfaces("lan\x1b0");
    assert!(printer.event(Event::Interfaces(InterfacesChanged::new(&renamed))).is_continue());
    print(&mut printer, SocketId::first(0), &sample(0, b"hi"));
    let lines = String::from_utf8(printer.into_out()).unwrap();
    assert!(lines.contains("unicast@eth0  2 B") && lines.contains("unicast@lan\\x1b0  2 B"), "{lines}");
}

#[test]
fn flags_that_a_format_has_no_use_for_are_mistakes() {
    let with = |change: fn(&mut PrintArgs)| {
        let mut args = PrintArgs::default();
        change(&mut args);
        args
    };
    let relative = with(|args| args.relative = true);
    let delimited = with(|args| args.delimiter = Some(Delimiter(b"\n".to_vec())));
    let length = with(|args| args.fields = vec![Field::Length]);
    let twice = with(|args| args.fields = vec![Field::Ttl, Field::Length, Field::Ttl]);
    let timeless = with(|args| (args.utc, args.fields) = (true, vec![Field::Length]));
    let cases = [
        (&relative, Format::Json, "--relative is for lines; JSON has times in UTC (RFC 3339), always"),
        (&relative, Format::Raw, "--relative is for lines; raw output is the payloads alone"),
        (&delimited, Format::Text, "--delimiter parts raw payloads; lines end by themselves"),
        (&length, Format::Raw, "--fields chooses from what lines and objects have; raw output is the payloads alone"),
        (&twice, Format::Json, "--fields names 'ttl' twice"),
        (&timeless, Format::Hex, "--utc says how times are told, and --fields leaves them out"),
    ];
    for (args, format, expected) in cases {
        assert_eq!(words_of(&printing(args, format).unwrap_err()), expected);
    }
}

/// What a line's payload was.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (kind, after) = escape.split_at(1);
        let number = |digits: &str| u32::from_str_radix(digits, 16).unwrap();
        rest = match kind {
            "x" => {
                bytes.push(u8::try_from(number(&after[..2])).unwrap());
                &after[2..]
            }
            "u" => {
                let (digits, after) = after[1..].split_once('}').unwrap();
                bytes.extend_from_slice(char::from_u32(number(digits)).unwrap().to_string().as_bytes());
                after
            }
            _ => {
                let known = [("n", b'\n'), ("r", b'\r'), ("t", b'\t'), ("\\", b'\\')];
                bytes.push(known.into_iter().find(|(letter, _)| *letter == kind).unwrap().1);
                after
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// What the rows of a payload were.
fn from_rows(rows: &str) -> Vec<u8> {
    let bytes = |row: &str| crate::words::bytes::hex(&row[10..59]).unwrap();
    rows.lines().flat_map(bytes).collect()
}

/// Asserts that every format holds the payload, whole and harmless.
fn assert_faithful(payload: &[u8]) {
    let sample = [sample(0, payload)];
    let args = PrintArgs::default();
    let print = |format| printed(&args, format, false, &sample);
    assert_eq!(print(Format::Raw), payload);
    let [text, json, hex] =
        [Format::Text, Format::Json, Format::Hex].map(|format| String::from_utf8(print(format)).unwrap());
    for line in [&text, &json] {
        let line = line.strip_suffix('\n').unwrap();
        let harmful = |letter: char| {
            letter.is_control()
                || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!line.contains(harmful), "{line}");
    }
    let head = format!("05:13:20.000000005  192.0.2.1:40000 -> 192.0.2.9:10000  unicast@eth0  {} B", payload.len());
    let shown = text.trim_end_matches('\n').strip_prefix(&head).unwrap();
    assert_eq!(shown.is_empty(), payload.is_empty());
    assert_eq!(unescaped(shown.strip_prefix("  ").unwrap_or("")), payload);
    let (first, rows) = hex.split_once('\n').unwrap();
    assert_eq!((first, from_rows(rows).as_slice()), (head.as_str(), payload));
    let object: Value = serde_json::from_str(&json).unwrap();
    let read = match (object.get("text"), object.get("base64")) {
        (Some(text), None) => text.as_str().unwrap().as_bytes().to_vec(),
        (None, Some(base64)) => STANDARD.decode(base64.as_str().unwrap()).unwrap(),
        _ => panic!("one of text and base64: {json}"),
    };
    assert_eq!((read.as_slice(), &object["length"]), (payload, &payload.len().into()));
}

#[test]
fn the_longest_payload_is_whole_in_every_format() {
    for payload in [&samples()[7].payload, &vec![b'x'; 65_507], &"я".repeat(32_753).into_bytes()] {
        assert_faithful(payload);
    }
}

/// Bytes, text, and text with what is dangerous in it.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let hostile =
        prop::sample::select(vec!['\x1b', '\u{9b}', '\u{202e}', '\u{2028}', '\u{200b}', '\\', '"', '\n', '\u{e0041}']);
    let mixed = prop::collection::vec(prop_oneof![hostile, any::<char>(), prop::char::range(' ', '~')], 0..200);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[ -~]{0,100}".prop_map(String::into_bytes),
        mixed.prop_map(|letters| letters.into_iter().collect::<String>().into_bytes()),
    ]
}

/// Datagrams of few peers, alike in most: some are what a kept head serves, and some are not.
fn any_sample() -> impl Strategy<Value = (usize, Sample)> {
    let time = prop::option::of(0u64..3_000_000_000);
    let peer =
        prop::sample::select(vec!["192.0.2.1:40000", "192.0.2.1:40001", "[fe80::1%2]:40000", "[::ffff:1.2.3.4]:9"]);
    let delivery = prop::sample::select(vec![Delivery::Unicast, Delivery::Broadcast, Delivery::Unknown]);
    (0..3usize, time, peer, delivery, prop::option::of(1..4u32), 0..3usize, 0..2usize).prop_map(
        |(via, time, peer, delivery, interface, payload_len, cut)| {
            let mut sample = sample(time.unwrap_or(0), &b"abc"[..payload_len]);
            sample.wire_len += cut;
            sample.meta.received = sample.meta.received.filter(|_| time.is_some());
            sample.meta.source = peer.parse::<SocketAddr>().unwrap();
            sample.meta.delivery = delivery;
            sample.meta.interface = interface.and_then(InterfaceIndex::new);
            (via, sample)
        },
    )
}

proptest! {
    #[test]
    fn whatever_comes_is_printed_whole_on_a_line_and_harmless(payload in payloads()) {
        assert_faithful(&payload);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_kept_head_is_the_one_that_would_be_made_anew(datagrams in prop::collection::vec(any_sample(), 1..60), utc: bool) {
        for format in [Format::Text, Format::Hex, Format::Json] {
            let args = PrintArgs { utc: utc && format != Format::Json, ..PrintArgs::default() };
            let mut keeping = printer(&args, format, true);
            let mut anew = Vec::new();
            for (via, sample) in &datagrams {
                print(&mut keeping, SocketId::first(*via), sample);
                let mut fresh = printer(&args, format, true);
                print(&mut fresh, SocketId::first(*via), sample);
                anew.extend(fresh.into_out());
            }
            prop_assert_eq!(String::from_utf8(keeping.into_out()).unwrap(), String::from_utf8(anew).unwrap());
        }
    }
}
