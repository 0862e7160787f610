//! Capture files made by hand: what no writer of ours would write.

use crate::blocks;
use crate::order::Order;

/// A capture file by hand, in either order of bytes.
#[derive(Debug)]
pub(crate) struct Maker {
    order: Order,
    /// The file so far.
    pub(crate) bytes: Vec<u8>,
}

impl Maker {
    /// An empty pcap file.
    pub(crate) fn pcap(order: Order, magic: u32, link: u32) -> Self {
        let mut maker = Self { order, bytes: Vec::new() };
        maker.u32s(&[magic]);
        maker.u16s(&[2, 4]);
        maker.u32s(&[0, 0, 65_535, link]);
        maker
    }

    /// A pcapng file that has the header of a section.
    pub(crate) fn pcapng(order: Order) -> Self {
        let mut maker = Self { order, bytes: Vec::new() };
        maker.section(order);
        maker
    }

    /// Adds a section of its own order.
    pub(crate) fn section(&mut self, order: Order) {
        self.order = order;
        self.block(blocks::SECTION_HEADER, |maker| {
            maker.u32s(&[blocks::BYTE_ORDER]);
            maker.u16s(&[1, 0]);
            maker.u32s(&[u32::MAX, u32::MAX]);
        });
    }

    /// Adds an interface with this resolution and offset, in seconds.
    pub(crate) fn interface(&mut self, link: u16, snaplen: u32, resolution: u8, offset: i64) {
        self.block(blocks::INTERFACE_DESCRIPTION, |maker| {
            maker.u16s(&[link, 0]);
            maker.u32s(&[snaplen]);
            maker.u16s(&[blocks::TIME_RESOLUTION, 1]);
            maker.bytes.extend([resolution, 0, 0, 0]);
            maker.u16s(&[blocks::TIME_OFFSET, 8]);
            let offset = if maker.order == Order::Little { offset.to_le_bytes() } else { offset.to_be_bytes() };
            maker.bytes.extend(offset);
            maker.u16s(&[blocks::END_OF_OPTIONS, 0]);
        });
    }

    /// Adds a packet to a pcapng file.
    #[cfg(test)]
    pub(crate) fn enhanced(&mut self, interface: u32, units: u64, frame: &[u8]) {
        self.enhanced_cut(interface, units, frame, frame.len());
    }

    /// Adds a packet of this length to a pcapng file, of which the frame may be the beginning.
    pub(crate) fn enhanced_cut(&mut self, interface: u32, units: u64, frame: &[u8], wire_len: usize) {
        let [high, low] = [units >> 32, units & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(u32::MAX));
        self.block(blocks::ENHANCED_PACKET, |maker| {
            maker.u32s(&[interface, high, low, number(frame.len()), number(wire_len)]);
            maker.bytes.extend(frame);
        });
    }

    /// Adds a block whose content the function appends.
    pub(crate) fn block(&mut self, kind: u32, content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32s(&[kind, 0]);
        content(self);
        blocks::pad(&mut self.bytes, start);
        self.u32s(&[number(self.bytes.len() - start + 4)]);
        let end = self.bytes.len();
        self.bytes.copy_within(end - 4.., start + 4);
    }

    /// Adds a packet to a pcap file, with some numbers more in its header.
    pub(crate) fn packet(&mut self, seconds: u32, fraction: u32, frame: &[u8], wire_len: usize, more: &[u32]) {
        self.u32s(&[seconds, fraction, number(frame.len()), number(wire_len)]);
        self.u32s(more);
        self.bytes.extend(frame);
    }

    /// Adds numbers of four bytes each.
    pub(crate) fn u32s(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.bytes.extend(if self.order == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() });
        }
    }

    /// Adds numbers of two bytes each.
    pub(crate) fn u16s(&mut self, numbers: &[u16]) {
        for number in numbers {
            self.bytes.extend(if self.order == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() });
        }
    }
}

/// A length as files have it.
fn number(len: usize) -> u32 {
    u32::try_from(len).expect("no file of ours is so long")
}

/// Both orders of bytes.
pub(crate) const ORDERS: [Order; 2] = [Order::Little, Order::Big];
