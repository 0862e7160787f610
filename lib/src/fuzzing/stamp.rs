//! STAMP: any bytes are a packet or none, what was written is read again, and a reflector's answer is never longer than what it answers.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::stamp::{
    BASE_LEN, ClassOfService, Counters, DirectMeasurement, ErrorEstimate, Facts, FollowUp, HMAC, Key, Location,
    Previous, Reply, Request, TWAMP_LIGHT_REQUEST_LEN, Timestamp, TimestampFormat, TimestampInformation,
    TimestampMethod, TlvWriter, Tlvs, answer,
};

/// Bytes that say what the reflector knows; the packet is behind them.
const FACTS_LEN: usize = 16;

/// Reads a packet as everything that it may be, and answers it.
pub fn stamp(data: &[u8]) {
    let Some((known, packet)) = data.split_at_checked(FACTS_LEN) else { return };
    let (key, facts) = (Key::new(b"a key"), facts(known));
    let is_set = |bit: u8| known[0] & 1 << bit != 0;
    read(packet, &key);
    if is_set(0) {
        let authentic = authentic(packet, is_set(1), &key);
        answered(Request::read(&authentic, Some(&key)).expect("it is authentic"), &authentic, Some(&key), &facts);
    }
    if let Ok(request) = Request::read_twamp_light(packet) {
        answered(request, packet, None, &facts);
    }
}

/// A packet with an authentic base, and extensions of these bytes: as they are, or written and sealed as a sender does.
fn authentic(packet: &[u8], is_sealed: bool, key: &Key) -> Vec<u8> {
    let error = ErrorEstimate::unsynchronized(TimestampFormat::Ptp);
    let request = Request { sequence: 5, sent: Timestamp::from_bits(6, error.format), error, ssid: 0x0102 };
    let mut authentic = Vec::new();
    request.write(Some(key), &mut authentic);
    let mut rest = packet.get(BASE_LEN..).unwrap_or_default();
    if !is_sealed {
        authentic.extend_from_slice(rest);
        return authentic;
    }
    let mut tlvs = TlvWriter::after(&mut authentic);
    while let [kind, len, more @ ..] = rest {
        let (value, behind) = more.split_at(usize::from(*len).min(more.len()));
        tlvs.push(*kind, value);
        rest = behind;
    }
    tlvs.seal(key);
    authentic
}

/// What the reflector knows, by some bytes.
fn facts(known: &[u8]) -> Facts {
    let is_set = |bit: u8| known[0] & 1 << bit != 0;
    let family = if is_set(2) { ["[2001:db8::1]:9", "[2001:db8::2]:862"] } else { ["192.0.2.1:9", "[::]:862"] };
    let [source, destination] = family.map(|text| text.parse::<SocketAddr>().expect("it is an address"));
    let received = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::from(known[1]) << 36);
    let mut facts = Facts::new(received, received + Duration::from_nanos(1), source, destination)
        .hop_limit(known[2])
        .discloses_location(!is_set(3))
        .permitted_dscps(u64::from_ne_bytes(known[8..].try_into().expect("there are eight")));
    facts.sequence = is_set(4).then(|| u32::from(known[3]));
    facts.traffic_class = is_set(5).then_some(known[4]);
    facts.counters = is_set(6).then(|| Counters { arrivals: u64::MAX, load: Some(1), ..Counters::default() });
    let previous = Previous { sequence: 1, sent: received, method: TimestampMethod::Software };
    facts.previous = is_set(7).then_some(previous);
    facts
}

/// Reads bytes as everything; what they are is written and read again.
fn read(packet: &[u8], key: &Key) {
    let mut written = Vec::new();
    for key in [None, Some(key)] {
        if let Ok((request, tlvs)) = Request::read(packet, key) {
            request.write(key, &mut written);
            assert_eq!(Request::read(&written, key).map(|(request, _)| request), Ok(request));
            assert_eq!(written.len() + tlvs.len(), packet.len());
        }
        if let Ok((reply, tlvs)) = Reply::read(packet, key) {
            reply.write(key, &mut written);
            assert_eq!(Reply::read(&written, key).map(|(reply, _)| reply), Ok(reply));
            let octets: usize = tlvs.iter().map(|tlv| tlv.value.len()).sum();
            assert!(octets <= packet.len(), "extensions overlap");
            for kind in 0..=u8::MAX {
                assert!(tlvs.answered(kind).is_none_or(|value| value.len() <= packet.len()));
            }
        }
    }
    let value = packet.get(BASE_LEN..).unwrap_or(packet);
    for len in [4, 12, 16, 64, 72, value.len()] {
        values(&value[..len.min(value.len())]);
    }
}

