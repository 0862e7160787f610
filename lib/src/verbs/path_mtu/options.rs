//! What the search for a path's MTU is asked for.

use std::net::SocketAddr;
use std::time::Duration;

use crate::datagram::{Transmit, header_len, max_payload};
use crate::error::{Attempt, Error, Result};
use crate::options::{DontFragment, Options};
use crate::setters::setters;
use crate::stamp::{AUTHENTICATED_LEN, BASE_LEN, Counters, Key};

/// Octets before the value of an extension.
pub(super) const HEADER: usize = 4;
/// What the digest of the extensions takes.
const DIGEST_LEN: usize = HEADER + 16;

/// What [`PathMtu`](super::PathMtu) is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PathMtuOptions {
    /// The reflector, or an echo server.
    pub target: SocketAddr,
    /// The longest size to try, in bytes with IP and UDP headers; `None`: as long as our own host sends and a datagram can be.
    pub largest: Option<u32>,
    /// Sizes to try first, in bytes with headers: the MTU of the interface, what the system knows of the path. None of them is believed.
    pub hints: Vec<u32>,
    /// The time from one probe to the next; more than zero.
    pub interval: Duration,
    /// How long a reply may take at most. More than zero.
    pub wait: Duration,
    /// When to end, whatever is known by then.
    pub duration: Duration,
    /// The session's identifier (RFC 8972 section 3); 0: none.
    pub ssid: u16,
    /// With which probes are authenticated, and replies checked.
    pub key: Option<Key>,
    /// Traffic class of probes, DSCP and ECN.
    pub traffic_class: u8,
    /// Time to live or hop limit of probes.
    pub hop_limit: u8,
    /// What the random order of probes is made of.
    pub seed: u64,
}

setters! { PathMtuOptions {
    target: SocketAddr,
    into largest: Option<u32>,
    into hints: Vec<u32>,
    interval: Duration,
    wait: Duration,
    duration: Duration,
    ssid: u16,
    into key: Option<Key>,
    traffic_class: u8,
    hop_limit: u8,
    seed: u64,
}}

impl PathMtuOptions {
    /// Up to what our own host sends, with a hundred probes a second, in a minute at most.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            largest: None,
            hints: Vec::new(),
            interval: Duration::from_millis(10),
            wait: Duration::from_secs(2),
            duration: Duration::from_secs(60),
            ssid: 0,
            key: None,
            traffic_class: 0,
            hop_limit: 255,
            seed: 1,
        }
    }

    /// What its only socket must be asked for. Without [`DontFragment::Probe`] the answer is not of the path.
    #[must_use]
    pub fn socket_options(&self) -> Options {
        Options {
            destination: true,
            errors: true,
            fragment_sizes: true,
            dont_fragment: DontFragment::Probe,
            singly: true,
            ..Options::default()
        }
    }

    /// Bytes of IP and UDP headers.
    #[must_use]
    pub fn header_len(&self) -> usize {
        header_len(self.target.ip())
    }

    /// The size that is tried first, in bytes with headers: 1,200 bytes of payload, the base of RFC 8899 section 5.1.2 and RFC 9000.
    pub(super) fn base(&self) -> usize {
        1200 + self.header_len()
    }

    /// The size of the shortest probe, in bytes with headers: the base packet and the counters.
    #[must_use]
    pub fn smallest(&self) -> usize {
        let (base, digest) = match self.key {
            Some(_) => (AUTHENTICATED_LEN, DIGEST_LEN),
            None => (BASE_LEN, 0),
        };
        self.header_len() + base + digest + HEADER + Counters::LEN_WITH_LONGEST
    }

    /// The longest size to try, in bytes with headers.
    pub(super) fn longest(&self) -> usize {
        let most = max_payload(self.target.ip()) + self.header_len();
        self.largest.map_or(most, |largest| most.min(usize::try_from(largest).unwrap_or(most)))
    }

    pub(super) fn transmit(&self) -> Transmit {
        Transmit::to(self.target).hop_limit(self.hop_limit).traffic_class(self.traffic_class)
    }

    /// Whether it can be done at all.
    ///
    /// # Errors
    ///
    /// A largest size that no probe is as short as; no interval, no wait.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| {
            Err(Error::new(Attempt::Other("measure the MTU of the path to"), self.target, std::io::Error::other(what)))
        };
        if self.longest() < self.smallest() {
            return wrong(format!("the shortest probe has {} bytes with its headers", self.smallest()));
        }
        if self.interval.is_zero() || self.wait.is_zero() {
            return wrong("there is time between probes, and for replies".to_owned());
        }
        Ok(())
    }
}
