//! Durations, sizes, rates, numbers and conditions as people write them.

use udpkit::verbs::Pace;
use udpkit_capture::Limit;

use crate::words::figures::{Condition, Topic};
use crate::words::numbers::{NumberOrOff, dscp, number_or_off};
use crate::words::probes::sizes;
use crate::words::units::{Rate, duration, human, limit, rate, size};

/// Reads a text as each of them.
pub fn units(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(read) = duration(text) {
        assert_eq!(duration(&humantime::format_duration(read).to_string()), Ok(read), "{text}");
        let shown = human(read);
        let (number, unit) = shown.split_once(' ').expect("a unit follows");
        assert!((1..=20).contains(&number.len()) && (1..=2).contains(&unit.len()), "{shown}");
    }
    if let Some(number) = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())) {
        prefixes(number);
    }
    if let Ok(read) = size(text) {
        assert_eq!(size(&read.to_string()), Ok(read), "{text}");
    }
    if let Ok(read) = rate(text) {
        match (read, read.pace()) {
            (Rate::Datagrams(rate), Pace::Rate(same)) | (Rate::Bits(rate), Pace::Bitrate(same)) => {
                assert!(rate > 0.0 && rate.is_finite() && rate == same);
            }
            (read, pace) => panic!("{read:?} is {pace:?}"),
        }
    }
    match limit(text) {
        Ok(Limit::Size(bytes)) => assert!(bytes > 0 && size(text) == Ok(usize::try_from(bytes).unwrap_or(usize::MAX))),
        Ok(Limit::Duration(span)) => assert!(!span.is_zero() && duration(text) == Ok(span)),
        Ok(limit) => panic!("{limit:?}"),
        Err(message) => assert!(message.contains(text)),
    }
    if let Ok(NumberOrOff::Number(number)) = number_or_off(text) {
        assert!(number > 0);
    }
    if let Ok(read) = dscp(text) {
        assert_eq!(dscp(&read.to_string()), Ok(read));
        assert!(read < 64);
    }
    if let Ok(read) = sizes(text) {
        assert!((1..=4096).contains(&read.each().len()) && read.each().iter().all(|size| (44..=65_507).contains(size)));
    }
    if let Ok(condition) = text.parse::<Condition>() {
        assert_eq!(condition.to_string().parse(), Ok(condition));
    }
    if let Ok(topic) = text.parse::<Topic>() {
        assert!(text.contains(topic.name()), "{text}");
    }
}

/// A number means what its prefix says.
fn prefixes(number: u16) {
    for (prefix, factor) in [("", 1), ("k", 1000), ("M", 1_000_000), ("Ki", 1024), ("Mi", 1 << 20), ("Gi", 1 << 30)] {
        assert_eq!(size(&format!("{number}{prefix}B")), Ok(usize::from(number) * factor));
    }
    for (prefix, factor) in [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9)].into_iter().filter(|_| number > 0) {
        let expected = f64::from(number) * factor;
        assert_eq!(rate(&format!("{number}{prefix}/s")), Ok(Rate::Datagrams(expected)));
        assert_eq!(rate(&format!("{number}{prefix}bit/s")), Ok(Rate::Bits(expected)));
    }
}
