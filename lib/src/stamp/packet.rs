//! The base packets: what a sender sends, and what a reflector makes of it.

use std::fmt;

use super::bytes::{array, put, u16_at, u32_at, u64_at};
use super::key::{DIGEST_LEN, Key};
use super::timestamp::{ErrorEstimate, Timestamp};
use super::tlvs::Tlvs;

/// Octets of a base packet that is not authenticated, in either direction.
pub const BASE_LEN: usize = 44;
/// Octets of an authenticated base packet, in either direction.
pub const AUTHENTICATED_LEN: usize = 112;
/// Octets of the shortest request that a sender of TWAMP-Light sends: number, time, error estimate (RFC 5357, section 4.1.2).
pub const TWAMP_LIGHT_REQUEST_LEN: usize = 14;
/// Octets of the shortest reply that is read: those of some reflectors of TWAMP-Light end before the hop limit.
pub const TWAMP_LIGHT_REPLY_LEN: usize = 38;
/// Octets of an authenticated packet that its digest is of (RFC 8762, section 4.4).
const DIGEST_AT: usize = AUTHENTICATED_LEN - DIGEST_LEN;

/// Why a datagram is not taken for a packet of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WrongPacket {
    /// It is shorter than a packet can be.
    #[non_exhaustive]
    TooShort {
        /// Its octets.
        len: usize,
        /// Those that it would have at least.
        least: usize,
    },
    /// Its digest is not one by our key.
    NotAuthentic,
}

impl fmt::Display for WrongPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { len, least } => write!(f, "it has {len} octets, a packet has {least} at least"),
            Self::NotAuthentic => write!(f, "its digest does not match the key"),
        }
    }
}

impl std::error::Error for WrongPacket {}

/// What a sender sends: a STAMP-Test packet (RFC 8762, section 4.2), which a TWAMP-Light reflector understands, too.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use udpkit::stamp::{ErrorEstimate, Request, Timestamp, TimestampFormat};
///
/// let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
/// let error = ErrorEstimate::unsynchronized(TimestampFormat::Ntp);
/// let request = Request { sequence: 7, sent: Timestamp::from_utc(moment, error.format), error, ssid: 0xbeef };
/// let mut packet = Vec::new();
/// request.write(None, &mut packet);
/// assert_eq!(packet.len(), 44);
/// let (read, tlvs) = Request::read(&packet, None).unwrap();
/// assert_eq!(read, request);
/// assert!(tlvs.is_empty());
/// ```
///
/// Exhaustive: RFC 8762 and RFC 8972 say what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Its number, from 0 on in each session.
    pub sequence: u32,
    /// When it was sent (T1), in the format that the error estimate has.
    pub sent: Timestamp,
    /// How far off the sender's clock may be.
    pub error: ErrorEstimate,
    /// Which of the sender's sessions it is of; 0 where the sender does not say (RFC 8972, section 3).
    pub ssid: u16,
}

impl Request {
    /// Writes the base packet in place of what `packet` holds: 44 octets, or 112 with a key. TLVs go behind it with a
    /// [`TlvWriter`](super::TlvWriter).
    pub fn write(&self, key: Option<&Key>, packet: &mut Vec<u8>) {
        let layout = Layout::of(key);
        layout.begin(packet);
        layout.put_head(packet, self.sequence, self.sent, self.error, self.ssid);
        layout.sign(key, packet);
    }

