//! In the place of the relay's screen where the feature `tui` is left out: no flag asks for it.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use udpkit::verbs::RelayOptions;
use udpkit::{Event, Relay};

use super::target::Current;
use crate::output::SharedPrinter;

/// Takes no events.
pub(super) struct Feed;

impl Feed {
    /// There is no screen to show it.
    pub(super) fn event(&self, _event: &Event<'_>) {}
}

/// No screen.
pub(super) struct Screen;

impl Screen {
    /// One that cannot be opened.
    pub(super) fn new(
        _options: &RelayOptions,
        _places: &[SocketAddr],
        _target: &Current,
        _printer: &SharedPrinter,
    ) -> Self {
        Self
    }

    /// Takes nothing.
    pub(super) fn feed(&self) -> Feed {
        Feed
    }

    /// An error: there is none.
    pub(super) fn open(self, _relay: &Relay) -> Result<Self> {
        bail!("there is no screen in this program")
    }

    /// Nothing is to be closed.
    #[expect(clippy::unnecessary_wraps, reason = "with a screen it can fail")]
    pub(super) fn close(self) -> Result<()> {
        Ok(())
    }
}
