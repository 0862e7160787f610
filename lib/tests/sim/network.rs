//! A virtual network and clock: engines on it run in no time, and the same way each time for the same seed.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::ONE;
use udpkit::event::{Answered, IgnoredDatagrams, Question, Received, Refusal, Reply, SendFailed, Sent, Unanswered};
use udpkit::{
    Cause, Datagram, Delivery, Engine, Event, Meta, Moment, Next, Outbox, Reason, ReplyTo, SocketId, Train, Transmit,
};

/// What the network does to what crosses it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    /// Time from host to host.
    pub(crate) delay: Duration,
    /// Added to it, up to this much, each time anew: reorders.
    pub(crate) jitter: Duration,
    /// Datagrams of a thousand that are lost.
    pub(crate) loss_per_mille: u64,
    /// Datagrams of a thousand that arrive twice.
    pub(crate) duplicate_per_mille: u64,
    /// Routers on the way: each takes one from the hop limit.
    pub(crate) hops: u8,
}

impl Link {
    /// Loses and delays nothing beyond a millisecond.
    pub(crate) const PERFECT: Self = Self {
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        hops: 0,
    };
}

/// What an engine said, without what it borrowed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Received(SocketAddr, Vec<u8>),
    Reply {
        source: SocketAddr,
        payload: Vec<u8>,
        to: ReplyTo,
    },
    /// First and last.
    Unanswered(u64, u64),
    Ignored(Reason, usize),
    /// Ticket and payload.
    Question(u64, Vec<u8>),
    /// Request and reply.
    Answered(Vec<u8>, Vec<u8>),
    /// How many datagrams.
    SendFailed(usize),
    /// Its cause, the request that was refused, and whether it is a copy.
    Unreachable(Cause, Option<u64>, bool),
    /// Request and retry.
    Sent(u64, u32),
    Other,
}

/// An engine's outbox: what it sends is put on the network afterwards.
#[derive(Default)]
pub(crate) struct Mail {
    pub(crate) sent: Vec<(Transmit, Vec<u8>)>,
    pub(crate) said: Vec<Said>,
    /// How many datagrams each train had that was sent as one.
    pub(crate) trains: Vec<usize>,
}

impl Outbox for Mail {
    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn send(&mut self, _via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.sent.push((*transmit, payload.to_vec()));
    }

    fn send_train(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8], segment: usize) {
        self.trains.push(payload.len().div_ceil(segment));
        payload.chunks(segment).for_each(|piece| self.send(via, transmit, piece));
    }

    fn emit(&mut self, event: Event<'_>) {
        self.said.push(match event {
            Event::Received(Received { train, .. }) => {
                let received = |datagram: Datagram<'_>| Said::Received(datagram.meta.source, datagram.payload.to_vec());
                return self.said.extend(train.datagrams().map(received));
            }
            Event::Reply(Reply { datagram, to, .. }) => {
                Said::Reply { source: datagram.meta.source, payload: datagram.payload.to_vec(), to }
            }
            Event::Unanswered(Unanswered { first, last, .. }) => Said::Unanswered(first, last),
            Event::Ignored(IgnoredDatagrams { reason, count, .. }) => Said::Ignored(reason, count),
            Event::Question(Question { ticket, datagram, .. }) => Said::Question(ticket, datagram.payload.to_vec()),
            Event::Answered(Answered { datagram, reply, .. }) => {
                Said::Answered(datagram.payload.to_vec(), reply.to_vec())
            }
            Event::SendFailed(SendFailed { failure, .. }) => Said::SendFailed(failure.count),
            Event::Unreachable(Refusal { unreachable, request, copy, .. }) => {
                Said::Unreachable(unreachable.cause, request, copy)
            }
            Event::Sent(Sent { request, retry, .. }) => Said::Sent(request, retry),
            _ => Said::Other,
        });
    }
}

/// An engine with its type forgotten.
pub(crate) trait Host {
    fn receive(&mut self, now: Instant, meta: &Meta, payload: &[u8], mail: &mut Mail);
    fn tick(&mut self, now: Instant, mail: &mut Mail);
    fn next(&self) -> Next;
}

impl<E: Engine> Host for E {
    fn receive(&mut self, now: Instant, meta: &Meta, payload: &[u8], mail: &mut Mail) {
        self.receive_train(now, ONE, Train::new(meta, payload, payload.len()), mail);
    }

    fn tick(&mut self, now: Instant, mail: &mut Mail) {
        Engine::tick(self, now, mail);
    }

    fn next(&self) -> Next {
        Engine::next(self)
    }
}

/// A datagram under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flying {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) hop_limit: u8,
    pub(crate) payload: Vec<u8>,
}

/// Counts of what crossed the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) undeliverable: u64,
    /// Further hosts that heard a broadcast.
    pub(crate) copied: u64,
    pub(crate) delivered: u64,
}

