//! `serve`: answers every datagram that arrives, each peer from one socket, from the address that was asked.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::common::{Ending, Gate, Limits, is_other_destination, later};
use super::later::{Later, Pending};
use crate::answer::Answer;
use crate::conduct::{Conduct, Guard};
use crate::datagram::{Datagram, Delivery, Meta, SendFailure, Train, Transmit, max_payload};
use crate::engine::{Closed, Engine, Next, Outbox};
use crate::error::Error;
use crate::event::{Answered, Event, IgnoredDatagrams, Question, Reason, Refusal, SendFailed};
use crate::impairment::Impairment;
use crate::interface::Interfaces;
use crate::moment::Moment;
use crate::report::{Figures, Report, add, debug_counters};
use crate::rules::Reply;
use crate::setters::setters;
use crate::socket_id::SocketId;
use crate::stats::Quantiles;
use crate::template::Known;
use crate::unreachable::Unreachable;

/// What `serve` is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The reply to each datagram.
    pub answer: Answer,
    /// The guards that decide who gets a reply.
    pub conduct: Conduct,
    /// The addresses of the sockets it is driven with.
    pub own: Vec<SocketAddr>,
    /// Names of the interfaces whose datagrams are answered; all where there are none.
    pub interfaces: Vec<String>,
    /// For each socket, the only destination answered there, if it hears others too.
    pub destinations: Vec<Option<IpAddr>>,
    /// The number of datagrams or the time after which to end.
    pub limits: Limits,
    /// Whether to tell of each answer ([`Event::Answered`]).
    pub verbose: bool,
    /// Whether to measure how long each answer takes ([`ServeFigures::answer_times`]); sockets whose datagrams have
    /// [timestamps](crate::Options::timestamps) count what they waited for in the socket.
    pub times_answers: bool,
    /// One moment on both clocks, for replies that tell the time where the system does not tell that of arrival.
    pub clock: Option<Moment>,
}

setters! { ServeOptions {
    into answer: Answer,
    conduct: Conduct,
    into own: Vec<SocketAddr>,
    into interfaces: Vec<String>,
    into destinations: Vec<Option<IpAddr>>,
    limits: Limits,
    verbose: bool,
    times_answers: bool,
    into clock: Option<Moment>,
}}

impl ServeOptions {
    /// Answers everybody with this, with every guard on.
    #[must_use]
    pub fn new(answer: impl Into<Answer>, own: Vec<SocketAddr>) -> Self {
        Self {
            answer: answer.into(),
            conduct: Conduct::default(),
            own,
            interfaces: Vec::new(),
            destinations: Vec::new(),
            limits: Limits::default(),
            verbose: false,
            times_answers: false,
            clock: None,
        }
    }
}

/// What a program may hand to [`Serve`] while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ServeInput {
    /// What to answer from now on.
    Answer(Answer),
    /// The reply to a [question](Event::Question), or why there is none. Exhaustive: a question needs no more.
    Reply {
        /// The ticket of the question.
        ticket: u64,
        /// The reply's payload.
        reply: Result<Vec<u8>, Reason>,
    },
}

/// What [`Serve`] counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ServeFigures {
    /// Of what was received: answered, the answer handed to the kernel.
    pub answered: u64,
    /// Of it: to be answered, but the answer could not be sent.
    pub reply_failed: u64,
    /// Of it: taken without answering, as asked (`--sink`).
    pub sunk: u64,
    /// From its arrival to when its answer was handed over to be sent, where [asked for](ServeOptions::times_answers).
    pub answer_times: Quantiles,
}

debug_counters! { ServeFigures {
    answered,
    reply_failed,
    sunk,
    answer_times,
}}

impl Figures for ServeFigures {
    fn used(&self) -> u64 {
        self.answered + self.reply_failed + self.sunk
    }

    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.answered, other.answered),
            (&mut self.reply_failed, other.reply_failed),
            (&mut self.sunk, other.sunk),
        ]);
        self.answer_times.merge(&other.answer_times);
    }
}

