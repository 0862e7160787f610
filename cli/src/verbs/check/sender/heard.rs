//! A run of a sender: all that came from it, on which network, and what became of our answers.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::args::CheckSenderArgs;
use crate::port_owner::owner;
use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::marks::mark;
use crate::verbs::check::program::{self, Program, ending, still_running};
use crate::verbs::check::wire::{Arrival, Came, Peer};
use crate::words::units::human;

/// How long a program may take to begin, on the busiest machine.
const START: Duration = Duration::from_secs(15);
/// How often the program is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long datagrams are waited for after the sender has ended.
const REST: Duration = Duration::from_millis(200);
/// Datagrams that are looked at; the rest of a flood is counted.
const MOST: usize = 2_000;

/// What a sender sent.
pub(super) struct Heard {
    /// In its order, [`MOST`] at most.
    pub(super) datagrams: Vec<Came>,
    /// The mark of our answers.
    pub(super) mark: String,
    pub(super) printed: Vec<u8>,
    /// How it ended; it was still running, or was not started by us, where there is none.
    pub(super) status: Option<ExitStatus>,
    /// Our answer was refused.
    pub(super) is_refused: bool,
    /// Our answer was refused although the socket that it was for was there, as far as the system tells.
    pub(super) is_connected: bool,
    /// Datagrams that the system dropped before they were looked at.
    pub(super) dropped: u64,
    elapsed: Duration,
}

impl Heard {
    /// Starts the sender, or waits for the one that the user starts, and hears it to its end.
    pub(super) fn run(bench: &mut Bench, listener: &Peer, args: &CheckSenderArgs) -> Result<Self, Cut> {
        let begun = now();
        let mut program = match args.judge.command.as_slice() {
            [] => None,
            words => {
                let words = program::filled(words, listener.address());
                bench.log.note(format!("started {}", words.join(" ")));
                Some(Program::start(&words)?)
            }
        };
        let mut heard = Self {
            datagrams: Vec::new(),
            mark: mark(),
            printed: Vec::new(),
            status: None,
            is_refused: false,
            is_connected: false,
            dropped: 0,
            elapsed: Duration::ZERO,
        };
        // The check as a whole ends before this, where nobody is started.
        let mut end = begun + if program.is_some() { START } else { args.judge.duration };
        loop {
            let is_first = heard.datagrams.is_empty();
            heard.take(bench, listener, (now() + LOOK).min(end))?;
            if is_first && !heard.datagrams.is_empty() {
                end = now() + args.judge.wait;
            }
            if heard.status.is_none() {
                heard.status = program.as_mut().and_then(Program::ended);
                if heard.status.is_some() {
                    end = end.min(now() + REST);
                }
            }
            if now() >= end {
                break;
            }
        }
        heard.elapsed = now().saturating_duration_since(begun);
        heard.printed = program.as_ref().map(Program::printed).unwrap_or_default();
        if program.is_some() {
            bench.log.note(heard.fate());
        }
        Ok(heard)
    }

    /// Takes what has come, and answers each source once.
    fn take(&mut self, bench: &mut Bench, listener: &Peer, until: Instant) -> Result<(), Cut> {
        for arrival in listener.receive(bench, until)? {
            match arrival {
                Arrival::Refused(refused) => {
                    self.is_refused = true;
                    self.is_connected |= owner(refused.destination).is_some();
                }
                Arrival::Datagram(came) => {
                    // Where it sends to itself, too, we would answer ourselves.
                    let is_known = self.datagrams.iter().any(|other| other.source == came.source);
                    if !is_known && came.source != listener.address() && came.source.port() > 0 {
                        self.answer(bench, listener, came.source)?;
                    }
                    if self.datagrams.len() < MOST {
                        self.datagrams.push(came);
                    }
                }
            }
        }
        self.dropped = listener.dropped();
        Ok(())
    }

    fn answer(&self, bench: &mut Bench, listener: &Peer, to: SocketAddr) -> Result<(), Cut> {
        match listener.send(bench, to, format!("answer {}", self.mark).as_bytes()) {
            // A source that cannot be answered is seen elsewhere.
            Err(Cut::System(_)) => Ok(()),
            sent => sent,
        }
    }

    /// "within 1.02 s it exited with status 1: the last line that it printed"
    pub(super) fn fate(&self) -> String {
        let elapsed = human(self.elapsed);
        match self.status {
            Some(status) => format!("within {elapsed} {}", ending(status, &self.printed)),
            None => still_running(&elapsed, &self.printed),
        }
    }
}
