//! A short function for each verb: open sockets, drive the engine, print, and say how it ended.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use clap::CommandFactory;
use udpkit::verbs::{Broadcast, BroadcastOptions, SendOptions, Sender};
use udpkit::{Drive, End, Engine, Interfaces, Memberships, Reason, Report, Socket, control, drive};

use crate::args::{Args, BroadcastArgs, CommonArgs, CompletionsArgs, InterfacesArgs, ManArgs};
use crate::args::{SendArgs, Verb};
use crate::hint::Hint;
use crate::output::{self, Settings, StdPrinter};
use crate::runtime::exit::Exit;
use crate::runtime::input;
use crate::runtime::payload::{self, Payloads};
use crate::runtime::signals;
use crate::words::format::Format;

pub(crate) fn run(args: Args) -> Result<Exit> {
    match args.verb {
        Verb::Serve(args) => crate::verbs::serve::serve(&args),
        Verb::Send(args) => send(&args),
        Verb::Listen(args) => crate::verbs::listen::listen(&args),
        Verb::Broadcast(args) => broadcast(&args),
        Verb::Replay(args) => crate::verbs::replay::replay(&args),
        Verb::Interfaces(args) => interfaces(&args),
        Verb::Completions(args) => completions(&args),
        Verb::Man(args) => man(&args),
    }
}

fn send(args: &SendArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let destinations = args.destinations(&interfaces)?;
    let payloads = payload::payloads(&args.payload, udpkit::max_payload(destinations[0].ip()))?;
    // A name may have an address where nobody listens and another where somebody does.
    let mut rest = destinations.as_slice();
    loop {
        let Some((&destination, others)) = rest.split_first() else { return Ok(Exit::Failed) };
        rest = others;
        let last = rest.is_empty() || matches!(payloads, Payloads::Input(_));
        match send_to(args, destination, &payloads, last, &interfaces)? {
            Some(exit) => return Ok(exit),
            None => continue,
        }
    }
}

/// Sends to one address; `None` if nobody is there and it is not the last to be tried.
fn send_to(
    args: &SendArgs,
    destination: std::net::SocketAddr,
    payloads: &Payloads,
    last: bool,
    interfaces: &Interfaces,
) -> Result<Option<Exit>> {
    let sending = args.sending(destination, interfaces)?;
    let destination = sending.transmit.destination;
    let limit = udpkit::max_payload(destination.ip());
    let requests = args.pace.requests(payloads, &args.common)?;
    let single = matches!(payloads, Payloads::List(list) if list.len() == 1)
        && args.pace.repeat.is_none()
        && args.common.duration.is_none();
    let mut settings = Settings::new(&args.common, vec![sending.socket.local_address().port()]);
    settings.numbered = !single;
    settings.sends = true;
    let mut printer = StdPrinter::std(settings);
    printer.set_interfaces(interfaces);
    if args.common.verbose {
        note_fragments(&mut printer, destination, payloads);
    }
    let options = SendOptions {
        transmit: sending.transmit,
        any_source: sending.any_source,
        own: vec![sending.socket.local_address()],
        wait: args.wait,
        replies: args.replies_wanted(&sending),
        retries: args.retries,
        pace: args.pace.pace(&args.common),
        duration: args.common.duration,
        count: args.common.count,
        verbose: args.common.verbose,
    };
    let mut engine = Sender::new(options, requests);
    let input = match payloads {
        Payloads::Input(delimiter) => Some((*delimiter, limit)),
        Payloads::List(_) => None,
    };
    let sockets = [sending.socket];
    let ((report, end), refused) = go(&sockets, &mut engine, &mut printer, input)?;
    if report.delivered == 0 && report.unreachable > 0 && !last && end == End::Done {
        return Ok(None);
    }
    let silent = report.delivered == 0 && report.unreachable == 0 && report.send_failed == 0 && end == End::Done;
    if single && silent && !args.wait.is_zero() {
        let wait = crate::words::units::human(report.elapsed);
        printer.note(&format!(
            "no reply from {destination} in {wait} (UDP cannot tell an open port from a lost datagram)"
        ));
    }
    if report.delivered == 0 {
        note_other_sources(&mut printer, report.ignored.of(Reason::OtherSource));
    }
    if !single || printer.is_json() {
        let (waited, buffer) = (!args.wait.is_zero(), buffer_of(&sockets));
        printer.summary(&report, |out, report| output::sender_summary(out, report, waited, buffer));
    }
    let exit = match () {
        () if report.delivered > 0 && !refused => Exit::Done,
        () if end == End::Stopped => Exit::Interrupted,
        () if report.unreachable > 0 || report.send_failed > 0 || refused => Exit::Failed,
        () if args.wait.is_zero() || end == End::SinkClosed => Exit::Done,
        () => Exit::No,
    };
    finish(&printer, exit).map(Some)
}

