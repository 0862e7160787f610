//! Templates of payloads: text or bytes, with placeholders for what is known of the datagram that is answered, or of the request.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use crate::datagram::{Datagram, Meta};

/// A reply, or a request, with placeholders.
///
/// A placeholder is a name in braces; [`Template::FIELDS`] lists them. A brace before anything but a name is a plain brace, so
/// that JSON needs no care, and `{{` is a brace before a name, too. `{payload[2..4]}` is a part of the payload, counted in
/// bytes from 0, the second number excluded; either number may be left out, and what is past the end is nothing.
///
/// ```
/// # use udpkit::Template;
/// assert!(Template::text("pong {count} from {source}").is_ok());
/// assert!(Template::bytes("{payload[0..2]} 81 80").is_ok());
/// let error = Template::text("{sorce}").unwrap_err();
/// assert_eq!(error.at(), 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Source,
    /// Bytes of the payload, from and to.
    Payload(usize, usize),
    /// The same, as hex digits.
    PayloadHex(usize, usize),
    Length,
    Count,
    Time,
    Interface,
}

/// Why a template cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    at: usize,
    message: String,
}

impl TemplateError {
    /// Where in the template, in bytes from 0.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// The start of a template or of a part of it: as much as an error shows of it, on one line of a terminal.
struct Start<'a>(&'a str);

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}…", &self.0[..end]),
            None => f.write_str(self.0),
        }
    }
}

/// Characters of a template that an error shows.
const SHOWN: usize = 40;

/// What a template is filled in with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) datagram: &'a Datagram<'a>,
    /// Number of the reply, from 1.
    pub(crate) count: u64,
    pub(crate) time: Option<SystemTime>,
    pub(crate) interface: Option<&'a str>,
}

impl Template {
    /// The names of the placeholders: source address and port, payload, payload as hex, its length in bytes, number of the
    /// reply from 1 (with gaps where one is withheld), time of arrival (UTC, RFC 3339, in the years 1970 to 9999), interface
    /// it came by.
    pub const FIELDS: &'static [&'static str] =
        &["source", "payload", "payload_hex", "length", "count", "time", "interface"];

    /// The names of the placeholders in a request: its number from 1, and the time when it is sent, as in a reply.
    pub const REQUEST_FIELDS: &'static [&'static str] = &["count", "time"];

    /// Reads a template of text.
    ///
    /// # Errors
    ///
    /// A placeholder that is not closed, has no such name, or a part of a payload that is none.
    pub fn text(template: &str) -> Result<Self, TemplateError> {
        Self::read(template, Self::FIELDS, |text, _| Ok(text.as_bytes().to_vec()))
    }

    /// Reads a template of a request, of text: its placeholders are [`REQUEST_FIELDS`](Self::REQUEST_FIELDS).
    ///
    /// # Errors
    ///
    /// Those of [`text`](Self::text), and a placeholder that only a reply has.
    pub fn request(template: &str) -> Result<Self, TemplateError> {
        Self::read(template, Self::REQUEST_FIELDS, |text, _| Ok(text.as_bytes().to_vec()))
    }

    /// A template without placeholders: these bytes, whatever they are.
    #[must_use]
    pub fn literal(bytes: impl Into<Vec<u8>>) -> Self {
        Self { parts: vec![Part::Bytes(bytes.into())] }
    }

    /// Reads a template of bytes: pairs of hex digits, spaces between them as you like, and placeholders.
    ///
    /// # Errors
    ///
    /// Those of [`text`](Self::text), and what is no pair of hex digits.
    pub fn bytes(template: &str) -> Result<Self, TemplateError> {
        Self::read(template, Self::FIELDS, hex)
    }

    /// The reply, if it is always the same.
    #[must_use]
    pub fn as_fixed(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(&[]),
            [Part::Bytes(bytes)] => Some(bytes),
            _ => None,
        }
    }

    /// Whether it tells how many replies there were.
    pub(crate) fn counts(&self) -> bool {
        self.parts.contains(&Part::Count)
    }

    /// Whether it tells the time of arrival.
    #[must_use]
    pub fn tells_time(&self) -> bool {
        self.parts.contains(&Part::Time)
    }

    /// Writes the reply to the end of `out`; stops once `limit` bytes are passed, since no datagram carries them.
    pub(crate) fn render(&self, known: &Known<'_>, out: &mut Vec<u8>, limit: usize) {
        for part in &self.parts {
            if out.len() + part.least(known) > limit {
                // Too long, whatever follows: nothing is worth writing.

                out.resize(limit + 1, 0);
                return;
            }
            part.render(known, out);
        }
    }

    /// Writes a request, as [`render`](Self::render) does.
    pub(crate) fn render_request(&self, count: u64, time: SystemTime, out: &mut Vec<u8>, limit: usize) {
        let meta = Meta::new(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let datagram = Datagram { payload: &[], wire_len: 0, meta: &meta };
        self.render(&Known { datagram: &datagram, count, time: Some(time), interface: None }, out, limit);
    }

    /// Reads a template with placeholders of these names, whose bytes between them are read by `literal`, which is told where
    /// they begin.
    fn read(
        template: &str,
        fields: &[&str],
        literal: impl Fn(&str, usize) -> Result<Vec<u8>, TemplateError>,
    ) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut bytes = Vec::new();
        let mut at = 0;
        while at < template.len() {
            let rest = &template[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                bytes.extend(literal("{", at)?);
                at = template.len() - after.len();
            } else if is_place(rest) {
                let Some((place, after)) = rest[1..].split_once('}') else {
                    return Err(TemplateError { at, message: format!("'{}' has no closing brace", Start(rest)) });
                };
                if !bytes.is_empty() {
                    parts.push(Part::Bytes(std::mem::take(&mut bytes)));
                }
                parts.push(Part::read(place, fields).map_err(|message| TemplateError { at, message })?);
                at = template.len() - after.len();
            } else {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let next = rest[first..].find('{').map_or(rest.len(), |next| next + first);
                bytes.extend(literal(&rest[..next], at)?);
                at += next;
            }
        }
        if !bytes.is_empty() {
            parts.push(Part::Bytes(bytes));
        }
        Ok(Self { parts })
    }
}

