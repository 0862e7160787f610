//! A server for tests: it is told what to expect, remembers what came, and fails where the two differ.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::{ControlFlow, RangeFrom, RangeFull, RangeInclusive, RangeToInclusive};
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::conduct::Conduct;
use crate::datagram::Datagram;
use crate::drive::End;
use crate::error::Result;
use crate::event::Event;
use crate::membership::Memberships;
use crate::moment::Moment;
use crate::report::Report;
use crate::rules::{Rule, Rules};
use crate::server::Server;
use crate::socket::Socket;
use crate::verbs::{ServeFigures, ServeOptions};

/// Datagrams that a mock keeps, and bytes of their payloads, all together; of later ones it keeps the number.
const MOST_KEPT: usize = 10_000;
const MOST_BYTES: usize = 64 << 20;
/// Unexpected datagrams that a failure lists, and bytes that it shows of each payload.
const MOST_LISTED: usize = 10;
const MOST_SHOWN: usize = 100;
/// Chances of rules are drawn from this, so that a test has the same losses and delays each time.
const SEED: u64 = 1;

/// A server for the tests of a program: it answers as [expected](Self::expect), remembers what came, and panics when it is
/// [verified](Self::verify) or dropped after something else came, or not as often.
///
/// All guards of [`Conduct`] are off. Its methods can be called from any thread.
///
/// ```
/// use std::net::UdpSocket;
/// use udpkit::{Rule, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let thermostat = Server::mock()?;
/// let asked = thermostat.expect(Rule::any().payload("GET temperature").replies(["21.5", "22.0"])).times(2);
///
/// // What the program under test would do.
/// let (client, mut reply) = (UdpSocket::bind("127.0.0.1:0")?, [0; 100]);
/// for expected in ["21.5", "22.0"] {
///     client.send_to(b"GET temperature", thermostat.address())?;
///     let length = client.recv(&mut reply)?;
///     assert_eq!(&reply[..length], expected.as_bytes());
/// }
///
/// assert_eq!(asked.count(), 2);
/// assert_eq!(thermostat.received()[0].source, client.local_addr()?);
/// thermostat.verify();
/// # Ok(())
/// # }
/// ```
///
/// Where it fails, it says what was expected and what came:
///
/// ```should_panic
/// # use udpkit::{Rule, Server};
/// let lamp = Server::mock().unwrap();
/// lamp.expect(Rule::any().payload("GET power").replies(["on"]));
/// # let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
/// # client.send_to(b"GET colour", lamp.address()).unwrap();
/// # assert!(lamp.wait_for(1, std::time::Duration::from_secs(10)));
/// // The mock at 127.0.0.1:40213 (started at tests/lamp.rs:12) did not receive what it expected:
/// //   expected at least once, never received: payload "GET power"
/// //   not expected, in the order received:
/// //     from 127.0.0.1:53121: "GET colour"
/// lamp.verify();
/// ```
#[derive(Debug)]
pub struct Mock {
    server: Server,
    /// Where in a program it was started: one of several is found by it, even where it fails as it is dropped.
    started: &'static Location<'static>,
    heard: Arc<Heard>,
    /// Held while the server's rules are exchanged.
    expecting: Mutex<()>,
}

/// What a mock expects, one of its [expectations](Mock::expect).
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    mock: &'a Mock,
    place: usize,
}

/// How many times: `2`, `1..=3`, `1..`, `..=3`, or `..` for any number turn into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Times {
    /// At least.
    pub least: u64,
    /// At most.
    pub most: u64,
}

/// A datagram that a mock received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedDatagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// What is in it.
    pub payload: Vec<u8>,
    /// When it arrived.
    pub received: SystemTime,
    /// The place among the mock's expectations of the one that it met, from 0; `None` if nothing expected it.
    pub expectation: Option<usize>,
}

/// What was expected of a mock's peers and did not happen, or happened and was not expected. Displays as lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Unmet {
    text: String,
}

/// What a mock heard, which its worker tells.
#[derive(Debug, Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    expected: Vec<Expected>,
    kept: Vec<ReceivedDatagram>,
    /// Bytes of the payloads that are kept.
    bytes: usize,
    /// Datagrams in all, kept or not.
    total: u64,
    /// Those of them that nothing expected.
    unexpected: u64,
    /// Whether the test of a rule panicked, which ends the mock.
    has_panicked: bool,
}

