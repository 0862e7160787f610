//! How much delays differ from each other, which needs no synchronised clocks (RFC 3393, RFC 5481).

use super::delays::Delays;
use super::rtp_jitter::RtpJitter;
use crate::stats::{Quantiles, SignedNanoseconds, SignedQuantiles};

/// Delays that are kept by their number until the probe before or after arrives: 24 KiB.
const WINDOW: usize = 1024;
/// Decimal digits that are kept of times.
const DIGITS: u8 = 3;

/// How much the delays of a direction differ from each other: between neighbours ([IPDV](Self::ipdv)), from the smallest
/// ([PDV](Self::pdv)), and as RTP receivers smooth it ([jitter](Self::rtp_jitter)).
///
/// None of it needs synchronised clocks: a clock that is off is off by the same in all delays. One that is set is another matter
/// ([`restart`](Self::restart)), and one that runs fast adds what it gains while the smallest delay ages. Memory is bounded: some
/// 3 MiB at most, some 100 KiB where delays differ by less than a factor of a thousand.
///
/// ```
/// use std::time::Duration;
/// use udpkit::{SignedNanoseconds, path::DelayVariation};
///
/// let mut variation = DelayVariation::default();
/// // The other clock is a second behind ours, so that all delays are negative.
/// for (number, milliseconds) in [(0, 20), (1, 25), (2, 22), (3, 20)] {
///     variation.add(number, SignedNanoseconds(milliseconds * 1_000_000 - 1_000_000_000));
/// }
/// assert_eq!(variation.ipdv_range(), Some([SignedNanoseconds(-3_000_000), SignedNanoseconds(5_000_000)]));
/// let worst = variation.pdv().at(1.0);
/// assert!(worst >= Duration::from_millis(5) && worst <= Duration::from_micros(5_005));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DelayVariation {
    flows: Vec<Flow>,
    ipdv: SignedQuantiles,
    /// Smallest and largest.
    ipdv_range: Option<[SignedNanoseconds; 2]>,
    /// The delays since the last restart.
    current: Delays,
    /// What those before it had more than the smallest of their time.
    past: Quantiles,
    /// That of flows of others that were added.
    jitter: RtpJitter,
}

/// Probes with numbers of their own, whose neighbours are among them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Flow {
    /// Delays by their number, each at its place modulo their count; empty before the first.
    recent: Vec<Option<(u64, SignedNanoseconds)>>,
    jitter: RtpJitter,
}

impl Default for DelayVariation {
    fn default() -> Self {
        Self {
            flows: Vec::new(),
            ipdv: SignedQuantiles::with_digits(DIGITS),
            ipdv_range: None,
            current: Delays::default(),
            past: Quantiles::with_digits(DIGITS),
            jitter: RtpJitter::default(),
        }
    }
}

impl DelayVariation {
    /// Adds the delay of the probe of this number, when it arrives; not that of a duplicate. All probes must be of the same size
    /// (RFC 3393 section 2.2).
    pub fn add(&mut self, number: u64, delay: SignedNanoseconds) {
        self.add_of(0, number, delay);
    }

    /// Adds the delay of a probe of one of several flows, from 0 on, each of which has numbers of its own: neighbours, and what RTP calls
    /// jitter, are of one flow, and the smallest delay is that of all. Each flow costs 24 KiB.
    pub fn add_of(&mut self, flow: usize, number: u64, delay: SignedNanoseconds) {
        self.current.add(delay);
        if self.flows.len() <= flow {
            self.flows.resize_with(flow + 1, Flow::default);
        }
        let ours = &mut self.flows[flow];
        ours.jitter.add(delay);
        let [before, after] = ours.neighbours(number);
        ours.remember(number, delay);
        if let Some(before) = before {
            self.add_ipdv(before, delay);
        }
        if let Some(after) = after {
            self.add_ipdv(delay, after);
        }
    }

    /// Compares what comes from now on with nothing before it: a clock was set, or the path is another.
    pub fn restart(&mut self) {
        for flow in &mut self.flows {
            flow.recent.clear();
            flow.jitter.restart();
        }
        self.past.merge(&self.current.above_smallest());
        self.current = Delays::default();
    }

    /// Adds another flow's: none of its delays is compared with one of ours.
    pub fn merge(&mut self, other: &Self) {
        self.ipdv.merge(&other.ipdv);
        if let Some(theirs) = other.ipdv_range {
            theirs.into_iter().for_each(|ipdv| self.widen_range(ipdv));
        }
        self.past.merge(&other.pdv());
        self.jitter.merge(&other.rtp_jitter());
    }

