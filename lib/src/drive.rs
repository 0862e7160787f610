//! The one loop: waits for sockets and deadlines, hands datagrams to an engine, sends what it wants sent.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::alarm::Alarm;
use crate::attached::InterfaceWatch;
use crate::batch::{ReceiveBatch, SendBatch};
use crate::clock::now;
use crate::control::Control;
use crate::datagram::{SendFailure, Transmit};
use crate::engine::{Engine, Next, Outbox};
use crate::error::{Error, Result};
use crate::event::{Event, Report};
use crate::interface::{Changes, Interfaces};
use crate::membership::Memberships;
use crate::socket::{Socket, Wait};
use crate::sys::poll::Poller;

/// Takes what a run has to say.
pub trait Sink {
    /// Takes an event; `Break` ends the run.
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()>;

    /// Nothing more has arrived: what is buffered may be written now.
    fn idle(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(Event<'_>) -> ControlFlow<()>> Sink for F {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The engine had finished.
    Done,
    /// [`Remote::stop`](crate::Remote::stop) was called.
    Stopped,
    /// The sink wanted no more.
    SinkClosed,
    /// A worker of a [`Server`](crate::Server) panicked, and said so on standard error: its sink, or a function that makes
    /// replies.
    Panicked,
}

/// What a run is given besides its sockets and its engine.
#[derive(Debug)]
pub struct Drive {
    /// The line to the program around it.
    pub control: Control,
    /// Multicast groups to be joined, and to be joined again on interfaces that come.
    pub memberships: Memberships,
}

/// Batches received from one socket before the others have their turn.
const TURN: usize = 16;
/// How often, at most, the kernel is asked for its drops, and they are told.
const DROPS_INTERVAL: Duration = Duration::from_secs(1);
/// Batches received from each socket when a run ends, and the time after which no more are, each socket having had its turn:
/// a buffer of 64 MiB is emptied, and a flood keeps no run from ending.
const LAST_BATCHES: usize = 1024;
const LAST_TIME: Duration = Duration::from_millis(100);
/// How long an engine that is to be called on time may keep the sockets from being looked at, since the next time is always near.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);
/// How long a wait may last where the system cannot wake it.
const LONGEST_BLIND_WAIT: Duration = Duration::from_millis(20);

/// Runs an engine on sockets until it has finished, is stopped, or the sink wants no more. What waits in the sockets when it has
/// finished or is stopped is received too: at most some tens of thousands of datagrams from each, and for a tenth of a second.
///
/// # Errors
///
/// A group cannot be joined anywhere, or the system fails in a way that leaves nothing to wait for. What goes wrong with
/// single datagrams is told as events.
pub fn drive<E: Engine, S: Sink>(
    sockets: &[Socket],
    engine: &mut E,
    mut drive: Drive,
    sink: &mut S,
) -> Result<(Report, End)> {
    let account = Account::new();
    drive.join(sockets)?;
    let sockets: Vec<_> = sockets.iter().map(Some).collect();
    loop {
        let ran = run(&sockets, engine, &mut drive, &account, sink, None);
        if let Some(end) = ran.map_err(|broken| broken.error)? {
            return Ok((report(&sockets, engine, &account), end));
        }
    }
}

impl Drive {
    /// Joins groups before a run: one that cannot be joined anywhere is an error now, and in a run that goes on is joined
    /// later.
    pub(crate) fn join(&mut self, sockets: &[Socket]) -> Result<()> {
        if !self.memberships.is_empty() {
            self.memberships.update(sockets, &Interfaces::list()?)?;
        }
        Ok(())
    }
}

/// What ended a run before its time.
pub(crate) struct Broken {
    /// The socket that is of no use any more; `None` if it was something else.
    pub(crate) via: Option<usize>,
    pub(crate) error: Error,
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self { via: None, error }
    }
}

/// What of a run outlasts its sockets, and its engine does not know.
pub(crate) struct Account {
    started: Instant,
    /// Kept, so that nothing is missed while a socket is opened again. A sandbox may forbid to ask for interfaces; a run that
    /// needs none of them works without.
    watch: Option<InterfaceWatch>,
    /// What the kernel dropped at sockets that are closed.
    pub(crate) drops: u64,
    /// Of all drops: those that were told.
    drops_told: Cell<u64>,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self { started: now(), watch: InterfaceWatch::new().ok(), drops: 0, drops_told: Cell::new(0) }
    }
}

