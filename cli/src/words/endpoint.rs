//! Socket addresses as people read and paste them: an IPv6 scope is the name of its interface, as in `[fe80::1%eth0]:5000`.

use std::fmt;
use std::net::{SocketAddr, SocketAddrV6};

use serde::{Serialize, Serializer};
use udpkit::{InterfaceIndex, Object};

/// A socket address that is written with the name of its interface; with the number where the interface is gone, or has a
/// name that could not be pasted back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint(pub(crate) SocketAddr);

impl Endpoint {
    /// The IP address without the port.
    pub(crate) fn ip(self) -> String {
        let mut text = String::new();
        // Writing into memory does not fail.
        let _ = match self.0 {
            SocketAddr::V4(v4) => fmt::write(&mut text, format_args!("{}", v4.ip())),
            SocketAddr::V6(v6) => write_ip(&mut text, v6, self.name().as_deref()),
        };
        text
    }

    fn name(self) -> Option<String> {
        self.interface().and_then(udpkit::interface_name)
    }

    /// The interface that the address counts on.
    pub(crate) fn interface(self) -> Option<InterfaceIndex> {
        match self.0 {
            SocketAddr::V6(v6) => InterfaceIndex::new(v6.scope_id()),
            SocketAddr::V4(_) => None,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, self.name().as_deref())
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Writes an address; its scope, if it has one, as this name.
pub(crate) fn write(out: &mut impl fmt::Write, address: SocketAddr, name: Option<&str>) -> fmt::Result {
    let SocketAddr::V6(v6) = address else { return write!(out, "{address}") };
    out.write_char('[')?;
    write_ip(out, v6, name)?;
    write!(out, "]:{}", v6.port())
}

fn write_ip(out: &mut impl fmt::Write, address: SocketAddrV6, name: Option<&str>) -> fmt::Result {
    write!(out, "{}", address.ip())?;
    match (address.scope_id(), name.filter(|name| can_be_pasted(name))) {
        (0, _) => Ok(()),
        (_, Some(name)) => write!(out, "%{name}"),
        (number, None) => write!(out, "%{number}"),
    }
}

/// Whether a name is read back as what it is, by us and by a shell between quotes, and cannot steer a terminal.
fn can_be_pasted(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'[' | b']' | b':' | b'%' | b'\''))
}

/// Addresses in words; those that differ by ports in a row are one, as in `127.0.0.1:5000-5010`.
pub(crate) fn list(addresses: &[SocketAddr]) -> String {
    let without_port = |address: &SocketAddr| {
        let mut address = *address;
        address.set_port(0);
        address
    };
    let mut runs: Vec<(SocketAddr, u16)> = Vec::new();
    for address in addresses {
        let continued = runs.iter_mut().find(|(first, last)| {
            without_port(first) == without_port(address) && last.checked_add(1) == Some(address.port())
        });
        match continued {
            Some((_, last)) => *last = address.port(),
            None => runs.push((*address, address.port())),
        }
    }
    let words = runs.iter().map(|(first, last)| match first.port() == *last {
        true => Endpoint(*first).to_string(),
        false => format!("{}-{last}", Endpoint(*first)),
    });
    words.collect::<Vec<_>>().join(" and ")
}

/// The words of an error of the library, with its address as people write it.
pub(crate) fn of_error(error: &udpkit::Error) -> String {
    format!("{}: {}", of_attempt(error), udpkit::reason(error.cause()))
}

/// The same without the system's reason.
pub(crate) fn of_attempt(error: &udpkit::Error) -> String {
    match error.object() {
        Object::Address(address) => format!("cannot {} {}", error.attempt(), Endpoint(*address)),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: Option<&str>) -> String {
        let mut text = String::new();
        write(&mut text, "[fe80::1%7]:5000".parse().unwrap(), name).unwrap();
        text
    }

    #[test]
    fn a_scope_is_the_name_of_its_interface() {
        assert_eq!(written(Some("eth0")), "[fe80::1%eth0]:5000");
        assert_eq!(written(Some("wg-home.5@if3")), "[fe80::1%wg-home.5@if3]:5000");
        let Some(name) = udpkit::interface_name(InterfaceIndex::MIN) else { return };
        let address = Endpoint("[fe80::1%1]:5000".parse().unwrap());
        assert_eq!([address.to_string(), address.ip()], [format!("[fe80::1%{name}]:5000"), format!("fe80::1%{name}")]);
        let error = udpkit::Error::new(udpkit::Attempt::Bind, address.0, std::io::ErrorKind::AddrInUse.into());
        assert!(of_error(&error).starts_with(&format!("cannot bind [fe80::1%{name}]:5000: ")), "{}", of_error(&error));
    }

    #[test]
    fn ports_in_a_row_are_a_range() {
        let listed = |addresses: &[&str]| list(&addresses.iter().map(|it| it.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(listed(&["127.0.0.1:5"]), "127.0.0.1:5");
        let both = ["0.0.0.0:5", "[::]:5", "0.0.0.0:6", "[::]:6", "0.0.0.0:7", "0.0.0.0:9", "127.0.0.1:8"];
        assert_eq!(listed(&both), "0.0.0.0:5-7 and [::]:5-6 and 0.0.0.0:9 and 127.0.0.1:8");
        assert_eq!(listed(&["[::1]:65534", "[::1]:65535", "[::1]:1"]), "[::1]:65534-65535 and [::1]:1");
    }

    #[test]
    fn a_name_that_could_not_be_pasted_back_is_a_number() {
        for name in [
            None,
            Some(""),
            Some("a]b"),
            Some("a%b"),
            Some("a b"),
            Some("\x1b[31m"),
            Some("ü"),
            Some("it's"),
            Some("a:b"),
        ] {
            assert_eq!(written(name), "[fe80::1%7]:5000", "{name:?}");
        }
        let gone = Endpoint(SocketAddrV6::new("fe80::1".parse().unwrap(), 5000, 0, u32::MAX).into());
        assert_eq!(gone.to_string(), "[fe80::1%4294967295]:5000");
    }

    #[test]
    fn an_address_without_a_scope_is_as_ever() {
        for text in ["127.0.0.1:5", "[::1]:5", "[ff02::1]:5"] {
            let address = Endpoint(text.parse().unwrap());
            assert_eq!(address.to_string(), text);
            assert_eq!(serde_json::to_string(&address).unwrap(), format!("\"{text}\""));
        }
    }
}
