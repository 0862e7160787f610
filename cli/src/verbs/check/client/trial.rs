//! One run of a client against a server that answers its first datagram as it was told.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;

use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::program::{self, Program, ending, still_running};
use crate::verbs::check::wire::{Arrival, Came, Peer};
use crate::words::units::human;

/// How long a program may take to begin, on the busiest machine.
const START: Duration = Duration::from_secs(15);
/// How often the program is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long a client that has printed what it was to print may take to end, before it is ended.
const END: Duration = Duration::from_secs(1);

/// Who answers a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Server,
    /// Another port of the server's host.
    OtherPort,
    /// This other address.
    Other(SocketAddr),
}

/// What is told to a client.
pub(super) struct Answer {
    pub(super) from: From,
    pub(super) payload: Vec<u8>,
}

impl Answer {
    pub(super) fn of_server(payload: impl Into<Vec<u8>>) -> Self {
        Self { from: From::Server, payload: payload.into() }
    }
}

/// What a client is told, and for how long it is watched.
pub(super) struct Script<'a> {
    pub(super) answers: &'a [Answer],
    /// Once the client has printed this, nothing else is waited for but its end.
    pub(super) until: &'a str,
    /// How long it is watched after its first datagram.
    pub(super) patience: Duration,
}

/// What a client did.
#[derive(Debug)]
pub(super) struct Trial {
    /// What came from it, in its order.
    pub(super) requests: Vec<Came>,
    pub(super) printed: Vec<u8>,
    /// How it ended; it was still running where there is none.
    pub(super) status: Option<ExitStatus>,
    /// From its start to its first datagram.
    pub(super) begun: Option<Duration>,
    /// From its start to its end, or to the end of the watch.
    pub(super) elapsed: Duration,
    pub(super) is_on_terminal: bool,
}

impl Trial {
    /// "after 1.02 s it exited with status 1: the last line that it printed".
    pub(super) fn fate(&self) -> String {
        let elapsed = human(self.elapsed);
        match self.status {
            Some(status) => format!("after {elapsed} {}", ending(status, &self.printed)),
            None => still_running(&elapsed, &self.printed),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.status.is_some_and(|status| !status.success())
    }
}

/// Starts the command against a server at this address, and watches it to its end.
pub(super) fn run(bench: &mut Bench, words: &[String], server: SocketAddr, script: &Script<'_>) -> Result<Trial, Cut> {
    let peer = Peer::at(server)?;
    let server = peer.address();
    let strangers = strangers(server, script.answers)?;
    let words = program::filled(words, server);
    let started = now();
    let mut program = Program::start(&words)?;
    bench.log.note(format!("started {}", words.join(" ")));
    let mut requests: Vec<Came> = Vec::new();
    let mut end = started + START + script.patience;
    let mut begun = None;
    let status = loop {
        let look = (now() + LOOK).min(end);
        for came in datagrams(peer.receive(bench, look)?) {
            if requests.is_empty() {
                end = now() + script.patience;
                begun = Some(came.at.saturating_duration_since(started));
                answer(bench, &peer, &strangers, script.answers, came.source)?;
            }
            requests.push(came);
        }
        if let Some(status) = program.ended() {
            // It may have sent something just before.
            requests.extend(datagrams(peer.receive(bench, now())?));
            break Some(status);
        }
        if !script.until.is_empty() && program.has_printed(script.until) {
            end = end.min(now() + END);
        }
        if now() >= end {
            break None;
        }
    };
    let trial = Trial {
        requests,
        printed: program.printed(),
        status,
        begun,
        elapsed: now().saturating_duration_since(started),
        is_on_terminal: program.is_on_terminal(),
    };
    bench.log.note(trial.fate());
    Ok(trial)
}

/// Starts the command against an address where nobody listens, and watches it to its end.
pub(super) fn run_refused(
    bench: &mut Bench,
    words: &[String],
    server: SocketAddr,
    patience: Duration,
) -> Result<Trial, Cut> {
    // A port that was free a moment ago; nobody else is given it so soon.
    let server = Peer::at(server)?.address();
    let words = program::filled(words, server);
    let started = now();
    let mut program = Program::start(&words)?;
    bench.log.note(format!("started {}; nobody listens on {server}", words.join(" ")));
    let end = started + patience;
    let mut status = None;
    while status.is_none() && now() < end {
        bench.pause(LOOK)?;
        status = program.ended();
    }
    let elapsed = now().saturating_duration_since(started);
    let is_on_terminal = program.is_on_terminal();
    let trial =
        Trial { requests: Vec::new(), printed: program.printed(), status, begun: None, elapsed, is_on_terminal };
    bench.log.note(trial.fate());
    Ok(trial)
}

fn datagrams(arrivals: Vec<Arrival>) -> impl Iterator<Item = Came> {
    arrivals.into_iter().filter_map(|arrival| match arrival {
        Arrival::Datagram(came) => Some(came),
        // The client had ended.
        Arrival::Refused(_) => None,
    })
}

/// The sockets of those who are not the server.
fn strangers(server: SocketAddr, answers: &[Answer]) -> Result<Vec<Peer>, Cut> {
    let address = |answer: &Answer| match answer.from {
        From::Server => None,
        From::OtherPort => Some(SocketAddr::new(server.ip(), 0)),
        From::Other(address) => Some(SocketAddr::new(address.ip(), server.port())),
    };
    answers.iter().filter_map(address).map(Peer::at).collect()
}

/// Sends the answers in their order.
fn answer(
    bench: &mut Bench,
    server: &Peer,
    strangers: &[Peer],
    answers: &[Answer],
    client: SocketAddr,
) -> Result<(), Cut> {
    let mut strangers = strangers.iter();
    for answer in answers {
        let peer = if answer.from == From::Server { Some(server) } else { strangers.next() };
        if let Some(peer) = peer {
            peer.send(bench, client, &answer.payload)?;
        }
    }
    Ok(())
}
