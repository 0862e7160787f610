//! Interfaces and their broadcast addresses, compared with the kernel's own routing table.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use udpkit::{InterfaceAddress, InterfaceWatch, Interfaces, subnet_broadcast};

/// Runs `ip`, which must succeed; returns what it prints.
fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip can be run");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("ip prints text")
}

fn interfaces() -> Interfaces {
    Interfaces::list().expect("the system lists its interfaces")
}

/// The broadcast addresses to which the kernel has routes, with their interfaces; those of loopback left out, since
/// that interface says that it cannot broadcast, and has one nevertheless.
fn routed() -> BTreeSet<(String, Ipv4Addr)> {
    let networks: BTreeSet<Ipv4Addr> =
        ip("-4 route show").lines().filter_map(|line| line.split('/').next()?.parse().ok()).collect();
    let routes = ip("-4 route show table local type broadcast");
    let routes = routes.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let device = words.iter().position(|&word| word == "dev").expect("routes name their device") + 1;
        (words[device].to_owned(), words[1].parse().expect("an address"))
    });
    // Up to Linux 5.13, the network's own address was one too.
    routes.filter(|(device, address)| device != "lo" && !networks.contains(address)).collect()
}

/// The same, as the library has them.
fn listed() -> BTreeSet<(String, Ipv4Addr)> {
    let mut all = BTreeSet::new();
    for interface in &interfaces() {
        let addresses = interface.addresses.iter().filter_map(|address| address.broadcast);
        all.extend(addresses.map(|address| (interface.name.clone(), address)));
    }
    all
}

const CABLE: &str = "
ip link add eth0 type veth peer name other
ip link set other up
ip link set eth0 up
usable - eth0
";

#[test]
fn broadcast_addresses_are_those_that_the_kernel_routes() {
    const TEST: &str = "broadcast_addresses_are_those_that_the_kernel_routes";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    // What to add, and what its broadcast address must be.
    let rows = [
        ("10.9.0.1/24", Some([10, 9, 0, 255])),
        ("10.9.1.1/24 brd +", Some([10, 9, 1, 255])),
        ("10.9.2.1/24 brd 255.255.255.255", Some([10, 9, 2, 255])),
        ("10.9.3.1/31", None),
        ("10.9.4.1/31 brd +", None),
        ("10.9.5.1/32", None),
        ("10.9.6.1/32 brd +", None),
        ("10.9.7.1/30", Some([10, 9, 7, 3])),
        ("10.16.0.1/12", Some([10, 31, 255, 255])),
        ("10.9.8.1 peer 10.9.8.2", None),
        ("10.9.9.1 peer 10.9.10.1/24", Some([10, 9, 10, 255])),
        ("10.9.11.1/24 peer 10.9.12.1", None),
        ("169.254.3.4/16", Some([169, 254, 255, 255])),
    ];
    for (arguments, broadcast) in rows {
        ip(&format!("address add {arguments} dev eth0"));
        let listed = listed();
        assert_eq!(listed, routed(), "{arguments}");
        let own: IpAddr = arguments.split(['/', ' ']).next().unwrap().parse().unwrap();
        let interfaces = interfaces();
        let eth0 = interfaces.named("eth0").unwrap();
        let address = eth0.addresses.iter().find(|address| address.ip == own).expect("it was added");
        assert_eq!(address.broadcast, broadcast.map(Ipv4Addr::from), "{arguments}");
        assert!(interfaces.is_ours(own));
        assert!(broadcast.is_none_or(|broadcast| interfaces.is_broadcast(broadcast.into())));
        assert!(!address.tentative);
        let peer = arguments.split("peer ").nth(1).map(|peer| peer.split('/').next().unwrap().parse().unwrap());
        assert_eq!(address.peer, peer, "{arguments}");
        ip(&format!("address flush dev eth0 to {own}"));
    }
    assert_eq!(listed(), BTreeSet::new());
}

