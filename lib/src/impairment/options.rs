//! What a link is to do to the datagrams that cross it.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::error::{Attempt, Error, Object, Result};
use crate::setters::setters;

/// The longest time that can be set.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// No jitter is longer than its spread so many times. Only [`Jitter::Pareto`] comes near: one of 700,000 would be longer.
pub(super) const LONGEST_TAIL: u32 = 100;
/// The most bytes that a datagram can have besides its payload.
const LONGEST_OVERHEAD: usize = 65_535;
/// Datagrams that can wait for a slow link, whatever its queue.
pub(super) const MOST_QUEUED: usize = 65_536;

/// What a link does to the datagrams that cross it: nothing until it is set.
///
/// Checked by [`Impairment::new`](super::Impairment::new), in whose description the order is that in which they apply.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImpairmentOptions {
    /// Which datagrams are lost.
    pub loss: Loss,
    /// When all are lost.
    pub blackout: Option<Blackout>,
    /// The probability that a copy of a datagram arrives too, from 0 to 1.
    pub duplicate: f64,
    /// The probability that one bit of a datagram's payload arrives inverted, from 0 to 1. An empty payload has none.
    pub corrupt: f64,
    /// How fast the link is, and how much waits for it.
    pub rate: Option<Rate>,
    /// How long every datagram takes.
    pub delay: Duration,
    /// By how much that differs from datagram to datagram.
    pub jitter: Jitter,
    /// Whether a datagram that jitter would let leave before an earlier one leaves together with that one. On by default.
    pub keep_order: bool,
    /// Which datagrams are overtaken.
    pub reorder: Option<Reorder>,
    /// How many datagrams a [`Link`](super::Link) holds at once; further ones are lost. 65,536 by default.
    pub held_datagrams: usize,
    /// How many bytes of payload a [`Link`](super::Link) holds at once. 64 MiB by default.
    pub held_bytes: usize,
}

/// Which datagrams are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each with this probability, from 0 to 1, whatever happened to the others.
    Independent(f64),
    /// More of them while the network is bad.
    Bursts(GilbertElliott),
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

/// When all datagrams are lost, counted from the start of the [`Impairment`](super::Impairment).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blackout {
    /// When the first one begins.
    pub first: Duration,
    /// How long each one lasts.
    pub lasting: Duration,
    /// From the begin of one to that of the next, longer than one lasts; `None`: there is one alone.
    pub every: Option<Duration>,
}

/// How fast a link is. It sends one datagram after another; those that come meanwhile wait, and are lost where the
/// queue has no room for them (drop-tail). A link that is idle takes a datagram of any length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// Bits a second.
    pub bits_per_second: u64,
    /// How much waits, without the datagram that is being sent.
    pub queue: Queue,
    /// Bytes that each datagram has besides its payload ([`header_len`](crate::header_len)), in its time and in the queue.
    /// 0 by default.
    pub overhead: usize,
}

/// The most that waits for a link, and never more than 65,536 datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Queue {
    /// Bytes.
    Bytes(usize),
    /// Datagrams.
    Datagrams(usize),
}

/// By how much the delay differs from datagram to datagram.
///
/// No datagram leaves before it came: a delay that would be negative is zero, so the first two have the deviation that is
/// said here only where the delay is longer than the spread (four times the deviation). None is more than 100 times the
/// spread away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// Up to so much shorter or longer, each as likely: the mean is the delay, the standard deviation 0.577 times this.
    Uniform(Duration),
    /// Normally distributed with this standard deviation: the mean is the delay.
    Normal(Duration),
    /// Longer, exponentially distributed with this mean, which is the standard deviation too: right-skewed, as where
    /// datagrams wait in a queue.
    Exponential(Duration),
    /// Longer, by a Pareto distribution (Lomax) of shape 3 with this standard deviation: the mean is 0.577 times this, one
    /// of a thousand is over 10 times. The tail is heavy, and where the order is kept all that follows waits for it.
    Pareto(Duration),
}

/// Which datagrams are overtaken, and by how many: their displacement (RFC 5236) where the order is kept otherwise.
///
/// Such a datagram leaves right behind so many of those that followed it, lost ones and other overtaken ones not counted.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reorder {
    /// The probability that a datagram is overtaken, from 0 to 1.
    pub probability: f64,
    /// By how many; at least one.
    pub followers: u32,
    /// How much later it leaves at the latest, where fewer follow. A second by default.
    pub at_most: Duration,
}

impl Default for ImpairmentOptions {
    fn default() -> Self {
        Self {
            loss: Loss::None,
            blackout: None,
            duplicate: 0.0,
            corrupt: 0.0,
            rate: None,
            delay: Duration::ZERO,
            jitter: Jitter::None,
            keep_order: true,
            reorder: None,
            held_datagrams: 65_536,
            held_bytes: 64 << 20,
        }
    }
}

setters! { ImpairmentOptions {
    into loss: Loss,
    into blackout: Option<Blackout>,
    duplicate: f64,
    corrupt: f64,
    into rate: Option<Rate>,
    delay: Duration,
    jitter: Jitter,
    keep_order: bool,
    into reorder: Option<Reorder>,
    held_datagrams: usize,
    held_bytes: usize,
}}

