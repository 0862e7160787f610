//! What watches the relay: signals, and the status at an interval.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use udpkit::{End, Event, Relay, Report, Sink};

use super::asked::Changes;
use super::notices::{ImpairedNotice, PeerNotice, Relaying, Status};
use super::over_http::Tap;
use super::reload::reload;
use super::scenario::Source;
use super::table::{Feed, Screen};
use super::truth::{Truth, TruthSink};
use crate::args::RelayArgs;
use crate::output::{NewsSink, Refusals, SharedPrinter, StdPrinter};
use crate::runtime::signals;

/// How long the end is waited for where no status is printed; then it is waited for again.
const LONG: Duration = Duration::from_secs(3600);

/// Hears signals, and then says that it relays: from then on others may send to it, or end it. SIGHUP reads a scenario again.
pub(super) fn begin(
    relay: &Relay,
    relaying: &Relaying<'_>,
    source: Source,
    printer: &SharedPrinter,
    first: &mut StdPrinter,
) -> Result<()> {
    let hangup = source.has_file().then(|| reload(source, relay, printer)).transpose()?;
    let remote = relay.remote().clone();
    signals::handle(move || remote.stop(), hangup)?;
    first.say(relaying);
    Ok(())
}

/// Waits for the end, and says how it goes meanwhile, or shows it on a screen.
pub(super) fn watch(
    relay: &Relay,
    printer: &SharedPrinter,
    interval: Option<Duration>,
    screen: Option<Screen>,
) -> Result<End> {
    let screen = screen.map(|screen| screen.open(relay)).transpose()?;
    let end = wait(relay, printer, interval)?;
    screen.map(Screen::close).transpose()?;
    Ok(end)
}

fn wait(relay: &Relay, printer: &SharedPrinter, interval: Option<Duration>) -> Result<End> {
    let mut before = Report::default();
    loop {
        if let Some(end) = relay.wait(interval.unwrap_or(LONG)) {
            return Ok(end?);
        }
        if interval.is_some() {
            let now = relay.report();
            let mut printer = printer.lock();
            printer.say(&Status::new(&before, &now));
            printer.flush();
            before = now;
        }
    }
}

/// What takes the events of the relay: prints what is news, counts changes, and hands over what is for the
/// truth file and for who watches over HTTP.
pub(super) fn sink(
    args: &RelayArgs,
    printer: &SharedPrinter,
    tap: Option<Tap>,
    truth: Option<&Truth>,
    changes: &Changes,
) -> RelaySink {
    RelaySink {
        news: NewsSink::new(printer, args.common.verbose, Refusals::Counted),
        is_verbose: args.common.verbose,
        tap,
        truth: truth.map(Truth::sink),
        changes: changes.clone(),
        feed: None,
    }
}

/// Takes what the relay has to say.
pub(super) struct RelaySink {
    news: NewsSink,
    is_verbose: bool,
    tap: Option<Tap>,
    truth: Option<TruthSink>,
    changes: Changes,
    /// The screen, if there is one.
    feed: Option<Feed>,
}

impl RelaySink {
    /// Hands over to a screen, too, which shows what links do from now on instead of having it printed.
    pub(super) fn on(self, screen: Option<&Screen>) -> Self {
        Self { feed: screen.map(Screen::feed), ..self }
    }
}

impl Sink for RelaySink {
    fn event(&mut self, event: Event<'_>) -> ControlFlow<()> {
        if let Some(feed) = &self.feed {
            feed.event(&event);
        }
        if let Some(tap) = &mut self.tap {
            tap.event(&event);
        }
        if let Some(truth) = &mut self.truth {
            truth.event(&event);
        }
        match &event {
            // These are of single datagrams, and not to be printed.
            Event::Fate(_) | Event::Left(_) => return ControlFlow::Continue(()),
            Event::Peer(_) if !self.is_verbose => return ControlFlow::Continue(()),
            Event::Peer(changed) => return self.news.say(&PeerNotice::new(changed)),
            Event::Impaired(impaired) => {
                self.changes.note(impaired);
                if self.feed.is_some() {
                    return ControlFlow::Continue(());
                }
                return self.news.say(&ImpairedNotice::new(impaired));
            }
            _ => {}
        }
        self.news.event(event)
    }

    fn settled(&mut self) {
        if let Some(truth) = &mut self.truth {
            truth.settled();
        }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        if let Some(tap) = &mut self.tap {
            tap.catch_up();
        }
        if let Some(truth) = &mut self.truth {
            truth.idle();
        }
        self.news.idle()
    }
}
