//! Connections of the HTTP server: how many there are, how long they live, how much is read of each.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::events::MAX_STREAMS;
use super::life::Life;

/// Connections open at once, streams of events not counted. One more, and the oldest makes room: those that idle keep
/// nobody out.
pub(super) const MAX_CONNECTIONS: usize = 64;
/// Bytes read of a request up to its body, and as many again of what nobody asked for after it.
pub(crate) const MAX_REQUEST: usize = 8 * 1024;
/// Header lines of a request.
pub(super) const MAX_HEADERS: usize = 64;
/// Bytes of a body that a handler is given, where it takes one.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// When to accept again after the system could not: it lacked descriptors or memory.
const RETRY: Duration = Duration::from_secs(1);

/// What hyper leaves unsaid to those who begin with HTTP/2.
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Begins to serve all clients; each connection ends after `patience`, whatever its client does, or, where it carries a
/// stream of events, after so long in which the client has taken nothing. It ends with the runtime.
pub(super) fn serve(listeners: Vec<TcpListener>, routes: Router, patience: Duration) {
    let (accepted, connecting) = mpsc::channel(1);
    for listener in listeners {
        tokio::spawn(accept(listener, accepted.clone()));
    }
    tokio::spawn(admit(connecting, routes.layer(DefaultBodyLimit::max(MAX_BODY)), patience));
}

async fn accept(listener: TcpListener, accepted: mpsc::Sender<TcpStream>) {
    loop {
        match listener.accept().await {
            // It is taken for as long as the runtime runs.
            Ok((stream, _)) => drop(accepted.send(stream).await),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                // Shown where it matters: the request fails.
                _ => tokio::time::sleep(RETRY).await,
            },
        }
    }
}

async fn admit(mut connecting: mpsc::Receiver<TcpStream>, routes: Router, patience: Duration) {
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    // The oldest first.
    let mut connections: VecDeque<(JoinHandle<()>, Life)> = VecDeque::with_capacity(MAX_CONNECTIONS + MAX_STREAMS);
    while let Some(stream) = connecting.recv().await {
        connections.retain(|(connection, _)| !connection.is_finished());
        let passing = |(_, life): &(_, Life)| !life.stays();
        if connections.iter().filter(|connection| passing(connection)).count() == MAX_CONNECTIONS
            && let Some(oldest) = connections.iter().position(passing)
            && let Some((oldest, _)) = connections.remove(oldest)
        {
            oldest.abort();
            // Only then is it closed.
            let _ = oldest.await;
        }
        let (routes, life) = (routes.clone(), Life::new(patience, &places));
        let its = life.clone();
        let live = async move { its.spend(converse(stream, routes, &its)).await };
        connections.push_back((tokio::spawn(live), life));
    }
}

/// One request, its response, and the end. What goes wrong is the client's to see.
pub(crate) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: S, routes: Router, life: &Life) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request| {
        hyper::Request::extensions_mut(&mut request).insert(life.clone());
        routes.call(request)
    });
    let mut http = http1::Builder::new();
    // Who has asked may close that half: `printf ... | nc` does.
    http.keep_alive(false).half_close(true).max_headers(MAX_HEADERS).max_buf_size(MAX_REQUEST);
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    let outcome = (&mut connection).await;
    let mut stream = connection.into_parts().io.into_inner();
    if outcome.is_err_and(|error| error.is_parse_version_h2()) {
        let _ = stream.write_all(REFUSAL).await;
    }
    // hyper leaves it to others where a change of protocol was asked for.
    let _ = stream.shutdown().await;
    // To close before the client does could destroy the response (RFC 9112 section 9.6).
    let _ = tokio::io::copy(&mut stream.take(MAX_REQUEST as u64), &mut tokio::io::sink()).await;
}
