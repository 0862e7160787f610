//! Socket options of Linux that socket2 does not have (`ip(7)`, `ipv6(7)`, `socket(7)`, `udp(7)`).

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::socket_option::{Plain, get, set};
use super::{address, calls, send_stamps};
use crate::datagram::InterfaceIndex;
use crate::interface::Interface;
use crate::options::{Capabilities, DontFragment, Options};

/// Not in the libc crate for every Linux target.
const SK_MEMINFO_VARS: usize = 9;
const SK_MEMINFO_WMEM_ALLOC: usize = 2;
const SK_MEMINFO_DROPS: usize = 8;
const SO_BINDTOIFINDEX: i32 = 62;
const IPV6_MULTICAST_ALL: i32 = 29;
const IP_TRANSPARENT: i32 = 19;
const IPV6_TRANSPARENT: i32 = 75;
const MCAST_JOIN_GROUP: i32 = 42;
const MCAST_LEAVE_GROUP: i32 = 45;
const MCAST_JOIN_SOURCE_GROUP: i32 = 46;
const MCAST_LEAVE_SOURCE_GROUP: i32 = 47;

/// `struct group_req` (`netinet/in.h`).
#[repr(C)]
#[derive(Clone, Copy)]
struct GroupRequest {
    interface: u32,
    group: Storage,
}

/// `struct group_source_req` (`netinet/in.h`).
#[repr(C)]
#[derive(Clone, Copy)]
struct GroupSourceRequest {
    interface: u32,
    group: Storage,
    source: Storage,
}

/// `struct sockaddr_storage`: 128 bytes, aligned as a `long`.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(8)))]
#[cfg_attr(target_pointer_width = "32", repr(align(4)))]
#[derive(Clone, Copy)]
struct Storage([u8; 128]);

pub(crate) fn configure(socket: &Socket, options: &Options, v4: bool) -> io::Result<Capabilities> {
    let ip = |name_v4: i32, name_v6: i32| {
        if v4 { (libc::IPPROTO_IP, name_v4) } else { (libc::IPPROTO_IPV6, name_v6) }
    };
    // What changes what is sent was asked for on purpose: without it the socket is of no use.
    if options.transparent {
        let (level, name) = ip(IP_TRANSPARENT, IPV6_TRANSPARENT);
        set(socket, level, name, &1i32)?;
    }
    let (level, name) = ip(libc::IP_MTU_DISCOVER, libc::IPV6_MTU_DISCOVER);
    let discovery = match options.dont_fragment {
        DontFragment::No => None,
        DontFragment::Yes => Some(if v4 { libc::IP_PMTUDISC_DO } else { libc::IPV6_PMTUDISC_DO }),
        DontFragment::Probe => Some(if v4 { libc::IP_PMTUDISC_PROBE } else { libc::IPV6_PMTUDISC_PROBE }),
    };
    if let Some(discovery) = discovery {
        set(socket, level, name, &discovery)?;
    }
    // What informs alone, old kernels, emulators and sandboxes may refuse: the datagrams come nevertheless.
    let set_to = |value: i32, (level, name): (i32, i32)| set(socket, level, name, &value).is_ok();
    let on = |wanted: bool, option: (i32, i32)| wanted && set_to(1, option);
    let errors = ip(libc::IP_RECVERR, libc::IPV6_RECVERR);
    Ok(Capabilities {
        batches: calls::takes_batches(socket),
        destination: on(options.destination, ip(libc::IP_PKTINFO, libc::IPV6_RECVPKTINFO)),
        timestamps: on(options.timestamps, (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)),
        hop_limits: on(options.hop_limits, ip(libc::IP_RECVTTL, libc::IPV6_RECVHOPLIMIT)),
        traffic_classes: on(options.traffic_classes, ip(libc::IP_RECVTOS, libc::IPV6_RECVTCLASS)),
        fragment_sizes: on(options.fragment_sizes, ip(libc::IP_RECVFRAGSIZE, libc::IPV6_RECVFRAGSIZE)),
        transmit_traffic_class: true,
        dont_fragment: options.dont_fragment != DontFragment::No,
        // Trains came with Linux 4.18 (GSO) and 5.0 (GRO); without them everything goes singly.
        coalesce: on(options.coalesce, (libc::SOL_UDP, libc::UDP_GRO)),
        segmentation: get::<i32>(socket, libc::SOL_UDP, libc::UDP_SEGMENT).is_ok(),
        kernel_drops: kernel_drops(socket).is_some(),
        drops: on(options.drops, (libc::SOL_SOCKET, libc::SO_RXQ_OVFL)),
        // A queue that cannot be emptied would wake every wait.
        errors: on(options.errors, errors) && (calls::has_error_queue(socket) || !set_to(0, errors)),
        send_timestamps: options.send_timestamps && calls::has_error_queue(socket) && send_stamps::report(socket),
        // Came to IPv6 with Linux 4.20; before, groups joined by others are heard too.
        only_joined_groups: options.only_joined_groups && set_to(0, ip(libc::IP_MULTICAST_ALL, IPV6_MULTICAST_ALL)),
        receive_buffer: options.receive_buffer.is_some_and(|size| set_receive_buffer(socket, size)),
        true_length: true,
    })
}

