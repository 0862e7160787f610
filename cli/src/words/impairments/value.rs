//! What one impairment is set to: read from a text and written as one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use udpkit::Network;
use udpkit::impairment::{
    Blackout, Chosen, CoDel, GilbertElliott, Jitter, Loss, Matching, Pattern, Queue, Reorder, Trace,
};

use super::name::Name;
use super::write;
use crate::words::text_file;
use crate::words::{bytes, units};

/// Bytes of a file that a pattern or a trace is read from.
const MOST_BYTES: usize = 64 << 20;
/// Datagrams that can be chosen one by one; as many as the library takes.
const MOST_CHOSEN: u64 = 65_536;
/// How much waits for a link with a rate unless something else is said.
pub(super) const QUEUE: Queue = Queue::Bytes(64 << 10);
/// What begins a pattern.
const PATTERN: &str = "pattern:";
/// What every impairment is set to in order to be taken away.
const NONE: &str = "none";

/// What one impairment is set to. None of them is without effect: that is no value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Match(Matching),
    From(Vec<Network>),
    Drop(Chosen),
    Loss(Loss),
    DelayInBad(Duration),
    Blackout(Blackout),
    Mtu(usize),
    Duplicate(f64),
    Corrupt(f64),
    /// Bits a second.
    Rate(u64),
    Trace(Trace),
    Queue(Queue),
    Codel(CoDel),
    Delay(Duration),
    Jitter(Jitter),
    AllowReorder,
    Reorder(Reorder),
}

/// Where the files are that words name.
#[derive(Clone, Debug)]
pub(crate) enum Files<'a> {
    /// In this folder, if their names do not say otherwise; in the current one where it is empty.
    In(&'a Path),
    /// Nowhere, since a stranger names them: there is only what these values were read from.
    Read(Vec<Value>),
}

/// What a text says: a value, or that there is none, as in `none`, `0%` or `0ms`.
pub(super) type Reading = Result<Option<Value>, String>;

/// Reads what an impairment is set to.
pub(super) fn read(name: Name, text: &str, files: &Files<'_>) -> Reading {
    if text == NONE {
        return Ok(None);
    }
    let wrong = || format!("'{text}' is not {}; write {}, or none", article(name), name.forms());
    let value = match name {
        Name::Match => {
            let regex = bytes::regex_or_why(text)?;
            Value::Match(Matching::new(move |payload| regex.is_match(payload)).named(text))
        }
        Name::From => {
            let networks = text.split(',').map(|network| network.trim().parse()).collect::<Result<_, _>>();
            Value::From(networks?)
        }
        Name::Drop => Value::Drop(chosen(text).ok_or_else(wrong)??),
        Name::Loss => return loss(text, files, &wrong),
        Name::DelayInBad => return time(text, Value::DelayInBad),
        Name::Blackout => Value::Blackout(blackout(text).ok_or_else(wrong)??),
        Name::Mtu => Value::Mtu(number(text).ok_or_else(wrong)?),
        Name::Duplicate => return chance(text, Value::Duplicate).map_err(|()| wrong()),
        Name::Corrupt => return chance(text, Value::Corrupt).map_err(|()| wrong()),
        Name::Rate => Value::Rate(units::bitrate(text).ok_or_else(wrong)?),
        Name::Trace => Value::Trace(files.trace(text)?),
        Name::Queue => Value::Queue(queue(text).ok_or_else(wrong)?),
        Name::Codel => Value::Codel(codel(text).ok_or_else(wrong)??),
        Name::Delay => return time(text, Value::Delay),
        Name::Jitter => return jitter(text).ok_or_else(wrong)?,
        Name::AllowReorder => match text {
            "true" => Value::AllowReorder,
            "false" => return Ok(None),
            _ => return Err(wrong()),
        },
        Name::Reorder => return reorder(text).ok_or_else(wrong)?,
    };
    Ok(Some(value))
}

/// A name as it is in a sentence.
fn article(name: Name) -> &'static str {
    match name {
        Name::Match => "a regular expression",
        Name::From => "a list of networks",
        Name::Drop => "a choice of datagrams",
        Name::Loss => "a loss",
        Name::Blackout => "a blackout",
        Name::Mtu => "an MTU",
        Name::Duplicate | Name::Corrupt => "a chance",
        Name::Rate => "a rate of a link",
        Name::Trace => "a trace",
        Name::Queue => "a queue",
        Name::Codel => "what CoDel has",
        Name::DelayInBad | Name::Delay => "a duration",
        Name::Jitter => "a jitter",
        Name::AllowReorder => "an answer",
        Name::Reorder => "a reordering",
    }
}

fn chance(text: &str, value: impl FnOnce(f64) -> Value) -> Result<Option<Value>, ()> {
    let chance = units::chance(text).map_err(|_| ())?;
    Ok((chance > 0.0).then(|| value(chance)))
}

