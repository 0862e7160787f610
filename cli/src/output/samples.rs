//! A sample of each event of the library, for the tests of whoever takes events.

use std::io;
use std::time::Duration;

use udpkit::event::{
    Answered, ClockStepped, Decided, Departed, Dropped, IgnoredDatagrams, Impaired, InterfacesChanged, PeerChange,
    PeerChanged, ProbeFate, Probed, Question, Received, Refusal, Reopened, Reply, Request, SendFailed, Sent, Trouble,
    Unanswered,
};
use udpkit::impairment::{Fate, Impairment, ImpairmentOptions};
use udpkit::verbs::Direction;
use udpkit::{
    Attempt, Cause, Datagram, Error, ErrorKind, Event, Interface, InterfaceIndex, Interfaces, Meta, Moment, Object,
    Reason, ReplyTo, SendFailure, SocketId, Train,
};
use udpkit::{SignedNanoseconds, Transmit, Unreachable};

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
    let group = Object::group([239, 1, 2, 3].into(), None, None);
    let error = Error::new(Attempt::Join, group, io::ErrorKind::NotFound.into()).with_kind(ErrorKind::NoSuchInterface);
    let (start, up) = (Moment::now().monotonic, Direction::Up);
    let mut impairment = Impairment::new(ImpairmentOptions::default(), 1, start).unwrap();
    let fates = impairment.datagram(start, 2);
    let Fate::Leaves(departure) = fates.original else { panic!("nothing is set") };
    let events = [
        Event::Received(Received::new(SocketId::first(0), Train::one(&datagram))),
        Event::Answered(Answered::new(SocketId::first(0), datagram, b"ok")),
        Event::Question(Question::new(1, SocketId::first(0), datagram)),
        Event::Sent(Sent::new(transmit, b"hi", 7, 0)),
        Event::Reply(Reply::new(SocketId::first(0), datagram, ReplyTo::Request(Request::new(7, None)))),
        Event::Unanswered(Unanswered::new(source, 7, 7)),
        Event::Ignored(IgnoredDatagrams::new(&meta, Reason::RateLimit, 3)),
        Event::Unreachable(Refusal::new(&unreachable, Some(7), false)),
        Event::SendFailed(SendFailed::new(SocketId::first(0), &failure)),
        Event::Dropped(Dropped::new(5, 9)),
        Event::Interfaces(InterfacesChanged::new(&interfaces)),
        Event::Reopened(Reopened::new(source)),
        Event::ClockStepped(ClockStepped::new(SignedNanoseconds(-1_500_000_000))),
        Event::Fate(Decided::new(up, source, b"hi", start, fates, &impairment)),
        Event::Left(Departed::new(up, source, b"hi", 1, start, departure, &impairment)),
        Event::Peer(PeerChanged::new(source, None, PeerChange::Appeared)),
        Event::Impaired(Impaired::new(up, impairment.options(), start)),
        Event::Probe(Probed::new(0, 7, Duration::ZERO, Duration::ZERO, ProbeFate::Lost)),
        Event::Trouble(Trouble::new(&error)),
    ];
    let names: Vec<_> = events.iter().map(Event::name).collect();
    assert_eq!(names, Event::NAMES, "a sample for each event, in their order");
    events.into_iter().for_each(&mut show);
}
