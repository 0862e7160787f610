//! The engine's outbox on real sockets: batches from a pool, sent in few system calls.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::sockets::Sockets;
use crate::batch::SendBatch;
use crate::clock::now;
use crate::datagram::{Meta, SendFailure, Transmit};
use crate::engine::{Engine, Outbox};
use crate::error::{Attempt, Error, Result};
use crate::event::{Dropped, Event, IgnoredDatagrams, Reason};
use crate::feedback::{Feedback, SendTime};
use crate::moment::Moment;
use crate::options::Options;
use crate::report::{Count, Ignored, Report};
use crate::sink::Sink;
use crate::socket::Socket;
use crate::socket_id::SocketId;

/// How often, at most, the kernel is asked for its drops, and they are reported.
const DROPS_INTERVAL: Duration = Duration::from_secs(1);
/// Sockets that have a batch at the same time: what they have to send goes before another gets one.
const MAX_BATCHES: usize = 64;
/// How often what an engine sends because of failures is sent at once, before other things have their turn.
const ROUNDS: usize = 4;

/// What an engine wants sent and said, on its way.
pub(super) struct Wire<'a, S> {
    pub(super) sockets: Sockets,
    batches: Vec<SendBatch>,
    /// Places of batches that are free.
    free: Vec<usize>,
    /// Sockets that have a batch.
    filled: Vec<SocketId>,
    /// What was not reported to the engine yet.
    failures: Vec<(SocketId, SendFailure)>,
    /// Sockets that turned out to be destroyed when something was to be sent.
    pub(super) broken: Vec<(SocketId, Error)>,
    sink: &'a mut S,
    pub(super) flow: ControlFlow<()>,
    drops_asked: Instant,
    drops_reported: u64,
    /// Whether anything was received since then, so that something may have been dropped.
    received: bool,
    /// Whether anything was received since the last rest.
    pub(super) rests: bool,
    /// What came through sockets that were closed when it was to be handed on.
    late: Count,
    ignored: Ignored,
    /// Refusals of what sockets sent that are closed.
    pub(super) unreachable: u64,
}

impl<'a, S: Sink> Wire<'a, S> {
    pub(super) fn new(sockets: Sockets, sink: &'a mut S) -> Self {
        Self {
            sockets,
            batches: Vec::new(),
            free: Vec::new(),
            filled: Vec::new(),
            failures: Vec::new(),
            broken: Vec::new(),
            sink,
            flow: ControlFlow::Continue(()),
            drops_asked: now(),
            drops_reported: 0,
            received: false,
            rests: false,
            late: Count::default(),
            ignored: Ignored::default(),
            unreachable: 0,
        }
    }

