//! Which datagrams are lost by chance, or because somebody chose them.

use std::sync::Arc;
use std::time::Duration;

use super::check::{LONGEST, ensure, probability, time};
use super::pattern::Pattern;
use crate::error::Result;
use crate::setters::setters;

/// The most datagrams that can be chosen one by one.
const MOST_CHOSEN: usize = 65_536;

/// Which datagrams are lost.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each with this probability, from 0 to 1, whatever happened to the others.
    Independent(f64),
    /// More of them while the network is bad.
    Bursts(GilbertElliott),
    /// Those that a pattern says, again and again, counted from when it was set.
    Pattern(Pattern),
}

/// A network that is good or bad, and after each datagram may change from one to the other (Gilbert 1960, Elliott 1963).
///
/// It begins as likely in either state as it is in the long run, in which it is bad for `to_bad / (to_bad + to_good)` of
/// the datagrams and changes back after `1 / to_good` of them on average.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct GilbertElliott {
    /// The probability that it becomes bad after a datagram while it was good; `p` in most texts.
    pub to_bad: f64,
    /// The probability that it becomes good after a datagram while it was bad; `r`.
    pub to_good: f64,
    /// The probability that a datagram is lost while it is good; `1 - k`. 0 by default.
    pub loss_in_good: f64,
    /// The probability that a datagram is lost while it is bad; `1 - h`. 1 by default.
    pub loss_in_bad: f64,
    /// How much longer a datagram takes while it is bad.
    pub delay_in_bad: Duration,
}

/// Which datagrams are lost because somebody chose them: by their place among those that the impairments are for, from 1.
///
/// They are counted from when it was set, or the choice of those that the impairments are for
/// ([`matching`](super::ImpairmentOptions::matching), [`from`](field@super::ImpairmentOptions::from)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chosen {
    /// None.
    #[default]
    None,
    /// Those at these places, which ascend from one at least; at most 65,536 of them.
    Numbers(Arc<[u64]>),
    /// Every so-manieth: with 3, the third, the sixth, and so on.
    Every(u64),
}

impl Loss {
    pub(super) fn check(&self) -> Result<()> {
        match *self {
            Self::None | Self::Pattern(_) => Ok(()),
            Self::Independent(loss) => probability("the loss", loss),
            Self::Bursts(GilbertElliott { to_bad, to_good, loss_in_good, loss_in_bad, delay_in_bad }) => {
                probability("the probability of a change to the bad state", to_bad)?;
                probability("the probability of a change to the good state", to_good)?;
                probability("the loss in the good state", loss_in_good)?;
                probability("the loss in the bad state", loss_in_bad)?;
                time("the delay in the bad state", delay_in_bad)
            }
        }
    }
}

impl Loss {
    /// The same, with what is beyond its bounds at them: a probability of 7 is 1, what is no number is 0.
    pub(crate) fn clamped(self) -> Self {
        let probability = |value: f64| if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        match self {
            Self::None | Self::Pattern(_) => self,
            Self::Independent(loss) => probability(loss).into(),
            Self::Bursts(chain) => Self::Bursts(GilbertElliott {
                to_bad: probability(chain.to_bad),
                to_good: probability(chain.to_good),
                loss_in_good: probability(chain.loss_in_good),
                loss_in_bad: probability(chain.loss_in_bad),
                delay_in_bad: chain.delay_in_bad.min(LONGEST),
            }),
        }
    }
}

impl From<f64> for Loss {
    fn from(probability: f64) -> Self {
        if probability == 0.0 { Self::None } else { Self::Independent(probability) }
    }
}

impl From<GilbertElliott> for Loss {
    fn from(chain: GilbertElliott) -> Self {
        Self::Bursts(chain)
    }
}

impl From<Pattern> for Loss {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl Chosen {
    /// Those at these places, from 1, in any order.
    #[must_use]
    pub fn numbers(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        numbers.sort_unstable();
        numbers.dedup();
        Self::Numbers(numbers.into())
    }

    pub(super) fn check(&self) -> Result<()> {
        const NAME: &str = "the datagrams to drop";
        match self {
            Self::None => Ok(()),
            Self::Every(every) => ensure(*every > 0, NAME, "every 0th", "every first is the most"),
            Self::Numbers(numbers) => {
                ensure(numbers.first() != Some(&0), NAME, 0, "the first is number 1")?;
                let why = format!("{MOST_CHOSEN} are the most");
                ensure(numbers.len() <= MOST_CHOSEN, NAME, format!("{} of them", numbers.len()), why)?;
                let descent = numbers.windows(2).find(|two| two[0] > two[1]);
                let value = descent.map_or_else(String::new, |two| format!("{} behind {}", two[1], two[0]));
                ensure(descent.is_none(), NAME, value, "their numbers ascend")
            }
        }
    }

    /// Whether the datagram at this place is one of them.
    pub(super) fn has(&self, place: u64) -> bool {
        match self {
            Self::None => false,
            Self::Numbers(numbers) => numbers.binary_search(&place).is_ok(),
            Self::Every(every) => place.is_multiple_of(*every),
        }
    }
}

setters! { GilbertElliott {
    to_bad: f64,
    to_good: f64,
    loss_in_good: f64,
    loss_in_bad: f64,
    delay_in_bad: Duration,
}}

impl GilbertElliott {
    /// Loses everything while it is bad and nothing while it is good; it changes with these probabilities, from 0 to 1.
    #[must_use]
    pub fn new(to_bad: f64, to_good: f64) -> Self {
        Self { to_bad, to_good, loss_in_good: 0.0, loss_in_bad: 1.0, delay_in_bad: Duration::ZERO }
    }

    /// Loses this share of all datagrams, from 0 to below 1, in runs of so many on average.
    ///
    /// ```
    /// use udpkit::impairment::GilbertElliott;
    ///
    /// # fn main() -> udpkit::Result<()> {
    /// let bursts = GilbertElliott::bursts(0.05, 4.0)?;
    /// assert_eq!(bursts.to_good, 0.25);
    /// assert!((bursts.mean_loss() - 0.05).abs() < 1e-12);
    /// assert!(GilbertElliott::bursts(0.9, 4.0).is_err(), "with gaps of one datagram, 80 % are lost");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// A mean length below 1, or a loss that no gaps of at least one datagram leave: over `length / (length + 1)`.
    pub fn bursts(loss: f64, mean_length: f64) -> Result<Self> {
        probability("the loss", loss)?;
        let is_length = mean_length >= 1.0 && mean_length.is_finite();
        ensure(is_length, "the mean length of bursts", mean_length, "a burst is of one datagram at least")?;
        let to_good = 1.0 / mean_length;
        let to_bad = loss * to_good / (1.0 - loss);
        let most = 100.0 * mean_length / (mean_length + 1.0);
        let why = format!("bursts of {mean_length} datagrams lose at most {most:.1} %");
        ensure(to_bad <= 1.0, "the loss", loss, why)?;
        Ok(Self::new(to_bad, to_good))
    }

    /// The share of all datagrams that are lost in the long run.
    #[must_use]
    pub fn mean_loss(self) -> f64 {
        let bad = self.share_bad();
        (1.0 - bad) * self.loss_in_good + bad * self.loss_in_bad
    }

    /// The share of all datagrams for which it is bad; a network that never changes is good.
    pub(super) fn share_bad(self) -> f64 {
        let changes = self.to_bad + self.to_good;
        if changes > 0.0 { self.to_bad / changes } else { 0.0 }
    }
}
