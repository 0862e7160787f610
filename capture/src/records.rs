//! Captured packets out of pcap and pcapng files, one after another.

use std::io::Read;

use super::blocks;
use super::error::{ReadError, Result};
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::record::{Extent, Record};
use super::source::Source;

/// The packets of a file of either format. Memory does not grow with the file.
#[derive(Debug)]
pub(crate) struct Records<R> {
    source: Source<R>,
    format: FileFormat,
}

/// The format of a file, with what its beginning says.
#[derive(Debug)]
enum FileFormat {
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
            Some(&magic) if u32::from_be_bytes(magic) == blocks::SECTION_HEADER => {
                FileFormat::Pcapng(Pcapng::default())
            }
            // What was compressed once is unpacked by now.
            Some([0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]) if cfg!(feature = "compression") => {
                return Err(ReadError::NotACapture("it is compressed twice"));
            }
            Some([0x1f, 0x8b, ..]) => return Err(ReadError::NotACapture("it is compressed with gzip")),
            Some([0x28, 0xb5, 0x2f, 0xfd]) => return Err(ReadError::NotACapture("it is compressed with zstd")),
            Some([0xfd, b'7', b'z', b'X']) => return Err(ReadError::NotACapture("it is compressed with xz")),
            Some([b'B', b'Z', b'h', _]) => return Err(ReadError::NotACapture("it is compressed with bzip2")),
            Some([0x04, 0x22, 0x4d, 0x18]) => return Err(ReadError::NotACapture("it is compressed with lz4")),
            _ => FileFormat::Pcap(Pcap::new(&mut source)?),
        };
        Ok(Self { source, format })
    }

    /// The next packet; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Record>> {
        match &mut self.format {
            FileFormat::Pcap(pcap) => pcap.next(&mut self.source),
            FileFormat::Pcapng(pcapng) => pcapng.next(&mut self.source),
        }
    }

    /// The name of the interface that a packet came by, where the file tells it.
    pub(crate) fn interface(&self, record: &Record) -> Option<&str> {
        match &self.format {
            FileFormat::Pcap(_) => None,
            FileFormat::Pcapng(pcapng) => pcapng.name(record.interface),
        }
    }

    /// The bytes of the packet that [`next`](Self::next) returned last; `None` if they are too many.
    pub(crate) fn frame(&self, record: &Record) -> Option<&[u8]> {
        match &record.extent {
            Extent::Passed(range, passed) => self.source.passed(*passed).get(range.clone()),
            Extent::TooLong => None,
        }
    }
}
