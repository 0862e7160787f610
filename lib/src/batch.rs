//! Batches: many datagrams received or sent in one system call, each with all that is known of it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::{Instant, SystemTime};

use crate::sys::native::{ReceiveScratch, SendScratch};

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
    /// The socket's total of dropped datagrams when this one was queued, modulo 2^32; `None` until the first drop.
    pub dropped_before: Option<u32>,
    /// Whether the kernel had more to tell than our buffer took. Never seen; it would be a defect here.
    pub meta_truncated: bool,
}

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
            dropped_before: None,
            meta_truncated: false,
        }
    }

    /// How to answer: to the source, from the address that was asked.
    ///
    /// The interface is fixed only where routing alone could not find the way back: for link-local addresses.
    #[must_use]
    pub fn reply(&self) -> Transmit {
        let link_local = match self.source.ip() {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        Transmit {
            destination: self.source,
            local: self.local,
            interface: self.interface.filter(|_| link_local),
            hop_limit: None,
        }
    }
}

/// One datagram: its payload, its true length, and what the kernel told of it.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The payload, or as much of it as the slot took. May be empty: that is data, not an end.
    pub payload: &'a [u8],
    /// Bytes of payload on the wire; more than `payload.len()` if it was truncated.
    pub wire_len: usize,
    /// Where it came from, to what address, how.
    pub meta: &'a Meta,
}

impl Datagram<'_> {
    /// Whether the datagram was longer than the slot it was received into.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.wire_len > self.payload.len()
    }
}

/// A run of datagrams of one source that the kernel handed over as one (GRO); most often of one datagram.
#[derive(Clone, Copy, Debug)]
pub struct Train<'a> {
    meta: &'a Meta,
    payload: &'a [u8],
    wire_len: usize,
    segment: usize,
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

/// Memory for a number of datagrams, used again for each call of [`Socket::receive`](crate::Socket::receive).
///
/// Costs `slots × slot_len` bytes of address space, of which only what datagrams fill becomes memory.
#[derive(Debug)]
pub struct ReceiveBatch {
    pub(crate) payloads: Vec<u8>,
    pub(crate) slot_len: usize,
    pub(crate) slots: usize,
    pub(crate) messages: Vec<Message>,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "empty elsewhere"))]
    pub(crate) scratch: ReceiveScratch,
    pub(crate) clock: Option<(Instant, SystemTime)>,
}

impl ReceiveBatch {
    /// Slots of a default batch: past 16, more gain nothing (measured), and 32 cost nothing.
    pub const SLOTS: usize = 32;
    /// Length of a default slot: no datagram is longer, nor a train of them.
    pub const SLOT_LEN: usize = 65_536;

    /// A batch of `slots` datagrams, of which each holds at most `slot_len` bytes. At least one of each.
    #[must_use]
    pub fn new(slots: usize, slot_len: usize) -> Self {
        let (slots, slot_len) = (slots.max(1), slot_len.max(1));
        Self {
            payloads: vec![0; slots * slot_len],
            slot_len,
            slots,
            messages: Vec::with_capacity(slots),
            scratch: ReceiveScratch::new(slots),
            clock: None,
        }
    }

    /// The most messages that one call can receive.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// What the last call received, in order of arrival, runs of one source kept together as the kernel gave them.
    pub fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        self.messages.iter().zip(self.payloads.chunks(self.slot_len)).map(|(message, slot)| {
            // The kernel never reports a segment size of zero; if it did, the message would be one datagram.
            let segment = message.segment.filter(|&len| len > 0).unwrap_or(message.wire_len);
            Train {
                meta: &message.meta,
                payload: &slot[..message.wire_len.min(slot.len())],
                wire_len: message.wire_len,
                segment,
            }
        })
    }

    /// What the last call received, datagram by datagram, in order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.trains().flat_map(Train::datagrams)
    }

    /// When the last call returned.
    pub(crate) fn received_at(&self) -> Instant {
        self.clock.expect("a batch was received, so the clock was read").0
    }

    /// When a datagram of the last call arrived, on the monotonic clock: the kernel's time where it was asked for.
    ///
    /// # Panics
    ///
    /// If nothing was ever received into this batch.
    #[must_use]
    pub fn arrival(&self, meta: &Meta) -> Instant {
        let (instant, system) = self.clock.expect("a datagram of this batch was received, so the clock was read");
        meta.received
            .and_then(|received| system.duration_since(received).ok())
            .and_then(|age| instant.checked_sub(age))
            .unwrap_or(instant)
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new(Self::SLOTS, Self::SLOT_LEN)
    }
}

