//! A measurement over a virtual network, and what really happened there: by the network's log, and by who wrote down what came and
//! went at both ends.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use udpkit::impairment::ImpairmentOptions;
use udpkit::sim::{Crossing, Host, HostClock, Network, Outcome};
use udpkit::stamp::Key;
use udpkit::verbs::{
    Measure, MeasureFigures, MeasureInput, MeasureOptions, OneWayCounts, Reflect, ReflectKeys, ReflectOptions, Serve,
    ServeOptions,
};
use udpkit::{Answer, Bounds, Conduct, Engine, Event, Moment, Next, Outbox, RateLimit, Report, SocketId, Transmit};

use super::foreign::{Foreign, Kind};
use super::tap::{Again, Heard, Said, Tap};
use crate::address;
use crate::world::silent;

pub(super) const REFLECTOR: &str = "10.0.0.2:862";
const US: [u8; 4] = [10, 0, 0, 1];
/// Numbers of closing questions are at least so high; those of probes are lower.
const CLOSING: u32 = 1_000_000;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reflector {
    /// This project's; with a limit of replies a second.
    Ours(Option<u32>),
    Foreign(Kind),
    Echo,
}

/// A host that measures, a reflector, and what is between them.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) options: MeasureOptions,
    pub(super) flows: u16,
    pub(super) reflector: Reflector,
    pub(super) forward: ImpairmentOptions,
    pub(super) reverse: ImpairmentOptions,
    /// Our clock, and the reflector's.
    pub(super) clocks: [HostClock; 2],
    pub(super) is_far_clock_set: bool,
    /// How long before us the reflector began.
    pub(super) far_is_older: Duration,
    /// When the reflector loses its memory.
    pub(super) restarts: Vec<Duration>,
    /// From when to when the reflector is stopped.
    pub(super) stopped: Option<[Duration; 2]>,
    /// The same of us.
    pub(super) we_are_stopped: Option<[Duration; 2]>,
    /// The share of what we send that cannot be sent, and of what the reflector sends.
    pub(super) failing: [f64; 2],
    /// When we are asked to finish, and when we are stopped for good.
    pub(super) finish: Option<Duration>,
    pub(super) stop: Option<Duration>,
    /// What somebody sends us in the reflector's name, and when.
    pub(super) forged: Vec<(Duration, Vec<u8>)>,
}

/// Hears nothing of what an engine says, at a moment.
struct Nobody(Instant);

impl Outbox for Nobody {
    fn send(&mut self, _: SocketId, _: &Transmit, _: &[u8]) {}

    fn clock(&self) -> Moment {
        Moment::new(self.0, SystemTime::UNIX_EPOCH)
    }

    fn emit(&mut self, _: Event<'_>) {}
}

/// Each of these milliseconds.
pub(super) fn delayed(milliseconds: u64) -> ImpairmentOptions {
    ImpairmentOptions::default().delay(Duration::from_millis(milliseconds))
}

impl Scenario {
    /// A perfect path of 10 ms forward and 5 ms back, to a reflector of ours.
    pub(super) fn new(seed: u64) -> Self {
        let options = MeasureOptions::new(address(REFLECTOR)).count(100).duration(None);
        Self {
            seed,
            options,
            flows: 1,
            reflector: Reflector::Ours(None),
            forward: delayed(10),
            reverse: delayed(5),
            clocks: [HostClock::default(), HostClock::default()],
            is_far_clock_set: false,
            far_is_older: Duration::from_secs(1),
            restarts: Vec::new(),
            stopped: None,
            we_are_stopped: None,
            failing: [0.0; 2],
            finish: None,
            stop: None,
            forged: Vec::new(),
        }
    }

    /// The addresses of our sockets: that of a load is the last.
    pub(super) fn own(&self) -> Vec<SocketAddr> {
        let of_load = u16::from(self.options.load.is_some());
        (0..self.flows + of_load).map(|flow| SocketAddr::from((US, 40_000 + flow))).collect()
    }

    fn reflect(key: Option<Key>, limit: Option<u32>) -> Reflect {
        let conduct = Conduct::default().rate_limit(RateLimit::Off);
        let keys = key.map_or_else(ReflectKeys::default, |key| ReflectKeys::default().with_any(key));
        Reflect::new(ReflectOptions::new(vec![address(REFLECTOR)]).conduct(conduct).keys(keys).max_rate(limit))
    }

