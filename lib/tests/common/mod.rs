//! What the tests of sockets share. Whatever waits fails after some seconds, and says what it waited for.
#![allow(dead_code, reason = "each test crate uses a part of it")]
#![expect(clippy::disallowed_methods, reason = "tests wait for sockets, and for no longer than some seconds")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use udpkit::{Interface, Interfaces, Meta, Options, ReceiveBatch, SendBatch, Socket, Transmit, Unreachable, Wait};

pub(crate) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The loopback addresses of the families that this system has.
pub(crate) fn families() -> Vec<IpAddr> {
    match Socket::bind(SocketAddr::new(V6, 0), &Options::default()) {
        Ok(_) => vec![V4, V6],
        Err(error) => {
            crate::netns::skip(&format!("no IPv6: {error:#}"));
            vec![V4]
        }
    }
}

/// Both backends: `Options::portable`.
pub(crate) const BACKENDS: [bool; 2] = [false, true];

/// A socket at a free port of the address.
pub(crate) fn bind(ip: IpAddr, options: &Options) -> Socket {
    bind_to(SocketAddr::new(ip, 0), options)
}

/// A socket at this address.
pub(crate) fn bind_to(address: SocketAddr, options: &Options) -> Socket {
    Socket::bind(address, options).expect("the address is ours and free")
}

/// Everything that can be known of a datagram; trains apart.
pub(crate) fn told_all() -> Options {
    Options::default()
        .destination(true)
        .timestamps(true)
        .hop_limits(true)
        .traffic_classes(true)
        .fragment_sizes(true)
        .drops(true)
        .errors(true)
}

/// Long enough for anything that happens at all.
pub(crate) fn patience() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// Whether a test has waited long enough.
pub(crate) fn is_over(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

/// The moment.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A datagram and all that was told of it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) payload: Vec<u8>,
    pub(crate) wire_len: usize,
    pub(crate) meta: Meta,
    /// How many datagrams its train held.
    pub(crate) train: usize,
}

/// Receives exactly so many datagrams through a batch.
pub(crate) fn receive_through(batch: &mut ReceiveBatch, socket: &Socket, count: usize) -> Vec<Received> {
    let deadline = patience();
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let trains = socket.receive(batch, Wait::Until(deadline)).expect("receiving does not fail");
        assert!(trains > 0 || !is_over(deadline), "only {} of {count} datagrams arrived", all.len());
        for train in batch.trains() {
            let length = train.count();
            all.extend(train.datagrams().map(|datagram| Received {
                payload: datagram.payload.to_vec(),
                wire_len: datagram.wire_len,
                meta: *datagram.meta,
                train: length,
            }));
        }
    }
    assert_eq!(all.len(), count, "more datagrams than expected");
    all
}

/// Receives exactly so many datagrams.
pub(crate) fn receive(socket: &Socket, count: usize) -> Vec<Received> {
    receive_through(&mut ReceiveBatch::default(), socket, count)
}

/// Receives one datagram, and leaves those that follow it.
pub(crate) fn receive_one(socket: &Socket) -> Received {
    receive_through(&mut ReceiveBatch::new(1, ReceiveBatch::SLOT_LEN), socket, 1).remove(0)
}

/// Waits for so many reports of the error queue.
pub(crate) fn reports(socket: &Socket, count: usize) -> Vec<Unreachable> {
    let deadline = patience();
    let mut all = Vec::new();
    while all.len() < count {
        assert!(!is_over(deadline), "only {} of {count} reports came", all.len());
        socket.errors(|report| all.push(report));
        std::thread::yield_now();
    }
    all
}

/// Sends all payloads to one address in one batch; none may fail.
pub(crate) fn send_run(socket: &Socket, transmit: &Transmit, payloads: &[Vec<u8>]) {
    let mut batch = SendBatch::default();
    for payload in payloads {
        assert!(batch.push(transmit, payload), "the run fits one batch");
    }
    let failures = socket.send(&mut batch);
    assert!(failures.is_empty(), "{failures:?}");
}

/// A payload of this length that no other number has, if it is at least eight bytes long.
pub(crate) fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    let fill = u8::try_from(number % 251).expect("less than 251");
    payload.resize(len, fill);
    payload
}

/// The interface of this name.
pub(crate) fn interface(name: &str) -> Interface {
    Interfaces::list().expect("the system lists its interfaces").named(name).expect("the script made it").clone()
}

/// The loopback interface.
pub(crate) fn loopback() -> Interface {
    let interfaces = Interfaces::list().expect("the system lists its interfaces");
    interfaces.iter().find(|interface| interface.loopback).expect("every system has one").clone()
}
