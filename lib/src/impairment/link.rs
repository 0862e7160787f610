//! A direction of a link: an impairment, and the datagrams that are under way.

use std::collections::BTreeMap;
use std::time::Instant;

use super::arrival::Arrival;
use super::bottleneck::Carried;
use super::fate::{Departure, Fate, Fates, LostBy};
use super::model::Impairment;
use super::options::ImpairmentOptions;
use crate::error::Result;
use crate::report::add;

/// A direction of a link, which holds datagrams from when they come until they leave.
///
/// It holds at most [`held_datagrams`](ImpairmentOptions::held_datagrams) with
/// [`held_bytes`](ImpairmentOptions::held_bytes) of payload; what comes beyond that is lost, and counted
/// ([`LostBy::Room`]). What `T` is, the link does not care; a datagram with what is known of it, most often.
#[derive(Clone, Debug)]
pub struct Link<T> {
    impairment: Impairment,
    /// By when they leave; among those that leave together, in the order that they were put in.
    under_way: BTreeMap<Turn, Held<T>>,
    /// Those that are still to be overtaken, by how many will have left before them ([`Link::followed`]).
    overtaken: BTreeMap<(u64, u64), Turn>,
    /// Datagrams that were not lost, nor overtaken.
    followed: u64,
    /// What has been put into `under_way` and `overtaken`, ever: no two have the same number.
    order: u64,
    /// Bytes of payload under way.
    bytes: usize,
    is_paused: bool,
    /// How many may leave although it is paused.
    steps: usize,
    counts: LinkCounts,
}

/// When it leaves, and its place among those that leave then.
type Turn = (Instant, u64);

#[derive(Clone, Debug)]
struct Held<T> {
    number: u64,
    is_copy: bool,
    departure: Departure,
    payload_len: usize,
    /// Its place in `overtaken`.
    overtaken: Option<(u64, u64)>,
    datagram: T,
}

/// A datagram that leaves a [`Link`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left<T> {
    /// Which datagram of this direction it is, from 1.
    pub number: u64,
    /// Whether it is the copy.
    pub is_copy: bool,
    /// When it was to leave, and how it was decided.
    pub at: Instant,
    /// What was decided of it when it came; [`Departure::corrupt`] is still to be done.
    pub departure: Departure,
    /// What was put in.
    pub datagram: T,
}

/// What a [`Link`] has done. `entered + duplicated` is what left, was lost and is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCounts {
    /// Datagrams that came.
    pub entered: u64,
    /// Of those: datagrams that the impairments were not for.
    pub exempt: u64,
    /// Copies that were made.
    pub duplicated: u64,
    /// Datagrams that left, copies too.
    pub left: u64,
    /// Datagrams that are under way, copies too.
    pub under_way: u64,
    /// Of those that left or are under way: with a bit inverted.
    pub corrupted: u64,
    /// Of those that left or are under way: marked instead of lost.
    pub marked: u64,
    /// Of those that left or are under way: overtaken by others.
    pub overtaken: u64,
    /// What a link with a [`Rate`](super::Rate) has sent, with what it is to send of that which waits.
    pub carried: Carried,
    /// Datagrams that were lost, copies too, in the order of [`LostBy::ALL`].
    lost: [u64; LostBy::ALL.len()],
}

impl LinkCounts {
    /// Datagrams that were lost by this, copies too.
    #[must_use]
    pub fn lost(&self, by: LostBy) -> u64 {
        self.lost[by as usize]
    }

    /// Adds what another link has done.
    pub fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.entered, other.entered),
            (&mut self.exempt, other.exempt),
            (&mut self.duplicated, other.duplicated),
            (&mut self.left, other.left),
            (&mut self.under_way, other.under_way),
            (&mut self.corrupted, other.corrupted),
            (&mut self.marked, other.marked),
            (&mut self.overtaken, other.overtaken),
        ]);
        self.carried.merge(other.carried);
        for (ours, theirs) in self.lost.iter_mut().zip(other.lost) {
            *ours += theirs;
        }
    }

    /// Datagrams that were lost by anything, copies too.
    #[must_use]
    pub fn lost_in_all(&self) -> u64 {
        self.lost.iter().sum()
    }
}

