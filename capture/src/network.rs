//! IPv4 and IPv6: the packet, or the part of one, that begins at a place in a frame.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use super::counts::Unusable;
use super::field::{Result, chunk, short};
use super::frame::UDP;

/// Protocol number of IPv4 in a packet of IP (RFC 2003).
pub(crate) const IPV4_IN_IP: u8 = 4;
/// Protocol number of IPv6 in a packet of IP (RFC 4213, RFC 2473).
pub(crate) const IPV6_IN_IP: u8 = 41;
/// Protocol number of GRE (RFC 2784).
pub(crate) const GRE: u8 = 47;
const TCP: u8 = 6;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

/// An IP packet, or a part of one, that may hold UDP or, where tunnels are opened, a tunnel.
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
    /// What tells apart networks on which the same addresses may be in use: virtual network, tunnel, Linux's interface number.
    pub(crate) network: u64,
    /// What comes first in the body: UDP, a tunnel, or an IPv6 extension header.
    pub(crate) protocol: u8,
    /// Its length with its headers, in bytes.
    pub(crate) len: usize,
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

/// Reads the headers of the packet at this place; a tunnel is an error unless tunnels are opened.
pub(crate) fn packet(frame: &[u8], at: usize, wire_len: usize, opens: bool) -> Result<Packet> {
    match frame.get(at).map(|byte| byte >> 4) {
        Some(4) => ipv4(frame, at, wire_len, opens),
        Some(6) => ipv6(frame, at, wire_len, opens),
        Some(_) => Err(Unusable::NotIp),
        None => Err(short(Unusable::BadHeader, frame, wire_len)),
    }
}

fn ipv4(frame: &[u8], at: usize, wire_len: usize, opens: bool) -> Result<Packet> {
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
    if header[9] != AUTHENTICATION {
        check_protocol(header[9], opens)?;
    }
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
        protocol: header[9],
        len: total,
        body: captured(body, frame, wire_len)?,
        fragment: checked(fragment, total - header_len)?,
    })
}

fn ipv6(frame: &[u8], at: usize, wire_len: usize, opens: bool) -> Result<Packet> {
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
        check_protocol(protocol, opens)?;
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
        len: end - at,
        fragment: fragment.map_or(Ok(None), |fragment| checked(fragment, body.len()))?,
        body,
    })
}

/// Passes the IPv6 extension headers at the beginning of a whole body: what comes then, and where.
pub(crate) fn behind_extensions(protocol: u8, body: &[u8]) -> Result<(u8, usize)> {
    match extensions(protocol, body, 0)? {
        (protocol, at, None) => Ok((protocol, at)),
        // A part cannot be a part's whole.
        (_, _, Some(_)) => Err(Unusable::BadHeader),
    }
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

/// Why a packet of this protocol holds nothing for us, if it does not.
pub(crate) fn check_protocol(protocol: u8, opens: bool) -> Result<()> {
    match protocol {
        UDP => Ok(()),
        TCP => Err(Unusable::Tcp),
        GRE | IPV4_IN_IP | IPV6_IN_IP if opens => Ok(()),
        GRE => Err(Unusable::InsideGre),
        IPV4_IN_IP => Err(Unusable::InsideIpip),
        IPV6_IN_IP => Err(Unusable::Inside6in4),
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
