//! The one error type: what was attempted, on what, and why it failed.

use std::fmt;
use std::io;

/// What could not be done, to what, and the system's reason.
///
/// Displays as `cannot bind 0.0.0.0:80: permission denied`: lower case, no full stop, ready to stand in a sentence.
pub struct Error {
    attempt: &'static str,
    object: String,
    cause: io::Error,
}

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the attempt (a verb: `"bind"`) on the object (`"0.0.0.0:80"`, or nothing).
    #[must_use]
    pub fn new(attempt: &'static str, object: impl ToString, cause: io::Error) -> Self {
        Self { attempt, object: object.to_string(), cause }
    }

    /// What was attempted: a verb, such as `bind` or `join`.
    #[must_use]
    pub fn attempt(&self) -> &'static str {
        self.attempt
    }

    /// What it was attempted on: an address, a group, or nothing.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The system's reason.
    #[must_use]
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// Whether the system refused because of missing rights.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.cause.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether the address or port is taken by another socket.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }

    /// Whether this host does not have the address.
    #[must_use]
    pub fn is_not_ours(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrNotAvailable
    }

    /// Whether no route leads to the destination.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable)
    }

    /// Whether the system has no room for more: of buffers, or of a socket's groups.
    #[must_use]
    pub fn is_out_of_room(&self) -> bool {
        self.cause.raw_os_error() == Some(crate::sys::number::NO_BUFFERS)
    }

    /// Whether the kernel lacks the address family (no IPv6, most often).
    #[must_use]
    pub fn is_unsupported_family(&self) -> bool {
        self.cause.raw_os_error() == Some(crate::sys::number::FAMILY_UNSUPPORTED)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.attempt)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        write!(f, ": {}", reason(&self.cause))
    }
}

impl Clone for Error {
    fn clone(&self) -> Self {
        // The system's errors are their numbers; others are known by their kind and their words.
        let cause = self
            .cause
            .raw_os_error()
            .map_or_else(|| io::Error::new(self.cause.kind(), self.cause.to_string()), io::Error::from_raw_os_error);
        Self { attempt: self.attempt, object: self.object.clone(), cause }
    }
}

// What a program shows whose `main` returns an error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// The cause stands in the message already; as a source, too, it would be printed twice.
impl std::error::Error for Error {}

/// The system's words for an error, in lower case and without its number.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // Abbreviations keep their capitals.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence() {
        let error = Error::new("bind", "0.0.0.0:80", io::Error::from_raw_os_error(13));
        #[cfg(unix)]
        assert_eq!(error.to_string(), "cannot bind 0.0.0.0:80: permission denied");
        assert!(!error.is_in_use());
        assert_eq!(error.clone().to_string(), error.to_string());
        let ours = Error::new("read", "", io::Error::other("no words"));
        assert_eq!(ours.clone().to_string(), ours.to_string());
    }
}
