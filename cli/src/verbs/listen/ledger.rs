//! The account of a listener: what became of every datagram, what was lost before it came, and what helps.

use std::time::Duration;

use serde::Serialize;
use udpkit::{Reason, Report};

use super::buffer::room;
use super::queue::Queue;
use super::recorder::{Recorder, Written};
use super::system::SystemCounters;
use crate::args::ListenArgs;
use crate::output::summary::{Summary, advice, ignored};
use crate::words::units;

/// Room for less than this time is too little for the pauses that a busy processor makes.
const SHORT: Duration = Duration::from_millis(20);

/// What became of the datagrams that a listener took, and what it knows of those that it did not get.
#[derive(Debug)]
pub(super) struct Ledger {
    /// What the engine reports; what found no room in our queue is ignored there, unless it is in the table.
    pub(super) report: Report,
    /// Datagrams printed, where that was asked for.
    printed: Option<u64>,
    /// Whether all that was taken is in the table of `--tui`.
    listed: bool,
    /// What a capture came to, where one was asked for.
    written: Option<Written>,
    /// Datagrams for which our queue had no room.
    queue_full: u64,
    /// Bytes of each socket's receive buffer, the kernel's overhead included.
    receive_buffer: usize,
    /// Whether runs of datagrams were received as one.
    coalesces: bool,
    /// What the system counted meanwhile.
    system: Option<SystemCounters>,
}

/// What a run came to so far.
#[derive(Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "nobody asks for it"))]
pub(super) struct SoFar {
    /// What was received; what found no room in our queue is ignored there, unless it is in the table.
    pub(super) report: Report,
    /// Datagrams printed, and written to a capture, where that was asked for.
    pub(super) printed: Option<u64>,
    pub(super) written: Option<u64>,
}

/// What a ledger has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct LedgerObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    printed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_printed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_written: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_not_removed: Option<u64>,
    #[serde(skip_serializing_if = "is_unknown")]
    receive_buffer_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<SystemCounters>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_unknown(bytes: &usize) -> bool {
    *bytes == 0
}

impl Ledger {
    /// Makes the account of a run, when all is over: of what the engine reports, of what found no room in the queue, and of
    /// what became of the rest.
    pub(super) fn new(
        args: &ListenArgs,
        report: Report,
        queue: &Queue,
        recorder: &Recorder,
        receive_buffer: usize,
        system: Option<SystemCounters>,
    ) -> Self {
        let queue_full = queue.overflow();
        // What is in the table was taken, written or not.
        let report = if args.tui { report } else { without(report, queue_full) };
        Self {
            report,
            printed: recorder.printed(),
            listed: args.tui,
            written: recorder.written(),
            queue_full,
            receive_buffer,
            coalesces: args.coalesce,
            system,
        }
    }

    /// The account as the last thing that is said.
    pub(super) fn summary(&self) -> Summary<LedgerObject> {
        Summary::new(&self.report, self.object(), self.lines())
    }

    fn object(&self) -> LedgerObject {
        let written = self.written.as_ref();
        LedgerObject {
            printed: self.printed,
            not_printed: self.printed.map(|printed| self.rest(printed)),
            written: written.map(|written| written.datagrams),
            not_written: written.map(|written| self.rest(written.datagrams)),
            files: written.map(|written| written.files),
            files_removed: written.map(|written| written.removed),
            files_not_removed: written.map(|written| written.not_removed),
            receive_buffer_bytes: self.receive_buffer,
            system: self.system,
        }
    }

    /// How many of the datagrams taken are not among these.
    fn rest(&self, count: u64) -> u64 {
        self.report.delivered.saturating_sub(count)
    }

    fn lines(&self) -> Vec<String> {
        let report = &self.report;
        let mut lines = vec![self.first_line()];
        lines.extend(ignored(report));
        if self.listed && self.queue_full > 0 {
            lines.push(format!("  {} of them not written: {}", self.queue_full, Reason::QueueFull));
        }
        if report.truncated > 0 {
            lines.push(format!("  {} truncated on receipt", report.truncated));
        }
        lines.extend(self.drops());
        if self.queue_full > 0 {
            lines.push(advice(match self.printed {
                Some(_) => "text to a slow terminal or disk holds it up: --write FILE, or less with --match, --fields",
                None => "a faster disk, or less with --match",
            }));
        }
        lines
    }

    /// What came, and what became of it.
    fn first_line(&self) -> String {
        let Report { received, delivered, elapsed, ignored, .. } = &self.report;
        let mut line = format!("{} received ({} B) in {}:", received.datagrams, received.bytes, units::human(*elapsed));
        if self.listed {
            line += &format!(" {delivered} listed,");
        }
        if let Some(printed) = self.printed {
            line += &format!(" {printed} printed,{}", not(self.rest(printed), "printed"));
        }
        if let Some(written) = &self.written {
            line += &format!("{}{}", written.words(), not(self.rest(written.datagrams), "written"));
        }
        line + &format!(" {} ignored", ignored.total())
    }