#[derive(Debug)]
struct Expected {
    rule: Rule,
    times: Times,
    count: u64,
}

impl Server {
    /// A server for tests, at a free port of 127.0.0.1: it answers what it is told to expect, and nothing else.
    ///
    /// # Errors
    ///
    /// No port, thread or descriptor is left.
    #[track_caller]
    pub fn mock() -> Result<Mock> {
        Mock::start((Ipv4Addr::LOCALHOST, 0).into())
    }
}

impl Mock {
    /// A mock at this address; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the system has no thread or descriptor left.
    #[track_caller]
    pub fn start(address: SocketAddr) -> Result<Self> {
        let conduct = Conduct::off();
        let socket = Socket::bind(address, &conduct.socket_options().timestamps(true))?;
        let heard = Arc::<Heard>::default();
        let options = ServeOptions::new(heard.rules(), vec![socket.local_address()]).conduct(conduct);
        let sink = |_, _: &_| |_: Event<'_>| ControlFlow::Continue(());
        let server = Server::launch(vec![socket], options, Memberships::default(), 1, sink)?;
        Ok(Self { server, started: Location::caller(), heard, expecting: Mutex::default() })
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.addresses()[0]
    }

    /// Expects datagrams that this rule matches, at least one unless [`times`](Expectation::times) says otherwise, and answers them
    /// as it says; rules may [delay](Rule::delay) replies and [lose](Rule::loses) them. It holds for every datagram that is sent from now on.
    ///
    /// A datagram meets the first expectation that matches it, even where that one was met often enough. `Rule::any()`, any
    /// number of [times](Expectation::times) and last of all, allows whatever else comes.
    pub fn expect(&self, rule: Rule) -> Expectation<'_> {
        // Else another thread that expects something meanwhile could have it taken back.
        let _alone = self.expecting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.heard.state();
        state.expected.push(Expected { rule, times: (1..).into(), count: 0 });
        let place = state.expected.len() - 1;
        drop(state);
        self.server.set_answer(self.heard.rules());
        Expectation { mock: self, place }
    }

    /// The datagrams that came so far, in the order in which they came: the first 10,000, or 64 MiB of payloads.
    /// [`total`](Self::total) counts them all.
    #[must_use]
    pub fn received(&self) -> Vec<ReceivedDatagram> {
        self.heard.state().kept.clone()
    }

    /// How many datagrams came so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.heard.state().total
    }

    /// Waits until this many datagrams have come since the start, for this time at most; whether they have.
    #[must_use = "they may not have come"]
    pub fn wait_for(&self, total: u64, patience: Duration) -> bool {
        self.heard.wait(patience, |state| state.total >= total)
    }

    /// What the server did so far, and why it ignored what it did: `NoRule` is what nothing expected.
    #[must_use]
    pub fn report(&self) -> Report<ServeFigures> {
        self.server.report()
    }

    /// Whether all expectations are met so far, and nothing else came.
    ///
    /// # Errors
    ///
    /// They are not.
    pub fn check(&self) -> std::result::Result<(), Unmet> {
        let mut state = self.heard.state();
        state.has_panicked |= self.server.wait(Duration::ZERO) == Some(End::Panicked);
        match state.lines() {
            lines if lines.is_empty() => Ok(()),
            lines => {
                let (address, file, line) = (self.address(), self.started.file(), self.started.line());
                let head =
                    format!("the mock at {address} (started at {file}:{line}) did not receive what it expected:");
                Err(Unmet { text: format!("{head}\n{}", lines.trim_end()) })
            }
        }
    }

    /// Ends it, once it has taken what waits at its socket.
    ///
    /// # Panics
    ///
    /// An expectation was not met, or something else came. The message says what.
    #[track_caller]
    pub fn verify(self) {
        // As when it is dropped, but with the place of this call in the message.
        let _ = self.server.stop();
        if let Err(unmet) = self.check() {
            panic!("{unmet}");
        }
    }
}

impl Drop for Mock {
    /// Verifies it, unless the test panics already.
    fn drop(&mut self) {
        let _ = self.server.stop();
        if !std::thread::panicking()
            && let Err(unmet) = self.check()
        {
            panic!("{unmet}");
        }
    }
}

