//! `udp listen --tui` as a program on a terminal, which is tmux: what it shows, what keys do, and how it leaves the terminal.
#![cfg(target_os = "linux")]

mod common;

use std::net::UdpSocket;

use common::Place;
use common::netns::require;
use common::terminal::{self, Terminal};

/// Runs a program on a terminal that shows the first screen and then takes nothing any more; ends it with signals once it
/// cannot write. Says how it ended, and whether the terminal echoes and edits lines again.
const STUCK: &str = "
import fcntl, os, pty, re, select, signal, struct, termios
process, terminal = pty.fork()
if process == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 200, 250, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
shown = b''
while b'nothing was' not in shown:
    shown += os.read(terminal, 65536)
port = int(re.search(rb'127.0.0.1:([0-9]+)', shown)[1])
line = os.open(f'/proc/{process}/fd/1', os.O_WRONLY | os.O_NOCTTY)
senders = [socket(AF_INET, SOCK_DGRAM) for _ in range(400)]
while select.select([], [line], [], 0)[1]:
    for sender in senders:
        sender.sendto(os.urandom(60), ('127.0.0.1', port))
# The little room that is left, too.
os.set_blocking(line, False)
try:
    while True:
        os.write(line, b'.')
except BlockingIOError:
    pass
while True:
    ended, status = os.waitpid(process, os.WNOHANG)
    if ended:
        break
    os.kill(process, signal.SIGTERM)
    select.select([], [], [], 0.01)
modes = termios.tcgetattr(line)[3]
say(os.waitstatus_to_exitcode(status), bool(modes & termios.ECHO), bool(modes & termios.ICANON))
";

/// Closes the terminal of a program that ignores SIGHUP once it shows its first screen; says how the program ended.
const CLOSED: &str = "
import os, pty, signal
process, terminal = pty.fork()
if process == 0:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.execv(sys.argv[1], sys.argv[1:])
shown = b''
while b'nothing was' not in shown:
    shown += os.read(terminal, 65536)
os.close(terminal)
say(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
";

/// A terminal that shows the table of a listener at any port of loopback, and the port.
fn table(size: (u16, u16), arguments: &[&str]) -> (Terminal, u16) {
    let terminal = Terminal::start(size, &[], &[&["listen", "127.0.0.1:0", "--tui"], arguments].concat());
    let port = port(&terminal);
    (terminal, port)
}

/// The port that the table's title tells.
fn port(terminal: &Terminal) -> u16 {
    terminal.port_after("udp listen on 127.0.0.1:")
}

/// Someone who sends to a port of loopback.
#[expect(clippy::disallowed_methods, reason = "any program's socket will do")]
fn sender() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("loopback has a port")
}

fn address(sender: &UdpSocket) -> String {
    sender.local_addr().expect("it is bound").to_string()
}

/// The table's line of this sender, field by field.
fn fields<'a>(screen: &'a str, source: &str) -> Vec<&'a str> {
    let line = screen.lines().find(|line| line.starts_with(&format!("{source} ")));
    line.unwrap_or_else(|| panic!("no {source}:\n{screen}")).split_whitespace().collect()
}

