//! When datagrams left, as the kernel tells it: one time for each, of the right one, beside refusals.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "the kernel's clock is compared with ours")]

mod common;
mod netns;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use common::{V4, bind, families, is_over, now, numbered, patience, receive, receive_one, told_all};
use udpkit::{Feedback, Options, ReceiveBatch, SendBatch, SendTime, Socket, Transmit, Unreachable, Wait, any_address};

/// Reads so many reports of both kinds; fails where they do not come, or more of either.
fn feedback(socket: &Socket, times: usize, refusals: usize) -> (Vec<SendTime>, Vec<Unreachable>) {
    let deadline = patience();
    let (mut sent, mut refused) = (Vec::new(), Vec::new());
    while sent.len() < times || refused.len() < refusals {
        assert!(!is_over(deadline), "{} of {times} times, {} of {refusals} refusals", sent.len(), refused.len());
        read(socket, &mut sent, &mut refused);
        std::thread::yield_now();
    }
    assert_eq!((sent.len(), refused.len()), (times, refusals), "{sent:?} {refused:?}");
    (sent, refused)
}

/// What there is to read now.
fn read(socket: &Socket, sent: &mut Vec<SendTime>, refused: &mut Vec<Unreachable>) {
    socket.feedback(|feedback| match feedback {
        Feedback::Sent(time) => sent.push(time),
        Feedback::Refused(unreachable) => refused.push(unreachable),
        other => panic!("{other:?}"),
    });
}

fn places(times: &[SendTime]) -> Vec<(u64, usize)> {
    times.iter().map(|time| (time.place, time.count)).collect()
}

/// Sends 20,000 datagrams to an address, all alike, and holds their times against the wall clock before and after each batch.
fn twenty_thousand(from: IpAddr, to: SocketAddr) {
    const BATCH: usize = 40;
    let sender = bind(from, &Options::default().send_timestamps(true).singly(true));
    assert!(sender.capabilities().send_timestamps);
    let mut batch = SendBatch::default();
    for round in 0..500u64 {
        for _ in 0..BATCH {
            assert!(batch.push(&Transmit::to(to), b"all alike"));
        }
        let before = SystemTime::now();
        assert!(sender.send(&mut batch).is_empty(), "{:?}", batch.failures());
        let (times, _) = feedback(&sender, BATCH, 0);
        let after = SystemTime::now();
        assert!(times.iter().all(|time| before <= time.at && time.at <= after), "{before:?} {times:?} {after:?}");
        let expected: Vec<_> = (round * BATCH as u64..).take(BATCH).map(|place| (place, 1)).collect();
        assert_eq!(places(&times), expected, "round {round}");
    }
    sender.feedback(|feedback| panic!("{feedback:?}"));
}

/// A cable whose other end takes everything and answers nothing.
const CABLE: &str = "
    ip link add near type veth peer name far
    ip address add 10.7.0.1/24 dev near
    ip address add fd07::1/64 dev near nodad
    ip link set near up
    ip link set far up
    ip neighbour add 10.7.0.2 lladdr 02:00:00:00:00:02 dev near
    ip neighbour add fd07::2 lladdr 02:00:00:00:00:02 dev near
    usable - near";

fn far_ends() -> [SocketAddr; 2] {
    ["10.7.0.2:9", "[fd07::2]:9"].map(|address| address.parse().expect("an address"))
}

#[test]
fn each_of_twenty_thousand_datagrams_has_its_time_on_loopback() {
    for ip in families() {
        twenty_thousand(ip, bind(ip, &Options::default()).local_address());
    }
}

#[test]
fn each_of_twenty_thousand_datagrams_has_its_time_on_a_cable() {
    const TEST: &str = "each_of_twenty_thousand_datagrams_has_its_time_on_a_cable";
    if !netns::enter(TEST, CABLE) {
        return;
    }
    for there in far_ends() {
        twenty_thousand(any_address(there.ip()), there);
    }
}

