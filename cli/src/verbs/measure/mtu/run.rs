//! One search, from its socket to its table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use udpkit::verbs::{PathMtu, PathMtuFigures, PathMtuInput};
use udpkit::{Capability, Drive, End, Interfaces, Remote, Report, drive};

use super::super::judging::Judging;
use super::super::notices::Finished;
use super::super::options::settings;
use super::{options, summary, table, verdict};
use crate::args::MeasureArgs;
use crate::output::{NewsSink, Refusals, Remark, SharedPrinter};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::missing::{self, Consequence};
use crate::runtime::signals;
use crate::words::endpoint::Endpoint;

/// What is different for the search where something is missing.
const CONSEQUENCES: [Consequence; 2] = [
    (Capability::Errors, "what routers report is not known"),
    (Capability::FragmentSizes, "an answer that came in fragments passes for one that came whole"),
];

/// Searches until the MTU of the path is known, or the time is over.
pub(crate) fn measure(args: &MeasureArgs, largest: Option<u32>) -> Result<Exit> {
    let judging = Judging::new(args)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let printer = SharedPrinter::queued(settings(args), &interfaces)?;
    let (name, options, socket) = options::prepare(args, largest, &interfaces)?;
    let mut engine = PathMtu::new(options.clone())?;
    let (remote, control) = Remote::pair()?;
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_interrupted);
    let stop = move || {
        noted.store(true, Ordering::Relaxed);
        if !remote.input(PathMtuInput::Finish) {
            remote.stop();
        }
    };
    signals::handle(stop, signals::NO_HANGUP)?;
    {
        let mut printer = printer.lock();
        let missing = missing::of(std::slice::from_ref(&socket), &CONSEQUENCES, args.common.verbose);
        missing.iter().for_each(|missing| printer.say(missing));
        let asked = largest.map_or_else(String::new, |bytes| format!(", up to {bytes} B"));
        printer.say(&Remark::note(format!("measuring the MTU of the path to {}{asked}", Endpoint(options.target))));
        printer.flush();
    }
    let mut sink = NewsSink::new(&printer, args.common.verbose, Refusals::Counted);
    let (report, end) = drive(vec![socket], &mut engine, Drive::new(control), &mut sink)?;
    let verdict = verdict::verdict(&options, &report);
    let mut figures = summary::summary(&name, &options, &report);
    figures.insert("verdict".to_owned(), verdict.iter().map(String::as_str).collect());
    let mut printer = printer.lock();
    let has_failed = judging.judge(&args.fail_if, &figures, None, &mut printer);
    let lines = match args.common.quiet {
        true => Vec::new(),
        false => table::table(&options, &report, &verdict, args.common.verbose),
    };
    printer.conclude(&Finished::new(figures, lines));
    finish(&printer, exit(&report, end, is_interrupted.load(Ordering::Relaxed), has_failed))
}

/// The exit status of a search.
fn exit(report: &Report<PathMtuFigures>, end: End, is_interrupted: bool, has_failed: bool) -> Exit {
    match report.own.mtu {
        _ if end == End::Panicked => Exit::Failed,
        None if report.own.sent == 0 && report.send_failed > 0 => Exit::Failed,
        None if is_interrupted => Exit::Interrupted,
        None if report.unreachable > 0 => Exit::Failed,
        None => Exit::No,
        Some(_) if has_failed => Exit::No,
        Some(_) => Exit::Done,
    }
}
