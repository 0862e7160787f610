//! The sockets of a replay: one for each source of the capture, while there are enough.

use std::net::SocketAddr;

use udpkit::verbs::Sources;
use udpkit::{ErrorKind, InterfaceIndex, Options, Socket};

use crate::runtime::descriptors;
use crate::words::address::on_interface;

/// Sockets where the sources are not known beforehand.
pub(super) const STREAM_SOCKETS: usize = 16;

/// The sockets of a run, and which source each is for.
pub(super) struct SourceSockets {
    pub(super) sockets: Vec<Socket>,
    pub(super) sources: Sources,
    /// Sources whose port could not be had, where they send from instead, and why.
    pub(super) elsewhere: Vec<(SocketAddr, SocketAddr, udpkit::Error)>,
}

impl SourceSockets {
    /// A socket for each source at our address of its family, or the only one that there is: at the source's port, or at any if
    /// that cannot be had.
    pub(super) fn of_sources(found: &Sources, locals: &[SocketAddr], options: &Options) -> udpkit::Result<Self> {
        descriptors::reserve(found.owners().count() as u64);
        let mut sockets = Vec::new();
        let mut elsewhere = Vec::new();
        for source in found.owners() {
            let of_family = locals.iter().find(|local| local.is_ipv4() == source.is_ipv4());
            let ip = of_family.unwrap_or(&locals[0]).ip();
            let socket = match Socket::bind(SocketAddr::new(ip, source.port()), options) {
                Err(error) if matches!(error.kind(), ErrorKind::AddressInUse | ErrorKind::PermissionDenied) => {
                    let socket = Socket::bind(SocketAddr::new(ip, 0), options)?;
                    elsewhere.push((source, socket.local_address(), error));
                    socket
                }
                bound => bound?,
            };
            sockets.push(socket);
        }
        Ok(Self { sockets, sources: owned(found, locals.len() > 1), elsewhere })
    }

    /// A socket at the address and port of each source, be it this host's or not; on this interface where that counts.
    pub(super) fn preserving(
        found: &Sources,
        interface: Option<InterfaceIndex>,
        options: &Options,
    ) -> udpkit::Result<Self> {
        descriptors::reserve(found.owners().count() as u64);
        let sockets = found.owners().map(|source| Socket::bind(on_interface(source, interface), options));
        let sockets = sockets.collect::<udpkit::Result<Vec<_>>>()?;
        Ok(Self { sockets, sources: owned(found, true), elsewhere: Vec::new() })
    }

    /// One socket for everything at each of these addresses.
    pub(super) fn alone(locals: &[SocketAddr], options: &Options) -> udpkit::Result<Self> {
        let bind = |local: &SocketAddr| Socket::bind(*local, &options.clone().reuse_address(local.port() != 0));
        let sockets = locals.iter().map(bind).collect::<udpkit::Result<Vec<_>>>()?;
        Ok(Self { sockets, sources: unknown(locals.len() > 1, 1), elsewhere: Vec::new() })
    }

    /// Sockets at any port of these addresses, for sources that are not known yet.
    pub(super) fn of_strangers(locals: &[SocketAddr], options: &Options) -> udpkit::Result<Self> {
        let addresses = locals.iter().flat_map(|local| [SocketAddr::new(local.ip(), 0); STREAM_SOCKETS]);
        let sockets = addresses.map(|local| Socket::bind(local, options)).collect::<udpkit::Result<Vec<_>>>()?;
        Ok(Self { sockets, sources: unknown(locals.len() > 1, STREAM_SOCKETS), elsewhere: Vec::new() })
    }
}

/// As many places as there are sources with a socket, and the same ones.
fn owned(found: &Sources, has_both_families: bool) -> Sources {
    let all = found.owners().count();
    let v4 = found.owners().filter(SocketAddr::is_ipv4).count();
    let mut sources = if has_both_families { Sources::by_family(v4, all - v4) } else { Sources::new(all) };
    for source in found.owners() {
        sources.via(source);
    }
    sources
}

/// So many places, of each family where there are both, for sources that are not known yet.
pub(super) fn unknown(has_both_families: bool, sockets: usize) -> Sources {
    if has_both_families { Sources::by_family(sockets, sockets) } else { Sources::new(sockets) }
}
