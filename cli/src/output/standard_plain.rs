//! Stands in for `standard` on systems without `poll(2)`: standard output and standard error as they are.

use std::io::{self, Stderr, Stdout, Write};

/// Standard output or standard error.
#[derive(Debug)]
pub(crate) enum Standard {
    Output(Stdout),
    Error(Stderr),
}

/// Whoever takes nothing is waited for all the same: these systems do not tell.
pub(crate) fn end_waiting() {}

impl Standard {
    /// Standard output.
    pub(crate) fn output() -> Self {
        Self::Output(io::stdout())
    }

    /// Standard error.
    pub(super) fn error() -> Self {
        Self::Error(io::stderr())
    }

    /// The same once more, if it may have to be waited for: these systems do not tell.
    pub(super) fn again(&self) -> Option<Self> {
        None
    }

    /// Whether both go to the same pipe, terminal or file: these systems do not tell.
    pub(super) fn is_same_as(&self, _other: &Self) -> bool {
        false
    }

    /// Writes what there is room for.
    pub(super) fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Nothing is waited for here.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Standard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Output(output) => output.write(bytes),
            Self::Error(error) => error.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Output(output) => output.flush(),
            Self::Error(error) => error.flush(),
        }
    }
}
