//! Waking a thread that waits for sockets: a pipe in its poll set; on Windows, where pipes cannot be, short waits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use std::io::{PipeReader, PipeWriter, Read, Write};

/// The end that wakes.
#[derive(Debug)]
pub(crate) struct Waker {
    /// Whether a byte is in the pipe already: there is never more than one, so that waking never waits.
    signalled: Arc<AtomicBool>,
    #[cfg(unix)]
    pipe: PipeWriter,
}

/// The end that is woken.
#[derive(Debug)]
pub(crate) struct Wakeup {
    signalled: Arc<AtomicBool>,
    #[cfg(unix)]
    pipe: PipeReader,
}

pub(crate) fn pair() -> io::Result<(Waker, Wakeup)> {
    let signalled = Arc::new(AtomicBool::new(false));
    #[cfg(unix)]
    {
        let (reader, writer) = io::pipe()?;
        Ok((Waker { signalled: Arc::clone(&signalled), pipe: writer }, Wakeup { signalled, pipe: reader }))
    }
    #[cfg(not(unix))]
    {
        Ok((Waker { signalled: Arc::clone(&signalled) }, Wakeup { signalled }))
    }
}

impl Waker {
    pub(crate) fn wake(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel) {
            // Fails only when nobody is there to be woken.
            #[cfg(unix)]
            let _ = (&self.pipe).write_all(&[0]);
        }
    }
}

impl Wakeup {
    /// Makes ready for the next time; called after waking up, before looking at what is new.
    pub(crate) fn clear(&mut self) {
        if self.signalled.load(Ordering::Acquire) {
            #[cfg(unix)]
            let _ = self.pipe.read(&mut [0]);
            // A swap, so that what was written before a wake that found the flag set is seen after this.
            self.signalled.swap(false, Ordering::AcqRel);
        }
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Wakeup {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
