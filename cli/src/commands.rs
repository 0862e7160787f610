//! `udp serve --exec`: questions to commands, and what they print to replies.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use udpkit::{Datagram, Input, MAX_PAYLOAD_V6, Reason, Remote};

use crate::args::ExecArgs;
use crate::exec::{Failure, Job, Pool};
use crate::serve::Shared;

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
    printer: Shared,
    /// Those that were told; no more than [`MAX_TOLD`].
    told: Arc<Mutex<HashSet<String>>>,
}

impl ExecArgs {
    /// The commands that make replies, if they do.
    pub(crate) fn commands(&self, printer: &Shared, ports: Vec<u16>) -> Result<Option<Commands>> {
        let Some(command) = self.exec.clone() else { return Ok(None) };
        let pool = Pool::new(command, self.exec_at_once.into(), self.exec_limit, MAX_PAYLOAD_V6)
            .context("cannot start a thread for commands")?;
        let failures = Failures { printer: printer.clone(), told: Arc::default() };
        Ok(Some(Commands { pool: Arc::new(pool), failures, ports }))
    }
}

impl Commands {
    /// Has a command make the reply to a datagram, which `remote` is then told.
    pub(crate) fn run(&self, ticket: u64, via: usize, datagram: &Datagram<'_>, interface: &str, remote: &Remote) {
        let meta = datagram.meta;
        let port = self.ports.get(via).copied().unwrap_or(0);
        let destination = meta.destination.map(|ip| SocketAddr::new(ip, port));
        let environment = vec![
            ("UDP_SOURCE", meta.source.to_string()),
            ("UDP_SOURCE_ADDRESS", meta.source.ip().to_string()),
            ("UDP_SOURCE_PORT", meta.source.port().to_string()),
            ("UDP_DESTINATION", destination.map(|address| address.to_string()).unwrap_or_default()),
            ("UDP_DESTINATION_ADDRESS", meta.destination.map(|ip| ip.to_string()).unwrap_or_default()),
            ("UDP_DESTINATION_PORT", port.to_string()),
            ("UDP_INTERFACE", interface.to_owned()),
            ("UDP_LENGTH", datagram.wire_len.to_string()),
        ];
        let (failures, remote) = (self.failures.clone(), remote.clone());
        let done = move |reply: std::result::Result<Vec<u8>, Failure>| {
            let reply = reply.map_err(|failure| failures.reason(&failure));
            // A run that is over wants no reply any more.
            remote.input(Input::Reply { ticket, reply });
        };
        self.pool.submit(Job { payload: datagram.payload.to_vec(), environment, done: Box::new(done) });
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
            self.printer.lock().complain(&format!("no reply from the command: {words}"));
        }
        reason
    }
}
