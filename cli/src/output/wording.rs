//! A datagram as formats are handed it: with its time, addresses and interface in words.
//!
//! Words are kept from one datagram to the next, since most of them stay the same.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, SocketAddrV4};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use udpkit::{Datagram, Delivery, InterfaceIndex, Interfaces};

use crate::words::address::on_interface;
use crate::words::endpoint::{self, Endpoint};

const NANOSECONDS: u32 = 1_000_000_000;
/// The second since 1970 with which the year 0 begins, the first that RFC 3339 can write; past 9999, no calendar here goes.
const YEAR_0: i64 = -62_167_219_200;

/// A datagram with the words for what it came through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(super) datagram: Datagram<'a>,
    pub(super) time: Option<&'a str>,
    pub(super) source: &'a str,
    /// Its address in the header, and our port, where both are known.
    pub(super) destination: Option<&'a str>,
    pub(super) interface: Option<&'a str>,
}

/// Finds the words for datagrams, and keeps them.
#[derive(Debug)]
pub(super) struct Wording {
    clock: Clock,
    source: AddressWords,
    destination: AddressWords,
    interfaces: Names,
}

/// The names of interfaces.
type Names = HashMap<InterfaceIndex, String>;

impl Wording {
    pub(super) fn new(times: Times, zone: TimeZone) -> Self {
        Self {
            clock: Clock::new(times, zone),
            source: AddressWords::default(),
            destination: AddressWords::default(),
            interfaces: HashMap::new(),
        }
    }

    pub(super) fn set_interfaces(&mut self, interfaces: &Interfaces) {
        self.interfaces = interfaces
            .iter()
            .filter_map(|interface| interface.index.map(|index| (index, interface.name.clone())))
            .collect();
        // They may be of another name now.
        (self.source, self.destination) = <_>::default();
    }

    pub(super) fn interface(&self, index: InterfaceIndex) -> Option<&str> {
        self.interfaces.get(&index).map(String::as_str)
    }

    /// Takes the time of the next datagram; once for each, since it may count from the one before.
    pub(super) fn set_time(&mut self, time: Option<SystemTime>) {
        self.clock.set(time);
    }

    pub(super) fn time(&self) -> Option<&str> {
        self.clock.words()
    }

    /// A datagram that was sent to this port of ours, if that is known; its time is set.
    pub(super) fn shown<'a>(&'a mut self, datagram: Datagram<'a>, port: Option<u16>) -> Shown<'a> {
        let Self { clock, source, destination, interfaces } = self;
        let meta = datagram.meta;
        Shown {
            datagram,
            time: clock.words(),
            source: source.of(meta.source, interfaces),
            destination: meta
                .destination
                .zip(port)
                .map(|(ip, port)| on_interface(SocketAddr::new(ip, port), meta.interface))
                .map(|address| destination.of(address, interfaces)),
            interface: meta.interface.and_then(|index| interfaces.get(&index)).map(String::as_str),
        }
    }
}

/// The word for a delivery that is known.
pub(super) fn delivery_name(delivery: Delivery) -> Option<&'static str> {
    match delivery {
        Delivery::Unicast => Some("unicast"),
        Delivery::Broadcast => Some("broadcast"),
        Delivery::Multicast => Some("multicast"),
        Delivery::Unknown => None,
    }
}

/// The words for the last address.
#[derive(Debug, Default)]
struct AddressWords {
    address: Option<SocketAddr>,
    text: String,
}

impl AddressWords {
    fn of(&mut self, address: SocketAddr, names: &Names) -> &str {
        if self.address != Some(address) {
            self.address = Some(address);
            self.text.clear();
            match address {
                SocketAddr::V4(v4) => push_v4(&mut self.text, v4),
                // Writing into memory does not fail.
                SocketAddr::V6(_) => {
                    let name = Endpoint(address).interface().and_then(|index| names.get(&index));
                    let _ = endpoint::write(&mut self.text, address, name.map(String::as_str));
                }
            }
        }
        &self.text
    }
}

