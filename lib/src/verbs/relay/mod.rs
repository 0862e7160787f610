//! `relay`: forwards what peers send to a target, and its answers back, through links that are as bad as was asked for.

mod figures;
mod links;
mod options;
mod passing;
mod peers;
mod proxy;
mod steering;

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

pub use figures::{DirectionFigures, LinkFigures, RelayFigures};
use links::Links;
pub use options::{Injection, LinkChange, PeerImpairments, RelayInput, RelayOptions, RelayScenario, ScenarioStep};
use peers::{Key, Peer, Peers};

use super::common::{Ending, Gate, is_other_destination, later};
use crate::conduct::{Conduct, Guard};
use crate::datagram::{Datagram, Delivery, Meta, SendFailure, Train, Transmit};
use crate::direction::Direction;
use crate::engine::{Closed, Engine, Next, Outbox};
use crate::error::{Attempt, Error, ErrorKind, Object, Result};
use crate::event::{Event, IgnoredDatagrams, PeerChange, PeerChanged, Reason, Refusal, SendFailed, Trouble};
use crate::impairment::ImpairmentOptions;
use crate::interface::Interfaces;
use crate::options::Options;
use crate::report::Report;
use crate::socket_id::SocketId;
use crate::unreachable::Unreachable;

/// Peers that are forgotten for others between two looks at the time. Their sockets are closed at the next one only, so
/// this is how many descriptors more than peers there may be.
const MOST_EVICTIONS: usize = 64;

/// The most hops with which datagrams leave for a group or a network, unless [`RelayOptions::hop_limit`] says more. Relays that
/// hear one another there multiply what they hear: three of them to 21 datagrams of one, and not to 2^62.
const MOST_HOPS_TO_MANY: u8 = 4;

/// The engine of `relay`. To run one in a thread of its own, see [`Relay`](crate::Relay).
///
/// Peers' datagrams come through the sockets that it is driven with. For each peer it opens one to the target, which is
/// closed when the peer is forgotten; what the target answers there goes to that peer, from the address that it asked.
#[derive(Debug)]
pub struct RelayEngine {
    options: RelayOptions,
    upstream_options: Options,
    guard: Guard,
    gate: Gate,
    ending: Ending,
    interfaces: Interfaces,
    peers: Peers,
    /// Whether the target is a group or a network.
    is_to_many: bool,
    /// The further targets, and whether each is a group or a network.
    copies_to: Vec<(SocketAddr, bool)>,
    /// Which ports sockets to the target have: what comes from one of them on this host is our own.
    our_ports: Box<[bool]>,
    /// Known from the first call with a time on.
    links: Option<Links>,
    scenario: Vec<ScenarioStep>,
    /// When its time began, and how many of its steps were taken.
    scenario_began: Option<Instant>,
    scenario_taken: usize,
    /// Datagrams that were relayed before the last reset.
    relayed_before: u64,
    /// Peers that were forgotten for others since the last look at the time.
    evictions: usize,
    /// The socket that an impaired datagram left by last: others wait until its are sent, so that all leave in order.
    left_by: Option<SocketId>,
    /// How many datagrams were sent through each socket, by its index: kept where fates are reported.
    sent_through: Vec<u64>,
    /// Where datagrams are made that do not leave as they came.
    scratch: Vec<u8>,
    /// Key of the hashes by which peers are counted.
    key: RandomState,
    report: Report<RelayFigures>,
}

