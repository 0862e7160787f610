//! The pcapng format (draft-ietf-opsawg-pcapng), as far as packets and their times need it.

use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use udpkit::Delivery;

use super::blocks;
use super::error::{ReadError, Result};
use super::link::Link;
use super::order::Order;
use super::record::{Extent, Record};
use super::source::{Source, WINDOW};

/// Interfaces that a section can have.
const MAX_INTERFACES: usize = 65_536;
/// Bytes of an interface's name that are kept.
const MAX_NAME: usize = 64;
/// Where the bytes of a packet begin in its block, and how many bytes of it are not the packet's at least.
const PACKET: usize = 28;
const SIMPLE_PACKET: usize = 12;
/// Microseconds: the resolution where none is told.
const MICROSECONDS: u8 = 6;

/// What is known of the section that is being read.
#[derive(Debug)]
pub(crate) struct Pcapng {
    order: Order,
    /// No more than [`MAX_INTERFACES`].
    interfaces: Vec<Description>,
}

/// How an interface's packets are told.
#[derive(Clone, Debug)]
struct Description {
    /// No longer than [`MAX_NAME`] was in the file.
    name: Option<String>,
    link: Link,
    /// Bytes of a packet that are captured at most; 0 is no limit.
    snaplen: u32,
    /// Units in a second: a power of 10, or of 2 where the highest bit is set.
    resolution: u8,
    /// What is to be added to times, in seconds.
    offset: i64,
}

/// A block that was passed.
struct Block {
    kind: u32,
    at: u64,
    /// Its length; `None` if it was passed unseen, since it is longer than the window.
    len: Option<usize>,
}

impl Default for Pcapng {
    fn default() -> Self {
        // The first section's header says what it really is.
        Self { order: Order::Little, interfaces: Vec::new() }
    }
}

