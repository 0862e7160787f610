//! Multicast groups while interfaces are removed, created again and changed: a server in each test is asked at its groups.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{bind, bind_to, interface, is_over, patience};
use udpkit::event::Trouble;
use udpkit::verbs::ServeOptions;
use udpkit::{
    Answer, Event, Group, Memberships, Options, ReceiveBatch, SendBatch, Server, Socket, Transmit, Wait, any_address,
};

/// Ports are free in a namespace of one's own.
const PORT: u16 = 10_000;

/// A cable from `vb` to an end that nobody uses, and a limit to the memberships of a socket that leaves room for one alone.
const CABLE: &str = "
echo 1 > /proc/sys/net/ipv4/igmp_max_memberships
ip link add vb type veth peer name vc
ip address add 10.1.0.1/24 dev vb
ip link set vb up
ip link set vc up
usable - vb
";

/// The same cable once more. The first word after `vb` may give it a number.
fn cable(index: &str) -> String {
    format!(
        "ip link add vb {index} type veth peer name vc
        ip address add 10.1.0.1/24 dev vb
        ip link set vb up
        ip link set vc up"
    )
}

fn shell(script: &str) {
    assert!(Command::new("sh").args(["-ec", script]).status().expect("it can be run").success(), "{script}");
}

/// A group on the interfaces that are named, or on the one that it names itself.
fn group(address: &str, interface: Option<&str>) -> Group {
    let interface = interface.and_then(|name| common::interface(name).index);
    Group::new(udpkit::SocketId::first(0), address.parse().expect("an address")).interface(interface)
}

/// Answers at these groups, each with a socket of its own; what goes wrong comes by the channel.
fn serve(groups: &[Group], names: &[&str]) -> (Server, Receiver<String>) {
    let groups: Vec<_> =
        groups.iter().enumerate().map(|(place, group)| (*group).via(udpkit::SocketId::first(place))).collect();
    let options = Options::default().destination(true).reuse_address(true).only_joined_groups(true);
    let socket = |group: &Group| bind_to(SocketAddr::new(any_address(group.address), PORT), &options);
    let sockets: Vec<_> = groups.iter().map(socket).collect();
    let engine = ServeOptions::new(Answer::Echo, sockets.iter().map(Socket::local_address).collect());
    let memberships = Memberships::new(groups, names.iter().map(|&name| name.to_owned()).collect());
    let (say, said) = channel();
    let server = Server::launch(sockets, engine, memberships, 1, |_, _| {
        let say = say.clone();
        move |event: Event<'_>| {
            if let Event::Trouble(Trouble { error, .. }) = event {
                // Tests that heard enough do not listen any more.
                let _ = say.send(format!("{error:#}"));
            }
            ControlFlow::Continue(())
        }
    });
    (server.expect("the groups can be joined"), said)
}

/// Asks at the group on `vb` until it is answered.
fn is_heard(group: IpAddr, when: &str) {
    let client = bind(any_address(group), &Options::default());
    let (deadline, mut replies, mut batch) = (patience(), ReceiveBatch::default(), SendBatch::default());
    let via = Transmit::to(SocketAddr::new(group, PORT)).interface(interface("vb").index);
    loop {
        assert!(batch.push(&via, b"who?"));
        // It fails until the interface has its address.
        let _ = client.send(&mut batch);
        if client.receive(&mut replies, Wait::For(Duration::from_millis(10))).expect("receiving does not fail") > 0 {
            return;
        }
        assert!(!is_over(deadline), "{group} is not heard {when}");
    }
}

/// Asks at the group on `vb` until it is answered, and then three times more: each is answered.
fn each_is_heard(group: IpAddr, when: &str) {
    let client = bind(any_address(group), &Options::default());
    let via = Transmit::to(SocketAddr::new(group, PORT)).interface(interface("vb").index);
    let (deadline, mut replies) = (patience(), ReceiveBatch::default());
    let ask = |payload: &[u8]| {
        let mut batch = SendBatch::default();
        assert!(batch.push(&via, payload));
        // It fails until the interface has its address.
        let _ = client.send(&mut batch);
    };
    // Late answers of before may come first.
    let mut is_answered = |payload: &[u8], wait| {
        let trains = client.receive(&mut replies, Wait::For(wait)).expect("receiving does not fail");
        trains > 0 && replies.trains().flat_map(|train| train.datagrams()).any(|reply| reply.payload == payload)
    };
    ask(b"who?");
    while !is_answered(b"who?", Duration::from_millis(2)) {
        assert!(!is_over(deadline), "{group} is not heard {when}");
        ask(b"who?");
    }
    for number in 0..3 {
        ask(&[number]);
        while !is_answered(&[number], Duration::from_millis(100)) {
            assert!(!is_over(deadline), "datagram {number} is not heard at {group} {when}");
        }
    }
}

