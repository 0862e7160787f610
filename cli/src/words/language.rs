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

    /// A sentence with numbers in it, written as in English, as it is written in this language.
    pub(crate) fn sentence(self, text: &str) -> String {
        let is_digit = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_digit());
        let mut before = None;
        let mut letters = text.chars().peekable();
        let mut written = String::with_capacity(text.len());
        while let Some(letter) = letters.next() {
            let is_point = letter == '.' && is_digit(before) && is_digit(letters.peek().copied());
            written.push(if is_point { self.pick('.', ',') } else { letter });
            before = Some(letter);
        }
        written
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_the_decimal_sign_of_its_language_and_keeps_its_stops() {
        let text = "p99 1.25 ms. 4.70 % of 3.";
        assert_eq!(Language::English.sentence(text), text);
        assert_eq!(Language::Indonesian.sentence(text), "p99 1,25 ms. 4,70 % of 3.");
    }
}
