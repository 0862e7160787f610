//! Systems that refuse what only informs: each verb does its work there, counts right, and says what is missing.
#![cfg(target_os = "linux")]

mod common;

use std::thread;

use common::refusal::{self, EACCES, EAFNOSUPPORT, EINVAL, EIO, ENOPROTOOPT, ENOSYS, EPERM};
use common::{Outcome, Place, Process, Scratch};

/// What is refused, with which error, its name as a capability, and the verbs that say so without -v.
type Refusal = (&'static str, i32, &'static str, &'static [&'static str]);

const REFUSALS: &[Refusal] = &[
    ("recvmmsg,sendmmsg", ENOSYS, "batches", &[]),
    ("recvmmsg", EPERM, "batches", &[]),
    ("sendmmsg", EINVAL, "batches", &[]),
    ("SO_TIMESTAMPNS", ENOPROTOOPT, "timestamps", &["listen", "send", "broadcast"]),
    ("SO_RXQ_OVFL", EINVAL, "drops", &["listen"]),
    ("SO_MEMINFO", EINVAL, "kernel_drops", &["serve", "listen"]),
    ("SO_RCVBUF", EPERM, "receive_buffer", &["listen"]),
    ("IP_PKTINFO", ENOPROTOOPT, "destination", &["serve", "listen"]),
    ("IP_RECVTTL", EINVAL, "hop_limits", &["serve", "listen"]),
    ("IP_RECVTOS", EPERM, "traffic_classes", &["listen"]),
    ("IP_RECVERR", ENOPROTOOPT, "errors", &["send", "broadcast", "replay"]),
    ("MSG_ERRQUEUE", EINVAL, "errors", &["send", "broadcast", "replay"]),
    ("UDP_GRO", ENOPROTOOPT, "coalesce", &[]),
    ("UDP_SEGMENT", ENOPROTOOPT, "segmentation", &[]),
];

/// `udp` with these arguments where the system refuses something.
fn udp(refused: (&str, i32), arguments: &[&str]) -> Process {
    let mut command = Place::Here.udp_command(arguments);
    refusal::refuse(&mut command, refused.0, refused.1);
    Process::start(command)
}

