//! Hosts that lack what is usual: an address that is gone, an interface without one, no IPv4, few descriptors.
#![cfg(target_os = "linux")]

mod common;

use common::netns::Lan;
use common::refusal::{self, EADDRNOTAVAIL};
use common::{Place, Process};

/// This host with two networks, and an interface without an IPv4 address that leads to `h2`.
const NETWORKS: &str = "
host h2
ip link add bare type veth peer name eth0 netns h2
on h2 ip address add 10.5.0.2/24 dev eth0
on h2 ip link set eth0 up
ip link set bare up
usable - bare
usable h2 eth0
for number in 1 2; do
    ip link add eth$number type bridge
    ip address add 10.$number.0.1/24 dev eth$number
    ip link set eth$number up
done
";

#[test]
fn broadcast_leaves_out_a_network_whose_address_vanished_and_asks_the_others() {
    if !refusal::is_possible() {
        return;
    }
    let Some(lan) = Lan::new(NETWORKS) else { return };
    let run = |names: &str, arguments: &[&str]| {
        let mut command = Place::Bridge(&lan).udp_command(&[&["broadcast", "x", "--wait", "0"], arguments].concat());
        refusal::refuse(&mut command, names, EADDRNOTAVAIL);
        Process::start(command).finish()
    };
    let gone = "cannot bind 10.1.0.1:0: cannot assign requested address\n";
    let outcome = run("bind=10.1.0.1", &[]);
    outcome.assert_status(0);
    outcome.assert_told(&[&format!("eth1: left out: {gone}"), "eth2: to 10.2.0.255:10000\n", "1 sent, in "]);
    let outcome = run("bind=10.1.0.1", &["-i", "eth1"]);
    outcome.assert_status(2);
    outcome.assert_told(&[&format!("udp: {gone}")]);
}

#[test]
fn a_broadcast_or_a_group_by_name_needs_no_ipv4_address() {
    let Some(lan) = Lan::new(NETWORKS) else { return };
    let (here, h2) = (Place::Bridge(&lan), Place::On(&lan, "h2"));
    for (arguments, destination) in
        [(&[][..], "255.255.255.255"), (&["--limited"], "255.255.255.255"), (&["--to", "224.0.0.77"], "224.0.0.77")]
    {
        let at = if destination == "224.0.0.77" { "224.0.0.77:10000" } else { "10000" };
        let (listener, _) = h2.waiting(&["listen", at, "--count", "1", "--json"]);
        let outcome = here.run(&[&["broadcast", "x", "--wait", "0", "-i", "bare"], arguments].concat());
        outcome.assert_status(0);
        outcome.assert_told(&[&format!("bare: to {destination}:10000\n"), "1 sent, in "]);
        let heard = listener.finish();
        heard.assert_status(0);
        assert!(heard.text().contains(&format!("\"destination\":\"{destination}")), "{heard:?}");
    }
    // The same for other verbs.
    let (listener, _) = here.waiting(&["listen", "224.0.0.77:10000", "-i", "bare", "--count", "1"]);
    h2.run(&["send", "224.0.0.77:10000", "-i", "eth0", "x", "--wait", "0"]).assert_status(0);
    listener.finish().assert_status(0);
    let (listener, _) = h2.waiting(&["listen", "10000", "--count", "1"]);
    here.run(&["send", "255.255.255.255:10000", "-i", "bare", "x", "--wait", "0"]).assert_status(0);
    listener.finish().assert_status(0);
    // One that is not named is left out.
    here.run(&["broadcast", "x", "--dry-run"]).assert_told(&["bare: left out: no IPv4 address; -i uses it\n"]);
}

#[test]
fn a_port_alone_leads_to_ipv6_where_there_is_no_ipv4() {
    let Some(lan) = Lan::new("ip address delete 127.0.0.1/8 dev lo") else { return };
    let (_server, addresses) = Place::Bridge(&lan).waiting(&["serve", "-6", ":0"]);
    let outcome = Place::Bridge(&lan).run(&["send", &format!(":{}", addresses[0].port()), "hi", "--wait", "30s", "-v"]);
    outcome.assert_status(0);
    assert!(outcome.text().starts_with("[::1]:") && outcome.text().ends_with("Get off my lawn!\n"), "{outcome:?}");
}

