//! `measure`: sends probes to a reflector on an absolute schedule, and says what the path did to them in each direction.

mod figures;
mod flow;
mod known;
mod load;
mod load_figures;
mod load_options;
mod meanwhile;
mod options;
mod order;
mod probe;
mod retire;
mod schedule;

use std::time::{Duration, Instant, SystemTime};

pub use figures::{MeasureFigures, OneWay, OneWayCounts, ReflectorKind, TrafficClassSeen};
use flow::{Flow, Heard, Incoming, lost_at, low};
use load::Load;
pub use load_figures::{AddedDelay, LoadFigures, LoadGrade, LoadOutcome, LoadPhase};
pub use load_options::LoadOptions;
pub use options::MeasureOptions;
use probe::{Answer, Probe, State, Writer};
use schedule::Schedule;

use super::common::later;
use crate::datagram::{Datagram, SendFailure};
use crate::engine::{Engine, Next, Outbox};
use crate::error::Result;
use crate::event::{Event, IgnoredDatagrams, Reason, Refusal, SendFailed};
use crate::feedback::SendTime;
use crate::moment::Moment;
use crate::report::Report;
use crate::socket_id::SocketId;
use crate::stamp::{self, CLASS_OF_SERVICE, COUNTERS, ClassOfService, Counters, Purpose, Timestamp, WrongPacket};
use crate::stats::SignedNanoseconds;
use crate::unreachable::{Cause, Unreachable};

/// Probes sent by one call of `tick` at most, so that replies are taken between them.
const BURST: usize = 64;
/// Closing questions to a flow at most, until one is answered. Bursts of loss that go by datagrams, not by time, can take many.
const QUESTIONS: usize = 32;
/// The same where the program ended the measurement: somebody waits.
const QUESTIONS_AT_ONCE: usize = 8;
/// The part of the wait that is between two of them; the shortest time, and the longest.
const BETWEEN_QUESTIONS: u32 = 25;
const BETWEEN_QUESTIONS_LIMITS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];
/// By how much our own clock may be off the monotonic one since it was last looked at, and not be set: a millisecond, and
/// a thousandth of the time.
const STEP: Duration = Duration::from_millis(1);

/// What the program around a [`Measure`] may hand to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeasureInput {
    /// Send no more probes; wait until each is answered or its time is over, ask the closing question, and end. Copies that would come after
    /// that are not waited for.
    Finish,
}

/// The engine of `measure`: a Session-Sender (RFC 8762, RFC 8972).
///
/// Probes are sent, then replies are waited for, then the reflector is asked what it counted: a closing question that is counted
/// nowhere. A reflector of this library answers it, and each direction is known exactly. Others take it for a probe, and its
/// number tells whether they count.
///
/// ```
/// use udpkit::verbs::{Measure, MeasureOptions};
///
/// # fn main() -> udpkit::Result<()> {
/// let own = vec![([127, 0, 0, 1], 40_000).into()];
/// let engine = Measure::new(MeasureOptions::new(([127, 0, 0, 1], 862).into()).own(own).count(1000))?;
/// # let _ = engine;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Measure {
    options: MeasureOptions,
    schedule: Schedule,
    writer: Writer,
    flows: Vec<Flow>,
    load: Option<Load>,
    /// Probes that were handed out.
    made: u64,
    start: Option<Moment>,
    /// When the last probe was sent.
    last_sent: Option<Instant>,
    /// Our own clock, when it was last looked at.
    looked: Option<Moment>,
    /// How often it was set.
    clock_sets: u64,
    /// The moment up to which everything that arrived was taken.
    heard: Option<Instant>,
    phase: Phase,
    /// Whether the program ended it, so that nothing is waited for without need.
    is_ended: bool,
    report: Report<MeasureFigures>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Sending,
    /// Replies may still come.
    Waiting,
    /// The next closing question is asked at this moment, if a flow lacks an answer.
    Closing {
        next: Instant,
    },
    Done,
}

impl Measure {
    /// An engine with these options.
    ///
    /// # Errors
    ///
    /// Those of [`MeasureOptions::check`].
    pub fn new(options: MeasureOptions) -> Result<Self> {
        options.check()?;
        let window = Flow::window(options.most_waiting(), options.flows());
        let mut report = Report::<MeasureFigures>::default();
        let load = options.load.as_ref().zip(options.load_from());
        report.own.load = load.map(|(load, from)| Box::new(LoadFigures::new(load, from)));
        Ok(Self {
            schedule: Schedule::new(&options),
            writer: Writer::new(&options),
            load: Load::new(&options),
            flows: (0..options.flows()).map(|place| Flow::new(SocketId::first(place), window, options.wait)).collect(),
            made: 0,
            start: None,
            last_sent: None,
            looked: None,
            clock_sets: 0,
            heard: None,
            phase: Phase::Sending,
            is_ended: false,
            report,
            options,
        })
    }

