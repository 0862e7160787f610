//! The verdict on each point of a receiver, each from a run of its own.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use udpkit::{Interfaces, Options, Transmit};

use super::stage::{Fate, Path, Silent, Stage, Start, names};
use crate::args::CheckReceiverArgs;
use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::evidence::{escaped, large, whole};
use crate::verbs::check::marks::{find, lines_with, mark, shows};
use crate::verbs::check::networks::{Network, heard, networks};
use crate::verbs::check::point::{Judged, Point, Verdict};
use crate::verbs::check::points::receiver as points;
use crate::verbs::check::wire::{Arrival, Peer};

/// A refusal on this host takes less.
const PAUSE: Duration = Duration::from_millis(50);
/// Datagrams of a burst.
const BURST: usize = 300;
/// Why no broadcast is sent.
const NO_NETWORK: &str = "this host has no network on which its broadcasts come back to it";
/// Why what it prints is not seen.
const NOT_STARTED: &str = "what the receiver prints was not seen: let the check start it, with -- COMMAND";

/// What is known of a receiver.
pub(super) struct Judge<'a> {
    args: &'a CheckReceiverArgs,
    address: SocketAddr,
    /// Whether that is an address of this host.
    is_here: bool,
    /// The networks to which we can broadcast, and hear it.
    networks: Vec<Network>,
    /// The way by which it was reached first, once that is known.
    path: Option<Path>,
    /// Why it was not reached.
    silent: Option<Silent>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(args: &'a CheckReceiverArgs, address: SocketAddr, interfaces: &Interfaces) -> Self {
        let networks = networks(interfaces, args.judge.i_may);
        let is_here = address.ip().is_loopback() || interfaces.is_ours(address.ip());
        Self { args, address, is_here, networks, path: None, silent: None }
    }

    /// Starts it for the first time, to see how it can be reached.
    pub(super) fn begin(&mut self, bench: &mut Bench) -> Result<(), Cut> {
        bench.begin();
        self.networks = heard(bench, &self.networks)?;
        let broadcasts = self.networks.iter().map(|network| Path::Broadcast(network.clone(), self.address.port()));
        let paths: Vec<_> = std::iter::once(Path::Unicast(self.address)).chain(broadcasts).collect();
        match self.stage(bench, &paths)? {
            Ok(stage) => self.path = Some(stage.path),
            Err(silent) => self.silent = Some(silent),
        }
        Ok(())
    }

    /// Judges each point that was asked for.
    pub(super) fn all(&mut self, bench: &mut Bench) {
        for point in points::ALL {
            if bench.wants(point) {
                let judged = self.point(bench, point);
                bench.judge(point, judged);
            }
        }
    }

    fn stage(&self, bench: &mut Bench, paths: &[Path]) -> Result<Result<Stage, Silent>, Cut> {
        let Self { args, address, .. } = self;
        let start = Start { words: &args.judge.command, address: *address, paths, patience: args.judge.wait };
        Stage::begin(bench, &start)
    }

    fn point(&mut self, bench: &mut Bench, point: &'static Point) -> Result<Judged, Cut> {
        bench.budget.check()?;
        if point.name == "prints" {
            return Ok(self.prints());
        }
        let Some(path) = self.path.clone() else {
            return Ok(Judged::not_seen("nothing that it printed was seen"));
        };
        bench.begin();
        let mut stage = match self.stage(bench, &[path])? {
            Ok(stage) => stage,
            Err(silent) => return Ok(Judged::not_seen(format!("it did not begin again: {}", silent.words))),
        };
        match point.name {
            "empty" => {
                stage.send(bench, 0, b"")?;
                self.survives(bench, &mut stage, "an empty datagram")
            }
            "text" => self.text(bench, &mut stage),
            "escapes" => self.escapes(bench, &mut stage),
            "large" => self.large(bench, &mut stage),
            "burst" => self.burst(bench, &mut stage),
            _ if self.args.judge.command.is_empty() => Ok(Judged::not_seen(NOT_STARTED)),
            "broadcast" | "networks" => self.broadcast(bench, &mut stage, point),
            "limited" => self.limited(bench, &mut stage),
            "sender" => self.sender(bench, &mut stage),
            "senders" => self.senders(bench, &mut stage),
            "boundaries" => self.boundaries(bench, &mut stage),
            "shares" => self.shares(bench, &mut stage),
            _ => self.ipv6(bench, &mut stage),
        }
    }

    fn prints(&self) -> Judged {
        match (&self.path, &self.silent) {
            (Some(_), _) if self.args.judge.command.is_empty() => Judged::not_seen(NOT_STARTED),
            (Some(Path::Unicast(to)), _) => Judged::passed(format!("it printed what was sent to {to}")),
            (Some(Path::Broadcast(network, _)), _) => {
                Judged::passed(format!("it printed a broadcast on {}", network.words()))
            }
            (None, Some(silent)) if silent.has_ended => Judged::failed(silent.words.clone()),
            (None, Some(silent)) if silent.is_refused => Judged::not_seen(format!(
                "nobody listens on {}: is it another port (-p) or address? {}",
                self.address, silent.words
            )),
            (None, Some(silent)) => Judged::failed(format!("it printed nothing of what was sent: {}", silent.words)),
            (None, None) => Judged::not_seen("the first run of the command was not completed"),
        }
    }

    fn broadcast(&self, bench: &mut Bench, stage: &mut Stage, point: &Point) -> Result<Judged, Cut> {
        if self.networks.is_empty() {
            return Ok(Judged::not_seen(NO_NETWORK));
        }
        if point.name == "networks" && self.networks.len() < 2 {
            return Ok(Judged::not_seen(format!("this host is on one network alone: {}", self.networks[0].words())));
        }
        let to = |network: &Network| SocketAddr::new(network.broadcast.into(), self.address.port());
        let (fate, is_printed) = self.broadcasts(bench, stage, to)?;
        let list = |wanted: bool| {
            let chosen = self.networks.iter().zip(&is_printed).filter(|(_, is_printed)| **is_printed == wanted);
            chosen.map(|(network, _)| network.words()).collect::<Vec<_>>().join(", ")
        };
        let (any, all) = (is_printed.contains(&true), !is_printed.contains(&false));
        Ok(match fate {
            Fate::Died(words) => Judged::failed(format!("a broadcast came: {words}")),
            _ if all || any && point.name == "broadcast" => {
                Judged::passed(format!("it printed that on {}", list(true)))
            }
            Fate::Alive if any => {
                Judged::failed(format!("it printed that on {}, and not that on {}", list(true), list(false)))
            }
            Fate::Alive if point.name == "broadcast" => {
                Judged::failed(format!("it printed what was sent later, and not the broadcast on {}", list(false)))
            }
            Fate::Alive | Fate::Mute => Judged::not_seen("it printed no broadcast at all"),
        })
    }

    /// Sends a broadcast to each network; what became of the receiver, and which of them it printed.
    fn broadcasts(
        &self,
        bench: &mut Bench,
        stage: &mut Stage,
        to: impl Fn(&Network) -> SocketAddr,
    ) -> Result<(Fate, Vec<bool>), Cut> {
        let mut marks = Vec::new();
        for network in &self.networks {
            let sender = Peer::with((network.ours, 0).into(), &Options::default().broadcast(true))?;
            let mark = mark();
            sender.transmit(bench, &Transmit::to(to(network)).interface(network.index), mark.as_bytes())?;
            marks.push(mark);
        }
        // A program may have a socket for each network, and read them in any order.
        let wanted: Vec<_> = marks.iter().map(|mark| (mark.as_str(), mark.as_bytes())).collect();
        let fate = match stage.wait_for(bench, &wanted)? {
            Fate::Mute => stage.settle(bench)?,
            fate => fate,
        };
        let printed = stage.printed();
        Ok((fate, wanted.iter().map(|(mark, payload)| shows(&printed, mark, payload)).collect()))
    }

    fn limited(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        if self.networks.is_empty() {
            return Ok(Judged::not_seen(NO_NETWORK));
        }
        let to = SocketAddr::new(Ipv4Addr::BROADCAST.into(), self.address.port());
        let (fate, is_printed) = self.broadcasts(bench, stage, |_| to)?;
        Ok(match fate {
            _ if is_printed.contains(&true) => Judged::passed("it printed it"),
            Fate::Died(words) => Judged::failed(format!("a broadcast came: {words}")),
            Fate::Alive => Judged::failed("it printed what was sent later, and not the broadcast"),
            Fate::Mute => Judged::not_seen("it printed nothing more"),
        })
    }

    fn sender(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        let mark = mark();
        stage.send(bench, 0, mark.as_bytes())?;
        stage.settle(bench)?;
        let address = stage.senders[0].address();
        let printed = stage.printed();
        let lines = lines_with(&printed, &mark);
        let has = |text: &str| lines.iter().any(|line| find(line, text.as_bytes()).is_some());
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        Ok(match lines.first() {
            None => Judged::not_seen("no line that it printed has the payload as it was sent"),
            Some(_) if has(&ip) || has(&port) => {
                Judged::passed(format!("the line of a datagram from {address} has it"))
            }
            // It may be on the line before, or the line after.
            Some(_) if find(&printed, ip.as_bytes()).is_some() => {
                Judged::passed(format!("it printed {ip}, if on another line than the payload"))
            }
            Some(line) => Judged::failed(format!(
                "it printed '{}' of a datagram from {address}",
                String::from_utf8_lossy(line).trim()
            )),
        })
    }

    fn senders(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        let marks: Vec<String> = (0..4).map(|_| mark()).collect();
        for (number, mark) in marks.iter().enumerate() {
            stage.send(bench, number % 2, mark.as_bytes())?;
        }
        if stage.settle(bench)? != Fate::Alive {
            return Ok(Judged::not_seen("it printed nothing after them"));
        }
        let printed = stage.printed();
        let names = names(&stage.senders);
        let is_missing = |mark: &&String| !shows(&printed, mark, mark.as_bytes());
        let by = |number: usize| marks.iter().skip(number).step_by(2);
        if by(0).any(|mark| is_missing(&mark)) {
            return Ok(Judged::not_seen("it did not print everything of its first sender"));
        }
        if by(1).all(|mark| is_missing(&mark)) {
            return Ok(Judged::failed("it printed everything of its first sender, and nothing of the second"));
        }
        let lines = |number: usize, mark: &str| (lines_with(&printed, mark), number);
        let all: Vec<_> = marks.iter().enumerate().map(|(number, mark)| lines(number % 2, mark)).collect();
        let has = |line: &[u8], name: &str| find(line, name.as_bytes()).is_some();
        let is_right = |(lines, number): &(Vec<&[u8]>, usize)| lines.iter().any(|line| has(line, &names[*number]));
        let is_wrong = |(lines, number): &(Vec<&[u8]>, usize)| {
            lines.iter().any(|line| has(line, &names[1 - *number]) && !has(line, &names[*number]))
        };
        Ok(match () {
            () if all.iter().all(is_right) => Judged::passed("it printed each with its own sender"),
            () if all.iter().any(is_wrong) => {
                Judged::failed("it printed datagrams of one sender with the name of the other")
            }
            () => Judged::not_seen("it printed them all, and no line has its sender"),
        })
    }

    fn boundaries(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        let (first, second) = (mark(), mark());
        stage.send(bench, 0, first.as_bytes())?;
        stage.send(bench, 0, second.as_bytes())?;
        if stage.settle(bench)? != Fate::Alive {
            return Ok(Judged::not_seen("it printed nothing after them"));
        }
        let printed = stage.printed();
        let (lines, others) = (lines_with(&printed, &first), lines_with(&printed, &second));
        Ok(match (lines.first(), others.first()) {
            (Some(line), Some(_)) if find(line, second.as_bytes()).is_some() => {
                Judged::failed("it printed two datagrams on one line, with nothing of a line's end between them")
            }
            (Some(_), Some(_)) => Judged::passed("it printed each on a line of its own"),
            _ => Judged::not_seen("no line that it printed has the payload as it was sent"),
        })
    }

    fn text(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        stage.send(bench, 0, b"\xff\xfe\xc0 no text")?;
        self.survives(bench, stage, "bytes that are no UTF-8")
    }

    fn escapes(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        if self.args.judge.command.is_empty() {
            return Ok(Judged::not_seen(NOT_STARTED));
        }
        let (title, mark) = (mark(), mark());
        let payload = format!("\x1b]0;{title}\x07{mark}");
        stage.send(bench, 0, payload.as_bytes())?;
        stage.settle(bench)?;
        Ok(escaped(&stage.printed(), stage.is_on_terminal(), &title, &mark, payload.as_bytes()))
    }

    fn large(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        if stage.path.destination().is_ipv6() {
            return Ok(Judged::not_seen("the receiver's address is one of IPv6"));
        }
        let (first, last) = (mark(), mark());
        match stage.send(bench, 0, &large(&first, &last)) {
            Err(Cut::System(error)) => return Ok(Judged::not_seen(error.to_string())),
            sent => sent?,
        }
        let survives = self.survives(bench, stage, "a datagram of 65,507 bytes")?;
        if self.args.judge.command.is_empty() {
            return Ok(survives);
        }
        Ok(match (whole(&stage.printed(), &first, &last), survives.verdict) {
            (Some(judged), _) => judged,
            // That it goes on does not say what became of this one.
            (None, Verdict::Passed) => Judged::not_seen("it went on, and printed nothing of it that could be found"),
            (None, Verdict::Failed | Verdict::NotSeen) => survives,
        })
    }

    fn burst(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        let mark = mark();
        for number in 0..BURST {
            stage.send(bench, number % 2, format!("{mark} {number}").as_bytes())?;
        }
        let judged = self.survives(bench, stage, "a burst")?;
        let lines = lines_with(&stage.printed(), &mark).len();
        Ok(match judged {
            Judged { verdict: Verdict::Passed, .. } if lines > 0 => {
                Judged::passed(format!("it printed {lines} of {BURST}, and went on"))
            }
            judged => judged,
        })
    }

    fn shares(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.address.port()));
        if self.address.is_ipv6() {
            return Ok(Judged::not_seen("the receiver's address is one of IPv6"));
        }
        let ways = [Options::default().reuse_address(true), Options::default().reuse_port(true)];
        let mut refusal = None;
        for options in ways {
            match Peer::with(address, &options) {
                Ok(_) => return Ok(Judged::passed(format!("a second socket could be bound to {address}"))),
                Err(Cut::System(error)) => refusal = Some(error),
                Err(cut) => return Err(cut),
            }
        }
        // It may be the port of somebody else, if the receiver has gone.
        if stage.settle(bench)? != Fate::Alive {
            return Ok(Judged::not_seen("it printed nothing any more"));
        }
        let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
        Ok(Judged::failed(format!("a second socket, which allowed to share, was refused: {refusal}")))
    }

    fn ipv6(&self, bench: &mut Bench, stage: &mut Stage) -> Result<Judged, Cut> {
        if self.args.address.is_some() {
            return Ok(Judged::not_seen("it was checked at the address that was given"));
        }
        let to = SocketAddr::from((Ipv6Addr::LOCALHOST, self.address.port()));
        let Ok(sender) = Peer::at((Ipv6Addr::LOCALHOST, 0).into()) else {
            return Ok(Judged::not_seen("this host has no IPv6"));
        };
        let mark = mark();
        sender.send(bench, to, mark.as_bytes())?;
        // It may have a socket for each family, and read them in any order; but a closed port answers at once.
        bench.pause(PAUSE)?;
        let arrivals = sender.receive(bench, now())?;
        if arrivals.iter().any(|arrival| matches!(arrival, Arrival::Refused(_))) {
            return Ok(Judged::failed(format!("nobody listens on {to}")));
        }
        let fate = match stage.wait_for(bench, &[(&mark, mark.as_bytes())])? {
            Fate::Mute => stage.settle(bench)?,
            fate => fate,
        };
        let is_printed = shows(&stage.printed(), &mark, mark.as_bytes());
        Ok(match fate {
            _ if is_printed => Judged::passed(format!("it printed what was sent to {to}")),
            Fate::Died(words) => Judged::failed(words),
            Fate::Alive => Judged::failed(format!("it printed what was sent later, and not what was sent to {to}")),
            Fate::Mute => Judged::not_seen("it printed nothing more"),
        })
    }

    /// Whether it goes on after what it was sent.
    fn survives(&self, bench: &mut Bench, stage: &mut Stage, what: &str) -> Result<Judged, Cut> {
        let fate = stage.settle(bench)?;
        Ok(match fate {
            Fate::Alive => Judged::passed(format!("it went on after {what}")),
            Fate::Died(words) => Judged::failed(format!("it was sent {what}: {words}")),
            Fate::Mute if stage.is_seen() => Judged::failed(format!("it printed nothing any more after {what}")),
            // A host refuses at once what comes to a port of its own that is closed.
            Fate::Mute if self.is_here => Judged::passed(format!("its port was still open after {what}")),
            Fate::Mute => Judged::not_seen(NOT_STARTED),
        })
    }
}
