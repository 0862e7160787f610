//! What is known of a datagram when it comes to a link.

use std::net::{IpAddr, Ipv4Addr};

use crate::datagram::header_len;
use crate::setters::setters;

/// A datagram that comes to a link, as far as its fate can depend on it. A length alone turns into one.
///
/// ```
/// use std::net::IpAddr;
/// use udpkit::impairment::Arrival;
///
/// let arrival = Arrival::new(b"hello").source(IpAddr::from([192, 0, 2, 7])).traffic_class(0b10);
/// assert!(arrival.is_ecn_capable());
/// assert_eq!(Arrival::from(1200).payload_len, 1200);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Arrival<'a> {
    /// Its payload; `None` where the length alone is known, and then nothing matches it.
    pub payload: Option<&'a [u8]>,
    /// Bytes of payload.
    pub payload_len: usize,
    /// Address of whom it is of: who sent it. With a relay, the peer in both directions.
    pub source: Option<IpAddr>,
    /// Type of service (IPv4) or traffic class (IPv6): DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: u8,
}

setters! { Arrival<'a> {
    into payload: Option<&'a [u8]>,
    payload_len: usize,
    into source: Option<IpAddr>,
    traffic_class: u8,
}}

impl<'a> Arrival<'a> {
    /// With this payload.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { payload: Some(payload), payload_len: payload.len(), source: None, traffic_class: 0 }
    }

    /// Bytes of the datagram with its headers ([`header_len`]); those of IPv4 where its source is not known.
    pub(super) fn datagram_len(&self) -> usize {
        let source = self.source.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |source| source.to_canonical());
        self.payload_len.saturating_add(header_len(source))
    }

    /// Whether its sender understands marks instead of losses: ECT(0) or ECT(1), or marked already (RFC 3168).
    #[must_use]
    pub fn is_ecn_capable(&self) -> bool {
        self.traffic_class & 0b11 != 0
    }
}

impl From<usize> for Arrival<'_> {
    fn from(payload_len: usize) -> Self {
        Self { payload: None, payload_len, source: None, traffic_class: 0 }
    }
}

impl<'a> From<&'a [u8]> for Arrival<'a> {
    fn from(payload: &'a [u8]) -> Self {
        Self::new(payload)
    }
}
