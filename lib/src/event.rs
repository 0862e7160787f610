//! Everything that a verb can say: events as they happen, and the report at the end.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::datagram::{Datagram, Meta, SendFailure, Train, Transmit};
use crate::interface::Interfaces;
use crate::socket_id::SocketId;
use crate::stats::{Peers, Quantiles, Spread};
use crate::unreachable::Unreachable;

/// Something that happened, told while it is fresh; what it borrows is gone afterwards.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Datagrams of one source arrived that were listened for; most often one.
    Received {
        /// The socket they came through.
        via: SocketId,
        /// The datagrams, with what the kernel tells of them.
        train: Train<'a>,
    },
    /// A datagram was answered. Told only where the engine was asked for it.
    Answered {
        /// The socket it came through.
        via: SocketId,
        /// The datagram that was answered.
        datagram: Datagram<'a>,
        /// The answer's payload.
        reply: &'a [u8],
    },
    /// A datagram is to be answered by the program around the engine, with
    /// [`Input::Reply`](crate::Input::Reply).
    Question {
        /// What the reply must name.
        ticket: u64,
        /// The socket it came through.
        via: SocketId,
        /// The datagram that wants a reply.
        datagram: Datagram<'a>,
    },
    /// A datagram was sent. Told only where the engine was asked for it.
    Sent {
        /// Destination, interface and header fields of the datagram.
        transmit: Transmit,
        /// Payload of the datagram.
        payload: &'a [u8],
        /// Number of the request, from 1; repeated for a retry. Of a replayed datagram, the number that it was read with.
        request: u64,
        /// How many times it had been sent before.
        retry: u32,
    },
    /// An answer to something that we sent.
    Reply {
        /// The socket it came through.
        via: SocketId,
        /// The datagram that answers.
        datagram: Datagram<'a>,
        /// The request that it is an answer to, as far as that is known.
        to: ReplyTo,
    },
    /// A request got no answer in its time, nor did its retries.
    Unanswered {
        /// Where the request went.
        destination: SocketAddr,
        /// Number of the request, from 1.
        first: u64,
        /// The same number, if it is certain that this request has no answer. Otherwise one of the requests from `first` to
        /// this number has none, by all appearances; which one, the answers do not tell.
        last: u64,
    },
    /// Datagrams of one source were received and not used.
    Ignored {
        /// What is known of them.
        meta: &'a Meta,
        /// The reason for which they were not used.
        reason: Reason,
        /// Number of datagrams.
        count: usize,
    },
    /// A datagram of ours was refused.
    Unreachable {
        /// The destination, who says that it cannot be reached, and the cause.
        unreachable: &'a Unreachable,
        /// Number of the request that was refused, from 1, where that is certain.
        request: Option<u64>,
        /// Whether this is a copy of a refusal that came before.
        copy: bool,
    },
    /// Something could not be sent.
    SendFailed {
        /// The datagrams that were not sent, and the reason of the system.
        failure: &'a SendFailure,
    },
    /// The kernel dropped datagrams at our socket.
    Dropped {
        /// Number of datagrams since the last time that this was told.
        new: u64,
        /// Number of datagrams since the start.
        total: u64,
    },
    /// Interfaces or addresses of this host changed.
    Interfaces {
        /// All of them, as they are now.
        interfaces: &'a Interfaces,
    },
    /// A socket that had broken was opened again.
    Reopened {
        /// The address that it is bound to.
        local: SocketAddr,
    },
    /// Something went wrong that does not end the run.
    Trouble {
        /// The error, which says what was attempted on what.
        error: &'a crate::Error,
    },
}

/// The request that a reply is an answer to.
///
/// Taken for granted is that an answer, and every copy of it, arrives within the time for which answers are waited for; and
/// where one answer is wanted, and one address alone answers, that no request gets two different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyTo {
    /// This one, for certain.
    Request {
        /// Its number, from 1.
        number: u64,
        /// Round-trip time; `None` where the request was sent more than once.
        rtt: Option<Duration>,
    },
    /// One of these, or it is a copy of the answer to one of them: they look alike.
    OneOf {
        /// Number of the oldest, from 1.
        first: u64,
        /// Number of the newest.
        last: u64,
        /// The one that it is an answer to if no answer was copied or overtaken, and the round-trip time then.
        likely: Option<(u64, Duration)>,
    },
    /// None: it is a copy, since every request that it could be an answer to has its answer.
    Copy,
    /// One that is not waited for any more.
    Late,
    /// Answers are not matched with requests, or it fits none that is waited for.
    Unmatched,
}