/// Sends singles and trains by turns; returns places and counts of their times.
fn trains(sender: &Socket, to: SocketAddr) -> Vec<(u64, usize)> {
    let mut batch = SendBatch::default();
    for (count, len) in [(1, 10), (16, 100), (1, 200), (64, 300), (2, 900)] {
        for _ in 0..count {
            assert!(batch.push(&Transmit::to(to), &vec![7; len]));
        }
    }
    assert!(sender.send(&mut batch).is_empty(), "{:?}", batch.failures());
    let messages = if sender.capabilities().segmentation { 5 } else { 84 };
    places(&feedback(sender, messages, 0).0)
}

#[test]
fn a_train_has_one_time_for_all_of_its_datagrams() {
    const TEST: &str = "a_train_has_one_time_for_all_of_its_datagrams";
    const TRAINS: [(u64, usize); 5] = [(0, 1), (1, 16), (17, 1), (18, 64), (82, 2)];
    if !netns::enter(TEST, CABLE) {
        return;
    }
    // On loopback, on a device that takes trains, and on one for which the kernel cuts them up.
    for cut in [false, true] {
        if cut && netns::require("ethtool") {
            let mut ethtool = std::process::Command::new("ethtool");
            let done = ethtool.args(["-K", "near", "tx-udp-segmentation", "off"]).status().expect("it can be run");
            assert!(done.success());
        }
        let loopback = families().into_iter().map(|ip| bind(ip, &Options::default()).local_address());
        for to in loopback.chain(far_ends()) {
            let sender = bind(any_address(to.ip()), &Options::default().send_timestamps(true));
            if sender.capabilities().segmentation {
                assert_eq!(trains(&sender, to), TRAINS, "{to}");
            }
            let singly = bind(any_address(to.ip()), &Options::default().send_timestamps(true).singly(true));
            assert_eq!(trains(&singly, to), (0..84).map(|place| (place, 1)).collect::<Vec<_>>(), "{to}");
        }
    }
}

#[test]
fn times_and_refusals_are_told_apart() {
    for ip in families() {
        let open = bind(ip, &Options::default());
        // Nobody listens there: it hears only itself.
        let closed = std::net::UdpSocket::bind((ip, 0)).expect("there is a free port");
        closed.connect(closed.local_addr().unwrap()).expect("loopback is reachable");
        let closed = closed.local_addr().unwrap();
        let sender = bind(ip, &told_all().send_timestamps(true).singly(true));
        let mut batch = SendBatch::default();
        for round in 0..100u64 {
            for place in round * 20..round * 20 + 20 {
                let to = if place % 2 == 0 { open.local_address() } else { closed };
                assert!(batch.push(&Transmit::to(to), &numbered(place, 50)));
            }
            assert!(sender.send(&mut batch).is_empty(), "{:?}", batch.failures());
            let (times, refused) = feedback(&sender, 20, 10);
            assert_eq!(places(&times), (round * 20..round * 20 + 20).map(|place| (place, 1)).collect::<Vec<_>>());
            for (refused, place) in refused.iter().zip((round * 20 + 1..).step_by(2)) {
                assert_eq!((refused.destination, &refused.payload), (closed, &numbered(place, 50)));
            }
            receive(&open, 10);
        }
        // Receiving with the kernel's times goes on beside it.
        open.send_to(b"back", sender.local_address()).expect("loopback takes it");
        let meta = receive_one(&sender).meta;
        assert!(meta.received.is_some() && !meta.meta_truncated);
    }
}

