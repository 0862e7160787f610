//! The one error type: what was attempted, on what, and why it failed.

use std::error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::sys::number;

/// What could not be done, to what, and why.
///
/// Displays as `cannot bind 0.0.0.0:80`; the system's reason is its [`source`](error::Error::source), as the API guidelines have
/// it, so that programs that print a chain of errors print the reason once. `{:#}`, and `{:?}` with it (what a program shows whose
/// `main` returns an error), print all of it: `cannot bind 0.0.0.0:80: permission denied`.
///
/// ```
/// use udpkit::{ErrorKind, Options, Socket};
///
/// # fn main() -> udpkit::Result<()> {
/// let first = Socket::bind("127.0.0.1:0".parse().unwrap(), &Options::default())?;
/// let error = Socket::bind(first.local_address(), &Options::default()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::AddressInUse);
/// assert_eq!(error.to_string(), format!("cannot bind {}", first.local_address()));
/// // With the reason, which a system may put into other words: cannot bind 127.0.0.1:40213: address already in use
/// println!("{error:#}");
/// # Ok(())
/// # }
/// ```
pub struct Error {
    attempt: Attempt,
    object: Object,
    kind: ErrorKind,
    cause: io::Error,
}

/// The result of everything in this crate that can fail; with another error, the standard library's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was attempted. Displays as a verb that its [`Object`] can follow: `bind`, `send to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Attempt {
    /// To open a socket at an address.
    Bind,
    /// To take over a socket that was made elsewhere.
    Adopt,
    /// To share a socket's address with another socket of this program.
    Share,
    /// To join a multicast group.
    Join,
    /// To leave a multicast group.
    Leave,
    /// To send a datagram to an address.
    Send,
    /// To send anything at all through the socket at a local address.
    SendOn,
    /// To receive from the socket at a local address.
    Receive,
    /// To wait for the datagrams, deadlines and inputs of a run.
    Wait,
    /// To list this host's interfaces.
    ListInterfaces,
    /// To hear of changes of interfaces.
    WatchInterfaces,
    /// To open the pipe by which other threads end a wait.
    OpenPipe,
    /// To start a thread.
    StartThread,
    /// To create a file.
    Create,
    /// To read a file.
    Read,
    /// To write to a file.
    Write,
    /// Anything else: a verb for the sentence `cannot VERB OBJECT`.
    Other(&'static str),
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bind => "bind",
            Self::Adopt => "adopt",
            Self::Share => "share",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Send => "send to",
            Self::SendOn => "send on",
            Self::Receive => "receive on",
            Self::Wait => "wait for datagrams",
            Self::ListInterfaces => "list interfaces",
            Self::WatchInterfaces => "watch interfaces",
            Self::OpenPipe => "open a pipe",
            Self::StartThread => "start a thread",
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Other(verb) => verb,
        })
    }
}

/// What something was attempted on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Object {
    /// The attempt says all.
    None,
    /// An address: a destination, or a socket's own.
    Address(SocketAddr),
    /// An address, and the interface that its socket is bound to.
    Device(SocketAddr, String),
    /// A multicast group.
    #[non_exhaustive]
    Group {
        /// Its address.
        group: IpAddr,
        /// The only sender, of a source-specific group.
        source: Option<IpAddr>,
        /// The name of the interface on which, where it was one.
        interface: Option<String>,
    },
    /// A file; its name is displayed between quotes.
    File(PathBuf),
    /// Anything else, in the words in which it is displayed.
    Other(String),
}