/// The engine of `serve`.
///
/// ```
/// use udpkit::verbs::{Limits, Serve, ServeOptions};
/// use udpkit::{Answer, Conduct, Socket};
///
/// # fn main() -> udpkit::Result<()> {
/// // The guards need sockets that tell what they go by.
/// let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &Conduct::default().socket_options())?;
/// let options = ServeOptions::new(Answer::fixed("pong"), vec![socket.local_address()]);
/// let engine = Serve::new(options.limits(Limits::default().count(1000)));
/// # let _ = engine;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Serve {
    options: ServeOptions,
    /// A fixed answer, written as often as fits one train: a run of requests is answered with a part of it.
    fixed_train: Vec<u8>,
    guard: Guard,
    gate: Gate,
    ending: Ending,
    later: Later,
    interfaces: Interfaces,
    /// What becomes of the replies of each rule; known from the first call with a time on.
    impairments: Option<Vec<Impairment>>,
    common: Arc<Common>,
    /// Whether this is the worker that decides on broadcasts and multicasts, of which each worker gets a copy.
    decides_groups: bool,
    /// Where replies are made.
    scratch: Vec<u8>,
    report: Report<ServeFigures>,
}

/// What the workers of a server have in common.
#[derive(Debug, Default)]
struct Common {
    /// Replies that told their number.
    count: AtomicU64,
    /// Of the answers after which all end, those that were given or are being given.
    claimed: AtomicU64,
    /// Key of the hashes by which peers are counted.
    key: RandomState,
}

/// Copies of a fixed answer that are kept ready; the kernel coalesces no more than 64 datagrams.
const FIXED_COPIES: usize = 64;

impl Serve {
    /// An engine with these options.
    #[must_use]
    pub fn new(options: ServeOptions) -> Self {
        let guard = Guard::new(options.conduct, &options.own);
        Self::make(options, guard, Arc::default(), true)
    }

    /// The engine of a further worker of the same server, with sockets at the same places.
    ///
    /// Rate limits, numbers of replies and the count after which to end are those of the server, whichever worker replies. Broadcasts and multicasts,
    /// of which each worker gets a copy, are left to the first one.
    #[must_use]
    pub fn worker(&self) -> Self {
        Self::make(self.options.clone(), self.guard.sharing(), Arc::clone(&self.common), false)
    }

    fn make(options: ServeOptions, guard: Guard, common: Arc<Common>, decides_groups: bool) -> Self {
        let mut serve = Self {
            fixed_train: Vec::new(),
            guard,
            gate: Gate::new(options.interfaces.clone()),
            ending: Ending::new(options.limits),
            later: Later::default(),
            interfaces: Interfaces::default(),
            impairments: None,
            common,
            decides_groups,
            scratch: Vec::new(),
            report: Report::default(),
            options,
        };
        serve.set_answer(serve.options.answer.clone());
        serve
    }

    fn set_answer(&mut self, answer: Answer) {
        self.fixed_train = match &answer {
            Answer::Fixed(reply) => reply.repeat(FIXED_COPIES.min(1 + 65_000 / reply.len().max(1))),
            _ => Vec::new(),
        };
        self.impairments = None;
        self.options.answer = answer;
    }

    /// Whether what a datagram came to is what is answered here.
    fn admit(&self, via: SocketId, meta: &Meta) -> Result<(), Reason> {
        if !self.gate.admits(meta) {
            return Err(Reason::OtherInterface);
        }
        if is_other_destination(&self.options.destinations, via, meta) {
            return Err(Reason::OtherDestination);
        }
        Ok(())
    }

    /// How requests of one source are answered that have a plain answer, and how many of them may be now; `request_len` is
    /// that of each.
    fn judge(
        &self,
        now: Instant,
        via: SocketId,
        meta: &Meta,
        (request, request_len): (&[u8], usize),
        count: usize,
    ) -> Result<(Transmit, usize), Reason> {
        self.admit(via, meta)?;
        let (fixed, reply_len) = match &self.options.answer {
            Answer::Fixed(reply) => (Some(reply.as_slice()), reply.len()),
            Answer::Echo => (None, request_len),
            _ => return Ok((self.guard.reply(meta), count)),
        };
        let hop_limit = self.guard.request(meta, request, fixed)?;
        if fixed.is_none() && request.len() < request_len {
            return Err(Reason::Truncated);
        }
        let allowed = self.guard.replies(now, meta.source.ip(), request_len, reply_len, count)?;
        Ok((Transmit { hop_limit, ..self.guard.reply(meta) }, allowed))
    }

