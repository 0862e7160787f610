//! Sockets that were made elsewhere, sockets of both families, sockets of one device, and groups that are left.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "sockets of the standard library are what is adopted")]

mod common;
mod netns;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use common::{
    BACKENDS, Received, V4, bind, bind_to, families, interface, loopback, receive, receive_one, reports, send_run,
    told_all,
};
use socket2::{Domain, Protocol, Type};
use udpkit::verbs::{Serve, ServeOptions};
use udpkit::{
    Answer, Cause, Conduct, Delivery, Drive, End, Event, Meta, Options, ReceiveBatch, Remote, Socket, Transmit, Wait,
    any_address, drive,
};

/// A socket as other programs make one.
fn theirs(domain: Domain, kind: Type, protocol: Protocol) -> socket2::Socket {
    socket2::Socket::new(domain, kind, Some(protocol)).expect("the system has such sockets")
}

#[test]
fn a_socket_of_the_standard_library_is_adopted_and_handed_back() {
    for ip in families() {
        for portable in BACKENDS {
            let theirs = UdpSocket::bind((ip, 0)).unwrap();
            let local = theirs.local_addr().unwrap();
            let socket = Socket::adopt(theirs, &told_all().portable(portable)).unwrap();
            assert_eq!(socket.local_address(), local);
            let peer = bind(ip, &Options::default());
            peer.send_to(b"hello", local).unwrap();
            let Received { payload, meta, .. } = receive_one(&socket);
            assert_eq!((payload.as_slice(), meta.source), (&b"hello"[..], peer.local_address()));
            // What was asked for is on, and nothing blocks.
            assert!(meta.received.is_some());
            assert_eq!(meta.local, Some(ip));
            assert_eq!(socket.receive(&mut ReceiveBatch::default(), Wait::No).unwrap(), 0);
            send_run(&socket, &meta.reply(), &[b"back".to_vec()]);
            assert_eq!(receive_one(&peer).meta.source, local);

            let descriptor = socket.as_raw_fd();
            assert_eq!(descriptor, socket.as_fd().as_raw_fd());
            let theirs = UdpSocket::from(socket);
            assert_eq!((theirs.local_addr().unwrap(), theirs.as_raw_fd()), (local, descriptor));
            assert_eq!(theirs.recv_from(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
            // As a bare descriptor, as a socket of socket2, with no options.
            let socket = Socket::adopt(OwnedFd::from(theirs), &Options::default()).unwrap();
            let socket = Socket::adopt(socket2::Socket::from(OwnedFd::from(socket)), &Options::default()).unwrap();
            let socket = Socket::try_from(UdpSocket::from(socket)).unwrap();
            assert_eq!((socket.local_address(), socket.as_raw_fd()), (local, descriptor));
        }
    }
}

#[test]
fn what_is_no_free_udp_socket_is_not_adopted_and_why() {
    let refused = |socket: OwnedFd| format!("{:#}", Socket::adopt(socket, &Options::default()).unwrap_err());
    for ip in families() {
        let tcp = TcpListener::bind((ip, 0)).unwrap();
        assert_eq!(refused(tcp.into()), "cannot adopt a descriptor: it is no UDP socket");
        let unbound = theirs(Domain::for_address((ip, 0).into()), Type::DGRAM, Protocol::UDP);
        let any = SocketAddr::from((any_address(ip), 0));
        assert_eq!(refused(unbound.into()), format!("cannot adopt {any}: it is not bound to a port"));
        let connected = UdpSocket::bind((ip, 0)).unwrap();
        connected.connect(connected.local_addr().unwrap()).unwrap();
        let local = connected.local_addr().unwrap();
        let expected = format!("cannot adopt {local}: it is connected to {local}, and would hear nobody else");
        assert_eq!(refused(connected.into()), expected);
        let shut = socket2::Socket::from(UdpSocket::bind((ip, 0)).unwrap());
        let local = shut.local_addr().unwrap().as_socket().unwrap();
        // Linux says that it is not connected, and shuts it down.
        assert_eq!(shut.shutdown(std::net::Shutdown::Both).unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(refused(shut.into()), format!("cannot adopt {local}: it was shut down"));
    }
    let (unix, _) = UnixDatagram::pair().unwrap();
    assert_eq!(refused(unix.into()), "cannot adopt a descriptor: it is no UDP socket");
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(refused(file.into()), "cannot adopt a descriptor: socket operation on non-socket");
    // Datagrams of another protocol: whoever may ask for an echo (ping).
    match socket2::Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)) {
        Ok(ping) => {
            ping.bind(&SocketAddr::from(([127, 0, 0, 1], 77)).into()).unwrap();
            assert_eq!(refused(ping.into()), "cannot adopt a descriptor: it is no UDP socket");
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::PermissionDenied),
    }
}

#[test]
fn a_socket_that_is_shut_down_elsewhere_ends_the_wait() {
    for portable in BACKENDS {
        let theirs = UdpSocket::bind((V4, 0)).unwrap();
        let other = socket2::Socket::from(theirs.try_clone().unwrap());
        let socket = Socket::adopt(theirs, &Options::default().portable(portable)).unwrap();
        let mut batch = ReceiveBatch::default();
        assert_eq!(socket.try_receive(&mut batch).unwrap_err().kind(), ErrorKind::WouldBlock);
        other.shutdown(std::net::Shutdown::Both).unwrap_err();
        let error = socket.receive(&mut batch, Wait::Forever).unwrap_err();
        let expected = format!("cannot receive on {}: the socket was shut down", socket.local_address());
        assert_eq!(format!("{error:#}"), expected);
        assert_eq!(socket.try_receive(&mut batch).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    }
}

#[test]
fn refusals_that_whoever_adopts_a_socket_did_not_ask_for_end_no_wait() {
    for portable in BACKENDS {
        let theirs = UdpSocket::from(bind(V4, &Options::default().errors(true)));
        let closed = bind(V4, &Options::default()).local_address();
        let other = Socket::adopt(theirs.try_clone().unwrap(), &Options::default().errors(true)).unwrap();
        let socket = Socket::adopt(theirs, &Options::default().portable(portable)).unwrap();
        other.send_to(b"x", closed).unwrap();
        // Once it waits for longer, they are gone.
        assert_eq!(socket.receive(&mut ReceiveBatch::default(), Wait::For(Duration::from_millis(20))).unwrap(), 0);
        other.errors(|refused| panic!("{refused:?} still waits"));
    }
}

#[test]
fn a_run_does_not_spin_on_a_socket_that_is_shut_down_elsewhere() {
    let theirs = UdpSocket::bind((V4, 0)).unwrap();
    let other = socket2::Socket::from(theirs.try_clone().unwrap());
    let socket = Socket::adopt(theirs, &Conduct::default().socket_options()).unwrap();
    let mut engine = Serve::new(ServeOptions::new(Answer::Echo, vec![socket.local_address()]));
    other.shutdown(std::net::Shutdown::Both).unwrap_err();
    let mut said = String::new();
    let mut sink = |event: Event<'_>| {
        said = format!("{event:?}");
        ControlFlow::Break(())
    };
    let (_remote, control) = Remote::pair().unwrap();
    let (_, end) = drive([socket], &mut engine, Drive::new(control), &mut sink).unwrap();
    assert_eq!(end, End::SinkClosed);
    assert!(said.contains("the socket was shut down"), "{said}");
}

/// A socket of both families, and the addresses of a peer on each.
fn dual(options: &Options) -> Option<(Socket, [Socket; 2])> {
    let [v4, v6] = families()[..] else { return None };
    let socket = bind(any_address(v6), &options.clone().dual_stack(true));
    Some((socket, [v4, v6].map(|ip| bind(ip, &told_all().broadcast(true)))))
}

#[test]
fn a_socket_of_both_families_hears_each_as_a_socket_of_that_family_does() {
    for portable in BACKENDS {
        let Some((socket, peers)) = dual(&told_all().portable(portable)) else { return };
        let port = socket.local_address().port();
        for peer in &peers {
            let ip = peer.local_address().ip();
            let alone = bind(any_address(ip), &told_all().portable(portable));
            for asked in [Some(ip), ip.is_ipv4().then_some([127, 9, 8, 7].into())].into_iter().flatten() {
                let transmit = |port| Transmit::to(SocketAddr::new(asked, port)).hop_limit(7);
                send_run(peer, &transmit(port), &[b"hello".to_vec()]);
                send_run(peer, &transmit(alone.local_address().port()), &[b"hello".to_vec()]);
                let (heard, expected) = (receive_one(&socket).meta, receive_one(&alone).meta);
                // Few systems tell of one family at a socket of the other.
                let expected = if portable { Meta::new(expected.source) } else { expected.received(heard.received) };
                assert_eq!(heard, expected, "{asked}");
                assert_eq!(heard.received.is_some(), !portable);
                send_run(&socket, &heard.reply().hop_limit(9), &[b"one".to_vec(), b"two".to_vec()]);
                for back in receive(peer, 2) {
                    let from = if portable { ip } else { asked };
                    assert_eq!(back.meta.source, SocketAddr::new(from, port));
                    assert_eq!(back.meta.hop_limit, Some(if portable { 64 } else { 9 }));
                }
            }
        }
    }
}

#[test]
fn a_socket_of_both_families_answers_broadcasts_and_joins_groups_of_ipv4() {
    let Some((socket, [peer, _])) = dual(&told_all()) else { return };
    let port = socket.local_address().port();
    let broadcast = SocketAddr::from(([127, 255, 255, 255], port));
    peer.send_to(b"who?", broadcast).unwrap();
    let meta = receive_one(&socket).meta;
    assert_eq!((meta.delivery, meta.local), (Delivery::Broadcast, Some(V4)));
    send_run(&socket, &meta.reply(), &[b"I".to_vec()]);
    assert_eq!(receive_one(&peer).meta.source, SocketAddr::new(V4, port));
    let group = IpAddr::from([239, 1, 2, 3]);
    socket.join(group, &loopback(), None).unwrap();
    let transmit = Transmit::to(SocketAddr::new(group, port)).interface(loopback().index);
    send_run(&peer, &transmit, &[b"all".to_vec()]);
    let meta = receive_one(&socket).meta;
    assert_eq!((meta.delivery, meta.destination), (Delivery::Multicast, Some(group)));
}

#[test]
fn a_socket_of_both_families_is_told_what_was_refused() {
    let Some((socket, peers)) = dual(&told_all()) else { return };
    for peer in &peers {
        let ip = peer.local_address().ip();
        let closed = UdpSocket::bind((ip, 0)).unwrap();
        closed.connect(closed.local_addr().unwrap()).unwrap();
        let closed_address = closed.local_addr().unwrap();
        socket.send_to(b"anyone?", closed_address).unwrap();
        let report = reports(&socket, 1).remove(0);
        assert_eq!((report.destination, report.reporter, report.cause), (closed_address, Some(ip), Cause::Port));
    }
}

#[test]
fn a_socket_of_both_families_sends_with_what_was_asked_for_in_each() {
    for portable in BACKENDS {
        let options = Options::default().portable(portable).hop_limit(33).traffic_class(0xb8);
        let Some((socket, peers)) = dual(&options) else { return };
        for peer in &peers {
            socket.send_to(b"marked", peer.local_address()).unwrap();
            let meta = receive_one(peer).meta;
            assert_eq!((meta.hop_limit, meta.traffic_class), (Some(33), Some(0xb8)), "{}", meta.source);
        }
    }
}

#[test]
fn what_was_made_for_both_families_stays_so_and_so_do_its_siblings() {
    let [v4, v6] = families()[..] else { return };
    // As the standard library and service managers make it.
    let theirs = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    let mut socket = Socket::adopt(theirs, &Options::default()).unwrap();
    let sibling = socket.sibling().unwrap();
    drop(socket);
    for ip in [v4, v6] {
        let peer = bind(ip, &Options::default());
        peer.send_to(b"hello", SocketAddr::new(ip, sibling.local_address().port())).unwrap();
        assert_eq!(receive_one(&sibling).meta.source, peer.local_address());
    }
    // One of an IPv4 address alone is a socket of IPv4.
    let mapped = theirs_mapped();
    let local = mapped.local_addr().unwrap().port();
    let mapped = Socket::adopt(mapped, &Options::default()).unwrap();
    assert_eq!(mapped.local_address(), SocketAddr::new(v4, local));
    let peer = bind(v4, &Options::default());
    mapped.send_to(b"hello", peer.local_address()).unwrap();
    assert_eq!(receive_one(&peer).meta.source, mapped.local_address());
}

/// A socket of IPv6 at an IPv4-mapped address.
fn theirs_mapped() -> UdpSocket {
    let socket = theirs(Domain::IPV6, Type::DGRAM, Protocol::UDP);
    socket.set_only_v6(false).expect("it is not bound yet");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0)).into()).expect("it is ours");
    socket.into()
}

