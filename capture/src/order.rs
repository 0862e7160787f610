//! Numbers in either order of bytes.

/// The order of bytes in numbers: that of the machine that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The lowest byte first.
    Little,
    /// The highest byte first.
    Big,
}

impl Order {
    /// The number at this place, if it is there.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let &two = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(two),
            Self::Big => u16::from_be_bytes(two),
        })
    }

    /// The number at this place, if it is there.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let &four = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(four),
            Self::Big => u32::from_be_bytes(four),
        })
    }

    /// The number at this place, if it is there.
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let &eight = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(eight),
            Self::Big => u64::from_be_bytes(eight),
        })
    }
}
