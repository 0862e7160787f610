//! From the flags of `udp reflect` to its sockets, its engine and what watches it.

use udpkit::Options;
use udpkit::stamp::{ErrorEstimate, TimestampFormat};
use udpkit::verbs::{ReflectKeys, ReflectOptions};

use crate::args::ReflectArgs;
use crate::output::Settings;
use crate::runtime::{guards, printing, sockets};

/// What the engine is asked for.
pub(super) fn engine(args: &ReflectArgs, keys: ReflectKeys) -> ReflectOptions {
    let format = if args.ptp { TimestampFormat::Ptp } else { TimestampFormat::Ntp };
    ReflectOptions::new(Vec::new())
        .interfaces(args.common.interfaces.clone())
        .conduct(guards::conduct(&args.guards, args.sending.ttl))
        .hop_limit(args.sending.ttl.unwrap_or(255))
        .keys(keys)
        .twamp_light(args.twamp_light)
        .most_sessions(args.max_sessions as usize)
        .idle(args.idle)
        .max_rate(args.max_rate)
        .clock_error(match args.clock_error {
            Some(bound) => ErrorEstimate::of_bound(bound, format),
            None => ErrorEstimate::unsynchronized(format),
        })
        .send_times(args.send_times)
        .limits(args.common.limits())
        .verbose(args.common.verbose)
}

/// The options of its sockets.
pub(super) fn socket_options(args: &ReflectArgs, options: &ReflectOptions) -> Options {
    let guarded = options.socket_options();
    let sending = sockets::sending_options(&args.sending, &args.common);
    guarded.traffic_class(sending.traffic_class).receive_buffer(sending.receive_buffer)
}

/// What the printer must know: strangers decide how much there is to print.
pub(super) fn settings(args: &ReflectArgs, ports: Vec<u16>) -> Settings {
    Settings { bounded: true, ..printing::settings(&args.common, ports) }
}
