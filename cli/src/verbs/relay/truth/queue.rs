//! What the thread that relays has for the one that writes the truth file: a bounded queue, whose lock is held for copies
//! alone.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::record::Item;

/// One end of the queue; both are alike.
#[derive(Clone)]
pub(super) struct Queue(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Something waits, or the run has ended.
    filled: Condvar,
}

struct State {
    waiting: Part,
    /// Items that ever came, with or without room.
    offered: u64,
    /// Items that may wait, or be in the writer's hands.
    limit: usize,
    /// Items that are in the writer's hands.
    taken: usize,
    /// Whether the writer sleeps until something waits.
    asleep: bool,
    /// Whether nothing more will come.
    ended: bool,
}

/// A part of what is to be written, in order.
#[derive(Default)]
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    /// Items that came after these, and found no room.
    pub(super) missed: u64,
}

impl Queue {
    /// A queue of at most so many items.
    pub(super) fn new(limit: usize) -> Self {
        let state = State { waiting: Part::default(), offered: 0, limit, taken: 0, asleep: false, ended: false };
        Self(Arc::new(Inner { state: Mutex::new(state), filled: Condvar::new() }))
    }

    /// Puts items behind the others, as far as there is room; else they are counted.
    pub(super) fn put(&self, items: impl IntoIterator<Item = Item>) {
        let mut state = self.0.state.lock();
        for item in items {
            state.offered += 1;
            match state.waiting.items.len() + state.taken < state.limit {
                true => state.waiting.items.push(item),
                false => state.waiting.missed += 1,
            }
        }
    }

    /// Wakes the writer, if there is something for it.
    pub(super) fn wake(&self) {
        let mut state = self.0.state.lock();
        if state.asleep && !state.waiting.is_empty() {
            state.asleep = false;
            drop(state);
            self.0.filled.notify_one();
        }
    }

    /// Waits for something, and takes all there is, in exchange for a part that is done; false if nothing will come any more.
    pub(super) fn take(&self, part: &mut Part) -> bool {
        part.items.clear();
        part.missed = 0;
        let mut state = self.0.state.lock();
        state.taken = 0;
        while state.waiting.is_empty() && !state.ended {
            state.asleep = true;
            self.0.filled.wait(&mut state);
        }
        state.asleep = false;
        std::mem::swap(&mut state.waiting, part);
        state.taken = part.items.len();
        !part.is_empty()
    }

    /// Waits until this moment, or until the run has ended.
    pub(super) fn rest(&self, until: Instant) {
        let mut state = self.0.state.lock();
        while !state.ended && !self.0.filled.wait_until(&mut state, until).timed_out() {}
    }

    /// Items that ever came.
    pub(super) fn offered(&self) -> u64 {
        self.0.state.lock().offered
    }

    /// Tells the writer that nothing more will come.
    pub(super) fn end(&self) {
        self.0.state.lock().ended = true;
        self.0.filled.notify_one();
    }
}

impl Part {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.missed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::SendFailed;
    use super::*;
    use crate::words::endpoint::Endpoint;

    fn item(at_ns: i64) -> Item {
        let destination = Endpoint("192.0.2.1:7".parse().unwrap());
        Item::SendFailed(Box::new(SendFailed { at_ns, destination, count: 1, error: String::new() }))
    }

    fn times(part: &Part) -> Vec<i64> {
        let time = |item: &Item| if let Item::SendFailed(failed) = item { failed.at_ns } else { -1 };
        part.items.iter().map(time).collect()
    }

    #[test]
    fn what_finds_no_room_is_counted_behind_what_did() {
        let queue = Queue::new(3);
        let mut part = Part::default();
        queue.put((0..5).map(item));
        assert!(queue.take(&mut part));
        assert_eq!((times(&part), part.missed), (vec![0, 1, 2], 2));
        // What the writer has in its hands takes room until it comes for more.
        queue.put([item(5)]);
        assert!(queue.take(&mut part));
        assert_eq!((times(&part), part.missed), (vec![], 1));
        queue.put([item(6)]);
        queue.end();
        assert!(queue.take(&mut part));
        assert_eq!((times(&part), part.missed), (vec![6], 0));
        assert!(!queue.take(&mut part));
        assert_eq!(queue.offered(), 7);
    }
}
