//! The two directions of a relay.

use std::fmt;

/// Which way a datagram goes through a relay.
///
/// Exhaustive: there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From a peer to the target.
    Up,
    /// From the target to a peer.
    Down,
}

impl Direction {
    /// Both.
    pub const ALL: &'static [Self] = &[Self::Up, Self::Down];

    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