impl<T> Link<T> {
    /// A link on which nothing is under way yet; blackouts count from `start`.
    ///
    /// # Errors
    ///
    /// Those of [`Impairment::new`].
    pub fn new(options: ImpairmentOptions, seed: u64, start: Instant) -> Result<Self> {
        Ok(Self {
            impairment: Impairment::new(options, seed, start)?,
            under_way: BTreeMap::new(),
            overtaken: BTreeMap::new(),
            followed: 0,
            order: 0,
            bytes: 0,
            is_paused: false,
            steps: 0,
            counts: LinkCounts::default(),
        })
    }

    /// What the link does to datagrams.
    #[must_use]
    pub fn impairment(&self) -> &Impairment {
        &self.impairment
    }

    /// Does something else to datagrams that come from now on; those that are under way leave as it was decided.
    ///
    /// # Errors
    ///
    /// Those of [`Impairment::change`].
    pub fn change(&mut self, options: ImpairmentOptions) -> Result<()> {
        self.impairment.change(options)
    }

    /// What the link has done so far.
    #[must_use]
    pub fn counts(&self) -> LinkCounts {
        LinkCounts { carried: self.impairment.carried(), ..self.counts }
    }

    /// When the next datagram leaves; `None` while it is paused.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let next = self.under_way.first_key_value().map(|((at, _), _)| *at);
        next.filter(|_| !self.is_paused || self.steps > 0)
    }

    /// Lets nothing leave from now on. Datagrams that come are decided on, and held as those are that are under way.
    pub fn pause(&mut self) {
        (self.is_paused, self.steps) = (true, 0);
    }

    /// Ends the pause: what should have left meanwhile leaves at once.
    pub fn resume(&mut self) {
        self.is_paused = false;
    }

    /// When the datagram was to leave that another [`step`](Self::step) would let go.
    pub(crate) fn next_to_step(&self) -> Option<Instant> {
        self.under_way.keys().nth(self.steps).map(|(at, _)| *at)
    }

    /// Lets the next datagram leave at its time although the link is paused; at once, where that is past.
    pub fn step(&mut self) {
        self.steps += usize::from(self.is_paused && self.steps < self.under_way.len());
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether what comes leaves at once, as it came: nothing is set, nothing is under way. Then [`pass`](Self::pass) does.
    #[must_use]
    #[inline]
    pub fn is_clear(&self) -> bool {
        self.impairment.is_nothing() && self.under_way.is_empty() && !self.is_paused
    }

    /// Counts datagrams that came while the link is [clear](Self::is_clear), and left at once.
    #[inline]
    pub fn pass(&mut self, datagrams: usize) {
        self.impairment.pass(datagrams);
        self.followed += datagrams as u64;
        self.counts.entered += datagrams as u64;
        self.counts.left += datagrams as u64;
    }

    /// Takes everything that is under way, in the order in which it would have left, and counts it as left.
    #[must_use = "it has left"]
    pub fn take_under_way(&mut self) -> Vec<Left<T>> {
        let (is_paused, far) =
            (std::mem::take(&mut self.is_paused), self.under_way.last_key_value().map(|((at, _), _)| *at));
        let all = far.into_iter().flat_map(|far| std::iter::from_fn(|| self.pop(far)).collect::<Vec<_>>()).collect();
        self.is_paused = is_paused;
        all
    }

    /// The next datagram that leaves by now.
    #[must_use = "it has left"]
    pub fn pop(&mut self, now: Instant) -> Option<Left<T>> {
        if self.is_paused && self.steps == 0 {
            return None;
        }
        let entry = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        self.steps = self.steps.saturating_sub(1);
        let ((at, _), Held { number, is_copy, departure, payload_len, overtaken, datagram }) = entry.remove_entry();
        if let Some(place) = overtaken {
            self.overtaken.remove(&place);
        }
        self.bytes -= payload_len;
        self.counts.under_way -= 1;
        self.counts.left += 1;
        Some(Left { number, is_copy, at, departure, datagram })
    }
}

