//! A flow: probes through one socket, and what came back of them.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::common::later;
use super::meanwhile::{Meanwhile, Standing};
use super::order::{ForwardOrder, Reply as Placed};
use super::probe::{Probe, State};
use crate::arrivals::{Arrival, Arrivals};
use crate::path::{LossRuns, Reordering, Replies};
use crate::socket_id::SocketId;
use crate::stamp::{Counters, Purpose, Timestamp};

/// How far the number of a closing question is from those of probes: a reflector without a memory repeats it.
const JUMP: u64 = 1_000_000;
/// Probes whose time is remembered after they are answered or lost, at least: no reply is believed that does not name it.
const REMEMBERED: u64 = 65_536;

/// The part of a time by which two monotonic clocks may measure it differently: both may be slewed by 500 ppm.
const CLOCKS_DIFFER: u32 = 1000;
/// Sessions that the reflector forgot whose replies are still recognised.
const EPOCHS: usize = 16;

/// Probes through one socket, and what came back of them.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) via: SocketId,
    /// The number of the next probe.
    pub(super) next: u64,
    /// The number of the first one that is neither answered nor lost.
    pub(super) first: u64,
    /// The probes from there on.
    pub(super) waiting: VecDeque<Probe>,
    /// Datagrams that were handed to the socket.
    pub(super) pushed: u64,
    /// Probes that were sent: those that failed are not.
    pub(super) sent: u64,
    /// T1 of the last probes, each at the place of its number modulo their count.
    times: Vec<u64>,
    /// How many of them there are at most; a power of two.
    most_times: u64,
    /// Replies by the number of the probe.
    pub(super) answered: Arrivals,
    /// Replies by the reflector's number.
    pub(super) replies: Arrivals,
    reverse_order: Reordering,
    pub(super) forward_order: ForwardOrder,
    /// When the first probe was due, from the start.
    first_due: Option<Duration>,
    /// T2 of the first reply to a probe.
    first_received: Option<Timestamp>,
    /// In the order in which its probes were sent.
    pub(super) loss_runs: LossRuns,
    /// What the reflector counted last.
    pub(super) counters: Option<Counters>,
    /// Whether the reflector has counted since before the first probe was sent, so that it forgot none of them.
    pub(super) knows_all: bool,
    /// The number that its next reply had then.
    pub(super) counted_to: u64,
    pub(super) evidence: Evidence,
    /// What replies show where the reflector does not count.
    pub(super) uncounted: Replies,
    /// How often the reflector counted anew.
    pub(super) restarts: u64,
    /// What was seen before it did.
    pub(super) past: Past,
    /// What is lost for certain, before the closing question.
    pub(super) meanwhile: Meanwhile,
    pub(super) closing: Closing,
}

/// What replies show of the reflector.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    pub(super) has_answered: bool,
    pub(super) is_echo: bool,
    /// A reply had another number than its probe.
    pub(super) has_other_numbers: bool,
    /// A reply to a probe came without counters.
    pub(super) has_uncounted: bool,
    /// Counters came that cannot be, and were not used.
    pub(super) has_impossible_counters: bool,
}

/// What was seen before the reflector started again, added up.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// The last ones of the sessions that it forgot.
    epochs: VecDeque<u64>,
    reverse_order: Reordering,
    pub(super) most_distinct: u64,
    pub(super) duplicates: u64,
    pub(super) replies: u64,
    /// Of the replies: those that arrived.
    pub(super) arrived: u64,
    /// Those of which nobody knows whether they had arrived before.
    pub(super) arrived_too_old: u64,
    pub(super) doubled: u64,
    pub(super) overtaken: u64,
}

/// The questions after the last probe, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Closing {
    /// T1 of each.
    pub(super) asked: Vec<Timestamp>,
    /// The number of the first.
    pub(super) first: u64,
    /// Whether a reflector without counters replied to one of them.
    pub(super) has_reply: bool,
    /// Whether the counters are those of an answer to one of them.
    pub(super) has_counters: bool,
}

impl Closing {
    pub(super) fn is_answered(&self) -> bool {
        self.has_counters || self.has_reply
    }
}

/// What a datagram is to a flow.
#[derive(Debug)]
pub(super) enum Heard {
    /// The first reply to the probe of this number, in time.
    First(u64),
    /// The first reply to a probe that is lost already.
    Late,
    /// Another reply to a probe.
    Again,
    /// An answer to a closing question.
    Closing,
    /// Nothing of this flow.
    Nothing,
}

/// A reply, as far as a flow looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    /// The probe's number, its lower bits.
    pub(super) probe: u32,
    /// Its time, as the reply repeats it.
    pub(super) time: Timestamp,
    /// The reply's own number; `None` of an echo.
    pub(super) number: Option<u32>,
    pub(super) counters: Option<Counters>,
    /// When the probe came to the reflector, by its clock: T2.
    pub(super) received: Timestamp,
    /// When the reply was made: T3.
    pub(super) sent: Timestamp,
    /// When it arrived, from the start.
    pub(super) at: Duration,
}

