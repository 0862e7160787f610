//! What is worth telling: each thing once for each network, and no more lines a second than a person can use.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use udpkit::{Event, Reason, source_network};

/// Notices that are told; what they tell of is always counted.
pub(crate) const MAX_TOLD: usize = 256;
/// Lines about single datagrams that a responder writes in a second, however many it gets.
const MAX_A_SECOND: u32 = 1000;

/// What is told once for each network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Ignored(Reason),
    /// By the system's number of the error.
    SendFailed(i32),
}

/// What was told of which network; no more than [`MAX_TOLD`].
#[derive(Debug, Default)]
pub(crate) struct News {
    told: HashSet<(Told, IpAddr)>,
}

impl News {
    /// Whether this was not told yet of the network of an address: so that a flood is not answered with one of lines.
    pub(crate) fn is_news(&mut self, what: Told, ip: IpAddr) -> bool {
        self.told.len() < MAX_TOLD && self.told.insert((what, source_network(ip)))
    }

    /// Whether a printer is to see an event at all: all there is where everything is told, and what is news.
    pub(crate) fn passes(&mut self, event: &Event<'_>, verbose: bool) -> bool {
        match event {
            _ if verbose => true,
            Event::Ignored { meta, reason, .. } => {
                Self::is_surprising(*reason) && self.is_news(Told::Ignored(*reason), meta.source.ip())
            }
            Event::SendFailed { failure } => {
                let number = failure.error.raw_os_error().unwrap_or(0);
                self.is_news(Told::SendFailed(number), failure.transmit.destination.ip())
            }
            // Of what we answer, which anybody can make us do: counted.
            Event::Unreachable { .. } => false,
            _ => true,
        }
    }

    /// Whether datagrams that are ignored for this reason are news at all: not where that is what was asked for.
    pub(crate) fn is_surprising(reason: Reason) -> bool {
        let asked_for = matches!(reason, Reason::NoMatch | Reason::OtherSource | Reason::OtherInterface)
            || matches!(reason, Reason::NoRule | Reason::RuleSilent | Reason::RuleLoss | Reason::NoReply);
        let usual = matches!(reason, Reason::AfterEnd | Reason::Unfinished | Reason::OwnCopy | Reason::Duplicate);
        // Told by whoever failed to make it.
        let told = matches!(reason, Reason::ReplyError | Reason::ReplyLate);
        !asked_for && !usual && !told
    }
}

/// Lets [`MAX_A_SECOND`] lines pass in each second, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    second: Option<Instant>,
    passed: u32,
    held: u64,
}

impl Bound {
    /// Whether a line may be written now.
    #[expect(clippy::disallowed_methods, reason = "lines a second are counted by the clock")]
    pub(crate) fn passes(&mut self) -> bool {
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
    pub(crate) fn take_held(&mut self) -> u64 {
        std::mem::take(&mut self.held)
    }
}
