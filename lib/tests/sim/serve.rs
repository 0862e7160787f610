//! The engine of `serve` in virtual time: templates, rules, questions, replies held back, workers.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use udpkit::impairment::{GilbertElliott, Impairment, ImpairmentOptions, Jitter, Pattern};
use udpkit::verbs::{Limits, Network as AddressNetwork, Serve, ServeFigures, ServeInput, ServeOptions};
use udpkit::{
    Answer, Conduct, Datagram, Delivery, Engine, InterfaceIndex, MAX_PAYLOAD_V4, Meta, Moment, Next, RateLimit, Reason,
    Report, Rule, Rules, SendFailure, Template, Train, Transmit,
};

use crate::network::{Link, Mail, Network, Said};
use crate::{CLIENT, ONE, OTHER, SERVER, address, fixed, interfaces};

const MS: Duration = Duration::from_millis(1);

/// A server that somebody asks by hand, with the time.
struct Desk {
    serve: Serve,
    mail: Mail,
    now: Instant,
}

impl Desk {
    fn new(answer: impl Into<Answer>) -> Self {
        Self::with(ServeOptions::new(answer, vec![address(SERVER)]))
    }

    fn with(options: ServeOptions) -> Self {
        Self { serve: Serve::new(options), mail: Mail::default(), now: Network::new(Link::PERFECT, 0).now() }
    }

    /// Another worker of the same server.
    fn worker(&self) -> Self {
        Self { serve: self.serve.worker(), mail: Mail::default(), now: self.now }
    }

    /// A datagram of the client arrives.
    fn hear(&mut self, payload: impl AsRef<[u8]>) {
        self.hear_of(&Meta::new(address(CLIENT)), payload);
    }

    fn hear_of(&mut self, meta: &Meta, payload: impl AsRef<[u8]>) {
        let payload = payload.as_ref();
        let datagram = Datagram::new(payload, meta);
        self.serve.receive(self.now, ONE, &datagram, &mut self.mail);
    }

    fn say(&mut self, input: ServeInput) {
        assert!(self.serve.wants_input());
        self.serve.input(self.now, input, &mut self.mail);
    }

    fn answer(&mut self, ticket: u64, reply: Result<&[u8], Reason>) {
        self.say(ServeInput::Reply { ticket, reply: reply.map(<[u8]>::to_vec) });
    }

    /// Lets time pass.
    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.serve.tick(self.now, &mut self.mail);
    }

    /// What was sent since the last time.
    fn sent(&mut self) -> Vec<String> {
        let sent = std::mem::take(&mut self.mail.sent);
        sent.into_iter().map(|(_, reply)| String::from_utf8(reply).unwrap()).collect()
    }

    /// The tickets of all questions since the last time.
    fn tickets(&mut self) -> Vec<u64> {
        let said = std::mem::take(&mut self.mail.said);
        let ticket = |said| if let Said::Question(ticket, _) = said { Some(ticket) } else { None };
        said.into_iter().filter_map(ticket).collect()
    }

    fn report(&self) -> Report<ServeFigures> {
        let report = self.serve.report();
        assert!(report.is_balanced(), "{report:?}");
        report
    }

    fn ignored(&self, reason: Reason) -> u64 {
        self.report().ignored.of(reason)
    }
}

fn text(template: &str) -> Template {
    Template::text(template).unwrap()
}

fn rules(rules: impl IntoIterator<Item = Rule>) -> Rules {
    rules.into_iter().collect()
}

/// Everything is answered, and no guard is on.
fn unguarded(answer: impl Into<Answer>) -> ServeOptions {
    let conduct = Conduct::default()
        .rate_limit(RateLimit::Off)
        .max_amplification(None)
        .break_loops(false)
        .refuse_responder_ports(false);
    ServeOptions::new(answer, vec![address(SERVER)]).conduct(conduct)
}

fn limited(answer: impl Into<Answer>, per_second: u32) -> ServeOptions {
    let conduct = Conduct::default().rate_limit(RateLimit::PerSecond(per_second));
    ServeOptions::new(answer, vec![address(SERVER)]).conduct(conduct)
}

#[test]
fn answers_are_timed_from_when_the_request_arrived() {
    let answer = rules([Rule::any().prefix("late").echo().delay(20 * MS..=20 * MS), Rule::any().echo()]);
    let mut desk = Desk::with(ServeOptions::new(answer, vec![address(SERVER)]).times_answers(true));
    desk.mail.clock = Some(Moment::new(desk.now + MS, SystemTime::UNIX_EPOCH));
    desk.hear("late");
    desk.hear("at once");
    desk.mail.clock = Some(Moment::new(desk.now + 21 * MS, SystemTime::UNIX_EPOCH));
    desk.wait(20 * MS);
    let times = desk.report().own.answer_times;
    let counts = [MS / 2, 2 * MS, 20 * MS, 22 * MS].map(|time| times.count_at_most(time));
    assert_eq!((times.count(), counts), (2, [0, 1, 1, 2]));
}

