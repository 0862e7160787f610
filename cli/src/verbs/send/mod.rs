//! `udp send`: datagrams to one address, who answers, and how fast.

mod notices;
mod options;
mod outcome;

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::verbs::SendToMany;
use udpkit::{End, Interfaces, Reason};

use crate::args::SendArgs;
use crate::output::StdPrinter;
use crate::runtime::exchange::{Exchanged, exchange};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::payload::{self, Payloads};
use crate::runtime::printing::check_format;
use crate::runtime::requests::{requests, rounds};
use crate::runtime::{misplaced, missing};

/// Sends to the address, or to those that a name has, until somebody is there.
pub(crate) fn send(args: &SendArgs) -> Result<Exit> {
    check_format(&args.common)?;
    options::check(args)?;
    misplaced::check_send(args)?;
    let interfaces = Interfaces::list().unwrap_or_default();
    misplaced::check_interval(&args.common, &interfaces)?;
    let destinations = options::destinations(args, &interfaces)?;
    let payloads = payload::payloads(&args.payload, udpkit::max_payload(destinations[0].ip()))?;
    // A name may have an address where nobody listens and another where somebody does.
    let mut rest = destinations.as_slice();
    while let Some((&destination, others)) = rest.split_first() {
        rest = others;
        let last = rest.is_empty() || matches!(payloads, Payloads::Input(_));
        if let Some(exit) = send_to(args, destination, &payloads, last, &interfaces)? {
            return Ok(exit);
        }
    }
    Ok(Exit::Failed)
}

/// Sends to one address; `None` if nobody is there and it is not the last to be tried.
fn send_to(
    args: &SendArgs,
    destination: SocketAddr,
    payloads: &Payloads,
    last: bool,
    interfaces: &Interfaces,
) -> Result<Option<Exit>> {
    let sending = options::sending(args, destination, interfaces)?;
    let destination = sending.transmits[0].destination;
    let requests = requests(&args.pace, payloads, &args.common)?;
    let single = options::is_single(args, &sending, payloads);
    let mut printer = StdPrinter::std(options::settings(args, &sending, single));
    printer.set_interfaces(interfaces);
    notices::fragments(&sending.transmits[0], payloads, args).iter().for_each(|note| printer.say(note));
    missing::report_of_requests(&mut printer, &sending.sockets, !args.wait.is_zero(), &args.common);
    let mut engine = SendToMany::new(&options::engine(args, &sending), &sending.transmits, &requests);
    let input = payloads.input().map(|parts| (parts, rounds(&args.pace, &args.common)));
    let exchanged = exchange(sending.sockets, &mut engine, &mut printer, input)?;
    let Exchanged { report, end, receive_buffer, .. } = &exchanged;
    if report.delivered == 0 && report.unreachable > 0 && !last && *end == End::Done {
        return Ok(None);
    }
    if single && outcome::is_silent(report, *end) && !args.wait.is_zero() {
        printer.say(&notices::no_reply(destination, report.elapsed));
    }
    let elsewhere = report.ignored.of(Reason::OtherSource);
    if let Some(note) = notices::other_sources(elsewhere).filter(|_| report.delivered == 0) {
        printer.say(&note);
    }
    if !single || printer.is_json() {
        printer.conclude(&notices::summary(report, !args.wait.is_zero(), *receive_buffer));
    }
    finish(&printer, outcome::exit(args, &exchanged)).map(Some)
}
