//! Metrics in Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use udpkit::{Figures, Quantiles, Reason, Report};

use super::{Purpose, Served};

const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The upper ends of the buckets, in microseconds: from a link to a satellite and a full queue.
const BUCKETS_US: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// A distribution as buckets.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    /// Upper ends, rising, and how many values are not above each.
    pub(crate) up_to: Vec<(f64, u64)>,
    pub(crate) count: u64,
    pub(crate) sum: f64,
}

impl Buckets {
    /// A distribution of times, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub(crate) fn of(times: &Quantiles) -> Self {
        let up_to = |microseconds: &u64| {
            let time = Duration::from_micros(*microseconds);
            (time.as_secs_f64(), times.count_at_most(time))
        };
        let count = times.count();
        Self { up_to: BUCKETS_US.iter().map(up_to).collect(), count, sum: times.mean().as_secs_f64() * count as f64 }
    }
}

/// Metrics of a verb, written one family after another.
#[derive(Debug)]
pub(crate) struct Exposition {
    /// What the name of each begins with.
    verb: &'static str,
    text: String,
}

impl Exposition {
    /// Metrics of this verb, none yet.
    pub(crate) fn new(verb: &'static str) -> Self {
        Self { verb, text: String::new() }
    }

    /// Adds a family of one sample.
    pub(crate) fn metric(self, name: &str, help: &str, value: impl Display) -> Self {
        self.family(name, help, &[(String::new(), value)])
    }

    /// Adds samples with their labels, which are written with their escapes; name and help need none. A name that ends with
    /// `_total` is a counter's.
    pub(crate) fn family(mut self, name: &str, help: &str, samples: &[(String, impl Display)]) -> Self {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let name = format!("udp_{}_{name}", self.verb);
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
        samples.iter().for_each(|(labels, value)| self.text += &format!("{name}{labels} {value}\n"));
        self
    }

    /// Adds distributions with their labels, which are written without braces and with their escapes; none is the empty text.
    pub(crate) fn histogram(mut self, name: &str, help: &str, samples: &[(String, Buckets)]) -> Self {
        let name = format!("udp_{}_{name}", self.verb);
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
        for (labels, Buckets { up_to, count, sum }) in samples {
            let (comma, braces) = if labels.is_empty() { ("", String::new()) } else { (",", format!("{{{labels}}}")) };
            for (end, count) in up_to {
                self.text += &format!("{name}_bucket{{{labels}{comma}le=\"{end}\"}} {count}\n");
            }
            self.text += &format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}\n");
            self.text += &format!("{name}_sum{braces} {sum}\n{name}_count{braces} {count}\n");
        }
        self
    }

    /// Adds what was ignored, by reason.
    pub(crate) fn ignored<F: Figures>(self, help: &str, report: &Report<F>) -> Self {
        let of_reason = |reason: &Reason| (format!("{{reason=\"{}\"}}", reason.key()), report.ignored.of(*reason));
        let reasons: Vec<_> = Reason::ALL.iter().map(of_reason).collect();
        self.family("ignored_datagrams_total", help, &reasons)
    }

    /// Adds what the kernel dropped at the sockets, where the system counts it.
    pub(crate) fn dropped<F: Figures>(self, report: &Report<F>) -> Self {
        let help = "Datagrams that the kernel dropped at our sockets; a dropped train may count as one.";
        match report.kernel_drops {
            Some(count) => self.metric("dropped_datagrams_total", help, count),
            None => self,
        }
    }

    /// Adds how long it has been running, and what was built; then all that was added.
    pub(crate) fn finish(self, elapsed: Duration) -> String {
        let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        let whole = self.metric("uptime_seconds", "How long it has been running.", elapsed.as_secs_f64());
        whole.family("build_info", "Always 1; what was built is in the labels.", &[(version, 1)]).text
    }
}

/// Serves these metrics of a verb, which are made anew for each scrape, on all of these addresses until the returned value is
/// dropped. Without an address it does nothing.
pub(crate) fn serve(
    addresses: &[SocketAddr],
    verb: &str,
    text: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> anyhow::Result<Served> {
    super::serve(addresses, routes(verb, text), Purpose { attempt: "serve metrics on", flag: "--metrics" })
}

/// The routes of these metrics.
pub(crate) fn routes(verb: &str, text: impl Fn() -> String + Clone + Send + Sync + 'static) -> Router {
    // It waits for the threads of the verb: less than a millisecond as a rule, a second where they hang. Threads that wait
    // instead of this one would need a bound of their own.
    let scrape = async move || ([(CONTENT_TYPE, EXPOSITION)], text());
    let index = format!("udp {verb}: the metrics are at /metrics\n");
    Router::new()
        .route("/metrics", get(scrape))
        .route("/", get(async move || index.clone()))
        .fallback((StatusCode::NOT_FOUND, "the metrics are at /metrics\n"))
}
