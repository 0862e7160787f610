//! What `udp reflect` says: how many keys there are, how it goes, what it came to.

use serde::Serialize;
use udpkit::verbs::ReflectFigures;
use udpkit::{Capability, Report};

use crate::args::ReflectArgs;
use crate::output::summary::{Counters, Rates, Summary, counts, dropped, ignored};
use crate::output::{Notice, Tone};
use crate::runtime::missing::{self, Consequence};
use crate::words::units::{self, counted};

/// These keys are used from now on.
#[derive(Serialize)]
pub(super) struct KeysRead {
    /// How many there are.
    pub(super) count: usize,
}

impl Notice for KeysRead {
    fn kind(&self) -> Option<&'static str> {
        Some("keys")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("answering only requests made with a key: {}", counted(self.count as u64, "key"))]
    }
}

/// What a reflector has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct Reflected {
    answered: u64,
    closing: u64,
    reply_failed: u64,
    load: u64,
    sessions_now: u64,
    sessions_authenticated: u64,
    sessions_ever: u64,
    sessions_expired: u64,
    sessions_evicted: u64,
}

impl Reflected {
    fn new(own: &ReflectFigures) -> Self {
        Self {
            answered: own.answered,
            closing: own.closing,
            reply_failed: own.reply_failed,
            load: own.load,
            sessions_now: own.sessions_now,
            sessions_authenticated: own.sessions_authenticated,
            sessions_ever: own.sessions_ever,
            sessions_expired: own.sessions_expired,
            sessions_evicted: own.sessions_evicted,
        }
    }
}

/// How it goes: the counters so far, and the rates since the last time.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    received_per_second: f64,
    sent_per_second: f64,
    #[serde(flatten)]
    counters: Counters,
    #[serde(flatten)]
    own: Reflected,
    #[serde(skip)]
    report: &'a Report<ReflectFigures>,
}

impl<'a> Status<'a> {
    pub(super) fn new(before: &Report<ReflectFigures>, now: &'a Report<ReflectFigures>) -> Self {
        let rates = Rates { before, now };
        Self {
            received_per_second: rates.received_per_second(),
            sent_per_second: rates.sent_per_second(),
            counters: Counters::new(now),
            own: Reflected::new(&now.own),
            report: now,
        }
    }
}

impl Notice for Status<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("status")
    }

    fn words(&self) -> Vec<String> {
        let Self { received_per_second: received, sent_per_second: sent, report, .. } = self;
        let sessions = counted(report.own.sessions_now, "session");
        let mut line = format!("{received:.0}/s in, {sent:.0}/s out, {sessions}, {} ignored", report.ignored.total());
        let reasons: Vec<_> = report.ignored.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        if !reasons.is_empty() {
            line += &format!(" ({})", reasons.join(", "));
        }
        if let Some(drops) = report.kernel_drops {
            line += &format!(", {drops} dropped by the kernel");
        }
        vec![line]
    }

    fn tone(&self) -> Tone {
        Tone::Status
    }
}

/// What is different for a reflector where something is missing.
pub(super) fn consequences(args: &ReflectArgs) -> Vec<Consequence> {
    let mut all = missing::of_flags(&args.common);
    all.push((Capability::Destination, "replies leave from the address that routing chooses"));
    all.push((Capability::Timestamps, "requests have the time at which they were read"));
    all.push((Capability::HopLimits, "replies between two reflectors do not die out"));
    all.push((Capability::TrafficClasses, "senders do not learn of DSCP and ECN"));
    all.push((Capability::SendTimestamps, "--send-times does nothing"));
    all.push((Capability::KernelDrops, "drops are not counted"));
    all
}

/// What a run came to.
pub(super) fn summary(report: &Report<ReflectFigures>, receive_buffer: usize) -> Summary<Reflected> {
    Summary::new(report, Reflected::new(&report.own), words(report, receive_buffer))
}

fn words(report: &Report<ReflectFigures>, receive_buffer: usize) -> Vec<String> {
    let (received, own) = (report.received, &report.own);
    let elapsed = units::human(report.elapsed);
    let mut first =
        format!("{} received ({} B) in {elapsed}: {} answered", received.datagrams, received.bytes, own.answered);
    if own.reply_failed > 0 {
        first += &format!(", {} not answered (the reply could not be sent)", own.reply_failed);
    }
    first += &counts(&[(own.load, "load")]);
    let mut lines = vec![format!("{first}, {} ignored", report.ignored.total())];
    lines.extend(ignored(report));
    if own.sessions_ever > 0 {
        let mut line = format!("  {}", counted(own.sessions_ever, "session"));
        line += &counts(&[
            (own.sessions_expired, "forgotten after they were idle"),
            (own.sessions_evicted, "forgotten to make room"),
        ]);
        lines.push(line);
    }
    if report.unreachable > 0 {
        lines.push(format!("  replies refused by their receivers (ICMP): {}", report.unreachable));
    }
    if report.kernel_drops.is_none() {
        lines.push("  dropped by the kernel: unknown on this system".to_owned());
    }
    lines.extend(dropped(report, receive_buffer));
    lines
}
