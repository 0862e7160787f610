//! From the flags of `udp replay` to where it sends, its sockets and its engine.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use udpkit::verbs::{Keeps, ReplayOptions, ReplayPace, Sources};
use udpkit::{InterfaceIndex, Interfaces, Options, Socket, Transmit};
use udpkit_capture::ReadOptions;

use super::origin::{Origin, name};
use super::reading::Selection;
use super::survey::{MAX_SOCKETS, Survey};
use crate::args::ReplayArgs;
use crate::hint::Hint;
use crate::output::{Refusals, Settings};
use crate::runtime::printing;
use crate::runtime::sockets::{local_address, one_interface, scoped, sending_options};
use crate::words::address::{Address, Host, check_port};
use crate::words::endpoint::Endpoint;
use crate::words::format::Format;
use crate::words::units::Rate;

/// Where datagrams are sent.
pub(super) struct Destination {
    /// The address of all, but for what they keep.
    pub(super) transmit: Transmit,
    pub(super) keeps: Keeps,
    broadcast: bool,
    /// Our addresses to send from: one of each family that is sent.
    pub(super) locals: Vec<SocketAddr>,
}

impl Destination {
    fn is_shared(&self) -> bool {
        self.broadcast || self.transmit.destination.ip().is_multicast()
    }

    /// Whether datagrams of both families are sent.
    pub(super) fn has_both_families(&self) -> bool {
        self.locals.len() > 1
    }
}

/// Where the address and -i say.
pub(super) fn target(args: &ReplayArgs, address: Option<&Address>, interfaces: &Interfaces) -> Result<Destination> {
    let interface = one_interface(&args.common, interfaces)?;
    let Some(address) = address else { return as_recorded(args, interface, interfaces) };
    if let Some(port) = address.port {
        check_port(port)?;
    }
    let found = address.destinations(args.common.port.unwrap_or(0), args.common.families(), interfaces)?;
    let destination = scoped(found[0], interface, interfaces)?;
    Ok(Destination {
        transmit: Transmit::to(destination).interface(interface.or_else(|| Endpoint(destination).interface())),
        keeps: if destination.port() == 0 { Keeps::Port } else { Keeps::Nothing },
        broadcast: interfaces.is_broadcast(destination.ip()),
        locals: vec![local_address(args.local.as_ref(), udpkit::any_address(destination.ip()), interfaces)?],
    })
}

/// Each datagram where it went, in the families that there are.
fn as_recorded(args: &ReplayArgs, interface: Option<InterfaceIndex>, interfaces: &Interfaces) -> Result<Destination> {
    let families = args.common.families();
    let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let has = |ip: &IpAddr| families.admits(*ip) && Socket::bind(SocketAddr::new(*ip, 0), &Options::default()).is_ok();
    let locals = any.into_iter().filter(has).map(|any| local_address(args.local.as_ref(), any, interfaces));
    let mut locals: Vec<_> = match args.local.as_ref().is_some_and(|local| local.host.is_some()) {
        // An address is of one family, and the other is not sent.
        true => {
            let (found, errors): (Vec<_>, Vec<_>) = locals.partition(Result::is_ok);
            if found.is_empty() {
                errors.into_iter().collect::<Result<Vec<_>>>()?;
            }
            found.into_iter().flatten().collect()
        }
        false => locals.collect::<Result<_>>()?,
    };
    locals.dedup();
    Ok(Destination {
        transmit: Transmit::to(SocketAddr::new(any[0], 0)).interface(interface),
        keeps: Keeps::Destination,
        broadcast: true,
        locals,
    })
}

/// The arguments that are not flags.
pub(super) struct Operands {
    /// At least one.
    pub(super) files: Vec<PathBuf>,
    /// None where datagrams go where they went.
    pub(super) address: Option<Address>,
}

/// The captures, and where to send.
pub(super) fn operands(args: &ReplayArgs) -> Result<Operands> {
    let given = &args.operands;
    let shown = |place: usize| given[place].to_string_lossy().into_owned();
    let last = given.len() - 1;
    let is_file = |place: usize| given[place] == "-" || Path::new(&given[place]).is_file();
    let (files, address) = if args.as_recorded { (&given[..], None) } else { (&given[..last], Some(shown(last))) };
    let address = match address {
        None => None,
        Some(text) if is_file(last) && !names_host(&text) => {
            let hint = match last {
                1 if !is_file(0) && shown(0).parse::<Address>().is_ok() => format!("udp replay {text} {}", shown(0)),
                _ => format!("udp replay {text} HOST; or --as-recorded: each goes where it went"),
            };
            return Err(Hint::on(format!("'{text}' is a file, and the last argument is where to send"), hint));
        }
        Some(text) => Some(text.parse::<Address>().map_err(anyhow::Error::msg)?),
    };
    match files {
        [] => Err(Hint::on("there is no capture: the first argument is a file", "udp replay FILE HOST")),
        [file, .., host] if host != "-" && !Path::new(host).exists() => {
            // A port apart from its host.
            let host = host.to_string_lossy();
            let port = address.as_ref().filter(|address| address.host.is_none()).and_then(|address| address.port);
            let whole = host.parse::<Address>().ok().filter(|address| address.port.is_none()).zip(port);
            let hint = whole.map(|(host, port)| host.with_port(port));
            let hint = hint.map(|address| format!("udp replay {} {address}", file.to_string_lossy()));
            let message = format!("cannot read '{host}': no such file or directory");
            Err(hint.map_or_else(|| anyhow::Error::msg(message.clone()), |hint| Hint::on(message.clone(), hint)))
        }
        files => Ok(Operands { files: files.iter().map(PathBuf::from).collect(), address }),
    }
}

