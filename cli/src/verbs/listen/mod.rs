//! `udp listen`: one thread receives and does nothing else, another prints and writes what came.

pub(crate) mod queue;
mod writer;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use udpkit::verbs::{Listen, ListenOptions};
use udpkit::{Drive, End, Event, Interfaces, Memberships, Options, Remote, Sink, control, drive};

use crate::args::{CaptureArgs, CommonArgs, ListenArgs};
use crate::capture::{CaptureFiles, Rotation, is_standard_output};
use crate::hint::Hint;
use crate::output::{self, Ledger, Settings, StdPrinter, SystemCounters};
use crate::runtime::exit::Exit;
use crate::runtime::exit::{finish, receiver_exit};
use crate::runtime::printing::check_format;
use crate::runtime::signals;
use crate::runtime::sockets::{self, Listening, buffer_of, listening};
use crate::tui::{self, Feed, Tui};
use crate::words::format::Format;
use queue::{FAST_LIMIT, LIMIT, Queue, QueueSink};
use writer::Writer;

/// What sockets ask the system for: four times what others do, since a datagram that waits costs nothing here.
const RECEIVE_BUFFER: usize = 16 << 20;
/// The same where runs are received as one: millions a second, which last as long in no less.
const FAST_RECEIVE_BUFFER: usize = 64 << 20;
/// How long the screen waits for a report; then it shows the last one.
const REPORT_PATIENCE: Duration = Duration::from_millis(50);

#[expect(clippy::disallowed_methods, reason = "a capture says when it was begun and ended")]
pub(crate) fn listen(args: &ListenArgs) -> Result<Exit> {
    if args.tui {
        tui::check_terminal()?;
    } else if args.prints() {
        check_format(&args.common)?;
    }
    let printing = args.print.printing(args.common.format())?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let options = args.socket_options();
    let listening = listening(&args.addresses, &args.common, &options, args.source, &interfaces)?;
    let capture = args.capture(&interfaces, SystemTime::now())?;
    let settings = Settings::new(&args.common, listening.ports());
    let mut printer = StdPrinter::std(Settings { printing, ..settings });
    printer.set_interfaces(&interfaces);
    let mut engine = Listen::new(args.engine_options(&listening));
    let (ready, remote) = ready(&listening, args, &interfaces)?;
    let system = SystemCounters::read();
    printer.listening("listening", &listening.addresses());
    note_buffer(&mut printer, buffer_of(&listening.sockets), &args.common);
    printer.flush();
    let mut writer = Writer::new(printer, args.prints(), capture, listening.ports());
    let queue = Queue::new(args.queue.unwrap_or(if args.coalesce { FAST_LIMIT } else { LIMIT }));
    let mut sink =
        ListenSink { table: None, queue: queue.sink(args.common.verbose), writes: args.capture.write.is_some() };
    let tui = args.tui.then(|| open_table(&mut sink, &mut writer, &listening, &interfaces, &remote)).transpose()?;
    let writing = writer.start(&queue, remote)?;
    let driven = drive(&listening.sockets, &mut engine, ready, &mut sink);
    queue.end();
    let mut writer = writing.join().map_err(|_| anyhow!("the thread that writes panicked"))?;
    for trouble in tui.map(Tui::finish).transpose()?.unwrap_or_default() {
        writer.printer.note(&trouble);
    }
    let (mut report, end) = driven?;
    if !args.tui {
        queue.correct(&mut report);
    }
    writer.finish_capture(&report);
    let ledger = Ledger {
        listed: args.tui,
        printed: args.prints().then(|| writer.printed()),
        written: writer.written(),
        queue_full: queue.overflow(),
        receive_buffer: buffer_of(&listening.sockets),
        coalesces: args.coalesce,
        system: system.and_then(|before| Some(SystemCounters::read()?.since(before))),
    };
    let end = if queue.is_closed() { End::SinkClosed } else { end };
    writer.printer.ledger(&report, &ledger);
    let exit = receiver_exit(&report, end, &args.common, report.delivered);
    finish(&writer.printer, if writer.has_failed() { Exit::Failed } else { exit })
}