/// Hosts on one network.
pub(crate) struct Network<'a> {
    pub(crate) now: Instant,
    pub(crate) truth: Truth,
    link: Link,
    random: u64,
    hosts: Vec<(SocketAddr, u8, &'a mut dyn Host)>,
    pub(crate) mail: Vec<Mail>,
    flying: BTreeMap<(Reverse<Duration>, u64), Flying>,
    order: u64,
    epoch: Instant,
}

impl<'a> Network<'a> {
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    pub(crate) fn new(link: Link, seed: u64) -> Self {
        let epoch = Instant::now();
        Self {
            now: epoch,
            truth: Truth::default(),
            link,
            random: seed,
            hosts: Vec::new(),
            mail: Vec::new(),
            flying: BTreeMap::new(),
            order: 0,
            epoch,
        }
    }

    /// Adds a host that sends with this hop limit where its engine sets none. Hosts at one address are workers: each
    /// source's datagrams go to one of them, and broadcasts to all.
    pub(crate) fn add(&mut self, address: &str, hop_limit: u8, host: &'a mut dyn Host) {
        self.hosts.push((address.parse().unwrap(), hop_limit, host));
        self.mail.push(Mail::default());
    }

    /// Puts a datagram on the network, as anybody can who forges its source.
    pub(crate) fn inject(&mut self, flying: Flying) {
        self.put(flying);
    }

    /// Runs until nothing is under way and nobody waits for a time, or this many steps were made; true if it came to rest.
    pub(crate) fn run(&mut self, steps: usize) -> bool {
        for _ in 0..steps {
            self.tick();
            let wake = self.hosts.iter().filter_map(|(_, _, host)| match host.next() {
                Next::At(moment) => Some(moment),
                Next::Datagram | Next::Done => None,
            });
            let arrival = self.flying.last_key_value().map(|((Reverse(at), _), _)| self.epoch + *at);
            let Some(next) = wake.chain(arrival).min() else { return true };
            self.now = self.now.max(next);
            while let Some(entry) = self.flying.last_entry() {
                let (Reverse(at), _) = *entry.key();
                if self.epoch + at > self.now {
                    break;
                }
                let flying = entry.remove();
                self.deliver(&flying);
            }
        }
        false
    }

    fn tick(&mut self) {
        for place in 0..self.hosts.len() {
            if self.hosts[place].2.next() != Next::Done {
                self.hosts[place].2.tick(self.now, &mut self.mail[place]);
            }
            self.post(place);
        }
    }

    /// Takes what a host has sent.
    fn post(&mut self, place: usize) {
        let (from, hop_limit, _) = self.hosts[place];
        for (transmit, payload) in std::mem::take(&mut self.mail[place].sent) {
            let hop_limit = transmit.hop_limit.unwrap_or(hop_limit);
            let from = transmit.local.map_or(from, |ip| SocketAddr::new(ip, from.port()));
            self.put(Flying { from, to: transmit.destination, hop_limit, payload });
        }
    }

    fn put(&mut self, flying: Flying) {
        self.truth.sent += 1;
        if self.chance(self.link.loss_per_mille) || flying.hop_limit <= self.link.hops {
            self.truth.lost += 1;
            return;
        }
        let copies = 1 + u64::from(self.chance(self.link.duplicate_per_mille));
        self.truth.duplicated += copies - 1;
        for _ in 0..copies {
            let jitter = u64::try_from(self.link.jitter.as_nanos()).unwrap();
            let delay = self.link.delay + Duration::from_nanos(self.random() % (jitter + 1));
            self.order += 1;
            let at = self.now.duration_since(self.epoch) + delay;
            // The map's last entry is the earliest; among equals, the first put.
            self.flying.insert((Reverse(at), u64::MAX - self.order), flying.clone());
        }
    }

    fn deliver(&mut self, flying: &Flying) {
        let broadcast = matches!(flying.to.ip(), IpAddr::V4(v4) if v4.octets()[3] == 255);
        let heard = |address: SocketAddr| {
            if broadcast { address.port() == flying.to.port() } else { address == flying.to }
        };
        let mut places: Vec<_> = (0..self.hosts.len()).filter(|&place| heard(self.hosts[place].0)).collect();
        self.truth.undeliverable += u64::from(places.is_empty());
        if !broadcast && places.len() > 1 {
            places = vec![places[usize::from(flying.from.port()) % places.len()]];
        }
        // A copy for each is not a datagram more.
        self.truth.copied += places.len().saturating_sub(1) as u64;
        for place in places {
            let (address, _, _) = self.hosts[place];
            self.truth.delivered += 1;
            let mut meta = Meta::new(flying.from);
            meta.destination = Some(flying.to.ip());
            meta.local = Some(address.ip());
            meta.delivery = if broadcast { Delivery::Broadcast } else { Delivery::Unicast };
            meta.hop_limit = Some(flying.hop_limit - self.link.hops);
            self.hosts[place].2.receive(self.now, &meta, &flying.payload, &mut self.mail[place]);
            self.post(place);
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.random() % 1000 < per_mille
    }

    fn random(&mut self) -> u64 {
        random(&mut self.random)
    }
}

/// SplitMix64.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
