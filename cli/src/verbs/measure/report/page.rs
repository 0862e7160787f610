//! What a page is made of, and what all its parts need: figures as people read them, headings, and words that are safe in HTML.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use udpkit::Report;
use udpkit::verbs::{LoadFigures, MeasureFigures, MeasureOptions};

use super::super::readings::Readings;
use super::history::History;
use crate::output::escape;
use crate::words::figures::{Known, Unit};
use crate::words::language::Language;

/// What the page is made of.
pub(super) struct Page<'a> {
    pub(super) language: Language,
    /// The reflector, as it was named.
    pub(super) name: &'a str,
    /// What is wrong, a sentence each.
    pub(super) verdict: &'a [String],
    /// The summary, as `--json` has it.
    pub(super) figures: &'a Map<String, Value>,
    pub(super) readings: Readings,
    pub(super) options: &'a MeasureOptions,
    pub(super) report: &'a Report<MeasureFigures>,
    pub(super) history: &'a History,
    /// The command line.
    pub(super) command: &'a str,
    pub(super) started: SystemTime,
    /// Where it ran, as the system names it.
    pub(super) host: Option<&'a str>,
}

impl Page<'_> {
    /// The load beside the probes, if some of it was sent.
    pub(super) fn load(&self) -> Option<&LoadFigures> {
        self.report.own.load.as_deref().filter(|load| load.sent + load.failed > 0)
    }

    /// What is known of a figure by its name.
    pub(super) fn known(&self, name: &str) -> Option<Known> {
        self.readings.known(name.parse().ok()?)
    }

    /// What is known, as people read it.
    pub(super) fn show(&self, known: Known, unit: Unit) -> String {
        let show = |value: f64| self.language.number(&unit.show(value).replace('%', " %"));
        match (known.low, known.high) {
            (low, high) if low.total_cmp(&high).is_eq() && low.is_infinite() => "∞".to_owned(),
            (low, high) if low.total_cmp(&high).is_eq() => show(low),
            (low, high) if high.is_infinite() => format!("≥ {}", show(low)),
            (low, high) => format!("{} – {}", show(low), show(high)),
        }
    }
}

/// A mark of a plot and what it stands for: its class, and words.
pub(super) struct Legend<'a>(pub(super) &'a str, pub(super) &'a str);

/// A figure with its heading; the words are HTML already.
pub(super) fn figure(id: &str, title: &str, note: &str, legend: &[Legend<'_>], content: &str) -> String {
    let mut html = format!("<figure id=\"plot-{id}\"><figcaption><h2>{title}</h2><p class=\"note\">{note}</p>");
    if !legend.is_empty() {
        html.push_str("<ul class=\"legend\">");
        for Legend(class, words) in legend {
            let _ = write!(html, "<li><i class=\"{class}\"></i>{words}</li>");
        }
        html.push_str("</ul>");
    }
    let _ = writeln!(html, "</figcaption>\n{content}</figure>");
    html
}

/// Words with names in them that others chose, as text or in an attribute: no markup, and nothing that steers what is shown.
pub(super) fn escaped(words: &str) -> String {
    escaped_text(&escape::words(words))
}

/// A text that has several lines.
pub(super) fn escaped_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_chose_is_neither_markup_nor_an_attribute_nor_steers() {
        let hostile = "</title><script>alert(1)</script>\" onload='x' & \u{202e}\u{1b}[2J\0";
        let safe = escaped(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{1b}', '\0']), "{safe}");
        assert!(safe.starts_with("&lt;/title&gt;&lt;script&gt;") && safe.contains(" &amp; "), "{safe}");
        assert_eq!(escaped("[2001:db8::1]:862"), "[2001:db8::1]:862");
    }
}
