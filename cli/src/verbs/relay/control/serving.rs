//! What is served: the page, and what it stands on.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::extract::{Extension, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use udpkit::Remote;
use udpkit::verbs::{RelayFigures, RelayInput, RelayOptions};

use super::board::Board;
use super::desk::{Desk, Outcome, json};
use super::feed::{self, Counts, Happening, Tap};
use super::record;
use super::state::Facts;
use super::steering::{self, asked_directions, no_query};
use crate::http::access::{Access, guarded};
use crate::http::events::{Events, MAX_STREAMS};
use crate::http::life::Life;
use crate::http::refusal::Refusal;
use crate::http::{self, Purpose, Served};
use crate::verbs::relay::page;
use crate::words::endpoint::Endpoint;
use crate::words::impairments::Words;
use crate::words::impairments::presets::{PRESETS, Preset};

/// How often the state is sent to those who listen.
const STATE_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is looked whether peers that were asked for have come, and how many times.
const PEERS_INTERVAL: Duration = Duration::from_millis(5);
const PEERS_ATTEMPTS: usize = 200;

/// The server's end of the line from the relay.
pub(crate) struct Line {
    pub(super) happenings: (Receiver<Happening>, Arc<Counts>),
    options: RelayOptions,
    start: Instant,
}

/// Both ends of a line from a relay with these options that starts now: what takes its events, and what is served of them.
#[expect(clippy::disallowed_methods, reason = "the command reads the clock")]
pub(crate) fn line(options: &RelayOptions) -> (Tap, Line) {
    let (tap, happenings, counts) = feed::line();
    (tap, Line { happenings: (happenings, counts), options: options.clone(), start: Instant::now() })
}

/// Serves the page and what it stands on at these addresses, to whom may ask, until the returned value is dropped.
pub(crate) fn serve(
    addresses: &[SocketAddr],
    access: &Access,
    line: Line,
    remote: Remote<RelayInput, RelayFigures>,
    facts: Facts,
) -> Result<Served> {
    let make = move || {
        let events = Events::new();
        let Line { happenings, options, start } = line;
        let board = Board::new(happenings, events.clone(), &options, start);
        let desk = Desk::new(remote, facts, events, board);
        tokio::spawn(take_in(desk.clone()));
        tokio::spawn(tell(desk.clone()));
        routes(desk, access)
    };
    http::serve_made(addresses, make, Purpose { attempt: "serve control on", flag: "--control" })
}

fn routes(desk: Desk, access: &Access) -> Router {
    let impairments = put(steering::impair).patch(steering::impair).delete(steering::forget);
    let private = Router::new()
        .route("/api/state", get(state))
        .route("/api/scenario", get(scenario))
        .route("/api/impairments/{direction}", impairments)
        .route("/api/pause", post(steering::pause))
        .route("/api/resume", post(steering::resume))
        .route("/api/step", post(steering::step))
        .route("/api/reset", post(steering::reset))
        .route("/api/inject", post(steering::inject))
        .route("/api/peers", get(peers))
        .route("/api/presets", get(presets))
        .route("/api/datagrams", get(datagrams))
        .route("/api/events", get(events))
        .with_state(desk);
    guarded(private, Router::new().route("/", get(page::page)), access)
}

/// Takes in what happens, until the relay has ended.
async fn take_in(desk: Desk) {
    poll_fn(|cx| desk.board().poll(cx)).await;
}

/// Sends the state to those who listen.
async fn tell(desk: Desk) {
    let mut interval = tokio::time::interval(STATE_INTERVAL);
    loop {
        interval.tick().await;
        desk.board().say_sampled();
        if desk.events().has_clients()
            && let Ok(state) = desk.state_event()
        {
            desk.events().send(state);
        }
    }
}

async fn state(State(desk): State<Desk>, uri: Uri) -> Outcome {
    no_query(&uri)?;
    desk.state()
}

async fn scenario(State(desk): State<Desk>, uri: Uri) -> Outcome {
    no_query(&uri)?;
    Ok(([(CONTENT_TYPE, "application/toml")], desk.scenario()).into_response())
}

async fn events(State(desk): State<Desk>, Extension(life): Extension<Life>, uri: Uri) -> Outcome {
    no_query(&uri)?;
    let first = desk.state_event()?;
    desk.events().stream(&life, first).ok_or_else(|| {
        let error = format!("{MAX_STREAMS} streams of events are open, as many as may be");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error).hint("close another page, or ask for GET /api/state")
    })
}

async fn datagrams(State(desk): State<Desk>, uri: Uri) -> Outcome {
    let directions = asked_directions(&uri)?;
    let board = desk.current();
    let all = directions.iter().flat_map(|direction| board.datagrams(*direction));
    Ok(json(&all.map(record::Record::whole).collect::<Vec<_>>()))
}

/// A preset in JSON.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    source: &'static str,
    up: Words,
    down: Words,
}

/// The presets that there are.
async fn presets(uri: Uri) -> Outcome {
    no_query(&uri)?;
    let listed =
        |preset: &Preset| Listed { name: preset.name, source: preset.source, up: preset.up(), down: preset.down() };
    Ok(json(&PRESETS.iter().map(listed).collect::<Vec<_>>()))
}

/// A peer in JSON.
#[derive(Serialize)]
struct Peer {
    peer: Endpoint,
    /// The address of the socket that speaks to the target for it.
    upstream: Option<Endpoint>,
}

async fn peers(State(desk): State<Desk>, uri: Uri) -> Outcome {
    no_query(&uri)?;
    for _ in 0..PEERS_ATTEMPTS {
        // Each time: another request may have taken the list that this one asked for.
        desk.board().ask_peers();
        // Wakes it.
        desk.report()?;
        if let Some(peers) = desk.current().take_peers() {
            let peer =
                |(peer, upstream): (_, Option<_>)| Peer { peer: Endpoint(peer), upstream: upstream.map(Endpoint) };
            return Ok(json(&peers.into_iter().map(peer).collect::<Vec<_>>()));
        }
        tokio::time::sleep(PEERS_INTERVAL).await;
    }
    Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the relay is too busy to list its peers"))
}
