//! The account of a listener: what became of every datagram, what was lost before it came, and what helps.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use udpkit::{Reason, Report};

use super::json::LedgerObject;
use super::{HINT, escape, text};
use crate::words::units;

/// What the kernel keeps with a datagram's payload in one piece of memory, and apart from it, in bytes (64-bit Linux 6.18
/// over loopback, measured; drivers of network cards may take more).
const BESIDE: u64 = 380;
const APART: u64 = 256;
/// The smallest piece of memory, and the largest that is rounded up to a power of two.
const PIECES: [u64; 2] = [576, 16_384];

/// What a datagram of this length occupies of a receive buffer: its place in the kernel's memory, not its length.
fn occupied(len: u64) -> u64 {
    let [smallest, largest] = PIECES;
    let piece = len + BESIDE;
    let piece = if piece > smallest && piece <= largest { piece.next_power_of_two() } else { piece.max(smallest) };
    piece + APART
}

/// Room for less than this time is too little for the pauses that a busy processor makes.
const SHORT: Duration = Duration::from_millis(20);

/// How many datagrams of this length a receive buffer holds, about.
pub(crate) fn room(buffer: usize, len: u64) -> u64 {
    buffer as u64 / occupied(len)
}

/// What became of the datagrams that a listener took, and what it knows of those that it did not get.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Datagrams printed, where that was asked for.
    pub(crate) printed: Option<u64>,
    /// Whether all that was taken is in the table of `--tui`.
    pub(crate) listed: bool,
    /// What a capture came to, where one was asked for.
    pub(crate) written: Option<Written>,
    /// Datagrams for which our queue had no room.
    pub(crate) queue_full: u64,
    /// Bytes of each socket's receive buffer, the kernel's overhead included.
    pub(crate) receive_buffer: usize,
    /// Whether runs of datagrams were received as one.
    pub(crate) coalesces: bool,
    /// What the system counted meanwhile.
    pub(crate) system: Option<SystemCounters>,
}

/// What a capture came to.
#[derive(Debug)]
pub(crate) struct Written {
    /// The file that was written last.
    pub(crate) path: PathBuf,
    /// Datagrams in all files.
    pub(crate) datagrams: u64,
    /// Files that were begun, and those of them and of earlier runs that were removed (`--keep`).
    pub(crate) files: u64,
    pub(crate) removed: u64,
}

impl Ledger {
    pub(super) fn object(&self, report: &Report) -> LedgerObject {
        let rest = |count: u64| report.delivered.saturating_sub(count);
        let written = self.written.as_ref();
        LedgerObject {
            printed: self.printed,
            not_printed: self.printed.map(rest),
            written: written.map(|written| written.datagrams),
            not_written: written.map(|written| rest(written.datagrams)),
            files: written.map(|written| written.files),
            files_removed: written.map(|written| written.removed),
            receive_buffer_bytes: self.receive_buffer,
            system: self.system,
        }
    }

    /// Writes it for people.
    pub(super) fn write(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        let (received, elapsed) = (report.received, units::human(report.elapsed));
        write!(out, "{} received ({} B) in {elapsed}:", received.datagrams, received.bytes)?;
        if self.listed {
            write!(out, " {} listed,", report.delivered)?;
        }
        if let Some(printed) = self.printed {
            write!(out, " {printed} printed,")?;
            write_rest(out, report.delivered.saturating_sub(printed), "printed")?;
        }
        if let Some(written) = &self.written {
            written.write(out)?;
            write_rest(out, report.delivered.saturating_sub(written.datagrams), "written")?;
        }
        writeln!(out, " {} ignored", report.ignored.total())?;
        text::ignored(out, report)?;
        if self.listed && self.queue_full > 0 {
            writeln!(out, "  {} of them not written: {}", self.queue_full, Reason::QueueFull)?;
        }
        if report.truncated > 0 {
            writeln!(out, "  {} truncated on receipt", report.truncated)?;
        }
        self.write_drops(out, report)?;
        if self.queue_full > 0 {
            let words = "text to a slow terminal or disk holds it up: --write FILE, or less with --match, --fields";
            writeln!(
                out,
                "{HINT}{}",
                if self.printed.is_some() { words } else { "a faster disk, or less with --match" }
            )?;
        }
        Ok(())
    }

