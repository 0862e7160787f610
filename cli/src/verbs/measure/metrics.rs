//! Metrics of `udp measure` for Prometheus: what each target came to so far, with its name as a label.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::verbs::{MeasureFigures, OneWay, OneWayCounts};
use udpkit::{Bounds, Quantiles, Report};

pub(crate) use crate::http::Served as Metrics;
use crate::http::exposition::{self, Buckets, Exposition};

/// A target's name, and what it came to so far.
type Measured = (String, Report<MeasureFigures>);

/// Serves metrics on all of these addresses until the returned value is dropped; `targets` is asked at each scrape, and leaves out
/// those that do not answer.
pub(super) fn serve(
    addresses: &[SocketAddr],
    targets: impl Fn() -> Vec<Measured> + Clone + Send + Sync + 'static,
) -> Result<Metrics> {
    exposition::serve(addresses, "measure", move || text(&targets()))
}

/// A metric of one value for each target: its name, its help, its value.
type Plain = (&'static str, &'static str, fn(&Report<MeasureFigures>) -> u64);

const PLAIN: [Plain; 14] = [
    ("sent_datagrams_total", "Probes sent.", |report| report.own.sent),
    ("send_failed_datagrams_total", "Datagrams that could not be sent.", |report| report.send_failed),
    ("omitted_datagrams_total", "Probes left out, since the sender could not keep up.", |report| report.own.omitted),
    ("answered_datagrams_total", "Probes answered within the wait.", |report| report.own.answered),
    ("lost_datagrams_total", "Probes without an answer within the wait.", |report| report.own.lost),
    ("late_datagrams_total", "Of the lost ones: those whose answer came later.", |report| report.own.late),
    ("duplicate_replies_total", "Answers to a probe beyond the first.", |report| report.own.duplicates),
    ("waiting_datagrams", "Probes that are neither answered nor lost yet.", |report| report.own.waiting),
    ("unreachable_datagrams_total", "Probes that were refused (ICMP).", |report| report.unreachable),
    ("ignored_datagrams_total", "Datagrams received that are no answer.", |report| {
        report.ignored.iter().map(|(_, count)| count).sum()
    }),
    ("impossible_times_total", "Answers with times that cannot be.", |report| report.own.impossible_times),
    ("reflector_restarts_total", "Times at which the reflector lost its memory.", |report| report.own.restarts),
    ("loss_runs_total", "Times at which probes were lost, one or several in a row.", |report| {
        report.own.loss_runs.periods()
    }),
    ("clock_steps_total", "Times at which our clock or the reflector's was set.", |report| {
        report.own.clock.step_count()
    }),
];

/// A metric of each direction that is known within bounds.
type OfDirection = (&'static str, &'static str, fn(&OneWayCounts) -> Bounds);

const DIRECTIONS: [OfDirection; 3] = [
    ("direction_lost_datagrams", "Datagrams lost in this direction: at least (low), at most (high).", |counts| {
        counts.lost
    }),
    (
        "direction_duplicate_datagrams",
        "Arrivals beyond the first of each datagram: at least (low), at most (high).",
        |counts| counts.duplicates,
    ),
    (
        "direction_reordered_datagrams",
        "Arrivals after one that was sent later: at least (low), at most (high).",
        |counts| counts.reordered,
    ),
];

/// A distribution of times.
type Times = (&'static str, &'static str, fn(&MeasureFigures) -> &Quantiles);

const TIMES: [Times; 4] = [
    ("rtt_seconds", "Round trips without the time inside the reflector.", |own| &own.rtt),
    ("response_seconds", "From when a probe was due to its answer.", |own| &own.response),
    ("residence_seconds", "Time inside the reflector.", |own| &own.residence),
    ("lateness_seconds", "How late probes were sent.", |own| &own.lateness),
];

/// The reports as metrics.
fn text(targets: &[Measured]) -> String {
    let labels: Vec<_> = targets.iter().map(|(name, _)| format!("target=\"{}\"", escaped(name))).collect();
    let all = || labels.iter().zip(targets.iter().map(|(_, report)| report));
    let metrics = PLAIN.iter().fold(Exposition::new("measure"), |metrics, (name, help, value)| {
        let samples: Vec<_> = all().map(|(label, report)| (format!("{{{label}}}"), value(report))).collect();
        metrics.family(name, help, &samples)
    });
    let metrics = DIRECTIONS.iter().fold(metrics, |metrics, (name, help, count)| {
        let samples: Vec<_> = all().flat_map(|(label, report)| of_directions(label, &report.own, *count)).collect();
        metrics.family(name, help, &samples)
    });
    let metrics = TIMES.iter().fold(metrics, |metrics, (name, help, times)| {
        let samples: Vec<_> = all().map(|(label, report)| (label.clone(), Buckets::of(times(&report.own)))).collect();
        metrics.histogram(name, help, &samples)
    });
    let reflectors: Vec<_> =
        all().map(|(label, report)| (format!("{{{label},reflector=\"{}\"}}", report.own.reflector.key()), 1)).collect();
    let elapsed = targets.iter().map(|(_, report)| report.elapsed).max().unwrap_or_default();
    clocks(metrics, all())
        .family("reflector_info", "Always 1; what answers is in the labels.", &reflectors)
        .finish(elapsed)
}

