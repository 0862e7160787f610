//! What a search came to, as the last line of `--json` has it.

use serde_json::{Map, Value, json};
use udpkit::verbs::{PathMtuFigures, PathMtuOptions, SizeTried, TooBigReports};
use udpkit::{Bounds, Report};

use super::super::summary::{bounds, nanoseconds};
use crate::words::endpoint::Endpoint;

/// All figures of a search, by their keys in JSON.
pub(super) fn summary(name: &str, options: &PathMtuOptions, report: &Report<PathMtuFigures>) -> Map<String, Value> {
    let own = &report.own;
    let value = json!({
        "verb": "measure",
        "mode": "mtu",
        "name": name,
        "target": Endpoint(options.target).to_string(),
        "reflector": own.reflector.key(),
        "elapsed_ns": nanoseconds(report.elapsed),
        "wait_ns": nanoseconds(options.wait),
        "sent": own.sent,
        "answered": own.answered,
        "duplicates": own.duplicates,
        "send_failed": report.send_failed,
        "mtu_bytes": size(own.mtu, 0),
        "payload_bytes": size(own.mtu, options.header_len() as u64),
        "forward": {"mtu_bytes": size(own.forward, 0)},
        "reverse": {"mtu_bytes": size(own.reverse, 0)},
        "limit": own.limit.key(),
        "by_chance": own.by_chance,
        "largest_bytes": own.largest,
        "first_link_bytes": own.first_link,
        "too_big": own.too_big.iter().map(too_big).collect::<Vec<_>>(),
        "too_big_ignored": own.too_big_ignored,
        "short_replies": own.short_replies,
        "fragmented_replies": own.fragmented_replies,
        "longest_fragment_bytes": own.longest_fragment,
        "cut_short": own.is_cut_short,
        "sizes": own.sizes.iter().map(tried).collect::<Vec<_>>(),
        "received": report.received.datagrams,
        "ignored": report.ignored.iter().map(|(reason, count)| (reason.key().to_owned(), json!(count))).collect::<Map<_, _>>(),
        "unreachable": report.unreachable,
        "dropped_by_kernel": report.kernel_drops,
        "traffic_class": options.traffic_class,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A size that is known, an interval that holds it, or null; without the headers that are to be left out.
fn size(size: Option<Bounds>, headers: u64) -> Value {
    let Some(size) = size else { return Value::Null };
    let low = size.low.saturating_sub(headers);
    bounds(if size.is_bounded() { Bounds::new(low, size.high.saturating_sub(headers)) } else { Bounds::at_least(low) })
}

fn too_big(reports: &TooBigReports) -> Value {
    json!({"reporter": reports.reporter.to_string(), "mtu_bytes": reports.mtu, "count": reports.count})
}

fn tried(size: &SizeTried) -> Value {
    json!({"bytes": size.bytes, "sent": size.sent, "answered": size.answered})
}
