//! The one loop: waits for sockets and deadlines, hands datagrams to an engine, sends what it wants sent.

mod run;
mod sockets;
mod wire;

pub use run::{Drive, End};
pub(crate) use run::{DriveOf, Run};
pub(crate) use sockets::Sockets;

use crate::engine::Engine;
use crate::error::Result;
use crate::interface::Interfaces;
use crate::report::Report;
use crate::sink::Sink;
use crate::socket::Socket;

/// Runs an engine on sockets until it has finished, is stopped, or the sink wants no more. What waits in the sockets when it has
/// finished or is stopped is received too: at most some tens of thousands of datagrams from each, and for a tenth of a second.
///
/// The sockets are the run's own; their ids are [`SocketId::first`](crate::SocketId::first), in this order. The engine may open more, and close
/// any. One that is lost (somebody destroyed it, or its address went) is the engine's to decide on:
/// [`Engine::closed`].
///
/// # Errors
///
/// A group cannot be joined anywhere, a socket is lost that the engine cannot do without, or the system has no descriptor
/// left. What goes wrong with single datagrams is reported as events.
///
/// ```
/// use std::ops::ControlFlow;
/// use udpkit::event::{Event, Received};
/// use udpkit::verbs::{Limits, Listen, ListenOptions};
/// use udpkit::{Drive, End, Options, Remote, Socket, drive};
///
/// # fn main() -> udpkit::Result<()> {
/// let socket = Socket::bind(([127, 0, 0, 1], 0).into(), &Options::default())?;
/// socket.send_to(b"Hello World", socket.local_address())?;
///
/// // Whoever has the other end of the line can stop the run, from any thread.
/// let (_remote, control) = Remote::pair()?;
/// let mut listen = Listen::new(ListenOptions::default().limits(Limits::default().count(1)));
/// let mut payloads = Vec::new();
/// let mut sink = |event: Event<'_>| {
///     if let Event::Received(Received { train, .. }) = event {
///         payloads.push(train.payload().to_vec());
///     }
///     ControlFlow::Continue(())
/// };
/// let (report, end) = drive([socket], &mut listen, Drive::new(control), &mut sink)?;
/// assert_eq!((report.received.datagrams, end), (1, End::Done));
/// assert_eq!(payloads, [b"Hello World"]);
/// # Ok(())
/// # }
/// ```
pub fn drive<E: Engine, S: Sink>(
    sockets: impl Into<Vec<Socket>>,
    engine: &mut E,
    mut drive: Drive<E::Input, E::Figures>,
    sink: &mut S,
) -> Result<(Report<E::Figures>, End)> {
    let sockets = sockets.into();
    if !drive.memberships.is_empty() {
        drive.memberships.update(&sockets, &Interfaces::list().unwrap_or_default())?;
    }
    let mut run = Run::new(Sockets::new(sockets)?, engine, drive, sink);
    let end = run.go()?;
    Ok((run.report(), end))
}
