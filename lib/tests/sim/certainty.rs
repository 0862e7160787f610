//! What `send` claims of answers, held against the truth in thousands of random runs: networks that lose, copy, delay and
//! reorder answers and refusals, clients that are held up, payloads and answers that are alike or not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use udpkit::event::{OneOf, Request};
use udpkit::verbs::{self, Pace, Requests, SendOptions};
use udpkit::{Cause, Datagram, Engine, Meta, Next, ReplyTo, Unreachable};

use crate::network::{Link, Mail, Network, Said, random};
use crate::{ONE, SERVER, address};

const RUNS: u64 = 10_000;
/// A request that leaves late by less than a tenth of it is waited for as much less.
const WAIT: Duration = Duration::from_millis(100);
/// What is sent so soon after an arrival may be what was answered, as far as clocks tell.
const CLOCK_ERROR: Duration = Duration::from_millis(1);
/// How long a call of the client takes.
const CALL: Duration = Duration::from_micros(1);

/// Random numbers of one run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        random(&mut self.0) % most
    }

    fn happens(&mut self, per_cent: u64) -> bool {
        self.below(100) < per_cent
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::try_from(self.below(values.len() as u64)).unwrap()]
    }

    fn time(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(most.as_nanos()).unwrap()))
    }
}

/// What a run is like.
#[derive(Clone, Copy, Debug)]
struct Setting {
    requests: u64,
    /// Payloads that differ.
    payloads: u64,
    /// Whether the server echoes; otherwise it has so many different answers.
    echoes: bool,
    answers: u64,
    interval: Option<Duration>,
    retries: u32,
    /// Answers that each request wants; zero: all.
    replies: u64,
    /// Peers that answer each request.
    peers: u64,
    dialogue: bool,
    /// Of a hundred.
    lost: u64,
    copied: u64,
    refused: u64,
    held_up: u64,
    /// How long an answer takes at most.
    slowest: Duration,
    quotes: bool,
}

impl Setting {
    fn random(dice: &mut Dice) -> Self {
        let milliseconds = [None, Some(1), Some(7), Some(30), Some(99), Some(100), Some(130)];
        Self {
            requests: 1 + dice.below(30),
            payloads: dice.pick(&[1, 1, 2, 5, 1000]),
            echoes: dice.happens(40),
            answers: dice.pick(&[1, 1, 2, 1000]),
            interval: dice.pick(&milliseconds).map(Duration::from_millis),
            retries: dice.pick(&[0, 0, 0, 2]),
            replies: dice.pick(&[1, 1, 1, 2, 0]),
            peers: dice.pick(&[1, 1, 1, 3]),
            dialogue: dice.happens(25),
            lost: dice.pick(&[0, 0, 5, 30]),
            copied: dice.pick(&[0, 0, 5, 40]),
            refused: dice.pick(&[0, 0, 0, 20]),
            held_up: dice.pick(&[0, 0, 3]),
            slowest: Duration::from_nanos(dice.pick(&[1, 1_000_000, 20_000_000, 89_000_000])),
            quotes: dice.happens(70),
        }
    }
}

/// Something on its way to the client.
#[derive(Clone, Debug)]
enum Mailed {
    /// The answer to this request.
    Answer(u64, Vec<u8>),
    Refusal(Vec<u8>),
}

