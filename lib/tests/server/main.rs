//! `Server` on real sockets: what it answers, its workers, its reports, and how it ends.
#![cfg(target_os = "linux")]

mod broken;
#[path = "../common/mod.rs"]
mod common;
mod flood;
mod load;
#[path = "../netns/mod.rs"]
mod netns;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{V4, bind, bind_to, families, is_over, now, patience, receive_one, reports, send_run};
use load::Load;
use udpkit::event::{Answered, Dropped, IgnoredDatagrams, Question, Reopened, Trouble};
use udpkit::verbs::{Limits, ServeFigures, ServeInput, ServeOptions};
use udpkit::{
    Answer, Attempt, Cause, Conduct, End, ErrorKind, Event, Group, Memberships, Options, Reason, ReceiveBatch, Remote,
    Report, Rule, Rules, Server, Socket, SocketId, Template, Transmit, Wait, any_address,
};

/// Ports are free in a namespace of one's own.
const PORT: u16 = 10_000;
/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a worker said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// Whom it answered, and what.
    Answered(SocketAddr, Vec<u8>),
    Question(u64, Vec<u8>),
    Trouble(String),
    Reopened(SocketAddr),
    /// New and total.
    Dropped(u64, u64),
    Ignored(Reason),
}

impl Said {
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Answered(Answered { datagram, reply, .. }) => Self::Answered(datagram.meta.source, reply.to_vec()),
            Event::Question(Question { ticket, datagram, .. }) => Self::Question(*ticket, datagram.payload.to_vec()),
            Event::Trouble(Trouble { error, .. }) => Self::Trouble(format!("{error:#}")),
            Event::Reopened(Reopened { local, .. }) => Self::Reopened(*local),
            Event::Dropped(Dropped { new, total, .. }) => Self::Dropped(*new, *total),
            Event::Ignored(IgnoredDatagrams { reason, .. }) => Self::Ignored(*reason),
            _ => return None,
        })
    }
}

/// A server with the sockets that its conduct asks for, and what its workers say, each with its number.
fn launch(options: ServeOptions, memberships: Memberships, workers: usize) -> (Server, Receiver<(usize, Said)>) {
    let sockets = options.own.iter().map(|own| bind_to(*own, &options.conduct.socket_options())).collect::<Vec<_>>();
    let options = options.own(sockets.iter().map(Socket::local_address).collect::<Vec<_>>());
    let (say, said) = channel();
    let server = Server::launch(sockets, options, memberships, workers, |number, _| {
        let say = say.clone();
        move |event: Event<'_>| {
            // Tests that heard enough do not listen any more.
            let _ = Said::of(&event).map(|said| say.send((number, said)));
            ControlFlow::Continue(())
        }
    });
    (server.expect("the address is free"), said)
}

/// What a worker says next, with its number.
fn heard(said: &Receiver<(usize, Said)>) -> (usize, Said) {
    said.recv_timeout(PATIENCE).expect("the workers have something to say")
}

fn at(ip: IpAddr, answer: impl Into<Answer>) -> ServeOptions {
    ServeOptions::new(answer.into(), vec![SocketAddr::new(ip, 0)])
}

/// Asks, and returns the only answer.
fn ask(client: &Socket, server: SocketAddr, question: impl AsRef<[u8]>) -> Vec<u8> {
    client.send_to(question.as_ref(), server).expect("loopback takes it");
    let reply = receive_one(client);
    assert_eq!(reply.meta.source, server);
    reply.payload
}

fn is_silent(client: &Socket) -> bool {
    client.receive(&mut ReceiveBatch::default(), Wait::No).expect("receiving does not fail") == 0
}

fn text(template: &str) -> Template {
    Template::text(template).expect("it is one")
}