impl ReplyTo {
    /// The number of the request, where it is certain.
    #[must_use]
    pub fn request(self) -> Option<u64> {
        match self {
            Self::Request { number, .. } => Some(number),
            Self::OneOf { .. } | Self::Copy | Self::Late | Self::Unmatched => None,
        }
    }

    /// The round-trip time, where it is certain.
    #[must_use]
    pub fn rtt(self) -> Option<Duration> {
        match self {
            Self::Request { rtt, .. } => rtt,
            Self::OneOf { .. } | Self::Copy | Self::Late | Self::Unmatched => None,
        }
    }
}

/// Gives each event its name, and lists all names: a variant without one does not compile.
macro_rules! names {
    ($($variant:ident => $name:literal,)*) => {
        impl Event<'_> {
            /// The names of all events. Outside of this crate a `match` on an event cannot be exhaustive; a program that
            /// must treat each can hold itself against these in a test.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The name of the event, in snake case.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

names! {
    Received => "received",
    Answered => "answered",
    Question => "question",
    Sent => "sent",
    Reply => "reply",
    Unanswered => "unanswered",
    Ignored => "ignored",
    Unreachable => "unreachable",
    SendFailed => "send_failed",
    Dropped => "dropped",
    Interfaces => "interfaces",
    Reopened => "reopened",
    Trouble => "trouble",
}

/// Why a received datagram was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Source port 0: no answer is wanted (RFC 768).
    SourcePortZero,
    /// The source is a broadcast, multicast or unspecified address: forged (RFC 1122 section 4.1.3.6).
    SourceAddress,
    /// The source is our own socket: forged, or our own datagram come back.
    OwnSocket,
    /// The source port is a well-known responder's: answering could start a loop (CVE-2024-2169).
    ResponderPort,
    /// Its payload is our own reply: it is an answer to us, not a question.
    OwnReply,
    /// Its hop limit is used up: it went to and fro between two servers.
    HopsSpent,
    /// The answer would be too much larger than the question.
    Amplification,
    /// Its source's network had its share of answers.
    RateLimit,
    /// As many as may wait for their reply do so already.
    Busy,
    /// No rule matches it.
    NoRule,
    /// The rule that it matches has no reply.
    RuleSilent,
    /// The rule that it matches leaves out some replies, and this was one.
    RuleLoss,
    /// There was no reply to it: who was asked had none.
    NoReply,
    /// Making its reply failed.
    ReplyError,
    /// Making its reply took too long.
    ReplyLate,
    /// Its reply is longer than a datagram.
    ReplyTooLong,
    /// The run ended before its reply was due.
    Unfinished,
    /// It was cut off on receipt.
    Truncated,
    /// It came in on an interface that was not asked for.
    OtherInterface,
    /// It was addressed to something that was not asked for.
    OtherDestination,
    /// Its source is not one that was asked for.
    OtherSource,
    /// Its payload does not match what was asked for.
    NoMatch,
    /// It is our own, come back to us.
    OwnCopy,
    /// The same answer came before.
    Duplicate,
    /// The program around had no room for it: its output takes less than what comes in.
    QueueFull,
    /// It came after enough had come.
    AfterEnd,
    /// The socket that it came through was closed before it was looked at.
    SocketClosed,
}

impl Reason {
    /// All of them, in order.
    pub const ALL: [Self; 27] = [
        Self::SourcePortZero,
        Self::SourceAddress,
        Self::OwnSocket,
        Self::ResponderPort,
        Self::OwnReply,
        Self::HopsSpent,
        Self::Amplification,
        Self::RateLimit,
        Self::Busy,
        Self::NoRule,
        Self::RuleSilent,
        Self::RuleLoss,
        Self::NoReply,
        Self::ReplyError,
        Self::ReplyLate,
        Self::ReplyTooLong,
        Self::Unfinished,
        Self::Truncated,
        Self::OtherInterface,
        Self::OtherDestination,
        Self::OtherSource,
        Self::NoMatch,
        Self::OwnCopy,
        Self::Duplicate,
        Self::QueueFull,
        Self::AfterEnd,
        Self::SocketClosed,
    ];

    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::SourcePortZero => "source_port_zero",
            Self::SourceAddress => "source_address",
            Self::OwnSocket => "own_socket",
            Self::ResponderPort => "responder_port",
            Self::OwnReply => "own_reply",
            Self::HopsSpent => "hops_spent",
            Self::Amplification => "amplification",
            Self::RateLimit => "rate_limit",
            Self::Busy => "busy",
            Self::NoRule => "no_rule",
            Self::RuleSilent => "rule_silent",
            Self::RuleLoss => "rule_loss",
            Self::NoReply => "no_reply",
            Self::ReplyError => "reply_error",
            Self::ReplyLate => "reply_late",
            Self::ReplyTooLong => "reply_too_long",
            Self::Unfinished => "unfinished",
            Self::Truncated => "truncated",
            Self::OtherInterface => "other_interface",
            Self::OtherDestination => "other_destination",
            Self::OtherSource => "other_source",
            Self::NoMatch => "no_match",
            Self::OwnCopy => "own_copy",
            Self::Duplicate => "duplicate",
            Self::QueueFull => "queue_full",
            Self::AfterEnd => "after_end",
            Self::SocketClosed => "socket_closed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SourcePortZero => "source port 0",
            Self::SourceAddress => "source not a host's address",
            Self::OwnSocket => "source is our own socket",
            Self::ResponderPort => "source port of a well-known responder",
            Self::OwnReply => "equal to our own reply",
            Self::HopsSpent => "hop limit used up (a loop)",
            Self::Amplification => "reply too large for the request",
            Self::RateLimit => "over the rate limit",
            Self::Busy => "too many wait for their reply already",
            Self::NoRule => "no rule matches",
            Self::RuleSilent => "a rule without a reply",
            Self::RuleLoss => "left out by chance (drop)",
            Self::NoReply => "no reply was made",
            Self::ReplyError => "making the reply failed",
            Self::ReplyLate => "making the reply took too long",
            Self::ReplyTooLong => "reply longer than a datagram",
            Self::Unfinished => "the end came before the reply",
            Self::Truncated => "truncated",
            Self::OtherInterface => "other interface",
            Self::OtherDestination => "other destination",
            Self::OtherSource => "other source",
            Self::NoMatch => "no match",
            Self::OwnCopy => "our own copy",
            Self::Duplicate => "duplicate",
            Self::QueueFull => "our queue was full (the output is too slow)",
            Self::AfterEnd => "after the end",
            Self::SocketClosed => "its socket was closed",
        })
    }
}

