//! Where the events of workers go: to their commands, or to the printer that they share.

use std::ops::ControlFlow;

use anyhow::Result;
use udpkit::verbs::{ServeFigures, ServeInput};
use udpkit::{Event, Interfaces, Remote, Sink};

#[cfg(unix)]
use super::commands::{Commands, WorkerCommands};
use crate::args::ServeArgs;
use crate::output::{NewsSink, Refusals, SharedPrinter};
use crate::runtime::sockets::Listening;

/// What the sinks of all workers have in common.
pub(super) struct Sinks {
    printer: SharedPrinter,
    verbose: bool,
    #[cfg(unix)]
    commands: Option<Commands>,
    #[cfg(unix)]
    interfaces: Interfaces,
}

impl Sinks {
    #[cfg_attr(not(unix), expect(unused_variables, clippy::unnecessary_wraps, reason = "there are no commands"))]
    pub(super) fn new(
        args: &ServeArgs,
        printer: &SharedPrinter,
        listening: &Listening,
        interfaces: &Interfaces,
    ) -> Result<Self> {
        Ok(Self {
            printer: printer.clone(),
            verbose: args.common.verbose,
            #[cfg(unix)]
            commands: super::commands::commands(&args.exec, printer, listening.ports())?,
            #[cfg(unix)]
            interfaces: interfaces.clone(),
        })
    }

    /// The sink of a worker, who is told replies by its remote.
    #[cfg_attr(not(unix), expect(unused_variables, reason = "there are no commands"))]
    pub(super) fn of_worker(&self, remote: &Remote<ServeInput, ServeFigures>) -> WorkerSink {
        WorkerSink {
            news: NewsSink::new(&self.printer, self.verbose, Refusals::Counted),
            #[cfg(unix)]
            commands: self.commands.as_ref().map(|commands| commands.for_worker(remote, &self.interfaces)),
        }
    }
}

/// Takes the events of a worker. What it has printed before is counted here, so that workers do not wait for one another; the
/// printer counts what another worker has printed.
pub(super) struct WorkerSink {
    news: NewsSink,
    #[cfg(unix)]
    commands: Option<WorkerCommands>,
}

impl Sink for WorkerSink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        #[cfg(unix)]
        if self.commands.as_mut().is_some_and(|commands| commands.take(&event)) {
            return ControlFlow::Continue(());
        }
        self.news.event(event)
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.news.idle()
    }
}
