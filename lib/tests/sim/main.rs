//! Engines on a virtual network, in virtual time: loss, delay, duplication, reordering, loops.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod balance;
mod broadcast;
mod certainty;
mod counts;
mod listen;
mod measure;
mod network;
mod path_mtu;
mod reflect;
mod relay;
mod relay_balance;
mod replay;
mod replay_clocks;
mod send;
mod serve;
mod world;

use std::net::SocketAddr;
use std::time::Duration;

use network::{Flying, Link, Network, Said};
use udpkit::event::{OneOf, Request};
use udpkit::verbs::{
    self, Broadcast, BroadcastOptions, BroadcastTarget, Limits, Listen, ListenOptions, Pace, Requests, SendOptions,
    Serve, ServeOptions,
};
use udpkit::{
    Answer, Conduct, Engine, Interface, InterfaceIndex, Interfaces, REPLY_HOP_LIMIT, RateLimit, Reason, ReplyTo, Rule,
    Rules, SocketId, Template, Transmit,
};

/// The only socket of a host.
const ONE: SocketId = SocketId::first(0);

const CLIENT: &str = "10.0.0.1:40000";
const SERVER: &str = "10.0.0.2:10000";
const OTHER: &str = "10.0.0.3:10000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn server(answer: Answer, at: &str) -> Serve {
    Serve::new(ServeOptions::new(answer, vec![address(at)]))
}

fn fixed(reply: &str) -> Answer {
    Answer::Fixed(reply.as_bytes().to_vec())
}

fn repeated(payloads: &[&str], times: u64) -> Requests {
    Requests::all(payloads.iter().copied()).repeat(times)
}

/// Interfaces of these names and numbers, without addresses.
fn interfaces(named: &[(&str, u32)]) -> Interfaces {
    let interface = |(name, index): &(&str, u32)| {
        Interface::new(*name).index(InterfaceIndex::new(*index)).up(true).running(true).broadcast(true).multicast(true)
    };
    named.iter().map(interface).collect()
}

fn every(interval: Duration) -> SendOptions {
    SendOptions::new(address(SERVER)).pace(Pace::Interval(interval))
}

#[test]
fn a_request_is_answered_and_its_round_trip_is_twice_the_delay() {
    let client = verbs::Send::new(SendOptions::new(address(SERVER)), Requests::one("Hello World"));
    let serve = server(fixed("Get off my lawn!"), SERVER);
    let mut net = Network::new(Link::PERFECT, 1);
    net.add(CLIENT, 64, client);
    net.add(SERVER, REPLY_HOP_LIMIT, serve);
    assert!(net.run(100));
    let to = ReplyTo::Request(Request::new(1, Some(Duration::from_millis(2))));
    let payload = b"Get off my lawn!".to_vec();
    assert_eq!(net.said(0), [Said::Reply { source: address(SERVER), payload, to }]);
}

#[test]
fn silence_ends_after_the_wait_and_its_doubled_retries() {
    let options = SendOptions::new(address(SERVER)).retries(2);
    let client = verbs::Send::new(options, Requests::one("x"));
    let mut net = Network::new(Link::PERFECT, 1);
    let started = net.now();
    let client = net.add(CLIENT, 64, client);
    assert!(net.run(100));
    assert_eq!(net.now() - started, Duration::from_secs(1 + 2 + 4));
    assert_eq!(net.truth().sent, 3);
    assert_eq!(net.said(0), [Said::Unanswered(1, 1)]);
    let report = net.report(client);
    assert_eq!(
        (report.own.requests, report.own.requests_answered, report.own.retries, report.sent.datagrams),
        (1, 0, 2, 3)
    );
}

