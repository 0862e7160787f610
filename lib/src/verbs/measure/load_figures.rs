//! Latency under load: the figures before and during a load, and what it added to them.

use std::fmt;
use std::time::Duration;

use super::load_options::LoadOptions;
use super::probe::{Answer, State};
use crate::path::{Delays, TimeSample};
use crate::report::add;
use crate::stats::{Quantiles, SignedNanoseconds};

/// Decimal digits that are kept of each time.
const DIGITS: u8 = 3;
/// The part of all networks for which an interval of an added delay is wrong.
const ALPHA: f64 = 0.05;
/// Delays closer than this depend on one another, since the same queue made them, and count as one.
const INDEPENDENT: Duration = Duration::from_millis(100);
/// Millionths by which two clocks run apart: delays of one direction that lie some time apart are off by these of it.
const DRIFT_PPM: f64 = 100.0;

/// How far a load went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadOutcome {
    /// It has not begun; at the end, since the measurement was ended before.
    #[default]
    Waiting,
    /// Not sent: the reflector did not answer as one that counts a load and does not answer it. Others would send all of it back.
    Refused,
    /// It is being sent.
    Running,
    /// Sent until the end of the measurement.
    Ended,
    /// Sent until the reflector's host, or one before it, reported that nothing listens there any more.
    Unreachable,
}

impl LoadOutcome {
    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Running => "running",
            Self::Ended => "ended",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The probes that were due in one half of a measurement with a load.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadPhase {
    /// Probes answered within the wait.
    pub answered: u64,
    /// Probes without a reply within the wait.
    pub lost: u64,
    /// Round trips without the time inside the reflector.
    pub rtt: Quantiles,
    /// Delays from us to the reflector, by the clocks of both ends.
    pub forward: Delays,
    /// Delays from the reflector to us.
    pub reverse: Delays,
}

impl Default for LoadPhase {
    fn default() -> Self {
        let (forward, reverse) = (Delays::default(), Delays::default());
        Self { answered: 0, lost: 0, rtt: Quantiles::with_digits(DIGITS), forward, reverse }
    }
}

impl LoadPhase {
    /// The part of the probes that was lost; nothing without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub fn loss(&self) -> Option<f64> {
        let probes = self.answered + self.lost;
        (probes > 0).then(|| self.lost as f64 / probes as f64)
    }

