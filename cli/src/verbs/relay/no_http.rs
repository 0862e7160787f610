//! In the place of what is served over HTTP where the feature `http` is left out.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use udpkit::verbs::RelayOptions;
use udpkit::{Event, Interfaces, Relay};

use super::target::Current;
use crate::args::RelayArgs;
use crate::output::StdPrinter;

/// Nothing: no flag gives an address.
pub(crate) struct OverHttp;

/// Nothing.
pub(crate) struct Serving;

/// Takes no events.
pub(crate) enum Tap {}

impl Tap {
    /// There is none.
    pub(crate) fn event(&mut self, _event: &Event<'_>) {}

    /// There is none.
    pub(crate) fn catch_up(&mut self) {}
}

/// There is nothing to be served.
#[expect(clippy::unnecessary_wraps, reason = "with HTTP it can fail")]
pub(crate) fn prepare(
    _args: &RelayArgs,
    _options: &RelayOptions,
    _interfaces: &Interfaces,
) -> Result<(Option<Tap>, OverHttp)> {
    Ok((None, OverHttp))
}

impl OverHttp {
    /// Serves nothing.
    #[expect(clippy::unnecessary_wraps, reason = "with HTTP it can fail")]
    pub(crate) fn serve(
        self,
        _relay: &Arc<Relay>,
        _listen: &[SocketAddr],
        _target: Current,
        _seed: u64,
        _printer: &mut StdPrinter,
    ) -> Result<Serving> {
        Ok(Serving)
    }
}
