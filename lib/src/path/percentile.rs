//! Percentiles of delays in which lost ones are infinite.

use std::time::Duration;

use crate::stats::{Quantiles, SignedNanoseconds, SignedQuantiles};

/// A percentile of delays in which those of lost probes are infinite (RFC 7679 section 5.1, RFC 2330 section 11.3): with 2 % lost, the
/// 99th is [`Lost`](Self::Lost), and no number. That of the received ones alone is [`Quantiles::at`].
///
/// ```
/// use std::time::Duration;
/// use udpkit::{Quantiles, path::Percentile};
///
/// let mut delays = Quantiles::with_digits(3);
/// (0..98).for_each(|_| delays.add(Duration::from_millis(20)));
/// assert!(matches!(Percentile::of(&delays, 2, 0.98), Percentile::Time(_)));
/// assert_eq!(Percentile::of(&delays, 2, 0.99), Percentile::Lost);
/// ```
/// Exhaustive: there is nothing else that it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Percentile<Time = Duration> {
    /// This part of the probes had at most this delay.
    Time(Time),
    /// More were lost than the rest of them: it is infinite.
    Lost,
    /// There was neither a delay nor a loss.
    Unknown,
}

impl Percentile {
    /// That of these delays and of so many lost probes: `part` is over 0 and up to 1.
    #[must_use]
    pub fn of(received: &Quantiles, lost: u64, part: f64) -> Self {
        ranked(received.count(), lost, part, |rank| received.ranked(rank))
    }
}

impl Percentile<SignedNanoseconds> {
    /// The same of delays that may be negative, as one-way delays between two clocks may.
    #[must_use]
    pub fn of_signed(received: &SignedQuantiles, lost: u64, part: f64) -> Self {
        ranked(received.count(), lost, part, |rank| received.ranked(rank))
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks, of counts below 2^53"
)]
pub(super) fn ranked<Time>(received: u64, lost: u64, part: f64, at: impl FnOnce(u64) -> Time) -> Percentile<Time> {
    /// By how much a product may be over a whole number.
    const HAIR: f64 = 1e-12;
    let all = received.saturating_add(lost);
    if all == 0 {
        return Percentile::Unknown;
    }
    let rank = ((part * all as f64 * (1.0 - HAIR)).ceil() as u64).clamp(1, all);
    if rank > received { Percentile::Lost } else { Percentile::Time(at(rank)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_nothing_it_is_unknown_and_of_losses_alone_lost() {
        let none = Quantiles::with_digits(3);
        assert_eq!(Percentile::of(&none, 0, 0.5), Percentile::Unknown);
        assert_eq!(Percentile::of(&none, 1, 0.01), Percentile::Lost);
        assert_eq!(Percentile::of_signed(&SignedQuantiles::with_digits(3), 0, 0.5), Percentile::Unknown);
    }

    #[test]
    fn a_product_a_hair_over_a_whole_number_is_that_number() {
        let mut delays = SignedQuantiles::with_digits(3);
        (1..=100).for_each(|delay| delays.add(SignedNanoseconds(delay)));
        assert_eq!(Percentile::of_signed(&delays, 0, 0.07), Percentile::Time(SignedNanoseconds(7)));
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_list_with_infinite_ones(
            delays in prop::collection::vec(-900i64..900, 0..200),
            lost in 0u64..100,
            percent in 1usize..=100,
        ) {
            let (mut signed, mut sizes) = (SignedQuantiles::with_digits(3), Quantiles::with_digits(3));
            for delay in &delays {
                signed.add(SignedNanoseconds(*delay));
                sizes.add(SignedNanoseconds(*delay).size());
            }
            let of_list = |mut list: Vec<i64>| {
                list.sort_unstable();
                let all = list.len() + usize::try_from(lost).unwrap();
                let rank = (percent * all).div_ceil(100);
                (all > 0).then(|| list.get(rank - 1).copied())
            };
            let part = percent as f64 / 100.0;
            let found = match Percentile::of_signed(&signed, lost, part) {
                Percentile::Time(time) => Some(Some(time.0)),
                Percentile::Lost => Some(None),
                Percentile::Unknown => None,
            };
            prop_assert_eq!(found, of_list(delays.clone()));
            let found = match Percentile::of(&sizes, lost, part) {
                Percentile::Time(time) => Some(Some(i64::try_from(time.as_nanos()).unwrap())),
                Percentile::Lost => Some(None),
                Percentile::Unknown => None,
            };
            prop_assert_eq!(found, of_list(delays.iter().map(|delay| delay.abs()).collect()));
        }
    }
}
