//! Payloads as hex: offset, sixteen bytes, and what of them is ASCII.

use std::io::{self, Write};

/// Writes the rows of a payload; none for an empty one.
pub(crate) fn write(out: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    for (row, bytes) in payload.chunks(16).enumerate() {
        write!(out, "{:08x} ", row * 16)?;
        for place in 0..16 {
            let gap = if place == 8 { " " } else { "" };
            match bytes.get(place) {
                Some(byte) => write!(out, "{gap} {byte:02x}")?,
                None => write!(out, "{gap}   ")?,
            }
        }
        out.write_all(b"  |")?;
        for byte in bytes {
            out.write_all(&[if matches!(byte, b' '..=b'~') { *byte } else { b'.' }])?;
        }
        out.write_all(b"|\n")?;
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
