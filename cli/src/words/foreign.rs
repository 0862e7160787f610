//! Addresses as other programs write them: what each is, and how it is written here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The lowest port that the end of an IPv6 address is taken for: below it, it is part of the address, as in `ff02::1:3`.
const LOWEST_PORT: u16 = 10;

/// What is wrong with an address of another form, and the right one; `None` where there is nothing to say.
pub(super) fn correction(text: &str) -> Option<String> {
    let (what, right) = url(text)
        .or_else(|| socat(text))
        .or_else(|| every_address(text))
        .or_else(|| bracketed(text))
        .or_else(|| v6_with_port(text))
        .or_else(|| v4_with_scope(text))
        .or_else(|| network(text))
        .or_else(|| parted(text))?;
    Some(format!("'{text}' {what}; write {right}"))
}

/// A port from 0 on, in decimal digits alone.
fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// A host and a port, as they are written here.
fn joined(host: &str, port: u16) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(v6) => format!("[{v6}]:{port}"),
        Err(_) => format!("{host}:{port}"),
    }
}

/// `udp://host:port/path`, and `host:port/udp`.
fn url(text: &str) -> Option<(&'static str, String)> {
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
        return Some(("is a URL", correction_of(host)));
    }
    let lower = text.to_ascii_lowercase();
    let host = lower.strip_suffix("/udp").filter(|host| !host.is_empty())?;
    Some(("names its protocol", correction_of(&text[..host.len()])))
}

/// `UDP4-SENDTO:host:port,options` of socat, `/dev/udp/host/port` of bash.
fn socat(text: &str) -> Option<(&'static str, String)> {
    if let Some((host, digits)) = text.strip_prefix("/dev/udp/").and_then(|rest| rest.split_once('/')) {
        return Some(("is a file of bash", joined(host, port(digits)?)));
    }
    let (keyword, rest) = text.split_once(':')?;
    let keyword = keyword.to_ascii_lowercase();
    let (kind, form) = keyword.split_once('-').unwrap_or((&keyword, ""));
    let is_socat = ["udp", "udp4", "udp6"].contains(&kind)
        && ["", "connect", "datagram", "listen", "recv", "recvfrom", "sendto", "l"].contains(&form);
    let rest = rest.split(',').next().unwrap_or_default();
    if !is_socat || form.is_empty() && !rest.contains(':') {
        return None;
    }
    Some(("is an address of socat", correction_of(rest)))
}

/// `*` and `*:port`.
fn every_address(text: &str) -> Option<(&'static str, String)> {
    match text.strip_prefix('*')? {
        "" => Some(("is every address", "no address, or a port alone".to_owned())),
        rest => {
            let port = port(rest.strip_prefix([':', '.'])?)?;
            Some(("is a port of every address", format!(":{port}")))
        }
    }
}

/// `[host]:port`, where only IPv6 addresses have brackets.
fn bracketed(text: &str) -> Option<(&'static str, String)> {
    let (host, rest) = text.strip_prefix('[')?.rsplit_once(']')?;
    if host.is_empty() || host.contains(':') || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    (rest.is_empty() || rest.starts_with(':')).then(|| ("has brackets, which are for IPv6", format!("{host}{rest}")))
}

/// An IPv6 address with a port after it, without brackets.
fn v6_with_port(text: &str) -> Option<(&'static str, String)> {
    let (host, digits) = text.rsplit_once([':', '.', '#'])?;
    let port = port(digits)?;
    let mark = text.as_bytes()[host.len()];
    let (ip, scope) = host.split_once('%').unwrap_or((host, ""));
    let ip: Ipv6Addr = ip.parse().ok()?;
    // An address may end like this, too.
    let is_whole = text.parse::<Ipv6Addr>().is_ok();
    if is_whole && (mark == b'.' || port < LOWEST_PORT && !(ip.is_loopback() || ip.is_unspecified())) {
        return None;
    }
    if scope.is_empty() && host.contains('%') {
        return None;
    }
    let right = format!("[{host}]:{port}");
    match is_whole {
        true => Some(("could be an address or one with a port", format!("{right}, or [{text}] for the address"))),
        false => Some(("is an IPv6 address with a port", right)),
    }
}

/// `239.1.2.3%eth0`.
fn v4_with_scope(text: &str) -> Option<(&'static str, String)> {
    let (ip, scope) = text.split_once(['%', '@'])?;
    let ip: Ipv4Addr = ip.parse().ok()?;
    let (scope, port) =
        scope.split_once(':').map_or((scope, String::new()), |(scope, port)| (scope, format!(":{port}")));
    Some(("names an interface, which only IPv6 addresses do", format!("{ip}{port} and -i {scope}")))
}

