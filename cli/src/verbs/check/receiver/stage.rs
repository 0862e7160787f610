//! A receiver that runs, and the senders that it hears: what is sent, and whether that was printed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use udpkit::{Options, Transmit};

use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::marks::{mark, shows};
use crate::verbs::check::networks::Network;
use crate::verbs::check::program::{self, Program, ending, still_running};
use crate::verbs::check::wire::{Arrival, Peer};
use crate::words::units::human;

/// How long a receiver may take to begin, on the busiest machine.
const START: Duration = Duration::from_secs(15);
/// Between one datagram and the next to a receiver that may not have begun yet.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a refusal by this host may take, on the busiest machine.
const REFUSAL: Duration = Duration::from_millis(200);
/// How long a program that nobody watches may take to end, before its port is taken for open.
const CLOSED_BY: Duration = Duration::from_secs(1);
/// How often a receiver is asked for a sign of life before it is called mute.
const TRIES: u32 = 3;
/// How often the program is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// How datagrams reach the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// To an address of it.
    Unicast(SocketAddr),
    /// As a broadcast, since it hears no unicast.
    Broadcast(Network, u16),
}

impl Path {
    pub(super) fn destination(&self) -> SocketAddr {
        match self {
            Self::Unicast(to) => *to,
            Self::Broadcast(network, port) => SocketAddr::new(network.broadcast.into(), *port),
        }
    }

    /// A sender by this path, one of two; both are other hosts where that can be.
    fn sender(&self, number: u8) -> Result<Peer, Cut> {
        match self {
            Self::Unicast(SocketAddr::V4(to)) if to.ip().is_loopback() => {
                let host = Ipv4Addr::new(127, 0, 0, 2 + number);
                // Not every system has more than one address of loopback.
                Peer::at((host, 0).into()).or_else(|_| Peer::towards((*to).into()))
            }
            // It is ours where the receiver is here.
            Self::Unicast(to) => Peer::at((to.ip(), 0).into()).or_else(|_| Peer::towards(*to)),
            Self::Broadcast(network, _) => Peer::with((network.ours, 0).into(), &Options::default().broadcast(true)),
        }
    }
}

/// What became of the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It prints what came after it.
    Alive,
    /// It ended, or its port is closed: in words.
    Died(String),
    /// It runs, but did not print what came after it.
    Mute,
}

/// A receiver that has begun to print, and its two senders.
pub(super) struct Stage {
    program: Option<Program>,
    pub(super) path: Path,
    pub(super) senders: [Peer; 2],
    /// Whether a datagram of ours was refused since it began.
    is_refused: bool,
    patience: Duration,
}

/// How a receiver is started, and what is said to it to see that it has begun.
pub(super) struct Start<'a> {
    pub(super) words: &'a [String],
    pub(super) address: SocketAddr,
    /// The paths to try, in this order.
    pub(super) paths: &'a [Path],
    pub(super) patience: Duration,
}

/// A receiver that printed nothing.
pub(super) struct Silent {
    /// Its fate in words.
    pub(super) words: String,
    /// Whether it ended.
    pub(super) has_ended: bool,
    /// Whether each datagram to it was refused.
    pub(super) is_refused: bool,
}

impl Stage {
    /// Starts the receiver, if it is to be started, and sends by each path until it prints something.
    pub(super) fn begin(bench: &mut Bench, start: &Start<'_>) -> Result<Result<Self, Silent>, Cut> {
        let program = match start.words {
            [] => None,
            words => {
                let words = program::filled(words, start.address);
                bench.log.note(format!("started {}", words.join(" ")));
                Some(Program::start(&words)?)
            }
        };
        let mut tries = Vec::new();
        for path in start.paths {
            tries.push((path, [path.sender(0)?, path.sender(1)?], format!("probe {}", mark())));
        }
        let Some(mut program) = program else {
            let Some((path, senders, probe)) = tries.into_iter().next() else { return Ok(Err(Silent::refused())) };
            let mut stage =
                Self { program: None, path: path.clone(), senders, is_refused: false, patience: start.patience };
            stage.send(bench, 0, probe.as_bytes())?;
            return Ok(match stage.settle(bench)? {
                Fate::Died(_) => Err(Silent::refused()),
                Fate::Alive | Fate::Mute => Ok(stage),
            });
        };
        let end = now() + START;
        let mut is_refused;
        let found = loop {
            is_refused = false;
            for (path, senders, probe) in &tries {
                is_refused |= refused(bench, &senders[0])?;
                senders[0].transmit(bench, &transmit(path), probe.as_bytes())?;
            }
            bench.pause(AGAIN)?;
            let printed = program.printed();
            let position = tries.iter().position(|(.., probe)| shows(&printed, &probe[6..], probe.as_bytes()));
            if position.is_some() || program.ended().is_some() || now() >= end {
                break position;
            }
        };
        match found {
            Some(position) => {
                let (path, senders, _) = tries.swap_remove(position);
                // What was refused was so before it had begun.
                refused(bench, &senders[0])?;
                let program = Some(program);
                Ok(Ok(Self { program, path: path.clone(), senders, is_refused: false, patience: start.patience }))
            }
            None => Ok(Err(Silent::of(&mut program, is_refused))),
        }
    }

