//! Several captures, read as one: in the order of their times.

use std::time::Duration;

use udpkit_capture::{PacketCounts, ReadError, Reader};

use super::kept::Kept;
use super::stoppable::Stoppable;

/// Several captures that are read side by side; one datagram of each is in memory.
pub(super) struct Merged {
    parts: Vec<Part>,
    /// The first that could not be read to its end, and why: returned after all that is in the others.
    failure: Option<(usize, ReadError)>,
    /// The capture of which an error was returned.
    culprit: Option<usize>,
}

/// One of them.
struct Part {
    reader: Reader<Stoppable>,
    /// Its next datagram, if that was read.
    next: Option<Kept>,
    /// The last time in it: a datagram without a time comes with the one before it.
    last: Duration,
    is_over: bool,
}

impl Merged {
    /// Reads these captures from their beginnings.
    pub(super) fn new(readers: Vec<Reader<Stoppable>>) -> Self {
        let part = |reader| Part { reader, next: None, last: Duration::ZERO, is_over: false };
        Self { parts: readers.into_iter().map(part).collect(), failure: None, culprit: None }
    }

    /// The datagram of the earliest time; of equal ones that of the capture that was named first. Each capture keeps its order.
    pub(super) fn next(&mut self) -> Result<Option<Kept>, ReadError> {
        for (place, part) in self.parts.iter_mut().enumerate().filter(|(_, part)| part.next.is_none() && !part.is_over)
        {
            match part.reader.next() {
                Ok(Some(datagram)) => {
                    part.last = datagram.time.unwrap_or(part.last);
                    part.next = Some(Kept::new(&datagram, place));
                }
                Ok(None) => part.is_over = true,
                Err(error) => {
                    part.is_over = true;
                    self.failure.get_or_insert((place, error));
                }
            }
        }
        let waiting = self.parts.iter_mut().filter(|part| part.next.is_some());
        match waiting.min_by_key(|part| part.last) {
            Some(part) => Ok(part.next.take()),
            None => match self.failure.take() {
                Some((place, error)) => {
                    self.culprit = Some(place);
                    Err(error)
                }
                None => Ok(None),
            },
        }
    }

    /// Which one the error was of.
    pub(super) fn culprit(&self) -> Option<usize> {
        self.culprit
    }

    /// What became of the packets of all.
    pub(super) fn counts(&self) -> PacketCounts {
        let mut counts = PacketCounts::default();
        self.parts.iter().for_each(|part| counts.merge(&part.reader.counts()));
        counts
    }
}