/// What a value says is what it says when it is written again.
fn values(value: &[u8]) {
    if let Some(read) = ClassOfService::read(value) {
        assert_eq!(ClassOfService::read(&read.bytes()), Some(read));
    }
    if let Some(read) = DirectMeasurement::read(value) {
        assert_eq!(read.bytes(), value);
    }
    if let Some(read) = TimestampInformation::read(value) {
        assert_eq!(read.bytes(), value);
    }
    if let Some(read) = FollowUp::read(value, TimestampFormat::Ntp) {
        assert_eq!(read.bytes()[..13], value[..13]);
    }
    if let Some(read) = Counters::read(value) {
        assert_eq!(Counters::read(read.write(&mut Vec::new())), Some(read));
    }
    let _ = Location::read(value);
}

/// Answers a request; the answer is one to it.
fn answered((request, tlvs): (Request, Tlvs<'_>), packet: &[u8], key: Option<&Key>, facts: &Facts) {
    let mut bytes = vec![0xff; 7];
    let traffic_class = answer(&request, &tlvs, facts, &mut bytes);
    assert_eq!(bytes.len(), packet.len().max(BASE_LEN));
    assert!(packet.len() >= TWAMP_LIGHT_REQUEST_LEN, "too short to be answered");
    assert!(traffic_class.is_none() || facts.traffic_class.is_some() && !tlvs.has_failed_integrity());
    let (reply, answers) = Reply::read(&bytes, key).expect("what is written is read");
    assert_eq!(reply.sequence, facts.sequence.unwrap_or(request.sequence));
    assert_eq!(
        (reply.request_sequence, reply.request_sent, reply.ssid),
        (request.sequence, request.sent, request.ssid)
    );

    // One for each, of the same length and, but for what is known, with the same octets.
    assert_eq!(answers.iter().count(), tlvs.iter().count());
    let mut is_behind_malformed = false;
    for (asked, told) in tlvs.iter().zip(answers.iter()) {
        assert_eq!((asked.kind, asked.value.len()), (told.kind, told.value.len()));
        let may_differ = !told.flags.unrecognized || told.flags.malformed || told.kind == HMAC;
        assert!(asked.value == told.value || may_differ, "{asked:?} {told:?}");
        if tlvs.has_failed_integrity() {
            assert!(told.flags.integrity_failed && asked.value == told.value, "{told:?}");
        } else if is_behind_malformed {
            assert_eq!(asked.flags, told.flags);
        } else {
            assert!(!told.flags.integrity_failed, "{told:?}");
            is_behind_malformed = told.flags.malformed;
        }
    }
    for kind in (0..=u8::MAX).filter(|kind| answers.answered(*kind).is_some()) {
        assert!(tlvs.requested(kind).is_some(), "{kind}");
    }
    let is_sealed = tlvs.iter().any(|tlv| tlv.kind == HMAC);
    assert!(!is_sealed || answers.has_failed_integrity() == tlvs.has_failed_integrity());
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::stamp::COUNTERS;

    proptest! {
        #[test]
        fn any_bytes_are_a_packet_or_none(known in any::<[u8; 16]>(), packet in vec(any::<u8>(), 0..200)) {
            stamp(&[&known[..], &packet].concat());
        }

        #[test]
        fn any_extensions_are_answered_one_by_one(
            known in any::<[u8; 16]>(), is_sealed: bool, kinds in vec(prop_oneof![0u8..12, Just(240), any::<u8>()], 0..6),
            lengths in vec(prop_oneof![Just(4u8), Just(12), Just(16), Just(64), Just(72), 0..90u8], 6), fill in any::<[u8; 90]>(),
            cut in 0usize..40,
        ) {
            let mut packet = [&known[..], &[7; BASE_LEN]].concat();
            // Whether `known` has the extensions sealed, which then have headers of two octets.
            packet[0] = if is_sealed { packet[0] | 3 } else { packet[0] & !2 };
            for (kind, len) in kinds.iter().zip(lengths) {
                packet.extend(if is_sealed { vec![*kind, len] } else { vec![0x80, *kind, 0, len] });
                let mut value = fill[..usize::from(len)].to_vec();
                if *kind == COUNTERS && len >= 64 {
                    value.splice(..8, *b"udpk\x01\x01\x00\x00");
                }
                packet.extend(value);
            }
            packet.truncate(packet.len() - cut.min(packet.len() - 16));
            stamp(&packet);
        }
    }
}
