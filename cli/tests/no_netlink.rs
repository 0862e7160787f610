//! Systems that refuse netlink, by which interfaces are listed: a sandbox, an emulator.
#![cfg(target_os = "linux")]

mod common;

use common::netns::Lan;
use common::refusal::{self, EACCES, EAFNOSUPPORT, EPERM};
use common::{Outcome, Place, Process};
use serde_json::Value;

/// Ways in which netlink is refused: its sockets, or what is asked through them.
const REFUSALS: [(&str, i32); 3] = [("AF_NETLINK", EPERM), ("AF_NETLINK", EAFNOSUPPORT), ("netlink", EACCES)];

/// A host with every kind of address.
const ADDRESSES: &str = "
ip link add eth0 address 02:00:00:00:00:01 mtu 1400 type veth peer name other
ip link set other up
ip link set eth0 up
usable - eth0
ip address add 10.9.0.1/24 dev eth0
ip address add 10.9.0.2/24 dev eth0
ip address add 10.9.1.1/24 brd + dev eth0 label eth0:1
ip address add 10.9.1.2/24 brd 10.9.1.77 dev eth0 label eth0:1
ip address add 10.9.2.1/24 brd 255.255.255.255 dev eth0
ip address add 10.9.3.1/31 dev eth0
ip address add 10.9.5.1/32 brd + dev eth0
ip address add 10.9.8.1 peer 10.9.8.2 dev eth0
ip address add 10.9.9.1 peer 10.9.10.1/24 dev eth0
ip address add fd09::1/64 dev eth0 nodad
ip link add idle type veth peer name idle-other
ip address add 10.7.0.1/24 dev idle
ip link add bare type bridge
ip link set bare up
eventually 'ip -6 -o address show dev bare scope link -tentative | grep -q fe80'
";

/// `udp` with these arguments, to its end, with this refused.
fn run(place: Place<'_>, arguments: &[&str], (names, error): (&str, i32)) -> Outcome {
    let mut command = place.udp_command(arguments);
    refusal::refuse(&mut command, names, error);
    Process::start(command).finish()
}

/// The interfaces that `udp interfaces --json` listed, the addresses of each in order.
fn listed(outcome: &Outcome) -> Vec<Value> {
    outcome.assert_status(0);
    let without_time = |line: &str| {
        let mut object: Value = serde_json::from_str(line).expect("JSON Lines");
        object.as_object_mut().expect("an object").remove("time");
        object["addresses"].as_array_mut().expect("a list").sort_by_key(|address| address["address"].to_string());
        object
    };
    outcome.text().lines().map(without_time).collect()
}

#[test]
fn interfaces_are_the_same_without_netlink() {
    if !refusal::is_possible() {
        return;
    }
    let Some(lan) = Lan::new(ADDRESSES) else { return };
    let place = Place::Bridge(&lan);
    let expected = listed(&place.run(&["interfaces", "--json"]));
    assert!(expected.len() == 6, "{expected:#?}");
    for refused in REFUSALS {
        assert_eq!(listed(&run(place, &["interfaces", "--json"], refused)), expected, "{refused:?}");
    }
}

/// No way is left to ask for interfaces.
const NO_INTERFACES: (&str, i32) = ("AF_NETLINK,ioctl", EPERM);

/// `udp listen` or `serve` with these arguments, with this refused, once it waits for datagrams; and its port.
fn waiting(place: Place<'_>, arguments: &[&str], (names, error): (&str, i32)) -> (Process, String) {
    let mut command = place.udp_command(&[arguments, &["--json"]].concat());
    refusal::refuse(&mut command, names, error);
    let mut process = Process::start(command);
    let line = process.stdout_line();
    let object: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}{process:?}"));
    let address = object["addresses"][0].as_str().expect("it listens somewhere").to_owned();
    (process, address.rsplit_once(':').expect("a port").1.to_owned())
}

#[test]
fn groups_and_broadcasts_go_by_named_interfaces_without_netlink() {
    if !refusal::is_possible() {
        return;
    }
    let Some(lan) = Lan::new(ADDRESSES) else { return };
    let place = Place::Bridge(&lan);
    for (group, refused) in ["239.1.2.3", "[ff15::77]"].into_iter().zip(REFUSALS) {
        let (listener, port) =
            waiting(place, &["listen", &format!("{group}:0"), "-i", "eth0", "--count", "1"], refused);
        run(place, &["send", &format!("{group}:{port}"), "-i", "eth0", "hi", "--wait", "0"], refused).assert_status(0);
        let outcome = listener.finish();
        outcome.assert_status(0);
        assert_eq!(outcome.objects().iter().filter(|object| object["interface"] == "eth0").count(), 1, "{outcome:?}");
    }
    let plans = place.run(&["broadcast", "x", "--dry-run"]).text();
    assert!(plans.contains("eth0: to 10.9.1.77:10000"), "{plans}");
    assert_eq!(run(place, &["broadcast", "x", "--dry-run"], REFUSALS[0]).text(), plans);
}

#[test]
fn what_needs_interfaces_says_that_they_cannot_be_listed_and_all_else_works() {
    if !refusal::is_possible() {
        return;
    }
    let script = format!("{ADDRESSES}\nip route add 224.0.0.0/4 dev eth0");
    let Some(lan) = Lan::new(&script) else { return };
    let place = Place::Bridge(&lan);
    let told = "udp: cannot list interfaces: operation not permitted\n";
    let needing: [&[&str]; 6] = [
        &["interfaces"],
        &["broadcast"],
        &["listen", "239.1.2.3", "-i", "lo"],
        &["serve", "-i", "lo"],
        &["send", "10.9.0.1", "x", "-i", "lo"],
        &["send", "fe80::1%eth0", "x"],
    ];
    for arguments in needing {
        let outcome = run(place, arguments, NO_INTERFACES);
        outcome.assert_status(2);
        assert_eq!(outcome.stderr, told, "{arguments:?}");
    }
    // The system chooses the interface of a group, by its routes.
    for group in ["239.1.2.3", "[ff15::77]"] {
        let (listener, port) = waiting(place, &["listen", &format!("{group}:0"), "--count", "1"], NO_INTERFACES);
        run(place, &["send", &format!("{group}:{port}"), "hi", "--wait", "0"], NO_INTERFACES).assert_status(0);
        listener.finish().assert_status(0);
    }
    let (server, port) = waiting(place, &["serve", "0.0.0.0:0", "--count", "1"], NO_INTERFACES);
    let outcome = run(place, &["send", &format!("127.0.0.1:{port}"), "hi", "--wait", "30s"], NO_INTERFACES);
    assert!(outcome.text().ends_with("Get off my lawn!\n"), "{outcome:?}");
    server.finish().assert_status(0);
    run(place, &["send", "10.9.0.255", "x", "--wait", "0"], NO_INTERFACES).assert_status(0);
}
