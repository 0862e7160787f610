//! From a captured frame to the UDP datagram, the part of one, or the tunnel that is in it.

use std::net::IpAddr;
use std::ops::Range;

use super::counts::Unusable;
use super::field::{Result, be16, chunk, short};
use super::frame::{UDP, UDP_HEADER};
use super::link::{self, Layer, Link, within};
use super::network::{self, GRE, Packet, behind_extensions, check_protocol};

/// Ports of VXLAN: RFC 7348's, and the one that Linux took before there was that.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
/// Type in GRE of a copy of an Ethernet frame (ERSPAN), and of one behind a longer header (its version III).
const ERSPAN: [u16; 2] = [0x88be, 0x22eb];
/// Length of VXLAN's header in bytes.
const VXLAN_HEADER: usize = 8;

/// A UDP header, and where its payload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Udp {
    /// Port of the sender.
    pub(crate) source_port: u16,
    /// Port that it goes to.
    pub(crate) destination_port: u16,
    /// Where in the body the payload stands.
    pub(crate) payload: Range<usize>,
    /// Whether the payload is VXLAN, with an Ethernet frame in it.
    pub(crate) is_vxlan: bool,
}

/// What a whole body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A UDP datagram.
    Datagram(Udp),
    /// A tunnel, and in it a frame or packet.
    Tunnel {
        /// What it begins with.
        layer: Layer,
        /// Where in the body.
        at: usize,
        /// The tunnel's number among those of its two ends.
        number: u64,
    },
}

/// Finds the IP packet in bytes that begin with this layer, on this network. `wire_len` is their length before the capture
/// cut them. A tunnel is an error, its kind, unless tunnels are opened.
pub(crate) fn packet(layer: Layer, network: u64, bytes: &[u8], wire_len: usize, opens: bool) -> Result<Packet> {
    let wire_len = wire_len.max(bytes.len());
    let (network, at) = link::ip(layer, network, bytes).map_err(|why| short(why, bytes, wire_len))?;
    Ok(Packet { network, ..network::packet(bytes, at, wire_len, opens)? })
}

/// Reads the header in a whole body, behind IPv6 extension headers if there are any: of UDP or, where tunnels are opened, of
/// a tunnel.
pub(crate) fn content(protocol: u8, body: &[u8], opens: bool) -> Result<Content> {
    let (protocol, at) = behind_extensions(protocol, body)?;
    check_protocol(protocol, opens)?;
    match protocol {
        UDP => {
            let udp = udp(body, at)?;
            if !(opens && udp.is_vxlan) {
                return Ok(Content::Datagram(udp));
            }
            let at = udp.payload.start;
            let number = u64::from(u32::from_be_bytes(*chunk(body, at + 4)?) >> 8);
            Ok(Content::Tunnel { layer: Layer::Link(Link::Ethernet), at: at + VXLAN_HEADER, number })
        }
        GRE => gre(body, at),
        // IP in IP has no header of its own.
        _ => Ok(Content::Tunnel { layer: Layer::Ip, at, number: 0 }),
    }
}

fn udp(body: &[u8], at: usize) -> Result<Udp> {
    let len = usize::from(be16(body, at + 4)?);
    if len < UDP_HEADER || at + len > body.len() {
        return Err(Unusable::BadHeader);
    }
    let (source_port, destination_port) = (be16(body, at)?, be16(body, at + 2)?);
    let payload = at + UDP_HEADER..at + len;
    // The number's bit is set, and all that is reserved is not: hardly anything else looks like that. A group's number may
    // be there (draft-smith-vxlan-group-policy), which has two flags of its own.
    let header = body[payload.clone()].first_chunk::<VXLAN_HEADER>();
    let is_vxlan = VXLAN_PORTS.contains(&destination_port)
        && matches!(header, Some([8, 0, 0, 0, _, _, _, 0] | [0x88, 0 | 0x08 | 0x40 | 0x48, _, _, _, _, _, 0]));
    Ok(Udp { source_port, destination_port, payload, is_vxlan })
}

/// GRE's header (RFC 2784, RFC 2890), or the one of its version that is made for PPP (RFC 2637).
fn gre(body: &[u8], at: usize) -> Result<Content> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    const VERSION: u16 = 0x0007;
    let flags = be16(body, at)?;
    let layer = Layer::Type(be16(body, at + 2)?);
    let present = |flag| if flags & flag == 0 { 0 } else { 4 };
    let key = at + 4 + present(CHECKSUM);
    let number = if flags & KEY == 0 { 0 } else { u32::from_be_bytes(*chunk(body, key)?).into() };
    let end = key + present(KEY) + present(SEQUENCE);
    let (layer, end) = match layer {
        Layer::Type(kind) if ERSPAN.contains(&kind) => {
            (Layer::Link(Link::Ethernet), end + erspan(kind, flags & SEQUENCE != 0, body, end)?)
        }
        layer => (layer, end),
    };
    match flags & VERSION {
        // Routes in the header are long gone (RFC 2784 section 2.3), and of any length.
        0 if flags & ROUTING == 0 => Ok(Content::Tunnel { layer, at: end, number }),
        // The upper half of the key is a length.
        1 => Ok(Content::Tunnel { layer, at: end + present(ACKNOWLEDGEMENT), number: number & 0xffff }),
        _ => Err(Unusable::BadHeader),
    }
}

/// Length of ERSPAN's header: none in its version I, which has no sequence number before it.
fn erspan(kind: u16, has_sequence: bool, body: &[u8], at: usize) -> Result<usize> {
    Ok(match (kind == ERSPAN[0], has_sequence) {
        (true, false) => 0,
        (true, true) => 8,
        // The last bit says that a part for one platform follows.
        (false, _) if chunk::<12>(body, at)?[11] & 1 == 1 => 20,
        (false, _) => 12,
    })
}

/// The number of the network in a tunnel: its ends tell it apart from others, and its own number from others between them.
pub(crate) fn tunnelled(packet: &Packet, number: u64) -> u64 {
    let numbers = |ip| match ip {
        IpAddr::V4(v4) => vec![u64::from(v4.to_bits())],
        IpAddr::V6(v6) => v6.segments().map(u64::from).to_vec(),
    };
    let ends = [numbers(packet.source), numbers(packet.destination)].concat();
    ends.into_iter().chain([number]).fold(packet.network, within)
}

#[cfg(test)]
mod tests {
    use super::super::oracle::frame;
    use super::*;

    /// The IP packet in a frame.
    fn packet(link: Link, frame: &[u8], wire_len: usize) -> Result<Packet> {
        super::packet(Layer::Link(link), 0, frame, wire_len, false)
    }

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
        let Content::Datagram(udp) = content(packet.protocol, body, false)? else { panic!("no tunnel is opened") };
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
        assert_eq!(payload(1, &behind(&[0; 12], &[0x88, 0x63, 0, 1])), Err(Unusable::NotIp));
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
