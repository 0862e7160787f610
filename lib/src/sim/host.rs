//! A host on a virtual network: its addresses, its sockets, and what its engine wants sent.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::clock::HostClock;
use crate::datagram::{SendFailure, Transmit, max_payload};
use crate::engine::Outbox;
use crate::error::{Attempt, Error, Result};
use crate::event::Event;
use crate::interface::Interfaces;
use crate::moment::Moment;
use crate::options::Options;
use crate::sink::Sink;
use crate::socket_id::SocketId;

/// The first of the ports that are given to those who ask for any (RFC 6335).
const FIRST_FREE_PORT: u16 = 49_152;

/// Says of a datagram that an engine sends whether that fails, and why.
type Failing<'a> = Box<dyn FnMut(&Transmit, &[u8]) -> Option<io::Error> + 'a>;

/// A host before it is added to a network: where it is and what it is like.
pub struct Host<'a> {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) sockets: Vec<SocketAddr>,
    pub(super) interfaces: Option<Interfaces>,
    hop_limit: u8,
    clock: HostClock,
    is_silent: bool,
    failing: Option<Failing<'a>>,
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses, sockets, hop_limit, clock, is_silent, .. } = self;
        write!(
            f,
            "Host {{ addresses: {addresses:?}, sockets: {sockets:?}, hop_limit: {hop_limit}, clock: {clock:?}, "
        )?;
        write!(f, "is_silent: {is_silent}, .. }}")
    }
}

impl<'a> Host<'a> {
    /// A host with one socket, bound to this address, and whose hop limit is 64.
    #[must_use]
    pub fn at(socket: SocketAddr) -> Self {
        let host = Self {
            addresses: Vec::new(),
            sockets: Vec::new(),
            interfaces: None,
            hop_limit: 64,
            clock: HostClock::default(),
            is_silent: false,
            failing: None,
        };
        host.socket(socket)
    }

    /// One more socket, bound to this address, and the address too unless it is unspecified.
    #[must_use]
    pub fn socket(mut self, socket: SocketAddr) -> Self {
        self.sockets.push(socket);
        if socket.ip().is_unspecified() { self } else { self.address(socket.ip()) }
    }

    /// One more address, which sockets can be bound to.
    #[must_use]
    pub fn address(mut self, ip: IpAddr) -> Self {
        if !self.addresses.contains(&ip) {
            self.addresses.push(ip);
        }
        self
    }

    /// The time to live or hop limit of datagrams for which the engine sets none.
    #[must_use]
    pub fn hop_limit(self, hop_limit: u8) -> Self {
        Self { hop_limit, ..self }
    }

    /// The system's clock of the host.
    #[must_use]
    pub fn clock(self, clock: HostClock) -> Self {
        Self { clock, ..self }
    }

    /// Reports no refusal of what arrives at a port that nobody has, as behind a firewall.
    #[must_use]
    pub fn silent(self) -> Self {
        Self { is_silent: true, ..self }
    }

    /// What the engine is said to have as interfaces when it begins; nothing is said unless this is set.
    #[must_use]
    pub fn interfaces(self, interfaces: Interfaces) -> Self {
        Self { interfaces: Some(interfaces), ..self }
    }

    /// Lets datagrams fail that the engine sends: all of which this says why.
    #[must_use]
    pub fn failing(self, failing: impl FnMut(&Transmit, &[u8]) -> Option<io::Error> + 'a) -> Self {
        Self { failing: Some(Box::new(failing)), ..self }
    }
}

/// Sockets of all hosts by the addresses at which they receive.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// A socket that is bound to every address of its host is there for each of them.
    receivers: BTreeMap<SocketAddr, Vec<(usize, SocketId)>>,
    /// How many free ports were given so far.
    given: u16,
}

impl Ports {
    /// Who receives at an address: places of hosts, and their sockets.
    pub(super) fn receivers(&self, address: SocketAddr) -> &[(usize, SocketId)] {
        self.receivers.get(&address).map_or(&[], Vec::as_slice)
    }

