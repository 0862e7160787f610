//! Every system, through socket2: one datagram a call, and what the system tells of it in control messages.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{InterfaceIndexOrAddress, MsgHdr, SockAddr, Socket};

use super::cmsg::Control;
use super::contract::{Limits, Outgoing, Slots, address_at};
use super::control::{HERE, Own, RECEIVE_ROOM, SEND_ROOM, System};
use super::number::NO_BUFFERS;
use super::patience::{Patience, QUEUE_PAUSE};
use super::socket_option::set;
use super::{one_message, own_addresses, poll};
use crate::datagram::{InterfaceIndex, Message, SendFailure, Transmit};
use crate::interface::Interface;
use crate::options::{Capabilities, DontFragment, Options};

/// Nothing is kept from one receive call to the next.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct ReceiveScratch;

#[cfg(not(target_os = "linux"))]
impl ReceiveScratch {
    pub(crate) fn new(_slots: usize) -> Self {
        Self
    }
}

/// Nothing is kept from one send call to the next.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Default)]
pub(crate) struct SendScratch;

pub(crate) fn configure(socket: &Socket, options: &Options, v4: bool) -> io::Result<Capabilities> {
    if options.transparent {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this system sends from addresses of its own alone"));
    }
    one_message::prepare(socket);
    make_room_to_send(socket);
    let receive_buffer = options.receive_buffer.is_some_and(|size| set_receive_buffer(socket, size));
    let dont_fragment = options.dont_fragment != DontFragment::No && super::dont_fragment::set(socket, v4)?;
    // A socket of both families is not told the same of both, nor takes the same, on any two systems.
    let told = if options.dual_stack {
        Capabilities::default()
    } else {
        HERE.ask(options, v4, |level, name| set(socket, level, name, &1).is_ok())
    };
    // Elsewhere than on Linux that is how groups are.
    let only_joined_groups = options.only_joined_groups && !cfg!(target_os = "linux");
    Ok(Capabilities { receive_buffer, dont_fragment, only_joined_groups, ..told })
}

/// Binds to the interface of this name: no way of doing so is common to all systems.
pub(crate) fn bind_device(_socket: &Socket, _name: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system binds no socket to an interface"))
}

pub(crate) fn receive<S>(socket: &Socket, slots: Slots<'_>, _scratch: &mut S, _limits: &Limits) -> io::Result<()> {
    let Slots { payloads, slot_len, messages } = slots;
    let mut control = Control([0; RECEIVE_ROOM]);
    for slot in payloads.chunks_exact_mut(slot_len) {
        let came = match one_message::receive(socket, slot, &mut control) {
            Ok(came) => came,
            Err(_) if !messages.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        };
        let source = came.source.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let meta = HERE.decode(source, &control.0[..came.control.min(RECEIVE_ROOM)]);
        // The true length of a truncated datagram is not known: it is at least one byte more.
        let wire_len = if came.is_truncated { slot.len() + 1 } else { came.len };
        messages.push(Message { meta, wire_len, segment: None });
    }
    Ok(())
}

pub(crate) fn send<S>(
    socket: &Socket,
    outgoing: Outgoing<'_>,
    _scratch: &mut S,
    _limits: &Limits,
    patience: Option<Duration>,
) {
    let leaves = patience.is_none();
    let mut patience = Patience::new(patience.unwrap_or_default());
    let Outgoing { bytes, entries, failures, dual_stack, bound, traffic_class, .. } = outgoing;
    let own = Own { dual_stack, bound, traffic_class };
    for (done, entry) in entries.iter().enumerate() {
        let train = &bytes[entry.start..entry.start + entry.len];
        let mut room = Control([0; SEND_ROOM]);
        for index in 0..entry.count {
            let start = index * entry.segment;
            let payload = &train[start..(start + entry.segment).min(train.len())];
            let sent = address(socket, HERE, &entry.transmit, &own, &mut room.0).and_then(|ready| {
                let (destination, used) = ready;
                send_one(socket, payload, &destination, &room.0[..used], &mut patience)
            });
            if let Err(error) = sent {
                if leaves && error.kind() == io::ErrorKind::WouldBlock {
                    let rest = entry.after(index);
                    entries.drain(..done);
                    entries[0] = rest;
                    return;
                }
                let (transmit, place) = (entry.transmit, entry.place + index as u64);
                failures.push(SendFailure { transmit, place, count: 1, bytes: payload.len(), error });
            }
        }
    }
    entries.clear();
}

