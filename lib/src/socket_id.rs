//! Names for the sockets of a run, which may come and go.

use std::fmt;

/// A socket of a run ([`drive`](crate::drive())). No other socket of the run ever has the same one, so what is still said of a socket that was
/// closed is never taken for another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId {
    slot: u32,
    /// How many sockets had the slot before.
    generation: u32,
}

impl SocketId {
    /// The socket at this place, from 0, among those that a run begins with.
    ///
    /// # Panics
    ///
    /// From four billion on.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "looked at before")]
    pub const fn first(place: usize) -> Self {
        assert!(place < u32::MAX as usize, "no system has four billion sockets");
        Self { slot: place as u32, generation: 0 }
    }

    /// Its place in a table with a row for each open socket: small, and used again once the socket is closed. That of a
    /// socket that the run began with is its place among them.
    #[must_use]
    pub fn index(self) -> usize {
        self.slot as usize
    }

    /// The socket that has the same place after it.
    pub(crate) fn successor(self) -> Self {
        Self { generation: self.generation.wrapping_add(1), ..self }
    }

    /// As a number, for the system to hand back.
    pub(crate) fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    /// The socket of this number.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
    pub(crate) fn from_token(token: u64) -> Self {
        Self { slot: token as u32, generation: (token >> 32) as u32 }
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.generation {
            0 => write!(f, "socket {}", self.slot),
            generation => write!(f, "socket {}.{generation}", self.slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_another_at_the_same_place() {
        let first = SocketId::first(7);
        let second = first.successor();
        assert_ne!(first, second);
        assert_eq!((first.index(), second.index()), (7, 7));
        assert_eq!(SocketId::from_token(second.token()), second);
        assert_eq!(format!("{first:?}, {second:?}"), "socket 7, socket 7.1");
    }
}
