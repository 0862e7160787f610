//! What `udp replay` says: its sources, its progress, what it would send, and what became of the capture.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use udpkit::{Count, Quantiles, Report};

use super::Printer;
use super::json::{self, Object};
use super::text::{self, Status};
use crate::capture::{Account, Captured, Unusable};
use crate::words::units;

/// Why a datagram of a capture is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// It went to a port that was not asked for.
    OtherPort,
    /// It went to port 0, where nothing can be sent.
    PortZero,
    /// Its payload is longer than the family of the destination carries.
    TooLong,
}

impl LeftOut {
    const ALL: [Self; 3] = [Self::OtherPort, Self::PortZero, Self::TooLong];

    fn key(self) -> &'static str {
        match self {
            Self::OtherPort => "other_port",
            Self::PortZero => "port_zero",
            Self::TooLong => "too_long",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::OtherPort => "to other ports (--filter-port)",
            Self::PortZero => "to port 0, where nothing can be sent",
            Self::TooLong => "longer than a datagram to that address can be",
        }
    }
}

/// What became of everything in a capture, over all readings of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How often it was read, or begun to be.
    pub(crate) readings: u64,
    pub(crate) account: Account,
    /// Datagrams for which the file has no time.
    pub(crate) without_time: u64,
    left_out: [u64; LeftOut::ALL.len()],
    /// Datagrams that were read and would have been sent if it had not ended.
    pub(crate) unsent: u64,
}

impl Tally {
    pub(crate) fn leave_out(&mut self, why: LeftOut) {
        self.left_out[why as usize] += 1;
    }

    /// Takes what was tried to be sent; what is missing was read and not sent.
    pub(crate) fn settle(&mut self, tried: u64) {
        self.unsent = self.account.datagrams.saturating_sub(tried + self.left_out.iter().sum::<u64>());
    }

    /// Packets and datagrams that are not sent, by reason.
    fn unused(&self) -> impl Iterator<Item = (u64, &'static str, &'static str)> {
        let unusable = Unusable::ALL.iter().map(|why| (self.account.unusable(*why), why.key(), why.words()));
        let left_out = LeftOut::ALL.iter().map(|why| (self.left_out[*why as usize], why.key(), why.words()));
        unusable.chain(left_out).filter(|(count, ..)| *count > 0)
    }

    /// All of it in a line: `12 packets, of which 10 TCP, 2 not IP`.
    pub(crate) fn words(&self) -> String {
        let packets = self.account.packets;
        let reasons: Vec<_> = self.unused().map(|(count, _, words)| format!("{count} {words}")).collect();
        match reasons.is_empty() {
            true => counted(packets, "packet"),
            false => format!("{}: {}", counted(packets, "packet"), reasons.join(", ")),
        }
    }
}

/// A datagram of a capture, for a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    packet: u64,
    source: SocketAddr,
    destination: SocketAddr,
    length: usize,
}

impl Row {
    pub(crate) fn new(datagram: &Captured<'_>) -> Self {
        let Captured { packet, source, destination, payload, .. } = *datagram;
        Self { packet, source, destination, length: payload.len() }
    }
}

impl<W: Write, N: Write> Printer<W, N> {
    /// Tells by which socket a source sends; people are told of those that have another port than in the capture.
    pub(crate) fn sender(&mut self, source: SocketAddr, local: SocketAddr, error: Option<&udpkit::Error>) {
        if self.is_json() {
            let error = error.map(|error| udpkit::reason(error.cause()));
            self.object(&Object::Sender { source, local, error });
        } else if let Some(error) = error {
            let reason = udpkit::reason(error.cause());
            self.note(&format!("{source} sends from port {}, not {}: {reason}", local.port(), source.port()));
        }
    }

    /// Shows a datagram that would be sent so long after the first.
    pub(crate) fn planned(&mut self, row: &Row, at: Duration, destination: SocketAddr) {
        let Row { packet, source, destination: captured, length } = *row;
        if self.is_json() {
            let (captured_destination, at_ns) = (captured, json::nanoseconds(at));
            self.object(&Object::Planned { at_ns, packet, source, captured_destination, destination, length });
            return;
        }
        let (seconds, nanoseconds) = (at.as_secs(), at.subsec_nanos());
        let line =
            format!("+{seconds}.{nanoseconds:09}  #{packet}  {source} -> {captured}  to {destination}  {length} B");
        let written = writeln!(self.out, "{line}");
        self.keep(written);
    }

    /// Shows a datagram that cannot be sent.
    pub(crate) fn unsendable(&mut self, row: &Row, why: LeftOut) {
        let Row { packet, source, destination: captured_destination, length } = *row;
        if self.is_json() {
            let reason = why.key();
            self.object(&Object::Unsendable { packet, source, captured_destination, length, reason });
            return;
        }
        let words = why.words();
        let line = format!("not sent  #{packet}  {source} -> {captured_destination}  {length} B  {words}");
        let written = writeln!(self.out, "{line}");
        self.keep(written);
    }

    /// Ends with what was sent, and what became of the capture.
    pub(crate) fn replay_summary(&mut self, replayed: &Replayed<'_>) {
        if self.is_json() {
            let summary = json::Summary::new(replayed.report).of_capture(CaptureObject::new(replayed));
            self.object(&Object::Summary(Box::new(summary)));
            self.flush();
        } else {
            self.summary(replayed.report, |out, _| replayed.write(out));
        }
    }
}

/// What a replay came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replayed<'a> {
    pub(crate) report: &'a Report,
    pub(crate) tally: &'a Tally,
    /// What was only listed, if nothing was sent.
    pub(crate) planned: Option<Count>,
    /// Whether one socket was asked for.
    pub(crate) one_socket: bool,
    pub(crate) receive_buffer: usize,
}

