//! The command line: the verbs, and in a file for each its flags and their help; nothing else.
#![allow(rustdoc::broken_intra_doc_links, reason = "brackets in help texts are no links")]

mod broadcast;
mod check;
mod common;
mod completion;
#[cfg(feature = "http")]
mod control;
pub(crate) mod habits;
mod help;
mod impairments;
mod listen;
mod measure;
mod others;
mod reflect;
mod relay;
mod replay;
mod send;
mod serve;

use clap::{Parser, Subcommand};
use help::{Example, Page, Status};

use crate::version::built;

pub(crate) use broadcast::BroadcastArgs;
pub(crate) use check::{
    CheckArgs, CheckClientArgs, CheckReceiverArgs, CheckRole, CheckSenderArgs, CheckServerArgs, JudgeArgs,
};
pub(crate) use common::{CommonArgs, PaceArgs, PayloadArgs, PrintArgs, SendingArgs, busy_wait};
pub(crate) use completion::VARIABLE as COMPLETION_VARIABLE;
#[cfg(feature = "http")]
pub(crate) use control::{ControlArgs, TOKEN_VARIABLE};
pub(crate) use listen::{CaptureArgs, ListenArgs};
pub(crate) use measure::{LoadArgs, MeasureArgs, interval};
pub(crate) use others::{CompletionsArgs, InterfacesArgs, ManArgs};
pub(crate) use reflect::ReflectArgs;
pub(crate) use relay::RelayArgs;
pub(crate) use replay::ReplayArgs;
pub(crate) use send::SendArgs;
#[cfg(unix)]
pub(crate) use serve::ExecArgs;
pub(crate) use serve::{ConductArgs, GuardArgs, ServeArgs};

/// The examples of the help; `-h` shows the first three.
const EXAMPLES: &[Example] = &[
    ("udp serve", "on port 10000, answer 'Get off my lawn!'"),
    ("udp send 127.0.0.1 'Hello World'", "send a datagram, print the answer"),
    ("udp listen", "print every datagram to port 10000"),
    ("udp broadcast 'Halo Dunia!'", "to every host on every attached network"),
];

/// What the statuses mean.
const EXIT_STATUS: &[Status] = &[
    (0, "Done"),
    (1, "Done, and the answer is no: no reply came, nothing was received"),
    (2, "Could not do it: wrong usage, refused by the system, nobody listens there"),
    (130, "Interrupted before there was a result"),
];

/// What the documents of a verb have beside its options, or of a part of one, such as `check-server`; of the command itself for any
/// other name.
pub(crate) fn page(verb: &str) -> Page {
    let (examples, statuses) = match verb {
        "serve" => (serve::EXAMPLES, serve::EXIT_STATUS),
        "send" => (send::EXAMPLES, send::EXIT_STATUS),
        "listen" => (listen::EXAMPLES, listen::EXIT_STATUS),
        "broadcast" => (broadcast::EXAMPLES, broadcast::EXIT_STATUS),
        "measure" => (measure::EXAMPLES, measure::EXIT_STATUS),
        "reflect" => (reflect::EXAMPLES, reflect::EXIT_STATUS),
        "relay" => (relay::EXAMPLES, relay::EXIT_STATUS),
        "replay" => (replay::EXAMPLES, replay::EXIT_STATUS),
        "check" => (check::EXAMPLES, check::EXIT_STATUS),
        "check-server" => (check::SERVER_EXAMPLES, check::EXIT_STATUS),
        "check-client" => (check::CLIENT_EXAMPLES, check::EXIT_STATUS),
        "check-receiver" => (check::RECEIVER_EXAMPLES, check::EXIT_STATUS),
        "check-sender" => (check::SENDER_EXAMPLES, check::EXIT_STATUS),
        "interfaces" => (others::INTERFACES, help::DONE_OR_FAILED),
        "completions" => (others::COMPLETIONS, help::DONE_OR_FAILED),
        "man" => (others::MAN, help::DONE_OR_FAILED),
        _ => (EXAMPLES, EXIT_STATUS),
    };
    Page { examples, statuses }
}

/// The help of the command itself, without headings: so all verbs fit on a screen of 24 lines.
const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n\n{subcommands}\n\n{options}{after-help}";

/// UDP done right: answer, send, listen, broadcast, measure, relay, replay.
#[derive(Debug, Parser)]
#[command(name = "udp", version, long_version = built(), max_term_width = 100, disable_help_subcommand = true)]
#[command(help_template = TEMPLATE)]
#[command(after_help = help::short(EXAMPLES))]
#[command(after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Serve(ServeArgs),
    Send(SendArgs),
    #[command(aliases = habits::names_of("listen"))]
    Listen(ListenArgs),
    Broadcast(BroadcastArgs),
    Measure(Box<MeasureArgs>),
    Reflect(Box<ReflectArgs>),
    Relay(Box<RelayArgs>),
    Replay(Box<ReplayArgs>),
    Check(Box<CheckArgs>),
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

    /// The verbs that send or receive, and what `-h` shows of each.
    const VERBS: [(&str, &[&str]); 8] = [
        ("serve", serve::MOST_USED),
        ("send", send::MOST_USED),
        ("listen", listen::MOST_USED),
        ("broadcast", broadcast::MOST_USED),
        ("measure", measure::MOST_USED),
        ("reflect", reflect::MOST_USED),
        ("relay", relay::MOST_USED),
        ("replay", replay::MOST_USED),
    ];

    /// Options that are not the same in every verb, and so have words of their own where they differ.
    const DIFFERENT: &[&str] = &[
        "count",
        "duration",
        "idle",
        "interfaces",
        "key_file",
        "local",
        "port",
        "rate",
        "format",
        "recv_buffer",
        "ttl",
        "verbose",
        "wait",
        "dry_run",
        "dscp",
        "tui",
    ];

    #[test]
    fn the_options_used_most_exist() {
        let command = Args::command();
        for (verb, most_used) in VERBS {
            let verb = command.find_subcommand(verb).expect("it is a verb");
            for id in most_used {
                assert!(verb.get_arguments().any(|arg| arg.get_id() == id), "{id} is no option of {verb}");
            }
        }
    }

    #[test]
    fn an_option_of_several_verbs_has_the_same_words_in_each() {
        let command = Args::command();
        let mut words = std::collections::BTreeMap::new();
        for (verb, _) in VERBS {
            let verb = command.find_subcommand(verb).expect("it is a verb");
            for arg in verb.get_arguments().filter(|arg| !arg.is_positional()) {
                let id = arg.get_id().to_string();
                let help = [arg.get_help(), arg.get_long_help()].map(|help| help.map(ToString::to_string));
                let first = words.entry(id.clone()).or_insert_with(|| help.clone());
                assert!(
                    *first == help || DIFFERENT.contains(&id.as_str()),
                    "{id} in {verb}: {help:?}; before: {first:?}"
                );
            }
        }
    }
}
