//! What the tests of the command share: programs that run, what they say, and an end to every wait.
#![allow(dead_code, reason = "each test crate uses a part of it")]

#[path = "../../../lib/tests/netns/mod.rs"]
pub(crate) mod netns;
pub(crate) mod pages;
#[path = "../../../lib/tests/refusal/mod.rs"]
pub(crate) mod refusal;
pub(crate) mod schema;
#[cfg(target_os = "linux")]
pub(crate) mod terminal;

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use netns::Lan;
use serde_json::Value;

/// No program of a test needs as long as this; it is killed then, which ends whatever waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What programs of the lesson begin with. They end by themselves, too, when nothing comes.
const PRELUDE: &str = "
import sys, time
from socket import *
setdefaulttimeout(45)
def say(*words):
    print(*words, flush=True)
def ask(to, payload, family=AF_INET):
    s = socket(family, SOCK_DGRAM)
    s.sendto(payload, to)
    return s.recvfrom(65536)
";

/// Datagrams with forged sources, from a host of which the kernel lets us. Arguments, for each: source, its port,
/// destination, its port, hop limit, payload.
pub(crate) const FORGE: &str = "
import struct
def checksum(data):
    total = sum(struct.unpack('!%dH' % ((len(data) + 1) // 2), data + b'\\0' * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff or 0xffff
def forge(source, source_port, destination, port, hops, payload):
    payload = payload.encode()
    v6 = ':' in destination
    family = AF_INET6 if v6 else AF_INET
    addresses = inet_pton(family, source) + inet_pton(family, destination)
    length = 8 + len(payload)
    udp = struct.pack('!HHHH', int(source_port), int(port), length, 0) + payload
    sum16 = checksum(addresses + struct.pack('!LL', length, 17) + udp)
    udp = udp[:6] + struct.pack('!H', sum16) + udp[8:]
    if v6:
        ip = struct.pack('!LHBB', 6 << 28, length, 17, int(hops)) + addresses
    else:
        ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + length, 1, 0, int(hops), 17, 0) + addresses
    s = socket(family, SOCK_RAW, IPPROTO_RAW)
    if not v6:
        s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
    s.sendto(ip + udp, (destination, 0))
for first in range(1, len(sys.argv), 6):
    forge(*sys.argv[first:first + 6])
";

/// Where a program runs.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// In the namespace of the test itself.
    Here,
    /// On a host of a throw-away network.
    On(&'a Lan, &'a str),
    /// Where the cables of its hosts end.
    Bridge(&'a Lan),
}

/// Returns when what is sent to the IPv6 addresses here is delivered: a worker of the kernel adds the route for it some time
/// after an address was added, and until then it is lost without a word (`lib/tests/netns`).
const DELIVERED: &str = r#"
for address in $(ip -6 -o address show up -tentative | sed 's,.* inet6 \([^/ ]*\).*,\1,'); do
    tries=0
    until ip -6 route show table local | grep -qF "local $address "; do
        tries=$((tries + 1))
        [ "$tries" -lt 5000 ]
    done
done
"#;

impl Place<'_> {
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match self {
            Self::Here => Command::new(program),
            Self::On(lan, host) => lan.command(host, program),
            Self::Bridge(lan) => lan.here(program),
        };
        command.env_remove("NO_COLOR").env_remove("COLUMNS").env("TZ", "UTC0");
        command
    }

    /// `udp` with these arguments, to be started.
    pub(crate) fn udp_command(self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_udp"));
        command.args(arguments);
        command
    }

    /// `udp` with these arguments, running.
    pub(crate) fn udp(self, arguments: &[&str]) -> Process {
        Process::start(self.udp_command(arguments))
    }

    /// `udp serve` or `listen` with these arguments, once it waits for datagrams; and where.
    pub(crate) fn waiting(self, arguments: &[&str]) -> (Process, Vec<SocketAddr>) {
        let mut process = self.udp(arguments);
        let addresses = if arguments.contains(&"--json") {
            let line = process.stdout_line();
            let object: Value = serde_json::from_str(&line).expect("JSON Lines");
            assert_eq!(object["type"], "listening", "{line}");
            let list = object["addresses"].as_array().expect("a list").clone();
            list.iter().map(|address| parse(address.as_str().expect("a string"))).collect()
        } else {
            let line = process.stderr_line();
            let list = line.split_once("ing on ").unwrap_or_else(|| panic!("not waiting: {line}{process:?}")).1;
            list.trim_end().split(" and ").flat_map(parse_range).collect()
        };
        (process, addresses)
    }

    /// `udp` with these arguments, to its end.
    pub(crate) fn run(self, arguments: &[&str]) -> Outcome {
        self.udp(arguments).finish()
    }

    /// A Python program, with [`PRELUDE`] before it.
    pub(crate) fn python(self, program: &str, arguments: &[&str]) -> Process {
        let mut command = self.command("python3");
        command.arg("-c").arg(format!("{PRELUDE}{program}")).args(arguments);
        Process::start(command)
    }

    /// A Python program once it has said `ready`.
    pub(crate) fn python_ready(self, program: &str, arguments: &[&str]) -> Process {
        let mut process = self.python(program, arguments);
        process.until(|line| line == "ready");
        process
    }

    /// What a Python program prints; it must succeed.
    pub(crate) fn python_says(self, program: &str, arguments: &[&str]) -> String {
        let outcome = self.python(program, arguments).finish();
        outcome.assert_status(0);
        outcome.text()
    }

    /// A shell script that must succeed.
    pub(crate) fn shell(self, script: &str) -> String {
        let mut command = self.command("sh");
        command.args(["-ec", &format!("{script}\n{DELIVERED}")]);
        let outcome = Process::start(command).finish();
        outcome.assert_status(0);
        outcome.text()
    }
}

