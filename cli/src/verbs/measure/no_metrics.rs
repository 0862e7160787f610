//! In the place of metrics where the feature `http` is left out.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Report;
use udpkit::verbs::MeasureFigures;

/// Metrics that nobody can ask for.
#[derive(Debug)]
pub(crate) struct Metrics;

impl Metrics {
    /// The addresses served: none.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &[]
    }
}

/// A target's name, and what it came to so far.
pub(super) type Measured = (String, Report<MeasureFigures>);

/// Serves nothing: no flag gives an address.
pub(super) fn serve(_addresses: &[SocketAddr], _targets: impl Fn() -> Vec<Measured>) -> Result<Metrics> {
    Ok(Metrics)
}
