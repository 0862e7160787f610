//! `Relay` on sockets: what it passes on, whom it answers from where, and how it fares with targets, floods and losses of
//! sockets. Each test has a network of its own.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::{V4, V6, bind, bind_to, is_over, patience, receive, receive_one, send_run, told_all};
use udpkit::event::Leaving;
use udpkit::verbs::{RelayFigures, RelayInput, RelayOptions};
use udpkit::{Answer, Event, Memberships, Reason, Relay, RelayOutcome, Report, Server, Socket, Transmit, TruthRecord};

/// Free in a namespace of one's own.
const PORT: u16 = 10_000;
/// Addresses besides those of loopback.
const ADDRESSES: &str = "
ip address add 10.1.0.1/32 dev lo
ip address add fd01::1/128 dev lo nodad
";

fn enter(test: &str) -> bool {
    netns::enter(test, ADDRESSES)
}

/// A relay that listens here.
fn launch(listen: SocketAddr, options: RelayOptions) -> Relay {
    let socket = Socket::bind(listen, &options.socket_options()).expect("the address is ours and free");
    let silent = |_: Event<'_>| ControlFlow::Continue(());
    Relay::launch([socket], options, Memberships::default(), silent).expect("it can relay")
}

fn echo(at: SocketAddr) -> Server {
    Server::start(at, Answer::Echo).expect("the address is ours and free")
}

#[expect(clippy::disallowed_methods, reason = "it is a peer like any other")]
fn peer(ip: IpAddr) -> UdpSocket {
    let peer = UdpSocket::bind((ip, 0)).expect("loopback has ports");
    peer.set_read_timeout(Some(Duration::from_secs(20))).expect("it is not zero");
    peer
}

