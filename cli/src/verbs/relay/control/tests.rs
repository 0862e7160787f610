//! A relay before a server that echoes, steered over HTTP.

mod clients;

use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value, json};
use udpkit::impairment::ImpairmentOptions;
use udpkit::verbs::{PeerImpairments, RelayOptions};
use udpkit::{Answer, Event, Memberships, Relay, Server, Sink, Socket};

use super::super::target::Current;
use super::feed::KEPT_BYTES;
use super::{Facts, Tap, line, serve};
use crate::http::Served;
use crate::http::access::Access;
use crate::http::client::{Answer as Response, Listener, STUCK, ask};

/// Hands all events to the control.
struct OnlyTap(Tap);

impl Sink for OnlyTap {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self.0.event(&event);
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.0.catch_up();
        ControlFlow::Continue(())
    }
}

struct World {
    _echo: Server,
    relay: Arc<Relay>,
    control: SocketAddr,
    client: UdpSocket,
    target: Current,
    _served: Served,
}

impl World {
    fn new() -> Self {
        Self::with(|options| options)
    }

    /// With other options.
    fn with(change: impl FnOnce(RelayOptions) -> RelayOptions) -> Self {
        let echo = Server::start("127.0.0.1:0".parse().unwrap(), Answer::Echo).unwrap();
        let options = change(RelayOptions::new(echo.addresses()[0]).seed(7).report_fates(true));
        let (tap, line) = line(&options);
        let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), &options.socket_options()).unwrap();
        let (target, seed) = (options.target, options.seed);
        let relay = Arc::new(Relay::launch([socket], options, Memberships::default(), OnlyTap(tap)).unwrap());
        let command = ["udp", "relay", "9000", "host", "--loss", "1%"].map(str::to_owned).to_vec();
        let target = Current::new(target);
        let facts = Facts { listen: relay.addresses().to_vec(), target: target.clone(), seed, command };
        let addresses = ["127.0.0.1:0".parse().unwrap()];
        let served = serve(&addresses, &Access::default(), line, relay.remote().clone(), facts).unwrap();
        let client = peer(&relay);
        Self { _echo: echo, relay, control: served.addresses()[0], client, target, _served: served }
    }

    fn ask(&self, request: &str, body: &str) -> Response {
        ask(self.control, request, &[], body)
    }

    /// The JSON of an answer that is a success.
    fn get(&self, path: &str) -> Value {
        self.done(&format!("GET {path}"), "")
    }

    fn done(&self, request: &str, body: &str) -> Value {
        let answer = self.ask(request, body);
        assert_eq!(answer.status, 200, "{request} {body}: {answer:?}");
        answer.json()
    }

    /// The status, the error and the hint of an answer that is none.
    fn refused(&self, request: &str, body: &str) -> (u16, String, String) {
        let answer = self.ask(request, body);
        assert!(answer.status >= 400, "{request} {body}: {answer:?}");
        let text = |key: &str| answer.json()[key].as_str().unwrap_or_default().to_owned();
        (answer.status, text("error"), text("hint"))
    }

    /// Sends a datagram through the relay, and reads its echo.
    fn round_trip(&self, payload: &[u8]) {
        self.client.send(payload).unwrap();
        assert_eq!(self.receive(), payload);
    }

    fn receive(&self) -> Vec<u8> {
        let mut buffer = [0; 65536];
        let len = self.client.recv(&mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    fn listen(&self) -> Listener {
        Listener::new(self.control, "/api/events", &[]).expect("it is a stream")
    }
}

#[expect(clippy::disallowed_methods, reason = "a peer is no socket of ours")]
fn peer(relay: &Relay) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(relay.address()).unwrap();
    client.set_read_timeout(Some(STUCK)).unwrap();
    client
}

fn impairments(state: &Value) -> [&Value; 2] {
    ["up", "down"].map(|direction| &state[direction]["impairments"])
}

impl World {
    /// Waits until the relay has done all that it was given.
    fn round_trip_done(&self) {
        while self.get("/api/state")["up"]["received"] != 2 {}
    }
}

#[test]
fn the_state_says_what_came_and_what_the_links_do() {
    let world = World::new();
    world.round_trip(b"hello");
    world.client.send(b"").unwrap();
    world.receive();
    let state = world.get("/api/state");
    let expected = json!({
        "v": 1, "seed": 7, "listen": [world.relay.address().to_string()], "peer_links": [], "ignored": {},
        "peers": {"now": 1, "ever": 1, "expired": 0, "evicted": 0, "lost": 0}, "command": "udp relay 9000 host --seed 7",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&state[key], value, "{key} in {state}");
    }
    let lost = json!({"blackout": 0, "chance": 0, "chosen": 0, "codel": 0, "mtu": 0, "queue": 0, "room": 0});
    for direction in ["up", "down"] {
        let way = &state[direction];
        let counted =
            ["received", "received_bytes", "forwarded", "forwarded_bytes", "duplicated", "under_way", "send_failed"];
        assert_eq!(counted.map(|key| way[key].as_u64().unwrap()), [2, 5, 2, 5, 0, 0, 0], "{state}");
        assert_eq!((&way["lost"], &way["impairments"], &way["paused"]), (&lost, &json!({}), &json!(false)));
        assert!(way["delay_p50_ns"].is_u64() && way["delay_p99_ns"].is_u64(), "{state}");
    }
    assert!(state["elapsed_ns"].as_u64().unwrap() > 0);
}

