//! `drive` on loopback, with an engine made for it: whose turn it is, how long it rests, when it watches the clock.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::{V4, bind};
use udpkit::{
    Datagram, Drive, End, Engine, Event, Memberships, Next, Options, Outbox, ReceiveBatch, Report, SendFailure, Sink,
    Socket, Transmit, Unreachable, control, drive,
};

/// An engine that remembers what was done to it.
#[derive(Debug, Default)]
struct Probe {
    precision: Option<Duration>,
    rest: Duration,
    /// How long after its first tick it has finished.
    lasts: Option<Duration>,
    /// Datagrams after which it has finished, whatever the time.
    most: Option<usize>,
    /// A socket by which it has finished as soon as something comes.
    last: Option<usize>,
    /// Whether it sends what comes by the first socket back to where it came from.
    echoes: bool,
    ends: Option<Instant>,
    ticks: Vec<Instant>,
    /// When, and by which socket.
    received: Vec<(Instant, usize)>,
}

impl Engine for Probe {
    fn receive(&mut self, now: Instant, via: usize, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.received.push((now, via));
        if self.echoes && via == 0 {
            out.send(0, &Transmit::to(datagram.meta.source), datagram.payload);
        }
    }

    fn tick(&mut self, now: Instant, _out: &mut impl Outbox) {
        self.ticks.push(now);
        self.ends = self.ends.or_else(|| self.lasts.map(|lasts| now + lasts));
    }

    fn next(&self) -> Next {
        let enough = self.last.is_some_and(|last| self.received.last().is_some_and(|(_, via)| *via == last))
            || self.most.is_some_and(|most| self.received.len() >= most)
            || self.ends.zip(self.ticks.last()).is_some_and(|(ends, last)| *last >= ends);
        match self.ends {
            _ if enough => Next::Done,
            Some(ends) => Next::At(ends),
            None => Next::Datagram,
        }
    }

    fn precision(&self) -> Option<Duration> {
        self.precision
    }

    fn rest(&self) -> Duration {
        self.rest
    }

    fn unreachable(&mut self, _now: Instant, _unreachable: &Unreachable, _out: &mut impl Outbox) {}

    fn failed(&mut self, _now: Instant, failure: &SendFailure, _out: &mut impl Outbox) {
        panic!("{failure:?}");
    }

    fn report(&self) -> Report {
        Report::default()
    }
}

/// Says nothing, and does this whenever nothing more has arrived.
struct Idle<F>(F);

impl<F: FnMut()> Sink for Idle<F> {
    fn event(&mut self, _event: Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        (self.0)();
        ControlFlow::Continue(())
    }
}

/// Drives a probe until it has finished.
fn run(sockets: &[Socket], mut probe: Probe, idle: impl FnMut()) -> Probe {
    let (_remote, control) = control().expect("there are descriptors");
    let drive_with = Drive { control, memberships: Memberships::default() };
    let (_, end) = drive(sockets, &mut probe, drive_with, &mut Idle(idle)).expect("sockets do not break");
    assert_eq!(end, End::Done);
    probe
}

/// A socket to which so many datagrams have come, from itself.
fn sending_to_itself(count: usize) -> Socket {
    let socket = bind(V4, &Options::default());
    (0..count).for_each(|_| send(&socket, socket.local_address()));
    socket
}

fn send(socket: &Socket, to: SocketAddr) {
    socket.send_to(b"x", to).expect("loopback takes it");
}

#[test]
fn a_socket_that_is_never_empty_does_not_starve_the_others() {
    const MANY: usize = 100_000;
    // Each batch is full, and each datagram of it comes again.
    let sockets = [sending_to_itself(2 * ReceiveBatch::SLOTS), sending_to_itself(1)];
    let probe = Probe { echoes: true, last: Some(1), most: Some(MANY), ..Probe::default() };
    let probe = run(&sockets, probe, || ());
    let before = probe.received.iter().take_while(|(_, via)| *via == 0).count();
    assert!(before < MANY, "it was heard after the other had finished");
}

#[test]
fn a_rest_ends_with_the_time_of_what_is_due() {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (tell, told) = channel();
    thread::spawn(move || {
        let (rest, lasts) = (Duration::from_secs(3600), Some(Duration::from_millis(100)));
        let probe = run(&[sending_to_itself(1)], Probe { rest, lasts, ..Probe::default() }, || ());
        tell.send(probe.received.len()).expect("somebody waits");
    });
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1), "it rests for an hour");
}

#[test]
fn what_comes_in_a_rest_is_received_after_it() {
    let rest = Duration::from_millis(50);
    let socket = sending_to_itself(0);
    let (sender, to) = (bind(V4, &Options::default()), socket.local_address());
    // One waits whenever the drive has nothing to do, so the second has come when the rest begins.
    let probe = run(&[socket], Probe { rest, most: Some(2), ..Probe::default() }, || send(&sender, to));
    let [(first, _), (second, _)] = probe.received[..] else { panic!("{:?}", probe.received) };
    assert!(second - first >= rest, "{:?} after it", second - first);
}

#[test]
fn an_engine_is_not_called_while_the_clock_is_watched_for_it() {
    let precision = Duration::from_millis(20);
    let probe = Probe { precision: Some(precision), lasts: Some(3 * precision), ..Probe::default() };
    let probe = run(&[sending_to_itself(0)], probe, || ());
    let ends = probe.ends.expect("it has finished");
    let watched = probe.ticks.iter().filter(|tick| (ends - precision..ends).contains(*tick)).count();
    // A few, where the system takes the processor away between two looks at the clock, or tells of an interface; without
    // the watch, thousands.
    assert!(watched < 100, "called {watched} times in {precision:?}");
}