    fn write_drops(&self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        let mean_len = report.received.bytes.checked_div(report.received.datagrams).unwrap_or(0);
        let room = room(self.receive_buffer, mean_len);
        match report.kernel_drops {
            None => writeln!(out, "  dropped by the kernel: unknown on this system")?,
            Some(0) => {}
            Some(drops) => {
                let bound = if report.kernel_drops_at_least { "at least " } else { "" };
                let buffer = self.receive_buffer;
                write!(out, "  dropped by the kernel: {bound}{drops} (the receive buffer of {buffer} B was full")?;
                if cfg!(target_os = "linux") && !self.coalesces {
                    write!(out, "; it holds some {room} of this length")?;
                }
                writeln!(out, ")")?;
            }
        }
        if let Some(system) = self.system {
            system.write(out, report)?;
        }
        if report.kernel_drops > Some(0) {
            writeln!(out, "{HINT}{}", self.advice(report, room))?;
        }
        Ok(())
    }

    /// What helps against drops: it depends on how long the buffer lasts.
    fn advice(&self, report: &Report, room: u64) -> String {
        let seconds = report.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an estimate for people")]
        let lasts = Duration::try_from_secs_f64(room as f64 * seconds / report.received.datagrams.max(1) as f64);
        let lasts = lasts.unwrap_or(Duration::MAX);
        if lasts < SHORT && !self.coalesces {
            let lasts = units::human(lasts);
            format!(
                "at this rate the buffer lasts {lasts}: --recv-buffer SIZE for a larger one (as root, or up to sysctl net.core.rmem_max), --coalesce for a higher rate, or a slower sender"
            )
        } else {
            "--recv-buffer SIZE for a larger one, as root or up to sysctl net.core.rmem_max".to_owned()
        }
    }
}

impl Written {
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, " {} written to ", self.datagrams)?;
        if self.files > 1 {
            write!(out, "{} files, the last ", self.files)?;
        }
        write!(out, "{},", escape::words(&self.path.display().to_string()))?;
        if self.removed > 0 {
            write!(out, " {} older ones removed,", self.removed)?;
        }
        Ok(())
    }
}

/// Datagrams that were to be printed or written, and were not.
fn write_rest(out: &mut impl Write, count: u64, what: &str) -> io::Result<()> {
    if count > 0 { write!(out, " {count} not {what},") } else { Ok(()) }
}

/// What the kernel counted at all UDP sockets of this network namespace: a hint, not an account of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct SystemCounters {
    /// Datagrams dropped since a receive buffer was full.
    pub(crate) receive_buffer_errors: u64,
    /// Datagrams whose checksum was wrong.
    pub(crate) checksum_errors: u64,
    /// Datagrams dropped since all of UDP had used up its memory (`net.ipv4.udp_mem`).
    pub(crate) memory_errors: u64,
}

impl SystemCounters {
    /// The counters as they are now; `None` where the system has none to read.
    pub(crate) fn read() -> Option<Self> {
        let v4 = std::fs::read_to_string("/proc/net/snmp").ok()?;
        let v6 = std::fs::read_to_string("/proc/net/snmp6").unwrap_or_default();
        Some(Self::parse(&v4, &v6))
    }

    /// Of IPv4 a row of names and a row of numbers, of IPv6 a row for each.
    fn parse(v4: &str, v6: &str) -> Self {
        let mut rows = v4.lines().filter_map(|line| line.strip_prefix("Udp: "));
        let (names, numbers) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let of_v4 = names.split(' ').zip(numbers.split(' '));
        let of_v6 = v6.lines().filter_map(|line| line.strip_prefix("Udp6")?.split_once(char::is_whitespace));
        let mut counters = Self::default();
        for (name, number) in of_v4.chain(of_v6) {
            let number: u64 = number.trim().parse().unwrap_or(0);
            match name {
                "RcvbufErrors" => counters.receive_buffer_errors += number,
                "InCsumErrors" => counters.checksum_errors += number,
                "MemErrors" => counters.memory_errors += number,
                _ => {}
            }
        }
        counters
    }

