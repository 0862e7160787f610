//! `udp replay`: sends the datagrams of a capture again, and says what became of each.

#[cfg(unix)]
mod patient;
mod reading;
mod rehearsal;
mod sources;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::File;
use std::io::{IsTerminal, Seek};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use udpkit::verbs::{Replay, ReplayOptions, ReplayPace, Sources};
use udpkit::{Control, Drive, End, Engine, Event, Interfaces, Memberships, Options, Remote, Report, Sink, Socket};
use udpkit::{Transmit, control, drive};

use self::reading::{Context, Origin, Reading, Selection};
use self::rehearsal::{Rehearsal, rehearse};
use self::sources::{STREAM_SOCKETS, Senders, Survey};
use crate::args::ReplayArgs;
use crate::hint::{self, Hint};
use crate::output::{Progress, Replayed, Settings, Status, StdPrinter};
use crate::runtime::exit::Exit;
use crate::runtime::exit::finish;
use crate::runtime::printing::check_format;
use crate::runtime::signals;
use crate::runtime::sockets::{self as sockets_of, buffer_of};
use crate::verbs::serve::Shared;
use crate::words::address::check_port;
use crate::words::format::Format;
use crate::words::units::Rate;

/// Progress is told as often as this on a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// How long a report is waited for; it comes at once unless the capture does not.
const REPORT_PATIENCE: Duration = Duration::from_millis(100);
/// Sources that are named since their port could not be had.
const MAX_NAMED: usize = 8;
/// Destinations of which a refusal is told.
const MAX_REFUSING: usize = 256;

pub(crate) fn replay(args: &ReplayArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let target = args.target(&interfaces)?;
    let origin = Origin::open(&args.file)?;
    args.check(&origin)?;
    let (remote, control) = control()?;
    let stop = hear_signals(&remote)?;
    let settings = Settings { sends: true, numbered: true, ..Settings::new(&args.common, Vec::new()) };
    let printer = Shared::new(StdPrinter::std(settings), &interfaces);
    let context = Rc::new(Context {
        name: args.name(),
        selection: args.selection(&target),
        stop,
        tally: RefCell::default(),
        rehearsal: args.dry_run.then(|| RefCell::new(Rehearsal::new(printer.clone()))),
    });
    let survey = match &origin {
        Origin::File(file) => Some(args.survey(file, &context, &printer)?),
        Origin::Stream(_) => None,
    };
    if context.is_stopped() {
        return Ok(Exit::Interrupted);
    }
    let total = args.total(survey.as_ref());
    let run = Run { args, target, printer, context, total };
    let survey = survey.map(|survey| run.check(survey)).transpose()?;
    if args.dry_run {
        return run.rehearse(origin, survey);
    }
    let senders = run.senders(survey.as_ref(), &interfaces)?;
    run.perform(origin, senders, &remote, control)
}

/// Ends the run at a signal, also while only the capture is read; returns whether there was one.
fn hear_signals(remote: &Remote) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, remote) = (Arc::clone(&stop), remote.clone());
    let stop_all = move || {
        stopped.store(true, Ordering::Release);
        remote.stop();
    };
    signals::handle(stop_all, signals::NO_HANGUP)?;
    Ok(stop)
}

/// Where everything goes.
struct Target {
    transmit: Transmit,
    /// Whether datagrams keep the port that they went to.
    keeps_ports: bool,
    broadcast: bool,
}

impl Target {
    fn is_shared(&self) -> bool {
        self.broadcast || self.transmit.destination.ip().is_multicast()
    }
}

impl ReplayArgs {
    fn target(&self, interfaces: &Interfaces) -> Result<Target> {
        if let Some(port) = self.address.port {
            check_port(port)?;
        }
        let found = self.address.destinations(self.common.port, self.common.families(), interfaces)?;
        let interface = sockets_of::one_interface(&self.common, interfaces)?;
        let destination = sockets_of::scoped(found[0], interface, interfaces)?;
        Ok(Target {
            transmit: Transmit {
                interface: interface.or_else(|| sockets_of::scope(destination)),
                ..Transmit::to(destination)
            },
            keeps_ports: destination.port() == 0,
            broadcast: interfaces.is_broadcast(destination.ip()),
        })
    }

