//! Interfaces of Linux without netlink (`netdevice(7)`, `proc_net(5)`): sandboxes refuse it, and getifaddrs(3) uses it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use super::interface_address::{Parsed, interface, is_tentative};
use crate::datagram::InterfaceIndex;
use crate::interface::Interface;

/// IPv4 addresses that are asked for at first; twice as many each time that there are more.
const FIRST_ROOM: usize = 64;
/// Those that are asked for at most.
const MOST_ROOM: usize = 65_536;

/// Every interface, without its addresses.
pub(crate) fn links() -> io::Result<Vec<Interface>> {
    let socket = open()?;
    let mut names: Vec<_> =
        addresses_v4(&socket)?.into_iter().map(|(name, _)| without_label(&name).to_owned()).collect();
    // Those without an IPv4 address. Not `/sys/class/net`, which may be that of another namespace.
    let others = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    names.extend(others.lines().filter_map(|line| Some(line.trim_start().split_once(':')?.0.to_owned())));
    names.sort_unstable();
    names.dedup();
    let mut links: Vec<_> =
        names.iter().filter_map(|name| link(&socket, name).transpose()).collect::<io::Result<_>>()?;
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// The addresses of these interfaces, each with the number of its interface.
pub(crate) fn addresses(links: &[Interface]) -> io::Result<Vec<(InterfaceIndex, Parsed)>> {
    let socket = open()?;
    let mut found = Vec::new();
    for (name, ip) in addresses_v4(&socket)? {
        // An address may have gone since.
        let index = links.iter().find(|link| link.name == without_label(&name)).and_then(|link| link.index);
        found.extend(index.and_then(|index| Some((index, address_v4(&socket, &name, ip)?))));
    }
    let v6 = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    found.extend(v6.lines().filter_map(address_v6));
    Ok(found)
}

/// A socket to ask through, of whichever family may be had.
fn open() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::DGRAM, None).or_else(|_| Socket::new(Domain::IPV6, Type::DGRAM, None))
}

/// What the kernel says of the interface of this name; `None` where there is none.
fn link(socket: &Socket, name: &str) -> io::Result<Option<Interface>> {
    let Some(request) = request(name) else { return Ok(None) };
    let (flags, index) = match (ask(socket, libc::SIOCGIFFLAGS, request), ask(socket, libc::SIOCGIFINDEX, request)) {
        (Ok(flags), Ok(index)) => (flags, index),
        (Err(error), _) | (_, Err(error)) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    // SAFETY: each is the member that the kernel fills for its request; integers have no invalid bit patterns.
    let (flags, index) = unsafe { (i32::from(flags.ifr_ifru.ifru_flags), index.ifr_ifru.ifru_ifindex) };
    let mtu = ask(socket, libc::SIOCGIFMTU, request).ok();
    // SAFETY: as above.
    let mtu = mtu.and_then(|reply| u32::try_from(unsafe { reply.ifr_ifru.ifru_mtu }).ok());
    let hardware = ask(socket, libc::SIOCGIFHWADDR, request).ok().map(|reply| {
        // SAFETY: as above.
        unsafe { reply.ifr_ifru.ifru_hwaddr }
    });
    let hardware = hardware
        .filter(|address| [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK].contains(&address.sa_family))
        .map(|address| {
            let [a, b, c, d, e, f, ..] = bytes(&address);
            [a, b, c, d, e, f]
        });
    let index = u32::try_from(index).ok().and_then(InterfaceIndex::new);
    Ok(Some(Interface { mtu, hardware, ..interface(name, index, flags) }))
}

/// Every IPv4 address with its label, which is the name of its interface, or begins with it (`eth0:1`).
fn addresses_v4(socket: &Socket) -> io::Result<Vec<(String, Ipv4Addr)>> {
    let mut room = FIRST_ROOM;
    loop {
        // SAFETY: all zeros are a name, and an address of no family.
        let mut list = vec![unsafe { std::mem::zeroed::<libc::ifreq>() }; room];
        let len = i32::try_from(size_of_val(list.as_slice())).map_err(io::Error::other)?;
        // SAFETY: all zeros are a length and a null pointer; both are set next.
        let mut request: libc::ifconf = unsafe { std::mem::zeroed() };
        request.ifc_len = len;
        request.ifc_ifcu.ifcu_req = list.as_mut_ptr();
        // SAFETY: the kernel writes at most `ifc_len` bytes to the list, and the length that it used.
        let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFCONF as libc::Ioctl, &raw mut request) };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        // It says nothing of what did not fit.
        if request.ifc_len == len && room < MOST_ROOM {
            room *= 2;
            continue;
        }
        list.truncate(usize::try_from(request.ifc_len).unwrap_or(0) / size_of::<libc::ifreq>());
        return Ok(list.iter().filter_map(|entry| Some((name_of(entry)?, v4(entry)?))).collect());
    }
}

