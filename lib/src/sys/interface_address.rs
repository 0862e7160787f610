//! Interfaces and their addresses from what Linux says of them, however it was asked.

use std::net::{IpAddr, Ipv4Addr};

use crate::datagram::InterfaceIndex;
use crate::interface::{Interface, InterfaceAddress, subnet_broadcast};

/// An interface with these flags (`netdevice(7)`), as far as they say what it is.
pub(crate) fn interface(name: &str, index: Option<InterfaceIndex>, flags: i32) -> Interface {
    Interface {
        index,
        up: flags & libc::IFF_UP != 0,
        running: flags & libc::IFF_RUNNING != 0,
        broadcast: flags & libc::IFF_BROADCAST != 0,
        loopback: flags & libc::IFF_LOOPBACK != 0,
        point_to_point: flags & libc::IFF_POINTOPOINT != 0,
        multicast: flags & libc::IFF_MULTICAST != 0,
        ..Interface::new(name)
    }
}

/// What the kernel says of an address.
#[derive(Default)]
pub(crate) struct Parsed {
    pub(super) local: Option<IpAddr>,
    /// The address whose prefix is the network's: the peer's, where there is one.
    pub(super) network: Option<IpAddr>,
    pub(super) broadcast: Option<Ipv4Addr>,
    pub(super) prefix_len: u8,
    pub(super) tentative: bool,
}

impl Parsed {
    /// What was learned in another way. `network` is the peer's address, where there is one; else our own.
    pub(crate) fn new(
        local: IpAddr,
        network: IpAddr,
        broadcast: Option<Ipv4Addr>,
        prefix_len: u8,
        tentative: bool,
    ) -> Self {
        Self { local: Some(local), network: Some(network), broadcast, prefix_len, tentative }
    }

    /// The address, with the broadcast address that the kernel routes as one (`fib_add_ifaddr`).
    pub(crate) fn finish(self, can_broadcast: bool) -> InterfaceAddress {
        let network = self.network.or(self.local);
        let ip = self.local.or(self.network).expect("parsing makes sure of one of the two");
        let told = self.broadcast.filter(|told| !told.is_broadcast() && !told.is_unspecified());
        let broadcast = match network {
            Some(IpAddr::V4(network)) if can_broadcast => told.or_else(|| subnet_broadcast(network, self.prefix_len)),
            _ => None,
        };
        let peer = network.filter(|network| *network != ip);
        InterfaceAddress { ip, prefix_len: self.prefix_len, broadcast, peer, tentative: self.tentative }
    }
}

/// Whether an address with these flags cannot be used yet, or never: another host has it.
pub(crate) fn is_tentative(flags: u32) -> bool {
    flags & (libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED) != 0
}
