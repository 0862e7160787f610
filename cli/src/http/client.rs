//! A client for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any machine takes: a server that is stuck fails a test instead of holding it for ever.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The lines of the head but the first, names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    /// The body, which is JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert!(self.headers.contains(&"content-type: application/json".to_owned()), "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A connection to a server.
pub(crate) fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream
}

/// Sends these bytes.
pub(crate) fn raw(server: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request}: {answer}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    Answer { status, headers: lines.map(str::to_owned).collect(), body: body.to_owned() }
}

/// Sends a request with these header lines, among which need be no `Host`, and this body.
pub(crate) fn ask(server: SocketAddr, request: &str, headers: &[&str], body: &str) -> Answer {
    let host = format!("Host: {server}");
    let host = Some(host.as_str()).filter(|_| !headers.iter().any(|line| line.starts_with("Host:")));
    let headers: String = host.iter().chain(headers).map(|line| format!("{line}\r\n")).collect();
    raw(server, &format!("{request} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// A stream of events that a server sends.
#[derive(Debug)]
pub(crate) struct Listener(BufReader<TcpStream>);

impl Listener {
    /// Asks for the events at this path, and reads the head of the answer; `None` where it is no stream.
    pub(crate) fn new(server: SocketAddr, path: &str, headers: &[&str]) -> Option<Self> {
        let mut stream = connect(server);
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\n{headers}\r\n").unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        head.contains("\r\ncontent-type: text/event-stream\r\n").then_some(Self(lines))
    }

    /// The next event and its data; `None` where the stream has ended.
    pub(crate) fn next(&mut self) -> Option<(String, serde_json::Value)> {
        let (mut name, mut data) = (String::new(), None);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end();
            // Other lines are the lengths of chunks, and what ends them.
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")));
            } else if line.is_empty() && data.is_some() {
                return data.map(|data| (name, data));
            }
        }
    }

    /// The data of the next event of this name.
    pub(crate) fn until(&mut self, name: &str) -> serde_json::Value {
        loop {
            let (event, data) = self.next().unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event == name {
                return data;
            }
        }
    }
}
