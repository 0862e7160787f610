//! Metrics of `udp serve` for Prometheus: what the run came to so far.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Report;
use udpkit::verbs::ServeFigures;

pub(crate) use crate::http::Served as Metrics;
use crate::http::exposition::{self, Buckets, Exposition};

/// Serves metrics on all of these addresses until the returned value is dropped; `report` is asked at each scrape.
/// Without an address it does nothing.
pub(crate) fn serve(
    addresses: &[SocketAddr],
    report: impl Fn() -> Report<ServeFigures> + Clone + Send + Sync + 'static,
) -> Result<Metrics> {
    exposition::serve(addresses, "serve", move || text(&report()))
}

/// The report as metrics.
pub(crate) fn text(report: &Report<ServeFigures>) -> String {
    let own = &report.own;
    let metrics = Exposition::new("serve")
        .metric("received_datagrams_total", "Datagrams received.", report.received.datagrams)
        .metric("received_bytes_total", "Payload bytes received.", report.received.bytes)
        .metric("answered_datagrams_total", "Datagrams received and answered.", own.answered)
        .metric("reply_failed_datagrams_total", "Datagrams received whose reply could not be sent.", own.reply_failed)
        .metric("taken_datagrams_total", "Datagrams received and taken without a reply, as asked.", own.sunk)
        .ignored("Datagrams received and not used, by reason.", report)
        .metric("truncated_datagrams_total", "Datagrams cut off on receipt; counted elsewhere, too.", report.truncated)
        .metric("waiting_datagrams", "Datagrams received whose reply is not due or not made yet.", report.waiting)
        .metric("peers", "Different sources of what was received, estimated.", report.peers.estimate())
        .metric(
            "copied_datagrams_total",
            "Copies for one worker of what another decides on; not in those received.",
            report.copies,
        );
    metrics
        .dropped(report)
        .metric("sent_datagrams_total", "Datagrams sent.", report.sent.datagrams)
        .metric("sent_bytes_total", "Payload bytes sent.", report.sent.bytes)
        .histogram(
            "answer_seconds",
            "From when a datagram was received to when its answer was handed over to be sent.",
            &[(String::new(), Buckets::of(&own.answer_times))],
        )
        .metric("unreachable_datagrams_total", "Datagrams of ours that were refused (ICMP).", report.unreachable)
        .finish(report.elapsed)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use snapbox::{assert_data_eq, str};
    use udpkit::Reason;

    use super::*;

    fn report() -> Report<ServeFigures> {
        let mut report = Report::<ServeFigures>::default();
        report.received.add(8, 800);
        report.sent.add(4, 400);
        report.own.answered = 4;
        report.ignored.add(Reason::RateLimit, 3);
        report.waiting = 1;
        report.kernel_drops = Some(2);
        report.elapsed = Duration::from_millis(1500);
        report
    }

    fn metrics() -> Metrics {
        serve(&["127.0.0.1:0".parse().unwrap()], report).unwrap()
    }

    /// The head and the body of the answer.
    fn ask(metrics: &Metrics, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(metrics.addresses()[0]).unwrap();
        // Longer than any machine takes: a server that is stuck fails a test instead of holding it for ever.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn status(metrics: &Metrics, request: &str) -> String {
        ask(metrics, request).0.split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn a_report_reads_like_this() {
        assert_data_eq!(
            text(&report()),
            str![[r##"
# HELP udp_serve_received_datagrams_total Datagrams received.
# TYPE udp_serve_received_datagrams_total counter
udp_serve_received_datagrams_total 8
# HELP udp_serve_received_bytes_total Payload bytes received.
# TYPE udp_serve_received_bytes_total counter
udp_serve_received_bytes_total 800
# HELP udp_serve_answered_datagrams_total Datagrams received and answered.
# TYPE udp_serve_answered_datagrams_total counter
udp_serve_answered_datagrams_total 4
# HELP udp_serve_reply_failed_datagrams_total Datagrams received whose reply could not be sent.
# TYPE udp_serve_reply_failed_datagrams_total counter
udp_serve_reply_failed_datagrams_total 0
# HELP udp_serve_taken_datagrams_total Datagrams received and taken without a reply, as asked.
# TYPE udp_serve_taken_datagrams_total counter
udp_serve_taken_datagrams_total 0
# HELP udp_serve_ignored_datagrams_total Datagrams received and not used, by reason.
# TYPE udp_serve_ignored_datagrams_total counter
udp_serve_ignored_datagrams_total{reason="source_port_zero"} 0
udp_serve_ignored_datagrams_total{reason="source_address"} 0
udp_serve_ignored_datagrams_total{reason="own_socket"} 0
udp_serve_ignored_datagrams_total{reason="responder_port"} 0
udp_serve_ignored_datagrams_total{reason="own_reply"} 0
udp_serve_ignored_datagrams_total{reason="hops_spent"} 0
udp_serve_ignored_datagrams_total{reason="amplification"} 0
udp_serve_ignored_datagrams_total{reason="rate_limit"} 3
udp_serve_ignored_datagrams_total{reason="busy"} 0
udp_serve_ignored_datagrams_total{reason="no_rule"} 0
udp_serve_ignored_datagrams_total{reason="rule_silent"} 0
udp_serve_ignored_datagrams_total{reason="rule_loss"} 0
udp_serve_ignored_datagrams_total{reason="no_reply"} 0
udp_serve_ignored_datagrams_total{reason="reply_error"} 0
udp_serve_ignored_datagrams_total{reason="reply_late"} 0
udp_serve_ignored_datagrams_total{reason="reply_too_long"} 0
udp_serve_ignored_datagrams_total{reason="unfinished"} 0
udp_serve_ignored_datagrams_total{reason="truncated"} 0
udp_serve_ignored_datagrams_total{reason="other_interface"} 0
udp_serve_ignored_datagrams_total{reason="other_destination"} 0
udp_serve_ignored_datagrams_total{reason="other_source"} 0
udp_serve_ignored_datagrams_total{reason="no_match"} 0
udp_serve_ignored_datagrams_total{reason="own_copy"} 0
udp_serve_ignored_datagrams_total{reason="duplicate"} 0
udp_serve_ignored_datagrams_total{reason="unsolicited"} 0
udp_serve_ignored_datagrams_total{reason="queue_full"} 0
udp_serve_ignored_datagrams_total{reason="after_end"} 0
udp_serve_ignored_datagrams_total{reason="too_many_peers"} 0
udp_serve_ignored_datagrams_total{reason="socket_closed"} 0
udp_serve_ignored_datagrams_total{reason="undersized"} 0
udp_serve_ignored_datagrams_total{reason="unknown_key"} 0
udp_serve_ignored_datagrams_total{reason="wrong_digest"} 0
udp_serve_ignored_datagrams_total{reason="max_rate"} 0
# HELP udp_serve_truncated_datagrams_total Datagrams cut off on receipt; counted elsewhere, too.
# TYPE udp_serve_truncated_datagrams_total counter
udp_serve_truncated_datagrams_total 0
# HELP udp_serve_waiting_datagrams Datagrams received whose reply is not due or not made yet.
# TYPE udp_serve_waiting_datagrams gauge
udp_serve_waiting_datagrams 1
# HELP udp_serve_peers Different sources of what was received, estimated.
# TYPE udp_serve_peers gauge
udp_serve_peers 0
# HELP udp_serve_copied_datagrams_total Copies for one worker of what another decides on; not in those received.
# TYPE udp_serve_copied_datagrams_total counter
udp_serve_copied_datagrams_total 0
# HELP udp_serve_dropped_datagrams_total Datagrams that the kernel dropped at our sockets; a dropped train may count as one.
# TYPE udp_serve_dropped_datagrams_total counter
udp_serve_dropped_datagrams_total 2
# HELP udp_serve_sent_datagrams_total Datagrams sent.
# TYPE udp_serve_sent_datagrams_total counter
udp_serve_sent_datagrams_total 4
# HELP udp_serve_sent_bytes_total Payload bytes sent.
# TYPE udp_serve_sent_bytes_total counter
udp_serve_sent_bytes_total 400
# HELP udp_serve_answer_seconds From when a datagram was received to when its answer was handed over to be sent.
# TYPE udp_serve_answer_seconds histogram
udp_serve_answer_seconds_bucket{le="0.00001"} 0
udp_serve_answer_seconds_bucket{le="0.000025"} 0
udp_serve_answer_seconds_bucket{le="0.00005"} 0
udp_serve_answer_seconds_bucket{le="0.0001"} 0
udp_serve_answer_seconds_bucket{le="0.00025"} 0
udp_serve_answer_seconds_bucket{le="0.0005"} 0
udp_serve_answer_seconds_bucket{le="0.001"} 0
udp_serve_answer_seconds_bucket{le="0.0025"} 0
udp_serve_answer_seconds_bucket{le="0.005"} 0
udp_serve_answer_seconds_bucket{le="0.01"} 0
udp_serve_answer_seconds_bucket{le="0.025"} 0
udp_serve_answer_seconds_bucket{le="0.05"} 0
udp_serve_answer_seconds_bucket{le="0.1"} 0
udp_serve_answer_seconds_bucket{le="0.25"} 0
udp_serve_answer_seconds_bucket{le="0.5"} 0
udp_serve_answer_seconds_bucket{le="1"} 0
udp_serve_answer_seconds_bucket{le="2.5"} 0
udp_serve_answer_seconds_bucket{le="5"} 0
udp_serve_answer_seconds_bucket{le="10"} 0
udp_serve_answer_seconds_bucket{le="+Inf"} 0
udp_serve_answer_seconds_sum 0
udp_serve_answer_seconds_count 0
# HELP udp_serve_unreachable_datagrams_total Datagrams of ours that were refused (ICMP).
# TYPE udp_serve_unreachable_datagrams_total counter
udp_serve_unreachable_datagrams_total 0
# HELP udp_serve_uptime_seconds How long it has been running.
# TYPE udp_serve_uptime_seconds gauge
udp_serve_uptime_seconds 1.5
# HELP udp_serve_build_info Always 1; what was built is in the labels.
# TYPE udp_serve_build_info gauge
udp_serve_build_info{version="0.1.0"} 1

"##]]
        );
    }

    #[test]
    fn every_sample_stands_in_the_family_that_was_announced() {
        let text = text(&report());
        assert!(text.ends_with('\n'));
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let (mut family, mut seen) = (None, Vec::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(is_name(name) && name.starts_with("udp_serve_"), "{name}");
                assert!(words.ends_with('.') && !words.contains('\\'), "{words}");
                assert!(!seen.contains(&name), "{name} twice");
                seen.push(name);
                let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap().strip_prefix(name).unwrap();
                let expected = match name {
                    _ if name.ends_with("_total") => " counter",
                    _ if name.ends_with("_seconds") && !name.contains("uptime") => " histogram",
                    _ => " gauge",
                };
                assert_eq!(kind, expected);
                family = Some((name, kind));
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let (announced, kind) = family.unwrap();
            let part = name.strip_prefix(announced).unwrap();
            let is_histogram = kind == " histogram";
            assert!(
                if is_histogram { ["_bucket", "_sum", "_count"].contains(&part) } else { part.is_empty() },
                "{line}"
            );
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            if !labels.is_empty() {
                let (label, value) = labels.strip_suffix("\"}").unwrap().split_once("=\"").unwrap();
                assert!(is_name(label) && !value.contains(['"', '\\']), "{line}");
            }
        }
        assert_eq!(text.matches("{reason=").count(), Reason::ALL.len());
    }

    #[test]
    fn drops_that_the_system_does_not_count_are_left_out() {
        assert!(!text(&Report::default()).contains("dropped"));
    }

    #[test]
    fn metrics_are_served_to_get_and_head() {
        let metrics = metrics();
        for target in ["/metrics", "/metrics?name=value"] {
            let (head, body) = ask(&metrics, &format!("GET {target}"));
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
            assert_eq!(body, text(&report()));
            let (head, body) = ask(&metrics, &format!("HEAD {target}"));
            assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", text(&report()).len())), "{head}");
            assert_eq!(body, "");
        }
    }

    #[test]
    fn other_requests_are_told_where_the_metrics_are() {
        let metrics = metrics();
        let (head, body) = ask(&metrics, "GET /");
        assert!(head.starts_with("HTTP/1.1 200 ") && body.ends_with("the metrics are at /metrics\n"), "{head} {body}");
        for target in ["/metrics/", "/favicon.ico", "*", "here:80", "//", "/%2e%2e/metrics"] {
            assert_eq!(status(&metrics, &format!("GET {target}")), "404", "{target}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "X"] {
            assert_eq!(status(&metrics, &format!("{method} /metrics")), "405", "{method}");
        }
    }

    #[test]
    fn each_scrape_asks_anew() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let report = move || {
            let mut report = Report::<ServeFigures>::default();
            report.own.answered = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            report
        };
        let metrics = serve(&["127.0.0.1:0".parse().unwrap()], report).unwrap();
        for scrape in 0..3 {
            let (_, page) = ask(&metrics, "GET /metrics");
            assert!(page.contains(&format!("\nudp_serve_answered_datagrams_total {scrape}\n")), "{page}");
        }
    }
}
