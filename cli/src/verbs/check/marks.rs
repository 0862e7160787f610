//! Marks in payloads, by which they are found again in what a program prints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::output::escape;

/// Letters of a mark: enough that no program prints one by chance.
const LETTERS: usize = 10;

/// A word that was never used before, in lower case.
pub(super) fn mark() -> String {
    (0..LETTERS).map(|_| fastrand::lowercase()).collect()
}

/// Where a text begins in what was printed.
pub(super) fn find(printed: &[u8], text: &[u8]) -> Option<usize> {
    printed.windows(text.len().max(1)).position(|window| window == text)
}

/// Whether what was printed shows a mark of a payload: as it is, in hexadecimal digits, or in the base64 of the whole payload.
pub(super) fn shows(printed: &[u8], mark: &str, payload: &[u8]) -> bool {
    let is_text = |text: &str| find(printed, text.as_bytes()).is_some();
    let has_digits = || {
        let digits: Vec<u8> = printed
            .iter()
            .filter(|byte| !matches!(byte, b' ' | b':' | b'\n' | b'\r'))
            .map(u8::to_ascii_lowercase)
            .collect();
        let wanted: String = mark.bytes().map(|byte| format!("{byte:02x}")).collect();
        find(&digits, wanted.as_bytes()).is_some()
    };
    is_text(mark) || has_digits() || is_text(&STANDARD.encode(payload))
}

/// The lines that have this text in them. Lines end as on a terminal: a carriage return begins one anew.
pub(super) fn lines_with<'a>(printed: &'a [u8], text: &str) -> Vec<&'a [u8]> {
    let lines = printed.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.filter(|line| find(line, text.as_bytes()).is_some()).collect()
}

/// The last line that is not empty, shortened and escaped: what a program said at its end.
pub(super) fn last_line(printed: &[u8]) -> Option<String> {
    const LONGEST: usize = 120;
    let text = String::from_utf8_lossy(printed);
    let line = text.split(['\n', '\r']).rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(escape::words(&line.chars().take(LONGEST).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_as_text_as_digits_and_in_base64() {
        let payload = b"\xff abcdefghij";
        for printed in [
            "xx abcdefghij",
            "ff 20 61 62 63 64 65 66 67 68 69 6a",
            "FF2061:62:63:64:65:66\n6768696A",
            "\"/yBhYmNkZWZnaGlq\"",
        ] {
            assert!(shows(printed.as_bytes(), "abcdefghij", payload), "{printed}");
        }
        assert!(!shows(b"abcdefghi", "abcdefghij", payload));
        assert!(!shows(b"", "abcdefghij", payload));
    }

    #[test]
    fn lines_are_those_of_a_terminal() {
        assert_eq!(lines_with(b"a 1\rb 1\nc 2", "1"), [&b"a 1"[..], b"b 1"]);
        assert_eq!(last_line(b"a\n b \n\n").as_deref(), Some("b"));
        assert_eq!(last_line(b" \n"), None);
    }
}
