//! Sockets under runtimes, and the examples that show how: whatever waits is woken by datagrams, refusals and room, and by nothing else.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "sockets of the standard library are handed over, and keep a port closed"
)]

mod common;
mod netns;

#[path = "../examples/async_io.rs"]
mod example_async_io;
#[path = "../examples/socket_activation.rs"]
mod example_socket_activation;
#[path = "../examples/tokio_fd.rs"]
mod example_tokio_fd;
#[path = "../examples/tokio_socket.rs"]
mod example_tokio_socket;

use std::future::poll_fn;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_io::Async;
use common::{BACKENDS, V4, bind, bind_to, families, numbered, receive, receive_one};
use tokio::task::yield_now;
use udpkit::{
    AsyncSocket, Cause, Feedback, InterfaceWatch, Options, ReceiveBatch, SendBatch, Socket, Transmit, any_address,
};

/// How often what waits may be polled: a loop without end would be far beyond.
const FEW: usize = 5;
/// Turns of a runtime in which a loop without end would show.
const TURNS: usize = 1_000;

/// A future whose polls are counted: one for each time that it was woken, and the first.
async fn counted<F: Future>(polls: Arc<AtomicUsize>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        polls.fetch_add(1, Ordering::Relaxed);
        future.as_mut().poll(context)
    })
    .await
}

/// Lets everything else that is ready run.
async fn turns() {
    for _ in 0..TURNS {
        yield_now().await;
    }
}

/// A port at which nobody listens, and which nobody can take: it belongs to a socket that hears only itself.
fn closed_port(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("there is a free port");
    socket.connect(socket.local_addr().expect("it is bound")).expect("loopback is reachable");
    socket
}

fn local(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, 0)
}

fn with_errors() -> Options {
    Options::default().errors(true)
}

#[tokio::test]
async fn a_refusal_wakes_an_async_socket_once() {
    for ip in families() {
        let (socket, peer) =
            (Arc::new(AsyncSocket::bind(local(ip), &with_errors()).unwrap()), bind(ip, &Options::default()));
        let closed = closed_port(ip);
        let polls = Arc::<AtomicUsize>::default();
        let waiting = tokio::spawn({
            let (socket, polls) = (socket.clone(), polls.clone());
            async move {
                let mut batch = ReceiveBatch::default();
                let refused = counted(polls.clone(), socket.receive(&mut batch)).await.unwrap();
                let mut reports = Vec::new();
                socket.errors(|report| reports.push(report)).await.unwrap();
                let received = counted(polls, socket.receive(&mut batch)).await.unwrap();
                (refused, reports, received)
            }
        });
        turns().await;
        assert_eq!(polls.load(Ordering::Relaxed), 1, "it waits");
        socket.send_to(b"anyone?", closed.local_addr().unwrap()).await.unwrap();
        turns().await;
        let woken = polls.load(Ordering::Relaxed);
        assert!((3..FEW).contains(&woken), "{woken} polls after a refusal");
        turns().await;
        assert_eq!(polls.load(Ordering::Relaxed), woken, "it waits again");
        peer.send_to(b"hello", socket.local_address()).unwrap();
        let (refused, reports, received) = waiting.await.unwrap();
        assert_eq!((refused, reports.len(), received), (0, 1, 1));
        assert_eq!((reports[0].cause, reports[0].destination), (Cause::Port, closed.local_addr().unwrap()));
        assert!(polls.load(Ordering::Relaxed) <= woken + 2);
    }
}

