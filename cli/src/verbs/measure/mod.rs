//! `udp measure`: what becomes of datagrams on a path, in both directions.

mod compare;
mod explain;
mod fail_if;
mod judging;
mod named;
mod notices;
mod options;
mod readings;
mod report;
mod run;
mod several;
mod summary;
mod table;
mod targets;
mod verdict;

use std::sync::Once;

use anyhow::Result;
use udpkit::Interfaces;

use crate::args::MeasureArgs;
use crate::output::{Remark, SharedPrinter, words_of};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::printing::check_format;
use crate::runtime::{missing, signals};
use judging::Judging;
use named::Named;
use notices::{Finished, Measuring};
use report::ReportFile;
use run::{Ending, Ran};
use targets::Target;

/// Measures until all probes are sent and answered or lost, or explains a figure.
pub(crate) fn measure(args: &MeasureArgs) -> Result<Exit> {
    if let Some(topic) = args.explain_figure {
        return explain::explain(args, topic);
    }
    check_format(&args.common)?;
    let targets = args.targets.as_deref().map(|path| targets::read(path, args)).transpose()?;
    let judging = Judging::new(args)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let printer = SharedPrinter::queued(options::settings(args), &interfaces)?;
    let (ending, first) = (Ending::default(), Once::new());
    let all = ending.clone();
    signals::handle(move || all.end(), signals::NO_HANGUP)?;
    let (judging, printer, ending, first) = (&judging, &printer, &ending, &first);
    let exit = match &targets {
        None => One { args, name: None, judging, printer, ending, first }.measure(&interfaces)?,
        Some(targets) => several::measure_all(targets, printer, |Target { name, args }| {
            One { args, name: Some(name), judging, printer, ending, first }.measure(&interfaces)
        }),
    };
    finish(&printer.lock(), exit)
}

/// The measurement of one target.
struct One<'a> {
    args: &'a MeasureArgs,
    /// What it is called, if there are several.
    name: Option<&'a str>,
    judging: &'a Judging,
    printer: &'a SharedPrinter,
    ending: &'a Ending,
    /// What the system lacks is the same for all targets.
    first: &'a Once,
}

impl One<'_> {
    fn measure(&self, interfaces: &Interfaces) -> Result<Exit> {
        let Self { args, name, printer, .. } = *self;
        let mut prepared = options::prepare(args, interfaces)?;
        prepared.name = name.map_or(prepared.name, str::to_owned);
        self.first.call_once(|| {
            missing::of(&prepared.sockets, &notices::consequences(args), args.common.verbose)
                .iter()
                .for_each(|missing| printer.lock().say(missing));
        });
        printer.lock().say(&Named { name, notice: &Measuring::new(&prepared, args) });
        let report_file = ReportFile::of(args)?;
        let ran = run::run(args, name, prepared, printer, self.ending)?;
        let Ran { name: shown, options, report, end, .. } = &ran;
        let verdict = verdict::verdict(options, report);
        let mut figures = summary::summary(shown, options, report);
        figures.insert("verdict".to_owned(), verdict.iter().map(String::as_str).collect());
        let written = report_file.map_or(Ok(()), |file| file.write(&ran, &figures, &verdict));
        // What belongs together is printed together.
        let mut printer = printer.lock();
        if let Err(error) = &written {
            printer.say(&Remark::complaint(words_of(error)));
        }
        let has_failed = self.judging.judge(&args.fail_if, &figures, name, &mut printer);
        let lines = match args.common.quiet {
            true => Vec::new(),
            false => name.map(str::to_owned).into_iter().chain(table::table(options, report, &verdict)).collect(),
        };
        printer.conclude(&Finished::new(figures, lines));
        Ok(if written.is_err() { Exit::Failed } else { run::exit(report, *end, has_failed) })
    }
}