/// Whether a text can be nothing but an address.
fn names_host(text: &str) -> bool {
    matches!(text.parse(), Ok(Address { host: Some(Host::Ip(_) | Host::Scoped(..)), .. }))
}

/// Opens the captures; an error where the flags do not go together, or not with such captures.
pub(super) fn origin(args: &ReplayArgs, files: &[PathBuf]) -> Result<Origin> {
    let origin = Origin::open(files, reading(args))?;
    check(args, &origin, files)?;
    Ok(origin)
}

/// An error where the flags do not go together, or not with such captures.
fn check(args: &ReplayArgs, origin: &Origin, files: &[PathBuf]) -> Result<()> {
    if args.common.count == Some(0) {
        bail!("--count 0 would end before anything is sent; --dry-run shows what would be");
    }
    if args.pace.rounds == 1 && !args.pace.loop_delay.is_zero() {
        return Err(Hint::on("--loop-delay has no effect on a single round", "--loop N sends everything N times"));
    }
    if args.dry_run && matches!(args.common.format(), Format::Raw | Format::Hex) {
        bail!("--dry-run lists when each would be sent, and no payloads: as text, or with --json");
    }
    let name = files.first().map(|file| name(file)).unwrap_or_default();
    match origin {
        Origin::Stream(_) if args.pace.rounds != 1 => Err(Hint::on(
            format!("{name} is not a regular file and can only be read once"),
            "without --loop; or write it to a file first",
        )),
        Origin::Stream(_) if args.preserve_source => Err(Hint::on(
            format!("{name} is no file: its sources are not known before it is sent"),
            "without --preserve-source; or write it to a file first",
        )),
        Origin::Stream(_) | Origin::Files(_) => Ok(()),
    }
}

/// How the capture is read.
pub(super) fn reading(args: &ReplayArgs) -> ReadOptions {
    ReadOptions::default().decapsulate(args.decapsulate)
}

/// Which datagrams of the capture are sent.
pub(super) fn selection(args: &ReplayArgs, target: &Destination) -> Selection {
    let sends = |is_v6: bool| target.locals.iter().any(|local| local.is_ipv6() == is_v6);
    Selection {
        ports: args.filter_port.clone(),
        segment: args.segment.map(usize::from),
        target: (target.keeps != Keeps::Destination).then(|| target.transmit.destination.ip()),
        keeps_ports: target.keeps != Keeps::Nothing,
        sources: args.preserve_source.then(|| RefCell::new(Sources::by_family(MAX_SOCKETS, MAX_SOCKETS))),
        families: [sends(false), sends(true)],
        interface: target.transmit.interface,
    }
}

/// What the printer must know.
pub(super) fn settings(args: &ReplayArgs) -> Settings {
    let common = printing::settings(&args.common, Vec::new());
    Settings { numbered: true, refusals: Refusals::Reported, ..common }
}

/// Whether progress is shown: to people who see nothing else.
pub(super) fn shows_progress(args: &ReplayArgs) -> bool {
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
    sending_options(&args.sending, &args.common)
        .broadcast(target.broadcast)
        .transparent(args.preserve_source)
        .errors(true)
        .timestamps(args.common.verbose)
        .dont_fragment(args.df)
}

/// What the engine is asked for, driven with sockets at these addresses.
pub(super) fn engine(
    args: &ReplayArgs,
    target: &Destination,
    own: Vec<SocketAddr>,
    clock_starts: Vec<u64>,
) -> ReplayOptions {
    ReplayOptions::new(target.transmit.destination)
        .transmit(target.transmit)
        .keeps(target.keeps)
        .keeps_source(args.preserve_source)
        .pace(pace(args))
        .longest_gap(args.pace.max_gap)
        .clock_starts(clock_starts)
        .rounds(Some(args.pace.rounds).filter(|rounds| *rounds > 0))
        .loop_delay(args.pace.loop_delay)
        .limits(args.common.limits())
        .wait(args.wait)
        .any_source(target.is_shared())
        .own(own)
        .busy_wait(args.pace.busy_wait)
        .verbose(args.common.verbose)
}

fn pace(args: &ReplayArgs) -> ReplayPace {
    match (args.pace.rate, args.pace.speed) {
        (Some(rate), _) => ReplayPace::Fixed(Rate::pace(rate)),
        (None, _) if args.pace.max => ReplayPace::Unpaced,
        (None, speed) => ReplayPace::Recorded { speed: speed.unwrap_or(1.0) },
    }
}
