//! Which datagrams a send time of the kernel is for, and how many such times may wait to be read.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a socket with send times knows of them.
///
/// A time comes back by the error queue with a number of 32 bits. Kernels since 6.13 take that number with each message: there it is
/// made of the datagram's place and of how many leave as one train. Before, the kernel counts messages, and after a call that
/// failed nobody knows how far: then no times are asked for until every number it gave has come back, and the count begins again.
#[derive(Debug)]
pub(crate) struct SendTimes {
    /// Datagrams that were handed to the socket.
    sent: AtomicU64,
    /// `sent` when the error queue was last found empty.
    emptied: AtomicU64,
    /// Times that were asked for since, less those that were read.
    unread: AtomicI64,
    /// The most of them: what waits in the error queue takes room from what is received, and a full one takes all of it.
    most: i64,
    /// Where the kernel counts: how its numbers are to be read.
    count: Option<Mutex<Count>>,
}

/// How a kernel that counts messages numbers them.
#[derive(Debug, Default)]
struct Count {
    /// The place of its number 0.
    first: u64,
    /// Whether its count is known: every message since then had a number, and no call failed.
    is_known: bool,
}

/// Bytes of receive buffer for each time that may wait: a time occupies 832 in the kernels seen, and half is left to datagrams.
const BUFFER_PER_TIME: usize = 2048;
/// Bits of a number that say how many datagrams a train has, less one.
const COUNT_BITS: u32 = 6;
/// The most datagrams of a train that a number can say.
pub(crate) const MAX_COUNT: usize = 1 << COUNT_BITS;
/// Bits of a number that say the place.
const PLACE_BITS: u32 = u32::BITS - COUNT_BITS;
/// Datagrams handed to the socket since the error queue was empty, past which a place may be one or another.
const WINDOW: u64 = 1 << (PLACE_BITS - 1);

impl SendTimes {
    /// For a socket with a receive buffer of so many bytes, on a kernel that counts messages itself or takes numbers.
    pub(crate) fn new(receive_buffer: usize, is_counted: bool) -> Self {
        Self {
            sent: AtomicU64::new(0),
            emptied: AtomicU64::new(0),
            unread: AtomicI64::new(0),
            most: i64::try_from(receive_buffer / BUFFER_PER_TIME).unwrap_or(i64::MAX).max(1),
            count: is_counted.then(Mutex::default),
        }
    }

    /// Whether the kernel counts messages: trains would then be counted as one datagram.
    pub(crate) fn is_counted(&self) -> bool {
        self.count.is_some()
    }

    /// Takes note of datagrams that are about to be handed to the socket; returns the place of the first.
    pub(crate) fn hand_over(&self, datagrams: usize) -> u64 {
        self.sent.fetch_add(datagrams as u64, Ordering::AcqRel)
    }

    /// Of those handed over from this place on, the last were left in the batch, and are handed over again. Where others have
    /// handed over more meanwhile, their places stay unused.
    pub(crate) fn take_back(&self, first: u64, datagrams: usize, left: usize) {
        let end = first + datagrams as u64;
        let _ = self.sent.compare_exchange(end, end - left as u64, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Datagrams that were handed to the socket so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Begins a send call. Where the kernel counts, others wait until it ends, so that the count stays known.
    pub(crate) fn begin(&self) -> Sending<'_> {
        Sending { times: self, count: self.lock(), asked: 0 }
    }

    /// Begins to read the error queue by one report; where the kernel counts, nobody sends meanwhile.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { times: self, count: self.lock(), sent: self.sent() }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Count>> {
        self.count.as_ref().map(|count| count.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number for datagrams that are handed over as one message.
    fn number(place: u64, count: usize) -> u32 {
        debug_assert!((1..=MAX_COUNT).contains(&count), "a train of {count}");
        let [.., a, b, c, d] = (place << COUNT_BITS | (count as u64 - 1)).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A send call, as far as times are concerned.
pub(crate) struct Sending<'a> {
    times: &'a SendTimes,
    count: Option<MutexGuard<'a, Count>>,
    /// Messages of those handed over next for which a time is asked.
    asked: usize,
}

impl Sending<'_> {
    /// Whether the kernel's count must begin again, if nothing that was counted is on its way any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.count.as_ref().is_some_and(|count| !count.is_known)
    }

    /// The kernel's count begins again with the datagram of this place.
    pub(crate) fn restart(&mut self, place: u64) {
        if let Some(count) = &mut self.count {
            **count = Count { first: place, is_known: true };
        }
    }

    /// Decides for how many of these messages, of which the first is of this place, times are asked: those from the first on.
    pub(crate) fn ask(&mut self, place: u64, messages: usize) {
        let room = self.times.most.saturating_sub(self.times.unread.load(Ordering::Relaxed));
        let room = usize::try_from(room).unwrap_or(0);
        self.asked = match &mut self.count {
            None => room.min(messages),
            Some(count) => {
                // Without a time, a message would not be counted.
                count.is_known &= room >= messages && (place - count.first) + (messages as u64) < 1 << u32::BITS;
                if count.is_known { messages } else { 0 }
            }
        };
    }

    /// What the message is to ask for: the number that its time has, where the kernel takes one; `None` if for nothing.
    pub(crate) fn message(&self, index: usize, place: u64, count: usize) -> Option<Ask> {
        let number = || if self.count.is_some() { Ask::Counted } else { Ask::Number(SendTimes::number(place, count)) };
        (index < self.asked).then(number)
    }

    /// Of the messages, the kernel took so many.
    pub(crate) fn took(&mut self, taken: usize, messages: usize) {
        let asked = taken.min(self.asked);
        self.times.unread.fetch_add(i64::try_from(asked).unwrap_or(i64::MAX), Ordering::Relaxed);
        if let Some(count) = &mut self.count {
            count.is_known &= taken == messages;
        }
    }
}

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A time with this number.
    Number(u32),
    /// A time with the kernel's own number.
    Counted,
}

