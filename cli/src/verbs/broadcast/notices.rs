//! What `udp broadcast` says besides the answers: by which interfaces it goes, and what it came to.

use serde::Serialize;
use udpkit::Report;
use udpkit::verbs::BroadcastFigures;

use crate::output::summary::{Rtt, Summary, counts, dropped, ignored};
use crate::output::{Notice, Tone, json};
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// By which interface a datagram goes, and where.
#[derive(Serialize)]
pub(super) struct Target<'a> {
    pub(super) interface: &'a str,
    #[serde(flatten, serialize_with = "json::destination")]
    pub(super) destination: Endpoint,
    /// Whether that is all there is to print.
    #[serde(skip)]
    pub(super) is_dry_run: bool,
}

impl Notice for Target<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("target")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        vec![format!("{}: to {}", self.interface, self.destination)]
    }

    fn tone(&self) -> Tone {
        if self.is_dry_run { Tone::Data } else { Tone::Note }
    }
}

/// Which interface is left out, and why.
#[derive(Serialize)]
pub(super) struct LeftOut<'a> {
    pub(super) interface: &'a str,
    pub(super) reason: &'a str,
}

impl Notice for LeftOut<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("left_out")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        vec![format!("{}: left out: {}", self.interface, self.reason)]
    }
}

/// What a broadcast has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct Asked {
    rtt: Option<Rtt>,
}

/// What a run came to; and whether it waited for answers at all.
pub(super) fn summary(report: &Report<BroadcastFigures>, waited: bool, receive_buffer: usize) -> Summary<Asked> {
    Summary::new(report, Asked { rtt: Rtt::of(&report.own.rtt) }, words(report, waited, receive_buffer))
}

fn words(report: &Report<BroadcastFigures>, waited: bool, receive_buffer: usize) -> Vec<String> {
    let mut first = format!("{} sent", report.sent.datagrams);
    if waited {
        let plural = if report.delivered == 1 { "" } else { "s" };
        first += &format!(", {} answer{plural}", report.delivered);
    }
    let parts = [(report.unreachable, "refused"), (report.send_failed, "not sent")];
    let mut lines = vec![format!("{first}{}, in {}", counts(&parts), units::human(report.elapsed))];
    lines.extend(ignored(report));
    lines.extend(dropped(report, receive_buffer));
    lines
}
