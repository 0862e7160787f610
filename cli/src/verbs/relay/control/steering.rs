//! Requests that change what the relay does.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, Query, State};
use axum::http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use udpkit::Network;
use udpkit::verbs::{Direction, Injection, LinkChange, RelayInput};

use super::desk::{Desk, Outcome};
use crate::http::refusal::Refusal;
use crate::words::bytes;
use crate::words::excerpt::{LONGEST_ERROR, shortened};
use crate::words::impairments::{Changes, Files, Mistake, Words};

type Body = Result<Bytes, BytesRejection>;
type Which = Result<Path<String>, PathRejection>;

/// Sets the impairments of links: these and no others (PUT), or these, too (PATCH).
pub(super) async fn impair(State(desk): State<Desk>, method: Method, which: Which, uri: Uri, body: Body) -> Outcome {
    let directions = directions(&word(which)?)?;
    let network = network(&uri)?;
    let words = impairments(body)?;
    let changes = {
        let board = desk.current();
        let known: Vec<_> = board.links().iter().flat_map(|links| &links.options).map(Words::of).collect();
        let files: Vec<_> = known.iter().collect();
        let read = Changes::read_json(&words, &Files::of(&files))?;
        let own = board.links().iter().find(|links| links.network == network);
        // A network without links of its own has those of all.
        let own = own.or_else(|| board.links().first());
        let change = |direction: Direction| {
            let now =
                own.filter(|_| method == Method::PATCH).map(|links| Words::of(&links.options[direction as usize]));
            let options = now.unwrap_or_default().with(&read)?.options();
            Ok(LinkChange::new(direction, options).network(network))
        };
        directions.iter().map(|direction| change(*direction)).collect::<Result<Vec<_>, Mistake>>()?
    };
    desk.steer(changes.into_iter().map(|change| RelayInput::Impair(Box::new(change))))
}

/// Ends the links that a network has for itself.
pub(super) async fn forget(State(desk): State<Desk>, which: Which, uri: Uri, body: Body) -> Outcome {
    no_body(body)?;
    let which = word(which)?;
    let Some(network) = network(&uri)?.filter(|_| which == "both") else {
        let error = "only the links that a network has for itself can be taken away, and both of them";
        let hint = "DELETE /api/impairments/both?peer=NETWORK; PUT {} to take all impairments off a link";
        return Err(Refusal::new(StatusCode::BAD_REQUEST, error).hint(hint));
    };
    if !desk.current().links().iter().any(|links| links.network == Some(network)) {
        let error = format!("{network} has no links of its own");
        return Err(Refusal::new(StatusCode::NOT_FOUND, error).hint("GET /api/state lists them in peer_links"));
    }
    desk.steer([RelayInput::Forget(network)])
}

/// Pauses a direction, ends its pause, or lets its next datagram leave.
pub(super) async fn pause(State(desk): State<Desk>, uri: Uri, body: Body) -> Outcome {
    no_body(body)?;
    desk.steer(asked_directions(&uri)?.iter().map(|direction| RelayInput::Pause(*direction)))
}

/// Ends the pause of a direction.
pub(super) async fn resume(State(desk): State<Desk>, uri: Uri, body: Body) -> Outcome {
    no_body(body)?;
    desk.steer(asked_directions(&uri)?.iter().map(|direction| RelayInput::Resume(*direction)))
}

/// Lets the next datagram of a direction leave that is paused.
pub(super) async fn step(State(desk): State<Desk>, uri: Uri, body: Body) -> Outcome {
    no_body(body)?;
    let directions = asked_directions(&uri)?;
    let report = desk.report()?;
    if !directions.iter().any(|direction| report.own.of(*direction).is_paused) {
        let error = Refusal::new(StatusCode::CONFLICT, "nothing is paused, so there is nothing to step");
        return Err(error.hint("POST /api/pause first"));
    }
    desk.steer(directions.iter().map(|direction| RelayInput::Step(*direction)))
}

/// Begins again.
pub(super) async fn reset(State(desk): State<Desk>, uri: Uri, body: Body) -> Outcome {
    no_query(&uri)?;
    no_body(body)?;
    desk.steer([RelayInput::Reset])
}

/// A datagram to be injected: a copy of one that is kept, or another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToInject {
    direction: String,
    number: Option<u64>,
    /// Whose own link the number is of.
    network: Option<String>,
    peer: Option<String>,
    text: Option<String>,
    hex: Option<String>,
}

/// Sends a datagram as if it had come.
pub(super) async fn inject(State(desk): State<Desk>, uri: Uri, body: Body) -> Outcome {
    no_query(&uri)?;
    let hint = "the body is a JSON object, such as {\"direction\":\"up\",\"number\":17}";
    let asked: ToInject = serde_json::from_slice(&bytes_of(body)?).map_err(|error| unreadable(&error, hint))?;
    let &[direction] = directions(&asked.direction)? else {
        return Err(bad("a datagram goes one way", "direction is up or down"));
    };
    let injection = match &asked {
        ToInject { number: Some(number), network, peer: None, text: None, hex: None, .. } => {
            kept(&desk, direction, *number, network.as_deref())?
        }
        ToInject { number: None, network: None, peer: Some(peer), text, hex, .. } => {
            let peer = peer.parse::<SocketAddr>();
            let peer = peer.map_err(|_| bad("peer is no address with a port", "GET /api/peers lists the peers"))?;
            Injection::new(direction, peer, payload(text.as_deref(), hex.as_deref())?)
        }
        _ => {
            let hint = "{\"direction\":\"up\",\"number\":17}, or {\"direction\":\"up\",\"peer\":\"127.0.0.1:4000\",\"text\":\"hello\"}";
            return Err(bad("say which datagram is to be injected, or what is in it", hint));
        }
    };
    desk.steer([RelayInput::Inject(injection)])
}

