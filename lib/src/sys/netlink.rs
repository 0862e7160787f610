//! Interfaces of Linux from the kernel itself (`rtnetlink(7)`), since getifaddrs(3) gives wrong broadcast addresses.
//!
//! Where an address was added without `brd`, glibc reports our own address (or the peer's) in the broadcast's place.

use std::ffi::CStr;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::interface_address::{Parsed, interface, is_tentative};
use super::netdevice;
use crate::datagram::InterfaceIndex;
use crate::interface::{Changes, Interface};

/// A netlink message: its kind and what follows its header.
type Reply = (u16, Vec<u8>);

/// Every interface with its addresses. What netlink refuses (a sandbox forbids it, or this kind of request) is asked for
/// otherwise.
///
/// # Errors
///
/// Netlink's, where the other way fails too.
pub(crate) fn list() -> io::Result<Vec<Interface>> {
    let mut list = links().or_else(|refused| netdevice::links().map_err(|_| refused))?;
    let addresses = addresses().or_else(|refused| netdevice::addresses(&list).map_err(|_| refused))?;
    for (index, parsed) in addresses {
        if let Some(interface) = list.iter_mut().find(|interface| interface.index == Some(index)) {
            let parsed = parsed.finish(interface.broadcast);
            interface.addresses.push(parsed);
        }
    }
    Ok(list)
}

fn links() -> io::Result<Vec<Interface>> {
    let replies = dump(libc::RTM_GETLINK)?;
    let links = replies.iter().filter(|(kind, _)| *kind == libc::RTM_NEWLINK);
    Ok(links.filter_map(|(_, body)| link(body)).collect())
}

fn addresses() -> io::Result<Vec<(InterfaceIndex, Parsed)>> {
    let replies = dump(libc::RTM_GETADDR)?;
    let addresses = replies.iter().filter(|(kind, _)| *kind == libc::RTM_NEWADDR);
    Ok(addresses.filter_map(|(_, body)| address(body)).collect())
}

/// The name of an interface, asked for alone (`if_indextoname(3)`).
pub(crate) fn name(index: InterfaceIndex) -> Option<String> {
    let mut name = [0u8; libc::IF_NAMESIZE];
    // SAFETY: the function writes at most `IF_NAMESIZE` bytes, the NUL at their end included.
    let found = unsafe { libc::if_indextoname(index.get(), name.as_mut_ptr().cast()) };
    let name = CStr::from_bytes_until_nul(&name).ok().filter(|_| !found.is_null())?;
    name.to_str().ok().map(str::to_owned)
}

/// Notices changes of links and addresses.
#[derive(Debug)]
pub(crate) struct Watch {
    socket: Socket,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        let mut socket = open()?;
        for group in [libc::RTNLGRP_LINK, libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR] {
            super::linux_option::join_netlink_group(&socket, group)?;
        }
        // The first message gives the socket its address, without which it would hear nothing.
        socket.write_all(&request(libc::RTM_GETADDR))?;
        socket.set_nonblocking(true)?;
        let watch = Self { socket };
        watch.changes();
        Ok(watch)
    }

    /// Reads all that was said.
    pub(crate) fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        let mut buffer = vec![0; 65_536];
        // Bounded; what is left wakes the caller again.
        for _ in 0..64 {
            match (&self.socket).read(&mut buffer) {
                Ok(len) => {
                    changes.any = true;
                    note(&buffer[..len], &mut changes);
                }
                // The kernel had more to say than the buffer held.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    (changes.any, changes.has_gaps) = (true, true);
                }
                Err(_) => break,
            }
        }
        changes
    }
}

/// Notes of messages what cannot be seen afterwards: an interface may have come back meanwhile.
fn note(mut messages: &[u8], changes: &mut Changes) {
    while let Some((kind, _, body, rest)) = split_message(messages) {
        messages = rest;
        // Bridges tell of their ports by messages of the same kinds, and another family.
        let of_link = body.first().is_some_and(|family| i32::from(*family) == libc::AF_UNSPEC);
        let Some(interface) = link(body).filter(|_| of_link) else { continue };
        match kind {
            libc::RTM_DELLINK => changes.removed.extend(interface.index),
            libc::RTM_NEWLINK if !interface.takes_ipv6() => changes.without_ipv6.extend(interface.index),
            _ => {}
        }
    }
}