    /// The place of the batch of a socket; `None` where the socket is closed.
    fn batch(&mut self, via: SocketId) -> Option<usize> {
        let batch = self.sockets.batch(via);
        if batch.is_some() {
            return batch;
        }
        self.sockets.get(via)?;
        if self.free.is_empty() && self.batches.len() == MAX_BATCHES {
            self.send_all();
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.batches.push(SendBatch::default());
            self.batches.len() - 1
        });
        let put = self.sockets.give(via, place);
        self.batches[place].set_pushed(put);
        self.filled.push(via);
        Some(place)
    }

    /// Sends what waits, and reports to the engine what could not be sent.
    pub(super) fn flush<E: Engine>(&mut self, engine: &mut E, moment: Instant) {
        for _ in 0..ROUNDS {
            if self.filled.is_empty() && self.failures.is_empty() {
                break;
            }
            self.send_all();
            for (via, failure) in std::mem::take(&mut self.failures) {
                engine.failed(moment, via, &failure, self);
            }
        }
        if self.filled.is_empty() && self.failures.is_empty() {
            self.sink.settled();
        }
    }

    /// Whether anything is to be done before the run waits: something to be sent or reported, or a socket to take leave of.
    pub(super) fn has_work(&self) -> bool {
        !self.filled.is_empty() || !self.failures.is_empty() || !self.broken.is_empty() || self.sockets.has_closing()
    }

    /// Sends what waits at any socket.
    fn send_all(&mut self) {
        for place in 0..self.filled.len() {
            let via = self.filled[place];
            self.send_batch(via);
            if let Some(place) = self.sockets.batch(via) {
                self.release(via, place);
            }
        }
        self.filled.clear();
    }

    /// Sends what waits at a socket, which keeps its batch.
    fn send_batch(&mut self, via: SocketId) {
        let Some(place) = self.sockets.batch(via) else { return };
        let Some(socket) = self.sockets.get(via) else { return };
        let batch = &mut self.batches[place];
        // What could not be sent is among its failures.
        let _ = socket.send(batch);
        // The system says only once that it destroyed a socket, to whichever call comes next.
        let destroyed = |failure: &SendFailure| failure.error.kind() == io::ErrorKind::ConnectionAborted;
        if batch.failures.iter().any(destroyed) {
            let error = Error::new(Attempt::SendOn, socket.local_address(), io::ErrorKind::ConnectionAborted.into());
            self.broken.push((via, error));
        }
        self.failures.extend(batch.failures.drain(..).map(|failure| (via, failure)));
    }

    /// What waits at a socket that is lost is not sent.
    pub(super) fn fail_waiting(&mut self, via: SocketId) {
        let Some(place) = self.sockets.batch(via) else { return };
        let batch = &mut self.batches[place];
        batch.fail_all(io::ErrorKind::NotConnected);
        self.failures.extend(batch.failures.drain(..).map(|failure| (via, failure)));
        self.release(via, place);
        self.filled.retain(|filled| *filled != via);
    }

    /// Takes the batch of a socket, which is empty, back.
    fn release(&mut self, via: SocketId, place: usize) {
        debug_assert!(self.batches[place].is_empty(), "what is in it would be sent by another socket");
        self.sockets.take_batch(via, self.batches[place].pushed());
        self.free.push(place);
    }

    /// Reports to the engine which datagrams were refused, and when others left; of a socket that it closes meanwhile nothing more.
    pub(super) fn errors<E: Engine>(&mut self, engine: &mut E, via: SocketId, moment: Instant) {
        let mut reports = Vec::new();
        if let Some(socket) = self.sockets.get(via) {
            socket.feedback(|feedback| reports.push(feedback));
        }
        for feedback in reports {
            match feedback {
                feedback if self.sockets.get(via).is_none() => {
                    self.unreachable += u64::from(matches!(feedback, Feedback::Refused(_)));
                }
                Feedback::Refused(unreachable) => engine.unreachable(moment, via, &unreachable, self),
                Feedback::Sent(time) => {
                    if let Some(place) = self.sockets.place(via, time.place) {
                        engine.sent(moment, via, &SendTime { place, ..time }, self);
                    }
                }
            }
        }
    }

    /// Remembers that a socket received something.
    pub(super) fn hear(&mut self, via: SocketId) {
        (self.received, self.rests) = (true, true);
        self.sockets.hear(via);
    }

    /// Counts datagrams that came through a socket that is closed.
    pub(super) fn ignore_late(&mut self, meta: &Meta, count: usize, bytes: usize) {
        let reason = Reason::SocketClosed;
        self.late.add(count, bytes);
        self.ignored.add(reason, count);
        self.emit(Event::Ignored(IgnoredDatagrams { meta, reason, count }));
    }

    /// Adds what became of what the engine does not know of.
    pub(super) fn add_to<F>(&self, report: &mut Report<F>) {
        report.received.datagrams += self.late.datagrams;
        report.received.bytes += self.late.bytes;
        report.ignored.merge(&self.ignored);
        report.unreachable += self.unreachable;
    }

    /// How long until the kernel is to be asked for its drops; `None`: not until something is received.
    pub(super) fn drops_due(&self, moment: Instant) -> Option<Duration> {
        let since = moment.saturating_duration_since(self.drops_asked);
        self.received.then(|| DROPS_INTERVAL.saturating_sub(since))
    }

    /// Reports drops since the last time, once that is due.
    pub(super) fn ask_drops(&mut self, moment: Instant) {
        if self.drops_due(moment).is_some_and(|due| due.is_zero()) {
            (self.drops_asked, self.received) = (moment, false);
            let new = self.sockets.new_drops(false);
            self.report_drops(new);
        }
    }

    /// Reports drops.
    pub(super) fn report_drops(&mut self, new: u64) {
        if new > 0 {
            self.drops_reported += new;
            self.emit(Event::Dropped(Dropped { new, total: self.drops_reported }));
        }
    }

    pub(super) fn idle(&mut self) {
        if self.flow.is_continue() {
            self.flow = self.sink.idle();
        }
    }

    /// What was to be sent through a closed socket fails.
    fn fail(&mut self, via: SocketId, transmit: &Transmit, count: usize, bytes: usize) {
        if count == 0 {
            return;
        }
        let error = io::Error::new(io::ErrorKind::NotConnected, "the socket is closed");
        let place = self.sockets.pass_over(via, count);
        self.failures.push((via, SendFailure { transmit: *transmit, place, count, bytes, error }));
    }
}

