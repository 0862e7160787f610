//! The socket: options that are set only when asked for, batches in and out, and what the kernel knows besides.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Type};

use crate::batch::{ReceiveBatch, SendBatch};
use crate::capability::Capability;
use crate::clock::{both, now};
use crate::datagram::{Delivery, InterfaceIndex, Message, SendFailure, Transmit};
use crate::error::{Attempt, Error, ErrorKind, Object, Result};
use crate::options::{Capabilities, Options};
use crate::send_times::SendTimes;
use crate::sys::contract::{Limits, Places};
use crate::sys::{native, number, poll, portable, sharing};

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Return at once.
    No,
    /// Wait for this long at most.
    For(Duration),
    /// Wait until this moment at most.
    Until(Instant),
    /// Wait until something arrives.
    Forever,
}

/// A UDP socket that never blocks unless told to wait, and never connects.
///
/// ```
/// use std::time::Duration;
/// use udpkit::{Options, ReceiveBatch, Socket, Wait};
///
/// # fn main() -> udpkit::Result<()> {
/// let server = Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default().timestamps(true))?;
/// let client = Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default())?;
/// client.send_to(b"Hello World", server.local_address())?;
///
/// let mut batch = ReceiveBatch::default();
/// server.receive(&mut batch, Wait::For(Duration::from_secs(10)))?;
/// let datagram = batch.datagrams().next().unwrap();
/// assert_eq!((datagram.payload, datagram.meta.source), (&b"Hello World"[..], client.local_address()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Socket {
    pub(crate) inner: socket2::Socket,
    local: SocketAddr,
    pub(crate) capabilities: Capabilities,
    limits: Limits,
    /// The kernel's 32-bit total of drops, widened.
    drops: AtomicU64,
    receive_buffer: usize,
    options: Options,
    /// Where times are asked for at which datagrams leave.
    pub(crate) times: Option<Box<SendTimes>>,
}

impl Socket {
    /// Opens a socket at this address; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours, the port needs rights, the kernel lacks the family.
    pub fn bind(address: SocketAddr, options: &Options) -> Result<Self> {
        let error = |cause| Error::new(Attempt::Bind, address, cause);
        let inner = open(address, options).map_err(error)?;
        let capabilities = configure(&inner, address, options)?;
        inner.bind(&SockAddr::from(address)).map_err(|cause| {
            let is_taken = sharing::is_taken(&cause);
            let error = error(cause);
            if is_taken { error.with_kind(ErrorKind::AddressInUse) } else { error }
        })?;
        let local = inner.local_addr().map_err(error)?.as_socket().unwrap_or(address);
        Ok(Self::new(inner, local, capabilities, options.clone()))
    }

    /// The socket of the system, bound and with its options.
    pub(crate) fn new(inner: socket2::Socket, local: SocketAddr, capabilities: Capabilities, options: Options) -> Self {
        let receive_buffer = inner.recv_buffer_size().unwrap_or(0);
        let times = capabilities.send_timestamps.then(|| SendTimes::new(receive_buffer, native::counts_send_times()));
        let is_counted = times.as_ref().is_some_and(SendTimes::is_counted);
        let segmentation = capabilities.segmentation && !options.portable && !options.singly && !is_counted;
        let capabilities = Capabilities { segmentation, ..capabilities };
        let (local, limits) = (canonical(local), Limits::new(&capabilities));
        let (drops, times) = (AtomicU64::new(0), times.map(Box::new));
        Self { inner, local, options, capabilities, limits, drops, receive_buffer, times }
    }

    /// Another socket at the same address, with the same options; the system hands each peer's datagrams to one of them,
    /// by a hash of both addresses and ports (`SO_REUSEPORT`). Linux only.
    ///
    /// The first socket took the address for itself, so that it was free; from here on, other programs of the same user
    /// that set the option can share it. Broadcasts and multicasts go to every sibling.
    ///
    /// # Errors
    ///
    /// The system's; elsewhere, that it cannot share.
    pub fn sibling(&mut self) -> Result<Self> {
        let share = |socket: &socket2::Socket| {
            #[cfg(target_os = "linux")]
            return socket.set_reuse_port(true);
            #[cfg(not(target_os = "linux"))]
            Err::<(), _>(io::Error::new(io::ErrorKind::Unsupported, format!("{socket:?}: not on this system")))
        };
        share(&self.inner).map_err(|cause| Error::new(Attempt::Share, self.local, cause))?;
        self.options.reuse_port = true;
        Self::bind(self.local, &self.options)
    }

