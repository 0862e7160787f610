//! Datagrams and their circumstances, made of a fuzzer's bytes: few addresses, so that they meet, and the awkward values.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use arbitrary::{Result, Unstructured};
use udpkit::{Delivery, Interface, InterfaceAddress, InterfaceIndex, Interfaces, Meta};

/// An address: one of those that something treats in its own way, most often.
pub(crate) fn ip(bytes: &mut Unstructured<'_>) -> Result<IpAddr> {
    Ok(match bytes.int_in_range(0..=11u8)? {
        0 => Ipv4Addr::LOCALHOST.into(),
        1 => Ipv6Addr::LOCALHOST.into(),
        2 => [10, 0, 0, 255].into(),
        3 => Ipv4Addr::BROADCAST.into(),
        4 => [239, 1, 2, 3].into(),
        5 => [0xfe80, 0, 0, 0, 0, 0, 0, 7].into(),
        6 => Ipv4Addr::UNSPECIFIED.into(),
        7 => [192, 0, 2, 1].into(),
        8 => [10, 0, 0, 2].into(),
        9 => bytes.arbitrary::<[u8; 4]>()?.into(),
        10 => [0xff02, 0, 0, 0, 0, 0, 0, 1].into(),
        _ => bytes.arbitrary::<[u8; 16]>()?.into(),
    })
}

/// A port: any, ours, or one of a few.
pub(crate) fn port(bytes: &mut Unstructured<'_>) -> Result<u16> {
    Ok(match bytes.int_in_range(0..=3u8)? {
        0 => bytes.arbitrary()?,
        1 => 10_000,
        _ => 40_000 + u16::from(bytes.arbitrary::<u8>()? % 4),
    })
}

/// An address and a port, with a scope now and then.
pub(crate) fn source(bytes: &mut Unstructured<'_>) -> Result<SocketAddr> {
    let mut source = SocketAddr::new(ip(bytes)?, port(bytes)?);
    if let SocketAddr::V6(v6) = &mut source
        && bytes.ratio(1, 3)?
    {
        v6.set_scope_id(bytes.int_in_range(0..=3)?);
    }
    Ok(source)
}

/// A time: of these days most often, else any that the system has.
pub(crate) fn time(bytes: &mut Unstructured<'_>) -> Result<SystemTime> {
    let nanoseconds = bytes.int_in_range(0..=999_999_999)?;
    let epoch = SystemTime::UNIX_EPOCH;
    Ok(match bytes.int_in_range(0..=7u8)? {
        0 => epoch
            .checked_add(Duration::new(bytes.arbitrary::<u64>()? >> (1 + bytes.arbitrary::<u8>()? % 40), nanoseconds)),
        1 => epoch
            .checked_sub(Duration::new(bytes.arbitrary::<u64>()? >> (1 + bytes.arbitrary::<u8>()? % 40), nanoseconds)),
        _ => epoch.checked_add(Duration::new(1_700_000_000 + u64::from(bytes.arbitrary::<u8>()?), nanoseconds)),
    }
    .unwrap_or(epoch))
}

/// What the kernel may tell of a datagram, any of it left out.
pub(crate) fn meta(bytes: &mut Unstructured<'_>) -> Result<Meta> {
    let mut meta = Meta::new(source(bytes)?);
    let known: u8 = bytes.arbitrary()?;
    let is_known = |bit: u8| known & 1 << bit != 0;
    meta.delivery = *bytes.choose(&[
        Delivery::Unicast,
        Delivery::Unicast,
        Delivery::Broadcast,
        Delivery::Multicast,
        Delivery::Unknown,
    ])?;
    if is_known(0) {
        meta.destination = Some(ip(bytes)?);
    }
    if is_known(1) {
        meta.local = Some(ip(bytes)?);
    }
    if is_known(2) {
        // The first two are there, the others are not.
        meta.interface = InterfaceIndex::new(bytes.int_in_range(0..=3)?);
    }
    if is_known(3) {
        meta.received = Some(time(bytes)?);
    }
    if is_known(4) {
        meta.hop_limit = Some(bytes.arbitrary()?);
    }
    if is_known(5) {
        meta.traffic_class = Some(bytes.arbitrary()?);
    }
    if is_known(6) && is_known(7) {
        meta.dropped_before = Some(bytes.int_in_range(0..=5)?);
    }
    Ok(meta)
}

/// A payload, short most often.
pub(crate) fn payload(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    Ok(match bytes.int_in_range(0..=9u8)? {
        0 => Vec::new(),
        1 => b"pong".to_vec(),
        2 => vec![bytes.arbitrary()?; usize::from(bytes.arbitrary::<u16>()?)],
        _ => {
            let len = bytes.int_in_range(0..=40usize)?.min(bytes.len());
            bytes.bytes(len)?.to_vec()
        }
    })
}

/// Two interfaces: a network of ours, by this name, and loopback.
pub(crate) fn interfaces(name: &str) -> Interfaces {
    let interface = |name: &str, index: u32, ip: IpAddr, prefix_len: u8, broadcast: Option<Ipv4Addr>| {
        Interface::new(name)
            .index(InterfaceIndex::new(index))
            .up(true)
            .running(true)
            .broadcast(broadcast.is_some())
            .loopback(ip.is_loopback())
            .multicast(broadcast.is_some())
            .mtu(1500)
            .addresses([InterfaceAddress::new(ip, prefix_len).broadcast(broadcast)])
    };
    let broadcast = Some(Ipv4Addr::new(10, 0, 0, 255));
    Interfaces::from_iter([
        interface(name, 1, [10, 0, 0, 2].into(), 24, broadcast),
        interface("lo", 2, Ipv4Addr::LOCALHOST.into(), 8, None),
    ])
}