    /// Measures.
    pub(super) fn run(&self) -> Ran {
        match self.reflector {
            Reflector::Ours(limit) => {
                let key = self.options.key.clone();
                self.run_with(Rc::new(move || Self::reflect(key.clone(), limit)))
            }
            Reflector::Foreign(kind) => self.run_with(Rc::new(move || Foreign::new(kind))),
            Reflector::Echo => self.run_with(Rc::new(|| {
                let conduct = Conduct::default().rate_limit(RateLimit::Off);
                Serve::new(ServeOptions::new(Answer::Echo, vec![address(REFLECTOR)]).conduct(conduct))
            })),
        }
    }

    fn run_with<E: Engine + 'static>(&self, reflector: Rc<dyn Fn() -> E>) -> Ran {
        let mut net = Network::new(self.seed);
        let start = net.now();
        let (us, them) = (IpAddr::from(US), address(REFLECTOR).ip());
        net.set_link(us, them, self.forward.clone()).unwrap();
        net.set_link(them, us, self.reverse.clone()).unwrap();
        let own = self.own();
        let mut measure = Tap::new(Measure::new(self.options.clone().own(own.clone())).unwrap());
        let mut far = Tap::new(reflector());
        far.engine.tick(start - self.far_is_older, &mut Nobody(start));
        for at in &self.restarts {
            let reflector = Rc::clone(&reflector);
            let again: Again<E> = Box::new(move || reflector());
            far.restarts.push_back((start + *at, again));
        }
        measure.stopped = self.we_are_stopped.map(|times| times.map(|time| start + time));
        far.stopped = self.stopped.map(|times| times.map(|time| start + time));
        let failures = [(), ()].map(|()| Rc::new(RefCell::new(Vec::new())));
        let [ours, theirs] = [0, 1].map(|end| {
            let (mut random, share, failures) =
                (Rng::with_seed(self.seed + end as u64), self.failing[end], Rc::clone(&failures[end]));
            move |_: &Transmit, _: &[u8]| {
                let fails = random.f64() < share;
                failures.borrow_mut().push(fails);
                fails.then(|| io::Error::from(io::ErrorKind::NetworkUnreachable))
            }
        });
        let host = own[1..].iter().fold(Host::at(own[0]), |host, own| host.socket(*own));
        let [our_clock, their_clock] = self.clocks.clone();
        let measure = net.add(host.clock(our_clock).failing(ours), measure, silent).unwrap();
        let host = Host::at(address(REFLECTOR)).clock(their_clock).failing(theirs);
        let far = net.add(host, far, silent).unwrap();
        for (at, payload) in &self.forged {
            assert!(net.run_for(at.saturating_sub(net.elapsed()), 1_000_000));
            net.inject(address(REFLECTOR), own[0], 64, payload);
        }
        if let Some(at) = self.finish {
            assert!(net.run_for(at.saturating_sub(net.elapsed()), 1_000_000));
            assert!(net.input(measure, MeasureInput::Finish));
        }
        if let Some(at) = self.stop {
            assert!(net.run_for(at.saturating_sub(net.elapsed()), 1_000_000));
            net.finish();
        }
        // A reflector waits for ever; a minute is longer than any run.
        assert!(net.run_for(Duration::from_secs(60), 1_000_000), "it ends");
        assert!(self.stop.is_some() || net.engine(measure).next() == Next::Done);
        let report = net.engine(measure).report();
        assert!(report.is_balanced(), "{report:?}");
        assert!(!self.restarts.is_empty() || net.engine(far).report().is_balanced());
        let [our_failures, their_failures] = failures.map(|failures| failures.borrow().clone());
        let (near, far) = (net.engine(measure), net.engine(far));
        Ran {
            own,
            start,
            log: net.log().to_vec(),
            heard: near.heard.clone(),
            said: sent(&near.said, &our_failures),
            far_heard: far.heard.clone(),
            far_said: sent(&far.said, &their_failures),
            report,
        }
    }
}

/// What was said and did not fail.
fn sent(said: &[Said], failed: &[bool]) -> Vec<Said> {
    assert_eq!(said.len(), failed.len());
    said.iter().zip(failed).filter(|(_, failed)| !**failed).map(|(said, _)| said.clone()).collect()
}

/// A measurement that is over.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) own: Vec<SocketAddr>,
    pub(super) start: Instant,
    pub(super) log: Vec<Crossing>,
    /// What we heard, and said to the network.
    heard: Vec<Heard>,
    pub(super) said: Vec<Said>,
    /// The same of the reflector.
    pub(super) far_heard: Vec<Heard>,
    far_said: Vec<Said>,
    pub(super) report: Report<MeasureFigures>,
}

