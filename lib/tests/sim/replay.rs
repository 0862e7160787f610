//! `replay` in virtual time: what leaves when, by which socket, whatever the capture is like.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use udpkit::verbs::{
    Keeps, Limits, Listen, ListenOptions, Pace, Reading, Recording, Replay, ReplayDatagram, ReplayFigures,
    ReplayOptions,
};
use udpkit::verbs::{ReplayPace, Sources};
use udpkit::{
    Attempt, Delivery, Engine, Error, Event, Meta, Moment, Next, Object, Outbox, Reason, Report, Result, SocketId,
    Train, Transmit,
};

use crate::network::{Link, Mail, Network, Said};
use crate::{CLIENT, ONE, SERVER, address};

const OTHER_CLIENT: &str = "10.0.0.1:40001";

/// What left: when, after the first call; by which socket, where to, and the payload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) after: Duration,
    via: SocketId,
    to: SocketAddr,
    payload: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Records {
    after: Duration,
    /// The socket that something was sent by since the last turn, which is flushed, or since it was settled: another would
    /// not keep the order.
    via: Option<SocketId>,
    pub(crate) sent: Vec<Sent>,
    told: Vec<(u64, Vec<u8>)>,
}

impl Outbox for Records {
    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        assert_eq!(*self.via.get_or_insert(via), via, "two sockets at once");
        self.sent.push(Sent { after: self.after, via, to: transmit.destination, payload: payload.to_vec() });
    }

    fn settle(&mut self, via: SocketId) {
        assert_eq!(self.via.take(), Some(via), "nothing was sent there");
    }

    fn emit(&mut self, event: Event<'_>) {
        if let Event::Sent(udpkit::event::Sent { request, payload, .. }) = event {
            self.told.push((request, payload.to_vec()));
        }
    }
}

/// Runs a replay by itself in virtual time, each turn this much later than it asked for, at the most so many turns.
pub(crate) fn run(engine: &mut impl Engine, late: Duration, turns: usize) -> (Records, Duration) {
    let started = Network::new(Link::PERFECT, 0).now();
    let mut records = Records::default();
    let mut now = started;
    for _ in 0..turns {
        records.after = now - started;
        records.via = None;
        engine.tick(now, &mut records);
        match engine.next() {
            Next::At(moment) if moment > now => now = moment + late,
            Next::At(_) => {}
            Next::Datagram => panic!("nothing will come"),
            Next::Done => break,
        }
    }
    assert!(engine.report().is_balanced());
    (records, now - started)
}

pub(crate) fn captured(at: Duration, payload: impl Into<Vec<u8>>) -> ReplayDatagram {
    let (source, destination) = (address(CLIENT), address("10.9.9.9:53"));
    ReplayDatagram::new(source, destination, payload).number(1).at(at)
}

/// A capture of these times in milliseconds; each payload is the number of its datagram.
pub(crate) fn at(milliseconds: &[u64]) -> Vec<ReplayDatagram> {
    let numbered = milliseconds.iter().enumerate();
    let datagram = |(number, at): (usize, &u64)| {
        captured(Duration::from_millis(*at), number.to_string()).number(number as u64 + 1)
    };
    numbered.map(datagram).collect()
}

pub(crate) fn options() -> ReplayOptions {
    ReplayOptions::new(address(SERVER))
}

pub(crate) fn recorded(speed: f64) -> ReplayOptions {
    options().pace(ReplayPace::Recorded { speed })
}

pub(crate) type Capture = std::vec::IntoIter<Result<ReplayDatagram>>;

/// Opens the same capture each time.
pub(crate) fn opens(capture: Vec<ReplayDatagram>) -> impl FnMut() -> Result<Capture> {
    move || Ok(capture.iter().cloned().map(Ok).collect::<Vec<_>>().into_iter())
}

fn broken() -> Error {
    Error::new(Attempt::Read, Object::File("capture.pcap".into()), io::ErrorKind::UnexpectedEof.into())
}

/// When what left, in milliseconds, and the report.
pub(crate) fn times(options: ReplayOptions, capture: Vec<ReplayDatagram>) -> (Vec<u64>, Report<ReplayFigures>) {
    let mut replay = Replay::new(options, Sources::new(1), opens(capture));
    let (records, _) = run(&mut replay, Duration::ZERO, 10_000);
    let report = replay.report();
    assert_eq!(report.sent.datagrams, records.sent.len() as u64);
    (records.sent.iter().map(|sent| u64::try_from(sent.after.as_millis()).unwrap()).collect(), report)
}