#[tokio::test]
async fn one_task_waits_for_refusals_while_another_receives() {
    let socket = Arc::new(AsyncSocket::bind(local(V4), &with_errors()).unwrap());
    let closed = closed_port(V4);
    let refused = tokio::spawn({
        let socket = socket.clone();
        async move {
            let mut causes = Vec::new();
            socket.errors(|report| causes.push(report.cause)).await.unwrap();
            causes
        }
    });
    let received = tokio::spawn({
        let socket = socket.clone();
        async move {
            let mut batch = ReceiveBatch::default();
            while socket.receive(&mut batch).await.unwrap() == 0 {}
            batch.datagrams().next().unwrap().payload.to_vec()
        }
    });
    turns().await;
    socket.send_to(b"anyone?", closed.local_addr().unwrap()).await.unwrap();
    assert_eq!(refused.await.unwrap(), [Cause::Port]);
    socket.send_to(b"me", socket.local_address()).await.unwrap();
    assert_eq!(received.await.unwrap(), b"me");
}

#[tokio::test]
async fn an_async_socket_reports_when_a_datagram_left() {
    let options = Options::default().send_timestamps(true).singly(true);
    let socket = Arc::new(AsyncSocket::bind(local(V4), &options).unwrap());
    let peer = bind(V4, &Options::default());
    let left = tokio::spawn({
        let socket = socket.clone();
        async move {
            let mut places = Vec::new();
            let report = |feedback| match feedback {
                Feedback::Sent(sent) => places.push((sent.place, sent.count)),
                other => panic!("{other:?}"),
            };
            socket.feedback(report).await.unwrap();
            places
        }
    });
    turns().await;
    socket.send_to(b"when did it leave?", peer.local_address()).await.unwrap();
    assert_eq!(left.await.unwrap(), [(0, 1)]);
}

#[tokio::test]
async fn a_receive_that_is_dropped_loses_nothing() {
    const ROUNDS: u64 = 2_000;
    for ip in families() {
        let socket = AsyncSocket::bind(local(ip), &Options::default()).unwrap();
        let sender = bind(ip, &Options::default());
        let mut batch = ReceiveBatch::new(2, 100);
        let (mut received, mut dropped) = (0, 0);
        for round in 0..ROUNDS {
            sender.send_to(&numbered(round, 8), socket.local_address()).unwrap();
            if round % 3 == 0 {
                // The runtime looks at the socket; until it does again, whoever found it empty waits.
                yield_now().await;
            }
            let mut is_waiting = false;
            while !is_waiting {
                tokio::select! {
                    biased;
                    trains = socket.receive(&mut batch) => {
                        trains.unwrap();
                        for datagram in batch.datagrams() {
                            assert_eq!(datagram.payload, numbered(received, 8));
                            received += 1;
                        }
                    }
                    () = std::future::ready(()) => is_waiting = true,
                }
            }
            dropped += 1;
        }
        while received < ROUNDS {
            socket.receive(&mut batch).await.unwrap();
            for datagram in batch.datagrams() {
                assert_eq!(datagram.payload, numbered(received, 8));
                received += 1;
            }
        }
        assert_eq!((received, dropped), (ROUNDS, ROUNDS));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_tasks_receive_by_one_socket_and_each_datagram_once() {
    const SENT: u64 = 2_000;
    let options = Options::default().receive_buffer(8 << 20);
    let socket = Arc::new(AsyncSocket::bind(local(V4), &options).unwrap());
    let sender = AsyncSocket::bind(local(V4), &Options::default()).unwrap();
    let (found, mut all) = tokio::sync::mpsc::unbounded_channel();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (socket, found) = (socket.clone(), found.clone());
            tokio::spawn(async move {
                let mut batch = ReceiveBatch::new(4, 100);
                loop {
                    socket.receive(&mut batch).await.unwrap();
                    for datagram in batch.datagrams() {
                        found.send(datagram.payload.to_vec()).unwrap();
                    }
                }
            })
        })
        .collect();
    for number in 0..SENT {
        sender.send_to(&numbered(number, 8), socket.local_address()).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < usize::try_from(SENT).unwrap() {
        seen.push(all.recv().await.unwrap());
    }
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    seen.sort_unstable();
    assert!(seen.into_iter().eq((0..SENT).map(|number| numbered(number, 8))));
}

#[tokio::test]
async fn an_async_socket_that_is_shut_down_elsewhere_is_woken_by_an_error() {
    let theirs = UdpSocket::bind(local(V4)).unwrap();
    let other = socket2::Socket::from(theirs.try_clone().unwrap());
    let socket = Arc::new(AsyncSocket::new(Socket::try_from(theirs).unwrap()).unwrap());
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { socket.receive(&mut ReceiveBatch::default()).await }
    });
    turns().await;
    other.shutdown(std::net::Shutdown::Both).unwrap_err();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(format!("{error:#}"), format!("cannot receive on {}: the socket was shut down", socket.local_address()));
}