    /// D(i) - D(i-1) of each two probes that were sent one after the other and both arrived, in whatever order (RFC 3393, RFC 5481
    /// section 4.1). Its mean tends to zero: its quantiles say something.
    #[must_use]
    pub fn ipdv(&self) -> &SignedQuantiles {
        &self.ipdv
    }

    /// The smallest and the largest IPDV, exactly; nothing without any.
    #[must_use]
    pub fn ipdv_range(&self) -> Option<[SignedNanoseconds; 2]> {
        self.ipdv_range
    }

    /// The IPDV without its sign.
    #[must_use]
    pub fn ipdv_sizes(&self) -> Quantiles {
        self.ipdv.sizes()
    }

    /// D(i) - D(min): how much longer each delay was than the smallest since the last [restart](Self::restart) (RFC 5481 section
    /// 4.2). Its 99.9th percentile is the headline of RFC 8219 section 7.3.1, and the buffer that a receiver needs.
    #[must_use]
    pub fn pdv(&self) -> Quantiles {
        let mut pdv = self.past.clone();
        pdv.merge(&self.current.above_smallest());
        pdv
    }

    /// The jitter that RTP receivers report.
    #[must_use]
    pub fn rtp_jitter(&self) -> RtpJitter {
        let mut jitter = self.jitter;
        self.flows.iter().for_each(|flow| jitter.merge(&flow.jitter));
        jitter
    }

    fn add_ipdv(&mut self, before: SignedNanoseconds, after: SignedNanoseconds) {
        let ipdv = SignedNanoseconds(after.0.saturating_sub(before.0));
        self.ipdv.add(ipdv);
        self.widen_range(ipdv);
    }

    fn widen_range(&mut self, ipdv: SignedNanoseconds) {
        let [smallest, largest] = self.ipdv_range.unwrap_or([ipdv; 2]);
        self.ipdv_range = Some([smallest.min(ipdv), largest.max(ipdv)]);
    }
}

impl Flow {
    /// The delays of the probes before and after, where they are known.
    fn neighbours(&self, number: u64) -> [Option<SignedNanoseconds>; 2] {
        [number.checked_sub(1), number.checked_add(1)].map(|neighbour| neighbour.and_then(|number| self.recent(number)))
    }

    fn recent(&self, number: u64) -> Option<SignedNanoseconds> {
        let kept = self.recent.get(place(number)).copied().flatten();
        kept.filter(|(kept, _)| *kept == number).map(|(_, delay)| delay)
    }

