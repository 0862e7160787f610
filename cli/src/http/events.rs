//! Server-sent events: a client that reads gets all of them, one that does not loses some, and receives their number.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame};
use serde::Serialize;
use tokio::sync::broadcast::{self, Receiver, error::RecvError};

use super::life::Life;

/// Events that wait for clients; they share them. Who is more of them behind loses the oldest.
pub(crate) const MAX_WAITING: usize = 512;
/// Streams open at once; further ones are refused.
pub(crate) const MAX_STREAMS: usize = 16;
/// The event with the number of those that a client has lost: `{"events":3}`.
const MISSED: &str = "missed";

/// What happens, for all clients that listen: from the moment at which each came.
#[derive(Clone, Debug)]
pub(crate) struct Events(broadcast::Sender<Bytes>);

impl Events {
    /// Without clients yet.
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(MAX_WAITING))
    }

    /// Whether anybody listens.
    pub(crate) fn has_clients(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Tells all clients. It waits for none.
    pub(crate) fn send(&self, event: Bytes) {
        // Nobody needs to listen.
        let _ = self.0.send(event);
    }

    /// The response that lasts: this event, then all that happens from now on. `None` where as many are open as may be.
    pub(crate) fn stream(&self, life: &Life, first: Bytes) -> Option<Response> {
        let stream = life.stay().then(|| {
            let body = Stream { first: Some(first), next: receive(self.0.subscribe()), life: life.clone() };
            Body::new(body)
        })?;
        Some(([(CONTENT_TYPE, "text/event-stream")], stream).into_response())
    }
}

/// An event in the format of the standard (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): its name and its
/// data, as JSON in one line.
pub(crate) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("our data can be written as JSON");
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// The next event, and who receives those after it.
type Next = Pin<Box<dyn Future<Output = (Result<Bytes, RecvError>, Receiver<Bytes>)> + Send>>;

fn receive(mut receiver: Receiver<Bytes>) -> Next {
    Box::pin(async move { (receiver.recv().await, receiver) })
}