/// Whether sockets of the command have this here, as `udp --version` says; where they do not, the test is skipped, and says so. Over
/// another back end (`UDP_BACKEND=portable`) they have less.
pub(crate) fn has(capability: udpkit::Capability) -> bool {
    let line = format!("  yes  {capability}\n");
    let is_there = Place::Here.run(&["--version"]).text().contains(&line);
    if !is_there {
        netns::skip(&format!("not available here: {capability}"));
    }
    is_there
}

/// A program that runs; it is ended when this is dropped, or has lasted too long.
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    id: u32,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
    /// Dropped with this, which ends the watchdog.
    _watched: Sender<()>,
}

impl Process {
    /// Starts a program with pipes at its three ends.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped());
        Self::start_with_output(command)
    }

    /// Starts a program whose standard output is what the command says.
    pub(crate) fn start_with_output(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let id = child.id();
        let stdin = child.stdin.take();
        let is_json = child.stdout.is_some() && prints_json(&command);
        let stdout = Stream::new(child.stdout.take(), is_json);
        let stderr = Stream::new(child.stderr.take(), false);
        let child = Arc::new(Mutex::new(child));
        let watched = watch(Arc::clone(&child));
        Self { child, id, stdin, stdout, stderr, _watched: watched }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The next line of standard output, without its end.
    pub(crate) fn stdout_line(&mut self) -> String {
        self.stdout.line().unwrap_or_else(|| panic!("no line on standard output: {self:?}"))
    }

    /// The next line of standard error, without its end.
    pub(crate) fn stderr_line(&mut self) -> String {
        self.stderr.line().unwrap_or_else(|| panic!("no line on standard error: {self:?}"))
    }

    /// Reads standard output up to a line for which this holds, which is returned.
    pub(crate) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.stdout_line();
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Reads standard error up to a line that contains this, which is returned.
    pub(crate) fn until_told(&mut self, wanted: &str) -> String {
        loop {
            let line = self.stderr_line();
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Writes to its standard input.
    pub(crate) fn tell(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it is still open");
        stdin.write_all(bytes).expect("the program reads");
        stdin.flush().expect("the program reads");
    }

    /// Writes all of its standard input, of which it need not read everything.
    pub(crate) fn tell_all(&mut self, bytes: &[u8]) {
        // It may have ended, for a reason that the test looks at.
        let _ = self.stdin.take().expect("it is still open").write_all(bytes);
    }

    /// Sends it a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &self.id.to_string()]).status();
        assert!(status.expect("sh can be run").success(), "cannot send {name}: {self:?}");
    }

    /// Waits for its end; its standard input ends first.
    pub(crate) fn finish(mut self) -> Outcome {
        self.stdin = None;
        self.stdout.drain();
        self.stderr.drain();
        let status = self.ended();
        assert!(status.code().is_some(), "killed, since it did not end in {PATIENCE:?}: {self:?}");
        let may_complain = !self.stdout.is_json || status.code() == Some(2);
        assert!(may_complain || self.stderr.said.is_empty(), "not all that it said is JSON: {self:?}");
        Outcome {
            status: status.code().expect("asserted above"),
            stdout: std::mem::take(&mut self.stdout.said),
            stderr: String::from_utf8_lossy(&self.stderr.said).into_owned(),
        }
    }

    /// How it ended, which is no more than an instant away. The watchdog has its turns.
    fn ended(&self) -> ExitStatus {
        loop {
            let ended = self.child.lock().expect("no test panics in there").try_wait();
            if let Some(status) = ended.expect("it is ours") {
                return status;
            }
            thread::yield_now();
        }
    }

    /// Asks it to end (SIGTERM), and waits for that.
    pub(crate) fn stop(self) -> Outcome {
        self.signal("TERM");
        self.finish()
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [stdout, stderr] = [&self.stdout, &self.stderr].map(|stream| String::from_utf8_lossy(&stream.said));
        write!(f, "\n--- process {}, standard output so far:\n{stdout}\n--- standard error:\n{stderr}", self.id)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(mut child) = self.child.lock() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether a command is `udp` with JSON as its output, wherever it runs.
fn prints_json(command: &Command) -> bool {
    let mut words = std::iter::once(command.get_program()).chain(command.get_args());
    words.any(|word| word == env!("CARGO_BIN_EXE_udp")) && words.any(|word| word == "--json")
}

/// Kills a program that lasts too long, unless the sender is dropped before.
fn watch(child: Arc<Mutex<Child>>) -> Sender<()> {
    let (watched, dropped) = channel();
    thread::spawn(move || {
        if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout)
            && let Ok(mut child) = child.lock()
        {
            // It may have ended by itself.
            let _ = child.kill();
        }
    });
    watched
}

/// What a program writes, line by line as it comes.
struct Stream {
    lines: Receiver<Vec<u8>>,
    said: Vec<u8>,
    /// Whether each line must be an object as the schema says.
    is_json: bool,
}

impl Stream {
    fn new(pipe: Option<impl Read + Send + 'static>, is_json: bool) -> Self {
        let (sender, lines) = channel();
        if let Some(pipe) = pipe {
            thread::spawn(move || {
                let mut reader = BufReader::new(pipe);
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    if sender.send(std::mem::take(&mut line)).is_err() {
                        return;
                    }
                }
            });
        }
        Self { lines, said: Vec::new(), is_json }
    }

    fn line(&mut self) -> Option<String> {
        let line = self.lines.recv().ok()?;
        self.take(&line);
        Some(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned())
    }

    fn drain(&mut self) {
        while let Ok(line) = self.lines.recv() {
            self.take(&line);
        }
    }

    fn take(&mut self, line: &[u8]) {
        self.said.extend_from_slice(line);
        // What a full disk or a kill cut off is no line.
        if let Some(line) = line.strip_suffix(b"\n").filter(|_| self.is_json) {
            schema::checked(str::from_utf8(line).expect("JSON is text"));
        }
    }
}

/// How a program ended, and all that it said.
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("standard output is text")
    }

    /// Lines of standard output.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Objects of standard output, which is JSON Lines.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.lines().iter().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect()
    }

    /// The account at the end of JSON Lines, which must be balanced: each datagram received is in one of its numbers.
    pub(crate) fn summary(&self) -> Value {
        let summary = self.objects().pop().unwrap_or_else(|| panic!("no summary: {self:?}"));
        assert_eq!(summary["type"], "summary", "{self:?}");
        // Those of `serve`, `reflect` and `relay` are in their summaries alone.
        let of_serve = ["answered", "reply_failed", "taken", "load"].into_iter().filter_map(|key| summary.get(key));
        let of_relay = ["up", "down"].into_iter().filter_map(|way| summary.get(way)?.get("received"));
        let used = of_serve.chain(of_relay).chain([&summary["delivered"]]).map(number);
        let ignored = summary["ignored"].as_object().expect("by reason").values().map(number);
        assert_eq!(number(&summary["received"]), used.chain(ignored).sum::<u64>(), "{summary}");
        summary
    }

    pub(crate) fn assert_status(&self, status: i32) {
        assert_eq!(self.status, status, "{self:?}");
    }

    /// Asserts that all of these stand somewhere in standard error.
    pub(crate) fn assert_told(&self, words: &[&str]) {
        for word in words {
            assert!(self.stderr.contains(word), "'{word}' is not in {self:?}");
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "status {}\n--- standard output:\n{stdout}\n--- standard error:\n{}", self.status, self.stderr)
    }
}

