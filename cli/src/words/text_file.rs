//! Files that people write: read whole, up to a bound, with the place of what is wrong in them.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The text of a file, or why it cannot be read: refused by the system, longer than this, not UTF-8.
pub(crate) fn read(path: &Path, most_bytes: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte more than is allowed is enough to know, and no more is kept in memory.
    File::open(path)
        .and_then(|file| file.take(most_bytes as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| udpkit::reason(&error))?;
    if bytes.len() > most_bytes {
        return Err(format!("it has more than {most_bytes} bytes, the most that are read"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        format!("{}: this is not UTF-8", place(&String::from_utf8_lossy(before), before.len()))
    })
}

/// Line and column of so many bytes into a text, both from 1; a column is a character.
pub(crate) fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    format!("line {}, column {}", before.matches('\n').count() + 1, line.chars().count() + 1)
}
