//! Which numbers of a sequence arrived, how often and in what order, in bounded memory.

/// Numbers that a window holds at first, and never fewer: 512 bytes.
const FEWEST: u64 = 4096;
/// Numbers that a window may hold for each arrival, so that memory is paid for by traffic.
const PER_ARRIVAL: u64 = 16;
/// Numbers that a window holds at most, unless it is asked for otherwise: 8 KiB.
const MOST: u64 = 65_536;

/// Which numbers of a sequence arrived, how often, and in what order (RFC 4737, RFC 5560).
///
/// Each arrival is counted as one of three: the first of its number, a duplicate, or too old to tell. The last is of numbers that are
/// further behind the highest than the window reaches: 65,536, or fewer at the start of a sequence that begins with large gaps (4,096
/// and 16 for each arrival). Memory grows with the arrivals, up to 8 KiB.
///
/// ```
/// use udpkit::{Arrival, Arrivals};
///
/// let mut arrivals = Arrivals::default();
/// let seen = [0, 1, 3, 2, 3].map(|number| arrivals.add(number));
/// assert_eq!(seen[3..], [Arrival::Reordered, Arrival::Duplicate]);
/// assert_eq!((arrivals.distinct(), arrivals.reordered(), arrivals.duplicates()), (4, 1, 1));
/// ```
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// A bit for each number, at its place modulo their count, which is a power of two.
    seen: Vec<u64>,
    most: u64,
    /// One more than the highest number that arrived: NextExp of RFC 4737 section 3.3.
    next: u64,
    /// The lowest number of which is known whether it arrived.
    known_from: u64,
    arrivals: u64,
    distinct: u64,
    reordered: u64,
    too_old: u64,
}

/// What an arrival is in its sequence.
/// Exhaustive: there is nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The first of its number, and no higher number arrived before it.
    InOrder,
    /// The first of its number, after a higher number (RFC 4737 section 3.3).
    Reordered,
    /// Its number arrived before (RFC 5560).
    Duplicate,
    /// Its number is so far behind the highest that nobody knows whether it arrived before.
    TooOld,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self::with_window(MOST)
    }
}

impl Arrivals {
    /// Tells numbers apart up to this far behind the highest, rounded up to a power of two; 4,096 at least.
    #[must_use]
    pub fn with_window(numbers: u64) -> Self {
        Self {
            seen: Vec::new(),
            most: numbers.clamp(FEWEST, 1 << 40).next_power_of_two(),
            next: 0,
            known_from: 0,
            arrivals: 0,
            distinct: 0,
            reordered: 0,
            too_old: 0,
        }
    }

    /// Takes an arrival, and says what it is.
    #[must_use = "`let _ =` where it is only to be counted"]
    pub fn add(&mut self, number: u64) -> Arrival {
        self.arrivals += 1;
        self.grow();
        if number >= self.next {
            self.advance(number.saturating_add(1));
            self.set(number);
            self.distinct += 1;
            return Arrival::InOrder;
        }
        match self.has(number) {
            None => {
                self.too_old += 1;
                Arrival::TooOld
            }
            Some(true) => Arrival::Duplicate,
            Some(false) => {
                self.set(number);
                self.distinct += 1;
                self.reordered += 1;
                Arrival::Reordered
            }
        }
    }

    /// The number of which these are the lower 32 bits: the one nearest to the highest that arrived.
    #[must_use]
    pub fn extend(&self, lower: u32) -> u64 {
        const ROUND: u64 = 1 << u32::BITS;
        let same = self.next & !(ROUND - 1) | u64::from(lower);
        let nearest = |a: u64, b: u64| if b.abs_diff(self.next) < a.abs_diff(self.next) { b } else { a };
        let below = same.checked_sub(ROUND).map_or(same, |below| nearest(same, below));
        same.checked_add(ROUND).map_or(below, |above| nearest(below, above))
    }

    /// Whether a number arrived; `None` where that is not known any more.
    #[must_use]
    pub fn has(&self, number: u64) -> Option<bool> {
        if number >= self.next {
            return Some(false);
        }
        let (word, bit) = self.place(number);
        (number >= self.known_from).then(|| self.seen[word] >> bit & 1 == 1)
    }

    /// One more than the highest number that arrived; 0 before the first.
    #[must_use]
    pub fn next_expected(&self) -> u64 {
        self.next
    }

