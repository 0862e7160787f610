//! From the flags of `udp broadcast` to its sockets and its engine.

use anyhow::{Result, bail};
use udpkit::Socket;
use udpkit::verbs::{BroadcastOptions, BroadcastTarget};

use super::plan::Plans;
use crate::args::BroadcastArgs;
use crate::output::{Refusals, Settings};
use crate::runtime::requests::pace;
use crate::runtime::sockets::{check_df, sending_options};
use crate::runtime::{descriptors, printing};
use crate::words::endpoint;

/// Opens the sockets of the plans. An interface whose socket cannot be opened is left out, as one that changed since the plans
/// were made; an error where none is left.
pub(super) fn sockets(args: &BroadcastArgs, plans: &mut Plans) -> Result<(Vec<Socket>, Vec<BroadcastTarget>)> {
    if args.pace.local.as_ref().is_some_and(|local| local.host.is_some()) {
        bail!("--local takes a port alone here: each network is asked from our address in it");
    }
    let options = sending_options(&args.sending, &args.common)
        .broadcast(true)
        .errors(true)
        .timestamps(true)
        .reuse_address(args.pace.local.is_some())
        .dont_fragment(args.pace.df);
    let mut sockets = Vec::new();
    let mut targets = Vec::new();
    let mut failed = None;
    descriptors::reserve(plans.used.len() as u64);
    let mut held = None;
    for plan in std::mem::take(&mut plans.used) {
        match Socket::bind(plan.from, &options) {
            Ok(socket) => {
                targets.push(BroadcastTarget::new(plan.transmit, socket.local_address()));
                sockets.push(socket);
                plans.used.push(plan);
                // The first needs none to spare: however few descriptors there are, one network may be asked.
                held.get_or_insert_with(descriptors::hold);
            }
            Err(error) => {
                plans.left_out.push((plan.name, endpoint::of_error(&error)));
                failed.get_or_insert(error);
            }
        }
    }
    drop(held);
    if let Some(error) = failed.filter(|_| sockets.is_empty()) {
        return Err(error.into());
    }
    check_df(args.pace.df, &sockets)?;
    Ok((sockets, targets))
}

/// What the printer must know.
pub(super) fn settings(args: &BroadcastArgs, targets: &[BroadcastTarget]) -> Settings {
    let ports = targets.iter().map(|target| target.own.port()).collect();
    let common = printing::settings(&args.common, ports);
    Settings { name_interfaces: true, refusals: Refusals::Reported, ..common }
}

/// What the engine is asked for.
pub(super) fn engine(args: &BroadcastArgs, targets: Vec<BroadcastTarget>) -> BroadcastOptions {
    BroadcastOptions::new(targets)
        .wait(args.wait)
        .pace(pace(&args.pace, &args.common))
        .most_rounds(args.common.count)
        .size(args.payload.size)
        .duration(args.common.duration)
        .count(args.pace.until_replies)
        .verbose(args.common.verbose)
}
