//! Tests: every kind of frame and tunnel that we read, and that tshark finds the same in it.

use std::net::SocketAddr;

use etherparse::SlicedPacket;

use super::counts::{PacketCounts, Unusable};
use super::oracle::{Maker, Scratch, frame, require, tshark};
use super::order::Order;
use super::read::{ReadOptions, Reader};

const V4: [&str; 2] = ["192.0.2.1:4000", "192.0.2.2"];
const V6: [&str; 2] = ["[2001:db8::1]:4000", "2001:db8::2"];
/// How an Ethernet frame begins.
const HARDWARE: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/// What a datagram in a capture is wrapped into.
struct Wrapping {
    name: &'static str,
    link: u32,
    is_tunnel: bool,
    /// The frame of an IP packet.
    wrap: fn(&[u8]) -> Vec<u8>,
}

/// The IP packet of a datagram to port 5000.
fn ip([source, destination]: [&str; 2], payload: &[u8]) -> Vec<u8> {
    frame(source, destination, payload).split_off(14)
}

fn is_v6(packet: &[u8]) -> bool {
    packet[0] >> 4 == 6
}

/// The type of Ethernet of a packet.
fn ethertype(packet: &[u8]) -> [u8; 2] {
    if is_v6(packet) { [0x86, 0xdd] } else { [8, 0] }
}

/// The same in PPP.
fn ppp(packet: &[u8]) -> [u8; 2] {
    if is_v6(packet) { [0, 0x57] } else { [0, 0x21] }
}

