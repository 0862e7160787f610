//! What all requests share: the line to the relay, and what is known of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use udpkit::verbs::{RelayFigures, RelayInput};
use udpkit::{Remote, Report};

use super::super::written;
use super::board::Board;
use super::state::{Facts, State};
use crate::http::events::{Events, event};
use crate::http::refusal::{JSON, Refusal};
use crate::words::impairments::Words;

/// How long the relay has to answer. It never waits for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// What all requests share.
#[derive(Clone)]
pub(super) struct Desk(Arc<Inner>);

struct Inner {
    remote: Remote<RelayInput, RelayFigures>,
    facts: Facts,
    events: Events,
    /// Locked by the server's thread alone.
    board: Mutex<Board>,
}

/// What a request came to.
pub(super) type Outcome = Result<Response, Refusal>;

impl Desk {
    pub(super) fn new(remote: Remote<RelayInput, RelayFigures>, facts: Facts, events: Events, board: Board) -> Self {
        Self(Arc::new(Inner { remote, facts, events, board: Mutex::new(board) }))
    }

    /// What is known of the relay.
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock()
    }

    /// What is known of it, with all that has happened by now.
    pub(super) fn current(&self) -> MutexGuard<'_, Board> {
        let mut board = self.board();
        board.catch_up();
        board
    }

    pub(super) fn events(&self) -> &Events {
        &self.0.events
    }

    /// What the relay reports.
    pub(super) fn report(&self) -> Result<Report<RelayFigures>, Refusal> {
        let gone = || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the relay has ended, or does not answer");
        self.0.remote.report(PATIENCE).ok_or_else(gone)
    }

    /// Waits until the relay has taken what it was handed. It may hand out a first report before that, and never a second.
    fn settle(&self) -> Result<Report<RelayFigures>, Refusal> {
        self.report()?;
        self.report()
    }

    /// Hands these to the relay; the response is the state after them.
    pub(super) fn steer(&self, inputs: impl IntoIterator<Item = RelayInput>) -> Outcome {
        self.current().take_troubles();
        for input in inputs {
            // Where it is over, there is no report either.
            let _ = self.0.remote.input(input);
        }
        let report = self.settle()?;
        let mut board = self.current();
        match board.take_troubles().into_iter().next() {
            Some(error) => Err(Refusal::new(StatusCode::CONFLICT, error)),
            None => Ok(json(&self.described(&report, &board))),
        }
    }

    /// The state as a response.
    pub(super) fn state(&self) -> Outcome {
        let report = self.report()?;
        Ok(json(&self.described(&report, &self.current())))
    }

    /// What the links do, as a scenario file.
    pub(super) fn scenario(&self) -> String {
        let board = self.current();
        let links = board.links().iter().map(|links| (links.network, links.options.each_ref().map(Words::of)));
        written::scenario(self.0.facts.seed, &links.collect::<Vec<_>>())
    }

    /// The state as an event.
    pub(super) fn state_event(&self) -> Result<axum::body::Bytes, Refusal> {
        let report = self.report()?;
        Ok(event("state", &self.described(&report, &self.current())))
    }

    #[expect(clippy::disallowed_methods, reason = "the command reads the clock")]
    fn described<'a>(&'a self, report: &Report<RelayFigures>, board: &Board) -> State<'a> {
        State::new(&self.0.facts, report, board, board.since_start(Instant::now()))
    }
}

/// A response with JSON, which ends with a line end.
pub(super) fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("our values can be written as JSON");
    ([(CONTENT_TYPE, JSON)], text + "\n").into_response()
}
