//! What is measured: the name of each quantity, its unit, and whose it is.

use std::time::Duration;

use super::scope::Scope;
use crate::words::units;

/// What is measured, in the order in which it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    Sent,
    Answered,
    Lost,
    Loss,
    Late,
    Duplicates,
    Duplication,
    Reordered,
    Reordering,
    Rtt,
    Response,
    Residence,
    Lateness,
    Delay,
    Variation,
    Ipdv,
    RtpJitter,
    Mos,
    RFactor,
    ClockOffset,
    ClockBound,
    ClockDrift,
    AddedDelay,
    LoadedLoss,
    LoadArrived,
    Mtu,
}

/// What a number of a quantity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number of things.
    Count,
    /// Bytes.
    Bytes,
    /// A part of all, from 0 to 1.
    Share,
    /// Nanoseconds, from 0.
    Time,
    /// Nanoseconds, which can be below 0.
    SignedTime,
    /// A mark.
    Score,
    /// Millionths.
    PartsPerMillion,
}

impl Quantity {
    /// All of them.
    pub(crate) const ALL: [Self; 26] = [
        Self::Sent,
        Self::Answered,
        Self::Lost,
        Self::Loss,
        Self::Late,
        Self::Duplicates,
        Self::Duplication,
        Self::Reordered,
        Self::Reordering,
        Self::Rtt,
        Self::Response,
        Self::Residence,
        Self::Lateness,
        Self::Delay,
        Self::Variation,
        Self::Ipdv,
        Self::RtpJitter,
        Self::Mos,
        Self::RFactor,
        Self::ClockOffset,
        Self::ClockBound,
        Self::ClockDrift,
        Self::AddedDelay,
        Self::LoadedLoss,
        Self::LoadArrived,
        Self::Mtu,
    ];

    /// How it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Answered => "answered",
            Self::Lost => "lost",
            Self::Loss => "loss",
            Self::Late => "late",
            Self::Duplicates => "duplicates",
            Self::Duplication => "duplication",
            Self::Reordered => "reordered",
            Self::Reordering => "reordering",
            Self::Rtt => "rtt",
            Self::Response => "response",
            Self::Residence => "residence",
            Self::Lateness => "lateness",
            Self::Delay => "delay",
            Self::Variation => "variation",
            Self::Ipdv => "ipdv",
            Self::RtpJitter => "rtp-jitter",
            Self::Mos => "mos",
            Self::RFactor => "r-factor",
            Self::ClockOffset => "clock.offset",
            Self::ClockBound => "clock.bound",
            Self::ClockDrift => "clock.drift",
            Self::AddedDelay => "added-delay",
            Self::LoadedLoss => "loaded-loss",
            Self::LoadArrived => "load-arrived",
            Self::Mtu => "mtu",
        }
    }

    /// The quantity of this name.
    pub(super) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.word() == word)
    }

    /// What its numbers are.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Sent | Self::Answered | Self::Lost | Self::Late | Self::Duplicates | Self::Reordered => Unit::Count,
            Self::Loss | Self::Duplication | Self::Reordering | Self::LoadedLoss | Self::LoadArrived => Unit::Share,
            Self::Rtt | Self::Response | Self::Residence | Self::Lateness | Self::Variation => Unit::Time,
            Self::Ipdv | Self::RtpJitter | Self::ClockBound => Unit::Time,
            Self::Delay | Self::ClockOffset | Self::AddedDelay => Unit::SignedTime,
            Self::Mos | Self::RFactor => Unit::Score,
            Self::ClockDrift => Unit::PartsPerMillion,
            Self::Mtu => Unit::Bytes,
        }
    }

    /// Whether it is a number for each probe, or a difference of two of them, of which summaries have some statistics.
    pub(crate) fn is_distribution(self) -> bool {
        matches!(
            self,
            Self::Rtt
                | Self::Response
                | Self::Residence
                | Self::Lateness
                | Self::Delay
                | Self::Variation
                | Self::Ipdv
                | Self::AddedDelay
        )
    }

    /// Whether there is such a figure of the whole, or of one direction.
    pub(crate) fn has(self, scope: Scope) -> bool {
        match self {
            Self::Lost | Self::Loss | Self::Duplicates | Self::Duplication | Self::AddedDelay | Self::Mtu => true,
            Self::Reordered | Self::Reordering | Self::Delay | Self::Variation | Self::Ipdv => scope != Scope::Whole,
            Self::RtpJitter | Self::Mos | Self::RFactor => scope != Scope::Whole,
            Self::Sent | Self::Answered | Self::Late | Self::Rtt | Self::Response | Self::Residence => {
                scope == Scope::Whole
            }
            Self::LoadedLoss | Self::LoadArrived => scope == Scope::Whole,
            Self::Lateness | Self::ClockOffset | Self::ClockBound | Self::ClockDrift => scope == Scope::Whole,
        }
    }
}

