//! What `udp measure` says while it runs, and what it came to.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use udpkit::event::{ProbeFate, Probed};
use udpkit::verbs::MeasureFigures;
use udpkit::{Capability, Report};

use super::load;
use super::options::Prepared;
use super::summary::nanoseconds;
use crate::args::MeasureArgs;
use crate::output::{Notice, Tone};
use crate::runtime::missing::{self, Consequence};
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// Seconds that the sparkline shows.
const SPARKS: usize = 24;

/// A measurement begins.
#[derive(Serialize)]
pub(super) struct Measuring {
    target: String,
    rate_per_second: f64,
    wait_ns: u64,
    probe_bytes: Vec<usize>,
    #[serde(skip)]
    words: Vec<String>,
}

impl Measuring {
    pub(super) fn new(prepared: &Prepared, args: &MeasureArgs) -> Self {
        let options = &prepared.options;
        let target = Endpoint(options.target).to_string();
        let rate = options.rate();
        let sizes = options.sizes_sent();
        let bytes = match (sizes.iter().min(), sizes.iter().max()) {
            (Some(least), Some(most)) if least < most => format!("{least} to {most} B"),
            _ => format!("{} B", sizes[0]),
        };
        let long = match (options.count, options.duration) {
            (Some(count), _) => units::counted(count, "probe"),
            (None, Some(duration)) => format!("for {}", units::human(duration)),
            (None, None) => "until interrupted".to_owned(),
        };
        let mut words = vec![format!("measuring {target}: {rate:.4}/s of {bytes}, {long}").replace(".0000/s", "/s")];
        if let Some(profile) = args.probes.profile {
            words.push(format!("  profile {}: {} ({})", profile.name, profile.options(), profile.source));
        }
        words.extend(load::announced(options));
        Self { target, rate_per_second: rate, wait_ns: nanoseconds(options.wait), probe_bytes: sizes, words }
    }
}

impl Notice for Measuring {
    fn kind(&self) -> Option<&'static str> {
        Some("measuring")
    }

    fn words(&self) -> Vec<String> {
        self.words.clone()
    }
}

/// How it goes.
#[derive(Default, Serialize)]
pub(super) struct Status {
    sent: u64,
    answered: u64,
    lost: u64,
    waiting: u64,
    rtt_p50_ns: Option<u64>,
    rtt_p99_ns: Option<u64>,
    /// The mean round trip in seconds since the last time, of the last times; nothing where all were lost.
    #[serde(skip)]
    means: VecDeque<Option<f64>>,
    /// Round trips until then, and their sum in seconds.
    #[serde(skip)]
    before: (u64, f64),
}

impl Status {
    pub(super) fn update(&mut self, report: &Report<MeasureFigures>) {
        let own = &report.own;
        let lost_before = self.lost;
        let time = |part| (own.rtt.count() > 0).then(|| nanoseconds(own.rtt.at(part)));
        (self.sent, self.answered, self.lost, self.waiting) = (own.sent, own.answered, own.lost, own.waiting);
        (self.rtt_p50_ns, self.rtt_p99_ns) = (time(0.5), time(0.99));
        let (count, total) = (own.rtt.count(), own.rtt.mean().as_secs_f64() * times(own.rtt.count()));
        let (count_before, total_before) = std::mem::replace(&mut self.before, (count, total));
        match count - count_before {
            0 if own.lost == lost_before => {}
            0 => self.means.push_back(None),
            new => self.means.push_back(Some(((total - total_before) / times(new)).max(0.0))),
        }
        if self.means.len() > SPARKS {
            self.means.pop_front();
        }
    }

    /// A letter for each of the last times: how high the round trip was, or that nothing came.
    fn sparkline(&self) -> String {
        const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let highest = self.means.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 0 and 7")]
        let level = |mean: &Option<f64>| mean.map_or('×', |mean| LEVELS[(mean / highest * 7.0).round() as usize]);
        self.means.iter().map(level).collect()
    }
}

/// A count, to be multiplied.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn times(count: u64) -> f64 {
    count as f64
}

