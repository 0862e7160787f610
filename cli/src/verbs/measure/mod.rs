//! `udp measure`: what becomes of datagrams on a path, in both directions.

mod compare;
mod explain;
mod fail_if;
mod judging;
mod load;
#[cfg(feature = "http")]
mod metrics;
mod mtu;
mod notices;
mod one;
mod options;
mod readings;
mod report;
mod run;
mod several;
mod summary;
mod table;
mod targets;
mod verdict;

#[cfg(not(feature = "http"))]
use crate::runtime::no_metrics as metrics;
use std::sync::Once;

use anyhow::Result;
use udpkit::Interfaces;

use crate::args::MeasureArgs;
use crate::output::SharedPrinter;
use crate::runtime::exit::{Exit, finish};
use crate::runtime::printing::check_lines;
use crate::runtime::signals;
use judging::Judging;
use one::One;
use run::Ending;
use targets::Target;

/// Measures until all probes are sent and answered or lost, or explains a figure.
pub(crate) fn measure(args: &MeasureArgs) -> Result<Exit> {
    check_lines(&args.common)?;
    if let Some(topic) = args.explain_figure {
        return explain::explain(args, topic);
    }
    mtu::check(args)?;
    if let Some(largest) = args.mtu {
        return mtu::measure(args, largest);
    }
    let targets = args.targets.as_deref().map(|path| targets::read(path, args)).transpose()?;
    let judging = Judging::new(args)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let printer = SharedPrinter::queued(options::settings(args), &interfaces)?;
    let (ending, first) = (Ending::default(), Once::new());
    let [ended, stopped] = [ending.clone(), ending.clone()];
    signals::handle_twice(move || ended.end(), move || stopped.stop())?;
    let _metrics = run::metrics(args, &ending, &printer, &interfaces)?;
    let (judging, printer, ending, first) = (&judging, &printer, &ending, &first);
    let exit = match &targets {
        None => One { args, name: None, judging, printer, ending, first }.measure(&interfaces)?,
        Some(targets) => several::measure_all(targets, printer, |Target { name, args }| {
            One { args, name: Some(name), judging, printer, ending, first }.measure(&interfaces)
        }),
    };
    finish(&printer.lock(), exit)
}
