//! When a link can send: traces of mobile networks in the format of mahimahi.

use std::sync::Arc;

use super::text::{TextError, shown};

/// Picoseconds in a millisecond.
const MILLISECOND: u128 = 1_000_000_000;
/// Bytes that are sent at one opportunity.
const OPPORTUNITY: usize = 1500;
/// The most opportunities of a trace.
const MOST: usize = 1 << 22;

/// When a link can send 1,500 bytes, millisecond by millisecond, and then again from the first: how a mobile network was, as
/// mahimahi records it (`mm-link`).
///
/// A datagram leaves with the opportunity that sends the last of its bytes: longer ones take several, short ones share one.
/// An opportunity for which nothing waits has passed. Times count from the start of the [`Impairment`](super::Impairment).
///
/// ```
/// use udpkit::impairment::Trace;
///
/// # fn main() -> Result<(), udpkit::impairment::TextError> {
/// let trace = Trace::parse("1\n1\n5\n10\n")?;
/// assert_eq!(trace.mean_bitrate(), 4.8e6, "6,000 bytes in 10 ms");
/// let error = Trace::parse("1\n 5 ms\n").unwrap_err();
/// assert_eq!(error.to_string(), "line 2, column 2: '5 ms' is not a number of milliseconds");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Milliseconds, ascending; the last is that after which it begins again, and more than 0.
    opportunities: Arc<[u32]>,
    name: Option<Arc<str>>,
}

/// How far a trace has been used: an opportunity, and the bytes that are left of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    round: u128,
    place: usize,
    left: usize,
}

impl Trace {
    /// Reads a trace: a line for each opportunity with its milliseconds since the start, ascending, the same ones as often as so
    /// many datagrams of 1,500 bytes could be sent. Empty lines are left out, and so is what follows a `#`.
    ///
    /// # Errors
    ///
    /// What is not a number of milliseconds up to 4,294,967,295, a time before the one above it, no time after 0, and more than
    /// 4,194,304 opportunities.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let mut opportunities = Vec::new();
        let mut last = 0;
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default();
            let word = text.trim();
            if word.is_empty() {
                continue;
            }
            let column = text.chars().take_while(|character| character.is_whitespace()).count() + 1;
            let wrong = |message: String| TextError::new(line, column, message);
            let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
            let time = word.parse::<u32>().ok().filter(|_| is_number);
            let time = time.ok_or_else(|| wrong(format!("{} is not a number of milliseconds", shown(word))))?;
            if time < last {
                return Err(wrong(format!("{time} is before {last}, the time above it")));
            }
            if opportunities.len() == MOST {
                return Err(wrong(format!("{MOST} opportunities are the longest trace")));
            }
            opportunities.push(time);
            last = time;
        }
        if last == 0 {
            return Err(TextError::new(1, 1, "there is no time after 0 at which anything is sent"));
        }
        Ok(Self { opportunities: opportunities.into(), name: None })
    }

    /// Notes what it is called: its file, most often.
    #[must_use]
    pub fn named(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Bits a second that can be sent in the long run. How many are depends on what comes: [`Carried`](super::Carried).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are at most 2^22 opportunities")]
    pub fn mean_bitrate(&self) -> f64 {
        (self.opportunities.len() * OPPORTUNITY * 8) as f64 * 1000.0 / f64::from(self.lasting())
    }

    /// Milliseconds until it begins again; at least one.
    fn lasting(&self) -> u32 {
        self.opportunities.last().copied().unwrap_or(1)
    }

    /// The first opportunity after this time, in picoseconds since the start.
    pub(super) fn after(&self, now: u128) -> Cursor {
        let (milliseconds, lasting) = (now / MILLISECOND, u128::from(self.lasting()));
        let within = milliseconds % lasting;
        let place = self.opportunities.partition_point(|time| u128::from(*time) <= within);
        // There is one: the last is after all times of its round.
        Cursor { round: milliseconds / lasting, place, left: OPPORTUNITY }
    }

    /// When an opportunity is, in picoseconds since the start.
    pub(super) fn at(&self, cursor: Cursor) -> u128 {
        (cursor.round * u128::from(self.lasting()) + u128::from(self.opportunities[cursor.place])) * MILLISECOND
    }

    /// The next opportunity, unless there is something left of this one.
    pub(super) fn usable(&self, cursor: Cursor) -> Cursor {
        if cursor.left > 0 { cursor } else { self.following(cursor) }
    }

    /// The opportunity with which the last of so many bytes is sent, and what is left of it.
    pub(super) fn send(&self, mut cursor: Cursor, mut len: usize) -> Cursor {
        while len > cursor.left {
            len -= cursor.left;
            cursor = self.following(cursor);
        }
        cursor.left -= len;
        cursor
    }

    fn following(&self, Cursor { round, place, .. }: Cursor) -> Cursor {
        if place + 1 < self.opportunities.len() {
            Cursor { round, place: place + 1, left: OPPORTUNITY }
        } else {
            Cursor { round: round + 1, place: 0, left: OPPORTUNITY }
        }
    }
}