/// What `Display` writes, in a fifth of the time.
fn push_v4(text: &mut String, address: SocketAddrV4) {
    let mut digits = itoa::Buffer::new();
    for (octet, end) in address.ip().octets().into_iter().zip([".", ".", ".", ":"]) {
        text.push_str(digits.format(octet));
        text.push_str(end);
    }
    text.push_str(digits.format(address.port()));
}

/// How the times of datagrams are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Times {
    /// The time of day in the local zone.
    #[default]
    Local,
    /// RFC 3339, in UTC.
    Utc,
    /// Seconds since the first datagram.
    Relative,
    /// Seconds since the datagram before.
    Delta,
}

/// Tells times; the part that changes once a second is kept.
#[derive(Debug)]
pub(super) struct Clock {
    times: Times,
    zone: TimeZone,
    /// The time that is told.
    time: Option<SystemTime>,
    /// It in words; empty for none, and for one that no calendar has.
    text: String,
    /// The second that the text begins with, and how much of it is about that.
    second: Option<(i64, usize)>,
    /// What times are counted from.
    start: Option<SystemTime>,
}

impl Clock {
    pub(super) fn new(times: Times, zone: TimeZone) -> Self {
        Self { times, zone, time: None, text: String::new(), second: None, start: None }
    }

    pub(super) fn words(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !text.is_empty())
    }

    pub(super) fn set(&mut self, time: Option<SystemTime>) {
        if time == self.time && self.times != Times::Delta {
            return;
        }
        self.time = time;
        let told = time.and_then(|time| match self.times {
            Times::Local => self.of_day(time, "%H:%M:%S", ""),
            Times::Utc => self.of_day(time, "%Y-%m-%dT%H:%M:%S", "Z"),
            Times::Relative => {
                let start = *self.start.get_or_insert(time);
                self.since(start, time)
            }
            Times::Delta => {
                let before = self.start.replace(time).unwrap_or(time);
                self.since(before, time)
            }
        });
        if told.is_none() {
            self.text.clear();
            self.second = None;
        }
    }

    fn of_day(&mut self, time: SystemTime, format: &str, end: &str) -> Option<()> {
        let (second, nanoseconds) = since_epoch(time)?;
        let kept = match self.second {
            Some((same, kept)) if same == second => kept,
            _ => {
                let timestamp = Timestamp::from_second(second).ok().filter(|_| second >= YEAR_0)?;
                self.text.clear();
                match self.times {
                    Times::Utc => write!(self.text, "{}", timestamp.strftime(format)).ok()?,
                    _ => {
                        write!(self.text, "{}", timestamp.to_zoned_datetime(self.zone.clone()).strftime(format)).ok()?
                    }
                }
                self.text.len()
            }
        };
        self.second = Some((second, kept));
        self.text.truncate(kept);
        push_nanoseconds(&mut self.text, nanoseconds);
        self.text.push_str(end);
        Some(())
    }

    /// Seconds from one time to another, which may be the earlier one: the system's clock can be set back.
    fn since(&mut self, start: SystemTime, time: SystemTime) -> Option<()> {
        let (sign, span) = match time.duration_since(start) {
            Ok(span) => ("", span),
            Err(error) => ("-", error.duration()),
        };
        self.text.clear();
        self.text.push_str(sign);
        self.text.push_str(itoa::Buffer::new().format(span.as_secs()));
        push_nanoseconds(&mut self.text, span.subsec_nanos());
        Some(())
    }
}

/// Seconds since 1970, rounded down, and the nanoseconds that go with them.
fn since_epoch(time: SystemTime) -> Option<(i64, u32)> {
    let (before, span) = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(span) => (false, span),
        Err(error) => (true, error.duration()),
    };
    let second = i64::try_from(span.as_secs()).ok()?;
    Some(match span.subsec_nanos() {
        nanoseconds if !before => (second, nanoseconds),
        0 => (-second, 0),
        nanoseconds => (-second - 1, NANOSECONDS - nanoseconds),
    })
}

