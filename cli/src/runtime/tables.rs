//! Files of tables (TOML): checked as a whole, each mistake reported with its place.

use std::path::Path;

use anyhow::{Result, anyhow};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::hint::Hint;
use crate::words::excerpt::{LONGEST_ERROR, shortened};
use crate::words::spelling::nearest;
use crate::words::text_file::{self, place};

/// Mistakes that are reported at once.
const MOST_TOLD: usize = 5;

/// Reads a file of at most so many bytes; `what` it is, for errors.
pub(crate) fn read<T>(
    what: &str,
    path: &Path,
    most_bytes: usize,
    parse: impl FnOnce(&str) -> Result<T, Vec<Mistake>>,
) -> Result<T> {
    let cannot = |reason: &str| anyhow!("cannot read {what} '{}': {reason}", path.display());
    let text = text_file::read(path, most_bytes).map_err(|reason| cannot(&reason))?;
    parse(&text).map_err(|mistakes| {
        let told: Vec<_> = mistakes.iter().take(MOST_TOLD).map(|mistake| mistake.tell(&text)).collect();
        let first = cannot(&told[0]);
        match &told[1..] {
            [] => first,
            next => Hint::on(
                first.to_string(),
                format!("it has {} mistakes; the next: {}", mistakes.len(), next.join("; ")),
            ),
        }
    })
}

/// The tables of a text, or where it is no TOML.
pub(crate) fn document(text: &str) -> Result<Spanned<DeTable<'_>>, Vec<Mistake>> {
    DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        vec![Mistake::new(at, error.message())]
    })
}

/// What is wrong in a file, and where: in bytes from its start.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) at: usize,
    pub(crate) message: String,
}

pub(crate) type Checked<T> = Result<T, Mistake>;
pub(crate) type Value<'a> = Spanned<DeValue<'a>>;

impl Mistake {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: shortened(&message.into(), LONGEST_ERROR).into_owned() }
    }

    /// A mistake in a value.
    pub(crate) fn of(value: &Value<'_>, message: impl Into<String>) -> Self {
        Self::new(value.span().start, message)
    }

    /// The mistake with its place, in words.
    pub(crate) fn tell(&self, text: &str) -> String {
        format!("{}: {}", place(text, self.at), self.message)
    }
}

/// The entries of a table whose keys are all known.
pub(crate) fn table<'a>(value: &'a Value<'a>, what: &str, known: &[&str]) -> Checked<&'a DeTable<'a>> {
    let table = value.get_ref().as_table();
    let table =
        table.ok_or_else(|| Mistake::of(value, format!("{what} is a table, as in {{ {} = ... }}", known[0])))?;
    known_keys(table, what, known).map(|()| table)
}

pub(crate) fn known_keys(table: &DeTable<'_>, what: &str, known: &[&str]) -> Checked<()> {
    let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
    let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
    let hint = match nearest(key.get_ref(), known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", known.join(", ")),
    };
    let message = format!("{what} has no '{}'; {hint}", key.get_ref());
    Err(Mistake::new(key.span().start, message))
}

pub(crate) fn string<'a>(value: &'a Value<'_>, key: &str) -> Checked<&'a str> {
    value.get_ref().as_str().ok_or_else(|| Mistake::of(value, format!("'{key}' is a text in quotes")))
}

/// A number that chance is made of.
pub(crate) fn seed(value: &Value<'_>) -> Checked<u64> {
    let number = value.get_ref().as_integer().and_then(|it| u64::from_str_radix(it.as_str(), it.radix()).ok());
    number.ok_or_else(|| Mistake::of(value, "a seed is a whole number from 0 on, such as 7"))
}
