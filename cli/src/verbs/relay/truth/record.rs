//! What a truth file has to say, as small as the thread that relays can hand it over; and as lines.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Instant;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use udpkit::Network;
use udpkit::event::{Decided, Departed, Leaving};
use udpkit::impairment::{Departure, Fate, Impairment, ImpairmentOptions, Jitter, Loss, LostBy, Stage};
use udpkit::verbs::{Direction, RelayOptions};

use crate::output::json::is_false;
use crate::words::endpoint::Endpoint;
use crate::words::impairments::Words;

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// Which link a datagram takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Whose {
    pub(super) direction: Direction,
    /// The network whose own link it is; `None`: that of all others.
    pub(super) network: Option<Network>,
}

/// Something for the file.
#[expect(clippy::large_enum_variant, reason = "nearly all are datagrams, which cost no allocation")]
pub(super) enum Item {
    Datagram(Record),
    Change(Box<Change>),
    SendFailed(Box<SendFailed>),
}

/// A datagram, or a copy, whose fate is fulfilled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) whose: Whose,
    pub(super) peer: SocketAddr,
    pub(super) number: u64,
    pub(super) is_copy: bool,
    /// Bytes of payload.
    pub(super) payload_len: usize,
    pub(super) entered_ns: i64,
    pub(super) outcome: Outcome,
    pub(super) is_bad: Option<bool>,
    pub(super) draws: Draws,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Outcome {
    Lost(LostBy),
    Left { leaving: Leaving, departure: Departure, decided_ns: i64, left_ns: i64 },
}

/// A link that does something else from a datagram on.
pub(super) struct Change {
    pub(super) whose: Whose,
    pub(super) at_ns: i64,
    /// The number of the first datagram that it is for.
    pub(super) from_number: u64,
    /// What it does; `None`: the network has no links of its own any more.
    pub(super) options: Option<ImpairmentOptions>,
    pub(super) is_reset: bool,
}

/// Datagrams that had left a link and could not be sent.
#[derive(Serialize)]
pub(super) struct SendFailed {
    pub(super) at_ns: i64,
    pub(super) destination: Endpoint,
    pub(super) count: u64,
    pub(super) error: String,
}

/// Nanoseconds from the start until this moment; less than none before it.
pub(super) fn since(start: Instant, at: Instant) -> i64 {
    let after = i64::try_from(at.saturating_duration_since(start).as_nanos()).unwrap_or(i64::MAX);
    let before = i64::try_from(start.saturating_duration_since(at).as_nanos()).unwrap_or(i64::MAX);
    after - before
}

impl Record {
    /// The datagram and its copy, as far as they were lost when they came, or of the copy that there is.
    pub(super) fn lost<'a>(decided: &'a Decided<'_>, start: Instant) -> impl Iterator<Item = Self> + use<'a> {
        let fates = decided.fates;
        let fate = move |is_copy| if is_copy { fates.copy } else { Some(fates.original) };
        [false, true].into_iter().filter_map(move |is_copy| {
            let Some(Fate::Lost(by)) = fate(is_copy) else { return None };
            let stages = Stages::of(decided.impairment.options()).up_to(by);
            Some(Self {
                whose: Whose { direction: decided.direction, network: decided.network },
                peer: decided.peer,
                number: fates.number,
                is_copy,
                payload_len: decided.payload.len(),
                entered_ns: since(start, decided.entered),
                outcome: Outcome::Lost(by),
                is_bad: fates.is_bad,
                draws: Draws::of(decided.impairment, stages, fates.number, is_copy),
            })
        })
    }

    /// Notes that it could not be sent.
    pub(super) fn send_failed(&mut self) {
        if let Outcome::Left { leaving, .. } = &mut self.outcome {
            *leaving = Leaving::SendFailed;
        }
    }

    /// One that left, on which these stages decided.
    pub(super) fn left(departed: &Departed<'_>, stages: Stages, start: Instant) -> Self {
        let Departed { number, is_copy, departure, impairment, .. } = *departed;
        let stages = if departure.is_exempt { Stages::default() } else { stages };
        Self {
            whose: Whose { direction: departed.direction, network: departed.network },
            peer: departed.peer,
            number,
            is_copy,
            payload_len: departed.payload.len(),
            entered_ns: since(start, departed.entered),
            outcome: Outcome::Left {
                leaving: departed.leaving,
                departure,
                decided_ns: since(start, departed.decided),
                left_ns: since(start, departed.left),
            },
            is_bad: departure.is_bad,
            draws: Draws::of(impairment, stages, number, is_copy),
        }
    }
}

/// The stages for which the options ask, in the order of [`Stage::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stages([bool; Stage::ALL.len()]);

impl Stages {
    pub(super) fn of(options: &ImpairmentOptions) -> Self {
        let ImpairmentOptions { loss, duplicate, corrupt, jitter, reorder, .. } = options;
        let is_asked = |stage: &Stage| match stage {
            Stage::State => matches!(loss, Loss::Bursts(_)),
            Stage::Loss => matches!(loss, Loss::Bursts(_) | Loss::Independent(_)),
            Stage::Duplicate => *duplicate > 0.0,
            Stage::Corrupt => *corrupt > 0.0,
            Stage::Jitter => *jitter != Jitter::None,
            Stage::Reorder => reorder.is_some(),
            _ => false,
        };
        let mut stages = Self::default();
        Stage::ALL.iter().zip(&mut stages.0).for_each(|(stage, asked)| *asked = is_asked(stage));
        stages
    }

