//! How late Linux may wake a thread, so as to wake several at once: 50 µs where nobody says otherwise (`prctl(2)`).

use std::marker::PhantomData;

/// While it lives, the thread that made it is woken as exactly as the system can.
pub(crate) struct TimerSlack {
    /// In nanoseconds; `None` where the system did not let it be changed.
    before: Option<libc::c_ulong>,
    /// Another thread would get back what is not its own.
    thread: PhantomData<*const ()>,
}

impl TimerSlack {
    /// A nanosecond, the least there is: zero means the default.
    pub(crate) fn minimise() -> Self {
        // SAFETY: reads a number of this thread.
        let before = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
        // A sandbox may forbid it; then waits are less exact, as they are told.
        let before = libc::c_ulong::try_from(before).ok().filter(|_| set(1));
        Self { before, thread: PhantomData }
    }
}

impl Drop for TimerSlack {
    fn drop(&mut self) {
        let _ = self.before.is_some_and(set);
    }
}

/// True if the system took it.
fn set(nanoseconds: libc::c_ulong) -> bool {
    // SAFETY: sets a number of this thread.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slack_is_as_before_afterwards() {
        // SAFETY: reads a number of this thread.
        let slack = || unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
        assert!(set(40_000));
        let minimised = TimerSlack::minimise();
        assert_eq!(slack(), 1);
        drop(minimised);
        assert_eq!(slack(), 40_000);
    }
}
