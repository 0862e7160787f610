//! What a reflector makes of a request: a reply of its length, with the extensions treated by the book.

use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use super::bytes::put;
use super::counters::Counters;
use super::packet::{AUTHENTICATED_LEN, BASE_LEN, Reply, Request};
use super::pieces::{HEADER_LEN, Piece};
use super::timestamp::{ErrorEstimate, Timestamp, TimestampFormat};
use super::tlvs::{
    CLASS_OF_SERVICE, COUNTERS, DIRECT_MEASUREMENT, EXTRA_PADDING, FOLLOW_UP_TELEMETRY, HMAC, INTEGRITY_FAILED,
    Integrity, LOCATION, MALFORMED, TIMESTAMP_INFORMATION, Tlvs, UNRECOGNIZED, fits, is_known,
};
use super::values::{
    ClassOfService, ClockSource, DirectMeasurement, FollowUp, Location, TimestampInformation, TimestampMethod, place,
};
use crate::setters::setters;

/// ECN fields, as in the IP header (RFC 3168).
const ECT_0: u8 = 0b10;
const CONGESTION_EXPERIENCED: u8 = 0b11;

/// What a reflector knows of a request and of its session: all that goes into a reply beside the request itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// When the request arrived (T2).
    pub received: SystemTime,
    /// When the reply is made (T3).
    pub sent: SystemTime,
    /// Where the request came from.
    pub source: SocketAddr,
    /// Where it came to; an unspecified address is not known.
    pub destination: SocketAddr,
    /// The reply's number in the session; `None`, as it is first, where no sessions are kept: it is the request's then.
    pub sequence: Option<u32>,
    /// How far off our clock may be, and how its times are written; at first in NTP's format, of a clock of which nothing is known.
    pub error: ErrorEstimate,
    /// The time to live or hop limit that the request arrived with.
    pub hop_limit: Option<u8>,
    /// The traffic class that the request arrived with: DSCP in the upper six bits, ECN in the lower two.
    pub traffic_class: Option<u8>,
    /// What was counted in the session, this request and its reply included; `None` where no sessions are kept. Its purpose does not
    /// matter.
    pub counters: Option<Counters>,
    /// The session's reply before this one; `None` where there was none.
    pub previous: Option<Previous>,
    /// The DSCPs that a request may ask for in its reply: bit n for DSCP n. At first all of them.
    pub permitted_dscps: u64,
    /// Whether replies say where their requests came from and went to. They do by default.
    pub discloses_location: bool,
    /// What keeps our clock right; at first nothing does.
    pub clock_source: ClockSource,
    /// How `received` was taken; at first by software.
    pub received_method: TimestampMethod,
    /// How `sent` was taken; at first by software.
    pub sent_method: TimestampMethod,
}

setters! { Facts {
    received: SystemTime,
    sent: SystemTime,
    source: SocketAddr,
    destination: SocketAddr,
    into sequence: Option<u32>,
    error: ErrorEstimate,
    into hop_limit: Option<u8>,
    into traffic_class: Option<u8>,
    into counters: Option<Counters>,
    into previous: Option<Previous>,
    permitted_dscps: u64,
    discloses_location: bool,
    clock_source: ClockSource,
    received_method: TimestampMethod,
    sent_method: TimestampMethod,
}}

impl Facts {
    /// What is known at least.
    #[must_use]
    pub fn new(received: SystemTime, sent: SystemTime, source: SocketAddr, destination: SocketAddr) -> Self {
        Self {
            received,
            sent,
            source,
            destination,
            sequence: None,
            error: ErrorEstimate::unsynchronized(TimestampFormat::Ntp),
            hop_limit: None,
            traffic_class: None,
            counters: None,
            previous: None,
            permitted_dscps: u64::MAX,
            discloses_location: true,
            clock_source: ClockSource::default(),
            received_method: TimestampMethod::default(),
            sent_method: TimestampMethod::default(),
        }
    }
}

/// A reply that has left.
///
/// Exhaustive: it is what RFC 8972 has a reflector say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Its number.
    pub sequence: u32,
    /// When it left.
    pub sent: SystemTime,
    /// How that was found out.
    pub method: TimestampMethod,
}

