//! A client and a server in one tokio runtime: the client asks, waits a second for the answer, and hears of a refusal.
//!
//! Run it with `cargo run --example tokio_socket`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example that prints")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;
use udpkit::{AsyncSocket, Options, ReceiveBatch, SendBatch, SendFailure};

const REPLY: &[u8] = b"Get off my lawn!";

/// Answers everyone, for as long as it is awaited.
pub(crate) async fn serve(server: AsyncSocket) -> udpkit::Result<()> {
    let (mut requests, mut replies) = (ReceiveBatch::default(), SendBatch::default());
    let report = |failure: &SendFailure| eprintln!("{failure}");
    loop {
        server.receive(&mut requests).await?;
        // Our own words are no question: two such servers would answer each other for ever.
        for request in requests.datagrams().filter(|request| request.payload != REPLY) {
            server.queue(&mut replies, &request.meta.reply(), REPLY).await?.iter().for_each(report);
        }
        server.send(&mut replies).await?.iter().for_each(report);
    }
}

/// What a server answers, or what became of the question.
pub(crate) async fn ask(client: &AsyncSocket, server: SocketAddr) -> udpkit::Result<String> {
    client.send_to(b"Hello World", server).await?;
    let mut answers = ReceiveBatch::default();
    while let Ok(trains) = timeout(Duration::from_secs(1), client.receive(&mut answers)).await {
        if trains? == 0 {
            let mut cause = String::new();
            client.errors(|refused| cause = refused.cause.to_string()).await?;
            return Ok(cause);
        }
        if let Some(answer) = answers.datagrams().find(|answer| answer.meta.source == server) {
            return Ok(answer.payload.escape_ascii().to_string());
        }
    }
    Ok("no answer".to_owned())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> udpkit::Result<()> {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = AsyncSocket::bind(local, &Options::default().destination(true))?;
    let client = AsyncSocket::bind(local, &Options::default().errors(true))?;
    let address = server.local_address();
    tokio::select! {
        ended = serve(server) => ended?,
        answer = ask(&client, address) => println!("{}", answer?),
    }
    // The server is gone with its future: nobody listens there any more.
    println!("{}", ask(&client, address).await?);
    Ok(())
}