impl Unit {
    /// Parses a value as people write it.
    pub(super) fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Count => match text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<f64>()) {
                Some(Ok(count)) => Ok(count),
                _ => Err(format!("'{text}' is not a count; write a whole number, such as 5")),
            },
            Self::Bytes => match text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<f64>()) {
                Some(Ok(bytes)) => Ok(bytes),
                _ => Err(format!("'{text}' is not a number of bytes; write one as 1500")),
            },
            Self::Share => match text.ends_with('%').then(|| units::chance(text)) {
                Some(Ok(share)) => Ok(share),
                _ => Err(format!("'{text}' is not a percentage; write one from 0% to 100%, such as 0.5%")),
            },
            Self::Time => units::duration(text).map(nanoseconds),
            Self::SignedTime => match text.strip_prefix('-') {
                Some(positive) => units::duration(positive).map(|duration| -nanoseconds(duration)),
                None => units::duration(text).map(nanoseconds),
            },
            Self::Score => decimal(text).ok_or_else(|| format!("'{text}' is not a mark; write one as 3.6")),
            Self::PartsPerMillion => {
                let (sign, number) = text.strip_prefix('-').map_or((1.0, text), |number| (-1.0, number));
                let number = number.strip_suffix("ppm").and_then(decimal).map(|number| sign * number);
                number.ok_or_else(|| format!("'{text}' is not a drift; write millionths, such as 20ppm"))
            }
        }
    }

    /// A value as people read it.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            _ if value.is_infinite() => "infinite".to_owned(),
            Self::Count => format!("{value:.0}"),
            Self::Bytes => format!("{value:.0} B"),
            Self::Share => format!("{}%", significant(value * 100.0)),
            Self::Time | Self::SignedTime => {
                let sign = if value < 0.0 { "-" } else { "" };
                format!("{sign}{}", units::human(Duration::from_secs_f64(value.abs().min(1e18) / 1e9)))
            }
            Self::Score => format!("{value:.2}"),
            Self::PartsPerMillion => format!("{value:.2} ppm"),
        }
    }
}

/// A duration as the values of figures have it.
#[expect(clippy::cast_precision_loss, reason = "times of a measurement are exact below 2^53 ns, 104 days")]
fn nanoseconds(duration: Duration) -> f64 {
    duration.as_nanos() as f64
}

/// A number from 0 on, in digits with or without a point.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

/// A percentage with three digits or so, and no zeros behind its last one.
fn significant(percent: f64) -> String {
    let digits = match percent {
        0.0 => 0,
        10.0.. => 1,
        1.0.. => 2,
        0.1.. => 3,
        _ => 4,
    };
    let text = format!("{percent:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_unit_of_their_quantity() {
        for (unit, text, value) in [
            (Unit::Count, "0", 0.0),
            (Unit::Count, "17", 17.0),
            (Unit::Bytes, "1500", 1500.0),
            (Unit::Share, "5%", 0.05),
            (Unit::Share, "0.5%", 0.005),
            (Unit::Time, "1ms", 1e6),
            (Unit::Time, "0", 0.0),
            (Unit::SignedTime, "-1ms", -1e6),
            (Unit::SignedTime, "2s", 2e9),
            (Unit::Score, "3.6", 3.6),
            (Unit::PartsPerMillion, "20ppm", 20.0),
            (Unit::PartsPerMillion, "-0.5ppm", -0.5),
        ] {
            assert_eq!(unit.parse(text), Ok(value), "{text}");
        }
        for (unit, wrong) in [
            (Unit::Count, ["", "1%", "-1", "1.5"]),
            (Unit::Bytes, ["", "1%", "-1", "1.5"]),
            (Unit::Share, ["", "1", "0.01", "101%"]),
            (Unit::Time, ["", "5", "-1ms", "1%"]),
            (Unit::SignedTime, ["", "-", "--1ms", "5"]),
            (Unit::Score, ["", "NaN", "-1", "1e3"]),
            (Unit::PartsPerMillion, ["", "5", "ppm", "infppm"]),
        ] {
            for text in wrong {
                assert!(unit.parse(text).is_err(), "{unit:?} {text}");
            }
        }
    }

    #[test]
    fn values_are_shown_with_their_unit() {
        for (unit, value, text) in [
            (Unit::Count, 17.0, "17"),
            (Unit::Bytes, 1500.0, "1500 B"),
            (Unit::Share, 0.0, "0%"),
            (Unit::Share, 0.05, "5%"),
            (Unit::Share, 0.049_66, "4.97%"),
            (Unit::Share, 1.0, "100%"),
            (Unit::Share, 0.000_012, "0.0012%"),
            (Unit::Time, 1.5e6, "1.50 ms"),
            (Unit::Time, f64::INFINITY, "infinite"),
            (Unit::SignedTime, -1.5e6, "-1.50 ms"),
            (Unit::Score, 3.614, "3.61"),
            (Unit::PartsPerMillion, -12.345, "-12.35 ppm"),
        ] {
            assert_eq!(unit.show(value), text);
        }
    }
}
