//! What is printed: data on standard output in the chosen format, everything else on standard error.

mod escape;
mod hex;
mod json;
mod text;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use udpkit::{Cause, Datagram, Event, InterfaceIndex, Interfaces, Reason, Report, SendFailure, Sink, Unreachable};

use crate::args::{Color, CommonArgs, Format};
use crate::hint;
use json::Object;

/// What a printer must know besides the events.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether lines are coloured.
    pub(crate) color: bool,
    /// Whether each line is written at once: on a terminal.
    pub(crate) at_once: bool,
    /// Whether the verb sends on its own account, so that a refusal is its failure.
    pub(crate) sends: bool,
    /// Whether answers are numbered: where more than one request is made.
    pub(crate) numbered: bool,
    /// Whether answers name the interface: where several are asked.
    pub(crate) name_interfaces: bool,
    /// Whether the plan of a broadcast is all there is to print.
    pub(crate) dry_run: bool,
    /// The local port of each socket.
    pub(crate) ports: Vec<u16>,
}

impl Settings {
    /// What the common options say, for sockets of these ports.
    pub(crate) fn new(common: &CommonArgs, ports: Vec<u16>) -> Self {
        let terminal = io::stdout().is_terminal();
        let color = match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self {
            quiet: common.quiet,
            verbose: common.verbose,
            color,
            at_once: terminal,
            ports,
            ..Self::plain(common.format())
        }
    }

    /// A format and nothing else.
    pub(crate) fn plain(format: Format) -> Self {
        Self {
            format,
            quiet: false,
            verbose: false,
            color: false,
            at_once: false,
            sends: false,
            numbered: false,
            name_interfaces: false,
            dry_run: false,
            ports: Vec::new(),
        }
    }
}

/// A datagram with the names of what it came through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    datagram: Datagram<'a>,
    /// The port it was sent to: ours.
    port: u16,
    interface: Option<&'a str>,
}

/// What a datagram is to the verb that prints it.
#[derive(Clone, Copy, Debug)]
enum Role<'a> {
    Received,
    Answered { reply: &'a [u8] },
    Reply { request: Option<u64>, rtt: Option<Duration> },
}

impl Role<'_> {
    fn object<'a>(&'a self, shown: &Shown<'a>) -> Object<'a> {
        let datagram = json::DatagramObject::new(shown);
        match *self {
            Self::Received => Object::Received(datagram),
            Self::Answered { reply } => Object::Answered { datagram, reply: json::Payload::new(reply) },
            Self::Reply { request, rtt } => Object::Reply { datagram, request, rtt_ns: rtt.map(json::nanoseconds) },
        }
    }
}

/// Prints events as they come.
pub(crate) struct Printer<W: Write, N: Write> {
    settings: Settings,
    out: W,
    notices: N,
    palette: text::Palette,
    clock: text::Clock,
    interfaces: Interfaces,
    /// What was told of which network; no more than [`MAX_TOLD`].
    told: HashSet<(Told, IpAddr)>,
    /// Requests without an answer so far.
    unanswered: usize,
    /// Refusals so far.
    unreachable: usize,
    /// The first error of writing, which ended the run.
    failure: Option<io::Error>,
}

/// What is told once for each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Ignored(Reason),
    /// By the system's number of the error.
    SendFailed(i32),
}

/// Notices that are told; what they tell of is always counted.
const MAX_TOLD: usize = 256;

/// A printer to the process's own outputs.
pub(crate) type StdPrinter = Printer<BufWriter<StdoutLock<'static>>, io::Stderr>;

impl StdPrinter {
    pub(crate) fn std(settings: Settings) -> Self {
        Self::new(
            settings,
            BufWriter::with_capacity(65_536, io::stdout().lock()),
            io::stderr(),
            jiff::tz::TimeZone::system(),
        )
    }
}

impl<W: Write, N: Write> Printer<W, N> {
    pub(crate) fn new(settings: Settings, out: W, notices: N, zone: jiff::tz::TimeZone) -> Self {
        Self {
            palette: text::Palette::new(settings.color),
            settings,
            out,
            notices,
            clock: text::Clock::new(zone),
            interfaces: Interfaces::default(),
            told: HashSet::new(),
            unanswered: 0,
            unreachable: 0,
            failure: None,
        }
    }