/// [`drive()`], for those who go on where a socket is broken: without it, until this moment, at which they may have opened
/// another in its place. `None`: it has come.
pub(crate) fn run<E: Engine, S: Sink>(
    sockets: &[Option<&Socket>],
    engine: &mut E,
    drive: &mut Drive,
    account: &Account,
    sink: &mut S,
    until: Option<Instant>,
) -> std::result::Result<Option<End>, Broken> {
    let Drive { control, memberships } = drive;
    let watch = account.watch.as_ref();
    let interfaces = Interfaces::list()
        .or_else(|error| if memberships.is_empty() { Ok(Interfaces::default()) } else { Err(error) })?;
    let mut wire = Wire::new(sockets, account, sink);
    join(sockets, &interfaces, memberships, &Changes::default(), &mut wire);
    engine.interfaces(&interfaces);
    let mut batch = ReceiveBatch::default();
    let mut waiting = Waiting::new(sockets, watch, control);
    let alarm = Alarm::new(engine.precision());
    let mut looked: Option<Instant> = None;
    let rest = engine.rest();
    let end = loop {
        let moment = now();
        engine.tick(moment, &mut wire);
        let fed = take_input(engine, control, moment, &mut wire);
        wire.flush(engine, moment);
        if let Some(broken) = wire.broken.take() {
            return Err(broken);
        }
        let due = match engine.next() {
            _ if wire.flow.is_break() => break End::SinkClosed,
            _ if control.is_stopped() => break End::Stopped,
            Next::Done => break End::Done,
            _ if until.is_some_and(|until| moment >= until) => return Ok(None),
            // What was fed in may be due at once.
            _ if fed => Some(moment),
            Next::At(deadline) => Some(deadline),
            Next::Datagram => None,
        };
        wire.ask_drops(moment, false);
        if due.is_none_or(|due| due > now()) {
            wire.idle();
            if wire.flow.is_break() {
                break End::SinkClosed;
            }
        }
        // The sink may have taken its time.
        let left = || due.map(|due| due.saturating_duration_since(now()));
        if std::mem::take(&mut wire.rests) {
            pause(earlier(Some(rest), left()));
        }
        let asleep = left().map(|left| alarm.asleep(left));
        // To look at hundreds of sockets takes longer than to send: what is due does not wait for that each time.
        if alarm.is_exact() && asleep == Some(Duration::ZERO) && looked.is_some_and(|at| now() < at + LOOK_INTERVAL) {
            alarm.watch(engine.next());
            continue;
        }
        let until = until.map(|until| until.saturating_duration_since(moment));
        let asked = now();
        looked = Some(asked);
        if !waiting.wait(earlier(earlier(asleep, until), wire.drops_due(moment)))? {
            engine.heard(asked);
            alarm.watch(engine.next());
            continue;
        }
        let mut heard = asked;
        for (via, socket) in sockets.iter().enumerate() {
            let Some(socket) = socket else { continue };
            if waiting.failed(via) {
                wire.errors(engine, via, moment);
                if let Some(error) = socket.lost() {
                    return Err(Broken { via: Some(via), error });
                }
            }
            if waiting.ready(via) {
                let turned = turn(socket, via, engine, control, &mut batch, &mut wire);
                let until = turned.map_err(|error| Broken { via: Some(via), error })?;
                heard = until.map_or(heard, |until| heard.min(until));
            }
        }
        engine.heard(heard);
        if waiting.woken() {
            control.wakeup.clear();
            control.tell(|| report(sockets, engine, account));
        }
        if waiting.interfaces_changed()
            && let Some(changes) = watch.map(InterfaceWatch::changes).filter(|changes| changes.any)
        {
            interfaces_changed(sockets, engine, memberships, &changes, &mut wire);
        }
    };
    if end != End::SinkClosed {
        empty(sockets, engine, &mut batch, &mut wire);
    }
    wire.finish(engine);
    Ok(Some(end))
}

