//! A run, turn by turn.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::sockets::Sockets;
use super::wire::Wire;
use crate::alarm::Alarm;
use crate::attached::InterfaceWatch;
use crate::batch::ReceiveBatch;
use crate::clock::now;
use crate::control::{Control, Message, QUEUE};
use crate::engine::{Closed, Engine, Next, Outbox};
use crate::error::{Attempt, Error, Object, Result};
use crate::event::{ClockStepped, Event, InterfacesChanged, Reopened, Trouble};
use crate::gathering::Gathering;
use crate::interface::{Changes, Interfaces};
use crate::membership::Memberships;
use crate::report::Report;
use crate::setters::setters;
use crate::sink::Sink;
use crate::socket::{Socket, Wait};
use crate::socket_id::SocketId;
use crate::sys::waiting::{Poller, Ready};

/// Batches received from one socket before the others have their turn.
const TURN: usize = 16;
/// Batches received from all sockets before time, input and the wish to stop have their turn; at least one from each.
const TURN_OF_ALL: usize = 64;
/// Batches received from each socket when a run ends, and the time after which no more are, each socket having had its turn:
/// a buffer of 64 MiB is emptied, and a flood keeps no run from ending.
const LAST_BATCHES: usize = 1024;
const LAST_TIME: Duration = Duration::from_millis(100);
/// How long an engine that is to be called on time may keep the sockets from being looked at, since the next time is always near.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);
/// How long a wait may last where the system cannot wake it.
const LONGEST_BLIND_WAIT: Duration = Duration::from_millis(20);
/// The pause after a wait that the system refused.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// Between two looks whether something that was sent still waits in this host.
const LINGER_LOOK: Duration = Duration::from_millis(20);

/// The numbers by which the poller knows what is no socket.
const CONTROL: u64 = u64::MAX;
const INTERFACES: u64 = u64::MAX - 1;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Drive<I = Infallible, F = ()> {
    /// The line to the program around it.
    pub control: Control<I, F>,
    /// Multicast groups to be joined, and to be joined again on interfaces that come.
    pub memberships: Memberships,
    /// How long to wait, once the engine has finished, while something that it sent has not left this host: for a neighbour
    /// that may not be there, which is reported after some seconds ([`Socket::holds_unsent`]). Zero, unless it is set.
    pub linger: Duration,
}

setters! { Drive<I, F> {
    control: Control<I, F>,
    memberships: Memberships,
    linger: Duration,
}}

impl<I, F> Drive<I, F> {
    /// With this line alone.
    #[must_use]
    pub fn new(control: Control<I, F>) -> Self {
        Self { control, memberships: Memberships::default(), linger: Duration::ZERO }
    }
}

/// What the run of an engine is given.
pub(crate) type DriveOf<E> = Drive<<E as Engine>::Input, <E as Engine>::Figures>;

/// An engine on its sockets.
pub(crate) struct Run<'a, E: Engine, S> {
    engine: &'a mut E,
    wire: Wire<'a, S>,
    control: Control<E::Input, E::Figures>,
    memberships: Memberships,
    linger: Duration,
    /// A sandbox may forbid to ask for interfaces; a run that needs none of them works without.
    watch: Option<InterfaceWatch>,
    /// What the watch noticed and was not looked at yet.
    gathering: Gathering,
    batch: ReceiveBatch,
    /// What the last wait found.
    ready: Vec<Ready>,
    alarm: Alarm,
    /// When the sockets were looked at last.
    looked: Option<Instant>,
    started: Instant,
}

impl<'a, E: Engine, S: Sink> Run<'a, E, S> {
    pub(crate) fn new(sockets: Sockets, engine: &'a mut E, drive: DriveOf<E>, sink: &'a mut S) -> Self {
        let Drive { control, memberships, linger } = drive;
        let mut run = Self {
            engine,
            wire: Wire::new(sockets, sink),
            control,
            memberships,
            linger,
            watch: InterfaceWatch::new().ok(),
            gathering: Gathering::new(now(), false),
            batch: ReceiveBatch::default(),
            ready: Vec::new(),
            alarm: Alarm::default(),
            looked: None,
            started: now(),
        };
        run.listen_to_what_is_no_socket();
        run.gathering = Gathering::new(run.started, run.watch.is_none());
        run
    }

    #[cfg(unix)]
    fn listen_to_what_is_no_socket(&mut self) {
        use std::os::fd::AsFd;
        let poller = &mut self.wire.sockets.poller;
        let heard = poller.add(self.control.wakeup.as_fd(), CONTROL);
        let _ = heard.inspect_err(|_| self.control.is_deaf = true);
        #[cfg(target_os = "linux")]
        if let Some(watch) = &self.watch
            && poller.add(watch.inner.as_fd(), INTERFACES).is_err()
        {
            self.watch = None;
        }
    }