/// Sends something to a relay whose target sends it back, and returns where that came from.
fn ask(peer: &UdpSocket, relay: SocketAddr, payload: &[u8]) -> SocketAddr {
    peer.send_to(payload, relay).expect("loopback takes it");
    let mut buffer = [0; 1000];
    let (len, source) = peer.recv_from(&mut buffer).expect("it comes back");
    assert_eq!(&buffer[..len], payload);
    source
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it is a peer like any other")]
fn a_client_of_the_other_family_may_have_a_port_that_a_socket_of_ours_has() {
    let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    let target = peer(v4);
    let options = RelayOptions::new(target.local_addr().expect("it is bound"));
    let sockets =
        [v4, v6].map(|ip| Socket::bind((ip, 0).into(), &options.socket_options()).expect("loopback has ports"));
    let silent = |_: Event<'_>| ControlFlow::Continue(());
    let relay = Relay::launch(sockets, options, Memberships::default(), silent).expect("it can relay");
    let mut buffer = [0; 10];
    peer(v4).send_to(b"first", relay.addresses()[0]).expect("loopback takes it");
    let (_, ours) = target.recv_from(&mut buffer).expect("it is relayed");
    let client = UdpSocket::bind((v6, ours.port())).expect("nobody has that port of this family");
    client.send_to(b"second", relay.addresses()[1]).expect("loopback takes it");
    let (len, _) = target.recv_from(&mut buffer).expect("it is relayed");
    assert_eq!(&buffer[..len], b"second");
}

#[test]
fn a_datagram_that_could_not_be_sent_is_no_longer_said_to_be_forwarded() {
    let target = peer(Ipv4Addr::LOCALHOST.into());
    // The header leaves too little room for the longest; a further target gets a copy of each.
    let address = target.local_addr().expect("it is bound");
    let options = RelayOptions::new(address).proxy_protocol(true).copies_to([address]).report_fates(true);
    let relay = launch((Ipv4Addr::LOCALHOST, 0).into(), options);
    let peer = peer(Ipv4Addr::LOCALHOST.into());
    for (before, len) in (0..).zip([1, 65_507, 2]) {
        peer.send_to(&vec![7; len], relay.address()).expect("loopback takes it");
        wait_for(&relay, |report| report.own.up.received.datagrams > before);
    }
    let _ = relay.stop();
    let leaving = |record: &TruthRecord| match record.outcome {
        RelayOutcome::Left { leaving, .. } => (record.payload_len, leaving),
        _ => panic!("nothing is lost"),
    };
    let truth: Vec<_> = relay.truth().iter().map(leaving).collect();
    assert_eq!(truth, [(1, Leaving::Forwarded), (65_507, Leaving::SendFailed), (2, Leaving::Forwarded)]);
}

/// The report, once this holds of it.
fn wait_for(relay: &Relay, holds: impl Fn(&Report<RelayFigures>) -> bool) -> Report<RelayFigures> {
    let deadline = patience();
    loop {
        let report = relay.report();
        assert!(report.is_balanced() && report.own.up.is_balanced() && report.own.down.is_balanced(), "{report:?}");
        if holds(&report) {
            return report;
        }
        assert!(!is_over(deadline), "{report:?}");
    }
}

#[test]
fn marks_and_hop_limits_are_passed_on_or_set_in_both_directions() {
    if !enter("marks_and_hop_limits_are_passed_on_or_set_in_both_directions") {
        return;
    }
    for ip in [V4, V6] {
        let (target, peer) = (bind(ip, &told_all()), bind(ip, &told_all()));
        let options = RelayOptions::new(target.local_address());
        let set = options.clone().hop_limit(10).dscp(46);
        for (options, most, dscp) in [(options, u8::MAX, None), (set, 10, Some(46u8))] {
            let relay = launch(SocketAddr::new(ip, 0), options);
            let meet = |from: &Socket, to: SocketAddr, at: &Socket, hops: u8, class: u8| {
                send_run(from, &Transmit::to(to).hop_limit(hops).traffic_class(class), &[vec![hops]]);
                let received = receive_one(at);
                let expected = dscp.map_or(class, |dscp| dscp << 2 | class & 0b11);
                let seen = (received.meta.hop_limit, received.meta.traffic_class);
                assert_eq!(seen, (Some((hops - 1).min(most)), Some(expected)), "{ip}, {hops} hops");
                received.meta.source
            };
            for (hops, class) in [(64, 0), (2, 0b01), (255, 0b1011_1010), (64, 0b11), (63, 0b1011_1000)] {
                let upstream = meet(&peer, relay.address(), &target, hops, class);
                assert_eq!(meet(&target, upstream, &peer, hops, class), relay.address());
                send_run(&peer, &Transmit::to(relay.address()).hop_limit(1), &[vec![0]]);
            }
            let report = wait_for(&relay, |report| report.received.datagrams == 15);
            assert_eq!(report.ignored.of(Reason::HopsSpent), 5);
        }
    }
}

#[test]
fn replies_leave_from_the_address_that_was_asked() {
    if !enter("replies_leave_from_the_address_that_was_asked") {
        return;
    }
    for (ip, other, any) in [(V4, "10.1.0.1", "0.0.0.0"), (V6, "fd01::1", "::")] {
        let server = echo(SocketAddr::new(ip, 0));
        let any: IpAddr = any.parse().expect("an address");
        let relay = launch(SocketAddr::new(any, 0), RelayOptions::new(server.addresses()[0]));
        let peer = peer(any);
        for asked in [ip, other.parse().expect("an address"), ip] {
            let asked = SocketAddr::new(asked, relay.address().port());
            assert_eq!(ask(&peer, asked, b"hello"), asked);
        }
    }
}

#[test]
fn two_hundred_labelled_answers_come_to_the_fifty_peers_that_they_are_for() {
    if !enter("two_hundred_labelled_answers_come_to_the_fifty_peers_that_they_are_for") {
        return;
    }
    let server = echo(SocketAddr::new(V4, 0));
    let relay = launch(SocketAddr::new(V4, 0), RelayOptions::new(server.addresses()[0]));
    let peers: Vec<_> = (0..50).map(|_| peer(V4)).collect();
    for number in 0..4u8 {
        for (place, peer) in (0u8..).zip(&peers) {
            peer.send_to(&[place, number], relay.address()).expect("loopback takes it");
        }
    }
    for (place, peer) in (0u8..).zip(&peers) {
        for number in 0..4u8 {
            let mut buffer = [0; 10];
            let (len, source) = peer.recv_from(&mut buffer).expect("it comes");
            assert_eq!((&buffer[..len], source), (&[place, number][..], relay.address()));
        }
    }
    let own = relay.stop().own;
    assert_eq!((own.peers_ever, own.up.forwarded.datagrams, own.down.forwarded.datagrams), (50, 200, 200));
}

#[test]
fn what_others_than_the_target_send_is_ignored_and_counted() {
    if !enter("what_others_than_the_target_send_is_ignored_and_counted") {
        return;
    }
    let target = bind_to(SocketAddr::new(V4, PORT), &told_all());
    let relay = launch(SocketAddr::new(V4, 0), RelayOptions::new(target.local_address()));
    let peer = peer(V4);
    peer.send_to(b"hello", relay.address()).expect("loopback takes it");
    let upstream = receive_one(&target).meta.source;
    // Another port of its host, and its port of another address.
    for stranger in [SocketAddr::new(V4, 0), "10.1.0.1:10000".parse().expect("an address")] {
        send_run(&bind_to(stranger, &told_all()), &Transmit::to(upstream), &[b"foreign".to_vec()]);
    }
    send_run(&target, &Transmit::to(upstream), &[b"right".to_vec()]);
    let mut buffer = [0; 100];
    let len = peer.recv(&mut buffer).expect("it comes");
    assert_eq!(&buffer[..len], b"right");
    let report = relay.stop();
    assert_eq!((report.ignored.of(Reason::OtherSource), report.own.down.forwarded.datagrams), (2, 1));
}

#[test]
fn a_target_refuses_comes_back_and_moves() {
    if !enter("a_target_refuses_comes_back_and_moves") {
        return;
    }
    let [first, second] = ["127.0.0.1:10000", "10.1.0.1:10001"].map(|at| at.parse().expect("an address"));
    let relay = launch(SocketAddr::new(V4, 0), RelayOptions::new(first));
    let peer = peer(V4);
    for turn in 1..=3u64 {
        peer.send_to(b"is anybody there?", relay.address()).expect("loopback takes it");
        let report = wait_for(&relay, |report| report.own.up.refused == turn);
        assert_eq!(report.unreachable, turn);
        let server = echo(first);
        assert_eq!(ask(&peer, relay.address(), b"you are back"), relay.address());
        let _ = server.stop();
    }
    let server = echo(second);
    assert!(relay.remote().input(RelayInput::Target(second)));
    let _ = relay.report();
    ask(&peer, relay.address(), b"you have moved");
    let own = relay.stop().own;
    assert_eq!((own.peers_ever, own.up.forwarded.datagrams, own.down.forwarded.datagrams), (1, 7, 4));
    drop(server);
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("it can be read").count()
}

#[test]
fn a_flood_of_sources_fills_a_table_and_no_more_and_a_peer_is_served_meanwhile() {
    if !enter("a_flood_of_sources_fills_a_table_and_no_more_and_a_peer_is_served_meanwhile") {
        return;
    }
    const PEERS: usize = 256;
    let server = echo(SocketAddr::new(V4, 0));
    let honest = peer(V4);
    // What it answers with is open when it has answered.
    ask(&honest, server.addresses()[0], b"ready?");
    let before = descriptors();
    let options = RelayOptions::new(server.addresses()[0]).most_peers(PEERS);
    let relay = launch(SocketAddr::new(V4, 0), options);
    let mut most = 0;
    for turn in 0..400u16 {
        // So few that the receive buffer holds them, that room is made for each at once, and that the honest one is never
        // the oldest.
        for place in 0..50u8 {
            let [high, low] = turn.to_be_bytes();
            let source = IpAddr::from([127, 1 + high, low, place]);
            peer(source).send_to(b"flood", relay.address()).expect("loopback takes it");
        }
        ask(&honest, relay.address(), &turn.to_be_bytes());
        most = most.max(descriptors());
    }
    let report = relay.report();
    let own = &report.own;
    // Each socket of the flood is closed once it has sent, and its port may be one of the relay's before that is looked at.
    let ours = report.ignored.of(Reason::OwnSocket);
    assert_eq!((own.up.received.datagrams + ours, own.peers_ever + ours), (20_400, 20_001), "{report:?}");
    assert_eq!((own.peers_now, report.kernel_drops), (PEERS as u64, Some(0)));
    assert_eq!(own.peers_ever - own.peers_evicted, PEERS as u64);
    // Those that were evicted last are closed in the next turn.
    assert!(most <= before + PEERS + 64 + 16, "{most} descriptors");
    let _ = relay.stop();
    drop(relay);
    assert_eq!(descriptors(), before);
}

#[test]
fn where_descriptors_are_used_up_that_is_counted_and_the_next_peer_is_served() {
    const NAME: &str = "where_descriptors_are_used_up_that_is_counted_and_the_next_peer_is_served";
    if std::env::var_os("FEW_DESCRIPTORS").is_none() {
        let this = std::env::current_exe().expect("a running program has a path");
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""]).arg(this).args(["--exact", NAME, "--nocapture"]);
        assert!(limited.env("FEW_DESCRIPTORS", "1").status().expect("there is a shell").success());
        return;
    }
    let server = echo(SocketAddr::new(V4, 0));
    let relay = launch(SocketAddr::new(V4, 0), RelayOptions::new(server.addresses()[0]));
    let mut refused = 0;
    for turn in 0..100u64 {
        let peer = peer(V4);
        loop {
            peer.send_to(&turn.to_be_bytes(), relay.address()).expect("loopback takes it");
            let sent = turn + refused + 1;
            let ended = |report: &Report<RelayFigures>| report.own.up.received.datagrams + report.ignored.total();
            let report = wait_for(&relay, |report| ended(report) == sent);
            if report.ignored.of(Reason::TooManyPeers) == refused {
                break;
            }
            // One was forgotten for it: the next try finds room.
            refused += 1;
            assert_eq!(report.ignored.of(Reason::TooManyPeers), refused);
            assert!(refused <= turn, "{report:?}");
        }
        let mut buffer = [0; 10];
        assert_eq!(peer.recv(&mut buffer).expect("it comes back"), 8);
        assert_eq!(buffer[..8], turn.to_be_bytes());
    }
    let own = relay.stop().own;
    assert!(refused > 0 && own.peers_evicted == refused && own.peers_now < 40, "{refused}, {own:?}");
}

