//! JSON Lines: an object for each event, specified in `docs/json.md`; `"v"` is the version of that page.
//!
//! Each object has a time, in UTC (RFC 3339, nanoseconds). Units are in the keys, payloads are `text` where they are UTF-8,
//! else `base64`; an address stands whole, and apart as address and port. Keys may be added within a version; none is
//! changed or removed.

use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use udpkit::event::OneOf;
use udpkit::{Datagram, ReplyTo};

use super::columns::Columns;
use super::escape;
use super::role::Role;
use super::wording::{Shown, delivery_name};
use crate::words::endpoint::Endpoint;
use crate::words::format::Field;

/// The version of the format.
const VERSION: u32 = 1;
/// The `type` of a datagram that was listened for.
const RECEIVED: &str = "received";

/// A datagram that was answered.
#[derive(Serialize)]
struct AnsweredObject<'a> {
    #[serde(flatten)]
    datagram: DatagramObject<'a>,
    reply: Payload<'a>,
}

/// An answer to something that we sent.
#[derive(Serialize)]
struct ReplyObject<'a> {
    #[serde(flatten)]
    datagram: DatagramObject<'a>,
    request: Option<u64>,
    rtt_ns: Option<u64>,
    /// Where the request is not certain: the first and the last that it may be, and the round-trip time to the likely one.
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<[u64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_likely: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_likely_ns: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    copy: bool,
    #[serde(skip_serializing_if = "is_false")]
    late: bool,
}

impl<'a> ReplyObject<'a> {
    fn new(datagram: DatagramObject<'a>, to: ReplyTo) -> Self {
        let (requests, likely) = match to {
            ReplyTo::OneOf(OneOf { first, last, likely, .. }) => (Some([first, last]), likely),
            _ => (None, None),
        };
        Self {
            datagram,
            request: to.request(),
            rtt_ns: to.rtt().map(nanoseconds),
            requests,
            request_likely: likely.map(|(number, _)| number),
            rtt_likely_ns: likely.map(|(_, rtt)| nanoseconds(rtt)),
            copy: to == ReplyTo::Copy,
            late: to == ReplyTo::Late,
        }
    }
}

/// A received datagram, or what was chosen of it.
#[derive(Serialize)]
struct DatagramObject<'a> {
    #[serde(flatten)]
    source: Option<Source<'a>>,
    #[serde(flatten)]
    destination: Option<Destination<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hop_limit: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic_class: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
    /// Datagrams that the kernel dropped at the same socket since the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped_before: Option<u32>,
    #[serde(flatten)]
    payload: Option<Payload<'a>>,
}

impl<'a> DatagramObject<'a> {
    /// The datagram with the number that the kernel dropped before it.
    fn after(self, dropped: u32) -> Self {
        Self { dropped_before: Some(dropped).filter(|count| *count > 0), ..self }
    }

    /// Every key of a datagram.
    fn new(shown: &Shown<'a>) -> Self {
        Self {
            payload: Some(Payload::new(shown.datagram.payload)),
            ..Self::without_payload(shown, &Columns::default())
        }
    }

    /// What was chosen of it, but for its payload.
    fn without_payload(shown: &Shown<'a>, columns: &Columns) -> Self {
        let Datagram { meta, wire_len, .. } = shown.datagram;
        let tells = |field| columns.tell(&[field]);
        Self {
            source: Some(Source::new(shown.source)).filter(|_| tells(Field::Source)),
            destination: shown.destination.filter(|_| tells(Field::Destination)).map(Destination::new),
            delivery: delivery_name(meta.delivery).filter(|_| tells(Field::Delivery)),
            interface: shown.interface.filter(|_| tells(Field::Interface)),
            hop_limit: meta.hop_limit.filter(|_| tells(Field::Ttl)),
            traffic_class: meta.traffic_class.filter(|_| columns.tell(&[Field::Tos, Field::Dscp])),
            length: Some(wire_len).filter(|_| tells(Field::Length)),
            truncated: shown.datagram.is_truncated() && columns.tell(&[Field::Length, Field::Payload]),
            dropped_before: None,
            payload: None,
        }
    }
}

