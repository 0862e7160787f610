//! `udp measure`: what becomes of datagrams on a path, in both directions.

#[allow(dead_code, reason = "until --compare is in the help")]
mod compare;
mod explain;
mod fail_if;
#[allow(dead_code, reason = "until --targets is in the help")]
mod named;
mod notices;
mod options;
#[allow(dead_code, reason = "until all figures are judged")]
mod readings;
mod run;
mod summary;
mod table;
#[allow(dead_code, reason = "until --targets is in the help")]
mod targets;
mod verdict;

use anyhow::Result;
use serde_json::Value;
use udpkit::Interfaces;

use crate::args::MeasureArgs;
use crate::output::SharedPrinter;
use crate::runtime::exit::{Exit, finish};
use crate::runtime::missing;
use crate::runtime::printing::check_format;
use notices::{Finished, Measuring};
use readings::Readings;
use run::Ran;

/// Measures until all probes are sent and answered or lost, or explains a figure.
pub(crate) fn measure(args: &MeasureArgs) -> Result<Exit> {
    if let Some(topic) = args.explain_figure {
        return explain::explain(args, topic);
    }
    check_format(&args.common)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let prepared = options::prepare(args, &interfaces)?;
    let ports = prepared.sockets.iter().map(|socket| socket.local_address().port()).collect();
    let printer = SharedPrinter::queued(options::settings(args, ports), &interfaces)?;
    missing::of(&prepared.sockets, &notices::consequences(args), args.common.verbose)
        .iter()
        .for_each(|missing| printer.lock().say(missing));
    printer.lock().say(&Measuring::new(&prepared, args));
    let Ran { name, options, report, end } = run::run(args, prepared, &printer)?;
    let verdict = verdict::verdict(&options, &report);
    let mut figures = summary::summary(&name, &options, &report);
    figures.insert("verdict".to_owned(), verdict.iter().map(String::as_str).collect());
    let judged = fail_if::judge(&args.fail_if, &Readings::new(Value::Object(figures.clone())));
    let mut printer = printer.lock();
    judged.iter().for_each(|judged| printer.say(judged));
    printer.conclude(&Finished::new(figures, table::table(&options, &report, &verdict)));
    finish(&printer, run::exit(&report, end, fail_if::has_failed(&judged)))
}
