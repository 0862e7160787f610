//! Packets to the byte, as RFC 8762 and RFC 8972 have them and as other implementations send them.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::*;

/// The second in which the packets were sent, since 1970: `eeada76c` in NTP.
const SECOND: u64 = 1_795_369_196;

/// Bytes as they are written in pairs of digits, whatever is between them; `00*28` is that many of a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (digits, times) =
            word.split_once('*').map_or((word, 1), |(digits, times)| (digits, times.parse().unwrap()));
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let of_word: Vec<_> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        bytes.extend(of_word.repeat(times));
    }
    bytes
}

fn at(nanoseconds: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(SECOND, nanoseconds)
}

/// As the peers of the recorded packets had it: a time to live of 77, the smallest error.
fn facts() -> Facts {
    let addresses = ["192.0.2.1:40000", "198.51.100.7:862"].map(|text| text.parse::<SocketAddr>().unwrap());
    Facts::new(at(70_835_717), at(70_850_047), addresses[0], addresses[1])
        .error(ErrorEstimate::from_bits(1))
        .hop_limit(0x4d)
        .sequence(0)
}

const SENT: &str = "00000007 eeada76c12176000 0001 beef 00*28";
const ANSWERED: &str =
    "00000000 eeada76c12233a8a 0001 beef eeada76c12224a1f 00000007 eeada76c12176000 0001 0000 4d 000000";

/// The reply to a request that is not authenticated.
fn reply_to(request: &[u8], facts: &Facts) -> Vec<u8> {
    let (request, tlvs) = Request::read(request, None).unwrap();
    let mut reply = Vec::new();
    let _ = answer(&request, &tlvs, facts, &mut reply);
    reply
}

/// What becomes of these extensions, and of the reply's traffic class.
fn extensions(text: &str, facts: &Facts) -> (Vec<u8>, Option<u8>) {
    let packet = [bytes(SENT), bytes(text)].concat();
    let (request, tlvs) = Request::read(&packet, None).unwrap();
    let mut reply = vec![0xff; 3];
    let traffic_class = answer(&request, &tlvs, facts, &mut reply);
    assert_eq!(reply.len(), packet.len(), "{text}");
    assert_eq!(reply[..BASE_LEN], bytes(ANSWERED));
    (reply.split_off(BASE_LEN), traffic_class)
}

fn check(text: &str, facts: &Facts, expected: &str) {
    assert_eq!(extensions(text, facts).0, bytes(expected), "{text}");
}

/// 00 01 02 ... 1f.
fn key() -> Key {
    Key::new(&(0..32).collect::<Vec<u8>>())
}

/// Request 5 of an authenticated session, with extensions and their digest.
fn authenticated(text: &str, is_sealed: bool) -> Vec<u8> {
    let sent = Timestamp::from_bits(0xeead_a6d5_0000_0000, TimestampFormat::Ntp);
    let request = Request { sequence: 5, sent, error: ErrorEstimate::from_bits(1), ssid: 0 };
    let mut packet = Vec::new();
    request.write(Some(&key()), &mut packet);
    if is_sealed {
        let from = packet.len();
        packet.extend(bytes(text));
        let digest = key().digest([&[0, 0, 0, 5], &packet[from..]]);
        TlvWriter::after(&mut packet).push(HMAC, &digest);
    } else {
        packet.extend(bytes(text));
    }
    packet
}

/// What becomes of the extensions of an authenticated request; its reply is checked.
fn authenticated_extensions(packet: &[u8], facts: &Facts) -> Vec<u8> {
    let key = key();
    let (request, tlvs) = Request::read(packet, Some(&key)).unwrap();
    let mut reply = Vec::new();
    let _ = answer(&request, &tlvs, facts, &mut reply);
    assert_eq!(reply.len(), packet.len());
    Reply::read(&reply, Some(&key)).unwrap();
    reply.split_off(AUTHENTICATED_LEN)
}

#[test]
fn a_request_is_written_to_the_byte() {
    let sent = Timestamp::from_bits(0xeead_a76c_1217_6000, TimestampFormat::Ntp);
    let request = Request { sequence: 7, sent, error: ErrorEstimate::from_bits(1), ssid: 0xbeef };
    let mut packet = vec![0xff; 99];
    request.write(None, &mut packet);
    assert_eq!(packet, bytes(SENT));
    assert_eq!(Request::read(&packet, None).unwrap().0, request);
}

