//! Readiness of descriptors in a tokio runtime (feature `tokio`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a runtime knows of a descriptor.
#[derive(Debug)]
pub(crate) struct Readiness {
    /// A descriptor of our own for the same socket: whatever is done with the other one, this one stays.
    descriptor: AsyncFd<OwnedFd>,
}

impl Readiness {
    /// Lets the runtime watch what this descriptor refers to.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or in one without I/O.
    pub(crate) fn of(descriptor: BorrowedFd<'_>, interest: Interest) -> io::Result<Self> {
        let own = descriptor.try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is one open descriptor for as long as it lives, and it lives in the `AsyncFd`, which is ours.
        let descriptor = unsafe { AsyncFd::register_with_interest(own, interest) }?;
        Ok(Self { descriptor })
    }

    /// Calls this when the descriptor is ready, again and again until it returns anything but `WouldBlock`.
    pub(crate) async fn io<T>(&self, interest: Interest, mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.descriptor.async_io(interest, |_| call()).await
    }
}

/// Waits until a socket can be written.
///
/// Tokio takes a socket that has an error for one that is closed for writing, from the first refusal on and for ever: to wait
/// for room in it would be an endless loop. So a poll of its own waits for the socket, and the runtime for that poll.
pub(crate) async fn room(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut poll = mio::Poll::new()?;
    poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), mio::Token(0), mio::Interest::WRITABLE)?;
    // SAFETY: the descriptor is that of the poll, which lives until the end of the function.
    let readiness = Readiness::of(unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) }, Interest::READABLE)?;
    let mut events = mio::Events::with_capacity(1);
    let writable = || {
        poll.poll(&mut events, Some(Duration::ZERO))?;
        let is_writable = events.iter().any(mio::event::Event::is_writable);
        if is_writable { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    };
    readiness.io(Interest::READABLE, writable).await
}
