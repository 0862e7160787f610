//! A `Socket` in async-io (smol, async-std): sends to a port, waits for the answer or the refusal.
//!
//! Run it with `cargo run --example async_io`.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::io;

use async_io::Async;
use udpkit::{Options, ReceiveBatch, Socket};

/// Waits for datagrams, or for a refusal: then there are none.
pub(crate) async fn receive(socket: &Async<Socket>, batch: &mut ReceiveBatch) -> io::Result<usize> {
    socket.read_with(|socket| socket.try_receive(batch)).await
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Async::new(Socket::bind("127.0.0.1:0".parse()?, &Options::default().errors(true))?)?;
    let server = Socket::bind("127.0.0.1:0".parse()?, &Options::default())?;
    let mut batch = ReceiveBatch::default();
    async_io::block_on(async {
        server.send_to(b"hello", client.get_ref().local_address())?;
        receive(&client, &mut batch).await?;
        batch
            .datagrams()
            .for_each(|datagram| println!("{}: {}", datagram.meta.source, datagram.payload.escape_ascii()));
        let address = server.local_address();
        drop(server);
        client.get_ref().send_to(b"still there?", address)?;
        while receive(&client, &mut batch).await? > 0 {}
        client.get_ref().errors(|refused| println!("{}: {}", refused.destination, refused.cause));
        Ok(())
    })
}