    /// What was counted since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            receive_buffer_errors: self.receive_buffer_errors.wrapping_sub(before.receive_buffer_errors),
            checksum_errors: self.checksum_errors.wrapping_sub(before.checksum_errors),
            memory_errors: self.memory_errors.wrapping_sub(before.memory_errors),
        }
    }

    /// Tells what our own drops do not explain.
    fn write(self, out: &mut impl Write, report: &Report) -> io::Result<()> {
        let others = self.receive_buffer_errors.saturating_sub(report.kernel_drops.unwrap_or(0));
        let parts = [
            (others, "dropped at other sockets, whose buffers were full"),
            (self.checksum_errors, "with a wrong checksum"),
            (self.memory_errors, "dropped for want of memory (sysctl net.ipv4.udp_mem)"),
        ];
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(out, "  meanwhile on this system: {count} datagrams {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "Icmp: InMsgs\nIcmp: 7\nUdp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors \
                      InCsumErrors IgnoredMulti MemErrors\nUdp: 99 2 11 98 10 0 1 1 4\nUdpLite: RcvbufErrors\nUdpLite: 50\n";
    const V6: &str =
        "Udp6InDatagrams                 \t35\nUdp6RcvbufErrors                \t16\nUdpLite6RcvbufErrors \t8\n";

    #[test]
    fn the_systems_counters_are_those_of_both_families() {
        let counters = SystemCounters::parse(V4, V6);
        let expected = SystemCounters { receive_buffer_errors: 26, checksum_errors: 1, memory_errors: 4 };
        assert_eq!(counters, expected);
        assert_eq!(SystemCounters::parse("", "Udp6RcvbufErrors x\n\n"), SystemCounters::default());
        assert_eq!(counters.since(expected), SystemCounters::default());
    }

    #[test]
    fn what_a_datagram_occupies_is_what_the_kernel_says() {
        let measured =
            [(0, 832), (196, 832), (200, 1280), (644, 1280), (648, 2304), (1472, 2304), (3720, 8448), (8040, 16_640)];
        for (len, bytes) in measured {
            assert_eq!(occupied(len), bytes, "{len}");
        }
        let longest = occupied(65_000);
        assert!((65_000..67_000).contains(&longest), "{longest}");
    }

    fn written(ledger: &Ledger, report: &Report) -> String {
        let mut out = Vec::new();
        ledger.write(&mut out, report).unwrap();
        String::from_utf8(out).unwrap()
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
            printed: None,
            listed: false,
            written: Some(Written { path: "x.pcapng".into(), datagrams: 999_000, files: 1, removed: 0 }),
            queue_full: 10,
            receive_buffer: 832_000,
            coalesces: false,
            system: Some(SystemCounters { receive_buffer_errors: 25, ..SystemCounters::default() }),
        };
        let text = written(&ledger, &report);
        let expected = [
            "1000000 received (32000000 B) in 2.00 s: 999000 written to x.pcapng, 990 not written, 10 ignored",
            "  10 ignored: our queue was full (the output is too slow)",
            "  dropped by the kernel: 20 (the receive buffer of 832000 B was full",
            "  meanwhile on this system: 5 datagrams dropped at other sockets, whose buffers were full",
            "hint: at this rate the buffer lasts 2.00 ms: --recv-buffer SIZE",
            "hint: a faster disk",
        ];
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{text}");
        for (line, start) in lines.iter().zip(expected) {
            assert!(line.starts_with(start), "{line}");
        }
        report.elapsed = Duration::from_secs(2000);
        ledger.printed = Some(999_980);
        ledger.written = Some(Written { path: "x-00003.pcapng".into(), datagrams: 999_990, files: 3, removed: 2 });
        let text = written(&ledger, &report);
        let start = ": 999980 printed, 10 not printed, 999990 written to 3 files, the last x-00003.pcapng, 2 older ones \
                     removed, 10 ignored\n";
        assert!(text.contains(start) && text.contains("hint: --recv-buffer"), "{text}");
        assert!(text.contains("hint: text to a slow terminal"), "{text}");
    }
}