    /// Reads a packet of at least 44 octets, authenticated with the key where there is one: then of at least 112. A shorter one
    /// would get a reply longer than itself.
    ///
    /// # Errors
    ///
    /// Where it is too short, or not authentic.
    pub fn read<'a>(packet: &'a [u8], key: Option<&'a Key>) -> Result<(Self, Tlvs<'a>), WrongPacket> {
        let layout = Layout::of(key);
        let tlvs = layout.check(key, packet, layout.len)?;
        Ok((Self::of(layout, packet, u16_at(packet, layout.ssid)), tlvs))
    }

    /// Reads a packet of a TWAMP-Light sender, too: of at least 14 octets, not authenticated, without an SSID below 44.
    ///
    /// # Errors
    ///
    /// Where it is too short.
    pub fn read_twamp_light(packet: &[u8]) -> Result<(Self, Tlvs<'_>), WrongPacket> {
        let layout = &PLAIN;
        let tlvs = layout.check(None, packet, TWAMP_LIGHT_REQUEST_LEN)?;
        let ssid = if packet.len() < layout.len { 0 } else { u16_at(packet, layout.ssid) };
        Ok((Self::of(layout, packet, ssid), tlvs))
    }

    /// The SSID of a packet that is long enough to be an authenticated one, of which nothing was checked: to find the key by.
    #[must_use]
    pub fn authenticated_ssid(packet: &[u8]) -> Option<u16> {
        (packet.len() >= AUTHENTICATED_LEN).then(|| u16_at(packet, AUTHENTICATED.ssid))
    }

    /// Whether a packet that was taken for a request may be a reply. A request has zeros from its SSID on, where a reply has T2 and the
    /// request's fields; some senders of TWAMP Light have padding there.
    pub(crate) fn may_be_reply(packet: &[u8], is_authenticated: bool) -> bool {
        let (layout, end) = if is_authenticated { (&AUTHENTICATED, DIGEST_AT) } else { (&PLAIN, BASE_LEN) };
        packet[..end.min(packet.len())].iter().skip(layout.received).any(|octet| *octet != 0)
    }

    fn of(layout: &Layout, packet: &[u8], ssid: u16) -> Self {
        let (sequence, sent, error) = layout.head(packet);
        Self { sequence, sent, error, ssid }
    }
}

/// What a reflector sends back (RFC 8762, section 4.3).
///
/// ```
/// use udpkit::stamp::Reply;
///
/// // To request 7 of SSID beef; the reflector's first reply of the session, 12 microseconds after the arrival.
/// let packet = [
///     0, 0, 0, 0, 0xee, 0xad, 0xa7, 0x6c, 0x12, 0x23, 0x3a, 0x8a, 0, 1, 0xbe, 0xef, 0xee, 0xad, 0xa7, 0x6c, 0x12, 0x22, 0x4a, 0x1f,
///     0, 0, 0, 7, 0xee, 0xad, 0xa7, 0x6c, 0x12, 0x17, 0x60, 0, 0, 1, 0, 0, 77, 0, 0, 0,
/// ];
/// let (reply, _) = Reply::read(&packet, None).unwrap();
/// assert_eq!((reply.sequence, reply.request_sequence, reply.ssid), (0, 7, 0xbeef));
/// assert_eq!(reply.request_hop_limit, Some(77));
/// assert_eq!(reply.sent.since(reply.received).0, 14_330);
/// assert!(!reply.is_echo());
/// ```
///
/// Exhaustive: RFC 8762 and RFC 8972 say what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reply {
    /// The reflector's number of it, from 0 on in each session; the request's where the reflector keeps no sessions.
    pub sequence: u32,
    /// When it was sent (T3), in the format of `error`.
    pub sent: Timestamp,
    /// How far off the reflector's clock may be.
    pub error: ErrorEstimate,
    /// The request's SSID; 0 from a reflector that knows none.
    pub ssid: u16,
    /// When the request arrived (T2), in the format of `error`.
    pub received: Timestamp,
    /// The request's number.
    pub request_sequence: u32,
    /// When the request was sent (T1), in the format of `request_error`.
    pub request_sent: Timestamp,
    /// How far off the sender's clock may be.
    pub request_error: ErrorEstimate,
    /// The time to live or hop limit that the request arrived with; `None`, or 0 on the wire, where the reflector does not say.
    pub request_hop_limit: Option<u8>,
}

impl Reply {
    /// Writes the base packet in place of what `packet` holds: 44 octets, or 112 with a key.
    pub fn write(&self, key: Option<&Key>, packet: &mut Vec<u8>) {
        let layout = Layout::of(key);
        layout.begin(packet);
        layout.put_head(packet, self.sequence, self.sent, self.error, self.ssid);
        put(packet, layout.received, self.received.bits().to_be_bytes());
        put(packet, layout.request_sequence, self.request_sequence.to_be_bytes());
        put(packet, layout.request_sent, self.request_sent.bits().to_be_bytes());
        put(packet, layout.request_error, self.request_error.bits().to_be_bytes());
        packet[layout.request_hop_limit] = self.request_hop_limit.unwrap_or(0);
        layout.sign(key, packet);
    }

