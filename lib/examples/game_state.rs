//! The state of a game, thirty times a second: the newest is shown, and what is lost or comes late is not missed.
//!
//! TCP would hold every later state back until a lost one was repeated. Here each datagram has the whole state, behind its number, and
//! the player takes none that is older than what is shown. Run it with `cargo run --features sim --example game_state`.
//! `lib/tests/programs.rs` tests it.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use udpkit::impairment::{ImpairmentOptions, Jitter};
use udpkit::sim::{Host, Network};
use udpkit::verbs::{RelayEngine, RelayOptions};
use udpkit::{Datagram, Engine, Event, Next, Outbox, Report, SendFailure, SocketId, Transmit, Unreachable};

/// From one state to the next.
pub(crate) const INTERVAL: Duration = Duration::from_micros(33_333);

/// Where the game is played: sends each state once, and never again.
struct World {
    player: SocketAddr,
    began: Instant,
    next: u32,
    states: u32,
}

impl Engine for World {
    type Input = Infallible;
    type Figures = ();
    fn receive(&mut self, _now: Instant, _via: SocketId, _datagram: &Datagram<'_>, _out: &mut impl Outbox) {}
    fn tick(&mut self, _now: Instant, out: &mut impl Outbox) {
        // A real one would have the places of all players behind the number.
        out.send(SocketId::first(0), &Transmit::to(self.player), &self.next.to_be_bytes());
        self.next += 1;
    }
    fn next(&self) -> Next {
        if self.next < self.states { Next::At(self.began + self.next * INTERVAL) } else { Next::Done }
    }
    fn unreachable(&mut self, _now: Instant, _via: SocketId, _refusal: &Unreachable, _out: &mut impl Outbox) {}
    fn failed(&mut self, _now: Instant, _via: SocketId, _failure: &SendFailure, _out: &mut impl Outbox) {}
    fn report(&self) -> Report {
        Report::default()
    }
}

/// What a player sees: the newest state that came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Player {
    /// The states shown, each with the time since the game began.
    pub(crate) shown: Vec<(u32, Duration)>,
    /// States that came after a newer one, or again, and were left out.
    pub(crate) old: u64,
    began: Option<Instant>,
}

impl Player {
    /// How old the picture was at most, from when its state was made to when a newer one was shown.
    pub(crate) fn oldest_picture(&self) -> Duration {
        let ages = self.shown.windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].0 * INTERVAL));
        ages.max().unwrap_or_default()
    }
}

impl Engine for Player {
    type Input = Infallible;
    type Figures = ();
    fn receive(&mut self, now: Instant, _via: SocketId, datagram: &Datagram<'_>, _out: &mut impl Outbox) {
        let (Ok(number), Some(began)) = (datagram.payload.try_into(), self.began) else { return };
        let number = u32::from_be_bytes(number);
        if self.shown.last().is_none_or(|(newest, _)| number > *newest) {
            self.shown.push((number, now - began));
        } else {
            self.old += 1;
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

/// Plays so many states through a relay that makes the network this bad, in virtual time.
pub(crate) fn play(states: u32, network: ImpairmentOptions, seed: u64) -> udpkit::Result<Player> {
    let [world, relay, player] = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 10_000)));
    let mut hosts = Network::new(seed);
    let began = hosts.now();
    let silent = |_: Event<'_>| ControlFlow::Continue(());
    hosts.add(Host::at(world), World { player: relay, began, next: 0, states }, silent)?;
    let options = RelayOptions::new(player).own([relay]).up(network).seed(seed);
    hosts.add(Host::at(relay), RelayEngine::new(options)?, silent)?;
    let playing = hosts.add(Host::at(player), Player { began: Some(began), ..Player::default() }, silent)?;
    let went_on = hosts.run_for(states * INTERVAL + Duration::from_secs(5), 100_000);
    debug_assert!(went_on, "each state takes a few steps");
    Ok(hosts.engine(playing).clone())
}

/// Wi-Fi at the far end of a house.
pub(crate) fn bad() -> ImpairmentOptions {
    let jitter = Jitter::Exponential(Duration::from_millis(15));
    ImpairmentOptions::default()
        .loss(0.2)
        .duplicate(0.02)
        .delay(Duration::from_millis(30))
        .jitter(jitter)
        .keep_order(false)
}

fn main() -> udpkit::Result<()> {
    let player = play(900, bad(), 7)?;
    println!("{} of 900 states were shown, {} came too late or again", player.shown.len(), player.old);
    println!("the picture was {:.0?} old at most", player.oldest_picture());
    Ok(())
}
