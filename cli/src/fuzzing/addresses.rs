//! Addresses and networks as people write them: what is read is what it says when it is shown.

use std::net::IpAddr;

use udpkit::verbs::Network;

use super::made;
use crate::words::address::{Address, Families, Host};

/// Reads a text as an address, and as a network.
pub fn addresses(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(shown(&address).parse(), Ok(address.clone()), "{text}");
        destinations(&address);
    }
    if let Ok(network) = text.parse::<Network>() {
        let (ip, prefix_len) = text.split_once('/').unwrap_or((text, ""));
        let ip: IpAddr = ip.parse().expect("a network begins with an address");
        assert!(network.contains(ip));
        let other: IpAddr = if ip.is_ipv4() { [0xff; 16].into() } else { [0xff; 4].into() };
        assert!(!network.contains(other));
        assert_eq!(prefix_len.parse().map_or(Some(network), |len| Network::new(ip, len)), Some(network));
    }
}

/// An address as it is written.
fn shown(address: &Address) -> String {
    let Some(host) = &address.host else {
        return address.port.map_or_else(|| ":".to_owned(), |port| format!(":{port}"));
    };
    let is_v6 = matches!(host, Host::Scoped(..) | Host::Ip(IpAddr::V6(_)));
    match address.port {
        Some(port) if is_v6 => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
        // Without them, the end of an address could be a port.
        None if is_v6 => format!("[{host}]"),
        None => host.to_string(),
    }
}

/// What needs no name server leads to its port, or to an error.
fn destinations(address: &Address) {
    if matches!(address.host, Some(Host::Name(_))) {
        return;
    }
    for (only_v4, only_v6) in [(false, false), (true, false), (false, true)] {
        let families = Families { only_v4, only_v6 };
        if let Ok(found) = address.destinations(53, families, &made::interfaces("eth0")) {
            assert!(!found.is_empty());
            let is_wanted = |ip: IpAddr| families.admits(ip) && ip.to_canonical() == ip;
            assert!(found.iter().all(|it| it.port() == address.port.unwrap_or(53) && is_wanted(it.ip())), "{found:?}");
        }
    }
}