/// What comes to a group on eth0, our own copies, up to a datagram to the socket alone.
fn heard(socket: &Socket, group: IpAddr) -> Vec<Vec<u8>> {
    let sender = bind(any_address(group), &Options::default());
    let port = socket.local_address().port();
    let transmit = Transmit::to(SocketAddr::new(group, port)).interface(interface("eth0").index);
    send_run(&sender, &transmit, &[b"to all".to_vec()]);
    let own = if group.is_ipv4() { V4 } else { common::V6 };
    sender.send_to(b"to one", SocketAddr::new(own, port)).expect("loopback takes it");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != b"to one") {
        heard.push(receive_one(socket).payload);
    }
    heard
}

#[test]
fn a_group_that_was_left_is_not_heard_and_cannot_be_left_again() {
    const TEST: &str = "a_group_that_was_left_is_not_heard_and_cannot_be_left_again";
    if !netns::enter(TEST, netns::TWO_HOSTS) {
        return;
    }
    let eth0 = interface("eth0");
    for portable in BACKENDS {
        for ip in families() {
            let group: IpAddr = if ip.is_ipv4() { [239, 1, 2, 3].into() } else { "ff02::1234".parse().unwrap() };
            let socket = bind(any_address(ip), &Options::default().portable(portable));
            socket.join(group, &eth0, None).unwrap();
            assert_eq!(heard(&socket, group), [&b"to all"[..], b"to one"], "{group}, portable: {portable}");
            socket.leave(group, &eth0, None).unwrap();
            assert_eq!(heard(&socket, group), [b"to one"], "{group}, portable: {portable}");
            let again = socket.leave(group, &eth0, None).unwrap_err();
            assert_eq!(format!("{again:#}"), format!("cannot leave {group} on eth0: not joined there"));
        }
    }
}

