//! The server that is checked, as far as it is known: how it answers, how slowly, and whether it is still there.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use udpkit::{Cause, Interfaces, Transmit};

use super::request::{Label, Request};
use crate::verbs::check::bench::Bench;
use crate::verbs::check::bounds::{Cut, now};
use crate::verbs::check::point::Judged;
use crate::verbs::check::program::Program;
use crate::verbs::check::wire::{Arrival, Came, Peer};
use crate::words::units;

/// A command has this long to answer for the first time.
const START: Duration = Duration::from_secs(20);
/// How long whoever starts the server again has for that, where it is not us.
const RETURN: Duration = Duration::from_secs(5);
/// A server that answered before, and is silent for as long as this, has stopped to answer.
const SILENCE: Duration = Duration::from_secs(15);
/// Requests that must be unanswered before that is said.
const UNANSWERED: usize = 10;
/// Refusals in a row that show a closed port, and from the first to the last.
const REFUSALS: u32 = 6;
const REFUSED: Duration = Duration::from_millis(1_500);
/// How long answers may be under way.
const SETTLE: Duration = Duration::from_millis(20);
/// How long to wait after a refusal.
const PAUSE: Duration = Duration::from_millis(250);
/// The shortest time to wait for an answer: a busy machine may need that.
const PATIENCE: Duration = Duration::from_millis(400);
/// How many times as long as the slowest answer so far the next may take.
const TIMES: u32 = 8;
/// How long all answers to a burst may take together.
const BACKLOG: Duration = Duration::from_secs(4);
/// Peers that are kept open.
const KEPT: usize = 128;
/// How often something must be unanswered before that is no loss, where all was answered before.
const FEW: usize = 3;
/// How often that may be wrong, where some was lost: of a point that passes then, and of one that fails.
const FEW_ERRORS: f64 = 1e-3;
const NO_ERRORS: f64 = 1e-6;
/// The most that is tried.
const MANY: usize = 100;
/// How often many peers are looked at.
const LOOK: Duration = Duration::from_millis(2);

/// The server.
pub(super) struct Subject {
    pub(super) bench: Bench,
    pub(super) target: SocketAddr,
    /// Other addresses of its host that were given.
    pub(super) also: Vec<SocketAddr>,
    pub(super) interfaces: Interfaces,
    pub(super) request: Request,
    /// How long an answer may take.
    pub(super) wait: Duration,
    /// What starts it.
    pub(super) command: Vec<String>,
    pub(super) program: Option<Program>,
    /// A file that it prints to.
    pub(super) output: Option<PathBuf>,
    /// The peer that asked first, and asks again to see whether the server is there.
    pub(super) first: Peer,
    pub(super) manner: Manner,
    /// The slowest answer so far.
    pub(super) slowest: Duration,
    /// The part of the requests that were answered while nothing was amiss.
    pub(super) share: f64,
    /// Whether it answers its first peer alone.
    pub(super) is_locked: bool,
    /// Whether it answered at another address than that it was asked at first, once that was tried.
    pub(super) listens_everywhere: Option<bool>,
    /// Whether it survived an empty datagram.
    pub(super) takes_empty: bool,
    /// How answers to others went to the first peer, if they did.
    pub(super) strays: Option<String>,
    /// Peers that have asked, the last ones.
    pub(super) kept: VecDeque<Rc<Peer>>,
    /// How it ended at a point that should not end it, if it did.
    pub(super) ended: Option<String>,
    /// Why nothing can be judged any more.
    pub(super) gone: Option<String>,
}

/// What its answers have to do with the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// They contain the whole request.
    Repeats,
    /// They contain the request's label, at this place.
    Labelled(usize),
    /// They do not show which request they are to.
    Fixed,
}

/// What came of a request.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) answers: Vec<Came>,
    /// Why it was refused.
    pub(super) refused: Option<Cause>,
    /// From the request to the first answer.
    pub(super) after: Option<Duration>,
}

/// Whether the server is there.
#[derive(Debug)]
pub(super) enum Life {
    Answers,
    /// It is not, and how that is known: a sentence without a full stop.
    Ended(String),
}

