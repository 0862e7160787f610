//! The links of a relay: a pair that all peers share, and pairs that networks have for themselves.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::options::{PeerImpairments, RelayOptions};
use crate::datagram::Transmit;
use crate::direction::Direction;
use crate::error::{Attempt, Error, Object, Result};
use crate::impairment::{ImpairmentOptions, Link, LinkCounts, seed_with};
use crate::network::Network;
use crate::socket_id::SocketId;

/// How a datagram passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) direction: Direction,
    /// The place of the pair of links that it takes.
    pub(super) place: usize,
    /// The socket to the target of its peer.
    pub(super) upstream: SocketId,
    /// The address of its peer.
    pub(super) peer: SocketAddr,
    /// The socket that it leaves by.
    pub(super) via: SocketId,
    pub(super) transmit: Transmit,
    pub(super) entered: Instant,
}

/// A datagram that is under way.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) passage: Passage,
    pub(super) payload: Arc<[u8]>,
}

/// A link in each direction.
#[derive(Debug)]
pub(super) struct Pair {
    /// Whose; `None`: of all that have none of their own.
    pub(super) network: Option<Network>,
    links: [Link<Held>; 2],
}

impl Pair {
    pub(super) fn link(&self, direction: Direction) -> &Link<Held> {
        &self.links[direction as usize]
    }

    pub(super) fn link_mut(&mut self, direction: Direction) -> &mut Link<Held> {
        &mut self.links[direction as usize]
    }
}

/// All of them, that of all peers first.
#[derive(Debug)]
pub(super) struct Links {
    pairs: Vec<Pair>,
    seed: u64,
    start: Instant,
    paused: [bool; 2],
    /// What links did that are gone.
    gone: [LinkCounts; 2],
}

impl Links {
    /// As the options have them at the start.
    pub(super) fn new(options: &RelayOptions, start: Instant) -> Result<Self> {
        let RelayOptions { up, down, peers, seed, .. } = options;
        let mut links = Self { pairs: Vec::new(), seed: *seed, start, paused: [false; 2], gone: Default::default() };
        links.add(None, up.clone(), down.clone())?;
        for PeerImpairments { network, up, down } in peers {
            links.add(Some(*network), up.clone(), down.clone())?;
        }
        Ok(links)
    }

    fn add(&mut self, network: Option<Network>, up: ImpairmentOptions, down: ImpairmentOptions) -> Result<()> {
        if self.pairs.len() > RelayOptions::MOST_NETWORKS {
            let why = format!("{} networks have links of their own already", RelayOptions::MOST_NETWORKS);
            return Err(refused(network, why));
        }
        let link = |direction, options| Link::new(options, seed_of(self.seed, network, direction), self.start);
        let mut links = [link(Direction::Up, up)?, link(Direction::Down, down)?];
        for (link, _) in links.iter_mut().zip(self.paused).filter(|(_, paused)| *paused) {
            link.pause();
        }
        self.pairs.push(Pair { network, links });
        Ok(())
    }

    /// The place of the pair that peers of this address use.
    pub(super) fn of(&self, ip: IpAddr) -> usize {
        let contains = |pair: &Pair| pair.network.is_some_and(|network| network.contains(ip));
        self.pairs.iter().position(contains).unwrap_or(0)
    }

    pub(super) fn pair(&self, place: usize) -> &Pair {
        &self.pairs[place]
    }

    pub(super) fn pair_mut(&mut self, place: usize) -> &mut Pair {
        &mut self.pairs[place]
    }

    /// Their number.
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Lets a link do something else. True if it is of a network that had none, so that peers may have another now: the
    /// other direction goes on as it was for them.
    pub(super) fn change(
        &mut self,
        network: Option<Network>,
        direction: Direction,
        options: ImpairmentOptions,
    ) -> Result<bool> {
        if let Some(place) = self.place(network) {
            self.pairs[place].link_mut(direction).change(options)?;
            return Ok(false);
        }
        let of_all = |direction| self.pairs[0].link(direction).impairment().options().clone();
        match direction {
            Direction::Up => self.add(network, options, of_all(Direction::Down))?,
            Direction::Down => self.add(network, of_all(Direction::Up), options)?,
        }
        Ok(true)
    }

    /// Takes the links of a network away, on which nothing is under way any more.
    pub(super) fn remove(&mut self, place: usize) {
        let pair = self.pairs.remove(place);
        for (gone, link) in self.gone.iter_mut().zip(&pair.links) {
            gone.merge(&link.counts());
        }
    }

    /// Puts the pairs of networks into the order of these: a peer that is in several takes the first.
    pub(super) fn sort_as(&mut self, peers: &[PeerImpairments]) {
        let place = |pair: &Pair| peers.iter().position(|peer| Some(peer.network) == pair.network);
        self.pairs[1..].sort_by_cached_key(place);
    }

    /// The place of the pair of a network.
    pub(super) fn place(&self, network: Option<Network>) -> Option<usize> {
        self.pairs.iter().position(|pair| pair.network == network)
    }

    /// Pauses a direction, or ends its pause.
    pub(super) fn pause(&mut self, direction: Direction, paused: bool) {
        self.paused[direction as usize] = paused;
        for pair in &mut self.pairs {
            let link = pair.link_mut(direction);
            if paused { link.pause() } else { link.resume() }
        }
    }

    /// Lets the next datagram leave of a direction that is paused, whichever link it is on.
    pub(super) fn step(&mut self, direction: Direction) {
        let links = self.pairs.iter_mut().map(|pair| pair.link_mut(direction));
        let waiting = links.filter_map(|link| Some((link.next_to_step()?, link)));
        if let Some((_, link)) = waiting.min_by_key(|(at, _)| *at) {
            link.step();
        }
    }

    pub(super) fn is_paused(&self, direction: Direction) -> bool {
        self.paused[direction as usize]
    }

    /// When the next datagram leaves.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pairs.iter().flat_map(|pair| &pair.links).filter_map(Link::next).min()
    }

    /// What all links of a direction did.
    pub(super) fn counts(&self, direction: Direction) -> LinkCounts {
        let mut all = self.gone[direction as usize];
        self.pairs.iter().for_each(|pair| all.merge(&pair.link(direction).counts()));
        all
    }

    /// The pairs that networks have for themselves.
    pub(super) fn own(&self) -> impl Iterator<Item = (Network, &Pair)> {
        self.pairs.iter().filter_map(|pair| Some((pair.network?, pair)))
    }
}

/// The error of a link that cannot be had.
fn refused(network: Option<Network>, why: String) -> Error {
    let object = network.map_or(Object::None, |network| Object::Other(network.to_string()));
    let cause = std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    Error::new(Attempt::Other("give links of its own to"), object, cause)
}

/// A seed for each link, of whose it is and which way it goes, so that it does not matter when it was laid.
fn seed_of(seed: u64, network: Option<Network>, direction: Direction) -> u64 {
    let whose = network.map(|network| network.to_string()).unwrap_or_default();
    seed_with(seed, whose.bytes().chain([0, direction as u8]))
}
