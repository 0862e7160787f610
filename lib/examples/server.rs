//! The lesson's UDP server: answers every datagram to port 10000 with `Get off my lawn!`, from the address it asked.
//!
//! Run it with `cargo run --example server`, and ask it with `cargo run --example client` or `udp send 127.0.0.1 hi`.

use udpkit::{Options, ReceiveBatch, SendBatch, Socket, Wait};

const REPLY: &[u8] = b"Get off my lawn!";

fn main() -> udpkit::Result<()> {
    let options = Options { destination: true, ..Options::default() };
    let socket = Socket::bind(([0, 0, 0, 0], 10000).into(), &options)?;
    let mut requests = ReceiveBatch::default();
    let mut replies = SendBatch::default();
    loop {
        socket.receive(&mut requests, Wait::Forever)?;
        // Our own words are no question: two such servers would answer each other for ever.
        for request in requests.datagrams().filter(|request| request.payload != REPLY) {
            replies.push(&request.meta.reply(), REPLY);
        }
        socket.send(&mut replies);
    }
}
