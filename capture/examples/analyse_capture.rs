//! Who talks to whom in a capture, how much, and with what gaps: `cargo run --example analyse_capture -- FILE`.
//!
//! A row for each flow (source, destination), the largest first. A gap far above the interval is where datagrams were lost, held up, or
//! not sent: a capture cannot tell which.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use udpkit_capture::Reader;

/// Flows that are told apart; what is beyond is counted together.
const MOST_FLOWS: usize = 65_536;

/// What one source sent to one destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Flow {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    /// The first and the last time, since 1970.
    times: Option<(Duration, Duration)>,
    /// The longest time between two datagrams that follow each other.
    pub(crate) largest_gap: Duration,
    /// Datagrams with an earlier time than the one before.
    pub(crate) back_in_time: u64,
}

impl Flow {
    fn add(&mut self, time: Option<Duration>, len: usize) {
        self.datagrams += 1;
        self.bytes += len as u64;
        let Some(time) = time else { return };
        let (first, last) = self.times.unwrap_or((time, time));
        self.back_in_time += u64::from(time < last);
        self.largest_gap = self.largest_gap.max(time.saturating_sub(last));
        self.times = Some((first, time.max(last)));
    }

    /// From one datagram to the next, on average.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let (first, last) = self.times?;
        let gaps = u32::try_from(self.datagrams - 1).ok().filter(|gaps| *gaps > 0)?;
        Some((last - first) / gaps)
    }
}

/// The flows of a capture, and what came of datagrams beyond the most.
pub(crate) type Flows = (BTreeMap<(SocketAddr, SocketAddr), Flow>, Flow);

/// Reads a capture, pcap or pcapng.
pub(crate) fn flows(file: impl Read + 'static) -> Result<Flows, Box<dyn Error>> {
    let (mut flows, mut others) = (BTreeMap::<_, Flow>::new(), Flow::default());
    let mut reader = Reader::new(file)?;
    while let Some(datagram) = reader.next()? {
        let ends = (datagram.source, datagram.destination);
        let flow = match flows.len() < MOST_FLOWS || flows.contains_key(&ends) {
            true => flows.entry(ends).or_default(),
            false => &mut others,
        };
        flow.add(datagram.time, datagram.payload.len());
    }
    Ok((flows, others))
}

/// Writes a row for each flow.
pub(crate) fn write((flows, others): &Flows, out: &mut impl Write) -> io::Result<()> {
    let mut rows: Vec<_> = flows.iter().collect();
    rows.sort_by_key(|(_, flow)| std::cmp::Reverse(flow.bytes));
    writeln!(out, "{:>10} {:>12} {:>12} {:>12}  flow", "datagrams", "bytes", "interval", "largest gap")?;
    for ((source, destination), flow) in rows {
        let interval = flow.interval().map_or_else(|| "-".to_owned(), |time| format!("{time:.1?}"));
        let gap = format!("{:.1?}", flow.largest_gap);
        write!(out, "{:>10} {:>12} {interval:>12} {gap:>12}  {source} -> {destination}", flow.datagrams, flow.bytes)?;
        let note = if flow.back_in_time > 0 { "  (times go back)" } else { "" };
        writeln!(out, "{note}")?;
    }
    if others.datagrams > 0 {
        writeln!(out, "{:>10} {:>12} in more flows than are told apart", others.datagrams, others.bytes)?;
    }
    Ok(())
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("FILE")?;
    write(&flows(std::fs::File::open(file)?)?, &mut io::stdout().lock())?;
    Ok(())
}
