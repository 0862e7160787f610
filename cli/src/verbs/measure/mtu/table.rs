//! What a search came to, as a person reads it.

use udpkit::verbs::{PathMtuFigures, PathMtuOptions};
use udpkit::{Bounds, Report};

use crate::words::endpoint::Endpoint;
use crate::words::units;

/// The lines of the table; `verbose`: with each size that was tried.
pub(super) fn table(
    options: &PathMtuOptions,
    report: &Report<PathMtuFigures>,
    verdict: &[String],
    verbose: bool,
) -> Vec<String> {
    let own = &report.own;
    let headers = options.header_len() as u64;
    let mut lines = vec![format!(
        "{} ({}): {} probes in {}, headers take {headers} B",
        Endpoint(options.target),
        own.reflector,
        own.sent,
        units::human(report.elapsed),
    )];
    lines.push(String::new());
    if own.mtu.is_some() {
        lines.push(row("", "MTU", "payload"));
        for (name, size) in [("there and back", own.mtu), ("forward", own.forward), ("reverse", own.reverse)] {
            lines.extend(size.map(|size| row(name, &shown(size, 0), &shown(size, headers))));
        }
        lines.push(String::new());
    }
    if verbose {
        lines.push(row("size", "sent", "answered"));
        let rows = own.sizes.iter();
        lines.extend(
            rows.map(|size| row(&format!("{} B", size.bytes), &size.sent.to_string(), &size.answered.to_string())),
        );
        lines.push(String::new());
    }
    lines.extend(verdict.iter().cloned());
    lines
}

/// A row: its name, then its cells, right-aligned.
fn row(name: &str, first: &str, second: &str) -> String {
    format!("{name:<14} {first:>18} {second:>18}").trim_end().to_owned()
}

/// A size without so many bytes of headers.
pub(super) fn shown(size: Bounds, headers: u64) -> String {
    let [low, high] = [size.low, size.high].map(|bytes| bytes.saturating_sub(headers));
    match size {
        _ if size.is_exact() => format!("{low} B"),
        _ if size.is_bounded() => format!("{low} to {high} B"),
        _ => format!("at least {low} B"),
    }
}
