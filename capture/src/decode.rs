//! From a captured frame to the UDP datagram, or the part of one, that is in it.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use super::counts::Unusable;
use super::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, UDP, UDP_HEADER};

const TCP: u8 = 6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;
/// Tags of virtual networks: 802.1Q, 802.1ad, and two that were used before it.
const VLAN_TAGS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// How frames begin; numbers as in <https://www.tcpdump.org/linktypes.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Ethernet: number 1.
    Ethernet,
    /// The address family, 0 (NULL) and 108 (LOOP), of which the IP header tells as much.
    Loopback,
    /// Nothing before the IP header: 101 (RAW), 12 and 14 (as some systems write it), 228 (IPv4) and 229 (IPv6).
    Raw,
    /// Linux cooked capture, of any interface: 113.
    Cooked,
    /// Linux cooked capture, version 2: 276.
    Cooked2,
    /// Any other kind of network, whose frames nothing is known of.
    Unknown,
}

impl From<u32> for Link {
    fn from(number: u32) -> Self {
        match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::Cooked,
            276 => Self::Cooked2,
            _ => Self::Unknown,
        }
    }
}

/// An IP packet, or a part of one, that may hold UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Address of the sender.
    pub(crate) source: IpAddr,
    /// Address that it goes to.
    pub(crate) destination: IpAddr,
    /// Time to live (IPv4) or hop limit (IPv6) that it has left.
    pub(crate) hop_limit: u8,
    /// Type of service (IPv4) or traffic class (IPv6).
    pub(crate) traffic_class: u8,
    /// What tells apart networks on which the same addresses may be in use: virtual network, Linux's interface number.
    pub(crate) network: u64,
    /// What comes first in the body: UDP, or an IPv6 extension header.
    pub(crate) protocol: u8,
    /// Where in the frame the body stands.
    pub(crate) body: Range<usize>,
    /// Which part it is, if it is not all.
    pub(crate) fragment: Option<Fragment>,
}

/// Which part of a packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The same in all parts.
    pub(crate) identification: u32,
    /// Where it begins, in bytes.
    pub(crate) offset: usize,
    /// Whether other parts come behind it.
    pub(crate) more: bool,
}

/// A UDP header, and where its payload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Udp {
    /// Port of the sender.
    pub(crate) source_port: u16,
    /// Port that it goes to.
    pub(crate) destination_port: u16,
    /// Where in the body the payload stands.
    pub(crate) payload: Range<usize>,
}

/// What ended too soon, or says why there is no datagram.
type Result<T> = std::result::Result<T, Unusable>;

/// Finds the IP packet in a frame. `wire_len` is the frame's length before the capture cut it.
pub(crate) fn packet(link: Link, frame: &[u8], wire_len: usize) -> Result<Packet> {
    let wire_len = wire_len.max(frame.len());
    let (network, at) = link_header(link, frame).map_err(|why| short(why, frame, wire_len))?;
    let mut packet = match frame.get(at).map(|byte| byte >> 4) {
        Some(4) => ipv4(frame, at, wire_len),
        Some(6) => ipv6(frame, at, wire_len),
        Some(_) => Err(Unusable::NotIp),
        None => Err(short(Unusable::BadHeader, frame, wire_len)),
    }?;
    packet.network = network;
    Ok(packet)
}

/// Reads the UDP header of a whole body, behind IPv6 extension headers if there are any.
pub(crate) fn udp(protocol: u8, body: &[u8]) -> Result<Udp> {
    let (protocol, at, fragment) = extensions(protocol, body, 0)?;
    if fragment.is_some() {
        return Err(Unusable::BadHeader);
    }
    check_protocol(protocol)?;
    let len = usize::from(be16(body, at + 4)?);
    if len < UDP_HEADER || at + len > body.len() {
        return Err(Unusable::BadHeader);
    }
    let (source_port, destination_port) = (be16(body, at)?, be16(body, at + 2)?);
    Ok(Udp { source_port, destination_port, payload: at + UDP_HEADER..at + len })
}

/// What is told instead of bad headers where the capture has not all of the frame.
fn short(why: Unusable, frame: &[u8], wire_len: usize) -> Unusable {
    if why == Unusable::BadHeader && frame.len() < wire_len { Unusable::CutShort } else { why }
}

