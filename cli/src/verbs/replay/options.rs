//! From the flags of `udp replay` to where it sends, its sockets and its engine.

use std::io::IsTerminal;
use std::net::SocketAddr;

use anyhow::{Result, bail};
use udpkit::verbs::{Keeps, ReplayOptions, ReplayPace};
use udpkit::{Interfaces, Options, Transmit};
use udpkit_capture::ReadOptions;

use super::origin::Origin;
use super::reading::Selection;
use super::survey::Survey;
use crate::args::ReplayArgs;
use crate::hint::Hint;
use crate::output::{Refusals, Settings};
use crate::runtime::printing;
use crate::runtime::sockets::{one_interface, scoped, sending_options};
use crate::words::address::check_port;
use crate::words::endpoint::Endpoint;
use crate::words::format::Format;
use crate::words::units::Rate;

/// The destination of every datagram.
pub(super) struct Destination {
    pub(super) transmit: Transmit,
    /// Whether datagrams keep the port that they went to.
    pub(super) keeps_ports: bool,
    broadcast: bool,
}

impl Destination {
    fn is_shared(&self) -> bool {
        self.broadcast || self.transmit.destination.ip().is_multicast()
    }
}

/// The destination that the address and -i name.
pub(super) fn target(args: &ReplayArgs, interfaces: &Interfaces) -> Result<Destination> {
    if let Some(port) = args.address.port {
        check_port(port)?;
    }
    let found = args.address.destinations(args.common.port.unwrap_or(0), args.common.families(), interfaces)?;
    let interface = one_interface(&args.common, interfaces)?;
    let destination = scoped(found[0], interface, interfaces)?;
    Ok(Destination {
        transmit: Transmit {
            interface: interface.or_else(|| Endpoint(destination).interface()),
            ..Transmit::to(destination)
        },
        keeps_ports: destination.port() == 0,
        broadcast: interfaces.is_broadcast(destination.ip()),
    })
}

/// An error where the flags do not go together, or not with such a capture.
pub(super) fn check(args: &ReplayArgs, origin: &Origin) -> Result<()> {
    if args.common.count == Some(0) {
        bail!("--count 0 would end before anything is sent; --dry-run shows what would be");
    }
    if args.pace.rounds == 1 && !args.pace.loop_delay.is_zero() {
        return Err(Hint::on(
            "--loop-delay stands between rounds, and there is one",
            "--loop N sends everything N times",
        ));
    }
    if args.dry_run && matches!(args.common.format(), Format::Raw | Format::Hex) {
        bail!("--dry-run lists when each would be sent, and no payloads: as text, or with --json");
    }
    match origin {
        Origin::Stream(_) if args.pace.rounds != 1 => Err(Hint::on(
            format!("{} is no file: it can be read once", name(args)),
            "without --loop; or write it to a file first",
        )),
        Origin::Stream(_) | Origin::File(_) => Ok(()),
    }
}

/// The capture's name in messages.
pub(super) fn name(args: &ReplayArgs) -> String {
    match args.file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => format!("'{}'", args.file.display()),
    }
}

/// How the capture is read.
pub(super) fn reading(args: &ReplayArgs) -> ReadOptions {
    ReadOptions::default().decapsulate(args.decapsulate)
}

/// Which datagrams of the capture are sent.
pub(super) fn selection(args: &ReplayArgs, target: &Destination) -> Selection {
    let limit = udpkit::max_payload(target.transmit.destination.ip());
    Selection { ports: args.filter_port.clone(), limit, keeps_ports: target.keeps_ports }
}

/// What the printer must know.
pub(super) fn settings(args: &ReplayArgs) -> Settings {
    let common = printing::settings(&args.common, Vec::new());
    Settings { numbered: true, refusals: Refusals::Reported, ..common }
}

/// Whether progress is shown: to people who see nothing else.
pub(super) fn tells_progress(args: &ReplayArgs) -> bool {
    let lines = args.common.verbose || args.dry_run || args.common.format() == Format::Json;
    std::io::stderr().is_terminal() && !lines && !args.common.quiet
}

/// How many datagrams are to be sent in all, if that is known.
pub(super) fn total(args: &ReplayArgs, survey: Option<&Survey>) -> Option<u64> {
    let all = match args.pace.rounds {
        0 => None,
        rounds => survey.map(|survey| survey.datagrams.saturating_mul(rounds)),
    };
    [all, args.common.count.filter(|_| survey.is_some())].into_iter().flatten().min()
}

/// Whether one socket was asked for.
pub(super) fn is_alone(args: &ReplayArgs) -> bool {
    args.local.as_ref().is_some_and(|local| local.port.is_some())
}

/// The options of its sockets.
pub(super) fn socket_options(args: &ReplayArgs, target: &Destination) -> Options {
    Options {
        broadcast: target.broadcast,
        errors: true,
        timestamps: args.common.verbose,
        dont_fragment: args.df,
        ..sending_options(&args.sending, &args.common)
    }
}

/// What the engine is asked for, driven with sockets at these addresses.
pub(super) fn engine(
    args: &ReplayArgs,
    target: &Destination,
    own: Vec<SocketAddr>,
    clock_starts: Vec<u64>,
) -> ReplayOptions {
    ReplayOptions {
        transmit: target.transmit,
        keeps: if target.keeps_ports { Keeps::Port } else { Keeps::Nothing },
        pace: pace(args),
        longest_gap: args.pace.max_gap,
        clock_starts,
        rounds: Some(args.pace.rounds).filter(|rounds| *rounds > 0),
        loop_delay: args.pace.loop_delay,
        limits: args.common.limits(),
        wait: args.wait,
        any_source: target.is_shared(),
        own,
        busy_wait: args.pace.busy_wait,
        verbose: args.common.verbose,
    }
}

fn pace(args: &ReplayArgs) -> ReplayPace {
    match (args.pace.rate, args.pace.speed) {
        (Some(rate), _) => ReplayPace::Fixed(Rate::pace(rate)),
        (None, _) if args.pace.max => ReplayPace::Unpaced,
        (None, speed) => ReplayPace::Recorded { speed: speed.unwrap_or(1.0) },
    }
}