/// Sets the size of the receive buffer in bytes as the kernel counts them; it doubles what it is given.
fn set_receive_buffer(socket: &Socket, size: usize) -> bool {
    let size = i32::try_from(size / 2).unwrap_or(i32::MAX / 2).max(1);
    // Beyond net.core.rmem_max only the administrator may go.
    [libc::SO_RCVBUFFORCE, libc::SO_RCVBUF].into_iter().any(|name| set(socket, libc::SOL_SOCKET, name, &size).is_ok())
}

/// Binds to the interface of this name.
pub(crate) fn bind_device(socket: &Socket, name: &str) -> io::Result<()> {
    // The kernel would cut a longer name, end it at a zero, and take an empty one as the wish to be unbound.
    if name.is_empty() || name.len() >= libc::IF_NAMESIZE || name.contains('\0') {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    socket.bind_device(Some(name.as_bytes()))
}

pub(crate) fn kernel_drops(socket: &Socket) -> Option<u32> {
    Some(memory(socket)?[SK_MEMINFO_DROPS])
}

pub(crate) fn unsent(socket: &Socket) -> Option<u32> {
    Some(memory(socket)?[SK_MEMINFO_WMEM_ALLOC])
}

fn memory(socket: &Socket) -> Option<[u32; SK_MEMINFO_VARS]> {
    get(socket, libc::SOL_SOCKET, libc::SO_MEMINFO).ok()
}

pub(crate) fn join(socket: &Socket, group: IpAddr, interface: &Interface, source: Option<IpAddr>) -> io::Result<()> {
    let level = if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
    let index = interface.index.map_or(0, InterfaceIndex::get);
    let group = Storage(address::storage(group));
    match source {
        None => set(socket, level, MCAST_JOIN_GROUP, &GroupRequest { interface: index, group }),
        Some(source) => {
            let source = Storage(address::storage(source));
            set(socket, level, MCAST_JOIN_SOURCE_GROUP, &GroupSourceRequest { interface: index, group, source })
        }
    }
}

/// Leaves a group, of this source or of whichever sources it was joined; the interface may be gone.
pub(crate) fn leave(
    socket: &Socket,
    group: IpAddr,
    interface: InterfaceIndex,
    source: Option<IpAddr>,
) -> io::Result<()> {
    let level = if group.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
    let (interface, group) = (interface.get(), Storage(address::storage(group)));
    match source {
        None => set(socket, level, MCAST_LEAVE_GROUP, &GroupRequest { interface, group }),
        Some(source) => {
            let source = Storage(address::storage(source));
            set(socket, level, MCAST_LEAVE_SOURCE_GROUP, &GroupSourceRequest { interface, group, source })
        }
    }
}

pub(crate) fn path_mtu(destination: SocketAddr, interface: Option<InterfaceIndex>) -> Option<u32> {
    let socket = Socket::new(Domain::for_address(destination), Type::DGRAM, Some(Protocol::UDP)).ok()?;
    socket.set_broadcast(true).ok()?;
    if let Some(index) = interface {
        set(&socket, libc::SOL_SOCKET, SO_BINDTOIFINDEX, &i32::try_from(index.get()).ok()?).ok()?;
    }
    // Connecting a UDP socket sends nothing; it only looks the route up.
    socket.connect(&SockAddr::from(destination)).ok()?;
    let (level, name) = match destination {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    get::<i32>(&socket, level, name).ok()?.try_into().ok()
}

// SAFETY: integers, and structures and arrays of them, have no invalid bit patterns.
unsafe impl Plain for [u32; SK_MEMINFO_VARS] {}
// SAFETY: as above.
unsafe impl Plain for GroupRequest {}
// SAFETY: as above.
unsafe impl Plain for GroupSourceRequest {}

/// Subscribes a netlink socket to a group (`NETLINK_ADD_MEMBERSHIP`).
pub(crate) fn join_netlink_group(socket: &Socket, group: u32) -> io::Result<()> {
    let group = i32::try_from(group).map_err(io::Error::other)?;
    set(socket, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &group)
}
