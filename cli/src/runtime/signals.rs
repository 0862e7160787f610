//! Signals: the first SIGINT or SIGTERM ends the run with its summary, the second the process, or the run at once where a run takes its time to end; SIGHUP reads files again, or ends
//! the run, too.

#[cfg(unix)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
#[cfg(unix)]
use std::sync::{Arc, OnceLock};
#[cfg(unix)]
use std::time::Duration;

use anyhow::{Context, Result};
#[cfg(unix)]
use parking_lot::{Condvar, Mutex};
#[cfg(unix)]
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::output;
use crate::runtime::exit::Exit;

/// What is done where the second signal ends the process, of all that it does otherwise at its end.
#[cfg(unix)]
static LAST_ACTS: Mutex<Vec<Box<dyn Fn() + Send>>> = Mutex::new(Vec::new());

/// Has this done before the second signal ends the process. It must wait for nothing.
#[cfg(unix)]
pub(crate) fn before_the_end(act: impl Fn() + Send + 'static) {
    LAST_ACTS.lock().push(Box::new(act));
}

/// How long a run may take to begin after a signal that is to end it with its summary; then the signal ends the process.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the command is, which decides what a signal does.
#[cfg(unix)]
static STAGE: Mutex<Stage> = Mutex::new(Stage::SettingUp(None));
#[cfg(unix)]
static BEGUN: Condvar = Condvar::new();
/// Adds to the signals that are caught.
#[cfg(unix)]
static CATCHING: OnceLock<signal_hook::iterator::Handle> = OnceLock::new();

#[cfg(unix)]
enum Stage {
    /// Nothing runs yet; and the signal that came meanwhile.
    SettingUp(Option<i32>),
    Running(Arc<Running>),
}

/// What signals do to a run.
#[cfg(unix)]
struct Running {
    /// What the first signal does, and those after it; the next one ends the process.
    stops: Vec<Act>,
    hangup: Option<Act>,
    /// How many of these were heard.
    heard: AtomicUsize,
}

#[cfg(unix)]
type Act = Box<dyn Fn() + Send + Sync>;

/// Catches signals from now on, so that one that comes while the run is still being set up ends it with its summary, too.
#[cfg(unix)]
pub(crate) fn catch() -> Result<()> {
    let caught = [SIGINT, SIGTERM].into_iter().chain((!is_ignored(SIGHUP)).then_some(SIGHUP));
    let mut signals = signal_hook::iterator::Signals::new(caught).context("cannot handle signals")?;
    let _ = CATCHING.set(signals.handle());
    let hear = move || signals.forever().for_each(hear);
    std::thread::Builder::new().spawn(hear).context("cannot start a thread for signals")?;
    Ok(())
}

/// Ends the run at the first signal, and the process at the second. Calls `hangup` at each SIGHUP; without it, SIGHUP ends
/// the run, unless it was ignored when the command began.
#[cfg(unix)]
pub(crate) fn handle(
    stop: impl Fn() + Send + Sync + 'static,
    hangup: Option<impl Fn() + Send + Sync + 'static>,
) -> Result<()> {
    handle_each(vec![Box::new(stop)], hangup)
}

/// The same for a run that takes its time to end: the second signal ends it at once, with what is known then, and the third the process.
#[cfg(unix)]
pub(crate) fn handle_twice(
    end: impl Fn() + Send + Sync + 'static,
    stop: impl Fn() + Send + Sync + 'static,
) -> Result<()> {
    handle_each(vec![Box::new(end), Box::new(stop)], NO_HANGUP)
}

#[cfg(unix)]
fn handle_each(stops: Vec<Act>, hangup: Option<impl Fn() + Send + Sync + 'static>) -> Result<()> {
    if hangup.is_some()
        && let Some(catching) = CATCHING.get()
    {
        catching.add_signal(SIGHUP).context("cannot handle signals")?;
    }
    let hangup = hangup.map(|hangup| Box::new(hangup) as Act);
    let running = Arc::new(Running { stops, hangup, heard: AtomicUsize::new(0) });
    let before = std::mem::replace(&mut *STAGE.lock(), Stage::Running(Arc::clone(&running)));
    BEGUN.notify_all();
    if let Stage::SettingUp(Some(signal)) = before {
        running.hear(signal);
    }
    Ok(())
}