/// A host with a hundred networks on one interface.
const HUNDRED_NETWORKS: &str = "
ip link add eth0 type bridge
for number in $(seq 100); do echo address add 10.$number.0.1/24 dev eth0; done | ip -batch -
ip link set eth0 up
";

/// `udp` with these arguments where no more than so many descriptors may be open: until it asks for more (`-Sn`), or ever
/// (`-n`).
fn with_descriptors(place: Place<'_>, limit: &str, arguments: &[&str]) -> Process {
    let mut command = place.command("sh");
    command.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_udp")]).args(arguments);
    Process::start(command)
}

#[test]
fn as_many_descriptors_are_had_as_the_sockets_need() {
    let Some(lan) = Lan::new(HUNDRED_NETWORKS) else { return };
    let place = Place::Bridge(&lan);
    for (arguments, told) in [
        (&["broadcast", "x", "--wait", "0"][..], "100 sent, in "),
        (&["send", "10.1.0.1:9000-9099", "x", "--wait", "100ms"], "100 refused"),
        (&["listen", ":9000-9099", "--for", "1ms"], "listening on "),
        (&["serve", "127.0.0.1:9000-9099", "--threads", "2", "--for", "1ms"], "serving on "),
    ] {
        let outcome = with_descriptors(place, "-Sn 64", arguments).finish();
        outcome.assert_told(&[told]);
    }
}

#[test]
fn broadcast_leaves_out_networks_for_which_no_descriptor_is_left() {
    let Some(lan) = Lan::new(HUNDRED_NETWORKS) else { return };
    let outcome = with_descriptors(Place::Bridge(&lan), "-n 64", &["broadcast", "x", "--wait", "0", "--json"]).finish();
    outcome.assert_status(0);
    let objects = outcome.objects();
    let of = |kind: &str| objects.iter().filter(|object| object["type"] == kind).count();
    let without = |object: &&serde_json::Value| {
        object["reason"].as_str().is_some_and(|reason| reason.ends_with(": too many open files"))
    };
    let left_out = objects.iter().filter(without).count();
    assert_eq!(of("target") + left_out, 100, "{objects:#?}");
    assert!(left_out > 36, "{left_out}");
    assert_eq!(common::number(&outcome.summary()["sent"]), of("target") as u64);
    // With fewer than it likes to spare, one network is asked.
    let outcome = with_descriptors(Place::Bridge(&lan), "-n 24", &["broadcast", "x", "--wait", "0"]).finish();
    outcome.assert_status(0);
    outcome.assert_told(&["1 sent, in "]);
}

/// A host with thirty interfaces, and room for twenty memberships of a socket.
const THIRTY_INTERFACES: &str = "
echo 20 > /proc/sys/net/ipv4/igmp_max_memberships
for number in $(seq 30); do
    echo link add eth$number type bridge
    echo address add 10.$number.0.1/24 dev eth$number
    echo link set eth$number up
done | ip -batch -
";

#[test]
fn more_interfaces_than_a_socket_has_memberships_are_reported_once_with_the_limit() {
    let Some(lan) = Lan::new(THIRTY_INTERFACES) else { return };
    let place = Place::Bridge(&lan);
    let refused = "cannot join 239.1.2.3 on more than 20 interfaces: no buffer space available\n";
    let hint = "hint: sysctl net.ipv4.igmp_max_memberships";
    let (listener, _) = place.waiting(&["listen", "239.1.2.3:0"]);
    // Each is a reason to join what is not joined yet.
    place.shell("for number in 1 2 3 4 5 6 7 8; do ip address add 10.99.0.$number/32 dev eth1; done");
    let outcome = listener.stop();
    outcome.assert_told(&[refused, hint]);
    assert_eq!(outcome.stderr.matches("cannot join").count(), 1, "{outcome:?}");
    let names: Vec<_> = (1..=30).map(|number| format!("eth{number}")).collect();
    let named: Vec<_> = names.iter().flat_map(|name| ["-i", name]).collect();
    let outcome = place.run(&[&["listen", "239.1.2.3"], &named[..]].concat());
    outcome.assert_status(2);
    outcome.assert_told(&[&format!("udp: {refused}"), hint]);
}

