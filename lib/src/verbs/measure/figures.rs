//! What `measure` counts and measures.

use std::fmt;
use std::ops::RangeInclusive;

use super::load_figures::LoadFigures;
use crate::bounds::Bounds;
use crate::path::{ClockOffset, DelayVariation, Delays, LossRuns, Reordering};
use crate::report::{Figures, add, debug_counters};
use crate::stats::{Quantiles, SignedNanoseconds};

/// Decimal digits that are kept of each time.
const DIGITS: u8 = 3;

/// What [`Measure`](super::Measure) counts and measures of its own. Each figure says what it is; all times are of first replies that
/// came within [`wait`](super::MeasureOptions::wait).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct MeasureFigures {
    /// What answers.
    pub reflector: ReflectorKind,
    /// Probes sent: those that could not be are not counted.
    pub sent: u64,
    /// Probes that were due before the end, and not sent because the sender could not keep up.
    pub omitted: u64,
    /// Probes that are neither answered nor lost yet.
    pub waiting: u64,
    /// Probes answered within the wait.
    pub answered: u64,
    /// Probes without a reply within the wait (RFC 7680 section 2.4; RFC 6673 for round trips).
    pub lost: u64,
    /// Of the lost ones: those whose reply came after the wait.
    pub late: u64,
    /// Replies to a probe beyond the first.
    pub duplicates: u64,
    /// Datagrams that were taken for replies: of probes, of closing questions.
    pub replies: u64,
    /// Probes that arrived at the reflector and that it left unanswered, since there were too many; `None` where it does not tell.
    pub unanswered: Option<u64>,
    /// Times at which the reflector lost its memory of a session: it was started again, or had too many.
    pub restarts: u64,
    /// Flows for which the reflector may have begun to count after the first probe was sent: it was started then, or had too many
    /// sessions. What came before is not known.
    pub began_late: u64,
    /// Flows of which the reflector counted what cannot be, so that it is not used: it is wrong, or others sent probes in our name.
    pub wrong_counters: u64,
    /// Losses in a row (RFC 3357), of round trips, in the order in which the probes of each flow were sent.
    pub loss_runs: LossRuns,
    /// Round trips without the time inside the reflector: (T4 - T1) - (T3 - T2) (RFC 2681; RFC 8762 section 4). From the time at
    /// which the kernel handed the probe to its device, where that is known, to that at which it received the reply.
    pub rtt: Quantiles,
    /// T4 minus the time at which the probe was to be sent: what a user of the path waits, a slow sender and a slow reflector included.
    pub response: Quantiles,
    /// Time inside the reflector: T3 - T2.
    pub residence: Quantiles,
    /// How late probes were sent, after the time at which they were due.
    pub lateness: Quantiles,
    /// How long the kernel took to hand a probe to its device.
    pub send_delay: Quantiles,
    /// Probes of which that is not known, where it was asked for: their round trip begins when they were handed to the kernel.
    pub without_send_time: u64,
    /// Replies whose times cannot be: a clock was set meanwhile, or the reflector is wrong. They are in no figure of times.
    pub impossible_times: u64,
    /// How far the reflector's clock is from ours.
    pub clock: ClockOffset,
    /// From us to the reflector.
    pub forward: OneWay,
    /// From the reflector to us.
    pub reverse: OneWay,
    /// What a load did to them, where there was one.
    pub load: Option<Box<LoadFigures>>,
}

debug_counters! { MeasureFigures {
    reflector,
    sent,
    omitted,
    waiting,
    answered,
    lost,
    late,
    duplicates,
    replies,
    unanswered,
    restarts,
    began_late,
    wrong_counters,
    loss_runs,
    rtt,
    response,
    residence,
    lateness,
    send_delay,
    without_send_time,
    impossible_times,
    clock,
    forward,
    reverse,
    load,
}}

impl Default for MeasureFigures {
    fn default() -> Self {
        let times = Quantiles::with_digits(DIGITS);
        Self {
            reflector: ReflectorKind::Silent,
            sent: 0,
            omitted: 0,
            waiting: 0,
            answered: 0,
            lost: 0,
            late: 0,
            duplicates: 0,
            replies: 0,
            unanswered: None,
            restarts: 0,
            began_late: 0,
            wrong_counters: 0,
            loss_runs: LossRuns::default(),
            rtt: times.clone(),
            response: times.clone(),
            residence: times.clone(),
            lateness: times.clone(),
            send_delay: times,
            without_send_time: 0,
            impossible_times: 0,
            clock: ClockOffset::default(),
            forward: OneWay::default(),
            reverse: OneWay::default(),
            load: None,
        }
    }
}

