//! `udp check client`: plays the server that a client asks, and strangers that answer in its stead.

mod by_hand;
mod judge;
mod trial;

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Interfaces;

use super::bench::Bench;
use super::bounds::{Cut, check_address};
use super::points::client as points;
use crate::args::CheckClientArgs;
use crate::runtime::exit::Exit;
use crate::words::address::Families;
use judge::Judge;

/// Checks a client: one that is started for each point, or one that the user starts.
pub(super) fn check(args: &CheckClientArgs) -> Result<Exit> {
    let interfaces = Interfaces::list().unwrap_or_default();
    let address = server_address(args, &interfaces)?;
    let mut bench = Bench::new("client", points::ALL, &args.judge)?;
    if args.judge.command.is_empty() {
        by_hand::check(&mut bench, args, address)?;
    } else {
        let mut judge = Judge::new(args, address, &interfaces);
        match judge.begin(&mut bench) {
            // Without it, no point can be looked at: a program that there is not, a port that is taken.
            Err(Cut::System(error)) => return Err(error),
            // Each point says why it was not seen.
            Ok(()) | Err(Cut::Interrupted | Cut::Time(_) | Cut::Count) => {}
        }
        judge.all(&mut bench);
    }
    bench.finish()
}

/// Where the server is: any port where the command is told, else the one that clients have by default.
fn server_address(args: &CheckClientArgs, interfaces: &Interfaces) -> Result<SocketAddr> {
    let is_told = args.judge.command.iter().any(|word| word.contains("{port}"));
    let port = args.port.unwrap_or(if is_told { 0 } else { crate::words::address::DEFAULT_PORT });
    let address = match &args.address {
        Some(address) => address.destinations(port, Families::default(), interfaces)?[0],
        None => SocketAddr::new(Families { only_v4: true, only_v6: false }.loopback(), port),
    };
    check_address(address, args.judge.i_may, interfaces)?;
    Ok(address)
}
