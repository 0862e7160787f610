//! The command line: the verbs, and in a file for each its flags and their help; nothing else.
#![allow(rustdoc::broken_intra_doc_links, reason = "brackets in help texts are no links")]

mod broadcast;
mod common;
mod listen;
mod others;
mod replay;
mod send;
mod serve;

use clap::{Parser, Subcommand};

pub(crate) use broadcast::BroadcastArgs;
pub(crate) use common::{CommonArgs, PaceArgs, PayloadArgs, PrintArgs, SendingArgs};
pub(crate) use listen::{CaptureArgs, ListenArgs};
pub(crate) use others::{CompletionsArgs, InterfacesArgs, ManArgs};
pub(crate) use replay::ReplayArgs;
pub(crate) use send::SendArgs;
#[cfg(unix)]
pub(crate) use serve::ExecArgs;
pub(crate) use serve::{ConductArgs, ServeArgs};

/// UDP done right: answer, send, listen, broadcast, replay.
#[derive(Debug, Parser)]
#[command(name = "udp", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  udp serve                          answer every datagram on port 10000 with 'Get off my lawn!'
  udp send 127.0.0.1 'Hello World'   send a datagram, print who answers and how fast
  udp listen                         print every datagram that arrives on port 10000
  udp broadcast 'Halo Dunia!'        send to every host on every attached network

Exit status: 0 done; 1 done, and the answer is no (no reply); 2 could not do it; 130 interrupted.")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Serve(ServeArgs),
    Send(SendArgs),
    Listen(ListenArgs),
    Broadcast(BroadcastArgs),
    Replay(Box<ReplayArgs>),
    Interfaces(InterfacesArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Args::command().debug_assert();
    }
}
