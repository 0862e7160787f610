//! Reassembly: a datagram comes out of its parts in any order and company, every part is counted, and memory is bounded.

use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};

use crate::network::{Fragment, Packet};
use crate::reassembly::{MAX_BYTES, Reassembly, Whole};

/// The longest body of an IP packet.
const LONGEST: usize = 65_535;
/// What strangers send; the datagram that must come out has a number that they do not use.
const STRANGERS: [u32; 3] = [0, 1, 2];
const OURS: u32 = 7;

/// Adds the parts of a datagram among those of others.
pub fn reassembling(data: &[u8]) {
    // Bytes that are too few for all parts make no case.
    let _ = put_together(&mut Unstructured::new(data));
}

/// Counts what was added, and what came of it.
#[derive(Default)]
struct Desk {
    reassembly: Reassembly,
    added: u64,
    joined: u64,
}

impl Desk {
    fn add(&mut self, time: u64, fragment: Fragment, part: &[u8]) -> Option<Whole> {
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let packet = Packet {
            source: ip(1),
            destination: ip(2),
            hop_limit: 64,
            traffic_class: 0,
            network: 0,
            protocol: 17,
            len: 0,
            body: 0..0,
            fragment: None,
        };
        let whole = self.reassembly.add((0, 1), Some(Duration::from_secs(time)), &packet, fragment, part);
        self.added += 1;
        self.joined += whole.as_ref().map_or(0, |whole| whole.packets);
        assert_eq!(self.added, self.joined + self.reassembly.missing() + self.reassembly.overlapping());
        assert!(self.reassembly.held() <= MAX_BYTES);
        whole
    }

    /// Adds anything.
    fn add_strange(&mut self, bytes: &mut Unstructured<'_>) -> Result<()> {
        let more = bytes.arbitrary()?;
        let len = if more { 8 * bytes.int_in_range(1..=4usize)? } else { bytes.int_in_range(1..=24)? };
        let far = bytes.ratio(1, 16)?;
        let offset = 8 * if far { bytes.int_in_range(0..=8_187usize)? } else { bytes.int_in_range(0..=4)? };
        let identification = *bytes.choose(&STRANGERS)?;
        let part = vec![bytes.int_in_range(0..=1)?; len];
        let whole = self.add(bytes.int_in_range(0..=100)?, Fragment { identification, offset, more }, &part);
        assert!(whole.is_none() || self.reassembly.body().len() <= LONGEST);
        Ok(())
    }
}

fn put_together(bytes: &mut Unstructured<'_>) -> Result<()> {
    let blocks = bytes.int_in_range(2..=12usize)?;
    let rest = bytes.int_in_range(1..=8usize)?;
    let body: Vec<u8> = (0..8 * (blocks - 1) + rest).map(|place| u8::try_from(place % 251).unwrap_or(0)).collect();
    let mut parts = Vec::new();
    let mut start = 0;
    while start < body.len() {
        let end = (start + 8 * bytes.int_in_range(1..=4usize)?).min(body.len());
        parts.push(start..end);
        start = end;
    }
    if parts.len() == 1 {
        return Ok(());
    }
    for place in 0..parts.len() {
        let other = bytes.choose_index(parts.len())?;
        parts.swap(place, other);
    }
    let mut desk = Desk::default();
    for (place, range) in parts.iter().enumerate() {
        while !bytes.is_empty() && bytes.ratio(1, 3)? {
            desk.add_strange(bytes)?;
        }
        let fragment = Fragment { identification: OURS, offset: range.start, more: range.end < body.len() };
        let is_last = place + 1 == parts.len();
        if !is_last && bytes.ratio(1, 8)? {
            assert!(desk.add(50, fragment, &body[range.clone()]).is_none());
        }
        let whole = desk.add(50, fragment, &body[range.clone()]);
        assert_eq!(whole.is_some(), is_last);
    }
    assert_eq!(desk.reassembly.body(), body);
    while !bytes.is_empty() {
        desk.add_strange(bytes)?;
    }
    Ok(())
}
