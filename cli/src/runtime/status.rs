//! The status at an interval, for verbs that run for long.

use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::args::CommonArgs;
use crate::words::format::Format;

/// The status is printed at this interval on a terminal.
const INTERVAL: Duration = Duration::from_secs(1);

/// The interval at which the status is printed, if it is: the one asked for, or each second to people who watch nothing else.
pub(crate) fn interval(asked: Option<Duration>, common: &CommonArgs) -> Option<Duration> {
    let lines = common.verbose || common.format() == Format::Json;
    let watched = std::io::stderr().is_terminal() && !lines;
    match asked {
        _ if common.quiet => None,
        Some(interval) if interval.is_zero() => None,
        None => watched.then_some(INTERVAL),
        given => given,
    }
}

/// Prints the status at an interval until it is dropped.
pub(crate) struct StatusLine {
    printing: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl StatusLine {
    /// Calls what prints it at this interval, in a thread; without one, never.
    pub(crate) fn begin(interval: Option<Duration>, mut print: impl FnMut() + Send + 'static) -> Result<Self> {
        let Some(interval) = interval else { return Ok(Self { printing: None }) };
        let (running, ended) = sync_channel(0);
        let repeat = move || {
            while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                print();
            }
        };
        let thread = std::thread::Builder::new().spawn(repeat).context("cannot start a thread for the status")?;
        Ok(Self { printing: Some((running, thread)) })
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        let Some((running, thread)) = self.printing.take() else { return };
        drop(running);
        // A thread that panicked has said so.
        let _ = thread.join();
    }
}
