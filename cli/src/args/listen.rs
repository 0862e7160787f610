//! The flags of `udp listen` and their help.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args as ArgGroup;

use super::common::{CommonArgs, PrintArgs};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::range::AddressRange;
use crate::words::{bytes, units};
use udpkit_capture::Limit;

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] = &[
    "interfaces",
    "from",
    "matching",
    "count",
    "hex_dump",
    "json",
    "raw",
    "write",
    #[cfg(feature = "tui")]
    "tui",
];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp listen", "everything that arrives on port 10000"),
    ("udp listen :9000 --hex-dump", "another port, as hex"),
    ("udp listen 239.1.2.3:5000 -i eth0", "a multicast group on one interface"),
    ("udp listen 5000-5010", "a range of ports"),
    ("udp listen '[ff02::fb]:5353'", "an IPv6 group on every interface"),
    ("udp listen --from 10.1.0.0/16 --json", "one network's datagrams, as JSON Lines"),
    ("udp listen --fields source,payload", "who sent what, and nothing else"),
    ("udp listen --delta", "the time since the previous datagram"),
    #[cfg(feature = "tui")]
    ("udp listen 9000 --tui", "a live table of who sends how much"),
    ("udp listen --count 1 --raw > payload", "the bytes of the next datagram"),
    #[cfg(feature = "http")]
    ("udp listen --metrics 127.0.0.1:9100", "metrics for Prometheus at http://127.0.0.1:9100/metrics"),
    ("udp listen --raw --delimiter '\\n' > log", "one payload per line"),
    ("udp listen --write hour.pcapng --rotate 1h --keep 24", "the last day, in captures of one hour"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Ended by a signal, by --count or by --for"),
    (1, "With --count: nothing came before --for ended"),
    (2, "Could not do it: wrong usage, an address in use, a file not written"),
    (130, "With --count: interrupted before anything came"),
];

/// Print every datagram that arrives, with what the kernel knows
///
/// Shares its port with other receivers that allow it: each gets every broadcast and multicast. A multicast ADDRESS is
/// joined on every interface that can multicast, or on those named with -i.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("duration", |duration| duration.help("Stop after this time")))]
#[command(mut_arg("count", |count| count.help("Stop after printing or writing N datagrams")))]
#[command(mut_arg("recv_buffer", |size| size.help(
    "Size of the receive buffer, as far as the system permits [default: 16MiB, or 64MiB with --coalesce]")))]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(habits::options_of("listen")))]
pub(crate) struct ListenArgs {
    /// Where to listen [default: every address, port 10000]
    ///
    /// HOST, HOST:PORT, :PORT, PORT, [V6]:PORT, or a multicast group to join. PORT may be a range, such as 5000-5010.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<AddressRange>,
    /// Take only datagrams from this network (repeatable)
    ///
    /// Such as 10.1.0.0/16, 2001:db8::/32, or an address.
    #[arg(long, value_name = "NETWORK")]
    pub(crate) from: Vec<udpkit::verbs::Network>,
    /// Take only payloads that match this regex
    #[arg(long = "match", value_name = "REGEX", value_parser = regex)]
    pub(crate) matching: Option<regex::bytes::Regex>,
    /// Join multicast groups for this source only (source-specific multicast)
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Option<std::net::IpAddr>,
    /// Show a live table of senders instead
    ///
    /// It shows the latest payloads of each sender; press ? for its keys.
    #[cfg_attr(feature = "tui", arg(long, conflicts_with_all = ["format", "json", "raw", "hex_dump", "quiet", "verbose", "print",
        "fields", "utc", "relative", "delta", "delimiter", "time"]))]
    #[cfg_attr(not(feature = "tui"), arg(skip))]
    pub(crate) tui: bool,
    /// Receive runs of datagrams from one sender as one, where the system can
    ///
    /// Faster, but the kernel's drops are then counted as "at least", and a run has one time.
    #[arg(long)]
    pub(crate) coalesce: bool,
    /// Memory for datagrams waiting to be printed or written [default: 64MiB, or 512MiB with --coalesce]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) queue: Option<usize>,
    /// Serve metrics for Prometheus over HTTP at this address; without a host, on loopback
    #[cfg_attr(feature = "http", arg(long, value_name = "ADDRESS"))]
    #[cfg_attr(not(feature = "http"), arg(skip))]
    pub(crate) metrics: Option<Address>,
    #[command(flatten)]
    pub(crate) capture: CaptureArgs,
    #[command(flatten)]
    pub(crate) print: PrintArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Where datagrams are written to.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Capture file")]
pub(crate) struct CaptureArgs {
    /// Write a capture file instead of printing
    ///
    /// Wireshark and tcpdump can read it. '-' is standard output.
    #[arg(long, value_name = "FILE.pcapng")]
    pub(crate) write: Option<PathBuf>,
    /// Print the datagrams as well
    #[arg(long, requires = "write")]
    pub(crate) print: bool,
    /// Start a new file at this size or after this time: FILE-00001.pcapng, FILE-00002.pcapng, ...
    #[arg(long, value_name = "SIZE|DURATION", requires = "write", value_parser = units::limit)]
    pub(crate) rotate: Option<Limit>,
    /// Keep only the newest N of these files; nothing but captures written by udp is ever removed
    #[arg(long, value_name = "N", requires = "rotate")]
    pub(crate) keep: Option<NonZeroUsize>,
}

fn regex(text: &str) -> Result<regex::bytes::Regex, String> {
    bytes::regex(text).map_err(|error| error.to_string())
}
