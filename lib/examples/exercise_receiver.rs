//! The course's fourth exercise, solved: a receiver that prints every datagram of both families on a line that cannot steer the terminal.
//!
//! `udp check receiver -- cargo run --example exercise_receiver` finds nothing wrong.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::net::Ipv6Addr;

use udpkit::{Options, ReceiveBatch, Socket, Wait};

fn main() -> udpkit::Result<()> {
    // One socket for both families: broadcasts are IPv4's.
    let options = Options::default().reuse_address(true).destination(true).dual_stack(true);
    let socket = Socket::bind((Ipv6Addr::UNSPECIFIED, 10000).into(), &options)?;
    let mut batch = ReceiveBatch::default();
    loop {
        socket.receive(&mut batch, Wait::Forever)?;
        for datagram in batch.datagrams() {
            let (source, delivery) = (datagram.meta.source, datagram.meta.delivery);
            println!("{source} ({delivery}): {}", datagram.payload.escape_ascii());
        }
    }
}
