//! Queues that are kept short, against the code of RFC 8289, and against what they are for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use udpkit::impairment::{Arrival, CoDel, Departure, Fate, Impairment, LostBy, Queue, Rate};

use crate::{ms, nothing, start};

/// The code of RFC 8289, section 5, on a link and a queue of its own. Times are nanoseconds.
struct Reference {
    target: u64,
    interval: u64,
    marks: bool,
    /// Whether a queue is short by what is behind a datagram when its turn comes, as the RFC has it, or by what was before it.
    looks_behind: bool,
    queue: VecDeque<Packet>,
    bytes: usize,
    longest: usize,
    first_above_time: u64,
    drop_next: u64,
    count: u32,
    last_count: u32,
    dropping: bool,
    lost: Vec<usize>,
    marked: Vec<usize>,
}

#[derive(Clone, Copy)]
struct Packet {
    number: usize,
    len: usize,
    came: u64,
    /// Bytes before it when it came, and those of the longest until then.
    before: usize,
    longest: usize,
    is_ecn_capable: bool,
}

impl Reference {
    fn new(codel: CoDel, looks_behind: bool) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
        Self {
            target: nanoseconds(codel.target),
            interval: nanoseconds(codel.interval),
            marks: codel.marks,
            looks_behind,
            queue: VecDeque::new(),
            bytes: 0,
            longest: 0,
            first_above_time: 0,
            drop_next: 0,
            count: 0,
            last_count: 0,
            dropping: false,
            lost: Vec::new(),
            marked: Vec::new(),
        }
    }

    fn control_law(&self, time: u64) -> u64 {
        let (interval, count) = (u128::from(self.interval), u128::from(self.count));
        time + u64::try_from((interval * interval / count).isqrt()).unwrap()
    }

    fn dodeque(&mut self, now: u64) -> (Option<Packet>, bool) {
        let Some(packet) = self.queue.pop_front() else {
            self.first_above_time = 0;
            return (None, false);
        };
        self.bytes -= packet.len;
        let (others, longest) =
            if self.looks_behind { (self.bytes, self.longest) } else { (packet.before, packet.longest) };
        if now - packet.came < self.target || others <= longest {
            self.first_above_time = 0;
        } else if self.first_above_time == 0 {
            self.first_above_time = now + self.interval;
        } else if now >= self.first_above_time {
            return (Some(packet), true);
        }
        (Some(packet), false)
    }

    /// Marks a datagram, or loses it: whether it did the latter.
    fn drop(&mut self, packet: Option<Packet>) -> bool {
        let packet = packet.unwrap();
        let is_marked = self.marks && packet.is_ecn_capable;
        if is_marked { &mut self.marked } else { &mut self.lost }.push(packet.number);
        !is_marked
    }

    fn deque(&mut self, now: u64) -> Option<Packet> {
        let (mut packet, mut ok_to_drop) = self.dodeque(now);
        if self.dropping {
            if !ok_to_drop {
                self.dropping = false;
            }
            while now >= self.drop_next && self.dropping {
                self.count += 1;
                if !self.drop(packet) {
                    self.drop_next = self.control_law(self.drop_next);
                    return packet;
                }
                (packet, ok_to_drop) = self.dodeque(now);
                if ok_to_drop {
                    self.drop_next = self.control_law(self.drop_next);
                } else {
                    self.dropping = false;
                }
            }
        } else if ok_to_drop {
            if self.drop(packet) {
                (packet, _) = self.dodeque(now);
            }
            self.dropping = true;
            let delta = self.count - self.last_count;
            let is_recent = now < self.drop_next + 16 * self.interval;
            self.count = if delta > 1 && is_recent { delta } else { 1 };
            self.drop_next = self.control_law(now);
            self.last_count = self.count;
        }
        packet
    }

    fn enque(&mut self, number: usize, (came, len, is_ecn_capable): (u64, usize, bool), before: usize) {
        (self.bytes, self.longest) = (self.bytes + len, self.longest.max(len));
        self.queue.push_back(Packet { number, len, came, before, longest: self.longest, is_ecn_capable });
    }

    /// When each of those that are not lost has been sent, on a link of so many bytes a millisecond.
    fn send(&mut self, per_millisecond: usize, arrivals: &[(u64, usize, bool)]) -> Vec<(usize, u64)> {
        let (mut coming, mut sent) = (arrivals.iter().copied().enumerate().peekable(), Vec::new());
        let (mut now, mut sending) = (0, 0);
        loop {
            while let Some((number, arrival)) = coming.next_if(|(_, (came, ..))| *came < now) {
                self.enque(number, arrival, self.bytes + sending);
            }
            if self.queue.is_empty() {
                let Some((number, arrival)) = coming.next() else { return sent };
                now = now.max(arrival.0);
                self.enque(number, arrival, 0);
            }
            if let Some(packet) = self.deque(now) {
                sending = packet.len;
                now += u64::try_from(packet.len * 1_000_000 / per_millisecond).unwrap();
                sent.push((packet.number, now));
            }
        }
    }
}