/// Hosts `h1`, `h2`, ... of one network, as [`Lan::hosts`], where programs of the lesson can run, too.
pub(crate) fn hosts(count: u8) -> Option<Lan> {
    if netns::require("python3") { Lan::hosts(count) } else { None }
}

/// A directory of one's own for files, which goes with this.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("udp-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory can be made");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A file with these bytes in it.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("a file can be written");
        path.to_str().expect("it is text").to_owned()
    }

    /// A file with these bytes in it, which others may not read.
    pub(crate) fn secret(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.file(name, "");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("the file is ours");
        self.file(name, bytes)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is in the directory for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server at any port of this address, and the port.
pub(crate) fn serve_at(ip: &str, arguments: &[&str]) -> (Process, String) {
    let address = if ip.contains(':') { format!("[{ip}]:0") } else { format!("{ip}:0") };
    let mut all = vec!["serve", &address];
    all.extend(arguments);
    let (server, addresses) = Place::Here.waiting(&all);
    (server, addresses[0].port().to_string())
}

/// How many datagrams a summary says were ignored for this reason.
pub(crate) fn ignored(summary: &Value, reason: &str) -> u64 {
    summary["ignored"][reason].as_u64().unwrap_or(0)
}

/// A JSON object without the time, which it must have.
pub(crate) fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    let time = object.as_object_mut().and_then(|keys| keys.remove("time"));
    assert!(time.is_some(), "{object}");
    object
}

