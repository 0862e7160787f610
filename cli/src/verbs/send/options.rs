//! From the flags of `udp send` to a socket and its engine.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use udpkit::verbs::SendOptions;
use udpkit::{Interfaces, Options, Socket, Transmit};

use crate::args::SendArgs;
use crate::hint::{self, Hint};
use crate::output::{Refusals, Settings};
use crate::runtime::payload::Payloads;
use crate::runtime::printing;
use crate::runtime::requests::pace;
use crate::runtime::sockets::{check_df, local_address, one_interface, scoped, sending_options};
use crate::words::address::check_port;
use crate::words::endpoint::{self, Endpoint};

/// Where `send` sends, and through which socket.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) transmit: Transmit,
    pub(super) socket: Socket,
    /// Whether others than the destination answer.
    pub(super) any_source: bool,
}

/// An error where the flags do not go together.
pub(super) fn check(args: &SendArgs) -> Result<()> {
    if args.all && args.wait.is_zero() {
        bail!("--all needs answers, and with --wait 0 none is waited for");
    }
    Ok(())
}

/// The addresses to try, in order; only a name has more than one.
pub(super) fn destinations(args: &SendArgs, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
    check_port(args.address.port.unwrap_or_else(|| args.common.port()))?;
    args.address.destinations(args.common.port(), args.common.families(), interfaces)
}

pub(super) fn sending(args: &SendArgs, destination: SocketAddr, interfaces: &Interfaces) -> Result<Sending> {
    let interface = one_interface(&args.common, interfaces)?;
    let destination = scoped(destination, interface, interfaces)?;
    let (ip, broadcast) = (destination.ip(), interfaces.is_broadcast(destination.ip()));
    let shared = broadcast || ip.is_multicast();
    let options = Options {
        broadcast,
        errors: true,
        timestamps: true,
        reuse_address: args.pace.local.is_some(),
        dont_fragment: args.pace.df,
        ..sending_options(&args.sending, &args.common)
    };
    let local = local_address(args.pace.local.as_ref(), udpkit::any_address(ip), interfaces)?;
    let socket = Socket::bind(local, &options).map_err(|error| match args.pace.local {
        Some(_) if error.is_in_use() => Hint::on(endpoint::of_error(&error), hint::in_use(&error, "--local")),
        _ => error.into(),
    })?;
    let transmit =
        Transmit { interface: interface.or_else(|| Endpoint(destination).interface()), ..Transmit::to(destination) };
    check_df(args.pace.df, std::slice::from_ref(&socket))?;
    Ok(Sending { transmit, socket, any_source: args.any_source || shared })
}

/// Whether one request is all there is: then its answer is all that is printed.
pub(super) fn is_single(args: &SendArgs, payloads: &Payloads) -> bool {
    payloads.is_one() && args.pace.repeat.is_none() && args.common.count.is_none() && args.common.duration.is_none()
}

/// What the printer must know.
pub(super) fn settings(args: &SendArgs, sending: &Sending, single: bool) -> Settings {
    let ports = vec![sending.socket.local_address().port()];
    Settings { numbered: !single, refusals: Refusals::Reported, ..printing::settings(&args.common, ports) }
}

/// What the engine is asked for.
pub(super) fn engine(args: &SendArgs, sending: &Sending) -> SendOptions {
    SendOptions {
        transmit: sending.transmit,
        any_source: sending.any_source,
        own: vec![sending.socket.local_address()],
        wait: args.wait,
        replies: replies_wanted(args, sending),
        retries: args.retries,
        pace: pace(&args.pace, &args.common),
        most_requests: args.common.count,
        size: args.payload.size,
        duration: args.common.duration,
        count: args.pace.until_replies,
        dialogue: args.dialogue,
        verbose: args.common.verbose,
    }
}

/// Answers that end the wait: one, or all that come where many may answer.
fn replies_wanted(args: &SendArgs, sending: &Sending) -> u64 {
    let ip = sending.transmit.destination.ip();
    let shared = sending.any_source && !args.any_source || ip.is_multicast();
    args.replies.unwrap_or(if shared { 0 } else { 1 })
}
