//! The table at the end: every figure that a person asks for first, and the verdict.

use std::time::Duration;

use udpkit::path::Percentile;
use udpkit::verbs::{MeasureFigures, MeasureOptions, OneWay, OneWayCounts, ReflectorKind};
use udpkit::{Bounds, Quantiles, Report, SignedNanoseconds};

use crate::output::summary::ignored;
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// The lines of the table, with those of a load.
pub(super) fn table(
    options: &MeasureOptions,
    report: &Report<MeasureFigures>,
    of_load: &[String],
    verdict: &[String],
) -> Vec<String> {
    let own = &report.own;
    let mut lines = vec![heading(options, report)];
    lines.push(String::new());
    lines.push(row("", &["sent", "lost", "", "duplicates", "reordered"]));
    lines.push(whole(own));
    if own.reflector != ReflectorKind::Silent {
        lines.extend(direction("forward", &own.forward));
        lines.extend(direction("reverse", &own.reverse));
    }
    if own.waiting > 0 {
        lines.push(format!("  {} outstanding when it was ended", own.waiting));
    }
    lines.extend(ignored(report));
    lines.extend(class_of_service(options));
    lines.push(String::new());
    lines.push(row("", &["min", "p50", "p90", "p99", "p99.9", "max"]));
    lines.extend(times("round trip", &own.rtt, Some(own)));
    lines.extend(times("response", &own.response, Some(own)));
    lines.extend(times("in reflector", &own.residence, None));
    lines.extend(times("forward pdv", &own.forward.variation.pdv(), None));
    lines.extend(times("reverse pdv", &own.reverse.variation.pdv(), None));
    lines.extend(times("sent late", &own.lateness, None));
    lines.extend(one_way(own));
    if !of_load.is_empty() {
        lines.push(String::new());
        lines.extend(of_load.iter().cloned());
    }
    lines.push(String::new());
    lines.extend(verdict.iter().cloned());
    lines
}

fn heading(options: &MeasureOptions, report: &Report<MeasureFigures>) -> String {
    let own = &report.own;
    format!(
        "{} ({}): {} in {}, lost after {}",
        Endpoint(options.target),
        own.reflector,
        units::counted(own.sent, "probe"),
        units::human(report.elapsed),
        units::human(options.wait),
    )
}

/// That probes have no room to ask for DSCP and ECN forward, and which size has.
fn class_of_service(options: &MeasureOptions) -> Option<String> {
    let short = options.sizes_sent().into_iter().find(|size| !options.has_class_of_service(*size))?;
    let enough = (short..=short + options.full_size()).find(|size| options.has_class_of_service(*size))?;
    Some(format!("  DSCP and ECN forward: not measured at {short} B, needs --size {enough}"))
}

/// A row: its name, then its cells, right-aligned.
pub(super) fn row(name: &str, cells: &[&str]) -> String {
    let cells: String = cells.iter().map(|cell| format!(" {cell:>12}")).collect();
    format!("{name:<13}{cells}").trim_end().to_owned()
}

fn whole(own: &MeasureFigures) -> String {
    let lost = Bounds::exact(own.lost);
    let share = share(lost, Bounds::exact(own.lost + own.answered));
    let cells = [own.sent.to_string(), own.lost.to_string(), share, own.duplicates.to_string(), String::new()];
    row("round trip", &cells.each_ref().map(String::as_str))
}

fn direction(name: &str, direction: &OneWay) -> Option<String> {
    let OneWayCounts { lost, duplicates, reordered, sent, .. } = direction.counts?;
    let cells = [short(sent), short(lost), share(lost, sent), short(duplicates), short(reordered)];
    Some(row(name, &cells.each_ref().map(String::as_str)))
}

/// A count as it fits a cell.
fn short(count: Bounds) -> String {
    match count {
        _ if count.is_exact() => count.low.to_string(),
        _ if count.is_bounded() => format!("{}..{}", count.low, count.high),
        _ => format!("{} or more", count.low),
    }
}

/// A count as a part of another, in percent.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
pub(super) fn share(count: Bounds, of: Bounds) -> String {
    if of.low == 0 || !count.is_bounded() || !of.is_bounded() {
        return "?".to_owned();
    }
    let [low, high] = [(count.low, of.high), (count.high, of.low)].map(|(part, all)| part as f64 / all as f64 * 100.0);
    // As many digits as fit a cell.
    let [short_low, short_high] = [low, high].map(|percent| format!("{percent:.1}"));
    match () {
        () if count.is_exact() && of.is_exact() => format!("{low:.2} %"),
        () if short_low == short_high => format!("{short_low} %"),
        () => format!("{short_low}..{short_high} %"),
    }
}

/// Percentiles of times; where probes were lost, of all that were sent, those lost infinitely late.
fn times(name: &str, times: &Quantiles, lost: Option<&MeasureFigures>) -> Option<String> {
    if times.count() == 0 {
        return None;
    }
    let lost = lost.map_or(0, |own| own.lost);
    let at = |part| match Percentile::of(times, lost, part) {
        Percentile::Time(at) => time(at),
        _ => "lost".to_owned(),
    };
    let cells = [time(times.smallest()), at(0.5), at(0.9), at(0.99), at(0.999), time(times.largest())];
    Some(row(name, &cells.each_ref().map(String::as_str)))
}

/// A time with three digits.
pub(super) fn time(time: Duration) -> String {
    let nanoseconds = time.as_secs_f64() * 1e9;
    let (value, unit) = match nanoseconds {
        value if value < 1e3 => (value, "ns"),
        value if value < 1e6 => (value / 1e3, "us"),
        value if value < 1e9 => (value / 1e6, "ms"),
        value => (value / 1e9, "s"),
    };
    match value {
        0.0 => "0 ns".to_owned(),
        value if value >= 100.0 => format!("{value:.0} {unit}"),
        value if value >= 10.0 => format!("{value:.1} {unit}"),
        value => format!("{value:.2} {unit}"),
    }
}

/// One-way delays, with how far they may be off.
fn one_way(own: &MeasureFigures) -> Option<String> {
    let offset = own.clock.offset()?;
    let median = |direction: &OneWay| direction.delay.at(0.5).map_or_else(String::new, signed);
    Some(format!(
        "one way, by clocks that may be off: forward {}, reverse {}; the reflector's clock is {} {} ours, give or take {}",
        median(&own.forward),
        median(&own.reverse),
        time(offset.offset.size()),
        if offset.offset.0 < 0 { "behind" } else { "ahead of" },
        time(offset.bound),
    ))
}

pub(super) fn signed(value: SignedNanoseconds) -> String {
    let sign = if value.0 < 0 { "-" } else { "" };
    format!("{sign}{}", time(value.size()))
}
