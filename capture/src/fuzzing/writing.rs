//! Writing: what was written is read again, all that there is room for in the format.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use arbitrary::{Result, Unstructured};
use udpkit::{Datagram, Meta, max_payload};

use super::made;
use super::reading::{Contents, Owned};
use crate::counts::Unusable;
use crate::read::Captured;
use crate::write::{WriteOptions, Writer};

/// Datagrams of a case.
const MOST_DATAGRAMS: usize = 24;
/// Bytes of an interface's name that are read.
const NAME: usize = 64;

/// Writes datagrams and reads them again.
pub fn writing(data: &[u8]) {
    // Bytes that are too few for the circumstances make no case.
    let _ = write(&mut Unstructured::new(data));
}

/// A datagram to write.
pub(super) struct Case {
    pub(super) meta: Meta,
    payload: Vec<u8>,
    wire_len: usize,
    pub(super) port: u16,
    pub(super) dropped: u32,
}

impl Case {
    pub(super) fn datagram(&self) -> Datagram<'_> {
        Datagram::new(&self.payload, &self.meta).wire_len(self.wire_len)
    }

    fn received(&self) -> SystemTime {
        self.meta.received.unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// The datagrams of a case, each with a time, by interfaces that are there.
pub(super) fn cases(bytes: &mut Unstructured<'_>) -> Vec<Case> {
    let case = |bytes: &mut Unstructured<'_>| -> Result<Case> {
        let mut meta = made::meta(bytes)?;
        meta.received = Some(made::time(bytes)?);
        meta.interface = meta.interface.filter(|index| index.get() < 3);
        let payload = made::payload(bytes)?;
        let wire_len = payload.len() + if bytes.ratio(1, 5)? { bytes.int_in_range(0..=70_000)? } else { 0 };
        let dropped = if bytes.ratio(1, 6)? { bytes.arbitrary()? } else { 0 };
        Ok(Case { meta, payload, wire_len, port: made::port(bytes)?, dropped })
    };
    let mut cases = Vec::new();
    while cases.len() < MOST_DATAGRAMS
        && !bytes.is_empty()
        && let Ok(case) = case(bytes)
    {
        cases.push(case);
    }
    cases
}

fn write(bytes: &mut Unstructured<'_>) -> Result<()> {
    let len = bytes.int_in_range(0..=80usize)?.min(bytes.len());
    let name = String::from_utf8_lossy(bytes.bytes(len)?).into_owned();
    let options = WriteOptions { application: name.clone(), interfaces: made::interfaces(&name) };
    let started = made::time(bytes)?;
    let cases = cases(bytes);
    let mut writer = Writer::begin(Vec::new(), options, started);
    for case in &cases {
        writer.write(&case.datagram(), case.port, case.received(), case.dropped).expect("memory takes it");
    }
    assert_eq!(writer.written(), cases.len() as u64);
    writer.end(cases.len() as u64, 3, started).expect("memory takes it");
    assert_read(Contents::read(&writer.into_inner()[..]), &cases, &name);
    Ok(())
}

/// Fails unless these datagrams are what was read.
pub(super) fn assert_read(read: Contents, cases: &[Case], name: &str) {
    let mut expected = Vec::new();
    let mut dropped_before = 0;
    let name = String::from_utf8_lossy(&name.as_bytes()[..name.len().min(NAME)]);
    for (packet, case) in (1..).zip(cases) {
        dropped_before += u64::from(case.dropped);
        let longest = max_payload(case.meta.source.ip());
        let payload = &case.payload[..case.payload.len().min(longest)];
        // What was cut is counted, and not read.
        if case.wire_len.min(longest) > payload.len() {
            continue;
        }
        let [source, destination] = addresses(case);
        expected.push(Owned::new(
            &Captured {
                packet,
                time: Some(nearest(case.received())),
                interface: Some(match case.meta.interface.map(std::num::NonZero::get) {
                    Some(1) => &name,
                    Some(_) => "lo",
                    None => "unknown",
                }),
                delivery: case.meta.delivery,
                hop_limit: case.meta.hop_limit.unwrap_or(64),
                traffic_class: case.meta.traffic_class.unwrap_or(0),
                dropped_before: std::mem::take(&mut dropped_before),
                ..Captured::new(source, destination, payload)
            },
            0,
        ));
    }
    assert_eq!(read.error, None);
    assert_eq!(read.counts.packets, cases.len() as u64);
    assert_eq!(read.counts.unusable(Unusable::CutShort), (cases.len() - expected.len()) as u64);
    assert_eq!(read.counts.dropped, cases.iter().map(|case| u64::from(case.dropped)).sum::<u64>());
    assert_eq!(read.datagrams, expected);
}

/// Source and destination as they stand in the headers: without scope, and of one family.
fn addresses(case: &Case) -> [SocketAddr; 2] {
    let Meta { source, destination, local, .. } = case.meta;
    let same_family = |ip: &IpAddr| ip.is_ipv4() == source.is_ipv4();
    let destination = destination.or(local).filter(same_family).unwrap_or_else(|| udpkit::any_address(source.ip()));
    [SocketAddr::new(source.ip(), source.port()), SocketAddr::new(destination, case.port)]
}

/// A time as the format has it, in nanoseconds of 64 bits.
fn nearest(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.min(Duration::from_nanos(u64::MAX))
}