/// How far clocks are apart, and the jitter of each direction.
fn clocks<'a>(metrics: Exposition, all: impl Iterator<Item = (&'a String, &'a Report<MeasureFigures>)>) -> Exposition {
    let (mut offsets, mut bounds, mut jitters) = (Vec::new(), Vec::new(), Vec::new());
    for (label, report) in all {
        let own = &report.own;
        if let Some(estimate) = own.clock.offset() {
            let size = estimate.offset.size().as_secs_f64();
            offsets.push((format!("{{{label}}}"), if estimate.offset.0 < 0 { -size } else { size }));
            bounds.push((format!("{{{label}}}"), estimate.bound.as_secs_f64()));
        }
        for (direction, of) in directions(own) {
            let jitter = of.variation.rtp_jitter().last();
            jitters
                .extend(jitter.map(|jitter| (format!("{{{label},direction=\"{direction}\"}}"), jitter.as_secs_f64())));
        }
    }
    metrics
        .family("clock_offset_seconds", "How far the reflector's clock is ahead of ours.", &offsets)
        .family("clock_offset_bound_seconds", "By how much that may be off.", &bounds)
        .family("direction_jitter_seconds", "Jitter of one-way delays (RFC 3550).", &jitters)
}

fn directions(own: &MeasureFigures) -> [(&'static str, &OneWay); 2] {
    [("forward", &own.forward), ("reverse", &own.reverse)]
}

/// Both bounds of a count, forward and reverse; nothing where replies say nothing of directions.
fn of_directions(label: &str, own: &MeasureFigures, count: fn(&OneWayCounts) -> Bounds) -> Vec<(String, String)> {
    let samples = directions(own).into_iter().filter_map(|(direction, of)| {
        let bounds = count(of.counts.as_ref()?);
        let high = if bounds.is_bounded() { bounds.high.to_string() } else { "+Inf".to_owned() };
        let sample = |bound, value| (format!("{{{label},direction=\"{direction}\",bound=\"{bound}\"}}"), value);
        Some([sample("low", bounds.low.to_string()), sample("high", high)])
    });
    samples.flatten().collect()
}

/// A label's value: users name their targets as they like.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    fn report() -> Report<MeasureFigures> {
        let mut report = Report::<MeasureFigures>::default();
        report.own.sent = 4;
        let rtts = [900, 1_200, 30_000_000].map(Duration::from_micros);
        rtts.into_iter().for_each(|rtt| report.own.rtt.add(rtt));
        let _ = report.own.clock.add(
            Duration::from_secs(1),
            udpkit::SignedNanoseconds(-1_000_000_000),
            udpkit::SignedNanoseconds(1_200_000_000),
        );
        report
    }

    #[test]
    fn buckets_are_cumulative_and_targets_are_apart() {
        let text = text(&[("a\"b\\".to_owned(), report()), ("c".to_owned(), Report::default())]);
        for line in [
            "# TYPE udp_measure_rtt_seconds histogram",
            "udp_measure_rtt_seconds_bucket{target=\"a\\\"b\\\\\",le=\"0.0005\"} 0",
            "udp_measure_rtt_seconds_bucket{target=\"a\\\"b\\\\\",le=\"0.001\"} 1",
            "udp_measure_rtt_seconds_bucket{target=\"a\\\"b\\\\\",le=\"0.0025\"} 2",
            "udp_measure_rtt_seconds_bucket{target=\"a\\\"b\\\\\",le=\"10\"} 2",
            "udp_measure_rtt_seconds_bucket{target=\"a\\\"b\\\\\",le=\"+Inf\"} 3",
            "udp_measure_rtt_seconds_count{target=\"a\\\"b\\\\\"} 3",
            "udp_measure_rtt_seconds_count{target=\"c\"} 0",
            "udp_measure_sent_datagrams_total{target=\"a\\\"b\\\\\"} 4",
            "udp_measure_sent_datagrams_total{target=\"c\"} 0",
            "udp_measure_clock_offset_seconds{target=\"a\\\"b\\\\\"} -1.1",
            "udp_measure_reflector_info{target=\"c\",reflector=\"silent\"} 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        let types: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE udp_measure_rtt_seconds ")).collect();
        assert_eq!(types.len(), 1, "a family has one heading");
    }

    #[test]
    fn the_dashboard_asks_for_nothing_that_is_not_there() {
        let dashboard = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/grafana/udp-measure.json"));
        let value: Value = serde_json::from_str(dashboard).unwrap();
        let text = text(&[("a".to_owned(), report())]);
        let families: BTreeSet<_> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let mut asked = BTreeSet::new();
        names(&value, &mut asked);
        assert!(asked.len() > 10, "{asked:?}");
        for name in &asked {
            let family = ["_bucket", "_count", "_sum"].iter().find_map(|end| {
                let family = name.strip_suffix(end)?;
                text.contains(&format!("# TYPE {family} histogram\n")).then_some(family)
            });
            assert!(families.contains(family.unwrap_or(name)), "{name}");
        }
    }

    /// The metrics that are named in any text of this.
    fn names(value: &Value, names_found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => {
                let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
                names_found.extend(words.filter(|word| word.starts_with("udp_")).map(str::to_owned));
            }
            Value::Array(values) => values.iter().for_each(|value| names(value, names_found)),
            Value::Object(fields) => fields.values().for_each(|value| names(value, names_found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
