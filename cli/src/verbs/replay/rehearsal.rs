//! `udp replay --dry-run`: the engine runs in a time of its own, and what it would send is listed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use udpkit::verbs::{Recording, Replay};
use udpkit::{Engine, Event, Next, Outbox, Transmit};

use super::notices::{Planned, Unsendable};
use super::origin::CaptureEntry;
use super::tally::Omission;
use crate::output::SharedPrinter;

/// Shows what would be sent.
pub(super) struct Rehearsal {
    printer: SharedPrinter,
    /// What was read and not sent, by number, in order: as much as the engine reads ahead.
    entries: VecDeque<(u64, CaptureEntry)>,
    /// How long after the first.
    at: Duration,
}

impl Rehearsal {
    pub(super) fn new(printer: SharedPrinter) -> Self {
        Self { printer, entries: VecDeque::new(), at: Duration::ZERO }
    }

    pub(super) fn is_read(&mut self, number: u64, entry: CaptureEntry) {
        self.entries.push_back((number, entry));
    }

    /// Told when it is read, since it has no time of its own: somewhat before what stands before it.
    pub(super) fn is_left_out(&mut self, entry: &CaptureEntry, why: Omission) {
        // What was not asked for is only counted.
        if why != Omission::OtherPort {
            self.printer.lock().say(&Unsendable::new(entry, why));
        }
    }

    fn is_sent(&mut self, number: u64, transmit: &Transmit) {
        while let Some((found, entry)) = self.entries.pop_front() {
            if found == number {
                return self.printer.lock().say(&Planned::new(&entry, self.at, transmit.destination));
            }
        }
    }
}

/// Where the engine sends to.
struct NoWire<'a>(&'a RefCell<Rehearsal>);

impl Outbox for NoWire<'_> {
    /// Nothing leaves.
    fn send(&mut self, _via: usize, _transmit: &Transmit, _payload: &[u8]) {}

    fn emit(&mut self, event: Event<'_>) {
        if let Event::Sent { transmit, request, .. } = event {
            self.0.borrow_mut().is_sent(request, &transmit);
        }
    }
}

/// Runs an engine that tells what it sends to its end, without waiting; or until the run shall end, or nobody reads what is
/// listed.
#[expect(clippy::disallowed_methods, reason = "a moment to count from; no time passes here")]
pub(super) fn rehearse<F, R>(engine: &mut Replay<F, R>, rehearsal: &RefCell<Rehearsal>, is_stopped: impl Fn() -> bool)
where
    F: FnMut() -> udpkit::Result<R>,
    R: Recording,
{
    let begun = Instant::now();
    let mut now = begun;
    loop {
        rehearsal.borrow_mut().at = now.saturating_duration_since(begun);
        if rehearsal.borrow().printer.lock().is_over() {
            return;
        }
        engine.tick(now, &mut NoWire(rehearsal));
        match engine.next() {
            Next::At(moment) if !is_stopped() => now = now.max(moment),
            Next::At(_) | Next::Datagram | Next::Done => return,
        }
    }
}
