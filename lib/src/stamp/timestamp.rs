//! Times as they are on the wire, and how far off they may be.

use std::time::{Duration, SystemTime};

use crate::stats::SignedNanoseconds;

const NANOSECONDS: i128 = 1_000_000_000;
/// Seconds from 1900, where NTP begins to count, to 1970.
const NTP_TO_UNIX: u32 = 2_208_988_800;
/// The scale's bits in an error estimate.
const SCALE: u16 = 0x3f;

/// How a timestamp is written (RFC 8186, section 2.3). Each side of a session has its own.
///
/// Exhaustive: one bit says which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimestampFormat {
    /// Seconds since 1900 and a fraction in 32 bits each, as in NTP: 0.23 ns apart. The seconds begin anew in 2036.
    #[default]
    Ntp,
    /// Seconds since 1970 and nanoseconds in 32 bits each, as in PTP version 2 (IEEE 1588-2008), truncated. Nominally TAI, which
    /// is 37 s ahead of UTC; read and written as UTC here, as other implementations do.
    Ptp,
}

/// A time as it is on the wire, in 64 bits.
///
/// Only the difference of two is meant to be taken ([`since`](Self::since)): which era of 136 years a time is of is not on the wire.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use udpkit::SignedNanoseconds;
/// use udpkit::stamp::{Timestamp, TimestampFormat};
///
/// let now = SystemTime::UNIX_EPOCH + Duration::new(1_800_000_000, 123_456_789);
/// let sent = Timestamp::from_utc(now, TimestampFormat::Ntp);
/// let received = Timestamp::from_utc(now + Duration::from_nanos(1500), TimestampFormat::Ptp);
/// assert_eq!(received.since(sent), SignedNanoseconds(1500));
/// assert_eq!(sent.since(received), SignedNanoseconds(-1500));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp {
    bits: u64,
    format: TimestampFormat,
}

impl Timestamp {
    /// What is written for a moment, rounded down to a unit of the format; [`since`](Self::since) finds the nanosecond again.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each part is below 2^32")]
    pub fn from_utc(utc: SystemTime, format: TimestampFormat) -> Self {
        let whole = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        let since_1970 =
            utc.duration_since(SystemTime::UNIX_EPOCH).map_or_else(|before| -whole(before.duration()), whole);
        let epoch = match format {
            TimestampFormat::Ntp => i128::from(NTP_TO_UNIX),
            TimestampFormat::Ptp => 0,
        };
        let seconds = (since_1970.div_euclid(NANOSECONDS) + epoch).rem_euclid(1 << 32) as u64;
        let nanoseconds = since_1970.rem_euclid(NANOSECONDS) as u64;
        let fraction = match format {
            TimestampFormat::Ntp => (nanoseconds << 32) / 1_000_000_000,
            TimestampFormat::Ptp => nanoseconds,
        };
        Self { bits: seconds << 32 | fraction, format }
    }

    /// A time from its 64 bits.
    #[must_use]
    pub fn from_bits(bits: u64, format: TimestampFormat) -> Self {
        Self { bits, format }
    }

    /// Its 64 bits, in whichever format it has.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// How it is written.
    #[must_use]
    pub fn format(self) -> TimestampFormat {
        self.format
    }

    /// How much later it is than another, of either format: between -2^31 and 2^31 seconds, of which multiples of 2^32 cannot be
    /// seen. So a difference is right across the end of NTP's era in 2036. Negative where the clocks differ, or lie.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "a difference of seconds modulo 2^32, with its sign")]
    pub fn since(self, earlier: Self) -> SignedNanoseconds {
        let ((seconds, nanoseconds), (earlier_seconds, earlier_nanoseconds)) = (self.parts(), earlier.parts());
        let seconds = i64::from(seconds.wrapping_sub(earlier_seconds) as i32);
        SignedNanoseconds(seconds * 1_000_000_000 + (nanoseconds - earlier_nanoseconds))
    }

