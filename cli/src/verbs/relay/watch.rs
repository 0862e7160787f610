//! What watches the relay: signals, and the state told now and then.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use udpkit::{End, Event, Relay, Sink};

use super::notices::Relaying;
use super::over_http::Tap;
use crate::args::RelayArgs;
use crate::output::{News, Refusals, SharedPrinter, StdPrinter};
use crate::runtime::signals;
use crate::words::endpoint::Endpoint;

/// How long the end is waited for where no state is told; then it is waited for again.
const LONG: Duration = Duration::from_secs(3600);

/// Hears signals, and then says that it relays: from then on others may send to it, or end it.
pub(super) fn begin(
    relay: &Arc<Relay>,
    places: &[SocketAddr],
    target: SocketAddr,
    seed: u64,
    first: &mut StdPrinter,
) -> Result<()> {
    let remote = relay.remote().clone();
    signals::handle(move || remote.stop(), None::<fn()>)?;
    first.say(&Relaying { addresses: places, target: Endpoint(target), seed });
    Ok(())
}

/// Waits for the end, and tells the state meanwhile.
pub(super) fn watch(relay: &Relay, _printer: &SharedPrinter, interval: Option<Duration>) -> Result<End> {
    loop {
        if let Some(end) = relay.wait(interval.unwrap_or(LONG)) {
            return Ok(end?);
        }
    }
}

/// What takes the events of the relay.
pub(super) fn sink(args: &RelayArgs, printer: &SharedPrinter, tap: Option<Tap>) -> RelaySink {
    RelaySink { printer: printer.clone(), news: News::new(args.common.verbose, Refusals::Counted), tap }
}

/// Prints what is news.
pub(super) struct RelaySink {
    printer: SharedPrinter,
    news: News,
    tap: Option<Tap>,
}

impl Sink for RelaySink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if let Some(tap) = &mut self.tap {
            tap.event(&event);
        }
        let passes = self.news.passes(&event);
        let repeated = self.news.take_due();
        if !passes && repeated.is_empty() {
            return ControlFlow::Continue(());
        }
        let mut printer = self.printer.lock();
        repeated.into_iter().for_each(|repeated| printer.absorb(repeated));
        if passes { printer.event(event) } else { ControlFlow::Continue(()) }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        if let Some(tap) = &mut self.tap {
            tap.catch_up();
        }
        self.printer.lock().idle()
    }
}
