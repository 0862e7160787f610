//! An HTTP server on which verbs mount routes; it knows none of them.
//!
//! One thread serves all connections. Clients that stall, drip or come in crowds neither hold it up nor make it grow.

pub(crate) mod access;
#[cfg(test)]
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod events;
pub(crate) mod exposition;
pub(crate) mod life;
pub(crate) mod refusal;
pub(crate) mod token;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use udpkit::ErrorKind;

use crate::hint::{self, Hint};
use crate::words::endpoint::Endpoint;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;
/// Life of a connection, whatever its client does: as long as Prometheus waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that the system keeps of what a client does not read, about; unless told otherwise, Linux keeps up to 4 MiB.
const SEND_BUFFER: usize = 64 * 1024;

/// What is served, until this is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    addresses: Vec<SocketAddr>,
    /// The thread ends once the sender is dropped.
    server: Option<(oneshot::Sender<Infallible>, JoinHandle<()>)>,
}

impl Served {
    /// The addresses served, with their real ports.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Served {
    /// Ends all connections where they are, and waits for a handler that is at work.
    fn drop(&mut self) {
        let Some((running, thread)) = self.server.take() else { return };
        drop(running);
        // A thread that panicked has said so.
        let _ = thread.join();
    }
}

/// What something is served for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// What an error says could not be done to an address, such as `serve metrics on`.
    pub(crate) attempt: &'static str,
    /// The flag that chooses the address.
    pub(crate) flag: &'static str,
}

/// Serves these routes on all of these addresses until the returned value is dropped. Without an address it does nothing.
///
/// The thread is the handlers', too: one that blocks holds up all others, one that panics ends its own connection.
pub(crate) fn serve(addresses: &[SocketAddr], routes: Router, purpose: Purpose) -> Result<Served> {
    serve_patiently(addresses, || routes, purpose, PATIENCE)
}

/// Serves the routes that are made in the server's runtime, as [`serve`] does: what they [spawn](tokio::spawn) runs in its
/// thread, until the returned value is dropped. Without an address nothing is made.
pub(crate) fn serve_made(
    addresses: &[SocketAddr],
    routes: impl FnOnce() -> Router,
    purpose: Purpose,
) -> Result<Served> {
    serve_patiently(addresses, routes, purpose, PATIENCE)
}

fn serve_patiently(
    addresses: &[SocketAddr],
    routes: impl FnOnce() -> Router,
    purpose: Purpose,
    patience: Duration,
) -> Result<Served> {
    if addresses.is_empty() {
        return Ok(Served { addresses: Vec::new(), server: None });
    }
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.context("cannot wait for connections")?;
    let (mut listeners, mut real) = (Vec::new(), Vec::new());
    for &address in addresses {
        let listened = listen(address, &runtime).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listened.map_err(|cause| not_served(purpose, address, &cause))?;
        real.push(address);
        listeners.push(listener);
    }
    let routes = {
        let _entered = runtime.enter();
        routes()
    };
    let (running, ended) = oneshot::channel();
    let run = move || {
        let serving = async {
            connections::serve(listeners, routes, patience);
            let Err(_) = ended.await;
        };
        runtime.block_on(serving);
    };
    let thread = thread::Builder::new().name("http".to_owned()).spawn(run);
    let thread = thread.context("cannot start the thread that serves HTTP")?;
    Ok(Served { addresses: real, server: Some((running, thread)) })
}

/// The error of an address that cannot be listened at, and what to do about it.
fn not_served(purpose: Purpose, address: SocketAddr, cause: &io::Error) -> anyhow::Error {
    let Purpose { attempt, flag } = purpose;
    let words = format!("cannot {attempt} {}: {}", Endpoint(address), udpkit::reason(cause));
    let hint = match ErrorKind::from(cause) {
        ErrorKind::AddressInUse => Some(format!("the TCP port is taken; choose another with {flag} HOST:PORT")),
        ErrorKind::PermissionDenied => hint::privileged_port(address.port()),
        ErrorKind::AddressNotAvailable => hint::own_addresses(address.ip()),
        _ => None,
    };
    match hint {
        Some(hint) => Hint::on(words, hint),
        None => anyhow!(words),
    }
}