    /// The moment at which it began.
    fn start(&mut self, now: Instant, out: &impl Outbox) -> Instant {
        self.start.get_or_insert_with(|| Moment::new(now, out.clock().utc)).monotonic
    }

    /// The time from the start on.
    fn elapsed(&self, now: Instant) -> Duration {
        self.start.map_or(Duration::ZERO, |start| now.saturating_duration_since(start.monotonic))
    }

    fn send_due(&mut self, now: Instant, out: &mut impl Outbox) {
        for _ in 0..BURST {
            let Some((due, size)) = self.schedule.take(self.elapsed(now)) else { break };
            self.send(due, size, out);
        }
        if self.schedule.due().is_none() {
            self.stop_sending();
        }
    }

    /// No probe follows, and nothing of a load.
    fn stop_sending(&mut self) {
        self.schedule.end();
        self.load.iter_mut().for_each(Load::end);
        if self.phase == Phase::Sending {
            self.phase = Phase::Waiting;
        }
    }

    /// Asks for a load before it, and begins when it is time. Without a reflector that takes it, the measurement ends there.
    fn prepare_load(&mut self, now: Instant, out: &mut impl Outbox) {
        let elapsed = self.elapsed(now);
        let Self { load: Some(load), options, writer, .. } = self else { return };
        if load.prepare(elapsed, options, writer, out) {
            self.stop_sending();
        }
    }

    /// Sends the load that is due.
    fn send_load(&mut self, now: Instant, out: &mut impl Outbox) {
        let elapsed = self.elapsed(now);
        let Self { load: Some(load), options, writer, .. } = self else { return };
        load.send_due(elapsed, options, writer, out);
        let handed = load.take_handed();
        self.report.sent.datagrams += handed.datagrams;
        self.report.sent.bytes += handed.bytes;
    }

    /// All that ask the reflector what it counted: each flow, and the load.
    fn asking(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().chain(self.load.iter().filter(|load| load.is_asking()).map(|load| &load.after))
    }

    fn send(&mut self, due: Duration, size: usize, out: &mut impl Outbox) {
        let place = usize::try_from(self.made % self.flows.len() as u64).unwrap_or(0);
        self.made += 1;
        let clock = out.clock();
        self.look_at_clock(clock);
        let flow = &self.flows[place];
        let time = Timestamp::from_utc(clock.utc, self.options.format);
        let asked = Counters::request(Purpose::Probe);
        let packet = self.writer.write(&self.options, low(flow.next), time, &asked, size);
        let probe = Probe {
            place: flow.pushed,
            due,
            sent: clock.monotonic,
            utc: clock.utc,
            kernel: None,
            clock_sets: self.clock_sets,
            state: State::Waiting,
        };
        let flow = &mut self.flows[place];
        flow.push(probe, time);
        out.send(flow.via, &self.options.transmit(), packet);
        self.report.sent.add(1, packet.len());
        self.last_sent = Some(clock.monotonic);
    }

    /// Notices that our own clock was set.
    fn look_at_clock(&mut self, clock: Moment) {
        let Some(before) = self.looked.replace(clock) else { return };
        let passed = clock.monotonic.saturating_duration_since(before.monotonic);
        let by = SignedNanoseconds::between(before.utc_at(clock.monotonic), clock.utc);
        if by.size() > STEP + passed / 1000 {
            self.clock_sets += 1;
            self.report.own.clock.set(self.elapsed(clock.monotonic), by);
            self.restart_variation();
        }
    }

    /// Delays before and after a clock was set have nothing in common.
    fn restart_variation(&mut self) {
        self.report.own.forward.variation.restart();
        self.report.own.reverse.variation.restart();
    }

