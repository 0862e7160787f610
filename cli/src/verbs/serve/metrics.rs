//! Prometheus metrics over HTTP: what a run came to so far, for whoever asks.
//!
//! One thread serves all connections. Clients that stall, drip or come in crowds neither hold it up nor make it grow.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use udpkit::{Reason, Report};

/// Connections open at once. One more, and the oldest makes room: those that idle keep nobody out.
const MAX_CONNECTIONS: usize = 64;
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 128;
/// Bytes read of a request, and as many again of what follows it.
const MAX_REQUEST: usize = 8 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 64;
/// Life of a connection, whatever its client does: as long as Prometheus waits unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to accept again after the system could not: it lacked descriptors or memory.
const RETRY: Duration = Duration::from_secs(1);

// Smaller tokens are places of connections.
const STOP: Token = Token(MAX_CONNECTIONS);
const LISTENER: Token = Token(MAX_CONNECTIONS + 1);

const PATH: &str = "/metrics";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Metrics that are being served, until this is dropped.
#[derive(Debug)]
pub(crate) struct Metrics {
    addresses: Vec<SocketAddr>,
    server: Option<(Waker, JoinHandle<()>)>,
}

impl Metrics {
    /// The addresses served, with their real ports.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

impl Drop for Metrics {
    /// Waits for the report that is being made, if one is.
    fn drop(&mut self) {
        let Some((waker, thread)) = self.server.take() else { return };
        // A thread that cannot be woken would be waited for in vain; one that panicked has said so.
        if waker.wake().is_ok() {
            let _ = thread.join();
        }
    }
}

/// Serves metrics on all of these addresses until the returned value is dropped; `report` is asked at each scrape.
/// Without an address it does nothing.
pub(crate) fn serve(addresses: &[SocketAddr], report: impl Fn() -> Report + Send + 'static) -> Result<Metrics> {
    serve_patiently(addresses, report, PATIENCE)
}

/// The report in Prometheus' text format, version 0.0.4
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
pub(crate) fn text(report: &Report) -> String {
    let reasons = Reason::ALL.map(|reason| (format!("{{reason=\"{}\"}}", reason.key()), report.ignored.of(reason)));
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    let drops_help = "Datagrams that the kernel dropped at our sockets; a dropped train may count as one.";
    let drops = report.kernel_drops.map(|drops| metric("dropped_datagrams_total", drops_help, drops));
    [
        metric("received_datagrams_total", "Datagrams received.", report.received.datagrams),
        metric("received_bytes_total", "Payload bytes received.", report.received.bytes),
        metric("answered_datagrams_total", "Datagrams received and answered.", report.answered),
        metric(
            "reply_failed_datagrams_total",
            "Datagrams received whose reply could not be sent.",
            report.reply_failed,
        ),
        metric("taken_datagrams_total", "Datagrams received and taken without a reply, as asked.", report.sunk),
        family("ignored_datagrams_total", "Datagrams received and not used, by reason.", &reasons),
        metric("truncated_datagrams_total", "Datagrams cut off on receipt; counted elsewhere, too.", report.truncated),
        metric("waiting_datagrams", "Datagrams received whose reply is not due or not made yet.", report.waiting),
        metric("peers", "Different sources of what was received, estimated.", report.peers.estimate()),
        metric(
            "copied_datagrams_total",
            "Copies for one worker of what another decides on; not in those received.",
            report.copies,
        ),
        drops.unwrap_or_default(),
        metric("sent_datagrams_total", "Datagrams sent.", report.sent.datagrams),
        metric("sent_bytes_total", "Payload bytes sent.", report.sent.bytes),
        metric("unreachable_datagrams_total", "Datagrams of ours that were refused (ICMP).", report.unreachable),
        metric("uptime_seconds", "How long it has been serving.", report.elapsed.as_secs_f64()),
        family("build_info", "Always 1; what was built is in the labels.", &[(version, 1)]),
    ]
    .concat()
}

/// A family of one sample.
fn metric(name: &str, help: &str, value: impl Display) -> String {
    family(name, help, &[(String::new(), value)])
}

/// Samples with their labels, which are ours and need no escapes: no more do name and help.
fn family(name: &str, help: &str, samples: &[(String, impl Display)]) -> String {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    let head = format!("# HELP udp_serve_{name} {help}\n# TYPE udp_serve_{name} {kind}\n");
    let samples = samples.iter().map(|(labels, value)| format!("udp_serve_{name}{labels} {value}\n"));
    head + &samples.collect::<String>()
}

fn serve_patiently(
    addresses: &[SocketAddr],
    report: impl Fn() -> Report + Send + 'static,
    patience: Duration,
) -> Result<Metrics> {
    if addresses.is_empty() {
        return Ok(Metrics { addresses: Vec::new(), server: None });
    }
    let poll = Poll::new().context("cannot wait for connections")?;
    let waker = Waker::new(poll.registry(), STOP).context("cannot wait for connections")?;
    let (mut listeners, mut real) = (Vec::new(), Vec::new());
    for &address in addresses {
        let listened = listen(address, &poll).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listened.map_err(|cause| udpkit::Error::new("serve metrics on", address, cause))?;
        real.push(address);
        listeners.push(listener);
    }
    let connections = (0..MAX_CONNECTIONS).map(|_| None).collect();
    let mut server = Server { poll, listeners, accept_at: None, connections, patience, report };
    let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || server.run());
    let thread = thread.context("cannot start the thread that serves metrics")?;
    Ok(Metrics { addresses: real, server: Some((waker, thread)) })
}

