//! What is in the values of TLVs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::{array, put, u16_at, u32_at, u64_at};
use super::pieces::Pieces;
use super::timestamp::{Timestamp, TimestampFormat};

/// Asks for the class of service of the reply, and says with which one the request came (TLV 4, RFC 8972, section 4.4).
///
/// A request has `reply_dscp` alone; the reflector fills in the rest.
///
/// ```
/// use udpkit::stamp::ClassOfService;
///
/// let asked = ClassOfService { reply_dscp: 46, ..ClassOfService::default() };
/// assert_eq!(asked.bytes(), [0b1011_1000, 0, 0, 0]);
/// assert_eq!(ClassOfService::read(&asked.bytes()), Some(asked));
/// ```
///
/// Exhaustive: RFC 8972 says what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClassOfService {
    /// The DSCP that the reply is to have, 0 to 63 (DSCP1).
    pub reply_dscp: u8,
    /// The DSCP that the request had on arrival, 0 to 63 (DSCP2).
    pub received_dscp: u8,
    /// The ECN field that the request had on arrival, 0 to 3.
    pub received_ecn: u8,
    /// Whether the reflector did not give the reply the DSCP that was asked for, but that of the request (RP).
    pub is_refused: bool,
}

impl ClassOfService {
    pub(super) const LEN: usize = 4;

    /// Reads a value; `None` unless it has 4 octets.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let [first, second, ..] = *<&[u8; Self::LEN]>::try_from(value).ok()?;
        Some(Self {
            reply_dscp: first >> 2,
            received_dscp: (first & 0b11) << 4 | second >> 4,
            received_ecn: second >> 2 & 0b11,
            is_refused: second & 0b11 != 0,
        })
    }

    /// The value; of each number, the bits that there is room for.
    #[must_use]
    pub fn bytes(self) -> [u8; Self::LEN] {
        let received_dscp = self.received_dscp & 0x3f;
        let second = received_dscp << 4 | (self.received_ecn & 0b11) << 2 | u8::from(self.is_refused);
        [self.reply_dscp << 2 | received_dscp >> 4, second, 0, 0]
    }
}

/// Asks from where and to where the request came, as the reflector sees it, which shows what a NAT made of it (TLV 2, RFC 8972,
/// section 4.2).
///
/// ```
/// use udpkit::stamp::Location;
///
/// assert_eq!(Location::read(&Location::REQUEST), Some(Location::default()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Location {
    /// The port that the request came to; 0 in a request, or where the reflector does not say.
    pub destination_port: u16,
    /// The port that the request came from; 0 in a request, or where the reflector does not say.
    pub source_port: u16,
    /// The address that the request came to; `None` where the reflector does not say.
    pub destination: Option<IpAddr>,
    /// The address that the request came from; `None` where the reflector does not say.
    pub source: Option<IpAddr>,
}

/// The sub-TLVs of a location.
pub(super) mod place {
    pub(crate) const SOURCE_MAC: u8 = 1;
    pub(crate) const SOURCE_EUI_64: u8 = 3;
    pub(crate) const DESTINATION: u8 = 4;
    pub(crate) const DESTINATION_V4: u8 = 5;
    pub(crate) const DESTINATION_V6: u8 = 6;
    pub(crate) const SOURCE: u8 = 7;
    pub(crate) const SOURCE_V4: u8 = 8;
    pub(crate) const SOURCE_V6: u8 = 9;
    /// The length of an address's value, whatever its family.
    pub(crate) const ADDRESS_LEN: usize = 16;

    /// The length that the value of a sub-TLV must have, where the type is known.
    pub(crate) fn length(kind: u8) -> Option<usize> {
        match kind {
            SOURCE_MAC..=SOURCE_EUI_64 => Some(8),
            DESTINATION..=SOURCE_V6 => Some(ADDRESS_LEN),
            _ => None,
        }
    }
}

impl Location {
    /// Where the sub-TLVs begin.
    pub(super) const PORTS_LEN: usize = 4;

