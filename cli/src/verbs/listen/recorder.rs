//! The thread that prints and writes what another receives.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use udpkit::event::Received;
use udpkit::{Event, Remote, Report, Sink, SocketId, Train};

use super::notices::QueueFull;
use super::queue::{Chunk, Queue};
use crate::output::{NotShown, Remark, StdPrinter};
use crate::runtime::writing;
use crate::tui::Troubles;
use crate::words::endpoint;
use udpkit_capture::{CaptureFiles, Drops};

/// How often, at most, is told what found no room in the queue.
const OVERFLOW_INTERVAL: Duration = Duration::from_secs(1);
/// How often, at most, what came is written out where nobody watches it come: each time costs system calls.
const WRITE_INTERVAL: Duration = Duration::from_millis(1);

/// What found no room in the queue.
#[derive(Clone, Copy, Default)]
struct Overflow {
    /// Since it was told.
    new: u64,
    total: u64,
    told: Option<Instant>,
}

impl Overflow {
    fn add(&mut self, count: u64) {
        self.new += count;
        self.total += count;
    }

    fn is_due(&self, now: Instant) -> bool {
        self.new > 0 && self.told.is_none_or(|told| now.duration_since(told) >= OVERFLOW_INTERVAL)
    }
}

/// A recorder at work.
pub(super) struct Recording {
    thread: JoinHandle<Recorder>,
    written: Arc<AtomicU64>,
}

impl Recording {
    /// Waits until everything is printed and written; not for ever where nobody may read it.
    ///
    /// # Errors
    ///
    /// Those of [`writing::join`].
    pub(super) fn end(self, may_stall: bool) -> Result<Recorder> {
        writing::join(self.thread, "the capture", &self.written, may_stall)
    }
}

/// Prints and writes what was received.
pub(super) struct Recorder {
    pub(super) printer: StdPrinter,
    capture: Option<CaptureFiles>,
    /// Whether datagrams were to be printed, and whether they still are.
    asked_to_print: bool,
    prints: bool,
    /// Whether nothing can be printed any more, and the capture goes on.
    muted: bool,
    /// The local port of each socket.
    ports: Vec<u16>,
    /// Of each socket, what the kernel dropped there.
    drops: Vec<Drops>,
    /// Datagrams that were printed and written out, for others to see.
    printed: Arc<AtomicU64>,
    /// Datagrams that were printed since.
    waiting: u64,
    /// Datagrams that are in the capture, for others to see.
    so_far: Arc<AtomicU64>,
    overflow: Overflow,
    /// Why the capture takes nothing more, if so.
    failure: Option<io::ErrorKind>,
    /// Where to tell what goes wrong while the terminal shows a table.
    pub(super) troubles: Option<Troubles>,
}

impl Recorder {
    pub(super) fn new(printer: StdPrinter, prints: bool, capture: Option<CaptureFiles>, ports: Vec<u16>) -> Self {
        Self {
            printer,
            capture,
            asked_to_print: prints,
            prints,
            muted: false,
            drops: vec![Drops::default(); ports.len()],
            ports,
            printed: Arc::default(),
            waiting: 0,
            so_far: Arc::default(),
            overflow: Overflow::default(),
            failure: None,
            troubles: None,
        }
    }

    pub(super) fn start(mut self, queue: &Queue, remote: Remote) -> Result<Recording> {
        let (queue, written) = (queue.clone(), Arc::clone(&self.so_far));
        let work = move || {
            let _ending = OnPanic { queue: &queue, remote: &remote };
            writing::give_way();
            if self.work(&queue).is_break() {
                queue.close();
                remote.stop();
            }
            self
        };
        let thread = std::thread::Builder::new().spawn(work).context("cannot start a thread that writes")?;
        Ok(Recording { thread, written })
    }

    /// Takes what comes until nothing will; `Break` if nobody wants it any more.
    #[expect(clippy::disallowed_methods, reason = "how often is written is a matter of time")]
    fn work(&mut self, queue: &Queue) -> ControlFlow<()> {
        let mut part = Chunk::default();
        while queue.take(&mut part) {
            let taken = Instant::now();
            part.events(|event| self.event(event))?;
            part.repeated().iter().for_each(|repeated| self.printer.absorb(repeated.clone()));
            if let count @ 1.. = part.not_shown() {
                self.printer.say(&NotShown { count, what: "notices" });
            }
            self.overflow.add(part.overflow());
            if self.overflow.is_due(taken) {
                self.tell_overflow(taken);
            }
            self.flush()?;
            if !(self.prints && self.printer.writes_at_once()) {
                queue.rest(taken + WRITE_INTERVAL);
            }
        }
        ControlFlow::Continue(())
    }

