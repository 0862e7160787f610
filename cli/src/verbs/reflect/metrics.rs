//! Metrics of `udp reflect` for Prometheus: what the run came to so far.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Report;
use udpkit::verbs::ReflectFigures;

pub(crate) use crate::http::Served as Metrics;
use crate::http::exposition::{self, Exposition};

/// Serves metrics on all of these addresses until the returned value is dropped; `report` is asked at each scrape.
/// Without an address it does nothing.
pub(crate) fn serve(
    addresses: &[SocketAddr],
    report: impl Fn() -> Report<ReflectFigures> + Clone + Send + Sync + 'static,
) -> Result<Metrics> {
    exposition::serve(addresses, "reflect", move || text(&report()))
}

/// The report as metrics.
fn text(report: &Report<ReflectFigures>) -> String {
    let own = &report.own;
    let metrics = Exposition::new("reflect")
        .metric("received_datagrams_total", "Datagrams received.", report.received.datagrams)
        .metric("received_bytes_total", "Payload bytes received.", report.received.bytes)
        .metric("answered_datagrams_total", "Requests answered.", own.answered)
        .metric(
            "closing_datagrams_total",
            "Of those answered: closing questions, which count in no session.",
            own.closing,
        )
        .metric("reply_failed_datagrams_total", "Requests whose reply could not be sent.", own.reply_failed)
        .metric("load_datagrams_total", "Datagrams received to load the path, and not to be answered.", own.load)
        .ignored("Datagrams received and not used, by reason.", report)
        .metric("sessions", "Sessions remembered.", own.sessions_now)
        .metric("sessions_authenticated", "Of them: authenticated.", own.sessions_authenticated)
        .metric("sessions_begun_total", "Sessions that began.", own.sessions_ever)
        .metric("sessions_expired_total", "Sessions forgotten after they were idle.", own.sessions_expired)
        .metric("sessions_evicted_total", "Sessions forgotten to make room for another.", own.sessions_evicted)
        .metric("peers", "Different sources of what was received, estimated.", report.peers.estimate());
    metrics
        .dropped(report)
        .metric("sent_datagrams_total", "Replies sent.", report.sent.datagrams)
        .metric("sent_bytes_total", "Payload bytes sent.", report.sent.bytes)
        .metric("unreachable_datagrams_total", "Replies that were refused (ICMP).", report.unreachable)
        .finish(report.elapsed)
}