/// One run, and what is true of it.
struct Run {
    setting: Setting,
    dice: Dice,
    sender: verbs::Send,
    mail: Mail,
    now: Instant,
    /// By time of arrival.
    arriving: BTreeMap<(Instant, u64), Mailed>,
    order: u64,
    /// When each request was sent, each time.
    sent: BTreeMap<u64, Vec<Instant>>,
    /// Answers that arrived, by request.
    answered: BTreeMap<u64, u64>,
    /// Requests that the server refuses.
    refused: Vec<u64>,
    /// What was said to have no answer, for certain.
    unanswered: Vec<u64>,
    /// What was said to have none, by all appearances.
    perhaps_unanswered: u64,
    /// Refusals that may be about several requests.
    unclear_refusals: u64,
    /// Answers claimed for certain, likely, otherwise.
    claims: [u64; 3],
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let setting = Setting::random(&mut dice);
        let payloads =
            (0..setting.requests).map(|number| format!("payload {}", number % setting.payloads).into_bytes());
        let options = SendOptions::new(address(SERVER))
            .wait(WAIT)
            .pace(setting.interval.map(Pace::Interval))
            .retries(setting.retries)
            .replies(setting.replies)
            .any_source(setting.peers > 1)
            .dialogue(setting.dialogue)
            .verbose(true);
        let requests = Requests::all(payloads);
        Self {
            setting,
            dice,
            sender: verbs::Send::new(options, requests),
            mail: Mail::default(),
            now: Network::new(Link::PERFECT, 0).now(),
            arriving: BTreeMap::new(),
            order: 0,
            sent: BTreeMap::new(),
            answered: BTreeMap::new(),
            refused: Vec::new(),
            unanswered: Vec::new(),
            perhaps_unanswered: 0,
            unclear_refusals: 0,
            claims: [0; 3],
        }
    }

    /// Calls the client as a drive does, until it has finished.
    fn run(&mut self) {
        for _ in 0..100_000 {
            self.now += CALL;
            self.sender.tick(self.now, &mut self.mail);
            self.post();
            self.listen();
            let next = match self.sender.next() {
                Next::Done => return,
                Next::At(moment) => Some(moment),
                Next::Datagram => None,
            };
            let arrival = self.arriving.first_key_value().map(|((at, _), _)| *at);
            let wake = [next, arrival].into_iter().flatten().min().expect("something is to come");
            // A system wakes nobody on time.
            self.now = self.now.max(wake) + self.dice.time(Duration::from_micros(200));
            if self.dice.happens(self.setting.held_up) {
                self.now += self.dice.time(3 * WAIT);
            }
            // Either a datagram or the time wakes it; what arrived is taken first in any case.
            if self.dice.happens(50) {
                self.listen();
            }
        }
        panic!("it never ends: {:?}", self.setting);
    }

    /// Takes what the client said, and lets the server answer what it sent.
    fn post(&mut self) {
        for said in std::mem::take(&mut self.mail.said) {
            match said {
                Said::Sent(request, _) => self.sent.entry(request).or_default().push(self.now),
                Said::Unanswered(first, last) if first == last => self.unanswered.push(first),
                Said::Unanswered(first, last) => {
                    assert!(first < last, "{first} to {last}");
                    self.perhaps_unanswered += 1;
                }
                Said::Unreachable(_, request, copy) => self.unclear_refusals += u64::from(request.is_none() && !copy),
                Said::Reply { .. } => {}
                said => panic!("{said:?}"),
            }
        }
        let newly: Vec<_> = self.sent.iter().filter(|(_, times)| times.last() == Some(&self.now)).collect();
        let newly: Vec<u64> = newly.into_iter().map(|(request, _)| *request).collect();
        assert_eq!(self.mail.sent.len(), newly.len());
        let mut sent = std::mem::take(&mut self.mail.sent);
        sent.sort_by_key(|(_, payload)| payload.clone());
        for request in newly {
            let payload = format!("payload {}", (request - 1) % self.setting.payloads).into_bytes();
            self.serve(request, payload);
        }
    }

    fn serve(&mut self, request: u64, payload: Vec<u8>) {
        let setting = self.setting;
        let arrivals = 1 + u64::from(self.dice.happens(setting.copied));
        // Once refused, always refused.
        if self.dice.happens(setting.refused) && self.sent[&request].len() == 1 {
            self.refused.push(request);
        }
        let answers = setting.peers * if setting.replies == 1 { 1 } else { 2 };
        for answer in (0..arrivals).flat_map(|_| 0..answers) {
            if self.dice.happens(setting.lost) {
                continue;
            }
            let mailed = if self.refused.contains(&request) {
                Mailed::Refusal(if setting.quotes { payload.clone() } else { Vec::new() })
            } else if setting.echoes {
                Mailed::Answer(request, payload.clone())
            } else {
                Mailed::Answer(
                    request,
                    format!("answer {}{}", request % setting.answers, "+".repeat(usize::try_from(answer).unwrap()))
                        .into_bytes(),
                )
            };
            for _ in 0..1 + u64::from(self.dice.happens(setting.copied)) {
                self.order += 1;
                // Within the wait of the request, however it came there.
                let at = self.now + self.dice.time(setting.slowest);
                self.arriving.insert((at, self.order), mailed.clone());
            }
        }
    }

    /// Hands over what has arrived.
    fn listen(&mut self) {
        self.now += CALL;
        while let Some(entry) = self.arriving.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let ((at, _), mailed) = entry.remove_entry();
            if self.sender.next() == Next::Done {
                continue;
            }
            match mailed {
                Mailed::Answer(request, payload) => self.answer(at, request, &payload),
                Mailed::Refusal(quote) => {
                    let mut unreachable = Unreachable::new(address(SERVER), None, Cause::Port);
                    unreachable.payload = quote;
                    self.sender.unreachable(self.now, ONE, &unreachable, &mut self.mail);
                }
            }
        }
        self.sender.heard(self.now);
    }

    fn answer(&mut self, at: Instant, request: u64, payload: &[u8]) {
        *self.answered.entry(request).or_default() += 1;
        let meta = Meta::new(address(SERVER));
        self.sender.receive(at, ONE, &Datagram::new(payload, &meta), &mut self.mail);
        let Some(Said::Reply { to, .. }) = self.mail.said.pop() else { panic!("each answer is reported") };
        let setting = self.setting;
        match to {
            ReplyTo::Request(Request { number, rtt, .. }) => {
                assert_eq!(number, request, "{setting:?}");
                let sent = &self.sent[&request];
                let truth = (sent.len() == 1).then(|| at - sent[0]);
                assert_eq!(rtt, truth, "{setting:?}");
                self.claims[0] += 1;
            }
            ReplyTo::OneOf(OneOf { first, last, likely, .. }) => {
                assert!((first..=last).contains(&request), "{request} in {first} to {last}: {setting:?}");
                assert!(first < last, "{setting:?}");
                assert!(likely.is_none_or(|(number, _)| (first..=last).contains(&number)), "{likely:?}");
                self.claims[1 + usize::from(likely.is_none())] += 1;
                assert!(!self.is_alone(at, request), "request {request} alone can be meant: {setting:?}");
            }
            ReplyTo::Copy => {
                let all: u64 = self.answered.values().sum();
                assert!(all > self.answered.len() as u64, "there is no copy yet: {setting:?}");
            }
            _ => panic!("{to:?}: {setting:?}"),
        }
    }

    /// Whether an answer that arrives at this moment can be to no other request.
    fn is_alone(&self, at: Instant, request: u64) -> bool {
        let waits =
            |times: &Vec<Instant>| times.iter().zip(0u32..).map(|(sent, retry)| *sent + WAIT * 2u32.pow(retry)).max();
        self.sent.iter().all(|(other, times)| {
            *other == request || times[0] > at + CLOCK_ERROR || waits(times).is_some_and(|until| until <= at)
        })
    }

    fn check(&self) {
        let (setting, report) = (self.setting, self.sender.report());
        assert!(report.is_balanced(), "{report:?}");
        assert_eq!(report.own.requests, setting.requests);
        for number in &self.unanswered {
            assert!(!self.answered.contains_key(number), "{number} was answered: {setting:?}");
        }
        let all: u64 = self.answered.values().sum();
        let answered = self.answered.len() as u64;
        assert_eq!(report.delivered, all, "{setting:?}");
        assert!((answered..=all).contains(&report.own.requests_answered), "{answered} {report:?} {setting:?}");
        if setting.copied == 0 && setting.retries == 0 && setting.replies == 1 && setting.peers == 1 {
            assert_eq!(report.own.requests_answered, answered, "{setting:?}");
            assert_eq!(report.own.replies_copied, 0, "{setting:?}");
        }
        let has_several = setting.replies != 1 || setting.peers > 1;
        if has_several && answered == setting.requests && setting.held_up == 0 && setting.retries == 0 {
            assert_eq!(self.perhaps_unanswered, 0, "all were answered: {setting:?}");
        }
        let is_slow = setting.interval.is_some_and(|interval| interval >= WAIT);
        if is_slow && setting.held_up == 0 && setting.retries == 0 {
            let unclear = [self.claims[1], self.claims[2], self.unclear_refusals];
            assert_eq!(unclear, [0; 3], "nothing is unclear: {setting:?}");
            let unrefused = setting.refused == 0;
            assert!(!unrefused || self.unanswered.len() as u64 == setting.requests - answered, "{setting:?}");
        }
    }
}

#[test]
fn what_is_claimed_is_true() {
    let mut claims = [0; 3];
    for seed in 0..RUNS {
        let mut run = Run::new(seed);
        run.run();
        run.check();
        claims = [0, 1, 2].map(|kind| claims[kind] + run.claims[kind]);
    }
    // Each kind is tried.
    assert!(claims.iter().all(|count| *count > RUNS), "{claims:?}");
}
