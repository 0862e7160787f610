//! The flags of `udp check` and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ArgGroup, Subcommand};

use super::help::{self, Example, Status};
use crate::words::address::{Address, port};
use crate::words::units;

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp check server 127.0.0.1", "a server that runs on port 10000"),
    ("udp check server 127.0.0.1 -- python3 server.py", "one that the check starts"),
    ("udp check client -- python3 client.py", "a client that asks 127.0.0.1:10000"),
    ("udp check receiver -- python3 receiver.py", "a receiver on port 10000"),
    ("udp check sender -- python3 sender.py", "a sender that broadcasts to port 10000"),
];

/// What the help of each role shows first, and all that `-h` shows, as far as the role has it.
const MOST_USED: &[&str] = &["port", "expect", "request", "request_hex", "only", "json", "verbose"];

/// The examples of `udp check server`.
pub(super) const SERVER_EXAMPLES: &[Example] = &[
    ("udp check server 127.0.0.1", "a server that runs on port 10000"),
    ("udp check server :7 -- ./server", "start it, and again whenever it ends"),
    ("udp check server :10000 --json", "for graders: an object for each point"),
    ("udp check server :10000 --only empty --only refusal", "these points alone"),
    ("udp check server :9000 --request 'PING {label}'", "a server of a protocol: it answers this"),
    (
        "udp check server 192.168.0.1:53 --request-hex '?? ?? 01 00 00 01 00 00 00 00 00 00 00 00 02 00 01'",
        "a name server: it answers this",
    ),
];

/// The examples of `udp check client`.
pub(super) const CLIENT_EXAMPLES: &[Example] = &[
    ("udp check client -- python3 client.py", "a client that asks 127.0.0.1:10000"),
    ("udp check client --expect hi -- python3 client.py '{host}' '{port}' hi", "all points"),
    ("udp check client", "started by hand: what it sends"),
];

/// The examples of `udp check receiver`.
pub(super) const RECEIVER_EXAMPLES: &[Example] = &[
    ("udp check receiver -- python3 receiver.py", "a receiver that listens on port 10000"),
    ("udp check receiver -p 5000 -- python3 receiver.py 5000", "on another port"),
    ("udp check receiver 192.168.1.5", "one that runs: does it survive?"),
];

/// The examples of `udp check sender`.
pub(super) const SENDER_EXAMPLES: &[Example] = &[
    ("udp check sender -- python3 sender.py", "a sender that broadcasts to port 10000"),
    ("udp check sender --expect 'Halo Dunia!' -- python3 sender.py", "all points"),
    ("udp check sender", "started by hand"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "No point failed; the summary says how many were not seen"),
    (1, "A point failed"),
    (2, "Could not do it: wrong usage, nobody listens there (ICMP), nothing could be judged"),
    (130, "Interrupted"),
];

/// Play the other side against a program, and report its faults
///
/// Each point is passed, failed, or not seen. A point fails only if what was sent and what came prove it, more than once wherever
/// that is possible; lost datagrams, a busy machine and a slow program are never a failure. docs/check.md explains each point.
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct CheckArgs {
    #[command(subcommand)]
    pub(crate) role: CheckRole,
}

/// What the program is that is checked.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckRole {
    Server(CheckServerArgs),
    Client(CheckClientArgs),
    Receiver(CheckReceiverArgs),
    Sender(CheckSenderArgs),
}

/// How every program is judged.
#[derive(Clone, Debug, ArgGroup)]
pub(crate) struct JudgeArgs {
    /// Judge only this point (repeatable)
    #[arg(long, value_name = "POINT")]
    pub(crate) only: Vec<String>,
    /// Print JSON Lines, an object for each point
    #[arg(long)]
    pub(crate) json: bool,
    /// Print what was sent and what came for all points
    ///
    /// Without it, for those that failed, and not all of a long exchange.
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Print the points alone: no summary, no notices
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Start this program, and again whenever it ends
    ///
    /// No shell reads it; write sh -c '...' for one. What it prints goes to a terminal of its own, and is read. It is stopped at the
    /// end, with all that it started.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = units::duration)]
    pub(crate) wait: Duration,
    /// End the check after this time; points that are left are not seen
    #[arg(long = "for", value_name = "DURATION", default_value = "5m", value_parser = units::duration)]
    pub(crate) duration: Duration,
    /// Check a program at an address that is neither loopback nor private
    ///
    /// Only if the host is yours, or its owner agreed: a check sends what breaks weak programs.
    #[arg(long)]
    pub(crate) i_may: bool,
}

/// Check a server: it should answer whoever sends to it
///
/// Peers ask it one by one and all at once, send what may break it, and look whether it is still there. It is checked with any answer:
/// if answers repeat the request, or its label, more can be seen.
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(SERVER_EXAMPLES), after_long_help = help::long(SERVER_EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
pub(crate) struct CheckServerArgs {
    /// The server: HOST, HOST:PORT or [V6]:PORT
    pub(crate) address: Address,
    /// A request that the server answers [default: 'Hello World {label}']
    ///
    /// {label} is different each time. If the answer has the label in it, answers to the wrong peer are found.
    #[arg(long, value_name = "TEXT", conflicts_with = "request_hex")]
    pub(crate) request: Option<String>,
    /// The same as bytes, such as '01 0a ff'
    ///
    /// Bytes that are written as ?? are different each time.
    #[arg(long, value_name = "BYTES")]
    pub(crate) request_hex: Option<String>,
    /// Another address of the same host (repeatable)
    ///
    /// Addresses of this host are found without it.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) also: Vec<Address>,
    /// A file that the server writes what it prints to
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
}

/// Check a client: it asks a server that the check plays, and strangers answer, too
///
/// The command is started for each point, without a shell, on a terminal, and killed at the end. {host} and {port} in it become
/// those of the server; without {port}, the server is at port 10000, or at that of ADDRESS. Without a command, start the client
/// by hand: then only what it sends is judged.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("wait", |wait| wait.default_value("10s").help("How long the client may wait for an answer")))]
#[command(after_help = help::short(CLIENT_EXAMPLES), after_long_help = help::long(CLIENT_EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
pub(crate) struct CheckClientArgs {
    /// Where the server is to be: an address of this host [default: 127.0.0.1]
    pub(crate) address: Option<Address>,
    /// Port of the server [default: any with {port}, else 10000]
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,
    /// The text that the client is to send, which four points need
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) expect: Option<String>,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
}

/// Check a broadcast receiver: datagrams of all kinds are sent to it, and what it prints is read
#[derive(Debug, ArgGroup)]
#[command(mut_arg("wait", |wait| wait.default_value("5s").help("How long the receiver may take to print a datagram")))]
#[command(after_help = help::short(RECEIVER_EXAMPLES), after_long_help = help::long(RECEIVER_EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
pub(crate) struct CheckReceiverArgs {
    /// Where the receiver is [default: this host]
    pub(crate) address: Option<Address>,
    /// Port of the receiver [default: 10000]
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
}

/// Check a broadcast sender: what it sends is heard on each network of this host
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(SENDER_EXAMPLES), after_long_help = help::long(SENDER_EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
pub(crate) struct CheckSenderArgs {
    /// Port that it sends to [default: 10000]
    #[arg(short, long, value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,
    /// The text that it is to send, which four points need
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) expect: Option<String>,
    #[command(flatten)]
    pub(crate) judge: JudgeArgs,
}
