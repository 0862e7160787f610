//! A frame for a datagram of which the kernel gave us the payload and what it read from the real ones.

use std::net::IpAddr;

use udpkit::{Datagram, Delivery, max_payload};

/// Protocol number of UDP.
pub(crate) const UDP: u8 = 17;
/// What an Ethernet header says where IPv4 follows.
pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
/// What an Ethernet header says where IPv6 follows.
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Hop limit that is written where the kernel did not tell the real one: what most systems send with.
pub(crate) const DEFAULT_HOP_LIMIT: u8 = 64;
const DONT_FRAGMENT: u16 = 0x4000;
/// Stands for a checksum over bytes that we do not have; zero is not allowed in IPv6 (RFC 8200 section 8.1).
const UNKNOWN_CHECKSUM: u16 = 0xffff;
/// Length of a UDP header in bytes.
pub(crate) const UDP_HEADER: usize = 8;

/// A datagram as an Ethernet frame, whose headers are made up from what the kernel told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    source: IpAddr,
    destination: IpAddr,
    datagram: &'a Datagram<'a>,
    /// The port that it came to, ours.
    port: u16,
    /// No longer than a datagram of its family can be; nor is `wire_len`.
    payload: &'a [u8],
    wire_len: usize,
}

impl<'a> Frame<'a> {
    /// A datagram that came to our port.
    ///
    /// Its destination is the address in its IP header; where the system did not tell it, our address to answer from;
    /// where that is unknown too, the unspecified address.
    pub(crate) fn new(datagram: &'a Datagram<'a>, port: u16) -> Self {
        let source = datagram.meta.source.ip();
        let same_family = |ip: &IpAddr| ip.is_ipv4() == source.is_ipv4();
        let destination = datagram.meta.destination.or(datagram.meta.local).filter(same_family);
        let destination = destination.unwrap_or_else(|| udpkit::any_address(source));
        let longest = max_payload(source);
        let payload = &datagram.payload[..datagram.payload.len().min(longest)];
        let wire_len = datagram.wire_len.clamp(payload.len(), longest);
        Self { source, destination, datagram, port, payload, wire_len }
    }

    /// Bytes of it that are captured, headers and all.
    pub(crate) fn captured_len(&self) -> usize {
        self.headers_len() + self.payload.len()
    }

    /// Bytes of it on the wire, headers and all.
    pub(crate) fn wire_len(&self) -> usize {
        self.headers_len() + self.wire_len
    }

    /// To whom it was addressed.
    pub(crate) fn delivery(&self) -> Delivery {
        self.datagram.meta.delivery
    }

    fn headers_len(&self) -> usize {
        14 + udpkit::header_len(self.source)
    }

