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
