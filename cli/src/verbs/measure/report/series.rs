//! Times of one kind, of the probes that were due within one bin: their number, extremes, and a sample of them.

use fastrand::Rng;

/// Times that are kept of each series at most, from which its median is taken.
const SAMPLE: usize = 16;

/// Times of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    count: u64,
    /// The smallest and the largest, in nanoseconds; nothing before the first.
    range: Option<[i64; 2]>,
    /// Each time is in it with the same probability (reservoir sampling); all of them while they are few.
    sample: Vec<i64>,
}

impl Series {
    /// Takes a time, in nanoseconds.
    pub(super) fn add(&mut self, time: i64, random: &mut Rng) {
        self.count += 1;
        self.widen([time; 2]);
        if self.sample.len() < SAMPLE {
            self.sample.push(time);
        } else if let Some(kept) =
            usize::try_from(random.u64(0..self.count)).ok().and_then(|at| self.sample.get_mut(at))
        {
            *kept = time;
        }
    }

    /// Takes all that another holds.
    pub(super) fn merge(&mut self, mut other: Self, random: &mut Rng) {
        let (mut ours, mut theirs) = (self.count, other.count);
        let mut from = std::mem::take(&mut self.sample);
        while self.sample.len() < SAMPLE && ours + theirs > 0 {
            // One of all that there were, each with the same probability.
            let (left, sample) = match random.u64(0..ours + theirs) < ours {
                true => (&mut ours, &mut from),
                false => (&mut theirs, &mut other.sample),
            };
            *left -= 1;
            if !sample.is_empty() {
                self.sample.push(sample.swap_remove(random.usize(0..sample.len())));
            }
        }
        self.count += other.count;
        other.range.into_iter().for_each(|range| self.widen(range));
    }

    fn widen(&mut self, [low, high]: [i64; 2]) {
        let [least, most] = self.range.unwrap_or([low, high]);
        self.range = Some([least.min(low), most.max(high)]);
    }

    /// The smallest and the largest, in nanoseconds.
    pub(super) fn range(&self) -> Option<[i64; 2]> {
        self.range
    }

    /// The median, in nanoseconds: of all times where they are at most 16, else of a sample of as many.
    pub(super) fn median(&self) -> Option<i64> {
        let mut sorted = self.sample.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_are_exact_and_the_median_is_while_there_are_few() {
        let (mut series, mut random) = (Series::default(), Rng::with_seed(7));
        assert_eq!((series.range(), series.median()), (None, None));
        [5, -3, 9, 4, 100].into_iter().for_each(|time| series.add(time, &mut random));
        assert_eq!((series.range(), series.median()), (Some([-3, 100]), Some(5)));
        let mut other = Series::default();
        [200, 300].into_iter().for_each(|time| other.add(time, &mut random));
        series.merge(other, &mut random);
        assert_eq!((series.range(), series.median()), (Some([-3, 300]), Some(9)));
        assert_eq!((series.count, series.sample.len()), (7, 7));
    }

    #[test]
    fn a_merge_of_many_with_few_is_made_of_the_many() {
        let mut random = Rng::with_seed(7);
        let mut of = |times: std::ops::Range<i64>| {
            let mut series = Series::default();
            times.for_each(|time| series.add(time, &mut random));
            series
        };
        let (mut many, few) = (of(1000..101_000), of(0..20));
        many.merge(few, &mut Rng::with_seed(8));
        assert_eq!(many.sample.len(), SAMPLE);
        assert!(many.sample.iter().all(|time| *time >= 1000), "20 of 100,020 are hardly ever among 16: {many:?}");
        assert_eq!(many.range(), Some([0, 100_999]));
        let median = many.median().unwrap();
        assert!((10_000..90_000).contains(&median), "{median}");
    }
}
