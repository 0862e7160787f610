//! The terminal while it is ours: taken over, drawn on, and given back however the run ends.

use std::io::{self, Stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::{cursor, execute, terminal};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

/// Whose the terminal is: one of the three below. It changes while [`RESTORING`] is held.
static OWNER: AtomicU8 = AtomicU8::new(NOT_OURS);
const NOT_OURS: u8 = 0;
const OURS: u8 = 1;
/// The shell's, until it lets us go on.
#[cfg(unix)]
const LENT: u8 = 2;
/// Whether the terminal was taken back, so that nothing of what was drawn stands on it.
static TAKEN_BACK: AtomicBool = AtomicBool::new(false);
/// Held while something is drawn.
static DRAWING: Mutex<()> = Mutex::new(());
/// Held while the modes of the terminal are set back, which does not wait for the terminal.
static RESTORING: Mutex<()> = Mutex::new(());
/// How long a terminal that takes nothing may keep us from ending.
const PATIENCE: Duration = Duration::from_millis(200);
/// Columns and lines of a terminal that does not say how many it has.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// The screen; given back when this is dropped.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Self> {
        restore_before_panics();
        terminal::enable_raw_mode()?;
        // From here on it is given back whatever fails.
        OWNER.store(OURS, Ordering::Release);
        Self::take().inspect_err(|_| restore())
    }

    fn take() -> io::Result<Self> {
        enter()?;
        take_back_when_continued()?;
        let options = TerminalOptions { viewport: Viewport::Fixed(area()) };
        Ok(Self { terminal: Terminal::with_options(CrosstermBackend::new(io::stdout()), options)? })
    }

    /// Where there is room to draw: all of the terminal, as large as it is now.
    pub(super) fn area(&self) -> Rect {
        area()
    }

    /// Whether the terminal was closed.
    #[cfg(unix)]
    pub(super) fn is_gone(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let output = io::stdout();
        let mut output = [PollFd::new(&output, PollFlags::empty())];
        let asked = poll(&mut output, Some(&Timespec::default()));
        asked.is_ok() && output[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
    }

    /// Whether the terminal was closed; where the system does not tell, drawing on it fails.
    #[cfg(not(unix))]
    pub(super) fn is_gone(&self) -> bool {
        false
    }

    /// Whether all is to be drawn anew.
    pub(super) fn was_taken_back(&self) -> bool {
        TAKEN_BACK.load(Ordering::Acquire)
    }

    /// Gives the terminal back and stops, with whatever runs in the same job, until the shell lets us go on. Where there is no
    /// shell that could, the system stops nobody.
    #[cfg(unix)]
    pub(super) fn suspend(&self) {
        use rustix::process::{Signal, kill_current_process_group};
        if set_modes_back(LENT) {
            leave();
            // Whoever stops, and when, is up to the system: all that is known is that it takes no time.
            let _ = kill_current_process_group(Signal::TSTP);
            std::thread::park_timeout(PATIENCE);
            take_back();
        }
    }

    /// There is nobody who could let us go on.
    #[cfg(not(unix))]
    pub(super) fn suspend(&self) {}

    /// Draws, unless the terminal was given back already.
    pub(super) fn draw(&mut self, area: Rect, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let _drawing = DRAWING.lock();
        if OWNER.load(Ordering::Acquire) != OURS {
            return Ok(());
        }
        // To resize is to draw all anew, without asking where the cursor is: the answer would be read as keys.
        if TAKEN_BACK.swap(false, Ordering::AcqRel) || self.terminal.get_frame().area() != area {
            self.terminal.resize(area)?;
        }
        self.terminal.draw(draw)?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn area() -> Rect {
    let size = terminal_size::terminal_size_of(io::stdout()).map(|(width, height)| (width.0, height.0));
    let (width, height) = size.unwrap_or(DEFAULT_SIZE);
    Rect::new(0, 0, width, height)
}

/// Gives the terminal back, if it is ours.
pub(crate) fn restore() {
    // Whoever draws is waited for, unless the terminal holds it up, or it is we who panicked there.
    let _drawing = DRAWING.try_lock_for(PATIENCE);
    if set_modes_back(NOT_OURS) {
        leave();
    }
}

/// Sets the modes of the terminal back for its new owner, which does not wait for it; true if that was not done before.
fn set_modes_back(owner: u8) -> bool {
    // Whoever comes second may end the process: by then it must have been done.
    let _restoring = RESTORING.lock();
    let ours = OWNER.load(Ordering::Acquire) == OURS;
    // What is not ours cannot be lent.
    if ours || owner == NOT_OURS {
        OWNER.store(owner, Ordering::Release);
    }
    if ours {
        // There is nobody to be told that it failed, and nothing else to be done.
        let _ = terminal::disable_raw_mode();
    }
    ours
}

/// Takes the terminal back that was lent, or on which a shell may have set modes of its own.
#[cfg(unix)]
fn take_back() {
    let _drawing = DRAWING.lock();
    let restoring = RESTORING.lock();
    if OWNER.load(Ordering::Acquire) == NOT_OURS {
        return;
    }
    // What fails here fails again where it is drawn on.
    let _ = terminal::disable_raw_mode();
    let _ = terminal::enable_raw_mode();
    OWNER.store(OURS, Ordering::Release);
    // From here on the terminal may keep us waiting.
    drop(restoring);
    let _ = enter();
    TAKEN_BACK.store(true, Ordering::Release);
}

/// Takes the terminal back each time that the process goes on after it was stopped, however that came.
#[cfg(unix)]
fn take_back_when_continued() -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGCONT])?;
    std::thread::Builder::new().spawn(move || signals.forever().for_each(|_| take_back()))?;
    Ok(())
}

/// Nothing is ever stopped.
#[cfg(not(unix))]
fn take_back_when_continued() -> io::Result<()> {
    Ok(())
}

fn enter() -> io::Result<()> {
    execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)
}

fn leave() {
    // As above.
    let _ = execute!(io::stdout(), cursor::Show, terminal::LeaveAlternateScreen);
}

/// Gives the terminal back before the process ends at once, even if the terminal takes nothing any more.
#[cfg(unix)]
pub(crate) fn restore_at_once() {
    if !set_modes_back(NOT_OURS) {
        return;
    }
    let (done, wait) = std::sync::mpsc::channel();
    let leave = move || {
        leave();
        // Nobody waits any more if it took too long.
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(leave).is_ok() {
        let _ = wait.recv_timeout(PATIENCE);
    }
}

/// What a panic says is said to a terminal that shows it.
fn restore_before_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            previous(panic);
        }));
    });
}
