//! The engine of `reflect` in virtual time: sessions, counters, keys, limits, loops, floods, forgeries.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use udpkit::impairment::{ImpairmentOptions, Jitter};
use udpkit::sim::{Host, HostClock, Network, Outcome};
use udpkit::stamp::{
    self, ClassOfService, Counters, ErrorEstimate, FollowUp, Key, Purpose, Reply, Request, Timestamp, TimestampFormat,
    TlvWriter,
};
use udpkit::verbs::{Limits, Reflect, ReflectFigures, ReflectInput, ReflectKeys, ReflectOptions};
use udpkit::{
    Answer, Conduct, Datagram, Engine, Event, Meta, Moment, Next, Outbox, RateLimit, Reason, Report, SendFailure,
    SendTime, SocketId, Transmit,
};

use crate::world::{Act, Probe, ms, silent};
use crate::{CLIENT, ONE, OTHER, SERVER, address, server};

/// Bytes of a request without TLVs.
const BASE: usize = 44;

/// A request of this length; what is over its base are TLVs.
fn request(sequence: u32, ssid: u16, tlvs: &[u8]) -> Vec<u8> {
    let mut request = vec![0; BASE];
    request[..4].copy_from_slice(&sequence.to_be_bytes());
    request[4..12].copy_from_slice(&0xeeda_da6c_1217_6000_u64.to_be_bytes());
    request[12..14].copy_from_slice(&[0, 1]);
    request[14..16].copy_from_slice(&ssid.to_be_bytes());
    request.extend_from_slice(tlvs);
    request
}

/// A TLV as a sender writes it.
fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[0x80, kind], &len[..], value].concat()
}

/// Asks for the counters of a session, those of load included.
fn asking(sequence: u32, ssid: u16, purpose: Purpose) -> Vec<u8> {
    let counters = Counters { load: Some(0), ..Counters::request(purpose) };
    request(sequence, ssid, &tlv(stamp::COUNTERS, counters.write(&mut Vec::new())))
}

/// The counters in a reply to who asked for them.
fn counters(reply: &[u8]) -> Counters {
    assert_eq!(reply[BASE..BASE + 2], [0, stamp::COUNTERS], "they were recognised");
    Counters::read(&reply[BASE + 4..]).unwrap()
}

fn number_at(reply: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(reply[at..at + 4].try_into().unwrap())
}

/// The number that the reflector gave a reply, and the one of its request.
fn numbers(reply: &[u8]) -> (u32, u32) {
    (number_at(reply, 0), number_at(reply, 24))
}

/// A reflector that somebody asks by hand, with the time.
struct Desk {
    reflect: Reflect,
    mail: Mail,
}

/// What it sends, and the clock that it reads.
struct Mail {
    now: Moment,
    sent: Vec<(Transmit, Vec<u8>)>,
    ignored: Vec<Reason>,
}

impl Outbox for Mail {
    fn send(&mut self, _via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.sent.push((*transmit, payload.to_vec()));
    }

    fn clock(&self) -> Moment {
        self.now
    }

    fn emit(&mut self, event: Event<'_>) {
        if let Event::Ignored(ignored) = event {
            self.ignored.push(ignored.reason);
        }
    }
}

fn options() -> ReflectOptions {
    ReflectOptions::new(vec![address(SERVER)])
}

