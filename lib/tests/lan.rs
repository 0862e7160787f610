//! What the kernel does on networks, and whether the socket layer tells it as it is: each test makes its own network.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::process::{Command, Stdio};
use std::time::Duration;

use common::{
    BACKENDS, Received, V4, V6, bind, bind_to, interface, is_over, loopback, numbered, patience, receive, receive_one,
    send_run, told_all,
};
use udpkit::{
    Delivery, DontFragment, ErrorKind, InterfaceIndex, Options, SendBatch, Socket, Transmit, any_address, path_mtu,
};

/// Ports are free in a namespace of one's own.
const PORT: u16 = 10_000;

/// Three interfaces of this host, with nobody else on their cables.
const THREE_INTERFACES: &str = "
host h2
for number in 1 2 3; do
    ip link add eth$number type veth peer name eth$number netns h2
    ip link set eth$number up
    on h2 ip link set eth$number up
    ip address add 10.$number.0.1/24 dev eth$number
    ip address add 10.$number.0.7/24 dev eth$number
    ip address add fd0$number::1/64 dev eth$number nodad
    ip address add fd0$number::7/64 dev eth$number nodad
done
for number in 1 2 3; do
    usable - eth$number
    usable h2 eth$number
done
";

fn v4(octets: [u8; 4]) -> IpAddr {
    Ipv4Addr::from(octets).into()
}

fn v6(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn via(interface: &str, destination: IpAddr) -> Transmit {
    Transmit::to(SocketAddr::new(destination, PORT)).interface(common::interface(interface).index)
}

/// Runs another copy of the test on host h2, does this once that copy is ready, and asserts that it ends well.
fn with_h2(test: &str, role: &str, then: impl FnOnce()) {
    let mut there = netns::cast("h2", test, role).stdout(Stdio::piped()).spawn().expect("nsenter can be run");
    let mut said = BufReader::new(there.stdout.take().expect("it was asked for"));
    let mut line = String::new();
    while line.trim_end() != READY {
        line.clear();
        assert!(said.read_line(&mut line).expect("it says text") > 0, "{role} on h2 ended before it was ready");
    }
    then();
    assert!(there.wait().expect("it is ours").success(), "{role} on h2 failed");
}

const READY: &str = "ready on h2";

#[expect(clippy::print_stdout, reason = "the test on the other host waits for it")]
fn say_ready() {
    println!("\n{READY}");
}

/// Runs a program that must succeed; returns what it prints.
fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().expect("it can be run");
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text")
}

