//! What a capture holds, and a socket for each of its sources.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};

use udpkit::verbs::Sources;
use udpkit::{Options, Socket};

use super::reading::{self, Context};
use crate::output::Tally;

/// Sockets of a run: of more sources, some share one.
const MAX_SOCKETS: usize = 256;
/// Sockets where the sources are not known beforehand.
pub(crate) const STREAM_SOCKETS: usize = 16;
/// Ports that are named where the one asked for is none of them.
const MAX_PORTS: usize = 8;
/// Datagrams between two looks at the time and the wish to stop.
const LOOK: u64 = 1 << 14;

/// What a file was found to hold before anything is sent.
pub(crate) struct Survey {
    /// With a place for each, up to a bound.
    pub(crate) sources: Sources,
    /// Datagrams to be sent in a round.
    pub(crate) datagrams: u64,
    /// Some of the ports to which datagrams went, whether they are to be sent or not: the lowest.
    pub(crate) ports: BTreeSet<u16>,
    /// What became of everything.
    pub(crate) tally: Tally,
    /// Why it could not be read to its end.
    pub(crate) error: Option<udpkit::Error>,
}

/// Reads a file through: to its end, or as many datagrams as are to be sent, or to where it cannot be read any more. Looks
/// around now and then.
pub(crate) fn survey(file: &File, context: &Context, most: u64, mut look: impl FnMut()) -> udpkit::Result<Survey> {
    let mut reader = reading::rewound(file).map_err(|error| context.error(error))?;
    let mut sources = Sources::new(MAX_SOCKETS);
    let (mut datagrams, mut ports, mut tally, mut error) = (0, BTreeSet::new(), Tally::default(), None);
    while datagrams < most {
        let datagram = match reader.next() {
            Ok(Some(datagram)) => datagram,
            Ok(None) => break,
            Err(broken) => {
                error = Some(context.error(broken));
                break;
            }
        };
        ports.insert(datagram.destination.port());
        if ports.len() > MAX_PORTS {
            ports.pop_last();
        }
        match context.selection.leaves_out(&datagram) {
            Some(why) => tally.leave_out(why),
            None => {
                datagrams += 1;
                sources.via(datagram.source);
            }
        }
        if datagram.packet % LOOK == 0 {
            look();
            if context.is_stopped() {
                break;
            }
        }
    }
    tally.readings = 1;
    tally.account = reader.account();
    Ok(Survey { sources, datagrams, ports, tally, error })
}

/// The sockets of a run, and which source each is for.
pub(crate) struct Senders {
    pub(crate) sockets: Vec<Socket>,
    pub(crate) sources: Sources,
    /// Sources whose port could not be had, where they send from instead, and why.
    pub(crate) elsewhere: Vec<(SocketAddr, SocketAddr, udpkit::Error)>,
}

impl Senders {
    /// A socket for each source at our address `ip`: at the source's port, or at any if that cannot be had.
    pub(crate) fn of_sources(found: &Sources, ip: IpAddr, options: &Options) -> udpkit::Result<Self> {
        let mut sockets = Vec::new();
        let mut elsewhere = Vec::new();
        for source in found.owners() {
            let socket = match Socket::bind(SocketAddr::new(ip, source.port()), options) {
                Err(error) if error.is_in_use() || error.is_permission() => {
                    let socket = Socket::bind(SocketAddr::new(ip, 0), options)?;
                    elsewhere.push((*source, socket.local_address(), error));
                    socket
                }
                bound => bound?,
            };
            sockets.push(socket);
        }
        // As many places as there are sockets, and the same ones.
        let mut sources = Sources::new(sockets.len());
        for source in found.owners() {
            sources.via(*source);
        }
        Ok(Self { sockets, sources, elsewhere })
    }

    /// One socket for everything.
    pub(crate) fn alone(local: SocketAddr, options: &Options) -> udpkit::Result<Self> {
        let options = Options { reuse_address: local.port() != 0, ..options.clone() };
        let sockets = vec![Socket::bind(local, &options)?];
        Ok(Self { sockets, sources: Sources::new(1), elsewhere: Vec::new() })
    }

    /// Sockets at any port, for sources that are not known yet.
    pub(crate) fn of_strangers(ip: IpAddr, options: &Options) -> udpkit::Result<Self> {
        let sockets = (0..STREAM_SOCKETS).map(|_| Socket::bind(SocketAddr::new(ip, 0), options));
        let sockets = sockets.collect::<udpkit::Result<Vec<_>>>()?;
        Ok(Self { sockets, sources: Sources::new(STREAM_SOCKETS), elsewhere: Vec::new() })
    }
}
