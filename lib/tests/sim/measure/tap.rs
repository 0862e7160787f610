//! Engines with somebody who writes down what they are handed and what they send: the truth, without what the engine makes of it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use udpkit::{
    Datagram, Engine, Event, Meta, Moment, Next, Outbox, Report, SendFailure, SocketId, Transmit, Unreachable,
};

/// Something that came.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) via: SocketId,
    pub(super) source: SocketAddr,
    pub(super) payload: Vec<u8>,
    /// Whether the engine had finished by then.
    pub(super) is_over: bool,
    /// How often it had been started again by then.
    pub(super) life: usize,
}

/// Something that was sent, or failed to be.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) at: Instant,
    pub(super) via: SocketId,
    pub(super) to: SocketAddr,
    pub(super) traffic_class: Option<u8>,
    pub(super) payload: Vec<u8>,
    /// What it was an answer to: the place of that in what was heard.
    pub(super) cause: Option<usize>,
}

/// What makes an engine anew.
pub(super) type Again<E> = Box<dyn FnOnce() -> E>;

/// An engine, and all that it hears and says. It may lose its memory at times, and be stopped for a while.
pub(super) struct Tap<E> {
    pub(super) engine: E,
    pub(super) heard: Vec<Heard>,
    pub(super) said: Vec<Said>,
    /// When it is replaced, in order.
    pub(super) restarts: VecDeque<(Instant, Again<E>)>,
    /// From when to when it is stopped: what comes meanwhile is handed to it at the end.
    pub(super) stopped: Option<[Instant; 2]>,
    held: Vec<(SocketId, Meta, Vec<u8>)>,
    life: usize,
}

/// Writes down what is sent.
struct Out<'a, O> {
    out: &'a mut O,
    now: Instant,
    said: &'a mut Vec<Said>,
    cause: Option<usize>,
}

impl<O: Outbox> Outbox for Out<'_, O> {
    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        let (to, payload_kept) = (transmit.destination, payload.to_vec());
        let traffic_class = transmit.traffic_class;
        self.said.push(Said { at: self.now, via, to, traffic_class, payload: payload_kept, cause: self.cause });
        self.out.send(via, transmit, payload);
    }

    fn clock(&self) -> Moment {
        self.out.clock()
    }

    fn emit(&mut self, event: Event<'_>) {
        self.out.emit(event);
    }
}

impl<E: Engine> Tap<E> {
    pub(super) fn new(engine: E) -> Self {
        Self {
            engine,
            heard: Vec::new(),
            said: Vec::new(),
            restarts: VecDeque::new(),
            stopped: None,
            held: Vec::new(),
            life: 0,
        }
    }

    fn restart(&mut self, now: Instant) {
        while self.restarts.front().is_some_and(|(at, _)| *at <= now) {
            let (_, again) = self.restarts.pop_front().unwrap();
            self.engine = again();
            self.life += 1;
        }
    }

    fn is_stopped(&self, now: Instant) -> bool {
        self.stopped.is_some_and(|[from, to]| (from..to).contains(&now))
    }

    fn hand(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.restart(now);
        let is_over = self.engine.next() == Next::Done;
        let (source, payload, life) = (datagram.meta.source, datagram.payload.to_vec(), self.life);
        self.heard.push(Heard { at: now, via, source, payload, is_over, life });
        let cause = Some(self.heard.len() - 1);
        self.engine.receive(now, via, datagram, &mut Out { out, now, said: &mut self.said, cause });
    }
}

impl<E: Engine> Engine for Tap<E> {
    type Input = E::Input;
    type Figures = E::Figures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        if self.is_stopped(now) {
            self.held.push((via, *datagram.meta, datagram.payload.to_vec()));
        } else {
            self.hand(now, via, datagram, out);
        }
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        if self.is_stopped(now) {
            return;
        }
        for (via, meta, payload) in std::mem::take(&mut self.held) {
            self.hand(now, via, &Datagram::new(&payload, &meta), out);
        }
        self.restart(now);
        self.engine.tick(now, &mut Out { out, now, said: &mut self.said, cause: None });
    }

    fn heard(&mut self, until: Instant) {
        self.engine.heard(until);
    }

    fn next(&self) -> Next {
        match (self.engine.next(), self.stopped) {
            (Next::At(at), Some([from, to])) if (from..to).contains(&at) => Next::At(to),
            (_, Some([_, to])) if !self.held.is_empty() => Next::At(to),
            (next, _) => next,
        }
    }

    fn unreachable(&mut self, now: Instant, via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.engine.unreachable(now, via, unreachable, out);
    }

    fn failed(&mut self, now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.engine.failed(now, via, failure, out);
    }

    fn wants_input(&self) -> bool {
        self.engine.wants_input()
    }

    fn input(&mut self, now: Instant, input: E::Input, out: &mut impl Outbox) {
        self.engine.input(now, input, out);
    }

    fn finish(&mut self, now: Instant, out: &mut impl Outbox) {
        self.engine.finish(now, out);
    }

    fn report(&self) -> Report<E::Figures> {
        self.engine.report()
    }
}