#[test]
fn a_reply_is_written_without_an_allocation() {
    let packet = [bytes(SENT), bytes("80 04 0004 b8000000")].concat();
    let (request, tlvs) = Request::read(&packet, None).unwrap();
    let mut reply = Vec::with_capacity(packet.len());
    let before = (reply.as_ptr(), reply.capacity());
    assert_eq!(answer(&request, &tlvs, &facts(), &mut reply), None);
    assert_eq!((reply.as_ptr(), reply.capacity(), reply.len()), (before.0, before.1, packet.len()));
}

#[test]
fn a_reply_is_written_to_the_byte() {
    assert_eq!(reply_to(&bytes(SENT), &facts()), bytes(ANSWERED));
    let next = bytes("00000008 eeada76c12176000 0001 beef 00*28");
    assert_eq!(reply_to(&next, &facts().sequence(1))[..4], [0, 0, 0, 1]);
    let stateless = bytes("00000009 eeada76c12176000 0001 beef 00*28");
    let reply = reply_to(&stateless, &facts().sequence(None).hop_limit(None));
    assert_eq!((&reply[..4], &reply[24..28], reply[40]), (&[0, 0, 0, 9][..], &[0, 0, 0, 9][..], 0));
}

#[test]
fn a_reply_is_read_field_by_field() {
    let packet =
        bytes("00000001 0000000200000003 c104 0506 0000000700000008 00000009 0000000a0000000b 020c ffff 0d ffffff");
    let ptp = |bits| Timestamp::from_bits(bits, TimestampFormat::Ptp);
    let expected = Reply {
        sequence: 1,
        sent: ptp(0x2_0000_0003),
        error: ErrorEstimate { is_synchronized: true, format: TimestampFormat::Ptp, scale: 1, multiplier: 4 },
        ssid: 0x0506,
        received: ptp(0x7_0000_0008),
        request_sequence: 9,
        request_sent: Timestamp::from_bits(0xa_0000_000b, TimestampFormat::Ntp),
        request_error: ErrorEstimate { is_synchronized: false, format: TimestampFormat::Ntp, scale: 2, multiplier: 12 },
        request_hop_limit: Some(13),
    };
    let (reply, tlvs) = Reply::read(&packet, None).unwrap();
    assert_eq!(reply, expected);
    assert!(tlvs.is_empty() && !reply.is_echo());
    for (len, hop_limit) in [(38, None), (40, None), (41, Some(13)), (43, Some(13))] {
        let (reply, tlvs) = Reply::read(&packet[..len], None).unwrap();
        assert_eq!(reply, Reply { request_hop_limit: hop_limit, ..expected });
        assert!(tlvs.is_empty());
    }
    assert_eq!(Reply::read(&packet[..37], None).unwrap_err(), WrongPacket::TooShort { len: 37, least: 38 });
    // TWAMP of nokia/twampy: 38 octets.
    let twampy = bytes("0000000a eeada76c12487000 8001 0000 eeada76c12480000 0000000a eeada76c12487000 0001");
    assert_eq!(Reply::read(&twampy, None).unwrap().0.request_sequence, 10);
}

#[test]
fn an_authenticated_packet_is_laid_out_as_rfc_8762_says() {
    let packet = authenticated("", false);
    assert_eq!(packet, bytes("00000005 00*12 eeada6d500000000 0001 0000 00*68 b85d414d014ebb57fd5242f557fc7649"));
    let key = key();
    let (mut request, _) = Request::read(&packet, Some(&key)).unwrap();
    request.ssid = 0x0102;
    assert_eq!((request.sequence, request.sent.bits()), (5, 0xeead_a6d5_0000_0000));
    let mut reply = Vec::new();
    let _ = answer(&request, &Request::read(&packet, Some(&key)).unwrap().1, &facts().sequence(3), &mut reply);
    let expected = bytes(
        "00000003 00*12 eeada76c12233a8a 0001 0102 00*4 eeada76c12224a1f 00*8 00000005 00*12 eeada6d500000000 0001 00*6 4d 00*15",
    );
    assert_eq!(reply[..96], expected);
    assert_eq!(reply.len(), 112);
    let (read, _) = Reply::read(&reply, Some(&key)).unwrap();
    assert_eq!((read.sequence, read.ssid, read.request_sequence, read.request_hop_limit), (3, 0x0102, 5, Some(77)));
    assert_eq!(read.sent.since(read.received).0, 14_330);
    assert_eq!(Request::authenticated_ssid(&reply), Some(0x0102));
    assert_eq!(Request::authenticated_ssid(&reply[..111]), None);
}