fn len(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn ethernet(ethertype: [u8; 2], content: &[&[u8]]) -> Vec<u8> {
    [&HARDWARE[..], &ethertype, &content.concat()].concat()
}

fn snap(packet: &[u8]) -> Vec<u8> {
    [&[0xaa, 0xaa, 3, 0, 0, 0], &ethertype(packet)[..], packet].concat()
}

/// A data frame of Wi-Fi with these first two bytes, and these bytes behind its three addresses.
fn wireless(control: [u8; 2], more: &[u8], packet: &[u8]) -> Vec<u8> {
    [&control[..], &[0; 2], &[2; 18], &[0, 0], more, &snap(packet)].concat()
}

/// An IPv4 packet between two ends of a tunnel, in Ethernet.
fn outer(protocol: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let total = u16::try_from(20 + content.len()).unwrap().to_be_bytes();
    let header = [0x45, 0, total[0], total[1], 0, 9, 0, 0, 64, protocol, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2];
    ethernet([8, 0], &[&header, &content])
}

/// An IPv6 packet between two ends of a tunnel, in Ethernet.
fn outer_v6(protocol: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let [high, low] = len(&content);
    let header = [0x60, 0, 0, 0, high, low, protocol, 64];
    ethernet([0x86, 0xdd], &[&header, &[0xfd; 15], &[1], &[0xfd; 15], &[2], &content])
}

/// Ethernet in VXLAN to this port.
fn vxlan(port: u16, packet: &[u8]) -> Vec<u8> {
    vxlan_with([8, 0, 0, 0], port, packet)
}

/// The same with this beginning of VXLAN's header.
fn vxlan_with(start: [u8; 4], port: u16, packet: &[u8]) -> Vec<u8> {
    let content = [&start[..], &[0, 0, 42, 0], &ethernet(ethertype(packet), &[packet])].concat();
    let length = u16::try_from(8 + content.len()).unwrap().to_be_bytes();
    outer(17, &[&50_000_u16.to_be_bytes(), &port.to_be_bytes(), &length, &[0; 2], &content])
}

/// Each kind. A table of plain functions, so that a new kind is a line.
fn wrappings() -> Vec<Wrapping> {
    let link = |name, link, wrap| Wrapping { name, link, is_tunnel: false, wrap };
    let tunnel = |name, wrap| Wrapping { name, link: 1, is_tunnel: true, wrap };
    vec![
        link("MPLS", 1, |it| ethernet([0x88, 0x47], &[&[0, 1, 1, 64], it])),
        link("MPLS, three labels", 1, |it| ethernet([0x88, 0x48], &[&[0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64], it])),
        link("MPLS in a virtual network", 1, |it| ethernet([0x81, 0], &[&[0, 5, 0x88, 0x47, 0, 1, 1, 64], it])),
        link("PPPoE", 1, |it| {
            let content = [&ppp(it), it].concat();
            ethernet([0x88, 0x64], &[&[0x11, 0, 0, 7], &len(&content), &content])
        }),
        link("SNAP", 1, |it| ethernet(len(&snap(it)), &[&snap(it)])),
        link("SNAP in a virtual network", 1, |it| ethernet([0x81, 0], &[&[0, 5], &len(&snap(it)), &snap(it)])),
        link("SNAP of bridges", 1, |it| {
            let content = [&[0xaa, 0xaa, 3, 0, 0, 0xf8], &ethertype(it)[..], it].concat();
            ethernet(len(&content), &[&content])
        }),
        link("MACsec, signed alone", 1, |it| {
            ethernet([0x88, 0xe5], &[&[0x20, 0, 0, 0, 0, 1], &[7; 8], &ethertype(it), it, &[9; 16]])
        }),
        link("AH", 1, |it| match is_v6(it) {
            true => {
                let [high, low] = len(&it[16..]);
                let header = [0x60, 0, 0, 0, high, low, 51, 64];
                ethernet(ethertype(it), &[&header, &it[8..40], &[17, 4, 0, 0], &[3; 20], &it[40..]])
            }
            false => {
                let [high, low] = u16::try_from(it.len() + 24).unwrap().to_be_bytes();
                let header = [0x45, 0, high, low, 0, 9, 0, 0, 64, 51, 0, 0];
                ethernet(ethertype(it), &[&header, &it[12..20], &[17, 4, 0, 0], &[3; 20], &it[20..]])
            }
        }),
        link("cooked 802.2", 113, |it| [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 4], &snap(it)[..]].concat()),
        link("PPP", 9, |it| [&ppp(it), it].concat()),
        link("PPP, short protocol", 9, |it| [&ppp(it)[1..], it].concat()),
        link("PPP like HDLC", 9, |it| [&[0xff, 3], &ppp(it)[..], it].concat()),
        link("PPP-HDLC", 50, |it| [&[0xff, 3], &ppp(it)[..], it].concat()),
        link("PPP with a direction", 204, |it| [&[1, 0xff, 3], &ppp(it)[..], it].concat()),
        link("PPP with MPLS", 9, |it| [&[0x02, 0x81, 0, 1, 1, 64], it].concat()),
        link("PPPoE without Ethernet", 51, |it| {
            let content = [&ppp(it), it].concat();
            [&[0x11, 0, 0, 7], &len(&content)[..], &content].concat()
        }),
        link("Cisco HDLC", 104, |it| [&[0x0f, 0], &ethertype(it)[..], it].concat()),
        link("Cisco HDLC with MPLS", 104, |it| [&[0x8f, 0, 0x88, 0x47, 0, 1, 1, 64], it].concat()),
        link("802.11", 105, |it| wireless([0x08, 1], &[], it)),
        link("802.11 from the system", 105, |it| wireless([0x08, 2], &[], it)),
        link("802.11, quality of service", 105, |it| wireless([0x88, 1], &[0, 0], it)),
        link("802.11, four addresses", 105, |it| wireless([0x88, 3], &[2, 2, 2, 2, 2, 2, 0, 0], it)),
        link("802.11, HT control", 105, |it| wireless([0x88, 0x82], &[0, 0, 0, 0, 0, 0], it)),
        link("radiotap", 127, |it| [&[0, 0, 8, 0, 0, 0, 0, 0], &wireless([0x08, 1], &[], it)[..]].concat()),
        link("radiotap, padded", 127, |it| {
            // A timer, then flags that say so; two words of fields.
            let header = [&[0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0][..], &[7; 8], &[0x20]].concat();
            [&header, &wireless([0x88, 1], &[0, 0, 0, 0], it)[..]].concat()
        }),
        link("NFLOG", 239, |it| {
            let family = if is_v6(it) { 10 } else { 2 };
            let [high, low] = u16::try_from(4 + it.len()).unwrap().to_be_bytes();
            // A header, and a prefix whose length is no multiple of four.
            let before = [8, 0, 1, 0, 8, 0, 3, 0, 7, 0, 10, 0, b'h', b'i', 0, 0, low, high, 9, 0];
            let padding = vec![0; it.len().next_multiple_of(4) - it.len()];
            [&[family, 0, 0, 1], &before[..], it, &padding].concat()
        }),
        link("NFLOG of another order", 239, |it| {
            let family = if is_v6(it) { 10 } else { 2 };
            let padding = vec![0; it.len().next_multiple_of(4) - it.len()];
            let [high, low] = u16::try_from(4 + it.len()).unwrap().to_be_bytes();
            [&[family, 0, 0, 1, 0, 8, 0, 1, 8, 0, 3, 0, high, low, 0, 9], it, &padding].concat()
        }),
        tunnel("GRE", |it| outer(47, &[&[0, 0], &ethertype(it), it])),
        tunnel("GRE with everything", |it| {
            outer(47, &[&[0xb0, 0], &ethertype(it), &[0; 4], &[0, 0, 0, 7], &[0; 4], it])
        }),
        tunnel("GRE in IPv6", |it| outer_v6(47, &[&[0, 0], &ethertype(it), it])),
        tunnel("Ethernet in GRE", |it| {
            outer(47, &[&[0x20, 0, 0x65, 0x58, 0, 0, 42, 0], &ethernet(ethertype(it), &[it])])
        }),
        tunnel("PPP in GRE", |it| {
            let content = [&[0xff, 3], &ppp(it)[..], it].concat();
            outer(47, &[&[0x30, 0x81, 0x88, 0x0b], &len(&content), &[0, 7, 0, 0, 0, 1, 0, 0, 0, 1], &content])
        }),
        tunnel("MPLS in GRE", |it| outer(47, &[&[0, 0, 0x88, 0x47, 0, 1, 1, 64], it])),
        tunnel("ERSPAN", |it| outer(47, &[&[0, 0, 0x88, 0xbe], &ethernet(ethertype(it), &[it])])),
        tunnel("ERSPAN II", |it| {
            let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 7, 8, 1, 0, 0, 0, 9];
            outer(47, &[&header, &ethernet(ethertype(it), &[it])])
        }),
        tunnel("ERSPAN III", |it| {
            let header = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 7, 8, 1, 0, 0, 0, 9, 0, 0, 0, 0];
            outer(47, &[&header, &ethernet(ethertype(it), &[it])])
        }),
        tunnel("IP in IP", |it| outer(if is_v6(it) { 41 } else { 4 }, &[it])),
        tunnel("IP in IPv6", |it| outer_v6(if is_v6(it) { 41 } else { 4 }, &[it])),
        tunnel("VXLAN", |it| vxlan(4789, it)),
        tunnel("VXLAN with a group", |it| vxlan_with([0x88, 0x08, 0, 7], 4789, it)),
        tunnel("GRE in GRE", |it| {
            let inner = outer(47, &[&[0, 0], &ethertype(it), it]).split_off(14);
            outer(47, &[&[0, 0, 8, 0], &inner])
        }),
    ]
}