    /// What the socket was asked for.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The address and port that the socket is bound to.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Which kernel features this socket really has.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let Limits { train, batches } = &self.limits;
        let (segmentation, batches) = (train.load(Ordering::Relaxed) > 0, batches.load(Ordering::Relaxed));
        Capabilities { segmentation, batches, ..self.capabilities }
    }

    /// What this socket was asked for, or would have on another system, and does not have: the system refused it.
    pub fn missing(&self) -> impl Iterator<Item = Capability> {
        let has = self.capabilities();
        Capability::ALL.iter().copied().filter(move |one| self.options.asks_for(*one) && !has.has(*one))
    }

    /// Size of the receive buffer in bytes as the kernel counts them: its own overhead included (`socket(7)`). Zero where the
    /// system does not tell.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Receives what has arrived into the batch; returns the number of trains, zero if the wait ended first.
    ///
    /// Errors of datagrams sent earlier do not end up here but in [`errors`](Self::errors), and end the wait.
    ///
    /// # Errors
    ///
    /// The system's, other than those two.
    pub fn receive(&self, batch: &mut ReceiveBatch, wait: Wait) -> Result<usize> {
        let wait = match wait {
            Wait::For(duration) => now().checked_add(duration).map_or(Wait::Forever, Wait::Until),
            wait => wait,
        };
        let error = |cause| Error::new(Attempt::Receive, self.local, cause);
        let mut waited = false;
        loop {
            match self.take(batch) {
                Ok(()) => return Ok(batch.messages.len()),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
                Err(cause) => return Err(error(cause)),
            }
            // Until its error queue is emptied, which only the caller can do, polling the socket never waits.
            if wait != Wait::No && self.has_reports() {
                return Ok(0);
            }
            if waited {
                if poll::is_shut_down(&self.inner) {
                    return Err(error(shut_down()));
                }
                self.discard_reports();
            }
            if !self.wait(wait)? {
                return Ok(0);
            }
            waited = true;
        }
    }

    /// Receives what has arrived into the batch, without waiting, as runtimes have it; returns the number of trains.
    ///
    /// Zero means that nothing has arrived, but datagrams that were sent earlier were refused: [`errors`](Self::errors) has
    /// the reports. They make the socket ready, for reading or as an error, until they were read there.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) where there is neither a datagram nor a report; the system's.
    ///
    /// # Example
    ///
    /// In async-io, where a refusal makes a socket readable. In tokio's `AsyncFd` it does not, and one waits for
    /// `Interest::READABLE | Interest::ERROR` (`examples/tokio_fd.rs`); or one takes `AsyncSocket`, with the feature `tokio`.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use udpkit::{Options, ReceiveBatch, Socket};
    ///
    /// let socket = Socket::bind("127.0.0.1:0".parse()?, &Options::default().errors(true))?;
    /// # socket.send_to(b"hello", socket.local_address())?;
    /// let socket = async_io::Async::new(socket)?;
    /// let mut batch = ReceiveBatch::default();
    /// # async_io::block_on(async {
    /// let trains = socket.read_with(|socket| socket.try_receive(&mut batch)).await?;
    /// if trains == 0 {
    ///     socket.get_ref().errors(|refused| eprintln!("{}: {}", refused.destination, refused.cause));
    /// }
    /// # Ok(()) })
    /// # }
    /// ```
    pub fn try_receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        match self.take(batch) {
            Ok(()) => Ok(batch.messages.len()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.has_reports() => Ok(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && poll::is_shut_down(&self.inner) => {
                Err(shut_down())
            }
            Err(error) => Err(error),
        }
    }

    /// Receives into the batch without waiting.
    fn take(&self, batch: &mut ReceiveBatch) -> io::Result<()> {
        batch.messages.clear();
        let mut transients = 0;
        loop {
            let (slots, scratch) = batch.parts();
            let received = if self.options.portable {
                portable::receive(&self.inner, slots, scratch, &self.limits)
            } else {
                native::receive(&self.inner, slots, scratch, &self.limits)
            };
            match received {
                Ok(()) => {
                    batch.read_clocks(both());
                    self.fill_in(&mut batch.messages);
                    return Ok(());
                }
                Err(error) if is_transient(&error) && transients < MAX_TRANSIENTS => transients += 1,
                // There may be any number of these: one for each datagram that was refused. The rest is read next time.
                Err(error) if error.raw_os_error().is_some_and(|code| number::EACH_REFUSED.contains(&code)) => {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the batch and empties it; returns what could not be sent. The rest was sent once.
    ///
    /// Waits for room for [`Options::send_wait`] at most. What could not be sent is in [`SendBatch::failures`], too.
    #[must_use = "these datagrams were not sent"]
    pub fn send<'b>(&self, batch: &'b mut SendBatch) -> &'b [SendFailure] {
        batch.failures.clear();
        self.hand_over(batch, Some(self.options.send_wait));
        &batch.failures
    }

    /// Puts a datagram into the batch, and sends the batch before that if it is full; returns what could not be sent then.
    ///
    /// So a program can answer as many datagrams as come, and [`send`](Self::send) the rest when it has no more.
    #[must_use = "these datagrams were not sent"]
    pub fn queue<'b>(&self, batch: &'b mut SendBatch, transmit: &Transmit, payload: &[u8]) -> &'b [SendFailure] {
        batch.failures.clear();
        if !batch.push(transmit, payload) {
            self.hand_over(batch, Some(self.options.send_wait));
            let pushed = batch.push(transmit, payload);
            debug_assert!(pushed, "an empty batch takes any datagram");
        }
        &batch.failures
    }

    /// Sends what the send buffer has room for, without waiting, as runtimes have it; returns the number of datagrams sent.
    ///
    /// What found no room is still in the batch, in its order, to be sent when the socket can be written. What could not be
    /// sent is in [`SendBatch::failures`]: a full device queue (`ENOBUFS`) is such a failure, since no system says when
    /// there is room again.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) where there is no room at all.
    ///
    /// After a refusal, tokio takes a socket of its `AsyncFd` to be closed for writing, and never waits for room again;
    /// `AsyncSocket` waits.
    pub fn try_send(&self, batch: &mut SendBatch) -> io::Result<usize> {
        batch.failures.clear();
        self.send_more(batch)
    }

    /// Goes on with a batch: [`try_send`](Self::try_send), with its failures after those that there are.
    pub(crate) fn send_more(&self, batch: &mut SendBatch) -> io::Result<usize> {
        let failed = |batch: &SendBatch| batch.failures.iter().map(|failure| failure.count).sum::<usize>();
        let (total, before) = (batch.len(), failed(batch));
        self.hand_over(batch, None);
        let (left, failed) = (batch.len(), failed(batch) - before);
        if left > 0 && left == total { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(total - left - failed) }
    }

    /// Hands a batch to the system; with no patience, what finds no room stays in it.
    fn hand_over(&self, batch: &mut SendBatch, patience: Option<Duration>) {
        if batch.entries.is_empty() {
            return;
        }
        // Places in the batch begin elsewhere than those at the socket: there may be several batches, or none before.
        let (places, datagrams) = (batch.entries[0].place, batch.len());
        let first = self.times.as_deref().map(|times| times.hand_over(datagrams));
        let (mut outgoing, scratch) = batch.parts(self.local.ip(), &self.options);
        outgoing.times = self.times.as_deref().zip(first).map(|(times, first)| {
            let shift = first.wrapping_sub(places);
            Places { times, shift }
        });
        if self.options.portable {
            portable::send(&self.inner, outgoing, scratch, &self.limits, patience);
        } else {
            native::send(&self.inner, outgoing, scratch, &self.limits, patience);
        }
        if batch.entries.is_empty() {
            batch.clear();
        } else if let Some((times, first)) = self.times.as_deref().zip(first) {
            times.take_back(first, datagrams, batch.len());
        }
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// The system's: no route, a payload over the limit, a broadcast where it was not allowed, ...
    pub fn send_to(&self, payload: &[u8], destination: SocketAddr) -> Result<()> {
        let mut batch = SendBatch::default();
        let pushed = batch.push(&Transmit::to(destination), payload);
        debug_assert!(pushed, "an empty batch takes any datagram");
        self.hand_over(&mut batch, Some(self.options.send_wait));
        match batch.failures.pop() {
            None => Ok(()),
            Some(SendFailure { error, .. }) => Err(Error::new(Attempt::Send, destination, error)),
        }
    }

    /// Datagrams that the kernel dropped at this socket so far (its buffer was full), where it can tell.
    ///
    /// Exact and up to date, the last ones included; with [`Options::coalesce`], a dropped train counts as one.
    #[must_use]
    pub fn kernel_drops(&self) -> Option<u64> {
        if !self.capabilities.kernel_drops {
            return None;
        }
        // Before the kernel is asked: what another thread learned since then would seem to be a turn of 2^32 ahead.
        let before = self.drops.load(Ordering::Acquire);
        let now = native::kernel_drops(&self.inner)?;
        // Widened: the kernel's total has 32 bits, and is read often enough to see each turn.
        let total = before.wrapping_add(u64::from(now.wrapping_sub((before & 0xffff_ffff) as u32)));
        self.drops.store(total, Ordering::Release);
        Some(total)
    }

    /// Whether something that was sent has not left this host: it waits for a device, or for a neighbour that has not said where it is.
    /// A neighbour that is not there is [reported](Self::errors) after some seconds. False where the system does not tell.
    #[must_use]
    pub fn holds_unsent(&self) -> bool {
        native::unsent(&self.inner).is_some_and(|bytes| bytes > 0)
    }

    /// Why the socket is of no use any more, if that is so: somebody destroyed it (`ss -K`), or shut it down.
    ///
    /// The error that says so is gone where a report of the error queue was read after it.
    pub(crate) fn lost(&self) -> Option<Error> {
        let local = self.inner.local_addr().ok().and_then(|local| local.as_socket());
        if local.is_some_and(|local| local.port() == self.local.port()) {
            return poll::is_shut_down(&self.inner).then(|| Error::new(Attempt::Receive, self.local, shut_down()));
        }
        let told = self.inner.take_error().ok().flatten();
        let cause = told.unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into());
        Some(Error::new(Attempt::Receive, self.local, cause))
    }

    /// Joins a multicast group on an interface, of one source alone where it is given.
    ///
    /// # Errors
    ///
    /// The interface cannot do multicast, has no address of the family, is gone, or joined the group before.
    pub fn join(&self, group: IpAddr, interface: &crate::Interface, source: Option<IpAddr>) -> Result<()> {
        let joined = if self.options.portable {
            portable::join(&self.inner, group, interface, source)
        } else {
            native::join(&self.inner, group, interface, source)
        };
        joined.map_err(|cause| Error::new(Attempt::Join, Object::group(group, source, Some(&interface.name)), cause))
    }

    /// Leaves a multicast group on an interface, which may be gone; of one source alone where it is given. Without one, the
    /// group is left of whichever sources it was joined.
    ///
    /// # Errors
    ///
    /// It was not joined there. Elsewhere than on Linux, a source cannot be left alone.
    pub fn leave(&self, group: IpAddr, interface: &crate::Interface, source: Option<IpAddr>) -> Result<()> {
        let left = interface
            .index
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
            .and_then(|index| self.leave_numbered(group, index, source));
        left.map_err(|cause| {
            let cause = match cause.kind() {
                io::ErrorKind::AddrNotAvailable => io::Error::new(io::ErrorKind::AddrNotAvailable, "not joined there"),
                _ => cause,
            };
            Error::new(Attempt::Leave, Object::group(group, source, Some(&interface.name)), cause)
        })
    }

    /// [`leave`](Self::leave), on an interface of which the number is known.
    pub(crate) fn leave_numbered(
        &self,
        group: IpAddr,
        interface: InterfaceIndex,
        source: Option<IpAddr>,
    ) -> io::Result<()> {
        if self.options.portable {
            portable::leave(&self.inner, group, interface, source)
        } else {
            native::leave(&self.inner, group, interface, source)
        }
    }

    /// Waits until the socket can be read; false if the time was over first.
    fn wait(&self, wait: Wait) -> Result<bool> {
        let timeout = match wait {
            Wait::No => return Ok(false),
            Wait::Forever => None,
            Wait::For(duration) => Some(duration),
            Wait::Until(deadline) => {
                let left = deadline.saturating_duration_since(now());
                if left.is_zero() {
                    return Ok(false);
                }
                Some(left)
            }
        };
        poll::one(&self.inner, false, timeout).map_err(|cause| Error::new(Attempt::Receive, self.local, cause))?;
        Ok(true)
    }

    /// What a socket bound to one unicast address knows of each datagram without being told.
    fn fill_in(&self, messages: &mut [Message]) {
        if self.options.dual_stack {
            for Message { meta, .. } in &mut *messages {
                meta.source = canonical(meta.source);
                meta.destination = meta.destination.map(|ip| ip.to_canonical());
                meta.local = meta.local.map(|ip| ip.to_canonical());
            }
        }
        let ip = self.local.ip();
        let known = match ip {
            IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_multicast() && !v4.is_broadcast(),
            IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
        };
        if self.capabilities.destination || !known {
            return;
        }
        for Message { meta, .. } in messages {
            meta.destination = Some(ip);
            meta.local = Some(ip);
            // Only Linux keeps broadcasts from a socket that is bound to an address.
            if cfg!(target_os = "linux") {
                meta.delivery = Delivery::Unicast;
            }
        }
    }
}

