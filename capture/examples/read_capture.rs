//! Prints the datagrams of a capture, pcap or pcapng: `cargo run --example read_capture -- FILE`.
//!
//! For each, its time in seconds since 1970, where it came from and went to, and the length of its payload.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use udpkit_capture::{Reader, Unusable};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("FILE")?;
    let mut reader = Reader::open(file)?;
    while let Some(datagram) = reader.next()? {
        let time = datagram.time.unwrap_or_default();
        let (seconds, nanoseconds) = (time.as_secs(), time.subsec_nanos());
        let (source, destination, len) = (datagram.source, datagram.destination, datagram.payload.len());
        println!("{seconds}.{nanoseconds:09}  {source} -> {destination}  {len} B");
    }
    // A capture of a whole network has much that is no datagram.
    let counts = reader.counts();
    println!("{} packets, {} datagrams, {} dropped", counts.packets, counts.datagrams, counts.dropped);
    for &why in Unusable::ALL.iter().filter(|&&why| counts.unusable(why) > 0) {
        println!("{} {}", counts.unusable(why), why.words());
    }
    Ok(())
}