impl RelayEngine {
    /// An engine with these options.
    ///
    /// # Errors
    ///
    /// Impairments that cannot be ([`Impairment::new`](crate::impairment::Impairment::new)); an address of another
    /// family than the target's.
    pub fn new(mut options: RelayOptions) -> Result<Self> {
        options.target = with_an_address(options.target);
        options.copies_to.iter_mut().for_each(|copy| *copy = with_an_address(*copy));
        options.peers.truncate(RelayOptions::MOST_NETWORKS);
        check(&options)?;
        let conduct = Conduct::off().break_loops(false);
        let mut engine = Self {
            upstream_options: options.upstream_options(),
            guard: Guard::new(conduct, &options.own),
            gate: Gate::new(options.interfaces.clone()),
            ending: Ending::new(options.limits),
            interfaces: Interfaces::default(),
            peers: Peers::default(),
            is_to_many: false,
            copies_to: Vec::new(),
            our_ports: vec![false; 1 << 16].into(),
            links: None,
            scenario: Vec::new(),
            scenario_began: None,
            scenario_taken: 0,
            relayed_before: 0,
            evictions: 0,
            left_by: None,
            sent_through: Vec::new(),
            scratch: Vec::new(),
            key: RandomState::new(),
            report: Report::default(),
            options,
        };
        engine.set_scenario(engine.options.scenario.clone());
        engine.set_target(engine.options.target);
        Ok(engine)
    }

    fn set_scenario(&mut self, mut scenario: Vec<ScenarioStep>) {
        scenario.sort_by_key(|step| step.at);
        (self.scenario, self.scenario_began, self.scenario_taken) = (scenario, None, 0);
    }

    fn set_target(&mut self, target: SocketAddr) {
        self.options.target = with_an_address(target);
        // The target may be a network; one that is a host does not mind.
        self.upstream_options.broadcast = target.is_ipv4();
        let is_to_many =
            |address: SocketAddr| address.ip().is_multicast() || self.interfaces.is_broadcast(address.ip());
        self.is_to_many = is_to_many(self.options.target);
        self.copies_to = self.options.copies_to.iter().map(|copy| (*copy, is_to_many(*copy))).collect();
    }

    /// Whether an answer of this source is one of the target's: of anybody, where the target is a group.
    fn answers_for_target(&self, source: IpAddr) -> bool {
        source == self.options.target.ip() || self.is_to_many
    }

    /// Whether peers send to this socket.
    fn is_listening(&self, via: SocketId) -> bool {
        via.index() < self.options.own.len() && via == SocketId::first(via.index())
    }

    /// The links, from this moment on.
    fn links(&mut self, now: Instant) -> &mut Links {
        let options = &self.options;
        self.links.get_or_insert_with(|| Links::new(options, now).expect("the options were checked"))
    }

    fn ignore(&mut self, meta: &Meta, reason: Reason, count: usize, out: &mut impl Outbox) {
        self.report.ignored.add(reason, count);
        out.emit(Event::Ignored(IgnoredDatagrams { meta, reason, count }));
    }

    /// With how many hops, and which traffic class, a datagram goes on.
    fn pass_on(&self, meta: &Meta, transmit: Transmit) -> Result<Transmit, Reason> {
        let usual = self.options.usual_hop_limit();
        // Broadcasts and multicasts may start with a single hop by design. So that none of ours is taken for one of these by
        // another relay, which would count from the start again, ours never have so few.
        let is_for_many = self.is_to_many && transmit.destination == self.options.target;
        let (least, most) =
            if is_for_many { (2, self.most_hops_to_many()) } else { (1, self.options.hop_limit.unwrap_or(u8::MAX)) };
        let came_to_many = matches!(meta.delivery, Delivery::Broadcast | Delivery::Multicast);
        let hops = match meta.hop_limit {
            None => usual,
            Some(0 | 1) if came_to_many => usual,
            Some(hops) if hops <= least => return Err(Reason::HopsSpent),
            Some(hops) => hops - 1,
        };
        let class = meta.traffic_class.unwrap_or(0);
        let class = self.options.dscp.map_or(class, |dscp| dscp << 2 | class & 0b11);
        Ok(Transmit {
            hop_limit: Some(hops.min(most).max(least)).filter(|hops| *hops != usual),
            traffic_class: Some(class).filter(|class| *class != 0),
            ..transmit
        })
    }

