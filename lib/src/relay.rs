//! A relay to embed: a thread that forwards datagrams through a bad network until it is stopped.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::control::Remote;
use crate::direction::Direction;
use crate::drive::{Drive, DriveOf, End, Run, Sockets};
use crate::error::{Attempt, Error, Object, Result};
use crate::event::{Decided, Departed, Event, Leaving, SendFailed};
use crate::impairment::{Departure, Fate, Fates, ImpairmentOptions, LostBy};
use crate::membership::Memberships;
use crate::network::Network;
use crate::report::Report;
use crate::sink::Sink;
use crate::socket::Socket;
use crate::socket_id::SocketId;
use crate::verbs::{LinkChange, RelayEngine, RelayFigures, RelayInput, RelayOptions};

/// How long the relay has to say what it did so far. It never waits for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Forwards datagrams between peers and a target, through a network as bad as you ask, in a thread of its own, until it is
/// stopped or dropped.
///
/// ```
/// use std::net::UdpSocket;
/// use udpkit::impairment::ImpairmentOptions;
/// use udpkit::verbs::Direction;
/// use udpkit::{Answer, Relay, Server};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::start("127.0.0.1:0".parse()?, Answer::Echo)?;
/// let relay = Relay::start("127.0.0.1:0".parse()?, server.addresses()[0])?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// let mut reply = [0; 100];
/// client.send_to(b"hello", relay.address())?;
/// assert_eq!(client.recv(&mut reply)?, 5);
///
/// // From now on, every answer comes twice.
/// relay.set(Direction::Down, ImpairmentOptions::default().duplicate(1.0));
/// client.send_to(b"hello", relay.address())?;
/// assert_eq!((client.recv(&mut reply)?, client.recv(&mut reply)?), (5, 5));
///
/// let report = relay.stop();
/// assert_eq!((report.own.up.forwarded.datagrams, report.own.down.forwarded.datagrams), (2, 3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Relay {
    addresses: Vec<SocketAddr>,
    remote: Remote<RelayInput, RelayFigures>,
    truth: Arc<Mutex<VecDeque<Kept>>>,
    /// What it last said; in the end, all that it did, and how it ended.
    last: Arc<(Mutex<Last>, Condvar)>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Last {
    report: Report<RelayFigures>,
    end: Option<Result<End>>,
}

/// What became of a datagram, or of its copy, at a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TruthRecord {
    /// Which way it went.
    pub direction: Direction,
    /// The peer that it came from or was for.
    pub peer: SocketAddr,
    /// The network whose own link it took; `None`: that of all others.
    pub network: Option<Network>,
    /// Which datagram of its link it is, from 1.
    pub number: u64,
    /// Whether it is the copy.
    pub is_copy: bool,
    /// Bytes of payload.
    pub payload_len: usize,
    /// When it came.
    pub entered: Instant,
    /// What became of it.
    pub outcome: RelayOutcome,
}

/// What became of a datagram at a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayOutcome {
    /// It was lost.
    Lost(LostBy),
    /// It left.
    #[non_exhaustive]
    Left {
        /// What was decided when it came.
        departure: Departure,
        /// When it was to leave in the end.
        decided: Instant,
        /// When it left.
        left: Instant,
        /// Where to.
        leaving: Leaving,
    },
}

impl Relay {
    /// Relays what comes to this address to that target, as a perfect network would until something is
    /// [set](Self::set); port 0 is any free one. It remembers what became of the last 65,536 datagrams.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the system has no thread or descriptor left.
    pub fn start(listen: SocketAddr, target: SocketAddr) -> Result<Self> {
        let options = RelayOptions::new(target).report_fates(true);
        let socket = Socket::bind(listen, &options.socket_options())?;
        Self::launch([socket], options, Memberships::default(), |_: Event<'_>| ControlFlow::Continue(()))
    }

    /// Relays what comes through these sockets as the options say. [`RelayOptions::own`] is set to the sockets' addresses, and
    /// they should have been asked for [`RelayOptions::socket_options`].
    ///
    /// # Errors
    ///
    /// Options that cannot be ([`RelayEngine::new`]), a group that cannot be joined anywhere, or no thread or descriptor left.
    pub fn launch<S: Sink + Send + 'static>(
        sockets: impl Into<Vec<Socket>>,
        options: RelayOptions,
        mut memberships: Memberships,
        sink: S,
    ) -> Result<Self> {
        let sockets: Vec<Socket> = sockets.into();
        let addresses: Vec<_> = sockets.iter().map(Socket::local_address).collect();
        if !memberships.is_empty() {
            memberships.update(&sockets, &crate::interface::Interfaces::list().unwrap_or_default())?;
        }
        let most = options.kept_fates;
        let engine = RelayEngine::new(options.own(addresses.clone()))?;
        let (remote, control) = Remote::pair()?;
        let truth = Arc::<Mutex<VecDeque<Kept>>>::default();
        let last = Arc::<(Mutex<Last>, Condvar)>::default();
        let drive = Drive::new(control).memberships(memberships);
        let sink = Recording { truth: Arc::clone(&truth), most, sink };
        let work = Work { sockets: Sockets::new(sockets)?, engine, drive, sink };
        let result = Arc::clone(&last);
        let thread = std::thread::Builder::new().name("relay".to_owned()).spawn(move || work.go(&result));
        let thread = thread.map_err(|cause| Error::new(Attempt::StartThread, Object::None, cause))?;
        Ok(Self { addresses, remote, truth, last, thread: Mutex::new(Some(thread)) })
    }

