//! Numbers and pieces of a frame, each of which may end too soon.

use super::counts::Unusable;

/// What was found, or why there is no datagram.
pub(crate) type Result<T> = std::result::Result<T, Unusable>;

/// So many bytes at this place; [`Unusable::BadHeader`] if they are not there.
pub(crate) fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Result<&[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(Unusable::BadHeader)
}

/// The number at this place, its highest byte first, as all headers but those of radio and Netfilter have it.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Result<u16> {
    chunk(bytes, at).map(|&two| u16::from_be_bytes(two))
}

/// The reason why headers end too soon: the capture's, where it has not all of the frame.
pub(crate) fn short(why: Unusable, frame: &[u8], wire_len: usize) -> Unusable {
    if why == Unusable::BadHeader && frame.len() < wire_len { Unusable::CutShort } else { why }
}
