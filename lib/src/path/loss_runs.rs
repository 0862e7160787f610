//! Losses in a row, and how far they are apart (RFC 3357).

use super::lengths::Lengths;

/// Losses in a row, and how far they are apart (RFC 3357). It is handed what became of each probe in the order in which they were
/// sent, and keeps counts alone: its memory does not grow with the run.
///
/// A *loss period* is a maximal run of losses; the *distance* of a loss is how many probes after the loss before it, it was sent.
///
/// ```
/// use udpkit::path::LossRuns;
///
/// let mut runs = LossRuns::default();
/// for is_lost in [false, true, true, true, false, false, true, false] {
///     runs.add(is_lost);
/// }
/// assert_eq!((runs.periods(), runs.longest(), runs.mean_burst()), (2, 3, Some(2.0)));
/// // Of four losses, each with a next probe, two were followed by a loss.
/// assert_eq!(runs.loss_after_loss(), Some(0.5));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossRuns {
    probes: u64,
    lost: u64,
    /// Periods that ended, by their length.
    lengths: Lengths,
    distances: Lengths,
    inter_periods: Lengths,
    /// Probes that were sent right after a lost one.
    after_loss: u64,
    /// Those of them that were lost.
    lost_after_loss: u64,
    /// Losses up to now without one received between them.
    run: u64,
    /// Probes since the last loss, which has none; nothing before the first.
    since_loss: Option<u64>,
}

impl LossRuns {
    /// Adds what became of the next probe, in the order in which they were sent.
    pub fn add(&mut self, is_lost: bool) {
        let is_after_loss = self.run > 0;
        self.probes += 1;
        self.after_loss += u64::from(is_after_loss);
        let distance = self.since_loss.map(|since| since + 1);
        if !is_lost {
            self.end_run();
            self.since_loss = distance;
            return;
        }
        self.lost += 1;
        self.lost_after_loss += u64::from(is_after_loss);
        self.run += 1;
        self.since_loss = Some(0);
        if let Some(distance) = distance {
            self.distances.add(distance);
            if !is_after_loss {
                self.inter_periods.add(distance);
            }
        }
    }

    /// Says that it is not known what became of the next probes: runs and distances do not go across them.
    pub fn interrupt(&mut self) {
        self.end_run();
        self.since_loss = None;
    }

    /// Adds what another one counted, of another flow: no run goes from one into the other.
    pub fn merge(&mut self, other: &Self) {
        self.probes += other.probes;
        self.lost += other.lost;
        self.lengths.merge(&other.lengths);
        self.distances.merge(&other.distances);
        self.inter_periods.merge(&other.inter_periods);
        self.after_loss += other.after_loss;
        self.lost_after_loss += other.lost_after_loss;
        if other.run > 0 {
            self.lengths.add(other.run);
        }
    }

    /// Probes of which is known what became of them.
    #[must_use]
    pub fn probes(&self) -> u64 {
        self.probes
    }

    /// Those of them that were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Loss periods, the one that lasts included (RFC 3357 section 6.2).
    #[must_use]
    pub fn periods(&self) -> u64 {
        self.lengths.count() + u64::from(self.run > 0)
    }

    /// How long loss periods were, in probes, the one that lasts included (RFC 3357 section 6.3).
    #[must_use]
    pub fn lengths(&self) -> Lengths {
        let mut lengths = self.lengths.clone();
        if self.run > 0 {
            lengths.add(self.run);
        }
        lengths
    }

    /// The length of the longest loss period, in probes.
    #[must_use]
    pub fn longest(&self) -> u64 {
        self.lengths.largest().max(self.run)
    }

    /// How many probes after the loss before it each loss was sent (RFC 3357 section 5.4.1); the first loss, of which the RFC says 0,
    /// is not among them.
    #[must_use]
    pub fn distances(&self) -> &Lengths {
        &self.distances
    }

    /// How many probes after the last loss of the period before it each period began (RFC 3357 section 6.4); the first period, of
    /// which the RFC says 0, is not among them.
    #[must_use]
    pub fn inter_periods(&self) -> &Lengths {
        &self.inter_periods
    }

