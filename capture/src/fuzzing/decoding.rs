//! Decoding: what is found in a frame is in it, a cut frame lies about nothing, and another program finds the same.

use std::net::IpAddr;

use arbitrary::{Result, Unstructured};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::frame::{LINKS, frame};
use crate::counts::Unusable;
use crate::decode::{Content, content};
use crate::field;
use crate::link::{Layer, Link};
use crate::network::Packet;

/// The longest IP packet.
const LONGEST: usize = 65_535;

/// Decodes bytes as a frame, or a frame that is made of them.
pub fn decoding(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    // Bytes that are too few for a frame make no case.
    if let Ok((link, frame, extra)) = case(&mut bytes) {
        check(link, &frame, frame.len() + extra);
        for protocol in [17, 0, 43, 44, 51, 60, 4, 41, 47] {
            open(protocol, &frame, 8);
        }
    }
}

/// The packet of a frame, tunnels included.
fn packet(link: Link, frame: &[u8], wire_len: usize) -> field::Result<Packet> {
    crate::decode::packet(Layer::Link(link), 0, frame, wire_len, true)
}

/// Opens tunnels in tunnels: all that is found is there.
fn open(protocol: u8, body: &[u8], depth: u32) {
    match content(protocol, body, true) {
        Ok(Content::Datagram(udp)) => {
            assert!(udp.payload.start <= udp.payload.end && udp.payload.end <= body.len());
            assert!(!udp.is_vxlan);
        }
        Ok(Content::Tunnel { layer, at, .. }) if depth > 0 => {
            let inner = body.get(at..).unwrap_or_default();
            if let Ok(packet) = crate::decode::packet(layer, 1, inner, inner.len(), true) {
                open(packet.protocol, &inner[packet.body], depth - 1);
            }
        }
        Ok(Content::Tunnel { .. }) | Err(_) => {}
    }
}

fn case(bytes: &mut Unstructured<'_>) -> Result<(u32, Vec<u8>, usize)> {
    let link = *bytes.choose(&LINKS)?;
    let extra = usize::from(bytes.arbitrary::<u8>()?).saturating_sub(223);
    let frame = if bytes.arbitrary()? { frame(bytes, link)? } else { bytes.bytes(bytes.len())?.to_vec() };
    Ok((link, frame, extra))
}

/// What both programs say of a datagram.
#[derive(Debug, PartialEq, Eq)]
struct Found<'a> {
    addresses: [IpAddr; 2],
    ports: [u16; 2],
    hop_limit: u8,
    traffic_class: u8,
    payload: &'a [u8],
}

fn check(link: u32, frame: &[u8], wire_len: usize) {
    let whole = packet(Link::from(link), frame, wire_len);
    if let Ok(whole) = &whole {
        assert!(whole.body.start <= whole.body.end && whole.body.end <= frame.len());
        if let Some(fragment) = whole.fragment {
            assert!(!whole.body.is_empty() && fragment.offset + whole.body.len() <= LONGEST);
        }
        for len in [frame.len() / 2, frame.len().saturating_sub(1)] {
            let cut = packet(Link::from(link), &frame[..len], wire_len);
            assert!(cut == Err(Unusable::CutShort) || cut.as_ref() == Ok(whole), "{cut:?} of {whole:?}");
        }
    }
    if let (Some(ours), Some(theirs)) = (ours(link, frame, wire_len), theirs(link, frame)) {
        assert_eq!(ours, theirs);
    }
}

fn ours(link: u32, frame: &[u8], wire_len: usize) -> Option<Found<'_>> {
    let packet = packet(Link::from(link), frame, wire_len).ok()?;
    if packet.fragment.is_some() {
        return None;
    }
    let body = &frame[packet.body];
    let Ok(Content::Datagram(udp)) = content(packet.protocol, body, false) else { return None };
    Some(Found {
        addresses: [packet.source, packet.destination],
        ports: [udp.source_port, udp.destination_port],
        hop_limit: packet.hop_limit,
        traffic_class: packet.traffic_class,
        payload: &body[udp.payload],
    })
}

fn theirs(link: u32, frame: &[u8]) -> Option<Found<'_>> {
    let packet = match link {
        1 => SlicedPacket::from_ethernet(frame),
        101 | 228 => SlicedPacket::from_ip(frame),
        _ => return None,
    }
    .ok()?;
    let Some(TransportSlice::Udp(udp)) = packet.transport else { return None };
    let (addresses, hop_limit, traffic_class) = match packet.net? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            let addresses = [header.source_addr().into(), header.destination_addr().into()];
            (addresses, header.ttl(), header.slice()[1])
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            let addresses = [header.source_addr().into(), header.destination_addr().into()];
            (addresses, header.hop_limit(), header.traffic_class())
        }
        NetSlice::Arp(_) => return None,
    };
    // There, a length of 0 reaches to the end.
    (udp.length() >= 8).then_some(Found {
        addresses,
        ports: [udp.source_port(), udp.destination_port()],
        hop_limit,
        traffic_class,
        payload: udp.payload(),
    })
}