/// The port at which a program waits, from the line that says so: the same in both families.
fn port(process: &mut Process) -> u16 {
    let line = process.until(|line| line.contains(r#""type":"listening""#));
    let digits = line.split(r#""addresses":["0.0.0.0:"#).nth(1).and_then(|rest| rest.split('"').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

/// The objects of a type that a program printed.
fn objects(outcome: &Outcome, kind: &str) -> Vec<serde_json::Value> {
    outcome.objects().into_iter().filter(|object| object["type"] == kind).collect()
}

/// Asserts that what a verb prints says what of the refusals it is missing, each once, and what that changes.
fn assert_says(outcome: &Outcome, verb: &str, &(names, _, capability, verbs): &Refusal) {
    let said = objects(outcome, "missing");
    let expected: &[&str] = if verbs.contains(&verb) { &[capability] } else { &[] };
    assert_eq!(
        said.iter().map(|one| one["capability"].as_str().expect("a string")).collect::<Vec<_>>(),
        expected,
        "{names}, {verb}"
    );
    assert!(said.iter().all(|one| one["consequence"].is_string()), "{said:?}");
}

/// Runs each verb where something is refused; what it came to must be right.
fn works(refusal: &Refusal) {
    let &(names, error, ..) = refusal;
    let run = |arguments: &[&str]| udp((names, error), arguments);
    let scratch = Scratch::new();
    let capture = scratch.path().join("heard.pcapng");
    let capture = capture.to_str().expect("text");
    let mut server = run(&["serve", "-p", "0", "--json"]);
    let mut listener = run(&["listen", "-p", "0", "--json", "--print", "--write", capture, "--count", "3"]);
    let mut second = run(&["listen", "-p", "0", "--json", "--count", "3"]);
    let [serve_port, listen_port, second_port] = [&mut server, &mut listener, &mut second].map(port);
    // Questions in both families, and one to everybody.
    let asked = ["127.0.0.1", "[::1]"]
        .map(|host| run(&["send", &format!("{host}:{serve_port}"), "who?", "--wait", "30s", "--json"]));
    let asked = asked.map(Process::finish);
    let port = serve_port.to_string();
    let everybody = [
        "broadcast",
        "-i",
        "lo",
        "--to",
        "127.255.255.255",
        "-p",
        &port,
        "who?",
        "--until-replies",
        "1",
        "--wait",
        "30s",
        "--json",
    ];
    let everybody = run(&everybody).finish();
    for (outcome, verb) in asked.iter().map(|outcome| (outcome, "send")).chain([(&everybody, "broadcast")]) {
        outcome.assert_status(0);
        assert_says(outcome, verb, refusal);
        let replies = objects(outcome, "reply");
        assert!(replies.len() == 1 && replies[0]["text"] == "Get off my lawn!", "{names}: {outcome:?}");
    }
    // A train, and then what came of it once more.
    let to = format!("127.0.0.1:{listen_port}");
    let mut train = run(&["send", &to, "--lines", "--wait", "0", "--json"]);
    train.tell_all(b"one\ntwo\nsix\n");
    train.finish().assert_status(0);
    let heard = listener.finish();
    let replayed = run(&["replay", capture, &format!("127.0.0.1:{second_port}"), "--json"]).finish();
    replayed.assert_status(0);
    assert_says(&replayed, "replay", refusal);
    assert_eq!(replayed.summary()["sent"], 3, "{names}: {replayed:?}");
    for outcome in [heard, second.finish()] {
        outcome.assert_status(0);
        assert_says(&outcome, "listen", refusal);
        let payloads: Vec<_> = objects(&outcome, "received").iter().map(|one| one["text"].clone()).collect();
        assert_eq!(payloads, ["one", "two", "six"], "{names}");
        assert_eq!(outcome.summary()["delivered"], 3, "{names}");
    }
    server.signal("TERM");
    let served = server.finish();
    served.assert_status(0);
    assert_says(&served, "serve", refusal);
    let summary = served.summary();
    assert_eq!((&summary["received"], &summary["answered"]), (&3.into(), &3.into()), "{names}: {summary}");
}

#[test]
fn each_verb_works_where_something_is_refused_that_only_informs_and_says_what_is_missing() {
    if !refusal::is_possible() {
        return;
    }
    // A few at a time: each is a handful of processes.
    for some in REFUSALS.chunks(4) {
        thread::scope(|scope| some.iter().for_each(|refusal| drop(scope.spawn(move || works(refusal)))));
    }
}

/// What `udp` says on standard error where something is refused, and its exit status.
fn says(refused: (&str, i32), arguments: &[&str], status: i32, words: &str) {
    let outcome = udp(refused, arguments).finish();
    outcome.assert_status(status);
    outcome.assert_told(&[words]);
}

#[test]
fn what_is_missing_is_a_line_and_what_cannot_be_done_without_is_an_error() {
    if !refusal::is_possible() {
        return;
    }
    let none = ("IP_PKTINFO", ENOPROTOOPT);
    let at_once = ["--for", "1ms"];
    let with = |arguments: &[&'static str]| [arguments, &at_once].concat();
    let destination = "not available here (IP_PKTINFO): the destination and interface of each datagram, answers from the address asked";
    // More workers than one would each reply to every broadcast.
    let several = with(&["serve", "-p", "0", "--threads", "4"]);
    says(none, &several, 0, &format!("{destination}; one worker replies, from the address that routing chooses\n"));
    let at_one = with(&["serve", "127.0.0.1:0"]);
    says(none, &at_one, 0, &format!("{destination}; one worker replies\n"));
    let alone = with(&["listen", "-p", "0", "-i", "lo"]);
    says(
        none,
        &alone,
        2,
        "cannot listen on lo alone: this system does not report by which interface a datagram came\n",
    );
    let group = with(&["listen", "ff02::1%lo", "-p", "0"]);
    says(none, &group, 0, "they are not shown, and what is sent to other addresses at a group's port is heard, too\n");
    let group = with(&["listen", "239.1.2.3", "-i", "lo", "-p", "0"]);
    says(
        ("IP_MULTICAST_ALL", ENOPROTOOPT),
        &group,
        0,
        "keeping multicasts out that other programs joined; those are heard, too\n",
    );
    let buffer = with(&["serve", "-p", "0", "--recv-buffer", "100k"]);
    says(("SO_RCVBUF", EPERM), &buffer, 0, "a receive buffer of a chosen size; --recv-buffer does nothing\n");
    let verbose = with(&["serve", "-p", "0", "-v"]);
    says(
        ("sendmmsg", ENOSYS),
        &verbose,
        0,
        "not available here (recvmmsg, sendmmsg): many datagrams in one system call\n",
    );
    // What changes what is sent was asked for on purpose.
    says(("IP_MTU_DISCOVER", ENOPROTOOPT), &["send", "127.0.0.1:9", "x", "--df"], 2, "udp: cannot bind 0.0.0.0:0: ");
}

#[test]
fn a_sandbox_that_forbids_ipv6_leaves_ipv4() {
    if !refusal::is_possible() {
        return;
    }
    for error in [EPERM, EACCES, EAFNOSUPPORT] {
        let refused = ("AF_INET6", error);
        let mut server = udp(refused, &["serve", "-p", "0", "--count", "2"]);
        let line = server.stderr_line();
        let port = line.strip_prefix("serving on 0.0.0.0:").unwrap_or_else(|| panic!("{line}")).trim_end();
        // The name has an address of each family, of which IPv6's comes first.
        for to in [format!(":{port}"), format!("both-families.test:{port}")] {
            let answered = udp(refused, &["send", &to, "who?", "--wait", "30s"]).finish();
            answered.assert_status(0);
            assert!(answered.text().ends_with("Get off my lawn!\n"), "{answered:?}");
        }
        server.finish().assert_status(0);
        says(refused, &["listen", "both-families.test:0", "--for", "1ms"], 0, "listening on 127.0.0.1:");
        says(refused, &["listen", "-6", "-p", "0", "--for", "1ms"], 2, "udp: cannot bind [::]:0: ");
    }
}

#[test]
fn a_server_that_can_receive_nothing_ends_with_a_status_that_says_so() {
    if !refusal::is_possible() {
        return;
    }
    for verb in ["serve", "listen"] {
        for refused in [("receive", EPERM), ("receive,later", EIO), ("recvmmsg,receive", ENOSYS)] {
            let mut process = udp(refused, &[verb, "127.0.0.1:0"]);
            let line = process.stderr_line();
            let address = line.trim_end().rsplit(' ').next().expect("an address");
            Place::Here.run(&["send", address, "who?", "--wait", "0"]).assert_status(0);
            process.until_told("cannot receive on");
            process.signal("TERM");
            process.finish().assert_status(2);
        }
    }
}
