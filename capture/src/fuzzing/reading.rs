//! Reading: any bytes are read to an end, whatever pieces they come in, and every packet stands in one count.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use udpkit::Delivery;

use crate::counts::PacketCounts;
use crate::read::{Captured, ReadOptions, Reader};
use crate::records::Records;

/// A capture that is longer is not read in pieces: that would take too long.
const MOST_IN_PIECES: usize = 20_000;
/// The most that a datagram in fragments can have, its header with it.
const LONGEST: usize = 65_535;

/// Reads a capture at once and in pieces of three bytes, with its tunnels closed and open.
pub fn reading(data: &[u8]) {
    let frames = frames(data);
    for decapsulate in [false, true] {
        let options = ReadOptions::default().decapsulate(decapsulate);
        let whole = Contents::read_with(data, options);
        assert_eq!(whole.counts.packets, frames.len() as u64);
        assert!(!decapsulate || whole.counts.tunnels() == 0);
        let mut joined = 0;
        for datagram in &whole.datagrams {
            let frame = frames[usize::try_from(datagram.packet).expect("packets are in memory") - 1];
            let is_joined = datagram.joined > joined;
            joined = datagram.joined;
            assert!(datagram.payload.len() <= if is_joined { LONGEST } else { frame }, "{datagram:?} in {frame} bytes");
        }
        if data.len() <= MOST_IN_PIECES {
            assert_eq!(Contents::read_with(Pieces(data), options), whole);
        }
    }
}

/// All that a capture has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) datagrams: Vec<Owned>,
    pub(super) counts: PacketCounts,
    pub(super) error: Option<String>,
}

/// A datagram of a capture, kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) packet: u64,
    pub(super) time: Option<Duration>,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) interface: Option<String>,
    pub(super) delivery: Delivery,
    pub(super) headers: [u8; 2],
    pub(super) dropped_before: u64,
    pub(super) payload: Vec<u8>,
    /// Fragments that were put together by then.
    joined: u64,
}

impl Owned {
    /// A datagram, when so many fragments were put together.
    pub(super) fn new(datagram: &Captured<'_>, joined: u64) -> Self {
        Self {
            packet: datagram.packet,
            time: datagram.time,
            source: datagram.source,
            destination: datagram.destination,
            interface: datagram.interface.map(str::to_owned),
            delivery: datagram.delivery,
            headers: [datagram.hop_limit, datagram.traffic_class],
            dropped_before: datagram.dropped_before,
            payload: datagram.payload.to_vec(),
            joined,
        }
    }
}

impl Contents {
    /// Reads a capture to its end, and makes sure that it is one.
    pub(super) fn read(input: impl Read) -> Self {
        Self::read_with(input, ReadOptions::default())
    }

    fn read_with(input: impl Read, options: ReadOptions) -> Self {
        let mut contents = Self { datagrams: Vec::new(), counts: PacketCounts::default(), error: None };
        let mut reader = match Reader::with(input, options) {
            Ok(reader) => reader,
            Err(error) => return Self { error: Some(format!("{error:#}")), ..contents },
        };
        loop {
            match reader.next() {
                Ok(Some(datagram)) => {
                    contents.datagrams.push(Owned::new(&datagram, 0));
                    let counts = reader.counts();
                    assert!(counts.is_balanced(), "{counts:?}");
                    contents.datagrams.last_mut().expect("it was added").joined = counts.joined;
                }
                Ok(None) => break,
                Err(error) => {
                    contents.error = Some(format!("{error:#}"));
                    break;
                }
            }
        }
        assert!(matches!(reader.next(), Ok(None)), "an error is returned once");
        contents.counts = reader.counts();
        assert!(contents.counts.is_balanced(), "{:?}", contents.counts);
        assert_eq!(contents.counts.datagrams, contents.datagrams.len() as u64);
        contents
    }
}

/// The lengths of a capture's frames; 0 for one that is too long to be kept.
fn frames(data: &[u8]) -> Vec<usize> {
    let mut frames = Vec::new();
    let Ok(mut records) = Records::new(data) else { return frames };
    while let Ok(Some(record)) = records.next() {
        frames.push(records.frame(&record).map_or(0, <[u8]>::len));
    }
    frames
}

/// Input of which each reading gives no more than three bytes.
struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(3);
        self.0.read(&mut buffer[..most])
    }
}
