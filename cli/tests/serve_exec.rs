//! `udp serve --exec` as a program: commands that misbehave, strangers that try to be commands, and the account of all.
#![cfg(target_os = "linux")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::netns::require;
use common::{Place, Process, Scratch, hosts, ignored, number, serve_at};
use serde_json::Value;

/// Sends one datagram of this length and does not wait. Arguments: port, length.
const SEND_ONE: &str = "
socket(AF_INET, SOCK_DGRAM).sendto(b'x' * int(sys.argv[2]), ('127.0.0.1', int(sys.argv[1])))
";

/// What each of these payloads is answered with. Arguments: port, then a payload each, with escapes as in Python.
const ASK_EACH: &str = "
for text in sys.argv[2:]:
    payload = text.encode().decode('unicode_escape').encode('latin-1')
    answer, _ = ask(('127.0.0.1', int(sys.argv[1])), payload)
    say('same' if answer == payload else answer)
";

/// Sends many datagrams at once, and waits for some answers. Arguments: port, datagrams, answers.
const MANY: &str = "
s = socket(AF_INET, SOCK_DGRAM)
for number in range(int(sys.argv[2])):
    s.sendto(b'%d' % number, ('127.0.0.1', int(sys.argv[1])))
for _ in range(int(sys.argv[3])):
    s.recvfrom(100)
";

/// Peers with the numbers from 1 to 6 ask at once, the highest first; says who was answered with what, in the order of the
/// answers. Argument: port.
const SIX_PEERS: &str = "
from select import select
peers = {}
for number in range(6, 0, -1):
    peer = socket(AF_INET, SOCK_DGRAM)
    peer.sendto(b'%d' % number, ('127.0.0.1', int(sys.argv[1])))
    peers[peer] = number
while peers:
    for peer in select(list(peers), [], [])[0]:
        say(peers.pop(peer), peer.recvfrom(100)[0].decode().strip())
";

/// Much longer than it takes to kill what runs, and much shorter than what runs.
const SOON: Duration = Duration::from_secs(5);

/// The processes with this among their arguments.
fn processes_with(argument: &str) -> Vec<u32> {
    let directory = std::fs::read_dir("/proc").expect("there is a /proc");
    let numbers = directory.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let has = |number: &u32| {
        let arguments = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|one| one == argument.as_bytes())
    };
    numbers.filter(has).collect()
}

/// Waits until as many processes have this among their arguments.
#[expect(clippy::disallowed_methods, reason = "processes come and go within seconds, or never")]
fn until_there_are(count: usize, argument: &str) {
    let begun = Instant::now();
    while processes_with(argument).len() != count {
        assert!(begun.elapsed() < 2 * SOON, "{:?} have {argument}, not {count}", processes_with(argument));
        std::thread::yield_now();
    }
}

/// A number of seconds that no other process sleeps, as long as no test lasts.
fn long_sleep(number: u32) -> String {
    format!("3000.{}{number}", std::process::id())
}

