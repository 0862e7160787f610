//! The flags of `udp measure` and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;

use super::common::{CommonArgs, SendingArgs, busy_wait, status_interval, without_payloads};
use super::habits;
use super::help::{self, Example, Status};
use crate::words::address::Address;
use crate::words::figures::{Condition, Topic};
use crate::words::language::Language;
use crate::words::probes::{Profile, Sizes, ecn, sizes};
use crate::words::units;

/// Headings in the help.
const PROBES: &str = "Probes";
const STAMP: &str = "STAMP";
const LOAD: &str = "Load";
const RESULT: &str = "Result";

/// What the help shows first, and all that `-h` shows.
pub(super) const MOST_USED: &[&str] =
    &["probe_rate", "duration", "sizes", "profile", "wait", "fail_if", "explain_figure", "verbose"];

/// The examples of the help; `-h` shows the first three.
pub(super) const EXAMPLES: &[Example] = &[
    ("udp measure host", "100 probes a second, for 10 s"),
    ("udp measure host --fail-if 'loss>1%'", "status 1 if more than 1 % are lost"),
    ("udp measure --explain rtt", "what the round trip is, and is not"),
    ("udp measure host --rate 1000/s --for 1m", "finer figures: 60,000 probes"),
    ("udp measure host --profile voip", "as a call sends it: 50/s, 172 bytes, EF"),
    ("udp measure host --size 64,512,1400", "whether loss depends on the size"),
    ("udp measure host --burst 10 --interval 1s", "10 back to back each second: short queues show"),
    ("udp measure host --fail-if 'forward.loss>1%' --fail-if 'rtt.p99>50ms'", "several bars, one direction"),
    ("udp measure host --key-file secret", "with a reflector that checks who asks"),
    ("udp measure host --forever --status 1m", "until Ctrl-C, which prints the summary"),
    #[cfg(feature = "http")]
    ("udp measure host --forever --metrics :9100", "metrics for Prometheus at http://127.0.0.1:9100/metrics"),
    ("udp measure host --json > before.json", "keep what a run came to"),
    ("udp measure host --compare before.json", "what differs now, and whether by more than chance"),
    ("udp measure host --load 20Mbit/s", "what delay a full link adds, with a grade"),
    ("udp measure --targets offices.toml", "several reflectors at the same time"),
    ("udp measure host --mtu", "the longest datagram that passes, in each direction"),
    ("udp measure host --mtu --fail-if 'mtu<1500'", "status 1 if the path takes less than 1500 bytes"),
    ("udp measure host --report page.html", "a page with plots, to keep or to send"),
];

/// What the exit statuses mean.
pub(super) const EXIT_STATUS: &[Status] = &[
    (0, "Measured; no condition of --fail-if is known to hold"),
    (1, "A condition of --fail-if holds, or no answer came"),
    (2, "Could not do it: wrong usage, nothing sent, nobody listens there (ICMP)"),
    (130, "Interrupted before an answer came"),
];

/// Measure loss, duplication, reordering and delay in each direction
///
/// Sends probes to a reflector (STAMP, RFC 8762), such as `udp reflect`, and reports what became of them on the way there
/// (forward) and back (reverse). With `udp reflect` every count is exact; with other reflectors it is a number where that can be
/// known, and else an interval that holds it. Of a plain echo server, only the round trip is reported.
///
/// Probes leave at times that are fixed in advance, whatever becomes of earlier ones, so that a slow answer delays no later
/// measurement. How late they left is reported, too.
#[derive(Clone, Debug, ArgGroup)]
#[command(mut_arg("port", |port| port.help("Port of ADDRESS if it has none [default: 862]")))]
#[command(mut_arg("count", |count| count.help("Send N probes [default: as many as --for has time for]")))]
#[command(mut_arg("duration", |duration| duration
    .help("Send for this time [default: 10s]")
    .long_help("Send for this time, then wait for the last answers\n\n[default: 10s; with --count, until all are sent]")))]