    /// The value of a request that asks for all that [`Location`] has.
    pub const REQUEST: &'static [u8] = &{
        let mut value = [0; 44];
        (value[4], value[5], value[7]) = (0x80, place::DESTINATION, 16);
        (value[24], value[25], value[27]) = (0x80, place::SOURCE, 16);
        value
    };

    /// Reads the value of a reply; `None` where it is malformed.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        if !Self::is_well_formed(value) {
            return None;
        }
        let mut location =
            Self { destination_port: u16_at(value, 0), source_port: u16_at(value, 2), ..Self::default() };
        let places = &value[Self::PORTS_LEN..];
        for piece in Pieces::of(places) {
            let field = &places[piece.value];
            let address: IpAddr = match piece.kind {
                place::DESTINATION_V4 | place::SOURCE_V4 => Ipv4Addr::from(array::<4>(field, 0)).into(),
                place::DESTINATION_V6 | place::SOURCE_V6 => Ipv6Addr::from(array::<16>(field, 0)).into(),
                _ => continue,
            };
            let is_destination = piece.kind < place::SOURCE;
            let place = if is_destination { &mut location.destination } else { &mut location.source };
            *place = (!address.is_unspecified()).then_some(address);
        }
        Some(location)
    }

    /// Whether its parts fill it, each of the length that it must have.
    pub(super) fn is_well_formed(value: &[u8]) -> bool {
        let Some(places) = value.get(Self::PORTS_LEN..) else { return false };
        Pieces::of(places)
            .all(|piece| !piece.is_cut && place::length(piece.kind).is_none_or(|len| len == piece.value.len()))
    }
}

/// Counts of datagrams in a session, modulo 2^32 (TLV 5, RFC 8972, section 4.5). A duplicate counts like the first, so it hides a
/// loss: [`Counters`](super::Counters) do not have that fault.
///
/// ```
/// use udpkit::stamp::DirectMeasurement;
///
/// let asked = DirectMeasurement { sent: 258, ..DirectMeasurement::default() };
/// assert_eq!(asked.bytes(), [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
/// assert_eq!(DirectMeasurement::read(&asked.bytes()), Some(asked));
/// ```
///
/// Exhaustive: RFC 8972 says what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DirectMeasurement {
    /// Requests that the sender has sent, this one included (S_TxC).
    pub sent: u32,
    /// Requests that the reflector has received, this one included (R_RxC); 0 in a request.
    pub received: u32,
    /// Replies that the reflector has sent, this one included (R_TxC); 0 in a request.
    pub replies: u32,
}

impl DirectMeasurement {
    pub(super) const LEN: usize = 12;

    /// Reads a value; `None` unless it has 12 octets.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        (value.len() == Self::LEN).then(|| Self {
            sent: u32_at(value, 0),
            received: u32_at(value, 4),
            replies: u32_at(value, 8),
        })
    }

    /// The value.
    #[must_use]
    pub fn bytes(self) -> [u8; Self::LEN] {
        let mut value = [0; Self::LEN];
        put(&mut value, 0, self.sent.to_be_bytes());
        put(&mut value, 4, self.received.to_be_bytes());
        put(&mut value, 8, self.replies.to_be_bytes());
        value
    }
}

/// By what a clock is kept right (RFC 8972, section 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockSource {
    /// NTP.
    Ntp,
    /// PTP.
    Ptp,
    /// A synchronisation supply unit, or building integrated timing supply.
    Ssu,
    /// A navigation system: GPS, GLONASS, Galileo, BeiDou, LORAN-C.
    Gnss,
    /// Nothing: it runs free.
    #[default]
    Local,
    /// Another one, by its number; 0 in a request.
    Other(u8),
}

impl ClockSource {
    /// By its number.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Ntp,
            2 => Self::Ptp,
            3 => Self::Ssu,
            4 => Self::Gnss,
            5 => Self::Local,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Ntp => 1,
            Self::Ptp => 2,
            Self::Ssu => 3,
            Self::Gnss => 4,
            Self::Local => 5,
            Self::Other(other) => other,
        }
    }
}