/// Prepares a datagram for its way, as `system` has it: returns the destination, and the length of the control messages in
/// `room`.
fn address(
    socket: &Socket,
    system: &System,
    transmit: &Transmit,
    own: &Own,
    room: &mut [u8; SEND_ROOM],
) -> io::Result<(SockAddr, usize)> {
    let destination = SockAddr::from(address_at(own.dual_stack, transmit.destination));
    let ip = transmit.destination.ip();
    // Wine takes control messages, and does nothing with them.
    let says_interface = system.taken(ip.is_ipv4()).takes_interface() && !cfg!(windows);
    if let Some(interface) = transmit.interface.filter(|_| ip.is_multicast() && !says_interface) {
        multicast_by(socket, ip, interface)?;
    }
    let used = if own.dual_stack { 0 } else { system.encode(transmit, own, room)? };
    Ok((destination, used))
}

/// Has the socket send to groups of this family by this interface.
fn multicast_by(socket: &Socket, group: IpAddr, interface: InterfaceIndex) -> io::Result<()> {
    if group.is_ipv6() {
        return socket.set_multicast_if_v6(interface.get());
    }
    let own = own_addresses::of_interface(interface).ok_or(io::ErrorKind::AddrNotAvailable)?;
    socket.set_multicast_if_v4(&own)
}

/// Sees to it that the longest datagram fits the send buffer: macOS and FreeBSD begin with 9,216 bytes (`net.inet.udp.maxdgram`),
/// and refuse what is longer.
fn make_room_to_send(socket: &Socket) {
    const ROOM: usize = 1 << 16;
    if socket.send_buffer_size().is_ok_and(|size| size < ROOM) {
        // Where even that is too much, the datagrams that are too long say so.
        let _ = socket.set_send_buffer_size(ROOM);
    }
}

/// Sets the receive buffer to this size, or to the largest half, quarter and so on of it that the system permits.
fn set_receive_buffer(socket: &Socket, mut size: usize) -> bool {
    while socket.set_recv_buffer_size(size).is_err() {
        size /= 2;
        if size <= 4096 {
            return false;
        }
    }
    true
}

/// How often a send is tried that failed for an earlier datagram's sake.
const PENDING_TRIES: usize = 3;

fn send_one(
    socket: &Socket,
    payload: &[u8],
    destination: &SockAddr,
    control: &[u8],
    patience: &mut Patience,
) -> io::Result<()> {
    let mut tries = 0;
    loop {
        let sent = if control.is_empty() {
            socket.send_to(payload, destination)
        } else {
            let payload = [io::IoSlice::new(payload)];
            let message = MsgHdr::new().with_addr(destination).with_buffers(&payload).with_control(control);
            socket.sendmsg(&message, 0)
        };
        let Err(error) = sent else { return Ok(()) };
        let again = match error.kind() {
            io::ErrorKind::Interrupted => true,
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                tries += 1;
                tries < PENDING_TRIES
            }
            io::ErrorKind::WouldBlock => patience.spend(|left| drop(poll::one(socket, true, Some(left)))),
            // A full device queue empties by itself.
            _ if error.raw_os_error() == Some(NO_BUFFERS) => patience.spend(|left| poll::pause(left.min(QUEUE_PAUSE))),
            _ => false,
        };
        if !again {
            return Err(error);
        }
    }
}

