//! What a socket is asked for, and what it has of that.

use std::time::Duration;

use crate::setters::setters;

/// What a socket is asked for; everything is off or the system's default until it is set.
///
/// An IPv6 socket is IPv6 alone (`IPV6_V6ONLY`), on every system, unless [`dual_stack`](field@Self::dual_stack) is set: both
/// families take two sockets.
///
/// ```
/// use udpkit::{Options, Socket};
///
/// # fn main() -> udpkit::Result<()> {
/// let options = Options::default().destination(true).timestamps(true).receive_buffer(4 << 20);
/// let socket = Socket::bind(([0, 0, 0, 0], 0).into(), &options)?;
/// if !socket.capabilities().timestamps {
///     println!("this system does not tell when a datagram came");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Share the port with others that allow it (`SO_REUSEADDR`; on macOS and BSD `SO_REUSEPORT` as well): each gets every broadcast and
    /// multicast. Without it, nobody else can have the port (on Windows by `SO_EXCLUSIVEADDRUSE`).
    pub reuse_address: bool,
    /// Share the port's unicast traffic with sockets of the same user (`SO_REUSEPORT`). Not on Windows.
    pub reuse_port: bool,
    /// Let an IPv6 socket take IPv4 as well (`IPV6_V6ONLY` off). Addresses of IPv4 are given and taken as on a socket of IPv4, never
    /// as `::ffff:192.0.2.1`. Not on OpenBSD.
    pub dual_stack: bool,
    /// Receive and send by the interface of this name alone (`SO_BINDTODEVICE`), whatever the routing table says. Linux only, and
    /// an error elsewhere; before Linux 5.7 it needs `CAP_NET_RAW`.
    pub device: Option<String>,
    /// Allow sending to broadcast addresses (`SO_BROADCAST`).
    pub broadcast: bool,
    /// Bind to, and send from, addresses that are not this host's (`IP_TRANSPARENT`). Needs `CAP_NET_ADMIN` or `CAP_NET_RAW`. Linux only.
    pub transparent: bool,
    /// Tell destination, local address, interface and delivery of each datagram (`IP_PKTINFO`).
    pub destination: bool,
    /// Tell the kernel's time of each datagram (`SO_TIMESTAMPNS`).
    pub timestamps: bool,
    /// Tell the hop limit of each datagram (`IP_RECVTTL`).
    pub hop_limits: bool,
    /// Tell the traffic class of each datagram (`IP_RECVTOS`).
    pub traffic_classes: bool,
    /// Tell of each datagram that came in fragments how long the longest one was (`IP_RECVFRAGSIZE`). Linux only.
    pub fragment_sizes: bool,
    /// Tell with a datagram how many were dropped before it (`SO_RXQ_OVFL`).
    pub drops: bool,
    /// Tell of datagrams that were refused: the error queue (`IP_RECVERR`).
    pub errors: bool,
    /// Tell when each datagram left ([`Socket::feedback`](crate::Socket::feedback), `SO_TIMESTAMPING`). What is not read takes room
    /// from the receive buffer, so no more times are asked for while one for each 2 KiB of it may wait there. Devices without
    /// such times (most real ones have them) tell nothing. Before Linux 6.13 trains are off, and after a call that failed
    /// some datagrams have no time. Linux only.
    pub send_timestamps: bool,
    /// Receive runs of one source as trains (`UDP_GRO`). Times and drops are then those of a train.
    pub coalesce: bool,
    /// Receive multicasts only of groups that this socket joined (`IP_MULTICAST_ALL` off).
    pub only_joined_groups: bool,
    /// Size of the receive buffer in bytes, as large as the system permits if not as large as this.
    pub receive_buffer: Option<usize>,
    /// Time to live or hop limit of what is sent, multicasts included (their default is 1).
    pub hop_limit: Option<u8>,
    /// Traffic class of what is sent: DSCP in the upper six bits.
    pub traffic_class: Option<u8>,
    /// Whether what is sent may be cut into fragments. `true` and `false` turn into it.
    pub dont_fragment: DontFragment,
    /// Send every datagram in a message of its own. Otherwise equal datagrams that follow each other are handed to the kernel
    /// as one train (`UDP_SEGMENT`) where it can send trains: cheaper, and they leave as one burst.
    pub singly: bool,
    /// How long one send call may wait, all together, for room in the send buffer or the device queue. What finds none
    /// by then is a failure: with zero, the default, at once.
    pub send_wait: Duration,
    /// Use only what other systems have, too: for seeing on Linux what a program would get on macOS.
    pub portable: bool,
}