/// The reading of one report.
pub(crate) struct Reading<'a> {
    times: &'a SendTimes,
    count: Option<MutexGuard<'a, Count>>,
    /// Datagrams that had been handed over when it began.
    sent: u64,
}

impl Reading<'_> {
    /// Place and number of the datagrams whose time has this number; `None` if that is not certain.
    pub(crate) fn take(self, number: u32) -> Option<(u64, usize)> {
        self.times.unread.fetch_sub(1, Ordering::Relaxed);
        if let Some(count) = &self.count {
            let place = count.first + u64::from(number);
            return (place < self.times.sent()).then_some((place, 1));
        }
        // Others may have handed over since the reading began.
        let sent = self.times.sent();
        if sent.saturating_sub(self.times.emptied.load(Ordering::Acquire)) > WINDOW {
            return None;
        }
        let (low, count) = (u64::from(number >> COUNT_BITS), (number as usize & (MAX_COUNT - 1)) + 1);
        // The latest that was handed over of all that end like it.
        let newest = sent.checked_sub(count as u64)?;
        let back = newest.wrapping_sub(low) & ((1 << PLACE_BITS) - 1);
        Some((newest.checked_sub(back)?, count))
    }

    /// There was none.
    pub(crate) fn none_left(self) {
        self.times.emptied.store(self.sent, Ordering::Release);
        self.times.unread.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// No more than one call can hand over, on 32 bits too.
    const MOST_SENT: u64 = if usize::BITS == 32 { u32::MAX as u64 } else { 1 << 50 };

    proptest! {
        #[test]
        fn a_number_is_read_as_the_datagrams_it_was_made_for(
            sent in 1..=MOST_SENT,
            back in 0u64..WINDOW,
            count in 1usize..=MAX_COUNT,
        ) {
            let times = SendTimes::new(0, false);
            times.hand_over(usize::try_from(sent).unwrap());
            times.reading().none_left();
            let place = times.hand_over(count);
            let number = SendTimes::number(place, count);
            times.hand_over(usize::try_from(back).unwrap());
            let read = times.reading().take(number);
            let is_certain = back + count as u64 <= WINDOW;
            prop_assert_eq!(read, is_certain.then_some((place, count)));
        }

        #[test]
        fn any_number_is_read_as_something_that_was_sent_or_as_nothing(
            sent in 0..=MOST_SENT,
            number: u32,
            is_counted: bool,
        ) {
            let times = SendTimes::new(0, is_counted);
            times.hand_over(usize::try_from(sent).unwrap());
            times.reading().none_left();
            if let Some((place, count)) = times.reading().take(number) {
                prop_assert!(place + count as u64 <= sent);
            }
        }
    }

    #[test]
    fn places_go_on_where_numbers_begin_again() {
        let times = SendTimes::new(0, false);
        times.hand_over(usize::try_from((1u64 << 32) - 3).unwrap());
        times.reading().none_left();
        let places: Vec<_> = (0..6).map(|_| times.hand_over(1)).collect();
        for place in places {
            assert_eq!(times.reading().take(SendTimes::number(place, 1)), Some((place, 1)));
        }
    }

    #[test]
    fn no_more_times_are_asked_for_than_may_wait_until_some_are_read() {
        let times = SendTimes::new(4 * BUFFER_PER_TIME, false);
        let ask = |messages: usize| {
            let first = times.hand_over(messages);
            let mut sending = times.begin();
            sending.ask(first, messages);
            let asked =
                (0..messages).filter(|index| sending.message(*index, first + *index as u64, 1).is_some()).count();
            sending.took(messages, messages);
            asked
        };
        assert_eq!([ask(3), ask(3), ask(3)], [3, 1, 0]);
        times.reading().take(0);
        assert_eq!(ask(3), 1);
        times.reading().none_left();
        assert_eq!(ask(3), 3);
    }
}
