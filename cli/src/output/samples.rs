//! A sample of each event of the library, for the tests of whoever takes events.

use std::io;

use udpkit::{
    Cause, Datagram, Error, Event, Interface, InterfaceIndex, Interfaces, Meta, Reason, ReplyTo, SendFailure, SocketId,
    Train,
};
use udpkit::{Transmit, Unreachable};

/// Shows each event once. Fails where the library has one that is not among them.
pub(crate) fn each_event(mut show: impl FnMut(Event<'_>)) {
    let source = "192.0.2.1:40000".parse().unwrap();
    let meta = Meta::new(source);
    let datagram = Datagram::new(b"hi", &meta);
    let transmit = Transmit::to(source);
    let unreachable = Unreachable::new(source, None, Cause::Port);
    let failure = SendFailure::new(transmit, io::ErrorKind::PermissionDenied.into()).bytes(2);
    let interfaces = Interfaces::from_iter([Interface::new("eth0")
        .index(InterfaceIndex::new(2))
        .up(true)
        .running(true)
        .broadcast(true)
        .multicast(true)]);
    let error = Error::new("join", "239.1.2.3", io::ErrorKind::NotFound.into());
    let events = [
        Event::Received { via: SocketId::first(0), train: Train::one(&datagram) },
        Event::Answered { via: SocketId::first(0), datagram, reply: b"ok" },
        Event::Question { ticket: 1, via: SocketId::first(0), datagram },
        Event::Sent { transmit, payload: b"hi", request: 7, retry: 0 },
        Event::Reply { via: SocketId::first(0), datagram, to: ReplyTo::Request { number: 7, rtt: None } },
        Event::Unanswered { destination: source, first: 7, last: 7 },
        Event::Ignored { meta: &meta, reason: Reason::RateLimit, count: 3 },
        Event::Unreachable { unreachable: &unreachable, request: Some(7), copy: false },
        Event::SendFailed { failure: &failure },
        Event::Dropped { new: 5, total: 9 },
        Event::Interfaces { interfaces: &interfaces },
        Event::Reopened { local: source },
        Event::Trouble { error: &error },
    ];
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names, Event::NAMES, "a sample for each event, in their order");
    events.into_iter().for_each(&mut show);
}
