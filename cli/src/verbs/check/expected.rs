//! Whether a payload is the one that was to be sent, and what is wrong with it if not.

use crate::output::escape;
use crate::words::units::counted;

/// How what came differs from the payload that was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// It does not: each datagram is that payload.
    None,
    /// It came in so many datagrams.
    Split(usize),
    /// Something follows it, named here.
    Terminator(&'static str),
    /// It is in this encoding.
    Encoding(&'static str),
    /// It is something else, or something else came, too: the first of that.
    Other(Vec<u8>),
}

/// Compares what came, in its order, with what was to come.
pub(super) fn compare(expected: &[u8], payloads: &[Vec<u8>]) -> Difference {
    let Some(other) = payloads.iter().find(|payload| *payload != expected) else { return Difference::None };
    if let Some(terminator) = other.strip_prefix(expected).and_then(terminator) {
        return Difference::Terminator(terminator);
    }
    if let Some(encoding) = encodings(expected).into_iter().find(|(_, bytes)| bytes == other) {
        return Difference::Encoding(encoding.0);
    }
    // Once is enough: it may be repeated, whole or not.
    let mut joined = Vec::new();
    for (count, payload) in payloads.iter().enumerate() {
        joined.extend_from_slice(payload);
        if joined == expected && count > 0 {
            return Difference::Split(count + 1);
        }
        if !expected.starts_with(&joined) {
            break;
        }
    }
    Difference::Other(other.clone())
}

fn terminator(rest: &[u8]) -> Option<&'static str> {
    match rest {
        b"\n" => Some("a newline"),
        b"\r\n" => Some("a carriage return and a newline"),
        b"\r" => Some("a carriage return"),
        b"\0" => Some("a NUL byte"),
        _ => None,
    }
}

/// The same text in encodings other than UTF-8, where it is one that they make of it.
fn encodings(expected: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let Ok(text) = str::from_utf8(expected) else { return Vec::new() };
    let wide = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let wider = |unit: fn(u32) -> [u8; 4]| text.chars().flat_map(|letter| unit(letter.into())).collect::<Vec<u8>>();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    let (little_32, big_32) = (wider(u32::to_le_bytes), wider(u32::to_be_bytes));
    let latin: Option<Vec<u8>> = text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    let mut all = vec![
        ("UTF-8 with a byte order mark", marked(b"\xef\xbb\xbf", expected)),
        ("UTF-16", marked(b"\xff\xfe", &little)),
        ("UTF-16", marked(b"\xfe\xff", &big)),
        ("UTF-16", little),
        ("UTF-16", big),
        ("UTF-32", marked(b"\xff\xfe\0\0", &little_32)),
        ("UTF-32", marked(b"\0\0\xfe\xff", &big_32)),
        ("UTF-32", little_32),
        ("UTF-32", big_32),
    ];
    all.extend(latin.map(|latin| ("Latin-1", latin)));
    all.retain(|(_, bytes)| bytes != expected);
    all
}

/// A payload in words: its start, escaped, in quotes, and its length where that is not all.
pub(super) fn quoted(payload: &[u8]) -> String {
    const SHOWN: usize = 48;
    let start = &payload[..payload.len().min(SHOWN)];
    let mut words = Vec::new();
    // Writing to memory does not fail.
    let _ = escape::write(&mut words, start);
    let words = String::from_utf8_lossy(&words);
    match payload.len() {
        0 => "an empty datagram".to_owned(),
        SHOWN.. => format!("'{words}...' ({})", counted(payload.len() as u64, "byte")),
        _ => format!("'{words}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(expected: &str, payloads: &[&[u8]]) -> Difference {
        compare(expected.as_bytes(), &payloads.iter().map(|payload| payload.to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn what_was_to_come_may_come_again() {
        assert_eq!(compared("hi", &[b"hi"]), Difference::None);
        assert_eq!(compared("hi", &[b"hi", b"hi"]), Difference::None);
        assert_eq!(compared("", &[b""]), Difference::None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(compared("hi", &[b"hi\n"]), Difference::Terminator("a newline"));
        assert_eq!(compared("hi", &[b"hi\0"]), Difference::Terminator("a NUL byte"));
        assert_eq!(compared("hello", &[b"he", b"llo"]), Difference::Split(2));
        assert_eq!(compared("hello", &[b"h", b"el", b"lo", b"h", b"el", b"lo"]), Difference::Split(3));
        assert_eq!(compared("hi", &[b"\xff\xfeh\0i\0"]), Difference::Encoding("UTF-16"));
        assert_eq!(compared("hi", &[b"h\0\0\0i\0\0\0"]), Difference::Encoding("UTF-32"));
        assert_eq!(compared("\u{e9}", &[b"\xe9"]), Difference::Encoding("Latin-1"));
        assert_eq!(compared("hi", &[b"ho"]), Difference::Other(b"ho".to_vec()));
        assert_eq!(compared("hi", &[b"X", b"hi"]), Difference::Other(b"X".to_vec()));
        assert_eq!(compared("hi", &[b"hi", b"\n"]), Difference::Other(b"\n".to_vec()));
        assert_eq!(compared("hi", &[b""]), Difference::Other(Vec::new()));
    }
}