#[test]
fn answers_of_a_train_are_timed_only_where_it_is_asked_for() {
    let meta = Meta::new(address(CLIENT));
    for asked in [false, true] {
        let mut desk = Desk::with(unguarded(Answer::Echo).times_answers(asked));
        desk.mail.clock = Some(Moment::new(desk.now + MS, SystemTime::UNIX_EPOCH));
        desk.serve.receive_train(desk.now, ONE, Train::new(&meta, b"aabbc", 2), &mut desk.mail);
        assert_eq!(desk.report().own.answer_times.count(), if asked { 3 } else { 0 });
    }
}

#[test]
fn delayed_replies_leave_when_they_are_due_and_in_order() {
    let after = |time: Duration| move |rule: Rule| rule.echo().delay(time..=time);
    let slow = after(30 * MS)(Rule::any().prefix("slow"));
    let fast = after(10 * MS)(Rule::any().prefix("fast"));
    let mut desk = Desk::new(rules([slow, fast, Rule::any().echo()]));
    for payload in ["slow 1", "fast 1", "at once", "slow 2", "fast 2"] {
        desk.hear(payload);
    }
    assert_eq!(desk.sent(), ["at once"]);
    let report = desk.report();
    assert_eq!((report.own.answered, report.waiting), (1, 4));
    assert_eq!(desk.serve.next(), Next::At(desk.now + 10 * MS));
    desk.wait(10 * MS - Duration::from_nanos(1));
    assert!(desk.sent().is_empty());
    desk.wait(Duration::from_nanos(1));
    assert_eq!(desk.sent(), ["fast 1", "fast 2"]);
    // One that comes later and is due sooner goes first.
    desk.hear("fast 3");
    assert_eq!(desk.serve.next(), Next::At(desk.now + 10 * MS));
    desk.wait(100 * MS);
    assert_eq!(desk.sent(), ["fast 3", "slow 1", "slow 2"]);
    assert_eq!(desk.serve.next(), Next::Datagram);
    let report = desk.report();
    assert_eq!((report.own.answered, report.waiting, report.ignored.total()), (6, 0, 0));
}

#[test]
fn delays_of_a_range_fall_all_over_it() {
    let rules = rules([Rule::any().echo().delay(10 * MS..=20 * MS)]).seed(1);
    let mut desk = Desk::with(unguarded(rules));
    for number in 0..1000 {
        desk.hear(number.to_string());
    }
    let started = desk.now;
    let mut waits = Vec::new();
    while let Next::At(due) = desk.serve.next() {
        desk.wait(due - desk.now);
        waits.extend(desk.sent().iter().map(|_| due - started));
    }
    assert_eq!(waits.len(), 1000);
    assert!(waits.iter().all(|wait| (10 * MS..=20 * MS).contains(wait)));
    for tenth in 10..20 {
        let here = waits.iter().filter(|wait| (tenth * MS..(tenth + 1) * MS).contains(wait)).count();
        assert!((50..150).contains(&here), "{here} of 1000 between {tenth} and {} ms", tenth + 1);
    }
}

#[test]
fn what_is_held_back_has_a_bound_and_the_rest_is_busy() {
    const BYTES: usize = 16 << 20;
    let late = |reply: Template| rules([Rule::any().reply(reply).delay(MS..=MS)]);
    let cases = [
        // Their number; then their bytes: of the replies, and of the requests where these are to be told.
        (text("{payload}"), 100, false, 16_384),
        (text("{payload}"), 60_000, false, BYTES / 60_000),
        (text("{length}"), 60_000, false, 16_384),
        (text("{length}"), 60_000, true, BYTES / 60_005),
    ];
    for (reply, len, verbose, most) in cases {
        let mut desk = Desk::with(unguarded(late(reply)).verbose(verbose));
        let request = vec![b'x'; len];
        // When the first have left, there is room again.
        for round in 1..3 {
            for _ in 0..most + 5 {
                desk.hear(&request);
            }
            let report = desk.report();
            assert_eq!((report.waiting, report.ignored.of(Reason::Busy)), (most as u64, round * 5), "{len} {verbose}");
            desk.wait(MS);
            let report = desk.report();
            assert_eq!((report.waiting, report.own.answered), (0, round * most as u64), "{len} {verbose}");
            assert_eq!(desk.sent().len(), most);
        }
    }
}