impl Part {
    fn read(place: &str, fields: &[&str]) -> Result<Self, String> {
        let (name, part) = match place.split_once('[') {
            Some((name, part)) => {
                (name, Some(part.strip_suffix(']').ok_or_else(|| format!("'{}' has no closing ]", Start(place)))?))
            }
            None => (place, None),
        };
        if !fields.contains(&name) {
            let known = fields.iter().map(|field| format!("{{{field}}}")).collect::<Vec<_>>().join(" ");
            let place = format!("{{{name}}}");
            let place = Start(&place);
            return Err(match Template::FIELDS.contains(&name) {
                true => format!("'{place}' is of a datagram that is answered; a request has {known}"),
                false => format!("'{place}' is not known; there are {known}, and {{{{ is a plain brace"),
            });
        }
        let (from, to) = match part {
            Some(_) if !name.starts_with("payload") => {
                return Err(format!("'{}' has no parts; 'payload' has", Start(name)));
            }
            Some(part) => {
                range(part).ok_or_else(|| format!("'{}' is no part; write 0..2, ..2 or 12..", Start(part)))?
            }
            None => (0, usize::MAX),
        };
        Ok(match name {
            "source" => Self::Source,
            "payload" => Self::Payload(from, to),
            "payload_hex" => Self::PayloadHex(from, to),
            "length" => Self::Length,
            "count" => Self::Count,
            "time" => Self::Time,
            // The only one left of `Template::FIELDS`.
            _ => Self::Interface,
        })
    }

    /// How many bytes it writes, at least.
    fn least(&self, known: &Known<'_>) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Payload(from, to) => part(known, *from, *to).len(),
            Self::PayloadHex(from, to) => 2 * part(known, *from, *to).len(),
            Self::Source | Self::Length | Self::Count | Self::Time | Self::Interface => 0,
        }
    }

    fn render(&self, known: &Known<'_>, out: &mut Vec<u8>) {
        // Writing into memory does not fail.
        let _ = match self {
            Self::Bytes(bytes) => out.write_all(bytes),
            Self::Source => source(known, out),
            Self::Payload(from, to) => out.write_all(part(known, *from, *to)),
            Self::PayloadHex(from, to) => {
                let digits = |byte: &u8| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend(part(known, *from, *to).iter().flat_map(digits));
                Ok(())
            }
            Self::Length => write!(out, "{}", known.datagram.wire_len),
            Self::Count => write!(out, "{}", known.count),
            Self::Time => match known.time {
                Some(time) => {
                    let time = time.clamp(SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + LATEST);
                    write!(out, "{}", humantime::format_rfc3339_nanos(time))
                }
                None => out.write_all(b"-"),
            },
            Self::Interface => out.write_all(known.interface.unwrap_or("-").as_bytes()),
        };
    }
}

