//! A file over UDP, whole and in order, through a relay that loses a fifth of all datagrams in each direction, doubles some
//! and lets others overtake.
//!
//! The protocol has four rules:
//!
//! 1. The file is cut into blocks, and each datagram carries one, behind its number. At most 32 are under way at a time.
//! 2. Each datagram is acknowledged, with two numbers: its own, and that of the first block that the receiver lacks.
//! 3. What is not acknowledged is sent again: after 200 ms, then after 400 ms, and so on, up to 2 s.
//! 4. The receiver keeps what came too early, and acknowledges again what it has already.
//!
//! An empty block ends the file. Both ends are engines: they own no socket and read no clock. So the same code runs in virtual time,
//! where a transfer of a minute takes some milliseconds and is the same for the same seed, and on sockets.
//!
//! Run it with `cargo run --features sim --example reliable_delivery`. `lib/tests/reliable_delivery.rs` tests it.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use udpkit::impairment::{ImpairmentOptions, Jitter, Reorder};
use udpkit::sim::{Host, Network};
use udpkit::verbs::{RelayEngine, RelayFigures, RelayOptions};
use udpkit::{
    Datagram, Drive, Engine, Event, Memberships, Next, Options, Outbox, Relay, Remote, Report, SendFailure, Socket,
    SocketId, Transmit, Unreachable, drive,
};

/// The one socket that each end has.
const SOCKET: SocketId = SocketId::first(0);
/// Blocks from the first one that is not acknowledged to the last one that may be sent.
const WINDOW: u32 = 32;
/// How long an acknowledgement is waited for at first, and at most.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// How often a block is sent before the receiver is taken for gone.
const MOST_TRIES: u32 = 30;

/// Sends a file.
#[derive(Debug)]
struct Sender {
    to: SocketAddr,
    /// The last one is empty, which ends the file.
    blocks: Vec<Vec<u8>>,
    /// The next block that was not sent yet.
    next: u32,
    /// What was sent and is not acknowledged, by number.
    under_way: BTreeMap<u32, UnderWay>,
    began: Instant,
    /// When the last acknowledgement came.
    ended: Option<Instant>,
    gave_up: bool,
    sent: u64,
}

/// A block that waits for its acknowledgement.
#[derive(Debug)]
struct UnderWay {
    /// When it is sent again, and how long it was waited for since it was sent last.
    due: Instant,
    patience: Duration,
    tries: u32,
}

impl Sender {
    fn new(to: SocketAddr, file: &[Vec<u8>], now: Instant) -> Self {
        let blocks = file.iter().cloned().chain([Vec::new()]).collect();
        Self { to, blocks, next: 0, under_way: BTreeMap::new(), began: now, ended: None, gave_up: false, sent: 0 }
    }

    /// The first block that is not acknowledged.
    fn first(&self) -> u32 {
        self.under_way.keys().next().copied().unwrap_or(self.next)
    }

    fn send(&mut self, number: u32, out: &mut impl Outbox) {
        let payload = [&number.to_be_bytes(), self.blocks[number as usize].as_slice()].concat();
        out.send(SOCKET, &Transmit::to(self.to), &payload);
        self.sent += 1;
    }

    fn repeat_what_is_due(&mut self, now: Instant, out: &mut impl Outbox) {
        let mut due = Vec::new();
        for (number, block) in self.under_way.iter_mut().filter(|(_, block)| block.due <= now) {
            due.push(*number);
            self.gave_up |= block.tries == MOST_TRIES;
            block.tries += 1;
            block.patience = PATIENCE.1.min(2 * block.patience);
            block.due = now + block.patience;
        }
        due.into_iter().for_each(|number| self.send(number, out));
    }

    fn fill_the_window(&mut self, now: Instant, out: &mut impl Outbox) {
        while (self.next as usize) < self.blocks.len() && self.next < self.first() + WINDOW {
            let block = UnderWay { due: now + PATIENCE.0, patience: PATIENCE.0, tries: 1 };
            self.under_way.insert(self.next, block);
            self.send(self.next, out);
            self.next += 1;
        }
    }

