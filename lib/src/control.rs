//! The line between a running [`drive`](crate::drive()) and the program around it: payloads in, and the wish to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use crate::engine::Input;
use crate::sys::wake::{Waker, Wakeup};

/// The program's end: can be cloned and used from any thread.
#[derive(Clone, Debug)]
pub struct Remote {
    sender: SyncSender<Input>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

/// The drive's end.
#[derive(Debug)]
pub struct Control {
    receiver: Receiver<Input>,
    stop: Arc<AtomicBool>,
    pub(crate) wakeup: Wakeup,
    ended: bool,
}

/// Inputs that wait for the drive; a program that is faster waits.
const QUEUE: usize = 16;

/// Opens a line.
///
/// # Errors
///
/// The system has no descriptor left.
pub fn control() -> crate::Result<(Remote, Control)> {
    let (waker, wakeup) = crate::sys::wake::pair().map_err(|cause| crate::Error::new("open a pipe", "", cause))?;
    let (sender, receiver) = sync_channel(QUEUE);
    let stop = Arc::new(AtomicBool::new(false));
    let remote = Remote { sender, stop: Arc::clone(&stop), waker: Arc::new(waker) };
    Ok((remote, Control { receiver, stop, wakeup, ended: false }))
}

impl Remote {
    /// Ends the run, with its report.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Hands something to the engine; waits while it is busy. False if the run is over.
    pub fn input(&self, input: Input) -> bool {
        let sent = self.sender.send(input).is_ok();
        self.waker.wake();
        sent
    }
}

impl Control {
    /// Whether the run shall end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The next input, if one waits. When the last [`Remote`] is gone, that is the end of the input.
    pub(crate) fn try_input(&mut self) -> Option<Input> {
        match self.receiver.try_recv() {
            Ok(input) => Some(input),
            Err(TryRecvError::Disconnected) if !self.ended => {
                self.ended = true;
                Some(Input::End)
            }
            Err(TryRecvError::Disconnected | TryRecvError::Empty) => None,
        }
    }
}
