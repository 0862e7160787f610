//! In the place of metrics where the feature `http` is left out.

use std::net::SocketAddr;

use anyhow::Result;

use super::ledger::SoFar;

/// Metrics that nobody can ask for.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Metrics {
    /// The addresses served: none.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &[]
    }
}

/// Serves nothing: no flag gives an address.
pub(super) fn serve(_addresses: &[SocketAddr], _so_far: impl Fn() -> SoFar) -> Result<Metrics> {
    Ok(Metrics)
}