#[test]
fn senders_appear_are_filtered_looked_at_and_counted_while_paused() {
    if !require("tmux") {
        return;
    }
    let (terminal, port) = table((130, 24), &[]);
    terminal.until_shown("nothing was received yet");
    let [one, other] = [sender(), sender()];
    for number in 0..3 {
        one.send_to(format!("temperature {number}").as_bytes(), ("127.0.0.1", port)).expect("it can send");
    }
    other.send_to(b"\x1b]0;title\x07\x1b[2J other", ("127.0.0.1", port)).expect("it can send");
    let screen = terminal.until_shown("received 4 (");
    assert_eq!(fields(&screen, &address(&one))[1], "3");
    assert!(screen.contains("temperature 2") && screen.contains(r"\x1b]0;title\x07\x1b[2J"), "{screen}");
    assert!(screen.contains("listed 4  ignored 0  truncated 0  dropped by the kernel 0"), "{screen}");
    assert_ne!(terminal.ask(&["display-message", "-p", "#{pane_title}"]), "title\n");

    terminal.keys(&["/", "TEMP"]);
    let screen = terminal.until_gone(&address(&other));
    assert!(screen.contains("/TEMP") && screen.contains(&address(&one)), "{screen}");
    terminal.keys(&["Escape"]);
    terminal.until_shown(&address(&other));

    terminal.keys(&["p"]);
    terminal.until_shown("paused");
    one.send_to(b"while paused", ("127.0.0.1", port)).expect("it can send");
    terminal.keys(&["Enter"]);
    // Newest first, and the paused table knows of three.
    let screen = terminal.until_shown("hop limit 64");
    assert!(screen.contains("3 datagrams  39 B") && screen.contains("|temperature 2|"), "{screen}");
    terminal.keys(&["Down"]);
    terminal.until_shown("|temperature 1|");
    terminal.keys(&["p"]);
    terminal.until_shown("4 datagrams  51 B");
    terminal.keys(&["Up"]);
    terminal.until_shown("|while paused|");
    terminal.keys(&["Escape"]);
    terminal.until_shown("last payload");
    terminal.keys(&["?"]);
    terminal.until_shown("quit, with the summary");
    terminal.keys(&["x", "s", "r"]);
    terminal.until_shown("rate▲");
    terminal.keys(&["q"]);
    let screen = terminal.ended(0);
    assert!(screen.contains(&format!("listening on 127.0.0.1:{port}\n5 received (")), "{screen}");
    assert!(screen.contains(": 5 listed, 0 ignored\n"), "{screen}");
}

#[test]
fn the_sender_that_a_key_moved_to_is_the_one_whose_details_are_shown() {
    if !require("tmux") {
        return;
    }
    let (terminal, port) = table((90, 20), &[]);
    let [one, other] = [sender(), sender()];
    for _ in 0..2 {
        one.send_to(b"one", ("127.0.0.1", port)).expect("it can send");
    }
    other.send_to(b"other", ("127.0.0.1", port)).expect("it can send");
    terminal.until_shown("2 senders");
    terminal.keys(&["Down", "Enter"]);
    let screen = terminal.until_shown("|other|");
    assert!(screen.contains(&format!("\n{}\n", address(&other))), "{screen}");
    terminal.keys(&["C-c"]);
    terminal.ended(0);
}

#[test]
fn a_signal_ends_it_with_the_summary_in_a_window_of_any_size() {
    if !require("tmux") {
        return;
    }
    for signal in ["TERM", "INT"] {
        let (terminal, port) = table((110, 24), &[]);
        let one = sender();
        for size in [("40", "10"), ("12", "3"), ("2", "2"), ("1", "1"), ("300", "70"), ("110", "24")] {
            terminal.resize(size.0, size.1);
            one.send_to(b"payload", ("127.0.0.1", port)).expect("it can send");
            if size.0.len() > 1 {
                terminal.until("first column", |screen| screen.contains("received"));
            }
        }
        let screen = terminal.until_shown("received 6 (42B)  listed 6  ignored 0");
        assert_eq!(fields(&screen, &address(&one))[1], "6");
        terminal.signal(signal);
        let screen = terminal.ended(0);
        assert!(screen.contains("6 received (42 B) in "), "{screen}");
    }
}

#[test]
fn what_is_ignored_is_in_the_ledger_and_count_ends_it() {
    if !require("tmux") {
        return;
    }
    let (terminal, port) = table((100, 16), &["--match", "^yes", "--count", "2"]);
    let one = sender();
    for payload in ["no", "yes", "no"] {
        one.send_to(payload.as_bytes(), ("127.0.0.1", port)).expect("it can send");
    }
    let screen = terminal.until_shown("ignored 2: no match");
    assert!(screen.contains("received 3 (7B)  listed 1  ignored 2"), "{screen}");
    one.send_to(b"yes", ("127.0.0.1", port)).expect("it can send");
    let screen = terminal.ended(0);
    assert!(screen.contains(": 2 listed, 2 ignored"), "{screen}");
}

