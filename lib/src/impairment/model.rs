//! What becomes of each datagram, stage by stage.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::arrival::Arrival;
use super::bottleneck::{Backlog, Bottleneck, Carried, Comer};
use super::fate::{Departure, Fate, Fates, LostBy, Overtaken};
use super::loss::Loss;
use super::options::{ImpairmentOptions, Jitter, LONGEST_TAIL};
use super::random::{Random, Stage};
use crate::error::Result;

/// Decides what becomes of each datagram that crosses a link in one direction.
///
/// In this order:
///
/// 1. **matching** and **from**: what they do not choose leaves at once, as it came, and has its number alone of this;
/// 2. **drop**: it is lost, since somebody chose it;
/// 3. **loss**: it is lost, alone or in a burst;
/// 4. **blackout**: it is lost, since the link is dark when it comes;
/// 5. **mtu**: it is lost, since it is too long;
/// 6. **duplicate**: a copy is made, which has its own fate from here on, and is overtaken where the datagram is;
/// 7. **corrupt**: one bit of the payload is inverted;
/// 8. **rate**: it is sent when those before it have been, or is lost, or marked, where the queue is full or stays too long;
/// 9. **delay** and **jitter**: it takes this long from then on; where the order is kept, it does not leave before
///    those that came before it;
/// 10. **reorder**: it leaves behind some that came after it.
///
/// Whether the nth datagram is lost by chance, copied, corrupted or overtaken, and by how much its delay differs, depends on
/// the seed and on n alone: not on times, not on lengths, and not on what else the options say. The same seed gives the same
/// fates in every version; a delay with jitter, but for a nanosecond by which systems compute it differently. Blackouts and queues
/// depend on time, as they do in networks; bursts, patterns and chosen datagrams on how many the impairments were for.
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
    /// Datagrams that the options were for, since they choose these and drop those.
    selected: u64,
    /// Datagrams that the pattern of losses was for.
    patterned: u64,
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

/// How the network is for a datagram.
#[derive(Clone, Copy)]
struct Weather {
    /// Whether it is lost by chance.
    is_lost: bool,
    /// Whether the network is bad, where it has states.
    is_bad: Option<bool>,
    /// How much longer the datagram takes because of that.
    more_delay: Duration,
}

impl Piece {
    /// Its first draw in a stage where each has its own.
    fn first_draw(self) -> u64 {
        match self {
            Self::Original => 0,
            Self::Copy => 2,
        }
    }
}

