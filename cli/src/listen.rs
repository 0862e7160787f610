//! `udp listen`: one thread receives and does nothing else, another prints and writes what came.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, anyhow};
use udpkit::verbs::{Listen, ListenOptions};
use udpkit::{
    Drive, End, Event, Interfaces, Memberships, Options, Reason, Remote, Report, Sink, Socket, Train, control, drive,
};

use crate::args::{CaptureArgs, CommonArgs, ListenArgs};
use crate::capture::{CaptureFiles, Rotation};
use crate::config::{self, Listening};
use crate::exit::Exit;
use crate::output::{self, Ledger, Settings, StdPrinter, SystemCounters, Written};
use crate::queue::{Part, Queue, QueueSink};
use crate::run::{buffer_of, check_format, finish, receiver_exit};
use crate::signals;
use crate::tui::{self, Feed, Troubles, Tui};

/// What sockets ask the system for: four times what others do, since a datagram that waits costs nothing here.
const RECEIVE_BUFFER: usize = 16 << 20;
/// How long the screen waits for a report; then it shows the last one.
const REPORT_PATIENCE: Duration = Duration::from_millis(50);
/// How often, at most, is told what found no room in the queue.
const OVERFLOW_INTERVAL: Duration = Duration::from_secs(1);
/// How often, at most, what came is written out where nobody watches it come: each time costs system calls.
const WRITE_INTERVAL: Duration = Duration::from_millis(1);

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
    let listening = config::listening(&args.addresses, &args.common, &options, args.source, &interfaces)?;
    let capture = args.capture.create(&interfaces, SystemTime::now())?;
    let settings = Settings::new(&args.common, listening.ports());
    let mut printer = StdPrinter::std(Settings { printing, ..settings });
    printer.set_interfaces(&interfaces);
    let mut engine = Listen::new(args.engine_options(&listening));
    let (ready, remote) = ready(&listening, args, &interfaces)?;
    let system = SystemCounters::read();
    printer.listening("listening", &listening.addresses());
    note_buffer(&mut printer, buffer_of(&listening.sockets), &args.common);
    printer.flush();
    let mut writer = Writer {
        printer,
        capture,
        prints: args.prints(),
        ports: listening.ports(),
        dropped_before: vec![0; listening.sockets.len()],
        printed: 0,
        written: Arc::default(),
        overflow: Overflow::default(),
        failed: false,
        troubles: None,
    };
    let queue = Queue::new();
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
    let ledger = writer.ledger(&mut report, &listening.sockets, system);
    let ledger = Ledger { listed: args.tui.then_some(report.delivered), ..ledger };
    let end = if queue.is_closed() { End::SinkClosed } else { end };
    writer.printer.ledger(&report, &ledger);
    let exit = receiver_exit(&report, end, &args.common, report.delivered);
    finish(&writer.printer, if writer.failed { Exit::Failed } else { exit })
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
    let written = writer.capture.is_some().then(|| Arc::clone(&writer.written));
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
        Options {
            reuse_address: true,
            timestamps: true,
            hop_limits: true,
            traffic_classes: true,
            drops: true,
            coalesce: self.coalesce,
            receive_buffer: Some(self.common.recv_buffer.unwrap_or(RECEIVE_BUFFER)),
            ..self.common.socket_options()
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

impl CaptureArgs {
    fn rotation(&self) -> Option<Rotation> {
        self.rotate.map(|limit| Rotation { limit, keep: self.keep })
    }

    /// The capture that is asked for.
    fn create(&self, interfaces: &Interfaces, started: SystemTime) -> Result<Option<CaptureFiles>> {
        let Some(path) = &self.write else { return Ok(None) };
        CaptureFiles::create(path, self.rotation(), interfaces.clone(), started).map(Some)
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

/// What found no room in the queue.
#[derive(Clone, Copy, Default)]
struct Overflow {
    /// Since it was told.
    new: u64,
    total: u64,
    told: Option<Instant>,
}

impl Overflow {
    fn add(&mut self, count: u64) {
        self.new += count;
        self.total += count;
    }

    fn is_due(&self, now: Instant) -> bool {
        self.new > 0 && self.told.is_none_or(|told| now.duration_since(told) >= OVERFLOW_INTERVAL)
    }
}

/// Prints and writes what was received.
struct Writer {
    printer: StdPrinter,
    capture: Option<CaptureFiles>,
    prints: bool,
    /// The local port of each socket.
    ports: Vec<u16>,
    /// Of each socket, how many datagrams the kernel had dropped before the last one that came.
    dropped_before: Vec<u32>,
    /// Datagrams that were printed.
    printed: u64,
    /// Datagrams that are in the capture, for others to see.
    written: Arc<AtomicU64>,
    overflow: Overflow,
    /// Whether the capture could not be written.
    failed: bool,
    /// Where to tell what goes wrong while the terminal shows a table.
    troubles: Option<Troubles>,
}

impl Writer {
    fn start(mut self, queue: &Queue, remote: Remote) -> Result<JoinHandle<Self>> {
        let queue = queue.clone();
        let work = move || {
            self.work(&queue, &remote);
            self
        };
        std::thread::Builder::new().spawn(work).context("cannot start a thread that writes")
    }

    #[expect(clippy::disallowed_methods, reason = "how often is written is a matter of time")]
    fn work(&mut self, queue: &Queue, remote: &Remote) {
        let mut part = Part::default();
        while queue.take(&mut part) {
            let taken = Instant::now();
            let mut flow = part.events(|event| self.event(event));
            self.printer.not_shown(part.not_shown());
            self.overflow.add(part.overflow());
            if self.overflow.is_due(taken) {
                self.tell_overflow(taken);
            }
            if let Some(capture) = &self.capture {
                self.written.store(capture.written(), Ordering::Relaxed);
            }
            if flow.is_continue() && queue.is_empty() {
                flow = self.flush();
            }
            if flow.is_break() {
                queue.close();
                return remote.stop();
            }
            if !self.printer.writes_at_once() {
                queue.rest(taken + WRITE_INTERVAL);
            }
        }
    }

    /// Tells what found no room in the queue, unless the terminal shows a table.
    fn tell_overflow(&mut self, now: Instant) {
        let Overflow { new, total, .. } = self.overflow;
        self.overflow = Overflow { new: 0, told: Some(now), total };
        if self.troubles.is_none() {
            self.printer.queue_full(new, total);
        }
    }

    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let Event::Received { via, train } = event else { return self.printer.event(event) };
        let mut dropped = 0;
        if let Some(now) = train.meta().dropped_before {
            dropped = now.wrapping_sub(std::mem::replace(&mut self.dropped_before[via], now));
        }
        self.write(via, train, dropped);
        if self.prints {
            self.printer.received(via, train, dropped)?;
            self.printed += train.count() as u64;
        }
        ControlFlow::Continue(())
    }

    /// Writes datagrams into the capture, as long as it takes any.
    #[expect(clippy::disallowed_methods, reason = "where the system tells no time of arrival, it was just now")]
    fn write(&mut self, via: usize, train: Train<'_>, dropped: u32) {
        let Some(capture) = self.capture.as_mut().filter(|_| !self.failed) else { return };
        let received = train.meta().received.unwrap_or_else(SystemTime::now);
        for (place, datagram) in train.datagrams().enumerate() {
            let dropped = if place == 0 { dropped } else { 0 };
            if let Err(error) = capture.datagram(&datagram, self.ports[via], received, dropped.into()) {
                return self.fail(&error);
            }
        }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        if let Some(Err(error)) = self.capture.as_mut().filter(|_| !self.failed).map(CaptureFiles::flush) {
            self.fail(&error);
        }
        self.printer.idle()
    }

    /// Tells that nothing can be written any more; what comes is counted all the same.
    fn fail(&mut self, error: &anyhow::Error) {
        self.failed = true;
        let words = output::words_of(error);
        match &self.troubles {
            Some(troubles) => troubles.tell(words),
            None => self.printer.complain(&words),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a capture says when it ended")]
    fn finish_capture(&mut self, report: &Report) {
        let Some(capture) = self.capture.as_mut().filter(|_| !self.failed) else { return };
        let dropped = report.kernel_drops.unwrap_or(0);
        if let Err(error) = capture.finish(report.received.datagrams, dropped, SystemTime::now()) {
            self.fail(&error);
        }
    }

    /// What became of the datagrams that were handed on.
    fn ledger(&self, report: &mut Report, sockets: &[Socket], system: Option<SystemCounters>) -> Ledger {
        if self.prints {
            // Nobody wanted the rest any more: the reader of our output went away.
            let abandoned = std::mem::replace(&mut report.delivered, self.printed) - self.printed;
            report.ignored.add(Reason::AfterEnd, usize::try_from(abandoned).unwrap_or(usize::MAX));
        }
        let written = |capture: &CaptureFiles| {
            let written = capture.written();
            let failed = report.delivered.saturating_sub(written);
            Written { path: capture.path().to_owned(), datagrams: written, failed }
        };
        Ledger {
            listed: None,
            printed: self.prints.then_some(self.printed),
            written: self.capture.as_ref().map(written),
            receive_buffer: buffer_of(sockets),
            coalesces: sockets.iter().any(|socket| socket.capabilities().coalesce),
            system: system.and_then(|before| Some(SystemCounters::read()?.since(before))),
        }
    }
}
