//! The four programs of the lesson, each of ours with each of its own: a few lines of Python.
#![cfg(target_os = "linux")]

mod common;

use common::netns::{Lan, require};
use common::{Place, has, hosts, without_rtt, without_time};
use udpkit::Capability;

/// The lesson's server. Arguments: its port, 0 for any.
const SERVER: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.bind(('', int(sys.argv[1])))
say(s.getsockname()[1])
while True:
    message, address = s.recvfrom(8192)
    s.sendto(b'Get off my lawn!', address)
";

/// The lesson's client. Arguments: host, port.
const CLIENT: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.sendto(b'Hello World', (sys.argv[1], int(sys.argv[2])))
message, address = s.recvfrom(1024)
say(message.decode(), 'from', address[0])
";

/// The lesson's broadcast receiver.
const RECEIVER: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
s.bind(('', 10000))
say('ready')
while True:
    message, address = s.recvfrom(8192)
    say(address[0], message.decode())
";

/// The lesson's broadcast sender. Arguments: broadcast address. Says from which port it sent.
const SENDER: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
s.sendto(b'Halo Dunia!', (sys.argv[1], 10000))
say(s.getsockname()[1])
";

/// The host `h` on two networks, each with hosts of its own, and beside them interfaces that are of no use to a
/// broadcast. Nobody has a default route.
const TWO_LANS: &str = "
host h
for lan in 1 2; do
    ip link add lan$lan type bridge mcast_snooping 0
    ip link set lan$lan up
    ip link add eth$lan netns h type veth peer name h$lan
    ip link set h$lan master lan$lan up
    on h ip address add 10.$lan.0.1/24 dev eth$lan
    on h ip link set eth$lan up
    for number in 2 3; do
        host h$lan$number
        ip link add eth0 netns h$lan$number type veth peer name h$lan$number
        ip link set h$lan$number master lan$lan up
        on h$lan$number ip address add 10.$lan.0.$number/24 dev eth0
        on h$lan$number ip link set eth0 up
    done
done
on h ip link add idle0 type bridge
on h ip link add bare0 type veth peer name bare1
on h ip link set bare0 up
on h ip link set bare1 up
for lan in 1 2; do
    usable h eth$lan
    eventually \"bridge link show dev h$lan | grep -q 'state forwarding'\"
    for number in 2 3; do
        usable h$lan$number eth0
        eventually \"bridge link show dev h$lan$number | grep -q 'state forwarding'\"
    done
done
";

/// The other hosts of [`TWO_LANS`], each with the interface of `h` that leads there, and its address.
const NEIGHBOURS: [(&str, &str, &str); 4] = [
    ("h12", "eth1", "10.1.0.2"),
    ("h13", "eth1", "10.1.0.3"),
    ("h22", "eth2", "10.2.0.2"),
    ("h23", "eth2", "10.2.0.3"),
];

fn two_lans() -> Option<Lan> {
    if require("python3") { Lan::new(TWO_LANS) } else { None }
}

#[test]
fn lessons_client_is_answered_by_serve() {
    if !require("python3") {
        return;
    }
    let (server, addresses) = Place::Here.waiting(&["serve", "127.0.0.1:0"]);
    let port = addresses[0].port().to_string();
    let said = Place::Here.python_says(CLIENT, &["127.0.0.1", &port]);
    assert_eq!(said, "Get off my lawn! from 127.0.0.1\n");
    let outcome = server.stop();
    outcome.assert_status(0);
    outcome.assert_told(&["1 received (11 B) in ", ": 1 answered, 0 ignored"]);
}