    /// Asks the reflector what it counted, unless every flow has its answer.
    fn close(&mut self, now: Instant, out: &mut impl Outbox) {
        let (is_ended, questions) = (self.is_ended, if self.is_ended { QUESTIONS_AT_ONCE } else { QUESTIONS });
        // Who waits for the end does not wait for what never answered.
        let is_open = |flow: &Flow| !flow.closing.is_answered() && (!is_ended || flow.evidence.has_answered);
        let is_given_up = self.asking().all(|flow| !is_open(flow) || flow.closing.asked.len() > questions);
        if self.made == 0 || is_given_up || self.flows.iter().all(|flow| flow.evidence.is_echo) {
            self.phase = Phase::Done;
            return;
        }
        let [shortest, longest] = BETWEEN_QUESTIONS_LIMITS;
        let mut next = later(now, (self.options.wait / BETWEEN_QUESTIONS).clamp(shortest, longest));
        let longest_answer = self.longest_answer();
        let (options, size) = (&self.options, self.options.full_size());
        let of_flows = self.flows.iter_mut().map(|flow| (flow, Counters::request(Purpose::Closing), size));
        let load = self.load.iter_mut().filter(|load| load.is_asking());
        let of_load = load.map(|load| (&mut load.after, Load::question(), Load::question_size(options)));
        for (flow, asked, size) in of_flows.chain(of_load).filter(|(flow, ..)| is_open(flow)) {
            let number = flow.closing_number();
            let time = Timestamp::from_utc(out.clock().utc, options.format);
            flow.closing.asked.push(time);
            if flow.closing.asked.len() > questions {
                // The last one was asked; its answer may take as long as any.
                next = next.max(later(now, longest_answer));
                continue;
            }
            let packet = self.writer.write(options, low(number), time, &asked, size);
            out.send(flow.via, &options.transmit(), packet);
            flow.pushed += 1;
            self.report.sent.add(1, packet.len());
        }
        self.phase = Phase::Closing { next };
    }

    /// How long an answer to the last closing question is waited for: twice as long as any took, where somebody waits for the end.
    fn longest_answer(&self) -> Duration {
        let response = &self.report.own.response;
        let is_known = self.is_ended && response.count() > 0;
        if is_known { self.options.wait.min(response.largest() * 2) } else { self.options.wait }
    }

    /// Whether nothing that was sent can be answered any more, or only by copies.
    fn is_answered(&self) -> bool {
        self.flows.iter().all(|flow| !flow.waiting.iter().any(|probe| matches!(probe.state, State::Waiting)))
    }

    /// Why a datagram is not taken, and what it is if it is.
    fn read<'a>(
        &self,
        datagram: &Datagram<'a>,
    ) -> std::result::Result<(stamp::Reply, Option<Counters>, Option<ClassOfService>), Reason> {
        let (source, target) = (datagram.meta.source, self.options.target);
        if (source.ip(), source.port()) != (target.ip(), target.port()) {
            return Err(Reason::OtherSource);
        }
        if self.phase == Phase::Done {
            return Err(Reason::AfterEnd);
        }
        let (reply, tlvs) = match stamp::Reply::read(datagram.payload, self.options.key.as_ref()) {
            Ok(read) => read,
            Err(WrongPacket::NotAuthentic) => return Err(Reason::WrongDigest),
            Err(_) => return Err(Reason::Undersized),
        };
        // Where the type is another experiment's, a reflector may copy what we sent as something that it knows.
        let counters = tlvs.answered(COUNTERS).and_then(Counters::read).filter(Counters::is_answered);
        Ok((reply, counters, tlvs.answered(CLASS_OF_SERVICE).and_then(ClassOfService::read)))
    }

    /// The flow of this socket.
    fn flow(&mut self, via: SocketId) -> Option<&mut Flow> {
        self.flows.get_mut(via.index()).filter(|flow| flow.via == via)
    }

    /// Takes a reply, for the flow of this socket.
    fn take(&mut self, now: Instant, via: SocketId, reply: &stamp::Reply, counters: Option<Counters>) -> Heard {
        let is_echo = reply.is_echo();
        let incoming = Incoming {
            probe: if is_echo { reply.sequence } else { reply.request_sequence },
            time: if is_echo { reply.sent } else { reply.request_sent },
            number: (!is_echo).then_some(reply.sequence),
            counters,
            received: reply.received,
            sent: reply.sent,
            at: self.elapsed(now),
        };
        let wait = self.options.wait;
        if let Some(load) = self.load.as_mut().filter(|load| load.via == via) {
            return load.hear(&incoming);
        }
        let Some(flow) = self.flow(via) else { return Heard::Nothing };
        flow.hear(&incoming, |probe| now.saturating_duration_since(probe.sent) <= wait)
    }

    /// Takes the times of the first reply to a probe.
    fn measure(&mut self, now: Instant, number: u64, via: SocketId, reply: &stamp::Reply, received: SystemTime) {
        let elapsed = self.elapsed(now);
        let (format, clock_sets) = (self.options.format, self.clock_sets);
        let Some(probe) = self.flow(via).and_then(|flow| flow.probe(number)) else { return };
        let mut answer = Answer { arrived: now, is_echo: reply.is_echo(), residence: None, delays: None };
        if !answer.is_echo {
            let sent = Timestamp::from_utc(probe.utc, format);
            let received = Timestamp::from_utc(received, format);
            let residence = reply.sent.since(reply.received);
            answer.residence = (residence.0 >= 0).then(|| residence.size());
            let delays = [reply.received.since(sent), received.since(reply.sent)];
            let is_possible =
                answer.residence.is_some_and(|residence| residence <= now.saturating_duration_since(probe.sent));
            answer.delays = (is_possible && probe.clock_sets == clock_sets).then_some(delays);
        }
        probe.state = State::Answered(answer);
        let Some([forward, reverse]) = answer.delays else { return };
        let figures = &mut self.report.own;
        if figures.clock.add(elapsed, forward, reverse).is_some() {
            self.restart_variation();
        }
        let figures = &mut self.report.own;
        figures.forward.add_delay(via.index(), number, forward);
        figures.reverse.add_delay(via.index(), number, reverse);
    }

    /// Takes what a reply says of traffic classes and hops.
    fn mark(&mut self, reply: &stamp::Reply, class: Option<ClassOfService>, datagram: &Datagram<'_>) {
        let sent = self.options.traffic_class;
        let seen = class.map(|class| class.received_dscp << 2 | class.received_ecn);
        let (forward, reverse) = (&mut self.report.own.forward, &mut self.report.own.reverse);
        forward.traffic_class.add(sent, seen);
        // The reflector was asked for this DSCP; it chooses the ECN field, which it never sets.
        let asked = class.filter(|class| !class.is_refused).map_or(0, |_| sent & !3);
        reverse.traffic_class.add(asked, datagram.meta.traffic_class);
        reply.request_hop_limit.into_iter().for_each(|hops| forward.add_hop_limit(hops));
        datagram.meta.hop_limit.into_iter().for_each(|hops| reverse.add_hop_limit(hops));
    }

    fn ignore(&mut self, datagram: &Datagram<'_>, reason: Reason, out: &mut impl Outbox) {
        self.report.ignored.add(reason, 1);
        out.emit(Event::Ignored(IgnoredDatagrams::new(datagram.meta, reason, 1)));
    }
}

