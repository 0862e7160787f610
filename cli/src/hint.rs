//! What to do about an error: computed from its cause, apart from the error itself.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use udpkit::{Attempt, ErrorKind, Interfaces, Object};

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

/// The error for an interface that there is not among these.
pub(crate) fn no_interface(name: &str, interfaces: &Interfaces) -> anyhow::Error {
    match Interfaces::list() {
        Err(error) if interfaces.is_empty() => error.into(),
        _ => Hint::on(format!("no interface '{name}'"), interface_names(interfaces)),
    }
}

/// The names of the interfaces that there are.
pub(crate) fn interface_names(interfaces: &Interfaces) -> String {
    let names: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
    format!("interfaces here: {}", names.join(", "))
}

/// Advice for an error of the library, where what was attempted and the system's reason leave one cause, or few that can be
/// named. Of most others the reason says all that is known: nothing is guessed.
pub(crate) fn of_system_error(error: &udpkit::Error) -> Option<String> {
    let address = address(error.object());
    match (error.attempt(), error.kind()) {
        (Attempt::Bind, ErrorKind::AddressInUse) => Some(in_use(error, "-p")),
        (Attempt::Bind, ErrorKind::PermissionDenied) => privileged_port(address?.port()),
        (Attempt::Bind, ErrorKind::AddressNotAvailable) => own_addresses(address?.ip()),
        (Attempt::Bind, ErrorKind::UnsupportedFamily) => {
            address?.is_ipv6().then(|| "this kernel has no IPv6; -4 leaves it out".to_owned())
        }
        (Attempt::Join, kind) => where_to_join(kind, error.object()),
        (Attempt::Send | Attempt::SendOn, kind) => of_send_error(kind, error.cause()),
        _ => None,
    }
}

/// The numbers of two errors of which the standard library makes one; on every Unix.
const NOT_PERMITTED: i32 = 1;
const ACCESS_DENIED: i32 = 13;