#[test]
fn retries_get_through_a_network_that_loses_half() {
    let options = every(Duration::from_secs(1)).retries(20).wait(Duration::from_millis(10));
    let client = verbs::Send::new(options, repeated(&["x"], 100));
    let serve = server(Answer::Echo, SERVER);
    let link = Link { loss_per_mille: 500, ..Link::PERFECT };
    let mut net = Network::new(link, 8);
    let client = net.add(CLIENT, 64, client);
    net.add(SERVER, REPLY_HOP_LIMIT, serve);
    assert!(net.run(100_000));
    assert!(net.truth().lost > 100);
    assert_eq!(net.report(client).own.requests_answered, 100);
}

#[test]
fn round_trip_times_are_claimed_only_where_they_are_certain() {
    // The interval is shorter and longer than the round trip, and there are losses: what is claimed is true.
    for (interval, loss_per_mille) in [(10, 0), (50, 0), (70, 0), (10, 50), (50, 50), (70, 50), (1000, 50)] {
        let client = verbs::Send::new(every(Duration::from_millis(interval)), repeated(&["x"], 200));
        let serve = server(fixed("same"), SERVER);
        let link = Link { delay: Duration::from_millis(30), loss_per_mille, ..Link::PERFECT };
        let mut net = Network::new(link, 11);
        let client = net.add(CLIENT, 64, client);
        net.add(SERVER, REPLY_HOP_LIMIT, serve);
        assert!(net.run(10_000));
        let report = net.report(client);
        let truth = Duration::from_millis(60);
        if report.own.rtt.count() > 0 {
            assert_eq!((report.own.rtt.smallest(), report.own.rtt.largest()), (truth, truth), "every {interval} ms");
        }
        if interval == 1000 {
            // Each request's time is over before the next.
            assert_eq!(report.own.rtt.count(), report.own.requests_answered);
            assert!(report.own.requests_answered < 200);
        }
        if loss_per_mille == 0 {
            assert_eq!(report.own.requests_answered, 200);
        }
        assert_eq!(report.own.requests_answered, report.delivered);
    }
}

#[test]
fn a_stream_that_paused_keeps_its_pace_and_does_not_catch_up() {
    let options = every(Duration::from_secs(1)).wait(Duration::ZERO);
    let mut client = verbs::Send::new(options, Requests::Stream);
    let (mut mail, mut now) = (network::Mail::default(), Network::new(Link::PERFECT, 0).now());
    let mut sent_after = Vec::new();
    for pause in [10_000, 0, 0, 60_000, 0] {
        now += Duration::from_millis(pause);
        client.input(now, b"x".to_vec(), &mut mail);
        let given = now;
        while mail.sent.is_empty() {
            client.tick(now, &mut mail);
            if let udpkit::Next::At(next) = client.next() {
                now = now.max(next);
            }
        }
        mail.sent.clear();
        sent_after.push((now - given).as_millis());
    }
    assert_eq!(sent_after, [0, 1000, 1000, 0, 1000]);
}

#[test]
fn echoes_of_different_payloads_are_told_apart() {
    let options = SendOptions::new(address(SERVER)).pace(None);
    let client = verbs::Send::new(options, repeated(&["one", "two", "three"], 1));
    let serve = server(Answer::Echo, SERVER);
    let link = Link { jitter: Duration::from_millis(50), ..Link::PERFECT };
    let mut net = Network::new(link, 3);
    net.add(CLIENT, 64, client);
    net.add(SERVER, REPLY_HOP_LIMIT, serve);
    assert!(net.run(1000));
    let mut numbers = Vec::new();
    for said in net.said(0) {
        let Said::Reply { payload, to, .. } = said else { panic!("{said:?}") };
        // The first echo could be anything.
        let number = match to {
            ReplyTo::OneOf(OneOf { likely: Some((number, _)), .. }) if numbers.is_empty() => number,
            to => to.request().unwrap(),
        };
        numbers.push((number, String::from_utf8_lossy(&payload).into_owned()));
    }
    numbers.sort();
    assert_eq!(numbers, [(1, "one".to_owned()), (2, "two".to_owned()), (3, "three".to_owned())]);
}