/// The network's number, and where the IP header begins.
fn link_header(link: Link, frame: &[u8]) -> Result<(u64, usize)> {
    match link {
        Link::Ethernet => ethertype(frame, 12, 0),
        Link::Cooked => ethertype(frame, 14, 0),
        // The protocol comes first; all else, the interface's number in it, fills 20 bytes.
        Link::Cooked2 => {
            let interface = u64::from(be16(frame, 4)?) << 16 | u64::from(be16(frame, 6)?);
            match be16(frame, 0)? {
                ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok((interface << 32, 20)),
                tag if VLAN_TAGS.contains(&tag) => tagged(frame, 20, interface << 32),
                _ => Err(Unusable::NotIp),
            }
        }
        Link::Loopback => be16(frame, 2).map(|_| (0, 4)),
        Link::Raw => Ok((0, 0)),
        Link::Unknown => Err(Unusable::UnknownLink),
    }
}

/// What the type field at this place leads to, through tags of virtual networks.
fn ethertype(frame: &[u8], at: usize, network: u64) -> Result<(u64, usize)> {
    match be16(frame, at)? {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Ok((network, at + 2)),
        tag if VLAN_TAGS.contains(&tag) => tagged(frame, at + 2, network),
        _ => Err(Unusable::NotIp),
    }
}

/// What the tag of a virtual network at this place leads to; of two or more, the inner two count.
fn tagged(frame: &[u8], at: usize, network: u64) -> Result<(u64, usize)> {
    let interface = network & 0xffff_ffff_0000_0000;
    let outer = network & 0xffff;
    ethertype(frame, at + 2, interface | outer << 16 | u64::from(be16(frame, at)? & 0xfff))
}

fn ipv4(frame: &[u8], at: usize, wire_len: usize) -> Result<Packet> {
    let short = |why| short(why, frame, wire_len);
    let header: &[u8; 20] = chunk(frame, at).map_err(short)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        // The sending system leaves packets to its network card that are to be cut there.
        0 => wire_len - at,
        len => len,
    };
    if header_len < 20 || total < header_len {
        return Err(Unusable::BadHeader);
    }
    check_protocol(header[9])?;
    let body = at + header_len..at + total;
    let place = u16::from_be_bytes([header[6], header[7]]);
    let fragment = Fragment {
        identification: u16::from_be_bytes([header[4], header[5]]).into(),
        offset: usize::from(place & 0x1fff) * 8,
        more: place & 0x2000 != 0,
    };
    Ok(Packet {
        source: IpAddr::from([header[12], header[13], header[14], header[15]]),
        destination: IpAddr::from([header[16], header[17], header[18], header[19]]),
        hop_limit: header[8],
        traffic_class: header[1],
        network: 0,
        protocol: UDP,
        body: captured(body, frame, wire_len)?,
        fragment: checked(fragment, total - header_len)?,
    })
}

fn ipv6(frame: &[u8], at: usize, wire_len: usize) -> Result<Packet> {
    let short = |why| short(why, frame, wire_len);
    let header: &[u8; 40] = chunk(frame, at).map_err(short)?;
    let end = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        0 => wire_len,
        len => at + 40 + len,
    };
    let known = &frame[..end.min(frame.len())];
    let (protocol, start, fragment) =
        extensions(header[6], known, at + 40).map_err(|why| if end > known.len() { short(why) } else { why })?;
    // Behind a fragment header there may be a part of anything.
    if fragment.is_none() || !is_extension(protocol) {
        check_protocol(protocol)?;
    }
    let body = captured(start..end, frame, wire_len)?;
    let address = |from: usize| -> Result<IpAddr> { Ok(Ipv6Addr::from(*chunk::<16>(header, from)?).into()) };
    Ok(Packet {
        source: address(8)?,
        destination: address(24)?,
        hop_limit: header[7],
        traffic_class: header[0] << 4 | header[1] >> 4,
        network: 0,
        protocol,
        fragment: fragment.map_or(Ok(None), |fragment| checked(fragment, body.len()))?,
        body,
    })
}

/// Passes extension headers, up to a fragment header: what comes then, where, and which part of it that is.
fn extensions(mut protocol: u8, bytes: &[u8], mut at: usize) -> Result<(u8, usize, Option<Fragment>)> {
    while is_extension(protocol) {
        let header: &[u8; 8] = chunk(bytes, at)?;
        let next = header[0];
        if protocol == FRAGMENT {
            let place = u16::from_be_bytes([header[2], header[3]]);
            let identification = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
            let fragment = Fragment { identification, offset: usize::from(place & !7), more: place & 1 != 0 };
            return Ok((next, at + 8, Some(fragment)));
        }
        let words = usize::from(header[1]);
        at += if protocol == AUTHENTICATION { (words + 2) * 4 } else { (words + 1) * 8 };
        protocol = next;
    }
    Ok((protocol, at, None))
}

fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS | MOBILITY | HOST_IDENTITY | SHIM6
    )
}

fn check_protocol(protocol: u8) -> Result<()> {
    match protocol {
        UDP => Ok(()),
        TCP => Err(Unusable::Tcp),
        _ => Err(Unusable::NotUdp),
    }
}

/// The body, if it is all there.
fn captured(body: Range<usize>, frame: &[u8], wire_len: usize) -> Result<Range<usize>> {
    if body.start > body.end {
        return Err(Unusable::BadHeader);
    }
    if body.end > frame.len() { Err(short(Unusable::BadHeader, frame, wire_len)) } else { Ok(body) }
}

/// A fragment that can be one; `None` if it is the whole packet.
fn checked(fragment: Fragment, len: usize) -> Result<Option<Fragment>> {
    let Fragment { offset, more, .. } = fragment;
    if offset == 0 && !more {
        return Ok(None);
    }
    let unaligned = more && !len.is_multiple_of(8);
    if len == 0 || unaligned || offset + len > usize::from(u16::MAX) {
        return Err(Unusable::BadHeader);
    }
    Ok(Some(fragment))
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Result<&[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Unusable::BadHeader)
}

fn be16(bytes: &[u8], at: usize) -> Result<u16> {
    chunk(bytes, at).map(|&two| u16::from_be_bytes(two))
}

#[cfg(test)]
mod tests {
    use super::super::oracle::frame;
    use super::*;

    const V4: [&str; 2] = ["10.0.0.1:4000", "10.0.0.2"];
    const V6: [&str; 2] = ["[fd01::1]:4000", "fd01::2"];

    /// The IP packet of a datagram with this payload.
    fn ip([source, destination]: [&str; 2], payload: &[u8]) -> Vec<u8> {
        frame(source, destination, payload).split_off(14)
    }

    /// The payload in a frame.
    fn payload(link: u32, frame: &[u8]) -> Result<Vec<u8>> {
        let packet = packet(Link::from(link), frame, frame.len())?;
        assert_eq!(packet.fragment, None);
        let body = &frame[packet.body];
        let udp = udp(packet.protocol, body)?;
        assert_eq!((udp.source_port, udp.destination_port), (4000, 5000));
        Ok(body[udp.payload].to_vec())
    }

    fn behind(header: &[u8], packet: &[u8]) -> Vec<u8> {
        [header, packet].concat()
    }

