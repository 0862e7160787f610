//! What was meant by a word that there is not, and words as a shell takes them.

/// Letters of a word that may be others, and still be a misspelling of it.
const MAX_MISSPELLED: usize = 2;
/// Bytes of a word from which on it is compared with none: longer than any option.
const LONGEST_WORD: usize = 64;

/// The one of these words that another is a misspelling of.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let distance = |other: &str| strsim::osa_distance(word, other);
    let nearest = words.min_by_key(|other| distance(other))?;
    (distance(nearest) <= MAX_MISSPELLED.min(word.chars().count() / 3)).then_some(nearest)
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Words as a shell takes them, with spaces between.
pub(crate) fn shell_line<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    words.into_iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_near_to_what_was_meant() {
        let words = ["listen", "send", "serve", "broadcast"];
        for (word, expected) in [
            ("lisen", Some("listen")),
            ("lisetn", Some("listen")),
            ("broadcats", Some("broadcast")),
            ("sned", Some("send")),
            ("frobnicate", None),
            ("x", None),
            ("", None),
            (&"listen".repeat(100_000), None),
        ] {
            assert_eq!(nearest(word, words.into_iter()), expected, "{word}");
        }
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        for (word, expected) in
            [("a-b.c:5", "a-b.c:5"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("ü", "'ü'")]
        {
            assert_eq!(quoted(word), expected);
        }
    }
}
