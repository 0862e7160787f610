//! The pcap format (draft-ietf-opsawg-pcap): a header, then packets.

use std::io::Read;
use std::time::Duration;

use udpkit::Delivery;

use super::error::{ReadError, Result};
use super::link::Link;
use super::order::Order;
use super::record::{Extent, Record};
use super::source::{Source, WINDOW};

/// Length of the header of a file in bytes.
const HEADER: usize = 24;
/// The part of the link type's field that is the link type.
const LINK: u32 = 0x03ff_ffff;

/// What the header of a file says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcap {
    order: Order,
    link: Link,
    /// Nanoseconds in the unit in which fractions of a second are told.
    unit: u32,
    /// Length of what stands before each packet, in bytes.
    packet_header: usize,
}

impl Pcap {
    /// Passes the header of a file.
    pub(crate) fn new<R: Read>(source: &mut Source<R>) -> Result<Self> {
        let header = source.peek(HEADER)?;
        let not_a_capture = ReadError::NotACapture("it is neither pcap nor pcapng");
        let Some((order, unit, packet_header)) = header.first_chunk().and_then(|&magic| Self::variant(magic)) else {
            return Err(not_a_capture);
        };
        let Some(link) = order.u32(header, 20) else { return Err(ReadError::Cut(0)) };
        if order.u16(header, 4) != Some(2) {
            return Err(ReadError::Corrupt(4, "the version of the format is unknown"));
        }
        source.pass(HEADER);
        Ok(Self { order, link: Link::from(link & LINK), unit, packet_header })
    }

    fn variant(magic: [u8; 4]) -> Option<(Order, u32, usize)> {
        let of = |magic| match magic {
            0xa1b2_c3d4_u32 => Some((1000, 16)),
            0xa1b2_3c4d => Some((1, 16)),
            // With Kuznetzov's patches: interface, protocol and packet type behind the lengths.
            0xa1b2_cd34 => Some((1000, 24)),
            _ => None,
        };
        let little = of(u32::from_le_bytes(magic)).map(|(unit, len)| (Order::Little, unit, len));
        little.or_else(|| of(u32::from_be_bytes(magic)).map(|(unit, len)| (Order::Big, unit, len)))
    }

    /// Passes a packet; `None` at the end of the file.
    pub(crate) fn next<R: Read>(&self, source: &mut Source<R>) -> Result<Option<Record>> {
        let at = source.offset();
        let header = source.peek(self.packet_header)?;
        if header.is_empty() {
            return Ok(None);
        }
        if header.len() < self.packet_header {
            return Err(ReadError::Cut(at));
        }
        let field = |place| self.order.u32(header, place).ok_or(ReadError::Cut(at));
        let (seconds, fraction, len, wire_len) = (field(0)?, field(4)?, field(8)? as usize, field(12)? as usize);
        if len > WINDOW - self.packet_header {
            // Nothing but the length tells where the next packet begins.
            return Err(ReadError::Corrupt(at, "the packet is longer than any can be"));
        }
        let passed = self.packet_header + len;
        if source.peek(passed)?.len() < passed {
            return Err(ReadError::Cut(at));
        }
        source.pass(passed);
        let fraction = Duration::from_nanos(u64::from(fraction) * u64::from(self.unit));
        Ok(Some(Record {
            time: Some(Duration::from_secs(seconds.into()) + fraction),
            interface: 0,
            link: self.link,
            wire_len,
            dropped_before: 0,
            delivery: Delivery::Unknown,
            extent: Extent::Passed(self.packet_header..passed, passed),
        }))
    }
}
