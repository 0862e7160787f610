//! `send` to many, as one engine: requests to several destinations, each with a socket and with answers of its own.

use std::time::Instant;

use super::requests::Requests;
use super::send::{Send, SendFigures, SendOptions};
use crate::datagram::{Datagram, SendFailure, Transmit};
use crate::engine::{Engine, Next, Outbox};
use crate::event::Event;
use crate::feedback::SendTime;
use crate::moment::Moment;
use crate::report::Report;
use crate::socket_id::SocketId;
use crate::unreachable::Unreachable;

/// The engine of `send` where one host is asked at several ports: every destination gets every request.
///
/// Each has the socket of its place, so that an answer or a refusal is known to be from there, even where it comes from
/// another port. Requests are counted for each destination.
///
/// ```
/// use std::net::IpAddr;
/// use udpkit::Transmit;
/// use udpkit::verbs::{Requests, SendOptions, SendToMany};
///
/// let destinations = [5000, 5001, 5002].map(|port| Transmit::to((IpAddr::from([127, 0, 0, 1]), port).into()));
/// let options = SendOptions::new(destinations[0].destination);
/// // It is to be driven with three sockets.
/// let engine = SendToMany::new(&options, &destinations, &Requests::one("anyone?"));
/// # let _ = engine;
/// ```
#[derive(Debug)]
pub struct SendToMany {
    senders: Vec<Send>,
    /// Answers, from any destination, after which to end.
    count: Option<u64>,
}

impl SendToMany {
    /// A sender to each of these destinations, in the order of the sockets, with these options but for their
    /// [`transmit`](SendOptions::transmit).
    #[must_use]
    pub fn new(options: &SendOptions, destinations: &[Transmit], requests: &Requests) -> Self {
        let sender = |transmit: &Transmit| {
            let options = SendOptions { transmit: *transmit, count: None, ..options.clone() };
            Send::new(options, requests.clone())
        };
        Self { senders: destinations.iter().map(sender).collect(), count: options.count }
    }
}

/// The outbox of one of them.
struct Own<'a, O> {
    out: &'a mut O,
    via: SocketId,
}

impl<O: Outbox> Outbox for Own<'_, O> {
    fn send(&mut self, _via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.out.send(self.via, transmit, payload);
    }

    fn clock(&self) -> Moment {
        self.out.clock()
    }

    fn emit(&mut self, event: Event<'_>) {
        self.out.emit(event);
    }
}

impl Engine for SendToMany {
    type Input = Vec<u8>;
    type Figures = SendFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.senders[via.index()].receive(now, via, datagram, out);
        let delivered: u64 = self.senders.iter().map(Send::delivered).sum();
        if self.count.is_some_and(|most| delivered >= most) {
            self.senders.iter_mut().for_each(Send::end);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        for (place, sender) in self.senders.iter_mut().enumerate() {
            sender.tick(now, &mut Own { out, via: SocketId::first(place) });
        }
    }

    fn heard(&mut self, until: Instant) {
        self.senders.iter_mut().for_each(|sender| sender.heard(until));
    }

    fn next(&self) -> Next {
        let mut next = Next::Done;
        for sender in &self.senders {
            next = match (next, sender.next()) {
                (Next::At(one), Next::At(other)) => Next::At(one.min(other)),
                (Next::At(moment), _) | (_, Next::At(moment)) => Next::At(moment),
                (Next::Done, Next::Done) => Next::Done,
                (Next::Datagram, _) | (_, Next::Datagram) => Next::Datagram,
            };
        }
        next
    }

    fn unreachable(&mut self, now: Instant, via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.senders[via.index()].unreachable(now, via, unreachable, &mut Own { out, via });
    }

    fn sent(&mut self, now: Instant, via: SocketId, time: &SendTime, out: &mut impl Outbox) {
        self.senders[via.index()].sent(now, via, time, &mut Own { out, via });
    }

    fn failed(&mut self, now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.senders[via.index()].failed(now, via, failure, &mut Own { out, via });
    }

    fn wants_input(&self) -> bool {
        self.senders.iter().all(Send::wants_input)
    }

    fn input(&mut self, now: Instant, payload: Vec<u8>, out: &mut impl Outbox) {
        for (place, sender) in self.senders.iter_mut().enumerate() {
            sender.input(now, payload.clone(), &mut Own { out, via: SocketId::first(place) });
        }
    }

    fn input_ended(&mut self, now: Instant, out: &mut impl Outbox) {
        for (place, sender) in self.senders.iter_mut().enumerate() {
            sender.input_ended(now, &mut Own { out, via: SocketId::first(place) });
        }
    }