    pub(crate) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.interfaces = interfaces.clone();
    }

    /// Why writing failed, if it did; a reader that went away is no failure.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// Says something for people, unless they want quiet.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.settings.quiet && !self.is_json() {
            tell(&mut self.notices, "", text);
        }
    }

    /// Says what went wrong, quiet or not.
    fn complain(&mut self, text: &str) {
        tell(&mut self.notices, "udp: ", text);
    }

    /// Tells where datagrams are waited for.
    pub(crate) fn listening(&mut self, what: &str, addresses: &[SocketAddr]) {
        if self.is_json() {
            self.object(&Object::Listening { addresses });
            return;
        }
        let list: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        self.note(&format!("{what} on {}", list.join(" and ")));
    }

    /// Tells by which interface a broadcast goes, and where.
    pub(crate) fn target(&mut self, interface: &str, destination: SocketAddr) {
        if self.is_json() {
            self.object(&Object::Target { interface, destination });
        } else if self.settings.dry_run {
            let written = text::target(&mut self.out, interface, destination);
            self.keep(written);
        } else {
            self.note(&format!("{interface}: to {destination}"));
        }
    }

    /// Tells which interface is left out, and why.
    pub(crate) fn left_out(&mut self, interface: &str, reason: &str) {
        if self.is_json() {
            self.object(&Object::LeftOut { interface, reason });
        } else {
            self.note(&format!("{interface}: left out: {reason}"));
        }
    }

    /// Ends with the account of the run, in the words of `text` or as JSON.
    pub(crate) fn summary(&mut self, report: &Report, text: impl FnOnce(&mut Vec<u8>, &Report) -> io::Result<()>) {
        if self.is_json() {
            self.object(&Object::Summary(Box::new(json::Summary::new(report))));
        } else if !self.settings.quiet {
            let mut lines = Vec::new();
            // Writing into memory does not fail.
            let _ = text(&mut lines, report);
            let _ = self.notices.write_all(&lines);
        }
        self.flush();
    }

    /// Lists interfaces, in the format chosen.
    pub(crate) fn list_interfaces(&mut self, interfaces: &Interfaces) {
        if self.is_json() {
            for interface in interfaces {
                self.object(&Object::Interface(json::InterfaceObject::new(interface)));
            }
        } else {
            let written = text::interfaces(&mut self.out, interfaces);
            self.keep(written);
        }
        self.flush();
    }

    pub(crate) fn is_json(&self) -> bool {
        self.settings.format == Format::Json
    }

    fn object(&mut self, object: &Object<'_>) {
        let written = json::write(&mut self.out, object);
        self.keep(written);
    }

    fn keep(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }

    pub(crate) fn flush(&mut self) {
        if self.failure.is_none() {
            let flushed = self.out.flush();
            self.keep(flushed);
        }
    }

    /// Prints a datagram in the format chosen.
    fn datagram(&mut self, via: usize, datagram: Datagram<'_>, role: &Role<'_>) {
        let Self { settings, out, clock, palette, interfaces, .. } = self;
        let shown = Shown {
            datagram,
            port: settings.ports.get(via).copied().unwrap_or(0),
            interface: datagram.meta.interface.and_then(|index| interface_name(interfaces, index)),
        };
        let written = match settings.format {
            Format::Json => json::write(out, &role.object(&shown)),
            Format::Raw => out.write_all(datagram.payload),
            Format::Text => text::line(out, &shown, role, settings, clock, palette)
                .and_then(|()| text::payload(out, datagram.payload))
                .and_then(|()| out.write_all(b"\n")),
            Format::Hex => text::line(out, &shown, role, settings, clock, palette)
                .and_then(|()| out.write_all(b"\n"))
                .and_then(|()| hex::write(out, datagram.payload)),
        };
        self.keep(written);
        if self.settings.at_once {
            self.flush();
        }
    }

    fn ignored(&mut self, source: SocketAddr, reason: Reason, count: usize) {
        let expected = matches!(reason, Reason::AfterEnd | Reason::OwnCopy | Reason::Duplicate)
            || matches!(reason, Reason::NoMatch | Reason::OtherSource | Reason::OtherInterface);
        if !self.settings.verbose && (expected || !self.is_news(Told::Ignored(reason), source.ip())) {
            return;
        }
        if self.is_json() {
            self.object(&Object::Ignored { source, reason: reason.key(), count });
        } else {
            self.note(&format!("ignored {count} from {source}: {reason}"));
        }
    }

    fn unanswered(&mut self, request: u64) {
        self.unanswered += 1;
        match self.unanswered.cmp(&MAX_TOLD) {
            Ordering::Less => self.note(&format!("no answer to #{request}")),
            Ordering::Equal => self.note(&format!("no answer to #{request}; more of these are only counted")),
            Ordering::Greater => {}
        }
    }

    fn unreachable(&mut self, unreachable: &Unreachable) {
        let Unreachable { destination, reporter, cause, .. } = unreachable;
        if !self.settings.sends && !self.settings.verbose {
            // Of replies, which anybody can make us send: counted.
            return;
        }
        if self.is_json() {
            self.object(&Object::unreachable(*destination, *reporter, *cause));
            return;
        }
        self.unreachable += 1;
        let more = match self.unreachable.cmp(&MAX_TOLD) {
            Ordering::Less => "",
            Ordering::Equal => "; more of these are only counted",
            Ordering::Greater => return,
        };
        let reporter = reporter.map(|ip| format!(" (says {ip})")).unwrap_or_default();
        self.complain(&format!("cannot reach {destination}: {cause}{reporter}{more}"));
        if *cause == Cause::Port && !self.settings.numbered {
            tell(&mut self.notices, HINT, &format!("nothing listens on UDP port {} there", destination.port()));
        }
    }

    fn send_failed(&mut self, failure: &SendFailure) {
        let destination = failure.transmit.destination;
        let number = failure.error.raw_os_error().unwrap_or(0);
        if !self.is_news(Told::SendFailed(number), destination.ip()) && !self.settings.verbose {
            return;
        }
        let reason = udpkit::reason(&failure.error);
        if self.is_json() {
            self.object(&Object::SendFailed { destination, count: failure.count, error: reason });
            return;
        }
        self.complain(&format!("cannot send to {destination}: {reason}"));
        if let Some(hint) = hint::of_send_error(&failure.error) {
            tell(&mut self.notices, HINT, &hint);
        }
    }

    /// Whether this was not told yet of the network of an address: so that a flood is not answered with one of lines.
    fn is_news(&mut self, what: Told, ip: IpAddr) -> bool {
        let network = match ip {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & !0xff).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 56)).into(),
        };
        self.told.len() < MAX_TOLD && self.told.insert((what, network))
    }
}