/// Where a datagram goes and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Address and port it goes to.
    pub destination: SocketAddr,
    /// Our address it leaves from; `None` leaves it to the socket and the routing table.
    pub local: Option<IpAddr>,
    /// Interface it leaves by; `None` leaves it to the routing table.
    pub interface: Option<InterfaceIndex>,
    /// Time to live or hop limit of this datagram; `None` is the socket's.
    pub hop_limit: Option<u8>,
}

impl Transmit {
    /// To this address, all else as the socket and the routing table say.
    #[must_use]
    pub fn to(destination: SocketAddr) -> Self {
        Self { destination, local: None, interface: None, hop_limit: None }
    }
}

/// Consecutive datagrams with one [`Transmit`], all of one length but the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) transmit: Transmit,
    pub(crate) start: usize,
    pub(crate) len: usize,
    pub(crate) segment: usize,
    pub(crate) count: usize,
}

/// Datagrams that could not be sent.
#[derive(Debug)]
pub struct SendFailure {
    /// Where they should have gone.
    pub transmit: Transmit,
    /// How many datagrams; at least one.
    pub count: usize,
    /// Bytes of payload, all together.
    pub bytes: usize,
    /// The system's reason.
    pub error: io::Error,
}

/// Datagrams to be sent in as few system calls as the system allows.
///
/// Bounded: [`ENTRIES`](Self::ENTRIES) runs and [`BYTES`](Self::BYTES) bytes; [`push`](Self::push) says when it is full.
#[derive(Debug, Default)]
pub struct SendBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) failures: Vec<SendFailure>,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "empty elsewhere"))]
    pub(crate) scratch: SendScratch,
}

/// The most segments of one GSO message that every kernel with GSO takes (`UDP_MAX_SEGMENTS`, 64 until Linux 6.x).
const MAX_SEGMENTS: usize = 64;
/// The most bytes of one GSO message, in either family.
const MAX_TRAIN: usize = 65_487;

impl SendBatch {
    /// The most runs of datagrams that a batch holds.
    pub const ENTRIES: usize = 64;
    /// The bytes at which a batch counts as full.
    pub const BYTES: usize = 1 << 20;

    /// Adds a datagram; false, and nothing added, where the batch is full and must be sent first.
    ///
    /// Follows it one with the same `transmit` and length, the two are sent as one train where the system can. A short
    /// reply (32 KiB or less) to each slot of a default [`ReceiveBatch`] always fits.
    pub fn push(&mut self, transmit: &Transmit, payload: &[u8]) -> bool {
        if self.bytes.len() + payload.len() > Self::BYTES && !self.entries.is_empty() {
            return false;
        }
        if let Some(last) = self.entries.last_mut()
            && last.takes(payload.len())
            && last.transmit == *transmit
        {
            last.len += payload.len();
            last.count += 1;
            self.bytes.extend_from_slice(payload);
            return true;
        }
        if self.entries.len() == Self::ENTRIES {
            return false;
        }
        self.entries.push(Entry {
            transmit: *transmit,
            start: self.bytes.len(),
            len: payload.len(),
            segment: payload.len(),
            count: 1,
        });
        self.bytes.extend_from_slice(payload);
        true
    }

