//! The course's second exercise, solved: a server that returns what it gets, and prints it so that it cannot steer the terminal.
//!
//! `udp check server 127.0.0.1 -- cargo run --example exercise_echo` finds nothing wrong.

#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use udpkit::{Answer, Datagram, Server};

fn main() -> udpkit::Result<()> {
    let every = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let echo = |request: &Datagram<'_>| {
        println!("{}: {}", request.meta.source, request.payload.escape_ascii());
        Some(request.payload.to_vec())
    };
    let start = |address: IpAddr| Server::start((address, 10000).into(), Answer::with(echo));
    // Each answers in a thread of its own, until it is dropped.
    let servers = every.into_iter().map(start).collect::<udpkit::Result<Vec<_>>>()?;
    while servers.iter().all(|server| server.wait(Duration::from_secs(1)).is_none()) {}
    Ok(())
}