/// A number of datagrams and of the payload bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Number of datagrams.
    pub datagrams: u64,
    /// Bytes of payload on the wire.
    pub bytes: u64,
}

impl Count {
    /// Adds datagrams that hold this many bytes of payload together.
    pub fn add(&mut self, datagrams: usize, bytes: usize) {
        self.datagrams += datagrams as u64;
        self.bytes += bytes as u64;
    }
}

/// Datagrams ignored, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    counts: [u64; Reason::ALL.len()],
}

impl Ignored {
    /// Counts datagrams.
    pub fn add(&mut self, reason: Reason, datagrams: usize) {
        self.counts[reason as usize] += datagrams as u64;
    }

    /// Datagrams ignored for this reason.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// Datagrams ignored for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds all that another holds.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.counts.iter_mut().zip(other.counts) {
            *ours += theirs;
        }
    }

    /// The reasons that occurred, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.of(reason))).filter(|(_, count)| *count > 0)
    }
}

/// What a run came to. Fields that a verb does not use stay zero.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// All that was received.
    pub received: Count,
    /// Of it: answered, the answer handed to the kernel.
    pub answered: u64,
    /// Of it: to be answered, but the answer could not be sent.
    pub reply_failed: u64,
    /// Of it: taken without answering, as asked (`--sink`).
    pub sunk: u64,
    /// Of it: handed on as events (printed).
    pub delivered: u64,
    /// Of it: received and not used.
    pub ignored: Ignored,
    /// Of it: not decided yet, since its reply is not due or not made.
    pub waiting: u64,
    /// Copies of broadcasts and multicasts that the kernel made for a further worker, where the first one decides; they
    /// are not in `received`.
    pub copies: u64,
    /// Different sources of what was received.
    pub peers: Peers,
    /// Of all received: longer than the slot they were received into.
    pub truncated: u64,
    /// What was sent: handed to the kernel without an error.
    pub sent: Count,
    /// Datagrams that could not be sent, replies not counted.
    pub send_failed: u64,
    /// How long after the time in the schedule the turn of each datagram came, whether it could be sent or not: the clock is
    /// read before the system call that sends it.
    pub lateness: Quantiles,
    /// Pauses of a capture that were longer than allowed, and made shorter.
    pub gaps_shortened: u64,
    /// Datagrams whose time in the capture is before that of one that stands before them.
    pub times_decreasing: u64,
    /// How many times the recorded time went back by a second or more, from one datagram to the next.
    pub clock_steps_back: u64,
    /// Clocks that the times of a capture were found to be of, counted anew for each reading: the most of one.
    pub clocks: u64,
    /// Datagrams that left by the socket of another source, since each of them had its own already.
    pub sources_shared: u64,
    /// Requests made; their retries are not counted again.
    pub requests: u64,
    /// Of them: answered at least once. Where an answer cannot be told from a copy of another, the most that it can be.
    pub requests_answered: u64,
    /// Answers that are copies: those to the request that they are about had come.
    pub replies_copied: u64,
    /// Answers that came when their request was no longer waited for.
    pub replies_late: u64,
    /// Datagrams sent again for want of an answer.
    pub retries: u64,
    /// Datagrams of ours that were refused (ICMP).
    pub unreachable: u64,
    /// Round-trip times of answers whose request is certain.
    pub rtt: Spread,
    /// Round-trip times of answers whose request is likely ([`ReplyTo::OneOf`]), if it is that one.
    pub rtt_likely: Spread,
    /// Datagrams that the kernel dropped at our sockets; `None` where it cannot tell.
    pub kernel_drops: Option<u64>,
    /// Whether a dropped train counts as one in `kernel_drops`, which is then a lower bound.
    pub kernel_drops_at_least: bool,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Report {
    /// Whether every datagram received ended in exactly one counter.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let used = self.answered + self.reply_failed + self.sunk + self.delivered + self.waiting;
        self.received.datagrams == used + self.ignored.total()
    }

    /// Adds what another worker of the same run came to.
    pub fn merge(&mut self, other: &Self) {
        let sums = [
            (&mut self.received.datagrams, other.received.datagrams),
            (&mut self.received.bytes, other.received.bytes),
            (&mut self.answered, other.answered),
            (&mut self.reply_failed, other.reply_failed),
            (&mut self.sunk, other.sunk),
            (&mut self.delivered, other.delivered),
            (&mut self.waiting, other.waiting),
            (&mut self.copies, other.copies),
            (&mut self.truncated, other.truncated),
            (&mut self.sent.datagrams, other.sent.datagrams),
            (&mut self.sent.bytes, other.sent.bytes),
            (&mut self.send_failed, other.send_failed),
            (&mut self.gaps_shortened, other.gaps_shortened),
            (&mut self.times_decreasing, other.times_decreasing),
            (&mut self.clock_steps_back, other.clock_steps_back),
            (&mut self.sources_shared, other.sources_shared),
            (&mut self.requests, other.requests),
            (&mut self.requests_answered, other.requests_answered),
            (&mut self.replies_copied, other.replies_copied),
            (&mut self.replies_late, other.replies_late),
            (&mut self.retries, other.retries),
            (&mut self.unreachable, other.unreachable),
        ];
        for (ours, theirs) in sums {
            *ours += theirs;
        }
        self.ignored.merge(&other.ignored);
        self.peers.merge(&other.peers);
        self.lateness.merge(&other.lateness);
        self.rtt.merge(&other.rtt);
        self.rtt_likely.merge(&other.rtt_likely);
        self.kernel_drops = self.kernel_drops.zip(other.kernel_drops).map(|(ours, theirs)| ours + theirs);
        self.kernel_drops_at_least |= other.kernel_drops_at_least;
        self.clocks = self.clocks.max(other.clocks);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report in which every field is told apart: all count multiples of `unit`, each of another.
    fn report(unit: u64) -> Report {
        let (mut ignored, mut lateness, mut rtt) = (Ignored::default(), Quantiles::default(), Spread::default());
        ignored.counts = std::array::from_fn(|place| (100 + place as u64) * unit);
        for number in 1..=unit {
            lateness.add(Duration::from_secs(number));
            rtt.add(Duration::from_secs(number));
        }
        let mut peers = Peers::default();
        peers.add(unit << 60);
        Report {
            received: Count { datagrams: unit, bytes: 2 * unit },
            answered: 3 * unit,
            reply_failed: 4 * unit,
            sunk: 5 * unit,
            delivered: 6 * unit,
            ignored,
            waiting: 7 * unit,
            copies: 8 * unit,
            peers,
            truncated: 9 * unit,
            sent: Count { datagrams: 10 * unit, bytes: 11 * unit },
            send_failed: 12 * unit,
            lateness,
            gaps_shortened: 13 * unit,
            times_decreasing: 14 * unit,
            clock_steps_back: 21 * unit,
            clocks: unit,
            sources_shared: 15 * unit,
            requests: 16 * unit,
            requests_answered: 17 * unit,
            replies_copied: 21 * unit,
            replies_late: 22 * unit,
            retries: 18 * unit,
            unreachable: 19 * unit,
            rtt,
            rtt_likely: rtt,
            kernel_drops: Some(20 * unit),
            kernel_drops_at_least: false,
            elapsed: Duration::from_secs(unit),
        }
    }

    #[test]
    fn what_workers_came_to_is_added_up_field_by_field() {
        let (one, other) = (report(1), report(2));
        let mut both = one.clone();
        both.merge(&other);
        assert_eq!((both.lateness.count(), both.lateness.largest()), (3, Duration::from_secs(2)));
        assert_eq!((both.rtt.count(), both.rtt.largest()), (3, Duration::from_secs(2)));
        assert_eq!((both.rtt_likely.count(), both.rtt_likely.largest()), (3, Duration::from_secs(2)));
        assert_eq!((one.peers.estimate(), both.peers.estimate()), (1, 2));
        // They ran side by side.
        assert_eq!((both.elapsed, both.clocks), (other.elapsed, other.clocks));
        let Report { peers, lateness, rtt, rtt_likely, elapsed, clocks, .. } = both.clone();
        assert_eq!(both, Report { peers, lateness, rtt, rtt_likely, elapsed, clocks, ..report(3) });
    }

    #[test]
    fn drops_are_at_least_a_number_where_any_worker_counted_trains_and_unknown_where_one_cannot_tell() {
        for (one, other) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut both = Report { kernel_drops_at_least: one, ..report(1) };
            both.merge(&Report { kernel_drops_at_least: other, ..report(2) });
            assert_eq!(both.kernel_drops_at_least, one || other);
        }
        for (one, other) in [(Some(1), None), (None, Some(1)), (None, None)] {
            let mut both = Report { kernel_drops: one, ..report(1) };
            both.merge(&Report { kernel_drops: other, ..report(2) });
            assert_eq!(both.kernel_drops, None);
        }
    }

    #[test]
    fn every_datagram_has_one_counter_in_a_balanced_report() {
        let of = |change: &dyn Fn(&mut Report)| {
            let mut report = Report::default();
            change(&mut report);
            report
        };
        let counters: [&dyn Fn(&mut Report); 6] = [
            &|report| report.answered = 1,
            &|report| report.reply_failed = 1,
            &|report| report.sunk = 1,
            &|report| report.delivered = 1,
            &|report| report.waiting = 1,
            &|report| report.ignored.add(Reason::Busy, 1),
        ];
        for counter in counters {
            let mut report = of(counter);
            assert!(!report.is_balanced(), "{report:?}");
            report.received.add(1, 0);
            assert!(report.is_balanced(), "{report:?}");
        }
        assert!(of(&|_| ()).is_balanced() && of(&|report| report.copies = 1).is_balanced());
    }
}
