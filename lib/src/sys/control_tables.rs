//! The control messages of each system, by number, so that the tests of one system go through the tables of all.
//!
//! From `netinet/in.h`, `netinet6/in6.h` and `sys/socket.h` of each, and `ws2ipdef.h`; where the libc crate knows a number, the
//! compiler compares it.
#![cfg_attr(not(test), allow(dead_code, reason = "each system uses its own"))]

use super::cmsg::{Layout, NATIVE};

/// What a system tells of a datagram, and what it can be told.
pub(super) struct System {
    pub(super) layout: Layout,
    pub(super) told: &'static [Told],
    pub(super) v4: Taken,
    pub(super) v6: Taken,
}

/// A control message that comes with each datagram once it was asked for.
pub(super) struct Told {
    pub(super) level: i32,
    /// The option that asks for it.
    pub(super) ask: i32,
    /// What it is called when it comes.
    pub(super) kind: i32,
    pub(super) what: Content,
}

/// What is in a control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// `struct in_pktinfo`: the interface, an address of ours that not every system gives, the address in the header.
    InterfaceThenAddress,
    /// `struct in6_pktinfo`, and `IN_PKTINFO` of Windows.
    AddressThenInterface,
    /// `struct in_addr`: the address in the header.
    Address,
    /// `struct sockaddr_dl`: the interface.
    LinkAddress,
    /// A byte or an `int`.
    HopLimit,
    /// A byte or an `int`.
    TrafficClass,
    /// `struct timeval`.
    Time,
}

/// What a system takes with a datagram of one family, as messages of this level.
pub(super) struct Taken {
    pub(super) level: i32,
    /// The address and the interface to send by.
    pub(super) source: Option<(i32, Content)>,
    pub(super) hop_limit: Option<(i32, Width)>,
    pub(super) traffic_class: Option<(i32, Width)>,
}

/// How a small number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte,
    Int,
}

/// `IPPROTO_IP` and `IPPROTO_IPV6`, everywhere.
pub(super) const IP: i32 = 0;
pub(super) const IPV6: i32 = 41;

/// That of the system this is built for.
#[cfg(target_os = "linux")]
pub(super) const HERE: &System = &LINUX;
#[cfg(target_vendor = "apple")]
pub(super) const HERE: &System = &APPLE;
#[cfg(target_os = "freebsd")]
pub(super) const HERE: &System = &FREEBSD;
#[cfg(windows)]
pub(super) const HERE: &System = &WINDOWS;
#[cfg(not(any(target_os = "linux", target_vendor = "apple", target_os = "freebsd", windows)))]
pub(super) const HERE: &System = &UNKNOWN;

/// `SOL_SOCKET` of BSD; that of Linux is 1.
const SOCKET: i32 = 0xffff;

const fn told(level: i32, ask: i32, kind: i32, what: Content) -> Told {
    Told { level, ask, kind, what }
}

const NONE_V4: Taken = Taken { level: IP, source: None, hop_limit: None, traffic_class: None };
const NONE_V6: Taken = Taken { level: IPV6, ..NONE_V4 };

/// Linux as it would be without what others lack: no hop limit of a datagram of IPv4, and times in microseconds.
pub(super) const LINUX: System = System {
    layout: NATIVE,
    told: &[
        told(IP, 8, 8, Content::InterfaceThenAddress),     // IP_PKTINFO
        told(IP, 13, 1, Content::TrafficClass),            // IP_RECVTOS, IP_TOS
        told(IPV6, 49, 50, Content::AddressThenInterface), // IPV6_RECVPKTINFO, IPV6_PKTINFO
        told(IPV6, 51, 52, Content::HopLimit),             // IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT
        told(IPV6, 66, 67, Content::TrafficClass),         // IPV6_RECVTCLASS, IPV6_TCLASS
        told(1, 29, 29, Content::Time),                    // SOL_SOCKET: SO_TIMESTAMP, SCM_TIMESTAMP
    ],
    v4: Taken { source: Some((8, Content::InterfaceThenAddress)), ..NONE_V4 },
    v6: Taken {
        source: Some((50, Content::AddressThenInterface)),
        hop_limit: Some((52, Width::Int)),
        traffic_class: Some((67, Width::Int)),
        ..NONE_V6
    },
};