    /// A port that nobody has at any of these addresses.
    fn free(&mut self, ips: &[IpAddr]) -> Option<u16> {
        let count = u16::MAX - FIRST_FREE_PORT;
        for _ in 0..count {
            let port = FIRST_FREE_PORT + self.given % count;
            self.given = (self.given + 1) % count;
            if ips.iter().all(|ip| self.receivers(SocketAddr::new(*ip, port)).is_empty()) {
                return Some(port);
            }
        }
        None
    }
}

/// A datagram that an engine wants sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) hop_limit: u8,
    pub(super) traffic_class: u8,
    pub(super) payload: Vec<u8>,
}

/// A host on the network, without its engine.
pub(super) struct Desk<'a> {
    place: usize,
    pub(super) addresses: Vec<IpAddr>,
    sockets: Vec<Slot>,
    hop_limit: u8,
    clock: HostClock,
    pub(super) is_silent: bool,
    failing: Option<Failing<'a>>,
    /// What is to be sent.
    pub(super) outgoing: Vec<Outgoing>,
    /// What the engine has not been told yet.
    pub(super) failures: Vec<(SocketId, SendFailure)>,
    /// Whether who listens to the engine wants no more: its run ends.
    pub(super) is_over: bool,
}

/// A place for a socket.
struct Slot {
    id: SocketId,
    /// Where it is bound; `None`: it is closed.
    local: Option<SocketAddr>,
    hop_limit: Option<u8>,
    traffic_class: u8,
    /// Datagrams that were sent through it, ever.
    pushed: u64,
}

impl<'a> Desk<'a> {
    /// Takes its place on the network, and opens its sockets.
    pub(super) fn new(place: usize, host: Host<'a>, ports: &mut Ports) -> Result<Self> {
        let Host { addresses, sockets, hop_limit, clock, is_silent, failing, .. } = host;
        let mut desk = Self {
            place,
            addresses,
            sockets: Vec::new(),
            hop_limit,
            clock,
            is_silent,
            failing,
            outgoing: Vec::new(),
            failures: Vec::new(),
            is_over: false,
        };
        for local in sockets {
            // Hosts at one address are workers, which share it.
            desk.open(local, &Options::default().reuse_port(true), ports)?;
        }
        Ok(desk)
    }

    /// What the system's clock of the host shows so long after the start.
    pub(super) fn utc(&self, elapsed: Duration) -> std::time::SystemTime {
        self.clock.utc(elapsed)
    }

    /// The host's address for packets of a socket bound there to a destination.
    fn source_ip(&self, local: IpAddr, destination: IpAddr) -> IpAddr {
        let of_family = |ip: &&IpAddr| ip.is_ipv4() == destination.is_ipv4();
        if local.is_unspecified() { self.addresses.iter().find(of_family).copied().unwrap_or(local) } else { local }
    }

    /// The addresses at which a socket that is bound to this one receives.
    fn ips(&self, local: IpAddr) -> Vec<IpAddr> {
        let of_family = |ip: &IpAddr| ip.is_ipv4() == local.is_ipv4();
        if local.is_unspecified() { self.addresses.iter().copied().filter(of_family).collect() } else { vec![local] }
    }

    fn open(&mut self, mut local: SocketAddr, options: &Options, ports: &mut Ports) -> Result<SocketId> {
        let error = |kind: io::ErrorKind| Error::new(Attempt::Bind, local, kind.into());
        let ips = self.ips(local.ip());
        if ips.is_empty() || !ips.iter().all(|ip| self.addresses.contains(ip)) {
            return Err(error(io::ErrorKind::AddrNotAvailable));
        }
        let is_shared = options.reuse_address || options.reuse_port;
        if local.port() == 0 {
            let port = ports.free(&ips).ok_or_else(|| error(io::ErrorKind::AddrInUse))?;
            local.set_port(port);
        } else if !is_shared && ips.iter().any(|ip| !ports.receivers(SocketAddr::new(*ip, local.port())).is_empty()) {
            return Err(error(io::ErrorKind::AddrInUse));
        }
        let closed = self.sockets.iter().position(|slot| slot.local.is_none());
        let place = closed.unwrap_or(self.sockets.len());
        let id = closed.map_or_else(|| SocketId::first(place), |place| self.sockets[place].id.successor());
        let (hop_limit, traffic_class) = (options.hop_limit, options.traffic_class.unwrap_or(0));
        let slot = Slot { id, local: Some(local), hop_limit, traffic_class, pushed: 0 };
        if closed.is_some() {
            self.sockets[place] = slot;
        } else {
            self.sockets.push(slot);
        }
        for ip in ips {
            ports.receivers.entry(SocketAddr::new(ip, local.port())).or_default().push((self.place, id));
        }
        Ok(id)
    }