#[test]
fn replies_are_guarded_before_they_are_held_back() {
    let late = rules([Rule::any().reply(text("{payload}{payload}{payload}{payload}{payload}")).delay(MS..=MS)]);
    let mut desk = Desk::with(limited(late, 2));
    for payload in ["a", "b", "c", &"x".repeat(100)] {
        desk.hear(payload);
    }
    assert_eq!((desk.ignored(Reason::RateLimit), desk.ignored(Reason::Amplification)), (1, 1));
    desk.wait(MS);
    assert_eq!(desk.sent(), ["aaaaa", "bbbbb"]);
}

#[test]
fn a_question_is_answered_once_and_whenever_its_ticket_comes() {
    let mut desk = Desk::new(Answer::ask(10));
    desk.hear("first");
    desk.hear("second");
    let tickets = desk.tickets();
    assert_eq!((tickets.len(), desk.sent().len(), desk.report().waiting), (2, 0, 2));
    desk.wait(3600 * 1000 * MS);
    desk.answer(tickets[1], Ok(b"to second"));
    desk.answer(tickets[1], Ok(b"to second again"));
    desk.answer(tickets[0], Ok(b"to first"));
    desk.answer(tickets[0] + tickets[1] + 1, Ok(b"to nobody"));
    assert_eq!(desk.sent(), ["to second", "to first"]);
    let report = desk.report();
    assert_eq!((report.own.answered, report.waiting, report.ignored.total()), (2, 0, 0));
    assert_eq!((report.sent.datagrams, report.sent.bytes), (2, 17));
}

#[test]
fn no_more_questions_are_open_than_may_be() {
    // Where questions will be told, they are kept twice: here, and by whoever makes the reply.
    let cases = [
        (2, 5, false, 2),
        (0, 5, false, 0),
        (1000, 60_000, false, (16 << 20) / 60_000),
        (1000, 60_000, true, (16 << 20) / 120_000),
    ];
    for (most, len, verbose, open) in cases {
        let mut desk = Desk::with(unguarded(Answer::ask(most)).verbose(verbose));
        let request = vec![b'?'; len];
        for _ in 0..open + 3 {
            desk.hear(&request);
        }
        let report = desk.report();
        assert_eq!((report.waiting, report.ignored.of(Reason::Busy)), (open as u64, 3), "{most} {len}");
        let tickets = desk.tickets();
        assert_eq!(tickets.len(), open);
        for ticket in tickets {
            desk.answer(ticket, Ok(b"!"));
            desk.hear(&request);
        }
        assert_eq!((desk.report().waiting, desk.ignored(Reason::Busy)), (open as u64, 3), "each answer makes room");
    }
}

#[test]
fn questions_are_charged_when_they_are_asked_and_not_again() {
    let mut desk = Desk::with(limited(Answer::ask(100), 4));
    let ask_six = |desk: &mut Desk| {
        for _ in 0..6 {
            desk.hear("?");
        }
        desk.tickets()
    };
    let tickets = ask_six(&mut desk);
    assert_eq!((tickets.len(), desk.ignored(Reason::RateLimit)), (4, 2));
    for ticket in tickets {
        desk.answer(ticket, Ok(b"!"));
    }
    assert_eq!((desk.report().own.answered, desk.ignored(Reason::RateLimit)), (4, 2));
    // What was asked for nothing was dear all the same.
    desk.wait(1000 * MS);
    for ticket in ask_six(&mut desk) {
        desk.answer(ticket, Err(Reason::NoReply));
    }
    desk.hear("?");
    assert_eq!((desk.ignored(Reason::NoReply), desk.ignored(Reason::RateLimit)), (4, 5));
}

