//! Addresses as people write them: `HOST`, `HOST:PORT`, `:PORT`, `PORT`, `[V6]:PORT`, `[V6%eth0]:PORT`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Result, bail};
use udpkit::{InterfaceIndex, Interfaces, Options, Socket};

use super::foreign;
use crate::hint::{Hint, no_interface};

/// The port where none is given.
pub(crate) const DEFAULT_PORT: u16 = 10_000;

/// An address as it was written; nothing is looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: Option<Host>,
    pub(crate) port: Option<u16>,
}

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    /// An IPv6 address and the interface it counts on.
    Scoped(Ipv6Addr, String),
    Name(String),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an address is empty; write HOST, HOST:PORT, :PORT, PORT or [V6]:PORT".to_owned());
        }
        if split_range(text).is_some() {
            return Err(format!("'{text}' is a range of ports; there is one port here"));
        }
        if let Some(correction) = foreign::correction(text) {
            return Err(correction);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self { host: None, port: Some(port(text)?) });
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let (host, rest) = bracketed.rsplit_once(']').ok_or_else(|| format!("'{text}' lacks its ']'"))?;
            let host = v6(host).ok_or_else(|| format!("'{host}' is not an IPv6 address"))?;
            let port = match rest.strip_prefix(':') {
                Some(digits) => Some(port(digits)?),
                None if rest.is_empty() => None,
                None => return Err(format!("'{rest}' after ']' is not a port; write [V6]:PORT")),
            };
            return Ok(Self { host: Some(host), port });
        }
        // Two colons or more without brackets: an IPv6 address alone.
        if text.matches(':').count() > 1 {
            let host =
                v6(text).ok_or_else(|| format!("'{text}' is not an IPv6 address; with a port write [V6]:PORT"))?;
            return Ok(Self { host: Some(host), port: None });
        }
        let (host, port) = match text.split_once(':') {
            Some((host, digits)) => (host, Some(port(digits)?)),
            None => (text, None),
        };
        let host = (!host.is_empty()).then(|| host.parse().map_or_else(|_| Host::Name(host.to_owned()), Host::Ip));
        Ok(Self { host, port })
    }
}

impl Address {
    /// The same host with this port, as it is written.
    pub(crate) fn with_port(&self, port: impl std::fmt::Display) -> String {
        match &self.host {
            None => port.to_string(),
            Some(host @ (Host::Ip(IpAddr::V6(_)) | Host::Scoped(..))) => format!("[{host}]:{port}"),
            Some(host) => format!("{host}:{port}"),
        }
    }

    /// Where this leads, to this port if it names none; loopback if it names no host. At least one address.
    pub(crate) fn destinations(
        &self,
        port: u16,
        families: Families,
        interfaces: &Interfaces,
    ) -> Result<Vec<SocketAddr>> {
        let host = self.host.clone().unwrap_or_else(|| Host::Ip(families.loopback()));
        let mut found = host.resolve(self.port.unwrap_or(port), families, interfaces)?;
        found.dedup();
        Ok(found)
    }
}

/// Parses a port.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| match split_range(text) {
        Some(_) => format!("'{text}' is a range of ports; it is part of an address, as in HOST:{text}"),
        None => format!("'{text}' is not a port: ports are 0 to 65535"),
    })
}

/// What stands before the end of a range of ports such as `5000-5010`, and that end. A name may have a hyphen, too.
pub(super) fn split_range(text: &str) -> Option<(&str, &str)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (start, last) = text.rsplit_once('-')?;
    let port = start.rsplit(':').next()?;
    (is_number(port) && is_number(last)).then_some((start, last))
}

/// An IPv6 address, with or without a scope.
fn v6(text: &str) -> Option<Host> {
    match text.split_once('%') {
        Some((ip, scope)) if !scope.is_empty() => Some(Host::Scoped(ip.parse().ok()?, scope.to_owned())),
        Some(_) => None,
        None => Some(Host::Ip(IpAddr::V6(text.parse().ok()?))),
    }
}

/// Which families of addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Families {
    pub(crate) only_v4: bool,
    pub(crate) only_v6: bool,
}

impl Families {
    /// This host as it is known to itself: 127.0.0.1, or ::1 where IPv6 is wanted, or all that there is.
    pub(crate) fn loopback(self) -> IpAddr {
        let (v4, v6) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
        let works = |ip| Socket::bind(SocketAddr::new(ip, 0), &Options::default()).is_ok();
        if self.only_v6 || !self.only_v4 && !works(v4) && works(v6) { v6 } else { v4 }
    }

    pub(crate) fn admits(self, ip: IpAddr) -> bool {
        !(self.only_v4 && ip.is_ipv6() || self.only_v6 && ip.is_ipv4())
    }
}

