//! Sockets that are destroyed under a server (`ss -K`): it opens them again, says so, and goes on.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use udpkit::event::{Reopened, Trouble};
use udpkit::verbs::{Listen, ListenOptions, ServeInput, ServeOptions};
use udpkit::{
    Answer, Conduct, Drive, End, ErrorKind, Event, Group, Memberships, Options, Reason, ReceiveBatch, Remote, Rule,
    Rules, Server, Sink, Socket, SocketId, Transmit, Wait, any_address,
};

use crate::common::{V4, V6, bind, bind_to, interface, is_over, patience, receive_one, send_run};
use crate::{PATIENCE, PORT, Said, ask, at, heard, is_silent, launch, netns};

/// Whether this system can destroy sockets; a test that needs it begins with this, in a network of its own.
fn in_network(test: &str, script: &str) -> bool {
    netns::require("ss") && netns::enter(test, script)
}

/// Destroys sockets at a port, and returns how many: one at least of several that share it, as the kernel finds them.
/// Zero, and says so, where the kernel cannot.
fn destroy(port: u16) -> usize {
    destroy_where(&format!("sport = :{port}"))
}

/// As [`destroy`], of those that the filter of `ss` finds.
fn destroy_where(filter: &str) -> usize {
    let output = Command::new("ss").args(["-K", "-H", "-n", "-u", "-a", filter]).output().expect("ss can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let destroyed = output.stdout.trim_ascii().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    if destroyed == 0 {
        netns::skip("this kernel destroys no sockets (CONFIG_INET_DIAG_DESTROY)");
    }
    destroyed
}

/// Hears so many workers say that something is wrong, and then that their socket is open again; returns the troubles.
fn hear_reopened(said: &Receiver<(usize, Said)>, workers: usize, local: SocketAddr) -> Vec<String> {
    let mut troubles = BTreeMap::new();
    let mut open = 0;
    while open < workers {
        match heard(said) {
            (worker, Said::Trouble(trouble)) => {
                let before = troubles.insert(worker, trouble);
                assert_eq!(before, None, "of worker {worker}, which had not opened its socket yet");
            }
            (worker, Said::Reopened(address)) => {
                assert!(troubles.contains_key(&worker), "worker {worker} does not say why");
                assert_eq!(address, local);
                open += 1;
            }
            (_, Said::Ignored(_) | Said::Answered(..) | Said::Question(..) | Said::Dropped(..)) => {}
        }
    }
    troubles.into_values().collect()
}

/// Asks from so many ports that every worker gets some.
fn ask_all_workers(server: SocketAddr) -> u64 {
    for _ in 0..32 {
        assert_eq!(ask(&bind(server.ip(), &Options::default()), server, "still there?"), b"still there?");
    }
    32
}

/// Where something waits until it is let go on.
struct Door {
    waits: Receiver<()>,
    open: Sender<()>,
}

impl Door {
    /// A door, and the way through it.
    fn new() -> (Self, impl Fn() + Send + Sync) {
        let (wait, waits) = channel();
        let (open, opened) = channel();
        let opened = Mutex::new(opened);
        let pass = move || {
            // Whoever holds the door may be gone.
            let _ = wait.send(());
            let _ = opened.lock().expect("nobody panics here").recv();
        };
        (Self { waits, open }, pass)
    }

    /// Does something while somebody waits at the door.
    fn meanwhile<T>(&self, then: impl FnOnce() -> T) -> T {
        self.waits.recv_timeout(PATIENCE).expect("somebody comes to the door");
        let done = then();
        self.open.send(()).expect("somebody waits");
        done
    }
}

#[test]
fn a_destroyed_socket_is_opened_again_and_answers() {
    if !in_network("broken::a_destroyed_socket_is_opened_again_and_answers", "") {
        return;
    }
    for ip in [V4, V6] {
        for workers in [1, 2] {
            // The kernel takes the port from a socket that did not ask for this very one, and not from others.
            for port in [0, PORT] {
                let options = ServeOptions::new(Answer::Echo, vec![SocketAddr::new(ip, port)]);
                let (server, said) = launch(options, Memberships::default(), workers);
                let address = server.addresses()[0];
                let mut asked = ask_all_workers(address);
                for _ in 0..3 {
                    let destroyed = destroy(address.port());
                    if destroyed == 0 {
                        return;
                    }
                    for trouble in hear_reopened(&said, destroyed, address) {
                        assert!(trouble.starts_with(&format!("cannot receive on {address}: ")), "{trouble}");
                    }
                    asked += ask_all_workers(address);
                }
                let refused = Socket::bind(address, &Options::default()).expect_err("the port is taken still");
                assert_eq!(refused.kind(), ErrorKind::AddressInUse, "{refused:?}");
                let report = server.stop();
                assert!(report.is_balanced());
                assert_eq!((report.received.datagrams, report.own.answered), (asked, asked), "{address} {workers}");
            }
        }
    }
}