/// Takes over the terminal for a table of senders, which the sink feeds from now on.
fn open_table(
    sink: &mut ListenSink,
    writer: &mut Writer,
    listening: &Listening,
    interfaces: &Interfaces,
    remote: &Remote,
) -> Result<Tui> {
    let feed = Feed::new(listening.ports(), interfaces);
    writer.troubles = Some(feed.troubles());
    let written = writer.written_so_far();
    let addresses: Vec<_> = listening.addresses().iter().map(SocketAddr::to_string).collect();
    let title = format!("udp listen on {}", addresses.join(" and "));
    let (asked, stopped) = (remote.clone(), remote.clone());
    let ask = move || {
        let report = asked.report(REPORT_PATIENCE)?;
        let written = written.as_ref().map(|written| written.load(Ordering::Relaxed));
        Some(tui::Ledger { written, ..tui::Ledger::from(&report) })
    };
    let tui = Tui::start(&feed, title, writer.printer.is_coloured(), ask, move || stopped.stop())?;
    sink.table = Some(feed);
    Ok(tui)
}

/// Where the thread that receives puts what comes.
struct ListenSink {
    table: Option<Feed>,
    queue: QueueSink,
    /// Whether datagrams are written besides being in the table.
    writes: bool,
}

impl Sink for ListenSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if let Some(table) = &mut self.table {
            table.event(event)?;
            if !(self.writes && matches!(event, Event::Received { .. })) {
                return ControlFlow::Continue(());
            }
        }
        self.queue.event(event)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.queue.idle()
    }
}

impl ListenArgs {
    /// Whether datagrams are printed: not where they are written to a file, or counted in a table, instead.
    fn prints(&self) -> bool {
        !self.tui && (self.capture.write.is_none() || self.capture.print)
    }

    fn socket_options(&self) -> Options {
        let buffer = if self.coalesce { FAST_RECEIVE_BUFFER } else { RECEIVE_BUFFER };
        Options {
            reuse_address: true,
            timestamps: true,
            hop_limits: true,
            traffic_classes: true,
            drops: true,
            coalesce: self.coalesce,
            receive_buffer: Some(self.common.recv_buffer.unwrap_or(buffer)),
            ..sockets::socket_options(&self.common)
        }
    }

    fn engine_options(&self, listening: &Listening) -> ListenOptions {
        let matching = self.matching.clone();
        ListenOptions {
            from: self.from.clone(),
            matching: matching
                .map(|regex| -> udpkit::verbs::PayloadMatch { Arc::new(move |bytes| regex.is_match(bytes)) }),
            interfaces: self.common.interfaces.clone(),
            destinations: listening.destinations.clone(),
            limits: self.common.limits(),
        }
    }
}

impl ListenArgs {
    /// The capture that is asked for.
    fn capture(&self, interfaces: &Interfaces, started: SystemTime) -> Result<Option<CaptureFiles>> {
        let CaptureArgs { write, rotate, keep, .. } = &self.capture;
        let Some(path) = write else { return Ok(None) };
        let rotation = rotate.map(|limit| Rotation { limit, keep: *keep });
        let prints = self.prints() || self.common.format() == Format::Json;
        if rotation.is_none() && prints && is_standard_output(path) {
            return Err(Hint::on(
                format!("the capture '{}' is standard output, where other lines go", path.display()),
                "leave out --print and --json, or name a file",
            ));
        }
        CaptureFiles::create(path, rotation, interfaces.clone(), started).map(Some)
    }
}

/// Says how large the receive buffer is: always where it is less than was asked for, which can cost datagrams.
fn note_buffer(printer: &mut StdPrinter, bytes: usize, common: &CommonArgs) {
    if common.recv_buffer.is_some_and(|asked| bytes < asked) {
        let words = "the system permits no more without more rights or a larger sysctl net.core.rmem_max";
        printer.note(&format!("receive buffer: {bytes} B; {words}"));
    } else if common.verbose {
        printer.note(&format!("receive buffer: {bytes} B, room for some {} short datagrams", output::room(bytes, 0)));
    }
}

/// What a listener is driven with. Its groups are joined and signals are heard from now on: whoever is told that it
/// listens may send to it, or end it, at once.
fn ready(listening: &Listening, args: &ListenArgs, interfaces: &Interfaces) -> Result<(Drive, Remote)> {
    let mut memberships = Memberships::new(listening.groups.clone(), args.common.interfaces.clone());
    memberships.update(&listening.sockets, interfaces)?;
    let (remote, control) = control()?;
    let stop = remote.clone();
    signals::handle(move || stop.stop(), signals::NO_HANGUP)?;
    Ok((Drive { control, memberships }, remote))
}
