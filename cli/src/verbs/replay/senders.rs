//! The sockets of a replay: one for each source of the capture, while there are enough.

use std::net::{IpAddr, SocketAddr};

use udpkit::verbs::Sources;
use udpkit::{Options, Socket};

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
    /// A socket for each source at our address `ip`: at the source's port, or at any if that cannot be had.
    pub(super) fn of_sources(found: &Sources, ip: IpAddr, options: &Options) -> udpkit::Result<Self> {
        let mut sockets = Vec::new();
        let mut elsewhere = Vec::new();
        for source in found.owners() {
            let socket = match Socket::bind(SocketAddr::new(ip, source.port()), options) {
                Err(error) if error.is_in_use() || error.is_permission() => {
                    let socket = Socket::bind(SocketAddr::new(ip, 0), options)?;
                    elsewhere.push((source, socket.local_address(), error));
                    socket
                }
                bound => bound?,
            };
            sockets.push(socket);
        }
        // As many places as there are sockets, and the same ones.
        let mut sources = Sources::new(sockets.len());
        for source in found.owners() {
            sources.via(source);
        }
        Ok(Self { sockets, sources, elsewhere })
    }

    /// One socket for everything.
    pub(super) fn alone(local: SocketAddr, options: &Options) -> udpkit::Result<Self> {
        let options = Options { reuse_address: local.port() != 0, ..options.clone() };
        let sockets = vec![Socket::bind(local, &options)?];
        Ok(Self { sockets, sources: Sources::new(1), elsewhere: Vec::new() })
    }

    /// Sockets at any port, for sources that are not known yet.
    pub(super) fn of_strangers(ip: IpAddr, options: &Options) -> udpkit::Result<Self> {
        let sockets = (0..STREAM_SOCKETS).map(|_| Socket::bind(SocketAddr::new(ip, 0), options));
        let sockets = sockets.collect::<udpkit::Result<Vec<_>>>()?;
        Ok(Self { sockets, sources: Sources::new(STREAM_SOCKETS), elsewhere: Vec::new() })
    }
}