/// macOS and its kin. A hop limit can be read of a datagram of IPv4 (`IP_RECVTTL`) but not given to one, so it is not asked for.
pub(super) const APPLE: System = System {
    layout: Layout { length: 4, align: 4 },
    told: &[
        told(IP, 26, 26, Content::InterfaceThenAddress), // IP_RECVPKTINFO, which is IP_PKTINFO
        told(IP, 27, 27, Content::TrafficClass),         // IP_RECVTOS
        told(IPV6, 61, 46, Content::AddressThenInterface), // IPV6_RECVPKTINFO, IPV6_PKTINFO
        told(IPV6, 37, 47, Content::HopLimit),           // IPV6_RECVHOPLIMIT, IPV6_HOPLIMIT
        told(IPV6, 35, 36, Content::TrafficClass),       // IPV6_RECVTCLASS, IPV6_TCLASS
        told(SOCKET, 0x400, 2, Content::Time),           // SO_TIMESTAMP, SCM_TIMESTAMP
    ],
    v4: Taken { source: Some((26, Content::InterfaceThenAddress)), ..NONE_V4 },
    v6: Taken {
        source: Some((46, Content::AddressThenInterface)),
        hop_limit: Some((47, Width::Int)),
        traffic_class: Some((36, Width::Int)),
        ..NONE_V6
    },
};

/// FreeBSD. As on macOS, no hop limits of IPv4.
pub(super) const FREEBSD: System = System {
    layout: Layout { length: 4, align: size_of::<usize>() },
    told: &[
        told(IP, 7, 7, Content::Address),        // IP_RECVDSTADDR
        told(IP, 20, 20, Content::LinkAddress),  // IP_RECVIF
        told(IP, 68, 68, Content::TrafficClass), // IP_RECVTOS
        told(IPV6, 36, 46, Content::AddressThenInterface),
        told(IPV6, 37, 47, Content::HopLimit),
        told(IPV6, 57, 61, Content::TrafficClass),
        told(SOCKET, 0x400, 2, Content::Time),
    ],
    v4: Taken {
        source: Some((7, Content::Address)),   // IP_SENDSRCADDR
        traffic_class: Some((3, Width::Byte)), // IP_TOS
        ..NONE_V4
    },
    v6: Taken {
        source: Some((46, Content::AddressThenInterface)),
        hop_limit: Some((47, Width::Int)),
        traffic_class: Some((61, Width::Int)),
        ..NONE_V6
    },
};

/// Windows: `IP_PKTINFO` and `IPV6_PKTINFO`.
pub(super) const WINDOWS: System = System {
    layout: NATIVE,
    told: &[told(IP, 19, 19, Content::AddressThenInterface), told(IPV6, 19, 19, Content::AddressThenInterface)],
    v4: Taken { source: Some((19, Content::AddressThenInterface)), ..NONE_V4 },
    v6: Taken { source: Some((19, Content::AddressThenInterface)), ..NONE_V6 },
};

/// A system of which no control messages are known here.
pub(super) const UNKNOWN: System = System { layout: NATIVE, told: &[], v4: NONE_V4, v6: NONE_V6 };

#[cfg(target_os = "linux")]
const _: () = {
    assert!(libc::IP_PKTINFO == 8 && libc::IP_RECVTOS == 13 && libc::IP_TOS == 1);
    assert!(libc::IPV6_RECVPKTINFO == 49 && libc::IPV6_PKTINFO == 50);
    assert!(libc::IPV6_RECVHOPLIMIT == 51 && libc::IPV6_HOPLIMIT == 52);
    assert!(libc::IPV6_RECVTCLASS == 66 && libc::IPV6_TCLASS == 67);
};

#[cfg(target_vendor = "apple")]
const _: () = {
    assert!(libc::IP_PKTINFO == 26 && libc::IP_RECVTOS == 27);
    assert!(libc::IPV6_RECVPKTINFO == 61 && libc::IPV6_PKTINFO == 46);
    assert!(libc::IPV6_RECVHOPLIMIT == 37 && libc::IPV6_HOPLIMIT == 47);
    assert!(libc::IPV6_RECVTCLASS == 35 && libc::IPV6_TCLASS == 36);
    assert!(libc::SOL_SOCKET == SOCKET && libc::SO_TIMESTAMP == 0x400 && libc::SCM_TIMESTAMP == 2);
};

#[cfg(target_os = "freebsd")]
const _: () = {
    assert!(libc::IP_RECVDSTADDR == 7 && libc::IP_SENDSRCADDR == 7 && libc::IP_RECVIF == 20);
    assert!(libc::IP_RECVTOS == 68 && libc::IP_TOS == 3);
    assert!(libc::IPV6_RECVPKTINFO == 36 && libc::IPV6_PKTINFO == 46);
    assert!(libc::IPV6_RECVHOPLIMIT == 37 && libc::IPV6_HOPLIMIT == 47);
    assert!(libc::IPV6_RECVTCLASS == 57 && libc::IPV6_TCLASS == 61);
    assert!(libc::SOL_SOCKET == SOCKET && libc::SO_TIMESTAMP == 0x400 && libc::SCM_TIMESTAMP == 2);
};

#[cfg(windows)]
const _: () = {
    use windows_sys::Win32::Networking::WinSock as winsock;
    assert!(winsock::IP_PKTINFO == 19 && winsock::IPV6_PKTINFO == 19);
    assert!(winsock::IPPROTO_IP == IP && winsock::IPPROTO_IPV6 == IPV6);
};