/// A capture of such frames, a second apart.
fn capture(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, link);
    for (number, frame) in (0..).zip(frames) {
        maker.packet(1_700_000_000 + number, 0, frame, frame.len(), &[]);
    }
    maker.bytes
}

type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// What is in a capture.
fn read(capture: &[u8], decapsulate: bool) -> (Vec<Datagram>, PacketCounts) {
    let mut reader = Reader::with(capture, ReadOptions::default().decapsulate(decapsulate)).unwrap();
    let mut datagrams = Vec::new();
    while let Some(found) = reader.next().unwrap() {
        datagrams.push((found.source, found.destination, found.payload.to_vec()));
    }
    let counts = reader.counts();
    assert!(counts.is_balanced(), "{counts:?}");
    (datagrams, counts)
}

/// The payloads of the datagrams that each kind is tried with, in both families.
fn payloads() -> Vec<([&'static str; 2], Vec<u8>)> {
    let long: Vec<u8> = (0..1400).map(|place| u8::try_from(place * 7 % 256).unwrap()).collect();
    [V4, V6].into_iter().flat_map(|ends| [ends; 3].into_iter().zip([vec![], b"hello".to_vec(), long.clone()])).collect()
}

fn expected() -> Vec<Datagram> {
    let datagram = |([source, destination], payload): ([&str; 2], Vec<u8>)| {
        (source.parse().unwrap(), SocketAddr::new(destination.parse().unwrap(), 5000), payload)
    };
    payloads().into_iter().map(datagram).collect()
}

#[test]
fn every_kind_of_frame_and_tunnel_leads_to_the_datagram() {
    for Wrapping { name, link, wrap, .. } in wrappings() {
        let frames: Vec<_> = payloads().iter().map(|(ends, payload)| wrap(&ip(*ends, payload))).collect();
        assert_eq!(read(&capture(link, &frames), true).0, expected(), "{name}");
        // In parts, and in any order of them, as the capture may cut it: no panic, no datagram that is not there.
        for frame in &frames {
            let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, link);
            let ends = (0..frame.len().min(200)).chain([frame.len() - 1]);
            ends.clone().for_each(|len| maker.packet(0, 0, &frame[..len], frame.len(), &[]));
            let (datagrams, counts) = read(&maker.bytes, true);
            let missing = counts.unusable(Unusable::CutShort);
            assert!(datagrams.iter().all(|datagram| expected().contains(datagram)), "{name}");
            // Padding at the end may be missing.
            assert_eq!(missing + counts.datagrams, counts.packets, "{name}: {counts:?}");
        }
    }
}