/// `192.168.7.2/24`, with or without a port.
fn network(text: &str) -> Option<(&'static str, String)> {
    let (ip, rest) = text.split_once('/')?;
    let (len, end) = rest.split_once(':').map_or((rest, String::new()), |(len, port)| (len, format!(":{port}")));
    let len = port(len)?;
    let ip: IpAddr = ip.parse().ok()?;
    match ip {
        IpAddr::V4(ip) if len <= 32 => {
            let broadcast = u8::try_from(len).ok().and_then(|len| udpkit::subnet_broadcast(ip, len));
            let all = broadcast.map(|all| format!(", {all}{end} for all of its hosts")).unwrap_or_default();
            Some(("is a network", format!("{ip}{end} for the host{all}")))
        }
        IpAddr::V6(ip) if len <= 128 => Some(("is a network", format!("{ip} for the host"))),
        _ => Some(("has its port after a '/'", joined(&ip.to_string(), len))),
    }
}

/// A host and a port with something else between them: `10.0.0.1.53` of tcpdump, `host#53` of dig, `host 53` of nc.
fn parted(text: &str) -> Option<(&'static str, String)> {
    let (host, digits) = text.rsplit_once(['.', '#', ' ', ','])?;
    let port = port(digits)?;
    let mark = text.as_bytes()[host.len()];
    let is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) && !host.is_empty();
    let is_parted = if mark == b'.' { host.parse::<Ipv4Addr>().is_ok() } else { is_plain };
    is_parted.then(|| ("has no ':' before its port", joined(host, port)))
}

/// A part of an address in its right form.
fn correction_of(text: &str) -> String {
    let right = v6_with_port(text).map(|(_, right)| right);
    right.or_else(|| every_address(text).map(|(_, right)| right)).unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::address::Address;

    #[test]
    fn an_address_of_another_form_has_its_right_one_beside_it() {
        for (text, right) in [
            ("udp://host:5000", "host:5000"),
            ("udp://10.0.0.1:5000/path", "10.0.0.1:5000"),
            ("http://[::1]:80/", "[::1]:80"),
            ("udp://::1:5000", "[::1]:5000"),
            ("udp://*:5001", ":5001"),
            ("host:53/udp", "host:53"),
            ("UDP:host:5000", "host:5000"),
            ("UDP4-DATAGRAM:239.1.2.3:5000,ip-add-membership=239.1.2.3:eth0", "239.1.2.3:5000"),
            ("udp-listen:5000", "5000"),
            ("/dev/udp/host/53", "host:53"),
            ("*:5001", ":5001"),
            ("[127.0.0.1]:5000", "127.0.0.1:5000"),
            ("[host]:5", "host:5"),
            ("::1:53", "[::1]:53"),
            ("::1:5", "[::1]:5"),
            ("::1:5000", "[::1]:5000"),
            (":::5000", "[::]:5000"),
            ("::1:50000", "[::1]:50000"),
            ("fe80::1:5000", "[fe80::1]:5000"),
            ("fe80::1%eth0:5000", "[fe80::1%eth0]:5000"),
            ("2001:db8:1:2:3:4:5:6:53", "[2001:db8:1:2:3:4:5:6]:53"),
            ("2001:db8::1.5353", "[2001:db8::1]:5353"),
            ("239.1.2.3%eth0:5000", "239.1.2.3:5000 and -i eth0"),
            ("192.168.7.2/24", "192.168.7.2 for the host, 192.168.7.255 for all of its hosts"),
            ("192.168.7.2/24:53", "192.168.7.2:53 for the host, 192.168.7.255:53 for all of its hosts"),
            ("10.0.0.1/32", "10.0.0.1 for the host"),
            ("fd01::1/64", "fd01::1 for the host"),
            ("10.0.0.1/5000", "10.0.0.1:5000"),
            ("10.0.0.1.5353", "10.0.0.1:5353"),
            ("8.8.8.8#53", "8.8.8.8:53"),
            ("host 53", "host:53"),
        ] {
            let words = correction(text).unwrap_or_else(|| panic!("{text}"));
            let found = words.rsplit_once("; write ").unwrap().1;
            assert_eq!(found.split(", or [").next(), Some(right), "{text}: {words}");
            assert!(text.parse::<Address>().is_err_and(|error| error == words), "{text}");
            let right = right.split([' ', ',']).next().unwrap();
            assert!(right.parse::<Address>().is_ok(), "{right}");
        }
    }

    #[test]
    fn what_is_in_order_is_left_alone() {
        for text in [
            "host",
            "host:5",
            ":5",
            "5",
            "1.2.3.4",
            "1.2.3.4:5",
            "[::1]:5",
            "[::1:5000]",
            "::1",
            "::",
            "ff02::1:3",
            "ff02::fb",
            "fd01::2:1",
            "2001:db8:0:0:1:2:3:1234",
            "::ffff:10.0.0.1",
            "fe80::1%eth0",
            "fe80::1%7",
            "[fe80::1%eth0]:5",
            "udp:5",
            "udp-server:5",
            "udp4:5",
            "cap.5",
            "a.b.5",
            "my-host.lan",
            "game.pcapng",
            "/tmp/game.pcap",
            "*.lan",
        ] {
            assert_eq!(correction(text), None, "{text}");
            assert!(text.parse::<Address>().is_ok(), "{text}");
        }
    }
}
