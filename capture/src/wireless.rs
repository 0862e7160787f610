//! Wi-Fi: what stands before the 802.2 header of a data frame (IEEE 802.11, section 9.2), and radiotap's header before it.

use super::counts::Unusable;
use super::field::{Result, chunk};

/// Header with three addresses, in bytes.
const HEADER: usize = 24;
/// First byte of frame control: the version and the kind of frame, of which data is the one that carries packets.
const VERSION_AND_TYPE: u8 = 0x0f;
const DATA: u8 = 0x08;
/// Bits of the first byte in data frames: no data in it; a field for the quality of service.
const NO_DATA: u8 = 0x40;
const QOS: u8 = 0x80;
/// Bits of the second byte: through two stations of the system; more pieces of it follow; encrypted; a field more.
const FOUR_ADDRESSES: u8 = 0x03;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// Bit of the quality of service: several packets stand in the frame, each with a header.
const AGGREGATED: u8 = 0x80;
/// Radiotap's fields: the first two of them, and that there are more words of such bits.
const TIMER: u32 = 1;
const FLAGS: u32 = 1 << 1;
const MORE_WORDS: u32 = 1 << 31;
/// Bit of radiotap's flags: the header is padded to four bytes.
const PADDED: u8 = 0x20;

/// Where the frame begins behind radiotap's header, and whether its own header is padded.
pub(crate) fn radiotap(frame: &[u8], at: usize) -> Result<(usize, bool)> {
    let &[version, _, low, high] = chunk(frame, at)?;
    let len = usize::from(u16::from_le_bytes([low, high]));
    if version != 0 || len < 8 {
        return Err(Unusable::BadHeader);
    }
    let word = |place| chunk(frame, at + place).map(|&bytes| u32::from_le_bytes(bytes));
    let fields = word(4)?;
    let mut end = 8;
    while word(end - 4)? & MORE_WORDS != 0 {
        end += 4;
    }
    // The timer has eight bytes, at a multiple of eight.
    let flags = if fields & TIMER == 0 { end } else { end.next_multiple_of(8) + 8 };
    let is_padded = match fields & FLAGS {
        0 => false,
        _ if flags >= len => return Err(Unusable::BadHeader),
        _ => chunk::<1>(frame, at + flags)?[0] & PADDED != 0,
    };
    Ok((at + len, is_padded))
}

/// Where the 802.2 header begins in the frame at this place.
pub(crate) fn data(frame: &[u8], at: usize, is_padded: bool) -> Result<usize> {
    let &[control, flags] = chunk(frame, at)?;
    if control & VERSION_AND_TYPE != DATA || control & NO_DATA != 0 {
        return Err(Unusable::NotIp);
    }
    if flags & PROTECTED != 0 {
        return Err(Unusable::Encrypted);
    }
    let mut len = if flags & FOUR_ADDRESSES == FOUR_ADDRESSES { HEADER + 6 } else { HEADER };
    let mut is_whole = flags & MORE_FRAGMENTS == 0 && chunk::<1>(frame, at + 22)?[0] & 0x0f == 0;
    if control & QOS != 0 {
        is_whole &= chunk::<1>(frame, at + len)?[0] & AGGREGATED == 0;
        len += if flags & ORDER != 0 { 6 } else { 2 };
    }
    if !is_whole {
        return Err(Unusable::Aggregated);
    }
    Ok(at + if is_padded { len.next_multiple_of(4) } else { len })
}
