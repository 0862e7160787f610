//! What `send` and `broadcast` have to say, and when: a list or a stream of payloads on an absolute schedule.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::common::later;
use crate::datagram::MAX_PAYLOAD_V6;
use crate::moment::Moment;
use crate::template::Template;

/// What is to be sent.
///
/// ```
/// use udpkit::verbs::Requests;
///
/// let once = Requests::one("Hello World");
/// let in_turn = Requests::all(["ping", "pong"]).repeat(10);
/// let without_end = Requests::one("still here").repeat(None);
/// # let _ = (once, in_turn, without_end);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requests {
    /// These payloads, in order, as often as said.
    #[non_exhaustive]
    Fixed {
        /// The payloads.
        payloads: Vec<Vec<u8>>,
        /// How many times all of them; `None` is without end.
        repeat: Option<u64>,
    },
    /// This template, filled in with the number of each request and the time when it is sent.
    #[non_exhaustive]
    Template {
        /// What is filled in.
        template: Template,
        /// How many times; `None` is without end.
        repeat: Option<u64>,
        /// A moment, and the time of day then: engines read no clock.
        clock: Moment,
    },
    /// Payloads that the program around hands over ([`Remote::input`](crate::Remote::input)), until it ends.
    Stream,
}

impl Requests {
    /// One payload, once.
    #[must_use]
    pub fn one(payload: impl Into<Vec<u8>>) -> Self {
        Self::all([payload])
    }

    /// These payloads, in order, once.
    #[must_use]
    pub fn all(payloads: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self::Fixed { payloads: payloads.into_iter().map(Into::into).collect(), repeat: Some(1) }
    }

    /// This template, filled in, once; `clock` is one moment on both clocks.
    #[must_use]
    pub fn template(template: Template, clock: Moment) -> Self {
        Self::Template { template, repeat: Some(1), clock }
    }

    /// So many times; `None` is without end. A [`Stream`](Self::Stream) is not repeated.
    #[must_use]
    pub fn repeat(mut self, times: impl Into<Option<u64>>) -> Self {
        match &mut self {
            Self::Fixed { repeat, .. } | Self::Template { repeat, .. } => *repeat = times.into(),
            Self::Stream => {}
        }
        self
    }
}

/// How fast requests follow one another, on an absolute schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pace {
    /// One each interval.
    Interval(Duration),
    /// So many a second; more than zero. Kept exactly, also where the interval is no whole number of nanoseconds.
    Rate(f64),
    /// So many bits of payload a second; more than zero.
    Bitrate(f64),
}

impl Pace {
    /// How long after the first payload the next is due, where so many, of so many bytes, came before it.
    pub(super) fn after(self, made: u64, made_bytes: u64) -> Duration {
        match self {
            Self::Interval(interval) => {
                let nanoseconds = interval.as_nanos().saturating_mul(u128::from(made));
                Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            }
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 datagrams")]
            Self::Rate(rate) => Duration::try_from_secs_f64(made as f64 / rate).unwrap_or(Duration::MAX),
            #[expect(clippy::cast_precision_loss, reason = "exact up to a petabyte")]
            Self::Bitrate(rate) => Duration::try_from_secs_f64(made_bytes as f64 * 8.0 / rate).unwrap_or(Duration::MAX),
        }
    }

    /// The bytes of which a payload of this length takes the time: an empty one counts as a byte, or a bitrate would not
    /// bound them.
    pub(super) fn bytes(len: usize) -> u64 {
        len.max(1) as u64
    }
}

/// The most payloads of a stream that wait to be sent.
const MAX_QUEUED: usize = 64;

/// Hands out each payload when it is due.
#[derive(Debug)]
pub(super) struct Schedule {
    queue: VecDeque<Arc<[u8]>>,
    /// The fixed payloads, to be queued again.
    fixed: Vec<Arc<[u8]>>,
    /// What each round is made of, instead of these.
    template: Option<(Template, Moment)>,
    rounds_left: Option<u64>,
    stream_ended: bool,
    /// Bytes that every payload is cut to, or filled up to with zeros.
    size: Option<usize>,
    /// Payloads taken.
    taken: u64,
    pace: Option<Pace>,
    duration: Option<Duration>,
    /// When it was first asked for a payload.
    started: Option<Instant>,
    /// When the first payload was due; the others follow from it.
    origin: Option<Instant>,
    made: u64,
    made_bytes: u64,
    /// How many more may be handed out; `None`: any number.
    left: Option<u64>,
}

