//! `--targets`: a file of reflectors, each with a name and with flags of its own; checked as a whole, each mistake reported with its place.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use toml::de::{DeTable, DeValue};

use crate::args::{MeasureArgs, busy_wait, interval};
use crate::runtime::tables::{self, Checked, Mistake, Value, known_keys, string, table};
use crate::words::numbers::dscp;
use crate::words::probes::{Profile, ecn, sizes};
use crate::words::units;

/// Bytes of a file of targets.
const MOST_BYTES: usize = 1 << 20;
/// Targets in a file: each has a thread and sockets of its own.
const MOST_TARGETS: usize = 64;
/// Characters of a name, which is at the start of lines and a label of metrics.
const LONGEST_NAME: usize = 64;

const FILE_KEYS: [&str; 1] = ["target"];
const TARGET_KEYS: [&str; 19] = [
    "name",
    "address",
    "rate",
    "interval",
    "poisson",
    "burst",
    "size",
    "profile",
    "flows",
    "busy-wait",
    "wait",
    "fail-if",
    "key-file",
    "ssid",
    "ptp",
    "dscp",
    "ecn",
    "ttl",
    "local",
];

/// A reflector to be measured.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) name: String,
    /// The flags of the command line, and instead of some of them those of the file.
    pub(super) args: MeasureArgs,
}

/// Reads the targets of a file; what they do not say is as the flags have it.
///
/// # Errors
///
/// A file that cannot be read, and all mistakes in it.
pub(super) fn read(path: &Path, args: &MeasureArgs) -> Result<Vec<Target>> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    tables::read("targets", path, MOST_BYTES, |text| parse(text, folder, args))
}

fn parse(text: &str, folder: &Path, args: &MeasureArgs) -> Result<Vec<Target>, Vec<Mistake>> {
    let file = tables::document(text)?;
    let file = file.get_ref();
    known_keys(file, "a file of targets", &FILE_KEYS).map_err(|mistake| vec![mistake])?;
    let values = values(file, text.len()).map_err(|mistake| vec![mistake])?;
    let (mut targets, mut mistakes): (Vec<Target>, Vec<_>) = (Vec::new(), Vec::new());
    for value in values {
        match target(value, folder, args) {
            Ok(target) if targets.iter().any(|other| other.name == target.name) => {
                mistakes.push(Mistake::of(value, format!("there is another target '{}'", target.name)));
            }
            Ok(target) => targets.push(target),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(targets) } else { Err(mistakes) }
}

/// The tables of the targets; `end` is where one could be added.
fn values<'a>(file: &'a DeTable<'a>, end: usize) -> Checked<&'a [Value<'a>]> {
    let Some(value) = file.get("target") else {
        return Err(Mistake::new(end, "there is no [[target]], so nothing would be measured"));
    };
    let Some(list) = value.get_ref().as_array().filter(|list| !list.is_empty()) else {
        return Err(Mistake::of(value, "a target begins with [[target]], in double brackets"));
    };
    match list.get(MOST_TARGETS) {
        Some(extra) => Err(Mistake::of(extra, format!("there are more than {MOST_TARGETS} targets"))),
        None => Ok(list),
    }
}

fn target(value: &Value<'_>, folder: &Path, args: &MeasureArgs) -> Checked<Target> {
    let table = table(value, "a target", &TARGET_KEYS)?;
    let mut target = Target { name: String::new(), args: args.clone() };
    if let (Some(rate), Some(_)) = (table.get("rate"), table.get("interval")) {
        return Err(Mistake::of(rate, "'rate' and 'interval' say the same: leave one of them out"));
    }
    for (key, value) in table {
        set(&mut target, key.get_ref(), value, folder)?;
    }
    let Some(address) = &target.args.address else {
        return Err(Mistake::of(value, "a target needs an address, such as address = \"192.0.2.1\""));
    };
    if target.name.is_empty() {
        target.name = address.to_string();
    }
    Ok(target)
}

/// Sets what a key says.
fn set(target: &mut Target, key: &str, value: &Value<'_>, folder: &Path) -> Checked<()> {
    let Target { name, args } = target;
    match key {
        "name" => *name = read_name(value)?,
        "address" => args.address = Some(word(value, FromStr::from_str)?),
        "rate" => (args.probes.probe_rate, args.probes.interval) = (Some(word(value, units::rate)?), None),
        "interval" => (args.probes.interval, args.probes.probe_rate) = (Some(word(value, interval)?), None),
        "poisson" => args.probes.poisson = yes_or_no(value, key)?,
        "burst" => args.probes.burst = word(value, |text| number(text, 1, 10_000))?,
        "size" => args.probes.sizes = Some(word(value, sizes)?),
        "profile" => args.probes.profile = Some(word(value, Profile::named)?),
        "flows" => args.probes.flows = word(value, |text| number(text, 1, 256))?,
        "busy-wait" => args.probes.busy_wait = word(value, busy_wait)?,
        "wait" => args.wait = word(value, units::duration)?,
        "fail-if" => args.fail_if = conditions(value)?,
        "key-file" => args.stamp.key_file = Some(folder.join(PathBuf::from(string(value, key)?))),
        "ssid" => args.stamp.ssid = Some(word(value, |text| number(text, 1, u16::MAX))?),
        "ptp" => args.stamp.ptp = yes_or_no(value, key)?,
        "dscp" => args.sending.dscp = Some(word(value, dscp)?),
        "ecn" => args.ecn = Some(word(value, ecn)?),
        "ttl" => args.sending.ttl = Some(word(value, |text| number(text, 1, u8::MAX))?),
        "local" => args.local = Some(word(value, FromStr::from_str)?),
        _ => return Err(Mistake::of(value, format!("a target has no '{key}'"))),
    }
    Ok(())
}

fn read_name(value: &Value<'_>) -> Checked<String> {
    let name = string(value, "name")?;
    let is_printable = !name.is_empty() && !name.chars().any(char::is_control);
    match is_printable && name.chars().count() <= LONGEST_NAME {
        true => Ok(name.to_owned()),
        false => Err(Mistake::of(value, format!("a name has 1 to {LONGEST_NAME} characters that can be printed"))),
    }
}

/// A value that is written as on the command line; numbers need no quotes.
fn word<T>(value: &Value<'_>, parse: impl FnOnce(&str) -> Result<T, String>) -> Checked<T> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        _ => return Err(Mistake::of(value, "this is written in quotes, as after the flag of this name")),
    };
    parse(&text).map_err(|message| Mistake::of(value, message))
}