#[test]
fn a_source_is_left_alone_and_a_group_with_all_its_sources() {
    const TEST: &str = "a_source_is_left_alone_and_a_group_with_all_its_sources";
    if !netns::enter(TEST, netns::TWO_HOSTS) {
        return;
    }
    let eth0 = interface("eth0");
    for ip in families() {
        let (group, other): (IpAddr, IpAddr) = if ip.is_ipv4() {
            ([232, 1, 2, 3].into(), [127, 0, 0, 2].into())
        } else {
            ("ff3e::1234".parse().unwrap(), "fd00::2".parse().unwrap())
        };
        let socket = bind(any_address(ip), &Options::default());
        for source in [ip, other] {
            socket.join(group, &eth0, Some(source)).unwrap();
        }
        socket.leave(group, &eth0, Some(other)).unwrap();
        // The kernel's words for a source that a member has not.
        let again = socket.leave(group, &eth0, Some(other)).unwrap_err();
        assert_eq!(format!("{again:#}"), format!("cannot leave {group} of {other} on eth0: not joined there"));
        socket.leave(group, &eth0, None).unwrap();
        assert!(socket.leave(group, &eth0, Some(ip)).is_err());
        let portable = bind(any_address(ip), &Options::default().portable(true));
        let unsupported = portable.leave(group, &eth0, Some(ip)).unwrap_err();
        assert_eq!(unsupported.kind(), udpkit::ErrorKind::Unsupported);
    }
}

