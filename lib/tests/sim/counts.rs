//! What every verb counts and tells alike: what was cut off, what could not be sent, what was refused.

use std::io;
use std::time::Duration;

use udpkit::verbs::{
    self, Broadcast, BroadcastOptions, BroadcastTarget, Listen, ListenOptions, Replay, ReplayDatagram, ReplayOptions,
    Requests, SendOptions, Serve, ServeOptions, Sources,
};
use udpkit::{Answer, Cause, Count, Datagram, Engine, Meta, SendFailure, Transmit, Unreachable};

use crate::network::{Link, Mail, Network, Said};
use crate::{CLIENT, ONE, SERVER, address};

/// Lets an engine send its first datagrams, if it has any; then two answers come, of which the first is cut off, something of
/// five bytes has failed, and something was refused.
fn assert_counted_alike<E: Engine>(name: &str, mut engine: E, replies_failed: impl Fn(&E::Figures) -> u64) {
    let (mut mail, now) = (Mail::default(), Network::new(Link::PERFECT, 0).now());
    for _ in 0..2 {
        engine.tick(now, &mut mail);
    }
    let meta = Meta::new(address(SERVER));
    for (payload, wire_len) in [(&b"cut"[..], 100), (b"whole", 5)] {
        engine.receive(now, ONE, &Datagram::new(payload, &meta).wire_len(wire_len), &mut mail);
    }
    let before = engine.report();
    assert!(before.is_balanced(), "{name}: {before:?}");
    assert_eq!(before.received, Count { datagrams: 2, bytes: 105 }, "{name}");
    assert_eq!((before.truncated, before.unreachable, before.send_failed), (1, 0, 0), "{name}");

    mail.said.clear();
    let error = io::ErrorKind::NetworkUnreachable.into();
    let failure = SendFailure::new(Transmit::to(address(SERVER)), error).bytes(5);
    engine.failed(now, ONE, &failure, &mut mail);
    engine.unreachable(now, ONE, &Unreachable::new(address(SERVER), None, Cause::Host), &mut mail);
    let report = engine.report();
    assert!(report.is_balanced(), "{name}: {report:?}");
    // A listener sends nothing; that something of it fails is not expected, and told all the same.
    let failed = before.sent.datagrams.min(1);
    let Count { datagrams, bytes } = before.sent;
    assert_eq!(report.sent, Count { datagrams: datagrams - failed, bytes: bytes - 5 * failed }, "{name}");
    assert_eq!((report.unreachable, report.send_failed + replies_failed(&report.own)), (1, 1), "{name}");
    // What failed to be sent cannot be what was refused, and nothing else was sent.
    let request = None;
    assert_eq!(mail.said, [Said::SendFailed(1), Said::Unreachable(Cause::Host, request, false)], "{name}");
}

#[test]
fn every_verb_counts_what_is_cut_off_fails_or_is_refused() {
    let once = || Requests::one("12345");
    assert_counted_alike("send", verbs::Send::new(SendOptions::new(address(SERVER)), once()), |_| 0);
    assert_counted_alike("serve", Serve::new(ServeOptions::new(Answer::Echo, vec![address("10.0.0.9:9")])), |own| {
        own.reply_failed
    });
    assert_counted_alike("listen", Listen::new(ListenOptions::default()), |_| 0);
    let options = BroadcastOptions::new([BroadcastTarget::new(Transmit::to(address("10.0.0.255:9")), address(CLIENT))]);
    assert_counted_alike("broadcast", Broadcast::new(options, once()), |_| 0);
    let options = ReplayOptions::new(address(SERVER)).wait(Duration::from_secs(1));
    let (source, destination) = (address(CLIENT), address(SERVER));
    let captured = ReplayDatagram::new(source, destination, b"12345".to_vec()).number(1).at(Duration::ZERO);
    assert_counted_alike(
        "replay",
        Replay::new(options, Sources::new(1), || Ok([Ok(captured.clone())].into_iter())),
        |_| 0,
    );
}
