//! Durations, sizes and rates: parsed strictly, so that a mistake is an error that shows what is allowed.

use std::ops::RangeInclusive;
use std::time::Duration;

use udpkit::verbs::Pace;

use udpkit_capture::Limit;

/// A number of datagrams, or of payload bits, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// Datagrams per second.
    Datagrams(f64),
    /// Bits of payload per second.
    Bits(f64),
}

impl Rate {
    /// The pace that keeps to this rate.
    pub(crate) fn pace(self) -> Pace {
        match self {
            Self::Datagrams(rate) => Pace::Rate(rate),
            Self::Bits(rate) => Pace::Bitrate(rate),
        }
    }
}

/// Parses `20ms`, `1m30s`, `500us`; `0` alone needs no unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    humantime::parse_duration(text).map_err(|_| {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && text.parse::<f64>().is_ok();
        let what = if is_number { format!("has no unit, as in {text}s") } else { "is not a duration".to_owned() };
        format!("'{text}' {what}; write one as 500us, 20ms, 1s or 1m30s")
    })
}

/// Parses `20ms`, or two durations between which each is as likely as the other: `20ms..80ms`, the shorter first.
pub(crate) fn delay(text: &str) -> Result<RangeInclusive<Duration>, String> {
    let end = |text| duration(text).map_err(|message| format!("{message}, or a range as 20ms..80ms"));
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let delay = end(least)?..=end(most)?;
    if delay.is_empty() { Err("this range ends before it begins".to_owned()) } else { Ok(delay) }
}

/// Parses `5%` or `0.05`: a probability from 0 to 1. A number has a point, so that nobody takes `5` for 5 %.
pub(crate) fn chance(text: &str) -> Result<f64, String> {
    let number = match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().map(|percent: f64| percent / 100.0),
        None => text.parse().ok().filter(|_| text.contains(['.', 'e', 'E'])),
    };
    let chance = number.filter(|chance| (0.0..=1.0).contains(chance));
    chance.ok_or_else(|| "a chance is written as 5% or 0.05, from 0.0 to 1.0".to_owned())
}

/// Parses `4096`, `64KiB`, `4M`: bytes, with decimal (k, M, G) or binary (Ki, Mi, Gi) prefixes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let wrong = || format!("'{text}' is not a size; write one as 4096, 64KiB or 4M");
    let (number, unit) = split(text);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    if !(0.0..=1e15).contains(&bytes) || bytes.fract() != 0.0 {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number from 0 to 1e15")]
    Ok(bytes as usize)
}

/// Parses `1000/s`, `10k/s`, `5Mbit/s`, `64kbit/s`.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || format!("'{text}' is not a rate; write one as 1000/s, 10k/s or 5Mbit/s");
    let per_second = text.strip_suffix("/s").ok_or_else(wrong)?;
    let (number, unit) = split(per_second);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let (prefix, bits) = match unit.strip_suffix("bit") {
        Some(prefix) => (prefix, true),
        None => (unit, false),
    };
    let factor = match prefix {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        _ => return Err(wrong()),
    };
    let rate = number * factor;
    if !(rate.is_finite() && rate > 0.0) {
        return Err(wrong());
    }
    Ok(if bits { Rate::Bits(rate) } else { Rate::Datagrams(rate) })
}

/// Bits a second, a whole number of them: what is left of a decimal fraction is rounded away.
pub(crate) fn bitrate(text: &str) -> Option<u64> {
    match rate(text) {
        Ok(Rate::Bits(bits)) if (1.0..=1e15).contains(&bits) && (bits - bits.round()).abs() < 0.001 =>
        {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number up to 1e15")]
            Some(bits.round() as u64)
        }
        _ => None,
    }
}

/// What a capture file is not to exceed: a size, or a duration.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    let wrong = || format!("'{text}' is neither a size nor a duration; write one as 100MiB, 10m or 1h");
    let limit = match (size(text), duration(text)) {
        (Ok(size), _) if text.ends_with(|letter: char| letter.is_ascii_alphabetic()) => Limit::Size(size as u64),
        (_, Ok(duration)) => Limit::Duration(duration),
        _ => return Err(wrong()),
    };
    match limit {
        Limit::Size(0) | Limit::Duration(Duration::ZERO) => Err(wrong()),
        limit => Ok(limit),
    }
}

/// A number and the unit behind it.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    text.split_at(end)
}

/// A number of things, in words.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// How often, in words: `once`, `2 times`.
pub(crate) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// A duration for people: three digits and the unit that fits.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match duration.as_nanos() {
        0..1_000 => (seconds * 1e9, "ns"),
        1_000..1_000_000 => (seconds * 1e6, "us"),
        1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// Bits a second for people: three digits and the unit that fits.
pub(crate) fn bits(bits_per_second: f64) -> String {
    let (value, unit) = match bits_per_second {
        bits if bits >= 999.5e6 => (bits / 1e9, "Gbit/s"),
        bits if bits >= 999.5e3 => (bits / 1e6, "Mbit/s"),
        bits if bits >= 999.5 => (bits / 1e3, "kbit/s"),
        bits => (bits, "bit/s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays() {
        let ms = Duration::from_millis;
        for (text, range) in [("20ms", ms(20)..=ms(20)), ("20ms..80ms", ms(20)..=ms(80)), ("0..1s", ms(0)..=ms(1000))] {
            assert_eq!(delay(text), Ok(range), "{text}");
        }
        for wrong in ["", "20", "20ms..", "..80ms", "20ms-80ms", "80ms..20ms", "1ms..2ms..3ms"] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn chances() {
        for (text, number) in [("5%", 0.05), ("0%", 0.0), ("100%", 1.0), ("0.25", 0.25), ("1.0", 1.0), ("1e-3", 0.001)]
        {
            assert_eq!(chance(text), Ok(number), "{text}");
        }
        for wrong in ["", "5", "1", "%", "101%", "-1%", "1.5", "NaN%", "inf", "5 %"] {
            assert!(chance(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "5", "1.5.s", "-1s", "fast", "1 potato"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("4M"), Ok(4_000_000));
        assert_eq!(size("1.5k"), Ok(1500));
        for wrong in ["", "B", "-1", "1.5", "4X", "1e3", "99999999999999999999"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(limit("100MiB"), Ok(Limit::Size(100 << 20)));
        assert_eq!(limit("10M"), Ok(Limit::Size(10_000_000)));
        assert_eq!(limit("10m"), Ok(Limit::Duration(Duration::from_secs(600))));
        assert_eq!(limit("1h30m"), Ok(Limit::Duration(Duration::from_secs(5400))));
        for wrong in ["", "0", "0B", "0s", "100", "x", "-1M"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("1000/s"), Ok(Rate::Datagrams(1000.0)));
        assert_eq!(rate("10k/s"), Ok(Rate::Datagrams(10_000.0)));
        assert_eq!(rate("5Mbit/s"), Ok(Rate::Bits(5e6)));
        assert_eq!(rate("0.5/s"), Ok(Rate::Datagrams(0.5)));
        for wrong in ["", "/s", "1000", "0/s", "-1/s", "1Mbyte/s", "1/m"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Rate::Datagrams(3e6).pace(), Pace::Rate(3e6));
    }

    #[test]
    fn human_durations_have_three_digits() {
        let of = |nanoseconds| human(Duration::from_nanos(nanoseconds));
        assert_eq!(
            [of(0), of(81_234), of(1_500_000), of(999_999_999), of(2_000_000_000)],
            ["0.00 ns", "81.2 us", "1.50 ms", "1000 ms", "2.00 s"]
        );
    }
}
