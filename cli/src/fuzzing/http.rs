//! HTTP: whatever a client sends, it has one valid response or none, and the connection ends.

use std::future::{Future, poll_fn};

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime;

use crate::http::connections::{MAX_BODY, converse};
use crate::http::life::Life;

/// Room in each direction: less than a request may have, so that reading and writing have to wait.
const ROOM: usize = 512;
const PAGE: &str = "a page\n";
/// Turns that a conversation takes besides those for the bytes of a long request; more of them are a busy loop.
const MOST_TURNS: usize = 64;
/// What a server like ours may answer.
const STATUSES: [&str; 9] = ["200", "400", "404", "405", "408", "413", "414", "417", "431"];

/// Sends bytes to the server, then closes that half, and looks at what it answers.
pub fn http(data: &[u8]) {
    let runtime = runtime::Builder::new_current_thread().build().expect("it needs nothing of the system");
    let request = data.to_vec();
    let (answer, turns) = runtime.block_on(async {
        let (client, server) = tokio::io::duplex(ROOM);
        let (mut reading, mut writing) = tokio::io::split(client);
        let mut conversation = Box::pin(async move { converse(server, routes(), &Life::alone()).await });
        let mut turns = 0;
        let conversation = tokio::spawn(poll_fn(move |context| {
            turns += 1;
            conversation.as_mut().poll(context).map(|()| turns)
        }));
        tokio::spawn(async move {
            // A server that has heard enough does not hear the rest.
            let _ = writing.write_all(&request).await;
            let _ = writing.shutdown().await;
        });
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await.expect("memory can be read");
        (answer, conversation.await.expect("nobody's request ends the server"))
    });
    assert!(turns <= MOST_TURNS + data.len(), "{turns} turns");
    assert_is_response(&answer, data);
}

fn routes() -> Router {
    let length = post(async |body: Bytes| {
        assert!(body.len() <= MAX_BODY);
        body.len().to_string()
    });
    Router::new().route("/page", get(PAGE)).route("/length", length)
}

/// Fails unless it is nothing, or one response that is whole.
fn assert_is_response(answer: &[u8], request: &[u8]) {
    let shown = answer.escape_ascii();
    // Asked for by the client, before the response.
    let answer = answer.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(answer);
    if answer.is_empty() {
        return;
    }
    let text = str::from_utf8(answer).unwrap_or_else(|_| panic!("{shown}"));
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the head: {shown}"));
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = ["HTTP/1.1 ", "HTTP/1.0 "].iter().find_map(|version| first.strip_prefix(version));
    assert!(status.is_some_and(|status| STATUSES.iter().any(|known| status.starts_with(known))), "{shown}");
    let header = |line: &'_ str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers: Vec<_> = lines.map(|line| header(line).unwrap_or_else(|| panic!("{line:?} in {shown}"))).collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, length)| length);
    // The response to HEAD tells a length, and has no body.
    let is_whole = length.map_or(body.is_empty(), |length| *length == body.len().to_string());
    assert!(is_whole || body.is_empty() && request.trim_ascii_start().starts_with(b"HEAD "), "{shown}");
}