#[test]
fn the_schedule_is_as_recorded_from_whatever_moment_the_times_count() {
    for start in [0, 5, 1_700_000_000_000] {
        let capture = at(&[start, start + 1, start + 1, start + 4000, start + 100_000]);
        let (times, report) = times(options(), capture);
        assert_eq!(times, [0, 1, 1, 4000, 100_000]);
        assert_eq!((report.own.lateness.count(), report.own.lateness.largest()), (5, Duration::ZERO));
        assert_eq!((report.own.times_decreasing, report.own.gaps_shortened, report.own.sources_shared), (0, 0, 0));
    }
}

#[test]
fn speed_divides_every_pause() {
    assert_eq!(times(recorded(2.0), at(&[0, 10, 30])).0, [0, 5, 15]);
    assert_eq!(times(recorded(0.25), at(&[0, 10, 30])).0, [0, 40, 120]);
}

#[test]
fn a_rate_and_a_bitrate_ignore_the_recorded_times() {
    let paced = |pace| options().pace(ReplayPace::Fixed(pace));
    let capture = at(&[0, 500, 2, 900]);
    let (rate, report) = times(paced(Pace::Interval(Duration::from_millis(3))), capture.clone());
    assert_eq!(rate, [0, 3, 6, 9]);
    assert_eq!((report.own.times_decreasing, report.own.lateness.count()), (0, 4));
    // A byte each.
    assert_eq!(times(paced(Pace::Bitrate(800.0)), capture).0, [0, 10, 20, 30]);
}

#[test]
fn unpaced_sends_all_at_once_and_has_no_schedule_to_be_late_for() {
    let unpaced = options().pace(ReplayPace::Unpaced);
    let (times, report) = times(unpaced, at(&[0, 500, 900_000].repeat(1000)));
    assert_eq!(times, [0; 3000]);
    assert_eq!(report.own.lateness.count(), 0);
}

#[test]
fn what_is_late_is_sent_at_once_and_nothing_adds_up() {
    let late = Duration::from_micros(2700);
    let mut replay = Replay::new(options(), Sources::new(1), opens(at(&(0..1000).collect::<Vec<_>>())));
    let (records, _) = run(&mut replay, late, 10_000);
    for (number, sent) in (0..).zip(&records.sent) {
        let lateness = sent.after - Duration::from_millis(number);
        assert!(lateness <= late, "{number} is {lateness:?} late");
        assert_eq!(sent.payload, number.to_string().into_bytes());
    }
    let lateness = replay.report().own.lateness;
    assert_eq!((lateness.count(), lateness.largest()), (1000, late));
    assert!(lateness.at(0.5) < late && lateness.at(0.99) <= late);
}

#[test]
fn long_gaps_are_shortened_and_counted() {
    let longest_gap = Some(Duration::from_millis(100));
    let capture = at(&[0, 100, 201, 210, 86_400_000, 86_400_001]);
    let (paused, report) = times(options().longest_gap(longest_gap), capture.clone());
    assert_eq!((paused, report.own.gaps_shortened), (vec![0, 100, 200, 209, 309, 310], 2));
    // As it would be at this pace.
    let (paused, report) = times(recorded(10.0).longest_gap(longest_gap), capture);
    assert_eq!((paused, report.own.gaps_shortened), (vec![0, 10, 20, 21, 121, 121], 1));
}

#[test]
fn decreasing_times_are_sent_at_once_in_order_and_counted() {
    // Disorder does not move what follows.
    let (disordered, report) = times(options(), at(&[0, 10, 7, 9, 11, 20]));
    assert_eq!((disordered, report.own.times_decreasing), (vec![0, 10, 10, 10, 11, 20], 2));
    // A clock that was set does: the hour is not waited for again, nor sent at once.
    let (set, report) = times(options(), at(&[3_600_000, 3_600_010, 5, 6, 3_600_000]));
    assert_eq!((set, report.own.times_decreasing), (vec![0, 10, 10, 11, 11], 2));
    let (set, report) = times(options(), at(&[3_600_000, 3_600_010, 5, 6, 3_606_000]));
    assert_eq!((set, report.own.clock_steps_back, report.own.clocks), (vec![0, 10, 10, 11, 6000], 1, 2));
}

