//! The flags of `udp relay` and their help.

use std::time::Duration;

use clap::Args as ArgGroup;

use super::common::{self, CommonArgs, SendingArgs};
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::range::AddressRange;
use crate::words::units;

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] = &["seed", "json", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] =
    &[("udp relay :9000 127.0.0.1:10000", "forward what comes to port 9000, and the answers back")];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Ended by a signal, by --count or by --for"),
    (1, "With --count: nothing was relayed before --for ended"),
    (2, "Could not do it: wrong usage, an address in use"),
    (130, "With --count: interrupted before anything was relayed"),
];

/// Forward datagrams, and make the network as bad as you ask
///
/// Peers send to LISTEN; TARGET gets their datagrams from a port for each peer, and each peer its answers, from the address
/// that it sent to.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("ttl", |ttl| ttl.help("The most hops with which datagrams leave; one less than they came with anyway")))]
#[command(mut_arg("dscp", |dscp| dscp.help("DSCP of what leaves, instead of that with which it came")))]
#[command(mut_arg("duration", |duration| duration.help("Stop after this time")))]
#[command(mut_arg("count", |count| count.help("Stop after N datagrams, both directions together")))]
#[command(mut_arg("verbose", |verbose| verbose.help("Print more: peers that come and go, each datagram ignored")))]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
pub(crate) struct RelayArgs {
    /// Where to listen: HOST, HOST:PORT, :PORT, PORT, [V6]:PORT, or a multicast group to join
    #[arg(value_name = "LISTEN")]
    pub(crate) listen: AddressRange,
    /// Where to send what arrives there
    #[arg(value_name = "TARGET")]
    pub(crate) target: Address,
    /// What chance is made of: the same seed gives the nth datagram of a direction the same fate [default: random]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Peers to relay for at a time; for another, the one that is silent for longest is forgotten
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub(crate) max_peers: u32,
    /// Forget peers for which nothing was relayed for this time
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = units::duration)]
    pub(crate) idle: Duration,
    /// Look TARGET up again at this interval, where it is a name; 0: never
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = units::duration, hide_short_help = true)]
    pub(crate) lookup_interval: Duration,
    /// Begin each datagram to TARGET with a header that says who sent it (PROXY protocol, version 2)
    #[arg(long)]
    pub(crate) proxy_protocol: bool,
    /// Send a copy of what goes to TARGET here, too, and ignore what comes back (repeatable)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) copy_to: Vec<Address>,
    /// How long before each datagram to watch the clock instead of sleeping
    ///
    /// 10ms at most. Longer is more exact, and takes more processor time.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = common::busy_wait, hide_short_help = true)]
    pub(crate) busy_wait: Duration,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}
