//! `udp relay --tui` as a program on a terminal, which is tmux: what it shows, and that keys change what the relay does.
#![cfg(target_os = "linux")]

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use common::Place;
use common::netns::require;
use common::terminal::{self, Terminal};

/// Nothing that is awaited takes as long as this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A socket at any port of loopback.
#[expect(clippy::disallowed_methods, reason = "any program's socket will do")]
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("it takes a timeout");
    socket
}

/// A relay on a terminal of this size, from any port of loopback to a socket of ours; a peer that speaks to it.
struct Relayed {
    terminal: Terminal,
    target: UdpSocket,
    peer: UdpSocket,
}

impl Relayed {
    fn start(size: (u16, u16), arguments: &[&str]) -> Self {
        Self::start_in(size, &[], arguments)
    }

    fn start_in(size: (u16, u16), environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let target = socket();
        let address = target.local_addr().expect("it is bound").to_string();
        let arguments = [&["relay", "127.0.0.1:0", &address, "--tui", "--seed", "7"], arguments].concat();
        let terminal = Terminal::start(size, environment, &arguments);
        let port = terminal.port_after("udp relay on 127.0.0.1:");
        let peer = socket();
        peer.connect(("127.0.0.1", port)).expect("it is a port");
        Self { terminal, target, peer }
    }

    /// Sends this to the target; what arrives there.
    fn cross(&self, payload: &[u8]) -> Vec<u8> {
        self.peer.send(payload).expect("it can send");
        let mut buffer = [0; 2000];
        let (len, from) = self.target.recv_from(&mut buffer).expect("it arrives");
        self.target.send_to(b"answer", from).expect("it can answer");
        assert_eq!(self.peer.recv(&mut [0; 100]).expect("the answer arrives"), 6);
        buffer[..len].to_vec()
    }
}

#[test]
fn what_crosses_is_shown_and_keys_change_what_becomes_of_it() {
    if !require("tmux") {
        return;
    }
    let relayed = Relayed::start((110, 30), &["--down-delay", "1ms"]);
    let Relayed { terminal, target, peer } = &relayed;
    assert_eq!(relayed.cross(b"\x1b]0;title\x07 hello"), b"\x1b]0;title\x07 hello");
    let screen = terminal.until("both fates", |screen| screen.matches(" left").count() == 2);
    assert!(screen.contains("peers 1 now  1 ever  0 evicted  dropped by the kernel 0  ignored 0"), "{screen}");
    assert!(screen.contains("received 1  forwarded 1  under way 0  lost 0"), "{screen}");
    let address = peer.local_addr().expect("it is bound").to_string();
    assert_eq!(screen.matches(&address).count(), 2, "{screen}");
    // Down, where a delay is set already.
    assert!(screen.contains("\n  delay 1ms\n"), "{screen}");

    // To the end of what there is: every datagram is lost from then on.
    terminal.keys(&["Up"; 13]);
    terminal.until_shown("loss 100%");
    peer.send(b"is lost").expect("it can send");
    let screen = terminal.until_shown("lost: chance");
    assert!(screen.contains("received 2  forwarded 1  under way 0  lost 1: chance 1"), "{screen}");

    terminal.keys(&["0"]);
    terminal.until_shown("loss -");
    terminal.keys(&["c"]);
    let screen = terminal.until_shown("as a command");
    assert!(screen.contains("--tui --down-delay 1ms --seed 7"), "{screen}");
    terminal.keys(&["x"]);
    assert_eq!(relayed.cross(b"passes again"), b"passes again");

    terminal.keys(&["p"]);
    terminal.until_shown("up    paused");
    for payload in [b"one", b"two"] {
        peer.send(payload).expect("it can send");
    }
    terminal.until_shown("under way 2");
    terminal.keys(&["s"]);
    terminal.until_shown("under way 1");
    let mut buffer = [0; 100];
    assert_eq!(target.recv(&mut buffer).expect("one leaves"), 3);
    assert_eq!(&buffer[..3], b"one");
    terminal.keys(&["p"]);
    assert_eq!(target.recv(&mut buffer).expect("all leave"), 3);
    terminal.until_gone("paused");

    terminal.keys(&["r"]);
    terminal.until_shown("received 0  forwarded 0");
    terminal.keys(&["Tab", "0", "Right", "0"]);
    let screen = terminal.until("no delay", |screen| !screen.contains("delay 1ms"));
    assert!(screen.contains("▶ down"), "{screen}");
    terminal.keys(&["q"]);
    let screen = terminal.ended(0);
    assert!(screen.contains("relaying from 127.0.0.1:"), "{screen}");
    assert!(screen.contains("relayed for 1 peer"), "{screen}");
}