/// Advice for a datagram that could not be sent.
pub(crate) fn of_send_error(kind: ErrorKind, cause: &io::Error) -> Option<String> {
    let advice = match (kind, cause.raw_os_error()) {
        (ErrorKind::NetworkUnreachable, _) => {
            "no route leads there; `udp broadcast` and -i NAME need none on attached networks"
        }
        (ErrorKind::HostUnreachable, _) => {
            "no host answers for that address on its network, or a route says that it is unreachable"
        }
        (ErrorKind::PermissionDenied, Some(NOT_PERMITTED)) => "a firewall of this host, or a sandbox, forbids it",
        (ErrorKind::PermissionDenied, Some(ACCESS_DENIED)) => {
            "a route of this host prohibits it, or the address is a broadcast of no attached network"
        }
        (ErrorKind::AddressNotAvailable, _) => "this host has no address to send that from, or no longer",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Advice for a datagram over the MTU of its path.
pub(crate) fn of_mtu(destination: IpAddr, mtu: u32) -> String {
    let most = (mtu as usize).saturating_sub(udpkit::header_len(destination)).min(udpkit::max_payload(destination));
    format!("payloads of up to {most} B get there in one piece")
}

/// Who may have a port, if it is one that not everybody may have.
pub(crate) fn privileged_port(port: u16) -> Option<String> {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    let first = first.and_then(|text| text.trim().parse::<u16>().ok()).unwrap_or(1024);
    let advice =
        format!("ports below {first} need root, or once: sudo setcap cap_net_bind_service=+ep $(command -v udp)");
    (1..first).contains(&port).then_some(advice)
}

/// Why no group was joined: the interface, or the system's limit.
fn where_to_join(kind: ErrorKind, object: &Object) -> Option<String> {
    match kind {
        ErrorKind::OutOfRoom => Some(
            "sysctl net.ipv4.igmp_max_memberships, igmp_max_msf: how many groups, and sources, a socket may have"
                .to_owned(),
        ),
        ErrorKind::OutOfMemory if cfg!(target_os = "linux") => {
            Some("sysctl net.core.optmem_max: how many bytes the groups of a socket may take".to_owned())
        }
        ErrorKind::NoSuchInterface | ErrorKind::AddressNotAvailable => {
            let interfaces = Interfaces::list().ok()?;
            Some(match object {
                Object::Group { interface: Some(name), .. } if interfaces.named(name).is_none() => {
                    interface_names(&interfaces)
                }
                _ => "`udp interfaces` shows which interfaces are up and can multicast; -i NAME chooses".to_owned(),
            })
        }
        _ => None,
    }
}

/// The addresses that there are, where one is not among them.
pub(crate) fn own_addresses(wanted: IpAddr) -> Option<String> {
    let Ok(interfaces) = Interfaces::list() else {
        return Some("`udp interfaces` lists this host's addresses".to_owned());
    };
    let addresses = || interfaces.iter().flat_map(|interface| &interface.addresses);
    if let Some(found) = addresses().find(|address| address.ip == wanted) {
        let advice = "the address was added just now, and is still being checked for a duplicate on its network";
        return found.tentative.then(|| advice.to_owned());
    }
    let addresses: Vec<_> = addresses().map(|address| address.ip.to_string()).collect();
    Some(format!("this host's addresses: {}", addresses.join(", ")))
}

/// Who has the address, if the system tells, and the flag that chooses another.
pub(crate) fn in_use(error: &udpkit::Error, flag: &str) -> String {
    let advice = format!("choose another with {flag}, or end that program");
    let wanted = address(error.object());
    if wanted.is_some_and(|wanted| wanted.port() == 0) {
        return "all ports that this system gives out are taken: sysctl net.ipv4.ip_local_port_range".to_owned();
    }
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

/// The address that an error is about; which interface it counts on is left out.
fn address(object: &Object) -> Option<SocketAddr> {
    match object {
        Object::Address(address) => Some(SocketAddr::new(address.ip(), address.port())),
        _ => None,
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use rustix::io::Errno;

    fn hint_on(attempt: Attempt, object: impl Into<Object>, errno: Errno) -> Option<String> {
        hint(&udpkit::Error::new(attempt, object, io::Error::from_raw_os_error(errno.raw_os_error())).into())
    }

    fn on(address: &str) -> Object {
        address.parse::<SocketAddr>().unwrap().into()
    }

    fn group(interface: &str) -> Object {
        Object::group([239, 1, 2, 3].into(), None, Some(interface))
    }

    #[test]
    fn a_cause_is_named_only_where_the_error_is_evidence_of_it() {
        // A sandbox forbids to ask for interfaces, a policy to bind a high port, a disk to be written: no firewall does.
        let elsewhere = [Attempt::ListInterfaces, Attempt::WatchInterfaces, Attempt::Receive, Attempt::Wait];
        let of_files = [Attempt::Create, Attempt::Write, Attempt::Read, Attempt::StartThread, Attempt::Share];
        for attempt in elsewhere.into_iter().chain(of_files).chain([Attempt::Other("bind"), Attempt::Other("send to")])
        {
            for errno in [Errno::PERM, Errno::ACCESS, Errno::ADDRNOTAVAIL, Errno::HOSTUNREACH, Errno::ADDRINUSE] {
                assert_eq!(hint_on(attempt, on("127.0.0.1:1"), errno), None, "{attempt}");
            }
        }
        let cases = [
            (Attempt::Bind, on("127.0.0.1:60000"), Errno::ACCESS, None),
            (Attempt::Bind, on("[::1]:60000"), Errno::PERM, None),
            (Attempt::Bind, on("127.0.0.1:0"), Errno::ACCESS, None),
            (Attempt::Bind, on("127.0.0.1:1"), Errno::AFNOSUPPORT, None),
            (Attempt::Bind, on("[::1]:1"), Errno::AFNOSUPPORT, Some("this kernel has no IPv6")),
            (Attempt::Bind, on("127.0.0.1:0"), Errno::ADDRINUSE, Some("all ports that this system gives out")),
            (Attempt::Bind, on("192.0.2.1:1"), Errno::ADDRNOTAVAIL, Some("this host's addresses: ")),
            (Attempt::Bind, on("127.0.0.1:1"), Errno::ADDRNOTAVAIL, None),
            (Attempt::Join, group("lo"), Errno::PERM, None),
            (Attempt::Join, group("lo"), Errno::NOBUFS, Some("sysctl net.ipv4.igmp_max_memberships")),
            (Attempt::Join, group("lo"), Errno::NOMEM, Some("sysctl net.core.optmem_max")),
            (Attempt::Join, group("no such"), Errno::NODEV, Some("interfaces here: ")),
            (Attempt::Send, on("192.0.2.1:1"), Errno::PERM, Some("a firewall of this host, or a sandbox")),
            (Attempt::Send, on("192.0.2.1:1"), Errno::ACCESS, Some("a route of this host prohibits it, or")),
            (Attempt::Send, on("192.0.2.1:1"), Errno::IO, None),
        ];
        for (attempt, object, errno, expected) in cases {
            let hint = hint_on(attempt, object.clone(), errno);
            let fits = expected.is_none_or(|start| hint.as_deref().is_some_and(|hint| hint.starts_with(start)));
            assert!(fits && hint.is_some() == expected.is_some(), "{attempt} {object}: {hint:?}");
        }
        assert!(hint_on(Attempt::Join, group("lo"), Errno::NODEV).unwrap().starts_with("`udp interfaces` shows"));
    }
}
