//! A server to embed: one or more workers, each with its own sockets and thread, answering until they are stopped.

use std::io;
use std::iter::once;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::answer::Answer;
use crate::clock::now;
use crate::conduct::Conduct;
use crate::control::Remote;
use crate::drive::{Drive, DriveOf, End, Run, Sockets};
use crate::error::{Attempt, Error, Object, Result};
use crate::event::Event;
use crate::interface::Interfaces;
use crate::membership::Memberships;
use crate::moment::Moment;
use crate::options::Options;
use crate::report::Report;
use crate::sink::Sink;
use crate::socket::Socket;
use crate::socket_id::SocketId;
use crate::verbs::{Serve, ServeFigures, ServeInput, ServeOptions};

/// How long the workers have, all together, to say what they did so far. They never wait for anything for as long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers datagrams in threads of its own until it is stopped or dropped.
///
/// In a test, [`Server::mock`] also says what it expects. A server that answers by rules:
///
/// ```
/// use std::net::UdpSocket;
/// use udpkit::{Answer, Rule, Rules, Server, Template};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let thermostat = Rules::from_iter([
///     Rule::any().payload("GET temperature").reply(Template::text("21.5")?),
///     Rule::any().prefix("SET ").reply(Template::text("OK {payload[4..]}")?),
/// ]);
/// let server = Server::start("127.0.0.1:0".parse()?, thermostat)?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// let mut ask = |question: &str| -> std::io::Result<String> {
///     let mut reply = [0; 100];
///     client.send_to(question.as_bytes(), server.addresses()[0])?;
///     let length = client.recv(&mut reply)?;
///     Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
/// };
/// assert_eq!(ask("GET temperature")?, "21.5");
/// assert_eq!(ask("SET 19")?, "OK 19");
///
/// // From now on it answers something else.
/// server.set_answer(Answer::with(|datagram| Some(datagram.payload.to_ascii_uppercase())));
/// assert_eq!(ask("hello")?, "HELLO");
///
/// let report = server.stop();
/// assert_eq!((report.received.datagrams, report.own.answered), (3, 3));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    workers: Vec<Worker>,
    /// The workers' ends, each when it comes.
    ends: Mutex<Receiver<End>>,
}

/// A worker, seen from outside.
#[derive(Debug)]
struct Worker {
    remote: Remote<ServeInput, ServeFigures>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What it last said; in the end, all that it did.
    last: Arc<Mutex<Report<ServeFigures>>>,
}

impl Server {
    /// Answers at this address, with every guard on, in one thread; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or the system has no thread or descriptor left.
    pub fn start(address: SocketAddr, answer: impl Into<Answer>) -> Result<Self> {
        let answer = answer.into();
        let options = Options { timestamps: answer.tells_time(), ..Conduct::default().socket_options() };
        let sockets = vec![Socket::bind(address, &options)?];
        let options = ServeOptions::new(answer, vec![sockets[0].local_address()]);
        Self::launch(sockets, options, Memberships::default(), 1, |_, _| |_: Event<'_>| ControlFlow::Continue(()))
    }

    /// Answers through these sockets; each further worker gets a [sibling](Socket::sibling) of each. The first one alone
    /// has the sockets from the first with a group on, and decides on multicasts and broadcasts: put those with groups last.
    ///
    /// `sinks` makes what takes the events of each worker, from its number, beginning with 0, and the line to it. When
    /// one worker ends because its sink wants no more, or panicked, the others go on: [`wait`](Self::wait) tells.
    ///
    /// # Errors
    ///
    /// Ports cannot be shared on this system, the sockets of several workers do not tell of destinations
    /// ([`Options::destination`]), an address cannot be bound, a group cannot be joined anywhere, or no thread or descriptor
    /// is left.
    pub fn launch<S: Sink + Send + 'static>(
        mut sockets: Vec<Socket>,
        mut options: ServeOptions,
        mut memberships: Memberships,
        workers: usize,
        mut sinks: impl FnMut(usize, &Remote<ServeInput, ServeFigures>) -> S,
    ) -> Result<Self> {
        options.clock.get_or_insert_with(Moment::now);
        let addresses = sockets.iter().map(Socket::local_address).collect();
        if !memberships.is_empty() {
            memberships.update(&sockets, &Interfaces::list().unwrap_or_default())?;
        }
        // The kernel hands a multicast for which it finds one receiver to any sibling of it, joined or not (seen in 6.18,
        // inet_steal_sock). So sockets with groups have none.
        let shared = memberships.first_via().map_or(sockets.len(), SocketId::index);
        let siblings = siblings(&mut sockets, shared, workers)?;
        let first = Serve::new(options);
        let further: Vec<_> = siblings.into_iter().map(|sockets| (sockets, first.worker())).collect();
        let (ended, ends) = channel();
        let mut server = Self { addresses, workers: Vec::new(), ends: Mutex::new(ends) };
        // Nobody begins before all can: else a failure here would wait for sinks, which may wait for our caller. Behind the
        // server, so that they are gone before it waits for its threads.
        let mut gates = Vec::new();
        let mut memberships = Some(memberships);
        for (number, (sockets, engine)) in once((sockets, first)).chain(further).enumerate() {
            let (remote, control) = Remote::pair()?;
            let sink = sinks(number, &remote);
            let drive = Drive::new(control).memberships(memberships.take().unwrap_or_default());
            let work = Work { sockets: Sockets::new(sockets)?, engine, drive, sink };
            let (worker, gate) = Worker::start(number, work, remote, ended.clone())?;
            server.workers.push(worker);
            gates.push(gate);
        }
        for gate in gates {
            // Its thread is there and waits.
            let _ = gate.send(());
        }
        Ok(server)
    }