/// A datagram that was sent, and when it and its copy arrived.
#[derive(Debug)]
struct Sent<'a> {
    said: &'a Said,
    arrivals: Vec<Duration>,
}

/// What really happened to a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) sent: u64,
    pub(super) lost: u64,
    pub(super) duplicates: u64,
    pub(super) reordered: u64,
}

impl Way {
    /// Of so many that were sent, and the places of those that arrived, in the order of their arrival.
    fn of(sent: u64, arrived: &[u64]) -> Self {
        let (mut seen, mut way) = (BTreeSet::new(), Self { sent, lost: sent, ..Self::default() });
        for place in arrived {
            let is_late = seen.last().is_some_and(|last| last > place);
            if seen.insert(*place) {
                way.lost -= 1;
                way.reordered += u64::from(is_late);
            } else {
                way.duplicates += 1;
            }
        }
        way
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
    }

    /// Whether these counts hold it.
    pub(super) fn is_within(&self, counts: &OneWayCounts) -> bool {
        counts.sent.contains(self.sent)
            && counts.lost.contains(self.lost)
            && counts.duplicates.contains(self.duplicates)
            && counts.reordered.contains(self.reordered)
    }

    /// Whether these counts are it.
    pub(super) fn is(&self, counts: &OneWayCounts) -> bool {
        let all = [counts.sent, counts.lost, counts.duplicates, counts.reordered];
        all.into_iter().all(Bounds::is_exact) && self.is_within(counts)
    }
}

/// What really happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) late: u64,
    /// Replies to probes, beyond the first of each.
    pub(super) duplicates: u64,
    /// Replies, those to closing questions included.
    pub(super) replies: u64,
    /// All that arrived by the end.
    pub(super) forward: Way,
    pub(super) reverse: Way,
    /// The same up to the request whose reply was the last, of those that came to us, that the reflector made.
    pub(super) told_forward: Way,
    pub(super) told_reverse: Way,
    /// Whether every flow had an answer to a closing question.
    pub(super) is_closed: bool,
    /// Whether of each flow, replies of two lives of the reflector were heard; whether of any of an earlier life than the last.
    pub(super) has_heard_restart: bool,
    pub(super) has_hidden_restart: bool,
    /// Of probes without a reply: M; and of replies of which the closing reply tells that never came: B; a pair for each flow, with
    /// no B where there was no closing reply.
    pub(super) bounds: Vec<(u64, Option<u64>)>,
    /// Loss periods in the order of sending, of each flow by itself.
    pub(super) periods: u64,
    pub(super) longest: u64,
}

