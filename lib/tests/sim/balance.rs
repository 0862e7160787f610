//! Properties of `serve` over every answer: what is received ends in one counter, and a train is as good as its datagrams.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use udpkit::event::Question;
use udpkit::verbs::{
    self, Limits, Network as AddressNetwork, Pace, Requests, SendOptions, Serve, ServeFigures, ServeInput, ServeOptions,
};
use udpkit::{
    Answer, Conduct, Datagram, Engine, Event, Meta, Moment, Next, Outbox, REPLY_HOP_LIMIT, RateLimit, Reason, Report,
    Rule, Rules, SendFailure, SocketId, Template, Train, Transmit, Unreachable,
};

use crate::network::{Flying, Link, Mail, Network, Said, random};
use crate::{CLIENT, ONE, SERVER, address, fixed};

/// A worker, with those who answer its questions and those who change their mind about what it answers.
struct Office {
    serve: Serve,
    /// Answers, and how long after the start they are given.
    plans: Vec<(Duration, Answer)>,
    /// What comes to it, when, in order.
    inputs: BTreeMap<(Instant, usize), ServeInput>,
    given: usize,
    random: u64,
}

impl Office {
    fn new(serve: Serve, plans: Vec<(Duration, Answer)>, seed: u64) -> Self {
        Self { serve, plans, inputs: BTreeMap::new(), given: 0, random: seed }
    }

    fn give(&mut self, at: Instant, input: ServeInput) {
        self.given += 1;
        self.inputs.insert((at, self.given), input);
    }

    /// Each question has an answer at once or late, two, or none; it is good, too long, too large, or an excuse.
    fn consider(&mut self, now: Instant, ticket: u64, payload: &[u8]) {
        let draw = random(&mut self.random);
        let late = Duration::from_millis(draw % 50);
        let reply = match draw / 50 % 8 {
            0 => Err(Reason::NoReply),
            1 => Err(Reason::ReplyLate),
            2 => Ok(vec![b'!'; 70_000]),
            3 => Ok(payload.repeat(5)),
            _ => Ok(payload.to_vec()),
        };
        for _ in 0..[1, 1, 1, 2, 0][usize::try_from(draw / 400 % 5).unwrap()] {
            self.give(now + late, ServeInput::Reply { ticket, reply: reply.clone() });
        }
        if (draw / 2000).is_multiple_of(8) {
            self.give(now, ServeInput::Reply { ticket: ticket + draw % 3, reply: Ok(b"hasty".to_vec()) });
        }
    }

    /// Considers what the server asks while it does this.
    fn listen<O: Outbox>(&mut self, now: Instant, out: &mut O, act: impl FnOnce(&mut Serve, &mut Hearing<'_, O>)) {
        let mut hearing = Hearing { out, questions: Vec::new() };
        act(&mut self.serve, &mut hearing);
        for (ticket, payload) in hearing.questions {
            self.consider(now, ticket, &payload);
        }
    }
}

/// An outbox that hears what is asked.
struct Hearing<'o, O> {
    out: &'o mut O,
    /// Tickets and payloads.
    questions: Vec<(u64, Vec<u8>)>,
}

impl<O: Outbox> Outbox for Hearing<'_, O> {
    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.out.send(via, transmit, payload);
    }

    fn send_train(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8], segment: usize) {
        self.out.send_train(via, transmit, payload, segment);
    }

    fn clock(&self) -> Moment {
        self.out.clock()
    }

    fn emit(&mut self, event: Event<'_>) {
        if let Event::Question(Question { ticket, datagram, .. }) = event {
            self.questions.push((ticket, datagram.payload.to_vec()));
        }
        self.out.emit(event);
    }
}

impl Engine for Office {
    type Input = ServeInput;
    type Figures = ServeFigures;

    fn receive(&mut self, now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        self.listen(now, out, |serve, out| serve.receive(now, via, datagram, out));
    }

    fn receive_train(&mut self, now: Instant, via: SocketId, train: Train<'_>, out: &mut impl Outbox) {
        self.listen(now, out, |serve, out| serve.receive_train(now, via, train, out));
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        for (after, answer) in std::mem::take(&mut self.plans) {
            self.give(now + after, ServeInput::Answer(answer));
        }
        while let Some(entry) = self.inputs.first_entry()
            && entry.key().0 <= now
        {
            self.serve.input(now, entry.remove(), out);
        }
        self.serve.tick(now, out);
    }

