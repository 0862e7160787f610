//! From addresses and common flags to sockets: those that listen, and those that send.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::{Capability, ErrorKind, Group, Interface, InterfaceIndex, Interfaces, Options, Socket, SocketId};

use super::descriptors;
use super::misplaced::check_listening;
use super::missing::is_missing;
use crate::args::{CommonArgs, SendingArgs};
use crate::hint::{self, Hint, interface_names, no_interface};
use crate::words::address::{Address, Families, needs_scope};
use crate::words::endpoint::{self, Endpoint};
use crate::words::range::{AddressRange, expanded};

/// What sockets ask the system for; most systems permit less without being told to.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How long a send waits while the socket or the device can take no more.
const SEND_WAIT: Duration = Duration::from_secs(1);

/// Whether sockets are to use only what every system has: for the tests, which run this command so on Linux (`UDP_BACKEND=portable`).
pub(crate) fn is_portable() -> bool {
    std::env::var_os("UDP_BACKEND").is_some_and(|backend| backend == "portable")
}

/// Options of every socket.
pub(crate) fn socket_options(common: &CommonArgs) -> Options {
    let receive_buffer = Some(common.recv_buffer.unwrap_or(RECEIVE_BUFFER));
    Options::default().receive_buffer(receive_buffer).destination(true).portable(is_portable())
}

/// The interfaces that were named; an unknown one is an error.
pub(crate) fn named<'a>(common: &CommonArgs, interfaces: &'a Interfaces) -> Result<Vec<&'a Interface>> {
    let find = |name: &String| interfaces.named(name).ok_or_else(|| no_interface(name, interfaces));
    common.interfaces.iter().map(find).collect()
}

/// The one interface that was named, if any.
pub(crate) fn one_interface(common: &CommonArgs, interfaces: &Interfaces) -> Result<Option<InterfaceIndex>> {
    match named(common, interfaces)?.as_slice() {
        [] => Ok(None),
        [one] => Ok(one.index),
        _ => Err(Hint::on("a datagram leaves by one interface: name one with -i", "`udp broadcast` sends by several")),
    }
}

/// Options of a socket that sends: these, and what all sockets have.
pub(crate) fn sending_options(sending: &SendingArgs, common: &CommonArgs) -> Options {
    socket_options(common).hop_limit(sending.ttl).traffic_class(sending.dscp.map(|dscp| dscp << 2)).send_wait(SEND_WAIT)
}

/// An error where fragments are to be forbidden (--df) and this system cannot.
pub(crate) fn check_df(df: bool, sockets: &[Socket]) -> Result<()> {
    if df && !sockets.iter().all(|socket| socket.capabilities().dont_fragment) {
        bail!("--df does not work here: this system cannot forbid fragments");
    }
    Ok(())
}

/// Sockets that wait for datagrams.
pub(crate) struct Listening {
    pub(crate) sockets: Vec<Socket>,
    /// Multicast groups to join.
    pub(crate) groups: Vec<Group>,
    /// For each socket, the only destination wanted, where it hears others.
    pub(crate) destinations: Vec<Option<IpAddr>>,
    /// Whether a service manager bound them.
    pub(crate) is_handed_over: bool,
}

impl Listening {
    fn of(sockets: Vec<Socket>, is_handed_over: bool) -> Self {
        Self { groups: Vec::new(), destinations: vec![None; sockets.len()], sockets, is_handed_over }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(Socket::local_address).collect()
    }

    /// The places as people asked for them: a group whose socket is at every address is shown, not that address.
    pub(crate) fn places(&self) -> Vec<SocketAddr> {
        let mut places = self.addresses();
        for (place, group) in places.iter_mut().zip(&self.destinations) {
            if let Some(group) = group {
                place.set_ip(*group);
            }
        }
        for Group { via, interface, .. } in &self.groups {
            if let (SocketAddr::V6(place), Some(index)) = (&mut places[via.index()], interface) {
                place.set_scope_id(index.get());
            }
        }
        places
    }

    /// Puts sockets with groups behind the others: they are one worker's alone.
    fn groups_last(&mut self) {
        let has_group = |place: usize| self.groups.iter().any(|group| group.via.index() == place);
        let mut order: Vec<_> = (0..self.sockets.len()).collect();
        order.sort_by_key(|place| has_group(*place));
        let mut sockets: Vec<_> = self.sockets.drain(..).map(Some).collect();
        self.sockets = order.iter().filter_map(|place| sockets[*place].take()).collect();
        self.destinations = order.iter().map(|place| self.destinations[*place]).collect();
        for group in &mut self.groups {
            let place = order.iter().position(|place| *place == group.via.index());
            group.via = place.map_or(group.via, SocketId::first);
        }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.addresses().iter().map(SocketAddr::port).collect()
    }
}

