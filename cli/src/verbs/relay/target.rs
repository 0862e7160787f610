//! A target that is a name: looked up now and then, since its address may change while the relay runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
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

/// Where the target is now: all who show it read it here.
#[derive(Clone, Debug)]
pub(super) struct Current(Arc<Mutex<SocketAddr>>);

impl Current {
    /// At this address until it is found elsewhere.
    pub(super) fn new(target: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(target)))
    }

    #[cfg(any(test, feature = "http", feature = "tui"))]
    pub(super) fn get(&self) -> SocketAddr {
        *self.0.lock()
    }

    /// Takes what a lookup found; gives the address where the target is now, if it is another one.
    pub(super) fn look(&self, found: &[SocketAddr]) -> Option<SocketAddr> {
        let mut target = self.0.lock();
        if found.contains(&target) {
            return None;
        }
        *target = options::of_same_family(found, *target)?;
        Some(*target)
    }
}

/// Looks the target up at the interval that was asked for, and lets the relay know where it is.
pub(super) fn follow(args: &RelayArgs, relay: &Relay, target: &Current, printer: &SharedPrinter) -> Result<Following> {
    if !matches!(args.target.host, Some(Host::Name(_))) || args.lookup_interval.is_zero() {
        return Ok(Following { _running: None });
    }
    let (running, ended) = sync_channel(0);
    let lookup = options::lookup(args);
    let (remote, printer, interval) = (relay.remote().clone(), printer.clone(), args.lookup_interval);
    let target = target.clone();
    let look = move || {
        let mut is_lost = false;
        while !has_ended(&ended, interval) {
            let remark = match lookup() {
                Ok(addresses) => {
                    is_lost = false;
                    let Some(now) = target.look(&addresses) else { continue };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_stays_where_it_is_while_it_is_found_there() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let target = Current::new(address("192.0.2.1:9"));
        let shown = target.clone();
        for found in [&["192.0.2.2:9", "192.0.2.1:9"][..], &["[2001:db8::1]:9"], &[]] {
            assert_eq!(target.look(&found.iter().copied().map(address).collect::<Vec<_>>()), None, "{found:?}");
            assert_eq!(shown.get(), address("192.0.2.1:9"));
        }
        let moved = target.look(&["[2001:db8::1]:9", "192.0.2.3:9"].map(address));
        assert_eq!((moved, shown.get()), (Some(address("192.0.2.3:9")), address("192.0.2.3:9")));
    }
}