    fn next(&self) -> Next {
        let input = self.inputs.first_key_value().map(|((at, _), _)| *at);
        match (self.serve.next(), input) {
            (Next::At(due), Some(input)) => Next::At(due.min(input)),
            (Next::Datagram, Some(input)) => Next::At(input),
            (next, _) => next,
        }
    }

    fn unreachable(&mut self, now: Instant, via: SocketId, unreachable: &Unreachable, out: &mut impl Outbox) {
        self.serve.unreachable(now, via, unreachable, out);
    }

    fn failed(&mut self, now: Instant, via: SocketId, failure: &SendFailure, out: &mut impl Outbox) {
        self.serve.failed(now, via, failure, out);
    }

    fn finish(&mut self, now: Instant, out: &mut impl Outbox) {
        self.serve.finish(now, out);
    }

    fn report(&self) -> Report<ServeFigures> {
        self.serve.report()
    }
}

fn link() -> impl Strategy<Value = Link> {
    (0u64..20, 0u64..20, 0u64..400, 0u64..400, 0u8..10).prop_map(|(delay, jitter, loss, duplicate, hops)| Link {
        delay: Duration::from_millis(delay),
        jitter: Duration::from_millis(jitter),
        loss_per_mille: loss,
        duplicate_per_mille: duplicate,
        hops,
    })
}

fn template() -> impl Strategy<Value = Template> {
    let texts = [
        "",
        "Get off my lawn!",
        "{payload}",
        "{count}",
        "{payload_hex}{payload}{payload}",
        "{count} {time} {source} {interface} {length}",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| Template::text(text).unwrap())
}