#[test]
fn a_loop_sends_the_capture_again_right_after_its_end() {
    let rounds = |rounds, count| options().rounds(rounds).limits(Limits::default().count(count));
    let capture = at(&[5, 6, 9]);
    assert_eq!(times(rounds(Some(3), None), capture.clone()).0, [0, 1, 4, 4, 5, 8, 8, 9, 12]);
    assert_eq!(times(rounds(None, Some(7)), capture.clone()).0, [0, 1, 4, 4, 5, 8, 8]);
    let delayed = |pace| rounds(Some(3), None).pace(pace).loop_delay(Duration::from_millis(50));
    let recorded = ReplayPace::Recorded { speed: 1.0 };
    assert_eq!(times(delayed(recorded), capture.clone()).0, [0, 1, 4, 54, 55, 58, 108, 109, 112]);
    assert_eq!(times(delayed(ReplayPace::Unpaced), capture.clone()).0, [0, 0, 0, 50, 50, 50, 100, 100, 100]);
    let fixed = ReplayPace::Fixed(Pace::Rate(100.0));
    assert_eq!(times(delayed(fixed), capture.clone()).0, [0, 10, 20, 80, 90, 100, 160, 170, 180]);
    assert!(times(rounds(Some(0), None), capture).0.is_empty());
    // Nothing, without end, is nothing.
    assert!(times(rounds(None, None), Vec::new()).0.is_empty());
}

#[test]
fn limits_end_it() {
    let limited = |count, duration| options().limits(Limits::default().count(count).duration(duration));
    assert_eq!(times(limited(Some(2), None), at(&[0, 1, 2])).0, [0, 1]);
    assert!(times(limited(Some(0), None), at(&[0, 1, 2])).0.is_empty());
    let half_a_second = Some(Duration::from_millis(500));
    let mut replay = Replay::new(limited(None, half_a_second), Sources::new(1), opens(at(&[0, 400, 86_400_000])));
    let (records, took) = run(&mut replay, Duration::ZERO, 1000);
    assert_eq!((records.sent.len(), took), (2, Duration::from_millis(500)));
}

#[test]
fn a_capture_that_breaks_off_is_sent_as_far_as_it_goes() {
    let capture = || at(&[0, 10, 20]).into_iter().map(Ok).chain([Err(broken())]).chain(at(&[30]).into_iter().map(Ok));
    let mut replay =
        Replay::new(options().rounds(None), Sources::new(1), || Ok(capture().collect::<Vec<_>>().into_iter()));
    let (records, took) = run(&mut replay, Duration::ZERO, 1000);
    assert_eq!((records.sent.len(), took), (3, Duration::from_millis(20)));
    assert_eq!(format!("{:#}", replay.failure().unwrap()), "cannot read 'capture.pcap': unexpected end of file");

    // A file that is gone when it is to be read again.
    let mut opened = 0;
    let again = || {
        opened += 1;
        if opened > 2 { Err(broken()) } else { opens(at(&[0, 1]))() }
    };
    let mut replay = Replay::new(options().rounds(5), Sources::new(1), again);
    let (records, _) = run(&mut replay, Duration::ZERO, 1000);
    assert_eq!(records.sent.len(), 4);
    assert!(replay.failure().is_some());
}

#[test]
fn little_is_read_before_it_is_due() {
    let read = Cell::new(0u64);
    let endless = || {
        let read = &read;
        Ok((0..).map(move |number| {
            read.set(number);
            Ok(captured(Duration::from_millis(number), vec![0; 65_507]))
        }))
    };
    let mut replay = Replay::new(options(), Sources::new(1), endless);
    let (records, _) = run(&mut replay, Duration::ZERO, 5000);
    let sent = records.sent.len() as u64;
    assert!(sent > 1000 && (sent..=sent + 64).contains(&read.get()), "{sent} sent, {} read", read.get());
}

/// Has two that are there, two that come when they were asked for often enough, and then an end.
struct Slow {
    asked: u64,
}