/// The sender of a datagram, whole and apart.
#[derive(Serialize)]
struct Source<'a> {
    source: &'a str,
    source_address: &'a str,
    source_port: u16,
}

impl<'a> Source<'a> {
    fn new(words: &'a str) -> Self {
        let (address, port) = parts(words);
        Self { source: words, source_address: address, source_port: port }
    }
}

/// Where a datagram went, whole and apart.
#[derive(Serialize)]
struct Destination<'a> {
    destination: &'a str,
    destination_address: &'a str,
    destination_port: u16,
}

impl<'a> Destination<'a> {
    fn new(words: &'a str) -> Self {
        let (address, port) = parts(words);
        Self { destination: words, destination_address: address, destination_port: port }
    }
}

/// The address and the port of an address in words. The scope stands in the whole alone: databases have no type for it.
fn parts(words: &str) -> (&str, u16) {
    let (host, port) = words.rsplit_once(':').unwrap_or((words, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.split_once('%').map_or(host, |(address, _scope)| address);
    (address, port.parse().unwrap_or(0))
}

/// The keys of an address that a notice has: whole, its address, its port.
macro_rules! address_keys {
    ($($(#[$documentation:meta])* $name:ident: $address:literal, $port:literal;)*) => {
        $(
            $(#[$documentation])*
            pub(crate) fn $name<S: Serializer>(address: &Endpoint, serializer: S) -> Result<S::Ok, S::Error> {
                let mut keys = serializer.serialize_struct("address", 3)?;
                keys.serialize_field(stringify!($name), address)?;
                keys.serialize_field($address, &address.0.ip())?;
                keys.serialize_field($port, &address.0.port())?;
                keys.end()
            }
        )*
    };
}

address_keys! {
    /// Writes an address as the `source` of an object, for `serde(flatten)`.
    source: "source_address", "source_port";
    /// Writes an address as the `destination` of an object, for `serde(flatten)`.
    destination: "destination_address", "destination_port";
    /// Writes an address as the `captured_destination` of an object, for `serde(flatten)`.
    captured_destination: "captured_destination_address", "captured_destination_port";
    /// Writes an address as the `local` of an object, for `serde(flatten)`.
    local: "local_address", "local_port";
}

/// A payload under the key that says how it is written.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payload<'a> {
    Text(&'a str),
    #[serde(serialize_with = "base64")]
    Base64(&'a [u8]),
}

impl<'a> Payload<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Base64(bytes), Self::Text)
    }
}

/// Nanoseconds as JSON has them; 584 years fit.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes an object of a kind on a line of its own: when it happened, what it says, and what to do about it.
pub(super) fn write(
    out: &mut impl Write,
    kind: &str,
    time: Option<&str>,
    body: &impl Serialize,
    hint: Option<&str>,
) -> io::Result<()> {
    write_value(out, &Object { v: VERSION, kind, time, body, hint }, b"{")?;
    out.write_all(b"\n")
}

/// Writes the line of a datagram that has a role.
pub(super) fn write_datagram(out: &mut impl Write, shown: &Shown<'_>, role: &Role<'_>) -> io::Result<()> {
    let datagram = DatagramObject::new(shown);
    let time = shown.time;
    match *role {
        Role::Received { dropped_before } => write(out, RECEIVED, time, &datagram.after(dropped_before), None),
        Role::Answered { reply } => {
            let reply = Payload::new(reply);
            write(out, "answered", time, &AnsweredObject { datagram, reply }, None)
        }
        Role::Reply { to } => write(out, "reply", time, &ReplyObject::new(datagram, to), None),
    }
}

/// Writes the line of a datagram that was received up to its payload, for [`write_end`]; returns where the time stands.
pub(super) fn write_start(
    line: &mut Vec<u8>,
    shown: &Shown<'_>,
    columns: &Columns,
    dropped_before: u32,
) -> io::Result<Option<Range<usize>>> {
    let datagram = DatagramObject::without_payload(shown, columns).after(dropped_before);
    let time = shown.time.filter(|_| columns.tell(&[Field::Time]));
    write_value(line, &Object { v: VERSION, kind: RECEIVED, time, body: &datagram, hint: None }, b"{")?;
    // The object's end.
    line.pop();
    // The time comes first of all that is not always the same.
    Ok(time.and_then(|time| {
        let start = line.windows(time.len()).position(|part| part == time.as_bytes())?;
        Some(start..start + time.len())
    }))
}

/// Ends the line of a datagram with its payload, if that is shown.
pub(super) fn write_end(out: &mut impl Write, payload: Option<&[u8]>) -> io::Result<()> {
    match payload {
        Some(payload) => write_value(out, &Payload::new(payload), b",")?,
        None => out.write_all(b"}")?,
    }
    out.write_all(b"\n")
}

/// An object of this version.
#[derive(Serialize)]
struct Object<'a, B> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(flatten)]
    body: &'a B,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

fn write_value(out: &mut impl Write, value: &impl Serialize, begin: &'static [u8]) -> io::Result<()> {
    Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, TerminalSafe { begin }))?)
}

/// JSON that a terminal can be shown: what it must not see is `\u` escaped even where JSON would not need it.
struct TerminalSafe {
    /// What objects begin with; a comma where the first part of one is written already.
    begin: &'static [u8],
}

impl Formatter for TerminalSafe {
    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(self.begin)
    }

    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        loop {
            let (safe, others) = rest.split_at(escape::safe_len(rest));
            out.write_all(safe.as_bytes())?;
            let Some(letter) = others.chars().next() else { return Ok(()) };
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let [high, low] = unit.to_be_bytes().map(escape::hex);
                out.write_all(&[b'\\', b'u', high[0], high[1], low[0], low[1]])?;
            }
            rest = &others[letter.len_utf8()..];
        }
    }
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