    fn check(&self, origin: &Origin) -> Result<()> {
        if self.common.count == Some(0) {
            bail!("--count 0 would end before anything is sent; --dry-run shows what would be");
        }
        if self.dry_run && matches!(self.common.format(), Format::Raw | Format::Hex) {
            bail!("--dry-run lists when each would be sent, and no payloads: as text, or with --json");
        }
        match origin {
            Origin::Stream(_) if self.pace.rounds != 1 => Err(Hint::on(
                format!("{} is no file: it can be read once", self.name()),
                "without --loop; or write it to a file first",
            )),
            Origin::Stream(_) | Origin::File(_) => Ok(()),
        }
    }

    /// The capture, as it stands in what is told.
    fn name(&self) -> String {
        match self.file.as_os_str() == "-" {
            true => "standard input".to_owned(),
            false => format!("'{}'", self.file.display()),
        }
    }

    fn selection(&self, target: &Target) -> Selection {
        let limit = udpkit::max_payload(target.transmit.destination.ip());
        Selection { ports: self.filter_port.clone(), limit, keeps_ports: target.keeps_ports }
    }

    /// Whether progress is told: to people who see nothing else.
    fn tells_progress(&self) -> bool {
        let lines = self.common.verbose || self.dry_run || self.common.format() == Format::Json;
        std::io::stderr().is_terminal() && !lines && !self.common.quiet
    }

    /// Reads the capture through. What is read here, and tells how far that is, the system still has when it is sent.
    #[expect(clippy::disallowed_methods, reason = "progress is told by the clock")]
    fn survey(&self, file: &File, context: &Context, printer: &Shared) -> Result<Survey> {
        let len = file.metadata().map_or(0, |metadata| metadata.len()).max(1);
        let mut told = Instant::now();
        let look = || {
            if self.tells_progress() && told.elapsed() >= PROGRESS_INTERVAL {
                told = Instant::now();
                let mut shared = file;
                let share = u128::from(shared.stream_position().unwrap_or(0)) * 100 / u128::from(len);
                printer.lock().status_line(&format!("reading {}: {share} %", context.name));
            }
        };
        Ok(sources::survey(file, context, self.common.count.unwrap_or(u64::MAX), look)?)
    }

    /// How many datagrams are to be sent in all, if that is known.
    fn total(&self, survey: Option<&Survey>) -> Option<u64> {
        let all = match self.pace.rounds {
            0 => None,
            rounds => survey.map(|survey| survey.datagrams.saturating_mul(rounds)),
        };
        [all, self.common.count.filter(|_| survey.is_some())].into_iter().flatten().min()
    }

    fn replay_pace(&self) -> ReplayPace {
        match (self.pace.rate, self.pace.speed) {
            (Some(rate), _) => ReplayPace::Fixed(Rate::pace(rate)),
            (None, _) if self.pace.max => ReplayPace::Unpaced,
            (None, speed) => ReplayPace::Recorded { speed: speed.unwrap_or(1.0) },
        }
    }

    /// Whether one socket was asked for.
    fn is_alone(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.port.is_some())
    }

    fn socket_options(&self, target: &Target) -> Options {
        Options {
            broadcast: target.broadcast,
            errors: true,
            timestamps: self.common.verbose,
            ..sockets_of::sending_options(&self.sending, &self.common)
        }
    }
}

/// A run, once it is known what it does.
struct Run<'a> {
    args: &'a ReplayArgs,
    target: Target,
    printer: Shared,
    context: Rc<Context>,
    /// How many datagrams are to be sent in all, if that is known.
    total: Option<u64>,
}

/// What a run came to.
struct Outcome {
    report: Report,
    end: End,
    receive_buffer: usize,
    /// Whether the capture could be read to its end.
    failure: Option<udpkit::Error>,
}