#[test]
fn all_addresses_of_an_interface_are_listed_together() {
    const TEST: &str = "all_addresses_of_an_interface_are_listed_together";
    const SCRIPT: &str = "
        ip link add eth0 address 02:00:00:00:00:01 mtu 1400 type veth peer name other
        ip link set other up
        ip link set eth0 up
        usable - eth0
        ip address add 10.9.0.1/24 dev eth0
        ip address add 10.9.0.2/24 dev eth0
        ip address add 10.9.0.3/25 dev eth0
        ip address add 10.8.0.1/24 brd + dev eth0
        ip address add fd09::1/64 dev eth0 nodad
        ip link add idle type veth peer name idle-other
        ip address add 10.7.0.1/24 dev idle";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    let interfaces = interfaces();
    let eth0 = interfaces.named("eth0").unwrap();
    assert_eq!(interfaces.numbered(eth0.index.unwrap()), Some(eth0));
    assert!(eth0.up && eth0.running && eth0.broadcast && eth0.multicast && !eth0.loopback && !eth0.point_to_point);
    assert_eq!((eth0.mtu, eth0.hardware), (Some(1400), Some([2, 0, 0, 0, 0, 1])));
    assert_eq!(eth0.link_local(), Some("fe80::ff:fe00:1".parse().unwrap()));
    let broadcasts = eth0.addresses.iter().filter_map(|address| address.broadcast.map(|_| *address));
    for InterfaceAddress { ip, prefix_len, broadcast, .. } in broadcasts {
        let IpAddr::V4(ip) = ip else { panic!("{ip} has a broadcast address") };
        assert_eq!(broadcast, subnet_broadcast(ip, prefix_len));
    }
    let of_family = |v4: bool| eth0.addresses.iter().filter(|address| address.ip.is_ipv4() == v4).count();
    assert_eq!((of_family(true), of_family(false)), (4, 2));

    let lo = interfaces.iter().find(|interface| interface.loopback).unwrap();
    assert!(lo.up && !lo.broadcast && lo.addresses.iter().all(|address| address.broadcast.is_none()));
    let idle = interfaces.named("idle").unwrap();
    assert!(!idle.up && !idle.running);
    // What is down is not routed to; all else is.
    let all_but_idle: BTreeSet<_> = listed().into_iter().filter(|(name, _)| name != "idle").collect();
    assert_eq!(all_but_idle, routed());
}

#[test]
fn a_broadcast_address_of_ones_own_choice_is_the_one_listed() {
    const TEST: &str = "a_broadcast_address_of_ones_own_choice_is_the_one_listed";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    ip("address add 10.9.0.1/24 brd 10.9.0.77 dev eth0");
    let chosen = ("eth0".to_owned(), Ipv4Addr::new(10, 9, 0, 77));
    assert_eq!(listed(), BTreeSet::from([chosen.clone()]));
    assert!(routed().contains(&chosen));
}

#[test]
fn changes_are_noticed_once() {
    const TEST: &str = "changes_are_noticed_once";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    let changes = [
        "address add 10.9.0.1/24 dev eth0",
        "address add fd09::1/64 dev eth0 nodad",
        "address delete 10.9.0.1/24 dev eth0",
        "link set eth0 down",
        "link set eth0 up",
        "link add late type veth peer name late-other",
        "link delete late",
    ];
    for change in changes {
        let watch = InterfaceWatch::new().expect("the kernel tells");
        ip(change);
        // The kernel tells of an IPv6 address from a work queue, a moment after `ip` has ended.
        let deadline = common::patience();
        while !watch.changed() {
            assert!(!common::is_over(deadline), "ip {change}");
            std::thread::yield_now();
        }
    }
    // Nothing follows an address on loopback, as operational states follow links.
    let watch = InterfaceWatch::new().expect("the kernel tells");
    ip("address add 10.9.0.9/32 dev lo");
    assert!(watch.changed());
    assert!(!watch.changed());
}

#[test]
fn a_link_that_is_set_down_or_removed_is_seen() {
    const TEST: &str = "a_link_that_is_set_down_or_removed_is_seen";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    assert!(interfaces().named("eth0").is_some_and(|eth0| eth0.up));
    ip("link set eth0 down");
    assert!(interfaces().named("eth0").is_some_and(|eth0| !eth0.up && !eth0.running));
    ip("link delete eth0");
    assert!(interfaces().named("eth0").is_none() && interfaces().named("other").is_none());
}