#[test]
fn a_peer_whose_socket_is_destroyed_is_forgotten_and_no_other() {
    if !netns::require("ss") || !enter("a_peer_whose_socket_is_destroyed_is_forgotten_and_no_other") {
        return;
    }
    let target = bind_to(SocketAddr::new(V4, PORT), &told_all());
    let relay = launch(SocketAddr::new(V4, 0), RelayOptions::new(target.local_address()));
    let peers: Vec<_> = (0..3).map(|_| peer(V4)).collect();
    let say = |peer: &UdpSocket| {
        peer.send_to(b"x", relay.address()).expect("loopback takes it");
        receive_one(&target).meta.source
    };
    let before: Vec<_> = peers.iter().map(say).collect();
    let filter = format!("sport = :{}", before[1].port());
    let ss = Command::new("ss").args(["-K", "-H", "-n", "-u", "-a", &filter]).output().expect("ss runs");
    if ss.stdout.trim_ascii().is_empty() {
        return netns::skip("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)");
    }
    let report = wait_for(&relay, |report| report.own.peers_lost == 1);
    assert_eq!(report.own.peers_now, 2);
    let after: Vec<_> = peers.iter().map(say).collect();
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert_eq!(relay.report().own.peers_now, 3);
    // It has its answers as before.
    send_run(&target, &Transmit::to(after[1]), &[b"for the second".to_vec()]);
    let mut buffer = [0; 100];
    assert_eq!(peers[1].recv(&mut buffer).expect("it comes"), 14);
}