#[tokio::test]
async fn an_async_socket_leaves_the_runtime_as_the_socket_that_it_was() {
    let socket = AsyncSocket::bind(local(V4), &Options::default()).unwrap();
    let (address, descriptor) = (socket.local_address(), socket.as_fd().as_raw_fd());
    assert_eq!(socket.socket().local_address(), address);
    socket.send_to(b"me", address).await.unwrap();
    let socket = socket.into_socket();
    assert_eq!(socket.as_raw_fd(), descriptor);
    assert_eq!(receive_one(&socket).payload, b"me");
    // Nothing of the runtime's holds the port.
    drop(socket);
    bind_to(address, &Options::default());
}

#[tokio::test]
async fn a_refusal_wakes_a_socket_in_an_async_fd_once() {
    for ip in families() {
        let socket = Arc::new(example_tokio_fd::register(bind(ip, &with_errors())).unwrap());
        let closed = closed_port(ip);
        let polls = Arc::<AtomicUsize>::default();
        let waiting = tokio::spawn({
            let (socket, polls) = (socket.clone(), polls.clone());
            async move {
                let mut batch = ReceiveBatch::default();
                let refused = counted(polls.clone(), example_tokio_fd::receive(&socket, &mut batch)).await.unwrap();
                let mut reports = 0;
                socket.get_ref().errors(|_| reports += 1);
                let received = counted(polls, example_tokio_fd::receive(&socket, &mut batch)).await.unwrap();
                (refused, reports, received)
            }
        });
        turns().await;
        socket.get_ref().send_to(b"anyone?", closed.local_addr().unwrap()).unwrap();
        turns().await;
        let woken = polls.load(Ordering::Relaxed);
        assert!((3..FEW).contains(&woken), "{woken} polls after a refusal");
        turns().await;
        assert_eq!(polls.load(Ordering::Relaxed), woken, "it waits again");
        socket.get_ref().send_to(b"me", socket.get_ref().local_address()).unwrap();
        assert_eq!(waiting.await.unwrap(), (0, 1, 1));
    }
}

#[test]
fn a_refusal_wakes_a_socket_in_async_io_once() {
    for ip in families() {
        let socket = Async::new(bind(ip, &with_errors())).unwrap();
        let closed = closed_port(ip);
        let mut batch = ReceiveBatch::default();
        let polls = Arc::<AtomicUsize>::default();
        async_io::block_on(async {
            socket.get_ref().send_to(b"anyone?", closed.local_addr().unwrap()).unwrap();
            assert_eq!(example_async_io::receive(&socket, &mut batch).await.unwrap(), 0);
            let mut reports = 0;
            socket.get_ref().errors(|_| reports += 1);
            assert_eq!(reports, 1);
            // Another thread sends a little later; until then there is nothing to be woken by.
            let (local, late) = (socket.get_ref().local_address(), bind(ip, &Options::default()));
            let late = std::thread::spawn(move || {
                (0..TURNS).for_each(|_| std::thread::yield_now());
                late.send_to(b"late", local).unwrap();
            });
            let received = counted(polls.clone(), example_async_io::receive(&socket, &mut batch)).await.unwrap();
            assert_eq!(received, 1);
            late.join().unwrap();
        });
        assert!(polls.load(Ordering::Relaxed) <= FEW, "{polls:?} polls");
    }
}