    /// Those that had decided on a datagram when it was lost by this.
    fn up_to(mut self, by: LostBy) -> Self {
        let last = match by {
            LostBy::Chosen | LostBy::Chance | LostBy::Blackout | LostBy::Mtu => Stage::Loss,
            LostBy::Queue | LostBy::CoDel => Stage::Corrupt,
            _ => Stage::Reorder,
        };
        let place = Stage::ALL.iter().position(|stage| *stage == last);
        self.0.iter_mut().skip(place.map_or(0, |place| place + 1)).for_each(|asked| *asked = false);
        self
    }
}

/// The numbers drawn for a datagram, in the stages that decided on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Draws {
    stages: Stages,
    numbers: [f64; Stage::ALL.len()],
}

impl Draws {
    fn of(impairment: &Impairment, stages: Stages, number: u64, is_copy: bool) -> Self {
        let mut numbers = [0.0; Stage::ALL.len()];
        for ((drawn, stage), _) in numbers.iter_mut().zip(Stage::ALL).zip(stages.0).filter(|(_, asked)| *asked) {
            *drawn = match is_copy {
                false => impairment.drawn(*stage, number),
                true => impairment.drawn_for_copy(*stage, number),
            };
        }
        Self { stages, numbers }
    }

    fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all = Stage::ALL.iter().zip(self.numbers).zip(self.stages.0);
        all.filter(|(_, asked)| *asked).map(|((stage, number), _)| (stage.key(), number))
    }
}

impl Serialize for Draws {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.iter().try_for_each(|(stage, number)| map.serialize_entry(stage, &number))?;
        map.end()
    }
}

/// A line of the file.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    Relay(&'a Header<'a>),
    Change(ChangeLine),
    Datagram(DatagramLine),
    SendFailed(&'a SendFailed),
    /// So many lines are missing here: they found no room.
    Gap {
        count: u64,
    },
    End(End),
}

/// What the file begins with: all that decides what becomes of datagrams, and what it was at the start.
#[derive(Serialize)]
pub(super) struct Header<'a> {
    v: u32,
    seed: u64,
    /// In UTC.
    start: String,
    listen: Vec<Endpoint>,
    target: Endpoint,
    up: Words,
    down: Words,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    peers: Vec<PeerLine>,
    command: &'a str,
}

/// The links that a network has for itself.
#[derive(Serialize)]
struct PeerLine {
    network: String,
    up: Words,
    down: Words,
}

impl<'a> Header<'a> {
    /// What is asked for, where it is listened, and the command that asks for it.
    pub(super) fn new(options: &RelayOptions, listen: &[SocketAddr], start: String, command: &'a str) -> Self {
        let peers = options.peers.iter().map(|peer| PeerLine {
            network: peer.network.to_string(),
            up: Words::of(&peer.up),
            down: Words::of(&peer.down),
        });
        Self {
            v: VERSION,
            seed: options.seed,
            start,
            listen: listen.iter().copied().map(Endpoint).collect(),
            target: Endpoint(options.target),
            up: Words::of(&options.up),
            down: Words::of(&options.down),
            peers: peers.collect(),
            command,
        }
    }
}

#[derive(Serialize)]
pub(super) struct ChangeLine {
    at_ns: i64,
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    from_number: u64,
    #[serde(skip_serializing_if = "is_false")]
    reset: bool,
    impairments: Option<Words>,
}

#[derive(Serialize)]
pub(super) struct DatagramLine {
    direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    number: u64,
    copy: bool,
    peer: Endpoint,
    length: usize,
    entered_ns: i64,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    exempt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bad: Option<bool>,
    draws: Draws,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrupted_bit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overtaken_by: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    marked: bool,
}

/// What the file ends with, so that one that was cut off is known.
#[derive(Serialize)]
pub(super) struct End {
    pub(super) at_ns: i64,
    /// Lines about datagrams and copies.
    pub(super) datagrams: u64,
    /// Lines that are missing.
    pub(super) not_written: u64,
}

impl From<&Change> for ChangeLine {
    fn from(change: &Change) -> Self {
        Self {
            at_ns: change.at_ns,
            direction: change.whose.direction.key(),
            network: change.whose.network.map(|network| network.to_string()),
            from_number: change.from_number,
            reset: change.is_reset,
            impairments: change.options.as_ref().map(Words::of),
        }
    }
}

impl From<&Record> for DatagramLine {
    fn from(record: &Record) -> Self {
        let Record { whose, peer, number, is_copy: copy, payload_len: length, entered_ns, is_bad: bad, draws, .. } =
            *record;
        let lost = Self {
            direction: whose.direction.key(),
            network: whose.network.map(|network| network.to_string()),
            number,
            copy,
            peer: Endpoint(peer),
            length,
            entered_ns,
            fate: "lost",
            by: None,
            exempt: false,
            bad,
            draws,
            decided_ns: None,
            left_ns: None,
            corrupted_bit: None,
            overtaken_by: None,
            marked: false,
        };
        match record.outcome {
            Outcome::Lost(by) => Self { by: Some(by.key()), ..lost },
            Outcome::Left { leaving, departure, decided_ns, left_ns } => Self {
                fate: leaving.key(),
                exempt: departure.is_exempt,
                decided_ns: Some(decided_ns),
                left_ns: Some(left_ns),
                corrupted_bit: departure.flipped_bit,
                overtaken_by: departure.overtaken.map(|overtaken| overtaken.followers),
                marked: departure.ce_marked,
                ..lost
            },
        }
    }
}

impl Line<'_> {
    /// Writes it.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}
