//! Waiting for sockets on Linux: for few with `ppoll(2)`, for many with `epoll(7)`.
//!
//! A thread that epoll wakes runs sooner, and so receives less at once: a server with one socket and 256 peers, each with one
//! request, took 10 % more processor time for each reply (measured on Linux 6.18).

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub(crate) use super::poll::Ready;
use super::{epoll, poll};

/// A set of descriptors to wait for, each with a number by which it is known.
#[derive(Debug)]
pub(crate) enum Poller {
    Few(poll::Poller),
    Many(epoll::Poller),
}

/// Descriptors for which `ppoll` costs less.
const FEW: usize = 8;

impl Poller {
    /// The most that one wait reports; the others have their turn at the next.
    pub(crate) const MOST: usize = epoll::Poller::MOST;

    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self::Few(poll::Poller::new()?))
    }

    /// Adds a descriptor that is waited for until it can be read (or has an error).
    ///
    /// The caller removes it before it closes it.
    pub(crate) fn add(&mut self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        match self {
            Self::Few(few) if few.len() < FEW => few.add(fd, token),
            Self::Few(few) => {
                let mut many = epoll::Poller::new()?;
                few.descriptors().try_for_each(|(fd, token)| many.add(fd, token))?;
                many.add(fd, token)?;
                *self = Self::Many(many);
                Ok(())
            }
            Self::Many(many) => many.add(fd, token),
        }
    }

    /// Removes a descriptor.
    pub(crate) fn remove(&mut self, fd: BorrowedFd<'_>) {
        match self {
            Self::Few(few) => few.remove(fd),
            Self::Many(many) => many.remove(fd),
        }
    }

    /// Waits until a descriptor is ready, the time is over or a signal arrives; then, in `ready`, those that are.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        match self {
            Self::Few(few) => few.wait(timeout, ready),
            Self::Many(many) => many.wait(timeout, ready),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn few_become_many_and_are_all_heard() {
        let mut pipes: Vec<_> = (0..=FEW).map(|_| io::pipe().unwrap()).collect();
        let mut poller = Poller::new().unwrap();
        for (token, (reader, _)) in (0..).zip(&pipes) {
            assert!(matches!(poller, Poller::Few(_)), "{token}");
            poller.add(reader.as_fd(), token).unwrap();
        }
        assert!(matches!(poller, Poller::Many(_)));
        pipes.iter_mut().for_each(|(_, writer)| writer.write_all(b"x").unwrap());
        poller.remove(pipes[3].0.as_fd());
        let mut ready = Vec::new();
        poller.wait(None, &mut ready).unwrap();
        ready.sort_by_key(|ready| ready.token);
        let expected = (0..=FEW as u64).filter(|token| *token != 3).map(|token| Ready { token, failed: false });
        assert_eq!(ready, expected.collect::<Vec<_>>());
    }
}