impl ImpairmentOptions {
    /// Whether every datagram leaves at once, as it came.
    pub(super) fn is_nothing(&self) -> bool {
        let Self { loss, blackout, duplicate, corrupt, rate, delay, jitter, reorder, .. } = self;
        *loss == Loss::None
            && (*duplicate, *corrupt, *delay, *jitter) == (0.0, 0.0, Duration::ZERO, Jitter::None)
            && (blackout.is_none() && rate.is_none() && reorder.is_none())
    }

    /// Refuses what cannot be.
    pub(crate) fn check(&self) -> Result<()> {
        self.loss.check()?;
        probability("the probability of duplicates", self.duplicate)?;
        probability("the probability of corruption", self.corrupt)?;
        time("the delay", self.delay)?;
        time("the jitter", self.jitter.spread())?;
        self.blackout.map_or(Ok(()), Blackout::check)?;
        if let Some(rate) = self.rate {
            ensure(rate.bits_per_second > 0, "the rate", "0 bit/s", "nothing would ever leave")?;
            let why = format!("{LONGEST_OVERHEAD} bytes is the longest");
            ensure(rate.overhead <= LONGEST_OVERHEAD, "the overhead of a datagram", rate.overhead, why)?;
        }
        if let Some(Reorder { probability: chance, followers, at_most }) = self.reorder {
            probability("the probability of reordering", chance)?;
            ensure(followers > 0, "the followers of a reordered datagram", 0, "at least one overtakes it")?;
            time("the longest wait of a reordered datagram", at_most)?;
        }
        Ok(())
    }
}

impl Loss {
    fn check(self) -> Result<()> {
        match self {
            Self::None => Ok(()),
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

setters! { Blackout {
    first: Duration,
    lasting: Duration,
    into every: Option<Duration>,
}}

impl Blackout {
    /// One of this length, so long after the start.
    #[must_use]
    pub fn once(first: Duration, lasting: Duration) -> Self {
        Self { first, lasting, every: None }
    }

    /// One of this length at the end of each such interval: from 30 to 32 s, from 60 to 62 s, and so on.
    #[must_use]
    pub fn each(interval: Duration, lasting: Duration) -> Self {
        Self { first: interval, lasting, every: Some(interval) }
    }

    fn check(self) -> Result<()> {
        time("the first blackout", self.first)?;
        time("the length of a blackout", self.lasting)?;
        let Some(every) = self.every else { return Ok(()) };
        time("the interval of blackouts", every)?;
        let why = format!("each lasts {:?}", self.lasting);
        ensure(every > self.lasting, "the interval of blackouts", format!("{every:?}"), why)
    }

    /// Whether it is dark so long after the start.
    pub(super) fn is_dark(self, elapsed: Duration) -> bool {
        let Some(since) = elapsed.checked_sub(self.first) else { return false };
        let since = match self.every {
            Some(every) => nanoseconds(since.as_nanos() % every.as_nanos()),
            None => since,
        };
        since < self.lasting
    }
}

setters! { Rate {
    bits_per_second: u64,
    queue: Queue,
    overhead: usize,
}}

impl Rate {
    /// So many bits a second, and a queue before it.
    #[must_use]
    pub fn new(bits_per_second: u64, queue: Queue) -> Self {
        Self { bits_per_second, queue, overhead: 0 }
    }
}

impl Jitter {
    /// The time that the distribution is described by.
    pub(super) fn spread(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Uniform(spread) | Self::Normal(spread) | Self::Exponential(spread) | Self::Pareto(spread) => spread,
        }
    }
}

setters! { Reorder {
    probability: f64,
    followers: u32,
    at_most: Duration,
}}

impl Reorder {
    /// Lets so many followers overtake a datagram, with this probability, from 0 to 1.
    #[must_use]
    pub fn new(probability: f64, followers: u32) -> Self {
        Self { probability, followers, at_most: Duration::from_secs(1) }
    }
}

/// A time of so many nanoseconds; those that no `Duration` holds are not reached with what [`ImpairmentOptions::check`] lets
/// pass.
pub(super) fn nanoseconds(nanoseconds: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    Duration::new(seconds, u32::try_from(nanoseconds % SECOND).expect("it is below a thousand million"))
}

fn probability(name: &str, value: f64) -> Result<()> {
    ensure((0.0..=1.0).contains(&value), name, value, "a probability is from 0 to 1")
}

fn time(name: &str, value: Duration) -> Result<()> {
    ensure(value <= LONGEST, name, format!("{value:?}"), "a year is the longest")
}

/// An error that says what was set to what, and why it cannot be.
fn ensure(holds: bool, name: &str, value: impl fmt::Display, why: impl Into<String>) -> Result<()> {
    if holds {
        return Ok(());
    }
    let cause = io::Error::new(io::ErrorKind::InvalidInput, why.into());
    Err(Error::new(Attempt::Other("set"), Object::Other(format!("{name} to {value}")), cause))
}
