//! The flags of `udp send` and their help.

use std::time::Duration;

use clap::Args as ArgGroup;

use super::common::{CommonArgs, PaceArgs, PayloadArgs, SendingArgs};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::range::AddressRange;
use crate::words::units;

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] =
    &["wait", "count", "every", "hex", "file", "lines", "interfaces", "json", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp send 127.0.0.1 'Hello World'", "ask port 10000, print the answer"),
    ("udp send host:9000 ping -c 5", "one a second, and a summary"),
    ("udp send host:9000 --file cmds --lines", "a datagram for each line"),
    (
        "udp send host:53 --hex '12 34 01 00 00 01 00 00 00 00 00 00 00 00 02 00 01'",
        "send bytes: a question to a name server",
    ),
    ("udp send 255.255.255.255:9 -i eth0 hi", "a broadcast; every answer within --wait is shown"),
    ("udp send host:69 --any-source --hex '00 01 61 00 6f 63 74 65 74 00'", "TFTP answers from another port"),
    ("udp send host:9000 --template 'reading {count} at {time}' --repeat 10", "numbered datagrams"),
    ("udp send host:9000-9010 hi", "to each port of a range, to see which one answers"),
    ("udp send host x --size 1472 --df", "whether 1,500 bytes, headers included, get there in one piece"),
    ("udp send host:9000 --raw hello > reply", "the reply's bytes, exactly"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "An answer came, or none was waited for"),
    (1, "No answer came; with --all, some requests had none"),
    (2, "Could not do it: wrong usage, nothing sent, nobody listens there (ICMP)"),
    (130, "Interrupted before an answer came; with --all, before all had one"),
];

/// Send datagrams, print who answers and how fast
///
/// Waits for a reply, and tells apart "nobody listens there" (an ICMP message, status 2) and silence (status 1). Without a
/// PAYLOAD, standard input is sent: on a terminal line by line, from a pipe or a file as one datagram (--lines cuts it).
#[derive(Debug, ArgGroup)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(habits::options_of("send")))]
pub(crate) struct SendArgs {
    /// Where to send: HOST, HOST:PORT or [V6]:PORT
    ///
    /// A link-local address needs its interface: [V6%INTERFACE]:PORT. PORT may be a range, such as 5000-5010: each port gets
    /// every datagram, from a socket of its own.
    pub(crate) address: AddressRange,
    /// How long to wait for an answer
    ///
    /// The time starts anew with each datagram; 0: do not wait.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) wait: Duration,
    /// Answers to wait for; 0: all that arrive before the wait ends [default: 1; 0 for broadcast and multicast]
    #[arg(long, value_name = "N")]
    pub(crate) replies: Option<u64>,
    /// If no answer comes, send again, up to N times, waiting twice as long each time
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) retries: u32,
    /// Exit with status 1 unless every request was answered; without this, one answer is enough for status 0
    #[arg(long, conflicts_with = "until_replies")]
    pub(crate) all: bool,
    /// Send the next datagram only when the last one is answered or its wait has ended
    ///
    /// With --lines, a list of requests becomes a conversation.
    #[arg(long)]
    pub(crate) dialogue: bool,
    /// Accept answers from any address and port
    #[arg(long)]
    pub(crate) any_source: bool,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}