#[test]
fn no_wait_and_no_pace_is_too_long() {
    let options = SendOptions::new(address(SERVER))
        .wait(Duration::MAX)
        .pace(Pace::Interval(Duration::MAX))
        .retries(u32::MAX)
        .duration(Duration::MAX);
    let client = verbs::Send::new(options, repeated(&["x"], u64::MAX));
    let mut net = Network::new(Link::PERFECT, 1);
    let client = net.add(CLIENT, 64, client);
    net.run(10);
    assert!(net.report(client).is_balanced());
}

#[test]
fn a_copied_answer_does_not_hide_a_loss() {
    for seed in 0..100 {
        hides_no_loss(seed);
    }
}

fn hides_no_loss(seed: u64) {
    let client = verbs::Send::new(every(Duration::from_millis(10)), repeated(&["1", "2", "3", "4", "5", "6"], 1));
    let serve = server(Answer::Echo, SERVER);
    let link = Link { loss_per_mille: 200, duplicate_per_mille: 500, ..Link::PERFECT };
    let mut net = Network::new(link, seed);
    let client = net.add(CLIENT, 64, client);
    net.add(SERVER, REPLY_HOP_LIMIT, serve);
    assert!(net.run(10_000));
    let mut answered: Vec<_> = net
        .said(0)
        .iter()
        .filter_map(|said| match said {
            Said::Reply { payload, .. } => Some(payload.clone()),
            _ => None,
        })
        .collect();
    // Until two payloads have come back, nothing says that they are echoes, and a copy may be another answer.
    let copies = answered.iter().skip(1).take_while(|payload| **payload == answered[0]).count();
    answered.sort();
    answered.dedup();
    let most = (answered.len() + copies) as u64;
    assert!((answered.len() as u64..=most).contains(&net.report(client).own.requests_answered), "seed {seed}");
}

#[test]
fn requests_keep_to_an_absolute_schedule() {
    let options = every(Duration::from_millis(3)).wait(Duration::ZERO);
    let client = verbs::Send::new(options, repeated(&["x"], 1000));
    let mut net = Network::new(Link { delay: Duration::ZERO, ..Link::PERFECT }, 1);
    let started = net.now();
    net.add(CLIENT, 64, client);
    assert!(net.run(10_000));
    assert_eq!(net.now() - started, Duration::from_millis(3 * 999));
}

#[test]
fn a_bitrate_counts_the_bytes_of_each_payload() {
    let options = SendOptions::new(address(SERVER)).wait(Duration::ZERO).pace(Pace::Bitrate(8000.0));
    let payloads = vec![vec![0; 10], vec![0; 1000]];
    let client = verbs::Send::new(options, Requests::all(payloads).repeat(3));
    let mut net = Network::new(Link { delay: Duration::ZERO, ..Link::PERFECT }, 1);
    let started = net.now();
    net.add(CLIENT, 64, client);
    assert!(net.run(100));
    // Due when what was sent before has had its time at 1000 bytes a second; the last payload's time is not waited for.
    assert_eq!(net.now() - started, Duration::from_millis(10 * 3 + 1000 * 2));
}

#[test]
fn answers_of_others_are_not_ours_unless_asked_for() {
    for any_source in [false, true] {
        let options = SendOptions::new(address(SERVER)).any_source(any_source);
        let client = verbs::Send::new(options, Requests::one("x"));
        let mut net = Network::new(Link::PERFECT, 1);
        let client = net.add(CLIENT, 64, client);
        net.inject(Flying { from: address(OTHER), to: address(CLIENT), hop_limit: 64, payload: b"mine".to_vec() });
        assert!(net.run(100));
        let report = net.report(client);
        assert_eq!(
            (report.delivered, report.ignored.of(Reason::OtherSource)),
            if any_source { (1, 0) } else { (0, 1) }
        );
        assert!(report.is_balanced());
    }
}