#[test]
fn a_group_is_joined_again_with_a_socket_that_was_destroyed() {
    const SCRIPT: &str = "
        ip link add eth1 type veth peer name eth2
        ip address add 10.1.0.1/24 dev eth1
        ip link set eth1 up
        ip link set eth2 up
        usable - eth1";
    if !in_network("broken::a_group_is_joined_again_with_a_socket_that_was_destroyed", SCRIPT) {
        return;
    }
    for (group, workers) in [("239.255.1.2", 1), ("239.255.1.2", 2), ("ff15::99", 1), ("ff15::99", 2)] {
        let group: IpAddr = group.parse().expect("an address");
        let options = ServeOptions::new(Answer::Echo, vec![SocketAddr::new(any_address(group), PORT)]);
        let groups = vec![Group::new(SocketId::first(0), group)];
        let (server, said) = launch(options, Memberships::new(groups, vec!["eth1".to_owned()]), workers);
        for round in 0..3 {
            let client = bind(any_address(group), &Options::default());
            let via = Transmit::to(SocketAddr::new(group, PORT)).interface(interface("eth1").index);
            send_run(&client, &via, &[b"who?".to_vec()]);
            assert_eq!(receive_one(&client).payload, b"who?", "{group}, {workers} workers, round {round}");
            let destroyed = destroy(PORT);
            if destroyed == 0 {
                return;
            }
            hear_reopened(&said, destroyed, server.addresses()[0]);
        }
        let report = server.stop();
        let copies = 3 * (workers as u64 - 1);
        assert_eq!((report.received.datagrams, report.own.answered), (3, 3), "{report:?}");
        assert!(report.copies <= copies, "{report:?}");
    }
}

#[test]
fn a_group_that_nobody_can_join_for_now_keeps_no_destroyed_socket_from_answering() {
    const TEST: &str = "broken::a_group_that_nobody_can_join_for_now_keeps_no_destroyed_socket_from_answering";
    const LINK: &str = "
        ip link add eth1 type veth peer name eth2
        ip address add 10.1.0.1/24 dev eth1
        ip link set eth1 up
        ip link set eth2 up";
    if !in_network(TEST, LINK) {
        return;
    }
    let group = IpAddr::from([239, 255, 1, 2]);
    let options = ServeOptions::new(Answer::Echo, vec![SocketAddr::new(any_address(V4), PORT)]);
    let groups = vec![Group::new(SocketId::first(0), group)];
    let (server, said) = launch(options, Memberships::new(groups, vec!["eth1".to_owned()]), 1);
    let run = |script: &str| assert!(Command::new("sh").args(["-ec", script]).status().expect("it runs").success());
    run("ip link delete eth1");
    let joins_nowhere = |said: &Said| matches!(said, Said::Trouble(trouble) if trouble.starts_with("cannot join "));
    while !joins_nowhere(&heard(&said).1) {}
    if destroy(PORT) == 0 {
        return;
    }
    while !matches!(heard(&said).1, Said::Reopened(_)) {}
    while !joins_nowhere(&heard(&said).1) {}
    assert_eq!(ask(&bind(V4, &Options::default()), SocketAddr::new(V4, PORT), "?"), b"?");
    // The interface comes back with another number.
    run(LINK);
    let client = bind(any_address(V4), &Options::default());
    let via = Transmit::to(SocketAddr::new(group, PORT)).interface(interface("eth1").index);
    let (deadline, mut replies) = (patience(), ReceiveBatch::default());
    loop {
        send_run(&client, &via, &[b"who?".to_vec()]);
        if client.receive(&mut replies, Wait::For(Duration::from_millis(20))).expect("receiving does not fail") > 0 {
            break;
        }
        assert!(!is_over(deadline), "the group is not joined again");
    }
    assert!(server.stop().is_balanced());
}

