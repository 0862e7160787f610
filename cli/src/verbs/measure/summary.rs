//! What a measurement came to, as the last line of `--json` has it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use udpkit::path::{ClockOffset, Codec, Delays, LossRuns, Percentile, Quality, Reordering};
use udpkit::verbs::{MeasureFigures, MeasureOptions, OneWay, OneWayCounts, TrafficClassSeen};
use udpkit::{Bounds, Quantiles, Report};

use crate::words::endpoint::Endpoint;

/// The parts of distributions that are given, and their keys.
pub(super) const PARTS: [(&str, f64); 4] = [("p50_ns", 0.5), ("p90_ns", 0.9), ("p99_ns", 0.99), ("p999_ns", 0.999)];

/// All figures of a run, by their keys in JSON.
pub(super) fn summary(name: &str, options: &MeasureOptions, report: &Report<MeasureFigures>) -> Map<String, Value> {
    let own = &report.own;
    let value = json!({
        "verb": "measure",
        "name": name,
        "target": Endpoint(options.target).to_string(),
        "reflector": own.reflector.key(),
        "flows": options.flows(),
        "elapsed_ns": nanoseconds(report.elapsed),
        "wait_ns": nanoseconds(options.wait),
        "sent": own.sent,
        "send_failed": report.send_failed,
        "omitted": own.omitted,
        "round_trip": round_trip(own),
        "forward": one_way(&own.forward, own),
        "reverse": one_way(&own.reverse, own),
        "residence": distribution(&own.residence),
        "lateness": distribution(&own.lateness),
        "send_delay": distribution(&own.send_delay),
        "without_send_time": own.without_send_time,
        "impossible_times": own.impossible_times,
        "unanswered": own.unanswered,
        "restarts": own.restarts,
        "began_late": own.began_late,
        "wrong_counters": own.wrong_counters,
        "clock": clock(&own.clock),
        "received": report.received.datagrams,
        "ignored": report.ignored.iter().map(|(reason, count)| (reason.key().to_owned(), json!(count))).collect::<Map<_, _>>(),
        "unreachable": report.unreachable,
        "dropped_by_kernel": report.kernel_drops,
        "probe_bytes": options.sizes_sent(),
        "traffic_class": options.traffic_class,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn round_trip(own: &MeasureFigures) -> Value {
    json!({
        "lost": own.lost,
        "late": own.late,
        "answered": own.answered,
        "waiting": own.waiting,
        "duplicates": own.duplicates,
        "rtt": with_percentiles(with_lost(&own.rtt, own), &own.rtt),
        "response": with_lost(&own.response, own),
        "loss_runs": loss_runs(&own.loss_runs),
    })
}

fn one_way(direction: &OneWay, own: &MeasureFigures) -> Value {
    let quality = quality(direction, own);
    let counts = direction.counts.as_ref();
    let count = |of: fn(&OneWayCounts) -> Bounds| counts.map_or(Value::Null, |counts| bounds(of(counts)));
    let variation = &direction.variation;
    let jitter = variation.rtp_jitter();
    json!({
        "sent": count(|counts| counts.sent),
        "lost": count(|counts| counts.lost),
        "duplicates": count(|counts| counts.duplicates),
        "reordered": count(|counts| counts.reordered),
        "reordering": reordering(&direction.reordering),
        "delay": delays(&direction.delay),
        "variation": with_percentiles(distribution(&variation.pdv()), &variation.pdv()),
        "ipdv": distribution(&variation.ipdv_sizes()),
        "ipdv_range_ns": variation.ipdv_range().map(|range| range.map(|end| end.0)),
        "rtp_jitter_ns": jitter.last().map(nanoseconds),
        "rtp_jitter_max_ns": jitter.largest().map(nanoseconds),
        "traffic_class": traffic_class(&direction.traffic_class),
        "hop_limits": direction.hop_limits,
        "r_factor": quality.map(|quality| quality.r),
        "mos": quality.map(|quality| quality.mos),
        "quality_of": quality.map(|quality| {
            json!({
                "codec": quality.codec.name,
                "delay_ns": nanoseconds(quality.delay),
                "loss": quality.loss,
                "burst_ratio": quality.burst_ratio,
            })
        }),
    })
}

/// How good a call would be in this direction: with half of the median round trip, and a buffer for 99.9 % of what arrives.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
pub(super) fn quality(direction: &OneWay, own: &MeasureFigures) -> Option<Quality> {
    let counts = direction.counts.filter(|counts| counts.lost.is_exact() && counts.sent.is_exact())?;
    let loss = (counts.sent.low > 0).then(|| counts.lost.low as f64 / counts.sent.low as f64);
    let delay = (own.rtt.count() > 0).then(|| own.rtt.at(0.5) / 2 + direction.variation.pdv().at(0.999));
    Quality::estimate(delay, loss, own.loss_runs.burst_ratio(), Codec::G711)
}

/// A count that is known, or the bounds between which it is; `null` for one that nobody knows.
pub(super) fn bounds(bounds: Bounds) -> Value {
    match bounds {
        _ if bounds.is_exact() => json!(bounds.low),
        _ if bounds.is_bounded() => json!([bounds.low, bounds.high]),
        _ => json!([bounds.low, null]),
    }
}

/// A distribution; `null` without any value.
pub(super) fn distribution(times: &Quantiles) -> Value {
    if times.count() == 0 {
        return Value::Null;
    }
    let mut value = json!({
        "count": times.count(),
        "min_ns": nanoseconds(times.smallest()),
        "mean_ns": nanoseconds(times.mean()),
        "max_ns": nanoseconds(times.largest()),
    });
    for (key, part) in PARTS {
        value[key] = json!(nanoseconds(times.at(part)));
    }
    value
}

/// A distribution with its 1st to its 99th percentile, so that a later run can be compared with it.
fn with_percentiles(mut value: Value, times: &Quantiles) -> Value {
    if !value.is_null() {
        value["percentiles_ns"] =
            (1..100).map(|percent| json!(nanoseconds(times.at(f64::from(percent) / 100.0)))).collect();
    }
    value
}

/// A distribution of what came back, and where the lost ones are infinitely late (RFC 7679 section 5.1): `null` then.
fn with_lost(times: &Quantiles, own: &MeasureFigures) -> Value {
    let mut value = distribution(times);
    if value.is_null() {
        return value;
    }
    let of_sent = PARTS.iter().map(|(key, part)| {
        let time = match Percentile::of(times, own.lost, *part) {
            Percentile::Time(time) => json!(nanoseconds(time)),
            _ => Value::Null,
        };
        ((*key).to_owned(), time)
    });
    value["of_sent"] = Value::Object(of_sent.collect());
    value
}

pub(super) fn delays(times: &Delays) -> Value {
    let (Some(smallest), Some(largest)) = (times.smallest(), times.largest()) else { return Value::Null };
    let mut value = json!({ "count": times.count(), "min_ns": smallest.0, "max_ns": largest.0 });
    value["mean_ns"] = json!(times.mean().map(|mean| mean.0));
    for (key, part) in PARTS {
        value[key] = json!(times.at(part).map(|time| time.0));
    }
    value
}

fn loss_runs(runs: &LossRuns) -> Value {
    json!({
        "count": runs.periods(),
        "longest": runs.longest(),
        "mean": runs.mean_burst(),
        "loss_after_loss": runs.loss_after_loss(),
        "burst_ratio": runs.burst_ratio(),
        "clumping": runs.clumping(),
    })
}

fn reordering(reordering: &Reordering) -> Value {
    json!({
        "seen": reordering.reordered(),
        "extent_max": reordering.extents().largest(),
        "extent_p50": reordering.extents().at(0.5),
        "reordered_by_3": reordering.n_reordered(3),
    })
}

fn traffic_class(seen: &TrafficClassSeen) -> Value {
    json!({
        "unchanged": seen.unchanged,
        "remarked": seen.remarked,
        "bleached": seen.bleached,
        "congestion_experienced": seen.congested,
        "ecn_bleached": seen.ecn_bleached,
        "unknown": seen.unknown,
    })
}

fn clock(clock: &ClockOffset) -> Value {
    let offset = clock.offset();
    json!({
        "offset_ns": offset.map(|estimate| estimate.offset.0),
        "bound_ns": offset.map(|estimate| nanoseconds(estimate.bound)),
        "drift_ppm": clock.drift().map(|drift| drift.ppm),
        "steps": clock.step_count(),
    })
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