#[test]
fn impairments_are_set_changed_and_taken_away() {
    let world = World::new();
    let state = world.done("PUT /api/impairments/up", r#"{"loss": "5%", "delay": "40ms", "mtu": 1280}"#);
    assert_eq!(impairments(&state), [&json!({"loss": "5%", "mtu": "1280", "delay": "40ms"}), &json!({})]);
    let state = world.done("PATCH /api/impairments/both", r#"{"delay": null, "allow-reorder": true}"#);
    let expected = [json!({"loss": "5%", "mtu": "1280", "allow-reorder": true}), json!({"allow-reorder": true})];
    assert_eq!(impairments(&state), [&expected[0], &expected[1]]);
    assert_eq!(state["command"], "udp relay 9000 host --up-loss 5% --up-mtu 1280 --allow-reorder --seed 7");
    assert_eq!(world.get("/api/state")["up"]["impairments"], expected[0], "it stays");
    let state = world.done("PUT /api/impairments/both", r#"{"drop": "every:1"}"#);
    assert_eq!(impairments(&state), [&json!({"drop": "every:1"}), &json!({"drop": "every:1"})]);
    world.client.send(b"lost").unwrap();
    let state = world.done("PUT /api/impairments/both", "{}");
    assert_eq!(impairments(&state), [&json!({}), &json!({})]);
    // What was sent before the change may come to the relay after it.
    world.client.send(b"last").unwrap();
    while world.receive() != b"last" {}
}

#[test]
fn a_network_has_links_of_its_own_until_they_are_taken_away() {
    let world = World::new();
    let state = world.done("PUT /api/impairments/up?peer=127.0.0.0/8", r#"{"drop": "1"}"#);
    let own = &state["peer_links"][0];
    assert_eq!((&own["peer"], &own["up"]["impairments"]), (&json!("127.0.0.0/8"), &json!({"drop": "1"})), "{state}");
    assert_eq!((&own["down"]["impairments"], impairments(&state)), (&json!({}), [&json!({}), &json!({})]));
    world.client.send(b"lost").unwrap();
    world.round_trip(b"second");
    let state = world.done("PATCH /api/impairments/down?peer=127.0.0.0%2F8", r#"{"delay": "1ms"}"#);
    let own = &state["peer_links"][0];
    assert_eq!(
        (&own["up"]["received"], &own["up"]["left"], &own["up"]["lost"]["chosen"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(own["down"]["impairments"], json!({"delay": "1ms"}));
    assert_eq!(world.get("/api/datagrams?direction=up")[0]["network"], "127.0.0.0/8");
    let state = world.done("DELETE /api/impairments/both?peer=127.0.0.0/8", "");
    assert_eq!(state["peer_links"], json!([]));
    assert_eq!(state["up"]["lost"]["chosen"], 1, "counts stay");
    assert_eq!(world.refused("DELETE /api/impairments/both?peer=127.0.0.0/8", "").0, 404);
    assert_eq!(world.refused("DELETE /api/impairments/up?peer=127.0.0.0/8", "").0, 400);
    assert_eq!(world.refused("DELETE /api/impairments/both", "").0, 400);
}

#[test]
fn a_network_too_many_is_refused() {
    let world = World::new();
    for network in 0..RelayOptions::MOST_NETWORKS {
        world.done(&format!("PUT /api/impairments/up?peer=10.0.{network}.0/24"), "{}");
    }
    let (status, error, _) = world.refused("PUT /api/impairments/up?peer=10.1.0.0/24", "{}");
    assert!(status == 409 && error.contains("10.1.0.0/24") && error.contains("256 networks have links"), "{error}");
}

#[test]
fn a_direction_is_paused_stepped_and_resumed() {
    let world = World::new();
    world.round_trip(b"zero");
    let (status, error, hint) = world.refused("POST /api/step?direction=up", "");
    assert!(status == 409 && error.contains("nothing is paused") && hint.contains("pause"), "{error}");
    let state = world.done("POST /api/pause?direction=up", "");
    assert_eq!(["up", "down"].map(|direction| &state[direction]["paused"]), [true, false]);
    for payload in [b"one", b"two", b"six"] {
        world.client.send(payload).unwrap();
    }
    while world.get("/api/state")["up"]["under_way"] != 3 {}
    world.done("POST /api/step?direction=up", "");
    assert_eq!(world.receive(), b"one");
    assert_eq!(world.get("/api/state")["up"]["under_way"], 2);
    assert_eq!(world.done("POST /api/resume", "")["up"]["paused"], false);
    assert_eq!([world.receive(), world.receive()], [b"two", b"six"]);
    for wrong in ["POST /api/pause?direction=sideways", "POST /api/pause?way=up"] {
        assert_eq!(world.refused(wrong, "").0, 400);
    }
    let state = world.done("POST /api/pause", "");
    assert_eq!(["up", "down"].map(|direction| &state[direction]["paused"]), [true, true]);
}

#[test]
fn a_datagram_is_injected_by_its_number_or_with_a_payload() {
    let world = World::new();
    world.round_trip(b"one");
    world.round_trip(&[0, 255]);
    let peer = world.client.local_addr().unwrap();
    let state = world.done("POST /api/inject", r#"{"direction": "up", "number": 2}"#);
    assert_eq!((&state["up"]["injected"], &state["up"]["received"]), (&json!(1), &json!(2)));
    assert_eq!(world.receive(), [0, 255]);
    world.done("POST /api/inject", r#"{"direction": "down", "number": 1}"#);
    assert_eq!(world.receive(), b"one");
    for (key, payload) in [("text", "hello"), ("hex", "68 65 6c6c6f")] {
        world.done("POST /api/inject", &json!({"direction": "down", "peer": peer, key: payload}).to_string());
        assert_eq!(world.receive(), b"hello");
    }
    world.done("POST /api/inject", &json!({"direction": "down", "peer": peer, "text": ""}).to_string());
    assert_eq!(world.receive(), b"");
}

#[test]
fn what_cannot_be_injected_is_refused() {
    let world = World::new();
    let long = vec![b'x'; KEPT_BYTES + 1];
    world.round_trip(&long);
    let cases = [
        (json!({"direction": "up", "number": 1}), 404, "too long to have been kept whole"),
        (json!({"direction": "up", "number": 2}), 404, "datagram 2 is not kept"),
        (json!({"direction": "up", "number": 1, "network": "::/0"}), 404, "datagram 1 is not kept"),
        (json!({"direction": "up", "number": 1, "network": "all"}), 400, "'all' is not a network"),
        (json!({"direction": "both", "number": 1}), 400, "one way"),
        (json!({"direction": "up"}), 400, "say which datagram"),
        (json!({"direction": "up", "number": 1, "text": "x"}), 400, "say which datagram"),
        (json!({"direction": "up", "peer": "127.0.0.1:9"}), 400, "no payload"),
        (json!({"direction": "up", "peer": "127.0.0.1:9", "text": "", "hex": ""}), 400, "two payloads"),
        (json!({"direction": "up", "peer": "127.0.0.1:9", "hex": "0g"}), 400, "not a hex digit"),
        (json!({"direction": "up", "peer": "localhost", "text": ""}), 400, "no address with a port"),
        (json!({"direction": "up", "peer": "127.0.0.1:9", "text": ""}), 409, "there is no such peer"),
        (json!({"direction": "up", "number": -1}), 400, "cannot read the body"),
        (json!({"number": 1}), 400, "cannot read the body"),
        (json!({"direction": "up", "nummer": 1}), 400, "cannot read the body"),
    ];
    for (body, expected, part) in cases {
        let (status, error, _) = world.refused("POST /api/inject", &body.to_string());
        assert!(status == expected && error.contains(part), "{body}: {status} {error}");
    }
    assert_eq!(world.get("/api/state")["up"]["injected"], 0);
}

#[test]
fn reset_begins_again() {
    let world = World::new();
    let mut events = world.listen();
    world.done("PUT /api/impairments/both", r#"{"delay": "1ms"}"#);
    world.round_trip(b"one");
    let first = world.get("/api/datagrams?direction=up")[0].clone();
    let state = world.done("POST /api/reset", "");
    assert_eq!(impairments(&state), [&json!({}), &json!({})]);
    assert_eq!((&state["up"]["received"], &state["peers"]["now"]), (&json!(0), &json!(1)));
    world.round_trip(b"two");
    let up = world.get("/api/datagrams?direction=up");
    assert_eq!(
        (up.as_array().unwrap().len(), &up[0]["number"], &up[0]["hex"]),
        (1, &json!(1), &json!("74776f")),
        "{up}"
    );
    assert_eq!(events.until("fate")["entered_ns"], first["entered_ns"]);
    let reset = events.until("reset")["at_ns"].as_u64().unwrap();
    assert!(up[0]["entered_ns"].as_u64().unwrap() >= reset && first["entered_ns"].as_u64().unwrap() <= reset);
    assert_eq!(events.until("fate")["entered_ns"], up[0]["entered_ns"], "the first after it");
}

#[test]
fn the_state_says_where_the_target_is_now() {
    let world = World::new();
    let found = "192.0.2.7:9".parse().unwrap();
    assert_eq!(world.target.look(&[found]), Some(found));
    assert_eq!(world.get("/api/state")["target"], "192.0.2.7:9");
}

#[test]
fn what_the_command_leaves_out_is_said_and_is_in_the_scenario() {
    let world = World::new();
    world.done("PUT /api/impairments/both", r#"{"loss": "5%"}"#);
    assert_eq!(world.get("/api/state")["command_lacks"], json!([]));
    let state = world.done("PUT /api/impairments/up?peer=10.0.0.0/8", r#"{"delay": "40ms"}"#);
    assert_eq!(state["command_lacks"], json!(["peer_links"]));
    let answer = world.ask("GET /api/scenario", "");
    assert_eq!(
        answer.body,
        "# What the links of a relay did when this was written. Nothing changes later.\nseed = 7\nup = { loss = \"5%\" }\ndown = { loss = \"5%\" }\n\n\
         [[peer]]\nnetwork = \"10.0.0.0/8\"\nlike = \"none\"\nup = { delay = \"40ms\" }\ndown = { loss = \"5%\" }\n"
    );
    assert!(answer.headers.contains(&"content-type: application/toml".to_owned()), "{answer:?}");
    assert_eq!(world.refused("PUT /api/scenario", "").0, 405);
}

#[test]
fn after_a_reset_networks_have_the_links_of_the_start_and_no_others() {
    let own = PeerImpairments::new("127.0.0.2".parse().unwrap());
    let world = World::with(|options| options.peers([own.up(ImpairmentOptions::default().mtu(1000))]));
    for network in ["127.0.0.2", "127.0.0.3"] {
        world.done(&format!("PUT /api/impairments/both?peer={network}"), r#"{"loss": "100%"}"#);
    }
    let state = world.done("POST /api/reset", "");
    let own: Vec<_> = state["peer_links"].as_array().unwrap().iter().map(|own| &own["peer"]).collect();
    assert_eq!(own, ["127.0.0.2/32"]);
    let own = &state["peer_links"][0];
    let words = ["up", "down"].map(|direction| &own[direction]["impairments"]);
    assert_eq!(words, [&json!({"mtu": "1000"}), &json!({})]);
}

#[test]
fn a_network_changes_what_all_have_and_keeps_the_rest() {
    let world = World::new();
    world.done("PUT /api/impairments/both", r#"{"delay": "1ms"}"#);
    let state = world.done("PATCH /api/impairments/up?peer=127.0.0.9", r#"{"loss": "1%"}"#);
    let words = ["up", "down"].map(|direction| &state["peer_links"][0][direction]["impairments"]);
    assert_eq!(words, [&json!({"delay": "1ms", "loss": "1%"}), &json!({"delay": "1ms"})]);
}

#[test]
fn the_last_datagrams_are_listed_with_their_fates() {
    let world = World::new();
    world.done("PUT /api/impairments/up", r#"{"drop": "2", "duplicate": "100%", "corrupt": "100%"}"#);
    world.client.send(&[0; 300]).unwrap();
    world.client.send(b"lost").unwrap();
    world.receive();
    world.receive();
    world.round_trip_done();
    let all = world.get("/api/datagrams?direction=up");
    let [first, second] = [&all[0], &all[1]];
    let bit = first["corrupted_bit"].as_u64().unwrap();
    assert!(bit < 2400 && first["copy"]["corrupted_bit"].is_u64(), "{all}");
    let expected = json!({
        "direction": "up", "number": 1, "network": null, "peer": world.client.local_addr().unwrap(), "length": 300,
        "exempt": false, "fate": "leaves", "by": null, "overtaken_by": null, "marked": false, "sent": true,
        "copy_sent": true, "kept": true, "hex": "00".repeat(256),
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&first[key], value, "{key} in {first}");
    }
    let time = |key: &str| first[key].as_u64().unwrap();
    assert!(time("entered_ns") <= time("decided_ns") && time("decided_ns") <= time("left_ns"), "{first}");
    let lost = ["fate", "by", "decided_ns", "left_ns", "sent", "hex", "copy"].map(|key| &second[key]);
    assert_eq!(
        lost,
        [&json!("lost"), &json!("chosen"), &Value::Null, &Value::Null, &Value::Null, &json!("6c6f7374"), &Value::Null]
    );
    assert_eq!(world.get("/api/datagrams").as_array().unwrap().len(), 4);
}