fn told(server: &mut Process, kind: &str) -> Value {
    let line = server.until(|line| line.contains(&format!(r#""type":"{kind}""#)));
    serde_json::from_str(&line).expect("JSON Lines")
}

#[test]
fn a_command_that_misbehaves_costs_its_reply_and_is_counted() {
    if !require("python3") {
        return;
    }
    let sleep = long_sleep(1);
    let (hangs, forks) = (format!("sleep {sleep}"), format!("sleep {sleep} & echo hello"));
    let cases: [(&str, &str, &str); 8] = [
        (&hangs, "reply_late", "it was killed at its time limit"),
        (&forks, "reply_late", "it was killed at its time limit"),
        ("trap '' TERM; while :; do :; done", "reply_late", "it was killed at its time limit"),
        ("echo bad news >&2; exit 3", "reply_error", "exit status 3: bad news"),
        ("/nowhere/at/all", "reply_error", "exit status 127"),
        ("kill -9 $$", "reply_error", "killed by signal 9"),
        ("head -c 100000000 /dev/zero", "reply_too_long", "it printed more than a datagram carries"),
        ("cat > /dev/null", "no_reply", ""),
    ];
    for (command, reason, words) in cases {
        let (mut server, port) = serve_at("127.0.0.1", &["--json", "-v", "--exec", command, "--exec-limit", "500ms"]);
        for _ in 0..3 {
            Place::Here.python_says(SEND_ONE, &[&port, "60000"]);
            assert_eq!(told(&mut server, "ignored")["reason"], reason, "{command}");
        }
        let outcome = server.stop();
        outcome.assert_status(0);
        let summary = outcome.summary();
        assert_eq!((ignored(&summary, reason), number(&summary["answered"])), (3, 0), "{command}: {summary}");
        // However often it fails, it is told once, and as an object like everything else.
        let objects = outcome.objects();
        let failures: Vec<_> = objects.iter().filter(|object| object["type"] == "command_failed").collect();
        let told: Vec<_> = failures.iter().map(|failure| (&failure["reason"], &failure["error"])).collect();
        match (words, told.as_slice()) {
            ("", []) => {}
            (_, [(why, error)]) if *why == reason && error.as_str().is_some_and(|error| error.contains(words)) => {}
            _ => panic!("{command}: {told:?}"),
        }
    }
    until_there_are(0, &sleep);
}

#[test]
fn a_command_need_not_read_what_it_is_told_nor_wait_for_what_it_starts() {
    if !require("python3") {
        return;
    }
    let sleep = long_sleep(2);
    let background = format!("sleep {sleep} >/dev/null 2>&1 & echo $!");
    for command in ["echo hello", "exec 0<&-; echo hello", &background] {
        let (mut server, port) = serve_at("127.0.0.1", &["--json", "-v", "--exec", command]);
        Place::Here.python_says(SEND_ONE, &[&port, "65000"]);
        let reply = told(&mut server, "answered")["reply"]["text"].clone();
        assert_eq!(number(&server.stop().summary()["answered"]), 1, "{command}");
        if command == background {
            // What it left behind on purpose is its own business: it goes on.
            let number = reply.as_str().expect("text").trim_end();
            assert_eq!(processes_with(&sleep), [number.parse::<u32>().expect("a number")]);
            Place::Here.shell(&format!("kill {number}"));
        }
    }
}

#[test]
fn no_payload_is_ever_a_command() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let trap = scratch.path().join("trap");
    let touch = format!("touch {}", trap.display());
    let payloads = [
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("'; {touch}; '"),
        format!("\"; {touch}; \""),
        format!("\\n{touch}\\n"),
        format!("a\\n\\n{touch} &\\n#"),
        format!("| {touch}"),
        format!("\\x00{touch}"),
        "-c".to_owned(),
        "--".to_owned(),
        "%s%n $HOME ~ * {} [a-z] \\\\ \\xff".to_owned(),
    ];
    // The second has all that is known of a datagram in a command, as one who takes care would write it.
    for command in ["cat", r#"payload=$(cat; echo .); test -n "$UDP_SOURCE" && printf %s "${payload%.}""#] {
        let (server, port) = serve_at("127.0.0.1", &["--json", "--exec", command]);
        // A shell's variable holds no NUL byte.
        let payloads: Vec<_> = payloads.iter().filter(|it| command == "cat" || !it.contains("\\x00")).collect();
        let arguments: Vec<_> = [&port].into_iter().chain(payloads).map(String::as_str).collect();
        let asked = arguments.len() - 1;
        assert_eq!(Place::Here.python_says(ASK_EACH, &arguments), "same\n".repeat(asked), "{command}");
        assert_eq!(number(&server.stop().summary()["answered"]), asked as u64);
    }
    assert!(!trap.exists());
}

#[test]
fn what_finds_no_room_is_counted_as_busy() {
    if !require("python3") {
        return;
    }
    for threads in ["1", "3"] {
        let arguments = ["--json", "--exec", "sleep 0.2; echo done", "--exec-at-once", "2", "--threads", threads];
        let (server, port) = serve_at("127.0.0.1", &arguments);
        Place::Here.python_says(MANY, &[&port, "200", "16"]);
        let outcome = server.stop();
        outcome.assert_status(0);
        let summary = outcome.summary();
        let [answered, received] = ["answered", "received"].map(|key| number(&summary[key]));
        let [busy, unfinished] = ["busy", "unfinished"].map(|reason| ignored(&summary, reason));
        assert_eq!((received, answered + busy + unfinished), (200, 200), "{summary}");
        // Sixteen may wait at once, and so many more as were answered before all had come.
        assert!((16..=100).contains(&(answered + unfinished)) && answered >= 16, "{summary}");
    }
}

#[test]
fn a_second_signal_leaves_no_command_behind() {
    if !require("python3") {
        return;
    }
    let sleep = long_sleep(7);
    // A shell that waits, and one that has become the command.
    for command in [format!("sleep {sleep}; true"), format!("exec sleep {sleep}")] {
        let (server, port) = serve_at("127.0.0.1", &["--exec", &command]);
        Place::Here.python_says(MANY, &[&port, "3", "0"]);
        until_there_are(3, &sleep);
        // It finds both signals at once, so the first has ended nothing when the second comes.
        for signal in ["STOP", "INT", "TERM", "CONT"] {
            server.signal(signal);
        }
        server.finish().assert_status(130);
        until_there_are(0, &sleep);
    }
}

#[test]
fn a_signal_ends_it_at_once_and_every_command_with_it() {
    if !require("python3") {
        return;
    }
    let sleep = long_sleep(3);
    for command in
        [format!("sleep {sleep}"), format!("trap '' TERM INT HUP; sleep {sleep} & sleep {sleep} | sleep {sleep}")]
    {
        for signal in ["TERM", "INT"] {
            let sleeping = 4 * command.matches(&sleep).count();
            let arguments = ["--json", "--exec", &command, "--exec-at-once", "4", "--exec-limit", "1h"];
            let (server, port) = serve_at("127.0.0.1", &arguments);
            Place::Here.python_says(MANY, &[&port, "20", "0"]);
            until_there_are(sleeping, &sleep);
            assert_ends_soon_after(signal, server);
            until_there_are(0, &sleep);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the end has to come soon")]
fn assert_ends_soon_after(signal: &str, server: Process) {
    let begun = Instant::now();
    server.signal(signal);
    let outcome = server.finish();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    outcome.assert_status(0);
    let summary = outcome.summary();
    assert_eq!((number(&summary["answered"]), ignored(&summary, "unfinished")), (0, 20), "{summary}");
}

#[test]
fn commands_that_were_asked_for_by_several_peers_answer_each_its_own() {
    if !require("python3") {
        return;
    }
    let (server, port) = serve_at("127.0.0.1", &["--json", "--exec", "read x; sleep 0.$x; echo reply $x"]);
    let said = Place::Here.python_says(SIX_PEERS, &[&port]);
    let mut lines: Vec<_> = said.lines().collect();
    // They were asked from the last to the first, and end from the first to the last, each after its own time.
    assert_ne!(lines, (1..=6).rev().map(|number| format!("{number} reply {number}")).collect::<Vec<_>>());
    lines.sort_unstable();
    assert_eq!(lines, (1..=6).map(|number| format!("{number} reply {number}")).collect::<Vec<_>>());
    assert_eq!(number(&server.stop().summary()["answered"]), 6);
}

#[test]
fn a_command_knows_whence_the_datagram_came_and_where_it_went() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    h1.shell("ip address add fd01::1/64 dev eth0 nodad");
    h2.shell("ip address add fd01::2/64 dev eth0 nodad");
    let known = ["SOURCE", "SOURCE_ADDRESS", "SOURCE_PORT", "DESTINATION", "DESTINATION_ADDRESS", "DESTINATION_PORT"];
    let known = [&known[..], &["INTERFACE", "LENGTH"]].concat().join("|$UDP_");
    let (server, _) = h1.waiting(&["serve", "--max-amplification", "off", "--exec", &format!("echo \"$UDP_{known}\"")]);
    let cases = [
        ("10.1.0.1", "10.1.0.2", "10.1.0.2:4000|10.1.0.2|4000|10.1.0.1:10000|10.1.0.1|10000|eth0|5\n"),
        ("10.1.0.255", "10.1.0.2", "10.1.0.2:4000|10.1.0.2|4000|10.1.0.255:10000|10.1.0.255|10000|eth0|5\n"),
        ("[fd01::1]", "[fd01::2]", "[fd01::2]:4000|fd01::2|4000|[fd01::1]:10000|fd01::1|10000|eth0|5\n"),
    ];
    for (asked, from, reply) in cases {
        let outcome = h2.run(&[
            "send",
            asked,
            "hello",
            "--local",
            &format!("{from}:4000"),
            "--raw",
            "--wait",
            "5s",
            "--replies",
            "1",
        ]);
        assert_eq!(outcome.text(), reply);
    }
    server.stop().assert_status(0);
}

#[test]
fn a_command_that_is_a_file_runs_where_the_server_does_with_its_environment() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("reply", "#!/bin/sh\necho $FROM_OUTSIDE $(cat) $# $(pwd)\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
    let mut command = Place::Here.udp_command(&["serve", "127.0.0.1:0", "--json", "-v", "--exec", "./reply"]);
    command.current_dir(scratch.path()).env("FROM_OUTSIDE", "kept");
    let mut server = Process::start(command);
    let listening = told(&mut server, "listening");
    let port = listening["addresses"][0].as_str().expect("a string").rsplit(':').next().expect("a port");
    Place::Here.python_says(SEND_ONE, &[port, "20"]);
    let reply = told(&mut server, "answered")["reply"]["text"].clone();
    let directory = scratch.path().canonicalize().expect("it exists");
    assert_eq!(reply, format!("kept {} 0 {}\n", "x".repeat(20), directory.display()));
    server.stop().assert_status(0);
}

#[test]
fn more_commands_than_there_can_be_descriptors_for_are_refused_at_the_start() {
    let mut command = Place::Here.command("sh");
    command.args(["-c", "ulimit -n 200; exec \"$0\" serve 127.0.0.1:0 --exec cat --exec-at-once 100"]);
    command.arg(env!("CARGO_BIN_EXE_udp"));
    let outcome = Process::start(command).finish();
    outcome.assert_status(2);
    outcome.assert_told(&["udp: 100 commands at once may need 1000 descriptors", "hint: fewer with --exec-at-once N"]);
}
