//! Text: a line for each datagram, and the summary at the end.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use udpkit::{Delivery, Report};

use super::shown::Shown;
use super::{Role, Settings, columns, escape};
use crate::words::units;

/// The styles of a line's parts; all plain where there is no colour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Palette {
    pub(super) faint: Paint,
    pub(super) address: Paint,
    plain: Paint,
    broadcast: Paint,
    multicast: Paint,
}

impl Palette {
    pub(crate) fn new(color: bool) -> Self {
        if !color {
            return Self::default();
        }
        Self {
            faint: Paint::new(Style::new().dimmed()),
            address: Paint::new(AnsiColor::Cyan.on_default()),
            plain: Paint::default(),
            broadcast: Paint::new(AnsiColor::Yellow.on_default()),
            multicast: Paint::new(AnsiColor::Magenta.on_default()),
        }
    }

    pub(super) fn delivery(&self, delivery: Delivery) -> &Paint {
        match delivery {
            Delivery::Broadcast => &self.broadcast,
            Delivery::Multicast => &self.multicast,
            Delivery::Unicast | Delivery::Unknown => &self.plain,
        }
    }
}

/// A style, as the bytes that begin and end it.
#[derive(Clone, Debug, Default)]
pub(super) struct Paint {
    on: String,
    off: String,
}

impl Paint {
    fn new(style: Style) -> Self {
        Self { on: style.render().to_string(), off: style.render_reset().to_string() }
    }

    pub(super) fn off(&self) -> &str {
        &self.off
    }

    pub(super) fn write(&self, out: &mut impl Write, words: &str) -> io::Result<()> {
        out.write_all(self.on.as_bytes())?;
        out.write_all(words.as_bytes())?;
        out.write_all(self.off.as_bytes())
    }
}

/// A datagram's line, but for its payload; returns where the time stands that may be put in the place of another.
pub(super) fn line(
    line: &mut Vec<u8>,
    shown: &Shown<'_>,
    role: &Role<'_>,
    settings: &Settings,
    palette: &Palette,
) -> io::Result<Option<Range<usize>>> {
    let columns = &settings.printing.columns;
    match *role {
        Role::Received { dropped_before: 0 } => columns.write(line, shown, palette),
        Role::Received { dropped_before } => {
            columns.write(line, shown, palette)?;
            write!(line, " ({dropped_before} dropped before it)")?;
            Ok(None)
        }
        Role::Answered { reply } => {
            columns.write(line, shown, palette)?;
            write!(line, " (answered with {} B)", reply.len())?;
            Ok(None)
        }
        Role::Reply { request, rtt } => {
            let request = request.filter(|_| settings.numbered);
            let shown = Shown { interface: shown.interface.filter(|_| settings.name_interfaces), ..*shown };
            answer(line, &shown, request, rtt, palette)?;
            Ok(None)
        }
    }
}

/// `source  [interface]  [#request]  rtt  length`: who answered, and how fast.
fn answer(
    out: &mut impl Write,
    shown: &Shown<'_>,
    request: Option<u64>,
    rtt: Option<Duration>,
    palette: &Palette,
) -> io::Result<()> {
    palette.address.write(out, shown.source)?;
    out.write_all(b"  ")?;
    if let Some(interface) = shown.interface {
        escape::write_words(out, interface)?;
        out.write_all(b"  ")?;
    }
    if let Some(request) = request {
        write!(out, "#{request}  ")?;
    }
    match rtt {
        Some(rtt) => write!(out, "{:.3} ms  ", milliseconds(rtt))?,
        None => out.write_all(b"- ms  ")?,
    }
    columns::length(out, &shown.datagram)
}

/// By which interface a broadcast would go, and where.
pub(super) fn target(out: &mut impl Write, interface: &str, destination: SocketAddr) -> io::Result<()> {
    writeln!(out, "{}: to {destination}", escape::words(interface))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How a run goes: two reports, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status<'a> {
    pub(crate) before: &'a Report,
    pub(crate) now: &'a Report,
}

impl Status<'_> {
    /// Datagrams received in a second.
    pub(crate) fn received_per_second(&self) -> f64 {
        self.per_second(self.now.received.datagrams, self.before.received.datagrams)
    }

    /// Datagrams sent in a second.
    pub(crate) fn sent_per_second(&self) -> f64 {
        self.per_second(self.now.sent.datagrams, self.before.sent.datagrams)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    fn per_second(&self, now: u64, before: u64) -> f64 {
        let time = self.now.elapsed.saturating_sub(self.before.elapsed).as_secs_f64();
        if time > 0.0 { now.saturating_sub(before) as f64 / time } else { 0.0 }
    }
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.now;
        let (received, sent) = (self.received_per_second(), self.sent_per_second());
        let peers = report.peers.estimate();
        let plural = if peers == 1 { "" } else { "s" };
        write!(f, "{received:.0}/s in, {sent:.0}/s out, {peers} peer{plural}")?;
        if report.waiting > 0 {
            write!(f, ", {} wait for a reply", report.waiting)?;
        }
        write!(f, ", {} ignored", report.ignored.total())?;
        for (place, (reason, count)) in report.ignored.iter().enumerate() {
            let before = if place == 0 { " (" } else { ", " };
            write!(f, "{before}{count} {reason}")?;
        }
        if report.ignored.total() > 0 {
            f.write_str(")")?;
        }
        match report.kernel_drops {
            Some(drops) => write!(f, ", {drops} dropped by the kernel"),
            None => Ok(()),
        }
    }
}

