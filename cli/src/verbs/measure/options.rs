//! From the flags of `udp measure` to its sockets, its engine and what watches it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::stamp::{AUTHENTICATED_LEN, TimestampFormat};
use udpkit::verbs::{MeasureOptions, Pace};
use udpkit::{Interfaces, Options, Socket};

use super::load;
use crate::args::MeasureArgs;
use crate::hint::{self, Hint};
use crate::output::Settings;
use crate::runtime::sockets::{local_address, one_interface, scoped, sending_options};
use crate::runtime::{descriptors, key_file, printing};
use crate::words::address::check_port;
use crate::words::endpoint;

/// STAMP's port (RFC 8762 section 4.1).
const PORT: u16 = 862;
/// Probes a second, unless a rate is asked for.
const RATE: f64 = 100.0;
/// How long probes are sent, unless a time or a number is asked for.
const DURATION: Duration = Duration::from_secs(10);
/// Above this rate the kernel is not asked when each probe left: it takes 2 µs for each.
const MOST_SEND_TIMES: f64 = 20_000.0;

/// A measurement that can begin.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The reflector, as it was named.
    pub(super) name: String,
    pub(super) options: MeasureOptions,
    pub(super) sockets: Vec<Socket>,
}

/// Opens the sockets of a measurement, and says what its engine is asked for.
pub(super) fn prepare(args: &MeasureArgs, interfaces: &Interfaces) -> Result<Prepared> {
    let (name, target) = target(args, interfaces)?;
    let options = engine(args, target)?;
    let sockets = sockets(args, &options, interfaces)?;
    let own = sockets.iter().map(Socket::local_address).collect::<Vec<_>>();
    let options = options.own(own);
    options.check().map_err(|error| Hint::on(endpoint::of_error(&error), "a lower --rate, or a shorter --wait"))?;
    Ok(Prepared { name, options, sockets })
}

/// Whom to measure: as it was named, and its address.
pub(super) fn target(args: &MeasureArgs, interfaces: &Interfaces) -> Result<(String, SocketAddr)> {
    let Some(address) = &args.address else { bail!("there is no address to measure") };
    let port = args.common.port.unwrap_or(PORT);
    let interface = one_interface(&args.common, interfaces)?;
    let destinations = address.destinations(port, args.common.families(), interfaces)?;
    let target = scoped(destinations[0], interface, interfaces)?;
    check(args, target, interfaces)?;
    Ok((address.to_string(), target))
}

fn check(args: &MeasureArgs, target: SocketAddr, interfaces: &Interfaces) -> Result<()> {
    if target.ip().is_multicast() {
        bail!("a group cannot be measured: {} has no single reflector", target.ip());
    }
    if interfaces.is_broadcast(target.ip()) {
        bail!("a network cannot be measured: {} is the address of all its hosts", target.ip());
    }
    check_port(target.port())?;
    let has_port = args.local.as_ref().is_some_and(|local| local.port.is_some_and(|port| port > 0));
    let others = [(args.probes.flows > 1, "each of --flows has"), (args.load.load.is_some(), "--load has")];
    if let Some((_, who)) = others.iter().find(|(is_asked, _)| *is_asked && has_port) {
        return Err(Hint::on(format!("--local names one port, and {who} its own"), "leave the port of --local out"));
    }
    let shortest = args.probes.sizes.as_ref().and_then(|sizes| sizes.each().iter().min().copied());
    if let Some(shortest) = shortest.filter(|size| args.stamp.key_file.is_some() && *size < AUTHENTICATED_LEN) {
        return Err(Hint::on(
            format!("a probe of {shortest} bytes has no room for what --key-file adds"),
            format!("--size {AUTHENTICATED_LEN}, or more"),
        ));
    }
    if args.wait.is_zero() {
        return Err(Hint::on(
            "with --wait 0 every probe is lost",
            "a time in which replies come back, such as --wait 1s",
        ));
    }
    Ok(())
}

fn engine(args: &MeasureArgs, target: SocketAddr) -> Result<MeasureOptions> {
    let key = args.stamp.key_file.as_deref().map(key_file::read).transpose()?;
    let options = MeasureOptions::new(target)
        .pace(pace(args))
        .poisson(args.probes.poisson)
        .burst(args.probes.burst)
        .sizes(sizes(args))
        .count(args.common.count)
        .duration(duration(args))
        .wait(args.wait)
        .ssid(args.stamp.ssid.unwrap_or_else(|| fastrand::u16(1..)))
        .key(key)
        .format(if args.stamp.ptp { TimestampFormat::Ptp } else { TimestampFormat::Ntp })
        .traffic_class(traffic_class(args))
        .hop_limit(args.sending.ttl.unwrap_or(255))
        .busy_wait(args.probes.busy_wait)
        .report_probes(args.common.verbose || args.report.report.is_some())
        .seed(fastrand::u64(..));
    let load = load::options(&args.load, &options)?;
    let options = options.load(load);
    let send_times = options.rate() <= MOST_SEND_TIMES;
    Ok(options.send_timestamps(send_times))
}

/// DSCP and ECN of the probes.
pub(super) fn traffic_class(args: &MeasureArgs) -> u8 {
    let dscp = args.sending.dscp.or_else(|| args.probes.profile.and_then(|profile| profile.dscp())).unwrap_or(0);
    dscp << 2 | args.ecn.unwrap_or(0)
}

/// How fast probes follow one another.
fn pace(args: &MeasureArgs) -> Pace {
    let probes = &args.probes;
    let profile = probes.profile.map(|profile| Pace::Interval(profile.interval()));
    let asked = probes.probe_rate.map(|rate| rate.pace()).or_else(|| probes.interval.map(Pace::Interval));
    asked.or(profile).unwrap_or(Pace::Rate(RATE))
}

fn sizes(args: &MeasureArgs) -> Vec<usize> {
    let profile = args.probes.profile.map(|profile| profile.sizes());
    args.probes.sizes.clone().or(profile).map_or_else(Vec::new, |sizes| sizes.each().to_vec())
}

fn duration(args: &MeasureArgs) -> Option<Duration> {
    let has_end = args.common.count.is_some() || args.forever;
    args.common.duration.or_else(|| (!has_end).then_some(DURATION))
}

fn sockets(args: &MeasureArgs, options: &MeasureOptions, interfaces: &Interfaces) -> Result<Vec<Socket>> {
    descriptors::reserve(u64::from(args.probes.flows) + 1);
    let of_probes = options.socket_options();
    // When each datagram of a load left is of no interest.
    let of_load = options.load.map(|_| of_probes.clone().send_timestamps(false));
    let bind = |socket_options| bind(args, options.target, socket_options, interfaces);
    (0..args.probes.flows).map(|_| of_probes.clone()).chain(of_load).map(bind).collect()
}

/// Opens a socket to measure a target with.
pub(super) fn bind(
    args: &MeasureArgs,
    target: SocketAddr,
    options: Options,
    interfaces: &Interfaces,
) -> Result<Socket> {
    let sending = sending_options(&args.sending, &args.common);
    let options = options
        .receive_buffer(sending.receive_buffer)
        .reuse_address(args.local.is_some())
        .device(args.common.interfaces.first().cloned());
    let local = local_address(args.local.as_ref(), udpkit::any_address(target.ip()), interfaces)?;
    Socket::bind(local, &options).map_err(|error| Hint::on(endpoint::of_error(&error), hint::in_use(&error, "--local")))
}

/// What the printer must know.
pub(super) fn settings(args: &MeasureArgs) -> Settings {
    Settings { bounded: true, ..printing::settings(&args.common, Vec::new()) }
}
