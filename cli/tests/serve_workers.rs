//! `udp serve --threads`: workers that share a port, and act as one towards peers, other servers and whoever counts.
#![cfg(target_os = "linux")]

mod common;

use common::netns::require;
use common::{Place, Process, Scratch, hosts, number, serve_at};
use serde_json::Value;

/// Two hundred peers with three labelled datagrams each, sent in a burst. Arguments: host, port. Says how many answers
/// came, each to the peer whose label it bears, from the address that was asked.
const TWO_HUNDRED_PEERS: &str = "
to = sys.argv[1], int(sys.argv[2])
peers = [socket(AF_INET, SOCK_DGRAM) for _ in range(200)]
for label in range(3):
    for number, peer in enumerate(peers):
        peer.sendto(b'%d/%d' % (number, label), to)
answers = 0
for number, peer in enumerate(peers):
    received = sorted(peer.recvfrom(100) for _ in range(3))
    assert received == [(b'%d/%d' % (number, label), to) for label in range(3)], received
    answers += 3
    peer.setblocking(False)
for peer in peers:
    try:
        assert False, peer.recvfrom(100)
    except BlockingIOError:
        pass
say(answers)
";

/// Asks port 10000 of each of these addresses by eth0 from twenty sockets, and takes an answer to each.
const ASK_EVERYBODY: &str = "
for address in sys.argv[1:]:
    for number in range(20):
        s = socket(AF_INET6 if ':' in address else AF_INET, SOCK_DGRAM)
        s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
        s.setsockopt(SOL_SOCKET, SO_BINDTODEVICE, b'eth0')
        s.sendto(b'%d' % number, (address, 10000))
        assert s.recv(100) == b'%d' % number
";

/// Asks so often. Arguments: port, how often.
const ASK: &str = "
for _ in range(int(sys.argv[2])):
    ask(('127.0.0.1', int(sys.argv[1])), b'question')
";

/// Asks from two hundred sockets, and says how many answers came once a line is read, which says that no more can come.
/// Arguments: port.
const ASK_FROM_MANY: &str = "
peers = [socket(AF_INET, SOCK_DGRAM) for _ in range(200)]
for peer in peers:
    peer.sendto(b'question', ('127.0.0.1', int(sys.argv[1])))
sys.stdin.readline()
answers = 0
for peer in peers:
    peer.setblocking(False)
    try:
        peer.recv(100)
        answers += 1
    except BlockingIOError:
        pass
say(answers)
";

/// Sockets at this UDP port of IPv4.
fn sockets_at(port: &str) -> usize {
    let port = format!(":{:04X}", port.parse::<u16>().expect("a port"));
    let table = std::fs::read_to_string("/proc/net/udp").expect("proc_net(5)");
    let local = table.lines().filter_map(|line| line.split_ascii_whitespace().nth(1));
    local.filter(|local| local.ends_with(&port)).count()
}

/// The port of a server that says where it listens in JSON.
fn port_of(server: &mut Process) -> String {
    let listening: Value = serde_json::from_str(&server.stdout_line()).expect("JSON Lines");
    let address = listening["addresses"][0].as_str().expect("a string");
    common::parse(address).port().to_string()
}

#[test]
fn each_of_many_peers_gets_its_own_answers_whoever_works_for_it() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let rules = scratch.file("rules.toml", "[[rule]]\necho = true\ndelay = '0ms..20ms'");
    for answer in [&["--echo"][..], &["--reply", "{payload}"], &["--rules", &rules]] {
        let (server, port) = serve_at("127.0.0.1", &[&["--json", "--threads", "4"], answer].concat());
        assert_eq!(sockets_at(&port), 4);
        assert_eq!(Place::Here.python_says(TWO_HUNDRED_PEERS, &["127.0.0.1", &port]), "600\n", "{answer:?}");
        let outcome = server.stop();
        outcome.assert_status(0);
        let summary = outcome.summary();
        assert_eq!([&summary["received"], &summary["answered"], &summary["sent"]], [600; 3], "{answer:?}");
        // Within five standard errors.
        let peers = number(&summary["peers_estimate"]);
        assert!((167..=233).contains(&peers), "{peers} peers");
    }
}

#[test]
fn as_many_workers_as_cores_unless_told_otherwise() {
    let cores = std::thread::available_parallelism().expect("Linux tells").get();
    for (arguments, workers) in
        [(&[][..], cores), (&["--threads", "1"], 1), (&["--threads", "3"], 3), (&["--count", "9"], 1)]
    {
        let (server, port) = serve_at("127.0.0.1", arguments);
        assert_eq!(sockets_at(&port), workers, "{arguments:?}");
        drop(server);
    }
}