impl Replayed<'_> {
    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let Self { report, tally, .. } = *self;
        let sent = report.sent;
        if let Some(planned) = self.planned {
            writeln!(out, "{} would be sent ({} B)", counted(planned.datagrams, "datagram"), planned.bytes)?;
        } else {
            write!(out, "{} sent ({} B)", sent.datagrams, sent.bytes)?;
            for (count, name) in [
                (report.delivered, "answers"),
                (report.unreachable, "refused"),
                (report.send_failed, "not sent (the system did not take them)"),
            ] {
                if count > 0 {
                    write!(out, ", {count} {name}")?;
                }
            }
            writeln!(out, ", in {}", units::human(report.elapsed))?;
            lateness(out, &report.lateness)?;
        }
        self.schedule(out)?;
        self.capture(out, tally)?;
        text::ignored(out, report)?;
        text::dropped(out, report, self.receive_buffer)
    }

    /// What is peculiar about the times.
    fn schedule(&self, out: &mut impl Write) -> io::Result<()> {
        let Report { gaps_shortened, times_decreasing, sources_shared, .. } = *self.report;
        let shared = if self.one_socket { 0 } else { sources_shared };
        for (count, words) in [
            (gaps_shortened, "pauses made shorter (--max-gap)"),
            (times_decreasing, "recorded before the one that they follow: sent with it"),
            (self.tally.without_time, "without a time in the capture: sent with the one that they follow"),
            (shared, "sent by the socket of another source: there are more sources than sockets"),
        ] {
            if count > 0 {
                writeln!(out, "  {count} {words}")?;
            }
        }
        Ok(())
    }

    /// What became of what is in the capture.
    fn capture(&self, out: &mut impl Write, tally: &Tally) -> io::Result<()> {
        let Account { packets, datagrams, joined, dropped, .. } = tally.account;
        let times = if tally.readings > 1 { format!(" in {} readings", tally.readings) } else { String::new() };
        write!(out, "capture: {}{times}, {}", counted(packets, "packet"), counted(datagrams, "datagram"))?;
        if joined > 0 {
            write!(out, " (put together from {joined} more fragments)")?;
        }
        writeln!(out)?;
        for (count, _, words) in tally.unused() {
            writeln!(out, "  {count} not sent: {words}")?;
        }
        if tally.unsent > 0 {
            writeln!(out, "  {} not sent: read, and then it ended", tally.unsent)?;
        }
        if dropped > 0 {
            writeln!(out, "  {dropped} missing: dropped when the capture was made")?;
        }
        Ok(())
    }
}

/// How late datagrams were sent.
fn lateness(out: &mut impl Write, lateness: &Quantiles) -> io::Result<()> {
    if lateness.count() == 0 {
        return Ok(());
    }
    let [median, most, largest] = [lateness.at(0.5), lateness.at(0.99), lateness.largest()].map(units::human);
    writeln!(out, "  late by {median} (p50), {most} (p99), {largest} (max)")
}

/// What became of a capture.
#[derive(Serialize)]
pub(crate) struct CaptureObject {
    readings: u64,
    packets: u64,
    fragments_joined: u64,
    unusable: BTreeMap<&'static str, u64>,
    datagrams: u64,
    left_out: BTreeMap<&'static str, u64>,
    unsent: u64,
    planned: u64,
    without_time: u64,
    dropped: u64,
}

impl CaptureObject {
    fn new(replayed: &Replayed<'_>) -> Self {
        let Tally { readings, account, without_time, left_out, unsent } = replayed.tally;
        let unusable = Unusable::ALL.iter().map(|why| (why.key(), account.unusable(*why)));
        let left_out = LeftOut::ALL.iter().map(|why| (why.key(), left_out[*why as usize]));
        Self {
            readings: *readings,
            packets: account.packets,
            fragments_joined: account.joined,
            unusable: unusable.filter(|(_, count)| *count > 0).collect(),
            datagrams: account.datagrams,
            left_out: left_out.filter(|(_, count)| *count > 0).collect(),
            unsent: *unsent,
            planned: replayed.planned.map_or(0, |planned| planned.datagrams),
            without_time: *without_time,
            dropped: account.dropped,
        }
    }
}

/// How far a replay is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress<'a> {
    pub(crate) status: Status<'a>,
    /// Datagrams that are to be sent in all, where that is known.
    pub(crate) total: Option<u64>,
}

/// Places of the bar.
const BAR: usize = 20;

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.status.now;
        let made = report.sent.datagrams + report.send_failed;
        match self.total {
            Some(total @ 1..) => {
                // In 128 bits, since a count may be any number.
                let part =
                    |whole| usize::try_from(u128::from(made.min(total)) * whole / u128::from(total)).unwrap_or(0);
                let done = part(BAR as u128);
                let (bar, rest) = ("#".repeat(done), "-".repeat(BAR - done));
                write!(f, "[{bar}{rest}] {:>3} %, {made} of {total} sent", part(100))?;
            }
            _ => write!(f, "{made} sent")?,
        }
        write!(f, ", {:.0}/s", self.status.sent_per_second())?;
        if report.lateness.count() > 0 {
            let late = [0.5, 0.99].map(|part| units::human(report.lateness.at(part)));
            write!(f, ", late p50 {} p99 {}", late[0], late[1])?;
        }
        for (count, name) in
            [(report.send_failed, "not sent"), (report.unreachable, "refused"), (report.delivered, "answers")]
        {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        Ok(())
    }
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
