//! A moment on the two clocks that a host has.

use std::time::{Instant, SystemTime};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// On the monotonic clock, which engines go by.
    pub monotonic: Instant,
    /// On the system's clock, which may be set.
    pub utc: SystemTime,
}

impl Moment {
    /// A moment of which both times are known.
    #[must_use]
    pub fn new(monotonic: Instant, utc: SystemTime) -> Self {
        Self { monotonic, utc }
    }

    /// What the system's clock shows at this later moment, if it is not set meanwhile.
    pub(crate) fn utc_at(self, now: Instant) -> SystemTime {
        self.utc.checked_add(now.saturating_duration_since(self.monotonic)).unwrap_or(self.utc)
    }
}
