//! What is printed: data on standard output in the chosen format, everything else on standard error.

mod columns;
pub(crate) mod escape;
#[cfg(test)]
mod formats;
mod head;
pub(crate) mod hex;
mod json;
mod ledger;
mod news;
mod replay;
mod shown;
mod text;

use std::cmp::Ordering;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use udpkit::{Cause, Datagram, Event, Interfaces, Reason, Report, SendFailure, Sink, Train, Unreachable};

use crate::args::CommonArgs;
use crate::hint;
use crate::words::format::{Color, Format};
pub(crate) use columns::Columns;
use head::Heads;
use json::Object;
pub(crate) use ledger::{Ledger, SystemCounters, Written, room};
pub(crate) use news::News;
use news::{Bound, MAX_TOLD, Told};
pub(crate) use replay::{LeftOut, Progress, Replayed, Row, Tally};
use shown::Shown;
pub(crate) use shown::Times;
pub(crate) use text::Status;

/// What a printer must know besides the events.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) format: Format,
    /// What a format shows of a datagram, and how.
    pub(crate) printing: Printing,
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
    /// Whether strangers decide how many lines there are, so that only so many are written a second.
    pub(crate) bounded: bool,
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

    /// The local port of a socket.
    fn port(&self, via: usize) -> u16 {
        self.ports.get(via).copied().unwrap_or(0)
    }

    /// A format and nothing else.
    pub(crate) fn plain(format: Format) -> Self {
        Self {
            format,
            printing: Printing::default(),
            quiet: false,
            verbose: false,
            color: false,
            at_once: false,
            sends: false,
            numbered: false,
            name_interfaces: false,
            dry_run: false,
            bounded: false,
            ports: Vec::new(),
        }
    }
}

/// What is shown of each datagram, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printing {
    pub(crate) columns: Columns,
    pub(crate) times: Times,
    /// What follows each raw payload.
    pub(crate) delimiter: Vec<u8>,
}

/// What a datagram is to the verb that prints it.
#[derive(Clone, Copy, Debug)]
enum Role<'a> {
    /// It came, after the kernel had dropped this many at the same socket.
    Received {
        dropped_before: u32,
    },
    Answered {
        reply: &'a [u8],
    },
    Reply {
        request: Option<u64>,
        rtt: Option<Duration>,
    },
}

