//! Draws the last fates of a direction: a line for each datagram, and for each copy.

use std::fmt::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use udpkit::event::Leaving;
use udpkit::impairment::Departure;

use super::feed::{Known, Recent};
use crate::tui::drawing::{Styles, put};
use crate::tui::numbers::{Unit, count};
use crate::words::endpoint::Endpoint;

/// Letters of the longest IPv4 address with its port, and of the longest IPv6 address.
const PEER_V4: usize = 21;
const PEER_V6: usize = 47;
/// Letters of a number, a length and a delay, and before them.
const NUMBER: usize = 8;
const LENGTH: usize = 7;
const DELAY: usize = 8;
const INDENT: usize = 2;
/// Letters that words for a fate have at least.
const WORDS: usize = 15;

/// Which columns there is room for.
#[derive(Clone, Copy)]
struct Columns {
    peer: Option<usize>,
    decided: bool,
}

impl Columns {
    fn fit(width: usize, fates: &[Recent]) -> Self {
        let longest = fates.iter().map(|it| Endpoint(it.peer).to_string().len()).max().unwrap_or(0);
        let least = INDENT + 2 + NUMBER + 1 + LENGTH + 1 + DELAY + 2 + WORDS;
        let decided = width > least + DELAY;
        let room = width.saturating_sub(least + DELAY + 1 + 2);
        // One that is cut still tells most peers apart.
        let peer = (room >= PEER_V4).then(|| longest.clamp(PEER_V4, PEER_V6).min(room));
        Self { peer, decided }
    }

    fn line(self, [number, peer, length, decided, achieved]: [&str; 5]) -> String {
        let mut line = format!("{number:>NUMBER$}");
        // Writing into memory does not fail.
        if let Some(width) = self.peer {
            let (shown, cut) = if peer.len() > width { (width - 1, "…") } else { (width, "") };
            let _ = write!(line, "  {:<width$}", format!("{peer:.shown$}{cut}"));
        }
        let _ = write!(line, " {length:>LENGTH$}");
        if self.decided {
            let _ = write!(line, " {decided:>DELAY$}");
        }
        let _ = write!(line, " {achieved:>DELAY$}  ");
        line
    }
}

/// Draws as many as there is room for, the newest first.
pub(super) fn draw(buffer: &mut Buffer, mut free: impl Iterator<Item = Rect>, fates: &[Recent], styles: &Styles) {
    let Some(line) = free.next() else { return };
    let columns = Columns::fit(line.width.into(), fates);
    let head = columns.line(["number", "peer", "length", "decided", "achieved"]);
    let end = put(buffer, line, INDENT + 2, &head, styles.faint);
    put(buffer, line, end, "fate", styles.faint);
    let places: Vec<_> = free.collect();
    let shown = &fates[..fates.len().min(places.len())];
    let unit = Unit::of(shown.iter().flat_map(|it| delays(it.fate)).flatten().max().unwrap_or_default());
    for (line, it) in places.into_iter().zip(shown) {
        let (sign, words, style) = fate(it, styles);
        let [decided, achieved] =
            delays(it.fate).map(|delay| delay.map_or_else(|| "-".to_owned(), |delay| unit.tell(delay)));
        let (number, length) = (count(it.number, NUMBER), format!("{} B", it.payload_len));
        let end = put(buffer, line, INDENT, sign, style);
        let peer = Endpoint(it.peer).to_string();
        let text = columns.line([&number, &peer, &length, &decided, &achieved]);
        let end = put(buffer, line, end + 1, &text, Style::new());
        put(buffer, line, end, &words, style);
    }
}

/// The delay as decided, and as achieved.
fn delays(fate: Known) -> [Option<Duration>; 2] {
    match fate {
        Known::Lost(_) => [None, None],
        Known::UnderWay(_, decided) => [Some(decided), None],
        Known::Left(_, Leaving::Forwarded, decided, achieved) => [Some(decided), Some(achieved)],
        Known::Left(_, _, decided, _) => [Some(decided), None],
    }
}

/// A sign for a fate, words for it, and how both are drawn: none of these is the only one that tells it from others.
fn fate(it: &Recent, styles: &Styles) -> (&'static str, String, Style) {
    let copy = if it.is_copy { "copy " } else { "" };
    let (departure, words) = match it.fate {
        Known::Lost(by) => return ("✗", format!("{copy}lost: {}", by.key()), styles.alarm),
        Known::UnderWay(departure, _) => (departure, "under way"),
        Known::Left(departure, Leaving::Forwarded, ..) if departure.is_exempt => (departure, "left as it came"),
        Known::Left(departure, Leaving::Forwarded, ..) => (departure, "left"),
        Known::Left(departure, Leaving::Forgotten, ..) => (departure, "peer was gone"),
        Known::Left(departure, ..) => (departure, "unfinished"),
    };
    let words = format!("{copy}{words}{}", changes(&departure));
    let sign = match it.fate {
        Known::Left(_, Leaving::Forwarded, ..) if departure.flipped_bit.is_some() => "≠",
        Known::Left(_, Leaving::Forwarded, ..) if departure.overtaken.is_some() => "⇄",
        Known::Left(_, Leaving::Forwarded, ..) if it.is_copy => "+",
        Known::Left(_, Leaving::Forwarded, ..) => "→",
        Known::UnderWay(..) => return ("·", words, styles.faint),
        _ => return ("-", words, styles.alarm),
    };
    let is_changed = departure.flipped_bit.is_some() || departure.overtaken.is_some();
    (sign, words, if is_changed { styles.broadcast } else { Style::new() })
}

/// What else was done to a datagram that leaves.
fn changes(departure: &Departure) -> String {
    let mut words = String::new();
    // Writing into memory does not fail.
    if departure.flipped_bit.is_some() {
        words.push_str(", corrupted");
    }
    if let Some(overtaken) = departure.overtaken {
        let _ = write!(words, ", overtaken by {}", overtaken.followers);
    }
    if departure.ce_marked {
        words.push_str(", marked");
    }
    words
}