impl Recording for Slow {
    fn read(&mut self) -> Result<Reading<ReplayDatagram>> {
        self.asked += 1;
        let at = Duration::from_millis(self.asked);
        Ok(match self.asked {
            1 | 2 | 23 | 44 => Reading::Ready(captured(at, [u8::try_from(self.asked).unwrap()])),
            3..44 => Reading::NotYet,
            _ => Reading::End,
        })
    }
}

#[test]
fn what_is_sent_has_the_number_that_it_was_read_with() {
    let numbered = |number, at| captured(Duration::from_millis(at), [0]).number(number);
    let capture = vec![numbered(7, 0), numbered(3, 1), numbered(u64::MAX, 1)];
    let options = options().verbose(true).rounds(2);
    let mut replay = Replay::new(options, Sources::new(1), opens(capture));
    let (records, _) = run(&mut replay, Duration::ZERO, 1000);
    let numbers: Vec<_> = records.told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [7, 3, u64::MAX, 7, 3, u64::MAX]);
}

#[test]
fn what_is_not_there_yet_is_asked_for_again_and_delays_nothing_that_is() {
    for pace in [ReplayPace::Recorded { speed: 1.0 }, ReplayPace::Unpaced] {
        let mut capture = Some(Slow { asked: 0 });
        let mut replay = Replay::new(options().pace(pace), Sources::new(1), || Ok(capture.take().unwrap()));
        let (records, _) = run(&mut replay, Duration::ZERO, 1000);
        assert!(replay.failure().is_none());
        let sent: Vec<_> = records.sent.iter().map(|sent| (sent.payload[0], sent.after)).collect();
        let recorded = u32::from(pace != ReplayPace::Unpaced);
        let at = |milliseconds| Duration::from_millis(milliseconds);
        assert_eq!(sent[..2], [(1, at(0)), (2, at(1) * recorded)]);
        assert!(sent[2].0 == 23 && sent[3].0 == 44, "{sent:?}");
        // Some milliseconds each time, but not busily.
        assert!(sent[2].1 >= at(40) && sent[3].1 <= at(1000), "{sent:?}");
    }
}

#[test]
fn what_is_not_there_yet_is_asked_for_less_and_less_often() {
    /// Has one that comes when it was asked for often enough.
    struct Late<'a>(&'a Cell<u64>);

    impl Recording for Late<'_> {
        fn read(&mut self) -> Result<Reading<ReplayDatagram>> {
            self.0.set(self.0.get() + 1);
            Ok(if self.0.get() == 8 { Reading::Ready(captured(Duration::ZERO, "x")) } else { Reading::NotYet })
        }
    }

    let asked = Cell::new(0);
    let unpaced = options().pace(ReplayPace::Unpaced);
    let mut replay = Replay::new(unpaced, Sources::new(1), || Ok(Late(&asked)));
    let (mut now, mut mail) = (Network::new(Link::PERFECT, 0).now(), Mail::default());
    let mut gaps = Vec::new();
    for _ in 0..10 {
        replay.tick(now, &mut mail);
        let Next::At(moment) = replay.next() else { panic!("it waits") };
        let before = asked.get();
        replay.tick(now, &mut mail);
        assert_eq!(asked.get(), before, "it asks again because it was called");
        gaps.push(moment - now);
        now = moment;
    }
    let microseconds: Vec<_> = gaps.iter().map(Duration::as_micros).collect();
    // What has come is due at once, and more is asked for as often as at first.
    assert_eq!(microseconds, [100, 200, 400, 800, 1600, 3200, 5000, 0, 100, 200]);
}

#[test]
fn some_are_read_at_once_and_the_first_leaves_before_more_are() {
    let read = Cell::new(0);
    let all = || {
        let read = &read;
        Ok((0..100).map(move |number| {
            read.set(read.get() + 1);
            Ok(captured(Duration::from_secs(number), "x"))
        }))
    };
    let mut replay = Replay::new(options(), Sources::new(1), all);
    let (now, mut mail) = (Network::new(Link::PERFECT, 0).now(), Mail::default());
    replay.tick(now, &mut mail);
    assert!((1..=8).contains(&read.get()) && mail.sent.is_empty(), "{} read", read.get());
    let before = read.get();
    replay.tick(now, &mut mail);
    assert_eq!((mail.sent.len(), read.get()), (1, before));
    for calls in 0..100 {
        let before = read.get();
        replay.tick(now, &mut mail);
        assert!(read.get() <= before + 8, "{} read by call {calls}", read.get() - before);
    }
    assert_eq!((mail.sent.len(), read.get()), (1, 65));
    assert_eq!(replay.next(), Next::At(now + Duration::from_secs(1)), "nothing is read that has no room");
}

