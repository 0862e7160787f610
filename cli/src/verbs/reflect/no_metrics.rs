//! In the place of metrics where the feature `http` is left out.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Report;
use udpkit::verbs::ReflectFigures;

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
pub(crate) fn serve(_addresses: &[SocketAddr], _report: impl Fn() -> Report<ReflectFigures>) -> Result<Metrics> {
    Ok(Metrics)
}