    /// Seconds since 1900 modulo 2^32, and nanoseconds: over a second's only where a peer sends such.
    #[expect(clippy::cast_possible_truncation, reason = "the upper and the lower half")]
    fn parts(self) -> (u32, i64) {
        let (seconds, fraction) = ((self.bits >> 32) as u32, self.bits as u32);
        match self.format {
            TimestampFormat::Ntp => {
                let nanoseconds = (u64::from(fraction) * 1_000_000_000 + (1 << 31)) >> 32;
                (seconds, nanoseconds as i64)
            }
            TimestampFormat::Ptp => (seconds.wrapping_add(NTP_TO_UNIX), i64::from(fraction)),
        }
    }
}

/// How far off a clock may be, and in which format its times are (RFC 4656, section 4.1.2; RFC 8186, section 2.3).
///
/// ```
/// use std::time::Duration;
/// use udpkit::stamp::{ErrorEstimate, TimestampFormat};
///
/// let estimate = ErrorEstimate::of_bound(Duration::from_millis(2), TimestampFormat::Ntp);
/// assert!(estimate.is_synchronized);
/// // At most 1/128 more than was asked for.
/// assert!(estimate.bound() >= Some(Duration::from_millis(2)));
/// assert!(estimate.bound() < Some(Duration::from_micros(2016)));
/// assert_eq!(ErrorEstimate::from_bits(estimate.bits()), estimate);
/// ```
///
/// Exhaustive: these are its 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorEstimate {
    /// Whether the clock is synchronised to UTC by an outside source.
    pub is_synchronized: bool,
    /// How the times that it is about are written.
    pub format: TimestampFormat,
    /// The power of two in the error, 0 to 63.
    pub scale: u8,
    /// The error in units of 2^(scale - 32) seconds; 0 says nothing, and must not be sent.
    pub multiplier: u8,
}

impl ErrorEstimate {
    /// Of a clock of which nothing is known: not synchronised, with the largest error that can be written (17,000 years).
    #[must_use]
    pub fn unsynchronized(format: TimestampFormat) -> Self {
        Self { is_synchronized: false, format, scale: 63, multiplier: u8::MAX }
    }

    /// Of a synchronised clock that is at most so far off: the smallest error that can be written and is no smaller.
    #[must_use]
    pub fn of_bound(bound: Duration, format: TimestampFormat) -> Self {
        let mut units = (bound.as_nanos() << 32).div_ceil(1_000_000_000).max(1);
        let mut scale = 0;
        while units > u128::from(u8::MAX) && scale < 63 {
            units = units.div_ceil(2);
            scale += 1;
        }
        Self { is_synchronized: true, format, scale, multiplier: u8::try_from(units).unwrap_or(u8::MAX) }
    }

