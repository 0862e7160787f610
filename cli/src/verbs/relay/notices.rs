//! What `udp relay` says: where it listens, what changes, how it goes, what it came to.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use udpkit::event::{Impaired, PeerChange, PeerChanged};
use udpkit::verbs::{Direction, DirectionFigures, RelayFigures};
use udpkit::{Capability, Quantiles, Report};

use super::asked::{self, Asked, Changes, LinkSummary};
use super::scenario::Plan;
use super::truth::Written;
use crate::args::RelayArgs;
use crate::output::json::is_false;
use crate::output::summary::{Lateness, Summary, counts, dropped, ignored};
use crate::output::{Notice, Remark, Tone, endpoints};
use crate::runtime::missing::{self, Consequence};
use crate::words::endpoint::Endpoint;
use crate::words::impairments::{Words, command_line};
use crate::words::spelling::shell_line;
use crate::words::units;

/// That there is room for fewer peers than asked for, since each takes a descriptor.
pub(super) fn fewer_peers(most: usize, args: &RelayArgs) -> Option<Remark> {
    let peers = units::counted(most as u64, "peer");
    (most < args.max_peers as usize)
        .then(|| Remark::note(format!("at most {peers} at a time: the system permits no more descriptors (ulimit -n)")))
}

/// It relays from now on.
#[derive(Serialize)]
pub(super) struct Relaying<'a> {
    #[serde(serialize_with = "endpoints")]
    pub(super) addresses: &'a [SocketAddr],
    pub(super) target: Endpoint,
    pub(super) seed: u64,
    /// What is done to datagrams from the start, in words.
    up: &'a Words,
    down: &'a Words,
    /// The preset that some of the words are from, and where its figures are from.
    #[serde(skip_serializing_if = "Option::is_none")]
    like: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    /// Whether there is more to the words than the command line.
    #[serde(skip)]
    is_news: bool,
}

impl<'a> Relaying<'a> {
    pub(super) fn new(addresses: &'a [SocketAddr], target: SocketAddr, seed: u64, plan: &'a Plan) -> Self {
        let Plan { preset, start, .. } = plan;
        Self {
            addresses,
            target: Endpoint(target),
            seed,
            up: &start.up,
            down: &start.down,
            like: preset.map(|preset| preset.name),
            source: preset.map(|preset| preset.source),
            is_news: preset.is_some() || plan.has_file,
        }
    }
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
        let mut lines = vec![format!("relaying from {} to {}, seed {}", places.join(", "), self.target, self.seed)];
        let flags = command_line::flags(self.up, self.down);
        if self.is_news && !flags.is_empty() {
            lines.push(format!("  {}", shell_line(&flags)));
        }
        if let (Some(name), Some(source)) = (self.like, self.source) {
            lines.push(format!("  {name}: {source}"));
        }
        lines
    }
}

/// What is different for a relay where something is missing.
pub(super) fn consequences(args: &RelayArgs) -> Vec<Consequence> {
    let mut all = missing::of_flags(&args.common);
    all.push((Capability::Destination, "answers leave from the address that routing chooses"));
    all.push((Capability::HopLimits, "a loop between two relays does not end"));
    all.push((Capability::KernelDrops, "drops are not counted"));
    all
}

/// A peer came or went.
#[derive(Serialize)]
pub(super) struct PeerNotice {
    peer: Endpoint,
    /// The address of the socket that speaks to the target for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Endpoint>,
    change: &'static str,
    #[serde(skip)]
    words: &'static str,
}

impl PeerNotice {
    pub(super) fn new(changed: &PeerChanged) -> Self {
        let words = match changed.change {
            PeerChange::Appeared => "appeared",
            PeerChange::Expired => "forgotten: nothing was relayed for it",
            PeerChange::Evicted => "forgotten to make room for another",
            _ => "forgotten: its socket was lost",
        };
        let upstream = changed.upstream.map(Endpoint);
        Self { peer: Endpoint(changed.peer), upstream, change: changed.change.key(), words }
    }
}

impl Notice for PeerNotice {
    fn kind(&self) -> Option<&'static str> {
        Some("peer")
    }

    fn words(&self) -> Vec<String> {
        let Self { peer, upstream, words, .. } = self;
        let upstream = upstream.map(|upstream| format!(" (from {upstream} to the target)")).unwrap_or_default();
        vec![format!("peer {peer} {words}{upstream}")]
    }
}

/// A link does something else from now on.
#[derive(Serialize)]
pub(super) struct ImpairedNotice {
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    reset: bool,
    /// What it does; `None`: the network has no link of its own any more.
    impairments: Option<Words>,
}

