//! The load beside the probes: when it is sent, whether the reflector takes it without an answer, and how much of it arrived.

use std::time::Duration;

use super::flow::{Flow, Heard, Incoming, low};
use super::load_figures::{LoadFigures, LoadOutcome};
use super::load_options::LoadOptions;
use super::options::{LOAD_LEN, MeasureOptions};
use super::probe::Writer;
use crate::engine::Outbox;
use crate::report::Count;
use crate::socket_id::SocketId;
use crate::stamp::{Counters, Purpose, Timestamp};

/// Datagrams sent by one call at most, so that probes and replies come between them.
const BURST: usize = 64;
/// Questions before the load at most, until one is answered.
const QUESTIONS: u32 = 32;
/// The shortest time between them.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(10);
/// Numbers that are told apart in the session of the load, which has no probes.
const WINDOW: u64 = 64;
/// How late a datagram may leave: later ones are left out, so that a host that stood still sends no burst.
const MOST_LATE: Duration = Duration::from_millis(100);
/// Datagrams that are left out in one call at most.
const MOST_OMITTED: u64 = 1 << 20;

/// The load of a measurement.
#[derive(Debug)]
pub(super) struct Load {
    options: LoadOptions,
    pub(super) via: SocketId,
    /// When it begins, from the start.
    from: Duration,
    /// Asks before the load. Whoever answers with counters knows what a load is, and answers none of it; other reflectors would
    /// send all of it back.
    before: Flow,
    /// Asks after the load how much arrived. Its session is that of `before`.
    pub(super) after: Flow,
    /// What the reflector had counted when it began.
    begun_with: Option<Counters>,
    next_question: Duration,
    /// Datagrams that were handed out, or left out.
    made: u64,
    pushed: u64,
    /// What was handed to its socket since it was last taken.
    handed: Count,
    failed: u64,
    omitted: u64,
    outcome: LoadOutcome,
}

impl Load {
    /// That of a measurement, through its last socket; `None` where none is asked for.
    pub(super) fn new(options: &MeasureOptions) -> Option<Self> {
        let via = SocketId::first(options.flows());
        let flow = || Flow::new(via, WINDOW, options.wait);
        Some(Self {
            options: options.load?,
            via,
            from: options.load_from()?,
            before: flow(),
            after: flow(),
            begun_with: None,
            next_question: Duration::ZERO,
            made: 0,
            pushed: 0,
            handed: Count::default(),
            failed: 0,
            omitted: 0,
            outcome: LoadOutcome::Waiting,
        })
    }

    /// Asks how much of it arrived; with room for the answer.
    pub(super) fn question() -> Counters {
        Counters { load: Some(0), ..Counters::request(Purpose::Closing) }
    }

    /// Bytes of payload of that question.
    pub(super) fn question_size(options: &MeasureOptions) -> usize {
        options.full_size() + LOAD_LEN
    }

    /// Whether some of it was sent, so that the reflector is asked for it.
    pub(super) fn is_asking(&self) -> bool {
        self.pushed > 0
    }