impl Heard {
    fn take(&mut self, sent: Instant, to: SocketAddr, arrivals: Vec<Arrival>) {
        for arrival in arrivals {
            match arrival {
                Arrival::Datagram(came) => {
                    self.after.get_or_insert_with(|| came.at.saturating_duration_since(sent));
                    self.answers.push(came);
                }
                Arrival::Refused(refused) if refused.destination == to => self.refused = Some(refused.cause),
                Arrival::Refused(_) => {}
            }
        }
    }
}

impl Subject {
    /// How long to wait for an answer, as far as the server is known.
    pub(super) fn patience(&self) -> Duration {
        (self.slowest * TIMES).max(PATIENCE)
    }

    /// How many of so many requests may be made at once, so that a slow server can answer them all.
    pub(super) fn at_once(&self, wanted: usize) -> usize {
        let most = BACKLOG.as_nanos() / self.slowest.as_nanos().max(1);
        usize::try_from(most).unwrap_or(usize::MAX).clamp(4.min(wanted), wanted)
    }

    /// How long the answers to so many requests may take.
    pub(super) fn backlog(&self, requests: usize) -> Duration {
        self.patience() + self.slowest * u32::try_from(requests).unwrap_or(u32::MAX)
    }

    /// A peer that has not asked before. It is kept open when it is dropped, so that late answers are not refused.
    pub(super) fn peer(&mut self) -> Result<Rc<Peer>, Cut> {
        let peer = Peer::towards(self.target)?;
        Ok(self.keep(peer))
    }

    /// The same, unless the server answers its first peer alone: `None` is that one.
    pub(super) fn other_peer(&mut self) -> Result<Option<Rc<Peer>>, Cut> {
        Ok(if self.is_locked { None } else { Some(self.peer()?) })
    }

