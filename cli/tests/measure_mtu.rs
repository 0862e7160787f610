//! `udp measure --mtu` over real links: routers that report what they take, black holes, each direction apart, in both families.
#![cfg(target_os = "linux")]

mod common;

use common::netns::{Lan, require};
use common::{Outcome, Place, Process};
use serde_json::{Value, json};

/// This host, a router, and a host behind it; the link behind the router takes 1,400 bytes.
const NARROW: &str = "
host r
host h2
ip link add eth0 type veth peer name left netns r
ip -n r link add right type veth peer name eth0 netns h2
ip address add 10.1.0.1/24 dev eth0
ip address add fd01::1/64 dev eth0 nodad
on r ip address add 10.1.0.9/24 dev left
on r ip address add fd01::9/64 dev left nodad
on r ip address add 10.2.0.9/24 dev right
on r ip address add fd02::9/64 dev right nodad
on h2 ip address add 10.2.0.2/24 dev eth0
on h2 ip address add fd02::2/64 dev eth0 nodad
on r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
on r ip link set right mtu 1400
on h2 ip link set eth0 mtu 1400
ip link set eth0 up
on r ip link set left up
on r ip link set right up
on h2 ip link set eth0 up
usable - eth0
usable r left
usable r right
usable h2 eth0
ip route add 10.2.0.0/24 via 10.1.0.9
ip route add fd02::/64 via fd01::9
on h2 ip route add 10.1.0.0/24 via 10.2.0.9
on h2 ip route add fd01::/64 via fd02::9
";

/// The same with links of 1,500 bytes all the way.
fn wide() -> String {
    NARROW.replace("mtu 1400", "mtu 1500")
}

const FAR: [(&str, &str); 2] = [("10.2.0.2:862", "10.1.0.9"), ("[fd02::2]:862", "fd01::9")];

/// A reflector on the far host.
fn reflector(lan: &Lan) -> Process {
    Place::On(lan, "h2").waiting(&["reflect", "--rate-limit", "off"]).0
}

/// What `udp measure --mtu` says of a path.
fn search(place: Place<'_>, target: &str, arguments: &[&str]) -> Outcome {
    place.run(&[&["measure", target, "--mtu", "--json", "--wait", "1s"], arguments].concat())
}

/// A relay to a target, and its address.
fn relay(target: &str, arguments: &[&str]) -> (Process, String) {
    let mut relay = Place::Here.udp(&[&["relay", "127.0.0.1:0", target], arguments].concat());
    let line = relay.until_told("relaying from ");
    let address = line.split_whitespace().nth(2).expect("its address").to_owned();
    (relay, address)
}

/// What it came to, and its verdict.
fn found(outcome: &Outcome) -> (Value, String) {
    let summary = outcome.objects().pop().unwrap_or_else(|| panic!("no summary: {outcome:?}"));
    assert_eq!((&summary["type"], &summary["mode"]), (&json!("summary"), &json!("mtu")), "{outcome:?}");
    let lines = summary["verdict"].as_array().expect("a list").iter();
    let verdict = lines.map(|line| line.as_str().expect("text")).collect::<Vec<_>>().join("\n");
    (summary, verdict)
}

/// The MTU there and back, there, and back.
fn sizes(summary: &Value) -> Value {
    json!([summary["mtu_bytes"], summary["forward"]["mtu_bytes"], summary["reverse"]["mtu_bytes"]])
}

#[test]
fn a_link_in_the_middle_is_found_and_the_router_that_reports_it_is_named() {
    let Some(lan) = Lan::new(NARROW) else { return };
    let _reflector = reflector(&lan);
    for (target, router) in FAR {
        // Twice: by then the system knows of the path, which must not decide.
        for _ in 0..2 {
            let outcome = search(Place::Bridge(&lan), target, &["--fail-if", "mtu<1500"]);
            outcome.assert_status(1);
            let (summary, verdict) = found(&outcome);
            assert_eq!(sizes(&summary), json!([1400, 1400, [1400, null]]), "{summary}");
            assert_eq!((&summary["limit"], &summary["reflector"]), (&json!("path"), &json!("counting")));
            let reports = &summary["too_big"][0];
            assert_eq!([&reports["reporter"], &reports["mtu_bytes"]], [&json!(router), &json!(1400)], "{summary}");
            assert!(verdict.contains("lost on the way there") && verdict.contains(router), "{verdict}");
        }
    }
    let outcome = search(Place::Bridge(&lan), FAR[0].0, &["--fail-if", "mtu<1400"]);
    outcome.assert_status(0);
}

#[test]
fn a_black_hole_is_named() {
    if !require("nft") {
        return;
    }
    let Some(lan) = Lan::new(NARROW) else { return };
    Place::On(&lan, "r").shell(
        "nft add table inet hole
        nft 'add chain inet hole out { type filter hook output priority 0; }'
        nft 'add rule inet hole out icmp type destination-unreachable drop'
        nft 'add rule inet hole out icmpv6 type packet-too-big drop'",
    );
    let _reflector = reflector(&lan);
    for (target, _) in FAR {
        let outcome = search(Place::Bridge(&lan), target, &[]);
        outcome.assert_status(0);
        let (summary, verdict) = found(&outcome);
        assert_eq!(sizes(&summary), json!([1400, 1400, [1400, null]]), "{summary}");
        assert!(summary["too_big"] == json!([]) && verdict.contains("black hole"), "{verdict}");
    }
}