impl<T: Clone> Link<T> {
    /// Takes a datagram that comes now, and says what becomes of it. One that is overtaken can leave earlier than it says: when
    /// those have come that overtake it.
    pub fn push<'a>(&mut self, now: Instant, arrival: impl Into<Arrival<'a>>, datagram: T) -> Fates {
        let arrival = arrival.into();
        let mut fates = self.decide(now, arrival);
        self.hold(&mut fates, arrival.payload_len, datagram);
        fates
    }

    /// Takes a datagram that comes now, as [`push`](Self::push) does, but holds none that leaves at once: true where it does.
    /// It is made only where it is held.
    #[must_use = "one that passes is not held"]
    pub fn push_or_pass<'a>(
        &mut self,
        now: Instant,
        arrival: impl Into<Arrival<'a>>,
        datagram: impl FnOnce() -> T,
    ) -> (Fates, bool) {
        let arrival = arrival.into();
        let mut fates = self.decide(now, arrival);
        let passes = match fates {
            Fates { original: Fate::Leaves(departure), copy: None, .. } => {
                let is_next = if fates.is_exempt {
                    self.under_way.first_key_value().is_none_or(|((at, _), _)| *at > now)
                } else {
                    self.under_way.is_empty()
                };
                departure.at <= now && departure.overtaken.is_none() && is_next && !self.is_paused
            }
            _ => false,
        };
        match fates.original {
            Fate::Leaves(departure) if passes => {
                self.count_leaving(departure);
                self.counts.left += 1;
                self.followed += u64::from(!fates.is_exempt);
            }
            Fate::Lost(_) if fates.copy.is_none() => self.lose(fates.original),
            _ => self.hold(&mut fates, arrival.payload_len, datagram()),
        }
        (fates, passes)
    }

    fn decide(&mut self, now: Instant, arrival: Arrival<'_>) -> Fates {
        if self.under_way.is_empty() {
            self.impairment.forget_order();
        }
        let fates = self.impairment.datagram(now, arrival);
        self.counts.entered += 1;
        self.counts.exempt += u64::from(fates.is_exempt);
        self.counts.duplicated += u64::from(fates.copy.is_some());
        fates
    }

    /// Holds a datagram and its copy until they leave.
    fn hold(&mut self, fates: &mut Fates, payload_len: usize, datagram: T) {
        let number = fates.number;
        if let Some(copy) = &mut fates.copy {
            let twin = datagram.clone();
            self.hold_one(number, false, &mut fates.original, payload_len, datagram);
            self.hold_one(number, true, copy, payload_len, twin);
        } else {
            self.hold_one(number, false, &mut fates.original, payload_len, datagram);
        }
        let follows = fates.iter().filter_map(Fate::departure).find(|departure| departure.overtaken.is_none());
        if let Some(departure) = follows.filter(|_| !fates.is_exempt) {
            self.followed += 1;
            self.overtake(departure.at);
        }
    }

    /// Holds a datagram, or its copy, until it leaves.
    fn hold_one(&mut self, number: u64, is_copy: bool, fate: &mut Fate, payload_len: usize, datagram: T) {
        let &mut Fate::Leaves(departure) = fate else { return self.lose(*fate) };
        let ImpairmentOptions { held_datagrams, held_bytes, .. } = *self.impairment.options();
        if self.under_way.len() >= held_datagrams
            || self.bytes.checked_add(payload_len).is_none_or(|bytes| bytes > held_bytes)
        {
            *fate = Fate::Lost(LostBy::Room);
            return self.lose(*fate);
        }
        self.order += 1;
        let at = departure.overtaken.map_or(departure.at, |overtaken| overtaken.at_latest);
        let turn = (at, self.order);
        let overtaken = departure.overtaken.map(|it| (self.followed + u64::from(it.followers), self.order));
        if let Some(place) = overtaken {
            self.overtaken.insert(place, turn);
        }
        self.bytes += payload_len;
        self.counts.under_way += 1;
        self.count_leaving(departure);
        self.under_way.insert(turn, Held { number, is_copy, departure, payload_len, overtaken, datagram });
    }

    /// Counts what is different about one that leaves.
    fn count_leaving(&mut self, departure: Departure) {
        self.counts.corrupted += u64::from(departure.flipped_bit.is_some());
        self.counts.marked += u64::from(departure.ce_marked);
        self.counts.overtaken += u64::from(departure.overtaken.is_some());
    }

    fn lose(&mut self, fate: Fate) {
        if let Fate::Lost(by) = fate {
            self.counts.lost[by as usize] += 1;
        }
    }

    /// Lets those leave, right behind the datagram that leaves at this moment, by which so many were overtaken now.
    fn overtake(&mut self, at: Instant) {
        while let Some(entry) = self.overtaken.first_entry()
            && entry.key().0 <= self.followed
        {
            let turn = entry.remove();
            let mut held = self.under_way.remove(&turn).expect("who is to be overtaken is under way");
            held.overtaken = None;
            self.order += 1;
            // Where it has no time left, it leaves when it was to.
            let turn = (turn.0.min(at.max(held.departure.at)), self.order);
            self.under_way.insert(turn, held);
        }
    }
}
