//! What of a capture is sent when, by which socket and where to: read round by round, shortly before it is due.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use super::common::Limits;
use super::recording::{Reading, Recording, ReplayDatagram};
use super::sources::Sources;
use super::timetable::{ReplayPace, Timetable};
use crate::datagram::Transmit;
use crate::error::Result;
use crate::report::{Figures, add, debug_counters};
use crate::setters::setters;
use crate::socket_id::SocketId;
use crate::stats::Quantiles;

/// What a datagram keeps of the destination that it had in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Keeps {
    /// Nothing: all go to one address and port.
    #[default]
    Nothing,
    /// Its port.
    Port,
    /// Address and port: each goes where it went.
    Destination,
}

/// What `replay` is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReplayOptions {
    /// Where everything goes, but for what each keeps.
    pub transmit: Transmit,
    /// What each datagram keeps of the destination that it had in the capture.
    pub keeps: Keeps,
    /// Whether each leaves from the address that it came from: its socket is bound to that ([`Options::transparent`](crate::Options)).
    pub keeps_source: bool,
    /// The speed, a fixed rate, or as fast as it goes.
    pub pace: ReplayPace,
    /// The longest pause between two datagrams, as it would be at this pace; a longer one is made so long. Only where
    /// the pace is as recorded.
    pub longest_gap: Option<Duration>,
    /// With which datagrams of a round another clock begins although its time is later, where the capture was
    /// [read through](super::Preview) before. Without it that is known only where the first clock returns among the next 64.
    pub clock_starts: Vec<u64>,
    /// How many times the whole capture is sent, each time beginning when the last datagram was due; `None`: without end.
    pub rounds: Option<u64>,
    /// How long after that a further round begins.
    pub loop_delay: Duration,
    /// When to end before that: after so many datagrams sent, or that long.
    pub limits: Limits,
    /// How long answers are awaited after the last datagram; zero: not at all.
    pub wait: Duration,
    /// Take answers from any address and port: needed where a broadcast or multicast is answered.
    pub any_source: bool,
    /// The addresses of the sockets it is driven with.
    pub own: Vec<SocketAddr>,
    /// How long before each datagram to watch the clock instead of sleeping ([`Engine::precision`](crate::Engine::precision)).
    /// Nothing else is heard of meanwhile.
    pub busy_wait: Duration,
    /// Whether to tell of each datagram sent ([`Event::Sent`](crate::Event::Sent)).
    pub verbose: bool,
}

setters! { ReplayOptions {
    transmit: Transmit,
    keeps: Keeps,
    keeps_source: bool,
    pace: ReplayPace,
    into longest_gap: Option<Duration>,
    into clock_starts: Vec<u64>,
    into rounds: Option<u64>,
    loop_delay: Duration,
    limits: Limits,
    wait: Duration,
    any_source: bool,
    into own: Vec<SocketAddr>,
    busy_wait: Duration,
    verbose: bool,
}}

impl ReplayOptions {
    /// A busy wait that is long enough for the system to wake up in.
    pub const BUSY_WAIT: Duration = Duration::from_micros(100);

    /// Once, as recorded, to this address.
    #[must_use]
    pub fn new(destination: SocketAddr) -> Self {
        Self {
            transmit: Transmit::to(destination),
            keeps: Keeps::Nothing,
            keeps_source: false,
            pace: ReplayPace::Recorded { speed: 1.0 },
            longest_gap: None,
            clock_starts: Vec::new(),
            rounds: Some(1),
            loop_delay: Duration::ZERO,
            limits: Limits::default(),
            wait: Duration::ZERO,
            any_source: false,
            own: Vec::new(),
            busy_wait: Self::BUSY_WAIT,
            verbose: false,
        }
    }
}

/// What [`Replay`](super::Replay) counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ReplayFigures {
    /// How long after the time in the schedule the turn of each datagram came, whether it could be sent or not: the clock is
    /// read before the system call that sends it.
    pub lateness: Quantiles,
    /// Pauses of a capture that were longer than allowed, and made shorter.
    pub gaps_shortened: u64,
    /// Datagrams whose time in the capture is before that of one that stands before them.
    pub times_decreasing: u64,
    /// How many times the recorded time went back by a second or more, from one datagram to the next.
    pub clock_steps_back: u64,
    /// Clocks that the times of a capture were found to be of, counted anew for each reading: the most of one.
    pub clocks: u64,
    /// Datagrams that left by the socket of another source, since each of them had its own already.
    pub sources_shared: u64,
}

debug_counters! { ReplayFigures {
    lateness,
    gaps_shortened,
    times_decreasing,
    clock_steps_back,
    clocks,
    sources_shared,
}}

impl Figures for ReplayFigures {
    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.gaps_shortened, other.gaps_shortened),
            (&mut self.times_decreasing, other.times_decreasing),
            (&mut self.clock_steps_back, other.clock_steps_back),
            (&mut self.sources_shared, other.sources_shared),
        ]);
        self.lateness.merge(&other.lateness);
        self.clocks = self.clocks.max(other.clocks);
    }
}

