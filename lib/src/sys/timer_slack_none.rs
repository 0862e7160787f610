//! Stands in for `timer_slack` on systems where threads have none, or none that can be changed.

/// Changes nothing.
pub(crate) struct TimerSlack;

impl TimerSlack {
    pub(crate) fn minimise() -> Self {
        Self
    }
}