impl Flow {
    /// A flow through this socket, of which replies to so many of the last probes are to be told apart, and are waited for so long.
    pub(super) fn new(via: SocketId, window: u64, wait: Duration) -> Self {
        Self {
            via,
            next: 0,
            first: 0,
            waiting: VecDeque::new(),
            pushed: 0,
            sent: 0,
            times: Vec::new(),
            most_times: window.next_power_of_two(),
            answered: Arrivals::with_window(window),
            replies: Arrivals::with_window(window),
            reverse_order: Reordering::default(),
            forward_order: ForwardOrder::with_window(window),
            first_due: None,
            first_received: None,
            loss_runs: LossRuns::default(),
            counters: None,
            knows_all: false,
            counted_to: 0,
            evidence: Evidence::default(),
            uncounted: Replies::default(),
            restarts: 0,
            past: Past::default(),
            meanwhile: Meanwhile::new(wait),
            closing: Closing::default(),
        }
    }

    /// How many probes of each flow are to be told apart, where so many may wait for a reply altogether.
    pub(super) fn window(waiting: u64, flows: usize) -> u64 {
        (waiting.saturating_mul(4) / flows.max(1) as u64).max(REMEMBERED / flows.max(1) as u64)
    }

    /// Remembers a probe that is being sent.
    pub(super) fn push(&mut self, probe: Probe, time: Timestamp) {
        let place = self.time_place(self.next);
        if place == self.times.len() {
            self.times.push(time.bits());
        } else {
            self.times[place] = time.bits();
        }
        self.first_due.get_or_insert(probe.due);
        self.waiting.push_back(probe);
        self.next += 1;
        self.pushed += 1;
        self.sent += 1;
    }

    fn time_place(&self, number: u64) -> usize {
        usize::try_from(number & (self.most_times - 1)).expect("no more are kept than there is memory for")
    }

    /// Whether this is the time that the probe of this number had.
    fn is_time_of(&self, number: u64, time: Timestamp) -> bool {
        number < self.next
            && self.next - number <= self.most_times
            && self.times.get(self.time_place(number)) == Some(&time.bits())
    }

