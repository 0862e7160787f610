//! What a reflector counts of its own.

use crate::report::{Figures, add, debug_counters};

/// What [`Reflect`](super::Reflect) counts of its own.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ReflectFigures {
    /// Of what was received: answered, the reply handed to the kernel.
    pub answered: u64,
    /// Of what was answered: closing questions, which count in no session.
    pub closing: u64,
    /// Of what was received: to be answered, but the reply could not be sent.
    pub reply_failed: u64,
    /// Of what was received: load, to which a sender wants no reply.
    pub load: u64,
    /// Sessions that are remembered now.
    pub sessions_now: u64,
    /// Of them: authenticated.
    pub sessions_authenticated: u64,
    /// Sessions that there were.
    pub sessions_ever: u64,
    /// Of them: forgotten because nothing came of them for a while.
    pub sessions_expired: u64,
    /// Of them: forgotten to make room for another.
    pub sessions_evicted: u64,
}

debug_counters! { ReflectFigures {
    answered,
    closing,
    reply_failed,
    load,
    sessions_now,
    sessions_authenticated,
    sessions_ever,
    sessions_expired,
    sessions_evicted,
}}

impl Figures for ReflectFigures {
    fn used(&self) -> u64 {
        self.answered + self.reply_failed + self.load
    }

    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.answered, other.answered),
            (&mut self.closing, other.closing),
            (&mut self.reply_failed, other.reply_failed),
            (&mut self.load, other.load),
            (&mut self.sessions_now, other.sessions_now),
            (&mut self.sessions_authenticated, other.sessions_authenticated),
            (&mut self.sessions_ever, other.sessions_ever),
            (&mut self.sessions_expired, other.sessions_expired),
            (&mut self.sessions_evicted, other.sessions_evicted),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::assert_used;

    #[test]
    fn what_was_received_ends_in_one_counter_and_that_of_workers_is_added_up() {
        assert_used::<ReflectFigures>(&[
            |report| report.own.answered = 1,
            |report| report.own.reply_failed = 1,
            |report| report.own.load = 1,
        ]);
        let figures = |unit: u64| ReflectFigures {
            answered: unit,
            closing: 2 * unit,
            reply_failed: 3 * unit,
            load: 4 * unit,
            sessions_now: 5 * unit,
            sessions_authenticated: 6 * unit,
            sessions_ever: 7 * unit,
            sessions_expired: 8 * unit,
            sessions_evicted: 9 * unit,
        };
        let mut both = figures(1);
        both.merge(&figures(2));
        assert_eq!(both, figures(3));
    }
}
