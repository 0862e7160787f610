//! Waiting for sockets with `ppoll(2)`, to the nanosecond where the system has it, else rounded up to milliseconds.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// A set of descriptors to wait for, each with a number by which it is known. (For many, Linux has `epoll.rs`, which does not look
/// at each descriptor at each wait.)
#[derive(Debug, Default)]
pub(crate) struct Poller {
    entries: Vec<libc::pollfd>,
    tokens: Vec<u64>,
}

/// A descriptor that can be read, or has an error waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    /// Whether it has an error waiting.
    pub(crate) failed: bool,
}

impl Poller {
    /// The most that one wait reports.
    #[cfg(not(target_os = "linux"))]
    pub(crate) const MOST: usize = usize::MAX;

    #[expect(clippy::unnecessary_wraps, reason = "epoll can fail")]
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Adds a descriptor that is waited for until it can be read (or has an error).
    ///
    /// The caller removes it before it closes it.
    #[expect(clippy::unnecessary_wraps, reason = "epoll can fail")]
    pub(crate) fn add(&mut self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
        self.tokens.push(token);
        Ok(())
    }

    /// How many descriptors there are.
    #[cfg(target_os = "linux")]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All descriptors, with their numbers.
    #[cfg(target_os = "linux")]
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, u64)> {
        // SAFETY: whoever added a descriptor keeps it open until it is removed.
        let borrow = |entry: &libc::pollfd| unsafe { BorrowedFd::borrow_raw(entry.fd) };
        self.entries.iter().map(borrow).zip(self.tokens.iter().copied())
    }

    /// Removes a descriptor.
    pub(crate) fn remove(&mut self, fd: BorrowedFd<'_>) {
        if let Some(place) = self.entries.iter().position(|entry| entry.fd == fd.as_raw_fd()) {
            self.entries.swap_remove(place);
            self.tokens.swap_remove(place);
        }
    }

    /// Waits until a descriptor is ready, the time is over or a signal arrives; then, in `ready`, those that are.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        match poll(&mut self.entries, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            waited => waited?,
        };
        let entries = self.entries.iter().zip(&self.tokens).filter(|(entry, _)| entry.revents != 0);
        let failed = |entry: &libc::pollfd| entry.revents & libc::POLLERR != 0;
        ready.extend(entries.map(|(entry, token)| Ready { token: *token, failed: failed(entry) }));
        Ok(())
    }
}

/// Waits until this descriptor can be read; true if it can.
#[cfg(target_os = "linux")]
pub(crate) fn readable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut entry = [libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    poll(&mut entry, timeout).map(|count| count > 0)
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

/// Whether the socket was shut down, and so can be read for ever without anything in it. Where the system tells.
pub(crate) fn is_shut_down(socket: &socket2::Socket) -> bool {
    #[cfg(target_os = "linux")]
    const SHUT_DOWN: libc::c_short = libc::POLLRDHUP;
    #[cfg(not(target_os = "linux"))]
    const SHUT_DOWN: libc::c_short = libc::POLLHUP;
    let mut entry = [libc::pollfd { fd: socket.as_raw_fd(), events: SHUT_DOWN, revents: 0 }];
    poll(&mut entry, Some(Duration::ZERO)).is_ok() && entry[0].revents & SHUT_DOWN != 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn what_is_removed_is_not_reported_though_others_take_its_place() {
        let mut poller = Poller::new().unwrap();
        let mut pipes: Vec<_> = (0..3).map(|_| io::pipe().unwrap()).collect();
        for (token, (reader, _)) in (10..).zip(&pipes) {
            poller.add(reader.as_fd(), token).unwrap();
        }
        let mut ready = Vec::new();
        poller.wait(Some(Duration::from_micros(10)), &mut ready).unwrap();
        assert_eq!(ready, []);
        pipes.iter_mut().for_each(|(_, writer)| writer.write_all(b"x").unwrap());
        poller.remove(pipes[0].0.as_fd());
        poller.wait(None, &mut ready).unwrap();
        ready.sort_by_key(|ready| ready.token);
        assert_eq!(ready, [11, 12].map(|token| Ready { token, failed: false }));
    }
}