/// Where a time was taken (RFC 8972, section 5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampMethod {
    /// By hardware, as a network card does.
    Hardware,
    /// By software where the datagram passes: a kernel or a program.
    #[default]
    Software,
    /// By software elsewhere, in a control plane.
    ControlPlane,
    /// Otherwise, by its number; 0 in a request.
    Other(u8),
}

impl TimestampMethod {
    /// By its number.
    #[must_use]
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Hardware,
            2 => Self::Software,
            3 => Self::ControlPlane,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Hardware => 1,
            Self::Software => 2,
            Self::ControlPlane => 3,
            Self::Other(other) => other,
        }
    }
}

/// How the reflector came by its two times (TLV 3, RFC 8972, section 4.3).
///
/// ```
/// use udpkit::stamp::{ClockSource, TimestampInformation};
///
/// let information = TimestampInformation::read(&[5, 2, 1, 2]).unwrap();
/// assert_eq!((information.source_in, information.source_out), (ClockSource::Local, ClockSource::Ntp));
/// ```
///
/// Exhaustive: RFC 8972 says what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimestampInformation {
    /// What keeps the clock right that T2 is of.
    pub source_in: ClockSource,
    /// How T2 was taken.
    pub method_in: TimestampMethod,
    /// What keeps the clock right that T3 is of.
    pub source_out: ClockSource,
    /// How T3 was taken.
    pub method_out: TimestampMethod,
}

impl TimestampInformation {
    pub(super) const LEN: usize = 4;
    /// The value of a request.
    pub const REQUEST: &'static [u8] = &[0; Self::LEN];

    /// Reads a value; `None` unless it has 4 octets.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let [source_in, method_in, source_out, method_out] = *<&[u8; Self::LEN]>::try_from(value).ok()?;
        Some(Self {
            source_in: ClockSource::from_byte(source_in),
            method_in: TimestampMethod::from_byte(method_in),
            source_out: ClockSource::from_byte(source_out),
            method_out: TimestampMethod::from_byte(method_out),
        })
    }

    /// The value.
    #[must_use]
    pub fn bytes(self) -> [u8; Self::LEN] {
        [self.source_in.byte(), self.method_in.byte(), self.source_out.byte(), self.method_out.byte()]
    }
}

/// When the reply before this one really left, which T3 in it could not say yet (TLV 7, RFC 8972, section 4.7).
///
/// ```
/// use udpkit::stamp::{FollowUp, TimestampFormat};
///
/// // A reflector that keeps no sessions, or has sent no reply yet, says nothing.
/// assert_eq!(FollowUp::read(FollowUp::REQUEST, TimestampFormat::Ntp), None);
/// ```
///
/// Exhaustive: RFC 8972 says what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FollowUp {
    /// The sequence number of that reply.
    pub sequence: u32,
    /// When it left, in the reflector's format.
    pub sent: Timestamp,
    /// How that was found out.
    pub method: TimestampMethod,
}

impl FollowUp {
    pub(super) const LEN: usize = 16;
    /// Where the sequence number and the time end, which are cleared where they cannot be filled in.
    pub(super) const KNOWN_LEN: usize = 12;
    /// The value of a request.
    pub const REQUEST: &'static [u8] = &[0; Self::LEN];

    /// Reads a value, whose time is in the format that the reply's error estimate has; `None` unless it has 16 octets and says
    /// something.
    #[must_use]
    pub fn read(value: &[u8], format: TimestampFormat) -> Option<Self> {
        let says_something = value.len() == Self::LEN && u64_at(value, 4) != 0;
        says_something.then(|| Self {
            sequence: u32_at(value, 0),
            sent: Timestamp::from_bits(u64_at(value, 4), format),
            method: TimestampMethod::from_byte(value[12]),
        })
    }

    /// The value.
    #[must_use]
    pub fn bytes(self) -> [u8; Self::LEN] {
        let mut value = [0; Self::LEN];
        put(&mut value, 0, self.sequence.to_be_bytes());
        put(&mut value, 4, self.sent.bits().to_be_bytes());
        value[12] = self.method.byte();
        value
    }
}