    /// The part of the losses that were at most this many probes after the loss before them, which a receiver that conceals
    /// single losses notices (RFC 3357 section 6.1: loss noticeable rate); nothing without a loss.
    #[must_use]
    pub fn noticeable(&self, distance: u64) -> Option<f64> {
        ratio(self.distances.at_most(distance), self.lost)
    }

    /// The mean length of loss periods, in probes: losses for each period (RFC 3357 section 6.3); nothing without a loss.
    #[must_use]
    pub fn mean_burst(&self) -> Option<f64> {
        ratio(self.lost, self.periods())
    }

    /// The part of the probes right after a lost one that were lost too: P(loss|loss) of a two-state chain. Independent losses have
    /// the loss ratio here; nothing where no probe followed a loss.
    #[must_use]
    pub fn loss_after_loss(&self) -> Option<f64> {
        ratio(self.lost_after_loss, self.after_loss)
    }

    /// The ratio of the mean length of loss periods to what it would be were losses independent, 1 / (1 - loss ratio): over 1 where
    /// losses come in bursts (ITU-T G.107 section 7.3: BurstR); nothing without a loss, or where all were lost.
    #[must_use]
    pub fn burst_ratio(&self) -> Option<f64> {
        let received = ratio(self.probes - self.lost, self.probes)?;
        self.mean_burst().map(|mean| mean * received).filter(|ratio| *ratio > 0.0)
    }

    /// How many losses that come as these do say as much as one that is independent of all others: 1, and more where a loss follows a
    /// loss more often than it would by chance (the variance of a two-state chain: (1 + c) / (1 - c), where c is the correlation of
    /// neighbours). For [`RatioSample::inflation`](super::RatioSample::inflation).
    #[must_use]
    pub fn clumping(&self) -> f64 {
        let (Some(after_loss), Some(lost)) = (self.loss_after_loss(), ratio(self.lost, self.probes)) else {
            return 1.0;
        };
        if self.lost == self.probes {
            return 1.0;
        }
        let correlation = (after_loss - lost) / (1.0 - lost);
        // Of a few runs the correlation is a guess: it makes no more of them than twice their mean length.
        let most = self.mean_burst().unwrap_or(1.0) * 2.0;
        ((1.0 + correlation) / (1.0 - correlation)).clamp(1.0, most.max(1.0))
    }