impl Figures for MeasureFigures {
    fn used(&self) -> u64 {
        self.replies
    }

    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.sent, other.sent),
            (&mut self.omitted, other.omitted),
            (&mut self.waiting, other.waiting),
            (&mut self.answered, other.answered),
            (&mut self.lost, other.lost),
            (&mut self.late, other.late),
            (&mut self.duplicates, other.duplicates),
            (&mut self.replies, other.replies),
            (&mut self.restarts, other.restarts),
            (&mut self.began_late, other.began_late),
            (&mut self.wrong_counters, other.wrong_counters),
            (&mut self.without_send_time, other.without_send_time),
            (&mut self.impossible_times, other.impossible_times),
        ]);
        self.unanswered = match (self.unanswered, other.unanswered) {
            (Some(ours), Some(theirs)) => Some(ours + theirs),
            (ours, theirs) => ours.or(theirs),
        };
        self.loss_runs.merge(&other.loss_runs);
        let times = [
            (&mut self.rtt, &other.rtt),
            (&mut self.response, &other.response),
            (&mut self.residence, &other.residence),
            (&mut self.lateness, &other.lateness),
            (&mut self.send_delay, &other.send_delay),
        ];
        times.into_iter().for_each(|(ours, theirs)| ours.merge(theirs));
        self.reflector = self.reflector.and(other.reflector);
        self.forward.merge(&other.forward);
        self.reverse.merge(&other.reverse);
        match (&mut self.load, &other.load) {
            (Some(ours), Some(theirs)) => ours.merge(theirs),
            (ours, theirs) => *ours = ours.take().or_else(|| theirs.clone()),
        }
    }
}

/// What answers, as far as its replies tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReflectorKind {
    /// Nothing answered.
    #[default]
    Silent,
    /// A reflector that counts what arrives (`udp reflect`): each direction is known.
    Counting,
    /// A reflector that numbers its replies: each direction is known within bounds.
    Stateful,
    /// A reflector that copies the probe's number: what is lost has no direction.
    Stateless,
    /// It sends back what it gets: nothing is known but round trips.
    Echo,
    /// It answered, and too little was seen to say more.
    Unknown,
}

impl ReflectorKind {
    /// Its name where it is a key: in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Counting => "counting",
            Self::Stateful => "stateful",
            Self::Stateless => "stateless",
            Self::Echo => "echo",
            Self::Unknown => "unknown",
        }
    }

    /// What two flows say together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Silent | Self::Unknown, other) if other != Self::Silent => other,
            (kind, _) => kind,
        }
    }
}

impl fmt::Display for ReflectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "nothing answered",
            Self::Counting => "reflector that counts what arrives",
            Self::Stateful => "reflector that numbers its replies",
            Self::Stateless => "reflector without a memory",
            Self::Echo => "echo server",
            Self::Unknown => "reflector",
        })
    }
}

/// Figures of one direction.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OneWay {
    /// What was lost, doubled and reordered; `None` where replies say nothing of directions.
    pub counts: Option<OneWayCounts>,
    /// Reordering of what is known to have arrived (RFC 4737): extents, n-reordering.
    pub reordering: Reordering,
    /// Delays by the clocks of both ends (RFC 7679): off by their offset, so they may be negative, and are not clamped.
    pub delay: Delays,
    /// How much those of each flow vary, which needs no synchronised clocks; nothing is compared across a moment at which one was set.
    pub variation: DelayVariation,
    /// What became of DSCP and ECN.
    pub traffic_class: TrafficClassSeen,
    /// Hop limits with which datagrams arrived, the lowest and the highest.
    pub hop_limits: Option<[u8; 2]>,
}

impl OneWay {
    /// Takes the delay of a probe of this flow.
    pub(super) fn add_delay(&mut self, flow: usize, number: u64, delay: SignedNanoseconds) {
        self.delay.add(delay);
        self.variation.add_of(flow, number, delay);
    }

    /// Takes the hop limit with which something arrived.
    pub(super) fn add_hop_limit(&mut self, hop_limit: u8) {
        let [low, high] = self.hop_limits.unwrap_or([hop_limit; 2]);
        self.hop_limits = Some([low.min(hop_limit), high.max(hop_limit)]);
    }

