//! `udp broadcast`: a datagram to every host on every attached network, and who answers.

mod notices;
mod options;
mod plan;

use anyhow::Result;
use udpkit::verbs::{Broadcast, BroadcastFigures};
use udpkit::{End, Interfaces};

use crate::args::BroadcastArgs;
use crate::hint::Hint;
use crate::output::StdPrinter;
use crate::runtime::exchange::{Exchanged, exchange};
use crate::runtime::exit::{Exit, finish};
use crate::runtime::payload;
use crate::runtime::printing::{self, check_format};
use crate::runtime::requests::{requests, rounds};
use crate::runtime::{misplaced, missing};
use crate::words::endpoint::Endpoint;
use plan::Plans;

/// Asks every attached network, and collects the answers.
pub(crate) fn broadcast(args: &BroadcastArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list()?;
    misplaced::check_broadcast(args, &interfaces)?;
    misplaced::check_interval(&args.common, &interfaces)?;
    let mut plans = plan::plan(args, &interfaces)?;
    let limit = plans.payload_limit();
    let payloads = payload::payloads(&args.payload, limit)?;
    let requests = requests(&args.pace, &payloads, &args.common)?;
    let mut printer = StdPrinter::std(printing::settings(&args.common, Vec::new()));
    let (sockets, targets) = if args.dry_run { Default::default() } else { options::sockets(args, &mut plans)? };
    tell_plans(&mut printer, &plans, args.dry_run);
    if plans.used.is_empty() {
        return Err(Hint::on(
            "no interface can broadcast",
            "`udp interfaces` shows why; -i NAME uses one that is left out unless named",
        ));
    }
    if args.dry_run {
        return finish(&printer, Exit::Done);
    }
    drop(printer);
    let mut printer = StdPrinter::std(options::settings(args, &targets));
    printer.set_interfaces(&interfaces);
    missing::report_of_requests(&mut printer, &sockets, !args.wait.is_zero(), &args.common);
    let mut engine = Broadcast::new(options::engine(args, targets), requests);
    let input = payloads.input().map(|parts| (parts, rounds(&args.pace, &args.common)));
    let exchanged = exchange(sockets, &mut engine, &mut printer, input)?;
    let (report, buffer) = (&exchanged.report, exchanged.receive_buffer);
    printer.conclude(&notices::summary(report, !args.wait.is_zero(), buffer));
    finish(&printer, exit(args, &exchanged))
}

/// Tells by which interfaces it goes, and which are left out.
fn tell_plans(printer: &mut StdPrinter, plans: &Plans, is_dry_run: bool) {
    for (interface, reason) in &plans.left_out {
        printer.say(&notices::LeftOut { interface, reason });
    }
    for plan in &plans.used {
        let destination = Endpoint(plan.transmit.destination);
        printer.say(&notices::Target { interface: &plan.name, destination, is_dry_run });
    }
    printer.flush();
}

fn exit(args: &BroadcastArgs, exchanged: &Exchanged<BroadcastFigures>) -> Exit {
    let Exchanged { report, end, is_input_refused, .. } = exchanged;
    match () {
        () if report.sent.datagrams == 0 || *is_input_refused => Exit::Failed,
        () if report.delivered > 0 => Exit::Done,
        () if *end == End::Stopped => Exit::Interrupted,
        () if args.wait.is_zero() || *end == End::SinkClosed => Exit::Done,
        () => Exit::No,
    }
}
