//! The printer: data on standard output in the chosen format, everything else on standard error.

use std::cmp::Ordering;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::time::SystemTime;

use udpkit::{Attempt, Datagram, ErrorKind, Event, Interfaces, Sink, SocketId, Train, event};

use super::aside::{Aside, COMPLAINT, HINT};
use super::backlog::Output;
use super::head::Heads;
use super::named::Named;
use super::news::{Bound, MAX_TOLD, News, Repeated, Repeating};
use super::notice::{Notice, Remark, Tone};
use super::notices::{
    ClockStepped, Dropped, Ignored, NotSent, NotShown, Refused, Reopened, Sent, Span, Telling, Trouble, Unanswered,
    Unread,
};
use super::role::Role;
use super::settings::Settings;
use super::wording::{Clock, Times};
use super::{escape, hex, json};
use crate::words::endpoint::Endpoint;
use crate::words::format::Format;

/// Prints datagrams and notices as they come.
pub(crate) struct Printer<W: Write, N: Write> {
    settings: Settings,
    out: W,
    aside: Aside<N>,
    heads: Heads,
    /// Tells when a notice happened.
    clock: Clock,
    interfaces: Interfaces,
    news: News,
    bound: Bound,
    /// Lines that were left out since their reader did not read.
    unread: u64,
    /// What the kernel dropped so far.
    drops: u64,
    /// Requests without an answer so far.
    unanswered: usize,
    /// Whether it was printed that a socket cannot receive.
    cannot_receive: bool,
    /// The first error of writing, which ended the run.
    failure: Option<io::Error>,
    /// Which of several targets that is about which is printed.
    subject: Option<String>,
}

/// A printer to the process's own outputs.
pub(crate) type StdPrinter = Printer<BufWriter<Output>, Output>;

impl StdPrinter {
    /// A printer to standard output and standard error, which waits for their readers.
    pub(crate) fn std(settings: Settings) -> Self {
        Self::to(settings, Output::direct())
    }

    /// A printer to standard output and standard error that does not wait for their readers: lines for which there is no
    /// room are left out, and counted. Fails when the system has no more threads to give.
    pub(super) fn std_queued(settings: Settings) -> io::Result<Self> {
        // What is written up to a flush is a line there.
        Ok(Self::to(Settings { at_once: true, ..settings }, Output::queued()?))
    }

    fn to(settings: Settings, [output, error]: [Output; 2]) -> Self {
        let output = BufWriter::with_capacity(65_536, output);
        Self::new(settings, output, error, jiff::tz::TimeZone::system())
    }

    /// Lets what is printed wait, since something else is drawn on the terminal, or prints it now. Nothing is held that a file
    /// takes; for what does not fit, see [`std_queued`](Self::std_queued).
    #[cfg(feature = "tui")]
    pub(crate) fn hold(&mut self, is_held: bool) {
        self.out.get_ref().hold(is_held);
        self.aside.out.hold(is_held);
    }

    /// Prints the summary, once what was printed before it is read so that it finds room, and waits until it is read.
    pub(crate) fn end(&mut self, summary: &impl Notice) {
        self.drain();
        self.conclude(summary);
        self.drain();
    }

    /// Waits until what was printed is read, as long as the run goes on and for a while after that.
    fn drain(&mut self) {
        let (unread, drained) = self.out.get_mut().drain();
        self.unread += unread;
        self.keep(drained);
        // What nobody reads on standard error is said nowhere.
        let _ = self.aside.out.drain();
    }
}

impl<W: Write, N: Write> Printer<W, N> {
    /// A printer to these outputs, with times of day in this zone.
    pub(crate) fn new(settings: Settings, out: W, aside: N, zone: jiff::tz::TimeZone) -> Self {
        let times = match settings.format {
            Format::Json => Times::Utc,
            Format::Text | Format::Hex | Format::Raw if settings.printing.times == Times::Utc => Times::Utc,
            Format::Text | Format::Hex | Format::Raw => Times::Local,
        };
        Self {
            clock: Clock::new(times, zone.clone()),
            heads: Heads::new(&settings, zone),
            news: News::new(settings.verbose, settings.refusals),
            settings,
            out,
            aside: Aside::new(aside),
            interfaces: Interfaces::default(),
            bound: Bound::default(),
            unread: 0,
            drops: 0,
            unanswered: 0,
            cannot_receive: false,
            failure: None,
            subject: None,
        }
    }