#[test]
fn what_is_printed_meanwhile_waits_until_the_terminal_is_given_back() {
    if !require("tmux") {
        return;
    }
    let relayed = Relayed::start((100, 24), &[]);
    let Relayed { terminal, peer, .. } = &relayed;
    relayed.cross(b"while there are descriptors");
    Place::Here.shell(&format!("prlimit --nofile=5:5 --pid {}", terminal.process()));
    socket().send_to(b"x", peer.peer_addr().expect("it is connected")).expect("it can send");
    let screen = terminal.until_shown("cannot bind 0.0.0.0:0");
    assert!(!screen.contains("udp: "), "{screen}");
    terminal.signal("TERM");
    let screen = terminal.ended(0);
    let printed = screen.find("cannot bind 0.0.0.0:0").unwrap_or_else(|| panic!("it is lost:\n{screen}"));
    assert!(screen.find("relayed for 1 peer").is_some_and(|summary| printed < summary), "{screen}");
}

#[test]
fn thousands_of_peers_and_a_window_of_any_size() {
    if !require("tmux") {
        return;
    }
    let relayed = Relayed::start((80, 24), &["--max-peers", "16", "--loss", "burst:20%,3", "--duplicate", "50%"]);
    let Relayed { terminal, peer, .. } = &relayed;
    let port = peer.peer_addr().expect("it is connected");
    for size in [("40", "12"), ("12", "3"), ("2", "2"), ("1", "1"), ("300", "90"), ("80", "24")] {
        terminal.resize(size.0, size.1);
        for _ in 0..400 {
            socket().send_to(b"\x1b[2J\xff\xfe\xe2\x80\xae", port).expect("it can send");
        }
        if size.0.len() > 1 {
            terminal.until("peers", |screen| screen.contains("peers 1"));
        }
    }
    let screen = terminal.until("full table", |screen| screen.contains("peers 16 now") && screen.contains("lost"));
    assert!(!screen.contains(" 0 evicted") && screen.contains("chance"), "{screen}");
    terminal.keys(&["C-c"]);
    terminal.ended(0);
}

#[test]
fn colours_are_used_unless_they_are_not_wanted() {
    if !require("tmux") {
        return;
    }
    for (environment, coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let relayed = Relayed::start_in((80, 24), environment, &["--up-loss", "100%"]);
        relayed.peer.send(b"x").expect("it can send");
        relayed.terminal.until_shown("lost: chance");
        let cells = relayed.terminal.ask(&["capture-pane", "-p", "-e"]);
        let has_red =
            ["\x1b[31m", "\x1b[1;31m", "\x1b[1m\x1b[31m", "38;5;1m", "[31;1m"].iter().any(|it| cells.contains(it));
        assert_eq!(has_red, coloured, "{cells:?}");
        relayed.terminal.keys(&["q"]);
        relayed.terminal.ended(0);
    }
}

#[test]
fn it_can_be_stopped_and_goes_on() {
    if !require("tmux") {
        return;
    }
    let target = socket();
    let address = target.local_addr().expect("it is bound").to_string();
    let arguments = ["relay", "127.0.0.1:0", &address, "--tui"];
    let terminal = Terminal::start_by(terminal::JOB, (100, 24), &[], &arguments);
    let port = terminal.port_after("udp relay on 127.0.0.1:");
    terminal.keys(&["C-z"]);
    terminal.until_shown("stopped 148");
    let peer = socket();
    peer.send_to(b"meanwhile", ("127.0.0.1", port)).expect("it can send");
    terminal.keys(&["Enter"]);
    assert_eq!(target.recv(&mut [0; 100]).expect("it arrives"), 9);
    terminal.until_shown("received 1  forwarded 1");
    terminal.keys(&["q"]);
    terminal.ended(0);
}

#[test]
fn without_a_terminal_it_says_so() {
    let outcome = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--tui"]);
    outcome.assert_status(2);
    assert_eq!(
        outcome.stderr,
        "udp: --tui needs a terminal, and standard output is none\n\
         hint: without --tui, --status prints a line now and then\n"
    );
    for other in ["--json", "--quiet", "--verbose", "--status=1s"] {
        let outcome = Place::Here.run(&["relay", "127.0.0.1:0", "127.0.0.1:9", "--tui", other]);
        outcome.assert_status(2);
        outcome.assert_told(&["cannot be used with"]);
    }
}
