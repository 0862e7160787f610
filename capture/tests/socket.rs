//! What a socket receives, written and read back by the public interface alone.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../lib/tests/netns/mod.rs"]
mod netns;

use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant, UNIX_EPOCH};

use udpkit::{Delivery, Meta, Options, ReceiveBatch, SendBatch, Socket, Transmit, Wait, any_address, max_payload};
use udpkit_capture::{Drops, Reader, Unusable, WriteOptions, Writer};

/// Until when a datagram on the loopback interface is waited for.
#[expect(clippy::disallowed_methods, reason = "a test waits for no longer than some seconds")]
fn patience() -> Wait {
    Wait::Until(Instant::now() + Duration::from_secs(10))
}

/// A socket with every option that reports something, and one that sends to it.
fn sockets(ip: IpAddr) -> Option<(Socket, Socket, SocketAddr)> {
    let options = Options::default()
        .destination(true)
        .timestamps(true)
        .hop_limits(true)
        .traffic_classes(true)
        .drops(true)
        .coalesce(true)
        .receive_buffer(256 * 1024);
    let sends = Options::default().hop_limit(7).traffic_class(0xb8);
    match Socket::bind(SocketAddr::new(ip, 0), &sends) {
        Ok(sender) => {
            let receiver = Socket::bind(SocketAddr::new(any_address(ip), 0), &options).unwrap();
            let destination = SocketAddr::new(ip, receiver.local_address().port());
            Some((receiver, sender, destination))
        }
        Err(error) => {
            netns::skip(&format!("no {ip}: {error:#}"));
            None
        }
    }
}

/// A capture of all that a socket receives, up to this many datagrams, and the metadata of each.
fn capture(socket: &Socket, count: usize, slot_len: usize) -> (Vec<u8>, Vec<(Meta, Vec<u8>)>) {
    let mut writer = Writer::new(Cursor::new(Vec::new()), WriteOptions::default());
    let (mut batch, mut drops) = (ReceiveBatch::new(32, slot_len), Drops::default());
    let mut told = Vec::new();
    while told.len() < count {
        assert!(socket.receive(&mut batch, patience()).unwrap() > 0, "nothing more came: {} of {count}", told.len());
        for train in batch.trains() {
            writer.train(train, socket.local_address().port(), drops.before(train.meta())).unwrap();
        }
        told.extend(batch.datagrams().map(|datagram| (*datagram.meta, datagram.payload.to_vec())));
    }
    assert_eq!(writer.written(), count as u64);
    writer.finish(count as u64, socket.kernel_drops().unwrap()).unwrap();
    (writer.into_inner().into_inner(), told)
}

#[test]
fn what_a_socket_receives_is_read_back_with_all_that_was_told_of_it() {
    for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        let Some((receiver, sender, destination)) = sockets(ip) else { continue };
        let lengths = [0, 1, 1472, 1473, 65_507, max_payload(ip)];
        let mut payloads: Vec<_> = (1..).zip(lengths).map(|(byte, len)| vec![byte; len]).collect();
        // A train, which the kernel hands over as one.
        payloads.extend([vec![8; 1000], vec![9; 1000], vec![10; 500]]);
        let mut batch = SendBatch::default();
        for payload in &payloads {
            assert!(batch.push(&Transmit::to(destination), payload));
        }
        assert!(sender.send(&mut batch).is_empty());
        let (bytes, told) = capture(&receiver, payloads.len(), ReceiveBatch::SLOT_LEN);

        let mut reader = Reader::new(&bytes[..]).unwrap();
        for (number, ((meta, received), payload)) in (1..).zip(told.iter().zip(&payloads)) {
            assert!(received == payload, "datagram {number} is not the one that was sent");
            let datagram = reader.next().unwrap().unwrap();
            assert!(datagram.payload == payload, "datagram {number} is not the one that was received");
            assert_eq!((datagram.packet, datagram.interface), (number, Some("lo")));
            assert_eq!((datagram.source, datagram.destination), (sender.local_address(), destination));
            assert_eq!((datagram.hop_limit, datagram.traffic_class), (7, 0xb8));
            assert_eq!((datagram.delivery, datagram.dropped_before), (Delivery::Unicast, 0));
            let received = meta.received.unwrap().duration_since(UNIX_EPOCH).unwrap();
            assert_eq!(datagram.time, Some(received));
        }
        assert_eq!(reader.next().unwrap(), None);
        assert!(reader.counts().is_balanced());
    }
}

#[test]
fn what_the_kernel_dropped_is_missing_where_it_was() {
    let Some((receiver, sender, destination)) = sockets(Ipv4Addr::LOCALHOST.into()) else { return };
    // More than the buffer holds: the next datagram after it was emptied carries the count of those dropped.
    for _ in 0..1000 {
        sender.send_to(&[1; 1000], destination).unwrap();
    }
    let mut batch = ReceiveBatch::default();
    while receiver.receive(&mut batch, Wait::No).unwrap() > 0 {}
    sender.send_to(b"the first", destination).unwrap();
    sender.send_to(b"the second", destination).unwrap();
    let (bytes, _) = capture(&receiver, 2, ReceiveBatch::SLOT_LEN);
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let dropped = receiver.kernel_drops().unwrap();
    assert!(dropped > 0);
    assert_eq!(reader.next().unwrap().unwrap().dropped_before, dropped);
    assert_eq!(reader.next().unwrap().unwrap().dropped_before, 0);
}

#[test]
fn a_datagram_that_was_truncated_is_counted_as_cut_short() {
    let Some((receiver, sender, destination)) = sockets(Ipv4Addr::LOCALHOST.into()) else { return };
    sender.send_to(b"longer than the slot", destination).unwrap();
    let (bytes, _) = capture(&receiver, 1, 6);
    let mut reader = Reader::new(&bytes[..]).unwrap();
    assert_eq!(reader.next().unwrap(), None);
    assert_eq!(reader.counts().unusable(Unusable::CutShort), 1);
}
