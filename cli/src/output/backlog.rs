//! Lines that wait for a reader who is slow or has stalled: only so many, and those who print never wait for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::standard::Standard;

/// Bytes that may wait. A line for which there is no room is left out.
const LIMIT: usize = 4 << 20;
/// What a line costs besides its bytes.
const PER_LINE: usize = size_of::<Vec<u8>>();

/// Where a printer writes.
#[derive(Debug)]
pub(crate) enum Output {
    /// The printer waits until its reader takes what is written.
    Direct(Standard),
    /// What is written up to a flush is a line, whatever is in it: it is written as a whole, waits, or is left out. A flush
    /// says that it was left out by an error of the kind `WouldBlock`; one of nothing says whether there is room.
    Queued { line: Vec<u8>, backlog: Backlog },
}

impl Output {
    /// Standard output and standard error, for which a printer waits.
    pub(super) fn direct() -> [Self; 2] {
        [Standard::output(), Standard::error()].map(Self::Direct)
    }

    /// Standard output and standard error, for which a printer never waits.
    pub(super) fn queued() -> io::Result<[Self; 2]> {
        let (output, error) = (Standard::output(), Standard::error());
        // What goes to one place stays in its order.
        if output.is_same_as(&error)
            && let Some(other) = output.again()
        {
            let backlog = Backlog::new(output, other)?;
            return Ok([backlog.clone(), backlog].map(|backlog| Self::Queued { line: Vec::new(), backlog }));
        }
        Ok([Self::queued_to(output)?, Self::queued_to(error)?])
    }

    /// A file takes what it is given.
    fn queued_to(output: Standard) -> io::Result<Self> {
        Ok(match output.again() {
            Some(other) => Self::Queued { line: Vec::new(), backlog: Backlog::new(output, other)? },
            None => Self::Direct(output),
        })
    }

    /// Waits until all lines are written, as long as the run goes on and for a while after that; an error says why they are
    /// not. Returns, too, how many lines nobody read, which are dropped.
    pub(super) fn drain(&mut self) -> (u64, io::Result<()>) {
        match self {
            Self::Direct(output) => (0, output.flush()),
            Self::Queued { backlog, .. } => backlog.drain(),
        }
    }

    /// Lets lines wait although their reader has room, or lets them go again. What does not wait for its reader is no terminal,
    /// and goes on.
    #[cfg(feature = "tui")]
    pub(super) fn hold(&self, is_held: bool) {
        if let Self::Queued { backlog, .. } = self {
            backlog.hold(is_held);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(output) => output.write(bytes),
            Self::Queued { line, .. } => line.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Direct(output) => output.flush(),
            Self::Queued { line, backlog } => backlog.put(std::mem::take(line)),
        }
    }
}

/// Lines on their way to an output.
#[derive(Clone, Debug)]
pub(crate) struct Backlog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified when lines begin to wait, and when they do not any more.
    changed: Condvar,
}

#[derive(Debug)]
struct Waiting {
    output: Standard,
    lines: VecDeque<Vec<u8>>,
    /// Bytes of the first line that are written.
    written: usize,
    /// What the lines cost.
    cost: usize,
    /// Whether lines wait although there may be room: something else is drawn there.
    is_held: bool,
    /// Whether lines are left out until half of the limit is free, so that there are few gaps.
    is_full: bool,
    /// Why nothing more can be written.
    failure: Option<io::Error>,
    /// Lines that nobody read in time.
    unread: u64,
}

impl Backlog {
    /// Lines for this output; `other` is the same. A thread writes what had to wait.
    fn new(output: Standard, other: Standard) -> io::Result<Self> {
        let waiting = Waiting {
            output,
            lines: VecDeque::new(),
            written: 0,
            cost: 0,
            is_held: false,
            is_full: false,
            failure: None,
            unread: 0,
        };
        let shared = Arc::new(Shared { waiting: Mutex::new(waiting), changed: Condvar::new() });
        let writing = Arc::clone(&shared);
        thread::Builder::new().spawn(move || writing.write_on(other))?;
        Ok(Self(shared))
    }

    /// Writes a line as far as its reader has room, and keeps the rest.
    fn put(&self, line: Vec<u8>) -> io::Result<()> {
        let mut waiting = self.0.lock();
        waiting.put(line)?;
        let written = waiting.write();
        if !waiting.lines.is_empty() {
            self.0.changed.notify_all();
        }
        written
    }

    #[cfg(feature = "tui")]
    fn hold(&self, is_held: bool) {
        self.0.lock().is_held = is_held;
        self.0.changed.notify_all();
    }

    fn drain(&self) -> (u64, io::Result<()>) {
        let waits = |waiting: &mut Waiting| !waiting.lines.is_empty();
        let mut waiting = self.0.changed.wait_while(self.0.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut waiting.unread), waiting.check())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what waits whenever there is room, until nobody is waited for any more.
    fn write_on(&self, mut other: Standard) {
        let rests = |waiting: &mut Waiting| waiting.is_held || waiting.lines.is_empty() && waiting.failure.is_none();
        loop {
            drop(self.changed.wait_while(self.lock(), rests).unwrap_or_else(PoisonError::into_inner));
            // Nobody who prints waits meanwhile.
            let room = other.wait();
            let mut waiting = self.lock();
            let written = match room {
                Ok(()) => waiting.write(),
                Err(error) => {
                    waiting.unread += waiting.lines.len() as u64;
                    waiting.fail(error)
                }
            };
            if waiting.lines.is_empty() {
                self.changed.notify_all();
            }
            if written.is_err() {
                return;
            }
        }
    }
}

impl Waiting {
    fn put(&mut self, line: Vec<u8>) -> io::Result<()> {
        self.check()?;
        let limit = if self.is_full { LIMIT / 2 } else { LIMIT };
        self.is_full = self.cost + line.len() > limit;
        if self.is_full {
            return Err(ErrorKind::WouldBlock.into());
        }
        if !line.is_empty() {
            self.cost += line.len() + PER_LINE;
            self.lines.push_back(line);
        }
        Ok(())
    }

    /// Writes what there is room for.
    fn write(&mut self) -> io::Result<()> {
        self.check()?;
        if self.is_held {
            return Ok(());
        }
        while let Some(line) = self.lines.front() {
            match self.output.write_now(&line[self.written..]) {
                Ok(0) => return self.fail(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.fail(error),
            }
            if self.written == line.len() {
                self.cost -= line.len() + PER_LINE;
                self.written = 0;
                self.lines.pop_front();
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: io::Error) -> io::Result<()> {
        self.lines.clear();
        (self.written, self.cost) = (0, 0);
        self.failure.get_or_insert(error);
        self.check()
    }

    /// The error, if nothing more can be written.
    fn check(&self) -> io::Result<()> {
        let Some(error) = &self.failure else { return Ok(()) };
        Err(match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(error.kind(), error.to_string()),
        })
    }
}