#[test]
fn a_socket_that_is_destroyed_before_its_replies_leave_is_opened_again() {
    if !in_network("broken::a_socket_that_is_destroyed_before_its_replies_leave_is_opened_again", "") {
        return;
    }
    for port in [0, PORT] {
        let (door, pass) = Door::new();
        let answer = Answer::with(move |datagram| {
            if datagram.payload == b"wait" {
                pass();
            }
            Some(datagram.payload.to_vec())
        });
        let options = ServeOptions::new(answer, vec![SocketAddr::new(V4, port)]);
        let (server, said) = launch(options, Memberships::default(), 1);
        let address = server.addresses()[0];
        let clients = [(); 3].map(|()| bind(V4, &Options::default()));
        let send = |number: usize, payload: &[u8]| {
            clients[number].send_to(payload, address).expect("loopback takes it");
        };
        send(0, b"wait");
        // These are received together, and their replies sent together.
        door.meanwhile(|| {
            send(1, b"?");
            send(2, b"wait");
        });
        if door.meanwhile(|| destroy(address.port())) == 0 {
            return;
        }
        // The system says so once: when the reply is sent.
        let troubles = hear_reopened(&said, 1, address);
        assert!(troubles[0].starts_with(&format!("cannot send on {address}: ")), "{troubles:?}");
        let asked = ask_all_workers(address);
        let report = server.stop();
        assert_eq!((report.own.answered, report.own.reply_failed), (asked + 1, 2));
        assert!(report.is_balanced());
        // Nothing leaves from a port that nobody asked.
        assert_eq!(receive_one(&clients[0]).meta.source, address);
        assert!(clients.iter().all(is_silent));
    }
}

/// Passes a door before each wait.
struct Slow<P> {
    pass: P,
    say: Sender<(usize, Said)>,
}

impl<P: Fn()> Sink for Slow<P> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        let _ = Said::of(&event).map(|said| self.say.send((0, said)));
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        (self.pass)();
        ControlFlow::Continue(())
    }
}

#[test]
fn a_socket_that_is_destroyed_behind_a_refusal_is_opened_again() {
    if !in_network("broken::a_socket_that_is_destroyed_behind_a_refusal_is_opened_again", "") {
        return;
    }
    let (door, pass) = Door::new();
    let (say, said) = channel();
    let mut sink = Some(Slow { pass, say });
    let socket = bind(V4, &Conduct::default().socket_options());
    let server = Server::launch(vec![socket], at(V4, Answer::Echo), Memberships::default(), 1, |_, _| {
        sink.take().expect("there is one worker")
    })
    .expect("the address is free");
    let address = server.addresses()[0];
    // It is asked by somebody who is gone when the reply comes, which is refused.
    door.meanwhile(|| bind(V4, &Options::default()).send_to(b"?", address).expect("loopback takes it"));
    // Before the next wait the reply was sent; the refusal waits, and hides the error that follows.
    let destroyed = door.meanwhile(|| destroy(address.port()));
    // Nobody is held up any more.
    drop(door);
    if destroyed == 0 {
        return;
    }
    let troubles = hear_reopened(&said, 1, address);
    assert!(troubles[0].starts_with(&format!("cannot receive on {address}: ")), "{troubles:?}");
    ask_all_workers(address);
    let report = server.stop();
    assert!(report.is_balanced());
    assert_eq!((report.own.answered, report.unreachable), (33, 1));
}

#[test]
fn replies_that_are_held_back_outlive_a_destroyed_socket() {
    const DELAY: Duration = Duration::from_millis(100);
    if !in_network("broken::replies_that_are_held_back_outlive_a_destroyed_socket", "") {
        return;
    }
    let rules = Rules::from_iter([Rule::any().echo().delay(DELAY..=DELAY)]);
    let (server, said) = launch(at(V4, rules), Memberships::default(), 1);
    let address = server.addresses()[0];
    let client = bind(V4, &Options::default());
    client.send_to(b"late", address).expect("loopback takes it");
    let deadline = patience();
    while server.report().waiting == 0 {
        assert!(!is_over(deadline), "{:?}", server.report());
    }
    if destroy(address.port()) == 0 {
        return;
    }
    hear_reopened(&said, 1, address);
    let reply = receive_one(&client);
    assert_eq!((reply.meta.source, &*reply.payload), (address, &b"late"[..]));
    let report = server.stop();
    assert_eq!((report.own.answered, report.waiting), (1, 0));
}