#[test]
fn a_reply_that_may_not_go_out_is_ignored_for_its_reason() {
    // A request of one byte is 29 with its headers, and may be answered with 87.
    let cases: [(&str, usize, Option<Reason>); 5] = [
        ("?", 59, None),
        ("?", 60, Some(Reason::Amplification)),
        ("?", MAX_PAYLOAD_V4 + 1, Some(Reason::ReplyTooLong)),
        (&"?".repeat(65_000), MAX_PAYLOAD_V4, None),
        (&"?".repeat(65_000), MAX_PAYLOAD_V4 + 1, Some(Reason::ReplyTooLong)),
    ];
    for (request, len, reason) in cases {
        let reply = "!".repeat(len);
        let made = reply.clone();
        let answers = [
            Answer::ask(1),
            Answer::with(move |_| Some(made.clone().into_bytes())),
            Answer::Template(text(&reply)),
            rules([Rule::any().reply(text(&reply))]).into(),
            rules([Rule::any().reply(text(&reply)).delay(MS..=MS)]).into(),
        ];
        for answer in answers {
            let kind = format!("{:.20} {len} to {}", format!("{answer:?}"), request.len());
            let mut desk = Desk::new(answer);
            desk.hear(request);
            for ticket in desk.tickets() {
                desk.answer(ticket, Ok(reply.as_bytes()));
            }
            desk.wait(MS);
            let (sent, report) = (desk.sent(), desk.report());
            match reason {
                None => assert!(sent.len() == 1 && sent[0] == reply, "{kind}"),
                Some(reason) => assert!(sent.is_empty() && report.ignored.of(reason) == 1, "{kind}: {report:?}"),
            }
            assert_eq!(report.waiting, 0, "{kind}");
        }
    }
    for reason in [Reason::NoReply, Reason::ReplyError, Reason::ReplyLate] {
        let mut desk = Desk::new(Answer::ask(1));
        desk.hear("?");
        let ticket = desk.tickets()[0];
        desk.answer(ticket, Err(reason));
        assert_eq!((desk.sent().len(), desk.ignored(reason), desk.report().waiting), (0, 1, 0));
        assert_eq!(desk.mail.said, [Said::Ignored(reason, 1)]);
    }
}

#[test]
fn what_still_waits_at_the_end_is_unfinished() {
    let mut desk = Desk::new(rules([Rule::any().echo().delay(MS..=MS)]));
    desk.hear("held back");
    desk.say(ServeInput::Answer(Answer::ask(9)));
    desk.hear("asked");
    desk.hear("asked and answered");
    let tickets = desk.tickets();
    desk.answer(tickets[1], Ok(b"!"));
    assert_eq!(desk.report().waiting, 2);
    desk.serve.finish(desk.now, &mut desk.mail);
    let report = desk.report();
    assert_eq!((report.waiting, report.own.answered, report.ignored.of(Reason::Unfinished)), (0, 1, 2));
    assert_eq!(desk.mail.said, [Said::Ignored(Reason::Unfinished, 1), Said::Ignored(Reason::Unfinished, 1)]);
    // Nothing of it comes back.
    desk.answer(tickets[0], Ok(b"too late"));
    desk.wait(MS);
    assert_eq!(desk.sent(), ["!"]);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let mut desk = Desk::new(rules([
        Rule::any().payload("exactly").reply(text("1")),
        Rule::any().prefix("begins").length(8..=10).reply(text("2")),
        Rule::any().test(|payload| payload.contains(&b'!')).reply(text("3")),
        Rule::any()
            .from(AddressNetwork::new([10, 0, 0, 0].into(), 30).unwrap())
            .from(AddressNetwork::new([192, 0, 2, 7].into(), 32).unwrap())
            .prefix("net")
            .reply(text("4")),
        Rule::any().payload("silence!"),
        Rule::any().payload("silence"),
        Rule::any().length(0..=1).reply(text("5 {length}")),
        Rule::any().payload("exactly").reply(text("never")),
        Rule::any().payload("echo").echo(),
    ]));
    let cases = [
        ("10.0.0.1:40000", "exactly", Ok("1")),
        ("10.0.0.1:40000", "exactly ", Err(Reason::NoRule)),
        ("10.0.0.1:40000", "exactl", Err(Reason::NoRule)),
        ("10.0.0.1:40000", "begins 8", Ok("2")),
        ("10.0.0.1:40000", "begins10..", Ok("2")),
        ("10.0.0.1:40000", "begins!", Ok("3")),
        ("10.0.0.1:40000", "begins 11..", Err(Reason::NoRule)),
        ("10.0.0.1:40000", "begins 11.!", Ok("3")),
        ("10.0.0.3:40000", "network", Ok("4")),
        ("10.0.0.4:40000", "network", Err(Reason::NoRule)),
        ("192.0.2.7:40000", "network", Ok("4")),
        ("[fd00::1]:40000", "network", Err(Reason::NoRule)),
        ("10.0.0.1:40000", "silence!", Ok("3")),
        ("10.0.0.1:40000", "silence", Err(Reason::RuleSilent)),
        ("10.0.0.1:40000", "", Ok("5 0")),
        ("10.0.0.1:40000", "echo", Ok("echo")),
    ];
    for (source, payload, expected) in cases {
        desk.hear_of(&Meta::new(address(source)), payload);
        match expected {
            Ok(reply) => assert_eq!(desk.sent(), [reply], "{payload}"),
            Err(reason) => assert_eq!(desk.mail.said.pop(), Some(Said::Ignored(reason, 1)), "{source} {payload}"),
        }
        assert!(desk.sent().is_empty() && desk.mail.said.is_empty(), "{payload}");
    }
    assert_eq!((desk.ignored(Reason::NoRule), desk.ignored(Reason::RuleSilent)), (5, 1));
    let mut empty = Desk::new(Rules::default());
    empty.hear("anything");
    assert_eq!(empty.ignored(Reason::NoRule), 1);
}