#[test]
fn send_prints_the_reply_of_the_lessons_server() {
    if !require("python3") || !has(Capability::Errors) {
        return;
    }
    let mut server = Place::Here.python(SERVER, &["0"]);
    let to = format!("127.0.0.1:{}", server.stdout_line());
    let outcome = Place::Here.run(&["send", &to, "Hello World"]);
    outcome.assert_status(0);
    assert_eq!(without_rtt(&outcome.text()), format!("{to}  RTT  16 B  Get off my lawn!\n"));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn on_a_lan_both_need_no_more_than_the_lesson_says() {
    let Some(lan) = hosts(3) else { return };
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(|host| Place::On(&lan, host));
    let (_ours, addresses) = h1.waiting(&["serve"]);
    assert_eq!(addresses, ["0.0.0.0:10000", "[::]:10000"].map(common::parse));
    let mut theirs = h2.python(SERVER, &["10000"]);
    assert_eq!(theirs.stdout_line(), "10000");
    for (place, server) in [(h3, "10.1.0.1"), (h2, "10.1.0.1"), (h3, "10.1.0.2"), (h1, "10.1.0.2")] {
        let said = place.python_says(CLIENT, &[server, "10000"]);
        assert_eq!(said, format!("Get off my lawn! from {server}\n"));
        let outcome = place.run(&["send", server, "Hello World"]);
        outcome.assert_status(0);
        assert_eq!(without_rtt(&outcome.text()), format!("{server}:10000  RTT  16 B  Get off my lawn!\n"));
    }
}

#[test]
fn listen_prints_the_lessons_broadcast_on_every_other_host_and_shares_the_port() {
    let Some(lan) = hosts(3) else { return };
    let [h1, h2, h3] = ["h1", "h2", "h3"].map(|host| Place::On(&lan, host));
    // On h2 the lesson's receiver is there first, on h3 ours is.
    let mut theirs_on_h2 = h2.python_ready(RECEIVER, &[]);
    let mut ours = [h2, h3].map(|place| place.waiting(&["listen"]).0);
    let mut theirs_on_h3 = h3.python_ready(RECEIVER, &[]);
    for to in ["10.1.0.255", "255.255.255.255"] {
        // Without a default route nobody can send to 255.255.255.255 but over a route to it.
        h1.shell("ip route replace 255.255.255.255/32 dev eth0");
        let port = h1.python_says(SENDER, &[to]);
        for listener in &mut ours {
            let expected = format!("10.1.0.1:{} -> {to}:10000  broadcast@eth0  11 B  Halo Dunia!", port.trim_end());
            assert_eq!(without_time(&listener.stdout_line()), expected);
        }
        for receiver in [&mut theirs_on_h2, &mut theirs_on_h3] {
            assert_eq!(receiver.stdout_line(), "10.1.0.1 Halo Dunia!");
        }
    }
    for listener in ours {
        let outcome = listener.stop();
        outcome.assert_status(0);
        outcome.assert_told(&["2 received (22 B) in ", ": 2 printed, 0 ignored"]);
    }
}

#[test]
fn broadcast_is_heard_by_the_lessons_receivers_on_both_networks_without_a_default_route() {
    let Some(lan) = two_lans() else { return };
    let h = Place::On(&lan, "h");
    let receivers = NEIGHBOURS.map(|(host, ..)| Place::On(&lan, host).python_ready(RECEIVER, &[]));
    let outcome = h.run(&["broadcast", "Halo Dunia!", "--wait", "0"]);
    outcome.assert_status(0);
    outcome.assert_told(&[
        "eth1: to 10.1.0.255:10000\n",
        "eth2: to 10.2.0.255:10000\n",
        "lo: left out: loopback\n",
        "idle0: left out: down\n",
        "bare0: left out: no IPv4 address; -i uses it\n",
        "2 sent, in ",
    ]);
    assert_eq!(outcome.stdout, b"");
    for (mut receiver, (host, interface, _)) in receivers.into_iter().zip(NEIGHBOURS) {
        let expected = format!("10.{}.0.1 Halo Dunia!", &interface[3..]);
        assert_eq!(receiver.stdout_line(), expected, "{host}");
    }
}

#[test]
fn broadcast_prints_a_row_for_each_server_and_not_its_own_copies() {
    let Some(lan) = two_lans() else { return };
    let h = Place::On(&lan, "h");
    let _servers = NEIGHBOURS.map(|(host, ..)| Place::On(&lan, host).waiting(&["serve"]));
    let (_own_copy, _) = h.waiting(&["listen"]);
    let outcome = h.run(&["broadcast", "Halo Dunia!"]);
    outcome.assert_status(0);
    outcome.assert_told(&["2 sent, 4 answers, in 1."]);
    let mut rows: Vec<_> = outcome.lines().iter().map(|line| without_rtt(line)).collect();
    rows.sort();
    let row = |(_, interface, ip)| format!("{ip}:10000  {interface}  RTT  16 B  Get off my lawn!");
    assert_eq!(rows, NEIGHBOURS.map(row));

    // Asked twice, each still has one row: its second answer is the same as its first.
    let outcome = h.run(&["broadcast", "Halo Dunia!", "--repeat", "2", "--every", "10ms", "--json"]);
    outcome.assert_status(0);
    let summary = outcome.summary();
    assert_eq!((&summary["delivered"], &summary["ignored"]["duplicate"]), (&4.into(), &4.into()));
    let replies = outcome.objects().into_iter().filter(|object| object["type"] == "reply");
    let mut sources: Vec<_> = replies.map(|reply| reply["source"].as_str().expect("a string").to_owned()).collect();
    sources.sort();
    assert_eq!(sources, NEIGHBOURS.map(|(.., ip)| format!("{ip}:10000")));
}

#[test]
fn broadcast_goes_where_it_is_told() {
    let Some(lan) = two_lans() else { return };
    let h = Place::On(&lan, "h");
    let mut listeners = NEIGHBOURS.map(|(host, ..)| Place::On(&lan, host).waiting(&["listen"]).0);
    // Which of the hosts hear it, and what they print of its destination and delivery.
    let cases: [(&[&str], &[usize], &str); 9] = [
        (&["--to", "255.255.255.255"], &[0, 1, 2, 3], "255.255.255.255:10000  broadcast@eth0"),
        (&["--to", "[ff02::1%eth2]"], &[2, 3], "[ff02::1%eth0]:10000  multicast@eth0"),
        (&["--dry-run"], &[], ""),
        (&["--limited"], &[0, 1, 2, 3], "255.255.255.255:10000  broadcast@eth0"),
        (&["--limited", "-i", "eth2"], &[2, 3], "255.255.255.255:10000  broadcast@eth0"),
        (&["-i", "eth1"], &[0, 1], "10.1.0.255:10000  broadcast@eth0"),
        (&["--to", "10.2.0.255"], &[2, 3], "10.2.0.255:10000  broadcast@eth0"),
        (&["-6"], &[0, 1, 2, 3], "[ff02::1%eth0]:10000  multicast@eth0"),
        (&["-6", "-i", "eth1", "-i", "eth2"], &[0, 1, 2, 3], "[ff02::1%eth0]:10000  multicast@eth0"),
    ];
    for (number, (arguments, hearers, place)) in cases.into_iter().enumerate() {
        // A payload that tells the cases apart: a listener that heard one too many prints the wrong one next.
        let payload = format!("case {number}");
        let mut all = vec!["broadcast", &payload, "--wait", "0"];
        all.extend(arguments);
        let outcome = h.run(&all);
        outcome.assert_status(0);
        assert_eq!(outcome.stderr.contains("sent"), !hearers.is_empty(), "{arguments:?}: {outcome:?}");
        for &hearer in hearers {
            let line = listeners[hearer].stdout_line();
            let (_, rest) = without_time(&line).split_once(" -> ").expect("source and destination");
            assert_eq!(rest, format!("{place}  6 B  {payload}"), "{arguments:?} on {}", NEIGHBOURS[hearer].0);
        }
    }
    h.run(&["broadcast", "the end", "--wait", "0"]).assert_status(0);
    for listener in &mut listeners {
        assert!(listener.stdout_line().ends_with("the end"));
    }
}

#[test]
fn broadcast_shows_its_plan_as_data_after_a_look_at_what_it_would_send() {
    let Some(lan) = two_lans() else { return };
    let h = Place::On(&lan, "h");
    let outcome = h.run(&["broadcast", "--dry-run", "hi"]);
    outcome.assert_status(0);
    assert_eq!(outcome.text(), "eth1: to 10.1.0.255:10000\neth2: to 10.2.0.255:10000\n");
    assert!(outcome.stderr.starts_with("lo: left out: loopback\n"), "{outcome:?}");
    assert_eq!(h.run(&["broadcast", "--dry-run", "-q", "hi"]).lines().len(), 2);

    let to = "[ff02::1%eth1]:10000";
    let cases: [(&[&str], &str); 4] = [
        (&["broadcast", "--dry-run", "--hex", "zz"], "udp: 'z' is not a hex digit"),
        (&["broadcast", "hi", "-p", "0"], "udp: nothing can be sent to port 0"),
        (
            &["broadcast", "hi", "--to", to, "-i", "eth2"],
            "udp: cannot send to ff02::1%eth1: the address names one interface, -i another",
        ),
        (&["send", to, "hi", "-i", "eth2"], "hint: name the interface once: in the address or with -i"),
    ];
    for (arguments, words) in cases {
        let outcome = h.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
        assert_eq!(outcome.stdout, b"");
    }
    h.run(&["send", to, "hi", "-i", "eth1", "--wait", "0"]).assert_status(0);
}

#[test]
fn broadcast_on_loopback_goes_where_it_is_told() {
    let Some(lan) = Lan::new("host alone") else { return };
    let alone = Place::On(&lan, "alone");
    let (mut listener, _) = alone.waiting(&["listen"]);
    alone.run(&["broadcast", "--to", "127.255.255.255", "-i", "lo", "hi", "--wait", "0"]).assert_status(0);
    let line = listener.stdout_line();
    assert!(line.ends_with(" -> 127.255.255.255:10000  broadcast@lo  2 B  hi"), "{line}");
}

#[test]
fn broadcast_without_an_interface_says_so() {
    let Some(lan) = Lan::new("host alone") else { return };
    let alone = Place::On(&lan, "alone");
    let outcome = alone.run(&["broadcast", "anybody?"]);
    outcome.assert_status(2);
    outcome.assert_told(&["lo: left out: loopback", "udp: no interface can broadcast", "hint: `udp interfaces`"]);
    let outcome = alone.run(&["broadcast", "-i", "eth7", "anybody?"]);
    outcome.assert_status(2);
    outcome.assert_told(&["udp: no interface 'eth7'", "hint: interfaces here: lo"]);
}

#[test]
fn broadcast_to_silence_is_a_no() {
    let Some(lan) = Lan::hosts(2) else { return };
    let outcome = Place::On(&lan, "h1").run(&["broadcast", "anybody?", "--wait", "50ms"]);
    outcome.assert_status(1);
    outcome.assert_told(&["1 sent, 0 answers"]);
}
