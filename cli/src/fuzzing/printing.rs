//! Printing: a line for each datagram, which says what it is, steers nothing, and owes nothing to those before it.

use std::ops::ControlFlow;
use std::time::SystemTime;

use arbitrary::{Result, Unstructured};
use base64::Engine as _;
use jiff::tz::TimeZone;
use serde_json::Value;
use udpkit::event::{Answered, OneOf, Reply};
use udpkit::{Datagram, Event, Meta, ReplyTo, SocketId, Train};

use super::escaping::assert_harmless;
use super::made;
use crate::output::{Columns, Printer, Settings, Times, escape};
use crate::words::endpoint::{self, Endpoint};
use crate::words::format::{Field, Format};

/// Datagrams of a case.
const MOST_DATAGRAMS: usize = 24;
const FIELDS: [Field; 10] = [
    Field::Time,
    Field::Source,
    Field::Destination,
    Field::Delivery,
    Field::Interface,
    Field::Ttl,
    Field::Tos,
    Field::Dscp,
    Field::Length,
    Field::Payload,
];

/// Prints datagrams with one printer, and each with one of its own.
pub fn printing(data: &[u8]) {
    // Bytes that are too few for another datagram end the case.
    let _ = print(&mut Unstructured::new(data));
}

/// How lines are to look.
struct Look {
    format: Format,
    times: Times,
    color: bool,
    /// The fields that were chosen; empty for none.
    fields: Vec<Field>,
    /// The name of an interface.
    name: String,
}

/// A datagram, and what it is to the verb.
struct Case {
    meta: Meta,
    payload: Vec<u8>,
    wire_len: usize,
    via: SocketId,
    role: u8,
    dropped: u32,
}

fn print(bytes: &mut Unstructured<'_>) -> Result<()> {
    let look = look(bytes)?;
    let mut all = Vec::new();
    let mut printer = look.printer(&mut all);
    let mut alone = Vec::new();
    let mut previous = None;
    for _ in 0..MOST_DATAGRAMS {
        if bytes.is_empty() {
            break;
        }
        let case = case(bytes, previous.take())?;
        previous = Some(case.meta);
        assert_eq!(case.tell(&mut printer), ControlFlow::Continue(()));
        let mut line = Vec::new();
        assert_eq!(case.tell(&mut look.printer(&mut line)), ControlFlow::Continue(()));
        look.check(&case, str::from_utf8(&line).expect("it is text"));
        alone.extend(line);
    }
    drop(printer);
    // Times that count from another datagram are another's business.
    if matches!(look.times, Times::Utc | Times::Local) || look.format == Format::Json {
        assert_eq!(String::from_utf8_lossy(&all), String::from_utf8_lossy(&alone));
    }
    Ok(())
}

