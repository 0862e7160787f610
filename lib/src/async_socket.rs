//! A socket in a tokio runtime (feature `tokio`).

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use tokio::io::Interest;

use crate::batch::{ReceiveBatch, SendBatch};
use crate::datagram::{SendFailure, Transmit};
use crate::error::{Attempt, Error, Result};
use crate::feedback::Feedback;
use crate::options::Options;
use crate::socket::Socket;
use crate::sys::readiness::{Readiness, room};
use crate::unreachable::Unreachable;

/// A [`Socket`] in a tokio runtime: what a `Socket` waits for, or fails for, this one awaits. Unix, with the feature `tokio`.
///
/// Any number of tasks may use it at the same time. It takes a descriptor more than a `Socket` does.
///
/// Every future can be dropped before it is ready, as `select!` and time limits do: what was not received waits in the
/// socket, and what was not sent is still in its batch.
///
/// # Example
///
/// ```
/// use udpkit::{AsyncSocket, Options, ReceiveBatch, SendBatch};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> udpkit::Result<()> {
/// let server = AsyncSocket::bind("127.0.0.1:0".parse().unwrap(), &Options::default().destination(true))?;
/// # let client = AsyncSocket::bind("127.0.0.1:0".parse().unwrap(), &Options::default())?;
/// # client.send_to(b"Hello World", server.local_address()).await?;
/// let (mut requests, mut replies) = (ReceiveBatch::default(), SendBatch::default());
/// # let mut rounds = 0..1;
/// # while rounds.next().is_some() {
/// // loop {
/// server.receive(&mut requests).await?;
/// for request in requests.datagrams().filter(|request| request.payload != b"Get off my lawn!") {
///     for failure in server.queue(&mut replies, &request.meta.reply(), b"Get off my lawn!").await? {
///         eprintln!("{failure}");
///     }
/// }
/// for failure in server.send(&mut replies).await? {
///     eprintln!("{failure}");
/// }
/// // }
/// # }
/// # client.receive(&mut requests).await?;
/// # assert_eq!(requests.datagrams().next().unwrap().payload, b"Get off my lawn!");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncSocket {
    socket: Socket,
    readiness: Readiness,
}

impl AsyncSocket {
    /// [`Socket::bind`], in the runtime of the caller.
    ///
    /// # Errors
    ///
    /// As of [`Socket::bind`]; there are no more descriptors.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without I/O.
    pub fn bind(address: SocketAddr, options: &Options) -> Result<Self> {
        Self::new(Socket::bind(address, options)?)
    }

    /// Puts a socket, which may have been [adopted](Socket::adopt), into the runtime of the caller.
    ///
    /// # Errors
    ///
    /// There are no more descriptors.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one without I/O.
    pub fn new(socket: Socket) -> Result<Self> {
        let readiness = Readiness::of(socket.as_fd(), Interest::READABLE);
        let readiness = readiness.map_err(|cause| Error::new(Attempt::Receive, socket.local_address(), cause))?;
        Ok(Self { socket, readiness })
    }

