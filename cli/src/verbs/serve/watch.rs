//! What watches and steers the workers: signals, rules that are read again, metrics, the state told now and then.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::{Context, Result};
use udpkit::{End, Interfaces, Remote, Report, Server};

use super::metrics::{self, Metrics};
use super::notices::{MetricsServed, RulesRead, Status};
use super::{options, rules};
use crate::args::ServeArgs;
use crate::output::{ListeningOn, Remark, SharedPrinter, StdPrinter, words_of};
use crate::runtime::signals;

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
    let addresses = options::metrics_addresses(args, interfaces)?;
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
///
/// It is done in a thread of its own, which may have to wait for a file that is a pipe.
fn reload(server: &Arc<Server>, printer: &SharedPrinter, file: PathBuf) -> Result<impl Fn() + Send + use<>> {
    let (server, printer) = (Arc::clone(server), printer.clone());
    // Once more is enough, however often it is asked for meanwhile.
    let (ask, asked) = sync_channel(1);
    let read = move || {
        for () in asked {
            match rules::read(&file) {
                Ok(rules) => {
                    let count = rules.len();
                    server.set_answer(rules);
                    let mut printer = printer.lock();
                    printer.say(&RulesRead { count });
                    printer.flush();
                }
                Err(error) => {
                    let mut printer = printer.lock();
                    printer.say(&Remark::complaint(format!("keeping the old rules: {}", words_of(&error))));
                    printer.flush();
                }
            }
        }
    };
    std::thread::Builder::new().spawn(read).context("cannot start a thread for rules")?;
    Ok(move || {
        let _ = ask.try_send(());
    })
}