    /// Appends Ethernet, IP and UDP headers, and the payload.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        self.append_ethernet(out);
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.append_ipv4(source.octets(), destination.octets(), out);
                self.append_udp(&source.octets(), &destination.octets(), out);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.append_ipv6(source.octets(), destination.octets(), out);
                self.append_udp(&source.octets(), &destination.octets(), out);
            }
            _ => unreachable!("the destination is of the source's family"),
        }
        out.extend_from_slice(self.payload);
    }

    fn append_ethernet(&self, out: &mut Vec<u8>) {
        let ethertype = if self.source.is_ipv4() { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
        out.extend_from_slice(&hardware_address(self.destination, self.datagram.meta.delivery));
        out.extend_from_slice(&hardware_address(self.source, Delivery::Unicast));
        out.extend_from_slice(&ethertype.to_be_bytes());
    }

    fn append_ipv4(&self, source: [u8; 4], destination: [u8; 4], out: &mut Vec<u8>) {
        let mut header = [0; 20];
        header[0] = 0x45;
        header[1] = self.datagram.meta.traffic_class.unwrap_or(0);
        header[2..4].copy_from_slice(&field(20 + UDP_HEADER + self.wire_len).to_be_bytes());
        header[6..8].copy_from_slice(&DONT_FRAGMENT.to_be_bytes());
        header[8] = self.datagram.meta.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT);
        header[9] = UDP;
        header[12..16].copy_from_slice(&source);
        header[16..20].copy_from_slice(&destination);
        let checksum = !fold(sum(&header));
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        out.extend_from_slice(&header);
    }

    fn append_ipv6(&self, source: [u8; 16], destination: [u8; 16], out: &mut Vec<u8>) {
        let class = u32::from(self.datagram.meta.traffic_class.unwrap_or(0));
        out.extend_from_slice(&(6 << 28 | class << 20).to_be_bytes());
        out.extend_from_slice(&field(UDP_HEADER + self.wire_len).to_be_bytes());
        out.extend_from_slice(&[UDP, self.datagram.meta.hop_limit.unwrap_or(DEFAULT_HOP_LIMIT)]);
        out.extend_from_slice(&source);
        out.extend_from_slice(&destination);
    }

    fn append_udp(&self, source: &[u8], destination: &[u8], out: &mut Vec<u8>) {
        let len = field(UDP_HEADER + self.wire_len);
        let ports = [self.datagram.meta.source.port(), self.port];
        let checksum = if self.payload.len() == self.wire_len {
            let headers = u64::from(ports[0]) + u64::from(ports[1]) + 2 * u64::from(len) + u64::from(UDP);
            match !fold(headers + sum(source) + sum(destination) + sum(self.payload)) {
                // Zero would mean that there is none (RFC 768).
                0 => 0xffff,
                checksum => checksum,
            }
        } else if self.source.is_ipv4() {
            0
        } else {
            UNKNOWN_CHECKSUM
        };
        for value in [ports[0], ports[1], len, checksum] {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// A hardware address for an IP address: the right one for groups and broadcasts, else one that is marked as made up
/// (locally administered) and the same whenever the IP address is.
fn hardware_address(ip: IpAddr, delivery: Delivery) -> [u8; 6] {
    match ip {
        // RFC 1112 section 6.4: the lower 23 bits.
        IpAddr::V4(v4) if v4.is_multicast() => {
            let [_, a, b, c] = v4.octets();
            [0x01, 0x00, 0x5e, a & 0x7f, b, c]
        }
        IpAddr::V4(v4) if v4.is_broadcast() || delivery == Delivery::Broadcast => [0xff; 6],
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [0x02, 0x00, a, b, c, d]
        }
        // RFC 2464 section 7: the lower 32 bits.
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            let [first, second] = if v6.is_multicast() { [0x33, 0x33] } else { [0x02, 0x06] };
            [first, second, a, b, c, d]
        }
    }
}

/// Whether an Ethernet frame, from this address, has a hardware address that was made up here: then it was a datagram of a
/// socket, and no frame on a link.
pub(crate) fn is_made_up(frame: &[u8], source: IpAddr) -> bool {
    frame.get(6..12) == Some(&hardware_address(source, Delivery::Unicast)[..])
}

/// A length as it stands in headers.
fn field(len: usize) -> u16 {
    u16::try_from(len).expect("a payload is no longer than its family allows")
}

/// Sum of the 16-bit words of the Internet checksum (RFC 1071), which [`fold`] completes; for at most 64 KiB.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let mut last = [0; 4];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    // Words of 32 bits, folded, give the same as those of 16.
    let whole: u64 = words.map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))).sum();
    whole + u64::from(u32::from_be_bytes(last))
}

/// Adds the carries of a sum until it has 16 bits.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 0xffff")]
    let folded = sum as u16;
    folded
}

#[cfg(test)]
mod tests {
    use udpkit::Meta;

    use super::*;

    fn bytes(meta: &Meta, payload: &[u8], wire_len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let datagram = Datagram::new(payload, meta).wire_len(wire_len);
        let frame = Frame::new(&datagram, 53);
        frame.append(&mut out);
        assert_eq!(out.len(), frame.captured_len());
        out
    }

    fn meta(source: &str, destination: Option<&str>) -> Meta {
        let mut meta = Meta::new(source.parse().unwrap());
        meta.destination = destination.map(|ip| ip.parse().unwrap());
        meta
    }

