//! Links that send what a trace says: against its description, and against mahimahi's way to do it.

use std::collections::VecDeque;
use std::time::Duration;

use udpkit::impairment::{Capacity, Impairment, Queue, Rate, Trace};

use crate::{ms, nothing, start};

fn trace(text: &str) -> Trace {
    Trace::parse(text).unwrap()
}

fn rate(trace: Trace) -> Rate {
    Rate::new(trace, Queue::Datagrams(usize::MAX))
}

/// When datagrams leave that come at these times with so many bytes.
fn leave(rate: Rate, datagrams: &[(Duration, usize)]) -> Vec<Option<Duration>> {
    let mut impairment = Impairment::new(nothing().rate(rate), 1, start()).unwrap();
    let mut at = |&(at, len): &(Duration, usize)| {
        impairment.datagram(start() + at, len).original.departure().map(|it| it.at - start())
    };
    datagrams.iter().map(&mut at).collect()
}

/// In whole milliseconds, of a link without a bound to its queue.
fn leave_at(text: &str, datagrams: &[(Duration, usize)]) -> Vec<u64> {
    let at = |at: Option<Duration>| {
        let at = at.unwrap();
        assert!(at.subsec_nanos().is_multiple_of(1_000_000), "{at:?}");
        u64::try_from(at.as_millis()).unwrap()
    };
    leave(rate(trace(text)), datagrams).into_iter().map(at).collect()
}

#[test]
fn each_opportunity_sends_1500_bytes() {
    let at_once =
        |text: &str, lengths: &[usize]| leave_at(text, &lengths.iter().map(|len| (ms(0), *len)).collect::<Vec<_>>());
    assert_eq!(at_once("4\n7\n10\n", &[1500; 4]), [4, 7, 10, 14]);
    assert_eq!(at_once("4\n7\n10\n", &[1501, 1499, 1500]), [7, 7, 10]);
    assert_eq!(at_once("4\n7\n10\n", &[500, 500, 500, 1]), [4, 4, 4, 7]);
    assert_eq!(at_once("4\n7\n10\n", &[500, 0, 1500, 0]), [4, 4, 7, 7]);
    assert_eq!(at_once("4\n7\n10\n", &[1500, 0, 0]), [4, 7, 7]);
    assert_eq!(at_once("1\n1\n5\n10\n", &[3000, 1500, 65_507]), [1, 5, 115]);
    assert_eq!(at_once("0\n5\n", &[1500; 5]), [5, 5, 10, 10, 15]);
}

#[test]
fn an_opportunity_for_which_nothing_waits_has_passed() {
    let almost = ms(4) - Duration::from_nanos(1);
    assert_eq!(leave_at("4\n7\n10\n", &[(almost, 1), (ms(4), 1)]), [4, 7]);
    assert_eq!(leave_at("4\n7\n10\n", &[(ms(0), 100), (ms(3), 1400), (ms(3), 1)]), [4, 4, 7]);
    assert_eq!(
        leave_at("4\n7\n10\n", &[(ms(5), 1), (ms(25), 1), (ms(30), 1), (ms(40_000_031), 1)]),
        [7, 27, 34, 40_000_034]
    );
    assert_eq!(leave_at("4\n7\n10\n", &[(ms(9), 1), (ms(10), 1), (ms(13), 1)]), [10, 14, 14]);
}

#[test]
fn a_queue_before_a_trace_has_its_bounds_and_headers_count() {
    let datagrams = [(ms(0), 1000); 4];
    let bounded = |queue| leave(Rate::new(trace("4\n7\n10"), queue), &datagrams);
    let at = |milliseconds| Some(ms(milliseconds));
    assert_eq!(bounded(Queue::Datagrams(2)), [at(4), at(7), at(7), None]);
    assert_eq!(bounded(Queue::Bytes(1500)), [at(4), at(7), None, None]);
    assert_eq!(bounded(Queue::Bytes(0)), [at(4), None, None, None]);
    assert_eq!(leave(rate(trace("4\n7\n10")).overhead(28), &[(ms(0), 1472), (ms(0), 1)]), [at(4), at(7)]);
    assert_eq!(leave(rate(trace("4\n7\n10")).overhead(28), &[(ms(0), 1473)]), [at(7)]);
}