#[command(mut_arg("ttl", |ttl| ttl.help("Time to live (hop limit) of the probes [default: 255]")))]
#[command(mut_arg("interfaces", |interfaces| interfaces.help("Send out of this interface")))]
#[command(mut_arg("verbose", |verbose| verbose.help("Print each probe that was lost or not sent")))]
#[command(
    override_usage = "udp measure [OPTIONS] <ADDRESS>\n       udp measure [OPTIONS] --targets <FILE>\n       udp measure --explain [FIGURE]"
)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES, EXIT_STATUS))]
#[command(mut_args(help::most_used(MOST_USED)))]
#[command(mut_args(without_payloads))]
#[command(mut_args(habits::options_of("measure")))]
pub(crate) struct MeasureArgs {
    /// The reflector: HOST, HOST:PORT or [V6]:PORT
    #[arg(value_name = "ADDRESS", required_unless_present_any = ["explain_figure", "targets"])]
    pub(crate) address: Option<Address>,
    /// Measure the reflectors that a file lists, all at once
    ///
    /// A TOML file with a [[target]] for each: address, name, and any of the options that are about one of them, without the hyphens
    /// (docs/measure.md). Other options are for all. 64 at most.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["address", "explain_figure"])]
    pub(crate) targets: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) probes: ProbeArgs,
    /// An answer that comes later is lost
    ///
    /// The summary names it, since loss is only defined with it (RFC 7680). Routes that work take less than 2 s.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = units::duration)]
    pub(crate) wait: Duration,
    /// Exit with status 1 if this holds: 'loss>1%'
    ///
    /// It can be given several times. Each is FIGURE, then > >= < or <=, then a value with its unit: 'forward.loss>0.5%', 'rtt.p99>50ms', 'lost>=1'.
    /// `udp measure --explain` lists the figures. Where a figure is an interval, the condition must hold for all of it; where it holds
    /// for a part of it, the summary says so.
    #[arg(long, value_name = "CONDITION", help_heading = RESULT)]
    pub(crate) fail_if: Vec<Condition>,
    /// Say what differs from an older run by more than chance
    ///
    /// FILE is what --json printed of it; its last line, the summary, is read.
    #[arg(long, value_name = "FILE", help_heading = RESULT)]
    pub(crate) compare: Option<PathBuf>,
    /// Say what a figure is, or list all figures
    ///
    /// How it is computed, where it is defined, and what it does not say. Nothing is measured.
    #[arg(long = "explain", value_name = "FIGURE", num_args = 0..=1, conflicts_with = "address", help_heading = RESULT)]
    pub(crate) explain_figure: Option<Option<Topic>>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    /// Send until a signal ends it, such as that of Ctrl-C
    ///
    /// The first signal ends the sending, and the summary has all probes of the run; it waits for answers for --wait at most. The second ends
    /// it at once. Memory does not grow with it.
    #[arg(long, conflicts_with_all = ["duration", "count"], hide_short_help = true)]
    pub(crate) forever: bool,
    /// Serve metrics for Prometheus over HTTP at this address; without a host, on loopback
    #[cfg_attr(feature = "http", arg(long, value_name = "ADDRESS", conflicts_with = "mtu", hide_short_help = true))]
    #[cfg_attr(not(feature = "http"), arg(skip))]
    pub(crate) metrics: Option<Address>,
    /// Print the status at this interval, 10ms or more; 0: never [default: 1s on a terminal, else never]
    #[arg(long, value_name = "DURATION", value_parser = status_interval)]
    pub(crate) status: Option<Duration>,
    /// Find the longest datagram that passes, in each direction: the path's MTU (RFC 8899)
    ///
    /// Probes of many sizes, none of which a router may fragment. A size that is lost is told from loss by chance, and what routers
    /// report (ICMP) is tried, not believed. Sizes are in bytes with IP and UDP headers, as an MTU is. BYTES is the longest to try; without it
    /// as long as this host sends, which is the MTU of its interface. --for is the longest that it may take (60s by default).
    #[arg(long, value_name = "BYTES", num_args = 0..=1, value_parser = mtu, conflicts_with_all = NOT_WITH_MTU, help_heading = RESULT,
          hide_short_help = true)]
    pub(crate) mtu: Option<Option<u32>>,
    #[command(flatten)]
    pub(crate) stamp: StampArgs,
    #[command(flatten)]
    pub(crate) sending: SendingArgs,
    /// ECN code point of the probes: not-ect, ect0, ect1 or ce [default: not-ect]
    #[arg(long, value_name = "ECN", value_parser = ecn, help_heading = "Sending")]
    pub(crate) ecn: Option<u8>,
    /// Send from this address or port
    #[arg(long, value_name = "ADDRESS", help_heading = "Sending")]
    pub(crate) local: Option<Address>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// The page that is written.
