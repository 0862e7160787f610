//! A point of a check: what is looked at, and what was found.

use serde::Serialize;

/// One thing that a program gets right or wrong. All of it but the name is for people.
#[derive(Debug)]
pub(super) struct Point {
    /// Its name, in `--only` and in JSON: lower case, with hyphens, unique among the points of its role.
    pub(super) name: &'static str,
    /// What a program does that gets it right: "answers every peer".
    pub(super) title: &'static str,
    /// Why it matters.
    pub(super) why: &'static str,
    /// What to change in a program that gets it wrong.
    pub(super) change: &'static str,
    /// Where the lesson explains it.
    pub(super) lesson: &'static Section,
}

/// A section of the lesson, which has the same chapters and places in both languages.
#[derive(Debug)]
pub(super) struct Section {
    chapter: &'static str,
    /// The `id` in the chapter; empty for all of it.
    place: &'static str,
}

impl Section {
    pub(super) const fn of(chapter: &'static str, place: &'static str) -> Self {
        Self { chapter, place }
    }

    /// Where it is in English.
    pub(super) fn english(&self) -> String {
        self.link("course")
    }

    /// Where it is in Indonesian.
    pub(super) fn indonesian(&self) -> String {
        self.link("kursus")
    }

    fn link(&self, course: &str) -> String {
        let Self { chapter, place } = self;
        let before = if place.is_empty() { "" } else { "#" };
        format!("docs/{course}/{chapter}.md{before}{place}")
    }
}

/// What was found. There is no fourth: what cannot be proved is not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It does what the point says.
    Passed,
    /// It does not, and what was sent and what came prove it.
    Failed,
    /// It could not be judged.
    NotSeen,
}

impl Verdict {
    /// The word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotSeen => "not seen",
        }
    }
}

/// A verdict and its evidence.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// What was seen, or why it could not be judged: a sentence without a full stop.
    pub(super) seen: String,
}

impl Judged {
    pub(super) fn passed(seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Passed, seen: seen.into() }
    }

    pub(super) fn failed(seen: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, seen: seen.into() }
    }

    pub(super) fn not_seen(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotSeen, seen: why.into() }
    }
}
