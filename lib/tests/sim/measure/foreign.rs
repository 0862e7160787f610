//! Reflectors that other people wrote: they know nothing of our extension, and some keep no memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use udpkit::stamp::{BASE_LEN, ErrorEstimate, Reply, Request, TWAMP_LIGHT_REPLY_LEN, Timestamp, TimestampFormat};
use udpkit::{Datagram, Engine, Next, Outbox, Report, SendFailure, SocketId, Unreachable};

/// What is peculiar about a foreign reflector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It numbers its replies, and copies the extensions.
    Stateful,
    /// It gives a reply the number of its request.
    Stateless,
    /// It numbers its replies, which end before the hop limit.
    TwampLight,
}

/// A reflector without our extension.
#[derive(Debug)]
pub(super) struct Foreign {
    kind: Kind,
    /// The number of the next reply, for each sender.
    sessions: BTreeMap<SocketAddr, u32>,
    report: Report,
}

impl Foreign {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, sessions: BTreeMap::new(), report: Report::default() }
    }
}

impl Engine for Foreign {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        let Ok((request, _)) = Request::read(datagram.payload, None) else { return };
        let next = self.sessions.entry(datagram.meta.source).or_default();
        let sequence = if self.kind == Kind::Stateless { request.sequence } else { *next };
        *next = next.wrapping_add(1);
        let format = TimestampFormat::Ntp;
        let time = |utc| Timestamp::from_utc(utc, format);
        let reply = Reply {
            sequence,
            sent: time(out.clock().utc),
            error: ErrorEstimate::of_bound(Duration::from_millis(1), format),
            ssid: 0,
            received: time(datagram.meta.received.unwrap()),
            request_sequence: request.sequence,
            request_sent: request.sent,
            request_error: request.error,
            request_hop_limit: datagram.meta.hop_limit,
        };
        let mut packet = Vec::new();
        reply.write(None, &mut packet);
        if self.kind == Kind::TwampLight {
            packet.truncate(TWAMP_LIGHT_REPLY_LEN);
        } else {
            packet.extend_from_slice(&datagram.payload[BASE_LEN..]);
        }
        out.send(via, &datagram.meta.reply(), &packet);
    }

    fn next(&self) -> Next {
        Next::Datagram
    }

    fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}

    fn failed(&mut self, _: Instant, _: SocketId, _: &SendFailure, _: &mut impl Outbox) {}

    fn report(&self) -> Report {
        self.report.clone()
    }
}
