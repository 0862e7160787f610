//! A replay, once it is known what it does: sends or lists, and says what became of everything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use udpkit::verbs::{Plan, Replay, ReplayFigures, Sources};
use udpkit::{Capability, Control, Drive, End, ErrorKind, Options, Remote, Report, Socket, drive};

use super::notices::{Replayed, SourceSocket, long_pause};
use super::options::{self, Destination};
use super::origin::Origin;
use super::reading::{Context, Pass};
use super::rehearsal::rehearse;
use super::screen::{ReplaySink, with_progress};
use super::senders::{STREAM_SOCKETS, SourceSockets, unknown};
use super::survey::Survey;
use crate::args::ReplayArgs;
use crate::hint::{self, Hint};
use crate::output::{Remark, SharedPrinter};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::missing;
use crate::runtime::signals;
use crate::runtime::sockets::{buffer_of, check_df};
use crate::words::endpoint;

/// Sources that are named since their port could not be had.
const MAX_NAMED: usize = 8;

/// A replay, once it is known what it does.
pub(super) struct Run<'a> {
    pub(super) args: &'a ReplayArgs,
    pub(super) target: Destination,
    pub(super) printer: SharedPrinter,
    pub(super) context: Rc<Context>,
    /// How many datagrams are to be sent in all, if that is known.
    pub(super) total: Option<u64>,
}

/// A pause of this length or more is reported before it is waited for.
const LONG_PAUSE: Duration = Duration::from_secs(600);

/// What sending from other addresses needs.
const CAPABILITY: &str =
    "--preserve-source needs CAP_NET_ADMIN: root, or once: sudo setcap cap_net_admin+ep $(command -v udp)";
/// What to expect of datagrams that are sent from other addresses.
const REVERSE_PATH: &str = "answers go to the sources of the capture, not to here; a receiver that reaches a source by another way may \
    drop what comes from it (sysctl net.ipv4.conf.INTERFACE.rp_filter)";

/// How long what was sent may wait for a neighbour: the system asks three times, a second apart.
const LINGER: Duration = Duration::from_millis(3500);

/// What a run came to.
struct Outcome {
    report: Report<ReplayFigures>,
    end: End,
    receive_buffer: usize,
    /// Why the capture could not be read to its end, if it could not.
    failure: Option<udpkit::Error>,
}

