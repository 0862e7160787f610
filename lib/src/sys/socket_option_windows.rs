//! `setsockopt` of Windows over an `int`.

use std::io;
use std::os::windows::io::AsRawSocket;

use socket2::Socket;
use windows_sys::Win32::Networking::WinSock::setsockopt;

/// Sets an option.
pub(super) fn set(socket: &Socket, level: i32, name: i32, value: &i32) -> io::Result<()> {
    let len = i32::try_from(size_of::<i32>()).map_err(io::Error::other)?;
    let socket = usize::try_from(socket.as_raw_socket()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of a live value, which the system only reads.
    let done = unsafe { setsockopt(socket, level, name, std::ptr::from_ref(value).cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
