//! What a relay counts of its own.

use crate::direction::Direction;
use crate::impairment::{LinkCounts, LostBy};
use crate::network::Network;
use crate::report::{Count, Figures, add, debug_counters};
use crate::stats::Quantiles;

/// What [`RelayEngine`](super::RelayEngine) counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RelayFigures {
    /// Of what went from peers to the target.
    pub up: DirectionFigures,
    /// Of what went back.
    pub down: DirectionFigures,
    /// Peers that are remembered now.
    pub peers_now: u64,
    /// Peers that there were.
    pub peers_ever: u64,
    /// Of them: forgotten because nothing was relayed for them for a while.
    pub peers_expired: u64,
    /// Of them: forgotten to make room for another.
    pub peers_evicted: u64,
    /// Of them: forgotten because their socket was lost.
    pub peers_lost: u64,
    /// Copies that were sent to further targets.
    pub copied: Count,
    /// Copies that could not be sent there.
    pub copy_failed: u64,
    /// Copies that these refused (ICMP).
    pub copy_refused: u64,
}

/// What happened in one direction: `received + injected + duplicated` is what was forwarded, failed, was forgotten, unfinished,
/// lost, and is under way.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct DirectionFigures {
    /// What was received, to be relayed.
    pub received: Count,
    /// What was injected ([`RelayInput::Inject`](super::RelayInput::Inject)).
    pub injected: u64,
    /// What was forwarded, handed to the kernel without an error: datagrams, copies, and what was injected.
    pub forwarded: Count,
    /// What was to be forwarded and could not be sent.
    pub send_failed: u64,
    /// What was refused after that (ICMP).
    pub refused: u64,
    /// What was under way when its peer was forgotten.
    pub forgotten: u64,
    /// What was under way when the run ended.
    pub unfinished: u64,
    /// What all links did.
    pub links: LinkCounts,
    /// How long datagrams were to be under way, as was decided: of those that left a link which does something to them.
    pub decided_delay: Quantiles,
    /// How long they were, from their arrival in this host until they were handed to the kernel.
    pub achieved_delay: Quantiles,
    /// How much later than decided.
    pub lateness: Quantiles,
    /// What the links did that networks have for themselves.
    pub own_links: Vec<LinkFigures>,
    /// Whether it is paused.
    pub is_paused: bool,
}

/// What the link of a network did in one direction.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinkFigures {
    /// Whose.
    pub network: Network,
    /// What it did.
    pub counts: LinkCounts,
}

impl LinkFigures {
    /// What the link of this network did.
    #[must_use]
    pub fn new(network: Network, counts: LinkCounts) -> Self {
        Self { network, counts }
    }
}

debug_counters! { RelayFigures {
    up,
    down,
    peers_now,
    peers_ever,
    peers_expired,
    peers_evicted,
    peers_lost,
    copied,
    copy_failed,
    copy_refused,
}}

debug_counters! { DirectionFigures {
    received,
    injected,
    forwarded,
    send_failed,
    refused,
    forgotten,
    unfinished,
    links,
    decided_delay,
    achieved_delay,
    lateness,
    own_links,
    is_paused,
}}

impl RelayFigures {
    /// What happened in this direction.
    #[must_use]
    pub fn of(&self, direction: Direction) -> &DirectionFigures {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    pub(super) fn of_mut(&mut self, direction: Direction) -> &mut DirectionFigures {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}

impl DirectionFigures {
    /// Datagrams and copies that were lost by this.
    #[must_use]
    pub fn lost(&self, by: LostBy) -> u64 {
        self.links.lost(by)
    }

    /// What ended, or is under way, without what came of nothing received: copies, and what was injected.
    fn used(&self) -> u64 {
        let ended = self.forwarded.datagrams + self.send_failed + self.forgotten + self.unfinished;
        let all = ended + self.links.lost_in_all() + self.links.under_way;
        all.saturating_sub(self.links.duplicated + self.injected)
    }

    /// Whether every datagram and every copy ended in one counter.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.used() == self.received.datagrams
    }

    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.received.datagrams, other.received.datagrams),
            (&mut self.received.bytes, other.received.bytes),
            (&mut self.injected, other.injected),
            (&mut self.forwarded.datagrams, other.forwarded.datagrams),
            (&mut self.forwarded.bytes, other.forwarded.bytes),
            (&mut self.send_failed, other.send_failed),
            (&mut self.refused, other.refused),
            (&mut self.forgotten, other.forgotten),
            (&mut self.unfinished, other.unfinished),
        ]);
        self.links.merge(&other.links);
        self.decided_delay.merge(&other.decided_delay);
        self.achieved_delay.merge(&other.achieved_delay);
        self.lateness.merge(&other.lateness);
        self.own_links.extend(other.own_links.iter().cloned());
        self.is_paused |= other.is_paused;
    }
}

impl Figures for RelayFigures {
    fn used(&self) -> u64 {
        self.up.used() + self.down.used()
    }

    fn merge(&mut self, other: &Self) {
        self.up.merge(&other.up);
        self.down.merge(&other.down);
        add(&mut [
            (&mut self.peers_now, other.peers_now),
            (&mut self.peers_ever, other.peers_ever),
            (&mut self.peers_expired, other.peers_expired),
            (&mut self.peers_evicted, other.peers_evicted),
            (&mut self.peers_lost, other.peers_lost),
            (&mut self.copied.datagrams, other.copied.datagrams),
            (&mut self.copied.bytes, other.copied.bytes),
            (&mut self.copy_failed, other.copy_failed),
            (&mut self.copy_refused, other.copy_refused),
        ]);
    }
}
