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

/// Advice for an error of the library, where what was attempted and the system's reason leave one cause, or few that can be
/// named. Of most others the reason says all that is known: nothing is guessed.
pub(crate) fn of_system_error(error: &udpkit::Error) -> Option<String> {
    match error.attempt() {
        "bind" if error.is_in_use() => Some(in_use(error, "-p")),
        "serve metrics on" if error.is_in_use() => {
            Some("the TCP port is taken; choose another with --metrics HOST:PORT".to_owned())
        }
        "bind" | "serve metrics on" if error.is_permission() => privileged_port(address(error.object())?.port()),
        "bind" | "serve metrics on" if error.is_not_ours() => own_addresses(address(error.object())?.ip()),
        "bind" if error.is_unsupported_family() && address(error.object())?.is_ipv6() => {
            Some("this kernel has no IPv6; -4 leaves it out".to_owned())
        }
        "join" => where_to_join(error),
        "send to" | "send on" => of_send_error(error.cause()),
        _ => None,
    }
}

/// The numbers of two errors of which the standard library makes one; on every Unix.
const NOT_PERMITTED: i32 = 1;
const ACCESS_DENIED: i32 = 13;

/// Advice for a datagram that could not be sent.
pub(crate) fn of_send_error(cause: &io::Error) -> Option<String> {
    let advice = match (cause.kind(), cause.raw_os_error()) {
        (io::ErrorKind::NetworkUnreachable, _) => {
            "no route leads there; `udp broadcast` and -i NAME need none on attached networks"
        }
        (io::ErrorKind::HostUnreachable, _) => {
            "no host answers for that address on its network, or a route says that it is unreachable"
        }
        (io::ErrorKind::PermissionDenied, Some(NOT_PERMITTED)) => "a firewall of this host, or a sandbox, forbids it",
        (io::ErrorKind::PermissionDenied, Some(ACCESS_DENIED)) => {
            "a route of this host prohibits it, or the address is a broadcast of no attached network"
        }
        (io::ErrorKind::AddrNotAvailable, _) => "this host has no address to send that from, or no longer",
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
fn privileged_port(port: u16) -> Option<String> {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    let first = first.and_then(|text| text.trim().parse::<u16>().ok()).unwrap_or(1024);
    let advice =
        format!("ports below {first} need root, or once: sudo setcap cap_net_bind_service=+ep $(command -v udp)");
    (1..first).contains(&port).then_some(advice)
}

/// Why no group was joined: the interface, or the system's limit.
fn where_to_join(error: &udpkit::Error) -> Option<String> {
    if error.is_out_of_room() {
        return Some(
            "sysctl net.ipv4.igmp_max_memberships, igmp_max_msf: how many groups, and sources, a socket may have"
                .to_owned(),
        );
    }
    if !matches!(error.cause().kind(), io::ErrorKind::NotFound | io::ErrorKind::AddrNotAvailable) {
        return None;
    }
    let interfaces = Interfaces::list().unwrap_or_default();
    Some(match error.object().rsplit_once(" on ") {
        Some((_, name)) if interfaces.named(name).is_none() => interface_names(&interfaces),
        _ => "`udp interfaces` shows which interfaces are up and can multicast; -i NAME chooses".to_owned(),
    })
}

/// The addresses that there are, where one is not among them.
fn own_addresses(wanted: IpAddr) -> Option<String> {
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

    #[cfg(target_os = "linux")]
    fn hint_on(attempt: &'static str, object: &str, number: i32) -> Option<String> {
        hint(&udpkit::Error::new(attempt, object, io::Error::from_raw_os_error(number)).into())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_cause_is_named_only_where_the_error_is_evidence_of_it() {
        use rustix::io::Errno;
        let [permission, access] = [Errno::PERM, Errno::ACCESS].map(Errno::raw_os_error);
        let not_ours = Errno::ADDRNOTAVAIL.raw_os_error();
        // A sandbox forbids to ask for interfaces, a policy to bind a high port, a disk to be written: no firewall does.
        let elsewhere = ["list interfaces", "watch interfaces", "receive on", "wait for datagrams", "start a thread"];
        for attempt in elsewhere.into_iter().chain(["create", "write", "read", "look for files like", "share"]) {
            for number in [permission, access, not_ours, Errno::HOSTUNREACH.raw_os_error()] {
                assert_eq!(hint_on(attempt, "'x'", number), None, "{attempt}");
            }
        }
        let cases = [
            ("bind", "127.0.0.1:60000", access, None),
            ("bind", "[::1]:60000", permission, None),
            ("bind", "127.0.0.1:0", access, None),
            ("serve metrics on", "127.0.0.1:9100", access, None),
            ("bind", "127.0.0.1:1", Errno::AFNOSUPPORT.raw_os_error(), None),
            ("bind", "[::1]:1", Errno::AFNOSUPPORT.raw_os_error(), Some("this kernel has no IPv6")),
            ("bind", "127.0.0.1:0", Errno::ADDRINUSE.raw_os_error(), Some("all ports that this system gives out")),
            ("bind", "192.0.2.1:1", not_ours, Some("this host's addresses: ")),
            ("bind", "127.0.0.1:1", not_ours, None),
            ("join", "239.1.2.3 on lo", permission, None),
            ("join", "239.1.2.3 on lo", Errno::NOBUFS.raw_os_error(), Some("sysctl net.ipv4.igmp_max_memberships")),
            ("send to", "192.0.2.1:1", permission, Some("a firewall of this host, or a sandbox")),
            ("send to", "192.0.2.1:1", access, Some("a route of this host prohibits it, or")),
            ("send to", "192.0.2.1:1", Errno::IO.raw_os_error(), None),
        ];
        for (attempt, object, number, expected) in cases {
            let hint = hint_on(attempt, object, number);
            let fits = expected.is_none_or(|start| hint.as_deref().is_some_and(|hint| hint.starts_with(start)));
            assert!(fits && hint.is_some() == expected.is_some(), "{attempt} {object}: {hint:?}");
        }
        let joining = udpkit::Error::new("join", "239.1.2.3", io::ErrorKind::NotFound.into());
        assert!(hint(&joining.into()).is_some_and(|hint| hint.starts_with("`udp interfaces` shows")));
    }
}
