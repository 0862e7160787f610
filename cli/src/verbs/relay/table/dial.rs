//! What keys turn: the impairments of a direction, in words, step by step.

use crate::words::impairments::{Changes, Files, Name, Words};
use crate::words::units;

/// The impairments that keys turn, in the order in which they are shown.
pub(super) const DIALS: [Name; 7] =
    [Name::Loss, Name::Delay, Name::Jitter, Name::Duplicate, Name::Corrupt, Name::Reorder, Name::Rate];

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    More,
    Less,
    /// Take it away.
    Off,
}

const CHANCES: [&str; 13] =
    ["0.1%", "0.2%", "0.5%", "1%", "2%", "5%", "10%", "20%", "30%", "40%", "50%", "75%", "100%"];
const TIMES: [&str; 16] = [
    "1ms", "2ms", "5ms", "10ms", "20ms", "30ms", "40ms", "50ms", "75ms", "100ms", "150ms", "200ms", "300ms", "500ms",
    "1s", "2s",
];
/// Slower than the fastest is more of it, and no rate at all is faster than any.
const RATES: [&str; 13] = [
    "10kbit/s",
    "20kbit/s",
    "50kbit/s",
    "100kbit/s",
    "200kbit/s",
    "500kbit/s",
    "1Mbit/s",
    "2Mbit/s",
    "5Mbit/s",
    "10Mbit/s",
    "20Mbit/s",
    "50Mbit/s",
    "100Mbit/s",
];

/// These words with one turned by a step; the same where there is no further step. Times and chances go from nothing up,
/// rates down: a link without a rate is the fastest. What else a word says stays: the length of bursts, the shape of
/// jitter.
///
/// # Errors
///
/// Words that no step fits, and what contradicts others.
pub(super) fn turned(words: &Words, name: Name, turn: Turn) -> Result<Words, String> {
    let text = words.get(name);
    let change = |text: Option<&str>| {
        let files = Files::of(&[words]);
        let changed = Changes::read([(name.word(), text)], &files).and_then(|changes| words.with(&changes));
        changed.map_err(|mistake| mistake.to_string())
    };
    if turn == Turn::Off {
        return change(None);
    }
    let text = text.as_deref().unwrap_or_default();
    let (before, value, behind) = parts(name, text);
    let now = value_of(name, value);
    if now.is_none() && !text.is_empty() || name == Name::Rate && words.get(Name::Trace).is_some() {
        let value = if text.is_empty() { "a trace" } else { text };
        return Err(format!("keys cannot turn {}, which is {value}; 0 takes it away", name.word()));
    }
    let (steps, is_fastest_off) = steps(name);
    let mut values = steps.iter().filter_map(|step| Some((*step, value_of(name, step)?)));
    let next = match (turn, now) {
        // Nothing is faster than no rate.
        (Turn::More, None) if is_fastest_off => return Ok(words.clone()),
        (Turn::Less, None) if is_fastest_off => steps.last().copied(),
        (Turn::More, None) => steps.first().copied(),
        (Turn::More, Some(now)) => match values.find(|(_, value)| *value > now * 1.000_001) {
            None if is_fastest_off => return turned(words, name, Turn::Off),
            next => next.map(|(step, _)| step),
        },
        (_, None) => None,
        (_, Some(now)) => match values.rfind(|(_, value)| *value < now * 0.999_999) {
            None if !is_fastest_off => return turned(words, name, Turn::Off),
            next => next.map(|(step, _)| step),
        },
    };
    next.map_or_else(|| Ok(words.clone()), |next| change(Some(&format!("{before}{next}{behind}"))))
}

fn steps(name: Name) -> (&'static [&'static str], bool) {
    match name {
        Name::Delay | Name::Jitter => (&TIMES, false),
        Name::Rate => (&RATES, true),
        _ => (&CHANCES, false),
    }
}

