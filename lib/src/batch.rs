//! Batches: many datagrams received or sent in one system call, each with all that is known of it.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use crate::clock::{Clocks, both};
use crate::datagram::{Datagram, Entry, Message, Meta, SendFailure, Train, Transmit};
use crate::options::Options;
use crate::stats::SignedNanoseconds;
use crate::sys::contract::{Outgoing, SEND_SLOTS, Slots};
use crate::sys::native::{ReceiveScratch, SendScratch};

/// Memory for a number of datagrams, used again for each call of [`Socket::receive`](crate::Socket::receive).
///
/// Costs `slots × slot_len` bytes of address space, of which only what datagrams fill becomes memory.
///
/// ```
/// use udpkit::{Options, ReceiveBatch, Socket, Wait};
///
/// # fn main() -> udpkit::Result<()> {
/// # let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default())?;
/// # socket.send_to(b"a datagram", socket.local_address())?;
/// // 64 datagrams at once, and the first eight bytes of each.
/// let mut batch = ReceiveBatch::new(64, 8);
/// socket.receive(&mut batch, Wait::Forever)?;
/// for datagram in batch.datagrams() {
///     assert_eq!((datagram.payload, datagram.wire_len), (&b"a datagr"[..], 10));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReceiveBatch {
    pub(crate) payloads: Vec<u8>,
    pub(crate) slot_len: usize,
    pub(crate) slots: usize,
    pub(crate) messages: Vec<Message>,
    scratch: ReceiveScratch,
    clocks: Clocks,
}

impl ReceiveBatch {
    /// Slots of a default batch: past 16, more gain nothing (measured), and 32 cost nothing.
    pub const SLOTS: usize = 32;
    /// Length of a default slot: no datagram is longer, nor a train of them.
    pub const SLOT_LEN: usize = 65_536;

    /// A batch of `slots` datagrams, of which each holds at most `slot_len` bytes. At least one of each.
    #[must_use]
    pub fn new(slots: usize, slot_len: usize) -> Self {
        let (slots, slot_len) = (slots.max(1), slot_len.max(1));
        Self {
            payloads: vec![0; slots * slot_len],
            slot_len,
            slots,
            messages: Vec::with_capacity(slots),
            scratch: ReceiveScratch::new(slots),
            clocks: Clocks::starting(both()),
        }
    }

    /// Where a backend puts what it receives.
    pub(crate) fn parts(&mut self) -> (Slots<'_>, &mut ReceiveScratch) {
        let Self { payloads, slot_len, messages, scratch, .. } = self;
        (Slots { payloads, slot_len: *slot_len, messages }, scratch)
    }

    /// The most messages that one call can receive.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// What the last call received, in order of arrival, runs of one source kept together as the kernel gave them.
    pub fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        self.messages.iter().zip(self.payloads.chunks(self.slot_len)).map(|(message, slot)| {
            // The kernel never reports a segment size of zero; if it did, the message would be one datagram.
            let segment = message.segment.filter(|&len| len > 0).unwrap_or(message.wire_len);
            Train {
                meta: &message.meta,
                payload: &slot[..message.wire_len.min(slot.len())],
                wire_len: message.wire_len,
                segment,
            }
        })
    }

    /// What the last call received, datagram by datagram, in order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.trains().flat_map(Train::datagrams)
    }

    /// Takes both clocks as they are when a call has returned.
    pub(crate) fn read_clocks(&mut self, reading: (Instant, SystemTime)) {
        let last = self.messages.last().and_then(|message| message.meta.received);
        self.clocks.read(reading, last);
    }

    /// How far the system's clock was set between the last call and the one before, or the machine slept: `None` if not by
    /// over a millisecond.
    #[must_use]
    pub fn clock_step(&self) -> Option<SignedNanoseconds> {
        self.clocks.step()
    }

    /// When the last call returned.
    pub(crate) fn received_at(&self) -> Instant {
        self.clocks.last().0
    }

    /// When a datagram of the last call arrived, on the monotonic clock: the kernel's time where it was asked for.
    ///
    /// The kernel tells the time of the system's clock. Where that was [set](Self::clock_step), the times of what had arrived
    /// before it was noticed are not used: the arrival is that of the call, as it is without a time.
    ///
    /// # Panics
    ///
    /// If nothing was ever received into this batch.
    #[must_use]
    pub fn arrival(&self, meta: &Meta) -> Instant {
        let now = self.clocks.last().0;
        let age = meta.received.and_then(|received| self.clocks.age(received));
        age.and_then(|age| now.checked_sub(age)).unwrap_or(now)
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new(Self::SLOTS, Self::SLOT_LEN)
    }
}