impl Ran {
    /// What became of what was sent from one address to another, of these that were said.
    fn sent<'a>(&self, said: impl Iterator<Item = &'a Said>, from: SocketAddr, to: SocketAddr) -> Vec<Sent<'a>> {
        let mut sent: Vec<_> = said.map(|said| Sent { said, arrivals: Vec::new() }).collect();
        let mut next = 0;
        for crossing in self.log.iter().filter(|it| (it.source, it.destination, it.is_refusal) == (from, to, false)) {
            next += usize::from(!crossing.is_copy);
            if let Outcome::Arrived(at) = crossing.outcome {
                sent[next - 1].arrivals.push(at);
            }
        }
        assert_eq!(next, sent.len(), "the log has what was sent");
        sent
    }

    /// When we last sent something, or heard what we were waiting for.
    pub(super) fn ended(&self) -> Duration {
        let heard = self.heard.iter().filter(|heard| !heard.is_over).map(|heard| heard.at);
        heard.chain(self.said.iter().map(|said| said.at)).max().map_or(Duration::ZERO, |at| at - self.start)
    }

    /// What really happened.
    pub(super) fn truth(&self, options: &MeasureOptions) -> Truth {
        let mut truth = Truth { is_closed: true, ..Truth::default() };
        for place in 0..self.own.len() {
            self.flow(place, options, &mut truth);
        }
        truth
    }

    fn flow(&self, place: usize, options: &MeasureOptions, truth: &mut Truth) {
        let (own, target, via) = (self.own[place], address(REFLECTOR), SocketId::first(place));
        let probes = self.sent(self.said.iter().filter(|said| said.via == via), own, target);
        let replies = self.sent(self.far_said.iter().filter(|said| said.to == own), target, own);
        let came: Vec<(usize, u64)> =
            self.far_heard.iter().enumerate().filter(|(_, it)| it.source == own).map(numbered).collect();
        // By the log as many arrived of each as who wrote it down saw.
        let of_log: usize = probes.iter().map(|sent| sent.arrivals.len()).sum();
        assert_eq!(of_log, came.len());
        let heard: Vec<_> = self.heard.iter().filter(|heard| heard.via == via && !heard.is_over).collect();
        // Which reply each is that we heard.
        let mut left: Vec<Vec<Duration>> = replies.iter().map(|sent| sent.arrivals.clone()).collect();
        let which: Vec<usize> = heard
            .iter()
            .map(|heard| {
                let at = heard.at - self.start;
                let is_it = |(place, sent): &(usize, &Sent<'_>)| {
                    left[*place].contains(&at) && sent.said.payload == heard.payload
                };
                let (place, _) = replies.iter().enumerate().find(is_it).expect("somebody sent it");
                let arrival = left[place].iter().position(|arrival| *arrival == at).unwrap();
                left[place].remove(arrival);
                place
            })
            .collect();
        let asked = |reply: usize| number(&self.far_heard[replies[reply].said.cause.unwrap()].payload);
        let is_closing = |reply: usize| asked(reply) >= CLOSING;
        let sent = probes.iter().filter(|sent| number(&sent.said.payload) < CLOSING).count() as u64;
        // Round trips.
        let mut first: BTreeMap<u32, Duration> = BTreeMap::new();
        for (heard, reply) in heard.iter().zip(&which).filter(|(_, reply)| !is_closing(**reply)) {
            let at = heard.at - self.start;
            truth.duplicates += u64::from(first.contains_key(&asked(*reply)));
            first.entry(asked(*reply)).or_insert(at);
        }
        let mut run = 0;
        for probe in probes.iter().filter(|sent| number(&sent.said.payload) < CLOSING) {
            let due = probe.said.at - self.start + options.wait;
            let reply = first.get(&number(&probe.said.payload));
            let is_answered = reply.is_some_and(|at| *at <= due);
            truth.answered += u64::from(is_answered);
            truth.late += u64::from(reply.is_some() && !is_answered);
            truth.periods += u64::from(!is_answered && run == 0);
            run = if is_answered { 0 } else { run + 1 };
            truth.longest = truth.longest.max(run);
        }
        truth.sent += sent;
        truth.replies += heard.len() as u64;
        let told = which.iter().map(|reply| replies[*reply].said.cause.unwrap()).max();
        let is_told = |cause: usize| told.is_some_and(|told| cause <= told);
        // Directions.
        let of_probes = came.iter().filter(|(_, number)| *number < u64::from(CLOSING));
        let all: Vec<_> = of_probes.clone().map(|(_, number)| *number).collect();
        let until: Vec<_> = of_probes.filter(|(place, _)| is_told(*place)).map(|(_, number)| *number).collect();
        truth.forward.add(Way::of(sent, &all));
        truth.told_forward.add(Way::of(sent, &until));
        let to_probes = (0..replies.len()).filter(|reply| !is_closing(*reply));
        let made = to_probes.clone().count() as u64;
        let made_until = to_probes.filter(|reply| is_told(replies[*reply].said.cause.unwrap())).count() as u64;
        let back: Vec<u64> = which.iter().filter(|reply| !is_closing(**reply)).map(|reply| *reply as u64).collect();
        truth.reverse.add(Way::of(made, &back));
        truth.told_reverse.add(Way::of(made_until, &back));
        let closings: Vec<usize> = which.iter().copied().filter(|reply| is_closing(*reply)).collect();
        truth.is_closed &= !closings.is_empty();
        let unanswered = sent - first.len() as u64;
        let closing = closings.iter().map(|reply| number(&replies[*reply].said.payload)).min();
        let missing =
            closing.map(|made| u64::from(made).saturating_sub(back.iter().collect::<BTreeSet<_>>().len() as u64));
        truth.bounds.push((unanswered, missing));
        let lives: BTreeSet<_> =
            which.iter().map(|reply| self.far_heard[replies[*reply].said.cause.unwrap()].life).collect();
        let all_lives: BTreeSet<_> = self.far_heard.iter().filter(|it| it.source == own).map(|it| it.life).collect();
        truth.has_heard_restart |= lives.len() > 1;
        truth.has_hidden_restart |= lives.len() <= 1 && all_lives.len() > 1;
    }
}

/// The number of a packet.
fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

fn numbered((place, heard): (usize, &Heard)) -> (usize, u64) {
    (place, number(&heard.payload).into())
}
