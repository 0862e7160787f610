//! News of datagrams of ours that were not delivered.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::setters::setters;

/// Why a datagram of ours was not delivered, as an ICMP message or our own kernel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody listens on the port.
    Port,
    /// The host does not answer, or does not exist.
    Host,
    /// No route leads there.
    Network,
    /// A filter on the way forbids it.
    Prohibited,
    /// Too long for a link on the way, which takes at most this many bytes of IP datagram (0: it did not say).
    /// Exhaustive: ICMP says no more.
    TooBig {
        /// The link's MTU in bytes.
        mtu: u32,
    },
    /// The hop limit was used up on the way.
    HopLimit,
    /// Anything else: ICMP type and code. Exhaustive: ICMP says no more.
    Other {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
}

impl Cause {
    /// The cause as a key of JSON and the like: `too_big`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Host => "host",
            Self::Network => "network",
            Self::Prohibited => "prohibited",
            Self::TooBig { .. } => "too_big",
            Self::HopLimit => "hop_limit",
            Self::Other { .. } => "other",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => f.write_str("port unreachable"),
            Self::Host => f.write_str("host unreachable"),
            Self::Network => f.write_str("network unreachable"),
            Self::Prohibited => f.write_str("administratively prohibited"),
            Self::TooBig { mtu: 0 } => f.write_str("too big for the path"),
            Self::TooBig { mtu } => write!(f, "too big for the path (MTU {mtu})"),
            Self::HopLimit => f.write_str("hop limit exceeded"),
            Self::Other { kind, code } => write!(f, "ICMP type {kind} code {code}"),
        }
    }
}

/// A datagram of ours that came back as an error.
///
/// ```
/// use udpkit::{Options, Socket};
///
/// # fn main() -> udpkit::Result<()> {
/// let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default().errors(true))?;
/// socket.send_to(b"anyone?", ([127, 0, 0, 1], 9).into())?;
/// // It may take a while; ask again, or wait with `Socket::receive`, which returns when there is news.
/// socket.errors(|unreachable| eprintln!("{}: {}", unreachable.destination, unreachable.cause));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreachable {
    /// Where the datagram was going.
    pub destination: SocketAddr,
    /// Who reported it; `None` if it was our own kernel.
    pub reporter: Option<IpAddr>,
    /// The cause that the ICMP message or the system gives.
    pub cause: Cause,
    /// The beginning of the datagram's payload, as far as the report quoted it.
    pub payload: Vec<u8>,
}

setters! { Unreachable {
    destination: SocketAddr,
    into reporter: Option<IpAddr>,
    cause: Cause,
    into payload: Vec<u8>,
}}

impl Unreachable {
    /// A report on an empty datagram to this destination, for tests and simulations.
    #[must_use]
    pub fn new(destination: SocketAddr, reporter: Option<IpAddr>, cause: Cause) -> Self {
        Self { destination, reporter, cause, payload: Vec::new() }
    }
}
