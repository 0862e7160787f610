//! All that is on the screen, as values: what is drawn, and nothing else.

use std::net::SocketAddr;

use udpkit::{Count, Delivery, Ignored, Report};

use super::senders::{Line, Others, Sample};
use super::state::State;
use crate::output::escape;

/// What became of all datagrams.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) received: Count,
    /// Of them: those in the table.
    pub(crate) listed: u64,
    /// Of them: written to a file, where there is one.
    pub(crate) written: Option<u64>,
    pub(crate) ignored: Ignored,
    pub(crate) truncated: u64,
    /// Dropped by the kernel, if the system tells.
    pub(crate) dropped: Option<u64>,
    /// Whether these may be more.
    pub(crate) dropped_at_least: bool,
}

impl From<&Report> for Totals {
    fn from(report: &Report) -> Self {
        Self {
            received: report.received,
            listed: report.delivered,
            written: None,
            ignored: report.ignored,
            truncated: report.truncated,
            dropped: report.kernel_drops,
            dropped_at_least: report.kernel_drops_at_least,
        }
    }
}

/// What is drawn.
pub(crate) struct Picture<'a> {
    pub(crate) title: &'a str,
    pub(crate) state: &'a State,
    pub(crate) totals: &'a Totals,
    /// Datagrams and bytes in a second, of all senders.
    pub(crate) rate: (f64, f64),
    /// Senders that have a row.
    pub(crate) senders: usize,
    pub(crate) others: Others,
    /// The last thing that went wrong, if anything did.
    pub(crate) trouble: Option<&'a str>,
    pub(crate) body: &'a Body,
}

/// The larger part of the screen.
pub(crate) enum Body {
    Table {
        /// Those that are in sight, the first of them at the state's top.
        lines: Vec<Named<Line>>,
        /// Senders that the filter lets through.
        matching: usize,
    },
    Details {
        /// `None` if the sender gave up its row.
        line: Option<Box<Named<Line>>>,
        source: SocketAddr,
        /// The newest first.
        samples: Vec<Named<Sample>>,
    },
}

/// Something with the name of the interface that it came in by, if it is known.
pub(crate) struct Named<T> {
    pub(crate) it: T,
    pub(crate) interface: Option<String>,
}

/// How a datagram was addressed, and where it came in.
pub(super) fn delivery(delivery: Delivery, interface: Option<&str>) -> String {
    match interface {
        Some(name) => format!("{delivery}@{}", escape::words(name)),
        None => delivery.to_string(),
    }
}
