//! What is worth telling: each thing once for each network, and no more lines a second than a person can use.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use udpkit::{Event, Reason, source_network};

/// Notices of one kind that are printed; what they are about is always counted.
pub(super) const MAX_TOLD: usize = 256;
/// Lines about single datagrams that a responder writes in a second, however many it gets.
const MAX_A_SECOND: u32 = 1000;

/// Which refusals of what we sent are news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refusals {
    /// No refusal: they are of replies, which anybody can make us send.
    #[default]
    Counted,
    /// The first refusal of each destination: many datagrams go to one.
    OncePerDestination,
    /// Each refusal: it is the answer to what was asked.
    Each,
}

/// What is printed once for each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Ignored(Reason),
    /// By the system's number of the error.
    SendFailed(i32),
}

/// Decides which events are news. A flood of events must not be answered with a flood of lines.
#[derive(Debug)]
pub(crate) struct News {
    /// Whether every event is news.
    verbose: bool,
    refusals: Refusals,
    /// What was printed about which network; no more than [`MAX_TOLD`].
    told: HashSet<(Told, IpAddr)>,
    /// Destinations whose refusal was printed; no more than [`MAX_TOLD`].
    refusing: HashSet<SocketAddr>,
}

impl News {
    /// Decides for a run that tells everything, or what is news.
    pub(crate) fn new(verbose: bool, refusals: Refusals) -> Self {
        Self { verbose, refusals, told: HashSet::new(), refusing: HashSet::new() }
    }

    /// Whether an event is to be printed.
    pub(crate) fn passes(&mut self, event: &Event<'_>) -> bool {
        match event {
            _ if self.verbose => true,
            Event::Ignored { meta, reason, .. } => {
                is_surprising(*reason) && self.is_first(Told::Ignored(*reason), meta.source.ip())
            }
            Event::SendFailed { failure } => {
                let number = failure.error.raw_os_error().unwrap_or(0);
                self.is_first(Told::SendFailed(number), failure.transmit.destination.ip())
            }
            Event::Unreachable { unreachable } => match self.refusals {
                Refusals::Counted => false,
                Refusals::Each => true,
                Refusals::OncePerDestination => {
                    self.refusing.len() < MAX_TOLD && self.refusing.insert(unreachable.destination)
                }
            },
            _ => true,
        }
    }

    /// Whether this is the first time for the network of an address.
    fn is_first(&mut self, what: Told, ip: IpAddr) -> bool {
        self.told.len() < MAX_TOLD && self.told.insert((what, source_network(ip)))
    }
}

/// Whether datagrams that are ignored for this reason are news at all: not where that is what was asked for.
fn is_surprising(reason: Reason) -> bool {
    let asked_for = matches!(reason, Reason::NoMatch | Reason::OtherSource | Reason::OtherInterface)
        || matches!(reason, Reason::NoRule | Reason::RuleSilent | Reason::RuleLoss | Reason::NoReply);
    let usual = matches!(reason, Reason::AfterEnd | Reason::Unfinished | Reason::OwnCopy | Reason::Duplicate);
    // Reported by the code that failed to make it.
    let told = matches!(reason, Reason::ReplyError | Reason::ReplyLate);
    !asked_for && !usual && !told
}

/// Lets [`MAX_A_SECOND`] lines pass in each second, and counts the others.
#[derive(Debug, Default)]
pub(super) struct Bound {
    second: Option<Instant>,
    passed: u32,
    held: u64,
}

impl Bound {
    /// Whether a line may be written now.
    #[expect(clippy::disallowed_methods, reason = "lines a second are counted by the clock")]
    pub(super) fn passes(&mut self) -> bool {
        let now = Instant::now();
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            self.second = Some(now);
            self.passed = 0;
        }
        if self.passed >= MAX_A_SECOND {
            self.held += 1;
            return false;
        }
        self.passed += 1;
        true
    }

    /// How many lines were held back since the last call.
    pub(super) fn take_held(&mut self) -> u64 {
        std::mem::take(&mut self.held)
    }
}