impl Desk {
    fn new(options: ReflectOptions) -> Self {
        let now = Moment::new(Network::new(1).now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        Self { reflect: Reflect::new(options), mail: Mail { now, sent: Vec::new(), ignored: Vec::new() } }
    }

    fn wait(&mut self, time: Duration) {
        self.mail.now = Moment::new(self.mail.now.monotonic + time, self.mail.now.utc + time);
        self.reflect.tick(self.mail.now.monotonic, &mut self.mail);
    }

    fn hear_of(&mut self, meta: &Meta, payload: &[u8]) -> Result<Vec<u8>, Reason> {
        let (sent, ignored) = (self.mail.sent.len(), self.mail.ignored.len());
        self.reflect.receive(self.mail.now.monotonic, ONE, &Datagram::new(payload, meta), &mut self.mail);
        let report = self.report();
        assert!(report.is_balanced(), "{report:?}");
        match (&self.mail.sent[sent..], &self.mail.ignored[ignored..]) {
            ([(transmit, reply)], []) => {
                assert_eq!(transmit.destination, meta.source);
                Ok(reply.clone())
            }
            ([], [reason]) => Err(*reason),
            ([], []) => Ok(Vec::new()),
            both => panic!("one or the other, or neither: {both:?}"),
        }
    }

    /// The reply to a request of the client; empty where there is none and it is not ignored.
    fn ask(&mut self, payload: &[u8]) -> Result<Vec<u8>, Reason> {
        self.hear_of(&Meta::new(address(CLIENT)), payload)
    }

    /// What is counted in a session of the client.
    fn counters(&mut self, ssid: u16) -> Counters {
        let reply = self.ask(&asking(0, ssid, Purpose::Closing)).unwrap();
        counters(&reply)
    }

    fn report(&self) -> Report<ReflectFigures> {
        self.reflect.report()
    }
}

#[test]
fn a_reply_says_when_its_request_came_and_when_it_left_and_has_a_number_of_its_own() {
    let mut desk = Desk::new(options());
    let utc = desk.mail.now.utc;
    let meta = Meta::new(address(CLIENT)).received(utc - ms(250)).hop_limit(77);
    let first = desk.hear_of(&meta, &request(7, 0xbeef, &[])).unwrap();
    let seconds = 1_800_000_000_u32 + 2_208_988_800;
    let expected = [
        &[0; 4][..],
        // T3: the clock, when the reply was made.
        &seconds.to_be_bytes(),
        &[0; 4],
        // Not synchronised.
        &ErrorEstimate::unsynchronized(TimestampFormat::Ntp).bits().to_be_bytes(),
        &[0xbe, 0xef],
        // T2: the kernel's time of arrival.
        &(seconds - 1).to_be_bytes(),
        &[0xc0, 0, 0, 0],
        &request(7, 0, &[])[..14],
        &[0, 0, 77, 0, 0, 0],
    ];
    assert_eq!(first, expected.concat());
    let second = desk.hear_of(&meta, &request(9, 0xbeef, &[])).unwrap();
    assert_eq!(numbers(&second), (1, 9));
}

#[test]
fn without_the_kernels_time_a_request_has_that_of_the_clock_when_it_came() {
    let mut desk = Desk::new(options());
    let came = desk.mail.now.monotonic - ms(500);
    let meta = Meta::new(address(CLIENT));
    let request = request(0, 0, &[]);
    desk.reflect.receive(came, ONE, &Datagram::new(&request, &meta), &mut desk.mail);
    let (_, reply) = &desk.mail.sent[0];
    assert_eq!(number_at(reply, 4) - number_at(reply, 16), 1);
    assert_eq!((number_at(reply, 8), number_at(reply, 20)), (0, 1 << 31));
}

#[test]
fn a_session_is_a_peer_a_port_an_address_of_ours_and_an_identifier() {
    let mut desk = Desk::new(options());
    let meta = |source: &str| Meta::new(address(source)).local(address(SERVER).ip());
    let others = [
        (meta(CLIENT), 1),
        (meta(CLIENT), 2),
        (meta("10.0.0.1:40001"), 1),
        (meta("10.0.0.9:40000"), 1),
        (meta(CLIENT).local(address(OTHER).ip()), 1),
    ];
    for round in 0..3 {
        for (meta, ssid) in &others {
            let reply = desk.hear_of(meta, &request(100 + round, *ssid, &[])).unwrap();
            assert_eq!(numbers(&reply), (round, 100 + round), "{meta:?} {ssid}");
        }
    }
    assert_eq!(desk.report().own.sessions_now, 5);
    assert_eq!(desk.report().own.answered, 15);
}

#[test]
fn what_is_counted_in_a_session_is_what_arrived() {
    let mut desk = Desk::new(options());
    for sequence in [0, 1, 1, 5, 3, 3, 7] {
        assert!(desk.ask(&request(sequence, 4, &[])).is_ok());
    }
    let reply = desk.ask(&asking(6, 4, Purpose::Probe)).unwrap();
    let all = counters(&reply);
    assert_eq!((all.arrivals, all.distinct, all.reordered, all.too_old), (8, 6, 2, 0));
    assert_eq!((all.replies, all.unanswered, numbers(&reply)), (8, 0, (7, 6)));
    // A closing question says the same, counts nothing, and uses no number.
    for _ in 0..3 {
        let reply = desk.ask(&asking(99, 4, Purpose::Closing)).unwrap();
        assert_eq!(counters(&reply), Counters { purpose: Purpose::Closing, ..all });
        assert_eq!(numbers(&reply), (8, 99));
    }
    assert_eq!(numbers(&desk.ask(&request(8, 4, &[])).unwrap()), (8, 8));
    // One to a session of which nothing arrived says so.
    assert_eq!((desk.counters(5).arrivals, desk.counters(5).replies), (0, 0));
    assert_eq!(desk.report().own.closing, 5);
}

#[test]
fn load_is_counted_alone_and_not_answered() {
    let mut desk = Desk::new(options());
    assert!(desk.ask(&request(0, 4, &[])).is_ok());
    for sequence in 0..10 {
        assert_eq!(desk.ask(&asking(sequence, 4, Purpose::Load)), Ok(Vec::new()));
    }
    let all = desk.counters(4);
    assert_eq!((all.load, all.arrivals, all.distinct, all.replies, all.unanswered), (Some(10), 1, 1, 1, 0));
    assert_eq!(desk.report().own.load, 10);
    assert_eq!(numbers(&desk.ask(&request(1, 4, &[])).unwrap()), (1, 1));
}

#[test]
fn no_reply_is_longer_than_its_request_but_for_twamp_light() {
    for twamp_light in [false, true] {
        let mut desk = Desk::new(options().twamp_light(twamp_light).conduct(Conduct::off()));
        for len in 0..=1500 {
            let payload = request(0, 0, &vec![0; 1500])[..len].to_vec();
            match (desk.ask(&payload), twamp_light) {
                (Ok(reply), _) if len >= BASE => assert_eq!(reply.len(), len),
                (Ok(reply), true) => assert!(len >= 14 && reply.len() == BASE, "{len}"),
                (Err(Reason::Undersized), true) => assert!(len < 14),
                (Err(Reason::Undersized), false) => assert!(len < BASE),
                other => panic!("{len}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_was_cut_off_on_receipt_is_not_answered() {
    let mut desk = Desk::new(options());
    let (request, meta) = (request(0, 0, &[]), Meta::new(address(CLIENT)));
    let datagram = Datagram::new(&request, &meta).wire_len(1000);
    desk.reflect.receive(desk.mail.now.monotonic, ONE, &datagram, &mut desk.mail);
    assert_eq!((desk.mail.ignored.as_slice(), desk.report().truncated), (&[Reason::Truncated][..], 1));
}

#[test]
fn a_reply_that_failed_is_not_counted_as_sent() {
    let mut desk = Desk::new(options());
    for sequence in 0..4 {
        assert!(desk.ask(&request(sequence, 4, &[])).is_ok());
    }
    let transmit = desk.mail.sent[0].0;
    let mut failure = SendFailure::new(transmit, io::Error::from(io::ErrorKind::NetworkUnreachable));
    (failure.place, failure.count, failure.bytes) = (1, 2, 2 * BASE);
    desk.reflect.failed(desk.mail.now.monotonic, ONE, &failure, &mut desk.mail);
    let all = desk.counters(4);
    assert_eq!((all.arrivals, all.replies, all.unanswered), (4, 2, 2));
    let report = desk.report();
    assert!(report.is_balanced());
    assert_eq!((report.own.answered, report.own.reply_failed, report.sent.datagrams), (3, 2, 3));
}

#[test]
fn what_the_limits_leave_out_is_counted_in_its_session() {
    let limited = Conduct::default().rate_limit(RateLimit::PerSecond(5));
    for (options, reason) in [(options().conduct(limited), Reason::RateLimit), (options().max_rate(5), Reason::MaxRate)]
    {
        let mut desk = Desk::new(options);
        let outcomes: Vec<_> = (0..8).map(|sequence| desk.ask(&request(sequence, 4, &[])).err()).collect();
        assert_eq!(outcomes, [[None; 5].as_slice(), &[Some(reason); 3]].concat());
        desk.wait(Duration::from_secs(1));
        let all = desk.counters(4);
        assert_eq!((all.arrivals, all.distinct, all.replies, all.unanswered), (8, 8, 5, 3));
        assert_eq!(desk.report().ignored.of(reason), 3);
        // Of another network there is as much as before, unless the limit is for all.
        let other = Meta::new(address("192.0.2.1:40000"));
        let outcomes: Vec<_> =
            (0..6).map(|sequence| desk.hear_of(&other, &request(sequence, 4, &[])).is_ok()).collect();
        let expected = if reason == Reason::MaxRate { 4 } else { 5 };
        assert_eq!(outcomes.iter().filter(|is_answered| **is_answered).count(), expected);
    }
}

/// A request that is made with a key, asking for the counters.
fn sealed(key: &Key, sequence: u32, ssid: u16, purpose: Purpose) -> Vec<u8> {
    let error = ErrorEstimate::unsynchronized(TimestampFormat::Ntp);
    let request = Request { sequence, sent: Timestamp::default(), error, ssid };
    let mut packet = Vec::new();
    request.write(Some(key), &mut packet);
    let mut tlvs = TlvWriter::after(&mut packet);
    tlvs.push(stamp::COUNTERS, Counters { load: Some(0), ..Counters::request(purpose) }.write(&mut Vec::new()));
    tlvs.seal(key);
    packet
}

/// The number of a reply that is made with a key, and what was counted.
fn unsealed(key: &Key, reply: &[u8]) -> (u32, Counters) {
    let (reply, tlvs) = Reply::read(reply, Some(key)).unwrap();
    (reply.sequence, tlvs.answered(stamp::COUNTERS).and_then(Counters::read).unwrap())
}

fn key(number: u8) -> Key {
    Key::new(&[number; 32])
}

#[test]
fn with_keys_only_requests_that_verify_are_answered_and_the_others_are_counted_by_reason() {
    let mut desk = Desk::new(options().keys(ReflectKeys::default().with(7, key(7)).with(8, key(8))).twamp_light(true));
    for sequence in 0..3 {
        let reply = desk.ask(&sealed(&key(7), sequence, 7, Purpose::Probe)).unwrap();
        let (number, all) = unsealed(&key(7), &reply);
        assert_eq!((number, all.arrivals), (sequence, u64::from(sequence) + 1));
    }
    assert!(desk.ask(&sealed(&key(8), 0, 8, Purpose::Probe)).is_ok());
    let mut changed = sealed(&key(7), 9, 7, Purpose::Probe);
    changed[3] ^= 1;
    let plain = [0; 200];
    for (wrong, reason) in [
        (sealed(&key(8), 9, 7, Purpose::Probe), Reason::WrongDigest),
        (changed, Reason::WrongDigest),
        (sealed(&key(7), 9, 9, Purpose::Probe), Reason::UnknownKey),
        (plain.to_vec(), Reason::UnknownKey),
        (plain[..111].to_vec(), Reason::Undersized),
        (request(9, 7, &[]), Reason::Undersized),
    ] {
        assert_eq!(desk.ask(&wrong), Err(reason));
    }
    // None of them counted in a session, or began one.
    let reply = desk.ask(&sealed(&key(7), 0, 7, Purpose::Closing)).unwrap();
    assert_eq!(unsealed(&key(7), &reply).1.arrivals, 3);
    let own = desk.report().own;
    assert_eq!((own.sessions_ever, own.sessions_authenticated), (2, 2));
}

#[test]
fn a_key_for_all_is_for_those_that_have_none_of_their_own() {
    let mut desk = Desk::new(options().keys(ReflectKeys::default().with_any(key(1)).with(7, key(7))));
    assert!(desk.ask(&sealed(&key(1), 0, 3, Purpose::Probe)).is_ok());
    assert!(desk.ask(&sealed(&key(7), 0, 7, Purpose::Probe)).is_ok());
    assert_eq!(desk.ask(&sealed(&key(1), 0, 7, Purpose::Probe)), Err(Reason::WrongDigest));
}

#[test]
fn keys_are_replaced_while_sessions_go_on() {
    let mut desk = Desk::new(options().keys(ReflectKeys::default().with(7, key(1)).with(8, key(8))));
    for (sequence, ssid, with) in [(0, 7, 1), (1, 7, 1), (0, 8, 8)] {
        assert!(desk.ask(&sealed(&key(with), sequence, ssid, Purpose::Probe)).is_ok());
    }
    let keys = ReflectKeys::default().with(7, key(2)).with(8, key(8));
    desk.reflect.input(desk.mail.now.monotonic, ReflectInput::Keys(keys), &mut desk.mail);
    assert_eq!(desk.ask(&sealed(&key(1), 2, 7, Purpose::Probe)), Err(Reason::WrongDigest));
    for (sequence, ssid, with) in [(2, 7, 2), (1, 8, 8)] {
        let reply = desk.ask(&sealed(&key(with), sequence, ssid, Purpose::Probe)).unwrap();
        let (number, all) = unsealed(&key(with), &reply);
        assert_eq!((number, all.arrivals), (sequence, u64::from(sequence) + 1));
    }
}

#[test]
fn a_flood_of_forged_requests_costs_no_authenticated_session_anything() {
    let with = options().keys(ReflectKeys::default().with(7, key(7))).most_sessions(64);
    let mut desk = Desk::new(with);
    let mut epochs = Vec::new();
    for sequence in 0..20 {
        let reply = desk.ask(&sealed(&key(7), sequence, 7, Purpose::Probe)).unwrap();
        let (number, all) = unsealed(&key(7), &reply);
        assert_eq!((number, all.arrivals, all.unanswered), (sequence, u64::from(sequence) + 1, 0));
        epochs.push(all.epoch);
        for forged in 0..1000_u32 {
            // Their sources are forged, that of the session is among them, and so are their digests.
            let source = if forged == 0 { address(CLIENT) } else { (forged.to_be_bytes(), 40_000).into() };
            assert!(desk.hear_of(&Meta::new(source), &sealed(&key(6), forged, 7, Purpose::Probe)).is_err());
        }
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 1);
    let report = desk.report();
    assert_eq!((report.own.sessions_ever, report.ignored.total(), report.own.answered), (1, 20_000, 20));
}

#[test]
fn a_flood_of_forged_sources_takes_bounded_memory_and_no_session_of_who_sends_more() {
    let mut desk = Desk::new(options().most_sessions(1000).conduct(Conduct::off()));
    assert!(desk.ask(&asking(0, 7, Purpose::Probe)).is_ok());
    let before = counters(&desk.ask(&asking(1, 7, Purpose::Probe)).unwrap());
    for forged in 0..100_000_u32 {
        let source = SocketAddr::from(((0x0b00_0000 + forged).to_be_bytes(), 40_000));
        assert!(desk.hear_of(&Meta::new(source), &request(forged, 0, &[])).is_ok());
        if forged % 1000 == 0 {
            desk.wait(ms(1));
        }
    }
    let own = desk.report().own;
    assert_eq!((own.sessions_now, own.sessions_ever, own.sessions_evicted), (1000, 100_001, 99_001));
    let after = counters(&desk.ask(&asking(2, 7, Purpose::Probe)).unwrap());
    assert_eq!((after.epoch, after.arrivals), (before.epoch, before.arrivals + 1));
}

#[test]
fn a_session_that_is_idle_is_forgotten_and_the_next_one_has_another_epoch() {
    let mut desk = Desk::new(options().idle(Duration::from_secs(60)));
    let first = counters(&desk.ask(&asking(0, 7, Purpose::Probe)).unwrap());
    desk.wait(Duration::from_secs(59));
    let second = counters(&desk.ask(&asking(1, 7, Purpose::Probe)).unwrap());
    assert_eq!((second.epoch, second.arrivals), (first.epoch, 2));
    let due = desk.mail.now.monotonic + Duration::from_secs(60);
    assert!(matches!(desk.reflect.next(), Next::At(at) if at <= due), "it is called to forget");
    desk.wait(Duration::from_secs(60));
    assert_eq!((desk.reflect.next(), desk.report().own.sessions_expired), (Next::Datagram, 1));
    let reply = desk.ask(&asking(2, 7, Purpose::Probe)).unwrap();
    let third = counters(&reply);
    assert!(third.epoch != first.epoch && third.arrivals == 1 && numbers(&reply).0 == 0);
}

#[test]
fn a_reply_has_the_dscp_that_was_asked_for_and_says_which_one_came() {
    let mut desk = Desk::new(options());
    let asked = ClassOfService { reply_dscp: 46, ..ClassOfService::default() };
    let request = request(0, 0, &tlv(stamp::CLASS_OF_SERVICE, &asked.bytes()));
    for (ecn, sent_ecn) in [(0, 0), (1, 1), (2, 2), (3, 2)] {
        let meta = Meta::new(address(CLIENT)).traffic_class(10 << 2 | ecn);
        let reply = desk.hear_of(&meta, &request).unwrap();
        let said = ClassOfService::read(&reply[BASE + 4..]).unwrap();
        assert_eq!(said, ClassOfService { received_dscp: 10, received_ecn: ecn, ..asked });
        let (transmit, _) = desk.mail.sent.last().unwrap();
        assert_eq!(transmit.traffic_class, Some(46 << 2 | sent_ecn), "with ECN {ecn}");
    }
    assert!(desk.ask(&self::request(0, 0, &[])).is_ok());
    assert_eq!(desk.mail.sent.last().unwrap().0.traffic_class, None);
}

#[test]
fn a_reply_says_when_the_one_before_it_left() {
    let mut desk = Desk::new(options().send_times(true));
    let request = |sequence| request(sequence, 0, &tlv(stamp::FOLLOW_UP_TELEMETRY, FollowUp::REQUEST));
    let said = |reply: &[u8]| FollowUp::read(&reply[BASE + 4..], TimestampFormat::Ntp);
    assert_eq!(said(&desk.ask(&request(0)).unwrap()), None);
    // Somebody else's in between.
    assert!(desk.hear_of(&Meta::new(address(OTHER)), &request(5)).is_ok());
    let at = desk.mail.now.utc + ms(3);
    for place in [0, 1] {
        desk.reflect.sent(desk.mail.now.monotonic, ONE, &SendTime::new(place, 1, at + ms(place)), &mut desk.mail);
    }
    let follow_up = said(&desk.ask(&request(1)).unwrap()).unwrap();
    assert_eq!((follow_up.sequence, follow_up.sent), (0, Timestamp::from_utc(at, TimestampFormat::Ntp)));
}

#[test]
fn a_run_ends_after_so_many_replies_or_so_long() {
    let mut desk = Desk::new(options().limits(Limits::default().count(2)));
    let outcomes: Vec<_> = (0..3).map(|sequence| desk.ask(&request(sequence, 4, &[])).err()).collect();
    assert_eq!(outcomes, [None, None, Some(Reason::AfterEnd)]);
    assert_eq!(desk.reflect.next(), Next::Done);
    let mut desk = Desk::new(options().limits(Limits::default().duration(ms(500))));
    desk.wait(ms(0));
    assert!(desk.ask(&request(0, 4, &[])).is_ok());
    desk.wait(ms(499));
    assert!(desk.reflect.next() != Next::Done);
    desk.wait(ms(1));
    assert_eq!(desk.reflect.next(), Next::Done);
}

/// The hop limit of the reply to what came with so many hops left.
fn hops(desk: &mut Desk, payload: &[u8], left: u8) -> Option<u8> {
    desk.hear_of(&Meta::new(address(CLIENT)).hop_limit(left), payload).unwrap();
    desk.mail.sent.last().unwrap().0.hop_limit
}

#[test]
fn a_request_is_answered_with_all_hops_and_what_may_be_a_reply_with_fewer_than_it_had_left() {
    assert_eq!(options().socket_options().hop_limit, Some(255));
    for key in [None, Some(key(0))] {
        let mut desk = Desk::new(match key.clone() {
            None => options(),
            Some(key) => options().keys(ReflectKeys::default().with_any(key)),
        });
        let mut fresh = request(0, 7, &tlv(1, &[1; 8]));
        if let Some(key) = &key {
            let (request, _) = Request::read(&fresh, None).unwrap();
            request.write(Some(key), &mut fresh);
        }
        assert_eq!([255, 64, 1].map(|left| hops(&mut desk, &fresh, left)), [None; 3]);
        let reply = desk.mail.sent.last().unwrap().1.clone();
        assert_eq!([255, 40, 2].map(|left| hops(&mut desk, &reply, left)), [Some(63), Some(39), Some(1)]);
        assert_eq!(desk.hear_of(&Meta::new(address(CLIENT)).hop_limit(1), &reply), Err(Reason::HopsSpent));
    }
}

/// How many datagrams two hosts send each other after one that the first gets in the name of the second.
fn exchanged(first: impl Engine + 'static, second: impl Engine + 'static, hop_limit: u8) -> u64 {
    let mut net = Network::new(1);
    net.add(Host::at(address(SERVER)).hop_limit(63), first, silent).unwrap();
    net.add(Host::at(address(OTHER)).hop_limit(63), second, silent).unwrap();
    net.inject(address(OTHER), address(SERVER), hop_limit, &asking(0, 0, Purpose::Probe));
    assert!(net.run(100_000), "they never fall silent");
    net.traffic().sent
}

#[test]
fn two_reflectors_or_a_reflector_and_an_echo_server_that_face_each_other_fall_silent() {
    let reflector = |at: &str| Reflect::new(ReflectOptions::new(vec![address(at)]));
    for hop_limit in [255, 64, 2] {
        for sent in [
            exchanged(reflector(SERVER), reflector(OTHER), hop_limit),
            exchanged(reflector(SERVER), server(Answer::Echo, OTHER), hop_limit),
            exchanged(server(Answer::Echo, SERVER), reflector(OTHER), hop_limit),
        ] {
            // The first reply has all hops, and those after it count down from 63.
            assert!((1..=65).contains(&sent), "{sent} with {hop_limit} hops");
        }
    }
}

#[test]
fn a_reflectors_clock_that_is_wrong_is_in_its_times_and_in_nothing_else() {
    let mut net = Network::new(1);
    net.set_links(ImpairmentOptions::default().delay(ms(5))).unwrap();
    let clock = HostClock::default().ahead(Duration::from_secs(100));
    net.add(Host::at(address(SERVER)).clock(clock), Reflect::new(options()), silent).unwrap();
    let client = net.add(Host::at(address(CLIENT)), Probe::default(), silent).unwrap();
    let start = net.now();
    net.inject(address(CLIENT), address(SERVER), 64, &request(3, 1, &[]));
    assert!(net.run(100));
    let (at, _, meta, reply) = &net.engine(client).received[0];
    assert_eq!((*at - start, numbers(reply)), (ms(10), (0, 3)));
    let (reply, _) = Reply::read(reply, None).unwrap();
    assert_eq!(reply.sent.since(reply.received).0, 0);
    let received = Timestamp::from_utc(meta.received.unwrap(), TimestampFormat::Ntp);
    assert_eq!(received.since(reply.sent).0, 5_000_000 - 100_000_000_000);
}

/// What the log says of requests on their way to the reflector: arrivals, different ones, reordered ones (RFC 4737).
fn truth(net: &Network<'_>) -> (u64, u64, u64) {
    let there = net.log().iter().filter(|crossing| crossing.destination == address(SERVER) && !crossing.is_refusal);
    let arrived = there.filter_map(|crossing| match crossing.outcome {
        Outcome::Arrived(at) => Some((at, crossing.number)),
        _ => None,
    });
    let mut arrived: Vec<_> = arrived.collect();
    arrived.sort_unstable();
    let (mut seen, mut reordered) = (BTreeSet::new(), 0);
    for (_, number) in &arrived {
        let is_late = seen.last().is_some_and(|last| last > number);
        reordered += u64::from(seen.insert(*number) && is_late);
    }
    (arrived.len() as u64, seen.len() as u64, reordered)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_closing_reply_tells_what_the_network_did_to_requests_whatever_it_does_to_replies(
        seed in any::<u64>(),
        (loss, duplicate, jitter) in (0.0f64..0.4, 0.0f64..0.3, 0u64..20),
        (reply_loss, reply_duplicate) in (0.0f64..0.5, 0.0f64..0.3),
    ) {
        const REQUESTS: u32 = 200;
        let mut net = Network::new(seed);
        let (from, to) = (address(CLIENT).ip(), address(SERVER).ip());
        let there = ImpairmentOptions::default().delay(ms(30)).jitter(Jitter::Uniform(ms(jitter))).keep_order(false);
        net.set_link(from, to, there.loss(loss).duplicate(duplicate)).unwrap();
        net.set_link(to, from, ImpairmentOptions::default().loss(reply_loss).duplicate(reply_duplicate)).unwrap();
        let reflector = net.add(Host::at(address(SERVER)), Reflect::new(options()), silent).unwrap();
        let start = net.now();
        let act = |after, payload| (start + ms(after), Act::Send(ONE, Transmit::to(address(SERVER)), payload));
        let mut plan: Vec<_> = (0..REQUESTS).map(|n| act(u64::from(n), asking(n, 7, Purpose::Probe))).collect();
        plan.extend((0..60).map(|n| act(1000 + u64::from(n), asking(n, 7, Purpose::Closing))));
        let client = net.add(Host::at(address(CLIENT)), Probe { plan, ..Probe::default() }, silent).unwrap();
        prop_assert!(net.run_for(ms(900), 100_000));
        let (arrivals, distinct, reordered) = truth(&net);
        prop_assert!(net.run_for(Duration::from_secs(2), 100_000));
        let received = net.engine(client).received.iter().map(|(.., reply)| counters(reply));
        let last = received.rev().find(|all| all.purpose == Purpose::Closing);
        prop_assert!(last.is_some(), "all of sixty were lost");
        let all = last.unwrap();
        prop_assert_eq!((all.arrivals, all.distinct, all.reordered, all.too_old), (arrivals, distinct, reordered, 0));
        prop_assert_eq!((all.replies, all.unanswered), (arrivals, 0));
        prop_assert!(net.engine(reflector).report().is_balanced());
    }
}

/// Something that happens to a reflector.
#[derive(Clone, Debug)]
enum Deed {
    Request { peer: u8, ssid: u16, sequence: u32, purpose: u8, sealed_with: u8 },
    Hostile { peer: u8, payload: Vec<u8> },
    Fails { places: u64, count: usize },
    Keys(Vec<u8>),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let request =
        (0u8..6, 0u16..3, 0u32..20, 0u8..6, 0u8..4).prop_map(|(peer, ssid, sequence, purpose, sealed_with)| {
            Deed::Request { peer, ssid, sequence, purpose, sealed_with }
        });
    prop_oneof![
        8 => request,
        1 => (0u8..6, prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(peer, payload)| Deed::Hostile { peer, payload }),
        1 => (0u64..30, 1usize..4).prop_map(|(places, count)| Deed::Fails { places, count }),
        1 => prop::collection::vec(1u8..4, 0..3).prop_map(Deed::Keys),
        1 => (0u64..3000).prop_map(Deed::Wait),
    ]
}

fn keys(numbers: &[u8]) -> ReflectKeys {
    numbers.iter().fold(ReflectKeys::default(), |keys, number| keys.with(u16::from(*number) - 1, key(*number)))
}

fn act(desk: &mut Desk, deed: Deed, failed: &mut u64) {
    let source = |peer: u8| SocketAddr::from(([10, 0, 1, peer], if peer == 0 { 0 } else { 40_000 }));
    match deed {
        Deed::Request { peer, ssid, sequence, purpose, sealed_with } => {
            let purpose = [Purpose::Probe, Purpose::Closing, Purpose::Load][usize::from(purpose).saturating_sub(3)];
            let packet = match sealed_with {
                0 => asking(sequence, ssid, purpose),
                number => sealed(&key(number), sequence, ssid, purpose),
            };
            let _ = desk.hear_of(&Meta::new(source(peer)), &packet);
        }
        Deed::Hostile { peer, payload } => {
            if let Ok(reply) = desk.hear_of(&Meta::new(source(peer)), &payload) {
                assert!(reply.len() <= payload.len().max(BASE));
            }
        }
        Deed::Fails { places, count } => {
            // A reply fails once; which ones do is in no order.
            let sent = desk.mail.sent.len() as u64;
            let place = *failed + places;
            if place + count as u64 <= sent {
                *failed = place + count as u64;
                let mut failure =
                    SendFailure::new(desk.mail.sent[0].0, io::Error::from(io::ErrorKind::HostUnreachable));
                (failure.place, failure.count) = (place, count);
                let of_it = &desk.mail.sent[usize::try_from(place).unwrap()..][..count];
                failure.bytes = of_it.iter().map(|(_, reply)| reply.len()).sum();
                desk.reflect.failed(desk.mail.now.monotonic, ONE, &failure, &mut desk.mail);
            }
        }
        Deed::Keys(numbers) => {
            desk.reflect.input(desk.mail.now.monotonic, ReflectInput::Keys(keys(&numbers)), &mut desk.mail);
        }
        Deed::Wait(time) => desk.wait(ms(time)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_datagram_ends_in_one_counter_and_each_session_says_what_arrived(
        deeds in prop::collection::vec(deed(), 0..200),
        first in prop::collection::vec(1u8..4, 0..2),
        most in 1usize..8,
        rates in (prop::option::of(1u32..20), prop::option::of(1u32..20)),
    ) {
        let (max_rate, per_network) = rates;
        let conduct = Conduct::default().rate_limit(per_network.map_or(RateLimit::Off, RateLimit::PerSecond));
        let options = options().keys(keys(&first)).most_sessions(most).idle(Duration::from_secs(5));
        let mut desk = Desk::new(options.max_rate(max_rate).conduct(conduct));
        let mut failed = 0;
        for deed in deeds {
            act(&mut desk, deed, &mut failed);
            let Report { own, sent, ignored, received, .. } = desk.report();
            prop_assert_eq!(own.answered, sent.datagrams);
            prop_assert_eq!(received.datagrams, own.answered + own.reply_failed + own.load + ignored.total());
            prop_assert!(own.sessions_now <= most as u64);
            prop_assert_eq!(own.sessions_ever, own.sessions_now + own.sessions_expired + own.sessions_evicted);
        }
        // Behind a base packet of either kind, where it was recognised.
        let values = |reply: &'_ [u8]| {
            [BASE, 112].map(|base| reply.get(base..base + 84)?.strip_prefix(&[0, stamp::COUNTERS, 0, 80]).map(<[u8]>::to_vec))
        };
        let values = desk.mail.sent.iter().flat_map(|(_, reply)| values(reply));
        for all in values.flatten().filter_map(|value| Counters::read(&value)) {
            let is_closing = all.purpose == Purpose::Closing;
            prop_assert!(is_closing || all.arrivals > 0);
            prop_assert_eq!(all.replies + all.unanswered, all.arrivals, "each was answered or not: {:?}", all);
            prop_assert!(all.distinct + all.too_old <= all.arrivals && all.reordered <= all.distinct);
        }
    }
}

#[test]
fn counters_say_how_long_the_longest_request_was() {
    let mut desk = Desk::new(options());
    let asking = |sequence, padding: usize| {
        let counters = Counters { load: Some(0), longest: Some(0), ..Counters::request(Purpose::Probe) };
        let counters = tlv(stamp::COUNTERS, counters.write(&mut Vec::new()));
        request(sequence, 3, &[counters, tlv(1, &vec![7; padding])].concat())
    };
    let lens = [10, 500, 20, 1400, 30].map(|padding| {
        let asked = asking(u32::try_from(padding).unwrap(), padding);
        let reply = desk.ask(&asked).unwrap();
        (asked.len() as u64, counters(&reply[..BASE + 4 + 88]).longest.unwrap())
    });
    let mut longest = 0;
    for (len, said) in lens {
        longest = longest.max(len);
        assert_eq!(said, longest);
    }
    // Who does not ask for it is not told.
    assert_eq!(desk.counters(3).longest, None);
}
