//! What watches and steers the workers: signals, rules that are read again, metrics, the state told now and then.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use udpkit::{End, Interfaces, Remote, Report, Server};

use super::metrics::{self, Metrics};
use super::notices::{RulesRead, Status};
use super::rules;
use crate::args::ServeArgs;
use crate::output::{ListeningOn, MetricsServed, Remark, SharedPrinter, StdPrinter, words_of};
use crate::runtime::{served, signals};

/// How long the end is waited for where no state is told; then it is waited for again.
const LONG: Duration = Duration::from_secs(3600);

/// Hears signals and serves metrics, and then says that it serves: from then on others may send to it, or end it.
pub(super) fn begin(
    args: &ServeArgs,
    server: &Arc<Server>,
    places: &[SocketAddr],
    printer: &SharedPrinter,
    interfaces: &Interfaces,
    told: &mut StdPrinter,
) -> Result<Metrics> {
    let hangup = args.rules.clone().map(|file| reload(server, printer, file)).transpose()?;
    signals::handle(stop(server), hangup)?;
    let addresses = served::addresses(args.metrics.as_ref(), &args.common, interfaces)?;
    let watched = Arc::clone(server);
    let metrics = metrics::serve(&addresses, move || watched.report())?;
    told.say(&ListeningOn { addresses: places, what: "serving" });
    if !metrics.addresses().is_empty() {
        told.say(&MetricsServed { addresses: metrics.addresses() });
    }
    told.flush();
    Ok(metrics)
}

/// Waits for the end, and tells the state meanwhile.
pub(super) fn watch(server: &Server, printer: &SharedPrinter, interval: Option<Duration>) -> End {
    let mut before = Report::default();
    loop {
        if let Some(end) = server.wait(interval.unwrap_or(LONG)) {
            return end;
        }
        if interval.is_some() {
            let now = server.report();
            let mut printer = printer.lock();
            printer.say(&Status::new(&before, &now));
            printer.flush();
            before = now;
        }
    }
}

/// Stops all workers.
fn stop(server: &Server) -> impl Fn() + Send + use<> {
    let remotes: Vec<_> = server.remotes().cloned().collect();
    move || remotes.iter().for_each(Remote::stop)
}

/// Reads the rules again whenever what is returned is called; where they hold a mistake, the old ones stay.
fn reload(server: &Arc<Server>, printer: &SharedPrinter, file: PathBuf) -> Result<impl Fn() + Send + use<>> {
    let (server, printer) = (Arc::clone(server), printer.clone());
    signals::reread(move || {
        let read = rules::read(&file).map(|rules| {
            let count = rules.len();
            server.set_answer(rules);
            RulesRead { count }
        });
        let mut printer = printer.lock();
        match read {
            Ok(read) => printer.say(&read),
            Err(error) => printer.say(&Remark::complaint(format!("keeping the old rules: {}", words_of(&error)))),
        }
        printer.flush();
    })
}