/// What `serve` came to.
pub(crate) fn receiver_summary(out: &mut impl Write, report: &Report, receive_buffer: usize) -> io::Result<()> {
    let received = report.received;
    let elapsed = units::human(report.elapsed);
    write!(out, "{} received ({} B) in {elapsed}:", received.datagrams, received.bytes)?;
    let parts = [
        (report.answered, "answered"),
        (report.reply_failed, "not answered (the reply could not be sent)"),
        (report.sunk, "taken"),
    ];
    for (count, name) in parts.into_iter().filter(|(count, _)| *count > 0) {
        write!(out, " {count} {name},")?;
    }
    writeln!(out, " {} ignored", report.ignored.total())?;
    ignored(out, report)?;
    if report.truncated > 0 {
        writeln!(out, "  {} truncated on receipt", report.truncated)?;
    }
    if report.unreachable > 0 {
        writeln!(out, "  {} replies refused by their receivers (ICMP)", report.unreachable)?;
    }
    if report.kernel_drops.is_none() {
        writeln!(out, "  dropped by the kernel: unknown on this system")?;
    }
    dropped(out, report, receive_buffer)
}

/// What the kernel dropped at our sockets, and what helps.
pub(super) fn dropped(out: &mut impl Write, report: &Report, receive_buffer: usize) -> io::Result<()> {
    let Some(drops @ 1..) = report.kernel_drops else { return Ok(()) };
    let bound = if report.kernel_drops_at_least { "at least " } else { "" };
    writeln!(out, "  dropped by the kernel: {bound}{drops} (the receive buffer of {receive_buffer} B was full)")?;
    writeln!(out, "hint: a larger one: --recv-buffer SIZE, as root or up to sysctl net.core.rmem_max")
}

/// A line for each reason for which datagrams were ignored.
pub(super) fn ignored(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for (reason, count) in report.ignored.iter() {
        writeln!(out, "  {count} ignored: {reason}")?;
    }
    Ok(())
}

/// What `send` came to, in the way of ping; whether it waited for answers at all.
pub(crate) fn sender_summary(
    out: &mut impl Write,
    report: &Report,
    waited: bool,
    receive_buffer: usize,
) -> io::Result<()> {
    let (requests, answered) = (report.requests, report.requests_answered);
    write!(out, "{} sent", report.sent.datagrams)?;
    if waited {
        write!(out, ", {answered} answered")?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
    if waited && requests > 0 {
        write!(
            out,
            ", {:.1} % of {requests} requests unanswered",
            100.0 * (requests - answered) as f64 / requests as f64
        )?;
    }
    for (count, name) in
        [(report.retries, "retries"), (report.unreachable, "refused"), (report.send_failed, "not sent")]
    {
        if count > 0 {
            write!(out, ", {count} {name}")?;
        }
    }
    writeln!(out, ", in {}", units::human(report.elapsed))?;
    rtt(out, report)?;
    ignored(out, report)?;
    dropped(out, report, receive_buffer)
}

/// What `broadcast` came to; whether it waited for answers at all.
pub(crate) fn broadcast_summary(
    out: &mut impl Write,
    report: &Report,
    waited: bool,
    receive_buffer: usize,
) -> io::Result<()> {
    write!(out, "{} sent", report.sent.datagrams)?;
    if waited {
        let plural = if report.delivered == 1 { "" } else { "s" };
        write!(out, ", {} answer{plural}", report.delivered)?;
    }
    for (count, name) in [(report.unreachable, "refused"), (report.send_failed, "not sent")] {
        if count > 0 {
            write!(out, ", {count} {name}")?;
        }
    }
    writeln!(out, ", in {}", units::human(report.elapsed))?;
    ignored(out, report)?;
    dropped(out, report, receive_buffer)
}

fn rtt(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let rtt = &report.rtt;
    if rtt.count() == 0 {
        return Ok(());
    }
    let [smallest, mean, largest, deviation] =
        [rtt.smallest(), rtt.mean(), rtt.largest(), rtt.deviation()].map(milliseconds);
    writeln!(out, "rtt min/avg/max/mdev = {smallest:.3}/{mean:.3}/{largest:.3}/{deviation:.3} ms of {}", rtt.count())
}

/// The interfaces as a table.
pub(crate) fn interfaces(out: &mut impl Write, interfaces: &udpkit::Interfaces) -> io::Result<()> {
    for interface in interfaces {
        let state = if interface.up && interface.running { "up" } else { "down" };
        write!(out, "{:<12} {state:<5}", escape::words(&interface.name))?;
        if let Some(mtu) = interface.mtu {
            write!(out, " mtu {mtu}")?;
        }
        let flags = [
            (interface.broadcast, "broadcast"),
            (interface.multicast, "multicast"),
            (interface.loopback, "loopback"),
            (interface.point_to_point, "point-to-point"),
        ];
        for (_, name) in flags.into_iter().filter(|(set, _)| *set) {
            write!(out, " {name}")?;
        }
        writeln!(out)?;
        for address in &interface.addresses {
            write!(out, "    {}/{}", address.ip, address.prefix_len)?;
            if let Some(peer) = address.peer {
                write!(out, " peer {peer}")?;
            }
            match (address.broadcast, address.ip) {
                (Some(broadcast), _) => write!(out, " broadcast {broadcast}")?,
                (None, IpAddr::V4(_)) if interface.broadcast => write!(out, " no broadcast address")?,
                (None, _) => {}
            }
            if address.tentative {
                write!(out, " tentative")?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}
