//! What became of a datagram, in words.

use std::time::Duration;

use serde::Serialize;

use super::finding::{Doing, Found};
use super::reading::{Record, Way, Words};
use crate::output::{Notice, Tone};
use crate::words::units;

/// What became of a datagram, and why.
#[derive(Serialize)]
pub(super) struct Explained<'a> {
    #[serde(flatten)]
    record: &'a Record,
    /// What the link was to do then.
    impairments: &'a Words,
    seed: u64,
    #[serde(skip)]
    doing: &'a Doing,
}

impl<'a> Explained<'a> {
    pub(super) fn new(found: &'a Found) -> Self {
        Self { record: &found.record, impairments: &found.doing.words, seed: found.seed, doing: &found.doing }
    }
}

impl Notice for Explained<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("explained")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn words(&self) -> Vec<String> {
        let mut lines = vec![self.title(), format!("  {}", self.entered()), format!("  {}", self.asked())];
        lines.extend(self.stages().into_iter().map(|line| format!("  {line}")));
        lines.extend(self.left().map(|line| format!("  {line}")));
        lines
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }
}

impl Explained<'_> {
    /// `up 17: lost by chance`
    fn title(&self) -> String {
        let Record { direction, network, number, copy, fate, by, .. } = self.record;
        let of = network.as_ref().map(|network| format!(" of {network}")).unwrap_or_default();
        let copy = if *copy { ", its copy" } else { "" };
        let by = by.as_deref().map(|by| format!(" ({})", reason(by))).unwrap_or_default();
        format!("{direction} {number}{of}{copy}: {}{by}", fate_words(fate))
    }

    fn entered(&self) -> String {
        let Record { direction, peer, length, entered_ns, .. } = self.record;
        let from = match direction {
            Way::Up => format!("from {peer}"),
            Way::Down => format!("from the target, for {peer}"),
        };
        format!("came {} {from}, {length} B", after_start(*entered_ns))
    }

    /// What the link was to do.
    fn asked(&self) -> String {
        let Doing { words, since_ns, from_number } = self.doing;
        let since = match since_ns {
            None => format!("since the start, seed {}", self.seed),
            Some(at) => format!("since datagram {from_number}, {}, seed {}", after_start(*at), self.seed),
        };
        if words.is_empty() {
            return format!("the link was to do nothing to it ({since})");
        }
        let words: Vec<_> = words.iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!("the link was to do this ({since}): {}", words.join(", "))
    }

    /// What each stage decided.
    fn stages(&self) -> Vec<String> {
        let Record { by, exempt, bad, draws, corrupted_bit, overtaken_by, marked, copy, .. } = self.record;
        if *exempt {
            return vec!["match or from did not choose it: it left as it came".to_owned()];
        }
        let by = by.as_deref();
        let mut lines = Vec::new();
        if let Some(bad) = bad {
            let drawn = draws.state.map(|drawn| format!(" ({drawn:.6} was drawn for the next one)"));
            let state = if *bad { "bad" } else { "good" };
            lines.push(format!("state: the network was {state} when it came{}", drawn.unwrap_or_default()));
        }
        if let Some(drawn) = draws.loss {
            let verdict = if by == Some("chance") { "lost" } else { "not lost" };
            lines.push(self.drawn("loss", drawn, verdict));
        }
        if let Some(by) = by {
            lines.extend(self.lost_by(by));
        }
        if let Some(drawn) = draws.duplicate
            && !copy
        {
            let is_copied = self.chance("duplicate").map(|chance| drawn < chance);
            let verdict = match is_copied {
                Some(true) => "copied",
                Some(false) => "not copied",
                None => "see whether there is a copy",
            };
            lines.push(self.drawn("duplicate", drawn, verdict));
        }
        if let Some(drawn) = draws.corrupt {
            let verdict = match corrupted_bit {
                Some(bit) => format!("bit {} of byte {} was inverted", bit % 8, bit / 8),
                None => "left as it was".to_owned(),
            };
            lines.push(self.drawn("corrupt", drawn, &verdict));
        }
        if *marked {
            lines.push("codel: marked (ECN: congestion experienced) instead of lost".to_owned());
        }
        if let Some(drawn) = draws.jitter {
            lines.push(self.drawn("jitter", drawn, "the delay is made of it"));
        }
        if let Some(drawn) = draws.reorder {
            let verdict = match overtaken_by {
                Some(followers) => format!("{followers} that came later were to leave before it"),
                None => "kept its place".to_owned(),
            };
            lines.push(self.drawn("reorder", drawn, &verdict));
        }
        lines
    }

    /// `loss 5%: 0.031227 was drawn: lost`
    fn drawn(&self, name: &str, drawn: f64, verdict: &str) -> String {
        let asked = self.doing.words.get(name).map(|value| format!(" {value}")).unwrap_or_default();
        let side = match self.chance(name) {
            Some(chance) if drawn < chance => ", which is below it",
            Some(_) => ", which is not below it",
            None => "",
        };
        format!("{name}{asked}: {drawn:.6} was drawn{side}: {verdict}")
    }

    /// The probability that an impairment is set to, where it is one.
    fn chance(&self, name: &str) -> Option<f64> {
        let value = self.doing.words.get(name)?;
        units::chance(value.split(',').next().unwrap_or_default()).ok()
    }

    /// What it was lost by, where no number was drawn for that.
    fn lost_by(&self, by: &str) -> Option<String> {
        let (name, why) = match by {
            "chosen" => ("drop", "it is one of them"),
            "chance" if self.record.draws.loss.is_none() => ("loss", "it is one that the pattern loses"),
            "blackout" => ("blackout", "it came while the link was dark"),
            "mtu" => ("mtu", "it is longer than that, with its headers"),
            "queue" => ("queue", "there was no room for it"),
            "codel" => ("codel", "it would have waited too long, as those before it did"),
            "room" => return Some("lost: the link held as many as it may".to_owned()),
            _ => return None,
        };
        let asked = self.doing.words.get(name).map(|value| format!(" {value}")).unwrap_or_default();
        Some(format!("{name}{asked}: {why}: lost"))
    }

    /// When it left, and when it was to.
    fn left(&self) -> Option<String> {
        let Record { fate, entered_ns, decided_ns, left_ns, .. } = self.record;
        let (decided, left) = (decided_ns.as_ref()?, left_ns.as_ref()?);
        let [to_leave, left_after, late] = [(decided, entered_ns), (left, entered_ns), (left, decided)]
            .map(|(later, earlier)| nanoseconds(later.saturating_sub(*earlier)));
        Some(match fate.as_str() {
            "forwarded" => format!("left {left_after} after it came; {to_leave} was decided, so it was {late} late"),
            "send_failed" => {
                format!("was to be sent {left_after} after it came, and could not be; {to_leave} was decided")
            }
            "forgotten" => format!("was to leave {to_leave} after it came; its peer had been forgotten by then"),
            "unfinished" => {
                format!("was to leave {to_leave} after it came; the relay ended, or was reset, before that")
            }
            _ => format!("left {left_after} after it came; {to_leave} was decided"),
        })
    }
}

