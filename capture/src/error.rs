//! Why a capture cannot be read.

use std::fmt;
use std::io;

/// Why a capture, or the rest of one, cannot be read.
///
/// Displays as what follows `cannot read FILE: `, in lower case and without a full stop: `it is cut off in the block or
/// packet that begins at byte 4096`.
#[non_exhaustive]
pub enum ReadError {
    /// The input failed for the system's reason, after this many bytes.
    Input(u64, io::Error),
    /// The input is not a capture; the text says what it is.
    NotACapture(&'static str),
    /// The capture ends inside of what begins at this byte.
    Cut(u64),
    /// What begins at this byte cannot be; these words say why.
    Corrupt(u64, &'static str),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(0, error) => f.write_str(&udpkit::reason(error)),
            Self::Input(offset, error) => write!(f, "{} (after byte {offset})", udpkit::reason(error)),
            Self::NotACapture(what) => f.write_str(what),
            Self::Cut(offset) => write!(f, "it is cut off in the block or packet that begins at byte {offset}"),
            Self::Corrupt(offset, why) => write!(f, "it is corrupt at byte {offset}: {why}"),
        }
    }
}

// What a program shows whose `main` returns an error.
impl fmt::Debug for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// The system's reason stands in the message already; as a source, too, it would be printed twice.
impl std::error::Error for ReadError {}

/// The result of reading.
pub(crate) type Result<T> = std::result::Result<T, ReadError>;
