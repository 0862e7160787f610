//! The lesson's broadcast receiver: prints every datagram that comes to port 10000, and who sent it.
//!
//! Run it with `cargo run --example broadcast_receiver`; several can run at once, and each gets every broadcast.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use udpkit::{Options, ReceiveBatch, Socket, Wait};

fn main() -> udpkit::Result<()> {
    let options = Options::default().reuse_address(true).destination(true);
    let socket = Socket::bind(([0, 0, 0, 0], 10000).into(), &options)?;
    let mut batch = ReceiveBatch::default();
    loop {
        socket.receive(&mut batch, Wait::Forever)?;
        for datagram in batch.datagrams() {
            let (source, delivery) = (datagram.meta.source, datagram.meta.delivery);
            println!("{source} ({delivery}): {}", datagram.payload.escape_ascii());
        }
    }
}
