//! A virtual network and clock: engines on it run in no time, and the same way each time for the same seed (feature `sim`).
//!
//! For tests of an engine, this crate's or your own: how does it fare where datagrams are lost, copied, late, where nobody
//! answers, where sending fails, where the clock is set? The same engine runs on sockets with [`drive`](crate::drive()).
//!
//! ```
//! use std::convert::Infallible;
//! use std::ops::ControlFlow;
//! use std::time::{Duration, Instant};
//! use udpkit::impairment::ImpairmentOptions;
//! use udpkit::sim::{Host, Network};
//! use udpkit::{Answer, Datagram, Engine, Event, Next, Outbox, Report, SendFailure, SocketId, Transmit, Unreachable};
//! use udpkit::verbs::{Serve, ServeOptions};
//!
//! /// Asks once a second until it is answered.
//! struct Asks {
//!     whom: std::net::SocketAddr,
//!     due: Option<Instant>,
//!     asked: u64,
//! }
//!
//! impl Engine for Asks {
//!     type Input = Infallible;
//!     type Figures = ();
//!
//!     fn receive(&mut self, _now: Instant, _via: SocketId, _datagram: &Datagram<'_>, _out: &mut impl Outbox) {
//!         self.due = None;
//!     }
//!
//!     fn tick(&mut self, now: Instant, out: &mut impl Outbox) {
//!         if self.due.is_some_and(|due| due <= now) {
//!             out.send(SocketId::first(0), &Transmit::to(self.whom), b"are you there?");
//!             self.asked += 1;
//!             self.due = Some(now + Duration::from_secs(1));
//!         }
//!     }
//!
//!     fn next(&self) -> Next {
//!         self.due.map_or(Next::Done, Next::At)
//!     }
//!
//!     fn unreachable(&mut self, _: Instant, _: SocketId, _: &Unreachable, _: &mut impl Outbox) {}
//!     fn failed(&mut self, _: Instant, _: SocketId, _: &SendFailure, _: &mut impl Outbox) {}
//!
//!     fn report(&self) -> Report {
//!         Report::default()
//!     }
//! }
//!
//! # fn main() -> udpkit::Result<()> {
//! let (client, server) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:10000".parse().unwrap());
//! let mut network = Network::new(7);
//! network.set_links(ImpairmentOptions::default().loss(0.5).delay(Duration::from_millis(20)))?;
//!
//! let asks = Asks { whom: server, due: Some(network.now()), asked: 0 };
//! let asks = network.add(Host::at(client), asks, |_: Event<'_>| ControlFlow::Continue(()))?;
//! let serve = Serve::new(ServeOptions::new(Answer::Echo, vec![server]));
//! network.add(Host::at(server), serve, |_: Event<'_>| ControlFlow::Continue(()))?;
//!
//! assert!(network.run(1000), "it is answered in the end");
//! let (traffic, asked) = (network.traffic(), network.engine(asks).asked);
//! assert_eq!(network.elapsed(), Duration::from_secs(asked - 1) + Duration::from_millis(40));
//! assert_eq!(traffic.lost, traffic.sent - traffic.delivered);
//! # Ok(())
//! # }
//! ```

mod clock;
mod host;
mod links;
mod log;
mod network;
mod running;

pub use clock::HostClock;
pub use host::Host;
pub use links::Path;
pub use log::{Crossing, Outcome, Traffic};
pub use network::{HostId, Network};
