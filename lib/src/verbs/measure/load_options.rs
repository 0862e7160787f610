//! The load that `measure` is asked to send beside its probes.

use super::super::requests::Pace;
use crate::setters::setters;

/// A load beside the probes, in the second half of a measurement: datagrams that a reflector of this library counts and does not
/// answer ([`Purpose::Load`](crate::stamp::Purpose::Load)).
///
/// It leaves through a socket of its own, so that a router that has a queue for each flow treats it as another program's.
///
/// ```
/// use udpkit::verbs::{LoadOptions, MeasureOptions, Pace};
///
/// // 20 Mbit/s in the last 5 of 10 seconds; the first socket is that of the probes, the second that of the load.
/// let own = vec![([127, 0, 0, 1], 40_000).into(), ([127, 0, 0, 1], 40_001).into()];
/// let load = LoadOptions::new(Pace::Bitrate(20_000_000.0));
/// let options = MeasureOptions::new(([127, 0, 0, 1], 862).into()).own(own).load(load);
/// assert_eq!(options.load_from().map(|from| from.as_secs()), Some(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// How fast its datagrams follow one another, at [`MeasureOptions::MOST_RATE`](super::MeasureOptions::MOST_RATE) at most.
    pub pace: Pace,
    /// Bytes of payload of each: 1,200 by default, which fit through nearly every path.
    pub size: usize,
}

setters! { LoadOptions {
    pace: Pace,
    size: usize,
}}

impl LoadOptions {
    /// Bytes of payload of its datagrams, unless others are asked for.
    pub const SIZE: usize = 1200;

    /// Datagrams of the usual size at this pace.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self { pace, size: Self::SIZE }
    }

    /// Datagrams a second; infinite or no number where the pace makes no sense.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^16")]
    pub fn rate(&self) -> f64 {
        match self.pace {
            Pace::Interval(interval) => 1.0 / interval.as_secs_f64(),
            Pace::Rate(rate) => rate,
            Pace::Bitrate(bitrate) => bitrate / 8.0 / self.size as f64,
        }
    }

    /// Bits of payload a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "sizes are below 2^16")]
    pub fn bitrate(&self) -> f64 {
        self.rate() * self.size as f64 * 8.0
    }
}