#[test]
fn a_packet_of_which_one_bit_was_changed_is_not_authentic() {
    let (key, packet) = (key(), authenticated("", false));
    for place in 0..packet.len() {
        let mut changed = packet.clone();
        changed[place] ^= 1;
        assert_eq!(Request::read(&changed, Some(&key)).unwrap_err(), WrongPacket::NotAuthentic, "octet {place}");
        assert_eq!(Reply::read(&changed, Some(&key)).unwrap_err(), WrongPacket::NotAuthentic, "octet {place}");
    }
    assert_eq!(Request::read(&packet, Some(&Key::new(b"another"))).unwrap_err(), WrongPacket::NotAuthentic);
    let too_short = WrongPacket::TooShort { len: 111, least: 112 };
    assert_eq!(Request::read(&packet[..111], Some(&key)).unwrap_err(), too_short);
    assert_eq!(Reply::read(&packet[..111], Some(&key)).unwrap_err(), too_short);
}

#[test]
fn a_request_shorter_than_its_reply_is_refused_unless_twamp_light_may_ask() {
    let whole = bytes(SENT);
    for len in 0..BASE_LEN {
        let refusal = WrongPacket::TooShort { len, least: 44 };
        assert_eq!(Request::read(&whole[..len], None).unwrap_err(), refusal);
    }
    for len in 0..14 {
        let refusal = WrongPacket::TooShort { len, least: 14 };
        assert_eq!(Request::read_twamp_light(&whole[..len]).unwrap_err(), refusal);
    }
    let sender = bytes("0000000a eeada76c12487000 0001");
    let (request, tlvs) = Request::read_twamp_light(&sender).unwrap();
    assert_eq!((request.sequence, request.ssid), (10, 0));
    let mut reply = Vec::new();
    assert_eq!(answer(&request, &tlvs, &facts(), &mut reply), None);
    let expected = "00000000 eeada76c12233a8a 0001 0000 eeada76c12224a1f 0000000a eeada76c12487000 0001 0000 4d 000000";
    assert_eq!(reply, bytes(expected));
    // What pads such a request is no SSID.
    for len in [16, 43] {
        assert_eq!(Request::read_twamp_light(&[0xff; 43][..len]).unwrap().0.ssid, 0);
    }
    assert_eq!(Request::read_twamp_light(&whole).unwrap().0.ssid, 0xbeef);
}

#[test]
fn extensions_are_answered_as_other_reflectors_do() {
    check("80 01 0004 61626364", &facts(), "00 01 0004 61626364");
    check("80 c8 0002 7a7a", &facts(), "80 c8 0002 7a7a");
    check("80 01 0063 6162", &facts(), "40 01 0063 6162");
    check("00*6", &facts(), "00*6");
}

#[test]
fn what_is_not_known_is_marked_and_what_is_malformed_ends_it() {
    // Whatever flags a sender sets.
    check("00 c8 0000 ff 01 0000", &facts(), "80 c8 0000 00 01 0000");
    check("60 c8 0001 05", &facts(), "80 c8 0001 05");
    // An unknown one that is cut; less than a header.
    check("80 c8 0002 7a", &facts(), "c0 c8 0002 7a");
    check("80 01 0000 80 01 00", &facts(), "00 01 0000 40 01 00");
    check("80", &facts(), "c0");
    // A length that the type cannot have: what is behind it stays as it was.
    check("80 01 0000 80 03 0003 000000 80 01 0000", &facts(), "00 01 0000 40 03 0003 000000 80 01 0000");
    check("80 05 000b 00*11", &facts(), "40 05 000b 00*11");
    check("80 04 0005 00*5", &facts(), "40 04 0005 00*5");
    check("80 02 0003 00*3", &facts(), "40 02 0003 00*3");
    // An access report is nothing that is acted on.
    check("80 06 0004 10010000", &facts(), "80 06 0004 10010000");
    // Types of the future, and the one that asks for more than one reply.
    check("80 0c 0004 00000064 80 00 0000", &facts(), "80 0c 0004 00000064 80 00 0000");
}

