//! Input that is waited for, also where another process has made it non-blocking.

use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

/// An input of which no reading says that there is nothing yet.
pub(crate) fn patient<R: Read + AsFd>(input: R) -> impl Read {
    Patient(input)
}

struct Patient<R>(R);

impl<R: Read + AsFd> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && self.waits()? => {}
                read => return read,
            }
        }
    }
}

impl<R: AsFd> Patient<R> {
    /// Waits until there is something to read, or an end; false where the system cannot wait for such an input.
    fn waits(&self) -> io::Result<bool> {
        let mut input = [PollFd::new(&self.0, PollFlags::IN)];
        retry_on_intr(|| poll(&mut input, None))?;
        Ok(!input[0].revents().contains(PollFlags::NVAL))
    }
}