#[test]
fn a_server_answers_until_it_is_stopped_and_its_port_is_free_then() {
    for ip in families() {
        let server = Server::start(SocketAddr::new(ip, 0), Answer::Echo).expect("there are free ports");
        let address = server.addresses()[0];
        let client = bind(ip, &Options::default().errors(true));
        for number in 0..100 {
            assert_eq!(ask(&client, address, number.to_string()), number.to_string().as_bytes());
        }
        let counts = |report: &Report<ServeFigures>| {
            assert!(report.is_balanced());
            (report.received.datagrams, report.own.answered, report.sent.bytes, report.peers.estimate())
        };
        assert_eq!(counts(&server.report()), (100, 100, 190, 1));
        let report = server.stop();
        assert_eq!(counts(&report), (100, 100, 190, 1));
        assert_eq!((report.kernel_drops, report.copies, report.ignored.total()), (Some(0), 0, 0));
        assert_eq!((server.report(), server.stop()), (report.clone(), report), "it was the last word");
        client.send_to(b"anyone?", address).expect("there is a route");
        assert_eq!(reports(&client, 1)[0].cause, Cause::Port);

        let again = Server::start(address, text("again")).expect("the port is free");
        assert_eq!(ask(&client, address, "anyone?"), b"again");
        drop(again);
        bind_to(address, &Options::default());
    }
}

#[test]
fn a_port_that_workers_share_is_refused_to_another_server() {
    for ip in families() {
        let (server, _said) = launch(at(ip, Answer::Echo), Memberships::default(), 2);
        let address = server.addresses()[0];
        let refused = Server::start(address, Answer::Echo).expect_err("the port is taken");
        assert_eq!(refused.kind(), ErrorKind::AddressInUse, "{refused:?}");
        // One that asks for nothing but to share the address does not get it either.
        let refused = Socket::bind(address, &Options::default().reuse_address(true));
        assert_eq!(refused.expect_err("the port is taken").kind(), ErrorKind::AddressInUse);
    }
}

#[test]
fn another_answer_holds_for_every_datagram_that_is_sent_after_it() {
    for workers in [1, 2] {
        let (server, _said) = launch(at(V4, Answer::Echo), Memberships::default(), workers);
        let address = server.addresses()[0];
        // Others keep the workers busy with any answer.
        let busy = Load::start(2, address, load::Check::Nothing);
        let clients: Vec<_> = (0..8).map(|_| bind(V4, &Options::default())).collect();
        for round in 0..1000 {
            server.set_answer(Answer::Template(text(&format!("{round} {{payload}}"))));
            for client in &clients {
                client.send_to(b"?", address).expect("loopback takes it");
            }
            for client in &clients {
                assert_eq!(receive_one(client).payload, format!("{round} ?").as_bytes());
            }
        }
        busy.finish();
        assert!(server.stop().is_balanced());
    }
}

#[test]
fn held_back_replies_leave_when_they_are_due_and_survive_another_answer() {
    const DELAY: Duration = Duration::from_millis(30);
    let rules = Rules::from_iter([Rule::any().prefix("late").echo().delay(DELAY..=DELAY), Rule::any().echo()]);
    let server = Server::start(SocketAddr::new(V4, 0), rules).expect("there are free ports");
    let address = server.addresses()[0];
    let client = bind(V4, &Options::default());
    let started = now();
    client.send_to(b"late 1", address).expect("loopback takes it");
    client.send_to(b"late 2", address).expect("loopback takes it");
    assert_eq!(ask(&client, address, "at once"), b"at once");
    server.set_answer(Answer::fixed("something else"));
    assert_eq!(ask(&client, address, "at once"), b"something else");
    assert_eq!(receive_one(&client).payload, b"late 1");
    assert!(now() - started >= DELAY);
    assert_eq!(receive_one(&client).payload, b"late 2");
    let report = server.stop();
    assert_eq!((report.own.answered, report.waiting), (4, 0));
}

#[test]
fn what_is_held_back_when_a_server_is_stopped_is_unfinished() {
    let hours = Duration::from_secs(3600);
    let rules = Rules::from_iter([Rule::any().echo().delay(hours..=hours)]);
    let (server, said) = launch(at(V4, rules), Memberships::default(), 1);
    let client = bind(V4, &Options::default());
    for _ in 0..3 {
        client.send_to(b"?", server.addresses()[0]).expect("loopback takes it");
    }
    let deadline = patience();
    while server.report().waiting < 3 {
        assert!(!is_over(deadline), "{:?}", server.report());
    }
    let report = server.stop();
    assert_eq!((report.waiting, report.ignored.of(Reason::Unfinished)), (0, 3));
    assert!(report.is_balanced());
    assert!((0..3).all(|_| heard(&said).1 == Said::Ignored(Reason::Unfinished)));
}