/// The IP datagram size in bytes that the route to this address takes without fragments, where the system tells: as far as
/// it is known, which is the first link's until a router refused a datagram. By this interface, where one is given. Linux only.
#[must_use]
pub fn path_mtu(destination: SocketAddr, interface: Option<InterfaceIndex>) -> Option<u32> {
    native::path_mtu(destination, interface)
}

/// Opens a socket of the family of an address.
fn open(address: SocketAddr, options: &Options) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!options.dual_stack)?;
    }
    Ok(socket)
}

/// Sets what was asked for on a socket that has or will have this address.
pub(crate) fn configure(socket: &socket2::Socket, address: SocketAddr, options: &Options) -> Result<Capabilities> {
    if let Some(device) = &options.device {
        let bound =
            if options.portable { portable::bind_device(socket, device) } else { native::bind_device(socket, device) };
        bound.map_err(|cause| Error::new(Attempt::Bind, Object::Device(address, device.clone()), cause))?;
    }
    let of_family =
        |v4| configure_family(socket, options, v4).map_err(|cause| Error::new(Attempt::Bind, address, cause));
    let capabilities = of_family(address.is_ipv4())?;
    // What is received by IPv4 is described by the options of IPv4, on a socket of IPv6 too.
    if address.is_ipv6() && options.dual_stack { Ok(capabilities.and(of_family(true)?)) } else { Ok(capabilities) }
}