    #[cfg(windows)]
    fn listen_to_what_is_no_socket(&mut self) {
        self.control.is_deaf = true;
    }

    /// Runs until the engine has finished, is stopped, or the sink wants no more.
    ///
    /// # Errors
    ///
    /// A socket is lost, and the engine wants to end with it.
    pub(crate) fn go(&mut self) -> Result<End> {
        self.begin();
        let end = loop {
            if let Some(end) = self.turn()? {
                break end;
            }
        };
        if end == End::Done {
            self.wait_for_unsent();
        }
        if end != End::SinkClosed {
            self.empty();
        }
        self.finish();
        Ok(end)
    }

    /// What there is to report now.
    pub(crate) fn report(&self) -> Report<E::Figures> {
        let (kernel_drops, kernel_drops_at_least) = self.wire.sockets.drops();
        let elapsed = now().saturating_duration_since(self.started);
        let mut report = Report { kernel_drops, kernel_drops_at_least, elapsed, ..self.engine.report() };
        self.wire.add_to(&mut report);
        report
    }

    fn begin(&mut self) {
        let interfaces = Interfaces::list().unwrap_or_default();
        self.join(&interfaces, &Changes::default());
        self.engine.interfaces(&interfaces);
    }

    /// Does what is due, waits, and hands on what has come; then, why the run ends, if it does.
    fn turn(&mut self) -> Result<Option<End>> {
        let moment = now();
        self.engine.tick(moment, &mut self.wire);
        let is_fed = self.take_input(moment);
        self.wire.flush(self.engine, moment);
        self.look_after_sockets(moment)?;
        self.look_at_interfaces(moment);
        let due = match self.engine.next() {
            _ if self.wire.flow.is_break() => return Ok(Some(End::SinkClosed)),
            _ if self.control.is_stopped() => return Ok(Some(End::Stopped)),
            Next::Done => return Ok(Some(End::Done)),
            // What was fed in may be due at once, and what came up since the last flush waits for nothing.
            _ if is_fed || self.wire.has_work() => Some(moment),
            Next::At(deadline) => Some(deadline),
            Next::Datagram => None,
        };
        self.wire.ask_drops(moment);
        if due.is_none_or(|due| due > now()) {
            self.wire.idle();
            if self.wire.flow.is_break() {
                return Ok(Some(End::SinkClosed));
            }
        }
        let heard = match self.wait(moment, due) {
            Some(asked) => self.hear(asked)?,
            None => false,
        };
        if !heard {
            self.alarm.watch(self.engine.next());
        }
        Ok(None)
    }

    /// Waits until something comes or is due; returns when the sockets were asked, if they answered.
    fn wait(&mut self, moment: Instant, due: Option<Instant>) -> Option<Instant> {
        // The sink may have taken its time.
        let left = || due.map(|due| due.saturating_duration_since(now()));
        if std::mem::take(&mut self.wire.rests) {
            pause(earlier(Some(self.engine.rest()), left()));
        }
        self.alarm.set_precision(self.engine.precision());
        let asleep = left().map(|left| self.alarm.asleep(left));
        // To look at hundreds of sockets takes longer than to send: what is due does not wait for that each time.
        let looked = || self.looked.is_some_and(|at| now() < at + LOOK_INTERVAL);
        if self.alarm.is_exact() && asleep == Some(Duration::ZERO) && looked() {
            return None;
        }
        let reopened = self.wire.sockets.due().map(|due| due.saturating_duration_since(moment));
        let blind = self.control.is_deaf.then_some(LONGEST_BLIND_WAIT);
        let changed = self.gathering.due().map(|due| due.saturating_duration_since(moment));
        let timeout = [asleep, reopened, changed, self.wire.drops_due(moment), blind].into_iter().flatten().min();
        let asked = now();
        self.looked = Some(asked);
        if let Err(cause) = self.wire.sockets.wait(timeout, &mut self.ready) {
            let error = Error::new(Attempt::Wait, Object::None, cause);
            self.wire.emit(Event::Trouble(Trouble { error: &error }));
            pause(earlier(Some(TROUBLE_PAUSE), asleep));
            return None;
        }
        Some(asked)
    }

    /// Hands on what the last wait found; true if there was anything.
    fn hear(&mut self, asked: Instant) -> Result<bool> {
        let (mut heard, mut is_woken, mut is_changed) = (asked, self.control.is_deaf, false);
        let batches = (TURN_OF_ALL / self.ready.len().max(1)).clamp(1, TURN);
        for place in 0..self.ready.len() {
            let Ready { token, failed } = self.ready[place];
            match token {
                CONTROL => is_woken = true,
                INTERFACES => is_changed = true,
                // Nobody is there to be shown what comes.
                _ if self.wire.flow.is_break() => {}
                token => {
                    if let Some(until) = self.hear_from(SocketId::from_token(token), failed, batches)? {
                        heard = heard.min(until);
                    }
                }
            }
        }
        // Where there was no room for all that are ready, something may wait in another.
        if self.ready.len() < Poller::MOST {
            self.engine.heard(heard);
        }
        if is_woken {
            self.control.wakeup.clear();
            self.hand_out_report();
        }
        if is_changed && let Some(watch) = &self.watch {
            self.gathering.add(now(), watch.changes());
        }
        Ok(!self.ready.is_empty())
    }

