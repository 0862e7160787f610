//! What became of a datagram.

use std::time::Instant;

/// What became of a datagram: it leaves, and perhaps a copy of it too, or it is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fates {
    /// Which datagram of this direction it is, from 1.
    pub number: u64,
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
    /// By how many it is overtaken, where it is.
    pub overtaken: Option<Overtaken>,
}

/// How a datagram is overtaken: it leaves right behind so many that followed it, or at the latest when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overtaken {
    /// By how many; at least one. Lost ones, overtaken ones and copies do not count.
    pub followers: u32,
    /// When it leaves at the latest.
    pub at_latest: Instant,
}

/// What a datagram was lost by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LostBy {
    /// Chance ([`Loss`](super::Loss)): what the seed says of its number.
    Chance,
    /// It came while the link was dark ([`Blackout`](super::Blackout)).
    Blackout,
    /// It found no room in the queue of a link that was busy ([`Rate`](super::Rate)).
    Queue,
    /// The [`Link`](super::Link) held as many as it may.
    Room,
}

impl Fates {
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
        Self { at, flipped_bit: None, overtaken: None }
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
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Chance, Self::Blackout, Self::Queue, Self::Room];
}
