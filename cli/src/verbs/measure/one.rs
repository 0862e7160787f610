//! The measurement of one target, from its sockets to its table.

use std::sync::Once;

use anyhow::Result;
use serde_json::Value;
use udpkit::Interfaces;

use super::judging::Judging;
use super::notices::{self, Finished, Measuring};
use super::report::ReportFile;
use super::run::{self, Ending, Ran};
use super::{load, options, summary, table, verdict};
use crate::args::MeasureArgs;
use crate::output::{Named, Remark, SharedPrinter, words_of};
use crate::runtime::exit::Exit;
use crate::runtime::missing;
use crate::words::language::Language;

/// The measurement of one target.
pub(super) struct One<'a> {
    pub(super) args: &'a MeasureArgs,
    /// What it is called, if there are several.
    pub(super) name: Option<&'a str>,
    pub(super) judging: &'a Judging,
    pub(super) printer: &'a SharedPrinter,
    pub(super) ending: &'a Ending,
    /// What the system lacks is the same for all targets.
    pub(super) first: &'a Once,
}

impl One<'_> {
    /// Measures, and prints what it came to.
    pub(super) fn measure(&self, interfaces: &Interfaces) -> Result<Exit> {
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
        let verdict = verdict::verdict(options, report, Language::English);
        let mut figures = summary::summary(shown, options, report);
        let load = report.own.load.as_deref();
        figures.insert("load".to_owned(), load.map_or(Value::Null, load::json));
        figures.insert("verdict".to_owned(), verdict.iter().map(String::as_str).collect());
        let written = report_file.map_or(Ok(()), |file| file.write(&ran, &figures));
        // What belongs together is printed together.
        let mut printer = printer.lock();
        if let Err(error) = &written {
            printer.say(&Remark::complaint(words_of(error)));
        }
        let has_failed = self.judging.judge(&args.fail_if, &figures, name, &mut printer);
        let lines = match args.common.quiet {
            true => Vec::new(),
            false => {
                let of_load = load.map_or_else(Vec::new, load::rows);
                let table = table::table(options, report, &of_load, &verdict);
                name.map(str::to_owned).into_iter().chain(table).collect()
            }
        };
        printer.conclude(&Finished::new(figures, lines));
        Ok(if written.is_err() { Exit::Failed } else { run::exit(report, *end, self.ending.is_over(), has_failed) })
    }
}