#[test]
fn datagrams_that_could_not_be_sent_have_no_time_and_keep_their_place() {
    const TEST: &str = "datagrams_that_could_not_be_sent_have_no_time_and_keep_their_place";
    const SCRIPT: &str = "
        ip link set lo mtu 1500
        ip route add unreachable 10.9.1.0/24
        ip -6 route add unreachable fd09:1::/64";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    for (ip, nowhere) in families().into_iter().zip(["10.9.1.1:9", "[fd09:1::1]:9"]) {
        let nowhere: SocketAddr = nowhere.parse().expect("an address");
        let receiver = bind(ip, &Options::default());
        let sender = bind(any_address(ip), &Options::default().errors(true).send_timestamps(true));
        let fits = 1500 - udpkit::header_len(ip);
        for round in 0..50u64 {
            let mut batch = SendBatch::default();
            // Trains over the MTU go singly, in fragments; what has no route fails, between trains that do not.
            for (to, count, len) in [
                (receiver.local_address(), 2, fits),
                (nowhere, 3, 10),
                (receiver.local_address(), 2, fits + 1),
                (nowhere, 1, 10),
                (receiver.local_address(), 1, 10),
            ] {
                for _ in 0..count {
                    assert!(batch.push(&Transmit::to(to), &vec![1; len]));
                }
            }
            let failed: Vec<_> = sender.send(&mut batch).iter().map(|failure| (failure.place, failure.count)).collect();
            let failed: usize = failed.iter().map(|(_, count)| count).sum();
            assert_eq!(failed, 4);
            let first = round * 9;
            let expected = [(first, 2), (first + 5, 1), (first + 6, 1), (first + 8, 1)];
            assert_eq!(places(&feedback(&sender, 4, 0).0), expected, "round {round}");
            receive(&receiver, 5);
        }
    }
}

#[test]
fn several_batches_and_single_sends_count_on() {
    let receiver = bind(V4, &Options::default());
    let sender = bind(V4, &Options::default().send_timestamps(true).singly(true));
    let to = Transmit::to(receiver.local_address());
    let (mut one, mut other) = (SendBatch::default(), SendBatch::default());
    for batch in [&mut one, &mut other] {
        assert!(batch.push(&to, b"x") && batch.push(&to, b"x"));
    }
    assert!(sender.send(&mut other).is_empty() && sender.send(&mut one).is_empty());
    sender.send_to(b"x", receiver.local_address()).expect("loopback takes it");
    assert!(one.push(&to, b"x") && sender.send(&mut one).is_empty());
    assert_eq!(places(&feedback(&sender, 6, 0).0), (0..6).map(|place| (place, 1)).collect::<Vec<_>>());
}

#[test]
fn times_that_nobody_reads_keep_nothing_from_being_received_or_refused() {
    for ip in families() {
        let receiver = bind(ip, &Options::default());
        let sender = bind(ip, &Options::default().errors(true).send_timestamps(true).singly(true));
        let most = sender.receive_buffer() / 2048;
        for number in 0..5000 {
            sender.send_to(&numbered(number, 8), receiver.local_address()).expect("loopback takes it");
        }
        for number in 0..20 {
            receiver.send_to(&numbered(number, 1000), sender.local_address()).expect("loopback takes it");
        }
        assert_eq!(receive(&sender, 20).len(), 20);
        let closed = bind(ip, &Options::default()).local_address();
        sender.send_to(b"refused", closed).expect("loopback takes it");
        let (times, refused) = feedback(&sender, most, 1);
        assert_eq!(refused[0].destination, closed);
        assert_eq!(places(&times), (0..most as u64).map(|place| (place, 1)).collect::<Vec<_>>());
        // Once they are read, there are new ones.
        sender.send_to(b"new", receiver.local_address()).expect("loopback takes it");
        assert_eq!(places(&feedback(&sender, 1, 0).0), [(5001, 1)]);
    }
}

#[test]
fn a_device_without_send_times_tells_nothing_and_makes_nobody_wait() {
    const TEST: &str = "a_device_without_send_times_tells_nothing_and_makes_nobody_wait";
    const SCRIPT: &str = "
        ip link add bridge type bridge
        ip link set bridge up
        ip address add 10.8.0.1/24 dev bridge
        ip neighbour add 10.8.0.2 lladdr 02:00:00:00:00:02 dev bridge";
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    let sender = bind(any_address(V4), &Options::default().send_timestamps(true));
    assert!(sender.capabilities().send_timestamps);
    let (nobody, there) = (SocketAddr::from(([10, 8, 0, 2], 9)), bind(V4, &Options::default()));
    for _ in 0..1000 {
        sender.send_to(b"x", nobody).expect("there is a route");
    }
    sender.feedback(|feedback| panic!("{feedback:?}"));
    assert_eq!(sender.receive(&mut ReceiveBatch::default(), Wait::No).expect("receiving does not fail"), 0);
    // The places of others are not moved by it.
    sender.send_to(b"x", there.local_address()).expect("loopback takes it");
    assert_eq!(places(&feedback(&sender, 1, 0).0), [(1000, 1)]);
}

