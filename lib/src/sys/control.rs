//! What comes with a datagram besides its payload, and goes with one, on systems that are not asked in Linux's own way: the
//! control messages of each in a table, and one codec for all (`ip(4)` and `ip6(4)` of FreeBSD and macOS, RFC 3542,
//! `WSARecvMsg`). On Linux the tests run it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use super::cmsg::int;
use super::control_tables::{Content, IP, IPV6, Taken, Width};
use super::own_addresses;
use crate::datagram::{InterfaceIndex, Meta, Transmit};
use crate::options::{Capabilities, Options};

pub(super) use super::control_tables::{HERE, System};

/// Room for every control message that a socket can be asked for, in any layout.
pub(super) const RECEIVE_ROOM: usize = 512;
/// Room for source and interface, hop limit and traffic class.
pub(super) const SEND_ROOM: usize = 128;

/// What a socket does by itself for what it sends.
pub(super) struct Own {
    pub(super) dual_stack: bool,
    /// The address that it is bound to; the unspecified one if it is bound to none.
    pub(super) bound: IpAddr,
    pub(super) traffic_class: u8,
}

impl Content {
    fn is_asked_for(self, options: &Options) -> bool {
        match self {
            Self::InterfaceThenAddress | Self::AddressThenInterface | Self::Address | Self::LinkAddress => {
                options.destination
            }
            Self::HopLimit => options.hop_limits,
            Self::TrafficClass => options.traffic_classes,
            Self::Time => options.timestamps,
        }
    }
}

impl Taken {
    /// Whether the interface to send by can be given with a datagram.
    pub(super) fn takes_interface(&self) -> bool {
        matches!(self.source, Some((_, Content::InterfaceThenAddress | Content::AddressThenInterface)))
    }
}

impl System {
    pub(super) fn taken(&self, v4: bool) -> &Taken {
        if v4 { &self.v4 } else { &self.v6 }
    }

    /// Asks with `set`, which sets an option (level, name) and returns whether that worked, for what was asked for; returns
    /// what the socket has.
    pub(super) fn ask(&self, options: &Options, v4: bool, set: impl Fn(i32, i32) -> bool) -> Capabilities {
        let other = if v4 { IPV6 } else { IP };
        let rows = || self.told.iter().filter(|told| told.level != other && told.what.is_asked_for(options));
        let refused: Vec<_> = rows().filter(|told| !set(told.level, told.ask)).map(|told| told.what).collect();
        let has = |contents: &[Content]| {
            let mut found = rows().filter(|told| contents.contains(&told.what)).peekable();
            found.peek().is_some() && found.all(|told| !refused.contains(&told.what))
        };
        let taken = self.taken(v4);
        let destination =
            [Content::InterfaceThenAddress, Content::AddressThenInterface, Content::Address, Content::LinkAddress];
        Capabilities {
            destination: has(&destination) && taken.source.is_some(),
            timestamps: has(&[Content::Time]),
            hop_limits: has(&[Content::HopLimit]) && taken.hop_limit.is_some(),
            traffic_classes: has(&[Content::TrafficClass]),
            transmit_traffic_class: taken.traffic_class.is_some(),
            ..Capabilities::default()
        }
    }

    /// What the control messages of a datagram from `source` say.
    pub(super) fn decode(&self, source: SocketAddr, control: &[u8]) -> Meta {
        let mut meta = Meta::new(source);
        for (level, kind, data) in self.layout.messages(control) {
            let told = self.told.iter().find(|told| (told.level, told.kind) == (level, kind));
            if let Some(told) = told {
                told.what.read(level, data, &mut meta);
            }
        }
        own_addresses::fill_in(&mut meta);
        meta
    }