#[test]
fn more_interfaces_than_a_socket_has_memory_for_groups_are_reported_once_with_the_limit() {
    let Some(lan) = Lan::new(THIRTY_INTERFACES) else { return };
    let place = Place::Bridge(&lan);
    // A network namespace has a limit of its own since Linux 6.9.
    let said =
        place.shell("if [ -w /proc/sys/net/core/optmem_max ]; then echo 1000 | tee /proc/sys/net/core/optmem_max; fi");
    if said.is_empty() {
        common::netns::skip("the limit is that of all namespaces");
        return;
    }
    let (listener, _) = place.waiting(&["listen", "[ff02::1234]:0"]);
    let outcome = listener.stop();
    outcome.assert_told(&[" interfaces: cannot allocate memory\n", "hint: sysctl net.core.optmem_max"]);
    assert_eq!(outcome.stderr.matches("cannot join ff02::1234 on more than ").count(), 1, "{outcome:?}");
    assert_eq!(outcome.stderr.matches("cannot join").count(), 1, "{outcome:?}");
}

#[test]
fn a_group_is_heard_again_where_the_news_that_its_interface_was_made_anew_was_lost() {
    let script = format!("{NETWORKS}\nip link add noise type bridge");
    let Some(lan) = Lan::new(&script) else { return };
    let place = Place::Bridge(&lan);
    let (mut listener, _) = place.waiting(&["listen", "239.1.2.3:10000", "-i", "eth1", "--count", "2"]);
    // Once it has heard something, it hears of changes, too.
    place.run(&["send", "239.1.2.3:10000", "-i", "eth1", "x", "--wait", "0"]).assert_status(0);
    listener.stdout_line();
    // While it stands still, more is reported than the system keeps for it; what comes last is lost.
    listener.signal("STOP");
    place.shell(
        "index=$(ip -o link show eth1 | cut -d: -f1)
        for number in $(seq 2000); do
            echo address add 10.77.$((number / 200)).$((number % 200 + 1))/32 dev noise
        done | ip -batch -
        ip link delete eth1
        ip link add eth1 index $index type bridge
        ip address add 10.1.0.1/24 dev eth1
        ip link set eth1 up",
    );
    listener.signal("CONT");
    let _sender = place.udp(&["send", "239.1.2.3:10000", "-i", "eth1", "x", "--for", "30s", "--every", "20ms"]);
    listener.finish().assert_status(0);
}

/// A host with one network on two interfaces, each of which leads to another host.
const SAME_NETWORK_TWICE: &str = "
for number in 1 2; do
    host h$number
    ip link add eth$number type veth peer name eth0 netns h$number
    ip address add 10.1.0.$number/24 dev eth$number
    on h$number ip address add 10.1.0.1$number/24 dev eth0
    ip link set eth$number up
    on h$number ip link set eth0 up
    echo 0 > /proc/sys/net/ipv4/conf/eth$number/rp_filter
done
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
for number in 1 2; do
    usable - eth$number
    usable h$number eth0
done
";

#[test]
fn broadcasts_and_multicasts_are_answered_by_the_interface_that_they_came_in_on() {
    let Some(lan) = Lan::new(SAME_NETWORK_TWICE) else { return };
    let here = Place::Bridge(&lan);
    let _everywhere = here.waiting(&["serve", "10000"]);
    let _group = here.waiting(&["serve", "239.1.2.3:10001"]);
    for number in [1, 2] {
        let host = Place::On(&lan, if number == 1 { "h1" } else { "h2" });
        for destination in ["10.1.0.255:10000", "255.255.255.255:10000", "239.1.2.3:10001"] {
            let outcome =
                host.run(&["send", destination, "hi", "-i", "eth0", "--replies", "1", "--wait", "30s", "--json"]);
            outcome.assert_status(0);
            let answered = outcome.text();
            assert!(answered.contains(&format!("\"source\":\"10.1.0.{number}:")), "{destination}: {answered}");
        }
    }
}

#[test]
fn a_relay_has_no_more_peers_than_descriptors_and_says_so_once() {
    let limited = |limit: &str| {
        let mut relay =
            with_descriptors(Place::Here, limit, &["relay", "127.0.0.1:0", "127.0.0.1:9", "--max-peers", "200"]);
        let mut lines = vec![relay.stderr_line()];
        if !lines[0].contains("relaying from ") {
            lines.push(relay.stderr_line());
        }
        relay.stop().assert_status(0);
        lines
    };
    let lines = limited("-n 40");
    assert!(lines[0].contains("at most ") && lines[0].contains(" peers at a time"), "{lines:?}");
    assert_eq!(limited("-Sn 40").len(), 1);
}
