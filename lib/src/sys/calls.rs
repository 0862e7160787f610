//! Messages to and from Linux in batches, `recvmmsg(2)` and `sendmmsg(2)`; one by one where a kernel or a sandbox refuses those.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::Socket;

/// Whether this socket's messages can go in batches: tried with batches of none, so that nothing is received or sent.
pub(super) fn takes_batches(socket: &Socket) -> bool {
    let works = || {
        // SAFETY: no header is read or written where their number is zero.
        unsafe { receive_batch(socket, &mut [], 0).is_ok() && send_batch(socket, &mut []).is_ok() }
    };
    // The first call may bring an error that waited at the socket, and takes it away.
    works() || works()
}

/// Whether reports of refused datagrams can be read at this socket (`ip(7)`, `IP_RECVERR`). One that waits is lost.
pub(super) fn has_error_queue(socket: &Socket) -> bool {
    // SAFETY: null pointers and zero lengths are a valid `msghdr`.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header has no room for the kernel to write into.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    len >= 0 || io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

/// Receives into these headers without waiting; returns how many were filled. `batches` is cleared for good where the system
/// has no batches.
///
/// # Safety
///
/// Each header points to a name, buffers and a control buffer with their lengths, which nothing else uses during the call.
pub(super) unsafe fn receive(
    socket: &Socket,
    headers: &mut [libc::mmsghdr],
    flags: i32,
    batches: &AtomicBool,
) -> io::Result<usize> {
    if batches.load(Ordering::Relaxed) {
        // SAFETY: the caller's promise.
        match unsafe { receive_batch(socket, headers, flags) } {
            Err(error) if is_missing(&error) => batches.store(false, Ordering::Relaxed),
            received => return received,
        }
    }
    let one = |header: &mut libc::mmsghdr| {
        // SAFETY: the caller's promise.
        let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header.msg_hdr, flags | libc::MSG_DONTWAIT) };
        header.msg_len = u32::try_from(len).map_err(|_| io::Error::last_os_error())?;
        Ok(())
    };
    singly(headers, one)
}

/// Sends what these headers point to without waiting; returns how many messages the system took. `batches` is cleared for
/// good where the system has no batches.
///
/// # Safety
///
/// Each header points to a name, buffers and a control buffer with their lengths.
pub(super) unsafe fn send(socket: &Socket, headers: &mut [libc::mmsghdr], batches: &AtomicBool) -> io::Result<usize> {
    if batches.load(Ordering::Relaxed) {
        // SAFETY: the caller's promise.
        match unsafe { send_batch(socket, headers) } {
            Err(error) if is_missing(&error) => batches.store(false, Ordering::Relaxed),
            sent => return sent,
        }
    }
    let one = |header: &mut libc::mmsghdr| {
        // SAFETY: the caller's promise.
        let len = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header.msg_hdr, libc::MSG_DONTWAIT) };
        if len < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    singly(headers, one)
}

/// Whether the kernel does not have the call.
fn is_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOSYS)
}

/// Does this with one header after another up to the first error, as the batch calls do: it counts where nothing was done
/// before it.
fn singly(
    headers: &mut [libc::mmsghdr],
    mut one: impl FnMut(&mut libc::mmsghdr) -> io::Result<()>,
) -> io::Result<usize> {
    for (done, header) in headers.iter_mut().enumerate() {
        match one(header) {
            Ok(()) => {}
            Err(error) if done == 0 => return Err(error),
            Err(_) => return Ok(done),
        }
    }
    Ok(headers.len())
}

/// # Safety
///
/// As for [`receive`].
unsafe fn receive_batch(socket: &Socket, headers: &mut [libc::mmsghdr], flags: i32) -> io::Result<usize> {
    let length = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: the caller's promise; the length is that of the headers.
    let count =
        unsafe { libc::recvmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), length, flags as _, std::ptr::null_mut()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// # Safety
///
/// As for [`send`].
unsafe fn send_batch(socket: &Socket, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
    let length = u32::try_from(headers.len()).unwrap_or(u32::MAX);
    // SAFETY: the caller's promise; the length is that of the headers.
    let count = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), length, libc::MSG_DONTWAIT as _) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}