/// What became of each: when it has been sent and whether it was marked, or that it was lost.
type Fates = Vec<Option<(u64, bool)>>;

fn ours(codel: CoDel, per_millisecond: usize, arrivals: &[(u64, usize, bool)]) -> Fates {
    let bits = u64::try_from(per_millisecond * 8000).unwrap();
    let rate = Rate::new(bits, Queue::Datagrams(usize::MAX)).codel(codel);
    let mut impairment = Impairment::new(nothing().rate(rate), 1, start()).unwrap();
    let mut fate = |&(came, len, is_ecn_capable): &(u64, usize, bool)| {
        let arrival = Arrival::from(len).traffic_class(u8::from(is_ecn_capable));
        match impairment.datagram(start() + Duration::from_nanos(came), arrival).original {
            Fate::Leaves(departure) => {
                Some((u64::try_from((departure.at - start()).as_nanos()).unwrap(), departure.ce_marked))
            }
            Fate::Lost(by) => {
                assert_eq!(by, LostBy::CoDel);
                None
            }
        }
    };
    arrivals.iter().map(&mut fate).collect()
}

fn as_rfc_8289(codel: CoDel, looks_behind: bool, per_millisecond: usize, arrivals: &[(u64, usize, bool)]) -> Fates {
    let mut reference = Reference::new(codel, looks_behind);
    let mut fates = vec![None; arrivals.len()];
    for (number, at) in reference.send(per_millisecond, arrivals) {
        fates[number] = Some((at, reference.marked.binary_search(&number).is_ok()));
    }
    assert!(reference.lost.iter().all(|number| fates[*number].is_none()));
    fates
}

#[test]
fn a_queue_that_stands_is_controlled_as_in_rfc_8289() {
    let codel = CoDel::default();
    for (marks, is_ecn_capable) in [(true, false), (true, true), (false, true)] {
        // 10 Mbit/s, onto which come 11, then 16 and then 9: 1,000 bytes each 0.73, 0.5 and 0.89 ms.
        let (mut came, mut arrivals) = (0, Vec::new());
        for place in 0..40_000u64 {
            came += if place < 15_000 {
                727_000
            } else if place < 30_000 {
                500_000
            } else {
                889_000
            };
            arrivals.push((came, 1000, is_ecn_capable));
        }
        let ours = ours(codel.marks(marks), 1250, &arrivals);
        let theirs = as_rfc_8289(codel.marks(marks), true, 1250, &arrivals);
        // Behind the last ones nothing comes, which ours cannot know when it decides.
        let first = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
        assert!(first.is_none_or(|first| first > 39_990), "{marks} {is_ecn_capable}: {first:?}");
        let (lost, marked) = (count(&ours, |it| it.is_none()), count(&ours, |it| it.is_some_and(|(_, marked)| marked)));
        let acted = if marks && is_ecn_capable { (lost, marked) } else { (marked, lost) };
        assert!(acted.0 == 0 && acted.1 > 500, "{lost} lost, {marked} marked");
    }
}

fn count(fates: &Fates, is_so: impl Fn(&Option<(u64, bool)>) -> bool) -> usize {
    fates.iter().filter(|fate| is_so(fate)).count()
}

#[test]
fn whatever_comes_is_controlled_as_it_is_described() {
    let (mut lost, mut marked) = (0, 0);
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let codel = CoDel::new(ms(random.u64(0..10)), ms(random.u64(10..100))).marks(random.bool());
        let (mut came, mut arrivals, mut pause) = (0, Vec::new(), 0);
        for place in 0..3000 {
            if place % 200 == 0 {
                pause = [0, 1, 100_000, 500_000, 1_000_000, 3_000_000][random.usize(0..6)];
            }
            came += pause;
            arrivals.push((came, 250 * random.usize(0..6), random.u8(0..4) == 0));
        }
        let (ours, theirs) = (ours(codel, 1250, &arrivals), as_rfc_8289(codel, false, 1250, &arrivals));
        let first = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
        assert_eq!(first, None, "seed {seed}");
        lost += count(&ours, |it| it.is_none());
        marked += count(&ours, |it| it.is_some_and(|(_, marked)| marked));
    }
    assert!(lost > 1000 && marked > 1000, "{lost} lost, {marked} marked");
}

#[test]
fn a_queue_is_remembered_for_sixteen_intervals_and_no_longer() {
    let (codel, mut outcomes) = (CoDel::new(ms(1), ms(10)), std::collections::BTreeSet::new());
    for first in 130..160 {
        for gap in 150..195 {
            // Two bursts of twice what the link sends; some first ones end with one that is lost when it is due.
            let came = |number: u64| number * 400_000 + if number < first { 0 } else { gap * 1_000_000 };
            let arrivals: Vec<_> = (0..first + 100).map(|number| (came(number), 1000, false)).collect();
            let (ours, theirs) = (ours(codel, 1250, &arrivals), as_rfc_8289(codel, false, 1250, &arrivals));
            assert_eq!(ours, theirs, "{first}, {gap}");
            outcomes.insert(count(&ours[usize::try_from(first).unwrap()..].to_vec(), |it| it.is_none()));
        }
    }
    assert!(outcomes.len() > 1, "{outcomes:?}: it begins with one, or with what was right before");
}

