//! How `udp send` ended: what came, and which status that is.

use udpkit::verbs::SendFigures;
use udpkit::{End, Report};

use crate::args::SendArgs;
use crate::runtime::exchange::Exchanged;
use crate::runtime::exit::Exit;

/// Whether nothing came at all, not even a refusal.
pub(super) fn is_silent(report: &Report<SendFigures>, end: End) -> bool {
    report.delivered == 0 && report.unreachable == 0 && report.send_failed == 0 && end == End::Done
}

/// The exit status of a run.
pub(super) fn exit(args: &SendArgs, exchanged: &Exchanged<SendFigures>) -> Exit {
    let Exchanged { report, end, is_input_refused, .. } = exchanged;
    // Of an interrupted run the last answers may have been on their way.
    let some_lost = args.all && report.own.requests_answered < report.own.requests;
    match () {
        () if report.delivered > 0 && some_lost && *end == End::Done && !is_input_refused => Exit::No,
        () if some_lost && *end == End::Stopped => Exit::Interrupted,
        () if report.delivered > 0 && !is_input_refused => Exit::Done,
        () if *end == End::Stopped => Exit::Interrupted,
        () if report.unreachable > 0 || report.send_failed > 0 || *is_input_refused => Exit::Failed,
        () if args.wait.is_zero() || *end == End::SinkClosed => Exit::Done,
        () => Exit::No,
    }
}
