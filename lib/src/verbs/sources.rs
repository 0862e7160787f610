//! Which socket each source of a capture sends by.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

/// Which socket each source of a capture sends by: one for each, in order of appearance, while there are any left.
///
/// A program that reads a capture twice fills one first, opens a socket for each source, perhaps at its port, and hands it
/// to [`Replay::new`](super::Replay::new); one that cannot opens some sockets and begins with an empty one.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Sources that have a socket, and its place.
    places: HashMap<SocketAddr, usize>,
    /// The sockets of any source, or those of IPv4 and then those of IPv6.
    pools: Vec<Pool>,
    hash: RandomState,
}

/// Sockets that stand side by side.
#[derive(Clone, Debug)]
struct Pool {
    first: usize,
    sockets: usize,
    /// The sources that have one, in order. Never more than `sockets`.
    owners: Vec<SocketAddr>,
}

impl Pool {
    fn new(first: usize, sockets: usize) -> Self {
        Self { first, sockets, owners: Vec::new() }
    }
}

impl Sources {
    /// For so many sockets; at least one. Any source may have any.
    #[must_use]
    pub fn new(sockets: usize) -> Self {
        Self::of(vec![Pool::new(0, sockets.max(1))])
    }

    /// For so many sockets of IPv4, and behind them so many of IPv6. A source has one of its family; those of a family that has none
    /// are not to be asked for.
    #[must_use]
    pub fn by_family(v4: usize, v6: usize) -> Self {
        Self::of(vec![Pool::new(0, v4), Pool::new(v4, v6)])
    }

    fn of(pools: Vec<Pool>) -> Self {
        Self { places: HashMap::new(), pools, hash: RandomState::new() }
    }

    /// The place of the socket that this source sends by. Where all have their source, it shares that of another, always
    /// the same one.
    pub fn via(&mut self, source: SocketAddr) -> usize {
        self.place(source).0
    }

    /// The sources that have a socket of their own, in the order of the sockets.
    pub fn owners(&self) -> impl Iterator<Item = SocketAddr> {
        self.pools.iter().flat_map(|pool| pool.owners.iter().copied())
    }

    /// Whether every source so far has a socket of its own.
    #[must_use]
    pub fn has_room(&self, source: SocketAddr) -> bool {
        self.places.contains_key(&source) || {
            let pool = &self.pools[self.pool(source)];
            pool.owners.len() < pool.sockets
        }
    }

    fn pool(&self, source: SocketAddr) -> usize {
        if self.pools.len() > 1 { usize::from(source.is_ipv6()) } else { 0 }
    }

    /// The place of a source's socket, and whether it is shared.
    #[expect(clippy::cast_possible_truncation, reason = "any place is as good")]
    pub(super) fn place(&mut self, source: SocketAddr) -> (usize, bool) {
        if let Some(place) = self.places.get(&source) {
            return (*place, false);
        }
        let pool = self.pool(source);
        let pool = &mut self.pools[pool];
        let place = pool.first + pool.owners.len();
        if pool.owners.len() >= pool.sockets {
            return (pool.first + self.hash.hash_one(source) as usize % pool.sockets.max(1), true);
        }
        self.places.insert(source, place);
        pool.owners.push(source);
        (place, false)
    }
}
