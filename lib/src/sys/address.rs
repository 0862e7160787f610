//! Socket addresses to and from the bytes that Linux uses (`ip(7)`, `ipv6(7)`), without casts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Room for the larger of `sockaddr_in` (16 bytes) and `sockaddr_in6` (28).
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct RawAddress(pub(crate) [u8; ADDRESS_LEN]);

/// Length of `sockaddr_in6`.
const ADDRESS_LEN: usize = 28;
/// `AF_INET` and `AF_INET6`, as wide as they stand in an address.
const FAMILY_V4: u16 = 2;
const FAMILY_V6: u16 = 10;

impl RawAddress {
    /// The same, as the system counts.
    pub(crate) const SOCKLEN: libc::socklen_t = 28;
    pub(crate) const EMPTY: Self = Self([0; ADDRESS_LEN]);

    /// Writes the address and returns its length in bytes.
    pub(crate) fn write(&mut self, address: SocketAddr) -> u32 {
        let bytes = &mut self.0;
        match address {
            SocketAddr::V4(v4) => {
                bytes[0..2].copy_from_slice(&FAMILY_V4.to_ne_bytes());
                bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&v4.ip().octets());
                bytes[8..16].fill(0);
                16
            }
            SocketAddr::V6(v6) => {
                bytes[0..2].copy_from_slice(&FAMILY_V6.to_ne_bytes());
                bytes[2..4].copy_from_slice(&v6.port().to_be_bytes());
                bytes[4..8].copy_from_slice(&v6.flowinfo().to_be_bytes());
                bytes[8..24].copy_from_slice(&v6.ip().octets());
                bytes[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                28
            }
        }
    }

    /// The address in the first `len` bytes; `None` for another family or a length too short.
    pub(crate) fn read(&self, len: usize) -> Option<SocketAddr> {
        parse(self.0.get(..len.min(28))?)
    }
}

/// Parses a `sockaddr_in` or `sockaddr_in6`; longer input (a `sockaddr_storage`) is fine.
pub(crate) fn parse(bytes: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    match family {
        FAMILY_V4 => {
            let octets: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into())
        }
        FAMILY_V6 => {
            let flow = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
            let octets: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            let scope = u32::from_ne_bytes(*bytes.get(24..)?.first_chunk()?);
            Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope).into())
        }
        _ => None,
    }
}

/// The address of `ip` in a `sockaddr_storage`, as `MCAST_JOIN_GROUP` wants it.
pub(crate) fn storage(ip: IpAddr) -> [u8; 128] {
    let mut raw = RawAddress::EMPTY;
    raw.write(SocketAddr::new(ip, 0));
    let mut bytes = [0; 128];
    bytes[..28].copy_from_slice(&raw.0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_address_survives_the_round_trip(ip: IpAddr, port: u16, scope: u32) {
            let address = match ip {
                IpAddr::V4(_) => SocketAddr::new(ip, port),
                IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
            };
            let mut raw = RawAddress::EMPTY;
            let len = raw.write(address) as usize;
            prop_assert_eq!(raw.read(len), Some(address));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