    /// Whether a run can be judged and answered as one: nothing in it calls for a look at each datagram.
    fn as_one(&self, train: &Train<'_>) -> bool {
        let fits = match &self.options.answer {
            Answer::Fixed(reply) => {
                let own_reply = reply.len() == train.segment_len()
                    && train.payload().chunks(reply.len().max(1)).any(|payload| payload == reply);
                !own_reply && !reply.is_empty() && self.fixed_train.len() >= train.count() * reply.len()
            }
            answer => answer.is_plain(),
        };
        let even = train.wire_len() == train.segment_len() * train.count();
        let alone = self.options.verbose || self.options.limits.count.is_some();
        fits && even && !alone && !train.is_truncated()
    }

    /// Counts datagrams as received; false for copies of what another worker decides on.
    fn take(&mut self, meta: &Meta, count: usize, wire_len: usize) -> bool {
        if !self.decides_groups && matches!(meta.delivery, Delivery::Broadcast | Delivery::Multicast) {
            self.report.copies += count as u64;
            return false;
        }
        self.report.received.add(count, wire_len);
        self.report.peers.add(self.common.key.hash_one(meta.source));
        true
    }

    fn ignore(&mut self, meta: &Meta, reason: Reason, count: usize, out: &mut impl Outbox) {
        self.report.ignored.add(reason, count);
        out.emit(Event::Ignored(IgnoredDatagrams { meta, reason, count }));
    }

    /// Measures how long this many answers took, where that is asked for.
    fn time_answers(&mut self, arrived: Instant, count: usize, out: &impl Outbox) {
        if self.options.times_answers {
            let took = out.clock().monotonic.saturating_duration_since(arrived);
            std::iter::repeat_n(took, count).for_each(|took| self.report.own.answer_times.add(took));
        }
    }

    /// Takes one of the answers after which all workers end; this error where none is left.
    fn claim(&mut self, or: Reason) -> Result<(), Reason> {
        let Some(most) = self.options.limits.count else { return Ok(()) };
        let before = self.common.claimed.fetch_add(1, Ordering::Relaxed);
        self.ending.count(before.saturating_add(1));
        if before < most { Ok(()) } else { Err(or) }
    }

    /// Answers with what costs nothing to make.
    fn answer_plainly(
        &mut self,
        now: Instant,
        via: SocketId,
        datagram: &Datagram<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), Reason> {
        let meta = datagram.meta;
        let (transmit, _) = self.judge(now, via, meta, (datagram.payload, datagram.wire_len), 1)?;
        self.claim(Reason::AfterEnd)?;
        let reply = match &self.options.answer {
            Answer::Fixed(reply) => reply,
            Answer::Echo => datagram.payload,
            _ => {
                self.report.own.sunk += 1;
                return Ok(());
            }
        };
        out.send(via, &transmit, reply);
        if self.options.verbose {
            out.emit(Event::Answered(Answered { via, datagram: *datagram, reply }));
        }
        self.report.own.answered += 1;
        self.report.sent.add(1, reply.len());
        self.time_answers(now, 1, out);
        Ok(())
    }

    /// Answers with what must be made for this very datagram.
    fn answer_one(
        &mut self,
        now: Instant,
        via: SocketId,
        datagram: &Datagram<'_>,
        out: &mut impl Outbox,
    ) -> Result<(), Reason> {
        let meta = datagram.meta;
        self.admit(via, meta)?;
        let transmit =
            Transmit { hop_limit: self.guard.request(meta, datagram.payload, None)?, ..self.guard.reply(meta) };
        if datagram.is_truncated() {
            return Err(Reason::Truncated);
        }
        let request = self.options.verbose.then(|| datagram.payload.to_vec());
        let pending = Pending { via, transmit, arrived: now, meta: *meta, request_len: datagram.wire_len, request };
        if let Answer::Ask { most } = self.options.answer {
            return self.ask(now, pending, datagram, most, out);
        }
        let mut reply = std::mem::take(&mut self.scratch);
        reply.clear();
        let outcome = match self.make_reply(now, datagram, &mut reply) {
            Ok(Duration::ZERO) => self.reply(now, &pending, &reply, true, out),
            Ok(wait) => self.hold_back(now, wait, pending, &reply),
            Err(reason) => Err(reason),
        };
        self.scratch = reply;
        outcome
    }

