//! What a check prints: a row for each point, and how many passed.

use std::time::Duration;

use serde::Serialize;

use super::log::{Entry, Log};
use super::point::{Judged, Point, Verdict};
use crate::output::json::nanoseconds;
use crate::output::{Notice, Tone};
use crate::runtime::exit::Exit;
use crate::words::units;

/// Entries of the log that people see of a failure without `--verbose`: the first ones, and the last ones.
const SHOWN: usize = 6;
/// Columns of an explanation.
const WIDTH: usize = 100;
/// Where what is said of a failure begins.
const INDENT: &str = "          ";

/// A point and what was found.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    role: &'static str,
    #[serde(rename = "point")]
    name: &'static str,
    title: &'static str,
    verdict: Verdict,
    seen: &'a str,
    why: &'static str,
    change: &'static str,
    lesson: String,
    lesson_indonesian: String,
    log: Vec<&'a Entry>,
    /// Entries that are left out of the log.
    log_left_out: u64,
    /// How many entries of the log come before those.
    #[serde(skip)]
    first: usize,
    #[serde(skip)]
    verbose: bool,
}

impl<'a> Row<'a> {
    pub(super) fn new(
        role: &'static str,
        point: &'static Point,
        judged: &'a Judged,
        log: &'a Log,
        verbose: bool,
    ) -> Self {
        let (first, last, log_left_out) = log.parts();
        let Point { name, title, why, change, lesson: section } = *point;
        Self {
            role,
            name,
            title,
            verdict: judged.verdict,
            seen: &judged.seen,
            why,
            change,
            lesson: section.english(),
            lesson_indonesian: section.indonesian(),
            log: first.iter().chain(last).collect(),
            log_left_out,
            first: first.len(),
            verbose,
        }
    }

    /// The log, as much as people see of it.
    fn log_lines(&self) -> Vec<String> {
        let length = self.log.len();
        let (first, last) = match self.verbose {
            true => (self.first, length - self.first),
            false if length <= SHOWN * 2 => (length, 0),
            false => (SHOWN, SHOWN),
        };
        let left_out = self.log_left_out + (length - first - last) as u64;
        let more = match (left_out, self.verbose) {
            (0, _) => None,
            (_, true) => Some(format!("... {left_out} more ...")),
            (_, false) => Some(format!("... {left_out} more; -v shows {} of them ...", length - first - last)),
        };
        let lines = |entries: &[&Entry]| entries.iter().map(|entry| entry.line()).collect::<Vec<_>>();
        [lines(&self.log[..first]), more.into_iter().collect(), lines(&self.log[length - last..])].concat()
    }

    /// What is said of a failure, beside what was seen.
    fn explanation(&self) -> Vec<String> {
        let lesson = format!("{} ({})", self.lesson, self.lesson_indonesian);
        let parts = [("why", self.why), ("change", self.change), ("lesson", &lesson)];
        parts.iter().flat_map(|(name, words)| wrapped(&format!("{INDENT}{name:<8}"), words)).collect()
    }
}

/// Words in lines, the first of which begins with a prefix, and the others below its end.
fn wrapped(prefix: &str, words: &str) -> Vec<String> {
    let mut lines = vec![prefix.to_owned()];
    let mut is_first = true;
    for word in words.split_ascii_whitespace() {
        let last = lines.last_mut().expect("there is one from the start");
        if !is_first && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{:width$}{word}", "", width = prefix.chars().count()));
            continue;
        }
        last.push_str(if is_first { "" } else { " " });
        last.push_str(word);
        is_first = false;
    }
    lines
}

impl Notice for Row<'_> {
    fn kind(&self) -> Option<&'static str> {
        Some("point")
    }

    fn words(&self) -> Vec<String> {
        let Self { verdict, name, title, seen, .. } = self;
        let mut lines = vec![format!("{:<8}  {name:<13}  {title}: {seen}", verdict.word())];
        let is_failed = *verdict == Verdict::Failed;
        if is_failed || self.verbose {
            lines.extend(self.log_lines().into_iter().map(|line| format!("{INDENT}{line}")));
        }
        if is_failed {
            lines.extend(self.explanation());
        }
        lines
    }

    fn tone(&self) -> Tone {
        Tone::Data
    }
}

/// How many points there were of each verdict.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    passed: u64,
    failed: u64,
    not_seen: u64,
}

impl Counts {
    pub(super) fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::NotSeen => self.not_seen += 1,
        }
    }

    /// What is not seen is no failure; but where nothing was seen at all, nothing was checked.
    pub(super) fn exit(self) -> Exit {
        match self {
            Self { failed: 1.., .. } => Exit::No,
            Self { passed: 1.., .. } => Exit::Done,
            Self { .. } => Exit::Failed,
        }
    }
}

/// What a check came to.
#[derive(Serialize)]
pub(super) struct Summary {
    verb: &'static str,
    role: &'static str,
    #[serde(flatten)]
    counts: Counts,
    sent: u64,
    received: u64,
    elapsed_ns: u64,
    #[serde(skip)]
    elapsed: Duration,
}

impl Summary {
    pub(super) fn new(role: &'static str, counts: Counts, sent: u64, received: u64, elapsed: Duration) -> Self {
        Self { verb: "check", role, counts, sent, received, elapsed_ns: nanoseconds(elapsed), elapsed }
    }
}

impl Notice for Summary {
    fn kind(&self) -> Option<&'static str> {
        Some("summary")
    }

    fn words(&self) -> Vec<String> {
        let Counts { passed, failed, not_seen } = self.counts;
        let traffic = format!("{} sent, {} received", self.sent, self.received);
        vec![format!(
            "{passed} passed, {failed} failed, {not_seen} not seen ({traffic}, in {})",
            units::human(self.elapsed)
        )]
    }
}
