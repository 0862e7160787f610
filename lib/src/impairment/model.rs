//! What becomes of each datagram, stage by stage.

use std::time::{Duration, Instant};

use super::arrival::Arrival;
use super::fate::{Departure, Fate, Fates, LostBy, Overtaken};
use super::options::{ImpairmentOptions, Jitter, LONGEST_TAIL, Loss};
use super::random::{Random, Stage};
use super::rate::Bottleneck;
use crate::error::Result;

/// Decides what becomes of each datagram that crosses a link in one direction.
///
/// In this order:
///
/// 1. **loss**: it is lost, alone or in a burst;
/// 2. **blackout**: it is lost, since the link is dark when it comes;
/// 3. **duplicate**: a copy is made, which has its own fate from here on, and is overtaken where the datagram is;
/// 4. **corrupt**: one bit of the payload is inverted;
/// 5. **rate**: it is sent when those before it have been, or is lost where the queue is full;
/// 6. **delay** and **jitter**: it takes this long from then on; where the order is kept, it does not leave before
///    those that came before it;
/// 7. **reorder**: it leaves behind some that came after it.
///
/// Whether the nth datagram is lost by chance, copied, corrupted or overtaken, and by how much its delay differs, depends on
/// the seed and on n alone: not on times, not on lengths, and not on what else the options say. The same seed gives the same
/// fates in every version; a delay with jitter, but for a nanosecond by which systems compute it differently. Blackouts and queues depend on time, as they do in networks.
///
/// It holds no datagrams: see [`Link`](super::Link) for that. Where nothing is set, a datagram costs one branch.
#[derive(Clone, Debug)]
pub struct Impairment {
    options: ImpairmentOptions,
    random: Random,
    start: Instant,
    /// Datagrams that came.
    number: u64,
    /// Whether the options ask for nothing.
    is_nothing: bool,
    /// Whether the network is bad for the next datagram; `None`: not known yet.
    is_bad: Option<bool>,
    bottleneck: Bottleneck,
    /// No datagram whose order is kept leaves before this.
    latest: Instant,
}

/// No datagram has more payload: times and places of bits that are computed of it stay in bounds.
const LONGEST_PAYLOAD: usize = 65_535;

/// Which of the two: each has draws of its own.
#[derive(Clone, Copy)]
enum Piece {
    Original,
    Copy,
}

impl Impairment {
    /// Begins at this moment with datagram 1.
    ///
    /// # Errors
    ///
    /// Options that cannot be: probabilities not from 0 to 1, times over a year, a rate of zero, blackouts without an end.
    pub fn new(options: ImpairmentOptions, seed: u64, start: Instant) -> Result<Self> {
        options.check()?;
        Ok(Self {
            is_nothing: options.is_nothing(),
            options,
            random: Random::new(seed),
            start,
            number: 0,
            is_bad: None,
            bottleneck: Bottleneck::default(),
            latest: start,
        })
    }

    /// What it does.
    #[must_use]
    pub fn options(&self) -> &ImpairmentOptions {
        &self.options
    }

    /// Does something else from the next datagram on. Numbers go on, and so do the draws of each stage.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); then nothing changes.
    pub fn change(&mut self, options: ImpairmentOptions) -> Result<()> {
        options.check()?;
        self.is_nothing = options.is_nothing();
        if !matches!(options.loss, Loss::Bursts(_)) {
            self.is_bad = None;
        }
        self.options = options;
        Ok(())
    }