impl Run<'_> {
    /// An error where there is nothing to send.
    fn check(&self, survey: Survey) -> Result<Survey> {
        match survey {
            Survey { datagrams: 1.., .. } => Ok(survey),
            Survey { error: Some(error), .. } => Err(error.into()),
            Survey { ports, tally, .. } => {
                let message = format!("nothing to send: {} has {}", self.context.name, tally.words());
                if self.args.filter_port.is_empty() || ports.is_empty() {
                    bail!(message);
                }
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                Err(Hint::on(message, format!("its datagrams went to these ports, or more: {}", ports.join(", "))))
            }
        }
    }

    fn options(&self, own: Vec<SocketAddr>) -> ReplayOptions {
        let Self { args, target, .. } = self;
        ReplayOptions {
            transmit: target.transmit,
            keeps_ports: target.keeps_ports,
            pace: args.replay_pace(),
            longest_gap: args.pace.max_gap,
            rounds: Some(args.pace.rounds).filter(|rounds| *rounds > 0),
            limits: args.common.limits(),
            wait: if args.dry_run { Duration::ZERO } else { args.wait },
            any_source: target.is_shared(),
            own,
            busy_wait: args.pace.busy_wait,
            verbose: args.common.verbose,
        }
    }

    fn engine(
        &self,
        mut origin: Origin,
        sources: Sources,
        own: Vec<SocketAddr>,
    ) -> Replay<impl FnMut() -> udpkit::Result<Reading> + use<>, Reading> {
        let context = Rc::clone(&self.context);
        Replay::new(self.options(own), sources, move || Reading::begin(&mut origin, &context))
    }

    /// Opens the sockets, and tells which source has not the port that it had.
    fn senders(&self, survey: Option<&Survey>, interfaces: &Interfaces) -> Result<Senders> {
        let Self { args, target, .. } = self;
        let options = args.socket_options(target);
        let any = udpkit::any_address(target.transmit.destination.ip());
        let local = sockets_of::local_address(args.local.as_ref(), any, interfaces)?;
        if args.is_alone() {
            return Senders::alone(local, &options).map_err(|error| match error.is_in_use() {
                true => Hint::on(error.to_string(), hint::in_use(&error, "--local")),
                false => error.into(),
            });
        }
        let senders = match survey {
            Some(survey) => Senders::of_sources(&survey.sources, local.ip(), &options)?,
            None => Senders::of_strangers(local.ip(), &options)?,
        };
        self.tell_senders(&senders);
        Ok(senders)
    }

    fn tell_senders(&self, senders: &Senders) {
        let mut printer = self.printer.lock();
        if printer.is_json() {
            for (source, socket) in senders.sources.owners().iter().zip(&senders.sockets) {
                let elsewhere = senders.elsewhere.iter().find(|(other, ..)| other == source);
                printer.sender(*source, socket.local_address(), elsewhere.map(|(.., error)| error));
            }
            return printer.flush();
        }
        for (source, local, error) in senders.elsewhere.iter().take(MAX_NAMED) {
            printer.sender(*source, *local, Some(error));
        }
        if let Some(more @ 1..) = senders.elsewhere.len().checked_sub(MAX_NAMED) {
            printer.note(&format!("{more} more sources send from other ports than in the capture"));
        }
    }

    /// Sends.
    fn perform(&self, origin: Origin, senders: Senders, remote: &Remote, control: Control) -> Result<Exit> {
        let Senders { sockets, sources, .. } = senders;
        let mut engine = self.engine(origin, sources, sockets.iter().map(Socket::local_address).collect());
        let driven = self.drive(&sockets, &mut engine, remote, control);
        let failure = engine.failure().map(again);
        // What was read ahead is counted when it is dropped.
        drop(engine);
        let (report, end) = driven?;
        self.conclude(&Outcome { report, end, receive_buffer: buffer_of(&sockets), failure })
    }

    /// Drives the engine to its end; tells meanwhile how far it is.
    fn drive(
        &self,
        sockets: &[Socket],
        engine: &mut impl Engine,
        remote: &Remote,
        control: Control,
    ) -> udpkit::Result<(Report, End)> {
        let (args, printer) = (self.args, &self.printer);
        let mut screen = Screen { printer, verbose: args.common.verbose, refusing: HashSet::new() };
        let drive_with = Drive { control, memberships: Memberships::default() };
        if !args.tells_progress() {
            return drive(sockets, engine, drive_with, &mut screen);
        }
        let (running, ended) = channel();
        thread::scope(|scope| {
            let total = self.total;
            scope.spawn(move || tell_progress(remote, printer, total, &ended));
            let driven = drive(sockets, engine, drive_with, &mut screen);
            drop::<std::sync::mpsc::Sender<()>>(running);
            driven
        })
    }

    /// Lists what would be sent.
    fn rehearse(&self, origin: Origin, survey: Option<Survey>) -> Result<Exit> {
        // As many as there would be sockets.
        let sources = match survey {
            _ if self.args.is_alone() => Sources::new(1),
            Some(survey) => survey.sources,
            None => Sources::new(STREAM_SOCKETS),
        };
        let mut engine = self.engine(origin, sources, Vec::new());
        rehearse(&mut engine, &self.context);
        let (report, failure) = (engine.report(), engine.failure().map(again));
        drop(engine);
        let end = if self.context.is_stopped() { End::Stopped } else { End::Done };
        self.conclude(&Outcome { report, end, receive_buffer: 0, failure })
    }

    /// Tells what became of everything.
    fn conclude(&self, outcome: &Outcome) -> Result<Exit> {
        let Outcome { report, failure, .. } = outcome;
        let mut tally = self.context.tally.borrow_mut();
        let made = report.sent.datagrams + report.send_failed;
        tally.settle(made);
        let mut printer = self.printer.lock();
        let (mut shown, mut planned) = (report.clone(), None);
        if self.args.dry_run {
            planned = Some(std::mem::take(&mut shown.sent));
        }
        if let Some(error) = failure.as_ref().filter(|_| printer.is_json()) {
            // A printer that has failed says so below.
            let _ = printer.event(Event::Trouble { error });
        }
        printer.replay_summary(&Replayed {
            report: &shown,
            tally: &tally,
            planned,
            one_socket: self.args.is_alone(),
            receive_buffer: outcome.receive_buffer,
        });
        if let Some(error) = failure.as_ref().filter(|_| !printer.is_json()) {
            printer.complain(&error.to_string());
        }
        let is_empty = made == 0 && failure.is_none() && outcome.end == End::Done;
        if is_empty {
            printer.complain(&format!("nothing to send: {} has {}", self.context.name, tally.words()));
        }
        finish(&printer, if is_empty { Exit::Failed } else { self.exit(outcome) })
    }

    fn exit(&self, outcome: &Outcome) -> Exit {
        let Outcome { report, end, failure, .. } = outcome;
        let made = report.sent.datagrams + report.send_failed;
        match () {
            () if failure.is_some() || report.send_failed > 0 => Exit::Failed,
            () if report.unreachable > 0 && report.delivered == 0 => Exit::Failed,
            // Where there is no end, or none that is known, a signal is how it ends.
            () if *end == End::Stopped && (made == 0 || self.total.is_some_and(|total| made < total)) => {
                Exit::Interrupted
            }
            () => Exit::Done,
        }
    }
}