#[test]
fn a_server_that_cannot_open_its_socket_again_tries_until_it_can_or_is_stopped() {
    const TEST: &str = "broken::a_server_that_cannot_open_its_socket_again_tries_until_it_can_or_is_stopped";
    if !in_network(TEST, "ip address add 10.5.0.1/32 dev lo") {
        return;
    }
    let ip = |change: &str| {
        let arguments = ["address", change, "10.5.0.1/32", "dev", "lo"];
        assert!(Command::new("ip").args(arguments).status().expect("ip can be run").success());
    };
    let hours = Duration::from_secs(3600);
    let rules = Rules::from_iter([Rule::any().payload("late").echo().delay(hours..=hours), Rule::any().echo()]);
    let ours = SocketAddr::from(([10, 5, 0, 1], PORT));
    let (server, said) = launch(ServeOptions::new(rules, vec![ours]), Memberships::default(), 1);
    let client = bind(V4, &Options::default());
    for _ in 0..3 {
        client.send_to(b"late", ours).expect("loopback takes it");
    }
    for last in [false, true] {
        ask(&client, ours, "?");
        ip("delete");
        if destroy(PORT) == 0 {
            return;
        }
        assert!(matches!(heard(&said).1, Said::Trouble(_)));
        // Meanwhile it has its report, and takes another answer.
        let report = server.report();
        assert_eq!((report.waiting, report.own.answered), (3, 1 + u64::from(last)));
        server.set_answer(Answer::Echo);
        if !last {
            ip("add");
            assert_eq!(heard(&said).1, Said::Reopened(ours));
        }
    }
    let report = server.stop();
    assert_eq!((report.own.answered, report.waiting, report.ignored.of(Reason::Unfinished)), (2, 0, 3));
    assert!(report.is_balanced());
    assert!((0..3).all(|_| heard(&said).1 == Said::Ignored(Reason::Unfinished)));
}

#[test]
fn a_worker_answers_by_its_other_sockets_while_one_cannot_be_opened_again() {
    const TEST: &str = "broken::a_worker_answers_by_its_other_sockets_while_one_cannot_be_opened_again";
    if !in_network(TEST, "ip address add 10.5.0.1/32 dev lo") {
        return;
    }
    let ip = |change: &str| {
        let arguments = ["address", change, "10.5.0.1/32", "dev", "lo"];
        assert!(Command::new("ip").args(arguments).status().expect("ip can be run").success());
    };
    let places = [SocketAddr::from(([10, 5, 0, 1], PORT)), SocketAddr::new(V4, PORT), SocketAddr::new(V6, PORT)];
    for workers in [1, 2] {
        let options = ServeOptions::new(Answer::ask(8), places.to_vec());
        let (server, said) = launch(options, Memberships::default(), workers);
        let clients: Vec<_> = (0..8).map(|_| bind(V4, &Options::default())).collect();
        for client in &clients {
            client.send_to(b"late", places[0]).expect("loopback takes it");
        }
        let question = |(worker, said)| match said {
            Said::Question(ticket, _) => (worker, ticket),
            other => panic!("{other:?}"),
        };
        let questions: Vec<_> = (0..8).map(|_| question(heard(&said))).collect();
        server.set_answer(Answer::Echo);
        let mut asked: u64 = places.iter().map(|place| ask_all_workers(*place)).sum();
        ip("delete");
        let mut destroyed = 0;
        while destroyed < workers {
            match destroy_where(&format!("src 10.5.0.1 and sport = :{PORT}")) {
                0 => return,
                more => destroyed += more,
            }
        }
        let mut troubles = 0;
        while troubles < workers {
            troubles += usize::from(matches!(heard(&said).1, Said::Trouble(_)));
        }
        for _ in 0..3 {
            asked += ask_all_workers(places[1]) + ask_all_workers(places[2]);
        }
        // What was to leave by it is counted.
        for (worker, ticket) in questions {
            let remote = server.remotes().nth(worker).expect("it asked");
            assert!(remote.input(ServeInput::Reply { ticket, reply: Ok(b"late".to_vec()) }));
        }
        let deadline = patience();
        while server.report().waiting > 0 {
            assert!(!is_over(deadline), "{:?}", server.report());
        }
        ip("add");
        let mut open = 0;
        while open < workers {
            open += usize::from(heard(&said).1 == Said::Reopened(places[0]));
        }
        asked += ask_all_workers(places[0]);
        let report = server.stop();
        assert_eq!((report.own.answered, report.own.reply_failed), (asked, 8), "{workers} workers");
        assert!(report.is_balanced());
    }
}