#[test]
fn a_relay_that_is_its_own_target_and_two_that_are_each_others_come_to_rest() {
    if !enter("a_relay_that_is_its_own_target_and_two_that_are_each_others_come_to_rest") {
        return;
    }
    for ip in [V4, V6] {
        let [one, two] = [PORT, PORT + 1].map(|port| SocketAddr::new(ip, port));
        let own = launch(one, RelayOptions::new(one));
        peer(ip).send_to(b"x", one).expect("loopback takes it");
        let report = wait_for(&own, |report| report.received.datagrams == 2);
        assert_eq!((report.ignored.of(Reason::OwnSocket), report.own.peers_ever), (1, 1));
        drop(own);

        let relays = [launch(one, RelayOptions::new(two)), launch(two, RelayOptions::new(one))];
        peer(ip).send_to(b"x", one).expect("loopback takes it");
        let spent = |report: &Report<RelayFigures>| report.ignored.of(Reason::HopsSpent) == 1;
        // It begins with 64 hops, and each takes one: the second has the last.
        let last = wait_for(&relays[1], spent);
        let sent = relays[0].report().sent.datagrams + last.sent.datagrams;
        assert_eq!((sent, last.received.datagrams), (63, 32));
    }
}

#[test]
fn empty_and_longest_datagrams_pass() {
    if !enter("empty_and_longest_datagrams_pass") {
        return;
    }
    for (ip, longest) in [(V4, 65_507), (V6, 65_527)] {
        let target = bind(ip, &told_all());
        let options = RelayOptions::new(target.local_address()).receive_buffer(1 << 20);
        let relay = launch(SocketAddr::new(ip, 0), options);
        let peer = bind(ip, &told_all().receive_buffer(1 << 20));
        for len in [0, 1, 1472, 1473, longest] {
            let payload = common::numbered(7, len);
            send_run(&peer, &Transmit::to(relay.address()), std::slice::from_ref(&payload));
            let received = receive(&target, 1).remove(0);
            assert!(received.payload == payload, "{len} bytes to the target");
            send_run(&target, &Transmit::to(received.meta.source), std::slice::from_ref(&payload));
            assert!(receive_one(&peer).payload == payload, "{len} bytes back");
        }
    }
}