fn fate_words(fate: &str) -> &str {
    match fate {
        "unfinished" => "under way at the end",
        "send_failed" => "could not be sent",
        "forgotten" => "not sent, since its peer was forgotten",
        fate => fate,
    }
}

/// What something was lost by.
fn reason(by: &str) -> &str {
    match by {
        "chosen" => "chosen",
        "chance" => "by chance",
        "mtu" => "too long",
        "queue" => "queue full",
        "room" => "no room",
        by => by,
    }
}

/// A moment, to the microsecond.
fn after_start(nanoseconds: i64) -> String {
    let time = Duration::from_nanos(nanoseconds.unsigned_abs()).as_secs_f64();
    let side = if nanoseconds < 0 { "before" } else { "after" };
    format!("{time:.6} s {side} the start")
}

fn nanoseconds(count: i64) -> String {
    let sign = if count < 0 { "-" } else { "" };
    format!("{sign}{}", units::human(Duration::from_nanos(count.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::finding::Finding;
    use super::*;

    /// What is said of a datagram of which a line has these keys besides those of all.
    fn told(up: &Value, keys: &Value) -> Vec<String> {
        let header = json!({"type": "relay", "v": 1, "seed": 7, "up": up, "down": {}});
        let mut datagram = json!({
            "type": "datagram", "direction": "up", "number": 17, "copy": false, "peer": "192.0.2.1:7", "length": 32,
            "entered_ns": 1_234_567_890, "fate": "lost", "draws": {},
        });
        datagram.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let mut finding = Finding::new(17);
        finding.read(format!("{header}\n{datagram}\n").as_bytes()).unwrap();
        Explained::new(&finding.found()[0]).words()
    }

    #[test]
    fn what_decided_is_said_with_the_number_drawn() {
        let lost = json!({"by": "chance", "draws": {"loss": 0.031_227}});
        let expected = [
            "up 17: lost (by chance)",
            "  came 1.234568 s after the start from 192.0.2.1:7, 32 B",
            "  the link was to do this (since the start, seed 7): delay 40ms, loss 5%",
            "  loss 5%: 0.031227 was drawn, which is below it: lost",
        ];
        assert_eq!(told(&json!({"loss": "5%", "delay": "40ms"}), &lost), expected);
        let passed = json!({
            "fate": "forwarded", "bad": true, "draws": {"state": 0.5, "loss": 0.9, "duplicate": 0.001, "corrupt": 0.002, "jitter": 0.25, "reorder": 0.01},
            "decided_ns": 1_275_767_890, "left_ns": 1_275_827_890, "corrupted_bit": 35, "overtaken_by": 3, "marked": true,
        });
        let asked =
            json!({"loss": "ge:1%,20%,50%", "duplicate": "1%", "corrupt": "0.1%", "jitter": "10ms", "reorder": "2%,3"});
        let expected = [
            "  state: the network was bad when it came (0.500000 was drawn for the next one)",
            "  loss ge:1%,20%,50%: 0.900000 was drawn: not lost",
            "  duplicate 1%: 0.001000 was drawn, which is below it: copied",
            "  corrupt 0.1%: 0.002000 was drawn, which is not below it: bit 3 of byte 4 was inverted",
            "  codel: marked (ECN: congestion experienced) instead of lost",
            "  jitter 10ms: 0.250000 was drawn: the delay is made of it",
            "  reorder 2%,3: 0.010000 was drawn, which is below it: 3 that came later were to leave before it",
            "  left 41.3 ms after it came; 41.2 ms was decided, so it was 60.0 us late",
        ];
        assert_eq!(told(&asked, &passed)[3..], expected);
    }

    #[test]
    fn what_no_number_decided_is_said_with_what_did() {
        for (by, asked, expected) in [
            ("chosen", json!({"drop": "1,17"}), "drop 1,17: it is one of them: lost"),
            ("chance", json!({"loss": "pattern:..x"}), "loss pattern:..x: it is one that the pattern loses: lost"),
            (
                "blackout",
                json!({"blackout": "at:1s,for:2s"}),
                "blackout at:1s,for:2s: it came while the link was dark: lost",
            ),
            ("mtu", json!({"mtu": "28"}), "mtu 28: it is longer than that, with its headers: lost"),
            ("queue", json!({"queue": "64KiB"}), "queue 64KiB: there was no room for it: lost"),
            ("room", json!({}), "lost: the link held as many as it may"),
        ] {
            assert_eq!(told(&asked, &json!({"by": by}))[3..], [format!("  {expected}")]);
        }
        let exempt =
            json!({"fate": "forwarded", "exempt": true, "decided_ns": 1_234_567_890, "left_ns": 1_234_567_899});
        let expected = [
            "  match or from did not choose it: it left as it came",
            "  left 9.00 ns after it came; 0.00 ns was decided, so it was 9.00 ns late",
        ];
        assert_eq!(told(&json!({"match": "x"}), &exempt)[3..], expected);
    }

    #[test]
    fn times_that_cannot_be_overflow_nothing() {
        let odd = json!({"fate": "forwarded", "entered_ns": i64::MIN, "decided_ns": i64::MAX, "left_ns": i64::MIN, "corrupted_bit": u64::MAX});
        assert!(told(&json!({}), &odd).len() > 3);
    }
}
