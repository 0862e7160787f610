//! The flags of `udp serve` and their help.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;

use super::common::{CommonArgs, SendingArgs, status_interval};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::numbers::{NumberOrOff, number_or_off};
use crate::words::range::AddressRange;
use crate::words::units;

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] = &["reply", "echo", "sink", "rules", "exec", "count", "json", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp serve", "answer everyone with 'Get off my lawn!'"),
    ("udp serve 127.0.0.1:9000 --echo", "on this host only, send back what arrives"),
    ("udp serve :9000 --reply pong -v", "show every datagram that is answered"),
    ("udp serve --reply '{count}: hello {source}'", "a reply filled in with what is known of the request"),
    ("udp serve --echo --delay 20ms..80ms --drop 5%", "a slow and lossy peer to test against"),
    ("udp serve --rules house.toml", "a reply for each kind of datagram; SIGHUP reloads the file"),
    ("udp serve --exec 'tr a-z A-Z'", "reply with what a command makes of the payload"),
    #[cfg(feature = "http")]
    ("udp serve --metrics 127.0.0.1:9100", "metrics for Prometheus at http://127.0.0.1:9100/metrics"),
    ("udp serve --sink --json", "only count; the summary as JSON"),
];

/// What makes no reply, or says itself when each leaves.
const NO_FLAT_REPLY: &[&str] = &["sink", "rules", "exec"];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Ended by a signal, by --count or by --for"),
    (1, "With --count: nothing was answered before --for ended"),
    (2, "Could not do it: wrong usage, an address in use, no reply could be sent"),
    (130, "With --count: interrupted before anything was answered"),
];

/// Answer every datagram that arrives
///
/// Every peer is answered from the address that it sent to, without a process or connection for each. Datagrams that could
/// only do harm are not answered: impossible sources, ports of well-known responders (loops), requests whose reply would be
/// much larger, floods. The summary at the end counts every datagram received exactly once.
///
/// The TEXT of a reply may contain {source} {payload} {payload_hex} {length} {count} {time} {interface}, and parts of the
/// payload such as {payload[0..2]}; {{ is a literal brace. See docs/rules.md for more, and for the format of rules.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("ttl", |ttl| ttl.help("Time to live (hop limit) of replies; at most 63 unless --no-loop-guard")))]
#[command(mut_arg("duration", |duration| duration.help("Stop after this time")))]
#[command(mut_arg("count", |count| count.help("Stop after answering N datagrams")))]
#[command(mut_arg("verbose", |verbose| verbose.help("Print more: each datagram answered or ignored")
    .long_help("Print more: each datagram answered or ignored, at most 1,000 a second")))]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(habits::options_of("serve")))]
pub(crate) struct ServeArgs {
    /// Where to listen [default: every address, port 10000]
    ///
    /// HOST, HOST:PORT, :PORT, PORT, [V6]:PORT, or a multicast group to join. PORT may be a range, such as 5000-5010.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<AddressRange>,
    /// Reply with this text
    #[arg(long, value_name = "TEXT", default_value = "Get off my lawn!", value_parser = template, group = "answer")]
    pub(crate) reply: udpkit::Template,
    /// Reply with what was received
    #[arg(long, group = "answer")]
    pub(crate) echo: bool,
    /// Do not reply, only count
    #[arg(long, group = "answer")]
    pub(crate) sink: bool,
    /// Reply according to the rules in this file (docs/rules.md)
    #[arg(long, value_name = "FILE", group = "answer")]
    pub(crate) rules: Option<PathBuf>,
    /// Delay each reply by this much, or by a random amount from a range such as 20ms..80ms
    #[arg(long, value_name = "DURATION", value_parser = units::delay, conflicts_with_all = NO_FLAT_REPLY)]
    pub(crate) delay: Option<RangeInclusive<Duration>>,
    /// Drop replies at random, with this probability: 5% or 0.05
    #[arg(long, value_name = "CHANCE", value_parser = units::chance, conflicts_with_all = NO_FLAT_REPLY)]
    pub(crate) drop: Option<f64>,
    #[command(flatten)]
    pub(crate) exec: ExecArgs,
    /// Workers, each with a thread and a socket [default: the cores there are; 1 with --count]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Serve metrics for Prometheus over HTTP at this address; without a host, on loopback
    #[cfg_attr(feature = "http", arg(long, value_name = "ADDRESS"))]
    #[cfg_attr(not(feature = "http"), arg(skip))]
    pub(crate) metrics: Option<Address>,
    /// Print the status at this interval, 10ms or more; 0: never [default: 1s on a terminal, else never]
    #[arg(long, value_name = "DURATION", value_parser = status_interval)]
    pub(crate) status: Option<Duration>,
    #[command(flatten)]
    pub(crate) conduct: ConductArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How commands make replies; on Windows, an error says that they cannot.
#[derive(Debug, ArgGroup)]
pub(crate) struct ExecArgs {
    /// Reply with what this command prints
    ///
    /// sh runs it for each datagram, with the payload on standard input and the addresses in UDP_* variables.
    #[arg(long, value_name = "COMMAND", group = "answer", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) exec: Option<String>,
    /// Commands that may run at a time; each worker queues up to eight times as many datagrams
    #[arg(long, value_name = "N", default_value = "8", requires = "exec", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) exec_at_once: u16,
    /// Time that a command may take; after that it is killed, and there is no reply
    #[arg(long, value_name = "DURATION", default_value = "5s", requires = "exec", value_parser = units::duration)]
    pub(crate) exec_limit: Duration,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Conduct")]
pub(crate) struct ConductArgs {
    /// Withhold replies larger than N times the request, headers included; 'off': no limit
    #[arg(long, value_name = "N", default_value = "3", value_parser = number_or_off)]
    pub(crate) max_amplification: NumberOrOff,
    #[command(flatten)]
    pub(crate) guards: GuardArgs,
}

/// The guards that every verb has which answers strangers.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Conduct")]
pub(crate) struct GuardArgs {
    /// Send at most N replies a second to one network (/24, /56); 'off': no limit [default: 1000, loopback exempt]
    #[arg(long, value_name = "N", value_parser = number_or_off)]
    pub(crate) rate_limit: Option<NumberOrOff>,
    /// Also reply to the source ports of well-known responders (DNS, NTP, mDNS, ...)
    #[arg(long)]
    pub(crate) answer_any_port: bool,
    /// Turn off loop detection: reply with the full hop limit, even to datagrams equal to the reply
    #[arg(long)]
    pub(crate) no_loop_guard: bool,
}

fn template(text: &str) -> Result<udpkit::Template, String> {
    udpkit::Template::text(text).map_err(|error| error.to_string())
}
