//! Waiting for sockets with `WSAPoll`, in milliseconds, rounded up.

use std::io;
use std::os::windows::io::{AsRawSocket, BorrowedSocket};
use std::time::Duration;

use windows_sys::Win32::Networking::WinSock::{POLLERR, POLLRDNORM, POLLWRNORM, WSAPOLLFD, WSAPoll};

/// A set of sockets to wait for, each with a number by which it is known.
#[derive(Default)]
pub(crate) struct Poller {
    entries: Vec<WSAPOLLFD>,
    tokens: Vec<u64>,
}

/// A socket that can be read, or has an error waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    /// Whether it has an error waiting.
    pub(crate) failed: bool,
}

impl Poller {
    /// The most that one wait reports.
    pub(crate) const MOST: usize = usize::MAX;

    #[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Adds a socket that is waited for until it can be read.
    ///
    /// The caller removes it before it closes it.
    #[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(crate) fn add(&mut self, socket: BorrowedSocket<'_>, token: u64) -> io::Result<()> {
        self.entries.push(WSAPOLLFD { fd: socket.as_raw_socket() as usize, events: POLLRDNORM, revents: 0 });
        self.tokens.push(token);
        Ok(())
    }

    /// Removes a socket.
    pub(crate) fn remove(&mut self, socket: BorrowedSocket<'_>) {
        if let Some(place) = self.entries.iter().position(|entry| entry.fd == socket.as_raw_socket() as usize) {
            self.entries.swap_remove(place);
            self.tokens.swap_remove(place);
        }
    }

    /// Waits until a socket is ready or the time is over; then, in `ready`, those that are.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        if self.entries.is_empty() {
            // WSAPoll refuses an empty set.
            pause(timeout.unwrap_or(Duration::from_secs(1)));
            return Ok(());
        }
        poll(&mut self.entries, timeout)?;
        let entries = self.entries.iter().zip(&self.tokens).filter(|(entry, _)| entry.revents != 0);
        ready.extend(entries.map(|(entry, token)| Ready { token: *token, failed: entry.revents & POLLERR != 0 }));
        Ok(())
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

/// Whether the socket was shut down: a call that receives says so itself.
pub(crate) fn is_shut_down(_socket: &socket2::Socket) -> bool {
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