#[test]
fn the_class_of_service_is_told_and_given() {
    let asked =
        |text, received, permitted| extensions(text, &facts().traffic_class(received).permitted_dscps(permitted));
    // DSCP 46 asked for; the request came with 10 and ECT(1).
    assert_eq!(asked("80 04 0004 b8000000", 0x29, u64::MAX), (bytes("00 04 0004 b8a40000"), Some(0xb9)));
    // Not permitted: that of the request.
    assert_eq!(asked("80 04 0004 b8000000", 0x29, !(1 << 46)), (bytes("00 04 0004 b8a50000"), Some(0x29)));
    // Congestion is reported, and not sent on; what else the sender put there is ignored.
    assert_eq!(asked("80 04 0004 03ffffff", 0xff, u64::MAX), (bytes("00 04 0004 03fc0000"), Some(0x02)));
    // The first one decides.
    let both = asked("80 04 0004 b8000000 80 04 0004 04000000", 0, u64::MAX);
    assert_eq!(both, (bytes("00 04 0004 b8000000 00 04 0004 04000000"), Some(0xb8)));
    // Where the kernel does not say what it came with, nothing can be said.
    assert_eq!(extensions("80 04 0004 b8000000", &facts()), (bytes("80 04 0004 b8000000"), None));
    let read = ClassOfService::read(&bytes("b8a50000")).unwrap();
    let expected = ClassOfService { reply_dscp: 46, received_dscp: 10, received_ecn: 1, is_refused: true };
    assert_eq!(read, expected);
}

#[test]
fn the_location_is_told_in_the_family_of_the_request() {
    let request = "80 02 002c 0000 0000 80 04 0010 00*16 80 07 0010 00*16";
    assert_eq!(bytes(request)[4..], *Location::REQUEST);
    let v4 = "00 02 002c 035e 9c40 00 05 0010 c6336407 00*12 00 08 0010 c0000201 00*12";
    check(request, &facts(), v4);
    let mapped = facts().source("[::ffff:192.0.2.1]:40000".parse().unwrap());
    check(request, &mapped.destination("[::ffff:198.51.100.7]:862".parse().unwrap()), v4);
    let v6 = facts().source("[2001:db8::1]:40000".parse().unwrap()).destination("[2001:db8::2]:862".parse().unwrap());
    let told = "00 02 002c 035e 9c40 00 06 0010 20010db8 00*11 02 00 09 0010 20010db8 00*11 01";
    check(request, &v6, told);
    let read = Location::read(&bytes(told)[4..]).unwrap();
    assert_eq!((read.destination_port, read.source_port), (862, 40_000));
    assert_eq!((read.destination, read.source), (Some(v6.destination.ip()), Some(v6.source.ip())));
    let read = Location::read(&bytes(v4)[4..]).unwrap();
    assert_eq!((read.destination, read.source), (Some([198, 51, 100, 7].into()), Some([192, 0, 2, 1].into())));
    // Not to be told.
    let hidden = facts().discloses_location(false);
    let zeros = "00 02 002c 0000 0000 00 05 0010 00*16 00 08 0010 00*16";
    check(request, &hidden, zeros);
    assert_eq!(Location::read(&bytes(zeros)[4..]), Some(Location::default()));
}

#[test]
fn parts_of_a_location_are_answered_or_marked() {
    // No MAC address; what only a reflector says; an unknown part; the sender's own bytes are not sent back.
    check(
        "80 02 0028 ffff ffff 80 01 0008 ff*8 80 05 0010 0a*16 80 63 0000",
        &facts(),
        "00 02 0028 035e 9c40 00 03 0008 00*8 80 05 0010 0a*16 80 63 0000",
    );
    check("80 02 0018 ff*4 80 07 0010 ff*16", &facts(), "00 02 0018 035e 9c40 00 08 0010 c0000201 00*12");
    check("80 02 0004 00000000", &facts(), "00 02 0004 035e9c40");
    // A part that is cut, or has a wrong length.
    check("80 02 0009 00000000 80 63 0010 00", &facts(), "40 02 0009 00000000 80 63 0010 00");
    check("80 02 0008 00000000 80 04 0010 80 01 0000", &facts(), "40 02 0008 00000000 80 04 0010 80 01 0000");
    check("80 02 000c 00000000 80 07 0004 00000000", &facts(), "40 02 000c 00000000 80 07 0004 00000000");
    assert_eq!(Location::read(&bytes("00000000 80 04 0010")), None);
    assert_eq!(Location::read(&[0; 3]), None);
}

