//! What every part of the screen is drawn with: styles, lines, words that fit.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use udpkit::Delivery;

use super::numbers::short;
use super::senders::Line;
use crate::output::escape;

/// The styles of what is drawn; without colours where they are not wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Styles {
    pub(super) address: Style,
    pub(super) faint: Style,
    pub(super) strong: Style,
    pub(super) alarm: Style,
    pub(super) chosen: Style,
    pub(super) broadcast: Style,
    pub(super) multicast: Style,
}

impl Styles {
    pub(crate) fn new(color: bool) -> Self {
        let plain = Style::new();
        let hue = |color_of: Color| if color { plain.fg(color_of) } else { plain };
        Self {
            address: hue(Color::Cyan),
            faint: plain.add_modifier(Modifier::DIM),
            strong: plain.add_modifier(Modifier::BOLD),
            alarm: hue(Color::Red).add_modifier(Modifier::BOLD),
            chosen: plain.add_modifier(Modifier::REVERSED),
            broadcast: hue(Color::Yellow),
            multicast: hue(Color::Magenta),
        }
    }
}

/// The lines of a part, each a part of its own.
pub(super) fn rows(part: Rect) -> impl Iterator<Item = Rect> {
    (part.y..part.bottom()).map(move |y| Rect { y, height: 1, ..part })
}

/// Writes a text on a line from this column on, as far as it fits; returns the column behind it.
pub(super) fn put(buffer: &mut Buffer, line: Rect, column: usize, text: &str, style: Style) -> usize {
    let width = usize::from(line.width);
    if line.height == 0 || column >= width {
        return column;
    }
    let x = line.x + u16::try_from(column).unwrap_or(u16::MAX);
    let (end, _) = buffer.set_stringn(x, line.y, text, width - column, style);
    usize::from(end - line.x)
}

/// Bytes of strangers made safe.
pub(super) fn safe(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    // Writing into memory does not fail.
    let _ = escape::write(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

/// Puts parts on lines, as many on each as fit; those that tell of a loss are on lines of their own.
pub(super) fn wrap(parts: Vec<(String, bool)>, width: u16) -> Vec<(String, bool)> {
    let mut lines: Vec<(String, bool)> = Vec::new();
    for (part, is_alarm) in parts {
        match lines.last_mut() {
            Some((line, alarm))
                if line.chars().count() + 2 + part.chars().count() <= usize::from(width) && *alarm == is_alarm =>
            {
                line.push_str("  ");
                line.push_str(&part);
            }
            _ => lines.push((part, is_alarm)),
        }
    }
    lines
}

#[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
pub(super) fn short_bytes(bytes: u64) -> String {
    format!("{}B", short(bytes as f64))
}

/// The longest time between two datagrams of a sender, if there were two.
pub(super) fn gap(line: &Line) -> Option<Duration> {
    (line.count.datagrams > 1).then_some(line.longest_gap)
}

/// How a datagram was addressed, and where it came in.
pub(super) fn delivery(delivery: Delivery, interface: Option<&str>) -> String {
    match interface {
        Some(name) => format!("{delivery}@{}", escape::words(name)),
        None => delivery.to_string(),
    }
}
