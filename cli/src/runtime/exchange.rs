//! A run of a verb that sends and hears answers, from its first datagram to its report.

use anyhow::Result;
use udpkit::{Drive, End, Engine, Memberships, Report, Socket, control, drive};

use super::{input, signals};
use crate::output::StdPrinter;

/// Drives a sender until it ends or a signal comes; `input` feeds standard input to it, cut at a byte, up to a length.
/// Also returns whether a part of the input could not be sent.
pub(crate) fn exchange<E: Engine>(
    sockets: &[Socket],
    engine: &mut E,
    printer: &mut StdPrinter,
    input: Option<(u8, usize)>,
) -> Result<((Report, End), bool)> {
    let (remote, control) = control()?;
    let stop = remote.clone();
    signals::handle(move || stop.stop(), signals::NO_HANGUP)?;
    let refused = input.map(|(delimiter, limit)| input::feed(remote, delimiter, limit));
    let outcome = drive(sockets, engine, Drive { control, memberships: Memberships::default() }, printer)?;
    Ok((outcome, refused.is_some_and(|refused| refused.any())))
}
