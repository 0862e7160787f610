//! What `relay` is asked for, and what may be handed to it while it runs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::common::Limits;
use crate::direction::Direction;
use crate::impairment::ImpairmentOptions;
use crate::network::Network;
use crate::options::Options;
use crate::setters::setters;

/// The hop limit that the sockets of a relay have: what a router makes of the usual 64.
pub(super) const USUAL_HOP_LIMIT: u8 = 63;
/// How long a datagram waits while the socket or the device can take no more.
const SEND_WAIT: Duration = Duration::from_millis(5);

/// What `relay` is asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelayOptions {
    /// Where peers' datagrams go.
    pub target: SocketAddr,
    /// Where copies of them go, too: addresses of the target's family. What these answer is ignored.
    pub copies_to: Vec<SocketAddr>,
    /// The addresses of the sockets that it is driven with.
    pub own: Vec<SocketAddr>,
    /// Names of the interfaces whose datagrams are relayed; all where there are none.
    pub interfaces: Vec<String>,
    /// For each socket, the only destination relayed there, if it hears others too.
    pub destinations: Vec<Option<IpAddr>>,
    /// What the network does to datagrams on their way to the target.
    pub up: ImpairmentOptions,
    /// What it does to them on their way back.
    pub down: ImpairmentOptions,
    /// Networks whose peers have links of their own; of several that a peer is in, the first. At most
    /// [`MOST_NETWORKS`](Self::MOST_NETWORKS), further ones are left out.
    pub peers: Vec<PeerImpairments>,
    /// What changes when.
    pub scenario: Vec<ScenarioStep>,
    /// What chance is made of: the same seed gives the nth datagram of a link the same fate.
    pub seed: u64,
    /// The most peers at a time; for another, the one for which nothing was relayed for the longest time is forgotten.
    pub most_peers: usize,
    /// How long a peer is remembered for which nothing is relayed; more than zero. 5 minutes by default (RFC 4787, REQ-5).
    pub idle: Duration,
    /// The address that datagrams to the target leave from, of its family; `None` leaves it to the routing table.
    pub local: Option<IpAddr>,
    /// The most hops with which datagrams leave; at least 2 where the target is a group or a network, and 4 there unless this says
    /// another number. They have one less than they came with anyway, so that a loop between two relays ends.
    pub hop_limit: Option<u8>,
    /// The DSCP with which datagrams leave; `None`: that with which they came. ECN is passed on in any case.
    pub dscp: Option<u8>,
    /// Whether each datagram to the target begins with a header that says who sent it (PROXY protocol, version 2).
    pub proxy_protocol: bool,
    /// How long before a datagram is to leave to watch the clock instead of sleeping. With a tenth of a millisecond it
    /// leaves within some microseconds of its time, which costs up to a whole processor; without, some 50 microseconds late.
    pub busy_wait: Duration,
    /// Size of the receive buffer of each socket to the target in bytes; `None`: the system's.
    pub receive_buffer: Option<usize>,
    /// The time after which to end, or the number of datagrams, both directions together, after which to take no more: then the
    /// run ends once what is under way has left.
    pub limits: Limits,
    /// Whether to report what becomes of each datagram ([`Event::Fate`](crate::Event::Fate), [`Event::Left`](crate::Event::Left)).
    pub report_fates: bool,
    /// How many of these fates [`Relay::truth`](crate::Relay::truth) holds at most; the oldest go first. 65,536 by default.
    pub kept_fates: usize,
}

setters! { RelayOptions {
    target: SocketAddr,
    into copies_to: Vec<SocketAddr>,
    into own: Vec<SocketAddr>,
    into interfaces: Vec<String>,
    into destinations: Vec<Option<IpAddr>>,
    up: ImpairmentOptions,
    down: ImpairmentOptions,
    into peers: Vec<PeerImpairments>,
    into scenario: Vec<ScenarioStep>,
    seed: u64,
    most_peers: usize,
    idle: Duration,
    into local: Option<IpAddr>,
    into hop_limit: Option<u8>,
    into dscp: Option<u8>,
    proxy_protocol: bool,
    busy_wait: Duration,
    into receive_buffer: Option<usize>,
    limits: Limits,
    report_fates: bool,
    kept_fates: usize,
}}

impl RelayOptions {
    /// Networks that can have links of their own.
    pub const MOST_NETWORKS: usize = 256;