impl Role<'_> {
    fn object<'a>(&'a self, shown: &Shown<'a>) -> Object<'a> {
        let datagram = json::DatagramObject::new(shown);
        match *self {
            Self::Received { dropped_before } => Object::Received(datagram.after(dropped_before)),
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
    heads: Heads,
    interfaces: Interfaces,
    news: News,
    bound: Bound,
    /// Whether the last line on the terminal is the status, which the next one replaces.
    status_shown: bool,
    /// What the kernel dropped so far.
    drops: u64,
    /// Requests without an answer so far.
    unanswered: usize,
    /// Refusals so far.
    unreachable: usize,
    /// The first error of writing, which ended the run.
    failure: Option<io::Error>,
}

/// A printer to the process's own outputs.
pub(crate) type StdPrinter = Printer<BufWriter<Stdout>, io::Stderr>;

impl StdPrinter {
    pub(crate) fn std(settings: Settings) -> Self {
        Self::new(settings, BufWriter::with_capacity(65_536, io::stdout()), io::stderr(), jiff::tz::TimeZone::system())
    }
}

impl<W: Write, N: Write> Printer<W, N> {
    pub(crate) fn new(settings: Settings, out: W, notices: N, zone: jiff::tz::TimeZone) -> Self {
        Self {
            heads: Heads::new(&settings, zone),
            settings,
            out,
            notices,
            interfaces: Interfaces::default(),
            news: News::default(),
            bound: Bound::default(),
            status_shown: false,
            drops: 0,
            unanswered: 0,
            unreachable: 0,
            failure: None,
        }
    }

    pub(crate) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.interfaces = interfaces.clone();
        self.heads.set_interfaces(interfaces);
    }

    /// Whether lines are coloured.
    pub(crate) fn is_coloured(&self) -> bool {
        self.settings.color
    }

    /// Why writing failed, if it did; a reader that went away is no failure.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// Whether nothing more can be written.
    pub(crate) fn is_over(&self) -> bool {
        self.failure.is_some()
    }

    /// Says something for people, unless they want quiet.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.settings.quiet && !self.is_json() {
            self.clear_status();
            tell(&mut self.notices, "", text);
        }
    }

    /// Says what went wrong, quiet or not.
    pub(crate) fn complain(&mut self, text: &str) {
        self.clear_status();
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

    /// Whether each datagram is written as it comes, for somebody who watches.
    pub(crate) fn writes_at_once(&self) -> bool {
        self.settings.at_once
    }

    /// Prints datagrams, before which the kernel dropped this many at the same socket.
    pub(crate) fn received(&mut self, via: usize, train: Train<'_>, dropped_before: u32) -> ControlFlow<()> {
        for (place, datagram) in train.datagrams().enumerate() {
            let dropped_before = if place == 0 { dropped_before } else { 0 };
            self.datagram(via, datagram, &Role::Received { dropped_before });
        }
        self.flow()
    }

    /// Ends with the account of `listen`.
    pub(crate) fn ledger(&mut self, report: &Report, ledger: &Ledger) {
        if self.is_json() {
            self.object(&Object::Summary(Box::new(json::Summary::new(report).with(ledger.object(report)))));
            self.flush();
        } else {
            self.summary(report, |out, report| ledger.write(out, report));
        }
    }

    /// Tells how many datagrams found no room in our queue, since it was told and in all.
    pub(crate) fn queue_full(&mut self, new: u64, total: u64) {
        if self.is_json() {
            self.object(&Object::QueueFull { new, total });
        } else {
            self.note(&format!("ignored {new} ({total} in all): {}", Reason::QueueFull));
        }
    }

    /// Tells that there was no room for so many notices.
    pub(crate) fn not_shown(&mut self, count: u64) {
        match count {
            0 => {}
            count if self.is_json() => self.object(&Object::NotShown { count }),
            count => self.note(&format!("{count} more notices, not shown one by one")),
        }
    }

    /// Tells where metrics are served.
    pub(crate) fn metrics(&mut self, addresses: &[SocketAddr]) {
        if self.is_json() && !addresses.is_empty() {
            self.object(&Object::Metrics { addresses });
        }
        for address in addresses {
            self.note(&format!("metrics at http://{address}/metrics"));
        }
    }

    /// Tells that new rules are followed.
    pub(crate) fn rules(&mut self, count: usize) {
        if self.is_json() {
            self.object(&Object::Rules { count });
            self.flush();
        } else {
            self.note(&format!("rules read again: {count}"));
        }
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

    /// Tells how a run goes: on a terminal, in a line that the next one replaces.
    pub(crate) fn status(&mut self, status: &Status<'_>) {
        if self.is_json() {
            self.object(&Object::Status(Box::new(json::StatusObject::new(status))));
            self.flush();
            return;
        }
        self.status_line(&status.to_string());
    }

    /// Tells how a run goes, for people.
    pub(crate) fn status_line(&mut self, line: &str) {
        if !io::stderr().is_terminal() {
            tell(&mut self.notices, "", line);
            return;
        }
        let width = terminal_size::terminal_size_of(io::stderr()).map_or(DEFAULT_WIDTH, |(width, _)| width.0);
        // A line that the terminal broke could not be replaced.
        let line: String = escape::words(line).chars().take(usize::from(width).saturating_sub(1)).collect();
        // Nothing can be told where standard error is closed.
        let _ = write!(self.notices, "{CLEAR_LINE}{line}");
        self.status_shown = true;
    }

    /// Takes the status off the terminal, so that something else can stand there.
    fn clear_status(&mut self) {
        if std::mem::take(&mut self.status_shown) {
            let _ = write!(self.notices, "{CLEAR_LINE}");
        }
    }

    /// Ends with the account of the run, in the words of `text` or as JSON.
    pub(crate) fn summary(&mut self, report: &Report, text: impl FnOnce(&mut Vec<u8>, &Report) -> io::Result<()>) {
        if self.is_json() {
            self.tell_held();
            self.object(&Object::Summary(Box::new(json::Summary::new(report))));
        } else if !self.settings.quiet {
            self.tell_held();
            self.clear_status();
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

    /// The end, once nothing can be written any more.
    fn flow(&self) -> ControlFlow<()> {
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(crate) fn flush(&mut self) {
        if self.failure.is_none() {
            let flushed = self.out.flush();
            self.keep(flushed);
        }
    }

    /// Prints a datagram in the format chosen.
    fn datagram(&mut self, via: usize, datagram: Datagram<'_>, role: &Role<'_>) {
        if self.is_held() {
            return;
        }
        self.clear_status();
        let written = self.write_datagram(via, datagram, role);
        self.keep(written);
        if self.settings.at_once {
            self.flush();
        }
    }

    fn write_datagram(&mut self, via: usize, datagram: Datagram<'_>, role: &Role<'_>) -> io::Result<()> {
        let Self { settings, out, heads, .. } = self;
        let payload = datagram.payload;
        let line = match (settings.format, role) {
            (Format::Raw, _) => {
                out.write_all(payload)?;
                return out.write_all(&settings.printing.delimiter);
            }
            (Format::Json, Role::Answered { .. } | Role::Reply { .. }) => {
                return json::write(out, &role.object(&heads.shown(via, datagram, settings)));
            }
            (Format::Json | Format::Text | Format::Hex, _) => heads.line(via, datagram, role, settings)?,
        };
        out.write_all(line)?;
        let payload = Some(payload).filter(|_| settings.printing.columns.have_payload());
        if settings.format == Format::Json {
            return json::write_end(out, payload);
        }
        let payload = payload.unwrap_or_default();
        if settings.format == Format::Hex {
            out.write_all(if line.is_empty() { b"" } else { b"\n" })?;
            return hex::write(out, payload);
        }
        if !payload.is_empty() {
            out.write_all(if line.is_empty() { b"" } else { b"  " })?;
            escape::write(out, payload)?;
        }
        out.write_all(b"\n")
    }

    fn ignored(&mut self, source: SocketAddr, reason: Reason, count: usize) {
        let mut is_news = || News::is_surprising(reason) && self.news.is_news(Told::Ignored(reason), source.ip());
        if !self.settings.verbose && !is_news() || self.is_held() {
            return;
        }
        if self.is_json() {
            self.object(&Object::Ignored { source, reason: reason.key(), count });
        } else {
            self.note(&format!("ignored {count} from {source}: {reason}"));
        }
    }

    /// Whether a line is one too many in this second; when a new one has begun, tells how many there were.
    fn is_held(&mut self) -> bool {
        if !self.settings.bounded {
            return false;
        }
        let held = !self.bound.passes();
        if !held {
            self.tell_held();
        }
        held
    }

    fn tell_held(&mut self) {
        match self.bound.take_held() {
            0 => {}
            count if self.is_json() => self.object(&Object::NotShown { count }),
            count => self.note(&format!("{count} more datagrams, not shown one by one")),
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
            if !self.is_held() {
                self.object(&Object::unreachable(*destination, *reporter, *cause));
            }
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
        let is_news = self.news.is_news(Told::SendFailed(number), destination.ip());
        if !is_news && !self.settings.verbose || self.is_held() {
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
}

impl<W: Write, N: Write> Sink for Printer<W, N> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Received { via, train } => return self.received(via, train, 0),
            Event::Answered { via, datagram, reply } => self.datagram(via, datagram, &Role::Answered { reply }),
            Event::Reply { via, datagram, request, rtt } => {
                self.datagram(via, datagram, &Role::Reply { request, rtt });
            }
            Event::Sent { transmit, payload, request, retry } => {
                let name = transmit.interface.and_then(|index| self.heads.interface(index)).map(str::to_owned);
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
            // The total is that of one worker; here they come together.
            Event::Dropped { new, total: _ } => {
                self.drops += new;
                let total = self.drops;
                if self.is_json() {
                    self.object(&Object::Dropped { new, total });
                } else {
                    self.note(&format!("dropped by the kernel: {new} ({total} in all): the receive buffer is full"));
                }
            }
            Event::Interfaces { interfaces } => {
                if self.settings.verbose && self.interfaces != *interfaces {
                    self.note("interfaces changed");
                }
                self.set_interfaces(interfaces);
            }
            Event::Reopened { local } => {
                if self.is_json() {
                    self.object(&Object::Reopened { address: local });
                } else {
                    self.note(&format!("waiting for datagrams on {local} again"));
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
        self.flow()
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.flush();
        self.flow()
    }
}

pub(crate) use text::{broadcast_summary, receiver_summary, sender_summary};

/// The words of an error and its causes.
pub(crate) fn words_of(error: &anyhow::Error) -> String {
    let reason = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref::<io::Error>() {
        Some(system) => udpkit::reason(system),
        None => cause.to_string(),
    };
    let reasons: Vec<_> = error.chain().map(reason).collect();
    reasons.join(": ")
}

/// Tells an error, and what to do about it.
pub(crate) fn error(error: &anyhow::Error) {
    let mut out = io::stderr().lock();
    tell(&mut out, "udp: ", &words_of(error));
    if let Some(hint) = hint::hint(error) {
        tell(&mut out, HINT, &hint);
    }
}

/// Goes back to the start of the line and clears it (ECMA-48: CR, EL).
const CLEAR_LINE: &str = "\r\x1b[2K";
/// Columns of a terminal that does not say how many it has.
const DEFAULT_WIDTH: u16 = 80;
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
    use std::time::SystemTime;

    use udpkit::{Delivery, InterfaceIndex, Meta};

    use super::*;

    fn received(second: u64, nanoseconds: u32) -> Meta {
        let mut meta = Meta::new("192.0.2.1:40000".parse().unwrap());
        meta.destination = Some("192.0.2.255".parse().unwrap());
        meta.interface = InterfaceIndex::new(7);
        meta.delivery = Delivery::Broadcast;
        meta.received = Some(SystemTime::UNIX_EPOCH + Duration::new(second, nanoseconds));
        meta.hop_limit = Some(64);
        meta.traffic_class = Some(184);
        meta
    }

    #[test]
    fn a_datagram_costs_no_allocation() {
        for format in [Format::Text, Format::Hex, Format::Json, Format::Raw] {
            let settings = Settings { ports: vec![10000], ..Settings::plain(format) };
            let mut printer = Printer::new(settings, io::sink(), io::sink(), jiff::tz::TimeZone::UTC);
            let mut print = |port, nanoseconds, payload: &[u8]| {
                let mut meta = received(1_700_000_000, nanoseconds);
                meta.source.set_port(port);
                let datagram = Datagram { payload, wire_len: payload.len(), meta: &meta };
                assert!(printer.event(Event::Received { via: 0, train: Train::one(&datagram) }).is_continue());
            };
            let payloads: [&[u8]; 5] =
                [b"plain text", b"", b"\x1b]0;\xff\0\\\x7f", "мир \u{202e} 👋 ".as_bytes(), &[200; 65_507]];
            let mut print_all = |first| {
                // More peers than there are heads.
                for ((number, port), payload) in (0u32..1000).zip((40_000..40_600).cycle()).zip(payloads.iter().cycle())
                {
                    print(port, first + number / 3, payload);
                }
            };
            // The first ones make room.
            print_all(0);
            let allocated = allocation_counter::measure(|| print_all(500));
            assert_eq!(allocated.count_total, 0, "{format:?}");
        }
    }

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