/// As everywhere in `udp`, IPv6 is IPv6 alone: both unspecified addresses can have the same port.
fn listen(address: SocketAddr, poll: &Poll) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // To start again at once. On Windows it would share the port with another program.
    socket.set_reuse_address(!cfg!(windows))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let mut listener = TcpListener::from_std(socket.into());
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    Ok(listener)
}

struct Server<R> {
    poll: Poll,
    listeners: Vec<TcpListener>,
    /// When to accept, if somebody may be waiting for it.
    accept_at: Option<Instant>,
    /// Always [`MAX_CONNECTIONS`] places; the place is the token.
    connections: Vec<Option<Connection>>,
    patience: Duration,
    report: R,
}

impl<R: Fn() -> Report> Server<R> {
    fn run(&mut self) {
        let mut events = Events::with_capacity(MAX_CONNECTIONS);
        loop {
            match self.poll.poll(&mut events, self.wait()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome.expect("its arguments are right, and nothing else can fail"),
            }
            for event in &events {
                match event.token() {
                    STOP => return,
                    LISTENER => self.accept_at = Some(now()),
                    Token(place) => self.advance(place),
                }
            }
            let now = now();
            for place in &mut self.connections {
                place.take_if(|connection| connection.end <= now);
            }
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept_at = self.accept(now);
            }
        }
    }

    /// How long there is nothing to do unless something happens.
    fn wait(&self) -> Option<Duration> {
        let ends = self.connections.iter().flatten().map(|connection| connection.end);
        ends.chain(self.accept_at).min().map(|moment| moment.saturating_duration_since(now()))
    }

    /// Accepts once at each listener, so that those accepted before have their turn; returns when to do it again.
    fn accept(&mut self, now: Instant) -> Option<Instant> {
        let outcomes: Vec<_> = self.listeners.iter().map(TcpListener::accept).collect();
        let again = outcomes.into_iter().filter_map(|outcome| match outcome {
            Ok((stream, _)) => {
                self.admit(stream, now + self.patience);
                Some(now)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => None,
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => Some(now),
                // Shown where it matters: the scrape fails.
                _ => Some(now + RETRY),
            },
        });
        again.min()
    }

    fn admit(&mut self, mut stream: TcpStream, end: Instant) {
        // No end comes before any end, and the oldest connection has the first.
        let ends = self.connections.iter().map(|place| place.as_ref().map(|connection| connection.end));
        let Some((place, _)) = ends.enumerate().min_by_key(|(_, end)| *end) else { return };
        if self.poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE).is_ok() {
            self.connections[place] = Some(Connection { stream, end, stage: Stage::Request(Vec::new()) });
            self.advance(place);
        }
    }

    /// Goes on with a connection until its client must be waited for, or it ends.
    fn advance(&mut self, place: usize) {
        let Some(connection) = &mut self.connections[place] else { return };
        loop {
            match connection.step(&self.report).map_err(|error| error.kind()) {
                Ok(()) | Err(io::ErrorKind::Interrupted) => {}
                Err(io::ErrorKind::WouldBlock) => return,
                // What went wrong is the client's to see.
                Err(_) => break,
            }
        }
        self.connections[place] = None;
    }
}