impl Engine for Measure {
    type Input = MeasureInput;
    type Figures = MeasureFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.start(now, out);
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        let (reply, counters, class) = match self.read(datagram) {
            Ok(read) => read,
            Err(reason) => return self.ignore(datagram, reason, out),
        };
        let received = datagram.meta.received.unwrap_or_else(|| out.clock().utc);
        match self.take(now, via, &reply, counters) {
            Heard::Nothing => return self.ignore(datagram, Reason::Unsolicited, out),
            Heard::First(number) => {
                self.look_at_clock(out.clock());
                self.measure(now, number, via, &reply, received);
                self.mark(&reply, class, datagram);
            }
            Heard::Late => self.report.own.late += 1,
            Heard::Again => self.report.own.duplicates += 1,
            Heard::Closing => {}
        }
        self.report.own.replies += 1;
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        let start = self.start(now, out);
        let until = self.heard.map_or(now, |heard| heard.min(now));
        self.retire(until, out);
        if self.phase == Phase::Sending {
            self.prepare_load(now, out);
        }
        if self.phase == Phase::Sending {
            self.send_due(now, out);
            self.send_load(now, out);
        }
        if self.phase == Phase::Waiting {
            let end = later(self.last_sent.unwrap_or(start), self.options.wait);
            if until > end || self.is_ended && self.is_answered() {
                self.phase = Phase::Closing { next: now };
            }
        }
        if let Phase::Closing { next } = self.phase
            && (next <= now || self.asking().all(|flow| flow.closing.is_answered()))
        {
            self.close(now, out);
        }
    }

    fn heard(&mut self, until: Instant) {
        self.heard = self.heard.max(Some(until));
    }

    fn next(&self) -> Next {
        let Some(start) = self.start else { return Next::Datagram };
        match self.phase {
            Phase::Done => Next::Done,
            Phase::Closing { next } => Next::At(next),
            Phase::Waiting => {
                Next::At(later(self.last_sent.unwrap_or(start.monotonic), self.options.wait) + Duration::from_nanos(1))
            }
            Phase::Sending => {
                let load = self.load.as_ref().and_then(Load::due).unwrap_or(Duration::MAX);
                let due = later(start.monotonic, self.schedule.due().unwrap_or_default().min(load));
                // A loss is reported when it is known, not with the next probe.
                let losses = self.flows.iter().filter_map(|flow| flow.waiting.front());
                let loss = losses.map(|probe| lost_at(probe, self.options.wait) + Duration::from_nanos(1)).min();
                Next::At(loss.map_or(due, |loss| loss.min(due)))
            }
        }
    }

    fn precision(&self) -> Option<Duration> {
        (self.phase == Phase::Sending).then_some(self.options.busy_wait)
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        if matches!(unreachable.cause, Cause::Port | Cause::Host | Cause::Network | Cause::Prohibited) {
            self.load.iter_mut().for_each(Load::stop);
        }
        out.emit(Event::Unreachable(Refusal::new(unreachable, None, false)));
    }

    fn sent(&mut self, _now: Instant, via: SocketId, time: &SendTime, _out: &mut impl Outbox) {
        let Some(flow) = self.flow(via) else { return };
        for place in time.place..time.place.saturating_add(time.count as u64) {
            if let Some(probe) = flow.at_place(place) {
                // A clock that was set meanwhile says nothing.
                probe.kernel = time.at.duration_since(probe.utc).ok().filter(|delay| *delay < Duration::from_secs(1));
            }
        }
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        if let Some(load) = self.load.as_mut().filter(|load| load.via == via) {
            // A load that is more than our own queue takes is expected; it is counted, and no news.
            return load.take_failures(failure.place, failure.count);
        }
        self.report.send_failed += failure.count as u64;
        if let Some(flow) = self.flow(via) {
            for place in failure.place..failure.place.saturating_add(failure.count as u64) {
                let Some(probe) = flow.at_place(place) else { continue };
                probe.state = State::Failed;
                flow.sent -= 1;
            }
        }
        out.emit(Event::SendFailed(SendFailed::new(via, failure)));
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, _now: Instant, input: MeasureInput, _out: &mut impl Outbox) {
        match input {
            MeasureInput::Finish => {
                self.is_ended = true;
                self.stop_sending();
            }
        }
    }

    fn finish(&mut self, now: Instant, out: &mut impl Outbox) {
        self.retire(now, out);
        self.settle_the_rest(out);
    }

    fn report(&self) -> Report<MeasureFigures> {
        let mut report = self.report.clone();
        let figures = &mut report.own;
        figures.omitted = self.schedule.omitted;
        if let Some((load, of_load)) = self.load.as_ref().zip(figures.load.as_mut()) {
            load.report(of_load);
            of_load.are_clocks_steady = figures.clock.step_count() == 0;
        }
        for flow in &self.flows {
            figures.reflector = figures.reflector.and(flow.reflector());
            figures.sent += flow.sent;
            if let Some(counters) = flow.counters {
                *figures.unanswered.get_or_insert(0) += counters.unanswered;
            }
            figures.restarts += flow.restarts();
            figures.began_late += u64::from(flow.began_late());
            figures.wrong_counters += u64::from(flow.has_wrong_counters());
            figures.waiting += flow.waiting.iter().filter(|probe| matches!(probe.state, State::Waiting)).count() as u64;
            figures.loss_runs.merge(&flow.loss_runs);
            figures.forward.reordering.merge(&flow.forward_order.settled());
            figures.reverse.reordering.merge(&flow.reverse_order());
        }
        if let Some([forward, reverse]) = self.directions() {
            figures.forward.counts = Some(forward);
            figures.reverse.counts = Some(reverse);
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datagram::Meta;
    use crate::stamp::{ErrorEstimate, Reply, TimestampFormat, TlvWriter};

    #[test]
    fn counters_that_nobody_filled_in_are_none() {
        let target = ([127, 0, 0, 1], 862).into();
        let engine = Measure::new(MeasureOptions::new(target).own(vec![([127, 0, 0, 1], 40_000).into()])).unwrap();
        let error = ErrorEstimate::unsynchronized(TimestampFormat::Ntp);
        let time = Timestamp::from_bits(1 << 63, error.format);
        let reply = Reply {
            sequence: 0,
            sent: time,
            error,
            ssid: 0,
            received: time,
            request_sequence: 0,
            request_sent: time,
            request_error: error,
            request_hop_limit: None,
        };
        let read = |counters: Counters| {
            let mut packet = Vec::new();
            reply.write(None, &mut packet);
            let mut tlvs = TlvWriter::after(&mut packet);
            tlvs.push(COUNTERS, counters.write(&mut Vec::new()));
            // As a reflector marks it for which the type is another experiment's: known, and of the reflector.
            packet[44] = 0x10;
            let meta = Meta::new(target);
            engine.read(&Datagram { payload: &packet, wire_len: packet.len(), meta: &meta }).unwrap().1
        };
        let copied = Counters::request(Purpose::Probe);
        assert_eq!(read(copied), None);
        let answered = Counters { epoch: 7, ..copied };
        assert_eq!(read(answered), Some(answered));
    }
}
