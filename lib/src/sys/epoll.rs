//! Waiting for sockets with `epoll(7)`: what a wait costs does not grow with their number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::poll::{self, Ready};

/// A set of descriptors to wait for, each with a number by which it is known.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poller {
    /// The most descriptors that one wait reports; the others have their turn at the next.
    pub(crate) const MOST: usize = 1024;

    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a descriptor that was made just now, and is nobody else's.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        Ok(Self { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; Self::MOST] })
    }

    /// Adds a descriptor that is waited for until it can be read (or has an error).
    ///
    /// The caller removes it before it closes it.
    pub(crate) fn add(&mut self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: token };
        self.control(libc::EPOLL_CTL_ADD, fd, &mut event)
    }

    /// Removes a descriptor.
    pub(crate) fn remove(&mut self, fd: BorrowedFd<'_>) {
        let mut none = libc::epoll_event { events: 0, u64: 0 };
        // Fails only where it was never added.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, &mut none);
    }

    fn control(&self, operation: i32, fd: BorrowedFd<'_>, event: &mut libc::epoll_event) -> io::Result<()> {
        // SAFETY: both descriptors are open, the event lives until after the call, and the kernel only reads it.
        let done = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd.as_raw_fd(), event) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits until a descriptor is ready, the time is over or a signal arrives; then, in `ready`, those that are.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let count = match wait(self.epoll.as_fd(), &mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            waited => waited?,
        };
        ready.extend(self.events[..count].iter().map(|event| {
            let failed = event.events & libc::EPOLLERR.cast_unsigned() != 0;
            Ready { token: event.u64, failed }
        }));
        Ok(())
    }
}

/// Whether `epoll_pwait2(2)` was refused: the kernel is older than Linux 5.11, or a sandbox does not know it.
static COARSE: AtomicBool = AtomicBool::new(false);

fn wait(epoll: BorrowedFd<'_>, events: &mut [libc::epoll_event], timeout: Option<Duration>) -> io::Result<usize> {
    if !COARSE.load(Ordering::Relaxed) {
        match wait_exactly(epoll, events, timeout) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                COARSE.store(true, Ordering::Relaxed);
            }
            done => return done,
        }
    }
    // `epoll_wait` knows milliseconds alone; `ppoll` waits for the set as exactly as for a socket.
    if poll::readable(epoll, timeout)? { take(epoll, events) } else { Ok(0) }
}

/// `struct __kernel_timespec`: 64 bits each on every system, which that of the C library is not.
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanoseconds: i64,
}

fn wait_exactly(
    epoll: BorrowedFd<'_>,
    events: &mut [libc::epoll_event],
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let timeout = timeout.map(|duration| KernelTimespec {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: duration.subsec_nanos().into(),
    });
    let timeout_pointer = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the events are a valid array of the length given, the timeout is null or lives until after the call, and no
    // signal mask is given.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            epoll.as_raw_fd(),
            events.as_mut_ptr(),
            libc::c_int::try_from(events.len()).unwrap_or(libc::c_int::MAX),
            timeout_pointer,
            std::ptr::null::<libc::sigset_t>(),
            0usize,
        )
    };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Takes what is ready, without waiting.
fn take(epoll: BorrowedFd<'_>, events: &mut [libc::epoll_event]) -> io::Result<usize> {
    let length = libc::c_int::try_from(events.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the events are a valid array of the length given.
    let count = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), length, 0) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_removed_is_not_reported_and_the_coarse_way_reports_the_same() {
        for coarse in [false, true] {
            COARSE.store(coarse, Ordering::Relaxed);
            let mut poller = Poller::new().unwrap();
            let (one, mut to_one) = io::pipe().unwrap();
            let (other, mut to_other) = io::pipe().unwrap();
            poller.add(one.as_fd(), 1).unwrap();
            poller.add(other.as_fd(), u64::MAX).unwrap();
            let wait = |poller: &mut Poller, timeout| {
                let mut ready = Vec::new();
                poller.wait(timeout, &mut ready).unwrap();
                ready
            };
            assert_eq!(wait(&mut poller, Some(Duration::from_micros(10))), []);
            to_one.write_all(b"x").unwrap();
            assert_eq!(wait(&mut poller, None), [Ready { token: 1, failed: false }]);
            to_other.write_all(b"x").unwrap();
            poller.remove(one.as_fd());
            assert_eq!(wait(&mut poller, None), [Ready { token: u64::MAX, failed: false }]);
        }
        COARSE.store(false, Ordering::Relaxed);
    }
}