    fn remember(&mut self, number: u64, delay: SignedNanoseconds) {
        if self.recent.is_empty() {
            self.recent = vec![None; WINDOW];
        }
        // A late one takes no place from one that may still have a neighbour.
        let kept = &mut self.recent[place(number)];
        if kept.is_none_or(|(kept, _)| kept <= number) {
            *kept = Some((number, delay));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below a count that is in memory")]
fn place(number: u64) -> usize {
    (number % WINDOW as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    const MILLISECOND: i64 = 1_000_000;

    fn of(delays: impl IntoIterator<Item = (u64, i64)>) -> DelayVariation {
        let mut variation = DelayVariation::default();
        delays.into_iter().for_each(|(number, delay)| variation.add(number, SignedNanoseconds(delay)));
        variation
    }

    #[test]
    fn neighbours_are_those_in_sending_order_that_both_arrived() {
        // 3 is lost, and 1 arrives after 2; in the order of arrival there would be differences of 20 and -10.
        let variation = of([(0, 0), (2, 20), (1, 10), (4, 70), (5, 65)]);
        assert_eq!(variation.ipdv().count(), 3);
        assert_eq!(variation.ipdv_range(), Some([SignedNanoseconds(-5), SignedNanoseconds(10)]));
        let sizes = variation.ipdv_sizes();
        assert_eq!((sizes.count(), sizes.at(0.3).as_nanos(), sizes.largest().as_nanos()), (3, 5, 10));
    }

    #[test]
    fn a_late_one_meets_no_neighbour_that_is_forgotten() {
        let window = WINDOW as u64;
        // 1 has a neighbour 0, whose place the window's first took.
        assert_eq!(of([(0, 0), (window, 1), (1, 5)]).ipdv().count(), 0);
        // And one that late takes no place of a newer one.
        let mut variation = of([(window, 1), (0, 5)]);
        variation.add(window + 1, SignedNanoseconds(9));
        assert_eq!(variation.ipdv_range(), Some([SignedNanoseconds(8); 2]));
        assert_eq!(of([(u64::MAX, 0), (0, i64::MIN), (1, i64::MAX)]).ipdv().count(), 1);
    }

    #[test]
    fn a_clock_that_is_years_off_costs_no_digits() {
        let offset = 1_500_000_000_000_000_000;
        let delays = (0u64..1000).map(|number| (number, offset + i64::try_from(number % 100).unwrap() * MILLISECOND));
        let pdv = of(delays).pdv();
        for (part, milliseconds) in [(0.5, 49), (0.99, 98), (1.0, 99)] {
            let (found, exact) = (pdv.at(part), Duration::from_millis(milliseconds));
            assert!(found >= exact && found <= exact + exact / 1000, "{part}: {found:?}");
        }
        assert_eq!(pdv.at(0.01), Duration::ZERO);
    }

    #[test]
    fn a_clock_that_was_set_is_no_variation() {
        let mut variation = of([(0, 0), (1, MILLISECOND)]);
        variation.restart();
        for (number, delay) in [(2, 0), (3, 2 * MILLISECOND)] {
            variation.add(number, SignedNanoseconds(delay - (1 << 60)));
        }
        assert_eq!(variation.ipdv().count(), 2);
        assert_eq!((variation.pdv().count(), variation.pdv().largest()), (4, Duration::from_millis(2)));
        assert!(variation.rtp_jitter().largest().unwrap() < Duration::from_millis(1));
    }

    #[test]
    fn neighbours_are_of_one_flow_and_the_smallest_delay_is_of_all() {
        let mut variation = DelayVariation::default();
        for number in 0..10 {
            // Two paths, one of 1 ms and one of 5 ms.
            variation.add_of(0, number, SignedNanoseconds(MILLISECOND));
            variation.add_of(1, number, SignedNanoseconds(5 * MILLISECOND));
        }
        assert_eq!((variation.ipdv().count(), variation.ipdv_range()), (18, Some([SignedNanoseconds(0); 2])));
        assert_eq!(variation.rtp_jitter().largest(), Some(Duration::ZERO));
        assert_eq!((variation.pdv().count(), variation.pdv().largest()), (20, Duration::from_millis(4)));
    }

    proptest! {
        #[test]
        fn figures_are_those_of_the_definitions(
            steps in prop::collection::vec((prop::option::weighted(0.9, -1_000_000i64..1_000_000), 0u64..20), 0..700),
            offset in any::<i32>(),
            cut in 0usize..700,
        ) {
            let offset = i64::from(offset) << 30;
            let mut sent: Vec<_> = (0u64..).zip(&steps).filter_map(|(number, (delay, late))| Some((number, (*delay)? + offset, *late))).collect();
            let neighbours: Vec<_> = sent.windows(2).filter(|pair| pair[0].0 + 1 == pair[1].0).map(|pair| pair[1].1 - pair[0].1).collect();
            sent.sort_by_key(|(number, _, late)| number + late);
            let variation = of(sent.iter().map(|(number, delay, _)| (*number, *delay)));
            prop_assert_eq!(variation.ipdv().count(), neighbours.len() as u64);
            let range = neighbours.iter().min().zip(neighbours.iter().max()).map(|(one, other)| [*one, *other].map(SignedNanoseconds));
            prop_assert_eq!(variation.ipdv_range(), range);
            let smallest = sent.iter().map(|(_, delay, _)| *delay).min().unwrap_or(0);
            let mut above: Vec<_> = sent.iter().map(|(_, delay, _)| (delay - smallest).unsigned_abs()).collect();
            above.sort_unstable();
            let pdv = variation.pdv();
            let largest = Duration::from_nanos(above.last().copied().unwrap_or(0));
            prop_assert_eq!((pdv.count(), pdv.largest()), (above.len() as u64, largest));
            for (quarter, part) in [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0)].into_iter().filter(|_| !above.is_empty()) {
                let rank = (quarter * above.len()).div_ceil(4);
                let off = i128::from(above[rank - 1]) - i128::try_from(pdv.at(part).as_nanos()).unwrap();
                // A thousandth of itself, and of how far the smallest fell after the first ones.
                prop_assert!(off.abs() <= 2 * 2_000_000 / 1000, "{} at {}", off, part);
            }
            // Two flows are the sum of both, but for the pair at the cut.
            let mut one = of(sent.iter().take(cut).map(|(number, delay, _)| (*number, *delay)));
            let other = of(sent.iter().skip(cut).map(|(number, delay, _)| (*number, *delay)));
            let pairs = one.ipdv().count() + other.ipdv().count();
            one.merge(&other);
            prop_assert_eq!((one.ipdv().count(), one.pdv().count()), (pairs, above.len() as u64));
        }
    }
}
