//! What a bad network does to datagrams, as a pure type: a datagram and a time in, fates and times out.
//!
//! [`Impairment`] decides; [`Link`] also holds the datagrams until they leave. Neither knows a socket or a clock, so both
//! serve in virtual time as well as on a real network.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use udpkit::impairment::{GilbertElliott, ImpairmentOptions, Jitter, Link};
//!
//! # fn main() -> udpkit::Result<()> {
//! let options = ImpairmentOptions::default()
//!     .loss(GilbertElliott::bursts(0.05, 4.0)?)
//!     .delay(Duration::from_millis(40))
//!     .jitter(Jitter::Normal(Duration::from_millis(5)));
//! let start = Instant::now();
//! let mut link = Link::new(options, 7, start)?;
//! for number in 0..1000u32 {
//!     link.push(start + Duration::from_millis(number.into()), 4, number);
//! }
//! let mut arrived = Vec::new();
//! while let Some(next) = link.next() {
//!     let left = link.pop(next).expect("this is when it leaves");
//!     arrived.push(left.datagram);
//! }
//! assert!(arrived.is_sorted());
//! assert_eq!(arrived.len() as u64 + link.counts().lost_in_all(), 1000);
//! # Ok(())
//! # }
//! ```

mod arrival;
mod bottleneck;
mod check;
mod codel;
mod fate;
mod link;
mod loss;
mod matching;
mod model;
mod options;
mod pattern;
mod random;
mod rate;
mod text;
mod trace;

pub use arrival::Arrival;
pub use bottleneck::{Backlog, Carried};
pub use fate::{Departure, Fate, Fates, LostBy, Overtaken};
pub use link::{Left, Link, LinkCounts};
pub use loss::{Chosen, GilbertElliott, Loss};
pub use matching::Matching;
pub use model::Impairment;
pub use options::{Blackout, ImpairmentOptions, Jitter, Reorder};
pub use pattern::Pattern;
pub use random::Stage;
pub(crate) use random::seed_with;
pub use rate::{Capacity, CoDel, Queue, Rate};
pub use text::TextError;
pub use trace::Trace;
