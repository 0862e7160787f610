//! What a relay says became of each datagram, against what peers count that know nothing of it: sockets of the standard
//! library, labels in payloads. Random impairments, both directions, several peers.
#![cfg(target_os = "linux")]

mod common;
mod netns;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::Duration;

use common::{is_over, patience};
use udpkit::event::Leaving;
use udpkit::impairment::{
    Blackout, Chosen, CoDel, GilbertElliott, ImpairmentOptions, Jitter, Loss, Matching, Pattern, Queue, Rate, Reorder,
};
use udpkit::verbs::{Direction, LinkChange, Network, RelayInput, RelayOptions};
use udpkit::{Event, Memberships, Relay, RelayOutcome, Socket, TruthRecord};

/// Peers, each at an address of its own.
const PEERS: u8 = 3;
/// Times that all send, each time once what they sent before has left.
const ROUNDS: usize = 4;
/// Datagrams that each peer sends, and that are sent to it, each time. So few, with their copies, fit any receive buffer.
const DATAGRAMS: usize = 12;
/// Combinations of impairments, unless this variable says how many.
const COMBINATIONS: u64 = 30;
const COMBINATIONS_VARIABLE: &str = "UDP_RELAY_TRUTH";
/// Bytes of a label: 8, three times over, so that one wrong bit can be found and put right.
const LABELS: usize = 24;

/// Numbers by chance: SplitMix64.
struct Chance(u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.bits() % most
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn size(&mut self, from: usize, to: usize) -> usize {
        from + usize::try_from(self.below((to - from) as u64)).expect("it is below a size")
    }

    /// Up to a half.
    fn probability(&mut self) -> f64 {
        f64::from(u32::try_from(self.below(500)).expect("it is small")) / 1000.0
    }

    fn micros(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most))
    }
}

fn loss(chance: &mut Chance) -> Loss {
    match chance.below(4) {
        0 => Loss::Independent(chance.probability()),
        1 => {
            let chain = GilbertElliott::new(chance.probability(), chance.probability() + 0.1);
            let chain = chain.loss_in_bad(2.0 * chance.probability()).loss_in_good(chance.probability() / 4.0);
            Loss::Bursts(chain.delay_in_bad(chance.micros(2000)))
        }
        2 => Loss::Pattern(Pattern::parse("..x.xx....x").expect("it is one")),
        _ => Loss::None,
    }
}

fn rate(chance: &mut Chance) -> Rate {
    let queue =
        if chance.once_in(2) { Queue::Bytes(chance.size(1000, 20_000)) } else { Queue::Datagrams(chance.size(1, 40)) };
    let rate = Rate::new(2_000_000 + chance.below(50_000_000), queue);
    if chance.once_in(2) { rate.codel(CoDel::new(chance.micros(3000), Duration::from_millis(5))) } else { rate }
}

fn jitter(chance: &mut Chance) -> Jitter {
    let spread = chance.micros(1000);
    match chance.below(4) {
        0 => Jitter::Uniform(spread),
        1 => Jitter::Normal(spread),
        2 => Jitter::Exponential(spread),
        _ => Jitter::Pareto(spread / 4),
    }
}

