//! What a link is to do to the datagrams that cross it.

use std::time::Duration;

use super::check::{ensure, nanoseconds, probability, time};
use super::loss::{Chosen, Loss};
use super::matching::Matching;
use super::rate::Rate;
use crate::error::Result;
use crate::network::Network;
use crate::setters::setters;

/// No jitter is longer than its spread so many times. Only [`Jitter::Pareto`] comes near: one of 700,000 would be longer.
pub(super) const LONGEST_TAIL: u32 = 100;
/// Bytes of the shortest datagram: an IPv4 header and one of UDP.
const SHORTEST_DATAGRAM: usize = 28;

/// What a link does to the datagrams that cross it: nothing until it is set.
///
/// Checked by [`Impairment::new`](super::Impairment::new), in whose description the order is that in which they apply.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImpairmentOptions {
    /// Which datagrams this is for, by their payload; all others leave at once, as they came. All by default.
    pub matching: Option<Matching>,
    /// Whose datagrams this is for: those from any of these networks; of everybody where there is none.
    pub from: Vec<Network>,
    /// Which datagrams are lost because somebody chose them.
    pub drop: Chosen,
    /// Which datagrams are lost by chance.
    pub loss: Loss,
    /// When all are lost.
    pub blackout: Option<Blackout>,
    /// The longest datagram that the network takes, in bytes, with its headers: what MTU means. Longer ones are lost. At least 28.
    ///
    /// An IP header without options and a UDP header are 28 bytes in IPv4, and so where the source is not known; 48 in IPv6.
    pub mtu: Option<usize>,
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
            matching: None,
            from: Vec::new(),
            drop: Chosen::None,
            loss: Loss::None,
            blackout: None,
            mtu: None,
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
    into matching: Option<Matching>,
    into from: Vec<Network>,
    drop: Chosen,
    into loss: Loss,
    into blackout: Option<Blackout>,
    into mtu: Option<usize>,
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
        let Self { drop, loss, blackout, mtu, duplicate, corrupt, rate, delay, jitter, reorder, .. } = self;
        (*drop == Chosen::None && *loss == Loss::None)
            && (*duplicate, *corrupt, *delay, *jitter) == (0.0, 0.0, Duration::ZERO, Jitter::None)
            && (blackout.is_none() && mtu.is_none() && rate.is_none() && reorder.is_none())
    }

    /// Refuses what cannot be, as [`Impairment::new`](super::Impairment::new) does.
    ///
    /// # Errors
    ///
    /// The first number that is out of its bounds, which the error names.
    pub fn check(&self) -> Result<()> {
        self.drop.check()?;
        self.loss.check()?;
        probability("the probability of duplicates", self.duplicate)?;
        probability("the probability of corruption", self.corrupt)?;
        time("the delay", self.delay)?;
        time("the jitter", self.jitter.spread())?;
        self.blackout.map_or(Ok(()), Blackout::check)?;
        if let Some(mtu) = self.mtu {
            let why = format!("a datagram has at least {SHORTEST_DATAGRAM} bytes");
            ensure(mtu >= SHORTEST_DATAGRAM, "the MTU", mtu, why)?;
        }
        self.rate.as_ref().map_or(Ok(()), Rate::check)?;
        if let Some(Reorder { probability: chance, followers, at_most }) = self.reorder {
            probability("the probability of reordering", chance)?;
            ensure(followers > 0, "the followers of a reordered datagram", 0, "at least one overtakes it")?;
            time("the longest wait of a reordered datagram", at_most)?;
        }
        Ok(())
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
        let why = format!("the interval is longer than a blackout, {:?}", self.lasting);
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