impl ImpairedNotice {
    pub(super) fn new(impaired: &Impaired<'_>) -> Self {
        Self {
            direction: impaired.direction.key(),
            network: impaired.network.map(|network| network.to_string()),
            reset: impaired.is_reset,
            impairments: impaired.options.map(Words::of),
        }
    }
}

impl Notice for ImpairedNotice {
    fn kind(&self) -> Option<&'static str> {
        Some("impaired")
    }

    fn words(&self) -> Vec<String> {
        let Self { direction, network, reset, impairments } = self;
        let whose = network.as_ref().map(|network| format!(" for {network}")).unwrap_or_default();
        let does = match impairments {
            None => "as for all others".to_owned(),
            Some(words) if words.is_empty() => "no impairment".to_owned(),
            Some(words) => {
                words.iter().map(|(name, value)| format!("{} {value}", name.word())).collect::<Vec<_>>().join(", ")
            }
        };
        let reset = if *reset { " (reset: counted from zero again)" } else { "" };
        vec![format!("{direction}{whose} from now on: {does}{reset}")]
    }
}

/// How it goes: what was relayed so far, and how much in a second.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    peers: u64,
    up: WayStatus,
    down: WayStatus,
    #[serde(skip)]
    report: &'a Report<RelayFigures>,
}

/// How it goes in one direction.
#[derive(Serialize)]
struct WayStatus {
    received_per_second: f64,
    received: u64,
    forwarded: u64,
    lost: u64,
    under_way: u64,
}

impl WayStatus {
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    fn new(before: &DirectionFigures, now: &DirectionFigures, time: Duration) -> Self {
        let new = now.received.datagrams.saturating_sub(before.received.datagrams) as f64;
        Self {
            received_per_second: if time.is_zero() { 0.0 } else { new / time.as_secs_f64() },
            received: now.received.datagrams,
            forwarded: now.forwarded.datagrams,
            lost: now.links.lost_in_all(),
            under_way: now.links.under_way,
        }
    }
}

impl<'a> Status<'a> {
    pub(super) fn new(before: &Report<RelayFigures>, now: &'a Report<RelayFigures>) -> Self {
        let time = now.elapsed.saturating_sub(before.elapsed);
        Self {
            peers: now.own.peers_now,
            up: WayStatus::new(&before.own.up, &now.own.up, time),
            down: WayStatus::new(&before.own.down, &now.own.down, time),
            report: now,
        }
    }
}

impl Notice for Status<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("relay_status")
    }

    fn words(&self) -> Vec<String> {
        let way = |direction: Direction, way: &WayStatus| {
            let paused = if self.report.own.of(direction).is_paused { ", paused" } else { "" };
            let WayStatus { received_per_second, lost, under_way, .. } = way;
            format!("{direction} {received_per_second:.0}/s, {lost} lost, {under_way} under way{paused}")
        };
        let (up, down) = (way(Direction::Up, &self.up), way(Direction::Down, &self.down));
        let mut line = format!("{}; {up}; {down}", units::counted(self.peers, "peer"));
        if let ignored @ 1.. = self.report.ignored.total() {
            line += &format!("; {ignored} ignored");
        }
        vec![line]
    }

    fn tone(&self) -> Tone {
        Tone::Status
    }
}

/// What a summary says besides what the relay counted.
pub(super) struct Ending<'a> {
    pub(super) asked: &'a Asked,
    pub(super) changes: &'a Changes,
    pub(super) seed: u64,
    /// The command that does the same.
    pub(super) command: String,
    pub(super) truth: Option<&'a Written>,
    pub(super) receive_buffer: usize,
}

/// What a relay has in JSON besides the counters that all verbs have.
#[derive(Serialize)]
pub(super) struct Relayed {
    seed: u64,
    command: String,
    peers: u64,
    peers_now: u64,
    peers_expired: u64,
    peers_evicted: u64,
    peers_lost: u64,
    copied: u64,
    copy_failed: u64,
    copy_refused: u64,
    up: Way,
    down: Way,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth_lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth_not_written: Option<u64>,
}

/// What happened in one direction.
#[derive(Serialize)]
struct Way {
    received: u64,
    received_bytes: u64,
    injected: u64,
    forwarded: u64,
    forwarded_bytes: u64,
    send_failed: u64,
    refused: u64,
    forgotten: u64,
    unfinished: u64,
    #[serde(flatten)]
    link: LinkSummary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    own_links: Vec<LinkSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_delay: Option<Lateness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    achieved_delay: Option<Lateness>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness: Option<Lateness>,
}