#[test]
fn a_socket_of_a_device_hears_that_device_alone() {
    const TEST: &str = "a_socket_of_a_device_hears_that_device_alone";
    let Some(socket) = netns::enter(TEST, netns::TWO_HOSTS).then(|| bind(any_address(V4), &on("eth0"))) else {
        return;
    };
    let port = socket.local_address().port();
    let sender = bind(any_address(V4), &Options::default());
    sender.send_to(b"not heard", SocketAddr::new(V4, port)).unwrap();
    let lo = bind_to(SocketAddr::new(V4, 0), &on("lo"));
    sender.send_to(b"heard", lo.local_address()).unwrap();
    assert_eq!(receive_one(&lo).payload, b"heard");
    let status =
        netns::on("h2", "bash").args(["-c", &format!("printf 'from h2' > /dev/udp/10.1.0.1/{port}")]).status().unwrap();
    assert!(status.success());
    assert_eq!(receive_one(&socket).payload, b"from h2");
    // No route leads to all hosts here, and none is needed.
    let all_hosts = SocketAddr::from((Ipv4Addr::BROADCAST, 9));
    let [routed, bound] =
        [Options::default(), on("eth0")].map(|options| bind(any_address(V4), &options.broadcast(true)));
    assert_eq!(routed.send_to(b"lost", all_hosts).unwrap_err().kind(), udpkit::ErrorKind::NetworkUnreachable);
    bound.send_to(b"sent", all_hosts).unwrap();
}

/// Bound to a device.
fn on(device: &str) -> Options {
    Options::default().device(device.to_owned())
}

#[test]
fn a_device_that_cannot_be_bound_to_is_named() {
    let any = SocketAddr::new(any_address(V4), 0);
    for name in ["nothing", "", "lo\0", "a-name-longer-than-any"] {
        let error = Socket::bind(any, &on(name)).unwrap_err();
        assert_eq!(format!("{error:#}"), format!("cannot bind 0.0.0.0:0 to {name}: no such device"));
    }
    let error = Socket::bind(any, &on("lo").portable(true)).unwrap_err();
    assert_eq!(format!("{error:#}"), "cannot bind 0.0.0.0:0 to lo: this system binds no socket to an interface");
}
