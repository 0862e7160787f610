//! Which size is tried next, where any probe may be lost by chance as well as by its size.

use std::collections::BTreeMap;

use crate::bounds::Bounds;

/// Probes of a size that are lost at least before the size is taken for too long (RFC 8899 section 5.1.2, `MAX_PROBES`).
const LEAST: u64 = 3;
/// How improbable it must be that chance lost all probes of a size, for shorter ones to be tried.
const DOUBT: f64 = 0.01;
/// The same, for the size to be reported as too long.
const CERTAIN: f64 = 1e-6;
/// Probes of one size at most. Where nearly everything is lost, that is not enough to be certain.
const MOST: u64 = 512;
/// Sizes that others suggest, remembered at most.
const HINTS: usize = 32;

/// What became of the probes of a size, none of which passed, and of those of a size that passes which were sent between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trial {
    /// Probes of the size that were lost: all.
    pub(super) lost: u64,
    /// Probes of a size that passes.
    pub(super) controls: u64,
    /// Of them: those that were lost.
    pub(super) controls_lost: u64,
}

impl Trial {
    /// The probability that of all these the lost ones are those of this size, if the size made no difference: Fisher's exact
    /// test, of one side.
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub(super) fn by_chance(&self) -> f64 {
        (1..=self.lost).map(|one| (self.controls_lost + one) as f64 / (self.controls + one) as f64).product()
    }

    fn is_below(&self, level: f64) -> bool {
        self.lost >= LEAST && self.by_chance() < level
    }

    fn is_exhausted(&self) -> bool {
        self.lost >= MOST
    }
}

/// The size that is to be tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) size: usize,
    /// Whether it is the last question: the next shorter size passes.
    pub(super) is_last: bool,
    level: f64,
}

impl Wanted {
    /// Whether this would settle it.
    pub(super) fn is_settled_by(self, trial: &Trial) -> bool {
        trial.is_below(self.level) || trial.is_exhausted()
    }
}

/// A search for the longest size that passes.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// The longest size that passed: it did, whatever was lost.
    low: usize,
    /// Neither this size nor a longer one is tried.
    ceiling: usize,
    /// Sizes longer than `low`.
    trials: BTreeMap<usize, Trial>,
    /// Sizes that are tried before others, the first one first.
    hints: Vec<usize>,
}

impl Search {
    /// A search among sizes from one that passes up to one that is not tried.
    pub(super) fn new(low: usize, ceiling: usize, hints: &[usize]) -> Self {
        Self { low, ceiling: ceiling.max(low + 1), trials: BTreeMap::new(), hints: hints.to_vec() }
    }

    /// One in which more passes than here: what is known of longer sizes stays.
    pub(super) fn above(&self, low: usize) -> Self {
        let mut above = self.clone();
        above.passed(low);
        above
    }

    /// The longest size that passed.
    pub(super) fn low(&self) -> usize {
        self.low
    }

    /// The longest size that could be tried.
    pub(super) fn most(&self) -> usize {
        self.ceiling - 1
    }

    /// A probe of this size passed.
    pub(super) fn passed(&mut self, size: usize) {
        if size > self.low {
            self.low = size;
            self.ceiling = self.ceiling.max(size + 1);
            self.trials = self.trials.split_off(&(size + 1));
        }
    }

    /// Our own host does not send this size.
    pub(super) fn refused(&mut self, size: usize) {
        self.ceiling = self.ceiling.min(size).max(self.low + 1);
        let _ = self.trials.split_off(&self.ceiling);
    }

    /// Somebody says that this size passes, and no longer one.
    pub(super) fn suggest(&mut self, size: usize) {
        self.hints.retain(|hint| !(size..=size + 1).contains(hint));
        self.hints.splice(..0, [size, size + 1]);
        self.hints.truncate(HINTS);
    }

    /// What is known of a size.
    pub(super) fn trial(&self, size: usize) -> Trial {
        self.trials.get(&size).copied().unwrap_or_default()
    }

    /// Changes what is known of a size.
    pub(super) fn trial_mut(&mut self, size: usize) -> Option<&mut Trial> {
        (self.low < size && size < self.ceiling).then(|| self.trials.entry(size).or_default())
    }

    /// The size to be tried; `None` where nothing more can be learnt.
    pub(super) fn next(&self) -> Option<Wanted> {
        let is_too_long = |trial: &Trial| trial.is_below(DOUBT) || trial.is_exhausted();
        let too_long = self.trials.iter().find(|(_, trial)| is_too_long(trial)).map(|(size, _)| *size);
        let too_long = too_long.unwrap_or(self.ceiling);
        if too_long > self.low + 1 {
            let hint = self.hints.iter().copied().find(|hint| self.low < *hint && *hint < too_long);
            let size = hint.unwrap_or_else(|| usize::midpoint(self.low, too_long));
            return Some(Wanted { size, is_last: false, level: DOUBT });
        }
        let wanted = Wanted { size: too_long, is_last: true, level: CERTAIN };
        (too_long < self.ceiling && !wanted.is_settled_by(&self.trial(too_long))).then_some(wanted)
    }

