//! The tables of figures: each with what it is, in a sentence.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::definitions::definition;
use super::page::{Page, escaped};
use crate::words::figures::{Figure, Quantity, Scope, Statistic, Unit};

/// What is counted, and what is one number, in the order in which it is listed.
const NUMBERS: [Quantity; 14] = [
    Quantity::Sent,
    Quantity::Answered,
    Quantity::Lost,
    Quantity::Loss,
    Quantity::Late,
    Quantity::Duplicates,
    Quantity::Duplication,
    Quantity::Reordered,
    Quantity::Reordering,
    Quantity::RtpJitter,
    Quantity::Mos,
    Quantity::RFactor,
    Quantity::LoadedLoss,
    Quantity::LoadArrived,
];
const TIMES: [Quantity; 8] = [
    Quantity::Rtt,
    Quantity::Response,
    Quantity::Residence,
    Quantity::Lateness,
    Quantity::Delay,
    Quantity::Variation,
    Quantity::Ipdv,
    Quantity::AddedDelay,
];
const CLOCK: [Quantity; 3] = [Quantity::ClockOffset, Quantity::ClockBound, Quantity::ClockDrift];
const SCOPES: [Scope; 3] = [Scope::Whole, Scope::Forward, Scope::Reverse];

/// All tables.
pub(super) fn tables(page: &Page<'_>) -> String {
    let say = page.language;
    let mut html = format!("<section id=\"figures\"><h2>{}</h2>\n", say.pick("Figures", "Angka-angka"));
    html.push_str(&numbers(page));
    html.push_str(&times(page));
    html.push_str(&clock(page));
    html.push_str("</section>\n");
    html
}

fn numbers(page: &Page<'_>) -> String {
    let say = page.language;
    let mut html = head(&[
        say.pick("Counts and shares", "Hitungan dan bagian"),
        say.pick("round trip", "pulang-pergi"),
        say.pick("forward", "pergi"),
        say.pick("reverse", "pulang"),
    ]);
    for quantity in NUMBERS {
        let cells: Vec<_> = SCOPES
            .into_iter()
            .map(|scope| quantity.has(scope).then_some(Figure { scope, quantity, statistic: None }))
            .collect();
        if cells.iter().flatten().any(|figure| page.readings.known(*figure).is_some()) {
            row(&mut html, page, &name(page, quantity, Scope::Whole), Some(quantity), &cells);
        }
    }
    html.push_str("</tbody></table>\n");
    html
}

fn times(page: &Page<'_>) -> String {
    let say = page.language;
    let mut html =
        head(&[say.pick("Times", "Waktu"), "min", say.pick("mean", "rata-rata"), "p50", "p90", "p99", "p99.9", "max"]);
    for quantity in TIMES {
        for scope in SCOPES.into_iter().filter(|scope| quantity.has(*scope)) {
            let of = |statistic| Some(Figure { scope, quantity, statistic: Some(statistic) });
            let cells = Statistic::ALL.map(of);
            if cells
                .iter()
                .flatten()
                .all(|figure| page.readings.known(*figure).is_none_or(|known| known.low.is_infinite()))
            {
                continue;
            }
            let is_first = SCOPES.into_iter().find(|scope| quantity.has(*scope)) == Some(scope);
            let definition = is_first.then_some(quantity);
            row(&mut html, page, &name(page, quantity, scope), definition, &cells);
            of_sent(&mut html, page, quantity);
        }
    }
    html.push_str("</tbody></table>\n");
    let note = say.pick(
        "Percentiles are of the probes that were answered, unless they are of all sent: then lost ones are later than any other.",
        "Persentil dihitung dari probe yang terjawab, kecuali yang dari semua yang dikirim: di situ yang hilang lebih lambat dari yang lain.",
    );
    let _ = writeln!(html, "<p class=\"note\">{note}</p>");
    html
}

