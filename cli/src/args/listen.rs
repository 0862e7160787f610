//! The flags of `udp listen` and their help.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args as ArgGroup;

use super::common::{CommonArgs, PrintArgs};
use crate::words::address::Address;
use crate::words::{bytes, units};
use udpkit_capture::Limit;

/// Print every datagram that arrives, and what the kernel knows of it
///
/// Shares its port with other receivers that allow it: each gets every broadcast and multicast. A multicast ADDRESS is
/// joined on every interface that can, or on those named with -i.
#[derive(Debug, ArgGroup)]
#[command(after_help = "\
Examples:
  udp listen                               everything to port 10000
  udp listen :9000 --hex-dump              another port, as hex
  udp listen 239.1.2.3:5000 -i eth0        a multicast group on one interface
  udp listen [ff02::fb]:5353               an IPv6 group on every interface
  udp listen --from 10.1.0.0/16 --json     one network's datagrams, as JSON Lines
  udp listen --fields source,payload       who sent what, and nothing else
  udp listen --delta                       how long after the one before each came
  udp listen 9000 --tui                    who sends how much, live
  udp listen --count 1 --raw > payload     the bytes of the next datagram
  udp listen --raw --delimiter '\\n' > log  each payload's bytes on a line
  udp listen --write hour.pcapng --rotate 1h --keep 24
                                           the last day, as captures of an hour each")]
pub(crate) struct ListenArgs {
    /// Where: HOST, HOST:PORT, :PORT, PORT, [V6]:PORT or a multicast group [default: every address, port 10000]
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<Address>,
    /// Only datagrams from this network, such as 10.1.0.0/16 (repeatable)
    #[arg(long, value_name = "NETWORK")]
    pub(crate) from: Vec<udpkit::verbs::Network>,
    /// Only datagrams whose payload matches this regular expression (on bytes)
    #[arg(long = "match", value_name = "REGEX", value_parser = regex)]
    pub(crate) matching: Option<regex::bytes::Regex>,
    /// Join multicast groups for this source only (source-specific multicast)
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Option<std::net::IpAddr>,
    /// Show a live table of senders instead, with the last payloads of each; ? there shows its keys
    #[arg(long, conflicts_with_all = ["format", "json", "raw", "hex_dump", "quiet", "verbose", "print",
        "fields", "utc", "relative", "delta", "delimiter"])]
    pub(crate) tui: bool,
    /// Receive what one sender sends in a row as one, where the system can: faster, but drops are then told as "at least",
    /// and times are those of the row
    #[arg(long)]
    pub(crate) coalesce: bool,
    /// Memory for datagrams that wait to be printed or written [default: 64MiB, or 512MiB with --coalesce]
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) queue: Option<usize>,
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
    /// Write the datagrams to a capture file, which Wireshark and tcpdump read, instead of printing them; '-': standard
    /// output
    #[arg(long, value_name = "FILE.pcapng")]
    pub(crate) write: Option<PathBuf>,
    /// Print them all the same
    #[arg(long, requires = "write")]
    pub(crate) print: bool,
    /// Begin another file at this size or time: FILE-00001.pcapng, FILE-00002.pcapng, ...
    #[arg(long, value_name = "SIZE|DURATION", requires = "write", value_parser = units::limit)]
    pub(crate) rotate: Option<Limit>,
    /// Keep the newest N of these files
    #[arg(long, value_name = "N", requires = "rotate")]
    pub(crate) keep: Option<NonZeroUsize>,
}

fn regex(text: &str) -> Result<regex::bytes::Regex, String> {
    bytes::regex(text).map_err(|error| error.to_string())
}