#[test]
fn each_peer_is_answered_once_with_its_own_data_by_one_of_two_workers() {
    const PEERS: usize = 64;
    const ROUNDS: usize = 5;
    for ip in families() {
        let rules = Rules::from_iter([Rule::any().reply(text("{source} {payload}"))]);
        let (server, said) = launch(at(ip, rules).verbose(true), Memberships::default(), 2);
        let address = server.addresses()[0];
        let clients: Vec<_> = (0..PEERS).map(|_| bind(ip, &Options::default())).collect();
        for round in 0..ROUNDS {
            for (number, client) in clients.iter().enumerate() {
                client.send_to(format!("{number} {round}").as_bytes(), address).expect("loopback takes it");
            }
        }
        let mut expected = BTreeSet::new();
        for (number, client) in clients.iter().enumerate() {
            for round in 0..ROUNDS {
                let received = receive_one(client);
                let reply = format!("{} {number} {round}", client.local_address());
                assert_eq!((received.meta.source, &*received.payload), (address, reply.as_bytes()));
                expected.insert((client.local_address(), received.payload));
            }
        }
        let report = server.stop();
        assert!(clients.iter().all(is_silent));
        assert_eq!(
            (report.received.datagrams, report.own.answered),
            ((PEERS * ROUNDS) as u64, (PEERS * ROUNDS) as u64)
        );

        let mut worker_of = BTreeMap::new();
        let mut answered = BTreeSet::new();
        for (worker, said) in said.try_iter() {
            let Said::Answered(peer, reply) = said else { panic!("{said:?}") };
            assert_eq!(*worker_of.entry(peer).or_insert(worker), worker, "a peer stays with its worker");
            assert!(answered.insert((peer, reply)), "no reply is told twice");
        }
        assert_eq!(answered, expected);
        let first = worker_of.values().filter(|worker| **worker == 0).count();
        assert!((1..PEERS).contains(&first), "{first} of {PEERS} peers came to the first worker");
    }
}

#[test]
fn questions_are_answered_by_whoever_hears_them_at_the_worker_that_asked() {
    let (ask_us, questions) = channel();
    let sockets = vec![bind(V4, &Conduct::default().socket_options())];
    let options = at(V4, Answer::ask(100));
    let server =
        Server::launch(sockets, options, Memberships::default(), 2, |_, remote: &Remote<ServeInput, ServeFigures>| {
            let (ask_us, remote) = (ask_us.clone(), remote.clone());
            move |event: Event<'_>| {
                if let Event::Question(Question { ticket, datagram, .. }) = event {
                    ask_us.send((remote.clone(), ticket, datagram.payload.to_vec())).expect("somebody answers");
                }
                ControlFlow::Continue(())
            }
        })
        .expect("there are free ports");
    let clients: Vec<_> = (0..20).map(|_| bind(V4, &Options::default())).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send_to(number.to_string().as_bytes(), server.addresses()[0]).expect("loopback takes it");
    }
    // The last one first, and one not at all.
    let mut asked: Vec<_> = clients.iter().map(|_| questions.recv_timeout(PATIENCE).expect("all are asked")).collect();
    asked.sort_by_key(|(_, _, payload)| std::cmp::Reverse(payload.clone()));
    for (remote, ticket, payload) in asked {
        let reply = if payload == b"7" { Err(Reason::ReplyLate) } else { Ok(payload) };
        assert!(remote.input(ServeInput::Reply { ticket, reply }));
    }
    for (number, client) in clients.iter().enumerate().filter(|(number, _)| *number != 7) {
        assert_eq!(receive_one(client).payload, number.to_string().as_bytes());
    }
    let report = server.stop();
    assert_eq!((report.own.answered, report.ignored.of(Reason::ReplyLate), report.waiting), (19, 1, 0));
    assert!(clients.iter().all(is_silent));
}

fn group_at(via: SocketId, address: IpAddr) -> Group {
    Group::new(via, address)
}

