//! The networks that this host can broadcast to, and whether what it broadcasts there comes back to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use udpkit::{InterfaceIndex, Interfaces, Options, Transmit};

use super::bench::Bench;
use super::bounds::{Cut, is_private, now};
use super::marks::mark;
use super::wire::{Arrival, Came, Peer};

/// How long our own broadcast may take to come back.
const PATIENCE: Duration = Duration::from_secs(1);

/// A network that this host is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) interface: String,
    pub(super) index: InterfaceIndex,
    pub(super) ours: Ipv4Addr,
    pub(super) broadcast: Ipv4Addr,
}

impl Network {
    /// "eth0 (10.0.1.255)"
    pub(super) fn words(&self) -> String {
        format!("{} ({})", self.interface, self.broadcast)
    }
}

/// The networks with a broadcast address: private ones, or all of them.
pub(super) fn networks(interfaces: &Interfaces, i_may: bool) -> Vec<Network> {
    let mut all: Vec<Network> = Vec::new();
    for interface in interfaces.iter().filter(|it| it.up && it.running && !it.loopback && !it.point_to_point) {
        for address in &interface.addresses {
            let (IpAddr::V4(ours), Some(broadcast), Some(index)) = (address.ip, address.broadcast, interface.index)
            else {
                continue;
            };
            // A second address of the same network is no other network.
            let is_known = all.iter().any(|other| other.index == index && other.broadcast == broadcast);
            if !is_known && (i_may || is_private(address.ip)) {
                all.push(Network { interface: interface.name.clone(), index, ours, broadcast });
            }
        }
    }
    all
}

/// Of these networks, those where a broadcast of ours comes back to this host, as it does unless a firewall forbids it.
pub(super) fn heard(bench: &mut Bench, networks: &[Network]) -> Result<Vec<Network>, Cut> {
    let listener = Peer::at((Ipv4Addr::UNSPECIFIED, 0).into())?;
    let mut heard = Vec::new();
    for network in networks {
        let mark = mark();
        let sender = Peer::with((network.ours, 0).into(), &Options::default().broadcast(true))?;
        let to = SocketAddr::new(network.broadcast.into(), listener.address().port());
        // Where it cannot be sent, it is not heard.
        if let Err(cut @ (Cut::Interrupted | Cut::Time(_) | Cut::Count)) =
            sender.transmit(bench, &Transmit::to(to).interface(network.index), mark.as_bytes())
        {
            return Err(cut);
        }
        let until = now() + PATIENCE;
        let is_back = |arrival: &Arrival| matches!(arrival, Arrival::Datagram(Came { payload, .. }) if payload == mark.as_bytes());
        while now() < until {
            if listener.receive(bench, until)?.iter().any(is_back) {
                heard.push(network.clone());
                break;
            }
        }
    }
    Ok(heard)
}
