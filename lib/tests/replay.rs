//! `replay` in real time on loopback: everything arrives in order, and how late it left is printed (`--nocapture`).

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
mod netns;

use std::fs;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, SystemTime};

use common::{Received, V4, bind, families, numbered, receive, told_all};
use udpkit::verbs::{Replay, ReplayDatagram, ReplayFigures, ReplayOptions, ReplayPace, Sources};
use udpkit::{Drive, End, Event, Options, Quantiles, Remote, Report, Socket, drive};

fn from(source: u16, at: Duration, payload: Vec<u8>) -> ReplayDatagram {
    let source = SocketAddr::from(([192, 0, 2, 1], source));
    let destination = SocketAddr::from(([192, 0, 2, 2], 9));
    ReplayDatagram::new(source, destination, payload).number(1).at(at)
}

/// Replays these from so many sockets in this thread.
fn replay(options: ReplayOptions, sockets: Vec<Socket>, capture: &[ReplayDatagram]) -> Report<ReplayFigures> {
    let mut replay = Replay::new(options, Sources::new(sockets.len()), || Ok(capture.iter().cloned().map(Ok)));
    let (_remote, control) = Remote::pair().unwrap();
    let drive_with = Drive::new(control);
    let mut sink = |_: Event<'_>| ControlFlow::Continue(());
    let (report, end) = drive(sockets, &mut replay, drive_with, &mut sink).unwrap();
    assert_eq!(end, End::Done);
    assert!(report.is_balanced() && replay.failure().is_none());
    report
}

/// Processor time of this thread.
fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// By how much each was later than the schedule, by the receiving kernel's clock; the one that was soonest is its origin.
fn schedule_errors(received: &[Received], interval: Duration) -> Quantiles {
    let begun = received[0].meta.received.unwrap_or(SystemTime::UNIX_EPOCH) - Duration::from_secs(1);
    let after = |at: Option<SystemTime>| at.and_then(|at| at.duration_since(begun).ok()).unwrap_or_default();
    let numbered = (0..).zip(received);
    let delays = numbered.map(|(number, received)| after(received.meta.received).saturating_sub(interval * number));
    let soonest = delays.clone().min().unwrap_or_default();
    let mut errors = Quantiles::default();
    delays.for_each(|delay| errors.add(delay - soonest));
    errors
}

/// Sends numbered datagrams with this interval; prints how late they were by our account and by the receiver's kernel.
#[expect(clippy::print_stdout, reason = "what was measured, for who asks")]
fn keep_time(name: &str, count: u32, interval: Duration, busy_wait: Duration) {
    let receiver = bind(V4, &told_all());
    let options = ReplayOptions::new(receiver.local_address()).busy_wait(busy_wait);
    let capture: Vec<_> = (0..count).map(|number| from(1, interval * number, numbered(number.into(), 32))).collect();
    let expected = usize::try_from(count).unwrap();
    let received = thread::spawn(move || receive(&receiver, expected));
    let before = processor_time();
    let report = replay(options, vec![bind(V4, &Options::default())], &capture);
    let spent = processor_time().zip(before).map(|(after, before)| after - before).unwrap_or_default();
    let received = received.join().unwrap();
    for (received, sent) in received.iter().zip(&capture) {
        assert!(received.payload == sent.payload, "a datagram that was not sent then");
    }
    assert_eq!((report.sent.datagrams, report.send_failed), (count.into(), 0));
    assert_eq!(report.own.lateness.count(), u64::from(count));
    let errors = schedule_errors(&received, interval);
    let shown = |all: &Quantiles| format!("p50 {:?} p99 {:?} max {:?}", all.at(0.5), all.at(0.99), all.largest());
    let share = spent.as_secs_f64() / report.elapsed.as_secs_f64() * 100.0;
    println!("{name}: late {}; received {}; processor {share:.1} %", shown(&report.own.lateness), shown(&errors));
    // Whatever this machine does meanwhile: the last is not before its time, and none is later than the run is long.
    let scheduled = interval * (count - 1);
    assert!(report.elapsed >= scheduled, "{:?} of {scheduled:?}", report.elapsed);
    assert!(report.own.lateness.largest() <= report.elapsed, "{:?}", report.own.lateness);
}

#[test]
fn three_thousand_at_a_millisecond_arrive_in_order_and_the_last_not_too_soon() {
    keep_time("1 ms", 3000, Duration::from_millis(1), ReplayOptions::BUSY_WAIT);
}

#[test]
#[ignore = "measures, and takes as long"]
fn lateness_by_interval_and_busy_wait() {
    for (count, interval) in [(30_000, 100), (3000, 1000), (300, 10_000), (20, 500_000)] {
        for busy_wait in [0, 50, 100, 200, 400] {
            let name = format!("{count} at {interval} µs, watching {busy_wait} µs");
            keep_time(&name, count, Duration::from_micros(interval), Duration::from_micros(busy_wait));
        }
    }
}

#[test]
fn order_is_kept_among_sockets_and_payloads_are_whole() {
    for ip in families() {
        let receiver = bind(ip, &told_all());
        let options = ReplayOptions::new(receiver.local_address()).pace(ReplayPace::Unpaced);
        let sockets = [0; 3].map(|_| bind(ip, &Options::default()));
        // One of the largest: no more of them is sure to fit the receiver's buffer.
        let lens = [0, 1, 1472, 1473, 32, 32, 32].into_iter().cycle().take(39).chain([65_507]);
        let capture: Vec<_> = (0..)
            .zip(lens)
            .map(|(number, len)| from(u16::try_from(number / 2 % 3).unwrap(), Duration::ZERO, numbered(number, len)))
            .collect();
        let received = thread::spawn(move || receive(&receiver, 40));
        let locals: Vec<_> = sockets.iter().map(Socket::local_address).collect();
        let report = replay(options, sockets.into(), &capture);
        assert_eq!(report.sent.datagrams, 40);
        for (number, (received, sent)) in received.join().unwrap().iter().zip(&capture).enumerate() {
            assert!(received.payload == sent.payload, "datagram {number} is another");
            let local = locals[usize::from(sent.source.port())];
            assert_eq!(received.meta.source, local, "of datagram {number}");
        }
    }
}
