//! The account of a run at its end: counters that all verbs have, and what a verb has of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use udpkit::{Quantiles, Report, Spread};

use super::aside::HINT;
use super::json::nanoseconds;
use super::notice::Notice;

/// The account of a run: in JSON the counters and what the verb has of its own, for people the verb's words.
#[derive(Serialize)]
pub(crate) struct Summary<T> {
    #[serde(flatten)]
    counters: Counters,
    #[serde(flatten)]
    own: T,
    #[serde(skip)]
    words: Vec<String>,
}

impl<T: Serialize> Summary<T> {
    /// The account of a report, with what the verb has of its own, in JSON and in words.
    pub(crate) fn new<F>(report: &Report<F>, own: T, words: Vec<String>) -> Self {
        Self { counters: Counters::new(report), own, words }
    }
}

impl<T: Serialize> Notice for Summary<T> {
    fn kind(&self) -> Option<&'static str> {
        Some("summary")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        self.words.clone()
    }
}

/// The counters that all verbs have.
#[derive(Serialize)]
pub(crate) struct Counters {
    elapsed_ns: u64,
    received: u64,
    received_bytes: u64,
    delivered: u64,
    waiting: u64,
    ignored: BTreeMap<&'static str, u64>,
    copies: u64,
    peers_estimate: u64,
    truncated: u64,
    dropped_by_kernel: Option<u64>,
    dropped_by_kernel_at_least: bool,
    sent: u64,
    sent_bytes: u64,
    send_failed: u64,
    unreachable: u64,
}

/// Round-trip times, for a verb that has any.
#[derive(Serialize)]
pub(crate) struct Rtt {
    count: u64,
    min_ns: u64,
    mean_ns: u64,
    max_ns: u64,
    deviation_ns: u64,
}

impl Rtt {
    /// `None` without any.
    pub(crate) fn of(times: &Spread) -> Option<Self> {
        (times.count() > 0).then(|| Self {
            count: times.count(),
            min_ns: nanoseconds(times.smallest()),
            mean_ns: nanoseconds(times.mean()),
            max_ns: nanoseconds(times.largest()),
            deviation_ns: nanoseconds(times.deviation()),
        })
    }
}

/// How late datagrams were, for a verb that has a schedule.
#[derive(Serialize)]
pub(crate) struct Lateness {
    count: u64,
    p50_ns: u64,
    p99_ns: u64,
    max_ns: u64,
}

impl Lateness {
    /// `None` without any.
    pub(crate) fn of(times: &Quantiles) -> Option<Self> {
        (times.count() > 0).then(|| Self {
            count: times.count(),
            p50_ns: nanoseconds(times.at(0.5)),
            p99_ns: nanoseconds(times.at(0.99)),
            max_ns: nanoseconds(times.largest()),
        })
    }
}

impl Counters {
    /// The counters of a report.
    pub(crate) fn new<F>(report: &Report<F>) -> Self {
        Self {
            elapsed_ns: nanoseconds(report.elapsed),
            received: report.received.datagrams,
            received_bytes: report.received.bytes,
            delivered: report.delivered,
            waiting: report.waiting,
            copies: report.copies,
            peers_estimate: report.peers.estimate(),
            ignored: report.ignored.iter().map(|(reason, count)| (reason.key(), count)).collect(),
            truncated: report.truncated,
            dropped_by_kernel: report.kernel_drops,
            dropped_by_kernel_at_least: report.kernel_drops_at_least,
            sent: report.sent.datagrams,
            sent_bytes: report.sent.bytes,
            send_failed: report.send_failed,
            unreachable: report.unreachable,
        }
    }
}

/// A line for each reason for which datagrams were ignored.
pub(crate) fn ignored<F>(report: &Report<F>) -> impl Iterator<Item = String> {
    report.ignored.iter().map(|(reason, count)| format!("  {count} ignored: {reason}"))
}

/// What the kernel dropped at our sockets, and what helps.
pub(crate) fn dropped<F>(report: &Report<F>, receive_buffer: usize) -> Vec<String> {
    let Some(drops @ 1..) = report.kernel_drops else { return Vec::new() };
    let bound = if report.kernel_drops_at_least { "at least " } else { "" };
    let size = if receive_buffer > 0 { format!(" of {receive_buffer} B") } else { String::new() };
    vec![
        format!("  dropped by the kernel: {bound}{drops} (the receive buffer{size} was full)"),
        advice("a larger one: --recv-buffer SIZE, as root or up to sysctl net.core.rmem_max"),
    ]
}

/// A line of advice in a summary.
pub(crate) fn advice(words: &str) -> String {
    format!("{HINT}{words}")
}

/// The parts of a line that count something, each with a comma before it.
pub(crate) fn counts(parts: &[(u64, &str)]) -> String {
    parts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!(", {count} {name}")).collect()
}

/// How a run goes: two reports, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Rates<'a, F> {
    pub(crate) before: &'a Report<F>,
    pub(crate) now: &'a Report<F>,
}

impl<F> Rates<'_, F> {
    /// Datagrams received in a second.
    pub(crate) fn received_per_second(&self) -> f64 {
        self.per_second(self.now.received.datagrams, self.before.received.datagrams)
    }

    /// Datagrams sent in a second.
    pub(crate) fn sent_per_second(&self) -> f64 {
        self.per_second(self.now.sent.datagrams, self.before.sent.datagrams)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    fn per_second(&self, now: u64, before: u64) -> f64 {
        let time = self.now.elapsed.saturating_sub(self.before.elapsed).as_secs_f64();
        if time > 0.0 { now.saturating_sub(before) as f64 / time } else { 0.0 }
    }
}

/// A time in milliseconds, as ping writes it.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
