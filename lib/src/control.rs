//! The line between a running [`drive`](crate::drive()) and the program around it: inputs, reports, and the wish to end.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::time::Duration;

use crate::error::{Attempt, Error, Object, Result};
use crate::report::Report;
use crate::sys::wake::{Waker, Wakeup};

/// The program's end of the line to a run: can be cloned and used from any thread.
///
/// `I` is the [`Input`](crate::Engine::Input) of the engine, `F` its [`Figures`](crate::Engine::Figures).
pub struct Remote<I = Infallible, F = ()> {
    sender: SyncSender<Message<I>>,
    asker: Sender<SyncSender<Report<F>>>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

/// The drive's end of the line to a run.
pub struct Control<I = Infallible, F = ()> {
    /// `None` once the input has ended.
    receiver: Option<Receiver<Message<I>>>,
    asked: Receiver<SyncSender<Report<F>>>,
    stop: Arc<AtomicBool>,
    pub(crate) wakeup: Wakeup,
    /// Whether it cannot end a wait, so that waits must be short.
    pub(crate) is_deaf: bool,
}

/// What comes to an engine.
pub(crate) enum Message<I> {
    Input(I),
    /// No input follows.
    End,
}

/// Inputs that wait for the drive; a program that is faster waits.
pub(crate) const QUEUE: usize = 16;

impl<I, F> Remote<I, F> {
    /// Opens a line to a run: this end of it, and the other for [`Drive::new`](crate::Drive::new).
    ///
    /// # Errors
    ///
    /// The system has no descriptor left.
    pub fn pair() -> Result<(Self, Control<I, F>)> {
        let pair = crate::sys::wake::pair();
        let (waker, wakeup) = pair.map_err(|cause| Error::new(Attempt::OpenPipe, Object::None, cause))?;
        let (sender, receiver) = sync_channel(QUEUE);
        let (asker, asked) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let remote = Self { sender, asker, stop: Arc::clone(&stop), waker: Arc::new(waker) };
        Ok((remote, Control { receiver: Some(receiver), asked, stop, wakeup, is_deaf: false }))
    }

    /// Ends the run, with its report.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Hands something to the engine; waits while it is busy, so the thread that runs it must not call this. False if the
    /// run or its input is over.
    #[must_use = "the run may be over, and the input lost"]
    pub fn input(&self, input: I) -> bool {
        self.send(Message::Input(input))
    }

    /// Ends the input: the engine learns that nothing follows, after all that was handed to it. The same happens when the
    /// last `Remote` of a run is gone. Waits as [`input`](Self::input) does.
    pub fn end_input(&self) {
        // Where the run is over, nobody needs to know.
        let _ = self.send(Message::End);
    }

    fn send(&self, message: Message<I>) -> bool {
        let sent = self.sender.send(message).is_ok();
        self.waker.wake();
        sent
    }

    /// Asks for the report as it is now. The answer comes without any delay but that of the drive's turn; where the run
    /// is over, it never comes.
    pub(crate) fn ask_report(&self) -> Receiver<Report<F>> {
        let (sender, report) = sync_channel(1);
        // If the run is over, the sender is dropped with the request, which ends the wait for it.
        let _ = self.asker.send(sender);
        self.waker.wake();
        report
    }

    /// The report as it is now; `None` if the run is over, or does not answer in this time.
    #[must_use]
    pub fn report(&self, patience: Duration) -> Option<Report<F>> {
        self.ask_report().recv_timeout(patience).ok()
    }
}

impl<I, F> Clone for Remote<I, F> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            asker: self.asker.clone(),
            stop: Arc::clone(&self.stop),
            waker: Arc::clone(&self.waker),
        }
    }
}

impl<I, F> fmt::Debug for Remote<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

impl<I, F> Control<I, F> {
    /// Whether the run shall end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Those who ask for a report.
    pub(crate) fn asked(&mut self) -> Vec<SyncSender<Report<F>>> {
        self.asked.try_iter().collect()
    }

    /// The next message, if one waits. The last one is the end of the input.
    pub(crate) fn message(&mut self) -> Option<Message<I>> {
        match self.receiver.as_ref()?.try_recv() {
            Ok(Message::Input(input)) => Some(Message::Input(input)),
            Ok(Message::End) | Err(TryRecvError::Disconnected) => {
                self.receiver = None;
                Some(Message::End)
            }
            Err(TryRecvError::Empty) => None,
        }
    }
}

impl<I, F> fmt::Debug for Control<I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(control: &mut Control<u8>) -> Vec<Option<u8>> {
        let messages = std::iter::from_fn(|| control.message());
        messages
            .map(|message| match message {
                Message::Input(input) => Some(input),
                Message::End => None,
            })
            .collect()
    }

    #[test]
    fn the_input_ends_once_when_the_program_says_so_or_lets_go_of_its_last_remote() {
        let (remote, mut control) = Remote::pair().expect("there are descriptors");
        let other = remote.clone();
        assert!(remote.input(1) && other.input(2));
        remote.end_input();
        assert!(other.input(3), "it was taken before the end was known");
        assert_eq!(messages(&mut control), [Some(1), Some(2), None]);
        assert!(!other.input(4));
        drop((remote, other));
        assert_eq!(messages(&mut control), []);

        let (remote, mut control) = Remote::pair().expect("there are descriptors");
        let other = remote.clone();
        assert!(remote.input(1));
        drop(remote);
        assert_eq!(messages(&mut control), [Some(1)]);
        drop(other);
        assert_eq!(messages(&mut control), [None]);
        assert_eq!(messages(&mut control), []);
    }
}
