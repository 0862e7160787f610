//! What `udp serve` says: where its metrics are, how it goes, what it came to.

use serde::Serialize;
use udpkit::verbs::ServeFigures;
use udpkit::{Capability, Report};

use crate::args::ServeArgs;
use crate::output::summary::{Counters, Rates, Summary, dropped, ignored};
use crate::output::{Notice, Tone};
use crate::runtime::missing::{self, Consequence};
use crate::runtime::sockets::Listening;
use crate::words::units;

/// New rules are followed.
#[derive(Serialize)]
pub(super) struct RulesRead {
    /// How many there are.
    pub(super) count: usize,
}

impl Notice for RulesRead {
    fn kind(&self) -> Option<&'static str> {
        Some("rules")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("rules read again: {}", self.count)]
    }
}

/// The command of `--exec` gave no reply.
#[cfg(unix)]
#[derive(Serialize)]
pub(super) struct CommandFailed<'a> {
    /// Why the datagram is ignored, as a key of `ignored`.
    pub(super) reason: &'static str,
    pub(super) error: &'a str,
}

#[cfg(unix)]
impl Notice for CommandFailed<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("command_failed")
    }

    fn words(&self) -> Vec<String> {
        vec![format!("no reply from the command: {}", self.error)]
    }

    fn tone(&self) -> Tone {
        Tone::Complaint
    }
}

/// What a server has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct Served {
    answered: u64,
    reply_failed: u64,
    taken: u64,
}

impl Served {
    fn new(report: &Report<ServeFigures>) -> Self {
        let ServeFigures { answered, reply_failed, sunk: taken, .. } = report.own;
        Self { answered, reply_failed, taken }
    }
}

/// How it goes: the account so far, and the rates since the last time.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    received_per_second: f64,
    sent_per_second: f64,
    #[serde(flatten)]
    counters: Counters,
    #[serde(flatten)]
    own: Served,
    #[serde(skip)]
    report: &'a Report<ServeFigures>,
}

impl<'a> Status<'a> {
    pub(super) fn new(before: &Report<ServeFigures>, now: &'a Report<ServeFigures>) -> Self {
        let rates = Rates { before, now };
        Self {
            received_per_second: rates.received_per_second(),
            sent_per_second: rates.sent_per_second(),
            counters: Counters::new(now),
            own: Served::new(now),
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
        let peers = report.peers.estimate();
        let plural = if peers == 1 { "" } else { "s" };
        let mut line = format!("{received:.0}/s in, {sent:.0}/s out, {peers} peer{plural}");
        if report.waiting > 0 {
            line += &format!(", {} wait for a reply", report.waiting);
        }
        line += &format!(", {} ignored", report.ignored.total());
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

/// What is different for a server where something is missing.
pub(super) fn consequences(args: &ServeArgs, listening: &Listening) -> Vec<Consequence> {
    let mut all = missing::of_flags(&args.common);
    let is_everywhere = listening.addresses().iter().any(|address| address.ip().is_unspecified());
    all.push((
        Capability::Destination,
        match is_everywhere {
            true => "one worker replies, from the address that routing chooses",
            false => "one worker replies",
        },
    ));
    all.push((Capability::Timestamps, "times are those of printing"));
    all.push((Capability::HopLimits, "replies between two servers do not die out"));
    all.push((Capability::KernelDrops, "drops are not counted"));
    all.push((Capability::OnlyJoinedGroups, "those are answered, too"));
    all
}

/// What a run came to.
pub(super) fn summary(report: &Report<ServeFigures>, receive_buffer: usize) -> Summary<Served> {
    Summary::new(report, Served::new(report), words(report, receive_buffer))
}

fn words(report: &Report<ServeFigures>, receive_buffer: usize) -> Vec<String> {
    let received = report.received;
    let elapsed = units::human(report.elapsed);
    let mut first = format!("{} received ({} B) in {elapsed}:", received.datagrams, received.bytes);
    let parts = [
        (report.own.answered, "answered"),
        (report.own.reply_failed, "not answered (the reply could not be sent)"),
        (report.own.sunk, "taken"),
    ];
    for (count, name) in parts.into_iter().filter(|(count, _)| *count > 0) {
        first += &format!(" {count} {name},");
    }
    let mut lines = vec![format!("{first} {} ignored", report.ignored.total())];
    lines.extend(ignored(report));
    if report.truncated > 0 {
        lines.push(format!("  {} truncated on receipt", report.truncated));
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