/// The sockets that a service manager bound for this run, if it did.
pub(crate) fn handed_over(
    addresses: &[AddressRange],
    common: &CommonArgs,
    options: &Options,
) -> Result<Option<Listening>> {
    let sockets = Socket::inherited(options)?;
    if sockets.is_empty() {
        return Ok(None);
    }
    if !addresses.is_empty() || common.port.is_some() || common.ipv4 || common.ipv6 {
        return Err(Hint::on(
            "cannot choose where to listen: the service manager handed over its sockets",
            "leave out ADDRESS, -p, -4 and -6, and name the addresses in the .socket unit (ListenDatagram=)",
        ));
    }
    Ok(Some(Listening::of(sockets, true)))
}

/// Opens a socket for each address; without any, one for each family.
pub(crate) fn listening(
    addresses: &[AddressRange],
    common: &CommonArgs,
    options: &Options,
    source: Option<IpAddr>,
    interfaces: &Interfaces,
) -> Result<Listening> {
    let named = named(common, interfaces)?;
    let mut addresses = expanded(addresses)?;
    check_listening(&addresses, common)?;
    if addresses.is_empty() {
        addresses.push(Address { host: None, port: None });
    }
    descriptors::reserve(2 * addresses.len() as u64);
    let mut listening = Listening::of(Vec::new(), false);
    // An address that is given twice, or has two names, is one place.
    let (mut everywhere_at, mut at) = (HashSet::new(), HashSet::new());
    for address in &addresses {
        let port = address.port.unwrap_or_else(|| common.port());
        match &address.host {
            None if !everywhere_at.insert(port) => {}
            None => both_families(port, common, options, &mut listening)?,
            Some(host) => {
                for address in host.resolve(port, common.families(), interfaces)? {
                    let address = on_its_link(address, &named, interfaces)?;
                    if at.insert(address) {
                        one_address(address, options, source, &mut listening)?;
                    }
                }
            }
        }
    }
    if source.is_some() && listening.groups.is_empty() {
        bail!("--source chooses the source of a multicast group: listen to one, as in 232.1.2.3:5000");
    }
    if let Some(interface) = named.first().filter(|_| is_missing(&listening.sockets, Capability::Destination)) {
        return Err(Hint::on(
            format!(
                "cannot listen on {} alone: this system does not report by which interface a datagram came",
                interface.name
            ),
            "without -i it listens on every interface",
        ));
    }
    listening.groups_last();
    Ok(listening)
}

/// A socket of each family at one port; IPv4 alone where the kernel has no IPv6, or a sandbox forbids it.
fn both_families(port: u16, common: &CommonArgs, options: &Options, listening: &mut Listening) -> Result<()> {
    let mut port = port;
    if !common.ipv6 {
        let socket = bind((Ipv4Addr::UNSPECIFIED, port).into(), options)?;
        // Where any port will do, both families use the same.
        port = socket.local_address().port();
        listening.sockets.push(socket);
        listening.destinations.push(None);
    }
    if !common.ipv4 {
        match Socket::bind((Ipv6Addr::UNSPECIFIED, port).into(), options) {
            Ok(socket) => {
                listening.sockets.push(socket);
                listening.destinations.push(None);
            }
            Err(error) if !common.ipv6 && has_no_ipv6(error.kind()) => {}
            Err(error) => return Err(not_bound(error, options)),
        }
    }
    Ok(())
}

/// Whether a socket at any address of IPv6 fails so where there is none.
fn has_no_ipv6(kind: ErrorKind) -> bool {
    // Whoever may not have the port has not got as far as IPv6.
    matches!(kind, ErrorKind::UnsupportedFamily | ErrorKind::AddressNotAvailable | ErrorKind::PermissionDenied)
}

fn bind(address: SocketAddr, options: &Options) -> Result<Socket> {
    Socket::bind(address, options).map_err(|error| not_bound(error, options))
}

/// The error of a socket that could not be bound. Who has its port is looked up now, while what this command has is open.
fn not_bound(error: udpkit::Error, options: &Options) -> anyhow::Error {
    if error.kind() != ErrorKind::AddressInUse {
        return error.into();
    }
    let mut hint = hint::in_use(&error, "-p");
    if options.reuse_address {
        hint += ". A port is shared with programs that set SO_REUSEADDR; SO_REUSEPORT would split its datagrams";
    }
    Hint::on(endpoint::of_error(&error), hint)
}

