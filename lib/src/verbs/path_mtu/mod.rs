//! The MTU of a path, by probes of growing size (RFC 8899), in each direction where the reflector says what arrives.

mod figures;
mod options;
mod probes;
mod search;

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use fastrand::Rng;

pub use figures::{MtuLimit, PathMtuFigures, SizeTried, TooBigReports};
pub use options::PathMtuOptions;
use probes::{Probes, Waiting};
use search::{Search, Trial, Wanted};

use super::common::later;
use super::measure::ReflectorKind;
use crate::bounds::Bounds;
use crate::datagram::{Datagram, SendFailure};
use crate::engine::{Engine, Next, Outbox};
use crate::error::{ErrorKind, Result};
use crate::event::{Event, IgnoredDatagrams, Reason, Refusal, SendFailed};
use crate::report::Report;
use crate::socket_id::SocketId;
use crate::stamp::{self, COUNTERS, Counters, Timestamp, TimestampFormat, WrongPacket};
use crate::unreachable::{Cause, Unreachable};

/// Probes of the shortest size that are sent until one is answered.
const GREETINGS: u32 = 40;
/// Refusals after which nobody is waited for any more, if nothing was answered.
const REFUSALS: u64 = 3;
/// Questions for what arrived at most, until one is answered.
const QUESTIONS: u32 = 40;
/// By how much a reply may take longer than three times the slowest one so far.
const SLACK: Duration = Duration::from_millis(50);
/// Routers whose reports are remembered.
const REPORTERS: usize = 16;
/// The smallest MTU that there is (RFC 791).
const LEAST_MTU: u32 = 68;

/// What the program around a [`PathMtu`] may hand to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathMtuInput {
    /// End with what is known.
    Finish,
}

/// Finds the longest datagram that a path takes: a search by probes that no router may fragment, which believes nothing but an
/// answer (Datagram Packetization Layer Path MTU Discovery, RFC 8899).
///
/// A size passes once one probe of it was answered. It is too long once at least three were lost, and so many that chance would
/// not have lost them all while it let those through that were sent between them, of a size that passes. What routers report
/// (ICMP) is a size to try next, and nothing more.
///
/// A reflector of this library says in [`Counters::longest`] what arrived, so the way there and the way back are told apart.
///
/// ```
/// use udpkit::verbs::{PathMtu, PathMtuOptions};
///
/// # fn main() -> udpkit::Result<()> {
/// let engine = PathMtu::new(PathMtuOptions::new(([192, 0, 2, 1], 862).into()).largest(9000).hints([1500]))?;
/// # let _ = engine;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PathMtu {
    options: PathMtuOptions,
    probes: Probes,
    phase: Phase,
    /// What passes there and back; nothing before the first answer.
    search: Option<Search>,
    /// What passes there, where that is more.
    forward: Option<Search>,
    /// The longest size that reached the reflector, as far as that is known.
    arrived: usize,
    /// When the last of the probes was sent whose reply had counters.
    counted: Option<Instant>,
    /// Suggested sizes before there is a search.
    suggested: Vec<usize>,
    start: Option<Instant>,
    /// When the next probe may leave.
    due: Option<Instant>,
    /// The longest time that a reply took.
    slowest: Duration,
    random: Rng,
    report: Report<PathMtuFigures>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It is not known whether anybody answers.
    Greeting,
    Searching,
    /// The reflector is asked what arrived until then.
    Asking {
        since: Instant,
        asked: u32,
    },
    Done,
}

/// A reply, as far as it matters here.
struct Answer {
    number: u64,
    time: Timestamp,
    kind: ReflectorKind,
    counters: Option<Counters>,
}

impl PathMtu {
    /// An engine with these options.
    ///
    /// # Errors
    ///
    /// Those of [`PathMtuOptions::check`].
    pub fn new(options: PathMtuOptions) -> Result<Self> {
        options.check()?;
        let mut report = Report::<PathMtuFigures>::default();
        report.own.largest = options.longest() as u64;
        Ok(Self {
            probes: Probes::default(),
            phase: Phase::Greeting,
            search: None,
            forward: None,
            arrived: 0,
            counted: None,
            suggested: Vec::new(),
            start: None,
            due: None,
            slowest: Duration::ZERO,
            random: Rng::with_seed(options.seed),
            report,
            options,
        })
    }