/// What an engine has to report, and its sockets.
pub(crate) fn report<E: Engine>(sockets: &[Option<&Socket>], engine: &E, account: &Account) -> Report {
    let open = || sockets.iter().copied().flatten();
    let drops = open().map(Socket::kernel_drops).sum::<Option<u64>>();
    let drops = drops.map(|drops| drops + account.drops);
    let coalesced = drops > Some(0) && open().any(|socket| socket.capabilities().coalesce);
    Report {
        kernel_drops: drops,
        kernel_drops_at_least: coalesced,
        elapsed: now().saturating_duration_since(account.started),
        ..engine.report()
    }
}

/// Receives from one socket until it is empty, or its turn is over; returns the arrival up to which it received then.
fn turn<E: Engine, S: Sink>(
    socket: &Socket,
    via: usize,
    engine: &mut E,
    control: &mut Control,
    batch: &mut ReceiveBatch,
    wire: &mut Wire<'_, S>,
) -> Result<Option<Instant>> {
    let mut last = None;
    for _ in 0..TURN {
        let received = socket.receive(batch, Wait::No)?;
        if received == 0 {
            return Ok(None);
        }
        let moment = batch.received_at();
        // An input holds for every datagram that is sent after it was given.
        take_input(engine, control, moment, wire);
        last = hand_on(batch, via, engine, wire).or(last);
        (wire.received, wire.rests) = (true, true);
        wire.ask_drops(moment, false);
        // A batch that was not filled emptied the socket; asking again would cost a call to learn it.
        let over = wire.flow.is_break() || wire.broken.is_some() || engine.next() == Next::Done;
        if received < batch.slots() || over {
            return Ok(None);
        }
    }
    Ok(last)
}

/// Hands what was received to the engine, and sends what it wants sent; returns when the last of it arrived.
fn hand_on<E: Engine, S: Sink>(
    batch: &ReceiveBatch,
    via: usize,
    engine: &mut E,
    wire: &mut Wire<'_, S>,
) -> Option<Instant> {
    let mut last = None;
    for train in batch.trains() {
        let arrival = batch.arrival(train.meta());
        engine.receive_train(arrival, via, train, wire);
        last = Some(arrival);
    }
    wire.flush(engine, batch.received_at());
    last
}

/// Receives what waits in the sockets when a run ends, so that it stands in the report: a batch of each in turn.
fn empty<E: Engine, S: Sink>(
    sockets: &[Option<&Socket>],
    engine: &mut E,
    batch: &mut ReceiveBatch,
    wire: &mut Wire<'_, S>,
) {
    let until = now() + LAST_TIME;
    let mut left: Vec<_> = sockets.iter().enumerate().filter_map(|(via, socket)| Some((via, (*socket)?))).collect();
    for _ in 0..LAST_BATCHES {
        left.retain(|(via, socket)| {
            // Whatever is wrong with a socket now, the run ends.
            let received = socket.receive(batch, Wait::No).unwrap_or(0);
            if received > 0 {
                hand_on(batch, *via, engine, wire);
            }
            received == batch.slots()
        });
        if left.is_empty() || wire.flow.is_break() || now() >= until {
            return;
        }
    }
}

/// Lets datagrams gather in the sockets.
#[expect(clippy::disallowed_methods, reason = "nothing that comes meanwhile is to end it")]
fn pause(time: Option<Duration>) {
    if let Some(time) = time.filter(|time| !time.is_zero()) {
        std::thread::sleep(time);
    }
}

/// The shorter of two waits, of which each may be without end.
fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}

/// Hands inputs to the engine while it wants them; true if there were any.
fn take_input<E: Engine, S: Sink>(
    engine: &mut E,
    control: &mut Control,
    moment: Instant,
    wire: &mut Wire<'_, S>,
) -> bool {
    let mut any = false;
    while engine.wants_input()
        && let Some(input) = control.try_input()
    {
        engine.input(moment, input, wire);
        any = true;
    }
    any
}

fn interfaces_changed<E: Engine, S: Sink>(
    sockets: &[Option<&Socket>],
    engine: &mut E,
    memberships: &mut Memberships,
    changes: &Changes,
    wire: &mut Wire<'_, S>,
) {
    let interfaces = match Interfaces::list() {
        Ok(interfaces) => interfaces,
        Err(error) => return wire.emit(Event::Trouble { error: &error }),
    };
    join(sockets, &interfaces, memberships, changes, wire);
    engine.interfaces(&interfaces);
    wire.emit(Event::Interfaces { interfaces: &interfaces });
}