/// Datagrams to be sent in as few system calls as the system allows.
///
/// Bounded: [`ENTRIES`](Self::ENTRIES) runs and [`BYTES`](Self::BYTES) bytes; [`push`](Self::push) says when it is full, and
/// [`Socket::queue`](crate::Socket::queue) sends it then.
///
/// ```
/// use udpkit::{Options, SendBatch, SendFailure, Socket, Transmit};
///
/// # fn main() -> udpkit::Result<()> {
/// let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default())?;
/// let transmit = Transmit::to(socket.local_address());
/// let report = |failure: &SendFailure| eprintln!("{failure}");
///
/// let mut batch = SendBatch::default();
/// for number in 0..100_u32 {
///     // A batch that is full is sent on the way.
///     socket.queue(&mut batch, &transmit, &number.to_be_bytes()).iter().for_each(report);
/// }
/// socket.send(&mut batch).iter().for_each(report);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct SendBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) failures: Vec<SendFailure>,
    /// Datagrams that were pushed since there is this batch.
    pushed: u64,
    scratch: SendScratch,
}

/// The most segments of one GSO message that every kernel with GSO takes (`UDP_MAX_SEGMENTS`, 64 until Linux 6.x).
const MAX_SEGMENTS: usize = 64;
/// The most bytes of one GSO message, in either family.
const MAX_TRAIN: usize = 65_487;

impl SendBatch {
    /// The most runs of datagrams that a batch holds.
    pub const ENTRIES: usize = SEND_SLOTS;
    /// The bytes at which a batch counts as full.
    pub const BYTES: usize = 1 << 20;

    /// What a backend sends, and where it records what could not be.
    pub(crate) fn parts(&mut self, bound: IpAddr, options: &Options) -> (Outgoing<'_>, &mut SendScratch) {
        let Self { bytes, entries, failures, scratch, .. } = self;
        let (dual_stack, traffic_class) = (options.dual_stack, options.traffic_class.unwrap_or_default());
        (Outgoing { bytes, entries, failures, dual_stack, bound, traffic_class, times: None }, scratch)
    }

    /// Adds a datagram; false, and nothing added, where the batch is full and must be sent first.
    ///
    /// Follows it one with the same `transmit` and length, the two are sent as one train where the system can. A short
    /// reply (32 KiB or less) to each slot of a default [`ReceiveBatch`] always fits.
    #[must_use = "a datagram that finds the batch full is not in it"]
    pub fn push(&mut self, transmit: &Transmit, payload: &[u8]) -> bool {
        if self.bytes.len() + payload.len() > Self::BYTES && !self.entries.is_empty() {
            return false;
        }
        if let Some(last) = self.entries.last_mut()
            && last.takes(payload.len())
            && last.transmit == *transmit
        {
            last.len += payload.len();
            last.count += 1;
            self.pushed += 1;
            self.bytes.extend_from_slice(payload);
            return true;
        }
        if self.entries.len() >= Self::ENTRIES {
            return false;
        }
        self.entries.push(Entry {
            transmit: *transmit,
            place: self.pushed,
            start: self.bytes.len(),
            len: payload.len(),
            segment: payload.len(),
            count: 1,
        });
        self.pushed += 1;
        self.bytes.extend_from_slice(payload);
        true
    }

    /// Datagrams that were put in since there is this batch, or the one that it goes on for.
    pub(crate) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Goes on for another batch, into which so many datagrams were put.
    pub(crate) fn set_pushed(&mut self, pushed: u64) {
        self.pushed = pushed;
    }

    /// The most bytes of a train of datagrams of this length.
    #[must_use]
    pub fn max_train(segment: usize) -> usize {
        segment.max(1) * MAX_SEGMENTS.min(MAX_TRAIN / segment.max(1)).max(1)
    }

    /// Adds a run of datagrams of `segment` bytes, the last one shorter where that does not divide the payload; false,
    /// and nothing added, where the batch is full.
    ///
    /// # Panics
    ///
    /// If the payload is longer than [`max_train`](Self::max_train) allows, or the segment is empty.
    #[must_use = "a train that finds the batch full is not in it"]
    pub fn push_train(&mut self, transmit: &Transmit, payload: &[u8], segment: usize) -> bool {
        assert!(segment > 0 && payload.len() <= Self::max_train(segment), "a train of {} bytes", payload.len());
        if payload.len() <= segment {
            return self.push(transmit, payload);
        }
        if self.entries.len() >= Self::ENTRIES || self.bytes.len() + payload.len() > Self::BYTES {
            return false;
        }
        let (start, count) = (self.bytes.len(), payload.len().div_ceil(segment));
        self.entries.push(Entry { transmit: *transmit, place: self.pushed, start, len: payload.len(), segment, count });
        self.pushed += count as u64;
        self.bytes.extend_from_slice(payload);
        true
    }