#[test]
fn hosts_of_a_lan_reach_each_other() {
    const TEST: &str = "hosts_of_a_lan_reach_each_other";
    if netns::role() == "asker" {
        // It refuses a closed port, so it is there.
        let neighbour: IpAddr = std::env::var("NEIGHBOUR").unwrap().parse().unwrap();
        let socket = bind(any_address(V4), &Options::default().errors(true));
        socket.send_to(b"anyone?", SocketAddr::new(neighbour, PORT)).expect("there is a route");
        let report = common::reports(&socket, 1).remove(0);
        assert_eq!((report.cause, report.reporter), (udpkit::Cause::Port, Some(neighbour)));
        return;
    }
    let Some(lan) = netns::Lan::hosts(3) else { return };
    for host in ["h1", "h2", "h3"] {
        let output = lan.command(host, "ip").args(["-o", "address", "show", "eth0"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("10.1.0.{}/24", &host[1..])) && text.contains("fe80::"), "{text}");
        assert!(!text.contains("tentative"), "{text}");
    }
    for to in ["10.1.0.1", "10.1.0.3"] {
        let output = lan.cast("h2", TEST, "asker").env("NEIGHBOUR", to).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn trains_over_the_mtu_fall_back_and_nothing_is_lost_or_doubled() {
    const TEST: &str = "trains_over_the_mtu_fall_back_and_nothing_is_lost_or_doubled";
    if !netns::enter(TEST, "ip link set lo mtu 1500") {
        return;
    }
    for ip in [V4, V6] {
        let receiver = bind(ip, &Options::default().hop_limits(true));
        let sender = bind(ip, &Options::default().errors(true));
        let fits = 1500 - udpkit::header_len(ip);
        assert_eq!(path_mtu(receiver.local_address(), None), Some(1500));
        // A run that fits between two that do not, then one that fits again, all in one batch.
        let lens = [fits, fits + 1, fits - 1, fits + 1, fits];
        for _ in 0..20 {
            let mut batch = SendBatch::default();
            let mut sent = Vec::new();
            for len in lens {
                for _ in 0..7 {
                    sent.push(numbered(sent.len() as u64, len));
                    assert!(batch.push(&Transmit::to(receiver.local_address()), &sent[sent.len() - 1]));
                }
            }
            let failures = sender.send(&mut batch);
            assert!(failures.is_empty(), "{failures:?}");
            sender.send_to(b"end", receiver.local_address()).expect("loopback takes it");
            sent.push(b"end".to_vec());
            let received = receive(&receiver, sent.len());
            assert!(received.iter().map(|one| &one.payload).eq(&sent));
            assert!(sender.capabilities().segmentation, "trains that fit are still sent");
        }
    }
}

#[test]
fn a_probe_is_as_long_as_its_link_takes_whatever_is_known_of_the_path() {
    const TEST: &str = "a_probe_is_as_long_as_its_link_takes_whatever_is_known_of_the_path";
    const SCRIPT: &str = "
        ip link add near type veth peer name far
        ip address add 10.7.0.1/24 dev near
        ip address add fd07::1/64 dev near nodad
        ip link set near up
        ip link set far up
        ip neighbour add 10.7.0.2 lladdr 02:00:00:00:00:02 dev near
        ip neighbour add fd07::2 lladdr 02:00:00:00:00:02 dev near
        usable - near
        ip route add 10.7.0.2/32 dev near mtu 1300
        ip route add fd07::2/128 dev near mtu 1300";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    for there in [v4([10, 7, 0, 2]), v6("fd07::2")] {
        let to = SocketAddr::new(there, PORT);
        assert_eq!(path_mtu(to, None), Some(1300));
        let headers = udpkit::header_len(there);
        // What goes unfragmented: the longest payload of each kind, and one byte more fails.
        for (fragments, longest) in [(DontFragment::Yes, 1300), (DontFragment::Probe, 1500)] {
            let sender = bind(any_address(there), &Options::default().dont_fragment(fragments));
            assert!(sender.capabilities().dont_fragment);
            sender.send_to(&vec![0; longest - headers], to).expect("it is not too long");
            let mut batch = SendBatch::default();
            assert!(batch.push(&Transmit::to(to), &vec![0; longest - headers + 1]));
            let failures = sender.send(&mut batch);
            assert!(failures.len() == 1 && failures[0].kind() == ErrorKind::TooLong, "{fragments:?}: {failures:?}");
        }
        let sender = bind(any_address(there), &Options::default().dont_fragment(false));
        sender.send_to(&[0; 3000], to).expect("it goes in fragments");
        assert!(!sender.capabilities().dont_fragment);
    }
}

#[test]
fn a_datagram_that_came_in_fragments_has_the_length_of_the_longest() {
    const TEST: &str = "a_datagram_that_came_in_fragments_has_the_length_of_the_longest";
    if !netns::enter(TEST, "ip link set lo mtu 1500") {
        return;
    }
    for ip in [V4, V6] {
        let receiver = bind(ip, &Options::default().fragment_sizes(true));
        assert!(receiver.capabilities().fragment_sizes);
        let sender = bind(ip, &Options::default());
        // Fragments carry multiples of 8 bytes behind 20 bytes of header, or 40 and the 8 of their own.
        let longest = if ip.is_ipv4() { 1500 } else { 1496 };
        for (len, fragment) in [(1000, None), (3000, Some(longest)), (1400, None), (60_000, Some(longest))] {
            sender.send_to(&vec![0; len], receiver.local_address()).expect("loopback takes it");
            let received = receive_one(&receiver);
            assert_eq!((received.payload.len(), received.meta.fragment_len), (len, fragment), "{ip}");
        }
    }
}

#[test]
fn without_checksum_offload_nothing_is_lost_or_doubled() {
    const TEST: &str = "without_checksum_offload_nothing_is_lost_or_doubled";
    const RUNS: u64 = 40;
    let run_of = |run: u64| (run * 30..run * 30 + 30).map(|number| numbered(number, 500)).collect::<Vec<_>>();
    if netns::role() == "receiver" {
        let sockets = [v4([10, 1, 0, 2]), v6("fd01::2")].map(|ip| bind_to(SocketAddr::new(ip, PORT), &told_all()));
        say_ready();
        for socket in &sockets {
            for run in 0..RUNS {
                let received = receive(socket, 30);
                assert!(received.iter().map(|one| &one.payload).eq(&run_of(run)), "run {run}");
                // The next run waits for this, so that no buffer overflows.
                send_run(socket, &received[0].meta.reply(), &[b"next".to_vec()]);
            }
            assert_eq!(receive_one(socket).payload, b"end");
        }
        return;
    }
    if !netns::require("ethtool") || !netns::enter(TEST, netns::TWO_HOSTS) {
        return;
    }
    // Up to Linux 6.10, such a device refuses trains with EIO; later ones compute the checksums themselves.
    run("ethtool", "-K eth0 tx off");
    with_h2(TEST, "receiver", || {
        for there in [v4([10, 1, 0, 2]), v6("fd01::2")] {
            let sender = bind(any_address(there), &Options::default());
            let to = Transmit::to(SocketAddr::new(there, PORT));
            for run in 0..RUNS {
                send_run(&sender, &to, &run_of(run));
                assert_eq!(receive_one(&sender).payload, b"next");
            }
            send_run(&sender, &to, &[b"end".to_vec()]);
        }
    });
}

#[test]
fn a_slow_link_is_waited_for_as_long_as_asked_and_no_longer() {
    const TEST: &str = "a_slow_link_is_waited_for_as_long_as_asked_and_no_longer";
    const SCRIPT: &str = "
        ip link add slow type veth peer name far
        ip link set slow up
        ip link set far up
        ip address add 10.7.0.1/24 dev slow
        ip neighbour add 10.7.0.2 lladdr 02:00:00:00:00:02 dev slow
        tc qdisc add dev slow root tbf rate 20mbit burst 2kb limit 3kb";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    for (send_wait, all) in [(Duration::ZERO, false), (Duration::from_secs(3600), true)] {
        // Without the error queue the kernel does not tell what its queue refused.
        let options = Options::default().errors(true).send_wait(send_wait);
        let sender = bind(v4([10, 7, 0, 1]), &options);
        let mut batch = SendBatch::default();
        for port in 1..=64 {
            assert!(batch.push(&Transmit::to(SocketAddr::new(v4([10, 7, 0, 2]), port)), &[7; 1000]));
        }
        let failures = sender.send(&mut batch).len();
        assert_eq!(failures == 0, all, "{failures} of 64 not sent");
        assert!(batch.is_empty());
    }
}

