//! What is shown of texts of any length: of all that a user wrote, an error quotes no more than helps to find it.

use std::borrow::Cow;

/// Characters of an error from which on its middle is left out.
pub(crate) const LONGEST_ERROR: usize = 600;

/// A text without its middle, if it has more characters than these.
pub(crate) fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    if text.len() <= longest {
        return text.into();
    }
    let mut places = text.char_indices().map(|(at, _)| at);
    let Some(first) = places.by_ref().nth(longest / 2) else { return text.into() };
    let Some(last) = places.nth_back(longest / 2) else { return text.into() };
    format!("{} [... {} bytes more ...] {}", &text[..first], last - first, &text[last..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_long_text_are_shown() {
        for short in ["", "0123456789", "ääääääääää"] {
            assert_eq!(shortened(short, 10), short);
        }
        assert_eq!(shortened(&"ä".repeat(1000), 10), "äääää [... 1978 bytes more ...] ääääää");
        assert_eq!(shortened("0123456789ab", 10), "01234 [... 1 bytes more ...] 6789ab");
    }
}
