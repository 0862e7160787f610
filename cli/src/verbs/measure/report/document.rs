//! The page as one document: the verdict first, then plots, tables, and how it was measured.

use std::fmt::Write as _;

use udpkit::verbs::LoadFigures;

use super::page::{Page, escaped, escaped_text};
use super::{directions, distribution, histogram, load, over_time, tables};
use crate::words::endpoint::Endpoint;
use crate::words::figures::Unit;
use crate::words::language::Language;
use crate::words::units;

const STYLE: &str = include_str!("style.css");

/// The page may load nothing, and nothing in it runs.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// The document.
pub(super) fn document(page: &Page<'_>) -> String {
    let say = page.language;
    let target = escaped(page.name);
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
        when(page)
    );
    html.push_str(&verdict(page));
    html.push_str(&tiles(page));
    html.push_str("<div class=\"plots\">\n");
    html.push_str(&over_time::plots(page));
    html.push_str(&distribution::plot(page));
    html.push_str(&load::plot(page));
    html.push_str(&histogram::plot(page));
    html.push_str(&directions::bars(page));
    html.push_str("</div>\n");
    html.push_str(&tables::tables(page));
    html.push_str(&run(page));
    html.push_str(&as_json(page));
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// When it began, by UTC.
fn when(page: &Page<'_>) -> String {
    let time = jiff::Timestamp::try_from(page.started).map(|time| format!("{time:.0}")).unwrap_or_default();
    let words = time.replace('T', " ").replace('Z', " UTC");
    let mut text = format!("<time datetime=\"{time}\">{words}</time>");
    if let Some(host) = page.host {
        let _ = write!(text, " · {} {}", page.language.pick("from", "dari"), escaped(host));
    }
    text
}

fn verdict(page: &Page<'_>) -> String {
    let heading = page.language.pick("Verdict", "Kesimpulan");
    let lines: String = page.verdict.iter().map(|line| format!("<li>{}</li>", escaped(line))).collect();
    format!("<section id=\"verdict\"><h2>{heading}</h2><ul>{lines}</ul></section>\n")
}

/// What is asked for first.
fn tiles(page: &Page<'_>) -> String {
    let say = page.language;
    let tiles = [
        (say.pick("sent", "dikirim"), "sent", Unit::Count),
        (say.pick("loss", "hilang"), "loss", Unit::Share),
        (say.pick("round trip, median", "pulang-pergi, median"), "rtt.p50", Unit::Time),
        (say.pick("round trip, p99", "pulang-pergi, p99"), "rtt.p99", Unit::Time),
        (say.pick("response, p99", "waktu tanggap, p99"), "response.p99", Unit::Time),
    ];
    let mut html = "<dl class=\"tiles\">".to_owned();
    for (words, figure, unit) in tiles {
        let value = page.known(figure).map_or_else(|| "–".to_owned(), |known| page.show(known, unit));
        let _ = write!(html, "<div><dt>{words}</dt><dd>{value}</dd></div>");
    }
    if let Some((added, grade)) = page.known("added-delay.p50").zip(page.load().and_then(LoadFigures::grade)) {
        let (words, value) = (say.pick("added by the load", "ditambahkan beban"), page.show(added, Unit::SignedTime));
        let _ = write!(html, "<div><dt>{words}</dt><dd>{value} · {grade}</dd></div>");
    }
    html.push_str("</dl>\n");
    html
}

/// How it was measured, so that it can be done again.
fn run(page: &Page<'_>) -> String {
    let say = page.language;
    let options = page.options;
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
        (say.pick("Reflector", "Reflektor"), reflector(page.report.own.reflector.key(), say).to_owned()),
        (say.pick("From", "Dari"), from),
        (
            say.pick("Probes per second", "Probe per detik"),
            format!("{rate}{}", if options.poisson { " (Poisson)" } else { "" }),
        ),
        (say.pick("In a burst", "Sekali kirim"), options.burst.to_string()),
        (say.pick("Payload", "Muatan"), bytes),
        (say.pick("Took", "Lamanya"), say.number(&units::human(page.report.elapsed))),
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
        escaped(page.command)
    );
    for (name, value) in facts {
        let _ = write!(html, "<div><dt>{name}</dt><dd>{}</dd></div>", escaped(&value));
    }
    html.push_str("</dl></section>\n");
    html
}

/// All figures for programs, and for who wants those that have no row.
fn as_json(page: &Page<'_>) -> String {
    let words = page.language.pick("All figures as JSON", "Semua angka sebagai JSON");
    let json = serde_json::to_string_pretty(page.figures).unwrap_or_default();
    format!("<details><summary>{words}</summary><pre id=\"json\">{}</pre></details>\n", escaped_text(&json))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"), "an address");
    }
}
