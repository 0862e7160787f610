//! What every part of the screen is drawn with: styles, lines, words that fit.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use udpkit::Ignored;

use super::numbers::short;
use crate::output::escape;

/// The styles of what is drawn; without colours where they are not wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Styles {
    pub(crate) address: Style,
    pub(crate) faint: Style,
    pub(crate) strong: Style,
    pub(crate) alarm: Style,
    pub(crate) chosen: Style,
    pub(crate) broadcast: Style,
    pub(crate) multicast: Style,
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
pub(crate) fn rows(part: Rect) -> impl Iterator<Item = Rect> {
    (part.y..part.bottom()).map(move |y| Rect { y, height: 1, ..part })
}

/// Writes a text on a line from this column on, as far as it fits; returns the column behind it.
pub(crate) fn put(buffer: &mut Buffer, line: Rect, column: usize, text: &str, style: Style) -> usize {
    let width = usize::from(line.width);
    if line.height == 0 || column >= width {
        return column;
    }
    let x = line.x + u16::try_from(column).unwrap_or(u16::MAX);
    let (end, _) = buffer.set_stringn(x, line.y, text, width - column, style);
    usize::from(end - line.x)
}

/// Bytes of strangers made safe.
pub(crate) fn safe(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    // Writing into memory does not fail.
    let _ = escape::write(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

/// Puts parts on lines, as many on each as fit; those that tell of a loss are on lines of their own.
pub(crate) fn wrap(parts: Vec<(String, bool)>, width: u16) -> Vec<(String, bool)> {
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

/// What the kernel dropped, if it says so, and whether anything was lost by that.
pub(crate) fn dropped(count: Option<u64>, is_at_least: bool) -> (String, bool) {
    let at_least = if is_at_least { "at least " } else { "" };
    let dropped = count.map_or_else(|| "unknown".to_owned(), |count| format!("{at_least}{count}"));
    (format!("dropped by the kernel {dropped}"), count > Some(0))
}

/// What was ignored, reason by reason; no losses.
pub(crate) fn reasons(ignored: &Ignored) -> impl Iterator<Item = (String, bool)> {
    ignored.iter().map(|(reason, count)| (format!("ignored {count}: {reason}"), false))
}

#[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
pub(crate) fn short_bytes(bytes: u64) -> String {
    format!("{}B", short(bytes as f64))
}

/// Lays lines over all of an area.
pub(crate) fn overlay<T: AsRef<str>>(buffer: &mut Buffer, area: Rect, lines: &[T], styles: &Styles) {
    for (line, text) in rows(area).zip(lines) {
        buffer.set_style(line, Style::reset());
        put(buffer, line, 0, &" ".repeat(usize::from(line.width)), Style::reset());
        put(buffer, line, 0, text.as_ref(), styles.strong);
    }
}
