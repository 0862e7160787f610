//! The virtual network as these tests use it: what engines say is written down.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use udpkit::event::{Answered, IgnoredDatagrams, Question, Received, Refusal, Reply, SendFailed, Sent, Unanswered};
use udpkit::impairment::{ImpairmentOptions, Jitter};
use udpkit::sim::{Host, HostId, Path, Traffic};
use udpkit::{Cause, Datagram, Engine, Event, Moment, Next, Outbox, Reason, ReplyTo, Report, SocketId, Transmit};

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

    fn path(self) -> Path {
        let per_mille = |count: u64| f64::from(u32::try_from(count).unwrap()) / 1000.0;
        let impairment = ImpairmentOptions::default()
            .delay(self.delay + self.jitter / 2)
            .jitter(Jitter::Uniform(self.jitter / 2))
            .keep_order(false)
            .loss(per_mille(self.loss_per_mille))
            .duplicate(per_mille(self.duplicate_per_mille));
        Path::from(impairment).hops(self.hops)
    }
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
    /// What its clock shows; the time of this host where nobody says.
    pub(crate) clock: Option<Moment>,
}

impl Outbox for Mail {
    fn clock(&self) -> Moment {
        self.clock.unwrap_or_else(Moment::now)
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

/// A datagram that somebody puts on the network.
#[derive(Clone, Debug)]
pub(crate) struct Flying {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) hop_limit: u8,
    pub(crate) payload: Vec<u8>,
}

/// A network on which all links are alike, and which writes down what engines say.
pub(crate) struct Network {
    inner: udpkit::sim::Network<'static>,
    mail: Vec<Rc<RefCell<Mail>>>,
}

impl Network {
    pub(crate) fn new(link: Link, seed: u64) -> Self {
        let mut inner = udpkit::sim::Network::new(seed);
        inner.set_links(link.path()).unwrap();
        Self { inner, mail: Vec::new() }
    }

    /// Adds a host that sends with this hop limit where its engine sets none. Hosts at one address are workers: each
    /// source's datagrams go to one of them, and broadcasts to all.
    pub(crate) fn add<E: Engine + 'static>(&mut self, address: &str, hop_limit: u8, engine: E) -> HostId<E> {
        let mail = Rc::new(RefCell::new(Mail::default()));
        self.mail.push(Rc::clone(&mail));
        let sink = move |event: Event<'_>| {
            mail.borrow_mut().emit(event);
            ControlFlow::Continue(())
        };
        self.inner.add(Host::at(address.parse().unwrap()).hop_limit(hop_limit), engine, sink).unwrap()
    }

    /// What the engine of a host counted.
    pub(crate) fn report<E: Engine + 'static>(&self, host: HostId<E>) -> Report<E::Figures> {
        self.inner.engine(host).report()
    }

    /// When the engine of a host wants to be called.
    pub(crate) fn next<E: Engine + 'static>(&self, host: HostId<E>) -> Next {
        self.inner.engine(host).next()
    }

    pub(crate) fn inject(&mut self, flying: Flying) {
        let Flying { from, to, hop_limit, payload } = flying;
        self.inner.inject(from, to, hop_limit, &payload);
    }

    pub(crate) fn run(&mut self, steps: usize) -> bool {
        self.inner.run(steps)
    }

    pub(crate) fn finish(&mut self) {
        self.inner.finish();
    }

    pub(crate) fn now(&self) -> Instant {
        self.inner.now()
    }

    pub(crate) fn truth(&self) -> Traffic {
        self.inner.traffic()
    }

    /// What the engine said that was added at this place.
    pub(crate) fn said(&self, place: usize) -> Vec<Said> {
        self.mail[place].borrow().said.clone()
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
