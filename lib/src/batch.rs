//! Batches: many datagrams received or sent in one system call, each with all that is known of it.

use std::time::{Instant, SystemTime};

use crate::datagram::{Datagram, Entry, Message, Meta, SendFailure, Train, Transmit};
use crate::sys::contract::{Outgoing, SEND_SLOTS, Slots};
use crate::sys::native::{ReceiveScratch, SendScratch};

/// Memory for a number of datagrams, used again for each call of [`Socket::receive`](crate::Socket::receive).
///
/// Costs `slots × slot_len` bytes of address space, of which only what datagrams fill becomes memory.
#[derive(Debug)]
pub struct ReceiveBatch {
    pub(crate) payloads: Vec<u8>,
    pub(crate) slot_len: usize,
    pub(crate) slots: usize,
    pub(crate) messages: Vec<Message>,
    scratch: ReceiveScratch,
    pub(crate) clock: Option<(Instant, SystemTime)>,
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
            clock: None,
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

    /// When the last call returned.
    pub(crate) fn received_at(&self) -> Instant {
        self.clock.expect("a batch was received, so the clock was read").0
    }

    /// When a datagram of the last call arrived, on the monotonic clock: the kernel's time where it was asked for.
    ///
    /// # Panics
    ///
    /// If nothing was ever received into this batch.
    #[must_use]
    pub fn arrival(&self, meta: &Meta) -> Instant {
        let (instant, system) = self.clock.expect("a datagram of this batch was received, so the clock was read");
        meta.received
            .and_then(|received| system.duration_since(received).ok())
            .and_then(|age| instant.checked_sub(age))
            .unwrap_or(instant)
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new(Self::SLOTS, Self::SLOT_LEN)
    }
}

/// Datagrams to be sent in as few system calls as the system allows.
///
/// Bounded: [`ENTRIES`](Self::ENTRIES) runs and [`BYTES`](Self::BYTES) bytes; [`push`](Self::push) says when it is full.
#[derive(Debug, Default)]
pub struct SendBatch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) failures: Vec<SendFailure>,
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
    pub(crate) fn parts(&mut self) -> (Outgoing<'_>, &mut SendScratch) {
        let Self { bytes, entries, failures, scratch } = self;
        (Outgoing { bytes, entries, failures }, scratch)
    }

    /// Adds a datagram; false, and nothing added, where the batch is full and must be sent first.
    ///
    /// Follows it one with the same `transmit` and length, the two are sent as one train where the system can. A short
    /// reply (32 KiB or less) to each slot of a default [`ReceiveBatch`] always fits.
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
            self.bytes.extend_from_slice(payload);
            return true;
        }
        if self.entries.len() == Self::ENTRIES {
            return false;
        }
        self.entries.push(Entry {
            transmit: *transmit,
            start: self.bytes.len(),
            len: payload.len(),
            segment: payload.len(),
            count: 1,
        });
        self.bytes.extend_from_slice(payload);
        true
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
    pub fn push_train(&mut self, transmit: &Transmit, payload: &[u8], segment: usize) -> bool {
        assert!(segment > 0 && payload.len() <= Self::max_train(segment), "a train of {} bytes", payload.len());
        if payload.len() <= segment {
            return self.push(transmit, payload);
        }
        if self.entries.len() == Self::ENTRIES || self.bytes.len() + payload.len() > Self::BYTES {
            return false;
        }
        let (start, count) = (self.bytes.len(), payload.len().div_ceil(segment));
        self.entries.push(Entry { transmit: *transmit, start, len: payload.len(), segment, count });
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

    /// What the last [`Socket::send`](crate::Socket::send) could not send.
    #[must_use]
    pub fn failures(&self) -> &[SendFailure] {
        &self.failures
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