    fn most_hops_to_many(&self) -> u8 {
        self.options.hop_limit.unwrap_or(MOST_HOPS_TO_MANY).max(2)
    }

    /// The peer whose datagrams these are, and how they go on to the target.
    fn admit_up(
        &mut self,
        now: Instant,
        via: SocketId,
        meta: &Meta,
        out: &mut impl Outbox,
    ) -> Result<(SocketId, Transmit), Reason> {
        if !self.gate.admits(meta) {
            return Err(Reason::OtherInterface);
        }
        if is_other_destination(&self.options.destinations, via, meta) {
            return Err(Reason::OtherDestination);
        }
        self.guard.source(meta)?;
        let source = meta.source;
        let is_of_family = source.is_ipv4() == self.options.target.is_ipv4();
        if is_of_family && self.our_ports[usize::from(source.port())] && self.interfaces.is_ours(source.ip()) {
            return Err(Reason::OwnSocket);
        }
        let transmit = self.pass_on(meta, Transmit::to(self.options.target))?;
        let reply = self.guard.reply(meta);
        let key = Key { via, source, local: reply.local };
        let upstream = match self.peers.upstream(&key) {
            Some(upstream) => upstream,
            None => self.welcome(now, via, meta, reply, out)?,
        };
        self.peers.hear(upstream, now);
        Ok((upstream, transmit))
    }

    /// Opens a socket to the target for a peer that was not known.
    fn welcome(
        &mut self,
        now: Instant,
        via: SocketId,
        meta: &Meta,
        reply: Transmit,
        out: &mut impl Outbox,
    ) -> Result<SocketId, Reason> {
        if self.peers.len() >= self.options.most_peers {
            self.evict(out)?;
        }
        let target = self.options.target.ip();
        let any = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let local = SocketAddr::new(self.options.local.unwrap_or(any), 0);
        let upstream = match out.open(local, &self.upstream_options) {
            Ok(upstream) => upstream,
            Err(error) => {
                out.emit(Event::Trouble(Trouble { error: &error }));
                if error.kind() == ErrorKind::TooManyDescriptors {
                    // So that the next one finds room.
                    let _ = self.evict(out);
                }
                return Err(Reason::TooManyPeers);
            }
        };
        let bound = out.local_address(upstream);
        if let Some(bound) = bound {
            self.our_ports[usize::from(bound.port())] = true;
        }
        let own = self.options.own.get(via.index());
        let asked = SocketAddr::new(
            meta.destination.or(meta.local).or_else(|| own.map(SocketAddr::ip)).unwrap_or(any),
            own.map_or(0, SocketAddr::port),
        );
        let link = self.links(now).of(meta.source.ip());
        if let Some(sent) = self.sent_through.get_mut(upstream.index()) {
            *sent = 0;
        }
        self.peers.insert(upstream, Peer::new(via, reply, asked, link, now));
        self.report.own.peers_ever += 1;
        out.emit(Event::Peer(PeerChanged::new(meta.source, bound, PeerChange::Appeared)));
        Ok(upstream)
    }

    /// Forgets the peer for which nothing was relayed for the longest time, to make room.
    fn evict(&mut self, out: &mut impl Outbox) -> Result<(), Reason> {
        if self.evictions >= MOST_EVICTIONS {
            return Err(Reason::TooManyPeers);
        }
        let (_, oldest) = self.peers.oldest().ok_or(Reason::TooManyPeers)?;
        self.evictions += 1;
        self.forget(oldest, PeerChange::Evicted, out);
        Ok(())
    }