/// The body of a response that lasts.
struct Stream {
    first: Option<Bytes>,
    next: Next,
    life: Life,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    /// Asked only when there is room for it: a client that reads nothing does not renew its life.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let event = match self.first.take() {
            Some(first) => first,
            None => {
                let (received, receiver) = ready!(self.next.as_mut().poll(cx));
                self.next = receive(receiver);
                match received {
                    Ok(event) => event,
                    Err(RecvError::Lagged(events)) => event(MISSED, &serde_json::json!({ "events": events })),
                    Err(RecvError::Closed) => return Poll::Ready(None),
                }
            }
        };
        self.life.renew();
        Poll::Ready(Some(Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::SocketAddr;
    use std::sync::mpsc;
    use std::time::Duration;

    use axum::Router;
    use axum::extract::Extension;
    use axum::http::StatusCode;
    use axum::routing::get;

    use super::*;
    use crate::http::client::{Listener, STUCK, ask, connect};
    use crate::http::{Purpose, Served, serve_patiently};

    fn served(events: &Events, patience: Duration) -> (Served, SocketAddr) {
        let events = events.clone();
        let stream = async move |Extension(life): Extension<Life>| {
            events.stream(&life, event("first", &0)).ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let routes = || Router::new().route("/events", get(stream)).route("/page", get("a page\n"));
        let purpose = Purpose { attempt: "serve a page on", flag: "--page" };
        let served = serve_patiently(&["127.0.0.1:0".parse().unwrap()], routes, purpose, patience).unwrap();
        let address = served.addresses()[0];
        (served, address)
    }

    fn listen(server: SocketAddr) -> Listener {
        let mut listener = Listener::new(server, "/events", &[]).expect("it is a stream");
        assert_eq!(listener.next().unwrap(), ("first".to_owned(), 0.into()));
        listener
    }

    #[test]
    fn every_client_hears_what_happens_from_its_coming_on() {
        let events = Events::new();
        let (served, server) = served(&events, STUCK);
        assert!(!events.has_clients());
        events.send(event("number", &1));
        let mut early = listen(server);
        assert!(events.has_clients());
        events.send(event("number", &2));
        let mut late = listen(server);
        events.send(event("number", &3));
        for number in [2, 3] {
            assert_eq!(early.next().unwrap(), ("number".to_owned(), number.into()));
        }
        assert_eq!(late.next().unwrap(), ("number".to_owned(), 3.into()));
        drop(served);
        assert!(early.next().is_none() && late.next().is_none());
    }

    #[test]
    fn an_event_is_one_block_whatever_is_in_it() {
        let told = event("text", &"a\n\nevent: b\r\ndata: \u{2028}");
        assert_eq!(told.iter().filter(|byte| **byte == b'\n').count(), 3, "{told:?}");
        assert!(told.starts_with(b"event: text\ndata: \"a\\n\\n") && told.ends_with(b"\n\n") && !told.contains(&b'\r'));
    }

    #[test]
    fn a_client_that_does_not_read_loses_events_and_hears_how_many() {
        let events = Events::new();
        let (_served, server) = served(&events, 2 * STUCK);
        let mut slow = listen(server);
        let mut other = listen(server);
        // Far more than all buffers hold; each is an event and a byte of it.
        let large = "x".repeat(32 * 1024);
        let sent = 8 * MAX_WAITING as u64;
        for number in 0..sent {
            events.send(event("large", &(number, &large)));
            if number % 64 == 0 {
                // The one that reads loses nothing.
                events.send(event("mark", &number));
                other.until("mark");
            }
        }
        events.send(event("end", &0));
        let (mut heard, mut missed) = (0, 0);
        loop {
            let (name, data) = slow.next().expect("it is still served");
            match name.as_str() {
                "missed" => missed += data["events"].as_u64().unwrap(),
                "end" => break,
                _ => heard += 1,
            }
        }
        assert!(missed > 0 && heard >= MAX_WAITING as u64 - 1, "{heard} heard, {missed} missed");
        assert_eq!(heard + missed, sent + sent / 64);
        while let (name, _) = other.next().unwrap()
            && name != "end"
        {
            assert_ne!(name, "missed");
        }
    }

    #[test]
    fn a_client_that_reads_stays_longer_than_others() {
        let (patience, events) = (Duration::from_millis(200), Events::new());
        let (_served, server) = served(&events, patience);
        let mut stays = listen(server);
        let ticking = events.clone();
        let (stop, stopped) = mpsc::channel::<()>();
        let ticks = std::thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(5)) == Err(mpsc::RecvTimeoutError::Timeout) {
                ticking.send(event("tick", &0));
            }
        });
        // Each is cut off when its time is over.
        for _ in 0..5 {
            let mut idle = connect(server);
            assert_eq!(std::io::Read::read(&mut idle, &mut [0; 1]).unwrap_or(0), 0);
            stays.until("tick");
        }
        drop(stop);
        ticks.join().unwrap();
        while stays.next().is_some() {}
        assert!(!events.has_clients(), "where nothing happens, it ends, too");
    }

    #[test]
    fn a_client_that_reads_nothing_is_cut_off_in_time() {
        let events = Events::new();
        let (_served, server) = served(&events, Duration::from_millis(500));
        let mut stalled = connect(server);
        write!(stalled, "GET /events HTTP/1.1\r\n\r\n").unwrap();
        let large = event("large", &"x".repeat(64 * 1024));
        let mut began = false;
        while !began || events.has_clients() {
            began |= events.has_clients();
            events.send(large.clone());
            // Another is served meanwhile.
            assert_eq!(ask(server, "GET /page", &[], "").status, 200);
        }
    }

    #[test]
    fn streams_are_few_and_make_room_for_nobody() {
        let events = Events::new();
        let (_served, server) = served(&events, 2 * STUCK);
        let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| listen(server)).collect();
        assert_eq!(ask(server, "GET /events", &[], "").status, 503);
        let crowd: Vec<_> = (0..200).map(|_| connect(server)).collect();
        assert_eq!(ask(server, "GET /page", &[], "").status, 200);
        events.send(event("number", &1));
        for stream in &mut streams {
            assert_eq!(stream.next().unwrap().1, 1);
        }
        drop((crowd, streams.pop()));
        // It is noticed when something is sent to it.
        while Listener::new(server, "/events", &[]).is_none() {
            events.send(event("number", &2));
        }
    }
}
