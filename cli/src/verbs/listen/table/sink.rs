//! What takes the events of a listener: the table, if there is one, and the queue.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use udpkit::{Event, Interfaces, Remote, Sink};

use super::super::queue::QueueSink;
use super::super::recorder::Recorder;
use super::feed::Feed;
use super::live::LiveTable;
use super::picture::Totals;
use crate::output::Repeated;
use crate::runtime::sockets::Listening;
use crate::tui::Tui;
use crate::words::endpoint;

/// How long the screen waits for a report; then it shows the last one.
const REPORT_PATIENCE: Duration = Duration::from_millis(50);

/// Where the thread that receives puts what comes.
pub(crate) struct ListenSink {
    table: Option<Feed>,
    queue: QueueSink,
    /// Whether datagrams are written besides being in the table.
    writes: bool,
}

impl ListenSink {
    pub(crate) fn new(queue: QueueSink, writes: bool) -> Self {
        Self { table: None, queue, writes }
    }

    /// Takes over the terminal for a table of senders, which is fed from now on.
    pub(crate) fn open_table(
        &mut self,
        recorder: &mut Recorder,
        listening: &Listening,
        interfaces: &Interfaces,
        remote: &Remote,
    ) -> Result<Tui> {
        let feed = Feed::new(listening.ports(), interfaces);
        recorder.troubles = Some(feed.troubles());
        let written = recorder.written_so_far();
        let title = format!("udp listen on {}", endpoint::list(&listening.places()));
        let (asked, stopped) = (remote.clone(), remote.clone());
        let ask = move || {
            let report = asked.report(REPORT_PATIENCE)?;
            let written = written.as_ref().map(|written| written.load(Ordering::Relaxed));
            Some(Totals { written, ..Totals::from(&report) })
        };
        let (table, troubles) = (feed.table(), feed.troubles());
        let live = |styles| LiveTable::new(table, title, styles, troubles, ask);
        let tui = Tui::start(recorder.printer.is_coloured(), feed.troubles(), live, move || stopped.stop())?;
        self.table = Some(feed);
        Ok(tui)
    }
}

impl ListenSink {
    /// What was counted, and not printed yet; for the end.
    pub(crate) fn take_repeated(&mut self) -> Vec<Repeated> {
        self.queue.take_repeated()
    }
}

impl Sink for ListenSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if let Some(table) = &mut self.table {
            table.event(event)?;
            if !(self.writes && matches!(event, Event::Received(_))) {
                return ControlFlow::Continue(());
            }
        }
        self.queue.event(event)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.queue.idle()
    }
}
