//! `udp broadcast`: a datagram to every host on every attached network, and who answers.

mod plan;

use anyhow::Result;
use udpkit::verbs::{Broadcast, BroadcastOptions};
use udpkit::{End, Interfaces};

use crate::args::BroadcastArgs;
use crate::hint::Hint;
use crate::output::{self, Settings, StdPrinter};
use crate::runtime::exchange::exchange;
use crate::runtime::exit::{Exit, finish};
use crate::runtime::payload::{self, Payloads};
use crate::runtime::printing::check_format;
use crate::runtime::requests::{pace, requests};
use crate::runtime::sockets::buffer_of;

pub(crate) fn broadcast(args: &BroadcastArgs) -> Result<Exit> {
    check_format(&args.common)?;
    let interfaces = Interfaces::list()?;
    let plans = plan::plan(args, &interfaces)?;
    let destinations = plans.used.iter().map(|plan| plan.transmit.destination.ip());
    let limit = destinations.map(udpkit::max_payload).min().unwrap_or(udpkit::MAX_PAYLOAD_V4);
    let payloads = payload::payloads(&args.payload, limit)?;
    let requests = requests(&args.pace, &payloads, &args.common)?;
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
    let (sockets, targets) = plan::sockets(args, &plans)?;
    drop(printer);
    let ports = targets.iter().map(|target| target.own.port()).collect();
    let mut printer =
        StdPrinter::std(Settings { name_interfaces: true, sends: true, ..Settings::new(&args.common, ports) });
    printer.set_interfaces(&interfaces);
    let options = BroadcastOptions {
        targets,
        wait: args.wait,
        pace: pace(&args.pace, &args.common),
        duration: args.common.duration,
        count: args.common.count,
        verbose: args.common.verbose,
    };
    let mut engine = Broadcast::new(options, requests);
    let input = match &payloads {
        Payloads::Input(delimiter) => Some((*delimiter, limit)),
        Payloads::List(_) => None,
    };
    let ((report, end), refused) = exchange(&sockets, &mut engine, &mut printer, input)?;
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
