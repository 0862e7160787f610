//! From the flags of `udp send` to a socket and its engine.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use udpkit::verbs::{Pace, SendOptions};
use udpkit::{ErrorKind, Interfaces, Socket, Transmit};

use crate::args::SendArgs;
use crate::hint::{self, Hint};
use crate::output::{Refusals, Settings};
use crate::runtime::payload::Payloads;
use crate::runtime::requests::pace;
use crate::runtime::sockets::{check_df, local_address, one_interface, scoped, sending_options};
use crate::runtime::{descriptors, printing};
use crate::words::address::check_port;
use crate::words::endpoint::{self, Endpoint};
use crate::words::range::expanded;

/// Where `send` sends, and through which sockets.
#[derive(Debug)]
pub(super) struct Sending {
    /// The destination, or one for each port of a range; at least one.
    pub(super) transmits: Vec<Transmit>,
    /// A socket for each of them.
    pub(super) sockets: Vec<Socket>,
    /// Whether others than the destination answer.
    pub(super) any_source: bool,
}

/// An error where the flags do not go together.
pub(super) fn check(args: &SendArgs) -> Result<()> {
    if args.all && args.wait.is_zero() {
        bail!("--all needs answers, and with --wait 0 none is waited for");
    }
    if ports(args)?.len() > 1 && args.pace.local.as_ref().is_some_and(|local| local.port.is_some_and(|port| port > 0)) {
        return Err(Hint::on(
            "--local names one port, and each port of a range is asked from a socket of its own",
            "leave the port of --local out",
        ));
    }
    Ok(())
}

/// The ports to send to.
fn ports(args: &SendArgs) -> Result<Vec<u16>> {
    let addresses = expanded(std::slice::from_ref(&args.address))?;
    let ports: Vec<_> = addresses.iter().map(|address| address.port.unwrap_or_else(|| args.common.port())).collect();
    ports.iter().try_for_each(|port| check_port(*port))?;
    Ok(ports)
}

/// The addresses to try, in order, at the first port; only a name has more than one.
pub(super) fn destinations(args: &SendArgs, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
    args.address.first.destinations(args.common.port(), args.common.families(), interfaces)
}

pub(super) fn sending(args: &SendArgs, destination: SocketAddr, interfaces: &Interfaces) -> Result<Sending> {
    let interface = one_interface(&args.common, interfaces)?;
    let destination = scoped(destination, interface, interfaces)?;
    let (ip, broadcast) = (destination.ip(), interfaces.is_broadcast(destination.ip()));
    let shared = broadcast || ip.is_multicast();
    // It only permits: where interfaces cannot be listed, any address may be that of a broadcast.
    let options = sending_options(&args.sending, &args.common)
        .broadcast(broadcast || interfaces.is_empty())
        .errors(true)
        .timestamps(true)
        .reuse_address(args.pace.local.is_some())
        .dont_fragment(args.pace.df);
    let local = local_address(args.pace.local.as_ref(), udpkit::any_address(ip), interfaces)?;
    let interface = interface.or_else(|| Endpoint(destination).interface());
    let (mut transmits, mut sockets) = (Vec::new(), Vec::new());
    let ports = ports(args)?;
    descriptors::reserve(ports.len() as u64);
    for port in ports {
        let mut destination = destination;
        destination.set_port(port);
        transmits.push(Transmit::to(destination).interface(interface));
        sockets.push(Socket::bind(local, &options).map_err(|error| match args.pace.local {
            Some(_) if error.kind() == ErrorKind::AddressInUse => {
                Hint::on(endpoint::of_error(&error), hint::in_use(&error, "--local"))
            }
            _ => error.into(),
        })?);
    }
    check_df(args.pace.df, &sockets)?;
    Ok(Sending { transmits, sockets, any_source: args.any_source || shared })
}

/// Whether one request is all there is: then its answer is all that is printed.
pub(super) fn is_single(args: &SendArgs, sending: &Sending, payloads: &Payloads) -> bool {
    sending.sockets.len() == 1
        && payloads.is_one()
        && args.pace.repeat.is_none()
        && args.common.count.is_none()
        && args.common.duration.is_none()
}

/// What the printer must know.
pub(super) fn settings(args: &SendArgs, sending: &Sending, single: bool) -> Settings {
    let ports = sending.sockets.iter().map(|socket| socket.local_address().port()).collect();
    let name_destinations = sending.sockets.len() > 1;
    Settings {
        numbered: !single,
        name_destinations,
        refusals: Refusals::Reported,
        ..printing::settings(&args.common, ports)
    }
}

/// What the engine is asked for. A rate is that of all ports together.
pub(super) fn engine(args: &SendArgs, sending: &Sending) -> SendOptions {
    let transmit = sending.transmits[0];
    SendOptions::new(transmit.destination)
        .transmit(transmit)
        .any_source(sending.any_source)
        .own(sending.sockets.iter().map(Socket::local_address).collect::<Vec<_>>())
        .wait(args.wait)
        .replies(replies_wanted(args, sending))
        .retries(args.retries)
        .pace(pace(&args.pace, &args.common).map(|pace| shared(pace, sending.sockets.len())))
        .most_requests(args.common.count)
        .size(args.payload.size)
        .duration(args.common.duration)
        .count(args.pace.until_replies)
        .dialogue(args.dialogue)
        .verbose(args.common.verbose)
}

/// The pace of each of so many, where a rate is that of all.
fn shared(pace: Pace, among: usize) -> Pace {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    let share = among as f64;
    match pace {
        Pace::Rate(rate) => Pace::Rate(rate / share),
        Pace::Bitrate(rate) => Pace::Bitrate(rate / share),
        interval => interval,
    }
}

/// Answers that end the wait: one, or all that come where many may answer.
fn replies_wanted(args: &SendArgs, sending: &Sending) -> u64 {
    let ip = sending.transmits[0].destination.ip();
    let shared = sending.any_source && !args.any_source || ip.is_multicast();
    args.replies.unwrap_or(if shared { 0 } else { 1 })
}
