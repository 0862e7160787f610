//! What was asked of a link beside what it did.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use udpkit::Network;
use udpkit::event::Impaired;
use udpkit::impairment::{Carried, LinkCounts, LostBy};
use udpkit::verbs::{Direction, DirectionFigures, RelayOptions};

use crate::words::impairments::{Name, Words};
use crate::words::units;

/// What the links do from the start on.
pub(super) struct Asked {
    links: [Words; 2],
    /// Those that networks have for themselves.
    own: Vec<(Network, [Words; 2])>,
}

impl Asked {
    /// What the options ask for.
    pub(super) fn of(options: &RelayOptions) -> Self {
        let own = options.peers.iter().map(|peer| (peer.network, [Words::of(&peer.up), Words::of(&peer.down)]));
        Self { links: [Words::of(&options.up), Words::of(&options.down)], own: own.collect() }
    }

    /// Of the link of all.
    fn of_all(&self, direction: Direction) -> &Words {
        &self.links[direction as usize]
    }

    /// Of the link of a network.
    fn of_network(&self, network: Network, direction: Direction) -> Words {
        let own = self.own.iter().find(|(whose, _)| *whose == network);
        own.map(|(_, links)| links[direction as usize].clone()).unwrap_or_default()
    }
}

/// How often links have changed since the start, or since the relay was reset, and what they were to do when it was.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Mutex<ByLink>>);

/// What there is to say of each link that has changed.
type ByLink = HashMap<(Direction, Option<Network>), Since>;

#[derive(Default)]
struct Since {
    changes: u64,
    /// What was asked when the relay was reset.
    asked: Option<Words>,
}

impl Changes {
    /// Notes a change.
    pub(super) fn note(&self, impaired: &Impaired<'_>) {
        let mut changes = self.0.lock();
        let &Impaired { direction, network, options, is_reset, .. } = impaired;
        if is_reset && direction == Direction::Up && network.is_none() {
            changes.clear();
        }
        // There are as many links as there may be, ever; of others, nobody asks.
        if changes.len() <= 2 * RelayOptions::MOST_NETWORKS {
            let since = changes.entry((direction, network)).or_default();
            if is_reset {
                since.asked = options.map(Words::of);
            } else {
                since.changes += 1;
            }
        }
    }

    /// How often a link has changed, and what it was to do at first.
    fn of(&self, direction: Direction, network: Option<Network>, at_start: Words) -> (u64, Words) {
        match self.0.lock().get(&(direction, network)) {
            None => (0, at_start),
            Some(since) => (since.changes, since.asked.clone().unwrap_or(at_start)),
        }
    }
}

/// What a link did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Done {
    entered: u64,
    exempt: u64,
    duplicated: u64,
    corrupted: u64,
    marked: u64,
    overtaken: u64,
    under_way: u64,
    #[serde(serialize_with = "by_key")]
    lost: [u64; LostBy::ALL.len()],
    /// What a link with a rate sent.
    #[serde(skip_serializing_if = "is_nothing", serialize_with = "carried")]
    carried: Carried,
    /// Datagrams and copies that left or are under way.
    #[serde(skip)]
    passed: u64,
}

fn is_nothing(carried: &Carried) -> bool {
    carried.datagrams == 0
}

/// What was sent, and how fast while there was something to send.
fn carried<S: Serializer>(carried: &Carried, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Fields {
        datagrams: u64,
        bytes: u64,
        bits_per_second: Option<f64>,
    }
    let Carried { datagrams, bytes, .. } = *carried;
    Fields { datagrams, bytes, bits_per_second: carried.bitrate() }.serialize(serializer)
}

/// Counts by the key of what a datagram was lost by, where there are any.
fn by_key<S: Serializer>(lost: &[u64; LostBy::ALL.len()], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(LostBy::ALL.iter().map(|by| by.key()).zip(lost).filter(|(_, count)| **count > 0))
}

impl Done {
    fn of(counts: &LinkCounts) -> Self {
        let LinkCounts { entered, exempt, duplicated, corrupted, marked, overtaken, under_way, left, carried, .. } =
            *counts;
        let mut lost = [0; LostBy::ALL.len()];
        LostBy::ALL.iter().zip(&mut lost).for_each(|(by, count)| *count = counts.lost(*by));
        Self {
            entered,
            exempt,
            duplicated,
            corrupted,
            marked,
            overtaken,
            under_way,
            lost,
            carried,
            passed: left + under_way,
        }
    }

    /// Without what another link did.
    fn without(mut self, other: &Self) -> Self {
        let pairs = [
            (&mut self.entered, other.entered),
            (&mut self.exempt, other.exempt),
            (&mut self.duplicated, other.duplicated),
            (&mut self.corrupted, other.corrupted),
            (&mut self.marked, other.marked),
            (&mut self.overtaken, other.overtaken),
            (&mut self.under_way, other.under_way),
            (&mut self.passed, other.passed),
        ];
        self.carried = self.carried.without(other.carried);
        let lost = self.lost.iter_mut().zip(other.lost);
        pairs.into_iter().chain(lost).for_each(|(ours, theirs)| *ours = ours.saturating_sub(theirs));
        self
    }

    fn lost(&self, by: LostBy) -> u64 {
        LostBy::ALL.iter().zip(self.lost).filter(|(it, _)| **it == by).map(|(_, count)| count).sum()
    }

    /// Datagrams that the impairments were for.
    fn meant(&self) -> u64 {
        self.entered.saturating_sub(self.exempt)
    }