    /// Hands on what came to a socket, so many batches at most, and its errors; returns the arrival up to which it was received,
    /// if not all of it was.
    fn hear_from(&mut self, via: SocketId, failed: bool, batches: usize) -> Result<Option<Instant>> {
        if failed {
            self.wire.errors(self.engine, via, now());
            let Some(socket) = self.wire.sockets.get(via) else { return Ok(None) };
            socket.discard_reports();
            if let Some(error) = socket.lost() {
                self.lose(via, &error)?;
                return Ok(None);
            }
        }
        let mut last = None;
        for _ in 0..batches {
            // It may have been closed meanwhile.
            let Some(socket) = self.wire.sockets.get(via) else { return Ok(None) };
            let received = match socket.receive(&mut self.batch, Wait::No) {
                Ok(0) => {
                    // One that was shut down can be read for ever, with nothing in it.
                    if !failed
                        && last.is_none()
                        && let Some(error) = socket.lost()
                    {
                        self.lose(via, &error)?;
                    }
                    return Ok(None);
                }
                Ok(received) => received,
                Err(error) => {
                    self.lose(via, &error)?;
                    return Ok(None);
                }
            };
            let moment = self.batch.received_at();
            // An input holds for every datagram that is sent after it was given.
            self.take_input(moment);
            last = self.hand_on(via).or(last);
            self.wire.ask_drops(moment);
            // A batch that was not filled emptied the socket; asking again would cost a call to learn it.
            if received < self.batch.slots() {
                return Ok(None);
            }
            if self.wire.flow.is_break() || !self.wire.broken.is_empty() || self.engine.next() == Next::Done {
                break;
            }
        }
        Ok(last)
    }

    /// Hands what was received to the engine, and sends what it wants sent; returns when the last of it arrived.
    fn hand_on(&mut self, via: SocketId) -> Option<Instant> {
        self.wire.hear(via);
        if let Some(by) = self.batch.clock_step() {
            self.wire.emit(Event::ClockStepped(ClockStepped { by }));
        }
        let mut last = None;
        for train in self.batch.trains() {
            if self.wire.sockets.has_closing() && self.wire.sockets.get(via).is_none() {
                self.wire.ignore_late(train.meta(), train.count(), train.wire_len());
                continue;
            }
            let arrival = self.batch.arrival(train.meta());
            self.engine.receive_train(arrival, via, train, &mut self.wire);
            last = Some(arrival);
        }
        self.wire.flush(self.engine, self.batch.received_at());
        last
    }

    /// Takes leave of sockets that are destroyed or closed, and opens those again that were lost.
    fn look_after_sockets(&mut self, moment: Instant) -> Result<()> {
        for (via, error) in std::mem::take(&mut self.wire.broken) {
            self.lose(via, &error)?;
        }
        while let Some((socket, reported)) = self.wire.sockets.take_closing() {
            self.bury(&socket, reported);
        }
        while let Some(opened) = self.wire.sockets.open_again(moment) {
            match opened {
                Ok(local) => {
                    // Before it is said to be open.
                    let refused = self.join_again();
                    self.wire.emit(Event::Reopened(Reopened { local }));
                    refused.iter().for_each(|error| self.wire.emit(Event::Trouble(Trouble { error })));
                }
                Err(error) => self.wire.emit(Event::Trouble(Trouble { error: &error })),
            }
        }
        Ok(())
    }

    /// Takes leave of a socket that is of no use any more; an error where the engine cannot do without it.
    fn lose(&mut self, via: SocketId, error: &Error) -> Result<()> {
        let Some(new_drops) = self.wire.sockets.lose(via) else { return Ok(()) };
        self.wire.fail_waiting(via);
        self.wire.report_drops(new_drops);
        let moment = now();
        match self.engine.closed(moment, via, error, &mut self.wire) {
            Closed::EndRun => return Err(error.clone()),
            Closed::Reopen => self.wire.sockets.reopen(via, moment),
            Closed::GoOn => self.wire.sockets.forget(via),
        }
        self.memberships.forget(via);
        self.wire.emit(Event::Trouble(Trouble { error }));
        Ok(())
    }

