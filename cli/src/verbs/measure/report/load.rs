//! Before a load and beside it: how round trips of both halves are distributed, what the load added, and what became of it.

use std::fmt::Write as _;

use udpkit::Quantiles;
use udpkit::verbs::{AddedDelay, LoadFigures, LoadPhase};

use super::super::load::PARTS_SHOWN;
use super::super::table::{signed, time};
use super::distribution::{self, Curve};
use super::page::{Legend, Page, figure};
use crate::words::language::Language;
use crate::words::units;

/// The plot of both halves, with the table of what was added.
pub(super) fn plot(page: &Page<'_>) -> String {
    let (say, Some(load)) = (page.language, page.load()) else { return String::new() };
    let title = say.pick("Before the load, and beside it", "Sebelum beban, dan selama beban");
    let note = say.pick(
        "The part of the probes of each half whose round trip took no longer than a time. How far the second curve is to the right is the time in the queues that the load fills.",
        "Bagian dari probe di masing-masing paruh yang waktu pulang-perginya tidak lebih lama dari suatu waktu. Jarak kurva kedua ke kanan adalah waktu di antrean yang dipenuhi beban.",
    );
    let legend =
        [Legend("idle", say.pick("before", "sebelum")), Legend("loaded", say.pick("under load", "selama beban"))];
    let curves = [curve("idle", &load.idle), curve("loaded", &load.loaded)];
    let note = format!("{note}{}", distribution::logarithmic(say, distribution::scale_of(&curves)));
    let content = distribution::curves(page, title, &curves) + &added(load, say) + &carried(load, say);
    figure("load", title, &note, &legend, &content)
}

fn curve<'a>(class: &'static str, phase: &'a LoadPhase) -> Curve<'a> {
    let times: &Quantiles = &phase.rtt;
    Curve { class, times, of: phase.answered + phase.lost }
}

/// The table of what was added.
fn added(load: &LoadFigures, say: Language) -> String {
    let heads = [
        "",
        say.pick("before", "sebelum"),
        say.pick("under load", "selama beban"),
        say.pick("added", "ditambahkan"),
        say.pick("at least", "sedikitnya"),
        say.pick("at most", "paling banyak"),
    ];
    let mut html = "<table><thead><tr>".to_owned();
    heads.iter().for_each(|head| {
        let _ = write!(html, "<th scope=\"col\">{head}</th>");
    });
    html.push_str("</tr></thead><tbody>");
    let mut row = |name: String, both: [String; 2], added: &AddedDelay| {
        let end = |end: Option<_>| end.map_or_else(|| "–".to_owned(), signed);
        let [before, during] = both;
        let cells = [before, during, signed(added.delay), end(added.low), end(added.high)];
        let _ = write!(html, "<tr><th scope=\"row\">{name}</th>");
        for (cell, head) in cells.iter().zip(&heads[1..]) {
            let class = if cell.is_empty() { " class=\"none\"" } else { "" };
            let _ = write!(html, "<td{class} data-label=\"{head}\">{}</td>", say.number(cell));
        }
        html.push_str("</tr>");
    };
    for (percentile, part) in PARTS_SHOWN {
        if let Some(added) = load.added_rtt(part) {
            let both = [&load.idle, &load.loaded].map(|phase| time(phase.rtt.at(part)));
            row(format!("{} {percentile}", say.pick("round trip", "pulang-pergi")), both, &added);
        }
    }
    let directions = [
        (say.pick("forward", "pergi"), PARTS_SHOWN.map(|(_, part)| load.added_forward(part))),
        (say.pick("reverse", "pulang"), PARTS_SHOWN.map(|(_, part)| load.added_reverse(part))),
    ];
    for (name, of) in directions {
        for ((percentile, _), added) in PARTS_SHOWN.into_iter().zip(of) {
            if let Some(added) = added {
                row(format!("{name} {percentile}"), [String::new(), String::new()], &added);
            }
        }
    }
    html.push_str("</tbody></table>");
    html
}

/// What became of the load.
fn carried(load: &LoadFigures, say: Language) -> String {
    let bits = |bits: Option<f64>| bits.map_or_else(|| "–".to_owned(), |bits| say.number(&units::bits(bits)));
    let [asked, sent, arrived] = [Some(load.bitrate), load.sent_bitrate(), load.arrived_bitrate()].map(bits);
    let size = load.size;
    let words = say.pick(
        format!("Load: {asked} in datagrams of {size} B; {sent} sent, {arrived} arrived."),
        format!("Beban: {asked} dalam datagram {size} B; {sent} dikirim, {arrived} tiba."),
    );
    let range = say.pick(
        "At least, at most: in 95 of 100 cases the true value is between them; – where too few probes say it.",
        "Sedikitnya, paling banyak: dalam 95 dari 100 kasus nilai sebenarnya ada di antaranya; – bila probe terlalu sedikit.",
    );
    format!("<p class=\"note\">{words} {range}</p>")
}
