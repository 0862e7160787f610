//! What is wrong with a text that was to be read, and where.

use std::error;
use std::fmt;

/// Characters of a wrong word that an error shows.
const SHOWN: usize = 20;

/// Where a text is not what it should be ([`Pattern::parse`](super::Pattern::parse), [`Trace::parse`](super::Trace::parse)).
///
/// Displays as `line 3, column 7: ...`, on one line, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    line: usize,
    column: usize,
    message: String,
}

impl TextError {
    pub(super) fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into() }
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The character of the line, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl error::Error for TextError {}

/// The begin of a word, as an error shows it.
pub(super) fn shown(word: &str) -> String {
    let begin: String = word.chars().take(SHOWN).collect();
    let rest = if begin.len() < word.len() { "…" } else { "" };
    format!("'{}{rest}'", begin.escape_debug())
}
