//! How long sending may wait.

use std::time::Duration;

/// Time from one try of a send to the next while a device queue is full.
pub(crate) const QUEUE_PAUSE: Duration = Duration::from_millis(1);

/// The time that one send call may spend waiting, whatever it waits for.
pub(crate) struct Patience {
    left: Duration,
}

impl Patience {
    pub(crate) fn new(left: Duration) -> Self {
        Self { left }
    }

    /// Waits in the way given, for the time left at most; false where none is.
    #[expect(clippy::disallowed_methods, reason = "a wait may end early, so what it took is measured")]
    pub(crate) fn spend(&mut self, wait: impl FnOnce(Duration)) -> bool {
        if self.left.is_zero() {
            return false;
        }
        let begun = std::time::Instant::now();
        wait(self.left);
        self.left = self.left.saturating_sub(begun.elapsed());
        true
    }
}