#[test]
fn destinations_without_a_way_fail_alone() {
    const TEST: &str = "destinations_without_a_way_fail_alone";
    const SCRIPT: &str = "
        ip route add unreachable 10.9.1.0/24
        ip route add prohibit 10.9.2.0/24
        ip route add blackhole 10.9.3.0/24
        ip -6 route add unreachable fd09:1::/64
        ip -6 route add prohibit fd09:2::/64
        ip -6 route add blackhole fd09:3::/64";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    let none = |network: u8| [v4([10, 9, network, 1]), v6(&format!("fd09:{network}::1"))];
    for portable in BACKENDS {
        for (index, ip) in [V4, V6].into_iter().enumerate() {
            let receiver = bind(ip, &Options::default());
            let sender = bind(any_address(ip), &Options::default().portable(portable).errors(true));
            let mut batch = SendBatch::default();
            for network in 0..4 {
                assert!(batch.push(&Transmit::to(receiver.local_address()), &[network]));
                for _ in 0..3 {
                    assert!(batch.push(&Transmit::to(SocketAddr::new(none(network)[index], 9)), b"lost"));
                }
            }
            assert!(batch.push(&Transmit::to(receiver.local_address()), &[4]));
            let mut failed = [0; 4];
            for failure in sender.send(&mut batch) {
                let place = (0..4u8).find(|&network| none(network)[index] == failure.transmit.destination.ip());
                failed[usize::from(place.expect("the others can be reached"))] += failure.count;
            }
            assert_eq!(failed, [3; 4]);
            let received = receive(&receiver, 5);
            assert!(received.iter().zip(0..).all(|(one, number)| one.payload == [number]));
        }
    }
    // Without a route, the error says so.
    let sender = bind(any_address(V4), &Options::default());
    for nobody in [none(0)[0], none(1)[0]] {
        let refused = sender.send_to(b"x", SocketAddr::new(nobody, 9)).unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable), "{refused:?}");
    }
}

