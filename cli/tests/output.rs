//! Standard output that cannot be written to: closed, or read by nobody. A run says so, and ends.
#![cfg(target_os = "linux")]

mod common;

use std::io::PipeWriter;

use common::{Outcome, Place, Process, Scratch, hosts, serve_at};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Sends without end. Argument: port.
const FLOOD: &str = "
s = socket(AF_INET, SOCK_DGRAM)
say('ready')
while True:
    s.sendto(bytes(100), ('127.0.0.1', int(sys.argv[1])))
";

/// `udp` whose standard output is closed.
fn closed(arguments: &[&str]) -> Process {
    let mut command = Place::Here.command("sh");
    command.args(["-c", "exec \"$@\" >&-", "sh", env!("CARGO_BIN_EXE_udp")]).args(arguments);
    Process::start(command)
}

fn assert_refused(outcome: &Outcome) {
    outcome.assert_status(2);
    outcome.assert_told(&["udp: cannot write to standard output: bad file descriptor"]);
}

#[test]
fn a_closed_standard_output_is_an_error_where_something_is_written_to_it() {
    let (_server, port) = serve_at("127.0.0.1", &[]);
    let to = format!("127.0.0.1:{port}");
    for arguments in [
        &["send", &to, "hello"][..],
        &["send", &to, "hello", "--raw"],
        &["send", &to, "hello", "--json"],
        &["interfaces"],
        &["completions", "bash"],
        &["--version"],
        &["-V"],
        &["--help"],
        &["help", "send"],
        &["listen", "-h"],
    ] {
        assert_refused(&closed(arguments).finish());
    }
    let mut listener = closed(&["listen", "127.0.0.1:0"]);
    let line = listener.stderr_line();
    let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    Place::Here.run(&["send", address, "hello", "--wait", "0"]).assert_status(0);
    assert_refused(&listener.finish());
    let captured = closed(&["listen", "127.0.0.1:0", "--write", "-"]).finish();
    captured.assert_status(2);
    captured.assert_told(&["udp: cannot create '-': bad file descriptor"]);
}

#[test]
fn who_writes_nothing_needs_no_standard_output() {
    let mut server = closed(&["serve", "127.0.0.1:0"]);
    let line = server.stderr_line();
    let address = line.strip_prefix("serving on ").unwrap_or_else(|| panic!("{line}"));
    Place::Here.run(&["send", address, "hello"]).assert_status(0);
    server.stop().assert_status(0);
}

/// Returns when a pipe has no room.
fn until_full(pipe: &PipeWriter) {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    while poll(&mut [PollFd::new(pipe, PollFlags::OUT)], Some(&now)).expect("a pipe can be polled") > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_ends_a_run_whose_output_nobody_reads() {
    let Some(lan) = hosts(1) else { return };
    let h1 = Place::On(&lan, "h1");
    let scratch = Scratch::new();
    let capture = scratch.file("flood.pcapng", "");
    let _flood = h1.python_ready(FLOOD, &["10000"]);
    h1.run(&["listen", "--write", &capture, "--count", "50"]).assert_status(0);
    let (_server, _) = h1.waiting(&["serve", "127.0.0.1:700", "--echo", "--no-loop-guard"]);
    let cases: [&[&str]; 5] = [
        &["send", "127.0.0.1:700", "hello", "--repeat", "0", "--rate", "20k/s"],
        &["send", "127.0.0.1:700", "hello", "--repeat", "0", "--rate", "20k/s", "-v", "--json"],
        &["listen"],
        &["serve", "-v", "--json"],
        &["replay", &capture, "127.0.0.1:700", "--loop", "0", "--max", "-v", "--json"],
    ];
    for arguments in cases {
        // Alone, and with standard error going the same way.
        for script in ["exec \"$@\"", "exec \"$@\" 2>&1"] {
            let (reader, output) = std::io::pipe().expect("a pipe can be had");
            let mut command = h1.command("sh");
            command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_udp")]).args(arguments);
            command.stdout(output.try_clone().expect("it can be had twice"));
            let process = Process::start_with_output(command);
            until_full(&output);
            // Nobody reads, and nobody will: the process would be killed some time.
            let outcome = process.stop();
            outcome.assert_status(2);
            assert!(
                script.ends_with('1') || outcome.stderr.contains("standard output: nobody reads it"),
                "{outcome:?}"
            );
            drop(reader);
        }
    }
}
