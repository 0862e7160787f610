//! Interfaces of systems other than Linux, through the getifaddrs crate.

use std::io;
use std::net::IpAddr;

use getifaddrs::{Address, InterfaceFlags};

use crate::datagram::InterfaceIndex;
use crate::interface::{Changes, Interface, InterfaceAddress, subnet_broadcast};

/// Every interface with its addresses.
pub(crate) fn list() -> io::Result<Vec<Interface>> {
    let mut list: Vec<Interface> = Vec::new();
    for found in getifaddrs::getifaddrs()? {
        let place = list.iter().position(|known| known.name == found.name).unwrap_or_else(|| {
            list.push(Interface {
                name: found.name.clone(),
                index: found.index.and_then(InterfaceIndex::new),
                up: found.flags.contains(InterfaceFlags::UP),
                running: found.flags.contains(InterfaceFlags::RUNNING),
                broadcast: found.flags.contains(InterfaceFlags::BROADCAST),
                loopback: found.flags.contains(InterfaceFlags::LOOPBACK),
                point_to_point: found.flags.contains(InterfaceFlags::POINTTOPOINT),
                multicast: found.flags.contains(InterfaceFlags::MULTICAST),
                mtu: None,
                hardware: None,
                addresses: Vec::new(),
            });
            list.len() - 1
        });
        let interface = &mut list[place];
        let (ip, netmask, associated): (IpAddr, Option<IpAddr>, Option<IpAddr>) = match &found.address {
            Address::V4(v4) => (v4.address.into(), v4.netmask.map(Into::into), v4.associated_address.map(Into::into)),
            Address::V6(v6) => (v6.address.into(), v6.netmask.map(Into::into), None),
            Address::Mac(mac) => {
                interface.hardware = Some(*mac);
                continue;
            }
        };
        let prefix_len = match netmask {
            Some(IpAddr::V4(mask)) => mask.to_bits().leading_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().leading_ones(),
            None => {
                if ip.is_ipv4() {
                    32
                } else {
                    128
                }
            }
        };
        let prefix_len = u8::try_from(prefix_len).unwrap_or(128);
        let broadcast = match (ip, associated) {
            (IpAddr::V4(own), Some(IpAddr::V4(told))) if interface.broadcast && told != own => Some(told),
            (IpAddr::V4(own), _) if interface.broadcast => subnet_broadcast(own, prefix_len),
            _ => None,
        };
        let peer = associated.filter(|_| interface.point_to_point);
        interface.addresses.push(InterfaceAddress { ip, prefix_len, broadcast, peer, tentative: false });
    }
    Ok(list)
}

/// The name of an interface, asked for alone.
pub(crate) fn name(index: InterfaceIndex) -> Option<String> {
    getifaddrs::if_indextoname(index.get()).ok()
}

/// Changes are not watched for on this system.
#[derive(Debug)]
pub(crate) struct Watch;

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes::default()
    }
}
