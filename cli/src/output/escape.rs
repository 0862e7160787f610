//! Strangers' bytes made safe to print: what could steer a terminal, or look like something else, is escaped.

use std::io::{self, Write};
use std::sync::OnceLock;

/// Writes bytes so that they stay on one line and cannot steer a terminal.
///
/// Printable UTF-8 passes. Controls (C0, DEL, C1), bidirectional and other invisible characters become `\n`, `\t`,
/// `\x1b` or `\u{202e}`, bytes that are no UTF-8 become `\xNN`, and a backslash is doubled, so that the result can be
/// read back.
pub(crate) fn write(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    // Most payloads are plain, or begin so.
    let (plain, others) = bytes.split_at(ascii_run_len(bytes, is_plain));
    out.write_all(plain)?;
    for chunk in others.utf8_chunks() {
        write_text(out, chunk.valid(), b"\\\\")?;
        for byte in chunk.invalid() {
            write_byte(out, *byte)?;
        }
    }
    Ok(())
}

/// Writes words of ours with names in them that others chose: as [`write()`], but a backslash stands for itself.
pub(crate) fn write_words(out: &mut impl Write, words: &str) -> io::Result<()> {
    write_text(out, words, b"\\")
}

/// What [`write_words`] writes.
pub(crate) fn words(words: &str) -> String {
    let mut out = Vec::with_capacity(words.len());
    // Writing into memory does not fail.
    let _ = write_words(&mut out, words);
    String::from_utf8_lossy(&out).into_owned()
}

fn write_text(out: &mut impl Write, text: &str, backslash: &[u8]) -> io::Result<()> {
    let mut rest = text;
    loop {
        let (safe, others) = rest.split_at(run_len(rest, is_plain));
        out.write_all(safe.as_bytes())?;
        let Some(letter) = others.chars().next() else { return Ok(()) };
        match letter {
            '\\' => out.write_all(backslash)?,
            '\n' => out.write_all(b"\\n")?,
            '\r' => out.write_all(b"\\r")?,
            '\t' => out.write_all(b"\\t")?,
            letter if letter.is_ascii() => write_byte(out, others.as_bytes()[0])?,
            letter => write!(out, "{}", letter.escape_unicode())?,
        }
        rest = &others[letter.len_utf8()..];
    }
}

fn write_byte(out: &mut impl Write, byte: u8) -> io::Result<()> {
    let [high, low] = hex(byte);
    out.write_all(&[b'\\', b'x', high, low])
}

/// The two digits of a byte.
pub(crate) fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// Whether a byte is printable ASCII, and not what escapes begin with.
fn is_plain(byte: u8) -> bool {
    is_printable(byte) && byte != b'\\'
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// How many bytes at the start of a text show as what they are.
pub(crate) fn safe_len(text: &str) -> usize {
    run_len(text, is_printable)
}

/// How many bytes at the start are ASCII that passes a test, or characters beyond that show as what they are.
fn run_len(text: &str, passes: impl Fn(u8) -> bool) -> usize {
    let mut len = 0;
    loop {
        len += ascii_run_len(&text.as_bytes()[len..], &passes);
        match text[len..].chars().next() {
            Some(letter) if !letter.is_ascii() && is_safe(letter) => len += letter.len_utf8(),
            Some(_) | None => return len,
        }
    }
}

/// How many bytes at the start pass a test.
fn ascii_run_len(bytes: &[u8], passes: impl Fn(u8) -> bool) -> usize {
    // Without a way out in the middle of a block, the compiler looks at all of it at once.
    let passing = |bytes: &[u8], block: usize| {
        let blocks = bytes.chunks_exact(block);
        block * blocks.take_while(|block| block.iter().fold(true, |all, byte| all & passes(*byte))).count()
    };
    let mut len = passing(bytes, 32);
    len += passing(&bytes[len..], 8);
    len + bytes[len..].iter().take_while(|byte| passes(**byte)).count()
}

/// Whether a character beyond ASCII shows as what it is: neither control, nor invisible, nor unassigned.
fn is_safe(letter: char) -> bool {
    // Letters and digits are most of what there is, and told apart quickly.
    !is_blank(letter) && (letter.is_alphanumeric() || is_shown(letter))
}

fn is_shown(letter: char) -> bool {
    // The standard library keeps the table up to date. Combining marks are escaped only at the start of a text.
    let mut buffer = [b'x', 0, 0, 0, 0];
    let len = 1 + letter.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..len]).unwrap_or_default();
    text.escape_debug().nth(1) == Some(letter)
}

/// Whether a character shows nothing although it is a letter, a mark or a symbol by its category: joiners, fillers, inherent
/// vowels, variation selectors. They make different text look alike, and can hide a message.
fn is_blank(letter: char) -> bool {
    static IGNORABLE: OnceLock<Vec<(char, char)>> = OnceLock::new();
    let ranges = IGNORABLE.get_or_init(|| ranges(r"\p{Default_Ignorable_Code_Point}"));
    let at = ranges.partition_point(|(_, last)| *last < letter);
    ranges.get(at).is_some_and(|(first, _)| *first <= letter) || NULL_GLYPHS.contains(&letter)
}