fn broadcast(args: &BroadcastArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list()?;
    let plans = args.plan(&interfaces)?;
    let destinations = plans.used.iter().map(|plan| plan.transmit.destination.ip());
    let limit = destinations.map(udpkit::max_payload).min().unwrap_or(udpkit::MAX_PAYLOAD_V4);
    let payloads = payload::payloads(&args.payload, limit)?;
    let requests = args.pace.requests(&payloads, &args.common)?;
    let mut printer = StdPrinter::std(Settings { dry_run: args.dry_run, ..Settings::new(&args.common, Vec::new()) });
    for (name, reason) in &plans.left_out {
        printer.left_out(name, reason);
    }
    for plan in &plans.used {
        printer.target(&plan.name, plan.transmit.destination);
    }
    printer.flush();
    if plans.used.is_empty() {
        return Err(Hint::on(
            "no interface can broadcast",
            "`udp interfaces` shows why; -i NAME uses one that is left out unless named",
        ));
    }
    if args.dry_run {
        return finish(&printer, Exit::Done);
    }
    let (sockets, targets) = args.sockets(&plans)?;
    drop(printer);
    let ports = targets.iter().map(|target| target.own.port()).collect();
    let mut printer =
        StdPrinter::std(Settings { name_interfaces: true, sends: true, ..Settings::new(&args.common, ports) });
    printer.set_interfaces(&interfaces);
    let options = BroadcastOptions {
        targets,
        wait: args.wait,
        pace: args.pace.pace(&args.common),
        duration: args.common.duration,
        count: args.common.count,
        verbose: args.common.verbose,
    };
    let mut engine = Broadcast::new(options, requests);
    let input = match &payloads {
        Payloads::Input(delimiter) => Some((*delimiter, limit)),
        Payloads::List(_) => None,
    };
    let ((report, end), refused) = go(&sockets, &mut engine, &mut printer, input)?;
    let (waited, buffer) = (!args.wait.is_zero(), buffer_of(&sockets));
    printer.summary(&report, |out, report| output::broadcast_summary(out, report, waited, buffer));
    let exit = match () {
        () if report.sent.datagrams == 0 || refused => Exit::Failed,
        () if report.delivered > 0 => Exit::Done,
        () if end == End::Stopped => Exit::Interrupted,
        () if args.wait.is_zero() || end == End::SinkClosed => Exit::Done,
        () => Exit::No,
    };
    finish(&printer, exit)
}

fn interfaces(args: &InterfacesArgs) -> Result<Exit> {
    let format = if args.json { Format::Json } else { Format::Text };
    let mut printer = StdPrinter::std(Settings::plain(format));
    printer.list_interfaces(&Interfaces::list()?);
    finish(&printer, Exit::Done)
}

fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "udp", &mut script);
    match io::Write::write_all(&mut io::stdout().lock(), &script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(Exit::Done),
    }
}

fn man(args: &ManArgs) -> Result<Exit> {
    clap_mangen::generate_to(Args::command(), &args.directory)
        .with_context(|| format!("cannot write man pages to '{}'", args.directory.display()))?;
    Ok(Exit::Done)
}

/// Drives a sender until it ends or a signal comes; `input` feeds standard input to it, cut at a byte, up to a length.
/// Also returns whether a part of the input could not be sent.
fn go<E: Engine>(
    sockets: &[Socket],
    engine: &mut E,
    printer: &mut StdPrinter,
    input: Option<(u8, usize)>,
) -> Result<((Report, End), bool)> {
    let (remote, control) = control()?;
    let stop = remote.clone();
    signals::handle(move || stop.stop(), signals::NO_HANGUP)?;
    let refused = input.map(|(delimiter, limit)| input::feed(remote, delimiter, limit));
    let outcome = drive(sockets, engine, Drive { control, memberships: Memberships::default() }, printer)?;
    Ok((outcome, refused.is_some_and(|refused| refused.any())))
}

/// How a verb ended that receives until it is told to end: with `--count`, nothing at all is a no.
pub(crate) fn receiver_exit(report: &Report, end: End, common: &CommonArgs, used: u64) -> Exit {
    match (common.count, end) {
        (_, End::Panicked) => Exit::Failed,
        _ if report.reply_failed > 0 && report.answered == 0 => Exit::Failed,
        (Some(wanted), End::Stopped) if used == 0 && wanted > 0 => Exit::Interrupted,
        (Some(wanted), End::Done) if used == 0 && wanted > 0 => Exit::No,
        _ => Exit::Done,
    }
}

/// The exit status, unless the output could not be written.
pub(crate) fn finish(printer: &StdPrinter, exit: Exit) -> Result<Exit> {
    match printer.failure() {
        Some(error) => bail!("cannot write to standard output: {}", udpkit::reason(error)),
        None => Ok(exit),
    }
}

pub(crate) fn check_format(common: &CommonArgs) -> Result<()> {
    if common.format() == Format::Raw && io::stdout().is_terminal() && !common.force {
        return Err(Hint::on(
            "raw bytes from the network could take over the terminal",
            "send them to a file or a pipe, or insist with --force",
        ));
    }
    Ok(())
}

pub(crate) fn buffer_of(sockets: &[Socket]) -> usize {
    sockets.iter().map(Socket::receive_buffer).min().unwrap_or(0)
}

/// Says how to take answers that came from elsewhere.
fn note_other_sources(printer: &mut StdPrinter, count: u64) {
    match count {
        0 => {}
        1 => printer.note("1 datagram came from elsewhere and was ignored; --any-source takes it"),
        _ => printer.note(&format!("{count} datagrams came from elsewhere and were ignored; --any-source takes them")),
    }
}

/// Says which payloads are longer than the path takes in one piece.
fn note_fragments(printer: &mut StdPrinter, destination: std::net::SocketAddr, payloads: &Payloads) {
    let Some(mtu) = udpkit::path_mtu(destination) else { return };
    let Payloads::List(list) = payloads else { return };
    let len = list.iter().map(Vec::len).max().unwrap_or(0) + udpkit::header_len(destination.ip());
    if len > mtu as usize {
        printer.note(&format!("{len} B with headers is over the path's MTU of {mtu} B: it will be sent in fragments"));
    }
}
