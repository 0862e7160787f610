//! Why a datagram that was received was not used.

use std::fmt;

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
    /// Its hop limit is used up: two servers had sent it back and forth.
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
    /// It answers nothing that was sent: forged, or its sender is wrong.
    Unsolicited,
    /// The program around had no room for it: its output takes less than what comes in.
    QueueFull,
    /// It came after enough had come.
    AfterEnd,
    /// There was no room for another peer, or no descriptor.
    TooManyPeers,
    /// The socket that it came through was closed before it was looked at.
    SocketClosed,
    /// It is too short for a request, or for a reply that is no longer.
    Undersized,
    /// There is no key for its session.
    UnknownKey,
    /// Its digest is wrong: it was made with another key, or changed on its way.
    WrongDigest,
    /// As many replies were sent this second as may be to all together.
    MaxRate,
}

impl Reason {
    /// All of them, in order.
    pub const ALL: &'static [Self] = &[
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
        Self::Unsolicited,
        Self::QueueFull,
        Self::AfterEnd,
        Self::TooManyPeers,
        Self::SocketClosed,
        Self::Undersized,
        Self::UnknownKey,
        Self::WrongDigest,
        Self::MaxRate,
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
            Self::Unsolicited => "unsolicited",
            Self::QueueFull => "queue_full",
            Self::AfterEnd => "after_end",
            Self::TooManyPeers => "too_many_peers",
            Self::SocketClosed => "socket_closed",
            Self::Undersized => "undersized",
            Self::UnknownKey => "unknown_key",
            Self::WrongDigest => "wrong_digest",
            Self::MaxRate => "max_rate",
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
            Self::Unsolicited => "an answer to nothing that was sent",
            Self::QueueFull => "our queue was full (the output is too slow)",
            Self::AfterEnd => "after the end",
            Self::TooManyPeers => "too many peers",
            Self::SocketClosed => "its socket was closed",
            Self::Undersized => "too short for a request",
            Self::UnknownKey => "no key for its session",
            Self::WrongDigest => "wrong digest (another key, or changed on its way)",
            Self::MaxRate => "over the limit on all replies",
        })
    }
}
