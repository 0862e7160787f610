//! The flags of `udp broadcast` and their help.

use std::time::Duration;

use clap::Args as ArgGroup;

use super::common::{CommonArgs, PaceArgs, PayloadArgs, SendingArgs};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::units;

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] =
    &["port", "interfaces", "to", "ipv6", "wait", "count", "dry_run", "json", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp broadcast 'Halo Dunia!'", "to port 10000 of every host"),
    ("udp broadcast -p 9999 'who?' --wait 3s", "collect answers for 3 s"),
    ("udp broadcast --dry-run hi", "show what would be sent where"),
    ("udp broadcast -i eth0 --limited hi", "to 255.255.255.255, out of eth0"),
    ("udp broadcast -6 hi", "to every IPv6 neighbour (ff02::1)"),
    ("udp broadcast --to 239.255.255.250:1900 --file msearch", "to a multicast group, out of every interface"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "An answer came, or none was waited for"),
    (1, "No answer came"),
    (2, "Could not do it: wrong usage, nothing could be sent"),
    (130, "Interrupted before an answer came"),
];

/// Send to every host on every attached network, collect the answers
///
/// Sends out of each interface that is up and can broadcast, from that interface's address; no route is needed. Reports
/// which interfaces were used and which were left out, then prints a line for each host that answers.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("count", |count| count.help("Send N times [default: each payload once]")))]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(habits::options_of("broadcast")))]
pub(crate) struct BroadcastArgs {
    /// How long to collect answers
    ///
    /// 0: do not wait.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = units::duration)]
    pub(crate) wait: Duration,
    /// Send to 255.255.255.255 instead of each network's broadcast address
    #[arg(long, conflicts_with_all = ["ipv6", "to"])]
    pub(crate) limited: bool,
    /// Send to this broadcast address or group instead
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<Address>,
    /// Show what would be sent where, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) payload: PayloadArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}