/// Percentiles of all probes sent, where some were lost.
fn of_sent(html: &mut String, page: &Page<'_>, quantity: Quantity) {
    let Some(of_sent) = page.figures.get("round_trip").and_then(|whole| whole.get(quantity.word())?.get("of_sent"))
    else {
        return;
    };
    if page.report.own.lost == 0 {
        return;
    }
    let say = page.language;
    let _ = write!(
        html,
        "<tr class=\"more\"><th scope=\"row\">{} {}</th>",
        quantity.word(),
        say.pick("of all sent", "dari semua yang dikirim")
    );
    for statistic in Statistic::ALL {
        let text = match of_sent.get(format!("{}_ns", statistic.word())) {
            Some(Value::Null) => say.pick("lost", "hilang").to_owned(),
            Some(value) => value
                .as_u64()
                .map_or_else(String::new, |time| say.number(&crate::words::units::human(Duration::from_nanos(time)))),
            None => String::new(),
        };
        let _ = write!(html, "<td data-label=\"{}\">{text}</td>", label(page, statistic));
    }
    html.push_str("</tr>\n");
}

fn clock(page: &Page<'_>) -> String {
    let say = page.language;
    let mut html = head(&[say.pick("The reflector's clock", "Jam reflektor"), ""]);
    let mut has_any = false;
    for quantity in CLOCK {
        let figure = Figure { scope: Scope::Whole, quantity, statistic: None };
        if page.readings.known(figure).is_some() {
            has_any = true;
            row(&mut html, page, quantity.word(), Some(quantity), &[Some(figure)]);
        }
    }
    html.push_str("</tbody></table>\n");
    if has_any { html } else { String::new() }
}

fn head(names: &[&str]) -> String {
    let cells: String = names.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    format!("<table style=\"--columns:{}\"><thead><tr>{cells}</tr></thead><tbody>\n", names.len() - 1)
}

fn name(page: &Page<'_>, quantity: Quantity, scope: Scope) -> String {
    let direction = match scope {
        Scope::Whole => return quantity.word().to_owned(),
        Scope::Forward => page.language.pick("forward", "pergi"),
        Scope::Reverse => page.language.pick("reverse", "pulang"),
    };
    format!("{} <span class=\"way\">{direction}</span>", quantity.word())
}

/// A row: the name of a quantity, what it is if that is to be said, and its figures.
fn row(html: &mut String, page: &Page<'_>, name: &str, of: Option<Quantity>, cells: &[Option<Figure>]) {
    let _ = write!(html, "<tr><th scope=\"row\">{name}");
    if let Some((text, source)) = of.and_then(|quantity| definition(quantity.word(), page.language)) {
        let source = if source.is_empty() { String::new() } else { format!(" <cite>{}</cite>", escaped(&source)) };
        let _ = write!(html, "<p class=\"definition\">{}{source}</p>", escaped(text));
    }
    html.push_str("</th>");
    for figure in cells {
        let _ = write!(
            html,
            "<td{}>{}</td>",
            labelled(page, *figure),
            figure.map_or_else(String::new, |figure| cell(page, figure))
        );
    }
    html.push_str("</tr>\n");
}

/// What names a cell where there is no head of the table to be seen.
fn labelled(page: &Page<'_>, figure: Option<Figure>) -> String {
    let Some(figure) = figure else { return " class=\"none\"".to_owned() };
    let say = page.language;
    let words = match (figure.statistic, figure.scope) {
        (Some(statistic), _) => label(page, statistic),
        (None, _) if CLOCK.contains(&figure.quantity) => return String::new(),
        (None, Scope::Whole) => say.pick("round trip", "pulang-pergi"),
        (None, Scope::Forward) => say.pick("forward", "pergi"),
        (None, Scope::Reverse) => say.pick("reverse", "pulang"),
    };
    format!(" data-label=\"{words}\"")
}

fn label(page: &Page<'_>, statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::Mean => page.language.pick("mean", "rata-rata"),
        Statistic::P999 => "p99.9",
        other => other.word(),
    }
}

/// A figure, with its value for programs: ends of an interval with two dots between.
fn cell(page: &Page<'_>, figure: Figure) -> String {
    let Some(known) = page.readings.known(figure) else {
        return format!("<span class=\"unknown\">{}</span>", page.language.pick("not known", "tidak diketahui"));
    };
    let unit = match figure.quantity.unit() {
        // Nothing is below the smallest delay, but the change of delay has a sign.
        Unit::SignedTime | Unit::Time => Unit::SignedTime,
        other => other,
    };
    let value = if known.low.total_cmp(&known.high).is_eq() {
        known.low.to_string()
    } else {
        format!("{}..{}", known.low, known.high)
    };
    format!("<data id=\"{figure}\" value=\"{value}\">{}</data>", page.show(known, unit))
}