    /// The search that goes on.
    fn current(&self) -> Option<&Search> {
        self.forward.as_ref().or(self.search.as_ref())
    }

    fn current_mut(&mut self) -> Option<&mut Search> {
        self.forward.as_mut().or(self.search.as_mut())
    }

    fn send(&mut self, now: Instant, size: usize, waiting: Option<(usize, bool)>, out: &mut impl Outbox) {
        let time = Timestamp::from_utc(out.clock().utc, TimestampFormat::Ntp);
        let transmit = self.options.transmit();
        let packet = self.probes.write(&self.options, size, time, now);
        self.report.sent.add(1, packet.len());
        out.send(SocketId::first(0), &transmit, packet);
        let number = self.probes.count() - 1;
        self.probes.waiting.extend(waiting.map(|(trial, is_control)| Waiting { number, trial, is_control }));
        self.due = Some(later(now, self.options.interval));
    }

    /// Sends the shortest probe now and then until one is answered.
    fn greet(&mut self, now: Instant, out: &mut impl Outbox) {
        if self.search.is_some() {
            self.phase = Phase::Searching;
            return;
        }
        if self.report.unreachable >= REFUSALS || self.probes.count() >= GREETINGS {
            return self.end();
        }
        let size = self.options.smallest();
        self.send(now, size, None, out);
        let is_last = self.probes.count() == GREETINGS;
        let interval = self.options.interval.max(self.options.wait / GREETINGS);
        self.due = Some(later(now, if is_last { self.options.wait } else { interval }));
    }

    /// How long a reply is waited for before its probe counts as lost.
    fn patience(&self, is_last: bool) -> Duration {
        if is_last { self.options.wait } else { self.options.wait.min(self.slowest * 3 + SLACK) }
    }

    /// Counts probes that are answered, or were not answered in time.
    fn settle(&mut self, now: Instant) {
        let is_last = self.current().and_then(Search::next).is_some_and(|wanted| wanted.is_last);
        let patience = self.patience(is_last);
        while let Some(waiting) = self.probes.waiting.front().copied() {
            let Some(probe) = self.probes.get(waiting.number.into()).copied() else { break };
            if !probe.is_answered && now.saturating_duration_since(probe.sent) <= patience {
                break;
            }
            self.probes.waiting.pop_front();
            let Some(trial) = self.current_mut().and_then(|search| search.trial_mut(waiting.trial)) else { continue };
            match waiting.is_control {
                true => {
                    trial.controls += 1;
                    trial.controls_lost += u64::from(!probe.is_answered);
                }
                false => trial.lost += 1,
            }
        }
    }