fn interface_name(interfaces: &Interfaces, index: InterfaceIndex) -> Option<&str> {
    interfaces.numbered(index).map(|interface| interface.name.as_str())
}

impl<W: Write, N: Write> Sink for Printer<W, N> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Received { via, datagram } => self.datagram(via, datagram, &Role::Received),
            Event::Answered { via, datagram, reply } => self.datagram(via, datagram, &Role::Answered { reply }),
            Event::Reply { via, datagram, request, rtt } => {
                self.datagram(via, datagram, &Role::Reply { request, rtt });
            }
            Event::Sent { transmit, payload, request, retry } => {
                let name =
                    transmit.interface.and_then(|index| interface_name(&self.interfaces, index)).map(str::to_owned);
                if self.is_json() {
                    self.object(&Object::sent(&transmit, name.as_deref(), payload, request, retry));
                } else {
                    let by = name.map(|name| format!(" by {name}")).unwrap_or_default();
                    let again = if retry > 0 { format!(" (retry {retry})") } else { String::new() };
                    self.note(&format!("sent #{request} to {}{by}: {} B{again}", transmit.destination, payload.len()));
                }
            }
            Event::Unanswered { request } => {
                if self.is_json() {
                    self.object(&Object::Unanswered { request });
                } else if self.settings.numbered {
                    self.unanswered(request);
                }
            }
            Event::Ignored { meta, reason, count } => self.ignored(meta.source, reason, count),
            Event::Unreachable { unreachable } => self.unreachable(unreachable),
            Event::SendFailed { failure } => self.send_failed(failure),
            Event::Dropped { new, total } => {
                if self.is_json() {
                    self.object(&Object::Dropped { new, total });
                } else {
                    self.note(&format!("dropped by the kernel: {new} ({total} in all): the receive buffer is full"));
                }
            }
            Event::Interfaces { interfaces } => {
                self.set_interfaces(interfaces);
                if self.settings.verbose {
                    self.note("interfaces changed");
                }
            }
            Event::Trouble { error } => {
                if self.is_json() {
                    self.object(&Object::Trouble { error: error.to_string() });
                } else {
                    self.note(&error.to_string());
                }
            }
            // Events of a later library are none of ours.
            _ => {}
        }
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.flush();
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

pub(crate) use text::{broadcast_summary, receiver_summary, sender_summary};

/// Tells an error, and what to do about it.
pub(crate) fn error(error: &anyhow::Error) {
    let reason = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(system) => udpkit::reason(system),
        None => cause.to_string(),
    };
    let reasons: Vec<_> = error.chain().map(reason).collect();
    let mut out = io::stderr().lock();
    tell(&mut out, "udp: ", &reasons.join(": "));
    if let Some(hint) = hint::hint(error) {
        tell(&mut out, HINT, &hint);
    }
}

/// What a line of advice begins with.
const HINT: &str = "hint: ";

/// Writes a line for people. Whatever names stand in it, of interfaces, programs or hosts, it stays one line, and cannot
/// steer a terminal.
fn tell(out: &mut impl Write, start: &str, words: &str) {
    // Nothing can be told where standard error is closed.
    let _ = writeln!(out, "{start}{}", escape::words(words));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_up_to_a_bound() {
        let settings = Settings { sends: true, numbered: true, ..Settings::plain(Format::Text) };
        let mut printer = Printer::new(settings, Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        let destination = "192.0.2.1:9".parse().unwrap();
        let unreachable = Unreachable::new(destination, None, Cause::Port);
        for _ in 0..2 * MAX_TOLD {
            printer.unreachable(&unreachable);
        }
        let told = String::from_utf8(printer.notices).unwrap();
        assert_eq!(told.lines().count(), MAX_TOLD);
        assert!(told.ends_with("more of these are only counted\n"), "{told}");
    }
}
