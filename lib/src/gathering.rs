//! Changes of interfaces, gathered until it is time to look what they came to: each look reads all addresses that there are.

use std::time::{Duration, Instant};

use crate::interface::Changes;

/// The rest after a look, as a multiple of the time that it took: looking takes at most a tenth of the time, as long as ten times a
/// look are not over the longest rest.
const REST: u32 = 10;
/// The shortest and the longest rest. Whoever joins groups waits for no more than one of them.
const RESTS: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));
/// How often to look where the system reports no changes.
const BLIND_LOOK: Duration = Duration::from_secs(5);

/// What was reported since the last look, and when the next one is due: at once after a quiet time, else after a rest.
#[derive(Debug)]
pub(crate) struct Gathering {
    changes: Changes,
    due: Option<Instant>,
    /// The end of the rest.
    rested: Instant,
    is_blind: bool,
}

impl Gathering {
    /// Nothing was reported yet. `is_blind`: nothing ever will be, so that looks are due all the same.
    pub(crate) fn new(now: Instant, is_blind: bool) -> Self {
        Self { changes: Changes::default(), due: is_blind.then(|| now + BLIND_LOOK), rested: now, is_blind }
    }

    /// Adds what was reported.
    pub(crate) fn add(&mut self, now: Instant, changes: Changes) {
        if changes.any {
            self.changes.add(changes);
            self.due.get_or_insert_with(|| now.max(self.rested));
        }
    }

    /// When to look, if there is anything to look for.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What was gathered, once a look is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Changes> {
        self.due.take_if(|due| *due <= now)?;
        Some(std::mem::take(&mut self.changes))
    }

    /// A look that was due has ended.
    pub(crate) fn looked(&mut self, begun: Instant, ended: Instant) {
        let took = ended.saturating_duration_since(begun);
        self.rested = ended + took.saturating_mul(REST).clamp(RESTS.0, RESTS.1);
        if self.is_blind {
            self.due = Some(ended + BLIND_LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Changes {
        Changes { any: true, ..Changes::default() }
    }

    /// Looks, each of which takes so long, while there is a change at each of these intervals; returns how many there were,
    /// and the longest time from a change to the look that saw it.
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn looks(changes: u32, interval: Duration, took: Duration) -> (u32, Duration) {
        let begin = Instant::now();
        let mut gathering = Gathering::new(begin, false);
        let (mut now, mut looks, mut longest, mut unseen) = (begin, 0, Duration::ZERO, None);
        let mut next = (0..changes).map(|number| begin + interval * number).peekable();
        loop {
            while let Some(at) = next.next_if(|at| *at <= now) {
                gathering.add(now, change());
                unseen.get_or_insert(at);
            }
            if gathering.take(now).is_some() {
                longest = longest.max(now - unseen.take().unwrap());
                looks += 1;
                let begun = now;
                now += took;
                gathering.looked(begun, now);
                continue;
            }
            match [gathering.due(), next.peek().copied()].into_iter().flatten().min() {
                Some(at) => now = now.max(at),
                None => break,
            }
        }
        assert_eq!(unseen, None, "the last change is seen");
        (looks, longest)
    }

    #[test]
    fn a_change_after_a_quiet_time_is_looked_at_at_once() {
        assert_eq!(looks(1, Duration::ZERO, Duration::from_millis(20)), (1, Duration::ZERO));
        assert_eq!(looks(10, Duration::from_secs(2), Duration::from_millis(20)), (10, Duration::ZERO));
    }

    #[test]
    fn looking_takes_a_tenth_of_the_time_however_much_changes() {
        // 5,000 addresses, of which 32 change in a second: a minute of it.
        let (took, minute) = (Duration::from_millis(21), Duration::from_secs(60));
        for interval in [Duration::from_secs(1) / 32, Duration::from_millis(1)] {
            let changes = u32::try_from(minute.as_nanos() / interval.as_nanos()).unwrap();
            let (looks, longest) = looks(changes, interval, took);
            assert!(looks * took * 11 <= minute + took * 22, "{looks}");
            assert!(longest <= took * 11, "{longest:?}");
        }
    }

    #[test]
    fn no_change_waits_for_more_than_one_look_and_one_rest() {
        let took = Duration::from_secs(3);
        let (_, longest) = looks(100, Duration::from_millis(100), took);
        assert!(longest <= took + RESTS.1, "{longest:?}");
        let (looks, longest) = looks(1000, Duration::from_millis(1), Duration::from_micros(30));
        assert!(longest <= Duration::from_millis(6) && looks < 210, "{looks}, {longest:?}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn where_nothing_is_reported_looks_are_due_nevertheless() {
        let begin = Instant::now();
        let mut gathering = Gathering::new(begin, true);
        assert!(gathering.take(begin).is_none());
        let due = gathering.due().unwrap();
        assert!(gathering.take(due).is_some() && gathering.due().is_none());
        gathering.looked(due, due);
        assert_eq!(gathering.due(), Some(due + BLIND_LOOK));
    }
}
