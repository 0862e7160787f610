//! SIGINT and SIGTERM: the first ends the run with its summary, the second at once.

use anyhow::{Context, Result};
use udpkit::Remote;

use crate::exit::Exit;

/// Ends the run at the first signal, and the process at the second.
#[cfg(unix)]
pub(crate) fn end_on_signal(remote: Remote) -> Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot handle signals")?;
    std::thread::spawn(move || {
        for (number, _) in signals.forever().enumerate() {
            if number > 0 {
                std::process::exit(Exit::Interrupted.code().into());
            }
            remote.stop();
        }
    });
    Ok(())
}

/// Ends the run at the first Ctrl-C, and the process at the second.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "Windows hands over no event to wait for")]
pub(crate) fn end_on_signal(remote: Remote) -> Result<()> {
    use signal_hook::consts::SIGINT;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let stop = Arc::new(AtomicBool::new(false));
    // In this order: the second signal finds the flag set by the first.
    let code = Exit::Interrupted.code().into();
    signal_hook::flag::register_conditional_shutdown(SIGINT, code, Arc::clone(&stop))
        .context("cannot handle signals")?;
    signal_hook::flag::register(SIGINT, Arc::clone(&stop)).context("cannot handle signals")?;
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        remote.stop();
    });
    Ok(())
}