    /// What did not come, and what helps.
    fn drops(&self) -> Vec<String> {
        let report = &self.report;
        let mean_len = report.received.bytes.checked_div(report.received.datagrams).unwrap_or(0);
        let room = room(self.receive_buffer, mean_len);
        let mut lines = Vec::new();
        match report.kernel_drops {
            None => lines.push("  dropped by the kernel: unknown on this system".to_owned()),
            Some(0) => {}
            Some(drops) => {
                let bound = if report.kernel_drops_at_least { "at least " } else { "" };
                let (size, holds) = match self.receive_buffer {
                    0 => (String::new(), String::new()),
                    bytes if cfg!(target_os = "linux") && !self.coalesces => {
                        (format!(" of {bytes} B"), format!("; it holds some {room} of this length"))
                    }
                    bytes => (format!(" of {bytes} B"), String::new()),
                };
                lines.push(format!(
                    "  dropped by the kernel: {bound}{drops} (the receive buffer{size} was full{holds})"
                ));
            }
        }
        lines.extend(self.system.iter().flat_map(|system| system.lines(report)));
        if report.kernel_drops > Some(0) {
            lines.push(advice(&self.advice(room)));
        }
        lines
    }

    /// What helps against drops: it depends on how long the buffer lasts.
    fn advice(&self, room: u64) -> String {
        let seconds = self.report.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
        let lasts = Duration::try_from_secs_f64(room as f64 * seconds / self.report.received.datagrams.max(1) as f64);
        let lasts = lasts.unwrap_or(Duration::MAX);
        if lasts < SHORT && !self.coalesces && self.receive_buffer > 0 {
            let lasts = units::human(lasts);
            format!(
                "at this rate the buffer lasts {lasts}: --recv-buffer SIZE for a larger one (as root, or up to sysctl net.core.rmem_max), --coalesce for a higher rate, or a slower sender"
            )
        } else {
            "--recv-buffer SIZE for a larger one, as root or up to sysctl net.core.rmem_max".to_owned()
        }
    }
}

/// Corrects an engine's report, which takes what it handed on as used: what found no room after that was not.
pub(super) fn without(mut report: Report, overflow: u64) -> Report {
    report.delivered -= overflow;
    report.ignored.add(Reason::QueueFull, usize::try_from(overflow).unwrap_or(usize::MAX));
    report
}

/// Datagrams that were to be printed or written, and were not.
fn not(count: u64, what: &str) -> String {
    if count > 0 { format!(" {count} not {what},") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_found_no_room_is_ignored_and_not_taken() {
        let mut report = Report::default();
        report.received.add(10, 100);
        report.delivered = 10;
        let report = without(report, 4);
        assert!(report.is_balanced());
        assert_eq!((report.delivered, report.ignored.of(Reason::QueueFull)), (6, 4));
    }

    #[test]
    fn what_is_lost_is_told_with_what_helps() {
        let mut report = Report::default();
        report.received.add(1_000_000, 32_000_000);
        report.elapsed = Duration::from_secs(2);
        report.delivered = 999_990;
        report.ignored.add(Reason::QueueFull, 10);
        report.kernel_drops = Some(20);
        let mut ledger = Ledger {
            report,
            printed: None,
            listed: false,
            written: Some(Written {
                path: "x.pcapng".into(),
                datagrams: 999_000,
                files: 1,
                removed: 0,
                not_removed: 0,
            }),
            queue_full: 10,
            receive_buffer: 832_000,
            coalesces: false,
            system: Some(SystemCounters { receive_buffer_errors: 25, ..SystemCounters::default() }),
        };
        let text = ledger.lines();
        let expected = [
            "1000000 received (32000000 B) in 2.00 s: 999000 written to x.pcapng, 990 not written, 10 ignored",
            "  10 ignored: our queue was full (the output is too slow)",
            "  dropped by the kernel: 20 (the receive buffer of 832000 B was full",
            "  meanwhile on this system: 5 datagrams dropped at other sockets, whose buffers were full",
            "hint: at this rate the buffer lasts 2.00 ms: --recv-buffer SIZE",
            "hint: a faster disk",
        ];
        assert_eq!(text.len(), expected.len(), "{text:?}");
        for (line, start) in text.iter().zip(expected) {
            assert!(line.starts_with(start), "{line}");
        }
        ledger.report.elapsed = Duration::from_secs(2000);
        ledger.printed = Some(999_980);
        ledger.written =
            Some(Written { path: "x-00003.pcapng".into(), datagrams: 999_990, files: 3, removed: 2, not_removed: 1 });
        let text = ledger.lines().join("\n");
        let start = ": 999980 printed, 10 not printed, 999990 written to 3 files, the last x-00003.pcapng, 2 older ones \
                     removed, 1 could not be removed, 10 ignored\n";
        assert!(text.contains(start) && text.contains("hint: --recv-buffer"), "{text}");
        assert!(text.contains("hint: text to a slow terminal"), "{text}");
    }
}