#[test]
fn colours_are_used_unless_they_are_not_wanted() {
    if !require("tmux") {
        return;
    }
    let cases = [
        ("", "--color=auto", true),
        ("NO_COLOR", "--color=auto", false),
        ("OTHER", "--color=never", false),
        ("NO_COLOR", "--color=always", true),
    ];
    for (variable, color, coloured) in cases {
        let all = ["listen", "127.0.0.1:0", "--tui", color];
        let environment: &[_] = if variable.is_empty() { &[] } else { &[(variable, "1")] };
        let terminal = Terminal::start((80, 12), environment, &all);
        let port = port(&terminal);
        sender().send_to(b"hello", ("127.0.0.1", port)).expect("it can send");
        terminal.until_shown("hello");
        let cells = terminal.ask(&["capture-pane", "-p", "-e"]);
        // Cyan, in either way of saying it.
        let has_colour = ["\x1b[36m", "[38;5;6m"].iter().any(|colour| cells.contains(colour));
        assert_eq!(has_colour, coloured, "{variable} {color}: {cells:?}");
        terminal.keys(&["q"]);
        terminal.ended(0);
    }
}

#[test]
fn it_can_be_stopped_and_goes_on_with_its_table() {
    if !require("tmux") {
        return;
    }
    let all = ["listen", "127.0.0.1:0", "--tui"];
    let terminal = Terminal::start_by(terminal::JOB, (100, 24), &[], &all);
    let port = port(&terminal);
    let one = sender();
    one.send_to(b"before", ("127.0.0.1", port)).expect("it can send");
    terminal.until_shown("received 1");
    terminal.keys(&["C-z"]);
    // 128 and the number of SIGTSTP: the shell has its terminal back.
    terminal.until_shown("stopped 148");
    assert_eq!(terminal.ask(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]), "0 1\n");
    one.send_to(b"meanwhile", ("127.0.0.1", port)).expect("it can send");
    terminal.resize("120", "20");
    terminal.keys(&["Enter"]);
    let screen = terminal.until_shown("received 2");
    assert!(screen.contains("last payload") && screen.contains("meanwhile"), "{screen}");
    // Keys come one by one again, without an end of a line.
    terminal.keys(&["?"]);
    terminal.until_shown("quit, with the summary");
    terminal.keys(&["C-c"]);
    let screen = terminal.ended(0);
    assert!(screen.contains(": 2 listed, 0 ignored\n"), "{screen}");
}

#[test]
fn where_no_shell_could_let_it_go_on_it_is_not_stopped() {
    if !require("tmux") {
        return;
    }
    let (terminal, port) = table((100, 24), &[]);
    terminal.keys(&["C-z"]);
    sender().send_to(b"after", ("127.0.0.1", port)).expect("it can send");
    terminal.until_shown("received 1");
    terminal.keys(&["q"]);
    terminal.ended(0);
}

#[test]
fn a_terminal_that_takes_nothing_does_not_keep_the_second_signal_from_ending_it() {
    if !require("python3") {
        return;
    }
    let arguments = [env!("CARGO_BIN_EXE_udp"), "listen", "127.0.0.1:0", "--tui"];
    assert_eq!(Place::Here.python_says(STUCK, &arguments), "130 True True\n");
}

#[test]
fn it_ends_with_its_terminal() {
    if !require("python3") {
        return;
    }
    let arguments = [env!("CARGO_BIN_EXE_udp"), "listen", "127.0.0.1:0", "--tui"];
    // Not even the end could be shown.
    assert_eq!(Place::Here.python_says(CLOSED, &arguments), "2\n");
}

#[test]
fn without_a_terminal_it_says_so() {
    let outcome = Place::Here.run(&["listen", "127.0.0.1:0", "--tui"]);
    outcome.assert_status(2);
    assert_eq!(
        outcome.stderr,
        "udp: --tui needs a terminal, and standard output is none\nhint: without --tui, each datagram is a line\n"
    );
    for other in ["--json", "--raw", "--hex-dump", "--format=text", "--quiet", "--verbose"] {
        let outcome = Place::Here.run(&["listen", "127.0.0.1:0", "--tui", other]);
        outcome.assert_status(2);
        outcome.assert_told(&["cannot be used with"]);
    }
}
