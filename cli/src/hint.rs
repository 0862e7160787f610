//! What to do about an error: computed from its cause, apart from the error itself.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use udpkit::Interfaces;

use crate::port_owner::{Owner, owner};

/// An error of ours that knows what to do about it.
#[derive(Debug)]
pub(crate) struct Hint {
    message: String,
    hint: String,
}

impl Hint {
    /// An error with this message and this advice.
    pub(crate) fn on(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), hint: hint.into() }.into()
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hint {}

/// The advice that fits an error, if there is any.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    if let Some(hint) = error.downcast_ref::<Hint>() {
        return Some(hint.hint.clone());
    }
    of_system_error(error.downcast_ref::<udpkit::Error>()?)
}

/// The names of the interfaces that there are.
pub(crate) fn interface_names(interfaces: &Interfaces) -> String {
    let names: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
    format!("interfaces here: {}", names.join(", "))
}

/// Advice for an error of the library, by what was attempted and why it failed.
pub(crate) fn of_system_error(error: &udpkit::Error) -> Option<String> {
    match error.attempt() {
        "bind" if error.is_in_use() => Some(in_use(error, "-p")),
        "serve metrics on" if error.is_in_use() => {
            Some("another program has the TCP port; choose one with --metrics HOST:PORT".to_owned())
        }
        "bind" | "serve metrics on" if error.is_permission() => Some(privileged_port()),
        "bind" | "serve metrics on" if error.is_not_ours() => Some(own_addresses()),
        "bind" if error.is_unsupported_family() => Some("this kernel has no IPv6; -4 leaves it out".to_owned()),
        "join" => Some(where_to_join(error)),
        // Of files, the reason says it all.
        "create" | "write" | "look for files like" => None,
        _ => of_send_error(error.cause()),
    }
}

/// Advice for a datagram that could not be sent.
pub(crate) fn of_send_error(cause: &io::Error) -> Option<String> {
    let advice = match cause.kind() {
        io::ErrorKind::NetworkUnreachable => {
            "no route leads there; `udp broadcast` and -i NAME need none on attached networks"
        }
        io::ErrorKind::HostUnreachable => "no host answers for that address on its network",
        io::ErrorKind::PermissionDenied => {
            "a local firewall forbids it, or the address is a broadcast of no attached network"
        }
        io::ErrorKind::AddrNotAvailable => "the local address or interface is not there any more",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Advice for a datagram over the MTU of its path.
pub(crate) fn of_mtu(destination: IpAddr, mtu: u32) -> String {
    let most = (mtu as usize).saturating_sub(udpkit::header_len(destination)).min(udpkit::max_payload(destination));
    format!("payloads of up to {most} B get there in one piece")
}

fn privileged_port() -> String {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    let first = first.and_then(|text| text.trim().parse::<u16>().ok()).unwrap_or(1024);
    format!("ports below {first} need root, or once: sudo setcap cap_net_bind_service=+ep $(command -v udp)")
}

/// Which interfaces there are, where the one that a group was to be joined on is not among them.
fn where_to_join(error: &udpkit::Error) -> String {
    let interfaces = Interfaces::list().unwrap_or_default();
    match error.object().rsplit_once(" on ") {
        Some((_, name)) if interfaces.named(name).is_none() => interface_names(&interfaces),
        _ => "`udp interfaces` shows which interfaces are up and can multicast; -i NAME chooses".to_owned(),
    }
}

fn own_addresses() -> String {
    let Ok(interfaces) = Interfaces::list() else { return "`udp interfaces` lists this host's addresses".to_owned() };
    let addresses: Vec<_> =
        interfaces.iter().flat_map(|interface| &interface.addresses).map(|address| address.ip.to_string()).collect();
    format!("this host's addresses: {}", addresses.join(", "))
}

/// Who has the address, if the system tells, and the flag that chooses another.
pub(crate) fn in_use(error: &udpkit::Error, flag: &str) -> String {
    let advice = format!("choose another with {flag}, or end that program");
    let wanted = address(error.object());
    match wanted.and_then(owner) {
        None => format!("another program has the port; {advice}"),
        Some(Owner { address, process, .. }) if process == std::process::id() => {
            format!("this command has {address} itself: the addresses overlap")
        }
        Some(Owner { address, name, process }) => {
            let what = if wanted == Some(address) { "the port".to_owned() } else { address.to_string() };
            format!("{name} (process {process}) has {what}; {advice}")
        }
    }
}

/// An address as errors show it; which interface it counts on is left out.
fn address(shown: &str) -> Option<SocketAddr> {
    match (shown.split_once('%'), shown.rsplit_once(']')) {
        (Some((start, _)), Some((_, end))) => format!("{start}]{end}").parse().ok(),
        _ => shown.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_errors() {
        for (shown, read) in [
            ("127.0.0.1:80", Some("127.0.0.1:80")),
            ("[::1]:80", Some("[::1]:80")),
            ("[fe80::1%2]:80", Some("[fe80::1]:80")),
            ("[fe80::1%eth0]:80", Some("[fe80::1]:80")),
            ("'x'", None),
        ] {
            assert_eq!(address(shown), read.map(|read| read.parse().unwrap()), "{shown}");
        }
    }

    #[test]
    fn files_are_no_matter_of_networks() {
        for attempt in ["create", "write", "look for files like"] {
            let error = udpkit::Error::new(attempt, "'x.pcapng'", io::ErrorKind::PermissionDenied.into());
            assert_eq!(hint(&error.into()), None, "{attempt}");
        }
    }
}