    /// Tries the size that is wanted, unless what is under way may settle it.
    fn search(&mut self, now: Instant, out: &mut impl Outbox) {
        self.settle(now);
        let Some(search) = self.current() else { return };
        let Some(wanted) = search.next() else {
            self.phase = Phase::Asking { since: now, asked: 0 };
            return self.ask(now, out);
        };
        if self.due.is_some_and(|due| now < due) || self.may_be_settled(search, wanted) {
            return;
        }
        if self.probes.is_full() {
            self.report.own.is_cut_short = true;
            return self.end();
        }
        let under_way = self.expected(search, wanted.size);
        // In pairs, each in an order of its own: what comes at regular times meets both alike. What arrived, only a later reply says.
        let is_control = match under_way.lost.cmp(&under_way.controls) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => self.forward.is_none() && under_way.lost > 0 && self.random.bool(),
        };
        // The longest one that comes back: it is treated as what is tried, but for its size.
        let control = self.search.as_ref().map_or(wanted.size, Search::low);
        self.send(now, if is_control { control } else { wanted.size }, Some((wanted.size, is_control)), out);
    }

    /// What the trial of a size comes to if all its probes that are under way are lost, and none of those for comparison.
    fn expected(&self, search: &Search, size: usize) -> Trial {
        let mut trial = search.trial(size);
        for waiting in self.probes.waiting.iter().filter(|waiting| waiting.trial == size) {
            match waiting.is_control {
                true => trial.controls += 1,
                false => trial.lost += 1,
            }
        }
        trial
    }

    /// Whether what is under way may settle it.
    fn may_be_settled(&self, search: &Search, wanted: Wanted) -> bool {
        wanted.is_settled_by(&self.expected(search, wanted.size))
    }

    /// Asks the reflector what arrived until now, if it can say that, and draws the conclusion.
    fn ask(&mut self, now: Instant, out: &mut impl Outbox) {
        let Phase::Asking { since, asked } = self.phase else { return };
        if self.current().is_some_and(|search| search.next().is_some()) {
            // A late answer opened it again.
            self.phase = Phase::Searching;
            return;
        }
        let is_known = self.report.own.reflector != ReflectorKind::Counting || self.counted >= Some(since);
        if !is_known && asked < QUESTIONS {
            if self.due.is_none_or(|due| due <= now) {
                let size = self.search.as_ref().map_or_else(|| self.options.smallest(), Search::low);
                self.send(now, size, None, out);
                self.due = Some(later(now, self.options.interval.max(self.patience(false) / 4)));
                self.phase = Phase::Asking { since, asked: asked + 1 };
            }
            return;
        }
        match &self.search {
            Some(search) if self.forward.is_none() && self.arrived > search.low() => {
                self.probes.waiting.clear();
                self.forward = Some(search.above(self.arrived));
                self.phase = Phase::Searching;
            }
            _ => self.end(),
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Done;
    }

    /// Why a datagram is not taken, and what it is if it is.
    fn read(&self, datagram: &Datagram<'_>) -> std::result::Result<Answer, Reason> {
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
        let counters = tlvs.answered(COUNTERS).and_then(Counters::read).filter(Counters::is_answered);
        let counters = counters.filter(|counters| counters.longest.is_some());
        let is_echo = reply.is_echo();
        let kind = match (&counters, is_echo) {
            (Some(_), false) => ReflectorKind::Counting,
            (_, true) => ReflectorKind::Echo,
            (None, false) => ReflectorKind::Unknown,
        };
        let (number, time) =
            if is_echo { (reply.sequence, reply.sent) } else { (reply.request_sequence, reply.request_sent) };
        Ok(Answer { number: number.into(), time, kind, counters })
    }

    /// Takes a reply to a probe of ours; whether it is one.
    fn take(&mut self, now: Instant, answer: &Answer, datagram: &Datagram<'_>) -> bool {
        let Some(probe) = self.probes.get(answer.number).copied() else { return false };
        if probe.time.bits() != answer.time.bits() {
            return false;
        }
        let fragment = datagram.meta.fragment_len;
        let reply = datagram.wire_len + self.options.header_len();
        let own = &mut self.report.own;
        if answer.kind == ReflectorKind::Counting || own.reflector == ReflectorKind::Silent {
            own.reflector = answer.kind;
        }
        let number = u32::try_from(answer.number).unwrap_or(u32::MAX);
        if self.probes.answer(number, fragment.is_none()) {
            own.answered += 1;
            own.short_replies += u64::from(reply < probe.size);
            own.fragmented_replies += u64::from(fragment.is_some());
        } else {
            own.duplicates += 1;
        }
        own.longest_fragment = own.longest_fragment.max(fragment);
        self.slowest = self.slowest.max(now.saturating_duration_since(probe.sent));
        if answer.counters.is_some() {
            self.counted = self.counted.max(Some(probe.sent));
        }
        // Nobody can have got more than was sent.
        let longest = answer.counters.and_then(|counters| counters.longest).unwrap_or(0);
        let longest = usize::try_from(longest).map_or(0, |longest| longest.saturating_add(self.options.header_len()));
        let most_sent = self.probes.longest();
        self.arrived = self.arrived.max(probe.size).max(if longest <= most_sent { longest } else { 0 });
        self.pass(probe.size, fragment.is_none());
        true
    }

    /// Notes that a probe reached the reflector and, if its reply came whole, passed both ways.
    fn pass(&mut self, size: usize, is_whole: bool) {
        match &mut self.search {
            None => {
                let options = &self.options;
                let hints = [options.base()].into_iter().chain(options.hints.iter().map(|hint| *hint as usize));
                let hints = hints.flat_map(|hint| [hint, hint + 1]).chain([options.longest()]).collect::<Vec<_>>();
                let mut search = Search::new(size, options.longest() + 1, &hints);
                self.suggested.drain(..).for_each(|size| search.suggest(size));
                self.search = Some(search);
            }
            Some(search) if is_whole => search.passed(size),
            Some(_) => {}
        }
        if let Some(forward) = &mut self.forward {
            forward.passed(self.arrived);
        }
    }

    /// Takes a router's report; false where it is not about a probe that it can be about.
    fn hear_too_big(&mut self, unreachable: &Unreachable, mtu: u32) -> bool {
        let Some(reporter) = unreachable.reporter else { return false };
        // The report quotes the beginning of the datagram, which a forger does not know.
        let quoted = unreachable.payload.first_chunk::<4>().map(|number| u32::from_be_bytes(*number));
        let size = quoted.and_then(|number| self.probes.get(number.into())).map(|probe| probe.size);
        if size.is_none_or(|size| size <= mtu as usize) {
            return false;
        }
        let reports = &mut self.report.own.too_big;
        let known = reports.iter().position(|known| (known.reporter, known.mtu) == (reporter, mtu));
        match known {
            Some(place) => reports[place].count += 1,
            None if reports.len() < REPORTERS => reports.push(TooBigReports { reporter, mtu, count: 1 }),
            None => return false,
        }
        if mtu >= LEAST_MTU {
            self.suggest(mtu as usize);
        }
        true
    }

    /// Notes a size to be tried next.
    fn suggest(&mut self, size: usize) {
        match self.forward.as_mut().or(self.search.as_mut()) {
            Some(search) if search.low() < size => search.suggest(size),
            Some(_) => {}
            None if self.suggested.len() < REPORTERS => self.suggested.push(size),
            None => {}
        }
    }

    fn ignore(&mut self, datagram: &Datagram<'_>, reason: Reason, out: &mut impl Outbox) {
        self.report.ignored.add(reason, 1);
        out.emit(Event::Ignored(IgnoredDatagrams::new(datagram.meta, reason, 1)));
    }

    /// What is known of the directions: there and back, there, back.
    fn directions(&self) -> Option<[Option<Bounds>; 3]> {
        let search = self.search.as_ref()?;
        let own = &self.report.own;
        let is_all = own.first_link.is_some();
        let both = search.found(is_all);
        // Replies that are shorter than their probes say nothing of how long one comes back.
        if own.short_replies > 0 {
            return Some([Some(both), Some(both), None]);
        }
        let arrived = self.arrived.max(search.low()) as u64;
        let forward = match &self.forward {
            Some(forward) => forward.found(is_all),
            // Nothing longer arrived, which is known since the reflector was asked last.
            None if own.reflector == ReflectorKind::Counting && self.phase == Phase::Done && !own.is_cut_short => both,
            None => Bounds::at_least(0),
        };
        let forward = if forward.low < arrived { Bounds::at_least(arrived) } else { forward };
        // What arrived and did not come back was too long for the way back.
        let reverse = if arrived > both.high { both } else { Bounds::at_least(search.low() as u64) };
        Some([Some(both), Some(forward), Some(reverse)])
    }

    /// Why no longer size passes.
    fn limit(&self) -> MtuLimit {
        let Some(search) = &self.search else { return MtuLimit::Unknown };
        let own = &self.report.own;
        match search.found(false) {
            found if found.is_bounded() && found.is_exact() => MtuLimit::Path,
            _ if search.low() < search.most() => MtuLimit::Unknown,
            _ if own.first_link.is_some() => MtuLimit::FirstLink,
            _ => MtuLimit::Asked,
        }
    }
}

