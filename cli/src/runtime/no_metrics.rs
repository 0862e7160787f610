//! In the place of a verb's metrics where the feature `http` is left out.

use std::net::SocketAddr;

use anyhow::Result;

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
pub(crate) fn serve<T>(_addresses: &[SocketAddr], _so_far: impl Fn() -> T) -> Result<Metrics> {
    Ok(Metrics)
}