    /// The probe of this number, unless it is answered or lost.
    pub(super) fn probe(&mut self, number: u64) -> Option<&mut Probe> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.waiting.get_mut(place)
    }

    /// The probe that was handed to the socket at this place.
    pub(super) fn at_place(&mut self, place: u64) -> Option<&mut Probe> {
        let index = self.waiting.partition_point(|probe| probe.place < place);
        self.waiting.get_mut(index).filter(|probe| probe.place == place)
    }

    /// Takes a reply; whether the probe is still waited for is asked of `is_in_time`.
    pub(super) fn hear(&mut self, incoming: &Incoming, is_in_time: impl Fn(&Probe) -> bool) -> Heard {
        let counters = incoming.counters.filter(|counters| could_be(counters, self.next));
        let has_impossible_counters = counters.is_none() && incoming.counters.is_some();
        let incoming = &Incoming { counters, ..*incoming };
        if self.is_closing(incoming) {
            self.evidence.has_impossible_counters |= has_impossible_counters;
            return self.close(incoming);
        }
        let number = self.answered.extend(incoming.probe);
        if !self.is_time_of(number, incoming.time) {
            return Heard::Nothing;
        }
        self.evidence.has_answered = true;
        self.evidence.is_echo |= incoming.number.is_none();
        self.evidence.has_uncounted |= incoming.counters.is_none();
        self.evidence.has_impossible_counters |= has_impossible_counters;
        self.take_counters(incoming);
        self.place(number, incoming);
        let arrival = self.answered.add(number);
        let is_waiting =
            self.probe(number).is_some_and(|probe| matches!(probe.state, State::Waiting) && is_in_time(probe));
        match arrival {
            Arrival::InOrder | Arrival::Reordered if is_waiting => {
                self.stand(number, incoming);
                Heard::First(number)
            }
            Arrival::InOrder | Arrival::Reordered => Heard::Late,
            Arrival::Duplicate | Arrival::TooOld => Heard::Again,
        }
    }

    /// Puts a reply into the orders of both directions.
    fn place(&mut self, probe: u64, incoming: &Incoming) {
        let Some(number) = incoming.number else { return };
        let first = *self.first_received.get_or_insert(incoming.received);
        let restarts = self.uncounted.restarts();
        self.uncounted.add(probe, number, self.next, incoming.sent.since(first));
        if self.counters.is_none() && self.uncounted.restarts() > restarts {
            self.renumber();
        }
        if incoming.counters.is_some_and(|counters| self.past.epochs.contains(&counters.epoch)) {
            // It was overtaken by a reply of the next session.
            self.past.arrived_too_old += 1;
            return;
        }
        let extended = self.replies.extend(number);
        self.evidence.has_other_numbers |= extended != probe;
        if let Arrival::InOrder | Arrival::Reordered = self.replies.add(extended) {
            self.reverse_order.add(extended, incoming.at);
            let at = u64::try_from(incoming.received.since(first).0).unwrap_or(0);
            self.forward_order.add(extended, Placed { probe, at: Duration::from_nanos(at) });
        }
    }

    /// Takes what the reflector counted.
    fn take_counters(&mut self, incoming: &Incoming) {
        let Some(new) = incoming.counters else { return };
        if self.past.epochs.contains(&new.epoch) {
            return;
        }
        if self.counters.is_some_and(|old| old.epoch != new.epoch) {
            self.restart();
            self.meanwhile.restart([self.sent, new.replies]);
        }
        // The reply was made before it arrived. By then the reflector knew all that came for the time that it says.
        let since_first = incoming.at.saturating_sub(self.first_due.unwrap_or_default());
        self.knows_all |= new.age.saturating_sub(new.age / CLOCKS_DIFFER) > since_first;
        // Replies overtake each other. Without an arrival there can only be fewer of them, since some failed.
        let age = |counters: &Counters| (counters.arrivals, Reverse(counters.replies), counters.load);
        if self.counters.is_none_or(|old| age(&old) <= age(&new)) {
            self.counters = Some(new);
            let number = incoming.number.map_or(0, |number| self.replies.extend(number));
            self.counted_to = number + u64::from(new.purpose == Purpose::Probe);
        }
    }

    /// Notes how both directions stand, where the counters in this reply are the newest.
    fn stand(&mut self, number: u64, incoming: &Incoming) {
        let Some(counters) = self.counters.filter(|counters| incoming.counters == Some(*counters)) else { return };
        let Some(due) = self.probe(number).map(|probe| probe.due) else { return };
        // Those that could not be sent are none of those up to this one, or it is more cautious than it must be.
        let sent = (number + 1).saturating_sub(self.next - self.sent);
        let replies = &self.replies;
        self.meanwhile.add(&Standing {
            at: incoming.at,
            due,
            sent: [sent, counters.replies],
            arrived: [counters.distinct + counters.too_old, replies.distinct() + replies.too_old()],
            behind: [counters.reordered + counters.too_old, replies.reordered() + replies.too_old()],
        });
    }

    /// The reflector counts anew.
    fn restart(&mut self) {
        self.restarts += 1;
        self.knows_all = false;
        let counters = self.counters.take().unwrap_or_default();
        let past = &mut self.past;
        past.epochs.push_back(counters.epoch);
        if past.epochs.len() > EPOCHS {
            past.epochs.pop_front();
        }
        past.most_distinct = past.most_distinct.max(counters.distinct);
        let doubled = counters.arrivals.saturating_sub(counters.distinct + counters.too_old);
        past.duplicates = past.duplicates.saturating_add(doubled);
        past.replies = past.replies.saturating_add(counters.replies.max(self.replies.distinct()));
        past.arrived += self.replies.distinct();
        past.arrived_too_old += self.replies.too_old();
        past.doubled += self.replies.duplicates();
        past.overtaken += self.replies.reordered();
        self.renumber();
    }

    /// The reflector's numbers begin anew.
    fn renumber(&mut self) {
        self.replies = Arrivals::with_window(self.most_times);
        self.forward_order.restart();
        self.past.reverse_order.merge(&std::mem::take(&mut self.reverse_order));
    }

    /// Reordering in reverse, of replies of each of the reflector's lives.
    pub(super) fn reverse_order(&self) -> Reordering {
        let mut order = self.past.reverse_order.clone();
        order.merge(&self.reverse_order);
        order
    }

    /// The number of the closing question that is to be asked next.
    pub(super) fn closing_number(&mut self) -> u64 {
        if self.closing.asked.is_empty() {
            self.closing.first = self.next + JUMP;
        }
        self.closing.first + self.closing.asked.len() as u64
    }

    /// Whether a reply is to a closing question.
    fn is_closing(&self, incoming: &Incoming) -> bool {
        let place = incoming.probe.wrapping_sub(low(self.closing.first));
        let asked = usize::try_from(place).ok().and_then(|place| self.closing.asked.get(place));
        asked.is_some_and(|time| time.bits() == incoming.time.bits())
    }

    fn close(&mut self, incoming: &Incoming) -> Heard {
        self.evidence.has_answered = true;
        self.evidence.is_echo |= incoming.number.is_none();
        if incoming.counters.is_some() {
            self.take_counters(incoming);
            self.closing.has_counters = true;
        } else if let Some(number) = incoming.number {
            self.evidence.has_other_numbers |= number != incoming.probe;
            self.uncounted.add_closing(incoming.probe, number);
            self.closing.has_reply = true;
        }
        Heard::Closing
    }
}

/// Whether a reflector can have counted this of so many probes: others that sent in our name, or a lie, cannot be told from the truth
/// otherwise.
fn could_be(counters: &Counters, probes: u64) -> bool {
    let Counters { arrivals, distinct, reordered, too_old, replies, .. } = *counters;
    let are_told_apart = distinct.checked_add(too_old).is_some_and(|sum| sum <= arrivals);
    are_told_apart && reordered <= distinct && replies <= arrivals && distinct <= probes
}

/// The lower 32 bits.
pub(super) fn low(number: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// When a probe is lost, unless it is answered.
pub(super) fn lost_at(probe: &Probe, wait: Duration) -> Instant {
    later(probe.sent, wait)
}
