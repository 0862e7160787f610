//! One measurement, from its first probe to its report.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use parking_lot::Mutex;
use udpkit::verbs::{LoadOutcome, Measure, MeasureFigures, MeasureInput, MeasureOptions};
use udpkit::{Drive, End, Event, Interfaces, Remote, Report, Sink, drive};

use super::metrics::{self, Metrics};
use super::notices::{ProbeNotice, Status};
use super::options::Prepared;
use super::report::History;
use crate::args::MeasureArgs;
use crate::output::{MetricsServed, Named, NewsSink, Refusals, SharedPrinter};
use crate::runtime::exit::Exit;
use crate::runtime::served;
use crate::runtime::status::{self, StatusLine};

/// How long the engine has to say how it goes. It never waits for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line to the engine.
type Line = Remote<MeasureInput, MeasureFigures>;

/// What a measurement came to.
pub(super) struct Ran {
    pub(super) name: String,
    pub(super) options: MeasureOptions,
    pub(super) report: Report<MeasureFigures>,
    pub(super) end: End,
    /// What happened over time, where a report is asked for.
    pub(super) history: Option<History>,
}

/// Measures. The first signal ends the sending: what is under way is waited for, and the reflector is asked what it counted. The second
/// ends it with what is known.
pub(super) fn run(
    args: &MeasureArgs,
    target: Option<&str>,
    prepared: Prepared,
    printer: &SharedPrinter,
    ending: &Ending,
) -> Result<Ran> {
    let Prepared { name, options, sockets } = prepared;
    let mut engine = Measure::new(options.clone())?;
    let (remote, control) = Remote::pair()?;
    ending.add(&name, &remote);
    let status = status(args, target, &remote, printer)?;
    let is_json = printer.lock().is_json();
    let mut sink = MeasureSink {
        news: NewsSink::new(printer, args.common.verbose, Refusals::Counted).about(target),
        is_json,
        target,
        prints_probes: args.common.verbose,
        history: args.report.report.is_some().then(|| History::new(options.seed)),
    };
    let driven = drive(sockets, &mut engine, Drive::new(control), &mut sink);
    drop(status);
    let (report, end) = driven?;
    Ok(Ran { name, options, report, end, history: sink.history })
}

/// Ends measurements: all that there are, and those that begin later.
#[derive(Clone, Default)]
pub(super) struct Ending(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    is_over: bool,
    /// Whether nothing is to be waited for any more.
    is_stopped: bool,
    /// Of each target, with its name.
    lines: Vec<(String, Line)>,
}

impl Ending {
    fn add(&self, name: &str, line: &Line) {
        let mut lines = self.0.lock();
        lines.lines.push((name.to_owned(), line.clone()));
        match () {
            () if lines.is_stopped => line.stop(),
            () if lines.is_over => end(line),
            () => {}
        }
    }

    /// Whether a signal came.
    pub(super) fn is_over(&self) -> bool {
        self.0.lock().is_over
    }

    /// Ends the sending of all.
    pub(super) fn end(&self) {
        let mut lines = self.0.lock();
        lines.is_over = true;
        lines.lines.iter().for_each(|(_, line)| end(line));
    }

    /// Ends all at once, with what is known.
    pub(super) fn stop(&self) {
        let mut lines = self.0.lock();
        lines.is_stopped = true;
        lines.lines.iter().for_each(|(_, line)| line.stop());
    }

    /// What those that run came to so far.
    fn measured(&self) -> Vec<(String, Report<MeasureFigures>)> {
        let lines = self.0.lock().lines.clone();
        lines.into_iter().filter_map(|(name, line)| Some((name, line.report(PATIENCE)?))).collect()
    }
}

fn end(line: &Line) {
    if !line.input(MeasureInput::Finish) {
        line.stop();
    }
}

/// The exit status of a measurement.
pub(super) fn exit(report: &Report<MeasureFigures>, end: End, is_interrupted: bool, has_failed: bool) -> Exit {
    let own = &report.own;
    match end {
        End::Panicked => Exit::Failed,
        _ if own.sent == 0 && (report.send_failed > 0 || own.omitted > 0) => Exit::Failed,
        _ if own.answered == 0 && (end == End::Stopped || is_interrupted) => Exit::Interrupted,
        _ if own.answered == 0 && report.unreachable > 0 => Exit::Failed,
        _ if own.answered == 0 => Exit::No,
        _ if own.load.as_ref().is_some_and(|load| load.outcome == LoadOutcome::Refused) => Exit::Failed,
        _ if has_failed => Exit::No,
        _ => Exit::Done,
    }
}

/// Serves metrics of all targets, and says where, if it was asked for.
pub(super) fn metrics(
    args: &MeasureArgs,
    ending: &Ending,
    printer: &SharedPrinter,
    interfaces: &Interfaces,
) -> Result<Metrics> {
    let addresses = served::addresses(args.metrics.as_ref(), &args.common, interfaces)?;
    let ending = ending.clone();
    let metrics = metrics::serve(&addresses, move || ending.measured())?;
    if !metrics.addresses().is_empty() {
        let mut printer = printer.lock();
        printer.say(&MetricsServed { addresses: metrics.addresses() });
        printer.flush();
    }
    Ok(metrics)
}

/// Begins to print the status, where it is to be printed.
fn status(args: &MeasureArgs, target: Option<&str>, remote: &Line, printer: &SharedPrinter) -> Result<StatusLine> {
    let (remote, printer, target) = (remote.clone(), printer.clone(), target.map(str::to_owned));
    let mut status = Status::default();
    StatusLine::begin(status::interval(args.status, &args.common), move || {
        let Some(now) = remote.report(PATIENCE) else { return };
        status.update(&now);
        let mut printer = printer.lock();
        printer.say(&Named { name: target.as_deref(), notice: &status });
        printer.flush();
    })
}

/// Takes what the engine has to say.
struct MeasureSink<'a> {
    news: NewsSink,
    is_json: bool,
    /// What the target is called, if there are several.
    target: Option<&'a str>,
    prints_probes: bool,
    history: Option<History>,
}

impl Sink for MeasureSink<'_> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if let Event::Probe(probe) = &event {
            self.history.iter_mut().for_each(|history| history.add(probe));
            let notice = self.prints_probes.then(|| ProbeNotice::new(probe, self.is_json)).flatten();
            return match notice {
                Some(notice) => self.news.say(&Named { name: self.target, notice: &notice }),
                None => ControlFlow::Continue(()),
            };
        }
        self.news.event(event)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.news.idle()
    }
}
