//! Files that hold the key of authenticated sessions.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use udpkit::stamp::Key;

use crate::hint::Hint;

/// Bytes that a key has at least.
const SHORTEST: usize = 16;
/// Bytes that a file may have.
const LONGEST: usize = 4096;
/// What makes a file hold its key in hexadecimal.
const HEX: &[u8] = b"hex:";

/// The key in a file: all of it but the line end; after `hex:`, in hexadecimal. A pipe is a file, too.
///
/// Refused are those that others may read, and those that are empty, too short or too long.
pub(crate) fn read(path: &Path) -> Result<Key> {
    let failed = || format!("cannot read the key in '{}'", path.display());
    let file = File::open(path).with_context(failed)?;
    if is_readable_by_others(&file).with_context(failed)? {
        let hint = format!("forbid it, and make another key if others may have read it: chmod o= '{}'", path.display());
        return Err(Hint::on(format!("cannot use the key in '{}': others may read the file", path.display()), hint));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).with_context(failed)?;
    let key = key(&bytes)
        .map_err(|why| Hint::on(format!("cannot use the key in '{}': {why}", path.display()), advice(path)))?;
    Ok(Key::new(&key))
}

/// How to make one.
fn advice(path: &Path) -> String {
    format!("make one with: (umask 077; head -c 24 /dev/urandom | base64 > '{}')", path.display())
}

#[cfg(unix)]
fn is_readable_by_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.mode() & 0o004 != 0)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn is_readable_by_others(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// The key that a file with these bytes holds; an error in words where there is none.
fn key(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if bytes.len() > LONGEST {
        return Err(format!("the file has more than {LONGEST} bytes"));
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let key = match line.strip_prefix(HEX) {
        Some(digits) => hexadecimal(digits).ok_or("what comes after 'hex:' is not in hexadecimal")?,
        None => line.to_vec(),
    };
    match key.len() {
        0 => Err("it is empty".to_owned()),
        len if len < SHORTEST => Err(format!("it has {len} bytes, and needs {SHORTEST} at least")),
        _ => Ok(key),
    }
}

/// The bytes of these digits, between which there may be white space.
fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = digits.iter().filter(|byte| !byte.is_ascii_whitespace()).map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[upper, lower]| upper << 4 | lower).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_file_without_its_line_end_or_in_hexadecimal() {
        let sixteen = b"0123456789abcdef";
        for line_end in ["", "\n", "\r\n"] {
            assert_eq!(key(&[sixteen, line_end.as_bytes()].concat()), Ok(sixteen.to_vec()));
        }
        assert_eq!(key(b"0123456789abcdef\n\n"), Ok(b"0123456789abcdef\n".to_vec()));
        let counting: Vec<u8> = (0..16).collect();
        assert_eq!(key(b"hex:00010203 04050607\n08090a0B0c0d0e0f\n"), Ok(counting));
        for wrong in ["", "\n", "hex:", "short", "hex:0001", "hex:0", "hex:0g0102030405060708090a0b0c0d0e0f"] {
            assert!(key(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(key(&[b'x'; LONGEST]).is_ok() && key(&[b'x'; LONGEST + 1]).is_err());
    }
}