#[expect(clippy::disallowed_methods, reason = "connections end in time")]
fn now() -> Instant {
    Instant::now()
}

struct Connection {
    stream: TcpStream,
    /// When it is closed, whatever has become of it.
    end: Instant,
    stage: Stage,
}

enum Stage {
    /// So much has come of the request.
    Request(Vec<u8>),
    /// So much of the response is still to be sent.
    Response(Vec<u8>),
    /// So much may still be read. To close before the client does could destroy the response (RFC 9112 section 9.6).
    Farewell(usize),
}

impl Connection {
    /// Reads or writes once; the end is an error, too.
    fn step(&mut self, report: impl Fn() -> Report) -> io::Result<()> {
        match &mut self.stage {
            Stage::Request(request) => {
                read(&mut self.stream, request)?;
                if let Some(response) = respond(request, report) {
                    self.stage = Stage::Response(response);
                }
            }
            Stage::Response(response) => {
                let len = self.stream.write(response)?;
                response.drain(..len);
                if response.is_empty() {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.stage = Stage::Farewell(MAX_REQUEST);
                }
            }
            Stage::Farewell(left) => {
                let len = read(&mut self.stream, &mut Vec::new())?;
                *left = left.checked_sub(len).ok_or(io::ErrorKind::QuotaExceeded)?;
            }
        }
        Ok(())
    }
}

/// Appends what is there, a buffer full at most.
fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut buffer = [0; 1024];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        len => {
            bytes.extend_from_slice(&buffer[..len]);
            Ok(len)
        }
    }
}