#[test]
fn what_changes_of_interfaces_wakes_a_runtime() {
    const TEST: &str = "what_changes_of_interfaces_wakes_a_runtime";
    if !netns::enter(TEST, "") {
        return;
    }
    let watch = InterfaceWatch::new().unwrap();
    assert_eq!(watch.as_raw_fd(), watch.as_fd().as_raw_fd());
    let watch = Async::new(watch).unwrap();
    let ip = |arguments: &str| assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
    for change in ["link add late type veth peer name other", "link delete late"] {
        ip(change);
        let changed =
            |watch: &InterfaceWatch| watch.changed().then_some(()).ok_or_else(|| ErrorKind::WouldBlock.into());
        async_io::block_on(watch.read_with(changed)).unwrap();
    }
}

/// Two hosts, and a queue on the way that is slow and long: it is the send buffer that is full.
fn slow_link() -> String {
    format!("{}\ntc qdisc add dev eth0 root tbf rate 20mbit burst 5kb limit 10mb", netns::TWO_HOSTS)
}

const PORT: u16 = 10_000;
/// Datagrams that fill a send buffer several times.
const MANY: u64 = 600;
const LEN: usize = 1_000;
const READY: &str = "ready on h2";

fn far(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 1, 0, 2], port))
}

/// On h2: receives the datagrams of so many runs, each once and in its order.
#[expect(clippy::print_stdout, reason = "the test on the other host waits for it")]
fn check_all(runs: u64) {
    let receiver = bind_to(SocketAddr::new(any_address(V4), PORT), &Options::default().receive_buffer(8 << 20));
    println!("\n{READY}");
    let count = usize::try_from(runs * MANY).expect("small");
    for (place, received) in (0..).zip(receive(&receiver, count)) {
        assert!(received.payload == numbered(place % MANY, LEN), "datagram {place}");
    }
}

/// Runs another copy of the test on host h2, does this once that copy is ready, and asserts that it ends well.
fn with_h2(test: &str, then: impl FnOnce()) {
    let mut there = netns::cast("h2", test, "receiver").stdout(Stdio::piped()).spawn().expect("nsenter can be run");
    let mut said = BufReader::new(there.stdout.take().expect("it was asked for")).lines();
    assert!(said.any(|line| line.is_ok_and(|line| line == READY)), "h2 ended before it was ready");
    then();
    said.for_each(drop);
    assert!(there.wait().expect("it is ours").success(), "h2 failed");
}

