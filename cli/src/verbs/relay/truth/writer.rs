//! The thread that writes the truth file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::queue::{Part, Queue};
use super::record::{End, Header, Item, Line, since};
use crate::output::{Remark, SharedPrinter};
use crate::runtime::output_file::STANDARD_OUTPUT;
use crate::runtime::writing;

/// How often, at most, what came is written: each time costs system calls.
const WRITE_INTERVAL: Duration = Duration::from_millis(5);
/// Bytes from which on lines are written although more are to come.
const FULL: usize = 256 << 10;

/// Writes lines, whole ones only, as long as the file takes any.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    start: Instant,
    /// Lines that are not written yet, and how many: all, and those about datagrams.
    buffer: Vec<u8>,
    waiting: [u64; 2],
    /// Bytes of whole lines in the file.
    whole_len: u64,
    /// What of it was written last: its bytes, and how many lines of each kind.
    last: (u64, [u64; 2]),
    /// Lines in the file, without the first.
    written: Arc<AtomicU64>,
    /// Of them: about datagrams.
    datagrams: u64,
    /// Why nothing more can be written; and whether the file still ends with a whole line.
    failure: Option<io::ErrorKind>,
    is_cut: bool,
    /// Whether it was said that lines are missing.
    has_told_gap: bool,
    printer: SharedPrinter,
}

impl Writer {
    pub(super) fn new(
        file: File,
        path: PathBuf,
        start: Instant,
        written: Arc<AtomicU64>,
        printer: SharedPrinter,
    ) -> Self {
        let (buffer, waiting, failure) = (Vec::with_capacity(FULL), [0; 2], None);
        let (whole_len, datagrams, is_cut, has_told_gap) = (0, 0, false, false);
        Self {
            file,
            path,
            start,
            buffer,
            waiting,
            whole_len,
            last: (0, [0; 2]),
            written,
            datagrams,
            failure,
            is_cut,
            has_told_gap,
            printer,
        }
    }

    /// Writes the first line.
    pub(super) fn begin(&mut self, header: &Header<'_>) -> Result<()> {
        self.put(&Line::Relay(header));
        self.write_out().map_err(|error| anyhow!(cannot_write(&self.path, &error)))?;
        // The first line is not to be taken back.
        self.last = (0, [0; 2]);
        Ok(())
    }

    /// Writes what comes until nothing will, and then the end.
    #[expect(clippy::disallowed_methods, reason = "how often is written is a matter of time")]
    pub(super) fn work(mut self, queue: &Queue) -> Self {
        writing::give_way();
        let mut part = Part::default();
        while queue.take(&mut part) {
            let taken = Instant::now();
            part.items.iter().for_each(|item| self.item(item));
            if part.missed > 0 {
                self.gap(part.missed);
            }
            self.flush();
            queue.rest(taken + WRITE_INTERVAL);
        }
        self.end(queue.offered());
        self
    }

    fn item(&mut self, item: &Item) {
        if self.failure.is_some() {
            return;
        }
        match item {
            Item::Datagram(record) => {
                self.put(&Line::Datagram(record.into()));
                self.waiting[1] += 1;
            }
            Item::Change(change) => self.put(&Line::Change((&**change).into())),
            Item::SendFailed(failed) => self.put(&Line::SendFailed(failed)),
        }
        self.waiting[0] += 1;
        if self.buffer.len() >= FULL {
            self.flush();
        }
    }

    /// Lines are missing here.
    fn gap(&mut self, count: u64) {
        if self.failure.is_some() {
            return;
        }
        self.put(&Line::Gap { count });
        if !std::mem::replace(&mut self.has_told_gap, true) {
            let path = self.path.display();
            self.say(format!("'{path}' does not take lines as fast as they come: some are left out, and counted"));
        }
    }

    /// The last line; also where another could not be written, since there may be room for this one. If there is not, the lines that
    /// were written last make it.
    fn end(&mut self, offered: u64) {
        self.put_end(offered);
        if self.failure.is_none() {
            return self.flush();
        }
        // It was said before that nothing can be written.
        if self.is_cut && self.write_out().is_err() && self.take_back().is_ok() {
            self.put_end(offered);
            let _ = self.write_out();
        }
    }

    #[expect(clippy::disallowed_methods, reason = "it says when the end was")]
    fn put_end(&mut self, offered: u64) {
        let not_written = offered.saturating_sub(self.written.load(Ordering::Relaxed));
        let at_ns = since(self.start, Instant::now());
        self.put(&Line::End(End { at_ns, datagrams: self.datagrams, not_written }));
    }

    /// Takes back what was written last.
    fn take_back(&mut self) -> io::Result<()> {
        let (bytes, [lines, datagrams]) = std::mem::take(&mut self.last);
        self.whole_len -= bytes;
        self.datagrams -= datagrams;
        self.written.fetch_sub(lines, Ordering::Relaxed);
        self.cut()
    }

    fn put(&mut self, line: &Line<'_>) {
        // Writing into memory does not fail.
        let _ = line.write(&mut self.buffer);
    }

    /// Writes out what there is; says so where that is not possible any more.
    fn flush(&mut self) {
        let Err(error) = self.write_out() else { return };
        self.failure = Some(error.kind());
        self.say(format!("{}; relaying goes on", cannot_write(&self.path, &error)));
    }

    /// Writes out what there is; what does not get there whole is taken back, where it can be.
    fn write_out(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = self.file.write_all(&self.buffer);
        let [lines, datagrams] = std::mem::take(&mut self.waiting);
        match &result {
            Ok(()) => {
                self.last = (self.buffer.len() as u64, [lines, datagrams]);
                self.whole_len += self.buffer.len() as u64;
                self.datagrams += datagrams;
                self.written.fetch_add(lines, Ordering::Relaxed);
            }
            Err(_) => self.is_cut = self.cut().is_ok(),
        }
        self.buffer.clear();
        result
    }

    /// Takes back what was not written whole. What else is in standard output is not ours to cut.
    fn cut(&mut self) -> io::Result<()> {
        if self.path.as_os_str() == STANDARD_OUTPUT || !self.file.metadata()?.is_file() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.file.set_len(self.whole_len)?;
        self.file.seek(SeekFrom::Start(self.whole_len)).map(drop)
    }

    fn say(&self, words: String) {
        let mut printer = self.printer.lock();
        printer.say(&Remark::complaint(words));
        printer.flush();
    }

    /// Whether something could not be written; a reader that went away is no failure.
    pub(super) fn has_failed(&self) -> bool {
        self.has_told_gap || self.failure.is_some_and(|kind| kind != io::ErrorKind::BrokenPipe)
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write to '{}': {}", path.display(), udpkit::reason(error))
}
