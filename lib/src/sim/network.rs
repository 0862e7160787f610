//! Hosts, and the links between them.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::host::{Desk, Host, Out, Outgoing, Ports};
use super::links::{Flying, Links, Path, What, delivery};
use super::log::{Crossing, Outcome, Traffic};
use super::running::Runs;
use crate::datagram::{Delivery, Meta, Train};
use crate::engine::{Engine, Next};
use crate::error::Result;
use crate::impairment::{Fate, Fates, Left, LinkCounts, LostBy};
use crate::sink::Sink;
use crate::unreachable::{Cause, Unreachable};

/// How often at one moment an engine is told of failures that follow from what it sent because of others.
const ROUNDS: usize = 4;
/// Bytes of a refused datagram that the report of it quotes (RFC 1812 section 4.3.2.3: 576 with the headers).
const QUOTED: usize = 548;
/// Crossings that the log holds, unless it is to be longer.
const LOG: usize = 100_000;

/// Hosts with engines, in virtual time: a run takes no longer than its engines need, and is the same each time for the
/// same seed.
///
/// Between two hosts there is a link for each direction, each with fates of its own. What is addressed to a broadcast
/// address (an IPv4 address that ends in 255) or to a group crosses the links to every host with an address of the
/// family, that of its sender too, and every socket on the port receives it. Hosts at one address are workers that share
/// it: all datagrams of a source port go to one of them, broadcasts to each. What arrives at a host on a port that nobody has comes
/// back as [`Engine::unreachable`]; at an address that no host has, it is gone.
///
/// Engines run in the order in which they were added; what arrives at one moment, in the order of links and then in
/// that of sending.
pub struct Network<'a> {
    start: Instant,
    now: Instant,
    hosts: Vec<Place<'a>>,
    /// Hosts by address.
    at: BTreeMap<IpAddr, Vec<usize>>,
    links: Links,
    /// When which host wants to be called.
    wakes: BTreeSet<(Instant, usize)>,
    /// Hosts that are to be called now.
    touched: BTreeSet<usize>,
    ports: Ports,
    log: Vec<Crossing>,
    most_logged: usize,
    traffic: Traffic,
}

/// A host of a [`Network`], and what its engine is.
pub struct HostId<E> {
    place: usize,
    engine: PhantomData<fn() -> E>,
}

impl<E> Clone for HostId<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for HostId<E> {}

impl<E> fmt::Debug for HostId<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.place)
    }
}

/// A host and its engine.
struct Place<'a> {
    desk: Desk<'a>,
    engine: Box<dyn Runs>,
    sink: Box<dyn Sink + 'a>,
    /// What of it is in `wakes`.
    wake: Option<Instant>,
    /// Whether its run has ended.
    has_ended: bool,
}

impl fmt::Debug for Network<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Network {{ elapsed: {:?}, hosts: {}, ", self.elapsed(), self.hosts.len())?;
        write!(f, "links: {}, traffic: {:?}, .. }}", self.links.count(), self.traffic)
    }
}

