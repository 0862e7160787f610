//! `udp serve --exec`: questions to commands, and what they print to replies.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use udpkit::event::{InterfacesChanged, Question};
use udpkit::verbs::{ServeFigures, ServeInput};
use udpkit::{Datagram, Event, Interfaces, MAX_PAYLOAD_V6, Reason, Remote, SocketId};

use super::exec::{Failure, Job, Pool};
use super::notices::CommandFailed;
use crate::args::ExecArgs;
use crate::hint::Hint;
use crate::output::SharedPrinter;
use crate::runtime::{descriptors, signals};
use crate::words::address::on_interface;
use crate::words::endpoint::Endpoint;

/// Descriptors of a command while it is started.
const DESCRIPTORS_OF_A_COMMAND: u64 = 10;
/// Ways in which commands fail that are told; all are counted.
const MAX_TOLD: usize = 16;

/// Runs commands for all workers.
#[derive(Clone)]
pub(crate) struct Commands {
    /// Ends with the last of these, and with it all commands.
    pool: Arc<Pool>,
    failures: Failures,
    /// The port of each socket.
    ports: Vec<u16>,
}

/// Tells of failures.
#[derive(Clone)]
struct Failures {
    printer: SharedPrinter,
    /// Those that were told; no more than [`MAX_TOLD`].
    told: Arc<Mutex<HashSet<String>>>,
}

/// The commands that make replies, if they do.
pub(super) fn commands(args: &ExecArgs, printer: &SharedPrinter, ports: Vec<u16>) -> Result<Option<Commands>> {
    let Some(command) = args.exec.clone() else { return Ok(None) };
    make_room(args.exec_at_once.into())?;
    let pool = Pool::new(command, args.exec_at_once.into(), args.exec_limit, MAX_PAYLOAD_V6)
        .context("cannot start a thread for commands")?;
    signals::before_the_end(pool.killer());
    let failures = Failures { printer: printer.clone(), told: Arc::default() };
    Ok(Some(Commands { pool: Arc::new(pool), failures, ports }))
}

/// Runs commands for one worker.
pub(crate) struct WorkerCommands {
    commands: Commands,
    remote: Remote<ServeInput, ServeFigures>,
    interfaces: Interfaces,
}

/// Makes sure that so many commands at once do not want for descriptors.
fn make_room(at_once: u64) -> Result<()> {
    let wanted = at_once * DESCRIPTORS_OF_A_COMMAND;
    if descriptors::reserve(wanted) {
        return Ok(());
    }
    Err(Hint::on(
        format!("{at_once} commands at once may need {wanted} descriptors, which is more than this process may have"),
        "fewer with --exec-at-once N, or more descriptors with ulimit -n",
    ))
}

impl Commands {
    /// Those for a worker, who is told the replies.
    pub(crate) fn for_worker(
        &self,
        remote: &Remote<ServeInput, ServeFigures>,
        interfaces: &Interfaces,
    ) -> WorkerCommands {
        WorkerCommands { commands: self.clone(), remote: remote.clone(), interfaces: interfaces.clone() }
    }
}

impl WorkerCommands {
    /// Takes an event, if it is a question; false if it is somebody else's.
    pub(crate) fn take(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::Question(Question { ticket, via, datagram, .. }) => self.run(*ticket, *via, datagram),
            Event::Interfaces(InterfacesChanged { interfaces, .. }) => {
                self.interfaces = (*interfaces).clone();
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Has a command make the reply to a datagram.
    fn run(&self, ticket: u64, via: SocketId, datagram: &Datagram<'_>) {
        let Commands { pool, failures, ports } = &self.commands;
        let meta = datagram.meta;
        let interface = meta.interface.and_then(|index| self.interfaces.numbered(index)).map(|it| it.name.clone());
        let port = ports.get(via.index()).copied().unwrap_or(0);
        let destination = meta.destination.map(|ip| Endpoint(on_interface(SocketAddr::new(ip, port), meta.interface)));
        let environment = vec![
            ("UDP_SOURCE", Endpoint(meta.source).to_string()),
            ("UDP_SOURCE_ADDRESS", Endpoint(meta.source).ip()),
            ("UDP_SOURCE_PORT", meta.source.port().to_string()),
            ("UDP_DESTINATION", destination.map(|destination| destination.to_string()).unwrap_or_default()),
            ("UDP_DESTINATION_ADDRESS", destination.map(Endpoint::ip).unwrap_or_default()),
            ("UDP_DESTINATION_PORT", port.to_string()),
            ("UDP_INTERFACE", interface.unwrap_or_default()),
            ("UDP_LENGTH", datagram.wire_len.to_string()),
        ];
        let (failures, remote) = (failures.clone(), self.remote.clone());
        let done = move |reply: std::result::Result<Vec<u8>, Failure>| {
            let reply = reply.map_err(|failure| failures.reason(&failure));
            // A run that is over wants no reply any more.
            let _ = remote.input(ServeInput::Reply { ticket, reply });
        };
        pool.submit(Job { payload: datagram.payload.to_vec(), environment, done: Box::new(done) });
    }
}

impl Failures {
    /// The reason for which a datagram has no reply; told where it is news.
    fn reason(&self, failure: &Failure) -> Reason {
        let (reason, words) = match failure {
            Failure::Nothing => return Reason::NoReply,
            Failure::Late => (Reason::ReplyLate, "it was killed at its time limit (--exec-limit)"),
            Failure::TooLong => (Reason::ReplyTooLong, "it printed more than a datagram carries, and was killed"),
            Failure::Failed(words) => (Reason::ReplyError, words.as_str()),
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MAX_TOLD && told.insert(words.to_owned()) {
            let mut printer = self.printer.lock();
            printer.say(&CommandFailed { reason: reason.key(), error: words });
            printer.flush();
        }
        reason
    }
}