/// A point and nine digits.
fn push_nanoseconds(text: &mut String, nanoseconds: u32) {
    let mut digits = itoa::Buffer::new();
    text.push('.');
    // The first digit of ten holds the others' place.
    text.push_str(&digits.format(NANOSECONDS + nanoseconds)[1..]);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn clock(times: Times) -> Clock {
        Clock::new(times, TimeZone::fixed(jiff::tz::offset(7)))
    }

    fn told(times: Times, moments: &[SystemTime]) -> Vec<String> {
        let mut clock = clock(times);
        let mut tell = |time: &SystemTime| {
            clock.set(Some(*time));
            clock.words().unwrap_or("-").to_owned()
        };
        moments.iter().map(&mut tell).collect()
    }

    #[test]
    fn times_are_of_the_day_here_or_in_utc() {
        let time = EPOCH + Duration::new(1_700_000_000, 5);
        let moments = [time, time + Duration::new(0, 999_999_994), time + Duration::from_secs(1), time];
        assert_eq!(
            told(Times::Local, &moments),
            ["05:13:20.000000005", "05:13:20.999999999", "05:13:21.000000005", "05:13:20.000000005"]
        );
        assert_eq!(
            told(Times::Utc, &moments[..3]),
            ["2023-11-14T22:13:20.000000005Z", "2023-11-14T22:13:20.999999999Z", "2023-11-14T22:13:21.000000005Z"]
        );
    }

    #[test]
    fn times_before_1970_are_right_too() {
        let moments = [1, 1_000_000_000, 1_000_000_001].map(|nanoseconds| EPOCH - Duration::from_nanos(nanoseconds));
        assert_eq!(
            told(Times::Utc, &moments),
            ["1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.000000000Z", "1969-12-31T23:59:58.999999999Z"]
        );
    }

    #[test]
    fn a_time_beyond_all_calendars_is_left_out() {
        let Some(beyond) = EPOCH.checked_add(Duration::from_secs(1 << 40)) else { return };
        assert_eq!(
            told(Times::Utc, &[EPOCH, beyond, EPOCH]),
            ["1970-01-01T00:00:00.000000000Z", "-", "1970-01-01T00:00:00.000000000Z"]
        );
    }

    #[test]
    fn a_time_before_the_year_0_is_left_out_since_rfc_3339_cannot_write_it() {
        let Some(year_0) = EPOCH.checked_sub(Duration::from_secs(YEAR_0.unsigned_abs())) else { return };
        let Some(before) = year_0.checked_sub(Duration::from_secs(1)) else { return };
        assert_eq!(told(Times::Utc, &[year_0, before]), ["0000-01-01T00:00:00.000000000Z", "-"]);
    }

    #[test]
    fn times_count_from_the_first_or_the_one_before_and_can_go_back() {
        let at = |nanoseconds: u64| EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_nanos(nanoseconds);
        let moments = [at(0), at(1), at(1), at(2_500_000_000), at(2_499_999_999), at(0)];
        assert_eq!(
            told(Times::Relative, &moments),
            ["0.000000000", "0.000000001", "0.000000001", "2.500000000", "2.499999999", "0.000000000"]
        );
        assert_eq!(
            told(Times::Delta, &moments),
            ["0.000000000", "0.000000001", "0.000000000", "2.499999999", "-0.000000001", "-2.499999999"]
        );
        assert_eq!(told(Times::Relative, &[at(1), at(0)])[1], "-0.000000001");
    }

    proptest! {
        #[test]
        fn addresses_are_written_as_the_standard_library_does(addresses: Vec<(bool, u128, u16, u32)>) {
            let mut words = AddressWords::default();
            for (v4, bits, port, scope) in addresses {
                #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
                let address = match v4 {
                    true => SocketAddr::from((std::net::Ipv4Addr::from_bits(bits as u32), port)),
                    false => std::net::SocketAddrV6::new(bits.into(), port, 0, scope).into(),
                };
                prop_assert_eq!(words.of(address, &Names::new()), address.to_string());
            }
        }

        #[test]
        fn times_are_those_of_the_calendar(second in -62_000_000_000i64..250_000_000_000, nanoseconds in 0..NANOSECONDS) {
            let distance = Duration::from_secs(second.unsigned_abs());
            let whole = if second < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance };
            let time = whole + Duration::from_nanos(nanoseconds.into());
            let expected = format!("{:.9}", Timestamp::try_from(time).unwrap());
            prop_assert_eq!(&told(Times::Utc, &[time]), &[expected]);
        }
    }
}
