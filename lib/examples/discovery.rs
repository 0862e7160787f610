//! Who is there? A service that says its name to whoever asks, and a program that asks on every attached network.
//!
//! `cargo run --example discovery -- serve printer` on one host or several, and `cargo run --example discovery` on another: it prints
//! each service once, with its address, and the network that it is on.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use udpkit::{Interfaces, Options, ReceiveBatch, SendBatch, Socket, Wait};

const PORT: u16 = 10_000;
const QUESTION: &[u8] = b"who is there?";
/// What a name begins with, so that nobody takes an answer for a question, nor anything else for an answer.
const ANSWER: &[u8] = b"here is ";
/// Services that are listed: a stranger can invent any number.
const MOST: usize = 1_000;

/// Answers the questions that come next, within this time; from the address of the network that they came by.
pub(crate) fn serve(socket: &Socket, name: &str, wait: Wait) -> udpkit::Result<usize> {
    let (mut batch, mut answers) = (ReceiveBatch::default(), SendBatch::default());
    let (mut answered, mut failed) = (0, 0);
    socket.receive(&mut batch, wait)?;
    let answer = [ANSWER, name.as_bytes()].concat();
    for question in batch.datagrams().filter(|datagram| datagram.payload == QUESTION) {
        // A batch that is full is sent on the way.
        failed += socket.queue(&mut answers, &question.meta.reply(), &answer).len();
        answered += 1;
    }
    failed += socket.send(&mut answers).len();
    Ok(answered - failed)
}

/// Sockets to ask from, and where to: one for each network that this host is attached to.
pub(crate) fn networks(port: u16) -> udpkit::Result<Vec<(String, Socket, SocketAddr)>> {
    let mut networks = Vec::new();
    for interface in Interfaces::list()?.iter().filter(|interface| interface.running) {
        for address in &interface.addresses {
            let Some(broadcast) = address.broadcast else { continue };
            let socket = Socket::bind((address.ip, 0).into(), &Options::default().broadcast(true))?;
            networks.push((interface.name.clone(), socket, (broadcast, port).into()));
        }
    }
    Ok(networks)
}

/// Asks on these networks, and listens for this long; returns the name of each service by its address, and the network it is on.
#[expect(clippy::disallowed_methods, reason = "a program that waits reads the clock")]
pub(crate) fn find(
    networks: &[(String, Socket, SocketAddr)],
    time: Duration,
) -> udpkit::Result<BTreeMap<SocketAddr, (String, String)>> {
    for (_, socket, to) in networks {
        socket.send_to(QUESTION, *to)?;
    }
    let (mut found, mut batch) = (BTreeMap::new(), ReceiveBatch::default());
    let until = Instant::now() + time;
    for (interface, socket, _) in networks {
        // Answers wait in the other sockets meanwhile.
        while socket.receive(&mut batch, Wait::Until(until))? > 0 {
            for datagram in batch.datagrams() {
                let Some(name) = datagram.payload.strip_prefix(ANSWER) else { continue };
                if found.len() < MOST {
                    // Escaped: it comes from a stranger, and goes to a terminal.
                    let name = name.escape_ascii().to_string();
                    found.entry(datagram.meta.source).or_insert_with(|| (name, interface.clone()));
                }
            }
        }
    }
    Ok(found)
}

fn main() -> udpkit::Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        let name = arguments.next().unwrap_or_else(|| "somebody".to_owned());
        let options = Options::default().destination(true).reuse_address(true);
        let socket = Socket::bind(([0, 0, 0, 0], PORT).into(), &options)?;
        loop {
            serve(&socket, &name, Wait::Forever)?;
        }
    }
    for (address, (name, interface)) in find(&networks(PORT)?, Duration::from_secs(1))? {
        println!("{address}  {interface}  {name}");
    }
    Ok(())
}
