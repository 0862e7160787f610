//! What the search for a path's MTU comes to.

use std::net::IpAddr;

use super::super::measure::ReflectorKind;
use crate::bounds::Bounds;
use crate::report::{Figures, debug_counters};

/// What [`PathMtu`](super::PathMtu) found. Sizes are bytes of the IP packet: payload, UDP and IP header
/// ([`header_len`](crate::header_len)).
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct PathMtuFigures {
    /// What answers; [`Unknown`](ReflectorKind::Unknown) where it is a reflector that does not say what arrives.
    pub reflector: ReflectorKind,
    /// The longest size that passes in both directions, or only forward where replies are shorter than their probes. `None`: nothing
    /// was answered.
    pub mtu: Option<Bounds>,
    /// The longest size that reaches the reflector.
    pub forward: Option<Bounds>,
    /// The longest size that comes back.
    pub reverse: Option<Bounds>,
    /// Why no longer size passes.
    pub limit: MtuLimit,
    /// The probability that the shortest size that is too long was lost by chance alone, each of its probes, while those of a size
    /// that passes were not. `None` where no size was too long for the path.
    pub by_chance: Option<f64>,
    /// The longest size that was to be tried.
    pub largest: u64,
    /// The longest size that our own host sends, where it refused a longer one.
    pub first_link: Option<u64>,
    /// What routers said, in the order in which they said it first: 16 at most.
    pub too_big: Vec<TooBigReports>,
    /// Such reports that were not used: of datagrams that we did not send, or with an MTU that these did not exceed.
    pub too_big_ignored: u64,
    /// What became of the probes of each size, the shortest first.
    pub sizes: Vec<SizeTried>,
    /// Probes sent.
    pub sent: u64,
    /// Probes answered.
    pub answered: u64,
    /// Replies to a probe beyond the first.
    pub duplicates: u64,
    /// Replies that were shorter than their probes: the way back was not tried with their size.
    pub short_replies: u64,
    /// Replies that came in fragments: their host knows, or was told, that the way back does not take their size.
    pub fragmented_replies: u64,
    /// Bytes of the longest of these fragments, with its IP header.
    pub longest_fragment: Option<u32>,
    /// Whether the time was over before all was known.
    pub is_cut_short: bool,
}

debug_counters! { PathMtuFigures {
    reflector,
    mtu,
    forward,
    reverse,
    limit,
    by_chance,
    largest,
    first_link,
    too_big,
    too_big_ignored,
    sizes,
    sent,
    answered,
    duplicates,
    short_replies,
    fragmented_replies,
    longest_fragment,
    is_cut_short,
}}

impl Figures for PathMtuFigures {
    fn used(&self) -> u64 {
        self.answered + self.duplicates
    }

    /// A search has one worker; the one that found something wins.
    fn merge(&mut self, other: &Self) {
        if self.mtu.is_none() {
            *self = other.clone();
        }
    }
}

/// Why no longer size passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MtuLimit {
    /// It is not known whether one passes.
    #[default]
    Unknown,
    /// The path loses it.
    Path,
    /// Our own host does not send it: the first link does not take it.
    FirstLink,
    /// None was tried.
    Asked,
}

impl MtuLimit {
    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Path => "path",
            Self::FirstLink => "first_link",
            Self::Asked => "asked",
        }
    }
}

/// What a router said of probes that were too long for its next link (ICMP).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooBigReports {
    /// The router.
    pub reporter: IpAddr,
    /// The MTU that it gave; 0: none.
    pub mtu: u32,
    /// How often it said so.
    pub count: u64,
}

/// What became of the probes of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeTried {
    /// The size in bytes with headers.
    pub bytes: u64,
    /// Probes sent.
    pub sent: u64,
    /// Of them: those answered with a reply that came whole.
    pub answered: u64,
}
