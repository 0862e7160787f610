//! Captured packets out of pcap and pcapng files, one after another.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;
use std::time::Duration;

use super::blocks;
use super::decode::Link;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::source::Source;

/// Why the rest of a capture cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The system's reason, and how many bytes were read before.
    Input(u64, io::Error),
    /// It is no capture; these words say what it is.
    NotACapture(&'static str),
    /// It ends inside of what begins at this byte.
    Cut(u64),
    /// What begins at this byte cannot be; these words say why.
    Corrupt(u64, &'static str),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(0, error) => f.write_str(&udpkit::reason(error)),
            Self::Input(offset, error) => write!(f, "{} (after byte {offset})", udpkit::reason(error)),
            Self::NotACapture(what) => f.write_str(what),
            Self::Cut(offset) => write!(f, "it is cut off in the block or packet that begins at byte {offset}"),
            Self::Corrupt(offset, why) => write!(f, "it is corrupt at byte {offset}: {why}"),
        }
    }
}

// The system's reason stands in the message already; as a source, too, it would be told twice.
impl std::error::Error for ReadError {}

pub(crate) type Result<T> = std::result::Result<T, ReadError>;

/// The order of bytes in numbers: that of the machine that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    /// The number at this place, if it is there.
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let &two = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(two),
            Self::Big => u16::from_be_bytes(two),
        })
    }

    /// The number at this place, if it is there.
    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let &four = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(four),
            Self::Big => u32::from_be_bytes(four),
        })
    }

    /// The number at this place, if it is there.
    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let &eight = bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(eight),
            Self::Big => u64::from_be_bytes(eight),
        })
    }
}

/// A captured packet: what the file says of it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Since 1970; `None` where the file does not tell (simple packet blocks).
    pub(crate) time: Option<Duration>,
    /// Its interface's number in the file.
    pub(crate) interface: u32,
    pub(crate) link: Link,
    /// Its length before the capture cut it, in bytes.
    pub(crate) wire_len: usize,
    /// Packets that were dropped before it, as the file tells.
    pub(crate) dropped_before: u64,
    /// Where its bytes stand.
    pub(crate) place: Place,
}

/// Where the bytes of a packet stand.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Within the last bytes that were passed, which are as many as the second number says.
    Passed(Range<usize>, usize),
    /// Nowhere: they are more than any packet has.
    TooLong,
}

/// The packets of a file of either format. Memory does not grow with the file.
#[derive(Debug)]
pub(crate) struct Records<R> {
    source: Source<R>,
    format: Format,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl<R: Read> Records<R> {
    /// Finds out what format the input has.
    pub(crate) fn new(input: R) -> Result<Self> {
        let mut source = Source::new(input);
        let start = source.peek(4)?;
        let format = match start.first_chunk::<4>() {
            None if start.is_empty() => return Err(ReadError::NotACapture("it is empty")),
            Some(&magic) if u32::from_be_bytes(magic) == blocks::SECTION_HEADER => Format::Pcapng(Pcapng::default()),
            Some([0x1f, 0x8b, ..]) => return Err(ReadError::NotACapture("it is compressed with gzip")),
            Some([0x28, 0xb5, 0x2f, 0xfd]) => return Err(ReadError::NotACapture("it is compressed with zstd")),
            Some([0x04, 0x22, 0x4d, 0x18]) => return Err(ReadError::NotACapture("it is compressed with lz4")),
            _ => Format::Pcap(Pcap::new(&mut source)?),
        };
        Ok(Self { source, format })
    }

    /// The next packet; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Record>> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.source),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.source),
        }
    }

    /// The bytes of the packet that [`next`](Self::next) returned last; `None` if they are too many.
    pub(crate) fn frame(&self, record: &Record) -> Option<&[u8]> {
        match &record.place {
            Place::Passed(range, passed) => self.source.passed(*passed).get(range.clone()),
            Place::TooLong => None,
        }
    }
}
