//! `drive` on loopback, with an engine made for it: whose turn it is, how long it rests, when it watches the clock.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::{V4, bind, now, send_run};
use udpkit::event::{Dropped, InterfacesChanged, Unanswered};
use udpkit::verbs::{self, Requests, SendOptions};
use udpkit::{
    Attempt, Datagram, Drive, End, Engine, Event, Group, Interface, Interfaces, Memberships, Next, Options, Outbox,
    ReceiveBatch, Remote, Report, SendFailure, Sink, Socket, SocketId, Transmit, Unreachable, any_address, drive,
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
    /// Inputs after which it has finished, once it was called for the time after the last of them.
    inputs: Option<usize>,
    /// Whether it sends what comes by the first socket back to where it came from.
    echoes: bool,
    ends: Option<Instant>,
    ticks: Vec<Instant>,
    /// When, and by which socket.
    received: Vec<(Instant, usize)>,
    /// What they were addressed to.
    destinations: Vec<Option<IpAddr>>,
    /// Ticks before each input.
    fed: Vec<usize>,
    /// Interfaces each time, by their names and numbers of addresses.
    interfaces: Vec<Vec<(String, usize)>>,
}

impl Engine for Probe {
    type Input = Vec<u8>;
    type Figures = ();

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.received.push((now, via.index()));
        self.destinations.push(datagram.meta.destination);
        let destination = datagram.meta.source;
        out.emit(Event::Unanswered(Unanswered::new(destination, self.received.len() as u64, 0)));
        if self.echoes && via.index() == 0 {
            out.send(via, &Transmit::to(datagram.meta.source), datagram.payload);
        }
    }

    fn tick(&mut self, now: Instant, _out: &mut impl Outbox) {
        self.ticks.push(now);
        self.ends = self.ends.or_else(|| self.lasts.map(|lasts| now + lasts));
    }

    fn next(&self) -> Next {
        let enough = self.last.is_some_and(|last| self.received.last().is_some_and(|(_, via)| *via == last))
            || self.inputs.is_some_and(|most| self.fed.get(most - 1).is_some_and(|before| self.ticks.len() > *before))
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

    fn wants_input(&self) -> bool {
        self.inputs.is_some()
    }

    fn input(&mut self, _now: Instant, _input: Vec<u8>, _out: &mut impl Outbox) {
        self.fed.push(self.ticks.len());
    }

    fn input_ended(&mut self, _now: Instant, _out: &mut impl Outbox) {
        self.fed.push(self.ticks.len());
    }

    fn interfaces(&mut self, interfaces: &Interfaces) {
        let of = |interface: &Interface| (interface.name.clone(), interface.addresses.len());
        self.interfaces.push(interfaces.iter().map(of).collect());
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, _unreachable: &Unreachable, _out: &mut impl Outbox) {}

    fn failed(&mut self, _now: Instant, _via: SocketId, failure: &SendFailure, _out: &mut impl Outbox) {
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
fn run(sockets: impl Into<Vec<Socket>>, probe: Probe, idle: impl FnMut()) -> Probe {
    let (probe, _, end) =
        run_with(sockets, probe, Memberships::default(), &mut Idle(idle)).expect("sockets do not break");
    assert_eq!(end, End::Done);
    probe
}

/// Drives a probe until it or the sink ends it.
fn run_with(
    sockets: impl Into<Vec<Socket>>,
    mut probe: Probe,
    memberships: Memberships,
    sink: &mut impl Sink,
) -> udpkit::Result<(Probe, Report, End)> {
    let (_remote, control) = Remote::pair()?;
    let (report, end) = drive(sockets, &mut probe, Drive::new(control).memberships(memberships), sink)?;
    Ok((probe, report, end))
}

/// What this returns; fails if that takes more than some seconds.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(run()));
    told.recv_timeout(Duration::from_secs(10)).expect("it ends within seconds")
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
    let probe = run(sockets, probe, || ());
    let before = probe.received.iter().take_while(|(_, via)| *via == 0).count();
    assert!(before < MANY, "it was heard after the other had finished");
}

#[test]
fn a_rest_ends_with_the_time_of_what_is_due() {
    let received = in_time(|| {
        let (rest, lasts) = (Duration::from_secs(3600), Some(Duration::from_millis(100)));
        run([sending_to_itself(1)], Probe { rest, lasts, ..Probe::default() }, || ()).received.len()
    });
    assert_eq!(received, 1);
}

#[test]
fn what_comes_in_a_rest_is_received_after_it() {
    let rest = Duration::from_millis(50);
    let socket = sending_to_itself(0);
    let (sender, to) = (bind(V4, &Options::default()), socket.local_address());
    // One waits whenever the drive has nothing to do, so the second has come when the rest begins.
    let probe = run([socket], Probe { rest, most: Some(2), ..Probe::default() }, || send(&sender, to));
    let [(first, _), (second, _)] = probe.received[..] else { panic!("{:?}", probe.received) };
    assert!(second - first >= rest, "{:?} after it", second - first);
}

#[test]
fn an_engine_is_not_called_while_the_clock_is_watched_for_it() {
    let precision = Duration::from_millis(20);
    let probe = Probe { precision: Some(precision), lasts: Some(3 * precision), ..Probe::default() };
    let probe = run([sending_to_itself(0)], probe, || ());
    let ends = probe.ends.expect("it has finished");
    let watched = probe.ticks.iter().filter(|tick| (ends - precision..ends).contains(*tick)).count();
    // A few, where the system takes the processor away between two looks at the clock, or tells of an interface; without
    // the watch, thousands.
    assert!(watched < 100, "called {watched} times in {precision:?}");
}

#[test]
fn an_engine_that_waits_for_a_time_is_called_then_and_hardly_before_and_the_sink_is_told_that_nothing_comes() {
    let (mut idle, lasts) = (0, Duration::from_millis(50));
    let probe = run([sending_to_itself(0)], Probe { lasts: Some(lasts), ..Probe::default() }, || idle += 1);
    let (first, last) = (probe.ticks[0], probe.ticks[probe.ticks.len() - 1]);
    assert!(last - first >= lasts);
    // Interfaces may have changed meanwhile.
    assert!(probe.ticks.len() < 100, "called {} times", probe.ticks.len());
    // Once at the end.
    assert!(idle > 1, "told {idle} times");
}

#[test]
fn an_engine_is_called_again_once_it_was_fed() {
    let fed = in_time(|| {
        let (remote, control) = Remote::pair().expect("there are descriptors");
        let mut probe = Probe { inputs: Some(3), ..Probe::default() };
        // With its last remote gone, there is an end as well, and no other reason to call it.
        (0..2).for_each(|_| assert!(remote.input(Vec::new())));
        drop(remote);
        let drive_with = Drive::new(control);
        let (_, end) = drive(Vec::new(), &mut probe, drive_with, &mut Idle(|| ())).expect("there is nothing to break");
        assert_eq!(end, End::Done);
        probe.fed.len()
    });
    assert_eq!(fed, 3);
}

#[test]
fn an_engine_that_is_fed_without_end_is_called_and_stopped_all_the_same() {
    /// Feeds itself.
    struct Fed {
        remote: Remote<Vec<u8>>,
        ticks: usize,
    }
    impl Engine for Fed {
        type Input = Vec<u8>;
        type Figures = ();
        fn receive(&mut self, _: Instant, _: SocketId, _: &Datagram<'_>, _: &mut impl Outbox) {}
        fn tick(&mut self, _: Instant, _: &mut impl Outbox) {
            self.ticks += 1;
            if self.ticks == 10 {
                self.remote.stop();
            }
        }
        fn next(&self) -> Next {
            Next::Datagram
        }
        fn wants_input(&self) -> bool {
            true
        }
        fn input(&mut self, _: Instant, _: Vec<u8>, _: &mut impl Outbox) {
            assert!(self.remote.input(Vec::new()), "there is room for what takes its place");
        }
        fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}
        fn failed(&mut self, _: Instant, _: SocketId, _: &SendFailure, _: &mut impl Outbox) {}
        fn report(&self) -> Report {
            Report::default()
        }
    }
    let (end, ticks) = in_time(|| {
        let (remote, control) = Remote::pair().expect("there are descriptors");
        assert!(remote.input(Vec::new()));
        let mut engine = Fed { remote, ticks: 0 };
        let ran = drive(Vec::new(), &mut engine, Drive::new(control), &mut Idle(|| ()));
        (ran.expect("there is nothing to break").1, engine.ticks)
    });
    assert_eq!((end, ticks), (End::Stopped, 10));
}

#[test]
fn an_engine_is_called_while_many_sockets_are_never_empty() {
    const SOCKETS: usize = 64;
    const TURNS: usize = 10;
    /// Sends back what comes, and counts what comes between two calls.
    #[derive(Default)]
    struct Counting(Vec<usize>);
    impl Engine for Counting {
        type Input = Infallible;
        type Figures = ();
        fn receive(&mut self, _: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
            *self.0.last_mut().expect("it is called before") += 1;
            out.send(via, &Transmit::to(datagram.meta.source), datagram.payload);
        }
        fn tick(&mut self, _: Instant, _: &mut impl Outbox) {
            self.0.push(0);
        }
        fn next(&self) -> Next {
            if self.0.len() > TURNS { Next::Done } else { Next::Datagram }
        }
        fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}
        fn failed(&mut self, _: Instant, _: SocketId, _: &SendFailure, _: &mut impl Outbox) {}
        fn report(&self) -> Report {
            Report::default()
        }
    }
    let sockets: Vec<_> = (0..SOCKETS).map(|_| sending_to_itself(2 * ReceiveBatch::SLOTS)).collect();
    let mut engine = Counting::default();
    let (_remote, control) = Remote::pair().expect("there are descriptors");
    drive(sockets, &mut engine, Drive::new(control), &mut Idle(|| ())).expect("sockets do not break");
    let most = engine.0[..TURNS].iter().max().expect("some");
    assert!(*most <= 2 * SOCKETS * ReceiveBatch::SLOTS, "{most} in one turn");
    assert!(*most >= SOCKETS * ReceiveBatch::SLOTS, "each has a turn");
}