/// Writes the reply to a request in place of what `reply` holds, and returns the traffic class that it must be sent with, where the
/// request asks for one. Nothing is allocated if `reply` has room.
///
/// The reply is exactly as long as the request, or as a base packet where a request of TWAMP-Light is shorter than that. It is
/// authenticated with the key that the request was read with. Of the extensions,
///
/// - those that are known are filled in; padding stays;
/// - those that are not known are marked as such and copied, and so is the access report;
/// - a malformed one is marked, and all behind it is copied;
/// - where their digest is wrong, missing in an authenticated packet, or cannot be checked, each is marked and copied.
///
/// A class of service needs the traffic class that the request came with, [`Counters`] need a session: where those are not known,
/// the extension is marked as one that is not. The reply's ECN field is that of the request, but for a mark of congestion:
/// nobody sends that, so the reply says again that marks are understood (`ECT(0)`).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use udpkit::stamp::{ErrorEstimate, Facts, Reply, Request, Timestamp, TimestampFormat, answer};
///
/// let error = ErrorEstimate::unsynchronized(TimestampFormat::Ntp);
/// let mut packet = Vec::new();
/// Request { sequence: 7, sent: Timestamp::from_bits(1 << 63, error.format), error, ssid: 0 }.write(None, &mut packet);
///
/// let (request, tlvs) = Request::read(&packet, None).unwrap();
/// let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let sent = received + Duration::from_micros(12);
/// let facts = Facts::new(received, sent, "192.0.2.1:5000".parse().unwrap(), "192.0.2.2:862".parse().unwrap());
/// let mut reply = Vec::new();
/// let traffic_class = answer(&request, &tlvs, &facts.sequence(0).hop_limit(64), &mut reply);
/// assert_eq!((reply.len(), traffic_class), (44, None));
///
/// let (reply, _) = Reply::read(&reply, None).unwrap();
/// assert_eq!((reply.sequence, reply.request_sequence, reply.request_hop_limit), (0, 7, Some(64)));
/// assert_eq!(reply.sent.since(reply.received).0, 12_000);
/// ```
#[must_use = "the reply must be sent with this traffic class"]
pub fn answer(request: &Request, tlvs: &Tlvs<'_>, facts: &Facts, reply: &mut Vec<u8>) -> Option<u8> {
    let time = |utc| Timestamp::from_utc(utc, facts.error.format);
    let base = Reply {
        sequence: facts.sequence.unwrap_or(request.sequence),
        sent: time(facts.sent),
        error: facts.error,
        ssid: request.ssid,
        received: time(facts.received),
        request_sequence: request.sequence,
        request_sent: request.sent,
        request_error: request.error,
        request_hop_limit: facts.hop_limit,
    };
    base.write(tlvs.key.filter(|_| tlvs.is_authenticated), reply);
    reply.extend_from_slice(tlvs.bytes);
    tlvs.pieces().next()?;
    let (base, extensions) = reply.split_at_mut(if tlvs.is_authenticated { AUTHENTICATED_LEN } else { BASE_LEN });
    if tlvs.has_failed_integrity() {
        mark_all(extensions);
        return None;
    }
    let mut filling = Filling { facts, traffic_class: None };
    filling.all(extensions);
    let traffic_class = filling.traffic_class;
    if let (Integrity::Verified(at), Some(key)) = (tlvs.integrity, tlvs.key) {
        let digest = key.digest([&base[..4], &extensions[..at]]);
        put(extensions, at + HEADER_LEN, digest);
    }
    traffic_class
}

/// Marks each extension as one whose digest is wrong.
fn mark_all(extensions: &mut [u8]) {
    let mut at = 0;
    while let Some(piece) = Piece::read(extensions, at) {
        let value = &extensions[piece.value.clone()];
        let unrecognized = if is_known(piece.kind, value) { 0 } else { UNRECOGNIZED };
        let malformed = if piece.is_cut || !fits(piece.kind, value) { MALFORMED } else { 0 };
        extensions[at] = unrecognized | malformed | INTEGRITY_FAILED;
        at = piece.value.end;
    }
}

/// The extensions of a reply, while they are filled in.
struct Filling<'a> {
    facts: &'a Facts,
    /// What the reply is to be sent with, by the first extension that says so.
    traffic_class: Option<u8>,
}

