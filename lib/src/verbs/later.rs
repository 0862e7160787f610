//! Replies that do not go out at once: those that a rule holds back, and those that somebody else makes.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Instant;

use crate::datagram::{Meta, Transmit};
use crate::socket_id::SocketId;

/// Replies that are held back at once.
const MOST_DELAYED: usize = 16_384;
/// Bytes of replies and requests that are kept at once.
const MOST_BYTES: usize = 16 << 20;

/// A datagram whose reply does not go out at once.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) via: SocketId,
    pub(super) transmit: Transmit,
    pub(super) arrived: Instant,
    pub(super) meta: Meta,
    pub(super) request_len: usize,
    /// What was asked, kept only where it will be told.
    pub(super) request: Option<Vec<u8>>,
}

impl Pending {
    /// Bytes of the request that are kept.
    fn kept(&self) -> usize {
        self.request.as_ref().map_or(0, Vec::len)
    }

    /// The same, and what is kept by whoever makes the reply.
    fn kept_while_asked(&self) -> usize {
        self.kept() + self.request_len
    }
}

/// A reply that is held back.
#[derive(Debug)]
struct Delayed {
    due: Instant,
    /// Replies that are due together leave in order.
    order: u64,
    pending: Pending,
    reply: Vec<u8>,
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Later {
    delayed: BinaryHeap<Delayed>,
    /// Of the replies that are held back, and of all requests that are kept.
    bytes: usize,
    /// Questions that wait for their reply, by ticket.
    asked: BTreeMap<u64, Pending>,
    order: u64,
}

impl Later {
    /// Holds a reply back until it is due; false, and nothing kept, where as many are held back as may be.
    pub(super) fn delay(&mut self, due: Instant, pending: Pending, reply: &[u8]) -> bool {
        let bytes = reply.len() + pending.kept();
        if self.delayed.len() >= MOST_DELAYED || self.bytes + bytes > MOST_BYTES {
            return false;
        }
        self.order += 1;
        self.bytes += bytes;
        self.delayed.push(Delayed { due, order: self.order, pending, reply: reply.to_vec() });
        true
    }

    /// The next reply that is due by now.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Pending, Vec<u8>)> {
        if self.next_due()? > now {
            return None;
        }
        let Delayed { pending, reply, .. } = self.delayed.pop()?;
        self.bytes -= reply.len() + pending.kept();
        Some((pending, reply))
    }

    /// When the next reply is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.peek().map(|delayed| delayed.due)
    }

    /// Whether one more datagram may wait for its reply to be made, if this many may.
    pub(super) fn may_ask(&self, pending: &Pending, most: usize) -> bool {
        self.asked.len() < most && self.bytes + pending.kept_while_asked() <= MOST_BYTES
    }

    /// Keeps a datagram until its reply was made; returns its ticket.
    pub(super) fn ask(&mut self, pending: Pending) -> u64 {
        self.order += 1;
        self.bytes += pending.kept_while_asked();
        self.asked.insert(self.order, pending);
        self.order
    }

    /// The datagram of a ticket; each ticket is good once.
    pub(super) fn answered(&mut self, ticket: u64) -> Option<Pending> {
        let pending = self.asked.remove(&ticket)?;
        self.bytes -= pending.kept_while_asked();
        Some(pending)
    }

    /// All that still waits.
    pub(super) fn into_pending(self) -> impl Iterator<Item = Pending> {
        self.delayed.into_iter().map(|delayed| delayed.pending).chain(self.asked.into_values())
    }
}

// The heap gives the greatest first: what is due first, and in order.
impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Delayed {}
