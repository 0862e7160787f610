//! What a reflector of this project counts, in an experimental TLV of its own.

use std::time::Duration;

use super::bytes::{put, u64_at};

/// Says that an experimental TLV is this one.
const MAGIC: [u8; 4] = *b"udpk";
const VERSION: u8 = 1;

/// What a request is for.
///
/// Exhaustive: version 1 of the TLV has these; a reflector leaves others unrecognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To measure: it is counted and answered.
    #[default]
    Probe,
    /// To ask for the counters: it is answered and counted nowhere. Its reply has the sequence number that the next one has.
    Closing,
    /// To load the path: it is counted in [`Counters::load`] alone, and not answered.
    Load,
}

/// What a reflector has counted in a session, the request that it answers included (TLV 250, experimental, of this project).
///
/// A request has zeros. A reflector that does not know it copies it, marked as unrecognised, or as recognised where it has another
/// experiment with this type ([`is_answered`](Self::is_answered)). With it, loss, duplication and reordering
/// are known exactly in each direction. The value has 72 octets, 80 with `load`, or 88 with `load` and `longest`, big-endian: `udpk`,
/// version (1), purpose (1), reserved (2), then each count in 8, and the age in nanoseconds.
///
/// ```
/// use udpkit::stamp::{Counters, Purpose};
///
/// let question = Counters::request(Purpose::Closing);
/// assert_eq!(Counters::read(question.write(&mut Vec::new())), Some(question));
/// ```
///
/// Exhaustive: its version says what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// What the request is for.
    pub purpose: Purpose,
    /// A number that the reflector drew when the session began, never 0: another one says that it began anew.
    pub epoch: u64,
    /// Requests that arrived, each copy of one included.
    pub arrivals: u64,
    /// Requests that arrived, each counted once.
    pub distinct: u64,
    /// Requests that arrived after one with a larger number.
    pub reordered: u64,
    /// Arrivals so far behind that nothing can be said of them: in `arrivals`, in neither of the two above.
    pub too_old: u64,
    /// Replies that were sent.
    pub replies: u64,
    /// Arrivals that got no reply, since there were too many.
    pub unanswered: u64,
    /// How long the reflector has forgotten nothing that may be of this session: since it began, or since it last heard of a session that
    /// it has forgotten. What was sent before may have arrived and be counted nowhere. 584 years at most.
    pub age: Duration,
    /// Requests that were there for the load alone; `None` leaves the field out, unless there is a `longest`.
    pub load: Option<u64>,
    /// Bytes of payload of the longest request that arrived; `None` leaves the field out.
    pub longest: Option<u64>,
}

impl Counters {
    pub(super) const LEN: usize = 72;
    pub(super) const LEN_WITH_LOAD: usize = 80;
    pub(crate) const LEN_WITH_LONGEST: usize = 88;

    /// What a request has.
    #[must_use]
    pub fn request(purpose: Purpose) -> Self {
        Self { purpose, ..Self::default() }
    }

    /// Reads a value; `None` where it is another experiment's, of another version, for another purpose, or malformed.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        if !Self::is_ours(value) || !Self::is_well_formed(value) {
            return None;
        }
        let purpose = match value[5] {
            0 => Purpose::Probe,
            1 => Purpose::Closing,
            2 => Purpose::Load,
            _ => return None,
        };
        let count = |place: usize| u64_at(value, 8 + 8 * place);
        Some(Self {
            purpose,
            epoch: count(0),
            arrivals: count(1),
            distinct: count(2),
            reordered: count(3),
            too_old: count(4),
            replies: count(5),
            unanswered: count(6),
            age: Duration::from_nanos(count(7)),
            load: (value.len() >= Self::LEN_WITH_LOAD).then(|| count(8)),
            longest: (value.len() >= Self::LEN_WITH_LONGEST).then(|| count(9)),
        })
    }

    /// Whether a reflector filled them in, and did not just copy those of a request.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.epoch != 0
    }

    /// Writes the value in place of what the buffer holds, and returns it.
    #[must_use]
    pub fn write<'a>(&self, buffer: &'a mut Vec<u8>) -> &'a [u8] {
        buffer.clear();
        let len = match (self.load, self.longest) {
            (_, Some(_)) => Self::LEN_WITH_LONGEST,
            (Some(_), None) => Self::LEN_WITH_LOAD,
            (None, None) => Self::LEN,
        };
        buffer.resize(len, 0);
        self.put(buffer);
        buffer
    }

    /// Writes it over a value of the right length, which says whether there is a load, and a longest request.
    pub(super) fn put(&self, value: &mut [u8]) {
        put(value, 0, MAGIC);
        value[4] = VERSION;
        value[5] = match self.purpose {
            Purpose::Probe => 0,
            Purpose::Closing => 1,
            Purpose::Load => 2,
        };
        put(value, 6, [0; 2]);
        let counts = [
            self.epoch,
            self.arrivals,
            self.distinct,
            self.reordered,
            self.too_old,
            self.replies,
            self.unanswered,
            u64::try_from(self.age.as_nanos()).unwrap_or(u64::MAX),
            self.load.unwrap_or_default(),
            self.longest.unwrap_or_default(),
        ];
        for (place, count) in value[8..].chunks_exact_mut(8).zip(counts) {
            place.copy_from_slice(&count.to_be_bytes());
        }
    }

    /// Whether it is this TLV, in a version that is known.
    pub(super) fn is_ours(value: &[u8]) -> bool {
        value.starts_with(&MAGIC) && value.get(4) == Some(&VERSION)
    }

    /// Whether a value has a length that this TLV may have.
    pub(super) fn is_well_formed(value: &[u8]) -> bool {
        matches!(value.len(), Self::LEN | Self::LEN_WITH_LOAD | Self::LEN_WITH_LONGEST)
    }
}