fn without_label(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}

/// What the kernel says of the IPv4 address with this label.
fn address_v4(socket: &Socket, label: &str, ip: Ipv4Addr) -> Option<Parsed> {
    let mut request = request(label)?;
    // SAFETY: all zeros are an address of no family.
    let mut address: libc::sockaddr = unsafe { std::mem::zeroed() };
    address.sa_family = libc::sa_family_t::try_from(libc::AF_INET).ok()?;
    for (place, byte) in address.sa_data[2..].iter_mut().zip(ip.octets()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    // With the address in it, the request is about this one of the addresses with that label.
    request.ifr_ifru.ifru_addr = address;
    let asked = |what| ask(socket, what, request).ok().and_then(|reply| v4(&reply));
    let mask = asked(libc::SIOCGIFNETMASK)?;
    let peer = asked(libc::SIOCGIFDSTADDR).unwrap_or(ip);
    let broadcast = asked(libc::SIOCGIFBRDADDR).filter(|broadcast| !broadcast.is_unspecified());
    let prefix_len = u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32);
    Some(Parsed::new(ip.into(), peer.into(), broadcast, prefix_len, false))
}

/// A line of `/proc/net/if_inet6`: address, number of the interface, length of the prefix, scope, flags, name.
fn address_v6(line: &str) -> Option<(InterfaceIndex, Parsed)> {
    let mut words = line.split_ascii_whitespace();
    let ip = Ipv6Addr::from_bits(u128::from_str_radix(words.next()?, 16).ok()?);
    let mut number = || u32::from_str_radix(words.next()?, 16).ok();
    let (index, prefix_len, _scope, flags) = (number()?, number()?, number()?, number()?);
    let (ip, prefix_len) = (IpAddr::from(ip), u8::try_from(prefix_len).ok()?);
    Some((InterfaceIndex::new(index)?, Parsed::new(ip, ip, None, prefix_len, is_tentative(flags))))
}

/// A request about the interface of this name; `None` where no interface can have it.
fn request(name: &str) -> Option<libc::ifreq> {
    // SAFETY: all zeros are a name, and an address of no family.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    Some(request)
}

fn ask(socket: &Socket, what: libc::c_ulong, mut request: libc::ifreq) -> io::Result<libc::ifreq> {
    // SAFETY: each of these requests reads and writes one `ifreq`.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), what as libc::Ioctl, &raw mut request) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(request) }
}

fn name_of(entry: &libc::ifreq) -> Option<String> {
    let bytes = entry.ifr_name.iter().map(|byte| byte.to_ne_bytes()[0]).take_while(|byte| *byte != 0);
    String::from_utf8(bytes.collect()).ok()
}

fn v4(entry: &libc::ifreq) -> Option<Ipv4Addr> {
    // SAFETY: it was filled as an address; any bytes are one.
    let address = unsafe { entry.ifr_ifru.ifru_addr };
    let [_, _, a, b, c, d, ..] = bytes(&address);
    (i32::from(address.sa_family) == libc::AF_INET).then_some(Ipv4Addr::new(a, b, c, d))
}

fn bytes(address: &libc::sockaddr) -> [u8; 14] {
    address.sa_data.map(|byte| byte.to_ne_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line: String) {
            let _ = address_v6(&line).map(|(_, parsed)| parsed.finish(true));
        }
    }

    #[test]
    fn lines_of_addresses_are_read() {
        let line = "fe80000000000000000000fffe000001 0a 40 20 c0     eth0";
        let (index, parsed) = address_v6(line).unwrap();
        let address = parsed.finish(true);
        assert_eq!((index.get(), address.ip), (10, "fe80::ff:fe00:1".parse().unwrap()));
        assert_eq!((address.prefix_len, address.broadcast, address.peer), (64, None, None));
        assert!(address.tentative);
    }

    #[test]
    fn long_names_are_of_no_interface() {
        assert!(request("a-name-of-15-by").is_some());
        assert!(request("a-name-of-16-byt").is_none());
    }
}
