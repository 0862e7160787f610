//! The addresses of this host, and the broadcast addresses of its networks: what tells a broadcast from a unicast, and which address
//! of ours is to answer, where the system gives no more than the destination.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::interfaces;
use crate::datagram::{Delivery, InterfaceIndex, Meta};
use crate::interface::{Interface, InterfaceAddress, subnet_broadcast};

/// The interfaces are listed again for a datagram that they do not explain, but not more often than this.
const PAUSE: Duration = Duration::from_secs(1);

/// The interfaces as they were listed last, and when.
static LISTED: RwLock<(Option<Instant>, Vec<Interface>)> = RwLock::new((None, Vec::new()));

/// Tells, from the destination and the interface, how a datagram was delivered and which address of ours is to answer it.
pub(super) fn fill_in(meta: &mut Meta) {
    let Some(destination) = meta.destination else { return };
    let explained = match destination {
        // Which of the interface's addresses answers a multicast is for the routing table to say.
        IpAddr::V6(v6) if v6.is_multicast() => Some((Delivery::Multicast, None)),
        IpAddr::V6(_) => Some((Delivery::Unicast, Some(destination))),
        IpAddr::V4(v4) => look_up(|interfaces| explain(interfaces, v4, meta.interface)),
    };
    // An interface that came a moment ago is not listed yet.
    let unexplained = if destination.is_multicast() { Delivery::Multicast } else { Delivery::Unknown };
    (meta.delivery, meta.local) = explained.unwrap_or((unexplained, None));
}

/// An address of IPv4 that this interface has.
pub(super) fn of_interface(index: InterfaceIndex) -> Option<Ipv4Addr> {
    look_up(|interfaces| address_of(interfaces, index, None))
}

/// Looks among the interfaces, and once more after they were listed again.
fn look_up<T>(look: impl Fn(&[Interface]) -> Option<T>) -> Option<T> {
    {
        let listed = LISTED.read().unwrap_or_else(PoisonError::into_inner);
        let found = listed.0.and_then(|_| look(&listed.1));
        if found.is_some() {
            return found;
        }
    }
    let mut listed = LISTED.write().unwrap_or_else(PoisonError::into_inner);
    #[expect(clippy::disallowed_methods, reason = "how old a list is")]
    let now = Instant::now();
    if listed.0.is_none_or(|then| now.saturating_duration_since(then) >= PAUSE) {
        *listed = (Some(now), interfaces::list().unwrap_or_default());
    }
    look(&listed.1)
}

fn explain(
    interfaces: &[Interface],
    destination: Ipv4Addr,
    index: Option<InterfaceIndex>,
) -> Option<(Delivery, Option<IpAddr>)> {
    let addresses = || interfaces.iter().flat_map(|interface| &interface.addresses);
    let of_index = |broadcast| index.and_then(|index| address_of(interfaces, index, broadcast)).map(IpAddr::from);
    if destination.is_multicast() {
        return of_index(None).map(|local| (Delivery::Multicast, Some(local)));
    }
    if addresses().any(|address| address.ip == IpAddr::V4(destination)) {
        return Some((Delivery::Unicast, Some(destination.into())));
    }
    let is_broadcast = destination.is_broadcast() || addresses().any(|address| is_broadcast_of(address, destination));
    if destination.is_loopback() && !is_broadcast {
        // All of its network is this host.
        return Some((Delivery::Unicast, Some(destination.into())));
    }
    is_broadcast.then(|| (Delivery::Broadcast, of_index(Some(destination))))
}

/// Whether this is the broadcast address of an address's network. Loopback interfaces have none, and yet Linux delivers to it.
fn is_broadcast_of(address: &InterfaceAddress, destination: Ipv4Addr) -> bool {
    match address.ip {
        IpAddr::V4(own) if own.is_loopback() => subnet_broadcast(own, address.prefix_len) == Some(destination),
        _ => address.broadcast == Some(destination),
    }
}

/// The first address of IPv4 of an interface, of those with this broadcast address if there are any.
fn address_of(interfaces: &[Interface], index: InterfaceIndex, broadcast: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let interface = interfaces.iter().find(|interface| interface.index == Some(index))?;
    let v4 = || {
        interface.addresses.iter().filter_map(|address| match address.ip {
            IpAddr::V4(v4) => Some((v4, address.broadcast)),
            IpAddr::V6(_) => None,
        })
    };
    let on_network = v4().find(|(_, theirs)| broadcast.is_some() && *theirs == broadcast);
    on_network.or_else(|| v4().next()).map(|(v4, _)| v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: [u8; 4]) -> IpAddr {
        IpAddr::from(last)
    }

    #[test]
    fn broadcasts_are_told_from_unicasts_and_answered_from_the_address_on_their_network() {
        let address = |ip, broadcast: [u8; 4]| InterfaceAddress::new(v4(ip), 24).broadcast(Ipv4Addr::from(broadcast));
        let mut eth0 = Interface::new("eth0").addresses([
            InterfaceAddress::new("fd01::1".parse().unwrap(), 64),
            address([10, 1, 0, 1], [10, 1, 0, 255]),
            address([10, 2, 0, 1], [10, 2, 0, 255]),
        ]);
        let mut eth1 = Interface::new("eth1").addresses([address([10, 3, 0, 1], [10, 3, 0, 255])]);
        let mut lo = Interface::new("lo").addresses([InterfaceAddress::new(v4([127, 0, 0, 1]), 8)]);
        (eth0.index, eth1.index, lo.index) = (InterfaceIndex::new(1), InterfaceIndex::new(2), InterfaceIndex::new(3));
        let interfaces = [eth0, eth1, lo];
        for (index, destination, delivery, local) in [
            (1, [10, 1, 0, 1], Delivery::Unicast, [10, 1, 0, 1]),
            // The weak host model: an address of another interface.
            (2, [10, 1, 0, 1], Delivery::Unicast, [10, 1, 0, 1]),
            (1, [10, 1, 0, 255], Delivery::Broadcast, [10, 1, 0, 1]),
            (1, [10, 2, 0, 255], Delivery::Broadcast, [10, 2, 0, 1]),
            (1, [255, 255, 255, 255], Delivery::Broadcast, [10, 1, 0, 1]),
            (2, [255, 255, 255, 255], Delivery::Broadcast, [10, 3, 0, 1]),
            (3, [127, 9, 8, 7], Delivery::Unicast, [127, 9, 8, 7]),
            (3, [127, 255, 255, 255], Delivery::Broadcast, [127, 0, 0, 1]),
            (2, [239, 1, 2, 3], Delivery::Multicast, [10, 3, 0, 1]),
        ] {
            let explained = explain(&interfaces, destination.into(), InterfaceIndex::new(index));
            assert_eq!(explained, Some((delivery, Some(v4(local)))), "{destination:?} by {index}");
        }
        // Of an address that came since, nothing is claimed.
        assert_eq!(explain(&interfaces, [10, 9, 0, 255].into(), InterfaceIndex::new(1)), None);
    }
}