impl Run<'_> {
    /// An error where there is nothing to send.
    pub(super) fn check(&self, survey: Survey) -> Result<Survey> {
        match survey {
            Survey { datagrams: 1.., .. } => Ok(survey),
            Survey { error: Some(error), .. } => Err(error.into()),
            Survey { ports, tally, .. } => {
                let message = format!("nothing to send: {} has {}", self.context.name(), tally.words());
                if self.args.filter_port.is_empty() || ports.is_empty() {
                    return Err(match tally.hint() {
                        Some(hint) => Hint::on(message, hint),
                        None => anyhow!(message),
                    });
                }
                let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
                Err(Hint::on(message, format!("its datagrams went to these ports, or more: {}", ports.join(", "))))
            }
        }
    }

    fn engine(
        &self,
        mut origin: Origin,
        sources: Sources,
        own: Vec<SocketAddr>,
        clock_starts: Vec<u64>,
    ) -> Replay<impl FnMut() -> udpkit::Result<Pass> + use<>, Pass> {
        let context = Rc::clone(&self.context);
        let options = options::engine(self.args, &self.target, own, clock_starts);
        Replay::new(options, sources, move || Pass::begin(&mut origin, &context))
    }

    /// Opens the sockets, and reports the sources whose port is not the one in the capture.
    pub(super) fn senders(&self, survey: Option<&Survey>) -> Result<SourceSockets> {
        let Self { args, target, .. } = self;
        let (options, locals) = (options::socket_options(args, target), &target.locals);
        if args.preserve_source {
            return self.preserving(&options);
        }
        if options::is_alone(args) {
            return SourceSockets::alone(locals, &options).map_err(|error| match error.kind() {
                ErrorKind::AddressInUse => Hint::on(endpoint::of_error(&error), hint::in_use(&error, "--local")),
                _ => error.into(),
            });
        }
        let senders = match survey {
            Some(survey) => SourceSockets::of_sources(&survey.sources, locals, &options)?,
            None => SourceSockets::of_strangers(locals, &options)?,
        };
        self.report_senders(&senders);
        Ok(senders)
    }

    /// Opens a socket at the address and port of each source, and says what that means.
    fn preserving(&self, options: &Options) -> Result<SourceSockets> {
        let any = SocketAddr::new(self.target.locals[0].ip(), 0);
        // A port below 1024 is a right of its own.
        Socket::bind(any, options).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => {
                Hint::on("cannot send from addresses that are not this host's: permission denied", CAPABILITY)
            }
            _ => error.into(),
        })?;
        let Some(sources) = &self.context.selection.sources else { bail!("there are no sources to send from") };
        let senders = SourceSockets::preserving(&sources.borrow(), self.target.transmit.interface, options)?;
        self.report_senders(&senders);
        self.printer.lock().say(&Remark::note(REVERSE_PATH));
        Ok(senders)
    }

    /// Reports by which socket each source sends: in JSON all, to people some of those that have another port.
    fn report_senders(&self, senders: &SourceSockets) {
        let mut printer = self.printer.lock();
        if printer.is_json() {
            for (source, socket) in senders.sources.owners().zip(&senders.sockets) {
                let elsewhere = senders.elsewhere.iter().find(|(other, ..)| *other == source);
                let error = elsewhere.map(|(.., error)| error);
                printer.say(&SourceSocket::new(source, socket.local_address(), error));
            }
            return printer.flush();
        }
        for (source, local, error) in senders.elsewhere.iter().take(MAX_NAMED) {
            printer.say(&SourceSocket::new(*source, *local, Some(error)));
        }
        if let Some(more @ 1..) = senders.elsewhere.len().checked_sub(MAX_NAMED) {
            printer.say(&Remark::note(format!("{more} more sources send from other ports than in the capture")));
        }
    }

    /// Reports a pause that hardly anybody waits for.
    pub(super) fn report_pause(&self, survey: Option<&Survey>) {
        let pause = survey.and_then(|survey| survey.preview.longest_pause());
        if let Some((pause, before)) = pause.filter(|(pause, _)| *pause >= LONG_PAUSE && self.args.pace.rate.is_none())
        {
            self.printer.lock().say(&long_pause(pause, before));
        }
    }

    /// Reports what the sockets were asked for and do not have. No round-trip times are shown.
    fn report_missing(&self, sockets: &[Socket]) {
        let mut consequences = missing::of_requests(true, &self.args.common);
        consequences.retain(|(capability, _)| *capability != Capability::Timestamps);
        let mut printer = self.printer.lock();
        missing::of(sockets, &consequences, self.args.common.verbose).iter().for_each(|missing| printer.say(missing));
    }

    /// Sends the capture, and reports what became of it.
    pub(super) fn perform(
        &self,
        origin: Origin,
        senders: SourceSockets,
        clock_starts: Vec<u64>,
        remote: &Remote<Infallible, ReplayFigures>,
        control: Control<Infallible, ReplayFigures>,
    ) -> Result<Exit> {
        let SourceSockets { sockets, sources, .. } = senders;
        check_df(self.args.df, &sockets)?;
        self.report_missing(&sockets);
        let own: Vec<_> = sockets.iter().map(Socket::local_address).collect();
        self.printer.lock().set_ports(own.iter().map(SocketAddr::port).collect());
        let mut engine = self.engine(origin, sources, own, clock_starts);
        let mut sink = ReplaySink { printer: &self.printer, verbose: self.args.common.verbose };
        let linger = if self.args.wait.is_zero() { Duration::ZERO } else { LINGER };
        let drive_with = Drive::new(control).linger(linger);
        let receive_buffer = buffer_of(&sockets);
        let run = || drive(sockets, &mut engine, drive_with, &mut sink);
        let driven = match options::shows_progress(self.args) {
            true => with_progress(remote, &self.printer, self.total, run),
            false => run(),
        };
        let failure = engine.failure().cloned();
        // What was read ahead is counted when it is dropped.
        drop(engine);
        let (report, end) = driven?;
        self.conclude(&Outcome { report, end, receive_buffer, failure })
    }

    /// Lists what would be sent.
    pub(super) fn rehearse(&self, mut origin: Origin, survey: Option<Survey>) -> Result<Exit> {
        let (found, clock_starts) = match survey {
            Some(Survey { sources, preview, .. }) => (Some(sources), preview.into_clock_starts()),
            None => (None, Vec::new()),
        };
        // As many as there would be sockets.
        let sources = match found {
            _ if options::is_alone(self.args) => unknown(self.target.has_both_families(), 1),
            found => found.unwrap_or_else(|| unknown(self.target.has_both_families(), STREAM_SOCKETS)),
        };
        let options = options::engine(self.args, &self.target, Vec::new(), clock_starts);
        let context = &self.context;
        let mut plan = Plan::new(&options, sources, || Pass::begin(&mut origin, context));
        let mut report = Report::default();
        if let Some(rehearsal) = &context.rehearsal {
            report = rehearse(&mut plan, options.limits, rehearsal, || context.is_stopped());
        }
        let failure = plan.failure().cloned();
        drop(plan);
        let end = if self.context.is_stopped() { End::Stopped } else { End::Done };
        self.conclude(&Outcome { report, end, receive_buffer: 0, failure })
    }

    /// Reports what became of everything.
    fn conclude(&self, outcome: &Outcome) -> Result<Exit> {
        let Outcome { report, failure, .. } = outcome;
        let tally = self.context.tally.borrow();
        let mut printer = self.printer.lock();
        let (mut shown, mut planned) = (report.clone(), None);
        if self.args.dry_run {
            planned = Some(std::mem::take(&mut shown.sent));
        }
        let is_empty = outcome.tried() == 0 && failure.is_none() && outcome.end == End::Done;
        let empty = is_empty.then(|| format!("nothing to send: {} has {}", self.context.name(), tally.words()));
        let trouble = failure.as_ref().map(endpoint::of_error).or(empty).map(Remark::complaint);
        // The last object is the summary; the last line is what people look for.
        if let Some(trouble) = trouble.as_ref().filter(|_| printer.is_json()) {
            printer.say(trouble);
        }
        let replayed = Replayed {
            report: &shown,
            tally: &tally,
            planned,
            one_socket: options::is_alone(self.args),
            waited: if outcome.end == End::Done { self.args.wait } else { Duration::ZERO },
            receive_buffer: outcome.receive_buffer,
        };
        printer.conclude(&replayed.summary());
        if let Some(trouble) = trouble.as_ref().filter(|_| !printer.is_json()) {
            printer.say(trouble);
        }
        finish(&printer, if is_empty { Exit::Failed } else { self.exit(outcome) })
    }

    fn exit(&self, outcome: &Outcome) -> Exit {
        let Outcome { report, end, failure, .. } = outcome;
        let tried = outcome.tried();
        match () {
            () if failure.is_some() || report.send_failed > 0 => Exit::Failed,
            () if report.unreachable > 0 && report.delivered == 0 => Exit::Failed,
            // Where there is no end, or none that is known, a signal is how it ends.
            () if *end == End::Stopped && (tried == 0 || self.total.is_some_and(|total| tried < total)) => {
                Exit::Interrupted
            }
            () => Exit::Done,
        }
    }
}

impl Outcome {
    /// Datagrams that were tried to be sent.
    fn tried(&self) -> u64 {
        self.report.sent.datagrams + self.report.send_failed
    }
}

/// Ends the run at a signal, also while only the capture is read; returns whether there was one.
pub(super) fn hear_signals(remote: &Remote<Infallible, ReplayFigures>) -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, remote) = (Arc::clone(&stop), remote.clone());
    let stop_all = move || {
        stopped.store(true, Ordering::Release);
        remote.stop();
    };
    signals::handle(stop_all, signals::NO_HANGUP)?;
    Ok(stop)
}