    /// Hands a datagram to the program around the engine. The rate counts beforehand, since making a reply is dear.
    fn ask(
        &mut self,
        now: Instant,
        pending: Pending,
        datagram: &Datagram<'_>,
        most: usize,
        out: &mut impl Outbox,
    ) -> Result<(), Reason> {
        if !self.later.may_ask(&pending, most) {
            return Err(Reason::Busy);
        }
        self.guard.rate(now, pending.meta.source.ip(), 1)?;
        let via = pending.via;
        let ticket = self.later.ask(pending);
        self.report.waiting += 1;
        out.emit(Event::Question(Question { ticket, via, datagram: *datagram }));
        Ok(())
    }

    /// Makes the reply to a datagram; returns how long it is to be held back.
    fn make_reply(&mut self, now: Instant, datagram: &Datagram<'_>, reply: &mut Vec<u8>) -> Result<Duration, Reason> {
        let (template, wait) = match &self.options.answer {
            Answer::Template(template) => (template, Duration::ZERO),
            Answer::Rules(rules) => {
                let (place, rule) = rules.first(datagram).ok_or(Reason::NoRule)?;
                let impairments = self.impairments.get_or_insert_with(|| rules.impairments(now));
                let fates = impairments[place].datagram(now, datagram.wire_len);
                let wait = fates.original.departure().map(|it| it.at.saturating_duration_since(now));
                match (rule.answer(), wait) {
                    (Reply::Nothing, _) => return Err(Reason::RuleSilent),
                    (_, None) => return Err(Reason::RuleLoss),
                    (Reply::Template(template), Some(wait)) => (template, wait),
                    (Reply::InTurn(turns), Some(wait)) => (turns.next().ok_or(Reason::RuleSilent)?, wait),
                    (Reply::Echo, Some(wait)) => {
                        reply.extend_from_slice(datagram.payload);
                        return Ok(wait);
                    }
                }
            }
            Answer::With(make) => {
                *reply = make(datagram).ok_or(Reason::NoReply)?;
                return Ok(Duration::ZERO);
            }
            Answer::Fixed(_) | Answer::Echo | Answer::Sink | Answer::Ask { .. } => return Err(Reason::NoReply),
        };
        let meta = datagram.meta;
        let known = Known {
            datagram,
            count: if template.counts() { self.common.count.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 },
            time: meta.received.or_else(|| self.options.clock.map(|clock| clock.utc_at(now))),
            interface: meta.interface.and_then(|index| self.interfaces.numbered(index)).map(|it| it.name.as_str()),
        };
        template.render(&known, reply, max_payload(meta.source.ip()));
        Ok(wait)
    }

    /// Sends a reply now; `charge` counts it against the rate, where that was not done when it was asked for.
    fn reply(
        &mut self,
        now: Instant,
        pending: &Pending,
        reply: &[u8],
        charge: bool,
        out: &mut impl Outbox,
    ) -> Result<(), Reason> {
        let source = pending.meta.source.ip();
        if charge {
            self.guard.replies(now, source, pending.request_len, reply.len(), 1)?;
        } else {
            self.guard.size(source, pending.request_len, reply.len())?;
        }
        self.claim(if charge { Reason::AfterEnd } else { Reason::Unfinished })?;
        out.send(pending.via, &pending.transmit, reply);
        if let Some(request) = &pending.request {
            let datagram = Datagram { payload: request, wire_len: pending.request_len, meta: &pending.meta };
            out.emit(Event::Answered(Answered { via: pending.via, datagram, reply }));
        }
        self.report.own.answered += 1;
        self.report.sent.add(1, reply.len());
        self.time_answers(pending.arrived, 1, out);
        Ok(())
    }

    fn hold_back(&mut self, now: Instant, wait: Duration, pending: Pending, reply: &[u8]) -> Result<(), Reason> {
        self.guard.replies(now, pending.meta.source.ip(), pending.request_len, reply.len(), 1)?;
        if !self.later.delay(later(now, wait), pending, reply) {
            return Err(Reason::Busy);
        }
        self.report.waiting += 1;
        Ok(())
    }

