//! Exit statuses, named.

use std::process::ExitCode;

use anyhow::{Result, bail};
use udpkit::{End, Report};

use crate::args::CommonArgs;
use crate::output::StdPrinter;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The verb did what was asked.
    Done,
    /// The verb did what was asked, and the answer is no: no reply, nothing received, a bar missed.
    No,
    /// Could not do it.
    Failed,
    /// Interrupted before there was a result.
    Interrupted,
}

impl Exit {
    /// The number of the status.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Failed => 2,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// How a verb ended that receives until it is told to end: with `--count`, nothing at all is a no.
pub(crate) fn receiver_exit<F>(
    printer: &StdPrinter,
    report: &Report<F>,
    end: End,
    common: &CommonArgs,
    used: u64,
) -> Exit {
    match (common.count, end) {
        (_, End::Panicked) => Exit::Failed,
        _ if report.received.datagrams == 0 && printer.cannot_receive() => Exit::Failed,
        (Some(wanted), End::Stopped) if used == 0 && wanted > 0 => Exit::Interrupted,
        (Some(wanted), End::Done) if used == 0 && wanted > 0 => Exit::No,
        _ => Exit::Done,
    }
}

/// The exit status, unless the output could not be written.
pub(crate) fn finish(printer: &StdPrinter, exit: Exit) -> Result<Exit> {
    match printer.failure() {
        Some(error) => bail!("cannot write to standard output: {}", udpkit::reason(error)),
        None => Ok(exit),
    }
}