    /// Writes the control messages of a datagram into `room` (of [`SEND_ROOM`]); returns their length.
    pub(super) fn encode(&self, transmit: &Transmit, own: &Own, room: &mut [u8]) -> io::Result<usize> {
        let taken = self.taken(transmit.destination.is_ipv4());
        let mut used = 0;
        if let Some((kind, content)) = taken.source {
            // FreeBSD refuses a source where the socket has one.
            let local = transmit.local.filter(|local| *local != own.bound);
            let (data, len) = content.write(transmit, local);
            if len > 0 {
                used += self.layout.write(&mut room[used..], taken.level, kind, &data[..len]);
            }
        }
        let mut number = |(kind, width): (i32, Width), value: u8| match width {
            Width::Byte => used += self.layout.write(&mut room[used..], taken.level, kind, &[value]),
            Width::Int => {
                used += self.layout.write(&mut room[used..], taken.level, kind, &i32::from(value).to_ne_bytes());
            }
        };
        if let Some((name, hops)) = taken.hop_limit.zip(transmit.hop_limit) {
            number(name, hops);
        }
        match (taken.traffic_class, transmit.traffic_class) {
            (_, None) => {}
            (None, Some(class)) if class == own.traffic_class => {}
            (Some(name), Some(class)) => number(name, class),
            (None, Some(_)) => {
                let words = "a traffic class of its own cannot be set here";
                return Err(io::Error::new(io::ErrorKind::Unsupported, words));
            }
        }
        Ok(used)
    }
}

impl Content {
    fn read(self, level: i32, data: &[u8], meta: &mut Meta) {
        let v4 = |bytes: &[u8]| bytes.first_chunk::<4>().map(|octets| IpAddr::from(Ipv4Addr::from(*octets)));
        let v6 = |bytes: &[u8]| bytes.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).to_canonical());
        let index = |bytes: Option<&[u8]>| {
            bytes.and_then(<[u8]>::first_chunk).and_then(|index| InterfaceIndex::new(u32::from_ne_bytes(*index)))
        };
        // A byte on some systems, an `int` on others.
        let number = || int(data).map_or_else(|| data.first().copied(), |value| u8::try_from(value).ok());
        match self {
            Self::InterfaceThenAddress => {
                meta.interface = index(Some(data));
                meta.destination = data.get(8..).and_then(v4);
            }
            Self::AddressThenInterface if level == IP => {
                meta.destination = v4(data);
                meta.interface = index(data.get(4..));
            }
            Self::AddressThenInterface => {
                meta.destination = v6(data);
                meta.interface = index(data.get(16..));
            }
            Self::Address => meta.destination = v4(data),
            Self::LinkAddress => {
                let index = data.get(2..).and_then(<[u8]>::first_chunk).map(|index| u16::from_ne_bytes(*index));
                meta.interface = index.and_then(|index| InterfaceIndex::new(index.into()));
            }
            Self::HopLimit => meta.hop_limit = number(),
            Self::TrafficClass => meta.traffic_class = number(),
            Self::Time => meta.received = time(data),
        }
    }

    /// Where a datagram is to be sent from, and the length of that; nothing where the system is to choose.
    fn write(self, transmit: &Transmit, local: Option<IpAddr>) -> ([u8; 20], usize) {
        let mut data = [0; 20];
        let Transmit { destination, interface, .. } = *transmit;
        let index = interface.map_or(0, InterfaceIndex::get).to_ne_bytes();
        let v4 = |local: Option<IpAddr>| match local {
            Some(IpAddr::V4(local)) => local.octets(),
            _ => [0; 4],
        };
        let len = match self {
            Self::Address => {
                // The interface cannot be given; its address can.
                let local = local.or_else(|| interface.and_then(own_addresses::of_interface).map(IpAddr::from));
                data[..4].copy_from_slice(&v4(local));
                if local.is_some() { 4 } else { 0 }
            }
            _ if local.is_none() && interface.is_none() => 0,
            Self::InterfaceThenAddress => {
                // macOS ignores the address where an interface is given (`udp_check_pktinfo` in xnu).
                if local.is_none() || needs_interface(destination.ip()) {
                    data[..4].copy_from_slice(&index);
                }
                data[4..8].copy_from_slice(&v4(local));
                12
            }
            Self::AddressThenInterface if destination.is_ipv4() => {
                data[..4].copy_from_slice(&v4(local));
                data[4..8].copy_from_slice(&index);
                8
            }
            Self::AddressThenInterface => {
                if let Some(IpAddr::V6(local)) = local {
                    data[..16].copy_from_slice(&local.octets());
                }
                data[16..].copy_from_slice(&index);
                20
            }
            Self::LinkAddress | Self::HopLimit | Self::TrafficClass | Self::Time => 0,
        };
        (data, len)
    }
}

/// Whether the interface says more than an address of ours about the way to this destination.
fn needs_interface(destination: IpAddr) -> bool {
    match destination {
        IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_multicast() || v6.is_unicast_link_local(),
    }
}