/// The most datagrams that are read before they are due: what they hold is less than 4 MiB.
pub(super) const AHEAD: usize = 64;

/// A datagram that waits for its time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedDatagram {
    /// The number that it was read with.
    pub number: u64,
    /// When it is due, after the first of all.
    pub due: Duration,
    /// The socket that it leaves by.
    pub via: SocketId,
    /// Whether the socket is that of another source.
    pub is_shared: bool,
    /// Where it goes.
    pub transmit: Transmit,
    /// Its payload, whole.
    pub payload: Vec<u8>,
}

/// What of a capture is sent when, by which socket and where to.
///
/// [`Replay`](super::Replay) sends by one. By itself it tells what would be sent: [`next_planned`](Self::next_planned).
pub struct Plan<F, R> {
    transmit: Transmit,
    keeps: Keeps,
    keeps_source: bool,
    loop_delay: Duration,
    sources: Sources,
    open: F,
    /// The rest of the round under way.
    capture: Option<R>,
    /// Whether the round under way had a datagram yet.
    round_has_any: bool,
    /// Rounds that were not begun; `None` is without end.
    rounds_left: Option<u64>,
    /// Whether a round was begun.
    has_begun: bool,
    /// What is read and not sent, in order.
    ahead: VecDeque<PlannedDatagram>,
    /// Of it: what is given out before more is read.
    unread: usize,
    timetable: Timetable,
    failure: Option<crate::Error>,
}

impl<F, R> Plan<F, R>
where
    F: FnMut() -> Result<R>,
    R: Recording,
{
    /// The plan for these options of what `open` gives: once for each round, the whole capture.
    #[must_use]
    pub fn new(options: &ReplayOptions, sources: Sources, open: F) -> Self {
        Self {
            transmit: options.transmit,
            keeps: options.keeps,
            keeps_source: options.keeps_source,
            loop_delay: options.loop_delay,
            sources,
            open,
            capture: None,
            round_has_any: true,
            rounds_left: options.rounds,
            has_begun: false,
            ahead: VecDeque::with_capacity(AHEAD),
            unread: 0,
            timetable: Timetable::new(options.pace, options.longest_gap, options.clock_starts.clone()),
            failure: None,
        }
    }

    /// The next datagram that is sent; not yet, where there is none that was read, and nothing to be read at this moment. What was read
    /// is given out before that is asked for again.
    #[must_use = "it is not planned again"]
    pub fn next_planned(&mut self) -> Reading<PlannedDatagram> {
        while self.unread == 0 && self.ahead.len() < AHEAD && !self.is_read() {
            if self.read(Duration::ZERO) == Reading::NotYet {
                self.unread = self.ahead.len();
                if self.unread == 0 {
                    return Reading::NotYet;
                }
            }
        }
        self.unread = self.unread.saturating_sub(1);
        self.pop().into()
    }

    /// Why the capture could not be read to its end, if it could not.
    #[must_use]
    pub fn failure(&self) -> Option<&crate::Error> {
        self.failure.as_ref()
    }

    /// What is peculiar about the times so far.
    #[must_use]
    pub fn figures(&self) -> ReplayFigures {
        let Timetable { gaps_shortened, ref clocks, .. } = self.timetable;
        ReplayFigures {
            gaps_shortened,
            times_decreasing: clocks.times_decreasing,
            clock_steps_back: clocks.steps_back,
            clocks: clocks.most_begun,
            ..ReplayFigures::default()
        }
    }

    /// What was read and not sent.
    pub(super) fn ahead(&self) -> &VecDeque<PlannedDatagram> {
        &self.ahead
    }

    /// Takes the first of those that wait, to send it.
    pub(super) fn pop(&mut self) -> Option<PlannedDatagram> {
        let planned = self.ahead.pop_front()?;
        self.timetable.clocks.sent(self.timetable.made() - 1 - self.ahead.len() as u64);
        Some(planned)
    }

    /// Whether all that is to be sent was read.
    pub(super) fn is_read(&self) -> bool {
        self.capture.is_none() && self.rounds_left == Some(0)
    }

    /// Reads the next datagram, or begins or ends a round, so long after the first datagram was due; not yet, where there is nothing
    /// to read. An error ends it.
    pub(super) fn read(&mut self, now: Duration) -> Reading<()> {
        match self.read_one(now) {
            Ok(Reading::Ready(datagram)) => {
                self.plan(datagram, now);
                Reading::Ready(())
            }
            Ok(Reading::NotYet) => Reading::NotYet,
            // The next round may have more.
            Ok(Reading::End) => Reading::End,
            Err(error) => {
                self.failure = Some(error);
                (self.capture, self.rounds_left) = (None, Some(0));
                Reading::End
            }
        }
    }

    /// The next datagram of the round under way, or its end; begins the next one where none is.
    fn read_one(&mut self, now: Duration) -> Result<Reading<ReplayDatagram>> {
        let Some(capture) = &mut self.capture else {
            // Without this a capture of nothing would be read for ever.
            if !self.round_has_any {
                self.rounds_left = Some(0);
                return Ok(Reading::End);
            }
            self.capture = Some((self.open)()?);
            self.round_has_any = false;
            self.rounds_left = self.rounds_left.map(|rounds| rounds - 1);
            let delay = if self.has_begun { self.loop_delay } else { Duration::ZERO };
            self.has_begun = true;
            self.timetable.begin_again(delay, now);
            return Ok(Reading::End);
        };
        let next = capture.read()?;
        match next {
            Reading::Ready(_) => self.round_has_any = true,
            Reading::NotYet => {}
            Reading::End => self.capture = None,
        }
        Ok(next)
    }

    fn plan(&mut self, datagram: ReplayDatagram, now: Duration) {
        let ReplayDatagram { number, at, source, destination, payload } = datagram;
        let made = self.timetable.made();
        let ahead = &mut self.ahead;
        let due = self.timetable.due(at, payload.len(), now, |sooner| {
            let moved = usize::try_from(made - sooner.number).unwrap_or(usize::MAX);
            for planned in ahead.iter_mut().rev().take(moved) {
                planned.due = planned.due.saturating_sub(sooner.by);
            }
        });
        let (place, is_shared) = self.sources.place(source);
        let via = SocketId::first(place);
        let mut transmit = self.transmit;
        match self.keeps {
            Keeps::Nothing => {}
            Keeps::Port => transmit.destination.set_port(destination.port()),
            Keeps::Destination => transmit.destination = destination,
        }
        if self.keeps_source {
            // Where an interface is chosen, the system chooses the source, unless it is said, too.
            transmit.local = Some(source.ip());
        }
        self.ahead.push_back(PlannedDatagram { number, due, via, is_shared, transmit, payload });
    }
}

