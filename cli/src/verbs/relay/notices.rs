//! What `udp relay` says: where it listens, and what it came to.

use std::net::SocketAddr;

use serde::Serialize;
use udpkit::verbs::{Direction, DirectionFigures, RelayFigures};
use udpkit::{Capability, Report};

use crate::args::RelayArgs;
use crate::output::summary::{Summary, dropped, ignored};
use crate::output::{Notice, endpoints};
use crate::runtime::missing::{self, Consequence};
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// It relays from now on.
#[derive(Serialize)]
pub(super) struct Relaying<'a> {
    #[serde(serialize_with = "endpoints")]
    pub(super) addresses: &'a [SocketAddr],
    pub(super) target: Endpoint,
    pub(super) seed: u64,
}

impl Notice for Relaying<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("relaying")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        let places: Vec<_> = self.addresses.iter().map(|address| Endpoint(*address).to_string()).collect();
        vec![format!("relaying from {} to {}, seed {}", places.join(", "), self.target, self.seed)]
    }
}

/// What is different for a relay where something is missing.
pub(super) fn consequences(args: &RelayArgs) -> Vec<Consequence> {
    let mut all = missing::of_flags(&args.common);
    all.push((Capability::Destination, "answers leave from the address that routing chooses"));
    all.push((Capability::HopLimits, "what two relays send to and fro does not die out"));
    all.push((Capability::KernelDrops, "drops are not counted"));
    all
}

/// What a relay has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct Relayed {
    seed: u64,
    peers: u64,
    up: Way,
    down: Way,
}

/// What happened in one direction.
#[derive(Serialize)]
struct Way {
    received: u64,
    received_bytes: u64,
    forwarded: u64,
    forwarded_bytes: u64,
    lost: u64,
}

impl Way {
    fn new(figures: &DirectionFigures) -> Self {
        Self {
            received: figures.received.datagrams,
            received_bytes: figures.received.bytes,
            forwarded: figures.forwarded.datagrams,
            forwarded_bytes: figures.forwarded.bytes,
            lost: figures.links.lost_in_all(),
        }
    }
}

/// What a run came to.
pub(super) fn summary(report: &Report<RelayFigures>, seed: u64, receive_buffer: usize) -> Summary<Relayed> {
    let own = &report.own;
    let relayed = Relayed { seed, peers: own.peers_ever, up: Way::new(&own.up), down: Way::new(&own.down) };
    Summary::new(report, relayed, words(report, seed, receive_buffer))
}

fn words(report: &Report<RelayFigures>, seed: u64, receive_buffer: usize) -> Vec<String> {
    let own = &report.own;
    let elapsed = units::human(report.elapsed);
    let mut lines = vec![format!("relayed for {} peers in {elapsed}, seed {seed}", own.peers_ever)];
    for &direction in Direction::ALL {
        let figures = own.of(direction);
        let (received, forwarded) = (figures.received.datagrams, figures.forwarded.datagrams);
        lines.push(format!(
            "  {direction}: {received} received, {forwarded} forwarded, {} lost",
            figures.links.lost_in_all()
        ));
    }
    lines.extend(ignored(report));
    lines.extend(dropped(report, receive_buffer));
    lines
}