#[test]
fn tshark_finds_the_same_datagrams() {
    if !require("tshark") {
        return;
    }
    let scratch = Scratch::new("wrappings");
    // tshark takes Netfilter's numbers in the order of its own host.
    for Wrapping { name, link, wrap, .. } in wrappings().into_iter().filter(|it| it.name != "NFLOG of another order") {
        let frames: Vec<_> = payloads().iter().map(|(ends, payload)| wrap(&ip(*ends, payload))).collect();
        let file = scratch.with("capture.pcap", &capture(link, &frames));
        let fields =
            ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport", "udp.length", "udp.payload"];
        // Of what is there several times, the innermost.
        let found = tshark(&file, &["-E", "occurrence=l", "-Y", "udp.dstport==5000"], &fields);
        let hex = |payload: &[u8]| payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let ours = read(&std::fs::read(&file).unwrap(), true).0;
        assert_eq!(ours.len(), found.len(), "{name}");
        for ((source, destination, payload), theirs) in ours.iter().zip(&found) {
            let family = if source.is_ipv4() { 0 } else { 2 };
            let [source, port] = [source.ip().to_string(), source.port().to_string()];
            assert_eq!(theirs[family..family + 2], [source, destination.ip().to_string()], "{name}");
            assert_eq!(theirs[4..6], [port, destination.port().to_string()], "{name}");
            assert_eq!(theirs[6], (8 + payload.len()).to_string(), "{name}");
            // An empty one is no field: there it may be the tunnel's.
            assert!(payload.is_empty() || theirs[7] == hex(payload), "{name}");
        }
    }
}

/// Why they are read by code of ours.
#[test]
fn etherparse_finds_none_of_them() {
    for Wrapping { name, link, wrap, is_tunnel } in wrappings().into_iter().filter(|it| it.link == 1) {
        let packet = SlicedPacket::from_ethernet(&wrap(&ip(V4, b"hello"))).map(|it| it.transport.is_some());
        // The datagram around VXLAN, not the one in it; and what it knows.
        let is_known = name.starts_with("MACsec") || name == "AH" || is_tunnel && name.starts_with("VXLAN");
        let is_found = packet.unwrap_or(false) && !is_known;
        assert!(!is_found, "{name} {link}: etherparse reads it, so let it");
    }
}

#[test]
fn a_tunnel_that_is_not_opened_is_counted_by_its_kind() {
    let kinds = [
        ("GRE", Unusable::InsideGre, Unusable::InsideGre),
        ("IP in IP", Unusable::InsideIpip, Unusable::Inside6in4),
        ("IP in IPv6", Unusable::InsideIpip, Unusable::Inside6in4),
    ];
    for (kind, of_v4, of_v6) in kinds {
        let wrapping = wrappings().into_iter().find(|it| it.name == kind).unwrap();
        for (ends, why) in [(V4, of_v4), (V6, of_v6)] {
            let (datagrams, counts) = read(&capture(1, &[(wrapping.wrap)(&ip(ends, b"hello"))]), false);
            assert!(datagrams.is_empty() && counts.unusable(why) == 1 && counts.tunnels() == 1, "{kind}: {counts:?}");
        }
    }
}

#[test]
fn vxlan_that_is_not_opened_is_the_datagram_that_it_is() {
    for port in [4789, 8472] {
        let frame = vxlan(port, &ip(V4, b"hello"));
        let (datagrams, counts) = read(&capture(1, std::slice::from_ref(&frame)), false);
        assert_eq!((datagrams.len(), datagrams[0].1.port(), counts.vxlan, counts.tunnels()), (1, port, 1, 1));
        assert_eq!(datagrams[0].2, frame[42..]);
        let (datagrams, counts) = read(&capture(1, &[frame]), true);
        assert_eq!((&datagrams[0].2[..], counts.vxlan), (&b"hello"[..], 0));
    }
    // Something else that goes to such a port.
    let mut frame = vxlan(4789, &ip(V4, b"hello"));
    frame[42] = 0;
    let (datagrams, counts) = read(&capture(1, &[frame]), true);
    assert_eq!((datagrams[0].1.port(), counts.vxlan), (4789, 0));
}