impl<'a> Network<'a> {
    /// An empty network, in which all chance comes from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // An origin for virtual time; nothing depends on which it is.
        let start = crate::clock::now();
        Self {
            start,
            now: start,
            hosts: Vec::new(),
            at: BTreeMap::new(),
            links: Links::new(seed, start),
            wakes: BTreeSet::new(),
            touched: BTreeSet::new(),
            ports: Ports::default(),
            log: Vec::new(),
            most_logged: LOG,
            traffic: Traffic::default(),
        }
    }

    /// Adds a host with this engine, and tells the sink what the engine has to say; where the sink breaks off, the engine's
    /// run is finished.
    ///
    /// # Errors
    ///
    /// A socket that cannot be bound.
    pub fn add<E: Engine + 'static>(
        &mut self,
        host: Host<'a>,
        mut engine: E,
        sink: impl Sink + 'a,
    ) -> Result<HostId<E>> {
        let place = self.hosts.len();
        let interfaces = host.interfaces.clone();
        let desk = Desk::new(place, host, &mut self.ports)?;
        for ip in &desk.addresses {
            self.at.entry(*ip).or_default().push(place);
        }
        if let Some(interfaces) = interfaces {
            Engine::interfaces(&mut engine, &interfaces);
        }
        let (engine, sink) = (Box::new(engine), Box::new(sink));
        self.hosts.push(Place { desk, engine, sink, wake: None, has_ended: false });
        self.touched.insert(place);
        Ok(HostId { place, engine: PhantomData })
    }

    /// The engine of a host.
    ///
    /// # Panics
    ///
    /// The host is one of another network.
    #[must_use]
    pub fn engine<E: Engine + 'static>(&self, host: HostId<E>) -> &E {
        let engine: &dyn Any = &*self.hosts[host.place].engine;
        engine.downcast_ref().expect("a host of this network has its engine")
    }

    /// Hands an engine what its program has to say, now; false, and nothing done, where it wants nothing now.
    ///
    /// # Panics
    ///
    /// The host is one of another network.
    #[must_use]
    pub fn input<E: Engine + 'static>(&mut self, host: HostId<E>, input: E::Input) -> bool {
        self.feed(host, |engine, out| engine.input(out.now, input, out))
    }

    /// Tells an engine that no input follows; false, and nothing done, where it wants nothing now.
    ///
    /// # Panics
    ///
    /// The host is one of another network.
    #[must_use]
    pub fn end_input<E: Engine + 'static>(&mut self, host: HostId<E>) -> bool {
        self.feed(host, |engine, out| engine.input_ended(out.now, out))
    }

    fn feed<E: Engine + 'static>(&mut self, host: HostId<E>, feed: impl FnOnce(&mut E, &mut Out<'_, 'a>)) -> bool {
        let is_wanted = self.engine(host).wants_input();
        if is_wanted {
            self.call(host.place, |engine, out| {
                let engine: &mut dyn Any = engine;
                feed(engine.downcast_mut().expect("it was asked before"), out);
            });
            self.touched.insert(host.place);
        }
        is_wanted
    }

    /// Sets what every link is like that is not set by itself, from now on.
    ///
    /// # Errors
    ///
    /// Those of [`Impairment::new`](crate::impairment::Impairment::new).
    pub fn set_links(&mut self, path: impl Into<Path>) -> Result<()> {
        self.links.set_all(path.into())
    }

    /// Sets what the link from one host to another is like, in this direction, from now on.
    ///
    /// # Errors
    ///
    /// As for [`set_links`](Self::set_links).
    pub fn set_link(&mut self, from: IpAddr, to: IpAddr, path: impl Into<Path>) -> Result<()> {
        self.links.set_one(from, to, path.into())
    }

    /// How many crossings the log holds; further ones are counted ([`traffic`](Self::traffic)) and not logged. 100,000 at first.
    pub fn set_most_logged(&mut self, most: usize) {
        self.most_logged = most;
    }

    /// Puts a datagram on the network, as anybody can who forges its source.
    pub fn inject(&mut self, source: SocketAddr, destination: SocketAddr, hop_limit: u8, payload: &[u8]) {
        self.put(Outgoing { source, destination, hop_limit, traffic_class: 0, payload: payload.to_vec() });
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What became of every datagram, in the order in which they were sent.
    #[must_use]
    pub fn log(&self) -> &[Crossing] {
        &self.log
    }

    /// Counts of all that crossed the network.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// What the link from one host to another has done, if anything was sent over it.
    #[must_use]
    pub fn link_counts(&self, from: IpAddr, to: IpAddr) -> Option<LinkCounts> {
        self.links.counts(from, to)
    }

    /// Runs until nothing is under way and no engine waits for a time; true then. False where so many moments passed before.
    #[must_use]
    pub fn run(&mut self, most_steps: usize) -> bool {
        (0..most_steps).any(|_| !self.step(None))
    }

    /// Runs until this time has passed, or nothing more happens before; true then. False where so many moments passed
    /// before.
    #[must_use]
    pub fn run_for(&mut self, time: Duration, most_steps: usize) -> bool {
        // A time that no clock reaches has no end.
        let until = self.now.checked_add(time);
        let has_passed = (0..most_steps).any(|_| !self.step(until));
        if has_passed {
            self.now = until.unwrap_or(self.now);
        }
        has_passed
    }

    /// Tells every engine that its run ends, so that nothing waits any more in its report.
    pub fn finish(&mut self) {
        for place in 0..self.hosts.len() {
            self.end(place);
        }
    }

    /// Calls those who are to be called now, and goes on to the next moment at which something happens; false where there is
    /// none until then.
    fn step(&mut self, until: Option<Instant>) -> bool {
        let mut called = std::mem::take(&mut self.touched);
        while let Some((at, place)) = self.wakes.first().copied()
            && at <= self.now
        {
            self.wakes.pop_first();
            self.hosts[place].wake = None;
            called.insert(place);
        }
        for place in called {
            self.call(place, |engine, out| engine.tick(out));
        }
        if !self.touched.is_empty() {
            return true;
        }
        let wake = self.wakes.first().map(|(at, _)| *at);
        let Some(next) = wake.into_iter().chain(self.links.next()).min() else { return false };
        if until.is_some_and(|until| next > until) {
            return false;
        }
        self.now = self.now.max(next);
        // What is sent because of it arrives in the next step, even without a delay.
        for left in self.links.arrived(self.now) {
            self.arrive(left);
        }
        true
    }

    /// Lets an engine do something.
    fn hand(&mut self, place: usize, act: impl FnOnce(&mut dyn Runs, &mut Out<'_, 'a>)) {
        let (now, elapsed) = (self.now, self.elapsed());
        let Place { desk, engine, sink, .. } = &mut self.hosts[place];
        act(engine.as_mut(), &mut Out { now, elapsed, desk, ports: &mut self.ports, sink: sink.as_mut() });
    }

    /// Lets an engine do something, unless its run has ended, and sends what it wants sent.
    fn call(&mut self, place: usize, act: impl FnOnce(&mut dyn Runs, &mut Out<'_, 'a>)) {
        if self.hosts[place].has_ended {
            return;
        }
        self.hand(place, act);
        for _ in 0..ROUNDS {
            let desk = &mut self.hosts[place].desk;
            let (outgoing, failures) = (std::mem::take(&mut desk.outgoing), std::mem::take(&mut desk.failures));
            if outgoing.is_empty() && failures.is_empty() {
                break;
            }
            for outgoing in outgoing {
                self.put(outgoing);
            }
            for (via, failure) in failures {
                self.hand(place, |engine, out| engine.failed(via, &failure, out));
            }
        }
        let Place { desk, engine, sink, .. } = &mut self.hosts[place];
        if desk.outgoing.is_empty() && desk.failures.is_empty() {
            sink.settled();
        }
        let (is_over, next) = (desk.is_over, engine.next());
        if is_over {
            return self.end(place);
        }
        if !(desk.outgoing.is_empty() && desk.failures.is_empty()) {
            self.touched.insert(place);
        }
        let wake = match next {
            Next::At(moment) => Some(moment),
            Next::Datagram | Next::Done => None,
        };
        self.wake(place, wake);
    }

    /// Notes when a host wants to be called.
    fn wake(&mut self, place: usize, at: Option<Instant>) {
        if let Some(before) = std::mem::replace(&mut self.hosts[place].wake, at) {
            self.wakes.remove(&(before, place));
        }
        self.wakes.extend(at.map(|at| (at, place)));
    }

    /// Ends an engine's run.
    fn end(&mut self, place: usize) {
        if std::mem::replace(&mut self.hosts[place].has_ended, true) {
            return;
        }
        self.hand(place, |engine, out| engine.finish(out));
        self.wake(place, None);
        let desk = &mut self.hosts[place].desk;
        desk.close_all(&mut self.ports);
        for outgoing in std::mem::take(&mut desk.outgoing) {
            self.put(outgoing);
        }
    }

    /// Takes a datagram onto the network.
    fn put(&mut self, outgoing: Outgoing) {
        let Outgoing { source, destination, hop_limit, traffic_class, payload } = outgoing;
        self.traffic.sent += 1;
        let delivery = delivery(destination.ip());
        let targets: Vec<IpAddr> = match delivery {
            Delivery::Unicast | Delivery::Unknown => vec![destination.ip()],
            Delivery::Broadcast | Delivery::Multicast => {
                let of_family = |ip: &&IpAddr| ip.is_ipv4() == destination.is_ipv4();
                self.at.keys().filter(of_family).copied().collect()
            }
        };
        self.traffic.copied += targets.len().saturating_sub(1) as u64;
        self.traffic.undeliverable += u64::from(targets.is_empty());
        for target in targets {
            let what = What::Datagram(payload.clone());
            self.cross(Flying { source, destination, target, hop_limit, traffic_class, what, logged: None });
        }
    }

    /// Sends something over its link.
    fn cross(&mut self, mut flying: Flying) {
        let known = |ip: IpAddr| Some(ip).filter(|ip| self.at.contains_key(ip));
        let ends = (known(flying.source.ip()), known(flying.target));
        let is_refusal = matches!(flying.what, What::Refusal(_));
        let mut crossing = Crossing {
            source: flying.source,
            destination: flying.destination,
            payload_len: flying.payload().len(),
            is_refusal,
            number: 0,
            is_copy: false,
            is_corrupted: false,
            is_marked: false,
            sent: self.elapsed(),
            outcome: Outcome::HopLimit,
        };
        let too_big = self.links.too_big(ends).filter(|_| !is_refusal);
        let too_big = too_big.map(|mtu| (Cause::TooBig { mtu }, flying.payload().to_vec()));
        let may_log = self.log.len() < self.most_logged;
        flying.logged = may_log.then_some(self.log.len());
        if let Some(fates) = self.links.cross(self.now, ends, flying) {
            crossing.number = fates.number;
            self.note(&crossing, fates);
            if let (Some((cause, payload)), Fate::Lost(LostBy::Mtu)) = (too_big, fates.original) {
                self.refuse(crossing.source, crossing.destination, cause, payload);
            }
            return;
        }
        self.traffic.lost += u64::from(!is_refusal);
        if may_log {
            self.log.push(crossing);
        }
    }

    /// Counts and logs what a link has decided.
    fn note(&mut self, crossing: &Crossing, fates: Fates) {
        if !crossing.is_refusal {
            self.traffic.duplicated += u64::from(fates.copy.is_some());
        }
        for (is_copy, fate) in [false, true].into_iter().zip(fates.iter()) {
            let mut crossing = Crossing { is_copy, ..crossing.clone() };
            match fate {
                Fate::Leaves(departure) => {
                    crossing.outcome = Outcome::UnderWay;
                    crossing.is_corrupted = departure.flipped_bit.is_some();
                    crossing.is_marked = departure.ce_marked;
                }
                Fate::Lost(by) => {
                    crossing.outcome = Outcome::Lost(by);
                    self.traffic.lost += u64::from(!crossing.is_refusal);
                }
            }
            if self.log.len() < self.most_logged {
                self.log.push(crossing);
            }
        }
    }

    /// Takes what has left its link.
    fn arrive(&mut self, left: Left<Flying>) {
        let logged = left.datagram.logged.map(|place| place + usize::from(left.is_copy));
        let Flying { source, destination, target, hop_limit, traffic_class, what, .. } = left.datagram;
        let elapsed = self.elapsed();
        let local = SocketAddr::new(target, destination.port());
        let mut receivers = self.ports.receivers(local).to_vec();
        if let Some(crossing) = logged.and_then(|place| self.log.get_mut(place)) {
            crossing.outcome = if receivers.is_empty() { Outcome::Nobody(elapsed) } else { Outcome::Arrived(elapsed) };
        }
        let mut payload = match what {
            What::Datagram(payload) => payload,
            What::Refusal(unreachable) => {
                if let Some((place, via)) = receivers.first().copied() {
                    self.call(place, |engine, out| engine.unreachable(via, &unreachable, out));
                    self.touched.insert(place);
                }
                return;
            }
        };
        left.departure.corrupt(&mut payload);
        let delivery = delivery(destination.ip());
        if receivers.is_empty() {
            self.traffic.undeliverable += 1;
            let hosts = self.at.get(&destination.ip());
            let is_told = hosts.is_some_and(|hosts| hosts.iter().all(|place| !self.hosts[*place].desk.is_silent));
            if delivery == Delivery::Unicast && is_told {
                self.refuse(source, destination, Cause::Port, payload);
            }
            return;
        }
        if delivery == Delivery::Unicast {
            receivers = vec![receivers[usize::from(source.port()) % receivers.len()]];
        }
        self.traffic.copied += receivers.len() as u64 - 1;
        for (place, via) in receivers {
            self.traffic.delivered += 1;
            let meta = Meta::new(source)
                .destination(destination.ip())
                .local(target)
                .delivery(delivery)
                .hop_limit(hop_limit)
                .traffic_class(left.departure.mark(traffic_class))
                .received(self.hosts[place].desk.utc(elapsed));
            let train = Train::new(&meta, &payload, payload.len());
            self.call(place, |engine, out| engine.receive(via, train, out));
            self.touched.insert(place);
        }
    }

    /// Reports to the source of a datagram why it was not delivered.
    fn refuse(&mut self, source: SocketAddr, destination: SocketAddr, cause: Cause, mut payload: Vec<u8>) {
        payload.truncate(QUOTED);
        self.traffic.refused += 1;
        let unreachable = Unreachable::new(destination, Some(destination.ip()), cause).payload(payload);
        self.cross(Flying {
            source: SocketAddr::new(destination.ip(), 0),
            destination: source,
            target: source.ip(),
            hop_limit: u8::MAX,
            traffic_class: 0,
            what: What::Refusal(unreachable),
            logged: None,
        });
    }
}
