//! Waiting for sockets with `ppoll(2)`, to the nanosecond where the system has it, else rounded up to milliseconds.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// A set of descriptors to wait for, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Poller {
    entries: Vec<libc::pollfd>,
}

impl Poller {
    /// Adds a descriptor that is waited for until it can be read (or has an error); returns its place.
    ///
    /// The caller keeps it open for as long as it calls [`Poller::wait`].
    pub(crate) fn add(&mut self, fd: BorrowedFd<'_>) -> usize {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        self.entries.len() - 1
    }

    /// Waits until a descriptor is ready, the time is over or a signal arrives; true if one is ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        for entry in &mut self.entries {
            entry.revents = 0;
        }
        let ready = poll(&mut self.entries, timeout);
        match ready {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the descriptor at this place can be read or has something to say of errors.
    pub(crate) fn ready(&self, place: usize) -> bool {
        self.entries[place].revents != 0
    }

    /// Whether the descriptor at this place has an error waiting.
    pub(crate) fn failed(&self, place: usize) -> bool {
        self.entries[place].revents & libc::POLLERR != 0
    }
}

/// Waits until one socket can be read (or, with `write`, written); true if it can.
pub(crate) fn one(socket: &socket2::Socket, write: bool, timeout: Option<Duration>) -> io::Result<bool> {
    let events = if write { libc::POLLOUT } else { libc::POLLIN };
    let mut entry = [libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 }];
    match poll(&mut entry, timeout) {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error waits at the socket, or a report in its error queue.
pub(crate) fn failed(socket: &socket2::Socket) -> bool {
    let mut entry = [libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 }];
    poll(&mut entry, Some(Duration::ZERO)).is_ok() && entry[0].revents & libc::POLLERR != 0
}

/// Lets time pass; for the short waits between tries of a send.
pub(crate) fn pause(duration: Duration) {
    let _ = poll(&mut [], Some(duration));
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<i32> {
    let timeout = timeout.map(|duration| libc::timespec {
        tv_sec: i32::try_from(duration.as_secs()).unwrap_or(i32::MAX).into(),
        tv_nsec: duration.subsec_nanos() as _,
    });
    let timeout_pointer = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the entries are a valid array of the length given; the timeout is null or lives until after the call.
    let count =
        unsafe { libc::ppoll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout_pointer, std::ptr::null()) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count) }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn poll(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<i32> {
    // Rounded up, so that a wait below a millisecond does not become a busy loop.
    let milliseconds =
        timeout.map_or(-1, |duration| duration.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX));
    // SAFETY: the entries are a valid array of the length given.
    let count = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, milliseconds) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count) }
}
