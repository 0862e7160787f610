//! `udp listen --tui`: a live table of senders, in a thread of its own that never holds up the one that receives.

mod details;
mod drawing;
mod feed;
mod history;
mod numbers;
mod picture;
mod screen;
mod senders;
mod state;
mod view;
mod watch;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use parking_lot::Mutex;

use crate::hint::Hint;
use drawing::Styles;
pub(crate) use feed::{Feed, Troubles};
pub(crate) use picture::Totals;
use screen::Screen;
#[cfg(unix)]
pub(crate) use screen::restore_at_once;
use watch::Watch;

/// The screen, until [`finish`](Self::finish).
pub(crate) struct Tui {
    thread: Option<JoinHandle<io::Result<()>>>,
    over: Arc<AtomicBool>,
    table: Arc<Mutex<feed::Table>>,
}

impl Tui {
    /// Takes the terminal over, and shows what is fed. `ask` gives the totals as it is now, if it can; `stop` is called when
    /// the person wants to quit.
    pub(crate) fn start(
        feed: &Feed,
        title: String,
        color: bool,
        ask: impl FnMut() -> Option<Totals> + Send + 'static,
        stop: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        if color {
            // That it is wanted was found out already, and may have been insisted on.
            ratatui::crossterm::style::force_color_output(true);
        }
        let screen = Screen::open().context("cannot take over the terminal")?;
        let over = Arc::new(AtomicBool::new(false));
        let watch = Watch {
            table: feed.table(),
            title,
            styles: Styles::new(color),
            ask,
            over: Arc::clone(&over),
            state: state::State::default(),
            totals: Totals::default(),
            frozen: None,
        };
        let watch = move || {
            let _stop = OnEnd(Some(stop));
            watch.run(screen)
        };
        let thread = std::thread::Builder::new().spawn(watch).context("cannot start a thread for the screen")?;
        Ok(Self { thread: Some(thread), over, table: feed.table() })
    }

    /// Gives the terminal back; what went wrong meanwhile is to be told now.
    pub(crate) fn finish(mut self) -> Result<Vec<String>> {
        match self.end() {
            Some(Ok(Ok(()))) | None => {}
            Some(Ok(Err(error))) => return Err(anyhow!("cannot use the terminal: {}", udpkit::reason(&error))),
            Some(Err(_)) => return Err(anyhow!("the screen broke down")),
        }
        let mut table = self.table.lock();
        let mut troubles = std::mem::take(&mut table.troubles);
        if table.more_troubles > 0 {
            troubles.push(format!("{} more of these", table.more_troubles));
        }
        Ok(troubles)
    }

    fn end(&mut self) -> Option<std::thread::Result<io::Result<()>>> {
        self.over.store(true, Ordering::Release);
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        // Whatever it says, something worse ends the run.
        let _ = self.end();
    }
}

/// Ends the run with the thread of the screen, however that ends.
struct OnEnd<S: FnOnce()>(Option<S>);

impl<S: FnOnce()> Drop for OnEnd<S> {
    fn drop(&mut self) {
        if let Some(stop) = self.0.take() {
            stop();
        }
    }
}

/// Says so if there is no terminal to draw on.
pub(crate) fn check_terminal() -> Result<()> {
    if io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Hint::on("--tui needs a terminal, and standard output is none", "without --tui, each datagram is a line"))
}
