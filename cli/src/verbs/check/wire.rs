//! A peer that a check plays: a socket of its own, whose datagrams are logged and counted.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use udpkit::{Cause, InterfaceIndex, Options, Socket, Transmit, Wait, any_address};

use super::bench::Bench;
use super::bounds::Cut;

/// Receive buffers take this much, so that a burst of answers fits, as far as the system permits.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A socket of ours.
#[derive(Debug)]
pub(super) struct Peer {
    socket: Socket,
}

/// Something that came to a peer.
#[derive(Clone, Debug)]
pub(super) enum Arrival {
    Datagram(Came),
    /// A datagram of ours was refused, by ICMP.
    Refused(Refused),
}

/// A datagram that came.
#[derive(Clone, Debug)]
pub(super) struct Came {
    /// When, by the kernel's clock where it tells.
    pub(super) at: Instant,
    pub(super) source: SocketAddr,
    pub(super) payload: Vec<u8>,
    /// The address it was sent to, which may be that of a broadcast, where the system tells.
    pub(super) destination: Option<IpAddr>,
    /// The interface by which it came.
    pub(super) interface: Option<InterfaceIndex>,
    /// The hop limit that it had left.
    pub(super) hop_limit: Option<u8>,
}

/// News of a datagram of ours that was not delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) destination: SocketAddr,
    pub(super) cause: Cause,
}

impl Peer {
    /// A peer at any port, which sends from the address that the routing table says.
    pub(super) fn towards(destination: SocketAddr) -> Result<Self, Cut> {
        Self::at(SocketAddr::new(any_address(destination.ip()), 0))
    }

    /// A peer at this address; port 0 is any free one.
    pub(super) fn at(local: SocketAddr) -> Result<Self, Cut> {
        Self::with(local, &Options::default())
    }

    /// A peer at this address whose socket has these options, too.
    pub(super) fn with(local: SocketAddr, options: &Options) -> Result<Self, Cut> {
        let options = options
            .clone()
            .errors(true)
            .destination(true)
            .timestamps(true)
            .hop_limits(true)
            .receive_buffer(RECEIVE_BUFFER);
        Ok(Self { socket: Socket::bind(local, &options)? })
    }

    /// Where its socket is bound.
    pub(super) fn address(&self) -> SocketAddr {
        self.socket.local_address()
    }

    /// Datagrams to it that the system dropped, as far as it tells.
    pub(super) fn dropped(&self) -> u64 {
        self.socket.kernel_drops().unwrap_or(0)
    }

    /// Sends a datagram, as soon as the check's rate permits.
    pub(super) fn send(&self, bench: &mut Bench, destination: SocketAddr, payload: &[u8]) -> Result<(), Cut> {
        self.transmit(bench, &Transmit::to(destination), payload)
    }

    /// The same, with a local address or a hop limit.
    pub(super) fn transmit(&self, bench: &mut Bench, transmit: &Transmit, payload: &[u8]) -> Result<(), Cut> {
        bench.spend()?;
        let mut source = self.address();
        source.set_ip(transmit.local.unwrap_or_else(|| source.ip()));
        bench.log.sent(source, transmit.destination, payload);
        let mut batch = udpkit::SendBatch::default();
        if !batch.push(transmit, payload) {
            return Ok(());
        }
        match self.socket.send(&mut batch) {
            [] => Ok(()),
            [failure, ..] => {
                let words = format!("cannot send to {}: {}", transmit.destination, udpkit::reason(&failure.error));
                Err(Cut::System(anyhow::anyhow!(words)))
            }
        }
    }

    /// Waits until something has come, or this moment at most: all that is there then, in its order.
    pub(super) fn receive(&self, bench: &mut Bench, until: Instant) -> Result<Vec<Arrival>, Cut> {
        loop {
            bench.budget.check()?;
            let slice = bench.budget.slice(until);
            let arrivals = self.take(bench, Wait::Until(slice))?;
            if !arrivals.is_empty() || slice >= until {
                return Ok(arrivals);
            }
        }
    }

    /// What is there.
    fn take(&self, bench: &mut Bench, wait: Wait) -> Result<Vec<Arrival>, Cut> {
        let here = self.address();
        let mut arrivals = Vec::new();
        self.socket.receive(&mut bench.batch, wait)?;
        for datagram in bench.batch.datagrams() {
            let at = bench.batch.arrival(datagram.meta);
            let to = SocketAddr::new(datagram.meta.local.unwrap_or_else(|| here.ip()), here.port());
            bench.log.came(at, datagram.meta.source, to, datagram.payload);
            arrivals.push(Arrival::Datagram(Came {
                at,
                source: datagram.meta.source,
                payload: datagram.payload.to_vec(),
                destination: datagram.meta.destination,
                interface: datagram.meta.interface,
                hop_limit: datagram.meta.hop_limit,
            }));
        }
        bench.received += arrivals.len() as u64;
        let log = &mut bench.log;
        self.socket.errors(|unreachable| {
            log.refused(here, unreachable.destination, unreachable.cause.key());
            let refused = Refused { destination: unreachable.destination, cause: unreachable.cause };
            arrivals.push(Arrival::Refused(refused));
        });
        Ok(arrivals)
    }
}
