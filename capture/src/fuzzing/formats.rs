//! Formats: the same frames are the same datagrams in pcap and pcapng, in either order of bytes.

use arbitrary::{Result, Unstructured};

use super::frame::{LINKS, frame};
use super::maker::{Maker, ORDERS};
use super::reading::Contents;

/// Frames of a case.
const MOST_FRAMES: usize = 24;
/// How a pcap file with times in microseconds begins.
const MICROSECONDS: u32 = 0xa1b2_c3d4;

/// Writes the same frames in each way, and reads them.
pub fn formats(data: &[u8]) {
    // Bytes that are too few for another frame end the case.
    let _ = compare(&mut Unstructured::new(data));
}

struct Taken {
    seconds: u32,
    microseconds: u32,
    frame: Vec<u8>,
    wire_len: usize,
}

fn taken(bytes: &mut Unstructured<'_>, link: u32, last: u32) -> Result<Taken> {
    let seconds = if bytes.ratio(1, 12)? { bytes.int_in_range(0..=2000)? } else { last + bytes.int_in_range(0..=3)? };
    let microseconds = bytes.int_in_range(0..=999_999)?;
    let frame = frame(bytes, link)?;
    let wire_len = frame.len() + if bytes.ratio(1, 8)? { bytes.int_in_range(0..=30)? } else { 0 };
    Ok(Taken { seconds, microseconds, frame, wire_len })
}

fn compare(bytes: &mut Unstructured<'_>) -> Result<()> {
    let link = *bytes.choose(&LINKS)?;
    let mut list: Vec<Taken> = Vec::new();
    while list.len() < MOST_FRAMES
        && !bytes.is_empty()
        && let Ok(taken) = taken(bytes, link, list.last().map_or(1000, |last| last.seconds))
    {
        list.push(taken);
    }
    let mut readings = ORDERS.iter().flat_map(|order| {
        let mut pcap = Maker::pcap(*order, MICROSECONDS, link);
        let mut pcapng = Maker::pcapng(*order);
        pcapng.interface(u16::try_from(link).unwrap_or(u16::MAX), 0, 6, 0);
        for Taken { seconds, microseconds, frame, wire_len } in &list {
            pcap.packet(*seconds, *microseconds, frame, *wire_len, &[]);
            let units = u64::from(*seconds) * 1_000_000 + u64::from(*microseconds);
            pcapng.enhanced_cut(0, units, frame, *wire_len);
        }
        [Contents::read(&pcap.bytes[..]), Contents::read(&pcapng.bytes[..])]
    });
    let first = readings.next().expect("there are four");
    assert_eq!((first.error.as_deref(), first.counts.packets), (None, list.len() as u64));
    for other in readings {
        assert_eq!(other, first);
    }
    Ok(())
}
