//! A protocol of one's own in a network that loses a fifth of all datagrams, in virtual time: a transfer that repeats each
//! block until it is acknowledged.
//!
//! Run it with `cargo run --features sim --example lossy_network`. The same engines run on sockets with `udpkit::drive`.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use udpkit::impairment::{GilbertElliott, ImpairmentOptions, Jitter, Reorder};
use udpkit::sim::{Host, Network};
use udpkit::{Datagram, Engine, Event, Next, Outbox, Report, SendFailure, SocketId, Transmit, Unreachable};

/// The one socket that each of them has.
const SOCKET: SocketId = SocketId::first(0);
/// How long an acknowledgement is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Sends blocks, one after another; each begins with its number.
struct Upload {
    to: SocketAddr,
    blocks: Vec<Vec<u8>>,
    /// The block that is to be acknowledged, and when it is sent again.
    current: u32,
    due: Instant,
    sent: u64,
}

/// Acknowledges each block with its number, and keeps those that it has not seen.
#[derive(Default)]
struct Download {
    blocks: Vec<Vec<u8>>,
}

fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

impl Engine for Upload {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, now: Instant, _via: SocketId, datagram: &Datagram<'_>, _out: &mut impl Outbox) {
        if number(datagram.payload) == Some(self.current) {
            self.current += 1;
            self.due = now;
        }
    }

    fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
        let Some(block) = self.blocks.get(self.current as usize).filter(|_| self.due <= now) else { return };
        let payload = [&self.current.to_be_bytes(), block.as_slice()].concat();
        out.send(SOCKET, &Transmit::to(self.to), &payload);
        self.sent += 1;
        self.due = now + PATIENCE;
    }

    fn next(&self) -> Next {
        if (self.current as usize) < self.blocks.len() { Next::At(self.due) } else { Next::Done }
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, _refusal: &Unreachable, _out: &mut impl Outbox) {}

    fn failed(&mut self, _now: Instant, _via: SocketId, _failure: &SendFailure, _out: &mut impl Outbox) {}

    fn report(&self) -> Report {
        Report::default()
    }
}

impl Engine for Download {
    type Input = Infallible;
    type Figures = ();

    fn receive(&mut self, _now: Instant, via: SocketId, datagram: &Datagram<'_>, out: &mut impl Outbox) {
        let Some(number) = number(datagram.payload) else { return };
        if number as usize == self.blocks.len() {
            self.blocks.push(datagram.payload[4..].to_vec());
        }
        // A copy is acknowledged too: it may be there because the acknowledgement was lost.
        if (number as usize) < self.blocks.len() {
            out.send(via, &datagram.meta.reply(), &number.to_be_bytes());
        }
    }

    fn next(&self) -> Next {
        Next::Datagram
    }

    fn unreachable(&mut self, _now: Instant, _via: SocketId, _refusal: &Unreachable, _out: &mut impl Outbox) {}

    fn failed(&mut self, _now: Instant, _via: SocketId, _failure: &SendFailure, _out: &mut impl Outbox) {}

    fn report(&self) -> Report {
        Report::default()
    }
}

/// Transfers blocks over a bad network; returns what arrived, how many datagrams that took, and how long.
pub(crate) fn transfer(blocks: Vec<Vec<u8>>, seed: u64) -> udpkit::Result<(Vec<Vec<u8>>, u64, Duration)> {
    let (here, there) = (SocketAddr::from(([10, 0, 0, 1], 40_000)), SocketAddr::from(([10, 0, 0, 2], 10_000)));
    let mut network = Network::new(seed);
    let bad = ImpairmentOptions::default()
        .loss(GilbertElliott::bursts(0.2, 3.0)?)
        .duplicate(0.05)
        .reorder(Reorder::new(0.05, 2))
        .delay(Duration::from_millis(30))
        .jitter(Jitter::Exponential(Duration::from_millis(10)));
    // The way back is as bad, and slower.
    network.set_links(bad.clone())?;
    network.set_link(there.ip(), here.ip(), bad.delay(Duration::from_millis(80)))?;

    let upload = Upload { to: there, blocks, current: 0, due: network.now(), sent: 0 };
    let upload = network.add(Host::at(here), upload, |_: Event<'_>| ControlFlow::Continue(()))?;
    let download = network.add(Host::at(there), Download::default(), |_: Event<'_>| ControlFlow::Continue(()))?;
    let came_to_rest = network.run(1_000_000);
    debug_assert!(came_to_rest, "an acknowledgement comes in the end");
    Ok((network.engine(download).blocks.clone(), network.engine(upload).sent, network.elapsed()))
}

fn main() -> udpkit::Result<()> {
    let blocks: Vec<_> = (0..100u8).map(|number| vec![number; 1000]).collect();
    for seed in 1..=3 {
        let (arrived, sent, took) = transfer(blocks.clone(), seed)?;
        let whole = if arrived == blocks { "whole" } else { "not whole" };
        println!("seed {seed}: {} blocks arrived, {whole}, in {sent} datagrams and {took:.1?}", arrived.len());
    }
    Ok(())
}
