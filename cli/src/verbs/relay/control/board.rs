//! What the server knows of the relay: what its links do, and its last datagrams.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use udpkit::Network;
use udpkit::impairment::ImpairmentOptions;
use udpkit::verbs::{Direction, RelayOptions};

use super::feed::{Counts, Gone, Happening, LinkNow, Shown};
use super::record::{Departed, Record, nanoseconds};
use crate::http::events::{Events, event};

/// Datagrams of a direction that are kept.
pub(super) const MOST_KEPT: usize = 64;
/// Errors that are kept for who caused them.
const MOST_TROUBLES: usize = 16;

/// What the server knows of the relay.
pub(super) struct Board {
    happenings: Receiver<Happening>,
    counts: Arc<Counts>,
    events: Events,
    start: Instant,
    links: Vec<Links>,
    datagrams: [VecDeque<Record>; 2],
    peers: Option<Vec<(SocketAddr, Option<SocketAddr>)>>,
    troubles: Vec<String>,
    /// How many had been shown and left out when that was said last.
    said: [[u64; 2]; 2],
}

/// What the links do that a network has for itself, or, of no network, those of all others.
#[derive(Clone)]
pub(super) struct Links {
    pub(super) network: Option<Network>,
    pub(super) options: [ImpairmentOptions; 2],
}

/// That counters and numbers began again.
#[derive(Serialize)]
struct Began {
    at_ns: u64,
}

/// That not all datagrams are shown.
#[derive(Serialize)]
struct Sampled {
    direction: &'static str,
    kept: u64,
    of: u64,
}

impl Board {
    /// With the links as the relay begins, at this moment.
    pub(super) fn new(
        (happenings, counts): (Receiver<Happening>, Arc<Counts>),
        events: Events,
        options: &RelayOptions,
        start: Instant,
    ) -> Self {
        let shared = Links { network: None, options: [options.up.clone(), options.down.clone()] };
        let own = options
            .peers
            .iter()
            .map(|peer| Links { network: Some(peer.network), options: [peer.up.clone(), peer.down.clone()] });
        Self {
            happenings,
            counts,
            events,
            start,
            links: std::iter::once(shared).chain(own).collect(),
            datagrams: Default::default(),
            peers: None,
            troubles: Vec::new(),
            said: [[0; 2]; 2],
        }
    }

    /// Takes in what has happened, for ever.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Nobody sends once the relay has ended.
        while let Some(happening) = ready!(self.happenings.poll_recv(cx)) {
            self.take(happening);
        }
        Poll::Ready(())
    }

    /// Takes in all that has happened.
    pub(super) fn catch_up(&mut self) {
        while let Ok(happening) = self.happenings.try_recv() {
            self.take(happening);
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Fate(shown) => self.fate(&shown),
            Happening::Left(gone) => self.departure(&gone),
            Happening::Link(link) => self.link(link),
            Happening::Peers(peers) => self.peers = Some(peers),
            Happening::Trouble(error) if self.troubles.len() < MOST_TROUBLES => self.troubles.push(error),
            Happening::Trouble(_) => {}
        }
    }

    fn fate(&mut self, shown: &Shown) {
        let record = Record::new(shown, self.start);
        if self.events.has_clients() {
            self.events.send(event("fate", record.fate()));
        }
        let kept = &mut self.datagrams[shown.direction as usize];
        if kept.len() >= MOST_KEPT {
            kept.pop_front();
        }
        kept.push_back(record);
    }

    fn departure(&mut self, gone: &Gone) {
        let departed = Departed::new(gone, self.start);
        if self.events.has_clients() {
            self.events.send(event("left", &departed));
        }
        let kept = &mut self.datagrams[gone.direction as usize];
        if let Some(record) = kept.iter_mut().rev().find(|record| record.is(gone.number, gone.network)) {
            record.leave(&departed);
        }
    }

    fn link(&mut self, link: LinkNow) {
        let LinkNow { direction, network, options, is_reset, at } = link;
        if is_reset && direction == Direction::Up && network.is_none() {
            // Those that networks have for themselves follow.
            self.links.truncate(1);
            // Numbers begin again, so what is kept would have those of others.
            self.datagrams = Default::default();
            self.events.send(event("reset", &Began { at_ns: self.since_start(at) }));
        }
        let Some(options) = options else { return self.links.retain(|links| links.network != network) };
        let place = self.links.iter().position(|links| links.network == network);
        let place = place.unwrap_or_else(|| {
            self.links.push(Links { network, options: Default::default() });
            self.links.len() - 1
        });
        self.links[place].options[direction as usize] = options;
    }

    /// What the links do: first those of all that have none of their own.
    pub(super) fn links(&self) -> &[Links] {
        &self.links
    }

    /// The last datagrams of a direction, the oldest first.
    pub(super) fn datagrams(&self, direction: Direction) -> &VecDeque<Record> {
        &self.datagrams[direction as usize]
    }

    /// Asks for the peers.
    pub(super) fn ask_peers(&self) {
        self.counts.ask_peers();
    }

    /// The peers that were asked for, once they have come.
    pub(super) fn take_peers(&mut self) -> Option<Vec<(SocketAddr, Option<SocketAddr>)>> {
        self.peers.take()
    }

    /// What the relay could not do since the last call.
    pub(super) fn take_troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Time from the start to this moment, in nanoseconds.
    pub(super) fn since_start(&self, moment: Instant) -> u64 {
        nanoseconds(moment.saturating_duration_since(self.start))
    }

    /// Says of how many datagrams only some were shown since the last call.
    pub(super) fn say_sampled(&mut self) {
        for &direction in Direction::ALL {
            let way = direction as usize;
            let now = [&self.counts.shown, &self.counts.left_out].map(|count| count[way].load(Ordering::Relaxed));
            let before = std::mem::replace(&mut self.said[way], now);
            let (kept, left_out) = (now[0] - before[0], now[1] - before[1]);
            let of = kept + left_out;
            if left_out > 0 && self.events.has_clients() {
                self.events.send(event("sampled", &Sampled { direction: direction.key(), kept, of }));
            }
        }
    }
}
