//! The type-length-value triples that bytes are cut into, whatever the bytes are.

use std::ops::Range;

use super::bytes::u16_at;

/// Bytes before each value: flags, type, length.
pub(super) const HEADER_LEN: usize = 4;

/// One triple, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it begins.
    pub(super) at: usize,
    pub(super) flags: u8,
    /// 0 where the bytes end before it.
    pub(super) kind: u8,
    /// Where its value is: all that is left, where it is cut.
    pub(super) value: Range<usize>,
    /// Whether the bytes end before it does.
    pub(super) is_cut: bool,
}

impl Piece {
    /// The one that begins at a place; `None` at the end.
    pub(super) fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let rest = bytes.get(at..)?;
        let flags = *rest.first()?;
        let kind = rest.get(1).copied().unwrap_or_default();
        let from = (at + HEADER_LEN).min(bytes.len());
        let (to, is_cut) = if rest.len() < HEADER_LEN {
            (bytes.len(), true)
        } else {
            let to = from + usize::from(u16_at(rest, 2));
            (to.min(bytes.len()), to > bytes.len())
        };
        Some(Self { at, flags, kind, value: from..to, is_cut })
    }
}

/// All of them, in their order; one that is cut is the last.
#[derive(Clone, Debug)]
pub(super) struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let piece = Piece::read(self.bytes, self.at)?;
        self.at = piece.value.end;
        Some(piece)
    }
}
