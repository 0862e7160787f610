//! Which request a reply is an answer to.

use std::time::Duration;

/// The request that a reply is an answer to.
///
/// Taken for granted is that an answer, and every copy of it, arrives within the time for which answers are waited for; and
/// where one answer is wanted, and one address alone answers, that no request gets two different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyTo {
    /// This one, for certain.
    Request(Request),
    /// One of these, or it is a copy of the answer to one of them: they look alike.
    OneOf(OneOf),
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
            Self::Request(request) => Some(request.number),
            Self::OneOf(_) | Self::Copy | Self::Late | Self::Unmatched => None,
        }
    }

    /// The round-trip time, where it is certain.
    #[must_use]
    pub fn rtt(self) -> Option<Duration> {
        match self {
            Self::Request(request) => request.rtt,
            Self::OneOf(_) | Self::Copy | Self::Late | Self::Unmatched => None,
        }
    }
}

/// The request that a reply is certainly an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Its number, from 1.
    pub number: u64,
    /// Round-trip time; `None` where the request was sent more than once.
    pub rtt: Option<Duration>,
}

impl Request {
    /// The request of this number, answered in this time.
    #[must_use]
    pub fn new(number: u64, rtt: Option<Duration>) -> Self {
        Self { number, rtt }
    }
}

/// The requests that a reply may be an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OneOf {
    /// Number of the oldest, from 1.
    pub first: u64,
    /// Number of the newest.
    pub last: u64,
    /// The one that it is an answer to if no answer was copied or overtaken, and the round-trip time then.
    pub likely: Option<(u64, Duration)>,
}

impl OneOf {
    /// The requests of these numbers, and the one that it is most likely.
    #[must_use]
    pub fn new(first: u64, last: u64, likely: Option<(u64, Duration)>) -> Self {
        Self { first, last, likely }
    }
}
