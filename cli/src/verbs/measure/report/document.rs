//! The page as one document: the verdict first, then the run, plots, and tables.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use udpkit::Report;
use udpkit::verbs::{MeasureFigures, MeasureOptions};

use super::super::readings::Readings;
use super::history::History;
use super::{directions, distribution, over_time, tables};
use crate::output::escape;
use crate::words::endpoint::Endpoint;
use crate::words::figures::{Known, Unit};
use crate::words::language::Language;
use crate::words::units;

const STYLE: &str = include_str!("style.css");

/// The page may load nothing, and nothing in it runs.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

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

    /// The document.
    pub(super) fn document(&self) -> String {
        let say = self.language;
        let target = escaped(self.name);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n<link rel=\"icon\" href=\"data:,\"/>\n\
             <title>udp measure: {target}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
            say.code()
        );
        let _ = writeln!(
            html,
            "<header><p class=\"program\">udp measure</p><h1>{target}</h1><p class=\"note\">{}</p></header>\n<main>",
            self.when()
        );
        html.push_str(&self.verdict());
        html.push_str(&self.tiles());
        html.push_str("<div class=\"plots\">\n");
        html.push_str(&over_time::plots(self));
        html.push_str(&distribution::plot(self));
        html.push_str(&directions::bars(self));
        html.push_str("</div>\n");
        html.push_str(&tables::tables(self));
        html.push_str(&self.run());
        html.push_str(&self.as_json());
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }

    /// When it began, by UTC.
    fn when(&self) -> String {
        let time = jiff::Timestamp::try_from(self.started).map(|time| format!("{time:.0}")).unwrap_or_default();
        let words = time.replace('T', " ").replace('Z', " UTC");
        let mut text = format!("<time datetime=\"{time}\">{words}</time>");
        if let Some(host) = self.host {
            let _ = write!(text, " · {} {}", self.language.pick("from", "dari"), escaped(host));
        }
        text
    }

    fn verdict(&self) -> String {
        let heading = self.language.pick("Verdict", "Kesimpulan");
        let lines: String = self.verdict.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
        let note = self.language.pick("", " <span class=\"note\">(dalam bahasa Inggris)</span>");
        format!("<section id=\"verdict\"><h2>{heading}{note}</h2><ul lang=\"en\">{lines}</ul></section>\n")
    }

    /// What is asked for first.
    fn tiles(&self) -> String {
        let say = self.language;
        let tiles = [
            (say.pick("sent", "dikirim"), "sent", Unit::Count),
            (say.pick("loss", "hilang"), "loss", Unit::Share),
            (say.pick("round trip, median", "pulang-pergi, median"), "rtt.p50", Unit::Time),
            (say.pick("round trip, p99", "pulang-pergi, p99"), "rtt.p99", Unit::Time),
            (say.pick("response, p99", "waktu tanggap, p99"), "response.p99", Unit::Time),
        ];
        let mut html = "<dl class=\"tiles\">".to_owned();
        for (words, figure, unit) in tiles {
            let value = self.known(figure).map_or_else(|| "–".to_owned(), |known| self.show(known, unit));
            let _ = write!(html, "<div><dt>{words}</dt><dd>{value}</dd></div>");
        }
        html.push_str("</dl>\n");
        html
    }

    /// How it was measured, so that it can be done again.
    fn run(&self) -> String {
        let say = self.language;
        let options = self.options;
        let own = options.own.iter().map(|own| Endpoint(*own).to_string()).collect::<Vec<_>>();
        let from = match own.len() {
            0..=4 => own.join(", "),
            count => format!("{}, … ({count})", own[..3].join(", ")),
        };
        let sizes = options.sizes_sent();
        let bytes = match (sizes.iter().min(), sizes.iter().max()) {
            (Some(least), Some(most)) if least < most => format!("{least} – {most} B"),
            (Some(size), _) => format!("{size} B"),
            _ => String::new(),
        };
        let rate = format!("{:.3}", options.rate());
        let rate = say.number(rate.trim_end_matches('0').trim_end_matches('.'));
        let key = if options.key.is_some() { say.pick("yes", "ya") } else { say.pick("no", "tidak") };
        let facts = [
            (say.pick("Target", "Sasaran"), Endpoint(options.target).to_string()),
            (say.pick("Reflector", "Reflektor"), reflector(self.report.own.reflector.key(), say).to_owned()),
            (say.pick("From", "Dari"), from),
            (
                say.pick("Probes per second", "Probe per detik"),
                format!("{rate}{}", if options.poisson { " (Poisson)" } else { "" }),
            ),
            (say.pick("In a burst", "Sekali kirim"), options.burst.to_string()),
            (say.pick("Payload", "Muatan"), bytes),
            (say.pick("Took", "Lamanya"), say.number(&units::human(self.report.elapsed))),
            (say.pick("Lost after (--wait)", "Hilang setelah (--wait)"), say.number(&units::human(options.wait))),
            (say.pick("Authenticated", "Diautentikasi"), key.to_owned()),
            ("SSID", options.ssid.to_string()),
            ("DSCP / ECN", format!("{} / {}", options.traffic_class >> 2, options.traffic_class & 3)),
            (say.pick("Seed of random times", "Benih waktu acak"), options.seed.to_string()),
            (say.pick("Program", "Program"), format!("udp {}", env!("CARGO_PKG_VERSION"))),
        ];
        let mut html = format!(
            "<section id=\"run\"><h2>{}</h2>\n<pre><code>{}</code></pre>\n<dl class=\"facts\">",
            say.pick("How it was measured", "Cara pengukuran"),
            escaped(self.command)
        );
        for (name, value) in facts {
            let _ = write!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&value));
        }
        html.push_str("</dl></section>\n");
        html
    }

    /// All figures for programs, and for who wants those that have no row.
    fn as_json(&self) -> String {
        let words = self.language.pick("All figures as JSON", "Semua angka sebagai JSON");
        let json = serde_json::to_string_pretty(self.figures).unwrap_or_default();
        format!("<details><summary>{words}</summary><pre id=\"json\">{}</pre></details>\n", escaped_text(&json))
    }
}

/// What answers.
fn reflector(key: &str, say: Language) -> &'static str {
    match key {
        "counting" => {
            say.pick("counts what arrives: exact in each direction", "menghitung yang tiba: tepat di setiap arah")
        }
        "stateful" => {
            say.pick("numbers its replies: intervals in each direction", "menomori jawabannya: selang di setiap arah")
        }
        "stateless" => say.pick("without a memory: loss has no direction", "tanpa ingatan: kehilangan tanpa arah"),
        "echo" => say.pick("echo server: round trips only", "server echo: hanya pulang-pergi"),
        "silent" => say.pick("nothing answered", "tidak ada yang menjawab"),
        _ => say.pick("too little was seen to tell", "terlalu sedikit yang terlihat"),
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
fn escaped_text(text: &str) -> String {
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

    #[test]
    fn the_style_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"), "an address");
    }
}
