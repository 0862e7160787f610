//! The line between a running [`drive`](crate::drive()) and the program around it: inputs, reports, and the wish to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use crate::engine::Input;
use crate::error::{Attempt, Error, Object, Result};
use crate::report::Report;
use crate::sys::wake::{Waker, Wakeup};

/// The program's end: can be cloned and used from any thread.
#[derive(Clone, Debug)]
pub struct Remote {
    sender: SyncSender<Input>,
    asker: Sender<SyncSender<Report>>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

/// The drive's end.
#[derive(Debug)]
pub struct Control {
    receiver: Receiver<Input>,
    asked: Receiver<SyncSender<Report>>,
    stop: Arc<AtomicBool>,
    pub(crate) wakeup: Wakeup,
    /// Whether it cannot end a wait, so that waits must be short.
    pub(crate) is_deaf: bool,
    ended: bool,
}

/// Inputs that wait for the drive; a program that is faster waits.
const QUEUE: usize = 16;

/// Opens a line.
///
/// # Errors
///
/// The system has no descriptor left.
pub fn control() -> Result<(Remote, Control)> {
    let pair = crate::sys::wake::pair();
    let (waker, wakeup) = pair.map_err(|cause| Error::new(Attempt::OpenPipe, Object::None, cause))?;
    let (sender, receiver) = sync_channel(QUEUE);
    let (asker, asked) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let remote = Remote { sender, asker, stop: Arc::clone(&stop), waker: Arc::new(waker) };
    Ok((remote, Control { receiver, asked, stop, wakeup, is_deaf: false, ended: false }))
}

impl Remote {
    /// Ends the run, with its report.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Hands something to the engine; waits while it is busy, so the thread that runs it must not call this. False if the
    /// run is over.
    #[must_use = "the run may be over, and the input lost"]
    pub fn input(&self, input: Input) -> bool {
        let sent = self.sender.send(input).is_ok();
        self.waker.wake();
        sent
    }

    /// Asks for the report as it is now. The answer comes without any delay but that of the drive's turn; where the run
    /// is over, it never comes.
    pub(crate) fn ask_report(&self) -> Receiver<Report> {
        let (sender, report) = sync_channel(1);
        // If the run is over, the sender is dropped with the request, which ends the wait for it.
        let _ = self.asker.send(sender);
        self.waker.wake();
        report
    }

    /// The report as it is now; `None` if the run is over, or does not answer in this time.
    #[must_use]
    pub fn report(&self, patience: Duration) -> Option<Report> {
        self.ask_report().recv_timeout(patience).ok()
    }
}

impl Control {
    /// Whether the run shall end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Those who ask for a report.
    pub(crate) fn asked(&mut self) -> Vec<SyncSender<Report>> {
        self.asked.try_iter().collect()
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
