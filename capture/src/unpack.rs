//! Input that gzip or zstd may have compressed, unpacked as it is read: a bomb costs time alone.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::input::{Trouble, Watched};

/// The longest window of zstd: the memory that a frame may ask for, in bytes. The limit of `zstd` itself, by default.
const MAX_WINDOW: u64 = 128 << 20;
/// The first byte of gzip.
const GZIP: u8 = 0x1f;
/// Bytes that are read at once.
const BUFFER: usize = 1 << 16;
/// Bytes at the beginning that say how it is compressed.
const MAGIC: usize = 4;
const NOT_GZIP: &str = "something that is not gzip follows the compressed data";
const NOT_ZSTD: &str = "something that is not zstd follows the compressed data";
/// A last block of a zstd frame, which is empty, and room for a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Input that is plain, or is unpacked.
pub(crate) enum Unpacked<R> {
    /// Nothing was read yet, so it is not known. `None` only while the beginning is read.
    Unknown(Option<R>),
    /// Not compressed.
    Plain(Watched<R>),
    /// By gzip, in one member or several.
    Gzip(Box<Members<BufReader<Watched<R>>>>),
    /// By zstd, in one frame or several.
    Zstd(Box<Frames<BufReader<Watched<R>>>>),
}

impl<R: Read> Unpacked<R> {
    /// Input of which nothing was read.
    pub(crate) fn new(input: R) -> Self {
        Self::Unknown(Some(input))
    }

    /// Reads some bytes; none at the end.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<usize, Trouble> {
        if let Self::Unknown(input) = self {
            let input = input.take().ok_or(Trouble::Cut)?;
            *self = Self::find(input)?;
        }
        match self {
            Self::Unknown(_) => Ok(0),
            Self::Plain(input) => input.fill(out),
            Self::Gzip(gzip) => gzip.fill(out),
            Self::Zstd(zstd) => zstd.fill(out),
        }
    }

    /// Finds out from the first bytes how it is compressed.
    fn find(input: R) -> Result<Self, Trouble> {
        let mut watched = Watched::new(input);
        let magic = watched.peek::<MAGIC>()?;
        Ok(match magic {
            Some([GZIP, 0x8b, ..]) => Self::Gzip(Box::new(Members::new(buffered(watched)))),
            Some([0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18]) => {
                Self::Zstd(Box::new(Frames::new(buffered(watched))))
            }
            _ => Self::Plain(watched),
        })
    }
}

impl<R> fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown(_) => "Unknown",
            Self::Plain(_) => "Plain",
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

fn buffered<R: Read>(input: Watched<R>) -> BufReader<Watched<R>> {
    BufReader::with_capacity(BUFFER, input)
}

/// Why the input could not be unpacked: its own error, its end, or else these words.
fn trouble<R>(input: &mut BufReader<Watched<R>>, words: &'static str) -> Trouble {
    input.get_mut().trouble().unwrap_or(Trouble::Corrupt(words))
}

/// The members of gzip, one after another (RFC 1952 section 2.2), and zeros after them, with which some archives are padded.
pub(crate) struct Members<R> {
    /// The member that is read; `None` at the end.
    decoder: Option<GzDecoder<R>>,
    is_first: bool,
}

impl<R: Read> Members<BufReader<Watched<R>>> {
    fn new(input: BufReader<Watched<R>>) -> Self {
        Self { decoder: Some(GzDecoder::new(input)), is_first: true }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Trouble> {
        while let Some(decoder) = &mut self.decoder {
            match decoder.read(out) {
                Ok(0) if !out.is_empty() => self.begin()?,
                Ok(count) => return Ok(count),
                Err(_) => {
                    let is_other = !self.is_first && decoder.header().is_none();
                    let words = if is_other { NOT_GZIP } else { "gzip's data are damaged" };
                    return Err(trouble(decoder.get_mut(), words));
                }
            }
        }
        Ok(0)
    }

    /// Begins the next member, unless the input is at its end.
    fn begin(&mut self) -> Result<(), Trouble> {
        let Some(mut input) = self.decoder.take().map(GzDecoder::into_inner) else { return Ok(()) };
        let mut is_padded = false;
        loop {
            let (zeros, next) = match input.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(bytes) => {
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    (zeros, bytes.get(zeros).copied())
                }
                Err(_) => return Err(trouble(&mut input, NOT_GZIP)),
            };
            is_padded |= zeros > 0;
            input.consume(zeros);
            match next {
                Some(GZIP) if !is_padded => break,
                Some(_) => return Err(Trouble::Corrupt(NOT_GZIP)),
                None => {}
            }
        }
        (self.decoder, self.is_first) = (Some(GzDecoder::new(input)), false);
        Ok(())
    }
}