#[test]
fn refusals_that_a_socket_was_not_asked_for_do_not_keep_a_run_from_sleeping() {
    let closed = bind(V4, &Options::default()).local_address();
    // It reports refusals, which whoever adopts it does not ask for; one waits in it.
    let theirs = std::net::UdpSocket::from(bind(V4, &Options::default().errors(true)));
    theirs.send_to(b"x", closed).unwrap();
    let socket = Socket::adopt(theirs, &Options::default()).unwrap();
    let probe = run([socket], Probe { lasts: Some(Duration::from_millis(100)), ..Probe::default() }, || ());
    assert!(probe.ticks.len() < 100, "called {} times", probe.ticks.len());
}

#[test]
fn a_run_ends_when_it_is_stopped_and_what_was_received_is_told_first() {
    let (remote, control) = Remote::pair().expect("there are descriptors");
    let drive_with = Drive::new(control);
    let mut told = 0;
    let mut sink = |_: Event<'_>| {
        told += 1;
        remote.stop();
        ControlFlow::Continue(())
    };
    let sockets = [sending_to_itself(5)];
    let mut probe = Probe::default();
    let (_, end) = drive(sockets, &mut probe, drive_with, &mut sink).expect("sockets do not break");
    assert_eq!(end, End::Stopped);
    assert!(told >= 1 && told == probe.received.len());
}