/// Joins groups, and reports what is refused. A group that is joined nowhere now may be joined later: the interface may come
/// back.
fn join<S: Sink>(
    sockets: &[Option<&Socket>],
    interfaces: &Interfaces,
    memberships: &mut Memberships,
    changes: &Changes,
    wire: &mut Wire<'_, S>,
) {
    for error in memberships.keep_up(sockets, interfaces, changes) {
        wire.emit(Event::Trouble { error: &error });
    }
}

/// Everything that can end a wait, and its place in the poll set.
struct Waiting {
    poller: Poller,
    /// Those that are open.
    sockets: Vec<Option<usize>>,
    /// The line to the program around the run, where it can end a wait.
    control: Option<usize>,
    /// Where interfaces are watched.
    interfaces: Option<usize>,
}

impl Waiting {
    #[cfg(unix)]
    fn new(sockets: &[Option<&Socket>], watch: Option<&InterfaceWatch>, control: &Control) -> Self {
        use std::os::fd::AsFd;
        let mut poller = Poller::default();
        let sockets = sockets.iter().map(|socket| socket.map(|socket| poller.add(socket.as_fd()))).collect();
        let control = Some(poller.add(control.wakeup.as_fd()));
        #[cfg(target_os = "linux")]
        let interfaces = watch.map(|watch| poller.add(watch.inner.as_fd()));
        #[cfg(not(target_os = "linux"))]
        let (interfaces, _) = (None, watch);
        Self { poller, sockets, control, interfaces }
    }

    #[cfg(windows)]
    fn new(sockets: &[Option<&Socket>], _watch: Option<&InterfaceWatch>, _control: &Control) -> Self {
        use std::os::windows::io::AsSocket;
        let mut poller = Poller::default();
        let sockets = sockets.iter().map(|socket| socket.map(|socket| poller.add(socket.as_socket()))).collect();
        Self { poller, sockets, control: None, interfaces: None }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<bool> {
        let blind = cfg!(windows).then_some(LONGEST_BLIND_WAIT);
        self.poller.wait(earlier(timeout, blind)).map_err(|cause| Error::new("wait for datagrams", "", cause))
    }

    fn ready(&self, via: usize) -> bool {
        self.sockets[via].is_some_and(|place| self.poller.ready(place))
    }

    fn failed(&self, via: usize) -> bool {
        self.sockets[via].is_some_and(|place| self.poller.failed(place))
    }

    fn woken(&self) -> bool {
        self.control.is_none_or(|place| self.poller.ready(place))
    }

    fn interfaces_changed(&self) -> bool {
        self.interfaces.is_some_and(|place| self.poller.ready(place))
    }
}

/// The engine's outbox on real sockets.
struct Wire<'a, S> {
    sockets: &'a [Option<&'a Socket>],
    account: &'a Account,
    batches: Vec<SendBatch>,
    /// Sockets in whose batches something was put since the last flush.
    filled: Vec<usize>,
    /// What the engine has not been told yet.
    failures: Vec<SendFailure>,
    /// The socket that turned out to be destroyed when something was to be sent.
    broken: Option<Broken>,
    sink: &'a mut S,
    flow: ControlFlow<()>,
    drops_asked: Instant,
    /// Whether anything was received since then, so that something may have been dropped.
    received: bool,
    /// Whether anything was received since the last rest.
    rests: bool,
}

