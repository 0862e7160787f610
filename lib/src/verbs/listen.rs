//! `listen`: hands on every datagram that arrives and was asked for, and counts the rest by reason.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::common::{Ending, Gate, Limits, is_other_destination};
use crate::datagram::{Datagram, Meta, SendFailure, Train};
use crate::engine::{Closed, Engine, Next, Outbox};
use crate::error::Error;
use crate::event::{Event, IgnoredDatagrams, Reason, Received, Refusal, SendFailed};
use crate::interface::Interfaces;
use crate::network::Network;
use crate::payload_match::PayloadMatch;
use crate::report::Report;
use crate::setters::setters;
use crate::socket_id::SocketId;
use crate::unreachable::Unreachable;

/// How long datagrams may gather: the smallest usual buffer, of 256 short datagrams, lasts longer at 2 million a second.
const REST: Duration = Duration::from_micros(100);

/// What `listen` is asked for.
#[derive(Default)]
#[non_exhaustive]
pub struct ListenOptions {
    /// Networks whose datagrams are wanted; all where there are none.
    pub from: Vec<Network>,
    /// A test that payloads must pass.
    pub matching: Option<PayloadMatch>,
    /// Names of the interfaces whose datagrams are wanted; all where there are none.
    pub interfaces: Vec<String>,
    /// For each socket, the only destination wanted there, if it hears others too.
    pub destinations: Vec<Option<IpAddr>>,
    /// When to end; datagrams handed on are counted.
    pub limits: Limits,
}

setters! { ListenOptions {
    into from: Vec<Network>,
    into matching: Option<PayloadMatch>,
    into interfaces: Vec<String>,
    into destinations: Vec<Option<IpAddr>>,
    limits: Limits,
}}

impl fmt::Debug for ListenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenOptions").field("from", &self.from).finish_non_exhaustive()
    }
}

/// The engine of `listen`.
///
/// ```
/// use std::sync::Arc;
/// use udpkit::verbs::{Limits, Listen, ListenOptions};
///
/// // The first hundred datagrams of this network that are no longer than 64 bytes.
/// let network = "192.0.2.0/24".parse().unwrap();
/// let short: udpkit::PayloadMatch = Arc::new(|payload| payload.len() <= 64);
/// let options = ListenOptions::default().from([network]).matching(short).limits(Limits::default().count(100));
/// let engine = Listen::new(options);
/// # let _ = engine;
/// ```
#[derive(Debug)]
pub struct Listen {
    options: ListenOptions,
    gate: Gate,
    ending: Ending,
    report: Report,
}

impl Listen {
    /// An engine with these options.
    #[must_use]
    pub fn new(options: ListenOptions) -> Self {
        let gate = Gate::new(options.interfaces.clone());
        let ending = Ending::new(options.limits);
        Self { options, gate, ending, report: Report::default() }
    }

    /// Why no datagram with these headers is wanted.
    fn unwanted(&self, via: SocketId, meta: &Meta) -> Option<Reason> {
        let from = &self.options.from;
        if self.ending.over {
            Some(Reason::AfterEnd)
        } else if !self.gate.admits(meta) {
            Some(Reason::OtherInterface)
        } else if is_other_destination(&self.options.destinations, via, meta) {
            Some(Reason::OtherDestination)
        } else if !from.is_empty() && !from.iter().any(|network| network.contains(meta.source.ip())) {
            Some(Reason::OtherSource)
        } else {
            None
        }
    }

    /// Whether each datagram is decided on by itself, and not all of a train together.
    fn is_each_its_own(&self) -> bool {
        self.options.matching.is_some() || self.options.limits.count.is_some()
    }

    /// Decides on datagrams that have one fate.
    fn decide(&mut self, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        let (meta, count) = (train.meta(), train.count());
        self.report.received.add(count, train.wire_len());
        self.report.truncated += u64::from(train.is_truncated());
        let matching = self.options.matching.as_ref();
        let no_match = || matching.is_some_and(|matches| !matches(train.payload())).then_some(Reason::NoMatch);
        if let Some(reason) = self.unwanted(via, meta).or_else(no_match) {
            self.report.ignored.add(reason, count);
            return out.emit(Event::Ignored(IgnoredDatagrams { meta, reason, count }));
        }
        self.report.delivered += count as u64;
        self.ending.count(self.report.delivered);
        out.emit(Event::Received(Received { via, train }));
    }
}

impl Engine for Listen {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.decide(via, Train::one(datagram), out);
    }

    fn receive_train(&mut self, _now: Instant, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        // Of a train that was cut off, several datagrams may be truncated: each counts.
        if self.is_each_its_own() || train.is_truncated() {
            for datagram in train.datagrams() {
                self.decide(via, Train::one(&datagram), out);
            }
        } else {
            self.decide(via, train, out);
        }
    }

    fn tick(&mut self, now: Instant, _out: &mut impl Outbox) {
        self.ending.tick(now);
    }

    fn next(&self) -> Next {
        self.ending.next()
    }

    fn rest(&self) -> Duration {
        REST
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        out.emit(Event::Unreachable(Refusal { unreachable, request: None, copy: false }));
    }

    fn closed(&mut self, _now: Instant, _via: SocketId, _error: &Error, _out: &mut impl Outbox) -> Closed {
        Closed::Reopen
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.send_failed += failure.count as u64;
        out.emit(Event::SendFailed(SendFailed { via, failure }));
    }

    fn interfaces(&mut self, interfaces: &Interfaces) {
        self.gate.set_interfaces(interfaces);
    }

    fn report(&self) -> Report {
        self.report.clone()
    }
}
