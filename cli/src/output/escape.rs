//! Strangers' bytes made safe to print: what could steer a terminal, or look like something else, is escaped.

use std::io::{self, Write};

/// Writes bytes so that they stay on one line and cannot steer a terminal.
///
/// Printable UTF-8 passes. Controls (C0, DEL, C1), bidirectional and other invisible characters become `\n`, `\t`,
/// `\x1b` or `\u{202e}`, bytes that are no UTF-8 become `\xNN`, and a backslash is doubled, so that the result can be
/// read back.
pub(crate) fn write(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        write_text(out, chunk.valid())?;
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

fn write_text(out: &mut impl Write, text: &str) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        // Runs of plain ASCII, which is most of what there is, go out at once.
        let plain = rest.bytes().take_while(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\').count();
        out.write_all(&rest.as_bytes()[..plain])?;
        rest = &rest[plain..];
        let Some(letter) = rest.chars().next() else { break };
        match letter {
            '\\' => out.write_all(b"\\\\")?,
            '\n' => out.write_all(b"\\n")?,
            '\r' => out.write_all(b"\\r")?,
            '\t' => out.write_all(b"\\t")?,
            letter if letter.is_ascii() => write!(out, "\\x{:02x}", u32::from(letter))?,
            letter if is_safe(letter) => write!(out, "{letter}")?,
            letter => write!(out, "{}", letter.escape_unicode())?,
        }
        rest = &rest[letter.len_utf8()..];
    }
    Ok(())
}

/// Whether a character beyond ASCII shows as what it is: neither control, nor invisible, nor unassigned.
pub(crate) fn is_safe(letter: char) -> bool {
    // The standard library keeps the table up to date. Combining marks are escaped only at the start of a text.
    let mut buffer = [b'x', 0, 0, 0, 0];
    let len = 1 + letter.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..len]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write(&mut out, bytes).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_printable_passes() {
        for text in ["Hello World", "", "Grüße, мир, 你好, नमस्ते, 👋", "quotes ' \" stay", "~!@#$%^&*()"]
        {
            assert_eq!(escaped(text.as_bytes()), text);
        }
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let cases: [(&[u8], &str); 9] = [
            (b"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
            (b"a\nb\r\tc\0\x07\x08\x7f", "a\\nb\\r\\tc\\x00\\x07\\x08\\x7f"),
            ("\u{9b}31m\u{9d}0;title".as_bytes(), "\\u{9b}31m\\u{9d}0;title"),
            ("a\u{202e}b\u{2066}c".as_bytes(), "a\\u{202e}b\\u{2066}c"),
            ("zero\u{200b}width\u{feff}".as_bytes(), "zero\\u{200b}width\\u{feff}"),
            ("line\u{2028}sep\u{2029}".as_bytes(), "line\\u{2028}sep\\u{2029}"),
            ("tag\u{e0041}".as_bytes(), "tag\\u{e0041}"),
            (b"\xff\xfe\xc3(", "\\xff\\xfe\\xc3("),
            (b"C:\\dir", "C:\\\\dir"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(escaped(bytes), expected);
        }
    }

    #[test]
    fn every_byte_and_every_low_character_is_harmless() {
        let all: Vec<u8> = (0..=255).collect();
        let text: String = (0..0x3000).filter_map(char::from_u32).collect();
        for result in [escaped(&all), escaped(text.as_bytes())] {
            assert!(!result.chars().any(char::is_control));
            assert!(!result.contains(['\u{202e}', '\u{200b}', '\u{2028}', '\u{ad}', '\u{61c}']));
        }
    }
}