    /// Takes what became of a probe, and its round trip.
    fn add(&mut self, state: &State, rtt: Option<Duration>) {
        match state {
            State::Failed => {}
            State::Waiting => self.lost += 1,
            State::Answered(Answer { delays, .. }) => {
                self.answered += 1;
                rtt.into_iter().for_each(|rtt| self.rtt.add(rtt));
                if let Some([forward, reverse]) = delays {
                    self.forward.add(*forward);
                    self.reverse.add(*reverse);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        add(&mut [(&mut self.answered, other.answered), (&mut self.lost, other.lost)]);
        self.rtt.merge(&other.rtt);
        self.forward.merge(&other.forward);
        self.reverse.merge(&other.reverse);
    }
}

/// What a load did to a path: the figures of the probes before it, and beside it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadFigures {
    /// How far it went.
    pub outcome: LoadOutcome,
    /// Bits of payload a second that were to be sent.
    pub bitrate: f64,
    /// Bytes of payload of each of its datagrams.
    pub size: usize,
    /// When it was to begin, from the start.
    pub from: Duration,
    /// How long it was sent.
    pub lasted: Duration,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that the system did not take: a queue of our own was full.
    pub failed: u64,
    /// Datagrams that were left out, because this host could not keep up.
    pub omitted: u64,
    /// Datagrams that arrived, copies included, as the reflector counted; `None` where it did not say, or forgot.
    pub arrived: Option<u64>,
    /// Whether no clock was set, so that delays of one direction before and during it can be compared.
    pub are_clocks_steady: bool,
    /// The probes that were due before it.
    pub idle: LoadPhase,
    /// The probes that were due from its beginning on.
    pub loaded: LoadPhase,
}

impl LoadFigures {
    pub(super) fn new(options: &LoadOptions, from: Duration) -> Self {
        Self {
            outcome: LoadOutcome::default(),
            bitrate: options.bitrate(),
            size: options.size,
            from,
            lasted: Duration::ZERO,
            sent: 0,
            failed: 0,
            omitted: 0,
            arrived: None,
            are_clocks_steady: true,
            idle: LoadPhase::default(),
            loaded: LoadPhase::default(),
        }
    }

    /// Takes what became of a probe that was due then, and its round trip.
    pub(super) fn add(&mut self, due: Duration, state: &State, rtt: Option<Duration>) {
        let phase = if due < self.from { &mut self.idle } else { &mut self.loaded };
        phase.add(state, rtt);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        add(&mut [(&mut self.sent, other.sent), (&mut self.failed, other.failed), (&mut self.omitted, other.omitted)]);
        self.arrived = self.arrived.zip(other.arrived).map(|(ours, theirs)| ours + theirs);
        self.bitrate += other.bitrate;
        self.are_clocks_steady &= other.are_clocks_steady;
        self.idle.merge(&other.idle);
        self.loaded.merge(&other.loaded);
    }

    /// How much longer round trips took beside the load, by the quantile of this part; nothing where one half has none.
    #[must_use]
    pub fn added_rtt(&self, part: f64) -> Option<AddedDelay> {
        let [idle, loaded] = [&self.idle, &self.loaded].map(|phase| &phase.rtt);
        let at = |times: &Quantiles| {
            let nanoseconds = i64::try_from(times.at(part).as_nanos()).unwrap_or(i64::MAX);
            (times.count() > 0).then_some(SignedNanoseconds(nanoseconds))
        };
        let points = [at(idle)?, at(loaded)?];
        Some(self.added(
            points,
            [(TimeSample::of(idle), idle.count()), (TimeSample::of(loaded), loaded.count())],
            part,
            0,
        ))
    }

    /// The same of delays forward. Nothing where a clock was set, too.
    #[must_use]
    pub fn added_forward(&self, part: f64) -> Option<AddedDelay> {
        self.added_one_way([&self.idle.forward, &self.loaded.forward], part)
    }

    /// The same of delays in reverse.
    #[must_use]
    pub fn added_reverse(&self, part: f64) -> Option<AddedDelay> {
        self.added_one_way([&self.idle.reverse, &self.loaded.reverse], part)
    }

    fn added_one_way(&self, phases: [&Delays; 2], part: f64) -> Option<AddedDelay> {
        let [idle, loaded] = phases;
        let points = [idle.at(part)?, loaded.at(part)?];
        let samples = phases.map(|delays| (TimeSample::of_delays(delays), delays.count()));
        // The middles of both halves are so far apart.
        let apart = (self.from + self.lasted) / 2;
        #[expect(clippy::cast_possible_truncation, reason = "it is below a second for any run of a day")]
        let drift = (apart.as_secs_f64() * DRIFT_PPM * 1e3) as i64;
        self.are_clocks_steady.then(|| self.added(points, samples, part, drift))
    }

    /// The difference of two quantiles, and the interval of the true one, so many nanoseconds wider at each end.
    fn added(
        &self,
        [idle, loaded]: [SignedNanoseconds; 2],
        [(of_idle, idle_count), (of_loaded, loaded_count)]: [(TimeSample, u64); 2],
        part: f64,
        wider: i64,
    ) -> AddedDelay {
        let less = |one: SignedNanoseconds, other: SignedNanoseconds, by: i64| {
            SignedNanoseconds(one.0.saturating_sub(other.0).saturating_add(by))
        };
        let [lowest_idle, highest_idle] =
            of_idle.independent(independent(idle_count, self.from)).interval(part, ALPHA / 2.0);
        let [lowest_loaded, highest_loaded] =
            of_loaded.independent(independent(loaded_count, self.lasted)).interval(part, ALPHA / 2.0);
        let low = lowest_loaded.zip(highest_idle).map(|(loaded, idle)| less(loaded, idle, -wider));
        let high = highest_loaded.zip(lowest_idle).map(|(loaded, idle)| less(loaded, idle, wider));
        AddedDelay { delay: less(loaded, idle, 0), low, high }
    }

    /// Bits of payload a second of what was sent.
    #[must_use]
    pub fn sent_bitrate(&self) -> Option<f64> {
        bitrate(self.sent, self.size, self.lasted)
    }

    /// Bits of payload a second of what arrived, over the time in which it did: that is longer than the sending where a queue grew
    /// meanwhile, by the delay that was added forward.
    #[must_use]
    pub fn arrived_bitrate(&self) -> Option<f64> {
        let grown = self.added_forward(0.5).map_or(Duration::ZERO, |added| added.delay.size());
        let is_longer = self.added_forward(0.5).is_some_and(|added| added.delay.0 > 0);
        bitrate(self.arrived?, self.size, self.lasted + if is_longer { grown } else { Duration::ZERO })
    }

    /// The part of the load that arrived; above 1 where copies did.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub fn arrived_part(&self) -> Option<f64> {
        self.arrived.filter(|_| self.sent > 0).map(|arrived| arrived as f64 / self.sent as f64)
    }

    /// The grade of what was added to the median of round trips.
    #[must_use]
    pub fn grade(&self) -> Option<LoadGrade> {
        self.added_rtt(0.5).map(|added| LoadGrade::of(added.delay))
    }
}

/// How many of so many values in this time say as much as ones that are independent of each other.
fn independent(values: u64, within: Duration) -> u64 {
    let most = u64::try_from(within.as_nanos() / INDEPENDENT.as_nanos()).unwrap_or(u64::MAX);
    values.min(most.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn bitrate(datagrams: u64, size: usize, within: Duration) -> Option<f64> {
    (!within.is_zero()).then(|| datagrams as f64 * size as f64 * 8.0 / within.as_secs_f64())
}

/// How much longer something takes beside a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddedDelay {
    /// The difference of the two quantiles, as they were measured.
    pub delay: SignedNanoseconds,
    /// In 95 of 100 networks like this one, the true difference is not below this; nothing where too few probes say that. A tenth of a
    /// second of probes counts as one value. Of one direction, both ends are wider by what clocks that differ by 100 ppm run apart.
    pub low: Option<SignedNanoseconds>,
    /// The same from above.
    pub high: Option<SignedNanoseconds>,
}

/// How much a load adds to round trips, as a mark: the scale of DSLReports' speed test (faq 17930), which others have taken over.
///
/// Exhaustive: the scale has these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoadGrade {
    /// Less than 5 ms.
    APlus,
    /// Less than 30 ms.
    A,
    /// Less than 60 ms.
    B,
    /// Less than 200 ms.
    C,
    /// Less than 400 ms.
    D,
    /// 400 ms and more.
    F,
}

/// Each grade, and the milliseconds that it stays below.
const SCALE: [(LoadGrade, i64); 6] = [
    (LoadGrade::APlus, 5),
    (LoadGrade::A, 30),
    (LoadGrade::B, 60),
    (LoadGrade::C, 200),
    (LoadGrade::D, 400),
    (LoadGrade::F, i64::MAX),
];

impl LoadGrade {
    /// The grade of so much more.
    #[must_use]
    pub fn of(added: SignedNanoseconds) -> Self {
        let milliseconds = added.0.div_euclid(1_000_000);
        SCALE.into_iter().find(|(_, below)| milliseconds < *below).map_or(Self::F, |(grade, _)| grade)
    }
}

impl fmt::Display for LoadGrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::APlus => "A+",
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::F => "F",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::Pace;

