//! The extensions behind a base packet: read by the rules of both sides, and written.

use super::bytes::array;
use super::counters::Counters;
use super::key::{DIGEST_LEN, Key};
use super::pieces::{HEADER_LEN, Piece, Pieces};
use super::values::{ClassOfService, DirectMeasurement, FollowUp, Location, TimestampInformation};

/// Fills a packet up to a size (RFC 8972, section 4.1).
pub const EXTRA_PADDING: u8 = 1;
/// From where and to where the request came: [`Location`].
pub const LOCATION: u8 = 2;
/// How the reflector came by its times: [`TimestampInformation`].
pub const TIMESTAMP_INFORMATION: u8 = 3;
/// [`ClassOfService`].
pub const CLASS_OF_SERVICE: u8 = 4;
/// [`DirectMeasurement`].
pub const DIRECT_MEASUREMENT: u8 = 5;
/// The state of a 5G access network (RFC 8972, section 4.6). Nothing here acts on it, so it is marked as not recognised: a reflector that
/// cleared the mark would confirm what it did not do.
pub const ACCESS_REPORT: u8 = 6;
/// When the reply before left: [`FollowUp`].
pub const FOLLOW_UP_TELEMETRY: u8 = 7;
/// The digest of the TLVs before it (RFC 8972, section 4.8).
pub const HMAC: u8 = 8;
/// The experimental TLV of this project: [`Counters`]. RFC 8972 section 5.1 leaves 240 to 251 to experiments; stamp-suite has others at 240
/// to 242.
pub const COUNTERS: u8 = 250;

/// Flags of a TLV.
pub(super) const UNRECOGNIZED: u8 = 0x80;
pub(super) const MALFORMED: u8 = 0x40;
pub(super) const INTEGRITY_FAILED: u8 = 0x20;

/// The flags of a TLV. A sender sets `unrecognized` in each that it sends, and the reflector clears it where it knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TlvFlags {
    /// The reflector does not know the TLV (U).
    pub unrecognized: bool,
    /// The TLV is cut, or has a length that its type cannot have (M).
    pub malformed: bool,
    /// The digest of the TLVs was wrong (I).
    pub integrity_failed: bool,
}

impl TlvFlags {
    fn from_byte(byte: u8) -> Self {
        Self {
            unrecognized: byte & UNRECOGNIZED != 0,
            malformed: byte & MALFORMED != 0,
            integrity_failed: byte & INTEGRITY_FAILED != 0,
        }
    }
}

/// An extension as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tlv<'a> {
    /// Its flags as they are on the wire; `malformed`, too, where the packet ends before it does.
    pub flags: TlvFlags,
    /// Its type, such as [`CLASS_OF_SERVICE`]; 0 where the packet ends before it.
    pub kind: u8,
    /// Its value; what there is of it where the packet ends before it does.
    pub value: &'a [u8],
}

/// What the digest of the TLVs says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integrity {
    /// There is no digest, and need not be.
    Unprotected,
    /// It is right; where its TLV begins.
    Verified(usize),
    /// It is wrong, missing, in the wrong place, or nothing is there to check it with.
    Failed,
}

/// The extensions behind a base packet, from [`Request::read`](super::Request::read) or [`Reply::read`](super::Reply::read). Their
/// digest was checked.
///
/// Octets that are all zero are no TLVs: senders of TWAMP-Light pad with them.
#[derive(Clone, Copy, Debug)]
pub struct Tlvs<'a> {
    /// All behind the base packet.
    pub(super) bytes: &'a [u8],
    /// What of it is TLVs.
    listed: &'a [u8],
    pub(super) integrity: Integrity,
    /// With what the base packet was checked, too, where that is authenticated.
    pub(super) key: Option<&'a Key>,
    pub(super) is_authenticated: bool,
}

impl<'a> Tlvs<'a> {
    /// The extensions of a packet whose first four octets are these; authenticated where there is a key.
    pub(super) fn of(sequence: &[u8], bytes: &'a [u8], key: Option<&'a Key>) -> Self {
        let listed = if bytes.iter().all(|byte| *byte == 0) { &[] } else { bytes };
        let is_authenticated = key.is_some();
        let integrity = integrity(sequence, listed, key, is_authenticated);
        Self { bytes, listed, integrity, key, is_authenticated }
    }

