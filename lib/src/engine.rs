//! What a verb must implement: a state machine that is handed time and bytes, and owns no socket.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::datagram::{Datagram, SendFailure, Train, Transmit};
use crate::error::{Attempt, Error, Result};
use crate::event::Event;
use crate::feedback::SendTime;
use crate::interface::Interfaces;
use crate::moment::Moment;
use crate::options::Options;
use crate::report::{Figures, Report};
use crate::socket_id::SocketId;
use crate::unreachable::Unreachable;

/// Where an engine puts what it wants sent and said.
///
/// A trait, so that the same engine runs on sockets ([`drive`](crate::drive())) and on a virtual network in tests, each
/// compiled for it: there is no dynamic call on the path of a datagram. Programs implement it, too: later versions add nothing
/// that has no default.
///
/// ```
/// use std::net::SocketAddr;
/// use std::time::{Instant, SystemTime};
/// use udpkit::event::Event;
/// use udpkit::verbs::{Serve, ServeOptions};
/// use udpkit::{Answer, Datagram, Engine, Meta, Moment, Outbox, SocketId, Transmit};
///
/// /// Keeps what is sent, for a test of an engine without sockets.
/// struct Mail {
///     now: Moment,
///     sent: Vec<(SocketAddr, Vec<u8>)>,
/// }
///
/// impl Outbox for Mail {
///     fn send(&mut self, _via: SocketId, transmit: &Transmit, payload: &[u8]) {
///         self.sent.push((transmit.destination, payload.to_vec()));
///     }
///
///     fn clock(&self) -> Moment {
///         self.now
///     }
///
///     fn emit(&mut self, _event: Event<'_>) {}
/// }
///
/// let mut mail = Mail { now: Moment::new(Instant::now(), SystemTime::UNIX_EPOCH), sent: Vec::new() };
/// let mut serve = Serve::new(ServeOptions::new(Answer::Echo, Vec::new()));
/// let meta = Meta::new(([192, 0, 2, 7], 5000).into());
/// serve.receive(mail.now.monotonic, SocketId::first(0), &Datagram::new(b"hi", &meta), &mut mail);
/// assert_eq!(mail.sent, [(meta.source, b"hi".to_vec())]);
/// ```
pub trait Outbox {
    /// Sends a datagram through this socket. What cannot be sent comes back as [`Engine::failed`]; so does what is sent through a
    /// socket that is closed.
    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]);

    /// Sends a train: the payload cut into datagrams of `segment` bytes, the last one shorter where it does not divide.
    fn send_train(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8], segment: usize) {
        for piece in payload.chunks(segment.max(1)) {
            self.send(via, transmit, piece);
        }
    }

    /// Sends what waits at this socket before anything that is sent from now on. What one socket sends stays in order
    /// anyway; this keeps it among sockets.
    fn settle(&mut self, _via: SocketId) {}

    /// Opens a socket at this address; port 0 is any free one. What it receives comes to the engine like what the others
    /// receive.
    ///
    /// # Errors
    ///
    /// The system's, as of [`Socket::bind`](crate::Socket::bind); or that this outbox opens none.
    fn open(&mut self, local: SocketAddr, _options: &Options) -> Result<SocketId> {
        let cause = io::Error::new(io::ErrorKind::Unsupported, "no sockets are opened here");
        Err(Error::new(Attempt::Bind, local, cause))
    }

    /// The address and port that a socket is bound to; `None` of one that is closed.
    fn local_address(&self, _via: SocketId) -> Option<SocketAddr> {
        None
    }

    /// Closes a socket, once what waits to be sent through it is sent. What it has received and the engine has not is
    /// counted as ignored ([`Reason::SocketClosed`](crate::Reason::SocketClosed)). One that was lost is not opened again. Does nothing where it is closed.
    ///
    /// Its address stays taken until the run's next turn, so no other socket can be opened there in the same call.
    fn close(&mut self, _via: SocketId) {}

    /// The time, read now: for timestamps in what is sent. Everything else goes by the time that the engine is handed.
    fn clock(&self) -> Moment;

    /// Tells that something happened.
    fn emit(&mut self, event: Event<'_>);
}

/// When an engine wants to be called again.
///
/// Exhaustive: what drives an engine must heed each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// [`Engine::tick`] at this moment, or before that with a datagram.
    At(Instant),
    /// With the next datagram.
    Datagram,
    /// Never: it has finished.
    Done,
}

/// What becomes of a run in which a socket was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// It ends, with the error.
    EndRun,
    /// The socket is opened again as soon as that is possible, at its address and with its [`SocketId`]
    /// ([`Event::Trouble`], [`Event::Reopened`]). Until then what is sent through it fails.
    Reopen,
    /// It goes on without the socket.
    GoOn,
}