/// `struct timeval`, of a second and a microsecond; as wide as each other, or padded to that.
fn time(data: &[u8]) -> Option<SystemTime> {
    let half = if data.len() >= 16 { 8 } else { 4 };
    let number = |bytes: &[u8]| match bytes.first_chunk() {
        Some(wide) => Some(i64::from_ne_bytes(*wide)),
        None => int(bytes).map(i64::from),
    };
    let (seconds, rest) = data.get(..2 * half)?.split_at(half);
    // macOS has padding above the microsecond's four bytes.
    let microseconds = u32::try_from(number(rest)? & 0xffff_ffff).ok().filter(|&one| one < 1_000_000)?;
    let since = Duration::new(number(seconds)?.try_into().ok()?, microseconds * 1000);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::control_tables::{APPLE, FREEBSD, LINUX, UNKNOWN, WINDOWS};
    use super::*;
    use crate::datagram::Delivery;

    const ALL: [(&str, &System); 5] =
        [("Linux", &LINUX), ("macOS", &APPLE), ("FreeBSD", &FREEBSD), ("Windows", &WINDOWS), ("another", &UNKNOWN)];
    const ANY: Own = Own { dual_stack: false, bound: IpAddr::V4(Ipv4Addr::UNSPECIFIED), traffic_class: 0x28 };

    fn everything() -> Options {
        Options::default().destination(true).timestamps(true).hop_limits(true).traffic_classes(true)
    }

    /// What each kind of message holds of a datagram to 127.0.0.9 or fd09::9 on interface 7.
    fn sample(what: Content, level: i32) -> Vec<u8> {
        let (index, v4) = (7u32.to_ne_bytes(), [127, 0, 0, 9]);
        let v6: Ipv6Addr = "fd09::9".parse().unwrap();
        match what {
            Content::InterfaceThenAddress => [index, [0; 4], v4].concat(),
            Content::AddressThenInterface if level == IP => [v4, index].concat(),
            Content::AddressThenInterface => [&v6.octets()[..], &index].concat(),
            Content::Address => v4.to_vec(),
            // sdl_len, sdl_family, sdl_index, and what is not looked at.
            Content::LinkAddress => [&[54, 18][..], &7u16.to_ne_bytes(), &[9; 50]].concat(),
            Content::HopLimit => 61i32.to_ne_bytes().to_vec(),
            Content::TrafficClass => vec![0xb8],
            Content::Time => [10i64.to_ne_bytes(), 999_999i64.to_ne_bytes()].concat(),
        }
    }

    #[test]
    fn what_each_system_tells_of_a_datagram_is_understood() {
        for (name, system) in ALL {
            for v4 in [true, false] {
                let has = system.ask(&everything(), v4, |_, _| true);
                let mut control = [0; RECEIVE_ROOM];
                let mut used = 0;
                for told in system.told.iter().filter(|told| told.level != if v4 { IPV6 } else { IP }) {
                    let data = sample(told.what, told.level);
                    used += system.layout.write(&mut control[used..], told.level, told.kind, &data);
                }
                let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
                let meta = system.decode(source, &control[..used]);
                let ip: IpAddr = if v4 { "127.0.0.9" } else { "fd09::9" }.parse().unwrap();
                let mut expected = Meta::new(source);
                if has.destination {
                    expected = expected.destination(ip).local(ip).delivery(Delivery::Unicast);
                    expected.interface = InterfaceIndex::new(7);
                }
                expected.hop_limit = has.hop_limits.then_some(61);
                expected.traffic_class = has.traffic_classes.then_some(0xb8);
                let at = SystemTime::UNIX_EPOCH + Duration::new(10, 999_999_000);
                expected.received = has.timestamps.then_some(at);
                assert_eq!(meta, expected, "{name}, IPv4: {v4}");
                assert_eq!(has.destination, name != "another", "{name}");
            }
        }
    }

    #[test]
    fn a_socket_has_only_what_its_system_granted_it() {
        // FreeBSD tells the destination and the interface in messages of their own: one alone is not enough.
        let has = FREEBSD.ask(&everything(), true, |_, ask| ask != 20);
        assert!(!has.destination && has.timestamps && has.traffic_classes && has.transmit_traffic_class);
        for (name, system) in ALL {
            for v4 in [true, false] {
                let none = Capabilities {
                    transmit_traffic_class: system.taken(v4).traffic_class.is_some(),
                    ..Capabilities::default()
                };
                assert_eq!(system.ask(&everything(), v4, |_, _| false), none, "{name}");
                let ask = |_, _| panic!("{name}: nothing was asked for");
                assert_eq!(system.ask(&Options::default(), v4, ask), none, "{name}");
            }
        }
    }

    /// The control messages of a datagram.
    fn written(system: &System, transmit: &Transmit, own: &Own) -> Vec<(i32, i32, Vec<u8>)> {
        let mut room = [0; SEND_ROOM];
        let len = system.encode(transmit, own, &mut room).unwrap();
        system.layout.messages(&room[..len]).map(|(level, kind, data)| (level, kind, data.to_vec())).collect()
    }

    #[test]
    fn each_system_is_told_from_where_to_send_as_it_takes_it() {
        let (to, group) = (SocketAddr::from(([192, 0, 2, 7], 9)), SocketAddr::from(([239, 1, 2, 3], 9)));
        let (own, index) = ([192, 0, 2, 1], 7u32.to_ne_bytes());
        let both = |to| Transmit::to(to).local(IpAddr::from(own)).interface(InterfaceIndex::new(7));
        let none = [0; 4];
        for (system, kind, unicast, multicast) in [
            // The address alone, or macOS would ignore it.
            (&APPLE, 26, [none, own, none].concat(), [index, own, none].concat()),
            (&FREEBSD, 7, own.to_vec(), own.to_vec()),
            (&WINDOWS, 19, [own, index].concat(), [own, index].concat()),
        ] {
            assert_eq!(written(system, &both(to), &ANY), [(IP, kind, unicast)]);
            assert_eq!(written(system, &both(group), &ANY), [(IP, kind, multicast)]);
            assert_eq!(written(system, &Transmit::to(to), &ANY), []);
            // Bound to that address, a socket needs no source, and FreeBSD refuses one.
            assert_eq!(
                written(system, &Transmit::to(to).local(IpAddr::from(own)), &Own { bound: own.into(), ..ANY }),
                []
            );
        }
        let v6: Ipv6Addr = "fd09::1".parse().unwrap();
        let to: SocketAddr = "[fd09::7]:9".parse().unwrap();
        let transmit = Transmit::to(to).local(IpAddr::from(v6)).interface(InterfaceIndex::new(7));
        for (system, kind) in [(&APPLE, 46), (&FREEBSD, 46), (&WINDOWS, 19)] {
            let info = [&v6.octets()[..], &index].concat();
            assert_eq!(written(system, &transmit, &ANY), [(IPV6, kind, info)]);
        }
    }

    #[test]
    fn a_traffic_class_goes_along_or_is_refused_and_a_hop_limit_where_it_can() {
        for (name, system) in ALL {
            for to in ["192.0.2.7:9", "[fd09::7]:9"] {
                let to: SocketAddr = to.parse().unwrap();
                let transmit = Transmit::to(to).traffic_class(0xb8);
                let taken = system.taken(to.is_ipv4());
                let mut room = [0; SEND_ROOM];
                match (taken.traffic_class, system.encode(&transmit, &ANY, &mut room)) {
                    (None, refused) => assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::Unsupported, "{name}"),
                    (Some((kind, width)), len) => {
                        let data = if width == Width::Byte { vec![0xb8] } else { 0xb8i32.to_ne_bytes().to_vec() };
                        assert!(len.unwrap() > 0);
                        assert_eq!(written(system, &transmit, &ANY), [(taken.level, kind, data)], "{name}");
                    }
                }
                // The class that the socket gives anyway is no class of its own.
                assert!(system.encode(&Transmit::to(to).traffic_class(0x28), &ANY, &mut room).is_ok(), "{name}");
                let written = written(system, &Transmit::to(to).hop_limit(3), &ANY);
                let expected = taken.hop_limit.map(|(kind, _)| (taken.level, kind, 3i32.to_ne_bytes().to_vec()));
                assert_eq!(written, Vec::from_iter(expected), "{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kinds: Vec<(usize, u8)>) {
            for (_, system) in ALL {
                let source = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
                let _ = system.decode(source, &bytes);
                let mut control = [0; RECEIVE_ROOM];
                let mut used = 0;
                for (row, len) in kinds.iter().take(8).filter(|_| !system.told.is_empty()) {
                    let told = &system.told[row % system.told.len()];
                    let data = &bytes[..usize::from(len % 40).min(bytes.len())];
                    used += system.layout.write(&mut control[used..], told.level, told.kind, data);
                }
                let _ = system.decode(source, &control[..used]);
            }
        }
    }
}