#[test]
fn losses_repeat_with_their_seed_and_are_as_frequent_as_said() {
    const ASKED: u32 = 20_000;
    let lost = |probability: f64, seed: u64| {
        let rules = rules([Rule::any().reply(text("{payload}")).loses(probability)]).seed(seed);
        let mut desk = Desk::with(unguarded(rules));
        (0..ASKED).for_each(|number| desk.hear(number.to_string()));
        let sent = desk.sent();
        assert_eq!(desk.ignored(Reason::RuleLoss), u64::from(ASKED) - sent.len() as u64);
        (ASKED - u32::try_from(sent.len()).unwrap(), sent)
    };
    assert_eq!((lost(0.0, 7).0, lost(-1.0, 7).0), (0, 0));
    assert_eq!((lost(1.0, 7).0, lost(9.0, 7).0), (ASKED, ASKED));
    for probability in [0.01, 0.3, 0.9] {
        let (count, sent) = lost(probability, 7);
        let expected = f64::from(ASKED) * probability;
        let deviation = (expected * (1.0 - probability)).sqrt();
        assert!((f64::from(count) - expected).abs() < 5.0 * deviation, "{count} lost with {probability}");
        assert_eq!(lost(probability, 7).1, sent, "the same seed loses the same");
        assert_ne!(lost(probability, 8).1, sent, "another seed loses others");
    }
}

#[test]
fn rules_lose_and_delay_as_links_do() {
    let bursts = GilbertElliott::bursts(0.2, 4.0).unwrap();
    let (pattern, seed) = (Pattern::parse("..x").unwrap(), 7);
    let list = [
        Rule::any().prefix("burst").echo().loses(bursts),
        Rule::any().prefix("late").echo().delay(10 * MS..=30 * MS),
        Rule::any().prefix("third").echo().loses(pattern),
    ];
    let mut desk = Desk::with(unguarded(rules(list).seed(seed)));
    let options = |place: u64| match place {
        0 => ImpairmentOptions::default().loss(bursts),
        1 => ImpairmentOptions::default().delay(20 * MS).jitter(Jitter::Uniform(10 * MS)).keep_order(false),
        _ => ImpairmentOptions::default().loss(Pattern::parse("..x").unwrap()),
    };
    // The nth reply of a rule has the fate of the nth datagram of a link.
    let mut links = [0, 1, 2].map(|place| Impairment::new(options(place), seed + place, desk.now).unwrap());
    let mut lost = 0;
    for number in 0..3000 {
        // Not one after the other.
        let place = [0, 0, 2, 1, 2][number % 5];
        desk.hear(["burst", "late", "third"][place]);
        let departure = links[place].datagram(desk.now, 5).original.departure();
        let due = departure.map(|departure| departure.at);
        lost += u64::from(due.is_none());
        assert_eq!(desk.sent().len(), usize::from(due == Some(desk.now)), "{number}");
        if let Some(due) = due.filter(|due| *due > desk.now) {
            assert_eq!(desk.serve.next(), Next::At(due), "{number}");
            desk.wait(due - desk.now);
            assert_eq!(desk.sent().len(), 1);
        }
    }
    assert!(desk.ignored(Reason::RuleLoss) == lost && lost > 500, "{lost}");
    // What cannot be is the nearest that can.
    for (loss, sent) in [(f64::NAN, 100), (f64::INFINITY, 0)] {
        let chain = GilbertElliott::new(1.0, 0.0).loss_in_bad(loss).delay_in_bad(Duration::MAX);
        let rule = Rule::any().echo().loses(chain).delay(Duration::MAX..=Duration::MAX);
        let mut desk = Desk::with(unguarded(rules([rule])));
        (0..100).for_each(|_| desk.hear("x"));
        assert_eq!(desk.report().waiting, sent, "{loss}");
    }
}

#[test]
fn no_reply_is_delayed_that_is_lost() {
    let rules = rules([Rule::any().echo().delay(MS..=MS).loses(0.5)]).seed(3);
    let mut desk = Desk::with(unguarded(rules));
    for _ in 0..100 {
        desk.hear("x");
    }
    let report = desk.report();
    assert_eq!(report.waiting + report.ignored.of(Reason::RuleLoss), 100);
    desk.wait(MS);
    assert_eq!(desk.sent().len() as u64, report.waiting);
}