/// Two servers, and a datagram to one that says it is from the other. Returns how many datagrams there were, and
/// whether they ended within 3000 steps.
fn face_to_face(one: Answer, other: Answer, conduct: Conduct, payload: &str, hops: u8) -> (u64, bool) {
    let options = |answer, at| ServeOptions::new(answer, vec![address(at)]).conduct(conduct);
    let one = Serve::new(options(one, SERVER));
    let other = Serve::new(options(other, OTHER));
    let mut net = Network::new(Link { hops, ..Link::PERFECT }, 1);
    let one = net.add(SERVER, REPLY_HOP_LIMIT, one);
    let other = net.add(OTHER, REPLY_HOP_LIMIT, other);
    let payload = payload.as_bytes().to_vec();
    net.inject(Flying { from: address(OTHER), to: address(SERVER), hop_limit: 255, payload });
    let rest = net.run(3000);
    let sent = net.truth().sent;
    assert!(net.report(one).is_balanced() && net.report(other).is_balanced());
    (sent, rest)
}

#[test]
fn two_servers_facing_each_other_fall_silent_in_every_mode() {
    let template = |text: &str| Answer::Template(Template::text(text).unwrap());
    let late = |rule: Rule| rule.echo().delay(Duration::from_millis(1)..=Duration::from_millis(5));
    let modes = [
        Answer::Echo,
        fixed("Get off my lawn!"),
        fixed("Go away"),
        fixed(""),
        template("{payload}"),
        template("{count}"),
        Rules::from_iter([Rule::any().prefix("nobody says this"), Rule::any().echo()]).into(),
        Rules::from_iter([late(Rule::any())]).into(),
        Rules::from_iter([Rule::any().reply(Template::text("{length}").unwrap())]).into(),
        Answer::with(|datagram| Some(datagram.payload.to_vec())),
    ];
    let off = RateLimit::Off;
    for one in &modes {
        for other in &modes {
            for hops in [0, 5] {
                let guarded = Conduct::default().rate_limit(off);
                let (sent, rest) = face_to_face(one.clone(), other.clone(), guarded, "spoofed", hops);
                assert!(rest && sent <= 66, "{one:?} and {other:?}, {hops} hops apart: {sent}");
            }
            let unguarded = Conduct::default().rate_limit(off).break_loops(false).max_amplification(None);
            let (sent, rest) = face_to_face(one.clone(), other.clone(), unguarded, "spoofed", 0);
            assert!(!rest && sent > 1000, "the test must see a loop where there is no guard: {one:?} and {other:?}");
        }
    }
}

#[test]
fn a_client_that_repeats_itself_is_answered_every_time() {
    let client = verbs::Send::new(every(Duration::from_millis(2)), repeated(&["same"], 5000));
    let conduct = Conduct::default().rate_limit(RateLimit::Off);
    let serve = Serve::new(ServeOptions::new(Answer::Echo, vec![address(SERVER)]).conduct(conduct));
    let mut net = Network::new(Link { hops: 20, ..Link::PERFECT }, 1);
    let client = net.add(CLIENT, 64, client);
    net.add(SERVER, REPLY_HOP_LIMIT, serve);
    assert!(net.run(100_000));
    assert_eq!(net.report(client).own.requests_answered, 5000);
}

#[test]
fn a_network_gets_no_more_than_its_rate() {
    let options = every(Duration::from_micros(100)).wait(Duration::from_millis(3));
    let client = verbs::Send::new(options, repeated(&["x"], 30_000));
    let serve = server(Answer::Echo, SERVER);
    let mut net = Network::new(Link::PERFECT, 1);
    net.add(CLIENT, 64, client);
    let serve = net.add(SERVER, REPLY_HOP_LIMIT, serve);
    assert!(net.run(1_000_000));
    let report = net.report(serve);
    // A second's worth at once, and three seconds of the rate.
    let allowed = u64::from(RateLimit::DEFAULT_PER_SECOND) * 4;
    assert!(report.own.answered.abs_diff(allowed) <= 1, "{}", report.own.answered);
    assert_eq!(report.ignored.of(Reason::RateLimit), 30_000 - report.own.answered);
    assert!(report.is_balanced());
}