/// What a sender meets that halves its window when something was lost or marked, as TCP does, and adds to it otherwise.
struct Flow {
    /// How long datagrams waited, but in the first ten of 40 seconds; ascending.
    waited: Vec<Duration>,
    /// Of the link's capacity, in that time.
    share_used: f64,
    lost: [usize; 2],
    marked: usize,
}

/// What comes back to the sender of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Feedback {
    Acknowledged,
    Congested,
}

fn flow(codel: Option<CoDel>, traffic_class: u8) -> Flow {
    let (len, rtt) = (1250, ms(40));
    let rate = Rate::new(10_000_000, Queue::Datagrams(1000)).codel(codel);
    let mut impairment = Impairment::new(nothing().rate(rate), 1, start()).unwrap();
    let (mut window, mut flying, mut recovers_at) = (10.0, 0, start());
    let mut coming: BinaryHeap<Reverse<(Instant, Feedback)>> = BinaryHeap::new();
    let mut flow = Flow { waited: Vec::new(), share_used: 0.0, lost: [0; 2], marked: 0 };
    let (mut now, end, steady) = (start(), start() + ms(40_000), start() + ms(10_000));
    while now < end {
        while f64::from(flying) < window {
            flying += 1;
            let fate = impairment.datagram(now, Arrival::from(len).traffic_class(traffic_class)).original;
            let (heard, feedback) = match fate {
                Fate::Leaves(Departure { at, ce_marked, .. }) => {
                    flow.marked += usize::from(ce_marked);
                    if now >= steady {
                        flow.waited.push(at - now - ms(1));
                        flow.share_used += 1.0 / 30_000.0;
                    }
                    (at + rtt, if ce_marked { Feedback::Congested } else { Feedback::Acknowledged })
                }
                Fate::Lost(by) => {
                    flow.lost[usize::from(by == LostBy::CoDel)] += 1;
                    (now + rtt + ms(10), Feedback::Congested)
                }
            };
            coming.push(Reverse((heard, feedback)));
        }
        let Reverse((heard, feedback)) = coming.pop().unwrap();
        now = heard;
        flying -= 1;
        match feedback {
            Feedback::Acknowledged => window += 1.0 / window,
            Feedback::Congested if now >= recovers_at => {
                window = (window / 2.0).max(2.0);
                recovers_at = now + rtt;
            }
            Feedback::Congested => {}
        }
    }
    flow.waited.sort_unstable();
    flow
}

#[test]
fn a_standing_queue_falls_to_its_target() {
    let quantile = |flow: &Flow, percent: usize| flow.waited[flow.waited.len() * percent / 100];
    let long = flow(None, 0);
    assert!(quantile(&long, 50) > ms(100) && long.lost[1] == 0, "{:?}", quantile(&long, 50));
    let short = flow(Some(CoDel::default()), 0);
    assert!(quantile(&short, 50) < ms(5), "{:?}", quantile(&short, 50));
    assert!(quantile(&short, 99) < ms(50), "{:?}", quantile(&short, 99));
    assert!(short.share_used > 0.85, "{}", short.share_used);
    assert!(short.lost[0] == 0 && short.lost[1] > 10 && short.marked == 0);
    // With marks as with losses, and none is lost.
    let marked = flow(Some(CoDel::default()), 0b10);
    assert!(quantile(&marked, 50) < ms(5), "{:?}", quantile(&marked, 50));
    assert!(marked.lost == [0, 0] && marked.marked > 10 && marked.share_used > 0.85);
}

#[test]
fn a_mark_leaves_the_rest_of_the_traffic_class() {
    let options = nothing().rate(Rate::new(8_000, Queue::Bytes(100_000)).codel(CoDel::new(ms(0), ms(1))));
    let mut impairment = Impairment::new(options, 1, start()).unwrap();
    let classes = [0b1011_1001, 0b1011_1010, 0b1011_1011, 0b1011_1000];
    let mut seen = Vec::new();
    for place in 0..40 {
        let class = classes[place % 4];
        match impairment.datagram(start(), Arrival::from(100).traffic_class(class)).original {
            Fate::Leaves(departure) => {
                let expected = if departure.ce_marked { 0b1011_1011 } else { class };
                assert_eq!(departure.mark(class), expected);
                assert_eq!(departure.mark(0b1011_1000), 0b1011_1000, "whose sender would not understand");
                seen.push(departure.ce_marked);
            }
            Fate::Lost(_) => assert_eq!(class & 0b11, 0, "one that could be marked is lost"),
        }
    }
    assert!(seen.contains(&true) && seen.contains(&false));
}