    /// Relays to this target, as a perfect network would: for 1,024 peers, with seed 1.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self {
            target,
            copies_to: Vec::new(),
            own: Vec::new(),
            interfaces: Vec::new(),
            destinations: Vec::new(),
            up: ImpairmentOptions::default(),
            down: ImpairmentOptions::default(),
            peers: Vec::new(),
            scenario: Vec::new(),
            seed: 1,
            most_peers: 1024,
            idle: Duration::from_secs(300),
            local: None,
            hop_limit: None,
            dscp: None,
            proxy_protocol: false,
            busy_wait: Duration::ZERO,
            receive_buffer: None,
            limits: Limits::default(),
            report_fates: false,
            kept_fates: 65_536,
        }
    }

    /// What the sockets that peers send to must be asked for, so that datagrams are passed on as they came, replies leave
    /// from the address that was asked, and loops end.
    #[must_use]
    pub fn socket_options(&self) -> Options {
        Options { destination: true, ..self.upstream_options() }
    }

    /// What the sockets to the target are asked for.
    pub(super) fn upstream_options(&self) -> Options {
        Options {
            errors: true,
            coalesce: true,
            hop_limits: true,
            traffic_classes: true,
            timestamps: true,
            hop_limit: Some(self.usual_hop_limit()),
            send_wait: SEND_WAIT,
            receive_buffer: self.receive_buffer,
            ..Options::default()
        }
    }

    /// The hop limit of what has none of its own.
    pub(super) fn usual_hop_limit(&self) -> u8 {
        self.hop_limit.unwrap_or(USUAL_HOP_LIMIT)
    }
}

/// What the network does to datagrams of some peers: on links that these share, and no others.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PeerImpairments {
    /// Whose.
    pub network: Network,
    /// On their way to the target.
    pub up: ImpairmentOptions,
    /// On their way back.
    pub down: ImpairmentOptions,
}

setters! { PeerImpairments {
    network: Network,
    up: ImpairmentOptions,
    down: ImpairmentOptions,
}}

impl PeerImpairments {
    /// Nothing, until it is set.
    #[must_use]
    pub fn new(network: Network) -> Self {
        Self { network, up: ImpairmentOptions::default(), down: ImpairmentOptions::default() }
    }
}

/// What may be handed to a relay while it runs ([`Remote::input`](crate::Remote::input)). What cannot be (impairments that
/// [`ImpairmentOptions`] refuses, a network too many) is reported as [`Event::Trouble`](crate::Event::Trouble), and changes nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RelayInput {
    /// What a link does to the datagrams that come from now on.
    Impair(Box<LinkChange>),
    /// Ends the links that a network has for itself; its peers take those of all others. What is under way there is lost.
    Forget(Network),
    /// Another scenario, whose time begins now, and which begins again when the relay is reset. Networks that it does not name
    /// have no links of their own any more; what is under way there is lost.
    Scenario(Box<RelayScenario>),
    /// Another target, also of what is under way to the old one. Where it is of the other family, all peers are forgotten.
    Target(SocketAddr),
    /// Lets nothing leave in this direction; what comes is decided on and held.
    Pause(Direction),
    /// Ends a pause: what should have left leaves at once.
    Resume(Direction),
    /// Lets the next datagram leave of a direction that is paused, whichever link it is on.
    Step(Direction),
    /// Sends a datagram as if it had come, past all impairments. An error where there is no such peer.
    Inject(Injection),
    /// Begins again: counters, numbers and draws, links and scenario are as at the start, or as the last
    /// [`Scenario`](Self::Scenario) has them. Peers stay, what is under way is lost, and the run's
    /// [limits](RelayOptions::limits) count from its start.
    Reset,
}

/// Another impairment of a link.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LinkChange {
    /// The network whose own link it is; `None`: that of all others. A network without links of its own gets them; in the
    /// other direction, its link does what that of all others does at that moment.
    pub network: Option<Network>,
    /// Which way.
    pub direction: Direction,
    /// What the link does.
    pub options: ImpairmentOptions,
}

setters! { LinkChange {
    into network: Option<Network>,
    direction: Direction,
    options: ImpairmentOptions,
}}

impl LinkChange {
    /// Of the link of all.
    #[must_use]
    pub fn new(direction: Direction, options: ImpairmentOptions) -> Self {
        Self { network: None, direction, options }
    }
}

/// A datagram that did not come, and is sent as if it had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injection {
    /// Which way.
    pub direction: Direction,
    /// The peer that it comes from or goes to.
    pub peer: SocketAddr,
    /// Its payload.
    pub payload: Vec<u8>,
}

setters! { Injection {
    direction: Direction,
    peer: SocketAddr,
    into payload: Vec<u8>,
}}

impl Injection {
    /// With this payload.
    #[must_use]
    pub fn new(direction: Direction, peer: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        Self { direction, peer, payload: payload.into() }
    }
}

/// What links do, and what changes when.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RelayScenario {
    /// What the network does to datagrams on their way to the target.
    pub up: ImpairmentOptions,
    /// What it does to them on their way back.
    pub down: ImpairmentOptions,
    /// Networks whose peers have links of their own, as in [`RelayOptions::peers`].
    pub peers: Vec<PeerImpairments>,
    /// What changes when.
    pub steps: Vec<ScenarioStep>,
}

setters! { RelayScenario {
    up: ImpairmentOptions,
    down: ImpairmentOptions,
    into peers: Vec<PeerImpairments>,
    into steps: Vec<ScenarioStep>,
}}

/// A change of a link, at a time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScenarioStep {
    /// When, counted from the start.
    pub at: Duration,
    /// Which link, and what it does from then on.
    pub change: LinkChange,
}

setters! { ScenarioStep {
    at: Duration,
    change: LinkChange,
}}

impl ScenarioStep {
    /// So long after the start.
    #[must_use]
    pub fn new(at: Duration, change: LinkChange) -> Self {
        Self { at, change }
    }
}