#[test]
fn the_timestamps_are_told_about() {
    let facts = facts().clock_source(ClockSource::Ptp).received_method(TimestampMethod::Hardware);
    check("80 03 0004 ff*4", &facts, "00 03 0004 02010202");
    let information = TimestampInformation::read(&[2, 1, 2, 2]).unwrap();
    assert_eq!((information.method_in, information.method_out), (TimestampMethod::Hardware, TimestampMethod::Software));
    for byte in 0..=u8::MAX {
        assert_eq!(ClockSource::from_byte(byte).byte(), byte);
        assert_eq!(TimestampMethod::from_byte(byte).byte(), byte);
    }
}

#[test]
fn direct_measurement_has_the_counts_of_the_session() {
    let counters = Counters { arrivals: 0x1_0000_0102, replies: 0x1_0000_0304, ..Counters::default() };
    let request = "80 05 000c 0a0b0c0d ffffffff ffffffff";
    check(request, &facts().counters(counters), "00 05 000c 0a0b0c0d 00000102 00000304");
    check(request, &facts(), "80 05 000c 0a0b0c0d ffffffff ffffffff");
    let read = DirectMeasurement::read(&bytes("0a0b0c0d 00000102 00000304")).unwrap();
    assert_eq!((read.sent, read.received, read.replies), (0x0a0b_0c0d, 0x0102, 0x0304));
}

#[test]
fn the_reply_before_is_told_about() {
    let request = "80 07 0010 ff*16";
    check(request, &facts(), "00 07 0010 00*16");
    assert_eq!(FollowUp::read(&[0; 16], TimestampFormat::Ntp), None);
    let previous = Previous { sequence: 9, sent: at(70_850_047), method: TimestampMethod::Hardware };
    let told = "00 07 0010 00000009 eeada76c12233a8a 01 000000";
    check(request, &facts().previous(previous), told);
    let read = FollowUp::read(&bytes(told)[4..], TimestampFormat::Ntp).unwrap();
    let sent = Timestamp::from_bits(0xeead_a76c_1223_3a8a, TimestampFormat::Ntp);
    assert_eq!(read, FollowUp { sequence: 9, sent, method: TimestampMethod::Hardware });
    assert_eq!(read.bytes(), bytes(told)[4..]);
    // Of a wrong length, number and time are cleared.
    check("80 07 000e ff*14", &facts().previous(previous), "40 07 000e 00*12 ffff");
    check("80 07 0003 ff*3", &facts().previous(previous), "40 07 0003 00*3");
}

/// As a session of 10 requests counts.
fn counters() -> Counters {
    Counters {
        purpose: Purpose::Load,
        epoch: 0x0102_0304_0506_0708,
        arrivals: 12,
        distinct: 10,
        reordered: 3,
        too_old: 1,
        replies: 11,
        unanswered: 1,
        age: Duration::from_secs(3),
        load: Some(5),
        longest: Some(1472),
    }
}

const COUNTED: &str = "0102030405060708 000000000000000c 000000000000000a 0000000000000003 0000000000000001 000000000000000b \
                       0000000000000001 00000000b2d05e00";

#[test]
fn the_counters_of_a_session_are_filled_in() {
    let facts = facts().counters(counters());
    let told = format!("00 fa 0048 7564706b 01 01 0000 {COUNTED}");
    check("80 fa 0048 7564706b 01 01 ffff ff*64", &facts, &told);
    let told = format!("00 fa 0050 7564706b 01 00 0000 {COUNTED} 0000000000000005");
    check("80 fa 0050 7564706b 01 00 0000 00*72", &facts, &told);
    let read = Counters::read(&bytes(&told)[4..]).unwrap();
    assert_eq!(read, Counters { purpose: Purpose::Probe, longest: None, ..counters() });
    let told = format!("00 fa 0058 7564706b 01 00 0000 {COUNTED} 0000000000000005 00000000000005c0");
    check("80 fa 0058 7564706b 01 00 0000 00*80", &facts, &told);
    let read = Counters::read(&bytes(&told)[4..]).unwrap();
    assert_eq!(read, Counters { purpose: Purpose::Probe, ..counters() });
    let mut written = vec![1; 3];
    assert_eq!(*read.write(&mut written), bytes(&told)[4..]);
    assert_eq!(Counters::request(Purpose::Closing).write(&mut written), bytes("7564706b 01 01 0000 00*64"));
}

