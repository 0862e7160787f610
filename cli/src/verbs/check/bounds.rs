//! What a check may do: to which addresses, how fast, how much, for how long; and how it is interrupted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use parking_lot::{Condvar, Mutex};
use udpkit::Interfaces;

use crate::hint::Hint;
use crate::output::end_waiting;
use crate::runtime::signals;
use crate::words::endpoint::Endpoint;
use crate::words::units;

/// Datagrams a second, in the mean.
const RATE: u32 = 1_000;
/// Datagrams that may leave at once.
pub(super) const AT_ONCE: u32 = 128;
/// Datagrams in all.
const MOST: u64 = 20_000;

/// Why a check cannot go on with a point.
#[derive(Debug)]
pub(super) enum Cut {
    /// A signal ended the check.
    Interrupted,
    /// Its time is over.
    Time(Duration),
    /// It has sent as much as it may.
    Count,
    /// The system refused something.
    System(anyhow::Error),
}

impl Cut {
    /// Words for why a point was not seen.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Interrupted => "interrupted".to_owned(),
            Self::Time(limit) => format!("the check ended before, after {} (--for)", units::human(*limit)),
            Self::Count => format!("the check ended before: it sends {MOST} datagrams at most"),
            Self::System(error) => error.to_string(),
        }
    }
}

impl From<udpkit::Error> for Cut {
    fn from(error: udpkit::Error) -> Self {
        Self::System(error.into())
    }
}

impl From<std::io::Error> for Cut {
    fn from(error: std::io::Error) -> Self {
        Self::System(error.into())
    }
}

/// The time by the clock that arrivals have.
#[expect(clippy::disallowed_methods, reason = "patience is a matter of time, and no engine runs here")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// An error for an address that a check must not send to: one of the internet without `--i-may`, or of many hosts.
pub(super) fn check_address(address: SocketAddr, i_may: bool, interfaces: &Interfaces) -> Result<()> {
    let ip = address.ip();
    if ip.is_multicast() || ip.is_unspecified() || interfaces.is_broadcast(ip) {
        bail!("cannot check {}: it is not the address of one host", Endpoint(address));
    }
    if !i_may && !is_private(ip) {
        return Err(Hint::on(
            format!("cannot check {}: the address is neither loopback nor private", Endpoint(address)),
            "--i-may, if the host is yours or its owner agreed: a check sends what breaks weak programs",
        ));
    }
    Ok(())
}

/// Whether an address is of loopback, of a private network (RFC 1918, RFC 4193) or link-local.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// How much a check may still do.
#[derive(Debug)]
pub(super) struct Budget {
    /// Datagrams.
    left: u64,
    limit: Duration,
    end: Instant,
    /// When the rate would have let the last datagram leave: [`AT_ONCE`] may be ahead of it.
    due: Instant,
    stop: Stop,
}

impl Budget {
    /// A check of this length at most, which begins now. A signal ends it.
    pub(super) fn new(limit: Duration) -> Result<Self> {
        let stop = Stop::default();
        let stopped = stop.clone();
        signals::handle(move || stopped.stop(), signals::NO_HANGUP)?;
        let start = now();
        let end = start.checked_add(limit).unwrap_or(start);
        Ok(Self { left: MOST, limit, end, due: start, stop })
    }

    /// An error if the check must end.
    pub(super) fn check(&self) -> Result<(), Cut> {
        match () {
            () if self.stop.is_stopped() => Err(Cut::Interrupted),
            () if now() >= self.end => Err(Cut::Time(self.limit)),
            () => Ok(()),
        }
    }

    /// Waits until a datagram may leave, which then must.
    pub(super) fn spend(&mut self) -> Result<(), Cut> {
        self.left = self.left.checked_sub(1).ok_or(Cut::Count)?;
        let step = Duration::from_secs(1) / RATE;
        self.due = self.due.max(now()) + step;
        self.wait_until(self.due.checked_sub(step * AT_ONCE).unwrap_or(self.due))
    }

    /// Waits, unless the check must end before.
    pub(super) fn wait_until(&self, moment: Instant) -> Result<(), Cut> {
        self.stop.wait_until(moment.min(self.end));
        self.check()
    }

    /// The end of a wait that a signal cannot end, on the way to this moment.
    pub(super) fn slice(&self, until: Instant) -> Instant {
        (now() + SLICE).min(until)
    }
}

/// How long a signal may have to wait for a socket.
const SLICE: Duration = Duration::from_millis(50);

/// Whether a signal came; it can be waited for.
#[derive(Clone, Debug, Default)]
struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    fn stop(&self) {
        end_waiting();
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn is_stopped(&self) -> bool {
        *self.0.0.lock()
    }

    fn wait_until(&self, moment: Instant) {
        let mut stopped = self.0.0.lock();
        while !*stopped && !self.0.1.wait_until(&mut stopped, moment).timed_out() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_private_addresses_are_checked_without_being_asked() {
        let interfaces = Interfaces::default();
        let check = |address: &str, i_may| check_address(address.parse().unwrap(), i_may, &interfaces);
        let private = [
            "127.0.0.1:9",
            "127.255.0.1:9",
            "10.1.2.3:9",
            "172.31.0.1:9",
            "192.168.0.1:9",
            "169.254.1.1:9",
            "[::1]:9",
            "[fd00::1]:9",
            "[fe80::1]:9",
        ];
        for address in private {
            assert!(check(address, false).is_ok(), "{address}");
        }
        let public = ["8.8.8.8:53", "172.32.0.1:9", "100.64.0.1:9", "192.0.2.1:9", "[2001:db8::1]:9", "[2600::]:53"];
        for address in public {
            let error = check(address, false).unwrap_err();
            assert!(error.to_string().contains("neither loopback nor private"), "{address}: {error}");
            assert!(check(address, true).is_ok(), "{address}");
        }
        for address in ["224.0.0.1:9", "255.255.255.255:9", "0.0.0.0:9", "[::]:9", "[ff02::1]:9"] {
            let error = check(address, true).unwrap_err();
            assert!(error.to_string().contains("not the address of one host"), "{address}: {error}");
        }
    }
}
