//! `udp check receiver`: sends to a receiver what may arrive, as one host and as another, and reads what it prints.

mod judge;
mod stage;

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Interfaces;

use super::bench::Bench;
use super::bounds::{Cut, check_address};
use super::points::receiver as points;
use crate::args::CheckReceiverArgs;
use crate::runtime::exit::Exit;
use crate::words::address::{DEFAULT_PORT, Families};
use judge::Judge;

/// Checks a receiver: one that is started for each point, or one that runs.
pub(super) fn check(args: &CheckReceiverArgs) -> Result<Exit> {
    let interfaces = Interfaces::list().unwrap_or_default();
    let port = args.port.unwrap_or(DEFAULT_PORT);
    let address = match &args.address {
        Some(address) => address.destinations(port, Families::default(), &interfaces)?[0],
        None => SocketAddr::new(Families { only_v4: true, only_v6: false }.loopback(), port),
    };
    check_address(address, args.judge.i_may, &interfaces)?;
    let mut bench = Bench::new("receiver", points::ALL, &args.judge)?;
    let mut judge = Judge::new(args, address, &interfaces);
    match judge.begin(&mut bench) {
        // Without it, no point can be looked at: a program that there is not.
        Err(Cut::System(error)) => return Err(error),
        // Each point says why it was not seen.
        Ok(()) | Err(Cut::Interrupted | Cut::Time(_) | Cut::Count) => {}
    }
    judge.all(&mut bench);
    bench.finish()
}
