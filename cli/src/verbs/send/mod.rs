//! `udp send`: datagrams to one address, who answers, and how fast.

mod options;

use anyhow::Result;
use udpkit::verbs::{SendOptions, Sender};
use udpkit::{End, Interfaces, Reason};

use crate::args::SendArgs;
use crate::output::{self, Settings, StdPrinter};
use crate::runtime::exchange::exchange;
use crate::runtime::exit::{Exit, finish};
use crate::runtime::payload::{self, Payloads};
use crate::runtime::printing::check_format;
use crate::runtime::requests::{pace, requests};
use crate::runtime::sockets::buffer_of;
use crate::words::units;

pub(crate) fn send(args: &SendArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    let destinations = options::destinations(args, &interfaces)?;
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
    let sending = options::sending(args, destination, interfaces)?;
    let destination = sending.transmit.destination;
    let limit = udpkit::max_payload(destination.ip());
    let requests = requests(&args.pace, payloads, &args.common)?;
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
        replies: options::replies_wanted(args, &sending),
        retries: args.retries,
        pace: pace(&args.pace, &args.common),
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
    let ((report, end), refused) = exchange(&sockets, &mut engine, &mut printer, input)?;
    if report.delivered == 0 && report.unreachable > 0 && !last && end == End::Done {
        return Ok(None);
    }
    let silent = report.delivered == 0 && report.unreachable == 0 && report.send_failed == 0 && end == End::Done;
    if single && silent && !args.wait.is_zero() {
        let wait = units::human(report.elapsed);
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