    /// Counts what a socket that the engine closed has received and not handed on.
    fn bury(&mut self, socket: &Socket, reported: u64) {
        for _ in 0..LAST_BATCHES {
            // Whatever is wrong with it now, it is closed.
            let received = socket.receive(&mut self.batch, Wait::No).unwrap_or(0);
            for train in self.batch.trains() {
                self.wire.ignore_late(train.meta(), train.count(), train.wire_len());
            }
            if received < self.batch.slots() {
                break;
            }
        }
        socket.errors(|_| self.wire.unreachable += 1);
        let new_drops = self.wire.sockets.keep_drops(socket, reported);
        self.wire.report_drops(new_drops);
    }

    /// Receives what waits in the sockets when a run ends, so that the report counts it: a batch of each in turn.
    fn empty(&mut self) {
        let until = now() + LAST_TIME;
        let mut left: Vec<_> = self.wire.sockets.open().map(|(via, _)| via).collect();
        for _ in 0..LAST_BATCHES {
            left.retain(|via| {
                let Some(socket) = self.wire.sockets.get(*via) else { return false };
                // Whatever is wrong with a socket now, the run ends.
                let received = socket.receive(&mut self.batch, Wait::No).unwrap_or(0);
                if received > 0 {
                    self.hand_on(*via);
                }
                received == self.batch.slots()
            });
            if left.is_empty() || self.wire.flow.is_break() || now() >= until {
                return;
            }
        }
    }

    /// Waits while something that was sent has not left this host, and hears what is refused.
    fn wait_for_unsent(&mut self) {
        let until = now() + self.linger;
        let holds_unsent = |sockets: &Sockets| sockets.open().any(|(_, socket)| socket.holds_unsent());
        while now() < until && !self.control.is_stopped() && holds_unsent(&self.wire.sockets) {
            pause(Some(LINGER_LOOK));
            self.hear_errors();
        }
    }

    fn hear_errors(&mut self) {
        let open: Vec<_> = self.wire.sockets.open().map(|(via, _)| via).collect();
        for via in open {
            self.wire.errors(self.engine, via, now());
        }
    }

    /// Ends the run: nothing that was received, refused or dropped goes unreported.
    fn finish(&mut self) {
        self.wire.flush(self.engine, now());
        self.hear_errors();
        self.engine.finish(now(), &mut self.wire);
        self.wire.flush(self.engine, now());
        while let Some((socket, reported)) = self.wire.sockets.take_closing() {
            self.bury(&socket, reported);
        }
        let new_drops = self.wire.sockets.new_drops(true);
        self.wire.report_drops(new_drops);
        self.wire.idle();
    }

    /// Hands the inputs that wait to the engine, while it wants them; true if there were any.
    fn take_input(&mut self, moment: Instant) -> bool {
        for taken in 0..QUEUE {
            if !self.engine.wants_input() {
                return taken > 0;
            }
            match self.control.message() {
                Some(Message::Input(input)) => self.engine.input(moment, input, &mut self.wire),
                Some(Message::End) => self.engine.input_ended(moment, &mut self.wire),
                None => return taken > 0,
            }
        }
        true
    }

    /// Gives the report to those who asked for it.
    fn hand_out_report(&mut self) {
        for asked in self.control.asked() {
            // Whoever asked may have given up.
            let _ = asked.try_send(self.report());
        }
    }

    /// Looks what changed, once that is due.
    fn look_at_interfaces(&mut self, moment: Instant) {
        let Some(changes) = self.gathering.take(moment) else { return };
        match Interfaces::list() {
            Ok(interfaces) => {
                self.join(&interfaces, &changes);
                self.engine.interfaces(&interfaces);
                self.wire.emit(Event::Interfaces(InterfacesChanged { interfaces: &interfaces }));
            }
            // Without news, the same would be said again and again.
            Err(_) if self.watch.is_none() => {}
            Err(error) => self.wire.emit(Event::Trouble(Trouble { error: &error })),
        }
        self.gathering.looked(moment, now());
    }

    /// Joins groups, and reports what is refused. A group that is joined nowhere now may be joined later: the interface may
    /// come back.
    fn join(&mut self, interfaces: &Interfaces, changes: &Changes) {
        for error in self.joining(interfaces, changes) {
            self.wire.emit(Event::Trouble(Trouble { error: &error }));
        }
    }

    /// Joins the groups of a socket that was opened again; returns what is refused.
    fn join_again(&mut self) -> Vec<Error> {
        if self.memberships.is_empty() {
            return Vec::new();
        }
        self.joining(&Interfaces::list().unwrap_or_default(), &Changes::default())
    }

    fn joining(&mut self, interfaces: &Interfaces, changes: &Changes) -> Vec<Error> {
        let sockets = &self.wire.sockets;
        self.memberships.keep_up(&|via| sockets.get(via), interfaces, changes)
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
