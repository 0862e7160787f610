//! What the kernel hands over as plain bytes: nothing in them is trusted, and what we write ourselves is read again.

use std::net::SocketAddr;

use crate::sys::address::{RawAddress, parse};
use crate::sys::{cmsg, error_queue, linux, netlink};

/// Walks control messages, and reads those of a datagram and of the error queue.
pub fn control_messages(data: &[u8]) {
    let lengths = cmsg::messages(data).map(|(_, _, body)| cmsg::space(0) + body.len());
    assert!(lengths.sum::<usize>() <= data.len(), "messages overlap");
    let sources = ["192.0.2.1:9", "[fe80::1%3]:9"].map(|text| text.parse::<SocketAddr>().expect("it is an address"));
    for source in sources {
        let (meta, _) = linux::decode(source, data);
        assert_eq!(meta.source, source);
    }
    let time = error_queue::decode_time(data);
    assert!(time.is_none() || error_queue::decode_error(data).is_none(), "a time is no refusal");
    addresses(data);
    written(data);
}

/// An address that was read is written as the same.
fn addresses(data: &[u8]) {
    let Some(address) = parse(data) else { return };
    let mut raw = RawAddress::EMPTY;
    let len = raw.write(address) as usize;
    assert_eq!(raw.read(len), Some(address));
    assert_eq!(&raw.0[..8], &data[..8]);
}

/// What the writer wrote, the walker finds.
fn written(data: &[u8]) {
    let bodies = || (0..).zip(data.chunks(13));
    let mut buffer = vec![0; bodies().map(|(_, body)| cmsg::space(body.len())).sum()];
    let mut writer = cmsg::ControlWriter::new(&mut buffer);
    for (number, body) in bodies() {
        writer.push(number, -number, body);
    }
    let len = writer.len();
    assert!(cmsg::messages(&buffer[..len]).eq(bodies().map(|(number, body)| (number, -number, body))));
}

/// Walks the messages of a dump, and reads each as an interface and as an address.
pub fn netlink(data: &[u8]) {
    body(data);
    dumped(data);
    let mut rest = data;
    while let Some((_, _, message, next)) = netlink::split_message(rest) {
        assert!(next.len() < rest.len(), "the walk stands still");
        body(message);
        rest = next;
    }
}

/// Messages that were written one after another are found.
fn dumped(data: &[u8]) {
    let mut dump = Vec::new();
    for (number, message) in (0u16..).zip(data.chunks(13)) {
        dump.extend(u32::try_from(16 + message.len()).expect("it is short").to_ne_bytes());
        dump.extend([number.to_ne_bytes(), [0; 2]].concat());
        dump.extend([0; 8]);
        dump.extend(message);
        dump.resize(dump.len().next_multiple_of(4), 0);
    }
    let mut rest = dump.as_slice();
    for (number, message) in (0..).zip(data.chunks(13)) {
        let (kind, _, found, next) = netlink::split_message(rest).expect("a message is there");
        assert_eq!((kind, found), (number, message));
        rest = next;
    }
    assert!(rest.is_empty());
}

fn body(bytes: &[u8]) {
    let attributes = netlink::attributes(bytes).map(|(_, value)| 4 + value.len());
    assert!(attributes.sum::<usize>() <= bytes.len(), "attributes overlap");
    if let Some(interface) = netlink::link(bytes) {
        assert!(interface.addresses.is_empty() && interface.name.len() <= 3 * bytes.len());
    }
    for can_broadcast in [false, true] {
        let Some((_, parsed)) = netlink::address(bytes) else { return };
        let address = parsed.finish(can_broadcast);
        assert_ne!(address.peer, Some(address.ip));
        let is_v4 = address.peer.unwrap_or(address.ip).is_ipv4();
        assert!(address.broadcast.is_none() || can_broadcast && is_v4, "{address:?}");
    }
}
