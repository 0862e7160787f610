//! Payloads as hex: offset, sixteen bytes, and what of them is ASCII.

use std::io::{self, Write};

use super::escape;

/// Bytes of a row.
const ROW: usize = 16;
/// Where the first of them stands.
const FIRST: usize = 10;
/// Letters of a row.
const LETTERS: usize = ascii(ROW) + ROW + 1;

/// Writes the rows of a payload; none for an empty one.
pub(crate) fn write(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    for (number, bytes) in payload.chunks(ROW).enumerate() {
        row(out, number * ROW, bytes, ROW)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes a row without its end: these bytes, which stand at this offset, in so many places, 16 at the most.
pub(crate) fn row(out: &mut impl Write, offset: usize, bytes: &[u8], places: usize) -> io::Result<()> {
    let mut row = [b' '; LETTERS];
    let offset = u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes();
    for (place, byte) in offset.into_iter().enumerate() {
        row[2 * place..][..2].copy_from_slice(&escape::hex(byte));
    }
    let ascii = ascii(places.min(ROW));
    row[ascii - 1] = b'|';
    for (place, byte) in bytes.iter().take(ROW).enumerate() {
        // There is a gap in the middle.
        row[FIRST + 3 * place + place / 8..][..2].copy_from_slice(&escape::hex(*byte));
        row[ascii + place] = if matches!(byte, b' '..=b'~') { *byte } else { b'.' };
    }
    let end = ascii + bytes.len().min(ROW);
    row[end] = b'|';
    out.write_all(&row[..=end])
}

/// Where what of the bytes is ASCII begins, in a row of so many.
const fn ascii(places: usize) -> usize {
    FIRST + 3 * places + places.saturating_sub(1) / 8 + 2
}

#[cfg(test)]
mod tests {
    #[test]
    fn rows() {
        let mut out = Vec::new();
        super::write(&mut out, b"Hello World\x1b[0m\xff more").unwrap();
        let expected = "\
00000000  48 65 6c 6c 6f 20 57 6f  72 6c 64 1b 5b 30 6d ff  |Hello World.[0m.|
00000010  20 6d 6f 72 65                                    | more|
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
