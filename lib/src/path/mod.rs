//! The figures of a network path: what becomes of a series of probes, each figure with its definition and its RFC.
//!
//! All of it is pure: numbers and times in, figures out, no socket and no clock. Memory is bounded however long a run lasts, and
//! what several flows saw can be [merged](LossRuns::merge).
//!
//! ```
//! use std::time::Duration;
//! use udpkit::path::{LossRuns, Reordering};
//!
//! // Of ten probes, in the order in which they were sent, five were lost.
//! let mut runs = LossRuns::default();
//! for number in 1..=10 {
//!     runs.add([2, 5, 7, 9, 10].contains(&number));
//! }
//! assert_eq!((runs.lost(), runs.periods(), runs.longest()), (5, 4, 2));
//!
//! // The numbers of those that arrived, in the order in which they arrived.
//! let mut order = Reordering::default();
//! for (place, number) in [1, 4, 3, 6, 8].into_iter().enumerate() {
//!     order.add(number, Duration::from_millis(place as u64));
//! }
//! assert_eq!(order.reordered(), 1);
//! ```

mod attribution;
mod clock_offset;
mod delay_variation;
mod delays;
mod difference;
mod duplication;
mod lengths;
mod loss_runs;
mod percentile;
mod proportion;
mod quality;
mod reordering;
mod replies;
mod rtp_jitter;

pub use attribution::{Attribution, DirectionBounds, Numbering, Seen, attribute};
pub use clock_offset::{ClockOffset, ClockStep, Drift, OffsetEstimate};
pub use delay_variation::DelayVariation;
pub use delays::Delays;
pub use difference::{
    DistributionDifference, RatioDifference, RatioSample, TimeDifference, TimeSample, distributions_differ,
    ratios_differ, times_differ,
};
pub use duplication::Duplication;
pub use lengths::Lengths;
pub use loss_runs::LossRuns;
pub use percentile::Percentile;
pub use proportion::Proportion;
pub use quality::{Codec, Quality};
pub use reordering::Reordering;
pub use replies::Replies;
pub use rtp_jitter::RtpJitter;