#[test]
fn counters_that_are_not_ours_or_cannot_be_filled_in_are_not_known() {
    let (stateless, facts) = (facts(), facts().counters(counters()));
    for other in [
        // Another experiment, another version, another purpose.
        "80 fa 0048 7564706c 01 01 0000 00*64",
        "80 fa 0048 7564706b 02 01 0000 00*64",
        "80 fa 0048 7564706b 01 03 0000 00*64",
        "80 fa 0004 7564706c",
        "80 fa 0004 7564706b",
        "80 fa 0000",
        "80 f0 0000",
    ] {
        check(other, &facts, other);
        assert_eq!(Counters::read(&bytes(other)[4..]), None);
    }
    check("80 fa 0049 7564706b 01 01 0000 00*65", &facts, "40 fa 0049 7564706b 01 01 0000 00*65");
    let without_session = "80 fa 0048 7564706b 01 01 0000 00*64";
    check(without_session, &stateless, without_session);
}

#[test]
fn extensions_of_an_authenticated_packet_have_a_digest_that_is_made_anew() {
    let facts = facts().sequence(3).traffic_class(0x29);
    let packet = authenticated("80 04 0004 b8000000", true);
    // By Python: hmac.new(bytes(range(32)), bytes.fromhex("00000005" + "80040004b8000000"), "sha256").digest()[:16].
    assert_eq!(packet[120..], bytes("80 08 0010 6c149f55553f597a4f9a9cc874aa6077"));
    let extensions = authenticated_extensions(&packet, &facts);
    assert_eq!(extensions, bytes("00 04 0004 b8a40000 00 08 0010 df7b88720b2c5a354547189393c02507"));
    // Padding may be behind it, and is not covered.
    let mut padded = packet.clone();
    TlvWriter::after(&mut padded).pad_to(200);
    padded[190] ^= 1;
    let padded = authenticated_extensions(&padded, &facts);
    assert_eq!(padded[..extensions.len()], extensions);
    assert_eq!(padded[extensions.len()..][..4], bytes("00 01 0038"));
}

#[test]
fn the_reply_to_sealed_extensions_is_read_by_the_same_key() {
    let (key, mut reply) = (key(), Vec::new());
    let packet = authenticated("80 04 0004 b8000000 80 c8 0000", true);
    let (request, tlvs) = Request::read(&packet, Some(&key)).unwrap();
    assert_eq!(tlvs.requested(CLASS_OF_SERVICE), Some(&[0xb8, 0, 0, 0][..]));
    assert_eq!(answer(&request, &tlvs, &facts().sequence(3).traffic_class(0x29), &mut reply), Some(0xb9));
    let (_, tlvs) = Reply::read(&reply, Some(&key)).unwrap();
    assert_eq!(tlvs.answered(CLASS_OF_SERVICE), Some(&[0xb8, 0xa4, 0, 0][..]));
    assert_eq!(tlvs.answered(200), None);
    // A bit of the extensions, and a bit of what they say of them.
    for place in AUTHENTICATED_LEN..reply.len() {
        let mut changed = reply.clone();
        changed[place] ^= 0x10;
        let (_, tlvs) = Reply::read(&changed, Some(&key)).unwrap();
        // The header of the digest itself is not covered: flags that are reserved change nothing.
        assert!(tlvs.answered(CLASS_OF_SERVICE).is_none() || place == reply.len() - 20, "octet {place}");
    }
}