    /// When there is something to do next, from the start.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.outcome {
            LoadOutcome::Waiting if self.may_ask() => Some(self.next_question.min(self.from)),
            LoadOutcome::Waiting => Some(self.from),
            LoadOutcome::Running => Some(self.datagram_due()),
            LoadOutcome::Refused | LoadOutcome::Ended | LoadOutcome::Unreachable => None,
        }
    }

    fn may_ask(&self) -> bool {
        !self.before.closing.is_answered() && self.before.pushed < u64::from(QUESTIONS)
    }

    /// When the next datagram is due, from the start.
    fn datagram_due(&self) -> Duration {
        self.from.saturating_add(self.options.pace.after(self.made, self.made.saturating_mul(self.options.size as u64)))
    }

    /// Asks whether the reflector knows a load, and begins when it is time. Whether it was refused now.
    pub(super) fn prepare(
        &mut self,
        elapsed: Duration,
        options: &MeasureOptions,
        writer: &mut Writer,
        out: &mut impl Outbox,
    ) -> bool {
        if self.outcome != LoadOutcome::Waiting {
            return false;
        }
        if elapsed >= self.from {
            let is_known = self.before.closing.has_counters;
            // An answer that comes after some of the load would not say what was before it.
            self.begun_with = self.before.counters.filter(|_| is_known);
            // It is the same session, which has answered.
            self.after.evidence.has_answered = is_known;
            self.outcome = if is_known { LoadOutcome::Running } else { LoadOutcome::Refused };
            return !is_known;
        }
        if self.may_ask() && self.next_question <= elapsed {
            self.next_question = elapsed + (self.from / QUESTIONS).max(BETWEEN_QUESTIONS);
            let number = self.before.closing_number();
            let time = Timestamp::from_utc(out.clock().utc, options.format);
            self.before.closing.asked.push(time);
            self.before.pushed += 1;
            let packet = writer.write(options, low(number), time, &Self::question(), Self::question_size(options));
            self.handed.add(1, packet.len());
            out.send(self.via, &options.transmit(), packet);
        }
        false
    }

    /// Sends what is due of it.
    pub(super) fn send_due(
        &mut self,
        elapsed: Duration,
        options: &MeasureOptions,
        writer: &mut Writer,
        out: &mut impl Outbox,
    ) {
        if self.outcome != LoadOutcome::Running {
            return;
        }
        for _ in 0..MOST_OMITTED {
            if self.datagram_due().saturating_add(MOST_LATE) >= elapsed {
                break;
            }
            self.made += 1;
            self.omitted += 1;
        }
        // Best effort, whatever the probes are: so it shows whether the network protects those.
        let transmit = options.transmit().traffic_class(0);
        for _ in 0..BURST {
            if self.datagram_due() > elapsed {
                break;
            }
            let time = Timestamp::from_utc(out.clock().utc, options.format);
            let packet =
                writer.write(options, low(self.made), time, &Counters::request(Purpose::Load), self.options.size);
            self.handed.add(1, packet.len());
            out.send(self.via, &transmit, packet);
            self.made += 1;
            self.pushed += 1;
        }
    }

    /// What was handed to its socket since the last call.
    pub(super) fn take_handed(&mut self) -> Count {
        std::mem::take(&mut self.handed)
    }

    /// Sends no more of it.
    pub(super) fn end(&mut self) {
        if self.outcome == LoadOutcome::Running {
            self.outcome = LoadOutcome::Ended;
        }
    }

    /// Nobody listens there any more: sends no more of it.
    pub(super) fn stop(&mut self) {
        if self.outcome == LoadOutcome::Running {
            self.outcome = LoadOutcome::Unreachable;
        }
    }

    /// Takes a reply that came by its socket.
    pub(super) fn hear(&mut self, incoming: &Incoming) -> Heard {
        match self.before.hear(incoming, |_| false) {
            Heard::Nothing => self.after.hear(incoming, |_| false),
            heard => heard,
        }
    }

    /// What was sent through its socket from this place on could not be.
    pub(super) fn take_failures(&mut self, place: u64, count: usize) {
        // First come the questions before it, then all of it, then the questions after it.
        let of_load = self.before.pushed..self.before.pushed.saturating_add(self.pushed);
        let failed = place.max(of_load.start)..place.saturating_add(count as u64).min(of_load.end);
        self.failed += failed.end.saturating_sub(failed.start);
    }

    /// Writes down what it came to.
    pub(super) fn report(&self, figures: &mut LoadFigures) {
        figures.outcome = self.outcome;
        figures.sent = self.pushed - self.failed;
        figures.failed = self.failed;
        figures.omitted = self.omitted;
        figures.lasted = self.options.pace.after(self.made, self.made.saturating_mul(self.options.size as u64));
        figures.arrived = self.arrived();
    }

    /// How many datagrams arrived, copies included, as the reflector counted: nothing where it did not say, or forgot.
    fn arrived(&self) -> Option<u64> {
        let before = self.begun_with?;
        let after = self.after.counters.filter(|_| self.after.closing.has_counters)?;
        (before.epoch == after.epoch).then_some(after.load?)?.checked_sub(before.load?)
    }
}