    /// The address that peers send to; the first one, where there are several.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses that peers send to.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The line to it, by which all that [`RelayInput`] can be asked is asked.
    #[must_use]
    pub fn remote(&self) -> &Remote<RelayInput, RelayFigures> {
        &self.remote
    }

    /// Does this to datagrams from now on that go in this direction. Options that cannot be are reported to the sink, and change
    /// nothing.
    pub fn set(&self, direction: Direction, options: ImpairmentOptions) {
        // One that has ended relays nothing.
        let _ = self.remote.input(RelayInput::Impair(Box::new(LinkChange::new(direction, options))));
    }

    /// What it did so far.
    #[must_use]
    pub fn report(&self) -> Report<RelayFigures> {
        // Where it has ended, its last word stands already.
        if let Some(report) = self.remote.report(PATIENCE) {
            return report;
        }
        self.last().report.clone()
    }

    /// What became of each datagram whose fate is fulfilled: of the last [`RelayOptions::kept_fates`], in the order in which they were lost or
    /// left. Empty where [`RelayOptions::report_fates`] is not set.
    #[must_use]
    pub fn truth(&self) -> Vec<TruthRecord> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|kept| kept.record.clone()).collect()
    }

    /// Waits until it has ended, for this time at most; then, why it ended, or the error by which it did.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Result<End>> {
        let (_, ended) = &*self.last;
        let waited = ended.wait_timeout_while(self.last(), patience, |last| last.end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.end.clone()
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops it, and returns what it did.
    #[must_use = "who needs no report drops the relay, which stops it, too"]
    pub fn stop(&self) -> Report<RelayFigures> {
        self.remote.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Panics end before the thread does.
        let _ = thread.map(JoinHandle::join);
        self.last().report.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// A relay, seen from inside.
struct Work<S> {
    sockets: Sockets,
    engine: RelayEngine,
    drive: DriveOf<RelayEngine>,
    sink: S,
}

impl<S: Sink> Work<S> {
    fn go(mut self, (last, ended): &(Mutex<Last>, Condvar)) {
        let mut run = Run::new(self.sockets, &mut self.engine, self.drive, &mut self.sink);
        // What panics is the program's own: a sink.
        let end = catch_unwind(AssertUnwindSafe(|| run.go())).unwrap_or(Ok(End::Panicked));
        let report = run.report();
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Last { report, end: Some(end) };
        ended.notify_all();
    }
}

/// A record, and as what the datagram was sent, if it was.
#[derive(Debug)]
struct Kept {
    record: TruthRecord,
    sent: Option<(SocketId, u64)>,
}

/// Keeps what became of datagrams, and hands everything on.
struct Recording<S> {
    truth: Arc<Mutex<VecDeque<Kept>>>,
    /// How much of it is kept.
    most: usize,
    sink: S,
}

impl<S> Recording<S> {
    fn keep(&self, record: TruthRecord, sent: Option<(SocketId, u64)>) {
        let mut truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        if truth.len() >= self.most {
            truth.pop_front();
        }
        if self.most > 0 {
            truth.push_back(Kept { record, sent });
        }
    }

    fn fate(&self, decided: &Decided<'_>) {
        let Fates { number, original, copy, .. } = decided.fates;
        for (is_copy, fate) in [(false, Some(original)), (true, copy)] {
            let Some(Fate::Lost(by)) = fate else { continue };
            let Decided { direction, peer, network, payload, entered, .. } = *decided;
            let (payload_len, outcome) = (payload.len(), RelayOutcome::Lost(by));
            let record = TruthRecord { direction, peer, network, number, is_copy, payload_len, entered, outcome };
            self.keep(record, None);
        }
    }

    fn departure(&self, departed: &Departed<'_>) {
        let Departed {
            direction,
            peer,
            network,
            payload,
            number,
            is_copy,
            entered,
            departure,
            decided,
            left,
            leaving,
            sent,
            ..
        } = *departed;
        let outcome = RelayOutcome::Left { departure, decided, left, leaving };
        let payload_len = payload.len();
        let record = TruthRecord { direction, peer, network, number, is_copy, payload_len, entered, outcome };
        self.keep(record, sent);
    }

    /// Notes of what left that it could not be sent.
    fn failure(&self, failed: &SendFailed<'_>) {
        let mut truth = self.truth.lock().unwrap_or_else(PoisonError::into_inner);
        for kept in truth.iter_mut().rev() {
            let Some((via, place)) = kept.sent.filter(|(via, _)| *via == failed.via) else { continue };
            if place < failed.failure.place {
                return;
            }
            if failed.includes(via, place)
                && let RelayOutcome::Left { leaving, .. } = &mut kept.record.outcome
            {
                *leaving = Leaving::SendFailed;
            }
        }
    }
}

impl<S: Sink> Sink for Recording<S> {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        match &event {
            Event::Fate(decided) => self.fate(decided),
            Event::Left(departed) => self.departure(departed),
            Event::SendFailed(failed) => self.failure(failed),
            _ => {}
        }
        self.sink.event(event)
    }

    fn settled(&mut self) {
        self.sink.settled();
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.sink.idle()
    }
}