impl Pcapng {
    /// Passes blocks up to the next packet; `None` at the end of the file.
    pub(crate) fn next<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<Record>> {
        while let Some(Block { kind, at, len }) = self.block(source)? {
            let Some(len) = len else {
                if is_packet(kind) {
                    return Ok(Some(too_long()));
                }
                continue;
            };
            let block = source.passed(len);
            match kind {
                blocks::SECTION_HEADER if self.order.u16(block, 12) != Some(1) => {
                    return Err(ReadError::Corrupt(at, "the version of the format is unknown"));
                }
                blocks::SECTION_HEADER => self.interfaces.clear(),
                blocks::INTERFACE_DESCRIPTION => self.describe(block, at)?,
                blocks::SIMPLE_PACKET => return self.simple_packet(block, at).map(Some),
                kind if is_packet(kind) => return self.packet(kind, block, at).map(Some),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The name of an interface of the section, where the file tells one.
    pub(crate) fn name(&self, interface: u32) -> Option<&str> {
        self.interfaces.get(interface as usize)?.name.as_deref()
    }

    /// Passes a block.
    fn block<R: Read>(&mut self, source: &mut Source<R>) -> Result<Option<Block>> {
        let at = source.offset();
        let start = source.peek(blocks::FRAME)?;
        if start.is_empty() {
            return Ok(None);
        }
        let Some(&[a, b, c, d, ..]) = start.first_chunk::<{ blocks::FRAME }>() else { return Err(ReadError::Cut(at)) };
        if u32::from_be_bytes([a, b, c, d]) == blocks::SECTION_HEADER {
            self.order = order_of_section(start, at)?;
        }
        let cut = ReadError::Cut(at);
        let (Some(kind), Some(len)) = (self.order.u32(start, 0), self.order.u32(start, 4)) else { return Err(cut) };
        if (len as usize) < blocks::FRAME || !len.is_multiple_of(4) {
            return Err(ReadError::Corrupt(at, "no block can have that length"));
        }
        let len = if len as usize <= WINDOW {
            self.pass(source, at, len as usize)?;
            Some(len as usize)
        } else {
            self.skip(source, at, len)?;
            None
        };
        if len.is_none() && matches!(kind, blocks::SECTION_HEADER | blocks::INTERFACE_DESCRIPTION) {
            return Err(ReadError::Corrupt(at, "the block is longer than one of its type can be"));
        }
        Ok(Some(Block { kind, at, len }))
    }

    /// Passes a block that can be seen as a whole.
    fn pass<R: Read>(&self, source: &mut Source<R>, at: u64, len: usize) -> Result<()> {
        let Some(block) = source.peek(len)?.get(..len) else { return Err(ReadError::Cut(at)) };
        self.check_end(block, len - 4, len, at)?;
        source.pass(len);
        Ok(())
    }

    /// Passes a block that cannot.
    fn skip<R: Read>(&self, source: &mut Source<R>, at: u64, len: u32) -> Result<()> {
        if !source.skip(u64::from(len) - 4)? {
            return Err(ReadError::Cut(at));
        }
        let end = source.peek(4)?;
        if end.len() < 4 {
            return Err(ReadError::Cut(at));
        }
        self.check_end(end, 0, len as usize, at)?;
        source.pass(4);
        Ok(())
    }

    /// A block ends with its length once more.
    fn check_end(&self, bytes: &[u8], place: usize, len: usize, at: u64) -> Result<()> {
        if self.order.u32(bytes, place).is_some_and(|again| again as usize == len) {
            return Ok(());
        }
        Err(ReadError::Corrupt(at, "the block ends with another length than it began with"))
    }

    fn describe(&mut self, block: &[u8], at: u64) -> Result<()> {
        let (Some(link), Some(snaplen)) = (self.order.u16(block, 8), self.order.u32(block, 12)) else {
            return Err(ReadError::Corrupt(at, "the description of an interface is too short"));
        };
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(ReadError::Corrupt(at, "there are too many interfaces"));
        }
        let mut interface =
            Description { name: None, link: Link::from(u32::from(link)), snaplen, resolution: MICROSECONDS, offset: 0 };
        for (code, value) in blocks::options(self.order, block, 16) {
            match (code, value) {
                (blocks::INTERFACE_NAME, value) => {
                    let name = String::from_utf8_lossy(&value[..value.len().min(MAX_NAME)]);
                    interface.name = Some(name.into_owned());
                }
                (blocks::TIME_RESOLUTION, &[resolution, ..]) => interface.resolution = resolution,
                (blocks::TIME_OFFSET, value) => {
                    interface.offset = self.order.u64(value, 0).map_or(0, u64::cast_signed);
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// An enhanced packet, or an obsolete one, which differs in the first fields.
    fn packet(&self, kind: u32, block: &[u8], at: u64) -> Result<Record> {
        let short = || ReadError::Corrupt(at, "the packet's block is too short for it");
        let field = |place| self.order.u32(block, place).ok_or_else(short);
        let obsolete = kind == blocks::OBSOLETE_PACKET;
        let id = if obsolete { self.order.u16(block, 8).map(u32::from).ok_or_else(short)? } else { field(8)? };
        let interface = self.interface(id, at)?;
        let units = u64::from(field(12)?) << 32 | u64::from(field(16)?);
        let (len, wire_len) = (field(20)? as usize, field(24)? as usize);
        let place = Self::place(block, PACKET, len).ok_or_else(short)?;
        // All ones: not known.
        let known = |&dropped: &u16| obsolete && dropped != u16::MAX;
        let mut dropped_before = self.order.u16(block, 10).filter(known).map_or(0, u64::from);
        let mut delivery = Delivery::Unknown;
        for (code, value) in blocks::options(self.order, block, PACKET + len.next_multiple_of(4)) {
            match code {
                blocks::PACKET_FLAGS => delivery = self.order.u32(value, 0).map_or(delivery, delivery_of),
                blocks::PACKET_DROPS => dropped_before = self.order.u64(value, 0).unwrap_or(0),
                _ => {}
            }
        }
        Ok(Record {
            time: Some(interface.time(units)),
            interface: id,
            link: interface.link,
            wire_len,
            dropped_before,
            delivery,
            extent: Extent::Passed(place, block.len()),
        })
    }

    /// A packet of the first interface, with nothing but its length before it.
    fn simple_packet(&self, block: &[u8], at: u64) -> Result<Record> {
        let interface = self.interface(0, at)?;
        let short = || ReadError::Corrupt(at, "the packet's block is too short for it");
        let wire_len = self.order.u32(block, 8).ok_or_else(short)? as usize;
        let limit = if interface.snaplen == 0 { usize::MAX } else { interface.snaplen as usize };
        let place = Self::place(block, SIMPLE_PACKET, wire_len.min(limit)).ok_or_else(short)?;
        Ok(Record {
            time: None,
            interface: 0,
            link: interface.link,
            wire_len,
            dropped_before: 0,
            delivery: Delivery::Unknown,
            extent: Extent::Passed(place, block.len()),
        })
    }

    fn interface(&self, id: u32, at: u64) -> Result<&Description> {
        let unknown = ReadError::Corrupt(at, "the packet is of an interface that was not described");
        self.interfaces.get(id as usize).ok_or(unknown)
    }

    /// The bytes of a packet of this length, if the block has as many.
    fn place(block: &[u8], start: usize, len: usize) -> Option<Range<usize>> {
        let end = start.checked_add(len)?;
        // The last four bytes are the block's length.
        (end <= block.len().saturating_sub(4)).then_some(start..end)
    }
}

impl Description {
    /// The time since 1970 that so many units are: as near as can be told if it is before that.
    fn time(&self, units: u64) -> Duration {
        let power = u32::from(self.resolution & 0x7f);
        let nanos = if self.resolution & 0x80 == 0 {
            match power.checked_sub(9) {
                None => u128::from(units) * 10_u128.pow(9 - power),
                Some(finer) => 10_u128.checked_pow(finer).map_or(0, |divisor| u128::from(units) / divisor),
            }
        } else {
            // 94 bits at most, so that nothing is lost before the shift.
            (u128::from(units) * 1_000_000_000) >> power
        };
        let seconds = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
        let fraction = u32::try_from(nanos % 1_000_000_000).expect("less than a thousand million");
        match seconds.checked_add_signed(self.offset) {
            Some(seconds) => Duration::new(seconds, fraction),
            None if self.offset < 0 => Duration::ZERO,
            None => Duration::MAX,
        }
    }
}

fn order_of_section(start: &[u8], at: u64) -> Result<Order> {
    [Order::Little, Order::Big]
        .into_iter()
        .find(|order| order.u32(start, 8) == Some(blocks::BYTE_ORDER))
        .ok_or(ReadError::Corrupt(at, "the section does not tell its byte order"))
}

/// How a packet with these flags was addressed.
fn delivery_of(flags: u32) -> Delivery {
    match flags & blocks::RECEPTION {
        blocks::RECEPTION_UNICAST => Delivery::Unicast,
        blocks::RECEPTION_MULTICAST => Delivery::Multicast,
        blocks::RECEPTION_BROADCAST => Delivery::Broadcast,
        _ => Delivery::Unknown,
    }
}

fn is_packet(kind: u32) -> bool {
    matches!(kind, blocks::ENHANCED_PACKET | blocks::SIMPLE_PACKET | blocks::OBSOLETE_PACKET)
}

/// A packet of which nothing was looked at but its length.
fn too_long() -> Record {
    let (link, delivery, extent) = (Link::Unknown, Delivery::Unknown, Extent::TooLong);
    Record { time: None, interface: 0, link, wire_len: 0, dropped_before: 0, delivery, extent }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(resolution: u8, offset: i64, units: u64) -> Duration {
        Description { name: None, link: Link::Ethernet, snaplen: 0, resolution, offset }.time(units)
    }

    #[test]
    fn names_of_interfaces_are_kept_up_to_a_bound() {
        let mut reader = Pcapng::default();
        for name in [&b"lan0"[..], b"\xff", &[b'x'; 1000]] {
            let mut block = vec![0; 16];
            blocks::append_option(&mut block, blocks::INTERFACE_NAME, name);
            block.extend([0; 4]);
            reader.describe(&block, 0).unwrap();
        }
        reader.describe(&[0; 20], 0).unwrap();
        let names: Vec<_> = (0..5).map(|interface| reader.name(interface)).collect();
        assert_eq!(names, [Some("lan0"), Some("\u{fffd}"), Some(&*"x".repeat(MAX_NAME)), None, None]);
    }

    #[test]
    fn times_are_told_in_any_unit() {
        assert_eq!(time(6, 0, 1_500_001), Duration::new(1, 500_001_000));
        assert_eq!(time(9, 0, 1_500_000_001), Duration::new(1, 500_000_001));
        assert_eq!(time(0, 0, 7), Duration::from_secs(7));
        assert_eq!(time(12, 0, 1_500_000_001_999), Duration::new(1, 500_000_001));
        assert_eq!(time(0x80 | 10, 0, 1536), Duration::from_millis(1500));
        assert_eq!(time(0x80 | 63, 0, 1 << 63), Duration::from_secs(1));
        assert_eq!(time(9, 5, 1), Duration::new(5, 1));
        assert_eq!(time(6, -1, 1_500_000), Duration::from_millis(500));
    }

    #[test]
    fn times_that_cannot_be_become_the_nearest() {
        for resolution in 0..=255 {
            for offset in [0, i64::MIN, i64::MAX] {
                for units in [0, 1, u64::MAX] {
                    time(resolution, offset, units);
                }
            }
        }
        assert_eq!(time(6, -2, 1_500_000), Duration::ZERO);
        assert_eq!(time(0, i64::MAX, u64::MAX), Duration::MAX);
        assert_eq!(time(127, 0, u64::MAX), Duration::ZERO);
        assert_eq!(time(0xff, 0, u64::MAX), Duration::ZERO);
    }
}