    /// Forgets a peer. What is under way for it does not arrive.
    fn forget(&mut self, upstream: SocketId, change: PeerChange, out: &mut impl Outbox) {
        let Some(peer) = self.peers.remove(upstream) else { return };
        let bound = out.local_address(upstream);
        if let Some(bound) = bound {
            self.our_ports[usize::from(bound.port())] = false;
        }
        out.close(upstream);
        let own = &mut self.report.own;
        match change {
            PeerChange::Expired => own.peers_expired += 1,
            PeerChange::Evicted => own.peers_evicted += 1,
            PeerChange::Lost => own.peers_lost += 1,
            PeerChange::Appeared => {}
        }
        out.emit(Event::Peer(PeerChanged::new(peer.reply.destination, bound, change)));
    }

    /// The peer that an answer is for, and how it goes on to it.
    fn admit_down(&mut self, now: Instant, via: SocketId, meta: &Meta) -> Result<(SocketId, Transmit), Reason> {
        let Some(peer) = self.peers.get(via) else { return Err(Reason::SocketClosed) };
        let reply = peer.reply;
        if meta.source.port() != self.options.target.port() || !self.answers_for_target(meta.source.ip()) {
            return Err(Reason::OtherSource);
        }
        let transmit = self.pass_on(meta, reply)?;
        self.peers.hear(via, now);
        Ok((via, transmit))
    }
}

impl Engine for RelayEngine {
    type Input = RelayInput;
    type Figures = RelayFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        let meta = datagram.meta;
        self.report.received.add(1, datagram.wire_len);
        self.report.peers.add(self.key.hash_one(meta.source));
        self.report.truncated += u64::from(datagram.is_truncated());
        if datagram.is_truncated() {
            return self.ignore(meta, Reason::Truncated, 1, out);
        }
        self.take(now, via, Train::one(datagram), out);
    }

    fn receive_train(&mut self, now: Instant, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        // Of a train that was cut off, several datagrams may be truncated: each counts.
        if train.count() == 1 || train.is_truncated() || self.options.limits.count.is_some() {
            return train.datagrams().for_each(|datagram| self.receive(now, via, &datagram, out));
        }
        self.report.received.add(train.count(), train.wire_len());
        self.report.peers.add(self.key.hash_one(train.meta().source));
        self.take(now, via, train, out);
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        self.ending.tick(now);
        self.evictions = 0;
        self.take_steps(now, out);
        self.let_leave(now, out);
        self.expire(now, out);
    }

    fn next(&self) -> Next {
        let leaves = self.links.as_ref().and_then(Links::next);
        let end = match (self.ending.next(), leaves) {
            // After the last datagram, what is under way still leaves.
            (Next::Done, Some(leaves)) if !self.ending.expired => {
                return Next::At(self.ending.deadline().map_or(leaves, |end| end.min(leaves)));
            }
            (Next::Done, _) => return Next::Done,
            (Next::At(end), _) => Some(end),
            (Next::Datagram, _) => None,
        };
        let expires = self.peers.next_expiry(self.options.idle);
        [end, leaves, self.next_step(), expires].into_iter().flatten().min().map_or(Next::Datagram, Next::At)
    }

    fn precision(&self) -> Option<Duration> {
        self.links.as_ref().and_then(Links::next).map(|_| self.options.busy_wait)
    }

    fn unreachable(&mut self, _now: Instant, via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        match self.direction_of(via, unreachable.destination) {
            Some(direction) => self.report.own.of_mut(direction).refused += 1,
            None => self.report.own.copy_refused += 1,
        }
        out.emit(Event::Unreachable(Refusal { unreachable, request: None, copy: false }));
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        let (count, bytes) = (failure.count as u64, failure.bytes as u64);
        let direction = self.direction_of(via, failure.transmit.destination);
        let own = &mut self.report.own;
        let (sent, failed) = match direction {
            Some(Direction::Up) => (&mut own.up.forwarded, &mut own.up.send_failed),
            Some(Direction::Down) => (&mut own.down.forwarded, &mut own.down.send_failed),
            None => (&mut own.copied, &mut own.copy_failed),
        };
        // What was sent before the relay was reset is in no counter any more.
        if sent.datagrams >= count && self.report.sent.datagrams >= count {
            sent.datagrams -= count;
            sent.bytes = sent.bytes.saturating_sub(bytes);
            *failed += count;
            self.report.sent.datagrams -= count;
            self.report.sent.bytes = self.report.sent.bytes.saturating_sub(bytes);
        }
        out.emit(Event::SendFailed(SendFailed { via, failure }));
    }

    fn closed(&mut self, _now: Instant, via: SocketId, _error: &Error, out: &mut impl Outbox) -> Closed {
        if self.is_listening(via) {
            return Closed::Reopen;
        }
        self.forget(via, PeerChange::Lost, out);
        Closed::GoOn
    }

    fn wants_input(&self) -> bool {
        true
    }

    fn input(&mut self, now: Instant, input: RelayInput, out: &mut impl Outbox) {
        if let Err(error) = self.steer(now, input, out) {
            out.emit(Event::Trouble(Trouble { error: &error }));
        }
    }

    fn finish(&mut self, now: Instant, out: &mut impl Outbox) {
        self.give_up_all(now, out);
    }

    fn interfaces(&mut self, interfaces: &Interfaces) {
        self.gate.set_interfaces(interfaces);
        self.guard.set_interfaces(interfaces);
        self.interfaces = interfaces.clone();
        self.set_target(self.options.target);
    }

    fn report(&self) -> Report<RelayFigures> {
        let mut report = self.report.clone();
        report.own.peers_now = self.peers.len() as u64;
        if let Some(links) = &self.links {
            for &direction in Direction::ALL {
                let figures = report.own.of_mut(direction);
                figures.links = links.counts(direction);
                figures.is_paused = links.is_paused(direction);
                let own = links.own().map(|(network, pair)| LinkFigures::new(network, pair.link(direction).counts()));
                figures.own_links = own.collect();
            }
        }
        report
    }
}