/// Impairments of a link, each there or not.
fn impairments(chance: &mut Chance) -> ImpairmentOptions {
    let mut options = ImpairmentOptions::default();
    if chance.once_in(6) {
        options.matching = Some(Matching::new(|payload| payload.len() % 2 == 0));
    }
    if chance.once_in(6) {
        options.from = vec!["127.0.0.2".parse().expect("it is an address")];
    }
    if chance.once_in(4) {
        let numbers = (0..5).map(|_| 1 + chance.below(100)).collect::<Vec<_>>();
        options.drop = if chance.once_in(2) { Chosen::numbers(numbers) } else { Chosen::Every(2 + chance.below(9)) };
    }
    options.loss = loss(chance);
    if chance.once_in(6) {
        options.blackout = Some(Blackout::each(Duration::from_millis(4), chance.micros(2000)));
    }
    if chance.once_in(6) {
        options.mtu = Some(chance.size(300, 1400));
    }
    if chance.once_in(2) {
        options.duplicate = chance.probability();
    }
    if chance.once_in(2) {
        options.corrupt = chance.probability();
    }
    if chance.once_in(3) {
        options.rate = Some(rate(chance));
    }
    if chance.once_in(2) {
        options.delay = chance.micros(4000);
    }
    if chance.once_in(2) {
        options.jitter = jitter(chance);
        options.keep_order = chance.once_in(2);
    }
    if chance.once_in(2) {
        let followers = 1 + u32::try_from(chance.below(5)).expect("it is small");
        options.reorder = Some(Reorder::new(chance.probability(), followers).at_most(chance.micros(10_000)));
    }
    if chance.once_in(8) {
        options.held_datagrams = chance.size(1, 10);
    }
    options
}

/// A payload that says which it is, and no other is like it: its label three times, and what follows from that.
fn labelled(label: u64, len: usize) -> Vec<u8> {
    let mut filling = Chance(label);
    let mut payload = label.to_be_bytes().repeat(3);
    payload.extend(std::iter::repeat_with(|| filling.bits().to_be_bytes()).take(len.div_ceil(8)).flatten());
    payload.truncate(len);
    payload
}

/// What a peer makes of a datagram that it received: which one it is, and which bit is wrong. An empty one has no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    label: Option<u64>,
    wrong_bit: Option<usize>,
}

impl Seen {
    /// Bits are counted from the least significant of the first byte.
    fn of(payload: &[u8]) -> Result<Self, String> {
        if payload.is_empty() {
            return Ok(Self { label: None, wrong_bit: None });
        }
        let labels: Vec<_> = payload.chunks_exact(8).take(3).map(|label| label.try_into().expect("8 bytes")).collect();
        let &[one, two, three] = &labels[..] else { return Err(format!("{} bytes came", payload.len())) };
        let [one, two, three] = [one, two, three].map(u64::from_be_bytes);
        let label = one & two | two & three | one & three;
        let expected = labelled(label, payload.len());
        let differs = |bit: &usize| (payload[bit / 8] ^ expected[bit / 8]) >> (bit % 8) & 1 == 1;
        let wrong: Vec<_> = (0..8 * payload.len()).filter(differs).collect();
        match wrong[..] {
            [] => Ok(Self { label: Some(label), wrong_bit: None }),
            [bit] => Ok(Self { label: Some(label), wrong_bit: Some(bit) }),
            _ => Err(format!("{} bits of {label:x} are wrong", wrong.len())),
        }
    }
}

/// What went one way between a peer and the target: in the order of sending, and of arrival.
#[derive(Default)]
struct Stream {
    sent: Vec<(Option<u64>, usize)>,
    arrived: Vec<Seen>,
}

/// Both ends, and the relay between them.
struct Session {
    relay: Relay,
    peers: Vec<UdpSocket>,
    target: UdpSocket,
    /// Where the relay sends from for each peer.
    upstreams: Vec<SocketAddr>,
    /// By direction and peer.
    streams: [Vec<Stream>; 2],
    labels: u64,
}

#[expect(clippy::disallowed_methods, reason = "it is to be independent of udpkit")]
fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("the address is ours and free");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("it is not zero");
    socket
}

impl Session {
    fn new(seed: u64) -> Self {
        let target = socket("127.0.0.1:0");
        let options = RelayOptions::new(target.local_addr().expect("it is bound")).seed(seed).report_fates(true);
        let options = options.receive_buffer(1 << 20);
        let listening = Socket::bind(([127, 0, 0, 1], 0).into(), &options.socket_options()).expect("it is ours");
        let silent = |_: Event<'_>| ControlFlow::Continue(());
        let relay = Relay::launch([listening], options, Memberships::default(), silent).expect("it can relay");
        let peers: Vec<_> = (1..=PEERS).map(|host| socket(&format!("127.0.0.{host}:0"))).collect();
        let streams = [(), ()].map(|()| peers.iter().map(|_| Stream::default()).collect());
        let mut session = Self { relay, peers, target, upstreams: Vec::new(), streams, labels: 0 };
        session.meet();
        session
    }