#[test]
fn a_run_of_any_engine_can_outlast_its_sockets() {
    const TEST: &str = "broken::a_run_of_any_engine_can_outlast_its_sockets";
    if !in_network(TEST, "") {
        return;
    }
    let (remote, control) = Remote::pair().expect("there are descriptors");
    let (say, said) = channel();
    let socket = bind(V4, &Options::default());
    let address = socket.local_address();
    let run = std::thread::spawn(move || {
        let drive = Drive::new(control);
        let mut sink = |event: Event<'_>| {
            let said = match event {
                Event::Received(_) => "received".to_owned(),
                Event::Reopened(Reopened { local, .. }) => format!("open at {local}"),
                Event::Trouble(Trouble { error, .. }) => format!("{error:#}"),
                _ => return ControlFlow::Continue(()),
            };
            let _ = say.send(said);
            ControlFlow::Continue(())
        };
        udpkit::drive(vec![socket], &mut Listen::new(ListenOptions::default()), drive, &mut sink)
    });
    let client = bind(V4, &Options::default());
    let hears = || said.recv_timeout(PATIENCE).expect("the run has something to say");
    for _ in 0..3 {
        client.send_to(b"?", address).expect("loopback takes it");
        assert_eq!(hears(), "received");
        if destroy(address.port()) == 0 {
            return;
        }
        assert!(hears().starts_with("cannot receive on "));
        assert_eq!(hears(), format!("open at {address}"));
    }
    remote.stop();
    let (report, end) = run.join().expect("it does not panic").expect("there was no group to join");
    assert_eq!((report.received.datagrams, report.delivered, end), (3, 3, End::Stopped));
}

#[test]
fn drops_at_a_destroyed_socket_are_told_once_and_stay_in_the_report() {
    if !in_network("broken::drops_at_a_destroyed_socket_are_told_once_and_stay_in_the_report", "") {
        return;
    }
    let (door, pass) = Door::new();
    let answer = Answer::with(move |datagram| {
        if datagram.payload == b"wait" {
            pass();
        }
        Some(datagram.payload.to_vec())
    });
    let small = Conduct::default().socket_options().receive_buffer(4096);
    let (say, said) = channel();
    let socket = bind_to(SocketAddr::new(V4, 0), &small);
    let server = Server::launch(vec![socket], at(V4, answer), Memberships::default(), 1, |_, _| {
        let say = say.clone();
        move |event: Event<'_>| {
            let _ = Said::of(&event).map(|said| say.send((0, said)));
            ControlFlow::Continue(())
        }
    })
    .expect("the address is free");
    let address = server.addresses()[0];
    let client = bind(V4, &Options::default());
    let overrun = || {
        client.send_to(b"wait", address).expect("loopback takes it");
        door.meanwhile(|| (0..100).for_each(|_| client.send_to(b"x", address).expect("loopback takes it")));
        assert_eq!(receive_one(&client).payload, b"wait");
    };
    overrun();
    let mut dropped = (0, 0);
    let mut take = |said: Said| {
        if let Said::Dropped(new, total) = said {
            dropped = (dropped.0 + new, total);
            assert_eq!(dropped.0, total, "each drop is told once");
        }
        dropped.0
    };
    let before = loop {
        match take(heard(&said).1) {
            0 => {}
            drops => break drops,
        }
    };
    if destroy(address.port()) == 0 {
        return;
    }
    loop {
        match heard(&said).1 {
            Said::Reopened(_) => break,
            other => _ = take(other),
        }
    }
    while !is_silent(&client) {}
    overrun();
    let report = server.stop();
    said.try_iter().for_each(|(_, said)| _ = take(said));
    let drops = report.kernel_drops.expect("Linux counts them");
    assert!(drops > before);
    assert_eq!(dropped, (drops, drops));
}