#[test]
fn the_clock_is_watched_where_there_is_a_schedule() {
    let busy_wait = Duration::from_micros(70);
    let precision =
        |pace| Replay::new(options().pace(pace).busy_wait(busy_wait), Sources::new(1), opens(Vec::new())).precision();
    assert_eq!(precision(ReplayPace::Recorded { speed: 1.0 }), Some(busy_wait));
    assert_eq!(precision(ReplayPace::Fixed(Pace::Interval(Duration::from_secs(1)))), Some(busy_wait));
    assert_eq!(precision(ReplayPace::Unpaced), None);
}

#[test]
fn each_source_has_a_socket_while_there_are_any_and_order_is_kept() {
    let from = |source: &str, number: u8| captured(Duration::ZERO, [number]).source(address(source));
    let third = "10.0.0.7:1";
    let capture = vec![
        from(CLIENT, 0),
        from(OTHER_CLIENT, 1),
        from(CLIENT, 2),
        from(third, 3),
        from(third, 4),
        from(OTHER_CLIENT, 5),
    ];
    let mut sources = Sources::new(2);
    let vias: Vec<_> = capture.iter().map(|datagram| sources.via(datagram.source)).collect();
    assert!(sources.owners().eq([address(CLIENT), address(OTHER_CLIENT)]));
    assert_eq!((vias[0], vias[1], vias[2], vias[5]), (0, 1, 0, 1));
    assert!(vias[3] == vias[4] && vias[3] < 2);

    let unpaced = options().pace(ReplayPace::Unpaced);
    for (sources, options) in [
        (sources.clone(), options()),
        (sources, unpaced.clone()),
        (Sources::new(3), options()),
        (Sources::new(3), unpaced),
    ] {
        let shares = sources.owners().count() == 2;
        let mut replay = Replay::new(options, sources, opens(capture.clone()));
        let (records, _) = run(&mut replay, Duration::ZERO, 1000);
        assert_eq!(records.sent.iter().map(|sent| sent.payload[0]).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        let expected = if shares { vias.clone() } else { vec![0, 1, 0, 2, 2, 1] };
        assert_eq!(records.sent.iter().map(|sent| sent.via.index()).collect::<Vec<_>>(), expected);
        assert_eq!(replay.report().own.sources_shared, if shares { 2 } else { 0 });
    }
}

#[test]
fn what_another_socket_sends_has_a_time_of_its_own_where_lateness_is_told() {
    let from = |source: &str| captured(Duration::ZERO, "x").source(address(source));
    let capture = vec![from(CLIENT), from(CLIENT), from(OTHER_CLIENT), from(CLIENT)];
    for (pace, at_once) in [(ReplayPace::Recorded { speed: 1.0 }, vec![2, 3, 4]), (ReplayPace::Unpaced, vec![4, 4, 4])]
    {
        let mut replay = Replay::new(options().pace(pace), Sources::new(2), opens(capture.clone()));
        let (now, mut mail) = (Network::new(Link::PERFECT, 0).now(), Mail::default());
        // The first call reads.
        replay.tick(now, &mut mail);
        let mut sent = Vec::new();
        for _ in 0..3 {
            replay.tick(now, &mut mail);
            sent.push(mail.sent.len());
        }
        assert_eq!(sent, at_once, "{pace:?}");
    }
}

#[test]
fn everything_goes_to_one_address_and_keeps_of_its_own_what_is_asked() {
    for (keeps, to) in [(Keeps::Nothing, SERVER), (Keeps::Port, "10.0.0.2:53"), (Keeps::Destination, "10.9.9.9:53")] {
        let options = options().keeps(keeps).verbose(true);
        let mut replay = Replay::new(options, Sources::new(1), opens(at(&[0, 1])));
        let (records, _) = run(&mut replay, Duration::ZERO, 1000);
        assert!(records.sent.iter().all(|sent| sent.to == address(to)), "{:?}", records.sent);
        assert_eq!(records.told, [(1, b"0".to_vec()), (2, b"1".to_vec())]);
    }
}

#[test]
fn what_a_listener_hears_is_the_capture() {
    let payloads: Vec<_> = [0, 1, 1472, 1473, 65_507].map(|len| vec![b'x'; len]).into();
    let capture = payloads.iter().map(|payload| captured(Duration::from_millis(3), payload.clone())).collect();
    let replay = Replay::new(options(), Sources::new(1), opens(capture));
    let listen = Listen::new(ListenOptions::default());
    let mut net = Network::new(Link::PERFECT, 1);
    net.add(CLIENT, 64, replay);
    net.add(SERVER, 64, listen);
    assert!(net.run(1000));
    let heard: Vec<_> = payloads.into_iter().map(|payload| Said::Received(address(CLIENT), payload)).collect();
    assert_eq!(net.said(1), heard);
}

fn answer(replay: &mut impl Engine, now: Instant, from: &str, mail: &mut Mail) {
    let mut meta = Meta::new(address(from));
    meta.delivery = Delivery::Unicast;
    replay.receive_train(now, ONE, Train::new(&meta, b"answer", 6), mail);
}

#[test]
fn answers_are_told_while_they_are_awaited_and_counted_always() {
    let options = options().wait(Duration::from_secs(1)).own([address(CLIENT)]);
    let mut replay = Replay::new(options, Sources::new(1), opens(at(&[0])));
    let (mut mail, mut now) = (Mail::default(), Network::new(Link::PERFECT, 0).now());
    for from in [SERVER, "10.0.0.2:10001", CLIENT] {
        replay.tick(now, &mut mail);
        answer(&mut replay, now, from, &mut mail);
    }
    let Next::At(ends) = replay.next() else { panic!("it awaits answers") };
    assert_eq!((mail.sent.len(), ends - now), (1, Duration::from_secs(1)));
    now = ends;
    replay.tick(now, &mut mail);
    assert_eq!(replay.next(), Next::Done);
    answer(&mut replay, now, SERVER, &mut mail);
    let report = replay.report();
    let ignored = [Reason::OtherSource, Reason::OwnCopy, Reason::AfterEnd].map(|reason| report.ignored.of(reason));
    assert_eq!((report.received.datagrams, report.delivered, ignored), (4, 1, [1, 1, 1]));
    assert!(report.is_balanced());
}

proptest! {
    #[test]
    fn any_capture_is_sent_whole_in_order_and_no_sooner_than_due(
        times in prop::collection::vec((any::<u64>(), 0u32..64, any::<u32>(), 0u16..5), 0..200),
        speed in prop_oneof![Just(1.0), 1e-300f64..1e300, Just(f64::MIN_POSITIVE)],
        longest_gap in prop::option::of(0u64..1_000_000_000),
        sockets in 1usize..4,
        rounds in 1u64..4,
        late in 0u64..10_000_000,
    ) {
        let source = |host: u16| SocketAddr::from(([10, 0, 0, 1], host));
        let capture: Vec<_> = (0..).zip(&times).map(|(number, &(bits, shift, nanoseconds, host))| {
            let at = Duration::new(bits >> shift, nanoseconds % 1_000_000_000);
            captured(at, u32::to_be_bytes(number)).source(source(host))
        }).collect();
        let longest_gap = longest_gap.map(Duration::from_nanos);
        let options = recorded(speed).longest_gap(longest_gap).rounds(rounds);
        let mut replay = Replay::new(options, Sources::new(sockets), opens(capture.clone()));
        let (records, _) = run(&mut replay, Duration::from_nanos(late), 10_000);
        let expected: Vec<_> = capture.iter().cycle().take(capture.len() * usize::try_from(rounds).unwrap()).collect();
        let report = replay.report();
        // What is due in over a century, and all that follows, is due in a century.
        prop_assert_eq!(records.sent.len(), expected.len());
        for (sent, captured) in records.sent.iter().zip(&expected) {
            prop_assert_eq!(&sent.payload, &captured.payload);
        }
        prop_assert!(records.sent.is_sorted_by_key(|sent| sent.after));
        prop_assert_eq!(report.own.lateness.count(), expected.len() as u64);
        prop_assert!(report.own.lateness.largest() <= Duration::from_nanos(late));
        if let Some(longest) = longest_gap {
            let most = longest + Duration::from_nanos(late);
            prop_assert!(records.sent.windows(2).all(|pair| pair[1].after - pair[0].after <= most));
        }
    }
}