    /// Tells what found no room in the queue, unless the terminal shows a table.
    fn tell_overflow(&mut self, now: Instant) {
        let Overflow { new, total, .. } = self.overflow;
        self.overflow = Overflow { new: 0, told: Some(now), total };
        if self.troubles.is_none() {
            self.printer.say(&QueueFull { new, total });
        }
    }

    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let Event::Received(Received { via, train, .. }) = event else {
            let told = self.printer.event(event);
            return self.unless_muted(told);
        };
        let dropped = self.drops[via.index()].before(train.meta());
        self.write(via, train, dropped)?;
        if self.prints {
            let printed = self.printer.received(via, train, dropped);
            self.waiting += train.count() as u64;
            return self.unless_muted(printed);
        }
        ControlFlow::Continue(())
    }

    /// Where printing has ended, a capture goes on.
    fn unless_muted(&mut self, flow: ControlFlow<()>) -> ControlFlow<()> {
        if flow.is_continue() || self.capture.is_none() || self.failure.is_some() {
            return flow;
        }
        if !std::mem::replace(&mut self.muted, true) {
            self.prints = false;
            let words = "standard output takes nothing more; the capture goes on";
            self.printer.say(&Remark::complaint(words));
        }
        ControlFlow::Continue(())
    }

    /// Writes datagrams into the capture, as long as it takes any.
    fn write(&mut self, via: SocketId, train: Train<'_>, dropped: u32) -> ControlFlow<()> {
        let Some(capture) = self.capture.as_mut().filter(|_| self.failure.is_none()) else {
            return ControlFlow::Continue(());
        };
        match capture.train(train, self.ports[via.index()], dropped) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => self.fail(&error),
        }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        if let Some(capture) = self.capture.as_mut().filter(|_| self.failure.is_none()) {
            let flushed = capture.flush();
            self.so_far.store(capture.written(), Ordering::Relaxed);
            if let Err(error) = flushed {
                self.fail(&error)?;
            }
        }
        let flushed = self.printer.idle();
        // What was printed and did not get out was not printed.
        let waiting = std::mem::take(&mut self.waiting);
        if flushed.is_continue() {
            self.printed.fetch_add(waiting, Ordering::Relaxed);
        }
        self.unless_muted(flushed)
    }

    /// Tells that nothing can be written any more; what comes is still counted, unless the capture was all that was
    /// wanted, and its reader went away.
    fn fail(&mut self, error: &udpkit::Error) -> ControlFlow<()> {
        let kind = error.cause().kind();
        self.failure = Some(kind);
        let is_unread = kind == io::ErrorKind::BrokenPipe;
        if is_unread && !self.prints && self.troubles.is_none() {
            return ControlFlow::Break(());
        }
        let words = endpoint::of_error(error);
        match &self.troubles {
            Some(troubles) => troubles.tell(words),
            None => self.printer.say(&Remark::complaint(words)),
        }
        ControlFlow::Continue(())
    }

    /// Whether a capture could not be written; a reader of it that went away is no failure.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some_and(|kind| kind != io::ErrorKind::BrokenPipe)
    }

    pub(super) fn finish_capture(&mut self, report: &Report) {
        let Some(capture) = self.capture.as_mut().filter(|_| self.failure.is_none()) else { return };
        let dropped = report.kernel_drops.unwrap_or(0);
        if let Err(error) = capture.finish(report.received.datagrams, dropped) {
            // It is the end anyway.
            let _ = self.fail(&error);
        }
    }

    /// Datagrams that were printed, as far as they got out, where that was asked for.
    pub(super) fn printed(&self) -> Option<u64> {
        self.asked_to_print.then(|| self.printed.load(Ordering::Relaxed))
    }

    /// How many datagrams were printed, while it is done.
    pub(super) fn printed_so_far(&self) -> Option<Arc<AtomicU64>> {
        self.asked_to_print.then(|| Arc::clone(&self.printed))
    }

    /// What the capture came to.
    pub(super) fn written(&self) -> Option<Written> {
        let capture = self.capture.as_ref()?;
        Some(Written {
            path: capture.path().to_owned(),
            datagrams: capture.written(),
            files: capture.files(),
            removed: capture.removed(),
            not_removed: capture.not_removed(),
        })
    }

    /// How many datagrams are in the capture, while it is written.
    pub(super) fn written_so_far(&self) -> Option<Arc<AtomicU64>> {
        self.capture.as_ref().map(|_| Arc::clone(&self.so_far))
    }
}

/// What a capture came to.
#[derive(Debug)]
pub(super) struct Written {
    /// The file that was written last.
    pub(super) path: PathBuf,
    /// Datagrams in all files.
    pub(super) datagrams: u64,
    /// Files that were begun, and those of them and of earlier runs that were removed (`--keep`).
    pub(super) files: u64,
    pub(super) removed: u64,
    /// Files that were too many and could not be removed.
    pub(super) not_removed: u64,
}

impl Written {
    pub(super) fn words(&self) -> String {
        let mut words = format!(" {} written to ", self.datagrams);
        if self.files > 1 {
            words += &format!("{} files, the last ", self.files);
        }
        words += &format!("{},", self.path.display());
        if self.removed > 0 {
            words += &format!(" {} older ones removed,", self.removed);
        }
        if self.not_removed > 0 {
            words += &format!(" {} could not be removed,", self.not_removed);
        }
        words
    }
}

/// Ends the run if the thread that writes panics.
struct OnPanic<'a> {
    queue: &'a Queue,
    remote: &'a Remote,
}

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue.close();
            self.remote.stop();
        }
    }
}
