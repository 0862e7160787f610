//! The clock of a run: engines are handed the time, which is read here.

use std::time::Instant;

/// The time of the monotonic clock, read now.
#[expect(clippy::disallowed_methods, reason = "the drive is where the time comes from")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
