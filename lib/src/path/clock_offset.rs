//! How far the reflector's clock is from ours, within which bound, and whether one of them was set.

use std::time::Duration;

use crate::stats::SignedNanoseconds;

/// By how much two clocks may come apart without one of them being set: parts per million. A system slews a clock by 500 at most
/// (adjtimex(2)), and both ends may.
const DRIFT_ALLOWED_PPM: i128 = 1000;
/// By how much times may be off in themselves: a system that stamps in microseconds, or rounds.
const SLACK_NS: i128 = 10_000;
/// Steps that are kept; those beyond are counted.
const MOST_STEPS: usize = 64;
/// Exchanges between two steps that make them two: fewer are the ones during which a clock was set.
const FEWEST_BETWEEN: u64 = 3;
/// Windows of which the exchange with the smallest round trip is kept, for the drift.
const MOST_WINDOWS: usize = 64;
/// How long these windows are at first; they get longer with the run.
const FIRST_WINDOW: Duration = Duration::from_millis(50);
/// Windows without which there is no drift.
const FEWEST_WINDOWS: usize = 8;

/// How far the reflector's clock is ahead of ours, from the times of requests and replies.
///
/// No direction takes less than no time, so the offset is at most the forward delay (T2 - T1) and at least the reverse delay
/// (T4 - T3) with its sign turned. That is NTP's ((T2 - T1) + (T3 - T4)) / 2 within half of the round trip (RFC 5905 section 8), and
/// what all exchanges allow together is narrower than what the best one does (section 11.2.1 there). Two clocks come apart by up to
/// 1,000 parts per million meanwhile. An exchange that nothing of this allows means that a clock was set: a *step*. A step that is
/// smaller than the round trip may look like a path that changed, and is none here.
///
/// One of them takes the exchanges of all flows between two hosts, in the order of the replies' arrivals. Its memory is bounded:
/// 8 KiB.
///
/// ```
/// use std::time::Duration;
/// use udpkit::{SignedNanoseconds, path::ClockOffset};
///
/// let mut clock = ClockOffset::default();
/// // The reflector's clock is 100 ms ahead; 7 ms forward, 3 ms back.
/// let step = clock.add(Duration::from_secs(1), SignedNanoseconds(107_000_000), SignedNanoseconds(-97_000_000));
/// assert_eq!(step, None);
/// let estimate = clock.offset().expect("there was an exchange");
/// assert_eq!((estimate.offset, estimate.bound), (SignedNanoseconds(102_000_000), Duration::from_millis(5)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockOffset {
    exchanges: u64,
    impossible: u64,
    allowed: Option<Allowed>,
    /// That with the smallest round trip since the last step.
    best: Option<Exchange>,
    steps: Vec<ClockStep>,
    step_count: u64,
    windows: Windows,
}

/// An offset of the reflector's clock, ahead of ours where it is positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffsetEstimate {
    /// For which moment it is, since the start.
    pub at: Duration,
    /// By how much the reflector's clock is ahead of ours.
    pub offset: SignedNanoseconds,
    /// It is more or less than that by at most this.
    pub bound: Duration,
}

/// A clock, ours or the reflector's, was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockStep {
    /// After this moment, since the start.
    pub after: Duration,
    /// At this moment at the latest.
    pub at: Duration,
    /// By how much the reflector's clock went forward against ours.
    pub by: SignedNanoseconds,
    /// It is more or less than that by at most this.
    pub bound: Duration,
}

/// How fast the reflector's clock runs against ours, in parts per million: fast where it is positive. RFC 2330 section 10.1 calls
/// it skew.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// The median of the slopes between all windows (Theil and Sen).
    pub ppm: f64,
    /// The lower end of its 95 % confidence interval (Sen 1968).
    pub low_ppm: f64,
    /// The upper end of it.
    pub high_ppm: f64,
}

/// The offsets that all exchanges since the last step allow, at the moment of the last of them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Allowed {
    at: Duration,
    low: i128,
    high: i128,
    /// Exchanges that it is made of.
    exchanges: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Exchange {
    at: Duration,
    /// The lowest offset that it allows, and the highest.
    low: i128,
    high: i128,
}