/// dnsdist, which answers each question with the address that it has of who asked.
struct NamesWhoAsks {
    child: Child,
    /// What it says has somewhere to go as long as it runs.
    _said: BufReader<ChildStdout>,
}

impl NamesWhoAsks {
    /// Listens at the port in both families; returns when it does.
    fn new() -> Self {
        let configuration = std::env::temp_dir().join(format!("udpkit-dnsdist-{}.conf", std::process::id()));
        let text = format!(
            r#"
            setLocal("127.0.0.1:{PORT}")
            addLocal("[::1]:{PORT}")
            setSecurityPollSuffix("")
            setProxyProtocolACL({{ "127.0.0.0/8", "::1/128" }})
            setACL({{ "0.0.0.0/0", "::/0" }})
            newServer("127.0.0.1:9")
            addAction(AllRule(), LuaAction(function(question)
                return DNSAction.Spoof, question.remoteaddr:toString()
            end))"#
        );
        std::fs::write(&configuration, text).expect("there is room");
        let mut command = Command::new("dnsdist");
        command.args(["--supervised", "--disable-syslog", "-C"]).arg(&configuration);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it can be run");
        let mut said = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (mut listening, mut line) = (0, String::new());
        while listening < 2 {
            line.clear();
            assert!(said.read_line(&mut line).expect("it says text") > 0, "dnsdist ended");
            listening += u32::from(line.starts_with("Listening on "));
        }
        std::fs::remove_file(configuration).expect("it is ours");
        Self { child, _said: said }
    }
}

impl Drop for NamesWhoAsks {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_program_learns_from_the_header_who_sent_a_datagram() {
    if !netns::require("dnsdist") || !enter("another_program_learns_from_the_header_who_sent_a_datagram") {
        return;
    }
    let _dnsdist = NamesWhoAsks::new();
    for (ip, from, kind) in [(V4, "10.1.0.1", 1), (V6, "fd01::1", 28)] {
        let options = RelayOptions::new(SocketAddr::new(ip, PORT)).proxy_protocol(true);
        let relay = launch(SocketAddr::new(ip, 0), options);
        let from: IpAddr = from.parse().expect("an address");
        let peer = peer(from);
        // Question 7, recursion desired, for the address of `a`.
        let question = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, kind, 0, 1];
        peer.send_to(&question, relay.address()).expect("loopback takes it");
        let mut answer = [0; 512];
        let len = peer.recv(&mut answer).expect("it is answered");
        let octets = match from {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        assert!(answer[..len].ends_with(&octets), "{:x?}", &answer[..len]);
    }
}
