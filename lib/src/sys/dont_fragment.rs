//! Forbidding fragments on macOS, FreeBSD and Windows (`ip(4)`, `ip6(4)`): an option that socket2 does not have.

use std::io;

use socket2::Socket;

use super::socket_option;

/// Forbids fragments of what this socket sends; true where that was possible.
pub(super) fn set(socket: &Socket, v4: bool) -> io::Result<bool> {
    let (level, name) = option(v4);
    socket_option::set(socket, level, name, &1).map(|()| true)
}

#[cfg(unix)]
fn option(v4: bool) -> (i32, i32) {
    /// `netinet6/in6.h`; not in the libc crate.
    const IPV6_DONTFRAG: i32 = 62;
    if v4 { (libc::IPPROTO_IP, libc::IP_DONTFRAG) } else { (libc::IPPROTO_IPV6, IPV6_DONTFRAG) }
}

#[cfg(windows)]
fn option(v4: bool) -> (i32, i32) {
    use windows_sys::Win32::Networking::WinSock::{IP_DONTFRAGMENT, IPPROTO_IP, IPPROTO_IPV6, IPV6_DONTFRAG};
    if v4 { (IPPROTO_IP, IP_DONTFRAGMENT) } else { (IPPROTO_IPV6, IPV6_DONTFRAG) }
}