#[test]
fn reply_leaves_from_the_address_that_was_asked_in_both_families() {
    const TEST: &str = "reply_leaves_from_the_address_that_was_asked_in_both_families";
    const SCRIPT: &str = "
        ip address add 10.9.0.2/32 dev lo
        ip address add fd09::2/128 dev lo nodad";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    let families = [(V4, v4([10, 9, 0, 2])), (V6, v6("fd09::2"))];
    for (portable, (ip, second)) in BACKENDS.into_iter().flat_map(|portable| families.map(|family| (portable, family)))
    {
        let server = bind(any_address(ip), &Options::default().destination(true).portable(portable));
        for (asked, from) in [(second, ip), (ip, second), (second, second), (ip, ip)] {
            let client = bind(from, &Options::default());
            let asked = SocketAddr::new(asked, server.local_address().port());
            client.send_to(b"who?", asked).expect("loopback takes it");
            let Received { meta, .. } = receive_one(&server);
            assert_eq!((meta.destination, meta.local), (Some(asked.ip()), Some(asked.ip())));
            assert_eq!((meta.delivery, meta.interface), (Delivery::Unicast, loopback().index));
            send_run(&server, &meta.reply(), &[b"I".to_vec()]);
            assert_eq!(receive_one(&client).meta.source, asked);
        }
    }
}

#[test]
fn whatever_another_host_asks_of_many_is_answered_from_our_own_address() {
    const TEST: &str = "whatever_another_host_asks_of_many_is_answered_from_our_own_address";
    let group_v4 = v4([239, 255, 1, 2]);
    let group_v6 = v6("ff02::1:99");
    let questions = [
        (v4([10, 1, 0, 1]), Delivery::Unicast),
        (v4([10, 1, 0, 255]), Delivery::Broadcast),
        (v4([255, 255, 255, 255]), Delivery::Broadcast),
        (group_v4, Delivery::Multicast),
        (v6("fd01::1"), Delivery::Unicast),
        (group_v6, Delivery::Multicast),
        (v6("ff02::1"), Delivery::Multicast),
    ];
    if netns::role() == "asker" {
        let options = Options::default().broadcast(true);
        say_ready();
        for (asked, _) in questions {
            let client = bind(any_address(asked), &options);
            send_run(&client, &via("eth0", asked), &[b"who?".to_vec()]);
            let SocketAddr::V6(source) = receive_one(&client).meta.source else {
                continue;
            };
            assert!(asked == v6("fd01::1") || source.ip().is_unicast_link_local(), "{source} answered for {asked}");
        }
        return;
    }
    if !netns::enter(TEST, netns::TWO_HOSTS) {
        return;
    }
    let eth0 = interface("eth0");
    for portable in BACKENDS {
        let options = told_all().portable(portable);
        let servers = [V4, V6].map(|ip| bind_to(SocketAddr::new(any_address(ip), PORT), &options));
        servers[0].join(group_v4, &eth0, None).expect("eth0 can");
        servers[1].join(group_v6, &eth0, None).expect("eth0 can");
        with_h2(TEST, "asker", || answer_each(&questions, &servers, eth0.index));
    }
}

