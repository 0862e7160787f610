//! Payloads as hex: offset, sixteen bytes, and what of them is ASCII.

use std::io::{self, Write};

use super::escape;

/// Bytes in a row.
const BYTES: usize = 16;
/// Where the bytes begin, and where what of them is ASCII does.
const FIRST_BYTE: usize = 10;
const FIRST_ASCII: usize = FIRST_BYTE + 3 * BYTES + 3;

/// Writes the rows of a payload; none for an empty one.
pub(crate) fn write(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    for (number, bytes) in payload.chunks(BYTES).enumerate() {
        let mut row = [b' '; FIRST_ASCII + BYTES + 2];
        let offset = u32::try_from(number * BYTES).unwrap_or(u32::MAX).to_be_bytes();
        for (place, byte) in offset.into_iter().enumerate() {
            row[2 * place..][..2].copy_from_slice(&escape::hex(byte));
        }
        row[FIRST_ASCII - 1] = b'|';
        for (place, byte) in bytes.iter().enumerate() {
            // There is a gap in the middle.
            let start = FIRST_BYTE + 3 * place + place / (BYTES / 2);
            row[start..][..2].copy_from_slice(&escape::hex(*byte));
            row[FIRST_ASCII + place] = if matches!(byte, b' '..=b'~') { *byte } else { b'.' };
        }
        let end = FIRST_ASCII + bytes.len();
        row[end..][..2].copy_from_slice(b"|\n");
        out.write_all(&row[..end + 2])?;
    }
    Ok(())
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