impl ClockOffset {
    /// Adds an exchange whose reply arrived so long after the start by the monotonic clock: T2 - T1 and T4 - T3, as the clocks of both
    /// ends say. Gives the step, where these clocks were not set alike before: figures that compare times of both must not go
    /// across it.
    #[must_use = "what compares times of both clocks must start anew after a step"]
    pub fn add(&mut self, at: Duration, forward: SignedNanoseconds, reverse: SignedNanoseconds) -> Option<ClockStep> {
        let exchange = Exchange { at, low: -i128::from(reverse.0), high: i128::from(forward.0) };
        self.exchanges += 1;
        if exchange.low > exchange.high {
            // A clock was set between the request and the reply; or the reflector lies.
            self.impossible += 1;
            return None;
        }
        let Some(before) = self.allowed else {
            self.begin(exchange);
            return None;
        };
        if let Some(allowed) = before.with(exchange) {
            self.allowed = Some(allowed);
            if self.best.is_none_or(|best| exchange.round_trip() < best.round_trip()) {
                self.best = Some(exchange);
            }
            self.windows.add(exchange);
            return None;
        }
        let step = before.step_to(exchange);
        self.keep_step(step, before.exchanges);
        self.begin(exchange);
        Some(step)
    }

    /// Takes note that our own clock was set forward by this much at this moment since the start, as the monotonic clock tells. Steps
    /// that are smaller than a round trip are noticed in no other way.
    pub fn set(&mut self, at: Duration, forward: SignedNanoseconds) {
        let by = SignedNanoseconds(forward.0.saturating_neg());
        self.keep_step(ClockStep { after: at, at, by, bound: Duration::ZERO }, u64::MAX);
        self.forget();
    }

    /// The offset at the moment of the last exchange, by all since the last step; nothing before there is one.
    #[must_use]
    pub fn offset(&self) -> Option<OffsetEstimate> {
        self.allowed.map(|allowed| Exchange { at: allowed.at, low: allowed.low, high: allowed.high }.estimate())
    }

    /// The offset by the exchange with the smallest round trip since the last step, at its moment: as NTP's clock filter has it (RFC
    /// 5905 section 10).
    #[must_use]
    pub fn by_smallest_round_trip(&self) -> Option<OffsetEstimate> {
        self.best.map(Exchange::estimate)
    }

    /// How fast the clocks come apart since the last step, by the exchange with the smallest round trip in each of 32 to 64 parts of the
    /// time; nothing in the first half second.
    #[must_use]
    pub fn drift(&self) -> Option<Drift> {
        self.windows.drift()
    }

    /// The first 64 steps.
    #[must_use]
    pub fn steps(&self) -> &[ClockStep] {
        &self.steps
    }

    /// All steps, those beyond 64 included.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.step_count
    }

    /// All exchanges.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// Exchanges in which both directions together took less than no time: a clock was set meanwhile, or the reflector's times are
    /// wrong. They count for nothing.
    #[must_use]
    pub fn impossible(&self) -> u64 {
        self.impossible
    }

    /// Starts with this exchange, without those before it.
    fn begin(&mut self, exchange: Exchange) {
        self.forget();
        self.allowed = Some(Allowed { at: exchange.at, low: exchange.low, high: exchange.high, exchanges: 1 });
        self.best = Some(exchange);
        self.windows.add(exchange);
    }

    fn forget(&mut self) {
        self.allowed = None;
        self.best = None;
        self.windows = Windows::default();
    }

    /// Keeps a step; one that comes right after another is a part of it.
    fn keep_step(&mut self, step: ClockStep, exchanges_before: u64) {
        let is_part =
            exchanges_before < FEWEST_BETWEEN && self.step_count > 0 && self.step_count == self.steps.len() as u64;
        let Some(last) = self.steps.last_mut().filter(|_| is_part) else {
            self.step_count += 1;
            if self.steps.len() < MOST_STEPS {
                self.steps.push(step);
            }
            return;
        };
        last.at = step.at;
        last.by = SignedNanoseconds(last.by.0.saturating_add(step.by.0));
        last.bound = last.bound.saturating_add(step.bound);
        if last.by.size() <= last.bound {
            // There and back: it was one exchange with wrong times.
            self.steps.pop();
            self.step_count -= 1;
        }
    }
}

