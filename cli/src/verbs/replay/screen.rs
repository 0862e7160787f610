//! What is shown while a replay goes on: how far it is, and what happens.

use std::convert::Infallible;
use std::fs::File;
use std::io::Seek;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use udpkit::verbs::ReplayFigures;
use udpkit::{Event, Remote, Report, Sink};

use super::notices::{progress, surveyed};
use super::options::{self, Destination, shows_progress};
use super::reading::Context;
use super::survey::{self, Survey};
use crate::args::ReplayArgs;
use crate::output::SharedPrinter;
use crate::output::summary::Rates;

/// Progress is shown at this interval on a terminal.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// How long a report is waited for; it comes at once unless the capture does not.
const REPORT_PATIENCE: Duration = Duration::from_millis(100);

/// Reads the capture through, and shows how far it is. What is read here is still in the system's cache when it is sent.
#[expect(clippy::disallowed_methods, reason = "progress is shown by the clock")]
pub(super) fn survey(
    args: &ReplayArgs,
    target: &Destination,
    files: &[File],
    context: &Context,
    printer: &SharedPrinter,
) -> Result<Survey> {
    let len = files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum::<u64>().max(1);
    let is_shown = shows_progress(args);
    let mut shown = Instant::now();
    let look = || {
        if is_shown && shown.elapsed() >= PROGRESS_INTERVAL {
            shown = Instant::now();
            let read = files.iter().map(|mut file| file.stream_position().unwrap_or(0)).sum::<u64>();
            printer.lock().say(&surveyed(&context.name(), u128::from(read) * 100 / u128::from(len)));
        }
    };
    let options = options::engine(args, target, Vec::new(), Vec::new());
    Ok(survey::survey(files, context, &options, look)?)
}

/// Runs something that sends, and shows meanwhile how far it is.
pub(super) fn with_progress<T>(
    remote: &Remote<Infallible, ReplayFigures>,
    printer: &SharedPrinter,
    total: Option<u64>,
    run: impl FnOnce() -> T,
) -> T {
    let (running, ended) = channel();
    thread::scope(|scope| {
        scope.spawn(move || show_progress(remote, printer, total, &ended));
        let result = run();
        drop::<std::sync::mpsc::Sender<()>>(running);
        result
    })
}

/// Shows how far it is until it has ended.
fn show_progress(
    remote: &Remote<Infallible, ReplayFigures>,
    printer: &SharedPrinter,
    total: Option<u64>,
    ended: &Receiver<()>,
) {
    let mut before = Report::default();
    while ended.recv_timeout(PROGRESS_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let Some(now) = remote.report(REPORT_PATIENCE) else { continue };
        printer.lock().say(&progress(Rates { before: &before, now: &now }, total));
        before = now;
    }
}

/// Takes the events of a run: answers are counted, and shown only if `verbose`.
pub(super) struct ReplaySink<'a> {
    pub(super) printer: &'a SharedPrinter,
    pub(super) verbose: bool,
}

impl Sink for ReplaySink<'_> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Reply(_) if !self.verbose => ControlFlow::Continue(()),
            event => self.printer.lock().event(event),
        }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        if self.verbose { self.printer.lock().idle() } else { ControlFlow::Continue(()) }
    }
}