    /// The longest size that passes, as far as it is known. Where every size passed that was tried, `is_all` says whether there
    /// are no longer ones.
    pub(super) fn found(&self, is_all: bool) -> Bounds {
        let certain = self.trials.iter().find(|(_, trial)| trial.is_below(CERTAIN)).map(|(size, _)| *size);
        match certain {
            Some(size) => Bounds::new(self.low as u64, size as u64 - 1),
            None if is_all => Bounds::new(self.low as u64, self.ceiling as u64 - 1),
            None => Bounds::at_least(self.low as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries what is wanted until nothing is, where sizes up to `mtu` pass and every `lost_each`th probe is lost.
    fn run(search: &mut Search, mtu: usize, lost_each: u64) -> u64 {
        let mut sent = 0;
        while let Some(wanted) = search.next() {
            sent += 1;
            assert!(sent < 10_000, "{search:?}");
            let is_lost = sent % lost_each == 0;
            if wanted.size <= mtu && !is_lost {
                search.passed(wanted.size);
                continue;
            }
            let trial = search.trial_mut(wanted.size).unwrap();
            trial.lost += 1;
            trial.controls += 1;
            trial.controls_lost += u64::from(is_lost);
        }
        sent
    }

    #[test]
    fn the_longest_size_that_passes_is_found_wherever_it_is() {
        for mtu in [100, 101, 575, 1199, 1200, 1399, 1400, 1499, 1500, 8999, 9000] {
            let mut search = Search::new(100, 9001, &[1200, 1500]);
            run(&mut search, mtu, u64::MAX);
            let expected = if mtu < 9000 { Bounds::exact(mtu as u64) } else { Bounds::at_least(9000) };
            assert_eq!(search.found(false), expected);
            assert_eq!(search.found(true), Bounds::exact(mtu as u64));
        }
    }

    #[test]
    fn a_size_is_not_too_long_after_fewer_than_three_losses() {
        let mut search = Search::new(100, 201, &[]);
        *search.trial_mut(150).unwrap() = Trial { lost: 2, controls: 1000, controls_lost: 0 };
        assert!(search.trial(150).by_chance() < DOUBT);
        assert_eq!(search.next().unwrap().size, 150);
        search.trial_mut(150).unwrap().lost += 1;
        assert_eq!(search.next().unwrap().size, 125);
    }

    #[test]
    fn a_loss_that_both_sizes_share_says_nothing_of_the_size() {
        let all = Trial { lost: 12, controls: 12, controls_lost: 0 };
        assert!(all.by_chance() < CERTAIN);
        // 12 of 12 of one size in a bag of 24.
        assert!((all.by_chance() * 2_704_156.0 - 1.0).abs() < 1e-9);
        let dead = Trial { lost: 500, controls: 500, controls_lost: 500 };
        assert!((dead.by_chance() - 1.0).abs() < 1e-9);
        assert!(Trial { lost: 12, controls: 12, controls_lost: 6 }.by_chance() > 1e-3);
    }

    #[test]
    fn a_size_that_was_taken_for_too_long_and_passes_is_not() {
        let mut search = Search::new(100, 1501, &[]);
        *search.trial_mut(800).unwrap() = Trial { lost: 5, controls: 5, controls_lost: 0 };
        assert_eq!(search.next().unwrap().size, 450);
        search.passed(900);
        assert_eq!(search.next().unwrap().size, 1200);
        run(&mut search, 1400, u64::MAX);
        assert_eq!(search.found(false), Bounds::exact(1400));
    }

    #[test]
    fn a_hint_is_tried_first_and_never_believed() {
        for (hint, mtu) in [(1400, 1400), (1300, 1400), (1450, 1400), (68, 1400), (60_000, 1400)] {
            let mut search = Search::new(1200, 1501, &[]);
            search.suggest(hint);
            let sent = run(&mut search, mtu, u64::MAX);
            assert_eq!(search.found(false), Bounds::exact(mtu as u64), "{hint}");
            if hint == mtu {
                assert!(sent < 30, "it costs little: {sent}");
            }
        }
    }

    #[test]
    fn where_nearly_all_is_lost_the_answer_is_an_interval() {
        let mut search = Search::new(1200, 1501, &[]);
        *search.trial_mut(1300).unwrap() = Trial { lost: MOST, controls: MOST, controls_lost: MOST - 1 };
        *search.trial_mut(1201).unwrap() = Trial { lost: MOST, controls: MOST, controls_lost: MOST - 1 };
        assert_eq!(search.next(), None);
        assert_eq!(search.found(true), Bounds::new(1200, 1500));
        *search.trial_mut(1400).unwrap() = Trial { lost: 30, controls: 30, controls_lost: 0 };
        assert_eq!(search.found(false), Bounds::new(1200, 1399));
    }

    #[test]
    fn what_our_own_host_refuses_is_above_all_that_is_tried() {
        let mut search = Search::new(128, 65_536, &[1500]);
        let mut refused = 0;
        while let Some(wanted) = search.next() {
            if wanted.size > 1500 {
                refused += 1;
                search.refused(wanted.size);
            } else {
                search.passed(wanted.size);
            }
        }
        assert_eq!((search.found(true), search.most()), (Bounds::exact(1500), 1500));
        assert!(refused < 20, "{refused}");
    }
}