fn yes_or_no(value: &Value<'_>, key: &str) -> Checked<bool> {
    value.get_ref().as_bool().ok_or_else(|| Mistake::of(value, format!("'{key}' is true or false, without quotes")))
}

/// A condition, or a list of them.
fn conditions<T: FromStr<Err = String>>(value: &Value<'_>) -> Checked<Vec<T>> {
    let one =
        |value: &Value<'_>| string(value, "fail-if")?.parse().map_err(|message: String| Mistake::of(value, message));
    match value.get_ref().as_array() {
        Some(list) => list.iter().map(one).collect(),
        None => one(value).map(|condition| vec![condition]),
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(text: &str, least: T, most: T) -> Result<T, String> {
    match text.parse() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("'{text}' is not a number from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: MeasureArgs,
    }

    fn flags(line: &str) -> MeasureArgs {
        let words = std::iter::once("udp measure").chain(line.split(' ').filter(|word| !word.is_empty()));
        MeasureArgs { address: None, ..Line::try_parse_from(words).unwrap().args }
    }

    fn targets(text: &str, line: &str) -> Vec<Target> {
        parse(text, Path::new("/etc/udp"), &flags(line)).unwrap()
    }

    fn mistakes(text: &str) -> Vec<String> {
        let mistakes = parse(text, Path::new(""), &flags("host")).unwrap_err();
        mistakes.iter().map(|mistake| mistake.tell(text)).collect()
    }

    const GOOD: &str = r#"
[[target]]
name = "office"
address = "192.0.2.1:8620"
interval = "20ms"
size = 172
dscp = "EF"
poisson = true
fail-if = ["loss>1%", "rtt.p99>50ms"]
key-file = "office.key"

[[target]]
address = "[2001:db8::1]:862"
profile = "voip"
burst = 5
ssid = 7
wait = "500ms"
fail-if = "lost>0"
"#;

    #[test]
    fn each_target_has_its_own_words_and_else_those_of_the_command_line() {
        let targets = targets(GOOD, "host --rate 7/s --wait 9s --ttl 5");
        let [office, other] = targets.as_slice() else { panic!("{targets:?}") };
        assert_eq!([office.name.as_str(), other.name.as_str()], ["office", "[2001:db8::1]:862"]);
        let probes = &office.args.probes;
        assert_eq!((probes.probe_rate, probes.interval), (None, Some(Duration::from_millis(20))));
        assert_eq!(probes.sizes.as_ref().map(|sizes| sizes.each()), Some(&[172][..]));
        assert!(probes.poisson && !other.args.probes.poisson);
        assert_eq!((office.args.sending.dscp, office.args.sending.ttl), (Some(46), Some(5)));
        assert_eq!((office.args.fail_if.len(), other.args.fail_if.len()), (2, 1));
        assert_eq!(office.args.stamp.key_file.as_deref(), Some(Path::new("/etc/udp/office.key")));
        assert_eq!((office.args.wait, other.args.wait), (Duration::from_secs(9), Duration::from_millis(500)));
        assert_eq!((other.args.probes.burst, other.args.stamp.ssid), (5, Some(7)));
        assert_eq!(other.args.probes.probe_rate, Some(units::Rate::Datagrams(7.0)));
        assert_eq!(other.args.probes.profile, Profile::named("voip").ok());
    }

    #[test]
    fn a_mistake_is_reported_with_its_place_and_what_is_allowed() {
        for (text, expected) in [
            ("", "line 1, column 1: there is no [[target]], so nothing would be measured"),
            ("[target]\naddress = 'h'", "line 1, column 1: a target begins with [[target]], in double brackets"),
            ("targets = 1", "line 1, column 1: a file of targets has no 'targets'; did you mean target?"),
            ("[[target]]\naddres = 'h'", "line 2, column 1: a target has no 'addres'; did you mean address?"),
            ("[[target]]\nname = 'a'", "line 1, column 1: a target needs an address, such as address = \"192.0.2.1\""),
            (
                "[[target]]\naddress = 'h'\nrate = '100'",
                "line 3, column 8: '100' is not a rate; write one as 1000/s, 10k/s or 5Mbit/s",
            ),
            (
                "[[target]]\naddress = 'h'\nrate = 1.5",
                "line 3, column 8: this is written in quotes, as after the flag of this name",
            ),
            (
                "[[target]]\naddress = 'h'\npoisson = 'yes'",
                "line 3, column 11: 'poisson' is true or false, without quotes",
            ),
            ("[[target]]\naddress = 'h'\nburst = 0", "line 3, column 9: '0' is not a number from 1 to 10000"),
            ("[[target]]\naddress = 'h'\nttl = 256", "line 3, column 7: '256' is not a number from 1 to 255"),
            (
                "[[target]]\naddress = 'h'\nfail-if = ['loss>1%', 'los>1']",
                "line 3, column 23: there is no figure 'los'; did you mean lost?",
            ),
            (
                "[[target]]\naddress = 'h'\nrate = '1/s'\ninterval = '1s'",
                "line 3, column 8: 'rate' and 'interval' say the same: leave one of them out",
            ),
            (
                "[[target]]\nname = \"a\\u001b\"\naddress = 'h'",
                "line 2, column 8: a name has 1 to 64 characters that can be printed",
            ),
            (
                "[[target]]\naddress = 'h'\n[[target]]\nname = 'h'\naddress = 'i'",
                "line 3, column 1: there is another target 'h'",
            ),
            ("[[target]\n", "line 1, column 10: unclosed array table, expected `]`"),
        ] {
            assert_eq!(mistakes(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_mistakes_are_reported_in_their_order() {
        let told = mistakes("[[target]]\naddress = 'h'\nwait = 1\n[[target]]\n[[target]]\nname = ''");
        let places: Vec<_> = told.iter().map(|told| told.split(':').next().unwrap()).collect();
        assert_eq!(places, ["line 3, column 8", "line 4, column 1", "line 6, column 8"]);
    }

    #[test]
    fn targets_have_a_bound() {
        let text = |count| (0..count).map(|number| format!("[[target]]\naddress = 'h{number}'\n")).collect::<String>();
        assert_eq!(targets(&text(64), "host").len(), 64);
        assert_eq!(mistakes(&text(65)), ["line 129, column 1: there are more than 64 targets"]);
    }

    #[test]
    fn any_text_is_targets_or_mistakes_inside_it() {
        let check = |bytes: &[u8]| {
            let Ok(text) = str::from_utf8(bytes) else { return };
            let Err(mistakes) = parse(text, Path::new(""), &flags("host")) else { return };
            assert!(!mistakes.is_empty(), "{text}");
            assert!(mistakes.iter().all(|mistake| mistake.at <= text.len() && !mistake.message.is_empty()), "{text}");
        };
        for at in 0..GOOD.len() {
            check(&GOOD.as_bytes()[..at]);
            for byte in *b"\n \"[]=0%" {
                let mut changed = GOOD.as_bytes().to_vec();
                changed[at] = byte;
                check(&changed);
            }
        }
    }
}
