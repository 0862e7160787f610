//! The thread that owns the screen: takes keys, and draws what is known at most ten times a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};
use std::{io, iter};

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::Rect;

use super::screen::Screen;

/// The shortest time from one drawing to the next, unless a key comes.
const INTERVAL: Duration = Duration::from_millis(100);
/// Of the time, drawing takes at most one part in so many.
const SHARE: u32 = 10;
/// Without news, times and rates are drawn again this often.
const AGEING: Duration = Duration::from_secs(1);
/// Keys that wait to be taken; more wait in the terminal.
const QUEUE: usize = 64;

/// What a screen shows, and what keys do to it.
pub(crate) trait Live {
    /// Looks at what happened since; true if there is something new to draw.
    fn hear(&mut self) -> bool;

    /// Whether it changes as time goes by, though nothing happens.
    fn ages(&self) -> bool;

    /// Does what a key asks for, on a screen of this size.
    fn key(&mut self, key: KeyEvent, area: Rect) -> Flow;

    /// Makes ready to be drawn on a screen of this size: whatever may have to be waited for.
    fn prepare(&mut self, area: Rect);

    /// Draws what was made ready.
    fn draw(&self, frame: &mut Frame<'_>);
}

/// Whether it goes on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Once the shell lets it.
    Suspend,
    Quit,
}

impl Flow {
    /// What a key does on every screen, if it does: Ctrl-C ends it, Ctrl-Z stops it, a key that is let go does nothing.
    pub(crate) fn of(key: KeyEvent) -> Option<Self> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if key.kind == KeyEventKind::Release => Some(Self::Continue),
            KeyCode::Char('c') if control => Some(Self::Quit),
            KeyCode::Char('z') if control => Some(Self::Suspend),
            _ => None,
        }
    }
}

/// Shows it until the person wants to quit, or it is over.
pub(super) fn watch(mut live: impl Live, mut screen: Screen, over: &AtomicBool) -> io::Result<()> {
    match go(&mut live, &mut screen, over) {
        // The summary may still find a reader.
        Err(_) if screen.is_gone() => Ok(()),
        outcome => outcome,
    }
}

fn go(live: &mut impl Live, screen: &mut Screen, over: &AtomicBool) -> io::Result<()> {
    let keys = keys()?;
    let mut due = now();
    let mut drawn: Option<Instant> = None;
    let mut keyed = true;
    while !over.load(Ordering::Acquire) && !screen.is_gone() {
        let moment = now();
        keyed |= screen.was_taken_back();
        if keyed || moment >= due {
            let is_news = live.hear();
            let has_aged = drawn.is_none_or(|at| moment.duration_since(at) >= AGEING) && live.ages();
            if keyed || is_news || has_aged {
                let area = screen.area();
                live.prepare(area);
                screen.draw(area, |frame| live.draw(frame))?;
                drawn = Some(moment);
            }
            keyed = false;
            due = now() + INTERVAL.max((now() - moment) * SHARE);
        }
        match keys.recv_timeout(due.saturating_duration_since(now()).min(INTERVAL)) {
            Ok(first) => {
                keyed = true;
                // There is one drawing for all that wait.
                for event in iter::once(first).chain(keys.try_iter()) {
                    // Whatever else happened to the terminal is seen when it is drawn on.
                    let Event::Key(key) = event? else { continue };
                    match live.key(key, screen.area()) {
                        Flow::Continue => {}
                        Flow::Suspend => screen.suspend(),
                        Flow::Quit => return Ok(()),
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

/// Keys as they come, read by a thread of its own: crossterm never returns from a terminal that was closed, so whoever must
/// be able to end cannot wait there.
fn keys() -> io::Result<Receiver<io::Result<Event>>> {
    let (sender, keys) = sync_channel(QUEUE);
    let read = move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.send(event).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read)?;
    Ok(keys)
}

#[expect(clippy::disallowed_methods, reason = "the screen shows how long ago something was")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
