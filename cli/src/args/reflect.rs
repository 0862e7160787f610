//! The flags of `udp reflect` and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;

use super::GuardArgs;
use super::common::{CommonArgs, SendingArgs, status_interval};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::range::AddressRange;
use crate::words::units;

/// The port of STAMP (RFC 8762, section 4.1).
const PORT: &str = "862";

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] = &["key_file", "keys", "rate_limit", "max_rate", "count", "json", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp reflect", "answer 'udp measure' from everywhere, on port 862"),
    ("udp reflect 127.0.0.1:8620", "on this host only, on a port that needs no root"),
    ("udp reflect --key-file probe.key", "answer those who have the key"),
    ("udp reflect --keys keys", "keys/7.key for session identifier 7; SIGHUP reads all again"),
    ("udp reflect --twamp-light -v", "routers that speak TWAMP Light, too; show each reply"),
    ("udp reflect --rate-limit off --max-rate 200000", "fast tests, with a bound for all together"),
    #[cfg(feature = "http")]
    ("udp reflect --metrics 127.0.0.1:9100", "metrics for Prometheus at http://127.0.0.1:9100/metrics"),
    ("udp reflect --for 1h --json", "the summary as JSON"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Ended by a signal, by --count or by --for"),
    (1, "With --count: nothing was answered before --for ended"),
    (2, "Could not do it: wrong usage, an address in use, a key that cannot be used"),
    (130, "With --count: interrupted before anything was answered"),
];

/// Answer measurements: the far end of 'udp measure'
///
/// A Session-Reflector of STAMP (RFC 8762, RFC 8972), for 'udp measure' and other senders. A reply is as long as its request, and
/// says when the request came and when the reply left. Each session has numbers and counters of its own, so that the sender can tell in
/// which direction something was lost, doubled or reordered.
///
/// One network (/24, /56) gets 1,000 replies a second at most, unless --rate-limit says otherwise; loopback is exempt. What is over the
/// limit is counted and left unanswered, which 'udp measure' reports.
///
/// With keys, only requests made with one are answered (HMAC-SHA-256). A key is all that a file holds but the line end; after
/// 'hex:', in hexadecimal. Its file must not be readable by others.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("ttl", |ttl| ttl.help("Time to live (hop limit) of replies [default: 255]")
    .long_help("Time to live (hop limit) of replies [default: 255, RFC 5357 section 4.2]\n\nA request that may be a reply itself is answered with 63 at most, and \
    fewer than it had left, unless --no-loop-guard")))]
#[command(mut_arg("dscp", |dscp| dscp.help("DSCP of replies to those who ask for none: 0 to 63, or a name such as EF")))]
#[command(mut_arg("duration", |duration| duration.help("Stop after this time")))]
#[command(mut_arg("count", |count| count.help("Stop after N replies")))]
#[command(mut_arg("port", |port| port.default_value(PORT).help("Port for addresses without one")))]
#[command(mut_arg("verbose", |verbose| verbose.help("Print more: each request answered or ignored")
    .long_help("Print more: each request answered or ignored, at most 1,000 a second")))]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(habits::options_of("reflect")))]
pub(crate) struct ReflectArgs {
    /// Where to listen [default: every address, port 862]
    ///
    /// HOST, HOST:PORT, :PORT, PORT, or [V6]:PORT. PORT may be a range, such as 5000-5010.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<AddressRange>,
    /// Answer only requests made with the key in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The same, with a key for each session identifier: DIR/7.key ...
    ///
    /// With --key-file, that key is for identifiers without one. SIGHUP reads them all again; where one cannot be used, the old ones
    /// stay. Sessions go on.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) keys: Option<PathBuf>,
    /// Also answer the short requests of TWAMP Light, with longer replies
    ///
    /// Those of 14 to 43 bytes, with 44: to others they are too short.
    #[arg(long, conflicts_with_all = ["key_file", "keys"])]
    pub(crate) twamp_light: bool,
    /// Send at most N replies a second [default: no limit]
    ///
    /// To all together; --rate-limit is for each network.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_rate: Option<u32>,
    /// Sessions at a time; for another one, that which was idle longest is forgotten
    ///
    /// Authenticated sessions are forgotten for other authenticated ones alone.
    #[arg(long, value_name = "N", default_value = "65536", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) max_sessions: u32,
    /// Forget a session when nothing came of it for this long
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = units::duration)]
    pub(crate) idle: Duration,
    /// Say in replies that this host's clock is synchronised, and off by at most this [default: it is not]
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) clock_error: Option<Duration>,
    /// Write times in the format of PTP instead of NTP
    #[arg(long)]
    pub(crate) ptp: bool,
    /// Ask the kernel when each reply left, for senders that ask (Follow-Up Telemetry)
    ///
    /// A reply then takes about twice the processor time.
    #[arg(long)]
    pub(crate) send_times: bool,
    /// Serve metrics for Prometheus over HTTP at this address; without a host, on loopback
    #[cfg_attr(feature = "http", arg(long, value_name = "ADDRESS"))]
    #[cfg_attr(not(feature = "http"), arg(skip))]
    pub(crate) metrics: Option<Address>,
    /// Print the status at this interval, 10ms or more; 0: never [default: 1s on a terminal, else never]
    #[arg(long, value_name = "DURATION", value_parser = status_interval)]
    pub(crate) status: Option<Duration>,
    #[command(flatten)]
    pub(crate) guards: GuardArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}