#[test]
fn no_more_is_received_than_the_batch_in_which_the_sink_had_enough() {
    let many = [(); 3].map(|()| sending_to_itself(3 * ReceiveBatch::SLOTS));
    let mut told = 0;
    let mut closing = |_: Event<'_>| {
        told += 1;
        ControlFlow::Break(())
    };
    let (probe, _, end) =
        run_with(many, Probe::default(), Memberships::default(), &mut closing).expect("sockets do not break");
    assert_eq!((end, told), (End::SinkClosed, 1));
    assert!((1..=ReceiveBatch::SLOTS).contains(&probe.received.len()), "{} received", probe.received.len());
}

#[test]
fn what_waits_in_the_sockets_when_a_run_ends_is_received() {
    let waiting = || [sending_to_itself(3 * ReceiveBatch::SLOTS), sending_to_itself(5), sending_to_itself(0)];
    let done = run(waiting(), Probe { most: Some(1), ..Probe::default() }, || ());
    assert_eq!(done.received.len(), 3 * ReceiveBatch::SLOTS + 5);

    let (remote, control) = Remote::pair().expect("there are descriptors");
    remote.stop();
    let mut stopped = Probe::default();
    let drive_with = Drive::new(control);
    let mut told = 0;
    let mut sink = |_: Event<'_>| {
        told += 1;
        ControlFlow::Continue(())
    };
    let (_, end) = drive(waiting(), &mut stopped, drive_with, &mut sink).expect("sockets do not break");
    assert_eq!((end, told, stopped.received.len()), (End::Stopped, done.received.len(), done.received.len()));
}