impl Way {
    fn new(direction: Direction, figures: &DirectionFigures, ending: &Ending<'_>) -> Self {
        let (link, own_links) = asked::links(ending.asked, ending.changes, direction, figures);
        Self {
            received: figures.received.datagrams,
            received_bytes: figures.received.bytes,
            injected: figures.injected,
            forwarded: figures.forwarded.datagrams,
            forwarded_bytes: figures.forwarded.bytes,
            send_failed: figures.send_failed,
            refused: figures.refused,
            forgotten: figures.forgotten,
            unfinished: figures.unfinished,
            link,
            own_links,
            decided_delay: Lateness::of(&figures.decided_delay),
            achieved_delay: Lateness::of(&figures.achieved_delay),
            lateness: Lateness::of(&figures.lateness),
        }
    }

    fn lines(&self, direction: Direction, figures: &DirectionFigures) -> Vec<String> {
        let lost = figures.links.lost_in_all();
        let first = format!("  {direction}: {} received, {} forwarded", self.received, self.forwarded);
        let parts = [
            (lost, "lost"),
            (figures.links.under_way, "under way"),
            (self.injected, "injected"),
            (self.send_failed, "not sent"),
            (self.refused, "refused (ICMP)"),
            (self.forgotten, "not sent since their peer was forgotten"),
            (self.unfinished, "under way at the end"),
        ];
        let mut lines = vec![first + &counts(&parts)];
        lines.extend(self.link.lines().into_iter().map(|line| format!("    {line}")));
        lines.extend(self.own_links.iter().flat_map(LinkSummary::lines).map(|line| format!("    {line}")));
        if figures.achieved_delay.count() > 0 {
            let half = |times: &Quantiles| units::human(times.at(0.5));
            let most = |times: &Quantiles| units::human(times.at(0.99));
            let (decided, achieved) = (&figures.decided_delay, &figures.achieved_delay);
            lines.push(format!(
                "    delay decided {} (p50), {} (p99); achieved {} (p50), {} (p99)",
                half(decided),
                most(decided),
                half(achieved),
                most(achieved)
            ));
        }
        lines
    }
}

/// What a run came to.
pub(super) fn summary(report: &Report<RelayFigures>, ending: &Ending<'_>) -> Summary<Relayed> {
    let own = &report.own;
    let [up, down] = [Direction::Up, Direction::Down].map(|direction| Way::new(direction, own.of(direction), ending));
    let ways = [up.lines(Direction::Up, &own.up), down.lines(Direction::Down, &own.down)].concat();
    let words = words(report, ways, ending);
    let relayed = Relayed {
        seed: ending.seed,
        command: ending.command.clone(),
        peers: own.peers_ever,
        peers_now: own.peers_now,
        peers_expired: own.peers_expired,
        peers_evicted: own.peers_evicted,
        peers_lost: own.peers_lost,
        copied: own.copied.datagrams,
        copy_failed: own.copy_failed,
        copy_refused: own.copy_refused,
        up,
        down,
        truth_lines: ending.truth.map(|truth| truth.lines),
        truth_not_written: ending.truth.map(|truth| truth.not_written),
    };
    Summary::new(report, relayed, words)
}

fn words(report: &Report<RelayFigures>, ways: Vec<String>, ending: &Ending<'_>) -> Vec<String> {
    let own = &report.own;
    let peers = units::counted(own.peers_ever, "peer");
    let elapsed = units::human(report.elapsed);
    let gone = [
        (own.peers_expired, "idle and forgotten"),
        (own.peers_evicted, "forgotten to make room"),
        (own.peers_lost, "lost with their sockets"),
    ];
    let mut lines = vec![format!("relayed for {peers}{} in {elapsed}, seed {}", counts(&gone), ending.seed)];
    lines.extend(ways);
    if own.copied.datagrams + own.copy_failed > 0 {
        let failed = [(own.copy_failed, "not sent"), (own.copy_refused, "refused (ICMP)")];
        lines.push(format!("  {} copied to further targets{}", own.copied.datagrams, counts(&failed)));
    }
    lines.extend(ignored(report));
    lines.extend(dropped(report, ending.receive_buffer));
    if let Some(truth) = ending.truth {
        let missing = counts(&[(truth.not_written, "not written")]);
        lines.push(format!("  {} written to {}{missing}", units::counted(truth.lines, "line"), truth.path.display()));
    }
    lines.push(format!("  the same again: {}", ending.command));
    lines
}
