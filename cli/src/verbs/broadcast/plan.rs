//! By which interfaces a broadcast goes: which address sends where, and why the others are left out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Result, bail};
use udpkit::{Interface, InterfaceAddress, Interfaces, Transmit};

use crate::args::BroadcastArgs;
use crate::hint::Hint;
use crate::runtime::sockets::{check_scope, named};
use crate::words::address::check_port;
use crate::words::endpoint::Endpoint;

/// An interface by which a broadcast goes, before its socket is opened.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) from: SocketAddr,
    pub(super) transmit: Transmit,
}

/// What a broadcast does with each interface.
#[derive(Debug, Default)]
pub(super) struct Plans {
    pub(super) used: Vec<Plan>,
    /// Interfaces left out, and why.
    pub(super) left_out: Vec<(String, String)>,
}

impl Plans {
    /// The longest payload that goes by all of them, in bytes.
    pub(super) fn payload_limit(&self) -> usize {
        let destinations = self.used.iter().map(|plan| plan.transmit.destination.ip());
        destinations.map(udpkit::max_payload).min().unwrap_or(udpkit::MAX_PAYLOAD_V4)
    }
}

/// Decides on each interface: which of its addresses sends where, or why none does.
pub(super) fn plan(args: &BroadcastArgs, interfaces: &Interfaces) -> Result<Plans> {
    let to = to_address(args, interfaces)?;
    let named = named(&args.common, interfaces)?;
    let mut named: Vec<_> = named.iter().map(|interface| interface.index).collect();
    if let Some(to) = to {
        check_scope(to, named.iter().copied())?;
        named.extend(Endpoint(to).interface().map(Some));
    }
    let mut plans = Plans::default();
    for interface in interfaces {
        let is_named = named.contains(&interface.index);
        if !named.is_empty() && !is_named {
            continue;
        }
        match plan_interface(args, interface, to, is_named) {
            Ok(used) => plans.used.extend(used),
            Err(reason) => plans.left_out.push((interface.name.clone(), reason)),
        }
    }
    Ok(plans)
}

fn to_address(args: &BroadcastArgs, interfaces: &Interfaces) -> Result<Option<SocketAddr>> {
    let port = args.to.as_ref().and_then(|to| to.port).unwrap_or_else(|| args.common.port());
    check_port(port)?;
    let Some(to) = &args.to else { return Ok(None) };
    let Some(host) = &to.host else { bail!("--to needs an address, such as 239.255.255.250:1900") };
    let address = host.resolve(port, args.common.families(), interfaces)?[0];
    if !address.ip().is_multicast() && !interfaces.is_broadcast(address.ip()) {
        return Err(Hint::on(
            format!("{} is neither a multicast group nor the broadcast address of an attached network", address.ip()),
            "`udp interfaces` lists the broadcast addresses; `udp send` sends to one host",
        ));
    }
    Ok(Some(address))
}

/// The addresses of an interface that send, or why it is left out.
fn plan_interface(
    args: &BroadcastArgs,
    interface: &Interface,
    to: Option<SocketAddr>,
    named: bool,
) -> Result<Vec<Plan>, String> {
    let Some(index) = interface.index.filter(|_| interface.up) else { return Err("down".to_owned()) };
    if !interface.running {
        return Err("not connected".to_owned());
    }
    if interface.loopback && !named {
        return Err("loopback".to_owned());
    }
    if interface.point_to_point && !named {
        return Err("point-to-point (a tunnel); -i uses it".to_owned());
    }
    let multicast = args.common.ipv6 || to.is_some_and(|to| to.ip().is_multicast());
    if multicast && !interface.multicast && !interface.loopback {
        return Err("cannot multicast".to_owned());
    }
    let v6 = to.map_or(args.common.ipv6, |to| to.is_ipv6());
    let port = to.map_or_else(|| args.common.port(), |to| to.port());
    if v6 {
        let own = interface.link_local().ok_or("no link-local IPv6 address")?;
        let group = match to {
            Some(SocketAddr::V6(to)) => *to.ip(),
            _ => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1),
        };
        let scoped = |ip, port| SocketAddr::from(std::net::SocketAddrV6::new(ip, port, 0, index.get()));
        return Ok(vec![plan_from(args, interface, scoped(own, 0), scoped(group, port))]);
    }
    let has_v4 = interface.addresses.iter().any(|address| address.ip.is_ipv4());
    let everywhere = to.map_or(IpAddr::V4(Ipv4Addr::BROADCAST), |to| to.ip());
    // What is not for one network needs no address of it: it leaves with another of this host, or with none (0.0.0.0).
    if !has_v4 && (everywhere.is_multicast() || everywhere == Ipv4Addr::BROADCAST) {
        if !named {
            return Err("no IPv4 address; -i uses it".to_owned());
        }
        let from = (Ipv4Addr::UNSPECIFIED, 0).into();
        return Ok(vec![plan_from(args, interface, from, SocketAddr::new(everywhere, port))]);
    }
    let mut plans: Vec<Plan> = Vec::new();
    for address in &interface.addresses {
        let IpAddr::V4(own) = address.ip else { continue };
        let destination = match to.map(|to| to.ip()) {
            Some(IpAddr::V4(to)) if to.is_multicast() || to.is_broadcast() => to,
            Some(to) if !is_broadcast_of(interface, address, to) => continue,
            Some(IpAddr::V4(to)) => to,
            _ if args.limited => Ipv4Addr::BROADCAST,
            _ => match address.broadcast {
                Some(broadcast) => broadcast,
                None => continue,
            },
        };
        // A second address of the same network would only ask the same hosts again.
        if !plans.iter().any(|plan| plan.transmit.destination.ip() == destination) {
            plans.push(plan_from(args, interface, (own, 0).into(), (destination, port).into()));
        }
    }
    if plans.is_empty() {
        return Err(match (has_v4, to) {
            (false, _) => "no IPv4 address".to_owned(),
            (true, Some(to)) => format!("{} is not its broadcast address", to.ip()),
            (true, None) => "no broadcast address".to_owned(),
        });
    }
    Ok(plans)
}

fn plan_from(args: &BroadcastArgs, interface: &Interface, from: SocketAddr, to: SocketAddr) -> Plan {
    let port = args.pace.local.as_ref().and_then(|local| local.port).unwrap_or(0);
    let mut from = from;
    from.set_port(port);
    let transmit = Transmit::to(to).interface(interface.index);
    Plan { name: interface.name.clone(), from, transmit }
}

/// Whether this is the broadcast address of one address of an interface: also where the system does not list it, as on
/// loopback.
fn is_broadcast_of(interface: &Interface, address: &InterfaceAddress, ip: IpAddr) -> bool {
    let alone = interface.clone().addresses([*address]);
    Interfaces::from_iter([alone]).is_broadcast(ip)
}