/// Refuses what cannot be.
fn check(options: &RelayOptions) -> Result<()> {
    let RelayOptions { target, copies_to, local, up, down, peers, scenario, .. } = options;
    check_links(up, down, peers, scenario)?;
    if options.idle.is_zero() {
        let why = "every peer would be forgotten before it is answered";
        let cause = std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
        return Err(Error::new(Attempt::Other("set"), Object::Other("the idle time of peers to 0s".to_owned()), cause));
    }
    let other_family = |address: &SocketAddr| address.is_ipv4() != target.is_ipv4();
    if let Some(copy) = copies_to.iter().find(|copy| other_family(copy)) {
        return Err(wrong_family("send copies to", *copy, *target));
    }
    match local.map(|local| SocketAddr::new(local, 0)) {
        Some(local) if other_family(&local) => Err(wrong_family("send from", local, *target)),
        _ => Ok(()),
    }
}

/// Refuses what links cannot do.
fn check_links(
    up: &ImpairmentOptions,
    down: &ImpairmentOptions,
    peers: &[PeerImpairments],
    steps: &[ScenarioStep],
) -> Result<()> {
    let of_peers = peers.iter().flat_map(|peer| [&peer.up, &peer.down]);
    let of_steps = steps.iter().map(|step| &step.change.options);
    [up, down].into_iter().chain(of_peers).chain(of_steps).try_for_each(ImpairmentOptions::check)
}

fn wrong_family(attempt: &'static str, address: SocketAddr, target: SocketAddr) -> Error {
    let why = format!("it is not of the family of the target, {target}");
    Error::new(Attempt::Other(attempt), address, std::io::Error::new(std::io::ErrorKind::InvalidInput, why))
}

/// A target without an address is on this host.
fn with_an_address(target: SocketAddr) -> SocketAddr {
    match target.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => (Ipv4Addr::LOCALHOST, target.port()).into(),
        IpAddr::V6(v6) if v6.is_unspecified() => (Ipv6Addr::LOCALHOST, target.port()).into(),
        _ => target,
    }
}
