//! A `Socket` in tokio's `AsyncFd`, without udpkit's feature `tokio`: asks a port where nobody listens, and hears so.
//!
//! Run it with `cargo run --example tokio_fd`.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::io;
use std::net::SocketAddr;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use udpkit::{Options, ReceiveBatch, Socket};

/// Puts a socket into the runtime. Newer versions of tokio have an `unsafe` function for that, since a type could have another
/// descriptor each time that it is asked; a `Socket` has one for as long as it lives.
#[expect(deprecated, reason = "the other function is unsafe")]
pub(crate) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// Waits for datagrams, or for a refusal: then there are none. `ERROR`, since a refusal makes no socket readable.
pub(crate) async fn receive(socket: &AsyncFd<Socket>, batch: &mut ReceiveBatch) -> io::Result<usize> {
    socket.async_io(Interest::READABLE | Interest::ERROR, |socket| socket.try_receive(batch)).await
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Socket::bind("127.0.0.1:0".parse()?, &Options::default().errors(true))?;
    let nobody = Socket::bind("127.0.0.1:0".parse()?, &Options::default())?.local_address();
    let client = register(client)?;
    client.get_ref().send_to(b"anyone?", nobody)?;
    let mut batch = ReceiveBatch::default();
    while receive(&client, &mut batch).await? > 0 {
        batch
            .datagrams()
            .for_each(|datagram| println!("{}: {}", datagram.meta.source, datagram.payload.escape_ascii()));
    }
    let mut refused: Vec<(SocketAddr, _)> = Vec::new();
    client.get_ref().errors(|report| refused.push((report.destination, report.cause)));
    refused.iter().for_each(|(destination, cause)| println!("{destination}: {cause}"));
    Ok(())
}
