//! The probes of a search: as they are sent, and what is remembered of each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::figures::SizeTried;
use super::options::{HEADER, PathMtuOptions};
use crate::stamp::{COUNTERS, Counters, ErrorEstimate, Purpose, Request, Timestamp, TimestampFormat, TlvWriter};

/// Probes of a search at most.
pub(super) const MOST_PROBES: usize = 50_000;

/// A probe, for as long as the search lasts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// Bytes with headers.
    pub(super) size: usize,
    /// T1 as it was sent.
    pub(super) time: Timestamp,
    pub(super) sent: Instant,
    pub(super) is_answered: bool,
}

/// A probe of which it is not decided what became of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) number: u32,
    /// The size that it is to say something about.
    pub(super) trial: usize,
    /// Whether it is of a size that passes, for comparison.
    pub(super) is_control: bool,
}

/// All probes that were sent.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// By number, which is their place among all that was sent through the socket.
    sent: Vec<Probe>,
    /// In the order of sending.
    pub(super) waiting: VecDeque<Waiting>,
    sizes: BTreeMap<usize, (u64, u64)>,
    packet: Vec<u8>,
}

impl Probes {
    pub(super) fn is_full(&self) -> bool {
        self.sent.len() >= MOST_PROBES
    }

    /// Writes the next probe: of this size with headers.
    pub(super) fn write(&mut self, options: &PathMtuOptions, size: usize, time: Timestamp, now: Instant) -> &[u8] {
        let number = self.count();
        self.sent.push(Probe { size, time, sent: now, is_answered: false });
        self.sizes.entry(size).or_default().0 += 1;
        write(options, number, time, size - options.header_len(), &mut self.packet);
        &self.packet
    }

    /// How many were written.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.sent.len()).unwrap_or(u32::MAX)
    }

    /// The longest size that was sent.
    pub(super) fn longest(&self) -> usize {
        self.sizes.last_key_value().map_or(0, |(size, _)| *size)
    }

    /// The probe of this number.
    pub(super) fn get(&self, number: u64) -> Option<&Probe> {
        self.sent.get(usize::try_from(number).ok()?)
    }

    /// Notes that a probe was answered; false where it was before. A reply that came in fragments does not count for its size.
    pub(super) fn answer(&mut self, number: u32, is_whole: bool) -> bool {
        let Some(probe) = self.sent.get_mut(number as usize) else { return false };
        let is_first = !std::mem::replace(&mut probe.is_answered, true);
        if is_first && is_whole {
            self.sizes.entry(probe.size).or_default().1 += 1;
        }
        is_first
    }

    /// Takes back a probe that could not be sent, and returns it.
    pub(super) fn take_back(&mut self, number: u64) -> Option<Probe> {
        let probe = *self.get(number)?;
        self.waiting.retain(|waiting| u64::from(waiting.number) != number);
        if let Some((sent, _)) = self.sizes.get_mut(&probe.size) {
            *sent -= 1;
            if *sent == 0 {
                self.sizes.remove(&probe.size);
            }
        }
        Some(probe)
    }

    /// What became of the probes of each size.
    pub(super) fn sizes(&self) -> Vec<SizeTried> {
        let tried = |(bytes, (sent, answered)): (&usize, &(u64, u64))| SizeTried {
            bytes: *bytes as u64,
            sent: *sent,
            answered: *answered,
        };
        self.sizes.iter().map(tried).collect()
    }
}

/// Writes a probe of this many bytes of payload, with the counters where there is room for them.
fn write(options: &PathMtuOptions, number: u32, time: Timestamp, len: usize, packet: &mut Vec<u8>) {
    packet.clear();
    let error = ErrorEstimate::unsynchronized(TimestampFormat::Ntp);
    let request = Request { sequence: number, sent: time, error, ssid: options.ssid };
    request.write(options.key.as_ref(), packet);
    let full = options.smallest() - options.header_len();
    let mut tlvs = TlvWriter::after(packet);
    // Padding takes the octets of a header, or there is none.
    if len == full || len >= full + HEADER {
        let counters = Counters { load: Some(0), longest: Some(0), ..Counters::request(Purpose::Probe) };
        tlvs.push(COUNTERS, counters.write(&mut Vec::new()));
        options.key.iter().for_each(|key| tlvs.seal(key));
    }
    tlvs.pad_to(len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Key;

    #[test]
    fn a_probe_is_as_long_as_asked_for_in_both_families() {
        for target in ["127.0.0.1:862", "[::1]:862"] {
            for key in [None, Some(Key::new(b"0123456789abcdef"))] {
                let options = PathMtuOptions::new(target.parse().unwrap()).key(key.clone());
                let longest = options.longest();
                for size in (options.smallest()..options.smallest() + 20).chain([1500, 9000, longest]) {
                    let mut probes = Probes::default();
                    let packet = probes.write(&options, size, Timestamp::default(), crate::clock::now());
                    assert_eq!(packet.len() + options.header_len(), size);
                    let (_, tlvs) = Request::read(packet, key.as_ref()).unwrap();
                    assert!(!tlvs.has_failed_integrity(), "{size}");
                    let has_counters = tlvs.requested(COUNTERS).and_then(Counters::read).is_some();
                    assert_eq!(has_counters, !(1..HEADER).contains(&(size - options.smallest())), "{size}");
                }
            }
        }
    }
}
