//! Datagrams: what the kernel tells of one that came, and what it is told of one that is sent.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::SystemTime;

use crate::error::ErrorKind;
use crate::setters::setters;

/// A system's number for a network interface; never zero.
pub type InterfaceIndex = NonZeroU32;

/// The largest payload of an IPv4 datagram: 65,535 bytes less the IP (20) and UDP (8) headers (RFC 768, RFC 791).
pub const MAX_PAYLOAD_V4: usize = 65_507;
/// The largest payload of an IPv6 datagram without jumbograms: 65,535 bytes less the UDP header (RFC 8200 section 4.5).
pub const MAX_PAYLOAD_V6: usize = 65_527;

/// The largest payload that a datagram to this address can carry, in bytes.
#[must_use]
pub fn max_payload(destination: IpAddr) -> usize {
    if destination.is_ipv4() { MAX_PAYLOAD_V4 } else { MAX_PAYLOAD_V6 }
}

/// Bytes of IP and UDP headers before the payload: 28 in IPv4, 48 in IPv6, options not counted.
#[must_use]
pub fn header_len(address: IpAddr) -> usize {
    if address.is_ipv4() { 28 } else { 48 }
}

/// To whom a datagram was addressed.
///
/// Exhaustive: IP has no other way, and what a program does with one kind is seldom right for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// To this host alone.
    Unicast,
    /// To every host on a network (IPv4 only).
    Broadcast,
    /// To every host that joined a group.
    Multicast,
    /// The system did not say.
    #[default]
    Unknown,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unicast => "unicast",
            Self::Broadcast => "broadcast",
            Self::Multicast => "multicast",
            Self::Unknown => "unknown",
        })
    }
}

/// What the kernel told of a datagram besides its payload.
///
/// A field is `None` where it was not asked for in [`Options`](crate::Options) or the system cannot tell
/// ([`Capabilities`](crate::Capabilities) says which).
///
/// ```
/// use std::net::IpAddr;
/// use udpkit::Meta;
///
/// // As a socket of several addresses tells it; made by hand, for a test.
/// let local = IpAddr::from([192, 0, 2, 1]);
/// let meta = Meta::new(([192, 0, 2, 7], 5000).into()).destination(local).local(local);
/// // An answer goes to the source, from the address that was asked.
/// let reply = meta.reply();
/// assert_eq!((reply.destination, reply.local), (meta.source, Some(local)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// Address and port of the sender, from the headers: not proved by anything.
    pub source: SocketAddr,
    /// Address in the IP header: ours, a group's or a broadcast address.
    pub destination: Option<IpAddr>,
    /// Our address to answer from; differs from `destination` for broadcasts and multicasts (`ip(7)`, `ipi_spec_dst`).
    pub local: Option<IpAddr>,
    /// Interface on which it came in.
    pub interface: Option<InterfaceIndex>,
    /// Unicast, broadcast or multicast.
    pub delivery: Delivery,
    /// When the kernel received it, in UTC.
    pub received: Option<SystemTime>,
    /// Time to live (IPv4) or hop limit (IPv6) with which it arrived.
    pub hop_limit: Option<u8>,
    /// Type of service (IPv4) or traffic class (IPv6): DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: Option<u8>,
    /// Bytes of the longest fragment that it came in, with its IP header; `None` of one that came whole.
    pub fragment_len: Option<u32>,
    /// The socket's total of dropped datagrams when this one was queued, modulo 2^32; `None` until the first drop.
    pub dropped_before: Option<u32>,
    /// Whether the kernel had more to tell than our buffer took. Never seen; it would be a defect here.
    pub meta_truncated: bool,
}

setters! { Meta {
    source: SocketAddr,
    into destination: Option<IpAddr>,
    into local: Option<IpAddr>,
    into interface: Option<InterfaceIndex>,
    delivery: Delivery,
    into received: Option<SystemTime>,
    into hop_limit: Option<u8>,
    into traffic_class: Option<u8>,
    into fragment_len: Option<u32>,
    into dropped_before: Option<u32>,
    meta_truncated: bool,
}}

