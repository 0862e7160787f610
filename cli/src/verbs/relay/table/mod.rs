//! `udp relay --tui`: the two directions on a screen, and keys that change what is done to them.

mod dial;
mod fates;
mod feed;
mod live;
mod picture;
mod state;
mod view;

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Relay;
use udpkit::verbs::RelayOptions;

use super::command;
use super::target::Current;
use crate::output::SharedPrinter;
use crate::tui::Tui;
use crate::words::endpoint;
pub(super) use feed::Feed;
use live::{Facts, LiveRelay};

/// The screen; while it is open, what is printed waits.
pub(super) struct Screen {
    feed: Feed,
    facts: Option<Facts>,
    tui: Option<Tui>,
    printer: SharedPrinter,
}

impl Screen {
    /// A screen, not open yet, for a relay with these options that listens at these places.
    pub(super) fn new(
        options: &RelayOptions,
        places: &[SocketAddr],
        target: &Current,
        printer: &SharedPrinter,
    ) -> Self {
        let seed = options.seed;
        let options = [options.up.clone(), options.down.clone()];
        let (listen, target) = (endpoint::list(places), target.clone());
        let facts = Some(Facts { listen, target, command: command::of_this_run(), seed, options });
        Self { feed: Feed::default(), facts, tui: None, printer: printer.clone() }
    }

    /// What takes the relay's events for it.
    pub(super) fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Takes over the terminal.
    pub(super) fn open(mut self, relay: &Relay) -> Result<Self> {
        let Some(facts) = self.facts.take() else { return Ok(self) };
        let (remote, stopped) = (relay.remote().clone(), relay.remote().clone());
        let feed = self.feed();
        let live = |styles| LiveRelay::new(remote, &feed, facts, styles);
        self.printer.lock().hold(true);
        let color = self.printer.lock().is_coloured();
        self.tui = Some(Tui::start(color, feed.troubles(), live, move || stopped.stop())?);
        Ok(self)
    }

    /// Gives the terminal back, and prints what waited: all troubles that it showed are among that.
    pub(super) fn close(mut self) -> Result<()> {
        self.tui.take().map_or(Ok(()), |tui| tui.finish().map(drop))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // However it ends, the terminal is given back before something is printed.
        drop(self.tui.take());
        self.printer.lock().hold(false);
    }
}
