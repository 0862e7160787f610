//! A screen of the terminal: a thread of its own draws what is known and takes keys, and never blocks the one that receives.

pub(crate) mod drawing;
pub(crate) mod history;
pub(crate) mod numbers;
mod screen;
#[cfg(test)]
pub(crate) mod testing;
mod troubles;
mod watch;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};

use crate::hint::Hint;
use drawing::Styles;
use screen::Screen;
#[cfg(unix)]
pub(crate) use screen::restore_at_once;
pub(crate) use troubles::Troubles;
use watch::watch;
pub(crate) use watch::{Flow, Live, now};

/// The screen, until [`finish`](Self::finish).
pub(crate) struct Tui {
    thread: Option<JoinHandle<io::Result<()>>>,
    over: Arc<AtomicBool>,
    troubles: Troubles,
}

impl Tui {
    /// Takes the terminal over, and shows what is made of the styles; `stop` is called when the person wants to quit.
    pub(crate) fn start<L: Live + Send + 'static>(
        color: bool,
        troubles: Troubles,
        live: impl FnOnce(Styles) -> L,
        stop: impl FnOnce() + Send + 'static,
    ) -> Result<Self> {
        if color {
            // That it is wanted was found out already, and may have been insisted on.
            ratatui::crossterm::style::force_color_output(true);
        }
        let screen = Screen::open().context("cannot take over the terminal")?;
        let over = Arc::new(AtomicBool::new(false));
        let (live, ended) = (live(Styles::new(color)), Arc::clone(&over));
        let watch = move || {
            let _stop = OnEnd(Some(stop));
            watch(live, screen, &ended)
        };
        let thread = std::thread::Builder::new().spawn(watch).context("cannot start a thread for the screen")?;
        Ok(Self { thread: Some(thread), over, troubles })
    }

    /// Gives the terminal back; what went wrong meanwhile is to be told now.
    pub(crate) fn finish(mut self) -> Result<Vec<String>> {
        match self.end() {
            Some(Ok(Ok(()))) | None => {}
            Some(Ok(Err(error))) => return Err(anyhow!("cannot use the terminal: {}", udpkit::reason(&error))),
            Some(Err(_)) => return Err(anyhow!("the screen broke down")),
        }
        Ok(self.troubles.take())
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
pub(crate) fn check_terminal(otherwise: &str) -> Result<()> {
    if io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Hint::on("--tui needs a terminal, and standard output is none", otherwise))
}
