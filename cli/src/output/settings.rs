//! What a printer must know besides what it is to print.

use std::time::SystemTime;

use udpkit::SocketId;

use super::columns::Columns;
use super::news::Refusals;
use super::wording::Times;
use crate::words::format::Format;

/// What a printer must know besides what it is to print.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) format: Format,
    /// What a format shows of a datagram, and how.
    pub(crate) printing: Printing,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    /// Whether lines about what happened begin with the time.
    pub(crate) timed: bool,
    /// Whether lines are coloured.
    pub(crate) color: bool,
    /// Whether each line is written at once: on a terminal.
    pub(crate) at_once: bool,
    /// Which refusals of what we sent are news.
    pub(crate) refusals: Refusals,
    /// Whether answers are numbered: where more than one request is made.
    pub(crate) numbered: bool,
    /// Whether answers name the interface: where several are asked.
    pub(crate) name_interfaces: bool,
    /// Whether what is missing names its destination: where there are several.
    pub(crate) name_destinations: bool,
    /// Whether strangers decide how many lines there are, so that only so many are written a second.
    pub(crate) bounded: bool,
    /// The local port of each socket; empty until they are open.
    pub(crate) ports: Vec<u16>,
    /// The clock of what has no time of the kernel's.
    pub(crate) now: fn() -> SystemTime,
}

impl Settings {
    /// A format and nothing else.
    pub(crate) fn plain(format: Format) -> Self {
        Self {
            format,
            printing: Printing::default(),
            quiet: false,
            verbose: false,
            timed: false,
            color: false,
            at_once: false,
            refusals: Refusals::default(),
            numbered: false,
            name_interfaces: false,
            name_destinations: false,
            bounded: false,
            ports: Vec::new(),
            now,
        }
    }

    /// The local port of a socket, if it is known.
    pub(super) fn port(&self, via: SocketId) -> Option<u16> {
        self.ports.get(via.index()).copied()
    }
}

/// The time by the system's clock.
#[expect(clippy::disallowed_methods, reason = "what the kernel gives no time to happens when it is printed")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// What is shown of each datagram, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printing {
    pub(crate) columns: Columns,
    pub(crate) times: Times,
    /// What follows each raw payload.
    pub(crate) delimiter: Vec<u8>,
}
