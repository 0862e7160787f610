//! `udp relay --explain`: what became of a datagram, in words, from a truth file.

mod finding;
mod reading;
mod telling;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::args::RelayArgs;
use crate::output::{Remark, StdPrinter};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::printing;
use finding::Finding;
use telling::Explained;

/// Says what became of the datagrams of this number in both directions.
///
/// # Errors
///
/// A file that cannot be read, or is no truth file as far as it was read.
pub(super) fn explain(args: &RelayArgs) -> Result<Exit> {
    let [file, number] = &args.explain[..] else { return Err(anyhow!("--explain needs a file and a number")) };
    let number: u64 = number
        .to_str()
        .and_then(|number| number.parse().ok())
        .filter(|number| *number > 0)
        .with_context(|| format!("'{}' is not the number of a datagram: the first is 1", number.display()))?;
    let path = Path::new(file);
    let mut printer = StdPrinter::std(printing::settings(&args.common, Vec::new()));
    let reading = format!("cannot read '{}'", path.display());
    let input = BufReader::with_capacity(1 << 16, File::open(path).with_context(|| reading.clone())?);
    let mut finding = Finding::new(number);
    // What was found stands although a line after it is wrong.
    let read = finding.read(input);
    finding.found().iter().for_each(|found| printer.say(&Explained::new(found)));
    printer.flush();
    read.context(reading)?;
    if let Some(note) = finding.note(&path.display().to_string()) {
        printer.say(&note);
    }
    let exit = if !finding.found().is_empty() {
        Exit::Done
    } else {
        printer.say(&Remark::complaint(finding.nothing()));
        Exit::No
    };
    printer.flush();
    finish(&printer, exit)
}
