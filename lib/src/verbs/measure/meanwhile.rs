//! What is known to be lost in each direction while a measurement runs, from the counters in replies.

use std::collections::VecDeque;
use std::time::Duration;

/// Marks in one wait.
const MARKS: u32 = 32;
/// Marks that are kept at most: replies that take as long as the wait need twice as many.
const MOST_MARKS: usize = 128;

/// The datagrams that are lost for certain, forward and reverse, before any closing question is asked.
///
/// A reply says how many probes had come to the reflector when it was made. Those sent up to its own probe that had not were on their way or lost.
/// If they came after all, they came after one that was sent later, and the reflector counts that as reordered. So, once a probe that was
/// sent a whole wait later is answered, those that were missing and did not come so are lost, by the definition of the wait.
#[derive(Debug)]
pub(super) struct Meanwhile {
    wait: Duration,
    marks: VecDeque<Mark>,
    /// Lost before the reflector began to count anew.
    before: [u64; 2],
    /// Lost since then.
    since: [u64; 2],
    /// Probes and replies that are not looked at, since they were sent before that.
    base: [u64; 2],
}

/// Both directions at the arrival of a reply, since the reflector began to count: forward, reverse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// When it arrived, from the start.
    pub(super) at: Duration,
    /// When its probe was due, from the start.
    pub(super) due: Duration,
    /// Datagrams that were sent up to the last one that is known to have arrived, all runs of the reflector together forward.
    pub(super) sent: [u64; 2],
    /// How many of them, and of later ones, may have arrived.
    pub(super) arrived: [u64; 2],
    /// Those that came behind one that was sent later, or may have.
    pub(super) behind: [u64; 2],
}

/// What was missing when a reply arrived.
#[derive(Debug)]
struct Mark {
    at: Duration,
    missing: [u64; 2],
    behind: [u64; 2],
}

