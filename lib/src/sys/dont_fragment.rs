//! Forbidding fragments on macOS, FreeBSD and Windows (`ip(4)`, `ip6(4)`): an option that socket2 does not have.

use std::io;

use socket2::Socket;

/// Forbids fragments of what this socket sends; true where that was possible.
pub(super) fn set(socket: &Socket, v4: bool) -> io::Result<bool> {
    set_flag(socket, v4).map(|()| true)
}

#[cfg(unix)]
fn set_flag(socket: &Socket, v4: bool) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    /// `netinet6/in6.h`; not in the libc crate.
    const IPV6_DONTFRAG: i32 = 62;
    let (level, name) = if v4 { (libc::IPPROTO_IP, libc::IP_DONTFRAG) } else { (libc::IPPROTO_IPV6, IPV6_DONTFRAG) };
    let yes: libc::c_int = 1;
    let len = libc::socklen_t::try_from(size_of_val(&yes)).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of a live value, which the system only reads.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(&yes).cast(), len) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(windows)]
fn set_flag(socket: &Socket, v4: bool) -> io::Result<()> {
    use std::os::windows::io::AsRawSocket;

    use windows_sys::Win32::Networking::WinSock::{
        IP_DONTFRAGMENT, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG, setsockopt,
    };
    let (level, name) = if v4 { (IPPROTO_IP, IP_DONTFRAGMENT) } else { (IPPROTO_IPV6, IPV6_DONTFRAG) };
    let yes: u32 = 1;
    let len = i32::try_from(size_of_val(&yes)).map_err(io::Error::other)?;
    let socket = usize::try_from(socket.as_raw_socket()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of a live value, which the system only reads.
    let done = unsafe { setsockopt(socket, level, name, std::ptr::from_ref(&yes).cast(), len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
