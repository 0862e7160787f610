//! A scenario file that is read again at SIGHUP.

use std::sync::mpsc::sync_channel;

use anyhow::{Context, Result};
use udpkit::Relay;

use super::scenario::{Plan, Source};
use crate::output::{Remark, SharedPrinter, words_of};
use crate::words::units::counted;

/// Reads the scenario again whenever what is returned is called, and begins it anew; where it holds a mistake, the old one goes on.
///
/// It is done in a thread of its own, which may have to wait for a file that is a pipe.
pub(super) fn reload(
    source: Source,
    plan: Plan,
    relay: &Relay,
    printer: &SharedPrinter,
) -> Result<impl Fn() + Send + use<>> {
    let (remote, printer) = (relay.remote().clone(), printer.clone());
    // Once more is enough, however often it is asked for meanwhile.
    let (ask, asked) = sync_channel(1);
    let read = move || {
        let mut before = plan;
        for () in asked {
            let remark = match source.plan() {
                Ok(plan) => {
                    if !plan.inputs(&before).into_iter().all(|input| remote.input(input)) {
                        return;
                    }
                    let steps = counted(plan.steps.len() as u64, "change");
                    before = plan;
                    Remark::note(format!("scenario read again: it begins anew, {steps} to come"))
                }
                Err(error) => Remark::complaint(format!("keeping the old scenario: {}", words_of(&error))),
            };
            let mut printer = printer.lock();
            printer.say(&remark);
            printer.flush();
        }
    };
    std::thread::Builder::new().spawn(read).context("cannot start a thread for the scenario")?;
    Ok(move || {
        let _ = ask.try_send(());
    })
}
