//! What became of a datagram.

use std::time::Instant;

/// What became of a datagram: it leaves, and perhaps a copy of it too, or it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fates {
    /// Which datagram of this direction it is, from 1.
    pub number: u64,
    /// Whether the impairments are not for it, so that it leaves at once, as it came
    /// ([`matching`](super::ImpairmentOptions::matching), [`from`](field@super::ImpairmentOptions::from)).
    pub is_exempt: bool,
    /// Whether the network was bad when it came; `None` where its loss has no states
    /// ([`GilbertElliott`](super::GilbertElliott)).
    pub is_bad: Option<bool>,
    /// What became of the datagram.
    pub original: Fate,
    /// What became of its copy, where it has one.
    pub copy: Option<Fate>,
}

/// What became of a datagram, or of a copy.
///
/// Exhaustive: it leaves, or it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves.
    Leaves(Departure),
    /// It is lost.
    Lost(LostBy),
}

/// When a datagram leaves, and what is different then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Departure {
    /// When it leaves; not before, where others overtake it.
    pub at: Instant,
    /// The bit of the payload that is inverted, counted from the least significant of the first byte.
    pub flipped_bit: Option<usize>,
    /// Whether it is marked instead of lost: congestion experienced ([`mark`](Self::mark)).
    pub ce_marked: bool,
    /// By how many it is overtaken, where it is.
    pub overtaken: Option<Overtaken>,
    /// As in its [`Fates`]: whether the impairments are not for it.
    pub is_exempt: bool,
    /// As in its [`Fates`]: whether the network was bad when it came.
    pub is_bad: Option<bool>,
}

/// How a datagram is overtaken: it leaves right behind so many that followed it, or at the latest when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overtaken {
    /// By how many; at least one. Lost ones, overtaken ones, copies, and those that the impairments are not for do not
    /// count.
    pub followers: u32,
    /// When it leaves at the latest.
    pub at_latest: Instant,
}

/// What a datagram was lost by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostBy {
    /// Choice ([`Chosen`](super::Chosen)).
    Chosen,
    /// Chance ([`Loss`](super::Loss)): what the seed says of its number.
    Chance,
    /// It came while the link was dark ([`Blackout`](super::Blackout)).
    Blackout,
    /// It was longer than the network takes ([`mtu`](field@super::ImpairmentOptions::mtu)).
    Mtu,
    /// It found no room in the queue of a link that was busy ([`Rate`](super::Rate)).
    Queue,
    /// It waited too long, as those before it did ([`CoDel`](super::CoDel)).
    CoDel,
    /// The [`Link`](super::Link) held as many as it may.
    Room,
}

impl Fates {
    pub(super) fn of(number: u64, original: Fate) -> Self {
        let departure = original.departure();
        let (is_exempt, is_bad) = departure.map_or((false, None), |it| (it.is_exempt, it.is_bad));
        Self { number, is_exempt, is_bad, original, copy: None }
    }

    /// What became of the datagram and of its copy, if it has one.
    pub fn iter(&self) -> impl Iterator<Item = Fate> + use<> {
        std::iter::once(self.original).chain(self.copy)
    }
}

impl Fate {
    /// How it leaves, if it is not lost.
    #[must_use]
    pub fn departure(self) -> Option<Departure> {
        match self {
            Self::Leaves(departure) => Some(departure),
            Self::Lost(_) => None,
        }
    }
}

impl Departure {
    /// Leaves at this moment, as it came.
    #[must_use]
    pub(super) fn at(at: Instant) -> Self {
        Self { at, flipped_bit: None, ce_marked: false, overtaken: None, is_exempt: false, is_bad: None }
    }

    /// The type of service or traffic class with which it leaves, instead of this one: with its mark (RFC 3168), where it is
    /// marked and this one allows for that.
    #[must_use]
    pub fn mark(&self, traffic_class: u8) -> u8 {
        let can_be_marked = traffic_class & 0b11 != 0;
        traffic_class | if self.ce_marked && can_be_marked { 0b11 } else { 0 }
    }

    /// Inverts the bit that is to be inverted.
    pub fn corrupt(&self, payload: &mut [u8]) {
        if let Some(bit) = self.flipped_bit
            && let Some(byte) = payload.get_mut(bit / 8)
        {
            *byte ^= 1 << (bit % 8);
        }
    }
}

impl LostBy {
    /// All of them, in the order in which they decide.
    pub const ALL: &'static [Self] =
        &[Self::Chosen, Self::Chance, Self::Blackout, Self::Mtu, Self::Queue, Self::CoDel, Self::Room];

    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Chance => "chance",
            Self::Blackout => "blackout",
            Self::Mtu => "mtu",
            Self::Queue => "queue",
            Self::CoDel => "codel",
            Self::Room => "room",
        }
    }
}