setters! { Options {
    reuse_address: bool,
    reuse_port: bool,
    dual_stack: bool,
    into device: Option<String>,
    broadcast: bool,
    transparent: bool,
    destination: bool,
    timestamps: bool,
    hop_limits: bool,
    traffic_classes: bool,
    fragment_sizes: bool,
    drops: bool,
    errors: bool,
    send_timestamps: bool,
    coalesce: bool,
    only_joined_groups: bool,
    into receive_buffer: Option<usize>,
    into hop_limit: Option<u8>,
    into traffic_class: Option<u8>,
    into dont_fragment: DontFragment,
    singly: bool,
    send_wait: Duration,
    portable: bool,
}}

/// Whether what a socket sends may be cut into fragments (`IP_MTU_DISCOVER`, `IPV6_MTU_DISCOVER`, `IP_DONTFRAG`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DontFragment {
    /// As the system does it by default: a datagram that is too long for its path arrives in fragments.
    #[default]
    No,
    /// Neither this host nor routers make fragments. A datagram over the path's MTU is a failure
    /// ([`ErrorKind::TooLong`](crate::ErrorKind::TooLong)) once the path's MTU is known; until then a router may refuse
    /// it ([`Cause::TooBig`](crate::Cause::TooBig)).
    Yes,
    /// The same, but what is known of the path's MTU is not used: only a datagram over the MTU of the first link is a failure.
    /// For measuring what a path takes (RFC 8899), where an old or forged report must not count. Outside of Linux, like `Yes`.
    Probe,
}

impl From<bool> for DontFragment {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What a socket really has, of what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Many datagrams in one system call.
    pub batches: bool,
    /// Destination, local address, interface and delivery of each datagram; answers leave from the address asked.
    pub destination: bool,
    /// The kernel's times.
    pub timestamps: bool,
    /// Hop limits of received datagrams, and a hop limit for each one sent.
    pub hop_limits: bool,
    /// Traffic classes of received datagrams.
    pub traffic_classes: bool,
    /// How long the fragments were that a datagram came in.
    pub fragment_sizes: bool,
    /// A traffic class for each datagram sent ([`Transmit::traffic_class`](crate::Transmit::traffic_class)); without it, such a
    /// datagram is a failure.
    pub transmit_traffic_class: bool,
    /// What is sent is never fragmented.
    pub dont_fragment: bool,
    /// Trains on receipt (GRO).
    pub coalesce: bool,
    /// Trains on sending (GSO): not with [`Options::singly`], and the first refusal by a device ends it.
    pub segmentation: bool,
    /// The exact number of datagrams that the kernel dropped at this socket.
    pub kernel_drops: bool,
    /// With a datagram, how many were dropped before it.
    pub drops: bool,
    /// Which datagram was refused, and by whom.
    pub errors: bool,
    /// Multicasts of no group but those that this socket joined.
    pub only_joined_groups: bool,
    /// A receive buffer as large as was asked for, or as the system permits ([`Socket::receive_buffer`](crate::Socket::receive_buffer)).
    pub receive_buffer: bool,
    /// When each datagram left, as far as its device tells.
    pub send_timestamps: bool,
    /// The true length of a truncated datagram; elsewhere only that it was truncated.
    pub true_length: bool,
}

impl Capabilities {
    /// What two sets of options of one socket have in common.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            batches: self.batches && other.batches,
            destination: self.destination && other.destination,
            timestamps: self.timestamps && other.timestamps,
            hop_limits: self.hop_limits && other.hop_limits,
            traffic_classes: self.traffic_classes && other.traffic_classes,
            fragment_sizes: self.fragment_sizes && other.fragment_sizes,
            transmit_traffic_class: self.transmit_traffic_class && other.transmit_traffic_class,
            dont_fragment: self.dont_fragment && other.dont_fragment,
            coalesce: self.coalesce && other.coalesce,
            segmentation: self.segmentation && other.segmentation,
            kernel_drops: self.kernel_drops && other.kernel_drops,
            drops: self.drops && other.drops,
            errors: self.errors && other.errors,
            only_joined_groups: self.only_joined_groups && other.only_joined_groups,
            receive_buffer: self.receive_buffer && other.receive_buffer,
            send_timestamps: self.send_timestamps && other.send_timestamps,
            true_length: self.true_length && other.true_length,
        }
    }
}