impl Exchange {
    fn round_trip(self) -> i128 {
        self.high - self.low
    }

    fn estimate(self) -> OffsetEstimate {
        // Rounded up, so that no nanosecond is missing.
        let bound = u64::try_from((self.round_trip() + 1) / 2).unwrap_or(u64::MAX);
        OffsetEstimate {
            at: self.at,
            offset: signed(i128::midpoint(self.low, self.high)),
            bound: Duration::from_nanos(bound),
        }
    }
}

impl Allowed {
    /// What this exchange allows too; nothing where it allows none of it.
    fn with(self, exchange: Exchange) -> Option<Self> {
        let drift = self.drift_until(exchange.at);
        let (low, high) = (self.low - drift, self.high + drift);
        if exchange.low > high + SLACK_NS || exchange.high < low - SLACK_NS {
            return None;
        }
        // Within the slack it may be empty: then it is the nearest.
        let (low, high) = (low.max(exchange.low), high.min(exchange.high));
        Some(Self {
            at: self.at.max(exchange.at),
            low: low.min(high),
            high: high.max(low),
            exchanges: self.exchanges + 1,
        })
    }

    fn step_to(self, exchange: Exchange) -> ClockStep {
        let drift = self.drift_until(exchange.at);
        let before = Exchange { at: self.at, low: self.low - drift, high: self.high + drift }.estimate();
        let after = exchange.estimate();
        let by = after.offset.0.saturating_sub(before.offset.0);
        ClockStep {
            after: self.at,
            at: exchange.at,
            by: SignedNanoseconds(by),
            bound: before.bound.saturating_add(after.bound),
        }
    }

    fn drift_until(self, at: Duration) -> i128 {
        let elapsed = i128::try_from(at.saturating_sub(self.at).as_nanos()).unwrap_or(i128::MAX / DRIFT_ALLOWED_PPM);
        elapsed.saturating_mul(DRIFT_ALLOWED_PPM) / 1_000_000
    }
}

fn signed(nanoseconds: i128) -> SignedNanoseconds {
    SignedNanoseconds(i64::try_from(nanoseconds).unwrap_or(if nanoseconds < 0 { i64::MIN } else { i64::MAX }))
}

/// The exchange with the smallest round trip of each part of the time since the last step.
#[derive(Clone, Debug, PartialEq)]
struct Windows {
    /// How long each is.
    length: Duration,
    /// By the number of their window, which rises.
    best: Vec<(u128, Exchange)>,
}

impl Default for Windows {
    fn default() -> Self {
        Self { length: FIRST_WINDOW, best: Vec::new() }
    }
}

impl Windows {
    fn add(&mut self, exchange: Exchange) {
        let number = exchange.at.as_nanos() / self.length.as_nanos();
        match self.best.last_mut() {
            // One that comes out of order is of the last window.
            Some((last, best)) if *last >= number => *best = shorter(*best, exchange),
            _ => self.best.push((number, exchange)),
        }
        while self.best.len() > MOST_WINDOWS {
            self.join();
        }
    }