/// Sets what was asked for, as one family has it.
fn configure_family(socket: &socket2::Socket, options: &Options, v4: bool) -> io::Result<Capabilities> {
    sharing::configure(socket, options)?;
    if options.broadcast {
        socket.set_broadcast(true)?;
    }
    if let Some(hops) = options.hop_limit {
        if v4 {
            socket.set_ttl_v4(hops.into())?;
            socket.set_multicast_ttl_v4(hops.into())?;
        } else {
            socket.set_unicast_hops_v6(hops.into())?;
            socket.set_multicast_hops_v6(hops.into())?;
        }
    }
    if let Some(class) = options.traffic_class {
        if v4 {
            socket.set_tos_v4(class.into())?;
        } else {
            #[cfg(unix)]
            socket.set_tclass_v6(class.into())?;
        }
    }
    if options.portable { portable::configure(socket, options, v4) } else { native::configure(socket, options, v4) }
}

/// An IPv4-mapped address as the one of IPv4 that it is.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, address.port()).into(),
        IpAddr::V6(_) => address,
    }
}

/// Why a socket that was shut down cannot receive: it can be read for ever, and nothing ever arrives.
pub(crate) fn shut_down() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the socket was shut down")
}

/// Errors in a row that may speak of earlier sends; one more is the socket's own.
const MAX_TRANSIENTS: usize = 64;

