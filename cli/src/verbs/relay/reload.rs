//! A scenario file that is read again at SIGHUP.

use anyhow::Result;
use udpkit::Relay;

use super::scenario::Source;
use crate::output::{Remark, SharedPrinter, words_of};
use crate::runtime::signals;
use crate::words::units::counted;

/// Reads the scenario again whenever what is returned is called, and begins it anew; where it holds a mistake, the old one goes on.
pub(super) fn reload(
    source: Source,
    relay: &Relay,
    printer: &SharedPrinter,
) -> Result<impl Fn() + Send + Sync + use<>> {
    let (remote, printer) = (relay.remote().clone(), printer.clone());
    signals::reread(move || {
        let remark = match source.plan() {
            Ok(plan) => {
                if !remote.input(plan.input()) {
                    return;
                }
                let steps = counted(plan.steps.len() as u64, "change");
                Remark::note(format!("scenario read again: it begins anew, {steps} to come"))
            }
            Err(error) => Remark::complaint(format!("keeping the old scenario: {}", words_of(&error))),
        };
        let mut printer = printer.lock();
        printer.say(&remark);
        printer.flush();
    })
}
