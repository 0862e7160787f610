//! `udp replay --dry-run`: the engine runs in a time of its own, and what it would send is listed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use udpkit::verbs::{Replay, ReplayDatagram};
use udpkit::{Engine, Event, Next, Outbox, Transmit};

use super::reading::Context;
use crate::output::{LeftOut, Row};
use crate::verbs::serve::Shared;

/// Shows what would be sent.
pub(crate) struct Rehearsal {
    printer: Shared,
    /// What was read and not sent, in order: as much as the engine reads ahead.
    rows: VecDeque<Row>,
    /// How long after the first.
    at: Duration,
}

impl Rehearsal {
    pub(crate) fn new(printer: Shared) -> Self {
        Self { printer, rows: VecDeque::new(), at: Duration::ZERO }
    }

    pub(crate) fn is_read(&mut self, row: Row) {
        self.rows.push_back(row);
    }

    /// Told when it is read, since it has no time of its own: somewhat before what stands before it.
    pub(crate) fn is_left_out(&mut self, row: &Row, why: LeftOut) {
        // What was not asked for is only counted.
        if why != LeftOut::OtherPort {
            self.printer.lock().unsendable(row, why);
        }
    }
}

/// Where the engine sends to.
struct Stage<'a>(&'a Context);

impl Outbox for Stage<'_> {
    fn send(&mut self, _via: usize, transmit: &Transmit, _payload: &[u8]) {
        let Some(rehearsal) = &self.0.rehearsal else { return };
        let mut rehearsal = rehearsal.borrow_mut();
        if let Some(row) = rehearsal.rows.pop_front() {
            rehearsal.printer.lock().planned(&row, rehearsal.at, transmit.destination);
        }
    }

    fn emit(&mut self, _event: Event<'_>) {}
}

/// Runs an engine to its end, without waiting; or until the run shall end, or nobody reads what is listed.
#[expect(clippy::disallowed_methods, reason = "a moment to count from; no time passes here")]
pub(crate) fn rehearse<F, I>(engine: &mut Replay<F, I>, context: &Context)
where
    F: FnMut() -> udpkit::Result<I>,
    I: Iterator<Item = udpkit::Result<ReplayDatagram>>,
{
    let begun = Instant::now();
    let mut now = begun;
    loop {
        if let Some(rehearsal) = &context.rehearsal {
            let mut rehearsal = rehearsal.borrow_mut();
            rehearsal.at = now.saturating_duration_since(begun);
            if rehearsal.printer.lock().is_over() {
                return;
            }
        }
        engine.tick(now, &mut Stage(context));
        match engine.next() {
            Next::At(moment) if !context.is_stopped() => now = now.max(moment),
            Next::At(_) | Next::Datagram | Next::Done => return,
        }
    }
}