    /// Takes the interfaces, whose names stand in lines.
    pub(crate) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.interfaces = interfaces.clone();
        self.heads.set_interfaces(interfaces);
    }

    /// What was written as data.
    #[cfg(test)]
    pub(crate) fn into_out(self) -> W {
        self.out
    }

    /// Whether lines are coloured.
    #[cfg(feature = "tui")]
    pub(crate) fn is_coloured(&self) -> bool {
        self.settings.color
    }

    /// Whether notices are objects.
    pub(crate) fn is_json(&self) -> bool {
        self.settings.format == Format::Json
    }

    /// Whether each datagram is written as it comes, for somebody who watches.
    pub(crate) fn writes_at_once(&self) -> bool {
        self.settings.at_once
    }

    /// Why writing failed, if it did; a reader that went away is no failure.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// Whether it printed that the system did not let a socket receive.
    pub(crate) fn cannot_receive(&self) -> bool {
        self.cannot_receive
    }

    /// Whether nothing more can be written.
    pub(crate) fn is_over(&self) -> bool {
        self.failure.is_some()
    }

    /// Takes the local ports of sockets, once they are open.
    pub(crate) fn set_ports(&mut self, ports: Vec<u16>) {
        self.settings.ports = ports;
    }

    /// Says something besides datagrams: as an object in JSON, else as lines, where its tone belongs.
    pub(crate) fn say(&mut self, notice: &impl Notice) {
        self.tell_unread();
        match self.subject.take() {
            Some(name) => {
                self.say_now(&Named { name: Some(&name), notice });
                self.subject = Some(name);
            }
            None => self.say_now(notice),
        }
    }

    /// The same, as one of those lines of which so many are printed in a second as people can use.
    pub(crate) fn say_bounded(&mut self, notice: &impl Notice) -> ControlFlow<()> {
        if !self.is_held() {
            self.say(notice);
        }
        self.flow()
    }

    /// The same, whatever was left out before.
    fn say_now(&mut self, notice: &impl Notice) {
        // What cannot be an object any more, since standard output takes nothing, people can still read.
        if self.is_json() && !self.is_over() {
            return self.object(notice);
        }
        let tone = notice.tone();
        if matches!(tone, Tone::Note | Tone::Status) && (self.settings.quiet || self.is_json()) {
            return;
        }
        let is_timed = self.settings.timed && notice.is_timed();
        let time = is_timed.then(|| self.time_words(notice.time().unwrap_or_else(self.settings.now)) + "  ");
        let time = time.as_deref().unwrap_or_default();
        for line in notice.words() {
            match tone {
                Tone::Data => self.data(&line),
                Tone::Note => self.aside.timed_line(time, "", &line),
                Tone::Status => self.aside.status(time, &line),
                Tone::Complaint => self.aside.timed_line(time, COMPLAINT, &line),
            }
        }
        if let Some(hint) = notice.hint() {
            self.aside.line(HINT, &hint);
        }
        self.unread += self.aside.take_unread();
    }

    /// Writes the object of a notice, if it has one.
    fn object(&mut self, notice: &impl Notice) {
        let Some(kind) = notice.kind() else { return };
        self.clock.set(Some(notice.time().unwrap_or_else(self.settings.now)));
        let hint = notice.hint();
        let written = json::write(&mut self.out, kind, self.clock.words(), notice, hint.as_deref());
        self.end_line(written);
    }

    /// Says the last thing of a run, its summary.
    pub(crate) fn conclude(&mut self, summary: &impl Notice) {
        let repeated = self.news.take_all();
        repeated.into_iter().for_each(|repeated| self.say_again(repeated));
        self.tell_held();
        self.aside.clear_status();
        self.say(summary);
        self.flush();
    }

    fn data(&mut self, line: &str) {
        let written = writeln!(self.out, "{}", escape::words(line));
        self.end_line(written);
    }

    /// Prints datagrams, before which the kernel dropped this many at the same socket.
    pub(crate) fn received(&mut self, via: SocketId, train: Train<'_>, dropped_before: u32) -> ControlFlow<()> {
        for (place, datagram) in train.datagrams().enumerate() {
            let dropped_before = if place == 0 { dropped_before } else { 0 };
            self.datagram(via, datagram, &Role::Received { dropped_before });
        }
        self.flow()
    }

    fn keep(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }

    /// Ends a line, all of which is written.
    fn end_line(&mut self, written: io::Result<()>) {
        self.keep(written);
        if self.settings.at_once && !self.hand_over() {
            self.unread += 1;
        }
    }

    /// The end, once nothing can be written any more.
    fn flow(&self) -> ControlFlow<()> {
        if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Writes out what is buffered.
    pub(crate) fn flush(&mut self) {
        // Lines that find no room are counted one by one.
        self.hand_over();
    }

    /// Writes out what is buffered; false if there is no room for it, so that it is left out.
    fn hand_over(&mut self) -> bool {
        if self.failure.is_some() {
            return true;
        }
        match self.out.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            flushed => self.keep(flushed),
        }
        true
    }

    /// Says how many lines were left out, once there is room again, or it is clear that nobody will read.
    fn tell_unread(&mut self) {
        if self.unread == 0 {
            return;
        }
        let has_room = self.out.flush().and_then(|()| self.aside.out.flush()).is_ok();
        if has_room || self.failure().is_some() {
            let count = std::mem::take(&mut self.unread);
            self.unread = if self.tell_not_shown(&Unread { count }) { 0 } else { count };
        }
    }

    /// Says how many were not shown; false if that found no room itself.
    fn tell_not_shown(&mut self, notice: &impl Notice) -> bool {
        let unread = self.unread;
        self.say_now(notice);
        std::mem::replace(&mut self.unread, unread) == unread
    }

    /// Prints a datagram in the format chosen.
    fn datagram(&mut self, via: SocketId, datagram: Datagram<'_>, role: &Role<'_>) {
        if self.is_held() {
            return;
        }
        self.aside.clear_status();
        self.tell_unread();
        let written = self.write_datagram(via, datagram, role);
        self.end_line(written);
    }

    fn write_datagram(&mut self, via: SocketId, datagram: Datagram<'_>, role: &Role<'_>) -> io::Result<()> {
        let Self { settings, out, heads, .. } = self;
        let payload = datagram.payload;
        let line = match (settings.format, role) {
            (Format::Raw, _) => {
                out.write_all(payload)?;
                return out.write_all(&settings.printing.delimiter);
            }
            (Format::Json, Role::Answered { .. } | Role::Reply { .. }) => {
                return json::write_datagram(out, &heads.shown(via, datagram, settings), role);
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
        self.tell_unread();
        if let count @ 1.. = self.bound.take_held()
            && !self.tell_not_shown(&NotShown { count, what: "datagrams" })
        {
            self.bound.hold(count);
        }
    }

    /// Takes over what a thread of its own counted, and reports what is due.
    pub(crate) fn absorb(&mut self, repeated: Repeated) {
        self.news.absorb(repeated);
        self.say_due();
    }

    /// Says what happened again and is to be reported now.
    fn say_due(&mut self) {
        for repeated in self.news.take_due() {
            self.say_again(repeated);
        }
    }

    fn say_again(&mut self, repeated: Repeated) {
        let Repeated { what, count, first, last } = repeated;
        let span = Span { first_time: self.time_words(first), last_time: self.time_words(last) };
        match what {
            Repeating::Ignored { source, reason } => self.say(&Ignored::again(source, reason, count, span)),
            Repeating::SendFailed { destination, error, .. } => {
                self.say(&NotSent::again(destination, error, count, span));
            }
            Repeating::Unreachable(unreachable) => self.say(&Refused::again(&unreachable, count, span)),
        }
    }

    /// A time as notices have it.
    fn time_words(&mut self, time: SystemTime) -> String {
        self.clock.set(Some(time));
        self.clock.words().unwrap_or("-").to_owned()
    }

    /// Takes an event of a run that is about one of several targets.
    pub(crate) fn event_about(&mut self, subject: Option<&str>, event: Event<'_>) -> ControlFlow<()> {
        self.subject = subject.map(str::to_owned);
        let flow = self.event(event);
        self.subject = None;
        flow
    }

    /// Tells an event, news or not.
    pub(crate) fn tell(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Received(received) => return self.received(received.via, received.train, 0),
            Event::Answered(event::Answered { via, datagram, reply, .. }) => {
                self.datagram(via, datagram, &Role::Answered { reply });
            }
            Event::Reply(event::Reply { via, datagram, to, .. }) => self.datagram(via, datagram, &Role::Reply { to }),
            Event::Sent(event::Sent { transmit, payload, request, retry, .. }) => {
                let name = transmit.interface.and_then(|index| self.heads.interface(index)).map(str::to_owned);
                self.say(&Sent::new(&transmit, name.as_deref(), payload.len(), request, retry));
            }
            Event::Unanswered(unanswered) if self.settings.numbered || self.is_json() => {
                let telling = telling(&mut self.unanswered);
                if self.is_json() || telling != Telling::TooLate {
                    let named = self.settings.name_destinations;
                    self.say(&Unanswered::new(unanswered, telling, named));
                }
            }
            // Of a single request, the end says so.
            Event::Unanswered(_) => {}
            Event::Ignored(_) | Event::SendFailed(_) | Event::Unreachable(_) if self.is_held() => {}
            Event::Ignored(ignored) => self.say(&Ignored::new(ignored.meta, ignored.reason, ignored.count)),
            Event::Unreachable(refusal) => self.say(&Refused::new(refusal, !self.settings.numbered)),
            Event::SendFailed(failed) => self.say(&NotSent::new(failed.failure)),
            // The total is that of one worker; here they come together.
            Event::Dropped(dropped) => {
                self.drops += dropped.new;
                self.say(&Dropped { new: dropped.new, total: self.drops });
            }
            Event::Interfaces(event::InterfacesChanged { interfaces, .. }) => {
                if self.settings.verbose && self.interfaces != *interfaces {
                    self.say(&Remark::note("interfaces changed"));
                }
                self.set_interfaces(interfaces);
            }
            Event::ClockStepped(stepped) => self.say(&ClockStepped::new(stepped.by)),
            Event::Reopened(reopened) => self.say(&Reopened { address: Endpoint(reopened.local) }),
            Event::Trouble(event::Trouble { error, .. }) => {
                // One that somebody destroyed could receive before that.
                let is_destroyed = error.kind() == ErrorKind::Destroyed;
                self.cannot_receive |= error.attempt() == Attempt::Receive && !is_destroyed;
                self.say(&Trouble::new(error));
            }
            // `Event::Question` is no news but a question; what a relay has to say of datagrams, peers and links, `udp relay`
            // says. Any other is of a later library: the tests below fail then.
            _ => {}
        }
        self.flow()
    }
}