/// An Ethernet frame's IPv4 packet in fragments of this many bytes.
fn fragments(frame: &[u8], len: usize) -> Vec<Vec<u8>> {
    let (head, body) = frame.split_at(34);
    let count = body.chunks(len).count();
    let fragment = |(number, part): (usize, &[u8])| {
        let mut fragment = [head, part].concat();
        let more = if number + 1 < count { 0x2000 } else { 0 };
        fragment[16..18].copy_from_slice(&u16::try_from(20 + part.len()).unwrap().to_be_bytes());
        fragment[20..22].copy_from_slice(&(u16::try_from(number * len / 8).unwrap() | more).to_be_bytes());
        fragment
    };
    body.chunks(len).enumerate().map(fragment).collect()
}

#[test]
fn fragments_are_joined_outside_of_a_tunnel_and_in_it() {
    let payload: Vec<u8> = (0..4000).map(|place| u8::try_from(place % 251).unwrap()).collect();
    let whole = ethernet([8, 0], &[&ip(V4, &payload)]);
    for (tunnel, wrap) in wrappings().into_iter().filter(|it| it.is_tunnel).map(|it| (it.name, it.wrap)) {
        let inner: Vec<_> = fragments(&whole, 1480).iter().map(|it| wrap(&it[14..])).collect();
        let (datagrams, counts) = read(&capture(1, &inner), true);
        assert_eq!((datagrams.len(), counts.joined), (1, 2), "{tunnel}");
        assert_eq!(datagrams[0].2, payload, "{tunnel}");
        if tunnel.contains("IPv6") {
            continue;
        }
        // Each of them in fragments of its own, of which one is lost in the second reading.
        let both = (0..).zip(&inner).flat_map(|(number, frame)| {
            let mut frame = frame.clone();
            frame[19] = number;
            fragments(&frame, 800)
        });
        let both: Vec<_> = both.collect();
        let (datagrams, counts) = read(&capture(1, &both), true);
        assert_eq!((datagrams.len(), counts.packets, counts.joined), (1, 6, 5), "{tunnel}");
        assert_eq!(datagrams[0].2, payload, "{tunnel}");
        let (datagrams, counts) = read(&capture(1, &both[1..]), true);
        assert_eq!((datagrams.len(), counts.unusable(Unusable::MissingFragments)), (0, 5), "{tunnel}");
    }
}

#[test]
fn tunnels_in_tunnels_without_end_have_bad_headers() {
    let nested = |depth| (0..depth).fold(ip(V4, b"hello"), |it, _| outer(4, &[&it]).split_off(14));
    for (depth, datagrams) in [(8, 1), (9, 0), (1000, 0)] {
        let (found, counts) = read(&capture(101, &[nested(depth)]), true);
        assert_eq!((found.len(), counts.unusable(Unusable::BadHeader)), (datagrams, 1 - datagrams as u64), "{depth}");
    }
}

#[test]
fn a_frame_of_nothing_but_tags_or_labels_is_read_to_its_end() {
    for unit in [&[0x81, 0, 0, 5][..], &[0x88, 0x47, 0, 1]] {
        let labels: &[u8] = if unit[0] == 0x88 { &[0, 1, 0, 64] } else { unit };
        let frame = [&HARDWARE[..], unit, &labels.repeat(200_000)].concat();
        let counts = read(&capture(1, &[frame]), true).1;
        assert_eq!(counts.unusable(Unusable::BadHeader), 1);
    }
}

#[test]
fn what_wifi_encrypts_or_bundles_is_told_as_such_and_management_as_not_ip() {
    let packet = ip(V4, b"hello");
    let cases = [
        (wireless([0x08, 0x41], &[], &packet), Unusable::Encrypted),
        (wireless([0x88, 1], &[0x80, 0], &packet), Unusable::Aggregated),
        (wireless([0x08, 0x05], &[], &packet), Unusable::Aggregated),
        (wireless([0x80, 0], &[], &packet), Unusable::NotIp),
        (wireless([0x48, 1], &[], &packet), Unusable::NotIp),
        (wireless([0x08, 1], &[], &packet)[..25].to_vec(), Unusable::BadHeader),
    ];
    for (frame, why) in cases {
        assert_eq!(read(&capture(105, &[frame]), true).1.unusable(why), 1, "{why:?}");
    }
    for flags in [0x08, 0x0c, 0x2c] {
        let frame = ethernet([0x88, 0xe5], &[&[flags, 0, 0, 0, 0, 1], &[7; 8], &[8, 0], &packet]);
        assert_eq!(read(&capture(1, &[frame]), true).1.unusable(Unusable::Encrypted), 1);
    }
}
