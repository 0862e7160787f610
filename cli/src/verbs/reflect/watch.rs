//! What watches and steers the reflector: signals, keys that are read again, metrics, the status at an interval.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use udpkit::verbs::{ReflectFigures, ReflectInput};
use udpkit::{Interfaces, Remote, Report};

use super::keys::Source;
use super::metrics::{self, Metrics};
use super::notices::{KeysRead, Status};
use crate::args::ReflectArgs;
use crate::output::{ListeningOn, MetricsServed, Remark, SharedPrinter, words_of};
use crate::runtime::status::StatusLine;
use crate::runtime::{served, signals, status};

/// How long the reflector has to say how it goes. It never waits for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The line to the reflector.
pub(super) type Line = Remote<ReflectInput, ReflectFigures>;

/// Hears signals and serves metrics, and then says that it reflects: from then on others may send to it, or end it.
pub(super) fn begin(
    args: &ReflectArgs,
    remote: &Line,
    places: &[SocketAddr],
    key_count: usize,
    printer: &SharedPrinter,
    interfaces: &Interfaces,
) -> Result<Metrics> {
    let source = Source::of(args);
    let hangup = source.is_some().then(|| reload(source, remote, printer)).transpose()?;
    let stop = remote.clone();
    signals::handle(move || stop.stop(), hangup)?;
    let addresses = served::addresses(args.metrics.as_ref(), &args.common, interfaces)?;
    let watched = remote.clone();
    let metrics = metrics::serve(&addresses, move || watched.report(PATIENCE).unwrap_or_default())?;
    let mut printer = printer.lock();
    printer.say(&ListeningOn { addresses: places, what: "reflecting" });
    if key_count > 0 {
        printer.say(&KeysRead { count: key_count });
    }
    if !metrics.addresses().is_empty() {
        printer.say(&MetricsServed { addresses: metrics.addresses() });
    }
    printer.flush();
    Ok(metrics)
}

/// Reads the keys again whenever what is returned is called; where one cannot be used, the old ones stay.
fn reload(source: Source, remote: &Line, printer: &SharedPrinter) -> Result<impl Fn() + Send + use<>> {
    let (remote, printer) = (remote.clone(), printer.clone());
    signals::reread(move || {
        let read = source.read().map(|keys| {
            let count = keys.len();
            // Where the run is over, nobody needs them.
            let _ = remote.input(ReflectInput::Keys(keys));
            KeysRead { count }
        });
        let mut printer = printer.lock();
        match read {
            Ok(read) => printer.say(&read),
            Err(error) => printer.say(&Remark::complaint(format!("keeping the old keys: {}", words_of(&error)))),
        }
        printer.flush();
    })
}

/// Begins to print the status, where it is to be printed.
pub(super) fn status(args: &ReflectArgs, remote: &Line, printer: &SharedPrinter) -> Result<StatusLine> {
    let (remote, printer, mut before) = (remote.clone(), printer.clone(), Report::default());
    StatusLine::begin(status::interval(args.status, &args.common), move || {
        let Some(now) = remote.report(PATIENCE) else { return };
        let mut printer = printer.lock();
        printer.say(&Status::new(&before, &now));
        printer.flush();
        before = now;
    })
}