/// A copy of a datagram that is kept.
fn kept(desk: &Desk, direction: Direction, number: u64, network: Option<&str>) -> Result<Injection, Refusal> {
    let network = network.map(|network| network.parse::<Network>().map_err(|error| bad(error, ""))).transpose()?;
    let board = desk.current();
    let record = board.datagrams(direction).iter().rev().find(|record| record.is(number, network));
    let found = record.map(super::record::Record::to_inject);
    match found {
        Some((peer, Some(payload))) => Ok(Injection::new(direction, peer.0, payload)),
        Some((_, None)) => {
            let error = format!("datagram {number} is too long to have been kept whole");
            Err(Refusal::new(StatusCode::NOT_FOUND, error).hint("its payload can be sent as \"hex\""))
        }
        None => {
            let error = format!("datagram {number} is not kept");
            let hint =
                format!("GET /api/datagrams?direction={direction} lists those that are: the last 64 that were shown");
            Err(Refusal::new(StatusCode::NOT_FOUND, error).hint(hint))
        }
    }
}

fn payload(text: Option<&str>, hex: Option<&str>) -> Result<Vec<u8>, Refusal> {
    match (text, hex) {
        (Some(text), None) => Ok(text.as_bytes().to_vec()),
        (None, Some(hex)) => bytes::hex(hex).map_err(|error| bad(error, "")),
        (None, None) => {
            Err(bad("the datagram has no payload", "give it as \"text\" or as \"hex\"; \"\" is an empty one"))
        }
        (Some(_), Some(_)) => Err(bad("there are two payloads", "give \"text\" or \"hex\"")),
    }
}

/// The last word of the path.
fn word(which: Which) -> Result<String, Refusal> {
    let Path(word) = which.map_err(|error| bad(format!("cannot read the path: {}", error.body_text()), ""))?;
    Ok(word)
}

/// The directions that a word means.
fn directions(word: &str) -> Result<&'static [Direction], Refusal> {
    match word {
        "up" => Ok(&[Direction::Up]),
        "down" => Ok(&[Direction::Down]),
        "both" => Ok(Direction::ALL),
        _ => Err(bad("there is no such direction", "up (to the target), down (back to peers), or both")),
    }
}

/// The network that `peer` names after the question mark.
fn network(uri: &Uri) -> Result<Option<Network>, Refusal> {
    asked(uri, Some("peer"))?.map(|peer| peer.parse().map_err(|error: String| bad(error, ""))).transpose()
}

/// The directions that `direction` means after the question mark; both where it is not there.
pub(super) fn asked_directions(uri: &Uri) -> Result<&'static [Direction], Refusal> {
    asked(uri, Some("direction"))?.as_deref().map_or(Ok(Direction::ALL), directions)
}

/// Refuses what is after the question mark.
pub(super) fn no_query(uri: &Uri) -> Result<(), Refusal> {
    asked(uri, None).map(drop)
}

/// The value of the one key that may be after the question mark, where it is there.
fn asked(uri: &Uri, allowed: Option<&str>) -> Result<Option<String>, Refusal> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    let Query(pairs) = pairs.map_err(|error| bad(format!("cannot read the query: {}", error.body_text()), ""))?;
    let mut value = None;
    for (key, text) in pairs {
        if allowed != Some(key.as_str()) {
            let hint = match allowed {
                Some(allowed) => format!("here the query can have {allowed}, and nothing else"),
                None => "here nothing follows the path".to_owned(),
            };
            return Err(bad(format!("the query has '{}'", shortened(&key, LONGEST_ERROR)), &hint));
        }
        if value.replace(text).is_some() {
            return Err(bad(format!("the query has {key} twice"), ""));
        }
    }
    Ok(value)
}

fn bytes_of(body: Body) -> Result<Bytes, Refusal> {
    body.map_err(|error| Refusal::new(error.status(), error.body_text()))
}

/// Refuses a body, which would be ignored.
fn no_body(body: Body) -> Result<(), Refusal> {
    match bytes_of(body)?.is_empty() {
        true => Ok(()),
        false => Err(bad("this request has no body", "a direction goes into the query: ?direction=up")),
    }
}

/// The impairments in a body.
fn impairments(body: Body) -> Result<Value, Refusal> {
    let body = bytes_of(body)?;
    let hint = "the body is a JSON object, such as {\"loss\":\"5%\"}";
    let words: Value = serde_json::from_slice(&body).map_err(|error| unreadable(&error, hint))?;
    if words.is_object() {
        serde_json::from_slice::<NoneTwice>(&body).map_err(|error| unreadable(&error, "name each impairment once"))?;
    }
    Ok(words)
}

/// An object in which no key is twice: of two values, nobody knows which was meant.
struct NoneTwice;

impl<'de> Deserialize<'de> for NoneTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for NoneTwice {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, _>()? {
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format!("'{}' is there twice", shortened(&key, LONGEST_ERROR))));
            }
        }
        Ok(self)
    }
}

fn unreadable(error: &serde_json::Error, hint: &str) -> Refusal {
    bad(format!("cannot read the body: {error}"), hint)
}

/// The client's mistake, and what to do about it.
fn bad(error: impl Into<String>, hint: &str) -> Refusal {
    let refusal = Refusal::new(StatusCode::BAD_REQUEST, error);
    if hint.is_empty() { refusal } else { refusal.hint(hint) }
}

impl From<Mistake> for Refusal {
    fn from(mistake: Mistake) -> Self {
        bad(mistake.to_string(), mistake.hint.as_deref().unwrap_or_default())
    }
}
