//! A datagram in JSON: what was decided of it, and when it left.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde::Serialize;
use udpkit::Network;
use udpkit::event::Leaving;
use udpkit::impairment::Fate;

use super::feed::{Gone, KEPT_BYTES, Shown};
use crate::words::endpoint::Endpoint;

/// Bytes of a payload that are shown.
const SHOWN_BYTES: usize = 256;

/// A datagram that is kept.
pub(super) struct Record {
    network: Option<Network>,
    fate: Decided,
    payload: Box<[u8]>,
    departures: [Option<(u64, bool)>; 2],
}

/// What was decided of a datagram.
#[derive(Serialize)]
pub(super) struct Decided {
    direction: &'static str,
    number: u64,
    /// Whose own link it took.
    network: Option<String>,
    peer: Endpoint,
    length: usize,
    entered_ns: u64,
    /// Whether the impairments are not for it.
    exempt: bool,
    #[serde(flatten)]
    original: Outcome,
    copy: Option<Outcome>,
}

/// What was decided of a datagram, or of its copy.
#[derive(Serialize)]
struct Outcome {
    fate: &'static str,
    by: Option<&'static str>,
    decided_ns: Option<u64>,
    corrupted_bit: Option<usize>,
    overtaken_by: Option<u32>,
    marked: bool,
}

/// A datagram, or its copy, that left.
#[derive(Serialize)]
pub(super) struct Departed {
    direction: &'static str,
    number: u64,
    network: Option<String>,
    copy: bool,
    left_ns: u64,
    sent: bool,
}

/// A datagram that is kept, with its payload.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    #[serde(flatten)]
    fate: &'a Decided,
    left_ns: Option<u64>,
    sent: Option<bool>,
    copy_left_ns: Option<u64>,
    copy_sent: Option<bool>,
    hex: String,
    /// Whether a copy of it can be injected.
    kept: bool,
}

impl Record {
    /// What is kept of a datagram; times count from the start.
    pub(super) fn new(shown: &Shown, start: Instant) -> Self {
        let fates = shown.fates;
        let fate = Decided {
            direction: shown.direction.key(),
            number: fates.number,
            network: shown.network.map(|network| network.to_string()),
            peer: Endpoint(shown.peer),
            length: shown.payload_len,
            entered_ns: since(start, shown.entered),
            exempt: fates.is_exempt,
            original: Outcome::new(fates.original, start),
            copy: fates.copy.map(|copy| Outcome::new(copy, start)),
        };
        Self { network: shown.network, fate, payload: shown.payload.clone(), departures: [None; 2] }
    }

    /// What was decided of it.
    pub(super) fn fate(&self) -> &Decided {
        &self.fate
    }

    /// Whether it is this datagram of the link of this network, or of all others.
    pub(super) fn is(&self, number: u64, network: Option<Network>) -> bool {
        self.fate.number == number && self.network == network
    }

    /// It, or its copy, left.
    pub(super) fn leave(&mut self, departed: &Departed) {
        self.departures[usize::from(departed.copy)] = Some((departed.left_ns, departed.sent));
    }

    /// Its peer, and its payload if all of it is kept.
    pub(super) fn to_inject(&self) -> (Endpoint, Option<&[u8]>) {
        (self.fate.peer, Some(&*self.payload).filter(|payload| payload.len() == self.fate.length))
    }

    /// All that is known of it.
    pub(super) fn whole(&self) -> Whole<'_> {
        let [left, copy_left] = self.departures;
        let mut hex = String::new();
        for byte in self.payload.iter().take(SHOWN_BYTES) {
            write!(hex, "{byte:02x}").expect("a text takes all");
        }
        Whole {
            fate: &self.fate,
            left_ns: left.map(|(at, _)| at),
            sent: left.map(|(_, sent)| sent),
            copy_left_ns: copy_left.map(|(at, _)| at),
            copy_sent: copy_left.map(|(_, sent)| sent),
            hex,
            kept: self.fate.length <= KEPT_BYTES,
        }
    }
}

impl Outcome {
    fn new(fate: Fate, start: Instant) -> Self {
        match fate {
            Fate::Leaves(departure) => Self {
                fate: "leaves",
                by: None,
                decided_ns: Some(since(start, departure.at)),
                corrupted_bit: departure.flipped_bit,
                overtaken_by: departure.overtaken.map(|overtaken| overtaken.followers),
                marked: departure.ce_marked,
            },
            Fate::Lost(by) => Self {
                fate: "lost",
                by: Some(by.key()),
                decided_ns: None,
                corrupted_bit: None,
                overtaken_by: None,
                marked: false,
            },
        }
    }
}

impl Departed {
    /// When it left, counted from the start.
    pub(super) fn new(gone: &Gone, start: Instant) -> Self {
        Self {
            direction: gone.direction.key(),
            number: gone.number,
            network: gone.network.map(|network| network.to_string()),
            copy: gone.is_copy,
            left_ns: since(start, gone.left),
            sent: gone.leaving == Leaving::Forwarded,
        }
    }
}

fn since(start: Instant, at: Instant) -> u64 {
    nanoseconds(at.saturating_duration_since(start))
}

/// As JSON has them: 584 years fit.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