#[test]
fn a_socket_that_is_never_empty_keeps_no_run_from_ending() {
    // Each batch is full, and each datagram of it comes again; the other has its turn all the same.
    let probe = in_time(|| {
        let sockets = [sending_to_itself(2 * ReceiveBatch::SLOTS), sending_to_itself(1)];
        run(sockets, Probe { echoes: true, most: Some(1), ..Probe::default() }, || ())
    });
    assert!(probe.received.iter().any(|(_, via)| *via == 1));
    assert!(probe.received.len() <= 1026 * ReceiveBatch::SLOTS, "{} received", probe.received.len());
}

#[test]
fn a_sink_that_wants_no_more_ends_a_run_that_never_waits() {
    let end = in_time(|| {
        let socket = sending_to_itself(0);
        let options = SendOptions::new(socket.local_address()).wait(Duration::ZERO).verbose(true);
        let mut sender = verbs::Send::new(options, Requests::all([b"x".to_vec()]).repeat(None));
        let (_remote, control) = Remote::pair().expect("there are descriptors");
        let drive_with = Drive::new(control);
        let mut closing = |_: Event<'_>| ControlFlow::Break(());
        drive([socket], &mut sender, drive_with, &mut closing).expect("sockets do not break").1
    });
    assert_eq!(end, End::SinkClosed);
}