/// The response to a request, once that is complete or cannot become it.
fn respond(request: &[u8], report: impl Fn() -> Report) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let (status, kind, body) = match parsed.parse(request) {
        Ok(httparse::Status::Partial) if request.len() < MAX_REQUEST => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            ("431 Request Header Fields Too Large", PLAIN, "the request is too long\n".to_owned())
        }
        Err(error) => ("400 Bad Request", PLAIN, format!("cannot read the request: {error}\n")),
        Ok(httparse::Status::Complete(_)) => {
            let target = parsed.path.unwrap_or_default();
            let path = target.split_once('?').map_or(target, |(path, _)| path);
            match (parsed.method.unwrap_or_default(), path) {
                ("GET" | "HEAD", PATH) => ("200 OK", EXPOSITION, text(&report())),
                ("GET" | "HEAD", "/") => ("200 OK", PLAIN, format!("udp serve: the metrics are at {PATH}\n")),
                ("GET" | "HEAD", _) => ("404 Not Found", PLAIN, format!("the metrics are at {PATH}\n")),
                _ => ("405 Method Not Allowed", PLAIN, "only GET and HEAD are answered\n".to_owned()),
            }
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let body = if parsed.method == Some("HEAD") { "" } else { &body };
    Some([head.as_bytes(), body.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use snapbox::{assert_data_eq, str};

    use super::*;

    /// Longer than any machine takes: a server that is stuck fails a test instead of holding it for ever.
    const STUCK: Duration = Duration::from_secs(60);

    fn report() -> Report {
        let mut report = Report::default();
        report.received.add(8, 800);
        report.sent.add(4, 400);
        report.answered = 4;
        report.ignored.add(Reason::RateLimit, 3);
        report.waiting = 1;
        report.kernel_drops = Some(2);
        report.elapsed = Duration::from_millis(1500);
        report
    }

    fn metrics() -> Metrics {
        serve(&["127.0.0.1:0".parse().unwrap()], report).unwrap()
    }

    fn connect(metrics: &Metrics) -> TcpStream {
        let stream = TcpStream::connect(metrics.addresses()[0]).unwrap();
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

    fn ask(metrics: &Metrics, request: impl AsRef<[u8]>) -> String {
        let mut stream = connect(metrics);
        stream.write_all(request.as_ref()).unwrap();
        answer(stream)
    }

    fn status(answer: &str) -> &str {
        answer.split(' ').nth(1).unwrap_or_default()
    }

    fn assert_serves(metrics: &Metrics) {
        assert!(ask(metrics, "GET /metrics HTTP/1.1\r\n\r\n").ends_with(&text(&report())));
    }

    #[test]
    fn a_report_reads_like_this() {
        assert_data_eq!(
            text(&report()),
            str![[r##"
# HELP udp_serve_received_datagrams_total Datagrams received.
# TYPE udp_serve_received_datagrams_total counter
udp_serve_received_datagrams_total 8
# HELP udp_serve_received_bytes_total Payload bytes received.
# TYPE udp_serve_received_bytes_total counter
udp_serve_received_bytes_total 800
# HELP udp_serve_answered_datagrams_total Datagrams received and answered.
# TYPE udp_serve_answered_datagrams_total counter
udp_serve_answered_datagrams_total 4
# HELP udp_serve_reply_failed_datagrams_total Datagrams received whose reply could not be sent.
# TYPE udp_serve_reply_failed_datagrams_total counter
udp_serve_reply_failed_datagrams_total 0
# HELP udp_serve_taken_datagrams_total Datagrams received and taken without a reply, as asked.
# TYPE udp_serve_taken_datagrams_total counter
udp_serve_taken_datagrams_total 0
# HELP udp_serve_ignored_datagrams_total Datagrams received and not used, by reason.
# TYPE udp_serve_ignored_datagrams_total counter
udp_serve_ignored_datagrams_total{reason="source_port_zero"} 0
udp_serve_ignored_datagrams_total{reason="source_address"} 0
udp_serve_ignored_datagrams_total{reason="own_socket"} 0
udp_serve_ignored_datagrams_total{reason="responder_port"} 0
udp_serve_ignored_datagrams_total{reason="own_reply"} 0
udp_serve_ignored_datagrams_total{reason="hops_spent"} 0
udp_serve_ignored_datagrams_total{reason="amplification"} 0
udp_serve_ignored_datagrams_total{reason="rate_limit"} 3
udp_serve_ignored_datagrams_total{reason="busy"} 0
udp_serve_ignored_datagrams_total{reason="no_rule"} 0
udp_serve_ignored_datagrams_total{reason="rule_silent"} 0
udp_serve_ignored_datagrams_total{reason="rule_loss"} 0
udp_serve_ignored_datagrams_total{reason="no_reply"} 0
udp_serve_ignored_datagrams_total{reason="reply_error"} 0
udp_serve_ignored_datagrams_total{reason="reply_late"} 0
udp_serve_ignored_datagrams_total{reason="reply_too_long"} 0
udp_serve_ignored_datagrams_total{reason="unfinished"} 0
udp_serve_ignored_datagrams_total{reason="truncated"} 0
udp_serve_ignored_datagrams_total{reason="other_interface"} 0
udp_serve_ignored_datagrams_total{reason="other_destination"} 0
udp_serve_ignored_datagrams_total{reason="other_source"} 0
udp_serve_ignored_datagrams_total{reason="no_match"} 0
udp_serve_ignored_datagrams_total{reason="own_copy"} 0
udp_serve_ignored_datagrams_total{reason="duplicate"} 0
udp_serve_ignored_datagrams_total{reason="queue_full"} 0
udp_serve_ignored_datagrams_total{reason="after_end"} 0
# HELP udp_serve_truncated_datagrams_total Datagrams cut off on receipt; counted elsewhere, too.
# TYPE udp_serve_truncated_datagrams_total counter
udp_serve_truncated_datagrams_total 0
# HELP udp_serve_waiting_datagrams Datagrams received whose reply is not due or not made yet.
# TYPE udp_serve_waiting_datagrams gauge
udp_serve_waiting_datagrams 1
# HELP udp_serve_peers Different sources of what was received, estimated.
# TYPE udp_serve_peers gauge
udp_serve_peers 0
# HELP udp_serve_copied_datagrams_total Copies for one worker of what another decides on; not in those received.
# TYPE udp_serve_copied_datagrams_total counter
udp_serve_copied_datagrams_total 0
# HELP udp_serve_dropped_datagrams_total Datagrams that the kernel dropped at our sockets; a dropped train may count as one.
# TYPE udp_serve_dropped_datagrams_total counter
udp_serve_dropped_datagrams_total 2
# HELP udp_serve_sent_datagrams_total Datagrams sent.
# TYPE udp_serve_sent_datagrams_total counter
udp_serve_sent_datagrams_total 4
# HELP udp_serve_sent_bytes_total Payload bytes sent.
# TYPE udp_serve_sent_bytes_total counter
udp_serve_sent_bytes_total 400
# HELP udp_serve_unreachable_datagrams_total Datagrams of ours that were refused (ICMP).
# TYPE udp_serve_unreachable_datagrams_total counter
udp_serve_unreachable_datagrams_total 0
# HELP udp_serve_uptime_seconds How long it has been serving.
# TYPE udp_serve_uptime_seconds gauge
udp_serve_uptime_seconds 1.5
# HELP udp_serve_build_info Always 1; what was built is in the labels.
# TYPE udp_serve_build_info gauge
udp_serve_build_info{version="[..]"} 1

"##]]
        );
    }

    #[test]
    fn every_sample_stands_in_the_family_that_was_announced() {
        let text = text(&report());
        assert!(text.ends_with('\n'));
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let (mut family, mut seen) = (None, Vec::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').unwrap();
                assert!(is_name(name) && name.starts_with("udp_serve_"), "{name}");
                assert!(words.ends_with('.') && !words.contains('\\'), "{words}");
                assert!(!seen.contains(&name), "{name} twice");
                seen.push(name);
                let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap().strip_prefix(name).unwrap();
                assert_eq!(kind, if name.ends_with("_total") { " counter" } else { " gauge" });
                family = Some(name);
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            assert_eq!(Some(name), family);
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
            if !labels.is_empty() {
                let (label, value) = labels.strip_suffix("\"}").unwrap().split_once("=\"").unwrap();
                assert!(is_name(label) && !value.contains(['"', '\\']), "{line}");
            }
        }
        assert_eq!(text.matches("{reason=").count(), Reason::ALL.len());
    }

    #[test]
    fn drops_that_the_system_does_not_count_are_left_out() {
        assert!(!text(&Report::default()).contains("dropped"));
    }

    #[test]
    fn metrics_are_served_to_get_and_head() {
        let metrics = metrics();
        let body = text(&report());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
             Allow: GET, HEAD\r\nConnection: close\r\n\r\n",
            body.len()
        );
        for target in ["/metrics", "/metrics?name=value"] {
            assert_eq!(
                ask(&metrics, format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n")),
                head.clone() + body.as_str()
            );
            assert_eq!(ask(&metrics, format!("HEAD {target} HTTP/1.0\r\n\r\n")), head);
        }
    }

    #[test]
    fn other_requests_are_told_where_the_metrics_are() {
        let metrics = metrics();
        let root = ask(&metrics, "GET / HTTP/1.1\r\n\r\n");
        assert!(root.starts_with("HTTP/1.1 200 ") && root.ends_with("the metrics are at /metrics\n"), "{root}");
        for target in ["/metrics/", "/favicon.ico", "*", "here:80", "//", "/%2e%2e/metrics"] {
            assert_eq!(status(&ask(&metrics, format!("GET {target} HTTP/1.1\r\n\r\n"))), "404", "{target}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", "X"] {
            assert_eq!(status(&ask(&metrics, format!("{method} /metrics HTTP/1.1\r\n\r\n"))), "405", "{method}");
        }
    }

    #[test]
    fn garbage_is_refused_and_ends_nothing() {
        let metrics = metrics();
        let garbage: [&[u8]; 6] = [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /metrics\r\n\r\n",
            b"GET /metrics HTTP/1.1\r\n: \r\n\r\n",
            b"GET /metrics HTTP/1.1\r\nHost: \x00\r\n\r\n",
            b"\xff\xfe\xfd",
        ];
        for bytes in garbage {
            assert_eq!(status(&ask(&metrics, bytes)), "400", "{}", bytes.escape_ascii());
        }
        assert_serves(&metrics);
    }

    #[test]
    fn long_requests_are_refused() {
        let metrics = metrics();
        let line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_REQUEST));
        let header = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(MAX_REQUEST));
        let headers = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
        for request in [line, header, headers] {
            assert_eq!(status(&ask(&metrics, request)), "431");
        }
        let fits = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS));
        assert_eq!(status(&ask(&metrics, fits)), "200");
    }

    #[test]
    fn a_client_that_sends_on_hears_its_answer() {
        let metrics = metrics();
        let mut stream = connect(&metrics);
        stream.write_all(b"POST /metrics HTTP/1.1\r\nContent-Length: 4096\r\n\r\n").unwrap();
        assert_eq!(status(&answer(stream.try_clone().unwrap())), "405");
        for _ in 0..4 {
            stream.write_all(&[b'x'; 1024]).unwrap();
        }
    }

    #[test]
    fn a_client_that_sends_without_end_is_cut_off() {
        let metrics = serve_patiently(&["127.0.0.1:0".parse().unwrap()], report, STUCK).unwrap();
        let mut stream = connect(&metrics);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!((0..1 << 20).any(|_| stream.write_all(&[b'x'; 1024]).is_err()));
    }

    #[test]
    fn a_request_may_come_in_pieces_while_others_are_served() {
        let metrics = metrics();
        let mut slow = connect(&metrics);
        for byte in b"GET /metrics HTTP/1.1\r\n\r\n" {
            assert_serves(&metrics);
            slow.write_all(&[*byte]).unwrap();
        }
        assert!(answer(slow).ends_with(&text(&report())));
    }

    #[test]
    fn a_crowd_of_idle_clients_keeps_nobody_out() {
        let metrics = metrics();
        let mut idle: Vec<_> = (0..200).map(|_| connect(&metrics)).collect();
        assert!(idle.len() > MAX_CONNECTIONS + BACKLOG as usize);
        assert_serves(&metrics);
        let last = idle.pop().unwrap();
        assert!(is_cut(idle.swap_remove(0)), "the oldest makes room");
        (&last).write_all(b"HEAD / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(status(&answer(last)), "200", "the youngest stays");
    }

    #[test]
    fn a_silent_client_is_cut_off_in_time() {
        let addresses = ["127.0.0.1:0".parse().unwrap()];
        let metrics = serve_patiently(&addresses, report, Duration::from_millis(1)).unwrap();
        assert!(is_cut(connect(&metrics)));
    }

    #[test]
    fn dropping_ends_it() {
        let metrics = metrics();
        let stream = connect(&metrics);
        drop(metrics);
        assert!(is_cut(stream));
    }

    #[test]
    fn each_scrape_asks_anew() {
        let asked = std::sync::atomic::AtomicU64::new(0);
        let report = move || {
            let mut report = Report::default();
            report.answered = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            report
        };
        let metrics = serve(&["127.0.0.1:0".parse().unwrap()], report).unwrap();
        for scrape in 0..3 {
            let answer = ask(&metrics, "GET /metrics HTTP/1.1\r\n\r\n");
            assert!(answer.contains(&format!("\nudp_serve_answered_datagrams_total {scrape}\n")), "{answer}");
        }
    }

    #[test]
    fn without_an_address_nothing_is_started() {
        let metrics = serve(&[], report).unwrap();
        assert!(metrics.addresses().is_empty() && metrics.server.is_none());
    }

    #[test]
    fn every_address_is_served() {
        let addresses = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        if !has_v6() {
            return;
        }
        let mut metrics = serve(&addresses, report).unwrap();
        for _ in addresses {
            assert_serves(&metrics);
            metrics.addresses.rotate_left(1);
        }
    }

    #[test]
    fn both_families_can_have_the_same_port() {
        if !has_v6() {
            return;
        }
        let v4 = serve(&["0.0.0.0:0".parse().unwrap()], report).unwrap();
        let port = v4.addresses()[0].port();
        serve(&[SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port)], report).unwrap();
    }

    #[test]
    fn an_address_that_is_taken_is_named() {
        let holder = metrics();
        let taken = holder.addresses()[0];
        let error = serve(&[taken], report).unwrap_err();
        #[cfg(unix)]
        assert_eq!(error.to_string(), format!("cannot serve metrics on {taken}: address already in use"));
        assert!(error.downcast_ref::<udpkit::Error>().unwrap().is_in_use());
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