#[derive(Clone, Debug, ArgGroup)]
#[command(next_help_heading = RESULT)]
pub(crate) struct ReportArgs {
    /// Write what was measured into FILE, one page of HTML with plots
    ///
    /// The page needs nothing else: no script, no other file, no network. It prints well.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["explain_figure", "targets"])]
    pub(crate) report: Option<PathBuf>,
    /// Language of the page of --report: en (English) or id (Indonesian)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, requires = "report")]
    pub(crate) language: Language,
}

/// What is sent when.
#[derive(Clone, Debug, ArgGroup)]
#[command(next_help_heading = PROBES)]
pub(crate) struct ProbeArgs {
    /// Rate of probes: 1000/s or 5Mbit/s [default: 100/s]
    ///
    /// Bits are those of the payload.
    #[arg(long = "rate", value_name = "RATE", value_parser = units::rate, conflicts_with = "interval")]
    pub(crate) probe_rate: Option<units::Rate>,
    /// Time from one probe to the next; with --burst, from one burst to the next
    #[arg(long, value_name = "DURATION", value_parser = interval)]
    pub(crate) interval: Option<Duration>,
    /// Send at random times, with the same rate on average (Poisson), so that no regular event is missed or met each time
    #[arg(long)]
    pub(crate) poisson: bool,
    /// Send N probes back to back each time; --rate stays the rate of probes
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) burst: u32,
    /// Bytes of payload: 172, or in turn: 64,512,1400
    ///
    /// Or a range: 64..1400:64 is from 64 to 1400 in steps of 64. Counts are exact at any size. Probes under 128 bytes (216 with
    /// a key) have no room for everything else: DSCP and ECN forward may be missing.
    ///
    /// [default: as few as measure everything]
    #[arg(long = "size", value_name = "SIZES", value_parser = sizes)]
    pub(crate) sizes: Option<Sizes>,
    /// Send as this program would: voip, game
    ///
    /// The options that this stands for are printed, with the source of their figures; others win over them.
    #[arg(long, value_name = "PROFILE", value_parser = Profile::named)]
    pub(crate) profile: Option<&'static Profile>,
    /// Send from N ports in turn, since networks send what differs in its ports over different paths
    ///
    /// Each is a session of its own at the reflector.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) flows: u16,
    /// How long before each datagram to watch the clock instead of sleeping
    ///
    /// 10ms at most. Longer is more exact, and takes more processor time.
    #[arg(long, value_name = "DURATION", default_value = "100us", value_parser = busy_wait)]
    pub(crate) busy_wait: Duration,
}

/// The load beside the probes.
#[derive(Clone, Debug, ArgGroup)]
#[command(next_help_heading = LOAD)]
pub(crate) struct LoadArgs {
    /// In the second half, load the way there with this: 20Mbit/s or 2000/s
    ///
    /// The first half is without it. What the load adds to the delay of the probes, in each direction, is reported with a grade, and
    /// how much of it arrived. Bits are those of the payload. It leaves from a port of its own, with DSCP 0. It needs udp reflect,
    /// which counts the load and does not answer it; other reflectors would send it back, so they get none.
    #[arg(long, value_name = "RATE", value_parser = units::rate, conflicts_with_all = ["forever", "targets"], hide_short_help = true)]
    pub(crate) load: Option<units::Rate>,
    /// Bytes of payload of each datagram of the load [default: 1200]
    #[arg(long, value_name = "BYTES", requires = "load", hide_short_help = true, value_parser = clap::value_parser!(u16).range(128..=65_507))]
    pub(crate) load_size: Option<u16>,
}

/// What of the protocol can be chosen.
#[derive(Clone, Debug, ArgGroup)]
#[command(next_help_heading = STAMP)]
pub(crate) struct StampArgs {
    /// Sign probes with the key in this file, and take only answers signed with it (HMAC-SHA-256)
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Session identifier (RFC 8972): 1 to 65535 [default: random]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) ssid: Option<u16>,
    /// Write times in the format of PTP instead of NTP
    #[arg(long)]
    pub(crate) ptp: bool,
}