impl std::os::fd::AsFd for Watch {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open() -> io::Result<Socket> {
    Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(libc::NETLINK_ROUTE)))
}

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const REQUEST_DUMP: u16 = 0x301;

/// `nlmsghdr` and an empty `rtgenmsg`, padded: give me all of them.
fn request(kind: u16) -> [u8; 32] {
    let mut message = [0; 32];
    message[0..4].copy_from_slice(&32u32.to_ne_bytes());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    message
}

/// Asks for all objects of a kind; again, a few times, if they changed meanwhile.
fn dump(kind: u16) -> io::Result<Vec<Reply>> {
    let mut result = dump_once(kind)?;
    for _ in 0..3 {
        let (replies, interrupted) = result;
        if !interrupted {
            return Ok(replies);
        }
        result = dump_once(kind)?;
    }
    Ok(result.0)
}

fn dump_once(kind: u16) -> io::Result<(Vec<Reply>, bool)> {
    let mut socket = open()?;
    socket.write_all(&request(kind))?;
    let mut replies = Vec::new();
    let mut interrupted = false;
    let mut buffer = vec![0; 65_536];
    loop {
        let len = socket.read(&mut buffer)?;
        let mut rest = &buffer[..len];
        while let Some((message_kind, flags, body, next)) = split_message(rest) {
            rest = next;
            interrupted |= i32::from(flags) & libc::NLM_F_DUMP_INTR != 0;
            match i32::from(message_kind) {
                libc::NLMSG_DONE => return Ok((replies, interrupted)),
                libc::NLMSG_ERROR => {
                    let code = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                    return Err(io::Error::from_raw_os_error(-code));
                }
                _ => replies.push((message_kind, body.to_vec())),
            }
        }
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The first message: its kind, its flags, its body, and what follows it.
pub(crate) fn split_message(bytes: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let len = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let flags = u16::from_ne_bytes(*bytes.get(6..)?.first_chunk()?);
    let body = bytes.get(16..len)?;
    Some((kind, flags, body, bytes.get(len.next_multiple_of(4)..).unwrap_or(&[])))
}

/// Routing attributes (`rtattr`): kind and data.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let len = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let data = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, data))
    })
}

/// `ifinfomsg` and its attributes.
pub(crate) fn link(body: &[u8]) -> Option<Interface> {
    let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let flags = i32::from_ne_bytes(*body.get(8..)?.first_chunk()?);
    let mut interface = interface("", InterfaceIndex::new(index), flags);
    for (kind, data) in attributes(body.get(16..)?) {
        match kind {
            libc::IFLA_IFNAME => {
                interface.name = String::from_utf8_lossy(data.strip_suffix(b"\0").unwrap_or(data)).into_owned();
            }
            libc::IFLA_MTU => interface.mtu = data.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes)),
            libc::IFLA_ADDRESS => interface.hardware = data.try_into().ok(),
            _ => {}
        }
    }
    Some(interface)
}

/// `ifaddrmsg` and its attributes.
pub(crate) fn address(body: &[u8]) -> Option<(InterfaceIndex, Parsed)> {
    let [_, prefix_len, flags, _] = *body.first_chunk::<4>()?;
    let index = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
    let tentative = is_tentative(flags.into());
    let mut parsed = Parsed { prefix_len, tentative, ..Parsed::default() };
    for (kind, data) in attributes(body.get(8..)?) {
        match (kind, ip(data)) {
            (libc::IFA_LOCAL, ip) => parsed.local = ip,
            (libc::IFA_ADDRESS, ip) => parsed.network = ip,
            (libc::IFA_BROADCAST, Some(IpAddr::V4(v4))) => parsed.broadcast = Some(v4),
            _ => {}
        }
    }
    parsed.local.or(parsed.network)?;
    Some((InterfaceIndex::new(index)?, parsed))
}

fn ip(data: &[u8]) -> Option<IpAddr> {
    match data.len() {
        4 => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let mut rest = bytes.as_slice();
            while let Some((_, _, body, next)) = split_message(rest) {
                note(rest, &mut Changes::default());
                let _ = link(body);
                let _ = address(body).map(|(_, parsed)| parsed.finish(true));
                prop_assert!(next.len() < rest.len());
                rest = next;
            }
        }
    }

    #[test]
    fn this_host_has_a_loopback_interface() {
        let list = list().unwrap();
        assert!(list.iter().any(|interface| interface.loopback && !interface.name.is_empty()));
    }
}