impl Meta {
    /// What is known when only the source is.
    #[must_use]
    pub fn new(source: SocketAddr) -> Self {
        Self {
            source,
            destination: None,
            local: None,
            interface: None,
            delivery: Delivery::Unknown,
            received: None,
            hop_limit: None,
            traffic_class: None,
            fragment_len: None,
            dropped_before: None,
            meta_truncated: false,
        }
    }

    /// How to answer: to the source, from the address that was asked.
    ///
    /// The interface is fixed only where routing alone could not find the way back: for link-local addresses, and for
    /// broadcasts, whose source is on the network that they came in by, though routes may know that network on another
    /// interface as well. A broadcast is then answered from that interface's address, which the system chooses.
    #[must_use]
    pub fn reply(&self) -> Transmit {
        let link_local = match self.source.ip() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let is_broadcast = self.delivery == Delivery::Broadcast;
        let interface = self.interface.filter(|_| link_local || is_broadcast);
        let local = self.local.filter(|_| !is_broadcast || interface.is_none());
        Transmit::to(self.source).local(local).interface(interface)
    }
}

/// One datagram: its payload, its true length, and what the kernel told of it.
///
/// ```
/// use udpkit::{Datagram, Meta};
///
/// let meta = Meta::new(([192, 0, 2, 7], 5000).into());
/// assert!(!Datagram::new(b"all of it", &meta).is_truncated());
/// assert!(Datagram::new(b"the beginning", &meta).wire_len(1200).is_truncated());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// The payload, or as much of it as the slot took. May be empty: that is data, not an end.
    pub payload: &'a [u8],
    /// Bytes of payload on the wire; more than `payload.len()` if it was truncated.
    pub wire_len: usize,
    /// Where it came from, to what address, how.
    pub meta: &'a Meta,
}

setters! { Datagram<'a> {
    payload: &'a [u8],
    wire_len: usize,
    meta: &'a Meta,
}}

impl<'a> Datagram<'a> {
    /// A datagram with this payload, whole.
    #[must_use]
    pub fn new(payload: &'a [u8], meta: &'a Meta) -> Self {
        Self { payload, wire_len: payload.len(), meta }
    }

    /// Whether the datagram was longer than the slot it was received into.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.wire_len > self.payload.len()
    }
}

/// A run of datagrams of one source that the kernel handed over as one (GRO); most often of one datagram.
///
/// ```
/// use udpkit::{Meta, Train};
///
/// let meta = Meta::new(([192, 0, 2, 7], 5000).into());
/// let train = Train::new(&meta, b"onetwosix!", 3);
/// let payloads: Vec<_> = train.datagrams().map(|datagram| datagram.payload).collect();
/// assert_eq!(payloads, [&b"one"[..], b"two", b"six", b"!"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Train<'a> {
    pub(crate) meta: &'a Meta,
    pub(crate) payload: &'a [u8],
    pub(crate) wire_len: usize,
    pub(crate) segment: usize,
}

impl<'a> Train<'a> {
    /// Datagrams of `segment_len` bytes each, one after another in the payload, the last of them perhaps shorter.
    #[must_use]
    pub fn new(meta: &'a Meta, payload: &'a [u8], segment_len: usize) -> Self {
        Self { meta, payload, wire_len: payload.len(), segment: segment_len.max(1) }
    }

    /// A datagram as a train of one.
    #[must_use]
    pub fn one(datagram: &Datagram<'a>) -> Self {
        let Datagram { meta, payload, wire_len } = *datagram;
        Self { meta, payload, wire_len, segment: wire_len.max(1) }
    }

    /// What the kernel told of it; the same for each of its datagrams.
    #[must_use]
    pub fn meta(&self) -> &'a Meta {
        self.meta
    }

    /// How many datagrams it holds; at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        if self.wire_len == 0 { 1 } else { self.wire_len.div_ceil(self.segment) }
    }

    /// Bytes of payload on the wire, all datagrams together.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.wire_len
    }

    /// The payloads, one after another; each but the last is [`segment_len`](Self::segment_len) bytes long.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Length of each datagram but the last, which may be shorter, in bytes.
    #[must_use]
    pub fn segment_len(&self) -> usize {
        self.segment
    }

    /// Whether a part of it was cut off because the slot was too small.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.wire_len > self.payload.len()
    }

    /// Its datagrams, in order of arrival.
    pub fn datagrams(self) -> impl Iterator<Item = Datagram<'a>> {
        (0..self.count()).map(move |index| {
            let start = index * self.segment;
            let end = (start + self.segment).min(self.wire_len);
            let held = self.payload.len();
            Datagram { payload: &self.payload[start.min(held)..end.min(held)], wire_len: end - start, meta: self.meta }
        })
    }
}

