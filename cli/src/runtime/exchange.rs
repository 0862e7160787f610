//! A run of a verb that sends and hears answers, from its first datagram to its report.

use anyhow::Result;
use udpkit::{Drive, End, Engine, Remote, Report, Socket, drive};

use super::input::{self, InputRefused};
use super::payload::Parts;
use super::signals;
use super::sockets::buffer_of;
use crate::output::{Remark, StdPrinter};

/// What a run came to.
pub(crate) struct Exchanged<F> {
    pub(crate) report: Report<F>,
    pub(crate) end: End,
    /// Whether a part of the input could not be sent.
    pub(crate) is_input_refused: bool,
    /// Bytes of the smallest receive buffer.
    pub(crate) receive_buffer: usize,
}

/// Drives a sender until it ends or a signal comes, and feeds a stream of payloads to it, so often.
pub(crate) fn exchange<E: Engine<Input = Vec<u8>>>(
    sockets: Vec<Socket>,
    engine: &mut E,
    printer: &mut StdPrinter,
    input: Option<(&Parts, Option<u64>)>,
) -> Result<Exchanged<E::Figures>> {
    let (remote, control) = Remote::pair()?;
    let stop = remote.clone();
    signals::handle(move || stop.stop(), signals::NO_HANGUP)?;
    if input.is_some_and(|(parts, _)| parts.source.is_typed()) {
        printer.say(&Remark::note("type a line to send it; Ctrl-D ends"));
        printer.flush();
    }
    let refused = input.map(|(parts, rounds)| input::feed(remote, parts, rounds));
    let receive_buffer = buffer_of(&sockets);
    let (report, end) = drive(sockets, engine, Drive::new(control), printer)?;
    let is_input_refused = refused.as_ref().is_some_and(InputRefused::any);
    Ok(Exchanged { report, end, is_input_refused, receive_buffer })
}
