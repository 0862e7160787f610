//! Standard output that cannot be written to: closed, or read by nobody. A run says so, and ends.
#![cfg(target_os = "linux")]

mod common;

use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;

use common::netns::require;
use common::{Outcome, Place, Process, Scratch, hosts, number, serve_at};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use serde_json::Value;

/// Sends without end. Argument: port.
const FLOOD: &str = "
s = socket(AF_INET, SOCK_DGRAM)
say('ready')
while True:
    s.sendto(bytes(100), ('127.0.0.1', int(sys.argv[1])))
";

/// Twenty thousand requests from eight peers, one of each at a time, and an answer to each. The lines about the first thousand
/// fill a pipe, and what may wait for its reader. Argument: port.
const TWENTY_THOUSAND: &str = "
peers = [socket(AF_INET, SOCK_DGRAM) for _ in range(8)]
for turn in range(2500):
    payload = b'x' * (9000 if turn < 125 else 10)
    for peer in peers:
        peer.sendto(payload, ('127.0.0.1', int(sys.argv[1])))
    for peer in peers:
        assert peer.recv(9001) == payload
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

/// Returns when a pipe has no room, not for a byte.
fn until_full(pipe: &PipeWriter) {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    while poll(&mut [PollFd::new(pipe, PollFlags::OUT)], Some(&now)).expect("a pipe can be polled") > 0 {
        thread::yield_now();
    }
    // A short line may still find room in its last page. Opened again, it has a flag of its own.
    let again = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut rest = OpenOptions::new().write(true).custom_flags(flags).open(again).expect("a pipe can be opened again");
    while rest.write(b".").is_ok() {}
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
    let cases: [&[&str]; 6] = [
        &["send", "127.0.0.1:700", "hello", "--repeat", "0", "--rate", "20k/s"],
        &["send", "127.0.0.1:700", "hello", "--repeat", "0", "--rate", "20k/s", "-v", "--json"],
        &["listen"],
        &["listen", "--write", "-"],
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

/// A server of which nobody reads what it prints beyond its first line, once it has answered [`TWENTY_THOUSAND`]; and its
/// output.
fn unread_server(script: &str, arguments: &[&str]) -> (Process, PipeReader) {
    let (mut reader, output) = std::io::pipe().expect("a pipe can be had");
    let mut command = Place::Here.command("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_udp"), "serve", "127.0.0.1:0", "--echo"]).args(arguments);
    command.stdout(output);
    let mut server = Process::start_with_output(command);
    let is_elsewhere = script.ends_with("@\"") && !arguments.contains(&"--json");
    let line = if is_elsewhere { server.stderr_line() } else { first_line(&mut reader) };
    let port = line.split_once("127.0.0.1:").unwrap_or_else(|| panic!("{line}")).1;
    let end = port.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(port.len());
    Place::Here.python_says(TWENTY_THOUSAND, &[&port[..end]]);
    (server, reader)
}

/// The first line of a pipe, of which no more than that is read.
fn first_line(reader: &mut PipeReader) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\n") {
        reader.read_exact(&mut byte).expect("a pipe can be read");
        line.extend(byte);
    }
    String::from_utf8(line).expect("text")
}

/// What follows a count of datagrams of which there were more than are shown, and of lines that nobody read.
const DATAGRAMS: &str = " more datagrams, not shown one by one";
const LINES: &str = " lines not shown: the reader stalled";

/// How many were not shown, as standard error says.
fn told_of_more(outcome: &Outcome, what: &str) -> u64 {
    let counts = outcome.stderr.lines().filter_map(|line| line.strip_suffix(what));
    counts.map(|count| count.trim_start_matches("udp: ").parse::<u64>().expect("a number")).sum()
}

#[test]
fn a_server_of_which_nobody_reads_what_it_prints_answers_anyway() {
    if !require("python3") {
        return;
    }
    for arguments in [&["-v"][..], &["-v", "--json"]] {
        let (server, _reader) = unread_server("exec \"$@\"", arguments);
        let outcome = server.stop();
        outcome.assert_status(2);
        outcome.assert_told(&["standard output: nobody reads it"]);
        assert!(told_of_more(&outcome, LINES) >= 500, "{outcome:?}");

        // With standard error going the same way, it cannot be reported to anybody.
        let (server, _reader) = unread_server("exec \"$@\" 2>&1", arguments);
        server.stop().assert_status(2);
    }
}

#[test]
fn what_a_stalled_reader_reads_at_last_is_whole_lines_and_how_many_are_missing() {
    if !require("python3") {
        return;
    }
    for arguments in [&["-v"][..], &["-v", "--json"]] {
        let (server, mut reader) = unread_server("exec \"$@\"", arguments);
        // More than a pipe holds comes by itself, while nothing else happens.
        let mut printed = vec![0; 1 << 20];
        reader.read_exact(&mut printed).expect("it is still written");
        let reading = thread::spawn(move || reader.read_to_end(&mut printed).map(|_| printed));
        let outcome = server.stop();
        outcome.assert_status(0);
        let printed = reading.join().expect("it does not panic").expect("a pipe can be read");
        let printed = String::from_utf8(printed).expect("text");
        assert!(printed.ends_with("\n"));
        if arguments.contains(&"--json") {
            let objects: Vec<Value> =
                printed.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect();
            let of_type = |kind| objects.iter().filter(move |object| object["type"] == kind);
            let missing: u64 = of_type("not_shown").map(|object| number(&object["count"])).sum();
            assert_eq!(of_type("answered").count() as u64 + missing, 20_000);
            assert_eq!(objects.last().map(|object| number(&object["answered"])), Some(20_000));
        } else {
            let is_whole = |line: &str| line.contains(" (answered with ") && line.ends_with('x');
            assert_eq!(printed.lines().find(|line| !is_whole(line)), None);
            assert!(told_of_more(&outcome, LINES) >= 500, "{outcome:?}");
            let missing = told_of_more(&outcome, LINES) + told_of_more(&outcome, DATAGRAMS);
            assert_eq!(printed.lines().count() as u64 + missing, 20_000);
        }
    }
}