impl Notice for Status {
    fn kind(&self) -> Option<&'static str> {
        Some("status")
    }

    fn words(&self) -> Vec<String> {
        let Self { sent, answered, lost, .. } = self;
        let rtt = match (self.rtt_p50_ns, self.rtt_p99_ns) {
            (Some(p50), Some(p99)) => {
                format!(
                    ", rtt {} p99 {}",
                    units::human(Duration::from_nanos(p50)),
                    units::human(Duration::from_nanos(p99))
                )
            }
            _ => String::new(),
        };
        vec![format!("{sent} sent, {answered} answered, {lost} lost{rtt}  {}", self.sparkline())]
    }

    fn tone(&self) -> Tone {
        Tone::Status
    }
}

/// A probe, with `--verbose`: to people those that were lost or could not be sent, in JSON all.
#[derive(Serialize)]
pub(super) struct ProbeNotice {
    flow: usize,
    number: u64,
    due_ns: u64,
    sent_ns: u64,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    residence_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverse_ns: Option<i64>,
}

impl ProbeNotice {
    pub(super) fn new(probe: &Probed, is_json: bool) -> Option<Self> {
        let mut notice = Self {
            flow: probe.flow,
            number: probe.number,
            due_ns: nanoseconds(probe.due),
            sent_ns: nanoseconds(probe.sent),
            fate: "lost",
            rtt_ns: None,
            response_ns: None,
            residence_ns: None,
            forward_ns: None,
            reverse_ns: None,
        };
        match probe.fate {
            ProbeFate::Lost => {}
            ProbeFate::Failed => notice.fate = "failed",
            ProbeFate::Answered { rtt, response, residence, delays, .. } => {
                if !is_json {
                    return None;
                }
                notice.fate = "answered";
                notice.rtt_ns = rtt.map(nanoseconds);
                notice.response_ns = Some(nanoseconds(response));
                notice.residence_ns = residence.map(nanoseconds);
                (notice.forward_ns, notice.reverse_ns) =
                    (delays.map(|[forward, _]| forward.0), delays.map(|[_, reverse]| reverse.0));
            }
            _ => return None,
        }
        Some(notice)
    }
}

impl Notice for ProbeNotice {
    fn kind(&self) -> Option<&'static str> {
        Some("probe")
    }

    fn words(&self) -> Vec<String> {
        let Self { flow, number, fate, .. } = self;
        let flow = if *flow == 0 { String::new() } else { format!(" of flow {flow}") };
        let what = if *fate == "lost" { "lost" } else { "not sent" };
        vec![format!("probe {number}{flow}, sent at {}: {what}", units::human(Duration::from_nanos(self.sent_ns)))]
    }
}

/// What is different for a measurement where something is missing.
pub(super) fn consequences(args: &MeasureArgs) -> Vec<Consequence> {
    let mut all = missing::of_flags(&args.common);
    all.push((Capability::Timestamps, "replies have the time at which they were read"));
    all.push((Capability::HopLimits, "hop limits of replies are not known"));
    all.push((Capability::TrafficClasses, "DSCP and ECN of replies are not known"));
    all.push((Capability::KernelDrops, "drops are not counted"));
    all
}

/// What a measurement came to.
#[derive(Serialize)]
pub(super) struct Finished {
    #[serde(flatten)]
    figures: Map<String, Value>,
    #[serde(skip)]
    words: Vec<String>,
}

impl Finished {
    pub(super) fn new(figures: Map<String, Value>, words: Vec<String>) -> Self {
        Self { figures, words }
    }
}

impl Notice for Finished {
    fn kind(&self) -> Option<&'static str> {
        Some("summary")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        self.words.clone()
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sparkline_follows_what_came_since_the_last_time() {
        let (mut status, mut report) = (Status::default(), Report::<MeasureFigures>::default());
        let mut come = |milliseconds: &[u64], lost| {
            milliseconds.iter().for_each(|time| report.own.rtt.add(Duration::from_millis(*time)));
            report.own.lost += lost;
            status.update(&report);
            status.sparkline()
        };
        assert_eq!(come(&[], 0), "");
        assert_eq!(come(&[10, 10], 0), "█");
        assert_eq!(come(&[80], 0), "▂█");
        assert_eq!(come(&[], 3), "▂█×");
        // Nothing was decided meanwhile.
        assert_eq!(come(&[], 0), "▂█×");
        assert_eq!(come(&[30, 30], 0), "▂█×▄");
    }
}