fn time(text: &str, value: impl FnOnce(Duration) -> Value) -> Reading {
    let time = units::duration(text)?;
    Ok((!time.is_zero()).then(|| value(time)))
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Datagrams by their numbers; `None` for what is neither a list nor an interval.
fn chosen(text: &str) -> Option<Result<Chosen, String>> {
    if let Some(every) = text.strip_prefix("every:") {
        return Some(Ok(Chosen::Every(number(every).filter(|every| *every > 0)?)));
    }
    let mut ranges = Vec::new();
    let mut count = 0_u64;
    for word in text.split(',').map(str::trim) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (number::<u64>(first)?, number::<u64>(last)?);
        if first == 0 || last < first {
            return None;
        }
        count = count.saturating_add((last - first).saturating_add(1));
        ranges.push(first..=last);
    }
    Some(match count <= MOST_CHOSEN {
        true => Ok(Chosen::numbers(ranges.into_iter().flatten())),
        false => Err(format!("these are {count} datagrams; {MOST_CHOSEN} are the most that can be chosen")),
    })
}

fn loss(text: &str, files: &Files<'_>, wrong: &dyn Fn() -> String) -> Reading {
    let loss = if let Some(pattern) = text.strip_prefix(PATTERN) {
        Loss::Pattern(files.pattern(pattern)?)
    } else if let Some(burst) = text.strip_prefix("burst:") {
        let (loss, length) = burst.split_once(',').ok_or_else(wrong)?;
        let length = length.parse().map_err(|_| wrong())?;
        let loss = units::chance(loss).map_err(|_| wrong())?;
        if loss == 0.0 {
            return Ok(None);
        }
        GilbertElliott::bursts(loss, length).map_err(|error| error.cause().to_string())?.into()
    } else if let Some(parameters) = text.strip_prefix("ge:") {
        let parameters: Result<Vec<_>, _> = parameters.split(',').map(units::chance).collect();
        let chain = match *parameters.map_err(|_| wrong())? {
            [to_bad, to_good] => GilbertElliott::new(to_bad, to_good),
            [to_bad, to_good, bad] => GilbertElliott::new(to_bad, to_good).loss_in_bad(bad),
            [to_bad, to_good, bad, good] => GilbertElliott::new(to_bad, to_good).loss_in_bad(bad).loss_in_good(good),
            _ => return Err(wrong()),
        };
        chain.into()
    } else {
        units::chance(text).map_err(|_| wrong())?.into()
    };
    Ok((loss != Loss::None).then_some(Value::Loss(loss)))
}

fn blackout(text: &str) -> Option<Result<Blackout, String>> {
    let (mut first, mut every, mut lasting) = (None, None, None);
    for word in text.split(',') {
        let (key, time) = word.trim().split_once(':')?;
        let place = match key {
            "at" => &mut first,
            "every" => &mut every,
            "for" => &mut lasting,
            _ => return None,
        };
        match units::duration(time) {
            Ok(time) if place.is_none() => *place = Some(time),
            Ok(_) => return None,
            Err(message) => return Some(Err(message)),
        }
    }
    let lasting = lasting?;
    let blackout = match (first, every) {
        (Some(first), every) => Blackout::once(first, lasting).every(every),
        (None, Some(every)) => Blackout::each(every, lasting),
        (None, None) => return None,
    };
    Some(Ok(blackout))
}

/// Digits alone are datagrams.
fn queue(text: &str) -> Option<Queue> {
    number(text).map(Queue::Datagrams).or_else(|| {
        let has_unit = text.ends_with(|letter: char| letter.is_ascii_alphabetic());
        units::size(text).ok().filter(|_| has_unit).map(Queue::Bytes)
    })
}

fn codel(text: &str) -> Option<Result<CoDel, String>> {
    let mut words = text.split(',').map(str::trim);
    let mut time = || words.next().map(units::duration);
    let codel = match (time()?, time()?) {
        (Ok(target), Ok(interval)) => CoDel::new(target, interval),
        (Err(message), _) | (_, Err(message)) => return Some(Err(message)),
    };
    match (words.next(), words.next()) {
        (None, _) => Some(Ok(codel)),
        (Some("no-ecn"), None) => Some(Ok(codel.marks(false))),
        _ => None,
    }
}

fn jitter(text: &str) -> Option<Reading> {
    let (time, shape) = text.split_once(':').unwrap_or((text, "uniform"));
    let shape = match shape {
        "uniform" => Jitter::Uniform,
        "normal" => Jitter::Normal,
        "pareto" => Jitter::Pareto,
        "exponential" => Jitter::Exponential,
        _ => return None,
    };
    Some(self::time(time, |time| Value::Jitter(shape(time))))
}