impl<S: Sink> Outbox for Wire<'_, S> {
    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        let Some(place) = self.batch(via) else { return self.fail(via, transmit, 1, payload.len()) };
        if !self.batches[place].push(transmit, payload) {
            self.send_batch(via);
            let pushed = self.batches[place].push(transmit, payload);
            debug_assert!(pushed, "an empty batch takes any datagram");
        }
    }

    fn send_train(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8], segment: usize) {
        let segment = segment.max(1);
        let Some(place) = self.batch(via) else {
            return self.fail(via, transmit, payload.len().div_ceil(segment), payload.len());
        };
        for run in payload.chunks(SendBatch::max_train(segment)) {
            if !self.batches[place].push_train(transmit, run, segment) {
                self.send_batch(via);
                let pushed = self.batches[place].push_train(transmit, run, segment);
                debug_assert!(pushed, "an empty batch takes any train");
            }
        }
    }

    fn settle(&mut self, via: SocketId) {
        self.send_batch(via);
    }

    fn open(&mut self, local: SocketAddr, options: &Options) -> Result<SocketId> {
        self.sockets.add(Socket::bind(local, options)?)
    }

    fn local_address(&self, via: SocketId) -> Option<SocketAddr> {
        self.sockets.get(via).map(Socket::local_address)
    }

    fn close(&mut self, via: SocketId) {
        if let Some(place) = self.sockets.batch(via) {
            self.send_batch(via);
            self.release(via, place);
            self.filled.retain(|filled| *filled != via);
        }
        self.sockets.close(via);
    }

    fn clock(&self) -> Moment {
        Moment::now()
    }

    fn emit(&mut self, event: Event<'_>) {
        if self.flow.is_continue() {
            self.flow = self.sink.event(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::batch::ReceiveBatch;
    use crate::socket::Wait;
    use crate::verbs::{Listen, ListenOptions};

    #[test]
    fn what_waits_at_a_lost_socket_fails_and_leaves_by_no_other() {
        let bind = || Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), &Options::default()).expect("there are free ports");
        let receiver = bind();
        let to = Transmit::to(receiver.local_address());
        let [lost, other] = [0, 1].map(SocketId::first);
        let mut sink = |_: Event<'_>| ControlFlow::Continue(());
        let mut wire = Wire::new(Sockets::new(vec![bind(), bind()]).expect("there are descriptors"), &mut sink);
        let other_address = wire.local_address(other);
        wire.send(lost, &to, b"lost");
        wire.send_train(lost, &to, b"losttoo!", 4);
        assert!(wire.sockets.lose(lost).is_some());
        wire.fail_waiting(lost);
        wire.send(lost, &to, b"late");
        wire.send(other, &to, b"mine");
        let mut engine = Listen::new(ListenOptions::default());
        wire.flush(&mut engine, now());
        assert_eq!(Engine::report(&engine).send_failed, 4);
        let mut batch = ReceiveBatch::default();
        receiver.receive(&mut batch, Wait::For(Duration::from_secs(10))).expect("it is open");
        let received: Vec<_> = batch.datagrams().map(|datagram| (datagram.meta.source, datagram.payload)).collect();
        assert_eq!(received, [(other_address.expect("it is open"), &b"mine"[..])]);
        assert_eq!(receiver.receive(&mut batch, Wait::No).expect("it is open"), 0);
    }
}
