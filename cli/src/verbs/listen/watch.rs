//! What watches and steers a listener: signals, metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use udpkit::{Drive, Interfaces, Memberships, Remote};

use super::ledger::{SoFar, without};
use super::metrics::{self, Metrics};
use super::queue::Queue;
use super::recorder::Recorder;
use crate::args::ListenArgs;
use crate::runtime::sockets::Listening;
use crate::runtime::{served, signals};

/// How long the listener has to say how it goes. It never waits for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where it is seen, from any thread, what a run came to.
#[derive(Clone)]
struct Watched {
    remote: Remote,
    queue: Queue,
    /// Whether all that was taken is in the table of `--tui`.
    listed: bool,
    printed: Option<Arc<AtomicU64>>,
    written: Option<Arc<AtomicU64>>,
}

impl Watched {
    fn so_far(&self) -> SoFar {
        let count = |counter: &Option<Arc<AtomicU64>>| counter.as_ref().map(|count| count.load(Ordering::Relaxed));
        // In this order none is more than those that it is a part of.
        let (printed, written) = (count(&self.printed), count(&self.written));
        let queue_full = if self.listed { 0 } else { self.queue.overflow() };
        let report = self.remote.report(PATIENCE).map(|report| without(report, queue_full)).unwrap_or_default();
        SoFar { report, printed, written }
    }
}

/// What a listener is driven with. Its groups are joined and signals are heard from now on: once it says that it
/// listens, others may send to it, or end it, at once.
pub(super) fn ready(listening: &Listening, args: &ListenArgs, interfaces: &Interfaces) -> Result<(Drive, Remote)> {
    let mut memberships = Memberships::new(listening.groups.clone(), args.common.interfaces.clone());
    memberships.update(&listening.sockets, interfaces)?;
    let (remote, control) = Remote::pair()?;
    let stop = remote.clone();
    signals::handle(move || stop.stop(), signals::NO_HANGUP)?;
    Ok((Drive::new(control).memberships(memberships), remote))
}

/// Serves metrics where that was asked for.
pub(super) fn serve_metrics(
    args: &ListenArgs,
    interfaces: &Interfaces,
    remote: &Remote,
    queue: &Queue,
    recorder: &Recorder,
) -> Result<Metrics> {
    let addresses = served::addresses(args.metrics.as_ref(), &args.common, interfaces)?;
    let watched = Watched {
        remote: remote.clone(),
        queue: queue.clone(),
        listed: args.tui,
        printed: recorder.printed_so_far(),
        written: recorder.written_so_far(),
    };
    metrics::serve(&addresses, move || watched.so_far())
}