#[test]
fn extensions_with_a_wrong_digest_are_marked_and_not_used() {
    let facts = facts().traffic_class(0x29).counters(counters());
    let (key, good) = (key(), authenticated("80 04 0004 b8000000 80 c8 0000", true));
    let mut changed = good.clone();
    changed[AUTHENTICATED_LEN + 4] ^= 0x80;
    let mut expected = changed[AUTHENTICATED_LEN..].to_vec();
    (expected[0], expected[8], expected[12]) = (0x20, 0xa0, 0x20);
    assert_eq!(authenticated_extensions(&changed, &facts), expected);
    let (request, tlvs) = Request::read(&changed, Some(&key)).unwrap();
    assert!(tlvs.has_failed_integrity());
    assert_eq!((tlvs.requested(CLASS_OF_SERVICE), answer(&request, &tlvs, &facts, &mut Vec::new())), (None, None));
    // The number is a part of it: extensions are not carried over from one packet to another.
    let mut other = authenticated("", false);
    Request { sequence: 6, ..request }.write(Some(&key), &mut other);
    other.extend(&good[AUTHENTICATED_LEN..]);
    assert!(Request::read(&other, Some(&key)).unwrap().1.has_failed_integrity());
}

#[test]
fn a_digest_must_be_there_and_be_the_last() {
    let (key, facts) = (key(), facts().traffic_class(0));
    let integrity_failed = |packet: &[u8]| Request::read(packet, Some(&key)).unwrap().1.has_failed_integrity();
    let digest = "80 08 0010 00*16";
    assert!(integrity_failed(&authenticated("80 04 0004 b8000000", false)));
    assert!(integrity_failed(&authenticated("80 01 0000 80 01 0000", false)));
    assert!(!integrity_failed(&authenticated("80 01 0004 00000000", false)));
    assert!(!integrity_failed(&authenticated("00*9", false)));
    assert!(!integrity_failed(&authenticated("", true)));
    let mut behind = authenticated("80 04 0004 b8000000", true);
    behind.extend(bytes("80 04 0004 b8000000"));
    assert!(integrity_failed(&behind));
    let twice = [authenticated("", true), bytes(digest)].concat();
    assert!(integrity_failed(&twice));
    let mut cut = authenticated("80 04 0004 b8000000", true);
    cut.pop();
    assert_eq!(authenticated_extensions(&cut, &facts)[..8], bytes("20 04 0004 b8000000"));
    assert_eq!(authenticated_extensions(&cut, &facts)[8], 0x60);
    // Of a wrong length.
    check("80 04 0003 b80000 80 08 000f 00*15", &facts, "60 04 0003 b80000 60 08 000f 00*15");
    // Nothing can check it where there is no key.
    check(&format!("80 04 0004 b8000000 {digest}"), &facts, "20 04 0004 b8000000 20 08 0010 00*16");
}

#[test]
fn a_malformed_extension_keeps_the_digest_of_all() {
    let packet = authenticated("80 04 0003 b80000 80 c8 0000", true);
    let extensions = authenticated_extensions(&packet, &facts().sequence(3).traffic_class(0));
    assert_eq!(extensions[..15], bytes("40 04 0003 b80000 80 c8 0000 80 08 0010"));
    let (key, mut reply) = (key(), Vec::new());
    let (request, tlvs) = Request::read(&packet, Some(&key)).unwrap();
    let _ = answer(&request, &tlvs, &facts().sequence(3), &mut reply);
    assert!(!Reply::read(&reply, Some(&key)).unwrap().1.has_failed_integrity());
}

#[test]
fn extensions_alone_can_be_protected() {
    let (key, other) = (key(), Key::new(b"another"));
    let mut packet = bytes(SENT);
    let mut tlvs = TlvWriter::after(&mut packet);
    tlvs.push(CLASS_OF_SERVICE, &[0xb8, 0, 0, 0]);
    tlvs.seal(&key);
    let (request, tlvs) = Request::read(&packet, None).unwrap();
    assert!(tlvs.has_failed_integrity());
    assert!(tlvs.protected_by(request.sequence, &other).has_failed_integrity());
    let tlvs = tlvs.protected_by(request.sequence, &key);
    let mut reply = Vec::new();
    assert_eq!(answer(&request, &tlvs, &facts().sequence(3).traffic_class(0), &mut reply), Some(0xb8));
    let (reply, tlvs) = Reply::read(&reply, None).unwrap();
    assert_eq!(reply.sequence, 3);
    assert_eq!(tlvs.answered(CLASS_OF_SERVICE), None);
    assert!(tlvs.protected_by(reply.sequence, &key).answered(CLASS_OF_SERVICE).is_some());
    // They must be, then.
    let bare = [bytes(SENT), bytes("80 04 0004 b8000000")].concat();
    let (request, tlvs) = Request::read(&bare, None).unwrap();
    assert!(!tlvs.has_failed_integrity());
    assert!(tlvs.protected_by(request.sequence, &key).has_failed_integrity());
}