impl Schedule {
    /// Requests at this pace (`None`: as fast as they come), for this long at the most.
    pub(super) fn new(requests: Requests, pace: Option<Pace>, duration: Option<Duration>) -> Self {
        let (mut fixed, mut template, mut stream_ended) = (Vec::new(), None, true);
        let rounds_left = match requests {
            Requests::Fixed { payloads, .. } if payloads.is_empty() => Some(0),
            Requests::Fixed { payloads, repeat } => {
                fixed = payloads.into_iter().map(Arc::from).collect();
                repeat
            }
            Requests::Template { template: made, repeat, clock } => {
                template = Some((made, clock));
                repeat
            }
            Requests::Stream => {
                stream_ended = false;
                Some(0)
            }
        };
        Self {
            queue: VecDeque::new(),
            fixed,
            template,
            rounds_left,
            stream_ended,
            size: None,
            taken: 0,
            pace,
            duration,
            started: None,
            origin: None,
            made: 0,
            made_bytes: 0,
            left: None,
        }
    }

    /// The same, but for no more payloads than this.
    pub(super) fn at_most(self, most: Option<u64>) -> Self {
        Self { left: most, ..self }
    }

    /// The same, but every payload is cut to this size, or filled up to it with zeros.
    pub(super) fn of_size(mut self, size: Option<usize>) -> Self {
        self.size = size;
        if size.is_some() {
            self.fixed.iter_mut().for_each(|payload| *payload = fitted(payload.to_vec(), size));
        }
        self
    }

    /// The next payload, if it is due by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Arc<[u8]>> {
        self.end_in_time(now);
        if !self.waits() {
            return None;
        }
        self.origin.get_or_insert(now);
        if self.due()? > now {
            return None;
        }
        if self.queue.is_empty() && self.rounds_left != Some(0) {
            self.rounds_left = self.rounds_left.map(|rounds| rounds - 1);
            self.queue.extend(self.fixed.iter().cloned());
            let made = self.template.as_ref().map(|(template, clock)| self.made_of(template, *clock, now));
            self.queue.extend(made);
        }
        let payload = self.queue.pop_front()?;
        self.taken += 1;
        self.made += 1;
        self.made_bytes += Pace::bytes(payload.len());
        self.left = self.left.map(|left| left - 1);
        if self.left == Some(0) {
            self.end();
        }
        Some(payload)
    }

    /// Ends where its time is over.
    pub(super) fn end_in_time(&mut self, now: Instant) {
        let started = *self.started.get_or_insert(now);
        if self.left == Some(0) || self.duration.is_some_and(|duration| now >= later(started, duration)) {
            self.end();
        }
    }

    /// Whether there is, or may come, another.
    pub(super) fn more(&self) -> bool {
        self.waits() || !self.stream_ended
    }

    /// When [`take`](Self::take) is wanted next on account of time alone.
    pub(super) fn next(&self) -> Option<Instant> {
        let due = if self.waits() { self.due() } else { None };
        [due, self.ends()].into_iter().flatten().min()
    }

    /// When its time is over, if it has one and is not over.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.duration.filter(|_| self.more()).and_then(|duration| Some(later(self.started?, duration)))
    }

    pub(super) fn wants_input(&self) -> bool {
        !self.stream_ended && self.queue.len() < MAX_QUEUED
    }

    pub(super) fn input(&mut self, now: Instant, payload: Vec<u8>) {
        // A stream that paused is not behind its schedule: it begins again.
        if self.queue.is_empty() && self.due().is_some_and(|due| due < now) {
            self.origin = Some(now);
            (self.made, self.made_bytes) = (0, 0);
        }
        self.queue.push_back(fitted(payload, self.size));
    }

    pub(super) fn end_input(&mut self) {
        self.stream_ended = true;
    }

    /// The next payload that a template makes; in `clock`, the time of day at some moment.
    fn made_of(&self, template: &Template, clock: Moment, now: Instant) -> Arc<[u8]> {
        let time = clock.utc_at(now);
        let mut payload = Vec::new();
        template.render_request(self.taken + 1, time, &mut payload, MAX_PAYLOAD_V6);
        fitted(payload, self.size)
    }

    /// Whether a payload waits for its time.
    fn waits(&self) -> bool {
        !self.queue.is_empty() || self.rounds_left != Some(0)
    }

    /// When the next payload is due; known from the first on.
    pub(super) fn due(&self) -> Option<Instant> {
        let origin = self.origin?;
        // From the origin, not added up: an interval that was slept too long does not delay those after it.
        let after = self.pace.map_or(Duration::ZERO, |pace| pace.after(self.made, self.made_bytes));
        Some(later(origin, after))
    }

    fn end(&mut self) {
        self.queue.clear();
        self.rounds_left = Some(0);
        self.stream_ended = true;
    }
}