/// A number of a JSON object.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// An address as it is printed, without its scope, which may be a name.
/// The addresses of `HOST:PORT`, or of `HOST:PORT-PORT`.
fn parse_range(addresses: &str) -> Vec<SocketAddr> {
    let range = addresses.rsplit_once('-').and_then(|(first, last)| Some((parse(first), last.parse().ok()?)));
    let Some((first, last)) = range else { return vec![parse(addresses)] };
    (first.port()..=last).map(|port| SocketAddr::new(first.ip(), port)).collect()
}

pub(crate) fn parse(address: &str) -> SocketAddr {
    let without_scope = match (address.find('%'), address.rfind(']')) {
        (Some(start), Some(end)) => format!("{}{}", &address[..start], &address[end..]),
        _ => address.to_owned(),
    };
    without_scope.parse().unwrap_or_else(|error| panic!("'{address}': {error}"))
}

/// A datagram's line without its time: everything from the first source on.
pub(crate) fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_once("  ").unwrap_or_else(|| panic!("no time: {line}"));
    let shape = time.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte }).collect::<Vec<_>>();
    assert_eq!(shape, b"00:00:00.000000000", "{line}");
    rest
}

/// An answer's line with its round-trip time, which must be one, replaced by `RTT`.
pub(crate) fn without_rtt(line: &str) -> String {
    let (before, after) = line.split_once(" ms  ").unwrap_or_else(|| panic!("no round-trip time: {line}"));
    let (before, rtt) = before.rsplit_once("  ").unwrap_or_else(|| panic!("no round-trip time: {line}"));
    assert!(rtt.parse::<f64>().is_ok_and(|rtt| rtt >= 0.0), "{line}");
    format!("{before}  RTT  {after}")
}

/// From one socket: a datagram for which the reply is too large, twice, and then three that are long enough. Argument:
/// port.
pub(crate) const TWO_AND_THREE: &str = "
s = socket(AF_INET, SOCK_DGRAM)
s.connect(('127.0.0.1', int(sys.argv[1])))
s.send(b'')
s.send(b'')
for _ in range(3):
    s.send(bytes(100))
for _ in range(3):
    s.recv(200)
";

/// The reply of a hundred bytes.
pub(crate) fn reply_of_a_hundred() -> String {
    "x".repeat(100)
}

/// The verbs of the command.
pub(crate) const VERBS: [&str; 12] = [
    "serve",
    "send",
    "listen",
    "broadcast",
    "measure",
    "reflect",
    "relay",
    "replay",
    "check",
    "interfaces",
    "completions",
    "man",
];

/// What verbs are made of that have a help of their own.
pub(crate) const PARTS: [&str; 4] = ["check server", "check client", "check receiver", "check sender"];

/// The verbs and their parts.
pub(crate) fn verbs_and_parts() -> impl Iterator<Item = &'static str> {
    VERBS.into_iter().chain(PARTS)
}

/// The arguments that print the help of a verb, of a part of one, or of the command itself where the name is empty.
pub(crate) fn asking_for_help(verb: &str, option: &'static str) -> Vec<String> {
    verb.split_whitespace().chain([option]).map(str::to_owned).collect()
}

/// The commands among the examples of a help text, without the word `udp` and what is done with their output.
pub(crate) fn examples(help: &str) -> Vec<String> {
    let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_else(|| panic!("no examples: {help}"));
    let commands = examples.lines().filter_map(|line| line.strip_prefix("  udp"));
    // What explains them comes after two spaces.
    let command =
        |line: &str| line.trim_start().split("  ").next().and_then(|all| all.split(" > ").next().map(String::from));
    commands.filter_map(command).collect()
}