/// The part of a word that keys turn, and what is before and behind it.
fn parts(name: Name, text: &str) -> (&str, &str, &str) {
    let (before, rest) = match name {
        Name::Loss if text.starts_with("burst:") => text.split_at("burst:".len()),
        _ => ("", text),
    };
    let end = rest.find([',', ':']).unwrap_or(rest.len());
    let (value, behind) = rest.split_at(end);
    (before, value, behind)
}

fn value_of(name: Name, text: &str) -> Option<f64> {
    match name {
        Name::Delay | Name::Jitter => units::duration(text).ok().map(|time| time.as_secs_f64()),
        Name::Rate => match units::rate(text) {
            Ok(units::Rate::Bits(bits)) => Some(bits),
            _ => None,
        },
        _ => units::chance(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn words(pairs: &[(&str, &str)]) -> Words {
        let pairs = pairs.iter().map(|(name, text)| (*name, Some(*text)));
        let changes = Changes::read(pairs, &Files::In(Path::new(""))).unwrap();
        Words::default().with(&changes).unwrap()
    }

    #[track_caller]
    fn assert_turned(name: Name, turn: Turn, before: &str, after: Option<&str>) {
        let before = if before.is_empty() { Words::default() } else { words(&[(name.word(), before)]) };
        assert_eq!(turned(&before, name, turn).unwrap().get(name).as_deref(), after);
    }

    #[test]
    fn a_step_keeps_what_it_does_not_turn() {
        use Turn::{Less, More, Off};
        assert_turned(Name::Loss, More, "", Some("0.1%"));
        assert_turned(Name::Loss, More, "5%", Some("10%"));
        assert_turned(Name::Loss, More, "7%", Some("10%"));
        assert_turned(Name::Loss, Less, "7%", Some("5%"));
        assert_turned(Name::Loss, Less, "0.1%", None);
        assert_turned(Name::Loss, More, "100%", Some("100%"));
        assert_turned(Name::Loss, More, "burst:5%,4", Some("burst:10%,4"));
        assert_turned(Name::Loss, Off, "burst:5%,4", None);
        assert_turned(Name::Delay, More, "40ms", Some("50ms"));
        assert_turned(Name::Delay, Less, "", None);
        assert_turned(Name::Jitter, More, "10ms:normal", Some("20ms:normal"));
        assert_turned(Name::Reorder, Less, "2%,3", Some("1%,3"));
        assert_turned(Name::Rate, Less, "", Some("100Mbit/s"));
        assert_turned(Name::Rate, More, "", None);
        assert_turned(Name::Rate, More, "100Mbit/s", None);
        assert_turned(Name::Rate, Less, "1Mbit/s", Some("500kbit/s"));
        assert_turned(Name::Rate, Less, "10kbit/s", Some("10kbit/s"));
    }

    #[test]
    fn what_no_step_fits_is_said_and_stays() {
        for (name, text) in [(Name::Loss, "ge:1%,25%"), (Name::Loss, "pattern:..x"), (Name::Loss, "burst:75%,4")] {
            let before = words(&[(name.word(), text)]);
            assert!(turned(&before, name, Turn::More).is_err(), "{text}");
            assert_eq!(turned(&before, name, Turn::Off).unwrap().get(name), None);
        }
    }

    proptest! {
        #[test]
        fn any_row_of_keys_leaves_words_that_can_be(keys in prop::collection::vec((0..DIALS.len(), 0_usize..3), 0..60)) {
            let mut words = words(&[("loss", "burst:5%,4"), ("jitter", "3ms:pareto"), ("mtu", "1280")]);
            for (dial, turn) in keys {
                let turn = [Turn::More, Turn::Less, Turn::Off][turn];
                if let Ok(next) = turned(&words, DIALS[dial], turn) {
                    prop_assert_eq!(&Words::of(&next.options()), &next);
                    words = next;
                }
            }
            prop_assert_eq!(words.get(Name::Mtu), Some("1280".to_owned()));
        }
    }
}