/// Times at which mahimahi's `link_queue.cc` sends datagrams: it wakes at each opportunity and takes of its queue what fits.
fn as_mahimahi(opportunities: &[u64], datagrams: &[(Duration, usize)]) -> Vec<Option<Duration>> {
    let (mut queue, mut coming) = (VecDeque::new(), datagrams.iter().copied().peekable());
    let (mut sent, mut in_transit) = (Vec::new(), None);
    let mut base = 0;
    loop {
        for opportunity in opportunities {
            let now = ms(base + opportunity);
            while let Some((_, len)) = coming.next_if(|(at, _)| *at < now) {
                queue.push_back(len);
            }
            let mut left = 1500;
            while left > 0 {
                let Some(bytes) = in_transit.or_else(|| queue.pop_front()) else { break };
                let taken = left.min(bytes);
                left -= taken;
                in_transit = Some(bytes - taken).filter(|rest| *rest > 0);
                if in_transit.is_none() {
                    sent.push(Some(now));
                }
            }
        }
        if sent.len() == datagrams.len() {
            return sent;
        }
        base += opportunities.last().unwrap();
    }
}

#[test]
fn traces_are_used_as_mahimahi_uses_them() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut time, mut opportunities) = (0, Vec::new());
        for _ in 0..random.usize(1..40) {
            let most = [1, 2, 10, 100][random.usize(0..4)];
            time += random.u64(0..most);
            opportunities.push(time);
        }
        if time == 0 {
            opportunities.push(1);
        }
        let (mut at, mut datagrams) = (Duration::ZERO, Vec::new());
        for _ in 0..random.usize(1..300) {
            let pause = [0, 0, 1000, 100_000, 1_000_000, 3_000_000, 50_000_000][random.usize(0..7)];
            at += Duration::from_nanos(pause);
            datagrams.push((at, [0, 1, random.usize(0..1500), 1500, random.usize(0..9000)][random.usize(0..5)]));
        }
        let text: String = opportunities.iter().map(|time| format!("{time}\n")).collect();
        let (ours, theirs) = (leave(rate(trace(&text)), &datagrams), as_mahimahi(&opportunities, &datagrams));
        assert_eq!(ours, theirs, "seed {seed}: {opportunities:?} {datagrams:?}");
    }
}

#[test]
fn a_busy_trace_achieves_its_bitrate_and_an_idle_one_what_comes() {
    let uneven = trace("3\n3\n3\n4\n20\n21\n21\n30");
    assert!((uneven.mean_bitrate() - 3.2e6).abs() < 1e-6, "eight in 30 ms: {}", uneven.mean_bitrate());
    let mut impairment = Impairment::new(nothing().rate(rate(uneven.clone()).overhead(28)), 1, start()).unwrap();
    assert_eq!(impairment.carried().bitrate(), None);
    for place in 0..20_000usize {
        let _ = impairment.datagram(start(), place * 7919 % 1473);
    }
    let carried = impairment.carried();
    assert_eq!(carried.datagrams, 20_000);
    assert_eq!(carried.bytes, (0..20_000u64).map(|place| place * 7919 % 1473 + 28).sum::<u64>());
    let achieved = carried.bitrate().unwrap();
    assert!((achieved / uneven.mean_bitrate() - 1.0).abs() < 0.001, "{achieved}");

    // One datagram each 30 ms waits 3 ms of them: of what it could, the link sends that of the other 27 to nobody.
    let mut impairment = Impairment::new(nothing().rate(rate(uneven)), 1, start()).unwrap();
    for place in 0..100 {
        let _ = impairment.datagram(start() + ms(30) * place, 1500);
    }
    assert_eq!((impairment.carried().busy, impairment.carried().bytes), (ms(300), 150_000));
}

