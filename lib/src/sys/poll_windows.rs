//! Waiting for sockets with `WSAPoll`, in milliseconds, rounded up.

use std::io;
use std::os::windows::io::{AsRawSocket, BorrowedSocket};
use std::time::Duration;

use windows_sys::Win32::Networking::WinSock::{POLLERR, POLLRDNORM, POLLWRNORM, WSAPOLLFD, WSAPoll};

/// A set of sockets to wait for, in the order in which they were added.
#[derive(Default)]
pub(crate) struct Poller {
    entries: Vec<WSAPOLLFD>,
}

impl Poller {
    /// Adds a socket that is waited for until it can be read; returns its place.
    ///
    /// The caller keeps it open for as long as it calls [`Poller::wait`].
    pub(crate) fn add(&mut self, socket: BorrowedSocket<'_>) -> usize {
        self.entries.push(WSAPOLLFD { fd: socket.as_raw_socket() as usize, events: POLLRDNORM, revents: 0 });
        self.entries.len() - 1
    }

    /// Waits until a socket is ready or the time is over; true if one is ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        poll(&mut self.entries, timeout).map(|count| count > 0)
    }

    /// Whether the socket at this place can be read or has an error.
    pub(crate) fn ready(&self, place: usize) -> bool {
        self.entries[place].revents != 0
    }

    /// Whether the socket at this place has an error waiting.
    pub(crate) fn failed(&self, place: usize) -> bool {
        self.entries[place].revents & POLLERR != 0
    }
}

/// Waits until one socket can be read (or, with `write`, written); true if it can.
pub(crate) fn one(socket: &socket2::Socket, write: bool, timeout: Option<Duration>) -> io::Result<bool> {
    let events = if write { POLLWRNORM } else { POLLRDNORM };
    let mut entry = [WSAPOLLFD { fd: socket.as_raw_socket() as usize, events, revents: 0 }];
    poll(&mut entry, timeout).map(|count| count > 0)
}

/// Whether a report waits in the error queue: Windows has none.
pub(crate) fn failed(_socket: &socket2::Socket) -> bool {
    false
}

/// Lets time pass; for the short waits between tries of a send.
#[expect(clippy::disallowed_methods, reason = "WSAPoll refuses an empty set")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

fn poll(entries: &mut [WSAPOLLFD], timeout: Option<Duration>) -> io::Result<i32> {
    let milliseconds =
        timeout.map_or(-1, |duration| duration.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX));
    let length = u32::try_from(entries.len()).map_err(io::Error::other)?;
    // SAFETY: the entries are a valid array of the length given.
    let count = unsafe { WSAPoll(entries.as_mut_ptr(), length, milliseconds) };
    if count < 0 { Err(io::Error::last_os_error()) } else { Ok(count) }
}
