//! From the flags of `udp relay` to its sockets, its engine and what watches it.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::verbs::RelayOptions;
use udpkit::{Interfaces, Options};

use super::scenario::Plan;
use crate::args::RelayArgs;
use crate::hint::Hint;
use crate::output::Settings;
use crate::runtime::{descriptors, output_file, printing, sockets};
use crate::tui;
use crate::words::address::{Address, Families};
use crate::words::format::Format;

/// The status is printed at this interval on a terminal.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);
/// Size of the receive buffer of a socket to the target: that of thousands of peers is not to take all memory.
const UPSTREAM_BUFFER: usize = 256 << 10;

/// Refuses what cannot be printed or drawn.
pub(super) fn check(args: &RelayArgs) -> Result<()> {
    printing::check_lines(&args.common)?;
    if args.tui {
        return tui::check_terminal("without --tui, --status prints a line now and then");
    }
    Ok(())
}

/// What the engine is asked for.
pub(super) fn relay(args: &RelayArgs, plan: &Plan, interfaces: &Interfaces) -> Result<RelayOptions> {
    check_truth(args)?;
    let target = one(&args.target, args, interfaces)?;
    let copies =
        args.copy_to.iter().map(|copy| of_family(copy, target, args, interfaces)).collect::<Result<Vec<_>>>()?;
    let most_peers = descriptors::reserve_up_to(u64::from(args.max_peers));
    let options = RelayOptions::new(target)
        .kept_fates(0)
        .copies_to(copies)
        .interfaces(args.common.interfaces.clone())
        .seed(args.seed.or(plan.seed).unwrap_or_else(|| fastrand::u64(1..=9_999_999)))
        .most_peers(usize::try_from(most_peers).unwrap_or(usize::MAX))
        .idle(args.idle)
        .hop_limit(args.sending.ttl)
        .dscp(args.sending.dscp)
        .proxy_protocol(args.proxy_protocol)
        .busy_wait(args.busy_wait)
        .receive_buffer(args.common.recv_buffer.unwrap_or(UPSTREAM_BUFFER))
        .limits(args.common.limits());
    Ok(plan.apply(options))
}

/// Refuses a truth file in which other lines would be, too.
fn check_truth(args: &RelayArgs) -> Result<()> {
    match &args.truth {
        Some(path) if args.common.format() == Format::Json && output_file::is_standard_output(path) => Err(Hint::on(
            format!("the truth file '{}' is standard output, where other lines go", path.display()),
            "leave out --json, or name a file",
        )),
        _ => Ok(()),
    }
}

/// The address that was given.
fn one(address: &Address, args: &RelayArgs, interfaces: &Interfaces) -> Result<SocketAddr> {
    match resolved(address, args, interfaces)?.first() {
        Some(first) => Ok(*first),
        None => bail!(
            "{} has no address of the family that was asked for",
            address.with_port(address.port.unwrap_or_else(|| args.common.port()))
        ),
    }
}

/// The address that was given, of the target's family.
fn of_family(address: &Address, target: SocketAddr, args: &RelayArgs, interfaces: &Interfaces) -> Result<SocketAddr> {
    match of_same_family(&resolved(address, args, interfaces)?, target) {
        Some(one) => Ok(one),
        None => bail!(
            "{} is not of the family of the target, {target}",
            address.with_port(address.port.unwrap_or_else(|| args.common.port()))
        ),
    }
}

/// The first of the addresses that has the family of the target.
pub(super) fn of_same_family(addresses: &[SocketAddr], target: SocketAddr) -> Option<SocketAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == target.is_ipv4())
}

/// What looks the target up.
pub(super) fn lookup(args: &RelayArgs) -> impl Fn() -> Result<Vec<SocketAddr>> + Send + use<> {
    let (target, families, port) = (args.target.clone(), args.common.families(), args.common.port());
    move || resolve(&target, families, port, &Interfaces::list().unwrap_or_default())
}

fn resolved(address: &Address, args: &RelayArgs, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
    resolve(address, args.common.families(), args.common.port(), interfaces)
}

fn resolve(address: &Address, families: Families, port: u16, interfaces: &Interfaces) -> Result<Vec<SocketAddr>> {
    let port = address.port.unwrap_or(port);
    match &address.host {
        Some(host) => host.resolve(port, families, interfaces),
        None => Ok(vec![SocketAddr::new(families.loopback(), port)]),
    }
}

/// The options of the sockets that peers send to.
pub(super) fn socket_options(args: &RelayArgs, options: &RelayOptions) -> Options {
    options.socket_options().receive_buffer(sockets::socket_options(&args.common).receive_buffer)
}

/// What the printer must know: strangers decide how much there is to print.
pub(super) fn settings(args: &RelayArgs, ports: Vec<u16>) -> Settings {
    Settings { bounded: true, ..printing::settings(&args.common, ports) }
}

/// The interval at which the status is printed, if it is.
pub(super) fn status_interval(args: &RelayArgs) -> Option<Duration> {
    if args.tui {
        return None;
    }
    if let Some(interval) = args.status {
        return (!interval.is_zero()).then_some(interval);
    }
    let lines = args.common.verbose || args.common.quiet || args.common.format() == Format::Json;
    (std::io::stderr().is_terminal() && !lines).then_some(STATUS_INTERVAL)
}