#[test]
fn a_second_server_on_the_port_is_refused_however_many_workers_each_has() {
    for (first, second) in [("4", "1"), ("1", "4"), ("4", "4"), ("1", "1")] {
        let (server, port) = serve_at("127.0.0.1", &["--threads", first]);
        let address = format!("127.0.0.1:{port}");
        for verb in [&["serve", "--threads", second][..], &["listen"]] {
            let outcome = Place::Here.run(&[verb, &[&address]].concat());
            outcome.assert_status(2);
            outcome.assert_told(&[
                &format!("udp: cannot bind {address}: address already in use\n"),
                &format!("hint: udp (process {}) has the port", server.id()),
            ]);
        }
        assert_eq!(sockets_at(&port), first.parse::<usize>().expect("a number"));
        server.stop().assert_status(0);
    }
}

#[test]
fn a_broadcast_or_multicast_is_answered_by_one_worker() {
    let Some(lan) = hosts(2) else { return };
    let [h1, h2] = ["h1", "h2"].map(|host| Place::On(&lan, host));
    let cases: [(&[&str], &[&str], u64); 4] = [
        // Of a broadcast each worker gets a copy.
        (&[], &["10.1.0.255", "255.255.255.255"], 3 * 40),
        (&["239.1.2.3", "10.1.0.1"], &["239.1.2.3", "10.1.0.1"], 0),
        (&["[ff15::1]"], &["ff15::1"], 0),
        (&["[ff02::1234]"], &["ff02::1234"], 0),
    ];
    for (served, asked, copies) in cases {
        let (server, _) = h1.waiting(&[&["serve", "--echo", "--json", "--threads", "4"], served].concat());
        h2.python_says(ASK_EVERYBODY, asked);
        let summary = server.stop().summary();
        assert_eq!([&summary["received"], &summary["answered"], &summary["sent"]], [20 * asked.len(); 3], "{summary}");
        assert_eq!(number(&summary["copies"]), copies, "{served:?}");
    }
}

#[test]
fn a_count_is_that_of_all_workers_together() {
    if !require("python3") {
        return;
    }
    let scratch = Scratch::new();
    let rules = scratch.file("rules.toml", "[[rule]]\necho = true\ndelay = '0ms..5ms'");
    let answers = [&["--echo"][..], &["--reply", "{count}"], &["--rules", &rules], &["--echo", "-v"]];
    for (answer, threads) in answers.iter().flat_map(|answer| [(answer, "1"), (answer, "4")]) {
        let counting = &["--json", "--count", "100", "--threads", threads];
        let (server, port) = serve_at("127.0.0.1", &[counting, *answer].concat());
        let mut peers = Place::Here.python(ASK_FROM_MANY, &[&port]);
        let outcome = server.finish();
        outcome.assert_status(0);
        peers.tell(b"it has ended\n");
        assert_eq!(peers.stdout_line(), "100", "{answer:?} --threads {threads}");
        assert_eq!(number(&outcome.summary()["answered"]), 100, "{answer:?} --threads {threads}");
    }
}

#[test]
fn a_time_ends_all_workers() {
    let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--threads", "4", "--for", "50ms", "--json"]);
    outcome.assert_status(0);
    let elapsed = number(&outcome.summary()["elapsed_ns"]);
    assert!((50_000_000..5_000_000_000).contains(&elapsed), "{elapsed}");
}

#[test]
fn a_number_of_workers_that_is_none_is_an_error() {
    for wrong in ["0", "x", "1025", "1.5", ""] {
        let outcome = Place::Here.run(&["serve", "127.0.0.1:0", "--threads", wrong]);
        outcome.assert_status(2);
        outcome.assert_told(&[&format!("'{wrong}' for '--threads <N>'")]);
    }
}

#[test]
fn more_workers_than_descriptors_is_an_error_that_says_so() {
    let mut command = Place::Here.command("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" serve 127.0.0.1:0 --threads 200", env!("CARGO_BIN_EXE_udp")]);
    let outcome = Process::start(command).finish();
    outcome.assert_status(2);
    outcome.assert_told(&["udp: cannot ", ": too many open files"]);
}

#[test]
fn an_ipv6_port_has_as_many_workers_as_the_ipv4_one() {
    if !require("python3") {
        return;
    }
    let mut server = Place::Here.udp(&["serve", ":0", "--json", "--threads", "3"]);
    let port = port_of(&mut server);
    assert_eq!(sockets_at(&port), 3);
    Place::Here.python_says(ASK, &[&port, "1"]);
    assert_eq!(number(&server.stop().summary()["answered"]), 1);
}