impl Host {
    /// The addresses of the host, those of unwanted families left out; at least one.
    pub(crate) fn resolve(&self, port: u16, families: Families, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
        let all = match self {
            Self::Ip(ip) => vec![SocketAddr::new(*ip, port)],
            Self::Scoped(ip, scope) => vec![SocketAddrV6::new(*ip, port, 0, scope_id(scope, interfaces)?).into()],
            Self::Name(name) => match (name.as_str(), port).to_socket_addrs() {
                Ok(found) => found.collect(),
                Err(error) => {
                    let reason = error.to_string();
                    let reason = reason.strip_prefix("failed to lookup address information: ").unwrap_or(&reason);
                    let reason = udpkit::reason(&std::io::Error::other(reason));
                    let hint = match interfaces.named(name) {
                        Some(_) => format!("'{name}' is an interface here, which -i {name} chooses"),
                        None => "check the spelling and the name server, or give the address itself".to_owned(),
                    };
                    return Err(Hint::on(format!("cannot resolve '{name}': {reason}"), hint));
                }
            },
        };
        // An IPv4 address in IPv6's clothes is IPv4 on the wire.
        let all = all.into_iter().map(|address| match address.ip().to_canonical() {
            IpAddr::V4(v4) => SocketAddr::new(v4.into(), address.port()),
            IpAddr::V6(_) => address,
        });
        let mut wanted: Vec<_> = all.filter(|address| families.admits(address.ip())).collect();
        if wanted.iter().any(SocketAddr::is_ipv4) && wanted.iter().any(SocketAddr::is_ipv6) && !has_ipv6() {
            wanted.retain(SocketAddr::is_ipv4);
        }
        if wanted.is_empty() {
            let family = if families.only_v4 { "IPv4" } else { "IPv6" };
            bail!("'{self}' has no {family} address");
        }
        Ok(wanted)
    }
}

/// Whether there are sockets of IPv6: a kernel may lack it, a sandbox forbid it.
fn has_ipv6() -> bool {
    Socket::bind((Ipv6Addr::UNSPECIFIED, 0).into(), &Options::default()).is_ok()
}

/// Whether an address says nothing without an interface: link-local, and groups that stay on the link or on the
/// interface (RFC 4291 section 2.7).
pub(crate) fn needs_scope(ip: IpAddr) -> bool {
    let IpAddr::V6(v6) = ip else { return false };
    v6.is_unicast_link_local() || v6.is_multicast() && matches!(v6.segments()[0] & 0xf, 1 | 2)
}

/// An address with this interface, where it counts on one.
pub(crate) fn on_interface(address: SocketAddr, interface: Option<InterfaceIndex>) -> SocketAddr {
    match (address, interface) {
        (SocketAddr::V6(v6), Some(interface)) if needs_scope((*v6.ip()).into()) => {
            SocketAddrV6::new(*v6.ip(), v6.port(), v6.flowinfo(), interface.get()).into()
        }
        (address, _) => address,
    }
}

/// An error for the port that no datagram can have as its destination.
pub(crate) fn check_port(port: u16) -> Result<()> {
    if port == 0 {
        bail!("nothing can be sent to port 0 (RFC 768 reserves it)");
    }
    Ok(())
}

impl std::fmt::Display for Address {
    /// As it was written, or could have been.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.host, self.port) {
            (_, Some(port)) => f.write_str(&self.with_port(port)),
            (Some(host), None) => host.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Scoped(ip, scope) => write!(f, "{ip}%{scope}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The number of an interface given by name or number.
fn scope_id(scope: &str, interfaces: &Interfaces) -> Result<u32> {
    if let Some(index) = interfaces.named(scope).and_then(|interface| interface.index) {
        return Ok(index.get());
    }
    match scope.parse::<std::num::NonZeroU32>() {
        // Where they cannot be listed, a number is taken at its word.
        Ok(index) if interfaces.is_empty() || interfaces.numbered(index).is_some() => Ok(index.get()),
        _ => Err(no_interface(scope, interfaces)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Option<String>, Option<u16>) {
        let address: Address = text.parse().unwrap();
        (address.host.map(|host| host.to_string()), address.port)
    }

    #[test]
    fn every_form() {
        let cases = [
            ("example.org", Some("example.org"), None),
            ("example.org:53", Some("example.org"), Some(53)),
            (":53", None, Some(53)),
            ("53", None, Some(53)),
            ("1.2.3.4", Some("1.2.3.4"), None),
            ("1.2.3.4:5", Some("1.2.3.4"), Some(5)),
            ("[::1]:5", Some("::1"), Some(5)),
            ("[::1]", Some("::1"), None),
            ("::1", Some("::1"), None),
            ("fe80::1%eth0", Some("fe80::1%eth0"), None),
            ("[fe80::1%eth0]:5", Some("fe80::1%eth0"), Some(5)),
        ];
        for (text, host, port) in cases {
            assert_eq!(parse(text), (host.map(str::to_owned), port), "{text}");
        }
    }

    #[test]
    fn what_needs_an_interface() {
        for (text, needed) in [
            ("fe80::1", true),
            ("ff01::1", true),
            ("ff02::fb", true),
            ("ff12::1", true),
            ("ff05::1", false),
            ("ff0e::1", false),
            ("fd01::1", false),
            ("224.0.0.1", false),
        ] {
            assert_eq!(needs_scope(text.parse().unwrap()), needed, "{text}");
        }
    }

    #[test]
    fn mistakes() {
        for wrong in
            ["", "host:", "host:port", "1.2.3.4:70000", "70000", "[::1", "[::1]5", "[host]:5", "::1::", "[fe80::1%]:5"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
