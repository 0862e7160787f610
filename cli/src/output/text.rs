//! Text: a line for each datagram, and the summary at the end.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use udpkit::{Datagram, Delivery, Report};

use super::{Role, Settings, Shown, escape};
use crate::units;

/// The styles of a line's parts; all plain where there is no colour.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Palette {
    faint: Style,
    address: Style,
    broadcast: Style,
    multicast: Style,
}

impl Palette {
    pub(crate) fn new(color: bool) -> Self {
        if !color {
            return Self::default();
        }
        Self {
            faint: Style::new().dimmed(),
            address: AnsiColor::Cyan.on_default(),
            broadcast: AnsiColor::Yellow.on_default(),
            multicast: AnsiColor::Magenta.on_default(),
        }
    }

    fn delivery(&self, delivery: Delivery) -> Style {
        match delivery {
            Delivery::Broadcast => self.broadcast,
            Delivery::Multicast => self.multicast,
            Delivery::Unicast | Delivery::Unknown => Style::new(),
        }
    }
}

/// Writes times of day in the local zone; the part that changes once a second is kept.
#[derive(Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    second: i64,
    text: String,
}

impl Clock {
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone, second: i64::MIN, text: String::new() }
    }

    fn write(&mut self, out: &mut impl Write, time: SystemTime) -> io::Result<()> {
        let Ok(timestamp) = Timestamp::try_from(time) else { return out.write_all(b"-") };
        if timestamp.as_second() != self.second {
            self.second = timestamp.as_second();
            self.text = timestamp.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        }
        write!(out, "{}.{:09}", self.text, timestamp.subsec_nanosecond().max(0))
    }
}

/// A datagram's line, but for its payload.
pub(super) fn line(
    out: &mut impl Write,
    shown: &Shown<'_>,
    role: &Role<'_>,
    settings: &Settings,
    clock: &mut Clock,
    palette: &Palette,
) -> io::Result<()> {
    match *role {
        Role::Received { dropped_before } => {
            head(out, shown, clock, palette)?;
            match dropped_before {
                0 => Ok(()),
                count => write!(out, " ({count} dropped before it)"),
            }
        }
        Role::Answered { reply } => {
            head(out, shown, clock, palette)?;
            write!(out, " (answered with {} B)", reply.len())
        }
        Role::Reply { request, rtt } => {
            let request = request.filter(|_| settings.numbered);
            let shown = Shown { interface: shown.interface.filter(|_| settings.name_interfaces), ..*shown };
            answer(out, &shown, request, rtt, palette)
        }
    }
}

/// `time  source -> destination  delivery@interface  length`: what is known of a datagram.
fn head(out: &mut impl Write, shown: &Shown<'_>, clock: &mut Clock, palette: &Palette) -> io::Result<()> {
    let meta = shown.datagram.meta;
    if let Some(time) = meta.received {
        write!(out, "{}", palette.faint.render())?;
        clock.write(out, time)?;
        write!(out, "{}  ", palette.faint.render_reset())?;
    }
    write!(out, "{0}{1}{0:#}", palette.address, meta.source)?;
    if let Some(destination) = meta.destination {
        write!(out, " -> {}", SocketAddr::new(destination, shown.port))?;
    }
    let style = palette.delivery(meta.delivery);
    match (meta.delivery, shown.interface) {
        (Delivery::Unknown, None) => {}
        (delivery, None) => write!(out, "  {style}{delivery}{style:#}")?,
        (delivery, Some(interface)) => {
            write!(out, "  {style}{delivery}@")?;
            escape::write_words(out, interface)?;
            write!(out, "{style:#}")?;
        }
    }
    out.write_all(b"  ")?;
    length(out, &shown.datagram)
}

/// `source  [interface]  [#request]  rtt  length`: who answered, and how fast.
fn answer(
    out: &mut impl Write,
    shown: &Shown<'_>,
    request: Option<u64>,
    rtt: Option<Duration>,
    palette: &Palette,
) -> io::Result<()> {
    write!(out, "{0}{1}{0:#}  ", palette.address, shown.datagram.meta.source)?;
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
    length(out, &shown.datagram)
}

/// By which interface a broadcast would go, and where.
pub(super) fn target(out: &mut impl Write, interface: &str, destination: SocketAddr) -> io::Result<()> {
    writeln!(out, "{}: to {destination}", escape::words(interface))
}

/// The payload at the end of a line.
pub(crate) fn payload(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    if !payload.is_empty() {
        out.write_all(b"  ")?;
        escape::write(out, payload)?;
    }
    Ok(())
}

fn length(out: &mut impl Write, datagram: &Datagram<'_>) -> io::Result<()> {
    write!(out, "{} B", datagram.wire_len)?;
    if datagram.is_truncated() {
        write!(out, " (first {})", datagram.payload.len())?;
    }
    Ok(())
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
fn dropped(out: &mut impl Write, report: &Report, receive_buffer: usize) -> io::Result<()> {
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