    /// Each peer sends a datagram, and gets one, before anything is impaired: the target learns where they are.
    fn meet(&mut self) {
        for peer in 0..self.peers.len() {
            self.send(Direction::Up, peer, 100);
            let mut buffer = [0; 1000];
            let (len, upstream) = self.target.recv_from(&mut buffer).expect("it comes");
            self.upstreams.push(upstream);
            self.note(Direction::Up, peer, &buffer[..len]);
            self.send(Direction::Down, peer, 100);
            let len = self.peers[peer].recv(&mut buffer).expect("it comes");
            self.note(Direction::Down, peer, &buffer[..len]);
        }
        for socket in self.peers.iter().chain([&self.target]) {
            socket.set_nonblocking(true).expect("it can be");
        }
    }

    fn send(&mut self, direction: Direction, peer: usize, len: usize) {
        self.labels += 1;
        let label = (len >= LABELS).then_some(self.labels << 8 | (peer as u64) << 1 | direction as u64);
        let payload = label.map(|label| labelled(label, len)).unwrap_or_default();
        self.streams[direction as usize][peer].sent.push((label, payload.len()));
        let sent = match direction {
            Direction::Up => self.peers[peer].send_to(&payload, self.relay.address()),
            Direction::Down => self.target.send_to(&payload, self.upstreams[peer]),
        };
        assert_eq!(sent.expect("it can be sent"), payload.len());
    }

    fn note(&mut self, direction: Direction, peer: usize, payload: &[u8]) {
        let seen = Seen::of(payload).unwrap_or_else(|why| panic!("{direction}, peer {peer}: {why}"));
        self.streams[direction as usize][peer].arrived.push(seen);
    }

    /// Takes what has arrived.
    fn take(&mut self) {
        let mut buffer = vec![0; 65_536];
        let end = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
        loop {
            match self.target.recv_from(&mut buffer) {
                Ok((len, source)) => {
                    let peer = self.upstreams.iter().position(|upstream| *upstream == source);
                    self.note(Direction::Up, peer.expect("it is a peer's"), &buffer[..len]);
                }
                Err(error) => break end(error),
            }
        }
        for peer in 0..self.peers.len() {
            loop {
                match self.peers[peer].recv_from(&mut buffer) {
                    Ok((len, source)) => {
                        assert_eq!(source, self.relay.address());
                        self.note(Direction::Down, peer, &buffer[..len]);
                    }
                    Err(error) => break end(error),
                }
            }
        }
    }

    /// Lets links do this from now on.
    fn impair(&self, network: Option<Network>, [up, down]: [ImpairmentOptions; 2]) {
        for (direction, options) in [(Direction::Up, up), (Direction::Down, down)] {
            let change = LinkChange::new(direction, options).network(network);
            assert!(self.relay.remote().input(RelayInput::Impair(Box::new(change))));
        }
    }

    /// Waits until the relay has received all that was sent, and nothing is under way there.
    fn settle(&mut self) {
        let deadline = patience();
        loop {
            self.take();
            let own = self.relay.report().own;
            let has_settled = |direction: &Direction| {
                let sent: usize = self.streams[*direction as usize].iter().map(|stream| stream.sent.len()).sum();
                let figures = own.of(*direction);
                figures.received.datagrams == sent as u64 && figures.links.under_way == 0
            };
            if Direction::ALL.iter().all(has_settled) {
                return;
            }
            assert!(!is_over(deadline), "{own:?}, and the kernel dropped {}", self.dropped());
        }
    }

