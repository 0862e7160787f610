//! The system's numbers of errors for which the standard library has no kind.

/// The system's number for "address family not supported".
#[cfg(unix)]
pub(crate) const FAMILY_UNSUPPORTED: i32 = libc::EAFNOSUPPORT;
#[cfg(windows)]
pub(crate) const FAMILY_UNSUPPORTED: i32 = windows_sys::Win32::Networking::WinSock::WSAEAFNOSUPPORT;

/// The system's number for "message too long", one over the path's MTU or over any datagram.
#[cfg(unix)]
pub(crate) const TOO_LONG: i32 = libc::EMSGSIZE;
#[cfg(windows)]
pub(crate) const TOO_LONG: i32 = windows_sys::Win32::Networking::WinSock::WSAEMSGSIZE;

/// The system's number for "no buffer space", a full device queue.
#[cfg(unix)]
pub(crate) const NO_BUFFERS: i32 = libc::ENOBUFS;
#[cfg(windows)]
pub(crate) const NO_BUFFERS: i32 = windows_sys::Win32::Networking::WinSock::WSAENOBUFS;

/// The system's number for "no such option", of a protocol that lacks it.
#[cfg(unix)]
pub(crate) const NO_SUCH_OPTION: i32 = libc::ENOPROTOOPT;
#[cfg(windows)]
pub(crate) const NO_SUCH_OPTION: i32 = windows_sys::Win32::Networking::WinSock::WSAENOPROTOOPT;

/// The system's number for "operation not supported".
#[cfg(unix)]
pub(crate) const NOT_SUPPORTED: i32 = libc::EOPNOTSUPP;
#[cfg(windows)]
pub(crate) const NOT_SUPPORTED: i32 = windows_sys::Win32::Networking::WinSock::WSAEOPNOTSUPP;

/// The system's numbers for "no descriptor left": of the process, of the system.
#[cfg(unix)]
pub(crate) const NO_DESCRIPTORS: [i32; 2] = [libc::EMFILE, libc::ENFILE];
#[cfg(windows)]
pub(crate) const NO_DESCRIPTORS: [i32; 1] = [windows_sys::Win32::Networking::WinSock::WSAEMFILE];

/// The system's numbers for "no such interface".
#[cfg(unix)]
pub(crate) const NO_SUCH_INTERFACE: [i32; 2] = [libc::ENODEV, libc::ENXIO];
#[cfg(windows)]
pub(crate) const NO_SUCH_INTERFACE: [i32; 0] = [];

/// The system's numbers for errors of a receive call that come once for each datagram that was refused, or that died of its hop limit.
#[cfg(unix)]
pub(crate) const EACH_REFUSED: [i32; 0] = [];
#[cfg(windows)]
pub(crate) const EACH_REFUSED: [i32; 2] =
    [windows_sys::Win32::Networking::WinSock::WSAECONNRESET, windows_sys::Win32::Networking::WinSock::WSAENETRESET];
