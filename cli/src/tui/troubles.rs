//! What goes wrong while the screen is open: shown on it, and told once the terminal is given back.

use std::sync::Arc;

use parking_lot::Mutex;
use udpkit::Event;

use crate::output::{ClockStepped, Notice, Reopened};
use crate::words::endpoint::{self, Endpoint};

/// Troubles that are kept for the end; more are counted.
const MAX_TROUBLES: usize = 16;

/// What went wrong so far. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Troubles(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    first: Vec<String>,
    more: u64,
    last: Option<String>,
}

impl Troubles {
    /// Notes what went wrong.
    pub(crate) fn tell(&self, words: String) {
        let mut kept = self.0.lock();
        kept.last = Some(words.clone());
        if kept.first.len() < MAX_TROUBLES {
            kept.first.push(words);
        } else {
            kept.more += 1;
        }
    }

    /// Notes what an event says that goes wrong, and what mends it: else the trouble before would seem to last.
    pub(crate) fn hear(&self, event: &Event<'_>) {
        let words = match event {
            Event::Trouble(trouble) => vec![endpoint::of_error(trouble.error)],
            Event::Reopened(reopened) => Reopened { address: Endpoint(reopened.local) }.words(),
            Event::ClockStepped(stepped) => ClockStepped::new(stepped.by).words(),
            _ => return,
        };
        words.into_iter().for_each(|words| self.tell(words));
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().last.clone()
    }

    /// Takes the first ones, and how many more there were.
    pub(super) fn take(&self) -> Vec<String> {
        let Kept { mut first, more, .. } = std::mem::take(&mut *self.0.lock());
        if more > 0 {
            first.push(format!("{more} more of these"));
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_troubles_are_counted_and_the_last_one_is_in_sight() {
        let troubles = Troubles::default();
        (0..100).for_each(|number| troubles.tell(format!("trouble {number}")));
        assert_eq!(troubles.last().as_deref(), Some("trouble 99"));
        let all = troubles.take();
        assert_eq!((all.len(), all[0].as_str(), all[16].as_str()), (17, "trouble 0", "84 more of these"));
    }
}
