//! Bytes as people write them and as they are shown: hex, escapes, rows, lines; each way and back.

use crate::output::{escape, hex};
use crate::runtime::payload::{Cutter, Parts, Source};
use crate::words::bytes::{hex as read_hex, unescape};

/// Writes bytes in every form and reads them again; reads them as a form, too.
pub fn bytes(data: &[u8]) {
    let mut escaped = Vec::new();
    escape::write(&mut escaped, data).expect("writing into memory does not fail");
    assert_eq!(unescape(str::from_utf8(&escaped).expect("it is text")).as_deref(), Ok(data));

    for between in ["", " ", ":", ",", "-", " 0x"] {
        let digits: Vec<_> = data.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(read_hex(&digits.join(between)).as_deref(), Ok(data));
    }
    rows(data);
    for (delimiter, limit) in [(b'\n', 5), (0, 3), (b'\n', 0)] {
        parts(data, delimiter, limit);
    }
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(read) = read_hex(text) {
        assert!(2 * read.len() <= text.len());
    }
    if let Ok(read) = unescape(text) {
        assert!(read.len() <= text.len() && (text.contains('\\') || read == data));
    }
}

/// The rows of a hex dump have all the bytes.
fn rows(data: &[u8]) {
    let mut rows = Vec::new();
    hex::write(&mut rows, data).expect("writing into memory does not fail");
    let rows = str::from_utf8(&rows).expect("it is text");
    let bytes = |row: &str| read_hex(row[10..row.find('|').expect("each has letters")].trim_end());
    assert_eq!(rows.lines().map(bytes).collect::<Result<Vec<_>, _>>().map(|rows| rows.concat()).as_deref(), Ok(data));
}

/// A stream that is cut at a delimiter loses nothing but what is too long.
fn parts(data: &[u8], delimiter: u8, limit: usize) {
    let mut rest = data;
    let mut parts = Cutter::new(&Parts { source: Source::StandardInput, delimiter, limit });
    let mut expected = data.split(|byte| *byte == delimiter).map(|part| match part {
        [part @ .., b'\r'] if delimiter == b'\n' => (part, part.len() + 1),
        part => (part, part.len()),
    });
    while let Some(part) = parts.next(&mut rest).expect("reading memory does not fail") {
        let (wanted, whole) = expected.next().expect("there are no more");
        match part {
            Ok(part) => assert!(part == wanted || part.len() == whole && part.starts_with(wanted), "{part:?}"),
            Err(_) => assert!(whole > limit, "{wanted:?}"),
        }
    }
    assert!(expected.next().is_none_or(|(last, _)| last.is_empty()) && expected.next().is_none(), "a part is lost");
}
