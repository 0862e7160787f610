//! Interfaces: names, addresses, and the broadcast addresses that the kernel really uses.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::datagram::InterfaceIndex;
use crate::setters::setters;

/// A network interface and its addresses.
///
/// ```
/// use udpkit::{Interface, InterfaceAddress, Interfaces, subnet_broadcast};
///
/// // The interfaces of a host that is not there, for a test.
/// let address = InterfaceAddress::new([192, 0, 2, 1].into(), 24).broadcast(subnet_broadcast([192, 0, 2, 1].into(), 24));
/// let interfaces = Interfaces::from_iter([Interface::new("eth0").up(true).broadcast(true).addresses([address])]);
/// assert!(interfaces.is_broadcast([192, 0, 2, 255].into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the system's flags")]
#[non_exhaustive]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// The system's number for it.
    pub index: Option<InterfaceIndex>,
    /// Switched on.
    pub up: bool,
    /// Switched on and connected.
    pub running: bool,
    /// Can broadcast.
    pub broadcast: bool,
    /// Leads back to this host.
    pub loopback: bool,
    /// Leads to one other host: a tunnel, most often.
    pub point_to_point: bool,
    /// Can multicast.
    pub multicast: bool,
    /// The largest IP datagram it takes without fragmenting, in bytes.
    pub mtu: Option<u32>,
    /// Its hardware (MAC) address.
    pub hardware: Option<[u8; 6]>,
    /// Its IP addresses.
    pub addresses: Vec<InterfaceAddress>,
}

setters! { Interface {
    into name: String,
    into index: Option<InterfaceIndex>,
    up: bool,
    running: bool,
    broadcast: bool,
    loopback: bool,
    point_to_point: bool,
    multicast: bool,
    into mtu: Option<u32>,
    into hardware: Option<[u8; 6]>,
    into addresses: Vec<InterfaceAddress>,
}}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceAddress {
    /// Our address.
    pub ip: IpAddr,
    /// Length of the network's prefix in bits.
    pub prefix_len: u8,
    /// The network's broadcast address; `None` on IPv6, on /31 and /32 (RFC 3021), and where the interface cannot broadcast.
    pub broadcast: Option<Ipv4Addr>,
    /// The host at the other end, where the address names one.
    pub peer: Option<IpAddr>,
    /// Not usable yet: the system is making sure that no other host has it (RFC 4862).
    pub tentative: bool,
}

setters! { InterfaceAddress {
    ip: IpAddr,
    prefix_len: u8,
    into broadcast: Option<Ipv4Addr>,
    into peer: Option<IpAddr>,
    tentative: bool,
}}

impl InterfaceAddress {
    /// An address that can be used, in a network without a broadcast address.
    #[must_use]
    pub fn new(ip: IpAddr, prefix_len: u8) -> Self {
        Self { ip, prefix_len, broadcast: None, peer: None, tentative: false }
    }
}

impl Interface {
    /// An interface of this name that is switched off, and of which nothing else is known: for tests and simulations.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            index: None,
            up: false,
            running: false,
            broadcast: false,
            loopback: false,
            point_to_point: false,
            multicast: false,
            mtu: None,
            hardware: None,
            addresses: Vec::new(),
        }
    }

    /// The addresses to which datagrams are broadcasts on this interface.
    fn broadcasts(&self) -> impl Iterator<Item = Ipv4Addr> {
        // Besides the address that it was given, Linux takes that of all ones, on loopback too.
        self.addresses.iter().flat_map(|address| {
            let all_ones = match address.peer.unwrap_or(address.ip) {
                IpAddr::V4(network) if self.broadcast || self.loopback => subnet_broadcast(network, address.prefix_len),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            };
            address.broadcast.into_iter().chain(all_ones)
        })
    }

    /// One that is known by this alone, where interfaces cannot be listed: the system chooses where it has no number.
    pub(crate) fn unlisted(index: Option<InterfaceIndex>) -> Self {
        Self {
            name: index.map_or_else(|| "any interface".to_owned(), |index| format!("interface {index}")),
            index,
            up: true,
            running: true,
            broadcast: false,
            loopback: false,
            point_to_point: false,
            multicast: true,
            mtu: None,
            hardware: None,
            addresses: Vec::new(),
        }
    }

    /// Whether an address is of a network that this interface is on.
    pub(crate) fn is_attached_to(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| {
            let network = address.peer.unwrap_or(address.ip);
            crate::Network::new(network, address.prefix_len).is_some_and(|network| network.contains(ip))
        })
    }

    /// Whether its MTU is large enough for IPv6. Linux takes IPv6 off an interface whose MTU becomes too small, loopback apart.
    pub(crate) fn takes_ipv6(&self) -> bool {
        self.loopback || self.mtu.is_none_or(|mtu| mtu >= MIN_MTU_V6)
    }

    /// Its link-local IPv6 address, if it has one that can be used.
    #[must_use]
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|address| match address.ip {
            IpAddr::V6(v6) if v6.is_unicast_link_local() && !address.tentative => Some(v6),
            _ => None,
        })
    }
}

