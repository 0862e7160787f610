//! Signals: the first SIGINT or SIGTERM ends the run with its summary, the second at once; SIGHUP reads files again, or ends
//! the run, too.

use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result};
#[cfg(unix)]
use parking_lot::Mutex;

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

/// Ends the run at the first signal, and the process at the second. Calls `hangup` at each SIGHUP; without it, SIGHUP ends
/// the run, unless it was ignored when the command began.
#[cfg(unix)]
pub(crate) fn handle(stop: impl Fn() + Send + 'static, hangup: Option<impl Fn() + Send + 'static>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot handle signals")?;
    if hangup.is_some() || !is_ignored(SIGHUP) {
        signals.add_signal(SIGHUP).context("cannot handle signals")?;
    }
    let hear = move || {
        let mut stopped = false;
        for signal in signals.forever() {
            match &hangup {
                Some(hangup) if signal == SIGHUP => hangup(),
                // A terminal that is closed may send more than one.
                None if signal == SIGHUP && stopped => {}
                _ if stopped => {
                    LAST_ACTS.lock().iter().for_each(|act| act());
                    crate::tui::restore_at_once();
                    // Without what a process does at its end: to write what a terminal or a pipe does not take.
                    signal_hook::low_level::exit(Exit::Interrupted.code().into());
                }
                _ => {
                    stopped = true;
                    output::end_waiting();
                    stop();
                }
            }
        }
    };
    std::thread::Builder::new().spawn(hear).context("cannot start a thread for signals")?;
    Ok(())
}

/// Whether a signal is ignored, as `nohup` makes it; where the system does not say (`proc(5)`), it may be.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Ends the run at the first Ctrl-C, and the process at the second; there is no SIGHUP.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "Windows hands over no event to wait for")]
pub(crate) fn handle(stop: impl Fn() + Send + 'static, _hangup: Option<impl Fn() + Send + 'static>) -> Result<()> {
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

/// Does this, in a thread of its own, whenever what is returned is called: it may have to wait for a file that is a pipe. Once
/// more is enough, however often it is asked for meanwhile.
pub(crate) fn reread(mut read: impl FnMut() + Send + 'static) -> Result<impl Fn() + Send> {
    let (ask, asked) = sync_channel(1);
    let run = move || asked.into_iter().for_each(|()| read());
    std::thread::Builder::new().spawn(run).context("cannot start a thread that reads files again")?;
    Ok(move || {
        let _ = ask.try_send(());
    })
}

/// Nothing is read again: SIGHUP ends the run.
pub(crate) const NO_HANGUP: Option<fn()> = None;
