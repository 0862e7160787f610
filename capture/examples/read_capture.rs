//! Prints the datagrams of a capture, pcap or pcapng: `cargo run --example read_capture -- FILE`.
//!
//! For each, its time in seconds since 1970, where it came from and went to, and the length of its payload.

use std::io::Write;

use udpkit_capture::{Reader, Unusable};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("FILE")?;
    let mut reader = Reader::open(file)?;
    let mut out = std::io::stdout().lock();
    while let Some(datagram) = reader.next()? {
        let time = datagram.time.unwrap_or_default();
        let (seconds, nanoseconds) = (time.as_secs(), time.subsec_nanos());
        let (source, destination, len) = (datagram.source, datagram.destination, datagram.payload.len());
        writeln!(out, "{seconds}.{nanoseconds:09}  {source} -> {destination}  {len} B")?;
    }
    // A capture of a whole network has much that is no datagram.
    let counts = reader.counts();
    writeln!(out, "{} packets, {} datagrams, {} dropped", counts.packets, counts.datagrams, counts.dropped)?;
    for &why in Unusable::ALL.iter().filter(|&&why| counts.unusable(why) > 0) {
        writeln!(out, "{} {}", counts.unusable(why), why.words())?;
    }
    Ok(())
}