#[test]
fn the_end_after_a_count_leaves_what_is_held_back() {
    let late = rules([Rule::any().payload("at once").echo(), Rule::any().echo().delay(MS..=2 * MS)]).seed(1);
    let limits = Limits::default().count(3);
    let mut desk = Desk::with(unguarded(late).limits(limits));
    for number in 0..10 {
        desk.hear(number.to_string());
    }
    desk.hear("at once");
    assert_eq!((desk.sent(), desk.report().waiting), (vec!["at once".to_owned()], 10));
    assert!(matches!(desk.serve.next(), Next::At(_)));
    desk.wait(2 * MS);
    // Two more make three; those that were due as well come after the end.
    assert_eq!(desk.sent().len(), 2);
    assert_eq!(desk.serve.next(), Next::Done);
    desk.hear("at once");
    desk.serve.finish(desk.now, &mut desk.mail);
    let report = desk.report();
    let after = report.ignored.of(Reason::AfterEnd) + report.ignored.of(Reason::Unfinished);
    assert_eq!((report.own.answered, report.waiting, after), (3, 0, 9));
    assert!(desk.sent().is_empty());
}

#[test]
fn a_train_that_passes_the_count_is_answered_up_to_it() {
    let meta = Meta::new(address(CLIENT));
    for answer in [fixed("x"), Answer::Echo, Answer::Sink, Answer::Template(text("{payload}"))] {
        let limits = Limits::default().count(3);
        let mut desk = Desk::with(unguarded(answer.clone()).limits(limits));
        desk.hear("one more");
        desk.serve.receive_train(desk.now, ONE, Train::new(&meta, b"a few at once...", 4), &mut desk.mail);
        let report = desk.report();
        assert_eq!((report.own.answered + report.own.sunk, report.ignored.of(Reason::AfterEnd)), (3, 2), "{answer:?}");
        assert_eq!(report.sent.datagrams, desk.sent().len() as u64);
        assert_eq!(desk.serve.next(), Next::Done);
    }
}

#[test]
fn a_run_of_requests_is_answered_as_one_where_each_would_be_answered_alike() {
    let meta = Meta::new(address(CLIENT));
    let long = "x".repeat(1000);
    let train = Train::new(&meta, b"four more than....", 4);
    let even = Train::new(&meta, b"four more than..", 4);
    let verbose = |answer| unguarded(answer).verbose(true);
    let cases = [
        (unguarded(Answer::Echo), even, vec![4]),
        (unguarded(fixed("!")), even, vec![4]),
        (unguarded(fixed("!!!!")), even, vec![4]),
        (unguarded(fixed(&long)), even, vec![4]),
        (limited(Answer::Echo, 3), even, vec![3]),
        (limited(fixed("!"), 3), even, vec![3]),
        (unguarded(Answer::Sink), even, vec![]),
        // The last is shorter, one of them may be our own reply, or each has its own: each is looked at.
        (unguarded(Answer::Echo), train, vec![]),
        (unguarded(fixed("four")), even, vec![]),
        (unguarded(fixed("")), even, vec![]),
        (unguarded(fixed(&"x".repeat(60_000))), even, vec![]),
        (unguarded(Answer::Template(text("{payload}"))), even, vec![]),
        (verbose(Answer::Echo), even, vec![]),
    ];
    for (options, train, trains) in cases {
        let name = format!("{:.40}", format!("{:?}", options.answer));
        let told = if options.verbose { train.count() } else { 0 };
        let mut desk = Desk::with(options);
        desk.serve.receive_train(desk.now, ONE, train, &mut desk.mail);
        assert_eq!(desk.mail.trains, trains, "{name}");
        let report = desk.report();
        let used = report.own.answered + report.own.sunk + report.ignored.of(Reason::RateLimit);
        assert_eq!(used, train.count() as u64, "{name}");
        assert_eq!(report.sent.datagrams, desk.mail.sent.len() as u64, "{name}");
        let bytes = desk.mail.sent.iter().map(|(_, reply)| reply.len() as u64).sum::<u64>();
        assert_eq!(report.sent.bytes, bytes, "{name}");
        assert_eq!(desk.mail.said.iter().filter(|said| matches!(said, Said::Answered(..))).count(), told, "{name}");
    }
}

