//! How often a network delivers what was sent once (RFC 5560).

/// How often a network delivers what was sent once (RFC 5560).
///
/// ```
/// use udpkit::path::Duplication;
///
/// let mut duplication = Duplication::default();
/// // How often each probe arrived; one of four was lost.
/// for arrivals in [3, 1, 0, 4] {
///     duplication.add(arrivals);
/// }
/// assert_eq!(duplication.duplicates(), 5);
/// assert_eq!(duplication.fraction(), Some(5.0 / 3.0));
/// assert_eq!(duplication.replicated_rate(), Some(2.0 / 3.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duplication {
    arrivals: u64,
    distinct: u64,
    replicated: u64,
}

impl Duplication {
    /// Adds how often a probe arrived; 0 where it was lost.
    pub fn add(&mut self, arrivals: u64) {
        self.arrivals += arrivals;
        self.distinct += u64::from(arrivals > 0);
        self.replicated += u64::from(arrivals > 1);
    }

    /// Adds an arrival as it comes: how often the probe of its number arrived before.
    pub fn add_arrival(&mut self, before: u64) {
        self.arrivals += 1;
        self.distinct += u64::from(before == 0);
        self.replicated += u64::from(before == 1);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.arrivals += other.arrivals;
        self.distinct += other.distinct;
        self.replicated += other.replicated;
    }

    /// Arrivals after the first of each probe.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.arrivals - self.distinct
    }

    /// Probes that arrived more than once.
    #[must_use]
    pub fn replicated(&self) -> u64 {
        self.replicated
    }

    /// Arrivals beyond the first for each probe that arrived (RFC 5560 section 5.1: duplication fraction); nothing where none did.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        self.of_distinct(self.duplicates())
    }

    /// The part of the probes that arrived, which arrived more than once (RFC 5560 section 5.2: replicated packet rate); nothing
    /// where none did.
    #[must_use]
    pub fn replicated_rate(&self) -> Option<f64> {
        self.of_distinct(self.replicated)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    fn of_distinct(&self, count: u64) -> Option<f64> {
        (self.distinct > 0).then(|| count as f64 / self.distinct as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of arrivals as they come.
    fn of(numbers: &[u64]) -> Duplication {
        let mut duplication = Duplication::default();
        for (place, number) in numbers.iter().enumerate() {
            let before = numbers[..place].iter().filter(|other| *other == number).count();
            duplication.add_arrival(before as u64);
        }
        duplication
    }

    #[test]
    fn the_vectors_of_rfc_5560_have_its_fraction_and_rate() {
        // Section 5.3.
        let twice = of(&[1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!((twice.fraction(), twice.replicated_rate()), (Some(1.0), Some(1.0)));
        let thrice = of(&[1, 1, 1, 2, 3, 3, 3, 4]);
        assert_eq!((thrice.fraction(), thrice.replicated_rate()), (Some(1.0), Some(0.5)));
        assert_eq!((thrice.duplicates(), thrice.replicated()), (4, 2));
    }

    #[test]
    fn a_lost_probe_counts_as_none_that_arrived_and_flows_are_summed() {
        let mut one = Duplication::default();
        [2, 0, 1].into_iter().for_each(|arrivals| one.add(arrivals));
        one.merge(&of(&[3, 4, 3, 4, 3]));
        assert_eq!((one.fraction(), one.replicated_rate()), (Some(4.0 / 4.0), Some(3.0 / 4.0)));
        let mut none = Duplication::default();
        none.add(0);
        assert_eq!((none.fraction(), none.replicated_rate(), none.duplicates()), (None, None, 0));
    }
}
