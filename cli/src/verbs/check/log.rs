//! What was sent and what came while a point was looked at: the first and the last of it, with the times.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::bounds::now;
use crate::output::escape;
use crate::output::json::{self, Payload, nanoseconds};
use crate::words::endpoint::Endpoint;

/// Entries that are kept: the first ones, and the last ones.
const FIRST: usize = 16;
const LAST: usize = 48;
/// Bytes of a payload that are kept: the first ones.
const EXCERPT: usize = 64;

/// What was sent and what came since a point was begun.
#[derive(Debug)]
pub(super) struct Log {
    begun: Instant,
    first: Vec<Entry>,
    last: VecDeque<Entry>,
    /// Entries between those, which are gone.
    left_out: u64,
}

/// Something that was sent, came, or happened.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    /// Since the point was begun.
    #[serde(rename = "at_ns", serialize_with = "at_ns")]
    at: Duration,
    #[serde(flatten)]
    what: What,
}

#[derive(Debug, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum What {
    Sent {
        #[serde(flatten, serialize_with = "json::source")]
        source: Endpoint,
        #[serde(flatten, serialize_with = "json::destination")]
        destination: Endpoint,
        /// Of the whole payload.
        length: usize,
        #[serde(flatten)]
        payload: Excerpt,
    },
    Came {
        #[serde(flatten, serialize_with = "json::source")]
        source: Endpoint,
        #[serde(flatten, serialize_with = "json::destination")]
        destination: Endpoint,
        length: usize,
        #[serde(flatten)]
        payload: Excerpt,
    },
    /// A datagram of ours was refused.
    Refused {
        #[serde(flatten, serialize_with = "json::source")]
        source: Endpoint,
        #[serde(flatten, serialize_with = "json::destination")]
        destination: Endpoint,
        cause: &'static str,
    },
    /// Something else happened.
    Note { words: String },
}

/// The start of a payload.
#[derive(Debug)]
struct Excerpt(Vec<u8>);

impl Serialize for Excerpt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Payload::new(&self.0).serialize(serializer)
    }
}

fn at_ns<S: serde::Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(nanoseconds(*at))
}

impl Log {
    pub(super) fn new() -> Self {
        Self { begun: now(), first: Vec::new(), last: VecDeque::new(), left_out: 0 }
    }

    pub(super) fn sent(&mut self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let (source, destination) = (Endpoint(source), Endpoint(destination));
        self.add(now(), What::Sent { source, destination, length: payload.len(), payload: excerpt(payload) });
    }

    pub(super) fn came(&mut self, at: Instant, source: SocketAddr, destination: SocketAddr, payload: &[u8]) {
        let (source, destination) = (Endpoint(source), Endpoint(destination));
        self.add(at, What::Came { source, destination, length: payload.len(), payload: excerpt(payload) });
    }

    pub(super) fn refused(&mut self, source: SocketAddr, destination: SocketAddr, cause: &'static str) {
        self.add(now(), What::Refused { source: Endpoint(source), destination: Endpoint(destination), cause });
    }

    /// Something that is neither sent nor came: "started the command again".
    pub(super) fn note(&mut self, words: impl Into<String>) {
        self.add(now(), What::Note { words: words.into() });
    }

    fn add(&mut self, at: Instant, what: What) {
        let entry = Entry { at: at.saturating_duration_since(self.begun), what };
        if self.first.len() < FIRST {
            return self.first.push(entry);
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(entry);
    }

    /// The first entries, the last ones, and how many are left out between them.
    pub(super) fn parts(&self) -> (&[Entry], &VecDeque<Entry>, u64) {
        (&self.first, &self.last, self.left_out)
    }
}

fn excerpt(payload: &[u8]) -> Excerpt {
    let cut = payload.get(..EXCERPT).unwrap_or(payload);
    // A character that is cut in the middle would make bytes of a text.
    let end = match str::from_utf8(cut) {
        Err(error) if error.error_len().is_none() && cut.len() < payload.len() => error.valid_up_to(),
        _ => cut.len(),
    };
    Excerpt(cut[..end].to_vec())
}

impl Entry {
    /// A line for people.
    pub(super) fn line(&self) -> String {
        let at = format!("+{:.6} s", self.at.as_secs_f64());
        match &self.what {
            What::Sent { source, destination, length, payload } => {
                format!("{at}  sent     {source} -> {destination}  {}", shown(*length, payload))
            }
            What::Came { source, destination, length, payload } => {
                format!("{at}  came     {source} -> {destination}  {}", shown(*length, payload))
            }
            What::Refused { source, destination, cause } => {
                format!("{at}  refused  {source} -> {destination}  {cause} unreachable")
            }
            What::Note { words } => format!("{at}  {words}"),
        }
    }
}

/// The length and the start of a payload.
fn shown(length: usize, Excerpt(start): &Excerpt) -> String {
    let mut words = Vec::new();
    // Writing to memory does not fail.
    let _ = escape::write(&mut words, start);
    let more = if start.len() < length { " ..." } else { "" };
    format!("{length} B  {}{more}", String::from_utf8_lossy(&words)).trim_end().to_owned()
}