/// A socket at an address; a group is joined.
fn one_address(
    address: SocketAddr,
    options: &Options,
    source: Option<IpAddr>,
    listening: &mut Listening,
) -> Result<()> {
    let ip = address.ip();
    if !ip.is_multicast() {
        listening.sockets.push(bind(address, options)?);
        listening.destinations.push(None);
        return Ok(());
    }
    if source.is_some_and(|source| source.is_ipv4() != ip.is_ipv4()) {
        bail!("the source and the group {ip} are of different families");
    }
    // Bound to the group, the socket hears nothing else. A link-local group cannot be bound to on several interfaces,
    // and Windows binds to no group: there the engine chooses.
    let bound_to_group = cfg!(unix) && !needs_scope(ip);
    let at = if bound_to_group { address } else { SocketAddr::new(udpkit::any_address(ip), address.port()) };
    // Multicasts go to every socket, however its port is shared; unicasts, which SO_REUSEPORT would split, come to none
    // that is bound to a group.
    let reuse_port = options.reuse_address && bound_to_group;
    let options = options.clone().only_joined_groups(true).reuse_port(reuse_port);
    let interface = Endpoint(address).interface();
    listening.groups.push(Group::new(SocketId::first(listening.sockets.len()), ip).source(source).interface(interface));
    listening.sockets.push(bind(at, &options)?);
    listening.destinations.push((!bound_to_group).then_some(ip));
    Ok(())
}

/// An error where an address names one interface and -i another.
pub(crate) fn check_scope(address: SocketAddr, named: impl IntoIterator<Item = Option<InterfaceIndex>>) -> Result<()> {
    let scope = Endpoint(address).interface();
    if scope.is_some() && named.into_iter().any(|named| named != scope) {
        return Err(Hint::on(
            format!("cannot send to {}: the address names one interface, -i another", Endpoint(address).ip()),
            "name the interface once: in the address or with -i",
        ));
    }
    Ok(())
}

/// An address that needs one with the interface it counts on.
pub(crate) fn scoped(
    destination: SocketAddr,
    interface: Option<InterfaceIndex>,
    interfaces: &Interfaces,
) -> Result<SocketAddr> {
    check_scope(destination, interface.map(Some))?;
    let SocketAddr::V6(mut v6) = destination else { return Ok(destination) };
    let ip = *v6.ip();
    if needs_scope(ip.into()) && v6.scope_id() == 0 {
        let Some(index) = interface else {
            let kind = if ip.is_multicast() && ip.segments()[0] & 0xf == 1 { "interface-local" } else { "link-local" };
            return Err(Hint::on(
                format!("{ip} is {kind}: say on which interface, as in [{ip}%eth0]:{} or with -i", v6.port()),
                interface_names(interfaces),
            ));
        };
        v6.set_scope_id(index.get());
    }
    Ok(v6.into())
}

/// An address of ours to listen at. A link-local one counts on the one interface that was named, unless it names its own.
fn on_its_link(address: SocketAddr, named: &[&Interface], interfaces: &Interfaces) -> Result<SocketAddr> {
    if address.ip().is_multicast() || Endpoint(address).interface().is_some() {
        return Ok(address);
    }
    let interface = if let [one] = named { one.index } else { None };
    scoped(address, interface, interfaces)
}

/// The address to send from: as asked, else any port of `any`.
pub(crate) fn local_address(asked: Option<&Address>, any: IpAddr, interfaces: &Interfaces) -> Result<SocketAddr> {
    let Some(asked) = asked else { return Ok(SocketAddr::new(any, 0)) };
    let port = asked.port.unwrap_or(0);
    let Some(host) = &asked.host else { return Ok(SocketAddr::new(any, port)) };
    let families = Families { only_v4: any.is_ipv4(), only_v6: any.is_ipv6() };
    let found = host.resolve(port, families, interfaces)?;
    Ok(found[0])
}

/// Bytes of the smallest receive buffer among these sockets, the kernel's overhead included.
pub(crate) fn buffer_of(sockets: &[Socket]) -> usize {
    sockets.iter().map(Socket::receive_buffer).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str) -> Socket {
        Socket::bind(address.parse().unwrap(), &Options::default()).unwrap()
    }

    #[test]
    fn sockets_with_groups_come_last_and_all_that_is_known_of_each_with_them() {
        let sockets = ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0", "127.0.0.4:0"].map(socket);
        let [one, two, three, four] = sockets.each_ref().map(Socket::local_address);
        let group = |via, last| {
            let address = IpAddr::from([239, 1, 2, last]);
            (Group::new(via, address), Some(address))
        };
        let ((first, first_only), (second, second_only)) = (group(SocketId::first(0), 1), group(SocketId::first(2), 3));
        let mut listening = Listening {
            sockets: sockets.into(),
            groups: vec![first, second],
            destinations: vec![first_only, None, second_only, None],
            is_handed_over: false,
        };
        listening.groups_last();
        assert_eq!(listening.addresses(), [two, four, one, three]);
        assert_eq!(listening.destinations, [None, None, first_only, second_only]);
        let vias: Vec<_> = listening.groups.iter().map(|group| (group.via.index(), Some(group.address))).collect();
        assert_eq!(vias, [(2, first_only), (3, second_only)]);
        let place = |last, port: SocketAddr| SocketAddr::from(([239, 1, 2, last], port.port()));
        assert_eq!(listening.places(), [two, four, place(1, one), place(3, three)]);
    }
}
