//! `udp replay --dry-run`: what would be sent is planned, and listed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;

use udpkit::Report;
use udpkit::verbs::{Limits, Plan, PlannedDatagram, Reading, Recording, ReplayFigures};

use super::kept::CaptureEntry;
use super::notices::{Planned, Unsendable};
use super::tally::Omission;
use crate::output::SharedPrinter;

/// Shows what would be sent.
pub(super) struct Rehearsal {
    printer: SharedPrinter,
    /// What was read and not listed, by number, in order: as much as is read ahead.
    entries: VecDeque<(u64, CaptureEntry)>,
    /// The captures, where there are several.
    files: Vec<String>,
}

impl Rehearsal {
    pub(super) fn new(printer: SharedPrinter, files: &[PathBuf]) -> Self {
        let named = files.iter().filter(|_| files.len() > 1).map(|file| file.display().to_string());
        Self { printer, entries: VecDeque::new(), files: named.collect() }
    }

    pub(super) fn is_read(&mut self, number: u64, entry: CaptureEntry) {
        self.entries.push_back((number, entry));
    }

    /// Reported when it is read, since it has no time of its own: somewhat before the datagrams in front of it.
    pub(super) fn is_left_out(&mut self, entry: &CaptureEntry, why: Omission) {
        // What was not asked for is only counted.
        if why != Omission::OtherPort {
            self.printer.lock().say(&Unsendable::new(entry, self.files.get(entry.file), why));
        }
    }

    fn list(&mut self, planned: &PlannedDatagram) {
        while let Some((found, entry)) = self.entries.pop_front() {
            if found == planned.number {
                let (file, to) = (self.files.get(entry.file), planned.transmit.destination);
                return self.printer.lock().say(&Planned::new(&entry, file, planned.due, to));
            }
        }
    }
}

/// Lists what would be sent, as it is read; to the end, to a limit, until the run is to end, or nobody reads what is listed. Returns
/// what it came to.
pub(super) fn rehearse<F, R>(
    plan: &mut Plan<F, R>,
    limits: Limits,
    rehearsal: &RefCell<Rehearsal>,
    is_stopped: impl Fn() -> bool,
) -> Report<ReplayFigures>
where
    F: FnMut() -> udpkit::Result<R>,
    R: Recording,
{
    let printer = rehearsal.borrow().printer.clone();
    let (mut sent, mut shared) = (udpkit::Count::default(), 0);
    while !is_stopped() && !printer.lock().is_over() && limits.count.is_none_or(|most| sent.datagrams < most) {
        match plan.next_planned() {
            Reading::Ready(planned) if limits.duration.is_some_and(|duration| planned.due >= duration) => break,
            Reading::Ready(planned) => {
                rehearsal.borrow_mut().list(&planned);
                sent.add(1, planned.payload.len());
                shared += u64::from(planned.is_shared);
            }
            Reading::NotYet => printer.lock().flush(),
            Reading::End => break,
        }
    }
    let mut report = Report::default();
    (report.sent, report.own) = (sent, plan.figures());
    report.own.sources_shared = shared;
    report
}