#[test]
fn a_send_time_ends_the_wait_for_datagrams() {
    for ip in families() {
        let sender = bind(ip, &Options::default().send_timestamps(true));
        sender.send_to(b"x", bind(ip, &Options::default()).local_address()).expect("loopback takes it");
        let received = sender.receive(&mut ReceiveBatch::default(), Wait::Forever).expect("receiving does not fail");
        assert_eq!(received, 0);
        feedback(&sender, 1, 0);
        // Once it is read, it ends no wait any more.
        let start = now();
        sender.receive(&mut ReceiveBatch::default(), Wait::For(Duration::from_millis(20))).expect("nothing came");
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}

#[test]
fn those_who_ask_for_refusals_alone_are_told_of_no_time() {
    for ip in families() {
        let receiver = bind(ip, &Options::default());
        let sender = bind(ip, &Options::default().errors(true).send_timestamps(true));
        sender.send_to(b"x", receiver.local_address()).expect("loopback takes it");
        sender.errors(|report| panic!("{report:?}"));
        // Nor is there any where none was asked for, by both backends.
        for options in [Options::default().errors(true), Options::default().send_timestamps(true).portable(true)] {
            let sender = bind(ip, &options);
            assert!(!sender.capabilities().send_timestamps);
            sender.send_to(b"x", receiver.local_address()).expect("loopback takes it");
            sender.feedback(|feedback| panic!("{feedback:?}"));
        }
    }
}

#[test]
fn threads_that_send_by_one_socket_have_each_place_once() {
    let receiver = bind(V4, &Options::default());
    let sender = bind(V4, &Options::default().send_timestamps(true).singly(true).receive_buffer(4 << 20));
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..300 {
                    sender.send_to(b"x", receiver.local_address()).expect("loopback takes it");
                }
            });
        }
        let deadline = patience();
        while times.len() < 900 {
            assert!(!is_over(deadline), "{} times", times.len());
            read(&sender, &mut times, &mut Vec::new());
            std::thread::yield_now();
        }
    });
    let places: BTreeSet<_> = times.iter().map(|time| time.place).collect();
    assert!(places.into_iter().eq(0..900));
}

#[test]
fn what_is_left_in_a_batch_for_want_of_room_keeps_its_place() {
    const TEST: &str = "what_is_left_in_a_batch_for_want_of_room_keeps_its_place";
    // What waits for a slow device fills the send buffer.
    const SLOW: &str = "tc qdisc add dev near root tbf rate 20mbit burst 20kb limit 10mb";
    if !netns::enter(TEST, &format!("{CABLE}\n{SLOW}")) {
        return;
    }
    for to in far_ends() {
        let sender =
            bind(any_address(to.ip()), &Options::default().send_timestamps(true).singly(true).receive_buffer(4 << 20));
        let mut batch = SendBatch::default();
        let (mut times, mut pushed, mut left) = (Vec::new(), 0, 0);
        let deadline = patience();
        while times.len() < 2000 {
            assert!(!is_over(deadline), "{} times", times.len());
            while pushed < 2000 && batch.push(&Transmit::to(to), &[0; 1000]) {
                pushed += 1;
            }
            let _ = sender.try_send(&mut batch);
            assert!(batch.failures().is_empty(), "{:?}", batch.failures());
            std::thread::yield_now();
            left += batch.len();
            read(&sender, &mut times, &mut Vec::new());
        }
        assert!(left > 0, "there was room for all");
        let places: Vec<_> = times.iter().map(|time| time.place).collect();
        assert!(places.iter().copied().eq(0..2000), "{places:?}");
    }
}