    /// All of them as they are on the wire, in their order; one that is cut is the last. What may be used of them is for
    /// [`requested`](Self::requested) and [`answered`](Self::answered) to say.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> {
        let listed = self.listed;
        self.pieces().map(move |piece| {
            let mut flags = TlvFlags::from_byte(piece.flags);
            flags.malformed |= piece.is_cut;
            Tlv { flags, kind: piece.kind, value: &listed[piece.value] }
        })
    }

    /// How many octets there are behind the base packet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing behind the base packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether their digest is wrong, missing where it must be, or cannot be checked: then none of them may be used.
    #[must_use]
    pub fn has_failed_integrity(&self) -> bool {
        self.integrity == Integrity::Failed
    }

    /// The value of the first one of this type in a request, for a reflector to look at: `None` where their digest is wrong, or
    /// behind a malformed one.
    #[must_use]
    pub fn requested(&self, kind: u8) -> Option<&'a [u8]> {
        if self.has_failed_integrity() {
            return None;
        }
        let is_good = |piece: &Piece| !piece.is_cut && fits(piece.kind, &self.listed[piece.value.clone()]);
        let mut pieces = self.pieces().take_while(is_good);
        pieces.find(|piece| piece.kind == kind).map(|piece| &self.listed[piece.value])
    }

    /// The value of the first one of this type in a reply that the reflector filled in, for a sender: `None` where it did not know
    /// the type, where a digest was wrong on either side, or behind a malformed one.
    #[must_use]
    pub fn answered(&self, kind: u8) -> Option<&'a [u8]> {
        if self.has_failed_integrity() || self.pieces().any(|piece| piece.flags & INTEGRITY_FAILED != 0) {
            return None;
        }
        let mut pieces = self.pieces().take_while(|piece| !piece.is_cut && piece.flags & MALFORMED == 0);
        let found = pieces.find(|piece| piece.kind == kind && piece.flags & UNRECOGNIZED == 0)?;
        Some(&self.listed[found.value])
    }

    /// The extensions of a packet with this number that is not authenticated itself, while they are to be: they must have a digest by
    /// this key.
    #[must_use]
    pub fn protected_by(self, sequence: u32, key: &'a Key) -> Self {
        let integrity = integrity(&sequence.to_be_bytes(), self.listed, Some(key), true);
        Self { integrity, key: Some(key), ..self }
    }

    pub(super) fn pieces(&self) -> Pieces<'a> {
        Pieces::of(self.listed)
    }
}

/// What the digest says; the offset is from the first TLV.
fn integrity(sequence: &[u8], listed: &[u8], key: Option<&Key>, must_be_protected: bool) -> Integrity {
    let mut pieces = Pieces::of(listed);
    let Some(digest) = pieces.by_ref().find(|piece| piece.kind == HMAC) else {
        // All but a single padding must be protected.
        let mut pieces = Pieces::of(listed);
        let is_bare = pieces.next().is_none_or(|first| first.kind == EXTRA_PADDING) && pieces.next().is_none();
        return if is_bare || !must_be_protected { Integrity::Unprotected } else { Integrity::Failed };
    };
    let is_last = pieces.all(|piece| piece.kind == EXTRA_PADDING);
    let (before, value) = (&listed[..digest.at], &listed[digest.value]);
    let is_right = key.is_some_and(|key| key.verifies([sequence, before], value));
    if is_last && !digest.is_cut && is_right { Integrity::Verified(digest.at) } else { Integrity::Failed }
}

/// Whether a reflector of this project knows a TLV: its type, and of the experimental one that it is ours.
pub(super) fn is_known(kind: u8, value: &[u8]) -> bool {
    match kind {
        EXTRA_PADDING..=DIRECT_MEASUREMENT | FOLLOW_UP_TELEMETRY | HMAC => true,
        COUNTERS => Counters::is_ours(value),
        _ => false,
    }
}

