//! The languages of pages that people read.

use clap::ValueEnum;

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English.
    #[default]
    #[value(name = "en")]
    English,
    /// Indonesian.
    #[value(name = "id")]
    Indonesian,
}

impl Language {
    /// Its code (RFC 5646).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Indonesian => "id",
        }
    }

    /// What is said in it, of the same in both languages.
    pub(crate) fn pick<T>(self, english: T, indonesian: T) -> T {
        match self {
            Self::English => english,
            Self::Indonesian => indonesian,
        }
    }

    /// Numbers with their units, written in English, as they are written in it.
    pub(crate) fn number(self, english: &str) -> String {
        let text = english.replace(" us", " µs");
        match self {
            Self::English => text,
            Self::Indonesian => text.replace('.', ","),
        }
    }
}