    /// Keeps a peer open.
    pub(super) fn keep(&mut self, peer: Peer) -> Rc<Peer> {
        let peer = Rc::new(peer);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Rc::clone(&peer));
        peer
    }

    /// How often something must be unanswered before that is no loss, as far as is known how much is lost.
    pub(super) fn tries(&self) -> usize {
        if self.share >= 1.0 { FEW } else { often(FEW_ERRORS, self.share / 2.0) }
    }

    /// A request and its label.
    pub(super) fn fresh(&self) -> (Label, Vec<u8>) {
        let label = self.request.label();
        let request = self.request.with(&label);
        (label, request)
    }

    /// Sends a payload, and waits for the first answer, a refusal, or this long.
    pub(super) fn ask(&mut self, peer: &Peer, to: SocketAddr, payload: &[u8], wait: Duration) -> Result<Heard, Cut> {
        ask(&mut self.bench, peer, to, payload, wait)
    }

    /// The same as the first peer.
    pub(super) fn ask_as_first(&mut self, payload: &[u8], wait: Duration) -> Result<Heard, Cut> {
        ask(&mut self.bench, &self.first, self.target, payload, wait)
    }

    /// Sends a payload as this peer, or as the first.
    pub(super) fn send(&mut self, peer: Option<&Peer>, payload: &[u8]) -> Result<(), Cut> {
        self.transmit(peer, &Transmit::to(self.target), payload)
    }

    /// The same, with all that can be said of how it is sent.
    pub(super) fn transmit(&mut self, peer: Option<&Peer>, transmit: &Transmit, payload: &[u8]) -> Result<(), Cut> {
        peer.unwrap_or(&self.first).transmit(&mut self.bench, transmit, payload)
    }

    /// What comes to this peer, or to the first, until this moment.
    pub(super) fn listen(&mut self, peer: Option<&Peer>, until: Instant) -> Result<Vec<Came>, Cut> {
        let mut came = Vec::new();
        while now() < until {
            came.extend(self.listen_once(peer, until)?);
        }
        Ok(came)
    }

    /// What comes first to this peer, or to the first; nothing if that takes until this moment.
    pub(super) fn listen_once(&mut self, peer: Option<&Peer>, until: Instant) -> Result<Vec<Came>, Cut> {
        Ok(datagrams(peer.unwrap_or(&self.first).receive(&mut self.bench, until)?))
    }

    /// Which of these labels are in an answer.
    pub(super) fn labels_in(&self, answer: &[u8], labels: &[Label]) -> Vec<usize> {
        let has = |label: &Label| match self.manner {
            Manner::Labelled(place) => label.is_at(place, answer),
            // The whole request: two bytes of a label may stand anywhere by chance.
            Manner::Repeats => {
                let request = self.request.with(label);
                answer.windows(request.len().max(1)).any(|part| part == request)
            }
            Manner::Fixed => false,
        };
        (0..labels.len()).filter(|at| has(&labels[*at])).collect()
    }

    /// What comes to each of these peers, until this moment or until all have as many answers.
    pub(super) fn gather(&mut self, peers: &[Rc<Peer>], until: Instant, each: usize) -> Result<Vec<Vec<Came>>, Cut> {
        let mut all = vec![Vec::new(); peers.len()];
        while now() < until && all.iter().any(|answers: &Vec<Came>| answers.len() < each) {
            let mut is_quiet = true;
            for (peer, answers) in peers.iter().zip(&mut all) {
                let came = datagrams(peer.receive(&mut self.bench, now())?);
                is_quiet &= came.is_empty();
                answers.extend(came);
            }
            if is_quiet {
                self.bench.pause(LOOK)?;
            }
        }
        Ok(all)
    }

    /// Whether it answers, once what it has to do may be done.
    pub(super) fn life(&mut self, busy: Duration) -> Result<Life, Cut> {
        // Answers to what was asked before, where they do not show it.
        self.bench.pause(SETTLE.max(self.slowest * 2))?;
        self.first.receive(&mut self.bench, now())?;
        let mut labels = Vec::new();
        let begun = now();
        let silence = SILENCE.max(self.patience() * 2) + busy;
        let least = if self.share >= 1.0 { UNANSWERED } else { often(NO_ERRORS, self.share / 2.0) };
        let patience = PATIENCE.max(self.slowest * 2);
        let (mut refusals, mut refused_since) = (0, None);
        for unanswered in 0.. {
            if let Some(fate) = self.program.as_mut().and_then(Program::fate) {
                return Ok(Life::Ended(fate));
            }
            let (label, request) = self.fresh();
            labels.push(label);
            let heard = match unanswered % 2 == 0 && !self.is_locked {
                true => {
                    let peer = self.peer()?;
                    self.ask(&peer, self.target, &request, patience)?
                }
                false => self.ask_as_first(&request, patience)?,
            };
            let is_fixed = self.manner == Manner::Fixed;
            let is_to_us = |answer: &Came| is_fixed || !self.labels_in(&answer.payload, &labels).is_empty();
            if heard.answers.iter().any(is_to_us) || !is_fixed && self.heard_elsewhere(&labels)? {
                return Ok(Life::Answers);
            }
            let elapsed = now().saturating_duration_since(begun);
            if heard.refused == Some(Cause::Port) {
                refusals += 1;
                let since = now().saturating_duration_since(*refused_since.get_or_insert_with(now));
                if refusals >= REFUSALS && since >= REFUSED {
                    return Ok(Life::Ended(format!("its port is closed: {refusals} requests in a row were refused")));
                }
                self.bench.pause(PAUSE)?;
            } else {
                (refusals, refused_since) = (0, None);
            }
            if elapsed >= silence && unanswered >= least {
                let elapsed = units::human(elapsed);
                return Ok(Life::Ended(format!("{} requests in {elapsed} were not answered", unanswered + 1)));
            }
        }
        unreachable!("the loop has no end of its own")
    }

    /// Whether the answer to a request with one of these labels went to a wrong peer.
    fn heard_elsewhere(&mut self, labels: &[Label]) -> Result<bool, Cut> {
        for at in 0..self.kept.len() {
            let peer = Rc::clone(&self.kept[at]);
            let came = datagrams(peer.receive(&mut self.bench, now())?);
            if came.iter().any(|answer| !self.labels_in(&answer.payload, labels).is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Looks whether it still answers after a point that should not end it. If it does not, it is started again, or waited for: `false`
    /// then, and what was seen of that point is worth nothing.
    pub(super) fn is_well_after(&mut self, point: &str) -> Result<bool, Cut> {
        let Life::Ended(how) = self.life(Duration::ZERO)? else { return Ok(true) };
        let words = format!("once, during '{point}', {how}");
        if !self.revive()? {
            self.gone = Some(format!("the server ended before: {words}"));
        }
        self.ended = Some(words);
        Ok(false)
    }

    /// Does something that a server survives, and looks whether it did; once more if it did not.
    pub(super) fn survives(
        &mut self,
        what: &str,
        busy: Duration,
        mut act: impl FnMut(&mut Self) -> Result<(), Cut>,
    ) -> Result<Judged, Cut> {
        act(self)?;
        let Life::Ended(how) = self.life(busy)? else {
            return Ok(Judged::passed(format!("it answered after {what}")));
        };
        if !self.revive()? {
            self.gone = Some(format!("the server ended after {what}; -- COMMAND starts it again"));
            return Ok(Judged::failed(format!("after {what}, {how} (seen once: it did not come back)")));
        }
        act(self)?;
        match self.life(busy)? {
            Life::Answers => Ok(Judged::not_seen(format!("after {what}, {how}; but not when it was tried again"))),
            Life::Ended(_) => {
                if !self.revive()? {
                    self.gone = Some(format!("the server ended after {what}, and did not come back"));
                }
                Ok(Judged::failed(format!("after {what}, {how}; twice of two times")))
            }
        }
    }

    /// Starts it again, or waits for somebody else to; whether it answers then.
    pub(super) fn revive(&mut self) -> Result<bool, Cut> {
        let limit = if self.command.is_empty() { RETURN } else { START };
        self.start()?;
        let until = now() + limit;
        while now() < until {
            if self.program.as_mut().is_some_and(|program| program.fate().is_some()) {
                return Ok(false);
            }
            let (_, request) = self.fresh();
            let heard = self.ask_as_first(&request, self.patience())?;
            if !heard.answers.is_empty() {
                return Ok(true);
            }
            if heard.refused.is_some() {
                self.bench.pause(PAUSE)?;
            }
        }
        Ok(false)
    }

    /// Starts the command, if there is one, after what is left of it was stopped.
    pub(super) fn start(&mut self) -> Result<(), Cut> {
        if self.command.is_empty() {
            return Ok(());
        }
        self.program = None;
        self.bench.log.note(format!("started the command: {}", self.command.join(" ")));
        self.program = Some(Program::start(&self.command)?);
        Ok(())
    }
}

/// How many requests in a row go unanswered so seldom by loss alone, where this share of all is answered.
fn often(seldom: f64, share: f64) -> usize {
    let wanted = seldom.ln() / (1.0 - share.clamp(0.01, 0.9)).ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let wanted = wanted.ceil() as usize;
    wanted.clamp(FEW, MANY)
}

/// Sends a payload, and waits for the first answer, a refusal, or this long.
fn ask(bench: &mut Bench, peer: &Peer, to: SocketAddr, payload: &[u8], wait: Duration) -> Result<Heard, Cut> {
    let mut heard = Heard::default();
    peer.send(bench, to, payload)?;
    let sent = now();
    let until = sent + wait;
    while heard.answers.is_empty() && heard.refused.is_none() && now() < until {
        let arrivals = peer.receive(bench, until)?;
        heard.take(sent, to, arrivals);
    }
    Ok(heard)
}

/// The datagrams among arrivals.
pub(super) fn datagrams(arrivals: Vec<Arrival>) -> Vec<Came> {
    let came = |arrival| match arrival {
        Arrival::Datagram(came) => Some(came),
        Arrival::Refused(_) => None,
    };
    arrivals.into_iter().filter_map(came).collect()
}
