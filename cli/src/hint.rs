//! What to do about an error: computed from its cause, apart from the error itself.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use udpkit::Interfaces;

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
fn of_system_error(error: &udpkit::Error) -> Option<String> {
    match error.attempt() {
        "bind" if error.is_in_use() => Some(in_use(error, "-p")),
        "serve metrics on" if error.is_in_use() => {
            Some("another program has the TCP port; choose one with --metrics HOST:PORT".to_owned())
        }
        "bind" | "serve metrics on" if error.is_permission() => Some(privileged_port()),
        "bind" | "serve metrics on" if error.is_not_ours() => Some(own_addresses()),
        "bind" if error.is_unsupported_family() => Some("this kernel has no IPv6; -4 leaves it out".to_owned()),
        "join" => Some("`udp interfaces` shows which interfaces are up and can multicast; -i NAME chooses".to_owned()),
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

fn privileged_port() -> String {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok();
    let first = first.and_then(|text| text.trim().parse::<u16>().ok()).unwrap_or(1024);
    format!("ports below {first} need root, or once: sudo setcap cap_net_bind_service=+ep $(command -v udp)")
}

fn own_addresses() -> String {
    let Ok(interfaces) = Interfaces::list() else { return "`udp interfaces` lists this host's addresses".to_owned() };
    let addresses: Vec<_> =
        interfaces.iter().flat_map(|interface| &interface.addresses).map(|address| address.ip.to_string()).collect();
    format!("this host's addresses: {}", addresses.join(", "))
}

/// Who has the port, if the system tells, and the flag that chooses another.
pub(crate) fn in_use(error: &udpkit::Error, flag: &str) -> String {
    let port = error.object().parse::<SocketAddr>().map(|address| address.port());
    let Some(owner) = port.ok().and_then(port_owner) else {
        return format!("another program has the port; choose one with {flag}, or end that program");
    };
    format!("{owner} has the port; choose one with {flag}, or end that program")
}

/// Name and process of the owner of a UDP port (`proc(5)`): its inode, then who has a descriptor of it.
fn port_owner(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| {
            let wanted = format!(":{port:04X}");
            table
                .lines()
                .skip(1)
                .filter_map(|line| {
                    let fields: Vec<_> = line.split_whitespace().collect();
                    fields.get(1)?.ends_with(&wanted).then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
                })
                .collect::<Vec<_>>()
        })
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(descriptors) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let owns = descriptors
            .flatten()
            .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
            .any(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str()));
        if owns {
            let name = std::fs::read(process.path().join("comm")).unwrap_or_default();
            let name = String::from_utf8_lossy(&name);
            let number = process.file_name();
            return Some(format!("{} (process {})", name.trim(), number.to_string_lossy()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_no_matter_of_networks() {
        for attempt in ["create", "write", "look for files like"] {
            let error = udpkit::Error::new(attempt, "'x.pcapng'", io::ErrorKind::PermissionDenied.into());
            assert_eq!(hint(&error.into()), None, "{attempt}");
        }
    }
}
