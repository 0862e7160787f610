//! Bytes as people write them: hex, escapes, regular expressions on payloads.

/// Parses `01 0a ff`, `010aff`, `01:0a:ff`, `0x01 0x0a`.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for word in text.split(|letter: char| letter.is_whitespace() || matches!(letter, ':' | ',' | '-')) {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        if digits.is_empty() && !word.is_empty() {
            return Err(format!("'{word}' has no hex digits; a byte has two, as in '0x0a'"));
        }
        if let Some(wrong) = digits.chars().find(|letter| !letter.is_ascii_hexdigit()) {
            return Err(format!("'{wrong}' is not a hex digit; write bytes as '01 0a ff'"));
        }
        if digits.len() % 2 == 1 {
            return Err(format!("'{digits}' has an odd number of hex digits; a byte has two, as in '0a'"));
        }
        let pairs = (0..digits.len()).step_by(2).filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
        bytes.extend(pairs);
    }
    Ok(bytes)
}

/// Parses `\n \r \t \0 \\ \xNN \u{N}`, and so whatever payloads are printed as; everything else stands for itself.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, used) = match escape.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [b'r', ..] => (b'\r', 1),
            [b't', ..] => (b'\t', 1),
            [b'0', ..] => (0, 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', ..] => match escape.get(1..3).map(|digits| u8::from_str_radix(digits, 16)) {
                Some(Ok(byte)) if escape.as_bytes()[1] != b'+' => (byte, 3),
                _ => return Err("'\\x' needs two hex digits, as in '\\x0a'".to_owned()),
            },
            [b'u', ..] => {
                let (letter, after) = character(&escape[1..])
                    .ok_or("'\\u' needs the number of a character in hex digits, as in '\\u{e9}'")?;
                bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
                continue;
            }
            _ => {
                let wrong: String = escape.chars().take(1).collect();
                return Err(format!("'\\{wrong}' is no escape; there are \\n \\r \\t \\0 \\\\ \\xNN \\u{{N}}"));
            }
        };
        bytes.push(byte);
        rest = &escape[used..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The character whose number stands in braces at the start of a text, and what follows.
fn character(text: &str) -> Option<(char, &str)> {
    let (digits, after) = text.strip_prefix('{')?.split_once('}')?;
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?;
    Some((char::from_u32(number)?, after))
}

/// The most memory that a compiled regular expression may take, in bytes, and as much again in each thread that uses it; a
/// rules file holds many.
const MAX_REGEX: usize = 1 << 20;

/// A regular expression on payloads. They are bytes: without `(?u)` a dot is any byte.
pub(crate) fn regex(text: &str) -> Result<regex::bytes::Regex, regex::Error> {
    regex::bytes::RegexBuilder::new(text).unicode(false).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).build()
}

/// A regular expression on payloads, or in a line what is wrong with it.
pub(crate) fn regex_or_why(text: &str) -> Result<regex::bytes::Regex, String> {
    regex(text).map_err(|error| {
        let reason = match error {
            regex::Error::CompiledTooBig(most) => format!("compiled it takes more than {most} bytes"),
            // The first lines show the expression; the last says what is wrong.
            error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        };
        format!("'{text}' is not a regular expression: {reason}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_forms() {
        for text in ["01 0a ff", "010aff", "01:0A:FF", "0x01 0x0a 0xff", "01-0a-ff", " 01,0a , ff "] {
            assert_eq!(hex(text).unwrap(), [1, 10, 255], "{text}");
        }
        assert_eq!(hex("").unwrap(), Vec::<u8>::new());
        for wrong in ["0", "0 1", "gg", "0x", "0x01 0x", "0x0x01", "01 0a f", "é"] {
            assert!(hex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape(r"a\n\r\t\0\\\x41é").unwrap(), "a\n\r\t\0\\Aé".as_bytes());
        assert_eq!(unescape(r"\xff").unwrap(), [255]);
        assert_eq!(unescape(r"\u{e9}\u{202e}a\u{10ffff}").unwrap(), "é\u{202e}a\u{10ffff}".as_bytes());
        for wrong in [r"\", r"\q", r"\x", r"\x4", r"\xzz", r"\x+1", r"\xé"] {
            assert!(unescape(wrong).is_err(), "{wrong}");
        }
        for wrong in
            [r"\u", r"\u{", r"\u{}", r"\u{+1}", r"\ue9", r"\u{d800}", r"\u{110000}", r"\u{100000041}", r"\u{é}"]
        {
            assert!(unescape(wrong).unwrap_err().starts_with(r"'\u' needs the number of a character"), "{wrong}");
        }
    }
}
