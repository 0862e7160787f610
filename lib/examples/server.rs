//! The lesson's UDP server: answers every datagram to port 10000 with `Get off my lawn!`, from the address it asked.
//!
//! Run it with `cargo run --example server`, and ask it with `cargo run --example client` or `udp send 127.0.0.1 hi`.

#![expect(clippy::print_stderr, reason = "an example that prints")]

use udpkit::{Options, ReceiveBatch, SendBatch, SendFailure, Socket, Wait};

const REPLY: &[u8] = b"Get off my lawn!";

fn main() -> udpkit::Result<()> {
    let socket = Socket::bind(([0, 0, 0, 0], 10000).into(), &Options::default().destination(true))?;
    let mut requests = ReceiveBatch::default();
    let mut replies = SendBatch::default();
    let report = |failure: &SendFailure| eprintln!("{failure}");
    loop {
        socket.receive(&mut requests, Wait::Forever)?;
        // Our own words are no question: two such servers would answer each other for ever.
        for request in requests.datagrams().filter(|request| request.payload != REPLY) {
            // A batch that is full is sent on the way.
            socket.queue(&mut replies, &request.meta.reply(), REPLY).iter().for_each(report);
        }
        socket.send(&mut replies).iter().for_each(report);
    }
}