fn look(bytes: &mut Unstructured<'_>) -> Result<Look> {
    let format = *bytes.choose(&[Format::Text, Format::Json, Format::Hex])?;
    let times = *bytes.choose(&[Times::Utc, Times::Local, Times::Relative, Times::Delta])?;
    let color = bytes.ratio(1, 4)?;
    let mut fields: Vec<Field> = Vec::new();
    for _ in 0..bytes.int_in_range(0..=5u8)? {
        let field = *bytes.choose(&FIELDS)?;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    let name = *bytes.choose(&["eth0", "12:00:00.000000000", "2023-11-14T22:13:20.000000000Z", "\u{1b}[2J\u{202e}"])?;
    Ok(Look { format, times, color, fields, name: name.to_owned() })
}

fn case(bytes: &mut Unstructured<'_>, previous: Option<Meta>) -> Result<Case> {
    let mut meta = match previous {
        Some(meta) if bytes.ratio(3, 4)? => meta,
        _ => made::meta(bytes)?,
    };
    match bytes.int_in_range(0..=5u8)? {
        0 => meta.received = None,
        1 => meta.received = Some(made::time(bytes)?),
        2 => meta.hop_limit = bytes.arbitrary()?,
        3 => meta.dropped_before = bytes.arbitrary()?,
        4 => meta.destination = Some(made::ip(bytes)?),
        _ => {}
    }
    let payload = made::payload(bytes)?;
    let wire_len = payload.len() + if bytes.ratio(1, 6)? { bytes.int_in_range(0..=70_000)? } else { 0 };
    let dropped = if bytes.ratio(1, 6)? { bytes.arbitrary()? } else { 0 };
    Ok(Case {
        meta,
        payload,
        wire_len,
        via: SocketId::first(bytes.int_in_range(0..=2)?),
        role: bytes.int_in_range(0..=7)?,
        dropped,
    })
}

impl Look {
    fn printer<'a>(&self, out: &'a mut Vec<u8>) -> Printer<&'a mut Vec<u8>, Vec<u8>> {
        let mut settings = Settings::plain(self.format);
        settings.ports = vec![10_000, 10_001];
        settings.color = self.color;
        settings.now = || SystemTime::UNIX_EPOCH;
        settings.printing.times = self.times;
        if !self.fields.is_empty() {
            settings.printing.columns = Columns::chosen(&self.fields);
        }
        let mut printer = Printer::new(settings, out, Vec::new(), TimeZone::fixed(jiff::tz::offset(7)));
        printer.set_interfaces(&made::interfaces(&self.name));
        printer
    }

    /// Looks at what was printed of a datagram alone.
    fn check(&self, case: &Case, printed: &str) {
        assert!(printed.ends_with('\n') || printed.is_empty());
        for line in printed.lines().filter(|_| !self.color || self.format == Format::Json) {
            assert_harmless(line);
        }
        match self.format {
            Format::Json => self.check_object(case, printed),
            Format::Text => {
                assert_eq!(printed.matches('\n').count(), 1, "{printed:?}");
                let mut payload = Vec::new();
                escape::write(&mut payload, &case.payload).expect("writing into memory does not fail");
                let shows = self.fields.is_empty() || self.fields.contains(&Field::Payload);
                assert!(
                    !shows || printed.as_bytes().trim_ascii_end().ends_with(payload.trim_ascii_end()),
                    "{printed:?}"
                );
            }
            Format::Hex | Format::Raw => {}
        }
    }

    /// The source as it is to be printed.
    fn source(&self, case: &Case) -> String {
        let interfaces = made::interfaces(&self.name);
        let interface = Endpoint(case.meta.source).interface().and_then(|index| interfaces.numbered(index));
        let mut text = String::new();
        endpoint::write(&mut text, case.meta.source, interface.map(|interface| interface.name.as_str()))
            .expect("writing into memory does not fail");
        text
    }

    fn check_object(&self, case: &Case, printed: &str) {
        assert_eq!(printed.matches('\n').count(), 1, "{printed:?}");
        let object: Value = serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        assert_eq!(object["v"], 1);
        let is_whole = self.fields.is_empty() || case.role < 2;
        let known: [(_, Value); 2] = [("source", self.source(case).into()), ("length", case.wire_len.into())];
        for (key, value) in known {
            assert!(object.get(key).map_or(!is_whole, |shown| *shown == value), "{printed}");
        }
        let payload = match (object.get("text").and_then(Value::as_str), object.get("base64").and_then(Value::as_str)) {
            (Some(text), None) => Some(text.as_bytes().to_vec()),
            (None, Some(text)) => base64::engine::general_purpose::STANDARD.decode(text).ok(),
            _ => None,
        };
        assert!(payload.map_or(!is_whole, |payload| payload == case.payload), "{printed}");
        if let Some(time) = object.get("time").and_then(Value::as_str) {
            let time: jiff::Timestamp = time.parse().unwrap_or_else(|error| panic!("{error}: {printed}"));
            let received = case.meta.received.unwrap_or(SystemTime::UNIX_EPOCH);
            assert_eq!(jiff::Timestamp::try_from(received).ok(), Some(time), "{printed}");
        }
    }
}

impl Case {
    fn tell(&self, printer: &mut Printer<&mut Vec<u8>, Vec<u8>>) -> ControlFlow<()> {
        let datagram = Datagram::new(&self.payload, &self.meta).wire_len(self.wire_len);
        match self.role {
            0 => printer.tell(Event::Answered(Answered::new(self.via, datagram, b"\x1b[0m"))),
            1 => printer.tell(Event::Reply(Reply::new(self.via, datagram, ReplyTo::OneOf(OneOf::new(3, 5, None))))),
            _ => printer.received(self.via, Train::one(&datagram), self.dropped),
        }
    }
}
