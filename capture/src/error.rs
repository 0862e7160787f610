//! Why a capture cannot be read.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a capture, or the rest of one, cannot be read.
///
/// Displays as what follows `cannot read FILE: `, in lower case and without a full stop: `it is cut off in the block or
/// packet that begins at byte 4096`. The system's reason is its [`source`](Error::source); with `{:#}`, and with `{:?}`, it is
/// displayed, too.
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
            Self::Input(offset, error) => {
                write!(f, "the input failed after byte {offset}")?;
                if f.alternate() { write!(f, ": {}", udpkit::reason(error)) } else { Ok(()) }
            }
            Self::NotACapture(what) => f.write_str(what),
            Self::Cut(offset) => write!(f, "it is cut off in the block or packet that begins at byte {offset}"),
            Self::Corrupt(offset, why) => write!(f, "it is corrupt at byte {offset}: {why}"),
        }
    }
}

// What a program shows whose `main` returns an error.
impl fmt::Debug for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Input(_, error) => Some(error),
            Self::NotACapture(_) | Self::Cut(_) | Self::Corrupt(..) => None,
        }
    }
}

/// Of the system's kind, or of what the capture is, with the error in it: [`io::Error::downcast`] gives it back.
impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Input(_, cause) => cause.kind(),
            ReadError::NotACapture(_) | ReadError::Corrupt(..) => io::ErrorKind::InvalidData,
            ReadError::Cut(_) => io::ErrorKind::UnexpectedEof,
        };
        Self::new(kind, error)
    }
}

/// The result of reading.
pub(crate) type Result<T> = std::result::Result<T, ReadError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_input_has_its_reason_once() {
        let denied = || ReadError::Input(7, io::ErrorKind::PermissionDenied.into());
        let source = denied().source().map(ToString::to_string);
        assert_eq!(
            [denied().to_string(), source.unwrap()],
            ["the input failed after byte 7".to_owned(), "permission denied".to_owned()]
        );
        assert_eq!(format!("{:?}", denied()), "the input failed after byte 7: permission denied");
        assert_eq!(io::Error::from(denied()).kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(io::Error::from(ReadError::Cut(9)).kind(), io::ErrorKind::UnexpectedEof);
        assert!(ReadError::Cut(9).source().is_none());
    }
}