/// What has no meaning where the path's MTU is measured.
const NOT_WITH_MTU: [&str; 15] = [
    "load",
    "targets",
    "probe_rate",
    "poisson",
    "burst",
    "sizes",
    "profile",
    "flows",
    "busy_wait",
    "count",
    "forever",
    "status",
    "compare",
    "report",
    "ptp",
];

/// The least MTU of IPv4 (RFC 791), and the longest packet that a datagram makes in IPv6.
const MTUS: std::ops::RangeInclusive<u32> = 68..=65_575;

fn mtu(text: &str) -> Result<u32, String> {
    let bytes = text.parse().ok().filter(|bytes| MTUS.contains(bytes));
    bytes.ok_or_else(|| format!("'{text}' is not an MTU; write {} to {} bytes, such as 9000", MTUS.start(), MTUS.end()))
}

/// The shortest time from one probe to the next.
const SHORTEST_INTERVAL: Duration = Duration::from_nanos(100);

pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        interval if interval >= SHORTEST_INTERVAL => Ok(interval),
        _ => Err(format!("'{text}' is too short an interval; write 100ns or more")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "udp measure", max_term_width = 100)]
    struct Line {
        #[command(flatten)]
        args: MeasureArgs,
    }

    fn parse(line: &str) -> Result<MeasureArgs, String> {
        let words = std::iter::once("udp measure").chain(line.split(' ').filter(|word| !word.is_empty()));
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn definitions_are_consistent() {
        Line::command().debug_assert();
    }

    #[test]
    fn the_short_help_fits_a_terminal() {
        let help = Line::command().term_width(80).render_help().to_string();
        assert!(help.lines().count() <= 24, "{} lines:\n{help}", help.lines().count());
    }

    #[test]
    fn every_example_is_understood() {
        for (example, _) in EXAMPLES {
            let line = example.split(" > ").next().unwrap().trim().strip_prefix("udp measure").unwrap();
            parse(&line.replace('\'', "")).unwrap();
        }
    }

    #[test]
    fn an_explanation_needs_no_address_and_a_measurement_does() {
        assert!(parse("--explain").unwrap().explain_figure.is_some_and(|topic| topic.is_none()));
        let topic = parse("--explain forward.loss").unwrap().explain_figure.unwrap().unwrap();
        assert_eq!(topic.name(), "loss");
        assert!(parse("").unwrap_err().contains("<ADDRESS>"));
        assert!(parse("host --explain").unwrap_err().contains("cannot be used with"));
    }

    #[test]
    fn values_that_make_no_sense_are_mistakes() {
        for (line, words) in [
            ("host --rate 100", "'100' is not a rate"),
            ("host --rate 100/s --interval 1s", "cannot be used with"),
            ("host --interval 0", "too short an interval"),
            ("host --interval 1", "has no unit"),
            ("host --burst 0", "0 is not in 1..=10000"),
            ("host --flows 257", "257 is not in 1..=256"),
            ("host --ssid 0", "0 is not in 1..=65535"),
            ("host --size 20", "payloads have 44 to 65507"),
            ("host --profile voi", "did you mean voip?"),
            ("host --fail-if loss>1", "the count is lost"),
            ("host --busy-wait 1s", "10ms at most"),
            ("host --forever --for 1s", "cannot be used with"),
            ("host --forever --count 3", "cannot be used with"),
            ("host --load 20Mbit/s --forever", "cannot be used with"),
            ("--targets a.toml --load 20Mbit/s", "cannot be used with"),
            ("host --load 20", "'20' is not a rate"),
            ("host --load-size 1400", "--load <RATE>"),
            ("host --load 1Mbit/s --load-size 80", "80 is not in 128..=65507"),
            ("--explain throughput", "there is no figure 'throughput'"),
            ("host --mtu 60", "'60' is not an MTU"),
            ("--mtu host", "'host' is not an MTU"),
            ("host --mtu --count 3", "cannot be used with"),
            ("host --mtu --load 20Mbit/s", "cannot be used with"),
            ("host --mtu 9000 --size 300", "cannot be used with"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
