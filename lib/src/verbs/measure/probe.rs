//! Probes and closing questions as they are sent, and what is remembered of each.

use std::time::{Duration, Instant, SystemTime};

use super::options::{DIGEST_LEN, HEADER, MeasureOptions};
use crate::stamp::{
    CLASS_OF_SERVICE, COUNTERS, ClassOfService, Counters, ErrorEstimate, Request, Timestamp, TlvWriter,
};
use crate::stats::SignedNanoseconds;

/// Writes probes.
#[derive(Debug)]
pub(super) struct Writer {
    packet: Vec<u8>,
    value: Vec<u8>,
    error: ErrorEstimate,
}

impl Writer {
    pub(super) fn new(options: &MeasureOptions) -> Self {
        let error = match options.clock_error {
            Some(bound) => ErrorEstimate::of_bound(bound, options.format),
            None => ErrorEstimate::unsynchronized(options.format),
        };
        Self { packet: Vec::new(), value: Vec::new(), error }
    }

    /// A packet of this number, sent now, with these counters to be filled in, and as many of its extensions as there is room for
    /// in `size` bytes.
    pub(super) fn write(
        &mut self,
        options: &MeasureOptions,
        sequence: u32,
        sent: Timestamp,
        asked: &Counters,
        size: usize,
    ) -> &[u8] {
        let Self { packet, value, error } = self;
        packet.clear();
        let request = Request { sequence, sent, error: *error, ssid: options.ssid };
        request.write(options.key.as_ref(), packet);
        let digest = if options.key.is_some() { DIGEST_LEN } else { 0 };
        let (has_counters, has_class) = (options.has_counters(size), options.has_class_of_service(size));
        let has_padding = size >= packet.len() + digest + HEADER;
        let mut tlvs = TlvWriter::after(packet);
        if has_class {
            let class = ClassOfService { reply_dscp: options.traffic_class >> 2, ..ClassOfService::default() };
            tlvs.push(CLASS_OF_SERVICE, &class.bytes());
        }
        if has_counters {
            tlvs.push(COUNTERS, asked.write(value));
        }
        if let Some(key) = options.key.as_ref().filter(|_| has_class || has_counters || has_padding) {
            tlvs.seal(key);
        }
        tlvs.pad_to(size);
        // Too few octets for an extension: zeros are none.
        if packet.len() < size {
            packet.resize(size, 0);
        }
        packet
    }
}

/// What is remembered of a probe until its reply came, or it is lost.
#[derive(Debug)]
pub(super) struct Probe {
    /// Its place among all that was sent through its socket.
    pub(super) place: u64,
    /// When it was due, from the start.
    pub(super) due: Duration,
    /// When it was sent.
    pub(super) sent: Instant,
    /// The same on the system's clock.
    pub(super) utc: SystemTime,
    /// How long after that the kernel handed it to its device, where that is known.
    pub(super) kernel: Option<Duration>,
    /// How often our clock had been set by then.
    pub(super) clock_sets: u64,
    pub(super) state: State,
}

/// What is known of a probe.
#[derive(Debug)]
pub(super) enum State {
    Waiting,
    /// It could not be sent.
    Failed,
    Answered(Answer),
}

/// The first reply to a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) arrived: Instant,
    /// Whether it has no times of the reflector's.
    pub(super) is_echo: bool,
    /// T3 - T2; nothing where it is negative, or the reply has no such times.
    pub(super) residence: Option<Duration>,
    /// T2 - T1 and T4 - T3, by the clocks of both ends; nothing where ours was set meanwhile.
    pub(super) delays: Option<[SignedNanoseconds; 2]>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::{Key, Purpose};

    #[test]
    fn a_probe_is_as_long_as_asked_for_and_has_the_extensions_that_fit() {
        let target = ([127, 0, 0, 1], 862).into();
        for key in [None, Some(Key::new(b"0123456789abcdef"))] {
            let options = MeasureOptions::new(target).key(key.clone());
            let smallest = options.smallest_size();
            let mut writer = Writer::new(&options);
            for size in smallest..smallest + 200 {
                let asked = Counters::request(Purpose::Probe);
                let packet = writer.write(&options, 7, Timestamp::default(), &asked, size);
                assert_eq!(packet.len(), size);
                let (request, tlvs) = Request::read(packet, key.as_ref()).unwrap();
                assert_eq!((request.sequence, tlvs.has_failed_integrity()), (7, false), "{size}");
                let has = |kind| tlvs.requested(kind).is_some();
                let full = options.full_size();
                if size == full || size >= full + HEADER {
                    assert!(has(COUNTERS) && has(CLASS_OF_SERVICE), "{size}");
                }
            }
        }
    }
}
