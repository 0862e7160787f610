//! All that is on the screen, as values: what is drawn, and nothing else.

use std::time::Duration;

use udpkit::Report;
use udpkit::verbs::{Direction, DirectionFigures, RelayFigures};

use super::feed::Recent;
use super::state::State;
use crate::tui::history::History;
use crate::words::impairments::Words;

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) title: &'a str,
    pub(super) state: &'a State,
    pub(super) report: &'a Report<RelayFigures>,
    pub(super) ways: &'a [Way; 2],
    /// How long it has been on.
    pub(super) elapsed: Duration,
    /// What went wrong last, if anything did.
    pub(super) trouble: Option<&'a str>,
    /// What a key could not do.
    pub(super) note: Option<&'a str>,
    /// The command line that does the same; asked for where it is shown.
    pub(super) command: &'a str,
}

/// What is known of a direction besides its figures.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// What its link does.
    pub(super) words: Words,
    pub(super) received: History,
    pub(super) forwarded: History,
    /// The last fates, the newest first.
    pub(super) fates: Vec<Recent>,
}

impl Picture<'_> {
    pub(super) fn way(&self, direction: Direction) -> &Way {
        &self.ways[direction as usize]
    }

    pub(super) fn figures(&self, direction: Direction) -> &DirectionFigures {
        self.report.own.of(direction)
    }
}

impl Way {
    /// Counts what came and left between two reports, in this second.
    pub(super) fn count(&mut self, before: &DirectionFigures, now: &DirectionFigures, second: u64) {
        let pairs = [
            (&mut self.received, before.received, now.received),
            (&mut self.forwarded, before.forwarded, now.forwarded),
        ];
        for (history, before, now) in pairs {
            // After a reset all counts are smaller.
            let since = |before: u64, now: u64| if now < before { now } else { now - before };
            let datagrams = since(before.datagrams, now.datagrams);
            history.add(second, u32::try_from(datagrams).unwrap_or(u32::MAX), since(before.bytes, now.bytes));
        }
    }
}
