//! Threads that write what others receive: these go first, and a reader that takes nothing is not waited for forever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

/// How long a reader may take nothing once the run is to end.
const PATIENCE: Duration = Duration::from_millis(700);
/// How often to look whether it has taken something.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Lets the thread that receives go first where both want one processor: what waits here is in memory, and what waits
/// there is dropped.
#[cfg(target_os = "linux")]
pub(crate) fn give_way() {
    /// Of 19, the most: a tenth of the processor where another thread is always busy.
    const NICE: i32 = 10;
    // On Linux it is a thread's own (sched(7)); what is nice already, or may not change, stays.
    if let Ok(nice) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, nice.max(NICE));
    }
}

/// Elsewhere that is a matter of the whole process.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_way() {}

/// Waits until a thread has written the rest of something; where its reader may stall, only for as long as more and more is
/// `written`.
///
/// # Errors
///
/// The reader took nothing for 700 ms, or the thread panicked.
#[expect(clippy::disallowed_methods, reason = "patience is a matter of time")]
pub(crate) fn join<T>(thread: JoinHandle<T>, what: &str, written: &AtomicU64, may_stall: bool) -> Result<T> {
    let (mut before, mut since) = (written.load(Ordering::Relaxed), Instant::now());
    while may_stall && !thread.is_finished() {
        std::thread::sleep(LOOK_INTERVAL);
        let now = written.load(Ordering::Relaxed);
        if now != before {
            (before, since) = (now, Instant::now());
        } else if since.elapsed() >= PATIENCE {
            bail!("cannot write the rest of {what} to a pipe or standard output: nobody reads it");
        }
    }
    thread.join().map_err(|_| anyhow!("the thread that writes panicked"))
}