    fn report(&self) -> Report<SendFigures> {
        let mut reports = self.senders.iter().map(Send::report);
        let first = reports.next().unwrap_or_default();
        reports.fold(first, |mut all, report| {
            all.merge(&report);
            all
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::super::requests::Pace;
    use super::*;
    use crate::clock::now;
    use crate::datagram::Meta;
    use crate::event::{Refusal, Reply, ReplyTo, Request, Unanswered};
    use crate::unreachable::Cause;

    /// What was sent through which socket to which port, and what was said.
    #[derive(Default)]
    struct Mail {
        sent: Vec<(usize, u16, Vec<u8>)>,
        said: Vec<String>,
    }

    impl Outbox for Mail {
        fn clock(&self) -> Moment {
            Moment::now()
        }

        fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
            self.sent.push((via.index(), transmit.destination.port(), payload.to_vec()));
        }

        fn emit(&mut self, event: Event<'_>) {
            self.said.push(match event {
                Event::Reply(Reply { via, datagram, to: ReplyTo::Request(Request { number, rtt: Some(rtt) }) }) => {
                    format!("{}: port {} answers #{number} in {rtt:?}", via.index(), datagram.meta.source.port())
                }
                Event::Unanswered(Unanswered { destination, first, last }) if first == last => {
                    format!("port {}: no answer to #{first}", destination.port())
                }
                Event::Unreachable(Refusal { unreachable, request: Some(request), .. }) => {
                    format!("port {}: #{request} refused", unreachable.destination.port())
                }
                other => format!("{other:?}"),
            });
        }
    }

    const MS: Duration = Duration::from_millis(1);

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    fn to_ports(options: SendOptions, ports: &[u16], requests: &Requests) -> SendToMany {
        let destinations: Vec<_> = ports.iter().map(|port| Transmit::to(address(*port))).collect();
        SendToMany::new(&options, &destinations, requests)
    }

    fn answer(senders: &mut SendToMany, now: Instant, via: usize, port: u16, mail: &mut Mail) {
        let meta = Meta::new(address(port));
        senders.receive(now, SocketId::first(via), &Datagram { payload: b"same", wire_len: 4, meta: &meta }, mail);
    }

    #[test]
    fn every_port_gets_every_request_and_answers_are_matched_for_each() {
        let options = SendOptions { pace: Some(Pace::Interval(1000 * MS)), ..SendOptions::new(address(0)) };
        let requests = Requests::Fixed { payloads: vec![b"hi".to_vec()], repeat: Some(2) };
        let mut senders = to_ports(options, &[1, 2, 3], &requests);
        let (start, mut mail) = (now(), Mail::default());
        senders.tick(start, &mut mail);
        assert_eq!(mail.sent, [1, 2, 3].map(|port| (usize::from(port) - 1, port, b"hi".to_vec())));
        // Equal answers, out of order, and all certain: which socket they came through says whose they are.
        answer(&mut senders, start + 5 * MS, 2, 3, &mut mail);
        answer(&mut senders, start + 7 * MS, 0, 1, &mut mail);
        let mut refused = Unreachable::new(address(2), None, Cause::Port);
        refused.payload = b"hi".to_vec();
        senders.unreachable(start + 8 * MS, SocketId::first(1), &refused, &mut mail);
        assert_eq!(senders.next(), Next::At(start + 1000 * MS));
        senders.tick(start + 1000 * MS, &mut mail);
        assert_eq!(mail.sent.len(), 6);
        answer(&mut senders, start + 1003 * MS, 1, 2, &mut mail);
        senders.tick(start + 2000 * MS, &mut mail);
        let said = [
            "2: port 3 answers #1 in 5ms",
            "0: port 1 answers #1 in 7ms",
            "port 2: #1 refused",
            "1: port 2 answers #2 in 3ms",
            "port 1: no answer to #2",
            "port 3: no answer to #2",
        ];
        assert_eq!(mail.said, said);
        assert_eq!(senders.next(), Next::Done);
        let report = senders.report();
        assert!(report.is_balanced());
        assert_eq!((report.own.requests, report.own.requests_answered, report.unreachable), (6, 3, 1));
    }

    #[test]
    fn enough_answers_from_any_port_end_all() {
        let options = SendOptions { count: Some(2), wait: 1000 * MS, ..SendOptions::new(address(0)) };
        let mut senders = to_ports(options, &[1, 2, 3], &Requests::one("hi"));
        let (now, mut mail) = (now(), Mail::default());
        senders.tick(now, &mut mail);
        answer(&mut senders, now, 1, 2, &mut mail);
        assert_eq!(senders.next(), Next::At(now + 1000 * MS));
        answer(&mut senders, now, 2, 3, &mut mail);
        assert_eq!(senders.next(), Next::Done);
        answer(&mut senders, now, 0, 1, &mut mail);
        let report = senders.report();
        assert_eq!((report.delivered, report.ignored.total()), (2, 1));
        assert!(report.is_balanced());
    }

    #[test]
    fn input_goes_to_every_port_and_failures_to_their_own() {
        let mut senders = to_ports(SendOptions::new(address(0)), &[1, 2], &Requests::Stream);
        let (now, mut mail) = (now(), Mail::default());
        assert!(senders.wants_input());
        senders.input(now, b"line".to_vec(), &mut mail);
        senders.input_ended(now, &mut mail);
        senders.tick(now, &mut mail);
        assert_eq!(mail.sent, [(0, 1, b"line".to_vec()), (1, 2, b"line".to_vec())]);
        let error = std::io::ErrorKind::HostUnreachable.into();
        let failure = SendFailure { transmit: Transmit::to(address(2)), place: 0, count: 1, bytes: 4, error };
        senders.failed(now, SocketId::first(1), &failure, &mut mail);
        answer(&mut senders, now, 0, 1, &mut mail);
        assert_eq!(senders.next(), Next::Done);
        let report = senders.report();
        assert_eq!((report.sent.datagrams, report.send_failed, report.own.requests_answered), (1, 1, 1));
    }
}