/// Counts a thing that is printed [`MAX_TOLD`] times at most.
fn telling(count: &mut usize) -> Telling {
    *count += 1;
    match (*count).cmp(&MAX_TOLD) {
        Ordering::Less => Telling::Earlier,
        Ordering::Equal => Telling::Last,
        Ordering::Greater => Telling::TooLate,
    }
}

/// Tells what is news.
impl<W: Write, N: Write> Sink for Printer<W, N> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let passes = self.news.passes(&event);
        self.say_due();
        if passes { self.tell(event) } else { self.flow() }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.flush();
        self.flow()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use udpkit::event::{Answered, IgnoredDatagrams, OneOf, Received, Refusal, Reply, Request, SendFailed};
    use udpkit::{Cause, Delivery, InterfaceIndex, Meta, ReplyTo, Unreachable};

    use super::super::news::Refusals;
    use super::super::notices::ListeningOn;
    use super::super::samples::each_event;
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
                let datagram = Datagram::new(payload, &meta);
                assert!(
                    printer
                        .event(Event::Received(Received::new(SocketId::first(0), Train::one(&datagram))))
                        .is_continue()
                );
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

    /// A clock that stands still.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5)
    }

    /// What a printer that tells everything says of an event: as data, and aside.
    fn told(format: Format, event: Event<'_>) -> (String, String) {
        said_of(Settings { verbose: true, numbered: true, now, ..Settings::plain(format) }, event)
    }

    fn said_of(settings: Settings, event: Event<'_>) -> (String, String) {
        let mut printer = Printer::new(settings, Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        assert!(printer.event(event).is_continue());
        (String::from_utf8(printer.out).unwrap(), String::from_utf8(printer.aside.out).unwrap())
    }

    /// What the program answers, or its verb says.
    const SILENT: [&str; 6] = ["question", "fate", "left", "peer", "impaired", "probe"];

    #[test]
    fn every_event_has_its_words() {
        each_event(|event| {
            let (data, aside) = match event.name() {
                "received" => ("192.0.2.1:40000  2 B  hi\n", ""),
                "answered" => ("192.0.2.1:40000  2 B (answered with 2 B)  hi\n", ""),
                "question" => ("", ""),
                "sent" => ("", "sent #7 to 192.0.2.1:40000: 2 B\n"),
                "reply" => ("192.0.2.1:40000  #7  - ms  2 B  hi\n", ""),
                "unanswered" => ("", "no answer to #7\n"),
                "ignored" => ("", "ignored 3 from 192.0.2.1:40000: over the rate limit\n"),
                "unreachable" => ("", "udp: cannot reach 192.0.2.1:40000: port unreachable\n"),
                "send_failed" => ("", "udp: cannot send to 192.0.2.1:40000: permission denied\n"),
                "dropped" => ("", "dropped by the kernel: 5 (5 in all): the receive buffer is full\n"),
                "interfaces" => ("", "interfaces changed\n"),
                "reopened" => ("", "waiting for datagrams on 192.0.2.1:40000 again\n"),
                "clock_stepped" => {
                    ("", "the system's clock was set back by 1.50 s: times before and after that do not compare\n")
                }
                "trouble" => (
                    "",
                    "cannot join 239.1.2.3: entity not found\n\
                     hint: `udp interfaces` shows which interfaces are up and can multicast; -i NAME chooses\n",
                ),
                name if SILENT.contains(&name) => ("", ""),
                name => panic!("what does the printer say of {name}?"),
            };
            assert_eq!(told(Format::Text, event), (data.to_owned(), aside.to_owned()), "{}", event.name());
        });
    }

    #[test]
    fn every_event_is_an_object_of_its_type_or_none() {
        each_event(|event| {
            let (data, aside) = told(Format::Json, event);
            assert_eq!(aside, "");
            match event.name() {
                name if SILENT.contains(&name) => assert_eq!(data, ""),
                name => {
                    let kind = if name == "interfaces" { "note" } else { name };
                    let start = format!(r#"{{"v":1,"type":"{kind}","time":"2023-11-14T22:13:20.000000005Z","#);
                    assert!(data.starts_with(&start), "{data}");
                }
            }
        });
    }

    #[test]
    fn lines_begin_with_the_time_where_that_is_asked_for() {
        each_event(|event| {
            let of = |times| {
                let mut settings =
                    Settings { timed: true, verbose: true, numbered: true, now, ..Settings::plain(Format::Text) };
                settings.printing.times = times;
                let (data, aside) = said_of(settings, event);
                data + &aside
            };
            let (local, utc) = (of(Times::Local), of(Times::Utc));
            let is_silent = SILENT.contains(&event.name());
            assert!(local.starts_with("22:13:20.000000005  ") || is_silent && local.is_empty(), "{local}");
            assert!(utc.starts_with("2023-11-14T22:13:20.000000005Z  ") || is_silent && utc.is_empty(), "{utc}");
            // Of hints, none does.
            assert_eq!(local.matches("22:13:20").count(), usize::from(!is_silent), "{local}");
        });
        let settings = Settings { timed: true, now, ..Settings::plain(Format::Text) };
        let mut printer = Printer::new(settings, Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        let addresses = ["192.0.2.1:9".parse().unwrap()];
        printer.say(&ListeningOn { addresses: &addresses, what: "listening" });
        assert_eq!(String::from_utf8(printer.aside.out).unwrap(), "listening on 192.0.2.1:9\n");
    }

    #[test]
    fn an_object_has_the_kernels_time_where_there_is_one() {
        let mut meta = Meta::new("192.0.2.1:40000".parse().unwrap());
        meta.received = Some(SystemTime::UNIX_EPOCH);
        let datagram = Datagram::new(b"hi", &meta);
        for event in [
            Event::Received(Received::new(SocketId::first(0), Train::one(&datagram))),
            Event::Answered(Answered::new(SocketId::first(0), datagram, b"ok")),
            Event::Reply(Reply::new(SocketId::first(0), datagram, ReplyTo::Unmatched)),
            Event::Ignored(IgnoredDatagrams::new(&meta, udpkit::Reason::RateLimit, 1)),
        ] {
            let (data, _) = told(Format::Json, event);
            assert!(data.contains(r#","time":"1970-01-01T00:00:00.000000000Z","#), "{data}");
        }
    }

    #[test]
    fn in_json_nothing_goes_to_standard_error_until_standard_output_takes_no_more() {
        let notices = [Remark::note("why"), Remark::complaint("what"), Remark::status("how far")];
        let settings = || Settings { now, ..Settings::plain(Format::Json) };
        let mut printer = Printer::new(settings(), Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        notices.iter().for_each(|notice| printer.say(notice));
        let said = String::from_utf8(printer.out).unwrap();
        let time = "2023-11-14T22:13:20.000000005Z";
        let expected = format!(
            "{{\"v\":1,\"type\":\"note\",\"time\":\"{time}\",\"words\":\"why\"}}\n\
             {{\"v\":1,\"type\":\"trouble\",\"time\":\"{time}\",\"error\":\"what\"}}\n"
        );
        assert_eq!((said, printer.aside.out), (expected, Vec::new()));
        let mut full = [0; 0];
        let mut printer = Printer::new(settings(), &mut full[..], Vec::new(), jiff::tz::TimeZone::UTC);
        // The first finds out.
        notices.iter().chain(&notices).for_each(|notice| printer.say(notice));
        assert_eq!(String::from_utf8(printer.aside.out).unwrap(), "udp: what\nudp: what\n");
    }

    #[test]
    fn a_destination_whose_port_is_not_known_is_left_out() {
        let mut meta = received(1_700_000_000, 0);
        meta.received = None;
        let datagram = Datagram::new(b"hi", &meta);
        let mut printer = Printer::new(Settings::plain(Format::Json), Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        for _ in 0..2 {
            assert!(
                printer.tell(Event::Reply(Reply::new(SocketId::first(0), datagram, ReplyTo::Unmatched))).is_continue()
            );
            printer.set_ports(vec![9]);
        }
        let lines = String::from_utf8(printer.out).unwrap();
        let has_destination: Vec<_> = lines.lines().map(|line| line.contains("destination")).collect();
        assert_eq!(has_destination, [false, true], "{lines}");
        let whole = r#""destination":"192.0.2.255:9","destination_address":"192.0.2.255","destination_port":9,"#;
        assert!(lines.contains(whole), "{lines}");
    }

    #[test]
    fn of_a_train_the_first_datagram_alone_comes_after_drops() {
        let meta = Meta::new("192.0.2.1:40000".parse().unwrap());
        for (format, words) in [(Format::Text, "(3 dropped before it)"), (Format::Json, "\"dropped_before\":3")] {
            let mut printer = Printer::new(Settings::plain(format), Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
            assert!(printer.received(SocketId::first(0), Train::new(&meta, b"aabbcc", 2), 3).is_continue());
            let lines = String::from_utf8(printer.out).unwrap();
            let told: Vec<_> = lines.lines().map(|line| line.contains(words)).collect();
            assert_eq!(told, [true, false, false], "{lines}");
        }
    }

    #[test]
    fn what_repeats_is_printed_once_and_then_counted() {
        let meta = Meta::new("192.0.2.1:53".parse().unwrap());
        let destination = "192.0.2.1:9".parse().unwrap();
        let unreachable = Unreachable::new(destination, None, Cause::Port);
        let failure =
            udpkit::SendFailure::new(udpkit::Transmit::to(destination), io::ErrorKind::BrokenPipe.into()).bytes(2);
        let events = [
            Event::Ignored(IgnoredDatagrams::new(&meta, udpkit::Reason::ResponderPort, 1)),
            Event::SendFailed(SendFailed::new(SocketId::first(0), &failure)),
            Event::Unreachable(Refusal::new(&unreachable, None, false)),
        ];
        let last_words = |format, quiet| {
            let settings = Settings { refusals: Refusals::Reported, quiet, ..Settings::plain(format) };
            let mut printer = Printer::new(settings, Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
            for _ in 0..100 {
                events.iter().for_each(|event| assert!(printer.event(*event).is_continue()));
            }
            printer.conclude(&Remark::note("the end"));
            String::from_utf8(printer.out).unwrap() + &String::from_utf8(printer.aside.out).unwrap()
        };
        let text = last_words(Format::Text, false);
        let starts = [
            "ignored 1 from 192.0.2.1:53: source port of a well-known responder",
            "udp: cannot send to 192.0.2.1:9: broken pipe",
            "udp: cannot reach 192.0.2.1:9: port unreachable",
            "hint: nothing listens on UDP port 9 there",
            "ignored from the network of 192.0.2.1:53: source port of a well-known responder: 99 more from ",
            "udp: cannot send to the network of 192.0.2.1:9: broken pipe: 99 more from ",
            "udp: cannot reach 192.0.2.1:9: port unreachable: 99 more from ",
            "the end",
        ];
        assert_eq!(text.lines().count(), starts.len(), "{text}");
        text.lines().zip(starts).for_each(|(line, start)| assert!(line.starts_with(start), "{line}"));
        assert_eq!(last_words(Format::Text, true).lines().count(), 5);
        let json = last_words(Format::Json, false);
        assert_eq!(json.matches(r#""count":1,"#).count() + json.matches(r#""count":1}"#).count(), 3, "{json}");
        assert_eq!(json.matches(r#""count":99,"#).count(), 3, "{json}");
        assert_eq!((json.matches(r#""first_time":"20"#).count(), json.lines().count()), (3, 7), "{json}");
    }

    #[test]
    fn drops_add_up_over_all_workers() {
        let mut printer = Printer::new(Settings::plain(Format::Text), Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        for (new, total) in [(3, 3), (2, 2), (4, 7)] {
            assert!(printer.event(Event::Dropped(event::Dropped::new(new, total))).is_continue());
        }
        let told = String::from_utf8(printer.aside.out).unwrap();
        let counts: Vec<_> = told.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
        assert_eq!(counts, ["3 (3 in all)", "2 (5 in all)", "4 (9 in all)"]);
    }

    #[test]
    fn what_is_not_certain_of_an_answer_is_marked() {
        let (meta, ms) = (Meta::new("192.0.2.1:7".parse().unwrap()), Duration::from_millis(2));
        let cases = [
            (ReplyTo::Request(Request::new(3, Some(ms))), "#3  2.000 ms", r#""request":3,"rtt_ns":2000000}"#),
            (ReplyTo::Request(Request::new(3, None)), "#3  - ms", r#""request":3,"rtt_ns":null}"#),
            (
                ReplyTo::OneOf(OneOf::new(2, 5, Some((4, ms)))),
                "#4?  ~2.000 ms",
                r#""request":null,"rtt_ns":null,"requests":[2,5],"request_likely":4,"rtt_likely_ns":2000000}"#,
            ),
            (
                ReplyTo::OneOf(OneOf::new(2, 5, None)),
                "to one of #2 to #5",
                r#""request":null,"rtt_ns":null,"requests":[2,5]}"#,
            ),
            (ReplyTo::Copy, "copy", r#""request":null,"rtt_ns":null,"copy":true}"#),
            (ReplyTo::Late, "late", r#""request":null,"rtt_ns":null,"late":true}"#),
            (ReplyTo::Unmatched, "- ms", r#""request":null,"rtt_ns":null}"#),
        ];
        for (to, words, object) in cases {
            let printed = |format| {
                let settings = Settings { numbered: true, ..Settings::plain(format) };
                let mut printer = Printer::new(settings, Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
                let datagram = Datagram::new(b"y", &meta);
                assert!(printer.tell(Event::Reply(Reply::new(SocketId::first(0), datagram, to))).is_continue());
                printer.flush();
                String::from_utf8(printer.out).unwrap()
            };
            assert_eq!(printed(Format::Text), format!("192.0.2.1:7  {words}  1 B  y\n"));
            assert!(printed(Format::Json).ends_with(&format!("{object}\n")), "{}", printed(Format::Json));
        }
    }

    #[test]
    fn unanswered_requests_are_told_up_to_a_bound() {
        let settings = Settings { numbered: true, ..Settings::plain(Format::Text) };
        let mut printer = Printer::new(settings, Vec::new(), Vec::new(), jiff::tz::TimeZone::UTC);
        let destination = "192.0.2.1:9".parse().unwrap();
        for request in 1..=2 * MAX_TOLD as u64 {
            assert!(
                printer.event(Event::Unanswered(event::Unanswered::new(destination, request, request))).is_continue()
            );
        }
        let told = String::from_utf8(printer.aside.out).unwrap();
        assert_eq!(told.lines().count(), MAX_TOLD);
        assert!(told.ends_with("more of these are only counted\n"), "{told}");
    }
}