    fn slot(&self, via: SocketId) -> Option<&Slot> {
        self.sockets.get(via.index()).filter(|slot| slot.id == via)
    }

    /// Where a socket is bound; `None` where it is closed.
    fn local(&self, via: SocketId) -> Option<SocketAddr> {
        self.slot(via)?.local
    }

    fn close(&mut self, via: SocketId, ports: &mut Ports) {
        let Some(local) = self.local(via) else { return };
        for ip in self.ips(local.ip()) {
            let address = SocketAddr::new(ip, local.port());
            if let Some(receivers) = ports.receivers.get_mut(&address) {
                receivers.retain(|receiver| *receiver != (self.place, via));
                if receivers.is_empty() {
                    ports.receivers.remove(&address);
                }
            }
        }
        self.sockets[via.index()].local = None;
    }

    /// Closes what is open.
    pub(super) fn close_all(&mut self, ports: &mut Ports) {
        for place in 0..self.sockets.len() {
            self.close(self.sockets[place].id, ports);
        }
    }

    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        let mut fail = |place, error| {
            let failure = SendFailure { transmit: *transmit, place, count: 1, bytes: payload.len(), error };
            self.failures.push((via, failure));
        };
        let slot = self.sockets.get_mut(via.index()).filter(|slot| slot.id == via && slot.local.is_some());
        let Some(Slot { local: Some(local), hop_limit, traffic_class, pushed, .. }) = slot else {
            return fail(0, io::Error::new(io::ErrorKind::NotConnected, "the socket is closed"));
        };
        let (local, place) = (*local, *pushed);
        *pushed += 1;
        let hop_limit = transmit.hop_limit.or(*hop_limit).unwrap_or(self.hop_limit);
        let traffic_class = transmit.traffic_class.unwrap_or(*traffic_class);
        if payload.len() > max_payload(transmit.destination.ip()) {
            return fail(place, io::Error::from_raw_os_error(crate::sys::number::TOO_LONG));
        }
        if let Some(error) = self.failing.as_mut().and_then(|failing| failing(transmit, payload)) {
            return fail(place, error);
        }
        let ip = transmit.local.unwrap_or_else(|| self.source_ip(local.ip(), transmit.destination.ip()));
        let source = SocketAddr::new(ip, local.port());
        let destination = transmit.destination;
        self.outgoing.push(Outgoing { source, destination, hop_limit, traffic_class, payload: payload.to_vec() });
    }
}

/// The outbox of an engine on a virtual network.
pub(super) struct Out<'b, 'a> {
    pub(super) now: Instant,
    /// Since the start.
    pub(super) elapsed: Duration,
    pub(super) desk: &'b mut Desk<'a>,
    pub(super) ports: &'b mut Ports,
    pub(super) sink: &'b mut dyn Sink,
}

impl Outbox for Out<'_, '_> {
    fn send(&mut self, via: SocketId, transmit: &Transmit, payload: &[u8]) {
        self.desk.send(via, transmit, payload);
    }

    fn open(&mut self, local: SocketAddr, options: &Options) -> Result<SocketId> {
        self.desk.open(local, options, self.ports)
    }

    fn local_address(&self, via: SocketId) -> Option<SocketAddr> {
        self.desk.local(via)
    }

    fn close(&mut self, via: SocketId) {
        self.desk.close(via, self.ports);
    }

    fn clock(&self) -> Moment {
        Moment::new(self.now, self.desk.utc(self.elapsed))
    }

    fn emit(&mut self, event: Event<'_>) {
        if !self.desk.is_over {
            self.desk.is_over = self.sink.event(event).is_break();
        }
    }
}