    /// Sends datagrams of all lengths in both directions, and lets them pass.
    fn exchange(&mut self, chance: &mut Chance) {
        for round in 0..ROUNDS {
            for _ in 0..DATAGRAMS {
                for peer in 0..self.peers.len() {
                    for &direction in Direction::ALL {
                        let len = if chance.once_in(20) { 0 } else { chance.size(LABELS, 1400) };
                        self.send(direction, peer, len);
                    }
                }
                self.take();
            }
            self.settle();
            let peer = round % self.peers.len();
            for &direction in Direction::ALL {
                self.send(direction, peer, 65_507);
                self.settle();
            }
        }
    }

    /// Lets everything arrive that is to: on perfect links, one more arrives behind it.
    fn end(&mut self, own: Option<Network>) {
        for network in [None, own] {
            self.impair(network, Default::default());
        }
        // It has taken that when it answers.
        let _ = self.relay.report();
        let mut last = Vec::new();
        for peer in 0..self.peers.len() {
            for &direction in Direction::ALL {
                self.send(direction, peer, LABELS);
                last.push((direction, peer, self.streams[direction as usize][peer].sent.last().expect("it was").0));
            }
        }
        let deadline = patience();
        let has_come = |session: &Self, &(direction, peer, label): &(Direction, usize, Option<u64>)| {
            session.streams[direction as usize][peer].arrived.iter().any(|seen| seen.label == label)
        };
        while !last.iter().all(|it| has_come(self, it)) {
            assert!(!is_over(deadline), "the last ones do not arrive: {:?}", self.relay.report());
            self.take();
        }
    }

    /// What the kernel dropped at any of these sockets, of which it keeps count by port.
    fn dropped(&self) -> u64 {
        let mut ports: Vec<_> = self.peers.iter().chain([&self.target]).filter_map(|it| it.local_addr().ok()).collect();
        ports.extend(self.upstreams.iter().chain([&self.relay.address()]));
        let table = std::fs::read_to_string("/proc/net/udp").expect("it can be read");
        let dropped = |line: &str| -> Option<u64> {
            let port = line.split_whitespace().nth(1)?.rsplit(':').next()?;
            let port = u16::from_str_radix(port, 16).ok()?;
            ports.iter().any(|it| it.port() == port).then(|| line.split_whitespace().last()?.parse().ok())?
        };
        table.lines().filter_map(dropped).sum()
    }

    /// Compares what the relay says with what was seen.
    fn disagreements(&self) -> Vec<String> {
        let dropped = self.dropped();
        let report = self.relay.stop();
        assert_eq!((dropped, report.kernel_drops), (0, Some(0)), "so nothing can be compared");
        let truth = self.relay.truth();
        let mut wrong = Vec::new();
        for &direction in Direction::ALL {
            let (streams, figures) = (&self.streams[direction as usize], report.own.of(direction));
            for (peer, stream) in streams.iter().enumerate() {
                let address = self.peers[peer].local_addr().expect("it is bound");
                let of_peer = truth.iter().filter(|it| it.direction == direction && it.peer == address);
                let mistakes = compare(&of_peer.collect::<Vec<_>>(), stream);
                wrong.extend(mistakes.into_iter().map(|why| format!("{direction}, peer {peer}: {why}")));
            }
            let sum = |of: fn(&Stream) -> usize| streams.iter().map(of).sum::<usize>() as u64;
            let wrong_bits = sum(|it| it.arrived.iter().filter(|seen| seen.wrong_bit.is_some()).count());
            let lost = truth.iter().filter(|it| it.direction == direction).filter(|it| is_lost(it)).count() as u64;
            let seen = [sum(|it| it.sent.len()), sum(|it| it.arrived.len()), wrong_bits, lost];
            let links = figures.links;
            let said = [figures.received.datagrams, figures.forwarded.datagrams, links.corrupted, links.lost_in_all()];
            if seen != said || !figures.is_balanced() {
                wrong.push(format!("{direction}: sent, arrived, corrupted, lost {seen:?}, and it says {said:?}"));
            }
        }
        if !report.is_balanced() {
            wrong.push(format!("it is not balanced: {report:?}"));
        }
        wrong
    }
}

