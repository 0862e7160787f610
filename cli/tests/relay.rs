//! `udp relay` from the command line to the wire and back.
#![cfg(target_os = "linux")]

mod common;

use common::netns::{Lan, require};
use common::{Place, Process, serve_at};

/// The lesson's client. Arguments: host, port.
const CLIENT: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.sendto(b'Hello World', (sys.argv[1], int(sys.argv[2])))
message, address = s.recvfrom(1024)
say(message.decode(), 'from', address[0], address[1])
";

/// A relay from any port of 127.0.0.1 to this target, and where it listens.
fn relay_at(place: Place<'_>, target: &str, arguments: &[&str]) -> (Process, String) {
    let mut relay = place.udp(&[&["relay", "127.0.0.1:0", target], arguments].concat());
    let line = relay.stderr_line();
    let address = line.strip_prefix("relaying from ").and_then(|rest| rest.split_once(" to "));
    let address = address.unwrap_or_else(|| panic!("not relaying: {line}{relay:?}")).0.to_owned();
    (relay, address)
}

#[test]
fn the_lessons_client_gets_its_answer_through_it_from_where_it_asked() {
    if !require("python3") {
        return;
    }
    let (server, target) = serve_at("127.0.0.1", &[]);
    let (relay, address) = relay_at(Place::Here, &target, &["--seed", "7"]);
    let (ip, port) = address.split_once(':').expect("it has a port");
    let said = Place::Here.python_says(CLIENT, &[ip, port]);
    assert_eq!(said, format!("Get off my lawn! from {ip} {port}\n"));
    let outcome = relay.stop();
    outcome.assert_status(0);
    outcome.assert_told(&["seed 7", "  up: 1 received, 1 forwarded", "  down: 1 received, 1 forwarded"]);
    server.stop().assert_status(0);
}

#[test]
fn the_end_by_count_waits_for_what_is_under_way() {
    let (_server, target) = serve_at("127.0.0.1", &[]);
    let (relay, address) = relay_at(Place::Here, &target, &["--count", "2"]);
    let answer = Place::Here.run(&["send", &address, "hello"]);
    answer.assert_status(0);
    let outcome = relay.finish();
    outcome.assert_status(0);
    outcome.assert_told(&["  up: 1 received, 1 forwarded", "  down: 1 received, 1 forwarded"]);
}

/// A host whose name `moving` leads elsewhere later.
const MOVING: &str = "
host alone
echo '127.0.0.1 moving' > /run/hosts
mount --bind /run/hosts /etc/hosts
printf 'hosts: files\\n' > /run/nsswitch
mount --bind /run/nsswitch /etc/nsswitch.conf
";

#[test]
fn a_target_is_followed_that_its_name_leads_elsewhere() {
    let Some(lan) = Lan::new(MOVING) else { return };
    let alone = Place::On(&lan, "alone");
    let (_one, _) = alone.waiting(&["serve", "127.0.0.1:5000", "--reply", "one"]);
    let (_two, _) = alone.waiting(&["serve", "127.0.0.2:5000", "--reply", "two"]);
    let (mut relay, address) = relay_at(alone, "moving:5000", &["--lookup-interval", "10ms"]);
    let ask = || alone.run(&["send", &address, "who is there?", "--local", "127.0.0.1:6000", "--raw"]).text();
    assert_eq!(ask(), "one");
    alone.shell("echo > /run/hosts");
    relay.until_told("udp: keeping the target's old address: ");
    assert_eq!(ask(), "one");
    alone.shell("echo '127.0.0.2 moving' > /run/hosts");
    relay.until_told("the target is at 127.0.0.2:5000 now");
    assert_eq!(ask(), "two");
    relay.stop().assert_status(0);
}

#[test]
fn what_cannot_be_relayed_is_refused_at_the_start() {
    for (arguments, why) in [
        (&["127.0.0.1:0"][..], "TARGET"),
        (&["127.0.0.1:0", "127.0.0.1:9", "--copy-to", "[::1]:9"], "udp: [::1]:9 is not of the family of the target"),
        (&["127.0.0.1:0", "[::1]:9", "-4"], "udp: "),
        (&["127.0.0.1:0", "127.0.0.1:9", "--max-peers", "0"], "--max-peers"),
        (&["192.0.2.1:0", "127.0.0.1:9"], "cannot bind 192.0.2.1:0: cannot assign requested address"),
    ] {
        let outcome = Place::Here.run(&[&["relay"], arguments].concat());
        outcome.assert_status(2);
        outcome.assert_told(&[why]);
    }
}