#[test]
fn forged_and_harmful_sources_are_not_answered_and_counted_by_reason() {
    let cases = [
        ("10.0.0.1:0", Reason::SourcePortZero),
        ("255.255.255.255:40000", Reason::SourceAddress),
        ("224.0.0.1:40000", Reason::SourceAddress),
        ("0.0.0.0:40000", Reason::SourceAddress),
        (SERVER, Reason::OwnSocket),
        ("10.0.0.1:53", Reason::ResponderPort),
        ("10.0.0.1:11211", Reason::ResponderPort),
    ];
    for (source, reason) in cases {
        let serve = server(Answer::Echo, SERVER);
        let mut net = Network::new(Link::PERFECT, 1);
        let serve = net.add(SERVER, REPLY_HOP_LIMIT, serve);
        net.inject(Flying { from: address(source), to: address(SERVER), hop_limit: 64, payload: b"x".to_vec() });
        assert!(net.run(100));
        assert_eq!(net.truth().sent, 1, "{source} was answered");
        assert_eq!(net.said(0), [Said::Ignored(reason, 1)]);
        assert!(net.report(serve).is_balanced());
    }
}

#[test]
fn a_broadcast_finds_every_host_once_and_not_itself() {
    let own = "10.0.0.1:10000";
    let to = address("10.0.0.255:10000");
    let options = BroadcastOptions::new([BroadcastTarget::new(Transmit::to(to), address(own))])
        .pace(Pace::Interval(Duration::from_millis(100)));
    let broadcast = Broadcast::new(options, repeated(&["who?"], 3));
    let hosts: Vec<Serve> = (2..22).map(|host| server(fixed("here"), &format!("10.0.0.{host}:10000"))).collect();
    let mut net = Network::new(Link { duplicate_per_mille: 200, ..Link::PERFECT }, 5);
    let broadcast = net.add(own, 64, broadcast);
    for (place, host) in hosts.into_iter().enumerate() {
        net.add(&format!("10.0.0.{}:10000", place + 2), REPLY_HOP_LIMIT, host);
    }
    assert!(net.run(10_000));
    let mut sources: Vec<_> = net
        .said(0)
        .iter()
        .filter_map(|said| match said {
            Said::Reply { source, .. } => Some(*source),
            _ => None,
        })
        .collect();
    sources.sort_unstable();
    let expected: Vec<_> = (2..22).map(|host| address(&format!("10.0.0.{host}:10000"))).collect();
    assert_eq!(sources, expected);
    let report = net.report(broadcast);
    assert!(report.is_balanced() && report.ignored.of(Reason::OwnCopy) >= 3);
    assert!(report.ignored.of(Reason::Duplicate) >= 40);
}

#[test]
fn listening_ends_after_the_count_and_counts_the_rest() {
    let limits = Limits::default().count(3);
    let from = vec!["10.0.0.0/24".parse().unwrap()];
    let listen = Listen::new(ListenOptions::default().limits(limits).from(from));
    let mut net = Network::new(Link::PERFECT, 1);
    let listen = net.add(SERVER, 64, listen);
    for source in ["10.0.0.9:1", "10.9.0.9:1", "10.0.0.9:2", "10.0.0.9:3", "10.0.0.9:4"] {
        net.inject(Flying { from: address(source), to: address(SERVER), hop_limit: 64, payload: vec![] });
    }
    assert!(net.run(100));
    let report = net.report(listen);
    assert_eq!((report.received.datagrams, report.delivered), (5, 3));
    assert_eq!((report.ignored.of(Reason::OtherSource), report.ignored.of(Reason::AfterEnd)), (1, 1));
}
