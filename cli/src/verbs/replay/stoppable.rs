//! A file of which no more is read once the run is to end.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of a file that are read whether the run is to end or not, so that a capture is not taken for an empty one.
const UNASKED: usize = 1 << 20;

/// A file that ends when the run is to end: between two datagrams there may be gigabytes of other packets.
#[derive(Debug)]
pub(super) struct Stoppable {
    file: File,
    read: usize,
    stop: Arc<AtomicBool>,
}

impl Stoppable {
    /// A file that is read until the run is to `stop`.
    pub(super) fn new(file: File, stop: &Arc<AtomicBool>) -> Self {
        Self { file, read: 0, stop: Arc::clone(stop) }
    }
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read >= UNASKED && self.stop.load(Ordering::Acquire) {
            return Ok(0);
        }
        let count = self.file.read(buffer)?;
        self.read = self.read.saturating_add(count);
        Ok(count)
    }
}
