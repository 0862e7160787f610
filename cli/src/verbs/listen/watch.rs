//! What a listener's metrics are asked of while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use udpkit::{Interfaces, Remote, Report};

use super::ledger::without;
use super::metrics::{self, Metrics};
use super::queue::Queue;
use super::recorder::Recorder;
use crate::args::ListenArgs;
use crate::runtime::served;

/// How long the listener has to say how it goes. It never waits for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a run came to so far.
#[derive(Debug)]
pub(super) struct SoFar {
    /// What was received; what found no room in our queue is ignored there, unless it is in the table.
    pub(super) report: Report,
    /// Datagrams printed, and written to a capture, where that was asked for.
    pub(super) printed: Option<u64>,
    pub(super) written: Option<u64>,
}

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
