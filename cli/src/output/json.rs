//! JSON Lines: an object for each event, specified in `docs/json.md`; `"v"` is the version of that page.
//!
//! Times are UTC (RFC 3339, nanoseconds), units are in the keys, payloads are `text` where they are UTF-8, else
//! `base64`. Keys may be added within a version; none is changed or removed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;
use udpkit::{Cause, Datagram, Interface, Report, Transmit};

use super::ledger::SystemCounters;
use super::replay::CaptureObject;
use super::shown::{Shown, delivery_name};
use super::{Columns, Status, escape};
use crate::words::format::Field;

/// The version of the format.
const VERSION: u32 = 1;

/// Everything that is written, by its `type`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Object<'a> {
    Listening {
        addresses: &'a [SocketAddr],
    },
    Received(DatagramObject<'a>),
    Answered {
        #[serde(flatten)]
        datagram: DatagramObject<'a>,
        reply: Payload<'a>,
    },
    Reply {
        #[serde(flatten)]
        datagram: DatagramObject<'a>,
        request: Option<u64>,
        rtt_ns: Option<u64>,
    },
    Sent {
        destination: SocketAddr,
        #[serde(skip_serializing_if = "Option::is_none")]
        interface: Option<&'a str>,
        request: u64,
        retry: u32,
        length: usize,
    },
    Unanswered {
        request: u64,
    },
    Ignored {
        source: SocketAddr,
        reason: &'static str,
        count: usize,
    },
    Unreachable {
        destination: SocketAddr,
        reporter: Option<IpAddr>,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        mtu_bytes: Option<u32>,
        cause: String,
    },
    SendFailed {
        destination: SocketAddr,
        count: usize,
        error: String,
    },
    Dropped {
        new: u64,
        total: u64,
    },
    Target {
        interface: &'a str,
        destination: SocketAddr,
    },
    LeftOut {
        interface: &'a str,
        reason: &'a str,
    },
    Sender {
        source: SocketAddr,
        local: SocketAddr,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    Planned {
        at_ns: u64,
        packet: u64,
        source: SocketAddr,
        captured_destination: SocketAddr,
        destination: SocketAddr,
        length: usize,
    },
    Unsendable {
        packet: u64,
        source: SocketAddr,
        captured_destination: SocketAddr,
        length: usize,
        reason: &'static str,
    },
    Trouble {
        error: String,
    },
    Reopened {
        address: SocketAddr,
    },
    Metrics {
        addresses: &'a [SocketAddr],
    },
    Rules {
        count: usize,
    },
    QueueFull {
        new: u64,
        total: u64,
    },
    NotShown {
        count: u64,
    },
    Status(Box<StatusObject>),
    Interface(InterfaceObject<'a>),
    Summary(Box<Summary>),
}

/// A received datagram, or what was chosen of it.
#[derive(Serialize)]
pub(crate) struct DatagramObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
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
    /// It, where the kernel dropped so many before it.
    pub(crate) fn after(self, dropped: u32) -> Self {
        Self { dropped_before: Some(dropped).filter(|count| *count > 0), ..self }
    }

    /// All of it.
    pub(crate) fn new(shown: &Shown<'a>) -> Self {
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
            time: shown.time.filter(|_| tells(Field::Time)),
            source: Some(shown.source).filter(|_| tells(Field::Source)),
            destination: shown.destination.filter(|_| tells(Field::Destination)),
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

/// An interface with its addresses.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are the system's flags")]
pub(crate) struct InterfaceObject<'a> {
    name: &'a str,
    index: Option<u32>,
    up: bool,
    running: bool,
    broadcast: bool,
    multicast: bool,
    loopback: bool,
    point_to_point: bool,
    mtu_bytes: Option<u32>,
    addresses: Vec<AddressObject>,
}

#[derive(Serialize)]
struct AddressObject {
    address: IpAddr,
    prefix_length: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast: Option<std::net::Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    #[serde(skip_serializing_if = "is_false")]
    tentative: bool,
}

impl<'a> InterfaceObject<'a> {
    pub(crate) fn new(interface: &'a Interface) -> Self {
        let addresses = interface.addresses.iter().map(|address| AddressObject {
            address: address.ip,
            prefix_length: address.prefix_len,
            broadcast: address.broadcast,
            peer: address.peer,
            tentative: address.tentative,
        });
        Self {
            name: &interface.name,
            index: interface.index.map(Into::into),
            up: interface.up,
            running: interface.running,
            broadcast: interface.broadcast,
            multicast: interface.multicast,
            loopback: interface.loopback,
            point_to_point: interface.point_to_point,
            mtu_bytes: interface.mtu,
            addresses: addresses.collect(),
        }
    }
}

/// The whole account of a run.
#[derive(Serialize)]
pub(crate) struct Summary {
    elapsed_ns: u64,
    received: u64,
    received_bytes: u64,
    answered: u64,
    reply_failed: u64,
    taken: u64,
    delivered: u64,
    waiting: u64,
    ignored: BTreeMap<&'static str, u64>,
    copies: u64,
    peers_estimate: u64,
    truncated: u64,
    dropped_by_kernel: Option<u64>,
    dropped_by_kernel_at_least: bool,
    sent: u64,
    sent_bytes: u64,
    send_failed: u64,
    requests: u64,
    requests_answered: u64,
    retries: u64,
    unreachable: u64,
    rtt: Option<RttObject>,
    lateness: Option<LatenessObject>,
    gaps_shortened: u64,
    times_decreasing: u64,
    sources_shared: u64,
    capture: Option<CaptureObject>,
    #[serde(flatten)]
    ledger: Option<LedgerObject>,
}

/// What became of the datagrams that `listen` took.
#[derive(Serialize)]
pub(crate) struct LedgerObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) printed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_printed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files_removed: Option<u64>,
    pub(crate) receive_buffer_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<SystemCounters>,
}