/// An error as it is, for longer.
fn again(error: &udpkit::Error) -> udpkit::Error {
    let cause = error.cause();
    udpkit::Error::new(error.attempt(), error.object(), std::io::Error::new(cause.kind(), udpkit::reason(cause)))
}

/// Tells how far it is until it has ended.
fn tell_progress(remote: &Remote, printer: &Shared, total: Option<u64>, ended: &Receiver<()>) {
    let mut before = Report::default();
    while ended.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let Some(now) = remote.report(REPORT_PATIENCE) else { continue };
        let progress = Progress { status: Status { before: &before, now: &now }, total };
        printer.lock().status_line(&progress.to_string());
        before = now;
    }
}

/// Takes the events of a run.
struct Screen<'a> {
    printer: &'a Shared,
    verbose: bool,
    /// Destinations whose refusal was told.
    refusing: HashSet<SocketAddr>,
}

impl Screen<'_> {
    /// Whether an event is told, or only counted.
    fn is_told(&mut self, event: &Event<'_>) -> bool {
        match event {
            _ if self.verbose => true,
            Event::Reply { .. } => false,
            Event::Unreachable { unreachable } => {
                self.refusing.len() < MAX_REFUSING && self.refusing.insert(unreachable.destination)
            }
            _ => true,
        }
    }
}

impl Sink for Screen<'_> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if self.is_told(&event) { self.printer.lock().event(event) } else { ControlFlow::Continue(()) }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        if self.verbose { self.printer.lock().idle() } else { ControlFlow::Continue(()) }
    }
}