    /// Takes a datagram that comes now, and decides what becomes of it. More than 65,535 bytes of payload, which none has, count
    /// as 65,535.
    #[must_use = "it is decided once"]
    #[inline]
    pub fn datagram<'a>(&mut self, now: Instant, arrival: impl Into<Arrival<'a>>) -> Fates {
        self.number += 1;
        if self.is_nothing {
            let at = if self.options.keep_order { now.max(self.latest) } else { now };
            return Fates { number: self.number, original: Fate::Leaves(Departure::at(at)), copy: None };
        }
        let arrival = arrival.into();
        self.decide(now, arrival.payload_len.min(LONGEST_PAYLOAD))
    }

    /// Whether the options ask for nothing.
    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.is_nothing
    }

    /// Counts datagrams to which nothing is done.
    #[inline]
    pub(super) fn pass(&mut self, datagrams: usize) {
        self.number += datagrams as u64;
    }

    /// The number from 0 to 1 that decides a stage for the datagram of this number. It happens where this is below the
    /// stage's probability; jitter and the bit that is inverted are made of it and of others.
    #[must_use]
    pub fn drawn(&self, stage: Stage, number: u64) -> f64 {
        self.random.unit(stage, number, 0)
    }

    fn decide(&mut self, now: Instant, payload_len: usize) -> Fates {
        let number = self.number;
        let (is_lost, more_delay) = self.loss(number);
        let lost = |by| Fates { number, original: Fate::Lost(by), copy: None };
        if is_lost {
            return lost(LostBy::Chance);
        }
        let elapsed = now.saturating_duration_since(self.start);
        if self.options.blackout.is_some_and(|blackout| blackout.is_dark(elapsed)) {
            return lost(LostBy::Blackout);
        }
        let original = self.cross(Piece::Original, now, payload_len, more_delay);
        let is_copied = self.random.happens(self.options.duplicate, Stage::Duplicate, number, 0);
        let copy = is_copied.then(|| self.cross(Piece::Copy, now, payload_len, more_delay));
        Fates { number, original, copy }
    }

    /// Whether this datagram is lost by chance, and how much longer it takes because of the state of the network.
    fn loss(&mut self, number: u64) -> (bool, Duration) {
        let random = self.random;
        match self.options.loss {
            Loss::None => (false, Duration::ZERO),
            Loss::Independent(loss) => (random.happens(loss, Stage::Loss, number, 0), Duration::ZERO),
            Loss::Bursts(chain) => {
                let begins_bad = || random.happens(chain.share_bad(), Stage::State, number, 1);
                let is_bad = self.is_bad.unwrap_or_else(begins_bad);
                let change = if is_bad { chain.to_good } else { chain.to_bad };
                self.is_bad = Some(is_bad != random.happens(change, Stage::State, number, 0));
                let loss = if is_bad { chain.loss_in_bad } else { chain.loss_in_good };
                let delay = if is_bad { chain.delay_in_bad } else { Duration::ZERO };
                (random.happens(loss, Stage::Loss, number, 0), delay)
            }
        }
    }

    /// Sends a datagram or its copy over the link.
    fn cross(&mut self, piece: Piece, now: Instant, payload_len: usize, more_delay: Duration) -> Fate {
        let (random, number) = (self.random, self.number);
        let first = match piece {
            Piece::Original => 0,
            Piece::Copy => 2,
        };
        let is_corrupted = payload_len > 0 && random.happens(self.options.corrupt, Stage::Corrupt, number, first);
        let flipped_bit = is_corrupted.then(|| {
            let bit = random.below(payload_len as u64 * 8, Stage::Corrupt, number, first + 1);
            usize::try_from(bit).expect("it is a bit of the payload")
        });
        let sent = match self.options.rate {
            None => now,
            Some(rate) => {
                let elapsed = now.saturating_duration_since(self.start);
                match self.bottleneck.send(rate, elapsed, payload_len) {
                    Some(sent) => self.start + sent,
                    None => return Fate::Lost(LostBy::Queue),
                }
            }
        };
        let mut at = sent + self.delay(first) + more_delay;
        if self.options.keep_order {
            at = at.max(self.latest);
            self.latest = at;
        }
        let reorder = self.options.reorder.filter(|it| random.happens(it.probability, Stage::Reorder, number, 0));
        let overtaken = reorder.map(|it| Overtaken { followers: it.followers, at_latest: at + it.at_most });
        Fate::Leaves(Departure { at, flipped_bit, overtaken })
    }

    /// The delay with its jitter.
    fn delay(&self, first: u64) -> Duration {
        let ImpairmentOptions { delay, jitter, .. } = self.options;
        let unit = |which| self.random.unit(Stage::Jitter, self.number, first + which);
        let share = match jitter {
            Jitter::None => return delay,
            Jitter::Uniform(_) => 2.0 * unit(0) - 1.0,
            // Box and Muller, 1958.
            Jitter::Normal(_) => (-2.0 * (1.0 - unit(0)).ln()).sqrt() * (std::f64::consts::TAU * unit(1)).cos(),
            Jitter::Exponential(_) => -(1.0 - unit(0)).ln(),
            // The standard deviation of a Lomax distribution of shape 3 is its scale times the root of 3/4.
            Jitter::Pareto(_) => ((1.0 - unit(0)).powf(-1.0 / 3.0) - 1.0) / 0.75f64.sqrt(),
        };
        let by = jitter.spread().mul_f64(share.abs().min(LONGEST_TAIL.into()));
        if share < 0.0 { delay.saturating_sub(by) } else { delay + by }
    }
}