/// How a run goes: the account so far, and the rates since the last time.
#[derive(Serialize)]
pub(crate) struct StatusObject {
    received_per_second: f64,
    sent_per_second: f64,
    #[serde(flatten)]
    summary: Summary,
}

impl StatusObject {
    pub(crate) fn new(status: &Status<'_>) -> Self {
        Self {
            received_per_second: status.received_per_second(),
            sent_per_second: status.sent_per_second(),
            summary: Summary::new(status.now),
        }
    }
}

#[derive(Serialize)]
struct RttObject {
    count: u64,
    min_ns: u64,
    mean_ns: u64,
    max_ns: u64,
    deviation_ns: u64,
}

#[derive(Serialize)]
struct LatenessObject {
    count: u64,
    p50_ns: u64,
    p99_ns: u64,
    max_ns: u64,
}

impl Summary {
    pub(crate) fn with(self, ledger: LedgerObject) -> Self {
        Self { ledger: Some(ledger), ..self }
    }

    pub(crate) fn new(report: &Report) -> Self {
        let Report { rtt, lateness, .. } = report;
        Self {
            elapsed_ns: nanoseconds(report.elapsed),
            received: report.received.datagrams,
            received_bytes: report.received.bytes,
            answered: report.answered,
            reply_failed: report.reply_failed,
            taken: report.sunk,
            delivered: report.delivered,
            waiting: report.waiting,
            copies: report.copies,
            peers_estimate: report.peers.estimate(),
            ignored: report.ignored.iter().map(|(reason, count)| (reason.key(), count)).collect(),
            truncated: report.truncated,
            dropped_by_kernel: report.kernel_drops,
            dropped_by_kernel_at_least: report.kernel_drops_at_least,
            sent: report.sent.datagrams,
            sent_bytes: report.sent.bytes,
            send_failed: report.send_failed,
            requests: report.requests,
            requests_answered: report.requests_answered,
            retries: report.retries,
            unreachable: report.unreachable,
            rtt: (rtt.count() > 0).then(|| RttObject {
                count: rtt.count(),
                min_ns: nanoseconds(rtt.smallest()),
                mean_ns: nanoseconds(rtt.mean()),
                max_ns: nanoseconds(rtt.largest()),
                deviation_ns: nanoseconds(rtt.deviation()),
            }),
            ledger: None,
            lateness: (lateness.count() > 0).then(|| LatenessObject {
                count: lateness.count(),
                p50_ns: nanoseconds(lateness.at(0.5)),
                p99_ns: nanoseconds(lateness.at(0.99)),
                max_ns: nanoseconds(lateness.largest()),
            }),
            gaps_shortened: report.gaps_shortened,
            times_decreasing: report.times_decreasing,
            sources_shared: report.sources_shared,
            capture: None,
        }
    }

    /// The same with what became of a capture.
    pub(super) fn of_capture(self, capture: CaptureObject) -> Self {
        Self { capture: Some(capture), ..self }
    }
}

impl<'a> Object<'a> {
    pub(crate) fn unreachable(destination: SocketAddr, reporter: Option<IpAddr>, cause: Cause) -> Self {
        let (reason, mtu_bytes) = match cause {
            Cause::Port => ("port", None),
            Cause::Host => ("host", None),
            Cause::Network => ("network", None),
            Cause::Prohibited => ("prohibited", None),
            Cause::TooBig { mtu } => ("too_big", Some(mtu).filter(|mtu| *mtu > 0)),
            Cause::HopLimit => ("hop_limit", None),
            Cause::Other { .. } => ("other", None),
        };
        Object::Unreachable { destination, reporter, reason, mtu_bytes, cause: cause.to_string() }
    }

    pub(crate) fn sent(
        transmit: &Transmit,
        interface: Option<&'a str>,
        payload: &[u8],
        request: u64,
        retry: u32,
    ) -> Self {
        Object::Sent { destination: transmit.destination, interface, request, retry, length: payload.len() }
    }
}

/// Nanoseconds as JSON has them; 584 years fit.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Writes an object on a line of its own.
pub(crate) fn write(out: &mut impl Write, object: &Object<'_>) -> io::Result<()> {
    write_value(out, &Versioned { v: VERSION, object }, b"{")?;
    out.write_all(b"\n")
}

/// Writes the line of a datagram that was received up to its payload, for [`write_end`]; returns where the time stands.
pub(super) fn write_start(
    line: &mut Vec<u8>,
    shown: &Shown<'_>,
    columns: &Columns,
    dropped_before: u32,
) -> io::Result<Option<Range<usize>>> {
    let datagram = DatagramObject::without_payload(shown, columns).after(dropped_before);
    let time = datagram.time;
    write_value(line, &Versioned { v: VERSION, object: &Object::Received(datagram) }, b"{")?;
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
struct Versioned<'a, 'b> {
    v: u32,
    #[serde(flatten)]
    object: &'b Object<'a>,
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    fn payload(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        let object = Object::Answered {
            datagram: DatagramObject {
                time: Some("2023-11-14T22:13:20.000000005Z"),
                source: Some("10.0.0.1:40000"),
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
        write(&mut out, &object).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_is_a_line() {
        assert_eq!(
            payload(b"Hello"),
            "{\"v\":1,\"type\":\"answered\",\"time\":\"2023-11-14T22:13:20.000000005Z\",\"source\":\"10.0.0.1:40000\",\
             \"length\":5,\"text\":\"Hello\",\"reply\":{\"text\":\"ok\"}}\n"
        );
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