pub(crate) fn join(socket: &Socket, group: IpAddr, interface: &Interface, source: Option<IpAddr>) -> io::Result<()> {
    let index = interface.index.map_or(0, InterfaceIndex::get);
    let own = interface.addresses.iter().find_map(|address| match address.ip {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    match (group, source) {
        (IpAddr::V4(group), None) => {
            by_index_or_address(index, own, &|interface| socket.join_multicast_v4_n(&group, interface))
        }
        (IpAddr::V6(group), None) => socket.join_multicast_v6(&group, index),
        (IpAddr::V4(group), Some(IpAddr::V4(source))) => {
            let own = own.ok_or(io::ErrorKind::AddrNotAvailable)?;
            join_source(socket, source, group, own)
        }
        (_, Some(_)) => Err(io::ErrorKind::Unsupported.into()),
    }
}

pub(crate) fn leave(
    socket: &Socket,
    group: IpAddr,
    interface: InterfaceIndex,
    source: Option<IpAddr>,
) -> io::Result<()> {
    match (group, source) {
        (IpAddr::V4(group), None) => {
            let own = own_addresses::of_interface(interface);
            by_index_or_address(interface.get(), own, &|interface| socket.leave_multicast_v4_n(&group, interface))
        }
        (IpAddr::V6(group), None) => socket.leave_multicast_v6(&group, interface.get()),
        // Of which address the membership is would have to be remembered.
        (_, Some(_)) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Joins or leaves by the number of an interface, or by an address of it where that is not understood: Wine takes the number,
/// which Windows has in the place of an address, for an address.
fn by_index_or_address(
    index: u32,
    own: Option<Ipv4Addr>,
    change: &dyn Fn(&InterfaceIndexOrAddress) -> io::Result<()>,
) -> io::Result<()> {
    let by_index = change(&InterfaceIndexOrAddress::Index(index));
    match (&by_index, own) {
        (Err(error), Some(own)) if cfg!(windows) && error.kind() != io::ErrorKind::AddrInUse => {
            change(&InterfaceIndexOrAddress::Address(own)).or(by_index)
        }
        _ => by_index,
    }
}

#[cfg(not(any(target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly")))]
fn join_source(socket: &Socket, source: Ipv4Addr, group: Ipv4Addr, own: Ipv4Addr) -> io::Result<()> {
    socket.join_ssm_v4(&source, &group, &own)
}

#[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly"))]
fn join_source(_: &Socket, _: Ipv4Addr, _: Ipv4Addr, _: Ipv4Addr) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn feedback(_: &Socket, _: Option<&crate::send_times::SendTimes>, _: &mut dyn FnMut(crate::Feedback)) {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn counts_send_times() -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn kernel_drops(_socket: &Socket) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn unsent(_socket: &Socket) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn path_mtu(_destination: SocketAddr, _interface: Option<InterfaceIndex>) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn is_icmp_error(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| super::number::EACH_REFUSED.contains(&code))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::Ipv6Addr;

    use socket2::{Domain, Protocol, Type};

    use super::*;
    use crate::sys::control_tables::{FREEBSD, UNKNOWN};

    fn socket(domain: Domain) -> Socket {
        Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).unwrap()
    }

    #[test]
    fn the_longest_datagram_fits_a_send_buffer_that_was_too_small_for_it() {
        let socket = socket(Domain::IPV4);
        socket.set_send_buffer_size(4608).unwrap();
        assert_eq!(socket.send_buffer_size().unwrap(), 9216, "as on macOS");
        configure(&socket, &Options::default(), true).unwrap();
        assert!(socket.send_buffer_size().unwrap() >= 1 << 16);
        // What is larger stays as it is.
        let before = socket.send_buffer_size().unwrap();
        configure(&socket, &Options::default(), true).unwrap();
        assert_eq!(socket.send_buffer_size().unwrap(), before);
    }

    #[test]
    fn a_group_is_sent_to_by_the_interface_asked_for_where_a_datagram_cannot_say_so() {
        let interfaces = crate::sys::interfaces::list().unwrap();
        let loopback = interfaces.iter().find(|interface| interface.loopback).unwrap().index;
        let group = SocketAddr::from(([239, 1, 2, 3], 9));
        for system in [&FREEBSD, &UNKNOWN] {
            let socket = socket(Domain::IPV4);
            let mut room = [0; SEND_ROOM];
            let own = Own { dual_stack: false, bound: Ipv4Addr::UNSPECIFIED.into(), traffic_class: 0 };
            address(&socket, system, &Transmit::to(group), &own, &mut room).unwrap();
            assert_eq!(socket.multicast_if_v4().unwrap(), Ipv4Addr::UNSPECIFIED);
            let transmit = Transmit::to(group).interface(loopback);
            address(&socket, system, &transmit, &own, &mut room).unwrap();
            assert_eq!(socket.multicast_if_v4().unwrap(), Ipv4Addr::LOCALHOST);
        }
        let Ok(socket) = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)) else { return };
        let transmit = Transmit::to("[ff05::99]:9".parse().unwrap()).interface(loopback);
        let own = Own { dual_stack: false, bound: Ipv6Addr::UNSPECIFIED.into(), traffic_class: 0 };
        address(&socket, &UNKNOWN, &transmit, &own, &mut [0; SEND_ROOM]).unwrap();
        assert_eq!(Some(socket.multicast_if_v6().unwrap()), loopback.map(InterfaceIndex::get));
    }
}