#[test]
fn a_broadcast_is_answered_once_by_two_workers_from_the_address_of_its_network() {
    const TEST: &str = "a_broadcast_is_answered_once_by_two_workers_from_the_address_of_its_network";
    const ROUNDS: u64 = 50;
    const GROUP: [u8; 4] = [239, 255, 1, 2];
    let asked = [[10, 1, 0, 255], [255, 255, 255, 255], GROUP].map(IpAddr::from);
    let ours = SocketAddr::from(([10, 1, 0, 1], PORT));
    if netns::role().starts_with("asker") {
        let is_asked = |ip: &IpAddr| ip.is_multicast() == (netns::role() == "asker of a group");
        let eth0 = common::interface("eth0").index;
        for round in 0..ROUNDS {
            for ip in asked.into_iter().filter(is_asked) {
                let client = bind(any_address(V4), &Options::default().broadcast(true));
                let to = Transmit::to(SocketAddr::new(ip, PORT)).interface(eth0);
                let question = format!("{ip} {round}");
                send_run(&client, &to, &[question.clone().into_bytes()]);
                let reply = receive_one(&client);
                assert_eq!((reply.meta.source, &*reply.payload), (ours, question.as_bytes()));
                // A second answer would come before this one, or be counted by the server.
                assert_eq!(ask(&client, ours, "mark"), b"mark");
            }
        }
        return;
    }
    if !netns::enter(TEST, netns::TWO_HOSTS) {
        return;
    }
    // A socket with a group is the first worker's alone; the other address is everybody's.
    for (addresses, copies) in [(&[[10, 1, 0, 1], GROUP][..], 0), (&[[0; 4]], 2 * ROUNDS)] {
        let at = addresses.iter().map(|ip| SocketAddr::from((*ip, PORT))).collect();
        let groups =
            addresses.iter().position(|ip| *ip == GROUP).map(|place| group_at(SocketId::first(place), GROUP.into()));
        let memberships = Memberships::new(groups.into_iter().collect(), vec!["eth0".to_owned()]);
        let (server, _said) = launch(ServeOptions::new(Answer::Echo, at), memberships, 2);
        let asked = if addresses.len() == 1 { "asker of broadcasts" } else { "asker of a group" };
        let output = netns::cast("h2", TEST, asked).output().expect("nsenter can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report = server.stop();
        assert!(report.is_balanced());
        assert_eq!((report.own.answered, report.copies), (report.received.datagrams, copies), "{report:?}");
    }
}

#[test]
fn reports_under_load_only_grow_and_are_balanced() {
    for workers in [1, 2] {
        let (server, _said) = launch(at(V4, Answer::Echo), Memberships::default(), workers);
        let load = Load::start(4, server.addresses()[0], load::Check::Echoes);
        let mut before = Report::default();
        let mut grew = 0;
        let deadline = patience();
        while grew < 500 {
            assert!(!is_over(deadline), "it grew {grew} times only: {before:?}");
            let report = server.report();
            assert!(report.is_balanced(), "{report:?}");
            let counts = |report: &Report<ServeFigures>| {
                let Report { received, own, sent, ignored, kernel_drops, elapsed, .. } = report.clone();
                let (datagrams, bytes) = (received.datagrams, received.bytes);
                let ignored = ignored.total();
                let elapsed = elapsed.as_nanos().try_into().expect("it is no century");
                [
                    datagrams,
                    bytes,
                    own.answered,
                    sent.datagrams,
                    sent.bytes,
                    ignored,
                    kernel_drops.unwrap_or(0),
                    elapsed,
                ]
            };
            let both = counts(&before).into_iter().zip(counts(&report));
            assert!(both.clone().all(|(before, after)| before <= after), "{before:?} {report:?}");
            grew += u32::from(report.own.answered > before.own.answered);
            before = report;
        }
        let report = server.stop();
        let tally = load.finish();
        assert_eq!((report.own.answered, tally.answered), (report.received.datagrams, report.own.answered));
    }
}

#[test]
fn every_reply_that_a_server_stopped_under_load_has_counted_was_sent() {
    for round in 0..10 {
        let (server, _said) = launch(at(V4, Answer::Echo), Memberships::default(), 1 + round % 2);
        let load = Load::start(4, server.addresses()[0], load::Check::Echoes);
        let deadline = patience();
        while server.report().own.answered < 5000 {
            assert!(!is_over(deadline), "{:?}", server.report());
        }
        let report = server.stop();
        let tally = load.finish();
        assert!(report.is_balanced(), "{report:?}");
        assert_eq!(report.own.answered, tally.answered + tally.dropped, "{report:?}");
        assert!(report.received.datagrams <= tally.asked);
    }
}

#[test]
fn a_worker_whose_sink_wants_no_more_ends_and_the_other_goes_on() {
    let sockets = vec![bind(V4, &Conduct::default().socket_options())];
    let options = at(V4, Answer::Echo).verbose(true);
    let (answer, answered) = channel();
    let server = Server::launch(sockets, options, Memberships::default(), 2, |number, _| {
        let answer = answer.clone();
        move |_: Event<'_>| {
            answer.send(number).expect("somebody listens");
            if number == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    })
    .expect("there are free ports");
    let address = server.addresses()[0];
    assert_eq!(server.wait(Duration::ZERO), None);
    let (mut asked, deadline) = (0, patience());
    loop {
        // Another port, and so perhaps the other worker.
        ask(&bind(V4, &Options::default()), address, "?");
        asked += 1;
        if answered.recv_timeout(PATIENCE).expect("each answer is told") == 0 {
            break;
        }
        assert!(!is_over(deadline), "no peer came to the first worker");
    }
    assert_eq!(server.wait(PATIENCE), Some(End::SinkClosed));
    // Its socket is closed: all peers are the other's.
    for _ in 0..32 {
        ask(&bind(V4, &Options::default()), address, "?");
    }
    assert_eq!(server.wait(Duration::ZERO), None);
    let report = server.stop();
    assert_eq!((report.received.datagrams, report.own.answered), (asked + 32, asked + 32));
    assert_eq!(server.wait(PATIENCE), Some(End::Stopped));
}

#[test]
fn a_server_that_ends_by_itself_says_so_and_keeps_its_report() {
    let limits = Limits::default().count(3);
    let (server, _said) = launch(at(V4, Answer::Echo).limits(limits), Memberships::default(), 1);
    let client = bind(V4, &Options::default());
    for _ in 0..3 {
        ask(&client, server.addresses()[0], "?");
    }
    assert_eq!(server.wait(PATIENCE), Some(End::Done));
    assert_eq!((server.report().own.answered, server.stop().own.answered), (3, 3));
}

#[test]
fn a_group_that_can_be_joined_nowhere_keeps_a_server_from_starting() {
    const TEST: &str = "a_group_that_can_be_joined_nowhere_keeps_a_server_from_starting";
    if !netns::enter(TEST, "ip link set lo down") {
        return;
    }
    let socket = bind_to(SocketAddr::new(any_address(V4), PORT), &Options::default());
    let group = Group::new(SocketId::first(0), [239, 255, 1, 2].into());
    let options = ServeOptions::new(Answer::Echo, vec![socket.local_address()]);
    let sink = |_: usize, _: &Remote<ServeInput, ServeFigures>| |_: Event<'_>| ControlFlow::Continue(());
    let refused = Server::launch(vec![socket], options, Memberships::new(vec![group], Vec::new()), 2, sink);
    assert_eq!(refused.expect_err("nobody could be heard").attempt(), Attempt::Join);
}

#[test]
fn a_worker_that_panics_says_that_it_ended_and_the_server_can_still_be_stopped() {
    let server = Server::start((V4, 0).into(), Answer::with(|_| panic!("as asked"))).expect("there are free ports");
    bind(V4, &Options::default()).send_to(b"panic", server.addresses()[0]).expect("loopback takes it");
    assert_eq!(server.wait(PATIENCE), Some(End::Panicked));
    let _ = server.stop();
}

#[test]
fn workers_need_sockets_that_tell_of_broadcasts() {
    let sockets = vec![bind(V4, &Options::default())];
    let launched = Server::launch(sockets, at(V4, Answer::Echo), Memberships::default(), 2, |_, _| {
        |_: Event<'_>| ControlFlow::Continue(())
    });
    let error = launched.expect_err("each would answer each broadcast");
    assert!(format!("{error:#}").ends_with("its socket does not tell of destinations"), "{error:#}");
}

#[test]
fn a_start_that_fails_half_way_ends_all_the_same() {
    let sockets = vec![bind(V4, &Conduct::default().socket_options())];
    let launched = catch_unwind(AssertUnwindSafe(|| {
        Server::launch(sockets, at(V4, Answer::Echo), Memberships::default(), 3, |number, _| {
            // As if the system had no more to give. The first two have their threads by now.
            assert!(number < 2, "no third one");
            |_: Event<'_>| ControlFlow::Continue(())
        })
    }));
    assert!(launched.is_err());
}