#[cfg(unix)]
fn hear(signal: i32) {
    let mut stage = STAGE.lock();
    match &mut *stage {
        Stage::Running(running) => {
            let running = Arc::clone(running);
            drop(stage);
            running.hear(signal);
        }
        Stage::SettingUp(Some(_)) => end(signal),
        Stage::SettingUp(came) => {
            *came = Some(signal);
            let wait = move || {
                let is_setting_up = |stage: &mut Stage| matches!(stage, Stage::SettingUp(_));
                if BEGUN.wait_while_for(&mut STAGE.lock(), is_setting_up, PATIENCE).timed_out() {
                    end(signal);
                }
            };
            if std::thread::Builder::new().spawn(wait).is_err() {
                end(signal);
            }
        }
    }
}

/// Ends the process as the signal does where nobody catches it.
#[cfg(unix)]
fn end(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

#[cfg(unix)]
impl Running {
    fn hear(&self, signal: i32) {
        match &self.hangup {
            Some(hangup) if signal == SIGHUP => hangup(),
            // A terminal that is closed may send more than one.
            None if signal == SIGHUP && self.heard.load(Ordering::Relaxed) > 0 => {}
            _ => self.stop(),
        }
    }

    fn stop(&self) {
        match self.stops.get(self.heard.fetch_add(1, Ordering::Relaxed)) {
            Some(stop) => {
                output::end_waiting();
                stop();
            }
            None => {
                LAST_ACTS.lock().iter().for_each(|act| act());
                crate::tui::restore_at_once();
                // Without what a process does at its end: to write what a terminal or a pipe does not take.
                signal_hook::low_level::exit(Exit::Interrupted.code().into());
            }
        }
    }
}

/// Whether a signal is ignored, as `nohup` makes it; where the system does not say (`proc(5)`), it may be.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Until a run begins, Ctrl-C ends the process.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn catch() -> Result<()> {
    Ok(())
}

/// Ends the run at the first Ctrl-C, and the process at the second; there is no SIGHUP.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "Windows hands over no event to wait for")]
pub(crate) fn handle(
    stop: impl Fn() + Send + Sync + 'static,
    _hangup: Option<impl Fn() + Send + Sync + 'static>,
) -> Result<()> {
    use signal_hook::consts::SIGINT;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let stopped = Arc::new(AtomicBool::new(false));
    // In this order: the second signal finds the flag set by the first.
    let code = Exit::Interrupted.code().into();
    signal_hook::flag::register_conditional_shutdown(SIGINT, code, Arc::clone(&stopped))
        .context("cannot handle signals")?;
    signal_hook::flag::register(SIGINT, Arc::clone(&stopped)).context("cannot handle signals")?;
    std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        output::end_waiting();
        stop();
    });
    Ok(())
}

/// The same: elsewhere the second signal ends the process.
#[cfg(not(unix))]
pub(crate) fn handle_twice(
    end: impl Fn() + Send + Sync + 'static,
    _stop: impl Fn() + Send + Sync + 'static,
) -> Result<()> {
    handle(end, NO_HANGUP)
}

/// Does this, in a thread of its own, whenever what is returned is called: it may have to wait for a file that is a pipe. Once
/// more is enough, however often it is asked for meanwhile.
pub(crate) fn reread(mut read: impl FnMut() + Send + 'static) -> Result<impl Fn() + Send + Sync> {
    let (ask, asked) = sync_channel(1);
    let run = move || asked.into_iter().for_each(|()| read());
    std::thread::Builder::new().spawn(run).context("cannot start a thread that reads files again")?;
    Ok(move || {
        let _ = ask.try_send(());
    })
}

/// Nothing is read again: SIGHUP ends the run.
pub(crate) const NO_HANGUP: Option<fn()> = None;
