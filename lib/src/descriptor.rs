//! Sockets as the system's descriptors: those of the standard library taken over, ours lent and handed back.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::OwnedFd as OwnedDescriptor;
#[cfg(windows)]
use std::os::windows::io::OwnedSocket as OwnedDescriptor;

use socket2::{Protocol, SockRef, Type};

use crate::error::{Attempt, Error, Object, Result};
use crate::options::Options;
use crate::socket::{Socket, canonical, configure};
use crate::sys::{handed_over, poll};

impl Socket {
    /// Takes over a socket that was made elsewhere: one of the standard library or socket2, or a descriptor that a service
    /// manager handed over (`systemd.socket(5)`, `ListenDatagram=`). Sets the options on it and makes it non-blocking.
    ///
    /// An IPv6 socket that takes IPv4 too, as `[::]` does by default where a socket is not ours, stays one
    /// ([`Options::dual_stack`]). Options that were set before remain; but refusals that are not asked for in these options are
    /// thrown away.
    ///
    /// # Errors
    ///
    /// It is no UDP socket of IPv4 or IPv6, it is not bound to a port, it is connected (a `Socket` answers everyone; keep a
    /// connected one where it is), or it was shut down. As of [`bind`](Self::bind).
    ///
    /// # Example
    ///
    /// ```
    /// use udpkit::{Options, Socket};
    ///
    /// let theirs = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = Socket::adopt(theirs, &Options::default().destination(true))?;
    /// assert_ne!(socket.local_address().port(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adopt(socket: impl Into<OwnedDescriptor>, options: &Options) -> Result<Self> {
        let inner = socket2::Socket::from(socket.into());
        let local = bound_address(&inner)?;
        let error = |cause| Error::new(Attempt::Adopt, local, cause);
        inner.set_nonblocking(true).map_err(error)?;
        let dual_stack = local.is_ipv6() && !inner.only_v6().map_err(error)?;
        let options = options.clone().dual_stack(dual_stack);
        let capabilities = configure(&inner, local, &options)?;
        Ok(Self::new(inner, local, capabilities, options))
    }

    /// The sockets that a service manager bound for this process and handed over (`sd_listen_fds(3)`; `ListenDatagram=` in
    /// `systemd.socket(5)`), each [adopted](Self::adopt) with these options, in its order. There are none where the process was
    /// started in another way, where they were taken before, and on Windows.
    ///
    /// Call it before the program opens anything itself. Programs that this one starts do not get them. What arrived before has
    /// no destination address ([`Options::destination`]), unless the manager asked for it (`PassPacketInfo=yes`).
    ///
    /// # Errors
    ///
    /// `LISTEN_FDS` is no number, a descriptor is not open. As of [`adopt`](Self::adopt).
    pub fn inherited(options: &Options) -> Result<Vec<Self>> {
        let error = |cause| Error::new(Attempt::Adopt, Object::Other("what was handed over".to_owned()), cause);
        let descriptors = handed_over::take().map_err(error)?;
        // Nothing is taken over, and closed, that may be anything else.
        descriptors.iter().try_for_each(|descriptor| bound_address(&SockRef::from(descriptor)).map(drop))?;
        descriptors.into_iter().map(|descriptor| Self::adopt(descriptor, options)).collect()
    }
}

impl TryFrom<std::net::UdpSocket> for Socket {
    type Error = Error;

    /// [`Socket::adopt`], with no options.
    fn try_from(socket: std::net::UdpSocket) -> Result<Self> {
        Self::adopt(socket, &Options::default())
    }
}

impl From<Socket> for std::net::UdpSocket {
    /// The socket with the options that it has; it does not block, for one.
    fn from(socket: Socket) -> Self {
        socket.inner.into()
    }
}

/// The address of a socket that was made elsewhere, if it is one that can be adopted.
fn bound_address(socket: &socket2::Socket) -> Result<SocketAddr> {
    let unknown = |cause| Error::new(Attempt::Adopt, Object::Other("a descriptor".to_owned()), cause);
    let kind = socket.r#type().map_err(unknown)?;
    let local = socket.local_addr().map_err(unknown)?.as_socket();
    let Some(local) = local.filter(|_| kind == Type::DGRAM && is_udp(socket)) else {
        return Err(unknown(io::Error::new(io::ErrorKind::InvalidInput, "it is no UDP socket")));
    };
    let error =
        |words: String| Err(Error::new(Attempt::Adopt, local, io::Error::new(io::ErrorKind::InvalidInput, words)));
    match socket.peer_addr() {
        Ok(peer) => {
            let peer = peer.as_socket().map(|peer| format!(" to {}", canonical(peer))).unwrap_or_default();
            error(format!("it is connected{peer}, and would hear nobody else"))
        }
        _ if local.port() == 0 => error("it is not bound to a port".to_owned()),
        _ if poll::is_shut_down(socket) => error("it was shut down".to_owned()),
        _ => Ok(local),
    }
}

/// Whether a datagram socket of the internet speaks UDP, and not ICMP, UDP-Lite or another; true where the system does not tell.
fn is_udp(socket: &socket2::Socket) -> bool {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    let protocol = socket.protocol();
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    let protocol = socket.local_addr().map(|_| Some(Protocol::UDP));
    protocol.is_ok_and(|protocol| protocol == Some(Protocol::UDP))
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

    use crate::socket::Socket;

    impl AsFd for Socket {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.inner.as_fd()
        }
    }

    impl AsRawFd for Socket {
        fn as_raw_fd(&self) -> RawFd {
            self.inner.as_raw_fd()
        }
    }

    impl From<Socket> for OwnedFd {
        fn from(socket: Socket) -> Self {
            socket.inner.into()
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, OwnedSocket, RawSocket};

    use crate::socket::Socket;

    impl AsSocket for Socket {
        fn as_socket(&self) -> BorrowedSocket<'_> {
            self.inner.as_socket()
        }
    }

    impl AsRawSocket for Socket {
        fn as_raw_socket(&self) -> RawSocket {
            self.inner.as_raw_socket()
        }
    }

    impl From<Socket> for OwnedSocket {
        fn from(socket: Socket) -> Self {
            socket.inner.into()
        }
    }
}