/// A message as the kernel gave it: its place in the batch is that of its slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) meta: Meta,
    /// Bytes of payload on the wire.
    pub(crate) wire_len: usize,
    /// The kernel's segment size, where it coalesced (GRO).
    pub(crate) segment: Option<usize>,
}

/// Where a datagram goes and how.
///
/// ```
/// use std::net::IpAddr;
/// use udpkit::Transmit;
///
/// // From one of our addresses, and no further than the next router.
/// let transmit = Transmit::to(([192, 0, 2, 7], 5000).into()).local(IpAddr::from([192, 0, 2, 1])).hop_limit(1);
/// assert_eq!(transmit.hop_limit, Some(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmit {
    /// Address and port it goes to.
    pub destination: SocketAddr,
    /// Our address it leaves from; `None` leaves it to the socket and the routing table.
    pub local: Option<IpAddr>,
    /// Interface it leaves by; `None` leaves it to the routing table.
    pub interface: Option<InterfaceIndex>,
    /// Time to live or hop limit of this datagram; `None` is the socket's.
    pub hop_limit: Option<u8>,
    /// Type of service (IPv4) or traffic class (IPv6) of this datagram: DSCP in the upper six bits, ECN in the lower two; `None`
    /// is the socket's. Where the socket cannot set it, the datagram is a failure
    /// ([`Capabilities::transmit_traffic_class`](crate::Capabilities::transmit_traffic_class)).
    pub traffic_class: Option<u8>,
}

setters! { Transmit {
    destination: SocketAddr,
    into local: Option<IpAddr>,
    into interface: Option<InterfaceIndex>,
    into hop_limit: Option<u8>,
    into traffic_class: Option<u8>,
}}

impl Transmit {
    /// To this address, all else as the socket and the routing table say.
    #[must_use]
    pub fn to(destination: SocketAddr) -> Self {
        Self { destination, local: None, interface: None, hop_limit: None, traffic_class: None }
    }
}

/// Consecutive datagrams with one [`Transmit`], all of one length but the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) transmit: Transmit,
    /// Datagrams that were put into the batch before it, ever.
    pub(crate) place: u64,
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) segment: usize,
    pub(crate) count: usize,
}

impl Entry {
    /// What is left of it without its first datagrams, which are fewer than all.
    pub(crate) fn after(&self, datagrams: usize) -> Self {
        let bytes = datagrams * self.segment;
        Self {
            place: self.place + datagrams as u64,
            start: self.start + bytes,
            len: self.len - bytes,
            count: self.count - datagrams,
            ..*self
        }
    }
}

/// Datagrams that could not be sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct SendFailure {
    /// Where they should have gone.
    pub transmit: Transmit,
    /// How many datagrams had been put into the same batch, ever, before the first of these; in a [run](crate::drive()), how many it had
    /// sent through the same socket. It means nothing for what was sent through a socket after it was closed.
    pub place: u64,
    /// How many datagrams; at least one.
    pub count: usize,
    /// Bytes of payload, all together.
    pub bytes: usize,
    /// The system's reason.
    pub error: io::Error,
}

setters! { SendFailure {
    transmit: Transmit,
    place: u64,
    count: usize,
    bytes: usize,
    error: io::Error,
}}

impl SendFailure {
    /// The failure of one empty datagram, the first of its batch, for tests and simulations.
    #[must_use]
    pub fn new(transmit: Transmit, error: io::Error) -> Self {
        Self { transmit, place: 0, count: 1, bytes: 0, error }
    }

    /// The kind of the system's reason, as of any [`Error`](crate::Error).
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::from(&self.error)
    }
}

impl fmt::Display for SendFailure {
    /// `cannot send to 192.0.2.1:10000: network unreachable`, and how many where there are several.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = if self.count == 1 { String::new() } else { format!("{} datagrams ", self.count) };
        write!(f, "cannot send {several}to {}: {}", self.transmit.destination, crate::error::reason(&self.error))
    }
}
