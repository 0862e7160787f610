//! What follows from what came and from what was printed, for programs of every role.

use udpkit::MAX_PAYLOAD_V4;

use super::expected::{Difference, compare, quoted};
use super::marks::{find, shows};
use super::point::{Judged, Point};
use crate::words::units::counted;

/// What the payloads are in comparison with the one that was to come; `None` for points that are not about them.
pub(super) fn payload_points(point: &Point, expected: Option<&str>, payloads: &[Vec<u8>]) -> Option<Judged> {
    if !matches!(point.name, "payload" | "whole" | "terminator" | "encoding") {
        return None;
    }
    let Some(expected) = expected else {
        return Some(Judged::not_seen("--expect TEXT says what it is to send"));
    };
    let expected = expected.as_bytes();
    let difference = compare(expected, payloads);
    Some(match (point.name, difference) {
        ("whole", Difference::Split(count)) => {
            Judged::failed(format!("{} came in {count} datagrams", quoted(expected)))
        }
        ("terminator", Difference::Terminator(what)) => {
            Judged::failed(format!("{} was followed by {what}", quoted(expected)))
        }
        ("encoding", Difference::Encoding(name)) => Judged::failed(format!("{} came as {name}", quoted(expected))),
        ("payload", Difference::Other(other)) => {
            Judged::failed(format!("{} came, where {} was to come", quoted(&other), quoted(expected)))
        }
        (_, Difference::Other(_)) => Judged::not_seen("what came is not what was to come"),
        ("payload", Difference::None) => Judged::passed(format!("{} came", quoted(expected))),
        ("payload", _) => Judged::passed(format!("{} came, but see below", quoted(expected))),
        (_, _) => Judged::passed("as expected"),
    })
}

/// Whether an escape sequence was let through; the title that it sets and the mark that follows it are unique.
pub(super) fn escaped(printed: &[u8], is_on_terminal: bool, title: &str, mark: &str, payload: &[u8]) -> Judged {
    let is_raw = find(printed, format!("\x1b]0;{title}").as_bytes()).is_some();
    match () {
        () if is_raw && is_on_terminal => Judged::failed(
            "it printed ESC ] 0 ; and a title as they came: the title of the terminal is a stranger's now",
        ),
        () if is_raw => {
            Judged::not_seen("it printed ESC as it came, but to a pipe: this system gave the check no terminal")
        }
        () if shows(printed, mark, payload) || shows(printed, title, payload) => {
            Judged::passed("it printed the payload without its ESC")
        }
        () => Judged::not_seen("it printed nothing of the payload that could be found"),
    }
}

/// A payload as long as can be, with a mark at each end.
pub(super) fn large(first: &str, last: &str) -> Vec<u8> {
    let filler = MAX_PAYLOAD_V4 - first.len() - last.len();
    let filler = b"0123456789".iter().copied().cycle().take(filler);
    first.bytes().chain(filler).chain(last.bytes()).collect()
}

/// Whether such a payload was printed whole, or all of its length; nothing is known where it was not printed at all.
pub(super) fn whole(printed: &[u8], first: &str, last: &str) -> Option<Judged> {
    let has = |text: &str| find(printed, text.as_bytes()).is_some();
    match () {
        () if has(last) => Some(Judged::passed("it printed the beginning and the end of it")),
        () if ["65507", "65,507", "65.507", "65 507"].iter().any(|length| has(length)) => {
            Some(Judged::passed("it printed its length"))
        }
        () if has(first) => Some(Judged::failed(format!(
            "it printed the beginning of it and not the end: {} in all",
            counted(printed.len() as u64, "byte")
        ))),
        () => None,
    }
}
