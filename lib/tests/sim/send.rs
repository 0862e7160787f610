//! `send` in virtual time: what closes a request, and what does not.

use std::io;
use std::time::{Duration, Instant};

use udpkit::verbs::{Requests, SendOptions, Sender};
use udpkit::{Cause, Datagram, Engine, Meta, Next, Report, SendFailure, Transmit, Unreachable};

use crate::network::{Link, Mail, Network, Said};
use crate::{OTHER, SERVER, address, repeated};

const MS: Duration = Duration::from_millis(1);

/// A client whose network is played by hand, with the time.
struct Client {
    sender: Sender,
    mail: Mail,
    now: Instant,
}

impl Client {
    /// Makes these requests, as many of them as are due at once.
    fn new(options: SendOptions, requests: Requests) -> Self {
        let mut client = Self {
            sender: Sender::new(options, requests),
            mail: Mail::default(),
            now: Network::new(Link::PERFECT, 0).now,
        };
        client.wait(Duration::ZERO);
        client
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.sender.tick(self.now, &mut self.mail);
    }

    fn refuse(&mut self, destination: &str, cause: Cause, payload: &str) {
        let mut unreachable = Unreachable::new(address(destination), None, cause);
        unreachable.payload = payload.as_bytes().to_vec();
        self.sender.unreachable(self.now, &unreachable, &mut self.mail);
    }

    fn fail(&mut self, count: usize, bytes: usize) {
        let error = io::ErrorKind::NetworkUnreachable.into();
        let failure = SendFailure { transmit: Transmit::to(address(SERVER)), count, bytes, error };
        self.sender.failed(self.now, &failure, &mut self.mail);
    }

    /// The server answers; returns the number of the request that it is credited to, if that is certain.
    fn answer(&mut self, payload: &str) -> Option<u64> {
        let meta = Meta::new(address(SERVER));
        let datagram = Datagram { payload: payload.as_bytes(), wire_len: payload.len(), meta: &meta };
        self.sender.receive(self.now, 0, &datagram, &mut self.mail);
        match self.mail.said.pop() {
            Some(Said::Reply { request, .. }) => request,
            said => panic!("no reply: {said:?}"),
        }
    }

    fn report(&self) -> Report {
        let report = self.sender.report();
        assert!(report.is_balanced(), "{report:?}");
        report
    }
}

fn at_once() -> SendOptions {
    SendOptions::new(address(SERVER))
}

#[test]
fn what_was_too_big_stays_open_and_is_sent_again() {
    for mtu in [0, 1400] {
        let options = SendOptions { retries: 1, ..at_once() };
        let mut client = Client::new(options, Requests::one("large"));
        client.refuse(SERVER, Cause::TooBig { mtu }, "large");
        assert_eq!(client.mail.said, [Said::Unreachable(Cause::TooBig { mtu })]);
        assert_eq!(client.sender.next(), Next::At(client.now + 1000 * MS));
        client.wait(1000 * MS);
        assert_eq!(client.mail.sent.len(), 2, "it may get through in fragments");
        assert_eq!(client.answer("small"), Some(1));
        assert_eq!(client.sender.next(), Next::Done);
        let report = client.report();
        assert_eq!((report.unreachable, report.requests_answered), (1, 1));
    }
}

#[test]
fn what_was_refused_is_not_waited_for() {
    let causes = [
        Cause::Port,
        Cause::Host,
        Cause::Network,
        Cause::Prohibited,
        Cause::HopLimit,
        Cause::Other { kind: 3, code: 5 },
    ];
    for cause in causes {
        let mut client = Client::new(at_once(), Requests::one("x"));
        client.refuse(OTHER, cause, "x");
        assert_ne!(client.sender.next(), Next::Done, "somebody else was refused");
        client.refuse(SERVER, cause, "x");
        assert_eq!(client.sender.next(), Next::Done, "{cause}");
        assert_eq!(client.mail.said, [(); 2].map(|()| Said::Unreachable(cause)));
        assert_eq!((client.report().unreachable, client.report().requests_answered), (2, 0));
    }
}

#[test]
fn the_request_that_a_report_quotes_is_closed_and_the_oldest_without_a_quote() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.refuse(SERVER, Cause::Port, "tw");
    assert_eq!((client.answer("three"), client.answer("one")), (Some(3), Some(1)));
    assert_eq!(client.sender.next(), Next::Done);

    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.refuse(SERVER, Cause::Port, "other");
    assert_eq!((client.answer("three"), client.answer("two")), (Some(3), Some(2)));
    assert_eq!(client.sender.next(), Next::Done);
}

#[test]
fn what_could_not_be_sent_is_not_waited_for_and_not_counted_as_sent() {
    let mut client = Client::new(at_once(), repeated(&["one", "two", "three"], 1));
    client.fail(2, 8);
    assert_eq!(client.mail.said, [Said::SendFailed(2)]);
    let report = client.report();
    assert_eq!((report.send_failed, report.sent.datagrams, report.sent.bytes), (2, 1, 3));
    assert_eq!(client.answer("one"), Some(1));
    assert_eq!(client.sender.next(), Next::Done);
    // More than are open is no reason to panic.
    client.fail(1, 3);
    assert_eq!(client.report().sent.datagrams, 0);
}
