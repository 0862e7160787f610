//! `udp replay`: sends the datagrams of a capture again, and says what became of each.

mod kept;
mod merged;
mod notices;
mod offload;
mod options;
mod origin;
#[cfg(unix)]
mod patient;
mod reading;
mod rehearsal;
mod run;
mod screen;
mod senders;
mod stoppable;
mod survey;
mod tally;

use std::cell::RefCell;
use std::rc::Rc;

use anyhow::Result;
use udpkit::{Interfaces, Remote};

use crate::args::ReplayArgs;
use crate::output::{SharedPrinter, StdPrinter};
use crate::runtime::exit::Exit;
use crate::runtime::printing::check_format;
use origin::Origin;
use reading::Context;
use rehearsal::Rehearsal;
use run::Run;

/// Sends the capture, or lists what would be sent.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let options::Operands { files, address } = options::operands(args)?;
    let target = options::target(args, address.as_ref(), &interfaces)?;
    let origin = options::origin(args, &files)?;
    let (remote, control) = Remote::pair()?;
    let printer = SharedPrinter::new(StdPrinter::std(options::settings(args)), &interfaces);
    let context = Rc::new(Context {
        names: files.iter().map(|file| origin::name(file)).collect(),
        reading: options::reading(args),
        selection: options::selection(args, &target),
        stop: run::hear_signals(&remote)?,
        tally: RefCell::default(),
        rehearsal: args.dry_run.then(|| RefCell::new(Rehearsal::new(printer.clone(), &files))),
    });
    let survey = match &origin {
        Origin::Files(files) => Some(screen::survey(args, &target, files, &context, &printer)?),
        Origin::Stream(_) => None,
    };
    if let Some(survey) = &survey {
        context.tally.borrow_mut().offload = survey.tally.offload.clone();
    }
    if context.is_stopped() {
        return Ok(Exit::Interrupted);
    }
    let run = Run { total: options::total(args, survey.as_ref()), args, target, printer, context };
    let survey = survey.map(|survey| run.check(survey)).transpose()?;
    run.report_pause(survey.as_ref());
    if args.dry_run {
        return run.rehearse(origin, survey);
    }
    let senders = run.senders(survey.as_ref())?;
    let clock_starts = survey.map(|survey| survey.preview.into_clock_starts()).unwrap_or_default();
    run.perform(origin, senders, clock_starts, &remote, control)
}