    fn end_run(&mut self) {
        if self.run > 0 {
            self.lengths.add(self.run);
            self.run = 0;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lost_at(places: &[u64], probes: u64) -> LossRuns {
        let mut runs = LossRuns::default();
        (1..=probes).for_each(|number| runs.add(places.contains(&number)));
        runs
    }

    /// All numbers of a distribution whose numbers are small.
    fn numbers(lengths: &Lengths) -> Vec<u64> {
        let below = |number: u64| number.checked_sub(1).map_or(0, |below| lengths.at_most(below));
        let times = |number: u64| usize::try_from(lengths.at_most(number) - below(number)).unwrap();
        (0..=lengths.largest()).flat_map(|number| vec![number; times(number)]).collect()
    }

    #[test]
    fn the_vector_of_rfc_3357_has_its_distances_periods_and_noticeable_rate() {
        // Sections 5.4.3 and 6.5: distances 0, 3, 2, 2, 1; periods of 1, 1, 1, 2; inter-period lengths 0, 3, 2, 2.
        for runs in [lost_at(&[2, 5, 7, 9, 10], 10), lost_at(&[2, 5, 7, 9, 10], 11)] {
            assert_eq!(numbers(runs.distances()), [1, 2, 2, 3]);
            assert_eq!(numbers(&runs.lengths()), [1, 1, 1, 2]);
            assert_eq!(numbers(runs.inter_periods()), [2, 2, 3]);
            assert_eq!((runs.lost(), runs.periods(), runs.longest()), (5, 4, 2));
            assert_eq!(
                (runs.noticeable(2), runs.noticeable(1), runs.noticeable(99)),
                (Some(0.6), Some(0.2), Some(0.8))
            );
            assert_eq!(runs.mean_burst(), Some(1.25));
        }
        // The last loss of ten has no next probe, that of eleven has.
        assert_eq!(lost_at(&[2, 5, 7, 9, 10], 10).loss_after_loss(), Some(0.25));
        assert_eq!(lost_at(&[2, 5, 7, 9, 10], 11).loss_after_loss(), Some(0.2));
    }

    #[test]
    fn without_a_loss_there_are_no_figures_of_losses() {
        let runs = lost_at(&[], 10);
        assert_eq!((runs.probes(), runs.lost(), runs.periods(), runs.longest()), (10, 0, 0, 0));
        assert_eq!(
            (runs.mean_burst(), runs.loss_after_loss(), runs.noticeable(9), runs.burst_ratio()),
            (None, None, None, None)
        );
        // A burst ratio of nothing received is not zero.
        assert_eq!(lost_at(&[1, 2], 2).burst_ratio(), None);
    }

    #[test]
    fn the_burst_ratio_is_the_mean_burst_over_that_of_independent_losses() {
        // Half are lost: independent ones would come in runs of two on average.
        let singles = lost_at(&[1, 3, 5, 7], 8);
        let bursts = lost_at(&[1, 2, 3, 4], 8);
        assert_eq!((singles.burst_ratio(), bursts.burst_ratio()), (Some(0.5), Some(2.0)));
    }

    #[test]
    fn losses_clump_as_the_chain_does_whose_runs_they_are() {
        // Four lost, four received: three of four losses are followed by one, twice as many as of all; (1 + 0.5) / (1 - 0.5).
        let bursts = lost_at(&(0..800).filter(|number| number % 8 < 4).collect::<Vec<_>>(), 800);
        assert!((bursts.clumping() - 3.0).abs() < 0.05, "{}", bursts.clumping());
        let singles = lost_at(&(0..800).filter(|number| number % 8 == 0).collect::<Vec<_>>(), 800);
        assert_eq!((singles.clumping(), lost_at(&[], 9).clumping(), lost_at(&[1, 2], 2).clumping()), (1.0, 1.0, 1.0));
        // One run of a hundred says no more than a few of them.
        assert!(lost_at(&(100..200).collect::<Vec<_>>(), 10_000).clumping() <= 200.0);
    }

    #[test]
    fn what_is_not_known_joins_no_losses() {
        let mut runs = lost_at(&[2], 2);
        runs.interrupt();
        runs.add(true);
        assert_eq!((runs.periods(), runs.longest(), runs.distances().count(), runs.loss_after_loss()), (2, 1, 0, None));
    }

    proptest! {
        #[test]
        fn figures_are_those_of_the_list_and_flows_are_summed(
            one in prop::collection::vec(any::<bool>(), 0..80),
            other in prop::collection::vec(any::<bool>(), 0..80),
        ) {
            let of = |fates: &[bool]| {
                let mut runs = LossRuns::default();
                fates.iter().for_each(|is_lost| runs.add(*is_lost));
                runs
            };
            let mut merged = of(&one);
            merged.merge(&of(&other));
            let lists = [&one[..], &other[..]];
            let runs = |list: &[bool]| list.split(|is_lost| !is_lost).map(|run| run.len() as u64).filter(|run| *run > 0).collect::<Vec<_>>();
            let mut expected: Vec<_> = lists.iter().flat_map(|list| runs(list)).collect();
            expected.sort_unstable();
            prop_assert_eq!(numbers(&merged.lengths()), expected);
            let pairs: Vec<_> = lists.iter().flat_map(|list| list.windows(2)).filter(|pair| pair[0]).collect();
            let lost = pairs.iter().filter(|pair| pair[1]).count() as u64;
            prop_assert_eq!(merged.loss_after_loss(), ratio(lost, pairs.len() as u64));
            let mut distances: Vec<_> = lists.iter().flat_map(|list| {
                let places: Vec<_> = (0..list.len() as u64).zip(*list).filter(|(_, is_lost)| **is_lost).map(|(place, _)| place).collect();
                places.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
            }).collect();
            distances.sort_unstable();
            prop_assert_eq!(numbers(merged.distances()), distances);
        }
    }
}