/// One verb. Owns no socket, reads no clock, prints nothing. Programs implement it: later versions add nothing that has no default.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Instant;
/// use udpkit::{Datagram, Engine, Figures, Next, Outbox, Report, SendFailure, SocketId, Unreachable};
///
/// /// What it counts of its own: datagrams answered.
/// #[derive(Clone, Debug, Default, PartialEq)]
/// struct Answered(u64);
///
/// impl Figures for Answered {
///     fn used(&self) -> u64 {
///         self.0
///     }
///
///     fn merge(&mut self, other: &Self) {
///         self.0 += other.0;
///     }
/// }
///
/// /// Answers each datagram with its length, three times.
/// #[derive(Default)]
/// struct Lengths(Report<Answered>);
///
/// impl Engine for Lengths {
///     type Input = Infallible;
///     type Figures = Answered;
///
///     fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
///         let reply = datagram.wire_len.to_string();
///         out.send(via, &datagram.meta.reply(), reply.as_bytes());
///         self.0.received.add(1, datagram.wire_len);
///         self.0.own.0 += 1;
///         self.0.sent.add(1, reply.len());
///     }
///
///     fn next(&self) -> Next {
///         if self.0.own.0 < 3 { Next::Datagram } else { Next::Done }
///     }
///
///     fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {
///         self.0.unreachable += 1;
///     }
///
///     fn failed(&mut self, _: Instant, _: SocketId, failure: &SendFailure, _: &mut impl Outbox) {
///         self.0.send_failed += failure.count as u64;
///     }
///
///     fn report(&self) -> Report<Answered> {
///         self.0.clone()
///     }
/// }
/// ```
///
/// `via` is the socket that something came by, or was to leave by; `now` is the time of arrival.
pub trait Engine {
    /// What the program around it may hand to it ([`Remote::input`](crate::Remote::input));
    /// [`Infallible`](std::convert::Infallible) where that is nothing.
    type Input;
    /// What it counts besides what every engine does; `()` where that is nothing.
    type Figures: Figures;

    /// Takes a datagram.
    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox);

    /// Takes a run of datagrams of one source; an engine that can treat it as one overrides this.
    fn receive_train(&mut self, now: Instant, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        for datagram in train.datagrams() {
            self.receive(now, via, &datagram, out);
        }
    }

    /// Acts on time alone: sends what is due, gives up on what is late.
    fn tick(&mut self, _now: Instant, _out: &mut impl Outbox) {}

    /// Takes the news that every datagram that arrived before this moment has been handed over.
    fn heard(&mut self, _until: Instant) {}

    /// When [`tick`](Self::tick) is wanted next.
    fn next(&self) -> Next;

    /// How long before [`next`](Self::next) to stop sleeping and watch the clock, so as to be called within a microsecond
    /// of it: some 100 µs do on most systems, and cost so much of a processor each time. Zero: sleep, but let the system
    /// wake up as exactly as it can. `None`: some tenths of a millisecond, or a thousandth of a long wait, do not matter.
    fn precision(&self) -> Option<Duration> {
        None
    }

    /// How long datagrams may wait in the socket once others were received, so that one call receives many: for engines
    /// that answer nobody, to whom only the kernel's time of arrival matters. Some 100 µs save a receiver a third of its
    /// processor time (measured at 300,000/s), and are far less than what a receive buffer lasts. Zero: not at all.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// Takes the news that a datagram of ours was refused.
    fn unreachable(&mut self, now: Instant, via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox);

    /// Takes the time at which something left, of a socket with [`Options::send_timestamps`]. Its `place` counts what this run
    /// sent through the socket, as that of a failure does. What is refused meanwhile, sent through a device that does not
    /// tell, or sent while as many times wait as the receive buffer has room for, has none: wait for no time without an end.
    fn sent(&mut self, _now: Instant, _via: SocketId, _time: &SendTime, _out: &mut impl Outbox) {}

    /// Takes the news that something could not be sent.
    fn failed(&mut self, now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox);

    /// Takes the news that a socket is of no use any more: somebody destroyed it, or its address went. Not called for one that the
    /// engine closed itself.
    fn closed(&mut self, _now: Instant, _via: SocketId, _error: &Error, _out: &mut impl Outbox) -> Closed {
        Closed::EndRun
    }

    /// Whether [`input`](Self::input) may be called now.
    fn wants_input(&self) -> bool {
        false
    }

    /// Takes what the program around it hands to it; only after [`wants_input`](Self::wants_input).
    fn input(&mut self, _now: Instant, _input: Self::Input, _out: &mut impl Outbox) {}

    /// Takes the news that no input follows, once: the program said so ([`Remote::end_input`](crate::Remote::end_input)), or let
    /// go of its last [`Remote`](crate::Remote). Only after [`wants_input`](Self::wants_input).
    fn input_ended(&mut self, _now: Instant, _out: &mut impl Outbox) {}

    /// Takes the news that the run ends: what still waits is given up, and counted. What is sent here still leaves, or comes back
    /// as [`failed`](Self::failed).
    fn finish(&mut self, _now: Instant, _out: &mut impl Outbox) {}

    /// Takes the interfaces of this host, at the start and whenever they change.
    fn interfaces(&mut self, _interfaces: &Interfaces) {}

    /// What happened so far. It counts every datagram received exactly once ([`Report::is_balanced`]).
    fn report(&self) -> Report<Self::Figures>;
}
