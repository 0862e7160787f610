//! The peers that are remembered: a bounded number, the ones that are silent for longest forgotten first.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::datagram::Transmit;
use crate::socket_id::SocketId;

/// Entries of peers that are gone which are kept at most, besides as many as there are peers.
const SPARE: usize = 64;

/// Who a peer is: an address and port, and which of our addresses it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) via: SocketId,
    pub(super) source: SocketAddr,
    pub(super) local: Option<IpAddr>,
}

/// A peer, and what is needed to relay for it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// The socket it came through.
    pub(super) via: SocketId,
    /// How to send to it.
    pub(super) reply: Transmit,
    /// The address that it asked, as far as that is known.
    pub(super) asked: SocketAddr,
    /// Its place among the pairs of links.
    pub(super) link: usize,
    /// When something was relayed for it last.
    heard: Instant,
}

impl Peer {
    pub(super) fn new(via: SocketId, reply: Transmit, asked: SocketAddr, link: usize, now: Instant) -> Self {
        Self { via, reply, asked, link, heard: now }
    }

    fn key(&self) -> Key {
        Key { via: self.via, source: self.reply.destination, local: self.reply.local }
    }
}

/// All peers. Each has a socket to the target of its own, whose [`SocketId`] names it: no other peer ever has the same.
#[derive(Debug, Default)]
pub(super) struct Peers {
    upstream: HashMap<Key, SocketId>,
    /// By the index of their socket.
    rows: Vec<Option<(SocketId, Peer)>>,
    /// Each peer once, by when it was heard when it was put in: not later than it really was.
    by_age: BinaryHeap<Reverse<(Instant, SocketId)>>,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.upstream.len()
    }

    /// The socket of a peer.
    pub(super) fn upstream(&self, key: &Key) -> Option<SocketId> {
        self.upstream.get(key).copied()
    }

    /// The peer whose socket this is.
    pub(super) fn get(&self, upstream: SocketId) -> Option<&Peer> {
        match self.rows.get(upstream.index()) {
            Some(Some((has, peer))) if *has == upstream => Some(peer),
            _ => None,
        }
    }

    /// The peer whose socket this is, for which something is relayed now.
    pub(super) fn hear(&mut self, upstream: SocketId, now: Instant) -> Option<&Peer> {
        match self.rows.get_mut(upstream.index()) {
            Some(Some((has, peer))) if *has == upstream => {
                peer.heard = peer.heard.max(now);
                Some(peer)
            }
            _ => None,
        }
    }

    pub(super) fn insert(&mut self, upstream: SocketId, peer: Peer) {
        if self.rows.len() <= upstream.index() {
            self.rows.resize_with(upstream.index() + 1, || None);
        }
        self.upstream.insert(peer.key(), upstream);
        self.by_age.push(Reverse((peer.heard, upstream)));
        self.rows[upstream.index()] = Some((upstream, peer));
    }

    pub(super) fn remove(&mut self, upstream: SocketId) -> Option<Peer> {
        self.get(upstream)?;
        let (_, peer) = self.rows[upstream.index()].take()?;
        self.upstream.remove(&peer.key());
        if self.by_age.len() > 2 * self.len() + SPARE {
            let rows = self.rows.iter().flatten();
            self.by_age = rows.map(|(upstream, peer)| Reverse((peer.heard, *upstream))).collect();
        }
        Some(peer)
    }

    /// The peer for which nothing was relayed for the longest time, and since when.
    pub(super) fn oldest(&mut self) -> Option<(Instant, SocketId)> {
        loop {
            let Reverse((since, upstream)) = *self.by_age.peek()?;
            match self.get(upstream).map(|peer| peer.heard) {
                Some(heard) if heard == since => return Some((since, upstream)),
                Some(heard) => {
                    self.by_age.pop();
                    self.by_age.push(Reverse((heard, upstream)));
                }
                None => {
                    self.by_age.pop();
                }
            }
        }
    }

    /// When the oldest may be forgotten that nothing is relayed for in this time; that may be too early.
    pub(super) fn next_expiry(&self, idle: Duration) -> Option<Instant> {
        self.by_age.peek().and_then(|Reverse((since, _))| since.checked_add(idle))
    }

    /// All of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.rows.iter_mut().filter_map(|row| row.as_mut().map(|(_, peer)| peer))
    }

    /// The sockets of all peers.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = SocketId> {
        self.rows.iter().filter_map(|row| row.as_ref().map(|(upstream, _)| *upstream))
    }

    /// A peer of this address, if there is one.
    pub(super) fn find(&self, address: SocketAddr) -> Option<SocketId> {
        let row = self.rows.iter().flatten().find(|(_, peer)| peer.reply.destination == address);
        row.map(|(upstream, _)| *upstream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_that_are_gone_before_their_time_leave_nothing_behind() {
        let now = crate::clock::now();
        let mut peers = Peers::default();
        for number in 0..10_000u16 {
            let upstream = SocketId::first(usize::from(number % 7));
            let source = SocketAddr::from(([192, 0, 2, 1], number + 1));
            peers.insert(upstream, Peer::new(SocketId::first(9), Transmit::to(source), source, 0, now));
            if number % 7 == 6 {
                (0..7).for_each(|place| assert!(peers.remove(SocketId::first(place)).is_some()));
            }
            assert!(peers.by_age.len() <= 2 * peers.len() + SPARE + 1);
        }
    }
}
