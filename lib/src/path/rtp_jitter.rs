//! The jitter that RTP receivers report (RFC 3550).

use std::time::Duration;

use crate::stats::SignedNanoseconds;

/// The jitter that RTP receivers report (RFC 3550 section 6.4.1 and appendix A.8): J += (|D(i) - D(i-1)| - J) / 16, over delays in
/// the order of arrival.
///
/// It forgets: its last value describes some 50 arrivals, and no whole run, of which [`largest`](Self::largest) is the worst. Clocks
/// need not be synchronised.
///
/// ```
/// use std::time::Duration;
/// use udpkit::{SignedNanoseconds, path::RtpJitter};
///
/// let mut jitter = RtpJitter::default();
/// for delay in [1_000_000, 1_160_000, 1_160_000] {
///     jitter.add(SignedNanoseconds(delay));
/// }
/// assert_eq!(jitter.largest(), Some(Duration::from_micros(10)));
/// assert_eq!(jitter.last(), Some(Duration::from_nanos(9_375)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RtpJitter {
    before: Option<SignedNanoseconds>,
    jitter_ns: f64,
    largest_ns: f64,
    /// Differences of which it is made.
    count: u64,
}

/// What a new difference weighs.
const GAIN: f64 = 1.0 / 16.0;

impl RtpJitter {
    /// Adds the delay of what arrived next.
    #[expect(clippy::cast_precision_loss, reason = "delays of up to 104 days are exact")]
    pub fn add(&mut self, delay: SignedNanoseconds) {
        if let Some(before) = self.before.replace(delay) {
            let difference = delay.0.abs_diff(before.0) as f64;
            self.jitter_ns += (difference - self.jitter_ns) * GAIN;
            self.largest_ns = self.largest_ns.max(self.jitter_ns);
            self.count += 1;
        }
    }

    /// Compares the next delay with none before it: a clock was set.
    pub fn restart(&mut self) {
        self.before = None;
    }

    /// Adds another flow's: the largest of both, and the last values' mean, weighted by what each is made of.
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    pub fn merge(&mut self, other: &Self) {
        if other.count > 0 {
            let (ours, theirs) = (self.count as f64, other.count as f64);
            self.jitter_ns = (self.jitter_ns * ours + other.jitter_ns * theirs) / (ours + theirs);
            self.largest_ns = self.largest_ns.max(other.largest_ns);
            self.count += other.count;
        }
    }

    /// Its last value; nothing before a second arrival.
    #[must_use]
    pub fn last(&self) -> Option<Duration> {
        (self.count > 0).then(|| nanoseconds(self.jitter_ns))
    }

    /// Its largest value; nothing before a second arrival.
    #[must_use]
    pub fn largest(&self) -> Option<Duration> {
        (self.count > 0).then(|| nanoseconds(self.largest_ns))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and it saturates")]
fn nanoseconds(number: f64) -> Duration {
    Duration::from_nanos(number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_rfc_in_the_order_of_arrival() {
        let mut jitter = RtpJitter::default();
        assert_eq!((jitter.last(), jitter.largest()), (None, None));
        jitter.add(SignedNanoseconds(-5_000));
        assert_eq!(jitter.last(), None);
        // By appendix A.8: 0 + 1600/16, 100 + (3200 - 100)/16, 293.75 - 293.75/16.
        let values = [-3_400, -6_600, -6_600].map(|delay| {
            jitter.add(SignedNanoseconds(delay));
            jitter.jitter_ns
        });
        assert_eq!(values, [100.0, 293.75, 275.390_625]);
        assert_eq!(
            (jitter.last(), jitter.largest()),
            (Some(Duration::from_nanos(275)), Some(Duration::from_nanos(294)))
        );
    }

    #[test]
    fn a_clock_that_is_set_is_no_jitter_and_flows_are_weighed() {
        let of = |delays: &[i64]| {
            let mut jitter = RtpJitter::default();
            delays.iter().for_each(|delay| jitter.add(SignedNanoseconds(*delay)));
            jitter
        };
        let mut jitter = of(&[0, 1600]);
        jitter.restart();
        jitter.add(SignedNanoseconds(i64::MIN));
        assert_eq!(jitter.last(), Some(Duration::from_nanos(100)));
        jitter.merge(&of(&[0, 0, 0, 0]));
        assert_eq!(
            (jitter.last(), jitter.largest()),
            (Some(Duration::from_nanos(25)), Some(Duration::from_nanos(100)))
        );
        jitter.merge(&RtpJitter::default());
        assert_eq!(jitter.last(), Some(Duration::from_nanos(25)));
        // The farthest that two delays can be apart.
        assert!(of(&[i64::MIN, i64::MAX]).largest().is_some());
    }
}
