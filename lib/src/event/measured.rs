//! What a measurement reports while it runs.

use std::time::Duration;

use crate::stats::SignedNanoseconds;

/// A probe of which is known what became of it, in the order in which probes of its flow were sent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Probed {
    /// The flow: the place of its socket.
    pub flow: usize,
    /// Number of the probe in its flow, from 0.
    pub number: u64,
    /// When it was due, from the start.
    pub due: Duration,
    /// When it was sent, from the start.
    pub sent: Duration,
    /// What became of it.
    pub fate: ProbeFate,
}

impl Probed {
    /// The details of such an event.
    #[must_use]
    pub fn new(flow: usize, number: u64, due: Duration, sent: Duration, fate: ProbeFate) -> Self {
        Self { flow, number, due, sent, fate }
    }
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProbeFate {
    /// It could not be sent.
    Failed,
    /// There was no reply within the wait.
    Lost,
    /// It was answered within the wait.
    #[non_exhaustive]
    Answered {
        /// The round trip without the time inside the reflector; `None` where the times cannot be.
        rtt: Option<Duration>,
        /// From the time at which it was due to the reply.
        response: Duration,
        /// The time inside the reflector; `None` of an echo server, or where the times cannot be.
        residence: Option<Duration>,
        /// Forward and reverse delay by the clocks of both ends; `None` of an echo server.
        delays: Option<[SignedNanoseconds; 2]>,
    },
}
