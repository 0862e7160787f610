//! Which program has an address that is in use, as far as the system tells: `/proc` of Linux (`proc(5)`).

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// A program that keeps others from an address.
#[derive(Debug)]
pub(crate) struct Owner {
    /// Its own address: the same, or one that overlaps with it.
    pub(crate) address: SocketAddr,
    pub(crate) name: String,
    pub(crate) process: u32,
}

/// A UDP socket of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    address: SocketAddr,
    inode: String,
}

/// The program with the socket that keeps others from this address: first one at the very address. `None` where no process
/// that we may look into has such a socket.
pub(crate) fn owner(wanted: SocketAddr) -> Option<Owner> {
    let tables = ["/proc/net/udp", "/proc/net/udp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets = in_the_way(tables.iter().flat_map(|table| bound(table)), wanted);
    sockets.into_iter().find_map(|Bound { address, inode }| {
        let process = process_of(&inode)?;
        let name = fs::read(format!("/proc/{process}/comm")).unwrap_or_default();
        Some(Owner { address, name: String::from_utf8_lossy(&name).trim().to_owned(), process })
    })
}

/// The sockets that overlap with an address, those at the very address first.
fn in_the_way(sockets: impl Iterator<Item = Bound>, wanted: SocketAddr) -> Vec<Bound> {
    let same = |ip: IpAddr| ip == wanted.ip();
    let overlaps = |ip: IpAddr| match (ip.is_ipv4(), wanted.is_ipv4()) {
        (true, true) | (false, false) => same(ip) || ip.is_unspecified() || wanted.ip().is_unspecified(),
        // An IPv6 socket at every address may have all of IPv4, too.
        (false, true) => ip.is_unspecified(),
        (true, false) => false,
    };
    let mut found: Vec<_> =
        sockets.filter(|it| it.address.port() == wanted.port() && overlaps(it.address.ip())).collect();
    found.sort_by_key(|it| (!same(it.address.ip()), it.address.is_ipv4() != wanted.is_ipv4()));
    found
}

/// The sockets of a table such as `/proc/net/udp`; lines that cannot be read are left out.
fn bound(table: &str) -> impl Iterator<Item = Bound> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (ip, port) = fields.nth(1)?.split_once(':')?;
        let inode = fields.nth(7)?.to_owned();
        Some(Bound { address: SocketAddr::new(read_ip(ip)?, u16::from_str_radix(port, 16).ok()?), inode })
    })
}

/// Words of 32 bits in hex, whose bytes stand in the machine's order.
fn read_ip(hex: &str) -> Option<IpAddr> {
    let word = |place: usize| Some(u32::from_str_radix(hex.get(place..place + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(word(0)?.into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::from(octets).to_canonical())
        }
        _ => None,
    }
}

/// The process with a descriptor of this socket.
fn process_of(inode: &str) -> Option<u32> {
    let socket = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let number = process.file_name().to_str()?.parse().ok()?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let has_it = descriptors.any(|it| fs::read_link(it.path()).is_ok_and(|link| link.as_os_str() == &*socket));
        has_it.then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  106: 0100007F:1B58 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41 2 0000000000000000 0
  107: 00000000:1B58 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 42 2 0000000000000000 0
  108: 0200007F:1B58 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 43 2 0000000000000000 0
  109: 0100007F:1B59 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 44 2 0000000000000000 0
  a line that is none
";
    const V6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
  106: 00000000000000000000000000000000:1B58 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 51 2 0 0
  107: 000080FE00000000000000000100A8C0:1B58 00000000000000000000000000000000:0000 07 0:0 00:0 0 0 0 52 2 0 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_are_found_by_the_very_address_and_then_by_what_overlaps() {
        let inodes = |wanted: &str| {
            let found = in_the_way(bound(V4).chain(bound(V6)), wanted.parse().unwrap());
            found.into_iter().map(|it| it.inode).collect::<Vec<_>>().join(" ")
        };
        let cases = [
            ("127.0.0.1:7000", "41 42 51"),
            ("127.0.0.2:7000", "43 42 51"),
            ("0.0.0.0:7000", "42 41 43 51"),
            ("127.0.0.1:7001", "44"),
            ("127.0.0.9:7001", ""),
            ("[fe80::c0a8:1]:7000", "52 51"),
            ("[::1]:7000", "51"),
            ("[::]:7000", "51 52"),
        ];
        for (wanted, found) in cases {
            assert_eq!(inodes(wanted), found, "{wanted}");
        }
    }
}