#[test]
fn a_sender_uses_only_what_the_reflector_filled_in() {
    let answered = |text: &str| {
        let packet = [bytes(ANSWERED), bytes(text)].concat();
        Reply::read(&packet, None).unwrap().1.answered(CLASS_OF_SERVICE).map(<[u8]>::to_vec)
    };
    let value = Some(vec![1, 2, 3, 4]);
    assert_eq!(answered("00 c8 0000 00 04 0004 01020304"), value);
    assert_eq!(answered("80 04 0004 05060708 00 04 0004 01020304"), value);
    assert_eq!(answered("1f 04 0004 01020304"), value);
    assert_eq!(answered("80 04 0004 01020304"), None);
    assert_eq!(answered("40 c8 0000 00 04 0004 01020304"), None);
    assert_eq!(answered("00 04 0004 01020304 40 c8 0000"), value);
    assert_eq!(answered("00 04 0004 01020304 20 c8 0000"), None);
    assert_eq!(answered("00 04 0005 01020304"), None);
}

#[test]
fn a_reflector_looks_at_what_is_well_formed() {
    let requested = |text: &str| {
        let packet = [bytes(SENT), bytes(text)].concat();
        Request::read(&packet, None).unwrap().1.requested(CLASS_OF_SERVICE).map(<[u8]>::to_vec)
    };
    assert_eq!(requested("80 01 0000 80 04 0004 01020304"), Some(vec![1, 2, 3, 4]));
    assert_eq!(requested("80 04 0003 010203"), None);
    assert_eq!(requested("80 03 0003 010203 80 04 0004 01020304"), None);
    assert_eq!(requested("80 04 0004 010203"), None);
    assert_eq!(requested("80 04 0005 01020304"), None);
}

#[test]
fn extensions_are_listed_as_they_are_on_the_wire() {
    let packet = [bytes(SENT), bytes("80 c8 0002 7a7b 60 01 0000 00 04 0009 01")].concat();
    let (_, tlvs) = Request::read(&packet, None).unwrap();
    let listed: Vec<_> = tlvs.iter().map(|tlv| (tlv.kind, tlv.value.to_vec(), tlv.flags)).collect();
    let flags = |unrecognized, malformed, integrity_failed| TlvFlags { unrecognized, malformed, integrity_failed };
    let expected = [
        (200, vec![0x7a, 0x7b], flags(true, false, false)),
        (1, vec![], flags(false, true, true)),
        (4, vec![1], flags(false, true, false)),
    ];
    assert_eq!(listed, expected);
    assert_eq!(tlvs.len(), packet.len() - 44);
}

#[test]
fn padding_fills_a_packet_to_the_octet() {
    for (len, expected) in [(40, 44), (44, 44), (47, 44), (48, 48), (49, 49), (1472, 1472), (65_507, 65_507)] {
        let mut packet = bytes(SENT);
        TlvWriter::after(&mut packet).pad_to(len);
        assert_eq!(packet.len(), expected);
        let (request, tlvs) = Request::read(&packet, None).unwrap();
        assert_eq!(request.sequence, 7);
        assert_eq!(tlvs.requested(EXTRA_PADDING).map_or(0, |value| value.len() + 4), expected - 44);
    }
    let mut packet = bytes(SENT);
    TlvWriter::after(&mut packet).pad_to(1472);
    let mut octets = [0; 256];
    packet[48..].iter().for_each(|octet| octets[usize::from(*octet)] += 1);
    assert!(octets.iter().all(|count| *count < 20), "no octet is in it often: {octets:?}");
}

#[test]
fn a_request_that_comes_back_as_it_was_is_an_echo() {
    let (reply, _) = Reply::read(&bytes(SENT), None).map(|(reply, tlvs)| (reply, tlvs.len())).unwrap();
    assert!(reply.is_echo());
    assert_eq!((reply.sequence, reply.sent.bits()), (7, 0xeead_a76c_1217_6000));
    let (key, packet) = (key(), authenticated("", false));
    assert!(Reply::read(&packet, Some(&key)).unwrap().0.is_echo());
    let answered = reply_to(&bytes(SENT), &facts());
    assert!(!Reply::read(&answered, None).unwrap().0.is_echo());
}