    fn merge(&mut self, other: &Self) {
        self.counts = match (self.counts, other.counts) {
            (Some(ours), Some(theirs)) => Some(ours.and(&theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.reordering.merge(&other.reordering);
        self.delay.merge(&other.delay);
        self.variation.merge(&other.variation);
        self.traffic_class.merge(&other.traffic_class);
        for hop_limit in other.hop_limits.into_iter().flatten() {
            self.add_hop_limit(hop_limit);
        }
    }
}

/// What a direction did, each count known or within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OneWayCounts {
    /// Datagrams that were sent and never arrived.
    pub lost: Bounds,
    /// Arrivals beyond the first of each datagram (RFC 5560).
    pub duplicates: Bounds,
    /// First arrivals after one that was sent later (RFC 4737).
    pub reordered: Bounds,
    /// Datagrams that were sent.
    pub sent: Bounds,
}

impl OneWayCounts {
    pub(super) fn and(&self, other: &Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            duplicates: self.duplicates + other.duplicates,
            reordered: self.reordered + other.reordered,
            sent: self.sent + other.sent,
        }
    }
}

/// What became of the traffic class (DSCP and ECN) on the way, in datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrafficClassSeen {
    /// Arrived as it was sent.
    pub unchanged: u64,
    /// Arrived with another DSCP, not zero.
    pub remarked: u64,
    /// Arrived with a DSCP of zero, and was sent with another.
    pub bleached: u64,
    /// Arrived marked: congestion experienced (RFC 3168).
    pub congested: u64,
    /// Arrived with an ECN field of zero, and was sent with another.
    pub ecn_bleached: u64,
    /// Neither end reported it.
    pub unknown: u64,
    /// The traffic classes with which datagrams arrived that were changed, the lowest and the highest.
    pub seen: Option<[u8; 2]>,
}

/// An ECN field that says congestion was experienced.
const CONGESTION: u8 = 3;

impl TrafficClassSeen {
    /// Takes what was sent, and what was seen of it.
    pub(super) fn add(&mut self, sent: u8, seen: Option<u8>) {
        let Some(seen) = seen else {
            self.unknown += 1;
            return;
        };
        let [sent_dscp, seen_dscp] = [sent >> 2, seen >> 2];
        let [sent_ecn, seen_ecn] = [sent & CONGESTION, seen & CONGESTION];
        self.unchanged += u64::from(sent == seen);
        self.bleached += u64::from(sent_dscp != 0 && seen_dscp == 0);
        self.remarked += u64::from(sent_dscp != seen_dscp && seen_dscp != 0);
        self.congested += u64::from(seen_ecn == CONGESTION && sent_ecn != CONGESTION);
        self.ecn_bleached += u64::from(sent_ecn != 0 && seen_ecn == 0);
        if sent != seen {
            self.widen(seen..=seen);
        }
    }

    fn widen(&mut self, seen: RangeInclusive<u8>) {
        let (start, end) = seen.into_inner();
        let [low, high] = self.seen.unwrap_or([start, end]);
        self.seen = Some([low.min(start), high.max(end)]);
    }

    fn merge(&mut self, other: &Self) {
        add(&mut [
            (&mut self.unchanged, other.unchanged),
            (&mut self.remarked, other.remarked),
            (&mut self.bleached, other.bleached),
            (&mut self.congested, other.congested),
            (&mut self.ecn_bleached, other.ecn_bleached),
            (&mut self.unknown, other.unknown),
        ]);
        if let Some([low, high]) = other.seen {
            self.widen(low..=high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traffic_class_is_unchanged_remarked_bleached_or_marked() {
        let mut seen = TrafficClassSeen::default();
        let ef_ect0 = 46 << 2 | 2;
        [Some(ef_ect0), Some(2), Some(10 << 2 | 2), Some(46 << 2 | 3), Some(46 << 2), None]
            .into_iter()
            .for_each(|arrived| seen.add(ef_ect0, arrived));
        let expected = TrafficClassSeen {
            unchanged: 1,
            remarked: 1,
            bleached: 1,
            congested: 1,
            ecn_bleached: 1,
            unknown: 1,
            seen: Some([2, 46 << 2 | 3]),
        };
        assert_eq!(seen, expected);
    }
}