    const MS: i64 = 1_000_000;

    #[test]
    fn grades_are_those_of_the_scale_at_each_of_its_steps() {
        for (nanoseconds, grade) in [
            (-20 * MS, "A+"),
            (5 * MS - 1, "A+"),
            (5 * MS, "A"),
            (30 * MS - 1, "A"),
            (30 * MS, "B"),
            (60 * MS, "C"),
            (200 * MS - 1, "C"),
            (200 * MS, "D"),
            (400 * MS - 1, "D"),
            (400 * MS, "F"),
            (i64::MAX, "F"),
            (i64::MIN, "A+"),
        ] {
            assert_eq!(LoadGrade::of(SignedNanoseconds(nanoseconds)).to_string(), grade, "{nanoseconds}");
        }
    }

    /// Of 5 seconds each: probes of these round trips before the load and beside it.
    fn figures(idle: impl Iterator<Item = u64>, loaded: impl Iterator<Item = u64>) -> LoadFigures {
        let from = Duration::from_secs(5);
        let mut figures = LoadFigures::new(&LoadOptions::new(Pace::Bitrate(8e6)), from);
        idle.for_each(|time| figures.idle.rtt.add(Duration::from_millis(time)));
        loaded.for_each(|time| figures.loaded.rtt.add(Duration::from_millis(time)));
        LoadFigures { lasted: from, ..figures }
    }