/// The frames of zstd, one after another (RFC 8878 section 3).
pub(crate) struct Frames<R> {
    decoder: FrameDecoder,
    input: R,
    /// Whether a frame was begun.
    is_begun: bool,
    /// Why there is no more, returned once everything before is handed on.
    trouble: Option<Trouble>,
}

impl<R: Read> Frames<BufReader<Watched<R>>> {
    fn new(input: BufReader<Watched<R>>) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        Self { decoder, input, is_begun: false, trouble: None }
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Trouble> {
        loop {
            // The decoder keeps the last window's bytes back until the frame's end.
            if self.is_begun && self.decoder.can_collect() > 0 {
                return self.decoder.read(out).map_err(Trouble::Input);
            }
            if let Some(trouble) = self.trouble.take() {
                return Err(trouble);
            }
            if self.is_begun && !self.decoder.is_finished() {
                self.decode();
            } else if self.is_begun && self.is_wrong() {
                self.is_begun = false;
                return Err(Trouble::Corrupt("the checksum of zstd's data is wrong"));
            } else if !self.begin()? {
                return Ok(0);
            }
        }
    }

    /// Whether the frame has a checksum that is not the one of what was handed on.
    fn is_wrong(&self) -> bool {
        let expected = self.decoder.get_checksum_from_data();
        expected.is_some() && expected != self.decoder.get_calculated_checksum()
    }

    /// Unpacks a block. Where the input ends in it, an empty last block is put in its place, so that all before it are handed on.
    fn decode(&mut self) {
        let one = || BlockDecodingStrategy::UptoBlocks(1);
        if self.decoder.decode_blocks(&mut self.input, one()).is_ok() {
            return;
        }
        let trouble = trouble(&mut self.input, "zstd's data are damaged");
        let ended = matches!(trouble, Trouble::Cut) && self.decoder.decode_blocks(&LAST_BLOCK[..], one()).is_ok();
        self.is_begun = ended;
        self.trouble = Some(trouble);
    }