    /// Makes each two windows one.
    fn join(&mut self) {
        self.length = self.length.saturating_mul(2);
        let mut joined: Vec<(u128, Exchange)> = Vec::with_capacity(self.best.len());
        for (number, exchange) in self.best.drain(..) {
            match joined.last_mut() {
                Some((last, best)) if *last == number / 2 => *best = shorter(*best, exchange),
                _ => joined.push((number / 2, exchange)),
            }
        }
        self.best = joined;
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a statistic of a few thousand slopes"
    )]
    fn drift(&self) -> Option<Drift> {
        if self.best.len() < FEWEST_WINDOWS {
            return None;
        }
        let mut slopes = Vec::new();
        for (place, (_, later)) in self.best.iter().enumerate() {
            for (_, earlier) in &self.best[..place] {
                let elapsed = later.at.saturating_sub(earlier.at).as_nanos() as f64;
                if elapsed > 0.0 {
                    // Twice the offset is the sum of both bounds.
                    let moved = (later.low + later.high) - (earlier.low + earlier.high);
                    slopes.push(moved as f64 / 2.0 / elapsed * 1e6);
                }
            }
        }
        slopes.sort_unstable_by(f64::total_cmp);
        let last = slopes.len().checked_sub(1)?;
        let (count, windows) = (slopes.len() as f64, self.best.len() as f64);
        let width = 1.96 * (windows * (windows - 1.0) * (2.0 * windows + 5.0) / 18.0).sqrt();
        let low = (((count - width) / 2.0).floor().max(0.0) as usize).min(last);
        let high = (((count + width) / 2.0).ceil().max(0.0) as usize).min(last);
        Some(Drift {
            ppm: f64::midpoint(slopes[last / 2], slopes[last.div_ceil(2)]),
            low_ppm: slopes[low],
            high_ppm: slopes[high],
        })
    }
}