fn is_lost(record: &TruthRecord) -> bool {
    matches!(record.outcome, RelayOutcome::Lost(_))
}

/// What is wrong in these records, of one peer and direction.
fn compare(records: &[&TruthRecord], stream: &Stream) -> Vec<String> {
    let mut wrong = Vec::new();
    // Each link has numbers of its own, and a peer may get another link.
    let place = |it: &TruthRecord| (it.network.map(|network| network.to_string()), it.number);
    let mut originals: Vec<_> = records.iter().filter(|it| !it.is_copy).collect();
    originals.sort_unstable_by_key(|it| (it.entered, it.number));
    let sent: HashMap<_, _> = originals.iter().map(|it| place(it)).zip(&stream.sent).collect();
    if [originals.len(), sent.len()] != [stream.sent.len(); 2] {
        wrong.push(format!("{} were sent, and it has {} of {}", stream.sent.len(), sent.len(), originals.len()));
        return wrong;
    }
    let mut expected = Vec::new();
    for record in records {
        let Some((label, len)) = sent.get(&place(record)) else {
            wrong.push(format!("a copy of none: {record:?}"));
            continue;
        };
        if record.payload_len != *len {
            wrong.push(format!("{len} bytes were sent: {record:?}"));
        }
        match record.outcome {
            RelayOutcome::Lost(_) => {}
            RelayOutcome::Left { departure, decided, left, leaving: Leaving::Forwarded, .. } => {
                expected.push(Seen { label: *label, wrong_bit: departure.flipped_bit });
                if decided < record.entered || left < decided {
                    wrong.push(format!("too early: {record:?}"));
                }
            }
            _ => wrong.push(format!("it went nowhere: {record:?}")),
        }
    }
    if expected != stream.arrived {
        let at = expected.iter().zip(&stream.arrived).take_while(|(said, seen)| said == seen).count();
        let show = |all: &[Seen]| format!("{:x?}", all.iter().skip(at).take(3).collect::<Vec<_>>());
        let (said, seen) = (show(&expected), show(&stream.arrived));
        let lens = (expected.len(), stream.arrived.len());
        wrong.push(format!("it says that {said} arrived at place {at}, and {seen} did ({lens:?} in all)"));
    }
    wrong
}

#[test]
fn the_truth_of_a_relay_is_what_its_peers_saw() {
    let combinations = std::env::var(COMBINATIONS_VARIABLE).map_or(COMBINATIONS, |it| it.parse().expect("a number"));
    let mut all = Vec::new();
    let (mut sent, mut arrived) = (0, 0);
    for seed in 0..combinations {
        let mut chance = Chance(seed);
        let mut session = Session::new(seed);
        let own = chance.once_in(3).then(|| "127.0.0.3".parse::<Network>().expect("it is an address"));
        for network in [None, own] {
            session.impair(network, [impairments(&mut chance), impairments(&mut chance)]);
        }
        session.exchange(&mut chance);
        session.end(own);
        let wrong = session.disagreements();
        all.extend(wrong.into_iter().map(|why| format!("combination {seed}: {why}")));
        let streams = || session.streams.iter().flatten();
        sent += streams().map(|stream| stream.sent.len()).sum::<usize>();
        arrived += streams().map(|stream| stream.arrived.len()).sum::<usize>();
    }
    println!("{combinations} combinations: {sent} datagrams sent, {arrived} arrived");
    assert!(all.is_empty(), "{} disagreements:\n{}", all.len(), all.join("\n"));
    // Otherwise nothing was done to them.
    assert!(combinations < 10 || (sent / 10..sent).contains(&arrived), "{arrived} of {sent}");
}