/// Whether a value is one that a TLV of this type may have.
pub(super) fn fits(kind: u8, value: &[u8]) -> bool {
    match kind {
        LOCATION => Location::is_well_formed(value),
        TIMESTAMP_INFORMATION => value.len() == TimestampInformation::LEN,
        CLASS_OF_SERVICE => value.len() == ClassOfService::LEN,
        DIRECT_MEASUREMENT => value.len() == DirectMeasurement::LEN,
        FOLLOW_UP_TELEMETRY => value.len() == FollowUp::LEN,
        HMAC => value.len() == DIGEST_LEN,
        COUNTERS => !Counters::is_ours(value) || Counters::is_well_formed(value),
        _ => true,
    }
}

/// Adds extensions to a packet, as a sender does: behind the base packet that [`Request::write`](super::Request::write) wrote.
///
/// ```
/// use udpkit::stamp::{ClassOfService, CLASS_OF_SERVICE, ErrorEstimate, Key, Request, Timestamp, TimestampFormat, TlvWriter};
///
/// let key = Key::new(b"correct horse battery staple");
/// let error = ErrorEstimate::unsynchronized(TimestampFormat::Ntp);
/// let request = Request { sequence: 0, sent: Timestamp::default(), error, ssid: 7 };
/// let mut packet = Vec::new();
/// request.write(Some(&key), &mut packet);
/// let mut tlvs = TlvWriter::after(&mut packet);
/// tlvs.push(CLASS_OF_SERVICE, &ClassOfService { reply_dscp: 46, ..ClassOfService::default() }.bytes());
/// tlvs.seal(&key);
/// tlvs.pad_to(500);
/// assert_eq!(packet.len(), 500);
///
/// let (read, tlvs) = Request::read(&packet, Some(&key)).unwrap();
/// assert_eq!(read, request);
/// assert_eq!(tlvs.requested(CLASS_OF_SERVICE), Some(&[46 << 2, 0, 0, 0][..]));
/// ```
#[derive(Debug)]
pub struct TlvWriter<'a> {
    packet: &'a mut Vec<u8>,
    /// Where the first TLV begins.
    from: usize,
}

impl<'a> TlvWriter<'a> {
    /// Adds them to a base packet.
    #[must_use]
    pub fn after(packet: &'a mut Vec<u8>) -> Self {
        let from = packet.len();
        Self { packet, from }
    }

    /// Adds one.
    ///
    /// # Panics
    ///
    /// Where the value is longer than 65,535 octets.
    pub fn push(&mut self, kind: u8, value: &[u8]) {
        self.header(kind, value.len());
        self.packet.extend_from_slice(value);
    }

    /// Adds the digest of those before it: the last one, but for padding. An authenticated packet with TLVs must have it.
    ///
    /// # Panics
    ///
    /// Where there is no base packet before them.
    pub fn seal(&mut self, key: &Key) {
        let digest = key.digest([&array::<4>(self.packet, 0), &self.packet[self.from..]]);
        self.push(HMAC, &digest);
    }

    /// Adds padding that cannot be compressed, so that the packet has so many octets. It stays as it is where it has as many
    /// already, and where fewer than the 4 octets of a header are missing.
    ///
    /// # Panics
    ///
    /// Where more than 65,535 octets of padding are needed.
    pub fn pad_to(&mut self, len: usize) {
        let Some(padding) = len.checked_sub(self.packet.len() + HEADER_LEN) else { return };
        self.header(EXTRA_PADDING, padding);
        // Xorshift, by Marsaglia: the same for each packet of a size, and as good as random for a link that compresses.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        while self.packet.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let missing = len - self.packet.len();
            self.packet.extend_from_slice(&state.to_be_bytes()[..missing.min(8)]);
        }
    }

    fn header(&mut self, kind: u8, len: usize) {
        let [upper, lower] = u16::try_from(len).expect("a value that a datagram has room for").to_be_bytes();
        self.packet.extend_from_slice(&[UNRECOGNIZED, kind, upper, lower]);
    }
}
