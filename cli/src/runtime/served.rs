//! Where something is served over HTTP.

use std::net::SocketAddr;

use anyhow::Result;
use udpkit::Interfaces;

use crate::args::CommonArgs;
use crate::words::address::Address;

/// The addresses at which something is served: none where it was not asked for; without a host, on loopback.
pub(crate) fn addresses(
    address: Option<&Address>,
    common: &CommonArgs,
    interfaces: &Interfaces,
) -> Result<Vec<SocketAddr>> {
    let Some(address) = address else { return Ok(Vec::new()) };
    let port = address.port.unwrap_or_else(|| common.port());
    match &address.host {
        Some(host) => host.resolve(port, common.families(), interfaces),
        // Who wants others to reach it says so.
        None => Ok(vec![SocketAddr::new(common.families().loopback(), port)]),
    }
}