impl Engine for PathMtu {
    type Input = PathMtuInput;
    type Figures = PathMtuFigures;

    fn receive(&mut self, now: Instant, _via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.truncated += u64::from(datagram.is_truncated());
        let answer = match self.read(datagram) {
            Ok(answer) => answer,
            Err(reason) => return self.ignore(datagram, reason, out),
        };
        if !self.take(now, &answer, datagram) {
            self.ignore(datagram, Reason::Unsolicited, out);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        let start = *self.start.get_or_insert(now);
        if self.phase != Phase::Done && now >= later(start, self.options.duration) {
            self.report.own.is_cut_short = true;
            self.end();
        }
        if self.phase == Phase::Greeting && (self.search.is_some() || self.due.is_none_or(|due| due <= now)) {
            self.greet(now, out);
        }
        if let Phase::Asking { .. } = self.phase {
            self.ask(now, out);
        }
        if self.phase == Phase::Searching {
            self.search(now, out);
        }
    }

    fn next(&self) -> Next {
        let Some(start) = self.start else { return Next::Datagram };
        let end = later(start, self.options.duration);
        let due = self.due.unwrap_or(start);
        let next = match self.phase {
            Phase::Done => return Next::Done,
            Phase::Greeting | Phase::Asking { .. } => due,
            Phase::Searching => {
                let Some(wanted) = self.current().and_then(Search::next) else { return Next::At(start) };
                let is_waiting = self.current().is_some_and(|search| self.may_be_settled(search, wanted));
                let front = self.probes.waiting.front().and_then(|waiting| self.probes.get(waiting.number.into()));
                let settled = front.map(|probe| match probe.is_answered {
                    true => start,
                    false => later(probe.sent, self.patience(wanted.is_last)) + Duration::from_nanos(1),
                });
                match (is_waiting, settled) {
                    (false, Some(settled)) => due.min(settled),
                    (true, Some(settled)) => settled,
                    (_, None) => due,
                }
            }
        };
        Next::At(next.min(end))
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        if let Cause::TooBig { mtu } = unreachable.cause {
            let is_used = self.hear_too_big(unreachable, mtu);
            self.report.own.too_big_ignored += u64::from(!is_used);
            return;
        }
        self.report.unreachable += 1;
        out.emit(Event::Unreachable(Refusal::new(unreachable, None, false)));
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.report.sent.datagrams -= failure.count as u64;
        self.report.sent.bytes -= failure.bytes as u64;
        let is_too_long = failure.kind() == ErrorKind::TooLong;
        for place in failure.place..failure.place.saturating_add(failure.count as u64) {
            let Some(probe) = self.probes.take_back(place) else { continue };
            if is_too_long {
                [&mut self.search, &mut self.forward]
                    .into_iter()
                    .flatten()
                    .for_each(|search| search.refused(probe.size));
                let most = probe.size as u64 - 1;
                let first_link = &mut self.report.own.first_link;
                *first_link = Some(first_link.map_or(most, |known| known.min(most)));
                // It took no time on any link.
                self.due = None;
            }
        }
        if !is_too_long {
            self.report.send_failed += failure.count as u64;
            out.emit(Event::SendFailed(SendFailed::new(via, failure)));
        }
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, _now: Instant, input: PathMtuInput, _out: &mut impl Outbox) {
        match input {
            PathMtuInput::Finish => {
                self.report.own.is_cut_short |= self.phase != Phase::Done;
                self.end();
            }
        }
    }

    fn report(&self) -> Report<PathMtuFigures> {
        let mut report = self.report.clone();
        let own = &mut report.own;
        if let Some([both, forward, reverse]) = self.directions() {
            (own.mtu, own.forward, own.reverse) = (both, forward, reverse);
        }
        own.limit = self.limit();
        own.sizes = self.probes.sizes();
        own.sent = own.sizes.iter().map(|size| size.sent).sum();
        if let Some(search) = self.search.as_ref().filter(|_| own.limit == MtuLimit::Path) {
            own.by_chance = Some(search.trial(search.low() + 1).by_chance());
        }
        report
    }
}
