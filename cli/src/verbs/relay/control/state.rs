//! The state of the relay in JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use udpkit::impairment::{ImpairmentOptions, LinkCounts, LostBy};
use udpkit::verbs::{Direction, DirectionFigures, RelayFigures};
use udpkit::{Network, Report};

use super::super::command;
use super::super::target::Current;
use super::board::Board;
use super::record::nanoseconds;
use crate::output::endpoints;
use crate::words::endpoint::Endpoint;
use crate::words::impairments::Words;

/// What does not change while it runs.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Where peers send to.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) target: Current,
    pub(crate) seed: u64,
    /// The words of the command line.
    pub(crate) command: Vec<String>,
}

/// The state, as `GET /api/state` has it.
#[derive(Serialize)]
pub(super) struct State<'a> {
    v: u32,
    #[serde(serialize_with = "endpoints")]
    listen: &'a [SocketAddr],
    target: Endpoint,
    seed: u64,
    elapsed_ns: u64,
    peers: Peers,
    up: Way,
    down: Way,
    peer_links: Vec<PeerLinks>,
    ignored: BTreeMap<&'static str, u64>,
    command: String,
    /// What the command leaves out, though the relay does it.
    command_lacks: Vec<&'static str>,
}

#[derive(Serialize)]
struct Peers {
    now: u64,
    ever: u64,
    expired: u64,
    evicted: u64,
    lost: u64,
}

/// A direction: what all links of it did, and what the shared one does.
#[derive(Serialize)]
struct Way {
    #[serde(flatten)]
    link: Link,
    paused: bool,
    received: u64,
    received_bytes: u64,
    injected: u64,
    forwarded: u64,
    forwarded_bytes: u64,
    send_failed: u64,
    refused: u64,
    forgotten: u64,
    unfinished: u64,
    delay_p50_ns: Option<u64>,
    delay_p99_ns: Option<u64>,
}

/// The links that a network has for itself.
#[derive(Serialize)]
struct PeerLinks {
    peer: String,
    up: OwnLink,
    down: OwnLink,
}

/// A link that a network has for itself.
#[derive(Serialize)]
struct OwnLink {
    #[serde(flatten)]
    link: Link,
    received: u64,
    left: u64,
}

/// What a link does, and did.
#[derive(Serialize)]
struct Link {
    impairments: Words,
    exempt: u64,
    duplicated: u64,
    under_way: u64,
    corrupted: u64,
    overtaken: u64,
    marked: u64,
    lost: BTreeMap<&'static str, u64>,
}

impl<'a> State<'a> {
    /// The state: what the relay reports, and what else is known of it so long after its start.
    pub(super) fn new(facts: &'a Facts, report: &Report<RelayFigures>, board: &Board, elapsed_ns: u64) -> Self {
        let own = &report.own;
        let peers = Peers {
            now: own.peers_now,
            ever: own.peers_ever,
            expired: own.peers_expired,
            evicted: own.peers_evicted,
            lost: own.peers_lost,
        };
        let shared = &board.links()[0].options;
        let words = shared.each_ref().map(Words::of);
        let networks = board.links().iter().filter_map(|links| {
            let network = links.network?;
            let [up, down] = &links.options;
            let link = |direction, options| OwnLink::new(network, own.of(direction), options);
            let (up, down) = (link(Direction::Up, up), link(Direction::Down, down));
            Some(PeerLinks { peer: network.to_string(), up, down })
        });
        Self {
            v: 1,
            listen: &facts.listen,
            target: Endpoint(facts.target.get()),
            seed: facts.seed,
            elapsed_ns,
            peers,
            up: Way::new(&own.up, &shared[0]),
            down: Way::new(&own.down, &shared[1]),
            peer_links: networks.collect(),
            ignored: report.ignored.iter().map(|(reason, count)| (reason.key(), count)).collect(),
            command_lacks: lacks(&facts.command, board),
            command: command::line(&facts.command, &words[0], &words[1], facts.seed),
        }
    }
}

/// What the command line of a relay leaves out: the links that networks have for themselves, and what its scenario changes
/// later.
fn lacks(command: &[String], board: &Board) -> Vec<&'static str> {
    let lacks = [("peer_links", board.links().len() > 1), ("scenario", command::has_scenario(command))];
    lacks.into_iter().filter(|(_, is_lacking)| *is_lacking).map(|(what, _)| what).collect()
}

impl Way {
    fn new(figures: &DirectionFigures, options: &ImpairmentOptions) -> Self {
        let delay = &figures.achieved_delay;
        let quantile = |part| (delay.count() > 0).then(|| nanoseconds(delay.at(part)));
        Self {
            link: Link::new(&figures.links, options),
            paused: figures.is_paused,
            received: figures.received.datagrams,
            received_bytes: figures.received.bytes,
            injected: figures.injected,
            forwarded: figures.forwarded.datagrams,
            forwarded_bytes: figures.forwarded.bytes,
            send_failed: figures.send_failed,
            refused: figures.refused,
            forgotten: figures.forgotten,
            unfinished: figures.unfinished,
            delay_p50_ns: quantile(0.5),
            delay_p99_ns: quantile(0.99),
        }
    }
}

impl OwnLink {
    fn new(network: Network, figures: &DirectionFigures, options: &ImpairmentOptions) -> Self {
        let counts = figures.own_links.iter().find(|link| link.network == network).map(|link| link.counts);
        let counts = counts.unwrap_or_default();
        Self { link: Link::new(&counts, options), received: counts.entered, left: counts.left }
    }
}

impl Link {
    fn new(counts: &LinkCounts, options: &ImpairmentOptions) -> Self {
        Self {
            impairments: Words::of(options),
            exempt: counts.exempt,
            duplicated: counts.duplicated,
            under_way: counts.under_way,
            corrupted: counts.corrupted,
            overtaken: counts.overtaken,
            marked: counts.marked,
            lost: LostBy::ALL.iter().map(|by| (by.key(), counts.lost(*by))).collect(),
        }
    }
}