    /// From its 16 bits.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        let [upper, multiplier] = bits.to_be_bytes();
        let format = if upper & 0x40 == 0 { TimestampFormat::Ntp } else { TimestampFormat::Ptp };
        Self { is_synchronized: upper & 0x80 != 0, format, scale: upper & 0x3f, multiplier }
    }

    /// Its 16 bits.
    #[must_use]
    pub fn bits(self) -> u16 {
        let format = match self.format {
            TimestampFormat::Ntp => 0,
            TimestampFormat::Ptp => 0x4000,
        };
        u16::from(self.is_synchronized) << 15
            | format
            | (u16::from(self.scale) & SCALE) << 8
            | u16::from(self.multiplier)
    }

    /// How far off the clock may be, rounded up to a nanosecond; `None` where the estimate says nothing (a multiplier of 0). What
    /// an unsynchronised clock says of itself is worth little: look at `is_synchronized` first.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "255 times 2^31 seconds at most; the rest is below a second")]
    pub fn bound(self) -> Option<Duration> {
        if self.multiplier == 0 {
            return None;
        }
        let units = u128::from(self.multiplier) << (u16::from(self.scale) & SCALE);
        let nanoseconds = (units * 1_000_000_000).div_ceil(1 << 32);
        Some(Duration::new((nanoseconds / 1_000_000_000) as u64, (nanoseconds % 1_000_000_000) as u32))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [TimestampFormat; 2] = [TimestampFormat::Ntp, TimestampFormat::Ptp];

    fn utc(seconds: u64, nanoseconds: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
    }

    #[test]
    fn the_known_moments_are_written_as_they_are_known() {
        let ntp = |moment| Timestamp::from_utc(moment, TimestampFormat::Ntp).bits();
        let ptp = |moment| Timestamp::from_utc(moment, TimestampFormat::Ptp).bits();
        assert_eq!(ntp(utc(0, 0)), 0x83aa_7e80_0000_0000);
        assert_eq!(ntp(utc(0, 500_000_000)), 0x83aa_7e80_8000_0000);
        assert_eq!(ptp(utc(1, 999_999_999)), 0x0000_0001_3b9a_c9ff);
        assert_eq!(ntp(utc(0, 999_999_999)) >> 32, 0x83aa_7e80);
        // The era ends on 2036-02-07 at 06:28:16 UTC.
        assert_eq!(ntp(utc(2_085_978_496, 0)), 0);
        assert_eq!(ntp(utc(2_085_978_495, 0)), 0xffff_ffff_0000_0000);
        // Before 1970.
        let before = SystemTime::UNIX_EPOCH - Duration::from_millis(250);
        assert_eq!(ntp(before), 0x83aa_7e7f_c000_0000);
        assert_eq!(ptp(before), 0xffff_ffff_2cb4_1780);
    }

    #[test]
    fn a_difference_is_right_across_the_end_of_the_era() {
        for earlier_format in BOTH {
            for later_format in BOTH {
                let earlier = Timestamp::from_utc(utc(2_085_978_495, 900_000_000), earlier_format);
                let later = Timestamp::from_utc(utc(2_085_978_496, 1), later_format);
                assert_eq!(later.since(earlier), SignedNanoseconds(100_000_001));
                assert_eq!(earlier.since(later), SignedNanoseconds(-100_000_001));
            }
        }
    }

    #[test]
    fn any_bits_have_a_difference() {
        for format in BOTH {
            let [least, most] = [0, u64::MAX].map(|bits| Timestamp::from_bits(bits, format));
            let unix = Timestamp::from_bits(1 << 63, TimestampFormat::Ptp);
            let _ = (least.since(most), most.since(least), unix.since(most), least.since(unix));
        }
    }

    #[test]
    fn an_estimate_is_read_as_it_is_written() {
        for bits in 0..=u16::MAX {
            assert_eq!(ErrorEstimate::from_bits(bits).bits(), bits);
        }
        let estimate = ErrorEstimate::from_bits(0xd2_07);
        assert!(estimate.is_synchronized);
        assert_eq!((estimate.format, estimate.scale, estimate.multiplier), (TimestampFormat::Ptp, 18, 7));
        assert_eq!(ErrorEstimate::unsynchronized(TimestampFormat::Ntp).bits(), 0x3fff);
    }

    #[test]
    fn a_bound_is_its_multiplier_in_units_of_its_scale() {
        let bound = |bits| ErrorEstimate::from_bits(bits).bound();
        assert_eq!(bound(0x0001), Some(Duration::from_nanos(1)));
        assert_eq!(bound(0x2003), Some(Duration::from_secs(3)));
        assert_eq!(bound(0x1f01), Some(Duration::from_millis(500)));
        assert_eq!(bound(0x3fff), Some(Duration::from_secs(255 << 31)));
        assert_eq!(bound(0x3f00), None);
    }

    proptest! {
        #[test]
        fn a_moment_that_was_written_is_read_to_the_nanosecond(
            seconds in 0u64..6_000_000_000, nanoseconds in 0u32..1_000_000_000,
            later in 0u64..2_000_000_000_000_000_000, format in 0usize..2, other in 0usize..2,
        ) {
            let earlier = utc(seconds, nanoseconds);
            let from = Timestamp::from_utc(earlier, BOTH[format]);
            let to = Timestamp::from_utc(earlier + Duration::from_nanos(later), BOTH[other]);
            let later = i64::try_from(later).unwrap();
            prop_assert_eq!(to.since(from), SignedNanoseconds(later));
            prop_assert_eq!(from.since(to), SignedNanoseconds(-later));
        }

        #[test]
        fn what_is_written_of_a_bound_is_never_smaller_and_hardly_larger(nanoseconds in 1u64..) {
            let wanted = Duration::from_nanos(nanoseconds);
            let bound = ErrorEstimate::of_bound(wanted, TimestampFormat::Ptp).bound().unwrap();
            prop_assert!(bound >= wanted, "{bound:?}");
            prop_assert!(bound <= wanted + wanted / 127 + Duration::from_nanos(1), "{bound:?}");
        }
    }
}