    /// Sends a payload as one of the two senders.
    pub(super) fn send(&mut self, bench: &mut Bench, sender: usize, payload: &[u8]) -> Result<(), Cut> {
        let transmit = transmit(&self.path);
        self.senders[sender].transmit(bench, &transmit, payload)?;
        self.is_refused |= refused(bench, &self.senders[sender])?;
        Ok(())
    }

    /// Sends something more, and waits until that is printed: whatever was sent before is printed then, or never will be.
    pub(super) fn settle(&mut self, bench: &mut Bench) -> Result<Fate, Cut> {
        let mut fate = Fate::Mute;
        for _ in 0..TRIES {
            bench.pause(LOOK)?;
            let probe = format!("probe {}", mark());
            self.send(bench, 0, probe.as_bytes())?;
            fate = self.wait_for(bench, &[(&probe[6..], probe.as_bytes())])?;
            // It may have been lost in a full buffer.
            if fate != Fate::Mute || self.program.is_none() {
                break;
            }
        }
        Ok(fate)
    }

    /// Waits until the mark of each payload is printed.
    pub(super) fn wait_for(&mut self, bench: &mut Bench, marks: &[(&str, &[u8])]) -> Result<Fate, Cut> {
        let (end, closed_by) = (now() + self.patience, now() + CLOSED_BY);
        loop {
            bench.pause(LOOK)?;
            self.is_refused |= refused(bench, &self.senders[0])?;
            let Some(program) = &mut self.program else {
                // What it prints is not seen. Whether its port is closed is.
                if now() < closed_by && !self.is_refused {
                    // On a busy host a program takes a while to end: another datagram finds its port closed.
                    bench.pause(REFUSAL)?;
                    self.send(bench, 0, mark().as_bytes())?;
                    continue;
                }
                return Ok(if self.is_refused { Fate::Died("its port is closed".to_owned()) } else { Fate::Mute });
            };
            let status = program.ended();
            let printed = program.printed();
            if marks.iter().all(|(mark, payload)| shows(&printed, mark, payload)) {
                return Ok(Fate::Alive);
            }
            if let Some(status) = status {
                return Ok(Fate::Died(ending(status, &printed)));
            }
            if now() >= end {
                return Ok(Fate::Mute);
            }
        }
    }

    /// What it has printed so far.
    pub(super) fn printed(&self) -> Vec<u8> {
        self.program.as_ref().map(Program::printed).unwrap_or_default()
    }

    /// Whether what it prints is seen.
    pub(super) fn is_seen(&self) -> bool {
        self.program.is_some()
    }

    /// Whether it prints to a terminal.
    pub(super) fn is_on_terminal(&self) -> bool {
        self.program.as_ref().is_some_and(Program::is_on_terminal)
    }
}

impl Silent {
    fn of(program: &mut Program, is_refused: bool) -> Self {
        let printed = program.printed();
        match program.ended() {
            Some(status) => Self { words: ending(status, &printed), has_ended: true, is_refused },
            None => Self { words: still_running(&human(START), &printed), has_ended: false, is_refused },
        }
    }

    fn refused() -> Self {
        Self { words: "its port is closed".to_owned(), has_ended: false, is_refused: true }
    }
}

/// Where a path leads.
pub(super) fn transmit(path: &Path) -> Transmit {
    let transmit = Transmit::to(path.destination());
    match path {
        Path::Unicast(_) => transmit,
        Path::Broadcast(network, _) => transmit.interface(network.index),
    }
}

/// Whether a refusal has come to a sender.
fn refused(bench: &mut Bench, sender: &Peer) -> Result<bool, Cut> {
    Ok(sender.receive(bench, now())?.iter().any(|arrival| matches!(arrival, Arrival::Refused(_))))
}

/// What tells each sender from the other in what is printed: its address, or its port where both have the same address.
pub(super) fn names(senders: &[Peer; 2]) -> [String; 2] {
    let [first, second] = [senders[0].address(), senders[1].address()];
    let is_by_port = first.ip() == second.ip();
    [first, second].map(|address| if is_by_port { address.port().to_string() } else { address.ip().to_string() })
}
