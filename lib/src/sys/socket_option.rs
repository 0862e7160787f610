//! `setsockopt(2)` and `getsockopt(2)` over plain values.

use std::io;
use std::os::fd::AsRawFd;

use socket2::Socket;

/// Values that may be handed to or filled by the kernel as bytes.
///
/// # Safety
///
/// Every bit pattern is a valid value.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: an integer has no invalid bit patterns.
unsafe impl Plain for i32 {}

/// Sets an option to a value of its type.
pub(super) fn set<T: Plain>(socket: &Socket, level: i32, name: i32, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of a live value, which the kernel only reads.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Reads an option of this type.
#[cfg(target_os = "linux")]
pub(super) fn get<T: Plain>(socket: &Socket, level: i32, name: i32) -> io::Result<T> {
    // SAFETY: `Plain` types have no invalid bit patterns, so all zeros is a value.
    let mut value: T = unsafe { std::mem::zeroed() };
    let mut len = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `len` bytes, which is the size of the value; any bytes are a valid `T`.
    let done = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, std::ptr::from_mut(&mut value).cast(), &raw mut len)
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
