//! What `udp send` says besides the answers: why there may be none, and what it came to.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use udpkit::verbs::SendFigures;
use udpkit::{Report, Spread, Transmit};

use crate::args::SendArgs;
use crate::output::Remark;
use crate::output::summary::{Rtt, Summary, counts, dropped, ignored, milliseconds};
use crate::runtime::payload::Payloads;
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// Nobody answered a single request.
pub(super) fn no_reply(destination: SocketAddr, waited: Duration) -> Remark {
    let (destination, waited) = (Endpoint(destination), units::human(waited));
    Remark::note(format!("no reply from {destination} in {waited} (UDP cannot tell an open port from a lost datagram)"))
}

/// How to take answers that came from elsewhere, if any did.
pub(super) fn other_sources(count: u64) -> Option<Remark> {
    match count {
        0 => None,
        1 => Some(Remark::note("1 datagram came from elsewhere and was ignored; --any-source takes it")),
        _ => Some(Remark::note(format!(
            "{count} datagrams came from elsewhere and were ignored; --any-source takes them"
        ))),
    }
}

/// Whether the longest payload, or each if all have a size, takes more than the path takes in one piece; with -v.
pub(super) fn fragments(transmit: &Transmit, payloads: &Payloads, args: &SendArgs) -> Option<Remark> {
    if !args.common.verbose || args.pace.df {
        return None;
    }
    let (destination, size) = (transmit.destination, args.payload.size);
    let mtu = udpkit::path_mtu(destination, transmit.interface)?;
    let len = size.or_else(|| payloads.longest())? + udpkit::header_len(destination.ip());
    (len > mtu as usize).then(|| {
        Remark::note(format!("{len} B with headers is over the path's MTU of {mtu} B: it will be sent in fragments"))
    })
}

/// What a sender has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct Asked {
    requests: u64,
    requests_answered: u64,
    replies_copied: u64,
    replies_late: u64,
    retries: u64,
    rtt: Option<Rtt>,
    rtt_likely: Option<Rtt>,
}

impl Asked {
    fn new(own: &SendFigures) -> Self {
        let SendFigures { requests, requests_answered, replies_copied, replies_late, retries, .. } = *own;
        let (rtt, rtt_likely) = (Rtt::of(&own.rtt), Rtt::of(&own.rtt_likely));
        Self { requests, requests_answered, replies_copied, replies_late, retries, rtt, rtt_likely }
    }
}

/// What a run came to, in the way of ping; and whether it waited for answers at all.
pub(super) fn summary(report: &Report<SendFigures>, waited: bool, receive_buffer: usize) -> Summary<Asked> {
    Summary::new(report, Asked::new(&report.own), words(report, waited, receive_buffer))
}

fn words(report: &Report<SendFigures>, waited: bool, receive_buffer: usize) -> Vec<String> {
    let (requests, answered) = (report.own.requests, report.own.requests_answered);
    let mut first = format!("{} sent", report.sent.datagrams);
    if waited {
        first += &format!(", {answered} answered");
    }
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
    if waited && requests > 0 {
        let unanswered = 100.0 * (requests - answered) as f64 / requests as f64;
        first += &format!(", {unanswered:.1} % of {} unanswered", units::counted(requests, "request"));
    }
    let parts = [
        (report.own.retries, "retries"),
        (report.own.replies_copied, "copies"),
        (report.own.replies_late, "late"),
        (report.unreachable, "refused"),
        (report.send_failed, "not sent"),
    ];
    let mut lines = vec![format!("{first}{}, in {}", counts(&parts), units::human(report.elapsed))];
    lines.extend(rtt("rtt", &report.own.rtt));
    lines.extend(rtt("rtt, likely:", &report.own.rtt_likely));
    if report.own.rtt_likely.count() > 0 {
        lines.push(ALIKE.to_owned());
    }
    lines.extend(ignored(report));
    lines.extend(dropped(report, receive_buffer));
    lines
}

/// Why round-trip times are likely alone, and what makes them certain.
const ALIKE: &str =
    "  (~: likely, since others were waited for, too; a --wait shorter than --every makes them certain)";

fn rtt(name: &str, rtt: &Spread) -> Option<String> {
    let [smallest, mean, largest, deviation] =
        [rtt.smallest(), rtt.mean(), rtt.largest(), rtt.deviation()].map(milliseconds);
    (rtt.count() > 0).then(|| {
        format!("{name} min/avg/max/mdev = {smallest:.3}/{mean:.3}/{largest:.3}/{deviation:.3} ms of {}", rtt.count())
    })
}