    fn is_done(&self) -> bool {
        self.next as usize == self.blocks.len() && self.under_way.is_empty()
    }
}

impl Engine for Sender {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, now: Instant, _via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        // Anybody can send to our port.
        if datagram.meta.source != self.to {
            return;
        }
        let Some((acknowledged, rest)) = number(datagram.payload) else { return };
        let Some((missing, _)) = number(rest) else { return };
        // The second number makes up for acknowledgements that were lost.
        self.under_way.retain(|number, _| *number != acknowledged && *number >= missing);
        self.fill_the_window(now, out);
        if self.is_done() {
            self.ended = self.ended.or(Some(now));
        }
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        self.repeat_what_is_due(now, out);
        self.fill_the_window(now, out);
    }

    fn next(&self) -> Next {
        match self.under_way.values().map(|block| block.due).min() {
            _ if self.gave_up || self.is_done() => Next::Done,
            Some(due) => Next::At(due),
            None => Next::At(self.began),
        }
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, _refusal: &Unreachable, _out: &mut impl Outbox) {}

    // What cannot be sent is like what is lost.
    fn failed(&mut self, _now: Instant, _via: SocketId, _failure: &SendFailure, _out: &mut impl Outbox) {}

    fn report(&self) -> Report {
        Report::default()
    }
}

/// Receives a file.
#[derive(Debug, Default)]
struct Receiver {
    /// The blocks so far, in order.
    file: Vec<Vec<u8>>,
    /// The number of the first block that is lacking.
    missing: u32,
    /// What came before one that is lacking: less than a window of them.
    early: BTreeMap<u32, Vec<u8>>,
    is_whole: bool,
    /// Datagrams that brought nothing new.
    repeated: u64,
    /// Blocks that were there and waited for one before them: head-of-line blocking, which in-order delivery always has.
    waited: u64,
}

impl Receiver {
    fn take(&mut self, number: u32, block: &[u8]) {
        if number < self.missing || self.early.contains_key(&number) {
            self.repeated += 1;
            return;
        }
        self.waited += u64::from(number > self.missing);
        self.early.insert(number, block.to_vec());
        while let Some(block) = self.early.remove(&self.missing) {
            self.missing += 1;
            self.is_whole = block.is_empty();
            if !self.is_whole {
                self.file.push(block);
            }
        }
    }
}

impl Engine for Receiver {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        let Some((number, block)) = number(datagram.payload) else { return };
        // An honest sender is never further ahead, so what is kept has a bound.
        if number >= self.missing + WINDOW {
            return;
        }
        self.take(number, block);
        let acknowledgement = [number.to_be_bytes(), self.missing.to_be_bytes()].concat();
        out.send(via, &datagram.meta.reply(), &acknowledgement);
    }

    // It stays when the file is whole: if its last acknowledgement is lost, nobody else can repeat it.
    fn next(&self) -> Next {
        Next::Datagram
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, _refusal: &Unreachable, _out: &mut impl Outbox) {}

    fn failed(&mut self, _now: Instant, _via: SocketId, _failure: &SendFailure, _out: &mut impl Outbox) {}

    fn report(&self) -> Report {
        Report::default()
    }
}

/// The number that a payload begins with, and what follows.
fn number(payload: &[u8]) -> Option<(u32, &[u8])> {
    payload.split_first_chunk().map(|(bytes, rest)| (u32::from_be_bytes(*bytes), rest))
}

/// A network as bad as this, in each direction.
pub(crate) fn bad() -> ImpairmentOptions {
    ImpairmentOptions::default()
        .loss(0.2)
        .duplicate(0.05)
        .reorder(Reorder::new(0.05, 3))
        .delay(Duration::from_millis(20))
        .jitter(Jitter::Exponential(Duration::from_millis(5)))
}