#[test]
fn a_way_back_that_takes_less_is_told_from_the_way_there() {
    if !require("nft") {
        return;
    }
    let Some(lan) = Lan::new(&wide()) else { return };
    Place::On(&lan, "r").shell(
        "nft add table inet hole
        nft 'add chain inet hole through { type filter hook forward priority 0; }'
        nft 'add rule inet hole through iifname right meta length > 1300 drop'",
    );
    let _reflector = reflector(&lan);
    for (target, _) in FAR {
        let outcome =
            search(Place::Bridge(&lan), target, &["--fail-if", "forward.mtu<1500", "--fail-if", "reverse.mtu>1300"]);
        outcome.assert_status(0);
        let (summary, verdict) = found(&outcome);
        assert_eq!(sizes(&summary), json!([1300, 1500, 1300]), "{summary}");
        assert!(verdict.contains("lost on the way back"), "{verdict}");
    }
}

#[test]
fn an_answer_in_fragments_did_not_pass() {
    let Some(lan) = Lan::new(&wide()) else { return };
    // The router reports to the reflector's host what the way back takes, and that host cuts its answers from then on.
    Place::On(&lan, "r").shell(
        "ip route add 10.1.0.1/32 dev left mtu lock 1300
        ip -6 route add fd01::1/128 dev left mtu lock 1300",
    );
    let _reflector = reflector(&lan);
    for (target, _) in FAR {
        let (summary, verdict) = found(&search(Place::Bridge(&lan), target, &[]));
        assert_eq!(sizes(&summary), json!([1300, 1500, 1300]), "{summary}");
        assert!(summary["fragmented_replies"].as_u64() > Some(0), "{summary}");
        assert!(verdict.contains("came in fragments"), "{verdict}");
    }
}

#[test]
fn what_the_system_knows_of_the_path_is_a_hint_alone() {
    let Some(lan) = Lan::new(&wide()) else { return };
    Place::Bridge(&lan).shell(
        "ip route replace 10.2.0.0/24 via 10.1.0.9 mtu 1300
        ip route replace fd02::/64 via fd01::9 mtu 1300",
    );
    let _reflector = reflector(&lan);
    for (target, _) in FAR {
        let (summary, verdict) = found(&search(Place::Bridge(&lan), target, &[]));
        assert_eq!(sizes(&summary), json!([1500, 1500, [1500, null]]), "{summary}");
        assert_eq!((&summary["limit"], &summary["first_link_bytes"]), (&json!("first_link"), &json!(1500)));
        assert!(verdict.contains("all that this host's interface takes"), "{verdict}");
    }
}

#[test]
fn loss_by_chance_does_not_shrink_it_and_an_echo_server_is_enough() {
    let (_echo, addresses) = Place::Here.waiting(&["serve", "--echo", "127.0.0.1:0", "--rate-limit", "off"]);
    let target = addresses[0].to_string();
    let impaired = ["--up-mtu", "1300", "--loss", "20%", "--seed", "3"];
    let (_relay, relay) = relay(&target, &impaired);
    let (summary, verdict) = found(&search(Place::Here, &relay, &["--interval", "5ms"]));
    assert_eq!(sizes(&summary), json!([1300, [1300, null], [1300, null]]), "{summary}");
    assert_eq!(summary["payload_bytes"], 1272);
    assert!(verdict.contains("an echo server does not tell"), "{verdict}");
    // No longer one is tried than was asked for.
    let (summary, verdict) = found(&Place::Here.run(&["measure", &relay, "--mtu", "1250", "--json", "--wait", "1s"]));
    assert_eq!((&summary["mtu_bytes"], &summary["limit"]), (&json!([1250, null]), &json!("asked")), "{summary}");
    assert!(verdict.contains("no longer one was tried"), "{verdict}");
}

#[test]
fn people_read_it_as_a_table() {
    let (_reflector, addresses) = Place::Here.waiting(&["reflect", "127.0.0.1:0", "--rate-limit", "off"]);
    let target = addresses[0].to_string();
    let (_relay, relay) = relay(&target, &["--up-mtu", "1400"]);
    let outcome = Place::Here.run(&["measure", &relay, "--mtu", "-v", "--wait", "500ms"]);
    outcome.assert_status(0);
    let text = outcome.text();
    for line in [
        "forward                    1400 B             1372 B",
        "reverse           at least 1400 B",
        "size                         sent           answered",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn where_nobody_is_it_says_so_and_a_figure_of_another_measurement_is_a_mistake() {
    let outcome = Place::Here.run(&["measure", "127.0.0.1:1", "--mtu", "--json"]);
    outcome.assert_status(2);
    let (summary, verdict) = found(&outcome);
    assert_eq!(
        (&summary["mtu_bytes"], verdict.contains("nobody listens on port 1")),
        (&Value::Null, true),
        "{verdict}"
    );
    for (arguments, words) in [
        (["measure", "127.0.0.1:1", "--fail-if", "mtu<1500"].as_slice(), "mtu is only measured with --mtu"),
        (&["measure", "127.0.0.1:1", "--mtu", "--fail-if", "loss>1%"], "loss is not measured with --mtu"),
    ] {
        let outcome = Place::Here.run(arguments);
        outcome.assert_status(2);
        outcome.assert_told(&[words]);
    }
}