    /// How much of what an impairment was for it was done to; `None` where it is no matter of how much.
    fn share(&self, name: Name) -> Option<(u64, u64)> {
        let chosen = self.lost(LostBy::Chosen);
        let before_copies: u64 =
            [LostBy::Chosen, LostBy::Chance, LostBy::Blackout, LostBy::Mtu].map(|by| self.lost(by)).iter().sum();
        let passed = self.passed.saturating_sub(self.exempt);
        Some(match name {
            Name::Match | Name::From => (self.meant(), self.entered),
            Name::Drop => (chosen, self.meant()),
            Name::Loss => (self.lost(LostBy::Chance), self.meant().saturating_sub(chosen)),
            Name::Duplicate => (self.duplicated, self.meant().saturating_sub(before_copies)),
            Name::Corrupt => (self.corrupted, passed),
            Name::Reorder => (self.overtaken, passed),
            _ => return None,
        })
    }

    /// What was done, in words; `None` where times say it, or the rate.
    fn words(&self, name: Name) -> Option<String> {
        let lost = |by| format!("{} lost", self.lost(by));
        match (name, self.share(name)) {
            (Name::Match | Name::From, Some((count, all))) => Some(format!("for {count} of {all}")),
            (_, Some((_, 0))) => None,
            (_, Some((count, all))) => Some(format!("{} ({count} of {all})", percent(count, all))),
            (Name::Blackout, _) => Some(lost(LostBy::Blackout)),
            (Name::Rate | Name::Trace, _) => self.carried.bitrate().map(units::bits),
            (Name::Mtu, _) => Some(lost(LostBy::Mtu)),
            (Name::Queue, _) => Some(lost(LostBy::Queue)),
            (Name::Codel, _) => Some(format!("{}, {} marked", lost(LostBy::CoDel), self.marked)),
            _ => None,
        }
    }

    /// A line for each impairment that was asked for, and for what happened without.
    fn lines(&self, asked: &Words, changes: u64) -> Vec<String> {
        let changed = match changes {
            0 => String::new(),
            count => format!(" at first, changed {}", units::times(count)),
        };
        let line = |(name, value): (Name, String)| {
            let done = self.words(name)?;
            // A queue of 64KiB says what it is in; one of 20 does not.
            let unit = if name == Name::Queue && value.parse::<u64>().is_ok() { " datagrams" } else { "" };
            Some(format!("{}: {value}{unit} asked{changed}, {done} done", name.word()))
        };
        let mut lines: Vec<_> = asked.iter().filter_map(line).collect();
        for (by, name) in [
            (LostBy::Chosen, Name::Drop),
            (LostBy::Chance, Name::Loss),
            (LostBy::Blackout, Name::Blackout),
            (LostBy::Mtu, Name::Mtu),
            (LostBy::Queue, Name::Queue),
            (LostBy::CoDel, Name::Codel),
        ] {
            if self.lost(by) > 0 && asked.get(name).is_none() {
                lines.push(format!("{}: {} lost", name.word(), self.lost(by)));
            }
        }
        for (count, name) in
            [(self.duplicated, Name::Duplicate), (self.corrupted, Name::Corrupt), (self.overtaken, Name::Reorder)]
        {
            if count > 0 && asked.get(name).is_none() {
                lines.push(format!("{}: {count} done", name.word()));
            }
        }
        if let room @ 1.. = self.lost(LostBy::Room) {
            lines.push(format!("{room} lost: the link held as many as it may"));
        }
        lines
    }
}

/// A link: what was asked of it, and what it did.
#[derive(Serialize)]
pub(super) struct LinkSummary {
    /// The network whose own link it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    /// What was asked at the start.
    impairments: Words,
    /// How often that has changed.
    changes: u64,
    #[serde(flatten)]
    done: Done,
}

/// What the links of a direction did, beside what was asked: that of all, and those of networks.
pub(super) fn links(
    asked: &Asked,
    changes: &Changes,
    direction: Direction,
    figures: &DirectionFigures,
) -> (LinkSummary, Vec<LinkSummary>) {
    let own = figures.own_links.iter().map(|link| {
        let at_start = asked.of_network(link.network, direction);
        let (changes, impairments) = changes.of(direction, Some(link.network), at_start);
        LinkSummary { network: Some(link.network.to_string()), impairments, changes, done: Done::of(&link.counts) }
    });
    let own: Vec<_> = own.collect();
    let done = own.iter().fold(Done::of(&figures.links), |all, own| all.without(&own.done));
    let (changes, impairments) = changes.of(direction, None, asked.of_all(direction).clone());
    (LinkSummary { network: None, impairments, changes, done }, own)
}

impl LinkSummary {
    /// What was asked beside what was done.
    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.done.lines(&self.impairments, self.changes);
        match &self.network {
            None => lines,
            Some(network) => {
                let first = format!("peers in {network}: {} received", self.done.entered);
                std::iter::once(first).chain(lines.into_iter().map(|line| format!("  {line}"))).collect()
            }
        }
    }
}

/// A share with a digit after the point, or with two where it is below 1 %.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
fn percent(count: u64, all: u64) -> String {
    match all {
        0 => "none".to_owned(),
        all => {
            let share = 100.0 * count as f64 / all as f64;
            let digits = if share < 1.0 && count > 0 { 2 } else { 1 };
            format!("{share:.digits$} %")
        }
    }
}
