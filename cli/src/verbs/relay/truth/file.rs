//! A truth file, from its first line to its last.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use udpkit::verbs::RelayOptions;

use super::queue::Queue;
use super::record::Header;
use super::sink::TruthSink;
use super::writer::Writer;
use crate::args::RelayArgs;
use crate::output::{Remark, SharedPrinter, words_of};
use crate::runtime::{output_file, writing};

/// Lines that may wait to be written, some 60 MB of them; further ones are counted and left out.
const LIMIT: usize = 250_000;

/// A truth file that is written.
pub(crate) struct Truth {
    path: PathBuf,
    queue: Queue,
    start: Instant,
    /// Lines that are in the file, for others to see.
    written: Arc<AtomicU64>,
    thread: JoinHandle<Writer>,
}

/// What a truth file came to.
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    /// Lines about datagrams, changes and failures.
    pub(crate) lines: u64,
    pub(crate) not_written: u64,
    /// Whether that is a failure: not where its reader went away.
    pub(crate) has_failed: bool,
}

impl Truth {
    /// The file that was asked for, if one was, begun.
    ///
    /// # Errors
    ///
    /// It cannot be [begun](Self::begin).
    pub(crate) fn of(
        args: &RelayArgs,
        options: &RelayOptions,
        listen: &[SocketAddr],
        command: &str,
        printer: &SharedPrinter,
    ) -> Result<Option<Self>> {
        args.truth.as_ref().map(|path| Self::begin(path, options, listen, command, printer)).transpose()
    }

    /// Creates the file, with what is asked for as its first line, and begins to write; `-` is standard output.
    ///
    /// # Errors
    ///
    /// The file cannot be created, or takes not even that line; no thread is left.
    #[expect(clippy::disallowed_methods, reason = "all times in the file count from here")]
    fn begin(
        path: &Path,
        options: &RelayOptions,
        listen: &[SocketAddr],
        command: &str,
        printer: &SharedPrinter,
    ) -> Result<Self> {
        let file = output_file::create(path)?;
        let (start, now) = (Instant::now(), SystemTime::now());
        let now = jiff::Timestamp::try_from(now).map(|now| format!("{now:.9}")).unwrap_or_default();
        let written = Arc::<AtomicU64>::default();
        let mut writer = Writer::new(file, path.to_owned(), start, Arc::clone(&written), printer.clone());
        writer.begin(&Header::new(options, listen, now, command))?;
        let queue = Queue::new(LIMIT);
        let work = {
            let queue = queue.clone();
            move || writer.work(&queue)
        };
        let thread = std::thread::Builder::new().spawn(work).context("cannot start a thread that writes")?;
        Ok(Self { path: path.to_owned(), queue, start, written, thread })
    }

    /// What takes the events of the relay for the file.
    pub(crate) fn sink(&self) -> TruthSink {
        TruthSink::new(self.queue.clone(), self.start)
    }

    /// Writes the rest, once the relay has ended; not for ever, where it goes to a pipe that nobody reads.
    pub(crate) fn finish(self, printer: &SharedPrinter) -> Written {
        self.queue.end();
        let may_stall = output_file::may_stall(&self.path);
        let has_failed = match writing::join(self.thread, "the truth", &self.written, may_stall) {
            Ok(writer) => writer.has_failed(),
            Err(error) => {
                printer.lock().say(&Remark::complaint(words_of(&error)));
                true
            }
        };
        let lines = self.written.load(Ordering::Relaxed);
        let not_written = self.queue.offered().saturating_sub(lines);
        Written { path: self.path, lines, not_written, has_failed }
    }
}