#[test]
fn only_what_came_by_interfaces_and_to_addresses_that_were_asked_for_is_answered() {
    for answer in [Answer::Echo, Answer::Template(text("{payload}")), Answer::Sink] {
        let destinations = vec![Some(address(SERVER).ip()), None];
        let (interfaces_of, wanted) = ([("eth0", 2), ("eth1", 3)], vec!["eth1".to_owned()]);
        let options = unguarded(answer.clone()).interfaces(wanted).destinations(destinations);
        let mut desk = Desk::with(options);
        desk.serve.interfaces(&interfaces(&interfaces_of));
        let cases = [
            (SERVER, 3, None),
            (SERVER, 2, Some(Reason::OtherInterface)),
            (OTHER, 3, Some(Reason::OtherDestination)),
            (OTHER, 2, Some(Reason::OtherInterface)),
        ];
        for (destination, interface, reason) in cases {
            let mut meta = Meta::new(address(CLIENT));
            (meta.destination, meta.interface) = (Some(address(destination).ip()), InterfaceIndex::new(interface));
            let before = desk.report();
            desk.hear_of(&meta, "x");
            let ignored = reason.map(|reason| Said::Ignored(reason, 1));
            assert_eq!(desk.mail.said.pop(), ignored, "{destination} on {interface}: {answer:?}");
            let report = desk.report();
            let used = report.own.answered + report.own.sunk - before.own.answered - before.own.sunk;
            assert_eq!(used, u64::from(reason.is_none()), "{destination} on {interface}: {answer:?}");
        }
    }
}

#[test]
fn replies_tell_the_interface_and_the_time_of_arrival_or_that_of_the_reply() {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    let mut desk = Desk::new(Answer::Template(text("{interface} {time}")));
    desk.serve.interfaces(&interfaces(&[("eth0", 2)]));
    desk.hear("x");
    assert_eq!(desk.sent(), ["- -"]);
    let started = desk.now;
    let options = unguarded(Answer::Template(text("{interface} {time}")));
    let mut desk = Desk::with(options.clock(Moment::new(started, then)));
    desk.serve.interfaces(&interfaces(&[("eth0", 2)]));
    desk.now = started + 5 * 1000 * MS;
    let mut meta = Meta::new(address(CLIENT));
    meta.interface = InterfaceIndex::new(2);
    desk.hear_of(&meta, "x");
    meta.interface = InterfaceIndex::new(3);
    meta.received = Some(then + 1500 * MS);
    desk.hear_of(&meta, "x");
    assert_eq!(desk.sent(), ["eth0 1970-01-02T00:00:05.000000000Z", "- 1970-01-02T00:00:01.500000000Z"]);
}

#[test]
fn a_reply_that_could_not_be_sent_is_counted_as_failed_and_not_as_sent() {
    let mut desk = Desk::with(unguarded(Answer::Echo));
    for payload in ["four", "", "elevenbytes", "last"] {
        desk.hear(payload);
    }
    let error = || io::ErrorKind::NetworkUnreachable.into();
    let transmit = Transmit::to(address(CLIENT));
    for (count, bytes) in [(1, 11), (2, 4)] {
        desk.serve.failed(
            desk.now,
            ONE,
            &SendFailure::new(transmit, error()).count(count).bytes(bytes),
            &mut desk.mail,
        );
    }
    let report = desk.report();
    assert_eq!((report.own.answered, report.own.reply_failed, report.send_failed), (1, 3, 0));
    assert_eq!((report.sent.datagrams, report.sent.bytes), (1, 4));
    assert_eq!(desk.mail.said, [Said::SendFailed(1), Said::SendFailed(2)]);
}

#[test]
fn another_answer_counts_from_the_next_datagram_on() {
    let mut desk = Desk::new(rules([Rule::any().reply(text("late {payload}")).delay(MS..=MS)]));
    desk.hear("1");
    desk.say(ServeInput::Answer(fixed("always this")));
    desk.hear("2");
    desk.say(ServeInput::Answer(Answer::ask(1)));
    desk.hear("3");
    let tickets = desk.tickets();
    desk.say(ServeInput::Answer(Answer::Echo));
    desk.hear("4");
    desk.say(ServeInput::Answer(Answer::Template(text("<{payload}>"))));
    desk.hear("5");
    desk.say(ServeInput::Answer(Answer::with(|datagram| datagram.payload.strip_prefix(b"6").map(<[u8]>::to_vec))));
    desk.hear("6 with");
    desk.hear("7");
    desk.say(ServeInput::Answer(Answer::Sink));
    desk.hear("8");
    assert_eq!(desk.sent(), ["always this", "4", "<5>", " with"]);
    // What began before goes on as it began.
    desk.answer(tickets[0], Ok(b"asked"));
    desk.wait(MS);
    assert_eq!(desk.sent(), ["asked", "late 1"]);
    let report = desk.report();
    assert_eq!(
        (report.own.answered, report.own.sunk, report.ignored.of(Reason::NoReply), report.waiting),
        (6, 1, 1, 0)
    );
}