/// The source; a scope is the name of the interface, if that is known.
fn source(known: &Known<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match (known.datagram.meta.source, known.interface) {
        (SocketAddr::V6(v6), Some(name)) if v6.scope_id() != 0 => write!(out, "[{}%{name}]:{}", v6.ip(), v6.port()),
        (source, _) => write!(out, "{source}"),
    }
}

/// The last moment that RFC 3339 can write, the end of the year 9999: what any later one becomes.
const LATEST: Duration = Duration::new(253_402_300_799, 999_999_999);

/// The digits, by their value.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// A part of the payload that is answered.
fn part<'a>(known: &Known<'a>, from: usize, to: usize) -> &'a [u8] {
    let payload = known.datagram.payload;
    &payload[from.min(payload.len())..to.min(payload.len())]
}

/// Whether a text begins with a placeholder: a brace and a letter.
fn is_place(text: &str) -> bool {
    text.strip_prefix('{').is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

/// `2..4`, `..4`, `2..` or `..`, the first not after the second.
fn range(part: &str) -> Option<(usize, usize)> {
    let (from, to) = part.split_once("..")?;
    let number = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse().ok() };
    let (from, to) = (number(from, 0)?, number(to, usize::MAX)?);
    (from <= to).then_some((from, to))
}

/// Bytes from pairs of hex digits with spaces between them; `at` is where they begin in the template.
fn hex(text: &str, at: usize) -> Result<Vec<u8>, TemplateError> {
    let mut bytes = Vec::new();
    let mut letters = text.char_indices().filter(|(_, letter)| !letter.is_whitespace());
    while let Some((place, high)) = letters.next() {
        let pair = high.to_digit(16).zip(letters.next().and_then(|(_, low)| low.to_digit(16)));
        let byte = pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        bytes.push(byte.ok_or_else(|| TemplateError {
            at: at + place,
            message: format!("'{}' is no pair of hex digits", text[place..].chars().take(2).collect::<String>()),
        })?);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(template: &Template, payload: &[u8]) -> String {
        let mut meta = Meta::new("192.0.2.1:40000".parse().unwrap());
        meta.received = Some(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5));
        let datagram = Datagram { payload, wire_len: payload.len(), meta: &meta };
        let known = Known { datagram: &datagram, count: 7, time: meta.received, interface: Some("eth0") };
        let mut out = Vec::new();
        template.render(&known, &mut out, usize::MAX);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn the_scope_of_a_source_is_the_name_of_its_interface_where_that_is_known() {
        let meta = Meta::new("[fe80::1%7]:40000".parse().unwrap());
        let datagram = Datagram { payload: b"", wire_len: 0, meta: &meta };
        for (interface, expected) in [(Some("eth0"), "[fe80::1%eth0]:40000"), (None, "[fe80::1%7]:40000")] {
            let mut out = Vec::new();
            let known = Known { datagram: &datagram, count: 1, time: None, interface };
            Template::text("{source}").unwrap().render(&known, &mut out, usize::MAX);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn every_place_is_filled_in() {
        let cases = [
            ("", ""),
            ("Get off my lawn!", "Get off my lawn!"),
            ("{source}", "192.0.2.1:40000"),
            ("<{payload}>", "<Hello>"),
            ("{payload_hex}", "48656c6c6f"),
            ("{payload[1..3]}|{payload[..2]}|{payload[3..]}|{payload[9..]}|{payload[2..2]}", "el|He|lo||"),
            ("{payload_hex[4..99]}", "6f"),
            ("{length} {count} {interface}", "5 7 eth0"),
            ("{time}", "2023-11-14T22:13:20.000000005Z"),
            (r#"{"count":{count},"nested":{"a":{}}}"#, r#"{"count":7,"nested":{"a":{}}}"#),
            ("{{count} { {", "{count} { {"),
            ("ä{count}ö", "ä7ö"),
        ];
        for (text, expected) in cases {
            assert_eq!(rendered(&Template::text(text).unwrap(), b"Hello"), expected, "{text}");
        }
    }

    #[test]
    fn what_a_template_tells_is_known_without_a_datagram() {
        let cases: [(&str, Option<&str>, bool, bool); 7] = [
            ("", Some(""), false, false),
            ("pong", Some("pong"), false, false),
            ("{{count}", Some("{count}"), false, false),
            ("{count}", None, true, false),
            ("at {time}", None, false, true),
            ("{payload}", None, false, false),
            ("{time} {count}", None, true, true),
        ];
        for (text, fixed, counts, tells_time) in cases {
            let template = Template::text(text).unwrap();
            assert_eq!(template.as_fixed(), fixed.map(str::as_bytes), "{text}");
            assert_eq!((template.counts(), template.tells_time()), (counts, tells_time), "{text}");
        }
    }

    #[test]
    fn bytes_and_places_mix() {
        for text in ["41 {payload[0..1]} 42", "41{payload[0..1]}42", " 4 1{payload[0..1]}\n42 "] {
            assert_eq!(rendered(&Template::bytes(text).unwrap(), b"Hello"), "AHB", "{text}");
        }
        for (text, at) in [("4", 0), ("41 {count} 4x", 11), ("zz", 0), ("{{count}", 0)] {
            assert_eq!(Template::bytes(text).unwrap_err().at(), at, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            ("pong {sorce}", 5, "'{sorce}' is not known; there are {source} {payload}"),
            ("{count", 0, "'{count' has no closing brace"),
            ("{source[1..2]}", 0, "'source' has no parts"),
            ("{payload[3..1]}", 0, "'3..1' is no part"),
            ("{payload[1]}", 0, "'1' is no part"),
            ("{payload[0..2}", 0, "'payload[0..2' has no closing ]"),
        ];
        for (text, at, message) in cases {
            let error = Template::text(text).unwrap_err();
            assert_eq!(error.at(), at, "{text}");
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }

    #[test]
    fn requests_have_few_places() {
        let mut out = Vec::new();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let template = Template::request("#{count} at {time}, {{count} {").unwrap();
        template.render_request(3, time, &mut out, 100);
        assert_eq!(String::from_utf8(out).unwrap(), "#3 at 2023-11-14T22:13:20.000000000Z, {count} {");
        for (text, message) in [
            ("x {source}", "'{source}' is of a datagram that is answered; a request has {count} {time}"),
            ("x {payload[1..]}", "'{payload}' is of a datagram that is answered; a request has {count} {time}"),
            ("x {port}", "'{port}' is not known; there are {count} {time}, and {{ is a plain brace"),
        ] {
            let error = Template::request(text).unwrap_err();
            assert_eq!((error.at(), error.to_string().as_str()), (2, message), "{text}");
        }
    }

    #[test]
    fn a_mistake_shows_the_start_of_a_long_template_alone() {
        let long = "ä".repeat(60_000);
        for (start, end) in [("{count", ""), ("{count", "}"), ("{payload[", "}"), ("{payload[", "]}"), ("{a", "[]}")] {
            let error = Template::text(&format!("{start}{long}{end}")).unwrap_err().to_string();
            assert!(error.contains("äää…'") && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn a_time_that_cannot_be_written_becomes_the_nearest() {
        let template = Template::text("{time}").unwrap();
        let meta = Meta::new("192.0.2.1:40000".parse().unwrap());
        let datagram = Datagram { payload: &[], wire_len: 0, meta: &meta };
        let second = Duration::from_secs(1);
        for (time, expected) in [
            (SystemTime::UNIX_EPOCH - second, "1970-01-01T00:00:00.000000000Z"),
            (SystemTime::UNIX_EPOCH + LATEST, "9999-12-31T23:59:59.999999999Z"),
            (SystemTime::UNIX_EPOCH + LATEST + second, "9999-12-31T23:59:59.999999999Z"),
        ] {
            let mut out = Vec::new();
            let known = Known { datagram: &datagram, count: 1, time: Some(time), interface: None };
            template.render(&known, &mut out, 100);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn a_reply_stops_growing_past_its_limit() {
        let template = Template::text(&"{payload}".repeat(1000)).unwrap();
        let meta = Meta::new("192.0.2.1:40000".parse().unwrap());
        let datagram = Datagram { payload: &[b'x'; 1000], wire_len: 1000, meta: &meta };
        let mut out = Vec::new();
        template.render(&Known { datagram: &datagram, count: 1, time: None, interface: None }, &mut out, 5000);
        assert_eq!(out.len(), 5001);
        let template = Template::text("{payload_hex}").unwrap();
        for (limit, expected) in [(2000, 2000), (1999, 2000), (1500, 1501), (10, 11)] {
            out.clear();
            template.render(&Known { datagram: &datagram, count: 1, time: None, interface: None }, &mut out, limit);
            assert_eq!(out.len(), expected, "{limit}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_an_error_inside_it(text in "[{}a-z\\[\\]0-9. ä]{0,40}") {
            for read in [Template::text(&text), Template::bytes(&text)] {
                match read {
                    Ok(template) => drop(rendered(&template, b"Hello")),
                    Err(error) => prop_assert!(error.at() < text.len()),
                }
            }
        }
    }
}