/// Characters that the code charts draw as nothing, of which no property of the standard says so: the blank of braille and of
/// Egyptian hieroglyphs, the filler of Khitan, the null notehead, the joiners of Tifinagh and Brahmi. A test looks for others
/// among the names.
const NULL_GLYPHS: [char; 7] =
    ['\u{2800}', '\u{2d7f}', '\u{1107f}', '\u{13441}', '\u{13442}', '\u{16fe4}', '\u{1d159}'];

/// The characters that a class of a regular expression has, in order; the tables of the standard are that crate's.
fn ranges(class: &str) -> Vec<(char, char)> {
    let parsed = regex_syntax::parse(class).expect("its tables are compiled in");
    let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = parsed.into_kind() else {
        unreachable!("it is a class of characters")
    };
    class.ranges().iter().map(|range| (range.start(), range.end())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::words::bytes::unescape;

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
    fn what_shows_nothing_is_escaped() {
        let mut blanks: Vec<char> = ('\u{fe00}'..='\u{fe0f}').chain('\u{e0100}'..='\u{e01ef}').collect();
        blanks.extend("\u{3164}\u{115f}\u{1160}\u{34f}\u{180b}\u{180c}\u{180d}\u{180f}\u{2800}\u{ffa0}".chars());
        blanks.extend("\u{17b4}\u{17b5}\u{200d}\u{2060}\u{1d159}\u{16fe4}\u{13441}\u{1107f}\u{1d173}\u{fff0}".chars());
        for blank in blanks {
            assert_eq!(escaped(format!("a{blank}b").as_bytes()), format!("a{}b", blank.escape_unicode()));
        }
    }

    #[test]
    fn what_is_ordinary_text_passes_with_its_marks() {
        for text in [
            "Selamat pagi, apa kabar?",
            "السَّلَامُ عَلَيْكُمْ",
            "שָׁלוֹם",
            "नमस्ते",
            "สวัสดี",
            "ខ្មែរ",
            "မြန်မာ",
            "한국어",
            "\u{1112}\u{1161}\u{11ab}",
            "e\u{301}",
            "1\u{20e3}",
            "👍🏽🇮🇩",
        ] {
            assert_eq!(escaped(text.as_bytes()), text);
        }
    }

    /// Characters whose names are those of what shows nothing, as another program knows the standard: names and numbers.
    const BLANK_NAMES: &str = r"
import re, unicodedata
blank = re.compile('FILLER|BLANK|JOINER|ZERO WIDTH|INVISIBLE|INHERENT|VARIATION SELECTOR|NULL')
shown = re.compile('SYMBOL FOR|BLANK SYMBOL|PUNCTUATION|GAP FILLER|SUBJOINER')
for number in range(0x80, 0x110000):
    name = unicodedata.name(chr(number), '')
    if blank.search(name) and not shown.search(name):
        print('%x' % number)
";

    #[test]
    fn no_name_of_the_standard_is_that_of_a_blank_which_passes() {
        let Ok(python) = std::process::Command::new("python3").args(["-c", BLANK_NAMES]).output() else {
            assert!(std::env::var_os("UDP_REQUIRE_ALL").is_none(), "there is no python3");
            return eprintln!("skipped: there is no python3");
        };
        let numbers = String::from_utf8(python.stdout).unwrap();
        let numbers: Vec<_> = numbers.lines().map(|line| u32::from_str_radix(line, 16).unwrap()).collect();
        assert!(numbers.len() > 250, "{}", numbers.len());
        let letters = numbers.into_iter().filter_map(char::from_u32);
        assert_eq!(letters.filter(|letter| is_safe(*letter)).collect::<Vec<_>>(), []);
    }

    #[test]
    fn every_letter_and_digit_is_one_that_shows() {
        let letters = ('\u{80}'..=char::MAX).filter(|letter| letter.is_alphanumeric() && !is_blank(*letter));
        assert_eq!(letters.filter(|letter| !is_shown(*letter)).collect::<Vec<_>>(), []);
    }

    #[test]
    fn words_keep_their_backslashes_and_nothing_that_steers() {
        assert_eq!(words("read \\n and \\xNN, é"), "read \\n and \\xNN, é");
        assert_eq!(words("a\x1b[31m\n\u{202e}"), "a\\x1b[31m\\n\\u{202e}");
    }

    #[test]
    fn every_character_and_every_byte_reads_back() {
        let all: String = ('\0'..=char::MAX).collect();
        assert_eq!(unescape(&escaped(all.as_bytes())).unwrap(), all.as_bytes());
        let pairs: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_be_bytes).collect();
        assert_eq!(unescape(&escaped(&pairs)).unwrap(), pairs);
    }

    proptest! {
        #[test]
        fn any_bytes_read_back(text in ".{0,40}", bytes in vec(any::<u8>(), 0..40)) {
            let bytes = [text.as_bytes(), &bytes, text.as_bytes()].concat();
            prop_assert_eq!(unescape(&escaped(&bytes)), Ok(bytes));
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