    #[test]
    fn the_added_delay_is_the_difference_of_quantiles_within_an_interval_that_is_as_wide_as_few_values_make_it() {
        let figures = figures((0..500).map(|probe| 10 + probe % 3), (0..500).map(|probe| 100 + probe % 50));
        let median = figures.added_rtt(0.5).unwrap();
        let near = |time: SignedNanoseconds, milliseconds: i64| (time.0 - milliseconds * MS).abs() < MS / 4;
        assert!(near(median.delay, 113), "{median:?}");
        let (low, high) = (median.low.unwrap(), median.high.unwrap());
        // Of 50 independent values, the median is between the 30th and the 70th percentile, about.
        assert!(low.0 > 95 * MS && low < median.delay && high > median.delay && high.0 < 132 * MS, "{median:?}");
        // Of 50 values, nobody knows how large the largest in a hundred may be; of 500, somebody does.
        let p99 = figures.added_rtt(0.99).unwrap();
        assert_eq!([p99.low, p99.high], [None, None]);
        let long = LoadFigures { from: figures.from * 10, lasted: figures.lasted * 10, ..figures.clone() };
        let p99 = long.added_rtt(0.99).unwrap();
        assert!(
            p99.low.is_some_and(|low| low <= p99.delay) && p99.high.is_some_and(|high| high >= p99.delay),
            "{p99:?}"
        );
        assert_eq!(figures.grade(), Some(LoadGrade::C));
    }

    #[test]
    fn without_probes_in_both_halves_nothing_is_added() {
        let figures = figures((0..500).map(|_| 10), std::iter::empty());
        assert_eq!((figures.added_rtt(0.5), figures.added_forward(0.5), figures.grade()), (None, None, None));
        assert_eq!((figures.arrived_bitrate(), figures.arrived_part(), figures.loaded.loss()), (None, None, None));
    }

    #[test]
    fn delays_of_one_direction_are_wider_by_the_drift_of_clocks_and_unknown_where_one_was_set() {
        let mut figures = figures(std::iter::empty(), std::iter::empty());
        for _ in 0..500 {
            figures.idle.forward.add(SignedNanoseconds(-7 * MS));
            figures.loaded.forward.add(SignedNanoseconds(13 * MS));
        }
        let added = figures.added_forward(0.5).unwrap();
        assert_eq!(added.delay, SignedNanoseconds(20 * MS));
        // 5 seconds apart at 100 ppm.
        assert_eq!([added.low, added.high], [Some(SignedNanoseconds(19_500_000)), Some(SignedNanoseconds(20_500_000))]);
        figures.are_clocks_steady = false;
        assert_eq!(figures.added_forward(0.5), None);
    }

    #[test]
    fn what_arrives_takes_as_long_as_the_sending_and_the_queue_that_grew() {
        let mut figures = figures(std::iter::empty(), std::iter::empty());
        (figures.sent, figures.arrived) = (5000, Some(2750));
        assert_eq!(figures.arrived_bitrate(), Some(2750.0 * 9600.0 / 5.0));
        figures.idle.forward.add(SignedNanoseconds(0));
        figures.loaded.forward.add(SignedNanoseconds(500 * MS));
        assert_eq!(figures.arrived_bitrate(), Some(2750.0 * 9600.0 / 5.5));
        assert_eq!((figures.arrived_part(), figures.sent_bitrate()), (Some(0.55), Some(9_600_000.0)));
        figures.arrived = None;
        assert_eq!((figures.arrived_bitrate(), figures.arrived_part()), (None, None));
    }

    #[test]
    fn both_halves_of_several_are_added_up() {
        let mut one = figures((0..10).map(|_| 10), (0..10).map(|_| 20));
        (one.sent, one.arrived, one.failed, one.omitted) = (7, Some(5), 2, 3);
        let mut both = one.clone();
        both.merge(&one);
        assert_eq!((both.sent, both.arrived, both.failed, both.omitted), (14, Some(10), 4, 6));
        assert_eq!((both.idle.rtt.count(), both.loaded.rtt.count()), (20, 20));
        both.merge(&LoadFigures { arrived: None, ..one });
        assert_eq!(both.arrived, None);
    }
}
