//! In the place of the table of senders where the feature `tui` is left out: what is received goes to the queue.

use std::ops::ControlFlow;

use anyhow::{Result, bail};
use udpkit::{Event, Interfaces, Remote, Sink};

use super::queue::QueueSink;
use super::recorder::Recorder;
use crate::output::Repeated;
use crate::runtime::sockets::Listening;
use crate::tui::Tui;

/// Where the thread that receives puts what comes.
pub(super) struct ListenSink(QueueSink);

impl ListenSink {
    pub(super) fn new(queue: QueueSink, _writes: bool) -> Self {
        Self(queue)
    }

    /// An error: there is no table.
    pub(super) fn open_table(
        &mut self,
        _recorder: &mut Recorder,
        _listening: &Listening,
        _interfaces: &Interfaces,
        _remote: &Remote,
    ) -> Result<Tui> {
        bail!("there is no table in this program")
    }

    /// What was counted, and not printed yet; for the end.
    pub(super) fn take_repeated(&mut self) -> Vec<Repeated> {
        self.0.take_repeated()
    }
}

impl Sink for ListenSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self.0.event(event)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.0.idle()
    }
}
