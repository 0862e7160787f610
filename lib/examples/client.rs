//! The lesson's UDP client: sends `Hello World` to port 10000, waits a second for the answer, prints it.
//!
//! Run it with `cargo run --example client`, next to `cargo run --example server` or `udp serve`.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::net::SocketAddr;
use std::time::Duration;

use udpkit::{Options, ReceiveBatch, Socket, Wait};

fn main() -> udpkit::Result<()> {
    let server = SocketAddr::from(([127, 0, 0, 1], 10000));
    let socket = Socket::bind(([0, 0, 0, 0], 0).into(), &Options::default().errors(true))?;
    socket.send_to(b"Hello World", server)?;
    let mut answers = ReceiveBatch::default();
    while socket.receive(&mut answers, Wait::For(Duration::from_secs(1)))? > 0 {
        // Anybody can send to our port: the answer is what comes from the server.
        if let Some(answer) = answers.datagrams().find(|answer| answer.meta.source == server) {
            println!("{}", answer.payload.escape_ascii());
            return Ok(());
        }
    }
    println!("no answer");
    socket.errors(|refused| println!("{}: {}", refused.destination, refused.cause));
    Ok(())
}
