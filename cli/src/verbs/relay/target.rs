//! A target that is a name: looked up now and then, since its address may change while the relay runs.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use udpkit::Relay;
use udpkit::verbs::RelayInput;

use super::options;
use crate::args::RelayArgs;
use crate::output::{Remark, SharedPrinter, words_of};
use crate::words::address::Host;
use crate::words::endpoint::Endpoint;

/// A thread looks the target up until this is dropped.
pub(super) struct Following {
    _running: Option<SyncSender<()>>,
}

/// Looks the target up at the interval that was asked for, and lets the relay know where it is.
pub(super) fn follow(
    args: &RelayArgs,
    relay: &Relay,
    target: SocketAddr,
    printer: &SharedPrinter,
) -> Result<Following> {
    if !matches!(args.target.host, Some(Host::Name(_))) || args.lookup_interval.is_zero() {
        return Ok(Following { _running: None });
    }
    let (running, ended) = sync_channel(0);
    let lookup = options::lookup(args);
    let (remote, printer, interval) = (relay.remote().clone(), printer.clone(), args.lookup_interval);
    let look = move || {
        let (mut target, mut is_lost) = (target, false);
        while !has_ended(&ended, interval) {
            let remark = match lookup() {
                Ok(addresses) if addresses.contains(&target) => {
                    is_lost = false;
                    continue;
                }
                Ok(addresses) => {
                    let Some(now) = options::of_same_family(&addresses, target) else { continue };
                    (target, is_lost) = (now, false);
                    if !remote.input(RelayInput::Target(now)) {
                        return;
                    }
                    Remark::note(format!("the target is at {} now", Endpoint(now)))
                }
                // Once, until it is found again.
                Err(_) if std::mem::replace(&mut is_lost, true) => continue,
                Err(error) => Remark::complaint(format!("keeping the target's old address: {}", words_of(&error))),
            };
            let mut printer = printer.lock();
            printer.say(&remark);
            printer.flush();
        }
    };
    std::thread::Builder::new().spawn(look).context("cannot start a thread that looks the target up")?;
    Ok(Following { _running: Some(running) })
}

/// Waits for this time; whether the relay ended meanwhile.
fn has_ended(ended: &Receiver<()>, interval: Duration) -> bool {
    ended.recv_timeout(interval) != Err(RecvTimeoutError::Timeout)
}