#[test]
fn what_waits_is_known_at_any_time() {
    let mut impairment =
        Impairment::new(nothing().rate(Rate::new(8_000_000, Queue::Datagrams(9)).overhead(28)), 1, start());
    let impairment = impairment.as_mut().unwrap();
    for _ in 0..4 {
        let _ = impairment.datagram(start(), 972);
    }
    let waiting = |at| {
        let backlog = impairment.backlog(start() + at);
        (backlog.datagrams, backlog.bytes)
    };
    let almost = ms(1) - Duration::from_nanos(1);
    assert_eq!(
        [ms(0), almost, ms(1), ms(2), ms(3), ms(9)].map(waiting),
        [(3, 3000), (3, 3000), (2, 2000), (1, 1000), (0, 0), (0, 0)]
    );
    let carried = impairment.carried();
    assert_eq!((carried.busy, carried.bitrate()), (ms(4), Some(8e6)));
}

#[test]
fn another_trace_begins_where_the_time_is() {
    let mut impairment = Impairment::new(nothing().rate(rate(trace("4\n7\n10"))), 1, start()).unwrap();
    let mut at = |options: Option<Capacity>, milliseconds| {
        let rate = options.map(|capacity| Rate::new(capacity, Queue::Datagrams(9)));
        rate.into_iter().for_each(|rate| impairment.change(nothing().rate(rate)).unwrap());
        let departure = impairment.datagram(start() + ms(milliseconds), 100).original.departure().unwrap();
        u64::try_from((departure.at - start()).as_millis()).unwrap()
    };
    assert_eq!([at(None, 0), at(None, 8)], [4, 10]);
    // What waits for the earlier one leaves when it was to; the next has the next opportunity.
    assert_eq!([at(Some(trace("1").into()), 8), at(None, 8)], [11, 11]);
    assert_eq!([at(Some(trace("6\n20").into()), 12), at(None, 12), at(None, 25)], [20, 20, 26]);
    assert_eq!([at(Some(80_000.into()), 30), at(Some(trace("6\n20").into()), 30)], [40, 46]);
}

#[test]
fn a_trace_that_is_none_is_refused_at_its_place() {
    let refused = |text: &str| Trace::parse(text).unwrap_err().to_string();
    let nothing = "line 1, column 1: there is no time after 0 at which anything is sent";
    assert_eq!([refused(""), refused("# 12\n\n"), refused("0\n0\n")], [nothing; 3]);
    assert_eq!(refused("1\n  x"), "line 2, column 3: 'x' is not a number of milliseconds");
    assert_eq!(refused("5\n6\n\n4"), "line 4, column 1: 4 is before 6, the time above it");
    for wrong in ["-1", "+1", "1.5", "4294967296", "1,2", "0x1", "١"] {
        assert_eq!(refused(wrong), format!("line 1, column 1: '{wrong}' is not a number of milliseconds"));
    }
    let hostile = format!("\u{1b}[2J{}", "a".repeat(1000));
    let shown = r"'\u{1b}[2Jaaaaaaaaaaaaaaaa…'";
    assert_eq!(refused(&hostile), format!("line 1, column 1: {shown} is not a number of milliseconds"));
    // Comments, empty lines, and the line ends of other systems do no harm; times may begin late.
    let same = Trace::parse("# of a train\r\n\r\n 100 # first\r\n4294967295\r\n").unwrap();
    assert_eq!(same, trace("100\n4294967295"));
    // As many as there may be were read before that.
    let too_long = "1\n".repeat(1 << 22) + "2";
    assert_eq!(refused(&too_long), "line 4194305, column 1: 4194304 opportunities are the longest trace");
    assert_eq!(same.clone().named("train.up").name(), Some("train.up"));
}