/// Whether a key is left out where it would only say no.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    fn payload(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        let object = AnsweredObject {
            datagram: DatagramObject {
                source: Some(Source::new("10.0.0.1:40000")),
                destination: None,
                delivery: None,
                interface: None,
                hop_limit: None,
                traffic_class: None,
                length: Some(bytes.len()),
                truncated: false,
                dropped_before: None,
                payload: Some(Payload::new(bytes)),
            },
            reply: Payload::new(b"ok"),
        };
        write(&mut out, "answered", Some("2023-11-14T22:13:20.000000005Z"), &object, None).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_is_a_line() {
        assert_eq!(
            payload(b"Hello"),
            "{\"v\":1,\"type\":\"answered\",\"time\":\"2023-11-14T22:13:20.000000005Z\",\"source\":\"10.0.0.1:40000\",\
             \"source_address\":\"10.0.0.1\",\"source_port\":40000,\"length\":5,\"text\":\"Hello\",\"reply\":{\"text\":\"ok\"}}\n"
        );
    }

    #[test]
    fn an_address_comes_apart_and_leaves_its_scope_behind() {
        let cases = [
            ("10.0.0.1:9", ("10.0.0.1", 9)),
            ("[2001:db8::1]:65535", ("2001:db8::1", 65_535)),
            ("[fe80::1%2]:10000", ("fe80::1", 10_000)),
            ("[fe80::1%eth0]:10000", ("fe80::1", 10_000)),
        ];
        for (words, expected) in cases {
            assert_eq!(parts(words), expected);
        }
    }

    #[test]
    fn whatever_is_in_a_payload_the_line_is_json_and_harmless() {
        let all: Vec<u8> = (0..=255).collect();
        let text: String = (0..0x3000).chain(0xe0000..0xe0100).filter_map(char::from_u32).collect();
        for bytes in [&all[..], text.as_bytes(), b"", b"\x1b]52;c;\x07"] {
            let line = payload(bytes);
            assert!(!line.trim_end_matches('\n').chars().any(|letter| letter.is_control() || letter == '\u{202e}'));
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            let read = match (value.get("text"), value.get("base64")) {
                (Some(text), None) => text.as_str().unwrap().as_bytes().to_vec(),
                (None, Some(base64)) => STANDARD.decode(base64.as_str().unwrap()).unwrap(),
                _ => panic!("one of text and base64"),
            };
            assert_eq!(read, bytes);
        }
    }
}
