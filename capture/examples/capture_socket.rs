//! Captures what a socket receives: `cargo run --example capture_socket -- PORT FILE COUNT`.
//!
//! Ends after COUNT datagrams; Wireshark, tcpdump, `udp replay` and the example `read_capture` read FILE.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::env;

use udpkit::{Options, ReceiveBatch, Socket, Wait};
use udpkit_capture::{CaptureFiles, Drops, WriteOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [port, file, count] = &arguments[..] else { return Err("PORT FILE COUNT".into()) };
    let (port, mut left): (u16, usize) = (port.parse()?, count.parse()?);

    // All that a capture can tell: a socket has no option that was not asked for.
    let options =
        Options::default().destination(true).timestamps(true).hop_limits(true).traffic_classes(true).drops(true);
    let socket = Socket::bind(([0, 0, 0, 0], port).into(), &options)?;
    let port = socket.local_address().port();
    println!("capturing {count} datagrams to port {port} in {file}");

    let mut capture = CaptureFiles::create(file, WriteOptions::default())?;
    let (mut batch, mut drops) = (ReceiveBatch::default(), Drops::default());
    while left > 0 {
        socket.receive(&mut batch, Wait::Forever)?;
        for datagram in batch.datagrams().take(left) {
            capture.datagram(&datagram, port, drops.before(datagram.meta))?;
            left -= 1;
        }
        // From here on they are in the file, whatever becomes of this program.
        capture.flush()?;
    }
    capture.finish(capture.written(), socket.kernel_drops().unwrap_or(0))?;
    Ok(())
}