impl Object {
    /// A multicast group: of one source alone, on the interface of a name, where they are given.
    #[must_use]
    pub fn group(group: IpAddr, source: Option<IpAddr>, interface: Option<&str>) -> Self {
        Self::Group { group, source, interface: interface.map(str::to_owned) }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Address(address) => address.fmt(f),
            Self::Device(address, interface) => write!(f, "{address} to {interface}"),
            Self::Group { group, source, interface } => {
                group.fmt(f)?;
                source.iter().try_for_each(|source| write!(f, " of {source}"))?;
                interface.iter().try_for_each(|name| write!(f, " on {name}"))
            }
            Self::File(path) => write!(f, "'{}'", path.display()),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl From<SocketAddr> for Object {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

/// Why something failed, as far as a program may want to know.
///
/// ```
/// # use udpkit::ErrorKind;
/// assert_eq!(ErrorKind::from(&std::io::ErrorKind::AddrInUse.into()), ErrorKind::AddressInUse);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Rights are missing, or a firewall, a sandbox or a route forbids it.
    PermissionDenied,
    /// Another socket has the address and port.
    AddressInUse,
    /// This host does not have the address.
    AddressNotAvailable,
    /// No route leads there.
    NetworkUnreachable,
    /// No host answers for the address on its network, or a route says that it is unreachable.
    HostUnreachable,
    /// The network's interface is switched off.
    NetworkDown,
    /// Nobody listens on the port.
    Refused,
    /// The datagram is too long: for any, or for its path where fragments are forbidden.
    TooLong,
    /// The system has no room for more: of buffers, or of a socket's groups.
    OutOfRoom,
    /// The system has no memory left.
    OutOfMemory,
    /// This process, or the system, has no descriptor left.
    TooManyDescriptors,
    /// The kernel lacks the address family: IPv6, most often.
    UnsupportedFamily,
    /// The system cannot do this.
    Unsupported,
    /// The system says that what it was asked is wrong.
    Invalid,
    /// There is no such interface, or none that would do.
    NoSuchInterface,
    /// Somebody destroyed the socket (`ss -K`).
    Destroyed,
    /// The socket is closed, or was never connected.
    NotConnected,
    /// There is no such file.
    NotFound,
    /// Nothing is there yet, or no room at the moment: try again later.
    WouldBlock,
    /// Anything else; the error's [cause](Error::cause) says what.
    Other,
}

impl From<&io::Error> for ErrorKind {
    fn from(cause: &io::Error) -> Self {
        match cause.raw_os_error() {
            Some(number::TOO_LONG) => return Self::TooLong,
            Some(number::NO_BUFFERS) => return Self::OutOfRoom,
            Some(number::FAMILY_UNSUPPORTED) => return Self::UnsupportedFamily,
            Some(number::NO_SUCH_OPTION | number::NOT_SUPPORTED) => return Self::Unsupported,
            Some(code) if number::NO_DESCRIPTORS.contains(&code) => return Self::TooManyDescriptors,
            Some(code) if number::NO_SUCH_INTERFACE.contains(&code) => return Self::NoSuchInterface,
            _ => {}
        }
        match cause.kind() {
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::AddrInUse => Self::AddressInUse,
            io::ErrorKind::AddrNotAvailable => Self::AddressNotAvailable,
            io::ErrorKind::NetworkUnreachable => Self::NetworkUnreachable,
            io::ErrorKind::HostUnreachable => Self::HostUnreachable,
            io::ErrorKind::NetworkDown => Self::NetworkDown,
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::OutOfMemory => Self::OutOfMemory,
            io::ErrorKind::Unsupported => Self::Unsupported,
            io::ErrorKind::InvalidInput => Self::Invalid,
            io::ErrorKind::ConnectionAborted => Self::Destroyed,
            io::ErrorKind::NotConnected => Self::NotConnected,
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::WouldBlock => Self::WouldBlock,
            _ => Self::Other,
        }
    }
}

impl Error {
    /// An error of this attempt on this object, of the kind that the cause is.
    #[must_use]
    pub fn new(attempt: Attempt, object: impl Into<Object>, cause: io::Error) -> Self {
        Self { attempt, object: object.into(), kind: ErrorKind::from(&cause), cause }
    }

    /// The same error, of a kind that its cause does not tell.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Why it failed, for programs.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was attempted.
    #[must_use]
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// What it was attempted on.
    #[must_use]
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The system's reason.
    #[must_use]
    pub fn cause(&self) -> &io::Error {
        &self.cause
    }

    /// The system's reason alone, with the system's number where there is one.
    ///
    /// `io::Error::from(error)` keeps what was attempted, too, and has no number.
    #[must_use]
    pub fn into_cause(self) -> io::Error {
        self.cause
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.attempt)?;
        if self.object != Object::None {
            write!(f, " {}", self.object)?;
        }
        if f.alternate() { write!(f, ": {}", reasons(&self.cause)) } else { Ok(()) }
    }
}

impl Clone for Error {
    fn clone(&self) -> Self {
        // The system's errors are their numbers; others are known by their kind and their words, those of their sources too.
        let cause = self
            .cause
            .raw_os_error()
            .map_or_else(|| io::Error::new(self.cause.kind(), reasons(&self.cause)), io::Error::from_raw_os_error);
        Self { attempt: self.attempt, object: self.object.clone(), kind: self.kind, cause }
    }
}

// What a program shows whose `main` returns an error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Of the cause's kind, with the error in it: [`io::Error::downcast`] gives it back.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.cause.kind(), error)
    }
}