    /// Reads a packet of at least 38 octets, those of TWAMP-Light reflectors included, authenticated with the key where there is
    /// one: then of at least 112.
    ///
    /// # Errors
    ///
    /// Where it is too short, or not authentic.
    pub fn read<'a>(packet: &'a [u8], key: Option<&'a Key>) -> Result<(Self, Tlvs<'a>), WrongPacket> {
        let layout = Layout::of(key);
        let least = if key.is_some() { layout.len } else { TWAMP_LIGHT_REPLY_LEN };
        let tlvs = layout.check(key, packet, least)?;
        let (sequence, sent, error) = layout.head(packet);
        let request_error = ErrorEstimate::from_bits(u16_at(packet, layout.request_error));
        let reply = Self {
            sequence,
            sent,
            error,
            ssid: u16_at(packet, layout.ssid),
            received: Timestamp::from_bits(u64_at(packet, layout.received), error.format),
            request_sequence: u32_at(packet, layout.request_sequence),
            request_sent: Timestamp::from_bits(u64_at(packet, layout.request_sent), request_error.format),
            request_error,
            request_hop_limit: packet.get(layout.request_hop_limit).copied().filter(|hops| *hops != 0),
        };
        Ok((reply, tlvs))
    }

    /// Whether it is a request that came back as it was, as from an echo server: it has neither T1 nor T2. It is authentic all the
    /// same, if the request was. Its `sequence` is then the request's, its `sent` T1.
    #[must_use]
    pub fn is_echo(&self) -> bool {
        self.received.bits() == 0 && self.request_sent.bits() == 0
    }
}

/// Where the fields of a packet are: the reply's, with which the request's agree.
#[derive(Debug)]
struct Layout {
    len: usize,
    sent: usize,
    error: usize,
    ssid: usize,
    received: usize,
    request_sequence: usize,
    request_sent: usize,
    request_error: usize,
    request_hop_limit: usize,
}

/// RFC 8762, figures 2 and 5; RFC 8972, figures 1 and 3.
const PLAIN: Layout = Layout {
    len: BASE_LEN,
    sent: 4,
    error: 12,
    ssid: 14,
    received: 16,
    request_sequence: 24,
    request_sent: 28,
    request_error: 36,
    request_hop_limit: 40,
};

/// RFC 8762, figures 4 and 6; RFC 8972, figures 2 and 4.
const AUTHENTICATED: Layout = Layout {
    len: AUTHENTICATED_LEN,
    sent: 16,
    error: 24,
    ssid: 26,
    received: 32,
    request_sequence: 48,
    request_sent: 64,
    request_error: 72,
    request_hop_limit: 80,
};

impl Layout {
    fn of(key: Option<&Key>) -> &'static Self {
        if key.is_some() { &AUTHENTICATED } else { &PLAIN }
    }

    fn begin(&self, packet: &mut Vec<u8>) {
        packet.clear();
        packet.resize(self.len, 0);
    }

    fn put_head(&self, packet: &mut [u8], sequence: u32, sent: Timestamp, error: ErrorEstimate, ssid: u16) {
        put(packet, 0, sequence.to_be_bytes());
        put(packet, self.sent, sent.bits().to_be_bytes());
        put(packet, self.error, error.bits().to_be_bytes());
        put(packet, self.ssid, ssid.to_be_bytes());
    }

    fn head(&self, packet: &[u8]) -> (u32, Timestamp, ErrorEstimate) {
        let error = ErrorEstimate::from_bits(u16_at(packet, self.error));
        (u32_at(packet, 0), Timestamp::from_bits(u64_at(packet, self.sent), error.format), error)
    }

    /// Puts the digest where it belongs.
    fn sign(&self, key: Option<&Key>, packet: &mut [u8]) {
        if let Some(key) = key {
            let digest = key.digest([&packet[..DIGEST_AT], &[]]);
            put(packet, DIGEST_AT, digest);
        }
    }

    /// Checks length and digest, and finds the TLVs.
    fn check<'a>(&self, key: Option<&'a Key>, packet: &'a [u8], least: usize) -> Result<Tlvs<'a>, WrongPacket> {
        if packet.len() < least {
            return Err(WrongPacket::TooShort { len: packet.len(), least });
        }
        if let Some(key) = key
            && !key.verifies([&packet[..DIGEST_AT], &[]], &packet[DIGEST_AT..AUTHENTICATED_LEN])
        {
            return Err(WrongPacket::NotAuthentic);
        }
        let extensions = packet.get(self.len..).unwrap_or_default();
        Ok(Tlvs::of(&array::<4>(packet, 0), extensions, key))
    }
}