#[test]
fn an_async_send_waits_for_room_and_neither_refusals_nor_their_reports_make_it_spin() {
    const TEST: &str = "an_async_send_waits_for_room_and_neither_refusals_nor_their_reports_make_it_spin";
    if !netns::enter(TEST, &slow_link()) {
        return;
    }
    if netns::role() == "receiver" {
        return check_all(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    with_h2(TEST, || {
        runtime.block_on(async {
            let socket = AsyncSocket::bind(local(any_address(V4)), &with_errors()).unwrap();
            let mut batch = SendBatch::default();
            // In the second run the report of a refusal waits all the while.
            for reads in [true, false] {
                socket.send_to(b"anyone?", far(1)).await.unwrap();
                assert_eq!(socket.receive(&mut ReceiveBatch::default()).await.unwrap(), 0);
                if reads {
                    socket.errors(|_| ()).await.unwrap();
                }
                let polls = Arc::<AtomicUsize>::default();
                counted(polls.clone(), async {
                    for number in 0..MANY {
                        let (to, payload) = (Transmit::to(far(PORT)), numbered(number, LEN));
                        assert!(socket.queue(&mut batch, &to, &payload).await.unwrap().is_empty());
                    }
                    assert!(socket.send(&mut batch).await.unwrap().is_empty());
                })
                .await;
                // Each time half a send buffer is empty.
                let polls = polls.load(Ordering::Relaxed);
                assert!((3..100).contains(&polls), "{polls} polls, reports read: {reads}");
            }
        });
    });
}

#[test]
fn what_finds_no_room_is_left_in_the_batch_and_an_async_send_can_be_dropped() {
    const TEST: &str = "what_finds_no_room_is_left_in_the_batch_and_an_async_send_can_be_dropped";
    if !netns::enter(TEST, &slow_link()) {
        return;
    }
    if netns::role() == "receiver" {
        return check_all(3);
    }
    let to = Transmit::to(far(PORT));
    with_h2(TEST, || {
        for portable in BACKENDS {
            let socket = bind(any_address(V4), &Options::default().portable(portable));
            let mut batch = SendBatch::default();
            let (mut next, mut sent, mut full) = (0, 0, 0);
            while sent < MANY {
                while next < MANY && batch.push(&to, &numbered(next, LEN)) {
                    next += 1;
                }
                match socket.try_send(&mut batch) {
                    Ok(count) => sent += count as u64,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        assert_eq!(batch.len() as u64, next - sent);
                        full += 1;
                        std::thread::yield_now();
                    }
                }
                assert!(batch.failures().is_empty(), "{:?}", batch.failures());
            }
            assert!(full > 0 && batch.is_empty());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = AsyncSocket::bind(local(any_address(V4)), &Options::default()).unwrap();
            let (mut batch, mut next, mut dropped) = (SendBatch::default(), 0, 0);
            while next < MANY || !batch.is_empty() {
                while next < MANY && batch.push(&to, &numbered(next, LEN)) {
                    next += 1;
                }
                tokio::select! {
                    biased;
                    failures = socket.send(&mut batch) => assert!(failures.unwrap().is_empty()),
                    () = yield_now() => dropped += 1,
                }
            }
            assert!(dropped > 0);
        });
    });
}

#[test]
fn a_service_manager_hands_a_socket_over() {
    const TEST: &str = "a_service_manager_hands_a_socket_over";
    if std::env::var_os("LISTEN_FDS").is_some() {
        return example_socket_activation::main().unwrap();
    }
    for (bound, asked) in families().into_iter().map(|ip| (ip, ip)).chain([(Ipv6Addr::UNSPECIFIED.into(), V4)]) {
        // As service managers make it: of both families, blocking.
        let Ok(theirs) = UdpSocket::bind(local(bound)) else { continue };
        let address = SocketAddr::new(asked, theirs.local_addr().unwrap().port());
        let client = bind(asked, &Options::default());
        // Asked before the service was started.
        client.send_to(b"hello", address).unwrap();
        let program = std::env::current_exe().unwrap();
        let service = Command::new("sh")
            .args(["-c", r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --exact "$1""#])
            .args([program.as_os_str(), TEST.as_ref()])
            .stdin(OwnedFd::from(theirs))
            .output()
            .unwrap();
        assert!(service.status.success(), "{}", String::from_utf8_lossy(&service.stdout));
        let answer = receive_one(&client);
        assert_eq!(answer.meta.source, address);
        assert_eq!(answer.payload, format!("hello {}", client.local_address()).as_bytes());
    }
}

#[test]
fn the_examples_run_to_their_end() {
    example_tokio_fd::main().unwrap();
    example_tokio_socket::main().unwrap();
    example_async_io::main().unwrap();
}

#[tokio::test]
async fn the_client_and_the_server_of_the_example_understand_each_other() {
    let server = AsyncSocket::bind(local(V4), &Options::default().destination(true)).unwrap();
    let (client, address) = (AsyncSocket::bind(local(V4), &with_errors()).unwrap(), server.local_address());
    let serving = tokio::spawn(example_tokio_socket::serve(server));
    assert_eq!(example_tokio_socket::ask(&client, address).await.unwrap(), "Get off my lawn!");
    serving.abort();
    assert!(serving.await.unwrap_err().is_cancelled());
    assert_eq!(example_tokio_socket::ask(&client, address).await.unwrap(), "port unreachable");
}