fn shorter(one: Exchange, other: Exchange) -> Exchange {
    if other.round_trip() < one.round_trip() { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLISECOND: i64 = 1_000_000;

    /// An exchange at this millisecond, with these delays and this offset of the reflector's clock, in nanoseconds.
    fn exchange(
        clock: &mut ClockOffset,
        millisecond: u64,
        [forward, reverse]: [i64; 2],
        offset: i64,
    ) -> Option<ClockStep> {
        clock.add(
            Duration::from_millis(millisecond),
            SignedNanoseconds(forward + offset),
            SignedNanoseconds(reverse - offset),
        )
    }

    #[test]
    fn all_exchanges_together_are_narrower_than_the_shortest() {
        let mut clock = ClockOffset::default();
        assert_eq!((clock.offset(), clock.by_smallest_round_trip(), clock.drift()), (None, None, None));
        // One fast forward, one fast back, at the same moment.
        for delays in [[1, 9], [9, 1], [5, 4]] {
            assert_eq!(exchange(&mut clock, 0, delays.map(|delay| delay * MILLISECOND), -70 * MILLISECOND), None);
        }
        let (all, best) = (clock.offset().unwrap(), clock.by_smallest_round_trip().unwrap());
        assert_eq!((all.offset.0, all.bound), (-70 * MILLISECOND, Duration::from_millis(1)));
        assert_eq!((best.offset.0, best.bound), (-69_500_000, Duration::from_micros(4500)));
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_with_its_time_and_size() {
        let mut clock = ClockOffset::default();
        for number in 0..100 {
            let offset = if number < 60 { 0 } else { 50 * MILLISECOND };
            let step = exchange(&mut clock, 10 * number, [8 * MILLISECOND, 12 * MILLISECOND], offset);
            assert_eq!(step.is_some(), number == 60, "{number}: {step:?}");
        }
        let [step] = clock.steps() else { panic!("{:?}", clock.steps()) };
        assert_eq!((step.after, step.at), (Duration::from_millis(590), Duration::from_millis(600)));
        let off = Duration::from_nanos(step.by.0.abs_diff(50 * MILLISECOND));
        assert!(off <= step.bound && step.bound <= Duration::from_millis(21), "{step:?}");
        // What is said of the offset is of the time after.
        let estimate = clock.offset().unwrap();
        assert!(estimate.offset.0.abs_diff(50 * MILLISECOND) <= 10_000_000, "{estimate:?}");
        assert_eq!((clock.step_count(), clock.exchanges(), clock.impossible()), (1, 100, 0));
    }

    #[test]
    fn an_exchange_with_wrong_times_is_no_step_that_stays() {
        let mut clock = ClockOffset::default();
        let delays = [MILLISECOND; 2];
        for number in 0..10 {
            let offset = if number == 5 { 1 << 50 } else { 0 };
            assert_eq!(exchange(&mut clock, number, delays, offset).is_some(), [5, 6].contains(&number), "{number}");
        }
        assert_eq!((clock.step_count(), clock.steps()), (0, &[][..]));
        // One that takes less than no time counts for nothing.
        assert_eq!(exchange(&mut clock, 10, [-5 * MILLISECOND, MILLISECOND], 0), None);
        assert_eq!((clock.impossible(), clock.offset().unwrap().offset.0), (1, 0));
    }

    #[test]
    fn a_set_clock_of_ours_starts_anew_and_many_steps_cost_bounded_memory() {
        let mut clock = ClockOffset::default();
        let _ = exchange(&mut clock, 0, [20 * MILLISECOND; 2], 0);
        // Smaller than the round trip.
        clock.set(Duration::from_millis(5), SignedNanoseconds(3 * MILLISECOND));
        assert_eq!(clock.offset(), None);
        assert_eq!((clock.steps()[0].by.0, clock.steps()[0].bound), (-3 * MILLISECOND, Duration::ZERO));
        for number in 0..1000u64 {
            clock.set(Duration::from_millis(number), SignedNanoseconds(i64::MIN));
        }
        assert_eq!((clock.step_count(), clock.steps().len()), (1001, MOST_STEPS));
        for number in 0..1000u64 {
            let _ = exchange(
                &mut clock,
                1 << (number % 64),
                [MILLISECOND; 2],
                i64::MAX / 3 * i64::try_from(number % 3).unwrap(),
            );
            let _ = clock.add(Duration::MAX, SignedNanoseconds(i64::MAX), SignedNanoseconds(i64::MAX));
            let _ = clock.add(Duration::ZERO, SignedNanoseconds(i64::MIN), SignedNanoseconds(i64::MAX));
            let _ = clock.drift();
        }
        assert!(clock.steps().len() <= MOST_STEPS && clock.windows.best.len() <= MOST_WINDOWS);
    }

    proptest! {
        #[test]
        fn the_offset_is_within_its_bound_and_drift_is_no_step(
            delays in prop::collection::vec((0i64..30_000_000, 0i64..30_000_000), 50..300),
            offset in any::<i32>(),
            ppm in -200i64..=200,
            interval in 1u64..200,
        ) {
            let mut clock = ClockOffset::default();
            let base = i64::from(offset) << 28;
            for (number, (forward, reverse)) in (0u64..).zip(&delays) {
                let millisecond = number * interval;
                let now = base + ppm * i64::try_from(millisecond).unwrap();
                prop_assert_eq!(exchange(&mut clock, millisecond, [*forward, *reverse], now), None);
                for estimate in [clock.offset(), clock.by_smallest_round_trip()].into_iter().flatten() {
                    let then = base + ppm * i64::try_from(estimate.at.as_millis()).unwrap();
                    let off = Duration::from_nanos(estimate.offset.0.abs_diff(then));
                    prop_assert!(off <= estimate.bound, "{:?} for {}", estimate, then);
                }
            }
        }

        #[test]
        fn the_drift_is_within_its_interval(ppm in -200i64..=200, seed in any::<u64>(), interval in 1u64..1000) {
            let mut clock = ClockOffset::default();
            let mut random = fastrand::Rng::with_seed(seed);
            for number in 0..2000u64 {
                let now = ppm * i64::try_from(number * interval).unwrap();
                // Right-skewed, as queues are.
                let queued = |random: &mut fastrand::Rng| random.i64(0..1000).pow(4) / 1_000_000;
                let delays = [8 * MILLISECOND + queued(&mut random), 12 * MILLISECOND + queued(&mut random)];
                let _ = exchange(&mut clock, number * interval, delays, now);
            }
            let drift = clock.drift().unwrap();
            // An interval of 95 % misses now and then: its neighbours must not.
            let width = drift.high_ppm - drift.low_ppm;
            prop_assert!(drift.low_ppm - width <= ppm as f64 && ppm as f64 <= drift.high_ppm + width, "{} in {:?}", ppm, drift);
            prop_assert!((drift.ppm - ppm as f64).abs() <= width, "{} in {:?}", ppm, drift);
        }
    }
}