#[test]
fn a_sink_that_wants_no_more_when_nothing_comes_ends_the_run() {
    struct Tired;
    impl Sink for Tired {
        fn event(&mut self, _event: Event<'_>) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
        fn idle(&mut self) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    let end = in_time(|| {
        let ran = run_with([sending_to_itself(0)], Probe::default(), Memberships::default(), &mut Tired);
        ran.expect("sockets do not break").2
    });
    assert_eq!(end, End::SinkClosed);
}

/// A socket that has dropped some of what came to it, and how many.
fn overrun(options: &Options) -> (Socket, u64) {
    let socket = bind(V4, &options.clone().receive_buffer(4096));
    while socket.kernel_drops().expect("Linux counts them") == 0 {
        send(&socket, socket.local_address());
    }
    let drops = socket.kernel_drops().expect("Linux counts them");
    (socket, drops)
}

#[test]
fn drops_of_all_sockets_are_told_once_and_reported() {
    let (one, other) = (overrun(&Options::default()), overrun(&Options::default()));
    let drops = one.1 + other.1;
    for (sockets, expected) in [(vec![one.0, other.0], drops), (vec![sending_to_itself(1)], 0)] {
        let mut told = Vec::new();
        let mut sink = |event: Event<'_>| {
            if let Event::Dropped(Dropped { new, total, .. }) = event {
                told.push((new, total));
            }
            ControlFlow::Continue(())
        };
        let probe = Probe { most: Some(1), ..Probe::default() };
        let (_, report, _) = run_with(sockets, probe, Memberships::default(), &mut sink).expect("sockets do not break");
        assert_eq!((report.kernel_drops, report.kernel_drops_at_least), (Some(expected), false));
        assert_eq!(told, if expected == 0 { vec![] } else { vec![(expected, expected)] });
    }
}

#[test]
fn drops_are_at_least_a_number_only_where_trains_may_have_been_dropped() {
    let coalesce = Options::default().coalesce(true);
    let cases = [
        (vec![overrun(&coalesce).0, sending_to_itself(0)], true),
        (vec![overrun(&Options::default()).0, sending_to_itself(0)], false),
        (vec![bind(V4, &coalesce), sending_to_itself(1)], false),
    ];
    for (sockets, at_least) in cases {
        let probe = Probe { most: Some(1), ..Probe::default() };
        let (_, report, _) =
            run_with(sockets, probe, Memberships::default(), &mut Idle(|| ())).expect("sockets do not break");
        assert_eq!(report.kernel_drops_at_least, at_least);
    }
    let (_, report, _) = run_with(
        [sending_to_itself(0), bind(V4, &Options::default().portable(true))],
        Probe { lasts: Some(Duration::from_millis(5)), ..Probe::default() },
        Memberships::default(),
        &mut Idle(|| ()),
    )
    .expect("sockets do not break");
    assert_eq!((report.kernel_drops, report.kernel_drops_at_least), (None, false), "one cannot tell");
    assert!(report.elapsed >= Duration::from_millis(5));
}

#[test]
fn drops_are_told_a_second_after_those_before_though_nothing_comes_any_more() {
    const INTERVAL: Duration = Duration::from_secs(1);
    let (told, drops) = in_time(|| {
        let (socket, drops) = overrun(&Options::default());
        let (sender, to) = (bind(V4, &Options::default()), socket.local_address());
        let (started, mut told) = (now(), vec![(Duration::ZERO, 0, 0)]);
        let mut sink = |event: Event<'_>| {
            let Event::Dropped(Dropped { new, total, .. }) = event else { return ControlFlow::Continue(()) };
            told.push((now() - started, new, total));
            // More than there is room for.
            (0..200).for_each(|_| send(&sender, to));
            if told.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let ran = run_with([socket], Probe::default(), Memberships::default(), &mut sink);
        assert_eq!(ran.expect("sockets do not break").2, End::SinkClosed);
        (told, drops)
    });
    assert_eq!(told[1].2, drops);
    assert!(told[1].0 >= INTERVAL && told[2].0 >= 2 * INTERVAL, "{told:?}");
    for pair in told.windows(2) {
        let [(_, _, before), (_, new, total)] = pair else { panic!("two") };
        assert!(*new > 0 && before + new == *total, "{told:?}");
    }
}

#[test]
fn a_group_that_can_be_joined_nowhere_ends_a_run_before_it_begins() {
    let group = Group::new(SocketId::first(0), [239, 255, 1, 2].into());
    let nowhere = Memberships::new(vec![group], vec!["gone".to_owned()]);
    let probe = Probe { lasts: Some(Duration::ZERO), ..Probe::default() };
    let refused = run_with([sending_to_itself(0)], probe, nowhere, &mut Idle(|| ()));
    let refused = refused.expect_err("nobody could be heard");
    assert_eq!(refused.attempt(), Attempt::Join);
    assert_eq!(format!("{refused:#}"), "cannot join 239.255.1.2 on gone: no such interface");
}

const GROUP: [u8; 4] = [239, 255, 1, 2];

/// Gives an interface its address when the drive first waits; sends to the group there once the change is told, and then one
/// datagram before each wait.
struct Changing {
    sender: Socket,
    to: SocketAddr,
    changed: bool,
    told: usize,
}

impl Sink for Changing {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if let Event::Interfaces(InterfacesChanged { interfaces, .. }) = event {
            let eth0 = interfaces.named("eth0").expect("the script made it");
            assert_eq!(eth0.addresses.len(), 1);
            self.told += 1;
            let group = SocketAddr::from((GROUP, self.to.port()));
            let transmit = Transmit::to(group).interface(eth0.index);
            send_run(&self.sender, &transmit, &[b"group".to_vec()]);
        }
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        if !self.changed {
            let ip = Command::new("ip").args(["address", "add", "10.9.0.1/24", "dev", "eth0"]).status();
            assert!(ip.expect("ip can be run").success());
            self.changed = true;
        } else if self.told > 0 {
            send(&self.sender, self.to);
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn an_interface_that_changes_is_told_and_its_groups_are_joined() {
    const TEST: &str = "an_interface_that_changes_is_told_and_its_groups_are_joined";
    const SCRIPT: &str = "
        echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
        ip link add eth0 type veth peer name other
        ip link set eth0 up
        ip link set other up
        eventually \"ip -o link show dev eth0 | grep -q 'state UP'\"";
    const WAITS: usize = 50;
    if !netns::enter(TEST, SCRIPT) {
        return;
    }
    let socket = bind(any_address(V4), &Options::default().destination(true));
    let group = Group::new(SocketId::first(0), GROUP.into());
    let sender = bind(any_address(V4), &Options::default());
    let to = SocketAddr::new(V4, socket.local_address().port());
    let mut sink = Changing { sender, to, changed: false, told: 0 };
    let probe = Probe { most: Some(WAITS), ..Probe::default() };
    // It is joined on loopback from the start.
    let memberships = Memberships::new(vec![group], Vec::new());
    let (probe, told) = in_time(move || {
        let (probe, _, end) = run_with([socket], probe, memberships, &mut sink).expect("sockets do not break");
        assert_eq!(end, End::Done);
        (probe, sink.told)
    });
    let eth0 = |at: &Vec<(String, usize)>| at.contains(&("eth0".to_owned(), 1));
    assert!(!eth0(&probe.interfaces[0]) && probe.interfaces[1..].iter().all(eth0), "{:?}", probe.interfaces);
    assert_eq!(probe.interfaces.len(), 1 + told);
    assert!((1..WAITS / 2).contains(&told), "told {} times", told);
    let of_group = probe.destinations.iter().filter(|destination| **destination == Some(GROUP.into())).count();
    assert_eq!(of_group, told, "it was not joined there");
}

/// An engine that is always behind its schedule, until something was received and it was called often enough.
#[derive(Debug, Default)]
struct Behind {
    precision: Option<Duration>,
    ticks: usize,
    looks: usize,
    received: usize,
    ticked: Option<Instant>,
}

impl Behind {
    const TICKS: usize = 2000;
}

impl Engine for Behind {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, _now: Instant, _via: SocketId, _datagram: &Datagram<'_>, _out: &mut impl Outbox) {
        self.received += 1;
    }

    fn tick(&mut self, now: Instant, _out: &mut impl Outbox) {
        self.ticks += 1;
        self.ticked = Some(now);
    }

    fn heard(&mut self, _until: Instant) {
        self.looks += 1;
    }

    fn next(&self) -> Next {
        match self.ticked {
            Some(_) if self.received > 0 && self.ticks >= Self::TICKS => Next::Done,
            Some(moment) => Next::At(moment),
            None => Next::Datagram,
        }
    }

    fn precision(&self) -> Option<Duration> {
        self.precision
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, _unreachable: &Unreachable, _out: &mut impl Outbox) {}

    fn failed(&mut self, _now: Instant, _via: SocketId, failure: &SendFailure, _out: &mut impl Outbox) {
        panic!("{failure:?}");
    }

    fn report(&self) -> Report {
        Report::default()
    }
}

#[test]
fn an_engine_behind_its_schedule_does_not_wait_for_every_socket_each_time_but_hears_of_them() {
    for precision in [Some(Duration::ZERO), Some(Duration::from_micros(100)), None] {
        let sockets = [(); 3].map(|()| bind(V4, &Options::default()));
        let sender = bind(V4, &Options::default());
        sender.send_to(b"x", sockets[2].local_address()).unwrap();
        let mut engine = Behind { precision, ..Behind::default() };
        let (_remote, control) = Remote::pair().unwrap();
        let drive_with = Drive::new(control);
        let mut sink = |_: Event<'_>| ControlFlow::Continue(());
        let (_, end) = drive(sockets, &mut engine, drive_with, &mut sink).unwrap();
        assert_eq!((end, engine.received), (End::Done, 1));
        // One that need not be called exactly has time to look.
        let looks_each_time = engine.looks + 1 >= engine.ticks;
        assert_eq!(looks_each_time, precision.is_none(), "{engine:?}");
        assert!(precision.is_none() || engine.looks < engine.ticks / 2, "{engine:?}");
    }
}