/// The least MTU of an interface with IPv6, in bytes (RFC 8200 section 5).
pub(crate) const MIN_MTU_V6: u32 = 1280;

/// What the system said of interfaces since it was asked last, however they are now.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Whether anything changed.
    pub(crate) any: bool,
    /// Those that were removed.
    pub(crate) removed: HashSet<InterfaceIndex>,
    /// Those from which IPv6 was taken.
    pub(crate) without_ipv6: HashSet<InterfaceIndex>,
    /// Whether the system had more to say than it kept: of anything.
    pub(crate) has_gaps: bool,
}

impl Changes {
    /// Adds what was said later.
    pub(crate) fn add(&mut self, later: Self) {
        self.any |= later.any;
        self.removed.extend(later.removed);
        self.without_ipv6.extend(later.without_ipv6);
        self.has_gaps |= later.has_gaps;
    }
}

/// The interfaces of this host at one moment.
///
/// ```
/// use udpkit::Interfaces;
///
/// # fn main() -> udpkit::Result<()> {
/// let interfaces = Interfaces::list()?;
/// for interface in interfaces.iter().filter(|interface| interface.up && interface.broadcast) {
///     for address in &interface.addresses {
///         println!("{}: {}/{}, broadcasts to {:?}", interface.name, address.ip, address.prefix_len, address.broadcast);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    list: Vec<Interface>,
}

impl Interfaces {
    /// The interfaces, in the system's order.
    pub fn iter(&self) -> std::slice::Iter<'_, Interface> {
        self.list.iter()
    }

    /// Whether there are none. Every system has one at least: it could not be asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The interface of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Interface> {
        self.list.iter().find(|interface| interface.name == name)
    }

    /// The interface of this number.
    #[must_use]
    pub fn numbered(&self, index: InterfaceIndex) -> Option<&Interface> {
        self.list.iter().find(|interface| interface.index == Some(index))
    }

    /// Whether an address is one of this host's; all of 127.0.0.0/8 is.
    #[must_use]
    pub fn is_ours(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.addresses().any(|address| address.ip == ip)
    }

    /// Whether an address is the broadcast address of an attached network, or 255.255.255.255.
    #[must_use]
    pub fn is_broadcast(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => v4.is_broadcast() || self.broadcasts().any(|broadcast| broadcast == v4),
            IpAddr::V6(_) => false,
        }
    }

    /// The broadcast addresses of the attached networks.
    pub(crate) fn broadcasts(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.list.iter().flat_map(Interface::broadcasts)
    }

    fn addresses(&self) -> impl Iterator<Item = &InterfaceAddress> {
        self.list.iter().flat_map(|interface| &interface.addresses)
    }
}

impl FromIterator<Interface> for Interfaces {
    fn from_iter<T: IntoIterator<Item = Interface>>(iter: T) -> Self {
        Self { list: iter.into_iter().collect() }
    }
}

impl<'a> IntoIterator for &'a Interfaces {
    type Item = &'a Interface;
    type IntoIter = std::slice::Iter<'a, Interface>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The broadcast address of a network, all host bits ones (RFC 919); none on /31 and /32.
#[must_use]
pub fn subnet_broadcast(network: Ipv4Addr, prefix_len: u8) -> Option<Ipv4Addr> {
    let host_bits = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
    (prefix_len < 31).then(|| Ipv4Addr::from_bits(network.to_bits() | host_bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcast_addresses_of_networks() {
        let of = |network: [u8; 4], prefix_len| subnet_broadcast(network.into(), prefix_len);
        assert_eq!(of([10, 9, 0, 1], 24), Some([10, 9, 0, 255].into()));
        assert_eq!(of([10, 9, 3, 1], 22), Some([10, 9, 3, 255].into()));
        assert_eq!(of([10, 9, 0, 1], 30), Some([10, 9, 0, 3].into()));
        assert_eq!(of([10, 9, 0, 1], 0), Some([255, 255, 255, 255].into()));
        assert_eq!(of([10, 9, 0, 1], 31), None);
        assert_eq!(of([10, 9, 0, 1], 32), None);
        assert_eq!(of([10, 9, 0, 1], 255), None);
    }
}
