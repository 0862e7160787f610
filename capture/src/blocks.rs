//! The blocks of pcapng that we write and read (draft-ietf-opsawg-pcapng).

use super::order::Order;

/// Begins a section: where it comes from, and its byte order.
pub(crate) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Describes an interface, which packets then name by its place among the interfaces of the section.
pub(crate) const INTERFACE_DESCRIPTION: u32 = 1;
/// A packet as old programs wrote it.
pub(crate) const OBSOLETE_PACKET: u32 = 2;
/// A packet of the first interface, without a time.
pub(crate) const SIMPLE_PACKET: u32 = 3;
/// What an interface received and lost.
pub(crate) const INTERFACE_STATISTICS: u32 = 5;
/// A packet with its interface, its time and options: what is written today.
pub(crate) const ENHANCED_PACKET: u32 = 6;

/// Tells the byte order of a section.
pub(crate) const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Type and length before a block's content, and its length again after it.
pub(crate) const FRAME: usize = 12;

/// Option of any block: there are no more.
pub(crate) const END_OF_OPTIONS: u16 = 0;
/// Option of any block: words for people.
pub(crate) const COMMENT: u16 = 1;
/// Option of a section: the system on which it was captured.
pub(crate) const SECTION_OS: u16 = 3;
/// Option of a section: the program that wrote it.
pub(crate) const SECTION_APPLICATION: u16 = 4;
/// Option of an interface: its name.
pub(crate) const INTERFACE_NAME: u16 = 2;
/// Option of an interface: its description, for people.
pub(crate) const INTERFACE_WORDS: u16 = 3;
/// Option of an interface: an IPv4 address of it and the network's mask.
pub(crate) const INTERFACE_IPV4: u16 = 4;
/// Option of an interface: an IPv6 address of it and the network's prefix length.
pub(crate) const INTERFACE_IPV6: u16 = 5;
/// Option of an interface: its hardware address.
pub(crate) const INTERFACE_HARDWARE: u16 = 6;
/// Option of an interface: the unit of its packets' times.
pub(crate) const TIME_RESOLUTION: u16 = 9;
/// Option of an interface: seconds that are to be added to its packets' times.
pub(crate) const TIME_OFFSET: u16 = 14;
/// Option of an enhanced packet: how it was addressed, and more.
pub(crate) const PACKET_FLAGS: u16 = 2;
/// Option of an enhanced packet: how many were dropped before it.
pub(crate) const PACKET_DROPS: u16 = 4;
/// Bits of [`PACKET_FLAGS`] that say how the packet was addressed.
pub(crate) const RECEPTION: u32 = 0b111 << 2;
/// [`RECEPTION`] of a packet to one host.
pub(crate) const RECEPTION_UNICAST: u32 = 1 << 2;
/// [`RECEPTION`] of a packet to a group.
pub(crate) const RECEPTION_MULTICAST: u32 = 2 << 2;
/// [`RECEPTION`] of a packet to all hosts on a network.
pub(crate) const RECEPTION_BROADCAST: u32 = 3 << 2;
/// Option of interface statistics: when the capture began.
pub(crate) const STATISTICS_START: u16 = 2;
/// Option of interface statistics: when it ended.
pub(crate) const STATISTICS_END: u16 = 3;
/// Option of interface statistics: packets that came in.
pub(crate) const STATISTICS_RECEIVED: u16 = 4;
/// Option of interface statistics: packets that were dropped by the interface.
pub(crate) const STATISTICS_DROPPED: u16 = 5;
/// Option of interface statistics: packets that the capture was given.
pub(crate) const STATISTICS_DELIVERED: u16 = 8;

/// Appends a block of this type, in little-endian order, whose content the function appends.
pub(crate) fn append(out: &mut Vec<u8>, kind: u32, content: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    content(out);
    pad(out, start);
    let len = u32::try_from(out.len() - start + 4).expect("a block is far shorter than 4 GiB").to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&len);
    out.extend_from_slice(&len);
}

/// Appends an option, or nothing if its value is too long for one.
pub(crate) fn append_option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let Ok(len) = u16::try_from(value.len()) else { return };
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&len.to_le_bytes());
    let start = out.len();
    out.extend_from_slice(value);
    pad(out, start);
}

/// The options of a block that begin at this place: code and value.
pub(crate) fn options(order: Order, block: &[u8], at: usize) -> impl Iterator<Item = (u16, &[u8])> {
    // The last four bytes are the block's length.
    let mut rest = block.get(at..block.len().saturating_sub(4)).unwrap_or_default();
    std::iter::from_fn(move || {
        let code = order.u16(rest, 0).filter(|&code| code != END_OF_OPTIONS)?;
        let len = usize::from(order.u16(rest, 2)?);
        let value = rest.get(4..4 + len)?;
        rest = rest.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

/// Appends zeros up to a multiple of four bytes since `start`.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    out.resize(start + len.next_multiple_of(4), 0);
}

/// The whole blocks at the beginning of bytes that [`append`] made: how many bytes, and how many packets among them.
pub(crate) fn whole(bytes: &[u8]) -> (usize, u64) {
    let (mut len, mut packets) = (0, 0);
    while let Some(&[a, b, c, d, e, f, g, h]) = bytes.get(len..).and_then(<[u8]>::first_chunk) {
        let end = len + u32::from_le_bytes([e, f, g, h]) as usize;
        if end > bytes.len() || end == len {
            break;
        }
        packets += u64::from(u32::from_le_bytes([a, b, c, d]) == ENHANCED_PACKET);
        len = end;
    }
    (len, packets)
}