#[test]
fn what_looks_at_a_datagram_does_not_answer_a_truncated_one() {
    let answers: [(Answer, bool); 7] = [
        (fixed("hello"), true),
        (Answer::Echo, false),
        (Answer::Template(text("{length}")), false),
        (rules([Rule::any().echo()]).into(), false),
        (Answer::with(|_| Some(b"hello".to_vec())), false),
        (Answer::ask(1), false),
        (Answer::Sink, true),
    ];
    for (answer, used) in answers {
        let mut desk = Desk::new(answer.clone());
        let meta = Meta::new(address(CLIENT));
        let datagram = Datagram::new(b"cut", &meta).wire_len(100);
        desk.serve.receive(desk.now, ONE, &datagram, &mut desk.mail);
        let report = desk.report();
        assert_eq!((report.truncated, report.received.bytes), (1, 100));
        assert_eq!(report.ignored.of(Reason::Truncated), u64::from(!used), "{answer:?}");
        assert_eq!(report.own.answered + report.own.sunk, u64::from(used), "{answer:?}");
    }
}

#[test]
fn replies_that_were_held_back_are_told_with_what_was_asked() {
    for answer in [rules([Rule::any().reply(text("!")).delay(MS..=MS)]).into(), Answer::ask(1)] {
        let mut desk = Desk::with(ServeOptions::new(answer, vec![address(SERVER)]).verbose(true));
        desk.hear("?");
        for ticket in desk.tickets() {
            desk.answer(ticket, Ok(b"!"));
        }
        desk.wait(MS);
        assert_eq!(desk.mail.said, [Said::Answered(b"?".to_vec(), b"!".to_vec())]);
    }
}

#[test]
fn only_the_first_worker_answers_broadcasts_and_multicasts_and_the_others_count_copies() {
    for answer in [Answer::Echo, Answer::Template(text("{count}"))] {
        let mut first = Desk::new(answer);
        let (mut second, mut third) = (first.worker(), first.worker());
        let mut meta = Meta::new(address(CLIENT));
        for delivery in [Delivery::Broadcast, Delivery::Multicast] {
            meta.delivery = delivery;
            for desk in [&mut first, &mut second, &mut third] {
                desk.hear_of(&meta, "who?");
                let train = Train::new(&meta, b"who?who?who?", 4);
                desk.serve.receive_train(desk.now, ONE, train, &mut desk.mail);
            }
        }
        for delivery in [Delivery::Unicast, Delivery::Unknown] {
            meta.delivery = delivery;
            second.hear_of(&meta, "who?");
        }
        assert_eq!((first.sent().len(), second.sent().len(), third.sent().len()), (8, 2, 0));
        let [first, second, third] = [first, second, third].map(|desk| desk.report());
        assert_eq!((first.received.datagrams, first.copies), (8, 0));
        assert_eq!((second.received.datagrams, second.copies), (2, 8));
        assert_eq!((third.received.datagrams, third.copies, third.peers.estimate()), (0, 8, 0));
    }
}

#[test]
fn workers_share_one_limit() {
    for answer in [Answer::Echo, Answer::ask(100), rules([Rule::any().echo().delay(MS..=MS)]).into()] {
        let mut first = Desk::with(limited(answer, 10));
        let mut second = first.worker();
        for _ in 0..10 {
            first.hear("x");
            second.hear("x");
        }
        let (first, second) = (first.report(), second.report());
        let allowed = |report: &Report<ServeFigures>| report.own.answered + report.waiting;
        assert_eq!((allowed(&first), allowed(&second)), (5, 5));
        assert_eq!(first.ignored.of(Reason::RateLimit) + second.ignored.of(Reason::RateLimit), 10);
    }
}

#[test]
fn no_two_workers_give_a_reply_the_same_number() {
    let mut first = Desk::with(unguarded(Template::text("{count}").unwrap()));
    let mut second = first.worker();
    let mut third = second.worker();
    for _ in 0..100 {
        for desk in [&mut first, &mut second, &mut third] {
            desk.hear("x");
        }
        second.hear("x");
    }
    let mut numbers: Vec<u32> = [&mut first, &mut second, &mut third]
        .into_iter()
        .flat_map(Desk::sent)
        .map(|number| number.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=400));
}

#[test]
fn workers_count_a_peer_they_share_once() {
    let mut first = Desk::new(Answer::Sink);
    let mut second = first.worker();
    for port in 20_000..20_010 {
        let meta = Meta::new(([192, 0, 2, 1], port).into());
        first.hear_of(&meta, "x");
        second.hear_of(&meta, "x");
    }
    second.hear_of(&Meta::new(address(OTHER)), "x");
    let mut both = first.report();
    both.merge(&second.report());
    // An estimate, but nowhere near the 21 that both counted.
    assert!((8..=12).contains(&both.peers.estimate()), "{}", both.peers.estimate());
    assert!(both.is_balanced());
}