/// Answers these questions, each of which must be what it is.
fn answer_each(questions: &[(IpAddr, Delivery)], servers: &[Socket; 2], eth0: Option<InterfaceIndex>) {
    for &(asked, delivery) in questions {
        let server = &servers[usize::from(asked.is_ipv6())];
        let Received { meta, payload, .. } = receive_one(server);
        assert_eq!(payload, b"who?");
        assert_eq!((meta.destination, meta.delivery, meta.interface), (Some(asked), delivery, eth0));
        match delivery {
            Delivery::Multicast if asked.is_ipv6() => assert_eq!(meta.local, None),
            Delivery::Unicast => assert_eq!(meta.local, Some(asked)),
            _ => assert_eq!(meta.local, Some(v4([10, 1, 0, 1]))),
        }
        // To many it goes one hop, to one host 64; and it came over one cable.
        let hops = if delivery == Delivery::Multicast { 1 } else { 64 };
        assert_eq!(meta.hop_limit, server.capabilities().hop_limits.then_some(hops), "{asked}");
        let mut batch = SendBatch::default();
        assert!(batch.push(&meta.reply(), b"I"));
        let failures = server.send(&mut batch);
        assert!(failures.is_empty(), "{asked}: {failures:?}");
    }
}

/// Sends one datagram to the group on each interface, then one to each socket alone; returns who heard what.
fn heard(sender: &Socket, group: IpAddr, receivers: &[&Socket]) -> Vec<Vec<Received>> {
    for name in ["eth1", "eth2", "eth3"] {
        send_run(sender, &via(name, group), &[name.as_bytes().to_vec()]);
    }
    receivers.iter().map(|receiver| until_marked(sender, receiver)).collect()
}

/// What a socket has received so far: what comes before a datagram that is sent to it last.
fn until_marked(sender: &Socket, receiver: &Socket) -> Vec<Received> {
    let deadline = patience();
    let local = receiver.local_address();
    let ours = if local.is_ipv4() { v4([10, 1, 0, 1]) } else { v6("fd01::1") };
    sender.send_to(b"mark", SocketAddr::new(ours, local.port())).expect("it is our own address");
    let mut all = Vec::new();
    loop {
        assert!(!is_over(deadline), "no mark among {all:?}");
        let received = receive_one(receiver);
        if received.payload == b"mark" {
            return all;
        }
        all.push(received);
    }
}

fn payloads(received: &[Received]) -> Vec<&str> {
    received.iter().map(|one| std::str::from_utf8(&one.payload).expect("it is text")).collect()
}

#[test]
fn a_group_is_heard_on_the_interfaces_where_it_was_joined() {
    const TEST: &str = "a_group_is_heard_on_the_interfaces_where_it_was_joined";
    if !netns::enter(TEST, THREE_INTERFACES) {
        return;
    }
    for portable in BACKENDS {
        for group in [v4([239, 255, 1, 2]), v4([224, 0, 0, 200]), v6("ff15::99"), v6("ff02::1:99")] {
            let options = Options::default().portable(portable).destination(true);
            let receiver = bind_to(SocketAddr::new(any_address(group), PORT), &options);
            let joined = [interface("eth1"), interface("eth2")];
            for interface in &joined {
                receiver.join(group, interface, None).expect("it can multicast");
                let error = receiver.join(group, interface, None).expect_err("it was joined before");
                assert_eq!(error.kind(), ErrorKind::AddressInUse, "{error:?}");
                assert!(error.to_string().contains(&interface.name), "{error:#}");
            }
            let sender = bind(any_address(group), &Options::default().portable(portable));
            let received = heard(&sender, group, &[&receiver]).remove(0);
            assert_eq!(payloads(&received), ["eth1", "eth2"], "{group}, portable: {portable}");
            for (one, interface) in received.iter().zip(&joined) {
                assert_eq!((one.meta.interface, one.meta.destination), (interface.index, Some(group)));
                assert_eq!(one.meta.delivery, Delivery::Multicast);
            }
        }
    }
}