impl Filling<'_> {
    /// Fills in one after the other, up to one that is malformed.
    fn all(&mut self, extensions: &mut [u8]) {
        let mut at = 0;
        while let Some(piece) = Piece::read(extensions, at) {
            let value = &mut extensions[piece.value.clone()];
            let is_known = is_known(piece.kind, value);
            let unrecognized = if is_known { 0 } else { UNRECOGNIZED };
            if piece.is_cut || !fits(piece.kind, value) {
                if piece.kind == FOLLOW_UP_TELEMETRY && !piece.is_cut {
                    let known = value.len().min(FollowUp::KNOWN_LEN);
                    value[..known].fill(0);
                }
                extensions[at] = unrecognized | MALFORMED;
                return;
            }
            let is_filled = is_known && self.one(piece.kind, value);
            extensions[at] = if is_filled { 0 } else { UNRECOGNIZED };
            at = piece.value.end;
        }
    }

    /// Fills in the value of one that is known and well formed; whether that was possible.
    fn one(&mut self, kind: u8, value: &mut [u8]) -> bool {
        match kind {
            LOCATION => self.location(value),
            TIMESTAMP_INFORMATION => self.timestamps(value),
            CLASS_OF_SERVICE => return self.class_of_service(value),
            DIRECT_MEASUREMENT => return self.direct_measurement(value),
            FOLLOW_UP_TELEMETRY => self.follow_up(value),
            COUNTERS => return self.counters(value),
            // They stay as they are, but for the digest, which is made last.
            EXTRA_PADDING | HMAC => {}
            _ => return false,
        }
        true
    }

    /// RFC 8972, section 4.2.2.
    fn location(&self, value: &mut [u8]) {
        let (source, destination) = (self.facts.source, self.facts.destination);
        let disclosed = |port: u16| if self.facts.discloses_location { port.to_be_bytes() } else { [0; 2] };
        put(value, 0, disclosed(destination.port()));
        put(value, 2, disclosed(source.port()));
        let places = &mut value[Location::PORTS_LEN..];
        let mut at = 0;
        while let Some(piece) = Piece::read(places, at) {
            let answered = match piece.kind {
                // No socket knows it. The RFC has this said with an EUI-64 of zeros.
                place::SOURCE_MAC => {
                    places[piece.value.clone()].fill(0);
                    Some(place::SOURCE_EUI_64)
                }
                place::DESTINATION => {
                    Some(self.address(destination.ip(), piece.kind, &mut places[piece.value.clone()]))
                }
                place::SOURCE => Some(self.address(source.ip(), piece.kind, &mut places[piece.value.clone()])),
                _ => None,
            };
            match answered {
                Some(kind) => (places[at], places[at + 1]) = (0, kind),
                None => places[at] = UNRECOGNIZED,
            }
            at = piece.value.end;
        }
    }

    /// Writes an address, and returns the type that it has where one of either family was asked for by this type.
    fn address(&self, ip: IpAddr, asked: u8, value: &mut [u8]) -> u8 {
        value.fill(0);
        // A socket of both families shows IPv4 in IPv6's clothes.
        let ip = ip.to_canonical();
        if self.facts.discloses_location {
            match ip {
                IpAddr::V4(ip) => value[..4].copy_from_slice(&ip.octets()),
                IpAddr::V6(ip) => value.copy_from_slice(&ip.octets()),
            }
        }
        asked + if ip.is_ipv4() { 1 } else { 2 }
    }

    /// RFC 8972, section 4.3.
    fn timestamps(&self, value: &mut [u8]) {
        let information = TimestampInformation {
            source_in: self.facts.clock_source,
            method_in: self.facts.received_method,
            source_out: self.facts.clock_source,
            method_out: self.facts.sent_method,
        };
        put(value, 0, information.bytes());
    }

    /// RFC 8972, section 4.4, with erratum 8199.
    fn class_of_service(&mut self, value: &mut [u8]) -> bool {
        let (Some(received), Some(asked)) = (self.facts.traffic_class, ClassOfService::read(value)) else {
            return false;
        };
        let (received_dscp, received_ecn) = (received >> 2, received & 0b11);
        let is_refused = self.facts.permitted_dscps >> asked.reply_dscp & 1 == 0;
        let answered = ClassOfService { received_dscp, received_ecn, is_refused, ..asked };
        put(value, 0, answered.bytes());
        let dscp = if is_refused { received_dscp } else { asked.reply_dscp };
        let ecn = if received_ecn == CONGESTION_EXPERIENCED { ECT_0 } else { received_ecn };
        self.traffic_class.get_or_insert(dscp << 2 | ecn);
        true
    }

    /// RFC 8972, section 4.5.
    #[expect(clippy::cast_possible_truncation, reason = "counts modulo 2^32")]
    fn direct_measurement(&self, value: &mut [u8]) -> bool {
        let (Some(counters), Some(asked)) = (self.facts.counters, DirectMeasurement::read(value)) else { return false };
        let answered =
            DirectMeasurement { received: counters.arrivals as u32, replies: counters.replies as u32, ..asked };
        put(value, 0, answered.bytes());
        true
    }

    /// RFC 8972, section 4.7.
    fn follow_up(&self, value: &mut [u8]) {
        value.fill(0);
        if let Some(Previous { sequence, sent, method }) = self.facts.previous {
            let sent = Timestamp::from_utc(sent, self.facts.error.format);
            put(value, 0, FollowUp { sequence, sent, method }.bytes());
        }
    }

    fn counters(&self, value: &mut [u8]) -> bool {
        let (Some(counters), Some(asked)) = (self.facts.counters, Counters::read(value)) else { return false };
        Counters { purpose: asked.purpose, ..counters }.put(value);
        true
    }
}