impl<'a, S: Sink> Wire<'a, S> {
    fn new(sockets: &'a [Option<&'a Socket>], account: &'a Account, sink: &'a mut S) -> Self {
        Self {
            sockets,
            account,
            batches: sockets.iter().map(|_| SendBatch::default()).collect(),
            filled: Vec::new(),
            failures: Vec::new(),
            broken: None,
            sink,
            flow: ControlFlow::Continue(()),
            drops_asked: now(),
            received: false,
            rests: false,
        }
    }

    /// Ends the run: nothing that was received, refused or dropped stays untold.
    fn finish<E: Engine>(&mut self, engine: &mut E) {
        self.flush(engine, now());
        for via in 0..self.sockets.len() {
            self.errors(engine, via, now());
        }
        engine.finish(now(), self);
        self.ask_drops(now(), true);
        self.idle();
    }

    /// Sends what waits, and tells the engine what could not be sent.
    fn flush<E: Engine>(&mut self, engine: &mut E, moment: Instant) {
        for place in 0..self.filled.len() {
            self.flush_one(self.filled[place]);
        }
        self.filled.clear();
        for failure in std::mem::take(&mut self.failures) {
            engine.failed(moment, &failure, self);
        }
    }

    /// Something is about to be put in this batch.
    fn fill(&mut self, via: usize) {
        if self.batches[via].is_empty() {
            self.filled.push(via);
        }
    }

    fn flush_one(&mut self, via: usize) {
        let Some(socket) = self.sockets[via].filter(|_| !self.batches[via].is_empty()) else { return };
        let _ = socket.send(&mut self.batches[via]);
        let failures = &mut self.batches[via].failures;
        // The system says only once that it destroyed a socket, to whichever call comes next.
        if failures.iter().any(|failure| failure.error.kind() == io::ErrorKind::ConnectionAborted) {
            let error = Error::new("send on", socket.local_address(), io::ErrorKind::ConnectionAborted.into());
            self.broken = Some(Broken { via: Some(via), error });
        }
        self.failures.append(failures);
    }

    /// Tells the engine which datagrams were refused.
    fn errors<E: Engine>(&mut self, engine: &mut E, via: usize, moment: Instant) {
        let Some(socket) = self.sockets[via] else { return };
        socket.errors(|unreachable| engine.unreachable(moment, &unreachable, self));
    }

    /// How long until the kernel is to be asked for its drops; `None`: not until something is received.
    fn drops_due(&self, moment: Instant) -> Option<Duration> {
        let since = moment.saturating_duration_since(self.drops_asked);
        self.received.then(|| DROPS_INTERVAL.saturating_sub(since))
    }

    /// Tells of drops since the last time.
    fn ask_drops(&mut self, moment: Instant, at_once: bool) {
        if !at_once && self.drops_due(moment).is_none_or(|due| !due.is_zero()) {
            return;
        }
        self.drops_asked = moment;
        self.received = false;
        let open = self.sockets.iter().copied().flatten().filter_map(Socket::kernel_drops).sum::<u64>();
        let (total, told) = (self.account.drops + open, self.account.drops_told.get());
        if total > told {
            let new = total - told;
            self.account.drops_told.set(total);
            self.emit(Event::Dropped { new, total });
        }
    }

    /// Whether a socket is closed; then what was to be sent fails.
    fn fails(&mut self, via: usize, transmit: &Transmit, count: usize, bytes: usize) -> bool {
        if self.sockets[via].is_some() {
            return false;
        }
        let error = io::Error::new(io::ErrorKind::NotConnected, "the socket is closed");
        let place = self.batches[via].pass_over(count);
        self.failures.push(SendFailure { transmit: *transmit, place, count, bytes, error });
        true
    }

    fn idle(&mut self) {
        if self.flow.is_continue() {
            self.flow = self.sink.idle();
        }
    }
}

impl<S: Sink> Outbox for Wire<'_, S> {
    fn send(&mut self, via: usize, transmit: &Transmit, payload: &[u8]) {
        if self.fails(via, transmit, 1, payload.len()) {
            return;
        }
        self.fill(via);
        if !self.batches[via].push(transmit, payload) {
            self.flush_one(via);
            let pushed = self.batches[via].push(transmit, payload);
            debug_assert!(pushed, "an empty batch takes any datagram");
        }
    }

    fn send_train(&mut self, via: usize, transmit: &Transmit, payload: &[u8], segment: usize) {
        if self.fails(via, transmit, payload.len().div_ceil(segment.max(1)), payload.len()) {
            return;
        }
        self.fill(via);
        for run in payload.chunks(SendBatch::max_train(segment)) {
            if !self.batches[via].push_train(transmit, run, segment) {
                self.flush_one(via);
                let pushed = self.batches[via].push_train(transmit, run, segment);
                debug_assert!(pushed, "an empty batch takes any train");
            }
        }
    }

    fn settle(&mut self, via: usize) {
        self.flush_one(via);
    }

    fn emit(&mut self, event: Event<'_>) {
        if self.flow.is_continue() {
            self.flow = self.sink.event(event);
        }
    }
}