impl Meanwhile {
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait, marks: VecDeque::new(), before: [0; 2], since: [0; 2], base: [0; 2] }
    }

    /// Takes how it stands by the newest counters.
    pub(super) fn add(&mut self, now: &Standing) {
        while let Some(mark) = self.marks.front()
            && mark.at + self.wait <= now.due
        {
            for (direction, since) in self.since.iter_mut().enumerate() {
                let came = now.behind[direction].saturating_sub(mark.behind[direction]);
                *since = (*since).max(mark.missing[direction].saturating_sub(came));
            }
            self.marks.pop_front();
        }
        let is_new = self.marks.back().is_none_or(|last| now.at >= last.at + self.wait / MARKS);
        if is_new && self.marks.len() < MOST_MARKS {
            let missing = |direction: usize| {
                now.sent[direction].saturating_sub(self.base[direction]).saturating_sub(now.arrived[direction])
            };
            self.marks.push_back(Mark { at: now.at, missing: [missing(0), missing(1)], behind: now.behind });
        }
    }

    /// The reflector counts anew: what was sent up to now, in either direction, is not looked at any more.
    pub(super) fn restart(&mut self, sent: [u64; 2]) {
        self.marks.clear();
        self.before = self.least();
        self.since = [0; 2];
        self.base = sent;
    }

    /// Datagrams that are lost at least, forward and reverse.
    pub(super) fn least(&self) -> [u64; 2] {
        [0, 1].map(|direction| self.before[direction].saturating_add(self.since[direction]))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use fastrand::Rng;

    use super::super::flow::{Flow, Heard, Incoming, low};
    use super::super::probe::{Probe, State};
    use super::*;
    use crate::arrivals::Arrivals;
    use crate::socket_id::SocketId;
    use crate::stamp::{Counters, Purpose, Timestamp, TimestampFormat};

    const WAIT: Duration = Duration::from_millis(300);
    const EVERY: Duration = Duration::from_millis(10);
    const PROBES: u64 = 1000;

    /// A path, and a reflector that counts; what really became of each datagram is known.
    struct Path {
        random: Rng,
        /// Parts lost, forward and reverse.
        loss: [f64; 2],
        doubled: f64,
        jitter: u64,
        /// When the reflector forgets what it counted.
        restart: Option<Duration>,
    }

    #[derive(Default)]
    struct Reflector {
        arrivals: Arrivals,
        replies: u64,
        epoch: u64,
        /// A wait after the start of it all.
        began: Duration,
    }

    impl Path {
        /// When the copies of a datagram arrive.
        fn cross(&mut self, direction: usize, at: Duration) -> Vec<Duration> {
            if self.random.f64() < self.loss[direction] {
                return Vec::new();
            }
            let copies = 1 + usize::from(self.random.f64() < self.doubled);
            (0..copies).map(|_| at + Duration::from_micros(20_000 + self.random.u64(0..=self.jitter))).collect()
        }

        /// Holds what a flow says against the truth at each reply; gives what it said last, and the truth up to two waits before.
        #[expect(clippy::disallowed_methods, reason = "any moment to begin at")]
        fn run(&mut self) -> ([u64; 2], [u64; 2]) {
            let start = Instant::now();
            let mut flow = Flow::new(SocketId::first(0), 4096, WAIT);
            let mut to_reflector = BTreeMap::new();
            // When those that are lost were sent, or their probe.
            let mut lost = [Vec::new(), Vec::new()];
            for number in 0..PROBES {
                let sent = EVERY * u32::try_from(number).unwrap();
                let arrivals = self.cross(0, sent);
                if arrivals.is_empty() {
                    lost[0].push(sent);
                }
                arrivals.into_iter().enumerate().for_each(|(copy, at)| {
                    to_reflector.insert((at, number, copy), sent);
                });
            }
            let mut reflector = Reflector { epoch: 1, ..Reflector::default() };
            let mut to_us = BTreeMap::new();
            for ((at, number, copy), sent) in to_reflector {
                if self.restart.is_some_and(|restart| restart <= at) {
                    self.restart = None;
                    reflector = Reflector { epoch: 2, began: at + WAIT, ..Reflector::default() };
                }
                let _ = reflector.arrivals.add(number);
                reflector.replies += 1;
                let counters = Counters {
                    epoch: reflector.epoch,
                    arrivals: reflector.arrivals.arrivals(),
                    distinct: reflector.arrivals.distinct(),
                    reordered: reflector.arrivals.reordered(),
                    too_old: reflector.arrivals.too_old(),
                    replies: reflector.replies,
                    age: at + WAIT - reflector.began,
                    ..Counters::request(Purpose::Probe)
                };
                let crossed = self.cross(1, at);
                if crossed.is_empty() {
                    lost[1].push(sent);
                }
                crossed.into_iter().enumerate().for_each(|(again, arrived)| {
                    to_us.insert((arrived, number, copy, again), counters);
                });
            }
            let time = |number: u64| Timestamp::from_bits(number << 32 | 1, TimestampFormat::Ntp);
            let mut last = Duration::ZERO;
            for ((at, number, ..), counters) in to_us {
                while EVERY * u32::try_from(flow.next).unwrap() <= at && flow.next < PROBES {
                    let due = EVERY * u32::try_from(flow.next).unwrap();
                    let probe = Probe {
                        place: flow.next,
                        due,
                        sent: start + due,
                        utc: std::time::UNIX_EPOCH,
                        kernel: None,
                        clock_sets: 0,
                        state: State::Waiting,
                    };
                    flow.push(probe, time(flow.next));
                }
                let incoming = Incoming {
                    probe: low(number),
                    time: time(number),
                    number: Some(low(counters.replies - 1)),
                    counters: Some(counters),
                    received: Timestamp::from_utc(std::time::UNIX_EPOCH + at, TimestampFormat::Ntp),
                    sent: Timestamp::from_utc(std::time::UNIX_EPOCH + at, TimestampFormat::Ntp),
                    at,
                };
                if let Heard::First(number) = flow.hear(&incoming, |probe| start + at - probe.sent <= WAIT) {
                    let answer = super::super::probe::Answer {
                        arrived: start + at,
                        is_echo: false,
                        residence: None,
                        delays: None,
                    };
                    flow.probe(number).unwrap().state = State::Answered(answer);
                }
                while flow
                    .waiting
                    .front()
                    .is_some_and(|probe| start + at > probe.sent + WAIT || matches!(probe.state, State::Answered(_)))
                {
                    flow.waiting.pop_front();
                    flow.first += 1;
                }
                let [forward, reverse] = flow.directions(flow.may_be_forgotten()).unwrap().map(|counts| counts.lost);
                let truth = |direction: usize| lost[direction].iter().filter(|sent| **sent + WAIT < at).count() as u64;
                assert!(forward.contains(truth(0)), "forward {forward} at {at:?}: {}", truth(0));
                assert!(reverse.low <= truth(1), "reverse {reverse} at {at:?}: {}", truth(1));
                last = at;
            }
            let long_ago = |sent: &&Duration| **sent + WAIT * 2 + WAIT / 4 < last;
            (flow.meanwhile.least(), [0, 1].map(|direction| lost[direction].iter().filter(long_ago).count() as u64))
        }
    }

    fn path(seed: u64, loss: [f64; 2]) -> Path {
        Path { random: Rng::with_seed(seed), loss, doubled: 0.0, jitter: 0, restart: None }
    }

    #[test]
    fn what_is_said_meanwhile_holds_the_truth_on_every_path() {
        for seed in 0..24 {
            let mut random = Rng::with_seed(seed);
            let mut part = |most: f64| if random.bool() { random.f64() * most } else { 0.0 };
            let (loss, doubled) = ([part(0.5), part(0.5)], part(0.2));
            let jitter = random.u64(0..100_000);
            let restart = (seed % 3 == 0).then(|| EVERY * random.u32(0..1000));
            Path { doubled, jitter, restart, ..path(seed, loss) }.run();
        }
    }

    #[test]
    fn a_reflector_that_claims_to_have_sent_all_there_can_be_overflows_nothing() {
        let mut meanwhile = Meanwhile::new(WAIT);
        for life in 0..3 {
            for after in [0, 2] {
                let at = WAIT * (4 * life + after);
                meanwhile.add(&Standing { at, due: at, sent: [9, u64::MAX], arrived: [9, 1], behind: [0; 2] });
            }
            meanwhile.restart([9, 0]);
        }
        assert_eq!(meanwhile.least(), [0, u64::MAX]);
    }

    #[test]
    fn where_nothing_is_reordered_losses_are_known_after_two_waits() {
        for seed in 0..5 {
            let (known, truth) = path(seed, [0.1, 0.05]).run();
            assert!(truth[0] > 50 && truth[1] > 20, "{truth:?}");
            assert!(known[0] >= truth[0] && known[1] >= truth[1], "{known:?} of {truth:?}");
        }
    }
}
