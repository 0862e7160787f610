//! Metrics of `udp listen` for Prometheus: what the run came to so far.

use std::net::SocketAddr;

use anyhow::Result;

pub(crate) use crate::http::Served as Metrics;
use crate::http::exposition::{self, Exposition};

use super::ledger::SoFar;

/// Serves metrics on all of these addresses until the returned value is dropped; `so_far` is asked at each scrape.
/// Without an address it does nothing.
pub(super) fn serve(
    addresses: &[SocketAddr],
    so_far: impl Fn() -> SoFar + Clone + Send + Sync + 'static,
) -> Result<Metrics> {
    exposition::serve(addresses, "listen", move || text(&so_far()))
}

/// What it came to so far, as metrics.
fn text(so_far: &SoFar) -> String {
    let SoFar { report, printed, written } = so_far;
    let metrics = Exposition::new("listen")
        .metric("received_datagrams_total", "Datagrams received.", report.received.datagrams)
        .metric("received_bytes_total", "Payload bytes received.", report.received.bytes)
        .metric("taken_datagrams_total", "Datagrams received and not ignored.", report.delivered);
    let metrics = match printed {
        Some(count) => metrics.metric("printed_datagrams_total", "Of those taken: printed.", count),
        None => metrics,
    };
    let metrics = match written {
        Some(count) => metrics.metric("written_datagrams_total", "Of those taken: written to a capture file.", count),
        None => metrics,
    };
    metrics
        .ignored("Datagrams received and not used, by reason.", report)
        .metric("truncated_datagrams_total", "Datagrams cut off on receipt; counted elsewhere, too.", report.truncated)
        .dropped(report)
        .finish(report.elapsed)
}

#[cfg(test)]
mod tests {
    use udpkit::{Reason, Report};

    use super::*;

    #[test]
    fn what_is_neither_printed_nor_written_has_no_metric() {
        let mut report = Report::default();
        report.received.add(5, 50);
        report.delivered = 4;
        report.ignored.add(Reason::QueueFull, 1);
        let text = text(&SoFar { report, printed: None, written: Some(3) });
        for line in [
            "udp_listen_received_datagrams_total 5",
            "udp_listen_taken_datagrams_total 4",
            "udp_listen_written_datagrams_total 3",
            "udp_listen_ignored_datagrams_total{reason=\"queue_full\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(!text.contains("printed") && !text.contains("dropped"), "{text}");
    }
}