    /// All arrivals.
    #[must_use]
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// Different numbers that arrived; those too old to tell are not among them.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Of the first arrivals of each number, those after which a higher number had arrived (RFC 4737 section 3.3).
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Arrivals of numbers that had arrived before.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.arrivals - self.distinct - self.too_old
    }

    /// Arrivals of which is not known whether their number had arrived before.
    #[must_use]
    pub fn too_old(&self) -> u64 {
        self.too_old
    }

    /// Bytes that the window takes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(self.seen.as_slice())
    }

    /// Numbers that the window holds.
    fn window(&self) -> u64 {
        self.seen.len() as u64 * u64::from(u64::BITS)
    }

    fn place(&self, number: u64) -> (usize, u32) {
        let place = number & (self.window() - 1);
        #[expect(clippy::cast_possible_truncation, reason = "below the count of bits, all of which are in memory")]
        ((place / u64::from(u64::BITS)) as usize, (place % u64::from(u64::BITS)) as u32)
    }

    fn set(&mut self, number: u64) {
        let (word, bit) = self.place(number);
        self.seen[word] |= 1 << bit;
    }

    /// Makes the window as large as the arrivals allow.
    fn grow(&mut self) {
        let allowed = (self.arrivals * PER_ARRIVAL).clamp(FEWEST, self.most).next_power_of_two();
        if allowed <= self.window() {
            return;
        }
        let before = self.clone();
        #[expect(clippy::cast_possible_truncation, reason = "an address space holds it, or there is no such window")]
        let words = (allowed / u64::from(u64::BITS)) as usize;
        self.seen = vec![0; words];
        for number in self.known_from..self.next {
            if before.has(number) == Some(true) {
                self.set(number);
            }
        }
    }

    /// Moves the window on, so that this number is the next that is expected.
    fn advance(&mut self, next: u64) {
        if next - self.next >= self.window() {
            self.seen.fill(0);
        } else {
            let mut number = self.next;
            while number < next {
                let (word, bit) = self.place(number);
                // Whole words where they are: a forged number far ahead must cost little.
                let is_whole = bit == 0 && next - number >= u64::from(u64::BITS);
                self.seen[word] &= if is_whole { 0 } else { !(1 << bit) };
                number += if is_whole { u64::from(u64::BITS) } else { 1 };
            }
        }
        self.next = next;
        self.known_from = self.known_from.max(next.saturating_sub(self.window()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vector_of_rfc_4737_has_three_reordered() {
        let mut arrivals = Arrivals::default();
        let reordered: Vec<u64> = [1, 2, 3, 7, 8, 9, 4, 5, 6]
            .into_iter()
            .filter(|number| arrivals.add(*number) == Arrival::Reordered)
            .collect();
        assert_eq!(reordered, [4, 5, 6]);
        assert_eq!((arrivals.arrivals(), arrivals.distinct(), arrivals.duplicates()), (9, 9, 0));
    }

    #[test]
    fn what_is_too_old_to_tell_is_neither_new_nor_a_duplicate() {
        let mut arrivals = Arrivals::default();
        let _ = arrivals.add(10);
        let _ = arrivals.add(10 + FEWEST);
        assert_eq!(arrivals.add(10), Arrival::TooOld);
        assert_eq!(arrivals.add(11), Arrival::Reordered);
        assert_eq!(arrivals.add(11), Arrival::Duplicate);
        // A larger window later on does not make known what was forgotten.
        for number in 20_000..24_000 {
            let _ = arrivals.add(number);
        }
        assert_eq!(arrivals.add(12), Arrival::TooOld);
        assert_eq!((arrivals.too_old(), arrivals.duplicates(), arrivals.distinct()), (2, 1, 4003));
    }

    #[test]
    fn the_window_grows_with_traffic_and_to_its_limit() {
        let mut arrivals = Arrivals::default();
        let _ = arrivals.add(1 << 40);
        assert_eq!(arrivals.window(), FEWEST);
        (0..10_000).for_each(|number| {
            let _ = arrivals.add((1 << 40) + number);
        });
        assert_eq!(arrivals.window(), MOST);
        assert_eq!(arrivals.add(u64::MAX), Arrival::InOrder);
        assert_eq!(arrivals.add(u64::MAX - 1), Arrival::Reordered);
    }

    #[test]
    fn lower_bits_mean_the_nearest_number() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.extend(u32::MAX), u64::from(u32::MAX));
        let _ = arrivals.add(u64::from(u32::MAX) - 1);
        assert_eq!(arrivals.extend(3), (1 << 32) + 3);
        let _ = arrivals.add((1 << 32) + 3);
        assert_eq!(arrivals.extend(u32::MAX), u64::from(u32::MAX));
        assert_eq!(arrivals.extend(4), (1 << 32) + 4);
    }

    proptest! {
        #[test]
        fn arrivals_are_counted_as_a_set_counts_them(steps in prop::collection::vec((0u64..40, any::<bool>()), 0..600)) {
            let (mut arrivals, mut set, mut highest) = (Arrivals::default(), BTreeSet::new(), 0);
            let (mut reordered, mut duplicates) = (0, 0);
            for (step, is_behind) in steps {
                let number: u64 = if is_behind { highest - highest.min(step * 50) } else { highest + step };
                let is_late = set.last().is_some_and(|last| *last > number);
                let is_new = set.insert(number);
                reordered += u64::from(is_new && is_late);
                duplicates += u64::from(!is_new);
                highest = highest.max(number);
                prop_assert_eq!(arrivals.has(number), Some(!is_new));
                let _ = arrivals.add(number);
            }
            let counted = (arrivals.distinct(), arrivals.reordered(), arrivals.duplicates(), arrivals.too_old());
            prop_assert_eq!(counted, (set.len() as u64, reordered, duplicates, 0));
        }
    }
}
