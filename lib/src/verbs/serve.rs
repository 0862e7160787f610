//! `serve`: answers every datagram that arrives, each peer from one socket, from the address that was asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::{Ending, Gate, Limits, is_other_destination};
use crate::batch::{Datagram, Meta, SendFailure, Train, Transmit};
use crate::conduct::{Conduct, Guard};
use crate::engine::{Engine, Next, Outbox};
use crate::event::{Event, Reason, Report};
use crate::interface::Interfaces;
use crate::socket::Unreachable;

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Always this payload.
    Fixed(Vec<u8>),
    /// The payload of the request.
    Echo,
    /// Nothing: datagrams are taken and counted.
    Sink,
}

/// What `serve` is asked for.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// What to answer.
    pub answer: Answer,
    /// Whom to answer.
    pub conduct: Conduct,
    /// The addresses of the sockets it is driven with.
    pub own: Vec<SocketAddr>,
    /// Names of the interfaces whose datagrams are answered; all where there are none.
    pub interfaces: Vec<String>,
    /// For each socket, the only destination answered there, if it hears others too.
    pub destinations: Vec<Option<IpAddr>>,
    /// When to end.
    pub limits: Limits,
    /// Whether to tell of each answer ([`Event::Answered`]).
    pub verbose: bool,
}

impl ServeOptions {
    /// Answers everybody with this, with every guard on.
    #[must_use]
    pub fn new(answer: Answer, own: Vec<SocketAddr>) -> Self {
        Self {
            answer,
            conduct: Conduct::default(),
            own,
            interfaces: Vec::new(),
            destinations: Vec::new(),
            limits: Limits::default(),
            verbose: false,
        }
    }
}

/// The engine of `serve`.
#[derive(Debug)]
pub struct Serve {
    answer: Answer,
    /// A fixed answer, written as often as fits one train: a run of requests is answered with a part of it.
    fixed_train: Vec<u8>,
    guard: Guard,
    gate: Gate,
    destinations: Vec<Option<IpAddr>>,
    ending: Ending,
    verbose: bool,
    report: Report,
}

/// Copies of a fixed answer that are kept ready; the kernel coalesces no more than 64 datagrams.
const FIXED_COPIES: usize = 64;

impl Serve {
    /// An engine with these options.
    #[must_use]
    pub fn new(options: ServeOptions) -> Self {
        let fixed_train = match &options.answer {
            Answer::Fixed(reply) => reply.repeat(FIXED_COPIES.min(1 + 65_000 / reply.len().max(1))),
            Answer::Echo | Answer::Sink => Vec::new(),
        };
        Self {
            answer: options.answer,
            fixed_train,
            guard: Guard::new(options.conduct, &options.own),
            gate: Gate::new(options.interfaces),
            destinations: options.destinations,
            ending: Ending::new(options.limits),
            verbose: options.verbose,
            report: Report::default(),
        }
    }

    /// Whether a request is answered, and if so how; `request_len` is that of each datagram of a run.
    fn judge(&self, via: usize, meta: &Meta, request: &[u8], request_len: usize) -> Result<Transmit, Reason> {
        if !self.gate.admits(meta) {
            return Err(Reason::OtherInterface);
        }
        if is_other_destination(&self.destinations, via, meta) {
            return Err(Reason::OtherDestination);
        }
        let mut transmit = meta.reply();
        let reply_len = match &self.answer {
            Answer::Sink => return Ok(transmit),
            Answer::Echo => request_len,
            Answer::Fixed(reply) => reply.len(),
        };
        self.guard.source(meta)?;
        match &self.answer {
            Answer::Fixed(reply) => self.guard.own_reply(request, reply)?,
            Answer::Echo if request.len() < request_len => return Err(Reason::Truncated),
            Answer::Echo | Answer::Sink => {}
        }
        transmit.hop_limit = self.guard.hop_limit(meta)?;
        self.guard.amplification(meta.source.ip(), request_len, reply_len)?;
        Ok(transmit)
    }