    /// Whether nothing waits to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Datagrams that wait to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.iter().map(|entry| entry.count).sum()
    }

    /// What the last [`Socket::send`](crate::Socket::send), [`queue`](crate::Socket::queue) or
    /// [`try_send`](crate::Socket::try_send) could not send.
    #[must_use]
    pub fn failures(&self) -> &[SendFailure] {
        &self.failures
    }

    /// Empties the batch: all that is in it failed, for this reason.
    pub(crate) fn fail_all(&mut self, kind: std::io::ErrorKind) {
        let failure = |entry: &Entry| SendFailure {
            transmit: entry.transmit,
            place: entry.place,
            count: entry.count,
            bytes: entry.len,
            error: kind.into(),
        };
        self.failures.clear();
        self.failures.extend(self.entries.iter().map(failure));
        self.clear();
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

impl Entry {
    /// Whether a datagram of this length can join the run: only the last may be shorter, and none is empty.
    fn takes(&self, len: usize) -> bool {
        let closed = self.len < self.segment * self.count;
        len > 0 && len <= self.segment && !closed && self.count < MAX_SEGMENTS && self.len + len <= MAX_TRAIN
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn to(port: u16) -> Transmit {
        Transmit::to(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    proptest! {
        #[test]
        fn a_train_holds_every_byte_once(len in 0usize..5000, segment in 1usize..2000, held in 0usize..6000) {
            let meta = Meta::new(SocketAddr::from(([127, 0, 0, 1], 1)));
            let payload: Vec<u8> = (0..len.min(held)).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let train = Train { meta: &meta, payload: &payload, wire_len: len, segment };
            let datagrams: Vec<_> = train.datagrams().collect();
            prop_assert_eq!(datagrams.len(), train.count());
            prop_assert_eq!(datagrams.iter().map(|datagram| datagram.wire_len).sum::<usize>(), len);
            let joined: Vec<u8> = datagrams.iter().flat_map(|datagram| datagram.payload.iter().copied()).collect();
            prop_assert_eq!(joined, payload);
        }

        #[test]
        fn runs_hold_equal_lengths_and_only_the_last_is_shorter(lens in prop::collection::vec(0usize..40, 1..300)) {
            let mut batch = SendBatch::default();
            let mut pushed = 0;
            for len in lens {
                if !batch.push(&to(1), &vec![7; len]) {
                    break;
                }
                pushed += 1;
            }
            prop_assert_eq!(batch.len(), pushed);
            for entry in &batch.entries {
                if entry.count > 1 {
                    let last = entry.len - entry.segment * (entry.count - 1);
                    prop_assert!(last > 0 && last <= entry.segment);
                }
                prop_assert!(entry.count <= MAX_SEGMENTS && entry.len <= MAX_TRAIN);
            }
        }
    }

    /// A batch of one, and both clocks: an hour that the system's can be set by.
    fn clocked() -> (ReceiveBatch, Instant, SystemTime) {
        let (mut batch, start) = (ReceiveBatch::new(1, 1), crate::clock::now());
        batch.clocks = Clocks::default();
        (batch, start, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
    }

    /// Receives a datagram of this kernel time when the clocks show these; returns when it arrived.
    fn arrival(batch: &mut ReceiveBatch, received: SystemTime, reading: (Instant, SystemTime)) -> Instant {
        let meta = Meta { received: Some(received), ..Meta::new(SocketAddr::from(([192, 0, 2, 1], 1))) };
        batch.messages.clear();
        batch.messages.push(Message { meta, wire_len: 0, segment: None });
        batch.read_clocks(reading);
        batch.arrival(&meta)
    }

    const MICROSECOND: Duration = Duration::from_micros(1);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_clock_that_is_set_after_an_arrival_does_not_change_its_time() {
        for step in [10 * MICROSECOND, SECOND, 3600 * SECOND] {
            for forward in [true, false] {
                let set = |time: SystemTime| if forward { time + step } else { time - step };
                let (mut batch, start, system) = clocked();
                let at = |count: u32| start + count * SECOND;
                let first = arrival(&mut batch, system - MICROSECOND, (start, system));
                assert_eq!(first, start - MICROSECOND);
                // It arrives, the clock is set, it is received.
                let hit = arrival(&mut batch, system + SECOND - MICROSECOND, (at(1), set(system + SECOND)));
                assert!(hit <= at(1) && at(1) - hit <= MICROSECOND, "{step:?} {forward}: {:?}", at(1) - hit);
                // Those that arrive after that have the new time, and again their own age, however old they are.
                for count in 2..5 {
                    let fresh = set(system + count * SECOND) - MICROSECOND;
                    let fresh = arrival(&mut batch, fresh, (at(count), set(system + count * SECOND)));
                    assert_eq!(fresh, at(count) - MICROSECOND, "{step:?} {forward}");
                }
                let old = arrival(&mut batch, set(system + 5 * SECOND), (at(7), set(system + 7 * SECOND)));
                assert_eq!(old, at(5), "{step:?} {forward}");
            }
        }
    }

    #[test]
    fn a_step_of_the_clock_is_noticed_once_and_no_time_from_before_it_is_used() {
        const MILLISECOND: Duration = Duration::from_millis(1);
        for step in [1001 * MICROSECOND, 5 * MILLISECOND, SECOND, 3600 * SECOND] {
            for forward in [true, false] {
                let set = |time: SystemTime| if forward { time + step } else { time - step };
                let by = i64::try_from(step.as_nanos()).unwrap() * if forward { 1 } else { -1 };
                let (mut batch, start, system) = clocked();
                arrival(&mut batch, system, (start, system));
                assert_eq!(batch.clock_step(), None);
                let noticed = start + SECOND;
                // It waited in the socket for a while, and the clock was set meanwhile.
                let hit = arrival(&mut batch, system + SECOND - 20 * MILLISECOND, (noticed, set(system + SECOND)));
                assert_eq!((hit, batch.clock_step()), (noticed, Some(SignedNanoseconds(by))));
                // Another socket is read after that: what had arrived there before, by either clock, has no time.
                let later = (noticed + MILLISECOND, set(system + SECOND + MILLISECOND));
                for received in [system + SECOND - 10 * step, set(system + SECOND) - MICROSECOND] {
                    assert_eq!(arrival(&mut batch, received, later), later.0, "{step:?} {forward}");
                    assert_eq!(batch.clock_step(), None, "told once");
                }
                let fresh = set(system + SECOND) + 3 * MILLISECOND;
                let reading = (noticed + 4 * MILLISECOND, set(system + SECOND + 4 * MILLISECOND));
                assert_eq!(arrival(&mut batch, fresh, reading), noticed + 3 * MILLISECOND, "{step:?} {forward}");
            }
        }
    }

    #[test]
    fn what_is_no_step_is_not_told_as_one() {
        let (mut batch, start, system) = clocked();
        for count in 0..1000 {
            // Readings that come late by turns, and a clock that runs a ten-thousandth too fast.
            let late = if count % 2 == 0 { Duration::ZERO } else { 500 * MICROSECOND };
            let reading = (start + count * SECOND, system + count * SECOND + count * 100 * MICROSECOND + late);
            arrival(&mut batch, reading.1, reading);
            assert_eq!(batch.clock_step(), None, "{count}");
        }
    }

    #[test]
    fn a_long_wait_in_the_socket_is_no_set_clock() {
        let (mut batch, start, system) = clocked();
        arrival(&mut batch, system, (start, system));
        let waited = arrival(&mut batch, system + SECOND, (start + 60 * SECOND, system + 60 * SECOND));
        assert_eq!(waited, start + SECOND);
        // Nor is a pause between the readings of the two clocks.
        let late = (start + 61 * SECOND, system + 61 * SECOND + 1000 * MICROSECOND);
        assert_eq!(arrival(&mut batch, system + 61 * SECOND, late), start + 61 * SECOND);
        assert_eq!(batch.received_at(), start + 61 * SECOND);
    }

    #[test]
    fn a_clock_that_is_set_forward_makes_the_rate_limit_refuse_nobody() {
        let (mut batch, start, system) = clocked();
        let (limiter, source) = (crate::RateLimiter::new(10), [192, 0, 2, 1].into());
        let mut allowed = 0;
        for count in 0..100 {
            let (now, then) = (start + count * SECOND / 10, system + count * SECOND / 10);
            // It is set when the sixtieth waits to be received.
            let reading = if count < 60 { then } else { then + 3600 * SECOND };
            let received = if count <= 60 { then } else { reading };
            allowed += limiter.allow(arrival(&mut batch, received - MICROSECOND, (now, reading)), source, 1);
        }
        assert_eq!(allowed, 100);
    }

    #[test]
    fn other_destinations_do_not_join() {
        let mut batch = SendBatch::default();
        assert!(batch.push(&to(1), b"a") && batch.push(&to(2), b"a") && batch.push(&to(2), b"b"));
        assert_eq!(batch.entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_full_batch_says_so_and_one_datagram_always_fits() {
        let mut batch = SendBatch::default();
        for port in 0..64 {
            assert!(batch.push(&to(port), b"x"));
        }
        assert!(!batch.push(&to(64), b"x"));
        batch.clear();
        while batch.push(&to(1), &[0; 65_507]) {}
        assert!(batch.bytes.len() <= SendBatch::BYTES);
    }
}