fn rule() -> impl Strategy<Value = Rule> {
    let parts = (0..6, prop::option::of(template()), any::<bool>(), 0u64..30, 0u64..30, 0.0f64..1.0);
    parts.prop_map(|(pattern, template, instant, one, other, loss)| {
        let rule = match pattern {
            0 => Rule::any().payload("x"),
            1 => Rule::any().prefix([0]),
            2 => Rule::any().length(3..=10),
            3 => Rule::any().from(AddressNetwork::new([10, 0, 0, 0].into(), 8).unwrap()),
            4 => Rule::any().test(|payload| payload.len() % 2 == 0),
            _ => Rule::any(),
        };
        let rule = match (template, pattern) {
            (Some(template), _) => rule.reply(template),
            (None, 0..4) => rule.echo(),
            (None, _) => rule,
        };
        let (least, most) = if instant { (0, 0) } else { (one.min(other), one.max(other)) };
        let rule = rule.delay(Duration::from_millis(least)..=Duration::from_millis(most));
        if loss < 0.5 { rule } else { rule.loses(loss) }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let rules = (prop::collection::vec(rule(), 0..5), any::<u64>());
    prop_oneof![
        Just(Answer::Echo),
        Just(Answer::Sink),
        Just(fixed("")),
        Just(fixed("Get off my lawn!")),
        template().prop_map(Answer::Template),
        rules.prop_map(|(rules, seed)| Rules::from_iter(rules).seed(seed).into()),
        (1usize..4).prop_map(|most| Answer::with(move |datagram| {
            let len = datagram.payload.len();
            (len % 4 < most).then(|| datagram.payload.repeat(len % 7))
        })),
        (0usize..6).prop_map(Answer::ask),
    ]
}

proptest! {
    #[test]
    fn a_train_is_answered_as_its_datagrams_would_be(
        segment_len in 1usize..40,
        len in 0usize..600,
        holds_own_reply: bool,
        answer in answer(),
        rate in 1u32..40,
        source in prop_oneof![Just(CLIENT), Just("10.0.0.1:53"), Just(SERVER)],
    ) {
        let conduct = Conduct::default().rate_limit(RateLimit::PerSecond(rate));
        let options = ServeOptions::new(answer, vec![address(SERVER)]).conduct(conduct);
        let mut payload = vec![b'x'; len];
        if holds_own_reply && segment_len == 16 && len >= 48 {
            payload[16..32].copy_from_slice(b"Get off my lawn!");
        }
        let mut meta = Meta::new(address(source));
        meta.local = Some(address(SERVER).ip());
        let train = Train::new(&meta, &payload, segment_len);
        let now = Network::new(Link::PERFECT, 0).now();

        let (mut whole, mut whole_mail) = (Serve::new(options.clone()), Mail::default());
        whole.receive_train(now, ONE, train, &mut whole_mail);
        let (mut single, mut single_mail) = (Serve::new(options), Mail::default());
        for datagram in train.datagrams() {
            Engine::receive(&mut single, now, ONE, &datagram, &mut single_mail);
        }
        for (serve, mail) in [(&mut whole, &mut whole_mail), (&mut single, &mut single_mail)] {
            Engine::tick(serve, now + Duration::from_secs(1), mail);
            mail.said.retain(|said| matches!(said, Said::Question(..)));
        }
        prop_assert_eq!(whole_mail.sent, single_mail.sent);
        prop_assert_eq!(whole_mail.said, single_mail.said);
        let (mut whole, mut single) = (whole.report(), single.report());
        prop_assert!(whole.is_balanced());
        // Hashes of peers have a key of their own in each.
        prop_assert_eq!(whole.peers.estimate(), single.peers.estimate());
        (whole.peers, single.peers) = Default::default();
        prop_assert_eq!(&whole, &single);
        prop_assert_eq!(whole.received.datagrams, train.count() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_datagram_ends_in_exactly_one_counter(
        link in link(),
        seed: u64,
        first in answer(),
        plans in prop::collection::vec((0u64..100, answer()), 0..4),
        workers in 1usize..4,
        any_source: bool,
        verbose: bool,
        retries in 0u32..3,
        replies in 0u64..3,
        rate in 1u32..200,
        count in prop::option::of(1u64..50),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..4),
        spoofed in prop::collection::vec((any::<u32>(), any::<u16>(), any::<u8>(), any::<bool>()), 0..20),
    ) {
        let options = SendOptions::new(address(SERVER))
            .retries(retries)
            .replies(replies)
            .any_source(any_source)
            .pace(Pace::Interval(Duration::from_millis(3)))
            .wait(Duration::from_millis(30));
        let client = verbs::Send::new(options, Requests::all(payloads).repeat(20));
        let conduct = Conduct::default().rate_limit(RateLimit::PerSecond(rate));
        let limits = Limits::default().count(count);
        let options = ServeOptions::new(first, vec![address(SERVER)]).conduct(conduct).limits(limits).verbose(verbose);
        let serve = Serve::new(options);
        let mut engines: Vec<_> = (1..workers).map(|_| serve.worker()).collect();
        engines.insert(0, serve);
        let plans: Vec<_> = plans.into_iter().map(|(after, answer)| (Duration::from_millis(after), answer)).collect();
        let offices: Vec<_> =
            engines.into_iter().map(|serve| Office::new(serve, plans.clone(), seed)).collect();

        let mut net = Network::new(link, seed);
        let client = net.add(CLIENT, 64, client);
        let offices: Vec<_> =
            offices.into_iter().map(|office| net.add(SERVER, REPLY_HOP_LIMIT, office)).collect();
        let forged = spoofed.len() as u64;
        for (ip, port, hop_limit, broadcast) in spoofed {
            let from = SocketAddr::from((ip.to_be_bytes(), port));
            let to = address(if broadcast { "10.0.0.255:10000" } else { SERVER });
            net.inject(Flying { from, to, hop_limit, payload: b"spoofed".to_vec() });
        }
        prop_assert!(net.run(1_000_000));

        net.finish();
        let truth = net.truth();
        let told: Vec<_> = (0..=workers).map(|place| net.said(place)).collect();
        let client = net.report(client);
        let crossed = truth.sent + truth.duplicated + truth.copied;
        prop_assert_eq!(crossed, truth.lost + truth.undeliverable + truth.delivered);
        prop_assert!(client.is_balanced(), "{client:?}");
        prop_assert!(client.own.requests_answered <= client.own.requests);
        let mut all = Report::default();
        for (office, said) in offices.into_iter().zip(&told[1..]) {
            let report = net.report(office);
            prop_assert!(report.is_balanced() && report.waiting == 0, "{report:?}");
            let told: usize = said.iter().map(|said| if let Said::Ignored(_, count) = said { *count } else { 0 }).sum();
            prop_assert_eq!(told as u64, report.ignored.total());
            all.merge(&report);
        }
        prop_assert_eq!(client.received.datagrams + all.received.datagrams + all.copies, truth.delivered);
        prop_assert_eq!(client.sent.datagrams + all.sent.datagrams + forged, truth.sent);
        prop_assert_eq!(all.own.answered, all.sent.datagrams);
    }
}