#[test]
fn every_datagram_is_heard_after_each_of_two_hundred_rounds_of_an_interface_that_comes_and_goes() {
    const TEST: &str = "every_datagram_is_heard_after_each_of_two_hundred_rounds_of_an_interface_that_comes_and_goes";
    const CREATE: &str = "link add vb type bridge
address add 10.1.0.1/24 dev vb
address add fd01::1/64 dev vb nodad
link set vb up
";
    if !netns::enter(
        TEST,
        &format!("echo '{CREATE}' | ip -batch -\neventually 'ip -6 address show dev vb | grep -q fe80'"),
    ) {
        return;
    }
    let from = |address: &str, source: &str| group(address, None).source(source.parse::<IpAddr>().expect("an address"));
    let unnamed = [group("239.255.7.1", None), group("ff15::71", None), from("232.1.7.1", "10.1.0.1")];
    let named = [group("239.255.7.2", None), group("ff15::72", None), from("ff3e::72", "fd01::1")];
    let scoped = [group("239.255.7.3", Some("vb")), group("ff02::73", Some("vb"))];
    let servers = [serve(&[&unnamed[..], &scoped].concat(), &[]), serve(&named, &["vb"])];
    for round in 0..200 {
        let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("it can be run");
        let script = format!("link delete vb\n{CREATE}");
        ip.stdin.take().expect("it was asked for").write_all(script.as_bytes()).expect("ip reads it");
        assert!(ip.wait().expect("it can be waited for").success());
        for group in unnamed.iter().chain(&named).chain(&scoped) {
            each_is_heard(group.address, &format!("in round {round}"));
        }
    }
    for (server, said) in servers {
        assert!(server.stop().is_balanced());
        // An IPv6 group may be tried when the interface has no address yet; nothing is ever out of room.
        let refused: Vec<_> = said.try_iter().filter(|said| said.ends_with("no buffer space available")).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[test]
fn a_group_is_joined_again_where_its_interface_is_created_anew_whatever_names_that() {
    const TEST: &str = "a_group_is_joined_again_where_its_interface_is_created_anew_whatever_names_that";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    let cases: [(&str, Option<&str>, &[&str]); 5] = [
        ("ff02::77", Some("vb"), &[]),
        ("ff15::77", Some("vb"), &[]),
        ("ff02::77", None, &["vb"]),
        ("239.255.1.2", None, &["vb"]),
        ("239.255.1.2", Some("vb"), &[]),
    ];
    for (address, scope, names) in cases {
        let group = group(address, scope);
        let (server, _said) = serve(&[group], names);
        is_heard(group.address, "at first");
        for round in 0..3 {
            let number = interface("vb").index.expect("it has one").get();
            // Once with the number of before: the kernel ended the membership none the less.
            let index = if round == 1 { format!("index {number}") } else { String::new() };
            shell(&format!("ip link delete vb; {}", cable(&index)));
            is_heard(group.address, &format!("in round {round}, by {scope:?} or {names:?}"));
        }
        assert!(server.stop().is_balanced());
    }
}

#[test]
fn ipv6_groups_are_joined_again_after_an_mtu_that_is_too_small_for_ipv6() {
    const TEST: &str = "ipv6_groups_are_joined_again_after_an_mtu_that_is_too_small_for_ipv6";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    for (scope, names) in [(Some("vb"), &[][..]), (None, &["vb"])] {
        let group = group("ff02::77", scope);
        let (server, said) = serve(&[group], names);
        is_heard(group.address, "at first");
        // Too quickly to be seen by a look at the interfaces.
        shell("ip link set vb mtu 1000; ip link set vb mtu 1500");
        is_heard(group.address, "after a moment with a small MTU");
        shell("ip link set vb mtu 1279");
        let refused =
            |mtu: u32| format!("cannot join ff02::77 on vb: IPv6 needs an MTU of 1280 bytes, and this one has {mtu}");
        let trouble = || said.recv_timeout(Duration::from_secs(10)).expect("it is reported");
        // The moment may have been seen after all.
        let first = trouble();
        assert_eq!(if first == refused(1000) { trouble() } else { first }, refused(1279));
        // Changes that do not help are no reason to report it again.
        shell("ip address add 10.1.0.2/24 dev vb; ip address delete 10.1.0.2/24 dev vb; ip link set vb mtu 1500");
        is_heard(group.address, "after a while with a small MTU");
        assert_eq!(said.try_iter().count(), 0);
        assert!(server.stop().is_balanced());
    }
}

#[test]
fn a_group_that_can_be_joined_nowhere_keeps_no_other_from_being_joined_again() {
    const TEST: &str = "a_group_that_can_be_joined_nowhere_keeps_no_other_from_being_joined_again";
    if !netns::enter(TEST, &format!("{CABLE}\nip link add gone type bridge\nip link set gone up")) {
        return;
    }
    let groups = [group("ff02::77", Some("gone")), group("239.255.1.2", None)];
    let (server, said) = serve(&groups, &["vb"]);
    is_heard(groups[1].address, "at first");
    shell("ip link delete gone");
    let trouble = said.recv_timeout(Duration::from_secs(10)).expect("it is reported");
    assert!(trouble.starts_with("cannot join ff02::77"), "{trouble}");
    shell(&format!("ip link delete vb; {}", cable("")));
    is_heard(groups[1].address, "while the other has no interface");
    assert!(server.stop().is_balanced());
}