impl Expectation<'_> {
    /// Expects as many: `2`, `1..=3`, `1..`, `..=3`, or `..` for any number, none included.
    #[expect(clippy::return_self_not_must_use, reason = "it is called for its effect, too")]
    pub fn times(self, times: impl Into<Times>) -> Self {
        self.mock.heard.state().expected[self.place].times = times.into();
        self
    }

    /// How many datagrams have met it so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.mock.heard.state().expected[self.place].count
    }

    /// Waits until this many datagrams have met it, for this time at most; whether they have.
    #[must_use = "they may not have come"]
    pub fn wait_for(&self, count: u64, patience: Duration) -> bool {
        self.mock.heard.wait(patience, |state| state.expected[self.place].count >= count)
    }
}

impl From<u64> for Times {
    fn from(times: u64) -> Self {
        Self { least: times, most: times }
    }
}

impl From<RangeInclusive<u64>> for Times {
    fn from(times: RangeInclusive<u64>) -> Self {
        Self { least: *times.start(), most: *times.end() }
    }
}

impl From<RangeFrom<u64>> for Times {
    fn from(times: RangeFrom<u64>) -> Self {
        Self { least: times.start, most: u64::MAX }
    }
}

impl From<RangeToInclusive<u64>> for Times {
    fn from(times: RangeToInclusive<u64>) -> Self {
        Self { least: 0, most: times.end }
    }
}

impl From<RangeFull> for Times {
    fn from(_: RangeFull) -> Self {
        Self { least: 0, most: u64::MAX }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, most) if least == most => f.write_str(&often(least)),
            (0, u64::MAX) => f.write_str("any number of times"),
            (least, u64::MAX) => write!(f, "at least {}", often(least)),
            (0, most) => write!(f, "at most {}", often(most)),
            (least, most) => write!(f, "{least} to {most} times"),
        }
    }
}

/// A number of times, in words.
fn often(count: u64) -> String {
    match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// What `unwrap` shows.
impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Unmet {}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules of all expectations, which tell what they decide on.
    fn rules(self: &Arc<Self>) -> Rules {
        let rules: Rules = self.state().expected.iter().map(|expected| expected.rule.clone()).collect();
        let heard = Arc::clone(self);
        rules.seed(SEED).watched(Arc::new(move |datagram, place| heard.take(datagram, place)))
    }

    /// Takes a datagram, before it is answered: whoever has its reply finds it counted.
    fn take(&self, datagram: &Datagram<'_>, place: Option<usize>) {
        let mut state = self.state();
        state.total += 1;
        match place {
            Some(place) => state.expected[place].count += 1,
            None => state.unexpected += 1,
        }
        if state.kept.len() < MOST_KEPT && state.bytes + datagram.payload.len() <= MOST_BYTES {
            state.bytes += datagram.payload.len();
            state.kept.push(ReceivedDatagram {
                source: datagram.meta.source,
                payload: datagram.payload.to_vec(),
                received: datagram.meta.received.unwrap_or_else(|| Moment::now().utc),
                expectation: place,
            });
        }
        drop(state);
        self.changed.notify_all();
    }

    fn wait(&self, patience: Duration, is_over: impl Fn(&State) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), patience, |state| !is_over(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        is_over(&state)
    }
}

impl State {
    /// What differs from what was expected, a line for each.
    fn lines(&self) -> String {
        let mut lines = String::new();
        if self.has_panicked {
            lines += "  the test of a rule panicked, and from then on nothing was received\n";
        }
        for Expected { rule, times, count } in &self.expected {
            if !(times.least..=times.most).contains(count) {
                let received =
                    if *count == 0 { "never received".to_owned() } else { format!("received {}", often(*count)) };
                lines += &format!("  expected {times}, {received}: {rule}\n");
            }
        }
        if self.unexpected == 0 {
            return lines;
        }
        lines += "  not expected, in the order received:\n";
        let mut left = self.unexpected;
        for datagram in self.kept.iter().filter(|datagram| datagram.expectation.is_none()).take(MOST_LISTED) {
            lines += &format!("    from {}: {}\n", datagram.source, shown(&datagram.payload));
            left -= 1;
        }
        if left > 0 {
            lines += &format!("    and {left} more\n");
        }
        lines
    }
}

/// A payload, on one line of a terminal.
fn shown(payload: &[u8]) -> String {
    match payload.get(..MOST_SHOWN) {
        Some(start) if payload.len() > MOST_SHOWN => {
            format!("\"{}\"… ({} bytes)", start.escape_ascii(), payload.len())
        }
        _ => format!("\"{}\"", payload.escape_ascii()),
    }
}
