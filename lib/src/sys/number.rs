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