fn reorder(text: &str) -> Option<Reading> {
    let mut words = text.split(',').map(str::trim);
    let chance = units::chance(words.next()?).ok()?;
    let followers = words.next().map_or(Some(1), number).filter(|followers| *followers > 0)?;
    let reorder = Reorder::new(chance, followers);
    let reorder = match words.next().map(units::duration) {
        None => reorder,
        Some(Ok(time)) => reorder.at_most(time),
        Some(Err(message)) => return Some(Err(message)),
    };
    let value = (chance > 0.0).then_some(Value::Reorder(reorder));
    words.next().is_none().then_some(Ok(value))
}

impl Files<'_> {
    /// A pattern out of a file; or out of the text itself, if that is one.
    fn pattern(&self, text: &str) -> Result<Pattern, String> {
        let is_pattern = text.contains('.') && text.contains('x') && text.bytes().all(|mark| b".x".contains(&mark));
        if is_pattern {
            return Pattern::parse(text).map_err(|error| error.to_string());
        }
        let known = |value: &Value| match value {
            Value::Loss(Loss::Pattern(pattern)) if pattern.name() == Some(text) => Some(pattern.clone()),
            _ => None,
        };
        self.read(text, "pattern", known, |words, name| {
            Ok(Pattern::parse(words).map_err(|error| error.to_string())?.named(name))
        })
    }

    fn trace(&self, text: &str) -> Result<Trace, String> {
        let known = |value: &Value| match value {
            Value::Trace(trace) if trace.name() == Some(text) => Some(trace.clone()),
            _ => None,
        };
        self.read(text, "trace", known, |words, name| {
            Ok(Trace::parse(words).map_err(|error| error.to_string())?.named(name))
        })
    }

    /// Reads a file, or finds what was read from it before.
    fn read<T>(
        &self,
        file: &str,
        what: &str,
        known: impl Fn(&Value) -> Option<T>,
        parse: impl Fn(&str, String) -> Result<T, String>,
    ) -> Result<T, String> {
        let path: PathBuf = match self {
            Self::In(folder) => folder.join(file),
            Self::Read(values) => {
                let found = values.iter().find_map(known);
                return found.ok_or_else(|| {
                    format!("{what} '{file}' was not read at the start, and no file is read while the relay runs")
                });
            }
        };
        let name = path.to_string_lossy().into_owned();
        let cannot = |reason| format!("cannot read {what} '{name}': {reason}");
        let text = text_file::read(Path::new(&path), MOST_BYTES).map_err(cannot)?;
        parse(&text, name.clone()).map_err(cannot)
    }
}

impl Value {
    /// Which impairment it is.
    pub(super) fn name(&self) -> Name {
        match self {
            Self::Match(_) => Name::Match,
            Self::From(_) => Name::From,
            Self::Drop(_) => Name::Drop,
            Self::Loss(_) => Name::Loss,
            Self::DelayInBad(_) => Name::DelayInBad,
            Self::Blackout(_) => Name::Blackout,
            Self::Mtu(_) => Name::Mtu,
            Self::Duplicate(_) => Name::Duplicate,
            Self::Corrupt(_) => Name::Corrupt,
            Self::Rate(_) => Name::Rate,
            Self::Trace(_) => Name::Trace,
            Self::Queue(_) => Name::Queue,
            Self::Codel(_) => Name::Codel,
            Self::Delay(_) => Name::Delay,
            Self::Jitter(_) => Name::Jitter,
            Self::AllowReorder => Name::AllowReorder,
            Self::Reorder(_) => Name::Reorder,
        }
    }

    /// Whether it is a loss with a good and a bad state.
    pub(super) fn has_states(&self) -> bool {
        matches!(self, Self::Loss(Loss::Bursts(_)))
    }
}

impl fmt::Display for Value {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match(matching) => f.write_str(matching.name().unwrap_or("(a function)")),
            Self::From(networks) => {
                f.write_str(&networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Drop(chosen) => f.write_str(&write::chosen(chosen)),
            Self::Loss(loss) => f.write_str(&write::loss(loss)),
            Self::DelayInBad(time) | Self::Delay(time) => f.write_str(&write::time(*time)),
            Self::Blackout(blackout) => f.write_str(&write::blackout(*blackout)),
            Self::Mtu(bytes) => write!(f, "{bytes}"),
            Self::Duplicate(chance) | Self::Corrupt(chance) => f.write_str(&write::chance(*chance)),
            Self::Rate(bits) => f.write_str(&write::rate(*bits)),
            Self::Trace(trace) => f.write_str(trace.name().unwrap_or("(a trace)")),
            Self::Queue(Queue::Datagrams(count)) => write!(f, "{count}"),
            Self::Queue(Queue::Bytes(bytes)) => f.write_str(&write::size(*bytes)),
            Self::Queue(_) => f.write_str("(a queue)"),
            Self::Codel(codel) => f.write_str(&write::codel(*codel)),
            Self::Jitter(jitter) => f.write_str(&write::jitter(*jitter)),
            Self::AllowReorder => f.write_str("true"),
            Self::Reorder(reorder) => f.write_str(&write::reorder(*reorder)),
        }
    }
}
