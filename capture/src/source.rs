//! Input in a window of bounded size, which knows where in the file it is.

use std::io::Read;

use super::error::{ReadError, Result};
use super::input::Trouble;
#[cfg(not(feature = "compression"))]
use super::input::Watched as Input;
#[cfg(feature = "compression")]
use super::unpack::Unpacked as Input;

/// Bytes that can be looked at together, at most.
pub(crate) const WINDOW: usize = 1 << 20;
/// The memory for them: room to read on before what is left must be moved to the front.
const MEMORY: usize = 2 * WINDOW;

/// A window that moves over the input.
#[derive(Debug)]
pub(crate) struct Source<R> {
    input: Input<R>,
    memory: Vec<u8>,
    /// Where in `memory` what was not passed yet begins and ends.
    start: usize,
    end: usize,
    offset: u64,
}

impl<R: Read> Source<R> {
    /// A window at the beginning of an input.
    pub(crate) fn new(input: R) -> Self {
        Self { input: Input::new(input), memory: vec![0; MEMORY], start: 0, end: 0, offset: 0 }
    }

    /// Bytes that were passed.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// What comes next: at least `len` bytes (which are at most [`WINDOW`]), fewer only at the end of the input.
    pub(crate) fn peek(&mut self, len: usize) -> Result<&[u8]> {
        if self.start + len > self.memory.len() {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < len {
            let reached = self.offset + (self.end - self.start) as u64;
            match self.input.fill(&mut self.memory[self.end..]) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(Trouble::Input(error)) => return Err(ReadError::Input(reached, error)),
                Err(Trouble::Cut) => return Err(ReadError::Cut(self.offset)),
                Err(Trouble::Corrupt(words)) => return Err(ReadError::Corrupt(reached, words)),
            }
        }
        Ok(&self.memory[self.start..self.end])
    }

    /// Passes bytes that [`peek`](Self::peek) showed; they can be looked at by [`passed`](Self::passed).
    pub(crate) fn pass(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        self.start += len;
        self.offset += len as u64;
    }

    /// Passes any number of bytes; false if there are not as many.
    pub(crate) fn skip(&mut self, mut len: u64) -> Result<bool> {
        while len > 0 {
            let there = self.peek(1)?.len();
            let step = usize::try_from(len).unwrap_or(usize::MAX).min(there);
            if step == 0 {
                return Ok(false);
            }
            self.pass(step);
            len -= step as u64;
        }
        Ok(true)
    }

    /// The last `len` bytes that were passed, if nothing was looked at since.
    pub(crate) fn passed(&self, len: usize) -> &[u8] {
        &self.memory[self.start - len..self.start]
    }
}