    /// The socket itself: its address, what it can do, groups.
    #[must_use]
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The socket, out of the runtime.
    #[must_use]
    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// The address and port that the socket is bound to.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.socket.local_address()
    }

    /// Receives what has arrived into the batch, waits where that is nothing; returns the number of trains.
    ///
    /// Zero means that datagrams sent earlier were refused: [`errors`](Self::errors), or [`feedback`](Self::feedback) where send times
    /// were asked for, too, has the reports, and until they were taken there every call returns at once.
    ///
    /// Dropped before it is ready, it has received nothing.
    ///
    /// # Errors
    ///
    /// The system's.
    pub async fn receive(&self, batch: &mut ReceiveBatch) -> Result<usize> {
        let call = || self.socket.try_receive(batch);
        // A report makes no socket readable, it is an error; one that was shut down is readable.
        let received = self.readiness.io(Interest::READABLE | Interest::ERROR, call).await;
        received.map_err(|cause| self.error(Attempt::Receive, cause))
    }

    /// Waits until a datagram sent earlier was refused, and takes all reports that there are ([`Socket::errors`]), 64 at most.
    ///
    /// Without [`Options::errors`], nothing is ever reported, and this waits for ever.
    ///
    /// # Errors
    ///
    /// The runtime ends.
    pub async fn errors(&self, mut report: impl FnMut(Unreachable)) -> Result<()> {
        self.reports(|is_any| {
            self.socket.errors(|refused| {
                *is_any = true;
                report(refused);
            });
        })
        .await
    }

    /// Waits until there is any report of what was sent earlier, and takes all that there are ([`Socket::feedback`]), 64 at most.
    ///
    /// Without [`Options::errors`] and [`Options::send_timestamps`], nothing is ever reported, and this waits for ever.
    ///
    /// # Errors
    ///
    /// The runtime ends.
    pub async fn feedback(&self, mut report: impl FnMut(Feedback)) -> Result<()> {
        self.reports(|is_any| {
            self.socket.feedback(|feedback| {
                *is_any = true;
                report(feedback);
            });
        })
        .await
    }

    /// Takes reports in this way until there was any.
    async fn reports(&self, mut take: impl FnMut(&mut bool)) -> Result<()> {
        let call = || {
            let mut is_any = false;
            take(&mut is_any);
            if is_any { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        };
        let reported = self.readiness.io(Interest::ERROR, call).await;
        reported.map_err(|cause| self.error(Attempt::Receive, cause))
    }

    /// Sends the batch and empties it, waits while the send buffer is full; returns what could not be sent. The rest was sent once.
    ///
    /// A full device queue (`ENOBUFS`, reported where [`Options::errors`] is set) is a failure at once. It waits as
    /// long as it takes, whatever [`Options::send_wait`] is.
    ///
    /// Dropped before it is ready, the batch still holds what was not sent, and [`SendBatch::failures`] what could not be.
    ///
    /// # Errors
    ///
    /// There are no descriptors to wait with. The batch holds what was not sent.
    pub async fn send<'b>(&self, batch: &'b mut SendBatch) -> Result<&'b [SendFailure]> {
        batch.failures.clear();
        self.flush(batch).await?;
        Ok(batch.failures())
    }

    /// Puts a datagram into the batch, and sends the batch before that if it is full ([`Socket::queue`]); returns what could
    /// not be sent then.
    ///
    /// Dropped before it is ready, it has not put the datagram in.
    ///
    /// # Errors
    ///
    /// As of [`send`](Self::send).
    pub async fn queue<'b>(
        &self,
        batch: &'b mut SendBatch,
        transmit: &Transmit,
        payload: &[u8],
    ) -> Result<&'b [SendFailure]> {
        batch.failures.clear();
        if !batch.push(transmit, payload) {
            self.flush(batch).await?;
            let pushed = batch.push(transmit, payload);
            debug_assert!(pushed, "an empty batch takes any datagram");
        }
        Ok(batch.failures())
    }

    /// Sends one datagram, waits while the send buffer is full. Dropped before it is ready, it has not sent it.
    ///
    /// # Errors
    ///
    /// As of [`Socket::send_to`].
    pub async fn send_to(&self, payload: &[u8], destination: SocketAddr) -> Result<()> {
        let mut batch = SendBatch::default();
        self.queue(&mut batch, &Transmit::to(destination), payload).await?;
        self.flush(&mut batch).await?;
        match batch.failures.pop() {
            None => Ok(()),
            Some(failure) => Err(Error::new(Attempt::Send, destination, failure.error)),
        }
    }

    /// Sends all that is in the batch.
    async fn flush(&self, batch: &mut SendBatch) -> Result<()> {
        while !batch.is_empty() {
            // A task that only sends, and never has to wait, lets others run as well.
            tokio::task::coop::consume_budget().await;
            if self.socket.send_more(batch).is_err() {
                room(self.socket.as_fd()).await.map_err(|cause| self.error(Attempt::SendOn, cause))?;
            }
        }
        Ok(())
    }

    fn error(&self, attempt: Attempt, cause: io::Error) -> Error {
        Error::new(attempt, self.local_address(), cause)
    }
}

impl AsFd for AsyncSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