/// What became of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Transfer {
    pub(crate) arrived: Vec<Vec<u8>>,
    /// Whether all arrived, and how long the sender needed to learn of it.
    pub(crate) took: Option<Duration>,
    /// Datagrams sent, repeated ones too.
    pub(crate) sent: u64,
    pub(crate) repeated: u64,
    pub(crate) waited: u64,
    /// What the relay did.
    pub(crate) relay: RelayFigures,
}

impl Transfer {
    fn new(sender: &Sender, receiver: &Receiver, relay: RelayFigures) -> Self {
        let took = sender.ended.filter(|_| receiver.is_whole).map(|ended| ended - sender.began);
        let Receiver { file, repeated, waited, .. } = receiver;
        Self { arrived: file.clone(), took, sent: sender.sent, repeated: *repeated, waited: *waited, relay }
    }
}

/// In virtual time: three hosts, the one in the middle a relay.
pub(crate) fn in_virtual_time(file: &[Vec<u8>], network: &ImpairmentOptions, seed: u64) -> udpkit::Result<Transfer> {
    let [here, middle, there] = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 10_000)));
    let mut hosts = Network::new(seed);
    let options = RelayOptions::new(there).own([middle]).up(network.clone()).down(network.clone()).seed(seed);
    let sender = hosts.add(Host::at(here), Sender::new(middle, file, hosts.now()), silent)?;
    let relay = hosts.add(Host::at(middle), RelayEngine::new(options)?, silent)?;
    let receiver = hosts.add(Host::at(there), Receiver::default(), silent)?;
    let came_to_rest = hosts.run(1_000_000);
    debug_assert!(came_to_rest, "the sender ends, or gives up");
    let figures = hosts.engine(relay).report().own;
    Ok(Transfer::new(hosts.engine(sender), hosts.engine(receiver), figures))
}

/// The same on sockets, in real time: each end has a thread, and so has the relay.
pub(crate) fn on_sockets(file: &[Vec<u8>], network: &ImpairmentOptions, seed: u64) -> udpkit::Result<Transfer> {
    let bind = |options: &Options| Socket::bind(([127, 0, 0, 1], 0).into(), options);
    let (here, there) = (bind(&Options::default())?, bind(&Options::default())?);
    let options = RelayOptions::new(there.local_address()).up(network.clone()).down(network.clone()).seed(seed);
    let relay = Relay::launch([bind(&options.socket_options())?], options, Memberships::default(), silent)?;

    #[expect(clippy::disallowed_methods, reason = "engines are handed the time; this is the program around them")]
    let mut sender = Sender::new(relay.address(), file, Instant::now());
    let mut receiver = Receiver::default();
    let (_remote, sending) = Remote::pair()?;
    let (remote, receiving) = Remote::pair()?;
    thread::scope(|scope| {
        let received = scope.spawn(|| drive([there], &mut receiver, Drive::new(receiving), &mut silent));
        let sent = drive([here], &mut sender, Drive::new(sending), &mut silent);
        remote.stop();
        received.join().expect("it does not panic").and(sent)
    })?;
    Ok(Transfer::new(&sender, &receiver, relay.stop().own))
}

fn silent(_event: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn main() -> udpkit::Result<()> {
    let file: Vec<_> = (0..1000).map(|number| format!("block {number} of the file").into_bytes()).collect();
    let transfers =
        [("in virtual time", in_virtual_time(&file, &bad(), 7)?), ("on sockets", on_sockets(&file, &bad(), 7)?)];
    for (place, transfer) in transfers {
        let Transfer { arrived, took, sent, repeated, waited, relay } = transfer;
        let whole = if arrived == file { "whole and in order" } else { "not whole" };
        println!("{place}: {} blocks arrived, {whole}, in {:.1?}", arrived.len(), took.unwrap_or_default());
        let lost = relay.up.links.lost_in_all() + relay.down.links.lost_in_all();
        println!("  {sent} datagrams sent, {lost} datagrams and acknowledgements lost");
        println!("  {repeated} arrived again, {waited} waited for one before them");
    }
    Ok(())
}
