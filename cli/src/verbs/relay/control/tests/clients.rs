//! Who asks, and how: mistakes, other pages, clients that stall, and those who only listen.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use serde_json::json;
use udpkit::Event;
use udpkit::verbs::RelayOptions;

use super::super::feed::{Happening, MOST_PEERS};
use super::super::{Line, line};
use super::{World, impairments};
use crate::http::client::{Listener, ask, connect};
use crate::http::events::MAX_STREAMS;

#[test]
fn mistakes_are_refused_with_advice_and_change_nothing() {
    let world = World::new();
    world.done("PUT /api/impairments/both", r#"{"loss": "5%"}"#);
    let wrong = [
        ("", "cannot read the body"),
        ("loss=5%", "cannot read the body"),
        ("[]", "impairments are an object"),
        ("null", "impairments are an object"),
        ("7", "impairments are an object"),
        (r#"{"loss": {}}"#, "impairments are an object"),
        (r#"{"loss": "five"}"#, "loss: 'five' is not a loss"),
        (r#"{"loss": "101%"}"#, "loss: "),
        (r#"{"delay": "-1s"}"#, "delay: "),
        (r#"{"delay": "1000000h"}"#, "delay: "),
        (r#"{"los": "5%"}"#, "los: "),
        (r#"{"match": "("}"#, "match: "),
        (r#"{"queue": "1KiB"}"#, "queue: "),
        (r#"{"rate": "1Mbit/s", "loss": "five"}"#, "loss: "),
        (r#"{"loss": "\u0000"}"#, "loss: "),
    ];
    for (body, start) in wrong {
        for request in ["PUT /api/impairments/both", "PATCH /api/impairments/down", "PUT /api/impairments/up?peer=::/0"]
        {
            let (status, error, _) = world.refused(request, body);
            assert!(status == 400 && error.starts_with(start), "{request} {body}: {status} {error}");
        }
    }
    assert!(world.refused("PUT /api/impairments/up", r#"{"los": "5%"}"#).2.contains("loss"));
    let deep = format!("{{\"loss\": {}", "[".repeat(60_000));
    assert_eq!(world.refused("PUT /api/impairments/up", &deep).0, 400);
    assert_eq!(world.refused("PUT /api/impairments/up", &"x".repeat(64 * 1024 + 1)).0, 413);
    assert_eq!(world.refused("PUT /api/impairments/sideways", "{}").0, 400);
    assert!(world.refused("PUT /api/impairments/%ff", "{}").1.starts_with("cannot read the path: "));
    assert_eq!(world.refused("PUT /api/impairments/up?peer=somebody", "{}").0, 400);
    assert_eq!(world.refused("PUT /api/impairments/up?pear=::/0", "{}").0, 400);
    let state = world.get("/api/state");
    assert_eq!(impairments(&state), [&json!({"loss": "5%"}), &json!({"loss": "5%"})]);
    assert_eq!(state["peer_links"], json!([]));
}

#[test]
fn no_request_makes_the_relay_read_a_file() {
    let world = World::new();
    for body in [r#"{"loss": "pattern:/etc/passwd"}"#, r#"{"trace": "/etc/passwd"}"#, r#"{"trace": "/dev/zero"}"#] {
        let (status, error, _) = world.refused("PUT /api/impairments/up", body);
        assert!(status == 400 && error.contains("no file is read while the relay runs"), "{error}");
    }
}

#[test]
fn a_query_or_a_body_that_would_be_ignored_is_refused() {
    let world = World::new();
    let direction = "here the query can have direction, and nothing else";
    let peer = "here the query can have peer, and nothing else";
    let none = "here nothing follows the path";
    let body = "a direction goes into the query: ?direction=up";
    for (request, body, error, hint) in [
        ("POST /api/pause?way=up", "", "the query has 'way'", direction),
        ("POST /api/step?direction=up&direction=down", "", "the query has direction twice", ""),
        ("GET /api/datagrams?number=1", "", "the query has 'number'", direction),
        ("PUT /api/impairments/up?pear=::/0", "{}", "the query has 'pear'", peer),
        ("DELETE /api/impairments/both?direction=up", "", "the query has 'direction'", peer),
        ("GET /api/state?peer=::/0", "", "the query has 'peer'", none),
        ("GET /api/events?x", "", "the query has 'x'", none),
        ("GET /api/peers?direction=up", "", "the query has 'direction'", none),
        ("GET /api/presets?x", "", "the query has 'x'", none),
        ("POST /api/reset?direction=up", "", "the query has 'direction'", none),
        ("POST /api/inject?direction=up", r#"{"number":1}"#, "the query has 'direction'", none),
        ("POST /api/pause", r#"{"direction":"up"}"#, "this request has no body", body),
        ("POST /api/resume", "{}", "this request has no body", body),
        ("POST /api/reset", "{}", "this request has no body", body),
    ] {
        assert_eq!(world.refused(request, body), (400, error.to_owned(), hint.to_owned()), "{request}");
    }
    let state = world.get("/api/state");
    assert_eq!(["up", "down"].map(|direction| &state[direction]["paused"]), [false, false]);
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let world = World::new();
    for request in ["PUT /api/impairments/up", "PATCH /api/impairments/both"] {
        let (status, error, hint) = world.refused(request, r#"{"loss": "5%", "delay": "1ms", "l\u006fss": "90%"}"#);
        assert_eq!((status, hint.as_str()), (400, "name each impairment once"));
        assert!(error.starts_with("cannot read the body: 'loss' is there twice"), "{error}");
    }
    assert_eq!(impairments(&world.get("/api/state")), [&json!({}), &json!({})]);
    let twice = r#"{"direction": "up", "number": 1, "number": 2}"#;
    assert!(world.refused("POST /api/inject", twice).1.contains("duplicate field `number`"));
}

#[test]
fn everybody_who_asks_gets_the_peers() {
    let world = World::new();
    world.round_trip(b"one");
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| (0..10).for_each(|_| assert_eq!(world.get("/api/peers").as_array().unwrap().len(), 1)));
        }
    });
}

#[test]
fn peers_are_listed() {
    let world = World::new();
    assert_eq!(world.get("/api/peers"), json!([]));
    world.round_trip(b"hello");
    let peers = world.get("/api/peers");
    assert_eq!(peers.as_array().unwrap().len(), 1);
    assert_eq!(peers[0]["peer"], world.client.local_addr().unwrap().to_string());
    assert!(peers[0]["upstream"].as_str().unwrap().contains(':'), "{peers}");
}

#[test]
fn who_listens_hears_of_each_datagram_and_of_the_state() {
    let world = World::new();
    let mut events = world.listen();
    let (name, state) = events.next().unwrap();
    assert_eq!((name.as_str(), &state["up"]["received"]), ("state", &json!(0)));
    world.round_trip(b"hello");
    for direction in ["up", "down"] {
        let fate = events.until("fate");
        let part = ["direction", "number", "length", "fate"].map(|key| fate[key].to_string());
        assert_eq!(part, [format!("\"{direction}\""), "1".to_owned(), "5".to_owned(), "\"leaves\"".to_owned()]);
        let left = events.until("left");
        let part = ["direction", "number", "copy", "sent"].map(|key| left[key].to_string());
        assert_eq!(part, [format!("\"{direction}\""), "1".to_owned(), "false".to_owned(), "true".to_owned()]);
    }
    while events.until("state")["up"]["received"] != 1 {}
    world.done("PUT /api/impairments/up", r#"{"loss": "100%"}"#);
    world.client.send(b"lost").unwrap();
    let fate = events.until("fate");
    assert_eq!((&fate["fate"], &fate["by"], &fate["number"]), (&json!("lost"), &json!("chance"), &json!(2)));
}

#[test]
fn of_more_than_anybody_sees_a_sample_is_shown_and_that_is_said() {
    let world = World::new();
    let mut events = world.listen();
    let total = 2000;
    for _ in 0..total {
        world.round_trip(b"hello");
    }
    let (mut shown, mut kept, mut of, mut states) = (0, 0, 0, 0);
    // What was sampled is said before each state.
    while states < 2 {
        let (name, data) = events.next().unwrap();
        match name.as_str() {
            "fate" if data["direction"] == "up" => shown += 1,
            "sampled" if data["direction"] == "up" => {
                kept += data["kept"].as_u64().unwrap();
                of += data["of"].as_u64().unwrap();
            }
            "state" if data["up"]["received"] == total => states += 1,
            _ => {}
        }
    }
    // A machine that needs ten seconds for them shows all.
    assert_eq!(shown < total, of > 0, "{shown} shown, {kept} of {of}");
    assert_eq!(of - kept, total - shown);
    assert!(world.get("/api/datagrams").as_array().unwrap().len() <= 128);
}

#[test]
fn get_changes_nothing() {
    let world = World::new();
    for path in ["pause", "resume", "step", "reset", "inject", "impairments/up", "impairments/both?peer=::/0"] {
        for method in ["GET", "HEAD", "OPTIONS"] {
            let answer = world.ask(&format!("{method} /api/{path}"), r#"{"loss": "100%"}"#);
            assert_eq!(answer.status, 405, "{method} {path}");
        }
    }
    let state = world.get("/api/state");
    assert_eq!((impairments(&state), &state["up"]["paused"]), ([&json!({}), &json!({})], &json!(false)));
}

#[test]
fn what_another_page_sends_changes_nothing() {
    let world = World::new();
    for header in ["Origin: http://evil.example", "Origin: null", "Host: evil.example", "Sec-Fetch-Site: cross-site"] {
        for (request, body) in [("POST /api/pause", ""), ("PUT /api/impairments/both", r#"{"loss": "100%"}"#)] {
            assert!([403, 421].contains(&ask(world.control, request, &[header], body).status), "{header}");
        }
        assert!(Listener::new(world.control, "/api/events", &[header]).is_none(), "{header}");
    }
    let state = world.get("/api/state");
    assert_eq!((impairments(&state), &state["up"]["paused"]), ([&json!({}), &json!({})], &json!(false)));
}

#[test]
fn the_page_and_each_answer_say_that_they_are_for_nobody_else() {
    let world = World::new();
    for request in ["GET /", "GET /api/state", "GET /api/nothing", "PUT /api/impairments/up", "POST /api/state"] {
        let answer = world.ask(request, "");
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.headers.iter().any(|line| line == header), "{request}: {header} in {answer:?}");
        }
        let policy =
            answer.headers.iter().filter(|line| line.starts_with("content-security-policy: default-src 'none'"));
        assert_eq!(policy.count(), 1, "{answer:?}");
    }
    assert!(world.ask("GET /", "").body.contains("<!doctype html>"));
}

#[test]
fn clients_that_stall_flood_and_talk_nonsense_do_not_stop_the_relay() {
    let world = World::new();
    let request = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stalled: Vec<TcpStream> = (0..MAX_STREAMS).map(|_| connect(world.control)).collect();
    stalled.iter_mut().for_each(|stream| stream.write_all(request.as_bytes()).unwrap());
    let nonsense = [
        "PUT /api/impairments/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65536\r\n\r\n{",
        "PUT /api/impairments/up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        "\x16\x03\x01",
        "GET /api/events HTTP/1.1\r\nHost: localhost\r\n",
    ];
    let mut crowd = Vec::new();
    for turn in 0..400usize {
        let mut stream = connect(world.control);
        // It may be closed before it has said all.
        let _ = stream.write_all(nonsense[turn % nonsense.len()].as_bytes());
        crowd.push(stream);
        world.round_trip(&turn.to_be_bytes());
    }
    assert_eq!(ask(world.control, "GET /api/events", &[], "").status, 503, "no stream was cut off for the crowd");
    let state = world.get("/api/state");
    assert_eq!((&state["up"]["received"], &state["down"]["forwarded"]), (&json!(400), &json!(400)));
    drop(stalled);
    // It is noticed when something is sent to them.
    while Listener::new(world.control, "/api/events", &[]).is_none() {}
}

#[test]
fn a_relay_that_has_ended_is_said_to_have() {
    let world = World::new();
    let _ = world.relay.stop();
    for request in ["GET /api/state", "POST /api/pause", "GET /api/events", "GET /api/peers", "PUT /api/impairments/up"]
    {
        let body = if request.starts_with("PUT") { "{}" } else { "" };
        assert_eq!(world.refused(request, body).0, 503, "{request}");
    }
    assert_eq!(world.get("/api/datagrams"), json!([]));
}

#[test]
fn of_many_peers_some_are_listed() {
    let (tap, line) = line(&RelayOptions::new("127.0.0.1:9".parse().unwrap()));
    let mut tap = tap;
    let count = u16::try_from(MOST_PEERS).unwrap() + 1;
    for port in 1..=count {
        let peer = SocketAddr::from(([127, 0, 0, 1], port));
        let appeared = udpkit::event::PeerChanged::new(peer, None, udpkit::event::PeerChange::Appeared);
        tap.event(&Event::Peer(appeared));
    }
    let Line { happenings: (mut happenings, counts), .. } = line;
    counts.ask_peers();
    tap.catch_up();
    let Ok(Happening::Peers(peers)) = happenings.try_recv() else { panic!("they were asked for") };
    assert_eq!(peers.len(), MOST_PEERS);
}
