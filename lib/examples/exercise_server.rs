//! The course's first exercise, solved: a server of both families that answers from the address that was asked, and in no loop.
//!
//! `udp check server 127.0.0.1 -- cargo run --example exercise_server` finds nothing wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use udpkit::{Answer, Server};

fn main() -> udpkit::Result<()> {
    let every = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let start = |address: IpAddr| Server::start((address, 10000).into(), Answer::fixed("Get off my lawn!"));
    // Each answers in a thread of its own, until it is dropped.
    let servers = every.into_iter().map(start).collect::<udpkit::Result<Vec<_>>>()?;
    while servers.iter().all(|server| server.wait(Duration::from_secs(1)).is_none()) {}
    Ok(())
}
