//! The links between hosts, one for each direction, and what is under way on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::datagram::Delivery;
use crate::error::Result;
use crate::impairment::{Arrival, Fates, ImpairmentOptions, Left, Link, LinkCounts, seed_with};
use crate::setters::setters;
use crate::unreachable::Unreachable;

/// What a datagram meets on its way from one host to another, in one direction.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Path {
    /// What the network does to it. A millisecond of delay by default.
    pub impairment: ImpairmentOptions,
    /// Routers on the way: each takes one from the hop limit, and drops in silence what has no more. None by default.
    pub hops: u8,
    /// The MTU that is reported (ICMP) to who sent a datagram that was over that of the impairment. It may be another, as where a
    /// router is wrong or somebody lies. By default nothing is reported.
    pub too_big: Option<u32>,
}

setters! { Path {
    impairment: ImpairmentOptions,
    hops: u8,
    into too_big: Option<u32>,
}}

impl Default for Path {
    fn default() -> Self {
        Self { impairment: ImpairmentOptions::default().delay(Duration::from_millis(1)), hops: 0, too_big: None }
    }
}

impl From<ImpairmentOptions> for Path {
    fn from(impairment: ImpairmentOptions) -> Self {
        Self { impairment, hops: 0, too_big: None }
    }
}

/// Both ends of a link; those that no host has are all the same to it.
pub(super) type Ends = (Option<IpAddr>, Option<IpAddr>);

/// All links of a network, each laid when it is needed.
pub(super) struct Links {
    start: Instant,
    seed: u64,
    usual: Path,
    ways: Vec<Way>,
    between: BTreeMap<Ends, usize>,
    /// When which link has something that arrives.
    arrivals: BTreeSet<(Instant, usize)>,
}

/// A direction between two ends.
struct Way {
    link: Link<Flying>,
    hops: u8,
    too_big: Option<u32>,
    /// Whether it is as most are.
    is_usual: bool,
    /// What of it is in `arrivals`.
    arrival: Option<Instant>,
}

/// Something under way.
#[derive(Clone)]
pub(super) struct Flying {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// The host that it goes to.
    pub(super) target: IpAddr,
    pub(super) hop_limit: u8,
    pub(super) traffic_class: u8,
    pub(super) what: What,
    /// Its place in the log; its copy has the next one.
    pub(super) logged: Option<usize>,
}

#[derive(Clone)]
pub(super) enum What {
    Datagram(Vec<u8>),
    Refusal(Unreachable),
}

impl Flying {
    pub(super) fn payload(&self) -> &[u8] {
        match &self.what {
            What::Datagram(payload) => payload,
            What::Refusal(unreachable) => &unreachable.payload,
        }
    }
}

impl Links {
    pub(super) fn new(seed: u64, start: Instant) -> Self {
        let usual = Path::default();
        Self { start, seed, usual, ways: Vec::new(), between: BTreeMap::new(), arrivals: BTreeSet::new() }
    }

    pub(super) fn set_all(&mut self, path: Path) -> Result<()> {
        path.impairment.check()?;
        for way in self.ways.iter_mut().filter(|way| way.is_usual) {
            way.link.change(path.impairment.clone())?;
            (way.hops, way.too_big) = (path.hops, path.too_big);
        }
        self.usual = path;
        Ok(())
    }

    pub(super) fn set_one(&mut self, from: IpAddr, to: IpAddr, path: Path) -> Result<()> {
        let place = self.between((Some(from), Some(to)));
        let way = &mut self.ways[place];
        way.link.change(path.impairment)?;
        (way.hops, way.too_big, way.is_usual) = (path.hops, path.too_big, false);
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.ways.len()
    }

    pub(super) fn counts(&self, from: IpAddr, to: IpAddr) -> Option<LinkCounts> {
        self.between.get(&(Some(from), Some(to))).map(|place| self.ways[*place].link.counts())
    }

    /// The link between two ends.
    fn between(&mut self, ends: Ends) -> usize {
        if let Some(place) = self.between.get(&ends) {
            return *place;
        }
        let link = Link::new(self.usual.impairment.clone(), seed_of(self.seed, ends), self.start);
        let link = link.expect("what most links are like was checked");
        let Path { hops, too_big, .. } = self.usual;
        self.ways.push(Way { link, hops, too_big, is_usual: true, arrival: None });
        self.between.insert(ends, self.ways.len() - 1);
        self.ways.len() - 1
    }

    /// What MTU is reported of datagrams that are too long for this link, if any.
    pub(super) fn too_big(&mut self, ends: Ends) -> Option<u32> {
        let place = self.between(ends);
        self.ways[place].too_big
    }

    /// Sends something over its link; `None` where its hop limit is used up on the way.
    pub(super) fn cross(&mut self, now: Instant, ends: Ends, mut flying: Flying) -> Option<Fates> {
        let place = self.between(ends);
        let way = &mut self.ways[place];
        flying.hop_limit = flying.hop_limit.checked_sub(way.hops).filter(|left| *left > 0)?;
        // The link is handed what it may look at, and beside it what it holds.
        let is_looked_at = way.link.impairment().options().matching.is_some();
        let payload = is_looked_at.then(|| flying.payload().to_vec());
        let arrival = Arrival::from(flying.payload().len())
            .payload(payload.as_deref())
            .source(flying.source.ip())
            .traffic_class(flying.traffic_class);
        let fates = way.link.push(now, arrival, flying);
        self.look_at(place);
        Some(fates)
    }

    /// When something arrives next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.arrivals.first().map(|(at, _)| *at)
    }

    /// What has arrived by now.
    pub(super) fn arrived(&mut self, now: Instant) -> Vec<Left<Flying>> {
        let mut arrived = Vec::new();
        while let Some((at, place)) = self.arrivals.first().copied()
            && at <= now
        {
            arrived.extend(self.ways[place].link.pop(now));
            self.look_at(place);
        }
        arrived
    }

    /// Notes when something arrives over this link next.
    fn look_at(&mut self, place: usize) {
        let way = &mut self.ways[place];
        let next = way.link.next();
        if let Some(before) = std::mem::replace(&mut way.arrival, next) {
            self.arrivals.remove(&(before, place));
        }
        self.arrivals.extend(next.map(|next| (next, place)));
    }
}

/// To whom datagrams to this address go.
pub(super) fn delivery(destination: IpAddr) -> Delivery {
    match destination {
        IpAddr::V4(v4) if v4.octets()[3] == 255 => Delivery::Broadcast,
        _ if destination.is_multicast() => Delivery::Multicast,
        _ => Delivery::Unicast,
    }
}

/// A seed for each link, of its ends, so that it does not matter when it was laid.
fn seed_of(seed: u64, (from, to): Ends) -> u64 {
    let octets = |ip: Option<IpAddr>| match ip {
        None => vec![],
        Some(IpAddr::V4(v4)) => v4.octets().to_vec(),
        Some(IpAddr::V6(v6)) => v6.octets().to_vec(),
    };
    seed_with(seed, octets(from).into_iter().chain([0]).chain(octets(to)))
}