/// Errors of a receive call that speak of an earlier send (ICMP) or of nothing: try again.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::PermissionDenied
    ) || native::is_icmp_error(error)
}

/// The unspecified address of the family of another.
#[must_use]
pub fn any_address(family_of: IpAddr) -> IpAddr {
    match family_of {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "linux")]
    use crate::feedback::Feedback;

    /// As on a kernel that counts messages itself, before Linux 6.13.
    #[cfg(target_os = "linux")]
    fn counted(ip: IpAddr, options: Options) -> Socket {
        let mut socket =
            Socket::bind(SocketAddr::new(ip, 0), &options.send_timestamps(true)).expect("there are free ports");
        socket.times = socket.times.map(|_| Box::new(SendTimes::new(socket.receive_buffer, true)));
        socket.limits.train.store(0, Ordering::Relaxed);
        socket
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the kernel's clock is compared with ours")]
    fn where_the_kernel_counts_no_time_is_given_to_another_datagram() {
        use std::time::SystemTime;

        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)] {
            let Ok(receiver) = Socket::bind(SocketAddr::new(ip, 0), &Options::default()) else { continue };
            let closed = Socket::bind(SocketAddr::new(ip, 0), &Options::default()).expect("as before").local_address();
            let socket = counted(ip, Options::default().errors(true));
            if socket.times.is_none() {
                return;
            }
            let (mut spans, mut times) = (Vec::new(), Vec::new());
            for number in 0..2000usize {
                // Some are too long to be sent, and some are refused, of which the next call hears.
                let (len, to) = match number % 10 {
                    3 => (70_000, receiver.local_address()),
                    6 => (10, closed),
                    _ => (10, receiver.local_address()),
                };
                let before = SystemTime::now();
                let sent = socket.send_to(&vec![0; len], to).is_ok();
                spans.push((sent, before, SystemTime::now()));
                if number % 3 == 0 {
                    socket.feedback(|feedback| {
                        if let Feedback::Sent(time) = feedback {
                            times.push(time);
                        }
                    });
                }
            }
            for time in &times {
                let (sent, before, after) = spans[usize::try_from(time.place).expect("it is small")];
                assert!(sent && before <= time.at && time.at <= after, "{time:?} of {before:?} to {after:?}");
            }
            let places: std::collections::BTreeSet<_> = times.iter().map(|time| time.place).collect();
            assert_eq!(places.len(), times.len(), "no place twice");
            // Between failures there is time enough for a few.
            assert!(times.len() > 500, "{} times", times.len());
        }
    }

    #[test]
    fn drops_are_counted_on_where_the_total_of_the_kernel_begins_again() {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = Socket::bind(local, &Options::default()).expect("there are free ports");
        if !socket.capabilities().kernel_drops {
            return;
        }
        // Nothing is dropped here, so the kernel's total is zero: after any other, it has begun again.
        let turn = 1 << 32;
        for (before, now) in [(0, 0), (1, turn), (turn - 1, turn), (turn, turn), (5 * turn + 7, 6 * turn)] {
            socket.drops.store(before, Ordering::Relaxed);
            assert_eq!([socket.kernel_drops(), socket.kernel_drops()], [Some(now); 2], "after {before}");
        }
    }
}