    /// The addresses that it answers at.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A line to each worker.
    pub fn remotes(&self) -> impl Iterator<Item = &Remote<ServeInput, ServeFigures>> {
        self.workers.iter().map(|worker| &worker.remote)
    }

    /// Answers this from now on. No datagram is lost meanwhile; replies that are held back still go out.
    pub fn set_answer(&self, answer: impl Into<Answer>) {
        let answer = answer.into();
        for remote in self.remotes() {
            // A worker that has ended answers nothing.
            let _ = remote.input(ServeInput::Answer(answer.clone()));
        }
    }

    /// What it did so far, all workers together.
    #[must_use]
    pub fn report(&self) -> Report<ServeFigures> {
        let asked: Vec<_> = self.remotes().map(Remote::ask_report).collect();
        let until = now() + PATIENCE;
        for (worker, asked) in self.workers.iter().zip(asked) {
            // Where a worker has ended, its last word stands already.
            if let Ok(report) = asked.recv_timeout(until.saturating_duration_since(now())) {
                worker.keep(report);
            }
        }
        self.last_report()
    }

    /// Waits until a worker has ended, for this time at most; then, why it ended.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<End> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(patience).ok()
    }

    /// Stops all workers, and returns what they did.
    #[must_use = "who needs no report drops the server, which stops it, too"]
    pub fn stop(&self) -> Report<ServeFigures> {
        self.remotes().for_each(Remote::stop);
        for worker in &self.workers {
            let thread = worker.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Panics end before the thread does.
            let _ = thread.map(JoinHandle::join);
        }
        self.last_report()
    }

    fn last_report(&self) -> Report<ServeFigures> {
        let mut reports = self.workers.iter().map(Worker::last);
        let mut all = reports.next().unwrap_or_default();
        reports.for_each(|report| all.merge(&report));
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// The sockets of each further worker: a sibling of each of the first sockets.
fn siblings(sockets: &mut [Socket], shared: usize, workers: usize) -> Result<Vec<Vec<Socket>>> {
    if let Some(socket) = sockets.iter().find(|socket| workers > 1 && !socket.capabilities().destination) {
        // Each worker would answer each broadcast.
        let cause = io::Error::new(io::ErrorKind::Unsupported, "its socket does not tell of destinations");
        return Err(Error::new(Attempt::Share, socket.local_address(), cause));
    }
    (1..workers).map(|_| sockets[..shared].iter_mut().map(Socket::sibling).collect()).collect()
}

impl Worker {
    /// Starts its thread, which begins to work once something is sent through the gate that is returned, too.
    fn start<S: Sink + Send + 'static>(
        number: usize,
        work: Work<S>,
        remote: Remote<ServeInput, ServeFigures>,
        ended: Sender<End>,
    ) -> Result<(Self, SyncSender<()>)> {
        let last = Arc::<Mutex<Report<ServeFigures>>>::default();
        let result = Arc::clone(&last);
        let (gate, opened) = sync_channel(1);
        let run = move || {
            if opened.recv().is_err() {
                return;
            }
            // What panics is the program's own: a sink, or a function that makes replies.
            let end = catch_unwind(AssertUnwindSafe(|| work.go(&result))).unwrap_or(End::Panicked);
            // By now its sockets are closed: no peer comes here any more. Nobody may wait for it.
            let _ = ended.send(end);
        };
        let thread = std::thread::Builder::new().name(format!("serve-{number}")).spawn(run);
        let thread = thread.map_err(|cause| Error::new(Attempt::StartThread, Object::None, cause))?;
        Ok((Self { remote, thread: Mutex::new(Some(thread)), last }, gate))
    }

    /// Keeps what the worker said, unless it has said more since then: it may have ended meanwhile.
    fn keep(&self, report: Report<ServeFigures>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if report.elapsed >= last.elapsed {
            *last = report;
        }
    }

    fn last(&self) -> Report<ServeFigures> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A worker, seen from inside.
struct Work<S> {
    sockets: Sockets,
    engine: Serve,
    drive: DriveOf<Serve>,
    sink: S,
}

impl<S: Sink> Work<S> {
    fn go(mut self, last: &Mutex<Report<ServeFigures>>) -> End {
        let mut run = Run::new(self.sockets, &mut self.engine, self.drive, &mut self.sink);
        let end = run.go().expect("Serve has its sockets opened again");
        *last.lock().unwrap_or_else(PoisonError::into_inner) = run.report();
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_word_is_not_replaced_by_an_earlier_one() {
        let (remote, _control) = Remote::pair().expect("there are descriptors");
        let worker = Worker { remote, thread: Mutex::default(), last: Arc::default() };
        for (seconds, answered) in [(1, 10), (3, 30), (2, 20)] {
            let own = ServeFigures { answered, ..ServeFigures::default() };
            worker.keep(Report { own, elapsed: Duration::from_secs(seconds), ..Report::default() });
        }
        assert_eq!(worker.last().own.answered, 30);
    }
}