    #[test]
    fn a_known_datagram_has_its_known_headers() {
        let mut meta = meta("10.1.0.1:4660", Some("10.1.0.2"));
        meta.hop_limit = Some(7);
        meta.traffic_class = Some(0xb8);
        let expected = [
            &[2, 0, 10, 1, 0, 2, 2, 0, 10, 1, 0, 1, 8, 0][..],
            &[0x45, 0xb8, 0, 29, 0, 0, 0x40, 0, 7, 17, 0x5f, 0x14, 10, 1, 0, 1, 10, 1, 0, 2],
            &[0x12, 0x34, 0, 53, 0, 9, 0x98, 0x6e],
            b"A",
        ]
        .concat();
        assert_eq!(bytes(&meta, b"A", 1), expected);
    }

    #[test]
    fn groups_and_broadcasts_have_their_hardware_addresses() {
        let of = |ip: &str, delivery| hardware_address(ip.parse().unwrap(), delivery);
        assert_eq!(of("239.255.1.2", Delivery::Multicast), [0x01, 0x00, 0x5e, 0x7f, 1, 2]);
        assert_eq!(of("ff02::1:fb", Delivery::Unknown), [0x33, 0x33, 0, 1, 0, 0xfb]);
        assert_eq!(of("255.255.255.255", Delivery::Unknown), [0xff; 6]);
        assert_eq!(of("10.1.0.255", Delivery::Broadcast), [0xff; 6]);
        assert_eq!(of("10.1.0.255", Delivery::Unicast), [2, 0, 10, 1, 0, 255]);
        assert_eq!(of("fe80::1:2", Delivery::Unicast), [2, 6, 0, 1, 0, 2]);
    }

    #[test]
    fn an_unknown_destination_is_our_address_or_unspecified() {
        let mut meta = meta("10.1.0.1:1", None);
        assert_eq!(bytes(&meta, b"", 0)[30..34], [0, 0, 0, 0]);
        meta.local = Some("10.1.0.9".parse().unwrap());
        assert_eq!(bytes(&meta, b"", 0)[30..34], [10, 1, 0, 9]);
        meta.destination = Some("::1".parse().unwrap());
        assert_eq!(bytes(&meta, b"", 0)[30..34], [0, 0, 0, 0]);
    }

    #[test]
    fn a_truncated_datagram_keeps_its_true_lengths() {
        let meta_v4 = meta("10.1.0.1:1", Some("10.1.0.2"));
        let datagram = Datagram::new(b"head", &meta_v4).wire_len(1000);
        let frame = Frame::new(&datagram, 53);
        assert_eq!((frame.captured_len(), frame.wire_len()), (46, 1042));
        let v4 = bytes(datagram.meta, b"head", 1000);
        assert_eq!((&v4[16..18], &v4[38..42]), (&1028_u16.to_be_bytes()[..], &[0x03, 0xf0, 0, 0][..]));
        let v6 = bytes(&meta("[::1]:1", Some("::1")), b"head", 1000);
        assert_eq!(v6[58..62], [0x03, 0xf0, 0xff, 0xff]);
    }

    #[test]
    fn lengths_that_cannot_be_are_cut_to_those_that_can() {
        let long = vec![0; 70_000];
        assert_eq!(bytes(&meta("10.1.0.1:1", None), &long, 70_000).len(), 42 + 65_507);
        assert_eq!(bytes(&meta("[::1]:1", None), &long, 70_000).len(), 62 + 65_527);
    }

    #[test]
    fn a_checksum_of_zero_is_written_as_all_ones() {
        let mut payload = [0; 2];
        let meta = meta("[::1]:1", Some("::1"));
        let checksum = bytes(&meta, &payload, 2);
        // One's complement: what makes the sum all ones makes the checksum zero.
        payload.copy_from_slice(&checksum[60..62]);
        assert_eq!(bytes(&meta, &payload, 2)[60..62], [0xff, 0xff]);
    }
}
