//! The flags of `udp replay` and their help.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args as ArgGroup, ValueHint};

use super::common::{self, CommonArgs, SendingArgs};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::units;

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] =
    &["speed", "rate", "max", "rounds", "filter_port", "wait", "interfaces", "dry_run", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp replay game.pcapng 192.168.1.20", "to the ports of the capture"),
    ("udp replay load.pcap host:9000 --rate 10k/s", "at this rate, to one port"),
    ("udp replay game.pcapng host --dry-run", "show what would be sent when"),
    ("udp replay game.pcapng 192.168.1.20:9000 --speed 2", "to one port, twice as fast"),
    ("udp replay dns.pcap 10.0.0.1 --filter-port 53 -v", "only what went to port 53; show each answer"),
    ("udp replay sensors.pcap :9000 --max-gap 1s --loop 0", "to this host, over and over, with pauses of at most 1 s"),
    ("udp replay load.pcap host --segment 1200", "what a network card was to cut"),
    ("udp replay mirror.pcap host --decapsulate", "what was inside GRE or VXLAN"),
    ("udp replay site.pcap -i eth0 --as-recorded", "each to the host or group it went to"),
    ("udp replay a.pcap b.pcap 10.0.0.1", "two captures, in the order of their times"),
    ("tcpdump -Q in -U -w - udp dst port 9000 | udp replay - host", "send on what arrives right now"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Everything was sent"),
    (2, "Could not do it: nothing to send, a datagram not sent, nobody listens there"),
    (130, "Interrupted before everything was sent"),
];

/// Send a capture's datagrams again, with their timing
///
/// Reads pcap and pcapng files from any program, also if gzip or zstd compressed them, reassembles fragments, and sends the
/// payload of every UDP datagram to ADDRESS, in the same order and with the same timing. Whatever is not UDP or cannot be sent
/// is counted and reported, and so is how late each datagram was.
///
/// If ADDRESS has no port, each datagram goes to its port in the capture. Each source in the capture gets a socket of its own
/// (256 at most), on the source's port if that is free; if not, on another, which is reported.
#[derive(Debug, ArgGroup)]
#[command(mut_arg("port", |port| port
    .help("Port if ADDRESS has none; 0: that of each datagram in the capture [default: 0]")))]
#[command(mut_arg("count", |count| count.help("Stop after sending N datagrams")))]
#[command(mut_arg("duration", |duration| duration.help("Stop after this time")))]
#[command(mut_arg("interfaces", |interfaces| interfaces.help("Send out of this interface")))]
#[command(override_usage = "udp replay [OPTIONS] FILE... ADDRESS\n       udp replay [OPTIONS] FILE... --as-recorded")]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(habits::options_of("replay")))]
pub(crate) struct ReplayArgs {
    /// Captures ('-': standard input), and last ADDRESS: HOST, HOST:PORT
    ///
    /// Besides these, ADDRESS can be :PORT or [V6]:PORT. A link-local address needs its interface: [V6%INTERFACE]:PORT. Without HOST
    /// it is this host. With --as-recorded there is no ADDRESS.
    ///
    /// Captures are pcap or pcapng. Several are sent in the order of their times, as if they were one: what was captured an hour
    /// later is sent an hour later (--max-gap shortens pauses). To send one after another, run the command once for each.
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(crate) operands: Vec<OsString>,
    /// Without ADDRESS: send each datagram where it went in the capture
    ///
    /// To the same address and port, whether a host, a broadcast address or a group; with -i, out of that interface. What cannot be
    /// sent there is counted: IPv6 on a host without it, and link-local addresses without -i.
    #[arg(long)]
    pub(crate) as_recorded: bool,
    /// Send only what went to this port (repeatable)
    #[arg(long, value_name = "PORT")]
    pub(crate) filter_port: Vec<u16>,
    /// Send what is inside tunnels: GRE, IPIP, 6in4, VXLAN
    ///
    /// ERSPAN, as mirror ports send it, is in GRE. Without it, such packets are counted by the kind of tunnel, and VXLAN is sent as the datagram that it is.
    #[arg(long)]
    pub(crate) decapsulate: bool,
    /// Cut payloads longer than N bytes into datagrams of N
    ///
    /// Captures made where a network card cuts what is sent (segmentation offload) have several datagrams as one; the summary
    /// reports that, and guesses N where it can. What came in fragments was one datagram, and stays one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) segment: Option<u16>,
    /// Show what would be sent when, and send nothing
    ///
    /// Also shows what in the capture cannot be sent.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Wait this long for late answers
    ///
    /// Also for refusals (ICMP); those that arrive during the run are reported in any case. If a neighbour does not answer, this host
    /// only knows after three seconds, and the command waits for that too. 0: do not wait.
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = units::duration)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) pace: ReplayPaceArgs,
    /// Send from this address; with a port (0: any), send everything from one socket
    #[arg(long, value_name = "ADDRESS", help_heading = "Sending")]
    pub(crate) local: Option<Address>,
    /// Send from the addresses and ports in the capture, even if they are not this host's
    ///
    /// Needs CAP_NET_ADMIN (Linux). Answers go to those addresses, not here. A receiver with strict reverse path filtering (sysctl
    /// net.ipv4.conf.INTERFACE.rp_filter=1) drops datagrams from an address that it would reach another way.
    #[arg(long, conflicts_with = "local", help_heading = "Sending")]
    pub(crate) preserve_source: bool,
    /// Do not fragment: a datagram larger than the path's MTU is an error that names the MTU
    #[arg(long, help_heading = "Sending")]
    pub(crate) df: bool,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// When each datagram is sent.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Pace")]
pub(crate) struct ReplayPaceArgs {
    /// N times as fast as recorded: 2 halves every pause
    #[arg(long, value_name = "N", value_parser = speed, group = "pace")]
    pub(crate) speed: Option<f64>,
    /// Datagrams or bits per second: 1000/s, 5Mbit/s
    ///
    /// Bits are those of the payload. The times in the capture are ignored.
    #[arg(long, value_name = "RATE", value_parser = units::rate, group = "pace")]
    pub(crate) rate: Option<units::Rate>,
    /// As fast as possible
    #[arg(long, group = "pace")]
    pub(crate) max: bool,
    /// Shorten longer pauses to this
    #[arg(long, value_name = "DURATION", value_parser = units::duration, conflicts_with_all = ["rate", "max"])]
    pub(crate) max_gap: Option<Duration>,
    /// Send everything N times; 0: forever
    #[arg(long = "loop", value_name = "N", default_value = "1")]
    pub(crate) rounds: u64,
    /// Pause between rounds of --loop
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = units::duration, hide_short_help = true)]
    pub(crate) loop_delay: Duration,
    /// How long before each datagram to watch the clock instead of sleeping
    ///
    /// 10ms at most. Longer is more exact, and takes more processor time.
    #[arg(long, value_name = "DURATION", default_value = "100us", value_parser = common::busy_wait, conflicts_with = "max")]
    pub(crate) busy_wait: Duration,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err(format!("'{text}' is not a speed; write a number over 0, such as 2 or 0.5")),
    }
}

#[cfg(test)]
mod tests {
    use super::speed;

    #[test]
    fn speeds() {
        assert_eq!([speed("2"), speed("0.5")], [Ok(2.0), Ok(0.5)]);
        for wrong in ["", "0", "-1", "inf", "NaN", "fast"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
