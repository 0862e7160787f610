//! The course's fifth exercise, solved: a sender that reaches every attached network, and prints who answers within a second.
//!
//! `udp check sender --expect 'Halo Dunia!' -- cargo run --example exercise_sender` finds nothing wrong.

#![expect(clippy::print_stdout, reason = "an example that prints")]
#![expect(clippy::disallowed_methods, reason = "a program of its own has its own clock")]

use std::time::{Duration, Instant};

use udpkit::{Interfaces, Options, ReceiveBatch, Socket, Wait};

fn main() -> udpkit::Result<()> {
    let mut sockets = Vec::new();
    for interface in Interfaces::list()?.iter().filter(|interface| interface.running) {
        for address in &interface.addresses {
            let Some(broadcast) = address.broadcast else { continue };
            let socket = Socket::bind((address.ip, 0).into(), &Options::default().broadcast(true))?;
            socket.send_to(b"Halo Dunia!", (broadcast, 10000).into())?;
            sockets.push(socket);
        }
    }
    // They take turns: what comes meanwhile to another waits in its buffer.
    let mut answers = ReceiveBatch::default();
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end && !sockets.is_empty() {
        for socket in &sockets {
            socket.receive(&mut answers, Wait::For(Duration::from_millis(20)))?;
            for answer in answers.datagrams() {
                println!("{}: {}", answer.meta.source, answer.payload.escape_ascii());
            }
        }
    }
    Ok(())
}
