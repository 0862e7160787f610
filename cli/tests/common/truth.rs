//! What a truth file of `udp relay` says of a measurement through it, computed apart from everything that measures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{Place, Process, Scratch, number};

/// A relay that writes what becomes of each datagram.
pub(crate) struct Relayed {
    relay: Process,
    /// Where peers send to.
    pub(crate) address: String,
    scratch: Scratch,
}

impl Relayed {
    /// A relay to a target, with these impairments.
    pub(crate) fn to(target: &str, impairments: &[String]) -> Self {
        let scratch = Scratch::new();
        let file = scratch.path().join("truth.jsonl");
        let mut command = Place::Here.udp_command(&["relay", "127.0.0.1:0", target, "--json", "--truth"]);
        command.arg(&file).args(impairments);
        let mut relay = Process::start(command);
        let address = address(&relay.until(|line| line.contains(r#""relaying""#)));
        Self { relay, address, scratch }
    }

    /// Ends the relay, through which one sender sent so many probes.
    pub(crate) fn truth(self, probes: u64) -> Truth {
        let outcome = self.relay.stop();
        outcome.assert_status(0);
        let summary = outcome.summary();
        assert_eq!(number(&summary["dropped_by_kernel"]), 0, "{summary}");
        Truth::read(&self.scratch.path().join("truth.jsonl"), probes)
    }
}

/// The address in the line that says where a program waits for datagrams.
pub(crate) fn address(line: &str) -> String {
    let object: Value = serde_json::from_str(line).expect("JSON");
    object["addresses"][0].as_str().unwrap_or_else(|| panic!("no address: {line}")).to_owned()
}

/// What became of the probes of one sender, and of the replies to them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Truth {
    pub(crate) forward: Way,
    pub(crate) reverse: Way,
    /// Probes to which no reply came back.
    pub(crate) lost: u64,
    /// Replies that came back to probes that had one already.
    pub(crate) duplicates: u64,
}

/// What became of the datagrams of a direction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Arrivals of datagrams that had arrived before.
    pub(crate) duplicates: u64,
    /// Of the first arrivals, those after a later datagram had arrived (RFC 4737 section 3.3).
    pub(crate) reordered: u64,
}

impl Truth {
    /// Of a file that is whole, where a reflector answered each of these probes as it came, and other datagrams were only sent
    /// once all that had left.
    pub(crate) fn read(file: &Path, probes: u64) -> Self {
        let text = fs::read_to_string(file).expect("it can be read");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let end = lines.last().expect("a line");
        assert_eq!((&end["type"], &end["not_written"]), (&"end".into(), &0.into()), "{end}");
        assert!(lines.iter().all(|line| line["type"] != "send_failed"), "the relay sent all");
        Self::of(&lines, probes)
    }

    pub(crate) fn of(lines: &[Value], probes: u64) -> Self {
        let up = arrivals(lines, "up", probes);
        // The nth datagram that comes down answers the nth that left upwards.
        let replies = up.len() as u64;
        let down = arrivals(lines, "down", replies);
        let answers: BTreeSet<u64> = down.iter().map(|reply| up[usize::try_from(reply - 1).expect("small")]).collect();
        Self {
            lost: probes - answers.len() as u64,
            duplicates: (down.len() - answers.len()) as u64,
            forward: Way::of(probes, &up),
            reverse: Way::of(replies, &down),
        }
    }
}

impl Way {
    /// Of so many datagrams, with numbers from 1, these numbers arrived.
    fn of(sent: u64, arrived: &[u64]) -> Self {
        let mut places = BTreeMap::new();
        for (place, number) in arrived.iter().enumerate() {
            places.entry(number).or_insert(place);
        }
        // A later datagram came before this one did: this takes the square of their count, and no trick.
        let is_overtaken = |number: &u64, place: usize| arrived[..place].iter().any(|earlier| earlier > number);
        Self {
            sent,
            lost: sent - places.len() as u64,
            duplicates: (arrived.len() - places.len()) as u64,
            reordered: places.iter().filter(|(number, place)| is_overtaken(number, **place)).count() as u64,
        }
    }
}

/// The numbers, up to the last one, of what left in a direction, in order.
fn arrivals(lines: &[Value], direction: &str, last: u64) -> Vec<u64> {
    let of_direction = lines.iter().filter(|line| line["type"] == "datagram" && line["direction"] == direction);
    let (ours, others): (Vec<_>, Vec<_>) = of_direction.partition(|line| number(&line["number"]) <= last);
    let numbers: BTreeSet<u64> = ours.iter().map(|line| number(&line["number"])).collect();
    assert_eq!(numbers.len() as u64, last, "each {direction} came to the relay");
    let left: Vec<_> = ours.iter().filter(|line| line["fate"] == "forwarded").collect();
    let end = left.iter().map(|line| number(&line["left_ns"])).max();
    let is_apart = |line: &&Value| Some(number(&line["entered_ns"])) > end;
    assert!(others.iter().all(is_apart), "{direction}: what is no probe was sent before all probes had left");
    left.iter().map(|line| number(&line["number"])).collect()
}