/// A payload of this size: cut, or filled up with zeros.
fn fitted(mut payload: Vec<u8>, size: Option<usize>) -> Arc<[u8]> {
    if let Some(size) = size {
        payload.resize(size, 0);
    }
    payload.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_rate_is_kept_to_the_nanosecond_however_long_it_is_kept(rate in 1u32..10_000_000, made in 0u64..1 << 42) {
            let exact = u128::from(made) * 1_000_000_000 / u128::from(rate);
            let after = Pace::Rate(rate.into()).after(made, 0).as_nanos();
            // What an f64 of that many seconds can tell.
            let precision = 1 + exact / (1 << 52);
            prop_assert!(after.abs_diff(exact) <= precision, "{after} is not {exact}");
        }
    }

    #[test]
    fn three_million_a_second_are_three_million_after_a_second() {
        assert_eq!(Pace::Rate(3e6).after(3_000_000, 0), Duration::from_secs(1));
        assert_eq!(Pace::Rate(f64::MIN_POSITIVE).after(1, 0), Duration::MAX);
    }

    #[test]
    fn no_more_payloads_are_handed_out_than_asked_for() {
        let list = ["one", "two", "three"].map(|payload| payload.as_bytes().to_vec());
        let requests = Requests::Fixed { payloads: list.to_vec(), repeat: None };
        for (requests, most, expected) in [
            (requests.clone(), 5, &["one", "two", "three", "one", "two"][..]),
            (requests, 0, &[]),
            (Requests::Stream, 2, &["one", "two"]),
        ] {
            let (mut schedule, now) = (Schedule::new(requests, None, None).at_most(Some(most)), now());
            if schedule.wants_input() {
                list.iter().for_each(|payload| schedule.input(now, payload.clone()));
            }
            let taken: Vec<_> = std::iter::from_fn(|| schedule.take(now)).map(|payload| payload.to_vec()).collect();
            assert_eq!(taken, expected.iter().map(|payload| payload.as_bytes()).collect::<Vec<_>>());
            assert!(!schedule.more() && !schedule.wants_input());
        }
    }

    #[test]
    fn payloads_that_are_sent_without_end_take_the_room_of_one_round() {
        let requests = Requests::Fixed { payloads: vec![b"one".to_vec(), b"two".to_vec()], repeat: None };
        let (mut schedule, now) = (Schedule::new(requests, None, None), now());
        for _ in 0..1000 {
            assert!(schedule.take(now).is_some());
            assert!(schedule.queue.len() <= 2, "{} wait", schedule.queue.len());
        }
    }

    #[test]
    fn every_payload_has_the_size_that_was_asked_for() {
        let now = now();
        for size in [0, 2, 5, 9] {
            let whole = |text: &str| [text.as_bytes(), &[0; 9]].concat()[..size].to_vec();
            let fixed = Requests::Fixed { payloads: vec![b"long payload".to_vec(), b"ab".to_vec()], repeat: Some(2) };
            let mut schedule = Schedule::new(fixed, None, None).of_size(Some(size));
            let taken: Vec<_> = std::iter::from_fn(|| schedule.take(now)).map(|payload| payload.to_vec()).collect();
            let round = [b"long payload"[..size].to_vec(), whole("ab")];
            assert_eq!(taken, [round.clone(), round].concat());
            let mut schedule = Schedule::new(Requests::Stream, None, None).of_size(Some(size));
            schedule.input(now, b"line".to_vec());
            assert_eq!(schedule.take(now).as_deref(), Some(&*whole("line")));
        }
    }

    #[test]
    fn a_template_is_filled_in_anew_for_each_request() {
        let (start, epoch) = (now(), std::time::SystemTime::UNIX_EPOCH);
        let template = Template::request("{count} {time}").unwrap();
        let requests = Requests::Template { template, repeat: Some(3), clock: Moment::new(start, epoch) };
        let pace = Some(Pace::Interval(Duration::from_secs(1)));
        let mut schedule = Schedule::new(requests, pace, None).of_size(Some(24));
        for seconds in 0..3 {
            let now = start + Duration::from_secs(seconds);
            let expected = format!("{} 1970-01-01T00:00:0{seconds}.00", seconds + 1);
            assert_eq!(schedule.take(now).as_deref(), Some(expected.as_bytes()));
            assert_eq!((schedule.take(now), schedule.more()), (None, seconds < 2));
        }
    }
}