#[test]
fn a_socket_hears_groups_that_others_joined_unless_it_asked_not_to() {
    const TEST: &str = "a_socket_hears_groups_that_others_joined_unless_it_asked_not_to";
    if !netns::enter(TEST, THREE_INTERFACES) {
        return;
    }
    for group in [v4([239, 255, 1, 2]), v6("ff15::99"), v6("ff02::1:99")] {
        // Separate sockets at one port: a marker reaches only one of those that share it, so they do not.
        let shared = Options::default().reuse_address(true);
        let joined = bind_to(SocketAddr::new(any_address(group), PORT), &shared);
        joined.join(group, &interface("eth1"), None).expect("it can multicast");
        let sender = bind(any_address(group), &Options::default());
        for (only_joined_groups, expected) in [(false, vec!["eth1"]), (true, vec![])] {
            let options = shared.clone().only_joined_groups(only_joined_groups);
            // The latest of several gets what is sent to one host.
            let stranger = bind_to(SocketAddr::new(any_address(group), PORT), &options);
            let received = heard(&sender, group, &[&stranger]).remove(0);
            assert_eq!(payloads(&received), expected, "{group}, only joined groups: {only_joined_groups}");
        }
    }
}

#[test]
fn a_join_for_one_source_hears_only_that_source() {
    const TEST: &str = "a_join_for_one_source_hears_only_that_source";
    if !netns::enter(TEST, THREE_INTERFACES) {
        return;
    }
    let eth2 = interface("eth2");
    for portable in BACKENDS {
        for (group, wanted, other) in [
            (v4([232, 1, 1, 1]), v4([10, 2, 0, 7]), v4([10, 2, 0, 1])),
            (v6("ff3e::1234"), v6("fd02::7"), v6("fd02::1")),
        ] {
            let receiver = bind_to(SocketAddr::new(any_address(group), PORT), &Options::default().portable(portable));
            if let Err(error) = receiver.join(group, &eth2, Some(wanted)) {
                assert!(portable && group.is_ipv6(), "{error:#}");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
                continue;
            }
            let sender = bind(any_address(group), &Options::default());
            for (source, payload) in [(other, b"other"), (wanted, b"heard"), (other, b"again")] {
                let transmit = via("eth2", group).local(source);
                send_run(&sender, &transmit, &[payload.to_vec()]);
            }
            let received = until_marked(&sender, &receiver);
            assert_eq!(payloads(&received), ["heard"], "{group}, portable: {portable}");
            assert_eq!(received[0].meta.source.ip(), wanted);
        }
    }
}

#[test]
fn both_families_share_a_port_and_receivers_share_a_broadcast() {
    const TEST: &str = "both_families_share_a_port_and_receivers_share_a_broadcast";
    if !netns::enter(TEST, THREE_INTERFACES) {
        return;
    }
    for portable in BACKENDS {
        let plain = Options::default().portable(portable);
        let both = [V6, V4].map(|ip| bind_to(SocketAddr::new(any_address(ip), PORT), &plain));
        let taken = Socket::bind(SocketAddr::new(any_address(V4), PORT), &plain).expect_err("it is taken");
        assert_eq!(taken.kind(), ErrorKind::AddressInUse, "{taken:?}");
        for (socket, ip) in both.iter().zip([V6, V4]) {
            let sender = bind(ip, &plain);
            sender.send_to(b"one", SocketAddr::new(ip, PORT)).expect("loopback takes it");
            let source = receive_one(socket).meta.source;
            assert_eq!(source, sender.local_address());
        }
        drop(both);

        let shared = plain.clone().reuse_address(true);
        let receivers = [(); 3].map(|()| bind_to(SocketAddr::new(any_address(V4), PORT), &shared));
        let sender = bind(any_address(V4), &Options::default().broadcast(true));
        for (to, from) in [
            (via("eth1", v4([10, 1, 0, 255])), v4([10, 1, 0, 1])),
            (via("eth2", v4([10, 2, 0, 255])), v4([10, 2, 0, 1])),
            (via("eth3", v4([255, 255, 255, 255])), v4([10, 3, 0, 1])),
        ] {
            send_run(&sender, &to, &[b"all".to_vec()]);
            for receiver in &receivers {
                let received = receive_one(receiver);
                assert_eq!((received.payload.as_slice(), received.meta.source.ip()), (&b"all"[..], from));
            }
        }
    }
}

