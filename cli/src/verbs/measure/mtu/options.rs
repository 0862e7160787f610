//! From the flags to the socket and the engine of the search.

use std::time::Duration;

use anyhow::{Result, bail};
use udpkit::verbs::PathMtuOptions;
use udpkit::{Interfaces, Socket};

use super::super::options::{bind, target, traffic_class};
use crate::args::MeasureArgs;
use crate::runtime::key_file;
use crate::runtime::sockets::one_interface;

/// How long it may take, unless a time is asked for. Without loss it takes some seconds.
const DURATION: Duration = Duration::from_secs(60);
/// MTUs of other interfaces that are worth a probe.
const MOST_HINTS: usize = 8;

/// The target as it was named, what the engine is asked for, and its socket.
pub(super) fn prepare(
    args: &MeasureArgs,
    largest: Option<u32>,
    interfaces: &Interfaces,
) -> Result<(String, PathMtuOptions, Socket)> {
    let (name, target) = target(args, interfaces)?;
    let interface = one_interface(&args.common, interfaces)?;
    // What the system knows of the path is tried first; it may be old, or forged.
    let known = udpkit::path_mtu(target, interface);
    let of_interfaces = interfaces.iter().filter(|interface| interface.up).filter_map(|interface| interface.mtu);
    let mut hints: Vec<u32> = known.into_iter().chain(of_interfaces).collect();
    hints.dedup();
    hints.truncate(MOST_HINTS);
    let mut options = PathMtuOptions::new(target)
        .largest(largest)
        .hints(hints)
        .wait(args.wait)
        .duration(args.common.duration.unwrap_or(DURATION))
        .ssid(args.stamp.ssid.unwrap_or_else(|| fastrand::u16(1..)))
        .key(args.stamp.key_file.as_deref().map(key_file::read).transpose()?)
        .traffic_class(traffic_class(args))
        .hop_limit(args.sending.ttl.unwrap_or(255))
        .seed(fastrand::u64(..));
    if let Some(interval) = args.probes.interval {
        options = options.interval(interval);
    }
    options.check()?;
    let socket = bind(args, target, options.socket_options(), interfaces)?;
    if !socket.capabilities().dont_fragment {
        bail!("this system cannot keep datagrams in one piece, so the MTU of a path cannot be measured");
    }
    Ok((name, options, socket))
}