/// What a capture that is read through tells of its times beforehand.
#[derive(Debug)]
pub struct Preview {
    timetable: Timetable,
    /// The longest pauses and the datagrams after them, of which some may be undone. No more than [`PAUSES`].
    pauses: Vec<(Duration, u64)>,
    takes: Duration,
}

/// Pauses that are remembered until it is known whether they are some.
const PAUSES: usize = 8;

impl Preview {
    /// A preview of what is sent with these options.
    #[must_use]
    pub fn new(options: &ReplayOptions) -> Self {
        let timetable = Timetable::new(options.pace, options.longest_gap, Vec::new());
        Self { timetable, pauses: Vec::new(), takes: Duration::ZERO }
    }

    /// Takes the next datagram: [its time](super::ReplayDatagram::at), and the length of its payload.
    pub fn add(&mut self, at: Option<Duration>, len: usize) {
        let (number, pauses) = (self.timetable.made(), &mut self.pauses);
        let mut before = self.takes;
        self.takes = self.timetable.due(at, len, Duration::ZERO, |sooner| {
            before = before.saturating_sub(sooner.by);
            pauses.retain(|(_, number)| *number != sooner.number);
        });
        let pause = self.takes.saturating_sub(before);
        let shortest = self.pauses.last().map_or(Duration::ZERO, |(shortest, _)| *shortest);
        if self.pauses.len() < PAUSES || pause > shortest {
            let place = self.pauses.partition_point(|(other, _)| *other >= pause);
            self.pauses.insert(place, (pause, number));
            self.pauses.truncate(PAUSES);
        }
    }

    /// How long after the first datagram the last one is due.
    #[must_use]
    pub fn takes(&self) -> Duration {
        self.takes
    }

    /// The longest pause, and how many datagrams stand before it.
    #[must_use]
    pub fn longest_pause(&self) -> Option<(Duration, u64)> {
        self.pauses.first().copied()
    }

    /// With which datagrams another clock begins although its time is later, for [`ReplayOptions::clock_starts`]. No more than 4,096.
    #[must_use]
    pub fn into_clock_starts(self) -> Vec<u64> {
        self.timetable.clocks.into_starts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replayed_is_added_up_field_by_field() {
        let figures = |unit: u64| {
            let mut lateness = Quantiles::default();
            (1..=unit).for_each(|number| lateness.add(Duration::from_secs(number)));
            ReplayFigures {
                lateness,
                gaps_shortened: unit,
                times_decreasing: 2 * unit,
                clock_steps_back: 3 * unit,
                clocks: unit,
                sources_shared: 4 * unit,
            }
        };
        let mut both = figures(1);
        both.merge(&figures(2));
        assert_eq!((both.lateness.count(), both.lateness.largest()), (3, Duration::from_secs(2)));
        let lateness = both.lateness.clone();
        assert_eq!(both, ReplayFigures { lateness, clocks: 2, ..figures(3) });
    }
}
