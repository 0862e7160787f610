//! Every system, through socket2: one datagram a call, its source, and whether it was truncated; nothing more is known.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{InterfaceIndexOrAddress, MaybeUninitSlice, SockAddr, Socket};

use super::contract::{Limits, Outgoing, Slots, address_at};
use super::number::NO_BUFFERS;
use super::patience::{Patience, QUEUE_PAUSE};
use super::poll;
use crate::datagram::{InterfaceIndex, Message, Meta, SendFailure};
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
    let receive_buffer = options.receive_buffer.is_some_and(|size| set_receive_buffer(socket, size));
    let dont_fragment = options.dont_fragment != DontFragment::No && super::dont_fragment::set(socket, v4)?;
    Ok(Capabilities { receive_buffer, dont_fragment, ..Capabilities::default() })
}

/// Binds to the interface of this name: no way of doing so is common to all systems.
pub(crate) fn bind_device(_socket: &Socket, _name: &str) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system binds no socket to an interface"))
}

pub(crate) fn receive<S>(socket: &Socket, slots: Slots<'_>, _scratch: &mut S, _limits: &Limits) -> io::Result<()> {
    let Slots { payloads, slot_len, messages } = slots;
    for slot in payloads.chunks_exact_mut(slot_len) {
        let len = slot.len();
        // SAFETY: initialised bytes are valid as maybe uninitialised ones, and socket2 promises to write none that are
        // uninitialised into them.
        let slot = unsafe { std::slice::from_raw_parts_mut(slot.as_mut_ptr().cast::<MaybeUninit<u8>>(), len) };
        let (received, flags, source) = match socket.recv_from_vectored(&mut [MaybeUninitSlice::new(slot)]) {
            Ok(received) => received,
            Err(_) if !messages.is_empty() => return Ok(()),
            Err(error) => return Err(error),
        };
        let source = source.as_socket().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        // The true length of a truncated datagram is not known: it is at least one byte more.
        let wire_len = if flags.is_truncated() { len + 1 } else { received };
        messages.push(Message { meta: Meta::new(source), wire_len, segment: None });
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
    let Outgoing { bytes, entries, failures, dual_stack, .. } = outgoing;
    for (done, entry) in entries.iter().enumerate() {
        let destination = SockAddr::from(address_at(dual_stack, entry.transmit.destination));
        let train = &bytes[entry.start..entry.start + entry.len];
        for index in 0..entry.count {
            let start = index * entry.segment;
            let payload = &train[start..(start + entry.segment).min(train.len())];
            let sent = match entry.transmit.traffic_class {
                Some(_) => {
                    Err(io::Error::new(io::ErrorKind::Unsupported, "a traffic class of its own cannot be set here"))
                }
                None => send_one(socket, payload, &destination, &mut patience),
            };
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

fn send_one(socket: &Socket, payload: &[u8], destination: &SockAddr, patience: &mut Patience) -> io::Result<()> {
    let mut tries = 0;
    loop {
        let Err(error) = socket.send_to(payload, destination) else { return Ok(()) };
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
    match (group, source) {
        (IpAddr::V4(group), None) => {
            let by_index = InterfaceIndexOrAddress::Index(index);
            socket.join_multicast_v4_n(&group, &by_index)
        }
        (IpAddr::V6(group), None) => socket.join_multicast_v6(&group, index),
        (IpAddr::V4(group), Some(IpAddr::V4(source))) => {
            let own = interface.addresses.iter().find_map(|address| match address.ip {
                IpAddr::V4(v4) => Some(v4),
                IpAddr::V6(_) => None,
            });
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
            socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface.get()))
        }
        (IpAddr::V6(group), None) => socket.leave_multicast_v6(&group, interface.get()),
        // Of which address the membership is would have to be remembered.
        (_, Some(_)) => Err(io::ErrorKind::Unsupported.into()),
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
pub(crate) fn is_icmp_error(_error: &io::Error) -> bool {
    false
}
