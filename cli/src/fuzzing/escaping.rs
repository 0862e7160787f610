//! Escaping: whatever strangers send stays on its line, and steers nothing.

use crate::output::escape;

/// Escapes bytes, and words.
pub fn escaping(data: &[u8]) {
    let mut escaped = Vec::new();
    escape::write(&mut escaped, data).expect("writing into memory does not fail");
    let escaped = str::from_utf8(&escaped).expect("it is text");
    assert_harmless(escaped);
    assert!(escaped.len() <= 10 * data.len());

    let words = String::from_utf8_lossy(data);
    let shown = escape::words(&words);
    assert_harmless(&shown);
    assert_eq!(escape::words(&shown), shown, "what is harmless stays as it is");
    let (safe, others) = words.split_at(escape::safe_len(&words));
    assert_harmless(safe);
    assert_eq!(escape::words(safe), safe);
    if let Some(letter) = others.chars().next() {
        assert_ne!(escape::words(letter.encode_utf8(&mut [0; 4])), letter.to_string(), "it ends too soon");
    }
}

/// Fails for a character that could steer a terminal, or that hides or turns round what stands beside it.
pub(super) fn assert_harmless(line: &str) {
    let steers = |letter: char| {
        letter.is_control()
            || matches!(
                letter,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{180e}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{fe00}'..='\u{fe0f}'
                    | '\u{feff}'
                    | '\u{fff9}'..='\u{fffb}'
                    | '\u{16fe4}'
                    | '\u{1d159}'
                    | '\u{1d173}'..='\u{1d17a}'
                    | '\u{e0000}'..='\u{e0fff}'
            )
    };
    if let Some(letter) = line.chars().find(|letter| steers(*letter)) {
        panic!("{:?} in {line:?}", letter.escape_unicode().to_string());
    }
}