/// As everywhere in `udp`, IPv6 is IPv6 alone: both unspecified addresses can have the same port.
fn listen(address: SocketAddr, runtime: &runtime::Runtime) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // To start again at once. On Windows it would share the port with another program.
    socket.set_reuse_address(!cfg!(windows))?;
    socket.set_nonblocking(true)?;
    // Its connections have the same.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let _entered = runtime.enter();
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    /// What the tests serve.
    const PAGE: Purpose = Purpose { attempt: "serve a page on", flag: "--page" };

    use std::io::{Read, Write};
    use std::net::{Ipv6Addr, Shutdown, TcpStream};
    use std::sync::{Arc, mpsc};

    use axum::body::Bytes;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use tokio::sync::Notify;

    use super::connections::{MAX_BODY, MAX_CONNECTIONS, MAX_HEADERS, MAX_REQUEST};
    use super::*;

    /// Longer than any machine takes: a server that is stuck fails a test instead of holding it for ever.
    const STUCK: Duration = Duration::from_secs(60);
    /// More than the kernel keeps of what a client does not read.
    const LARGE: usize = 64 << 20;

    fn routes() -> Router {
        Router::new()
            .route("/page", get("a page\n"))
            .route("/large", post(async || vec![b'x'; LARGE]))
            .route("/length", post(async |body: Bytes| body.len().to_string()))
            .route("/broken", get(async || -> StatusCode { panic!("as asked") }))
    }

    fn loopback() -> [SocketAddr; 1] {
        ["127.0.0.1:0".parse().unwrap()]
    }

    /// A server that outlasts the patience of the tests: what it leaves open fails them.
    fn served() -> Served {
        serve_patiently(&loopback(), routes, PAGE, 2 * STUCK).unwrap()
    }

    fn connect(served: &Served) -> TcpStream {
        let stream = TcpStream::connect(served.addresses()[0]).unwrap();
        stream.set_read_timeout(Some(STUCK)).unwrap();
        stream
    }

    /// Whether the server closed the connection without a word.
    fn is_cut(mut stream: TcpStream) -> bool {
        match stream.read(&mut [0; 1]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn answer(mut stream: TcpStream) -> String {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn ask(served: &Served, request: impl AsRef<[u8]>) -> String {
        let mut stream = connect(served);
        stream.write_all(request.as_ref()).unwrap();
        answer(stream)
    }

    fn status(answer: &str) -> &str {
        answer.split(' ').nth(1).unwrap_or_default()
    }

    fn assert_serves(served: &Served) {
        assert!(ask(served, "GET /page HTTP/1.1\r\n\r\n").ends_with("\r\n\r\na page\n"));
    }

    /// The lines of the head, without the first and without the time.
    fn headers(answer: &str) -> Vec<&str> {
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        head.split("\r\n").skip(1).filter(|line| !line.starts_with("date: ")).collect()
    }

    #[test]
    fn pages_are_served_to_get_and_head() {
        let served = served();
        for target in ["/page", "/page?name=value"] {
            let got = ask(&served, format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n"));
            assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\na page\n"), "{got}");
            let expected = ["content-type: text/plain; charset=utf-8", "content-length: 7", "connection: close"];
            assert_eq!(headers(&got), expected);
            let got = ask(&served, format!("HEAD {target} HTTP/1.1\r\n\r\n"));
            assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\n"), "{got}");
            assert_eq!(headers(&got), expected);
        }
    }

    #[test]
    fn clients_of_http_1_0_are_answered_in_it_and_may_not_stay() {
        let served = served();
        for request in ["HEAD /page HTTP/1.0\r\n\r\n", "HEAD /page HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
            let got = ask(&served, request);
            assert!(got.starts_with("HTTP/1.0 200 OK\r\n"), "{got}");
            assert_eq!(headers(&got)[..2], ["content-type: text/plain; charset=utf-8", "content-length: 7"]);
            assert!(!got.contains("keep-alive"), "{got}");
        }
    }

    #[test]
    fn what_is_not_routed_is_refused() {
        let served = served();
        for target in ["/", "/page/", "*", "here:80", "example.com:80", "//", "/%2e%2e/page", "http://here", "/%ff%00"]
        {
            assert_eq!(status(&ask(&served, format!("GET {target} HTTP/1.1\r\n\r\n"))), "404", "{target}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "X"] {
            let got = ask(&served, format!("{method} /page HTTP/1.1\r\n\r\n"));
            assert_eq!(status(&got), "405", "{method}");
            assert!(headers(&got).contains(&"allow: GET,HEAD"), "{got}");
        }
    }

    #[test]
    fn garbage_is_refused_and_ends_nothing() {
        let served = served();
        let garbage: [&[u8]; 10] = [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /page\r\n\r\n",
            b"GET /page HTTP/1.1\r\n: \r\n\r\n",
            b"GET /page HTTP/1.1\r\nHost: \x00\r\n\r\n",
            b"\xff\xfe\xfd",
            b"GET  HTTP/1.1\r\n\r\n",
            b"GET /page HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /page HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"GET /page HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ];
        for bytes in garbage {
            assert_eq!(status(&ask(&served, bytes)), "400", "{}", bytes.escape_ascii());
        }
        assert_serves(&served);
    }

    #[test]
    fn long_requests_are_refused() {
        let served = served();
        let line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_REQUEST));
        let header = format!("GET /page HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(MAX_REQUEST));
        let headers = format!("GET /page HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        for request in [line, header, headers] {
            assert_eq!(status(&ask(&served, request)), "431");
        }
        let fits = format!("GET /page HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS));
        assert_eq!(status(&ask(&served, fits)), "200");
    }

    #[test]
    fn long_bodies_are_refused() {
        let served = served();
        for (len, answered) in [(0, "200"), (MAX_BODY, "200"), (MAX_BODY + 1, "413"), (1 << 60, "413")] {
            let mut stream = connect(&served);
            write!(stream, "POST /length HTTP/1.1\r\nContent-Length: {len}\r\n\r\n").unwrap();
            stream.write_all(&vec![b'x'; len.min(MAX_BODY + 1)]).unwrap();
            assert_eq!(status(&answer(stream)), answered, "{len}");
        }
        let chunk = format!("{MAX_BODY:x}\r\n{}\r\n", "x".repeat(MAX_BODY));
        for (chunks, answered) in [(chunk.clone() + "0\r\n\r\n", "200"), (chunk + "1\r\nx\r\n0\r\n\r\n", "413")] {
            let request = format!("POST /length HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(status(&ask(&served, request)), answered);
        }
    }

    #[test]
    fn no_other_protocol_is_agreed_on() {
        let served = served();
        for protocol in ["h2c", "websocket"] {
            let request = format!("GET /page HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
            assert_eq!(status(&ask(&served, request)), "200");
        }
    }

    #[test]
    fn one_request_of_a_pipeline_is_answered() {
        let served = served();
        let got = ask(&served, "GET /page HTTP/1.1\r\n\r\n".repeat(8));
        assert_eq!(got.matches("HTTP/1.1 200 OK").count(), 1, "{got}");
    }

    #[test]
    fn a_client_that_will_not_send_on_hears_its_answer() {
        let asked = Arc::new(Notify::new());
        let later = Arc::clone(&asked);
        let routes = routes().route("/", get(async move || later.notified().await));
        let served = serve(&loopback(), routes, PAGE).unwrap();
        let mut stream = connect(&served);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // After some turns the server knows.
        (0..10).for_each(|_| assert_serves(&served));
        asked.notify_one();
        assert_eq!(status(&answer(stream)), "200");
    }

    #[test]
    fn a_client_that_sends_on_hears_its_answer() {
        let served = served();
        for length in ["Content-Length: 4096", "Content-Length: 4096\r\nExpect: 100-continue"] {
            let mut stream = connect(&served);
            write!(stream, "POST /page HTTP/1.1\r\n{length}\r\n\r\n").unwrap();
            assert_eq!(status(&answer(stream.try_clone().unwrap())), "405");
            // Whatever the server does at the end of a response, it has done now.
            assert_serves(&served);
            for _ in 0..4 {
                stream.write_all(&[b'x'; 1024]).unwrap();
            }
        }
    }

    #[test]
    fn a_client_that_reads_late_hears_all_of_its_answer() {
        let served = served();
        let mut stream = connect(&served);
        stream.write_all(b"POST /large HTTP/1.1\r\nContent-Length: 4096\r\n\r\n").unwrap();
        // Meanwhile the response waits.
        assert_serves(&served);
        let answer = answer(stream);
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1.len(), LARGE);
    }

    #[test]
    fn a_client_that_sends_without_end_is_cut_off() {
        let served = served();
        for request in ["GET /page HTTP/1.1\r\n\r\n", "GET /page HTTP/1.1\r\nHost: ", "GET /"] {
            let mut stream = connect(&served);
            stream.write_all(request.as_bytes()).unwrap();
            assert!((0..1 << 20).any(|_| stream.write_all(&[b'x'; 1024]).is_err()));
        }
    }

    #[test]
    fn a_request_may_come_in_pieces_while_others_are_served() {
        let served = served();
        let mut slow = connect(&served);
        let request = format!("GET /page HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(MAX_CONNECTIONS));
        for byte in request.bytes() {
            assert_serves(&served);
            slow.write_all(&[byte]).unwrap();
        }
        assert!(answer(slow).ends_with("\r\n\r\na page\n"));
    }

    #[test]
    fn a_crowd_of_idle_clients_keeps_nobody_out() {
        let served = served();
        let mut idle: Vec<_> = (0..200).map(|_| connect(&served)).collect();
        assert!(idle.len() > MAX_CONNECTIONS + BACKLOG as usize);
        assert_serves(&served);
        let last = idle.pop().unwrap();
        assert!(is_cut(idle.swap_remove(0)), "the oldest makes room");
        (&last).write_all(b"HEAD /page HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(status(&answer(last)), "200", "the youngest stays");
    }

    #[test]
    fn a_silent_client_is_cut_off_in_time() {
        let served = serve_patiently(&loopback(), routes, PAGE, Duration::from_millis(1)).unwrap();
        assert!(is_cut(connect(&served)));
    }

    /// A page that tells its end.
    struct Page(Vec<u8>, mpsc::Sender<()>);

    impl Drop for Page {
        fn drop(&mut self) {
            self.1.send(()).unwrap();
        }
    }

    impl AsRef<[u8]> for Page {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off_in_time() {
        let (page, ended) = mpsc::channel();
        let routes = Router::new().route("/", get(async || Bytes::from_owner(Page(vec![b'x'; LARGE], page))));
        let served = serve_patiently(&loopback(), || routes, PAGE, Duration::from_millis(500)).unwrap();
        let mut stream = connect(&served);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        ended.recv_timeout(STUCK).unwrap();
        let mut got = Vec::new();
        assert!(stream.read_to_end(&mut got).is_err() || got.len() < LARGE);
    }

    #[test]
    fn a_handler_that_panics_ends_its_own_connection() {
        let served = served();
        assert!(is_cut({
            let mut stream = connect(&served);
            stream.write_all(b"GET /broken HTTP/1.1\r\n\r\n").unwrap();
            stream
        }));
        assert_serves(&served);
    }

    #[test]
    fn dropping_ends_it() {
        let routed = Arc::new(());
        let held = Arc::clone(&routed);
        let routes = routes().route("/held", get(async move || drop(held)));
        let served = serve(&loopback(), routes, PAGE).unwrap();
        let idle = connect(&served);
        let mut stalled = connect(&served);
        stalled.write_all(b"POST /large HTTP/1.1\r\n\r\n").unwrap();
        assert_serves(&served);
        let address = served.addresses()[0];
        drop(served);
        assert_eq!(Arc::strong_count(&routed), 1, "the thread is gone");
        assert!(is_cut(idle));
        TcpStream::connect(address).unwrap_err();
        assert_serves(&serve(&[address], Router::new().route("/page", get("a page\n")), PAGE).unwrap());
    }

    #[test]
    fn without_an_address_nothing_is_started() {
        let served = serve(&[], routes(), PAGE).unwrap();
        assert!(served.addresses().is_empty() && served.server.is_none());
    }

    #[test]
    fn every_address_is_served() {
        let addresses = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        if !has_v6() {
            return;
        }
        let mut served = serve(&addresses, routes(), PAGE).unwrap();
        for _ in addresses {
            assert_serves(&served);
            served.addresses.rotate_left(1);
        }
    }

    #[test]
    fn both_families_can_have_the_same_port() {
        if !has_v6() {
            return;
        }
        let v4 = serve(&["0.0.0.0:0".parse().unwrap()], routes(), PAGE).unwrap();
        let port = v4.addresses()[0].port();
        serve(&[SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)], routes(), PAGE).unwrap();
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let holder = served();
        let taken = holder.addresses()[0];
        let error = serve(&[taken], routes(), PAGE).unwrap_err();
        #[cfg(unix)]
        assert_eq!(error.to_string(), format!("cannot serve a page on {taken}: address already in use"));
        assert_eq!(hint::hint(&error).as_deref(), Some("the TCP port is taken; choose another with --page HOST:PORT"));
    }

    fn has_v6() -> bool {
        let has = std::net::TcpListener::bind("[::1]:0").is_ok();
        if !has {
            assert_ne!(std::env::var("UDP_REQUIRE_ALL").as_deref(), Ok("1"), "no IPv6 here");
            println!("skipped: no IPv6 here");
        }
        has
    }
}