    /// Begins the next frame; false at the end of the input.
    fn begin(&mut self) -> Result<bool, Trouble> {
        self.is_begun = false;
        match self.input.fill_buf() {
            Ok([]) => return Ok(false),
            Ok(_) => {}
            Err(_) => return Err(trouble(&mut self.input, "zstd's data are damaged")),
        }
        match self.decoder.reset(&mut self.input) {
            Ok(()) => self.is_begun = true,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let length = u64::from(length);
                let skipped = io::copy(&mut self.input.by_ref().take(length), &mut io::sink());
                if !skipped.is_ok_and(|skipped| skipped == length) {
                    return Err(trouble(&mut self.input, "zstd's data are damaged"));
                }
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                return Err(Trouble::Corrupt("zstd's window is longer than 128 MiB"));
            }
            Err(_) => return Err(trouble(&mut self.input, NOT_ZSTD)),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::super::error::ReadError;
    use super::super::oracle::{Maker, Scratch, frame, require};
    use super::super::order::Order;
    use super::super::read::Reader;
    use super::*;

    /// A capture of some datagrams whose payloads are their numbers.
    fn capture(count: u32) -> Vec<u8> {
        let mut maker = Maker::pcap(Order::Little, 0xa1b2_c3d4, 1);
        for number in 0..count {
            let frame = frame("10.0.0.1:4000", "10.0.0.2", &number.to_be_bytes());
            maker.packet(number, 0, &frame, frame.len(), &[]);
        }
        maker.bytes
    }

    /// The payloads of a capture, as numbers, and why there are no more.
    fn numbers(input: impl Read) -> (Vec<u32>, Option<ReadError>) {
        let mut found = Vec::new();
        let mut reader = match Reader::new(input) {
            Ok(reader) => reader,
            Err(error) => return (found, Some(error)),
        };
        let error = loop {
            match reader.next() {
                Ok(Some(datagram)) => found.push(u32::from_be_bytes(datagram.payload.try_into().unwrap_or([0xff; 4]))),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        assert!(matches!(reader.next(), Ok(None)), "an error is returned once");
        (found, error)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    /// A zstd frame by hand, with a window of this many KiB (a power of two): of plain blocks, or of a byte repeated.
    fn zstd_frame(window: u64, blocks: &[(&[u8], Option<u32>)]) -> Vec<u8> {
        let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0, u8::try_from(window.ilog2()).unwrap() << 3];
        for (number, (bytes, repeat)) in (1..).zip(blocks) {
            let kind = if repeat.is_some() { 1 } else { 0 };
            let len = repeat.unwrap_or(u32::try_from(bytes.len()).unwrap());
            let header = u32::from(number == blocks.len()) | kind << 1 | len << 3;
            out.extend(&header.to_le_bytes()[..3]);
            out.extend(*bytes);
        }
        out
    }

    /// The same bytes compressed in every way.
    fn compressed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let (first, second) = bytes.split_at(bytes.len() / 3);
        let blocks: Vec<_> = bytes.chunks(100).map(|block| (block, None)).collect();
        let skipped = [&[0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5][..], &zstd(bytes)].concat();
        vec![
            ("gzip", gzip(bytes)),
            ("gzip in two pieces", [gzip(first), gzip(second)].concat()),
            ("zstd", zstd(bytes)),
            ("zstd in two frames", [zstd(first), zstd(second)].concat()),
            ("zstd in many blocks", zstd_frame(1024, &blocks)),
            ("zstd behind what is to be skipped", skipped),
        ]
    }

    /// Gives a byte at a time, and is interrupted in between.
    struct Drip<'a>(&'a [u8], bool);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let len = out.len().min(1);
            self.0.read(&mut out[..len])
        }
    }

    #[test]
    fn what_is_compressed_is_read_as_what_is_not() {
        let expected: Vec<_> = (0..500).collect();
        for (name, bytes) in compressed(&capture(500)) {
            for (found, error) in [numbers(&bytes[..]), numbers(Drip(&bytes, false))] {
                assert!(error.is_none() && found == expected, "{name}: {error:?}");
            }
        }
    }

    #[test]
    fn what_is_compressed_twice_is_reported_as_such() {
        let capture = capture(3);
        for bytes in [gzip(&gzip(&capture)), gzip(&zstd(&capture)), zstd(&gzip(&capture)), zstd(&zstd(&capture))] {
            let (found, error) = numbers(&bytes[..]);
            assert!(matches!(error, Some(ReadError::NotACapture("it is compressed twice"))), "{error:?}");
            assert!(found.is_empty());
        }
    }

    #[test]
    fn what_is_cut_off_gives_all_that_can_be_unpacked_and_is_reported_as_cut_off() {
        let expected: Vec<_> = (0..40).collect();
        for (name, bytes) in compressed(&capture(40)) {
            let mut most = 0;
            for len in 1..bytes.len() {
                let (found, error) = numbers(&bytes[..len]);
                assert!(expected.starts_with(&found) && found.len() >= most, "{name}: {len}");
                most = found.len();
                let is_reported = match error {
                    Some(ReadError::Cut(_)) => true,
                    // Nothing, or nothing but what is to be skipped.
                    Some(ReadError::NotACapture(_)) => len < 4 || len == 13,
                    // A whole piece or frame is a whole file.
                    None => name.contains("two"),
                    Some(ReadError::Input(..) | ReadError::Corrupt(..)) => false,
                };
                assert!(is_reported, "{name}: {len}: {error:?}");
            }
            assert!(most > 20 || !name.contains("many"), "{name}: {most}");
        }
    }

    #[test]
    fn what_is_damaged_is_reported_as_such() {
        let bytes = capture(40);
        let mut wrong_sum = gzip(&bytes);
        let place = wrong_sum.len() - 6;
        wrong_sum[place] ^= 1;
        let cases = [
            (wrong_sum, 40, "gzip's data are damaged"),
            (zstd_frame(1024, &[(&bytes, None), (b"", Some(1 << 20))]), 0, "zstd's data are damaged"),
            (zstd_frame(1 << 18, &[(&bytes, None)]), 0, "zstd's window is longer than 128 MiB"),
            ([zstd(&bytes), b"what?".to_vec()].concat(), 40, NOT_ZSTD),
        ];
        for (bytes, count, words) in cases {
            let (found, error) = numbers(&bytes[..]);
            assert!(matches!(error, Some(ReadError::Corrupt(_, said)) if said == words), "{words}: {error:?}");
            assert_eq!(found.len(), count, "{words}");
        }
    }

    #[test]
    fn zeros_behind_what_gzip_compressed_are_passed_over() {
        let bytes = capture(40);
        let (first, second) = bytes.split_at(bytes.len() / 3);
        for zeros in [1, 511, 3 * BUFFER] {
            let padded = [gzip(first), gzip(second), vec![0; zeros]].concat();
            for (found, error) in [numbers(&padded[..]), numbers(Drip(&padded, false))] {
                assert!(error.is_none() && found.len() == 40, "{zeros}: {error:?}");
            }
        }
    }

    #[test]
    fn what_follows_what_gzip_compressed_is_reported_when_all_before_it_is_read() {
        let bytes = gzip(&capture(40));
        let zstd = zstd(b"more");
        let padded_member = [&[0; 100], &bytes[..]].concat();
        for more in [&b"?"[..], b"\x1f is not gzip's", b"\0\0?", &zstd, &padded_member] {
            let followed = [&bytes[..], more].concat();
            for (found, error) in [numbers(&followed[..]), numbers(Drip(&followed, false))] {
                assert!(matches!(error, Some(ReadError::Corrupt(_, words)) if words == NOT_GZIP), "{error:?}");
                assert_eq!(found.len(), 40);
            }
        }
    }

    #[test]
    fn an_error_of_the_input_is_its_own() {
        struct Broken<'a>(&'a [u8]);
        impl Read for Broken<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() { Err(io::ErrorKind::PermissionDenied.into()) } else { self.0.read(out) }
            }
        }
        for (name, bytes) in compressed(&capture(40)) {
            for len in [0, 3, bytes.len() / 2] {
                let (_, error) = numbers(Broken(&bytes[..len]));
                let is_its_own = matches!(&error, Some(ReadError::Input(_, error))
                    if error.kind() == io::ErrorKind::PermissionDenied);
                assert!(is_its_own, "{name}: {len}: {error:?}");
            }
        }
    }

    #[test]
    fn any_byte_changed_is_read_to_an_end() {
        for (_, bytes) in compressed(&capture(12)) {
            for place in 0..bytes.len() {
                for change in [0x01, 0x80, 0xff, 0x20] {
                    let mut bytes = bytes.clone();
                    bytes[place] ^= change;
                    numbers(&bytes[..]);
                }
            }
        }
    }

    #[test]
    fn what_programs_compress_is_read() {
        let scratch = Scratch::new("compressed");
        let expected: Vec<_> = (0..5000).collect();
        let file = scratch.with("capture", &capture(5000));
        for program in ["gzip -c", "gzip -9c", "zstd -qc", "zstd -q19c", "zstd -qc --long=27", "zstd -qc --no-check"] {
            let mut words = program.split(' ');
            let name = words.next().unwrap();
            if !require(name) {
                return;
            }
            let mut command = Command::new(name);
            command.args(words).stdin(std::fs::File::open(&file).unwrap()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let (found, error) = numbers(child.stdout.take().unwrap());
            assert!(error.is_none() && found == expected, "{program}: {error:?}");
            assert!(child.wait().unwrap().success());
        }
    }
}