    /// Sends a reply that was waited for, or counts why there is none.
    fn settle(&mut self, now: Instant, pending: &Pending, reply: Result<&[u8], Reason>, out: &mut impl Outbox) {
        self.report.waiting -= 1;
        let outcome = match reply {
            _ if self.ending.over => Err(Reason::Unfinished),
            Ok(reply) => self.reply(now, pending, reply, false, out),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = outcome {
            self.ignore(&pending.meta, reason, 1, out);
        }
    }
}

impl Engine for Serve {
    type Input = ServeInput;
    type Figures = ServeFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        if !self.take(datagram.meta, 1, datagram.wire_len) {
            return;
        }
        self.report.truncated += u64::from(datagram.is_truncated());
        let outcome = if self.ending.over {
            Err(Reason::AfterEnd)
        } else if self.options.answer.is_plain() {
            self.answer_plainly(now, via, datagram, out)
        } else {
            self.answer_one(now, via, datagram, out)
        };
        if let Err(reason) = outcome {
            self.ignore(datagram.meta, reason, 1, out);
        }
    }

    fn receive_train(&mut self, now: Instant, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        let count = train.count();
        if count == 1 || self.ending.over || !self.as_one(&train) {
            for datagram in train.datagrams() {
                self.receive(now, via, &datagram, out);
            }
            return;
        }
        let meta = train.meta();
        if !self.take(meta, count, train.wire_len()) {
            return;
        }
        let first = (&train.payload()[..train.segment_len()], train.segment_len());
        let (transmit, allowed) = match self.judge(now, via, meta, first, count) {
            Ok(judged) => judged,
            Err(reason) => return self.ignore(meta, reason, count, out),
        };
        if matches!(self.options.answer, Answer::Sink) {
            self.report.own.sunk += count as u64;
            return;
        }
        if allowed < count {
            self.ignore(meta, Reason::RateLimit, count - allowed, out);
        }
        let (payload, segment) = match &self.options.answer {
            Answer::Fixed(reply) => (&self.fixed_train[..reply.len() * allowed], reply.len()),
            _ => (&train.payload()[..train.segment_len() * allowed], train.segment_len()),
        };
        out.send_train(via, &transmit, payload, segment);
        self.report.own.answered += allowed as u64;
        self.report.sent.add(allowed, payload.len());
        self.time_answers(now, allowed, out);
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        self.ending.tick(now);
        while let Some((pending, reply)) = self.later.pop_due(now) {
            self.settle(now, &pending, Ok(&reply), out);
        }
    }

    fn next(&self) -> Next {
        match (self.ending.next(), self.later.next_due()) {
            (Next::At(end), Some(due)) => Next::At(end.min(due)),
            (Next::Datagram, Some(due)) => Next::At(due),
            (next, _) => next,
        }
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        out.emit(Event::Unreachable(Refusal { unreachable, request: None, copy: false }));
    }

    fn closed(&mut self, _now: Instant, _via: SocketId, _error: &Error, _out: &mut impl Outbox) -> Closed {
        Closed::Reopen
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.own.answered -= failure.count as u64;
        if self.options.limits.count.is_some() {
            self.common.claimed.fetch_sub(failure.count as u64, Ordering::Relaxed);
        }
        self.report.own.reply_failed += failure.count as u64;
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        out.emit(Event::SendFailed(SendFailed { via, failure }));
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, now: Instant, input: ServeInput, out: &mut impl Outbox) {
        match input {
            ServeInput::Answer(answer) => self.set_answer(answer),
            ServeInput::Reply { ticket, reply } => {
                if let Some(pending) = self.later.answered(ticket) {
                    self.settle(now, &pending, reply.as_deref().map_err(|reason| *reason), out);
                }
            }
        }
    }

    fn finish(&mut self, _now: Instant, out: &mut impl Outbox) {
        for pending in std::mem::take(&mut self.later).into_pending() {
            self.report.waiting -= 1;
            self.ignore(&pending.meta, Reason::Unfinished, 1, out);
        }
    }

    fn interfaces(&mut self, interfaces: &Interfaces) {
        self.guard.set_interfaces(interfaces);
        self.gate.set_interfaces(interfaces);
        self.interfaces = interfaces.clone();
    }

    fn report(&self) -> Report<ServeFigures> {
        self.report.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_used;

    #[test]
    fn what_was_to_be_answered_ends_in_one_counter_and_that_of_workers_is_added_up() {
        assert_used::<ServeFigures>(&[
            |report| report.own.answered = 1,
            |report| report.own.reply_failed = 1,
            |report| report.own.sunk = 1,
        ]);
        let figures = |unit: u64| ServeFigures {
            answered: unit,
            reply_failed: 2 * unit,
            sunk: 3 * unit,
            ..ServeFigures::default()
        };
        let mut both = figures(1);
        both.merge(&figures(2));
        assert_eq!(both, figures(3));
    }
}
