//! The lesson's UDP client: sends `Hello World` to port 10000, waits a second for the answer, prints it.
//!
//! Run it with `cargo run --example client`, next to `cargo run --example server` or `udp serve`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example that prints and reads the clock")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use udpkit::{Options, ReceiveBatch, Socket, Wait};

fn main() -> udpkit::Result<()> {
    let server = SocketAddr::from(([127, 0, 0, 1], 10000));
    let options = Options { errors: true, ..Options::default() };
    let socket = Socket::bind(([0, 0, 0, 0], 0).into(), &options)?;
    socket.send_to(b"Hello World", server)?;
    let mut answers = ReceiveBatch::default();
    socket.receive(&mut answers, Wait::Until(Instant::now() + Duration::from_secs(1)))?;
    // Anybody can send to our port; the answer is what comes from the server.
    for answer in answers.datagrams().filter(|answer| answer.meta.source == server) {
        println!("{}", answer.payload.escape_ascii());
    }
    socket.errors(|refused| println!("{}: {}", refused.destination, refused.cause));
    Ok(())
}
