//! The sockets of a run come and go: engines open and close them, and lose them, and no datagram comes to another's.
#![cfg(target_os = "linux")]

mod common;
#[expect(dead_code, reason = "its `main` is for those who run it")]
#[path = "../examples/many_sockets.rs"]
mod example;
mod netns;

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{V4, V6, bind, now, patience, receive, receive_one};
use udpkit::{
    Closed, Datagram, Drive, End, Engine, Error, Event, Next, Options, Outbox, Reason, ReceiveBatch, Remote, Report,
    SendFailure, SendTime, Socket, SocketId, Transmit, Unreachable, drive,
};

/// What happens to an engine.
#[derive(Debug)]
enum Call<'a> {
    Tick,
    Received(SocketId, &'a Datagram<'a>),
    Failed(SocketId, &'a SendFailure),
    Sent(SocketId, &'a SendTime),
    Closed(SocketId, &'a Error),
    Unreachable(SocketId),
}

/// An engine that does what a function says, and has finished when that returns true. It must be called within seconds.
struct Script<F> {
    on: F,
    is_done: bool,
    /// Whether time alone calls it, each millisecond.
    ticks: bool,
    until: Instant,
    closed: Closed,
    report: Report,
}

impl<F: FnMut(Call<'_>, &mut dyn Outbox) -> bool> Script<F> {
    fn new(on: F) -> Self {
        Self { on, is_done: false, ticks: true, until: patience(), closed: Closed::GoOn, report: Report::default() }
    }

    fn call(&mut self, call: Call<'_>, out: &mut impl Outbox) {
        self.is_done |= (self.on)(call, out);
    }

    /// Runs it until it has finished.
    fn run(mut self, sockets: impl Into<Vec<Socket>>) -> Report {
        let (report, end) = self.drive(sockets).expect("it goes on");
        assert_eq!(end, End::Done);
        assert!(self.is_done, "it waited for something that did not happen");
        assert!(report.is_balanced(), "{report:?}");
        report
    }

    fn drive(&mut self, sockets: impl Into<Vec<Socket>>) -> udpkit::Result<(Report, End)> {
        let (_remote, control) = Remote::pair()?;
        drive(sockets, self, Drive::new(control), &mut |_: Event<'_>| ControlFlow::Continue(()))
    }
}

impl<F: FnMut(Call<'_>, &mut dyn Outbox) -> bool> Engine for Script<F> {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.report.received.add(1, datagram.wire_len);
        self.report.delivered += 1;
        self.call(Call::Received(via, datagram), out);
    }

    fn tick(&mut self, _now: Instant, out: &mut impl Outbox) {
        self.call(Call::Tick, out);
    }

    fn next(&self) -> Next {
        let soon = now() + Duration::from_millis(1);
        match self.ticks {
            _ if self.is_done || soon >= self.until => Next::Done,
            true => Next::At(soon),
            false => Next::At(self.until),
        }
    }

    fn unreachable(&mut self, _now: Instant, via: SocketId, _unreachable: &Unreachable, out: &mut impl Outbox) {
        self.report.unreachable += 1;
        self.call(Call::Unreachable(via), out);
    }

    fn failed(&mut self, _now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.call(Call::Failed(via, failure), out);
    }

    fn sent(&mut self, _now: Instant, via: SocketId, time: &SendTime, out: &mut impl Outbox) {
        self.call(Call::Sent(via, time), out);
    }

    fn closed(&mut self, _now: Instant, via: SocketId, error: &Error, out: &mut impl Outbox) -> Closed {
        self.call(Call::Closed(via, error), out);
        self.closed
    }

    fn report(&self) -> Report {
        self.report.clone()
    }
}

#[test]
fn an_engine_learns_when_each_of_its_datagrams_left_and_none_of_what_was_sent_before() {
    let options = Options::default().send_timestamps(true).singly(true);
    let (used, receiver) = (bind(V4, &options), bind(V4, &Options::default()));
    let to = receiver.local_address();
    // Their times wait in the socket when the run begins.
    for _ in 0..3 {
        used.send_to(b"before", to).expect("loopback takes it");
    }
    let (mut opened, mut places) = (None, [Vec::new(), Vec::new()]);
    let first = SocketId::first(0);
    Script::new(|call, out| {
        match call {
            Call::Tick if opened.is_none() => {
                let second = out.open(any_port(), &options).expect("there are descriptors and ports");
                opened = Some(second);
                for place in 0..200u64 {
                    // One of them is too long to be sent.
                    let len = if place == 100 { 70_000 } else { 10 };
                    out.send(first, &Transmit::to(to), &vec![0; len]);
                    out.send(second, &Transmit::to(to), b"x");
                    if place % 50 == 0 {
                        out.settle(first);
                    }
                }
            }
            Call::Sent(via, time) => {
                assert_eq!(time.count, 1);
                places[usize::from(Some(via) == opened)].push(time.place);
            }
            _ => {}
        }
        places[0].len() >= 90 && places[1].len() >= 90
    })
    .run([used]);
    for places in places {
        assert!(places.is_sorted() && places.windows(2).all(|pair| pair[0] != pair[1]), "{places:?}");
        assert!(places[0] == 0 && places.iter().all(|place| *place < 200), "{places:?}");
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::new(V4, 0)
}

fn open(out: &mut dyn Outbox) -> SocketId {
    out.open(any_port(), &Options::default()).expect("there are descriptors and ports")
}

/// The address of a socket that is open.
fn address(out: &dyn Outbox, via: SocketId) -> SocketAddr {
    out.local_address(via).expect("it is open")
}

#[test]
fn ten_thousand_sockets_are_opened_and_closed_and_none_is_taken_for_another() {
    const ALL: usize = 10_000;
    const AT_ONCE: usize = 100;
    // Each sends its number to the socket that was there first, which sends it back. It must come to who sent it.
    let meeting = bind(V4, &Options::default());
    let meeting_at = meeting.local_address();
    let mut waiting: Vec<(SocketId, u32)> = Vec::new();
    let (mut ever, mut back) = (HashSet::new(), 0);
    let report = Script::new(move |call, out| {
        match call {
            Call::Received(via, datagram) if via == SocketId::first(0) => {
                out.send(via, &Transmit::to(datagram.meta.source), datagram.payload);
            }
            Call::Received(via, datagram) => {
                let number = u32::from_be_bytes(datagram.payload.try_into().expect("a number"));
                let place = waiting.iter().position(|open| *open == (via, number)).expect("the socket that sent it");
                waiting.swap_remove(place);
                out.close(via);
                assert_eq!(out.local_address(via), None);
                back += 1;
            }
            Call::Tick => {}
            other => panic!("{other:?}"),
        }
        while waiting.len() < AT_ONCE && ever.len() < ALL {
            let via = open(out);
            assert!(ever.insert(via), "{via:?} was there before");
            // Those that are closed in one batch have their places until it is over.
            assert!(via.index() <= 2 * AT_ONCE, "{via:?}: places are used again");
            let number = u32::try_from(ever.len()).expect("some thousand");
            waiting.push((via, number));
            out.send(via, &Transmit::to(meeting_at), &number.to_be_bytes());
        }
        back == ALL
    })
    .run([meeting]);
    assert_eq!((report.delivered, report.ignored.total()), (2 * ALL as u64, 0));
}

#[test]
fn the_example_opens_as_many_sockets_as_it_is_told_to() {
    let told = example::run(300, 1000).expect("there are descriptors");
    assert!(told.starts_with("300 sockets: ") && told.contains(" each of 1000 datagrams"), "{told}");
}

#[test]
fn what_a_closed_socket_had_received_is_counted_and_comes_to_nobody() {
    const COUNT: usize = 3 * ReceiveBatch::SLOTS;
    let sender = bind(V4, &Options::default());
    let socket = bind(V4, &Options::default());
    let to = socket.local_address();
    for number in 0..COUNT {
        sender.send_to(&[u8::try_from(number).expect("some hundred")], to).expect("loopback takes it");
    }
    let mut next = None;
    let report = Script::new(move |call, out| match call {
        Call::Received(via, datagram) if next.is_none() => {
            assert_eq!((via, datagram.payload), (SocketId::first(0), &[0][..]));
            out.close(via);
            // Its successor, to which one more is sent.
            let successor = open(out);
            assert_ne!(successor, via);
            sender.send_to(b"yours", address(out, successor)).expect("loopback takes it");
            next = Some(successor);
            false
        }
        Call::Received(via, datagram) => {
            assert_eq!((Some(via), datagram.payload), (next, &b"yours"[..]));
            true
        }
        Call::Tick => false,
        other => panic!("{other:?}"),
    })
    .run([socket]);
    let left = COUNT as u64 - 1;
    assert_eq!((report.received.datagrams, report.delivered), (left + 2, 2));
    assert_eq!(report.ignored.of(Reason::SocketClosed), left);
    assert_eq!(report.received.bytes, COUNT as u64 + 5);
}

#[test]
fn an_engine_hears_of_no_refusal_after_it_closed_the_socket() {
    const REFUSED: u64 = 5;
    let socket = bind(V4, &Options::default().errors(true));
    // Each was bound, and is closed.
    let nobody: Vec<_> = (0..REFUSED).map(|_| bind(V4, &Options::default()).local_address()).collect();
    // Loopback refuses before the call returns.
    nobody.into_iter().for_each(|to| socket.send_to(b"x", to).expect("loopback takes it"));
    let mut heard = 0;
    let report = Script::new(|call, out| match call {
        Call::Unreachable(via) => {
            assert!(out.local_address(via).is_some(), "it was closed");
            out.close(via);
            heard += 1;
            false
        }
        Call::Tick => heard > 0,
        other => panic!("{other:?}"),
    })
    .run([socket]);
    assert_eq!((heard, report.unreachable), (1, REFUSED));
}

#[test]
fn what_waits_to_be_sent_leaves_before_its_socket_is_closed_and_nothing_after() {
    let receiver = bind(V4, &Options::default());
    let to = Transmit::to(receiver.local_address());
    let mut closed = None;
    let report = Script::new(|call, out| match call {
        Call::Tick if closed.is_none() => {
            let via = open(out);
            for payload in [b"one", b"two"] {
                out.send(via, &to, payload);
            }
            out.close(via);
            out.close(via);
            out.send(via, &to, b"three");
            out.send_train(via, &to, b"fourfive", 4);
            out.settle(via);
            closed = Some((via, 0));
            false
        }
        Call::Failed(via, failure) => {
            let (closed, failed) = closed.as_mut().expect("it was closed");
            assert_eq!((via, failure.transmit), (*closed, to));
            assert_eq!(failure.error.kind(), std::io::ErrorKind::NotConnected);
            *failed += failure.count;
            *failed == 3
        }
        Call::Tick => false,
        other => panic!("{other:?}"),
    })
    .run([]);
    assert_eq!(report.received.datagrams, 0);
    let received: Vec<_> = receive(&receiver, 2).into_iter().map(|received| received.payload).collect();
    assert_eq!(received, [b"one", b"two"]);
    receiver.send_to(b"last", receiver.local_address()).expect("loopback takes it");
    assert_eq!(receive_one(&receiver).payload, b"last");
}

#[test]
fn more_sockets_than_there_are_batches_send_in_one_turn() {
    const SOCKETS: usize = 300;
    let receiver = bind(V4, &Options::default().receive_buffer(1 << 22));
    let to = Transmit::to(receiver.local_address());
    let mut sent = false;
    Script::new(|call, out| match call {
        Call::Tick if !sent => {
            let opened: Vec<_> = (0..SOCKETS).map(|_| open(out)).collect();
            for round in 0..3u8 {
                opened.iter().for_each(|via| out.send(*via, &to, &[round]));
            }
            sent = true;
            false
        }
        Call::Tick => sent,
        other => panic!("{other:?}"),
    })
    .run([]);
    let mut rounds = std::collections::HashMap::<_, Vec<u8>>::new();
    for received in receive(&receiver, 3 * SOCKETS) {
        rounds.entry(received.meta.source).or_default().push(received.payload[0]);
    }
    assert_eq!(rounds.len(), SOCKETS);
    assert!(rounds.values().all(|rounds| rounds == &[0, 1, 2]), "each socket keeps its order");
}

#[test]
fn a_socket_that_cannot_be_opened_is_an_error_and_the_run_goes_on() {
    const NAME: &str = "a_socket_that_cannot_be_opened_is_an_error_and_the_run_goes_on";
    if std::env::var_os("FEW_DESCRIPTORS").is_none() {
        let this = std::env::current_exe().expect("it is there");
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\""]).arg(this).args(["--exact", NAME, "--nocapture"]);
        assert!(limited.env("FEW_DESCRIPTORS", "1").status().expect("there is a shell").success());
        return;
    }
    let (mut opened, mut refused, mut again) = (Vec::new(), None, None);
    Script::new(|call, out| match call {
        Call::Tick if refused.is_none() => {
            while refused.is_none() && opened.len() < 40 {
                match out.open(any_port(), &Options::default()) {
                    Ok(via) => opened.push(via),
                    Err(error) => refused = Some(format!("{error:#}")),
                }
            }
            out.close(opened[0]);
            false
        }
        Call::Tick if again.is_none() => {
            // The one that was closed has left its descriptor to another.
            let via = open(out);
            out.send(via, &Transmit::to(address(out, opened[1])), b"x");
            again = Some(via);
            false
        }
        Call::Tick => false,
        Call::Received(via, _) => via == opened[1],
        other => panic!("{other:?}"),
    })
    .run([]);
    let refused = refused.expect("there are but 40 descriptors");
    assert!(refused.starts_with("cannot bind 127.0.0.1:0: "), "{refused}");
}

#[test]
fn a_socket_that_is_destroyed_is_the_engines_to_decide_on() {
    const NAME: &str = "a_socket_that_is_destroyed_is_the_engines_to_decide_on";
    if !netns::require("ss") || !netns::enter(NAME, "") {
        return;
    }
    for closed in [Closed::GoOn, Closed::EndRun] {
        let mut lost = None;
        let mut script = Script::new(|call, out| match call {
            Call::Tick if lost.is_none() => {
                let via = open(out);
                let filter = format!("sport = :{}", address(out, via).port());
                let ss = Command::new("ss").args(["-K", "-H", "-n", "-u", "-a", &filter]).output().expect("ss runs");
                if ss.stdout.trim_ascii().is_empty() {
                    netns::skip("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)");
                    return true;
                }
                lost = Some(via);
                false
            }
            Call::Closed(via, error) => {
                assert_eq!(Some(via), lost);
                assert!(error.to_string().starts_with("cannot receive on 127.0.0.1:"), "{error:#}");
                assert_eq!(out.local_address(via), None);
                let (next, other) = (open(out), open(out));
                assert_ne!(next, via);
                out.send(next, &Transmit::to(address(out, other)), b"x");
                false
            }
            Call::Received(..) => true,
            Call::Tick => false,
            other => panic!("{other:?}"),
        });
        script.closed = closed;
        match (script.drive([]), closed) {
            (Ok((_, end)), Closed::GoOn) => assert_eq!((end, script.is_done), (End::Done, true)),
            (Err(error), Closed::EndRun) => assert!(error.to_string().starts_with("cannot receive"), "{error:#}"),
            (Ok(_), _) if script.is_done => return,
            (ran, _) => panic!("{closed:?}: {ran:?}"),
        }
    }
}

#[test]
fn the_precision_of_a_run_is_asked_for_each_turn() {
    /// Wants to be called again and again, and exactly from the tenth time on; looks how late the system may wake it.
    #[derive(Default)]
    struct Changing {
        slacks: Vec<Option<String>>,
    }
    impl Engine for Changing {
        type Input = Infallible;
        type Figures = ();

        fn receive(&mut self, _: Instant, _: SocketId, _: &Datagram<'_>, _: &mut impl Outbox) {}
        fn tick(&mut self, _: Instant, _: &mut impl Outbox) {
            self.slacks.push(timer_slack());
        }
        fn next(&self) -> Next {
            if self.slacks.len() < 20 { Next::At(now() + Duration::from_millis(1)) } else { Next::Done }
        }
        fn precision(&self) -> Option<Duration> {
            (self.slacks.len() >= 10).then_some(Duration::ZERO)
        }
        fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}
        fn failed(&mut self, _: Instant, _: SocketId, _: &SendFailure, _: &mut impl Outbox) {}
        fn report(&self) -> Report {
            Report::default()
        }
    }
    let before = timer_slack();
    if before.is_none() {
        return netns::skip("this system does not say how late it may wake a thread");
    }
    let mut engine = Changing::default();
    let (_remote, control) = Remote::pair().expect("there are descriptors");
    drive([], &mut engine, Drive::new(control), &mut |_: Event<'_>| ControlFlow::Continue(())).expect("it goes on");
    let (slept, exact) = engine.slacks.split_at(10);
    assert!(slept.iter().all(|slack| *slack == before), "{slept:?}");
    assert!(exact.iter().all(|slack| slack.as_deref() == Some("1")), "{exact:?}");
}

/// How late the system may wake this thread, in nanoseconds.
fn timer_slack() -> Option<String> {
    let thread = std::fs::read_link("/proc/thread-self").ok()?;
    let slack = std::fs::read_to_string(format!("/proc/{}/timerslack_ns", thread.file_name()?.to_str()?)).ok()?;
    Some(slack.trim().to_owned())
}

#[test]
fn sockets_of_both_families_and_backends_can_be_opened_in_one_run() {
    let locals = [V4, V6].map(|ip| SocketAddr::new(ip, 0));
    let mut opened = Vec::new();
    let mut heard = HashSet::new();
    Script::new(|call, out| match call {
        Call::Tick if opened.is_empty() => {
            for local in locals {
                for portable in [false, true] {
                    let Ok(via) = out.open(local, &Options::default().portable(portable)) else {
                        netns::skip("no IPv6");
                        continue;
                    };
                    out.send(via, &Transmit::to(address(out, via)), b"to myself");
                    opened.push(via);
                }
            }
            false
        }
        Call::Received(via, datagram) => {
            assert_eq!(datagram.meta.source, address(out, via));
            heard.insert(via);
            heard.len() == opened.len()
        }
        Call::Tick => false,
        other => panic!("{other:?}"),
    })
    .run([]);
}

#[test]
fn what_an_engine_does_about_failures_waits_for_nothing_else() {
    const ROUNDS: usize = 20;
    let (mut closed, mut failures) = (None, 0);
    let to = Transmit::to(SocketAddr::new(V4, 9));
    let mut script = Script::new(|call, out| match call {
        Call::Tick if closed.is_none() => {
            let via = open(out);
            out.close(via);
            out.send(via, &to, b"x");
            closed = Some(via);
            false
        }
        Call::Failed(via, _) => {
            failures += 1;
            out.send(via, &to, b"again");
            failures == ROUNDS
        }
        Call::Tick => false,
        other => panic!("{other:?}"),
    });
    script.ticks = false;
    script.run([]);
}

/// A socket, and what shuts it down.
#[expect(clippy::disallowed_methods, reason = "a socket of the standard library is what can be shut down from outside")]
fn fragile() -> (Socket, socket2::Socket) {
    let theirs = std::net::UdpSocket::bind((V4, 0)).expect("there are free ports");
    let other = theirs.try_clone().expect("there are descriptors").into();
    (Socket::adopt(theirs, &Options::default()).expect("it is one of UDP"), other)
}

#[test]
fn a_lost_socket_that_its_engine_closes_is_not_opened_again() {
    let [first, second] = [0, 1].map(SocketId::first);
    for at_once in [true, false] {
        let (sockets, mut others): (Vec<_>, Vec<_>) = [fragile(), fragile()].into_iter().unzip();
        // It has no peer, which the system says after it did as it was asked.
        let mut shut = || others.remove(0).shutdown(std::net::Shutdown::Both).expect_err("it has no peer");
        let (mut is_begun, mut is_lost, mut next) = (false, false, None);
        let mut script = Script::new(|call, out| {
            match call {
                Call::Tick if !is_begun => {
                    shut();
                    is_begun = true;
                }
                Call::Closed(via, _) if via == first => {
                    if at_once {
                        out.close(first);
                    }
                    // Its time to be opened again is later than that of the first.
                    shut();
                }
                Call::Closed(via, _) => is_lost = via == second,
                Call::Tick if is_lost && next.is_none() => {
                    out.close(first);
                    next = Some(open(out));
                }
                Call::Tick => {}
                other => panic!("{other:?}"),
            }
            assert!(!is_lost || out.local_address(first).is_none());
            is_lost && out.local_address(second).is_some()
        });
        script.closed = Closed::Reopen;
        script.run(sockets);
        assert_eq!(next.expect("it was opened").index(), first.index(), "the place of the first is free");
    }
}

#[test]
fn a_train_of_no_segments_leaves_as_single_bytes() {
    let receiver = bind(V4, &Options::default());
    let to = Transmit::to(receiver.local_address());
    Script::new(|_, out| {
        let via = open(out);
        out.send_train(via, &to, b"abc", 0);
        out.send_train(via, &to, b"", 5);
        out.close(via);
        out.send_train(via, &to, b"", 5);
        true
    })
    .run([]);
    let received: Vec<_> = receive(&receiver, 3).into_iter().map(|received| received.payload).collect();
    assert_eq!(received, [b"a", b"b", b"c"]);
}

#[test]
fn what_an_engine_sends_when_the_run_ends_is_sent() {
    struct Polite(Transmit, usize);
    impl Engine for Polite {
        type Input = Infallible;
        type Figures = ();
        fn receive(&mut self, _: Instant, _: SocketId, _: &Datagram<'_>, _: &mut impl Outbox) {}
        fn next(&self) -> Next {
            Next::Done
        }
        fn finish(&mut self, _: Instant, out: &mut impl Outbox) {
            out.send(SocketId::first(0), &self.0, b"goodbye");
            out.send(SocketId::first(1), &self.0, b"nobody's");
        }
        fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}
        fn failed(&mut self, _: Instant, via: SocketId, _: &SendFailure, _: &mut impl Outbox) {
            assert_eq!(via, SocketId::first(1));
            self.1 += 1;
        }
        fn report(&self) -> Report {
            Report::default()
        }
    }
    let receiver = bind(V4, &Options::default());
    let mut engine = Polite(Transmit::to(receiver.local_address()), 0);
    let (_remote, control) = Remote::pair().expect("there are descriptors");
    let mut sink = |_: Event<'_>| ControlFlow::Continue(());
    drive([bind(V4, &Options::default())], &mut engine, Drive::new(control), &mut sink).expect("it goes on");
    assert_eq!(engine.1, 1, "told what failed");
    assert_eq!(receive_one(&receiver).payload, b"goodbye");
}
