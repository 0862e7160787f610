//! Metrics of `udp relay` for Prometheus: what the run came to so far.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Report;
use udpkit::impairment::LostBy;
use udpkit::verbs::{Direction, DirectionFigures, RelayFigures};

pub(crate) use crate::http::Served as Metrics;
use crate::http::exposition::{self, Exposition};

/// Parts of all delays of which it is said how long they are at most.
const QUANTILES: [(&str, f64); 3] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99)];

/// Serves metrics on all of these addresses until the returned value is dropped; `report` is asked at each scrape.
/// Without an address it does nothing.
pub(crate) fn serve(
    addresses: &[SocketAddr],
    report: impl Fn() -> Report<RelayFigures> + Clone + Send + Sync + 'static,
) -> Result<Metrics> {
    exposition::serve(addresses, "relay", move || text(&report()))
}

/// The report as metrics.
pub(crate) fn text(report: &Report<RelayFigures>) -> String {
    let metrics = directions(Exposition::new("relay"), &report.own)
        .ignored("Datagrams received and not relayed, by reason.", report)
        .metric("truncated_datagrams_total", "Datagrams cut off on receipt; counted elsewhere, too.", report.truncated)
        .metric("peers", "Peers that are remembered.", report.own.peers_now)
        .metric("peers_total", "Peers that there were.", report.own.peers_ever)
        .metric("peers_expired_total", "Peers forgotten after silence.", report.own.peers_expired)
        .metric("peers_evicted_total", "Peers forgotten to make room for another.", report.own.peers_evicted)
        .metric("peers_lost_total", "Peers forgotten because their socket was lost.", report.own.peers_lost)
        .metric("copied_datagrams_total", "Copies sent to further targets.", report.own.copied.datagrams)
        .metric("copy_failed_datagrams_total", "Copies that could not be sent there.", report.own.copy_failed)
        .metric("copy_refused_datagrams_total", "Copies refused after they were sent (ICMP).", report.own.copy_refused);
    metrics.dropped(report).finish(report.elapsed)
}

/// A family with a sample for each direction.
type OfDirection = (&'static str, &'static str, fn(&DirectionFigures) -> u64);

/// What is counted in each direction.
const COUNTERS: [OfDirection; 16] = [
    ("received_datagrams_total", "Datagrams received, to be relayed.", |it| it.received.datagrams),
    ("received_bytes_total", "Payload bytes received.", |it| it.received.bytes),
    ("injected_datagrams_total", "Datagrams injected.", |it| it.injected),
    ("duplicated_datagrams_total", "Copies made.", |it| it.links.duplicated),
    ("forwarded_datagrams_total", "Datagrams and copies forwarded.", |it| it.forwarded.datagrams),
    ("forwarded_bytes_total", "Payload bytes forwarded.", |it| it.forwarded.bytes),
    ("send_failed_datagrams_total", "Datagrams that could not be sent.", |it| it.send_failed),
    ("refused_datagrams_total", "Datagrams refused after they were sent (ICMP).", |it| it.refused),
    ("forgotten_datagrams_total", "Datagrams under way when their peer was forgotten.", |it| it.forgotten),
    ("unfinished_datagrams_total", "Datagrams under way when their link was taken away.", |it| it.unfinished),
    ("exempt_datagrams_total", "Datagrams that the impairments were not for.", |it| it.links.exempt),
    ("under_way_datagrams", "Datagrams that came and have not left.", |it| it.links.under_way),
    ("corrupted_datagrams_total", "Datagrams in which a bit was inverted.", |it| it.links.corrupted),
    ("overtaken_datagrams_total", "Datagrams that others overtook.", |it| it.links.overtaken),
    ("marked_datagrams_total", "Datagrams marked instead of lost (ECN).", |it| it.links.marked),
    ("paused", "Whether nothing leaves in this direction: 1 or 0.", |it| it.is_paused.into()),
];

fn directions(metrics: Exposition, own: &RelayFigures) -> Exposition {
    let all = || Direction::ALL.iter().map(|direction| (direction.key(), own.of(*direction)));
    let metrics = COUNTERS.iter().fold(metrics, |metrics, (name, help, count)| {
        let samples: Vec<_> = all().map(|(key, figures)| (label("direction", key), count(figures))).collect();
        metrics.family(name, help, &samples)
    });
    let lost = all().flat_map(|(key, figures)| {
        let of = move |by: &LostBy| (format!("{{direction=\"{key}\",by=\"{}\"}}", by.key()), figures.lost(*by));
        LostBy::ALL.iter().map(of)
    });
    let lost: Vec<_> = lost.collect();
    let delays = all().filter(|(_, figures)| figures.achieved_delay.count() > 0).flat_map(|(key, figures)| {
        QUANTILES.map(|(name, part)| {
            let labels = format!("{{direction=\"{key}\",quantile=\"{name}\"}}");
            (labels, figures.achieved_delay.at(part).as_secs_f64())
        })
    });
    let delays: Vec<_> = delays.collect();
    metrics.family("lost_datagrams_total", "Datagrams and copies lost, by cause.", &lost).family(
        "delay_seconds",
        "Longest delay of this part of those that left an impaired link.",
        &delays,
    )
}

fn label(name: &str, value: &str) -> String {
    format!("{{{name}=\"{value}\"}}")
}