#[test]
fn link_local_addresses_are_answered_by_their_interface() {
    const TEST: &str = "link_local_addresses_are_answered_by_their_interface";
    if netns::role() == "asker" {
        let scope = interface("eth0").index.map_or(0, InterfaceIndex::get);
        let there: Ipv6Addr = std::env::var("THERE").unwrap().parse().unwrap();
        let client = bind(any_address(V6), &Options::default());
        say_ready();
        let to = SocketAddrV6::new(there, PORT, 0, scope);
        client.send_to(b"who?", to.into()).expect("the scope says by which interface");
        assert_eq!(receive_one(&client).meta.source, to.into());
        return;
    }
    if !netns::enter(TEST, netns::TWO_HOSTS) {
        return;
    }
    let eth0 = interface("eth0");
    let ours = eth0.link_local().expect("it is usable");
    let server = bind_to(SocketAddr::new(any_address(V6), PORT), &told_all());
    let mut asker = netns::cast("h2", TEST, "asker");
    let mut asker = asker.env("THERE", ours.to_string()).spawn().expect("nsenter can be run");
    let Received { meta, .. } = receive_one(&server);
    assert_eq!((meta.destination, meta.local), (Some(ours.into()), Some(ours.into())));
    assert_eq!(meta.interface, eth0.index);
    let SocketAddr::V6(source) = meta.source else { panic!("{meta:?}") };
    assert_eq!(Some(source.scope_id()), eth0.index.map(InterfaceIndex::get));
    send_run(&server, &meta.reply(), &[b"I".to_vec()]);
    assert!(asker.wait().expect("it is ours").success());
}

#[test]
fn link_local_addresses_of_ipv4_are_answered_by_the_interface_that_was_asked() {
    const TEST: &str = "link_local_addresses_of_ipv4_are_answered_by_the_interface_that_was_asked";
    // Both cables are the same network to the routing table, which prefers the first.
    const SCRIPT: &str = "
        host h1
        host h2
        echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
        echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter
        for number in 1 2; do
            ip link add eth$number type veth peer name eth0 netns h$number
            ip link set eth$number up
            on h$number ip link set eth0 up
            ip address add 169.254.0.$number/16 dev eth$number
            usable - eth$number
            usable h$number eth0
        done
        on h2 ip address add 169.254.0.9/16 dev eth0";
    let server_address = SocketAddr::from(([169, 254, 0, 2], PORT));
    if netns::role() == "asker" {
        let client = bind(any_address(V4), &Options::default());
        say_ready();
        client.send_to(b"who?", server_address).expect("there is one route");
        assert_eq!(receive_one(&client).meta.source, server_address);
        return;
    }
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    for portable in BACKENDS {
        let server = bind_to(SocketAddr::new(any_address(V4), PORT), &told_all().portable(portable));
        with_h2(TEST, "asker", || {
            let Received { meta, .. } = receive_one(&server);
            assert_eq!((meta.local, meta.interface), (Some(server_address.ip()), interface("eth2").index));
            send_run(&server, &meta.reply(), &[b"I".to_vec()]);
        });
    }
}