/// The [`reason`], and what that is the result of, where it is no error of the system: it may be an error of ours.
fn reasons(cause: &io::Error) -> String {
    let mut words = reason(cause);
    let mut next = error::Error::source(cause);
    while let Some(source) = next {
        words += ": ";
        words += &source.downcast_ref().map_or_else(|| source.to_string(), reason);
        next = source.source();
    }
    words
}

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
    use std::error::Error as _;

    fn refused() -> Error {
        let address = SocketAddr::from(([0, 0, 0, 0], 80));
        Error::new(Attempt::Bind, address, io::ErrorKind::PermissionDenied.into())
    }

    /// What programs print that print a chain of errors: anyhow's `{:#}`, eyre, `Report` of the standard library.
    fn chain(error: &dyn error::Error) -> String {
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
    }

    #[test]
    fn a_chain_of_errors_has_the_reason_once() {
        let error = refused();
        assert_eq!(chain(&error), "cannot bind 0.0.0.0:80: permission denied");
        assert_eq!([format!("{error:#}"), format!("{error:?}")], [chain(&error), chain(&error)]);
        assert_eq!(chain(&io::Error::from(error)), "cannot bind 0.0.0.0:80: permission denied");
    }

    #[test]
    fn an_error_as_one_of_the_standard_library_keeps_its_kind_and_itself() {
        let error = io::Error::from(refused());
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let inside = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(inside.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied));
        let back = error.downcast::<Error>().expect("it was put in");
        assert_eq!((back.kind(), back.attempt()), (ErrorKind::PermissionDenied, Attempt::Bind));
        assert_eq!(back.object(), &Object::Address(SocketAddr::from(([0, 0, 0, 0], 80))));
    }

    #[test]
    fn an_error_that_follows_from_another_says_both_and_so_does_its_copy() {
        let error = Error::new(Attempt::Other("start"), Object::Other("the lamp".to_owned()), refused().into());
        let words = "cannot start the lamp: cannot bind 0.0.0.0:80: permission denied";
        assert_eq!([format!("{error:#}"), format!("{error:?}"), chain(&error)], [words; 3]);
        let copy = error.clone();
        assert_eq!([format!("{copy:#}"), chain(&copy), format!("{:#}", copy.clone())], [words; 3]);
        assert_eq!(copy.kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_copy_says_the_same() {
        let ours = io::Error::new(io::ErrorKind::NotFound, "no such interface");
        let group = Object::group([239, 1, 2, 3].into(), None, Some("eth9"));
        let error = Error::new(Attempt::Join, group, ours).with_kind(ErrorKind::NoSuchInterface);
        let copy = error.clone();
        assert_eq!(format!("{copy:#}"), "cannot join 239.1.2.3 on eth9: no such interface");
        assert_eq!((copy.kind(), copy.object()), (error.kind(), error.object()));
        let systems = Error::new(Attempt::Wait, Object::None, io::Error::from_raw_os_error(13));
        assert_eq!(format!("{:#}", systems.clone()), format!("{systems:#}"));
        assert_eq!(systems.clone().into_cause().raw_os_error(), Some(13));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_systems_numbers_have_their_kinds() {
        for (code, kind) in [
            (libc::EPERM, ErrorKind::PermissionDenied),
            (libc::EACCES, ErrorKind::PermissionDenied),
            (libc::EADDRINUSE, ErrorKind::AddressInUse),
            (libc::EADDRNOTAVAIL, ErrorKind::AddressNotAvailable),
            (libc::ENETUNREACH, ErrorKind::NetworkUnreachable),
            (libc::EHOSTUNREACH, ErrorKind::HostUnreachable),
            (libc::ENETDOWN, ErrorKind::NetworkDown),
            (libc::ECONNREFUSED, ErrorKind::Refused),
            (libc::EMSGSIZE, ErrorKind::TooLong),
            (libc::ENOBUFS, ErrorKind::OutOfRoom),
            (libc::ENOMEM, ErrorKind::OutOfMemory),
            (libc::EMFILE, ErrorKind::TooManyDescriptors),
            (libc::ENFILE, ErrorKind::TooManyDescriptors),
            (libc::EAFNOSUPPORT, ErrorKind::UnsupportedFamily),
            (libc::ENOPROTOOPT, ErrorKind::Unsupported),
            (libc::EOPNOTSUPP, ErrorKind::Unsupported),
            (libc::ENOSYS, ErrorKind::Unsupported),
            (libc::EINVAL, ErrorKind::Invalid),
            (libc::ENODEV, ErrorKind::NoSuchInterface),
            (libc::ENXIO, ErrorKind::NoSuchInterface),
            (libc::ECONNABORTED, ErrorKind::Destroyed),
            (libc::ENOTCONN, ErrorKind::NotConnected),
            (libc::ENOENT, ErrorKind::NotFound),
            (libc::EAGAIN, ErrorKind::WouldBlock),
            (libc::EIO, ErrorKind::Other),
        ] {
            let cause = io::Error::from_raw_os_error(code);
            assert_eq!(ErrorKind::from(&cause), kind, "{cause}");
        }
    }
}
