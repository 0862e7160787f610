//! Truth files, read line by line: whatever is in them costs bounded memory, and what is wrong has the number of its line.

use std::fmt;
use std::io::BufRead;

use anyhow::{Result, bail};
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of the longest line that is read.
const LONGEST_LINE: usize = 4 << 20;
/// The most words of one link: there are not half as many.
const MOST_WORDS: usize = 64;

/// A line of a truth file.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    Relay(Header),
    Change(Change),
    Datagram(Box<Record>),
    SendFailed(IgnoredAny),
    Gap {
        count: u64,
    },
    End(End),
    /// Of a later version.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) v: u64,
    pub(super) seed: u64,
    pub(super) up: Words,
    pub(super) down: Words,
    #[serde(default)]
    pub(super) peers: Vec<Peers>,
}

/// The links of a network.
#[derive(Deserialize)]
pub(super) struct Peers {
    pub(super) network: String,
    pub(super) up: Words,
    pub(super) down: Words,
}

#[derive(Deserialize)]
pub(super) struct Change {
    pub(super) at_ns: i64,
    pub(super) direction: Way,
    pub(super) network: Option<String>,
    pub(super) from_number: u64,
    #[serde(default)]
    pub(super) reset: bool,
    pub(super) impairments: Option<Words>,
}

#[derive(Deserialize)]
pub(super) struct End {
    pub(super) datagrams: u64,
    pub(super) not_written: u64,
}

/// What a line says of a datagram.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) direction: Way,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<String>,
    pub(super) number: u64,
    pub(super) copy: bool,
    pub(super) peer: String,
    pub(super) length: u64,
    pub(super) entered_ns: i64,
    pub(super) fate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) exempt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bad: Option<bool>,
    pub(super) draws: Draws,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) decided_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) corrupted_bit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overtaken_by: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) marked: bool,
}

/// The numbers drawn.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Draws {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duplicate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) corrupt: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jitter: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reorder: Option<f64>,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    Up,
    Down,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// What a link does, in the words of the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Words(#[serde(serialize_with = "as_map")] Vec<(String, String)>);

impl Words {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len() + 1).sum()
    }
}

fn as_map<S: Serializer>(words: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(words.iter().map(|(name, value)| (name, value)))
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a text for each impairment")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Words, M::Error> {
                let mut words = Words::default();
                while let Some((name, Word(value))) = map.next_entry::<String, Word>()? {
                    if words.0.len() >= MOST_WORDS {
                        return Err(M::Error::custom("more impairments than there are"));
                    }
                    words.0.push((name, value));
                }
                Ok(words)
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// What an impairment is set to: a text, or `true`.
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Any {
            Text(String),
            Flag(bool),
        }
        Ok(Self(match Any::deserialize(deserializer)? {
            Any::Text(text) => text,
            Any::Flag(flag) => flag.to_string(),
        }))
    }
}

/// The lines of a file.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// The number of the line that was read last, from 1.
    pub(super) number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// What the system says; a line that is too long, not whole, or no line of a truth file.
    pub(super) fn next(&mut self) -> Result<Option<Line>> {
        self.line.clear();
        let limit = LONGEST_LINE as u64 + 1;
        let mut part = std::io::Read::take(&mut self.input, limit);
        if part.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if self.line.last() != Some(&b'\n') {
            if self.line.len() > LONGEST_LINE {
                bail!("line {number} is longer than {} MiB: that is no truth file", LONGEST_LINE >> 20);
            }
            bail!("line {number} is not whole: the file was cut off there, or the relay is writing it");
        }
        match serde_json::from_slice(&self.line) {
            Ok(line) => Ok(Some(line)),
            // Its own place is in the line, which is always the first.
            Err(error) => {
                let words = error.to_string();
                let what = words.rsplit_once(" at line ").map_or(words.as_str(), |(what, _)| what);
                match error.column() {
                    0 => bail!("line {number}: {what}"),
                    column => bail!("line {number}, column {column}: {what}"),
                }
            }
        }
    }
}