    /// The most bytes of a train of datagrams of this length.
    #[must_use]
    pub fn max_train(segment: usize) -> usize {
        segment.max(1) * MAX_SEGMENTS.min(MAX_TRAIN / segment.max(1)).max(1)
    }

    /// Adds a run of datagrams of `segment` bytes, the last one shorter where that does not divide the payload; false,
    /// and nothing added, where the batch is full.
    ///
    /// # Panics
    ///
    /// If the payload is longer than [`max_train`](Self::max_train) allows, or the segment is empty.
    pub fn push_train(&mut self, transmit: &Transmit, payload: &[u8], segment: usize) -> bool {
        assert!(segment > 0 && payload.len() <= Self::max_train(segment), "a train of {} bytes", payload.len());
        if payload.len() <= segment {
            return self.push(transmit, payload);
        }
        if self.entries.len() == Self::ENTRIES || self.bytes.len() + payload.len() > Self::BYTES {
            return false;
        }
        let (start, count) = (self.bytes.len(), payload.len().div_ceil(segment));
        self.entries.push(Entry { transmit: *transmit, start, len: payload.len(), segment, count });
        self.bytes.extend_from_slice(payload);
        true
    }

    /// Whether nothing waits to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Datagrams that wait to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.count).sum()
    }

    /// What the last [`Socket::send`](crate::Socket::send) could not send.
    #[must_use]
    pub fn failures(&self) -> &[SendFailure] {
        &self.failures
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

impl Entry {
    /// Whether a datagram of this length can join the run: only the last may be shorter, and none is empty.
    fn takes(&self, len: usize) -> bool {
        let closed = self.len < self.segment * self.count;
        len > 0 && len <= self.segment && !closed && self.count < MAX_SEGMENTS && self.len + len <= MAX_TRAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to(port: u16) -> Transmit {
        Transmit::to(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    proptest! {
        #[test]
        fn a_train_holds_every_byte_once(len in 0usize..5000, segment in 1usize..2000, held in 0usize..6000) {
            let meta = Meta::new(SocketAddr::from(([127, 0, 0, 1], 1)));
            let payload: Vec<u8> = (0..len.min(held)).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let train = Train { meta: &meta, payload: &payload, wire_len: len, segment };
            let datagrams: Vec<_> = train.datagrams().collect();
            prop_assert_eq!(datagrams.len(), train.count());
            prop_assert_eq!(datagrams.iter().map(|datagram| datagram.wire_len).sum::<usize>(), len);
            let joined: Vec<u8> = datagrams.iter().flat_map(|datagram| datagram.payload.iter().copied()).collect();
            prop_assert_eq!(joined, payload);
        }

        #[test]
        fn runs_hold_equal_lengths_and_only_the_last_is_shorter(lens in prop::collection::vec(0usize..40, 1..300)) {
            let mut batch = SendBatch::default();
            let mut pushed = 0;
            for len in lens {
                if !batch.push(&to(1), &vec![7; len]) {
                    break;
                }
                pushed += 1;
            }
            prop_assert_eq!(batch.len(), pushed);
            for entry in &batch.entries {
                if entry.count > 1 {
                    let last = entry.len - entry.segment * (entry.count - 1);
                    prop_assert!(last > 0 && last <= entry.segment);
                }
                prop_assert!(entry.count <= MAX_SEGMENTS && entry.len <= MAX_TRAIN);
            }
        }
    }

    #[test]
    fn other_destinations_do_not_join() {
        let mut batch = SendBatch::default();
        assert!(batch.push(&to(1), b"a") && batch.push(&to(2), b"a") && batch.push(&to(2), b"b"));
        assert_eq!(batch.entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_full_batch_says_so_and_one_datagram_always_fits() {
        let mut batch = SendBatch::default();
        for port in 0..64 {
            assert!(batch.push(&to(port), b"x"));
        }
        assert!(!batch.push(&to(64), b"x"));
        batch.clear();
        while batch.push(&to(1), &[0; 65_507]) {}
        assert!(batch.bytes.len() <= SendBatch::BYTES);
    }
}