    #[test]
    fn every_known_link_leads_to_the_datagram() {
        for (packet, ethertype, family) in [(ip(V4, b"hello"), [8, 0], 2), (ip(V6, b"hello"), [0x86, 0xdd], 10)] {
            let hardware = [0; 12];
            let found = |link, header: &[&[u8]]| {
                assert_eq!(payload(link, &behind(&header.concat(), &packet)).as_deref(), Ok(&b"hello"[..]), "{link}");
            };
            found(0, &[&[family, 0, 0, 0]]);
            found(0, &[&[0, 0, 0, family]]);
            found(108, &[&[0, 0, 0, family]]);
            found(1, &[&hardware, &ethertype]);
            found(1, &[&hardware, &[0x81, 0, 0x20, 5], &ethertype]);
            found(1, &[&hardware, &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5], &ethertype]);
            found(1, &[&hardware, &[0x91, 0, 0, 7, 0x92, 0, 0, 5, 0x81, 0, 0, 5], &ethertype]);
            found(101, &[]);
            found(12, &[]);
            found(228, &[]);
            found(113, &[&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0], &ethertype]);
            found(113, &[&[0; 14], &[0x81, 0, 0, 5], &ethertype]);
            found(276, &[&ethertype, &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0]]);
            found(276, &[&[0x81, 0], &[0; 18], &[0, 5], &ethertype]);
        }
    }

    #[test]
    fn networks_are_told_apart() {
        let packet_of = |tags: &[u8]| {
            let frame = [&[0; 12], tags, &[8, 0], &ip(V4, b"")].concat();
            packet(Link::Ethernet, &frame, frame.len()).unwrap().network
        };
        let plain = packet_of(&[]);
        let one = packet_of(&[0x81, 0, 0, 1]);
        let two = packet_of(&[0x81, 0, 0, 2]);
        let both = packet_of(&[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2]);
        assert_eq!([plain, one, two, both], [0, 1, 2, 0x1_0002]);
        assert_eq!(packet_of(&[0x81, 0, 0xe0, 1]), one, "the priority is not a part of the number");
    }

    #[test]
    fn what_is_no_datagram_is_told_by_its_reason() {
        let changed = |packet: Vec<u8>, at: usize, byte: u8| {
            let mut packet = packet;
            packet[at] = byte;
            payload(101, &packet)
        };
        assert_eq!(payload(147, &ip(V4, b"")), Err(Unusable::UnknownLink));
        assert_eq!(payload(1, &behind(&[0; 12], &[8, 6, 0, 1])), Err(Unusable::NotIp));
        assert_eq!(payload(1, &behind(&[0; 12], &[0x88, 0x64, 0, 1])), Err(Unusable::NotIp));
        assert_eq!(changed(ip(V4, b""), 0, 0x55), Err(Unusable::NotIp));
        assert_eq!(changed(ip(V4, b""), 9, 6), Err(Unusable::Tcp));
        assert_eq!(changed(ip(V6, b""), 6, 6), Err(Unusable::Tcp));
        assert_eq!(changed(ip(V4, b""), 9, 1), Err(Unusable::NotUdp));
        assert_eq!(changed(ip(V6, b""), 6, 58), Err(Unusable::NotUdp));
        assert_eq!(changed(ip(V4, b""), 0, 0x44), Err(Unusable::BadHeader));
        assert_eq!(changed(ip(V4, b""), 3, 19), Err(Unusable::BadHeader));
        assert_eq!(changed(ip(V4, b""), 25, 7), Err(Unusable::BadHeader));
        assert_eq!(changed(ip(V4, b""), 25, 9), Err(Unusable::BadHeader));
        assert_eq!(payload(101, &[]), Err(Unusable::BadHeader));
    }

    #[test]
    fn a_packet_that_the_capture_cut_is_told_as_such() {
        for ip in [ip(V4, &[1; 100]), ip(V6, &[1; 100])] {
            let whole = behind(&[&[0; 12][..], if ip[0] >> 4 == 4 { &[8, 0] } else { &[0x86, 0xdd] }].concat(), &ip);
            for len in 0..whole.len() {
                let result = packet(Link::Ethernet, &whole[..len], whole.len());
                assert_eq!(result.map(|_| ()), Err(Unusable::CutShort), "{len}");
            }
            // A trailer that was cut is no loss.
            assert!(packet(Link::Ethernet, &whole, whole.len() + 4).is_ok());
        }
    }

    #[test]
    fn what_stands_behind_the_datagram_is_left_out() {
        for family in [V4, V6] {
            let mut frame = frame(family[0], family[1], b"x");
            frame.extend([0xee; 20]);
            assert_eq!(payload(1, &frame), Ok(b"x".to_vec()));
        }
    }

    #[test]
    fn a_packet_without_a_length_reaches_to_its_end() {
        let mut packet = ip(V4, b"hello");
        (packet[2], packet[3]) = (0, 0);
        assert_eq!(payload(101, &packet), Ok(b"hello".to_vec()));
    }

    #[test]
    fn extension_headers_are_passed() {
        let plain = ip(V6, b"hello");
        let with = |first: u8, headers: &[u8]| {
            let mut packet = [&plain[..40], headers, &plain[40..]].concat();
            packet[5] += u8::try_from(headers.len()).unwrap();
            packet[6] = first;
            payload(101, &packet)
        };
        assert_eq!(with(0, &[17, 0, 1, 4, 0, 0, 0, 0]), Ok(b"hello".to_vec()));
        assert_eq!(
            with(60, &[[43, 0], [17, 0]].map(|[next, len]| [next, len, 0, 0, 0, 0, 0, 0]).concat()),
            Ok(b"hello".to_vec())
        );
        assert_eq!(with(51, &[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Ok(b"hello".to_vec()));
        // An atomic fragment is a whole packet (RFC 6946).
        assert_eq!(with(44, &[17, 0, 0, 0, 0, 0, 0, 9]), Ok(b"hello".to_vec()));
        assert_eq!(with(44, &[44, 0, 0, 0, 0, 0, 0, 9, 17, 0, 0, 0, 0, 0, 0, 9]), Err(Unusable::BadHeader));
        assert_eq!(with(0, &[17, 255, 0, 0, 0, 0, 0, 0]), Err(Unusable::BadHeader));
        assert_eq!(with(0, &[59, 0, 0, 0, 0, 0, 0, 0]), Err(Unusable::NotUdp));
    }
}