    /// Whether a run can be judged and answered as one: nothing in it calls for a look at each datagram.
    fn as_one(&self, train: &Train<'_>) -> bool {
        let own_reply = matches!(&self.answer, Answer::Fixed(reply) if reply.len() == train.segment_len()
            && train.payload().chunks(reply.len().max(1)).any(|payload| payload == reply));
        let even = train.wire_len() == train.segment_len() * train.count();
        let fits = matches!(self.answer, Answer::Echo | Answer::Sink)
            || self.fixed_train.len() >= train.count() * self.fixed_len() && self.fixed_len() > 0;
        !self.verbose && even && fits && !own_reply && !train.is_truncated() && self.ending.limits.count.is_none()
    }

    fn fixed_len(&self) -> usize {
        match &self.answer {
            Answer::Fixed(reply) => reply.len(),
            Answer::Echo | Answer::Sink => 0,
        }
    }

    fn ignore(&mut self, meta: &Meta, reason: Reason, count: usize, out: &mut impl Outbox) {
        self.report.ignored.add(reason, count);
        out.emit(Event::Ignored { meta, reason, count });
    }
}

impl Engine for Serve {
    fn receive(&mut self, now: Instant, via: usize, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        let meta = datagram.meta;
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        if self.ending.over {
            self.ignore(meta, Reason::AfterEnd, 1, out);
            return;
        }
        let transmit = match self.judge(via, meta, datagram.payload, datagram.wire_len) {
            Ok(transmit) => transmit,
            Err(reason) => return self.ignore(meta, reason, 1, out),
        };
        let reply = match &self.answer {
            Answer::Sink => {
                self.report.sunk += 1;
                self.ending.count(self.report.sunk);
                return;
            }
            Answer::Echo => datagram.payload,
            Answer::Fixed(reply) => reply,
        };
        if self.guard.rate(now, meta.source.ip(), 1) == 0 {
            return self.ignore(meta, Reason::RateLimit, 1, out);
        }
        out.send(via, &transmit, reply);
        if self.verbose {
            out.emit(Event::Answered { via, datagram: *datagram, reply });
        }
        self.report.answered += 1;
        self.report.sent.add(1, reply.len());
        self.ending.count(self.report.answered);
    }

    fn receive_train(&mut self, now: Instant, via: usize, train: Train<'_>, out: &mut impl Outbox) {
        let count = train.count();
        if count == 1 || self.ending.over || !self.as_one(&train) {
            for datagram in train.datagrams() {
                self.receive(now, via, &datagram, out);
            }
            return;
        }
        let meta = train.meta();
        self.report.received.add(count, train.wire_len());
        let transmit = match self.judge(via, meta, &train.payload()[..train.segment_len()], train.segment_len()) {
            Ok(transmit) => transmit,
            Err(reason) => return self.ignore(meta, reason, count, out),
        };
        if self.answer == Answer::Sink {
            self.report.sunk += count as u64;
            return;
        }
        let allowed = self.guard.rate(now, meta.source.ip(), count);
        if allowed < count {
            self.ignore(meta, Reason::RateLimit, count - allowed, out);
        }
        let (payload, segment) = match &self.answer {
            Answer::Fixed(reply) => (&self.fixed_train[..reply.len() * allowed], reply.len()),
            Answer::Echo | Answer::Sink => (&train.payload()[..train.segment_len() * allowed], train.segment_len()),
        };
        out.send_train(via, &transmit, payload, segment);
        self.report.answered += allowed as u64;
        self.report.sent.add(allowed, payload.len());
    }

    fn tick(&mut self, now: Instant, _out: &mut impl Outbox) {
        self.ending.tick(now);
    }

    fn next(&self) -> Next {
        self.ending.next()
    }

    fn unreachable(&mut self, _now: Instant, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        out.emit(Event::Unreachable { unreachable });
    }

    fn failed(&mut self, _now: Instant, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.answered -= failure.count as u64;
        self.report.reply_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        out.emit(Event::SendFailed { failure });
    }

    fn interfaces(&mut self, interfaces: &Interfaces) {
        self.guard.set_interfaces(interfaces);
        self.gate.set_interfaces(interfaces);
    }

    fn report(&self) -> Report {
        self.report.clone()
    }
}