impl Impairment {
    /// Begins at this moment with datagram 1.
    ///
    /// # Errors
    ///
    /// Options that cannot be: probabilities not from 0 to 1, times over a year, a rate of zero, blackouts without an
    /// end, an MTU that takes nothing, chosen datagrams from 0 on or too many.
    pub fn new(options: ImpairmentOptions, seed: u64, start: Instant) -> Result<Self> {
        options.check()?;
        Ok(Self {
            is_nothing: options.is_nothing(),
            options,
            random: Random::new(seed),
            start,
            number: 0,
            selected: 0,
            patterned: 0,
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
        let before = &self.options;
        if !matches!(options.loss, Loss::Bursts(_)) {
            self.is_bad = None;
        }
        if options.loss != before.loss {
            self.patterned = 0;
        }
        if (&options.matching, &options.from, &options.drop) != (&before.matching, &before.from, &before.drop) {
            self.selected = 0;
        }
        self.bottleneck.change(before.rate.as_ref(), options.rate.as_ref());
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
            return Fates::of(self.number, Fate::Leaves(Departure::at(at)));
        }
        self.decide(now, arrival.into())
    }

    /// Lets the next datagram wait for none before it: all have left, or were lost after it was decided when they leave.
    #[inline]
    pub(super) fn forget_order(&mut self) {
        self.latest = self.start;
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

    /// The same for the copy of that datagram: it has numbers of its own for corruption and jitter, and shares the others.
    #[must_use]
    pub fn drawn_for_copy(&self, stage: Stage, number: u64) -> f64 {
        let which = if matches!(stage, Stage::Corrupt | Stage::Jitter) { Piece::Copy.first_draw() } else { 0 };
        self.random.unit(stage, number, which)
    }

    /// What waits for a link with a [`Rate`](super::Rate) at a moment that is not before the last datagram came.
    #[must_use]
    pub fn backlog(&self, now: Instant) -> Backlog {
        self.bottleneck.backlog(now.saturating_duration_since(self.start))
    }

    /// What a link with a [`Rate`](super::Rate) has sent, with what it is to send of that which waits.
    #[must_use]
    pub fn carried(&self) -> Carried {
        self.bottleneck.carried()
    }

    fn decide(&mut self, now: Instant, arrival: Arrival<'_>) -> Fates {
        let number = self.number;
        if !self.is_for(&arrival) {
            return Fates::of(number, Fate::Leaves(Departure { is_exempt: true, ..Departure::at(now) }));
        }
        self.selected += 1;
        // Bursts and patterns go on whatever else becomes of a datagram.
        let weather = self.weather(number);
        let elapsed = now.saturating_duration_since(self.start);
        let lost_by = if self.options.drop.has(self.selected) {
            Some(LostBy::Chosen)
        } else if weather.is_lost {
            Some(LostBy::Chance)
        } else if self.options.blackout.is_some_and(|blackout| blackout.is_dark(elapsed)) {
            Some(LostBy::Blackout)
        } else if self.options.mtu.is_some_and(|mtu| arrival.datagram_len() > mtu) {
            Some(LostBy::Mtu)
        } else {
            None
        };
        if let Some(by) = lost_by {
            return Fates { is_bad: weather.is_bad, ..Fates::of(number, Fate::Lost(by)) };
        }
        let original = self.cross(Piece::Original, now, &arrival, weather);
        let is_copied = self.random.happens(self.options.duplicate, Stage::Duplicate, number, 0);
        let copy = is_copied.then(|| self.cross(Piece::Copy, now, &arrival, weather));
        Fates { is_bad: weather.is_bad, copy, ..Fates::of(number, original) }
    }

    /// Whether the options are for this datagram.
    fn is_for(&self, arrival: &Arrival<'_>) -> bool {
        let ImpairmentOptions { matching, from, .. } = &self.options;
        let contain = |source: IpAddr| from.iter().any(|network| network.contains(source.to_canonical()));
        (from.is_empty() || arrival.source.is_some_and(contain))
            && matching.as_ref().is_none_or(|it| arrival.payload.is_some_and(|payload| it.matches(payload)))
    }

    /// How the network is for this datagram.
    fn weather(&mut self, number: u64) -> Weather {
        let random = self.random;
        let of_all = |is_lost| Weather { is_lost, is_bad: None, more_delay: Duration::ZERO };
        match self.options.loss {
            Loss::None => of_all(false),
            Loss::Independent(loss) => of_all(random.happens(loss, Stage::Loss, number, 0)),
            Loss::Bursts(chain) => {
                let begins_bad = || random.happens(chain.share_bad(), Stage::State, number, 1);
                let is_bad = self.is_bad.unwrap_or_else(begins_bad);
                let change = if is_bad { chain.to_good } else { chain.to_bad };
                self.is_bad = Some(is_bad != random.happens(change, Stage::State, number, 0));
                let loss = if is_bad { chain.loss_in_bad } else { chain.loss_in_good };
                let more_delay = if is_bad { chain.delay_in_bad } else { Duration::ZERO };
                Weather { is_lost: random.happens(loss, Stage::Loss, number, 0), is_bad: Some(is_bad), more_delay }
            }
            Loss::Pattern(ref pattern) => {
                self.patterned += 1;
                of_all(pattern.is_lost(self.patterned - 1))
            }
        }
    }

    /// Sends a datagram or its copy over the link.
    fn cross(&mut self, piece: Piece, now: Instant, arrival: &Arrival<'_>, weather: Weather) -> Fate {
        let (random, number) = (self.random, self.number);
        let payload_len = arrival.payload_len.min(LONGEST_PAYLOAD);
        let first = piece.first_draw();
        let is_corrupted = payload_len > 0 && random.happens(self.options.corrupt, Stage::Corrupt, number, first);
        let flipped_bit = is_corrupted.then(|| {
            let bit = random.below(payload_len as u64 * 8, Stage::Corrupt, number, first + 1);
            usize::try_from(bit).expect("it is a bit of the payload")
        });
        let (sent, ce_marked) = match &self.options.rate {
            None => (now, false),
            Some(rate) => {
                let elapsed = now.saturating_duration_since(self.start);
                let comer = Comer { now: elapsed, payload_len, is_ecn_capable: arrival.is_ecn_capable() };
                match self.bottleneck.send(rate, comer) {
                    Ok(sent) => (self.start + sent.at, sent.ce_marked),
                    Err(by) => return Fate::Lost(by),
                }
            }
        };
        let mut at = sent + self.delay(first) + weather.more_delay;
        if self.options.keep_order {
            at = at.max(self.latest);
            self.latest = at;
        }
        let reorder = self.options.reorder.filter(|it| random.happens(it.probability, Stage::Reorder, number, 0));
        let overtaken = reorder.map(|it| Overtaken { followers: it.followers, at_latest: at + it.at_most });
        let is_bad = weather.is_bad;
        Fate::Leaves(Departure { flipped_bit, ce_marked, overtaken, is_bad, ..Departure::at(at) })
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
